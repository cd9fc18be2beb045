//! `/api/external`: bars and symbols as clients of InnovaTrading's published API ask for them. Field names, error codes and words are
//! those of that API; unknown parameters are let pass, as it does.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;
use utoipa::IntoParams;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    external_source::{Wish, sources},
    extract::{Params, Path},
    json::parse_time,
    relay::Relay,
    resolve::{self, Purpose, Target},
};
use crate::{
    domain::{
        UnixMillis,
        ids::TokenId,
        market::{Bar, SymbolSpec, Timeframe},
    },
    hub::CallError,
    market::{
        bars::{BarsError, Found, Series, Wanted},
        broker_time::BrokerClock,
    },
    protocol::message::GetSymbols,
};

/// Bars in one answer.
pub(super) const BARS_MAX: u32 = 5_000;
const BARS_DEFAULT: u32 = 500;
/// Every timeframe that is taken, in minutes.
const TIMEFRAMES: [u32; 8] = [1, 5, 15, 30, 60, 240, 1_440, 10_080];
/// Those that the published API lists.
const LISTED: [u32; 6] = [1, 5, 15, 60, 240, 1_440];
/// Symbols in one question to a terminal.
const SYMBOLS_PAGE: u32 = 1_000;
/// Questions to one terminal about its symbols.
const SYMBOLS_PAGES: u32 = 20;
/// Terminals that are asked for their symbols.
const TERMINALS_MAX: usize = 16;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BarsQuery {
    /// The broker's own name.
    #[param(value_type = String, max_length = 64, pattern = "^[!-~]+$", example = "EURUSD")]
    symbol: Option<String>,
    /// Minutes: 1 5 15 30 60 240 1440 10080.
    #[param(inline, value_type = super::openapi::schemas::ExternalTimeframe, example = 60)]
    timeframe: Option<String>,
    /// 1 to 5,000; 500 if left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 5000, example = 2)]
    limit: Option<String>,
    /// Only bars that open before it: UTC epoch seconds. For the next older page, `oldest_time` of this one.
    #[param(value_type = Option<i64>)]
    before_time: Option<String>,
    /// A terminal, as in the paths of /api/v1; chosen by the hub if left out.
    account: Option<String>,
}

/// Bars as they were asked for.
#[derive(Debug, Clone)]
pub(super) struct Question {
    symbol: String,
    timeframe: Timeframe,
    limit: u32,
    /// Only bars that open before it.
    before: Option<UnixMillis>,
    account: Option<String>,
}

/// Bars that were found, oldest first, and what else there is.
#[derive(Debug)]
pub(super) struct Page {
    found: Arc<Found>,
    /// Those of `found` before it are left out: between them and the others some could not be had.
    first: usize,
    clock: BrokerClock,
    has_more: bool,
    /// The terminal's.
    token: TokenId,
}

impl Page {
    fn bars(&self) -> &[Bar] {
        &self.found.bars[self.first..]
    }

    /// UTC opening times, epoch seconds, oldest first.
    pub(super) fn times(&self) -> Vec<i64> {
        self.bars().iter().map(|bar| self.clock.to_utc(bar.time)).collect()
    }
}

/// `GET /api/external/bars?symbol&timeframe&limit&before_time&account`
#[utoipa::path(
    get,
    path = "/api/external/bars",
    operation_id = "externalBars",
    tag = "External API",
    summary = "Bars",
    description = "Oldest first. For the page before, pass `oldest_time` as `before_time`.",
    params(BarsQuery),
    responses(
        (status = 200, description = "The bars.", body = super::openapi::schemas::ExternalBars),
        (status = "4XX", description = "external not_found"),
    )
)]
pub(super) async fn bars(State(state): State<ApiState>, caller: Caller, Params(query): Params<BarsQuery>) -> ApiResult<Response> {
    let question = Question::read(&caller, &query, query.symbol.as_deref(), query.timeframe.as_deref())?;
    tell(&state, &caller, &question).await
}

