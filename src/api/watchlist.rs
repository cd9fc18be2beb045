//! The terminal's Market Watch: MetaTrader has quotes only of symbols that are in it.

use axum::{extract::State, http::StatusCode};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::Path,
    relay::Relay,
};
use crate::protocol::message::SelectSymbol;

/// `PUT …/watchlist/{symbol}`
#[utoipa::path(
    put,
    path = "/api/v1/terminals/{terminal}/watchlist/{symbol}",
    operation_id = "showSymbol",
    tag = "Symbols and prices",
    summary = "Show a symbol in Market Watch",
    description = "MetaTrader has quotes only of symbols that are shown.",
    responses(
        (status = 204, description = "It is shown."),
        (status = "4XX", description = "relay terminal_error/409 symbol_not_found"),
    )
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, symbol)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    select(&state, &caller, &terminal, symbol, true).await
}

/// `DELETE …/watchlist/{symbol}`. MetaTrader keeps a symbol that an open chart, position or order needs: then 409 `terminal_error` says so.
#[utoipa::path(
    delete,
    path = "/api/v1/terminals/{terminal}/watchlist/{symbol}",
    operation_id = "hideSymbol",
    tag = "Symbols and prices",
    summary = "Hide a symbol from Market Watch",
    description = "MetaTrader keeps a symbol that a chart, position or order needs.",
    responses(
        (status = 204, description = "It is hidden."),
        (status = "4XX", description = "relay terminal_error/409 symbol_not_found"),
    )
)]
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
    // What MetaTrader says no to is no failure on the way, which proxies and libraries would ask again.
    relay.ask(|call| SelectSymbol { call, symbol, on }.into()).await.map_err(ApiError::refused_by_the_terminal)?;
    Ok(StatusCode::NO_CONTENT)
}
