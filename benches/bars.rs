//! What a download of bars costs: `cargo bench --bench bars` (or `make bench`).
//!
//! A real month of M1 bars from a simulated terminal, then from the cache, beside a plain TCP copy of the same bytes in the same run:
//! quote the ratios. Then the hub's memory under the largest downloads there are, many at a time. The hub is a process of its own; the
//! terminal shares this one with the caller. Linux only (it reads /proc). ROUNDS=n sets how often.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_debug_implementations
)]

#[allow(dead_code)]
mod support;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use mtbridge::{
    domain::market::Bar,
    simulator::{SimulatedTerminal, SimulatorConfig, bars::BarSet},
};
use support::{Hub, percentile, rss_kib};

const MONTH: &[u8] = include_bytes!("../tests/data/eurusd-m1-2024-03.csv.zst");

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let rounds = std::env::var("ROUNDS").map_or(9, |n| n.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Tasks of the runtime, since the support's own calls block.
    runtime
        .block_on(runtime.spawn(async move {
            month(rounds).await;
            memory().await;
        }))
        .unwrap();
}

async fn terminal(hub: &Hub, token: &str, login: u64, bars: &Arc<BarSet>) -> SimulatedTerminal {
    let url = format!("ws://{}/ws/terminal", hub.address);
    let mut config = SimulatorConfig::new(&url, token, login, "Bench");
    config.bars = Some(Arc::clone(bars));
    config.start = Some(bars.m1().last().unwrap().time + 3_600);
    let terminal = SimulatedTerminal::start(config).unwrap();
    terminal.connected().wait_for(|connected| *connected).await.unwrap();
    terminal
}

fn path(login: u64, format: &str) -> String {
    format!("/api/v1/terminals/{login}/bars/EURUSD?timeframe=M1&from=2000-01-01T00:00:00Z&limit=100000&format={format}")
}

/// Reads one answer to its end; its length and the milliseconds it took.
async fn download(client: &reqwest::Client, hub: &Hub, path: &str) -> (usize, f64) {
    download_as(client, hub, path, "identity").await
}

/// The same, compressed.
async fn download_as(client: &reqwest::Client, hub: &Hub, path: &str, coding: &str) -> (usize, f64) {
    let start = Instant::now();
    let url = format!("http://{}{path}", hub.address);
    let asking = client.get(url).bearer_auth(&hub.key).header("accept-encoding", coding);
    let mut response = asking.send().await.unwrap().error_for_status().unwrap();
    let mut length = 0;
    while let Some(piece) = response.chunk().await.unwrap() {
        length += piece.len();
    }
    (length, start.elapsed().as_secs_f64() * 1e3)
}

fn client() -> reqwest::Client {
    let tls = mtbridge::tls::client(None).unwrap();
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured((*tls).clone()).build().unwrap()
}

async fn month(rounds: usize) {
    let bars = Arc::new(BarSet::read(zstd::decode_all(MONTH).unwrap().as_slice()).unwrap());
    let hub = Hub::start();
    let tokens = tokio::task::block_in_place(|| hub.mint_tokens(rounds));
    let client = client();
    let (mut live, mut cache, mut json, mut copy) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut size = (0, 0);
    for (login, token) in (1_001..).zip(&tokens) {
        // An account of its own, so that nothing of it is cached.
        let terminal = terminal(&hub, token, login, &bars).await;
        let (bytes, ms) = download(&client, &hub, &path(login, "packed")).await;
        assert_eq!(bytes, bars.m1().len() * Bar::SIZE);
        live.push(ms);
        terminal.stop().await;
        for _ in 0..5 {
            let (cached, ms) = download(&client, &hub, &path(login, "packed")).await;
            // All but the bar that was still forming.
            assert_eq!(cached, bytes - Bar::SIZE);
            cache.push(ms);
            let (text, ms) = download(&client, &hub, &path(login, "json")).await;
            json.push(ms);
            size = (bytes, text);
            copy.push(tokio::task::spawn_blocking(move || tcp_copy(bytes)).await.unwrap());
        }
    }
    let base = percentile(&mut copy, 50.0);
    println!("{:<52} {:>10} {:>10} {:>8}", format!("{} bars", bars.m1().len()), "p50 ms", "p99 ms", "ratio");
    for (what, samples) in [
        (format!("plain TCP copy of {} bytes", size.0), &mut copy),
        ("from the terminal, packed".to_owned(), &mut live),
        ("from the cache, packed".to_owned(), &mut cache),
        (format!("from the cache, JSON of {} bytes", size.1), &mut json),
    ] {
        let (p50, p99) = (percentile(samples, 50.0), percentile(samples, 99.0));
        println!("{what:<52} {p50:>10.2} {p99:>10.2} {:>8.1}  ({} samples)", p50 / base, samples.len());
    }
}

