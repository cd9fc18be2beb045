//! What the tests speak in: a hub, its callers, its terminals, and waiting for what is to come.

pub mod canned;
pub mod controls;
pub mod ea;
pub mod ea_hub;
pub mod fake;
mod people;
mod process;
pub mod proof;
pub mod stream;
mod wire;
mod world;

use std::{
    collections::VecDeque,
    net::{TcpListener, UdpSocket},
    ops::Deref,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use ea::{Machine, has_timeframe, platform};
pub use fake::{FakeTerminal, Heard, all_on};
use mtbridge::{
    access::secret::{KEY_LIVE, Secret},
    config::Config,
    domain::{account::Account, ids::OwnerId},
    market::feed::{Subscription, Topic},
    server::Server,
    simulator::{Backoff, SimulatorConfig},
    store::{
        Store,
        embedded::{EmbeddedOptions, EmbeddedStore},
    },
};
pub use people::PASSWORD;
pub use process::{HubProcess, Program};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, MissedTickBehavior, interval};
pub use wire::{bad_upgrade, exchange, exchange_over, upgrade_request};
pub use world::{Played, World};

/// Longer than anything in here takes, even on a busy machine: a wait that ends by it has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const SERVER: &str = "Demo-Server";

/// Looks again and again until `look` has what it looks for; after [`PATIENCE`] it panics with what was seen last.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(PATIENCE, what, look).await
}

/// The same with a time that is part of the promise.
pub async fn within<T>(time: Duration, what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + time;
    let mut turn = interval(Duration::from_millis(5));
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        let seen = match look().await {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(Instant::now() < until, "{what}: not within {time:?}; last seen: {seen}");
    }
}

/// A future that must be done in [`PATIENCE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// A number that no other test of this process has.
pub fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A port below the range from which the system gives out its own, so that a hub finds its old port free after a restart.
pub fn free_port() -> u16 {
    /// UDP ports of the same numbers, held so that no other test of this machine takes one between this look and the hub's bind, or
    /// while the hub is down: the latest of this process, so that a thousand tests in one do not use up its files.
    static MINE: Mutex<VecDeque<UdpSocket>> = Mutex::new(VecDeque::new());
    loop {
        let port = rand::random_range(20_000..32_000);
        let Ok(mark) = UdpSocket::bind(("127.0.0.1", port)) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            let mut mine = MINE.lock().unwrap();
            mine.push_back(mark);
            if mine.len() > 64 {
                mine.pop_front();
            }
            return port;
        }
    }
}

pub fn client() -> reqwest::Client {
    client_trusting(None)
}

/// One that trusts only the certificates in `ca`.
#[expect(clippy::disallowed_methods, reason = "this is the tests' one place")]
pub fn client_trusting(ca: Option<&Path>) -> reqwest::Client {
    let tls = mtbridge::tls::client(ca).unwrap();
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(70));
    builder.tls_backend_preconfigured((*tls).clone()).build().unwrap()
}

/// A store in `dir` as the hub of the tests opens it.
pub fn open_store(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(EmbeddedOptions { segment_bytes: 1 << 20, free_space_floor: 0, ..EmbeddedOptions::new(dir) }).unwrap()
}

/// A hub in this process, on a free port, over a folder of its own.
pub struct TestHub {
    server: Option<Server>,
    pub config: Config,
    pub admin_key: String,
    client: reqwest::Client,
    dir: TempDir,
}

/// A connection token, fresh from the hub.
#[derive(Debug, Clone)]
pub struct Token {
    pub id: String,
    pub secret: String,
}

