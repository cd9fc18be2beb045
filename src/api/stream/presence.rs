//! Terminals as they come, go and change, and tokens whose terminal was refused: looked at once for all who follow them.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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
    api::{ApiState, link, terminals},
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

/// Whose terminals or tokens somebody follows.
type Of = (OwnerId, Topic);

/// The terminals and tokens that somebody follows.
#[derive(Debug)]
pub(super) struct Presence {
    followed: Arc<Followed>,
    rows: watch::Sender<Arc<Vec<Arc<Row>>>>,
}

#[derive(Debug, Default)]
struct Followed {
    counts: Mutex<HashMap<Of, usize>>,
    /// At some time since the last look nobody was left.
    left: AtomicBool,
    changed: Notify,
}

impl Default for Presence {
    fn default() -> Self {
        Self { followed: Arc::default(), rows: watch::Sender::new(Arc::default()) }
    }
}

/// While there is one of them an owner's terminals, or tokens, are looked at.
#[derive(Debug)]
pub(super) struct Follower {
    of: Of,
    followed: Arc<Followed>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut counts = self.followed.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(followers) = counts.get_mut(&self.of) {
            *followers -= 1;
            if *followers == 0 {
                counts.remove(&self.of);
                self.followed.left.fetch_or(counts.is_empty(), Ordering::Relaxed);
                self.followed.changed.notify_one();
            }
        }
    }
}

impl Presence {
    pub(super) fn follow(&self, owner: OwnerId, topic: Topic) -> (watch::Receiver<Arc<Vec<Arc<Row>>>>, Follower) {
        let of = (owner, topic);
        *self.followed.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(of).or_default() += 1;
        let follower = Follower { of, followed: Arc::clone(&self.followed) };
        let rows = self.rows.subscribe();
        self.followed.changed.notify_one();
        (rows, follower)
    }

    fn followed(&self) -> HashSet<Of> {
        self.followed.counts.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
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
            () = presence.followed.changed.notified() => {}
            () = tokio::time::sleep(LOOK), if presence.rows.receiver_count() > 0 => {}
        }
        if presence.followed.left.swap(false, Ordering::Relaxed) {
            // What was seen grows old while nobody looks; whoever comes next is told anew.
            presence.rows.send_replace(Arc::default());
        }
        let followed = presence.followed();
        if followed.is_empty() {
            continue;
        }
        look(&state, presence, &followed, &mut seq);
        select! {
            () = state.stopping.cancelled() => return,
            () = tokio::time::sleep(APART) => {}
        }
    }
}

fn look(state: &ApiState, presence: &Presence, followed: &HashSet<Of>, seq: &mut u64) {
    let before = presence.rows.borrow().clone();
    let known: HashMap<_, _> = before.iter().map(|row| ((row.topic, row.token.id), row)).collect();
    let mut rows = Vec::new();
    for token in state.access.tokens() {
        let is_followed = |topic| followed.contains(&(token.owner, topic));
        if token.lock.is_some() && is_followed(Topic::Terminals) {
            rows.push(terminal(state, Arc::clone(&token), known.get(&(Topic::Terminals, token.id)).copied(), seq));
        }
        if token.revoked_at.is_none() && is_followed(Topic::Tokens) {
            rows.extend(refused(state, Arc::clone(&token), known.get(&(Topic::Tokens, token.id)).copied(), seq));
        }
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

/// A token whose terminal was refused since the hub's start: that, and nothing that could change while the refusal stays the same. What else
/// becomes of tokens are events.
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
        "seq": *seq, "at": view::rfc3339(now), "trouble": null, "data": {"id": token.id, "last_refusal": &shape},
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
