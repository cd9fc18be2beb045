//! What happened, in order, each thing once: the store's own history read as events. Streams and webhooks read it.
//!
//! There is no second log. An event follows from a batch that is durable (`derive`), its place is the batch's number, and what is not in
//! memory any more (`recent`) is read again from the store. So nothing is told that a crash could take back, and nothing that was
//! durable is not told, over restarts too.

mod derive;
mod recent;
pub mod view;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{
    select,
    sync::{Semaphore, broadcast::error::RecvError, watch},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use ulid::Ulid;

use crate::{
    access::Access,
    domain::event::{batch_of, end_of},
    store::{Committed, Replay, Seq, Store, StoreError, Written, records},
    telemetry::metrics::Metrics,
};
use derive::{Accounts, Known};
use recent::Ring;
pub use recent::Told;

/// Batches taken from the store at once.
const BATCHES: usize = 256;
/// Batches that a start reads again, so that whoever comes back after a restart is answered from memory.
const REMEMBERED: Seq = 4_096;
/// Readers of the store's files at once; the others wait for their turn.
const READERS: usize = 2;
/// Between two tries of a store that fails.
const RETRY: Duration = Duration::from_secs(1);

/// What comes after a place is not kept any more, or the place is of another history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("events after {from} are not kept any more; they are again from {to} on")]
pub struct Gap {
    /// The place asked for.
    pub from: u64,
    /// From here on everything is there: a reader goes on with what comes after it.
    pub to: u64,
}

/// Why no events came.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Missed {
    /// Some are gone.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Some events, in order.
#[derive(Debug, Default)]
pub struct Page {
    /// They may be none, although `next` has moved: most batches tell of nothing.
    pub events: Vec<Arc<Told>>,
    /// Where the next page begins.
    pub next: u64,
}

/// The log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    inner: Arc<Inner>,
    /// The turns of those who read the store's files.
    readers: Arc<Semaphore>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    access: Access,
    accounts: RwLock<Accounts>,
    ring: RwLock<Ring>,
    head: watch::Sender<u64>,
    audited: watch::Sender<Option<Ulid>>,
    metrics: Metrics,
}

