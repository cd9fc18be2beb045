//! Bars: what the cache holds is answered from it, the terminal gives the rest; equal requests at one time share one download.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    clocks::Clocks,
    download::Download,
    holder,
    memory::{Crowded, DownloadMemory},
};
use crate::{
    clock::Clock,
    domain::{
        UnixMillis,
        account::Account,
        ids::{OwnerId, SessionId},
        market::{BadBars, Bar, Timeframe},
    },
    hub::{CallError, SessionHandle},
    protocol::DecodeError,
    store::cache::{BarCache, Cover, Span},
};

/// Records that one answer from the cache may read: those it skips, and those it gives.
const SKIPPED_MAX: u32 = 200_000;

pub use super::download::LATEST;

/// Which bars are wanted. Times are broker time, epoch seconds, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// The oldest ones in a span.
    Forward {
        /// Earliest opening time.
        from: i64,
        /// Latest opening time.
        to: i64,
        /// At most so many.
        count: u32,
    },
    /// The newest ones in a span.
    Backward {
        /// Earliest opening time.
        from: i64,
        /// Latest opening time.
        to: i64,
        /// At most so many.
        count: u32,
    },
    /// By position back from the forming bar.
    Latest {
        /// 0 is the forming bar.
        start: u32,
        /// At most so many.
        count: u32,
    },
}

/// Bars, and what is to be said about them.
#[derive(Debug, Default)]
pub struct Found {
    /// The bars, oldest first.
    pub bars: Vec<Bar>,
    /// Opening time of the bar that was still forming: those before it are closed for good.
    pub(super) forming_open: i64,
    /// Some of them are cached.
    pub from_cache: bool,
    /// The terminal was asked.
    pub from_terminal: bool,
    pub(super) last_from_cache: bool,
    /// When a terminal spoke of them; of several times the earliest.
    pub heard: UnixMillis,
    /// The terminal is still loading this history: more may come.
    pub loading: bool,
    /// Opening time of the oldest bar that the terminal can get; 0 if not known.
    pub oldest: i64,
    /// There is no older history than this.
    pub no_more: bool,
    /// Stretches in which there may be bars that could not be had now.
    pub missing: Vec<Span>,
    /// Why the download stopped early.
    pub interrupted: Option<BarsError>,
    /// Where the next page begins; of a backward one, where it ends.
    pub next: Option<i64>,
    /// Closed bars were found to have changed.
    pub rewritten: bool,
    /// Their room in memory, given back with them.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl Found {
    /// Whether a bar of these is closed for good.
    #[must_use]
    pub const fn is_complete(&self, bar: &Bar) -> bool {
        bar.time < self.forming_open
    }

    /// Whether these are all bars that were asked for and exist, up to the next page.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.missing.is_empty() && !self.loading
    }
}

/// Why there are no bars.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BarsError {
    /// The terminal could not be asked, or did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The terminal is away, and nothing of this is cached.
    #[error("the terminal is not connected, and nothing of this is cached")]
    Offline,
    /// Too much is being downloaded.
    #[error("too much is being downloaded")]
    Crowded,
    /// The terminal has no such symbol.
    #[error("the terminal has no such symbol")]
    UnknownSymbol,
    /// This platform cannot do that.
    #[error("the platform cannot do that: {0}")]
    Unsupported(String),
    /// The terminal says it failed.
    #[error("the terminal failed: {text} (error {code})")]
    Terminal {
        /// MQL error code.
        code: i32,
        /// In words.
        text: String,
    },
    /// The terminal's answer is no list of bars.
    #[error("the terminal's answer is no list of bars: {0}")]
    Bad(#[from] BadBars),
    /// The terminal's answer is no message.
    #[error("the terminal's answer is no message: {0}")]
    Undecodable(Arc<DecodeError>),
}

impl From<DecodeError> for BarsError {
    fn from(error: DecodeError) -> Self {
        Self::Undecodable(Arc::new(error))
    }
}

impl From<Crowded> for BarsError {
    fn from(Crowded: Crowded) -> Self {
        Self::Crowded
    }
}

/// Bars of one symbol and timeframe of one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    pub(super) holder: String,
    pub(super) symbol: String,
    pub(super) timeframe: Timeframe,
}

impl Series {
    /// Of an account as this owner's terminals have it.
    #[must_use]
    pub fn new(owner: OwnerId, account: &Account, symbol: &str, timeframe: Timeframe) -> Self {
        Self { holder: holder(owner, account), symbol: symbol.to_owned(), timeframe }
    }

    pub(super) fn name(&self) -> String {
        BarCache::series_name(&self.holder, &self.symbol, self.timeframe.name())
    }
}

type Answer = Result<Arc<Found>, BarsError>;
type Flight = Shared<BoxFuture<'static, Answer>>;
type Question = (Series, Option<SessionId>, Wanted);

