//! Reading the equity of the past: from the store and from memory, whether or not the terminal is there.

use std::collections::BTreeMap;

use super::{
    Equity, HOUR_MS,
    bar::{EquityBar, EquityHour, STEP_MS, begin},
};
use crate::{
    domain::{UnixMillis, account::Account, ids::OwnerId},
    store::{StoreError, records},
};

/// Hours read at once, and looked at for one answer, which is more than a year.
const PAGE: usize = 500;
const LOOKED_AT_MAX: usize = 10_000;

/// Length of a bar that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// As they are kept.
    FiveMinutes,
    /// Hours.
    Hour,
    /// Days of UTC.
    Day,
}

impl Resolution {
    /// All, shortest first.
    pub const ALL: [Self; 3] = [Self::FiveMinutes, Self::Hour, Self::Day];

    /// Its name in REST.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    const fn length_ms(self) -> i64 {
        match self {
            Self::FiveMinutes => STEP_MS,
            Self::Hour => HOUR_MS,
            Self::Day => 24 * HOUR_MS,
        }
    }
}

/// Which bars are wanted.
#[derive(Debug, Clone, Copy)]
pub struct EquityRange {
    /// From the bar on that this is in; without it from the first.
    pub from: Option<UnixMillis>,
    /// Bars that begin before this.
    pub to: Option<UnixMillis>,
    /// Their length.
    pub resolution: Resolution,
    /// So many at most.
    pub limit: usize,
}

/// Bars, oldest first; of a stretch without a figure there is none.
#[derive(Debug, Default, PartialEq)]
pub struct EquityBars {
    /// The bars.
    pub bars: Vec<EquityBar>,
    /// Where the next page begins; none at the end.
    pub next: Option<UnixMillis>,
    /// When the first bar that is kept begins, whatever was asked for.
    pub since: Option<UnixMillis>,
}

impl Equity {
    /// Bars of an account.
    ///
    /// # Errors
    /// The store's.
    pub async fn bars(&self, owner: OwnerId, account: &Account, range: EquityRange) -> Result<EquityBars, StoreError> {
        let (store, prefix) = (&self.inner.store, records::equity_hours(owner, account));
        // Memory first: what is written meanwhile is then in both.
        let mut recent = self.find(owner, account).map(|book| book.bars()).unwrap_or_default();
        let first = store.scan(&prefix, None, 1).await?;
        let stored = first.first().map(|(key, entry)| hour_of(key, entry)).transpose()?;
        let since = stored.into_iter().flatten().map(|bar| bar.time).chain(recent.keys().copied()).min();
        let length_ms = range.resolution.length_ms();
        let from = range.from.map_or(UnixMillis(0), |from| begin(from.max(UnixMillis(0)), length_ms));
        recent.retain(|time, _| *time >= from);
        let mut wanted = Wanted { from, to: range.to, length_ms, limit: range.limit, bars: Vec::new(), next: None };
        let hour = u64::try_from(from.0.div_euclid(HOUR_MS)).unwrap_or(0);
        let mut after = hour.checked_sub(1).map(|hour| records::equity_hour(owner, account, hour));
        let mut looked_at = 0;
        'pages: loop {
            let page = store.scan(&prefix, after.as_deref(), PAGE).await?;
            for (key, entry) in &page {
                let mut bars: BTreeMap<_, _> = hour_of(key, entry)?.into_iter().map(|bar| (bar.time, bar)).collect();
                let end = UnixMillis(hour_in(key).saturating_add(1).saturating_mul(HOUR_MS));
                let later = recent.split_off(&end);
                for (time, bar) in std::mem::replace(&mut recent, later) {
                    bars.entry(time).and_modify(|kept| kept.add(&bar)).or_insert(bar);
                }
                looked_at += 1;
                if !bars.values().all(|bar| wanted.take(bar)) || (looked_at >= LOOKED_AT_MAX && wanted.stop_before(end)) {
                    break 'pages;
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                _ => {
                    let _ = recent.values().all(|bar| wanted.take(bar));
                    break;
                }
            }
        }
        Ok(EquityBars { bars: wanted.bars, next: wanted.next, since })
    }
}

/// Bars on their way into an answer, oldest first.
struct Wanted {
    from: UnixMillis,
    to: Option<UnixMillis>,
    length_ms: i64,
    limit: usize,
    bars: Vec<EquityBar>,
    next: Option<UnixMillis>,
}

impl Wanted {
    /// False when no more is wanted.
    fn take(&mut self, bar: &EquityBar) -> bool {
        let time = begin(bar.time, self.length_ms);
        if time < self.from {
            return true;
        }
        if self.to.is_some_and(|to| time >= to) {
            return false;
        }
        let full = self.bars.len() >= self.limit;
        match self.bars.last_mut() {
            Some(last) if last.time == time => last.add(bar),
            _ if full => {
                self.next = Some(time);
                return false;
            }
            _ => self.bars.push(EquityBar { time, ..*bar }),
        }
        true
    }

    /// Enough was looked at, up to this time: what has begun then is for the next page.
    fn stop_before(&mut self, end: UnixMillis) -> bool {
        let next = begin(end, self.length_ms);
        self.bars.pop_if(|bar| bar.time == next);
        self.next = Some(next);
        true
    }
}

fn hour_in(key: &[u8]) -> i64 {
    i64::try_from(records::equity_hour_of(key)).unwrap_or(0)
}

fn hour_of(key: &[u8], entry: &crate::store::Entry) -> Result<Vec<EquityBar>, StoreError> {
    Ok(records::decode::<EquityHour>(key, entry)?.bars(records::equity_hour_of(key)))
}
