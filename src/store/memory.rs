//! A store in RAM: the same behaviour, nothing survives. For unit tests of the layers above.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{self, BoxFuture, FutureExt as _};
use tokio::sync::broadcast;

use super::batch::Write;
use super::{
    Backup, Batch, CHANGES_KEPT, Committed, Entry, Health, History, Page, Replay, SealScope, Seq, Store, StoreChange, StoreError,
    Written,
};

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
    /// The newest batches, so that they can be told again, and by what each write is sealed.
    past: VecDeque<(Committed, Vec<Option<SealScope>>)>,
    closed: bool,
}

/// Batches that can be told again.
const PAST_KEPT: usize = 4 * CHANGES_KEPT;

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
        let (mut writes, mut scopes) = (Vec::new(), Vec::new());
        for write in batch.writes {
            let (key, value, scope) = match write {
                Write::Put { key, value } => (key, Some(value), None),
                Write::PutSealed { scope, key, value } => (key, Some(value), Some(scope)),
                Write::Delete { key } => (key, None, None),
            };
            match value.clone() {
                Some(value) => inner.entries.insert(key.clone(), (Entry { version: seq, value }, scope)),
                None => inner.entries.remove(&key),
            };
            writes.push((key, value.map_or(Written::Delete, Written::Put)));
            scopes.push(scope);
        }
        // One history for each store: the number says it all.
        inner.past.push_back((Committed { seq, mark: 0, writes, forgets: batch.shreds.clone() }, scopes));
        if inner.past.len() > PAST_KEPT {
            inner.past.pop_front();
        }
        for scope in batch.shreds {
            inner.entries.retain(|_, (_, sealed)| *sealed != Some(scope));
            for (committed, scopes) in &mut inner.past {
                let sealed = committed.writes.iter_mut().zip(scopes.iter()).filter(|(_, sealed)| **sealed == Some(scope));
                sealed.for_each(|((_, write), _)| *write = Written::Forgotten);
            }
        }
        // Under the lock, so that followers see batches in order. Nobody listening is no error.
        let _ = self.changes.send(StoreChange { seq, keys });
        Ok(seq)
    }

    fn told_again(&self, after: Seq, limit: usize) -> Result<Replay, StoreError> {
        let inner = self.lock()?;
        let oldest = inner.past.front().map_or(inner.seq + 1, |(committed, _)| committed.seq);
        if after + 1 < oldest || after > inner.seq {
            return Ok(Replay::Gone { oldest });
        }
        let later = inner.past.iter().map(|(committed, _)| committed).filter(|committed| committed.seq > after);
        Ok(Replay::Batches(later.take(limit).cloned().collect()))
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

    fn head(&self) -> Seq {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).seq
    }

    fn replay(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Replay, StoreError>> {
        future::lazy(move |_| self.told_again(after, limit)).boxed()
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
