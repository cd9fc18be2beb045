//! Bars: `GET …/bars/{symbol}` as JSON, CSV or packed records.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{Params, Path},
    json::{parse_time, rfc3339},
    resolve::{self, Purpose},
};
use crate::{
    domain::{
        UnixMillis,
        market::{Bar, Timeframe},
    },
    market::{
        bars::{Bars, Wanted},
        broker_time::BrokerClock,
    },
};

/// Bars in one answer.
const LIMIT_MAX: u32 = 50_000;
const LIMIT_DEFAULT: u32 = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BarsQuery {
    timeframe: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
    start_pos: Option<u32>,
    cursor: Option<String>,
    format: Option<String>,
    tz: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
    Packed,
}

/// A bar as JSON and CSV show it.
#[derive(Debug, Serialize)]
struct Row {
    time: String,
    time_msc: i64,
    broker_time: i64,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    tick_volume: i64,
    spread: i32,
    real_volume: i64,
    complete: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    symbol: String,
    timeframe: &'static str,
    data: Vec<Row>,
    next_cursor: Option<String>,
    as_of: String,
    loading: bool,
    utc_source: &'static str,
}

/// `GET …/bars/{symbol}?timeframe&from&to&limit&start_pos&cursor&format&tz`
pub(super) async fn bars(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, symbol)): Path<(String, String)>,
    Params(query): Params<BarsQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let timeframe: Timeframe = query
        .timeframe
        .as_deref()
        .unwrap_or("M1")
        .parse()
        .map_err(|error: crate::domain::market::UnknownTimeframe| ApiError::field("timeframe", error.to_string()))?;
    let format = format(&query, &headers)?;
    let server_time = match query.tz.as_deref() {
        None | Some("utc") => false,
        Some("server") => true,
        Some(_) => return Err(ApiError::field("tz", "must be utc or server")),
    };
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(ApiError::field("limit", format!("must be 1 to {LIMIT_MAX}")));
    }
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    let session = target.live()?;
    let clock = resolve::broker_clock(&state, session);
    let wanted = wanted(&query, limit, clock, server_time)?;
    let found = state.bars.fetch(session, &symbol, timeframe, wanted, state.http.read_timeout).await?;
    // The oldest of a span come first; when there may be more, the next page begins after the last one.
    let more = matches!(wanted, Wanted::Range { .. }) && u32::try_from(found.bars.len()).is_ok_and(|count| count == limit);
    let next_cursor = found.bars.last().filter(|_| more).map(|bar| format!("b{}", bar.time));
    let source = if found.from_cache { "cache" } else { "terminal" };
    let mut response = match format {
        Format::Json => Json(Answer {
            symbol,
            timeframe: timeframe.name(),
            data: rows(&found, clock, server_time),
            next_cursor: next_cursor.clone(),
            as_of: rfc3339(state.clock.wall()),
            loading: found.loading,
            utc_source: clock.source().name(),
        })
        .into_response(),
        Format::Csv => csv(&rows(&found, clock, server_time))?,
        Format::Packed => packed(&found.bars, clock, server_time),
    };
    let headers = response.headers_mut();
    headers.insert("x-data-source", HeaderValue::from_static(source));
    if found.loading {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    if let Some(cursor) = next_cursor.and_then(|cursor| HeaderValue::from_str(&cursor).ok()) {
        headers.insert("x-next-cursor", cursor);
    }
    Ok(response)
}

/// `from` is included, `to` is not.
fn wanted(query: &BarsQuery, count: u32, clock: BrokerClock, server_time: bool) -> ApiResult<Wanted> {
    let broker = |field: &str, text: &Option<String>| -> ApiResult<Option<i64>> {
        let Some(text) = text else { return Ok(None) };
        let at =
            parse_time(text).ok_or_else(|| ApiError::field(field, "must be RFC 3339, epoch seconds or epoch milliseconds"))?;
        let seconds = at.0.div_euclid(1_000);
        Ok(Some(if server_time { seconds } else { clock.to_broker(seconds) }))
    };
    let (mut from, to) = (broker("from", &query.from)?, broker("to", &query.to)?);
    if let Some(cursor) = &query.cursor {
        let after = cursor.strip_prefix('b').and_then(|time| time.parse::<i64>().ok()?.checked_add(1));
        from = Some(after.ok_or_else(|| ApiError::field("cursor", "must be a next_cursor of an earlier answer"))?);
    }
    if query.start_pos.is_some() && (from.is_some() || to.is_some()) {
        return Err(ApiError::field("start_pos", "cannot stand beside from, to or cursor"));
    }
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(ApiError::field("to", "must not be before from"));
    }
    Ok(match (from, to) {
        (Some(from), to) => Wanted::Range { from, to: to.map_or(i64::from(u32::MAX), |to| to - 1), count },
        (None, Some(to)) => Wanted::EndingAt { to: to - 1, count },
        (None, None) => Wanted::Latest { start: query.start_pos.unwrap_or(0), count },
    })
}

fn format(query: &BarsQuery, headers: &HeaderMap) -> ApiResult<Format> {
    match query.format.as_deref() {
        Some("json") => return Ok(Format::Json),
        Some("csv") => return Ok(Format::Csv),
        Some("packed") => return Ok(Format::Packed),
        Some(_) => return Err(ApiError::field("format", "must be json, csv or packed")),
        None => {}
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    Ok(if accept.contains("text/csv") {
        Format::Csv
    } else if accept.contains("application/octet-stream") {
        Format::Packed
    } else {
        Format::Json
    })
}

fn rows(found: &Bars, clock: BrokerClock, server_time: bool) -> Vec<Row> {
    let row = |bar: &Bar| {
        let seconds = if server_time { bar.time } else { clock.to_utc(bar.time) };
        let at = UnixMillis(seconds * 1_000);
        Row {
            time: rfc3339(at),
            time_msc: at.0,
            broker_time: bar.time,
            open: bar.open,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            tick_volume: bar.tick_volume,
            spread: bar.spread,
            real_volume: bar.real_volume,
            complete: found.forming_open > 0 && bar.time < found.forming_open,
        }
    };
    found.bars.iter().map(row).collect()
}

fn csv(rows: &[Row]) -> ApiResult<Response> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|error| ApiError::internal(&error))?;
    }
    let text = writer.into_inner().map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response())
}

/// The 60-byte records of `numpy.frombuffer` with the dtype of MetaQuotes' package; times are UTC unless `tz=server`.
fn packed(bars: &[Bar], clock: BrokerClock, server_time: bool) -> Response {
    let mut bytes = Vec::with_capacity(bars.len() * Bar::SIZE);
    for bar in bars {
        let time = if server_time { bar.time } else { clock.to_utc(bar.time) };
        Bar { time, ..*bar }.pack_into(&mut bytes);
    }
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}