impl TestHub {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut hub = Self::prepared(change);
        hub.server = Some(Server::bind(hub.config.clone()).await.unwrap());
        hub
    }

    /// Over a store that `make` builds around the real one.
    pub async fn over<S: Store + 'static>(
        make: impl FnOnce(Arc<dyn Store>) -> Arc<S>,
        change: impl FnOnce(&mut Config),
    ) -> (Self, Arc<S>) {
        let mut hub = Self::prepared(change);
        let store = make(Arc::new(open_store(hub.dir.path())));
        hub.server = Some(Server::bind_with_store(hub.config.clone(), store.clone()).await.unwrap());
        (hub, store)
    }

    fn prepared(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let admin_key = Secret::generate(KEY_LIVE).unwrap().reveal().to_owned();
        let mut config = Config {
            listen: ([127, 0, 0, 1], free_port()).into(),
            data_dir: dir.path().to_owned(),
            admin_key: Some(admin_key.clone()),
            ..Config::default()
        };
        config.store.free_space_floor_bytes = 0;
        config.store.segment_bytes = 1 << 20;
        config.terminals.heartbeat = Duration::from_millis(500);
        // All tests come from one address, and many show secrets that are none.
        config.throttle.failures_per_minute = 0;
        // Terminals that the tests speak for hear only what they were asked; tests of the comparison turn it on.
        config.trading.compare_every = Duration::ZERO;
        // Most tests place the same order again and again.
        config.trading.duplicate_window = Duration::ZERO;
        change(&mut config);
        Self { server: None, config, admin_key, client: client(), dir }
    }

    /// Stops the hub as an operator does; terminals are told to come back.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown();
            server.join().await;
        }
    }

    /// Starts it again, over what is on its disk.
    pub async fn start_again(&mut self) {
        assert!(self.server.is_none(), "stop it first");
        self.server = Some(Server::bind(self.config.clone()).await.unwrap());
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    pub fn addr(&self) -> std::net::SocketAddr {
        self.server.as_ref().unwrap().addr()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The live data of account `login`.
    pub fn follow(&self, login: u64, topic: Topic) -> Subscription {
        let account = Account::new(login, SERVER).unwrap();
        self.server.as_ref().unwrap().feed().subscribe(OwnerId::SELF, &account, topic)
    }

    pub fn url(&self) -> String {
        format!("ws://{}{}", self.config.listen, mtbridge::protocol::PATH)
    }

    /// A caller with this key.
    pub fn api(&self, key: &str) -> Api {
        Api::new(&format!("http://{}", self.config.listen), key, self.client.clone())
    }

    pub fn admin(&self) -> Api {
        self.api(&self.admin_key)
    }

    pub async fn mint_token(&self) -> Token {
        self.admin().mint_token().await
    }

    /// A key with exactly these permissions.
    pub async fn mint_key(&self, permissions: &[&str]) -> Api {
        let minted = self.admin().post("/api/v1/keys", json!({"permissions": permissions})).await.expect(201);
        self.api(minted["key"].as_str().unwrap())
    }

    /// A simulated terminal of the account `login`, connected.
    pub async fn terminal(&self, login: u64) -> Terminal {
        self.terminal_with(login, |_| {}).await
    }

    pub async fn terminal_with(&self, login: u64, change: impl FnOnce(&mut SimulatorConfig)) -> Terminal {
        Terminal::start(self.mint_token().await, &self.url(), login, change).await
    }

    /// A terminal that the test speaks for, let in.
    pub async fn fake(&self, login: u64) -> FakeTerminal {
        let token = self.mint_token().await;
        FakeTerminal::enter(self.config.listen, &token, login).await
    }

    pub async fn state_of(&self, token: &Token) -> String {
        let row = self.admin().get(&format!("/api/v1/tokens/{}", token.id)).await.expect(200);
        row["state"].as_str().unwrap().to_owned()
    }

    /// Waits until the token shows this state.
    pub async fn shows(&self, token: &Token, state: &str) {
        eventually(&format!("the token shows `{state}`"), async || {
            let seen = self.state_of(token).await;
            if seen == state { Ok(()) } else { Err(seen) }
        })
        .await;
    }
}

/// A terminal, simulated or with the real Expert Advisor in it, and its token.
pub struct Terminal {
    pub sim: Machine,
    pub token: Token,
}

impl Deref for Terminal {
    type Target = Machine;
    fn deref(&self) -> &Machine {
        &self.sim
    }
}

impl Terminal {
    pub async fn start(token: Token, url: &str, login: u64, change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let mut config = simulator_config(url, &token, login);
        change(&mut config);
        let terminal = Self { sim: Machine::start(config).unwrap(), token };
        terminal.is_connected().await;
        terminal
    }

    pub async fn is_connected(&self) {
        soon("the terminal connects", self.sim.connected().wait_for(|connected| *connected)).await.unwrap();
    }

    pub async fn is_gone(&self) {
        soon("the terminal is cut", self.sim.connected().wait_for(|connected| !*connected)).await.unwrap();
    }

    /// The broker carried out what this command's record says, and nothing twice.
    pub fn agrees_with(&self, command: &Value) {
        assert_true(command, &self.sim.broker().executed());
    }
}

/// A final record is true: its tag is in exactly one executed request if it says done, in none otherwise.
pub fn assert_true(command: &Value, executed: &[mtbridge::simulator::Executed]) {
    let tag = command["tag"].as_u64().unwrap_or_else(|| panic!("no tag in {command}"));
    let times = executed.iter().filter(|request| request.request.magic == tag).count();
    let done = match command["state"].as_str().unwrap() {
        "executed" => 1,
        "not_executed" | "ea_refused" | "broker_rejected" | "expired" | "cancelled" => 0,
        other => panic!("`{other}` is not final: {command}"),
    };
    assert_eq!(times, done, "the record and the broker disagree: {command}");
}

/// A terminal that comes back at once.
pub fn simulator_config(url: &str, token: &Token, login: u64) -> SimulatorConfig {
    let mut config = SimulatorConfig::new(url, &token.secret, login, SERVER);
    config.backoff =
        Backoff { base: Duration::from_millis(20), max: Duration::from_millis(100), taken: Duration::from_millis(200) };
    config.account.balance = 10_000_000.0;
    config
}

/// Somebody who calls the hub.
#[derive(Clone)]
pub struct Api {
    base: String,
    pub key: String,
    client: reqwest::Client,
    headers: Vec<(String, String)>,
}

/// What the hub answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    pub json: Value,
}

