//! `mtbridge demo`: a hub with two simulated terminals on real bars, and what to do with them.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::SystemTime};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use crate::{
    access::secret::{KEY_LIVE, Secret},
    config::{Config, LogFormat, Throttle},
    server::Server,
    simulator::{SimulatedTerminal, SimulatorConfig, bars::BarSet},
    telemetry,
};

/// Whom the page of the demo knows; the password is another at each start.
const USER: &str = "demo";
/// The accounts of the two terminals.
const LOGINS: [u64; 2] = [1001, 1002];
const SERVER: &str = "Demo-Server";

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// A fresh folder is made in this one at each start
    #[arg(long, default_value = "target/demo")]
    dir: PathBuf,
    /// Simulated seconds a second
    #[arg(long, default_value_t = 10.0)]
    speed: f64,
    /// Filter of the log on standard error
    #[arg(long, default_value = "warn")]
    log: String,
}

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        telemetry::start(&self.log, LogFormat::Text).map_err(anyhow::Error::msg)?;
        let mut stop = super::StopSignal::listen()?;
        let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        let data_dir = self.dir.join(stamp.to_string());
        let key = Secret::generate(KEY_LIVE)?;
        let config = Config {
            listen: self.listen,
            data_dir: data_dir.clone(),
            admin_key: Some(key.reveal().to_owned()),
            // Whoever tries it out makes mistakes, and tools that judge it make many.
            throttle: Throttle { failures_per_minute: 0, ..Throttle::default() },
            ..Config::default()
        };
        let server = Server::bind(config).await?;
        let http = format!("http://{}", server.addr());
        let url = format!("ws://{}{}", server.addr(), crate::protocol::PATH);

        let bars = BarSet::embedded()?;
        let client = super::http_client(None)?;
        let password = first_user(&client, &http, key.reveal()).await?;
        let tokens = super::simulate::mint_tokens(&client, &http, key.reveal(), SERVER, LOGINS[0], 2).await?;
        let mut terminals = Vec::new();
        for (login, token) in LOGINS.into_iter().zip(tokens) {
            let mut config = SimulatorConfig::new(&url, token, login, SERVER);
            config.bars = Some(bars.clone());
            config.speed = self.speed;
            terminals.push(SimulatedTerminal::start(config)?);
        }
        for terminal in &terminals {
            terminal.connected().wait_for(|connected| *connected).await?;
        }

        greet(&http, key.reveal(), &password, &data_dir.display().to_string());
        stop.asked().await;
        for terminal in terminals {
            terminal.stop().await;
        }
        server.shutdown();
        server.join().await;
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes the hub's owner as anybody would, with a one-time code; answers their password.
async fn first_user(client: &reqwest::Client, http: &str, key: &str) -> anyhow::Result<String> {
    let secret = Secret::generate("")?;
    let password: String = secret.reveal().chars().take(20).collect();
    let post = async |path: &str, body: Value| {
        let request = client.post(format!("{http}/api/v1/{path}")).bearer_auth(key).json(&body);
        anyhow::Ok(request.send().await?.error_for_status()?.json::<Value>().await?)
    };
    let user = post("users", json!({"login": USER, "role": "owner", "name": "Demo"})).await?;
    let code = user["setup_code"].as_str().context("the hub gave no set-up code")?;
    post("setup", json!({"code": code, "password": password})).await?;
    Ok(password)
}

#[expect(clippy::print_stdout, reason = "this is what the demo is for")]
fn greet(http: &str, key: &str, password: &str, data_dir: &str) {
    println!(
        "listening on {http}\n\n\
         Two simulated terminals are connected: accounts 1001 and 1002 on {SERVER}, real EURUSD bars of March 2024.\n\
         Open      {http}/connections\n\
         Login     {USER}\n\
         Password  {password}\n\
         Admin key {key}\n\
         Data in   {data_dir}\n\n\
         1. Who is connected:\n\n\
         curl -s {http}/api/v1/terminals -H 'Authorization: Bearer {key}'\n\n\
         2. The last ten hourly bars:\n\n\
         curl -s '{http}/api/v1/terminals/1001/bars/EURUSD?timeframe=H1&limit=10' -H 'Authorization: Bearer {key}'\n\n\
         3. Buy 0.1 lots; run the same line again and nothing is bought twice:\n\n\
         curl -s -X POST {http}/api/v1/terminals/1001/orders -H 'Authorization: Bearer {key}' -H 'Idempotency-Key: first-order' \
         -H 'Content-Type: application/json' -d '{{\"symbol\":\"EURUSD\",\"side\":\"buy\",\"type\":\"market\",\"volume\":0.1}}'\n\n\
         Ctrl-c ends it."
    );
}
