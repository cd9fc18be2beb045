//! Hooks: made, listed, changed, rotated, deleted, and what came to them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult, most},
    extract::{JsonBody, Params, Path, nullable, object, object_or_null},
    json::{list, rfc3339},
    resolve::{self, Purpose},
    tokens::{RotateBody, checked_name},
};
use crate::{
    access::{NewKey, secret::Secret},
    domain::{
        api_key::{Permission, Reach},
        hook::{Defaults, Hook, Received, TRADINGVIEW},
        ids::{HookId, KeyId, TokenId},
        limits::Limits,
        scope::Scope,
    },
    hooks::{NewHook, received::KEPT, template::Template},
};

/// Symbols that one hook may map.
const SYMBOLS_MAX: usize = 1_000;
/// Hooks of one tenant.
const HOOKS_MAX: usize = 100;
/// Longest template.
const TEMPLATE_MAX: usize = 8_192;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = HookKind)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Tradingview,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewHook)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    /// What a person calls it.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    #[serde(default)]
    name: String,
    /// The only kind there is; it stands in the address.
    #[serde(rename = "kind")]
    _kind: Kind,
    /// The terminal that its alerts trade on, as in paths; the only one if left out.
    terminal: Option<String>,
    /// The shape of its alerts, a text or an object with placeholders, where it is not the documented one.
    template: Option<Value>,
    /// What alerts call a symbol, and what the broker calls it.
    #[serde(default)]
    symbol_map: BTreeMap<String, String>,
    /// The key that it acts under; one of its own if left out.
    #[schema(value_type = Option<String>)]
    key: Option<KeyId>,
    /// Of its own key: `trade:write`, or `trade:reduce` for one that closes alone.
    permissions: Option<Vec<Permission>>,
    /// Of its own key.
    #[serde(default, deserialize_with = "object_or_null")]
    limits: Option<Limits>,
    /// Its own key is for demo accounts only.
    #[serde(default)]
    test: bool,
    /// Alerts are read and written down, and nothing is sent.
    #[serde(default)]
    dry_run: bool,
    /// Networks that it takes alerts from; `tradingview` stands for those that TradingView publishes. All if left out.
    #[serde(default)]
    ips: Vec<String>,
    /// What holds for an alert that does not say.
    #[serde(default, deserialize_with = "object")]
    defaults: Defaults,
}

/// Each member: left out it stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = HookChange)]
#[serde(default, deny_unknown_fields)]
struct ChangeBody {
    /// What a person calls it.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    /// As in paths; `-` for the only one.
    terminal: Option<String>,
    /// Null for the documented shape.
    #[schema(value_type = Option<Value>)]
    #[serde(deserialize_with = "nullable")]
    template: Option<Option<Value>>,
    /// All of it.
    symbol_map: Option<BTreeMap<String, String>>,
    /// Whether nothing is sent.
    dry_run: Option<bool>,
    /// All of them.
    ips: Option<Vec<String>>,
    /// All of them.
    #[serde(deserialize_with = "object_or_null")]
    defaults: Option<Defaults>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceivedQuery {
    /// Rows, 50 if left out.
    #[param(minimum = 0)]
    limit: Option<usize>,
}

/// `POST /api/v1/hooks` → 201; the only answer that ever shows the address.
#[utoipa::path(
    post,
    path = "/api/v1/hooks",
    operation_id = "createHook",
    tag = "Hooks",
    summary = "Make an address for alerts",
    description = "The only answer that shows `url`.",
    request_body = CreateBody,
    responses(
        (status = 201, description = "The hook, with its address.", body = super::openapi::schemas::Hook),
        (status = "4XX", description = "terminal store"),
    )
)]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let body: CreateBody = body.read()?;
    let name = checked_name(&body.name)?.to_owned();
    most(state.hooks.of(caller.tenant()).len(), HOOKS_MAX, "hooks")?;
    let new = NewHook {
        owner: caller.key.owner,
        terminal: body.terminal.as_deref().map(|text| terminal(&state, &caller, text)).transpose()?.flatten(),
        key: KeyId::HUB,
        own_key: body.key.is_none(),
        template: body.template.as_ref().map(template).transpose()?,
        symbol_map: checked_map(body.symbol_map)?,
        dry_run: body.dry_run,
        ips: networks(&body.ips)?,
        defaults: checked_defaults(body.defaults)?,
        name,
    };
    let key = match body.key {
        Some(_) if body.permissions.is_some() || body.limits.is_some() || body.test => {
            return Err(ApiError::field("key", "cannot stand beside permissions, limits or test: the key has its own"));
        }
        Some(id) => {
            let key = state.access.key(id).filter(|key| key.owner == caller.key.owner && key.is_valid(state.clock.wall()));
            let key = key
                .ok_or_else(|| ApiError::field("key", "must be the id of a valid key; leave it out for one of the hook's own"))?;
            if !key.may(Permission::TradeReduce) {
                return Err(ApiError::field("key", "must be of a key that may trade: trade:write or trade:reduce"));
            }
            super::keys::within(&caller, &NewKey::like(&key))?;
            key.id
        }
        None => own_key(&state, &caller, &new.name, (body.permissions, body.limits, body.test)).await?,
    };
    let (hook, secret) = state.hooks.create(NewHook { key, ..new }, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&hook, &secret, &headers))))
}

