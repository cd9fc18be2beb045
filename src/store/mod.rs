//! What survives a restart: the trait [`Store`], its [`Batch`]es, errors and change stream.
//!
//! A store is an ordered map of byte keys to byte values. Every write is one atomic [`Batch`], and a
//! batch that was answered `Ok` is on the disk. Backends:
//!
//! * [`embedded::EmbeddedStore`]: our own journal (the truth) in front of sled (the projection);
//! * [`memory::MemoryStore`]: the same behaviour in RAM, for unit tests of the layers above.
//!
//! [`contract`] holds the checks that every backend passes, [`failing::FailingStore`] breaks any of
//! them on demand, and [`cache`] is the disposable store of bars, which is no [`Store`] at all.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::domain::UnixMillis;

mod batch;
pub mod cache;
pub mod contract;
mod disk;
pub mod embedded;
pub mod failing;
mod faults;
mod journal;
pub mod memory;
pub mod merged;
mod page;
#[cfg(test)]
mod power_cut;
pub mod records;
mod sealing;

pub use batch::{Batch, Class, MAX_BATCH, MAX_KEY, MAX_VALUE, SealScope};

/// Number of a committed batch: 1 for the first batch of a store's life, then one more each.
pub type Seq = u64;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The batch that last wrote this key. Pass it to [`Batch::expect_version`] for compare-and-set.
    pub version: Seq,
    /// The value as it was put; a sealed one has been opened.
    pub value: Vec<u8>,
}

/// What a scan returns: keys and what they hold, ascending.
pub type Page = Vec<(Vec<u8>, Entry)>;

/// A committed batch, as told to the followers of [`Store::changes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreChange {
    /// The batch.
    pub seq: Seq,
    /// The keys that it put or deleted, in the order of the batch.
    pub keys: Arc<[Vec<u8>]>,
}

/// A committed batch with what it wrote, as [`Store::replay`] tells it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The batch.
    pub seq: Seq,
    /// Four bytes that depend on this batch and on all before it: a number alone does not tell one history from another, such as the one
    /// that began with an older backup.
    pub mark: u32,
    /// Keys and what was done to them, in the order of the batch.
    pub writes: Vec<(Vec<u8>, Written)>,
    /// Whose sealed values the batch forgot, for good.
    pub forgets: Vec<SealScope>,
}

impl Committed {
    /// Bytes of its keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let value = |written: &Written| if let Written::Put(value) = written { value.len() } else { 0 };
        self.writes.iter().map(|(key, written)| key.len() + value(written)).sum()
    }
}

/// One write of a [`Committed`] batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It was set to this; what was sealed is opened.
    Put(Vec<u8>),
    /// It was deleted.
    Delete,
    /// It was set to something that was forgotten since.
    Forgotten,
}

/// What [`Store::replay`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// The batches that come next, without a hole; none when nothing was committed since.
    Batches(Vec<Committed>),
    /// What comes next is not kept any more, or was never written.
    Gone {
        /// The oldest batch from which on everything is there.
        oldest: Seq,
    },
}

/// Whether the store still takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Everything works. (A full disk is not degraded: see [`StoreError::Full`].)
    Ok,
    /// The disk is nearly full: new work is refused, outcomes are still recorded. Passes when there is room again.
    LowSpace,
    /// A write, a sync or the projection failed. Latched until the process restarts.
    Degraded {
        /// What failed first.
        reason: String,
    },
}

