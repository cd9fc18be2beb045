//! The duplicate guard: the same order twice within a moment is a mistake more often than not, whatever its Idempotency-Key says.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::domain::{
    UnixMillis,
    account::Account,
    ids::{CommandId, OwnerId},
    trade::{TradeRequest, action},
};

/// What makes two orders the same: account, symbol, side and volume, and for a pending order its price, so that a ladder of orders is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Same {
    owner: OwnerId,
    account: Account,
    symbol: String,
    kind: u8,
    volume: u64,
    price: u64,
}

#[derive(Debug, Default)]
pub(super) struct Duplicates {
    recent: Mutex<HashMap<Same, (UnixMillis, CommandId)>>,
}

impl Duplicates {
    /// Notes an order, or tells the command that it repeats.
    pub(super) fn note(
        &self,
        (owner, account): (OwnerId, &Account),
        request: &TradeRequest,
        command: CommandId,
        now: UnixMillis,
        window_ms: i64,
    ) -> Option<CommandId> {
        let names_a_position = request.action == action::DEAL && request.position != 0;
        if window_ms == 0 || names_a_position || !matches!(request.action, action::DEAL | action::PENDING) {
            return None;
        }
        let price = if request.action == action::PENDING { request.price } else { 0.0 };
        let same = Same {
            owner,
            account: account.clone(),
            symbol: request.symbol.clone(),
            kind: request.kind,
            volume: request.volume.to_bits(),
            price: price.to_bits(),
        };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, (at, _)| now.since(*at) < window_ms);
        if let Some((_, earlier)) = recent.get(&same) {
            return Some(*earlier);
        }
        recent.insert(same, (now, command));
        None
    }

    /// A command that certainly did nothing is no reason to refuse another.
    pub(super) fn forget(&self, command: CommandId) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, noted)| *noted != command);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_order_within_the_window_repeats_the_first_until_that_did_nothing() {
        let (guard, account) = (Duplicates::default(), Account::new(1, "Demo").unwrap());
        let id = |n| CommandId::new(ulid::Ulid::from_parts(n, 0));
        let buy = TradeRequest { action: action::DEAL, symbol: "EURUSD".into(), volume: 0.1, ..TradeRequest::default() };
        let note = |request: &TradeRequest, n, at| guard.note((OwnerId::SELF, &account), request, id(n), UnixMillis(at), 1_000);
        assert_eq!(note(&buy, 1, 0), None);
        assert_eq!(note(&buy, 2, 999), Some(id(1)));
        assert_eq!(note(&TradeRequest { volume: 0.2, ..buy.clone() }, 3, 999), None, "another volume");
        assert_eq!(note(&TradeRequest { kind: 1, ..buy.clone() }, 4, 999), None, "another side");
        assert_eq!(note(&TradeRequest { position: 7, ..buy.clone() }, 5, 999), None, "closing a position twice closes it once");
        guard.forget(id(1));
        assert_eq!(note(&buy, 6, 999), None, "the first one did nothing");
        assert_eq!(note(&buy, 7, 2_000), None, "the window is over");
        let ladder = TradeRequest { action: action::PENDING, kind: 2, price: 1.05, ..buy };
        assert_eq!(note(&ladder, 8, 2_000), None);
        assert_eq!(note(&TradeRequest { price: 1.04, ..ladder.clone() }, 9, 2_000), None, "another rung");
        assert_eq!(note(&ladder, 10, 2_000), Some(id(8)));
    }
}
