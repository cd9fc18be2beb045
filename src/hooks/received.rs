//! What came to a hook: written down before it is carried out, once however often it comes, one after the other.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::book::{HookError, Hooks};
use crate::{
    access::AccessError,
    domain::{
        UnixMillis,
        hook::{Hook, Identity, Outcome, Received, State},
        ids::{AlertId, HookId},
    },
    store::{Batch, Store, StoreError, records},
};

/// Alerts that are kept of each hook.
pub const KEPT: usize = 200;
/// Whoever waits for the alert before it goes on after that time: its command's own life is no longer.
const TURN: Duration = Duration::from_secs(60);

/// The alerts of one hook.
pub(super) type Lane = tokio::sync::Mutex<Inside>;

#[derive(Debug, Default)]
pub(super) struct Inside {
    /// Oldest first.
    kept: VecDeque<(AlertId, Option<Identity>)>,
    seen: HashMap<[u8; 32], (AlertId, UnixMillis)>,
    /// Done when the newest alert has been carried out.
    last: Option<oneshot::Receiver<()>>,
    /// The hook was deleted: nothing may be written any more.
    closed: bool,
}

impl Inside {
    /// Reads what was written down.
    pub(super) async fn load(store: &dyn Store, hook: HookId) -> Result<Self, StoreError> {
        let mut inside = Self::default();
        for received in read(store, hook).await? {
            inside.add(&received);
        }
        Ok(inside)
    }

    fn add(&mut self, received: &Received) {
        self.kept.push_back((received.id, received.identity));
        if let Some(identity) = received.identity {
            self.seen.insert(identity.digest, (received.id, received.at));
        }
    }

    pub(super) fn keys(&self, hook: HookId) -> Vec<Vec<u8>> {
        self.kept.iter().map(|(id, _)| records::alert(hook, *id)).collect()
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }
}

async fn read(store: &dyn Store, hook: HookId) -> Result<Vec<Received>, StoreError> {
    let page = store.scan(&records::alerts(hook), None, 2 * KEPT).await?;
    page.iter().map(|(key, entry)| records::decode(key, entry)).collect()
}

/// An alert that was written down.
#[derive(Debug)]
pub enum Entered {
    /// It is new, and whoever holds this carries it out.
    New(Box<Received>, Turn),
    /// It was here before: this is what became of it then.
    Repeats(Box<Received>),
    /// Too many alerts are in work; nothing was written down.
    Crowded,
}

/// An alert's place behind those that came to its hook before.
#[derive(Debug)]
pub struct Turn {
    before: Option<oneshot::Receiver<()>>,
    /// Dropped when it is over, which lets the next one go on.
    _over: oneshot::Sender<()>,
    _place: OwnedSemaphorePermit,
}

impl Turn {
    /// Waits for those before.
    pub async fn wait(&mut self) {
        if let Some(before) = self.before.take() {
            // Over, or given up.
            let _ = tokio::time::timeout(TURN, before).await;
        }
    }
}

impl Hooks {
    /// Writes down an alert that can be carried out, unless it was here before.
    ///
    /// # Errors
    /// [`HookError::NotFound`] when the hook was deleted meanwhile, and the store's.
    pub async fn enter(&self, hook: &Hook, from: &str, text: &str, identity: Identity) -> Result<Entered, HookError> {
        let (_, lane) = self.row(hook.id).ok_or(HookError::NotFound)?;
        let Ok(place) = Arc::clone(&self.inner.working).try_acquire_owned() else { return Ok(Entered::Crowded) };
        let mut lane = lane.lock().await;
        let now = self.inner.clock.wall();
        let window = i64::from(hook.defaults.duplicate_window_s) * 1_000;
        let before = lane.seen.get(&identity.digest).filter(|(_, at)| identity.for_good || now.since(*at) < window).copied();
        if let Some((first, _)) = before
            && let Some(first) = self.alert(hook.id, first).await?
        {
            let outcome = Outcome { state: State::Duplicate, repeats: Some(first.id), ..Outcome::default() };
            self.write(&mut lane, hook.id, (from, text), None, outcome).await?;
            return Ok(Entered::Repeats(Box::new(first)));
        }
        let received = self.write(&mut lane, hook.id, (from, text), Some(identity), Outcome::default()).await?;
        let (over, last) = oneshot::channel();
        let before = lane.last.replace(last);
        Ok(Entered::New(Box::new(received), Turn { before, _over: over, _place: place }))
    }

