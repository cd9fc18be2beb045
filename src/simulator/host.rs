//! A terminal in which the real Expert Advisor runs: translated to a program of this machine (`tools/mqlc`, `tools/mqlrt`), it asks the
//! `counter` for everything of account, market and trade, and the same [`PaperBroker`] answers that the simulator trades with.
//!
//! Between program and hub stands a `proxy`, so that faults of the network strike it as they strike the simulator. Faults of the
//! process are real: a crash is `kill -9`, and its journal is whatever the files then hold. `tools/mqlrt/README.md` has the protocol.

mod changes;
mod counter;
mod frames;
mod line;
mod pool;
mod process;
mod proxy;
mod shared;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::counter::Habits;
use self::{
    counter::Counter,
    process::{Process, Program},
    proxy::Proxy,
    shared::{Shared, Wish},
};
use super::{
    PaperBroker, Refused, SimulatorConfig, Switches,
    faults::{Fault, Faults},
    player::Player,
};
use crate::domain::account::Platform;

/// What runs in the terminal.
#[derive(Debug, Clone)]
pub struct Expert {
    /// The translated program.
    pub program: PathBuf,
    /// Its `MQL5/Files`: made if it is not there.
    pub files: PathBuf,
    /// Inputs beside the address, the token and the waits between attempts.
    pub inputs: Vec<(String, String)>,
    /// Quirks of the runtime that are not at their default: `name=on`.
    pub quirks: Vec<String>,
    /// How the terminal tells what has changed.
    pub habits: Habits,
    /// The program counts the lines that it runs: it is killed by SIGUSR1, at which it writes the counts and dies on the spot.
    pub counts_lines: bool,
}

impl Expert {
    /// The program over this folder, with nothing unusual.
    #[must_use]
    pub fn new(program: PathBuf, files: PathBuf) -> Self {
        Self { program, files, inputs: Vec::new(), quirks: Vec::new(), habits: Habits::default(), counts_lines: false }
    }
}

/// A terminal with a real Expert Advisor in the background. The same words as [`super::SimulatedTerminal`].
#[derive(Debug)]
pub struct ExpertTerminal {
    broker: PaperBroker,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
    /// Without `OnDeinit`.
    rude: Arc<AtomicBool>,
    tasks: TaskTracker,
}

