//! `/api/external/indicators`: what bots draw, kept for 24 hours, each key's own.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    external::{Question, find, symbol_of, timeframe_of},
    extract::{JsonBody, Params, Path},
    indicator_body::{self, checked_id},
    json::rfc3339,
};
use crate::{
    domain::indicator::{Audience, Indicator, IndicatorSlot},
    market::indicators::IndicatorError,
};

/// Numbers of bars are waited for so long; an answer without them is better than none.
const BARS_WITHIN: std::time::Duration = std::time::Duration::from_secs(3);

#[derive(Debug, Deserialize)]
pub(super) struct Of {
    symbol: Option<String>,
    timeframe: Option<String>,
}

/// `POST /api/external/indicators/{id}`
pub(super) async fn submit(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody<{ indicator_body::BYTES }>,
) -> ApiResult<Json<Value>> {
    let id = checked_id(&id)?.to_owned();
    let (symbol, timeframe, drawing) = indicator_body::read(&body.value)?;
    caller.symbol(&symbol)?;
    let (points, lines) = (drawing.points.len(), drawing.lines.len());
    let slot = IndicatorSlot { line: caller.key.line(), id, symbol, timeframe };
    let row = state.indicators.submit(slot, shown_on(&caller), drawing).await.map_err(refused)?;
    Ok(Json(json!({
        "success": true,
        "indicator_id": row.slot.id,
        "points_received": points,
        "lines_received": lines,
        "symbol": row.slot.symbol,
        "timeframe": row.slot.timeframe.minutes(),
        "expires_at": rfc3339(row.expires_at),
        "message": "Indicator data stored successfully",
    })))
}

/// The terminals that show what a caller draws.
fn shown_on(caller: &Caller) -> Audience {
    let key = &caller.key;
    Audience { owner: key.owner, reach: key.reach, accounts: key.scope.accounts.clone() }
}

fn refused(error: IndicatorError) -> ApiError {
    match error {
        IndicatorError::TooMany | IndicatorError::HubFull => {
            ApiError::new(StatusCode::CONFLICT, "too_many_indicators", error.to_string())
        }
        IndicatorError::Store(error) => error.into(),
    }
}

/// `GET /api/external/indicators`
pub(super) async fn list_indicators(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    let indicators = rows(&state, &caller);
    Json(json!({"success": true, "count": indicators.len(), "indicators": indicators}))
}

/// The caller's own, one row each.
pub(super) fn rows(state: &ApiState, caller: &Caller) -> Vec<Value> {
    let mut rows = state.indicators.list(caller.key.line());
    rows.retain(|row| caller.key.allows_symbol(&row.slot.symbol));
    let row = |row: &crate::market::indicators::Row| {
        json!({
            "indicator_id": row.slot.id,
            "indicator_name": row.name,
            "symbol": row.slot.symbol,
            "timeframe": row.slot.timeframe.minutes(),
            "points_count": row.points,
            "created_at": rfc3339(row.created_at),
            "expires_at": rfc3339(row.expires_at),
        })
    };
    rows.iter().map(|one| row(one)).collect()
}

/// `GET /api/external/indicators/{id}?symbol&timeframe`
pub(super) async fn get_indicator(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Params(of): Params<Of>,
) -> ApiResult<Json<Value>> {
    let slot = slot(&caller, &id, &of)?;
    let indicator = state.indicators.get(&slot).await?.ok_or_else(not_found)?;
    let times = times(&state, &caller, &indicator).await;
    let Indicator { slot, drawing, created_at, expires_at, .. } = indicator;
    let point = |point| {
        let mut row = json!(point);
        let at = row["time"].as_i64().and_then(|time| times.binary_search(&time).ok());
        row["bar_number"] = json!(at);
        row
    };
    Ok(Json(json!({
        "success": true,
        "indicator_id": slot.id,
        "indicator_name": drawing.name,
        "symbol": slot.symbol,
        "timeframe": slot.timeframe.minutes(),
        "version": drawing.version,
        "points": drawing.points.iter().map(point).collect::<Vec<_>>(),
        "lines": drawing.lines,
        "metadata": serde_json::from_str::<Value>(&drawing.metadata).unwrap_or_else(|_| json!({})),
        "created_at": rfc3339(created_at),
        "expires_at": rfc3339(expires_at),
    })))
}

/// `DELETE /api/external/indicators/{id}?symbol&timeframe`
pub(super) async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Params(of): Params<Of>,
) -> ApiResult<Json<Value>> {
    if !state.indicators.delete(&slot(&caller, &id, &of)?).await? {
        return Err(not_found());
    }
    Ok(Json(json!({"success": true, "message": "Indicator data deleted"})))
}

fn slot(caller: &Caller, id: &str, of: &Of) -> ApiResult<IndicatorSlot> {
    let (symbol, timeframe) = (symbol_of(of.symbol.as_deref())?, timeframe_of(of.timeframe.as_deref())?);
    caller.symbol(&symbol)?;
    Ok(IndicatorSlot { line: caller.key.line(), id: checked_id(id)?.to_owned(), symbol, timeframe })
}

fn not_found() -> ApiError {
    ApiError::not_found("Indicator not found")
}

/// Opening times of the newest bars that one answer of `/bars` may have, by which a point's bar is numbered; none when they cannot be had.
async fn times(state: &ApiState, caller: &Caller, indicator: &Indicator) -> Vec<i64> {
    if indicator.drawing.points.is_empty() {
        return Vec::new();
    }
    let question = Question::newest(caller, &indicator.slot.symbol, indicator.slot.timeframe);
    match tokio::time::timeout(BARS_WITHIN, find(state, caller, &question)).await {
        Ok(Ok(page)) => page.times(),
        _ => Vec::new(),
    }
}
