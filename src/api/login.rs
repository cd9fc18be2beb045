//! Logging in and out, who is logged in, and a user's own password and logins.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{FromRequest as _, Request, State},
    http::{StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    ApiState,
    auth::{Caller, Connection, Person},
    browser::{self, Strictness},
    denied,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path},
    json::{list, rfc3339, rfc3339_or_null},
    users,
};
use crate::{
    access::{LoginError, Newcomer, Password, logins::LiveLogin, users::checked_login},
    domain::{
        api_key::{ApiKey, Permission},
        ids::LoginId,
        user::User,
    },
    telemetry::metrics::count,
};

#[derive(Deserialize, ToSchema)]
#[schema(as = LogIn)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    /// The login name.
    login: String,
    /// The password.
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ConfirmPassword)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    /// The password.
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ChangePassword)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    /// The present one.
    current: String,
    /// The one to be; what is tried first is refused.
    #[schema(min_length = 12, max_length = 256)]
    new: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SetUp)]
#[serde(deny_unknown_fields)]
struct SetupBody {
    /// The one-time code, `set_…`.
    code: String,
    /// The password to be; what is tried first is refused.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
    /// The login name, for the first user of a hub.
    #[schema(pattern = r"^[A-Za-z0-9._+@-]{1,64}$")]
    login: Option<String>,
    /// What a person is called.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::new(StatusCode::UNAUTHORIZED, "login_failed", "login or password is wrong"),
            LoginError::TooMany(seconds) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_logins",
                format!("too many failed logins of this account from this address: try again in {seconds} s"),
            )
            .with("retry_after", seconds)
            .with_header(header::RETRY_AFTER, seconds.into()),
            LoginError::Throttled(wait) => denied::too_many(wait, "not logged in"),
            LoginError::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "login_busy",
                "too many logins are under way at once; try again in a moment",
            )
            .with_header(header::RETRY_AFTER, 5.into()),
            LoginError::Weak(why) => Self::field("password", why.to_string()),
            LoginError::User(error) => error.into(),
        }
    }
}

/// Where a call comes from, for those that no layer has looked at, and its body. A page of another origin does not get that far.
async fn from_a_stranger(state: &ApiState, request: Request) -> ApiResult<(Option<Arc<Connection>>, String, JsonBody)> {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let secure = connection.as_ref().is_some_and(|connection| connection.secure);
    browser::check(&request, secure, Strictness::Secret)?;
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_owned();
    Ok((connection, agent, JsonBody::from_request(request, state).await?))
}

/// `POST /api/v1/session {login, password}` → 201 with the cookie of a new login.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    operation_id = "logIn",
    tag = "People",
    summary = "Log in",
    description = "Sets the cookie `mtbridge`, under TLS `__Host-mtbridge`.",
    request_body = LoginBody,
    responses(
        (status = 201, description = "Who is logged in.", body = super::openapi::schemas::Session),
        (status = "4XX", description = "login_failed too_many_logins login_busy store cross_site json_required"),
    )
)]
pub(super) async fn log_in(State(state): State<ApiState>, request: Request) -> ApiResult<Response> {
    let (connection, agent, body) = from_a_stranger(&state, request).await?;
    let LoginBody { login, password } = body.read()?;
    let from = connection.as_ref().map_or([0, 0, 0, 0].into(), |connection| connection.client);
    let (live, user, secret) =
        state.access.log_in(&login, &Password::new(password), from, &agent).await.inspect_err(|error| {
            if matches!(error, LoginError::Throttled(_)) {
                count(&state.hub.metrics().throttled, "what", "login");
            }
        })?;
    if let Some(connection) = &connection {
        connection.authenticated();
    }
    let secure = connection.is_some_and(|connection| connection.secure);
    let seconds = live.record.expires_at.since(state.clock.wall()) / 1_000;
    let cookie = AppendHeaders([(header::SET_COOKIE, browser::set_cookie(&secret, secure, seconds))]);
    let key = user.principal();
    let body = Json(about(&state, &key, Some(&Person { user, login: live })));
    Ok((StatusCode::CREATED, cookie, body).into_response())
}

/// `GET /api/v1/session`: who calls, and what they may.
#[utoipa::path(
    get,
    path = "/api/v1/session",
    operation_id = "getSession",
    tag = "People",
    summary = "Who calls, and what they may",
    description = "",
    responses(
        (status = 200, description = "The caller.", body = super::openapi::schemas::Session),
        (status = "4XX", description = ""),
    )
)]
pub(super) async fn who(State(state): State<ApiState>, caller: Caller) -> Json<Value> {
    Json(about(&state, &caller.key, caller.person.as_ref()))
}

