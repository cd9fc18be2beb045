//! The terminal against a hub of a few lines, over real sockets: what is on the wire, and what each fault does.

use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::*;
use crate::{
    domain::{
        command::{tag, tagged_comment},
        ids::{CommandId, EaInstance, SessionId},
        trade::{TradeRequest, action, retcode},
    },
    protocol::{
        CloseReason, FromHub, FromTerminal, SUBPROTOCOL, VERSION,
        codec::{Messages as _, Row, decode},
        message::{
            Acknowledge, Answer, GetQuotes, Hello, Latch, Outcome, Query, Status, Trade, Welcome, answer_kind, outcome_kind,
            proof, reply_status, transaction_kind,
        },
    },
};

const PATIENCE: Duration = Duration::from_secs(10);
const FAR: u64 = u64::MAX;

struct FakeHub(TcpListener);

impl FakeHub {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn config(&self, faults: &[&str]) -> SimulatorConfig {
        let url = format!("ws://{}/ws/terminal", self.0.local_addr().unwrap());
        let ms = Duration::from_millis;
        SimulatorConfig {
            faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
            backoff: Backoff { base: ms(1), max: ms(5), taken: ms(20) },
            half_open_for: ms(10),
            ..SimulatorConfig::new(url, "mtb_token", 1001, "Demo-Server")
        }
    }

    fn terminal(&self, faults: &[&str]) -> SimulatedTerminal {
        SimulatedTerminal::start(self.config(faults)).unwrap()
    }

    async fn stream(&self) -> TcpStream {
        timeout(PATIENCE, self.0.accept()).await.expect("the terminal did not connect").unwrap().0
    }

    /// Upgrades the next connection and reads its Hello.
    async fn hello(&self) -> Line {
        #[expect(clippy::result_large_err, clippy::unnecessary_wraps, reason = "tungstenite's signature")]
        fn check(
            request: &Request,
            mut response: Response,
        ) -> Result<Response, tokio_tungstenite::tungstenite::handshake::server::ErrorResponse> {
            assert_eq!(request.headers()["authorization"], "Bearer mtb_token");
            assert_eq!(request.uri().path(), "/ws/terminal");
            let protocol = request.headers()["sec-websocket-protocol"].clone();
            assert_eq!(protocol, SUBPROTOCOL);
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        }
        let socket = accept_hdr_async(self.stream().await, check).await.unwrap();
        let mut line = Line { socket, hello: Hello::default(), sent: 0 };
        let Some(FromTerminal::Hello(hello)) = line.next().await else { panic!("no Hello") };
        line.hello = hello;
        line
    }

    /// Lets the next connection in.
    async fn welcome(&self) -> Line {
        let mut line = self.hello().await;
        let session = SessionId::from_bytes([9; 16]);
        let welcome =
            Welcome { session, epoch: 1, heartbeat_ms: 1_000, server_time: 0, subscriptions: vec![], token_expires_at: 0 };
        line.send(welcome).await;
        line
    }
}

/// The hub's end of a connection.
struct Line {
    socket: WebSocketStream<TcpStream>,
    hello: Hello,
    sent: u64,
}

impl Line {
    async fn send(&mut self, message: impl Into<FromHub>) {
        self.sent += 1;
        self.socket.send(Message::Binary(message.into().encode(self.sent).into())).await.unwrap();
    }