/// Bars of all terminals. Cheap to clone.
#[derive(Clone)]
pub struct BarService {
    cache: Arc<BarCache>,
    clock: Clock,
    clocks: Clocks,
    memory: DownloadMemory,
    flights: Arc<Mutex<HashMap<Question, WeakShared<BoxFuture<'static, Answer>>>>>,
}

impl std::fmt::Debug for BarService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BarService").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl BarService {
    /// Over a cache.
    #[must_use]
    pub fn new(cache: Arc<BarCache>, clocks: Clocks, clock: Clock, memory: DownloadMemory) -> Self {
        Self { cache, clock, clocks, memory, flights: Arc::default() }
    }

    /// Gets bars: of the terminal and the cache, or of the cache alone when there is no session. Each question to the terminal is
    /// answered `within` that time. The download stops when nobody waits for it any more.
    ///
    /// # Errors
    /// [`BarsError`].
    pub async fn fetch(&self, series: Series, session: Option<&SessionHandle>, wanted: Wanted, within: Duration) -> Answer {
        let question = (series, session.map(SessionHandle::id), wanted);
        self.flight(question, session, within).await
    }

    /// The download that answers this question now, if there is one: an answer that is there already may be out of date.
    fn flight(&self, question: Question, session: Option<&SessionHandle>, within: Duration) -> Flight {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way =
            |flight: &WeakShared<BoxFuture<'static, Answer>>| flight.upgrade().filter(|flight| flight.peek().is_none());
        if let Some(flight) = flights.get(&question).and_then(under_way) {
            return flight;
        }
        let (series, _, wanted) = question.clone();
        let download = self.clone().download(series, session.cloned(), wanted, within);
        let flight = download.boxed().shared();
        flights.retain(|_, flight| under_way(flight).is_some());
        if let Some(weak) = flight.downgrade() {
            flights.insert(question, weak);
        }
        flight
    }

    async fn download(self, series: Series, session: Option<SessionHandle>, wanted: Wanted, within: Duration) -> Answer {
        let count = match wanted {
            // The cache knows no positions: what is skipped is read too, so one caller could take the memory of all.
            Wanted::Latest { start, count } if session.is_none() => {
                let all = count.saturating_add(start);
                if all > SKIPPED_MAX {
                    return Err(Crowded.into());
                }
                all
            }
            Wanted::Forward { count, .. } | Wanted::Backward { count, .. } | Wanted::Latest { count, .. } => count,
        };
        let room = self.memory.take(count, within).await?;
        let broker_time = session.as_ref().map_or(0, SessionHandle::broker_time);
        let cached_to = if broker_time > 0 { series.timeframe.open_of(broker_time) - 1 } else { LATEST };
        let minutes = series.timeframe.minutes();
        let download = Download {
            cache: Arc::clone(&self.cache),
            clock: self.clock,
            series,
            session: session.clone(),
            within,
            cached_to,
            cover: Cover::default(),
            found: Found { forming_open: i64::MAX, ..Found::default() },
        };
        let mut found = download.run(wanted).await?;
        if let Some(session) = session {
            // Weekly openings can be told from hours and shorter bars.
            self.clocks.learn(&session, if minutes <= 60 { &found.bars } else { &[] }).await;
        }
        found._room = Some(room);
        Ok(Arc::new(found))
    }

    /// Forgets every bar of an account, and what is known of its clock.
    pub async fn forget(&self, owner: OwnerId, account: &Account) {
        let (cache, holder) = (Arc::clone(&self.cache), holder(owner, account));
        self.clocks.forget(&holder);
        // If it panics there is no cache left.
        let _ = tokio::task::spawn_blocking(move || cache.forget(&holder)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn equal_questions_at_one_time_share_a_download_and_later_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Arc::new(BarCache::open(dir.path(), 1 << 20));
        let clocks = Clocks::open(std::collections::BTreeMap::new(), Arc::clone(&cache));
        let service = BarService::new(cache, clocks, Clock::start(), DownloadMemory::default());
        let account = Account::new(1001, "Demo").unwrap();
        let series = Series::new(OwnerId::SELF, &account, "EURUSD", Timeframe::M1);
        let latest = |count| (series.clone(), None, Wanted::Latest { start: 0, count });
        let flight = |count| service.flight(latest(count), None, Duration::from_secs(1));
        let (first, second, other) = (flight(5), flight(5), flight(6));
        assert!(first.ptr_eq(&second) && !first.ptr_eq(&other));
        assert!(matches!(first.clone().await, Err(BarsError::Offline)));
        assert!(matches!(second.await, Err(BarsError::Offline)));
        assert!(!flight(5).ptr_eq(&first), "what it said is out of date by now");
        let third = flight(5);
        drop(third);
        assert!(
            service.flights.lock().unwrap().values().all(|flight| flight.upgrade().is_none_or(|flight| flight.ptr_eq(&other)))
        );
    }
}
