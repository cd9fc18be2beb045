//! Limits, judged before anything is recorded: key, account and hub each have their own, and every one of them must hold.
//!
//! What is counted is counted here, in the moment of judging, so that two at once cannot both take the last place. Volumes under way
//! are those of commands without an outcome: they count until the outcome, or the proof that there is none, is recorded.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use super::{ExecuteError, NewTrade, Trading, exposure::Effect};
use crate::{
    domain::{
        UnixMillis,
        account::Account,
        command::CommandRecord,
        ids::{CommandId, KeyId, OwnerId},
        limits::{Exceeded, Layer, Limit, Limits},
        trade::{Order, Position, TradeRequest, action},
    },
    hub::SessionHandle,
    protocol::{
        codec,
        message::{GetOrders, GetPositions, GetQuotes, Quote, Reply, reply_status},
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

#[derive(Debug, Default)]
pub(super) struct Counters {
    counts: Mutex<HashMap<Counted, Count>>,
}

impl Counters {
    fn with<T>(&self, counted: &Counted, act: impl FnOnce(&mut Count) -> T) -> T {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        act(counts.entry(counted.clone()).or_default())
    }
}

impl Count {
    /// Counts one more, if there is room for it in both windows or `may_refuse` is not set.
    fn take(
        &mut self,
        (per_minute, per_day): (Option<u32>, Option<u32>),
        (steady, today): (UnixMillis, i64),
        opens: bool,
        may_refuse: bool,
    ) -> Result<(), (Limit, u32)> {
        while self.minute.front().is_some_and(|at| steady.since(*at) >= MINUTE_MS) {
            self.minute.pop_front();
        }
        if self.day != Some(today) {
            (self.day, self.in_day) = (Some(today), 0);
        }
        if let Some(most) = per_minute.filter(|most| may_refuse && self.minute.len() >= *most as usize) {
            return Err((Limit::PerMinute, most));
        }
        if let Some(most) = per_day.filter(|most| may_refuse && opens && self.in_day >= *most) {
            return Err((Limit::PerDay, most));
        }
        // Beyond what any limit allows there is nothing to count.
        if self.minute.len() < per_minute.unwrap_or(0) as usize {
            self.minute.push_back(steady);
        }
        self.in_day = self.in_day.saturating_add(u32::from(opens));
        Ok(())
    }
}

fn exceeded(limit: Limit, layer: Layer, value: impl ToString, asked: impl ToString) -> ExecuteError {
    ExecuteError::LimitExceeded(Exceeded { limit, layer, value: value.to_string(), asked: asked.to_string() })
}

fn places(request: &TradeRequest) -> bool {
    matches!(request.action, action::DEAL | action::PENDING)
}

/// Prices of a request that open something when the market gets there, or that its caller has seen.
fn prices(trade: &NewTrade) -> Vec<f64> {
    let request = &trade.request;
    let named = matches!(request.action, action::PENDING | action::MODIFY).then_some([request.price, request.stoplimit]);
    named.into_iter().flatten().chain(trade.seen_price).filter(|price| *price != 0.0).collect()
}

impl Trading {
    /// The limits that hold for a trade, and whose they are.
    pub(super) fn limits_of(&self, key: KeyId, account: &Account) -> Vec<(Layer, Limits)> {
        let of_key = self.inner.access.key(key).map(|key| (Layer::Key, key.limits.clone()));
        let of_account = self.inner.accounts.get(&account.to_string()).map(|limits| (Layer::Account, limits.clone()));
        let of_hub = Some((Layer::Hub, self.inner.limits.clone()));
        [of_key, of_account, of_hub].into_iter().flatten().filter(|(_, limits)| !limits.is_empty()).collect()
    }

    /// Judges everything but the volume that is open: see [`Self::check_open_volume`].
    pub(super) async fn check_limits(
        &self,
        trade: &NewTrade,
        effect: Effect,
        limits: &[(Layer, Limits)],
    ) -> Result<(), ExecuteError> {
        let opens = effect == Effect::Opens;
        for (layer, limits) in limits.iter().filter(|_| opens) {
            Self::check_request(*layer, limits, &trade.request)?;
            if let Some(most) = limits.max_daily_loss {
                self.check_daily_loss(*layer, most, &trade.session)?;
            }
        }
        if matches!(effect, Effect::Opens | Effect::Changes) {
            self.check_prices(trade, limits).await?;
        }
        self.count(trade, effect, limits).await
    }

    fn check_request(layer: Layer, limits: &Limits, request: &TradeRequest) -> Result<(), ExecuteError> {
        if !limits.allows_symbol(&request.symbol) {
            let allowed = limits.symbols.as_deref().unwrap_or_default().join(", ");
            return Err(exceeded(Limit::Symbols, layer, allowed, &request.symbol));
        }
        match limits.max_order_volume {
            Some(most) if !within(request.volume, most) => Err(exceeded(Limit::OrderVolume, layer, most, request.volume)),
            _ => Ok(()),
        }
    }

    fn check_daily_loss(&self, layer: Layer, most: f64, session: &SessionHandle) -> Result<(), ExecuteError> {
        let unknown = || ExecuteError::LimitUnknown(Limit::DailyLoss, "the terminal has not told the account's equity yet");
        let (broker_time, equity) = session.equity().ok_or_else(unknown)?;
        let begun = self.inner.days.of(session.owner(), session.account(), broker_time).ok_or_else(unknown)?;
        let loss = begun - equity;
        // A loss that is no number is not below anything either.
        if loss < most { Ok(()) } else { Err(exceeded(Limit::DailyLoss, layer, most, format!("{loss:.2}"))) }
    }

    async fn check_prices(&self, trade: &NewTrade, limits: &[(Layer, Limits)]) -> Result<(), ExecuteError> {
        let strictest = limits.iter().filter_map(|(layer, limits)| Some((*layer, limits.max_price_distance_percent?)));
        let Some((layer, most)) = strictest.min_by(|a, b| a.1.total_cmp(&b.1)) else { return Ok(()) };
        let prices = prices(trade);
        if prices.is_empty() {
            return Ok(());
        }
        let unknown = || ExecuteError::LimitUnknown(Limit::PriceDistance, "the terminal told no present price of the symbol");
        let symbol = if trade.request.action == action::MODIFY || trade.request.symbol.is_empty() {
            // A change is of the order that it names, whatever symbol it says.
            let ticket = trade.request.order;
            let orders = self.orders(&trade.session, ticket).await.ok_or_else(unknown)?;
            orders.into_iter().find(|order| order.ticket == ticket).map(|order| order.symbol).ok_or_else(unknown)?
        } else {
            trade.request.symbol.clone()
        };
        let ask = |call| GetQuotes { call, symbols: vec![symbol.clone()] }.into();
        let reply = trade.session.call(super::PATIENCE, ask).await.ok().filter(is_ok).ok_or_else(unknown)?;
        let quotes: Vec<Quote> = codec::rows(&reply.body, 1).map_err(|_| unknown())?;
        let tick = quotes.iter().find(|quote| quote.symbol == symbol).map(|quote| quote.tick.0).ok_or_else(unknown)?;
        let now = f64::midpoint(tick.bid, tick.ask);
        if !(now.is_finite() && tick.bid > 0.0 && tick.ask > 0.0) {
            return Err(unknown());
        }
        for price in prices {
            let distance = (price - now).abs() / now * 100.0;
            if !within(distance, most) {
                return Err(exceeded(Limit::PriceDistance, layer, most, format!("{distance:.3}")));
            }
        }
        Ok(())
    }

    async fn count(&self, trade: &NewTrade, effect: Effect, limits: &[(Layer, Limits)]) -> Result<(), ExecuteError> {
        let (owner, account) = (trade.session.owner(), trade.session.account());
        let (steady, today) = (self.inner.clock.steady(), self.inner.clock.wall().0.div_euclid(DAY_MS));
        let (opens, may_refuse) = (places(&trade.request) && effect != Effect::Reduces, effect != Effect::Reduces);
        let of_account = Counted::Account(owner, account.clone());
        for (counted, is_key) in [(Counted::Key(self.inner.access.line_of(trade.key)), true), (of_account, false)] {
            // The account's and the hub's are one count, under the stricter of the two.
            let mine = || limits.iter().filter(|(layer, _)| (*layer == Layer::Key) == is_key);
            let per_minute = mine().filter_map(|(layer, limits)| Some((limits.orders_per_minute?, *layer))).min();
            let per_day = mine().filter_map(|(layer, limits)| Some((limits.orders_per_day?, *layer))).min();
            if per_minute.is_none() && per_day.is_none() {
                continue;
            }
            if per_day.is_some() && self.inner.counters.with(&counted, |count| count.day.is_none()) {
                let before = self.placed_since(owner, &counted, today * DAY_MS).await?;
                self.inner.counters.with(&counted, |count| {
                    if count.day.is_none() {
                        (count.day, count.in_day) = (Some(today), before);
                    }
                });
            }
            let most = (per_minute.map(|(most, _)| most), per_day.map(|(most, _)| most));
            let taken = self.inner.counters.with(&counted, |count| count.take(most, (steady, today), opens, may_refuse));
            if let Err((limit, most)) = taken {
                let layer = if limit == Limit::PerMinute { per_minute } else { per_day }.map_or(Layer::Hub, |(_, layer)| layer);
                return Err(exceeded(limit, layer, most, u64::from(most) + 1));
            }
        }
        Ok(())
    }

    /// Commands that place or deal and were made since `from`: what a hub that has restarted does not remember.
    async fn placed_since(&self, owner: OwnerId, counted: &Counted, from: i64) -> Result<u32, StoreError> {
        let accounts = match counted {
            Counted::Account(_, account) => vec![account.clone()],
            Counted::Key(_) => {
                let tokens = self.inner.access.tokens();
                let locked = tokens.iter().filter(|token| token.owner == owner);
                let mut accounts: Vec<_> = locked.filter_map(|token| Some(token.lock.as_ref()?.account.clone())).collect();
                accounts.sort();
                accounts.dedup();
                accounts
            }
        };
        let theirs = |record: &CommandRecord| match counted {
            Counted::Key(line) => self.inner.access.line_of(record.key) == *line,
            Counted::Account(..) => true,
        };
        let begin = CommandId::new(ulid::Ulid::from_parts(u64::try_from(from).unwrap_or(0), 0));
        let mut found = 0_u32;
        for account in accounts {
            let mut after = Some(begin);
            while after.is_some() {
                let wanted = |record: &CommandRecord| theirs(record) && places(&record.request);
                let (page, next) = self.commands(owner, &account, after, 500, wanted).await?;
                found = found.saturating_add(u32::try_from(page.len()).unwrap_or(u32::MAX));
                after = next;
            }
        }
        Ok(found)
    }

    /// Judges the volume that would be open. The caller holds the account's turn, so that what it adds is seen by the next.
    pub(super) async fn check_open_volume(&self, trade: &NewTrade, limits: &[(Layer, Limits)]) -> Result<(), ExecuteError> {
        let strictest = limits.iter().filter_map(|(layer, limits)| Some((*layer, limits.max_open_volume?)));
        let Some((layer, most)) = strictest.min_by(|a, b| a.1.total_cmp(&b.1)) else { return Ok(()) };
        let unknown = || ExecuteError::LimitUnknown(Limit::OpenVolume, "the terminal did not tell its positions and orders");
        let session = &trade.session;
        // Before the question and after it: whatever ends meanwhile is counted twice rather than not at all.
        let mut under_way = self.opening_under_way(session.owner(), session.account());
        let ask = |call| GetPositions { call, symbol: String::new(), ticket: 0 }.into();
        let reply = session.call(super::PATIENCE, ask).await.ok().filter(is_ok).ok_or_else(unknown)?;
        let positions: Vec<Position> = codec::rows(&reply.body, super::POSITIONS_MAX).map_err(|_| unknown())?;
        let orders = self.orders(session, 0).await.ok_or_else(unknown)?;
        under_way.extend(self.opening_under_way(session.owner(), session.account()));
        let open: f64 = positions.iter().map(|position| position.volume).sum::<f64>()
            + orders.iter().map(|order| order.volume_current).sum::<f64>()
            + under_way.values().sum::<f64>();
        let total = open + trade.request.volume;
        if within(total, most) { Ok(()) } else { Err(exceeded(Limit::OpenVolume, layer, most, format!("{total:.2}"))) }
    }

    /// The volumes of commands that may still open something.
    fn opening_under_way(&self, owner: OwnerId, account: &Account) -> HashMap<CommandId, f64> {
        let live = self.live_where(|live| live.owner == owner && live.account == *account && live.effect != Effect::Reduces);
        let records = live.iter().map(|live| live.updates.borrow().clone());
        records.filter(|record| places(&record.request)).map(|record| (record.id, record.request.volume)).collect()
    }

    /// Pending orders, or the one with this ticket; none when the terminal cannot tell.
    pub(super) async fn orders(&self, session: &SessionHandle, ticket: u64) -> Option<Vec<Order>> {
        let ask = |call| GetOrders { call, symbol: String::new(), ticket }.into();
        let reply = session.call(super::PATIENCE, ask).await.ok()?;
        match reply.status {
            reply_status::OK => codec::rows(&reply.body, super::POSITIONS_MAX).ok(),
            reply_status::NOT_FOUND => Some(Vec::new()),
            _ => None,
        }
    }
}

/// Whether a number is one and within a limit, up to the noise of the arithmetic.
fn within(number: f64, most: f64) -> bool {
    number <= most + super::exposure::LOTS_NOISE
}

fn is_ok(reply: &Reply) -> bool {
    reply.status == reply_status::OK
}

/// The equity with which each account's day began, by the broker's clock.
#[derive(Debug, Default)]
pub(super) struct Days {
    known: Mutex<HashMap<(OwnerId, Account), records::DayEquity>>,
}

impl Days {
    fn of(&self, owner: OwnerId, account: &Account, broker_time: i64) -> Option<f64> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = known.get(&(owner, account.clone()))?;
        // A clock that says an older day (it is the terminal's machine's) does not begin one anew.
        (begun.day >= broker_time.div_euclid(86_400)).then_some(begun.equity)
    }

    fn set(&self, owner: OwnerId, account: &Account, begun: records::DayEquity) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert((owner, account.clone()), begun);
    }
}

