#![allow(clippy::unwrap_used)]

use super::page::tests::walk;
use super::*;

const CAPACITY: u64 = 1 << 20;

fn span(from: i64, to: i64) -> Span {
    Span { from, to }
}

const NOW: UnixMillis = UnixMillis(1);

impl BarCache {
    fn put(&self, series: &str, bars: &[Bar], span: Span) -> usize {
        self.insert(series, bars, span, NOW, 0)
    }

    /// All closed bars of a span, if the cache is complete there.
    fn range(&self, series: &str, from: i64, to: i64) -> Option<Vec<Bar>> {
        let piece = self.forward(series, from, to, usize::MAX)?;
        (piece.span.to == to).then_some(piece.bars)
    }

    /// The last `n` at or before `to`, if the cache is complete from the first of them to `to`.
    fn last_n_before(&self, series: &str, to: i64, n: usize) -> Option<Vec<Bar>> {
        let piece = self.backward(series, i64::MIN, to, n)?;
        (piece.bars.len() == n).then_some(piece.bars)
    }
}

fn times(bars: Option<Vec<Bar>>) -> Option<Vec<i64>> {
    bars.map(|bars| bars.iter().map(|bar| bar.time).collect())
}

#[test]
fn only_covered_spans_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(6_000, 2_000);
    let end = bars[1_999].time;
    assert_eq!(cache.range("s", 6_000, end), None);
    cache.put("s", &bars, span(6_000, end));
    assert_eq!(cache.range("s", 6_000, end).unwrap(), bars);
    assert_eq!(cache.range("s", 6_060, 6_180).unwrap(), &bars[1..4]);
    assert_eq!(cache.range("s", 5_999, end), None);
    assert_eq!(cache.range("s", 6_000, end + 1), None);
    assert_eq!(cache.range("other", 6_000, end), None);
}

#[test]
fn spans_that_touch_become_one_and_gaps_stay_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(0, 100);
    cache.put("s", &bars[..10], span(0, 540));
    cache.put("s", &bars[20..30], span(1_200, 1_740));
    assert_eq!(cache.range("s", 0, 1_740), None);
    assert_eq!(cache.range("s", 540, 1_200), None);
    cache.put("s", &bars[9..21], span(540, 1_200));
    assert_eq!(cache.range("s", 0, 1_740).unwrap(), &bars[..30]);
    cache.put("s", &bars[30..31], span(1_741, 1_800));
    assert_eq!(cache.range("s", 0, 1_800).unwrap(), &bars[..31]);
}

#[test]
fn one_bar_at_a_time_fills_pages_instead_of_making_many() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(0, 700);
    for bar in &bars {
        cache.put("s", std::slice::from_ref(bar), span(bar.time - 59, bar.time));
    }
    assert_eq!(cache.range("s", 0, bars[699].time).unwrap(), bars);
    let pages = cache.db.read().unwrap().as_ref().unwrap().range(page_key(1, 0)..).count();
    assert_eq!(pages, 2);
}

#[test]
fn what_is_inserted_again_replaces_what_was_held_of_that_span() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(0, 1_000);
    cache.put("s", &bars, span(0, 60_000));
    let mut changed = bars[500];
    changed.close += 1.0;
    assert_eq!(cache.put("s", &[changed], span(bars[500].time, bars[501].time)), 2);
    let held = cache.range("s", bars[500].time, bars[501].time).unwrap();
    assert_eq!(held, [changed], "the bar after it is no more, says the second insert");
}

#[test]
fn the_last_bars_before_a_time_come_only_from_one_covered_span() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(0, 1_200);
    cache.put("s", &bars[..100], span(0, bars[99].time));
    cache.put("s", &bars[110..], span(bars[110].time, bars[1_199].time + 59));
    let last = bars[1_199].time;
    assert_eq!(cache.last_n_before("s", last + 30, 1_090).unwrap(), &bars[110..]);
    assert_eq!(cache.last_n_before("s", last + 30, 3).unwrap(), &bars[1_197..]);
    assert_eq!(cache.last_n_before("s", last + 30, 1_091), None, "the gap ends it");
    assert_eq!(cache.last_n_before("s", last + 60, 1), None, "beyond what is covered");
    assert_eq!(cache.last_n_before("s", bars[99].time, 100).unwrap(), &bars[..100]);
    assert_eq!(times(cache.last_n_before("s", bars[50].time - 1, 2)), Some(vec![48 * 60, 49 * 60]));
    assert_eq!(cache.last_n_before("s", last, 0), Some(Vec::new()));
}

#[test]
fn an_empty_span_is_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    cache.put("s", &[], span(0, 1_000));
    assert_eq!(cache.range("s", 0, 1_000), Some(Vec::new()));
    assert_eq!(cache.last_n_before("s", 1_000, 1), None);
}

#[test]
fn series_do_not_mix_and_survive_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (BarCache::series_name("Demo", "EURUSD", "M1"), BarCache::series_name("Demo", "EURUSD", "M5"));
    let bars = walk(0, 20);
    {
        let cache = BarCache::open(dir.path(), CAPACITY);
        cache.put(&one, &bars, span(0, 2_000));
        cache.put(&two, &bars[..3], span(0, 2_000));
    }
    let cache = reopen(dir.path());
    assert_eq!(cache.range(&one, 0, 2_000).unwrap().len(), 20);
    assert_eq!(cache.range(&two, 0, 2_000).unwrap().len(), 3);
}

