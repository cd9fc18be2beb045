//! The live sockets of this node.
//!
//! A session is one task that owns its socket (`session.rs`); the rest of the hub holds a [`SessionHandle`] with a bounded mailbox.
//! What sessions hear about commands goes up through one bounded channel of [`Signal`]s, which nothing else shares; what they hear of
//! changes in the account goes through another, of [`Push`]es. What they hear of the market is kept with the session, the newest of each
//! thing, until somebody takes it ([`News`]).

mod handle;
mod heartbeat;
mod latency;
mod link;
mod news;
mod recall;
mod registry;
mod session;
mod wire;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::{Access, denials::Denial},
    clock::{Clock, Ids},
    config,
    domain::{UnixMillis, account::Account, ids::TokenId, token::Token},
    equity::Equity,
    protocol::{
        CloseReason,
        message::{Accepted, Answer, Outcome, Transaction},
    },
    telemetry::{metrics::Metrics, origin::Origin},
};
pub use handle::{CallError, Place, Presence, SessionHandle};
pub use latency::{DAY, Summary};
pub use link::{Hop, Link, LinkEvent, LinkEventKind, LinkPast};
pub use news::News;
pub use recall::Recall;
pub use wire::Socket;

/// At a stop, terminals are told in so many rounds at most, with a pause between two, and at least so many in each.
const GOODBYES: usize = 50;
const BETWEEN_GOODBYES: Duration = Duration::from_millis(20);
const AT_ONCE: usize = 20;

/// Something about trades that a session heard, or that happened to it.
#[derive(Debug)]
pub struct Signal {
    /// The session.
    pub session: SessionHandle,
    /// What.
    pub kind: SignalKind,
}

/// What a [`Signal`] says.
#[derive(Debug)]
pub enum SignalKind {
    /// It is in, and can be asked.
    Entered,
    /// It is gone.
    Left,
    /// The EA took a command.
    Accepted(Accepted),
    /// The EA tells how a command ended.
    Outcome(Outcome),
    /// The EA answers a query.
    Answer(Answer),
}

/// A terminal tells of a change in its account.
#[derive(Debug)]
pub struct Push {
    /// The session.
    pub session: SessionHandle,
    /// What changed.
    pub transaction: Transaction,
    /// Its place among the pushes of its session that wait.
    _place: OwnedSemaphorePermit,
}

/// Where what sessions hear goes: bounded channels, so that a flood of one kind never holds up another.
#[derive(Debug, Clone)]
pub struct Ears {
    /// To the trading side. Nothing that goes here is ever dropped.
    pub signals: mpsc::Sender<Signal>,
    /// To the trade history. When it is full a push is dropped: the history finds later what it missed.
    pub pushes: mpsc::Sender<Push>,
}

/// Where a socket comes from.
#[derive(Debug, Clone)]
pub struct Peer {
    /// For people: address and port.
    pub address: String,
    /// The client's own address, if it is known, and the id of the request that was upgraded.
    pub origin: Option<Arc<Origin>>,
    /// Its place among the connections that the accept loop counts, held as long as the session lives.
    pub place: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

impl Peer {
    /// The client's own address if it is known, else as it is shown to people.
    fn from(&self) -> String {
        let known = self.origin.as_ref().and_then(|origin| origin.address);
        known.map_or_else(|| self.address.clone(), |address| address.to_canonical().to_string())
    }
}

/// The live sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: registry::Registry,
    links: link::Links,
    access: Access,
    equity: Equity,
    settings: config::Terminals,
    ears: Ears,
    /// Every session task; shutdown waits for them.
    tasks: TaskTracker,
    shutdown: CancellationToken,
    clock: Clock,
    ids: Arc<Ids>,
    epoch: AtomicU64,
    /// Counts sessions that entered or left.
    arrivals: watch::Sender<u64>,
    metrics: Metrics,
}

impl Hub {
    /// A hub without sessions.
    #[must_use]
    pub fn new(
        (access, equity): (Access, Equity),
        settings: config::Terminals,
        ears: Ears,
        clock: Clock,
        ids: Arc<Ids>,
        metrics: Metrics,
    ) -> Self {
        // Starting at the time of day in microseconds keeps epochs growing over restarts without a record of them.
        let epoch = AtomicU64::new(u64::try_from(clock.wall().0).unwrap_or(0).saturating_mul(1_000));
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        Self {
            inner: Arc::new(Inner {
                registry: registry::Registry::default(),
                links: link::Links::new(clock),
                access,
                equity,
                settings,
                ears,
                tasks,
                shutdown,
                clock,
                ids,
                epoch,
                arrivals: watch::Sender::new(0),
                metrics,
            }),
        }
    }

    /// Runs a session on an upgraded socket, in a task of its own.
    pub fn serve(&self, socket: impl Socket + 'static, token: Arc<Token>, peer: Peer) {
        if self.inner.shutdown.is_cancelled() {
            return;
        }
        self.inner.tasks.spawn(session::run(self.clone(), socket, token, peer));
    }

