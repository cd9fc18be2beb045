//! The default backend: our journal in front of sled.
//!
//! ```text
//! commit ─► bounded queue ─► journal thread: judge, seal, append, ONE fdatasync, overlay, answer
//!                                    └─► bounded channel ─► projection thread: sled apply, flush, fdatasync, forget
//! get, scan ─► overlay, then sled
//! ```
//!
//! The journal is the truth. The projection may lag, be thrown away and be rebuilt from it; whatever fails in either
//! latches [`Health::Degraded`], because after a failed sync nobody knows what the disk holds.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

mod archive;
mod backup;
mod export;
mod history;
mod inspection;
mod layout;
mod open;
mod overlay;
mod past;
mod projection;
mod recent;
mod replay;
mod restore;
mod upkeep;
mod writer;

pub use self::history::{verify_history, verify_stopped};
pub use self::inspection::Damage;
use self::layout::Layout;
use self::overlay::{Overlay, Slot};
use self::projection::{Found, Projection, ProjectionError};
pub use self::restore::{RestoreError, Restored, check_backup, restore};
use self::upkeep::Upkeep;
use self::writer::Request;
use super::faults::Faults;
use super::sealing::{Keyring, Opened};
use super::{Backup, Batch, Entry, Health, History, Page, Replay, Seq, Store, StoreChange, StoreError};
use crate::telemetry::metrics::Metrics;

/// Reads of one long value that the writer keeps replacing, before we give up.
const READ_TRIES: usize = 64;

/// How to open an [`EmbeddedStore`].
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The data directory; created if it is missing.
    pub dir: PathBuf,
    /// Size of a journal segment, bytes; one more of it is kept preallocated. Default 64 MiB.
    pub segment_bytes: u64,
    /// Free bytes on the data disk below which new work is refused. Default 256 MiB.
    pub free_space_floor: u64,
    /// Durable records whose loss the operator accepts, this once. Default 0.
    pub accept_loss: u64,
    /// Time between two exports of the state; zero: never. Default 24 h.
    pub export_every: Duration,
    /// Archived segments older than so many days are removed; 0: never. Default 0.
    pub archive_days: u32,
    /// sled's cache, bytes. Expect about five times as much resident memory. Default 16 MiB.
    pub cache_capacity: u64,
    /// Where syncs are counted.
    pub metrics: Metrics,
}

impl EmbeddedOptions {
    /// The defaults, for the data directory `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 << 20,
            free_space_floor: 256 << 20,
            accept_loss: 0,
            export_every: Duration::from_secs(86_400),
            archive_days: 0,
            cache_capacity: 16 << 20,
            metrics: Metrics::new(),
        }
    }
}

/// Journal, sled and keys in one directory of this machine. See the module's documentation.
pub struct EmbeddedStore {
    dir: PathBuf,
    /// Free bytes below which new work is refused.
    floor: u64,
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Where the tests of this module order failures.
    #[cfg_attr(not(test), allow(dead_code))]
    faults: Faults,
}

impl EmbeddedStore {
    /// Opens or creates a store. Blocking: reads the journal; call it through `spawn_blocking`.
    ///
    /// # Errors
    /// `Locked`, `NewerFormat`, `Damaged` (the journal cannot vouch for itself), `Io`.
    pub fn open(options: EmbeddedOptions) -> Result<Self, StoreError> {
        open::open(options, Faults::default())
    }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").field("dir", &self.dir).field("health", &self.health()).finish_non_exhaustive()
    }
}

/// What both threads and all readers share.
struct Shared {
    overlay: Overlay,
    keyring: Keyring,
    /// Both gone once closed.
    open: RwLock<Option<(Projection, Layout)>>,
    latch: OnceLock<String>,
    changes: broadcast::Sender<StoreChange>,
    rebuild_marker: PathBuf,
    dir: PathBuf,
    upkeep: Upkeep,
    /// Held by whoever exports, archives or copies: one at a time, and a close waits for it.
    turn: Mutex<()>,
    /// Told to whoever holds the turn when the store is closed.
    closing: CancellationToken,
    /// The last durable record.
    durable: AtomicU64,
    /// The newest batches, for whoever follows.
    recent: recent::Recent,
    /// Where in the journal those stand who read it again.
    places: replay::Places,
    /// Keys were destroyed, and what they sealed is still in the projection.
    shredded: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("latch", &self.latch).finish_non_exhaustive()
    }
}

impl Shared {
    /// Latches the first failure; returns the error to answer with.
    fn degrade(&self, reason: String) -> StoreError {
        let mut first = false;
        let reason = self.latch.get_or_init(|| {
            first = true;
            reason
        });
        if first {
            tracing::error!(%reason, "the store is degraded: no more writes until the hub is restarted");
        }
        StoreError::Degraded { reason: reason.clone() }
    }

    fn degraded(&self) -> Option<StoreError> {
        self.latch.get().map(|reason| StoreError::Degraded { reason: reason.clone() })
    }

