//! Bars: what the cache holds is answered from it, the terminal gives the rest.

use std::{sync::Arc, time::Duration};

use crate::{
    domain::market::{BadBars, Bar, Timeframe},
    hub::{CallError, SessionHandle},
    protocol::{
        DecodeError, codec,
        message::{BarsBody, GetBars, bars_mode, reply_status},
    },
    store::cache::{BarCache, Span},
};

/// Which bars are wanted. Times are broker time, epoch seconds, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// By position back from the forming bar.
    Latest {
        /// 0 is the forming bar.
        start: u32,
        /// At most so many.
        count: u32,
    },
    /// The oldest ones in a span.
    Range {
        /// Earliest opening time.
        from: i64,
        /// Latest opening time.
        to: i64,
        /// At most so many.
        count: u32,
    },
    /// The last ones that open at or before a time.
    EndingAt {
        /// Latest opening time.
        to: i64,
        /// At most so many.
        count: u32,
    },
}

/// Bars, oldest first, and where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// The bars.
    pub bars: Vec<Bar>,
    /// Opening time of the bar that is still forming: those before it are closed for good. 0 if none is.
    pub forming_open: i64,
    /// The terminal was not asked.
    pub from_cache: bool,
    /// The terminal is still loading this history: more may come.
    pub loading: bool,
}

/// Why there are no bars.
#[derive(Debug, thiserror::Error)]
pub enum BarsError {
    /// The terminal could not be asked, or did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The terminal has no such symbol.
    #[error("the terminal has no such symbol")]
    UnknownSymbol,
    /// The terminal says it failed.
    #[error("the terminal failed: {text} (error {code})")]
    Terminal {
        /// MQL error code.
        code: i32,
        /// In words.
        text: String,
    },
    /// The terminal's answer is no bars.
    #[error("the terminal's answer is no list of bars: {0}")]
    Bad(#[from] BadBars),
    /// The terminal's answer is no message.
    #[error("the terminal's answer is no list of bars: {0}")]
    Undecodable(#[from] DecodeError),
}

/// Bars of all terminals. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BarService {
    cache: Arc<BarCache>,
}

impl BarService {
    /// Over a cache.
    #[must_use]
    pub const fn new(cache: Arc<BarCache>) -> Self {
        Self { cache }
    }

    /// Gets bars of a terminal.
    ///
    /// # Errors
    /// [`BarsError`].
    pub async fn fetch(
        &self,
        session: &SessionHandle,
        symbol: &str,
        timeframe: Timeframe,
        wanted: Wanted,
        within: Duration,
    ) -> Result<Bars, BarsError> {
        // By account: what one terminal claims is never told to another's bots.
        let series = BarCache::series_name(&session.account().to_string(), symbol, timeframe.name());
        if let Some(bars) = self.cached(series.clone(), wanted).await {
            return Ok(Bars { bars, forming_open: i64::MAX, from_cache: true, loading: false });
        }
        let (mode, from, to, count) = match wanted {
            Wanted::Latest { start, count } => (bars_mode::POSITION, i64::from(start), 0, count),
            Wanted::Range { from, to, count } => (bars_mode::RANGE, from, to, count),
            Wanted::EndingAt { to, count } => (bars_mode::ENDING_AT, 0, to, count),
        };
        let ask = |call| GetBars { call, symbol: symbol.to_owned(), timeframe: timeframe.number(), mode, from, to, count }.into();
        let reply = session.call(within, ask).await?;
        let loading = match reply.status {
            reply_status::OK | reply_status::NO_MORE => false,
            reply_status::LOADING => true,
            reply_status::NOT_FOUND => return Err(BarsError::UnknownSymbol),
            _ => return Err(BarsError::Terminal { code: reply.code, text: reply.text }),
        };
        let body: BarsBody = if reply.body.is_empty() { BarsBody::default() } else { codec::record(&reply.body)? };
        let mut bars = Bar::unpack_all(&body.rates)?;
        // More than was asked for is not passed on, whichever end it is at.
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        match wanted {
            Wanted::Range { from, to, .. } => {
                bars.retain(|bar| (from..=to).contains(&bar.time));
                bars.truncate(count);
            }
            Wanted::Latest { .. } | Wanted::EndingAt { .. } => drop(bars.drain(..bars.len().saturating_sub(count))),
        }
        if !loading {
            self.keep(series, &bars, wanted, body.forming_open).await;
        }
        Ok(Bars { bars, forming_open: body.forming_open, from_cache: false, loading })
    }

    async fn cached(&self, series: String, wanted: Wanted) -> Option<Vec<Bar>> {
        let cache = Arc::clone(&self.cache);
        let look = move || match wanted {
            // The newest bars change: only the terminal knows them.
            Wanted::Latest { .. } => None,
            Wanted::Range { from, to, count } => {
                let mut bars = cache.range(&series, from, to)?;
                bars.truncate(usize::try_from(count).unwrap_or(usize::MAX));
                Some(bars)
            }
            Wanted::EndingAt { to, count } => cache.last_n_before(&series, to, usize::try_from(count).ok()?),
        };
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }

    /// Keeps the closed ones. The forming bar never: it is not true any more a moment later.
    async fn keep(&self, series: String, bars: &[Bar], wanted: Wanted, forming_open: i64) {
        let closed: Vec<Bar> = bars.iter().filter(|bar| forming_open > 0 && bar.time < forming_open).copied().collect();
        let (Some(first), Some(last)) = (closed.first(), closed.last()) else { return };
        // A terminal that gave fewer than asked for has given all there are up to where the span ends.
        let span = match wanted {
            Wanted::Range { from, to, count } if bars.len() < usize::try_from(count).unwrap_or(usize::MAX) => {
                Span { from, to: to.min(forming_open - 1) }
            }
            Wanted::Range { from, .. } => Span { from, to: last.time },
            Wanted::EndingAt { to, .. } => Span { from: first.time, to: to.min(forming_open - 1) },
            Wanted::Latest { .. } => Span { from: first.time, to: last.time },
        };
        let cache = Arc::clone(&self.cache);
        // Lost, it is fetched again.
        let _ = tokio::task::spawn_blocking(move || cache.insert(&series, &closed, span)).await;
    }
}
