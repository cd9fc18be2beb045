//! Connection tokens: create, list, rename, disconnect, rotate, revoke.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path},
    json::{list, rfc3339, rfc3339_or_null},
    link,
    terminals::{last_seen, rtt_ms, state_of},
};
use crate::{
    access::{History, secret::Secret},
    domain::{
        account::Account,
        ids::{OwnerId, TokenId},
        token::Token,
    },
    hub::SessionHandle,
    protocol::CloseReason,
};

/// Overlap of a rotation that names none, and the longest: a day to visit the terminal, a week at most.
const OVERLAP_DEFAULT_S: u64 = 86_400;
const OVERLAP_MAX_S: u64 = 7 * 86_400;
const NAME_MAX: usize = 100;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = NewToken)]
#[serde(default, deny_unknown_fields)]
struct CreateBody {
    /// What a person calls it.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RenameToken)]
#[serde(deny_unknown_fields)]
struct RenameBody {
    /// What a person calls it.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DisconnectToken)]
#[serde(deny_unknown_fields)]
struct DisconnectBody {
    /// Whether what was recorded of the account stays.
    history: History,
}

/// Body of both kinds of rotation.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Rotate)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RotateBody {
    /// Seconds for which the old one stays good. A day if left out, a week at most.
    #[schema(maximum = 604800)]
    overlap_s: Option<u64>,
}

impl RotateBody {
    pub(super) fn overlap(&self) -> ApiResult<Duration> {
        let seconds = self.overlap_s.unwrap_or(OVERLAP_DEFAULT_S);
        if seconds > OVERLAP_MAX_S {
            return Err(ApiError::field("overlap_s", format!("must be 0 to {OVERLAP_MAX_S} (a week)")));
        }
        Ok(Duration::from_secs(seconds))
    }
}

/// A name that people can read back.
pub(super) fn checked_name(name: &str) -> ApiResult<&str> {
    let name = name.trim();
    if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(ApiError::field("name", "must be at most 100 printable characters"));
    }
    Ok(name)
}

/// `POST /api/v1/tokens {name?}` → 201; the only answer that ever shows the token.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    operation_id = "createToken",
    tag = "Tokens",
    summary = "Make a connection token",
    description = "The only answer that shows `token`.",
    request_body = CreateBody,
    responses(
        (status = 201, description = "The token, with its secret.", body = super::openapi::schemas::Token),
        (status = "4XX", description = "body bodiless store"),
    )
)]
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let body: CreateBody = body.read()?;
    let (token, secret) = state.access.mint_token(checked_name(&body.name)?, caller.tenant(), &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &token, &secret))))
}

fn minted(state: &ApiState, token: &Token, secret: &Secret) -> Value {
    let mut row = row(state, token);
    row["token"] = json!(secret.reveal());
    row
}

/// `GET /api/v1/tokens`
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    operation_id = "listTokens",
    tag = "Tokens",
    summary = "Connection tokens",
    description = "",
    responses(
        (status = 200, description = "The tokens.", body = super::openapi::schemas::List<super::openapi::schemas::Token>),
    )
)]
pub(super) async fn list_tokens(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    Json(list(rows(&state, &caller), None, state.clock.wall()))
}

/// The caller's tokens, one row each.
pub(super) fn rows(state: &ApiState, caller: &Caller) -> Vec<Value> {
    let tokens = state.access.tokens();
    tokens.iter().filter(|token| token.owner == caller.tenant()).map(|token| row(state, token)).collect()
}

/// `GET /api/v1/tokens/{id}`
#[utoipa::path(
    get,
    path = "/api/v1/tokens/{id}",
    operation_id = "getToken",
    tag = "Tokens",
    summary = "One connection token",
    description = "",
    responses(
        (status = 200, description = "The token.", body = super::openapi::schemas::Token),
        (status = "4XX", description = "not_found"),
    )
)]
pub(super) async fn get_token(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    Ok(Json(row(&state, owned(&state, &caller, &id)?.as_ref())))
}

