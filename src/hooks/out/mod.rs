//! Webhooks: what happened, sent to whoever asked for it, signed, at least once.
//!
//! Nothing is queued twice: the store's own history is the queue, and each webhook has a durable place in it ([`Progress`]). An event is
//! behind that place only when it was taken, or when it is parked with its retries ([`Delivery`]). `pump` moves the place on.

pub mod address;
mod pump;
mod send;
pub mod sign;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::HookError;
use crate::{
    access::{Access, AccessError},
    clock::{Clock, Ids},
    config,
    domain::{
        UnixMillis,
        ids::{OwnerId, TokenId, WebhookId},
        webhook::{Delivery, Disabled, Progress, Signing, Webhook},
    },
    events::{Events, Missed},
    store::{Batch, Store, StoreError, records},
    tls::TlsError,
};
pub use send::Failure;
use send::Sender;

/// Webhooks of a hub: each has a task of its own, so that a dead one delays nobody.
pub const WEBHOOKS_MAX: usize = 100;
/// Events of one webhook that may wait for a retry; above it its place stands still.
const PARKED_MAX: usize = 1_000;
/// Dead letters that are kept of one webhook; the oldest go first.
const DEAD_MAX: usize = 1_000;
/// Events that one replay may ask for.
const REPLAY_MAX: usize = 1_000;

/// What a new webhook is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Whose.
    pub owner: OwnerId,
    /// For people.
    pub name: String,
    /// See [`Webhook::url`].
    pub url: String,
    /// See [`Webhook::events`].
    pub events: Vec<String>,
    /// See [`Webhook::terminal`].
    pub terminal: Option<TokenId>,
}

/// All webhooks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    access: Access,
    events: Events,
    clock: Clock,
    ids: Arc<Ids>,
    sender: Sender,
    retries: Vec<Duration>,
    disable_after_ms: i64,
    lines: RwLock<BTreeMap<WebhookId, Arc<Line>>>,
    /// Held while webhooks are made, changed or deleted.
    changing: Mutex<()>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// One webhook and how far it has come.
#[derive(Debug)]
struct Line {
    webhook: RwLock<Arc<Webhook>>,
    state: Mutex<State>,
    /// Something changed that its task should look at.
    bell: Notify,
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    progress: Progress,
    parked: BTreeMap<u64, Delivery>,
}

impl Line {
    fn new(webhook: Webhook, state: State) -> Arc<Self> {
        let (bell, ended) = (Notify::new(), CancellationToken::new());
        Arc::new(Self { webhook: RwLock::new(Arc::new(webhook)), state: Mutex::new(state), bell, ended })
    }

