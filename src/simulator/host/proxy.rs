//! Between the program and the hub: passes everything on as it is, sees what it is, and breaks it where a fault says so.

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::http::Response;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    frames::{Frame, Piece, Stream},
    shared::{Shared, Struck},
};
use crate::{
    protocol::{FromHub, FromTerminal, codec::decode, message::answer_kind},
    simulator::{
        Refused,
        faults::Step,
        link::{self, Ended},
    },
};

/// Frames that a delay may hold back.
const HELD_MAX: usize = 10_000;
/// After the hub has gone the program may still say something, which nobody hears.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Tags of the protocol that matter here.
mod tag {
    pub(super) const HELLO: u8 = 1;
    pub(super) const STATUS: u8 = 2;
    pub(super) const ACCEPTED: u8 = 4;
    pub(super) const OUTCOME: u8 = 5;
    pub(super) const ANSWER: u8 = 6;
    pub(super) const PUSH_QUOTES: u8 = 7;
    pub(super) const PUSH_BARS: u8 = 8;
    pub(super) const WELCOME: u8 = 1;
    pub(super) const TRADE: u8 = 2;
}

/// Why a connection is over.
enum Over {
    /// One side has gone.
    Gone,
    /// The hub takes nothing any more.
    Deaf,
    /// A fault: without a word.
    Cut,
    /// A fault: the sockets stay, and nothing is passed on.
    Frozen,
}

/// Where the program's connections go.
pub(super) struct Proxy {
    pub(super) shared: Arc<Shared>,
    pub(super) hub: SocketAddr,
    pub(super) half_open_for: Duration,
    pub(super) stop: CancellationToken,
}

impl Proxy {
    /// Takes connections until it is stopped.
    pub(super) async fn serve(self, listener: TcpListener) {
        let proxy = Arc::new(self);
        let links = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = proxy.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((program, _)) = accepted else { continue };
            let proxy = Arc::clone(&proxy);
            links.spawn(async move {
                let stop = proxy.stop.clone();
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    carried = proxy.carry(program) => {
                        if let Err(error) = carried {
                            tracing::debug!(%error, "a connection to the hub");
                        }
                    }
                }
            });
        }
    }

    async fn carry(&self, program: TcpStream) -> io::Result<()> {
        if let Some(Err(refused)) = self.shared.outcome.borrow().as_ref() {
            tracing::error!(%refused, "the program was refused for good and comes back");
        }
        let cut = self.shared.new_link();
        let hub = TcpStream::connect(self.hub).await?;
        hub.set_nodelay(true)?;
        program.set_nodelay(true)?;
        let (from_program, to_program) = program.into_split();
        let (from_hub, to_hub) = hub.into_split();
        let (welcomed, seen) = watch::channel(None);
        let mut up = Up { shared: &self.shared, from: from_program, to: to_hub, held: VecDeque::new(), posted: 0 };
        let mut down = Down { shared: &self.shared, from: from_hub, to: to_program, welcomed };
        let over = tokio::select! {
            biased;
            () = cut.cancelled() => Over::Cut,
            () = self.goes_half_open(seen) => Over::Frozen,
            over = down.run() => over.unwrap_or(Over::Cut),
            over = up.run() => over.unwrap_or_else(|error| if error.downcast::<Struck>().is_ok() { Over::Cut } else { Over::Deaf }),
        };
        if matches!(over, Over::Deaf) {
            // A hub that takes nothing any more may have said why.
            let _ = timeout(LAST_WORDS, down.run()).await;
        }
        self.shared.connected.send_if_modified(std::mem::take);
        match over {
            Over::Cut => {}
            // Both sockets stay open meanwhile.
            Over::Frozen => sleep(self.half_open_for).await,
            Over::Gone | Over::Deaf => {
                // With a closed socket what the program has not read yet would be lost.
                let _ = down.to.shutdown().await;
                let mut rest = vec![0; 4096];
                let reading = async { while matches!(up.from.read(&mut rest).await, Ok(read) if read > 0) {} };
                let _ = timeout(LAST_WORDS, reading).await;
            }
        }
        Ok(())
    }

    async fn goes_half_open(&self, mut welcomed: watch::Receiver<Option<Instant>>) {
        let since = welcomed.wait_for(Option::is_some).await.ok().and_then(|since| *since);
        let Some(since) = since else { return std::future::pending().await };
        loop {
            let after = self.shared.faults().half_open();
            match after {
                Some(after) => {
                    sleep_until(since + after).await;
                    self.shared.faults().went_half_open();
                    return;
                }
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// From the program to the hub.
struct Up<'a> {
    shared: &'a Shared,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    /// Frames and when they may leave.
    held: VecDeque<(Instant, Vec<u8>)>,
    posted: u64,
}

impl Up<'_> {
    async fn run(&mut self) -> io::Result<Over> {
        let mut stream = Stream::default();
        loop {
            let due = self.held.front().map(|(due, _)| *due);
            tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if let Some((_, bytes)) = self.held.pop_front() {
                        self.to.write_all(&bytes).await?;
                    }
                }
                read = self.from.read_buf(&mut stream.buffer), if self.held.len() < HELD_MAX => {
                    if read? == 0 {
                        // The close frame may still be on its way.
                        while let Some((_, bytes)) = self.held.pop_front() {
                            self.to.write_all(&bytes).await?;
                        }
                        return Ok(Over::Gone);
                    }
                    while let Some(piece) = stream.next() {
                        match piece {
                            Piece::Head(head) => self.held.push_back((Instant::now(), head)),
                            Piece::Frame(frame) => self.pass(&frame)?,
                        }
                    }
                }
            }
        }
    }

    fn pass(&mut self, frame: &Frame) -> Result<(), Struck> {
        let tag = frame.tag();
        if matches!(tag, Some(tag::ACCEPTED | tag::OUTCOME | tag::ANSWER)) {
            self.note(frame);
        }
        if tag == Some(tag::OUTCOME) {
            self.shared.strike(Step::AfterRecord)?;
        }
        let (delay, twice, one_in, flood) = {
            let faults = self.shared.faults();
            (faults.delay(), faults.duplicates(), faults.lose_frames(), faults.flood())
        };
        let mut times = 1;
        if let Some(tag) = tag {
            self.posted = self.posted.wrapping_add(1);
            let lost = one_in.is_some_and(|one_in| self.posted.is_multiple_of(u64::from(one_in)));
            // Without Hello there would be no connection to lose anything on.
            if lost && tag != tag::HELLO {
                return Ok(());
            }
            times = if twice && !matches!(tag, tag::HELLO | tag::STATUS) { 2 } else { 1 };
            times *= if matches!(tag, tag::PUSH_QUOTES | tag::PUSH_BARS) { flood } else { 1 };
        }
        for _ in 0..times {
            self.held.push_back((Instant::now() + delay, frame.raw.clone()));
        }
        Ok(())
    }

    /// What the program says of a trade, whether it arrives at the hub or not.
    fn note(&self, frame: &Frame) {
        match decode::<FromTerminal>(&frame.payload).map(|decoded| decoded.message) {
            Ok(Some(FromTerminal::Accepted(accepted))) => self.shared.accept_trade(accepted.command),
            Ok(Some(FromTerminal::Outcome(outcome))) => self.shared.forget_trade(Some(outcome.command)),
            Ok(Some(FromTerminal::Answer(answer))) if matches!(answer.kind, answer_kind::NOT_SEEN | answer_kind::FORGOTTEN) => {
                self.shared.forget_trade(Some(answer.command));
            }
            _ => {}
        }
    }
}

