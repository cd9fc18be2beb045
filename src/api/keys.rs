//! API keys: create, list, change, rotate, revoke.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult, most},
    extract::{JsonBody, Path, nullable, nullable_object, object},
    json::{list, parse_time, rfc3339, rfc3339_or_null},
    plans::below_ceiling,
    tokens::{RotateBody, checked_name},
};
use crate::{
    access::{
        NewKey,
        plans::Look,
        secret::Secret,
        usage::{Hour, KeyUsage},
    },
    domain::{
        UnixMillis,
        api_key::{ApiKey, DEFAULT_PERMISSIONS, Permission, Plan, Reach},
        ids::{KeyId, OwnerId},
        limits::Limits,
        scope::{AccountName, Network, Scope},
    },
};

/// Valid keys of one tenant.
const KEYS_MAX: usize = 1_000;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = NewKey)]
#[serde(default, deny_unknown_fields)]
struct CreateBody {
    /// What a person calls it.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
    /// What it may do. If left out: `read:bars` and the three of indicators.
    #[schema(min_items = 1)]
    permissions: Option<Vec<Permission>>,
    /// A key for demo terminals only (`sk_test_`).
    test: bool,
    /// When it ends, RFC 3339, epoch seconds or epoch milliseconds, UTC; never if left out.
    expires_at: Option<String>,
    /// Limits on what it may trade.
    #[serde(deserialize_with = "object")]
    limits: Limits,
    /// How much it may ask for; the tenant's largest plan if left out, which is `unlimited` unless whoever runs the hub has set another.
    plan: Option<Plan>,
    /// Symbols that it may read and trade, `*` at either end for any letters; all if left out.
    #[schema(max_items = 1000)]
    symbols: Option<Vec<String>>,
    /// Accounts that exist for it; all if left out.
    #[schema(max_items = 1000, value_type = Option<Vec<super::openapi::schemas::AccountName>>)]
    accounts: Option<Vec<AccountName>>,
    /// Addresses from which it may be presented: an address, or a network like `203.0.113.0/24`; any if left out.
    #[schema(max_items = 1000, value_type = Option<Vec<String>>)]
    ips: Option<Vec<Network>>,
    /// The terminal that is meant where a call names none: an account number, `number@server`, or a token's id.
    #[schema(pattern = r"^[1-9][0-9]{0,9}$")]
    default_terminal: Option<String>,
}

/// Each member: left out it stays as it is; null makes it what a new key has that does not name it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = KeyChange)]
#[serde(default, deny_unknown_fields)]
struct ChangeBody {
    /// What a person calls it.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    /// What it may do; null for those of a new key.
    #[schema(value_type = Option<Vec<Permission>>, min_items = 1)]
    #[serde(deserialize_with = "nullable")]
    permissions: Option<Option<Vec<Permission>>>,
    /// When it ends; null for never.
    #[schema(value_type = Option<String>)]
    #[serde(deserialize_with = "nullable")]
    expires_at: Option<Option<String>>,
    /// All of them: what is left out is not limited any more.
    #[schema(value_type = Option<Limits>)]
    #[serde(deserialize_with = "nullable_object")]
    limits: Option<Option<Limits>>,
    /// How much it may ask for.
    #[schema(value_type = Option<Plan>)]
    #[serde(deserialize_with = "nullable")]
    plan: Option<Option<Plan>>,
    /// Symbols that it may read and trade; null for all.
    #[schema(value_type = Option<Vec<String>>, max_items = 1000)]
    #[serde(deserialize_with = "nullable")]
    symbols: Option<Option<Vec<String>>>,
    /// Accounts that exist for it; null for all.
    #[schema(value_type = Option<Vec<super::openapi::schemas::AccountName>>, max_items = 1000)]
    #[serde(deserialize_with = "nullable")]
    accounts: Option<Option<Vec<AccountName>>>,
    /// Addresses from which it may be presented; null for any.
    #[schema(value_type = Option<Vec<String>>, max_items = 1000)]
    #[serde(deserialize_with = "nullable")]
    ips: Option<Option<Vec<Network>>>,
    /// The terminal that is meant where a call names none; null for none.
    #[schema(value_type = Option<String>, pattern = r"^[1-9][0-9]{0,9}$")]
    #[serde(deserialize_with = "nullable")]
    default_terminal: Option<Option<String>>,
}