    /// The live session of a token.
    #[must_use]
    pub fn of_token(&self, token: TokenId) -> Option<SessionHandle> {
        self.inner.registry.of_token(token).filter(|session| !session.is_cut())
    }

    /// What became of a token's link since the hub's start; none if no terminal has shown the token since.
    #[must_use]
    pub fn link(&self, token: TokenId) -> Option<Arc<Link>> {
        self.inner.links.find(token)
    }

    /// The link of a token that exists.
    fn link_of(&self, token: TokenId) -> Arc<Link> {
        let now = self.inner.clock.wall();
        let goes_on = |token: &Token| token.revoked_at.is_none() && now < token.expires_at;
        let has_ended = |token| !self.inner.access.token(token).is_some_and(|token| goes_on(&token));
        self.inner.links.tidy(self.inner.clock.steady(), has_ended);
        self.inner.links.of(token)
    }

    /// Since when links are kept, by the steady clock: they are in memory only.
    #[must_use]
    pub fn links_since(&self) -> UnixMillis {
        self.inner.links.since()
    }

    /// A token of ours was refused before its connection became a session.
    pub fn note_refused(&self, token: TokenId, from: &str, reason: CloseReason) {
        self.link_of(token).refused(from, None, reason, None);
    }

    /// Forgets what links know of the account from which this token was freed.
    pub fn forget_account(&self, freed: &Token, account: &Account) {
        let tokens = self.inner.access.tokens();
        let own = |token: &Token| token.id == freed.id || token.lock.as_ref().is_some_and(|lock| lock.account == *account);
        let of_owner = tokens.iter().filter(|token| token.owner == freed.owner).map(|token| (token.id, own(token)));
        self.inner.links.forget(of_owner, account);
    }

    /// All live sessions, in no order.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionHandle> {
        self.inner.registry.all()
    }

    /// Changes whenever a session has entered or left.
    #[must_use]
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.inner.arrivals.subscribe()
    }

    /// How many are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.registry.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Cuts the live session of a token, if it has one.
    pub fn cut(&self, token: TokenId, reason: CloseReason) {
        if let Some(session) = self.inner.registry.of_token(token) {
            session.cut(reason);
        }
    }

    /// Tells all terminals to come back later and waits until the last session has ended.
    ///
    /// Many are told one after the other, over a second: they come back with the same spread, instead of all at once to a hub that
    /// has just started.
    pub async fn shutdown(&self) {
        self.inner.shutdown.cancel();
        let sessions = self.sessions();
        let at_once = sessions.len().div_ceil(GOODBYES).max(AT_ONCE);
        for (at, some) in sessions.chunks(at_once).enumerate() {
            if at > 0 {
                tokio::time::sleep(BETWEEN_GOODBYES).await;
            }
            some.iter().for_each(|session| session.cut(CloseReason::Shutdown));
        }
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Tells the audit that a token was shown for an account that it is not locked to. The account is not named.
    fn note_mismatch(&self, token: TokenId, peer: &Peer) {
        let origin = peer.origin.as_deref();
        self.inner.access.guard().denials.note(Denial {
            reason: "account_mismatch",
            lacks: "",
            actor: Some(&token.to_string()),
            address: origin.and_then(|origin| origin.address),
            target: crate::protocol::PATH,
            request: origin.map_or("", |origin| &origin.request),
        });
    }

    fn next_epoch(&self) -> u64 {
        self.inner.epoch.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Enters a session, or says why it may not. An old session with the same token is probed first, unless it is the same EA's:
    /// then its socket is dead, whatever it looks like from here.
    async fn enter(&self, session: &SessionHandle) -> Result<SessionGuard, CloseReason> {
        // More than a few rounds means that others fight for the token at this very moment; let them.
        for _ in 0..3 {
            let old = match self.inner.registry.enter(session) {
                Ok(()) => return Ok(SessionGuard::new(self, session)),
                Err(old) => old,
            };
            if old.instance() != session.instance() && old.proves_life(self.inner.settings.probe_timeout).await {
                return Err(CloseReason::AlreadyConnected);
            }
            if self.inner.registry.replace(old.id(), session) {
                old.cut(CloseReason::Replaced);
                return Ok(SessionGuard::new(self, session));
            }
        }
        Err(CloseReason::AlreadyConnected)
    }
}

/// Being registered is holding one: dropping it takes the session, and only it, out of the map.
#[derive(Debug)]
struct SessionGuard {
    hub: Hub,
    session: SessionHandle,
}

impl SessionGuard {
    fn new(hub: &Hub, session: &SessionHandle) -> Self {
        hub.inner.arrivals.send_modify(|count| *count += 1);
        Self { hub: hub.clone(), session: session.clone() }
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.hub.inner.registry.leave(self.session.token(), self.session.id());
        self.hub.inner.arrivals.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
