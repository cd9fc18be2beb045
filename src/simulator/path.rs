//! The way of the price inside one M1 bar: ticks as a pure function of the bar, so that nothing has to run between two looks.
//!
//! A rising bar goes open, low, high, close; a falling one open, high, low, close. The bar's own number of ticks (at least four,
//! so that each of the four prices is one) is spread evenly over its minute.

use super::instrument::{point_of, round_to};
use crate::domain::market::{Bar, Tick};

/// Length of a bar.
const MINUTE_MS: i64 = 60_000;
/// A tick every 10 ms is the most that a bar is spread into.
const MOST_TICKS: i64 = 6_000;
/// `TICK_FLAG_BID | TICK_FLAG_ASK`.
const FLAGS: u32 = 2 | 4;

/// How many ticks the bar has.
pub(super) fn ticks(bar: &Bar) -> i64 {
    bar.tick_volume.clamp(4, MOST_TICKS)
}

/// Number of the newest tick at `now_ms`, which must not lie before the bar.
pub(super) fn newest(bar: &Bar, now_ms: i64) -> i64 {
    let count = ticks(bar);
    let into = (now_ms - bar.time * 1000).clamp(0, MINUTE_MS - 1);
    // Tick k comes floor(k * 60000 / count) ms after the open; this is the largest k that has come.
    (((into + 1) * count - 1) / MINUTE_MS).min(count - 1)
}

/// Tick number `k` of a bar whose prices have so many digits.
pub(super) fn tick(bar: &Bar, k: i64, digits: u8) -> Tick {
    let time_msc = bar.time * 1000 + k * MINUTE_MS / ticks(bar);
    let bid = bid(bar, k, digits);
    let ask = round_to(bid + f64::from(bar.spread) * point_of(digits), digits);
    Tick { time: time_msc.div_euclid(1000), bid, ask, time_msc, flags: FLAGS, ..Tick::default() }
}

/// The bar as a terminal shows it at `now_ms`: from the ticks that have come.
pub(super) fn so_far(bar: &Bar, now_ms: i64, digits: u8) -> Bar {
    if now_ms >= bar.time * 1000 + MINUTE_MS {
        return *bar;
    }
    let newest = newest(bar, now_ms);
    let close = bid(bar, newest, digits);
    let mut seen = Bar { high: bar.open.max(close), low: bar.open.min(close), close, ..*bar };
    // Between two turning points the way is straight, so these are the only other candidates for an extreme.
    for (at, price) in turns(bar).into_iter().filter(|(at, _)| *at <= newest) {
        debug_assert!(at >= 0);
        seen.high = seen.high.max(price);
        seen.low = seen.low.min(price);
    }
    seen.tick_volume = bar.tick_volume.min(newest + 1);
    seen.real_volume = bar.real_volume / ticks(bar) * (newest + 1);
    seen
}

/// Number and price of the four turning points; between them the way is straight.
pub(super) fn turns(bar: &Bar) -> [(i64, f64); 4] {
    let last = ticks(bar) - 1;
    let (first, second) = if bar.close >= bar.open { (bar.low, bar.high) } else { (bar.high, bar.low) };
    [(0, bar.open), (last / 3, first), (last * 2 / 3, second), (last, bar.close)]
}

#[expect(clippy::cast_precision_loss, reason = "tick numbers are at most 6000")]
fn bid(bar: &Bar, k: i64, digits: u8) -> f64 {
    let turns = turns(bar);
    for pair in turns.windows(2) {
        let ((from, start), (to, end)) = (pair[0], pair[1]);
        if k == from {
            return start;
        }
        if k < to {
            return round_to(start + (end - start) * (k - from) as f64 / (to - from) as f64, digits);
        }
    }
    bar.close
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::bars::BarSet;

    #[test]
    fn all_ticks_of_a_bar_make_the_bar_again() {
        for bar in BarSet::embedded().unwrap().m1() {
            let ways: Vec<f64> = (0..ticks(bar)).map(|k| tick(bar, k, 5).bid).collect();
            let high = ways.iter().copied().fold(f64::MIN, f64::max);
            let low = ways.iter().copied().fold(f64::MAX, f64::min);
            assert_eq!((ways[0], high, low, ways[ways.len() - 1]), (bar.open, bar.high, bar.low, bar.close));
            let end = bar.time * 1000 + 59_999;
            let seen = so_far(bar, end, 5);
            assert_eq!((seen.open, seen.high, seen.low, seen.close), (bar.open, bar.high, bar.low, bar.close));
            assert_eq!(so_far(bar, end + 1, 5), *bar);
        }
    }

    #[test]
    fn the_forming_bar_is_made_of_the_ticks_that_have_come_and_of_no_other() {
        for bar in BarSet::embedded().unwrap().m1().iter().step_by(50) {
            for now_ms in (bar.time * 1000..bar.time * 1000 + 60_000).step_by(777) {
                let come: Vec<f64> =
                    (0..ticks(bar)).map(|k| tick(bar, k, 5)).filter(|t| t.time_msc <= now_ms).map(|t| t.bid).collect();
                assert_eq!(newest(bar, now_ms) + 1, i64::try_from(come.len()).unwrap());
                let seen = so_far(bar, now_ms, 5);
                assert_eq!(seen.high, come.iter().copied().fold(f64::MIN, f64::max));
                assert_eq!(seen.low, come.iter().copied().fold(f64::MAX, f64::min));
                assert_eq!(seen.close, come[come.len() - 1]);
            }
        }
    }

    #[test]
    fn a_rising_bar_goes_low_first_and_a_falling_one_high_first() {
        let bar = |close| Bar { time: 60, open: 1.1, high: 1.2, low: 1.0, close, tick_volume: 4, spread: 10, real_volume: 0 };
        let way = |bar: Bar| [0, 1, 2, 3].map(|k| tick(&bar, k, 5).bid);
        assert_eq!(way(bar(1.15)), [1.1, 1.0, 1.2, 1.15]);
        assert_eq!(way(bar(1.05)), [1.1, 1.2, 1.0, 1.05]);
        assert_eq!(tick(&bar(1.15), 1, 5).ask, 1.0001, "the ask is the bid and the spread");
        assert_eq!(tick(&bar(1.15), 1, 5).time_msc, 75_000);
    }
}
