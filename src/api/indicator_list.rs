//! `GET /api/external/indicators`: which there are, and in the same answer what they draw, as far as that is not too much.

use std::{cmp::Reverse, convert::Infallible, iter, sync::Arc};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
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
    domain::{
        ids::{KeyId, UserId},
        indicator::{Indicator, IndicatorSlot},
    },
    events::view,
    market::indicators::{Row, Which},
};

/// Points and lines together in one answer: ten indicators as large as they may be, a few MiB.
const MARKS_MAX: usize = 20_000;
/// Indicators in one answer whose points it has.
const DRAWN_MAX: usize = 100;
/// What an answer holds until it is sent, in records of 64 bytes of the memory for downloads: the text of a point or line, half a KiB, and of
/// one's metadata and names, 16 KiB.
const MARK_TAKES: usize = 8;
const DRAWN_TAKES: usize = 256;

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
        (status = "4XX", description = "too_many_downloads store"),
    )
)]
pub(super) async fn list_indicators(
    State(state): State<ApiState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> ApiResult<Response> {
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
        let indicators: Vec<_> = rows.iter().map(|row| head(&state, &caller, row)).collect();
        return Ok(Json(json!({"success": true, "count": indicators.len(), "indicators": indicators})).into_response());
    }
    let room = state.memory.take(takes(&rows), state.http.read_timeout).await?;
    Ok(sent(drawn(&state, &caller, &rows).await?, room))
}

/// The room that an answer with points takes at most, in records of the memory for downloads.
fn takes(rows: &[Arc<Row>]) -> u32 {
    let marks = rows.iter().map(|row| row.points + row.lines).sum::<usize>().min(MARKS_MAX);
    u32::try_from(marks * MARK_TAKES + rows.len().min(DRAWN_MAX) * DRAWN_TAKES).unwrap_or(u32::MAX)
}

/// The answer, piece by piece; the room is given back with it.
fn sent(Drawn { texts, without }: Drawn, room: OwnedSemaphorePermit) -> Response {
    let count = texts.len();
    let begin = format!(r#"{{"success":true,"count":{count},"without_points":{without},"indicators":["#).into_bytes();
    let rows = texts.into_iter().enumerate().flat_map(|(at, text)| [if at == 0 { Vec::new() } else { b",".to_vec() }, text]);
    let pieces = iter::once(begin).chain(rows).chain(iter::once(b"]}".to_vec())).filter(|piece| !piece.is_empty());
    let held = pieces.map(move |piece| {
        let _room = &room;
        Ok::<_, Infallible>(Bytes::from(piece))
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(stream::iter(held))).into_response()
}

/// Those that the caller sees, one row each.
pub(super) fn rows(state: &ApiState, caller: &Caller) -> Vec<Value> {
    let which = asked(caller, None, Which::of(caller.tenant()));
    let rows = which.map(|which| visible(state, caller, &which)).unwrap_or_default();
    rows.iter().map(|row| head(state, caller, row)).collect()
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

fn visible(state: &ApiState, caller: &Caller, which: &Which) -> Vec<Arc<Row>> {
    let mut rows = state.indicators.list(which);
    rows.retain(|row| caller.key.allows_symbol(&row.slot.symbol));
    rows
}

/// Who drew it.
pub(super) fn by(state: &ApiState, caller: &Caller, slot: &IndicatorSlot) -> Value {
    view::maker_json(&caller.hears(state.access.maker_of_line(slot.line, caller.tenant())))
}

/// An indicator as a read of it answers.
pub(super) fn indicator_json(state: &ApiState, caller: &Caller, indicator: &Indicator) -> Value {
    view::indicator_json(indicator, &caller.hears(state.access.maker_of_line(indicator.slot.line, indicator.owner)))
}

fn head(state: &ApiState, caller: &Caller, row: &Row) -> Value {
    json!({
        "indicator_id": row.slot.id,
        "indicator_name": row.name,
        "by": by(state, caller, &row.slot),
        "symbol": row.slot.symbol,
        "timeframe": row.slot.timeframe.minutes(),
        "points_count": row.points,
        "lines_count": row.lines,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
    })
}

/// Indicators as JSON, and how many of them came without their points.
struct Drawn {
    texts: Vec<Vec<u8>>,
    without: usize,
}

/// Each with what it draws, the newest first as far as there is room; in the order of the rows. Each becomes text at once: as values a
/// thousand empty objects of its metadata would take a megabyte.
async fn drawn(state: &ApiState, caller: &Caller, rows: &[Arc<Row>]) -> ApiResult<Drawn> {
    let mut newest: Vec<_> = (0..rows.len()).collect();
    newest.sort_by_key(|at| Reverse(rows[*at].created_at));
    let (mut marks, mut read, mut without, mut told) = (MARKS_MAX, 0, 0, vec![Vec::new(); rows.len()]);
    for at in newest {
        let row = &rows[at];
        if read == DRAWN_MAX || row.points + row.lines > marks {
            let mut row = head(state, caller, row);
            (row["points"], row["lines"]) = (Value::Null, Value::Null);
            told[at] = row.to_string().into_bytes();
            without += 1;
            continue;
        }
        // It may have been replaced since, or deleted: it is told as it is now.
        let Some(indicator) = state.indicators.get(&row.slot).await? else { continue };
        let (points, lines) = (indicator.drawing.points.len(), indicator.drawing.lines.len());
        marks = marks.saturating_sub(points + lines);
        read += 1;
        let mut row = indicator_json(state, caller, &indicator);
        (row["points_count"], row["lines_count"]) = (json!(points), json!(lines));
        told[at] = row.to_string().into_bytes();
    }
    told.retain(|text| !text.is_empty());
    Ok(Drawn { texts: told, without })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::market::memory::DownloadMemory;

    #[tokio::test]
    async fn an_answer_holds_its_room_until_it_has_been_sent() {
        let memory = DownloadMemory::default();
        let all = memory.take(1_600_000, Duration::ZERO).await.unwrap();
        let answer = sent(Drawn { texts: vec![b"1".to_vec(), b"2".to_vec()], without: 1 }, all);
        assert!(memory.take(1, Duration::ZERO).await.is_err());
        let text = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert_eq!(text, r#"{"success":true,"count":2,"without_points":1,"indicators":[1,2]}"#);
        assert!(memory.take(1_600_000, Duration::ZERO).await.is_ok());
    }
}
