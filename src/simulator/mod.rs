//! A paper MetaTrader terminal that speaks the same wire as the Expert Advisor: what the demo, tests and benchmarks connect.
//!
//! Two machines are played. The **broker** ([`PaperBroker`]) has the market (real M1 bars from [`bars`], replayed by [`replay`]
//! at a chosen speed, with ticks from [`path`] and the broker's own clock zone from [`broker_time`]) and the account ([`broker`],
//! written down by [`ledger`]). The **terminal** has the EA: its core, its journal file and its connection to the hub. [`faults`]
//! break it on demand. Nothing in the market runs by itself: prices and stops are functions of the bars and of the time at which
//! somebody looks, so thousands of terminals in one process cost little more than their sockets.

mod bar_file;
pub mod bars;
pub mod broker;
pub mod broker_time;
pub mod control;
mod ea;
mod ea_journal;
mod evidence;
pub mod faults;
pub mod fleet;
pub mod host;
pub mod instrument;
mod judge;
pub mod ledger;
mod link;
mod live;
mod mt4;
pub mod paper;
pub mod path;
mod player;
mod reads;
pub mod replay;
pub mod rules;
mod session;
mod stops;
mod terminal;
mod timeframes;
mod transactions;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    bars::BarSet,
    broker::AccountSettings,
    faults::{Fault, Faults},
    player::{Player, Shared, Wish},
};
pub use self::{
    ledger::{Executed, Origin},
    link::Backoff,
    paper::PaperBroker,
    terminal::Switches,
};
use crate::domain::account::Platform;

/// Everything about one simulated terminal.
#[derive(Clone)]
pub struct SimulatorConfig {
    /// `ws://HOST:PORT/ws/terminal` or `wss://…`; without a path the hub's own is taken.
    pub url: String,
    /// Whom a `wss://` address must prove itself to; none means the system's roots.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The connection token.
    pub token: String,
    /// What the terminal claims to be.
    pub platform: Platform,
    /// The account at the paper broker.
    pub account: AccountSettings,
    /// M1 bars to replay; none means those that the program carries with it.
    pub bars: Option<Arc<BarSet>>,
    /// Broker time, epoch seconds, at which the replay begins; bars before it are history. None: where the last tenth begins.
    pub start: Option<i64>,
    /// Simulated seconds a second.
    pub speed: f64,
    /// What is to go wrong.
    pub faults: Vec<Fault>,
    /// Folder for the broker's ledger and the EA's journal file; without it both end with the process.
    pub state: Option<PathBuf>,
    /// An account that exists already, for a second terminal of it; then `account`, `bars`, `start` and `speed` do not count.
    pub broker: Option<PaperBroker>,
    /// The waits between attempts to connect.
    pub backoff: Backoff,
    /// The terminal gives a connection up when it has heard nothing, not even a ping, for so long.
    pub hub_silence: Duration,
    /// Shared by many terminals: so many of them connect at a time, the others wait. A thousand at once would only overrun the hub.
    pub gate: Option<Arc<Semaphore>>,
    /// How long after going half open the terminal connects again, while the old socket stays open.
    pub half_open_for: Duration,
}

impl SimulatorConfig {
    /// The defaults: MetaTrader 5, 10,000 US dollars, EURUSD from the embedded bars at real speed, in memory, without faults.
    #[must_use]
    pub fn new(url: impl Into<String>, token: impl Into<String>, login: u64, server: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            tls: None,
            token: token.into(),
            platform: Platform::Mt5,
            account: AccountSettings { login, server: server.into(), ..AccountSettings::default() },
            bars: None,
            start: None,
            speed: 1.0,
            faults: Vec::new(),
            state: None,
            broker: None,
            backoff: Backoff::default(),
            hub_silence: Duration::from_secs(30),
            gate: None,
            half_open_for: Duration::from_secs(15),
        }
    }
}

impl fmt::Debug for SimulatorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is a secret, and bars are many.
        f.debug_struct("SimulatorConfig").field("url", &self.url).field("account", &self.account).finish_non_exhaustive()
    }
}

/// The terminal ended for good: the hub refused it, or it cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// In words, as an EA would print them on its chart.
    pub reason: String,
}

/// Runs a terminal, with reconnects, until `shutdown` or a final refusal.
///
/// # Errors
/// [`Refused`] when the hub says not to come back, or when the configuration or the state folder cannot be used.
pub async fn run(config: SimulatorConfig, shutdown: CancellationToken) -> Result<(), Refused> {
    let player = Player::new(config)?;
    player.play(&shutdown).await
}

/// A terminal in the background, for tests and benchmarks.
#[derive(Debug)]
pub struct SimulatedTerminal {
    broker: PaperBroker,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    outcome: watch::Receiver<Option<Result<(), Refused>>>,
}

impl SimulatedTerminal {
    /// Starts it; it connects by itself.
    ///
    /// # Errors
    /// [`Refused`] when the configuration or the state folder cannot be used.
    pub fn start(config: SimulatorConfig) -> Result<Self, Refused> {
        let player = Player::new(config)?;
        let (broker, shared) = (player.broker(), player.shared());
        let shutdown = CancellationToken::new();
        let (told, outcome) = watch::channel(None);
        let tasks = TaskTracker::new();
        let stop = shutdown.clone();
        tasks.spawn(async move {
            let ended = player.play(&stop).await;
            told.send_replace(Some(ended));
        });
        tasks.close();
        Ok(Self { broker, shared, shutdown, tasks, outcome })
    }

    /// The other machine: what it executed, its deals and positions.
    #[must_use]
    pub fn broker(&self) -> PaperBroker {
        self.broker.clone()
    }

    /// True between Welcome and the end of the connection.
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.shared.connected.subscribe()
    }

    /// Replaces the faults that wait for their moment.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        *self.shared.faults() = Faults::new(faults);
        self.shared.changed.notify_one();
    }

    /// The faults that still wait for their moment, and those that last.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.faults().all().to_vec()
    }

    /// What is turned on and off at the terminal.
    #[must_use]
    pub fn switches(&self) -> Switches {
        *self.shared.switches()
    }

    /// Cuts its socket without a word; it comes back by itself.
    pub fn disconnect(&self) {
        self.shared.wish(Wish::Disconnect);
    }

    /// Loads its EA anew: another instance with an empty memory. With `lose` its journal file is lost too.
    pub fn crash(&self, lose: bool) {
        self.shared.wish(Wish::Crash { lose });
    }

    /// Looks at the broker now, instead of at the next heartbeat, and tells the hub what has changed.
    pub fn look(&self) {
        self.shared.changed.notify_one();
    }

    /// Turns things off and on at the terminal; the hub is told at once.
    pub fn set_switches(&self, switches: Switches) {
        *self.shared.switches() = switches;
        self.shared.changed.notify_one();
    }

    /// How it ended: none while it runs, `Ok` after it was stopped.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), Refused>> {
        self.outcome.borrow().clone()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// The final refusal, if that is how.
    pub async fn ended(&self) -> Result<(), Refused> {
        let mut outcome = self.outcome.clone();
        // The task tells before it ends, so a closed channel means that its runtime is gone.
        outcome.wait_for(Option::is_some).await.map_or(Ok(()), |ended| ended.clone().unwrap_or(Ok(())))
    }

    /// Stops it with a close frame, and waits until it is gone.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.wait().await;
    }

    /// Stops it without a word to the hub, as a machine that loses power, and waits until it is gone.
    pub async fn kill(self) {
        self.shared.rude.store(true, Ordering::Release);
        self.shutdown.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for SimulatedTerminal {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[cfg(test)]
mod tests;
