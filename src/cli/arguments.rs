//! Arguments that several commands share, and how their values are read.

use clap::Args;
use serde_json::{Map, Value};

use super::remote::Query;

/// Rows of a list that says nothing else.
const ROWS: usize = 100;

/// Which terminal.
#[derive(Debug, Clone, Args)]
pub(super) struct At {
    /// Account number, number@server or token id; - for the only one there is
    #[arg(short, long, env = "MTBRIDGE_TERMINAL", default_value = "-", global = true, value_name = "TERMINAL", value_parser = segment)]
    pub(super) terminal: String,
}

/// How much of a list.
#[derive(Debug, Clone, Args)]
pub(super) struct Much {
    /// How many rows
    #[arg(long, default_value_t = ROWS, value_name = "N", value_parser = rows)]
    limit: usize,
    /// Every row there is
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Much {
    pub(super) const fn rows(&self) -> usize {
        if self.all { usize::MAX } else { self.limit }
    }
}

fn rows(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|rows| *rows > 0).ok_or_else(|| "must be a number above zero".to_owned())
}

/// A part of a path: `.` and `..` would lead to another address.
pub(super) fn segment(text: &str) -> Result<String, String> {
    if text.is_empty() || text == "." || text == ".." { Err("must not be empty or dots".to_owned()) } else { Ok(text.to_owned()) }
}

/// A volume or a price. Everything that is no number is refused here: JSON would carry it as null, which means "all" or "none".
pub(super) fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "must be a number above zero".to_owned())
}

/// A price to be set, or `none` to clear it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    Clear,
    Set(f64),
}

pub(super) fn change(text: &str) -> Result<Change, String> {
    if text == "none" {
        return Ok(Change::Clear);
    }
    positive(text).map(Change::Set).map_err(|_| "must be a price above zero, or none to clear it".to_owned())
}

/// A time as the hub reads it. A date, or a date and a time, without a zone is UTC.
pub(super) fn time(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is no time: use 2024-03-01, \"2024-03-01 14:30\", RFC 3339, or epoch seconds");
    if text.parse::<i64>().is_ok() || text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(text.to_owned());
    }
    let at: jiff::civil::DateTime = text.parse().map_err(|_| wrong())?;
    let utc = at.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
    Ok(utc.timestamp().to_string())
}

/// Adds a parameter that was given.
pub(super) fn ask<T: ToString>(query: &mut Query, name: &'static str, value: Option<&T>) {
    query.extend(value.map(|value| (name, value.to_string())));
}

/// A body with only what was given.
#[derive(Debug, Default)]
pub(super) struct Body(Map<String, Value>);

impl Body {
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn maybe<T: Into<Value>>(self, name: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Left out it stays; null clears it.
    pub(super) fn change(self, name: &str, change: Option<Change>) -> Self {
        match change {
            Some(Change::Clear) => self.with(name, Value::Null),
            Some(Change::Set(price)) => self.with(name, price),
            None => self,
        }
    }

    pub(super) fn value(self) -> Value {
        Value::Object(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_never_becomes_null() {
        for text in ["NaN", "inf", "-inf", "0", "-1", "", "abc", "1e999"] {
            assert!(positive(text).is_err(), "{text}");
        }
        assert_eq!(positive("0.10"), Ok(0.1));
        assert_eq!((change("none"), change("1.09")), (Ok(Change::Clear), Ok(Change::Set(1.09))));
        assert!(change("NaN").is_err() && change("0").is_err());
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        for (text, read) in [
            ("2024-03-01", "2024-03-01T00:00:00Z"),
            ("2024-03-01 14:30", "2024-03-01T14:30:00Z"),
            ("2024-03-01T14:30:05", "2024-03-01T14:30:05Z"),
            ("2024-03-01T14:30:00+02:00", "2024-03-01T14:30:00+02:00"),
            ("1709294400", "1709294400"),
        ] {
            assert_eq!(time(text).as_deref(), Ok(read));
        }
        assert!(time("yesterday").unwrap_err().contains("2024-03-01"));
    }

    #[test]
    fn a_body_tells_keep_clear_and_set_apart() {
        let body = Body::default().change("a", None).change("b", Some(Change::Clear)).change("c", Some(Change::Set(1.5))).value();
        assert_eq!(body, serde_json::json!({"b": null, "c": 1.5}));
    }

    #[test]
    fn a_part_of_a_path_leads_nowhere_else() {
        assert!(segment("..").is_err() && segment(".").is_err() && segment("").is_err());
        assert_eq!(segment("1001@A b").as_deref(), Ok("1001@A b"));
    }
}
