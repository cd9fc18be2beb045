//! API keys: create, list, change, rotate, revoke.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path, nullable},
    json::{list, parse_time, rfc3339, rfc3339_or_null},
    tokens::{RotateBody, checked_name},
};
use crate::{
    access::{NewKey, secret::Secret, usage::KeyUsage},
    domain::{
        UnixMillis,
        api_key::{ApiKey, DEFAULT_PERMISSIONS, Permission, Plan, Reach},
        ids::{KeyId, OwnerId},
        limits::Limits,
        scope::{AccountName, Network, Scope},
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
    plan: Plan,
    symbols: Option<Vec<String>>,
    accounts: Option<Vec<AccountName>>,
    ips: Option<Vec<Network>>,
    default_terminal: Option<String>,
}

/// Each member: left out it stays as it is; null makes it what a new key has that does not name it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChangeBody {
    name: Option<String>,
    #[serde(deserialize_with = "nullable")]
    permissions: Option<Option<Vec<Permission>>>,
    #[serde(deserialize_with = "nullable")]
    expires_at: Option<Option<String>>,
    /// All of them: what is left out is not limited any more.
    #[serde(deserialize_with = "nullable")]
    limits: Option<Option<Limits>>,
    #[serde(deserialize_with = "nullable")]
    plan: Option<Option<Plan>>,
    #[serde(deserialize_with = "nullable")]
    symbols: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "nullable")]
    accounts: Option<Option<Vec<AccountName>>>,
    #[serde(deserialize_with = "nullable")]
    ips: Option<Option<Vec<Network>>>,
    #[serde(deserialize_with = "nullable")]
    default_terminal: Option<Option<String>>,
}

/// `POST /api/v1/keys {name?, permissions?, test?, expires_at?, limits?, plan?, symbols?, accounts?, ips?, default_terminal?}` → 201; the
/// only answer that ever shows the key.
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let body: CreateBody = body.read()?;
    let new = NewKey {
        name: checked_name(&body.name)?.to_owned(),
        permissions: checked_permissions(body.permissions)?,
        reach: if body.test { Reach::Test } else { Reach::Live },
        expires_at: body.expires_at.as_deref().map(|text| time_to_come(&state, text)).transpose()?,
        limits: body.limits,
        plan: body.plan,
        scope: Scope { symbols: body.symbols, accounts: body.accounts, ips: body.ips, default_terminal: body.default_terminal },
    };
    judge(&new)?;
    if new.permissions.iter().any(|held| held.implies(Permission::TradeReduce)) {
        caller.confirmed(&state)?;
    }
    let (key, secret) = state.access.mint_key(new, caller.tenant(), &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &key, &secret))))
}

fn checked_permissions(permissions: Option<Vec<Permission>>) -> ApiResult<Vec<Permission>> {
    let mut permissions = permissions.unwrap_or_else(|| DEFAULT_PERMISSIONS.to_vec());
    permissions.sort();
    permissions.dedup();
    if permissions.is_empty() {
        return Err(ApiError::field("permissions", "must name at least one permission, or be left out for the default ones"));
    }
    Ok(permissions)
}

fn time_to_come(state: &ApiState, text: &str) -> ApiResult<UnixMillis> {
    let at = parse_time(text).filter(|at| *at > state.clock.wall());
    at.ok_or_else(|| ApiError::field("expires_at", "must be a time to come, RFC 3339 or epoch"))
}

/// What a key cannot be, whoever makes it.
fn judge(key: &NewKey) -> ApiResult<()> {
    let mut problems = key.limits.problems();
    problems.extend(key.scope.problems());
    if !problems.is_empty() {
        return Err(ApiError::fields(&problems));
    }
    if key.permissions.contains(&Permission::Admin) {
        if key.reach == Reach::Test {
            return Err(ApiError::field("permissions", "of a test key cannot hold admin: it would mint itself a live key"));
        }
        if key.scope.narrows() {
            let detail = "of a key for some symbols or accounts cannot hold admin: it would mint itself one for all";
            return Err(ApiError::field("permissions", detail));
        }
    }
    Ok(())
}

/// `GET /api/v1/keys`
pub(super) async fn list_keys(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    Json(list(rows(&state, &caller), None, state.clock.wall()))
}

/// The caller's keys, one row each.
pub(super) fn rows(state: &ApiState, caller: &Caller) -> Vec<Value> {
    let keys = state.access.keys();
    keys.iter().filter(|key| key.owner == caller.tenant()).map(|key| row(state, key)).collect()
}

/// `GET /api/v1/keys/{id}`: as in the list, and the use of the last 24 hours by the hour.
pub(super) async fn get_key(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let key = owned(&state, &caller, &id)?;
    let KeyUsage { hours, .. } = state.usage.of(key.id);
    let mut row = row(&state, &key);
    let hours = hours.iter().map(|hour| json!({"from": rfc3339(hour.from), "requests": hour.requests, "refused": hour.refused}));
    row["usage"]["hours"] = hours.collect();
    row["usage"]["running"] = json!(state.usage.plans().running(key.line()));
    Ok(Json(row))
}

