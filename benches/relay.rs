//! What a relay costs: `cargo bench --bench relay` (or `make bench`).
//!
//! Everything is measured beside a raw TCP echo and a bare fdatasync of the same run, because machines differ and drift: quote the
//! ratios. The hub is a process of its own, so its CPU and memory are its own. Linux only (it reads /proc). ROUNDS=n sets how often; ONLY_TRADES=1 runs the trades alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_debug_implementations
)]

mod support;

use std::time::Duration;

use support::{Hub, Terminal, cpu_seconds, echo, fdatasync_p50, http::Client, idle, percentile, rss_kib};

const BODY: &str = r#"{"symbol":"EURUSD","side":"buy","type":"market","volume":0.1,"filling":"ioc"}"#;

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    if std::env::var_os("ONLY_TRADES").is_some() {
        let hub = Hub::start();
        let token = hub.mint_token();
        let _terminal = Terminal::connect(&hub, &token, 1001);
        let mut many = Client::many_trades(&hub, 64, "POST /api/v1/terminals/1001/orders", BODY, Duration::from_secs(4));
        line("a durable trade, 64 in flight", &mut many, None);
        return;
    }
    let rounds = std::env::var("ROUNDS").map_or(5, |n| n.parse().unwrap());
    println!("{:<44} {:>10} {:>10} {:>8}", "", "p50 µs", "p99 µs", "ratio");
    let mut ratios = Ratios::default();
    for round in 0..rounds {
        println!("-- round {} of {rounds}", round + 1);
        run(&mut ratios);
    }
    println!(
        "\nmedian of the rounds' ratios to the TCP echo: relay 1 in flight {:.2}, relay 64 in flight {:.2}",
        ratios.one(),
        ratios.many()
    );
    println!("durable trade: p50 over (relay p50 + 2 fdatasync p50), median of rounds: {:.2}", ratios.trade());
    println!(
        "CPU of the hub a relay, median of rounds: {:.1} µs at 1 in flight, {:.1} µs at 64",
        ratios.cpu_one(),
        ratios.cpu_many()
    );
    idle_memory(5_000);
}

#[derive(Default)]
struct Ratios {
    one: Vec<f64>,
    many: Vec<f64>,
    trade: Vec<f64>,
    cpu_one: Vec<f64>,
    cpu_many: Vec<f64>,
}

impl Ratios {
    fn one(&self) -> f64 {
        percentile(&mut self.one.clone(), 50.0)
    }
    fn many(&self) -> f64 {
        percentile(&mut self.many.clone(), 50.0)
    }
    fn trade(&self) -> f64 {
        percentile(&mut self.trade.clone(), 50.0)
    }
    fn cpu_one(&self) -> f64 {
        percentile(&mut self.cpu_one.clone(), 50.0)
    }
    fn cpu_many(&self) -> f64 {
        percentile(&mut self.cpu_many.clone(), 50.0)
    }
}

fn run(ratios: &mut Ratios) {
    let time = Duration::from_millis(1_500);
    let mut echo_one = echo(1, time);
    let echo_p50 = line("TCP echo, 1 in flight", &mut echo_one, None);
    let mut echo_many = echo(64, time);
    let echo_many_p50 = line("TCP echo, 64 in flight (64 connections)", &mut echo_many, None);

    let hub = Hub::start();
    let token = hub.mint_token();
    let terminal = Terminal::connect(&hub, &token, 1001);
    let quotes = "GET /api/v1/terminals/1001/quotes?symbols=EURUSD";

    let (mut one, cpu_one) = hub.measured(|| Client::connect(&hub).repeat(quotes, "", time));
    let relay_p50 = line("REST -> socket -> REST, 1 in flight", &mut one, Some(echo_p50));
    let (mut many, cpu_many) = hub.measured(|| Client::many(&hub, 64, quotes, time));
    let many_p50 = line("REST -> socket -> REST, 64 in flight, 1 terminal", &mut many, Some(echo_many_p50));

    let sync = fdatasync_p50(hub.data_dir());
    let mut trades = Client::connect(&hub).repeat_trades("POST /api/v1/terminals/1001/orders", BODY, time);
    let trade_p50 = line("a durable trade, 1 in flight", &mut trades, Some(echo_p50));
    let mut many_trades = Client::many_trades(&hub, 64, "POST /api/v1/terminals/1001/orders", BODY, time);
    line("a durable trade, 64 in flight", &mut many_trades, Some(echo_many_p50));
    println!("{:<44} {:>10.1}", "bare fdatasync of 256 bytes", sync);
    println!("{:<44} {:>10.1} / {:.1}", "hub CPU a relay, 1 / 64 in flight", cpu_one, cpu_many);

    ratios.one.push(relay_p50 / echo_p50);
    ratios.many.push(many_p50 / echo_many_p50);
    ratios.trade.push(trade_p50 / (relay_p50 + 2.0 * sync));
    ratios.cpu_one.push(cpu_one);
    ratios.cpu_many.push(cpu_many);
    drop(terminal);
}

fn line(what: &str, samples: &mut [f64], base: Option<f64>) -> f64 {
    let (p50, p99) = (percentile(samples, 50.0), percentile(samples, 99.0));
    let ratio = base.map_or(String::new(), |base| format!("{:.2}", p50 / base));
    println!("{what:<44} {p50:>10.1} {p99:>10.1} {ratio:>8}  ({} samples)", samples.len());
    p50
}

/// Memory of an idle terminal: the hub's resident memory with and without them.
fn idle_memory(count: usize) {
    let hub = Hub::start();
    let tokens = hub.mint_tokens(count);
    // Locking a token is a durable record, paid for once: done in small waves, so that it is not counted among what stays.
    for wave in tokens.chunks(100) {
        drop(idle::connect(&hub, wave));
    }
    let before = rss_kib(hub.pid());
    let terminals = idle::connect(&hub, &tokens);
    let after = rss_kib(hub.pid());
    let cpu = cpu_seconds(hub.pid());
    idle::stay(&terminals, Duration::from_secs(5));
    let cpu = cpu_seconds(hub.pid()) - cpu;
    let count = count as f64;
    println!(
        "{count} idle terminals: {:.1} KiB each ({} -> {} KiB), {:.1} µs of CPU a second each at one heartbeat in 2 s",
        (after - before) as f64 / count,
        before,
        after,
        cpu / 5.0 / count * 1e6
    );
}
