//! One connection of the terminal: Hello, Welcome, then turns. A turn drains what has arrived, bounds its work, and sends all its
//! answers with one flush.

use std::{collections::VecDeque, time::Duration};

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{
    self, Bytes, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use tokio_util::sync::CancellationToken;

use super::{
    ea::{Next, RESEND_US},
    faults::{Step, Strike},
    link::{Ended, Socket},
    player::{Shared, Wish},
    terminal::Terminal,
};
use crate::{
    domain::trade::action,
    protocol::{
        FromHub, FromTerminal,
        codec::{Decoded, Messages as _, decode},
        message::Welcome,
    },
};

/// Frames that one turn handles at most.
const TURN_MAX: usize = 32;
/// Frames that a delay may hold back; beyond it the terminal stops reading.
const OUTBOX_MAX: usize = 10_000;
/// Hello is answered within this, or the hub is no hub.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// One flush.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The close frame of a terminal that ends.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// What is wanted of the market is looked at so often.
const LOOK: Duration = Duration::from_millis(10);
/// What a Welcome says is taken within these bounds.
const HEARTBEATS: std::ops::RangeInclusive<u32> = 20..=60_000;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Over {
    /// By the hub, by the network, or because the hub does not keep to the protocol.
    Ended(Ended),
    /// By a fault: the socket is dropped without a word.
    Cut,
    /// By a fault: the EA is gone.
    Crash { lose: bool },
    /// By a fault: the socket is to be kept, and neither read nor written any more.
    HalfOpen,
    /// By the one who started the simulator.
    Stopped,
}

/// The connection's state.
pub(super) struct Session<'a> {
    terminal: &'a mut Terminal,
    shared: &'a Shared,
    socket: Socket,
    /// The place at the gate of those who connect.
    turn: Option<OwnedSemaphorePermit>,
    taken: Duration,
    hub_silence: Duration,
    /// Since when, and how often a Status is wanted.
    welcomed: Option<(Instant, Duration)>,
    next_status: Instant,
    heard: Instant,
    /// Frames and when they may leave.
    outbox: VecDeque<(Instant, Vec<u8>)>,
    /// How many frames there were to send.
    posted: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        terminal: &'a mut Terminal,
        shared: &'a Shared,
        socket: Socket,
        turn: Option<OwnedSemaphorePermit>,
        (taken, hub_silence): (Duration, Duration),
    ) -> Self {
        let now = Instant::now();
        Self {
            terminal,
            shared,
            socket,
            turn,
            taken,
            hub_silence,
            welcomed: None,
            next_status: now + WELCOME_TIMEOUT,
            heard: now,
            outbox: VecDeque::new(),
            posted: 0,
        }
    }

    /// Runs until it is over. The socket comes back because a half-open one must not be closed.
    pub(super) async fn run(mut self, shutdown: &CancellationToken) -> (Over, Socket, bool) {
        let over = tokio::select! {
            biased;
            () = shutdown.cancelled() => Over::Stopped,
            over = self.turns() => over,
        };
        if matches!(over, Over::Stopped) && !self.shared.is_rude() {
            self.goodbye().await;
        }
        (over, self.socket, self.welcomed.is_some())
    }

    async fn turns(&mut self) -> Over {
        let hello = self.terminal.hello();
        self.post(&hello.into());
        if let Err(over) = self.write().await {
            return over;
        }
        loop {
            let wake = self.wake();
            let reading = self.outbox.len() < OUTBOX_MAX;
            let (frames, over) = tokio::select! {
                biased;
                () = self.shared.touched() => (Vec::new(), None),
                () = sleep_until(wake) => (Vec::new(), None),
                first = self.socket.next(), if reading => self.drain(first),
            };
            if let Err(over) = self.turn(frames, over).await {
                return over;
            }
        }
    }

    /// Whoever holds the simulator's handle wants something of the terminal now.
    fn ordered(&self) -> Option<Over> {
        Some(match self.shared.take_order()? {
            Wish::Disconnect => Over::Cut,
            Wish::Crash { lose } => Over::Crash { lose },
        })
    }

    /// Everything that has already arrived, up to a turn's worth, and the end of the connection if that has arrived too.
    fn drain(&mut self, first: Option<Result<Message, tungstenite::Error>>) -> (Vec<Bytes>, Option<Over>) {
        self.heard = Instant::now();
        let turn_max = if self.shared.faults().slow_reader().is_some() { 1 } else { TURN_MAX };
        let mut frames = Vec::new();
        let mut next = first;
        loop {
            match next {
                Some(Ok(Message::Binary(frame))) => frames.push(frame),
                Some(Ok(Message::Close(close))) => {
                    let (code, said) = close.as_ref().map_or((1005, ""), |close| (close.code.into(), close.reason.as_str()));
                    return (frames, Some(Over::Ended(Ended::closed(code, said, self.taken))));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Text(_))) => return (frames, Some(broken("the hub sent a text frame"))),
                Some(Err(error)) => return (frames, Some(broken(error))),
                None => return (frames, Some(broken("the connection ended without a close frame"))),
            }
            if frames.len() == turn_max {
                return (frames, None);
            }
            match self.socket.next().now_or_never() {
                Some(more) => next = more,
                None => return (frames, None),
            }
        }
    }

    /// `over` is how the connection ended after these frames, if it did: the EA still deals with what it had received.
    async fn turn(&mut self, frames: Vec<Bytes>, mut over: Option<Over>) -> Result<(), Over> {
        if let Some(over) = self.ordered() {
            return Err(over);
        }
        self.stand_still(!frames.is_empty()).await;
        self.terminal.switches = *self.shared.switches();
        self.terminal.broker_clock_s = self.shared.faults().broker_clock();
        self.terminal.hide_ms = i64::try_from(self.shared.faults().hide().as_millis()).unwrap_or(i64::MAX);
        if matches!(over, Some(Over::Ended(Ended::Refused(_)))) {
            self.terminal.ea.close_for_good();
        }
        let mut answers = Vec::new();
        for frame in frames {
            match self.receive(&frame, &mut answers) {
                Ok(()) => {}
                Err(crash @ Over::Crash { .. }) => return Err(crash),
                Err(other) => {
                    over = Some(other);
                    break;
                }
            }
        }
        answers.iter().for_each(|answer| self.post(answer));
        if over.is_none() {
            self.keep_up()?;
            // ACCEPTED is on the wire before OrderSend is called. If it cannot be written, the EA goes on: INTENT stands.
            over = self.write().await.err();
        }
        let traded = self.execute(&mut over)?;
        if let Some(over) = over {
            return Err(over);
        }
        if traded {
            self.keep_up()?;
            self.write().await?;
        }
        Ok(())
    }

    /// A frozen thread, or one that reads slowly: nothing at all is done meanwhile.
    async fn stand_still(&self, reads: bool) {
        let freeze = if self.welcomed.is_some() { self.shared.faults().freeze() } else { None };
        let slow = if reads { self.shared.faults().slow_reader() } else { None };
        let still = freeze.unwrap_or_default() + slow.unwrap_or_default();
        if !still.is_zero() {
            sleep(still).await;
        }
    }

    fn receive(&mut self, frame: &Bytes, answers: &mut Vec<FromTerminal>) -> Result<(), Over> {
        let Decoded { message, .. } = decode::<FromHub>(frame).map_err(|error| broken(format!("the hub sent {error}")))?;
        match message {
            // A newer hub may say more than this terminal understands.
            None => {}
            Some(FromHub::Welcome(welcome)) => self.welcome(&welcome),
            Some(_) if self.welcomed.is_none() => return Err(broken("the hub did not begin with Welcome")),
            Some(FromHub::Trade(trade)) => {
                self.strike(Step::BeforeAccept)?;
                answers.extend(self.terminal.handle(FromHub::Trade(trade)));
            }
            Some(other) => answers.extend(self.terminal.handle(other)),
        }
        Ok(())
    }

    fn welcome(&mut self, welcome: &Welcome) {
        let every = welcome.heartbeat_ms.clamp(*HEARTBEATS.start(), *HEARTBEATS.end());
        let now = Instant::now();
        self.welcomed = Some((now, Duration::from_millis(u64::from(every))));
        self.turn = None;
        self.next_status = now;
        self.shared.set_connected(true);
    }

    /// Sends the trades that were taken to the broker, one after the other. True if there were any.
    fn execute(&mut self, over: &mut Option<Over>) -> Result<bool, Over> {
        let mut traded = false;
        while self.terminal.ea.is_queued() {
            traded = true;
            self.go_on_unless_crashed(Step::AfterAccept, over)?;
            let jump = self.shared.faults().wall_clock();
            self.terminal.move_wall_clock(jump);
            let Some(Next::Send { command, request }) = self.terminal.next() else { continue };
            let quirk = || self.shared.faults().quirk(request.action == action::DEAL);
            let result = self.terminal.order_send(&request, quirk);
            self.go_on_unless_crashed(Step::AfterExecute, over)?;
            self.terminal.ea.finish(command, request.action, result);
            self.go_on_unless_crashed(Step::AfterRecord, over)?;
        }
        Ok(traded)
    }

    /// A cut socket does not stop an EA in the middle of a trade; a crash does.
    fn go_on_unless_crashed(&mut self, step: Step, over: &mut Option<Over>) -> Result<(), Over> {
        match self.strike(step) {
            Err(crash @ Over::Crash { .. }) => Err(crash),
            Err(cut) => {
                over.get_or_insert(cut);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn strike(&mut self, step: Step) -> Result<(), Over> {
        match self.shared.faults().at(step) {
            None => Ok(()),
            Some(Strike::Drop) => Err(Over::Cut),
            Some(Strike::Crash { lose }) => Err(Over::Crash { lose }),
        }
    }

    /// Outcomes that are due, a Status that is due or says something new, and what time has brought about.
    fn keep_up(&mut self) -> Result<(), Over> {
        let now = Instant::now();
        let Some((since, every)) = self.welcomed else {
            let late = now >= self.next_status;
            return if late { Err(broken("no Welcome in time")) } else { Ok(()) };
        };
        if self.shared.faults().half_open().is_some_and(|after| now >= since + after) {
            self.shared.faults().went_half_open();
            return Err(Over::HalfOpen);
        }
        if now >= self.heard + self.hub_silence {
            return Err(broken("nothing heard from the hub for too long"));
        }
        let moment = self.terminal.moment();
        self.terminal.ea.forget(moment);
        for outcome in self.terminal.ea.due(moment) {
            self.post(&outcome.into());
        }
        for transaction in self.terminal.transactions() {
            self.post(&transaction.into());
        }
        if now >= self.next_status {
            self.next_status = now + every;
            let status = self.terminal.status();
            self.post(&status.into());
        } else if let Some(status) = self.terminal.status_if_changed() {
            self.post(&status.into());
        }
        // Behind everything else, and only while nothing waits: a socket that is slow gets the newest, not all there was.
        if self.outbox.iter().all(|(due, _)| *due <= now) && !self.terminal.live.is_idle() {
            for push in self.terminal.pushes() {
                self.post(&push);
            }
        }
        Ok(())
    }

    /// When the next turn begins if nothing arrives.
    fn wake(&self) -> Instant {
        let mut wake = self.next_status;
        if let Some((due, _)) = self.outbox.front() {
            wake = wake.min(*due);
        }
        let Some((since, _)) = self.welcomed else { return wake };
        if !self.terminal.live.is_idle() {
            wake = wake.min(Instant::now() + LOOK);
        }
        if self.terminal.ea.waits() {
            wake = wake.min(Instant::now() + Duration::from_micros(RESEND_US));
        }
        if let Some(after) = self.shared.faults().half_open() {
            wake = wake.min(since + after);
        }
        wake.min(self.heard + self.hub_silence)
    }

    fn post(&mut self, message: &FromTerminal) {
        let (delay, twice, one_in, flood) = {
            let faults = self.shared.faults();
            (faults.delay(), faults.duplicates(), faults.lose_frames(), faults.flood())
        };
        self.posted = self.posted.wrapping_add(1);
        let is_news = matches!(message, FromTerminal::Hello(_) | FromTerminal::Status(_));
        // Without Hello there would be no connection to lose anything on.
        if !matches!(message, FromTerminal::Hello(_))
            && one_in.is_some_and(|one_in| self.posted.is_multiple_of(u64::from(one_in)))
        {
            return;
        }
        let due = Instant::now() + delay;
        let is_push = matches!(message, FromTerminal::PushQuotes(_) | FromTerminal::PushBars(_));
        let times = if is_push { flood } else { 1 };
        for _ in 0..if twice && !is_news { 2 * times } else { times } {
            self.outbox.push_back((due, message.encode(self.terminal.count_us())));
        }
    }

    /// Writes what may leave, with one flush.
    async fn write(&mut self) -> Result<(), Over> {
        let now = Instant::now();
        let ready = self.outbox.partition_point(|(due, _)| *due <= now);
        if ready == 0 {
            return Ok(());
        }
        let frames: Vec<_> = self.outbox.drain(..ready).collect();
        let socket = &mut self.socket;
        let writing = async {
            for (_, frame) in frames {
                socket.feed(Message::Binary(frame.into())).await?;
            }
            socket.flush().await
        };
        match timeout(WRITE_TIMEOUT, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(error)),
            Err(_) => Err(broken("the hub does not read")),
        }
    }

    async fn goodbye(&mut self) {
        let close = CloseFrame { code: CloseCode::Normal, reason: "the terminal was stopped".into() };
        // Whether it arrives or not, this is the end.
        let _ = timeout(GOODBYE_TIMEOUT, self.socket.close(Some(close))).await;
    }
}

fn broken(why: impl std::fmt::Display) -> Over {
    Over::Ended(Ended::retry(why.to_string()))
}
