use super::*;
use crate::{
    domain::{
        market::Bar,
        trade::{FILLING_RETURN, ORDER_BUY, ORDER_SELL},
    },
    simulator::bars::BarSet,
};

pub(super) const T0: i64 = 1_710_000_000;

/// Three minutes: 1.10000 flat, a fall to 1.09500 and back, a rise to 1.10500. Spread 10 points, four ticks a minute.
pub(super) fn market() -> BarSet {
    let bar = |minute: i64, open, high, low, close| Bar {
        time: T0 + minute * 60,
        open,
        high,
        low,
        close,
        tick_volume: 4,
        spread: 10,
        real_volume: 0,
    };
    BarSet::from_bars(vec![bar(0, 1.1, 1.1, 1.1, 1.1), bar(1, 1.1, 1.1, 1.095, 1.1), bar(2, 1.1, 1.105, 1.1, 1.105)]).unwrap()
}

pub(super) fn at(bars: &BarSet, second: i64) -> MarketView<'_> {
    MarketView::at(bars, (T0 + second) * 1000)
}

pub(super) fn order(kind: u8, volume: f64) -> TradeRequest {
    TradeRequest {
        action: action::DEAL,
        symbol: "EURUSD".into(),
        volume,
        kind,
        magic: 77,
        comment: "#2d bot".into(),
        ..TradeRequest::default()
    }
}

pub(super) fn broker(bars: &BarSet) -> Broker {
    Broker::in_memory(AccountSettings::default(), &at(bars, 0))
}

/// Sends at second 1 and gives the retcode.
fn code(broker: &mut Broker, bars: &BarSet, request: &TradeRequest) -> u32 {
    broker.order_send(request, &at(bars, 1)).retcode
}

#[test]
fn an_account_begins_with_a_balance_deal() {
    let bars = market();
    let broker = broker(&bars);
    let deals: Vec<_> = broker.deals().map(|deal| (deal.kind, deal.profit)).collect();
    assert_eq!(deals, [(2, 10_000.0)]);
    let account = broker.account(&at(&bars, 0));
    assert_eq!((account.balance, account.equity, account.margin, account.margin_level), (10_000.0, 10_000.0, 0.0, 0.0));
}

#[test]
fn a_market_buy_fills_at_the_ask_and_carries_magic_and_comment() {
    let bars = market();
    let mut broker = broker(&bars);
    let result = broker.order_send(&order(ORDER_BUY, 0.1), &at(&bars, 1));
    assert_eq!((result.retcode, result.price, result.volume, result.bid, result.ask), (10_009, 1.1001, 0.1, 1.1, 1.1001));
    let position = broker.positions(&at(&bars, 1)).remove(0);
    assert_eq!(
        (position.ticket, position.identifier, position.magic, position.comment.as_str()),
        (result.order, result.order, 77, "#2d bot")
    );
    assert_eq!((position.price_open, position.price_current, position.profit), (1.1001, 1.1, -1.0));
    let deal = broker.deals().last().unwrap();
    assert_eq!(
        (deal.ticket, deal.order, deal.entry, deal.position_id, deal.reason, deal.magic),
        (result.deal, result.order, 0, result.order, 3, 77)
    );
    assert_eq!((deal.time, deal.time_msc), (T0 + 1, (T0 + 1) * 1000));
    let account = broker.account(&at(&bars, 1));
    assert_eq!((account.margin, account.equity, account.margin_free), (110.01, 9_999.0, 9_888.99));
}

