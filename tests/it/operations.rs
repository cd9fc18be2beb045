//! What operators see and do: metrics, health, the log, stopping, TLS, proxies.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use mtbridge::{
    access::secret::{KEY_LIVE, Secret},
    config::{Config, MetricsAccess},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use crate::harness::{
    Api, FakeTerminal, HubProcess, PASSWORD, Program, TestHub, Token, all_on, bad_upgrade, buy, client, client_trusting,
    eventually, exchange, exchange_over, fake::executed, fresh, orders, simulator_config, soon,
};

/// The value of one line of `/metrics`; 0 when it is not there yet.
async fn metric(api: &Api, line: &str) -> f64 {
    let answer = api.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.bytes).unwrap();
    let found = text.lines().find_map(|row| row.strip_prefix(line)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().unwrap_or_else(|_| panic!("{line}: {value}")))
}

async fn metric_becomes(api: &Api, line: &str, wanted: f64) {
    eventually(&format!("{line} becomes {wanted}"), async || {
        let seen = metric(api, line).await;
        if (seen - wanted).abs() < 1e-9 { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn metrics_count_what_happens_to_terminals_trades_and_callers() {
    let hub = TestHub::start().await;
    let api = hub.admin();
    let terminal = hub.terminal(1001).await;
    let _pending = hub.mint_token().await;
    api.get("/api/v1/terminals/1001/account").await.expect(200);
    api.once().post(&orders(1001), buy()).await.expect(200);
    hub.api("sk_live_wrong").get("/api/v1/terminals").await.refused(401, "unauthorized");
    hub.mint_key(&["read:bars"]).await.get("/api/v1/tokens").await.refused(403, "forbidden");
    api.get("/nowhere").await.refused(404, "not_found");

    for (line, wanted) in [
        ("mtbridge_tokens{state=\"connected\"}", 1.0),
        ("mtbridge_tokens{state=\"pending\"}", 1.0),
        ("mtbridge_sessions", 1.0),
        ("mtbridge_commands_total{state=\"executed\"}", 1.0),
        ("mtbridge_command_duration_seconds_count{hop=\"whole\"}", 1.0),
        ("mtbridge_command_duration_seconds_count{hop=\"queue\"}", 1.0),
        ("mtbridge_commands_open{state=\"unknown\"}", 0.0),
        ("mtbridge_auth_failures_total{reason=\"key_unknown\"}", 1.0),
        ("mtbridge_auth_failures_total{reason=\"key_forbidden\"}", 1.0),
        ("mtbridge_http_requests_total{method=\"GET\",route=\"/api/v1/terminals/{terminal}/account\",status=\"2xx\"}", 1.0),
        ("mtbridge_http_requests_total{method=\"GET\",route=\"none\",status=\"4xx\"}", 1.0),
        ("mtbridge_store_degraded", 0.0),
    ] {
        assert!((metric(&api, line).await - wanted).abs() < 1e-9, "{line} is not {wanted}");
    }
    for line in [
        "mtbridge_read_duration_seconds_count{hop=\"queue\"}",
        "mtbridge_read_duration_seconds_count{hop=\"terminal\"}",
        "mtbridge_read_duration_seconds_count{hop=\"whole\"}",
        "mtbridge_journal_sync_seconds_count",
        "mtbridge_journal_group_records_sum",
        "mtbridge_connections{kind=\"authenticated\"}",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(metric(&api, line).await > 0.0, "{line}");
    }
    assert_eq!(api.delete(&format!("/api/v1/tokens/{}", terminal.token.id)).await.status, 204);
    metric_becomes(&api, "mtbridge_terminal_ends_total{reason=\"token_revoked\"}", 1.0).await;
    metric_becomes(&api, "mtbridge_tokens{state=\"revoked\"}", 1.0).await;
}

#[tokio::test]
async fn a_trade_without_an_answer_counts_as_unknown_and_is_asked_about() {
    let hub = TestHub::start_with(|config| {
        config.trading.market_ttl = Duration::from_millis(200);
        config.trading.grace = Duration::from_millis(100);
    })
    .await;
    let api = hub.admin();
    let mut terminal = hub.fake(1001).await;
    let mut tasks = JoinSet::new();
    let buying = api.once().waiting(20);
    tasks.spawn(async move { buying.post(&orders(1001), buy()).await });
    let trade = terminal.trade().await;
    assert_eq!(terminal.query().await.command, trade.command);
    assert!((metric(&api, "mtbridge_commands_open{state=\"unknown\"}").await - 1.0).abs() < 1e-9);
    assert!((metric(&api, "mtbridge_commands_unknown_total").await - 1.0).abs() < 1e-9);
    assert!(metric(&api, "mtbridge_queries_total").await >= 1.0);
    terminal.send(executed(&trade, 7)).await;
    soon("the caller is told", tasks.join_next()).await.unwrap().unwrap().expect(200);
    metric_becomes(&api, "mtbridge_commands_open{state=\"unknown\"}", 0.0).await;
    metric_becomes(&api, "mtbridge_commands_total{state=\"executed\"}", 1.0).await;
}

#[tokio::test]
async fn metrics_are_for_admins_or_for_everyone_or_for_nobody() {
    let hub = TestHub::start().await;
    hub.api("").get("/metrics").await.refused(401, "unauthorized");
    hub.mint_key(&["read:account"]).await.get("/metrics").await.refused(403, "forbidden");
    assert!(hub.admin().get("/metrics").await.header("content-type").starts_with("application/openmetrics-text"));
    let hub = TestHub::start_with(|config| config.http.metrics = MetricsAccess::Open).await;
    assert_eq!(hub.api("").get("/metrics").await.status, 200);
    let hub = TestHub::start_with(|config| config.http.metrics = MetricsAccess::Off).await;
    hub.admin().get("/metrics").await.refused(404, "not_found");
}

#[tokio::test]
async fn readyz_says_that_the_disk_is_nearly_full_and_that_the_hub_stops() {
    let hub = TestHub::start_with(|config| config.store.free_space_floor_bytes = 0).await;
    hub.api("").get("/readyz").await.expect(200);
    let mut full = hub.config.clone();
    drop(hub);
    let dir = tempfile::tempdir().unwrap();
    (full.data_dir, full.store.free_space_floor_bytes, full.admin_key) = (dir.path().into(), u64::MAX, None);
    // The first admin key cannot be recorded: a hub in that state does not start at all.
    assert!(mtbridge::server::Server::bind(full).await.is_err());

    let mut hub = TestHub::start().await;
    hub.stop().await;
    hub.config.store.free_space_floor_bytes = u64::MAX;
    hub.start_again().await;
    assert_eq!(hub.api("").get("/readyz").await.expect(503)["status"], "low_space");
    hub.admin().post("/api/v1/tokens", json!({})).await.refused(503, "store_unavailable");
    assert!((metric(&hub.admin(), "mtbridge_store_low_space").await - 1.0).abs() < 1e-9);

    // A connection that is under way when the stop comes still gets its answer, and it says so.
    let mut late = TcpStream::connect(hub.addr()).await.unwrap();
    late.write_all(b"GET /readyz HTTP/1.1\r\n").await.unwrap();
    eventually("the hub has accepted it", async || {
        let open = metric(&hub.admin(), "mtbridge_connections{kind=\"stranger\"}").await;
        if open >= 1.0 { Ok(()) } else { Err(open.to_string()) }
    })
    .await;
    let (mut answer, mut stopping) = (String::new(), std::pin::pin!(hub.stop()));
    // Let the order to stop be heard before the request is whole.
    tokio::select! { biased; () = &mut stopping => {}, () = tokio::task::yield_now() => {} }
    late.write_all(b"Host: hub\r\n\r\n").await.unwrap();
    let ((), read) = tokio::join!(stopping, late.read_to_string(&mut answer));
    read.unwrap();
    assert!(answer.is_empty() || (answer.starts_with("HTTP/1.1 503") && answer.contains("\"stopping\"")), "{answer}");
}

#[tokio::test]
async fn every_terminal_is_told_to_come_back_and_stuck_ones_do_not_hold_the_stop_up() {
    const LIVE: u64 = 500;
    let mut hub = TestHub::start_with(|config| {
        // So that nobody is cut for another reason while 500 enter in an unoptimised build.
        config.terminals.dead_after = Duration::from_secs(60);
        config.terminals.hello_timeout = Duration::from_secs(60);
        config.http.max_unauthenticated_per_ip = 2_000;
    })
    .await;
    let mut live = Vec::new();
    for login in 1..=LIVE {
        live.push(hub.fake(login).await);
    }
    // One that never reads, one that is upgraded and silent, half a request, and a read that nobody answers.
    let token = hub.mint_token().await;
    let mut deaf = FakeTerminal::connect_with_buffer(hub.addr(), &token, Some(4_096)).await;
    deaf.send(deaf.hello(9_001)).await;
    let silent = FakeTerminal::connect(hub.addr(), &hub.mint_token().await).await;
    let mut half = TcpStream::connect(hub.addr()).await.unwrap();
    half.write_all(b"POST /api/v1/tokens HTTP/1.1\r\nHost: hub\r\n").await.unwrap();
    let asking = hub.admin();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(asking.get("/api/v1/terminals/1/account").await) });
    eventually("the read is at its terminal", async || match soon("the question", live[0].next()).await {
        crate::harness::Heard::Message(mtbridge::protocol::FromHub::GetAccount(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    let mut goodbyes = JoinSet::new();
    for mut terminal in live {
        goodbyes.spawn(async move { terminal.close_code().await });
    }
    let begun = Instant::now();
    hub.stop().await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    while let Some(code) = goodbyes.join_next().await {
        assert_eq!(code.unwrap(), 4000);
    }
    assert!(TcpStream::connect(hub.config.listen).await.is_err(), "nobody listens any more");
    drop((deaf, silent, half));
}

#[tokio::test]
async fn a_second_signal_ends_the_hub_at_once() {
    let (dir, admin) = (tempfile::tempdir().unwrap(), key());
    // A trade whose answer never comes keeps a graceful stop waiting for it.
    let mut hub = HubProcess::start(dir.path(), 0, &admin, &[("MTBRIDGE_TRADING__MARKET_TTL", "60s")]).await;
    let api = hub.api(&admin);
    let token = api.mint_token().await;
    let mut terminal = FakeTerminal::enter(hub.address.parse().unwrap(), &token, 1001).await;
    let mut tasks = JoinSet::new();
    let buying = api.once().waiting(30);
    tasks.spawn(async move { buying.send(reqwest::Method::POST, &orders(1001), Some(buy().to_string())).await.is_ok() });
    let trade = terminal.trade().await;
    terminal.send(mtbridge::protocol::message::Accepted { command: trade.command, lease_ms: 60_000 }).await;
    hub.program.terminate().await;
    eventually("it stops", async || {
        let log = hub.program.stderr();
        if log.contains("stopping") { Ok(()) } else { Err(log) }
    })
    .await;
    hub.program.terminate().await;
    assert_eq!(hub.program.ended().await.code(), Some(130), "{}", hub.program.stderr());
    assert!(!hub.program.stderr().contains("stopped"), "{}", hub.program.stderr());
}

fn key() -> String {
    Secret::generate(KEY_LIVE).unwrap().reveal().to_owned()
}

#[tokio::test]
async fn no_secret_is_in_the_log_at_any_level_and_lines_name_their_request_and_session() {
    let (dir, admin) = (tempfile::tempdir().unwrap(), key());
    // What is written at that level takes its time; the trade has more.
    let env = [("MTBRIDGE_LOG", "trace"), ("MTBRIDGE_LOG_FORMAT", "json"), ("MTBRIDGE_TRADING__MARKET_TTL", "60s")];
    let mut hub = HubProcess::start(dir.path(), 0, &admin, &env).await;
    let (api, addr) = (hub.api(&admin), hub.address.parse().unwrap());
    let (token, other) = (api.mint_token().await, api.mint_token().await);
    let bot =
        api.post("/api/v1/keys", json!({"permissions": ["trade:write"]})).await.expect(201)["key"].as_str().unwrap().to_owned();
    let rotated = api.post(&format!("/api/v1/tokens/{}/rotate", other.id), json!({})).await.expect(201)["token"].clone();
    let rotated = rotated.as_str().unwrap().to_owned();

    let mut terminal = Program::start(
        dir.path(),
        &["simulate", "--url", &hub.url(), "--token", &token.secret, "--login", "1001", "--log", "trace"],
        &[],
    );
    eventually("it is connected", async || {
        let row = api.get(&format!("/api/v1/tokens/{}", token.id)).await.expect(200);
        if row["state"] == "connected" { Ok(()) } else { Err(row.to_string()) }
    })
    .await;
    let bought = hub.api(&bot).once().post(&orders(1001), buy()).await;
    let request = bought.header("x-request-id").to_owned();
    let command = bought.expect(200)["id"].as_str().unwrap().to_owned();
    // Wrong, revoked, misplaced and malformed secrets.
    let wrong = key();
    hub.api(&wrong).get("/api/v1/terminals").await.refused(401, "unauthorized");
    hub.api(&token.secret).get("/api/v1/terminals").await.refused(401, "unauthorized");
    for line in [format!("Authorization: Bearer {admin}"), format!("Authorization: Bearer {}x", other.secret)] {
        assert_eq!(bad_upgrade(addr, &[&line, "Sec-WebSocket-Protocol: mtbridge.v1"]).await.0, 401);
    }
    // A person: made, set up, let in, refused, and calling by a cookie.
    let made = api.post("/api/v1/users", json!({"login": "anna", "role": "member"})).await.expect(201);
    let code = made["setup_code"].as_str().unwrap().to_owned();
    hub.api("").post("/api/v1/setup", json!({"code": code, "password": PASSWORD})).await.expect(201);
    let login = |password: &str| json!({"login": "anna", "password": password});
    hub.api("").post("/api/v1/session", login("not quite the password")).await.refused(401, "login_failed");
    let let_in = hub.api("").post("/api/v1/session", login(PASSWORD)).await;
    let cookie = let_in.header("set-cookie").split(';').next().unwrap().to_owned();
    hub.api("").with("cookie", &cookie).get("/api/v1/session").await.expect(200);
    hub.api("").with("cookie", &cookie).post("/api/v1/tokens", json!({})).await.refused(403, "cross_site");
    let misplaced = exchange(addr, &format!("GET / HTTP/1.1\r\nHost: hub\r\nAuthorization: Basic {wrong}\r\n\r\n")).await;
    assert!(misplaced.starts_with("HTTP/1.1 200"), "{misplaced}");
    assert_eq!(api.delete(&format!("/api/v1/tokens/{}", token.id)).await.status, 204);
    assert_eq!(terminal.ended().await.code(), Some(3));
    hub.program.terminate().await;
    hub.program.ended_well().await;

    let pepper = std::fs::read_to_string(dir.path().join("secret.key")).unwrap();
    let (log, theirs) = (hub.program.stderr(), terminal.stderr());
    assert!(log.lines().count() > 20, "{log}");
    for secret in [&admin, &bot, &wrong, &token.secret, &other.secret, &rotated, &pepper] {
        // The prefix that lists show is 12 characters; behind it nothing may be anywhere.
        let hidden = &secret[12..28];
        for line in log.lines().chain(theirs.lines()) {
            assert!(!line.contains(hidden), "a secret is in a log: {line}");
        }
    }

    for secret in [code.as_str(), cookie.split_once('=').unwrap().1, PASSWORD, "not quite the password"] {
        assert!(!log.contains(secret), "a secret is in a log: {log}");
    }

    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |message: &str| -> Vec<&Value> { lines.iter().filter(|line| line["fields"]["message"] == message).collect() };
    let dispatched = of("command dispatched");
    assert_eq!(dispatched.len(), 1, "{log}");
    assert_eq!((&dispatched[0]["fields"]["command"], &dispatched[0]["span"]["request_id"]), (&json!(command), &json!(request)));
    assert!(dispatched[0]["span"]["key"].as_str().is_some_and(|key| key.starts_with("key_")), "{}", dispatched[0]);
    let ended = of("command ended");
    assert_eq!((ended.len(), &ended[0]["fields"]["state"]), (1, &json!("executed")), "{log}");
    let connected = of("terminal connected");
    assert_eq!(connected.len(), 1, "{log}");
    let session = &connected[0]["span"]["session"];
    assert!(session.is_string() && ended[0]["span"]["session"] == *session, "{} {}", connected[0], ended[0]);
    assert!(
        of("terminal disconnected").iter().all(|line| line["span"]["session"] == *session && line["span"]["token"] == token.id)
    );
    assert_eq!(of("terminal refused").len(), 2, "{log}");
}

/// A certificate for 127.0.0.1, with its key.
struct Certificate {
    cert: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn write(&self, dir: &Path) -> (PathBuf, PathBuf) {
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&key, &self.key).unwrap();
        std::fs::write(&cert, &self.cert).unwrap();
        (cert, key)
    }
}

/// A hub with TLS, a folder with its files, and a caller that trusts only what `ca.pem` in there says.
async fn secured(first: &Certificate) -> (TestHub, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = first.write(dir.path());
    let hub = TestHub::start_with(|config: &mut Config| {
        (config.tls.cert_file, config.tls.key_file) = (Some(cert), Some(key));
    })
    .await;
    (hub, dir)
}

fn caller(hub: &TestHub, dir: &Path, trusted: &Certificate) -> Api {
    let ca = dir.join(format!("ca-{}.pem", fresh()));
    std::fs::write(&ca, &trusted.cert).unwrap();
    Api::new(&format!("https://{}", hub.addr()), &hub.admin_key, client_trusting(Some(&ca)))
}

async fn knows(hub: &TestHub, dir: &Path, certificate: &Certificate) -> bool {
    caller(hub, dir, certificate).send(reqwest::Method::GET, "/healthz", None).await.is_ok()
}

#[tokio::test]
async fn a_changed_certificate_is_taken_while_connections_live_and_a_bad_one_is_not() {
    let (first, second) = (Certificate::new(), Certificate::new());
    let (mut hub, dir) = secured(&first).await;
    let api = caller(&hub, dir.path(), &first);
    let token = api.mint_token().await;
    let mut config = simulator_config(&format!("wss://{}", hub.addr()), &token, 1001);
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &first.cert).unwrap();
    config.tls = Some(mtbridge::tls::client(Some(&ca)).unwrap());
    let terminal = crate::harness::Terminal { sim: crate::harness::Machine::start(config).unwrap(), token };
    terminal.is_connected().await;
    api.once().post(&orders(1001), buy()).await.expect(200);
    assert!(!knows(&hub, dir.path(), &second).await);

    std::fs::write(dir.path().join("cert.pem"), "nonsense").unwrap();
    metric_becomes(&api, "mtbridge_certificate_reloads_total{result=\"failed\"}", 1.0).await;
    assert!(knows(&hub, dir.path(), &first).await, "the old one stays");

    second.write(dir.path());
    metric_becomes(&api, "mtbridge_certificate_reloads_total{result=\"ok\"}", 1.0).await;
    assert!(knows(&hub, dir.path(), &second).await && !knows(&hub, dir.path(), &first).await);
    // The session that began under the first one has noticed nothing.
    assert_eq!(terminal.outcome(), None);
    assert!(*terminal.connected().borrow());
    caller(&hub, dir.path(), &second).once().post(&orders(1001), buy()).await.expect(200);
    assert_eq!(terminal.broker().executed().len(), 2);
    assert!(metric(&api, "mtbridge_terminal_ends_total{reason=\"gone\"}").await < 0.5);
    hub.stop().await;
}

#[tokio::test]
async fn a_listener_with_tls_speaks_nothing_else_and_waits_for_no_handshake() {
    let certificate = Certificate::new();
    let (hub, dir) = secured(&certificate).await;
    let api = caller(&hub, dir.path(), &certificate);
    // Plain HTTP into it, and one who says nothing at all.
    let plain = exchange(hub.addr(), "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n").await;
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");
    metric_becomes(&api, "mtbridge_connections_refused_total{reason=\"tls\"}", 1.0).await;
    let mut silent = TcpStream::connect(hub.addr()).await.unwrap();
    let mut rest = Vec::new();
    let _ = soon("the silent one is ended", silent.read_to_end(&mut rest)).await;
    metric_becomes(&api, "mtbridge_connections_refused_total{reason=\"tls\"}", 2.0).await;
}

#[tokio::test]
async fn the_program_speaks_tls_from_its_settings_and_its_simulator_trusts_a_file() {
    let (dir, admin, certificate) = (tempfile::tempdir().unwrap(), key(), Certificate::new());
    let (cert, key_file) = certificate.write(dir.path());
    let data = dir.path().join("data");
    let env = [
        ("MTBRIDGE_TLS__CERT_FILE", cert.to_str().unwrap()),
        ("MTBRIDGE_TLS__KEY_FILE", key_file.to_str().unwrap()),
        ("MTBRIDGE_ADMIN_KEY", &admin),
        ("MTBRIDGE_DATA_DIR", data.to_str().unwrap()),
        ("MTBRIDGE_STORE__FREE_SPACE_FLOOR_BYTES", "0"),
        ("MTBRIDGE_STORE__SEGMENT_BYTES", "1048576"),
    ];
    let mut hub = Program::start(dir.path(), &["serve", "--listen", "127.0.0.1:0"], &env);
    let line = hub.line().await.unwrap_or_else(|| panic!("{}", hub.stderr()));
    let url = line.strip_prefix("listening on https://").unwrap_or_else(|| panic!("{line}")).to_owned();
    let api = Api::new(&format!("https://{url}"), &admin, client_trusting(Some(&cert)));
    let wss = format!("wss://{url}");
    let args = ["simulate", "--url", &wss, "--key", &admin, "--count", "2", "--ca", cert.to_str().unwrap()];
    let mut terminals = Program::start(dir.path(), &args, &[]);
    eventually("two terminals over TLS", async || {
        let list = api.get("/api/v1/terminals").await.expect(200);
        let live = list["data"].as_array().unwrap().iter().filter(|row| row["state"] == "connected").count();
        if live == 2 { Ok(()) } else { Err(format!("{list} {}", terminals.stderr())) }
    })
    .await;
    // Without the file nobody vouches for it.
    let mut distrustful = Program::start(dir.path(), &["simulate", "--url", &wss, "--key", &admin], &[]);
    assert!(!distrustful.ended().await.success());
    terminals.terminate().await;
    terminals.ended_well().await;
    hub.terminate().await;
    hub.ended_well().await;

    std::fs::write(&cert, "nonsense").unwrap();
    let mut broken = Program::start(dir.path(), &["serve", "--listen", "127.0.0.1:0"], &env);
    assert_eq!(broken.ended().await.code(), Some(1));
    assert!(broken.stderr().contains("cert.pem"), "{}", broken.stderr());
}

/// A hub that takes this machine for a trusted proxy.
async fn behind_a_proxy(change: impl FnOnce(&mut Config)) -> TestHub {
    TestHub::start_with(|config| {
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        change(config);
    })
    .await
}

/// What a proxy at `127.0.0.2` is answered when it brings this request.
async fn brought_by_a_proxy(hub: &TestHub, request: &str) -> String {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    exchange_over(socket.connect(hub.addr()).await.unwrap(), request).await
}

fn healthz_for(client: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nHost: hub\r\nX-Forwarded-For: 9.9.9.9, {client}\r\n\r\n")
}

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is_and_budgets_count_by_that() {
    let hub = TestHub::start_with(|config| {
        config.http.trusted_proxies = vec!["127.0.0.2/32".parse().unwrap()];
        config.http.allow_plain = true;
        config.http.max_unauthenticated_per_ip = 1;
    })
    .await;
    // A client that is known from a connection of its own has its only place; the proxy's other clients are not held up.
    let idle = TcpStream::connect(hub.addr()).await.unwrap();
    let refused = eventually("the same client is over its budget", async || {
        let answer = brought_by_a_proxy(&hub, &healthz_for("127.0.0.1")).await;
        if answer.starts_with("HTTP/1.1 503") { Ok(answer) } else { Err(answer) }
    })
    .await;
    assert!(refused.contains("too_many_connections"), "{refused}");
    let other = brought_by_a_proxy(&hub, &healthz_for("203.0.113.2")).await;
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    drop(idle);
    eventually("its place is free again", async || {
        let answer = brought_by_a_proxy(&hub, &healthz_for("127.0.0.1")).await;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer) }
    })
    .await;
    let garbled = brought_by_a_proxy(&hub, &healthz_for("somebody")).await;
    assert!(garbled.starts_with("HTTP/1.1 400") && garbled.contains("malformed_request"), "{garbled}");
}

#[tokio::test]
async fn a_request_that_showed_a_key_waits_behind_a_proxy_without_holding_a_strangers_place() {
    let hub = behind_a_proxy(|config| config.http.max_unauthenticated_per_ip = 1).await;
    let mut waiting = TcpStream::connect(hub.addr()).await.unwrap();
    let head = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: hub\r\nX-Forwarded-For: 203.0.113.1\r\nAuthorization: Bearer {}\r\n\
         Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        hub.admin_key
    );
    waiting.write_all(head.as_bytes()).await.unwrap();
    // The handler asks for the body: the key was looked at.
    let mut asked = [0; 12];
    soon("the body is asked for", waiting.read_exact(&mut asked)).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    let meanwhile = exchange(hub.addr(), &healthz_for("203.0.113.1")).await;
    assert!(meanwhile.starts_with("HTTP/1.1 200"), "{meanwhile}");
    waiting.write_all(b"{}").await.unwrap();
    let mut answer = [0; 25];
    soon("it is answered", waiting.read_exact(&mut answer)).await.unwrap();
    assert!(answer.ends_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_terminal_behind_a_proxy_is_shown_with_its_own_address() {
    let hub = behind_a_proxy(|_| {}).await;
    let terminal = through_a_proxy(&hub, "203.0.113.7").await;
    let row = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
    assert!(row.to_string().contains("203.0.113.7 via 127.0.0.1:"), "{row}");
    drop(terminal);
    // Who is no trusted proxy only says it of himself.
    let hub = TestHub::start().await;
    let _terminal = through_a_proxy(&hub, "203.0.113.7").await;
    let row = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
    assert!(!row.to_string().contains("203.0.113.7"), "{row}");
}

async fn through_a_proxy(hub: &TestHub, client: &str) -> FakeTerminal {
    let token: Token = hub.mint_token().await;
    let mut terminal = FakeTerminal::connect_with_header(hub.addr(), &token, ("x-forwarded-for", client)).await;
    terminal.is_let_in(1001).await;
    terminal.send(all_on()).await;
    terminal
}

#[tokio::test]
async fn plain_http_off_loopback_is_refused_at_the_start_and_then_to_everyone_but_proxies() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let args = ["serve", "--listen", "0.0.0.0:0", "--data-dir", data.to_str().unwrap()];
    let mut open = Program::start(dir.path(), &args, &[]);
    assert_eq!(open.line().await, None);
    assert_eq!(open.ended().await.code(), Some(1));
    for word in ["--listen", "tls.cert_file", "http.trusted_proxies", "http.allow_plain"] {
        assert!(open.stderr().contains(word), "{word} is not in {}", open.stderr());
    }
    assert!(!data.exists(), "nothing was touched");

    let Some(outside) = own_address() else { return };
    let hub = TestHub::start_with(|config| {
        config.listen = (outside, crate::harness::free_port()).into();
        config.http.trusted_proxies = vec!["203.0.113.0/24".parse().unwrap()];
    })
    .await;
    let answer = exchange(hub.addr(), "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("come through TLS"), "{answer}");
    let hub = TestHub::start_with(|config| {
        config.listen = (outside, crate::harness::free_port()).into();
        config.http.trusted_proxies = vec![outside.into()];
    })
    .await;
    assert_eq!(Api::new(&format!("http://{}", hub.addr()), "", client()).get("/healthz").await.status, 200);
}

/// An address of this machine that is not loopback; a machine may have none.
fn own_address() -> Option<std::net::IpAddr> {
    // Nothing is sent: the system only chooses a route.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[tokio::test]
async fn config_check_prints_what_is_in_force_or_all_that_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    std::fs::write(&file, "admin_key = \"sk_live_verysecret\"\n[terminals]\nheartbeat = \"1s\"\n").unwrap();
    let args = ["config", "check", "--config", file.to_str().unwrap(), "--log", "debug"];
    let mut good = Program::start(dir.path(), &args, &[("MTBRIDGE_HTTP__MAX_CONNECTIONS", "77")]);
    let mut text = String::new();
    while let Some(line) = good.line().await {
        text += &line;
        text.push('\n');
    }
    good.ended_well().await;
    for line in [
        "heartbeat = \"1s\"  # ",
        "hub.toml:3",
        "max_connections = 77  # MTBRIDGE_HTTP__MAX_CONNECTIONS",
        "log = \"debug\"  # --log",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(!text.contains("verysecret"), "{text}");

    std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n[terminals]\nheartbeat = \"1s\nmailbox = 3\n").unwrap();
    let mut torn = Program::start(dir.path(), &args, &[]);
    assert_eq!(torn.ended().await.code(), Some(1));
    assert!(torn.stderr().contains("hub.toml:3: "), "{}", torn.stderr());

    std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n[terminals]\nheartbeat = \"soon\"\nmailbox = 3\n").unwrap();
    let mut wrong =
        Program::start(dir.path(), &args, &[("MTBRIDGE_HTTP__MAX_CONECTIONS", "5"), ("MTBRIDGE_STORE__ACCEPT_LOSS", "no")]);
    assert_eq!(wrong.ended().await.code(), Some(1));
    for words in [
        "hub.toml:1: lisen is no setting; did you mean `listen`?",
        "hub.toml:3: terminals.heartbeat cannot be used",
        "MTBRIDGE_HTTP__MAX_CONECTIONS: http.max_conections is no setting; did you mean `max_connections`?",
        "MTBRIDGE_STORE__ACCEPT_LOSS: store.accept_loss cannot be used",
    ] {
        assert!(wrong.stderr().contains(words), "{words} is not in {}", wrong.stderr());
    }
}

#[tokio::test]
async fn a_credential_of_systemd_may_have_its_groups_bits_and_no_other_secret_may() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (given, data) = (dir.path().join("credentials"), dir.path().join("data"));
    std::fs::create_dir(&given).unwrap();
    let file = given.join("admin-key");
    std::fs::write(&file, key()).unwrap();
    let hub = |mode: u32, folder: &Path| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let env = [
            ("CREDENTIALS_DIRECTORY", folder.to_str().unwrap()),
            ("MTBRIDGE_ADMIN_KEY_FILE", file.to_str().unwrap()),
            ("MTBRIDGE_DATA_DIR", data.to_str().unwrap()),
            ("MTBRIDGE_STORE__FREE_SPACE_FLOOR_BYTES", "0"),
            ("MTBRIDGE_STORE__SEGMENT_BYTES", "1048576"),
        ];
        Program::start(dir.path(), &["serve", "--listen", "127.0.0.1:0"], &env)
    };
    // As systemd gives it: the mask of its access list stands where the group's bits are.
    let mut started = hub(0o440, &given);
    assert!(started.line().await.is_some_and(|line| line.starts_with("listening on")), "{}", started.stderr());
    started.terminate().await;
    started.ended_well().await;
    for (mode, folder) in [(0o440, data.as_path()), (0o444, given.as_path())] {
        let mut refused = hub(mode, folder);
        assert_eq!(refused.ended().await.code(), Some(1), "{mode:o} {}", folder.display());
        assert!(refused.stderr().contains("chmod 600"), "{}", refused.stderr());
    }
}

