//! Reading a submitted indicator, with errors in the words of InnovaTrading's API: `Point 0: type must be 'high' or 'low'`.
//! What is not known is let pass, as that API does.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    error::{ApiError, ApiResult},
    external::{invalid, symbol_of, timeframe_of},
};
use crate::domain::{
    indicator::{Drawing, Line, Point},
    market::Timeframe,
};

/// So many bytes of JSON hold whatever the limits below let pass, in any usual way of writing it.
pub(super) const BYTES: usize = 1024 * 1024;
/// Points of one indicator.
const POINTS_MAX: usize = 2_000;
/// Lines of one indicator.
const LINES_MAX: usize = 500;
/// Characters of a name or version.
const NAME_MAX: usize = 100;
/// Characters of a label: so many does MetaTrader show.
const LABEL_MAX: usize = 63;
/// Characters of an indicator's or a line's id.
const ID_MAX: usize = 50;
/// Bytes of metadata.
const METADATA_MAX: usize = 8_192;
/// The end of the year 9999, epoch seconds.
const END_OF_TIME: i64 = 253_402_300_799;

/// The id of a path.
///
/// # Errors
/// 422.
pub(super) fn checked_id(id: &str) -> ApiResult<&str> {
    if id.is_empty() || id.len() > ID_MAX || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(invalid(format!("indicator_id must be 1 to {ID_MAX} letters, digits or underscores")));
    }
    Ok(id)
}

/// Symbol, timeframe and drawing of a body.
///
/// # Errors
/// 422, with `point_index` or `line_index`.
pub(super) fn read(body: &Value) -> ApiResult<(String, Timeframe, Drawing)> {
    let Some(object) = body.as_object() else { return Err(ApiError::malformed("the body must be a JSON object")) };
    let whole = Part { of: String::new(), object };
    let fail = |message: String| invalid(message);
    let symbol = symbol_of(whole.text("symbol", 64).map_err(fail)?.as_deref())?;
    let timeframe = match object.get("timeframe") {
        Some(Value::Number(number)) => timeframe_of(Some(&number.to_string()))?,
        Some(Value::String(text)) => timeframe_of(Some(text))?,
        Some(Value::Null) | None => timeframe_of(None)?,
        Some(_) => timeframe_of(Some(""))?,
    };
    let name = whole.text("indicator_name", NAME_MAX).map_err(fail)?.filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| invalid("indicator_name is required"))?;
    let version = whole.text("version", NAME_MAX).map_err(fail)?.unwrap_or_else(|| "1.0".to_owned());
    if object.get("points").is_none_or(Value::is_null) {
        return Err(invalid("points is required"));
    }
    let points = whole.list("points", "Point", POINTS_MAX, "point_index", point)?;
    let lines = whole.list("lines", "Line", LINES_MAX, "line_index", line)?;
    let metadata = match object.get("metadata") {
        None | Some(Value::Null) => json!({}),
        Some(value) if value.is_object() => value.clone(),
        Some(_) => return Err(invalid("metadata must be an object")),
    };
    let metadata = metadata.to_string();
    if metadata.len() > METADATA_MAX {
        return Err(invalid(format!("metadata must be at most {METADATA_MAX} bytes")));
    }
    Ok((symbol, timeframe, Drawing { name, version, points, lines, metadata }))
}

fn point(part: &Part<'_>) -> Result<Point, String> {
    Ok(Point {
        time: part.time("time")?,
        kind: part.one_of("type", "must be 'high' or 'low'")?.ok_or_else(|| part.wrong("type", "must be 'high' or 'low'"))?,
        price: part.price()?,
        label: part.text("label", LABEL_MAX)?,
        color: part.color()?,
        shape: part.one_of("shape", "must be 'circle', 'arrowUp', 'arrowDown' or 'square'")?,
        size: part.one_to_three("size")?,
    })
}

