//! The controls: kill switch, dead-man timer, incidents. What each promises is in `docs/safety.md`.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    ApiState,
    auth::{Caller, operators_only},
    error::{ApiError, ApiResult},
    extract::{JsonBody, Params},
    json::{list, rfc3339, rfc3339_or_null},
    resolve::{self, Purpose},
};
use crate::{
    domain::{
        account::Account,
        api_key::{Permission, Reach},
        ids::{IncidentId, KeyId, OwnerId},
        safety::{Deadman, Incident, IncidentKind, KillLevel, KillScope, KillSwitch},
    },
    events::view::{self, incident_json},
    trading::{KillError, Timer},
};

/// Longest reason.
const REASON_MAX: usize = 500;
/// Longest time that a dead-man timer can be set to, seconds.
const TIMEOUT_MAX_S: u32 = 300;

/// A reason that people can read back.
pub(super) fn checked_reason(reason: &str) -> ApiResult<&str> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX || reason.chars().any(char::is_control) {
        return Err(ApiError::field("reason", "is required: 1 to 500 printable characters"));
    }
    Ok(reason)
}

/// Whether an account exists for this caller: a key for demo accounts, or for some, does not see the others.
fn sees(state: &ApiState, caller: &Caller, account: &Account) -> bool {
    if !caller.key.allows_account(account) {
        return false;
    }
    let tokens = state.access.tokens_of_login(account.login);
    caller.key.reach == Reach::Live
        || tokens.iter().any(|token| caller.sees(token) && token.lock.as_ref().is_some_and(|lock| lock.account == *account))
}

/// Whether a switch of this scope exists for a caller.
pub(super) fn sees_scope(state: &ApiState, caller: &Caller, scope: &KillScope) -> bool {
    match scope {
        KillScope::Account(owner, account) => *owner == caller.tenant() && sees(state, caller, account),
        KillScope::Owner(owner) => *owner == caller.tenant(),
        KillScope::Key(line) => {
            let ours = state.access.key(*line).is_some_and(|key| key.owner == caller.tenant());
            let shown = *line == caller.key.line() || caller.key.may(Permission::Admin) || caller.only_looks();
            ours && shown
        }
        KillScope::Hub => true,
    }
}

/// A switch; of the whole hub's a tenant learns that it is on and why, not which key of another's did it.
pub(super) fn switch_json(caller: &Caller, switch: &KillSwitch) -> Value {
    let mut row = view::switch_json(switch);
    if switch.scope == KillScope::Hub && caller.tenant() != OwnerId::SELF {
        row["by"] = json!("hub");
    }
    row
}

