//! API keys: create, list, rename, rotate, revoke.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path},
    json::{list, parse_time, rfc3339, rfc3339_or_null},
    tokens::{RotateBody, checked_name},
};
use crate::{
    access::{NewKey, secret::Secret},
    domain::{
        api_key::{ApiKey, DEFAULT_PERMISSIONS, Permission, Plan, Reach},
        ids::{KeyId, OwnerId},
        limits::Limits,
        scope::Scope,
    },
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CreateBody {
    name: String,
    permissions: Option<Vec<Permission>>,
    /// A key for demo terminals only (`sk_test_`).
    test: bool,
    expires_at: Option<String>,
    limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChangeBody {
    name: Option<String>,
    /// All of them: what is left out is not limited any more.
    limits: Option<Limits>,
}

/// `POST /api/v1/keys {name?, permissions?, test?, expires_at?, limits?}` → 201; the only answer that ever shows the key.
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let body: CreateBody = body.read()?;
    let mut permissions = body.permissions.unwrap_or_else(|| DEFAULT_PERMISSIONS.to_vec());
    permissions.sort();
    permissions.dedup();
    if permissions.is_empty() {
        return Err(ApiError::field("permissions", "must name at least one permission, or be left out for the default ones"));
    }
    if body.test && permissions.contains(&Permission::Admin) {
        return Err(ApiError::field("permissions", "of a test key cannot hold admin: it would mint itself a live key"));
    }
    let expires_at = match &body.expires_at {
        None => None,
        Some(text) => {
            let at = parse_time(text).filter(|at| *at > state.clock.wall());
            Some(at.ok_or_else(|| ApiError::field("expires_at", "must be a time to come, RFC 3339 or epoch"))?)
        }
    };
    let limits = checked_limits(body.limits)?;
    if permissions.iter().any(|held| held.implies(Permission::TradeReduce)) {
        caller.confirmed(&state)?;
    }
    let reach = if body.test { Reach::Test } else { Reach::Live };
    let new = NewKey {
        name: checked_name(&body.name)?.to_owned(),
        permissions,
        reach,
        expires_at,
        limits,
        plan: Plan::default(),
        scope: Scope::default(),
    };
    let (key, secret) = state.access.mint_key(new, caller.tenant(), &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &key, &secret))))
}

/// `GET /api/v1/keys`
pub(super) async fn list_keys(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    let keys = state.access.keys();
    let rows = keys.iter().filter(|key| key.owner == caller.tenant()).map(|key| row(&state, key)).collect();
    Json(list(rows, None, state.clock.wall()))
}

/// `GET /api/v1/keys/{id}`
pub(super) async fn get_key(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    Ok(Json(row(&state, owned(&state, &caller, &id)?.as_ref())))
}

fn checked_limits(limits: Limits) -> ApiResult<Limits> {
    let problems = limits.problems();
    if problems.is_empty() { Ok(limits) } else { Err(ApiError::fields(&problems)) }
}

/// `PATCH /api/v1/keys/{id} {name?, limits?}`
pub(super) async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let mut key = owned(&state, &caller, &id)?;
    let body: ChangeBody = body.read()?;
    if body.name.is_none() && body.limits.is_none() {
        return Err(ApiError::field("name", "or limits must be given"));
    }
    let limits = body.limits.map(checked_limits).transpose()?;
    if limits.is_some() {
        caller.confirmed(&state)?;
    }
    if let Some(name) = &body.name {
        key = state.access.rename_key(key.id, checked_name(name)?, &caller.actor()).await?;
    }
    if let Some(limits) = limits {
        key = state.access.limit_key(key.id, &limits, &caller.actor()).await?;
    }
    Ok(Json(row(&state, &key)))
}

/// `POST /api/v1/keys/{id}/rotate {overlap_s?}` → 201 with a new key of the same rights.
pub(super) async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let key = owned(&state, &caller, &id)?;
    if key.may(Permission::TradeReduce) {
        caller.confirmed(&state)?;
    }
    let id = key.id;
    let overlap = body.read::<RotateBody>()?.overlap()?;
    let (key, secret) = state.access.rotate_key(id, overlap, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &key, &secret))))
}

/// `DELETE /api/v1/keys/{id}` → 204. The last valid admin key stays: without it nobody could make another.
pub(super) async fn revoke(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<StatusCode> {
    // One after the other: two admins who revoke each other at once would both find that another is left.
    let _turn = state.key_revocations.lock().await;
    let key = owned(&state, &caller, &id)?;
    let now = state.clock.wall();
    // Of the hub's own: any other tenant's user makes themselves another.
    let rules = |key: &ApiKey| key.owner == OwnerId::SELF && key.is_valid(now) && key.may(Permission::Admin);
    if rules(&key) && state.access.keys().iter().filter(|other| rules(other)).count() == 1 {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "last_admin_key",
            "this is the last admin key: make or rotate another first",
        ));
    }
    state.access.revoke_key(key.id, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn owned(state: &ApiState, caller: &Caller, id: &str) -> ApiResult<Arc<ApiKey>> {
    let unknown = || ApiError::not_found("there is no key with this id");
    let id: KeyId = id.parse().map_err(|_| unknown())?;
    state.access.minted_key(id).filter(|key| key.owner == caller.tenant()).ok_or_else(unknown)
}

fn minted(state: &ApiState, key: &ApiKey, secret: &Secret) -> Value {
    let mut row = row(state, key);
    row["key"] = json!(secret.reveal());
    row
}

fn row(state: &ApiState, key: &ApiKey) -> Value {
    let word = match (key.revoked_at.is_some(), key.is_valid(state.clock.wall())) {
        (true, _) => "revoked",
        (false, false) => "expired",
        (false, true) => "active",
    };
    json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "state": word,
        "test": key.reach == Reach::Test,
        "permissions": key.permissions,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339_or_null(key.expires_at),
        "revoked_at": rfc3339_or_null(key.revoked_at),
        "successor": key.successor,
        "line": key.line(),
        "limits": key.limits,
    })
}