impl Events {
    /// Reads what must be known from before, and the newest past.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: Arc<dyn Store>, access: Access, metrics: Metrics) -> Result<Self, StoreError> {
        let mut accounts = Accounts::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.scan(records::HISTORY_ACCOUNTS, after.as_deref(), 1_000).await?;
            page.iter().for_each(|(key, entry)| accounts.learn(key, &entry.value));
            match page.last() {
                Some((key, _)) => after = Some(key.clone()),
                None => break,
            }
        }
        let mut ring = Ring::default();
        ring.restart(store.head().saturating_sub(REMEMBERED));
        let newest = store.last_key(records::AUDIT).await?.as_deref().and_then(records::audit_of);
        let (head, readers) = (watch::Sender::new(0), Arc::new(Semaphore::new(READERS)));
        let (accounts, ring) = (RwLock::new(accounts), RwLock::new(ring));
        let events = Self {
            inner: Arc::new(Inner { store, access, accounts, ring, head, audited: watch::Sender::new(newest), metrics }),
            readers,
        };
        events.catch_up().await?;
        Ok(events)
    }

    /// The same log for readers with turns of their own: those who are far behind there keep nobody here waiting.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), readers: Arc::new(Semaphore::new(READERS)) }
    }

    /// Follows the store until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut changes = self.inner.store.changes();
        loop {
            let failed =
                self.catch_up().await.inspect_err(|error| warn!(%error, "events cannot be read from the store")).is_err();
            select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY), if failed => {}
                change = changes.recv(), if !failed => match change {
                    // A bell only: what rang is read from the store, in order and whole.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    /// Takes in all that the store has.
    async fn catch_up(&self) -> Result<(), StoreError> {
        loop {
            let head = self.ring().head;
            match self.inner.store.replay(head, BATCHES).await? {
                Replay::Batches(batches) if batches.is_empty() => return Ok(()),
                Replay::Batches(batches) => batches.iter().for_each(|batch| self.take(batch)),
                Replay::Gone { oldest } => {
                    if oldest <= head + 1 {
                        error!(head, oldest, "the store's history ends before what was read of it");
                        return Ok(());
                    }
                    self.ring_mut().restart(oldest - 1);
                }
            }
        }
    }

    fn take(&self, batch: &Committed) {
        let events = self.events_of(batch);
        for told in &events {
            self.inner.metrics.events.get_or_create(&[("kind", told.kind)]).inc();
        }
        let any = !events.is_empty();
        self.ring_mut().push(batch.seq, batch.mark, events, &batch.forgets);
        if any {
            self.inner.head.send_replace(end_of(batch.seq));
        }
        let audit = batch.writes.iter().filter_map(|(key, written)| match written {
            Written::Put(_) => records::audit_of(key),
            _ => None,
        });
        // Whatever its id is: two that write at once draw their ids in one order and may commit in the other.
        if let Some(newest) = audit.max() {
            self.inner.audited.send_replace(Some(newest));
        }
    }

    fn events_of(&self, batch: &Committed) -> Vec<Arc<Told>> {
        let writes = batch.writes.iter().filter_map(|(key, written)| match written {
            Written::Put(value) if key.starts_with(records::HISTORY_ACCOUNTS) => Some((key, value)),
            _ => None,
        });
        for (key, value) in writes {
            self.inner.accounts.write().unwrap_or_else(PoisonError::into_inner).learn(key, value);
        }
        let accounts = self.inner.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let owner_of = |key| self.inner.access.key(key).map(|key| key.owner);
        let maker = |record: &_| self.inner.access.maker(record);
        let maker_of_line = |line, tenant| self.inner.access.maker_of_line(line, tenant);
        let known = Known { accounts: &accounts, owner_of: &owner_of, maker: &maker, maker_of_line: &maker_of_line };
        let events = derive::events(batch, &known);
        let bytes = batch.bytes() / events.len().max(1);
        events.into_iter().map(|event| Arc::new(Told::new(event, batch.mark, bytes))).collect()
    }

    /// The events after `cursor`, which is the `seq` of one, or a place that an earlier page gave. From memory if they are there, else from
    /// the store.
    ///
    /// # Errors
    /// [`Missed`].
    pub async fn after(&self, cursor: u64, limit: usize) -> Result<Page, Missed> {
        if let Some(page) = self.remembered(cursor, limit) {
            return Ok(page);
        }
        // The semaphore is never closed.
        let _turn = self.readers.acquire().await;
        // A cursor in the midst of a batch needs the rest of it.
        let batch = batch_of(cursor);
        let from = if cursor == end_of(batch) { batch } else { batch.saturating_sub(1) };
        match self.inner.store.replay(from, BATCHES).await? {
            Replay::Gone { oldest } => Err(Gap { from: cursor, to: end_of(oldest.saturating_sub(1)) }.into()),
            Replay::Batches(batches) => {
                let mut page = Page { events: Vec::new(), next: cursor };
                for batch in &batches {
                    page.events.extend(self.events_of(batch).into_iter().filter(|told| told.seq > cursor));
                    page.next = page.next.max(end_of(batch.seq));
                    if page.events.len() >= limit {
                        break;
                    }
                }
                Ok(page)
            }
        }
    }

    /// One event, if there is one with this `seq`. Of the store only its batch is read.
    ///
    /// # Errors
    /// [`Missed`].
    pub async fn at(&self, seq: u64) -> Result<Option<Arc<Told>>, Missed> {
        let before = seq.saturating_sub(1);
        if let Some(page) = self.remembered(before, 1) {
            return Ok(page.events.into_iter().find(|told| told.seq == seq));
        }
        let _turn = self.readers.acquire().await;
        match self.inner.store.replay(batch_of(seq).saturating_sub(1), 1).await? {
            Replay::Gone { oldest } => Err(Gap { from: before, to: end_of(oldest.saturating_sub(1)) }.into()),
            Replay::Batches(batches) => {
                let events = batches.first().map(|batch| self.events_of(batch)).unwrap_or_default();
                Ok(events.into_iter().find(|told| told.seq == seq))
            }
        }
    }

    fn remembered(&self, cursor: u64, limit: usize) -> Option<Page> {
        let ring = self.ring();
        if batch_of(cursor) > ring.head {
            // Not taken in yet, or of another history; the store knows.
            return None;
        }
        let events = ring.after(cursor, limit)?;
        let next = events.last().filter(|_| events.len() >= limit).map_or(end_of(ring.head), |last| last.seq);
        Some(Page { events, next })
    }

    /// Told when there are new events: the place after the newest.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<u64> {
        self.inner.head.subscribe()
    }

    /// Told when there are new audit records: the id of the one that came last, which need not be the highest. They are no events: who was
    /// refused must not be able to fill the log that everybody reads.
    #[must_use]
    pub fn audited(&self) -> watch::Receiver<Option<Ulid>> {
        self.inner.audited.subscribe()
    }

    /// The place after everything that was looked at so far: whoever begins here misses nothing that comes.
    #[must_use]
    pub fn now(&self) -> u64 {
        end_of(self.ring().head)
    }

    /// What a cursor given to a client says beside its place, so that one of another history is recognised: see [`Committed::mark`].
    ///
    /// # Errors
    /// [`Missed`]: a place that is not in this history, or not kept.
    pub async fn mark_of(&self, cursor: u64) -> Result<u32, Missed> {
        let batch = batch_of(cursor);
        if let Some(mark) = self.ring().mark_of(batch) {
            return Ok(mark);
        }
        if batch == 0 {
            return Ok(0);
        }
        let _turn = self.readers.acquire().await;
        match self.inner.store.replay(batch - 1, 1).await? {
            Replay::Batches(found) if !found.is_empty() => Ok(found[0].mark),
            Replay::Batches(_) => Err(Gap { from: cursor, to: self.now() }.into()),
            Replay::Gone { oldest } => Err(Gap { from: cursor, to: end_of(oldest.saturating_sub(1)) }.into()),
        }
    }

    fn ring(&self) -> std::sync::RwLockReadGuard<'_, Ring> {
        self.inner.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring_mut(&self) -> std::sync::RwLockWriteGuard<'_, Ring> {
        self.inner.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
