//! `mtbridge simulate`

use std::{
    io::{IsTerminal as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::Semaphore,
    time::{Instant, interval},
};
use tracing::info;

use crate::{
    config::LogFormat,
    domain::account::Platform,
    simulator::{
        self, SimulatorConfig,
        bars::{BarSet, epoch},
        broker_time::Zone,
        control::Control,
        faults::Fault,
        fleet::Fleet,
        rules::Rules,
    },
    telemetry,
};

/// So many terminals connect at a time.
const CONNECTING: usize = 32;
/// Tokens minted at a time.
const MINTED_AT_ONCE: usize = 16;

/// One simulated terminal with a token, or many that mint their own with an admin key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge simulate --url ws://127.0.0.1:8787/ws/terminal --token mtb_… --login 1001 --server Demo-Server
  mtbridge simulate --url ws://127.0.0.1:8787/ws/terminal --count 100 --key sk_live_… --speed 60
  mtbridge simulate … --control 127.0.0.1:8799 --fault drop:after_execute --fault delay:250
  mtbridge simulate … --netting --rule liquidity=0.5 --rule execution=3

docs/simulator.md has all faults, rules and the calls of --control.
Exit code 3: the hub refused for good (revoked, expired, wrong account, HTTP 401 or 403).")]
pub(super) struct Simulate {
    /// The hub's address for terminals, ws://HOST:PORT/ws/terminal or wss://…
    #[arg(long)]
    url: String,
    /// Certificates to trust, PEM, instead of the system's
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Connection token of the one terminal
    #[arg(long, env = "MTBRIDGE_TOKEN", hide_env_values = true, conflicts_with = "count", required_unless_present = "key")]
    token: Option<String>,
    /// Account number; with --count the first of many
    #[arg(long, default_value_t = 1001)]
    login: u64,
    /// Trade server's name
    #[arg(long, default_value = "Demo-Server")]
    server: String,
    /// How many terminals
    #[arg(long, default_value_t = 1, requires = "key", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Admin key with which each terminal's token is minted; not used beside --token, so that the variable may stay set
    #[arg(long, env = "MTBRIDGE_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// What the terminals claim to be
    #[arg(long, value_enum, default_value_t = PlatformName::Mt5)]
    platform: PlatformName,
    /// One position a symbol, instead of one a fill
    #[arg(long)]
    netting: bool,
    /// M1 bars to replay, as MetaTrader exports them; several files, one after the other, are one history [default: four real days of
    /// EURUSD]
    #[arg(long)]
    bars: Vec<PathBuf>,
    /// Name of the symbol whose bars they are
    #[arg(long, default_value = "EURUSD")]
    symbol: String,
    /// The server's clock: us, eu or none for whose summer time it keeps, and the winter's hours before UTC if not 2, as eu+1
    #[arg(long, default_value = "us")]
    clock: Zone,
    /// Broker time at which the replay begins, "2024-03-12 10:00" or 2024-03-12T10:00; bars before it are history [default: where the
    /// last tenth of the bars begins]
    #[arg(long, value_parser = epoch)]
    start: Option<i64>,
    /// Simulated seconds a second
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Balance at the start
    #[arg(long, default_value_t = 10_000.0)]
    balance: f64,
    /// Leverage of the account
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    leverage: u32,
    /// How the broker trades: trade_mode, execution, filling_mode, stops_level, freeze_level, liquidity, commission, depth_levels,
    /// limit_orders or stop_out, with MetaTrader's numbers
    #[arg(long = "rule", value_name = "NAME=VALUE")]
    rules: Vec<String>,
    /// What is to go wrong, once, or each time with :always at the end: drop:STEP, crash:STEP, crash-lose:STEP, exit:STEP, half-open,
    /// half-open:AFTER_MS, freeze:MS, wall-clock:MS, requote, requote:TIMES, reject:RETCODE, part:LOTS; or until the end: delay:MS,
    /// slow-reader:MS, duplicate, lose-frames:ONE_IN, flood:TIMES, broker-clock:SECONDS, hide:MS, drop-magic, drop-comment. STEP is before_accept,
    /// after_accept, after_execute or after_record
    #[arg(long = "fault", value_name = "KIND[:…]")]
    faults: Vec<Fault>,
    /// Serve the control API here, 127.0.0.1:PORT: faults, clock and ledger for a test in any language
    #[arg(long)]
    control: Option<SocketAddr>,
    /// Folder in which broker and EA remember what they did, over a kill of this process too
    #[arg(long)]
    state: Option<PathBuf>,
    /// Filter of the log on standard error
    #[arg(long, default_value = "info")]
    log: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PlatformName {
    Mt4,
    Mt5,
}

impl Simulate {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        telemetry::start(&self.log, LogFormat::Text).map_err(anyhow::Error::msg)?;
        let bars = if self.bars.is_empty() { BarSet::embedded()? } else { BarSet::open_all(&self.bars)? };
        if !(0.01..=1_000_000.0).contains(&self.speed) {
            bail!("--speed must be 0.01 to 1000000");
        }
        // One socket each, and some for the process; a limit that stays too low shows as connections that fail.
        let wanted = u64::from(self.count) + 200;
        if rlimit::increase_nofile_limit(wanted).is_ok_and(|limit| limit < wanted) {
            tracing::warn!(wanted, "the limit of open files is lower: see ulimit -n");
        }
        let mut rules = Rules::default();
        for rule in &self.rules {
            rules = rules.with(rule).map_err(|why| anyhow::anyhow!("--rule {rule}: {why}"))?;
        }
        let mut signal = super::StopSignal::listen()?;
        let fleet = Arc::new(Fleet::default());
        let control = match self.control {
            Some(addr) => Some(Control::serve(addr, fleet.clone()).await.context("--control")?),
            None => None,
        };
        if let Some(control) = &control {
            info!("control API on http://{}", control.addr());
        }
        let refused = tokio::select! {
            biased;
            () = signal.asked() => None,
            ended = self.play(&fleet, &bars, &rules) => ended?,
        };
        fleet.stop().await;
        if let Some(control) = control {
            control.stop().await;
        }
        Ok(refused.map_or(ExitCode::SUCCESS, |why| last_words(&why)))
    }

    /// Mints what tokens are needed, starts all terminals, and waits until all were refused for good.
    async fn play(&self, fleet: &Fleet, bars: &Arc<BarSet>, rules: &Rules) -> anyhow::Result<Option<simulator::Refused>> {
        let tokens = match (&self.token, &self.key) {
            (Some(token), _) => vec![token.clone()],
            (None, Some(key)) => {
                mint_tokens(
                    &super::http_client(self.ca.as_deref())?,
                    &http_of(&self.url)?,
                    key,
                    &self.server,
                    self.login,
                    self.count,
                )
                .await?
            }
            (None, None) => bail!("give --token, or --key to mint tokens with"),
        };
        let tls = crate::tls::client(self.ca.as_deref())?;
        let started = Instant::now();
        let gate = Arc::new(Semaphore::new(CONNECTING));
        let mut progress = Progress::of(self.count, started);
        for (login, token) in (self.login..).zip(tokens) {
            let config = self.terminal(login, token, Arc::clone(bars), rules.clone());
            fleet.add(SimulatorConfig { tls: Some(Arc::clone(&tls)), gate: Some(Arc::clone(&gate)), ..config })?;
            progress.show(fleet);
        }
        let mut turn = interval(Progress::EVERY);
        tokio::select! {
            refused = fleet.all_refused() => return Ok(refused),
            () = async { while !progress.show(fleet) { turn.tick().await; } } => {}
        }
        Ok(fleet.all_refused().await)
    }

    fn terminal(&self, login: u64, token: String, bars: Arc<BarSet>, rules: Rules) -> SimulatorConfig {
        let mut config = SimulatorConfig::new(&self.url, token, login, &self.server);
        config.platform = match self.platform {
            PlatformName::Mt4 => Platform::Mt4,
            PlatformName::Mt5 => Platform::Mt5,
        };
        config.account.balance = self.balance;
        config.account.leverage = self.leverage;
        config.account.netting = self.netting;
        config.account.symbol.clone_from(&self.symbol);
        config.account.zone = self.clock;
        config.account.rules = rules;
        config.bars = Some(bars);
        config.start = self.start;
        config.speed = self.speed;
        config.faults.clone_from(&self.faults);
        config.state = self.state.as_ref().map(|dir| if self.count > 1 { dir.join(login.to_string()) } else { dir.clone() });
        config
    }
}

/// One line on standard error that says how many terminals are connected, written over as it changes.
struct Progress {
    of: usize,
    started: Instant,
    shown: Instant,
    done: bool,
}

impl Progress {
    const EVERY: Duration = Duration::from_millis(200);

    fn of(count: u32, started: Instant) -> Self {
        // A single terminal says in its log that it is connected.
        Self { of: usize::try_from(count).unwrap_or(usize::MAX), started, shown: started, done: count == 1 }
    }

    /// True once all of them were connected at the same time.
    #[expect(clippy::print_stderr, reason = "progress is for whoever waits for it")]
    fn show(&mut self, fleet: &Fleet) -> bool {
        if self.done || self.shown.elapsed() < Self::EVERY {
            return self.done;
        }
        self.shown = Instant::now();
        let connected = fleet.connected();
        self.done = connected == self.of;
        let seconds = self.started.elapsed().as_secs_f64();
        if std::io::stderr().is_terminal() {
            eprint!("\r{connected} of {} terminals connected, {seconds:.1} s{}", self.of, if self.done { "\n" } else { "" });
            // Whether it is seen or not changes nothing.
            let _ = std::io::stderr().flush();
        } else if self.done {
            eprintln!("{connected} of {} terminals connected, {seconds:.1} s", self.of);
        }
        self.done
    }
}

#[expect(clippy::print_stderr, reason = "a refusal is for whoever started it")]
fn last_words(why: &simulator::Refused) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(super::REFUSED)
}