/// `PATCH /api/v1/tokens/{id} {name}`
#[utoipa::path(
    patch,
    path = "/api/v1/tokens/{id}",
    operation_id = "renameToken",
    tag = "Tokens",
    summary = "Rename a token",
    description = "",
    request_body = RenameBody,
    responses(
        (status = 200, description = "The token.", body = super::openapi::schemas::Token),
        (status = "4XX", description = "body not_found revoked store"),
    )
)]
pub(super) async fn rename(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let id = owned(&state, &caller, &id)?.id;
    let body: RenameBody = body.read()?;
    let token = state.access.rename_token(id, checked_name(&body.name)?, &caller.actor()).await?;
    Ok(Json(row(&state, &token)))
}

/// `POST /api/v1/tokens/{id}/disconnect {"history":"keep"|"delete"}`: the token is pending again.
#[utoipa::path(
    post,
    path = "/api/v1/tokens/{id}/disconnect",
    operation_id = "disconnectToken",
    tag = "Tokens",
    summary = "Free a token from its account",
    description = "The terminal is cut, and the token pending again.",
    request_body = DisconnectBody,
    responses(
        (status = 200, description = "The token.", body = super::openapi::schemas::Token),
        (status = "4XX", description = "body not_found not_locked commands_open kill_switch revoked expired/409 store"),
    )
)]
pub(super) async fn disconnect(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let token = owned(&state, &caller, &id)?;
    let DisconnectBody { history } = body.read()?;
    if history == History::Delete {
        caller.confirmed(&state)?;
    }
    let Some(lock) = &token.lock else { return Err(crate::access::AccessError::NotLocked.into()) };
    let account = lock.account.clone();
    // From here on no command begins on this account, so what is not open now will not be.
    let _stopped = state.trading.stop_account(token.owner, &account);
    let open = state.trading.open_commands(token.owner, &account);
    if !open.is_empty() {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "commands_open",
            "commands of this account have no outcome yet; wait for them, then disconnect",
        )
        .with("commands", json!(open)));
    }
    // The latch is among what would be deleted, and only a person with a reason lifts it. Asked before anything is deleted...
    let may_delete = || match history {
        History::Delete => no_switch(&state, token.owner, &account),
        History::Keep => Ok(()),
    };
    may_delete()?;
    // The audit says how much it was: afterwards nobody can tell.
    let mut gone = "history kept".to_owned();
    // Held until the token is unlocked, so that nothing that the terminal still says is written down after it was deleted.
    let held = match history {
        History::Delete => {
            let commands = state.trading.count_commands(token.owner, &account).await?;
            let mut held = state.history.hold(token.owner, &account).await;
            let rows = held.forget().await?;
            gone = format!("history deleted: {commands} commands, {rows} rows of the trade history");
            // Last, since the equity of all waits for it.
            let equity = state.equity.hold(token.owner, &account).await;
            equity.forget().await?;
            Some((held, equity))
        }
        History::Keep => None,
    };
    // ...and again when none can be raised until the key of what is sealed is gone: one that an incident raises later is sealed anew. Not
    // held for longer, since every switch of the hub waits for it.
    let switches = match history {
        History::Delete => Some(state.trading.hold_switches().await),
        History::Keep => None,
    };
    may_delete()?;
    let token = state.access.unlock_token(token.id, history, &gone, &caller.actor()).await?;
    drop(switches);
    state.hub.cut(token.id, CloseReason::Disconnected);
    drop(held);
    if history == History::Delete {
        state.trading.forget_account(token.owner, &account).await?;
        state.bars.forget(token.owner, &account).await;
        state.hub.forget_account(&token, &account);
    }
    Ok(Json(row(&state, &token)))
}

/// An account whose own switch is on is not deleted.
fn no_switch(state: &ApiState, owner: OwnerId, account: &Account) -> ApiResult<()> {
    let Some(switch) = state.trading.account_switch(owner, account) else { return Ok(()) };
    Err(ApiError::new(
        StatusCode::CONFLICT,
        "kill_switch",
        format!("the account's kill switch stands at {} ({}): lift it first", switch.level.name(), switch.reason),
    ))
}

