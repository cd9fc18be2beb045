//! `POST /api/v1/tickets`: a pass for one stream, for a page that cannot send headers.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::{ApiState, auth::Caller, error::ApiResult, json::rfc3339, stream::TICKET_LIFE};

/// `POST /api/v1/tickets` → 201; good for one stream, for 30 seconds, with the rights of who made it.
pub(super) async fn create(State(state): State<ApiState>, caller: Caller) -> ApiResult<(StatusCode, Json<Value>)> {
    let ticket = state.streams.ticket(caller.shown())?;
    let life = TICKET_LIFE.as_secs();
    let expires_at = caller.arrived.wall.plus_ms(i64::try_from(TICKET_LIFE.as_millis()).unwrap_or(i64::MAX));
    Ok((StatusCode::CREATED, Json(json!({"ticket": ticket, "expires_in_s": life, "expires_at": rfc3339(expires_at)}))))
}
