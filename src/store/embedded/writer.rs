//! The two threads: one owns the journal and decides, one writes the projection and may lag.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant};

use super::Shared;
use super::overlay::Group;
use super::recent::Told;
use crate::store::batch::Write;
use crate::store::faults::kill_point;
use crate::store::journal::{Journal, Kind, Op, encode_ops};
use crate::store::sealing::Stone;
use crate::store::{Batch, Class, Seq, StoreChange, StoreError};
use crate::telemetry::metrics::Metrics;

/// Most batches that share one sync.
const GROUP_BATCHES: usize = 512;
/// No further batch joins a group of this many bytes.
const GROUP_BYTES: usize = 256 * 1024;
/// Groups that wait for the projection; then the journal waits too, and so memory is bounded.
pub(super) const GROUPS_WAITING: usize = 256;
/// No further group joins an apply of this many bytes.
const APPLY_BYTES: usize = 1024 * 1024;
/// How long the projection gathers groups before it syncs its own file: two files that sync at once wait for each other, and
/// callers wait for the journal's. Reads see the overlay meanwhile, and a crash replays it.
const LAG: Duration = Duration::from_millis(20);
/// How long, or for how many bytes, a measurement of free space is believed.
const SPACE_BELIEVED: Duration = Duration::from_secs(1);
const SPACE_BELIEVED_BYTES: u64 = 1024 * 1024;

/// What a caller of `commit` hears, and where it listens.
type Outcome = Result<Seq, StoreError>;
type Answer = oneshot::Sender<Outcome>;

/// What the journal's thread is asked.
#[derive(Debug)]
pub(super) enum Request {
    Commit(Batch, Answer),
    /// Have the projection remove these keys' values, if they still can never be opened again.
    Purge(Vec<Vec<u8>>),
    /// Finish what was queued before, then end.
    Close,
}

/// The journal's thread.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) journal: Journal,
    pub(super) space: Space,
    pub(super) metrics: Metrics,
    pub(super) to_projection: SyncSender<Group>,
}

/// A group while it is put together.
#[derive(Default)]
struct Pending {
    group: Group,
    changes: Vec<StoreChange>,
    /// The same batches with what they wrote.
    told: Vec<Told>,
    /// Keys that its batches destroy.
    shreds: Vec<Stone>,
    answers: Vec<(Answer, Outcome)>,
    /// What earlier batches of the group made of a key's version; `None` is deleted.
    versions: HashMap<Vec<u8>, Option<Seq>>,
}

/// Why a batch does not join its group.
enum Refused {
    /// Only this batch.
    Batch(StoreError),
    /// The store has failed.
    Store(String),
}

