//! What anybody may ask: what this is, and whether it works.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::json;

use super::{ApiState, auth};
use crate::{
    domain::{api_key::Permission, ids::OwnerId},
    store::Health,
};

/// `GET /`: browsers are sent to the dashboard, everybody else is told what there is.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "index",
    tag = "Operation",
    summary = "What this is",
    description = "A few lines of plain text; a browser is sent to the dashboard.",
    responses(
        (status = 303, description = "To the dashboard: `Accept` names `text/html`."),
        (status = 200, description = "Plain text.", body = String, content_type = "text/plain"),
    )
)]
pub(super) async fn index(headers: HeaderMap) -> Response {
    let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("text/html"));
    if headers.get_all(header::ACCEPT).iter().any(accepts) {
        return Redirect::to("/connections").into_response();
    }
    let text = format!(
        "mtbridge {}\n\n\
         Terminals connect to  /ws/terminal  with a connection token.\n\
         Bots and people call  /api/v1/…     with an API key: Authorization: Bearer sk_live_…\n\n\
         GET  /api/v1/terminals                         who is connected, and how\n\
         GET  /api/v1/terminals/{{terminal}}/bars/EURUSD  bars as JSON, CSV or packed records\n\
         POST /api/v1/terminals/{{terminal}}/orders       a trade, once, whatever happens\n\
         POST /api/v1/tokens                            a new connection token\n\
         GET  /healthz  /readyz  /metrics               whether it works, and how\n",
        env!("CARGO_PKG_VERSION")
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// `GET /healthz`: the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "health",
    tag = "Operation",
    summary = "Whether the process answers",
    description = "",
    responses(
        (status = 200, description = "It does.", body = super::openapi::schemas::Health),
    )
)]
pub(super) async fn healthz() -> Response {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})).into_response()
}

/// `GET /readyz`: it can record, so it can trade. Else 503 and a word why; the log knows more, and may name paths. How many terminals are
/// connected, only who runs the hub is told.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readiness",
    tag = "Operation",
    summary = "Whether the hub can record, and so trade",
    description = "",
    responses(
        (status = 200, description = "It can.", body = super::openapi::schemas::Readiness),
        (status = 503, description = "It cannot; `status` says why.", body = super::openapi::schemas::Readiness),
    )
)]
pub(super) async fn readyz(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    let operates = || {
        let key = auth::bearer(&headers).ok().and_then(|secret| state.access.present_key(secret).ok());
        key.is_some_and(|key| key.owner == OwnerId::SELF && key.may(Permission::Admin))
    };
    let no = |status: &str| (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": status}))).into_response();
    match state.store.health() {
        Health::Degraded { .. } => no("degraded"),
        _ if state.stopping.is_cancelled() => no("stopping"),
        Health::LowSpace => no("low_space"),
        Health::Ok if operates() => Json(json!({"status": "ready", "terminals": state.hub.len()})).into_response(),
        Health::Ok => Json(json!({"status": "ready"})).into_response(),
    }
}
