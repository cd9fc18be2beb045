//! Limits, judged before anything is recorded: key, account and hub each have their own, and every one of them must hold.
//!
//! Volumes under way are those of commands without an outcome: they count until the outcome, or the proof that there is none, is recorded.
//! What was done counts until the terminal shows it, or has had the time to. How many commands there are is counted in `quotas`.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{ExecuteError, NewTrade, Trading, exposure::Effect, quotas::Taken, settling::Done};
use crate::{
    domain::{
        account::Account,
        command::CommandRecord,
        ids::{CommandId, KeyId, OwnerId},
        limits::{Exceeded, Layer, Limit, Limits},
        trade::{FILLING_IOC, Order, Position, TradeRequest, action, retcode},
    },
    hub::SessionHandle,
    protocol::{
        codec,
        message::{GetOrders, GetPositions, GetQuotes, Quote, Reply, reply_status},
    },
    store::{StoreError, records},
};

pub(super) fn exceeded(limit: Limit, layer: Layer, value: impl ToString, asked: impl ToString) -> ExecuteError {
    ExecuteError::LimitExceeded(Exceeded { limit, layer, value: value.to_string(), asked: asked.to_string() })
}

/// Whether a request places an order or deals.
pub(super) fn places(request: &TradeRequest) -> bool {
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
        let of_key = self.limits_of_key(key).map(|limits| (Layer::Key, limits));
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
    ) -> Result<Taken, ExecuteError> {
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

    /// Judges the volume that would be open. The caller holds the account's turn, so that what it adds is seen by the next.
    pub(super) async fn check_open_volume(&self, trade: &NewTrade, limits: &[(Layer, Limits)]) -> Result<(), ExecuteError> {
        let strictest = limits.iter().filter_map(|(layer, limits)| Some((*layer, limits.max_open_volume?)));
        let Some((layer, most)) = strictest.min_by(|a, b| a.1.total_cmp(&b.1)) else { return Ok(()) };
        let unknown = || ExecuteError::LimitUnknown(Limit::OpenVolume, "the terminal did not tell its positions and orders");
        let session = &trade.session;
        // Before the question and after it: whatever ends meanwhile is counted twice rather than not at all.
        let mut under_way = self.opening_under_way(session.owner(), session.account());
        // Orders first: one that is filled between the two questions is a position by the second.
        let orders = self.orders(session, 0).await.ok_or_else(unknown)?;
        let ask = |call| GetPositions { call, symbol: String::new(), ticket: 0 }.into();
        let reply = session.call(super::PATIENCE, ask).await.ok().filter(is_ok).ok_or_else(unknown)?;
        let positions: Vec<Position> = codec::rows(&reply.body, super::POSITIONS_MAX).map_err(|_| unknown())?;
        under_way.extend(self.opening_under_way(session.owner(), session.account()));
        // A list may show the first of several fills.
        let not_shown = |(volume, order): &(f64, Option<u64>)| match order {
            Some(order) => f64::max(volume - shown(*order, &orders, &positions), 0.0),
            None => *volume,
        };
        let open: f64 = positions.iter().map(|position| position.volume).sum::<f64>()
            + orders.iter().map(|order| order.volume_current).sum::<f64>()
            + under_way.values().map(not_shown).sum::<f64>();
        let total = open + trade.request.volume;
        if within(total, most) { Ok(()) } else { Err(exceeded(Limit::OpenVolume, layer, most, format!("{total:.2}"))) }
    }

    /// The volumes of commands that may still open something, or have done so a moment ago; of these with the broker's order, which becomes
    /// the ticket of the pending order, or of the position that it opens.
    fn opening_under_way(&self, owner: OwnerId, account: &Account) -> HashMap<CommandId, (f64, Option<u64>)> {
        let live = self.live_where(|live| live.owner == owner && live.account == *account && live.effect() != Effect::Reduces);
        let records = live.iter().map(|live| live.updates.borrow().clone());
        let mut volumes: HashMap<_, _> =
            records.filter(|record| places(&record.request)).map(|record| (record.id, (record.request.volume, None))).collect();
        // After the open ones: what ends between the two looks is in one of them.
        let done = self.inner.settling.of(owner, account, self.inner.clock.steady());
        let opened = done.into_iter().filter(|done| done.effect != Effect::Reduces && places(&done.record.request));
        volumes.extend(opened.map(|Done { record, .. }| {
            let order = record.result.as_ref().map(|result| result.order).filter(|order| *order != 0);
            (record.id, (done_volume(&record), order))
        }));
        volumes
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

/// Lots that a broker's order is shown with, as a pending order, as the position that it made, or as both.
fn shown(order: u64, orders: &[Order], positions: &[Position]) -> f64 {
    let of_it = |position: &&Position| [position.ticket, position.identifier].contains(&order);
    let pending = orders.iter().filter(|pending| pending.ticket == order).map(|pending| pending.volume_current);
    pending.chain(positions.iter().filter(of_it).map(|position| position.volume)).sum()
}

/// Lots that a command which is done has opened, or still may: what its request asked for, unless the rest of it was cancelled at once.
fn done_volume(record: &CommandRecord) -> f64 {
    let request = &record.request;
    let ends_at_once = request.action == action::DEAL && request.type_filling == FILLING_IOC;
    match &record.result {
        Some(result) if ends_at_once && result.retcode == retcode::DONE_PARTIAL => result.volume,
        _ => request.volume,
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

    #[test]
    fn what_is_no_number_is_within_nothing() {
        assert!(within(0.1 + 0.2, 0.3) && !within(0.31, 0.3) && !within(f64::NAN, f64::INFINITY));
    }
}
