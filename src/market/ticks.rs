//! Ticks: fetched from the terminal chunk by chunk, never cached. There are too many, and terminals thin them out over time.

use std::{sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    CHUNK,
    memory::{Crowded, DownloadMemory},
};
use crate::{
    domain::market::{BadTicks, Tick},
    hub::{CallError, SessionHandle},
    protocol::{
        DecodeError, codec,
        message::{GetTicks, TicksBody, reply_status, ticks_mode},
    },
};

/// Ticks of one millisecond that can be told apart; more is no tick history.
pub const SAME_MS_MAX: u32 = 50_000;

/// A place in a stream of ticks: before the tick that comes `skip` ticks after the first one of a millisecond. Several ticks may share
/// one, so that a time alone is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Broker time, epoch milliseconds.
    pub time_msc: i64,
    /// So many of exactly that time were there before.
    pub skip: u32,
}

impl Place {
    /// The place after these ticks.
    fn after(self, ticks: &[Tick]) -> Self {
        let Some(last) = ticks.last() else { return self };
        let same = ticks.iter().rev().take_while(|tick| tick.time_msc == last.time_msc).count();
        let before = if last.time_msc == self.time_msc { self.skip } else { 0 };
        Self { time_msc: last.time_msc, skip: before.saturating_add(u32::try_from(same).unwrap_or(u32::MAX)) }
    }
}

/// Which ticks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedTicks {
    /// Where to begin.
    pub from: Place,
    /// Latest time, broker time, epoch milliseconds, included. None: as far as there are any.
    pub to: Option<i64>,
    /// At most so many.
    pub count: u32,
    /// As in `GetTicks`: 1 bid or ask changed, 2 last or volume changed.
    pub flags: u8,
}

/// Ticks, and what is to be said about them.
#[derive(Debug, Default)]
pub struct FoundTicks {
    /// The ticks, oldest first.
    pub ticks: Vec<Tick>,
    /// The terminal is still loading this history: more may come.
    pub loading: bool,
    /// Time of the oldest tick that the terminal can get, broker time, epoch milliseconds; 0 if not known.
    pub oldest: i64,
    /// There are no older ticks than these.
    pub no_more: bool,
    /// Why the download stopped early.
    pub interrupted: Option<TicksError>,
    /// Where the next page begins.
    pub next: Option<Place>,
    /// Its room in memory, given back with it.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// Why there are no ticks.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TicksError {
    /// The terminal could not be asked, or did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Too much is being downloaded.
    #[error("too much is being downloaded")]
    Crowded,
    /// The terminal has no such symbol.
    #[error("the terminal has no such symbol")]
    UnknownSymbol,
    /// This platform has no ticks.
    #[error("the platform has no ticks: {0}")]
    Unsupported(String),
    /// The terminal says it failed.
    #[error("the terminal failed: {text} (error {code})")]
    Terminal {
        /// MQL error code.
        code: i32,
        /// In words.
        text: String,
    },
    /// The terminal's answer is no list of ticks.
    #[error("the terminal's answer is no list of ticks: {0}")]
    Bad(#[from] BadTicks),
    /// More ticks in one millisecond than can be.
    #[error("the terminal has more than {SAME_MS_MAX} ticks in one millisecond")]
    Flood,
    /// The terminal's answer is no message.
    #[error("the terminal's answer is no message: {0}")]
    Undecodable(Arc<DecodeError>),
}

impl From<DecodeError> for TicksError {
    fn from(error: DecodeError) -> Self {
        Self::Undecodable(Arc::new(error))
    }
}

impl From<Crowded> for TicksError {
    fn from(Crowded: Crowded) -> Self {
        Self::Crowded
    }
}

/// Ticks of all terminals. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TickService {
    memory: DownloadMemory,
}

impl TickService {
    /// With the memory that it shares with bars.
    #[must_use]
    pub const fn new(memory: DownloadMemory) -> Self {
        Self { memory }
    }

