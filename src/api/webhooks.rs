//! Webhooks: made, listed, changed, rotated, tried, deleted; what was not taken, and sending it again.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Params, Path, nullable},
    json::{list, rfc3339, rfc3339_or_null},
    resolve::{self, Purpose},
    tokens::{RotateBody, checked_name},
};
use crate::{
    domain::{
        ids::{TokenId, WebhookId},
        webhook::{Delivery, Webhook},
    },
    events::Missed,
    hooks::out::{NewWebhook, ReplayError, Standing, message_id},
};

/// Kinds that one webhook may name.
const EVENTS_MAX: usize = 100;
/// What the kinds of events begin with.
const FAMILIES: [&str; 10] =
    ["command", "deal", "order", "position", "indicator", "incident", "kill_switch", "token", "key", "webhook"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    url: String,
    events: Vec<String>,
    #[serde(default)]
    name: String,
    terminal: Option<String>,
}

/// Each member: left out it stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChangeBody {
    url: Option<String>,
    events: Option<Vec<String>>,
    name: Option<String>,
    #[serde(deserialize_with = "nullable")]
    terminal: Option<Option<String>>,
    enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayBody {
    seq: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
    #[serde(default)]
    dead: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Which {
    Waiting,
    Dead,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveriesQuery {
    state: Option<Which>,
}

/// `POST /api/v1/webhooks {url, events, name?, terminal?}` → 201; the only answer that shows the secret.
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let body: CreateBody = body.read()?;
    let new = NewWebhook {
        owner: caller.key.owner,
        name: checked_name(&body.name)?.to_owned(),
        url: checked_url(&state, body.url)?,
        events: checked_events(body.events)?,
        terminal: body.terminal.as_deref().map(|text| terminal(&state, &caller, text)).transpose()?,
    };
    let made = state.webhooks.create(new, &caller.actor()).await?;
    let (standing, secret) = made.ok_or_else(|| {
        let detail = format!("this hub has {} webhooks, which is all it takes", crate::hooks::out::WEBHOOKS_MAX);
        ApiError::new(StatusCode::CONFLICT, "too_many_webhooks", detail)
    })?;
    Ok((StatusCode::CREATED, Json(minted(&standing, secret))))
}

/// `GET /api/v1/webhooks`
pub(super) async fn list_webhooks(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    let all = state.webhooks.of(caller.key.owner).await;
    Json(list(all.iter().map(row).collect(), None, state.clock.wall()))
}

/// `GET /api/v1/webhooks/{id}`
pub(super) async fn get_webhook(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    Ok(Json(row(&owned(&state, &caller, &id).await?)))
}

/// `PATCH /api/v1/webhooks/{id} {url?, events?, name?, terminal?, enabled?}`
pub(super) async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let id = owned(&state, &caller, &id).await?.webhook.id;
    let body: ChangeBody = body.read()?;
    let name = body.name.as_deref().map(checked_name).transpose()?.map(str::to_owned);
    let url = body.url.map(|url| checked_url(&state, url)).transpose()?;
    let events = body.events.map(checked_events).transpose()?;
    let terminal = body.terminal.map(|new| new.map(|text| terminal(&state, &caller, &text)).transpose()).transpose()?;
    let (now, by) = (state.clock.wall(), caller.actor());
    let change = |webhook: Webhook| Webhook {
        name: name.unwrap_or(webhook.name),
        url: url.unwrap_or(webhook.url),
        events: events.unwrap_or(webhook.events),
        terminal: terminal.unwrap_or(webhook.terminal),
        disabled: match body.enabled {
            None => webhook.disabled,
            Some(true) => None,
            Some(false) => Some(crate::domain::webhook::Disabled { at: now, reason: format!("by {by}") }),
        },
        ..webhook
    };
    Ok(Json(row(&state.webhooks.change(id, change, &caller.actor()).await?)))
}

/// `POST /api/v1/webhooks/{id}/rotate {overlap_s?}` → 201 with the new secret; meanwhile both sign.
pub(super) async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let id = owned(&state, &caller, &id).await?.webhook.id;
    let overlap = body.read::<RotateBody>()?.overlap()?;
    let (standing, secret) = state.webhooks.rotate(id, overlap, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&standing, secret))))
}

