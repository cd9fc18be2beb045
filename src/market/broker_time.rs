//! Broker time to UTC and back.
//!
//! MetaTrader gives every time as the trade server's wall clock written as if it were UTC. One offset is not enough, because bars from
//! before a summer-time switch have another; so a server has a winter offset and a rule.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    config::{Dst, ServerClock},
    hub::SessionHandle,
};

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
}

impl UtcSource {
    /// `configured` or `measured`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Measured => "measured",
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
        // A terminal may say anything; no place on earth is further than this from UTC, and no bar is from after the year 9999.
        let (offset_s, broker_time) = (offset_s.clamp(-64_800, 64_800), broker_time.clamp(0, END_OF_TIME));
        // Clocks of terminals are off by seconds; offsets come in quarters of an hour.
        let offset_s = (f64::from(offset_s) / 900.0).round() as i32 * 900;
        let utc = broker_time - i64::from(offset_s);
        let expected = |dst| 7_200 + if in_summer(dst, utc) { 3_600 } else { 0 };
        let dst = [Dst::Us, Dst::Eu].into_iter().find(|dst| expected(*dst) == offset_s);
        let rule = dst.map_or(ServerClock { utc_offset: offset_s, dst: Dst::None }, |dst| ServerClock { utc_offset: 7_200, dst });
        Self { rule, source: UtcSource::Measured }
    }

    /// The clock of a terminal's trade server: as the settings have it, else as the terminal measures it.
    #[must_use]
    pub fn of(servers: &BTreeMap<String, ServerClock>, session: &SessionHandle) -> Self {
        match servers.get(&session.account().server) {
            Some(rule) => Self::configured(*rule),
            None => {
                let (broker_time, offset) = session.measured_offset();
                Self::measured(broker_time, offset)
            }
        }
    }

    /// Where the clock comes from.
    #[must_use]
    pub const fn source(self) -> UtcSource {
        self.source
    }

    /// Broker time minus UTC at a UTC time, seconds.
    #[must_use]
    pub fn offset_at(self, utc: i64) -> i64 {
        i64::from(self.rule.utc_offset) + if in_summer(self.rule.dst, utc) { HOUR } else { 0 }
    }

    /// Broker epoch seconds to UTC epoch seconds. The hour that a switch to winter repeats is taken as summer time.
    #[must_use]
    pub fn to_utc(self, broker: i64) -> i64 {
        let winter = broker.clamp(0, END_OF_TIME) - i64::from(self.rule.utc_offset);
        if in_summer(self.rule.dst, winter - HOUR) { winter - HOUR } else { winter }
    }

    /// UTC epoch seconds to broker epoch seconds.
    #[must_use]
    pub fn to_broker(self, utc: i64) -> i64 {
        utc + self.offset_at(utc)
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
}