    /// The next message; none when the connection ended.
    async fn next(&mut self) -> Option<FromTerminal> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("nothing came")? {
                Ok(Message::Binary(frame)) => return decode::<FromTerminal>(&frame).unwrap().message,
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next message that somebody has asked for.
    async fn answer(&mut self) -> Option<FromTerminal> {
        loop {
            match self.next().await {
                Some(FromTerminal::Status(_) | FromTerminal::Transaction(_)) => {}
                other => return other,
            }
        }
    }

    async fn outcome(&mut self) -> Outcome {
        match self.answer().await {
            Some(FromTerminal::Outcome(outcome)) => outcome,
            other => panic!("{other:?} instead of an outcome"),
        }
    }

    async fn accepted(&mut self) -> CommandId {
        match self.answer().await {
            Some(FromTerminal::Accepted(accepted)) => accepted.command,
            other => panic!("{other:?} instead of ACCEPTED"),
        }
    }

    async fn ask(&mut self, trade: &Trade, dispatched: i64) -> Answer {
        let query = Query {
            command: trade.command,
            instance: trade.instance,
            tag: trade.tag,
            request: trade.request.clone(),
            dispatched_broker_time: dispatched,
            asked_at: 0,
        };
        self.send(query).await;
        match self.answer().await {
            Some(FromTerminal::Answer(answer)) => answer,
            other => panic!("{other:?} instead of an answer"),
        }
    }

    async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: CloseReason::from_code(code).unwrap().text().into() };
        self.socket.close(Some(frame)).await.unwrap();
    }

    /// A market order for the instance at the other end.
    fn trade(&self, n: u64) -> Trade {
        let tag = tag(Platform::Mt5, n).unwrap();
        let request = TradeRequest {
            action: action::DEAL,
            symbol: "EURUSD".into(),
            volume: 0.01,
            magic: tag,
            comment: tagged_comment(tag, ""),
            ..TradeRequest::default()
        };
        Trade {
            command: CommandId::from_bytes(u128::from(n).to_be_bytes()),
            instance: self.instance(),
            deadline_us: FAR,
            tag,
            request: Row(request),
            seen_price: 0.0,
            max_slippage_points: 0,
        }
    }

    fn instance(&self) -> EaInstance {
        self.hello.ea_instance().unwrap()
    }
}

#[tokio::test]
async fn a_terminal_introduces_itself_tells_its_status_and_answers_reads() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    let hello = &line.hello;
    assert_eq!((hello.protocol, hello.platform, hello.login, hello.server.as_str()), (VERSION, 5, 1001, "Demo-Server"));
    assert_eq!((hello.leverage, hello.margin_mode, hello.currency.as_str(), hello.symbols), (100, 2, "USD", 3));
    assert!([7_200, 10_800].contains(&hello.utc_offset_s) && hello.unfinished.is_empty());
    let Some(FromTerminal::Status(status)) = line.next().await else { panic!("Status comes first after Welcome") };
    assert_eq!((status.balance, status.market, status.broker_link), (10_000.0, 1, true));
    terminal.connected().wait_for(|connected| *connected).await.unwrap();
    line.send(GetQuotes { call: 5, symbols: vec!["EURUSD".into()] }).await;
    let Some(FromTerminal::Reply(reply)) = line.answer().await else { panic!("no reply") };
    assert_eq!((reply.call, reply.status, reply.parts), (5, reply_status::OK, 1));
    terminal.stop().await;
    assert_eq!(line.answer().await, None);
}

#[tokio::test]
async fn a_trade_is_accepted_executed_told_and_acknowledged() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    let trade = line.trade(1);
    line.send(trade.clone()).await;
    assert_eq!(line.accepted().await, trade.command);
    let outcome = line.outcome().await;
    assert_eq!((outcome.kind, outcome.result.0.retcode), (outcome_kind::BROKER, retcode::DONE));
    // What it changed at the broker, in the order in which MetaTrader tells it, numbered; and the margin is another.
    let mut told = Vec::new();
    let status = loop {
        match line.next().await {
            Some(FromTerminal::Transaction(change)) => told.push((change.seq, change.kind)),
            Some(FromTerminal::Status(status)) => break status,
            other => panic!("{other:?}"),
        }
    };
    use transaction_kind::{DEAL_ADD, HISTORY_ADD, ORDER_ADD, ORDER_DELETE};
    assert_eq!(told, [(1, ORDER_ADD), (2, DEAL_ADD), (3, ORDER_DELETE), (4, HISTORY_ADD)]);
    assert!(status.margin > 0.0 && (status.positions, status.orders) == (1, 0));
    line.send(Acknowledge { command: trade.command }).await;
    // An unacknowledged outcome would come again on a new connection.
    line.close(4000).await;
    let mut again = hub.welcome().await;
    assert_eq!(again.hello.ea_instance(), line.hello.ea_instance(), "the EA lives on");
    assert_eq!(again.hello.unfinished, []);
    assert_eq!(again.ask(&trade, 0).await.kind, answer_kind::OUTCOME);
    let executed = terminal.broker().executed();
    assert_eq!(executed.iter().map(|one| one.request.magic).collect::<Vec<_>>(), [trade.tag]);
}