#[test]
fn closing_half_leaves_the_other_half_and_books_the_profit() {
    let bars = market();
    let mut broker = broker(&bars);
    let opened = broker.order_send(&order(ORDER_SELL, 0.2), &at(&bars, 1));
    // At second 75 the price is at its low.
    let half = TradeRequest { position: opened.order, magic: 78, ..order(ORDER_BUY, 0.1) };
    let result = broker.order_send(&half, &at(&bars, 75));
    assert_eq!((result.retcode, result.price), (10_009, 1.0951));
    let deal = broker.deals().last().unwrap();
    assert_eq!((deal.entry, deal.kind, deal.profit, deal.position_id, deal.magic), (1, ORDER_BUY, 49.0, opened.order, 78));
    let rest = broker.positions(&at(&bars, 75)).remove(0);
    assert_eq!((rest.volume, rest.magic, rest.time_update), (0.1, 77, T0 + 75));
    assert_eq!(broker.order_send(&half, &at(&bars, 75)).retcode, 10_009);
    assert_eq!(broker.positions(&at(&bars, 75)), []);
    assert_eq!(broker.account(&at(&bars, 75)).balance, 10_098.0);
}

#[test]
fn a_stop_loss_is_hit_between_two_looks_at_the_tick_that_touched_it() {
    let bars = market();
    let mut broker = broker(&bars);
    let opened = broker.order_send(&TradeRequest { sl: 1.097, ..order(ORDER_BUY, 0.1) }, &at(&bars, 1));
    // The price is back at 1.10000 by now, and only the way shows that it was at 1.09500 in between.
    broker.settle(&at(&bars, 119));
    let deal = broker.deals().last().unwrap();
    assert_eq!((deal.reason, deal.entry, deal.price, deal.time), (4, 1, 1.095, T0 + 75));
    assert_eq!((deal.position_id, deal.magic, deal.comment.as_str()), (opened.order, 77, "[sl 1.09700]"));
    assert_eq!(broker.positions(&at(&bars, 119)), []);
    assert_eq!(broker.requests().len(), 1, "a stop is the broker's own doing");
}

#[test]
fn a_take_profit_is_hit_and_of_two_positions_the_earlier_touch_comes_first() {
    let bars = market();
    let mut broker = broker(&bars);
    broker.order_send(&TradeRequest { tp: 1.105, ..order(ORDER_BUY, 0.1) }, &at(&bars, 1));
    broker.order_send(&TradeRequest { tp: 1.096, ..order(ORDER_SELL, 0.1) }, &at(&bars, 1));
    broker.settle(&at(&bars, 1_000));
    let deals: Vec<_> = broker.deals().skip(3).map(|d| (d.kind, d.reason, d.price, d.time - T0, d.comment.as_str())).collect();
    assert_eq!(deals, [(ORDER_BUY, 5, 1.0951, 75, "[tp 1.09600]"), (ORDER_SELL, 5, 1.105, 150, "[tp 1.10500]")]);
}

#[test]
fn volumes_that_the_broker_does_not_trade_are_10014() {
    let bars = market();
    let mut broker = broker(&bars);
    for volume in [0.0, 0.005, 0.015, 100.01, f64::NAN] {
        assert_eq!(code(&mut broker, &bars, &order(ORDER_BUY, volume)), retcode::INVALID_VOLUME, "{volume}");
    }
}

#[test]
fn stops_on_the_wrong_side_or_too_near_are_10016() {
    let bars = market();
    let mut broker = broker(&bars);
    for (kind, sl, tp) in [
        (ORDER_BUY, 1.1, 0.0),
        (ORDER_BUY, 1.09991, 0.0),
        (ORDER_BUY, 0.0, 1.1),
        (ORDER_SELL, 1.1001, 0.0),
        (ORDER_SELL, 0.0, 1.10001),
    ] {
        assert_eq!(
            code(&mut broker, &bars, &TradeRequest { sl, tp, ..order(kind, 0.1) }),
            retcode::INVALID_STOPS,
            "{kind} {sl} {tp}"
        );
    }
    for (kind, sl, tp) in [(ORDER_BUY, 1.0999, 1.1001), (ORDER_SELL, 1.1002, 1.1)] {
        assert_eq!(
            code(&mut broker, &bars, &TradeRequest { sl, tp, ..order(kind, 0.1) }),
            retcode::DONE,
            "exactly ten points away"
        );
    }
}

