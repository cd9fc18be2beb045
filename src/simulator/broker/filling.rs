//! What a fill makes: a deal, and a position that begins, grows, shrinks, ends or turns round.

use super::{Broker, deal_at, entry};
use crate::{
    domain::{
        account::Platform,
        market::Tick,
        trade::{Deal, Order, Position},
    },
    simulator::{
        instrument::{self, Instrument, hundredths_of, lots},
        judge,
        ledger::Entry,
    },
};

/// How much of an order is filled, at what price and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill {
    /// Hundredths of a lot.
    pub(super) volume: i64,
    pub(super) price: f64,
    pub(super) at_ms: i64,
}

impl Broker {
    /// Fills an order, in whole or in part: what changes by it, and what is left of the order.
    pub(super) fn fill(&mut self, order: &mut Order, of: &Instrument, fill: Fill) -> Entry {
        let side = judge::side(order.kind);
        let ticket = self.ticket();
        let Fill { volume, price, at_ms } = fill;
        let mut deal = Deal {
            order: order.ticket,
            kind: side,
            magic: order.magic,
            reason: order.reason,
            volume: lots(volume),
            price,
            commission: self.commission(volume),
            symbol: order.symbol.clone(),
            comment: order.comment.clone(),
            ..deal_at(ticket, at_ms)
        };
        let mut entry = Entry { at_ms, ..Entry::default() };
        match self.target(order).cloned() {
            None => {
                deal.position_id = order.ticket;
                entry.positions.push(opened(order, side, fill));
            }
            Some(held) if held.kind == side => {
                deal.position_id = held.identifier;
                entry.positions.push(enlarged(held, order, fill));
            }
            Some(held) => self.run_against(&held, order, of, fill, &mut deal, &mut entry),
        }
        order.position_id = deal.position_id;
        order.volume_current = lots(hundredths_of(order.volume_current) - volume);
        entry.deals.push(deal);
        entry
    }

    /// The position that a fill of this order changes; none if it begins one.
    pub(super) fn target(&self, order: &Order) -> Option<&Position> {
        if self.settings.netting {
            return self.of_symbol(&order.symbol);
        }
        let wanted = order.position_id;
        self.positions.values().find(|position| position.identifier == wanted && wanted != 0)
    }

    fn commission(&self, volume: i64) -> f64 {
        instrument::money(-self.settings.rules.commission * lots(volume))
    }

    fn run_against(&mut self, held: &Position, order: &Order, of: &Instrument, fill: Fill, deal: &mut Deal, entry: &mut Entry) {
        let had = hundredths_of(held.volume);
        let out = fill.volume.min(had);
        deal.position_id = held.identifier;
        deal.profit = of.profit(held.kind, lots(out), held.price_open, fill.price);
        deal.swap = instrument::money(held.swap * lots(out) / held.volume);
        deal.entry = if fill.volume > had { entry::INOUT } else { entry::OUT };
        if fill.volume > had {
            // The identifier stays through a reversal, the ticket becomes that of the order behind it.
            let rest = Fill { volume: fill.volume - had, ..fill };
            entry.gone.push(held.ticket);
            entry.positions.push(Position { identifier: held.identifier, ..opened(order, judge::side(order.kind), rest) });
        } else {
            self.shrink(held, out, deal, entry);
        }
    }

    /// Takes so much off a position.
    pub(super) fn shrink(&mut self, held: &Position, out: i64, deal: &mut Deal, entry: &mut Entry) {
        let left = hundredths_of(held.volume) - out;
        if left <= 0 {
            entry.gone.push(held.ticket);
            return;
        }
        let mut rest = Position {
            volume: lots(left),
            swap: instrument::money(held.swap - deal.swap),
            time_update: deal.time,
            time_update_msc: deal.time_msc,
            ..held.clone()
        };
        if self.settings.platform == Platform::Mt4 {
            // MetaTrader 4 closes the whole order and opens another one for what is left.
            rest.ticket = self.ticket();
            rest.comment = format!("from #{}", held.ticket);
            deal.external_id = rest.ticket.to_string();
            entry.gone.push(held.ticket);
        }
        entry.positions.push(rest);
    }

    /// How much of a symbol this tick still fills, in hundredths of a lot.
    pub(super) fn available(&self, of: &Instrument, tick: &Tick) -> i64 {
        let all = hundredths_of(self.settings.rules.liquidity);
        if all == 0 || self.settings.platform == Platform::Mt4 {
            return i64::MAX;
        }
        let taken = self.taken.get(&of.name).filter(|(at, _)| *at == tick.time_msc).map_or(0, |(_, taken)| *taken);
        (all - taken).max(0)
    }

    /// Takes so much of what this tick fills.
    pub(super) fn take(&mut self, of: &Instrument, tick: &Tick, volume: i64) {
        if self.settings.rules.liquidity > 0.0 {
            let taken = self.taken.entry(of.name.clone()).or_default();
            let before = if taken.0 == tick.time_msc { taken.1 } else { 0 };
            *taken = (tick.time_msc, before + volume);
        }
    }

    /// The margin that so much more of this order needs; on a netting account only what goes beyond closing.
    pub(super) fn needs(&self, order: &Order, of: &Instrument, volume: i64, price: f64) -> f64 {
        let leverage = self.settings.leverage;
        match self.target(order) {
            Some(held) if held.kind != judge::side(order.kind) => {
                let beyond = volume - hundredths_of(held.volume);
                if beyond <= 0 { 0.0 } else { of.margin(lots(beyond), price, leverage) - self.bound_by(held, of) }
            }
            _ => of.margin(lots(volume), price, leverage),
        }
    }
}

fn opened(order: &Order, side: u8, fill: Fill) -> Position {
    let time = fill.at_ms.div_euclid(1000);
    Position {
        ticket: order.ticket,
        time,
        time_msc: fill.at_ms,
        time_update: time,
        time_update_msc: fill.at_ms,
        kind: side,
        magic: order.magic,
        identifier: order.ticket,
        reason: order.reason,
        volume: lots(fill.volume),
        price_open: fill.price,
        sl: order.sl,
        tp: order.tp,
        symbol: order.symbol.clone(),
        comment: order.comment.clone(),
        ..Position::default()
    }
}

fn enlarged(held: Position, order: &Order, fill: Fill) -> Position {
    let had = hundredths_of(held.volume);
    let all = lots(had + fill.volume);
    let stop = |old: f64, new: f64| if new == 0.0 { old } else { new };
    Position {
        volume: all,
        price_open: (held.price_open * lots(had) + fill.price * lots(fill.volume)) / all,
        sl: stop(held.sl, order.sl),
        tp: stop(held.tp, order.tp),
        time_update: fill.at_ms.div_euclid(1000),
        time_update_msc: fill.at_ms,
        ..held
    }
}

#[cfg(test)]
#[path = "filling_tests.rs"]
mod tests;
