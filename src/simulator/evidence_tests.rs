use super::*;
use crate::{
    domain::{
        command::tag,
        ids::{CommandId, EaInstance},
        market::Bar,
        trade::{FILLING_IOC, FILLING_RETURN, ORDER_BUY, ORDER_SELL},
    },
    protocol::codec::Row,
    simulator::{
        bars::BarSet,
        broker::AccountSettings,
        replay::MarketView,
        rules::{Rules, execution},
    },
};

const T0: i64 = 1_710_000_000;

/// 1.10000, with a fall to 1.09500 in the second minute; a tick every 15 seconds.
fn market() -> BarSet {
    let bar = |minute: i64, low| Bar {
        time: T0 + minute * 60,
        open: 1.1,
        high: 1.1,
        low,
        close: 1.1,
        tick_volume: 4,
        spread: 10,
        real_volume: 0,
    };
    BarSet::from_bars(vec![bar(0, 1.1), bar(1, 1.095), bar(2, 1.1)]).unwrap()
}

struct Account<'a> {
    bars: &'a BarSet,
    broker: Broker,
}

impl<'a> Account<'a> {
    fn of(bars: &'a BarSet, settings: AccountSettings) -> Self {
        Self { bars, broker: Broker::in_memory(settings, &MarketView::at(bars, T0 * 1000)) }
    }

    fn view(&self, second: i64) -> MarketView<'a> {
        MarketView::at(self.bars, (T0 + second) * 1000)
    }

    fn send(&mut self, request: &TradeRequest, second: i64) -> TradeResult {
        let view = self.view(second);
        self.broker.order_send(request, &view)
    }

    fn look(&mut self, request: &TradeRequest, second: i64) -> Found {
        let view = self.view(second);
        self.broker.settle(&view);
        self.look_with(request, Sight { linked: true, until_ms: view.now_ms() })
    }

    fn look_with(&self, request: &TradeRequest, sight: Sight) -> Found {
        let query = Query {
            command: CommandId::from_bytes([1; 16]),
            instance: EaInstance([1; 16]),
            tag: tag_of(self.broker.settings().platform, 1),
            request: Row(request.clone()),
            dispatched_broker_time: T0,
            asked_at: 0,
        };
        look(&query, &self.broker, sight)
    }
}

fn tag_of(platform: Platform, n: u64) -> u64 {
    tag(platform, n).unwrap()
}

fn order(kind: u8, volume: f64) -> TradeRequest {
    on(Platform::Mt5, kind, volume, 1)
}

fn on(platform: Platform, kind: u8, volume: f64, n: u64) -> TradeRequest {
    let tag = tag_of(platform, n);
    TradeRequest {
        action: if kind > 1 { action::PENDING } else { action::DEAL },
        symbol: "EURUSD".into(),
        volume,
        kind,
        magic: tag,
        comment: tagged_comment(tag, "bot"),
        ..TradeRequest::default()
    }
}

/// Retcode, order and volume.
fn told_of(found: &Found) -> (u32, u64, f64) {
    match found {
        Found::Evidence(result) => (result.retcode, result.order, result.volume),
        Found::Nothing { proof, reason } => panic!("nothing: {proof} {reason}"),
    }
}

fn proof_of(found: &Found) -> u8 {
    match found {
        Found::Nothing { proof, .. } => *proof,
        Found::Evidence(result) => panic!("{result:?}"),
    }
}

#[test]
fn several_deals_of_one_order_count_together_and_while_it_stands_less_than_asked_is_no_part_yet() {
    let bars = market();
    let mut account = Account::of(&bars, AccountSettings::default());
    account.broker.set_rules(Rules { liquidity: 0.1, execution: execution::EXCHANGE, ..Rules::default() });
    let request = TradeRequest { type_filling: FILLING_RETURN, ..order(ORDER_BUY, 0.25) };
    let sent = account.send(&request, 1);
    assert_eq!(proof_of(&account.look(&request, 1)), 0, "the rest still stands, and may be filled");
    assert_eq!(proof_of(&account.look(&request, 20)), 0);
    assert_eq!(told_of(&account.look(&request, 31)), (retcode::DONE, sent.order, 0.25));
}

#[test]
fn a_part_of_which_the_rest_was_cancelled_stays_a_part() {
    let bars = market();
    let mut account = Account::of(&bars, AccountSettings::default());
    account.broker.set_rules(Rules { liquidity: 0.1, ..Rules::default() });
    let request = TradeRequest { type_filling: FILLING_IOC, ..order(ORDER_BUY, 0.25) };
    let sent = account.send(&request, 1);
    assert_eq!(told_of(&account.look(&request, 100)), (retcode::DONE_PARTIAL, sent.order, 0.1));
}

