//! The way to a terminal: how long each part of it took, and who came, went and was refused.

use std::time::Duration;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{Params, Path},
    json::rfc3339,
    resolve::{self, Purpose},
    tokens,
};
use crate::{
    domain::{UnixMillis, ids::TokenId},
    hub::{DAY, Hop, Link, LinkEvent, Summary},
};

/// The stretch of a call that names none, and the longest; seconds.
const WINDOW_S: u32 = 3_600;
const WINDOW_MAX_S: u32 = DAY * 60;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LatencyQuery {
    /// The last so many seconds, 3,600 if left out. It reaches back to the beginning of a minute; above ten minutes, of five of them; above
    /// an hour and a half, of an hour.
    #[param(minimum = 60, maximum = 86400, example = 3600)]
    window_s: Option<u32>,
}

/// `GET /api/v1/terminals/{terminal}/latency?window_s=`
#[utoipa::path(
    get,
    path = "/api/v1/terminals/{terminal}/latency",
    operation_id = "getLatency",
    tag = "Terminals",
    summary = "How long each hop took",
    description = "Counted in memory since the hub's start, for a day at most; also while the terminal is away.",
    params(LatencyQuery),
    responses(
        (status = 200, description = "Each hop, outermost first.", body = super::openapi::schemas::Latency),
        (status = "4XX", description = "terminal"),
    )
)]
pub(super) async fn latency(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(query): Params<LatencyQuery>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    let window_s = query.window_s.unwrap_or(WINDOW_S);
    if !(60..=WINDOW_MAX_S).contains(&window_s) {
        return Err(ApiError::field("window_s", format!("must be 60 to {WINDOW_MAX_S} (a day)")));
    }
    let (now, steady) = (state.clock.wall(), state.clock.steady());
    let minutes = window_s.div_ceil(60);
    let hops = match state.hub.link(target.token.id) {
        Some(link) => link.latency(minutes),
        None => Hop::ALL.map(|hop| (hop, Summary::default())).to_vec(),
    };
    let (begin, since) = (Summary::begin(steady, minutes), state.hub.links_since());
    // Ages are of the steady clock: the time of day may have been set since.
    let dated = |moment: UnixMillis| rfc3339(now.plus_ms(-steady.since(moment)));
    let hops: Vec<_> = hops.iter().map(|(hop, summary)| hop_json(*hop, summary)).collect();
    Ok(Json(json!({
        "terminal": target.token.id,
        "as_of": rfc3339(now),
        "window_s": window_s,
        "from": dated(begin.max(since)),
        "since": dated(since),
        "hops": hops,
    })))
}

fn hop_json(hop: Hop, summary: &Summary) -> Value {
    let of = |percent| summary.percentile(percent).map(ms);
    let histogram: Vec<_> = summary.rows.iter().map(|(edge, count)| json!({"le_ms": ms(*edge), "count": count})).collect();
    json!({
        "hop": hop.name(), "count": summary.count, "p50_ms": of(50), "p95_ms": of(95), "p99_ms": of(99),
        "max_ms": summary.max.map(ms), "histogram": histogram,
    })
}

/// Milliseconds, to the microsecond.
fn ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

/// `GET /api/v1/tokens/{id}/link`
#[utoipa::path(
    get,
    path = "/api/v1/tokens/{id}/link",
    operation_id = "getTokenLink",
    tag = "Tokens",
    summary = "Who came with a token, went, and was refused",
    description = "Kept in memory since the hub's start: the last 30 times a terminal came or went, and the last 20 refusals.",
    responses(
        (status = 200, description = "The events, newest first.", body = super::openapi::schemas::Link),
        (status = "4XX", description = "not_found"),
    )
)]
pub(super) async fn token_link(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let token = tokens::owned(&state, &caller, &id)?;
    let past = state.hub.link(token.id).map(|link| link.past());
    let events: Vec<_> = past.iter().flat_map(|past| &past.events).map(event_json).collect();
    let now = state.clock.wall();
    let since = now.plus_ms(-state.clock.steady().since(state.hub.links_since()));
    Ok(Json(json!({
        "token": token.id,
        "as_of": rfc3339(now),
        "since": rfc3339(since),
        "reconnects_24h": past.as_ref().map_or(0, |past| past.reconnects_24h),
        "last_refusal": last_refusal(&state, token.id),
        "events": events,
    })))
}

fn event_json(event: &LinkEvent) -> Value {
    let said = event.said.as_ref();
    json!({
        "kind": event.kind.name(),
        "at": rfc3339(event.at),
        "first_at": rfc3339(event.first_at),
        "count": event.count,
        "code": event.code,
        "close_code": event.close_code,
        "message": event.words(),
        "from": event.from,
        "account": event.account(),
        "platform": said.and_then(|said| said.platform),
        "build": said.map(|said| said.build),
        "ea_version": said.map(|said| &said.ea_version),
        "lasted_s": event.lasted.map(|lasted| lasted.as_secs()),
    })
}

/// The newest refusal of a token since the hub's start, or null.
pub(super) fn last_refusal(state: &ApiState, token: TokenId) -> Value {
    let refusal = state.hub.link(token).as_deref().and_then(Link::last_refusal);
    refusal.map_or(Value::Null, |event| {
        json!({
            "at": rfc3339(event.at),
            "count": event.count,
            "code": event.code,
            "message": event.words(),
            "account": event.account(),
            "from": event.from,
        })
    })
}
