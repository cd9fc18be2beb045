//! The broker's clock zone. Most brokers keep New York and seven hours, so that a trading day ends with New York's: UTC+2, and UTC+3
//! while the United States have summer time.

use std::{fmt, str::FromStr, sync::LazyLock};

use jiff::{Timestamp, tz::TimeZone};

const HOUR: i64 = 3_600;
/// The zone data is built into the program.
static NEW_YORK: LazyLock<Option<TimeZone>> = LazyLock::new(|| TimeZone::get("America/New_York").ok());
static BERLIN: LazyLock<Option<TimeZone>> = LazyLock::new(|| TimeZone::get("Europe/Berlin").ok());

/// Whose summer time the trade server keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Summer {
    /// The United States'.
    #[default]
    Us,
    /// The European Union's.
    Eu,
    /// Nobody's.
    None,
}

/// The trade server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// Hours before UTC in winter.
    pub winter: i8,
    /// When an hour is added.
    pub summer: Summer,
}

impl Default for Zone {
    /// New York and seven hours.
    fn default() -> Self {
        Self { winter: 2, summer: Summer::Us }
    }
}

/// Text that is no clock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no server clock: write us, eu or none, with the winter's hours before UTC behind it if they are not 2, as eu+1"
)]
pub struct UnknownZone(String);

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone(text.chars().take(40).collect());
        let split = text.find(['+', '-']).unwrap_or(text.len());
        let (name, hours) = text.split_at(split);
        let summer = match name {
            "us" => Summer::Us,
            "eu" => Summer::Eu,
            "none" => Summer::None,
            _ => return Err(unknown()),
        };
        let winter = if hours.is_empty() { 2 } else { hours.parse().map_err(|_| unknown())? };
        if (-12..=14).contains(&winter) { Ok(Self { winter, summer }) } else { Err(unknown()) }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.summer {
            Summer::Us => "us",
            Summer::Eu => "eu",
            Summer::None => "none",
        };
        write!(f, "{name}{:+}", self.winter)
    }
}

impl Zone {
    /// Broker time minus UTC, in seconds, at a broker time in epoch seconds.
    #[must_use]
    pub fn offset_at(self, broker_time: i64) -> i32 {
        let winter = i64::from(self.winter) * HOUR;
        // The zone whose rule it is, and what that one shows in winter.
        let (zone, theirs) = match self.summer {
            Summer::None => return i32::try_from(winter).unwrap_or_default(),
            Summer::Us => (NEW_YORK.as_ref(), -5 * HOUR),
            Summer::Eu => (BERLIN.as_ref(), HOUR),
        };
        let behind = winter - theirs;
        let offset = || {
            let local = Timestamp::from_second(broker_time - behind).ok()?.to_zoned(TimeZone::UTC).datetime();
            let utc = zone?.to_timestamp(local).ok()?;
            Some(broker_time - utc.as_second())
        };
        i32::try_from(offset().unwrap_or(winter)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::bars::epoch;

    fn hours(zone: &str, text: &str) -> i32 {
        zone.parse::<Zone>().unwrap().offset_at(epoch(text).unwrap()) / 3600
    }

    #[test]
    fn the_broker_switches_with_new_york_not_with_europe() {
        assert_eq!(hours("us", "2024.03.08 23:54:00"), 2, "Friday's close before the switch");
        assert_eq!(hours("us", "2024.03.10 08:59:59"), 2);
        assert_eq!(hours("us", "2024.03.10 10:00:00"), 3, "02:00 in New York on the second Sunday of March");
        assert_eq!(hours("us", "2024.03.11 00:05:00"), 3, "Monday's open, three weeks before Europe");
        assert_eq!(hours("us", "2024.11.03 08:00:00"), 3);
        assert_eq!(hours("us", "2024.11.04 00:00:00"), 2);
    }

    #[test]
    fn europes_rule_and_none_and_other_hours_are_kept() {
        assert_eq!(hours("eu", "2024.03.11 00:05:00"), 2);
        assert_eq!(hours("eu", "2024.03.31 02:59:59"), 2);
        assert_eq!(hours("eu", "2024.03.31 04:00:00"), 3, "the last Sunday of March, 01:00 UTC");
        assert_eq!(hours("none+3", "2024.07.01 00:00:00"), 3);
        assert_eq!(hours("none", "2024.07.01 00:00:00"), 2);
        assert_eq!(hours("us+0", "2024.07.01 00:00:00"), 1);
    }

    #[test]
    fn a_clock_reads_back_from_its_words() {
        for text in ["us+2", "eu+1", "none-5"] {
            assert_eq!(text.parse::<Zone>().unwrap().to_string(), text);
        }
        for text in ["", "uk", "us+99", "us+x"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }
}
