//! `GET /metrics`: what the hub counts, for Prometheus.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::ApiState;
use crate::{
    domain::{command::CommandState, token::TokenState},
    store::Health,
    telemetry::metrics::CONTENT_TYPE,
};

/// Where scrapers look by default.
pub(super) const PATH: &str = "/metrics";

/// The text.
pub(super) async fn metrics(State(state): State<ApiState>) -> Response {
    look(&state);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], state.hub.metrics().text()).into_response()
}

/// Sets what is not counted on the way.
fn look(state: &ApiState) {
    let metrics = state.hub.metrics();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let (now, tokens) = (state.clock.wall(), state.access.tokens());
    let states: Vec<_> = tokens.iter().map(|token| token.state(now, state.hub.of_token(token.id).is_some())).collect();
    for kind in [TokenState::Pending, TokenState::Connected, TokenState::Offline, TokenState::Revoked, TokenState::Expired] {
        let count = states.iter().filter(|state| **state == kind).count();
        metrics.tokens.get_or_create(&[("state", kind.name())]).set(number(count));
    }
    let sessions = state.hub.sessions();
    metrics.sessions.set(number(sessions.len()));
    metrics.sessions_busy.set(number(sessions.iter().filter(|session| session.presence().busy).count()));
    let open = state.trading.open_by_state();
    for kind in [CommandState::Dispatched, CommandState::Accepted, CommandState::Unknown] {
        let count = open.get(&kind).copied().unwrap_or(0);
        metrics.commands_open.get_or_create(&[("state", kind.name())]).set(number(count));
    }
    metrics.kill_switches.set(number(state.trading.kill_switches().len()));
    let health = state.store.health();
    metrics.store_degraded.set(matches!(health, Health::Degraded { .. }).into());
    metrics.store_low_space.set((health == Health::LowSpace).into());
    metrics.stopping.set(state.stopping.is_cancelled().into());
    metrics.look_at_process();
}