/// sled lets go of its lock a moment after it was dropped; a hub reopens only after it has ended.
fn reopen(dir: &Path) -> BarCache {
    loop {
        if let Ok(db) = try_open(dir, CAPACITY) {
            return BarCache { db: RwLock::new(Some(db)) };
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_cache_that_does_not_open_is_started_anew() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("cache");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("conf"), "garbage").unwrap();
    std::fs::write(dir.join("db"), "garbage").unwrap();
    let cache = BarCache::open(&dir, CAPACITY);
    cache.put("s", &walk(0, 5), span(0, 300));
    assert_eq!(cache.range("s", 0, 300).unwrap().len(), 5);
}

#[test]
fn a_directory_that_cannot_be_made_means_no_cache_and_no_error() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let cache = BarCache::open(&file.join("cache"), CAPACITY);
    cache.put("s", &walk(0, 5), span(0, 300));
    assert_eq!(cache.range("s", 0, 300), None);
}

#[test]
fn a_damaged_page_is_dropped_and_what_is_around_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(0, 1_200);
    let end = bars[1_199].time;
    cache.put("s", &bars, span(0, end));
    let damage = |first: usize| cache.db.read().unwrap().as_ref().unwrap().insert(page_key(1, bars[first].time), "x").unwrap();
    damage(512);
    assert_eq!(cache.range("s", 0, end), None);
    assert_eq!(
        cache.cover("s").spans.iter().map(|covered| covered.span).collect::<Vec<_>>(),
        [span(0, bars[512].time - 1), span(bars[1_024].time, end)]
    );
    assert_eq!(cache.range("s", 0, bars[511].time).unwrap(), &bars[..512]);
    assert_eq!(cache.range("s", bars[1_024].time, end).unwrap(), &bars[1_024..]);
    cache.put("s", &bars[512..1_024], span(bars[512].time, bars[1_024].time - 1));
    assert_eq!(cache.range("s", 0, end).unwrap(), bars);
    // One that an insert comes upon takes everything with it, rather than be believed.
    damage(0);
    cache.put("s", &bars[..10], span(0, 540));
    assert_eq!(cache.range("s", 0, 540).unwrap(), &bars[..10]);
    assert_eq!(cache.range("s", 0, end), None);
}

#[test]
fn pieces_end_where_the_cover_ends_or_with_their_last_bar() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(6_000, 1_000);
    let end = bars[999].time;
    cache.insert("s", &bars, span(6_000, end), UnixMillis(77), 5_000);
    let piece = cache.forward("s", 6_001, end + 600, 700).unwrap();
    assert_eq!((piece.bars.as_slice(), piece.span), (&bars[1..701], span(6_001, bars[700].time)));
    let rest = cache.forward("s", piece.span.to + 1, end + 600, 700).unwrap();
    assert_eq!((rest.bars.as_slice(), rest.span.to, rest.heard), (&bars[701..], end, UnixMillis(77)));
    let back = cache.backward("s", 0, end, 700).unwrap();
    assert_eq!((back.bars.as_slice(), back.span), (&bars[300..], span(bars[300].time, end)));
    let back = cache.backward("s", 0, back.span.from - 1, 700).unwrap();
    assert_eq!((back.bars.as_slice(), back.span.from), (&bars[..300], 6_000));
    assert_eq!(cache.cover("s").oldest, 5_000);
    assert_eq!(cache.forward("s", 5_999, end, 1), None);
}

#[test]
fn rewritten_history_is_counted_and_its_surroundings_are_not_believed_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(0, 1_000);
    let end = bars[999].time;
    assert_eq!(cache.put("s", &bars, span(0, end)), 0);
    assert_eq!(cache.put("s", &bars[100..200], span(bars[100].time, bars[199].time)), 0, "the same again");
    assert_eq!(cache.range("s", 0, end).unwrap(), bars);
    let mut changed = bars[100..200].to_vec();
    changed[7].close += 1.0;
    changed.remove(50);
    assert_eq!(cache.put("s", &changed, span(bars[100].time, bars[199].time)), 2);
    assert_eq!(cache.range("s", bars[100].time, bars[199].time).unwrap(), changed, "newest wins");
    assert_eq!(cache.range("s", 0, 60), None);
    assert_eq!(cache.put("s", &bars, span(0, end)), 2, "and back again");
    assert_eq!(cache.range("s", 0, end).unwrap(), bars);
}

#[test]
fn a_holder_is_forgotten_with_all_its_series_and_its_note_and_nobody_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let name = |holder: &str| BarCache::series_name(holder, "EURUSD", "M1");
    for holder in ["one", "one2"] {
        cache.put(&name(holder), &walk(0, 5), span(0, 300));
        cache.note(holder, b"n");
    }
    cache.forget("one");
    assert_eq!(cache.range(&name("one"), 0, 300), None);
    assert_eq!(cache.range(&name("one2"), 0, 300).unwrap().len(), 5);
    assert_eq!(cache.notes(), [("one2".to_owned(), b"n".to_vec())]);
}

#[test]
fn a_cache_of_another_layout_is_emptied() {
    let dir = tempfile::tempdir().unwrap();
    {
        let cache = BarCache::open(dir.path(), CAPACITY);
        cache.put("s", &walk(0, 5), span(0, 300));
        cache.db.read().unwrap().as_ref().unwrap().insert(meta_key(b'v', b""), &[1]).unwrap();
    }
    assert_eq!(reopen(dir.path()).range("s", 0, 300), None);
}
