//! The kill switch: durable before it takes effect, in effect before it is answered, latched until a person lifts it.
//!
//! *Check, enter, check again*: a command looks at the switches before it is recorded and, under the read half of the same lock, at the
//! moment of its send. Whoever raises one takes the write half after its record is durable; so when that call returns, no command
//! that the switch forbids can be sent any more. Carrying a switch out (deleting, closing) is in `flatten`.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use tokio::sync::Notify;
use tracing::warn;

use super::{Trading, exposure::Effect};
use crate::{
    domain::{
        account::Account,
        ids::{KeyId, KillId, OwnerId},
        safety::{KillLevel, KillScope, KillSwitch},
    },
    hub::SessionHandle,
    protocol::message::Latch,
    store::{Batch, StoreError, records},
};

#[derive(Debug, Default)]
pub(super) struct Kills {
    /// Those that are on.
    on: RwLock<HashMap<KillScope, KillSwitch>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    /// Something is to be carried out.
    pub(super) raised: Notify,
}

/// Why a switch was not changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KillError {
    /// It stands higher, and only a person with the right to lift it may lower it.
    #[error("the switch stands at {}", .0.level.name())]
    MayNotLower(KillSwitch),
    /// The store refused or failed: the switch is as it was.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// While it is held, no switch changes.
#[derive(Debug)]
pub struct SwitchesHeld<'a> {
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

/// The right to send what no switch forbids: while it is held, none can be raised.
#[derive(Debug)]
pub(super) struct Gate<'a> {
    on: RwLockReadGuard<'a, HashMap<KillScope, KillSwitch>>,
}

impl Gate<'_> {
    /// The highest switch that stops this, if one does. `key` is the line of the key that asks.
    pub(super) fn stops(&self, owner: OwnerId, account: &Account, key: KeyId, effect: Effect) -> Option<&KillSwitch> {
        if effect == Effect::Reduces {
            return None;
        }
        let concerned = |switch: &&KillSwitch| switch.scope == KillScope::Key(key) || switch.scope.covers(owner, account);
        self.on.values().filter(concerned).max_by_key(|switch| switch.level)
    }

    /// The highest switch of an account, whoever asks.
    fn of_account(&self, owner: OwnerId, account: &Account) -> Option<&KillSwitch> {
        self.on.values().filter(|switch| switch.scope.covers(owner, account)).max_by_key(|switch| switch.level)
    }
}

impl Kills {
    pub(super) fn gate(&self) -> Gate<'_> {
        Gate { on: self.on.read().unwrap_or_else(PoisonError::into_inner) }
    }

    pub(super) fn of_account(&self, owner: OwnerId, account: &Account) -> Option<KillSwitch> {
        self.gate().of_account(owner, account).cloned()
    }

    fn set(&self, switch: KillSwitch) {
        let mut on = self.on.write().unwrap_or_else(PoisonError::into_inner);
        if switch.level == KillLevel::Off {
            on.remove(&switch.scope);
        } else {
            on.insert(switch.scope.clone(), switch);
        }
    }

    fn standing(&self, scope: &KillScope) -> KillLevel {
        self.gate().on.get(scope).map_or(KillLevel::Off, |switch| switch.level)
    }
}

impl Trading {
    /// All switches that are on, of all owners.
    #[must_use]
    pub fn kill_switches(&self) -> Vec<KillSwitch> {
        let mut found: Vec<_> = self.inner.kills.gate().on.values().cloned().collect();
        found.sort_by(|a, b| a.scope.cmp(&b.scope));
        found
    }

    /// The account's own switch, if it is on.
    #[must_use]
    pub fn account_switch(&self, owner: OwnerId, account: &Account) -> Option<KillSwitch> {
        self.inner.kills.gate().on.get(&KillScope::Account(owner, account.clone())).cloned()
    }

