//! Whoever finds a secret can end it, by showing it: no login, no support ticket, nothing else that could be wrong.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState, denied,
    error::{ApiError, ApiResult},
    extract::JsonBody,
    json::rfc3339_or_null,
    tokens,
};
use crate::{access::Found, telemetry::origin};

/// Secrets of one call.
const SECRETS_MAX: usize = 100;
/// What the audit calls whoever shows a secret only to end it.
const ACTOR: &str = "holder";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RevokeBody {
    secret: Option<String>,
    secrets: Option<Vec<String>>,
}

/// `POST /api/v1/credentials/revoke {secret}` or `{secrets: […]}` → 200 with what was revoked. Sockets are cut before the answer.
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
    let Some(found) = state.access.find(secret) else { return Ok(None) };
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
    };
    Ok(Some(json!({"kind": kind, "id": id, "prefix": prefix, "state": "revoked", "revoked_at": rfc3339_or_null(at)})))
}

/// 404, or 429 when too many secrets from this address were none.
fn unknown(state: &ApiState) -> ApiError {
    let address = origin::current().and_then(|origin| origin.address);
    let refusal = ApiError::not_found("this is no secret of this hub").denied_as("revoke_unknown");
    denied::failed(state, "revoke", address, refusal)
}