/// `POST /api/v1/keys {name?, permissions?, test?, expires_at?, limits?, plan?, symbols?, accounts?, ips?, default_terminal?}` → 201; the
/// only answer that ever shows the key.
#[utoipa::path(
    post,
    path = "/api/v1/keys",
    operation_id = "createKey",
    tag = "Keys",
    summary = "Make an API key",
    description = "The only answer that shows `key`.",
    request_body = CreateBody,
    responses(
        (status = 201, description = "The key, with its secret.", body = super::openapi::schemas::Key),
        (status = "4XX", description = "body bodiless plan_above_ceiling store"),
    )
)]
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
        plan: body.plan.unwrap_or_else(|| state.access.ceiling(caller.tenant())),
        scope: Scope { symbols: body.symbols, accounts: body.accounts, ips: body.ips, default_terminal: body.default_terminal },
    };
    judge(&new)?;
    below_ceiling(&state, &caller, new.plan)?;
    within(&caller, &new)?;
    has_room(&state, &caller)?;
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

/// Whether one more key may be made. A rotation makes one in the place of another, and is not asked.
pub(super) fn has_room(state: &ApiState, caller: &Caller) -> ApiResult<()> {
    let now = state.clock.wall();
    let keys = state.access.keys();
    most(keys.iter().filter(|key| key.owner == caller.tenant() && key.is_valid(now)).count(), KEYS_MAX, "valid API keys")
}

/// A key hands out no more than it has itself: what its maker set on it would otherwise bind nobody who can mint.
///
/// # Errors
/// 403 `forbidden` that names what is wider.
pub(super) fn within(caller: &Caller, new: &NewKey) -> ApiResult<()> {
    let own = &caller.key;
    let ends_in_time = own.expires_at.is_none_or(|end| new.expires_at.is_some_and(|new| new <= end));
    let wider = [
        ("ips", new.scope.addresses_within(&own.scope)),
        ("limits", new.limits.within(&own.limits)),
        ("plan", new.plan <= own.plan),
        ("expires_at", ends_in_time),
    ];
    match wider.iter().find(|(_, within)| !within) {
        None => Ok(()),
        Some((field, _)) => {
            let detail =
                format!("the calling key has {field} of its own, and hands out nothing wider: give the key the same or less");
            Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail).with("field", *field))
        }
    }
}

/// `GET /api/v1/keys`
#[utoipa::path(
    get,
    path = "/api/v1/keys",
    operation_id = "listKeys",
    tag = "Keys",
    summary = "API keys",
    description = "",
    responses(
        (status = 200, description = "The keys.", body = super::openapi::schemas::List<super::openapi::schemas::Key>),
    )
)]
pub(super) async fn list_keys(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    Json(list(rows(&state, &caller), None, state.clock.wall()))
}

/// The caller's keys, one row each.
pub(super) fn rows(state: &ApiState, caller: &Caller) -> Vec<Value> {
    let keys = state.access.keys();
    keys.iter().filter(|key| key.owner == caller.tenant()).map(|key| row(state, key)).collect()
}

/// `GET /api/v1/keys/{id}`: as in the list, and the use of the last 24 hours by the hour.
#[utoipa::path(
    get,
    path = "/api/v1/keys/{id}",
    operation_id = "getKey",
    tag = "Keys",
    summary = "One API key",
    description = "With its use in the last 24 hours, by the hour.",
    responses(
        (status = 200, description = "The key.", body = super::openapi::schemas::Key),
        (status = "4XX", description = "not_found"),
    )
)]
pub(super) async fn get_key(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let key = owned(&state, &caller, &id)?;
    let KeyUsage { hours, .. } = state.usage.of(key.id);
    let mut row = row(&state, &key);
    let told = |hour: &Hour| json!({"from": rfc3339(hour.from), "requests": hour.requests, "refused": hour.refused, "limited": hour.limited});
    row["usage"]["hours"] = hours.iter().map(told).collect();
    Ok(Json(row))
}

