//! A terminal that does what the test says, frame by frame.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use mtbridge::{
    domain::{
        ids::CommandId,
        market::SymbolSpec,
        trade::{TradeRequest, TradeResult},
    },
    protocol::{
        self, FromHub, FromTerminal,
        codec::{Messages, Row, decode, write_record},
        message::{
            Accepted, Hello, Latch, Outcome, Query, Reply, Status, Trade, TradeSessions, Welcome, outcome_kind, reply_status,
        },
    },
};
use tokio::{net::TcpSocket, time::Instant};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, handshake::client::Request},
};

use super::{SERVER, Token, soon};

pub struct FakeTerminal {
    pub socket: WebSocketStream<tokio::net::TcpStream>,
    pub instance: [u8; 16],
    pub token: Token,
    /// The last kill level that the hub told.
    pub latch: Option<Latch>,
    /// What it says of trading hours; nothing when it cannot tell.
    pub hours: Option<TradeSessions>,
    started: Instant,
}

/// What came from the hub.
#[derive(Debug)]
pub enum Heard {
    Message(FromHub),
    /// With its code; 1006 when there was no close frame.
    Closed(u16),
}

pub fn request(addr: SocketAddr, token: &str) -> Request {
    let mut request = format!("ws://{addr}{}", protocol::PATH).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", protocol::SUBPROTOCOL.parse().unwrap());
    request
}

impl FakeTerminal {
    /// Upgraded, and silent.
    pub async fn connect(addr: SocketAddr, token: &Token) -> Self {
        Self::connect_with_buffer(addr, token, None).await
    }

    /// With so little room in the kernel that a terminal that does not read is felt soon.
    pub async fn connect_with_buffer(addr: SocketAddr, token: &Token, buffer: Option<u32>) -> Self {
        Self::connect_as(addr, token, buffer, request(addr, &token.secret)).await
    }

    /// With one more header.
    pub async fn connect_with_header(addr: SocketAddr, token: &Token, (name, value): (&'static str, &str)) -> Self {
        let mut request = request(addr, &token.secret);
        request.headers_mut().insert(name, value.parse().unwrap());
        Self::connect_as(addr, token, None, request).await
    }

    async fn connect_as(addr: SocketAddr, token: &Token, buffer: Option<u32>, request: Request) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let stream = soon("the hub accepts", socket.connect(addr)).await.unwrap();
        let (socket, _) = soon("the hub upgrades", client_async(request, stream)).await.unwrap();
        Self { socket, instance: rand::random(), token: token.clone(), latch: None, hours: None, started: Instant::now() }
    }

    /// Let in, with a Status that says that everything is on.
    pub async fn enter(addr: SocketAddr, token: &Token, login: u64) -> Self {
        let mut terminal = Self::connect(addr, token).await;
        terminal.is_let_in(login).await;
        terminal
    }

    pub async fn is_let_in(&mut self, login: u64) -> Welcome {
        self.send(self.hello(login)).await;
        let welcome = self.welcome().await;
        self.send(all_on()).await;
        welcome
    }

    pub fn hello(&self, login: u64) -> Hello {
        Hello {
            protocol: protocol::VERSION,
            platform: 5,
            login,
            server: SERVER.into(),
            company: "fake".into(),
            currency: "USD".into(),
            leverage: 100,
            margin_mode: 2,
            build: 4_000,
            instance: self.instance.to_vec(),
            symbols: 1,
            broker_time: 1_710_000_000,
            utc_offset_s: 7_200,
            ..Hello::default()
        }
    }

    pub async fn send(&mut self, message: impl Into<FromTerminal>) {
        self.try_send(message).await.unwrap();
    }

    pub async fn try_send(&mut self, message: impl Into<FromTerminal>) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        let count = u64::try_from(self.started.elapsed().as_micros()).unwrap();
        self.send_frame(Message::Binary(message.into().encode(count).into())).await
    }

    pub async fn send_frame(&mut self, frame: Message) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        soon("the hub takes a frame", self.socket.send(frame)).await
    }

    /// The next thing of the hub, apart from pings, kill levels, which are noted, and questions about trading hours, which are answered.
    pub async fn next(&mut self) -> Heard {
        soon("the hub says something", self.next_whenever()).await
    }

    /// The same, however long it takes.
    pub async fn next_whenever(&mut self) -> Heard {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(frame))) => match decode::<FromHub>(&frame).unwrap().message {
                    Some(FromHub::Latch(latch)) => self.latch = Some(latch),
                    Some(FromHub::GetSession(get)) => {
                        let reply = match &self.hours {
                            Some(hours) => Reply { call: get.call, body: write_record(hours), ..Reply::default() },
                            None => Reply { call: get.call, status: reply_status::UNSUPPORTED, ..Reply::default() },
                        };
                        self.send(reply).await;
                    }
                    Some(message) => return Heard::Message(message),
                    None => {}
                },
                Some(Ok(Message::Close(Some(close)))) => return Heard::Closed(close.code.into()),
                Some(Ok(Message::Ping(payload))) => assert!(payload.is_empty(), "WinHTTP breaks on a ping with payload"),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Heard::Closed(1006),
                Some(Ok(_)) => {}
            }
        }
    }

    pub async fn welcome(&mut self) -> Welcome {
        match self.next().await {
            Heard::Message(FromHub::Welcome(welcome)) => welcome,
            other => panic!("no Welcome but {other:?}"),
        }
    }

    /// The code with which the hub ends it, whatever comes before.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            if let Heard::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    /// The next trade. Questions about symbols on the way are answered as a broker's terminal does.
    pub async fn trade(&mut self) -> Trade {
        loop {
            match self.next().await {
                Heard::Message(FromHub::Trade(trade)) => return trade,
                Heard::Message(FromHub::GetSymbol(get)) => self.send(symbol(get.call, &get.symbol)).await,
                other => panic!("no trade but {other:?}"),
            }
        }
    }

    pub async fn query(&mut self) -> Query {
        match self.next().await {
            Heard::Message(FromHub::Query(query)) => query,
            other => panic!("no query but {other:?}"),
        }
    }

    /// The command that the hub acknowledges next.
    pub async fn acknowledged(&mut self) -> CommandId {
        match self.next().await {
            Heard::Message(FromHub::Acknowledge(acknowledge)) => acknowledge.command,
            other => panic!("no acknowledgement but {other:?}"),
        }
    }
}

pub fn all_on() -> Status {
    Status {
        broker_link: true,
        terminal_trade_allowed: true,
        ea_trade_allowed: true,
        account_trade_allowed: true,
        broker_time: 1_710_000_000,
        utc_offset_s: 7_200,
        market: 1,
        ..Status::default()
    }
}

pub fn symbol(call: u64, name: &str) -> Reply {
    let spec = SymbolSpec { name: name.to_owned(), filling_mode: 1, ..SymbolSpec::default() };
    Reply { call, parts: 1, body: write_record(&spec), ..Reply::default() }
}

pub fn accepted(command: CommandId) -> Accepted {
    Accepted { command, lease_ms: 5_000 }
}

/// What a broker says when it has done as asked.
pub fn executed(trade: &Trade, deal: u64) -> Outcome {
    let TradeRequest { volume, .. } = trade.request.0;
    let result = TradeResult { retcode: 10_009, deal, order: deal, volume, price: 1.09, ..TradeResult::default() };
    Outcome { command: trade.command, kind: outcome_kind::BROKER, reason: String::new(), result: Row(result) }
}

pub fn ea_refused(trade: &Trade) -> Outcome {
    Outcome { command: trade.command, kind: outcome_kind::REFUSED, reason: "no".into(), result: Row::default() }
}
