//! Limits of trading, of key, account and hub, and the duplicate guard.

use std::{sync::Arc, time::Duration};

use mtbridge::{
    domain::{
        limits::Limits,
        trade::{Order, Position},
    },
    protocol::{
        FromHub,
        message::{Hello, Status},
    },
    store::{failing::FailingStore, records},
};
use serde_json::{Value, json};

use crate::harness::{
    Api, FakeTerminal, Heard, TestHub, buy,
    controls::{ACCOUNT, Shown, close, hub_limits, last_key, limited_key, set, state_is},
    fake::{all_on, ea_refused, executed},
    orders, soon,
};

#[tokio::test]
async fn the_strictest_of_hub_account_and_key_wins_and_says_whose_it_is() {
    let hub = TestHub::start_with(|config| {
        config.trading.limits.max_order_volume = Some(1.0);
        config.accounts.insert(ACCOUNT.into(), Limits { max_order_volume: Some(0.5), ..Limits::default() });
    })
    .await;
    let (_one, _two) = (hub.terminal(1001).await, hub.terminal(2002).await);
    let bot = limited_key(&hub, json!({"max_order_volume": 0.1, "symbols": ["EUR*"]})).await;
    let order = |volume: f64| json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": volume});
    for (api, login, volume, layer) in
        [(&hub.admin(), 2002, 1.01, "hub"), (&hub.admin(), 1001, 0.51, "account"), (&bot, 1001, 0.11, "key")]
    {
        let refused = api.once().post(&orders(login), order(volume)).await.refused(422, "limit_exceeded");
        assert_eq!((&refused["limit"], &refused["layer"]), (&json!("max_order_volume"), &json!(layer)));
        assert_eq!(refused["asked"], volume.to_string());
    }
    hub.admin().once().post(&orders(2002), order(1.0)).await.expect(200);
    hub.admin().once().post(&orders(1001), order(0.5)).await.expect(200);
    bot.once().post(&orders(1001), order(0.1)).await.expect(200);
    let refused = bot.once().post("/api/v1/terminals/1001/trade", json!({"action": 1, "symbol": "XAUUSD", "volume": 0.1})).await;
    assert_eq!(refused.refused(422, "limit_exceeded")["limit"], "symbols");
    // A changed limit holds from the next order on, and one that is no number is refused.
    let id = last_key(&hub).await;
    let path = format!("/api/v1/keys/{id}");
    hub.admin().patch(&path, json!({"limits": {"max_order_volume": 0.05}})).await.expect(200);
    assert_eq!(bot.once().post(&orders(1001), order(0.1)).await.refused(422, "limit_exceeded")["value"], "0.05");
    hub.admin().patch(&path, json!({"limits": {"max_order_volume": -1}})).await.refused(422, "validation_error");
    hub.admin().patch(&path, json!({"limits": {"max_lots": 1}})).await.refused(422, "validation_error");
    hub.admin().patch(&path, json!({"limits": {}})).await.expect(200);
    bot.once().post(&orders(1001), order(0.5)).await.expect(200);
}

#[tokio::test]
async fn closing_is_never_stopped_by_a_limit_on_opening() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let ticket = hub.admin().once().buy(1001).await.expect(200)["result"]["order"].as_u64().unwrap();
    let none = json!({"max_order_volume": 0.0, "max_open_volume": 0.0, "symbols": [], "orders_per_minute": 0, "orders_per_day": 0,
        "max_daily_loss": 0.0, "max_price_distance_percent": 0.0});
    let bot = limited_key(&hub, none).await;
    bot.once().buy(1001).await.refused(422, "limit_exceeded");
    let too_much = json!({"action": 1, "symbol": "EURUSD", "type": 1, "volume": 0.02, "position": ticket});
    bot.once().post("/api/v1/terminals/1001/trade", too_much).await.refused(422, "limit_exceeded");
    bot.once().post(&close(ticket), json!({"volume": 0.01})).await.expect(200);
    assert!(terminal.broker().positions().is_empty());
}

