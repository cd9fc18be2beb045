//! The map of live sessions: the only DashMap, private to this file. Every function is synchronous; no guard leaves it.

use dashmap::{DashMap, Entry};

use super::handle::SessionHandle;
use crate::domain::ids::{SessionId, TokenId};

#[derive(Debug, Default)]
pub(super) struct Registry {
    by_token: DashMap<TokenId, SessionHandle>,
}

impl Registry {
    /// Enters a session if its token has none.
    ///
    /// # Errors
    /// The session that is there.
    pub(super) fn enter(&self, session: &SessionHandle) -> Result<(), SessionHandle> {
        match self.by_token.entry(session.token()) {
            Entry::Occupied(held) => Err(held.get().clone()),
            Entry::Vacant(free) => {
                free.insert(session.clone());
                Ok(())
            }
        }
    }

    /// Puts `session` in the place of `old`, if `old` still has it or nobody has.
    pub(super) fn replace(&self, old: SessionId, session: &SessionHandle) -> bool {
        match self.by_token.entry(session.token()) {
            Entry::Occupied(mut held) if held.get().id() == old => {
                held.insert(session.clone());
                true
            }
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(session.clone());
                true
            }
        }
    }

    /// Removes a session, and nothing else: a late one never removes its successor.
    pub(super) fn leave(&self, token: TokenId, session: SessionId) {
        self.by_token.remove_if(&token, |_, held| held.id() == session);
    }

    pub(super) fn of_token(&self, token: TokenId) -> Option<SessionHandle> {
        self.by_token.get(&token).map(|held| held.value().clone())
    }

    pub(super) fn all(&self) -> Vec<SessionHandle> {
        self.by_token.iter().map(|held| held.value().clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_token.len()
    }
}
