//! What the broker does by itself, in the order in which the price brings it about: stop loss, take profit, pending orders, expiry,
//! stop-out, and the night's swap.

use super::{Broker, ended, filling::Fill, order_state};
use crate::{
    domain::{
        market::Tick,
        trade::{FILLING_FOK, FILLING_IOC, ORDER_BUY, Order, Position},
    },
    simulator::{
        instrument::{Instrument, hundredths_of, money},
        judge::{self, pending},
        ledger::Entry,
        path,
        replay::MarketView,
        stops,
    },
};

const DAY_MS: i64 = 86_400_000;

/// The day of a broker time in epoch milliseconds, counted from 1970-01-01.
pub(super) const fn day_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS)
}

/// Something that the price or the clock brings about. At one instant the first of these comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Night,
    Expiry(u64),
    Stop(u64),
    StopOut,
    Trigger(u64),
}

impl Broker {
    /// Does what the market has brought about since the last look, each at the tick that did it.
    pub fn settle(&mut self, view: &MarketView<'_>) {
        while let Some((at_ms, event)) = self.next_event(view) {
            // Other things may happen at the same tick, so only what lies before it is done with.
            self.settled_ms = self.settled_ms.max(at_ms - 1);
            if !self.happen(event, &view.at_ms(at_ms)) {
                break;
            }
        }
        if self.positions.is_empty() {
            self.rolled_day = self.rolled_day.max(day_of(view.now_ms()));
        }
        self.settled_ms = self.settled_ms.max(view.now_ms());
    }

    fn next_event(&self, view: &MarketView<'_>) -> Option<(i64, Event)> {
        if self.broken || (self.positions.is_empty() && self.orders.is_empty()) {
            return None;
        }
        let first_of = |symbol: &str, since_ms: i64, reached: &dyn Fn(f64, f64) -> bool| {
            let of = self.instruments.iter().find(|one| one.name == symbol)?;
            stops::first_tick(&view.of_symbol(of), since_ms, reached).map(|tick| tick.time_msc)
        };
        let stops = self.positions.values().filter(|position| position.sl != 0.0 || position.tp != 0.0).filter_map(|position| {
            let at = first_of(&position.symbol, self.settled_ms, &|bid, ask| stops::touched(position, bid, ask).is_some())?;
            Some((at, Event::Stop(position.ticket)))
        });
        let triggers = self.orders.values().filter_map(|order| {
            let since = self.settled_ms.max(self.waits.get(&order.ticket).copied().unwrap_or(i64::MIN));
            let at = first_of(&order.symbol, since, &|bid, ask| stops::triggers(order, bid, ask))?;
            Some((at, Event::Trigger(order.ticket)))
        });
        let expiries = self.orders.values().filter(|order| order.time_expiration != 0).filter_map(|order| {
            let at = order.time_expiration.saturating_mul(1000);
            (at <= view.now_ms()).then_some((at, Event::Expiry(order.ticket)))
        });
        let night = (self.rolled_day + 1).saturating_mul(DAY_MS);
        let night = (!self.positions.is_empty() && night <= view.now_ms()).then_some((night, Event::Night));
        let stop_out = self.first_stop_out(view).map(|at| (at, Event::StopOut));
        stops.chain(triggers).chain(expiries).chain(night).chain(stop_out).min()
    }

    /// True if it happened; false if it could not be written down.
    fn happen(&mut self, event: Event, view: &MarketView<'_>) -> bool {
        match event {
            Event::Night => self.night(view),
            Event::Expiry(ticket) => {
                let Some(order) = self.orders.get(&ticket).cloned() else { return false };
                let done = vec![ended(order, order_state::EXPIRED, view.now_ms())];
                self.commit(Entry { at_ms: view.now_ms(), done, ..Entry::default() })
            }
            Event::Stop(ticket) => {
                let Some(position) = self.positions.get(&ticket).cloned() else { return false };
                let Ok((of, tick)) = self.market(&position.symbol, view) else { return false };
                let Some(reason) = stops::touched(&position, tick.bid, tick.ask) else { return false };
                let comment = stops::comment(&position, reason, &of);
                self.close_itself(&position, reason, comment, view)
            }
            Event::StopOut => {
                let level = self.account(view).margin_level;
                let worst = self.positions(view).into_iter().min_by(|one, other| one.profit.total_cmp(&other.profit));
                let Some(position) = worst.and_then(|worst| self.positions.get(&worst.ticket)).cloned() else { return false };
                self.close_itself(&position, stops::REASON_SO, format!("[so {level:.2}%]"), view)
            }
            Event::Trigger(ticket) => self.trigger(ticket, view),
        }
    }

