//! Broker time to UTC and back.
//!
//! MetaTrader gives every time as the trade server's wall clock written as if it were UTC. One offset is not enough, because bars from
//! before a summer-time switch have another; so a server has a winter offset and a rule.
//!
//! Broker time to UTC never goes back: the hour that a switch to winter repeats is its first pass, and the hour that a switch to summer
//! leaves out is the moment of the switch (only a bar of three hours or more can open in it, and that is when it does begin). So a
//! stretch of UTC is always one stretch of broker time, and two stretches that meet share no bar and lose none.

use std::sync::LazyLock;

use jiff::{Timestamp, tz::TimeZone};

use crate::config::{Dst, ServerClock};

static NEW_YORK: LazyLock<TimeZone> = LazyLock::new(|| zone("America/New_York"));
static BERLIN: LazyLock<TimeZone> = LazyLock::new(|| zone("Europe/Berlin"));

/// The zone data is compiled in, so the fallback is never taken.
fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

const HOUR: i64 = 3_600;
/// The end of the year 9999, epoch seconds.
const END_OF_TIME: i64 = 253_402_300_799;

/// The clock of one trade server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerClock {
    rule: ServerClock,
    source: UtcSource,
}

/// Where a broker clock comes from; told with every answer that rests on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UtcSource {
    /// The settings name this server.
    Configured,
    /// Worked out from the offset that the terminal measures.
    Measured,
    /// The same, and the market's weekly openings agree with this rule and with no other.
    WeeklyOpen,
}

impl UtcSource {
    /// `configured`, `measured` or `weekly_open`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Measured => "measured",
            Self::WeeklyOpen => "weekly_open",
        }
    }
}

impl BrokerClock {
    /// A clock as the settings have it.
    #[must_use]
    pub const fn configured(rule: ServerClock) -> Self {
        Self { rule, source: UtcSource::Configured }
    }

    /// Works out the rule from one measurement: `offset_s` is broker time minus UTC at broker time `broker_time`.
    ///
    /// Most brokers keep New York's summer time at +2/+3, so that the week opens at midnight. In the weeks in which New York and
    /// Europe differ, +2/+3 brokers that follow Europe are told apart; any other offset is taken as fixed.
    #[must_use]
    pub fn measured(broker_time: i64, offset_s: i32) -> Self {
        let rule = |dst| Self::following(dst, broker_time, offset_s).rule;
        let usual = [Dst::Us, Dst::Eu].map(rule).into_iter().find(|rule| i64::from(rule.utc_offset) == 2 * HOUR);
        Self { rule: usual.unwrap_or_else(|| rule(Dst::None)), source: UtcSource::Measured }
    }

    /// The same where it is known whose summer time the server follows, because weekly openings have shown it.
    #[must_use]
    pub fn following(dst: Dst, broker_time: i64, offset_s: i32) -> Self {
        // A terminal may say anything; no place on earth is further than this from UTC, and no bar is from after the year 9999.
        let (offset_s, broker_time) = (offset_s.clamp(-64_800, 64_800), broker_time.clamp(0, END_OF_TIME));
        // Clocks of terminals are off by seconds; offsets come in quarters of an hour.
        let offset_s = (f64::from(offset_s) / 900.0).round() as i32 * 900;
        let summer = if in_summer(dst, broker_time - i64::from(offset_s)) { 3_600 } else { 0 };
        Self { rule: ServerClock { utc_offset: offset_s - summer, dst }, source: UtcSource::WeeklyOpen }
    }

    /// Where the clock comes from.
    #[must_use]
    pub const fn source(self) -> UtcSource {
        self.source
    }

    /// Its rule.
    #[must_use]
    pub const fn rule(self) -> ServerClock {
        self.rule
    }

    /// Broker time minus UTC at a UTC time, seconds.
    #[must_use]
    pub fn offset_at(self, utc: i64) -> i64 {
        i64::from(self.rule.utc_offset) + if in_summer(self.rule.dst, utc) { HOUR } else { 0 }
    }

    /// Broker epoch seconds to UTC epoch seconds.
    #[must_use]
    pub fn to_utc(self, broker: i64) -> i64 {
        let winter = broker.clamp(0, END_OF_TIME) - i64::from(self.rule.utc_offset);
        if in_summer(self.rule.dst, winter - HOUR) {
            return winter - HOUR;
        }
        if !in_summer(self.rule.dst, winter) {
            return winter;
        }
        // In the hour that was left out. Switches are on full UTC hours, everywhere that is in question here.
        winter - winter.rem_euclid(HOUR)
    }

    /// The same in milliseconds.
    #[must_use]
    pub fn to_utc_ms(self, broker_ms: i64) -> i64 {
        self.to_utc(broker_ms.div_euclid(1_000)) * 1_000 + broker_ms.rem_euclid(1_000)
    }

    /// UTC epoch seconds to broker epoch seconds.
    #[must_use]
    pub fn to_broker(self, utc: i64) -> i64 {
        utc + self.offset_at(utc)
    }