/// Why a store refused. Cheap to clone, so that one failure can be told to a whole group of callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A precondition of the batch does not hold. Nothing was written.
    #[error("the key {:?} was changed by someone else; read it again and decide anew", String::from_utf8_lossy(.key))]
    Conflict {
        /// The first key whose precondition failed.
        key: Vec<u8>,
    },
    /// New work is refused because the disk is nearly full. Nothing was written; outcomes still have room.
    #[error("only {free} bytes are free where the floor is {floor}; free space on the data disk and try again")]
    Full {
        /// Bytes free on the data disk.
        free: u64,
        /// The configured floor.
        floor: u64,
    },
    /// The store failed earlier, or during this call. A batch refused with this **may or may not** be there after a restart.
    #[error("the store stopped after a failure ({reason}); mend the cause and restart the hub")]
    Degraded {
        /// What failed first.
        reason: String,
    },
    /// A key, value or batch above its limit. Nothing was written.
    #[error("{what} of {bytes} bytes is above the limit of {limit}; split it")]
    TooLarge {
        /// "a key", "a value" or "a batch".
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The largest size allowed.
        limit: usize,
    },
    /// Another process holds the data directory.
    #[error("{} is in use by another process; stop that hub first, or choose another data directory", .path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The data was written by a newer mtbridge. Nothing was touched.
    #[error("{} has format {found}, this version reads up to {supported}; start a newer mtbridge, or restore a backup made before the upgrade", .path.display())]
    NewerFormat {
        /// The version found.
        found: u32,
        /// The newest that this program reads.
        supported: u32,
        /// The file that says so.
        path: PathBuf,
    },
    /// Records that were once durable cannot be read back. The store does not start by itself on that.
    #[error("{} is damaged at byte {offset}: {detail}", .path.display())]
    Damaged {
        /// The damaged file or directory.
        path: PathBuf,
        /// Where, in bytes from its start.
        offset: u64,
        /// What is wrong and what to do about it.
        detail: String,
    },
    /// The operating system refused, outside of the latched paths (that is: during open).
    #[error("could not {action} {}: {source}; check that the path exists and is writable by this user", .path.display())]
    Io {
        /// What was tried: "create", "read", ...
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's own words.
        source: Arc<std::io::Error>,
    },
    /// Another backup or an export is under way. Nothing was begun.
    #[error("a backup or an export is under way; try again in a minute")]
    Busy,
    /// This backend cannot do that.
    #[error("this store cannot do that")]
    Unsupported,
    /// The store was closed; the hub is shutting down.
    #[error("the store is closed; nothing can be read or written during shutdown")]
    Closed,
}