#[test]
fn more_than_the_free_margin_is_10019() {
    let bars = market();
    let mut broker = broker(&bars);
    assert_eq!(code(&mut broker, &bars, &order(ORDER_BUY, 9.1)), retcode::NO_MONEY);
    assert_eq!(code(&mut broker, &bars, &order(ORDER_BUY, 9.0)), retcode::DONE);
    assert_eq!(code(&mut broker, &bars, &order(ORDER_BUY, 0.1)), retcode::NO_MONEY);
}

#[test]
fn after_the_last_bar_everything_is_10018() {
    let bars = market();
    let mut broker = broker(&bars);
    let opened = broker.order_send(&order(ORDER_BUY, 0.1), &at(&bars, 1));
    let closed = at(&bars, 180);
    for request in [
        order(ORDER_BUY, 0.1),
        TradeRequest { position: opened.order, ..order(ORDER_SELL, 0.1) },
        TradeRequest { action: action::SLTP, position: opened.order, sl: 1.0, ..TradeRequest::default() },
    ] {
        assert_eq!(broker.order_send(&request, &closed).retcode, retcode::MARKET_CLOSED);
    }
}

#[test]
fn only_fill_or_kill_and_immediate_or_cancel_are_taken() {
    let bars = market();
    let mut broker = broker(&bars);
    for (type_filling, expected) in
        [(0, retcode::DONE), (1, retcode::DONE), (FILLING_RETURN, retcode::INVALID_FILL), (3, retcode::INVALID_FILL)]
    {
        assert_eq!(code(&mut broker, &bars, &TradeRequest { type_filling, ..order(ORDER_BUY, 0.1) }), expected);
    }
}

#[test]
fn what_the_broker_does_not_understand_is_10013() {
    let bars = market();
    let mut broker = broker(&bars);
    let good = order(ORDER_BUY, 0.1);
    for wrong in [
        TradeRequest { symbol: "GBPUSD".into(), ..good.clone() },
        TradeRequest { kind: 2, ..good.clone() },
        TradeRequest { action: action::PENDING, kind: 2, price: 0.0, ..good.clone() },
        TradeRequest { action: action::REMOVE, order: 0, ..good.clone() },
        TradeRequest { action: 99, ..good.clone() },
        TradeRequest { sl: f64::NAN, ..good },
    ] {
        assert_eq!(code(&mut broker, &bars, &wrong), retcode::INVALID, "{wrong:?}");
    }
}

#[test]
fn closing_what_is_not_there_says_whether_it_ever_was() {
    let bars = market();
    let mut broker = broker(&bars);
    let opened = broker.order_send(&order(ORDER_BUY, 0.1), &at(&bars, 1));
    let close = TradeRequest { position: opened.order, ..order(ORDER_SELL, 0.1) };
    assert_eq!(
        code(&mut broker, &bars, &TradeRequest { kind: ORDER_BUY, ..close.clone() }),
        retcode::INVALID,
        "the same side does not close"
    );
    assert_eq!(code(&mut broker, &bars, &TradeRequest { volume: 0.11, ..close.clone() }), retcode::INVALID_CLOSE_VOLUME);
    assert_eq!(code(&mut broker, &bars, &TradeRequest { position: 999, ..close.clone() }), retcode::INVALID_ORDER);
    assert_eq!(code(&mut broker, &bars, &close), retcode::DONE);
    assert_eq!(code(&mut broker, &bars, &close), retcode::POSITION_CLOSED);
    let stops = TradeRequest { action: action::SLTP, position: opened.order, sl: 1.0, ..TradeRequest::default() };
    assert_eq!(code(&mut broker, &bars, &stops), retcode::POSITION_CLOSED);
}