/// A key that nobody has the secret of: it stands for the hook wherever a key stands for a bot.
async fn own_key(
    state: &ApiState,
    caller: &Caller,
    name: &str,
    (permissions, limits, test): (Option<Vec<Permission>>, Option<Limits>, bool),
) -> ApiResult<KeyId> {
    let permissions = permissions.unwrap_or_else(|| vec![Permission::TradeWrite]);
    if permissions.is_empty() || !permissions.iter().all(|held| matches!(held, Permission::TradeWrite | Permission::TradeReduce))
    {
        return Err(ApiError::field("permissions", "of a hook are trade:write or trade:reduce: it does nothing else"));
    }
    let limits = limits.unwrap_or_else(|| caller.key.limits.clone());
    let problems = limits.problems();
    if !problems.is_empty() {
        return Err(ApiError::fields(&problems));
    }
    let new = NewKey {
        name: format!("hook {name}").trim().to_owned(),
        permissions,
        reach: if test { Reach::Test } else { Reach::Live },
        // As its maker: whoever is bound by these must not free themselves by a hook.
        expires_at: caller.key.expires_at,
        limits,
        plan: caller.key.plan.min(state.access.ceiling(caller.tenant())),
        scope: Scope { ips: caller.key.scope.ips.clone(), ..Scope::default() },
    };
    super::keys::within(caller, &new)?;
    super::keys::has_room(state, caller)?;
    // The secret is drawn and forgotten.
    let (key, _) = state.access.mint_key(new, caller.tenant(), &caller.actor()).await?;
    Ok(key.id)
}

/// `GET /api/v1/hooks`
#[utoipa::path(
    get,
    path = "/api/v1/hooks",
    operation_id = "listHooks",
    tag = "Hooks",
    summary = "Hooks",
    description = "",
    responses(
        (status = 200, description = "The hooks.", body = super::openapi::schemas::List<super::openapi::schemas::Hook>),
        (status = "4XX", description = ""),
    )
)]
pub(super) async fn list_hooks(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    Json(list(state.hooks.of(caller.key.owner).iter().map(|hook| row(hook)).collect(), None, state.clock.wall()))
}

/// `GET /api/v1/hooks/{id}`
#[utoipa::path(
    get,
    path = "/api/v1/hooks/{id}",
    operation_id = "getHook",
    tag = "Hooks",
    summary = "One hook",
    description = "",
    responses(
        (status = 200, description = "The hook.", body = super::openapi::schemas::Hook),
        (status = "4XX", description = "not_found"),
    )
)]
pub(super) async fn get_hook(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    Ok(Json(row(owned(&state, &caller, &id)?.as_ref())))
}

