//! The hooks there are: made, changed, rotated, deleted, and found by who shows their secret.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::received::{Inside, Lane};
use crate::{
    access::{
        Access, AccessError,
        secret::{self, Secret},
    },
    clock::{Clock, Ids},
    crypto,
    domain::{
        hook::{Defaults, Hook, Previous},
        ids::{HookId, KeyId, OwnerId, TokenId},
    },
    store::{Batch, Store, StoreError, records},
};

/// Alerts in work at once, of all hooks.
const WORKING: usize = 256;
/// Each hook may get an alert so often, ms, and so many at once, before anything of them is written down.
const EACH_MS: i64 = 200;
const AT_ONCE: i64 = 300;
/// Of these, alerts of one tenant.
const WORKING_OF_TENANT: usize = 64;

/// Why a hook was not made or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HookError {
    /// No hook has this id.
    #[error("there is no such hook")]
    NotFound,
    /// The store refused, or there is no randomness.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl From<StoreError> for HookError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

/// What a new hook is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewHook {
    /// Whose.
    pub owner: OwnerId,
    /// For people.
    pub name: String,
    /// Whose terminal its alerts trade on; none means the only one.
    pub terminal: Option<TokenId>,
    /// What it acts under.
    pub key: KeyId,
    /// That key ends with the hook.
    pub own_key: bool,
    /// See [`Hook::template`].
    pub template: Option<String>,
    /// See [`Hook::symbol_map`].
    pub symbol_map: BTreeMap<String, String>,
    /// See [`Hook::dry_run`].
    pub dry_run: bool,
    /// See [`Hook::ips`].
    pub ips: Vec<ipnet::IpNet>,
    /// See [`Hook::defaults`].
    pub defaults: Defaults,
}

/// All hooks, and what came to them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hooks {
    pub(super) inner: Arc<Inner>,
}

/// Shared with `access`, which names hooks.
type Rows = Arc<RwLock<BTreeMap<HookId, Row>>>;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    access: Access,
    pub(super) clock: Clock,
    pub(super) ids: Arc<Ids>,
    rows: Rows,
    /// Held while a hook is changed, so that no change is lost in another.
    changing: tokio::sync::Mutex<()>,
    working: Arc<Semaphore>,
    /// What is left of each tenant's share.
    shares: Mutex<BTreeMap<OwnerId, Arc<Semaphore>>>,
}