    /// Gets ticks of a terminal. Each question to it is answered `within` that time.
    ///
    /// # Errors
    /// [`TicksError`].
    pub async fn fetch(
        &self,
        session: &SessionHandle,
        symbol: &str,
        wanted: WantedTicks,
        within: Duration,
    ) -> Result<FoundTicks, TicksError> {
        let room = self.memory.take(wanted.count, within).await?;
        let mut found = FoundTicks { _room: Some(room), ..FoundTicks::default() };
        let count = usize::try_from(wanted.count).unwrap_or(usize::MAX);
        let mut at = wanted.from;
        while found.ticks.len() < count && wanted.to.is_none_or(|to| at.time_msc <= to) {
            let most = CHUNK.min(count - found.ticks.len());
            let (ticks, all) = match chunk(session, symbol, wanted, at, most, within, &mut found).await {
                Ok(chunk) => chunk,
                Err(error) if found.ticks.is_empty() => return Err(error),
                Err(error) => {
                    found.interrupted = Some(error);
                    found.next = Some(at);
                    return Ok(found);
                }
            };
            at = at.after(&ticks);
            found.ticks.extend(ticks);
            if found.loading {
                found.next = Some(at);
                return Ok(found);
            }
            if all {
                found.no_more = found.oldest > 0 && wanted.from.time_msc <= found.oldest;
                return Ok(found);
            }
        }
        found.no_more = found.oldest > 0 && wanted.from.time_msc <= found.oldest;
        found.next = (found.ticks.len() >= count).then_some(at);
        Ok(found)
    }
}

/// At most so many ticks from a place on, and whether these are all.
async fn chunk(
    session: &SessionHandle,
    symbol: &str,
    wanted: WantedTicks,
    at: Place,
    most: usize,
    within: Duration,
    found: &mut FoundTicks,
) -> Result<(Vec<Tick>, bool), TicksError> {
    let skip = usize::try_from(at.skip).unwrap_or(usize::MAX);
    if at.skip > SAME_MS_MAX {
        return Err(TicksError::Flood);
    }
    // Those of the first millisecond that were told before come again, and are left out.
    let asked = most + skip;
    let (mode, to) = wanted.to.map_or((ticks_mode::FROM, 0), |to| (ticks_mode::RANGE, to));
    let (symbol, count) = (symbol.to_owned(), u32::try_from(asked).unwrap_or(u32::MAX));
    let ask = |call| GetTicks { call, symbol, mode, from: at.time_msc, to, count, flags: wanted.flags }.into();
    let turn = session.bulk_turn(within).await?;
    let reply = session.call(within, ask).await?;
    drop(turn);
    match reply.status {
        reply_status::OK | reply_status::NO_MORE => {}
        reply_status::LOADING => found.loading = true,
        reply_status::NOT_FOUND => return Err(TicksError::UnknownSymbol),
        reply_status::UNSUPPORTED => return Err(TicksError::Unsupported(reply.text)),
        _ => return Err(TicksError::Terminal { code: reply.code, text: reply.text }),
    }
    let body: TicksBody = if reply.body.is_empty() { TicksBody::default() } else { codec::record(&reply.body)? };
    let mut ticks = Tick::unpack_all(&body.ticks)?;
    if body.oldest > 0 {
        found.oldest = body.oldest;
    }
    ticks.retain(|tick| tick.time_msc >= at.time_msc && wanted.to.is_none_or(|to| tick.time_msc <= to));
    ticks.truncate(asked);
    let all = ticks.len() < asked;
    let told = ticks.iter().take(skip).take_while(|tick| tick.time_msc == at.time_msc).count();
    ticks.drain(..told);
    Ok((ticks, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_the_ticks_of_its_millisecond_over_chunks() {
        let ticks =
            |times: &[i64]| times.iter().map(|time_msc| Tick { time_msc: *time_msc, ..Tick::default() }).collect::<Vec<_>>();
        let start = Place { time_msc: 5, skip: 0 };
        assert_eq!(start.after(&[]), start);
        let one = start.after(&ticks(&[5, 6, 7, 7]));
        assert_eq!(one, Place { time_msc: 7, skip: 2 });
        let two = one.after(&ticks(&[7, 7, 7]));
        assert_eq!(two, Place { time_msc: 7, skip: 5 });
        assert_eq!(two.after(&ticks(&[8])), Place { time_msc: 8, skip: 1 });
    }
}