#[test]
fn moving_stops_needs_a_change() {
    let bars = market();
    let mut broker = broker(&bars);
    let opened = broker.order_send(&order(ORDER_BUY, 0.1), &at(&bars, 1));
    let stops = TradeRequest { action: action::SLTP, position: opened.order, sl: 1.09, tp: 1.2, ..TradeRequest::default() };
    assert_eq!(code(&mut broker, &bars, &stops), retcode::DONE);
    assert_eq!(code(&mut broker, &bars, &stops), retcode::NO_CHANGES);
    let position = broker.positions(&at(&bars, 1)).remove(0);
    assert_eq!((position.sl, position.tp), (1.09, 1.2));
    assert_eq!(code(&mut broker, &bars, &TradeRequest { sl: 1.2, ..stops }), retcode::INVALID_STOPS);
}

#[test]
fn a_margin_level_below_the_limit_closes_the_worst_position() {
    let bars = market();
    let mut broker = Broker::in_memory(AccountSettings { balance: 1_100.0, ..AccountSettings::default() }, &at(&bars, 0));
    assert_eq!(code(&mut broker, &bars, &order(ORDER_BUY, 0.9)), retcode::DONE);
    assert_eq!(broker.account(&at(&bars, 1)).margin_level, 110.19);
    broker.settle(&at(&bars, 75));
    assert_eq!(broker.positions(&at(&bars, 75)).len(), 1, "650 of 990: a margin call, no stop-out");
    assert_eq!(code(&mut broker, &bars, &order(ORDER_SELL, 0.09)), retcode::DONE);
    let mut poor = Broker::in_memory(AccountSettings { balance: 1_000.0, ..AccountSettings::default() }, &at(&bars, 0));
    assert_eq!(code(&mut poor, &bars, &order(ORDER_BUY, 0.9)), retcode::DONE);
    let fallen = BarSet::from_bars(vec![Bar {
        time: T0 + 60,
        open: 1.094,
        high: 1.094,
        low: 1.094,
        close: 1.094,
        tick_volume: 4,
        spread: 10,
        real_volume: 0,
    }])
    .unwrap();
    poor.settle(&at(&fallen, 61));
    let deal = poor.deals().last().unwrap();
    assert_eq!((deal.reason, deal.price, deal.comment.as_str()), (6, 1.094, "[so 45.55%]"));
}

#[test]
fn a_broker_that_is_started_again_is_the_broker_that_was() {
    let bars = market();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.jsonl");
    let start = |second| {
        let (lines, entries) = Lines::open::<Entry>(&path).unwrap();
        Broker::rebuild(AccountSettings::default(), lines, entries, &at(&bars, second))
    };
    let mut first = start(0);
    let kept = first.order_send(&order(ORDER_BUY, 0.3), &at(&bars, 1));
    first.order_send(&TradeRequest { position: kept.order, ..order(ORDER_SELL, 0.1) }, &at(&bars, 2));
    first.order_send(&order(ORDER_BUY, 0.005), &at(&bars, 3));
    first.order_send(&order(ORDER_BUY, f64::NAN), &at(&bars, 3));
    first.order_send(
        &TradeRequest { action: action::SLTP, position: kept.order, sl: 1.097, ..TradeRequest::default() },
        &at(&bars, 4),
    );
    let before = (
        first.requests(),
        first.positions(&at(&bars, 5)),
        first.account(&at(&bars, 5)),
        first.deals().cloned().collect::<Vec<_>>(),
    );
    drop(first);
    let mut second = start(100);
    let after = (
        second.requests(),
        second.positions(&at(&bars, 5)),
        second.account(&at(&bars, 5)),
        second.deals().cloned().collect::<Vec<_>>(),
    );
    assert_eq!(before, after);
    second.settle(&at(&bars, 100));
    assert_eq!(second.deals().last().unwrap().reason, 4, "the stop was touched while the process was down");
    let next = second.order_send(&order(ORDER_BUY, 0.1), &at(&bars, 101));
    assert!(next.order > kept.order + 4 && next.request_id == 6, "tickets and request numbers go on: {next:?}");
}