fn about(state: &ApiState, key: &ApiKey, person: Option<&Person>) -> Value {
    let permissions: Vec<_> = Permission::all().filter(|one| key.may(*one)).map(Permission::name).collect();
    let operator = person.map_or_else(
        || key.owner == crate::domain::ids::OwnerId::SELF && key.may(Permission::Admin),
        |person| person.user.operates(),
    );
    let session = person.map(|Person { login, .. }| {
        let (idle, end) = state.access.login_ends(login);
        json!({
            "id": login.record.id,
            "created_at": rfc3339(login.record.created_at),
            "idle_expires_at": rfc3339(idle),
            "expires_at": rfc3339(end),
            "confirmed_until": rfc3339_or_null(state.access.confirmed_until(login)),
        })
    });
    json!({
        "user": person.map(|person| users::row(&person.user)),
        "key": person.is_none().then_some(key.id),
        "tenant": key.owner,
        "operator": operator,
        "permissions": permissions,
        "session": session,
        // What a browser's change has to bring: see docs/users.md.
        "csrf": person.map(|_| json!({"content_type": "application/json", "origin": "same"})),
    })
}

/// `DELETE /api/v1/session`: logs out.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    operation_id = "logOut",
    tag = "People",
    summary = "Log out",
    description = "",
    responses(
        (status = 204, description = "The login has ended."),
        (status = "4XX", description = "store"),
    )
)]
pub(super) async fn log_out(
    State(state): State<ApiState>,
    connection: Option<Extension<Arc<Connection>>>,
    caller: Caller,
) -> ApiResult<Response> {
    let Person { user, login } = person(&caller)?;
    state.access.end_login(user.id, login.record.id, &caller.actor()).await?;
    let secure = connection.is_some_and(|Extension(connection)| connection.secure);
    let cookie = AppendHeaders([(header::SET_COOKIE, browser::no_cookie(secure))]);
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}

/// `POST /api/v1/session/confirm {password}`: the password again, for what asks for it.
#[utoipa::path(
    post,
    path = "/api/v1/session/confirm",
    operation_id = "confirmSession",
    tag = "People",
    summary = "Give the password again",
    description = "For what asks for it: keys that may trade, limits, users.",
    request_body = ConfirmBody,
    responses(
        (status = 200, description = "Who is logged in.", body = super::openapi::schemas::Session),
        (status = "4XX", description = "password_wrong too_many_logins login_busy store"),
    )
)]
pub(super) async fn confirm(State(state): State<ApiState>, caller: Caller, body: JsonBody) -> ApiResult<Json<Value>> {
    let Person { user, login } = person(&caller)?;
    let ConfirmBody { password } = body.read()?;
    state.access.confirm_login((login, user), &Password::new(password)).await.map_err(unlike_a_login)?;
    Ok(Json(about(&state, &caller.key, caller.person.as_ref())))
}

/// `PUT /api/v1/session/password {current, new}`: every other login of the user ends.
#[utoipa::path(
    put,
    path = "/api/v1/session/password",
    operation_id = "changePassword",
    tag = "People",
    summary = "Change the password",
    description = "Every other login of the user ends.",
    request_body = PasswordBody,
    responses(
        (status = 204, description = "It is changed."),
        (status = "4XX", description = "password_wrong too_many_logins login_busy store"),
    )
)]
pub(super) async fn change_password(State(state): State<ApiState>, caller: Caller, body: JsonBody) -> ApiResult<StatusCode> {
    let Person { user, login } = person(&caller)?;
    let PasswordBody { current, new } = body.read()?;
    let passwords = (&Password::new(current), &Password::new(new));
    state.access.change_password((login, user), passwords).await.map_err(unlike_a_login)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A wrong password of somebody who is logged in is no 401: that would say that they no longer are.
fn unlike_a_login(error: LoginError) -> ApiError {
    match error {
        LoginError::Wrong => ApiError::new(StatusCode::FORBIDDEN, "password_wrong", "this is not your password"),
        error => error.into(),
    }
}

/// `GET /api/v1/sessions`: the caller's own logins.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    operation_id = "listSessions",
    tag = "People",
    summary = "The own logins",
    description = "From where, with what, and when.",
    responses(
        (status = 200, description = "The logins.", body = super::openapi::schemas::List<super::openapi::schemas::Login>),
        (status = "4XX", description = ""),
    )
)]
pub(super) async fn list_logins(State(state): State<ApiState>, caller: Caller) -> ApiResult<Json<Value>> {
    let Person { user, login } = person(&caller)?;
    let row = |one: &Arc<LiveLogin>| {
        let (idle, end) = state.access.login_ends(one);
        json!({
            "id": one.record.id,
            "current": one.record.id == login.record.id,
            "from": one.record.from,
            "agent": one.record.agent,
            "created_at": rfc3339(one.record.created_at),
            "last_seen_at": rfc3339(one.seen_at()),
            "idle_expires_at": rfc3339(idle),
            "expires_at": rfc3339(end),
        })
    };
    let rows = state.access.logins_of(user.id).iter().map(row).collect();
    Ok(Json(list(rows, None, state.clock.wall())))
}

