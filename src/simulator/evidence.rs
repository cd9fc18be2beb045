//! Looking for a command at the broker, by its tag: the only witness left when memory and journal are gone.

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
/// `DEAL_ENTRY_IN`.
const ENTRY_IN: u8 = 0;

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

/// Looks through the deals that the terminal has; `linked` tells whether it would know of the newest.
pub(super) fn look(query: &Query, broker: &Broker, linked: bool) -> Found {
    let request = &query.request.0;
    if let Some(deal) = broker.deals().find(|deal| is_of(deal, request, query.tag) && deal.time >= query.dispatched_broker_time) {
        return Found::Deal(TradeResult {
            retcode: retcode::DONE,
            deal: deal.ticket,
            order: deal.order,
            volume: deal.volume,
            price: deal.price,
            comment: "found in the history by its tag".into(),
            ..TradeResult::default()
        });
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

/// A tag counts only with equal symbol, side and volume; a look-alike never does.
fn is_of(deal: &Deal, request: &TradeRequest, tag: u64) -> bool {
    let alike = request.action == action::DEAL
        && deal.reason == REASON_EXPERT
        && deal.symbol == request.symbol
        && deal.kind == request.kind
        && contract::volume(deal.volume) == contract::volume(request.volume)
        && if request.position == 0 {
            deal.entry == ENTRY_IN
        } else {
            deal.position_id == request.position && deal.entry != ENTRY_IN
        };
    // Where a user's own magic went through, the mark at the start of the comment is the tag.
    let mark = tagged_comment(tag, "");
    let marked = deal.comment.split(' ').next() == Some(mark.as_str());
    alike && deal.magic == request.magic && (deal.magic == tag || marked)
}
