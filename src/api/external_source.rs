//! Whose bars a call of the external API means, which names no terminal.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    ApiState,
    auth::Caller,
    error::ApiResult,
    resolve::{self, Purpose, Target},
};
use crate::domain::ids::{KeyId, TokenId};

/// Choices remembered; above it, all are made again.
const SOURCES_MAX: usize = 10_000;
/// A terminal has so long to say whether it has a symbol: while it is silent, the others are not asked.
const ASKED_WITHIN: Duration = Duration::from_secs(2);

/// From which terminal a key was given the bars of a symbol last, so that the pages that follow come from the same.
#[derive(Debug, Default)]
pub struct Sources {
    last: Mutex<HashMap<(KeyId, String), TokenId>>,
}

impl Sources {
    fn get(&self, line: KeyId, symbol: &str) -> Option<TokenId> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(&(line, symbol.to_owned())).copied()
    }

    /// Notes where bars came from.
    pub(super) fn put(&self, line: KeyId, symbol: &str, token: TokenId) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= SOURCES_MAX {
            last.clear();
        }
        last.insert((line, symbol.to_owned()), token);
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) symbol: &'a str,
    /// `?account=`, or the key's own: a terminal as everywhere else.
    pub(super) account: Option<&'a str>,
    /// Older bars than some that were given before.
    pub(super) further: bool,
}

/// Where to look for the bars, the best first: the terminal of the page before; of the connected ones that have the symbol the one with the
/// oldest token; if there is none, those that are away, of which bars may be cached. Empty: all are connected, and none has the symbol.
///
/// # Errors
/// Those of [`resolve::terminal`] for an `account`.
pub(super) async fn sources(state: &ApiState, caller: &Caller, wish: Wish<'_>) -> ApiResult<Vec<Target>> {
    if let Some(account) = wish.account {
        return Ok(vec![resolve::terminal(state, caller, account, Purpose::Read)?]);
    }
    let mut visible = resolve::visible(state, caller);
    if visible.len() < 2 {
        return Ok(visible);
    }
    let before = state.sources.get(caller.key.line(), wish.symbol).filter(|_| wish.further);
    if let Some(at) = visible.iter().position(|target| Some(target.token.id) == before) {
        return Ok(vec![visible.swap_remove(at)]);
    }
    let mut silent = Vec::new();
    for target in &visible {
        let Some(session) = &target.session else { continue };
        match state.offers.has(session, wish.symbol, ASKED_WITHIN.min(state.http.read_timeout)).await {
            Ok(Some(true)) => return Ok(vec![target.clone()]),
            Ok(Some(false)) => {}
            Ok(None) | Err(_) => silent.push(target.clone()),
        }
    }
    visible.retain(|target| target.session.is_none());
    silent.append(&mut visible);
    Ok(silent)
}
