use super::*;
use crate::{
    domain::{market::Bar, trade::TradeRequest},
    simulator::{
        bars::{BarSet, epoch},
        broker::{
            AccountSettings,
            tests::{at, broker, market, order},
        },
        ledger::Origin,
        replay::MarketView,
    },
};

#[test]
fn a_stop_out_strikes_at_the_tick_that_brought_it_about_although_the_price_came_back() {
    let bars = market();
    // 0.9 lots bind 990; at 1.09500 they have lost 459, and half of the margin is 495.
    let mut broker = Broker::in_memory(AccountSettings { balance: 1_050.0, ..AccountSettings::default() }, &at(&bars, 0));
    broker.set_rules(crate::simulator::rules::Rules { stop_out: 60.0, ..Default::default() });
    broker.order_send(&order(ORDER_BUY, 0.9), &at(&bars, 1));
    broker.settle(&at(&bars, 119));
    let (deal, origin) = broker.origins().pop().unwrap();
    assert_eq!((deal.reason, deal.price, origin), (6, 1.095, Origin::StopOut));
    assert_eq!(deal.comment, "[so 59.69%]");
    assert_eq!(broker.history_orders().last().unwrap().reason, 6);
}

#[test]
fn things_happen_in_the_order_of_their_ticks() {
    let bars = market();
    let mut broker = broker(&bars);
    // Opens in the fall at second 75, and its own take profit closes it when the price is back.
    let pending = TradeRequest { action: 5, kind: 2, price: 1.097, tp: 1.0985, type_filling: 2, ..order(2, 0.1) };
    let opened = broker.order_send(&pending, &at(&bars, 1)).order;
    broker.settle(&at(&bars, 179));
    let deals: Vec<_> =
        broker.origins().into_iter().skip(1).map(|(deal, origin)| (deal.position_id, deal.price, deal.reason, origin)).collect();
    assert_eq!(deals, [(opened, 1.0951, 3, Origin::Request(1)), (opened, 1.1, 5, Origin::TakeProfit)]);
}

#[test]
fn a_night_costs_swap_and_wednesdays_three_times() {
    let bar = |text: &str| {
        let price = 1.1;
        let time = epoch(text).unwrap();
        Bar { time, open: price, high: price, low: price, close: price, tick_volume: 4, spread: 10, real_volume: 0 }
    };
    // Wednesday to Friday, and Monday.
    let days = ["2024.03.06 12:00", "2024.03.07 12:00", "2024.03.08 12:00", "2024.03.11 12:00"];
    let bars = BarSet::from_bars(days.map(bar).to_vec()).unwrap();
    let view = |text: &str| MarketView::at(&bars, epoch(text).unwrap() * 1000 + 1_000);
    let mut broker = Broker::in_memory(AccountSettings::default(), &view(days[0]));
    let opened = broker.order_send(&order(ORDER_BUY, 1.0), &view(days[0])).order;
    let swap = |broker: &mut Broker, day: &str| {
        broker.settle(&view(day));
        broker.positions(&view(day))[0].swap
    };
    assert_eq!(swap(&mut broker, days[1]), -19.5, "6.5 points a lot, three nights");
    assert_eq!(swap(&mut broker, days[2]), -26.0);
    assert_eq!(swap(&mut broker, days[3]), -32.5, "Friday counts, Saturday and Sunday do not");
    assert_eq!(broker.account(&view(days[3])).equity, 9_957.5, "the spread and the swap");
    broker.order_send(&TradeRequest { position: opened, ..order(1, 0.5) }, &view(days[3]));
    assert_eq!(broker.deals().last().unwrap().swap, -16.25, "half of the position takes half of it along");
    assert_eq!(broker.positions(&view(days[3]))[0].swap, -16.25);
}

#[test]
fn a_synthetic_symbol_has_its_own_price_stops_and_margin() {
    let bars = market();
    let mut broker = broker(&bars);
    let gold = TradeRequest { symbol: "SYN.GOLD".into(), sl: 2_195.0, ..order(ORDER_BUY, 1.0) };
    let result = broker.order_send(&gold, &at(&bars, 1));
    assert_eq!((result.retcode, result.price, result.bid), (10_009, 2_200.2, 2_200.0));
    assert_eq!(broker.account(&at(&bars, 1)).margin, 2_200.2);
    broker.settle(&at(&bars, 119));
    let deal = broker.deals().last().unwrap();
    assert_eq!((deal.price, deal.reason, deal.profit, deal.comment.as_str()), (2_190.0, 4, -1_020.0, "[sl 2195.00]"));
}

#[test]
fn a_broker_that_is_started_again_keeps_orders_history_and_swap() {
    let bars = market();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.jsonl");
    let start = |second| {
        let (lines, entries) = crate::simulator::ledger::Lines::open::<Entry>(&path).unwrap();
        Broker::rebuild(AccountSettings { netting: true, ..AccountSettings::default() }, lines, entries, &at(&bars, second))
    };
    let mut first = start(0);
    first.order_send(&order(ORDER_BUY, 0.3), &at(&bars, 1));
    first.order_send(&order(1, 0.5), &at(&bars, 2));
    let placed = TradeRequest { action: 5, kind: 2, price: 1.097, type_filling: 2, ..order(2, 0.1) };
    first.order_send(&placed, &at(&bars, 3));
    first.order_send(&TradeRequest { price: 1.08, ..placed }, &at(&bars, 3));
    let of = |broker: &Broker| {
        (
            broker.positions(&at(&bars, 5)),
            broker.orders(&at(&bars, 5)),
            broker.history_orders().cloned().collect::<Vec<_>>(),
            broker.origins(),
        )
    };
    let before = of(&first);
    drop(first);
    let mut second = start(70);
    assert_eq!(of(&second), before);
    second.settle(&at(&bars, 100));
    assert_eq!((second.orders(&at(&bars, 100)).len(), second.origins().pop().unwrap().1), (1, Origin::Request(3)));
}