    /// Writes down an alert of which nothing will come.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub async fn note(&self, hook: &Hook, from: &str, text: &str, outcome: Outcome) -> Result<Received, HookError> {
        let (_, lane) = self.row(hook.id).ok_or(HookError::NotFound)?;
        let mut lane = lane.lock().await;
        self.write(&mut lane, hook.id, (from, text), None, outcome).await
    }

    /// Writes down what became of an alert.
    ///
    /// # Errors
    /// The store's.
    pub async fn settle(&self, received: &Received) -> Result<(), HookError> {
        // Without its hook it is gone, and with it the key that sealed it.
        let Some((_, lane)) = self.row(received.hook) else { return Ok(()) };
        let lane = lane.lock().await;
        if lane.closed || !lane.kept.iter().any(|(id, _)| *id == received.id) {
            return Ok(());
        }
        self.inner.store.commit(put(Batch::outcome(), received)).await?;
        Ok(())
    }

    /// What came to a hook, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn received(&self, hook: HookId, limit: usize) -> Result<Vec<Received>, StoreError> {
        let mut rows = read(self.inner.store.as_ref(), hook).await?;
        rows.reverse();
        rows.truncate(limit);
        Ok(rows)
    }

    /// Alerts that were taken and not carried out to their end when the hub stopped.
    ///
    /// # Errors
    /// The store's.
    pub async fn pending(&self, hook: HookId) -> Result<Vec<Received>, StoreError> {
        let mut rows = read(self.inner.store.as_ref(), hook).await?;
        rows.retain(|received| received.outcome.state == State::Pending);
        Ok(rows)
    }

    /// A turn for an alert of before the start, behind nobody; none when too many are in work.
    #[must_use]
    pub fn turn_again(&self) -> Option<Turn> {
        let place = Arc::clone(&self.inner.working).try_acquire_owned().ok()?;
        Some(Turn { before: None, _over: oneshot::channel().0, _place: place })
    }

    async fn alert(&self, hook: HookId, id: AlertId) -> Result<Option<Received>, StoreError> {
        let key = records::alert(hook, id);
        self.inner.store.get(&key).await?.map(|entry| records::decode(&key, &entry)).transpose()
    }

    async fn write(
        &self,
        lane: &mut Inside,
        hook: HookId,
        (from, text): (&str, &str),
        identity: Option<Identity>,
        outcome: Outcome,
    ) -> Result<Received, HookError> {
        if lane.closed {
            return Err(HookError::NotFound);
        }
        let id = AlertId::new(self.inner.ids.next().map_err(AccessError::from)?);
        let at = self.inner.clock.wall();
        let received = Received { id, hook, at, from: from.to_owned(), text: text.to_owned(), identity, outcome };
        let mut batch = put(Batch::admission(), &received);
        let surplus = (lane.kept.len() + 1).saturating_sub(KEPT);
        for (old, _) in lane.kept.iter().take(surplus) {
            batch = batch.delete(records::alert(hook, *old));
        }
        self.inner.store.commit(batch).await?;
        for (old, identity) in lane.kept.drain(..surplus) {
            if let Some(identity) = identity
                && lane.seen.get(&identity.digest).is_some_and(|(id, _)| *id == old)
            {
                lane.seen.remove(&identity.digest);
            }
        }
        lane.add(&received);
        Ok(received)
    }
}

fn put(batch: Batch, received: &Received) -> Batch {
    batch.put_sealed(&records::hook_scope(received.hook), records::alert(received.hook, received.id), records::encode(received))
}
