//! The disposable store of closed bars: a second sled, which may be deleted at any time and is refetched from terminals.
//!
//! ```text
//! series u32 BE · first time i64 BE (sign bit flipped)    a page of bars (see `page.rs`)
//! 0u32 · 'n' · name                                       series u32 BE
//! 0u32 · 's' · series u32 BE                              covered spans: from i64 BE, to i64 BE, ...
//! ```
//!
//! What makes a cache of bars right is knowing where it has **all** of them: every insert says for which span it is
//! complete, and only covered spans are answered from here. No failure in here is an error for the hub: it forgets, and
//! answers `None`.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use super::disk;
use super::page::{self, MAX_BARS};
use crate::domain::market::Bar;

/// A stretch of broker time, seconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First second.
    pub from: i64,
    /// Last second.
    pub to: i64,
}

impl Span {
    fn contains(self, time: i64) -> bool {
        self.from <= time && time <= self.to
    }
}

/// Most separate spans of one series; above it the oldest are forgotten. Keeps the entry below 4 KiB.
const MAX_SPANS: usize = 200;

/// Bars of all series, on disk. All calls block for a moment: use `spawn_blocking`.
#[derive(Debug)]
pub struct BarCache {
    /// `None` when not even an empty one could be made. Written under the lock, so that no reader sees half an insert.
    db: RwLock<Option<sled::Db>>,
}

impl BarCache {
    /// Opens the cache in `dir`. One that does not open is deleted and started anew; if that fails too, nothing is cached.
    #[must_use]
    pub fn open(dir: &Path, cache_capacity: u64) -> Self {
        let opened = try_open(dir, cache_capacity).or_else(|error| {
            tracing::warn!(error, dir = %dir.display(), "the cache of bars does not open; starting an empty one");
            std::fs::remove_dir_all(dir).map_err(|error| error.to_string())?;
            try_open(dir, cache_capacity)
        });
        let db = opened.map_err(|error| tracing::warn!(error, dir = %dir.display(), "bars are not cached")).ok();
        Self { db: RwLock::new(db) }
    }

    /// The name of a series, as the other calls take it.
    #[must_use]
    pub fn series_name(server: &str, symbol: &str, timeframe: &str) -> String {
        format!("{server}\0{symbol}\0{timeframe}")
    }

    /// Keeps bars. The caller vouches that they are **all** closed bars whose time lies in `contiguous_with`; they
    /// replace whatever was held of that span. To continue a span, begin at (or before) the second after its end: say
    /// from the last bar known. Bars outside of the span are ignored.
    pub fn insert(&self, series_name: &str, bars: &[Bar], contiguous_with: Span) {
        let guard = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = guard.as_ref()
            && let Err(error) = insert(db, series_name, bars, contiguous_with)
        {
            tracing::warn!(error, "bars could not be cached");
        }
    }

    /// All closed bars with `from <= time <= to`, if the cache is complete there.
    #[must_use]
    pub fn range(&self, series_name: &str, from: i64, to: i64) -> Option<Vec<Bar>> {
        self.read(series_name, |db, series, spans| {
            spans.iter().any(|span| span.contains(from) && span.contains(to)).then_some(())?;
            let mut bars = Vec::new();
            for (_, page) in pages_touching(db, series, from, to)? {
                bars.extend(page.into_iter().filter(|bar| from <= bar.time && bar.time <= to));
            }
            Some(bars)
        })
    }

    /// The last `n` closed bars at or before `to`, oldest first, if the cache is complete from the first of them to `to`.
    #[must_use]
    pub fn last_n_before(&self, series_name: &str, to: i64, n: usize) -> Option<Vec<Bar>> {
        self.read(series_name, |db, series, spans| {
            let span = spans.iter().find(|span| span.contains(to))?;
            let mut bars = Vec::new();
            for item in db.range(page_key(series, i64::MIN)..=page_key(series, to)).rev() {
                if bars.len() >= n {
                    break;
                }
                let page = page::decode(&item.ok()?.1)?;
                let before = bars.len();
                bars.extend(page.iter().rev().filter(|bar| span.from <= bar.time && bar.time <= to));
                if page.first().is_some_and(|first| first.time < span.from) && bars.len() < n {
                    return None;
                }
                // A page wholly before the span ends the search as well.
                if bars.len() == before && page.last().is_some_and(|last| last.time < span.from) {
                    return None;
                }
            }
            bars.truncate(n);
            bars.reverse();
            (bars.len() == n).then_some(bars)
        })
    }

