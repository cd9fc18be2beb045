//! What handlers hold: cheap handles, nothing else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use super::external_source::Sources;
use super::stream::Streams;
use crate::{
    access::{Access, usage::Usage},
    clock::Clock,
    config,
    domain::ids::OwnerId,
    equity::Equity,
    events::Events,
    history::History,
    hooks::{Hooks, out::Webhooks},
    hub::{Hub, SessionHandle},
    market::{
        bars::BarService, clocks::Clocks, feed::Feed, indicators::Indicators, memory::DownloadMemory, offers::Offers,
        ticks::TickService,
    },
    store::Store,
    trading::Trading,
};

/// The state of the router: one pointer, because every layer of every request clones it.
#[derive(Debug, Clone)]
pub struct ApiState {
    parts: Arc<Parts>,
}

impl ApiState {
    /// Wraps the handles.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }
}

impl std::ops::Deref for ApiState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// The handles themselves.
#[derive(Debug)]
pub struct Parts {
    /// What happened.
    pub events: Events,
    /// What all streams share.
    pub streams: Streams,
    /// Tokens and keys.
    pub access: Access,
    /// What each key was used for, and may ask for.
    pub usage: Usage,
    /// Live sessions.
    pub hub: Hub,
    /// Commands.
    pub trading: Trading,
    /// What happened on each account.
    pub history: History,
    /// The equity of the past.
    pub equity: Equity,
    /// Hooks, and what came to them.
    pub hooks: Hooks,
    /// What is sent to other programs.
    pub webhooks: Webhooks,
    /// Bars.
    pub bars: BarService,
    /// Ticks.
    pub ticks: TickService,
    /// What bars, ticks and drawings that are being sent share.
    pub memory: DownloadMemory,
    /// Clocks of trade servers.
    pub clocks: Clocks,
    /// Indicators of bots.
    pub indicators: Indicators,
    /// Live data.
    pub feed: Feed,
    /// Which terminal has which symbol.
    pub offers: Offers,
    /// Whose bars the external API gave last.
    pub sources: Sources,
    /// For health only.
    pub store: Arc<dyn Store>,
    /// The time of day.
    pub clock: Clock,
    /// Limits of requests.
    pub http: config::Http,
    /// Limits of terminals' sockets.
    pub terminals: config::Terminals,
    /// Life of a market order that says nothing else.
    pub market_ttl: Duration,
    /// Life of any other command that says nothing else.
    pub pending_ttl: Duration,
    /// Filling modes that were asked for before.
    pub fillings: Fillings,
    /// Held while a key is changed, rotated or revoked.
    pub key_revocations: tokio::sync::Mutex<()>,
    /// The hub stops.
    pub stopping: CancellationToken,
    /// Requests that change something, and upgrades: each runs to its end, whether or not its caller waits for it.
    pub tasks: TaskTracker,
}

/// Filling modes by owner, account and symbol: what one owner's terminal says is not told to another's bots; they change with a broker's contract, not with the market.
#[derive(Debug, Default)]
pub struct Fillings {
    known: Mutex<HashMap<(OwnerId, String, String), Modes>>,
}

/// What a symbol says of filling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modes {
    /// `SYMBOL_FILLING_MODE`: bits.
    pub(super) filling: u8,
    /// `SYMBOL_TRADE_EXEMODE`.
    pub(super) execution: u8,
}

/// Symbols remembered; above it, all are asked for again.
const FILLINGS_MAX: usize = 10_000;

fn of(session: &SessionHandle, symbol: &str) -> (OwnerId, String, String) {
    (session.owner(), session.account().to_string(), symbol.to_owned())
}

impl Fillings {
    pub(super) fn get(&self, session: &SessionHandle, symbol: &str) -> Option<Modes> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&of(session, symbol)).copied()
    }

    pub(super) fn put(&self, session: &SessionHandle, symbol: &str, modes: Modes) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= FILLINGS_MAX {
            known.clear();
        }
        known.insert(of(session, symbol), modes);
    }
}