/// `PATCH /api/v1/keys/{id} {name?, permissions?, expires_at?, limits?, plan?, symbols?, accounts?, ips?, default_terminal?}`: all in one
/// write, and in force for the next request.
pub(super) async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    if body.value.as_object().is_some_and(serde_json::Map::is_empty) {
        return Err(ApiError::field("body", "must name what to change"));
    }
    let body: ChangeBody = body.read()?;
    // As where keys are revoked: of two who take the permission admin from each other, one keeps it.
    let _turn = state.key_revocations.lock().await;
    let key = owned(&state, &caller, &id)?;
    let changed = changed(&state, &key, body)?;
    judge(&changed)?;
    // Whatever is more than another name may be more than it could before.
    let unnamed = NewKey { name: key.name.clone(), ..changed.clone() };
    if unnamed != NewKey::like(&key) {
        caller.confirmed(&state)?;
    }
    if !changed.permissions.contains(&Permission::Admin) || changed.expires_at != key.expires_at {
        spare_the_last_admin(&state, &key)?;
    }
    let client = caller.client.map(|client| client.to_canonical());
    if key.id == caller.key.id && changed.scope.ips.is_some() && !client.is_some_and(|ip| changed.scope.allows_address(ip)) {
        return Err(ApiError::field("ips", "would shut out the address that this call comes from, and this is the calling key"));
    }
    if changed.expires_at != key.expires_at && !key.is_valid(state.clock.wall()) {
        let error =
            if key.revoked_at.is_some() { crate::access::AccessError::Revoked } else { crate::access::AccessError::Expired };
        return Err(error.into());
    }
    let key = state.access.change_key(key.id, changed, &caller.actor()).await?;
    Ok(Json(row(&state, &key)))
}

/// A key as a body wants it to be.
fn changed(state: &ApiState, key: &ApiKey, body: ChangeBody) -> ApiResult<NewKey> {
    let old = &key.scope;
    Ok(NewKey {
        name: body.name.as_deref().map_or(Ok(key.name.as_str()), checked_name)?.to_owned(),
        permissions: body.permissions.map_or_else(|| Ok(key.permissions.clone()), checked_permissions)?,
        reach: key.reach,
        expires_at: match body.expires_at {
            None => key.expires_at,
            Some(new) => new.as_deref().map(|text| time_to_come(state, text)).transpose()?,
        },
        limits: body.limits.map_or_else(|| key.limits.clone(), Option::unwrap_or_default),
        plan: body.plan.map_or(key.plan, Option::unwrap_or_default),
        scope: Scope {
            symbols: body.symbols.unwrap_or_else(|| old.symbols.clone()),
            accounts: body.accounts.unwrap_or_else(|| old.accounts.clone()),
            ips: body.ips.unwrap_or_else(|| old.ips.clone()),
            default_terminal: body.default_terminal.unwrap_or_else(|| old.default_terminal.clone()),
        },
    })
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
    // It changes when the old key ends, and so may a `PATCH`.
    let _turn = state.key_revocations.lock().await;
    let (key, secret) = state.access.rotate_key(id, overlap, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &key, &secret))))
}

/// `DELETE /api/v1/keys/{id}` → 204. The last valid admin key stays: without it nobody could make another.
pub(super) async fn revoke(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<StatusCode> {
    // One after the other: two admins who revoke each other at once would both find that another is left.
    let _turn = state.key_revocations.lock().await;
    let key = owned(&state, &caller, &id)?;
    spare_the_last_admin(&state, &key)?;
    state.access.revoke_key(key.id, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn spare_the_last_admin(state: &ApiState, key: &ApiKey) -> ApiResult<()> {
    let now = state.clock.wall();
    // Of the hub's own: any other tenant's user makes themselves another.
    let rules = |key: &ApiKey| key.owner == OwnerId::SELF && key.is_valid(now) && key.may(Permission::Admin);
    if rules(key) && state.access.keys().iter().filter(|other| rules(other)).count() == 1 {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "last_admin_key",
            "this is the last admin key: make or rotate another first",
        ));
    }
    Ok(())
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
    let usage = state.usage.of(key.id);
    json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "state": word,
        "test": key.reach == Reach::Test,
        "permissions": key.permissions,
        "plan": key.plan,
        "symbols": key.scope.symbols,
        "accounts": key.scope.accounts,
        "ips": key.scope.ips,
        "default_terminal": key.scope.default_terminal,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339_or_null(key.expires_at),
        "revoked_at": rfc3339_or_null(key.revoked_at),
        "successor": key.successor,
        "line": key.line(),
        "limits": key.limits,
        "last_used_at": rfc3339_or_null(usage.last_used_at),
        "last_used_from": usage.last_used_from,
        "usage": {"requests": usage.requests, "refused": usage.refused},
    })
}