/// `DELETE /api/v1/webhooks/{id}` → 204
pub(super) async fn remove(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<StatusCode> {
    let id = owned(&state, &caller, &id).await?.webhook.id;
    state.webhooks.delete(id, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/webhooks/{id}/test`: sends `webhook.test` once and says what came of it.
pub(super) async fn test(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id = owned(&state, &caller, &id).await?.webhook.id;
    Ok(Json(match state.webhooks.test(id).await? {
        Ok(status) => json!({"delivered": true, "response_status": status, "detail": Value::Null}),
        Err(failure) => json!({"delivered": false, "response_status": failure.status, "detail": failure.words}),
    }))
}

/// `GET /api/v1/webhooks/{id}/deliveries?state=waiting|dead`: what was not taken yet.
pub(super) async fn deliveries(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Params(query): Params<DeliveriesQuery>,
) -> ApiResult<Json<Value>> {
    let id = owned(&state, &caller, &id).await?.webhook.id;
    let parked = state.webhooks.deliveries(id).await?;
    let shown = parked.iter().filter(|delivery| query.state.is_none_or(|which| delivery.dead == (which == Which::Dead)));
    Ok(Json(list(shown.map(|delivery| delivery_json(id, delivery)).collect(), None, state.clock.wall())))
}

/// `POST /api/v1/webhooks/{id}/replay {seq} | {from, to?} | {dead: true}`: sends events again.
pub(super) async fn replay(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let id = owned(&state, &caller, &id).await?.webhook.id;
    let body: ReplayBody = body.read()?;
    let range = match (body.seq, body.from, body.to) {
        (Some(seq), None, None) => (seq, seq),
        (None, Some(from), to) if to.is_none_or(|to| from <= to) => (from, to.unwrap_or(u64::MAX)),
        (None, None, None) if body.dead => (0, u64::MAX),
        _ => return Err(ApiError::field("seq", "or from (and to, not below it), or dead must be given")),
    };
    let count = state.webhooks.replay(id, range, body.dead).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"replayed": count}))))
}

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Hook(error) => error.into(),
            ReplayError::TooMany => Self::field("to", error.to_string()),
            ReplayError::Missed(Missed::Store(error)) => error.into(),
            ReplayError::Missed(Missed::Gap(gap)) => {
                Self::new(StatusCode::GONE, "events_gone", gap.to_string()).with("from", gap.to)
            }
        }
    }
}

async fn owned(state: &ApiState, caller: &Caller, id: &str) -> ApiResult<Standing> {
    let unknown = || ApiError::not_found("there is no webhook with this id");
    let id: WebhookId = id.parse().map_err(|_| unknown())?;
    state.webhooks.get(id).await.filter(|standing| standing.webhook.owner == caller.key.owner).ok_or_else(unknown)
}

fn terminal(state: &ApiState, caller: &Caller, text: &str) -> ApiResult<TokenId> {
    Ok(resolve::terminal(state, caller, text, Purpose::Trade)?.token.id)
}

fn checked_url(state: &ApiState, url: String) -> ApiResult<String> {
    if url.len() > 2_048 {
        return Err(ApiError::field("url", "must be at most 2048 bytes"));
    }
    state.webhooks.check(&url).map_err(|why| ApiError::field("url", why))?;
    Ok(url)
}

fn checked_events(events: Vec<String>) -> ApiResult<Vec<String>> {
    if events.is_empty() || events.len() > EVENTS_MAX {
        return Err(ApiError::field("events", format!("must name 1 to {EVENTS_MAX} kinds, or be [\"*\"]")));
    }
    let known = |event: &String| event == "*" || FAMILIES.contains(&event.split('.').next().unwrap_or_default());
    match events.iter().find(|event| !known(event) || event.len() > 64) {
        None => Ok(events),
        Some(event) => Err(ApiError::field("events", format!("has `{event}`, and kinds begin with {}", FAMILIES.join(", ")))),
    }
}

fn minted(standing: &Standing, secret: String) -> Value {
    let mut row = row(standing);
    row["secret"] = json!(secret);
    row
}

fn row(standing: &Standing) -> Value {
    let webhook: &Arc<Webhook> = &standing.webhook;
    json!({
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.events,
        "terminal": webhook.terminal,
        "created_at": rfc3339(webhook.created_at),
        "enabled": webhook.disabled.is_none(),
        "disabled_at": rfc3339_or_null(webhook.disabled.as_ref().map(|disabled| disabled.at)),
        "disabled_reason": webhook.disabled.as_ref().map(|disabled| &disabled.reason),
        "failing_since": rfc3339_or_null(standing.progress.failing_since),
        "cursor": standing.progress.cursor,
        "waiting": standing.waiting,
        "dead": standing.dead,
    })
}

fn delivery_json(id: WebhookId, delivery: &Delivery) -> Value {
    json!({
        "message": message_id(id, delivery.seq),
        "seq": delivery.seq,
        "type": delivery.kind,
        "state": if delivery.dead { "dead" } else { "waiting" },
        "attempts": delivery.attempts,
        "next_at": if delivery.dead { Value::Null } else { json!(rfc3339(delivery.next_at)) },
        "last_error": delivery.last,
        "since": rfc3339(delivery.since),
    })
}