#[tokio::test]
async fn sigterm_during_the_first_start_ends_it_cleanly_and_the_admin_key_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let env = [
        ("MTBRIDGE_DATA_DIR", data.to_str().unwrap()),
        ("MTBRIDGE_STORE__FREE_SPACE_FLOOR_BYTES", "0"),
        ("MTBRIDGE_STORE__SEGMENT_BYTES", "1048576"),
        // A slow disk: the key is durable for a while before the start goes on.
        ("FAILPOINTS", "journal_after_sync=sleep(500)"),
    ];
    let mut hub = Program::start(dir.path(), &["serve", "--listen", "127.0.0.1:0"], &env);
    let written = data.join("journal/00000000000000000001.log");
    eventually("the journal has a record", async || {
        let bytes = std::fs::read(&written).map_err(|error| error.to_string())?;
        if bytes.iter().skip(64).any(|byte| *byte != 0) { Ok(()) } else { Err("only a header".into()) }
    })
    .await;
    hub.terminate().await;
    assert_eq!(hub.line().await, None, "it never said that it was ready");
    hub.ended_well().await;
    let told = hub.stderr();
    let first = told.lines().find(|line| line.starts_with("sk_live_")).unwrap_or_else(|| panic!("no key in {told}"));
    let mut again = Program::start(dir.path(), &["serve", "--listen", "127.0.0.1:0"], &env[..3]);
    let line = again.line().await.unwrap_or_else(|| panic!("{}", again.stderr()));
    let api = Api::new(line.strip_prefix("listening on ").unwrap(), first, client());
    api.get("/api/v1/tokens").await.expect(200);
    again.terminate().await;
    again.ended_well().await;
}