#[tokio::test]
async fn orders_are_counted_by_the_minute_and_by_the_day_over_restarts() {
    let mut hub = TestHub::start_with(hub_limits(Limits { orders_per_day: Some(3), ..Limits::default() })).await;
    let terminal = hub.terminal(1001).await;
    let bot = limited_key(&hub, json!({"orders_per_minute": 2})).await;
    bot.once().buy(1001).await.expect(200);
    bot.once().buy(1001).await.expect(200);
    assert_eq!(bot.once().buy(1001).await.refused(422, "limit_exceeded")["limit"], "orders_per_minute");
    hub.restart().await;
    hub.shows(&terminal.token, "connected").await;
    hub.admin().once().buy(1001).await.expect(200);
    let refused = hub.admin().once().buy(1001).await.refused(422, "limit_exceeded");
    assert_eq!((&refused["limit"], &refused["layer"], &refused["value"]), (&json!("orders_per_day"), &json!("hub"), &json!("3")));
    assert_eq!(terminal.broker().executed().len(), 3);
}

#[tokio::test]
async fn open_volume_counts_positions_pending_orders_and_what_is_under_way() {
    let hub = TestHub::start_with(hub_limits(Limits { max_open_volume: Some(1.0), ..Limits::default() })).await;
    let mut terminal = hub.fake(1001).await;
    let pending = Order { ticket: 70, symbol: "EURUSD".into(), kind: 2, volume_current: 0.3, ..Order::default() };
    let shown = Shown { positions: vec![Shown::long(7, 0.5)], orders: vec![pending], ..Shown::default() };
    let order = |volume: f64| json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": volume, "filling": "fok"});
    let api = hub.admin().with("prefer", "respond-async");
    let refused = shown.while_nothing_is_sent(&mut terminal, async { api.once().post(&orders(1001), order(0.21)).await }).await;
    let refused = refused.refused(422, "limit_exceeded");
    assert_eq!((&refused["limit"], &refused["asked"]), (&json!("max_open_volume"), &json!("1.01")));
    // Two at once for the last place: one takes it, and keeps it until it is proved not to have been executed.
    let two = async {
        tokio::join!(async { api.once().post(&orders(1001), order(0.2)).await }, async {
            api.once().post(&orders(1001), order(0.2)).await
        })
    };
    let ((one, other), trade) = tokio::join!(two, async {
        let trade = shown.trade(&mut terminal).await;
        // The other one asks too.
        for _ in 0..2 {
            assert!(shown.one(&mut terminal).await.is_none(), "both were sent");
        }
        trade
    });
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 422], "{} {}", one.json, other.json);
    terminal.send(ea_refused(&trade)).await;
    state_is(&hub, &trade.command.to_string(), "ea_refused").await;
    let third = api.once();
    let path = orders(1001);
    let (answer, _) = tokio::join!(third.post(&path, order(0.2)), shown.trade(&mut terminal));
    answer.expect(202);
}

#[tokio::test]
async fn a_price_far_from_the_market_is_refused() {
    let hub = TestHub::start_with(hub_limits(Limits { max_price_distance_percent: Some(5.0), ..Limits::default() })).await;
    let mut terminal = hub.fake(1001).await;
    let shown = Shown::default();
    let api = hub.admin().with("prefer", "respond-async");
    let pending = |price: f64| json!({"action": 5, "symbol": "EURUSD", "type": 2, "volume": 0.1, "price": price});
    let seen = |price: f64| json!({"request": {"action": 1, "symbol": "EURUSD", "volume": 0.1}, "seen_price": price, "max_slippage_points": 10});
    for (body, distance) in [(pending(1.0), "9.091"), (pending(0.011), "99.000"), (seen(1.2), "9.091")] {
        let refused =
            shown.while_nothing_is_sent(&mut terminal, async { api.once().post("/api/v1/terminals/1001/trade", body).await });
        let refused = refused.await.refused(422, "limit_exceeded");
        assert_eq!((&refused["limit"], &refused["asked"]), (&json!("max_price_distance_percent"), &json!(distance)));
    }
    for body in [pending(1.06), seen(1.1)] {
        let once = api.once();
        let (answer, _) = tokio::join!(once.post("/api/v1/terminals/1001/trade", body), shown.trade(&mut terminal));
        answer.expect(202);
    }
}

