//! `/api/external/indicators/{id}`: what bots draw, kept for 24 hours, each key's own; people read those of all keys that are theirs.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    external::{Question, find, symbol_of, timeframe_of},
    extract::{JsonBody, Params, Path},
    indicator_body::{self, checked_id},
    indicator_list::{asked, by, by_line, indicator_json},
    json::rfc3339,
};
use crate::{
    domain::indicator::{Audience, Indicator, IndicatorSlot},
    market::indicators::{IndicatorError, Which},
};

/// Numbers of bars are waited for so long; an answer without them is better than none.
const BARS_WITHIN: std::time::Duration = std::time::Duration::from_secs(3);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Of {
    /// The symbol it was submitted for.
    #[param(value_type = String, max_length = 64, pattern = "^[!-~]+$", example = "EURUSD")]
    symbol: Option<String>,
    /// The timeframe it was submitted for, minutes.
    #[param(inline, value_type = super::openapi::schemas::ExternalTimeframe, example = 60)]
    timeframe: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct By {
    /// Who submitted it, where two may have given the same id: `by.id` of the list, or the id of a key of that line.
    #[param(example = "key_01M817THX03KQZ5V9E2R7N4BCD")]
    by: Option<String>,
}

/// `POST /api/external/indicators/{id}`
#[utoipa::path(
    post,
    path = "/api/external/indicators/{id}",
    operation_id = "submitIndicator",
    tag = "External API",
    summary = "Submit an indicator",
    description = "What is submitted again replaces it. After 24 hours it is gone.",
    request_body = super::openapi::schemas::SubmitIndicator,
    responses(
        (status = 200, description = "It is kept.", body = super::openapi::schemas::IndicatorReceipt),
        (status = "4XX", description = "body too_many_indicators store"),
    )
)]
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
        IndicatorError::TooMany | IndicatorError::TenantFull | IndicatorError::HubFull => {
            ApiError::new(StatusCode::CONFLICT, "too_many_indicators", error.to_string())
        }
        IndicatorError::Store(error) => error.into(),
    }
}

/// `GET /api/external/indicators/{id}?symbol&timeframe&by`
#[utoipa::path(
    get,
    path = "/api/external/indicators/{id}",
    operation_id = "getIndicator",
    tag = "External API",
    summary = "One indicator",
    description = "A key reads its own; a user who is logged in reads those of all keys that are theirs.",
    params(Of, By),
    responses(
        (status = 200, description = "The indicator.", body = super::openapi::schemas::Indicator),
        (status = "4XX", description = "not_found ambiguous_indicator store"),
    )
)]
pub(super) async fn get_indicator(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Params(of): Params<Of>,
    Params(named): Params<By>,
) -> ApiResult<Json<Value>> {
    let IndicatorSlot { id, symbol, timeframe, .. } = slot(&caller, &id, &of)?;
    let line = named.by.as_deref().map(|text| by_line(&state, text)).transpose()?;
    let which = asked(
        &caller,
        line,
        Which { id: Some(id), symbol: Some(symbol), timeframe: Some(timeframe), ..Which::of(caller.tenant()) },
    );
    let found = which.map(|which| state.indicators.list(&which)).unwrap_or_default();
    let row = match found.as_slice() {
        [] => return Err(not_found()),
        [one] => one,
        several => {
            let candidates: Vec<_> = several.iter().map(|row| by(&state, &caller, &row.slot)).collect();
            let detail =
                "more than one bot has an indicator of this id, symbol and timeframe; name one of the candidates in `by`";
            return Err(ApiError::new(StatusCode::CONFLICT, "ambiguous_indicator", detail).with("candidates", candidates));
        }
    };
    let indicator = state.indicators.get(&row.slot).await?.ok_or_else(not_found)?;
    let times = times(&state, &caller, &indicator).await;
    let mut told = indicator_json(&state, &caller, &indicator);
    told["success"] = json!(true);
    for point in told["points"].as_array_mut().into_iter().flatten() {
        let at = point["time"].as_i64().and_then(|time| times.binary_search(&time).ok());
        point["bar_number"] = json!(at);
    }
    Ok(Json(told))
}

/// `DELETE /api/external/indicators/{id}?symbol&timeframe&by`
#[utoipa::path(
    delete,
    path = "/api/external/indicators/{id}",
    operation_id = "deleteIndicator",
    tag = "External API",
    summary = "Delete an indicator",
    description = "Each deletes what they submitted themselves, people too.",
    params(Of, By),
    responses(
        (status = 200, description = "It is gone.", body = super::openapi::schemas::IndicatorGone),
        (status = "4XX", description = "not_found store"),
    )
)]
pub(super) async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Params(of): Params<Of>,
    Params(By { by }): Params<By>,
) -> ApiResult<Json<Value>> {
    let slot = slot(&caller, &id, &of)?;
    let by = by.as_deref().map(|text| by_line(&state, text)).transpose()?;
    // Who names another's must not lose their own of the same id.
    let own = by.is_none_or(|by| by == slot.line);
    if !own || !state.indicators.delete(&slot).await? {
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
