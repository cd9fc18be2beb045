//! MetaTrader 4 seen through MetaTrader 5's words, as an EA there has to make them up.
//!
//! That platform knows only orders: an open one is a position, a closed one has been one, and closing a part closes the order and opens
//! another, whose comment says `from #` and the old ticket. An order with ticket *t* makes the deals 2*t* (its opening) and 2*t* + 1 (its
//! closing), both with the order's own magic, comment and position; closing leaves no trace of who closed.

use super::broker::{Broker, entry};
use crate::domain::trade::{Deal, Order, Position};

/// Ticket of the deal that opened order `ticket`.
pub(super) const fn opening_deal(ticket: u64) -> u64 {
    ticket * 2
}

/// Ticket of the deal that closed order `ticket`.
pub(super) const fn closing_deal(ticket: u64) -> u64 {
    ticket * 2 + 1
}

/// A position as the order that it is there.
pub(super) fn position(position: &Position) -> Position {
    Position { identifier: position.ticket, ..position.clone() }
}

/// Orders of the history: only pending ones that never opened.
pub(super) fn is_in_history(order: &Order) -> bool {
    (2..=5).contains(&order.kind) && order.position_id == 0
}

/// All deals of the account, oldest opening first.
pub(super) fn deals(broker: &Broker) -> Vec<Deal> {
    let mut made = Vec::new();
    for deal in broker.deals() {
        match deal.entry {
            _ if deal.position_id == 0 => made.push(deal.clone()),
            entry::IN => orders_of(broker, deal, &mut made),
            _ => {}
        }
    }
    made
}

/// The chain of orders that one opening became, each closed in part by the deal that made the next.
fn orders_of(broker: &Broker, opening: &Deal, made: &mut Vec<Deal>) {
    let (mut ticket, mut comment, mut left) = (opening.position_id, opening.comment.clone(), opening.volume);
    let closings = broker.deals().filter(|deal| deal.position_id == opening.position_id && deal.entry != entry::IN);
    let opened = |ticket: u64, volume: f64, comment: &str| Deal {
        ticket: opening_deal(ticket),
        order: ticket,
        position_id: ticket,
        volume,
        comment: comment.to_owned(),
        ..opening.clone()
    };
    for closing in closings {
        made.push(opened(ticket, closing.volume, &comment));
        made.push(Deal {
            ticket: closing_deal(ticket),
            order: ticket,
            position_id: ticket,
            entry: entry::OUT,
            magic: opening.magic,
            comment: if closing.reason == opening.reason { comment.clone() } else { closing.comment.clone() },
            external_id: String::new(),
            ..closing.clone()
        });
        left -= closing.volume;
        let Ok(next) = closing.external_id.parse() else { return };
        comment = format!("from #{ticket}");
        ticket = next;
    }
    // Volumes are hundredths of a lot: less is noise.
    if left > 0.005 {
        made.push(opened(ticket, super::instrument::lots(super::instrument::hundredths_of(left)), &comment));
    }
}

/// The order at the beginning of a chain of partial closings.
pub(super) fn root<'a>(ticket: u64, deals: &'a [Deal]) -> u64 {
    let mut ticket = ticket;
    let from = |ticket: u64| {
        let opening: &'a Deal = deals.iter().find(|deal| deal.ticket == opening_deal(ticket))?;
        opening.comment.strip_prefix("from #")?.parse().ok()
    };
    // Every step goes to an older, lower ticket; what does not is no chain.
    while let Some(older) = from(ticket).filter(|older: &u64| *older < ticket) {
        ticket = older;
    }
    ticket
}

#[cfg(test)]
#[path = "mt4_tests.rs"]
mod tests;
