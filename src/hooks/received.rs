//! What came to a hook: written down before it is carried out, once however often it comes, one after the other.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::book::{HookError, Hooks, Place};
use crate::{
    access::AccessError,
    domain::{
        UnixMillis,
        hook::{Hook, Identity, Outcome, Received, State},
        ids::{AlertId, CommandId, HookId},
    },
    store::{Batch, Store, StoreError, records},
};

/// Alerts that are kept of each hook, of those that could be carried out.
pub const KEPT: usize = 200;
/// The same of the others, such as repetitions: however many come, they take nothing from what tells repetitions.
const KEPT_OF_OTHERS: usize = 100;
/// Alerts of one hook in work at once: a hook that floods stops no other.
const WORKING: usize = 16;
/// Whoever waits for the alert before it goes on after that time: its command's own life is no longer.
const TURN: Duration = Duration::from_secs(60);

/// Commands of earlier alerts that the next one is told of, the newest.
const OPEN: usize = 64;

/// The alerts of one hook.
pub(super) type Lane = tokio::sync::Mutex<Inside>;

#[derive(Debug, Default)]
pub(super) struct Inside {
    /// Oldest first.
    kept: VecDeque<(AlertId, Identity)>,
    /// What came of them is not known yet: they stay, however many come after them.
    pending: HashSet<AlertId>,
    /// Those of which nothing came, oldest first.
    others: VecDeque<AlertId>,
    working: Working,
    seen: HashMap<[u8; 32], (AlertId, UnixMillis)>,
    /// Done when the newest alert has been carried out: what it and those before it sent and has no outcome yet.
    last: Option<oneshot::Receiver<Vec<CommandId>>>,
    /// The hook was deleted: nothing may be written any more.
    closed: bool,
}

#[derive(Debug)]
struct Working(Arc<Semaphore>);

impl Default for Working {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WORKING)))
    }
}

impl Inside {
    /// Reads what was written down.
    pub(super) async fn load(store: &dyn Store, hook: HookId) -> Result<Self, StoreError> {
        let mut inside = Self::default();
        let mut open = Vec::new();
        for received in read(store, hook).await? {
            inside.add(&received);
            open.extend(received.outcome.commands.iter().filter_map(|id| id.parse::<CommandId>().ok()));
        }
        // Whether they have their outcomes is looked at when somebody wants to know.
        inside.last = Some(over(open));
        Ok(inside)
    }

    fn add(&mut self, received: &Received) {
        match received.identity {
            Some(identity) => {
                self.kept.push_back((received.id, identity));
                self.seen.insert(identity.digest, (received.id, received.at));
            }
            None => self.others.push_back(received.id),
        }
        if received.outcome.state == State::Pending {
            self.pending.insert(received.id);
        }
    }

    /// Those that give their place to a new one.
    fn surplus(&self, identity: Option<Identity>) -> Vec<AlertId> {
        if identity.is_none() {
            return self.others.iter().take((self.others.len() + 1).saturating_sub(KEPT_OF_OTHERS)).copied().collect();
        }
        let settled = self.kept.iter().map(|(id, _)| *id).filter(|id| !self.pending.contains(id));
        settled.take((self.kept.len() + 1).saturating_sub(KEPT)).collect()
    }

    fn forget(&mut self, old: AlertId) {
        self.others.retain(|id| *id != old);
        let Some(at) = self.kept.iter().position(|(id, _)| *id == old) else { return };
        if let Some((_, identity)) = self.kept.remove(at)
            && self.seen.get(&identity.digest).is_some_and(|(id, _)| *id == old)
        {
            self.seen.remove(&identity.digest);
        }
    }

    /// A turn behind all others.
    fn turn(&mut self, places: (OwnedSemaphorePermit, Place)) -> Turn {
        let (over, last) = oneshot::channel();
        Turn { before: self.last.replace(last), open: Vec::new(), over: Some(over), _places: places }
    }

    fn has(&self, alert: AlertId) -> bool {
        !self.closed && self.kept.iter().any(|(id, _)| *id == alert)
    }

    pub(super) fn keys(&self, hook: HookId) -> Vec<Vec<u8>> {
        self.kept.iter().map(|(id, _)| id).chain(&self.others).map(|id| records::alert(hook, *id)).collect()
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }
}

