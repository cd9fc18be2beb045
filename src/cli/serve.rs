//! `mtbridge serve`

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;

use crate::{config::Config, server::Server, telemetry};

/// Flags; each stands above environment and file.
#[derive(Debug, Args, Serialize)]
pub(super) struct Serve {
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

impl Serve {
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "the ready line and the first key are for whoever started it")]
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::load(self.config.as_deref(), &self)?;
        telemetry::start(&config.log, config.log_format).map_err(anyhow::Error::msg)?;
        let listen = config.listen;
        let stop = super::StopSignal::listen()?;
        let server = Server::bind(config).await?;
        if let Some(key) = server.first_admin_key() {
            eprintln!("first start: this admin key is shown once, keep it safe\n{}", key.reveal());
        }
        if !listen.ip().is_loopback() {
            tracing::warn!(%listen, "plain HTTP off loopback: put a proxy that speaks TLS in front of it");
        }
        println!("listening on http://{}", server.addr());
        stop.asked().await;
        server.shutdown();
        server.join().await;
        Ok(ExitCode::SUCCESS)
    }
}