    /// Bytes that the pages of a series take, without sled's own.
    #[must_use]
    pub fn page_bytes(&self, series_name: &str) -> usize {
        let pages = |db: &sled::Db, series, _: &[Span]| {
            Some(db.range(page_key(series, i64::MIN)..=page_key(series, i64::MAX)).flatten().map(|(_, page)| page.len()).sum())
        };
        self.read(series_name, pages).unwrap_or(0)
    }

    fn read<T>(&self, series_name: &str, answer: impl FnOnce(&sled::Db, u32, &[Span]) -> Option<T>) -> Option<T> {
        let guard = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = guard.as_ref()?;
        let series = find_series(db, series_name)?;
        let spans = read_spans(db, series)?;
        answer(db, series, &spans)
    }
}

fn try_open(dir: &Path, cache_capacity: u64) -> Result<sled::Db, String> {
    disk::create_private_dir(dir).map_err(|error| error.to_string())?;
    disk::remove_matching(dir, |name| name.ends_with(".generating")).map_err(|error| error.to_string())?;
    let dir = dir.to_owned();
    // sled may panic on damaged files.
    let opening = std::thread::spawn(move || sled::Config::new().path(dir).cache_capacity(cache_capacity).open());
    opening.join().map_err(|_| "sled panicked".to_owned())?.map_err(|error| error.to_string())
}

fn insert(db: &sled::Db, series_name: &str, bars: &[Bar], span: Span) -> Result<(), String> {
    if span.from > span.to {
        return Err("the span ends before it begins".into());
    }
    let series = find_series(db, series_name).map_or_else(|| new_series(db, series_name), Ok)?;
    // A damaged entry or page is forgotten with everything around it, rather than believed.
    let (spans, touched) = match (read_spans(db, series), pages_to_rewrite(db, series, span)) {
        (Some(spans), Some(touched)) => (spans, touched),
        _ => {
            forget(db, series)?;
            (Vec::new(), Vec::new())
        }
    };
    let old_keys: Vec<i64> = touched.iter().map(|(first, _)| *first).collect();
    let mut all: Vec<Bar> = touched.into_iter().flat_map(|(_, page)| page).filter(|bar| !span.contains(bar.time)).collect();
    all.extend(bars.iter().filter(|bar| span.contains(bar.time)));
    all.sort_by_key(|bar| bar.time);
    all.dedup_by_key(|bar| bar.time);
    let mut batch = sled::Batch::default();
    for first in old_keys {
        batch.remove(page_key(series, first).as_slice());
    }
    for (first, page) in page::paginate(&all) {
        batch.insert(page_key(series, first).as_slice(), page);
    }
    let spans = merge(spans, span);
    batch.insert(meta_key(b's', &series.to_be_bytes()), encode_spans(&spans));
    db.apply_batch(batch).map_err(|error| error.to_string())
}

/// The pages that hold bars of the span, and the one before if there is room in it.
fn pages_to_rewrite(db: &sled::Db, series: u32, span: Span) -> Option<Vec<(i64, Vec<Bar>)>> {
    let mut pages = pages_touching(db, series, span.from, span.to)?;
    if pages.first().is_none_or(|(first, _)| *first >= span.from)
        && let Some(item) = db.range(page_key(series, i64::MIN)..page_key(series, span.from)).next_back()
    {
        let (key, value) = item.ok()?;
        let page = page::decode(&value)?;
        if page.len() < MAX_BARS {
            pages.insert(0, (time_of(&key)?, page));
        }
    }
    Some(pages)
}