impl Api {
    pub fn new(base: &str, key: &str, client: reqwest::Client) -> Self {
        Self { base: base.to_owned(), key: key.to_owned(), client, headers: Vec::new() }
    }

    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    #[must_use]
    pub fn with_idempotency(&self, key: &str) -> Self {
        self.with("idempotency-key", key)
    }

    /// With a key that was never used.
    #[must_use]
    pub fn once(&self) -> Self {
        self.with_idempotency(&format!("once-{}", fresh()))
    }

    /// For at most so many seconds.
    #[must_use]
    pub fn waiting(&self, seconds: u64) -> Self {
        self.with("prefer", &format!("wait={seconds}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string())).await.unwrap()
    }

    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        self.send(Method::POST, path, Some(body.to_owned())).await.unwrap()
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body.to_string())).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await.unwrap()
    }

    /// An answer whose body is read as it comes.
    pub async fn stream(&self, path: &str) -> reqwest::Response {
        let mut request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = soon("the head of an answer", request.send()).await.unwrap();
        assert_eq!(response.status(), 200);
        response
    }

    /// The answer, or that the hub did not live to give one.
    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !self.key.is_empty() {
            request = request.bearer_auth(&self.key);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?.to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status, headers, bytes, json })
    }

    pub async fn mint_token(&self) -> Token {
        let minted = self.post("/api/v1/tokens", json!({"name": "test"})).await.expect(201);
        Token { id: minted["id"].as_str().unwrap().to_owned(), secret: minted["token"].as_str().unwrap().to_owned() }
    }

    /// Buys 0.01 lots on the terminal, under whatever Idempotency-Key this caller has.
    pub async fn buy(&self, terminal: impl std::fmt::Display) -> Answer {
        self.post(&orders(terminal), buy()).await
    }

    /// The command, as soon as it is final.
    pub async fn final_command(&self, id: &str) -> Value {
        eventually(&format!("{id} is final"), async || {
            let record = self.get(&format!("/api/v1/commands/{id}")).await.expect(200);
            if record["final"] == true { Ok(record) } else { Err(record["state"].to_string()) }
        })
        .await
    }
}

impl Answer {
    /// The body of an answer with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.json
    }

    /// The body of an error with this status and code, after a look at its form.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{}", String::from_utf8_lossy(&self.bytes));
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = &self.json;
        assert_eq!((&body["error"], &body["status"]), (&json!(code), &json!(status)), "{body}");
        assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()) && body["message"] == body["detail"], "{body}");
        assert!(
            body["request_id"] == self.header("x-request-id") && body["title"].is_string() && body["type"].is_string(),
            "{body}"
        );
        self.json
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub fn orders(terminal: impl std::fmt::Display) -> String {
    format!("/api/v1/terminals/{terminal}/orders")
}

pub fn buy() -> Value {
    json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.01})
}