    /// Lets no switch change until the answer is dropped. Whoever raises one, on whatever account, waits for that: hold it for one write at
    /// most.
    pub async fn hold_switches(&self) -> SwitchesHeld<'_> {
        SwitchesHeld { _turn: self.inner.kills.changing.lock().await }
    }

    /// Sets a switch. When it returns, it is durable, nothing that it forbids can be sent any more, and the terminals are told.
    /// The answer is the switch, if it is on.
    ///
    /// # Errors
    /// [`KillError::MayNotLower`] without `may_lower`; the store's.
    pub async fn set_kill(
        &self,
        scope: KillScope,
        level: KillLevel,
        reason: &str,
        by: &str,
        may_lower: bool,
    ) -> Result<Option<KillSwitch>, KillError> {
        let _turn = self.inner.kills.changing.lock().await;
        let standing = self.inner.kills.gate().on.get(&scope).cloned();
        if let Some(standing) = standing.filter(|standing| level < standing.level && !may_lower) {
            return Err(KillError::MayNotLower(standing));
        }
        self.change_kill(Batch::outcome(), scope.clone(), level, reason, by).await?;
        Ok(self.inner.kills.gate().on.get(&scope).cloned())
    }

    /// Raises a switch together with what caused it, in one write; one that stands as high already stays as it is.
    pub(super) async fn raise_kill_with(
        &self,
        batch: Batch,
        scope: KillScope,
        level: KillLevel,
        reason: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        let turn = self.hold_switches().await;
        self.raise_in_turn(&turn, batch, scope, level, reason, by).await
    }

    /// The same for who holds the turn already.
    pub(super) async fn raise_in_turn(
        &self,
        _turn: &SwitchesHeld<'_>,
        batch: Batch,
        scope: KillScope,
        level: KillLevel,
        reason: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        if self.inner.kills.standing(&scope) >= level {
            return self.inner.store.commit(batch).await.map(drop);
        }
        self.change_kill(batch, scope, level, reason, by).await
    }

    /// Lowers every switch that cancels or flattens to `block`.
    pub(super) async fn block_only(&self, reason: &str) -> Result<(), StoreError> {
        let _turn = self.inner.kills.changing.lock().await;
        let acting = |switch: &&KillSwitch| switch.level > KillLevel::Block;
        let found: Vec<_> = self.inner.kills.gate().on.values().filter(acting).cloned().collect();
        for KillSwitch { scope, level, .. } in found {
            warn!(%scope, level = level.name(), "a kill switch of the backup blocks only; raise it again if it is still meant");
            self.change_kill(Batch::outcome(), scope, KillLevel::Block, reason, "hub").await?;
        }
        Ok(())
    }

    async fn change_kill(
        &self,
        batch: Batch,
        scope: KillScope,
        level: KillLevel,
        reason: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        if level == self.inner.kills.standing(&scope) {
            return self.inner.store.commit(batch).await.map(drop);
        }
        let ids = || self.inner.ids.next().map_err(|error| StoreError::Degraded { reason: error.to_string() });
        let switch = KillSwitch {
            id: KillId::new(ids()?),
            scope,
            level,
            reason: reason.to_owned(),
            by: by.to_owned(),
            at: self.inner.clock.wall(),
        };
        // An account is not named where its deletion could not reach it.
        let target = match &switch.scope {
            KillScope::Account(..) => switch.id.to_string(),
            scope => scope.to_string(),
        };
        let audit = records::AuditRecord::done(switch.at, by, "kill_switch.set", &target, level.name());
        let batch = records::put_kill_switch(batch, &switch).put(records::audit(ids()?), records::encode(&audit));
        self.inner.store.commit(batch).await?;
        warn!(scope = %switch.scope, level = level.name(), reason, by, "kill switch");
        self.inner.kills.set(switch.clone());
        self.take_back_what_is_stopped();
        for session in self.inner.hub.sessions() {
            if switch.scope.covers(session.owner(), session.account()) {
                self.tell_latch(&session);
            }
        }
        self.inner.kills.raised.notify_one();
        Ok(())
    }

    /// Tells a terminal how its account's switch stands. Lost or refused, it is told again as long as its Status says otherwise.
    pub(super) fn tell_latch(&self, session: &SessionHandle) {
        let switch = self.inner.kills.of_account(session.owner(), session.account());
        let latch = switch.map_or_else(Latch::default, |switch| Latch { level: switch.level.number(), reason: switch.reason });
        let _ = session.send(latch);
    }

    /// Tells the terminals that say otherwise than it stands. An EA's own switch may stay on when the hub's is off, so those are told
    /// only when it is their `turn`.
    pub(super) fn repeat_latches(&self, turn: bool) {
        for session in self.inner.hub.sessions() {
            let Some(told) = session.latch() else { continue };
            let stands = self.inner.kills.of_account(session.owner(), session.account()).is_some();
            if (stands && told == 0) || (!stands && told > 0 && turn) {
                self.tell_latch(&session);
            }
        }
    }

    pub(super) async fn load_kills(&self) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.inner.store.scan(records::KILL_SWITCHES, after.as_deref(), 500).await?;
            for (key, entry) in &page {
                self.inner.kills.set(records::decode(key, entry)?);
            }
            match page.last() {
                Some((key, _)) if page.len() == 500 => after = Some(key.clone()),
                _ => return Ok(()),
            }
        }
    }
}
