//! Live data of terminals: what somebody wants to follow, asked of each terminal once however many want it, and the newest of it.
//!
//! A [`Subscription`] is for an account, not for a connection: it stays when the terminal goes, says so, and goes on when it is back. For
//! each account in demand one follower (`follower`) speaks to the terminal; [`Feed::run`] starts it and tells it which session is live.

mod demand;
mod follower;
mod reading;
mod state;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    select,
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use self::{demand::Demand, follower::Follower};
pub use self::{
    demand::Subscription,
    state::{LiveBars, State, Topic, Trouble, Value},
};
use super::clocks::Clocks;
use crate::{
    clock::Clock,
    config,
    domain::{account::Account, ids::OwnerId},
    hub::{Hub, SessionHandle},
};

/// Whose demand.
type Key = (OwnerId, Account);

/// What the feed stands on.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The terminals.
    pub hub: Hub,
    /// The clocks of trade servers.
    pub clocks: Clocks,
    /// The time of day.
    pub clock: Clock,
    /// How often it reads.
    pub settings: config::Stream,
    /// A read of a terminal waits so long.
    pub read_timeout: Duration,
}

/// The live data of all terminals. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    /// Only [`Feed::run`] takes out of it.
    demands: Mutex<HashMap<Key, Arc<Demand>>>,
    /// An account is in demand that was not before.
    wanted: Notify,
}

/// Tells a follower which session of its account is live.
type Live = watch::Sender<Option<SessionHandle>>;

impl Feed {
    /// Nobody follows anything yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { inner: Arc::new(Inner { parts, demands: Mutex::default(), wanted: Notify::new() }) }
    }

    /// Follows a topic of an account until the subscription is dropped. Whether the caller may is judged before, elsewhere.
    #[must_use]
    pub fn subscribe(&self, owner: OwnerId, account: &Account, topic: Topic) -> Subscription {
        let mut demands = self.demands();
        let demand = demands.entry((owner, account.clone())).or_insert_with(|| {
            self.inner.wanted.notify_one();
            Arc::new(Demand::default())
        });
        demand.join(topic)
    }

    /// Follows terminals until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut arrivals = self.inner.parts.hub.arrivals();
        let mut followed: HashMap<Key, Live> = HashMap::new();
        let mut followers: JoinSet<Key> = JoinSet::new();
        loop {
            select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = followers.join_next() => {
                    if let Ok(key) = ended {
                        followed.remove(&key);
                        self.forget(&key);
                    }
                }
                _ = arrivals.changed() => {}
                () = self.inner.wanted.notified() => {}
            }
            self.assign(&mut followed, &mut followers);
        }
        followers.shutdown().await;
    }

    /// Tells every follower its session, and starts those that are missing.
    fn assign(&self, followed: &mut HashMap<Key, Live>, followers: &mut JoinSet<Key>) {
        let demands = self.demands();
        if demands.is_empty() {
            return;
        }
        let mut live: HashMap<Key, SessionHandle> = HashMap::new();
        for session in self.inner.parts.hub.sessions().into_iter().filter(|session| !session.is_cut()) {
            let key = (session.owner(), session.account().clone());
            // Of several terminals of one account the one that has been there longest, so that it does not change without need.
            if live.get(&key).is_none_or(|other| session.epoch() < other.epoch()) {
                live.insert(key, session);
            }
        }
        for (key, demand) in demands.iter() {
            let session = live.remove(key);
            if let Some(told) = followed.get(key) {
                told.send_if_modified(|held| {
                    let other = held.as_ref().map(SessionHandle::id) != session.as_ref().map(SessionHandle::id);
                    if other {
                        *held = session;
                    }
                    other
                });
                continue;
            }
            let (told, sessions) = watch::channel(session);
            followed.insert(key.clone(), told);
            let follower = Follower::new(self.inner.parts.clone(), key.clone(), Arc::clone(demand), sessions);
            followers.spawn(follower.run());
        }
    }

    /// An account that nobody follows any more, unless somebody has begun to in this moment.
    fn forget(&self, key: &Key) {
        let mut demands = self.demands();
        if demands.get(key).is_some_and(|demand| demand.is_empty()) {
            demands.remove(key);
        }
    }

    fn demands(&self) -> MutexGuard<'_, HashMap<Key, Arc<Demand>>> {
        self.inner.demands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