/// From the hub to the program.
struct Down<'a> {
    shared: &'a Shared,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    welcomed: watch::Sender<Option<Instant>>,
}

impl Down<'_> {
    async fn run(&mut self) -> io::Result<Over> {
        let mut stream = Stream::default();
        loop {
            while let Some(piece) = stream.next() {
                match piece {
                    Piece::Head(head) => {
                        self.to.write_all(&head).await?;
                        if !head.starts_with(b"HTTP/1.1 101") {
                            return self.refused(&head, std::mem::take(&mut stream.buffer)).await;
                        }
                    }
                    Piece::Frame(frame) => self.pass(frame).await?,
                }
            }
            if self.from.read_buf(&mut stream.buffer).await? == 0 {
                self.to.write_all(&stream.buffer).await?;
                return Ok(Over::Gone);
            }
        }
    }

    async fn pass(&mut self, frame: Frame) -> io::Result<()> {
        let slow = self.shared.faults().slow_reader();
        if let Some(slow) = slow {
            sleep(slow).await;
        }
        match frame.tag() {
            Some(tag::TRADE) => {
                self.shared.strike(Step::BeforeAccept)?;
                if let Ok(Some(FromHub::Trade(trade))) = decode::<FromHub>(&frame.payload).map(|decoded| decoded.message) {
                    self.shared.note_trade(trade.command, trade.request.0);
                }
                self.to.write_all(&frame.raw).await
            }
            Some(tag::WELCOME) => {
                self.shared.forget_lost_trades();
                self.to.write_all(&frame.raw).await?;
                self.shared.connected.send_replace(true);
                self.welcomed.send_replace(Some(Instant::now()));
                Ok(())
            }
            _ => {
                self.to.write_all(&frame.raw).await?;
                if let Some((code, words)) = frame.close()
                    && let Ended::Refused(refused) = Ended::closed(code, &words, Duration::ZERO)
                {
                    self.end(refused);
                }
                Ok(())
            }
        }
    }

    /// An answer that is no upgrade: passed on to its end.
    async fn refused(&mut self, head: &[u8], mut body: Vec<u8>) -> io::Result<Over> {
        self.to.write_all(&body).await?;
        let head = String::from_utf8_lossy(head).to_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()).unwrap_or(0);
        while body.len() < length {
            let before = body.len();
            if self.from.read_buf(&mut body).await? == 0 {
                break;
            }
            self.to.write_all(&body[before..]).await?;
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).unwrap_or(0);
        if let Ok(response) = Response::builder().status(status).body(Some(body))
            && let Ended::Refused(refused) = link::refusal(&response)
        {
            self.end(refused);
        }
        Ok(Over::Gone)
    }

    fn end(&self, refused: Refused) {
        self.shared.connected.send_if_modified(std::mem::take);
        self.shared.outcome.send_replace(Some(Err(refused)));
    }
}
