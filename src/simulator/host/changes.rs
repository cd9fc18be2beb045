//! What happens at the broker as `MqlTradeTransaction`: one line of 16 fields, and the request and its result for
//! `TRADE_TRANSACTION_REQUEST`.

use super::line::{Fields, fields_of};
use crate::{
    domain::trade::{Deal, Order, Position, TradeRequest, TradeResult},
    protocol::message::transaction_kind,
    simulator::transactions::Change,
};

/// `TRADE_TRANSACTION_REQUEST`.
const REQUEST: u8 = 10;

/// The fields of `MqlTradeTransaction`, in the order in which the runtime reads them.
#[derive(Debug, Default)]
struct Transaction<'a> {
    kind: u8,
    deal: u64,
    order: u64,
    symbol: &'a str,
    order_type: u8,
    order_state: u8,
    deal_type: u8,
    time_type: u8,
    time_expiration: i64,
    price: f64,
    price_trigger: f64,
    sl: f64,
    tp: f64,
    volume: f64,
    position: u64,
    position_by: u64,
}

impl Transaction<'_> {
    fn event(&self) -> Fields {
        let texts: [String; 17] = [
            "transaction".into(),
            self.kind.to_string(),
            self.deal.to_string(),
            self.order.to_string(),
            self.symbol.into(),
            self.order_type.to_string(),
            self.order_state.to_string(),
            self.deal_type.to_string(),
            self.time_type.to_string(),
            self.time_expiration.to_string(),
            self.price.to_string(),
            self.price_trigger.to_string(),
            self.sl.to_string(),
            self.tp.to_string(),
            self.volume.to_string(),
            self.position.to_string(),
            self.position_by.to_string(),
        ];
        texts.into()
    }
}

/// A change of orders, deals or positions as an event.
pub(super) fn event(change: &Change) -> Fields {
    match change {
        Change::Order(kind, order) => of_order(*kind, order),
        Change::Deal(kind, deal) => of_deal(*kind, deal),
        Change::Position(position) => of_position(position),
    }
}

fn of_order(kind: u8, order: &Order) -> Fields {
    let told = Transaction {
        kind,
        order: order.ticket,
        symbol: &order.symbol,
        order_type: order.kind,
        order_state: order.state,
        time_type: order.type_time,
        time_expiration: order.time_expiration,
        price: order.price_open,
        price_trigger: order.price_stoplimit,
        sl: order.sl,
        tp: order.tp,
        volume: order.volume_current,
        position: order.position_id,
        position_by: order.position_by_id,
        ..Transaction::default()
    };
    told.event()
}

fn of_deal(kind: u8, deal: &Deal) -> Fields {
    let told = Transaction {
        kind,
        deal: deal.ticket,
        order: deal.order,
        symbol: &deal.symbol,
        deal_type: deal.kind,
        price: deal.price,
        volume: deal.volume,
        position: deal.position_id,
        ..Transaction::default()
    };
    told.event()
}

fn of_position(position: &Position) -> Fields {
    let told = Transaction {
        kind: transaction_kind::POSITION,
        symbol: &position.symbol,
        deal_type: position.kind,
        price: position.price_open,
        sl: position.sl,
        tp: position.tp,
        volume: position.volume,
        position: position.ticket,
        ..Transaction::default()
    };
    told.event()
}

/// The broker's answer to a request.
pub(super) fn answered(request: &TradeRequest, result: &TradeResult) -> Fields {
    let mut event = Transaction { kind: REQUEST, ..Transaction::default() }.event();
    event.extend(fields_of(request));
    event.extend(fields_of(result));
    event
}