#[test]
fn on_a_netting_account_closing_turning_round_and_adding_are_each_found() {
    let bars = market();
    let settings = AccountSettings { netting: true, ..AccountSettings::default() };
    for (kind, volume) in [(ORDER_BUY, 0.1), (ORDER_SELL, 0.1), (ORDER_SELL, 0.2), (ORDER_SELL, 0.5)] {
        let mut account = Account::of(&bars, settings.clone());
        let held = account.send(&on(Platform::Mt5, ORDER_BUY, 0.2, 9), 1).order;
        let request = TradeRequest { position: held, ..order(kind, volume) };
        assert_eq!(proof_of(&account.look(&request, 2)), proof::ALL);
        let sent = account.send(&request, 3);
        assert_eq!(told_of(&account.look(&request, 4)), (retcode::DONE, sent.order, volume), "{kind} {volume}");
    }
    // After a reversal the position has another ticket than its deals say.
    let mut account = Account::of(&bars, settings);
    account.send(&on(Platform::Mt5, ORDER_BUY, 0.2, 8), 1);
    let turned = account.send(&on(Platform::Mt5, ORDER_SELL, 0.5, 9), 1).order;
    let request = TradeRequest { position: turned, ..order(ORDER_BUY, 0.3) };
    let sent = account.send(&request, 2);
    assert_eq!(told_of(&account.look(&request, 3)), (retcode::DONE, sent.order, 0.3));
}

#[test]
fn a_pending_order_is_found_while_it_stands_after_it_opened_and_after_it_was_removed() {
    let bars = market();
    let mut account = Account::of(&bars, AccountSettings::default());
    let request = TradeRequest { price: 1.097, type_filling: FILLING_RETURN, ..order(2, 0.1) };
    assert_eq!(proof_of(&account.look(&request, 1)), proof::ALL);
    let sent = account.send(&request, 1);
    assert_eq!(told_of(&account.look(&request, 2)), (retcode::DONE, sent.order, 0.1));
    assert_eq!(told_of(&account.look(&request, 100)), (retcode::DONE, sent.order, 0.1), "it opened at second 75");
    assert_eq!(account.broker.open_orders().len(), 0);
    assert_eq!(proof_of(&account.look(&TradeRequest { volume: 0.2, ..request.clone() }, 100)), 0, "not what was asked");
    let mut account = Account::of(&bars, AccountSettings::default());
    let sent = account.send(&request, 1);
    let remove = TradeRequest { action: action::REMOVE, order: sent.order, ..TradeRequest::default() };
    assert_eq!(proof_of(&account.look(&remove, 1)), proof::ALL, "it stands, so it was not removed");
    account.send(&remove, 2);
    assert_eq!(told_of(&account.look(&request, 3)), (retcode::DONE, sent.order, 0.1));
    assert_eq!(proof_of(&account.look(&remove, 3)), SEEN, "it is gone, and nobody can tell who did it");
}

#[test]
fn a_stop_limit_is_found_although_it_has_become_a_limit() {
    let bars = market();
    let mut account = Account::of(&bars, AccountSettings::default());
    let request = TradeRequest { price: 1.097, stoplimit: 1.2, type_filling: FILLING_RETURN, ..order(7, 0.1) };
    let sent = account.send(&request, 1);
    assert_eq!(sent.retcode, retcode::DONE);
    let found = account.look(&request, 100);
    assert_eq!(account.broker.open_orders()[&sent.order].kind, 3);
    assert_eq!(told_of(&found), (retcode::DONE, sent.order, 0.1));
}

#[test]
fn closing_by_an_opposite_position_leaves_two_deals_that_are_found() {
    let bars = market();
    let mut account = Account::of(&bars, AccountSettings::default());
    let buy = account.send(&on(Platform::Mt5, ORDER_BUY, 0.2, 7), 1).order;
    let sell = account.send(&on(Platform::Mt5, ORDER_SELL, 0.1, 8), 1).order;
    let request =
        TradeRequest { action: action::CLOSE_BY, position: buy, position_by: sell, kind: 0, volume: 0.0, ..order(0, 0.1) };
    assert_eq!(proof_of(&account.look(&request, 2)), proof::ALL);
    let sent = account.send(&request, 2);
    assert_eq!((sent.retcode, told_of(&account.look(&request, 3))), (retcode::DONE, (retcode::DONE, sent.order, 0.1)));
}

#[test]
fn what_the_broker_does_not_show_yet_is_no_evidence_and_without_a_link_absence_proves_nothing() {
    let bars = market();
    let mut account = Account::of(&bars, AccountSettings::default());
    let request = order(ORDER_BUY, 0.1);
    account.send(&request, 10);
    let sight = |second: i64, linked| Sight { linked, until_ms: (T0 + second) * 1000 };
    assert_eq!(proof_of(&account.look_with(&request, sight(9, true))), proof::ALL);
    assert_eq!(proof_of(&account.look_with(&request, sight(9, false))), 0);
    told_of(&account.look_with(&request, sight(10, false)));
}