/// `GET /api/external/bars/{symbol}/{timeframe}?limit&before_time&account`
#[utoipa::path(
    get,
    path = "/api/external/bars/{symbol}/{timeframe}",
    operation_id = "externalBarsOf",
    tag = "External API",
    summary = "Bars of a symbol and timeframe",
    description = "The same with both in the path, where they count.",
    params(BarsQuery),
    responses(
        (status = 200, description = "The bars.", body = super::openapi::schemas::ExternalBars),
        (status = "4XX", description = "external not_found"),
    )
)]
pub(super) async fn bars_of(
    State(state): State<ApiState>,
    caller: Caller,
    Path((symbol, timeframe)): Path<(String, String)>,
    Params(query): Params<BarsQuery>,
) -> ApiResult<Response> {
    let question = Question::read(&caller, &query, Some(&symbol), Some(&timeframe))?;
    tell(&state, &caller, &question).await
}

async fn tell(state: &ApiState, caller: &Caller, question: &Question) -> ApiResult<Response> {
    let page = find(state, caller, question).await?;
    if question.account.is_none() {
        state.sources.put(caller.key.line(), &question.symbol, page.token);
    }
    let age = state.clock.wall().since(page.found.heard).max(0) / 1_000;
    let mut response = answer(question, &page);
    let source = if page.found.from_terminal { "terminal" } else { "cache" };
    response.headers_mut().insert("x-data-source", HeaderValue::from_static(source));
    if !page.found.from_terminal {
        response.headers_mut().insert(header::AGE, HeaderValue::from(age));
    }
    Ok(response)
}

/// 422 in a sentence.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", message)
}

/// A name of a symbol, as far as that can be told without a terminal.
///
/// # Errors
/// 422.
pub(super) fn symbol_of(text: Option<&str>) -> ApiResult<String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| invalid("symbol is required"))?;
    if text.len() > 64 || text.chars().any(char::is_control) {
        return Err(invalid("symbol must be at most 64 bytes of printable text"));
    }
    Ok(text.to_owned())
}

/// A timeframe in minutes.
///
/// # Errors
/// 422.
pub(super) fn timeframe_of(text: Option<&str>) -> ApiResult<Timeframe> {
    let text = text.ok_or_else(|| invalid("timeframe is required"))?;
    let minutes = text.trim().parse().ok().filter(|minutes| TIMEFRAMES.contains(minutes));
    let found = minutes.and_then(|minutes| Timeframe::all().find(|timeframe| timeframe.minutes() == minutes));
    found.ok_or_else(|| invalid("timeframe must be in minutes: 1, 5, 15, 30, 60, 240, 1440 or 10080"))
}

impl Question {
    fn read(caller: &Caller, query: &BarsQuery, symbol: Option<&str>, timeframe: Option<&str>) -> ApiResult<Self> {
        let (symbol, timeframe) = (symbol_of(symbol)?, timeframe_of(timeframe)?);
        caller.symbol(&symbol)?;
        let limit = query.limit.as_ref().map_or(Ok(BARS_DEFAULT), |text| text.trim().parse());
        let limit = limit.ok().filter(|limit| (1..=BARS_MAX).contains(limit));
        let limit = limit.ok_or_else(|| invalid(format!("limit must be a number from 1 to {BARS_MAX}")))?;
        let before = query.before_time.as_deref().map(|text| parse_time(text.trim()).ok_or(text)).transpose();
        let before = before.map_err(|_| invalid("before_time must be UTC epoch seconds"))?;
        let account = query.account.clone().or_else(|| caller.key.scope.default_terminal.clone());
        Ok(Self { symbol, timeframe, limit, before, account })
    }

    /// The newest bars that one answer may have.
    pub(super) fn newest(caller: &Caller, symbol: &str, timeframe: Timeframe) -> Self {
        let account = caller.key.scope.default_terminal.clone();
        Self { symbol: symbol.to_owned(), timeframe, limit: BARS_MAX, before: None, account }
    }

