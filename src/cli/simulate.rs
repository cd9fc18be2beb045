//! `mtbridge simulate`

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    config::LogFormat,
    simulator::{
        self, SimulatorConfig,
        bars::{BarSet, epoch},
        faults::Fault,
    },
    telemetry,
};

/// One simulated terminal with a token, or many that mint their own with an admin key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge simulate --url ws://127.0.0.1:8787/ws/terminal --token mtb_… --login 1001 --server Demo-Server
  mtbridge simulate --url ws://127.0.0.1:8787/ws/terminal --count 100 --key sk_live_… --speed 60
  mtbridge simulate … --fault drop:after_execute --fault delay:250

Exit code 3: the hub refused for good (revoked, expired, wrong account, HTTP 401 or 403).")]
pub(super) struct Simulate {
    /// The hub's address for terminals, ws://HOST:PORT/ws/terminal or wss://…
    #[arg(long)]
    url: String,
    /// Certificates to trust, PEM, instead of the system's
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Connection token of the one terminal
    #[arg(long, env = "MTBRIDGE_TOKEN", hide_env_values = true, conflicts_with_all = ["count", "key"], required_unless_present = "key")]
    token: Option<String>,
    /// Account number; with --count the first of many
    #[arg(long, default_value_t = 1001)]
    login: u64,
    /// Trade server's name
    #[arg(long, default_value = "Demo-Server")]
    server: String,
    /// How many terminals
    #[arg(long, default_value_t = 1, requires = "key")]
    count: u32,
    /// Admin key with which each terminal's token is minted
    #[arg(long, env = "MTBRIDGE_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// M1 bars to replay (date,time,open,high,low,close,tick_volume,real_volume,spread_points, broker time) [default: four real days
    /// of EURUSD]
    #[arg(long)]
    bars: Option<PathBuf>,
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
    /// What is to go wrong: drop:STEP, crash:STEP, crash-lose:STEP, exit:STEP, delay:MS, half-open or half-open:AFTER_MS; STEP is
    /// before_accept, after_accept, after_execute or after_record; once, or with :always at the end each time
    #[arg(long = "fault", value_name = "KIND[:…]")]
    faults: Vec<Fault>,
    /// Folder in which broker and EA remember what they did, over a kill of this process too
    #[arg(long)]
    state: Option<PathBuf>,
    /// Filter of the log on standard error
    #[arg(long, default_value = "info")]
    log: String,
}

impl Simulate {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        telemetry::start(&self.log, LogFormat::Text).map_err(anyhow::Error::msg)?;
        let bars = match &self.bars {
            Some(path) => BarSet::open(path)?,
            None => BarSet::embedded()?,
        };
        if !(0.01..=1_000_000.0).contains(&self.speed) {
            bail!("--speed must be 0.01 to 1000000");
        }
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
        let (mut signal, stop) = (super::StopSignal::listen()?, CancellationToken::new());
        let mut terminals = JoinSet::new();
        for (login, token) in (self.login..).zip(tokens) {
            let mut config = self.terminal(login, token, Arc::clone(&bars));
            config.tls = Some(Arc::clone(&tls));
            terminals.spawn(simulator::run(config, stop.clone()));
        }
        let stopping = stop.clone();
        let mut signals = JoinSet::new();
        signals.spawn(async move {
            signal.asked().await;
            stopping.cancel();
        });
        let mut refused = None;
        while let Some(ended) = terminals.join_next().await {
            if let Err(why) = ended? {
                refused = Some(why);
            }
        }
        signals.shutdown().await;
        Ok(refused.map_or(ExitCode::SUCCESS, |why| last_words(&why)))
    }

    fn terminal(&self, login: u64, token: String, bars: Arc<BarSet>) -> SimulatorConfig {
        let mut config = SimulatorConfig::new(&self.url, token, login, &self.server);
        config.account.balance = self.balance;
        config.bars = Some(bars);
        config.start = self.start;
        config.speed = self.speed;
        config.faults.clone_from(&self.faults);
        config.state = self.state.as_ref().map(|dir| if self.count > 1 { dir.join(login.to_string()) } else { dir.clone() });
        config
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
    let mut tokens = Vec::new();
    for login in (first..).take(usize::try_from(count)?) {
        let request =
            client.post(format!("{http}/api/v1/tokens")).bearer_auth(key).json(&json!({"name": format!("{server} {login}")}));
        let response = request.send().await.with_context(|| format!("no hub at {http}"))?;
        let status = response.status();
        if !status.is_success() {
            bail!("the hub refuses to mint a token ({status}): {}", response.text().await.unwrap_or_default());
        }
        tokens.push(response.json::<Minted>().await?.token);
    }
    info!(count = tokens.len(), "tokens minted");
    Ok(tokens)
}
