use super::*;
use crate::{
    domain::trade::{FILLING_IOC, FILLING_RETURN, ORDER_BUY, ORDER_SELL, TradeRequest, action, retcode},
    simulator::{
        broker::{
            AccountSettings, order_state,
            tests::{T0, at, broker, market, order},
        },
        ledger::Origin,
        rules::{Quirk, Rules, execution, trade_mode},
    },
};

fn netting(bars: &crate::simulator::bars::BarSet) -> Broker {
    Broker::in_memory(AccountSettings { netting: true, ..AccountSettings::default() }, &at(bars, 0))
}

#[test]
fn a_netting_account_adds_up_closes_and_turns_round_one_position() {
    let bars = market();
    let mut broker = netting(&bars);
    let first = broker.order_send(&order(ORDER_BUY, 0.1), &at(&bars, 1)).order;
    // At second 75 the ask is 1.09510.
    broker.order_send(&order(ORDER_BUY, 0.3), &at(&bars, 75));
    let held = broker.positions(&at(&bars, 75)).remove(0);
    assert_eq!((held.ticket, held.volume), (first, 0.4));
    assert!((held.price_open - (1.1001 + 3.0 * 1.0951) / 4.0).abs() < 1e-9);
    let turned = broker.order_send(&order(ORDER_SELL, 0.5), &at(&bars, 119));
    assert_eq!((turned.retcode, turned.price), (retcode::DONE, 1.1));
    let deal = broker.deals().last().unwrap().clone();
    assert_eq!((deal.entry, deal.volume, deal.position_id), (entry::INOUT, 0.5, first));
    assert_eq!(deal.profit, 0.4_f64.mul_add(0.0, ((1.1 - held.price_open) * 0.4 * 100_000.0 * 100.0).round() / 100.0));
    let held = broker.positions(&at(&bars, 119)).remove(0);
    assert_eq!((held.ticket, held.identifier, held.kind, held.volume), (turned.order, first, ORDER_SELL, 0.1));
    assert_eq!(held.price_open, 1.1);
    broker.order_send(&order(ORDER_BUY, 0.1), &at(&bars, 119));
    assert_eq!(broker.positions(&at(&bars, 119)), []);
    assert_eq!(broker.deals().last().unwrap().entry, entry::OUT);
}

#[test]
fn on_a_netting_account_stops_move_by_symbol_and_only_what_opens_needs_margin() {
    let bars = market();
    let mut broker = netting(&bars);
    broker.order_send(&order(ORDER_BUY, 9.0), &at(&bars, 1));
    let stops = TradeRequest { action: action::SLTP, symbol: "EURUSD".into(), sl: 1.0, ..TradeRequest::default() };
    assert_eq!(broker.order_send(&stops, &at(&bars, 1)).retcode, retcode::DONE);
    assert_eq!(broker.order_send(&order(ORDER_BUY, 9.0), &at(&bars, 1)).retcode, retcode::NO_MONEY);
    assert_eq!(broker.order_send(&order(ORDER_SELL, 17.0), &at(&bars, 1)).retcode, retcode::DONE, "it binds less than before");
    let held = broker.positions(&at(&bars, 1)).remove(0);
    assert_eq!((held.kind, held.volume, held.sl), (ORDER_SELL, 8.0, 0.0));
    let by =
        TradeRequest { action: action::CLOSE_BY, position: held.ticket, position_by: held.ticket, ..TradeRequest::default() };
    assert_eq!(broker.order_send(&by, &at(&bars, 1)).retcode, retcode::INVALID);
}

#[test]
fn a_position_is_closed_by_an_opposite_one_without_the_spread() {
    let bars = market();
    let mut broker = broker(&bars);
    let buy = broker.order_send(&order(ORDER_BUY, 0.3), &at(&bars, 1)).order;
    let sell = broker.order_send(&order(ORDER_SELL, 0.1), &at(&bars, 75)).order;
    let by = TradeRequest {
        action: action::CLOSE_BY,
        position: buy,
        position_by: sell,
        magic: 5,
        comment: "#5".into(),
        ..TradeRequest::default()
    };
    let result = broker.order_send(&by, &at(&bars, 80));
    assert_eq!((result.retcode, result.volume), (retcode::DONE, 0.1));
    let deals: Vec<_> = broker.deals().skip(3).map(|d| (d.entry, d.position_id, d.price, d.profit, d.magic, d.order)).collect();
    // Bought at 1.10010, sold at 1.09500: 51 points of 0.1 lots.
    assert_eq!(deals, [(entry::OUT_BY, buy, 1.095, -51.0, 5, result.order), (entry::OUT_BY, sell, 1.1001, 0.0, 5, result.order)]);
    let left: Vec<_> = broker.positions(&at(&bars, 80)).iter().map(|one| (one.ticket, one.volume)).collect();
    assert_eq!(left, [(buy, 0.2)]);
    assert_eq!(broker.order_send(&by, &at(&bars, 80)).retcode, retcode::POSITION_CLOSED);
    let same = broker.order_send(&order(ORDER_BUY, 0.3), &at(&bars, 81)).order;
    assert_eq!(broker.order_send(&TradeRequest { position_by: same, ..by }, &at(&bars, 81)).retcode, retcode::INVALID);
}

