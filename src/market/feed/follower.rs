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
    domain::{ids::SessionId, market::Timeframe},
    hub::{CallError, News, SessionHandle},
    market::broker_time::BrokerClock,
    protocol::{
        codec::Row,
        message::{Series, Subscribe, feature},
    },
};

/// Between the beginnings of two reads of a kind, however much happens on the account.
const READ_GAP: Duration = Duration::from_millis(100);
/// Between two messages that tell a terminal what is wanted: readers come and go together.
const TELL_GAP: Duration = Duration::from_millis(100);
/// A push says what is wrong by a number alone.
const NO_WORDS: &str = "it cannot give this";
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

/// What the terminal is to push, where it can.
#[derive(Debug)]
struct Telling {
    wanted: Subscribe,
    /// What this session was told last; nothing is wanted at its beginning.
    told: Subscribe,
    /// It is to be told, changed or not, not before `earliest`.
    due: bool,
    earliest: Instant,
}

impl Telling {
    fn to_a_new_session() -> Self {
        Self { wanted: Subscribe::default(), told: Subscribe::default(), due: false, earliest: Instant::now() }
    }

    /// When to tell it.
    fn wake_at(&self) -> Option<Instant> {
        self.due.then_some(self.earliest)
    }
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
    telling: Telling,
    reads: FuturesUnordered<Reading>,
}

impl Follower {
    pub(super) fn new(parts: Parts, key: Key, demand: Arc<Demand>, sessions: watch::Receiver<Option<SessionHandle>>) -> Self {
        let now = Instant::now();
        let paces = Kind::ALL.map(|kind| (kind, Pace { due: now, began: None, running: false })).into();
        Self {
            parts,
            key,
            demand,
            sessions,
            session: None,
            read: BTreeMap::new(),
            paces,
            telling: Telling::to_a_new_session(),
            reads: FuturesUnordered::new(),
        }
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
                () = sleep_until(wake_at) => {
                    self.tell();
                    self.begin_reads();
                }
                news = news_of(session.as_ref()) => self.on_news(&news),
            }
            if self.demand.is_empty() {
                // The terminal must know that nothing is wanted any more, if it is there.
                self.on_demand();
                if self.session.is_none() || !self.telling.due {
                    return self.key;
                }
            }
        }
    }

    /// Another session, or none any more.
    fn meet(&mut self) {
        self.session = self.sessions.borrow_and_update().clone();
        if let Some(session) = &self.session {
            // What was said when nobody followed anything is of then, not of now.
            session.discard_news();
        }
        let now = Instant::now();
        for pace in self.paces.values_mut() {
            // An answer of a session before this one is of no use.
            *pace = Pace { due: now, began: None, running: false };
        }
        self.reads.clear();
        self.telling = Telling::to_a_new_session();
        self.on_demand();
    }

    /// Whether the terminal tells quotes and bars by itself.
    fn pushes(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.hello().features & feature::SUBSCRIBE != 0)
    }

    /// Something else is wanted than before.
    fn on_demand(&mut self) {
        let (wanted, beyond) = self.demand.wanted();
        for topic in beyond {
            let trouble = if topic.is_askable() { Trouble::TooMany } else { Trouble::UnknownSymbol };
            self.trouble(&topic, trouble);
        }
        self.read.clear();
        let (pushes, mut subscribe, mut unheard) = (self.pushes(), Subscribe::default(), false);
        let now = Instant::now();
        for topic in wanted {
            let kind = Kind::of(&topic);
            if self.session.is_none() {
                self.trouble(&topic, Trouble::Offline);
                continue;
            }
            let is_unheard = self.demand.is_unheard(&topic);
            match topic {
                Topic::Quote(symbol) if pushes => subscribe.quotes.push(symbol),
                Topic::Bars(symbol, timeframe) if pushes => {
                    subscribe.bars.push(Row(Series { symbol, timeframe: timeframe.number() }));
                }
                topic => {
                    if is_unheard {
                        self.soon(kind, now);
                    }
                    self.read.entry(kind).or_default().push(topic);
                    continue;
                }
            }
            unheard |= is_unheard;
        }
        // One that was given up and is wanted again before the terminal heard of it: told again, it says the newest again.
        self.telling.due = subscribe != self.telling.told || unheard;
        self.telling.wanted = subscribe;
    }

    /// A read of this kind is wanted now, or as soon as the last one is long enough ago.
    fn soon(&mut self, kind: Kind, now: Instant) {
        if let Some(pace) = self.paces.get_mut(&kind) {
            let earliest = pace.began.map_or(now, |began| now.max(began + READ_GAP));
            pace.due = pace.due.min(earliest);
        }
    }

    fn on_news(&mut self, news: &News) {
        let quotes = news.quotes.iter().map(|(symbol, quote)| {
            let answer = reading::status(quote.status, NO_WORDS).and_then(|()| reading::tick(quote.tick.0));
            (Topic::Quote(symbol.clone()), answer)
        });
        let bars = news.bars.iter().filter_map(|((symbol, timeframe), series)| {
            let topic = Topic::Bars(symbol.clone(), Timeframe::try_from(*timeframe).ok()?);
            Some((topic, reading::status(series.status, NO_WORDS).and_then(|()| reading::live_bars(&series.rates))))
        });
        self.heard(quotes.chain(bars));
        if news.account_changed {
            let now = Instant::now();
            Kind::ALL.into_iter().filter(|kind| kind.is_of_the_account()).for_each(|kind| self.soon(kind, now));
        }
    }

    /// When the next read is due.
    fn wake_at(&self) -> Instant {
        let due =
            self.paces.iter().filter(|(kind, pace)| !pace.running && self.read.contains_key(kind)).map(|(_, pace)| pace.due);
        due.chain(self.telling.wake_at()).min().unwrap_or_else(|| Instant::now() + NEVER)
    }

    /// Tells the terminal what is wanted now. If its mailbox is full, it is told a moment later.
    fn tell(&mut self) {
        let now = Instant::now();
        let Some(session) = &self.session else { return };
        if !self.telling.due || self.telling.earliest > now {
            return;
        }
        self.telling.earliest = now + TELL_GAP;
        match session.send(self.telling.wanted.clone()) {
            Ok(()) => {
                self.telling.due = false;
                self.telling.told = self.telling.wanted.clone();
            }
            Err(CallError::Gone) => self.telling.due = false,
            Err(_) => {}
        }
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
        self.heard(found.into_iter());
    }

    /// Keeps what the terminal has said.
    fn heard(&self, answers: impl Iterator<Item = (Topic, Result<Value, Trouble>)>) {
        let Some(session) = &self.session else { return };
        let (at, clock) = (self.parts.clock.wall(), self.parts.clocks.live(session));
        for (topic, answer) in answers {
            match answer {
                Ok(value) => self.demand.keep(&topic, State { at, value: Some(value), clock, trouble: None }),
                Err(trouble) => self.trouble(&topic, trouble),
            }
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