/// `PATCH /api/v1/hooks/{id}`
#[utoipa::path(
    patch,
    path = "/api/v1/hooks/{id}",
    operation_id = "changeHook",
    tag = "Hooks",
    summary = "Change a hook",
    description = "What is left out stays as it is.",
    request_body = ChangeBody,
    responses(
        (status = 200, description = "The hook.", body = super::openapi::schemas::Hook),
        (status = "4XX", description = "bodiless not_found terminal store"),
    )
)]
pub(super) async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let id = owned(&state, &caller, &id)?.id;
    let body: ChangeBody = body.read()?;
    let name = body.name.as_deref().map(checked_name).transpose()?.map(str::to_owned);
    let terminal = body.terminal.as_deref().map(|text| terminal(&state, &caller, text)).transpose()?;
    let template = body.template.map(|new| new.as_ref().map(template).transpose()).transpose()?;
    let symbol_map = body.symbol_map.map(checked_map).transpose()?;
    let ips = body.ips.as_deref().map(networks).transpose()?;
    let defaults = body.defaults.map(checked_defaults).transpose()?;
    let change = |hook: Hook| Hook {
        name: name.unwrap_or(hook.name),
        terminal: terminal.unwrap_or(hook.terminal),
        template: template.unwrap_or(hook.template),
        symbol_map: symbol_map.unwrap_or(hook.symbol_map),
        dry_run: body.dry_run.unwrap_or(hook.dry_run),
        ips: ips.unwrap_or(hook.ips),
        defaults: defaults.unwrap_or(hook.defaults),
        ..hook
    };
    Ok(Json(row(state.hooks.change(id, change, &caller.actor()).await?.as_ref())))
}

/// `POST /api/v1/hooks/{id}/rotate {overlap_s?}` → 201 with the new address.
#[utoipa::path(
    post,
    path = "/api/v1/hooks/{id}/rotate",
    operation_id = "rotateHook",
    tag = "Hooks",
    summary = "A new address",
    description = "The old one stays good for a while.",
    request_body = RotateBody,
    responses(
        (status = 201, description = "The hook, with its new address.", body = super::openapi::schemas::Hook),
        (status = "4XX", description = "bodiless not_found store"),
    )
)]
pub(super) async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let id = owned(&state, &caller, &id)?.id;
    let overlap = body.read::<RotateBody>()?.overlap()?;
    let (hook, secret) = state.hooks.rotate(id, overlap, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&hook, &secret, &headers))))
}