/// What survives a restart. Cheap to share as `Arc<dyn Store>`.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Writes a batch, all or nothing. `Ok` only after it is durable **and** visible to `get` and `scan`.
    ///
    /// Preconditions are judged by the single writer, so compare-and-set is exact. Dropping the future
    /// does not take the batch back: it may still be written.
    ///
    /// # Errors
    /// `Conflict`, `Full` and `TooLarge`: nothing was written. `Degraded`: unknown, the restart will tell. `Closed`: nothing was written.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Seq, StoreError>>;

    /// The entry under `key`. A sealed entry whose key was shredded reads as `None`.
    ///
    /// # Errors
    /// `Degraded`, `Closed`, or `Damaged` when the bytes on the disk are not what was written.
    fn get(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Entry>, StoreError>>;

    /// Entries whose key starts with `prefix`, after `after` (exclusive) if given, ascending, at most `limit`.
    /// For the next page pass the last key received as `after`. Not a snapshot: a batch committed while the
    /// scan runs may show in part.
    ///
    /// # Errors
    /// As for [`Store::get`].
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> BoxFuture<'_, Result<Page, StoreError>>;

    /// The same from the other end: before `before` (exclusive) if given, descending.
    ///
    /// # Errors
    /// As for [`Store::get`].
    fn scan_back(&self, prefix: &[u8], before: Option<&[u8]>, limit: usize) -> BoxFuture<'_, Result<Page, StoreError>>;

    /// Committed batches from now on, in order. Bounded: a reader that lags gets `RecvError::Lagged` and must
    /// read again what it follows.
    fn changes(&self) -> tokio::sync::broadcast::Receiver<StoreChange>;

    /// The last batch that is durable, and told to the followers of [`Store::changes`]; 0 before the first.
    fn head(&self) -> Seq;

    /// The batches after `after`, in order, with their values: at most `limit`, and no more once they are large together. Only what is durable
    /// is told. For the next page pass the last number. With [`Store::changes`] as a bell this is how everything is followed without
    /// a hole, over restarts too; how far back it reaches is the backend's affair, days at least.
    ///
    /// # Errors
    /// As for [`Store::get`], and `Io` when the past cannot be read.
    fn replay(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Replay, StoreError>>;

    /// How it is now. Latched: once degraded, degraded until the restart.
    fn health(&self) -> Health;

    /// The highest key under `prefix`. It may have been deleted a moment ago, or hold something that was forgotten.
    ///
    /// # Errors
    /// As for [`Store::get`].
    fn last_key(&self, prefix: &[u8]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;

    /// Does what is due for a store that shall run for years (exports, archiving, removal of what was forgotten), while commits go on.
    /// Called every minute or so; returns at once when nothing is due, or when an earlier call or a backup is at it.
    ///
    /// # Errors
    /// What went wrong; the store works on, and the next call tries again. `Full`: there is no room for an export.
    fn upkeep(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Reads the whole past, from the oldest record that is kept to the newest that was durable at the call, and checks that nothing in it was
    /// changed. With `expected`, a record's number and the chain after it in hexadecimal digits, as noted elsewhere, also that it is the
    /// same past.
    ///
    /// # Errors
    /// `Damaged` names the first record that is not what was written; `Busy`, `Unsupported`, `Degraded`, `Closed`.
    fn verify(&self, expected: Option<(Seq, String)>) -> BoxFuture<'_, Result<History, StoreError>>;

    /// A consistent copy of everything, as a stream, while commits go on: it holds all that was acknowledged before the call.
    ///
    /// # Errors
    /// `Busy` while another backup or an export runs, `Unsupported`, `Degraded`, `Closed`.
    fn backup(&self) -> BoxFuture<'_, Result<Backup, StoreError>>;

    /// Finishes what was queued, flushes, stops the threads and lets go of the directory. May be called twice.
    ///
    /// # Errors
    /// `Degraded` when the store had failed; it is closed all the same.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// What [`Store::verify`] found in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The first record that is kept: 1, unless old archives were removed.
    pub first: Seq,
    /// The last record; 0 in a store that was never written to.
    pub last: Seq,
    /// The chain after it, in hexadecimal digits. Written down elsewhere, it proves later that nothing before it was changed.
    pub chain: String,
    /// Exports that fit the chain and are whole.
    pub exports: usize,
    /// Bytes behind the last record that are none: being written, or torn, or changed.
    pub torn_bytes: u64,
    /// Audit records among them, and when the first and the last of these were written.
    pub audit_records: u64,
    /// When the first audit record was written.
    pub from: Option<UnixMillis>,
    /// When the last one was.
    pub to: Option<UnixMillis>,
}

impl History {
    /// The last record and the chain after it, as one text to note elsewhere.
    #[must_use]
    pub fn head(&self) -> String {
        format!("{}:{}", self.last, self.chain)
    }

    /// Reads such a text back.
    #[must_use]
    pub fn read_head(text: &str) -> Option<(Seq, String)> {
        let (seq, chain) = text.trim().split_once(':')?;
        let is_chain = chain.len() == 64 && chain.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_chain.then_some((seq.parse().ok()?, chain.to_ascii_lowercase()))
    }
}

/// A backup on its way: the bytes of a zstd-compressed tar, in order.
#[derive(Debug)]
pub struct Backup {
    /// Pieces of the file. It is whole when the channel ends without an error, and then its last entry is `manifest.json`.
    pub chunks: tokio::sync::mpsc::Receiver<Result<bytes::Bytes, StoreError>>,
}

/// Batches that [`Store::changes`] holds for a slow reader.
pub(crate) const CHANGES_KEPT: usize = 1024;
/// Bytes of values after which one answer of [`Store::replay`] ends.
pub(crate) const REPLAY_BYTES: usize = 1 << 20;
