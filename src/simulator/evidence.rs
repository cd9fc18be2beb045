//! Looking for a command at the broker, by its tag: the only witness left when memory and journal are gone.

use std::collections::BTreeMap;

use super::{
    broker::{Broker, entry},
    instrument::{hundredths_of, lots},
    judge, mt4,
};
use crate::{
    domain::{
        account::Platform,
        command::tagged_comment,
        trade::{Deal, Order, TradeRequest, TradeResult, action, retcode},
    },
    protocol::message::{Query, proof},
};

/// `DEAL_REASON_EXPERT`: stops and margin close with the position's magic, and are nobody's command.
const REASON_EXPERT: u8 = 3;

/// What the broker's history says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// It was executed; this is what tickets tell of the result.
    Evidence(TradeResult),
    /// Nothing; the [`proof`] bits say how much that is worth.
    Nothing {
        /// [`proof`].
        proof: u8,
        /// In words.
        reason: &'static str,
    },
}

/// How much of the broker the terminal sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// It is connected to its broker, and would know of the newest.
    pub(super) linked: bool,
    /// What was done after this broker time, epoch milliseconds, is not shown yet.
    pub(super) until_ms: i64,
}

/// The broker's clock and the hub's idea of it may differ by seconds, and by an hour where summer time ends.
const CLOCK_SLACK_S: i64 = 2 * 3_600;

const SEEN: u8 = proof::CONNECTED | proof::SYNCHRONISED;
const DIFFERENT: Found =
    Found::Nothing { proof: 0, reason: "something bears its tag and is not what was asked for: a person must look" };

/// Looks through the deals and orders that the terminal has.
pub(super) fn look(query: &Query, broker: &Broker, sight: Sight) -> Found {
    let case = Case { query, request: &query.request.0, broker, sight };
    case.evidence().unwrap_or_else(|| case.absence())
}

struct Case<'a> {
    query: &'a Query,
    request: &'a TradeRequest,
    broker: &'a Broker,
    sight: Sight,
}

