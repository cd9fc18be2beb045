//! Commands that were just done: what they did may not show yet in what the terminal tells of its positions and orders.
//!
//! Nothing on the wire says that a list of positions is newer than an outcome. It comes after it on the same connection, but MetaTrader's
//! own list may lag behind the answer of `OrderSend`. So what was done goes on counting for a while, unless a list shows it.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::exposure::Effect;
use crate::domain::{UnixMillis, account::Account, command::CommandRecord, ids::OwnerId};

/// So long a terminal gets to show what it has done, milliseconds.
pub(super) const SHOWN_MS: i64 = 5_000;

/// A command that touched the market a moment ago.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// Its record with the outcome.
    pub(super) record: CommandRecord,
    /// What it could do to the account's exposure.
    pub(super) effect: Effect,
    /// See `Live::before`.
    pub(super) before: Option<f64>,
}

#[derive(Debug, Default)]
pub(super) struct Settling {
    /// In the order in which they ended.
    done: Mutex<VecDeque<(UnixMillis, Done)>>,
}

impl Settling {
    pub(super) fn note(&self, done: Done, now: UnixMillis) {
        let mut all = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        while all.front().is_some_and(|(at, _)| now.since(*at) >= SHOWN_MS) {
            all.pop_front();
        }
        all.push_back((now, done));
    }

    /// Those of an account.
    pub(super) fn of(&self, owner: OwnerId, account: &Account, now: UnixMillis) -> Vec<Done> {
        let all = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = all.iter().filter(|(at, _)| now.since(*at) < SHOWN_MS).map(|(_, done)| done);
        recent.filter(|done| done.record.owner == owner && done.record.account == *account).cloned().collect()
    }
}
