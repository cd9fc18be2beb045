//! The equity that is kept, over stores in memory and with times that the tests choose.

use super::{
    bar::{EquityHour, STEP_MS},
    *,
};
use crate::store::{failing::FailingStore, memory::MemoryStore};

const DAYS_90: Duration = Duration::from_secs(90 * 86_400);
/// 2026-03-02T10:00:00Z.
const TEN: i64 = 1_772_445_600_000;
const MINUTE: i64 = 60_000;

fn account() -> Account {
    Account::new(1001, "Demo-Server").unwrap()
}

fn over(store: &Arc<dyn Store>) -> Equity {
    Equity::new(Arc::clone(store), DAYS_90, Clock::start(), Metrics::new())
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

fn at(ms: i64) -> UnixMillis {
    UnixMillis(ms)
}

/// Tells the book of the account of an equity over a balance of 1,000.
fn tell(equity: &Equity, ms: i64, money: f64) {
    equity.of(OwnerId::SELF, &account()).note(at(ms), 1_000.0, money, || false);
}

fn bar(ms: i64, [low, high, equity]: [f64; 3]) -> EquityBar {
    EquityBar { time: at(ms), low, high, equity, balance: 1_000.0 }
}

const ALL: EquityRange = EquityRange { from: None, to: None, resolution: Resolution::FiveMinutes, limit: 10_000 };

async fn read(equity: &Equity, range: EquityRange) -> EquityBars {
    equity.bars(OwnerId::SELF, &account(), range).await.unwrap()
}

async fn all(equity: &Equity) -> Vec<EquityBar> {
    read(equity, ALL).await.bars
}

async fn records_in(store: &Arc<dyn Store>) -> usize {
    store.scan(records::EQUITY, None, 1_000).await.unwrap().len()
}

#[tokio::test]
async fn a_bar_tells_the_lowest_the_highest_and_the_last_and_a_gap_stays_a_gap() {
    let equity = over(&memory());
    for (ms, money) in [(0, 1_010.0), (MINUTE, 990.5), (4 * MINUTE, 1_030.25), (5 * MINUTE - 1, 1_020.0), (20 * MINUTE, 1_021.0)]
    {
        tell(&equity, TEN + ms, money);
    }
    let told = [bar(TEN, [990.5, 1_030.25, 1_020.0]), bar(TEN + 20 * MINUTE, [1_021.0; 3])];
    assert_eq!(all(&equity).await, told, "before anything is written");
    equity.write(Some(at(TEN + 24 * MINUTE))).await;
    assert_eq!(all(&equity).await, told, "one of them is in memory still");
    equity.write(Some(at(TEN + 25 * MINUTE))).await;
    assert_eq!(all(&equity).await, told);
    assert!(equity.of(OwnerId::SELF, &account()).is_empty());
}

#[tokio::test]
async fn what_is_no_number_and_what_a_terminal_says_without_its_broker_is_not_known() {
    let equity = over(&memory());
    for money in [f64::NAN, f64::INFINITY] {
        tell(&equity, TEN, money);
        equity.of(OwnerId::SELF, &account()).note(at(TEN), money, 1_000.0, || false);
    }
    let known = crate::protocol::message::Status { broker_link: true, broker_time: 1, equity: 7.0, ..Default::default() };
    let book = equity.of(OwnerId::SELF, &account());
    book.hear(&crate::protocol::message::Status { broker_link: false, ..known.clone() }, || false);
    book.hear(&crate::protocol::message::Status { broker_time: 0, ..known.clone() }, || false);
    book.hear(&known, || true);
    assert_eq!(all(&equity).await, []);
    book.hear(&known, || false);
    assert_eq!(all(&equity).await.len(), 1);
}

#[tokio::test]
async fn a_restart_in_the_middle_of_five_minutes_adds_to_what_was_written_of_them() {
    let store = memory();
    let before = over(&store);
    tell(&before, TEN + MINUTE, 900.0);
    tell(&before, TEN + 2 * MINUTE, 1_100.0);
    before.write(None).await;
    let after = over(&store);
    tell(&after, TEN + 3 * MINUTE, 1_050.0);
    let told = [bar(TEN, [900.0, 1_100.0, 1_050.0])];
    assert_eq!(all(&after).await, told);
    after.write(None).await;
    assert_eq!(all(&over(&store)).await, told);
    assert_eq!(records_in(&store).await, 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_adds_to_the_bars_of_that_time_and_each_stays_where_it_belongs() {
    let store = memory();
    let equity = over(&store);
    tell(&equity, TEN + 10 * MINUTE, 1_000.0);
    equity.write(None).await;
    tell(&equity, TEN + 15 * MINUTE, 1_200.0);
    tell(&equity, TEN + 11 * MINUTE, 950.0);
    tell(&equity, TEN - 60 * MINUTE, 940.0);
    tell(&equity, 0, 930.0);
    tell(&equity, i64::MAX, 920.0);
    let told = all(&equity).await;
    assert_eq!(told[2], bar(TEN + 10 * MINUTE, [950.0, 1_000.0, 950.0]));
    assert!(told.is_sorted_by_key(|bar| bar.time) && told.len() == 5, "{told:?}");
    // A bar that lies ahead of the clock is over.
    equity.write(Some(at(TEN - 60 * MINUTE))).await;
    assert_eq!(equity.of(OwnerId::SELF, &account()).bars().into_keys().collect::<Vec<_>>(), [at(TEN - 60 * MINUTE)]);
    assert_eq!(all(&equity).await[..4], told[..4]);
}

#[tokio::test]
async fn hours_and_days_are_the_bars_within_them_and_pages_join_without_a_seam() {
    let store = memory();
    let equity = over(&store);
    // Three days, the first and the last in part; a bar each half hour.
    for half in 0..100 {
        tell(&equity, TEN + 30 * MINUTE * half, 1_000.0 + f64::from(i32::try_from(half).unwrap()));
        if half % 20 == 19 {
            equity.write(None).await;
        }
    }
    let ranged = async |resolution, from: Option<i64>, to: Option<i64>, limit| {
        let range = EquityRange { from: from.map(at), to: to.map(at), resolution, limit };
        read(&equity, range).await
    };
    let hours = ranged(Resolution::Hour, None, None, 100).await;
    assert_eq!((hours.bars.len(), hours.bars[1], hours.next), (50, bar(TEN + 60 * MINUTE, [1_002.0, 1_003.0, 1_003.0]), None));
    let midnight = TEN - 10 * HOUR_MS;
    let days = ranged(Resolution::Day, None, None, 100).await.bars;
    assert_eq!(days.iter().map(|bar| bar.time.0).collect::<Vec<_>>(), [0, 24, 48].map(|hours| midnight + hours * HOUR_MS));
    assert_eq!(days[1], bar(midnight + 24 * HOUR_MS, [1_028.0, 1_075.0, 1_075.0]));
    // From the middle of an hour the whole hour is told, and nothing that begins at the end.
    let some = ranged(Resolution::Hour, Some(TEN + 75 * MINUTE), Some(TEN + 180 * MINUTE), 100).await;
    assert_eq!(some.bars.iter().map(|bar| bar.time.0 - TEN).collect::<Vec<_>>(), [60 * MINUTE, 120 * MINUTE]);
    assert_eq!(some.since, Some(at(TEN)), "whatever was asked for");
    let (mut pages, mut from) = (Vec::new(), None);
    loop {
        let page = ranged(Resolution::Hour, from, None, 7).await;
        pages.extend(page.bars);
        match page.next {
            Some(next) => from = Some(next.0),
            None => break,
        }
    }
    assert_eq!(pages, hours.bars);
}

#[tokio::test]
async fn what_is_too_old_is_removed_of_every_account_and_nothing_else() {
    let store = memory();
    let equity = over(&store);
    let other = Account::new(1002, "Demo-Server").unwrap();
    for day in 0..100 {
        tell(&equity, TEN + day * 24 * HOUR_MS, 1_000.0);
        equity.of(OwnerId::SELF, &other).note(at(TEN + day * 24 * HOUR_MS), 1.0, 1.0, || false);
        equity.write(None).await;
    }
    equity.clean(at(TEN + 99 * 24 * HOUR_MS + HOUR_MS - 1)).await.unwrap();
    assert_eq!(all(&equity).await[0].time.0, TEN + 9 * 24 * HOUR_MS, "its hour was over 90 days ago, but for a millisecond");
    assert_eq!(records_in(&store).await, 2 * 91);
    equity.clean(at(TEN + 99 * 24 * HOUR_MS + HOUR_MS)).await.unwrap();
    assert_eq!(records_in(&store).await, 2 * 90);
    let none = Equity::new(Arc::clone(&store), Duration::ZERO, Clock::start(), Metrics::new());
    tell(&none, TEN, 1_000.0);
    none.clean(at(TEN)).await.unwrap();
    assert_eq!((records_in(&store).await, all(&none).await), (0, vec![]));
}

#[tokio::test]
async fn what_cannot_be_written_is_tried_again_and_memory_has_an_end() {
    let inner = memory();
    let failing = Arc::new(FailingStore::new(Arc::clone(&inner)));
    let store: Arc<dyn Store> = failing.clone();
    let equity = over(&store);
    tell(&equity, TEN, 1_000.0);
    failing.fail_next(1, StoreError::Full { free: 0, floor: 1 });
    equity.write(None).await;
    assert_eq!((records_in(&inner).await, all(&equity).await.len()), (0, 1));
    assert!(equity.inner.metrics.text().contains("mtbridge_equity_writes_total{result=\"failed\"} 1"));
    equity.write(None).await;
    assert_eq!((records_in(&inner).await, all(&equity).await.len()), (1, 1));
    for step in 0..100 {
        tell(&equity, TEN + step * STEP_MS, 1_000.0);
    }
    assert_eq!(equity.of(OwnerId::SELF, &account()).bars().len(), 36);
}

#[tokio::test]
async fn of_a_deleted_account_nothing_is_left_and_nothing_comes_back_by_a_session_that_is_being_cut() {
    let store = memory();
    let equity = over(&store);
    let other = Account::new(1002, "Demo-Server").unwrap();
    let others = equity.of(OwnerId::SELF, &other);
    others.note(at(TEN), 5.0, 5.0, || false);
    tell(&equity, TEN, 1_000.0);
    equity.write(None).await;
    tell(&equity, TEN + MINUTE, 1_000.0);
    let held = equity.hold(OwnerId::SELF, &account()).await;
    held.forget().await.unwrap();
    tell(&equity, TEN + 2 * MINUTE, 1_000.0);
    drop(held);
    // The session has been cut meanwhile.
    equity.of(OwnerId::SELF, &account()).note(at(TEN + 3 * MINUTE), 1.0, 1.0, || true);
    equity.write(None).await;
    assert_eq!((all(&equity).await, records_in(&store).await), (vec![], 1));
    tell(&equity, TEN + 4 * MINUTE, 1_000.0);
    assert_eq!(all(&equity).await.len(), 1, "whoever connects anew is heard");
}

#[tokio::test]
async fn accounts_that_nobody_holds_are_forgotten_once_they_are_written() {
    let equity = over(&memory());
    let session = equity.of(OwnerId::SELF, &account());
    session.note(at(TEN), 1.0, 1.0, || false);
    equity.write(None).await;
    equity.write(None).await;
    let books = || equity.inner.books.lock().unwrap().len();
    assert_eq!(books(), 1);
    drop(session);
    equity.write(None).await;
    assert_eq!(books(), 0);
}

#[test]
fn an_hour_is_stored_to_the_last_bit_and_is_small() {
    let hour = u64::try_from(TEN / HOUR_MS).unwrap();
    let walk = |scale: f64| -> Vec<EquityBar> {
        (0..12)
            .map(|slot| {
                let money = f64::from(1_234_567 + slot * 713) / scale;
                EquityBar {
                    time: at(TEN + i64::from(slot) * STEP_MS),
                    low: money - 1.0,
                    high: money,
                    equity: money,
                    balance: 9_876.54,
                }
            })
            .map(|bar| EquityBar { low: (bar.low * 100.0).round() / 100.0, ..bar })
            .collect()
    };
    let size = |bars: &[EquityBar]| {
        let kept = EquityHour::of(bars);
        assert_eq!(kept.bars(hour), bars);
        records::encode(&kept).len()
    };
    assert!(size(&walk(100.0)) < 200, "{}", size(&walk(100.0)));
    let odd = [bar(TEN, [1e-9, f64::MAX, -0.0]), bar(TEN + STEP_MS, [-1e300, 0.1 + 0.2, 1.0 / 3.0])];
    size(&odd);
    size(&walk(7.0));
    size(&[]);
    // What an unknown hand wrote is no reason to panic.
    let far = EquityHour { digits: 255, short: vec![(255, i64::MAX, i64::MIN, i64::MAX, 1); 3], long: vec![] };
    assert_eq!(far.bars(u64::MAX).len(), 3);
}
