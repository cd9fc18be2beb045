//! The program's process: started, killed, started again.

use std::{
    fs::File,
    io,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    Expert,
    shared::{Shared, Wish},
};
use crate::simulator::{Refused, SimulatorConfig};

/// So often somebody looks whether the process is still there.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What `OnDeinit` may take; MetaTrader allows 2.5 seconds.
const DEINIT_TIMEOUT: Duration = Duration::from_secs(5);
/// `REASON_REMOVE`.
const REMOVE: &str = "1";

/// How the process is started.
#[derive(Debug)]
pub(super) struct Program {
    program: PathBuf,
    files: PathBuf,
    arguments: Vec<String>,
    counts_lines: bool,
}

impl Program {
    pub(super) fn new(config: &SimulatorConfig, expert: &Expert, symbol: &str, counter: SocketAddr, proxy: SocketAddr) -> Self {
        let wait = |wait: Duration| wait.as_millis().to_string();
        let path = config.url.splitn(4, '/').nth(3).unwrap_or_default();
        let mut inputs = vec![
            ("API_TOKEN".to_owned(), config.token.clone()),
            ("BackendURL".to_owned(), format!("ws://{proxy}/{path}")),
            ("RetryBaseMs".to_owned(), wait(config.backoff.base)),
            ("RetryMaxMs".to_owned(), wait(config.backoff.max)),
            ("TakenWaitMs".to_owned(), wait(config.backoff.taken)),
        ];
        inputs.extend(expert.inputs.clone());
        let mut arguments = vec!["--host".to_owned(), counter.to_string(), "--symbol".into(), symbol.to_owned()];
        arguments.extend(["--files".into(), expert.files.display().to_string()]);
        arguments.extend(inputs.iter().flat_map(|(name, value)| ["--input".to_owned(), format!("{name}={value}")]));
        arguments.extend(expert.quirks.iter().flat_map(|quirk| ["--quirk".to_owned(), quirk.clone()]));
        Self { program: expert.program.clone(), files: expert.files.clone(), arguments, counts_lines: expert.counts_lines }
    }

    /// What it prints to its terminal's window goes beside its files.
    fn start(&self) -> io::Result<Child> {
        std::fs::create_dir_all(&self.files)?;
        let log = File::options().create(true).append(true).open(self.log())?;
        let error = log.try_clone()?;
        Command::new(&self.program).args(&self.arguments).stdin(Stdio::null()).stdout(log).stderr(error).spawn()
    }

    fn log(&self) -> PathBuf {
        self.files.with_extension("log")
    }

    fn lose_files(&self) -> io::Result<()> {
        std::fs::remove_dir_all(&self.files)
    }

    /// The last line that it printed, for whoever wonders why it ended.
    fn last_words(&self) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
    }
}

/// The running process.
#[derive(Debug)]
pub(super) struct Process {
    program: Program,
    child: Child,
    shared: Arc<Shared>,
}

impl Process {
    pub(super) fn start(program: Program, shared: Arc<Shared>) -> io::Result<Self> {
        let child = program.start()?;
        Ok(Self { program, child, shared })
    }

    /// Until it is stopped, or ends by itself. `ended` is told when there is no process any more.
    pub(super) async fn look_after(mut self, shutdown: CancellationToken, rude: Arc<AtomicBool>, ended: CancellationToken) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until = None::<Instant>;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if until.is_none() => {
                    if rude.load(Ordering::Acquire) {
                        self.kill();
                        break;
                    }
                    self.shared.push(&["deinit", REMOVE]);
                    until = Some(Instant::now() + DEINIT_TIMEOUT);
                }
                () = self.shared.wished.notified() => self.carry_out(),
                _ = look.tick() => {}
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                if until.is_none() {
                    let reason = format!("the program ended with {status}: {}", self.program.last_words());
                    tracing::error!(%reason, "the program");
                    self.end(Err(Refused { reason }));
                }
                break;
            }
            if until.is_some_and(|until| Instant::now() > until) {
                tracing::error!("OnDeinit does not come to an end");
                self.kill();
                break;
            }
        }
        self.end(Ok(()));
        ended.cancel();
    }

    fn carry_out(&mut self) {
        while let Some(Wish::Crash { lose }) = self.shared.take_wish() {
            self.kill();
            let lost = if lose { self.program.lose_files() } else { Ok(()) };
            match lost.and_then(|()| self.program.start()) {
                Ok(child) => self.child = child,
                Err(error) => self.end(Err(Refused { reason: format!("the program cannot be started again: {error}") })),
            }
        }
    }

    /// `kill -9`, or what is it for a program that counts its lines.
    fn kill(&mut self) {
        if self.program.counts_lines && self.writes_its_counts() {
            return;
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::error!(%error, "the program cannot be killed");
        }
    }

    /// Whether it wrote its counts and died of it.
    fn writes_its_counts(&mut self) -> bool {
        let id = self.child.id().to_string();
        if !Command::new("kill").args(["-USR1", &id]).status().is_ok_and(|status| status.success()) {
            return false;
        }
        self.child.wait().is_ok()
    }

    /// The first end counts.
    fn end(&self, how: Result<(), Refused>) {
        self.shared.outcome.send_if_modified(|outcome| {
            let first = outcome.is_none();
            outcome.get_or_insert(how);
            first
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A runtime that is dropped takes its tasks with it, and no process must outlive its test.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}
