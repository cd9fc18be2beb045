//! Who calls, and whether they may: one layer for every route of the table, one extractor for every handler.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tracing::{Instrument as _, Span, debug, field};

use super::{
    ApiState,
    error::{ApiError, ApiResult},
    quota,
};
use crate::{
    access::{AccessError, plans::Permit},
    domain::{
        UnixMillis,
        api_key::{ApiKey, Permission, Reach},
        token::Token,
    },
    telemetry::metrics::count,
};

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: open to everyone.
    Nothing,
    /// Any valid key; the handler looks at the thing itself.
    AnyKey,
    /// A key with this permission.
    Permission(Permission),
}

/// The key behind a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key.
    pub key: Arc<ApiKey>,
    /// From where: the peer, or whom a trusted proxy names.
    pub client: Option<IpAddr>,
    /// The request's place among those that the key's plan lets in at once: free when the answer is gone and nobody holds this any more.
    /// Whatever goes on for long after the answer (a stream) drops it, or counts as a request as long as it keeps it.
    pub permit: Arc<Permit>,
    /// When the call came, before its body was read.
    pub arrived: Arrived,
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
    /// For audit records.
    #[must_use]
    pub fn actor(&self) -> String {
        self.key.id.to_string()
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
        token.owner == self.key.owner && account && (self.key.reach == Reach::Live || demo)
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
    State((state, needs)): State<(ApiState, Needs)>,
    mut request: Request,
    next: Next,
) -> ApiResult<Response> {
    if needs == Needs::Nothing {
        return run(&state, request, next).await;
    }
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let client = connection.as_ref().map(|connection| connection.client);
    let key = authenticate(&state, request.headers(), client)?;
    if let Some(connection) = &connection {
        connection.authenticated();
    }
    let visit = quota::enter(&state, &key, needs, client)?;
    let answer = match permitted(&state, &key, needs) {
        Ok(()) => {
            let arrived = Arrived { steady: state.clock.steady(), wall: state.clock.wall() };
            request.extensions_mut().insert(Caller { key, client, permit: visit.permit(), arrived });
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
    state.tasks.spawn(next.run(request).in_current_span()).await.map_err(|error| ApiError::internal(&error))
}

/// 403 that names what is missing.
pub(super) fn forbidden(needed: Permission) -> ApiError {
    ApiError::new(axum::http::StatusCode::FORBIDDEN, "forbidden", format!("this API key lacks the permission {needed}"))
        .with("permission", needed.name())
}

/// Whether a key may call a route.
fn permitted(state: &ApiState, key: &ApiKey, needs: Needs) -> ApiResult<()> {
    match needs {
        Needs::Permission(needed) if !key.may(needed) => {
            count(&state.hub.metrics().auth_failures, "reason", "key_forbidden");
            Err(forbidden(needed))
        }
        _ => Ok(()),
    }
}

/// The key behind a request that came from `client`.
fn authenticate(state: &ApiState, headers: &HeaderMap, client: Option<IpAddr>) -> ApiResult<Arc<ApiKey>> {
    let failed = |reason| count(&state.hub.metrics().auth_failures, "reason", reason);
    let secret = bearer(headers).inspect_err(|_| failed("key_missing"))?;
    // Unknown, revoked and expired look the same from outside.
    let key = state.access.present_key(secret).map_err(|error| {
        failed(match error {
            AccessError::Revoked => "key_revoked",
            AccessError::Expired => "key_expired",
            _ => "key_unknown",
        });
        debug!(%error, "an API key was not accepted");
        ApiError::unauthorized("Invalid API key")
    })?;
    Span::current().record("key", field::display(key.id));
    // Before anything is counted under the key: whoever stole it must not use up its plan. What has no address is from nowhere.
    if key.scope.ips.is_some() && !client.is_some_and(|client| key.scope.allows_address(client)) {
        failed("key_address");
        state.usage.refused(key.id);
        let told = client.map(|client| client.to_canonical().to_string());
        let detail = format!("Address {} not allowed for your API key", told.as_deref().unwrap_or("unknown"));
        return Err(ApiError::new(axum::http::StatusCode::FORBIDDEN, "forbidden", detail).with("address", told));
    }
    Ok(key)
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