/// `DELETE /api/v1/hooks/{id}` → 204. When it returns, nothing comes through it any more.
#[utoipa::path(
    delete,
    path = "/api/v1/hooks/{id}",
    operation_id = "deleteHook",
    tag = "Hooks",
    summary = "Delete a hook",
    description = "When it returns, nothing comes through it any more.",
    responses(
        (status = 204, description = "It is gone."),
        (status = "4XX", description = "not_found revoked store"),
    )
)]
pub(super) async fn remove(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<StatusCode> {
    let hook = owned(&state, &caller, &id)?;
    // The key first: an alert on its way then finds none.
    if hook.own_key {
        state.access.revoke_key(hook.key, &caller.actor()).await?;
    }
    state.hooks.delete(hook.id, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/hooks/{id}/received?limit=`, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/hooks/{id}/received",
    operation_id = "listReceivedAlerts",
    tag = "Hooks",
    summary = "What came to a hook",
    description = "Newest first.",
    params(ReceivedQuery),
    responses(
        (status = 200, description = "The alerts.", body = super::openapi::schemas::List<super::openapi::schemas::ReceivedAlert>),
        (status = "4XX", description = "not_found store"),
    )
)]
pub(super) async fn received(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    Params(query): Params<ReceivedQuery>,
) -> ApiResult<Json<Value>> {
    let hook = owned(&state, &caller, &id)?;
    let rows = state.hooks.received(hook.id, query.limit.unwrap_or(50).clamp(1, KEPT)).await?;
    Ok(Json(list(rows.iter().map(received_json).collect(), None, state.clock.wall())))
}

fn received_json(received: &Received) -> Value {
    let outcome = &received.outcome;
    let plan: Value = serde_json::from_str(&outcome.plan).unwrap_or(Value::Null);
    let or_null = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    json!({
        "alert": received.id,
        "at": rfc3339(received.at),
        "from": received.from,
        "text": received.text,
        "state": outcome.state,
        "code": or_null(&outcome.code),
        "detail": or_null(&outcome.detail),
        "plan": plan,
        "commands": outcome.commands,
        "repeats": outcome.repeats,
    })
}

fn owned(state: &ApiState, caller: &Caller, id: &str) -> ApiResult<Arc<Hook>> {
    let unknown = || ApiError::not_found("there is no hook with this id");
    let id: HookId = id.parse().map_err(|_| unknown())?;
    state.hooks.get(id).filter(|hook| hook.owner == caller.key.owner).ok_or_else(unknown)
}

/// The token of a terminal; none for the only one there is.
fn terminal(state: &ApiState, caller: &Caller, text: &str) -> ApiResult<Option<TokenId>> {
    if text == "-" {
        return Ok(None);
    }
    Ok(Some(resolve::terminal(state, caller, text, Purpose::Trade)?.token.id))
}

/// A template as it is kept: text as it is, JSON as text.
fn template(value: &Value) -> ApiResult<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Object(_) => value.to_string(),
        _ => return Err(ApiError::field("template", "must be a text or a JSON object")),
    };
    if text.len() > TEMPLATE_MAX {
        return Err(ApiError::field("template", format!("must be at most {TEMPLATE_MAX} bytes")));
    }
    Template::parse(&text).map_err(|detail| ApiError::field("template", detail))?;
    Ok(text)
}

fn checked_map(map: BTreeMap<String, String>) -> ApiResult<BTreeMap<String, String>> {
    let bad = |name: &String| name.is_empty() || name.len() > 64 || name.chars().any(char::is_control);
    if map.len() > SYMBOLS_MAX || map.iter().any(|(from, to)| bad(from) || bad(to)) {
        return Err(ApiError::field(
            "symbol_map",
            format!("must be at most {SYMBOLS_MAX} pairs of names, 1 to 64 printable characters each"),
        ));
    }
    Ok(map)
}

fn checked_defaults(defaults: Defaults) -> ApiResult<Defaults> {
    let problems = defaults.problems();
    if problems.is_empty() { Ok(defaults) } else { Err(ApiError::fields(&problems)) }
}

/// Networks and addresses; `tradingview` stands for the ones that it publishes.
fn networks(texts: &[String]) -> ApiResult<Vec<IpNet>> {
    let mut found = Vec::new();
    for text in texts {
        if text == "tradingview" {
            found.extend(
                TRADINGVIEW
                    .iter()
                    .filter_map(|address| address.parse().ok())
                    .map(|address: std::net::IpAddr| IpNet::from(address)),
            );
            continue;
        }
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        found.push(network.map_err(|_| {
            ApiError::field("ips", format!("has `{text}`, which is neither an address, nor a network, nor tradingview"))
        })?);
    }
    Ok(found)
}

/// The row with the address, as the only answer that shows it.
fn minted(hook: &Hook, secret: &Secret, headers: &HeaderMap) -> Value {
    let path = format!("/hooks/tradingview/{}/{}", hook.id, secret.reveal());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let local = ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local));
    let mut row = row(hook);
    row["url"] = json!(format!("{}://{host}{path}", if local { "http" } else { "https" }));
    row["path"] = json!(path);
    row
}

fn row(hook: &Hook) -> Value {
    json!({
        "id": hook.id,
        "name": hook.name,
        "kind": "tradingview",
        "prefix": hook.prefix,
        "terminal": hook.terminal.map_or_else(|| "-".to_owned(), |id| id.to_string()),
        "key": hook.key,
        "own_key": hook.own_key,
        "template": hook.template,
        "symbol_map": hook.symbol_map,
        "dry_run": hook.dry_run,
        "ips": hook.ips,
        "defaults": hook.defaults,
        "previous_until": hook.previous.as_ref().map(|previous| rfc3339(previous.until)),
        "created_at": rfc3339(hook.created_at),
    })
}
