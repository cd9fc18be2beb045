//! As little HTTP as will do: one kept-alive connection, prebuilt requests, `content-length` bodies.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    task::JoinSet,
};

use super::{Hub, timed};

static KEYS: AtomicU64 = AtomicU64::new(0);

/// One connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    authority: String,
    key: String,
}

/// One connection with a runtime of its own.
pub struct Client {
    runtime: Runtime,
    connection: Connection,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl Client {
    pub fn connect(hub: &Hub) -> Self {
        let runtime = runtime();
        let connection = runtime.block_on(Connection::open(&hub.address, &hub.key));
        Self { runtime, connection }
    }

    /// One request; the body of its answer.
    pub fn ask(&mut self, line: &str, headers: &str, body: &str) -> String {
        let request = self.connection.request(line, headers, body);
        self.runtime.block_on(async { String::from_utf8_lossy(self.connection.ask(&request).await).into_owned() })
    }

    /// The same request again and again.
    pub fn repeat(self, line: &str, body: &str, time: Duration) -> Vec<f64> {
        let Self { runtime, mut connection } = self;
        let request = connection.request(line, "", body);
        runtime.block_on(timed(time, async move || {
            connection.ask(&request).await;
        }))
    }

    /// The same trade with a new key each time.
    pub fn repeat_trades(self, line: &str, body: &str, time: Duration) -> Vec<f64> {
        let Self { runtime, connection } = self;
        runtime.block_on(trades(connection, line.to_owned(), body.to_owned(), time))
    }

    /// The same request over many connections at once.
    pub fn many(hub: &Hub, connections: usize, line: &str, time: Duration) -> Vec<f64> {
        runtime().block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..connections {
                let mut connection = Connection::open(&hub.address, &hub.key).await;
                let request = connection.request(line, "", "");
                tasks.spawn(timed(time, async move || {
                    connection.ask(&request).await;
                }));
            }
            tasks.join_all().await.concat()
        })
    }

    /// Trades over many connections at once.
    pub fn many_trades(hub: &Hub, connections: usize, line: &str, body: &str, time: Duration) -> Vec<f64> {
        runtime().block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..connections {
                let connection = Connection::open(&hub.address, &hub.key).await;
                tasks.spawn(trades(connection, line.to_owned(), body.to_owned(), time));
            }
            tasks.join_all().await.concat()
        })
    }
}

async fn trades(mut connection: Connection, line: String, body: String, time: Duration) -> Vec<f64> {
    timed(time, async move || {
        let key = format!("Idempotency-Key: bench-{}\r\n", KEYS.fetch_add(1, Ordering::Relaxed));
        let request = connection.request(&line, &key, &body);
        let answer = connection.ask(&request).await;
        assert!(answer.windows(18).any(|part| part == b"\"state\":\"executed\""), "{}", String::from_utf8_lossy(answer));
    })
    .await
}

impl Connection {
    async fn open(address: &str, key: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new(), authority: address.to_owned(), key: key.to_owned() }
    }

    fn request(&self, line: &str, headers: &str, body: &str) -> Vec<u8> {
        let (authority, key, length) = (&self.authority, &self.key, body.len());
        format!("{line} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {key}\r\n{headers}content-length: {length}\r\n\r\n{body}")
            .into_bytes()
    }

    async fn ask(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the hub hung up");
            let Some(head) = self.buffer.windows(4).position(|part| part == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head]).unwrap();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            if self.buffer.len() == head + 4 + length {
                let status = &text[9..12];
                assert!(status.starts_with('2'), "{}", String::from_utf8_lossy(&self.buffer));
                return &self.buffer[head + 4..];
            }
        }
    }
}
