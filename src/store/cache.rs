//! The disposable store of closed bars: a second sled, which may be deleted at any time and is refetched from terminals.
//!
//! ```text
//! series u32 BE · first time i64 BE (sign bit flipped)    a page of bars (see `page.rs`)
//! 0u32 · 'n' · name                                       series u32 BE
//! 0u32 · 's' · series u32 BE                              where it is complete (see `cover.rs`)
//! 0u32 · 'k' · name                                       a note of a few bytes
//! 0u32 · 'v'                                              version of this layout, one byte
//! ```
//!
//! What makes a cache of bars right is knowing where it has **all** of them: every insert says for which span it is
//! complete, and only covered spans are answered from here. No failure in here is an error for the hub: it forgets, and
//! answers `None`. A page and the cover that speaks of it change in one batch, so a crash leaves both or neither; a page that does
//! not read is dropped together with its cover, and fetched again.

mod cover;

use std::path::Path;
use std::sync::{PoisonError, RwLock};

pub use cover::{Cover, Covered, Span};

use super::disk;
use super::page::{self, MAX_BARS};
use crate::domain::{UnixMillis, market::Bar};

/// Of the layout above; a cache of another one is emptied.
const VERSION: u8 = 2;

/// Bars of a stretch in which the cache has all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The bars, oldest first.
    pub bars: Vec<Bar>,
    /// The stretch that they are all of.
    pub span: Span,
    /// When a terminal last said something about it.
    pub heard: UnixMillis,
}

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

    /// The name of a series, as the other calls take it. Names of one `holder` begin with its own, see [`Self::forget`].
    #[must_use]
    pub fn series_name(holder: &str, symbol: &str, timeframe: &str) -> String {
        format!("{holder}\0{symbol}\0{timeframe}")
    }

    /// Keeps bars. The caller vouches that they are **all** closed bars whose time lies in `contiguous_with`; they
    /// replace whatever was held of that span. To continue a span, begin at (or before) the second after its end: say
    /// from the last bar known. Bars outside of the span are ignored. `oldest` is the terminal's depth, 0 if it does not say.
    ///
    /// Returns how many bars that were held for true turned out otherwise. Then the history was rewritten, and what was held
    /// around this span is not believed any more either.
    pub fn insert(&self, series_name: &str, bars: &[Bar], contiguous_with: Span, heard: UnixMillis, oldest: i64) -> usize {
        let guard = self.db.write().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = guard.as_ref() else { return 0 };
        insert(db, series_name, bars, Covered { span: contiguous_with, heard }, oldest).unwrap_or_else(|error| {
            tracing::warn!(error, "bars could not be cached");
            0
        })
    }

    /// Where the series is complete, and how deep the terminal said its history is.
    #[must_use]
    pub fn cover(&self, series_name: &str) -> Cover {
        self.read(series_name, |_, _, cover| Some(cover.clone())).unwrap_or_default()
    }

    /// The oldest bars of a stretch that begins at `from`, at most `n`, if `from` is covered. The piece ends at `to`, where the cover
    /// ends, or with its last bar when there are more.
    #[must_use]
    pub fn forward(&self, series_name: &str, from: i64, to: i64, n: usize) -> Option<Piece> {
        self.piece(series_name, |db, series, cover| {
            let covered = cover.at(from).ok_or(None)?;
            let mut span = Span { from, to: to.min(covered.span.to) };
            let mut bars = Vec::new();
            // The last page that begins before the stretch may reach into it.
            let before = db.range(page_key(series, i64::MIN)..page_key(series, from)).next_back();
            for item in before.into_iter().chain(db.range(page_key(series, from)..=page_key(series, span.to))) {
                bars.extend(decoded(item)?.into_iter().filter(|bar| span.contains(bar.time)));
                if bars.len() > n {
                    bars.truncate(n);
                    span.to = bars.last().map_or(from - 1, |bar| bar.time);
                    break;
                }
            }
            Ok(Piece { bars, span, heard: covered.heard })
        })
    }

    /// The newest bars of a stretch that ends at `to`, at most `n`, oldest first, if `to` is covered. The piece begins at `from`, where
    /// the cover begins, or with its first bar when there are more.
    #[must_use]
    pub fn backward(&self, series_name: &str, from: i64, to: i64, n: usize) -> Option<Piece> {
        self.piece(series_name, |db, series, cover| {
            let covered = cover.at(to).ok_or(None)?;
            let mut span = Span { from: from.max(covered.span.from), to };
            let mut bars = Vec::new();
            for item in db.range(page_key(series, i64::MIN)..=page_key(series, to)).rev() {
                let page = decoded(item)?;
                let reached = page.first().is_some_and(|first| first.time <= span.from);
                bars.extend(page.into_iter().rev().filter(|bar| span.contains(bar.time)));
                if bars.len() > n {
                    bars.truncate(n);
                    span.from = bars.last().map_or(to + 1, |bar| bar.time);
                    break;
                }
                if reached {
                    break;
                }
            }
            bars.reverse();
            Ok(Piece { bars, span, heard: covered.heard })
        })
    }

    /// Forgets every series whose name begins with this holder's.
    pub fn forget(&self, holder: &str) {
        let guard = self.db.write().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = guard.as_ref() else { return };
        if let Err(error) = forget_holder(db, holder) {
            tracing::warn!(error, "the cache could not forget a holder");
        }
    }

    /// All notes: few bytes under a name, kept as long as the cache is.
    #[must_use]
    pub fn notes(&self) -> Vec<(String, Vec<u8>)> {
        let guard = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = guard.as_ref() else { return Vec::new() };
        let prefix = meta_key(b'k', b"");
        let note = |(key, value): (sled::IVec, sled::IVec)| {
            Some((String::from_utf8(key.get(prefix.len()..)?.to_vec()).ok()?, value.to_vec()))
        };
        db.scan_prefix(&prefix).flatten().filter_map(note).collect()
    }

    /// Keeps a note.
    pub fn note(&self, name: &str, value: &[u8]) {
        let guard = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = guard.as_ref()
            && let Err(error) = db.insert(meta_key(b'k', name.as_bytes()), value)
        {
            tracing::warn!(%error, "a note could not be cached");
        }
    }

    /// Bytes that the pages of a series take, without sled's own.
    #[must_use]
    pub fn page_bytes(&self, series_name: &str) -> usize {
        let pages = |db: &sled::Db, series, _: &Cover| {
            Some(db.range(page_key(series, i64::MIN)..=page_key(series, i64::MAX)).flatten().map(|(_, page)| page.len()).sum())
        };
        self.read(series_name, pages).unwrap_or(0)
    }

    fn read<T>(&self, series_name: &str, answer: impl FnOnce(&sled::Db, u32, &Cover) -> Option<T>) -> Option<T> {
        let guard = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = guard.as_ref()?;
        let series = find_series(db, series_name)?;
        let cover = read_cover(db, series)?;
        answer(db, series, &cover)
    }

    /// Reads a piece. `Err(Some(time))` is a damaged page that begins at `time`: it is dropped.
    fn piece(&self, series_name: &str, read: impl FnOnce(&sled::Db, u32, &Cover) -> Result<Piece, Option<i64>>) -> Option<Piece> {
        let damaged = match self.read(series_name, |db, series, cover| Some(read(db, series, cover)))? {
            Ok(piece) => return Some(piece),
            Err(damaged) => damaged?,
        };
        tracing::warn!(series = series_name.replace('\0', " "), damaged, "a page of cached bars is damaged; it is fetched again");
        let guard = self.db.write().unwrap_or_else(PoisonError::into_inner);
        let db = guard.as_ref()?;
        let dropped = find_series(db, series_name).ok_or("no such series".to_owned()).and_then(|id| drop_page(db, id, damaged));
        if let Err(error) = dropped {
            tracing::warn!(error, "a damaged page could not be dropped");
        }
        None
    }
}

