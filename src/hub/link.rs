//! What became of a token's link since the hub's start: who came, went and was refused, and how long each hop took. In memory, bounded,
//! and only for tokens that exist.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::latency::{DAY, Series, Summary};
use crate::{
    clock::Clock,
    domain::{
        UnixMillis,
        account::{Account, Platform},
        ids::TokenId,
    },
    protocol::{CloseReason, message::Hello},
};

/// Refusals of one token that are kept, and other events. Each has its own places, so that whoever is refused over and over does not
/// push out when the terminal came and went.
const REFUSALS_MAX: usize = 20;
const OTHERS_MAX: usize = 30;
/// Characters of what a terminal says of itself or of its goodbye.
const WORDS_MAX: usize = 200;
/// How often it is looked which links may go.
const TIDY_EVERY_MS: i64 = 3_600_000;

/// A part of the way between a bot and its broker, of which is known how long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// A ping to the terminal and back.
    Hub,
    /// Between two turns of the Expert Advisor's loop.
    Ea,
    /// From the terminal to the broker and back, as the terminal measures it.
    Broker,
    /// From when a trade was given to the connection, behind what waited there, to the terminal's word that it has it.
    CommandAck,
    /// From that word to the terminal's word of what the broker answered.
    CommandBroker,
}

impl Hop {
    /// All, outermost first.
    pub const ALL: [Self; 5] = [Self::Hub, Self::Ea, Self::Broker, Self::CommandAck, Self::CommandBroker];

    /// Its name in REST.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Ea => "ea",
            Self::Broker => "broker",
            Self::CommandAck => "command_ack",
            Self::CommandBroker => "command_broker",
        }
    }
}

/// What happened to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEventKind {
    /// A terminal was let in.
    Connected,
    /// Its session ended.
    Disconnected,
    /// One was not let in.
    Refused,
}

impl LinkEventKind {
    /// Its name in REST.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Refused => "refused",
        }
    }
}

/// Something that happened to a link. Of one refusal that is repeated: the last time, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEvent {
    /// What.
    pub kind: LinkEventKind,
    /// When; the last time, if there were several.
    pub at: UnixMillis,
    /// The first time.
    pub first_at: UnixMillis,
    /// How often.
    pub count: u32,
    /// Why it ended or was refused, as a word of the program; `gone` when the terminal or the network ended it.
    pub code: Option<&'static str>,
    /// The close code that the hub gave.
    pub close_code: Option<u16>,
    /// The same for people, but for what [`Self::words`] makes of accounts.
    pub message: Option<String>,
    /// Of a refusal for another account: the one that the token was locked to.
    pub locked_to: Option<Account>,
    /// Where it came from: the address if that is known.
    pub from: String,
    /// What the terminal said of itself.
    pub said: Option<Said>,
    /// Of a disconnect: how long the session had lasted.
    pub lasted: Option<Duration>,
}

impl LinkEvent {
    /// Why it ended or was refused, for people.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        match (&self.locked_to, self.account()) {
            (Some(own), Some(tried)) => Some(format!("account {tried} tried to use this token; it is locked to {own}")),
            _ => self.message.clone(),
        }
    }

    /// The account that the terminal said.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.said.as_ref().and_then(|said| said.account.as_ref())
    }
}

/// What a terminal said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its account, if what it said is one.
    pub account: Option<Account>,
    /// MetaTrader 4 or 5.
    pub platform: Option<Platform>,
    /// The terminal's build.
    pub build: u32,
    /// The Expert Advisor's version.
    pub ea_version: String,
}