#[tokio::test]
async fn an_outcome_is_sent_every_second_until_the_hub_has_acknowledged_it() {
    let hub = FakeHub::start().await;
    let _terminal = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    let trade = line.trade(1);
    line.send(trade.clone()).await;
    line.accepted().await;
    let first = line.outcome().await;
    tokio::time::pause();
    let told = Instant::now();
    for _ in 0..3 {
        assert_eq!(line.outcome().await, first);
    }
    assert!((2_900..5_000).contains(&told.elapsed().as_millis()), "{:?}", told.elapsed());
    line.send(Acknowledge { command: trade.command }).await;
    // Ten heartbeats later nothing but Status has come; what changed by the trade was told at once.
    for _ in 0..10 {
        assert!(matches!(line.next().await, Some(FromTerminal::Status(_) | FromTerminal::Transaction(_))));
    }
}

#[tokio::test]
async fn a_ping_is_answered_and_what_is_turned_off_at_the_terminal_is_told_at_once() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    assert!(matches!(line.next().await, Some(FromTerminal::Status(_))));
    line.socket.send(Message::Ping(vec![].into())).await.unwrap();
    assert!(matches!(line.socket.next().await, Some(Ok(Message::Pong(_)))));
    for (switches, code) in [
        (Switches { terminal_trade_allowed: false, ..Switches::default() }, 10_027),
        (Switches { account_trade_allowed: false, ..Switches::default() }, 10_026),
        (Switches { broker_link: false, ..Switches::default() }, retcode::CONNECTION),
    ] {
        terminal.set_switches(switches);
        let told = |status: &Status| Switches {
            broker_link: status.broker_link,
            terminal_trade_allowed: status.terminal_trade_allowed,
            ea_trade_allowed: status.ea_trade_allowed,
            account_trade_allowed: status.account_trade_allowed,
        };
        while !matches!(line.next().await, Some(FromTerminal::Status(status)) if told(&status) == switches) {}
        let trade = line.trade(u64::from(code));
        line.send(trade.clone()).await;
        line.accepted().await;
        assert_eq!(line.outcome().await.result.0.retcode, code);
        line.send(Acknowledge { command: trade.command }).await;
    }
    assert_eq!(terminal.broker().requests(), [], "none of them reached the broker");
}

#[tokio::test]
async fn a_burst_of_trades_is_accepted_whole_and_each_is_executed_once() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    for n in 1..=100 {
        let frame = FromHub::from(line.trade(n)).encode(n);
        line.socket.feed(Message::Binary(frame.into())).await.unwrap();
    }
    line.socket.flush().await.unwrap();
    let (mut accepted, mut told) = (Vec::new(), std::collections::BTreeSet::new());
    while told.len() < 100 {
        match line.answer().await {
            Some(FromTerminal::Accepted(one)) => accepted.push(one.command),
            Some(FromTerminal::Outcome(outcome)) => {
                assert!(accepted.contains(&outcome.command), "ACCEPTED comes before the outcome");
                told.insert(outcome.command);
            }
            other => panic!("{other:?}"),
        }
    }
    let mut tags: Vec<_> = terminal.broker().executed().iter().map(|one| one.request.magic).collect();
    tags.dedup();
    assert_eq!(tags, (1..=100).map(|n| tag(Platform::Mt5, n).unwrap()).collect::<Vec<_>>());
}

