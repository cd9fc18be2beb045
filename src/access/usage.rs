//! What each key was used for: how often, how often in vain, when last and from where.
//!
//! Counted in memory and written at most once a minute a key, so that no request waits for the disk or fills it: of a hub that is
//! killed the last minute is lost. What a line has spent of its plan is written with it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{
    Access,
    plans::{Look, Permit, Plans, Purse, Refused, Standing},
};
use crate::{
    clock::Clock,
    domain::{UnixMillis, api_key::ApiKey, ids::KeyId},
    store::{Batch, Store, StoreError, records},
};

/// Between two writes of what has changed.
const EVERY: Duration = Duration::from_secs(60);
/// Records of one write.
const AT_ONCE: usize = 500;
const HOUR_MS: i64 = 3_600_000;
/// Hours that are told.
const HOURS: i64 = 24;

/// What is known of a key's use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyUsage {
    /// The minute of the last request.
    pub last_used_at: Option<UnixMillis>,
    /// From where it came.
    pub last_used_from: Option<IpAddr>,
    /// Requests under the key, all in all.
    pub requests: u64,
    /// Of these, those that were refused by plan, permission or scope.
    pub refused: u64,
    /// The last 24 hours, oldest first; without those in which nothing was asked.
    pub hours: Vec<Hour>,
    /// Up to when the plan of its line is spent.
    spent_until: UnixMillis,
}

/// Requests of one hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// When it began, UTC.
    pub from: UnixMillis,
    /// Requests in it.
    pub requests: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Of the refused, those that were too many: 429.
    #[serde(default)]
    pub limited: u64,
}

impl KeyUsage {
    fn hour(&mut self, now: UnixMillis) -> &mut Hour {
        let from = UnixMillis(now.0 - now.0.rem_euclid(HOUR_MS));
        self.forget(now);
        // The clock may have been set back: then the newest hour goes on.
        if self.hours.last().is_none_or(|hour| hour.from < from) {
            self.hours.push(Hour { from, ..Hour::default() });
        }
        let last = self.hours.len() - 1;
        &mut self.hours[last]
    }

    fn forget(&mut self, now: UnixMillis) {
        self.hours.retain(|hour| now.since(hour.from) < HOURS * HOUR_MS);
    }
}

/// The use of all keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Usage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    access: Access,
    plans: Plans,
    clock: Clock,
    keys: Mutex<HashMap<KeyId, Counted>>,
}

#[derive(Debug, Default)]
struct Counted {
    usage: KeyUsage,
    changed: bool,
}

