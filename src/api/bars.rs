//! Bars: `GET …/bars/{symbol}`.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Uri, header},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ApiState,
    auth::Caller,
    cursor::Cursor,
    error::{ApiError, ApiResult},
    etag,
    extract::{Params, Path},
    json::{parse_time, rfc3339, rfc3339_or_null},
    resolve::{self, Purpose, Target},
    table::{Cell, Format, Kind, Page, Table, respond},
};
use crate::{
    domain::{
        UnixMillis,
        market::{Bar, Timeframe, UnknownTimeframe},
    },
    market::{
        bars::{Found, LATEST, Series, Wanted},
        broker_time::BrokerClock,
    },
};

/// Bars, or ticks, in one answer.
pub(super) const LIMIT_MAX: u32 = 100_000;
const LIMIT_DEFAULT: u32 = 500;
/// Stretches without bars that are told, in one answer.
const GAPS_MAX: usize = 1_000;
/// Shorter ones are not: minutes without a price change are everywhere.
const GAP_MIN: i64 = 3_600;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BarsQuery {
    timeframe: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
    start_pos: Option<u32>,
    cursor: Option<String>,
    order: Option<String>,
    format: Option<String>,
    tz: Option<String>,
}

/// What of a question does not change with what is known of the broker's clock.
struct Question {
    series: Series,
    timeframe: Timeframe,
    limit: u32,
    newest_first: bool,
    server_time: bool,
    /// What a cursor of it must have been written for.
    identity: [String; 3],
}

/// `GET …/bars/{symbol}?timeframe&from&to&limit&start_pos&cursor&order&format&tz`
pub(super) async fn bars(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, symbol)): Path<(String, String)>,
    uri: Uri,
    Params(query): Params<BarsQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let format = Format::of(query.format.as_deref(), &headers)?;
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    caller.symbol(&symbol)?;
    let question = question(&query, &target, &symbol)?;
    let (session, within) = (target.session.as_ref(), state.http.read_timeout);
    let asked = clock_of(&state, &target)?;
    let mut wanted = span(&query, &question, asked)?;
    let mut found = state.bars.fetch(question.series.clone(), session, wanted, within).await?;
    let mut clock = clock_of(&state, &target)?;
    if clock.rule() != asked.rule() {
        // These very bars have shown whose summer time the server follows: then the times that were asked for mean others.
        wanted = span(&query, &question, clock)?;
        found = state.bars.fetch(question.series.clone(), session, wanted, within).await?;
        clock = clock_of(&state, &target)?;
    }
    let paged = question.newest_first || matches!(wanted, Wanted::Forward { .. });
    let ranged = !matches!(wanted, Wanted::Latest { .. });
    Ok(answer(&state, Told { question, symbol, found, clock, paged, ranged }, format, (&uri, &headers)).await)
}

fn question(query: &BarsQuery, target: &Target, symbol: &str) -> ApiResult<Question> {
    let timeframe = query.timeframe.as_deref().unwrap_or("M1").parse();
    let timeframe: Timeframe = timeframe.map_err(|error: UnknownTimeframe| ApiError::field("timeframe", error.to_string()))?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(ApiError::field("limit", format!("must be 1 to {LIMIT_MAX}")));
    }
    let newest_first = match query.order.as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(ApiError::field("order", "must be asc or desc")),
    };
    let order = if newest_first { "desc" } else { "asc" };
    Ok(Question {
        series: Series::new(target.token.owner, &target.account, symbol, timeframe),
        timeframe,
        limit,
        newest_first,
        server_time: server_time(query.tz.as_deref())?,
        identity: [target.account.to_string(), symbol.to_owned(), format!("bars {timeframe} {order}")],
    })
}

/// Whether times are the broker's wall clock, both ways.
///
/// # Errors
/// 422.
pub(super) fn server_time(tz: Option<&str>) -> ApiResult<bool> {
    match tz {
        None | Some("utc") => Ok(false),
        Some("server") => Ok(true),
        Some(_) => Err(ApiError::field("tz", "must be utc or server")),
    }
}

/// The clock of the terminal's server, as it is known now.
///
/// # Errors
/// 409 for a terminal that is away and was never asked for bars.
fn clock_of(state: &ApiState, target: &Target) -> ApiResult<BrokerClock> {
    match &target.session {
        Some(session) => Ok(state.clocks.live(session)),
        None => state.clocks.offline(target.token.owner, &target.account).ok_or_else(ApiError::terminal_offline),
    }
}