/// A request of 64 bytes, answered with so many; milliseconds.
fn tcp_copy(bytes: usize) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
        stream.write_all(&vec![7; bytes]).unwrap();
    });
    let mut stream = TcpStream::connect(address).unwrap();
    let start = Instant::now();
    stream.write_all(&[7; 64]).unwrap();
    stream.read_exact(&mut vec![0; bytes]).unwrap();
    let ms = start.elapsed().as_secs_f64() * 1e3;
    server.join().unwrap();
    ms
}

/// Sizes and times of 100,000 closed bars in each format, from the cache.
async fn formats(client: &reqwest::Client, hub: &Hub) {
    let rounds = std::env::var("ROUNDS").map_or(9, |n| n.parse().unwrap());
    // Into the cache.
    download(client, hub, &path(1_001, "packed")).await;
    println!("\n{:<52} {:>10} {:>10} {:>8}", "100,000 bars from the cache", "bytes", "p50 ms", "of JSON");
    let mut json = 0;
    for format in ["json", "columns", "csv", "ndjson", "packed", "arrow"] {
        for coding in ["identity", "gzip", "zstd"] {
            let (mut size, mut samples) = (0, Vec::new());
            for _ in 0..rounds {
                let (bytes, ms) = download_as(client, hub, &path(1_001, format), coding).await;
                size = bytes;
                samples.push(ms);
            }
            json = if json == 0 { size } else { json };
            let (p50, ratio) = (percentile(&mut samples, 50.0), size as f64 / json as f64);
            println!("{:<52} {size:>10} {p50:>10.1} {ratio:>8.3}", format!("{format}, {coding}"));
        }
    }
}

/// Memory under many downloads of 100,000 bars as JSON at a time.
async fn memory() {
    let bar = |n: i64| {
        let open = 1.08 + (n % 977) as f64 / 1e5;
        Bar {
            time: 1_600_000_020 / 60 * 60 + n * 60,
            open,
            high: open,
            low: open,
            close: open,
            tick_volume: n % 91,
            spread: 1,
            real_volume: 0,
        }
    };
    let bars = Arc::new(BarSet::from_bars((0..100_001).map(bar).collect()).unwrap());
    let hub = Hub::start();
    let token = tokio::task::block_in_place(|| hub.mint_token());
    let _terminal = terminal(&hub, &token, 1_001, &bars).await;
    let client = client();
    let idle = rss_kib(hub.pid());
    let (bytes, ms) = download(&client, &hub, &path(1_001, "json")).await;
    let one = peak_kib(hub.pid());
    println!("\n100,000 bars as JSON, {bytes} bytes: {ms:.0} ms; resident memory {idle} KiB idle, {one} KiB at most");
    for callers in [16_u64, 64] {
        let start = Instant::now();
        // Not equal questions, which would share one download.
        let from = |n: u64| path(1_001, "json").replace("2000-01-01", &format!("2000-{:02}-{:02}", 1 + n / 28, 1 + n % 28));
        let paths: Vec<_> = (0..callers).map(from).collect();
        let all = paths.iter().map(|path| download(&client, &hub, path));
        let done = futures_util::future::join_all(all).await;
        assert!(done.iter().all(|(length, _)| length.abs_diff(bytes) < 1_000));
        let took: Duration = start.elapsed();
        println!("{callers} of them at a time: {:.1} s, {} KiB at most", took.as_secs_f64(), peak_kib(hub.pid()));
    }
    formats(&client, &hub).await;
}

/// Most resident memory of a process so far, KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