impl ExpertTerminal {
    /// Starts it; it connects by itself. To be called inside a runtime.
    ///
    /// # Errors
    /// [`Refused`] when the configuration, the folder or the program cannot be used.
    pub fn start(config: SimulatorConfig, expert: Expert) -> Result<Self, Refused> {
        let refused = |what: &str, error: &dyn std::fmt::Display| Refused { reason: format!("{what}: {error}") };
        let hub = hub_of(&config.url)?;
        // The player looks at the configuration and makes the broker; it plays nothing.
        let broker = Player::new(SimulatorConfig { faults: Vec::new(), ..config.clone() })?.broker();
        let shared = Arc::new(Shared::new(Faults::new(config.faults.clone())));
        let listen = || -> std::io::Result<(TcpListener, std::net::SocketAddr)> {
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((TcpListener::from_std(listener)?, address))
        };
        let (counter, counter_at) = listen().map_err(|error| refused("the host", &error))?;
        let (proxy, proxy_at) = listen().map_err(|error| refused("the proxy", &error))?;
        let shutdown = CancellationToken::new();
        let (rude, tasks) = (Arc::new(AtomicBool::new(false)), TaskTracker::new());
        let program = Program::new(&config, &expert, &broker.settings().symbol, counter_at, proxy_at);
        let process = Process::start(program, Arc::clone(&shared)).map_err(|error| refused("the program", &error))?;
        let ended = CancellationToken::new();
        let serving = serve(counter, broker.clone(), Arc::clone(&shared), config.platform, expert.habits);
        let carrying = Proxy { shared: Arc::clone(&shared), hub, half_open_for: config.half_open_for, stop: ended.clone() };
        let stopped = ended.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = serving => {}
            }
        });
        tasks.spawn(carrying.serve(proxy));
        tasks.spawn(process.look_after(shutdown.clone(), Arc::clone(&rude), ended));
        tasks.close();
        Ok(Self { broker, shared, shutdown, rude, tasks })
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

    /// Turns things off and on at the terminal.
    pub fn set_switches(&self, switches: Switches) {
        *self.shared.switches() = switches;
    }

    /// Cuts its socket without a word; it comes back by itself.
    pub fn disconnect(&self) {
        self.shared.cut();
    }

    /// Kills its process and starts it again: another instance with an empty memory. With `lose` its files are lost too.
    pub fn crash(&self, lose: bool) {
        self.shared.wish(Wish::Crash { lose });
    }

    /// Kills its process when its runtime passes this point for the `at`-th time from now on, and starts it again over its files. Points are
    /// those of `tools/mqlrt/README.md`.
    pub fn kill_at(&self, point: &str, at: u32) {
        self.shared.set_trap(point, at);
    }

    /// How often it was killed by [`Self::kill_at`].
    #[must_use]
    pub fn killed(&self) -> watch::Receiver<u32> {
        self.shared.killed.subscribe()
    }

    /// Another account is logged in at the terminal, or its own one again. 0: nobody is.
    pub fn log_in(&self, login: Option<u64>) {
        self.shared.set_login(login);
    }

    /// Nothing: the program looks at its broker at each turn.
    pub const fn look(&self) {}

    /// Pushes an event to the program: `deinit REASON`, `chart ID LPARAM DPARAM SPARAM`, `disk BYTES`, `quirk NAME on|off`, ….
    pub fn push(&self, event: &[&str]) {
        self.shared.push(event);
    }

    /// What the program told: what it printed, the objects that it drew.
    #[must_use]
    pub fn told(&self) -> Vec<Vec<String>> {
        self.shared.told()
    }

    /// Waits until the program tells something that `is` what is waited for.
    pub async fn tells(&self, is: impl Fn(&[String]) -> bool) -> Vec<String> {
        loop {
            let heard = self.shared.heard.notified();
            if let Some(found) = self.told().into_iter().find(|one| is(one)) {
                return found;
            }
            heard.await;
        }
    }

    /// How it ended: none while it runs, `Ok` after it was stopped.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), Refused>> {
        self.shared.outcome.borrow().clone()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// The final refusal, if that is how.
    pub async fn ended(&self) -> Result<(), Refused> {
        let mut outcome = self.shared.outcome.subscribe();
        outcome.wait_for(Option::is_some).await.map_or(Ok(()), |ended| ended.clone().unwrap_or(Ok(())))
    }

    /// Removes the program from its chart, with `OnDeinit`, and waits until its process is gone.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.wait().await;
    }

    /// Kills it, as a machine that loses power, and waits until it is gone.
    pub async fn kill(self) {
        self.rude.store(true, Ordering::Release);
        self.shutdown.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for ExpertTerminal {
    fn drop(&mut self) {
        self.rude.store(true, Ordering::Release);
        self.shutdown.cancel();
    }
}

/// Serves one life of the program after the other.
async fn serve(listener: TcpListener, broker: PaperBroker, shared: Arc<Shared>, platform: Platform, habits: Habits) {
    let lives = TaskTracker::new();
    while let Ok((stream, _)) = listener.accept().await {
        let counter = Counter::new(broker.clone(), Arc::clone(&shared), platform, habits);
        lives.spawn(async move {
            if let Err(error) = counter.serve(stream).await {
                tracing::debug!(%error, "the program's connection to its terminal");
            }
        });
    }
}

/// The hub's address; only plain connections can be looked into.
fn hub_of(url: &str) -> Result<std::net::SocketAddr, Refused> {
    let rest = url.strip_prefix("ws://").ok_or_else(|| Refused { reason: format!("`{url}` must begin with ws://") })?;
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.parse().map_err(|_| Refused { reason: format!("`{authority}` is no ADDRESS:PORT") })
}
