//! Sessions over in-memory channels with a paused clock.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_channel::mpsc as memory;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::*;
use crate::{
    protocol::{
        FromHub, FromTerminal,
        codec::{self, Messages},
        message::{GetAccount, Hello, Reply, Status},
    },
    store::{Store, memory::MemoryStore},
};

/// One end of an in-memory socket.
struct End {
    read: memory::Receiver<Message>,
    write: memory::Sender<Message>,
}

fn pair() -> (End, End) {
    let (up, at_hub) = memory::channel(64);
    let (down, at_terminal) = memory::channel(64);
    (End { read: at_terminal, write: up }, End { read: at_hub, write: down })
}

impl Stream for End {
    type Item = Result<Message, SocketError>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.read.poll_next_unpin(cx).map(|message| message.map(Ok))
    }
}

impl Sink<Message> for End {
    type Error = SocketError;
    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.write.poll_ready(cx).map_err(|_| SocketError::ConnectionClosed)
    }
    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
        self.write.start_send(message).map_err(|_| SocketError::ConnectionClosed)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.write.poll_flush_unpin(cx).map_err(|_| SocketError::ConnectionClosed)
    }
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.write.poll_close_unpin(cx).map_err(|_| SocketError::ConnectionClosed)
    }
}

struct Fixture {
    hub: Hub,
    signals: mpsc::Receiver<Signal>,
    pushes: mpsc::Receiver<Push>,
}

