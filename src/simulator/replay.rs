//! The market's clock: broker time that starts somewhere in the bars and runs on at a chosen speed, and what can be seen of the
//! market at an instant of it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    bars::BarSet,
    broker_time::{Summer, Zone},
    instrument::Instrument,
    path, timeframes,
};
use crate::domain::market::{Bar, Tick, Timeframe};

/// A clock over the sessions of a bar set. Pauses are skipped at once; after the last bar it runs on, and the market is closed.
#[derive(Debug)]
pub struct Replay {
    bars: Arc<BarSet>,
    zone: Zone,
    hand: Mutex<Hand>,
}

/// Where the clock stood, when, and how fast it runs from there.
#[derive(Debug, Clone, Copy)]
struct Hand {
    anchor: Instant,
    /// Milliseconds of open market before the anchor.
    open_ms: i64,
    speed: f64,
}

impl Hand {
    fn open_ms(&self) -> i64 {
        let real = self.anchor.elapsed();
        #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, and the clock may stand at its end")]
        let simulated = (real.as_secs_f64() * self.speed * 1000.0) as i64;
        self.open_ms.saturating_add(simulated)
    }
}

/// Speeds that make sense: from a hundredth to eleven days a second.
pub const SPEEDS: std::ops::RangeInclusive<f64> = 0.01..=1_000_000.0;

impl Replay {
    /// A clock that reads `start` (broker time, epoch seconds) now, or the next opening if the market is closed then, and runs
    /// `speed` seconds a second.
    #[must_use]
    pub fn new(bars: Arc<BarSet>, start: i64, speed: f64) -> Self {
        let open_ms = open_ms_at(&bars, start.saturating_mul(1000));
        Self::at_open_ms(bars, open_ms, speed)
    }

    /// A clock that has `open_ms` milliseconds of open market behind it: how one goes on after a restart.
    #[must_use]
    pub fn at_open_ms(bars: Arc<BarSet>, open_ms: i64, speed: f64) -> Self {
        let hand = Hand { anchor: Instant::now(), open_ms: open_ms.max(0), speed: sensible(speed) };
        Self { bars, zone: Zone::default(), hand: Mutex::new(hand) }
    }

    /// The same clock in another zone.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// The bars that it replays.
    #[must_use]
    pub const fn bars(&self) -> &Arc<BarSet> {
        &self.bars
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much open market lies before now.
    #[must_use]
    pub fn open_ms(&self) -> i64 {
        self.hand().open_ms()
    }

    /// Simulated seconds a second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.hand().speed
    }

    /// Goes on from here at another speed.
    pub fn set_speed(&self, speed: f64) {
        let mut hand = self.hand();
        *hand = Hand { anchor: Instant::now(), open_ms: hand.open_ms(), speed: sensible(speed) };
    }

    /// Lets so much open market pass at once. Nothing in between is lost: stops and orders are looked for on the whole way.
    pub fn advance(&self, by: Duration) {
        let mut hand = self.hand();
        hand.open_ms = hand.open_ms.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// The market now.
    #[must_use]
    pub fn view(&self) -> MarketView<'_> {
        MarketView { bars: &self.bars, zone: self.zone, now_ms: time_at(&self.bars, self.open_ms()) }
    }

    /// How long until broker time has moved by `simulated`, while the market is open.
    #[must_use]
    pub fn real_time_of(&self, simulated: Duration) -> Duration {
        simulated.div_f64(self.speed())
    }
}

fn sensible(speed: f64) -> f64 {
    if speed.is_finite() { speed.clamp(*SPEEDS.start(), *SPEEDS.end()) } else { 1.0 }
}

/// How much open market lies before a broker time.
fn open_ms_at(bars: &BarSet, time_ms: i64) -> i64 {
    let sessions = bars.sessions();
    let next = sessions.partition_point(|session| session.from_ms <= time_ms);
    let Some(session) = next.checked_sub(1).and_then(|at| sessions.get(at)) else { return 0 };
    let last = next == sessions.len();
    let into = time_ms - session.from_ms;
    session.before_ms + if last { into } else { into.min(session.to_ms - session.from_ms) }
}

/// Broker time in milliseconds after so much open market.
fn time_at(bars: &BarSet, open_ms: i64) -> i64 {
    let sessions = bars.sessions();
    let next = sessions.partition_point(|session| session.before_ms <= open_ms).max(1);
    sessions.get(next - 1).map_or(0, |session| session.from_ms.saturating_add(open_ms - session.before_ms))
}

