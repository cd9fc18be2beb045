//! What `OnTradeTransaction` tells an EA of each change at the broker.

use std::collections::BTreeMap;

use super::ledger::Entry;
use crate::{
    domain::trade::{Deal, Order, Position},
    protocol::{
        codec::Row,
        message::{Transaction, transaction_kind},
    },
};

/// One change of an account's orders, deals or positions.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Order(u8, Box<Order>),
    Deal(u8, Box<Deal>),
    Position(Box<Position>),
}

impl Change {
    /// The change as message number `seq` of an EA.
    pub(super) fn told(&self, seq: u64, broker_time: i64) -> Transaction {
        let of = |kind: u8| Transaction { seq, kind, broker_time, ..Transaction::default() };
        match self {
            Self::Order(kind, order) => Transaction { order: Some(Box::new(Row((**order).clone()))), ..of(*kind) },
            Self::Deal(kind, deal) => Transaction { deal: Some(Box::new(Row((**deal).clone()))), ..of(*kind) },
            Self::Position(position) => {
                Transaction { position: Some(Box::new(Row((**position).clone()))), ..of(transaction_kind::POSITION) }
            }
        }
    }
}

/// The changes that an entry brings to an account with these open orders. On MetaTrader 4 deals are made up of orders, so there they
/// come from [`differences`].
pub(super) fn of(entry: &Entry, open: &BTreeMap<u64, Order>, deals: bool) -> Vec<Change> {
    use transaction_kind::{DEAL_ADD, HISTORY_ADD, ORDER_ADD, ORDER_DELETE, ORDER_UPDATE};
    let order = |kind: u8, order: &Order| Change::Order(kind, Box::new(order.clone()));
    let mut changes = Vec::new();
    // A market order is open for a moment too.
    for fresh in entry.orders.iter().chain(&entry.done).filter(|one| !open.contains_key(&one.ticket)) {
        changes.push(order(ORDER_ADD, fresh));
    }
    if deals {
        changes.extend(entry.deals.iter().map(|deal| Change::Deal(DEAL_ADD, Box::new(deal.clone()))));
    }
    for changed in entry.orders.iter().filter(|one| open.contains_key(&one.ticket)) {
        changes.push(order(ORDER_UPDATE, changed));
    }
    for done in &entry.done {
        changes.push(order(ORDER_DELETE, done));
        changes.push(order(HISTORY_ADD, done));
    }
    if entry.deals.is_empty() {
        changes.extend(entry.positions.iter().map(|position| Change::Position(Box::new(position.clone()))));
    }
    changes
}

/// What has become of a list of deals.
pub(super) fn differences(before: &[Deal], after: &[Deal]) -> Vec<Change> {
    let known: BTreeMap<u64, &Deal> = before.iter().map(|deal| (deal.ticket, deal)).collect();
    let change = |deal: &Deal| match known.get(&deal.ticket) {
        None => Some(Change::Deal(transaction_kind::DEAL_ADD, Box::new(deal.clone()))),
        Some(old) if *old != deal => Some(Change::Deal(transaction_kind::DEAL_UPDATE, Box::new(deal.clone()))),
        Some(_) => None,
    };
    after.iter().filter_map(change).collect()
}