impl Usage {
    /// Reads what was written before, and gives each line's plan what it had spent.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: Arc<dyn Store>, access: Access, plans: Plans, clock: Clock) -> Result<Self, StoreError> {
        let mut keys = HashMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.scan(records::KEY_USAGE, after.as_deref(), AT_ONCE).await?;
            for (key, entry) in &page {
                let Some(id) = key.last_chunk::<16>().map(|bytes| KeyId::from_bytes(*bytes)) else { continue };
                let usage: KeyUsage = records::decode(key, entry)?;
                plans.restore(access.line_of(id), usage.spent_until);
                keys.insert(id, Counted { usage, changed: false });
            }
            match page.last() {
                Some((key, _)) if page.len() == AT_ONCE => after = Some(key.clone()),
                _ => return Ok(Self { inner: Arc::new(Inner { store, access, plans, clock, keys: Mutex::new(keys) }) }),
            }
        }
    }

    /// How much each key may ask for; what is spent of it is written with its use.
    #[must_use]
    pub fn plans(&self) -> &Plans {
        &self.inner.plans
    }

    /// A request under a key.
    pub fn asked(&self, key: KeyId, from: Option<IpAddr>) {
        self.count(key, |usage, now| {
            usage.last_used_at = Some(UnixMillis(now.0 - now.0.rem_euclid(60_000)));
            usage.last_used_from = from.map(|from| from.to_canonical()).or(usage.last_used_from);
            usage.requests += 1;
            usage.hour(now).requests += 1;
        });
    }

    /// A request under a key was refused; `limited` where it was one too many.
    pub fn refused(&self, key: KeyId, limited: bool) {
        self.count(key, |usage, now| {
            usage.refused += 1;
            let hour = usage.hour(now);
            hour.refused += 1;
            hour.limited += u64::from(limited);
        });
    }

    /// Takes a request in under the plan that is in force for its key.
    ///
    /// # Errors
    /// [`Refused`]: nothing was spent, nor counted here.
    pub fn enter(&self, key: &ApiKey, purse: Purse) -> Result<(Permit, Option<Standing>), Refused> {
        self.inner.plans.enter(key.line(), self.inner.access.plan_of(key), purse)
    }

    /// How a key's line stands now under the plan that is in force for the key.
    #[must_use]
    pub fn look(&self, key: &ApiKey) -> Look {
        self.inner.plans.look(key.line(), self.inner.access.plan_of(key))
    }

    fn count(&self, key: KeyId, count: impl FnOnce(&mut KeyUsage, UnixMillis)) {
        let now = self.inner.clock.wall();
        let mut keys = self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = keys.entry(key).or_default();
        count(&mut counted.usage, now);
        counted.changed = true;
    }

    /// What is known of a key's use.
    #[must_use]
    pub fn of(&self, key: KeyId) -> KeyUsage {
        let keys = self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut usage = keys.get(&key).map_or_else(KeyUsage::default, |counted| counted.usage.clone());
        drop(keys);
        usage.forget(self.inner.clock.wall());
        usage
    }

    /// Writes what has changed, every minute until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            self.write().await;
        }
    }

    /// Writes what has changed since the last time. What cannot be written stays to be written.
    pub async fn write(&self) {
        let mut keys: Vec<_> = {
            let mut keys = self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = |(id, counted): (&KeyId, &mut Counted)| {
                std::mem::take(&mut counted.changed).then(|| (*id, counted.usage.clone()))
            };
            keys.iter_mut().filter_map(changed).collect()
        };
        for (id, usage) in &mut keys {
            usage.spent_until = self.inner.plans.spent_until(self.inner.access.line_of(*id));
        }
        for some in keys.chunks(AT_ONCE) {
            // New work, of which a full disk refuses to hear: counters are worth less than outcomes.
            let put = |batch: Batch, (id, usage): &(KeyId, KeyUsage)| batch.put(records::key_usage(*id), records::encode(usage));
            if let Err(error) = self.inner.store.commit(some.iter().fold(Batch::admission(), put)).await {
                error!(%error, "the use of API keys cannot be written; it is tried again in a minute");
                let mut keys = self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner);
                some.iter().for_each(|(id, _)| keys.entry(*id).or_default().changed = true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::NewKey,
        clock::Ids,
        domain::{api_key::Plan, grant::Grant, ids::OwnerId},
        store::memory::MemoryStore,
    };

    async fn open(store: &Arc<dyn Store>) -> (Access, Usage) {
        let (store, clock) = (Arc::clone(store), Clock::start());
        let access = Access::open(Arc::clone(&store), [7; 32], clock, Arc::new(Ids::default())).await.unwrap();
        let plans = Plans::new(Grant::default(), clock);
        let usage = Usage::open(store, access.clone(), plans, clock).await.unwrap();
        (access, usage)
    }

    #[tokio::test]
    async fn use_and_what_is_spent_of_a_plan_survive_a_restart() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let (access, usage) = open(&store).await;
        let new = NewKey { plan: Plan::Free, ..NewKey::admin("bot") };
        let (key, _) = access.mint_key(new, OwnerId::SELF, "test").await.unwrap();
        for _ in 0..60 {
            usage.asked(key.id, Some([203, 0, 113, 7].into()));
            usage.enter(&key, Purse::Plan).unwrap();
        }
        usage.refused(key.id, true);
        usage.write().await;
        let written = usage.of(key.id);
        let (_, usage) = open(&store).await;
        let read = usage.of(key.id);
        assert_eq!((read.requests, read.refused, read.last_used_from), (60, 1, written.last_used_from));
        assert_eq!((read.hours, read.last_used_at), (written.hours, written.last_used_at));
        let (_, standing) = usage.enter(&key, Purse::Plan).unwrap();
        assert_eq!(standing.unwrap().remaining, 39);
    }

    #[tokio::test]
    async fn nothing_is_written_for_a_request_and_nothing_twice() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let (access, usage) = open(&store).await;
        let (key, _) = access.mint_key(NewKey::admin("bot"), OwnerId::SELF, "test").await.unwrap();
        let version = async || store.get(&records::key_usage(key.id)).await.unwrap().map(|entry| entry.version);
        usage.asked(key.id, None);
        assert_eq!(version().await, None);
        usage.write().await;
        let first = version().await;
        assert!(first.is_some());
        usage.write().await;
        assert_eq!(version().await, first, "nothing has changed");
    }

    /// What was written before there was a count of its own for what is too many.
    #[tokio::test]
    async fn the_use_that_an_earlier_version_wrote_is_read() {
        #[derive(Serialize)]
        struct Earlier {
            requests: u64,
            refused: u64,
            hours: Vec<EarlierHour>,
        }
        #[derive(Serialize)]
        struct EarlierHour {
            from: UnixMillis,
            requests: u64,
            refused: u64,
        }
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let (access, usage) = open(&store).await;
        let (key, _) = access.mint_key(NewKey::admin("bot"), OwnerId::SELF, "test").await.unwrap();
        let from = usage.inner.clock.wall();
        let hours = vec![EarlierHour { from, requests: 7, refused: 2 }];
        let earlier = records::encode(&Earlier { requests: 7, refused: 2, hours });
        store.commit(Batch::outcome().put(records::key_usage(key.id), earlier)).await.unwrap();
        let (_, usage) = open(&store).await;
        assert_eq!(usage.of(key.id).hours, [Hour { from, requests: 7, refused: 2, limited: 0 }]);
    }

    #[test]
    fn hours_older_than_a_day_are_forgotten() {
        let mut usage = KeyUsage::default();
        for hour in 0..30 {
            usage.hour(UnixMillis(hour * HOUR_MS + 5)).requests += 1;
            usage.hour(UnixMillis(hour * HOUR_MS + 7)).requests += 1;
        }
        assert_eq!(usage.hours.len(), 24);
        assert!(usage.hours.iter().all(|hour| hour.requests == 2));
        assert_eq!(usage.hours[23].from, UnixMillis(29 * HOUR_MS));
    }
}