/// The market at one instant: bars that have begun, the forming one as far as its ticks have come, the newest tick.
#[derive(Debug, Clone, Copy)]
pub struct MarketView<'a> {
    bars: &'a BarSet,
    zone: Zone,
    now_ms: i64,
}

impl<'a> MarketView<'a> {
    /// What can be seen of `bars` at `now_ms` (broker time, epoch milliseconds).
    #[must_use]
    pub const fn at(bars: &'a BarSet, now_ms: i64) -> Self {
        Self { bars, zone: Zone { winter: 2, summer: Summer::Us }, now_ms }
    }

    /// The market of one symbol, at the same instant.
    #[must_use]
    pub(super) fn of_symbol(&self, instrument: &Instrument) -> Self {
        let bars = instrument.synthetic.map_or(self.bars, |at| self.bars.synthetic(at));
        Self { bars, ..*self }
    }

    /// The same market at another instant.
    #[must_use]
    pub(super) const fn at_ms(&self, now_ms: i64) -> Self {
        Self { now_ms, ..*self }
    }

    /// Digits after the point of every price.
    #[must_use]
    pub const fn digits(&self) -> u8 {
        self.bars.digits()
    }

    /// Broker time, epoch milliseconds.
    #[must_use]
    pub const fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Broker time, epoch seconds (`TimeTradeServer()`).
    #[must_use]
    pub const fn now(&self) -> i64 {
        self.now_ms.div_euclid(1000)
    }

    /// Broker time minus UTC, seconds.
    #[must_use]
    pub fn utc_offset(&self) -> i32 {
        self.zone.offset_at(self.now())
    }

