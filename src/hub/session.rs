//! One live socket: greeting, loop, leaving.
//!
//! The loop's arms, in order: the cut, the clock, the mailbox, the socket. The clock comes before the mailbox and the mailbox before
//! the socket, and each takes a bounded number a turn, so that neither a flood of commands nor one of ticks starves the heartbeat.

use std::{
    collections::{BTreeMap, HashMap},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{
    Bytes, Error as SocketError, Message,
    error::CapacityError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use tokio_util::sync::CancellationToken;
use tracing::{
    Instrument as _, Span, debug,
    field::{self, Empty},
    info, info_span, warn,
};

use super::{
    Hub, Peer, Push, SessionHandle, Signal, SignalKind,
    handle::{Begun, Call, Identity, Mail},
    heartbeat::{Due, Heartbeat},
    link::{Hop, Said},
    wire::{Input, Socket, Wire},
};
use crate::{
    access::AccessError,
    domain::{
        ids::{CommandId, SessionId, TokenId},
        token::Token,
    },
    protocol::{
        self, CloseReason, FromHub, FromTerminal,
        codec::{self, Messages},
        message::{Hello, Log, Reply, Welcome, outcome_kind},
    },
    store::StoreError,
    telemetry::{
        metrics::{count, time},
        origin,
    },
};

/// Frames or mails handled in one turn of the loop.
const TURN: usize = 32;
/// A close frame is given so long before the socket is dropped.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// The longest lease that an ACCEPTED grants.
const LEASE_MAX: Duration = Duration::from_secs(60);
/// Reads that may be unanswered at once; the oldest callers have given up long before.
const PENDING_MAX: usize = 1_024;
/// Parts of one reply, and the unfinished replies of one session together in bytes.
const PARTS_MAX: u16 = 1_024;
const UNFINISHED_MAX: usize = 16 << 20;

/// Why a session ended.
#[derive(Debug)]
enum End {
    /// The hub's decision.
    Cut(CloseReason),
    /// The terminal closed, or its connection broke.
    Gone(String),
}

impl End {
    const fn reason(&self) -> Option<CloseReason> {
        match self {
            Self::Cut(reason) => Some(*reason),
            Self::Gone(_) => None,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Cut(reason) => reason.text().to_owned(),
            Self::Gone(why) => why.clone(),
        }
    }
}

/// A read that waits for its reply.
struct Pending {
    reply: oneshot::Sender<Reply>,
    since: Instant,
    parts: BTreeMap<u16, Vec<u8>>,
    bytes: usize,
}

/// A trade that was given to the terminal's connection, since `at`.
struct Written {
    at: Instant,
    /// When the terminal had it, and until when it may keep the terminal inside `OrderSend`.
    accepted: Option<(Instant, Instant)>,
}

impl Written {
    fn lease(&self) -> Option<Instant> {
        self.accepted.map(|(_, until)| until)
    }
}

struct Session<S> {
    hub: Hub,
    handle: SessionHandle,
    wire: Wire<S>,
    mailbox: mpsc::Receiver<Mail>,
    heartbeat: Heartbeat,
    /// Reads by call number. Dropping the map tells every waiting caller that the terminal is gone.
    pending: HashMap<u64, Pending>,
    /// Bytes of replies whose other parts are still to come.
    unfinished: usize,
    /// Trades that were written to this terminal and have no outcome.
    trades: HashMap<CommandId, Written>,
    /// Newcomers who wait for a sign of life.
    probes: Vec<oneshot::Sender<()>>,
    /// Trade messages of this turn, for the trading side.
    heard: Vec<SignalKind>,
}

/// Runs a session from its first frame to its last, in a span that has its id as soon as it has one.
pub(super) fn run(hub: Hub, socket: impl Socket, token: Arc<Token>, peer: Peer) -> impl Future<Output = ()> + Send {
    let span = info_span!("terminal", token = %token.id, session = Empty);
    run_inside(hub, socket, token, peer).instrument(span)
}

async fn run_inside(hub: Hub, socket: impl Socket, token: Arc<Token>, peer: Peer) {
    let remote = peer.address.as_str();
    let mut wire = Wire::new(socket);
    let mut said = None;
    let greeting = greet(&hub, &mut wire, &token, &peer, &mut said).await;
    let (end, entered) = match greeting {
        Ok(greeted) => {
            let Greeted { handle, guard, mailbox, cancel } = greeted;
            Span::current().record("session", field::display(handle.id()));
            info!(account = %handle.account(), remote, "terminal connected");
            handle.link().connected(&peer.from(), Said::of(handle.hello()));
            let came = Instant::now();
            let (end, back, heard) = live(&hub, wire, handle.clone(), mailbox, &cancel).await;
            wire = back;
            // Presence first: whoever asks from now on is told the truth, however long the peer takes over its goodbye.
            drop(guard);
            note_end(&handle, &peer, &end, came.elapsed());
            (end, Some((handle, heard)))
        }
        Err(end) => {
            note_refusal(&hub, token.id, &peer, &end, said);
            (end, None)
        }
    };
    count(&hub.inner.metrics.terminal_ends, "reason", if let End::Cut(reason) = &end { reason.name() } else { "gone" });
    if let Some((handle, heard)) = entered {
        leave(&hub, handle, heard, &end).await;
    }
    if let End::Cut(reason) = end {
        let frame = CloseFrame { code: CloseCode::from(reason.code()), reason: reason.text().into() };
        // A peer that does not even read its goodbye loses nothing by a plain reset.
        let _ = timeout(CLOSE_PATIENCE, wire.close(Message::Close(Some(frame)))).await;
    }
}

fn note_end(handle: &SessionHandle, peer: &Peer, end: &End, lasted: Duration) {
    info!(remote = peer.address, why = end.words(), "terminal disconnected");
    handle.link().disconnected(&peer.from(), lasted, end.reason(), &end.words());
}

fn note_refusal(hub: &Hub, id: TokenId, peer: &Peer, end: &End, said: Option<Box<Said>>) {
    info!(remote = peer.address, why = end.words(), "terminal refused");
    // Whoever went by itself before it was judged was not refused.
    let Some(reason) = end.reason() else { return };
    let token = hub.inner.access.token(id).filter(|_| reason == CloseReason::AccountMismatch);
    let locked_to = token.and_then(|token| token.lock.as_ref().map(|lock| lock.account.clone()));
    hub.link_of(id).refused(&peer.from(), said.map(|said| *said), reason, locked_to);
}

/// Tells the trading side what the terminal still said before it went, and that it went.
async fn leave(hub: &Hub, handle: SessionHandle, heard: Vec<SignalKind>, end: &End) {
    let (token, account) = (handle.token(), handle.account().clone());
    let at = hub.inner.clock.wall();
    // The trading side outlives every session, so this waits at most for its queue.
    for kind in heard.into_iter().chain([SignalKind::Left]) {
        let _ = hub.inner.ears.signals.send(Signal { session: handle.clone(), kind }).await;
    }
    if let Err(error) = hub.inner.access.note_disconnect(token, &account, at, &end.words()).await {
        debug!(%error, "last seen not noted");
    }
}

struct Greeted {
    handle: SessionHandle,
    guard: super::SessionGuard,
    mailbox: mpsc::Receiver<Mail>,
    cancel: CancellationToken,
}

/// `said` becomes what the terminal says of itself, also if it is refused then.
async fn greet<S: Socket>(
    hub: &Hub,
    wire: &mut Wire<S>,
    token: &Token,
    peer: &Peer,
    said: &mut Option<Box<Said>>,
) -> Result<Greeted, End> {
    let first = select! {
        biased;
        () = hub.inner.shutdown.cancelled() => return Err(End::Cut(CloseReason::Shutdown)),
        first = timeout(hub.inner.settings.hello_timeout, first_message(wire, hub.inner.settings.max_control_bytes)) => first,
    };
    let (ea_us, hello) = first.unwrap_or(Err(End::Cut(CloseReason::HelloTimeout)))?;
    *said = Some(Box::new(Said::of(&hello)));
    if hello.protocol != protocol::VERSION {
        return Err(End::Cut(CloseReason::ProtocolVersion));
    }
    let violation = || End::Cut(CloseReason::ProtocolViolation);
    let account = hello.account().map_err(|error| {
        info!(%error, "hello without a usable account");
        violation()
    })?;
    let instance = hello.ea_instance().ok_or_else(violation)?;
    let platform = hello.platform().ok_or_else(violation)?;
    let admitting = hub.inner.access.admit(token.id, &account, hello.trade_mode);
    let admitted = origin::within(peer.origin.clone(), admitting).await.map_err(|error| {
        if matches!(error, AccessError::AccountMismatch) {
            hub.note_mismatch(token.id, peer);
        }
        refusal(&error)
    })?;

    let (sender, mailbox) = mpsc::channel(hub.inner.settings.mailbox);
    let (cancel, equity) = (CancellationToken::new(), hub.inner.equity.of(token.owner, &account));
    let identity = Identity {
        id: SessionId::new(hub.inner.ids.next().map_err(|_| End::Cut(CloseReason::Unavailable))?),
        epoch: hub.next_epoch(),
        token: token.id,
        owner: token.owner,
        account,
        instance,
        platform,
        hello,
        remote: peer.address.clone(),
        connected_at: hub.inner.clock.wall(),
        link: hub.link_of(token.id),
        equity,
        metrics: hub.inner.metrics.clone(),
    };
    let handle = SessionHandle::new(identity, ea_us, sender, cancel.clone());
    let guard = hub.enter(&handle).await.map_err(End::Cut)?;
    // Check, enter, check again: a revoker writes first and looks for a session second.
    hub.inner.access.recheck(token.id, handle.account()).map_err(End::Cut)?;
    if hub.inner.shutdown.is_cancelled() {
        return Err(End::Cut(CloseReason::Shutdown));
    }
    let welcome = Welcome {
        session: handle.id(),
        epoch: handle.epoch(),
        heartbeat_ms: u32::try_from(hub.inner.settings.heartbeat.as_millis()).unwrap_or(u32::MAX),
        server_time: hub.inner.clock.wall().0,
        subscriptions: Vec::new(),
        token_expires_at: admitted.expires_at.0,
    };
    wire.push_frame(Message::Binary(FromHub::from(welcome).encode(0).into()));
    Ok(Greeted { handle, guard, mailbox, cancel })
}

fn refusal(error: &AccessError) -> End {
    End::Cut(match error {
        AccessError::AccountMismatch => CloseReason::AccountMismatch,
        AccessError::Expired => CloseReason::TokenExpired,
        AccessError::OwnerDisabled => CloseReason::OwnerDisabled,
        AccessError::Unknown | AccessError::NotFound | AccessError::Revoked | AccessError::NotAdmin | AccessError::NotLocked => {
            CloseReason::TokenRevoked
        }
        AccessError::Store(StoreError::Conflict { .. }) => CloseReason::AccountMismatch,
        AccessError::Store(_) | AccessError::Crypto(_) => {
            warn!(%error, "a terminal cannot be admitted");
            CloseReason::Unavailable
        }
    })
}

async fn first_message<S: Socket>(wire: &mut Wire<S>, control_max: usize) -> Result<(u64, Hello), End> {
    loop {
        match std::future::poll_fn(|cx| wire.poll(cx, TURN)).await {
            Input::Room => {}
            Input::Frame(Message::Binary(bytes)) if bytes.len() > control_max => {
                return Err(End::Cut(CloseReason::MessageTooLarge));
            }
            Input::Frame(Message::Binary(bytes)) => {
                return match codec::decode::<FromTerminal>(&bytes) {
                    Ok(decoded) => match decoded.message {
                        Some(FromTerminal::Hello(hello)) => Ok((decoded.count, hello)),
                        _ => Err(End::Cut(CloseReason::ProtocolViolation)),
                    },
                    Err(_) => Err(End::Cut(CloseReason::ProtocolViolation)),
                };
            }
            Input::Frame(Message::Ping(_) | Message::Pong(_)) => {}
            Input::Frame(Message::Close(frame)) => return Err(End::Gone(closed_words(frame.as_ref()))),
            Input::Frame(_) => return Err(End::Cut(CloseReason::ProtocolViolation)),
            Input::Closed => return Err(End::Gone("the connection ended before Hello".to_owned())),
            Input::Failed(error) => return Err(failed(&error)),
        }
    }
}

fn closed_words(frame: Option<&CloseFrame>) -> String {
    frame.map_or_else(
        || "the terminal closed the connection".to_owned(),
        |frame| format!("the terminal closed the connection ({} {})", u16::from(frame.code), frame.reason),
    )
}

fn failed(error: &SocketError) -> End {
    match error {
        SocketError::Capacity(CapacityError::MessageTooLong { .. }) => End::Cut(CloseReason::MessageTooLarge),
        SocketError::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            End::Gone("the connection broke".to_owned())
        }
        SocketError::Protocol(_) | SocketError::Utf8(_) => End::Cut(CloseReason::ProtocolViolation),
        other => End::Gone(format!("the connection broke ({other})")),
    }
}

async fn live<S: Socket>(
    hub: &Hub,
    wire: Wire<S>,
    handle: SessionHandle,
    mailbox: mpsc::Receiver<Mail>,
    cancel: &CancellationToken,
) -> (End, Wire<S>, Vec<SignalKind>) {
    let settings = &hub.inner.settings;
    // Any spread will do, and the session's random id is one.
    let spread = u32::from(handle.id().to_bytes()[15]) + 1;
    let heartbeat = Heartbeat::new(settings.heartbeat, settings.dead_after, settings.heartbeat * spread / 256, Instant::now());
    let mut session = Session {
        hub: hub.clone(),
        handle,
        wire,
        mailbox,
        heartbeat,
        pending: HashMap::new(),
        unfinished: 0,
        trades: HashMap::new(),
        probes: Vec::new(),
        heard: vec![SignalKind::Entered],
    };
    let end = session.run(cancel).await;
    (end, session.wire, session.heard)
}

impl<S: Socket> Session<S> {
    async fn run(&mut self, cancel: &CancellationToken) -> End {
        let mut clock = pin!(sleep_until(self.heartbeat.wake_at()));
        loop {
            if !self.heard.is_empty() && !self.tell(cancel).await {
                return self.cut();
            }
            let room = TURN.saturating_sub(self.wire.backlog());
            select! {
                biased;
                () = cancel.cancelled() => return self.cut(),
                () = &mut clock => {
                    // If the hub itself was held up, signs of life may lie in the buffer.
                    let waiting = std::future::poll_fn(|cx| self.wire.poll(cx, TURN)).now_or_never();
                    if let Err(end) = waiting.map_or(Ok(()), |input| self.inputs(input)).and_then(|()| self.tick(Instant::now())) {
                        return end;
                    }
                    clock.as_mut().reset(self.heartbeat.wake_at());
                }
                Some(mail) = self.mailbox.recv(), if room > 0 => {
                    self.post(mail);
                    for _ in 1..room {
                        let Ok(mail) = self.mailbox.try_recv() else { break };
                        self.post(mail);
                    }
                }
                input = std::future::poll_fn(|cx| self.wire.poll(cx, TURN)) => {
                    if let Err(end) = self.inputs(input) {
                        return end;
                    }
                    // A new lease or a sign of life may have moved the next look at the clock.
                    if self.heartbeat.wake_at() < clock.deadline() {
                        clock.as_mut().reset(self.heartbeat.wake_at());
                    }
                }
            }
        }
    }

    fn cut(&self) -> End {
        End::Cut(self.handle.cut_reason().unwrap_or(CloseReason::Shutdown))
    }

    /// Hands the trade messages of this turn up. False when the session was cut meanwhile.
    async fn tell(&mut self, cancel: &CancellationToken) -> bool {
        for kind in self.heard.drain(..) {
            let signal = Signal { session: self.handle.clone(), kind };
            select! {
                biased;
                sent = self.hub.inner.ears.signals.send(signal) => if sent.is_err() { return false },
                () = cancel.cancelled() => return false,
            }
        }
        true
    }

    fn tick(&mut self, now: Instant) -> Result<(), End> {
        if self.wire.stuck_since().is_some_and(|since| now - since >= self.hub.inner.settings.write_timeout) {
            return Err(End::Cut(CloseReason::WriteTimeout));
        }
        match self.heartbeat.due(now) {
            Due::Dead => return Err(End::Cut(CloseReason::HeartbeatLost)),
            Due::Ping => self.wire.push_frame(Message::Ping(Bytes::new())),
            Due::Nothing => {}
        }
        self.pending.retain(|_, pending| !pending.reply.is_closed());
        self.unfinished = self.pending.values().map(|pending| pending.bytes).sum();
        Ok(())
    }

    fn post(&mut self, mail: Mail) {
        match mail {
            Mail::Call(waiting) => {
                let Call { call, message, reply, posted } = *waiting;
                if reply.is_closed() || self.pending.len() >= PENDING_MAX {
                    return;
                }
                let since = Instant::now();
                time(&self.hub.inner.metrics.read_seconds, "hop", "queue", since.saturating_duration_since(posted));
                self.pending.insert(call, Pending { reply, since, parts: BTreeMap::new(), bytes: 0 });
                self.write(Box::new(message), None);
            }
            Mail::Send { message, begun } => self.write(message, begun),
            Mail::Probe { alive } => {
                self.probes.push(alive);
                self.heartbeat.ping_now(Instant::now());
                self.wire.push_frame(Message::Ping(Bytes::new()));
            }
        }
    }

    fn write(&mut self, message: Box<FromHub>, begun: Option<Begun>) {
        if let FromHub::Trade(trade) = message.as_ref() {
            if self.trades.len() >= PENDING_MAX {
                self.trades.retain(|_, trade| trade.accepted.is_some());
            }
            self.trades.insert(trade.command, Written { at: Instant::now(), accepted: None });
        }
        self.wire.push(message, begun);
    }

    /// Handles one input and up to a turn's worth of what is there already.
    fn inputs(&mut self, first: Input) -> Result<(), End> {
        self.input(first)?;
        for _ in 1..TURN {
            match std::future::poll_fn(|cx| self.wire.poll(cx, TURN)).now_or_never() {
                Some(input) => self.input(input)?,
                None => break,
            }
        }
        Ok(())
    }

    fn input(&mut self, input: Input) -> Result<(), End> {
        let frame = match input {
            Input::Frame(frame) => frame,
            Input::Room => return Ok(()),
            Input::Closed => return Err(End::Gone("the connection ended".to_owned())),
            Input::Failed(error) => return Err(failed(&error)),
        };
        let now = Instant::now();
        self.heartbeat.heard(now);
        self.handle.note_frame(now);
        for probe in self.probes.drain(..) {
            let _ = probe.send(());
        }
        match frame {
            Message::Binary(bytes) => self.message(&bytes, now),
            Message::Pong(_) => {
                if let Some(rtt) = self.heartbeat.pong(now) {
                    self.handle.note_rtt(rtt);
                }
                Ok(())
            }
            Message::Ping(_) => Ok(()),
            Message::Close(frame) => Err(End::Gone(closed_words(frame.as_ref()))),
            Message::Text(_) | Message::Frame(_) => Err(End::Cut(CloseReason::ProtocolViolation)),
        }
    }

    fn message(&mut self, bytes: &[u8], now: Instant) -> Result<(), End> {
        let decoded = codec::decode::<FromTerminal>(bytes).map_err(|error| {
            info!(%error, "protocol violation");
            End::Cut(CloseReason::ProtocolViolation)
        })?;
        let is_data = matches!(decoded.message, Some(FromTerminal::Reply(_)));
        if !is_data && bytes.len() > self.hub.inner.settings.max_control_bytes {
            return Err(End::Cut(CloseReason::MessageTooLarge));
        }
        self.handle.note_message(now, decoded.count);
        match decoded.message {
            Some(FromTerminal::Hello(_)) => return Err(End::Cut(CloseReason::ProtocolViolation)),
            Some(FromTerminal::Status(status)) => self.handle.note_status(now, status),
            Some(FromTerminal::Reply(reply)) => self.reply(reply),
            Some(FromTerminal::Accepted(accepted)) => {
                // Only for what was sent to it: otherwise a terminal could be silent for as long as it likes.
                if let Some(trade) = self.trades.get_mut(&accepted.command) {
                    let until = now + Duration::from_millis(u64::from(accepted.lease_ms)).min(LEASE_MAX);
                    if trade.accepted.is_none() {
                        self.handle.link().took(Hop::CommandAck, now.saturating_duration_since(trade.at));
                    }
                    trade.accepted = Some((trade.accepted.map_or(now, |(at, _)| at), until));
                    self.lease(now);
                }
                self.heard.push(SignalKind::Accepted(accepted));
            }
            Some(FromTerminal::Outcome(outcome)) => {
                if let Some(trade) = self.trades.remove(&outcome.command) {
                    // What the Expert Advisor refused by itself never was at the broker.
                    if let (Some((accepted, _)), outcome_kind::BROKER) = (trade.accepted, outcome.kind) {
                        self.handle.link().took(Hop::CommandBroker, now.saturating_duration_since(accepted));
                    }
                    self.lease(now);
                }
                self.heard.push(SignalKind::Outcome(outcome));
            }
            Some(FromTerminal::Answer(answer)) => self.heard.push(SignalKind::Answer(answer)),
            Some(FromTerminal::Transaction(transaction)) => {
                self.handle.board().account_changed();
                // Never waited for: a gap in its numbers tells the history to look, and trades go on meanwhile.
                if let Ok(place) = self.handle.push_place() {
                    let push = Push { session: self.handle.clone(), transaction, _place: place };
                    let _ = self.hub.inner.ears.pushes.try_send(push);
                }
            }
            Some(FromTerminal::PushQuotes(push)) => self.handle.board().quotes(push),
            Some(FromTerminal::PushBars(push)) => self.handle.board().bars(push),
            Some(FromTerminal::Log(Log { level, text })) => {
                let text: String = text.chars().filter(|c| !c.is_control()).take(500).collect();
                debug!(level, text, "terminal says");
            }
            // A newer terminal may know messages that we do not.
            None => {}
        }
        Ok(())
    }

    /// The longest lease that runs.
    fn lease(&mut self, now: Instant) {
        self.trades.retain(|_, trade| trade.lease().is_none_or(|until| until > now));
        let until = self.trades.values().filter_map(Written::lease).max();
        self.heartbeat.lease(until);
        self.handle.note_lease(until);
    }

    /// Joins the parts of a reply; the last one answers the caller. Parts that do not fit together are dropped, and the caller's time
    /// runs out.
    fn reply(&mut self, mut reply: Reply) {
        let Some(pending) = self.pending.get_mut(&reply.call) else { return };
        let total = reply.parts.max(1);
        let body = std::mem::take(&mut reply.body);
        let new = !pending.parts.contains_key(&reply.part);
        if total > PARTS_MAX || reply.part >= total || !new || self.unfinished + body.len() > UNFINISHED_MAX {
            warn!(call = reply.call, "a part of a reply that does not fit");
            return;
        }
        pending.bytes += body.len();
        self.unfinished += body.len();
        pending.parts.insert(reply.part, body);
        if pending.parts.len() < usize::from(total) {
            return;
        }
        if let Some(pending) = self.pending.remove(&reply.call) {
            time(&self.hub.inner.metrics.read_seconds, "hop", "terminal", pending.since.elapsed());
            self.unfinished -= pending.bytes;
            reply.body = pending.parts.into_values().flatten().collect();
            // The caller may have given up.
            let _ = pending.reply.send(reply);
        }
    }
}
