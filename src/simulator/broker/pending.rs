//! Pending orders: placing, changing, removing.

use super::{Broker, Done, ended, order_state, settlement};
use crate::{
    domain::{
        account::Platform,
        market::Tick,
        trade::{Order, TradeRequest, TradeResult, retcode},
    },
    simulator::{
        instrument::Instrument,
        judge::{self, pending},
        ledger::Entry,
        replay::MarketView,
        rules::Quirk,
    },
};

/// `ORDER_TIME_*`.
mod time {
    pub(super) const GTC: u8 = 0;
    pub(super) const DAY: u8 = 1;
    pub(super) const SPECIFIED: u8 = 2;
}

impl Broker {
    pub(super) fn place(&mut self, request: &TradeRequest, quirk: Quirk, view: &MarketView<'_>) -> Done {
        let (of, tick) = self.market(&request.symbol, view)?;
        let is_stop_limit = matches!(request.kind, pending::BUY_STOP_LIMIT | pending::SELL_STOP_LIMIT);
        if is_stop_limit && self.settings.platform == Platform::Mt4 {
            return Err(retcode::INVALID);
        }
        judge::filling(request, &self.settings.rules, self.settings.platform)?;
        judge::mode(&self.settings.rules, request.kind, false)?;
        if self.orders.len() >= usize::try_from(self.settings.rules.limit_orders).unwrap_or(usize::MAX) {
            return Err(judge::LIMIT_ORDERS);
        }
        let time_expiration = expiration(request, view)?;
        let wanted = self.order(request, quirk, view.now_ms());
        let stoplimit = if is_stop_limit { of.round(request.stoplimit) } else { 0.0 };
        let order = priced(wanted, request, stoplimit, time_expiration, &of);
        self.judge_placed(&order, &tick, &of)?;
        let result =
            TradeResult { order: order.ticket, volume: order.volume_initial, price: order.price_open, ..self.done(&tick) };
        Ok((result, Entry { orders: vec![order], ..Entry::default() }))
    }

    pub(super) fn modify(&mut self, request: &TradeRequest, view: &MarketView<'_>) -> Done {
        let order = self.standing(request.order)?.clone();
        let (of, tick) = self.market(&order.symbol, view)?;
        judge::frozen(order.price_open, &tick, &self.settings.rules, &of)?;
        let time_expiration = expiration(request, view)?;
        let is_stop_limit = matches!(order.kind, pending::BUY_STOP_LIMIT | pending::SELL_STOP_LIMIT);
        let stoplimit = if is_stop_limit { of.round(request.stoplimit) } else { 0.0 };
        let changed = Order { type_time: request.type_time, ..order.clone() };
        let changed = priced(changed, request, stoplimit, time_expiration, &of);
        if changed == order {
            return Err(retcode::NO_CHANGES);
        }
        self.judge_placed(&changed, &tick, &of)?;
        let result =
            TradeResult { order: order.ticket, volume: changed.volume_current, price: changed.price_open, ..self.done(&tick) };
        Ok((result, Entry { orders: vec![changed], ..Entry::default() }))
    }

    pub(super) fn remove(&mut self, request: &TradeRequest, view: &MarketView<'_>) -> Done {
        let order = self.standing(request.order)?.clone();
        let (of, tick) = self.market(&order.symbol, view)?;
        judge::frozen(order.price_open, &tick, &self.settings.rules, &of)?;
        let result =
            TradeResult { order: order.ticket, volume: order.volume_current, price: order.price_open, ..self.done(&tick) };
        let done = ended(order, order_state::CANCELED, view.now_ms());
        Ok((result, Entry { done: vec![done], ..Entry::default() }))
    }

    fn standing(&self, ticket: u64) -> Result<&Order, u32> {
        self.orders.get(&ticket).ok_or(retcode::INVALID_ORDER)
    }

    /// Stops of a pending order are measured from the price at which it will open.
    fn judge_placed(&self, order: &Order, tick: &Tick, of: &Instrument) -> Result<(), u32> {
        let rules = &self.settings.rules;
        judge::placed(order.kind, order.price_open, order.price_stoplimit, tick, rules, of)?;
        let opens = if order.price_stoplimit == 0.0 { order.price_open } else { order.price_stoplimit };
        judge::stops(order.kind, (order.sl, order.tp), &Tick { bid: opens, ask: opens, ..*tick }, rules, of)
    }
}

fn priced(order: Order, request: &TradeRequest, price_stoplimit: f64, time_expiration: i64, of: &Instrument) -> Order {
    Order {
        price_open: of.round(request.price),
        price_stoplimit,
        sl: of.round(request.sl),
        tp: of.round(request.tp),
        time_expiration,
        ..order
    }
}

/// When the order ends by itself, broker time in epoch seconds; 0 is never.
fn expiration(request: &TradeRequest, view: &MarketView<'_>) -> Result<i64, u32> {
    const DAY_S: i64 = 86_400;
    let end_of_day = |time: i64| (settlement::day_of(time * 1000) + 1) * DAY_S;
    match request.type_time {
        time::GTC => Ok(0),
        time::DAY => Ok(end_of_day(view.now())),
        _ if request.expiration <= view.now() => Err(judge::INVALID_EXPIRATION),
        time::SPECIFIED => Ok(request.expiration),
        _ => Ok(end_of_day(request.expiration)),
    }
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
