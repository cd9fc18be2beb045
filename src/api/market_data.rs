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
    relay::Relay,
};
use crate::{
    domain::{market::SymbolSpec, names},
    market::broker_time::BrokerClock,
    protocol::message::{GetQuotes, GetSymbol, GetSymbols, Quote},
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
    let relay = Relay::open(&state, &caller, &terminal)?;
    let limit = query.limit.unwrap_or(500).clamp(1, SYMBOLS_MAX);
    let offset = query.cursor.unwrap_or(0);
    let ask = |call| GetSymbols { call, group: query.group, offset, limit }.into();
    let specs: Vec<SymbolSpec> = relay.rows(usize::try_from(SYMBOLS_MAX).unwrap_or(usize::MAX), ask).await?;
    let full = u32::try_from(specs.len()).is_ok_and(|count| count == limit);
    let next = full.then(|| offset.saturating_add(limit).to_string());
    let specs = specs.iter().filter(|spec| relay.allows(&spec.name));
    Ok(Json(list(specs.map(|spec| symbol(spec, relay.clock)).collect(), next, relay.now)))
}

/// `GET …/symbols/{symbol}`
pub(super) async fn get_symbol(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, name)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let relay = Relay::open(&state, &caller, &terminal)?;
    caller.symbol(&name)?;
    Ok(Json(symbol(&spec(&relay, &name).await?, relay.clock)))
}

/// Asks the terminal for one symbol.
pub(super) async fn spec(relay: &Relay, name: &str) -> ApiResult<SymbolSpec> {
    relay.record(|call| GetSymbol { call, symbol: name.to_owned() }.into()).await
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
    let relay = Relay::open(&state, &caller, &terminal)?;
    let symbols: Vec<String> = query.symbols.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect();
    if symbols.is_empty() || symbols.len() > QUOTES_MAX {
        return Err(ApiError::field("symbols", "must name 1 to 500 symbols, separated by commas"));
    }
    symbols.iter().try_for_each(|symbol| caller.symbol(symbol))?;
    let quotes: Vec<Quote> = relay.rows(QUOTES_MAX, |call| GetQuotes { call, symbols }.into()).await?;
    Ok(Json(relay.list(quotes.iter().map(|quote| {
        let mut object = named(&quote.tick.0, &[]);
        with_utc(&mut object, "time", relay.clock);
        object.insert("symbol".to_owned(), json!(quote.symbol));
        Value::Object(object)
    }))))
}