/// A time of a query string.
///
/// # Errors
/// 422.
pub(super) fn time_of(field: &str, text: Option<&str>) -> ApiResult<Option<UnixMillis>> {
    let wrong = || ApiError::field(field, "must be RFC 3339, epoch seconds or epoch milliseconds");
    text.map(|text| parse_time(text).ok_or_else(wrong)).transpose()
}

/// `from` is included, `to` is not; of broker time both are, as MetaTrader has it.
fn span(query: &BarsQuery, question: &Question, clock: BrokerClock) -> ApiResult<Wanted> {
    let (count, server_time) = (question.limit, question.server_time);
    // A bar opens on a full second: the first one at or after.
    let up = |at: UnixMillis| at.0.div_euclid(1_000) + i64::from(at.0.rem_euclid(1_000) > 0);
    let from = time_of("from", query.from.as_deref())?;
    let to = time_of("to", query.to.as_deref())?;
    if query.start_pos.is_some() && (from.is_some() || to.is_some() || query.cursor.is_some()) {
        return Err(ApiError::field("start_pos", "cannot stand beside from, to or cursor"));
    }
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(ApiError::field("to", "must not be before from"));
    }
    let first = from.map(|at| if server_time { up(at) } else { clock.first_broker(up(at)) });
    let last = to.map(|at| if server_time { at.0.div_euclid(1_000) } else { clock.first_broker(up(at)) - 1 });
    let identity = question.identity.each_ref().map(String::as_str);
    let cursor = query.cursor.as_deref().map(|text| Cursor::read(text, &identity)).transpose()?;
    let (first, last) = match cursor {
        None => (first, last),
        Some(cursor) if question.newest_first => (first, Some(cursor.at)),
        Some(cursor) => (Some(cursor.at), last),
    };
    let (floor, top) = (first.unwrap_or(0), last.unwrap_or(LATEST));
    Ok(match (first, last) {
        (None, None) => Wanted::Latest { start: query.start_pos.unwrap_or(0), count },
        (Some(_), _) if !question.newest_first => Wanted::Forward { from: floor, to: top, count },
        _ => Wanted::Backward { from: floor, to: top, count },
    })
}

/// What was found, and how it was asked for.
struct Told {
    question: Question,
    symbol: String,
    found: Arc<Found>,
    clock: BrokerClock,
    /// Whether pages follow. Of the newest ones in the usual order there is no next page: it would come before this one.
    paged: bool,
    /// Whether it was asked for by time, and not the newest ones.
    ranged: bool,
}

impl Told {
    /// As the caller counts time.
    fn at(&self, broker: i64) -> i64 {
        if self.question.server_time { broker } else { self.clock.to_utc(broker) }
    }

    fn time(&self, broker: i64) -> UnixMillis {
        UnixMillis(self.at(broker) * 1_000)
    }

    fn next_cursor(&self) -> Option<String> {
        let identity = self.question.identity.each_ref().map(String::as_str);
        self.found.next.filter(|_| self.paged).map(|at| Cursor { at, skip: 0 }.write(&identity))
    }

    /// Whether asking again gives the same bars, unless the broker rewrites its history: all of them are there and closed.
    fn is_settled(&self) -> bool {
        let closed = self.found.bars.last().is_none_or(|last| self.found.is_complete(last));
        self.ranged && closed && self.found.is_whole() && self.found.interrupted.is_none()
    }

    /// Stretches without bars, by time: those of which the terminal said that there are none, and those that were not to be had.
    fn gaps(&self) -> Vec<Value> {
        let (found, timeframe) = (&self.found, self.question.timeframe);
        let closed = found.bars.windows(2).filter_map(|pair| {
            let from = timeframe.next_open(pair[0].time);
            (pair[1].time - from >= GAP_MIN).then_some((from, Some(pair[1].time), "no_bars"))
        });
        let fetched = |from: i64, to: i64| !found.missing.iter().any(|span| span.from < to && from <= span.to);
        let closed = closed.filter(|(from, to, _)| to.is_none_or(|to| fetched(*from, to)));
        let missing = found.missing.iter().map(|span| (span.from, (span.to < LATEST).then_some(span.to + 1), "not_fetched"));
        let mut gaps: Vec<_> = missing.chain(closed).take(GAPS_MAX).collect();
        gaps.sort_unstable();
        let told = |(from, to, kind): (i64, Option<i64>, &str)| {
            let from = if from > 0 { Some(self.time(from)) } else { None };
            json!({"from": rfc3339_or_null(from), "to": rfc3339_or_null(to.map(|to| self.time(to))), "kind": kind})
        };
        gaps.into_iter().map(told).collect()
    }
}