/// The bars of a page, or the time at which a damaged one begins.
fn decoded(item: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Vec<Bar>, Option<i64>> {
    let (key, value) = item.map_err(|_| None)?;
    page::decode(&value).ok_or_else(|| time_of(&key))
}

/// Removes a page together with its cover.
fn drop_page(db: &sled::Db, series: u32, first: i64) -> Result<(), String> {
    let after = first.saturating_add(1);
    let next = db.range(page_key(series, after)..=page_key(series, i64::MAX)).keys().next();
    let next = next.transpose().map_err(|error| error.to_string())?.and_then(|key| time_of(&key));
    let mut cover = read_cover(db, series).unwrap_or_default();
    cover.remove(Span { from: first, to: next.map_or(i64::MAX, |next| next.saturating_sub(1)) });
    let mut batch = sled::Batch::default();
    batch.remove(page_key(series, first).as_slice());
    batch.insert(meta_key(b's', &series.to_be_bytes()), cover.encode());
    db.apply_batch(batch).map_err(|error| error.to_string())
}

fn try_open(dir: &Path, cache_capacity: u64) -> Result<sled::Db, String> {
    disk::create_private_dir(dir).map_err(|error| error.to_string())?;
    disk::remove_matching(dir, |name| name.ends_with(".generating")).map_err(|error| error.to_string())?;
    let dir = dir.to_owned();
    // sled may panic on damaged files.
    let opening = std::thread::spawn(move || sled::Config::new().path(dir).cache_capacity(cache_capacity).open());
    let db = opening.join().map_err(|_| "sled panicked".to_owned())?.map_err(|error| error.to_string())?;
    let key = meta_key(b'v', b"");
    if db.get(&key).map_err(|error| error.to_string())?.is_none_or(|version| version.as_ref() != [VERSION]) {
        db.clear().and_then(|()| db.insert(key, &[VERSION])).map_err(|error| error.to_string())?;
    }
    Ok(db)
}

fn insert(db: &sled::Db, series_name: &str, bars: &[Bar], new: Covered, oldest: i64) -> Result<usize, String> {
    let span = new.span;
    if span.from > span.to {
        return Err("the span ends before it begins".into());
    }
    let series = find_series(db, series_name).map_or_else(|| new_series(db, series_name), Ok)?;
    // A damaged entry or page is forgotten with everything around it, rather than believed.
    let (mut cover, touched) = match (read_cover(db, series), pages_to_rewrite(db, series, span)) {
        (Some(cover), Some(touched)) => (cover, touched),
        _ => {
            forget(db, series)?;
            (Cover::default(), Vec::new())
        }
    };
    let old_keys: Vec<i64> = touched.iter().map(|(first, _)| *first).collect();
    let (held, mut all): (Vec<Bar>, Vec<Bar>) =
        touched.into_iter().flat_map(|(_, page)| page).partition(|bar| span.contains(bar.time));
    let mut fresh: Vec<Bar> = bars.iter().filter(|bar| span.contains(bar.time)).copied().collect();
    fresh.sort_by_key(|bar| bar.time);
    fresh.dedup_by_key(|bar| bar.time);
    let changed = changes(&cover, span, &held, &fresh);
    if changed > 0 {
        // Newest wins, and where one bar was rewritten its neighbours may have been.
        cover.spans.retain(|covered| covered.span.to < span.from || span.to < covered.span.from);
    }
    all.extend(fresh);
    all.sort_by_key(|bar| bar.time);
    let mut batch = sled::Batch::default();
    for first in old_keys {
        batch.remove(page_key(series, first).as_slice());
    }
    for (first, page) in page::paginate(&all) {
        batch.insert(page_key(series, first).as_slice(), page);
    }
    cover.add(new);
    if oldest > 0 {
        cover.oldest = oldest;
    }
    batch.insert(meta_key(b's', &series.to_be_bytes()), cover.encode());
    db.apply_batch(batch).map_err(|error| error.to_string())?;
    Ok(changed)
}

/// How many bars of the span were held for true and are now different or gone, or were said not to exist and do.
fn changes(cover: &Cover, span: Span, held: &[Bar], fresh: &[Bar]) -> usize {
    let covered = |bar: &&Bar| cover.at(bar.time).is_some();
    let find = |bars: &[Bar], time: i64| bars.binary_search_by_key(&time, |bar| bar.time).ok().map(|at| bars[at]);
    if !cover.spans.iter().any(|known| known.span.from <= span.to && span.from <= known.span.to) {
        return 0;
    }
    let gone = held.iter().filter(covered).filter(|bar| find(fresh, bar.time) != Some(**bar)).count();
    let come = fresh.iter().filter(covered).filter(|bar| find(held, bar.time).is_none()).count();
    gone + come
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

fn forget(db: &sled::Db, series: u32) -> Result<(), String> {
    let mut batch = sled::Batch::default();
    batch.remove(meta_key(b's', &series.to_be_bytes()));
    for key in db.range(page_key(series, i64::MIN)..=page_key(series, i64::MAX)).keys() {
        batch.remove(key.map_err(|error| error.to_string())?);
    }
    db.apply_batch(batch).map_err(|error| error.to_string())
}

fn forget_holder(db: &sled::Db, holder: &str) -> Result<(), String> {
    let names = db.scan_prefix(meta_key(b'n', format!("{holder}\0").as_bytes()));
    for item in names {
        let (name, id) = item.map_err(|error| error.to_string())?;
        if let Ok(id) = id.as_ref().try_into() {
            forget(db, u32::from_be_bytes(id))?;
        }
        db.remove(name).map_err(|error| error.to_string())?;
    }
    db.remove(meta_key(b'k', holder.as_bytes())).map_err(|error| error.to_string())?;
    Ok(())
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

/// `None` if the entry is damaged.
fn read_cover(db: &sled::Db, series: u32) -> Option<Cover> {
    match db.get(meta_key(b's', &series.to_be_bytes())).ok()? {
        Some(bytes) => Cover::decode(&bytes),
        None => Some(Cover::default()),
    }
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
