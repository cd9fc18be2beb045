//! Terminals as they come, go and change: looked at once for all who follow them.

use std::{
    sync::{Arc, OnceLock},
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
    domain::token::Token,
    events::view,
    telemetry::metrics::Metrics,
};

/// What does not come with an arrival, like a broker link that breaks, is seen within that time.
const LOOK: Duration = Duration::from_secs(1);

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

/// All terminals of all owners, as long as somebody follows any.
#[derive(Debug)]
pub(super) struct Presence {
    rows: watch::Sender<Arc<Vec<Arc<Row>>>>,
    wanted: Notify,
}

impl Default for Presence {
    fn default() -> Self {
        Self { rows: watch::Sender::new(Arc::default()), wanted: Notify::new() }
    }
}

impl Presence {
    pub(super) fn follow(&self) -> watch::Receiver<Arc<Vec<Arc<Row>>>> {
        let rows = self.rows.subscribe();
        self.wanted.notify_one();
        rows
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
        }
    }
}

fn look(state: &ApiState, presence: &Presence, seq: &mut u64) {
    let before = presence.rows.borrow().clone();
    let now = state.clock.wall();
    let mut tokens = state.access.tokens();
    tokens.retain(|token| token.lock.is_some());
    let rows = tokens.into_iter().map(|token| {
        let data = terminals::describe(state, &token, now);
        let shape = without_ages(&data);
        if let Some(same) = before.iter().find(|row| row.token.id == token.id && row.shape == shape) {
            // Rights depend on the token as it is now.
            return if Arc::ptr_eq(&same.token, &token) { Arc::clone(same) } else { Arc::new(same.with(token)) };
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
