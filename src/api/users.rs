//! Users: list, create, change, reset, delete. Whoever runs the hub reaches all of them, an owner the viewers of what is theirs.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::{Caller, operators_only},
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path},
    json::{list, rfc3339, rfc3339_or_null},
    tokens::checked_name,
};
use crate::{
    access::{
        secret::Secret,
        users::{NewUser, UserError, checked_login},
    },
    domain::{
        ids::{OwnerId, UserId},
        user::{Role, User},
    },
    hub::SessionHandle,
    protocol::CloseReason,
};

/// What a login must be.
pub(super) const LOGIN_RULE: &str = "must be 1 to 64 letters, digits and . _ - + @";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    login: String,
    #[serde(default)]
    name: String,
    role: Role,
    /// Whose things a viewer looks at; the caller's own, if left out.
    #[serde(default)]
    of: Option<UserId>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChangeBody {
    name: Option<String>,
    role: Option<Role>,
    disabled: Option<bool>,
}

impl From<UserError> for ApiError {
    fn from(error: UserError) -> Self {
        let conflict = |code, error: &UserError| Self::new(StatusCode::CONFLICT, code, error.to_string());
        match error {
            UserError::LoginTaken => conflict("login_taken", &error),
            UserError::RoleFixed => conflict("role_fixed", &error),
            UserError::LastOwner => conflict("last_owner", &error),
            UserError::Access(error) => error.into(),
        }
    }
}

/// `GET /api/v1/users`
pub(super) async fn list_users(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    let users = state.access.users();
    let rows = users.iter().filter(|user| reaches(&caller, user)).map(|user| row(user)).collect();
    Json(list(rows, None, state.clock.wall()))
}

/// `POST /api/v1/users {login, role, name?, of?}` → 201 with the one-time code with which the user sets a password; shown this once.
pub(super) async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let body: CreateBody = body.read()?;
    caller.confirmed(&state)?;
    if !caller.operates() && (body.role != Role::Viewer || body.of.is_some()) {
        return Err(operators_only());
    }
    let login = checked_login(&body.login).ok_or_else(|| ApiError::field("login", LOGIN_RULE))?;
    let name = checked_name(&body.name)?.to_owned();
    let tenant = match body.of {
        None => caller.tenant(),
        Some(_) if body.role != Role::Viewer => return Err(ApiError::field("of", "is for a viewer only")),
        Some(id) => {
            let whose = state.access.user(id).filter(|user| user.role != Role::Viewer);
            whose.ok_or_else(|| ApiError::field("of", "names no user who owns something"))?.tenant
        }
    };
    let (user, code) = state.access.create_user(NewUser { login, name, role: body.role, tenant }, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(with_code(&user, &code))))
}

/// `PATCH /api/v1/users/{id} {name?, role?, disabled?}`. When `disabled` answers, the user's logins have ended, and where the tenant is
/// theirs its keys are refused and its terminals cut.
pub(super) async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let mut user = reached(&state, &caller, &id)?;
    let body: ChangeBody = body.read()?;
    if body.name.is_none() && body.role.is_none() && body.disabled.is_none() {
        return Err(ApiError::field("name", "or role or disabled must be given"));
    }
    let (id, actor) = (user.id, caller.actor());
    if let Some(name) = &body.name {
        user = state.access.rename_user(id, checked_name(name)?, &actor).await?;
    }
    if let Some(role) = body.role {
        caller.confirmed(&state)?;
        if !caller.operates() {
            return Err(operators_only());
        }
        user = state.access.set_role(id, role, &actor).await?;
    }
    if let Some(disable) = body.disabled {
        caller.confirmed(&state)?;
        not_oneself(&caller, id)?;
        user = state.access.disable_user(id, disable, &actor).await?;
        if disable {
            stop_terminals(&state, &user).await;
        }
    }
    Ok(Json(row(&user)))
}

/// `POST /api/v1/users/{id}/reset` → 201 with a new one-time code; the password is gone and every login ended.
pub(super) async fn reset(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let user = reached(&state, &caller, &id)?;
    caller.confirmed(&state)?;
    let (user, code) = state.access.reset_user(user.id, &caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(with_code(&user, &code))))
}

/// `DELETE /api/v1/users/{id}` → 204: as disabled, and for good.
pub(super) async fn delete(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<StatusCode> {
    let user = reached(&state, &caller, &id)?;
    caller.confirmed(&state)?;
    not_oneself(&caller, user.id)?;
    let user = state.access.delete_user(user.id, &caller.actor()).await?;
    stop_terminals(&state, &user).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever locks themselves out by mistake cannot take it back.
fn not_oneself(caller: &Caller, id: UserId) -> ApiResult<()> {
    if caller.person.as_ref().is_some_and(|person| person.user.id == id) {
        return Err(ApiError::new(StatusCode::CONFLICT, "oneself", "you cannot disable or delete yourself"));
    }
    Ok(())
}

/// Cuts what is connected, after the record that no longer admits it; who enters at this moment sees that record.
async fn stop_terminals(state: &ApiState, user: &User) {
    if user.tenant == OwnerId::SELF || user.role == Role::Viewer {
        return;
    }
    let theirs: Vec<_> = state.hub.sessions().into_iter().filter(|session| session.owner() == user.tenant).collect();
    let asked = theirs.iter().filter(|session| SessionHandle::begin_farewell(session)).map(|session| async {
        state.trading.ask_before_cut(session).await;
        // Disabled, or deleted for good.
        session.cut(state.access.recheck(session.token(), session.account()).err().unwrap_or(CloseReason::OwnerDisabled));
    });
    futures_util::future::join_all(asked).await;
}

fn reaches(caller: &Caller, user: &User) -> bool {
    caller.operates() || (user.tenant == caller.tenant())
}

fn reached(state: &ApiState, caller: &Caller, id: &str) -> ApiResult<Arc<User>> {
    let unknown = || ApiError::not_found("there is no user with this id");
    let id: UserId = id.parse().map_err(|_| unknown())?;
    let user = state.access.user(id).filter(|user| reaches(caller, user)).ok_or_else(unknown)?;
    // An owner sees themselves in the list; what they may do with themselves is the session's business.
    if caller.operates() || user.role == Role::Viewer { Ok(user) } else { Err(operators_only()) }
}

fn with_code(user: &User, code: &Secret) -> Value {
    let mut row = row(user);
    row["setup_code"] = json!(code.reveal());
    row
}

/// A user as they are shown.
pub(super) fn row(user: &User) -> Value {
    let state = match (user.is_active(), user.password.is_some()) {
        (false, _) => "disabled",
        (true, true) => "active",
        (true, false) => "invited",
    };
    json!({
        "id": user.id,
        "login": user.login,
        "name": user.name,
        "role": user.role,
        "tenant": user.tenant,
        "operator": user.operates(),
        "state": state,
        "created_at": rfc3339(user.created_at),
        "password_set_at": rfc3339_or_null(user.password_set_at),
        "setup_expires_at": rfc3339_or_null(user.setup.as_ref().map(|code| code.expires_at)),
        "disabled_at": rfc3339_or_null(user.disabled_at),
    })
}
