use super::*;
use crate::{
    domain::trade::{FILLING_IOC, FILLING_RETURN, action},
    simulator::{
        broker::tests::{T0, at, broker, market, order},
        judge::{FROZEN, INVALID_EXPIRATION, LIMIT_ORDERS, pending::*},
        rules::Rules,
    },
};

/// Bid 1.10000 and ask 1.10010 until second 60; 1.09500 at second 75; 1.10500 from second 150 on.
fn pending(kind: u8, price: f64) -> TradeRequest {
    TradeRequest { action: action::PENDING, kind, price, type_filling: FILLING_RETURN, ..order(kind, 0.1) }
}

#[test]
fn each_of_the_six_kinds_triggers_at_its_own_side_of_the_market() {
    // Kind, price, second price, when it opens and at what price.
    for (kind, price, stoplimit, second, opened) in [
        (BUY_LIMIT, 1.097, 0.0, 75, 1.0951),
        (SELL_LIMIT, 1.103, 0.0, 150, 1.105),
        (BUY_STOP, 1.103, 0.0, 150, 1.1051),
        (SELL_STOP, 1.097, 0.0, 75, 1.095),
        // Triggered by the fall, and the price comes back through the limit on its way up.
        (SELL_STOP_LIMIT, 1.097, 1.099, 90, 1.1),
    ] {
        let bars = market();
        let mut broker = broker(&bars);
        let request = TradeRequest { stoplimit, ..pending(kind, price) };
        let placed = broker.order_send(&request, &at(&bars, 1));
        assert_eq!((placed.retcode, placed.deal, placed.volume), (retcode::DONE, 0, 0.1), "{kind}: {}", placed.comment);
        assert_eq!(broker.orders(&at(&bars, 1))[0].state, order_state::PLACED);
        broker.settle(&at(&bars, second - 1));
        assert_eq!(broker.positions(&at(&bars, second - 1)).len(), 0, "{kind} is not due yet");
        broker.settle(&at(&bars, 170));
        let position = broker.positions(&at(&bars, 170)).remove(0);
        assert_eq!((position.time - T0, position.price_open), (second, opened), "{kind}");
        assert_eq!((position.ticket, position.kind, position.magic), (placed.order, kind % 2, 77), "{kind}");
        let done = broker.history_orders().last().unwrap().clone();
        assert_eq!((done.ticket, done.state, done.volume_current), (placed.order, order_state::FILLED, 0.0), "{kind}");
        let deal = broker.deals().last().unwrap();
        assert_eq!((deal.order, deal.entry, deal.reason, deal.comment.as_str()), (placed.order, 0, 3, "#2d bot"), "{kind}");
        assert_eq!(broker.orders(&at(&bars, 170)), []);
    }
}

#[test]
fn a_stop_limit_becomes_a_limit_under_the_same_ticket() {
    let bars = market();
    let mut broker = broker(&bars);
    let request = TradeRequest { stoplimit: 1.094, ..pending(BUY_STOP_LIMIT, 1.103) };
    let placed = broker.order_send(&request, &at(&bars, 1));
    broker.settle(&at(&bars, 170));
    let order = broker.orders(&at(&bars, 170)).remove(0);
    assert_eq!((order.ticket, order.kind, order.price_open, order.price_stoplimit), (placed.order, BUY_LIMIT, 1.094, 0.0));
}

#[test]
fn a_price_on_the_wrong_side_or_too_near_is_10015_and_stops_are_judged_from_the_orders_price() {
    let bars = market();
    let mut broker = broker(&bars);
    for (kind, price, stoplimit) in [
        (BUY_LIMIT, 1.10001, 0.0),
        (SELL_LIMIT, 1.1, 0.0),
        (BUY_STOP, 1.1, 0.0),
        (SELL_STOP, 1.1001, 0.0),
        (BUY_STOP_LIMIT, 1.103, 1.104),
        (SELL_STOP_LIMIT, 1.097, 1.096),
    ] {
        let request = TradeRequest { stoplimit, ..pending(kind, price) };
        assert_eq!(broker.order_send(&request, &at(&bars, 1)).retcode, retcode::INVALID_PRICE, "{kind}");
    }
    let near = TradeRequest { sl: 1.08995, ..pending(BUY_LIMIT, 1.09) };
    assert_eq!(broker.order_send(&near, &at(&bars, 1)).retcode, retcode::INVALID_STOPS);
    let good = TradeRequest { sl: 1.089, tp: 1.0902, ..pending(BUY_LIMIT, 1.09) };
    assert_eq!(broker.order_send(&good, &at(&bars, 1)).retcode, retcode::DONE, "a take profit below the market, above the order");
}

