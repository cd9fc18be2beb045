//! All records of one kind in memory, each with the version under which the store has it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::watch;
use tracing::error;

use super::AccessError;
use crate::{
    domain::{
        UnixMillis,
        account::{Account, TRADE_MODE_REAL},
        api_key::ApiKey,
        tenant::Tenant,
        token::{Lock, Token},
        user::User,
    },
    store::{Batch, Entry, Seq, Store, StoreError, records},
};

/// What a ledger holds: something with a key in the store and the digest of a secret.
pub(super) trait Kept: Clone + Send + Sync {
    /// Its key in the store.
    fn key(&self) -> Vec<u8>;
    /// By which it is found when its secret is presented.
    fn digest(&self) -> &[u8];
    /// The account number it is locked to.
    fn login(&self) -> Option<u64>;
    /// Adds its writing to a batch.
    fn put(&self, batch: Batch) -> Batch;
    /// Reads it back.
    fn read(store: &dyn Store, key: &[u8], entry: &Entry) -> impl Future<Output = Result<Self, StoreError>> + Send;
}

impl Kept for Token {
    fn key(&self) -> Vec<u8> {
        records::token(self.id)
    }
    fn digest(&self) -> &[u8] {
        &self.digest
    }
    fn login(&self) -> Option<u64> {
        self.lock.as_ref().map(|lock| lock.account.login)
    }

    /// The lock names an account, so it is sealed and kept apart; in the row itself stands only that there is one.
    fn put(&self, batch: Batch) -> Batch {
        let batch =
            batch.put(self.key(), records::encode(&Self { lock: self.lock.as_ref().map(|_| unreadable()), ..self.clone() }));
        match &self.lock {
            Some(lock) => batch.put_sealed(&records::token_scope(self.id), records::token_lock(self.id), records::encode(lock)),
            None => batch.delete(records::token_lock(self.id)),
        }
    }

    async fn read(store: &dyn Store, key: &[u8], entry: &Entry) -> Result<Self, StoreError> {
        let mut token: Self = records::decode(key, entry)?;
        if token.lock.is_some() {
            let lock_key = records::token_lock(token.id);
            match store.get(&lock_key).await? {
                Some(entry) => token.lock = Some(records::decode(&lock_key, &entry)?),
                // Closed, not open: it stays locked to an account that nobody has, until a person disconnects it.
                None => {
                    error!(token = %token.id, "the key of this token's lock is not in keys/: restore it, or disconnect the token")
                }
            }
        }
        Ok(token)
    }
}

/// What a row holds in the place of its lock. No terminal can be logged in to account 0.
fn unreadable() -> Lock {
    Lock { account: Account { login: 0, server: String::new() }, trade_mode: TRADE_MODE_REAL, locked_at: UnixMillis(0) }
}

impl Kept for ApiKey {
    fn key(&self) -> Vec<u8> {
        records::api_key(self.id)
    }
    fn digest(&self) -> &[u8] {
        &self.digest
    }
    fn login(&self) -> Option<u64> {
        None
    }

    fn put(&self, batch: Batch) -> Batch {
        batch.put(self.key(), records::encode(self))
    }

    async fn read(_store: &dyn Store, key: &[u8], entry: &Entry) -> Result<Self, StoreError> {
        records::decode(key, entry)
    }
}

impl Kept for User {
    fn key(&self) -> Vec<u8> {
        records::user(self.id)
    }
    /// Found by their set-up code, as long as they have one.
    fn digest(&self) -> &[u8] {
        self.setup.as_ref().map_or(&[], |code| &code.digest)
    }
    fn login(&self) -> Option<u64> {
        None
    }

    fn put(&self, batch: Batch) -> Batch {
        batch.put(self.key(), records::encode(self))
    }

    async fn read(_store: &dyn Store, key: &[u8], entry: &Entry) -> Result<Self, StoreError> {
        records::decode(key, entry)
    }
}

impl Kept for Tenant {
    fn key(&self) -> Vec<u8> {
        records::tenant(self.id)
    }
    /// Nobody presents one.
    fn digest(&self) -> &[u8] {
        &[]
    }
    fn login(&self) -> Option<u64> {
        None
    }

    fn put(&self, batch: Batch) -> Batch {
        batch.put(self.key(), records::encode(self))
    }

    async fn read(_store: &dyn Store, key: &[u8], entry: &Entry) -> Result<Self, StoreError> {
        records::decode(key, entry)
    }
}

pub(super) struct Ledger<T> {
    rows: RwLock<Rows<T>>,
    /// How many times a row was added or changed, here or in what else counts on it.
    changes: watch::Sender<u64>,
}

struct Rows<T> {
    by_key: HashMap<Vec<u8>, (Arc<T>, Seq)>,
    by_digest: HashMap<Vec<u8>, Vec<u8>>,
    by_login: HashMap<u64, BTreeSet<Vec<u8>>>,
}

