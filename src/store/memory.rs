//! A store in RAM: the same behaviour, nothing survives. For unit tests of the layers above.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{self, BoxFuture, FutureExt as _};
use tokio::sync::broadcast;

use super::batch::Write;
use super::{Backup, Batch, CHANGES_KEPT, Entry, Health, History, Page, SealScope, Seq, Store, StoreChange, StoreError};

/// See the module's documentation. Answers at once, so it is at home under a paused clock.
#[derive(Debug)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
    changes: broadcast::Sender<StoreChange>,
}

#[derive(Debug, Default)]
struct Inner {
    seq: Seq,
    entries: BTreeMap<Vec<u8>, (Entry, Option<SealScope>)>,
    closed: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { inner: Mutex::default(), changes: broadcast::Sender::new(CHANGES_KEPT) }
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.closed { Err(StoreError::Closed) } else { Ok(inner) }
    }

    fn write(&self, batch: Batch) -> Result<Seq, StoreError> {
        batch.check_size()?;
        let mut inner = self.lock()?;
        for (key, expected) in &batch.expects {
            if inner.entries.get(key).map(|(entry, _)| entry.version) != *expected {
                return Err(StoreError::Conflict { key: key.clone() });
            }
        }
        inner.seq += 1;
        let seq = inner.seq;
        let keys = batch.written_keys();
        for write in batch.writes {
            let (key, value, scope) = match write {
                Write::Put { key, value } => (key, value, None),
                Write::PutSealed { scope, key, value } => (key, value, Some(scope)),
                Write::Delete { key } => {
                    inner.entries.remove(&key);
                    continue;
                }
            };
            inner.entries.insert(key, (Entry { version: seq, value }, scope));
        }
        for scope in batch.shreds {
            inner.entries.retain(|_, (_, sealed)| *sealed != Some(scope));
        }
        // Under the lock, so that followers see batches in order. Nobody listening is no error.
        let _ = self.changes.send(StoreChange { seq, keys });
        Ok(seq)
    }

    fn page(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        let inner = self.lock()?;
        let from = after.filter(|after| *after >= prefix).map_or(Bound::Included(prefix), Bound::Excluded);
        let range = inner.entries.range::<[u8], _>((from, Bound::Unbounded));
        Ok(range
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, (entry, _))| (key.clone(), entry.clone()))
            .collect())
    }

    fn page_back(&self, prefix: &[u8], before: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        let inner = self.lock()?;
        let under = inner.entries.iter().rev().filter(|(key, _)| key.starts_with(prefix));
        let wanted = under.filter(|(key, _)| before.is_none_or(|before| key.as_slice() < before));
        Ok(wanted.take(limit).map(|(key, (entry, _))| (key.clone(), entry.clone())).collect())
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Seq, StoreError>> {
        // In the future, not in the call: a commit that is never awaited must not happen.
        future::lazy(move |_| self.write(batch)).boxed()
    }

    fn get(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Entry>, StoreError>> {
        let key = key.to_vec();
        future::lazy(move |_| Ok(self.lock()?.entries.get(&key).map(|(entry, _)| entry.clone()))).boxed()
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> BoxFuture<'_, Result<Page, StoreError>> {
        let (prefix, after) = (prefix.to_vec(), after.map(<[u8]>::to_vec));
        future::lazy(move |_| self.page(&prefix, after.as_deref(), limit)).boxed()
    }

    fn scan_back(&self, prefix: &[u8], before: Option<&[u8]>, limit: usize) -> BoxFuture<'_, Result<Page, StoreError>> {
        let (prefix, before) = (prefix.to_vec(), before.map(<[u8]>::to_vec));
        future::lazy(move |_| self.page_back(&prefix, before.as_deref(), limit)).boxed()
    }

    fn changes(&self) -> broadcast::Receiver<StoreChange> {
        self.changes.subscribe()
    }

    fn health(&self) -> Health {
        Health::Ok
    }

    fn last_key(&self, prefix: &[u8]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let prefix = prefix.to_vec();
        future::lazy(move |_| Ok(self.lock()?.entries.keys().rfind(|key| key.starts_with(&prefix)).cloned())).boxed()
    }

    fn upkeep(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        future::lazy(move |_| self.lock().map(drop)).boxed()
    }

    fn verify(&self, _expected: Option<(Seq, String)>) -> BoxFuture<'_, Result<History, StoreError>> {
        future::lazy(|_| Err(StoreError::Unsupported)).boxed()
    }

    fn backup(&self) -> BoxFuture<'_, Result<Backup, StoreError>> {
        future::lazy(|_| Err(StoreError::Unsupported)).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        future::lazy(move |_| {
            self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
            Ok(())
        })
        .boxed()
    }
}