/// `DELETE /api/v1/sessions/{id}`: ends one of the caller's own logins.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{id}",
    operation_id = "endSession",
    tag = "People",
    summary = "End one of the own logins",
    description = "",
    responses(
        (status = 204, description = "It has ended."),
        (status = "4XX", description = "not_found store"),
    )
)]
pub(super) async fn end_login(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<StatusCode> {
    let unknown = || ApiError::not_found("you have no login with this id");
    let id: LoginId = id.parse().map_err(|_| unknown())?;
    let ended = state.access.end_login(person(&caller)?.user.id, id, &caller.actor()).await;
    ended.map(|()| StatusCode::NO_CONTENT).map_err(|error| match error {
        crate::access::AccessError::NotFound => unknown(),
        error => error.into(),
    })
}

/// `GET /api/v1/setup`: whether the first user is still to be made.
#[utoipa::path(
    get,
    path = "/api/v1/setup",
    operation_id = "setupNeeded",
    tag = "People",
    summary = "Whether the hub has no user yet",
    description = "",
    responses(
        (status = 200, description = "Whether a first user is to be made.", body = super::openapi::schemas::SetupNeeded),
        (status = "4XX", description = ""),
    )
)]
pub(super) async fn setup_needed(State(state): State<ApiState>) -> Json<Value> {
    Json(json!({"needed": state.access.users().is_empty()}))
}

/// `POST /api/v1/setup {code, password, login?, name?}` → 201: a password by a one-time code, and the first user of a hub.
#[utoipa::path(
    post,
    path = "/api/v1/setup",
    operation_id = "setUp",
    tag = "People",
    summary = "Set a password by a one-time code",
    description = "Makes the first user of a hub, who then also names a `login`; or sets the password of a user who was made or reset.",
    request_body = SetupBody,
    responses(
        (status = 201, description = "The user.", body = super::openapi::schemas::User),
        (status = "4XX", description = "code_refused login_taken login_busy store cross_site json_required"),
    )
)]
pub(super) async fn set_up(State(state): State<ApiState>, request: Request) -> ApiResult<(StatusCode, Json<Value>)> {
    let (connection, _, body) = from_a_stranger(&state, request).await?;
    let SetupBody { code, password, login, name } = body.read()?;
    let wrong = || ApiError::field("login", users::LOGIN_RULE);
    let login = login.map(|login| checked_login(&login).ok_or_else(wrong)).transpose()?;
    let name = name.map(|name| super::tokens::checked_name(&name).map(str::to_owned)).transpose()?;
    let no_login = login.is_none();
    let set = state.access.set_up(&code, &Newcomer { login, name }, &Password::new(password)).await;
    let user: Arc<User> = set.map_err(|error| match error {
        LoginError::Wrong => {
            let needs = if no_login { "; that of a hub without users also needs login" } else { "" };
            let detail = format!("the code is unknown, was used or has expired{needs}");
            let refusal = ApiError::new(StatusCode::UNAUTHORIZED, "code_refused", detail);
            denied::failed(&state, "login", connection.map(|connection| connection.client), refusal)
        }
        error => error.into(),
    })?;
    Ok((StatusCode::CREATED, Json(users::row(&user))))
}

fn person(caller: &Caller) -> ApiResult<&Person> {
    // The layer in front lets nobody else through.
    caller.person.as_ref().ok_or_else(|| ApiError::unauthorized("Not logged in"))
}
