//! A hub that the test plays by hand, byte by byte, before a real Expert Advisor: what no real hub would say, at the moment it wants.
//!
//! Whatever the Expert Advisor says is held to the wire on the way: masked frames, messages that the hub's codec reads and would write
//! byte for byte the same.

use std::{net::SocketAddr, ops::Deref, path::PathBuf};

use mtbridge::{
    domain::{
        account::Platform,
        ids::{CommandId, EaInstance, SessionId},
        trade::TradeRequest,
    },
    protocol::{
        FromHub, FromTerminal,
        codec::{Messages, Row, decode},
        message::{Hello, Reply, Trade, Welcome},
    },
    simulator::{
        SimulatorConfig,
        host::{Expert, ExpertTerminal},
    },
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{PATIENCE, Token, ea::expert, fresh, simulator_config, soon};

pub const BOTH: [Platform; 2] = [Platform::Mt5, Platform::Mt4];
pub const LOGIN: u64 = 1001;
/// First byte of a whole binary frame, text frame, close, ping and pong.
pub const BINARY: u8 = 0x82;
pub const TEXT: u8 = 0x81;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// A terminal with the real Expert Advisor of a platform, which connects straight to an address: nothing is between them.
pub struct Ea {
    pub terminal: ExpertTerminal,
    log: Log,
    /// Its files.
    pub folder: TempDir,
}

/// What the process printed, shown with a test that fails.
pub struct Log(PathBuf);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.0).unwrap_or_default()).into_owned()
    }
}

impl Drop for Log {
    #[expect(clippy::print_stdout, reason = "it is shown with the test's own words")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the EA printed:\n{}", self.text());
        }
    }
}

impl Deref for Ea {
    type Target = ExpertTerminal;
    fn deref(&self) -> &ExpertTerminal {
        &self.terminal
    }
}

impl Ea {
    pub fn start(platform: Platform, hub: &EaHub) -> Self {
        Self::start_with(platform, hub, |_, _| {})
    }

    /// Past the host's proxy, which understands only what is well formed.
    pub fn start_with(platform: Platform, hub: &EaHub, change: impl FnOnce(&mut SimulatorConfig, &mut Expert)) -> Self {
        let token = Token { id: String::new(), secret: "mtb_test".into() };
        Self::at(platform, &hub.url(), &token, |config, expert| {
            // Given last, it counts.
            expert.inputs.push(("BackendURL".into(), hub.url()));
            change(config, expert);
        })
    }

    /// At a real hub, by way of the host's proxy.
    pub fn at(platform: Platform, url: &str, token: &Token, change: impl FnOnce(&mut SimulatorConfig, &mut Expert)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = simulator_config(url, token, LOGIN);
        config.platform = platform;
        let mut found = expert(platform, folder.path().join("files"));
        change(&mut config, &mut found);
        let log = Log(found.files.with_extension("log"));
        Self { terminal: ExpertTerminal::start(config, found).unwrap(), log, folder }
    }

    pub async fn is_connected(&self) {
        soon("the EA connects", self.connected().wait_for(|connected| *connected)).await.unwrap();
    }

    /// What its process printed, errors of its sanitizers among it.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Still the same process, and nothing about it to complain of.
    #[track_caller]
    pub fn is_well(&self) {
        assert!(self.outcome().is_none(), "it has ended: {:?}\n{}", self.outcome(), self.log());
    }

    /// Waits until it says for people that it has stopped for good, in these words.
    pub async fn stops_for_good(&self, words: &str) {
        let what = format!("the EA stops with `{words}`");
        soon(&what, self.tells(|told| told[0] == "alert" && told[1].contains(words))).await;
    }

    /// The chart changes: the EA leaves and starts anew, with another instance.
    pub fn chart_changes(&self) {
        self.push(&["deinit", "3"]);
    }
}

pub struct EaHub {
    listener: TcpListener,
}

impl EaHub {
    pub async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address())
    }

    /// The next connection, with its request.
    pub async fn knock(&self) -> Knock {
        let accepting = async {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            Knock { stream, head: String::from_utf8(head).unwrap() }
        };
        // It may have another connection to give up first.
        tokio::time::timeout(3 * PATIENCE, accepting).await.unwrap_or_else(|_| panic!("the EA does not knock"))
    }

    /// The next connection, upgraded.
    pub async fn link(&self) -> Link {
        self.knock().await.upgrade().await
    }

    /// The next connection, let in: it has said its first Status.
    pub async fn session(&self) -> Link {
        let mut link = self.link().await;
        link.let_in().await;
        link
    }
}

