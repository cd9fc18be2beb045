//! Reads of the account: positions, orders, history, and what a trade would come to.

use super::{Body, Failure, Look, page};
use crate::{
    domain::trade::{Deal, Order, Position},
    protocol::{
        codec::{write_record, write_rows},
        message::{Amount, CalcMargin, CalcProfit, GetDeals, GetHistoryOrders, GetOrders, GetPositions},
    },
    simulator::mt4,
};

/// A call gives at most so many deals or orders of the history.
const HISTORY_MAX: u32 = 10_000;

impl Look<'_> {
    pub(super) fn positions(&self, get: &GetPositions) -> Vec<u8> {
        let mut positions = self.broker.positions(self.view);
        if self.is_mt4() {
            positions = positions.iter().map(mt4::position).collect();
        }
        positions.retain(|position: &Position| {
            (get.symbol.is_empty() || position.symbol == get.symbol)
                && (get.ticket == 0 || position.ticket == get.ticket)
                && position.time_msc <= self.sight.until_ms
        });
        write_rows(&positions)
    }

    pub(super) fn orders(&self, get: &GetOrders) -> Vec<u8> {
        let mut orders = self.broker.orders(self.view);
        orders.retain(|order| {
            (get.symbol.is_empty() || order.symbol == get.symbol)
                && (get.ticket == 0 || order.ticket == get.ticket)
                && order.time_setup_msc <= self.sight.until_ms
        });
        write_rows(&orders)
    }

    pub(super) fn deals(&self, get: &GetDeals) -> Vec<u8> {
        let wanted = |deal: &Deal| {
            (get.from..=get.to).contains(&deal.time)
                && (get.position == 0 || deal.position_id == get.position)
                && (get.ticket == 0 || deal.order == get.ticket || deal.ticket == get.ticket)
                && deal.time_msc <= self.sight.until_ms
        };
        let (skip, take) = (page(get.offset), page(get.limit.min(HISTORY_MAX)));
        if self.is_mt4() {
            let mut all = mt4::deals(self.broker);
            all.sort_by_key(|deal| (deal.time_msc, deal.ticket));
            return write_rows(&all.into_iter().filter(wanted).skip(skip).take(take).collect::<Vec<_>>());
        }
        write_rows(&self.broker.deals().filter(|deal| wanted(deal)).skip(skip).take(take).collect::<Vec<_>>())
    }

    pub(super) fn history_orders(&self, get: &GetHistoryOrders) -> Vec<u8> {
        let is_mt4 = self.is_mt4();
        let wanted = |order: &&Order| {
            (get.from..=get.to).contains(&order.time_done)
                && (get.position == 0 || order.position_id == get.position || order.position_by_id == get.position)
                && (get.ticket == 0 || order.ticket == get.ticket)
                && order.time_done_msc <= self.sight.until_ms
                && (!is_mt4 || mt4::is_in_history(order))
        };
        let (skip, take) = (page(get.offset), page(get.limit.min(HISTORY_MAX)));
        write_rows(&self.broker.history_orders().filter(wanted).skip(skip).take(take).collect::<Vec<_>>())
    }

    pub(super) fn calc_margin(&self, get: &CalcMargin) -> Body {
        self.known(&get.symbol)?;
        let numbers = get.volume > 0.0 && get.volume.is_finite() && get.price >= 0.0 && get.price.is_finite();
        if !numbers || get.kind > 7 {
            return Err(Failure::invalid("kind, volume or price cannot be"));
        }
        let value = self.broker.calc_margin(get.kind, &get.symbol, get.volume, get.price, self.view);
        let value = value.ok_or_else(|| Failure::invalid("there is no price"))?;
        Ok(write_record(&Amount { value }))
    }

    pub(super) fn calc_profit(&self, get: &CalcProfit) -> Body {
        let of = self.known(&get.symbol)?;
        let positive = [get.volume, get.price_open, get.price_close].iter().all(|number| *number > 0.0 && number.is_finite());
        if !positive || get.kind > 1 {
            return Err(Failure::invalid("kind, volume or price cannot be"));
        }
        let value = of.profit(get.kind, get.volume, get.price_open, get.price_close);
        Ok(write_record(&Amount { value }))
    }
}