/// `GET /api/v1/kill-switch`: those that are on.
pub(super) async fn list_switches(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    let switches = state.trading.kill_switches();
    let seen = switches.iter().filter(|switch| sees_scope(&state, &caller, &switch.scope));
    let rows = seen.map(|switch| switch_json(&caller, switch)).collect();
    Json(list(rows, None, state.clock.wall()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchBody {
    #[serde(default)]
    scope: Option<String>,
    level: KillLevel,
    reason: String,
}

/// `POST /api/v1/kill-switch {scope?, level, reason}`: raising needs `trade:reduce`, lowering `admin`, and of a person their password just
/// given; the whole hub's is for whoever runs it. When it answers, nothing that it
/// forbids is sent any more.
pub(super) async fn set_switch(State(state): State<ApiState>, caller: Caller, body: JsonBody) -> ApiResult<Json<Value>> {
    let body: SwitchBody = body.read()?;
    let scope = kill_scope(&state, &caller, body.scope.as_deref())?;
    if matches!(scope, KillScope::Key(_)) && body.level > KillLevel::Block {
        return Err(ApiError::field(
            "level",
            "of a key can only be block: whose an open position is cannot be told; use the account's",
        ));
    }
    within_symbols(&caller, &scope, "level", body.level)?;
    let reason = checked_reason(&body.reason)?;
    let is_admin = caller.key.may(Permission::Admin);
    let confirmed = caller.confirmed(&state);
    let may_lower = is_admin && confirmed.is_ok();
    let set = state.trading.set_kill(scope.clone(), body.level, reason, &caller.actor(), may_lower).await;
    if is_admin && matches!(set, Err(KillError::MayNotLower(_))) {
        confirmed?;
    }
    let off = || json!({"scope": scope.to_string(), "level": 0, "level_name": KillLevel::Off.name()});
    Ok(Json(set?.as_ref().map_or_else(off, |switch| switch_json(&caller, switch))))
}

/// Which scope a caller means, and may.
fn kill_scope(state: &ApiState, caller: &Caller, text: Option<&str>) -> ApiResult<KillScope> {
    let owner = caller.tenant();
    let scope = match text {
        None | Some("owner") => KillScope::Owner(owner),
        Some("hub") if !caller.operates() => return Err(operators_only()),
        Some("hub") => KillScope::Hub,
        Some("key") => KillScope::Key(caller.key.line()),
        Some(text) if text.starts_with(KeyId::PREFIX) => {
            let key = text.parse().ok().and_then(|id| state.access.key(id)).filter(|key| key.owner == owner);
            let line = key.map(|key| key.line()).filter(|line| *line == caller.key.line() || caller.key.may(Permission::Admin));
            KillScope::Key(line.ok_or_else(|| ApiError::field("scope", "names no key that this one may stop"))?)
        }
        // Offline and disconnected accounts too: a switch that stands before its terminal comes is the better one.
        Some(text) => {
            let account = text.split_once('@').and_then(|(login, server)| Account::new(login.parse().ok()?, server).ok());
            let known = account.filter(|account| sees(state, caller, account));
            let wrong =
                || ApiError::field("scope", "must be hub, owner, key, the id of a key, or number@server of an account of yours");
            KillScope::Account(owner, known.ok_or_else(wrong)?)
        }
    };
    if matches!(scope, KillScope::Hub | KillScope::Owner(_)) {
        if caller.key.reach == Reach::Test {
            return Err(ApiError::field("scope", "of a test key must be one demo account, number@server, or key"));
        }
        if caller.key.scope.accounts.is_some() {
            return Err(ApiError::field("scope", "of a key for some accounts must be one of these, number@server, or key"));
        }
    }
    Ok(scope)
}

/// Cancelling and flattening touch every order and position of an account, so a key for some symbols may only block.
fn within_symbols(caller: &Caller, scope: &KillScope, field: &str, level: KillLevel) -> ApiResult<()> {
    if caller.key.scope.symbols.is_none() || level <= KillLevel::Block || matches!(scope, KillScope::Key(_)) {
        return Ok(());
    }
    Err(ApiError::field(field, "of a key for some symbols can only be block: more would touch the others; use close-all"))
}

fn timer_json(timer: &Timer) -> Value {
    let record = &timer.record;
    let left = timer.fires_at.map(|at| u64::try_from(at.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(0));
    json!({
        "key": record.key,
        "scope": record.scope.to_string(),
        "state": if timer.fires_at.is_some() { "armed" } else { "fired" },
        "timeout_s": f64::from(record.timeout_ms) / 1_000.0,
        "action": record.action,
        "armed_at": rfc3339(record.armed_at),
        "fired_at": rfc3339_or_null(record.fired_at),
        "remaining_ms": left,
    })
}

/// `GET /api/v1/deadman`
pub(super) async fn list_deadmen(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    let timers = state.trading.deadmen();
    let seen = |timer: &&Timer| sees_scope(&state, &caller, &timer.record.scope);
    Json(list(timers.iter().filter(seen).map(timer_json).collect(), None, state.clock.wall()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadmanBody {
    timeout_s: u32,
    #[serde(default = "block")]
    action: KillLevel,
    #[serde(default)]
    terminal: Option<String>,
}

const fn block() -> KillLevel {
    KillLevel::Block
}

/// `POST /api/v1/deadman {timeout_s, action?, terminal?}`: arms the caller's timer, pushes it on, or with 0 lets it go.
pub(super) async fn arm_deadman(State(state): State<ApiState>, caller: Caller, body: JsonBody) -> ApiResult<Json<Value>> {
    let body: DeadmanBody = body.read()?;
    if body.timeout_s > TIMEOUT_MAX_S {
        return Err(ApiError::field("timeout_s", "must be 1 to 300, or 0 to disarm"));
    }
    if body.action == KillLevel::Off {
        return Err(ApiError::field("action", "must be block, cancel or flatten"));
    }
    let scope = match &body.terminal {
        Some(terminal) => {
            let target = resolve::terminal(&state, &caller, terminal, Purpose::Trade)?;
            KillScope::Account(target.token.owner, target.account)
        }
        None => kill_scope(&state, &caller, None)?,
    };
    within_symbols(&caller, &scope, "action", body.action)?;
    if body.timeout_s == 0 {
        state.trading.disarm_deadman(caller.key.line(), &scope).await?;
        return Ok(Json(json!({"key": caller.key.line(), "scope": scope.to_string(), "state": "off"})));
    }
    let (timeout_ms, armed_at) = (body.timeout_s * 1_000, state.clock.wall());
    let record = Deadman { key: caller.key.line(), scope, timeout_ms, action: body.action, armed_at, fired_at: None };
    Ok(Json(timer_json(&state.trading.arm_deadman(record).await?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IncidentsQuery {
    account: Option<String>,
    kind: Option<IncidentKind>,
    limit: Option<usize>,
    cursor: Option<IncidentId>,
}

/// `GET /api/v1/incidents?account=&kind=&limit=&cursor=`, oldest first.
pub(super) async fn list_incidents(
    State(state): State<ApiState>,
    caller: Caller,
    Params(query): Params<IncidentsQuery>,
) -> ApiResult<Json<Value>> {
    let limit = query.limit.unwrap_or(100).clamp(1, 500);
    let wanted = |incident: &Incident| {
        let account = &incident.account;
        let named = query.account.as_ref().is_none_or(|text| *text == account.to_string() || *text == account.login.to_string());
        let kind = query.kind.is_none_or(|kind| kind == incident.kind);
        incident.owner == caller.tenant() && named && kind && sees(&state, &caller, account)
    };
    let (incidents, next) = state.trading.incidents(query.cursor, limit, wanted).await?;
    let rows = incidents.iter().map(incident_json);
    Ok(Json(list(rows.collect(), next.map(|id| id.to_string()), state.clock.wall())))
}
