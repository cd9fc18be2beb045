//! Who calls, and whether they may: one layer for every route of the table, one extractor for every handler.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tracing::{Instrument as _, Span, debug, field};

use super::{
    ApiState,
    browser::{self, Strictness},
    denied,
    error::{ApiError, ApiResult},
    quota, stream,
};
use crate::{
    access::{
        AccessError,
        logins::LiveLogin,
        plans::{Permit, Purse},
    },
    domain::{
        UnixMillis,
        api_key::{ApiKey, Permission, Reach},
        ids::{HookId, OwnerId},
        maker::Maker,
        token::Token,
        user::{Role, User},
    },
    telemetry::{metrics::count, origin},
};

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: open to everyone.
    Nothing,
    /// Any valid key, or a user who is logged in; the handler looks at the thing itself.
    AnyKey,
    /// A user who is logged in: about themselves, so no key will do.
    Login,
    /// Any valid key, shown in `Authorization`, or a ticket: for streams, which pages open too. The handler looks at the thing itself.
    Stream,
    /// A key with this permission, or a user whose role has it: with their own tenant's things.
    Permission(Permission),
    /// Whoever runs the hub, or an owner who is logged in, about the users of their own tenant.
    Owner,
    /// Whoever runs the hub: an admin key of the hub's own, or its owner.
    Operator,
}

/// All that a route asks of its caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asks {
    pub(super) needs: Needs,
    /// Of a person the password again.
    pub(super) confirmed: bool,
    /// On what a request draws.
    pub(super) purse: Purse,
}

/// Who stands behind a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key; a user's line ([`User::principal`]) where no key was shown.
    pub key: Arc<ApiKey>,
    /// The user and their login, where no key was shown.
    pub person: Option<Person>,
    /// The hook that acts under the key, where an alert is carried out.
    pub hook: Option<HookId>,
    /// From where: the peer, or whom a trusted proxy names.
    pub client: Option<IpAddr>,
    /// The request's place among those that the key's plan lets in at once: free when the answer is gone and nobody holds this any more.
    /// Whatever goes on for long after the answer (a stream) drops it, or counts as a request as long as it keeps it.
    pub permit: Arc<Permit>,
    /// When the call came, before its body was read.
    pub arrived: Arrived,
}

/// Whose secret stands behind a request.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// The key; a user's line where no key was shown.
    pub(super) key: Arc<ApiKey>,
    /// The user and their login, where no key was shown.
    pub(super) person: Option<Person>,
}

/// A user who is logged in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub user: Arc<User>,
    /// By which login.
    pub login: Arc<LiveLogin>,
}

/// When a call came, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    /// By the one that never jumps: deadlines count on it.
    pub steady: UnixMillis,
    /// By the time of day: what callers say is in it.
    pub wall: UnixMillis,
}

impl Caller {
    /// For audit records: the key, or the user.
    #[must_use]
    pub fn actor(&self) -> String {
        self.person.as_ref().map_or_else(|| self.key.id.to_string(), |person| person.user.id.to_string())
    }

    /// By which login a person calls.
    #[must_use]
    pub fn login(&self) -> Option<Arc<LiveLogin>> {
        self.person.as_ref().map(|person| Arc::clone(&person.login))
    }

    /// A maker as this caller is told of it: a login is told to people alone.
    pub(super) fn hears(&self, maker: Maker) -> Maker {
        if self.person.is_some() { maker } else { maker.without_login() }
    }

    /// Whose secret was shown.
    pub(super) fn shown(&self) -> Shown {
        Shown { key: Arc::clone(&self.key), person: self.person.clone() }
    }

    /// Whose things exist for this caller; everybody else's do not.
    #[must_use]
    pub fn tenant(&self) -> OwnerId {
        self.key.owner
    }

    /// Whether they run the hub.
    #[must_use]
    pub fn operates(&self) -> bool {
        let owns = self.person.as_ref().is_none_or(|person| person.user.operates());
        owns && self.key.owner == OwnerId::SELF && self.key.may(Permission::Admin)
    }