fn line(part: &Part<'_>) -> Result<Line, String> {
    let bars = part.object.get("bars").filter(|value| !value.is_null()).ok_or_else(|| part.wrong("bars", "is required"))?;
    let bars = bars.as_u64().and_then(|bars| u32::try_from(bars).ok()).filter(|bars| (1..=1_000_000).contains(bars));
    Ok(Line {
        id: part.text("id", ID_MAX)?.filter(|id| !id.is_empty()).ok_or_else(|| part.wrong("id", "is required"))?,
        price: part.price()?,
        start_time: part.time("start_time")?,
        bars: bars.ok_or_else(|| part.wrong("bars", "must be a whole number from 1 to 1000000"))?,
        label: part.text("label", LABEL_MAX)?,
        color: part.color()?,
        style: part.one_of("style", "must be 'solid', 'dashed' or 'dotted'")?,
        width: part.one_to_three("width")?,
    })
}

/// An object of the body, and how errors name it.
struct Part<'a> {
    /// `Point 0: `
    of: String,
    object: &'a Map<String, Value>,
}

impl Part<'_> {
    fn wrong(&self, field: &str, what: &str) -> String {
        format!("{}{field} {what}", self.of)
    }

    /// What is there; null is nothing.
    fn given(&self, field: &str) -> Option<&Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    fn needed(&self, field: &str) -> Result<&Value, String> {
        self.given(field).ok_or_else(|| self.wrong(field, "is required"))
    }

    fn text(&self, field: &str, max: usize) -> Result<Option<String>, String> {
        let Some(value) = self.given(field) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| self.wrong(field, "must be text"))?;
        if text.chars().count() > max {
            return Err(self.wrong(field, &format!("must be at most {max} characters")));
        }
        Ok(Some(text.to_owned()))
    }

    fn time(&self, field: &str) -> Result<i64, String> {
        let value = self.needed(field)?;
        // Python's time.time() has a fraction; a bar's time has none.
        #[expect(clippy::cast_possible_truncation, reason = "whole, and then held against the calendar")]
        let whole = || value.as_f64().filter(|time| time.fract() == 0.0).map(|time| time as i64);
        let time = value.as_i64().or_else(whole).filter(|time| (0..=END_OF_TIME).contains(time));
        time.ok_or_else(|| self.wrong(field, "must be UTC epoch seconds"))
    }

    fn price(&self) -> Result<f64, String> {
        self.needed("price")?.as_f64().filter(|price| price.is_finite()).ok_or_else(|| self.wrong("price", "must be a number"))
    }

    fn one_of<T: DeserializeOwned>(&self, field: &str, must: &str) -> Result<Option<T>, String> {
        let read = |value: &Value| serde_json::from_value(value.clone()).map_err(|_| self.wrong(field, must));
        self.given(field).map(read).transpose()
    }

    fn color(&self) -> Result<Option<String>, String> {
        let color = self.text("color", 7)?;
        let is_hex = |text: &str| {
            text.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        match color {
            Some(text) if !is_hex(&text) => Err(self.wrong("color", "must be like '#3b82f6'")),
            color => Ok(color),
        }
    }

    fn one_to_three(&self, field: &str) -> Result<Option<u8>, String> {
        let read = |value: &Value| {
            let number = value.as_u64().and_then(|number| u8::try_from(number).ok()).filter(|number| (1..=3).contains(number));
            number.ok_or_else(|| self.wrong(field, "must be 1, 2 or 3"))
        };
        self.given(field).map(read).transpose()
    }

    /// The members of a list, which is empty when it is left out.
    fn list<T>(
        &self,
        field: &str,
        one: &str,
        max: usize,
        index: &str,
        read: impl Fn(&Part<'_>) -> Result<T, String>,
    ) -> ApiResult<Vec<T>> {
        let Some(value) = self.given(field) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| invalid(self.wrong(field, "must be a list")))?;
        if list.len() > max {
            return Err(invalid(self.wrong(field, &format!("must be at most {max}"))));
        }
        let member = |(at, value): (usize, &Value)| {
            let of = format!("{one} {at}: ");
            let read = match value.as_object() {
                Some(object) => read(&Part { of, object }),
                None => Err(format!("{of}must be an object")),
            };
            read.map_err(|message| invalid(message).with(index, at))
        };
        list.iter().enumerate().map(member).collect()
    }
}