/// A request to upgrade.
pub struct Knock {
    pub stream: TcpStream,
    pub head: String,
}

impl Knock {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }

    /// What belongs into `Sec-WebSocket-Accept`.
    pub fn accept(&self) -> String {
        derive_accept_key(self.header("Sec-WebSocket-Key").unwrap().as_bytes())
    }

    /// Head of an upgrade with this key and these further lines.
    pub fn switching(accept: &str, lines: &str) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
        )
    }

    /// Says this and hangs up.
    pub async fn answer(mut self, bytes: &[u8]) {
        soon("the EA takes an answer", self.stream.write_all(bytes)).await.unwrap();
        let _ = self.stream.shutdown().await;
    }

    pub async fn upgrade(self) -> Link {
        self.upgrade_and(&[]).await
    }

    /// The upgrade and what follows it, in one write.
    pub async fn upgrade_and(mut self, more: &[u8]) -> Link {
        let mut answer = Self::switching(&self.accept(), "Sec-WebSocket-Protocol: mtbridge.v1\r\n").into_bytes();
        answer.extend_from_slice(more);
        self.stream.write_all(&answer).await.unwrap();
        Link::over(self.stream)
    }
}

/// An upgraded connection.
pub struct Link {
    pub stream: TcpStream,
    read: Vec<u8>,
    next: u64,
    /// As the EA said it.
    pub hello: Hello,
    /// The EA's count, in microseconds, as it was last heard.
    pub clock: u64,
    /// Payloads of the pongs that came.
    pub pongs: Vec<Vec<u8>>,
}

/// What the EA says.
#[derive(Debug)]
pub enum Said {
    Message(FromTerminal),
    /// Its close frame; 1005 if that has no code.
    Closed(u16),
    /// The connection is gone without one.
    Gone,
}

/// A frame of a server: unmasked, in the shortest form of its length.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len() as u64);
    frame.extend_from_slice(payload);
    frame
}

/// The head of a frame of such a length.
pub fn head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(length as u8),
        126..65_536 => {
            head.push(126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend(length.to_be_bytes());
        }
    }
    head
}

/// A close frame.
pub fn close(code: u16, words: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), words].concat())
}

pub fn welcome() -> FromHub {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let server_time = i64::try_from(now).unwrap();
    FromHub::Welcome(Welcome {
        session: SessionId::from_bytes([7; 16]),
        epoch: 1,
        heartbeat_ms: 200,
        server_time,
        subscriptions: Vec::new(),
        token_expires_at: server_time + 300 * 86_400_000,
    })
}

/// A new command's id, above all before it.
pub fn command() -> CommandId {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() << 80;
    CommandId::from_bytes((now + u128::from(fresh())).to_be_bytes())
}

/// The hub's tag number `n`.
pub fn tag(platform: Platform, n: u64) -> u64 {
    if platform == Platform::Mt4 { (0x5a << 24) | n } else { (0x6d74 << 32) | n }
}

/// Buys 0.1 lots at the market.
pub fn request(tag: u64) -> TradeRequest {
    let n = tag & 0x00ff_ffff;
    TradeRequest {
        action: 1,
        magic: tag,
        symbol: "EURUSD".into(),
        volume: 0.1,
        deviation: 100,
        comment: format!("#{n} test"),
        ..TradeRequest::default()
    }
}