    /// Latches a failure of the projection.
    fn failed(&self, error: &ProjectionError) -> StoreError {
        if matches!(error, ProjectionError::Damaged(_)) {
            // Best effort: without it the next start meets the same damage and latches again.
            let _ = super::disk::write_atomically(&self.rebuild_marker, error.to_string().as_bytes());
        }
        self.degrade(error.to_string())
    }

    /// Whether long work may go on.
    fn usable(&self) -> Result<(), StoreError> {
        if self.closing.is_cancelled() { Err(StoreError::Closed) } else { self.readable() }
    }

    /// The turn, unless somebody has it. Whoever panicked with it left nothing that the next one could not mend.
    fn take_turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn durable(&self) -> Seq {
        self.durable.load(Ordering::Acquire)
    }

    fn became_durable(&self, seq: Seq) {
        self.durable.fetch_max(seq, Ordering::AcqRel);
    }

    /// Uses the projection; its failures latch.
    fn with_projection<T>(&self, call: impl FnOnce(&Projection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let (projection, _) = open.as_ref().ok_or(StoreError::Closed)?;
        call(projection)
    }

    /// What a key holds, as stored. Deleted is `None`.
    fn slot(&self, projection: &Projection, key: &[u8]) -> Result<Option<Slot>, StoreError> {
        for _ in 0..READ_TRIES {
            if let Some(slot) = self.overlay.get(key) {
                return Ok(slot.stored.is_some().then_some(slot));
            }
            match projection.get(key).map_err(|error| self.failed(&error))? {
                Found::Nothing => return Ok(None),
                Found::Slot(slot) => return Ok(Some(slot)),
                Found::Moved => {}
            }
        }
        Err(self.failed(&ProjectionError::Damaged("a long value is not whole".into())))
    }

    /// The version of a key as preconditions see it: a forgotten entry is absent.
    fn version(&self, key: &[u8]) -> Result<Option<Seq>, StoreError> {
        let slot = self.with_projection(|projection| self.slot(projection, key))?;
        let alive =
            slot.filter(|slot| slot.stored.as_ref().is_some_and(|stored| !stored.sealed || self.keyring.is_alive(&stored.bytes)));
        Ok(alive.map(|slot| slot.seq))
    }

    /// Opens a slot for a reader. Forgotten is `None`.
    fn reveal(&self, key: &[u8], slot: &Slot) -> Result<Option<Entry>, StoreError> {
        let Some(stored) = &slot.stored else { return Ok(None) };
        let value = if stored.sealed {
            match self.keyring.open_value(key, &stored.bytes) {
                Opened::Plain(value) => value,
                Opened::Forgotten => return Ok(None),
                Opened::Damaged => {
                    let detail = format!(
                        "the sealed value of {:?} does not fit its key; restore keys/ and the journal from the same backup",
                        String::from_utf8_lossy(key)
                    );
                    return Err(StoreError::Damaged { path: self.rebuild_marker.with_file_name("state"), offset: 0, detail });
                }
            }
        } else {
            stored.bytes.to_vec()
        };
        Ok(Some(Entry { version: slot.seq, value }))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.readable()?;
        match self.with_projection(|projection| self.slot(projection, key))? {
            Some(slot) => self.reveal(key, &slot),
            None => Ok(None),
        }
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        self.readable()?;
        self.with_projection(|projection| {
            let above = self.overlay.range(prefix, after);
            self.page(projection, above, projection.range(prefix, after), limit, Vec::le)
        })
    }

    fn scan_back(&self, prefix: &[u8], before: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        self.readable()?;
        self.with_projection(|projection| {
            let above = self.overlay.range_back(prefix, before);
            self.page(projection, above, projection.range_back(prefix, before), limit, Vec::ge)
        })
    }

    /// The overlay laid over the projection, each in order; `first` says that a key comes before another one, or is the same. The overlay is
    /// read first: what leaves it meanwhile is in the projection.
    fn page(
        &self,
        projection: &Projection,
        above: Vec<(Vec<u8>, Slot)>,
        below: impl Iterator<Item = Result<(Vec<u8>, Found), ProjectionError>>,
        limit: usize,
        first: impl Fn(&Vec<u8>, &Vec<u8>) -> bool,
    ) -> Result<Page, StoreError> {
        let mut above = above.into_iter().peekable();
        let mut below = below.peekable();
        let mut page = Vec::new();
        while page.len() < limit {
            let take_above = match (above.peek(), below.peek()) {
                (Some((upper, _)), Some(Ok((lower, _)))) => first(upper, lower),
                (upper, _) => upper.is_some(),
            };
            let (key, slot) = if take_above {
                let Some((key, mut slot)) = above.next() else { break };
                // The same key below is older, or the same, or newer if a later batch has got there already.
                if let Some(Ok((_, Found::Slot(lower)))) =
                    below.next_if(|item| item.as_ref().is_ok_and(|(lower, _)| *lower == key))
                    && lower.seq > slot.seq
                {
                    slot = lower;
                }
                (key, slot)
            } else {
                match below.next() {
                    Some(Ok((key, Found::Slot(slot)))) => (key, slot),
                    Some(Ok((key, _))) => match self.slot(projection, &key)? {
                        Some(slot) => (key, slot),
                        None => continue,
                    },
                    Some(Err(error)) => return Err(self.failed(&error)),
                    None => break,
                }
            };
            if let Some(entry) = self.reveal(&key, &slot)? {
                page.push((key, entry));
            }
        }
        Ok(page)
    }

    fn readable(&self) -> Result<(), StoreError> {
        self.degraded().map_or(Ok(()), Err)
    }
}

impl Store for EmbeddedStore {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Seq, StoreError>> {
        Box::pin(async move {
            batch.check_size()?;
            let (answer, answered) = oneshot::channel();
            // A store that failed has no thread to ask, or one that says no; one that was closed just ended.
            let ended = || self.shared.degraded().unwrap_or(StoreError::Closed);
            self.requests.send(Request::Commit(batch, answer)).await.map_err(|_| ended())?;
            answered.await.map_err(|_| ended())?
        })
    }

