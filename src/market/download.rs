//! One download of bars: chunk by chunk, from the cache where it is complete and from the terminal where it is not.
//!
//! One question is under way at a time, and a terminal answers one chunk at a time, whoever asked: so trades and heartbeats pass between
//! chunks, several downloads take turns, and none of them fills the mailbox. A download that nobody waits for any more is dropped, and
//! what has come by then is in the cache.

use std::{sync::Arc, time::Duration};

use super::{
    CHUNK,
    bars::{BarsError, Found, Series, Wanted},
};
use crate::{
    clock::Clock,
    domain::{UnixMillis, market::Bar},
    hub::SessionHandle,
    protocol::{
        codec,
        message::{BarsBody, GetBars, bars_mode, reply_status},
    },
    store::cache::{BarCache, Cover, Piece, Span},
};

/// Opening times after this one do not exist.
pub const LATEST: i64 = u32::MAX as i64;

pub(super) struct Download {
    pub(super) cache: Arc<BarCache>,
    pub(super) clock: Clock,
    pub(super) series: Series,
    /// None while the terminal is away: then the cache is all there is.
    pub(super) session: Option<SessionHandle>,
    pub(super) within: Duration,
    /// Opening times that the cache may be asked for. A terminal whose clock went back, as a replay's does, is not told its future.
    pub(super) cached_to: i64,
    pub(super) cover: Cover,
    pub(super) found: Found,
}

/// What the terminal said to one question.
struct Chunk {
    bars: Vec<Bar>,
    loading: bool,
    /// There are no bars there, and no older ones.
    no_more: bool,
    forming_open: i64,
}

impl Download {
    pub(super) async fn run(mut self, wanted: Wanted) -> Result<Found, BarsError> {
        let series = self.series.name();
        self.cover = self.blocking(move |cache| Some(cache.cover(&series))).await.unwrap_or_default();
        self.found.oldest = self.cover.oldest;
        match wanted {
            Wanted::Forward { from, to, count } => {
                self.forward(from, to, size(count)).await?;
                self.found.no_more = self.found.oldest > 0 && from <= self.found.oldest;
            }
            Wanted::Backward { from, to, count } => self.backward(from, to, size(count)).await?,
            Wanted::Latest { start, count } if self.session.is_none() => {
                // The forming bar is position 0, and is not cached.
                let skipped = start.saturating_sub(1);
                self.backward(0, LATEST, size(count.saturating_add(skipped))).await?;
                let keep = self.found.bars.len().saturating_sub(size(skipped));
                self.found.bars.truncate(keep);
            }
            Wanted::Latest { start, count } => self.latest(start, size(count)).await?,
        }
        if self.session.is_none() && !self.found.from_cache {
            return Err(BarsError::Offline);
        }
        Ok(self.found)
    }

    /// The oldest bars from `from` on.
    async fn forward(&mut self, from: i64, to: i64, count: usize) -> Result<(), BarsError> {
        let mut at = from;
        while at <= to && self.found.bars.len() < count {
            let most = CHUNK.min(count - self.found.bars.len());
            if let Some(piece) = self.cached_forward(at, to, most).await {
                at = piece.span.to + 1;
                self.take(piece, |bars, new| bars.extend(new));
                continue;
            }
            let end = self.cover.next_after(at).filter(|next| self.cover.at(*next).is_some() && *next <= self.cached_to);
            let end = end.map_or(to, |next| to.min(next - 1));
            if self.session.is_none() {
                // Before the oldest bar there is nothing to fetch.
                let missing = Span { from: at.max(self.found.oldest), to: end };
                self.found.missing.extend((missing.from <= missing.to).then_some(missing));
                at = end + 1;
                continue;
            }
            match self.step_forward(at, end, most).await {
                Ok(next) => at = next,
                Err(error) if self.found.bars.is_empty() => return Err(error),
                Err(error) => {
                    // What has come is told, and where to go on.
                    self.found.missing.push(Span { from: at, to });
                    self.found.interrupted = Some(error);
                    self.found.next = Some(at);
                    return Ok(());
                }
            }
            if self.found.loading {
                self.found.next = Some(at);
                return Ok(());
            }
            // After the bar that is forming there is nothing yet.
            if self.found.forming_open > 0 && self.found.bars.last().is_some_and(|last| !self.found.is_complete(last)) {
                return Ok(());
            }
        }
        self.found.next = (at <= to && self.found.bars.len() >= count).then_some(at);
        Ok(())
    }

