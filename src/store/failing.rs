//! A store that breaks on demand, around any other: for tests of the whole program.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, watch};

use super::{Backup, Batch, Entry, Health, History, Page, Replay, Seq, Store, StoreChange, StoreError};

/// Passes everything on to the store inside, until told otherwise. The orders may be given at any time, from any task.
#[derive(Debug)]
pub struct FailingStore {
    inner: Arc<dyn Store>,
    /// How many of the next commits fail, and with what.
    failures: Mutex<Option<(usize, StoreError)>>,
    hanging: watch::Sender<bool>,
    /// How many commits are let through before they hang.
    passing: AtomicUsize,
    /// Only commits that write a key which begins so hang.
    hangs: Mutex<&'static [u8]>,
    waiting: watch::Sender<usize>,
    degraded: OnceLock<String>,
}

impl FailingStore {
    /// Wraps `inner`; for now nothing fails.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            failures: Mutex::new(None),
            hanging: watch::Sender::new(false),
            passing: AtomicUsize::new(0),
            hangs: Mutex::new(b""),
            waiting: watch::Sender::new(0),
            degraded: OnceLock::new(),
        }
    }

    /// The next `count` commits fail with `error` and write nothing.
    pub fn fail_next(&self, count: usize, error: StoreError) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner) = (count > 0).then_some((count, error));
    }

    /// From now on commits wait, before they write anything, until [`FailingStore::release`].
    pub fn hang(&self) {
        self.hang_after(0);
    }

    /// The same, of commits that write a key under `prefix`; all others go through.
    pub fn hang_on(&self, prefix: &'static [u8]) {
        self.hang_some(prefix, 0);
    }

    /// The same as [`FailingStore::hang`], from the commit after the next `count` on.
    pub fn hang_after(&self, count: usize) {
        self.hang_some(b"", count);
    }

    fn hang_some(&self, prefix: &'static [u8], passing: usize) {
        *self.hangs.lock().unwrap_or_else(PoisonError::into_inner) = prefix;
        self.passing.store(passing, Ordering::Relaxed);
        self.hanging.send_replace(true);
    }

    /// Lets the waiting commits, and those to come, go on.
    pub fn release(&self) {
        self.hanging.send_replace(false);
    }

    /// Returns once at least `count` commits are waiting: so that a test needs no sleep.
    pub async fn hung(&self, count: usize) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await;
    }

    /// Latches: commits, reads and scans answer `Degraded` from now on.
    pub fn degrade(&self, reason: &str) {
        let _ = self.degraded.set(reason.to_owned());
    }

    fn check(&self) -> Result<(), StoreError> {
        self.degraded.get().map_or(Ok(()), |reason| Err(StoreError::Degraded { reason: reason.clone() }))
    }

    fn take_failure(&self) -> Result<(), StoreError> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((left, error)) = failures.as_mut() else { return Ok(()) };
        let error = error.clone();
        *left -= 1;
        if *left == 0 {
            *failures = None;
        }
        Err(error)
    }

    async fn wait_for_release(&self, batch: &Batch) {
        let mut hanging = self.hanging.subscribe();
        let prefix = *self.hangs.lock().unwrap_or_else(PoisonError::into_inner);
        if !prefix.is_empty() && !batch.writes.iter().any(|write| write.key().starts_with(prefix)) {
            return;
        }
        let passes = || self.passing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if *hanging.borrow() && !passes() {
            let _counted = Counted::new(&self.waiting);
            let _ = hanging.wait_for(|hanging| !*hanging).await;
        }
    }
}

