//! Whoever finds a secret can end it, by showing it: no login, no support ticket, nothing else that could be wrong.

use std::time::Duration;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    ApiState, denied,
    error::{ApiError, ApiResult},
    extract::JsonBody,
    json::rfc3339_or_null,
    tokens,
};
use crate::{
    access::{
        AccessError, Found,
        secret::{PREFIXES, Secret},
    },
    crypto,
    domain::{
        UnixMillis,
        hook::{Hook, Previous},
    },
    telemetry::origin,
};

/// Secrets of one call.
const SECRETS_MAX: usize = 100;
/// What the audit calls whoever shows a secret only to end it.
const ACTOR: &str = "holder";

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = RevokeCredentials)]
#[serde(default, deny_unknown_fields)]
struct RevokeBody {
    /// The secret; else `secrets`.
    secret: Option<String>,
    /// Several.
    #[schema(min_items = 1, max_items = 100)]
    secrets: Option<Vec<String>>,
}

/// `POST /api/v1/credentials/revoke {secret}` or `{secrets: […]}` → 200 with what was revoked. Sockets are cut before the answer.
#[utoipa::path(
    post,
    path = "/api/v1/credentials/revoke",
    operation_id = "revokeCredentials",
    tag = "Audit",
    summary = "End a secret by showing it",
    description = "For tokens and keys that leaked. Sockets are cut before the answer.",
    request_body = RevokeBody,
    responses(
        (status = 200, description = "What is over.", body = super::openapi::schemas::Revoked),
        (status = "4XX", description = "not_found too_many_failures store"),
    )
)]
pub(super) async fn revoke(State(state): State<ApiState>, body: JsonBody) -> ApiResult<Json<Value>> {
    // The error of a body that does not fit would repeat parts of it.
    let body: RevokeBody = body.read().map_err(|_| ApiError::field("secret", "must be a text, or secrets a list of texts"))?;
    let (secrets, single) = match (body.secret, body.secrets) {
        (Some(secret), None) => (vec![secret], true),
        (None, Some(secrets)) if (1..=SECRETS_MAX).contains(&secrets.len()) => (secrets, false),
        (None, Some(_)) => return Err(ApiError::field("secrets", format!("must be 1 to {SECRETS_MAX}"))),
        _ => return Err(ApiError::field("secret", "or secrets must be given, and not both")),
    };
    let (mut rows, mut refusal) = (Vec::new(), None);
    for secret in &secrets {
        match one(&state, secret.trim()).await? {
            Some(row) => rows.push(row),
            None => {
                refusal = Some(unknown(&state));
                rows.push(json!({"state": "unknown"}));
            }
        }
    }
    match refusal {
        Some(refusal) if rows.iter().all(|row| row["state"] == "unknown") => Err(refusal),
        _ if single => Ok(Json(rows.remove(0))),
        _ => Ok(Json(json!({"data": rows}))),
    }
}

/// Revokes the secret, if it is one of ours. Once revoked it stays so, and is told again.
async fn one(state: &ApiState, secret: &str) -> ApiResult<Option<Value>> {
    let Some(shown) = Secret::parse(secret, &PREFIXES) else { return Ok(None) };
    let (prefix, now) = (shown.shown_prefix(), Some(state.clock.wall()));
    let Some(found) = state.access.find(secret) else { return other(state, &shown).await };
    let (kind, id, prefix, at) = match found {
        Found::Token(token) => {
            let token = tokens::revoke_now(state, token.id, ACTOR).await?;
            ("token", token.id.to_string(), token.prefix.clone(), token.revoked_at)
        }
        // The last admin key too: who shows it could do anything with it. A restart makes another.
        Found::Key(key) => {
            let key = state.access.revoke_key(key.id, ACTOR).await?;
            ("key", key.id.to_string(), key.prefix.clone(), key.revoked_at)
        }
        Found::Login(login) => {
            let id = login.record.id;
            match state.access.end_login(login.record.user, id, ACTOR).await {
                // It ended at this moment.
                Ok(()) | Err(AccessError::NotFound) => ("session", id.to_string(), prefix, now),
                Err(error) => return Err(error.into()),
            }
        }
        Found::Code(user) => {
            state.access.end_code(user.id, ACTOR).await?;
            ("setup_code", user.id.to_string(), prefix, now)
        }
    };
    Ok(Some(row(kind, Some(id), &prefix, at)))
}

fn row(kind: &str, id: Option<String>, prefix: &str, at: Option<UnixMillis>) -> Value {
    json!({"kind": kind, "id": id, "prefix": prefix, "state": "revoked", "revoked_at": rfc3339_or_null(at)})
}

/// The first code of a hub, or a hook's: its address is unknown from then on, and its owner has to rotate it to have another.
async fn other(state: &ApiState, shown: &Secret) -> ApiResult<Option<Value>> {
    let (prefix, now) = (shown.shown_prefix(), state.clock.wall());
    if state.access.end_first_code(shown.reveal(), ACTOR).await? {
        return Ok(Some(row("setup_code", None, &prefix, Some(now))));
    }
    let digest = state.access.digest(shown.reveal());
    let is_before = |hook: &Hook| hook.previous.as_ref().is_some_and(|before| crypto::equal(&before.digest, &digest));
    let found = state.hooks.all().into_iter().find(|hook| crypto::equal(&hook.digest, &digest) || is_before(hook));
    let Some(hook) = found else { return Ok(None) };
    let mut until = hook.previous.as_ref().map_or(now, |before| before.until);
    if !is_before(&hook) {
        // Nobody is told the secret that comes after it.
        state.hooks.rotate(hook.id, Duration::ZERO, ACTOR).await?;
        until = now;
    } else if now < until {
        let end = |before: Previous| Previous { until: before.until.min(now), ..before };
        state.hooks.change(hook.id, |hook| Hook { previous: hook.previous.map(end), ..hook }, ACTOR).await?;
        until = now;
    }
    Ok(Some(row("hook", Some(hook.id.to_string()), &prefix, Some(until))))
}

/// 404, or 429 when too many secrets from this address were none.
fn unknown(state: &ApiState) -> ApiError {
    let address = origin::current().and_then(|origin| origin.address);
    let refusal = ApiError::not_found("this is no secret of this hub").denied_as("revoke_unknown");
    denied::failed(state, "revoke", address, refusal)
}
