//! The command line. Only this module and `main` print.

mod demo;
mod serve;
mod simulate;

use std::{path::Path, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

/// The hub that MetaTrader terminals stay connected to, so that bots and people can reach them.
#[derive(Debug, Parser)]
#[command(name = "mtbridge", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub.
    Serve(serve::Serve),
    /// Run simulated terminals: a paper broker on real bars behind the same wire as the Expert Advisor.
    Simulate(simulate::Simulate),
    /// Run a hub with two simulated terminals, to look at.
    Demo(demo::Demo),
    /// API keys.
    #[command(subcommand)]
    Key(Key),
    /// Settings.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Print the settings in force and where they come from, or everything that is wrong with them.
    Check(serve::Settings),
}

#[derive(Debug, Subcommand)]
enum Key {
    /// Print a new live key, to be preset as `MTBRIDGE_ADMIN_KEY`. Nothing is stored.
    Generate,
}

/// The hub or a terminal was refused for good (revoked, wrong account, HTTP 401 or 403): trying again changes nothing.
const REFUSED: u8 = 3;

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
        Err(error) => return failed(&error.into()),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(serve) => serve.run().await,
            Command::Simulate(simulate) => simulate.run().await,
            Command::Demo(demo) => demo.run().await,
            Command::Key(Key::Generate) => generate_key(),
            Command::Config(Config::Check(settings)) => check_config(&settings),
        }
    });
    // A disk that hangs must not keep the process: what was acknowledged is on it.
    runtime.shutdown_timeout(LAST_THREADS);
    result.unwrap_or_else(|error| failed(&error))
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

#[expect(clippy::print_stdout, reason = "the key is this command's result")]
fn generate_key() -> anyhow::Result<ExitCode> {
    let secret = crate::access::secret::Secret::generate(crate::access::secret::KEY_LIVE)?;
    println!("{}", secret.reveal());
    Ok(ExitCode::SUCCESS)
}

/// What every command calls a hub with: TLS as in the rest of the program, trusting the system's roots or only the certificates in
/// `ca`. No proxy of the environment stands between a command and its hub.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn http_client(ca: Option<&Path>) -> anyhow::Result<reqwest::Client> {
    let tls = crate::tls::client(ca)?;
    Ok(reqwest::Client::builder().no_proxy().tls_backend_preconfigured((*tls).clone()).build()?)
}

#[expect(clippy::print_stderr, reason = "the last words of a command")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
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