/// `ws://HOST:PORT/…` to `http://HOST:PORT`, and the same with TLS.
pub(super) fn http_of(url: &str) -> anyhow::Result<String> {
    let rest = url.strip_prefix("ws").context("--url must begin with ws:// or wss://")?;
    let (scheme, rest) =
        rest.split_once("://").filter(|(s, _)| matches!(*s, "" | "s")).context("--url must begin with ws:// or wss://")?;
    Ok(format!("http{scheme}://{}", rest.split('/').next().unwrap_or(rest)))
}

#[derive(Deserialize)]
struct Minted {
    token: String,
}

/// Mints a token for each login from `first` up, with the admin key.
pub(super) async fn mint_tokens(
    client: &reqwest::Client,
    http: &str,
    key: &str,
    server: &str,
    first: u64,
    count: u32,
) -> anyhow::Result<Vec<String>> {
    let mint = |login: u64| {
        let request =
            client.post(format!("{http}/api/v1/tokens")).bearer_auth(key).json(&json!({"name": format!("{server} {login}")}));
        async move {
            let response = request.send().await.with_context(|| format!("no hub at {http}"))?;
            let status = response.status();
            if !status.is_success() {
                bail!("the hub refuses to mint a token ({status}): {}", response.text().await.unwrap_or_default());
            }
            Ok(response.json::<Minted>().await?.token)
        }
    };
    let logins = (first..).take(usize::try_from(count)?);
    let tokens: Vec<String> = stream::iter(logins.map(mint)).buffered(MINTED_AT_ONCE).try_collect().await?;
    info!(count = tokens.len(), "tokens minted");
    Ok(tokens)
}
