//! What the rest of the hub holds of a live session: who it is, how it is, and its bounded mailbox.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    News, Recall,
    link::{Hop, Link},
    news::Board,
};
use crate::{
    domain::{
        UnixMillis,
        account::{Account, Platform},
        ids::{EaInstance, OwnerId, SessionId, TokenId},
    },
    equity::EquityBook,
    protocol::{
        CloseReason, FromHub,
        message::{Hello, Reply, Status},
    },
    telemetry::metrics::{Metrics, time},
};

/// Pushes of one session that may wait for the trade history.
const PUSHES_MAX: usize = 256;

/// A message to the session actor.
#[derive(Debug)]
pub(super) enum Mail {
    /// A read: the reply comes back here.
    Call(Box<Call>),
    /// Anything else; `begun` is answered when its first byte is handed to the socket, and dropped if that never happens.
    Send { message: Box<FromHub>, begun: Option<Begun> },
    /// A newcomer wants the token: prove that you live.
    Probe { alive: oneshot::Sender<()> },
}

/// Whose business it is that a message is handed to the socket.
#[derive(Debug)]
pub(super) struct Begun {
    told: oneshot::Sender<()>,
    recall: Recall,
}

impl Begun {
    /// The message is handed to the socket now. False when it was taken back, and must not be.
    pub(super) fn begin(self) -> bool {
        let begins = self.recall.begin();
        if begins {
            // Nobody waits any more: then nobody needs to know.
            let _ = self.told.send(());
        }
        begins
    }
}

/// A read on its way. In a box, because a mailbox is allocated for 32 mails at a time.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) call: u64,
    pub(super) message: FromHub,
    pub(super) reply: oneshot::Sender<Reply>,
    pub(super) posted: Instant,
}

/// Why a message was not sent, or not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The mailbox is full: nothing was sent.
    #[error("too many messages wait for this terminal")]
    Busy,
    /// The session is gone.
    #[error("the terminal is not connected any more")]
    Gone,
    /// No answer in time.
    #[error("the terminal did not answer in time")]
    TimedOut,
}

/// A live session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: SessionId,
    epoch: u64,
    token: TokenId,
    owner: OwnerId,
    account: Account,
    instance: EaInstance,
    platform: Platform,
    hello: Hello,
    remote: String,
    connected_at: UnixMillis,
    mailbox: mpsc::Sender<Mail>,
    cancel: CancellationToken,
    end: OnceLock<CloseReason>,
    calls: AtomicU64,
    /// One question for much data at a time.
    bulk: Semaphore,
    /// Somebody is about to cut it, and asks it its last questions.
    farewell: AtomicBool,
    /// Pushes of it that may still wait: one terminal's flood does not fill the channel of all.
    pushes: Arc<Semaphore>,
    board: Board,
    link: Arc<Link>,
    equity: Arc<EquityBook>,
    signs: Mutex<Signs>,
    metrics: Metrics,
}

/// Signs of life, as last heard.
#[derive(Debug, Clone)]
struct Signs {
    heard: Instant,
    ea_us: u64,
    ea_us_at: Instant,
    rtt: Option<Duration>,
    status: Option<(Status, Instant)>,
    broker_time: i64,
    lease_until: Option<Instant>,
}

/// Who a session is, as its Hello said and admission confirmed.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: SessionId,
    pub(super) epoch: u64,
    pub(super) token: TokenId,
    pub(super) owner: OwnerId,
    pub(super) account: Account,
    pub(super) instance: EaInstance,
    pub(super) platform: Platform,
    pub(super) hello: Hello,
    pub(super) remote: String,
    pub(super) connected_at: UnixMillis,
    pub(super) link: Arc<Link>,
    pub(super) equity: Arc<EquityBook>,
    pub(super) metrics: Metrics,
}

/// How a session is now, each sign with its age.
#[derive(Debug, Clone)]
pub struct Presence {
    /// Since the last frame of any kind.
    pub heard_ago: Duration,
    /// Last measured round trip of a ping.
    pub rtt: Option<Duration>,
    /// The last Status and its age.
    pub status: Option<(Status, Duration)>,
    /// Inside `OrderSend`: silence is expected.
    pub busy: bool,
}

impl SessionHandle {
    pub(super) fn new(identity: Identity, ea_us: u64, mailbox: mpsc::Sender<Mail>, cancel: CancellationToken) -> Self {
        let now = Instant::now();
        let signs = Signs {
            heard: now,
            ea_us,
            ea_us_at: now,
            rtt: None,
            status: None,
            broker_time: identity.hello.broker_time,
            lease_until: None,
        };
        Self {
            inner: Arc::new(Inner {
                id: identity.id,
                epoch: identity.epoch,
                token: identity.token,
                owner: identity.owner,
                account: identity.account,
                instance: identity.instance,
                platform: identity.platform,
                hello: identity.hello,
                remote: identity.remote,
                connected_at: identity.connected_at,
                mailbox,
                cancel,
                end: OnceLock::new(),
                calls: AtomicU64::new(1),
                bulk: Semaphore::new(1),
                farewell: AtomicBool::new(false),
                pushes: Arc::new(Semaphore::new(PUSHES_MAX)),
                board: Board::default(),
                link: identity.link,
                equity: identity.equity,
                signs: Mutex::new(signs),
                metrics: identity.metrics,
            }),
        }
    }