#[tokio::test]
async fn error_401_is_final_and_503_is_not() {
    async fn refuse(hub: &FakeHub, status: &str, body: &str) {
        let mut stream = hub.stream().await;
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    refuse(&hub, "503 Service Unavailable", "").await;
    refuse(&hub, "401 Unauthorized", r#"{"error":"token_revoked","message":"the token was revoked"}"#).await;
    let refused = timeout(PATIENCE, terminal.ended()).await.unwrap().unwrap_err();
    assert_eq!(refused.to_string(), "Error 401: the token was revoked");
    assert_eq!(terminal.outcome(), Some(Err(refused)));
}

#[tokio::test]
async fn a_final_close_code_ends_the_terminal_in_words_and_nothing_is_sent_to_the_broker_after_it() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    let frame = FromHub::from(line.trade(1)).encode(1);
    line.socket.feed(Message::Binary(frame.into())).await.unwrap();
    line.close(4500).await;
    let refused = timeout(PATIENCE, terminal.ended()).await.unwrap().unwrap_err();
    assert!(refused.reason.contains("Error 401: the token was revoked"), "{refused}");
    assert_eq!(terminal.broker().requests(), []);
}

#[tokio::test]
async fn a_socket_cut_before_accept_leaves_a_command_that_was_never_seen() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&["drop:before_accept"]);
    let mut line = hub.welcome().await;
    let trade = line.trade(1);
    line.send(trade.clone()).await;
    assert_eq!(line.answer().await, None);
    let mut again = hub.welcome().await;
    assert_eq!(again.instance(), trade.instance);
    assert_eq!(again.ask(&trade, 0).await.kind, answer_kind::NOT_SEEN);
    again.send(trade).await;
    assert_eq!(again.outcome().await.kind, outcome_kind::REFUSED, "the tombstone holds");
    assert_eq!(terminal.broker().requests(), []);
}