#[tokio::test]
async fn the_days_loss_counts_from_the_brokers_midnight_and_over_restarts() {
    let mut hub = TestHub::start_with(hub_limits(Limits { max_daily_loss: Some(100.0), ..Limits::default() })).await;
    let token = hub.mint_token().await;
    let midnight = 1_709_942_400;
    let equity = |equity: f64, after: i64| Status { equity, broker_time: midnight + after, ..all_on() };
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    terminal.is_let_in(1001).await;
    let order = json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.1, "filling": "fok"});
    let placed = async |hub: &TestHub, terminal: &mut FakeTerminal| {
        let api = hub.admin().once().with("prefer", "respond-async");
        let path = orders(1001);
        let posting = api.post(&path, order.clone());
        tokio::pin!(posting);
        loop {
            tokio::select! {
                answer = &mut posting => return answer,
                heard = terminal.next_whenever() => match heard {
                    Heard::Message(FromHub::Trade(trade)) => terminal.send(executed(&trade, 5)).await,
                    Heard::Message(FromHub::Acknowledge(_)) => {}
                    other => panic!("{other:?}"),
                },
            }
        }
    };
    // Each is told until the hub has taken it up: the day's beginning is looked at once a second.
    let comes_to = async |hub: &TestHub, terminal: &mut FakeTerminal, status: Status, wanted: u16, what: &str| {
        for _ in 0..200 {
            terminal.send(status.clone()).await;
            let answer = placed(hub, terminal).await;
            if answer.status == wanted {
                return answer;
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), terminal.next_whenever()).await;
        }
        panic!("{what}: not {wanted}");
    };
    comes_to(&hub, &mut terminal, equity(1_000.0, 10), 202, "the day begins").await;
    comes_to(&hub, &mut terminal, equity(901.0, 20), 202, "within").await;
    let refused = comes_to(&hub, &mut terminal, equity(900.0, 30), 422, "all of it is lost").await;
    let refused = refused.refused(422, "limit_exceeded");
    assert_eq!((&refused["limit"], &refused["asked"]), (&json!("max_daily_loss"), &json!("100.00")));
    drop(terminal);
    hub.restart().await;
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    terminal.send(terminal.hello(1001)).await;
    terminal.welcome().await;
    comes_to(&hub, &mut terminal, equity(900.0, 40), 422, "it is the same day after a restart").await;
    comes_to(&hub, &mut terminal, equity(900.0, 86_400), 202, "the next day begins with what is there").await;
    // The clock of the terminal's machine goes back over midnight and forward again: the day does not begin anew with what is left.
    comes_to(&hub, &mut terminal, equity(800.0, 50), 422, "an older day is the day that has begun").await;
    comes_to(&hub, &mut terminal, equity(800.0, 86_500), 422, "and goes on as it began").await;
    comes_to(&hub, &mut terminal, equity(801.0, 86_600), 202, "within").await;
}

#[tokio::test]
async fn the_same_order_within_a_moment_needs_to_be_meant() {
    let hub = TestHub::start_with(|config| config.trading.duplicate_window = Duration::from_secs(60)).await;
    let terminal = hub.terminal(1001).await;
    let first = hub.admin().once().buy(1001).await.expect(200);
    let refused = hub.admin().once().buy(1001).await.refused(422, "duplicate_order");
    assert_eq!(refused["command"], first["id"]);
    let mut meant = buy();
    meant["allow_duplicate"] = json!(true);
    hub.admin().once().post(&orders(1001), meant).await.expect(200);
    let mut other_side = buy();
    other_side["side"] = json!("sell");
    hub.admin().once().post(&orders(1001), other_side).await.expect(200);
    // What the broker rejected is no reason to refuse the next.
    let odd = json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.015});
    for _ in 0..2 {
        hub.admin().once().post(&orders(1001), odd.clone()).await.refused(422, "broker_rejected");
    }
    assert_eq!(terminal.broker().executed().len(), 3);
}

