//! `GET /api/external/indicators`: which there are, and in the same answer what they draw, as far as that is not too much.

use std::cmp::Reverse;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    ApiState,
    auth::Caller,
    error::ApiResult,
    external::{invalid, symbol_of, timeframe_of},
    extract::Params,
    json::rfc3339,
};
use crate::{
    domain::ids::{KeyId, UserId},
    events::view,
    market::indicators::{Row, Which},
};

/// Points and lines together in one answer: ten indicators as large as they may be, a few MiB.
const MARKS_MAX: usize = 20_000;
/// Indicators in one answer whose points it has.
const DRAWN_MAX: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only those for this symbol.
    #[param(max_length = 64, pattern = "^[!-~]+$", example = "EURUSD")]
    symbol: Option<String>,
    /// Only those for this timeframe, minutes.
    #[param(inline, value_type = Option<super::openapi::schemas::ExternalTimeframe>, example = 60)]
    timeframe: Option<String>,
    /// Only those that this one submitted: `by.id` of the list, or the id of a key of that line.
    by: Option<String>,
    /// `points`: each as a read of it answers, but for `bar_number`.
    #[param(inline, value_type = Option<super::openapi::schemas::IndicatorPart>)]
    with: Option<String>,
}

/// `GET /api/external/indicators?symbol&timeframe&by&with`
#[utoipa::path(
    get,
    path = "/api/external/indicators",
    operation_id = "listIndicators",
    tag = "External API",
    summary = "Indicators",
    description = "Of a key its own; of a user who is logged in those of all keys that are theirs. With `with=points` the newest come with \
                   what they draw: 100 of them at most, and 20,000 points and lines together; `without_points` counts the others.",
    params(Filter),
    responses(
        (status = 200, description = "The indicators.", body = super::openapi::schemas::Indicators),
        (status = "4XX", description = "store"),
    )
)]
pub(super) async fn list_indicators(
    State(state): State<ApiState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> ApiResult<Json<Value>> {
    let symbol = filter.symbol.as_deref().map(|text| symbol_of(Some(text))).transpose()?;
    symbol.as_ref().map_or(Ok(()), |symbol| caller.symbol(symbol))?;
    let timeframe = filter.timeframe.as_deref().map(|text| timeframe_of(Some(text))).transpose()?;
    let by = filter.by.as_deref().map(|text| by_line(&state, text)).transpose()?;
    let with_points = match filter.with.as_deref() {
        None => false,
        Some("points") => true,
        Some(_) => return Err(invalid("with must be points")),
    };
    let which = asked(&caller, by, Which { symbol, timeframe, ..Which::of(caller.tenant()) });
    let rows = which.map(|which| visible(&state, &caller, &which)).unwrap_or_default();
    if !with_points {
        let indicators: Vec<_> = rows.iter().map(|row| head(row)).collect();
        return Ok(Json(json!({"success": true, "count": indicators.len(), "indicators": indicators})));
    }
    let indicators = drawn(&state, &rows).await?;
    let without = indicators.iter().filter(|indicator| indicator["points"].is_null()).count();
    Ok(Json(json!({
        "success": true, "count": indicators.len(), "without_points": without, "indicators": indicators,
    })))
}

/// Those that the caller sees, one row each.
pub(super) fn rows(state: &ApiState, caller: &Caller) -> Vec<Value> {
    let which = asked(caller, None, Which::of(caller.tenant()));
    let rows = which.map(|which| visible(state, caller, &which)).unwrap_or_default();
    rows.iter().map(|row| head(row)).collect()
}

/// What is asked for, narrowed to what exists for the caller: for a key its own line's, for people their whole tenant's. None where that is
/// nothing.
pub(super) fn asked(caller: &Caller, by: Option<KeyId>, which: Which) -> Option<Which> {
    let owner = caller.tenant();
    if caller.person.is_some() {
        return Some(Which { owner, line: by, ..which });
    }
    let line = caller.key.line();
    by.is_none_or(|by| by == line).then_some(Which { owner, line: Some(line), ..which })
}

/// The line that is meant by the id of a key of it, or of a user.
///
/// # Errors
/// 422.
pub(super) fn by_line(state: &ApiState, text: &str) -> ApiResult<KeyId> {
    let text = text.trim();
    let key = text.parse::<KeyId>().ok().map(|key| state.access.line_of(key));
    let line = key.or_else(|| text.parse::<UserId>().ok().map(UserId::line));
    line.ok_or_else(|| invalid("by must be the id of a key or a user"))
}

fn visible(state: &ApiState, caller: &Caller, which: &Which) -> Vec<std::sync::Arc<Row>> {
    let mut rows = state.indicators.list(which);
    rows.retain(|row| caller.key.allows_symbol(&row.slot.symbol));
    rows
}

fn head(row: &Row) -> Value {
    json!({
        "indicator_id": row.slot.id,
        "indicator_name": row.name,
        "by": view::author_json(row.slot.line, &row.author),
        "symbol": row.slot.symbol,
        "timeframe": row.slot.timeframe.minutes(),
        "points_count": row.points,
        "lines_count": row.lines,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
    })
}

/// Each with what it draws, the newest first as far as there is room; in the order of the rows.
async fn drawn(state: &ApiState, rows: &[std::sync::Arc<Row>]) -> ApiResult<Vec<Value>> {
    let mut newest: Vec<_> = (0..rows.len()).collect();
    newest.sort_by_key(|at| Reverse(rows[*at].created_at));
    let (mut marks, mut read, mut told) = (MARKS_MAX, 0, vec![None; rows.len()]);
    for at in newest {
        let row = &rows[at];
        if read == DRAWN_MAX || row.points + row.lines > marks {
            let mut row = head(row);
            (row["points"], row["lines"]) = (Value::Null, Value::Null);
            told[at] = Some(row);
            continue;
        }
        // It may have been replaced since, or deleted: it is told as it is now.
        let Some(indicator) = state.indicators.get(&row.slot).await? else { continue };
        let (points, lines) = (indicator.drawing.points.len(), indicator.drawing.lines.len());
        marks = marks.saturating_sub(points + lines);
        read += 1;
        let mut row = view::indicator_json(&indicator);
        (row["points_count"], row["lines_count"]) = (json!(points), json!(lines));
        told[at] = Some(row);
    }
    Ok(told.into_iter().flatten().collect())
}