/// Pages with a bar in `from..=to`, oldest first. `None` if one of them is damaged.
fn pages_touching(db: &sled::Db, series: u32, from: i64, to: i64) -> Option<Vec<(i64, Vec<Bar>)>> {
    let mut pages = Vec::new();
    // The last page that begins before the span may reach into it.
    let before = db.range(page_key(series, i64::MIN)..page_key(series, from)).next_back();
    for item in before.into_iter().chain(db.range(page_key(series, from)..=page_key(series, to))) {
        let (key, value) = item.ok()?;
        let page = page::decode(&value)?;
        if page.last().is_some_and(|last| last.time >= from) {
            pages.push((time_of(&key)?, page));
        }
    }
    Some(pages)
}

/// Adds a span; those that overlap or follow without a second between become one.
fn merge(mut spans: Vec<Span>, added: Span) -> Vec<Span> {
    spans.push(added);
    spans.sort_by_key(|span| span.from);
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.to.saturating_add(1) => last.to = last.to.max(span.to),
            _ => merged.push(span),
        }
    }
    let surplus = merged.len().saturating_sub(MAX_SPANS);
    merged.drain(..surplus);
    merged
}

fn forget(db: &sled::Db, series: u32) -> Result<(), String> {
    let mut batch = sled::Batch::default();
    batch.remove(meta_key(b's', &series.to_be_bytes()));
    for key in db.range(page_key(series, i64::MIN)..=page_key(series, i64::MAX)).keys() {
        batch.remove(key.map_err(|error| error.to_string())?);
    }
    db.apply_batch(batch).map_err(|error| error.to_string())
}

fn find_series(db: &sled::Db, name: &str) -> Option<u32> {
    let id = db.get(meta_key(b'n', name.as_bytes())).ok()??;
    id.as_ref().try_into().ok().map(u32::from_be_bytes)
}

/// Allots the next number. Under the write lock, so two callers never get the same.
fn new_series(db: &sled::Db, name: &str) -> Result<u32, String> {
    let counter = meta_key(b'c', b"");
    let last =
        db.get(&counter).map_err(|error| error.to_string())?.and_then(|id| id.as_ref().try_into().ok().map(u32::from_be_bytes));
    let id = last.unwrap_or(0).checked_add(1).ok_or("no number is left for a new series")?;
    let mut batch = sled::Batch::default();
    batch.insert(counter, &id.to_be_bytes());
    batch.insert(meta_key(b'n', name.as_bytes()), &id.to_be_bytes());
    db.apply_batch(batch).map_err(|error| error.to_string())?;
    Ok(id)
}

fn read_spans(db: &sled::Db, series: u32) -> Option<Vec<Span>> {
    let bytes = db.get(meta_key(b's', &series.to_be_bytes())).ok()?.unwrap_or_default();
    let (numbers, rest) = bytes.as_chunks::<8>();
    let (pairs, odd) = numbers.as_chunks::<2>();
    let spans = pairs.iter().map(|[from, to]| Span { from: i64::from_be_bytes(*from), to: i64::from_be_bytes(*to) }).collect();
    (rest.is_empty() && odd.is_empty()).then_some(spans)
}

fn encode_spans(spans: &[Span]) -> Vec<u8> {
    spans.iter().flat_map(|span| [span.from.to_be_bytes(), span.to.to_be_bytes()]).flatten().collect()
}

fn meta_key(kind: u8, rest: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, kind], rest].concat()
}

fn page_key(series: u32, first: i64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&series.to_be_bytes());
    // With the sign bit flipped, the order of bytes is the order of times.
    key[4..].copy_from_slice(&(first ^ i64::MIN).to_be_bytes());
    key
}

fn time_of(key: &[u8]) -> Option<i64> {
    key.get(4..)?.try_into().ok().map(|bytes| i64::from_be_bytes(bytes) ^ i64::MIN)
}

#[cfg(test)]
mod tests;
