//! The parts of the benchmark that are not the benchmark: a hub process, a terminal that answers at once, a plain HTTP client.

pub mod http;
pub mod idle;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use mtbridge::{
    access::secret::{KEY_LIVE, Secret},
    domain::{market::Tick, trade::TradeResult},
    protocol::{
        FromHub, FromTerminal, PATH, SUBPROTOCOL,
        codec::{self, Messages, Row},
        message::{Accepted, Hello, Outcome, Quote, Reply, Status},
    },
};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client, client::IntoClientRequest, protocol::WebSocketConfig};

/// The value below which `p` per cent of the samples lie.
pub fn percentile(samples: &mut [f64], p: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[((samples.len() - 1) as f64 * p / 100.0).round() as usize]
}

/// User and system time of a process, seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanos = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("schedstat")).ok());
    nanos.map(|text| text.split(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>() / 1e9
}

/// Resident memory of a process, KiB.
pub fn rss_kib(pid: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Round trips of 64 bytes over `connections` plain TCP connections, microseconds.
pub fn echo(connections: usize, time: Duration) -> Vec<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // One thread for each side of all connections, as the hub has one process: readiness, not a thread a connection.
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tasks.spawn(async move {
                    use tokio::io::{AsyncReadExt, AsyncWriteExt};
                    let mut bytes = [0; 64];
                    while stream.read_exact(&mut bytes).await.is_ok() {
                        stream.write_all(&bytes).await.unwrap();
                    }
                });
            }
            while tasks.join_next().await.is_some() {}
        });
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let samples = runtime.block_on(async move {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            tasks.spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut bytes = [7; 64];
                timed(time, async move || {
                    stream.write_all(&bytes).await.unwrap();
                    stream.read_exact(&mut bytes).await.unwrap();
                })
                .await
            });
        }
        tasks.join_all().await.concat()
    });
    server.join().unwrap();
    samples
}

/// Repeats `once` for `time` and gives each duration in microseconds, the first tenth left out.
pub async fn timed(time: Duration, mut once: impl AsyncFnMut()) -> Vec<f64> {
    let mut samples = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        let start = Instant::now();
        once().await;
        samples.push(start.elapsed().as_secs_f64() * 1e6);
    }
    samples.split_off(samples.len() / 10)
}

/// Median of a 256-byte append with fdatasync in `dir`, microseconds.
pub fn fdatasync_p50(dir: &Path) -> f64 {
    let path = dir.join("fdatasync.bench");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut samples: Vec<_> = (0..500)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&[7; 256]).unwrap();
            file.sync_data().unwrap();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    std::fs::remove_file(path).unwrap();
    percentile(&mut samples, 50.0)
}

/// A hub in a process of its own.
pub struct Hub {
    child: Child,
    pub address: String,
    pub key: String,
    dir: tempfile::TempDir,
}

impl Hub {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these variables.
    pub fn start_with(env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let key = Secret::generate(KEY_LIVE).unwrap().reveal().to_owned();
        let mut child = Command::new(env!("CARGO_BIN_EXE_mtbridge"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(dir.path().join("data"))
            .env("MTBRIDGE_ADMIN_KEY", &key)
            // The same order, as fast as it goes.
            .env("MTBRIDGE_TRADING__DUPLICATE_WINDOW", "0s")
            .env("MTBRIDGE_STREAM__MAX_PER_KEY", "5000")
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect("the ready line").to_owned();
        Self { child, address, key, dir }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn mint_token(&self) -> String {
        self.mint_tokens(1).remove(0)
    }

    pub fn mint_tokens(&self, count: usize) -> Vec<String> {
        let mut client = http::Client::connect(self);
        let mint = |client: &mut http::Client| {
            let body = client.ask("POST /api/v1/tokens", "", "{}");
            let at = body.find("\"token\":\"").expect("a token") + 9;
            body[at..].split('"').next().unwrap().to_owned()
        };
        (0..count).map(|_| mint(&mut client)).collect()
    }

    /// Runs `work` and gives its samples with the hub's CPU for each, microseconds.
    pub fn measured(&self, work: impl FnOnce() -> Vec<f64>) -> (Vec<f64>, f64) {
        let before = cpu_seconds(self.pid());
        let samples = work();
        let cpu = (cpu_seconds(self.pid()) - before) * 1e6;
        // The warm-up tenth was paid for too.
        let count = samples.len() as f64 / 0.9;
        (samples, cpu / count)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A terminal that answers at once, on a thread of its own with blocking I/O: what it costs is not the hub's.
pub struct Terminal {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    stream: TcpStream,
}

pub fn hello(login: u64) -> Hello {
    Hello { protocol: 1, platform: 5, login, server: "Bench".into(), instance: login.to_be_bytes().repeat(2), ..Hello::default() }
}

impl Terminal {
    pub fn connect(hub: &Hub, token: &str, login: u64) -> Self {
        let stream = TcpStream::connect(&hub.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://{}{PATH}", hub.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        let config = WebSocketConfig::default().read_buffer_size(4_096);
        let (mut socket, _) =
            client::client_with_config(request, stream.try_clone().unwrap(), Some(config)).expect("the upgrade");
        let entered = Arc::new(Barrier::new(2));
        let stop = Arc::new(AtomicBool::new(false));
        let (started, stopping, stream) = (Arc::clone(&entered), Arc::clone(&stop), stream);
        let thread = std::thread::spawn(move || {
            send(&mut socket, hello(login).into());
            let status = Status {
                broker_link: true,
                terminal_trade_allowed: true,
                ea_trade_allowed: true,
                account_trade_allowed: true,
                ..Status::default()
            };
            while let Ok(message) = socket.read() {
                let Message::Binary(bytes) = message else { continue };
                match codec::decode::<FromHub>(&bytes).unwrap().message.unwrap() {
                    FromHub::Welcome(_) => {
                        send(&mut socket, status.clone().into());
                        started.wait();
                    }
                    FromHub::GetQuotes(ask) => {
                        let quote =
                            Quote { symbol: "EURUSD".into(), tick: Row(Tick { time: 1, bid: 1.1, ask: 1.2, ..Tick::default() }) };
                        let body = codec::write_rows(&[quote]);
                        send(&mut socket, Reply { call: ask.call, parts: 1, body, ..Reply::default() }.into());
                    }
                    FromHub::Trade(trade) => {
                        let result = TradeResult { retcode: 10_009, deal: 1, order: 1, ..TradeResult::default() };
                        let outcome = Outcome { command: trade.command, kind: 0, reason: String::new(), result: Row(result) };
                        let accepted = Accepted { command: trade.command, lease_ms: 1_000 };
                        // Both in one write, as an Expert Advisor sends all of a turn.
                        socket.write(Message::Binary(FromTerminal::from(accepted).encode(now_us()).into())).unwrap();
                        send(&mut socket, outcome.into());
                    }
                    _ => {}
                }
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        entered.wait();
        Self { stop, thread: Some(thread), stream }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let _ = self.thread.take().unwrap().join();
    }
}

fn send<S: Read + Write>(socket: &mut WebSocket<S>, message: FromTerminal) {
    let _ = socket.send(Message::Binary(message.encode(now_us()).into()));
}

fn now_us() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64
}
