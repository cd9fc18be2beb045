//! Closing a position by an opposite one: the price of each is the opening price of the other, and no spread is paid.

use super::{Broker, Done, deal_at, ended, entry, order_state};
use crate::{
    domain::trade::{Deal, Order, Position, TradeRequest, TradeResult, retcode},
    simulator::{
        instrument::{hundredths_of, lots, money},
        judge::{self, pending},
        ledger::Entry,
        replay::MarketView,
        rules::Quirk,
    },
};

impl Broker {
    pub(super) fn close_by(&mut self, request: &TradeRequest, quirk: Quirk, view: &MarketView<'_>) -> Done {
        let one = self.find(request.position)?.clone();
        let other = self.find(request.position_by)?.clone();
        if self.settings.netting || one.kind == other.kind || one.symbol != other.symbol {
            return Err(retcode::INVALID);
        }
        let (of, tick) = self.market(&one.symbol, view)?;
        let volume = hundredths_of(one.volume).min(hundredths_of(other.volume));
        let at_ms = view.now_ms();
        let asked = TradeRequest { kind: pending::CLOSE_BY, symbol: one.symbol.clone(), volume: lots(volume), ..request.clone() };
        let order = Order {
            position_id: one.identifier,
            position_by_id: other.identifier,
            volume_current: 0.0,
            price_open: other.price_open,
            ..self.order(&asked, quirk, at_ms)
        };
        let mut entry = Entry { at_ms, ..Entry::default() };
        // The whole difference stands on the first deal; the second closes at its own opening price.
        for (held, against, profit) in
            [(&one, &other, of.profit(one.kind, lots(volume), one.price_open, other.price_open)), (&other, &one, 0.0)]
        {
            let mut deal = self.half(held, against, &order, volume, at_ms);
            deal.profit = profit;
            self.shrink(held, volume, &mut deal, &mut entry);
            entry.deals.push(deal);
        }
        let deal = entry.deals.first().map_or(0, |deal| deal.ticket);
        let result = TradeResult { deal, order: order.ticket, volume: lots(volume), price: other.price_open, ..self.done(&tick) };
        entry.done.push(ended(order, order_state::FILLED, at_ms));
        Ok((result, entry))
    }

    fn half(&mut self, held: &Position, against: &Position, order: &Order, volume: i64, at_ms: i64) -> Deal {
        let ticket = self.ticket();
        Deal {
            order: order.ticket,
            kind: 1 - judge::side(held.kind),
            entry: entry::OUT_BY,
            magic: order.magic,
            position_id: held.identifier,
            reason: order.reason,
            volume: lots(volume),
            price: against.price_open,
            swap: money(held.swap * lots(volume) / held.volume),
            symbol: held.symbol.clone(),
            comment: order.comment.clone(),
            ..deal_at(ticket, at_ms)
        }
    }
}
