//! Who calls, and whether they may: one layer for every route of the table, one extractor for every handler.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};

use super::{
    ApiState,
    error::{ApiError, ApiResult},
};
use crate::domain::{
    api_key::{ApiKey, Permission, Reach},
    token::Token,
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
}

impl Caller {
    /// For audit records.
    #[must_use]
    pub fn actor(&self) -> String {
        self.key.id.to_string()
    }

    /// Whether a token, and the terminal behind it, exists for this caller at all.
    #[must_use]
    pub fn sees(&self, token: &Token) -> bool {
        let demo = token.lock.as_ref().is_some_and(|lock| lock.trade_mode == crate::domain::account::TRADE_MODE_DEMO);
        token.owner == self.key.owner && (self.key.reach == Reach::Live || demo)
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
    if needs != Needs::Nothing {
        let caller = authenticate(&state, request.headers())?;
        if let Some(connection) = request.extensions().get::<Arc<Connection>>() {
            connection.authenticated();
        }
        if let Needs::Permission(needed) = needs
            && !caller.key.may(needed)
        {
            return Err(forbidden(needed));
        }
        request.extensions_mut().insert(caller);
    }
    if request.method().is_safe() {
        return Ok(next.run(request).await);
    }
    // To its end, even when the caller hangs up: a change that is durable and not in memory, or journaled and not sent, is worse than
    // either.
    state.tasks.spawn(next.run(request)).await.map_err(|error| ApiError::internal(&error))
}

/// 403 that names what is missing.
pub(super) fn forbidden(needed: Permission) -> ApiError {
    ApiError::new(axum::http::StatusCode::FORBIDDEN, "forbidden", format!("this API key lacks the permission {needed}"))
        .with("permission", needed.name())
}

fn authenticate(state: &ApiState, headers: &HeaderMap) -> ApiResult<Caller> {
    // Unknown, revoked and expired look the same from outside.
    let key = state.access.present_key(bearer(headers)?).map_err(|_| ApiError::unauthorized("Invalid API key"))?;
    Ok(Caller { key })
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
    /// The peer.
    pub remote: SocketAddr,
    /// Its place in the accept loop's budgets.
    pub budget: Box<dyn Budget>,
}

impl Connection {
    pub(super) fn authenticated(&self) {
        self.budget.authenticated();
    }
}
