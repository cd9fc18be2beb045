//! A terminal over all its connections: it comes back by itself, with back-off, until it is stopped or refused for good.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    Backoff, PaperBroker, Refused, SimulatorConfig,
    bars::BarSet,
    ea_journal::Journal,
    faults::Faults,
    instrument,
    link::{Address, Ended, Socket},
    replay,
    session::{Over, Session},
    terminal::{Switches, Terminal},
};
use crate::domain::account::{Account, Platform};

/// Half-open sockets that are kept; the oldest is closed beyond this.
const FROZEN_MAX: usize = 4;

/// What the handle and the running terminal share.
#[derive(Debug)]
pub(super) struct Shared {
    faults: Mutex<Faults>,
    pub(super) changed: Notify,
    pub(super) connected: watch::Sender<bool>,
    pub(super) rude: AtomicBool,
    switches: Mutex<Switches>,
    wish: Mutex<Option<Wish>>,
}

/// What the holder of the handle wants of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Its socket is cut without a word.
    Disconnect,
    /// Its EA is loaded anew.
    Crash { lose: bool },
}

impl Shared {
    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn switches(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be done at the next turn.
    pub(super) fn wish(&self, wish: Wish) {
        *self.wish.lock().unwrap_or_else(PoisonError::into_inner) = Some(wish);
        self.changed.notify_one();
    }

    pub(super) fn take_order(&self) -> Option<Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Until the handle has changed faults or switches.
    pub(super) async fn touched(&self) {
        self.changed.notified().await;
    }

    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.send_replace(connected);
    }

    pub(super) fn is_rude(&self) -> bool {
        self.rude.load(Ordering::Acquire)
    }
}

/// The terminal and its way to the hub, over all its connections.
pub(super) struct Player {
    address: Address,
    terminal: Terminal,
    shared: Arc<Shared>,
    backoff: Backoff,
    hub_silence: Duration,
    half_open_for: Duration,
    gate: Option<Arc<Semaphore>>,
    /// Sockets that went half open: nobody reads or writes them, and they stay open.
    frozen: Vec<Socket>,
}

impl Player {
    pub(super) fn new(config: SimulatorConfig) -> Result<Self, Refused> {
        let refused = |reason: String| Refused { reason };
        let address = Address::new(&config.url, &config.token, config.tls.clone())?;
        if !replay::SPEEDS.contains(&config.speed) {
            let (least, most) = replay::SPEEDS.into_inner();
            return Err(refused(format!("speed {} is not between {least} and {most}", config.speed)));
        }
        let mut settings = config.broker.as_ref().map_or(config.account, PaperBroker::settings);
        settings.platform = config.platform;
        if settings.platform == Platform::Mt4 && settings.netting {
            return Err(refused("MetaTrader 4 has no netting".into()));
        }
        let account = Account::new(settings.login, &settings.server).map_err(|error| refused(error.to_string()))?;
        if !instrument::is_name(&settings.symbol) {
            return Err(refused(format!("`{}` is no symbol's name", settings.symbol)));
        }
        if !(settings.balance.is_finite() && settings.balance >= 0.0) {
            return Err(refused(format!("a balance of {} cannot be", settings.balance)));
        }
        let bars = config.bars.map_or_else(BarSet::embedded, Ok).map_err(|error| refused(format!("bars: {error}")))?;
        let unusable = |error: std::io::Error| refused(format!("the state cannot be used: {error}"));
        let broker = match (config.broker, &config.state) {
            (Some(broker), _) => broker,
            (None, None) => PaperBroker::in_memory(settings, bars, config.start, config.speed),
            (None, Some(folder)) => {
                PaperBroker::in_folder(folder, settings, bars, config.start, config.speed).map_err(unusable)?
            }
        };
        let journal = match &config.state {
            None => Journal::default(),
            Some(folder) => Journal::open(&folder.join(format!("ea-{}.jsonl", account.login))).map_err(unusable)?,
        };
        let shared = Shared {
            faults: Mutex::new(Faults::new(config.faults)),
            changed: Notify::new(),
            connected: watch::Sender::new(false),
            rude: AtomicBool::new(false),
            switches: Mutex::new(Switches::default()),
            wish: Mutex::new(None),
        };
        Ok(Self {
            address,
            terminal: Terminal::new(account, config.platform, broker, journal),
            shared: Arc::new(shared),
            backoff: config.backoff,
            hub_silence: config.hub_silence,
            half_open_for: config.half_open_for,
            gate: config.gate,
            frozen: Vec::new(),
        })
    }

    pub(super) fn broker(&self) -> PaperBroker {
        self.terminal.broker.clone()
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    pub(super) async fn play(mut self, shutdown: &CancellationToken) -> Result<(), Refused> {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            let at_least = match self.connect_once(&mut failures, shutdown).await {
                Over::Stopped => break,
                Over::Ended(Ended::Refused(refused)) => {
                    tracing::warn!(reason = %refused, "the terminal does not come back");
                    return Err(refused);
                }
                Over::Ended(Ended::ComeBack { at_least, reason }) => {
                    tracing::debug!(%reason, "the terminal comes back");
                    at_least
                }
                Over::Cut => Duration::ZERO,
                Over::Crash { lose } => {
                    self.terminal.crash(lose);
                    Duration::ZERO
                }
                Over::HalfOpen => self.half_open_for,
            };
            let wait = self.backoff.wait(failures, rand::random()).max(at_least);
            failures = failures.saturating_add(1);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = sleep(wait) => {}
            }
        }
        Ok(())
    }

    /// The place at the gate is kept until Welcome: what a hub must write down for a newcomer takes it longer than the connection.
    async fn connect(&self) -> Result<(Socket, Option<OwnedSemaphorePermit>), Ended> {
        let turn = match &self.gate {
            // A gate that was closed lets everybody through.
            Some(gate) => Arc::clone(gate).acquire_owned().await.ok(),
            None => None,
        };
        Ok((self.address.connect().await?, turn))
    }

    async fn connect_once(&mut self, failures: &mut u32, shutdown: &CancellationToken) -> Over {
        if let Some(Wish::Crash { lose }) = self.shared.take_order() {
            self.terminal.crash(lose);
        }
        let (socket, turn) = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Over::Stopped,
            connected = self.connect() => match connected {
                Ok(connected) => connected,
                Err(ended) => return Over::Ended(ended),
            },
        };
        let session = Session::new(&mut self.terminal, &self.shared, socket, turn, (self.backoff.taken, self.hub_silence));
        let (over, socket, welcomed) = session.run(shutdown).await;
        self.shared.set_connected(false);
        if welcomed {
            *failures = 0;
        }
        if matches!(over, Over::HalfOpen) {
            self.frozen.push(socket);
            if self.frozen.len() > FROZEN_MAX {
                self.frozen.remove(0);
            }
        }
        over
    }
}