    /// Asks for the oldest bars of a stretch that is not covered, and says where to go on.
    async fn step_forward(&mut self, at: i64, end: i64, most: usize) -> Result<i64, BarsError> {
        // The last bar known before it is asked for again: if it has changed, the history was rewritten.
        let known = self.found.bars.last().copied().filter(|_| self.found.last_from_cache);
        let from = known.map_or(at, |bar| bar.time);
        let asked = most + usize::from(known.is_some());
        let chunk = self.ask(bars_mode::RANGE, from, end, asked).await?;
        let mut bars = chunk.bars;
        bars.retain(|bar| (from..=end).contains(&bar.time));
        bars.truncate(asked);
        let all = bars.len() < asked;
        if let Some(known) = known
            && !chunk.loading
        {
            let again = bars.first().copied().filter(|bar| bar.time == known.time);
            if again != Some(known) {
                self.found.bars.pop();
                self.found.bars.extend(again);
            }
            if again.is_some() {
                bars.remove(0);
            }
        }
        if chunk.loading {
            self.found.loading = true;
            bars.retain(|bar| bar.time >= at);
            let next = bars.last().map_or(at, |last| last.time + 1);
            self.found.bars.extend(bars);
            return Ok(next);
        }
        let last = bars.last().map(|bar| bar.time);
        // History before the oldest bar may still come some day. Where that is not known, the first bar is as far as this is sure.
        let depth = match (self.found.oldest, self.found.bars.first().or(bars.first())) {
            (0, first) => first.map_or(i64::MAX, |first| first.time),
            (oldest, _) => oldest,
        };
        let until = if all { end } else { last.unwrap_or(end) };
        let span = Span { from: from.max(depth), to: until.min(chunk.forming_open - 1) };
        // What was asked for again is kept again, so that the cache sees the difference.
        let kept: Vec<Bar> = self.found.bars.last().filter(|bar| bar.time >= from).into_iter().chain(&bars).copied().collect();
        self.keep(&kept, span).await;
        self.found.bars.extend(bars);
        Ok(if all { end + 1 } else { last.map_or(end + 1, |last| last + 1) })
    }

    /// The newest bars up to `to`.
    async fn backward(&mut self, from: i64, to: i64, count: usize) -> Result<(), BarsError> {
        let mut at = to;
        while at >= from && self.found.bars.len() < count {
            let most = CHUNK.min(count - self.found.bars.len());
            if let Some(piece) = self.cached_backward(from, at, most).await {
                at = piece.span.from - 1;
                self.take(piece, |bars, new| drop(bars.splice(0..0, new)));
                continue;
            }
            if self.session.is_none() {
                let end = self.cover.last_before(at).filter(|end| *end >= from);
                let floor = end.map_or(from.max(self.found.oldest), |end| end + 1);
                self.found.missing.extend((floor <= at).then_some(Span { from: floor, to: at }));
                let Some(end) = end else { break };
                at = end;
                continue;
            }
            let chunk = self.ask(bars_mode::ENDING_AT, 0, at, most).await?;
            let mut bars = chunk.bars;
            bars.retain(|bar| bar.time <= at);
            bars.drain(..bars.len().saturating_sub(most));
            let (full, first) = (bars.len() == most, bars.first().map(|bar| bar.time));
            if !chunk.loading
                && let Some(first) = first
            {
                self.keep(&bars, Span { from: first, to: at.min(chunk.forming_open - 1) }).await;
            }
            bars.retain(|bar| bar.time >= from);
            self.found.bars.splice(0..0, bars);
            at = first.map_or(at, |first| first - 1);
            self.found.loading = chunk.loading;
            if chunk.loading {
                self.found.next = Some(at);
                return Ok(());
            }
            if !full || chunk.no_more {
                self.found.no_more = true;
                return Ok(());
            }
        }
        let oldest = self.found.oldest;
        self.found.no_more = oldest > 0 && (at < oldest || self.found.bars.first().is_some_and(|bar| bar.time == oldest));
        self.found.next = (at >= from && self.found.bars.len() >= count && !self.found.no_more).then_some(at);
        Ok(())
    }

    /// By position back from the forming bar. Only the first chunk is by position: positions move when a bar opens.
    async fn latest(&mut self, start: u32, count: usize) -> Result<(), BarsError> {
        let most = CHUNK.min(count);
        let chunk = self.ask(bars_mode::POSITION, i64::from(start), 0, most).await?;
        let mut bars = chunk.bars;
        bars.drain(..bars.len().saturating_sub(most));
        let span = bars.first().zip(bars.last()).map(|(first, last)| Span { from: first.time, to: last.time });
        self.found.loading = chunk.loading;
        if let Some(span) = span.filter(|_| !chunk.loading) {
            self.keep(&bars, Span { to: span.to.min(chunk.forming_open - 1), ..span }).await;
        }
        let full = bars.len() == most;
        self.found.bars = bars;
        self.found.next = span.map(|span| span.from - 1).filter(|_| full || chunk.loading);
        self.found.no_more = !full && !chunk.loading;
        match self.found.next {
            Some(at) if full && !chunk.loading => self.backward(0, at, count).await,
            _ => Ok(()),
        }
    }

