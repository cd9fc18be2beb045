//! How many commands a key and an account make: what stands behind the limits a minute and a day.
//!
//! A command counts when it is recorded. Its place is taken in the moment of judging, so that two at once cannot both take the last one,
//! and given back when it is refused after all. A day's count begins with what the journal says of that day, by the same definition: over a
//! restart it is the same number.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use super::{
    ExecuteError, NewTrade, Trading,
    exposure::Effect,
    limits::{exceeded, places},
};
use crate::{
    domain::{
        UnixMillis,
        account::Account,
        command::CommandRecord,
        ids::{CommandId, KeyId, OwnerId},
        limits::{Layer, Limit, Limits},
    },
    store::{StoreError, records},
};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// Whose commands are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Counted {
    /// The line of a key.
    Key(KeyId),
    Account(OwnerId, Account),
}

#[derive(Debug, Default)]
struct Count {
    /// Of the last minute, by the steady clock.
    minute: VecDeque<UnixMillis>,
    /// The day (UTC) that is counted; none until the journal was asked.
    day: Option<i64>,
    in_day: u32,
}

/// Where one command stands in a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    minute: Option<UnixMillis>,
    day: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    counts: Mutex<HashMap<Counted, Count>>,
}

impl Counters {
    fn with<T>(&self, counted: &Counted, act: impl FnOnce(&mut Count) -> T) -> T {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        act(counts.entry(counted.clone()).or_default())
    }

    fn forget(&self, counted: &Counted) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).remove(counted);
    }
}

impl Count {
    /// Takes a place in both windows, if there is room or `may_refuse` is not set. In the day's only where one is counted and `in_day` asks
    /// for it.
    fn take(
        &mut self,
        (per_minute, per_day): (Option<u32>, Option<u32>),
        steady: UnixMillis,
        in_day: bool,
        may_refuse: bool,
    ) -> Result<Place, (Limit, u32)> {
        while self.minute.front().is_some_and(|at| steady.since(*at) >= MINUTE_MS) {
            self.minute.pop_front();
        }
        if let Some(most) = per_minute.filter(|most| may_refuse && self.minute.len() >= *most as usize) {
            return Err((Limit::PerMinute, most));
        }
        if let Some(most) = per_day.filter(|most| may_refuse && in_day && self.in_day >= *most) {
            return Err((Limit::PerDay, most));
        }
        // Beyond what any limit allows there is nothing to count.
        let minute = (self.minute.len() < per_minute.unwrap_or(0) as usize).then_some(steady);
        self.minute.extend(minute);
        let day = self.day.filter(|_| in_day);
        self.in_day = self.in_day.saturating_add(u32::from(day.is_some()));
        Ok(Place { minute, day })
    }

    fn give_back(&mut self, place: Place) {
        if let Some(at) = place.minute.and_then(|at| self.minute.iter().rposition(|taken| *taken == at)) {
            self.minute.remove(at);
        }
        if place.day.is_some() && place.day == self.day {
            self.in_day = self.in_day.saturating_sub(1);
        }
    }
}

/// The places that a trade has taken. They go back when it is dropped, unless the trade was recorded.
#[derive(Debug)]
pub(super) struct Taken {
    trading: Trading,
    places: Vec<(Counted, Place)>,
}

impl Taken {
    /// The trade is on the disk: it counts.
    pub(super) fn keep(mut self) {
        self.places.clear();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for (counted, place) in self.places.drain(..) {
            self.trading.inner.counters.with(&counted, |count| count.give_back(place));
        }
    }
}

impl Trading {
    /// Counts a trade against the limits a minute and a day.
    pub(super) async fn count(
        &self,
        trade: &NewTrade,
        effect: Effect,
        limits: &[(Layer, Limits)],
    ) -> Result<Taken, ExecuteError> {
        let (owner, account) = (trade.session.owner(), trade.session.account());
        let may_refuse = effect != Effect::Reduces;
        let mut taken = Taken { trading: self.clone(), places: Vec::new() };
        let of_key = Counted::Key(self.inner.access.line_of(trade.key));
        for (counted, is_key) in [(of_key, true), (Counted::Account(owner, account.clone()), false)] {
            // The account's and the hub's are one count, under the stricter of the two.
            let mine = || limits.iter().filter(|(layer, _)| (*layer == Layer::Key) == is_key);
            let per_minute = mine().filter_map(|(layer, limits)| Some((limits.orders_per_minute?, *layer))).min();
            let per_day = mine().filter_map(|(layer, limits)| Some((limits.orders_per_day?, *layer))).min();
            if per_minute.is_none() && per_day.is_none() {
                // What is not counted now must not be taken for a count when a limit is set again.
                self.inner.counters.forget(&counted);
                continue;
            }
            self.count_day(owner, &counted, per_day.is_some()).await?;
            let most = (per_minute.map(|(most, _)| most), per_day.map(|(most, _)| most));
            let steady = self.inner.clock.steady();
            let place = self.inner.counters.with(&counted, |count| count.take(most, steady, places(&trade.request), may_refuse));
            match place {
                Ok(place) => taken.places.push((counted, place)),
                Err((limit, most)) => {
                    let layer = if limit == Limit::PerMinute { per_minute } else { per_day };
                    return Err(exceeded(limit, layer.map_or(Layer::Hub, |(_, layer)| layer), most, u64::from(most) + 1));
                }
            }
        }
        Ok(taken)
    }