#[test]
fn on_metatrader_4_an_opening_is_found_through_closings_in_part_and_a_closing_is_not() {
    let bars = market();
    let mt4 = |kind, volume| on(Platform::Mt4, kind, volume, 1);
    let mut account = Account::of(&bars, AccountSettings { platform: Platform::Mt4, ..AccountSettings::default() });
    let request = mt4(ORDER_BUY, 0.3);
    let opened = account.send(&request, 1).order;
    assert_eq!(told_of(&account.look(&request, 2)), (retcode::DONE, opened, 0.3));
    let close = TradeRequest { position: opened, ..on(Platform::Mt4, ORDER_SELL, 0.1, 2) };
    assert_eq!(proof_of(&account.look(&close, 2)), proof::ALL, "the order is open as it was");
    account.send(&close, 3);
    assert_eq!(told_of(&account.look(&request, 4)), (retcode::DONE, opened, 0.3), "two orders by now, from one opening");
    assert_eq!(proof_of(&account.look(&close, 4)), SEEN, "somebody closed, and nothing says who");
    let pending = TradeRequest { price: 1.097, ..on(Platform::Mt4, 2, 0.1, 1) };
    let mut account = Account::of(&bars, AccountSettings { platform: Platform::Mt4, ..AccountSettings::default() });
    let placed = account.send(&pending, 1).order;
    assert_eq!(told_of(&account.look(&pending, 2)).1, placed);
    assert_eq!(told_of(&account.look(&pending, 100)).1, placed, "it opened, under its own ticket");
}

#[test]
fn an_order_whose_deals_are_not_shown_is_no_absence() {
    let bars = market();
    let mut account = Account::of(&bars, AccountSettings::default());
    let request = order(ORDER_BUY, 0.25);
    let stands = TradeRequest { price: 1.09, ..order(2, 0.25) };
    assert_eq!(account.send(&stands, 1).retcode, retcode::DONE);
    assert_eq!(proof_of(&account.look(&request, 1)), 0, "it stands, and bears the mark");
}

#[test]
fn a_callers_own_magic_without_the_mark_is_doubtful_and_with_another_mark_is_not() {
    let bars = market();
    for platform in [Platform::Mt5, Platform::Mt4] {
        for kind in [ORDER_BUY, 2] {
            let asked = TradeRequest { magic: 7, price: if kind > 1 { 1.097 } else { 0.0 }, ..on(platform, kind, 0.1, 1) };
            let proof_beside = |other: TradeRequest| {
                let mut account = Account::of(&bars, AccountSettings { platform, ..AccountSettings::default() });
                assert_eq!(account.send(&other, 1).retcode, retcode::DONE);
                proof_of(&account.look(&asked, 2))
            };
            let beside = |comment: &str| TradeRequest { comment: comment.into(), ..asked.clone() };
            for lost in ["", "broker's words"] {
                assert_eq!(proof_beside(beside(lost)), 0, "{platform:?} {kind} `{lost}`");
            }
            assert_eq!(proof_beside(beside("#2 of another command")), proof::ALL, "{platform:?} {kind}");
            let sold = TradeRequest { price: if kind > 1 { 1.103 } else { 0.0 }, kind: kind + 1, ..beside("") };
            assert_eq!(proof_beside(sold), proof::ALL, "{platform:?} {kind}: the other side");
            assert_eq!(proof_beside(TradeRequest { magic: 8, ..beside("") }), proof::ALL, "{platform:?} {kind}: another program");
            let marked = TradeRequest { magic: 0, comment: tagged_comment(tag_of(platform, 1), "bot"), ..beside("") };
            assert_eq!(proof_beside(marked), 0, "{platform:?} {kind}: the mark, and the magic was lost");
        }
    }
}

#[test]
fn a_pending_order_that_was_rejected_never_stood() {
    let bars = market();
    let mut account = Account::of(&bars, AccountSettings { balance: 1_000.0, ..AccountSettings::default() });
    let request = TradeRequest { price: 1.097, type_filling: FILLING_RETURN, ..order(2, 5.0) };
    assert_eq!(account.send(&request, 1).retcode, retcode::DONE);
    let found = account.look(&request, 100);
    assert_eq!(account.broker.history_orders().last().unwrap().state, order_state::REJECTED);
    assert_eq!(proof_of(&found), 0);
}

#[test]
fn a_closing_by_each_other_is_absent_only_while_both_positions_are_untouched() {
    let bars = market();
    let touched: [fn(u64, u64) -> TradeRequest; 2] = [
        |buy, _| TradeRequest { position: buy, ..on(Platform::Mt5, ORDER_SELL, 0.1, 5) },
        |_, sell| TradeRequest { position: sell, ..on(Platform::Mt5, ORDER_BUY, 0.1, 6) },
    ];
    for other in touched {
        let mut account = Account::of(&bars, AccountSettings::default());
        let buy = account.send(&on(Platform::Mt5, ORDER_BUY, 0.2, 7), 1).order;
        let sell = account.send(&on(Platform::Mt5, ORDER_SELL, 0.2, 8), 1).order;
        let request = TradeRequest { action: action::CLOSE_BY, position: buy, position_by: sell, ..order(0, 0.2) };
        assert_eq!(proof_of(&account.look(&request, 2)), proof::ALL);
        assert_eq!(account.send(&other(buy, sell), 3).retcode, retcode::DONE);
        assert_eq!(proof_of(&account.look(&request, 4)), SEEN);
    }
}