    /// The first tick at which the margin level is below the limit. Between two turns of the price it only rises or only falls.
    fn first_stop_out(&self, view: &MarketView<'_>) -> Option<i64> {
        if self.positions.is_empty() {
            return None;
        }
        let new = |at: &i64| *at > self.settled_ms && *at <= view.now_ms();
        let is_low = |at: &i64| {
            let account = self.account(&view.at_ms(*at));
            account.margin > 0.0 && account.margin_level < self.settings.rules.stop_out
        };
        view.bars_since(self.settled_ms).iter().find_map(|bar| {
            let time = |k: i64| path::tick(bar, k, view.digits()).time_msc;
            let turns = path::turns(bar).map(|(k, _)| time(k));
            let newest = time(path::newest(bar, view.now_ms()));
            // The first new tick may come after a turn, and what happened at the tick before may have changed the account.
            let first = (0..path::ticks(bar)).map(time).find(new);
            let low = turns.into_iter().chain([newest]).chain(first).filter(new).any(|at| is_low(&at));
            if low { (0..path::ticks(bar)).map(time).filter(new).find(is_low) } else { None }
        })
    }

    fn close_itself(&mut self, position: &Position, reason: u8, comment: String, view: &MarketView<'_>) -> bool {
        let Ok((of, tick)) = self.market(&position.symbol, view) else { return false };
        let price = if position.kind == ORDER_BUY { tick.bid } else { tick.ask };
        let at_ms = view.now_ms();
        let mut order = Order {
            ticket: self.ticket(),
            time_setup: view.now(),
            time_setup_msc: at_ms,
            kind: 1 - position.kind,
            magic: position.magic,
            position_id: position.identifier,
            reason,
            volume_initial: position.volume,
            volume_current: position.volume,
            price_open: price,
            symbol: position.symbol.clone(),
            comment,
            ..Order::default()
        };
        let mut entry = self.fill(&mut order, &of, Fill { volume: hundredths_of(position.volume), price, at_ms });
        entry.done.push(ended(order, order_state::FILLED, at_ms));
        self.commit(entry)
    }

    fn trigger(&mut self, ticket: u64, view: &MarketView<'_>) -> bool {
        let Some(mut order) = self.orders.get(&ticket).cloned() else { return false };
        let Ok((of, tick)) = self.market(&order.symbol, view) else { return false };
        if matches!(order.kind, pending::BUY_STOP_LIMIT | pending::SELL_STOP_LIMIT) {
            // From here on it is a limit order at its second price, under the same ticket.
            order.kind = if judge::side(order.kind) == ORDER_BUY { pending::BUY_LIMIT } else { pending::SELL_LIMIT };
            (order.price_open, order.price_stoplimit) = (order.price_stoplimit, 0.0);
            return self.commit(Entry { at_ms: view.now_ms(), orders: vec![order], ..Entry::default() });
        }
        let wanted = hundredths_of(order.volume_current);
        let volume = wanted.min(self.available(&of, &tick));
        let price = if judge::side(order.kind) == ORDER_BUY { tick.ask } else { tick.bid };
        let killed = order.type_filling == FILLING_FOK && volume < wanted || order.type_filling == FILLING_IOC && volume == 0;
        let needs = self.needs(&order, &of, volume, price);
        let poor = needs > 0.0 && judge::money(&self.account(view), needs, self.positions.len()).is_err();
        if killed || poor {
            let state = if poor { order_state::REJECTED } else { order_state::CANCELED };
            let done = vec![ended(order, state, view.now_ms())];
            return self.commit(Entry { at_ms: view.now_ms(), done, ..Entry::default() });
        }
        if volume == 0 {
            self.waits.insert(ticket, tick.time_msc);
            return true;
        }
        self.fill_standing(order, &of, &tick, Fill { volume, price, at_ms: view.now_ms() })
    }

    fn fill_standing(&mut self, mut order: Order, of: &Instrument, tick: &Tick, fill: Fill) -> bool {
        let whole = fill.volume == hundredths_of(order.volume_current);
        self.take(of, tick, fill.volume);
        let mut entry = self.fill(&mut order, of, fill);
        if whole || order.type_filling == FILLING_IOC {
            let state = if whole { order_state::FILLED } else { order_state::CANCELED };
            entry.done.push(ended(order, state, fill.at_ms));
        } else {
            self.waits.insert(order.ticket, tick.time_msc);
            order.state = order_state::PARTIAL;
            entry.orders.push(order);
        }
        self.commit(entry)
    }

    /// Books the swap of the night that begins the day after `rolled_day`: none for Saturday and Sunday, three for Wednesday.
    fn night(&mut self, view: &MarketView<'_>) -> bool {
        self.rolled_day += 1;
        // 1970-01-01 was a Thursday; the day that has just ended counts.
        let nights = match (self.rolled_day - 1 + 4).rem_euclid(7) {
            0 | 6 => 0.0,
            3 => 3.0,
            _ => 1.0,
        };
        let charged = |position: &Position| {
            let (of, tick) = self.market(&position.symbol, view).ok()?;
            let swap = of.swap(position.kind, position.volume, tick.bid) * nights;
            let swap = money(position.swap + swap);
            (swap != position.swap).then(|| Position { swap, ..position.clone() })
        };
        let positions: Vec<_> = self.positions.values().filter_map(charged).collect();
        positions.is_empty() || self.commit(Entry { at_ms: view.now_ms(), positions, ..Entry::default() })
    }
}

#[cfg(test)]
#[path = "settlement_tests.rs"]
mod tests;
