//! `mtbridge serve`

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use serde::Serialize;

use crate::{
    config::{Config, ConfigError, Loaded},
    server::Server,
    telemetry,
};

/// A start that is asked to stop may come to its end for so long; what is left of ten seconds is for the stop itself.
const STARTING: Duration = Duration::from_secs(5);

/// Flags; each stands above environment and file.
#[derive(Debug, Args, Serialize)]
pub(super) struct Settings {
    /// Settings file; config/mtbridge.toml shows every key.
    #[arg(long, env = "MTBRIDGE_CONFIG")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Address to listen on; port 0 lets the system choose [default: 127.0.0.1:8787]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// Folder for everything that survives a restart [default: data]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
    /// Filter of the log on standard error [default: info]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

impl Settings {
    pub(super) fn load(&self) -> Result<Loaded, ConfigError> {
        Config::load(self.config.as_deref(), self)
    }
}

/// `mtbridge serve`
#[derive(Debug, Args)]
#[command(
    after_help = "The first line on standard output says that the hub is ready: listening on http://ADDR, or https://ADDR with TLS.

SIGTERM or ctrl-c stops it within 10 seconds; a second one at once, without a goodbye. Exit code 0 after the first, 130 after the second."
)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "the ready line and the first key are for whoever started it")]
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load()?.config;
        telemetry::start(&config.log, config.log_format).map_err(anyhow::Error::msg)?;
        let mut stop = super::StopSignal::listen()?;
        let mut binding = std::pin::pin!(Server::bind(config));
        let (server, stopping) = tokio::select! {
            bound = &mut binding => (bound?, false),
            () = stop.asked() => {
                // A first start may have recorded its admin key, which only the end of the start can tell.
                let bound = tokio::select! {
                    bound = tokio::time::timeout(STARTING, &mut binding) => bound,
                    () = stop.asked() => return Ok(ExitCode::from(super::STOPPED_AT_ONCE)),
                };
                // A long start, of a hub that has its key: whatever it was doing goes on at the next one.
                let Ok(bound) = bound else { return Ok(ExitCode::SUCCESS) };
                (bound?, true)
            }
        };
        if let Some(key) = server.first_admin_key() {
            eprintln!("first start: this admin key is shown once, keep it safe\n{}", key.reveal());
        }
        if let Some(code) = server.setup_code() {
            eprintln!(
                "nobody can log in yet: this one-time code, good for 24 hours, makes the first user (docs/users.md)\n{}",
                code.reveal()
            );
        }
        if !stopping {
            println!("listening on {}", server.url());
            stop.asked().await;
        }
        server.shutdown();
        tokio::select! {
            () = server.join() => Ok(ExitCode::SUCCESS),
            // What is on the disk is whole at every moment; only the goodbye is missing.
            () = stop.asked() => Ok(ExitCode::from(super::STOPPED_AT_ONCE)),
        }
    }
}