    /// A key's limits; of those a minute and a day the strictest of all keys of its line that are good, since they share the counts.
    pub(super) fn limits_of_key(&self, key: KeyId) -> Option<Limits> {
        let mut limits = self.inner.access.key(key)?.limits.clone();
        let (line, now) = (self.inner.access.line_of(key), self.inner.clock.wall());
        let strictest = |one: Option<u32>, other: Option<u32>| one.into_iter().chain(other).min();
        for other in self.inner.access.keys().iter().filter(|key| key.line() == line && key.is_valid(now)) {
            limits.orders_per_minute = strictest(limits.orders_per_minute, other.limits.orders_per_minute);
            limits.orders_per_day = strictest(limits.orders_per_day, other.limits.orders_per_day);
        }
        Some(limits)
    }

    /// Begins the count of today with what the journal says, unless it runs already; or ends it, where no limit asks for one.
    async fn count_day(&self, owner: OwnerId, counted: &Counted, is_limited: bool) -> Result<(), StoreError> {
        let today = is_limited.then(|| self.inner.clock.wall().0.div_euclid(DAY_MS));
        if self.inner.counters.with(counted, |count| count.day == today) {
            return Ok(());
        }
        let before = match today {
            Some(today) => self.placed_since(owner, counted, today * DAY_MS).await?,
            None => 0,
        };
        self.inner.counters.with(counted, |count| {
            // Another one may have begun it meanwhile, and counted on.
            if count.day != today {
                (count.day, count.in_day) = (today, before);
            }
        });
        Ok(())
    }

    /// Commands that place or deal and were recorded since `from`.
    async fn placed_since(&self, owner: OwnerId, counted: &Counted, from: i64) -> Result<u32, StoreError> {
        // By the commands themselves: an account that is disconnected by now has its commands still.
        let lists = match counted {
            Counted::Account(_, account) => vec![records::account_commands(owner, account)],
            Counted::Key(_) => self.lists_of_commands().await?,
        };
        let theirs = |record: &CommandRecord| match counted {
            Counted::Key(line) => self.inner.access.line_of(record.key) == *line,
            Counted::Account(..) => true,
        };
        let begin = CommandId::new(ulid::Ulid::from_parts(u64::try_from(from).unwrap_or(0), 0));
        let mut found = 0_u32;
        for list in lists {
            let mut after = Some(begin);
            while after.is_some() {
                let wanted = |record: &CommandRecord| theirs(record) && places(&record.request);
                let (page, next) = self.commands_of(&list, after, 500, wanted).await?;
                found = found.saturating_add(u32::try_from(page.len()).unwrap_or(u32::MAX));
                after = next;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(count: &mut Count, most: (Option<u32>, Option<u32>), at: i64, may_refuse: bool) -> Result<Place, Limit> {
        count.take(most, UnixMillis(at), true, may_refuse).map_err(|(limit, _)| limit)
    }

    #[test]
    fn a_minute_is_any_sixty_seconds_and_what_closes_is_counted_but_never_refused() {
        let (mut count, most) = (Count::default(), (Some(2), None));
        let taken = [0, 59_000, 59_999].map(|at| take(&mut count, most, at, true).err());
        assert_eq!(taken, [None, None, Some(Limit::PerMinute)]);
        assert!(take(&mut count, most, 59_999, false).is_ok(), "a close goes through");
        assert!(take(&mut count, most, 60_000, true).is_ok(), "the first one is a minute old");
        assert_eq!(take(&mut count, most, 60_001, true), Err(Limit::PerMinute));
    }

    #[test]
    fn a_place_that_is_given_back_is_free_in_both_windows() {
        let (mut count, most) = (Count { day: Some(7), ..Count::default() }, (Some(1), Some(1)));
        let place = take(&mut count, most, 0, true).unwrap();
        assert_eq!(take(&mut count, most, 1, true), Err(Limit::PerMinute));
        count.give_back(place);
        let place = take(&mut count, (None, Some(1)), 2, true).unwrap();
        assert_eq!(take(&mut count, (None, Some(1)), 3, true), Err(Limit::PerDay));
        // The day that it was counted in is over: there is nothing to give back.
        (count.day, count.in_day) = (Some(8), 1);
        count.give_back(place);
        assert_eq!(count.in_day, 1);
    }

    #[test]
    fn what_closes_beyond_the_limit_takes_no_place_of_the_minute_and_gives_none_back() {
        let (mut count, most) = (Count::default(), (Some(1), None));
        take(&mut count, most, 0, true).unwrap();
        let beyond = take(&mut count, most, 0, false).unwrap();
        count.give_back(beyond);
        assert_eq!(take(&mut count, most, 1, true), Err(Limit::PerMinute));
    }
}