fn lots(side: &str, volume: f64) -> Value {
    json!({"symbol": "EURUSD", "side": side, "type": "market", "volume": volume, "filling": "fok"})
}

/// What the hub answers to an order or a closing that its terminal executes at once, as the broker's order `order`.
async fn done(shown: &Shown, terminal: &mut FakeTerminal, api: &Api, path: &str, body: Value, order: u64) -> Value {
    let api = api.once();
    let playing = async {
        let trade = shown.trade(terminal).await;
        terminal.send(executed(&trade, order)).await;
        // Until it is answered; one that is answered without having been sent shows why.
        std::future::pending().await
    };
    let executing = async {
        tokio::select! {
            answer = api.post(path, body) => answer,
            () = playing => unreachable!(),
        }
    };
    soon("it is executed", executing).await.expect(200)
}

#[tokio::test]
async fn what_was_just_opened_counts_until_the_terminal_shows_it_and_then_once() {
    let hub = TestHub::start_with(hub_limits(Limits { max_open_volume: Some(1.0), ..Limits::default() })).await;
    let mut terminal = hub.fake(1001).await;
    let mut shown = Shown::default();
    let (admin, path) = (hub.admin(), orders(1001));
    done(&shown, &mut terminal, &admin, &path, lots("buy", 0.5), 5).await;
    // MetaTrader has answered the order, and its list of positions does not show it yet.
    let api = admin.once();
    let refused = shown.while_nothing_is_sent(&mut terminal, api.post(&path, lots("buy", 0.75))).await;
    assert_eq!(refused.refused(422, "limit_exceeded")["asked"], "1.25");
    shown.positions = vec![Shown::long(5, 0.5)];
    let refused = shown.while_nothing_is_sent(&mut terminal, api.post(&path, lots("buy", 0.75))).await;
    assert_eq!(refused.refused(422, "limit_exceeded")["asked"], "1.25", "once and not twice");
    done(&shown, &mut terminal, &admin, &path, lots("buy", 0.5), 6).await;
}

#[tokio::test]
async fn a_position_that_shows_the_first_of_several_fills_counts_no_less_than_the_order() {
    let hub = TestHub::start_with(hub_limits(Limits { max_open_volume: Some(1.0), ..Limits::default() })).await;
    let mut terminal = hub.fake(1001).await;
    let mut shown = Shown::default();
    let (admin, path) = (hub.admin(), orders(1001));
    done(&shown, &mut terminal, &admin, &path, lots("buy", 0.5), 5).await;
    shown.positions = vec![Shown::long(5, 0.25)];
    let api = admin.once();
    let refused = shown.while_nothing_is_sent(&mut terminal, api.post(&path, lots("buy", 0.75))).await;
    assert_eq!(refused.refused(422, "limit_exceeded")["asked"], "1.25");
    done(&shown, &mut terminal, &admin, &path, lots("buy", 0.5), 6).await;
}

/// A broker whose pending order is filled between two questions.
#[tokio::test]
async fn a_pending_order_that_fills_while_the_terminal_is_asked_is_not_missed() {
    let hub = TestHub::start_with(hub_limits(Limits { max_open_volume: Some(1.0), ..Limits::default() })).await;
    let mut terminal = hub.fake(1001).await;
    let pending = Order { ticket: 70, symbol: "EURUSD".into(), kind: 2, volume_current: 0.9, ..Order::default() };
    let before = Shown { orders: vec![pending], ..Shown::default() };
    let after = Shown { positions: vec![Shown::long(70, 0.9)], ..Shown::default() };
    let (api, path) = (hub.admin().once().with("prefer", "respond-async"), orders(1001));
    let playing = async {
        before.while_first_is_asked(&mut terminal).await;
        after.while_nothing_is_sent(&mut terminal, std::future::pending::<()>()).await;
    };
    let refused = tokio::select! {
        answer = api.post(&path, lots("buy", 0.2)) => answer,
        () = playing => unreachable!(),
    };
    assert_eq!(refused.refused(422, "limit_exceeded")["limit"], "max_open_volume");
}