impl<T: Kept> Ledger<T> {
    pub(super) async fn load(store: &dyn Store, prefix: &[u8], changes: watch::Sender<u64>) -> Result<Self, AccessError> {
        let rows = Rows { by_key: HashMap::new(), by_digest: HashMap::new(), by_login: HashMap::new() };
        let ledger = Self { rows: RwLock::new(rows), changes };
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.scan(prefix, after.as_deref(), 1_000).await?;
            for (key, entry) in &page {
                ledger.set(T::read(store, key, entry).await?, entry.version);
            }
            match page.last() {
                Some((key, _)) if page.len() == 1_000 => after = Some(key.clone()),
                _ => return Ok(ledger),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.read().by_key.len()
    }

    /// Told after each change, when the new row is what [`Self::get`] answers.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Arc<T>> {
        self.read().by_key.get(key).map(|(row, _)| Arc::clone(row))
    }

    /// A row and the version of it, for writes that hold only as long as it is not changed.
    pub(super) fn versioned(&self, key: &[u8]) -> Option<(Arc<T>, Seq)> {
        self.read().by_key.get(key).cloned()
    }

    /// By the digest of a presented secret. The map's timing depends on a digest that nobody can steer without the pepper; the
    /// digest is then compared once more in constant time.
    pub(super) fn by_digest(&self, digest: &[u8; 32]) -> Option<Arc<T>> {
        let rows = self.read();
        let key = rows.by_digest.get(digest.as_slice())?;
        let (row, _) = rows.by_key.get(key)?;
        crate::crypto::equal(row.digest(), digest).then(|| Arc::clone(row))
    }

    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.read().by_key.values().map(|(row, _)| Arc::clone(row)).collect()
    }

    /// Those locked to an account number, oldest first.
    pub(super) fn by_login(&self, login: u64) -> Vec<Arc<T>> {
        let rows = self.read();
        let keys = rows.by_login.get(&login).into_iter().flatten();
        keys.filter_map(|key| rows.by_key.get(key)).map(|(row, _)| Arc::clone(row)).collect()
    }

    /// Adds a row that is not there yet.
    pub(super) async fn insert(&self, store: &dyn Store, row: T, batch: Batch) -> Result<Arc<T>, AccessError> {
        let key = row.key();
        let seq = store.commit(row.put(batch.expect_absent(key))).await?;
        Ok(self.set(row, seq))
    }

    /// Changes a row: read, decide, compare-and-set; when somebody else was faster, decide again on what they left.
    ///
    /// `change` returns none to leave the row as it is.
    pub(super) async fn update(
        &self,
        store: &dyn Store,
        key: &[u8],
        mut change: impl FnMut(&T) -> Result<Option<(T, Batch)>, AccessError>,
    ) -> Result<Arc<T>, AccessError> {
        loop {
            let (row, version) = self.read().by_key.get(key).cloned().ok_or(AccessError::NotFound)?;
            let Some((changed, batch)) = change(&row)? else { return Ok(row) };
            match store.commit(changed.put(batch.expect_version(key, version))).await {
                Ok(seq) => return Ok(self.set(changed, seq)),
                Err(error) => self.read_again(store, key, error).await?,
            }
        }
    }

    /// Changes a row and adds its successor in one write; the answer is the successor.
    pub(super) async fn succeed(
        &self,
        store: &dyn Store,
        key: &[u8],
        mut change: impl FnMut(&T) -> Result<(T, T, Batch), AccessError>,
    ) -> Result<Arc<T>, AccessError> {
        loop {
            let (row, version) = self.read().by_key.get(key).cloned().ok_or(AccessError::NotFound)?;
            let (changed, successor, batch) = change(&row)?;
            let batch = batch.expect_version(key, version).expect_absent(successor.key());
            match store.commit(successor.put(changed.put(batch))).await {
                Ok(seq) => {
                    let successor = self.set(successor, seq);
                    self.set(changed, seq);
                    return Ok(successor);
                }
                Err(error) => self.read_again(store, key, error).await?,
            }
        }
    }

    /// After somebody else was faster with this row; any other error is one.
    async fn read_again(&self, store: &dyn Store, key: &[u8], error: StoreError) -> Result<(), AccessError> {
        match error {
            StoreError::Conflict { key: conflicting } if conflicting == key => {
                if let Some(entry) = store.get(key).await? {
                    self.set(T::read(store, key, &entry).await?, entry.version);
                }
                Ok(())
            }
            error => Err(error.into()),
        }
    }

    /// Never goes back to an older version, in whatever order two writers come back from the store.
    fn set(&self, row: T, version: Seq) -> Arc<T> {
        let row = Arc::new(row);
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let key = row.key();
        if rows.by_key.get(&key).is_none_or(|(_, held)| *held < version) {
            rows.by_digest.insert(row.digest().to_vec(), key.clone());
            if let Some(login) = row.login() {
                rows.by_login.entry(login).or_default().insert(key.clone());
            }
            let before = rows.by_key.insert(key.clone(), (Arc::clone(&row), version)).and_then(|(before, _)| before.login());
            if let Some(login) = before.filter(|login| row.login() != Some(*login))
                && let Some(keys) = rows.by_login.get_mut(&login)
            {
                keys.remove(&key);
            }
            drop(rows);
            self.changes.send_modify(|count| *count += 1);
        }
        row
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Rows<T>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }
}