impl Case<'_> {
    fn is_mt4(&self) -> bool {
        self.broker.settings().platform == Platform::Mt4
    }

    fn evidence(&self) -> Option<Found> {
        match self.request.action {
            action::PENDING => self.placed().or_else(|| if self.is_mt4() { self.filled() } else { None }),
            // There a closing bears the marks of the opening, and would be taken for it.
            action::DEAL if self.is_mt4() && self.request.position != 0 => None,
            action::DEAL => self.filled(),
            action::CLOSE_BY if !self.is_mt4() => self.closed_by(),
            _ => None,
        }
    }

    /// What may count as evidence of nothing having happened.
    fn absence(&self) -> Found {
        if !self.sight.linked {
            return Found::Nothing { proof: 0, reason: "the terminal is not connected to its broker" };
        }
        let nothing = |proof: u8, reason: &'static str| Found::Nothing { proof, reason };
        let request = self.request;
        match request.action {
            action::REMOVE if self.broker.open_orders().contains_key(&request.order) => {
                nothing(proof::ALL, "the order still stands")
            }
            action::DEAL if self.is_mt4() && self.broker.open_positions().contains_key(&request.position) => {
                nothing(proof::ALL, "the order is still open, and a closing in part would have given it another ticket")
            }
            action::DEAL | action::CLOSE_BY if self.is_mt4() && request.position != 0 => {
                nothing(SEEN, "MetaTrader 4 keeps no trace of who closed: a person must look")
            }
            action::DEAL | action::PENDING | action::CLOSE_BY => {
                if self.broker.history_covers(self.query.dispatched_broker_time) {
                    nothing(proof::ALL, "neither the journal nor the broker's history knows it")
                } else {
                    nothing(SEEN, "the history does not reach back to the dispatch")
                }
            }
            _ => nothing(SEEN, "MetaTrader keeps no trace of such a change: a person must look"),
        }
    }

    /// Deals that bear the mark, by their order: one may be filled by several deals, and in part.
    fn filled(&self) -> Option<Found> {
        let mut orders: BTreeMap<u64, Vec<Deal>> = BTreeMap::new();
        if self.is_mt4() {
            let all: Vec<Deal> = self.shown(mt4::deals(self.broker).into_iter());
            for deal in all.iter().filter(|deal| deal.entry == entry::IN && deal.position_id != 0) {
                // What is left after a closing in part is a new order with the old one's magic.
                let root = mt4::root(deal.order, &all);
                let original = all.iter().find(|one| one.ticket == mt4::opening_deal(root)).unwrap_or(deal);
                if self.is_marked_deal(&Deal { comment: original.comment.clone(), ..deal.clone() }) {
                    orders.entry(root).or_default().push(Deal { order: root, ..deal.clone() });
                }
            }
        } else {
            for deal in self.shown(self.broker.deals().cloned()).into_iter().filter(|deal| self.is_marked_deal(deal)) {
                orders.entry(deal.order).or_default().push(deal);
            }
        }
        let filled = |fills: &[Deal]| fills.iter().map(|deal| hundredths_of(deal.volume)).sum::<i64>();
        let alike = |fills: &[Deal]| fills.iter().all(|deal| self.is_alike(deal));
        let asked = hundredths_of(self.request.volume);
        if let Some(fills) = orders.values().find(|fills| alike(fills) && filled(fills) == asked) {
            return Some(Found::Evidence(told(retcode::DONE, fills, filled(fills))));
        }
        match orders.values().collect::<Vec<_>>().as_slice() {
            [] => None,
            [fills] if alike(fills) && filled(fills) < asked => {
                Some(Found::Evidence(told(retcode::DONE_PARTIAL, fills, filled(fills))))
            }
            _ => Some(DIFFERENT),
        }
    }

    /// A pending order that stands, or has stood.
    fn placed(&self) -> Option<Found> {
        let all = self.broker.open_orders().values().chain(self.broker.history_orders());
        let marked: Vec<&Order> =
            all.filter(|order| order.time_setup_msc <= self.sight.until_ms && self.is_marked_order(order)).collect();
        let alike = |order: &&&Order| {
            order.symbol == self.request.symbol
                && judge::side(order.kind) == judge::side(self.request.kind)
                && order.kind > 1
                && hundredths_of(order.volume_initial) == hundredths_of(self.request.volume)
        };
        match (marked.iter().find(alike), marked.is_empty()) {
            (Some(order), _) => Some(Found::Evidence(TradeResult {
                retcode: retcode::DONE,
                order: order.ticket,
                volume: order.volume_initial,
                price: order.price_open,
                comment: FOUND.into(),
                ..TradeResult::default()
            })),
            (None, true) => None,
            (None, false) => Some(DIFFERENT),
        }
    }

    /// The two deals of a closing by an opposite position.
    fn closed_by(&self) -> Option<Found> {
        let marked: Vec<Deal> =
            self.shown(self.broker.deals().cloned()).into_iter().filter(|deal| self.is_marked_deal(deal)).collect();
        let asked = [self.request.position, self.request.position_by];
        let alike = |deal: &&Deal| deal.entry == entry::OUT_BY && deal.position_id == asked[0];
        match (marked.iter().find(alike), marked.is_empty()) {
            (Some(deal), _) => Some(Found::Evidence(told(retcode::DONE, std::slice::from_ref(deal), hundredths_of(deal.volume)))),
            (None, true) => None,
            (None, false) => Some(DIFFERENT),
        }
    }

    fn shown(&self, deals: impl Iterator<Item = Deal>) -> Vec<Deal> {
        deals.filter(|deal| deal.time_msc <= self.sight.until_ms).collect()
    }

    fn is_marked_deal(&self, deal: &Deal) -> bool {
        self.is_marked(deal.time, deal.reason, deal.magic, &deal.comment)
    }

    fn is_marked_order(&self, order: &Order) -> bool {
        self.is_marked(order.time_setup, order.reason, order.magic, &order.comment)
    }

    /// The tag is the magic, or, where a user's own magic went through, the mark at the start of the comment.
    fn is_marked(&self, time: i64, reason: u8, magic: u64, comment: &str) -> bool {
        let sent = if self.is_mt4() { self.request.magic & 0x7fff_ffff } else { self.request.magic };
        let mark = tagged_comment(self.query.tag, "");
        let commented = comment.split(' ').next() == Some(mark.as_str());
        let since = self.query.dispatched_broker_time - CLOCK_SLACK_S;
        time >= since && reason == REASON_EXPERT && magic == sent && (magic == self.query.tag || commented)
    }

    /// A tag counts only with equal symbol and side, and on a closing with its position; a look-alike never does. A netting account has
    /// one position a symbol, and its ticket changes when it turns round.
    fn is_alike(&self, deal: &Deal) -> bool {
        let of_position =
            self.request.position == 0 || self.broker.settings().netting || deal.position_id == self.request.position;
        deal.symbol == self.request.symbol && deal.kind == judge::side(self.request.kind) && of_position
    }
}

const FOUND: &str = "found in the history by its tag";

/// What the tickets of one order tell of its result.
fn told(retcode: u32, fills: &[Deal], volume: i64) -> TradeResult {
    let last = fills.last().cloned().unwrap_or_default();
    let paid: f64 = fills.iter().map(|deal| deal.volume * deal.price).sum();
    TradeResult {
        retcode,
        deal: last.ticket,
        order: last.order,
        volume: lots(volume),
        price: if fills.len() == 1 { last.price } else { paid / lots(volume) },
        comment: FOUND.into(),
        ..TradeResult::default()
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