    fn webhook(&self) -> Arc<Webhook> {
        Arc::clone(&self.webhook.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How a webhook stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The webhook.
    pub webhook: Arc<Webhook>,
    /// How far it has come.
    pub progress: Progress,
    /// Events that are tried again.
    pub waiting: usize,
    /// Events that are not.
    pub dead: usize,
}

impl Webhooks {
    /// Reads all webhooks. Nothing is sent before [`Self::start`].
    ///
    /// # Errors
    /// The store's, or TLS cannot be set up.
    pub async fn open(
        (store, access, events): (Arc<dyn Store>, Access, Events),
        settings: &config::Webhooks,
        (clock, ids): (Clock, Arc<Ids>),
        (tasks, stop): (TaskTracker, CancellationToken),
    ) -> Result<Self, OpenError> {
        let mut lines = BTreeMap::new();
        for (key, entry) in store.scan(records::WEBHOOKS, None, WEBHOOKS_MAX * 2).await? {
            let webhook: Webhook = records::decode(&key, &entry)?;
            lines.insert(webhook.id, Line::new(webhook.clone(), load(store.as_ref(), webhook.id).await?));
        }
        let inner = Inner {
            store,
            access,
            events,
            clock,
            ids,
            sender: Sender::new(settings)?,
            retries: settings.retries.clone(),
            disable_after_ms: i64::try_from(settings.disable_after.as_millis()).unwrap_or(i64::MAX),
            lines: RwLock::new(lines),
            changing: Mutex::default(),
            tasks,
            stop,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins to send, each webhook in a task of its own.
    pub fn start(&self) {
        let lines: Vec<_> = self.lines().values().cloned().collect();
        lines.into_iter().for_each(|line| self.spawn(line));
    }

    fn spawn(&self, line: Arc<Line>) {
        self.inner.tasks.spawn(pump::run(self.clone(), line));
    }

    /// Makes a webhook, which gets what happens from now on. The secret is in the answer and never shown again.
    ///
    /// # Errors
    /// The store's, or no randomness; none when there are too many.
    pub async fn create(&self, new: NewWebhook, actor: &str) -> Result<Option<(Standing, String)>, HookError> {
        let _turn = self.inner.changing.lock().await;
        if self.lines().len() >= WEBHOOKS_MAX {
            return Ok(None);
        }
        let key = sign::generate().map_err(AccessError::from)?;
        let webhook = Webhook {
            id: WebhookId::new(self.inner.ids.next().map_err(AccessError::from)?),
            owner: new.owner,
            name: new.name,
            url: new.url,
            events: new.events,
            terminal: new.terminal,
            secrets: vec![Signing { key: key.clone(), until: None }],
            created_at: self.inner.clock.wall(),
            disabled: None,
        };
        let progress = Progress { cursor: self.inner.events.now(), failing_since: None };
        let batch = Batch::admission().put(records::webhook_progress(webhook.id), records::encode(&progress));
        self.commit(&webhook, batch, actor, ("webhook.create", "")).await?;
        let line = Line::new(webhook, State { progress, parked: BTreeMap::new() });
        self.inner.lines.write().unwrap_or_else(PoisonError::into_inner).insert(line.webhook().id, Arc::clone(&line));
        self.spawn(Arc::clone(&line));
        Ok(Some((standing(&line).await, sign::shown(&key))))
    }

    /// The webhooks of an owner, oldest first.
    pub async fn of(&self, owner: OwnerId) -> Vec<Standing> {
        let lines: Vec<_> = self.lines().values().filter(|line| line.webhook().owner == owner).cloned().collect();
        let mut found = Vec::with_capacity(lines.len());
        for line in lines {
            found.push(standing(&line).await);
        }
        found
    }

    /// One webhook.
    pub async fn get(&self, id: WebhookId) -> Option<Standing> {
        let line = self.line(id).ok()?;
        Some(standing(&line).await)
    }

    /// What may stand as an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, url: &str) -> Result<(), &'static str> {
        self.inner.sender.check(url).map(|_| ())
    }

    /// Changes a webhook. One that was disabled goes on where it stopped.
    ///
    /// # Errors
    /// [`HookError::NotFound`] and the store's.
    pub async fn change(
        &self,
        id: WebhookId,
        change: impl FnOnce(Webhook) -> Webhook + Send,
        actor: &str,
    ) -> Result<Standing, HookError> {
        let _turn = self.inner.changing.lock().await;
        let line = self.line(id)?;
        let before = line.webhook();
        let webhook = change(before.as_ref().clone());
        let mut state = line.state.lock().await;
        let mut batch = Batch::admission();
        if before.disabled.is_some() && webhook.disabled.is_none() {
            // Its time of failing begins anew.
            let progress = Progress { failing_since: None, ..state.progress };
            batch = batch.put(records::webhook_progress(id), records::encode(&progress));
            state.progress = progress;
        }
        drop(state);
        self.commit(&webhook, batch, actor, ("webhook.change", "")).await?;
        *line.webhook.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(webhook);
        line.bell.notify_one();
        Ok(standing(&line).await)
    }

    /// Draws a new secret; for `overlap` more messages are signed with both.
    ///
    /// # Errors
    /// [`HookError::NotFound`], the store's, no randomness.
    pub async fn rotate(&self, id: WebhookId, overlap: Duration, actor: &str) -> Result<(Standing, String), HookError> {
        let key = sign::generate().map_err(AccessError::from)?;
        let until = self.inner.clock.wall().plus_ms(i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX));
        let new = Signing { key: key.clone(), until: None };
        let rotate = |webhook: Webhook| {
            let last = webhook.secrets.into_iter().next().map(|old| Signing { until: Some(until), ..old });
            Webhook { secrets: std::iter::once(new).chain(last).collect(), ..webhook }
        };
        Ok((self.change(id, rotate, actor).await?, sign::shown(&key)))
    }

    /// Deletes a webhook with its secrets and everything that waits for it.
    ///
    /// # Errors
    /// [`HookError::NotFound`] and the store's.
    pub async fn delete(&self, id: WebhookId, actor: &str) -> Result<(), HookError> {
        let _turn = self.inner.changing.lock().await;
        let line = self.line(id)?;
        let state = line.state.lock().await;
        let batch = Batch::outcome().delete(records::webhook(id)).delete(records::webhook_progress(id));
        let batch = state.parked.keys().fold(batch, |batch, seq| batch.delete(records::delivery(id, *seq)));
        let batch = batch.shred(&records::webhook_scope(id));
        let batch = self.inner.access.audited(batch, actor, "webhook.delete", &id.to_string(), "")?;
        self.inner.store.commit(batch).await?;
        line.ended.cancel();
        self.inner.lines.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(())
    }

    /// What is tried again, and what is not, in the order of events.
    ///
    /// # Errors
    /// [`HookError::NotFound`].
    pub async fn deliveries(&self, id: WebhookId) -> Result<Vec<Delivery>, HookError> {
        Ok(self.line(id)?.state.lock().await.parked.values().cloned().collect())
    }

    /// Sends events again: those from `from` to `to` that it asks for, or only the dead ones among them. How many there are is in the answer.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub async fn replay(&self, id: WebhookId, (from, to): (u64, u64), only_dead: bool) -> Result<usize, ReplayError> {
        let line = self.line(id)?;
        let webhook = line.webhook();
        let mut wanted: Vec<(u64, String)> = Vec::new();
        if only_dead {
            let state = line.state.lock().await;
            let dead = state.parked.range(from..=to).filter(|(_, delivery)| delivery.dead);
            wanted.extend(dead.map(|(seq, delivery)| (*seq, delivery.kind.clone())));
        } else {
            // Nothing is asked for that has not happened yet.
            let (mut cursor, to) = (from.saturating_sub(1), to.min(self.inner.events.now()));
            while cursor < to && wanted.len() <= REPLAY_MAX {
                let page = self.inner.events.after(cursor, 256).await?;
                if page.events.is_empty() && page.next <= cursor {
                    break;
                }
                let mine = page.events.iter().filter(|told| told.seq <= to && self.wants(&webhook, told));
                wanted.extend(mine.map(|told| (told.seq, told.kind.to_owned())));
                cursor = page.next;
            }
        }
        if wanted.len() > REPLAY_MAX {
            return Err(ReplayError::TooMany);
        }
        let now = self.inner.clock.wall();
        let mut state = line.state.lock().await;
        let fresh = |(seq, kind)| Delivery { seq, kind, attempts: 0, next_at: now, dead: false, last: String::new(), since: now };
        let deliveries: Vec<_> = wanted.into_iter().map(fresh).collect();
        let put = |batch: Batch, delivery: &Delivery| batch.put(records::delivery(id, delivery.seq), records::encode(delivery));
        self.inner.store.commit(deliveries.iter().fold(Batch::admission(), put)).await.map_err(HookError::from)?;
        let count = deliveries.len();
        state.parked.extend(deliveries.into_iter().map(|delivery| (delivery.seq, delivery)));
        line.bell.notify_one();
        Ok(count)
    }

    /// Sends a message of the type `webhook.test`, once, now.
    ///
    /// # Errors
    /// [`HookError::NotFound`], no randomness. The inner result is what became of it.
    pub async fn test(&self, id: WebhookId) -> Result<Result<u16, Failure>, HookError> {
        let webhook = self.line(id)?.webhook();
        let now = self.inner.clock.wall();
        let name = format!("msg_test_{}", self.inner.ids.next().map_err(AccessError::from)?);
        let body =
            json!({"id": name, "type": "webhook.test", "timestamp": crate::events::view::rfc3339(now), "data": {"webhook": id}});
        Ok(self.inner.sender.send(&webhook, &name, now, body.to_string()).await)
    }

    /// Stops sending to a webhook, and says so in the audit log and as an event.
    async fn disable(&self, line: &Line, reason: String) -> Result<(), HookError> {
        let _turn = self.inner.changing.lock().await;
        if line.ended.is_cancelled() {
            return Ok(());
        }
        let disabled = Some(Disabled { at: self.inner.clock.wall(), reason: reason.clone() });
        let webhook = Webhook { disabled, ..line.webhook().as_ref().clone() };
        tracing::warn!(webhook = %webhook.id, reason, "a webhook is disabled");
        self.commit(&webhook, Batch::outcome(), "hub", ("webhook.disable", &reason)).await?;
        *line.webhook.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(webhook);
        Ok(())
    }

    async fn commit(
        &self,
        webhook: &Webhook,
        batch: Batch,
        actor: &str,
        (action, detail): (&str, &str),
    ) -> Result<(), HookError> {
        let batch = batch.put_sealed(&records::webhook_scope(webhook.id), records::webhook(webhook.id), records::encode(webhook));
        let batch = self.inner.access.audited(batch, actor, action, &webhook.id.to_string(), detail)?;
        self.inner.store.commit(batch).await?;
        Ok(())
    }

    /// Whether an event goes to a webhook.
    fn wants(&self, webhook: &Webhook, event: &crate::domain::event::Event) -> bool {
        let account = || {
            let token = self.inner.access.token(webhook.terminal?)?;
            token.lock.as_ref().map(|lock| lock.account.clone())
        };
        (event.owner == webhook.owner || event.everyone)
            && webhook.wants(event.kind)
            && (webhook.terminal.is_none() || (event.account.is_some() && event.account == account()))
    }

    fn line(&self, id: WebhookId) -> Result<Arc<Line>, HookError> {
        self.lines().get(&id).cloned().ok_or(HookError::NotFound)
    }

    fn lines(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<WebhookId, Arc<Line>>> {
        self.inner.lines.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why webhooks cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// They cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing can be sent.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why events are not sent again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No such webhook, or the store's.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// They are not kept any more.
    #[error(transparent)]
    Missed(#[from] Missed),
    /// Ask for fewer at once.
    #[error("these are more than {REPLAY_MAX} events: ask for fewer at once")]
    TooMany,
}

async fn standing(line: &Line) -> Standing {
    let state = line.state.lock().await;
    let dead = state.parked.values().filter(|delivery| delivery.dead).count();
    Standing { webhook: line.webhook(), progress: state.progress, waiting: state.parked.len() - dead, dead }
}

async fn load(store: &dyn Store, id: WebhookId) -> Result<State, StoreError> {
    let key = records::webhook_progress(id);
    let progress = store.get(&key).await?.map(|entry| records::decode(&key, &entry)).transpose()?.unwrap_or_default();
    let mut parked = BTreeMap::new();
    for (key, entry) in store.scan(&records::deliveries(id), None, PARKED_MAX + DEAD_MAX + REPLAY_MAX).await? {
        let delivery: Delivery = records::decode(&key, &entry)?;
        parked.insert(delivery.seq, delivery);
    }
    Ok(State { progress, parked })
}

/// What stands for an event at its receiver, the same at each try.
#[must_use]
pub fn message_id(webhook: WebhookId, seq: u64) -> String {
    format!("msg_{}_{seq}", webhook.to_string().trim_start_matches(WebhookId::PREFIX))
}

/// Largest message, bytes.
const BODY_MAX: usize = 64 << 10;

/// A message. What is too large for one is left out, and said so: the record itself is in the API.
fn body(id: &str, event: &crate::domain::event::Event) -> String {
    let message = |data: &Value, omitted: bool| {
        let mut message = json!({
            "id": id,
            "type": event.kind,
            "timestamp": crate::events::view::rfc3339(event.at),
            "seq": event.seq,
            "account": event.account,
            "symbol": event.symbol,
            "data": data,
        });
        if omitted {
            message["data_omitted"] = json!(true);
        }
        message.to_string()
    };
    let whole = message(&event.data, false);
    if whole.len() <= BODY_MAX { whole } else { message(&Value::Null, true) }
}

/// So long after a failure the next try comes; a tenth more or less, so that many do not come at once.
fn pause(retries: &[Duration], attempts: u32) -> Option<Duration> {
    let base = retries.get(usize::try_from(attempts).unwrap_or(usize::MAX).saturating_sub(1))?;
    Some(base.mul_f64(rand::random_range(0.9..=1.1)))
}

/// The next moment at which something is due.
fn next_due(parked: &BTreeMap<u64, Delivery>) -> Option<(UnixMillis, u64)> {
    parked.values().filter(|delivery| !delivery.dead).map(|delivery| (delivery.next_at, delivery.seq)).min()
}