impl Said {
    /// By its Hello.
    pub(super) fn of(hello: &Hello) -> Self {
        Self {
            account: hello.account().ok(),
            platform: hello.platform(),
            build: hello.build,
            ea_version: printable(&hello.ea_version),
        }
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

/// One token's.
#[derive(Debug)]
pub struct Link {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Newest first.
    events: VecDeque<LinkEvent>,
    hops: [Series; Hop::ALL.len()],
    /// Who came after somebody had been there.
    reconnects: Series,
    has_connected: bool,
    /// Microseconds; terminals repeat it until they have measured anew.
    broker_ping_us: u32,
}

/// How it stands with a link's past.
#[derive(Debug, Clone)]
pub struct LinkPast {
    /// Newest first.
    pub events: Vec<LinkEvent>,
    /// Sessions of the last 24 hours that were not the first one since the hub's start; of the oldest hour perhaps a few too many.
    pub reconnects_24h: u64,
}

impl Link {
    fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A hop took so long.
    pub(super) fn took(&self, hop: Hop, took: Duration) {
        self.lock().hops[hop as usize].record(self.clock.steady(), took);
    }

    /// A Status came. The ping to the broker counts only when it is another one than the last.
    pub(super) fn status(&self, loop_age_ms: u32, broker_ping_us: u32) {
        let now = self.clock.steady();
        let mut state = self.lock();
        state.hops[Hop::Ea as usize].record(now, Duration::from_millis(u64::from(loop_age_ms)));
        let is_news = broker_ping_us != 0 && broker_ping_us != state.broker_ping_us;
        if is_news {
            state.broker_ping_us = broker_ping_us;
            state.hops[Hop::Broker as usize].record(now, Duration::from_micros(u64::from(broker_ping_us)));
        }
    }

    fn event(&self, kind: LinkEventKind, from: &str, said: Option<Said>) -> LinkEvent {
        let at = self.clock.wall();
        LinkEvent {
            kind,
            at,
            first_at: at,
            count: 1,
            code: None,
            close_code: None,
            message: None,
            locked_to: None,
            from: from.to_owned(),
            said,
            lasted: None,
        }
    }

    /// A terminal was let in.
    pub(super) fn connected(&self, from: &str, said: Said) {
        let event = self.event(LinkEventKind::Connected, from, Some(said));
        let now = self.clock.steady();
        let mut state = self.lock();
        if std::mem::replace(&mut state.has_connected, true) {
            state.reconnects.record(now, Duration::ZERO);
        }
        state.push(event);
    }

    /// Its session ended: by the hub for a reason, or by itself.
    pub(super) fn disconnected(&self, from: &str, lasted: Duration, reason: Option<CloseReason>, words: &str) {
        let event = LinkEvent {
            code: Some(reason.map_or("gone", CloseReason::name)),
            close_code: reason.map(CloseReason::code),
            message: Some(printable(words)),
            lasted: Some(lasted),
            ..self.event(LinkEventKind::Disconnected, from, None)
        };
        self.lock().push(event);
    }

    /// One was not let in; if for its account, with the one that the token is locked to.
    pub(super) fn refused(&self, from: &str, said: Option<Said>, reason: CloseReason, locked_to: Option<Account>) {
        let event = LinkEvent {
            code: Some(reason.name()),
            close_code: Some(reason.code()),
            message: Some(reason.text().trim_start_matches("Error 401: ").to_owned()),
            locked_to,
            ..self.event(LinkEventKind::Refused, from, said)
        };
        self.lock().refuse(event);
    }

    /// Its past.
    #[must_use]
    pub fn past(&self) -> LinkPast {
        let now = self.clock.steady();
        let mut state = self.lock();
        LinkPast { events: state.events.iter().cloned().collect(), reconnects_24h: state.reconnects.sum(now, DAY).count }
    }

    /// The newest refusal.
    #[must_use]
    pub fn last_refusal(&self) -> Option<LinkEvent> {
        self.lock().events.iter().find(|event| event.kind == LinkEventKind::Refused).cloned()
    }

    /// What each hop took in the last `minutes`, in the order of [`Hop::ALL`].
    #[must_use]
    pub fn latency(&self, minutes: u32) -> Vec<(Hop, Summary)> {
        let now = self.clock.steady();
        let mut state = self.lock();
        Hop::ALL.into_iter().map(|hop| (hop, state.hops[hop as usize].sum(now, minutes))).collect()
    }

    fn happened_within_a_day(&self, now: UnixMillis) -> bool {
        self.lock().events.front().is_some_and(|newest| now.since(newest.at) < i64::from(DAY) * 60_000)
    }

    /// Forgets what names this account; all of it, if the link is that account's own.
    fn forget(&self, account: &Account, is_own: bool) {
        let mut state = self.lock();
        if is_own {
            *state = State::default();
        }
        let names = |event: &LinkEvent| event.account() == Some(account) || event.locked_to.as_ref() == Some(account);
        state.events.retain(|event| !names(event));
    }
}

impl State {
    fn push(&mut self, event: LinkEvent) {
        let is_refusal = |event: &LinkEvent| event.kind == LinkEventKind::Refused;
        let (refused, max) = if is_refusal(&event) { (true, REFUSALS_MAX) } else { (false, OTHERS_MAX) };
        let of_its_kind = |held: &&LinkEvent| is_refusal(held) == refused;
        if self.events.iter().filter(of_its_kind).count() >= max
            && let Some(oldest) = self.events.iter().rposition(|held| is_refusal(held) == refused)
        {
            self.events.remove(oldest);
        }
        self.events.push_front(event);
    }

    /// The same once more is counted, not kept twice.
    fn refuse(&mut self, mut event: LinkEvent) {
        let same = |held: &LinkEvent| {
            held.kind == event.kind && held.code == event.code && held.from == event.from && held.said == event.said
        };
        if let Some(held) = self.events.iter().position(same).and_then(|at| self.events.remove(at)) {
            event.first_at = held.first_at;
            event.count = held.count.saturating_add(1);
        }
        self.push(event);
    }
}

/// The links of all tokens that a terminal has shown since the hub's start, but for those that have ended and were silent for a day.
#[derive(Debug)]
pub(super) struct Links {
    clock: Clock,
    since: UnixMillis,
    by_token: Mutex<HashMap<TokenId, Arc<Link>>>,
    tidied: Mutex<UnixMillis>,
}

impl Links {
    pub(super) fn new(clock: Clock) -> Self {
        let since = clock.steady();
        Self { clock, since, by_token: Mutex::default(), tidied: Mutex::new(since) }
    }

    /// By the steady clock.
    pub(super) const fn since(&self) -> UnixMillis {
        self.since
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, Arc<Link>>> {
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token's, made if there is none. For tokens that exist.
    pub(super) fn of(&self, token: TokenId) -> Arc<Link> {
        Arc::clone(self.lock().entry(token).or_insert_with(|| Arc::new(Link::new(self.clock))))
    }

    pub(super) fn find(&self, token: TokenId) -> Option<Arc<Link>> {
        self.lock().get(&token).cloned()
    }

    /// Lets go, once an hour, of the links of tokens that have ended, when nobody holds them and nothing happened to them for a day. `now` is
    /// the steady clock's.
    pub(super) fn tidy(&self, now: UnixMillis, has_ended: impl Fn(TokenId) -> bool) {
        let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(*tidied) < TIDY_EVERY_MS {
            return;
        }
        *tidied = now;
        self.lock().retain(|token, link| Arc::strong_count(link) > 1 || link.happened_within_a_day(now) || !has_ended(*token));
    }

    /// Forgets an account in the links of these tokens, each with whether it is that account's own.
    pub(super) fn forget(&self, tokens: impl Iterator<Item = (TokenId, bool)>, account: &Account) {
        for (token, is_own) in tokens {
            if let Some(link) = self.find(token) {
                link.forget(account, is_own);
            }
        }
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