    /// Whether they look and never act.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.user.role == Role::Viewer)
    }

    /// Whether anything of this symbol may be read or traded. The words are those of the published API, in which clients look.
    ///
    /// # Errors
    /// 403 `forbidden` that names the symbols that may.
    pub(super) fn symbol(&self, symbol: &str) -> ApiResult<()> {
        let Some(allowed) = self.key.scope.symbols.as_ref().filter(|_| !self.key.allows_symbol(symbol)) else { return Ok(()) };
        let detail = format!("Symbol {symbol} not allowed for your API key");
        Err(ApiError::new(axum::http::StatusCode::FORBIDDEN, "forbidden", detail).with("allowed_symbols", allowed.clone()))
    }

    /// Whether a token, and the terminal behind it, exists for this caller at all.
    #[must_use]
    pub fn sees(&self, token: &Token) -> bool {
        let lock = token.lock.as_ref();
        let demo = lock.is_some_and(|lock| lock.trade_mode == crate::domain::account::TRADE_MODE_DEMO);
        let account = self.key.scope.accounts.is_none() || lock.is_some_and(|lock| self.key.allows_account(&lock.account));
        token.owner == self.tenant() && account && (self.key.reach == Reach::Live || demo)
    }

    /// Looks again once the body is here, which may take its time: whoever was revoked, put out or narrowed meanwhile acts no more.
    ///
    /// # Errors
    /// 401, or 403 `forbidden` that names what is missing now.
    pub(super) fn still_stands(&self, state: &ApiState) -> ApiResult<()> {
        let now = stream::standing(state, &self.shown()).ok_or_else(|| {
            count(&state.hub.metrics().auth_failures, "reason", "ended_meanwhile");
            ApiError::unauthorized("The API key, or the login, has ended while the request came in")
        })?;
        let lost = Permission::all().find(|held| self.key.may(*held) && !now.key.may(*held));
        lost.map_or(Ok(()), |lost| Err(forbidden(lost)))
    }

    /// What a person may only do within minutes of giving their password; a key is no less than what it makes.
    ///
    /// # Errors
    /// 403 `confirmation_required`.
    pub(super) fn confirmed(&self, state: &ApiState) -> ApiResult<()> {
        let stale = |person: &Person| state.access.confirmed_until(&person.login).is_none();
        if self.person.as_ref().is_some_and(stale) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "confirmation_required",
                "give your password again first: POST /api/v1/session/confirm",
            ));
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        // Absent only if a route stands in the table without needing a key.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::unauthorized("Missing Authorization header"))
    }
}

/// The layer in front of a route.
pub(super) async fn authorize(
    State((state, asks)): State<(ApiState, Asks)>,
    mut request: Request,
    next: Next,
) -> ApiResult<Response> {
    if asks.needs == Needs::Nothing {
        return run(&state, request, next).await;
    }
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let client = connection.as_ref().map(|connection| connection.client);
    let Shown { key, person } = match asks.needs {
        Needs::Stream => stream::shown(&state, &request, client)?,
        _ => authenticate(&state, &request, client)?,
    };
    if let Some(connection) = &connection {
        connection.authenticated();
    }
    if let Some(person) = &person {
        state.access.note_use(&person.login).await;
    }
    let visit = quota::enter(&state, &key, asks.purse, client)?;
    let arrived = Arrived { steady: state.clock.steady(), wall: state.clock.wall() };
    let caller = Caller { key, person, hook: None, client, permit: visit.permit(), arrived };
    let answer = match permitted(&state, &caller, asks, request.method()) {
        Ok(()) => {
            request.extensions_mut().insert(caller);
            run(&state, request, next).await
        }
        Err(error) => Err(error),
    };
    Ok(visit.leave(&state, answer.into_response()))
}

async fn run(state: &ApiState, request: Request, next: Next) -> ApiResult<Response> {
    if request.method().is_safe() {
        return Ok(next.run(request).await);
    }
    // To its end, even when the caller hangs up: a change that is durable and not in memory, or journaled and not sent, is worse than
    // either.
    state.tasks.spawn(origin::carried(next.run(request).in_current_span())).await.map_err(|error| ApiError::internal(&error))
}

/// 403 that names what is missing.
pub(super) fn forbidden(needed: Permission) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", format!("this API key lacks the permission {needed}"))
        .with("permission", needed.name())
}

/// Who is behind a request that came from `client`: by the key in `Authorization`, which alone counts where it is sent, else by the cookie of
/// a login.
pub(super) fn authenticate(state: &ApiState, request: &Request, client: Option<IpAddr>) -> ApiResult<Shown> {
    let failed = |reason| count(&state.hub.metrics().auth_failures, "reason", reason);
    let connection = request.extensions().get::<Arc<Connection>>();
    let secure = connection.is_some_and(|connection| connection.secure);
    if !request.headers().contains_key(header::AUTHORIZATION)
        && let Some(secret) = browser::cookie(request.headers(), secure)
    {
        let (login, user) = state.access.present_login(secret).map_err(|error| {
            failed("session_ended");
            debug!(%error, "a login was not accepted");
            let refusal = ApiError::unauthorized("Not logged in any more: log in again");
            // What has run out was right once. What is not known any more looks as if it never was.
            let refusal = match error {
                AccessError::Unknown => denied::failed(state, "session", client, refusal),
                _ => refusal,
            };
            refusal.with_header(header::SET_COOKIE, browser::no_cookie(secure))
        })?;
        browser::check(request, secure, Strictness::Cookie)?;
        let key = Arc::new(user.principal());
        Span::current().record("key", field::display(user.id));
        origin::current().inspect(|origin| origin.is_of(user.id.to_string()));
        return Ok(Shown { key, person: Some(Person { user, login }) });
    }
    let secret = bearer(request.headers()).inspect_err(|_| failed("key_missing"))?;
    // Unknown, revoked and expired look the same from outside.
    let key = state.access.present_key(secret).map_err(|error| {
        let reason = match error {
            AccessError::Revoked => "key_revoked",
            AccessError::Expired => "key_expired",
            AccessError::OwnerDisabled => "owner_disabled",
            _ => "key_unknown",
        };
        failed(reason);
        denied::name(state, secret);
        debug!(%error, "an API key was not accepted");
        let address = origin::current().and_then(|origin| origin.address);
        denied::failed(state, "api", address, ApiError::unauthorized("Invalid API key").denied_as(reason))
    })?;
    Span::current().record("key", field::display(key.id));
    origin::current().inspect(|origin| origin.is_of(key.id.to_string()));
    admit_from(state, &key, client)?;
    Ok(Shown { key, person: None })
}