#[tokio::test]
async fn a_socket_cut_in_the_middle_does_not_stop_the_ea_and_the_outcome_comes_on_the_next_connection() {
    for fault in ["drop:after_accept", "drop:after_execute", "drop:after_record"] {
        let hub = FakeHub::start().await;
        let terminal = hub.terminal(&[fault]);
        let mut line = hub.welcome().await;
        let trade = line.trade(1);
        line.send(trade.clone()).await;
        assert_eq!(line.accepted().await, trade.command, "{fault}");
        assert_eq!(line.answer().await, None, "{fault}");
        let mut again = hub.welcome().await;
        assert_eq!(again.instance(), trade.instance, "{fault}");
        assert_eq!(again.hello.unfinished, [trade.command], "{fault}");
        assert_eq!(again.outcome().await.result.0.retcode, retcode::DONE, "{fault}");
        assert_eq!(terminal.broker().requests().len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn what_a_new_instance_can_tell_depends_on_where_the_old_one_crashed() {
    for (fault, kind, executions, knows) in [
        ("crash:before_accept", answer_kind::NO_EVIDENCE, 0, false),
        ("crash:after_accept", answer_kind::NO_EVIDENCE, 0, true),
        ("crash:after_execute", answer_kind::EVIDENCE, 1, true),
        ("crash:after_record", answer_kind::OUTCOME, 1, true),
        ("crash-lose:after_accept", answer_kind::NO_EVIDENCE, 0, false),
        ("crash-lose:after_execute", answer_kind::EVIDENCE, 1, false),
        ("crash-lose:after_record", answer_kind::EVIDENCE, 1, false),
    ] {
        let hub = FakeHub::start().await;
        let terminal = hub.terminal(&[fault]);
        let mut line = hub.welcome().await;
        let (trade, dispatched) = (line.trade(1), line.hello.broker_time);
        line.send(trade.clone()).await;
        while line.answer().await.is_some() {}
        let mut again = hub.welcome().await;
        assert_ne!(again.instance(), trade.instance, "{fault}");
        assert_eq!(again.hello.unfinished.contains(&trade.command), knows, "{fault}");
        assert_eq!(again.hello.highest_tag == trade.tag, knows || executions == 1, "{fault}: the tag is never used again");
        let answer = again.ask(&trade, dispatched).await;
        assert_eq!(answer.kind, kind, "{fault}");
        if kind == answer_kind::NO_EVIDENCE {
            assert_eq!(answer.proof, proof::ALL, "{fault}");
        } else {
            assert_eq!(answer.result.0.retcode, retcode::DONE, "{fault}");
        }
        again.send(trade).await;
        assert!(matches!(again.answer().await, Some(FromTerminal::Log(_))), "{fault}: bound to the old instance");
        assert_eq!(terminal.broker().executed().len(), executions, "{fault}");
    }
}

#[tokio::test]
async fn a_half_open_terminal_says_nothing_more_keeps_its_socket_and_comes_back_beside_it() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    terminal.connected().wait_for(|connected| *connected).await.unwrap();
    terminal.set_faults(vec!["half-open".parse().unwrap()]);
    let mut again = hub.welcome().await;
    assert_eq!(again.instance(), line.instance());
    let trade = again.trade(1);
    again.send(trade).await;
    line.send(GetQuotes { call: 1, symbols: vec![] }).await;
    again.accepted().await;
    again.outcome().await;
    // What was sent before it froze may still come; then there is silence, and no end until the machine is gone.
    while let Some(before) = line.socket.next().now_or_never() {
        assert!(matches!(before, Some(Ok(Message::Binary(_)))), "{before:?}");
    }
    terminal.kill().await;
    assert_eq!(line.answer().await, None, "the read was never answered");
}

#[tokio::test]
async fn a_delay_holds_every_answer_back() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    assert!(matches!(line.next().await, Some(FromTerminal::Status(_))));
    terminal.set_faults(vec!["delay:80".parse().unwrap()]);
    let asked = Instant::now();
    let trade = line.trade(1);
    line.send(trade).await;
    line.accepted().await;
    line.outcome().await;
    assert!(asked.elapsed() >= Duration::from_millis(80));
    assert_eq!(terminal.broker().executed().len(), 1);
}

#[tokio::test]
async fn a_token_in_use_elsewhere_waits_longer_and_a_hub_that_breaks_the_protocol_is_left() {
    let hub = FakeHub::start().await;
    let _terminal = hub.terminal(&[]);
    let mut line = hub.hello().await;
    let closed = Instant::now();
    line.close(4002).await;
    let mut line = hub.welcome().await;
    assert!(closed.elapsed() >= Duration::from_millis(20));
    line.socket.send(Message::Binary(vec![0xc1].into())).await.unwrap();
    let mut line = hub.hello().await;
    let trade = line.trade(1);
    line.send(trade).await;
    assert_eq!(line.next().await, None, "a trade before Welcome");
}

#[tokio::test]
async fn stopping_says_goodbye_and_killing_does_not() {
    let hub = FakeHub::start().await;
    for polite in [true, false] {
        let terminal = hub.terminal(&[]);
        let mut line = hub.welcome().await;
        terminal.connected().wait_for(|connected| *connected).await.unwrap();
        if polite {
            terminal.stop().await
        } else {
            terminal.kill().await
        }
        let mut close = None;
        while let Some(Ok(message)) = timeout(PATIENCE, line.socket.next()).await.unwrap() {
            if let Message::Close(frame) = message {
                close = frame;
            }
        }
        assert_eq!(close.map(|frame| u16::from(frame.code)), polite.then_some(1000));
    }
}

#[tokio::test]
async fn a_simulator_that_is_killed_and_started_again_has_another_instance_and_the_same_broker() {
    let hub = FakeHub::start().await;
    let folder = tempfile::tempdir().unwrap();
    let start = || SimulatedTerminal::start(SimulatorConfig { state: Some(folder.path().into()), ..hub.config(&[]) }).unwrap();
    let terminal = start();
    let mut line = hub.welcome().await;
    let trade = line.trade(1);
    line.send(trade.clone()).await;
    line.accepted().await;
    let told = line.outcome().await;
    let executed = terminal.broker().executed();
    assert!(
        SimulatedTerminal::start(SimulatorConfig { state: Some(folder.path().into()), ..hub.config(&[]) }).is_err(),
        "one process"
    );
    terminal.kill().await;
    let terminal = start();
    let mut again = hub.welcome().await;
    assert_ne!(again.instance(), trade.instance);
    assert_eq!((again.hello.unfinished.clone(), again.hello.highest_tag), (vec![trade.command], trade.tag));
    let answer = again.ask(&trade, 0).await;
    assert_eq!((answer.kind, answer.result), (answer_kind::OUTCOME, told.result));
    assert_eq!(terminal.broker().executed(), executed);
}

#[tokio::test]
async fn two_terminals_of_one_account_see_one_broker() {
    let hub = FakeHub::start().await;
    let first = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    let second = SimulatedTerminal::start(SimulatorConfig { broker: Some(first.broker()), ..hub.config(&[]) }).unwrap();
    let mut other = hub.welcome().await;
    let trade = line.trade(1);
    line.send(trade.clone()).await;
    line.accepted().await;
    line.outcome().await;
    assert_eq!(other.ask(&trade, line.hello.broker_time).await.kind, answer_kind::EVIDENCE);
    assert_eq!(second.broker().executed(), first.broker().executed());
}

#[test]
fn a_configuration_that_cannot_be_is_refused_in_words() {
    let config = || SimulatorConfig::new("ws://127.0.0.1:1", "t", 1001, "Demo-Server");
    let reason = |config: SimulatorConfig| Player::new(config).map(|_| ()).unwrap_err().reason;
    assert!(reason(SimulatorConfig { speed: 0.0, ..config() }).contains("speed 0"));
    assert!(reason(SimulatorConfig { url: "https://x".into(), ..config() }).contains("wss://"));
    assert!(reason(SimulatorConfig::new("ws://x", "t", 0, "Demo-Server")).contains("not logged in"));
    assert!(
        reason(SimulatorConfig { account: AccountSettings { balance: f64::NAN, ..AccountSettings::default() }, ..config() })
            .contains("balance")
    );
    assert!(!format!("{:?}", SimulatorConfig::new("ws://x", "mtb_secret", 1, "x")).contains("mtb_secret"));
}

#[tokio::test]
async fn changes_that_nobody_heard_leave_a_gap_in_the_numbers() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    let line = hub.welcome().await;
    terminal.connected().wait_for(|connected| *connected).await.unwrap();
    terminal.disconnect();
    drop(line);
    let waiting = hub.stream().await;
    let buy = TradeRequest { action: action::DEAL, symbol: "EURUSD".into(), volume: 0.1, ..TradeRequest::default() };
    assert_eq!(terminal.broker().order_send(&buy).retcode, retcode::DONE);
    drop(waiting);
    let mut line = hub.welcome().await;
    let stops = TradeRequest { action: action::SLTP, position: terminal.broker().positions()[0].ticket, sl: 1.0, ..buy };
    assert_eq!(terminal.broker().order_send(&stops).retcode, retcode::DONE);
    let change = loop {
        if let Some(FromTerminal::Transaction(change)) = line.next().await {
            break change;
        }
    };
    assert_eq!((change.seq, change.kind), (5, transaction_kind::POSITION), "the four of the order were not heard");
    assert_eq!(change.position.unwrap().0.sl, 1.0);
}