/// What an alert that is over left to the next one.
fn over(mut open: Vec<CommandId>) -> oneshot::Receiver<Vec<CommandId>> {
    let (over, last) = oneshot::channel();
    open.drain(..open.len().saturating_sub(OPEN));
    let _ = over.send(open);
    last
}

async fn read(store: &dyn Store, hook: HookId) -> Result<Vec<Received>, StoreError> {
    let page = store.scan(&records::alerts(hook), None, 2 * (KEPT + KEPT_OF_OTHERS)).await?;
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
    before: Option<oneshot::Receiver<Vec<CommandId>>>,
    /// What this alert and those before it sent and has no outcome yet, as far as is known.
    pub open: Vec<CommandId>,
    /// Told when it is over, which lets the next one go on.
    over: Option<oneshot::Sender<Vec<CommandId>>>,
    /// Of its hook, and of its tenant and all.
    _places: (OwnedSemaphorePermit, Place),
}

impl Turn {
    /// Waits for those before.
    pub async fn wait(&mut self) {
        if let Some(before) = self.before.take() {
            // Over, or given up.
            if let Ok(Ok(open)) = tokio::time::timeout(TURN, before).await {
                self.open = open;
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        open.drain(..open.len().saturating_sub(OPEN));
        // The next one may not have come yet.
        let _ = self.over.take().map(|over| over.send(open));
    }
}

impl Hooks {
    /// Writes down an alert that can be carried out, unless it was here before.
    ///
    /// # Errors
    /// [`HookError::NotFound`] when the hook was deleted meanwhile, and the store's.
    pub async fn enter(&self, hook: &Hook, from: &str, text: &str, identity: Identity) -> Result<Entered, HookError> {
        let (_, lane) = self.row(hook.id).ok_or(HookError::NotFound)?;
        let mut lane = lane.lock().await;
        let working = Arc::clone(&lane.working.0);
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
        let (Ok(of_hook), Some(place)) = (working.try_acquire_owned(), self.place(hook.owner)) else {
            return Ok(Entered::Crowded);
        };
        let received = self.write(&mut lane, hook.id, (from, text), Some(identity), Outcome::default()).await?;
        Ok(Entered::New(Box::new(received), lane.turn((of_hook, place))))
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

    /// Writes down what is called for an alert. Before that nothing may be sent.
    ///
    /// # Errors
    /// [`HookError::NotFound`] when the hook was deleted meanwhile, and the store's: then nothing is sent.
    pub async fn decide(&self, received: &Received) -> Result<(), HookError> {
        let (_, lane) = self.row(received.hook).ok_or(HookError::NotFound)?;
        let lane = lane.lock().await;
        if !lane.has(received.id) {
            return Err(HookError::NotFound);
        }
        self.inner.store.commit(put(Batch::admission(), received)).await?;
        Ok(())
    }

    /// Writes down what became of an alert.
    ///
    /// # Errors
    /// The store's.
    pub async fn settle(&self, received: &Received) -> Result<(), HookError> {
        // Without its hook it is gone, and with it the key that sealed it.
        let Some((_, lane)) = self.row(received.hook) else { return Ok(()) };
        let mut lane = lane.lock().await;
        if !lane.has(received.id) {
            return Ok(());
        }
        self.inner.store.commit(put(Batch::outcome(), received)).await?;
        if received.outcome.state != State::Pending {
            lane.pending.remove(&received.id);
        }
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

    /// A turn for an alert of before the start; none when its hook was deleted.
    pub async fn turn_again(&self, hook: &Hook) -> Option<Turn> {
        let (_, lane) = self.row(hook.id)?;
        let working = Arc::clone(&lane.lock().await.working.0);
        let places = (working.acquire_owned().await.ok()?, self.place_in_time(hook.owner).await?);
        let mut lane = lane.lock().await;
        Some(lane.turn(places))
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
        let received = Received { id, hook, at, from: from.to_owned(), text: text.to_owned(), identity, calls: None, outcome };
        let mut batch = put(Batch::admission(), &received);
        let surplus = lane.surplus(identity);
        batch = surplus.iter().fold(batch, |batch, old| batch.delete(records::alert(hook, *old)));
        self.inner.store.commit(batch).await?;
        surplus.into_iter().for_each(|old| lane.forget(old));
        lane.add(&received);
        Ok(received)
    }
}

fn put(batch: Batch, received: &Received) -> Batch {
    batch.put_sealed(&records::hook_scope(received.hook), records::alert(received.hook, received.id), records::encode(received))
}
