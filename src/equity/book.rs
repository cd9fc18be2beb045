//! What was heard of one account's equity, and is not written yet.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tracing::warn;

use super::bar::{EquityBar, STEP_MS, begin};
use crate::{
    clock::Clock,
    domain::{UnixMillis, account::Account, ids::OwnerId},
    protocol::message::Status,
};

/// Bars that may wait to be written, three hours of them; above it the oldest is lost.
const WAITING_MAX: usize = 36;

/// One owner's account.
#[derive(Debug)]
pub struct EquityBook {
    pub(super) owner: OwnerId,
    pub(super) account: Account,
    clock: Clock,
    kept: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The account is being deleted.
    held: bool,
    /// By when they begin. By time and not in the order of hearing: the clock may be set back, and then a bar goes on.
    bars: BTreeMap<UnixMillis, EquityBar>,
}

impl EquityBook {
    pub(super) fn new(owner: OwnerId, account: Account, clock: Clock, kept: bool) -> Self {
        Self { owner, account, clock, kept, state: Mutex::default() }
    }

    /// Notes what a terminal says now, unless its session `is_cut`. Figures of a terminal without its broker are those of before: they are
    /// not known.
    pub fn hear(&self, status: &Status, is_cut: impl FnOnce() -> bool) {
        if status.broker_link && status.broker_time > 0 {
            self.note(self.clock.wall(), status.balance, status.equity, is_cut);
        }
    }

    pub(super) fn note(&self, at: UnixMillis, balance: f64, equity: f64, is_cut: impl FnOnce() -> bool) {
        if !self.kept || !balance.is_finite() || !equity.is_finite() {
            return;
        }
        let heard = EquityBar::heard(at, balance, equity);
        let mut state = self.state();
        // Asked with the lock held: whoever deletes the account cuts the session first and lets go afterwards.
        if state.held || is_cut() {
            return;
        }
        state.bars.entry(heard.time).and_modify(|bar| bar.add(&heard)).or_insert(heard);
        if state.bars.len() > WAITING_MAX
            && let Some((time, _)) = state.bars.pop_first()
        {
            warn!(account = %self.account, time = time.0, "five minutes of equity could not be written for hours, and are lost");
        }
    }

    /// The bars that are over at `now`, or all, oldest first.
    pub(super) fn over(&self, now: Option<UnixMillis>) -> Vec<EquityBar> {
        // One that lies ahead is of a clock that was set back since.
        let begun = now.map(|now| begin(now, STEP_MS));
        self.state().bars.values().filter(|bar| Some(bar.time) != begun).copied().collect()
    }

    /// All bars, oldest first.
    pub(super) fn bars(&self) -> BTreeMap<UnixMillis, EquityBar> {
        self.state().bars.clone()
    }

    /// These are written. One that has grown meanwhile stays: what is written of it is added to.
    pub(super) fn written(&self, bars: &[EquityBar]) {
        let mut state = self.state();
        for bar in bars {
            if state.bars.get(&bar.time) == Some(bar) {
                state.bars.remove(&bar.time);
            }
        }
    }

    /// Forgets what it has, and hears nothing while it is held.
    pub(super) fn hold(&self, held: bool) {
        *self.state() = State { held, bars: BTreeMap::new() };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().bars.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