#[test]
fn an_order_is_changed_and_removed_and_what_is_gone_is_10035() {
    let bars = market();
    let mut broker = broker(&bars);
    let ticket = broker.order_send(&pending(BUY_LIMIT, 1.09), &at(&bars, 1)).order;
    let change = TradeRequest { action: action::MODIFY, order: ticket, price: 1.091, tp: 1.1, ..TradeRequest::default() };
    assert_eq!(broker.order_send(&change, &at(&bars, 2)).retcode, retcode::DONE);
    assert_eq!(broker.order_send(&change, &at(&bars, 2)).retcode, retcode::NO_CHANGES);
    let order = broker.orders(&at(&bars, 2)).remove(0);
    assert_eq!((order.price_open, order.tp, order.time_setup - T0), (1.091, 1.1, 1));
    let remove = TradeRequest { action: action::REMOVE, order: ticket, ..TradeRequest::default() };
    assert_eq!(broker.order_send(&remove, &at(&bars, 3)).retcode, retcode::DONE);
    assert_eq!(broker.order_send(&remove, &at(&bars, 3)).retcode, retcode::INVALID_ORDER);
    assert_eq!(broker.order_send(&change, &at(&bars, 3)).retcode, retcode::INVALID_ORDER);
    let done = broker.history_orders().last().unwrap();
    assert_eq!((done.state, done.time_done - T0), (order_state::CANCELED, 3));
}

#[test]
fn an_order_ends_at_its_time_and_never_opens_after_it() {
    let bars = market();
    let mut broker = broker(&bars);
    let until = |expiration| TradeRequest { type_time: 2, expiration, ..pending(BUY_LIMIT, 1.097) };
    assert_eq!(broker.order_send(&until(T0), &at(&bars, 1)).retcode, INVALID_EXPIRATION);
    let ticket = broker.order_send(&until(T0 + 74), &at(&bars, 1)).order;
    let day = broker.order_send(&TradeRequest { type_time: 1, ..pending(BUY_LIMIT, 1.08) }, &at(&bars, 1)).order;
    // The price is there at second 75.
    broker.settle(&at(&bars, 100));
    let done = broker.history_orders().last().unwrap();
    assert_eq!((done.ticket, done.state, done.time_done - T0), (ticket, order_state::EXPIRED, 74));
    assert_eq!(broker.positions(&at(&bars, 100)), []);
    let order = broker.orders(&at(&bars, 100)).remove(0);
    assert_eq!((order.ticket, order.time_expiration % 86_400, order.time_expiration > T0), (day, 0, true));
}

#[test]
fn an_order_that_cannot_be_paid_for_when_it_triggers_is_rejected() {
    let bars = market();
    let mut broker = broker(&bars);
    let ticket = broker.order_send(&TradeRequest { volume: 50.0, ..pending(BUY_LIMIT, 1.097) }, &at(&bars, 1)).order;
    broker.settle(&at(&bars, 100));
    let done = broker.history_orders().last().unwrap();
    assert_eq!((done.ticket, done.state, broker.positions(&at(&bars, 100)).len()), (ticket, order_state::REJECTED, 0));
}

#[test]
fn a_limit_order_is_filled_by_several_deals_as_far_as_each_tick_goes() {
    let bars = market();
    let mut broker = broker(&bars);
    broker.set_rules(Rules { liquidity: 0.1, ..Rules::default() });
    let ticket = broker.order_send(&TradeRequest { volume: 0.3, ..pending(SELL_LIMIT, 1.103) }, &at(&bars, 1)).order;
    broker.settle(&at(&bars, 160));
    let order = broker.orders(&at(&bars, 160)).remove(0);
    assert_eq!((order.state, order.volume_initial, order.volume_current), (order_state::PARTIAL, 0.3, 0.2));
    broker.settle(&at(&bars, 179));
    let deals: Vec<_> = broker.deals().skip(1).map(|deal| (deal.order, deal.position_id, deal.volume, deal.time - T0)).collect();
    assert_eq!(deals, [(ticket, ticket, 0.1, 150), (ticket, ticket, 0.1, 165)]);
    assert_eq!(broker.positions(&at(&bars, 179))[0].volume, 0.2, "one order, one position");
    let mut ioc = super::super::tests::broker(&bars);
    ioc.set_rules(Rules { liquidity: 0.1, ..Rules::default() });
    ioc.order_send(&TradeRequest { volume: 0.3, type_filling: FILLING_IOC, ..pending(SELL_LIMIT, 1.103) }, &at(&bars, 1));
    ioc.settle(&at(&bars, 179));
    let done = ioc.history_orders().last().unwrap();
    assert_eq!((done.state, done.volume_current, ioc.orders(&at(&bars, 179)).len()), (order_state::CANCELED, 0.2, 0));
}

#[test]
fn near_the_price_nothing_is_changed_and_orders_are_limited() {
    let bars = market();
    let mut broker = broker(&bars);
    broker.set_rules(Rules { freeze_level: 50, limit_orders: 1, ..Rules::default() });
    let ticket = broker.order_send(&pending(BUY_LIMIT, 1.0997), &at(&bars, 1)).order;
    assert_eq!(broker.order_send(&pending(BUY_LIMIT, 1.0997), &at(&bars, 1)).retcode, LIMIT_ORDERS);
    let remove = TradeRequest { action: action::REMOVE, order: ticket, ..TradeRequest::default() };
    assert_eq!(broker.order_send(&remove, &at(&bars, 2)).retcode, FROZEN);
    let change = TradeRequest { action: action::MODIFY, order: ticket, price: 1.09, ..TradeRequest::default() };
    assert_eq!(broker.order_send(&change, &at(&bars, 2)).retcode, FROZEN);
}
