//! Market orders: opening, closing, and on a netting account both.

use super::{Broker, Done, ended, filling::Fill, order_state};
use crate::{
    domain::{
        account::Platform,
        trade::{FILLING_FOK, FILLING_RETURN, ORDER_BUY, TradeRequest, TradeResult, retcode},
    },
    simulator::{
        instrument::{hundredths_of, lots},
        judge,
        ledger::Entry,
        mt4,
        replay::MarketView,
        rules::Quirk,
    },
};

impl Broker {
    pub(super) fn deal(&mut self, request: &TradeRequest, quirk: Quirk, view: &MarketView<'_>) -> Done {
        let (of, tick) = self.market(&request.symbol, view)?;
        judge::filling(request, &self.settings.rules, self.settings.platform)?;
        let closed = self.closes(request)?;
        judge::mode(&self.settings.rules, request.kind, closed.is_some())?;
        let price = if request.kind == ORDER_BUY { tick.ask } else { tick.bid };
        judge::price(request, price, &self.settings.rules, &of)?;
        let stops = if closed.is_some() { (0.0, 0.0) } else { (of.round(request.sl), of.round(request.tp)) };
        judge::stops(request.kind, stops, &tick, &self.settings.rules, &of)?;
        let wanted = hundredths_of(request.volume);
        let volume = self.filled(request, wanted, self.available(&of, &tick), quirk)?;
        let mut order = self.order(request, quirk, view.now_ms());
        order.price_open = price;
        (order.sl, order.tp) = stops;
        order.position_id = closed.unwrap_or(0);
        let needs = self.needs(&order, &of, wanted, price);
        if needs > 0.0 {
            judge::money(&self.account(view), needs, self.positions.len())?;
        }
        let held = self.target(&order).map(|held| held.ticket);
        let entry = if volume > 0 {
            self.take(&of, &tick, volume);
            self.fill(&mut order, &of, Fill { volume, price, at_ms: view.now_ms() })
        } else {
            Entry::default()
        };
        let stays = request.type_filling == FILLING_RETURN && quirk.part.is_none();
        let retcode = if volume == wanted {
            retcode::DONE
        } else if volume > 0 {
            retcode::DONE_PARTIAL
        } else {
            retcode::PLACED
        };
        let deal = entry.deals.first().map_or(0, |deal| deal.ticket);
        let mut result = TradeResult { deal, order: order.ticket, volume: lots(volume), price, ..self.done(&tick) };
        (result.retcode, result.comment) = (retcode, judge::text(retcode).into());
        if self.settings.platform == Platform::Mt4 {
            // There are no deals there: the tickets are those that are made up of the order.
            (result.order, result.deal) = match held {
                Some(held) => (held, mt4::closing_deal(held)),
                None => (order.ticket, mt4::opening_deal(order.ticket)),
            };
        }
        let mut entry = entry;
        if volume == wanted {
            entry.done.push(ended(order, order_state::FILLED, view.now_ms()));
        } else if stays {
            let state = if volume > 0 { order_state::PARTIAL } else { order_state::PLACED };
            self.waits.insert(order.ticket, tick.time_msc);
            entry.orders.push(crate::domain::trade::Order { state, ..order });
        } else {
            entry.done.push(ended(order, order_state::CANCELED, view.now_ms()));
        }
        Ok((result, entry))
    }

    /// The identifier of the position that the request closes, in whole or in part; none if it opens.
    fn closes(&self, request: &TradeRequest) -> Result<Option<u64>, u32> {
        if request.position != 0 {
            let position = self.find(request.position)?;
            if !self.settings.netting {
                judge::closing(request, position)?;
                return Ok(Some(position.identifier));
            }
        }
        if !self.settings.netting {
            return Ok(None);
        }
        let held = self.of_symbol(&request.symbol).filter(|held| held.kind != request.kind && held.volume >= request.volume);
        Ok(held.map(|held| held.identifier))
    }

    /// How much is filled at once.
    fn filled(&self, request: &TradeRequest, wanted: i64, available: i64, quirk: Quirk) -> Result<i64, u32> {
        let volume = wanted.min(available);
        if let Some(part) = quirk.part.filter(|part| *part < wanted) {
            return Ok(volume.min(part).max(1));
        }
        match request.type_filling {
            FILLING_FOK if volume < wanted => Err(retcode::REJECT),
            FILLING_RETURN => Ok(volume),
            _ if volume == 0 => Err(retcode::REJECT),
            _ => Ok(volume),
        }
    }
}
