//! Terminals as they come, go and change: looked at once for all who follow them.

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

use super::words::Encoding;
use crate::{
    api::{ApiState, terminals},
    domain::{ids::OwnerId, token::Token},
    events::view,
    telemetry::metrics::Metrics,
};

/// What does not come with an arrival, like a broker link that breaks, is seen within that time.
const LOOK: Duration = Duration::from_secs(1);

/// Between two looks, so that many who arrive together cost one.
const APART: Duration = Duration::from_millis(100);

/// A terminal as it stands.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) token: Arc<Token>,
    pub(super) seq: u64,
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

/// The terminals of those owners whose somebody follows.
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
    let now = state.clock.wall();
    let mut tokens = state.access.tokens();
    tokens.retain(|token| token.lock.is_some() && presence.is_followed(token.owner));
    let known: HashMap<_, _> = before.iter().map(|row| (row.token.id, row)).collect();
    let rows = tokens.into_iter().map(|token| {
        let data = terminals::describe(state, &token, now);
        let shape = without_ages(&data);
        if let Some(same) = known.get(&token.id).filter(|row| row.shape == shape) {
            // Rights depend on the token as it is now.
            return if Arc::ptr_eq(&same.token, &token) { Arc::clone(*same) } else { Arc::new(same.with(token)) };
        }
        *seq += 1;
        let account = token.lock.as_ref().map(|lock| lock.account.clone());
        let message = json!({
            "type": "state", "topic": "terminals", "terminal": token.id, "account": account,
            "seq": *seq, "at": view::rfc3339(now), "trouble": null, "data": data,
        });
        Arc::new(Row { token, seq: *seq, shape, message, frames: Default::default() })
    });
    let rows: Vec<_> = rows.collect();
    presence.rows.send_replace(Arc::new(rows));
}

impl Row {
    fn with(&self, token: Arc<Token>) -> Self {
        Self { token, seq: self.seq, shape: self.shape.clone(), message: self.message.clone(), frames: self.frames.clone() }
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
