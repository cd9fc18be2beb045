//! The terminal's Market Watch: MetaTrader has quotes only of symbols that are in it.

use axum::{extract::State, http::StatusCode};

use super::{ApiState, auth::Caller, error::ApiResult, extract::Path, relay::Relay};
use crate::protocol::message::SelectSymbol;

/// `PUT …/watchlist/{symbol}`
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, symbol)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    select(&state, &caller, &terminal, symbol, true).await
}

/// `DELETE …/watchlist/{symbol}`. MetaTrader keeps a symbol that an open chart, position or order needs: then 502 `terminal_error` says so.
pub(super) async fn hide(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, symbol)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    select(&state, &caller, &terminal, symbol, false).await
}

async fn select(state: &ApiState, caller: &Caller, terminal: &str, symbol: String, on: bool) -> ApiResult<StatusCode> {
    let relay = Relay::open(state, caller, terminal)?;
    caller.symbol(&symbol)?;
    relay.ask(|call| SelectSymbol { call, symbol, on }.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}