/// An alert's place among those in work: of its tenant's share, and of all.
#[derive(Debug)]
pub(super) struct Place {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

#[derive(Debug, Clone)]
struct Row {
    hook: Arc<Hook>,
    lane: Arc<Lane>,
    /// Up to then its rate is used up, ms of the steady clock.
    spent: Arc<AtomicI64>,
}

impl Hooks {
    /// Reads all hooks and what came to them.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: Arc<dyn Store>, access: Access, clock: Clock, ids: Arc<Ids>) -> Result<Self, StoreError> {
        let mut rows = BTreeMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.scan(records::HOOKS, after.as_deref(), 256).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, entry) in &page {
                let hook: Hook = records::decode(key, entry)?;
                let lane = Arc::new(Lane::new(Inside::load(store.as_ref(), hook.id).await?));
                rows.insert(hook.id, Row { hook: Arc::new(hook), lane, spent: Arc::default() });
            }
        }
        let rows: Rows = Arc::new(RwLock::new(rows));
        let known = Arc::clone(&rows);
        access.look_up_hooks(move |id| {
            known.read().unwrap_or_else(PoisonError::into_inner).get(&id).map(|row| Arc::clone(&row.hook))
        });
        let inner = Inner {
            store,
            access,
            clock,
            ids,
            rows,
            changing: tokio::sync::Mutex::default(),
            working: Arc::new(Semaphore::new(WORKING)),
            shares: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn share(&self, owner: OwnerId) -> Arc<Semaphore> {
        let mut shares = self.inner.shares.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shares.entry(owner).or_insert_with(|| Arc::new(Semaphore::new(WORKING_OF_TENANT))))
    }

    /// A place for one more alert of a tenant, if there is one.
    pub(super) fn place(&self, owner: OwnerId) -> Option<Place> {
        let share = self.share(owner).try_acquire_owned().ok()?;
        Some(Place { _share: share, _all: Arc::clone(&self.inner.working).try_acquire_owned().ok()? })
    }

    /// The same, when there is one.
    pub(super) async fn place_in_time(&self, owner: OwnerId) -> Option<Place> {
        let share = self.share(owner).acquire_owned().await.ok()?;
        Some(Place { _share: share, _all: Arc::clone(&self.inner.working).acquire_owned().await.ok()? })
    }

    /// Makes a hook. The secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// The store's, or no randomness.
    pub async fn create(&self, new: NewHook, actor: &str) -> Result<(Arc<Hook>, Secret), HookError> {
        let secret = Secret::generate(secret::HOOK).map_err(AccessError::from)?;
        let hook = Hook {
            id: HookId::new(self.inner.ids.next().map_err(AccessError::from)?),
            owner: new.owner,
            name: new.name,
            terminal: new.terminal,
            key: new.key,
            own_key: new.own_key,
            digest: self.inner.access.digest(secret.reveal()).to_vec(),
            prefix: secret.shown_prefix(),
            previous: None,
            template: new.template,
            symbol_map: new.symbol_map,
            dry_run: new.dry_run,
            ips: new.ips,
            defaults: new.defaults,
            created_at: self.inner.clock.wall(),
        };
        let batch = Batch::admission().expect_absent(records::hook(hook.id));
        let hook = self.put(hook, batch, actor, "hook.create", &format!("under {}", new.key)).await?;
        Ok((hook, secret))
    }

    /// One hook.
    #[must_use]
    pub fn get(&self, id: HookId) -> Option<Arc<Hook>> {
        self.row(id).map(|(hook, _)| hook)
    }

    pub(super) fn row(&self, id: HookId) -> Option<(Arc<Hook>, Arc<Lane>)> {
        self.read().get(&id).map(|row| (Arc::clone(&row.hook), Arc::clone(&row.lane)))
    }

    /// Counts one that comes to a hook; false when too many have come lately.
    #[must_use]
    pub fn takes_one(&self, id: HookId) -> bool {
        let Some(spent) = self.read().get(&id).map(|row| Arc::clone(&row.spent)) else { return true };
        let now = self.inner.clock.steady().0;
        let next = |spent: i64| Some(spent.max(now) + EACH_MS).filter(|spent| spent - now <= EACH_MS * AT_ONCE);
        spent.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }

    /// All hooks of an owner, oldest first.
    #[must_use]
    pub fn of(&self, owner: OwnerId) -> Vec<Arc<Hook>> {
        self.read().values().filter(|row| row.hook.owner == owner).map(|row| Arc::clone(&row.hook)).collect()
    }

    /// All hooks there are.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Hook>> {
        self.read().values().map(|row| Arc::clone(&row.hook)).collect()
    }

    /// The hook that an address with this id and secret means. Whether there is no such hook or the secret is another one cannot be told by
    /// the answer, nor by how long it takes.
    #[must_use]
    pub fn present(&self, id: &str, text: &str) -> Option<Arc<Hook>> {
        let shown = Secret::parse(text, &[secret::HOOK]);
        let digest = self.inner.access.digest(shown.as_ref().map_or("", Secret::reveal));
        let found = id.parse().ok().and_then(|id| self.get(id));
        let stored = found.as_ref().map_or([0; 32].as_slice(), |hook| &hook.digest);
        let is_current = crypto::equal(&digest, stored);
        let now = self.inner.clock.wall();
        let previous = found.as_ref().and_then(|hook| hook.previous.as_ref()).filter(|previous| now < previous.until);
        let is_previous = crypto::equal(&digest, previous.map_or([0; 32].as_slice(), |previous| &previous.digest));
        found.filter(|_| shown.is_some() && (is_current || is_previous))
    }

    /// Changes a hook.
    ///
    /// # Errors
    /// [`HookError::NotFound`] and the store's.
    pub async fn change(
        &self,
        id: HookId,
        change: impl FnOnce(Hook) -> Hook + Send,
        actor: &str,
    ) -> Result<Arc<Hook>, HookError> {
        let _turn = self.inner.changing.lock().await;
        let hook = self.get(id).ok_or(HookError::NotFound)?;
        self.put(change(hook.as_ref().clone()), Batch::admission(), actor, "hook.change", "").await
    }

    /// Draws a new secret; the old one is good for `overlap` more.
    ///
    /// # Errors
    /// [`HookError::NotFound`], the store's, no randomness.
    pub async fn rotate(&self, id: HookId, overlap: Duration, actor: &str) -> Result<(Arc<Hook>, Secret), HookError> {
        let _turn = self.inner.changing.lock().await;
        let hook = self.get(id).ok_or(HookError::NotFound)?;
        let secret = Secret::generate(secret::HOOK).map_err(AccessError::from)?;
        let until = self.inner.clock.wall().plus_ms(i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX));
        let changed = Hook {
            previous: Some(Previous { digest: hook.digest.clone(), until }),
            digest: self.inner.access.digest(secret.reveal()).to_vec(),
            prefix: secret.shown_prefix(),
            ..hook.as_ref().clone()
        };
        Ok((self.put(changed, Batch::outcome(), actor, "hook.rotate", "").await?, secret))
    }

    /// Deletes a hook with all that came to it; its address is unknown from then on. The caller ends its key.
    ///
    /// # Errors
    /// [`HookError::NotFound`] and the store's.
    pub async fn delete(&self, id: HookId, actor: &str) -> Result<(), HookError> {
        let _turn = self.inner.changing.lock().await;
        let (_, lane) = self.row(id).ok_or(HookError::NotFound)?;
        let mut lane = lane.lock().await;
        let batch = Batch::outcome().delete(records::hook(id)).shred(&records::hook_scope(id));
        let batch = lane.keys(id).into_iter().fold(batch, Batch::delete);
        let batch = self.inner.access.audited(batch, actor, "hook.delete", &id.to_string(), "")?;
        self.inner.store.commit(batch).await?;
        lane.close();
        self.inner.rows.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(())
    }

    async fn put(&self, hook: Hook, batch: Batch, actor: &str, action: &str, detail: &str) -> Result<Arc<Hook>, HookError> {
        let batch = batch.put(records::hook(hook.id), records::encode(&hook));
        let batch = self.inner.access.audited(batch, actor, action, &hook.id.to_string(), detail)?;
        self.inner.store.commit(batch).await?;
        let hook = Arc::new(hook);
        let mut rows = self.inner.rows.write().unwrap_or_else(PoisonError::into_inner);
        let before = rows.get(&hook.id);
        let lane = before.map(|row| Arc::clone(&row.lane)).unwrap_or_default();
        let spent = before.map(|row| Arc::clone(&row.spent)).unwrap_or_default();
        rows.insert(hook.id, Row { hook: Arc::clone(&hook), lane, spent });
        Ok(hook)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<HookId, Row>> {
        self.inner.rows.read().unwrap_or_else(PoisonError::into_inner)
    }
}