impl Writer {
    /// Serves until closed, or until every handle of the store is gone.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let _guard = PanicGuard(Arc::clone(&self.shared), "the journal's thread panicked");
        while let Some(first) = requests.blocking_recv() {
            let mut waiting = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(request) = next {
                match request {
                    Request::Commit(batch, answer) => {
                        bytes += batch.size();
                        waiting.push((batch, answer));
                    }
                    Request::Purge(purge) => {
                        // Only this thread speaks to the projection's; a send that fails is told by the next group.
                        let _ = self.to_projection.send(Group { purge, ..Group::default() });
                    }
                    Request::Close => requests.close(),
                }
                let full = waiting.len() >= GROUP_BATCHES || bytes >= GROUP_BYTES;
                next = if full { None } else { requests.try_recv().ok() };
            }
            self.serve(waiting);
        }
    }

    fn serve(&mut self, waiting: Vec<(Batch, Answer)>) {
        let mut pending = Pending::default();
        for (batch, answer) in waiting {
            let staged = match self.shared.degraded() {
                Some(error) => Err(error),
                None => self.stage(&mut pending, batch).map_err(|refused| match refused {
                    Refused::Batch(error) => error,
                    Refused::Store(reason) => self.shared.degrade(reason),
                }),
            };
            pending.answers.push((answer, staged));
            // What comes after a shred may need a new key of the same scope, so the old one must be gone first.
            if !pending.shreds.is_empty() {
                self.finish(std::mem::take(&mut pending));
            }
        }
        self.finish(pending);
        if self.shared.degraded().is_none() {
            self.journal.prepare_spare();
        }
    }

    /// Judges one batch and stages its record.
    fn stage(&mut self, pending: &mut Pending, batch: Batch) -> Result<Seq, Refused> {
        if batch.class == Class::Admission {
            self.space.admit(self.journal.has_spare()).map_err(Refused::Batch)?;
        }
        for (key, expected) in &batch.expects {
            let found = match pending.versions.get(key) {
                Some(version) => *version,
                None => self.shared.version(key).map_err(|error| Refused::Store(error.to_string()))?,
            };
            if found != *expected {
                return Err(Refused::Batch(StoreError::Conflict { key: key.clone() }));
            }
        }
        let keys = batch.written_keys();
        let (ops, shreds) = self.operations(batch).map_err(|source| {
            // No key could be made: nothing was written yet, and nothing that was is in doubt.
            Refused::Batch(StoreError::Io { action: "make a key in", path: "keys".into(), source: source.into() })
        })?;
        let payload = encode_ops(&ops).map_err(|error| Refused::Store(format!("a record could not be encoded: {error}")))?;
        let kind = if shreds.is_empty() { Kind::Batch } else { Kind::Shredding };
        let seq = self.journal.stage(kind, &payload);
        self.space.written += payload.len() as u64;
        for op in &ops {
            match op {
                Op::Put { key, .. } | Op::PutSealed { key, .. } => pending.versions.insert(key.clone(), Some(seq)),
                Op::Delete { key } => pending.versions.insert(key.clone(), None),
                Op::Shred { .. } => None,
            };
        }
        let (first, chain) = (pending.group.slots.len(), self.journal.chain());
        pending.group.add(seq, chain, ops);
        let scopes = shreds.iter().map(|(scope, _)| *scope).collect();
        pending.told.push(Told::new(seq, &chain, &pending.group.slots[first..], scopes));
        pending.changes.push(StoreChange { seq, keys });
        pending.shreds.extend(shreds);
        Ok(seq)
    }

    /// The operations of a batch, values sealed. A scope's first key is durable before this returns.
    fn operations(&self, batch: Batch) -> std::io::Result<(Vec<Op>, Vec<Stone>)> {
        let mut ops = Vec::with_capacity(batch.writes.len() + batch.shreds.len());
        for write in batch.writes {
            ops.push(match write {
                Write::Put { key, value } => Op::Put { key, value },
                Write::PutSealed { scope, key, value } => {
                    let value = self.shared.keyring.seal(&scope, &key, &value)?;
                    Op::PutSealed { key, value }
                }
                Write::Delete { key } => Op::Delete { key },
            });
        }
        let mut shreds = Vec::new();
        for scope in batch.shreds {
            // Without a key there is nothing to destroy; the tombstone says that it was asked for.
            let id = self.shared.keyring.current_id(&scope).unwrap_or_default();
            ops.push(Op::Shred { scope: *scope.digest(), id });
            shreds.push((*scope.digest(), id));
        }
        Ok((ops, shreds))
    }

    /// One sync for the group; then, and only then, everyone hears of it.
    fn finish(&mut self, pending: Pending) {
        let durable = if pending.changes.is_empty() { Ok(()) } else { self.make_durable(&pending) };
        if let Err(reason) = durable {
            let error = self.shared.degrade(reason);
            for (answer, _) in pending.answers {
                let _ = answer.send(Err(error.clone()));
            }
            return;
        }
        self.shared.overlay.show(&pending.group);
        self.shared.recent.extend(pending.told);
        self.shared.became_durable(pending.group.last);
        if !pending.shreds.is_empty() {
            self.shared.shredded.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        for change in pending.changes {
            // Nobody listening is no error.
            let _ = self.shared.changes.send(change);
        }
        for (answer, result) in pending.answers {
            let _ = answer.send(result);
        }
        if pending.group.last > 0 && self.to_projection.send(pending.group).is_err() {
            self.shared.degrade("the projection's thread ended".into());
        }
    }

    fn make_durable(&mut self, pending: &Pending) -> Result<(), String> {
        let begun = Instant::now();
        self.journal.sync_group().map_err(|error| format!("the journal could not be written: {error}"))?;
        self.metrics.journal_sync_seconds.observe(begun.elapsed().as_secs_f64());
        // Exact below 2^52, and a group has 512 records at most.
        self.metrics.journal_group.observe(u32::try_from(pending.changes.len()).unwrap_or(u32::MAX).into());
        for (scope, id) in &pending.shreds {
            kill_point("shred_before_destroy");
            self.shared.keyring.destroy(scope, id).map_err(|error| format!("a key could not be destroyed: {error}"))?;
        }
        Ok(())
    }
}

/// Decides whether new work still fits on the disk.
#[derive(Debug)]
pub(super) struct Space {
    dir: PathBuf,
    floor: u64,
    free: u64,
    measured: Option<Instant>,
    /// Bytes written since the measurement.
    pub(super) written: u64,
}

impl Space {
    pub(super) fn new(dir: PathBuf, floor: u64) -> Self {
        Self { dir, floor, free: 0, measured: None, written: 0 }
    }

    fn admit(&mut self, spare: bool) -> Result<(), StoreError> {
        let believed = self.measured.is_some_and(|at| at.elapsed() < SPACE_BELIEVED) && self.written < SPACE_BELIEVED_BYTES;
        if !believed {
            // Where it cannot be measured (a file system gone away) the next write will tell.
            self.free = fs4::available_space(&self.dir).unwrap_or(u64::MAX);
            self.measured = Some(Instant::now());
            self.written = 0;
        }
        if self.free < self.floor || !spare {
            return Err(StoreError::Full { free: self.free, floor: self.floor });
        }
        Ok(())
    }
}

/// The projection's thread: applies what is durable, then lets the overlay forget it.
pub(super) fn project(shared: &Arc<Shared>, groups: &Receiver<Group>) {
    let _guard = PanicGuard(Arc::clone(shared), "the projection's thread panicked");
    while let Ok(first) = groups.recv() {
        let mut bytes = first.bytes;
        let mut together = vec![first];
        let until = Instant::now() + LAG;
        while bytes < APPLY_BYTES
            && together.len() < GROUPS_WAITING / 2
            && let Ok(next) = groups.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            bytes += next.bytes;
            together.push(next);
        }
        // After a failure nothing more is written; the journal has it all.
        if shared.degraded().is_none() {
            // A failure latches, and the overlay keeps what it has.
            if shared
                .with_projection(|projection| {
                    projection.apply(&together, |sealed| shared.keyring.is_dead(sealed)).map_err(|error| shared.failed(&error))
                })
                .is_ok()
            {
                shared.overlay.drop_applied(&together);
            }
        }
    }
}

/// A thread that dies must not leave a store that looks well.
struct PanicGuard(Arc<Shared>, &'static str);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.degrade(self.1.into());
        }
    }
}
