//! Relayed reads of prices and symbols: symbols, quotes.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{Params, Path},
    json::{Names, list, named, with_utc},
    resolve::{self, Purpose},
};
use crate::{
    domain::{market::SymbolSpec, names},
    hub::SessionHandle,
    market::broker_time::BrokerClock,
    protocol::{
        codec,
        message::{GetQuotes, GetSymbol, GetSymbols, Quote, Reply, reply_status},
    },
};

const SYMBOL_NAMES: [Names; 4] = [
    ("trade_calc_mode", names::symbol_calc_mode),
    ("trade_mode", names::symbol_trade_mode),
    ("trade_exemode", names::symbol_trade_execution),
    ("swap_mode", names::symbol_swap_mode),
];
/// Symbols in one answer.
const SYMBOLS_MAX: u32 = 1_000;
/// Quotes in one answer.
const QUOTES_MAX: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SymbolsQuery {
    #[serde(default)]
    group: String,
    limit: Option<u32>,
    cursor: Option<u32>,
}

/// `GET …/symbols?group=&limit=&cursor=`
pub(super) async fn list_symbols(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(query): Params<SymbolsQuery>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    let session = target.live()?;
    let limit = query.limit.unwrap_or(500).clamp(1, SYMBOLS_MAX);
    let offset = query.cursor.unwrap_or(0);
    let ask = |call| GetSymbols { call, group: query.group, offset, limit }.into();
    let reply = checked(session.call(state.http.read_timeout, ask).await?)?;
    let specs: Vec<SymbolSpec> = codec::rows(&reply.body, usize::try_from(SYMBOLS_MAX).unwrap_or(usize::MAX))?;
    let clock = resolve::broker_clock(&state, session);
    let full = u32::try_from(specs.len()).is_ok_and(|count| count == limit);
    let next = full.then(|| offset.saturating_add(limit).to_string());
    Ok(Json(list(specs.iter().map(|spec| symbol(spec, clock)).collect(), next, state.clock.wall())))
}

/// `GET …/symbols/{symbol}`
pub(super) async fn get_symbol(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, name)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    let session = target.live()?;
    let spec = spec(&state, session, &name).await?;
    Ok(Json(symbol(&spec, resolve::broker_clock(&state, session))))
}

/// Asks the terminal for one symbol.
pub(super) async fn spec(state: &ApiState, session: &SessionHandle, name: &str) -> ApiResult<SymbolSpec> {
    let ask = |call| GetSymbol { call, symbol: name.to_owned() }.into();
    let reply = checked(session.call(state.http.read_timeout, ask).await?)?;
    Ok(codec::record(&reply.body)?)
}

fn symbol(spec: &SymbolSpec, clock: BrokerClock) -> Value {
    let mut object = named(spec, &SYMBOL_NAMES);
    with_utc(&mut object, "time", clock);
    Value::Object(object)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotesQuery {
    symbols: String,
}

/// `GET …/quotes?symbols=EURUSD,GBPUSD`
pub(super) async fn quotes(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(query): Params<QuotesQuery>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    let session = target.live()?;
    let symbols: Vec<String> = query.symbols.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect();
    if symbols.is_empty() || symbols.len() > QUOTES_MAX {
        return Err(ApiError::field("symbols", "must name 1 to 500 symbols, separated by commas"));
    }
    let ask = |call| GetQuotes { call, symbols }.into();
    let reply = checked(session.call(state.http.read_timeout, ask).await?)?;
    let quotes: Vec<Quote> = codec::rows(&reply.body, QUOTES_MAX)?;
    let clock = resolve::broker_clock(&state, session);
    let rows = quotes.iter().map(|quote| {
        let mut object = named(&quote.tick.0, &[]);
        with_utc(&mut object, "time", clock);
        object.insert("symbol".to_owned(), json!(quote.symbol));
        Value::Object(object)
    });
    Ok(Json(list(rows.collect(), None, state.clock.wall())))
}

/// A reply that carries what was asked for, or the error that it tells.
pub(super) fn checked(reply: Reply) -> ApiResult<Reply> {
    match reply.status {
        reply_status::OK => Ok(reply),
        reply_status::NOT_FOUND => Err(ApiError::unknown_symbol()),
        reply_status::LOADING => Err(ApiError::new(
            axum::http::StatusCode::GATEWAY_TIMEOUT,
            "terminal_loading",
            "the terminal is still loading this; ask again in a moment",
        )),
        _ => Err(ApiError::terminal_error(reply.code, &reply.text)),
    }
}
