//! Dead-man timers: a key that falls silent has its accounts stopped.
//!
//! Time counts on the clock that never jumps. A hub that was down goes by the wall clock for once: a timer whose time passed meanwhile
//! fires at the start, since nobody can know that its key was alive; one that is still running goes on, and never longer than whole.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{select, sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::Trading;
use crate::{
    domain::{
        ids::KeyId,
        safety::{Deadman, KillScope},
    },
    store::{Batch, StoreError, records},
};

/// A timer that could not be fired durably is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);

/// A timer and when it fires; none when it is off.
#[derive(Debug, Clone)]
pub struct Timer {
    /// What is recorded.
    pub record: Deadman,
    /// When it fires.
    pub fires_at: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Deadmen {
    timers: Mutex<HashMap<(KeyId, KillScope), Timer>>,
    /// One change at a time: what is on the disk is what is in memory.
    changing: tokio::sync::Mutex<()>,
    changed: Notify,
}

impl Deadmen {
    fn timers(&self) -> std::sync::MutexGuard<'_, HashMap<(KeyId, KillScope), Timer>> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, timer: Timer) {
        self.timers().insert((timer.record.key, timer.record.scope.clone()), timer);
        self.changed.notify_one();
    }

    fn next(&self) -> Option<Timer> {
        let timers = self.timers();
        timers.values().filter(|timer| timer.fires_at.is_some()).min_by_key(|timer| timer.fires_at).cloned()
    }
}

impl Trading {
    /// Arms a timer, or pushes it on; durable before the old one is let go.
    ///
    /// # Errors
    /// The store's: the timer is as it was.
    pub async fn arm_deadman(&self, record: Deadman) -> Result<Timer, StoreError> {
        let _turn = self.inner.deadmen.changing.lock().await;
        self.inner.store.commit(records::put_deadman(Batch::outcome(), &record)).await?;
        // Not from the call: one that waited for longer than its own time would be set as one that is over, and fire.
        let fires_at = Instant::now() + Duration::from_millis(u64::from(record.timeout_ms));
        let timer = Timer { record, fires_at: Some(fires_at) };
        self.inner.deadmen.set(timer.clone());
        Ok(timer)
    }

    /// Lets a timer go; none to let go is no error. What it has latched stays latched.
    ///
    /// # Errors
    /// The store's: the timer runs on.
    pub async fn disarm_deadman(&self, key: KeyId, scope: &KillScope) -> Result<(), StoreError> {
        let _turn = self.inner.deadmen.changing.lock().await;
        self.inner.store.commit(Batch::outcome().delete(records::deadman(key, scope))).await?;
        self.inner.deadmen.timers().remove(&(key, scope.clone()));
        self.inner.deadmen.changed.notify_one();
        Ok(())
    }

    /// All timers that run or have fired.
    #[must_use]
    pub fn deadmen(&self) -> Vec<Timer> {
        let mut found: Vec<_> = self.inner.deadmen.timers().values().cloned().collect();
        found.sort_by(|a, b| (a.record.key, &a.record.scope).cmp(&(b.record.key, &b.record.scope)));
        found
    }

    /// Makes everything that a backup had armed let go, before anything can act on it: timers that run are disarmed, and switches that
    /// cancel or flatten go back to `block`. What a restored hub knows is old, so it must not trade by itself until a person has looked.
    ///
    /// # Errors
    /// The store's; calling it again goes on where it stopped.
    pub async fn quiet_after_restore(&self, reason: &str) -> Result<(), StoreError> {
        for timer in self.deadmen().into_iter().filter(|timer| timer.fires_at.is_some()) {
            let Deadman { key, scope, action, .. } = timer.record;
            warn!(%key, %scope, action = action.name(), "a dead-man timer of the backup is disarmed; arm it anew");
            self.disarm_deadman(key, &scope).await?;
        }
        self.block_only(reason).await
    }

    pub(super) async fn load_deadmen(&self) -> Result<(), StoreError> {
        let now = self.inner.clock.wall();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.inner.store.scan(records::DEADMEN, after.as_deref(), 500).await?;
            for (key, entry) in &page {
                let record: Deadman = records::decode(key, entry)?;
                let whole = i64::from(record.timeout_ms);
                let left = (whole - now.since(record.armed_at)).clamp(0, whole);
                let fires_at = Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0));
                let fires_at = record.fired_at.is_none().then_some(fires_at);
                self.inner.deadmen.set(Timer { record, fires_at });
            }
            match page.last() {
                Some((key, _)) if page.len() == 500 => after = Some(key.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// Fires what is due, until `stop`.
    pub(super) async fn watch_deadmen(&self, stop: CancellationToken) {
        loop {
            let changed = self.inner.deadmen.changed.notified();
            let Some(timer) = self.inner.deadmen.next() else {
                select! {
                    () = stop.cancelled() => return,
                    () = changed => continue,
                }
            };
            let due = timer.fires_at.unwrap_or_else(Instant::now);
            select! {
                biased;
                () = stop.cancelled() => return,
                () = changed => {}
                () = tokio::time::sleep_until(due) => {
                    if let Err(failed) = self.fire(&timer).await {
                        error!(key = %timer.record.key, %failed, "a dead-man timer could not be carried out; it is tried again");
                        select! {
                            () = stop.cancelled() => return,
                            () = tokio::time::sleep(AGAIN) => {}
                        }
                    }
                }
            }
        }
    }

    async fn fire(&self, timer: &Timer) -> Result<(), StoreError> {
        // First of all: while this waits for other switches, timers can be renewed.
        let switches = self.hold_switches().await;
        let _turn = self.inner.deadmen.changing.lock().await;
        let Timer { record, fires_at } = timer;
        // Its key may have called while this waited for its turn.
        let stands =
            self.inner.deadmen.timers().get(&(record.key, record.scope.clone())).is_some_and(|now| now.fires_at == *fires_at);
        if !stands {
            return Ok(());
        }
        warn!(key = %record.key, scope = %record.scope, "a dead-man timer fires");
        let fired = Deadman { fired_at: Some(self.inner.clock.wall()), ..record.clone() };
        let reason =
            format!("the dead-man timer of {} was not renewed within {} s", record.key, f64::from(record.timeout_ms) / 1e3);
        let batch = records::put_deadman(Batch::outcome(), &fired);
        self.raise_in_turn(&switches, batch, record.scope.clone(), record.action, &reason, "hub").await?;
        self.inner.deadmen.set(Timer { record: fired, fires_at: None });
        Ok(())
    }
}
