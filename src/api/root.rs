//! What anybody may ask: what this is, and whether it works.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::ApiState;
use crate::store::Health;

/// `GET /`
pub(super) async fn index() -> Response {
    let text = format!(
        "mtbridge {}\n\n\
         Terminals connect to  /ws/terminal  with a connection token.\n\
         Bots and people call  /api/v1/…     with an API key: Authorization: Bearer sk_live_…\n\n\
         GET  /api/v1/terminals                         who is connected, and how\n\
         GET  /api/v1/terminals/{{terminal}}/bars/EURUSD  bars as JSON, CSV or packed records\n\
         POST /api/v1/terminals/{{terminal}}/orders       a trade, once, whatever happens\n\
         POST /api/v1/tokens                            a new connection token\n\
         GET  /healthz  /readyz                         whether it works\n",
        env!("CARGO_PKG_VERSION")
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> Response {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})).into_response()
}

/// `GET /readyz`: it can record, so it can trade.
pub(super) async fn readyz(State(state): State<ApiState>) -> Response {
    match state.store.health() {
        Health::Ok => Json(json!({"status": "ready", "terminals": state.hub.len()})).into_response(),
        // The reason may name paths: the log has it.
        Health::Degraded { .. } => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "degraded"}))).into_response(),
    }
}