/// A terminal of a netting account, on which an order against a position closes it, and more than that turns it round.
async fn netting(hub: &TestHub) -> FakeTerminal {
    let token = hub.mint_token().await;
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    let hello = Hello { margin_mode: 0, ..terminal.hello(1001) };
    terminal.send(hello).await;
    terminal.welcome().await;
    terminal.send(all_on()).await;
    hub.shows(&token, "connected").await;
    terminal
}

fn closing(volume: f64) -> Value {
    json!({"volume": volume, "filling": "fok"})
}

#[tokio::test]
async fn a_close_that_would_turn_a_netting_position_round_is_refused() {
    let hub = TestHub::start().await;
    let mut terminal = netting(&hub).await;
    let shown = Shown { positions: vec![Shown::long(7, 1.0)], ..Shown::default() };
    let api = hub.admin().with("prefer", "respond-async");
    let (first, path) = (api.once(), close(7));
    let (answer, trade) = tokio::join!(first.post(&path, closing(0.75)), shown.trade(&mut terminal));
    answer.expect(202);
    // One close is under way: together they would sell more than there is.
    let second = api.once();
    let refused = shown.while_nothing_is_sent(&mut terminal, second.post(&path, closing(0.5))).await;
    assert!(refused.refused(409, "would_open")["message"].as_str().unwrap().contains("nothing was sent"));
    let (answer, _) = tokio::join!(second.post(&path, closing(0.25)), shown.trade(&mut terminal));
    answer.expect(202);
    terminal.send(ea_refused(&trade)).await;
}

#[tokio::test]
async fn a_close_that_was_just_done_is_still_taken_off_a_netting_position_that_does_not_show_it() {
    let hub = TestHub::start().await;
    let mut terminal = netting(&hub).await;
    let mut shown = Shown { positions: vec![Shown::long(7, 1.0)], ..Shown::default() };
    let (admin, path) = (hub.admin(), close(7));
    done(&shown, &mut terminal, &admin, &path, closing(0.75), 8).await;
    let api = admin.once();
    let refused = shown.while_nothing_is_sent(&mut terminal, api.post(&path, closing(0.5))).await;
    refused.refused(409, "would_open");
    // As soon as the list shows it, what is left can be closed; and so can a position that began since then.
    shown.positions = vec![Shown::long(7, 0.25)];
    done(&shown, &mut terminal, &admin, &path, closing(0.25), 9).await;
    shown.positions = vec![Shown::long(10, 1.0)];
    done(&shown, &mut terminal, &admin, &close(10), closing(1.0), 11).await;
}

#[tokio::test]
async fn a_change_of_the_position_is_no_sign_that_it_shows_a_deal_that_nobody_judged() {
    let hub = TestHub::start().await;
    let mut terminal = netting(&hub).await;
    let mut shown = Shown { positions: vec![Shown::long(7, 1.0)], ..Shown::default() };
    let admin = hub.admin();
    // Raw and without a limit or a switch in force: nobody asks what it does.
    let sell = json!({"action": 1, "symbol": "EURUSD", "type": 1, "volume": 0.75});
    done(&shown, &mut terminal, &admin, "/api/v1/terminals/1001/trade", sell, 8).await;
    assert_eq!(shown.looks.get(), 0);
    // A trailing stop changes the position, and its volume is the old one still.
    shown.positions = vec![Position { time_update_msc: i64::MAX, ..Shown::long(7, 1.0) }];
    let api = admin.once();
    let refused = shown.while_nothing_is_sent(&mut terminal, api.post(&close(7), closing(0.5))).await;
    refused.refused(409, "would_open");
}