impl Trading {
    /// Notes the equity of accounts whose day has begun, where a limit asks for it. Durable before it counts.
    pub(super) async fn note_days(&self) -> Result<(), StoreError> {
        let loss = |limits: &Limits| limits.max_daily_loss.is_some();
        let all = loss(&self.inner.limits) || self.inner.access.keys().iter().any(|key| loss(&key.limits));
        for session in self.inner.hub.sessions() {
            let (owner, account) = (session.owner(), session.account());
            let wanted = all || self.inner.accounts.get(&account.to_string()).is_some_and(loss);
            let Some((broker_time, equity)) = session.equity().filter(|_| wanted) else { continue };
            if self.inner.days.of(owner, account, broker_time).is_some() {
                continue;
            }
            let (key, day) = (records::day_equity(owner, account), broker_time.div_euclid(86_400));
            let stored = match self.inner.store.get(&key).await? {
                Some(entry) => Some(records::decode::<records::DayEquity>(&key, &entry)?),
                None => None,
            };
            let begun = match stored.filter(|begun| begun.day >= day) {
                Some(begun) => begun,
                None => {
                    let begun = records::DayEquity { day, equity };
                    let batch =
                        crate::store::Batch::outcome().put_sealed(&records::scope(owner, account), key, records::encode(&begun));
                    self.inner.store.commit(batch).await?;
                    begun
                }
            };
            self.inner.days.set(owner, account, begun);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(count: &mut Count, most: (Option<u32>, Option<u32>), at: i64, may_refuse: bool) -> Option<Limit> {
        count.take(most, (UnixMillis(at), at.div_euclid(DAY_MS)), true, may_refuse).err().map(|(limit, _)| limit)
    }

    #[test]
    fn a_minute_is_any_sixty_seconds_and_what_closes_is_counted_but_never_refused() {
        let (mut count, most) = (Count::default(), (Some(2), None));
        assert_eq!([0, 59_000, 59_999].map(|at| take(&mut count, most, at, true)), [None, None, Some(Limit::PerMinute)]);
        assert_eq!(take(&mut count, most, 59_999, false), None, "a close goes through");
        assert_eq!(take(&mut count, most, 60_000, true), None, "the first one is a minute old");
        assert_eq!(take(&mut count, most, 60_001, true), Some(Limit::PerMinute));
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let (mut count, most) = (Count::default(), (None, Some(1)));
        assert_eq!(take(&mut count, most, DAY_MS - 2, true), None);
        assert_eq!(take(&mut count, most, DAY_MS - 1, true), Some(Limit::PerDay));
        assert_eq!(take(&mut count, most, DAY_MS, true), None);
    }

    #[test]
    fn what_is_no_number_is_within_nothing() {
        assert!(within(0.1 + 0.2, 0.3) && !within(0.31, 0.3) && !within(f64::NAN, f64::INFINITY));
    }
}
