//! What a flood of bad secrets costs those who have valid ones: `cargo bench --bench flood` (or `make bench`).
//!
//! 1,000,000 requests with bad API keys, named by a trusted proxy (this machine) as of 1,000 addresses, over 16 connections that ask again as
//! soon as they are answered; beside them one valid client. Its p50 is quoted as a ratio to the same client's on the idle hub and
//! beside the same load of `GET /healthz`, because both sides of the load share the machine with the hub. REQUESTS=n sets how many.

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
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use mtbridge::access::secret::{KEY_LIVE, Secret};
use support::{Hub, cpu_seconds, http::Client, percentile, rss_kib};

const CONNECTIONS: usize = 16;
const ADDRESSES: usize = 1_000;
const VALID: &str = "GET /api/v1/terminals";

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let requests: usize = std::env::var("REQUESTS").map_or(1_000_000, |n| n.parse().unwrap());
    let hub = Hub::start_with(&[("MTBRIDGE_HTTP__TRUSTED_PROXIES", "[\"127.0.0.1/32\"]")]);
    let time = Duration::from_secs(3);
    let mut quiet = Client::connect(&hub).repeat(VALID, "", time);
    let quiet = line("valid client, idle hub", &mut quiet, None);

    let (answers, mut beside, load) = beside(&hub, requests / 4, |_, _| "GET /healthz HTTP/1.1\r\nhost: hub\r\n".to_owned());
    assert_eq!(answers, [requests / 4 / CONNECTIONS * CONNECTIONS, 0, 0]);
    line("valid client beside GET /healthz", &mut beside, Some(quiet));
    println!("{:<44} {load:>10.1} µs of hub CPU a request", "");

    let memory = rss_kib(hub.pid());
    let (answers, mut beside, load) = beside_flood(&hub, requests);
    let p50 = line("valid client beside the flood", &mut beside, Some(quiet));
    println!("{:<44} {load:>10.1} µs of hub CPU a request", "");
    let mut after = Client::connect(&hub).repeat(VALID, "", time);
    let after = line("valid client, after it", &mut after, Some(quiet));
    let [let_in, unauthorized, throttled] = answers;
    println!(
        "\n{requests} bad secrets from {ADDRESSES} addresses: {let_in} let in, {unauthorized} told 401, {throttled} told 429"
    );
    println!("p50 of valid calls: {:.2} of the idle hub's, {:.2} after the flood", p50 / quiet, after / quiet);
    println!("resident memory: {memory} -> {} KiB", rss_kib(hub.pid()));
    assert_eq!(let_in, 0);
}

fn beside_flood(hub: &Hub, requests: usize) -> ([usize; 3], Vec<f64>, f64) {
    beside(hub, requests, |_, n| {
        // Every second one has a right checksum and is looked up; making one costs this side more than refusing it costs the hub.
        let secret =
            if n % 2 == 0 { STRAYS.with(|strays| strays[n / 2 % strays.len()].clone()) } else { format!("sk_live_{n:049}") };
        let address = n % ADDRESSES;
        format!(
            "{VALID} HTTP/1.1\r\nhost: hub\r\nx-forwarded-for: 10.7.{}.{}\r\nauthorization: Bearer {secret}\r\n",
            address / 250,
            address % 250
        )
    })
}

thread_local! {
    static STRAYS: Vec<String> = (0..4_096).map(|_| Secret::generate(KEY_LIVE).unwrap().reveal().to_owned()).collect();
}

/// `requests` of this kind over all connections, while one valid client asks: answers by status (200, 401, 429), the client's times, and the
/// hub's CPU a request of the load.
fn beside(
    hub: &Hub,
    requests: usize,
    make: impl Fn(usize, usize) -> String + Send + Copy + 'static,
) -> ([usize; 3], Vec<f64>, f64) {
    let (done, answers) = (Arc::new(AtomicBool::new(false)), Arc::new([const { AtomicUsize::new(0) }; 3]));
    let each = requests / CONNECTIONS;
    let cpu = cpu_seconds(hub.pid());
    let load: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (address, answers) = (hub.address.clone(), Arc::clone(&answers));
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = [0; 4_096];
                for n in 0..each {
                    let request = make(connection, n * CONNECTIONS + connection) + "\r\n";
                    stream.write_all(request.as_bytes()).unwrap();
                    let status = answer(&mut stream, &mut buffer);
                    let at = [200, 401, 429].iter().position(|known| *known == status).unwrap_or_else(|| panic!("{status}"));
                    answers[at].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let valid = {
        let (done, mut client) = (Arc::clone(&done), Client::connect(hub));
        std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                client.ask(VALID, "", "");
                samples.push(start.elapsed().as_secs_f64() * 1e6);
            }
            samples
        })
    };
    for thread in load {
        thread.join().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let samples = valid.join().unwrap();
    let cpu = (cpu_seconds(hub.pid()) - cpu) * 1e6 / (requests + samples.len()) as f64;
    (std::array::from_fn(|at| answers[at].load(Ordering::Relaxed)), samples, cpu)
}

/// Reads one answer; its status.
fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> u16 {
    let mut length = 0;
    loop {
        let read = stream.read(&mut buffer[length..]).unwrap();
        assert!(read > 0, "the hub hung up");
        length += read;
        let Some(head) = buffer[..length].windows(4).position(|part| part == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap();
        let body: usize = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if length == head + 4 + body {
            return text[9..12].parse().unwrap();
        }
    }
}

fn line(what: &str, samples: &mut [f64], base: Option<f64>) -> f64 {
    let (p50, p99) = (percentile(samples, 50.0), percentile(samples, 99.0));
    let ratio = base.map_or(String::new(), |base| format!("{:.2}", p50 / base));
    println!("{what:<44} p50 {p50:>8.1} µs  p99 {p99:>8.1} µs  {ratio:>6}  ({} samples)", samples.len());
    p50
}