impl Table for Told {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("time", Kind::Time),
        ("time_msc", Kind::Int),
        ("broker_time", Kind::Int),
        ("open", Kind::Float),
        ("high", Kind::Float),
        ("low", Kind::Float),
        ("close", Kind::Float),
        ("tick_volume", Kind::Int),
        ("spread", Kind::Int),
        ("real_volume", Kind::Int),
        ("complete", Kind::Bool),
    ];

    fn is_utc(&self) -> bool {
        !self.question.server_time
    }

    fn len(&self) -> usize {
        self.found.bars.len()
    }

    fn cells(&self, at: usize) -> Vec<Cell> {
        let bar = self.bar(at);
        let time = self.time(bar.time);
        vec![
            Cell::Time(time),
            Cell::Int(time.0),
            Cell::Int(bar.time),
            Cell::Float(bar.open),
            Cell::Float(bar.high),
            Cell::Float(bar.low),
            Cell::Float(bar.close),
            Cell::Int(bar.tick_volume),
            Cell::Int(i64::from(bar.spread)),
            Cell::Int(bar.real_volume),
            Cell::Bool(self.found.is_complete(&bar)),
        ]
    }

    /// The records of `numpy.frombuffer` with the dtype of MetaQuotes' package.
    fn pack(&self, at: usize, out: &mut Vec<u8>) {
        let bar = self.bar(at);
        Bar { time: self.at(bar.time), ..bar }.pack_into(out);
    }
}

impl Told {
    fn bar(&self, at: usize) -> Bar {
        let at = if self.question.newest_first { self.found.bars.len() - 1 - at } else { at };
        self.found.bars[at]
    }
}

async fn answer(state: &ApiState, told: Told, format: Format, (uri, headers): (&Uri, &HeaderMap)) -> Response {
    let found = &told.found;
    let next_cursor = told.next_cursor();
    let oldest = Some(found.oldest).filter(|oldest| *oldest > 0).map(|oldest| told.time(oldest));
    let source = if found.from_terminal { "terminal" } else { "cache" };
    let about = json!({
        "symbol": told.symbol,
        "timeframe": told.question.timeframe.name(),
        "next_cursor": next_cursor,
        "as_of": rfc3339(found.heard),
        "source": source,
        "complete": found.is_whole(),
        "loading": found.loading,
        "interrupted": found.interrupted.clone().map(|error| ApiError::from(error).code()),
        "no_more_history": found.no_more,
        "oldest_available": rfc3339_or_null(oldest),
        "gaps": told.gaps(),
        "history_changed": found.rewritten,
        "utc_source": told.clock.source().name(),
    });
    let tag = match told.is_settled() {
        true => {
            let names = ["symbol", "timeframe", "next_cursor", "gaps", "utc_source"];
            let beside = json!([names.map(|name| &about[name]), told.question.server_time, told.question.newest_first]);
            Some(etag::of(&told, format, &beside).await)
        }
        false => None,
    };
    let page = Page { next_cursor, complete: found.is_whole(), again: found.loading || found.interrupted.is_some() };
    let age = state.clock.wall().since(found.heard).max(0) / 1_000;
    let from_cache = !found.from_terminal;
    let mut response = match &tag {
        Some(tag) if etag::is_known(headers, tag) => etag::unchanged(),
        _ => respond(&Arc::new(told), format, about.as_object().unwrap_or(&Map::new())),
    };
    page.tell(uri, &mut response);
    if let Some(tag) = &tag {
        etag::tell(tag, &mut response);
    }
    response.headers_mut().insert("x-data-source", HeaderValue::from_static(source));
    if from_cache {
        response.headers_mut().insert(header::AGE, HeaderValue::from(age));
    }
    response
}
