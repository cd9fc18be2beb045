//! Terminals as they come, go and change, and tokens whose terminal was refused: looked at once for all who follow them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    select,
    sync::{Notify, watch},
};

use super::{topic::Topic, words::Encoding};
use crate::{
    api::{ApiState, link, terminals, tokens},
    domain::{UnixMillis, ids::OwnerId, token::Token},
    events::view,
    telemetry::metrics::Metrics,
};

/// What does not come with an arrival, like a broker link that breaks, is seen within that time.
const LOOK: Duration = Duration::from_secs(1);

/// Between two looks, so that many who arrive together cost one.
const APART: Duration = Duration::from_millis(100);

/// A token's refusals are told with that much between them at least, however fast its terminal comes back.
const REFUSALS_APART_MS: i64 = 3_000;

/// A terminal, or a token, as it stands.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) topic: Topic,
    pub(super) token: Arc<Token>,
    pub(super) seq: u64,
    at: UnixMillis,
    /// All of it but the ages.
    shape: Value,
    message: Value,
    frames: [OnceLock<Bytes>; 3],
}

impl Row {
    pub(super) fn frame(&self, encoding: Encoding, metrics: &Metrics) -> Bytes {
        self.frames[encoding.index()].get_or_init(|| encoding.write(&self.message, None, metrics)).clone()
    }
}

/// The terminals and tokens of those owners whose somebody follows.
#[derive(Debug)]
pub(super) struct Presence {
    owners: Arc<Mutex<HashMap<OwnerId, usize>>>,
    rows: watch::Sender<Arc<Vec<Arc<Row>>>>,
    wanted: Notify,
}

impl Default for Presence {
    fn default() -> Self {
        Self { owners: Arc::default(), rows: watch::Sender::new(Arc::default()), wanted: Notify::new() }
    }
}

/// While there is one of them an owner's terminals are looked at.
#[derive(Debug)]
pub(super) struct Follower {
    owner: OwnerId,
    owners: Arc<Mutex<HashMap<OwnerId, usize>>>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(followers) = owners.get_mut(&self.owner) {
            *followers -= 1;
            if *followers == 0 {
                owners.remove(&self.owner);
            }
        }
    }
}

impl Presence {
    pub(super) fn follow(&self, owner: OwnerId) -> (watch::Receiver<Arc<Vec<Arc<Row>>>>, Follower) {
        *self.owners.lock().unwrap_or_else(PoisonError::into_inner).entry(owner).or_default() += 1;
        let follower = Follower { owner, owners: Arc::clone(&self.owners) };
        let rows = self.rows.subscribe();
        self.wanted.notify_one();
        (rows, follower)
    }

    fn is_followed(&self, owner: OwnerId) -> bool {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&owner)
    }
}

/// Looks at all terminals while somebody follows them, until the hub stops.
pub async fn watch_terminals(state: ApiState) {
    let mut arrivals = state.hub.arrivals();
    let mut seq = 0;
    let presence = state.streams.presence();
    loop {
        select! {
            biased;
            () = state.stopping.cancelled() => return,
            _ = arrivals.changed() => {}
            () = presence.wanted.notified() => {}
            () = tokio::time::sleep(LOOK), if presence.rows.receiver_count() > 0 => {}
        }
        if presence.rows.receiver_count() > 0 {
            look(&state, presence, &mut seq);
            select! {
                () = state.stopping.cancelled() => return,
                () = tokio::time::sleep(APART) => {}
            }
        }
    }
}

fn look(state: &ApiState, presence: &Presence, seq: &mut u64) {
    let before = presence.rows.borrow().clone();
    let known: HashMap<_, _> = before.iter().map(|row| ((row.topic, row.token.id), row)).collect();
    let mut tokens = state.access.tokens();
    tokens.retain(|token| presence.is_followed(token.owner));
    let mut rows = Vec::new();
    for token in tokens {
        if token.lock.is_some() {
            rows.push(terminal(state, Arc::clone(&token), known.get(&(Topic::Terminals, token.id)).copied(), seq));
        }
        rows.extend(refused(state, Arc::clone(&token), known.get(&(Topic::Tokens, token.id)).copied(), seq));
    }
    presence.rows.send_replace(Arc::new(rows));
}

fn terminal(state: &ApiState, token: Arc<Token>, known: Option<&Arc<Row>>, seq: &mut u64) -> Arc<Row> {
    let now = state.clock.wall();
    let data = terminals::describe(state, &token, now);
    let shape = without_ages(&data);
    if let Some(same) = known.filter(|row| row.shape == shape) {
        return same.still(token);
    }
    *seq += 1;
    let account = token.lock.as_ref().map(|lock| lock.account.clone());
    let message = json!({
        "type": "state", "topic": Topic::Terminals.name(), "terminal": token.id, "account": account,
        "seq": *seq, "at": view::rfc3339(now), "trouble": null, "data": data,
    });
    let (topic, frames) = (Topic::Terminals, Default::default());
    Arc::new(Row { topic, token, seq: *seq, at: now, shape, message, frames })
}

/// A token whose terminal was refused since the hub's start. What else becomes of tokens are events.
fn refused(state: &ApiState, token: Arc<Token>, known: Option<&Arc<Row>>, seq: &mut u64) -> Option<Arc<Row>> {
    let now = state.clock.wall();
    let shape = Some(link::last_refusal(state, token.id)).filter(|refusal| !refusal.is_null())?;
    let is_soon = |row: &Row| (0..REFUSALS_APART_MS).contains(&now.since(row.at));
    if let Some(same) = known.filter(|row| row.shape == shape || is_soon(row)) {
        return Some(same.still(token));
    }
    *seq += 1;
    let message = json!({
        "type": "state", "topic": Topic::Tokens.name(), "token": token.id,
        "seq": *seq, "at": view::rfc3339(now), "trouble": null, "data": tokens::row(state, &token),
    });
    let (topic, frames) = (Topic::Tokens, Default::default());
    Some(Arc::new(Row { topic, token, seq: *seq, at: now, shape, message, frames }))
}

impl Row {
    /// The same with the token as it is now, on which rights depend.
    fn still(self: &Arc<Self>, token: Arc<Token>) -> Arc<Self> {
        if Arc::ptr_eq(&self.token, &token) {
            return Arc::clone(self);
        }
        let Self { topic, seq, at, .. } = **self;
        Arc::new(Self {
            topic,
            token,
            seq,
            at,
            shape: self.shape.clone(),
            message: self.message.clone(),
            frames: self.frames.clone(),
        })
    }
}

/// What is news when it changes: a terminal that is only a second older is not.
fn without_ages(data: &Value) -> Value {
    let mut shape = data.clone();
    if let Some(object) = shape.as_object_mut() {
        object.remove("last_seen_at");
    }
    if let Some(layers) = shape.get_mut("presence").and_then(Value::as_object_mut) {
        layers.remove("ea_loop_ms");
        layers.remove("broker_ping_ms");
        for layer in layers.values_mut().filter_map(Value::as_object_mut) {
            layer.remove("age_ms");
            layer.remove("rtt_ms");
        }
    }
    shape
}