    /// The first broker time, epoch seconds, that is not before this UTC time. What opens at or after `utc` opens at or after it, and
    /// nothing else does, on both sides of every switch.
    #[must_use]
    pub fn first_broker(self, utc: i64) -> i64 {
        let utc = utc.clamp(0, END_OF_TIME);
        let near = self.to_broker(utc);
        // A switch moves it by an hour at most, one way or the other.
        let (mut before, mut at) = (near - HOUR - 1, near + HOUR);
        while at - before > 1 {
            let middle = before + (at - before) / 2;
            if self.to_utc(middle) < utc { before = middle } else { at = middle }
        }
        at
    }

    /// The same in milliseconds.
    #[must_use]
    pub fn first_broker_ms(self, utc_ms: i64) -> i64 {
        let (second, fraction) = (utc_ms.div_euclid(1_000), utc_ms.rem_euclid(1_000));
        let broker = self.first_broker(second);
        // Not in the second itself if the first moment after it is later, after a repeated hour.
        broker * 1_000 + if self.to_utc(broker) == second { fraction } else { 0 }
    }
}

fn in_summer(dst: Dst, utc: i64) -> bool {
    let zone = match dst {
        Dst::Us => &NEW_YORK,
        Dst::Eu => &BERLIN,
        Dst::None => return false,
    };
    Timestamp::from_second(utc).is_ok_and(|at| zone.to_offset_info(at).dst().is_dst())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn a_us_broker_is_recognised_in_winter_and_in_summer() {
        let winter = BrokerClock::measured(at("2024-03-08T12:00:00Z"), 7_198);
        let summer = BrokerClock::measured(at("2024-03-12T12:00:00Z"), 10_803);
        assert_eq!(winter, summer);
        assert_eq!(winter.rule, ServerClock { utc_offset: 7_200, dst: Dst::Us });
    }

    #[test]
    fn bars_on_both_sides_of_the_switch_get_their_own_offset() {
        let clock = BrokerClock::measured(at("2024-03-12T12:00:00Z"), 10_800);
        // Friday 2024-03-08 23:59 broker time is 21:59 UTC; Monday 2024-03-11 00:00 broker time is 21:00 UTC on Sunday.
        assert_eq!(clock.to_utc(at("2024-03-08T23:59:00Z")), at("2024-03-08T21:59:00Z"));
        assert_eq!(clock.to_utc(at("2024-03-11T00:00:00Z")), at("2024-03-10T21:00:00Z"));
        for broker in ["2024-03-08T23:59:00Z", "2024-03-11T00:00:00Z", "2024-07-01T10:00:00Z", "2024-12-01T10:00:00Z"] {
            assert_eq!(clock.to_broker(clock.to_utc(at(broker))), at(broker), "{broker}");
        }
    }

    #[test]
    fn europe_is_told_from_new_york_in_the_weeks_in_which_they_differ() {
        // 2024-03-20: New York is in summer time, Berlin is not.
        assert_eq!(BrokerClock::measured(at("2024-03-20T12:00:00Z"), 7_200).rule.dst, Dst::Eu);
        assert_eq!(BrokerClock::measured(at("2024-03-20T12:00:00Z"), 10_800).rule.dst, Dst::Us);
    }

    #[test]
    fn other_offsets_are_fixed() {
        let _ = BrokerClock::measured(i64::MIN, i32::MAX).to_utc(i64::MAX);
        for offset in [0, 10_800, -18_000, 19_800] {
            let clock = BrokerClock::measured(at("2024-12-20T12:00:00Z"), offset);
            assert_eq!(clock.rule, ServerClock { utc_offset: offset, dst: Dst::None });
        }
    }

    #[test]
    fn a_rule_that_is_known_gets_the_offset_that_was_measured() {
        // London: 0 in winter, +1 in summer.
        let winter = BrokerClock::following(Dst::Eu, at("2024-12-20T12:00:00Z"), 0);
        let summer = BrokerClock::following(Dst::Eu, at("2024-06-20T12:00:00Z"), 3_600);
        assert_eq!((winter, winter.rule), (summer, ServerClock { utc_offset: 0, dst: Dst::Eu }));
        assert_eq!(winter.source().name(), "weekly_open");
    }

    /// A clock and the civil time zone that it should be, at a distance: the other side of every comparison is jiff's own conversion of
    /// civil times, not this module's.
    fn clocks() -> [(BrokerClock, TimeZone, i64); 4] {
        let clock = |utc_offset, dst| BrokerClock::configured(ServerClock { utc_offset, dst });
        [
            (clock(7_200, Dst::Us), zone("America/New_York"), 7 * HOUR),
            (clock(7_200, Dst::Eu), zone("Europe/Athens"), 0),
            (clock(0, Dst::Eu), zone("Europe/Lisbon"), 0),
            (clock(10_800, Dst::None), TimeZone::fixed(jiff::tz::offset(3)), 0),
        ]
    }

    /// What a wall clock in the zone shows at a UTC time, moved by `ahead`, as epoch seconds.
    fn wall(zone: &TimeZone, ahead: i64, utc: i64) -> i64 {
        let civil = Timestamp::from_second(utc).unwrap().to_zoned(zone.clone()).datetime();
        civil.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second() + ahead
    }

    /// Seconds around both switches of both rules in 2007 (when the United States changed theirs) to 2036, and any other time.
    fn times() -> impl proptest::strategy::Strategy<Value = i64> {
        use proptest::prelude::*;
        let switch = (0..4_usize, 2007..=2036_i16, -4 * HOUR..4 * HOUR).prop_map(|(which, year, away)| {
            let (zone, month) = [(&NEW_YORK, 2), (&NEW_YORK, 10), (&BERLIN, 2), (&BERLIN, 9)][which];
            let before = jiff::civil::date(year, month, 15).to_zoned(TimeZone::UTC).unwrap().timestamp();
            zone.following(before).next().unwrap().timestamp().as_second() + away
        });
        prop_oneof![switch, at("2007-06-01T00:00:00Z")..at("2036-12-01T00:00:00Z")]
    }

    proptest::proptest! {
        #[test]
        fn every_clock_agrees_with_the_civil_calendar(utc in times()) {
            for (clock, zone, ahead) in clocks() {
                let broker = wall(&zone, ahead, utc);
                proptest::prop_assert_eq!(clock.to_broker(utc), broker);
                // Back again, but for the second pass of a repeated hour, whose broker times are those of the first.
                let first_pass = wall(&zone, ahead, utc - HOUR) != broker;
                proptest::prop_assert_eq!(clock.to_utc(broker), if first_pass { utc } else { utc - HOUR });
            }
        }

        #[test]
        fn a_stretch_of_utc_is_one_stretch_of_broker_time(utc in times(), broker_away in -3 * HOUR..3 * HOUR) {
            for (clock, ..) in clocks() {
                let first = clock.first_broker(utc);
                proptest::prop_assert!(clock.to_utc(first) >= utc && clock.to_utc(first - 1) < utc);
                let broker = first + broker_away;
                proptest::prop_assert_eq!(clock.to_utc(broker) >= utc, broker >= first, "it never goes back");
                let ms = clock.first_broker_ms(utc * 1_000 + 250);
                proptest::prop_assert!(clock.to_utc_ms(ms) >= utc * 1_000 + 250);
                proptest::prop_assert!(clock.to_utc_ms(ms - 1) < utc * 1_000 + 250);
            }
        }
    }

    #[test]
    fn the_repeated_hour_is_its_first_pass_and_the_missing_one_the_moment_of_the_switch() {
        let clock = BrokerClock::configured(ServerClock { utc_offset: 7_200, dst: Dst::Us });
        // 2024-11-03 06:00 UTC: 09:00 becomes 08:00 again.
        assert_eq!(clock.to_utc(at("2024-11-03T08:30:00Z")), at("2024-11-03T05:30:00Z"));
        assert_eq!(clock.to_utc(at("2024-11-03T08:59:59Z")), at("2024-11-03T05:59:59Z"));
        assert_eq!(clock.to_utc(at("2024-11-03T09:00:00Z")), at("2024-11-03T07:00:00Z"));
        assert_eq!(clock.first_broker(at("2024-11-03T06:30:00Z")), at("2024-11-03T09:00:00Z"));
        // 2024-03-10 07:00 UTC: 09:00 becomes 10:00. Only a bar of three hours opens in between.
        assert_eq!(clock.to_utc(at("2024-03-10T09:00:00Z")), at("2024-03-10T07:00:00Z"));
        assert_eq!(clock.to_utc(at("2024-03-10T09:59:59Z")), at("2024-03-10T07:00:00Z"));
        assert_eq!(clock.to_utc(at("2024-03-10T10:00:00Z")), at("2024-03-10T07:00:00Z"));
        assert_eq!(clock.first_broker(at("2024-03-10T07:00:00Z")), at("2024-03-10T09:00:00Z"));
    }

    #[test]
    fn bars_of_every_timeframe_keep_their_order_in_utc_over_both_switches() {
        use crate::domain::market::Timeframe;
        for (clock, zone, ahead) in clocks() {
            for from in ["2024-03-08T00:00:00Z", "2024-10-25T00:00:00Z"] {
                // A market that never closes: all minutes that the server's clock shows in 25 days, with the switches of both rules.
                let minutes: Vec<_> = (0..25 * 1_440).map(|minute| wall(&zone, ahead, at(from) + minute * 60)).collect();
                for timeframe in Timeframe::all() {
                    let opens: std::collections::BTreeSet<_> = minutes.iter().map(|minute| timeframe.open_of(*minute)).collect();
                    let utc: Vec<_> = opens.iter().map(|open| clock.to_utc(*open)).collect();
                    assert!(utc.windows(2).all(|pair| pair[0] < pair[1]), "{timeframe} {clock:?}: two bars at one time");
                }
            }
        }
    }
}