#[tokio::test]
async fn a_latch_is_answered_with_a_status_and_holds_over_a_crash() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&[]);
    let mut line = hub.welcome().await;
    line.send(Latch { level: 2, reason: "enough".into() }).await;
    while !matches!(line.next().await, Some(FromTerminal::Status(status)) if (status.latch, status.latch_reason.as_str()) == (2, "enough"))
    {
    }
    terminal.crash(false);
    while line.next().await.is_some() {}
    let mut again = hub.welcome().await;
    assert_ne!(again.instance(), line.instance());
    let trade = again.trade(1);
    again.send(trade).await;
    again.accepted().await;
    let outcome = again.outcome().await;
    assert_eq!((outcome.kind, outcome.reason.as_str()), (outcome_kind::REFUSED, "the kill switch blocks openings: enough"));
    assert_eq!(terminal.broker().requests(), []);
}

#[tokio::test]
async fn faults_at_the_broker_strike_the_next_requests_and_are_used_up() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&["requote:2", "part:0.01", "drop-magic"]);
    let mut line = hub.welcome().await;
    let mut codes = Vec::new();
    for n in 1..=4 {
        let mut trade = line.trade(n);
        trade.request.0.volume = 0.03;
        line.send(trade).await;
        line.accepted().await;
        let result = line.outcome().await.result.0;
        codes.push((result.retcode, result.volume));
    }
    assert_eq!(codes, [(10_004, 0.0), (10_004, 0.0), (10_010, 0.01), (10_009, 0.03)]);
    assert!(terminal.broker().positions().iter().all(|position| position.magic == 0));
    assert_eq!(terminal.faults().len(), 1, "what lasts stays");
}

