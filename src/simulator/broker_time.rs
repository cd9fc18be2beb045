//! The broker's clock zone: New York and seven hours, so that a trading day ends with New York's. That is UTC+2, and UTC+3 while
//! the United States have summer time.

use std::sync::LazyLock;

use jiff::{Timestamp, tz::TimeZone};

/// New York is this far behind the broker, summer and winter.
const BEHIND_S: i64 = 7 * 3600;
/// In winter.
const STANDARD_S: i64 = 2 * 3600;
/// The zone data is built into the program.
static NEW_YORK: LazyLock<Option<TimeZone>> = LazyLock::new(|| TimeZone::get("America/New_York").ok());

/// Broker time minus UTC, in seconds, at a broker time in epoch seconds.
#[must_use]
pub fn offset_at(broker_time: i64) -> i32 {
    let offset = || {
        let local = Timestamp::from_second(broker_time - BEHIND_S).ok()?.to_zoned(TimeZone::UTC).datetime();
        let utc = NEW_YORK.as_ref()?.to_timestamp(local).ok()?;
        Some(broker_time - utc.as_second())
    };
    i32::try_from(offset().unwrap_or(STANDARD_S)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::bars::epoch;

    fn hours(text: &str) -> i32 {
        offset_at(epoch(text).unwrap()) / 3600
    }

    #[test]
    fn the_broker_switches_with_new_york_not_with_europe() {
        assert_eq!(hours("2024.03.08 23:54:00"), 2, "Friday's close before the switch");
        assert_eq!(hours("2024.03.10 08:59:59"), 2);
        assert_eq!(hours("2024.03.10 10:00:00"), 3, "02:00 in New York on the second Sunday of March");
        assert_eq!(hours("2024.03.11 00:05:00"), 3, "Monday's open, three weeks before Europe");
        assert_eq!(hours("2024.11.03 08:00:00"), 3);
        assert_eq!(hours("2024.11.04 00:00:00"), 2);
    }
}
