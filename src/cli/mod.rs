//! The command line. Only this module and `main` print.

mod account;
mod arguments;
mod audit;
mod backup;
mod calc;
mod command;
mod command_view;
mod demo;
mod download;
mod download_file;
mod exit;
mod hook;
mod key;
mod market;
mod order;
mod output;
mod positions;
mod progress;
mod remote;
mod safety;
mod secrets;
mod sending;
mod serve;
mod simulate;
mod table;
mod tenant;
mod token;
mod user;
mod webhook;

use std::{path::Path, process::ExitCode, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand};
use exit::REFUSED;

/// The hub that MetaTrader terminals stay connected to, so that bots and people can reach them.
#[derive(Debug, Parser)]
#[command(name = "mtbridge", version, about, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  mtbridge demo
  mtbridge terminals
  mtbridge bars EURUSD --timeframe H1 --limit 10
  mtbridge order buy EURUSD 0.10 --sl 1.0800

Commands that ask a running hub take its address from MTBRIDGE_URL and the API key from MTBRIDGE_API_KEY.
Exit codes: 0 done, 1 error, 2 wrong arguments, 3 not allowed, 4 not found, 5 certainly not executed, 6 outcome unknown, 7 not now.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub.
    Serve(serve::Serve),
    /// Run simulated terminals: a paper broker on real bars behind the same wire as the Expert Advisor.
    Simulate(Box<simulate::Simulate>),
    /// Run a hub with two simulated terminals, to look at.
    Demo(demo::Demo),
    Terminals(account::Terminals),
    Account(account::Account),
    Symbols(market::Symbols),
    Quotes(market::Quotes),
    Depth(market::Depth),
    Watchlist(market::Watchlist),
    Calc(calc::Calc),
    Bars(download::Bars),
    Ticks(download::Ticks),
    Order(order::Order),
    Close(Box<positions::Close>),
    Positions(positions::Positions),
    Orders(account::Orders),
    History(account::History),
    Command(command::Command),
    Kill(safety::Kill),
    Deadman(safety::Deadman),
    Incidents(safety::Incidents),
    /// Take a copy of a running hub, as one file.
    Backup(backup::Backup),
    /// Make a data folder from a backup.
    Restore(backup::Restore),
    Audit(audit::Audit),
    Token(token::Token),
    Key(key::Key),
    Hook(hook::Hook),
    Webhook(webhook::Webhook),
    User(user::User),
    Tenant(tenant::Tenant),
    Completions(Completions),
    /// Settings.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Print the settings in force and where they come from, or everything that is wrong with them.
    Check(serve::Settings),
}

/// Completion of commands and flags for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge completions bash > /etc/bash_completion.d/mtbridge
  mtbridge completions zsh > ~/.zfunc/_mtbridge
  mtbridge completions fish > ~/.config/fish/completions/mtbridge.fish
  mtbridge completions powershell >> $PROFILE")]
struct Completions {
    /// Which shell
    shell: clap_complete::Shell,
}

impl Completions {
    fn run(self) -> anyhow::Result<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "mtbridge", &mut script);
        output::write_out(&script)?;
        Ok(0)
    }
}

/// Every command with its flags and help, for tests that hold docs/cli.md against it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// A second signal came while the hub was stopping: as a shell says it of ctrl-c.
const STOPPED_AT_ONCE: u8 = 130;
/// Threads that still wait for the disk at the end are given so long.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// Runs what the arguments say.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(&error.into()),
    };
    let result = runtime.block_on(cli.command.run());
    // A disk that hangs must not keep the process: what was acknowledged is on it.
    runtime.shutdown_timeout(LAST_THREADS);
    result.unwrap_or_else(|error| exit::failed(&error))
}

impl Command {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let code = match self {
            Self::Serve(serve) => return serve.run().await,
            Self::Simulate(simulate) => return simulate.run().await,
            Self::Demo(demo) => return demo.run().await,
            Self::Backup(backup) => return backup.run().await,
            Self::Restore(restore) => return restore.run().await,
            Self::Config(Config::Check(settings)) => return check_config(&settings),
            Self::Terminals(terminals) => terminals.run().await,
            Self::Account(account) => account.run().await,
            Self::Symbols(symbols) => symbols.run().await,
            Self::Quotes(quotes) => quotes.run().await,
            Self::Depth(depth) => depth.run().await,
            Self::Watchlist(watchlist) => watchlist.run().await,
            Self::Calc(calc) => calc.run().await,
            Self::Bars(bars) => bars.run().await,
            Self::Ticks(ticks) => ticks.run().await,
            Self::Order(order) => order.run().await,
            Self::Close(close) => close.run().await,
            Self::Positions(positions) => positions.run().await,
            Self::Orders(orders) => orders.run().await,
            Self::History(history) => history.run().await,
            Self::Command(command) => command.run().await,
            Self::Kill(kill) => kill.run().await,
            Self::Deadman(deadman) => deadman.run().await,
            Self::Incidents(incidents) => incidents.run().await,
            Self::Audit(audit) => audit.run().await,
            Self::Token(token) => token.run().await,
            Self::Key(key) => key.run().await,
            Self::Hook(hook) => hook.run().await,
            Self::Webhook(webhook) => webhook.run().await,
            Self::User(user) => user.run().await,
            Self::Tenant(tenant) => tenant.run().await,
            Self::Completions(completions) => completions.run(),
        };
        code.map(ExitCode::from)
    }
}

#[expect(clippy::print_stdout, reason = "the settings are this command's result")]
fn check_config(settings: &serve::Settings) -> anyhow::Result<ExitCode> {
    let loaded = settings.load()?;
    crate::telemetry::check(&loaded.config.log).map_err(anyhow::Error::msg)?;
    if let Some((cert, key)) = loaded.config.tls.files() {
        crate::tls::Identity::read(cert, key)?;
    }
    print!("{}", loaded.shown());
    Ok(ExitCode::SUCCESS)
}

/// What every command calls a hub with.
fn http_client(ca: Option<&Path>) -> anyhow::Result<reqwest::Client> {
    Ok(crate::tls::http_client(ca)?.build()?)
}

/// Ctrl-c and SIGTERM. Made before the first word on standard output: whoever reads that the program is ready may ask it to stop at once,
/// and a signal that nobody listens for kills.
struct StopSignal {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignal {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Completes when somebody asks the program to stop.
    #[cfg(unix)]
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn asked(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
