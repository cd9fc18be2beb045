//! Follows one account's terminal for all who want something of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Key, Parts,
    demand::Demand,
    reading::{self, Found, Kind},
    state::{State, Topic, Trouble, Value},
};
use crate::{
    domain::ids::SessionId,
    hub::{News, SessionHandle},
    market::broker_time::BrokerClock,
};

/// Between the beginnings of two reads of a kind, however much happens on the account.
const READ_GAP: Duration = Duration::from_millis(100);
/// Far enough away: something else wakes the follower before.
const NEVER: Duration = Duration::from_secs(3_600);

/// A read that is under way: which, of which session, and what it found.
type Reading = BoxFuture<'static, (Kind, SessionId, Found)>;

/// How the reads of a kind stand.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// When the next one is due.
    due: Instant,
    began: Option<Instant>,
    running: bool,
}

/// The one that speaks to an account's terminal for its readers.
pub(super) struct Follower {
    parts: Parts,
    key: Key,
    demand: Arc<Demand>,
    sessions: watch::Receiver<Option<SessionHandle>>,
    session: Option<SessionHandle>,
    /// What is to be read, by kind.
    read: BTreeMap<Kind, Vec<Topic>>,
    paces: BTreeMap<Kind, Pace>,
    reads: FuturesUnordered<Reading>,
}

impl Follower {
    pub(super) fn new(parts: Parts, key: Key, demand: Arc<Demand>, sessions: watch::Receiver<Option<SessionHandle>>) -> Self {
        let now = Instant::now();
        let paces = Kind::ALL.map(|kind| (kind, Pace { due: now, began: None, running: false })).into();
        Self { parts, key, demand, sessions, session: None, read: BTreeMap::new(), paces, reads: FuturesUnordered::new() }
    }

    /// Runs until nobody wants anything any more, and answers whose follower it was.
    pub(super) async fn run(mut self) -> Key {
        self.meet();
        loop {
            let (session, wake_at) = (self.session.clone(), self.wake_at());
            select! {
                biased;
                changed = self.sessions.changed() => match changed {
                    Ok(()) => self.meet(),
                    Err(_) => return self.key,
                },
                () = self.demand.changed() => self.on_demand(),
                Some(read) = self.reads.next(), if !self.reads.is_empty() => self.on_read(read),
                news = news_of(session.as_ref()) => self.on_news(&news),
                () = sleep_until(wake_at) => self.begin_reads(),
            }
            if self.demand.is_empty() {
                return self.key;
            }
        }
    }

    /// Another session, or none any more.
    fn meet(&mut self) {
        self.session = self.sessions.borrow_and_update().clone();
        let now = Instant::now();
        for pace in self.paces.values_mut() {
            // An answer of a session before this one is of no use.
            *pace = Pace { due: now, began: None, running: false };
        }
        self.reads.clear();
        self.on_demand();
    }

    /// Something else is wanted than before.
    fn on_demand(&mut self) {
        let (wanted, beyond) = self.demand.wanted();
        for topic in beyond {
            self.trouble(&topic, Trouble::TooMany);
        }
        self.read.clear();
        let now = Instant::now();
        for topic in wanted {
            let kind = Kind::of(&topic);
            if self.session.is_none() {
                self.trouble(&topic, Trouble::Offline);
                continue;
            }
            if self.demand.is_unheard(&topic) {
                self.soon(kind, now);
            }
            self.read.entry(kind).or_default().push(topic);
        }
    }

    /// A read of this kind is wanted now, or as soon as the last one is long enough ago.
    fn soon(&mut self, kind: Kind, now: Instant) {
        if let Some(pace) = self.paces.get_mut(&kind) {
            let earliest = pace.began.map_or(now, |began| now.max(began + READ_GAP));
            pace.due = pace.due.min(earliest);
        }
    }

    fn on_news(&mut self, news: &News) {
        if news.account_changed {
            let now = Instant::now();
            Kind::ALL.into_iter().filter(|kind| kind.is_of_the_account()).for_each(|kind| self.soon(kind, now));
        }
    }

    /// When the next read is due.
    fn wake_at(&self) -> Instant {
        let due =
            self.paces.iter().filter(|(kind, pace)| !pace.running && self.read.contains_key(kind)).map(|(_, pace)| pace.due);
        due.min().unwrap_or_else(|| Instant::now() + NEVER)
    }

    fn begin_reads(&mut self) {
        let Some(session) = self.session.clone() else { return };
        let now = Instant::now();
        for (kind, topics) in &self.read {
            let (kind, topics) = (*kind, topics.clone());
            let Some(pace) = self.paces.get_mut(&kind) else { continue };
            if pace.running || pace.due > now {
                continue;
            }
            *pace = Pace { due: now + self.parts.settings.read_every.max(READ_GAP), began: Some(now), running: true };
            let (session, within) = (session.clone(), self.parts.read_timeout);
            self.reads.push(Box::pin(async move {
                let found = reading::read(&session, topics, within).await;
                (kind, session.id(), found)
            }));
        }
    }

    fn on_read(&mut self, (kind, session, found): (Kind, SessionId, Found)) {
        if self.session.as_ref().is_none_or(|live| live.id() != session) {
            return;
        }
        if let Some(pace) = self.paces.get_mut(&kind) {
            pace.running = false;
        }
        for (topic, answer) in found {
            self.heard(&topic, answer);
        }
    }

    /// Keeps what a terminal has said of a topic.
    fn heard(&self, topic: &Topic, answer: Result<Value, Trouble>) {
        let Some(session) = &self.session else { return };
        match answer {
            Ok(value) => {
                let (at, clock) = (self.parts.clock.wall(), self.parts.clocks.live(session));
                self.demand.keep(topic, State { at, value: Some(value), clock, trouble: None });
            }
            Err(trouble) => self.trouble(topic, trouble),
        }
    }

    fn trouble(&self, topic: &Topic, trouble: Trouble) {
        self.demand.trouble(topic, trouble.clone(), || State {
            at: self.parts.clock.wall(),
            value: None,
            // There is no time to turn into UTC until there is a value.
            clock: self.parts.clocks.offline(self.key.0, &self.key.1).unwrap_or_else(|| BrokerClock::measured(0, 0)),
            trouble: Some(trouble),
        });
    }
}

/// What the terminal tells by itself; without one, nothing ever.
async fn news_of(session: Option<&SessionHandle>) -> News {
    match session {
        Some(session) => session.news().await,
        None => std::future::pending().await,
    }
}