/// `PATCH /api/v1/keys/{id} {name?, permissions?, expires_at?, limits?, plan?, symbols?, accounts?, ips?, default_terminal?}`: all in one
/// write, and in force for the next request.
#[utoipa::path(
    patch,
    path = "/api/v1/keys/{id}",
    operation_id = "changeKey",
    tag = "Keys",
    summary = "Change a key",
    description = "What is left out stays as it is; null makes it what a new key has. `limits` takes the place of those that were. All in one write, and in force for the next request.",
    request_body = ChangeBody,
    responses(
        (status = 200, description = "The key.", body = super::openapi::schemas::Key),
        (status = "4XX", description = "body not_found revoked plan_above_ceiling store"),
    )
)]
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
        within(&caller, &changed)?;
    }
    // One that it has already may stay: the ceiling holds all the same.
    if changed.plan != key.plan {
        below_ceiling(&state, &caller, changed.plan)?;
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
        plan: body.plan.map_or(key.plan, |plan| plan.unwrap_or_else(|| state.access.ceiling(key.owner))),
        scope: Scope {
            symbols: body.symbols.unwrap_or_else(|| old.symbols.clone()),
            accounts: body.accounts.unwrap_or_else(|| old.accounts.clone()),
            ips: body.ips.unwrap_or_else(|| old.ips.clone()),
            default_terminal: body.default_terminal.unwrap_or_else(|| old.default_terminal.clone()),
        },
    })
}

/// `POST /api/v1/keys/{id}/rotate {overlap_s?}` → 201 with a new key of the same rights.
#[utoipa::path(
    post,
    path = "/api/v1/keys/{id}/rotate",
    operation_id = "rotateKey",
    tag = "Keys",
    summary = "Make a new key of the same rights",
    description = "The old one stays good for a while.",
    request_body = RotateBody,
    responses(
        (status = 201, description = "The new key, with its secret.", body = super::openapi::schemas::Key),
        (status = "4XX", description = "body bodiless not_found revoked expired/409 store"),
    )
)]
pub(super) async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let key = owned(&state, &caller, &id)?;
    within(&caller, &NewKey::like(&key))?;
    let id = key.id;
    let overlap = body.read::<RotateBody>()?.overlap()?;
    // It changes when the old key ends, and so may a `PATCH`.
    let _turn = state.key_revocations.lock().await;
    let (key, secret) = state.access.rotate_key(id, overlap, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &key, &secret))))
}

/// `DELETE /api/v1/keys/{id}` → 204. The last valid admin key stays: without it nobody could make another.
#[utoipa::path(
    delete,
    path = "/api/v1/keys/{id}",
    operation_id = "revokeKey",
    tag = "Keys",
    summary = "Revoke a key",
    description = "For good. The last admin key stays.",
    responses(
        (status = 204, description = "It is revoked."),
        (status = "4XX", description = "not_found last_admin_key revoked store"),
    )
)]
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
        "effective_plan": state.access.plan_of(key),
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
        "usage": used(state, key, &usage),
    })
}

/// What was asked under a key, and how its line stands on the plan in force.
fn used(state: &ApiState, key: &ApiKey, usage: &KeyUsage) -> Value {
    let Look { standing, running, running_beside } = state.usage.look(key);
    let of_day = |count: fn(&Hour) -> u64| usage.hours.iter().map(count).sum::<u64>();
    let resets_at = standing.filter(|standing| standing.all_in_s > 0).map(|standing| {
        let in_ms = i64::try_from(standing.all_in_s).unwrap_or(i64::MAX).saturating_mul(1_000);
        rfc3339(state.clock.wall().plus_ms(in_ms))
    });
    json!({
        "requests": usage.requests,
        "refused": usage.refused,
        "refused_24h": of_day(|hour| hour.refused),
        "limited_24h": of_day(|hour| hour.limited),
        "limit": standing.map(|standing| standing.grant.requests_per_hour),
        "used": standing.map(|standing| standing.grant.requests_per_hour - standing.remaining),
        "left": standing.map(|standing| standing.remaining),
        "resets_at": resets_at,
        "running": running,
        "running_limit": standing.map(|standing| standing.grant.concurrent),
        "running_beside": running_beside,
    })
}
