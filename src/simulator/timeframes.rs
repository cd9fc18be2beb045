//! The higher timeframes, built from M1 bars as MetaTrader builds them.

use crate::domain::market::{Bar, Timeframe};

/// Every bar of `timeframe` that `m1` holds, oldest first.
pub(super) fn build(m1: &[Bar], timeframe: Timeframe) -> Vec<Bar> {
    let mut built: Vec<Bar> = Vec::new();
    for bar in m1 {
        let open = timeframe.open_of(bar.time);
        match built.last_mut() {
            Some(last) if last.time == open => extend(last, bar),
            _ => built.push(Bar { time: open, ..*bar }),
        }
    }
    built
}

/// One bar that opens at `open` out of the M1 bars in it; none if there are none.
pub(super) fn merge(open: i64, bars: impl IntoIterator<Item = Bar>) -> Option<Bar> {
    bars.into_iter().fold(None, |merged: Option<Bar>, bar| match merged {
        None => Some(Bar { time: open, ..bar }),
        Some(mut merged) => {
            extend(&mut merged, &bar);
            Some(merged)
        }
    })
}

/// Prices and volumes add up; of the spreads the smallest stands.
fn extend(bar: &mut Bar, next: &Bar) {
    bar.high = bar.high.max(next.high);
    bar.low = bar.low.min(next.low);
    bar.close = next.close;
    bar.tick_volume = bar.tick_volume.saturating_add(next.tick_volume);
    bar.real_volume = bar.real_volume.saturating_add(next.real_volume);
    bar.spread = bar.spread.min(next.spread);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::bars::{BarSet, epoch};

    fn timeframe(name: &str) -> Timeframe {
        name.parse().unwrap()
    }

    #[test]
    fn an_hour_equals_the_figures_added_up_by_hand() {
        let set = BarSet::embedded().unwrap();
        let hour = set.all(timeframe("H1")).iter().find(|bar| bar.time == epoch("2024.03.08 15:00:00").unwrap()).unwrap();
        // awk over the 60 lines of that hour, among them the US labour figures.
        let expected = Bar {
            time: hour.time,
            open: 1.09323,
            high: 1.09812,
            low: 1.09176,
            close: 1.09581,
            tick_volume: 18_082,
            real_volume: 22617866244,
            spread: 0,
        };
        assert_eq!(*hour, expected);
    }

    #[test]
    fn a_day_and_a_week_hold_every_minute_once() {
        let set = BarSet::embedded().unwrap();
        let ticks = |bars: &[Bar]| bars.iter().map(|bar| bar.tick_volume).sum::<i64>();
        for one in Timeframe::all() {
            let bars = set.all(one);
            assert_eq!(ticks(bars), ticks(set.m1()), "{one}");
            assert!(bars.iter().all(|bar| one.open_of(bar.time) == bar.time), "{one}");
        }
        assert_eq!(set.all(timeframe("D1")).len(), 4);
        let weeks: Vec<_> = set.all(timeframe("W1")).iter().map(|bar| bar.time).collect();
        assert_eq!(weeks, ["2024.03.03 00:00:00", "2024.03.10 00:00:00"].map(|text| epoch(text).unwrap()));
    }

    #[test]
    fn merging_some_minutes_gives_the_bar_so_far() {
        let set = BarSet::embedded().unwrap();
        let two = &set.m1()[..2];
        let merged = merge(7, two.iter().copied()).unwrap();
        assert_eq!((merged.time, merged.open, merged.close), (7, two[0].open, two[1].close));
        assert_eq!(merge(7, []), None);
    }
}