    /// Whether the market trades. Minutes without a bar do not close it; a night, a weekend and the end of the file do.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let sessions = self.bars.sessions();
        let next = sessions.partition_point(|session| session.from_ms <= self.now_ms);
        next.checked_sub(1).and_then(|at| sessions.get(at)).is_some_and(|session| self.now_ms < session.to_ms)
    }

    /// The spans of a week in which the market was ever open: day (0 Sunday), and the seconds of it from and to which.
    #[must_use]
    pub fn week(&self) -> Vec<(u8, u32, u32)> {
        const DAY_MS: i64 = 86_400_000;
        let mut week = [None::<(i64, i64)>; 7];
        for session in self.bars.sessions() {
            let mut from_ms = session.from_ms;
            while from_ms < session.to_ms {
                let day = from_ms.div_euclid(DAY_MS);
                let to_ms = session.to_ms.min((day + 1) * DAY_MS);
                let (from, to) = ((from_ms - day * DAY_MS) / 1000, (to_ms - day * DAY_MS) / 1000);
                // 1970-01-01 was a Thursday.
                let slot = usize::try_from((day + 4).rem_euclid(7)).unwrap_or(0);
                let (first, last) = week[slot].unwrap_or((from, to));
                week[slot] = Some((first.min(from), last.max(to)));
                from_ms = to_ms;
            }
        }
        let small = |number: i64| u32::try_from(number).unwrap_or(0);
        let open = (0..7).zip(week).filter_map(|(day, span)| span.map(|(from, to)| (day, small(from), small(to))));
        open.collect()
    }

    /// Time of the oldest tick, epoch milliseconds.
    #[must_use]
    pub fn oldest_tick(&self) -> Option<i64> {
        self.begun().first().map(|bar| bar.time * 1000)
    }

    /// The newest tick; none before the first bar.
    #[must_use]
    pub fn tick(&self) -> Option<Tick> {
        self.begun().last().map(|bar| path::tick(bar, path::newest(bar, self.now_ms), self.bars.digits()))
    }

    /// Ticks after `since_ms`, oldest first.
    pub fn ticks_since(&self, since_ms: i64) -> impl Iterator<Item = Tick> + use<'a> {
        let begun = self.begun();
        let from = begun.partition_point(|bar| bar.time * 1000 + 60_000 <= since_ms);
        let now_ms = self.now_ms;
        let digits = self.bars.digits();
        let ticks = move |bar: &'a Bar| (0..path::ticks(bar)).map(move |k| path::tick(bar, k, digits));
        begun[from..].iter().flat_map(ticks).filter(move |tick| tick.time_msc > since_ms && tick.time_msc <= now_ms)
    }

    /// The M1 bars that were not over at `since_ms` and have begun by now, whole. Only for looking whether a price was reached.
    pub(super) fn bars_since(&self, since_ms: i64) -> &'a [Bar] {
        let begun = self.begun();
        &begun[begun.partition_point(|bar| bar.time * 1000 + 60_000 <= since_ms)..]
    }

    /// `count` bars that end `start` bars before the forming one (0 includes it), oldest first.
    #[must_use]
    pub fn bars_from_pos(&self, timeframe: Timeframe, start: usize, count: usize) -> Vec<Bar> {
        let (closed, forming) = self.of(timeframe);
        let total = closed.len() + usize::from(forming.is_some());
        let end = total.saturating_sub(start);
        self.slice(timeframe, end.saturating_sub(count), end)
    }

    /// The oldest `count` bars that open between `from` and `to`, both included, oldest first.
    #[must_use]
    pub fn bars_range(&self, timeframe: Timeframe, from: i64, to: i64, count: usize) -> Vec<Bar> {
        let first = self.opened_before(timeframe, from);
        let end = self.opened_before(timeframe, to.saturating_add(1));
        self.slice(timeframe, first, end.min(first.saturating_add(count)))
    }

    /// The newest `count` bars that open at or before `to`, oldest first.
    #[must_use]
    pub fn bars_ending_at(&self, timeframe: Timeframe, to: i64, count: usize) -> Vec<Bar> {
        let end = self.opened_before(timeframe, to.saturating_add(1));
        self.slice(timeframe, end.saturating_sub(count), end)
    }

    /// Opening time of the forming bar, and of the oldest one.
    #[must_use]
    pub fn ends(&self, timeframe: Timeframe) -> (Option<i64>, Option<i64>) {
        let (closed, forming) = self.of(timeframe);
        let oldest = closed.first().or(forming.as_ref()).map(|bar| bar.time);
        (forming.map(|bar| bar.time), oldest)
    }

    fn opened_before(&self, timeframe: Timeframe, time: i64) -> usize {
        let (closed, forming) = self.of(timeframe);
        closed.partition_point(|bar| bar.time < time) + usize::from(forming.is_some_and(|bar| bar.time < time))
    }

    fn slice(&self, timeframe: Timeframe, from: usize, end: usize) -> Vec<Bar> {
        let (closed, forming) = self.of(timeframe);
        let mut bars = closed.get(from.min(closed.len())..end.min(closed.len())).unwrap_or_default().to_vec();
        if from < end && end > closed.len() {
            bars.extend(forming);
        }
        bars
    }

    /// M1 bars whose minute has begun.
    fn begun(&self) -> &'a [Bar] {
        let m1 = self.bars.m1();
        &m1[..m1.partition_point(|bar| bar.time * 1000 <= self.now_ms)]
    }

    /// Bars that a newer one has followed, and the newest, as far as it has come.
    fn of(&self, timeframe: Timeframe) -> (&'a [Bar], Option<Bar>) {
        let begun = self.begun();
        let Some(newest) = begun.last() else { return (&[], None) };
        let open = timeframe.open_of(newest.time);
        let all = self.bars.all(timeframe);
        let closed = &all[..all.partition_point(|bar| bar.time < open)];
        let inside = &begun[begun.partition_point(|bar| bar.time < open)..];
        (closed, timeframes::merge(open, inside.iter().map(|bar| path::so_far(bar, self.now_ms, self.bars.digits()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::bars::epoch;

    fn at(text: &str) -> i64 {
        epoch(text).unwrap() * 1000
    }

    #[tokio::test(start_paused = true)]
    async fn broker_time_runs_at_its_speed_and_skips_the_weekend_at_once() {
        let replay = Replay::new(BarSet::embedded().unwrap(), epoch("2024.03.08 23:54:00").unwrap(), 10.0);
        assert_eq!(replay.view().utc_offset(), 7200);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(replay.view().now_ms(), at("2024.03.08 23:54:50"));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(replay.view().now_ms(), at("2024.03.11 00:05:20"));
        assert!(replay.view().is_open());
        assert_eq!(replay.view().utc_offset(), 10_800);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_last_bar_the_market_is_closed_and_the_last_price_stays() {
        let replay = Replay::new(BarSet::embedded().unwrap(), epoch("2024.03.12 23:58:00").unwrap(), 1.0);
        assert!(replay.view().is_open());
        tokio::time::advance(Duration::from_secs(61)).await;
        let view = replay.view();
        assert!(!view.is_open());
        assert_eq!(view.now_ms(), at("2024.03.12 23:59:01"), "the clock itself runs on");
        let last = *BarSet::embedded().unwrap().m1().last().unwrap();
        assert_eq!(view.tick().unwrap().bid, last.close);
        assert_eq!(view.bars_from_pos(Timeframe::M1, 0, 1), [last]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_in_the_weekend_is_mondays_open() {
        let bars = BarSet::embedded().unwrap();
        let replay = Replay::new(bars.clone(), epoch("2024.03.09 12:00:00").unwrap(), 1.0);
        assert_eq!(replay.view().now_ms(), at("2024.03.11 00:05:00"));
        assert_eq!(Replay::new(bars, 0, 1.0).view().now_ms(), at("2024.03.07 00:04:00"));
    }

    #[test]
    fn a_minute_without_a_bar_does_not_close_the_market() {
        let bars = BarSet::embedded().unwrap();
        let hole = bars.m1().windows(2).find(|pair| pair[1].time - pair[0].time == 120).unwrap();
        let view = MarketView::at(&bars, hole[0].time * 1000 + 90_000);
        assert!(view.is_open());
        assert_eq!(view.tick().unwrap().bid, hole[0].close);
    }

    #[test]
    fn history_ends_with_the_forming_bar_and_never_shows_the_future() {
        let bars = BarSet::embedded().unwrap();
        let h1: Timeframe = "H1".parse().unwrap();
        let view = MarketView::at(&bars, at("2024.03.08 15:30:30"));
        let last = view.bars_from_pos(h1, 0, 2);
        assert_eq!(
            last.iter().map(|b| b.time * 1000).collect::<Vec<_>>(),
            [at("2024.03.08 14:00:00"), at("2024.03.08 15:00:00")]
        );
        assert_eq!(last[0], bars.all(h1)[bars.all(h1).iter().position(|b| b.time == last[0].time).unwrap()]);
        assert_eq!(last[1].close, view.tick().unwrap().bid);
        assert!(last[1].tick_volume < 18_082);
        assert_eq!(view.bars_from_pos(h1, 1, 1), last[..1]);
        assert_eq!(view.bars_from_pos(h1, 0, 9_999).len(), 40, "as many as there are");
        assert_eq!(view.bars_from_pos(h1, 9_999, 3), []);
        assert_eq!(view.ends(h1), (Some(at("2024.03.08 15:00:00") / 1000), Some(at("2024.03.07 00:00:00") / 1000)));
    }

    #[test]
    fn ranges_take_both_ends_and_keep_the_side_that_was_asked_for() {
        let bars = BarSet::embedded().unwrap();
        let h1: Timeframe = "H1".parse().unwrap();
        let view = MarketView::at(&bars, at("2024.03.08 15:30:30"));
        let (from, to) = (at("2024.03.08 10:00:00") / 1000, at("2024.03.08 15:00:00") / 1000);
        let range = view.bars_range(h1, from, to, 100);
        assert_eq!((range.len(), range[0].time, range[5].time), (6, from, to));
        assert_eq!(view.bars_range(h1, from, to, 2), range[..2]);
        assert_eq!(view.bars_ending_at(h1, to + 1_800, 2), range[4..]);
        assert_eq!(view.bars_range(h1, from + 1, to - 1, 100), range[1..5]);
        assert_eq!(view.bars_range(h1, to, from, 100), []);
    }

    #[test]
    fn ticks_since_an_instant_are_those_after_it_up_to_now() {
        let bars = BarSet::embedded().unwrap();
        let first = bars.m1()[0];
        let view = MarketView::at(&bars, first.time * 1000 + 30_000);
        let times: Vec<_> = view.ticks_since(first.time * 1000).map(|t| t.time_msc - first.time * 1000).collect();
        assert_eq!(times, [15_000, 30_000], "four ticks a minute, and the one at the open was seen before");
        assert_eq!(view.tick().unwrap(), view.ticks_since(0).last().unwrap());
    }
}