/// One commit in the number of those that wait, also when its future is dropped.
struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl Store for FailingStore {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Seq, StoreError>> {
        Box::pin(async move {
            self.wait_for_release(&batch).await;
            self.check()?;
            self.take_failure()?;
            self.inner.commit(batch).await
        })
    }

    fn get(&self, key: &[u8]) -> BoxFuture<'_, Result<Option<Entry>, StoreError>> {
        let reading = self.inner.get(key);
        Box::pin(async move {
            self.check()?;
            reading.await
        })
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> BoxFuture<'_, Result<Page, StoreError>> {
        let reading = self.inner.scan(prefix, after, limit);
        Box::pin(async move {
            self.check()?;
            reading.await
        })
    }

    fn scan_back(&self, prefix: &[u8], before: Option<&[u8]>, limit: usize) -> BoxFuture<'_, Result<Page, StoreError>> {
        let reading = self.inner.scan_back(prefix, before, limit);
        Box::pin(async move {
            self.check()?;
            reading.await
        })
    }

    fn changes(&self) -> broadcast::Receiver<StoreChange> {
        self.inner.changes()
    }

    fn head(&self) -> Seq {
        self.inner.head()
    }

    fn replay(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Replay, StoreError>> {
        let reading = self.inner.replay(after, limit);
        Box::pin(async move {
            self.check()?;
            reading.await
        })
    }

    fn health(&self) -> Health {
        self.degraded.get().map_or_else(|| self.inner.health(), |reason| Health::Degraded { reason: reason.clone() })
    }

    fn last_key(&self, prefix: &[u8]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let prefix = prefix.to_vec();
        Box::pin(async move {
            self.check()?;
            self.inner.last_key(&prefix).await
        })
    }

    fn upkeep(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.upkeep()
    }

    fn verify(&self, expected: Option<(Seq, String)>) -> BoxFuture<'_, Result<History, StoreError>> {
        self.inner.verify(expected)
    }

    fn backup(&self) -> BoxFuture<'_, Result<Backup, StoreError>> {
        self.inner.backup()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.close()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::memory::MemoryStore;
    use super::*;

    fn store() -> Arc<FailingStore> {
        Arc::new(FailingStore::new(Arc::new(MemoryStore::new())))
    }

    #[tokio::test]
    async fn ordered_failures_are_used_up_and_write_nothing() {
        let store = store();
        store.fail_next(2, StoreError::Full { free: 1, floor: 2 });
        for _ in 0..2 {
            assert!(matches!(store.commit(Batch::outcome().put("k", "v")).await, Err(StoreError::Full { free: 1, floor: 2 })));
        }
        assert_eq!(store.get(b"k").await.unwrap(), None);
        assert_eq!(store.commit(Batch::outcome().put("k", "v")).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_hung_commit_writes_nothing_until_it_is_released() {
        let store = store();
        store.hang();
        let mut committing = tokio::task::JoinSet::new();
        let writer = Arc::clone(&store);
        committing.spawn(async move { writer.commit(Batch::outcome().put("k", "v")).await });
        store.hung(1).await;
        assert_eq!(store.get(b"k").await.unwrap(), None);
        store.release();
        assert_eq!(committing.join_next().await.unwrap().unwrap().unwrap(), 1);
        store.hung(0).await;
    }

    #[tokio::test]
    async fn only_commits_of_what_was_named_hang() {
        let store = store();
        store.hang_on(b"k");
        store.commit(Batch::outcome().put("other", "v")).await.unwrap();
        let mut committing = tokio::task::JoinSet::new();
        let writer = Arc::clone(&store);
        committing.spawn(async move { writer.commit(Batch::outcome().put("other", "w").put("k", "v")).await });
        store.hung(1).await;
        assert_eq!(store.get(b"k").await.unwrap(), None);
        store.release();
        committing.join_next().await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn degraded_latches_for_commits_and_reads() {
        let store = store();
        store.commit(Batch::outcome().put("k", "v")).await.unwrap();
        store.degrade("test");
        assert!(matches!(store.commit(Batch::outcome()).await, Err(StoreError::Degraded { .. })));
        assert!(matches!(store.get(b"k").await, Err(StoreError::Degraded { .. })));
        assert!(matches!(store.scan(b"", None, 1).await, Err(StoreError::Degraded { .. })));
        assert_eq!(store.health(), Health::Degraded { reason: "test".into() });
    }
}
