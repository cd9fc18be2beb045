//! Looking for a command at the broker, by its tag: the only witness left when memory and journal are gone.

use std::collections::BTreeMap;

use super::{
    broker::{Broker, entry, order_state},
    instrument::{hundredths_of, lots},
    judge, mt4,
};
use crate::{
    domain::{
        account::Platform,
        command::{comment_sequence, tagged_comment},
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
            action::CLOSE_BY if !self.is_pair_untouched() => {
                nothing(SEEN, "the two positions are not what they were: a person must look")
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
        let (orders, doubtful) = if self.is_mt4() { self.fills_of_mt4() } else { self.fills() };
        let filled = |fills: &[Deal]| fills.iter().map(|deal| hundredths_of(deal.volume)).sum::<i64>();
        let alike = |fills: &[Deal]| fills.iter().all(|deal| self.is_alike(deal));
        let asked = hundredths_of(self.request.volume);
        if let Some(fills) = orders.values().find(|fills| alike(fills) && filled(fills) == asked) {
            return Some(Found::Evidence(told(retcode::DONE, fills, filled(fills))));
        }
        match orders.values().collect::<Vec<_>>().as_slice() {
            [] if doubtful || self.any_suspect() => Some(DIFFERENT),
            [] => None,
            [fills] if alike(fills) && filled(fills) < asked && self.is_ended_with(fills, filled(fills)) => {
                Some(Found::Evidence(told(retcode::DONE_PARTIAL, fills, filled(fills))))
            }
            _ => Some(DIFFERENT),
        }
    }

    /// The marked deals of each order, and whether any other may be the one although it has lost its mark.
    fn fills(&self) -> (BTreeMap<u64, Vec<Deal>>, bool) {
        let mut orders: BTreeMap<u64, Vec<Deal>> = BTreeMap::new();
        let mut doubtful = false;
        for deal in self.shown(self.broker.deals().cloned()) {
            if self.is_marked_deal(&deal) {
                orders.entry(deal.order).or_default().push(deal);
            } else {
                doubtful |= self.is_doubtful(&deal);
            }
        }
        (orders, doubtful)
    }

    /// The same there, where what is left after a closing in part is a new order with the old one's magic.
    fn fills_of_mt4(&self) -> (BTreeMap<u64, Vec<Deal>>, bool) {
        let mut orders: BTreeMap<u64, Vec<Deal>> = BTreeMap::new();
        let mut doubtful = false;
        let all: Vec<Deal> = self.shown(mt4::deals(self.broker).into_iter());
        for deal in all.iter().filter(|deal| deal.entry == entry::IN && deal.position_id != 0) {
            let root = mt4::root(deal.order, &all);
            let original = all.iter().find(|one| one.ticket == mt4::opening_deal(root)).unwrap_or(deal);
            let deal = Deal { comment: original.comment.clone(), order: root, ..deal.clone() };
            if self.is_marked_deal(&deal) {
                orders.entry(root).or_default().push(deal);
            } else {
                doubtful |= self.is_doubtful(&deal);
            }
        }
        (orders, doubtful)
    }

    /// Whether the order of these deals has ended with no others: nothing can be added to what it did.
    fn is_ended_with(&self, fills: &[Deal], volume: i64) -> bool {
        let Some(order) = fills.first().map(|deal| deal.order) else { return false };
        if self.is_mt4() {
            return fills.len() == 1;
        }
        let ended = |one: &&Order| one.ticket == order && (order_state::CANCELED..=order_state::EXPIRED).contains(&one.state);
        !self.broker.open_orders().contains_key(&order)
            && self
                .broker
                .history_orders()
                .find(ended)
                .is_some_and(|order| hundredths_of(order.volume_initial) - hundredths_of(order.volume_current) == volume)
    }

    /// A pending order that stands, or has stood. One that was rejected never did.
    fn placed(&self) -> Option<Found> {
        let suspects: Vec<&Order> = self.suspects().collect();
        let alike = |order: &&&Order| {
            self.is_marked_order(order)
                && order.state != order_state::REJECTED
                && order.symbol == self.request.symbol
                && judge::side(order.kind) == judge::side(self.request.kind)
                && order.kind > 1
                && hundredths_of(order.volume_initial) == hundredths_of(self.request.volume)
        };
        match (suspects.iter().find(alike), suspects.is_empty()) {
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
        let (orders, doubtful) = self.fills();
        let marked: Vec<Deal> = orders.into_values().flatten().collect();
        let alike = |deal: &&Deal| deal.entry == entry::OUT_BY && deal.position_id == self.request.position;
        match marked.iter().find(alike) {
            Some(deal) => Some(Found::Evidence(told(retcode::DONE, std::slice::from_ref(deal), hundredths_of(deal.volume)))),
            None if marked.is_empty() && !doubtful && !self.any_suspect() => None,
            None => Some(DIFFERENT),
        }
    }

    /// Whether both positions of a closing by each other are there, and nothing was taken off either since shortly before the dispatch.
    fn is_pair_untouched(&self) -> bool {
        let pair = [self.request.position, self.request.position_by];
        let since = self.query.dispatched_broker_time - CLOCK_SLACK_S;
        pair.iter().all(|position| self.broker.open_positions().contains_key(position))
            && !self.broker.deals().any(|deal| deal.time >= since && pair.contains(&deal.position_id) && deal.entry != entry::IN)
    }

    /// Orders, standing and ended, that bear the mark, or may be the one although they have lost it.
    fn suspects(&self) -> impl Iterator<Item = &Order> {
        let all = self.broker.open_orders().values().chain(self.broker.history_orders());
        all.filter(|order| {
            // On MetaTrader 4 an order that opened is a position.
            let shown = order.time_setup_msc <= self.sight.until_ms && (order.kind > 1 || !self.is_mt4());
            shown && (self.is_marked_order(order) || self.is_doubtful_order(order))
        })
    }

    /// Whether there is such an order: its deals may only not be shown yet. On MetaTrader 4 an order that opened is its own deal.
    fn any_suspect(&self) -> bool {
        !self.is_mt4() && self.suspects().next().is_some()
    }

    fn is_doubtful(&self, deal: &Deal) -> bool {
        let alike = match self.request.action {
            action::CLOSE_BY => [self.request.position, self.request.position_by].contains(&deal.position_id),
            _ => deal.symbol == self.request.symbol && deal.kind == judge::side(self.request.kind),
        };
        alike && self.is_unmarked(deal.time, deal.reason, deal.magic, &deal.comment)
    }

    fn is_doubtful_order(&self, order: &Order) -> bool {
        let alike = match self.request.action {
            action::CLOSE_BY => [self.request.position, self.request.position_by].contains(&order.position_id),
            _ => order.symbol == self.request.symbol && judge::side(order.kind) == judge::side(self.request.kind),
        };
        alike && self.is_unmarked(order.time_setup, order.reason, order.magic, &order.comment)
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
        self.is_sent(time, reason, magic) && (magic == self.query.tag || self.is_commented(comment))
    }

    /// Half of the mark. A user's own magic, and words where the mark should be: nothing tells it from what another program with this
    /// magic does. Or the mark under another magic, at a broker that does not keep it.
    fn is_unmarked(&self, time: i64, reason: u8, magic: u64, comment: &str) -> bool {
        if self.is_sent(time, reason, magic) {
            return magic != self.query.tag && comment_sequence(comment).is_none();
        }
        self.is_ours(time, reason) && self.is_commented(comment)
    }

    /// Whether a program made it with the request's magic, and not before the dispatch.
    fn is_sent(&self, time: i64, reason: u8, magic: u64) -> bool {
        let sent = if self.is_mt4() { self.request.magic & 0x7fff_ffff } else { self.request.magic };
        self.is_ours(time, reason) && magic == sent
    }

    /// Whether a program made it, and not before the dispatch.
    fn is_ours(&self, time: i64, reason: u8) -> bool {
        time >= self.query.dispatched_broker_time - CLOCK_SLACK_S && reason == REASON_EXPERT
    }

    fn is_commented(&self, comment: &str) -> bool {
        comment.split(' ').next() == Some(tagged_comment(self.query.tag, "").as_str())
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