    fn get(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Entry>, StoreError>> {
        let key = key.to_vec();
        Box::pin(async move { self.shared.get(&key) })
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> BoxFuture<'_, Result<Page, StoreError>> {
        let (prefix, after, shared) = (prefix.to_vec(), after.map(<[u8]>::to_vec), Arc::clone(&self.shared));
        // A cold page may read a lot from the disk.
        let reading = move || shared.scan(&prefix, after.as_deref(), limit);
        Box::pin(async move { tokio::task::spawn_blocking(reading).await.unwrap_or(Err(StoreError::Closed)) })
    }

    fn scan_back(&self, prefix: &[u8], before: Option<&[u8]>, limit: usize) -> BoxFuture<'_, Result<Page, StoreError>> {
        let (prefix, before, shared) = (prefix.to_vec(), before.map(<[u8]>::to_vec), Arc::clone(&self.shared));
        let reading = move || shared.scan_back(&prefix, before.as_deref(), limit);
        Box::pin(async move { tokio::task::spawn_blocking(reading).await.unwrap_or(Err(StoreError::Closed)) })
    }

    fn changes(&self) -> broadcast::Receiver<StoreChange> {
        self.shared.changes.subscribe()
    }

    fn head(&self) -> Seq {
        self.shared.durable()
    }

    fn replay(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Replay, StoreError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.usable()?;
            if let Some(told) = shared.recent.after(after, limit, &shared.keyring)? {
                return Ok(Replay::Batches(told));
            }
            let reading = move || replay::from_journal(&shared, after, limit);
            tokio::task::spawn_blocking(reading).await.unwrap_or(Err(StoreError::Closed))
        })
    }

    fn health(&self) -> Health {
        match self.shared.latch.get() {
            Some(reason) => Health::Degraded { reason: reason.clone() },
            // Where it cannot be measured the next write will tell.
            None if fs4::available_space(&self.dir).is_ok_and(|free| free < self.floor) => Health::LowSpace,
            None => Health::Ok,
        }
    }

    fn last_key(&self, prefix: &[u8]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let prefix = prefix.to_vec();
        Box::pin(async move {
            self.shared.readable()?;
            let above = self.shared.overlay.last(&prefix);
            let below =
                self.shared.with_projection(|projection| projection.last(&prefix).map_err(|error| self.shared.failed(&error)))?;
            Ok(above.max(below))
        })
    }

    fn upkeep(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        let (shared, requests) = (Arc::clone(&self.shared), self.requests.clone());
        Box::pin(async move {
            let working = move || upkeep::run(&shared, &requests);
            tokio::task::spawn_blocking(working).await.unwrap_or(Err(StoreError::Closed))
        })
    }

    fn verify(&self, expected: Option<(Seq, String)>) -> BoxFuture<'_, Result<History, StoreError>> {
        let shared = Arc::clone(&self.shared);
        let reading = move || history::verify_open(&shared, expected.as_ref());
        Box::pin(async move { tokio::task::spawn_blocking(reading).await.unwrap_or(Err(StoreError::Closed)) })
    }

    fn backup(&self) -> BoxFuture<'_, Result<Backup, StoreError>> {
        Box::pin(backup::begin(&self.shared))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.shared.closing.cancel();
            // An error means that it was closed before.
            let _ = self.requests.send(Request::Close).await;
            let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
            let shared = Arc::clone(&self.shared);
            let ending = move || {
                for thread in threads {
                    // A panic has latched already.
                    let _ = thread.join();
                }
                // Whoever works on the files lets go of them first.
                let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
                drop(shared.open.write().unwrap_or_else(PoisonError::into_inner).take());
            };
            // Only a runtime that is being dropped refuses; the threads end by themselves then.
            let _ = tokio::task::spawn_blocking(ending).await;
            self.shared.readable()
        })
    }
}

#[cfg(test)]
mod backup_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod power_cut_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upkeep_tests;
