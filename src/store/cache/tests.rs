#![allow(clippy::unwrap_used)]

use super::page::tests::walk;
use super::*;

const CAPACITY: u64 = 1 << 20;

fn span(from: i64, to: i64) -> Span {
    Span { from, to }
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
    cache.insert("s", &bars, span(6_000, end));
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
    cache.insert("s", &bars[..10], span(0, 540));
    cache.insert("s", &bars[20..30], span(1_200, 1_740));
    assert_eq!(cache.range("s", 0, 1_740), None);
    assert_eq!(cache.range("s", 540, 1_200), None);
    cache.insert("s", &bars[9..21], span(540, 1_200));
    assert_eq!(cache.range("s", 0, 1_740).unwrap(), &bars[..30]);
    cache.insert("s", &bars[30..31], span(1_741, 1_800));
    assert_eq!(cache.range("s", 0, 1_800).unwrap(), &bars[..31]);
}

#[test]
fn one_bar_at_a_time_fills_pages_instead_of_making_many() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(0, 700);
    for bar in &bars {
        cache.insert("s", std::slice::from_ref(bar), span(bar.time - 59, bar.time));
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
    cache.insert("s", &bars, span(0, 60_000));
    let mut changed = bars[500];
    changed.close += 1.0;
    cache.insert("s", &[changed], span(bars[500].time, bars[501].time));
    let held = cache.range("s", 0, 60_000).unwrap();
    assert_eq!(held.len(), 999, "the bar after it is no more, says the second insert");
    assert_eq!(held[500], changed);
    assert_eq!(&held[501..], &bars[502..]);
}

#[test]
fn the_last_bars_before_a_time_come_only_from_one_covered_span() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(0, 1_200);
    cache.insert("s", &bars[..100], span(0, bars[99].time));
    cache.insert("s", &bars[110..], span(bars[110].time, bars[1_199].time + 59));
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
    cache.insert("s", &[], span(0, 1_000));
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
        cache.insert(&one, &bars, span(0, 2_000));
        cache.insert(&two, &bars[..3], span(0, 2_000));
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
    cache.insert("s", &walk(0, 5), span(0, 300));
    assert_eq!(cache.range("s", 0, 300).unwrap().len(), 5);
}

#[test]
fn a_directory_that_cannot_be_made_means_no_cache_and_no_error() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let cache = BarCache::open(&file.join("cache"), CAPACITY);
    cache.insert("s", &walk(0, 5), span(0, 300));
    assert_eq!(cache.range("s", 0, 300), None);
}

#[test]
fn a_damaged_page_is_never_answered_and_the_next_insert_forgets_it() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BarCache::open(dir.path(), CAPACITY);
    let bars = walk(0, 600);
    cache.insert("s", &bars, span(0, 36_000));
    cache.db.read().unwrap().as_ref().unwrap().insert(page_key(1, 0), "garbage").unwrap();
    assert_eq!(cache.range("s", 0, 36_000), None);
    cache.insert("s", &bars[..10], span(0, 540));
    assert_eq!(cache.range("s", 0, 540).unwrap(), &bars[..10]);
    assert_eq!(cache.range("s", 0, 36_000), None);
}

#[test]
fn spans_are_bounded_and_the_oldest_are_forgotten() {
    let spans = (0..500).fold(Vec::new(), |spans, n| merge(spans, span(n * 10, n * 10 + 1)));
    assert_eq!(spans.len(), MAX_SPANS);
    assert_eq!(spans.last(), Some(&span(4_990, 4_991)));
}