    fn wanted(&self, clock: BrokerClock) -> Wanted {
        let count = self.limit;
        match self.before {
            None => Wanted::Latest { start: 0, count },
            Some(before) => {
                let first_after = before.0.div_euclid(1_000) + i64::from(before.0.rem_euclid(1_000) > 0);
                Wanted::Backward { from: 0, to: clock.first_broker(first_after) - 1, count }
            }
        }
    }

    fn no_data(&self) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_data", "No bar data available. VPS/MT5 may be offline.")
            .with("symbol", self.symbol.as_str())
            .with("timeframe", self.timeframe.minutes())
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("30"))
    }

    /// Why there are none, in the words of that API.
    fn told(&self, error: &BarsError) -> ApiError {
        match error {
            BarsError::UnknownSymbol => not_found(&self.symbol),
            BarsError::Crowded | BarsError::Call(CallError::Busy) => ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_exceeded",
                "Too many requests. Please wait before retrying.",
            )
            .with("retry_after", 2)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("2")),
            error => {
                warn!(%error, symbol = self.symbol, timeframe = %self.timeframe, "no bars for a caller of the external API");
                self.no_data()
            }
        }
    }
}

fn not_found(symbol: &str) -> ApiError {
    ApiError::not_found(format!("Symbol {symbol} not found"))
}