/// It was judged when a kill switch came between its check and its send, and that is remembered: a list that shows it ends it.
#[tokio::test]
async fn a_deal_that_was_judged_at_its_send_is_looked_for_like_any_other() {
    let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
    let mut terminal = netting(&hub).await;
    let mut shown = Shown { positions: vec![Shown::long(7, 1.0)], ..Shown::default() };
    let admin = hub.admin();
    // It is checked and on its way to the disk when the switch is set, and comes off the disk after that.
    store.hang_on(records::COMMAND_LISTS);
    let sell = json!({"action": 1, "symbol": "EURUSD", "type": 1, "volume": 0.75});
    let killing = async {
        store.hung(1).await;
        set(&admin, "hub", "block").await;
        assert_eq!(shown.looks.get(), 0, "it was judged before");
        store.release();
    };
    tokio::join!(done(&shown, &mut terminal, &admin, "/api/v1/terminals/1001/trade", sell, 8), killing);
    assert_eq!(shown.looks.get(), 1, "it was judged at its send");
    shown.positions = vec![Shown::long(7, 0.25)];
    done(&shown, &mut terminal, &admin, &close(7), closing(0.25), 9).await;
}

#[tokio::test]
async fn a_refused_order_gives_its_place_back() {
    let limits = Limits { orders_per_day: Some(2), orders_per_minute: Some(2), max_open_volume: Some(1.0), ..Limits::default() };
    let hub = TestHub::start_with(|config| {
        config.trading.limits = limits;
        config.trading.duplicate_window = Duration::from_secs(60);
    })
    .await;
    let terminal = hub.terminal(1001).await;
    // The key has a place, and then the account's and the hub's judge.
    let bot = limited_key(&hub, json!({"orders_per_minute": 2, "orders_per_day": 2})).await;
    for _ in 0..3 {
        let refused = bot.once().post(&orders(1001), lots("buy", 1.5)).await.refused(422, "limit_exceeded");
        assert_eq!(refused["limit"], "max_open_volume");
    }
    bot.once().buy(1001).await.expect(200);
    for _ in 0..3 {
        bot.once().buy(1001).await.refused(422, "duplicate_order");
    }
    bot.once().post(&orders(1001), lots("buy", 0.02)).await.expect(200);
    let refused = bot.once().post(&orders(1001), lots("buy", 0.03)).await.refused(422, "limit_exceeded");
    assert_eq!((&refused["limit"], &refused["layer"]), (&json!("orders_per_minute"), &json!("key")));
    assert_eq!(terminal.broker().executed().len(), 2);
}

#[tokio::test]
async fn a_day_counts_the_same_commands_before_a_restart_and_after_it() {
    let mut hub = TestHub::start_with(hub_limits(Limits { orders_per_day: Some(3), ..Limits::default() })).await;
    let terminal = hub.terminal(1001).await;
    let ticket = hub.admin().once().buy(1001).await.expect(200)["result"]["order"].as_u64().unwrap();
    hub.admin().once().buy(1001).await.expect(200);
    hub.admin().once().post(&close(ticket), json!({})).await.expect(200);
    let is_full = async |hub: &TestHub| {
        let refused = hub.admin().once().buy(1001).await.refused(422, "limit_exceeded");
        assert_eq!((&refused["limit"], &refused["asked"]), (&json!("orders_per_day"), &json!("4")));
    };
    is_full(&hub).await;
    hub.restart().await;
    hub.shows(&terminal.token, "connected").await;
    is_full(&hub).await;
    let left = terminal.broker().positions()[0].ticket;
    hub.admin().once().post(&close(left), json!({})).await.expect(200);
}

