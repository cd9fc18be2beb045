//! The equity of the past: what every Status of a terminal says of it, kept as bars of five minutes.
//!
//! A bar is counted in memory (`book`) and written when it is over, as one record for each account and hour (`bar`). A stretch in which
//! nothing was known has no bar: nothing is made up. Writing is housekeeping. No trade and no session ever waits for it, and what cannot
//! be written is tried again; of a hub that is killed the bar that had begun is lost, and one that was over for less than a quarter of a minute.

mod bar;
mod book;
mod query;
mod retention;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use self::bar::EquityHour;
pub use self::{
    bar::EquityBar,
    book::EquityBook,
    query::{EquityBars, EquityRange, Resolution},
};
use crate::{
    clock::Clock,
    domain::{UnixMillis, account::Account, ids::OwnerId},
    store::{Batch, Store, StoreError, records},
    telemetry::metrics::{Metrics, count},
};

/// Bars that are over are looked for so often.
const EVERY: Duration = Duration::from_secs(15);
/// Accounts of one batch.
const AT_ONCE: usize = 250;
/// Keys deleted in one batch.
const DELETED: usize = 500;
const HOUR_MS: i64 = 3_600_000;

/// The equity of all accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Equity {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    clock: Clock,
    metrics: Metrics,
    /// How long bars are kept; zero: none are.
    keep: Duration,
    /// Of accounts with a live session, or with something that is not written yet.
    books: Mutex<HashMap<(OwnerId, Account), Arc<EquityBook>>>,
    /// One writer: it reads a record, adds to it and writes it.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// While it is held, nothing of an account's equity is noted or written.
#[derive(Debug)]
pub struct EquityHeld {
    equity: Equity,
    book: Arc<EquityBook>,
    _writing: OwnedMutexGuard<()>,
}

impl Equity {
    /// The equity over what the store holds, kept for so long.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keep: Duration, clock: Clock, metrics: Metrics) -> Self {
        let inner = Inner { store, clock, metrics, keep, books: Mutex::default(), writing: Arc::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Where what is heard of an account is noted.
    #[must_use]
    pub fn of(&self, owner: OwnerId, account: &Account) -> Arc<EquityBook> {
        let mut books = self.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(EquityBook::new(owner, account.clone(), self.inner.clock, !self.inner.keep.is_zero()));
        Arc::clone(books.entry((owner, account.clone())).or_insert_with(new))
    }

    /// The same, if there is one: whoever only reads leaves none behind.
    fn find(&self, owner: OwnerId, account: &Account) -> Option<Arc<EquityBook>> {
        let books = self.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.get(&(owner, account.clone())).cloned()
    }

    /// Writes what is over and removes what is too old, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut cleaned = None;
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let now = self.inner.clock.wall();
            self.write(Some(now)).await;
            let hour = now.0.div_euclid(HOUR_MS);
            if cleaned != Some(hour) {
                match self.clean(now.min(self.inner.clock.steady())).await {
                    Ok(()) => cleaned = Some(hour),
                    Err(error) => error!(%error, "old equity cannot be removed; it is tried again"),
                }
            }
        }
    }

    /// Writes the bars that are over at `now`; without a time, those that have begun too, as the last thing before a stop. What cannot be written
    /// stays to be written.
    pub async fn write(&self, now: Option<UnixMillis>) {
        let _turn = self.inner.writing.lock().await;
        let books: Vec<_> = {
            let mut books = self.inner.books.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody else has one of these, and nobody can get one meanwhile.
            books.retain(|_, book| Arc::strong_count(book) > 1 || !book.is_empty());
            books.values().cloned().collect()
        };
        for some in books.chunks(AT_ONCE) {
            if let Err(error) = self.write_some(some, now).await {
                count(&self.inner.metrics.equity_writes, "result", "failed");
                error!(%error, "the equity of accounts cannot be written; it is tried again");
                return;
            }
        }
    }

    async fn write_some(&self, books: &[Arc<EquityBook>], now: Option<UnixMillis>) -> Result<(), StoreError> {
        // New work, of which a full disk refuses to hear: a curve is worth less than an outcome.
        let (mut batch, mut written) = (Batch::admission(), Vec::new());
        for book in books {
            let bars = book.over(now);
            let scope = records::scope(book.owner, &book.account);
            for of_hour in bars.chunk_by(|one, other| one.hour() == other.hour()) {
                let key = records::equity_hour(book.owner, &book.account, of_hour[0].hour());
                let mut kept = match self.inner.store.get(&key).await {
                    Ok(Some(entry)) => records::decode::<EquityHour>(&key, &entry).map(|hour| hour.bars(of_hour[0].hour())),
                    Ok(None) => Ok(Vec::new()),
                    Err(error @ StoreError::Damaged { .. }) => Err(error),
                    Err(error) => return Err(error),
                }
                .unwrap_or_else(|error| {
                    warn!(%error, "an hour of equity cannot be read; it is begun anew");
                    Vec::new()
                });
                of_hour.iter().for_each(|bar| bar.add_to(&mut kept));
                batch = batch.put_sealed(&scope, key, records::encode(&EquityHour::of(&kept)));
            }
            if !bars.is_empty() {
                written.push((book, bars));
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.inner.store.commit(batch).await?;
        count(&self.inner.metrics.equity_writes, "result", "ok");
        written.iter().for_each(|(book, bars)| book.written(bars));
        Ok(())
    }

    /// Lets nothing of an account's equity be noted or written until the answer is dropped.
    pub async fn hold(&self, owner: OwnerId, account: &Account) -> EquityHeld {
        let writing = Arc::clone(&self.inner.writing).lock_owned().await;
        let book = self.of(owner, account);
        book.hold(true);
        EquityHeld { equity: self.clone(), book, _writing: writing }
    }
}

impl EquityHeld {
    /// Deletes the account's equity, before the key of its seal is destroyed, as afterwards nobody can list it any more. Whoever unlocks the token
    /// and cuts its session does so before this is dropped.
    ///
    /// # Errors
    /// The store's; calling it again goes on where it stopped.
    pub async fn forget(&self) -> Result<(), StoreError> {
        let (store, prefix) = (&self.equity.inner.store, records::equity_hours(self.book.owner, &self.book.account));
        loop {
            let page = store.scan(&prefix, None, DELETED).await?;
            if page.is_empty() {
                return Ok(());
            }
            store.commit(page.into_iter().fold(Batch::outcome(), |batch, (key, _)| batch.delete(key))).await?;
        }
    }
}

impl Drop for EquityHeld {
    fn drop(&mut self) {
        self.book.hold(false);
    }
}

#[cfg(test)]
mod tests;