async fn fixture() -> Fixture {
    let (clock, ids) = (Clock::start(), Arc::new(Ids::default()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let access = Access::open(Arc::clone(&store), [1; 32], clock, Arc::clone(&ids)).await.unwrap();
    let metrics = Metrics::new();
    let equity = Equity::new(store, config::History::default().equity, clock, metrics.clone());
    let (sender, signals) = mpsc::channel(64);
    let (to_history, pushes) = mpsc::channel(1_024);
    let ears = Ears { signals: sender, pushes: to_history };
    Fixture { hub: Hub::new((access, equity), config::Terminals::default(), ears, clock, ids, metrics), signals, pushes }
}

impl Fixture {
    async fn token(&self) -> Arc<Token> {
        self.hub.inner.access.mint_token("", crate::domain::ids::OwnerId::SELF, "test").await.unwrap().0
    }

    /// Connects and sends Hello.
    async fn dial(&self, token: &Arc<Token>, login: u64, instance: u8) -> End {
        let (mut terminal, at_hub) = pair();
        self.hub.serve(at_hub, Arc::clone(token), peer());
        terminal.tell(hello(login, instance)).await;
        terminal
    }
}

fn peer() -> Peer {
    Peer { address: "test".into(), origin: None, place: None }
}

fn hello(login: u64, instance: u8) -> Hello {
    let server = "Demo-Server".to_owned();
    Hello { protocol: 1, platform: 5, login, server, instance: vec![instance; 16], ..Hello::default() }
}

impl End {
    async fn tell(&mut self, message: impl Into<FromTerminal>) {
        self.write.send(Message::Binary(message.into().encode(1).into())).await.unwrap();
    }

    /// The next message that is no ping, answering pings.
    async fn hear(&mut self) -> FromHub {
        loop {
            match self.read.next().await.expect("the hub hung up") {
                Message::Binary(bytes) => return codec::decode::<FromHub>(&bytes).unwrap().message.unwrap(),
                Message::Ping(payload) => {
                    assert!(payload.is_empty(), "WinHTTP breaks on a ping with a payload");
                    self.write.send(Message::Pong(payload)).await.unwrap();
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    async fn welcome(&mut self) {
        assert!(matches!(self.hear().await, FromHub::Welcome(_)));
    }

    /// Reads to the close frame and gives its code.
    async fn close_code(&mut self) -> u16 {
        loop {
            match self.read.next().await.expect("no close frame") {
                Message::Close(Some(frame)) => return frame.code.into(),
                Message::Close(None) => panic!("a close frame without a code"),
                _ => {}
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminal_says_hello_and_is_welcome() {
    let mut fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    let entered = fixture.signals.recv().await.unwrap();
    assert!(matches!(entered.kind, SignalKind::Entered));
    assert_eq!(fixture.hub.of_token(token.id).unwrap().account().to_string(), "1001@Demo-Server");
}

#[tokio::test(start_paused = true)]
async fn silence_instead_of_hello_ends_with_a_code_that_says_come_back() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let (mut terminal, at_hub) = pair();
    fixture.hub.serve(at_hub, token, peer());
    assert_eq!(terminal.close_code().await, CloseReason::HelloTimeout.code());
}

#[tokio::test(start_paused = true)]
async fn a_stolen_token_on_another_account_is_refused_for_good() {
    let mut fixture = fixture().await;
    let token = fixture.token().await;
    let mut owner = fixture.dial(&token, 1001, 1).await;
    owner.welcome().await;
    let mut thief = fixture.dial(&token, 6666, 2).await;
    assert_eq!(thief.close_code().await, CloseReason::AccountMismatch.code());
    assert!(fixture.signals.recv().await.is_some());
    assert_eq!(fixture.hub.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_socket_is_offline_after_its_time() {
    let mut fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    fixture.signals.recv().await.unwrap();
    let started = tokio::time::Instant::now();
    let left = fixture.signals.recv().await.unwrap();
    assert!(matches!(left.kind, SignalKind::Left));
    assert!(started.elapsed() <= Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(fixture.hub.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_answers_pings_stays_for_hours() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    let _ = tokio::time::timeout(Duration::from_secs(7_200), terminal.hear()).await;
    let session = fixture.hub.of_token(token.id).expect("still connected");
    assert!(session.presence().rtt.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_second_terminal_does_not_kick_a_live_one() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let mut first = fixture.dial(&token, 1001, 1).await;
    first.welcome().await;
    let mut second = fixture.dial(&token, 1001, 2).await;
    let (code, ()) = tokio::join!(second.close_code(), async {
        let _ = tokio::time::timeout(Duration::from_millis(500), first.hear()).await;
    });
    assert_eq!(code, CloseReason::AlreadyConnected.code());
    assert_eq!(fixture.hub.of_token(token.id).unwrap().hello().instance, vec![1; 16]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_session_gives_way_to_another_instance_after_the_probe() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let mut dead = fixture.dial(&token, 1001, 1).await;
    dead.welcome().await;
    let started = tokio::time::Instant::now();
    let mut second = fixture.dial(&token, 1001, 2).await;
    second.welcome().await;
    assert!(started.elapsed() < Duration::from_millis(1_100), "{:?}", started.elapsed());
    assert_eq!(dead.close_code().await, CloseReason::Replaced.code());
}

#[tokio::test(start_paused = true)]
async fn the_same_instance_takes_over_at_once_and_its_old_socket_does_not_remove_it() {
    let mut fixture = fixture().await;
    let token = fixture.token().await;
    let mut old = fixture.dial(&token, 1001, 1).await;
    old.welcome().await;
    let started = tokio::time::Instant::now();
    let mut new = fixture.dial(&token, 1001, 1).await;
    new.welcome().await;
    assert!(started.elapsed() < Duration::from_millis(50));
    assert_eq!(old.close_code().await, CloseReason::Replaced.code());
    drop(old);
    while !matches!(fixture.signals.recv().await.unwrap().kind, SignalKind::Left) {}
    assert_eq!(fixture.hub.len(), 1, "late disconnect does not remove the successor");
}

#[tokio::test(start_paused = true)]
async fn revoke_during_the_greeting_wins() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    fixture.hub.inner.access.revoke_token(token.id, "test").await.unwrap();
    // The socket was upgraded before; Hello comes after.
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    assert_eq!(terminal.close_code().await, CloseReason::TokenRevoked.code());
    assert!(fixture.hub.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cut_session_hears_why() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    fixture.hub.cut(token.id, CloseReason::TokenRevoked);
    assert_eq!(terminal.close_code().await, CloseReason::TokenRevoked.code());
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_parts_comes_back_whole_and_a_lost_one_times_out() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    let session = fixture.hub.of_token(token.id).unwrap();
    let ask = session.call(Duration::from_secs(2), |call| GetAccount { call }.into());
    let answer = async {
        let FromHub::GetAccount(GetAccount { call }) = terminal.hear().await else { panic!("no call") };
        for (part, body) in [(1, vec![3]), (0, vec![1, 2])] {
            terminal.tell(FromTerminal::Reply(Reply { call, part, parts: 2, body, ..Reply::default() })).await;
        }
    };
    let (reply, ()) = tokio::join!(ask, answer);
    assert_eq!(reply.unwrap().body, [1, 2, 3]);
    let lost = session.call(Duration::from_millis(100), |call| GetAccount { call }.into()).await;
    assert_eq!(lost.unwrap_err(), CallError::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn when_the_session_ends_every_waiting_caller_is_told() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    let session = fixture.hub.of_token(token.id).unwrap();
    let ask = session.call(Duration::from_secs(2), |call| GetAccount { call }.into());
    let hang_up = async {
        terminal.hear().await;
        drop(terminal);
    };
    assert_eq!(tokio::join!(ask, hang_up).0.unwrap_err(), CallError::Gone);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_message_ends_the_session_and_not_the_hub() {
    let fixture = fixture().await;
    for bytes in [vec![], vec![0xc1], vec![0x92, 1], vec![0xdd, 0xff, 0xff, 0xff, 0xff]] {
        let token = fixture.token().await;
        let mut terminal = fixture.dial(&token, 1001, 1).await;
        terminal.welcome().await;
        terminal.write.send(Message::Binary(bytes.into())).await.unwrap();
        assert_eq!(terminal.close_code().await, CloseReason::ProtocolViolation.code());
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_does_not_read_is_cut_and_unwritten_frames_say_so() {
    let mut fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    let session = fixture.hub.of_token(token.id).unwrap();
    fixture.signals.recv().await.unwrap();
    // It goes on talking, so only the write deadline can end it.
    let talk = async {
        let mut every = tokio::time::interval(Duration::from_millis(500));
        while terminal.write.send(Message::Binary(FromTerminal::Status(Status::default()).encode(1).into())).await.is_ok() {
            every.tick().await;
        }
    };
    let flood = async {
        let mut fates = Vec::new();
        let mut every = tokio::time::interval(Duration::from_millis(1));
        // The memory socket takes 64, the session 32, the mailbox the rest.
        for _ in 0..3 {
            every.tick().await;
            while let Ok(place) = session.reserve() {
                fates.push(place.send(FromHub::from(GetAccount { call: 0 }), Recall::default()));
            }
        }
        fates
    };
    let watch = async {
        let fates = flood.await;
        let left = fixture.signals.recv().await.unwrap();
        assert!(matches!(left.kind, SignalKind::Left));
        fates
    };
    let fates = tokio::select! { fates = watch => fates, () = talk => panic!("the terminal stopped first") };
    let (total, mut unwritten) = (fates.len(), 0);
    for fate in fates {
        unwritten += usize::from(fate.await.is_err());
    }
    assert!(unwritten > 32 && unwritten < total, "{unwritten} of {total}");
}

/// The memory socket takes 64 frames, so what is behind them waits in the session and can be taken back there.
#[tokio::test(start_paused = true)]
async fn what_is_taken_back_is_never_written_and_leaves_no_gap_in_the_numbers() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    let session = fixture.hub.of_token(token.id).unwrap();
    let mut sent = Vec::new();
    while let Ok(place) = session.reserve() {
        let recall = Recall::default();
        let call = u64::try_from(sent.len()).unwrap();
        sent.push((recall.clone(), place.send(FromHub::from(GetAccount { call }), recall)));
        tokio::task::yield_now().await;
    }
    let back: Vec<_> = sent.iter().map(|(recall, _)| recall.take_back()).collect();
    assert!(back.iter().any(|back| *back) && back.iter().any(|back| !*back), "some were written and some wait: {back:?}");
    // Behind all of them.
    session.send(GetAccount { call: u64::MAX }).unwrap_err();
    let mut numbers = Vec::new();
    let mut heard = Vec::new();
    while heard.len() < back.iter().filter(|back| !**back).count() {
        let Message::Binary(bytes) = terminal.read.next().await.unwrap() else { continue };
        let decoded = codec::decode::<FromHub>(&bytes).unwrap();
        numbers.push(decoded.count);
        let Some(FromHub::GetAccount(get)) = decoded.message else { panic!("{decoded:?}") };
        heard.push(get.call);
    }
    let written: Vec<u64> = (0_u64..).zip(&back).filter(|(_, back)| !**back).map(|(call, _)| call).collect();
    assert_eq!(heard, written);
    assert_eq!(numbers, (1..=u64::try_from(written.len()).unwrap()).collect::<Vec<_>>());
    for ((_, fate), back) in sent.into_iter().zip(back) {
        assert_eq!(fate.await.is_err(), back, "and whoever sent it is told");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pushes_holds_up_neither_its_own_trades_nor_other_terminals() {
    let mut fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    fixture.signals.recv().await.unwrap();
    // Nobody reads the pushes.
    for seq in 1..=5_000 {
        terminal.tell(Transaction { seq, ..Transaction::default() }).await;
    }
    let command = crate::domain::ids::CommandId::from_bytes([1; 16]);
    terminal.tell(Accepted { command, lease_ms: 1 }).await;
    assert!(matches!(fixture.signals.recv().await.unwrap().kind, SignalKind::Accepted(_)));
    let waiting = std::iter::from_fn(|| fixture.pushes.try_recv().ok()).map(|push| push.transaction.seq).collect::<Vec<_>>();
    assert_eq!(waiting, (1..=256).collect::<Vec<_>>(), "one terminal has so many places, and the channel has more");
    terminal.tell(Transaction { seq: 5_001, ..Transaction::default() }).await;
    assert_eq!(fixture.pushes.recv().await.unwrap().transaction.seq, 5_001, "its places come back");
}

#[tokio::test(start_paused = true)]
async fn more_mail_than_fits_a_turn_does_not_wait_for_the_clock() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let mut terminal = fixture.dial(&token, 1001, 1).await;
    terminal.welcome().await;
    let session = fixture.hub.of_token(token.id).unwrap();
    let started = tokio::time::Instant::now();
    for call in 0..200 {
        session.send(FromHub::from(GetAccount { call })).unwrap();
    }
    for call in 0..200 {
        assert_eq!(terminal.hear().await, FromHub::GetAccount(GetAccount { call }));
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn the_task_of_a_session_is_small() {
    let fixture = fixture().await;
    let token = fixture.token().await;
    let (_terminal, at_hub) = pair();
    let task = session::run(fixture.hub.clone(), at_hub, token, peer());
    assert!(size_of_val(&task) <= 3_584, "{} bytes for each idle terminal", size_of_val(&task));
    assert!(size_of::<handle::Mail>() <= 32, "a mailbox is allocated 32 at a time");
}