    /// This connection.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.inner.id
    }
    /// Grows with each session of this hub.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.inner.epoch
    }
    /// Its token.
    #[must_use]
    pub fn token(&self) -> TokenId {
        self.inner.token
    }
    /// Its token's owner.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.inner.owner
    }
    /// The account it is logged in to.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.inner.account
    }
    /// The EA's instance.
    #[must_use]
    pub fn instance(&self) -> EaInstance {
        self.inner.instance
    }
    /// MetaTrader 4 or 5.
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.inner.platform
    }
    /// What it said of itself.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.inner.hello
    }
    /// The address it comes from.
    #[must_use]
    pub fn remote(&self) -> &str {
        &self.inner.remote
    }
    /// Since when.
    #[must_use]
    pub fn connected_at(&self) -> UnixMillis {
        self.inner.connected_at
    }

    /// How it is now.
    #[must_use]
    pub fn presence(&self) -> Presence {
        let now = Instant::now();
        let signs = self.signs();
        Presence {
            heard_ago: now.saturating_duration_since(signs.heard),
            rtt: signs.rtt,
            status: signs.status.as_ref().map(|(status, at)| (status.clone(), now.saturating_duration_since(*at))),
            busy: signs.lease_until.is_some_and(|until| until > now),
        }
    }

    /// The kill level that the EA says to be in force in it; none before its first Status.
    #[must_use]
    pub fn latch(&self) -> Option<u8> {
        self.signs().status.as_ref().map(|(status, _)| status.latch)
    }

    /// Broker time and equity of the last Status; none before the first, or when what it said is no number.
    #[must_use]
    pub fn equity(&self) -> Option<(i64, f64)> {
        let signs = self.signs();
        let (status, _) = signs.status.as_ref()?;
        (status.equity.is_finite() && status.broker_time > 0).then_some((status.broker_time, status.equity))
    }

    /// The EA's microsecond count as last heard, moved on by what has passed here since, and how long ago that was. Errs early by
    /// one way's latency, never late.
    #[must_use]
    pub fn ea_clock(&self) -> (u64, Duration) {
        let signs = self.signs();
        let since = Instant::now().saturating_duration_since(signs.ea_us_at);
        (signs.ea_us.saturating_add(u64::try_from(since.as_micros()).unwrap_or(u64::MAX)), since)
    }

    /// Broker time as last told, epoch seconds; never ahead of the broker's clock.
    #[must_use]
    pub fn broker_time(&self) -> i64 {
        self.signs().broker_time
    }

    /// The last offset of broker time from UTC that the terminal measured, seconds, and the broker time of that moment.
    #[must_use]
    pub fn measured_offset(&self) -> (i64, i32) {
        let signs = self.signs();
        match &signs.status {
            Some((status, _)) if status.broker_time > 0 => (status.broker_time, status.utc_offset_s),
            _ => (self.inner.hello.broker_time, self.inner.hello.utc_offset_s),
        }
    }

    /// Waits until the terminal has told something of its market or its account, and takes it: the newest of each thing. For one reader.
    pub async fn news(&self) -> News {
        self.inner.board.take().await
    }

    /// Forgets what it has told so far.
    pub fn discard_news(&self) {
        self.inner.board.discard();
    }

    /// Asks the terminal something and waits for the answer, whose parts are joined.
    ///
    /// # Errors
    /// [`CallError`]; with `Busy` nothing was sent.
    pub async fn call(&self, within: Duration, build: impl FnOnce(u64) -> FromHub) -> Result<Reply, CallError> {
        let call = self.inner.calls.fetch_add(1, Ordering::Relaxed);
        let ((reply, answer), posted) = (oneshot::channel(), Instant::now());
        self.post(Mail::Call(Box::new(Call { call, message: build(call), reply, posted })))?;
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(reply)) => {
                time(&self.inner.metrics.read_seconds, "hop", "whole", posted.elapsed());
                Ok(reply)
            }
            Ok(Err(_)) => Err(CallError::Gone),
            Err(_) => Err(CallError::TimedOut),
        }
    }

    /// Waits for the turn to ask for much data: one such question is at the terminal at a time, and who asked first comes first. So
    /// downloads share it chunk by chunk, and a trade waits for one chunk at most.
    ///
    /// # Errors
    /// [`CallError::Busy`] when the turn did not come in time: nothing was sent.
    pub async fn bulk_turn(&self, within: Duration) -> Result<SemaphorePermit<'_>, CallError> {
        match tokio::time::timeout(within, self.inner.bulk.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(CallError::Busy),
        }
    }

    /// Sends without waiting for an answer.
    ///
    /// # Errors
    /// [`CallError::Busy`] and [`CallError::Gone`]: nothing was sent.
    pub fn send(&self, message: impl Into<FromHub>) -> Result<(), CallError> {
        self.post(Mail::Send { message: Box::new(message.into()), begun: None })
    }

    /// Takes a place in the mailbox now, for a message that must be made durable before it is sent.
    ///
    /// # Errors
    /// [`CallError::Busy`] and [`CallError::Gone`].
    pub fn reserve(&self) -> Result<Place, CallError> {
        match self.inner.mailbox.clone().try_reserve_owned() {
            Ok(permit) => Ok(Place { permit }),
            Err(mpsc::error::TrySendError::Full(_)) => Err(self.full()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(CallError::Gone),
        }
    }

    fn full(&self) -> CallError {
        self.inner.metrics.mailbox_full.inc();
        CallError::Busy
    }

    fn post(&self, mail: Mail) -> Result<(), CallError> {
        self.inner.mailbox.try_send(mail).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => self.full(),
            mpsc::error::TrySendError::Closed(_) => CallError::Gone,
        })
    }

    /// Claims the cut of this session, so that its last questions are not cut short by another. False if it is claimed already.
    #[must_use]
    pub fn begin_farewell(&self) -> bool {
        !self.inner.farewell.swap(true, Ordering::AcqRel)
    }

    /// Gives the claim back: it is not cut after all.
    pub fn end_farewell(&self) {
        self.inner.farewell.store(false, Ordering::Release);
    }

    /// Ends the session. The first reason counts.
    pub fn cut(&self, reason: CloseReason) {
        let _ = self.inner.end.set(reason);
        self.inner.cancel.cancel();
    }

    /// Whether it is being cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.inner.cancel.is_cancelled()
    }

    pub(super) fn cut_reason(&self) -> Option<CloseReason> {
        self.inner.end.get().copied()
    }

    /// Whether the session shows a sign of life within `within`, or may be silent because it is inside `OrderSend`.
    pub(super) async fn proves_life(&self, within: Duration) -> bool {
        if self.is_cut() {
            return false;
        }
        if self.presence().busy {
            return true;
        }
        let (alive, answer) = oneshot::channel();
        match self.post(Mail::Probe { alive }) {
            Ok(()) => matches!(tokio::time::timeout(within, answer).await, Ok(Ok(()))),
            // So much waits for it that a probe has no place: then only what was heard lately counts.
            Err(CallError::Busy) => self.presence().heard_ago < within,
            Err(_) => false,
        }
    }

    /// Room for one more push that waits.
    pub(super) fn push_place(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        Arc::clone(&self.inner.pushes).try_acquire_owned()
    }

    pub(super) fn board(&self) -> &Board {
        &self.inner.board
    }

    pub(super) fn link(&self) -> &Link {
        &self.inner.link
    }

    pub(super) fn note_frame(&self, now: Instant) {
        self.signs().heard = now;
    }

    pub(super) fn note_message(&self, now: Instant, ea_us: u64) {
        let mut signs = self.signs();
        signs.ea_us = ea_us;
        signs.ea_us_at = now;
    }

    pub(super) fn note_rtt(&self, rtt: Duration) {
        self.signs().rtt = Some(rtt);
        self.inner.link.took(Hop::Hub, rtt);
    }

    pub(super) fn note_status(&self, now: Instant, status: Status) {
        self.inner.link.status(status.loop_age_ms, status.broker_ping_us);
        self.inner.equity.hear(&status, || self.is_cut());
        let mut signs = self.signs();
        signs.broker_time = status.broker_time;
        signs.status = Some((status, now));
    }

    pub(super) fn note_lease(&self, until: Option<Instant>) {
        self.signs().lease_until = until;
    }

    fn signs(&self) -> std::sync::MutexGuard<'_, Signs> {
        self.inner.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reserved place in a mailbox.
#[derive(Debug)]
pub struct Place {
    permit: mpsc::OwnedPermit<Mail>,
}

impl Place {
    /// Sends through it. The answer says whether the message was handed to the socket: an error means that not one byte of it was, and
    /// none ever will be, because the session ended or because it was taken back by `recall`.
    #[must_use]
    pub fn send(self, message: impl Into<FromHub>, recall: Recall) -> oneshot::Receiver<()> {
        let (told, answer) = oneshot::channel();
        if recall.post() {
            self.permit.send(Mail::Send { message: Box::new(message.into()), begun: Some(Begun { told, recall }) });
        }
        answer
    }
}