#[test]
fn a_tick_fills_only_so_much_and_the_filling_mode_says_what_becomes_of_the_rest() {
    let bars = market();
    let mut broker = broker(&bars);
    broker.set_rules(Rules { liquidity: 0.3, execution: execution::EXCHANGE, ..Rules::default() });
    assert_eq!(broker.order_send(&order(ORDER_BUY, 0.4), &at(&bars, 1)).retcode, retcode::REJECT, "fill or kill");
    let ioc = TradeRequest { type_filling: FILLING_IOC, ..order(ORDER_BUY, 0.4) };
    let result = broker.order_send(&ioc, &at(&bars, 1));
    assert_eq!((result.retcode, result.volume), (retcode::DONE_PARTIAL, 0.3));
    let done = broker.history_orders().last().unwrap();
    assert_eq!((done.state, done.volume_initial, done.volume_current), (order_state::CANCELED, 0.4, 0.1));
    assert_eq!(broker.order_send(&ioc, &at(&bars, 2)).retcode, retcode::REJECT, "the same tick has nothing left");
    let rest = TradeRequest { type_filling: FILLING_RETURN, ..order(ORDER_BUY, 0.7) };
    // A tick comes every 15 seconds.
    let result = broker.order_send(&rest, &at(&bars, 15));
    assert_eq!((result.retcode, result.volume), (retcode::DONE_PARTIAL, 0.3));
    assert_eq!(broker.orders(&at(&bars, 15))[0].state, order_state::PARTIAL);
    broker.settle(&at(&bars, 59));
    let of_it: Vec<_> =
        broker.deals().filter(|deal| deal.order == result.order).map(|deal| (deal.volume, deal.time - T0)).collect();
    assert_eq!(of_it, [(0.3, 15), (0.3, 30), (0.1, 45)]);
    assert_eq!((broker.orders(&at(&bars, 59)).len(), broker.history_orders().last().unwrap().state), (0, order_state::FILLED));
    let trace: Vec<_> = broker.origins().into_iter().skip(1).map(|(_, origin)| origin).collect();
    assert_eq!(trace, [2, 4, 4, 4].map(Origin::Request), "later deals lead back to the request of their order");
}

#[test]
fn instant_execution_is_requoted_away_from_the_price_and_request_execution_told_that_it_changed() {
    let bars = market();
    let mut broker = broker(&bars);
    for (execution, code) in [(execution::INSTANT, retcode::REQUOTE), (execution::REQUEST, judge::PRICE_CHANGED)] {
        broker.set_rules(Rules { execution, ..Rules::default() });
        let asked = |price: f64, deviation: u64| TradeRequest { price, deviation, ..order(ORDER_BUY, 0.1) };
        let away = broker.order_send(&asked(1.09995, 10), &at(&bars, 1));
        assert_eq!((away.retcode, away.bid, away.ask), (code, 1.1, 1.1001));
        assert_eq!(broker.order_send(&asked(1.09995, 15), &at(&bars, 1)).retcode, retcode::DONE);
        assert_eq!(broker.order_send(&asked(0.0, 15), &at(&bars, 1)).retcode, retcode::INVALID_PRICE);
    }
}

#[test]
fn what_may_not_be_opened_may_still_be_closed() {
    let bars = market();
    let mut broker = broker(&bars);
    let opened = broker.order_send(&order(ORDER_BUY, 0.2), &at(&bars, 1)).order;
    let close = TradeRequest { position: opened, ..order(ORDER_SELL, 0.05) };
    for (mode, buy, sell, closing) in [
        (trade_mode::DISABLED, 10_017, 10_017, 10_017),
        (trade_mode::LONG_ONLY, 10_009, 10_042, 10_009),
        (trade_mode::SHORT_ONLY, 10_043, 10_009, 10_009),
        (trade_mode::CLOSE_ONLY, 10_044, 10_044, 10_009),
    ] {
        broker.set_rules(Rules { trade_mode: mode, ..Rules::default() });
        let mut code = |request: &TradeRequest| broker.order_send(request, &at(&bars, 1)).retcode;
        let got = (code(&order(ORDER_BUY, 0.01)), code(&order(ORDER_SELL, 0.01)), code(&close));
        assert_eq!(got, (buy, sell, closing), "{mode}");
    }
}

#[test]
fn commission_is_paid_at_both_ends_and_a_quirk_refuses_fills_in_part_and_forgets() {
    let bars = market();
    let mut broker = broker(&bars);
    broker.set_rules(Rules { commission: 3.5, ..Rules::default() });
    let opened = broker.order_send(&order(ORDER_BUY, 2.0), &at(&bars, 1)).order;
    broker.order_send(&TradeRequest { position: opened, ..order(ORDER_SELL, 2.0) }, &at(&bars, 1));
    let paid: Vec<_> = broker.deals().skip(1).map(|deal| (deal.commission, deal.profit)).collect();
    assert_eq!(paid, [(-7.0, 0.0), (-7.0, -20.0)]);
    assert_eq!(broker.account(&at(&bars, 1)).balance, 9_966.0);
    let mut send = |quirk: Quirk| broker.order_send_with(&order(ORDER_BUY, 0.2), quirk, &at(&bars, 1));
    assert_eq!(send(Quirk { refuse: Some(retcode::REQUOTE), ..Quirk::default() }).retcode, retcode::REQUOTE);
    let part = send(Quirk { part: Some(5), ..Quirk::default() });
    assert_eq!((part.retcode, part.volume), (retcode::DONE_PARTIAL, 0.05));
    send(Quirk { drop_magic: true, drop_comment: true, ..Quirk::default() });
    let deal = broker.deals().last().unwrap();
    assert_eq!((deal.magic, deal.comment.as_str()), (0, ""));
    assert_eq!(broker.requests().last().unwrap().request.magic, 77, "the ledger has what was sent");
}
