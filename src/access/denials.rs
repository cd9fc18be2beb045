//! Who was not let, for the audit: noted at once in memory, written by one task, so that nobody who is refused waits for a disk, fills it, or
//! slows others down.
//!
//! What a *known* caller (a key or token of ours, be it over) was refused is written one by one, a few a minute each. Everything else, and what is above
//! that, is counted by reason and by who or which network, and written once a window. Both are bounded; what finds no place is counted
//! under its reason alone.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::throttle::network;
use crate::{
    clock::{Clock, Ids},
    domain::UnixMillis,
    store::{
        Batch, Store,
        records::{self, AuditOutcome, AuditRecord},
    },
};

/// Records of single denials in a window, in all and of one caller.
const SINGLES_MAX: usize = 64;
const SINGLES_EACH: u32 = 10;
/// Counted pairs of reason and who in a window: of known callers, and of networks.
const KNOWN_MAX: usize = 64;
const STRANGERS_MAX: usize = 64;
/// What a record calls those who found no place.
const OTHERS: &str = "others";
/// What all records of denials say was done.
pub const ACTION: &str = "access.denied";

/// One refusal.
#[derive(Debug, Clone, Copy)]
pub struct Denial<'a> {
    /// Why, in a word of the program: never what the caller sent.
    pub reason: &'static str,
    /// What is missing, if that has a name: a permission, a limit. A word of the program, too.
    pub lacks: &'a str,
    /// The id of who it was, if a secret of ours was shown.
    pub actor: Option<&'a str>,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// What was called, by template.
    pub target: &'a str,
    /// The id of the request.
    pub request: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Known(String),
    From(Option<IpAddr>),
    Others,
}

#[derive(Debug)]
struct Count {
    since: UnixMillis,
    last: UnixMillis,
    count: u64,
    from: Option<IpAddr>,
}

#[derive(Debug, Default)]
struct Window {
    singles: Vec<AuditRecord>,
    singles_taken: usize,
    singles_each: HashMap<String, u32>,
    known: HashMap<(Who, &'static str), Count>,
    strangers: HashMap<(Who, &'static str), Count>,
    others: HashMap<(Who, &'static str), Count>,
}

/// Denials on their way to the audit. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Denials {
    window: Arc<Mutex<Window>>,
    /// Something waits that is written before its window ends.
    single: Arc<Notify>,
    clock: Clock,
}

impl Denials {
    /// None yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { window: Arc::default(), single: Arc::default(), clock }
    }

    /// Notes a refusal. Never waits.
    pub fn note(&self, denial: Denial<'_>) {
        let now = self.clock.wall();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(actor) = denial.actor else {
            let network = denial.address.map(network);
            let Window { strangers, others, .. } = &mut *window;
            return count(strangers, others, STRANGERS_MAX, Who::From(network), denial.reason, network, now);
        };
        if window.takes_single(actor) {
            window.singles.push(single(&denial, actor, now));
            drop(window);
            self.single.notify_one();
        } else {
            let Window { known, others, .. } = &mut *window;
            let from = denial.address.map(network);
            count(known, others, KNOWN_MAX, Who::Known(actor.to_owned()), denial.reason, from, now);
        }
    }

    /// Writes what is noted until the hub stops, and once more then.
    pub async fn run(self, store: Arc<dyn Store>, ids: Arc<Ids>, every: Duration, stop: CancellationToken) {
        let mut turn = tokio::time::interval_at(Instant::now() + every, every);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let records = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    write(store.as_ref(), &ids, self.take_all()).await;
                    return;
                }
                _ = turn.tick() => self.take_all(),
                () = self.single.notified() => self.take_singles(),
            };
            write(store.as_ref(), &ids, records).await;
        }
    }

    fn take_singles(&self) -> Vec<AuditRecord> {
        std::mem::take(&mut self.window.lock().unwrap_or_else(PoisonError::into_inner).singles)
    }

    /// Everything, and the next window begins.
    fn take_all(&self) -> Vec<AuditRecord> {
        let window = std::mem::take(&mut *self.window.lock().unwrap_or_else(PoisonError::into_inner));
        let mut records = window.singles;
        for ((who, reason), count) in window.known.into_iter().chain(window.strangers).chain(window.others) {
            records.push(counted(&who, reason, &count));
        }
        records
    }
}

impl Window {
    fn takes_single(&mut self, actor: &str) -> bool {
        if self.singles_taken >= SINGLES_MAX {
            return false;
        }
        let each = self.singles_each.entry(actor.to_owned()).or_default();
        if *each >= SINGLES_EACH {
            return false;
        }
        *each += 1;
        self.singles_taken += 1;
        true
    }
}

type Counts = HashMap<(Who, &'static str), Count>;

fn count(
    counts: &mut Counts,
    others: &mut Counts,
    max: usize,
    who: Who,
    reason: &'static str,
    from: Option<IpAddr>,
    now: UnixMillis,
) {
    let key = (who, reason);
    let fresh = |from| Count { since: now, last: now, count: 0, from };
    let held = if counts.len() < max || counts.contains_key(&key) {
        counts.entry(key).or_insert_with(|| fresh(from))
    } else {
        others.entry((Who::Others, reason)).or_insert_with(|| fresh(None))
    };
    held.count += 1;
    held.last = now;
}

fn single(denial: &Denial<'_>, actor: &str, now: UnixMillis) -> AuditRecord {
    AuditRecord {
        at: now,
        actor: actor.to_owned(),
        action: ACTION.to_owned(),
        target: denial.target.to_owned(),
        detail: format!("{} {}", denial.reason, denial.lacks).trim_end().to_owned(),
        outcome: AuditOutcome::Denied,
        from: denial.address.map(|address| address.to_canonical().to_string()),
        request: Some(denial.request.to_owned()),
        count: 1,
        since: None,
    }
}

fn counted(who: &Who, reason: &str, count: &Count) -> AuditRecord {
    let actor = match who {
        Who::Known(actor) => actor.as_str(),
        Who::From(_) => "",
        Who::Others => OTHERS,
    };
    AuditRecord {
        at: count.last,
        actor: actor.to_owned(),
        action: ACTION.to_owned(),
        target: String::new(),
        detail: reason.to_owned(),
        outcome: AuditOutcome::Denied,
        from: count.from.map(|address| if address.is_ipv6() { format!("{address}/64") } else { address.to_string() }),
        request: None,
        count: count.count,
        since: Some(count.since),
    }
}

async fn write(store: &dyn Store, ids: &Ids, denied: Vec<AuditRecord>) {
    if denied.is_empty() {
        return;
    }
    let count = denied.len();
    let mut batch = Batch::admission();
    for record in denied {
        let Ok(id) = ids.next() else { continue };
        batch = batch.put(records::audit(id), records::encode(&record));
    }
    // New work, not an outcome: whoever is refused must not take the last room on a disk.
    if let Err(error) = store.commit(batch).await {
        warn!(%error, count, "denials are not in the audit");
    }
}

#[cfg(test)]
#[path = "denials_tests.rs"]
mod tests;