#[tokio::test]
async fn a_limit_that_is_set_again_counts_what_was_ordered_while_there_was_none() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let bot = limited_key(&hub, json!({"orders_per_day": 2})).await;
    bot.once().buy(1001).await.expect(200);
    let path = format!("/api/v1/keys/{}", last_key(&hub).await);
    hub.admin().patch(&path, json!({"limits": {}})).await.expect(200);
    bot.once().buy(1001).await.expect(200);
    hub.admin().patch(&path, json!({"limits": {"orders_per_day": 2}})).await.expect(200);
    bot.once().buy(1001).await.refused(422, "limit_exceeded");
}

#[tokio::test]
async fn a_changed_price_is_judged_by_the_symbol_of_the_order_whatever_the_request_says() {
    let hub = TestHub::start_with(hub_limits(Limits { max_price_distance_percent: Some(5.0), ..Limits::default() })).await;
    let mut terminal = hub.fake(1001).await;
    let pending = Order { ticket: 70, symbol: "EURUSD".into(), kind: 2, volume_current: 0.1, ..Order::default() };
    let shown = Shown { orders: vec![pending], ..Shown::default() };
    let path = "/api/v1/terminals/1001/trade";
    let api = hub.admin().once().with("prefer", "respond-async");
    let change = |price: f64| json!({"action": 7, "order": 70, "symbol": "XAUUSD", "price": price});
    // The terminal has quotes of EURUSD alone: judged as gold, it could not be judged.
    let refused = shown.while_nothing_is_sent(&mut terminal, api.post(path, change(1.0))).await.refused(422, "limit_exceeded");
    assert_eq!((&refused["limit"], &refused["asked"]), (&json!("max_price_distance_percent"), &json!("9.091")));
    let (answer, trade) = tokio::join!(api.post(path, change(1.06)), shown.trade(&mut terminal));
    answer.expect(202);
    assert_eq!(trade.request.0.order, 70);
}

#[tokio::test]
async fn a_line_of_keys_is_counted_by_the_strictest_of_them_whichever_is_used() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let old = limited_key(&hub, json!({"orders_per_minute": 2, "orders_per_day": 2})).await;
    let path = format!("/api/v1/keys/{}", last_key(&hub).await);
    let new = hub.admin().post(&format!("{path}/rotate"), json!({"overlap_s": 600})).await.expect(201);
    let new = hub.api(new["key"].as_str().unwrap());
    hub.admin().patch(&path, json!({"limits": {}})).await.expect(200);
    let ticket = new.once().buy(1001).await.expect(200)["result"]["order"].as_u64().unwrap();
    old.once().buy(1001).await.expect(200);
    for key in [&new, &old] {
        let refused = key.once().buy(1001).await.refused(422, "limit_exceeded");
        assert_eq!((&refused["limit"], &refused["layer"]), (&json!("orders_per_minute"), &json!("key")));
    }
    old.once().post(&close(ticket), json!({})).await.expect(200);
    // A key that is revoked binds nobody.
    let strict = last_key(&hub).await;
    assert_eq!(hub.admin().delete(&format!("/api/v1/keys/{strict}")).await.status, 204);
    old.once().buy(1001).await.expect(200);
}

#[tokio::test]
async fn a_day_counts_what_was_ordered_on_an_account_that_is_disconnected_by_now() {
    let hub = TestHub::start().await;
    let (one, _other) = (hub.terminal(1001).await, hub.terminal(2002).await);
    let bot = limited_key(&hub, json!({})).await;
    bot.once().buy(1001).await.expect(200);
    bot.once().buy(2002).await.expect(200);
    let disconnect = format!("/api/v1/tokens/{}/disconnect", one.token.id);
    hub.admin().post(&disconnect, json!({"history": "keep"})).await.expect(200);
    let path = format!("/api/v1/keys/{}", last_key(&hub).await);
    hub.admin().patch(&path, json!({"limits": {"orders_per_day": 2}})).await.expect(200);
    let refused = bot.once().buy(2002).await.refused(422, "limit_exceeded");
    assert_eq!((&refused["limit"], &refused["asked"]), (&json!("orders_per_day"), &json!("3")));
}