#[tokio::test]
async fn a_frozen_terminal_refuses_what_came_too_late_and_a_moved_clock_is_noticed() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&["wall-clock:60000"]);
    let mut line = hub.welcome().await;
    let trade = line.trade(1);
    line.send(trade).await;
    line.accepted().await;
    assert!(line.outcome().await.reason.contains("clock was moved"));
    terminal.set_faults(vec!["freeze:50".parse().unwrap()]);
    let mut late = line.trade(2);
    // Its deadline has passed before it can be read.
    late.deadline_us = 1;
    line.send(late).await;
    line.accepted().await;
    assert!(line.outcome().await.reason.starts_with("late by"));
    assert_eq!((terminal.broker().requests(), terminal.faults()), (vec![], vec![]));
}

#[tokio::test]
async fn a_duplicating_terminal_says_everything_twice_and_a_losing_one_not_everything() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&["duplicate"]);
    let mut line = hub.welcome().await;
    line.send(GetQuotes { call: 5, symbols: vec![] }).await;
    let first = line.answer().await;
    assert!(matches!(first, Some(FromTerminal::Reply(_))));
    assert_eq!(line.answer().await, first);
    terminal.set_faults(vec!["lose-frames:2".parse().unwrap()]);
    for call in 0..40 {
        line.send(GetQuotes { call, symbols: vec![] }).await;
    }
    line.close(4000).await;
    let mut heard = 0;
    while let Some(answer) = line.answer().await {
        heard += u32::from(matches!(answer, FromTerminal::Reply(_)));
    }
    assert!((10..=30).contains(&heard), "{heard} of 40");
}

#[tokio::test]
async fn what_was_just_executed_can_be_hidden_and_comes_to_light_later() {
    let hub = FakeHub::start().await;
    let terminal = hub.terminal(&["hide:60000", "crash-lose:after_execute"]);
    let mut line = hub.welcome().await;
    let (trade, dispatched) = (line.trade(1), line.hello.broker_time);
    line.send(trade.clone()).await;
    while line.answer().await.is_some() {}
    let mut again = hub.welcome().await;
    assert_eq!(again.ask(&trade, dispatched).await.kind, answer_kind::NO_EVIDENCE, "executed, and not shown yet");
    terminal.broker().advance(Duration::from_secs(61)).unwrap();
    assert_eq!(again.ask(&trade, dispatched).await.kind, answer_kind::EVIDENCE);
}

#[tokio::test]
async fn a_slow_reader_answers_one_frame_after_the_other() {
    let hub = FakeHub::start().await;
    let _terminal = hub.terminal(&["slow-reader:20"]);
    let mut line = hub.welcome().await;
    let asked = Instant::now();
    for call in 0..5 {
        line.send(GetQuotes { call, symbols: vec![] }).await;
    }
    for call in 0..5 {
        assert!(matches!(line.answer().await, Some(FromTerminal::Reply(reply)) if reply.call == call));
    }
    assert!(asked.elapsed() >= Duration::from_millis(80), "{:?}", asked.elapsed());
}
