//! The control call: a small HTTP API with which a test, in whatever language, looks at the terminals and their broker and changes
//! what goes wrong while they run. `docs/simulator.md` describes it.
//!
//! It has no credentials and can trade on paper only, so it listens on this machine alone and answers no browser.

mod answers;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::header,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::answers::Failed;
use super::{
    faults::Fault,
    fleet::{Fleet, Slot},
    replay::SPEEDS,
    terminal::Switches,
};
use crate::domain::trade::TradeRequest;

/// One jump of the market's clock is at most this long.
const ADVANCE_MAX_MS: u64 = 31 * 86_400_000;

/// A control API that is being served.
#[derive(Debug)]
pub struct Control {
    addr: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Control {
    /// Listens on `addr`, which must be of this machine alone.
    ///
    /// # Errors
    /// When the address is another, or cannot be had.
    pub async fn serve(addr: SocketAddr, fleet: Arc<Fleet>) -> io::Result<Self> {
        if !addr.ip().is_loopback() {
            return Err(io::Error::other(format!("{addr} is not of this machine alone: use 127.0.0.1 or [::1]")));
        }
        let listener = TcpListener::bind(addr).await?;
        let (addr, stop, tasks) = (listener.local_addr()?, CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone();
        let service = axum::serve(listener, routes(fleet)).with_graceful_shutdown(async move { stopped.cancelled().await });
        tasks.spawn(async move {
            if let Err(error) = service.await {
                tracing::error!(%error, "the control API has ended");
            }
        });
        tasks.close();
        Ok(Self { addr, stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it, and waits until it is gone.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

fn routes(fleet: Arc<Fleet>) -> Router {
    Router::new()
        .route("/terminals", get(list))
        .route("/terminals/{login}", get(one))
        .route("/terminals/{login}/ledger", get(ledger))
        .route("/terminals/{login}/faults", put(set_faults))
        .route("/terminals/{login}/switches", put(set_switches))
        .route("/terminals/{login}/rules", put(set_rules))
        .route("/terminals/{login}/speed", put(set_speed))
        .route("/terminals/{login}/advance", post(advance))
        .route("/terminals/{login}/disconnect", post(disconnect))
        .route("/terminals/{login}/crash", post(crash))
        .route("/terminals/{login}/restart", post(restart))
        .route("/terminals/{login}/order_send", post(order_send))
        .fallback(async || Failed::not_found("there is no such call; docs/simulator.md lists them"))
        .layer(middleware::from_fn(local_only))
        .with_state(fleet)
}

/// A page in a browser must not reach it, not even through a name that it has made point here.
async fn local_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    let is_local =
        name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !is_local || request.headers().contains_key(header::ORIGIN) {
        return Failed::forbidden("only programs on this machine may call this").into_response();
    }
    next.run(request).await
}

type Answer = Result<Json<Value>, Failed>;

/// The terminals that `{login}` means: one account, or `all`.
fn slots(fleet: &Fleet, login: &str) -> Result<Vec<Arc<Slot>>, Failed> {
    if login == "all" {
        return Ok(fleet.slots().into_iter().map(|(_, slot)| slot).collect());
    }
    let found = login.parse().ok().and_then(|login| fleet.slot(login));
    found.map(|slot| vec![slot]).ok_or_else(|| Failed::not_found("there is no terminal of this account"))
}

fn the_one(fleet: &Fleet, login: &str) -> Result<Arc<Slot>, Failed> {
    match slots(fleet, login)?.as_slice() {
        [one] if login != "all" => Ok(one.clone()),
        _ => Err(Failed::bad_request("name one account, not all")),
    }
}

fn changed(slots: &[Arc<Slot>]) -> Answer {
    Ok(Json(json!({"changed": slots.len()})))
}

/// A body that is JSON of the right shape; none counts as `{}`.
fn body<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, Failed> {
    let text = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(text).map_err(|error| Failed::bad_request(&error.to_string()))
}

async fn list(State(fleet): State<Arc<Fleet>>) -> Json<Value> {
    let data: Vec<_> = fleet.slots().iter().map(|(login, slot)| answers::terminal(*login, slot)).collect();
    Json(json!({"connected": fleet.connected(), "data": data}))
}

async fn one(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>) -> Answer {
    let slot = the_one(&fleet, &login)?;
    Ok(Json(answers::terminal(slot.config().account.login, &slot)))
}

async fn ledger(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>) -> Answer {
    Ok(Json(answers::ledger(&the_one(&fleet, &login)?.terminal().broker())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFaults {
    faults: Vec<String>,
}

async fn set_faults(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>, bytes: bytes::Bytes) -> Answer {
    let slots = slots(&fleet, &login)?;
    let wanted: SetFaults = body(&bytes)?;
    let faults: Vec<Fault> = wanted
        .faults
        .iter()
        .map(|text| text.parse().map_err(|error: super::faults::UnknownFault| Failed::bad_request(&error.to_string())))
        .collect::<Result<_, _>>()?;
    slots.iter().for_each(|slot| slot.terminal().set_faults(faults.clone()));
    changed(&slots)
}

async fn set_switches(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>, bytes: bytes::Bytes) -> Answer {
    let slots = slots(&fleet, &login)?;
    let switches: Switches = body(&bytes)?;
    slots.iter().for_each(|slot| slot.terminal().set_switches(switches));
    changed(&slots)
}

async fn set_rules(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>, bytes: bytes::Bytes) -> Answer {
    let slots = slots(&fleet, &login)?;
    let changes: Map<String, Value> = body(&bytes)?;
    for slot in &slots {
        let broker = slot.terminal().broker();
        broker.set_rules(broker.rules().changed(&changes).map_err(|error| Failed::bad_request(&error))?);
    }
    changed(&slots)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetSpeed {
    speed: f64,
}

async fn set_speed(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>, bytes: bytes::Bytes) -> Answer {
    let slots = slots(&fleet, &login)?;
    let SetSpeed { speed } = body(&bytes)?;
    if !SPEEDS.contains(&speed) {
        return Err(Failed::bad_request("speed is 0.01 to 1000000"));
    }
    for slot in &slots {
        slot.terminal().broker().set_speed(speed).map_err(|error| Failed::internal(&error.to_string()))?;
    }
    changed(&slots)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    ms: u64,
}

async fn advance(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>, bytes: bytes::Bytes) -> Answer {
    let slots = slots(&fleet, &login)?;
    let Advance { ms } = body(&bytes)?;
    if ms > ADVANCE_MAX_MS {
        return Err(Failed::bad_request("31 days are the most"));
    }
    for slot in &slots {
        let terminal = slot.terminal();
        let moved = terminal.broker().advance(std::time::Duration::from_millis(ms));
        moved.map_err(|error| Failed::internal(&error.to_string()))?;
        // So that it tells the hub at once what has changed.
        terminal.look();
    }
    changed(&slots)
}

async fn disconnect(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>) -> Answer {
    let slots = slots(&fleet, &login)?;
    slots.iter().for_each(|slot| slot.terminal().disconnect());
    changed(&slots)
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Crash {
    lose: bool,
}

async fn crash(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>, bytes: bytes::Bytes) -> Answer {
    let slots = slots(&fleet, &login)?;
    let Crash { lose } = body(&bytes)?;
    slots.iter().for_each(|slot| slot.terminal().crash(lose));
    changed(&slots)
}

async fn restart(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>) -> Answer {
    let slots = slots(&fleet, &login)?;
    for slot in &slots {
        slot.restart().await.map_err(|refused| Failed::internal(&refused.reason))?;
    }
    changed(&slots)
}

/// Somebody else trades on the account: a person at another terminal, or another program.
async fn order_send(State(fleet): State<Arc<Fleet>>, Path(login): Path<String>, bytes: bytes::Bytes) -> Answer {
    let terminal = the_one(&fleet, &login)?.terminal();
    let request: TradeRequest = body(&bytes)?;
    let result = terminal.broker().order_send(&request);
    terminal.look();
    Ok(Json(answers::result(&result)))
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