impl Link {
    /// Over a connection that was upgraded.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new(), next: 0, hello: Hello::default(), clock: 0, pongs: Vec::new() }
    }

    pub async fn let_in(&mut self) {
        self.take_hello().await;
        self.say(welcome()).await;
        match self.next().await {
            Said::Message(FromTerminal::Status(_)) => {}
            other => panic!("after Welcome a Status is due at once, not {other:?}"),
        }
    }

    pub async fn take_hello(&mut self) {
        match self.next().await {
            Said::Message(FromTerminal::Hello(hello)) => self.hello = hello,
            other => panic!("the first message is Hello, not {other:?}"),
        }
    }

    pub fn instance(&self) -> EaInstance {
        EaInstance(self.hello.instance.clone().try_into().unwrap())
    }

    /// A trade for this instance that is due within a minute.
    pub fn trade(&self, command: CommandId, request: TradeRequest) -> Trade {
        Trade {
            command,
            instance: self.instance(),
            deadline_us: self.clock + 60_000_000,
            tag: request.magic,
            request: Row(request),
            seen_price: 0.0,
            max_slippage_points: 0,
        }
    }

    pub fn encode(&mut self, message: impl Into<FromHub>) -> Vec<u8> {
        self.next += 1;
        message.into().encode(self.next - 1)
    }

    pub async fn say(&mut self, message: impl Into<FromHub>) {
        let bytes = self.encode(message);
        self.write(&frame(BINARY, &bytes)).await;
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // The EA may have hung up; what it said before shows in what is read.
        let _ = soon("the EA reads", self.stream.write_all(bytes)).await;
    }

    /// The next message or the end. Pongs are kept.
    pub async fn next(&mut self) -> Said {
        soon("the EA says something", self.next_whenever()).await
    }

    async fn next_whenever(&mut self) -> Said {
        loop {
            let Some((first, payload)) = self.frame().await else { return Said::Gone };
            match first {
                BINARY => {
                    let found = decode::<FromTerminal>(&payload).unwrap_or_else(|error| panic!("{error}: {payload:02x?}"));
                    let message = found.message.unwrap_or_else(|| panic!("no message of the protocol: {payload:02x?}"));
                    assert_eq!(message.encode(found.count), payload, "the hub would write it so: {message:?}");
                    assert!(found.count >= self.clock, "the count only grows: {} after {}", found.count, self.clock);
                    self.clock = found.count;
                    return Said::Message(message);
                }
                PONG => self.pongs.push(payload),
                CLOSE => return Said::Closed(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
                other => panic!("the EA sends no frames that begin with {other:#x}"),
            }
        }
    }

    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        self.fill(2).await?;
        let (first, second) = (self.read[0], self.read[1]);
        assert_eq!(second & 0x80, 0x80, "a client masks its frames");
        let (head, length) = match second & 0x7f {
            126 => {
                self.fill(4).await?;
                (4, usize::from(u16::from_be_bytes(self.read[2..4].try_into().unwrap())))
            }
            127 => {
                self.fill(10).await?;
                (10, u64::from_be_bytes(self.read[2..10].try_into().unwrap()) as usize)
            }
            short => (2, usize::from(short)),
        };
        assert!(length < 126 || head > 2 && (length > 65_535) == (head == 10), "lengths are in their shortest form");
        self.fill(head + 4 + length).await?;
        let mask: [u8; 4] = self.read[head..head + 4].try_into().unwrap();
        let payload =
            self.read[head + 4..head + 4 + length].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        self.read.drain(..head + 4 + length);
        Some((first, payload))
    }

    async fn fill(&mut self, bytes: usize) -> Option<()> {
        while self.read.len() < bytes {
            if !matches!(self.stream.read_buf(&mut self.read).await, Ok(read) if read > 0) {
                return None;
            }
        }
        Some(())
    }

    /// The next message that is no Status, Transaction, Log or push of quotes or bars: those come by themselves.
    pub async fn answer(&mut self) -> FromTerminal {
        loop {
            match self.next().await {
                Said::Message(
                    FromTerminal::Status(_)
                    | FromTerminal::Transaction(_)
                    | FromTerminal::Log(_)
                    | FromTerminal::PushQuotes(_)
                    | FromTerminal::PushBars(_),
                ) => {}
                Said::Message(message) => return message,
                other => panic!("no answer but {other:?}"),
            }
        }
    }

    /// The reply to this call, its parts joined; other replies on the way are dropped.
    pub async fn reply(&mut self, call: u64) -> Reply {
        let mut whole: Option<Reply> = None;
        loop {
            let FromTerminal::Reply(reply) = self.answer().await else { continue };
            if reply.call != call {
                continue;
            }
            let part = whole.get_or_insert_with(|| Reply { body: Vec::new(), part: 0, ..reply.clone() });
            assert_eq!((reply.part, reply.parts), (part.part, part.parts), "parts come in order");
            part.body.extend_from_slice(&reply.body);
            part.part += 1;
            if part.part == part.parts.max(1) {
                return whole.unwrap();
            }
        }
    }

    /// How the EA ends the connection, whatever it says before.
    pub async fn end(&mut self) -> Said {
        loop {
            match self.next().await {
                Said::Message(_) => {}
                end => return end,
            }
        }
    }

    /// The code of its close frame.
    pub async fn close_code(&mut self) -> u16 {
        match self.end().await {
            Said::Closed(code) => code,
            other => panic!("no close frame but {other:?}"),
        }
    }
}
