//! Ticks: `GET …/ticks/{symbol}`.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Uri},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, json};

use super::{
    ApiState,
    auth::Caller,
    bars::{LIMIT_MAX, server_time, time_of},
    cursor::Cursor,
    error::{ApiError, ApiResult},
    etag,
    extract::{Params, Path},
    json::{rfc3339, rfc3339_or_null},
    resolve::{self, Purpose},
    table::{Cell, Format, Kind, Page, Table, respond},
};
use crate::{
    domain::{UnixMillis, market::Tick},
    market::{
        broker_time::BrokerClock,
        ticks::{FoundTicks, Place, SAME_MS_MAX, WantedTicks},
    },
};

const LIMIT_DEFAULT: u32 = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TicksQuery {
    from: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
    flags: Option<String>,
    cursor: Option<String>,
    format: Option<String>,
    tz: Option<String>,
}

/// `COPY_TICKS_ALL` and its parts, and how a cursor names them.
fn flags_of(text: Option<&str>) -> ApiResult<(u8, &'static str)> {
    match text {
        None | Some("all") => Ok((3, "ticks")),
        Some("info") => Ok((1, "ticks info")),
        Some("trade") => Ok((2, "ticks trade")),
        Some(_) => Err(ApiError::field("flags", "must be all, info or trade")),
    }
}

/// `GET …/ticks/{symbol}?from&to&limit&flags&cursor&format&tz`
pub(super) async fn ticks(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, symbol)): Path<(String, String)>,
    uri: Uri,
    Params(query): Params<TicksQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let format = Format::of(query.format.as_deref(), &headers)?;
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    caller.symbol(&symbol)?;
    let server_time = server_time(query.tz.as_deref())?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(ApiError::field("limit", format!("must be 1 to {LIMIT_MAX}")));
    }
    let (flags, kind) = flags_of(query.flags.as_deref())?;
    let session = target.live()?;
    let clock = state.clocks.live(session);
    let broker = |at: UnixMillis| if server_time { at.0 } else { clock.first_broker_ms(at.0) };
    let from = time_of("from", query.from.as_deref())?;
    // `to` is not included, but of broker time it is, as MetaTrader has it.
    let to = time_of("to", query.to.as_deref())?;
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(ApiError::field("to", "must not be before from"));
    }
    let account = target.account.to_string();
    let identity = [account.as_str(), &symbol, kind];
    let from = match (&query.cursor, from) {
        (Some(text), _) => {
            let Cursor { at, skip } = Cursor::read(text, &identity)?;
            Place { time_msc: at, skip: skip.min(SAME_MS_MAX) }
        }
        (None, Some(from)) => Place { time_msc: broker(from), skip: 0 },
        (None, None) => return Err(ApiError::field("from", "is needed: ticks are told from a time on")),
    };
    let to = to.map(|to| broker(to) - i64::from(!server_time));
    let wanted = WantedTicks { from, to, count: limit, flags };
    let found = state.ticks.fetch(session, &symbol, wanted, state.http.read_timeout).await?;
    let told = Told { found, clock, server_time };
    let found = &told.found;
    let next_cursor = found.next.map(|Place { time_msc, skip }| Cursor { at: time_msc, skip }.write(&identity));
    let oldest = Some(found.oldest).filter(|oldest| *oldest > 0).map(|oldest| UnixMillis(told.at_ms(oldest)));
    let complete = !found.loading && found.interrupted.is_none();
    let about = json!({
        "symbol": symbol,
        "next_cursor": next_cursor,
        "as_of": rfc3339(state.clock.wall()),
        "complete": complete,
        "loading": found.loading,
        "interrupted": found.interrupted.clone().map(|error| ApiError::from(error).code()),
        "no_more_history": found.no_more,
        "oldest_available": rfc3339_or_null(oldest),
        "utc_source": clock.source().name(),
    });
    let tag = match complete && (to.is_some() || next_cursor.is_some()) {
        true => {
            let names = ["symbol", "next_cursor", "utc_source"];
            Some(etag::of(&told, format, &json!([names.map(|name| &about[name]), server_time])).await)
        }
        false => None,
    };
    let page = Page { next_cursor, complete, again: !complete };
    let mut response = match &tag {
        Some(tag) if etag::is_known(&headers, tag) => etag::unchanged(),
        _ => respond(&Arc::new(told), format, about.as_object().unwrap_or(&Map::new())),
    };
    page.tell(&uri, &mut response);
    if let Some(tag) = &tag {
        etag::tell(tag, &mut response);
    }
    response.headers_mut().insert("x-data-source", HeaderValue::from_static("terminal"));
    Ok(response)
}

/// What was found, and how times are told.
struct Told {
    found: FoundTicks,
    clock: BrokerClock,
    server_time: bool,
}

impl Told {
    fn at_ms(&self, broker_ms: i64) -> i64 {
        if self.server_time { broker_ms } else { self.clock.to_utc_ms(broker_ms) }
    }
}

impl Table for Told {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("time", Kind::Time),
        ("time_msc", Kind::Int),
        ("broker_time", Kind::Int),
        ("bid", Kind::Float),
        ("ask", Kind::Float),
        ("last", Kind::Float),
        ("volume", Kind::Unsigned),
        ("volume_real", Kind::Float),
        ("flags", Kind::Unsigned),
    ];

    fn is_utc(&self) -> bool {
        !self.server_time
    }

    fn len(&self) -> usize {
        self.found.ticks.len()
    }

    fn cells(&self, at: usize) -> Vec<Cell> {
        let tick = &self.found.ticks[at];
        let time_msc = self.at_ms(tick.time_msc);
        vec![
            Cell::Time(UnixMillis(time_msc)),
            Cell::Int(time_msc),
            Cell::Int(tick.time_msc.div_euclid(1_000)),
            Cell::Float(tick.bid),
            Cell::Float(tick.ask),
            Cell::Float(tick.last),
            Cell::Unsigned(tick.volume),
            Cell::Float(tick.volume_real),
            Cell::Unsigned(u64::from(tick.flags)),
        ]
    }

    /// The records of `numpy.frombuffer` with the dtype of MetaQuotes' package.
    fn pack(&self, at: usize, out: &mut Vec<u8>) {
        let tick = self.found.ticks[at];
        let time_msc = self.at_ms(tick.time_msc);
        Tick { time: time_msc.div_euclid(1_000), time_msc, ..tick }.pack_into(out);
    }
}
