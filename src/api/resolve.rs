//! Which terminal a path means: an account number, `number@server`, a token id, or `-` for the only one.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
};
use crate::{
    domain::{account::Account, api_key::Permission, token::Token},
    hub::SessionHandle,
    market::broker_time::BrokerClock,
};

/// A terminal that the caller may see, connected or not.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Its token.
    pub(super) token: Arc<Token>,
    /// The account that the token is locked to.
    pub(super) account: Account,
    /// Its live session.
    pub(super) session: Option<SessionHandle>,
}

impl Target {
    /// The live session.
    ///
    /// # Errors
    /// 409 `terminal_offline`.
    pub(super) fn live(&self) -> ApiResult<&SessionHandle> {
        self.session.as_ref().ok_or_else(ApiError::terminal_offline)
    }
}

/// What the terminal is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Any of several will do: the live one with the oldest token.
    Read,
    /// There must be exactly one.
    Trade,
}

/// Finds the terminal.
///
/// # Errors
/// 404 `terminal_not_found`, 409 `ambiguous_terminal` with the candidates.
pub(super) fn terminal(state: &ApiState, caller: &Caller, text: &str, purpose: Purpose) -> ApiResult<Target> {
    let only_one = purpose == Purpose::Trade || text == "-";
    let found = candidates(state, caller, text);
    let live: Vec<_> = found.iter().filter(|target| target.session.is_some()).collect();
    let accounts_differ = found.iter().any(|target| target.account != found[0].account);
    if only_one && (accounts_differ || live.len() > 1) {
        let list: Vec<_> = found.iter().map(|t| json!({"id": t.token.id, "name": t.token.name, "account": t.account})).collect();
        let error = ApiError::new(
            StatusCode::CONFLICT,
            "ambiguous_terminal",
            "more than one terminal matches; name one of the candidates by its id; nothing was sent",
        );
        return Err(if caller.key.may(Permission::ReadAccount) { error.with("candidates", list) } else { error });
    }
    live.first().copied().or(found.first()).cloned().ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "terminal_not_found",
            format!("no terminal `{text}` is known to this key: use an account number, number@server, a token id, or - for the only one"),
        )
    })
}

/// The terminal that a call without one means: the key's own; without one, of those that the caller sees, the live one with the oldest
/// token. A key's own that is not there is not replaced by another: its figures would be taken for those of the account that is meant.
///
/// # Errors
/// 404 `terminal_not_found`.
pub(super) fn default_terminal(state: &ApiState, caller: &Caller) -> ApiResult<Target> {
    if let Some(text) = &caller.key.scope.default_terminal {
        return terminal(state, caller, text, Purpose::Read);
    }
    let found = candidates(state, caller, "-");
    found.iter().find(|target| target.session.is_some()).or(found.first()).cloned().ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND, "terminal_not_found", "no terminal has used a token of this owner yet")
    })
}

/// Every terminal that the caller sees, connected or not, oldest token first.
#[must_use]
pub(super) fn visible(state: &ApiState, caller: &Caller) -> Vec<Target> {
    candidates(state, caller, "-")
}

/// Everything that `text` may mean, oldest token first. A token that was rotated away does not count beside its live successor.
fn candidates(state: &ApiState, caller: &Caller, text: &str) -> Vec<Target> {
    let tokens = if text == "-" {
        state.access.tokens()
    } else if let Ok(id) = text.parse() {
        state.access.token(id).into_iter().collect()
    } else {
        let (number, server) = text.split_once('@').map_or((text, None), |(number, server)| (number, Some(server)));
        let Ok(login) = number.parse() else { return Vec::new() };
        let mut tokens = state.access.tokens_of_login(login);
        tokens.retain(|token| server.is_none_or(|server| token.lock.as_ref().is_some_and(|lock| lock.account.server == server)));
        tokens
    };
    let now = state.clock.wall();
    let usable = tokens.into_iter().filter(|token| caller.sees(token) && token.revoked_at.is_none() && now < token.expires_at);
    let superseded = |token: &Token| token.successor.is_some_and(|id| state.hub.of_token(id).is_some());
    usable
        .filter(|token| !superseded(token))
        .filter_map(|token| {
            let account = token.lock.as_ref()?.account.clone();
            let session = state.hub.of_token(token.id);
            Some(Target { token, account, session })
        })
        .collect()
}

/// The clock of a terminal's trade server.
#[must_use]
pub(super) fn broker_clock(state: &ApiState, session: &SessionHandle) -> BrokerClock {
    state.clocks.live(session)
}
