//! What the Expert Advisor adds to a call: `cargo bench --bench ea` (or `make bench`).
//!
//! The same calls of the same hub, in turns, to the simulator and to the real Expert Advisor of each platform (as `mqlc` translates it),
//! and the CPU that an idle one takes. Machines differ and drift: quote what is added, and the ratios. An EA looks at its socket 100 times a
//! second, and a caller who asks again at once waits for the whole next turn: 10 ms are added by intent. The rest is its own work and that
//! of the paper broker behind the runtime. Linux only (it reads /proc). ROUNDS=n sets how often.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    dead_code,
    unreachable_pub,
    missing_debug_implementations
)]

mod support;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use mqlc::{
    build::{Variant, binary},
    preprocess::Dialect,
};
use mtbridge::{
    domain::account::Platform,
    protocol::PATH,
    simulator::{
        SimulatedTerminal, SimulatorConfig,
        host::{Expert, ExpertTerminal},
    },
};
use support::{Hub, cpu_seconds, http::Client, percentile};
use tempfile::TempDir;

const BODY: &str = r#"{"symbol":"EURUSD","side":"buy","type":"market","volume":0.01}"#;
const KINDS: [(&str, u64); 3] = [("simulator", 1001), ("MetaTrader 5 EA", 1002), ("MetaTrader 4 EA", 1003)];

/// Terminals that stay as long as this does.
struct Terminals {
    runtime: tokio::runtime::Runtime,
    simulator: SimulatedTerminal,
    experts: [ExpertTerminal; 2],
    files: TempDir,
}

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let rounds = std::env::var("ROUNDS").map_or(3, |n| n.parse().unwrap());
    let hub = Hub::start();
    let terminals = Terminals::start(&hub);
    println!("{:<44} {:>10} {:>10} {:>10} {:>8}", "", "p50 µs", "p99 µs", "added p50", "ratio");
    for round in 0..rounds {
        println!("-- round {} of {rounds}", round + 1);
        compared("a relayed read (quotes)", |login| {
            let line = format!("GET /api/v1/terminals/{login}/quotes?symbols=EURUSD");
            Client::connect(&hub).repeat(&line, "", Duration::from_secs(2))
        });
        compared("a durable trade", |login| {
            let line = format!("POST /api/v1/terminals/{login}/orders");
            Client::connect(&hub).repeat_trades(&line, BODY, Duration::from_secs(2))
        });
    }
    drop(terminals);
    idle();
}

/// Runs the same on all three, one after the other.
fn compared(what: &str, mut work: impl FnMut(u64) -> Vec<f64>) {
    let mut base = None;
    for (kind, login) in KINDS {
        let mut samples = work(login);
        let (p50, p99) = (percentile(&mut samples, 50.0), percentile(&mut samples, 99.0));
        let base = *base.get_or_insert(p50);
        let what = format!("{what}: {kind}");
        println!("{what:<44} {p50:>10.0} {p99:>10.0} {:>10.0} {:>8.2}  ({} samples)", p50 - base, p50 / base, samples.len());
    }
}

impl Terminals {
    /// One of each kind, connected.
    fn start(hub: &Hub) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let inside = runtime.enter();
        let simulator = SimulatedTerminal::start(config(hub, KINDS[0].1, Platform::Mt5)).unwrap();
        let start = |(platform, dialect, login): (Platform, Dialect, u64)| {
            let mut expert = Expert::new(program(dialect), files.path().join(login.to_string()));
            // Straight to the hub: the host's proxy would be measured too.
            expert.inputs.push(("BackendURL".into(), format!("ws://{}{PATH}", hub.address)));
            ExpertTerminal::start(config(hub, login, platform), expert).unwrap()
        };
        let experts = [(Platform::Mt5, Dialect::Mql5, 1002), (Platform::Mt4, Dialect::Mql4, 1003)].map(start);
        drop(inside);
        for (_, login) in KINDS {
            wait_for(hub, login);
        }
        Self { runtime, simulator, experts, files }
    }
}

fn config(hub: &Hub, login: u64, platform: Platform) -> SimulatorConfig {
    let token = hub.mint_token();
    let mut config = SimulatorConfig::new(format!("ws://{}{PATH}", hub.address), &token, login, "Bench");
    (config.platform, config.account.platform) = (platform, platform);
    config.account.balance = 1e9;
    config
}

fn program(dialect: Dialect) -> PathBuf {
    binary(Path::new(env!("CARGO_MANIFEST_DIR")), dialect, Variant::Plain).unwrap_or_else(|error| panic!("{error}"))
}

/// Until the terminal may be traded on.
fn wait_for(hub: &Hub, login: u64) {
    let mut client = Client::connect(hub);
    while !client.ask("GET /api/v1/terminals", "", "").contains(&format!("\"login\":{login}")) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(1));
}

/// CPU of an Expert Advisor that is connected and asked nothing, each alone.
fn idle() {
    let hub = Hub::start();
    let terminals = Terminals::start(&hub);
    let time = Duration::from_secs(10);
    let processes = ["MtBridge5", "MtBridge4"].map(|name| (name, child(name)));
    let before = processes.map(|(_, pid)| cpu_seconds(pid));
    std::thread::sleep(time);
    for ((name, pid), before) in processes.into_iter().zip(before) {
        let used = (cpu_seconds(pid) - before) / time.as_secs_f64();
        println!("CPU of an idle EA, {name}: {:.2} % of a core ({:.0} µs a turn of 10 ms)", used * 100.0, used * 10_000.0);
    }
    drop(terminals);
}

/// The process of this name that this one has started.
fn child(name: &str) -> u32 {
    let ours = std::process::id().to_string();
    let found = std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let pid: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (command, rest) = stat.split_once(") ")?;
        (command.ends_with(&format!("({name}")) && rest.split(' ').nth(1) == Some(&ours)).then_some(pid)
    });
    found.unwrap_or_else(|| panic!("no process {name} was started"))
}
