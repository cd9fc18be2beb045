//! How values look in JSON: times as RFC 3339 UTC with the broker's beside them, enums as number and name.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub(super) use crate::events::view::{Names, named, rfc3339};
use crate::{domain::UnixMillis, market::broker_time::BrokerClock};

/// RFC 3339 in UTC with milliseconds, or null.
#[must_use]
pub(super) fn rfc3339_or_null(at: Option<UnixMillis>) -> Value {
    at.map_or(Value::Null, |at| json!(rfc3339(at)))
}

/// Reads RFC 3339, epoch seconds, or epoch milliseconds (from 10^11 on), all UTC.
#[must_use]
pub(super) fn parse_time(text: &str) -> Option<UnixMillis> {
    if let Ok(number) = text.parse::<i64>() {
        let ms = number.checked_mul(if number.unsigned_abs() >= 100_000_000_000 { 1 } else { 1_000 })?;
        // Within the calendar: whoever adds an offset to it then never leaves the range of the number.
        return Timestamp::from_millisecond(ms).ok().map(|at| UnixMillis(at.as_millisecond()));
    }
    // A plus sign in a query string arrives as a space.
    text.replace(' ', "+").parse::<Timestamp>().ok().map(|at| UnixMillis(at.as_millisecond()))
}

/// Turns a pair of broker times (`time` in seconds, `time_msc` in milliseconds) into UTC, with the broker's own beside it.
///
/// `prefix` is `time`, `time_update`, …; a record without the millisecond field gets it from the seconds. 0 stays null.
pub(super) fn with_utc(object: &mut Map<String, Value>, prefix: &str, clock: BrokerClock) {
    let number = |object: &Map<String, Value>, field: &str| object.get(field).and_then(Value::as_i64).unwrap_or(0);
    let seconds = number(object, prefix);
    let msc_field = format!("{prefix}_msc");
    let fraction = number(object, &msc_field).rem_euclid(1_000);
    let broker_field = prefix.replacen("time", "broker_time", 1);
    if seconds == 0 {
        for field in [prefix, &msc_field, &broker_field] {
            object.insert(field.to_owned(), Value::Null);
        }
        return;
    }
    let utc = UnixMillis(clock.to_utc(seconds) * 1_000 + fraction);
    object.insert(prefix.to_owned(), json!(rfc3339(utc)));
    object.insert(msc_field, json!(utc.0));
    object.insert(broker_field, json!(seconds));
}

/// A list answer.
#[must_use]
pub(super) fn list(data: Vec<Value>, next_cursor: Option<String>, as_of: UnixMillis) -> Value {
    json!({"data": data, "next_cursor": next_cursor, "as_of": rfc3339(as_of)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_usual_form() {
        let noon = UnixMillis(1_709_294_400_000);
        for text in
            ["2024-03-01T12:00:00Z", "1709294400", "1709294400000", "2024-03-01T14:00:00+02:00", "2024-03-01T14:00:00 02:00"]
        {
            assert_eq!(parse_time(text), Some(noon), "{text}");
        }
        assert_eq!(parse_time("yesterday"), None);
        for text in ["9223372036854775807", "-9223372036854775808", "9223372036854775", "99999999999999999"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        assert_eq!(rfc3339(noon), "2024-03-01T12:00:00.000Z");
    }
}