    /// Asks the terminal, in this download's turn.
    async fn ask(&mut self, mode: u8, from: i64, to: i64, count: usize) -> Result<Chunk, BarsError> {
        let Some(session) = self.session.clone() else { return Err(BarsError::Offline) };
        let (symbol, timeframe) = (self.series.symbol.clone(), self.series.timeframe.number());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let turn = session.bulk_turn(self.within).await?;
        let reply = session.call(self.within, |call| GetBars { call, symbol, timeframe, mode, from, to, count }.into()).await?;
        drop(turn);
        let (loading, no_more) = match reply.status {
            reply_status::OK => (false, false),
            reply_status::NO_MORE => (false, true),
            reply_status::LOADING => (true, false),
            reply_status::NOT_FOUND => return Err(BarsError::UnknownSymbol),
            reply_status::UNSUPPORTED => return Err(BarsError::Unsupported(reply.text)),
            _ => return Err(BarsError::Terminal { code: reply.code, text: reply.text }),
        };
        let body: BarsBody = if reply.body.is_empty() { BarsBody::default() } else { codec::record(&reply.body)? };
        let bars = Bar::unpack_all(&body.rates)?;
        if body.oldest > 0 {
            self.found.oldest = body.oldest;
        }
        self.found.asked(self.clock.wall());
        // Where there are no bars a terminal need not say which one is forming. Of several the earliest counts: what came with it may
        // have changed since.
        if body.forming_open > 0 || !bars.is_empty() {
            self.found.forming_open = self.found.forming_open.min(body.forming_open);
        }
        Ok(Chunk { bars, loading, no_more, forming_open: body.forming_open })
    }

    /// Keeps the closed ones. The forming bar never: it is not true any more a moment later.
    async fn keep(&mut self, bars: &[Bar], span: Span) {
        if span.from > span.to {
            return;
        }
        let closed: Vec<Bar> = bars.iter().filter(|bar| bar.time <= span.to).copied().collect();
        let (series, heard, oldest) = (self.series.name(), self.clock.wall(), self.found.oldest);
        let kept = self.blocking(move |cache| {
            let changed = cache.insert(&series, &closed, span, heard, oldest);
            Some((changed, cache.cover(&series)))
        });
        // Lost, it is fetched again.
        let Some((changed, cover)) = kept.await else { return };
        self.cover = cover;
        if changed > 0 {
            self.found.rewritten = true;
            let Series { holder, symbol, timeframe } = &self.series;
            tracing::warn!(holder, symbol, %timeframe, changed, from = span.from, "the terminal has rewritten closed bars; the newest count");
        }
    }

    fn take(&mut self, piece: Piece, join: impl FnOnce(&mut Vec<Bar>, Vec<Bar>)) {
        self.found.cached(piece.heard);
        join(&mut self.found.bars, piece.bars);
    }

    async fn cached_forward(&self, at: i64, to: i64, most: usize) -> Option<Piece> {
        let (series, to) = (self.series.name(), to.min(self.cached_to));
        self.cover.at(at).filter(|_| at <= to)?;
        self.blocking(move |cache| cache.forward(&series, at, to, most)).await
    }

    async fn cached_backward(&self, from: i64, at: i64, most: usize) -> Option<Piece> {
        let series = self.series.name();
        self.cover.at(at).filter(|_| at <= self.cached_to)?;
        self.blocking(move |cache| cache.backward(&series, from, at, most)).await
    }

    async fn blocking<T: Send + 'static>(&self, look: impl FnOnce(&BarCache) -> Option<T> + Send + 'static) -> Option<T> {
        let cache = Arc::clone(&self.cache);
        tokio::task::spawn_blocking(move || look(&cache)).await.ok().flatten()
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

impl Found {
    fn asked(&mut self, now: UnixMillis) {
        self.from_terminal = true;
        self.last_from_cache = false;
        self.heard = if self.from_cache { self.heard.min(now) } else { now };
    }

    fn cached(&mut self, heard: UnixMillis) {
        self.heard = if self.from_cache || self.from_terminal { self.heard.min(heard) } else { heard };
        self.from_cache = true;
        self.last_from_cache = true;
    }
}
