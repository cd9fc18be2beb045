use super::*;
use crate::{
    domain::{
        account::Platform,
        trade::{ORDER_BUY, ORDER_SELL, TradeRequest, action, retcode},
    },
    simulator::{
        bars::BarSet,
        broker::AccountSettings,
        paper::PaperBroker,
        transactions::{Change, differences},
    },
};

fn broker() -> PaperBroker {
    let settings = AccountSettings { platform: Platform::Mt4, ..AccountSettings::default() };
    PaperBroker::in_memory(settings, BarSet::embedded().unwrap(), None, 1.0)
}

fn order(kind: u8, volume: f64, position: u64) -> TradeRequest {
    TradeRequest {
        action: action::DEAL,
        symbol: "EURUSD".into(),
        kind,
        volume,
        position,
        magic: 0x5a00_0001,
        comment: "#1 bot".into(),
        ..TradeRequest::default()
    }
}

fn shown(broker: &PaperBroker) -> Vec<(u64, u64, u8, f64, String)> {
    let deals = broker.with(|broker, _| deals(broker));
    deals.into_iter().skip(1).map(|deal| (deal.ticket, deal.order, deal.entry, deal.volume, deal.comment)).collect()
}

#[tokio::test(start_paused = true)]
async fn closing_a_part_closes_the_order_and_opens_another_for_the_rest() {
    let broker = broker();
    let opened = broker.order_send(&order(ORDER_BUY, 0.3, 0));
    let first = opened.order;
    assert_eq!((opened.retcode, opened.deal), (retcode::DONE, opening_deal(first)));
    let closed = broker.order_send(&order(ORDER_SELL, 0.1, first));
    assert_eq!((closed.order, closed.deal), (first, closing_deal(first)), "the tickets of the order that was closed");
    let rest = broker.positions().remove(0);
    assert_ne!(rest.ticket, first);
    assert_eq!((rest.volume, rest.magic, rest.comment), (0.2, 0x5a00_0001, format!("from #{first}")));
    assert_eq!(broker.with(|broker, view| position(&broker.positions(view)[0])).identifier, rest.ticket);
    assert_eq!(
        shown(&broker),
        [
            (first * 2, first, 0, 0.1, "#1 bot".into()),
            (first * 2 + 1, first, 1, 0.1, "#1 bot".into()),
            (rest.ticket * 2, rest.ticket, 0, 0.2, format!("from #{first}")),
        ]
    );
    assert_eq!(broker.order_send(&order(ORDER_SELL, 0.2, rest.ticket)).retcode, retcode::DONE);
    assert_eq!((broker.positions(), shown(&broker).len()), (vec![], 4));
    let all = broker.with(|broker, _| deals(broker));
    assert_eq!((root(rest.ticket, &all), root(first, &all)), (first, first));
}

#[tokio::test(start_paused = true)]
async fn the_magic_is_a_signed_number_of_32_bits_and_filling_is_ignored() {
    let broker = broker();
    let request = TradeRequest { magic: 0x1_8000_0005, type_filling: 2, ..order(ORDER_BUY, 0.1, 0) };
    assert_eq!(broker.order_send(&request).retcode, retcode::DONE);
    assert_eq!(broker.positions()[0].magic, 5);
    let bid = broker.replay().view().tick().unwrap().bid;
    let stop_limit =
        TradeRequest { action: action::PENDING, kind: 6, price: bid + 0.01, stoplimit: bid, ..order(ORDER_BUY, 0.1, 0) };
    assert_eq!(broker.order_send(&stop_limit).retcode, retcode::INVALID);
}

#[tokio::test(start_paused = true)]
async fn the_differences_of_two_lists_are_told_as_transactions() {
    let broker = broker();
    let opened = broker.order_send(&order(ORDER_BUY, 0.3, 0)).order;
    let before = broker.with(|broker, _| deals(broker));
    assert_eq!(broker.order_send(&order(ORDER_SELL, 0.1, opened)).retcode, retcode::DONE);
    let after = broker.with(|broker, _| deals(broker));
    let kinds = |changes: &[Change]| {
        changes
            .iter()
            .map(|change| if let Change::Deal(kind, deal) = change { (*kind, deal.ticket) } else { panic!() })
            .collect::<Vec<_>>()
    };
    let rest = broker.positions()[0].ticket;
    assert_eq!(kinds(&differences(&before, &after)), [(7, opened * 2), (6, opened * 2 + 1), (6, rest * 2)]);
}
