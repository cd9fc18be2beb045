//! Terminals: who is there, and how they are, layer by layer.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::ApiResult,
    extract::Path,
    json::{list, rfc3339, rfc3339_or_null},
    resolve::{self, Purpose},
};
use crate::{
    domain::{
        UnixMillis,
        account::{MARGIN_MODE_HEDGING, Platform},
        names,
        token::{Token, TokenState},
    },
    hub::SessionHandle,
};

/// `GET /api/v1/terminals`
pub(super) async fn list_terminals(State(state): State<ApiState>, caller: Caller) -> ApiResult<Json<Value>> {
    let now = state.clock.wall();
    let tokens = state.access.tokens();
    let locked = tokens.iter().filter(|token| caller.sees(token) && token.lock.is_some() && token.revoked_at.is_none());
    let rows = locked.map(|token| describe(&state, token, now)).collect();
    Ok(Json(list(rows, None, now)))
}

/// `GET /api/v1/terminals/{terminal}`
pub(super) async fn get_terminal(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    Ok(Json(describe(&state, &target.token, state.clock.wall())))
}

pub(super) fn describe(state: &ApiState, token: &Token, now: UnixMillis) -> Value {
    let session = state.hub.of_token(token.id);
    let mut body = json!({
        "id": token.id,
        "name": token.name,
        "account": token.lock.as_ref().map(|lock| &lock.account),
        "state": token.state(now, session.is_some()),
        "last_disconnect": token.last_disconnect,
        "last_seen_at": rfc3339_or_null(last_seen(token, session.as_ref(), now)),
    });
    if let (Some(session), Some(body)) = (session, body.as_object_mut()) {
        let hello = session.hello();
        let clock = resolve::broker_clock(state, &session);
        body.insert("platform".into(), json!(session.platform()));
        body.insert("build".into(), json!(hello.build));
        body.insert("ea_version".into(), json!(hello.ea_version));
        body.insert("company".into(), json!(hello.company));
        body.insert("currency".into(), json!(hello.currency));
        body.insert("leverage".into(), json!(hello.leverage));
        body.insert("trade_mode".into(), json!(hello.trade_mode));
        body.insert("trade_mode_name".into(), json!(names::account_trade_mode(hello.trade_mode)));
        body.insert("margin_mode".into(), json!(hello.margin_mode));
        body.insert("margin_mode_name".into(), json!(names::account_margin_mode(hello.margin_mode)));
        body.insert("capabilities".into(), capabilities(&session));
        body.insert("symbols".into(), json!(hello.symbols));
        body.insert(
            "session".into(),
            json!({
                "id": session.id(),
                "epoch": session.epoch(),
                "instance": session.instance(),
                "remote": session.remote(),
                "connected_at": rfc3339(session.connected_at()),
            }),
        );
        body.insert("utc_offset_s".into(), json!(clock.offset_at(clock.to_utc(session.broker_time()))));
        body.insert("utc_source".into(), json!(clock.source().name()));
        body.insert("presence".into(), presence(&session));
    }
    body
}

/// What can be asked of the terminal: a MetaTrader 4 has no depth, no ticks, no stop limit orders; a netting account has nothing to close
/// a position by.
fn capabilities(session: &SessionHandle) -> Value {
    let mt5 = session.platform() == Platform::Mt5;
    let hedging = session.hello().margin_mode == MARGIN_MODE_HEDGING;
    json!({"depth": mt5, "ticks": mt5, "stop_limit": mt5, "orders_check": mt5, "close_by": hedging, "netting": !hedging})
}

/// The layers between a bot and its broker, outermost first, each with the age of what is known of it in milliseconds.
fn presence(session: &SessionHandle) -> Value {
    let presence = session.presence();
    let status = presence.status.as_ref();
    let age = status.map(|(_, age)| millis(*age));
    let tell = |value: Value| json!({"value": value, "age_ms": age});
    let status = status.map(|(status, _)| status);
    json!({
        "socket": {"value": if presence.busy { "busy" } else { "connected" }, "age_ms": millis(presence.heard_ago), "rtt_ms": rtt_ms(session)},
        "ea_loop_ms": tell(json!(status.map(|s| s.loop_age_ms))),
        "broker_link": tell(json!(status.map(|s| s.broker_link))),
        "broker_ping_ms": tell(json!(status.map(|s| f64::from(s.broker_ping_us) / 1_000.0))),
        "trade_allowed": tell(json!(status.map(|s| s.terminal_trade_allowed && s.ea_trade_allowed && s.account_trade_allowed))),
        "terminal_trade_allowed": tell(json!(status.map(|s| s.terminal_trade_allowed))),
        "ea_trade_allowed": tell(json!(status.map(|s| s.ea_trade_allowed))),
        "account_trade_allowed": tell(json!(status.map(|s| s.account_trade_allowed))),
        "latch": tell(json!(status.map(|s| s.latch))),
        "latch_reason": tell(json!(status.map(|s| &s.latch_reason))),
        "market": tell(json!(status.map(|s| match s.market { 0 => "closed", 1 => "open", _ => "unknown" }))),
    })
}

/// Round trip of the last ping, milliseconds.
pub(super) fn rtt_ms(session: &SessionHandle) -> Option<f64> {
    session.presence().rtt.map(|rtt| (rtt.as_secs_f64() * 1e6).round() / 1e3)
}

/// When something was last heard: now minus its age for a live terminal.
pub(super) fn last_seen(token: &Token, session: Option<&SessionHandle>, now: UnixMillis) -> Option<UnixMillis> {
    session.map_or(token.last_seen_at, |session| Some(now.plus_ms(-millis(session.presence().heard_ago))))
}

/// The state that people see.
pub(super) fn state_of(state: &ApiState, token: &Token, now: UnixMillis) -> TokenState {
    token.state(now, state.hub.of_token(token.id).is_some())
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