/// Whether a caller may use a route at all. What is theirs and what is not, each handler asks of the thing itself.
fn permitted(state: &ApiState, caller: &Caller, Asks { needs, confirmed, .. }: Asks, method: &Method) -> ApiResult<()> {
    let role = caller.person.as_ref().map(|person| person.user.role);
    let refused = match needs {
        Needs::Nothing | Needs::AnyKey | Needs::Stream => None,
        Needs::Login if role.is_none() => Some(ApiError::new(
            StatusCode::FORBIDDEN,
            "login_required",
            "this is for a user who is logged in with their password, not for an API key",
        )),
        Needs::Login => None,
        Needs::Permission(needed) if !caller.key.may(needed) => Some(forbidden(needed)),
        // What a permission to read lets a bot change, like a Market Watch, is a change all the same.
        Needs::Permission(_) if caller.only_looks() && [Method::PUT, Method::PATCH, Method::DELETE].contains(method) => {
            Some(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "a viewer changes nothing"))
        }
        Needs::Permission(_) => None,
        Needs::Owner if caller.operates() || role == Some(Role::Owner) => None,
        Needs::Operator if caller.operates() => None,
        Needs::Owner | Needs::Operator if !caller.key.may(Permission::Admin) => Some(forbidden(Permission::Admin)),
        Needs::Owner | Needs::Operator => Some(operators_only()),
    };
    match refused {
        Some(error) => {
            count(&state.hub.metrics().auth_failures, "reason", "key_forbidden");
            Err(error)
        }
        None if confirmed => caller.confirmed(state),
        None => Ok(()),
    }
}

/// 403 for what concerns the whole hub.
pub(super) fn operators_only() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "operator_required", "only whoever runs this hub may do this")
}

/// Whether a key may be used from there.
pub(super) fn admit_from(state: &ApiState, key: &ApiKey, client: Option<IpAddr>) -> ApiResult<()> {
    // Before anything is counted under the key: whoever stole it must not use up its plan. What has no address is from nowhere.
    if key.scope.ips.is_some() && !client.is_some_and(|client| key.scope.allows_address(client)) {
        count(&state.hub.metrics().auth_failures, "reason", "key_address");
        state.usage.refused(key.id, false);
        let told = client.map(|client| client.to_canonical().to_string());
        let detail = format!("Address {} not allowed for your API key", told.as_deref().unwrap_or("unknown"));
        return Err(ApiError::new(axum::http::StatusCode::FORBIDDEN, "forbidden", detail).with("address", told));
    }
    Ok(())
}

/// What stands behind `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> ApiResult<&str> {
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| ApiError::unauthorized("Missing Authorization header"))?;
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => Ok(secret.trim()),
        _ => Err(ApiError::unauthorized("Authorization must be: Bearer <API key>")),
    }
}

/// What the accept loop knows of the connection that a request came on.
pub trait Budget: Send + Sync + std::fmt::Debug {
    /// The connection has shown a valid secret: it no longer counts among strangers.
    fn authenticated(&self);
}

/// The connection that a request came on.
#[derive(Debug)]
pub struct Connection {
    /// The client's address: the peer, or whom a trusted proxy names.
    pub client: IpAddr,
    /// The peer's address and port.
    pub peer: SocketAddr,
    /// The client came through TLS: the hub's own, or that of a trusted proxy which says so.
    pub secure: bool,
    /// Its place in the accept loop's budgets.
    pub budget: Arc<dyn Budget>,
}

impl std::fmt::Display for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.client == self.peer.ip() { write!(f, "{}", self.peer) } else { write!(f, "{} via {}", self.client, self.peer) }
    }
}

impl Connection {
    pub(super) fn authenticated(&self) {
        self.budget.authenticated();
    }
}
