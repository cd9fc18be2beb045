//! Looking for a command at the broker, by its tag: the only witness left when memory and journal are gone.

use std::collections::BTreeMap;

use super::{broker::Broker, contract};
use crate::{
    domain::{
        command::tagged_comment,
        trade::{Deal, TradeRequest, TradeResult, action, retcode},
    },
    protocol::message::{Query, proof},
};

/// `DEAL_REASON_EXPERT`: stops and margin close with the position's magic, and are nobody's command.
const REASON_EXPERT: u8 = 3;

/// What the broker's history says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// It was executed; this is what tickets tell of the result.
    Deal(TradeResult),
    /// Nothing; the [`proof`] bits say how much that is worth.
    Nothing {
        /// [`proof`].
        proof: u8,
        /// In words.
        reason: &'static str,
    },
}

/// The broker's clock and the hub's idea of it may differ by seconds, and by an hour where summer time ends.
const CLOCK_SLACK_S: i64 = 2 * 3_600;

/// Looks through the deals that the terminal has; `linked` tells whether it would know of the newest.
pub(super) fn look(query: &Query, broker: &Broker, linked: bool) -> Found {
    let request = &query.request.0;
    let since = query.dispatched_broker_time - CLOCK_SLACK_S;
    let marked: Vec<&Deal> = broker.deals().filter(|deal| deal.time >= since && bears_mark(deal, request, query.tag)).collect();
    // One order may be filled by several deals, and in part.
    let mut orders: BTreeMap<u64, Vec<&Deal>> = BTreeMap::new();
    marked.iter().for_each(|deal| orders.entry(deal.order).or_default().push(deal));
    let filled = |fills: &[&Deal]| fills.iter().map(|deal| deal.volume).sum::<f64>();
    let alike = |fills: &&Vec<&Deal>| fills.iter().all(|deal| is_alike(deal, request));
    let whole = |fills: &&Vec<&Deal>| contract::volume(filled(fills)) == contract::volume(request.volume);
    if let Some(fills) = orders.values().filter(alike).find(whole) {
        return Found::Deal(told(retcode::DONE, fills, filled(fills)));
    }
    match orders.values().collect::<Vec<_>>().as_slice() {
        [] => {}
        [fills] if alike(fills) && filled(fills) < request.volume => {
            return Found::Deal(told(retcode::DONE_PARTIAL, fills, filled(fills)));
        }
        _ => return Found::Nothing { proof: 0, reason: "deals bear its tag and are not what was asked for: a person must look" },
    }
    if !linked {
        return Found::Nothing { proof: 0, reason: "the terminal is not connected to its broker" };
    }
    let seen = proof::CONNECTED | proof::SYNCHRONISED;
    if request.action != action::DEAL {
        return Found::Nothing { proof: seen, reason: "MetaTrader keeps no trace of such a change: a person must look" };
    }
    if !broker.history_covers(query.dispatched_broker_time) {
        return Found::Nothing { proof: seen, reason: "the history does not reach back to the dispatch" };
    }
    Found::Nothing { proof: proof::ALL, reason: "neither the journal nor the broker's history knows it" }
}

/// What the tickets of one order tell of its result.
fn told(retcode: u32, fills: &[&Deal], volume: f64) -> TradeResult {
    let last = fills.last().copied().cloned().unwrap_or_default();
    let paid: f64 = fills.iter().map(|deal| deal.volume * deal.price).sum();
    TradeResult {
        retcode,
        deal: last.ticket,
        order: last.order,
        volume,
        price: if fills.len() == 1 { last.price } else { paid / volume },
        comment: "found in the history by its tag".into(),
        ..TradeResult::default()
    }
}

/// The tag is the magic, or, where a user's own magic went through, the mark at the start of the comment.
fn bears_mark(deal: &Deal, request: &TradeRequest, tag: u64) -> bool {
    let mark = tagged_comment(tag, "");
    let marked = deal.comment.split(' ').next() == Some(mark.as_str());
    deal.reason == REASON_EXPERT && deal.magic == request.magic && (deal.magic == tag || marked)
}

/// A tag counts only with equal symbol and side, and on a closing with its position; a look-alike never does.
fn is_alike(deal: &Deal, request: &TradeRequest) -> bool {
    request.action == action::DEAL
        && deal.symbol == request.symbol
        && deal.kind == request.kind
        && (request.position == 0 || deal.position_id == request.position)
}