/// `POST /api/v1/tokens/{id}/rotate {overlap_s?}` → 201 with a new token of the same lock.
#[utoipa::path(
    post,
    path = "/api/v1/tokens/{id}/rotate",
    operation_id = "rotateToken",
    tag = "Tokens",
    summary = "Make a new token of the same lock",
    description = "The old one stays good for a while.",
    request_body = RotateBody,
    responses(
        (status = 201, description = "The new token, with its secret.", body = super::openapi::schemas::Token),
        (status = "4XX", description = "body bodiless not_found revoked expired/409 store"),
    )
)]
pub(super) async fn rotate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let id = owned(&state, &caller, &id)?.id;
    let overlap = body.read::<RotateBody>()?.overlap()?;
    let (token, secret) = state.access.rotate_token(id, overlap, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(minted(&state, &token, &secret))))
}

/// `DELETE /api/v1/tokens/{id}` → 204. When it returns nothing is admitted under the token and its socket is cut.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    operation_id = "revokeToken",
    tag = "Tokens",
    summary = "Revoke a token",
    description = "For good. When it answers nothing is admitted under it any more, and its terminal is cut.",
    responses(
        (status = 204, description = "It is revoked."),
        (status = "4XX", description = "not_found revoked store"),
    )
)]
pub(super) async fn revoke(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<StatusCode> {
    let id = owned(&state, &caller, &id)?.id;
    revoke_now(&state, id, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes a token for good. When it returns nothing is admitted under it and its socket is cut.
pub(super) async fn revoke_now(state: &ApiState, id: TokenId, actor: &str) -> ApiResult<Arc<Token>> {
    // Claimed before the record, so that whoever follows the store does not cut while the last questions are asked.
    let session = state.hub.of_token(id).filter(SessionHandle::begin_farewell);
    let token = match state.access.revoke_token(id, actor).await {
        Ok(token) => token,
        Err(error) => {
            session.inspect(SessionHandle::end_farewell);
            return Err(error.into());
        }
    };
    if let Some(session) = session {
        state.trading.ask_before_cut(&session).await;
    }
    // One that entered meanwhile has seen the record, or is cut here.
    state.hub.cut(id, CloseReason::TokenRevoked);
    Ok(token)
}

/// One of the caller's own, by its id.
pub(super) fn owned(state: &ApiState, caller: &Caller, id: &str) -> ApiResult<Arc<Token>> {
    let unknown = || ApiError::not_found("there is no token with this id");
    let id: TokenId = id.parse().map_err(|_| unknown())?;
    state.access.token(id).filter(|token| token.owner == caller.tenant()).ok_or_else(unknown)
}

pub(super) fn row(state: &ApiState, token: &Token) -> Value {
    let now = state.clock.wall();
    let session = state.hub.of_token(token.id);
    let warning = token.expiry_warning(now).map(|left| {
        let days = left / 86_400_000;
        json!({"code": "expires_soon", "days_left": days, "message": format!("expires in {days} days: rotate it and update the Expert Advisor")})
    });
    json!({
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "state": state_of(state, token, now),
        "account": token.lock.as_ref().map(|lock| &lock.account),
        "created_at": rfc3339(token.created_at),
        "expires_at": rfc3339(token.expires_at),
        "warning": warning,
        "locked_at": rfc3339_or_null(token.lock.as_ref().map(|lock| lock.locked_at)),
        "revoked_at": rfc3339_or_null(token.revoked_at),
        "successor": token.successor,
        "connected_at": rfc3339_or_null(session.as_ref().map(|session| session.connected_at())),
        "last_seen_at": rfc3339_or_null(last_seen(token, session.as_ref(), now)),
        "last_disconnect": token.last_disconnect,
        "last_refusal": link::last_refusal(state, token.id),
        "rtt_ms": session.as_ref().and_then(rtt_ms),
    })
}
