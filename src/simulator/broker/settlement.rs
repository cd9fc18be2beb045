//! What the broker does by itself: stop loss, take profit and stop-out.

use super::{Broker, Closing, STOP_OUT};
use crate::{
    domain::trade::{ORDER_BUY, Position},
    simulator::{ledger::Entry, replay::MarketView, stops},
};

impl Broker {
    /// Closes what stop loss, take profit or the margin have closed since the last look, at the tick that did it.
    pub fn settle(&mut self, view: &MarketView<'_>) {
        while let Some(hit) = stops::first(self.positions.values(), view, self.settled_ms) {
            self.settled_ms = hit.tick.time_msc - 1;
            let Some(position) = self.positions.get(&hit.ticket).cloned() else { break };
            let price = if position.kind == ORDER_BUY { hit.tick.bid } else { hit.tick.ask };
            let by =
                Closing { volume: position.volume, price, at_ms: hit.tick.time_msc, magic: position.magic, reason: hit.reason };
            if !self.close_itself(&position, by, hit.comment) {
                return;
            }
        }
        self.settled_ms = self.settled_ms.max(view.now_ms());
        self.stop_out(view);
    }

    /// Closes the worst position as long as the margin level is below the limit, at the price of this look.
    fn stop_out(&mut self, view: &MarketView<'_>) {
        if self.positions.is_empty() {
            return;
        }
        let Some(tick) = view.tick().filter(|_| view.is_open()) else { return };
        if self.margin_judged == (tick.time_msc, self.revision) {
            return;
        }
        loop {
            let account = self.account(view);
            if account.margin == 0.0 || account.margin_level >= STOP_OUT {
                self.margin_judged = (tick.time_msc, self.revision);
                return;
            }
            let worst = self.positions(view).into_iter().min_by(|one, other| one.profit.total_cmp(&other.profit));
            let Some(position) = worst else { return };
            let price = if position.kind == ORDER_BUY { tick.bid } else { tick.ask };
            let by =
                Closing { volume: position.volume, price, at_ms: view.now_ms(), magic: position.magic, reason: stops::REASON_SO };
            if !self.close_itself(&position, by, format!("[so {:.2}%]", account.margin_level)) {
                return;
            }
        }
    }

    fn close_itself(&mut self, position: &Position, by: Closing, comment: String) -> bool {
        let at_ms = by.at_ms;
        let entry = self.closing_entry(position, by, comment);
        !self.broken && self.commit(Entry { at_ms, ..entry })
    }
}
