//! MetaTrader 4's pool of orders: the inverse of [`crate::simulator::mt4`].
//!
//! A row: ticket, type, lots, opening time and price, stop loss, take profit, closing time and price, commission, swap, profit, symbol,
//! comment, magic, expiration. What closed an order by itself stands at the end of its comment, as servers there write it.

use std::collections::BTreeMap;

use super::line::Fields;
use crate::{
    domain::trade::{Deal, Order, Position},
    simulator::{
        broker::{Broker, entry, order_state},
        evidence::Sight,
        mt4,
        replay::MarketView,
    },
};

/// `OP_BALANCE`.
const BALANCE: u8 = 6;

/// One order of the pool.
#[derive(Debug, Default, Clone)]
struct Row<'a> {
    ticket: u64,
    kind: u8,
    lots: f64,
    open: (i64, f64),
    stops: (f64, f64),
    close: (i64, f64),
    commission: f64,
    swap: f64,
    profit: f64,
    symbol: &'a str,
    comment: String,
    magic: u64,
    expiration: i64,
}

impl Row<'_> {
    fn fields(&self) -> Fields {
        let texts: [String; 16] = [
            self.ticket.to_string(),
            self.kind.to_string(),
            self.lots.to_string(),
            self.open.0.to_string(),
            self.open.1.to_string(),
            self.stops.0.to_string(),
            self.stops.1.to_string(),
            self.close.0.to_string(),
            self.close.1.to_string(),
            self.commission.to_string(),
            self.swap.to_string(),
            self.profit.to_string(),
            self.symbol.to_owned(),
            self.comment.clone(),
            self.magic.to_string(),
            self.expiration.to_string(),
        ];
        texts.into()
    }
}

/// Open and pending orders, by ticket.
pub(super) fn open(broker: &Broker, view: &MarketView<'_>, sight: Sight) -> Vec<Fields> {
    let commissions: BTreeMap<u64, f64> =
        mt4::deals(broker).into_iter().filter(|deal| deal.entry == entry::IN).map(|deal| (deal.order, deal.commission)).collect();
    let positions = broker.positions(view);
    let orders = broker.orders(view);
    let held = |one: &Position| {
        let row = Row {
            ticket: one.ticket,
            kind: one.kind,
            lots: one.volume,
            open: (one.time, one.price_open),
            stops: (one.sl, one.tp),
            close: (0, one.price_current),
            commission: commissions.get(&one.ticket).copied().unwrap_or_default(),
            swap: one.swap,
            profit: one.profit,
            symbol: &one.symbol,
            comment: one.comment.clone(),
            magic: one.magic,
            expiration: 0,
        };
        (one.ticket, row.fields())
    };
    let standing = |one: &Order| (one.ticket, waiting(one, (0, one.price_current), one.comment.clone()).fields());
    let shown = positions.iter().filter(|one| one.time_msc <= sight.until_ms).map(held);
    let placed = orders.iter().filter(|one| one.time_setup_msc <= sight.until_ms).map(standing);
    shown.chain(placed).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn waiting(order: &Order, close: (i64, f64), comment: String) -> Row<'_> {
    Row {
        ticket: order.ticket,
        kind: order.kind,
        lots: order.volume_current,
        open: (order.time_setup, order.price_open),
        stops: (order.sl, order.tp),
        close,
        symbol: &order.symbol,
        comment,
        magic: order.magic,
        expiration: order.time_expiration,
        ..Row::default()
    }
}

/// Closed orders, pending ones that never opened, and deposits; by their end.
pub(super) fn closed(broker: &Broker, sight: Sight) -> Vec<Fields> {
    let deals = mt4::deals(broker);
    let openings: BTreeMap<u64, &Deal> =
        deals.iter().filter(|deal| deal.entry == entry::IN).map(|deal| (deal.order, deal)).collect();
    let mut rows: Vec<(i64, u64, Fields)> = Vec::new();
    for deal in deals.iter().filter(|deal| deal.time_msc <= sight.until_ms) {
        let row = match (deal.position_id, deal.entry) {
            (0, _) => Row {
                ticket: deal.ticket,
                kind: BALANCE,
                open: (deal.time, 0.0),
                close: (deal.time, 0.0),
                profit: deal.profit,
                symbol: &deal.symbol,
                comment: deal.comment.clone(),
                ..Row::default()
            },
            (_, entry::IN) => continue,
            _ => match openings.get(&deal.order) {
                Some(opening) => ended(opening, deal),
                None => continue,
            },
        };
        rows.push((deal.time_msc, row.ticket, row.fields()));
    }
    let never = broker.history_orders().filter(|one| mt4::is_in_history(one) && one.time_done_msc <= sight.until_ms);
    for order in never {
        let comment = format!("{}{}", order.comment, if order.state == order_state::EXPIRED { "[expiration]" } else { "" });
        let row = waiting(order, (order.time_done, order.price_current), comment);
        rows.push((order.time_done_msc, order.ticket, row.fields()));
    }
    rows.sort_by_key(|(time, ticket, _)| (*time, *ticket));
    rows.into_iter().map(|(_, _, fields)| fields).collect()
}

fn ended<'a>(opening: &'a Deal, closing: &'a Deal) -> Row<'a> {
    let by_itself = closing.reason != opening.reason;
    Row {
        ticket: opening.order,
        kind: opening.kind,
        lots: closing.volume,
        open: (opening.time, opening.price),
        stops: (0.0, 0.0),
        close: (closing.time, closing.price),
        commission: opening.commission + closing.commission,
        swap: closing.swap,
        profit: closing.profit,
        symbol: &opening.symbol,
        comment: if by_itself { format!("{}{}", opening.comment, closing.comment) } else { opening.comment.clone() },
        magic: opening.magic,
        expiration: 0,
    }
}
