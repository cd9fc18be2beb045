//! How long one hop took, for the last day: counts by time and by size, so that any stretch of the day can be summed up.
//!
//! One flat list of counts, of which only those above zero exist. What is older is kept more coarsely: by the minute for ten minutes, by
//! five minutes for an hour and a half, by the hour for a day. A hop with a sample every two seconds, spread over a factor of four, takes
//! 2.4 KiB; one that is sent whatever there is, 16.3 KiB (the tests measure it).

use std::time::Duration;

use crate::domain::UnixMillis;

/// The longest stretch that can be asked for, minutes.
pub const DAY: u32 = 1_440;
/// Up to this age, in minutes, each minute stands for itself; up to the second, five of them stand together; then an hour does.
const BY_MINUTE: u32 = 10;
const BY_FIVE: u32 = 90;
/// Sizes are told apart by a factor of the square root of two, from 0.1 ms to 105 s.
const SIZES: usize = 41;
const EDGES_US: [u64; SIZES] = edges();
/// Counts for which room is made at once.
const ROOM: usize = 12;
/// Where a count would be, the longest of a stretch of time, in units of 10 µs: what took longer than [`VALUE_MAX`] of them, 671 s, stands there
/// as that.
const LONGEST: u32 = 63;
const VALUE_BITS: u32 = 26;
const VALUE_MAX: u32 = (1 << VALUE_BITS) - 1;

/// The upper edges: 100 µs times the powers of the square root of two.
const fn edges() -> [u64; SIZES] {
    let mut edges = [0; SIZES];
    let mut at = 0;
    while at < SIZES {
        edges[at] = if at % 2 == 0 { 100 << (at / 2) } else { (141_421 << (at / 2)) / 1_000 };
        at += 1;
    }
    edges
}

/// How many were of this size at this time: 6 bits of size, 26 of count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    /// Where its stretch begins, minutes since 1970.
    minute: u32,
    packed: u32,
}

impl Cell {
    fn new(minute: u32, size: u32, value: u32) -> Self {
        Self { minute, packed: size << VALUE_BITS | value.min(VALUE_MAX) }
    }

    const fn size(self) -> u32 {
        self.packed >> VALUE_BITS
    }

    const fn value(self) -> u32 {
        self.packed & VALUE_MAX
    }

    /// Takes another of the same stretch and size in.
    fn join(&mut self, other: Self) {
        let both =
            if self.size() == LONGEST { self.value().max(other.value()) } else { self.value().saturating_add(other.value()) };
        *self = Self::new(self.minute, self.size(), both);
    }
}

/// What one hop took, for a day.
#[derive(Debug, Default)]
pub(super) struct Series {
    cells: Vec<Cell>,
    /// Up to when what is older has been put together.
    tidied: u32,
}

/// A stretch of time in figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many samples.
    pub count: u64,
    /// The longest.
    pub max: Option<Duration>,
    /// Upper edge and count of each size, from the smallest to the largest that there were, none in between left out.
    pub rows: Vec<(Duration, u64)>,
}

impl Summary {
    /// Where a stretch of the last `minutes` really begins, because of what is older only whole stretches are known.
    #[must_use]
    pub fn begin(at: UnixMillis, minutes: u32) -> UnixMillis {
        let now = minute(at);
        // The beginning may be so much older that it belongs to a longer stretch itself.
        let from = start_of(start_of(now.saturating_sub(minutes), now), now);
        UnixMillis(i64::from(from) * 60_000)
    }

    /// The duration that this share of the samples does not exceed, as if those of one size were spread evenly over it.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut before = 0;
        for (edge, count) in &self.rows {
            if before + count >= rank {
                let at = EDGES_US.partition_point(|us| Duration::from_micros(*us) < *edge);
                let lower = at.checked_sub(1).map_or(Duration::ZERO, |at| Duration::from_micros(EDGES_US[at]));
                let upper = self.max.map_or(*edge, |max| max.clamp(lower, *edge));
                let (part, whole) = (u32::try_from(rank - before).ok()?, u32::try_from(*count).ok()?);
                return Some(lower + (upper - lower) * part / whole);
            }
            before += count;
        }
        None
    }
}

fn minute(at: UnixMillis) -> u32 {
    u32::try_from(at.0 / 60_000).unwrap_or(0)
}

/// Where the stretch begins to which a minute belongs at that age.
const fn start_of(minute: u32, now: u32) -> u32 {
    let age = now.saturating_sub(minute);
    let step = if age < BY_MINUTE {
        1
    } else if age < BY_FIVE {
        5
    } else {
        60
    };
    minute - minute % step
}

impl Series {
    /// Counts one, by a clock that never goes back.
    pub(super) fn record(&mut self, at: UnixMillis, took: Duration) {
        let now = minute(at);
        self.tidy(now);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let size = EDGES_US.partition_point(|edge| *edge < us).min(SIZES - 1);
        self.add(Cell::new(now, u32::try_from(size).unwrap_or(0), 1));
        self.add(Cell::new(now, LONGEST, u32::try_from(us.div_ceil(10)).unwrap_or(VALUE_MAX)));
    }

    fn add(&mut self, cell: Cell) {
        let same = |held: &&mut Cell| held.size() == cell.size();
        match self.cells.iter_mut().rev().take_while(|held| held.minute == cell.minute).find(same) {
            Some(held) => held.join(cell),
            None => {
                // A list that grows by itself takes twice what it needs.
                if self.cells.len() == self.cells.capacity() {
                    self.cells.reserve_exact(ROOM);
                }
                self.cells.push(cell);
            }
        }
    }

    /// Once a minute: what has grown older is put together, and what is older than a day goes.
    fn tidy(&mut self, now: u32) {
        if self.tidied >= now {
            return;
        }
        self.tidied = now;
        let oldest = start_of(now.saturating_sub(DAY), now);
        self.cells.retain(|cell| cell.minute >= oldest);
        self.cells.iter_mut().for_each(|cell| cell.minute = start_of(cell.minute, now));
        self.cells.sort_unstable_by_key(|cell| (cell.minute, cell.packed >> VALUE_BITS));
        self.cells.dedup_by(|next, held| {
            let same = held.minute == next.minute && held.size() == next.size();
            if same {
                held.join(*next);
            }
            same
        });
        self.cells.shrink_to(self.cells.len() + ROOM);
    }

    /// Sums up from [`Summary::begin`] to now.
    pub(super) fn sum(&mut self, at: UnixMillis, minutes: u32) -> Summary {
        self.tidy(minute(at));
        let from = minute(Summary::begin(at, minutes));
        let mut counts = [0_u64; SIZES];
        let mut longest = None;
        for cell in self.cells.iter().filter(|cell| cell.minute >= from) {
            match counts.get_mut(cell.size() as usize) {
                Some(count) => *count += u64::from(cell.value()),
                None => longest = longest.max(Some(cell.value())),
            }
        }
        let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
        let end = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        let rows = EDGES_US.iter().zip(counts).take(end).skip(first);
        Summary {
            count: counts.iter().sum(),
            max: longest.map(|units| Duration::from_micros(u64::from(units) * 10)),
            rows: rows.map(|(edge, count)| (Duration::from_micros(*edge), count)).collect(),
        }
    }

    /// Bytes that it holds.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.cells.capacity() * size_of::<Cell>()
    }
}

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;