/// Finds the bars, wherever they are.
///
/// # Errors
/// 404, 429, 503 `no_data`; those of `account`.
pub(super) async fn find(state: &ApiState, caller: &Caller, question: &Question) -> ApiResult<Page> {
    let (account, further) = (question.account.as_deref(), question.before.is_some());
    let sources = sources(state, caller, Wish { symbol: &question.symbol, account, further }).await?;
    if sources.is_empty() && !resolve::visible(state, caller).is_empty() {
        return Err(not_found(&question.symbol));
    }
    let mut failed = question.no_data();
    for target in &sources {
        match page(state, target, question).await {
            Ok(page) => return Ok(page),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn page(state: &ApiState, target: &Target, question: &Question) -> ApiResult<Page> {
    let clock_now = || match &target.session {
        Some(session) => Some(state.clocks.live(session)),
        None => state.clocks.offline(target.token.owner, &target.account),
    };
    let series = Series::new(target.token.owner, &target.account, &question.symbol, question.timeframe);
    let (session, within) = (target.session.as_ref(), state.http.read_timeout);
    let asked = clock_now().ok_or_else(|| question.no_data())?;
    let fetch = |clock| state.bars.fetch(series.clone(), session, question.wanted(clock), within);
    let mut found = fetch(asked).await.map_err(|error| question.told(&error))?;
    let clock = clock_now().unwrap_or(asked);
    if clock.rule() != asked.rule() && question.before.is_some() {
        // These very bars have shown whose summer time the server follows: then the time that was asked for means another.
        found = fetch(clock).await.map_err(|error| question.told(&error))?;
    }
    let Some(first) = without_holes(&found, question.before.is_some()) else { return Err(question.no_data()) };
    let is_older = |end: i64| found.bars.last().is_some_and(|newest| end < newest.time);
    let has_more = found.next.is_some() || found.loading || found.missing.iter().any(|span| is_older(span.to));
    Ok(Page { found, first, clock, has_more, token: target.token.id })
}

/// From which bar on nothing is missing; none when that is no bar, though there may be some.
///
/// Who pages back asks for what is older than the oldest bar of an answer, so no answer may have a hole: what is older than the newest
/// hole comes with a later page, when it can be had. Only after the newest bar of all something may be missing, as it is while a terminal
/// is away.
fn without_holes(found: &Found, has_newer: bool) -> Option<usize> {
    let Some(newest) = found.bars.last() else { return found.is_whole().then_some(0) };
    let holes = || found.missing.iter().map(|span| span.to);
    if has_newer && holes().any(|end| end > newest.time) {
        return None;
    }
    let hole = holes().filter(|end| *end < newest.time).max();
    Some(hole.map_or(0, |hole| found.bars.partition_point(|bar| bar.time <= hole)))
}

fn answer(question: &Question, page: &Page) -> Response {
    let times = page.times();
    let row = |(number, (bar, time)): (usize, (&Bar, &i64))| {
        json!({
            "bar_number": number,
            "time": time,
            "datetime_utc": Timestamp::from_second(*time).map_or(Value::Null, |at| json!(at.to_string())),
            "open": bar.open,
            "high": bar.high,
            "low": bar.low,
            "close": bar.close,
            "volume": bar.tick_volume,
        })
    };
    let bars: Vec<_> = page.bars().iter().zip(&times).enumerate().map(row).collect();
    Json(json!({
        "success": true,
        "symbol": question.symbol,
        "timeframe": question.timeframe.minutes(),
        "count": bars.len(),
        "bars": bars,
        "pagination": {"has_more": page.has_more, "oldest_time": times.first()},
    }))
    .into_response()
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SymbolsQuery {
    /// Only this terminal, as in the paths of /api/v1.
    account: Option<String>,
}

/// `GET /api/external/symbols?account`: what any of the connected terminals has.
#[utoipa::path(
    get,
    path = "/api/external/symbols",
    operation_id = "externalSymbols",
    tag = "External API",
    summary = "Symbols",
    description = "What any connected terminal of the key has.",
    params(SymbolsQuery),
    responses(
        (status = 200, description = "The symbols.", body = super::openapi::schemas::ExternalSymbols),
        (status = "4XX", description = "external"),
    )
)]
pub(super) async fn symbols(
    State(state): State<ApiState>,
    caller: Caller,
    Params(query): Params<SymbolsQuery>,
) -> ApiResult<Json<Value>> {
    let terminals = match query.account.as_ref().or(caller.key.scope.default_terminal.as_ref()) {
        Some(account) => vec![resolve::terminal(&state, &caller, account, Purpose::Read)?],
        None => resolve::visible(&state, &caller),
    };
    let live = terminals.iter().filter_map(|target| target.session.as_ref()).take(TERMINALS_MAX);
    let lists: Vec<_> = live.map(|session| Relay::of(&state, &caller, session)).collect();
    let lists = futures_util::future::join_all(lists.iter().map(names)).await;
    if lists.iter().all(Result::is_err) {
        let detail = "No symbols available. VPS/MT5 may be offline.";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_data", detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("30")));
    }
    let mut symbols: Vec<String> = lists.into_iter().flatten().flatten().collect();
    symbols.sort_unstable();
    symbols.dedup();
    symbols.retain(|symbol| caller.key.allows_symbol(symbol));
    let plan = state.access.plan_of(&caller.key);
    let per_hour = state.usage.plans().grant(plan).map(|grant| grant.requests_per_hour);
    Ok(Json(json!({
        "success": true,
        "symbols": symbols,
        "timeframes": LISTED,
        // Null: the plan is unlimited.
        "limits": {"max_bars_per_request": BARS_MAX, "rate_limit_per_hour": per_hour},
    })))
}

/// All symbols of a terminal.
async fn names(relay: &Relay) -> ApiResult<Vec<String>> {
    let (limit, most) = (SYMBOLS_PAGE, usize::try_from(SYMBOLS_PAGE).unwrap_or(usize::MAX));
    let mut names = Vec::new();
    for page in 0..SYMBOLS_PAGES {
        let ask = |call| GetSymbols { call, group: String::new(), offset: page * limit, limit }.into();
        let specs: Vec<SymbolSpec> = relay.rows(most, ask).await?;
        let full = specs.len() == most;
        names.extend(specs.into_iter().map(|spec| spec.name));
        if !full {
            break;
        }
    }
    Ok(names)
}
