//! What goes out on the wire for each call in a bot's words, and what comes back in MetaTrader's.

use mtbridge::{
    domain::{
        market::BookLevel,
        trade::{Deal, Order, OrderCheck, Position, TradeRequest},
    },
    protocol::{
        FromHub,
        message::{GetDepth, SelectSymbol, reply_status},
    },
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Played, TestHub, World, orders};

const LOGIN: u64 = 1001;

fn path(rest: &str) -> String {
    format!("/api/v1/terminals/{LOGIN}/{rest}")
}

fn limit_order() -> Order {
    Order {
        ticket: 7,
        time_setup: 1_710_000_000,
        time_setup_msc: 1_710_000_000_250,
        kind: 2,
        type_filling: 2,
        state: 1,
        magic: 77,
        volume_initial: 0.3,
        volume_current: 0.3,
        price_open: 1.05,
        sl: 1.04,
        tp: 1.07,
        symbol: "EURUSD".into(),
        ..Order::default()
    }
}

fn position(ticket: u64, kind: u8, volume: f64) -> Position {
    let (symbol, time) = ("EURUSD".into(), 1_710_000_000);
    Position {
        ticket,
        kind,
        volume,
        symbol,
        time,
        identifier: ticket,
        price_open: 1.09,
        sl: 1.08,
        tp: 1.1,
        ..Position::default()
    }
}

async fn played(world: World) -> (TestHub, Played) {
    let hub = TestHub::start().await;
    let terminal = Played::enter(&hub, LOGIN, world, |_| {}).await;
    (hub, terminal)
}

impl Played {
    /// Calls with a key that was never used.
    async fn call(&mut self, hub: &TestHub, method: Method, rest: &str, body: Value) -> Answer {
        let api = hub.admin().once();
        self.during(async { api.send(method, &path(rest), Some(body.to_string())).await.unwrap() }).await
    }

    async fn read(&mut self, hub: &TestHub, rest: &str) -> Answer {
        let api: Api = hub.admin();
        self.during(async { api.get(&path(rest)).await }).await
    }
}

/// The request without what the hub adds to every one.
fn bare(request: TradeRequest) -> TradeRequest {
    TradeRequest { magic: 0, comment: String::new(), ..request }
}

#[tokio::test]
async fn every_kind_of_order_goes_out_in_metatraders_words() {
    let (hub, mut terminal) = played(World { filling: (2, 1), ..World::default() }).await;
    for (side, sell) in [("buy", 0_u8), ("sell", 1)] {
        let base = TradeRequest { symbol: "EURUSD".into(), volume: 0.2, sl: 1.01, tp: 1.2, ..TradeRequest::default() };
        let pending = TradeRequest { action: 5, price: 1.1, type_filling: 2, ..base.clone() };
        for (kind, more, expected) in [
            ("market", json!({"deviation": 3}), TradeRequest { action: 1, kind: sell, deviation: 3, ..base.clone() }),
            (
                "market",
                json!({"filling": "ioc"}),
                TradeRequest { action: 1, kind: sell, deviation: 10, type_filling: 1, ..base.clone() },
            ),
            ("limit", json!({"price": 1.1}), TradeRequest { kind: 2 + sell, ..pending.clone() }),
            ("stop", json!({"price": 1.1}), TradeRequest { kind: 4 + sell, ..pending.clone() }),
            (
                "stop_limit",
                json!({"price": 1.1, "stop_limit_price": 1.09}),
                TradeRequest { kind: 6 + sell, stoplimit: 1.09, ..pending.clone() },
            ),
            (
                "limit",
                json!({"price": 1.1, "time_in_force": "day", "filling": "boc"}),
                TradeRequest { kind: 2 + sell, type_time: 1, type_filling: 3, ..pending.clone() },
            ),
        ] {
            let mut order = json!({"symbol": "EURUSD", "side": side, "type": kind, "volume": 0.2, "sl": 1.01, "tp": 1.2});
            order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let command = terminal.call(&hub, Method::POST, "orders", order).await.expect(200);
            assert_eq!(bare(terminal.sent()), expected, "{side} {kind} {more}");
            assert_eq!(command["state"], if kind == "market" { "executed" } else { "placed" }, "{command}");
        }
    }
}

#[tokio::test]
async fn an_end_of_an_order_is_told_to_the_broker_in_its_own_time_of_that_season() {
    // The terminal measures +2 in March before the switch: a broker that keeps New York's summer time.
    let (hub, mut terminal) = played(World::default()).await;
    let utc = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
    let (winter, summer) = (utc("2099-01-15T12:00:00Z"), utc("2099-07-15T12:00:00Z"));
    for (at, expected) in [
        (json!("2099-01-15T12:00:00Z"), winter + 7_200),
        (json!("2099-07-15T12:00:00Z"), summer + 10_800),
        (json!(summer), summer + 10_800),
        (json!(summer * 1_000), summer + 10_800),
        (json!("2099-07-15T14:00:00+02:00"), summer + 10_800),
    ] {
        let order = json!({"symbol": "EURUSD", "side": "buy", "type": "limit", "volume": 0.1, "price": 1.0, "time_in_force": "gtd",
            "expires_at": at});
        terminal.call(&hub, Method::POST, "orders", order).await.expect(200);
        let sent = terminal.sent();
        assert_eq!((sent.type_time, sent.expiration), (2, expected), "{at}");
    }
}

#[tokio::test]
async fn what_an_order_lacks_or_has_for_nothing_is_named_and_nothing_is_sent() {
    let (hub, mut terminal) = played(World::default()).await;
    let market = json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.1});
    let limit = json!({"symbol": "EURUSD", "side": "buy", "type": "limit", "volume": 0.1, "price": 1.1});
    let stop_limit = json!({"symbol": "EURUSD", "side": "buy", "type": "stop_limit", "volume": 0.1, "price": 1.1});
    for (order, more, field) in [
        (&market, json!({"price": 1.1}), "price"),
        (&market, json!({"time_in_force": "day"}), "time_in_force"),
        (&market, json!({"expires_at": "2099-01-01T00:00:00Z"}), "time_in_force"),
        (&market, json!({"stop_limit_price": 1.1}), "stop_limit_price"),
        (&limit, json!({"price": null}), "price"),
        (&limit, json!({"price": 0}), "price"),
        (&limit, json!({"price": -1}), "price"),
        (&limit, json!({"deviation": 3}), "deviation"),
        (&limit, json!({"stop_limit_price": 1.1}), "stop_limit_price"),
        (&limit, json!({"seen_price": 1.1}), "seen_price"),
        (&limit, json!({"time_in_force": "gtd"}), "expires_at"),
        (&limit, json!({"expires_at": "2099-01-01T00:00:00Z"}), "expires_at"),
        (&limit, json!({"time_in_force": "gtd", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (&limit, json!({"time_in_force": "gtd", "expires_at": "soon"}), "expires_at"),
        (&limit, json!({"time_in_force": "forever"}), "time_in_force"),
        (&stop_limit, json!({}), "stop_limit_price"),
        (&stop_limit, json!({"stop_limit_price": -1}), "stop_limit_price"),
        (&stop_limit, json!({"allow_duplicate": "yes"}), "allow_duplicate"),
    ] {
        let mut order = order.clone();
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = terminal.call(&hub, Method::POST, "orders", order).await.refused(422, "validation_error");
        let pointers: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
        assert!(pointers.contains(&json!(format!("/{field}"))), "{more}: {refused}");
    }
    assert_eq!(terminal.trades(), []);
}

#[tokio::test]
async fn changing_an_order_keeps_what_is_left_out_and_clears_what_is_null() {
    let gtd = Order { type_time: 2, time_expiration: 4_000_000_000, ..limit_order() };
    let stop_limit = Order { ticket: 8, kind: 6, price_stoplimit: 1.06, ..gtd.clone() };
    let (hub, mut terminal) = played(World { orders: vec![gtd, stop_limit], ..World::default() }).await;
    let kept = TradeRequest {
        action: 7,
        order: 7,
        symbol: "EURUSD".into(),
        price: 1.05,
        sl: 1.04,
        tp: 1.07,
        kind: 2,
        type_filling: 2,
        type_time: 2,
        expiration: 4_000_000_000,
        ..TradeRequest::default()
    };
    let later = 4_083_940_800; // 2099-06-01T00:00:00Z
    for (ticket, change, expected) in [
        (7, json!({"price": 1.051}), TradeRequest { price: 1.051, ..kept.clone() }),
        (7, json!({"sl": null}), TradeRequest { sl: 0.0, ..kept.clone() }),
        (7, json!({"tp": null, "sl": 1.03}), TradeRequest { tp: 0.0, sl: 1.03, ..kept.clone() }),
        (7, json!({"time_in_force": "gtc"}), TradeRequest { type_time: 0, expiration: 0, ..kept.clone() }),
        (7, json!({"time_in_force": "day"}), TradeRequest { type_time: 1, expiration: 0, ..kept.clone() }),
        (7, json!({"time_in_force": "gtd"}), kept.clone()),
        (7, json!({"expires_at": null}), TradeRequest { type_time: 0, expiration: 0, ..kept.clone() }),
        (7, json!({"expires_at": later}), TradeRequest { expiration: later + 10_800, ..kept.clone() }),
        (8, json!({"stop_limit_price": 1.061}), TradeRequest { order: 8, kind: 6, stoplimit: 1.061, ..kept.clone() }),
        (8, json!({"price": 1.052}), TradeRequest { order: 8, kind: 6, stoplimit: 1.06, price: 1.052, ..kept.clone() }),
    ] {
        terminal.call(&hub, Method::PATCH, &format!("orders/{ticket}"), change.clone()).await.expect(200);
        assert_eq!(bare(terminal.sent()), expected, "{change}");
    }
    for (change, field) in [
        (json!({}), "body"),
        (json!({"price": null}), "price"),
        (json!({"time_in_force": null}), "time_in_force"),
        (json!({"stop_limit_price": 1.0}), "stop_limit_price"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"time_in_force": "day", "expires_at": later}), "expires_at"),
        (json!({"volume": 1}), "volume"),
        (json!({"sl": -1}), "sl"),
        (json!({"sl": "none"}), "sl"),
        (json!({"price": 1.06, "seen_price": 1.0}), "seen_price"),
    ] {
        let refused = terminal.call(&hub, Method::PATCH, "orders/7", change.clone()).await.refused(422, "validation_error");
        assert!(refused["message"].as_str().unwrap().contains(field), "{change}: {refused}");
    }
    terminal.call(&hub, Method::PATCH, "orders/9", json!({"price": 1.0})).await.refused(404, "order_not_found");
    terminal.call(&hub, Method::PATCH, "orders/x", json!({"price": 1.0})).await.refused(404, "not_found");
    assert_eq!(terminal.trades(), []);
}

#[tokio::test]
async fn changing_a_position_keeps_what_is_left_out_and_clears_what_is_null() {
    let (hub, mut terminal) = played(World { positions: vec![position(5, 0, 0.3)], ..World::default() }).await;
    for (change, sl, tp) in [
        (json!({"sl": 1.085}), 1.085, 1.1),
        (json!({"tp": 1.11}), 1.08, 1.11),
        (json!({"sl": null}), 0.0, 1.1),
        (json!({"tp": null, "sl": 1.081}), 1.081, 0.0),
        (json!({"sl": null, "tp": null}), 0.0, 0.0),
    ] {
        terminal.call(&hub, Method::PATCH, "positions/5", change.clone()).await.expect(200);
        let expected = TradeRequest { action: 6, position: 5, symbol: "EURUSD".into(), sl, tp, ..TradeRequest::default() };
        assert_eq!(bare(terminal.sent()), expected, "{change}");
    }
    terminal.call(&hub, Method::PATCH, "positions/5", json!({})).await.refused(422, "validation_error");
    terminal.call(&hub, Method::PATCH, "positions/6", json!({"sl": 1.0})).await.refused(404, "position_not_found");
    assert_eq!(terminal.trades(), []);
}

#[tokio::test]
async fn what_stands_and_cannot_be_read_is_not_changed() {
    let (hub, mut terminal) =
        played(World { orders: vec![limit_order()], positions: vec![position(5, 0, 0.3)], ..World::default() }).await;
    for (status, http, code) in [
        (reply_status::ERROR, 409, "terminal_error"),
        (reply_status::LOADING, 409, "terminal_loading"),
        (reply_status::UNSUPPORTED, 422, "unsupported"),
    ] {
        terminal.world.refuses = Some((status, "no"));
        for (method, rest, body) in [
            (Method::PATCH, "orders/7", json!({"sl": null})),
            (Method::PATCH, "positions/5", json!({"sl": null})),
            (Method::DELETE, "orders/7", json!({})),
            (Method::POST, "positions/5/close", json!({})),
            (Method::POST, "positions/close-all", json!({})),
        ] {
            terminal.call(&hub, method, rest, body).await.refused(http, code);
        }
    }
    assert_eq!(terminal.trades(), []);
    // Nothing of that used up a key.
    terminal.world.refuses = None;
    terminal.call(&hub, Method::DELETE, "orders/7", json!({})).await.expect(200);
    assert_eq!(terminal.trades().len(), 1);
}

#[tokio::test]
async fn cancelling_and_closing_go_out_as_they_are_meant() {
    let world = World {
        orders: vec![limit_order()],
        positions: vec![position(5, 0, 0.3), position(6, 1, 0.1), position(9, 0, 0.1)],
        filling: (2, 2),
        ..World::default()
    };
    let (hub, mut terminal) = played(world).await;
    terminal.call(&hub, Method::DELETE, "orders/7", json!({"client_order_id": "mine"})).await.expect(200);
    let cancel = TradeRequest { action: 8, order: 7, symbol: "EURUSD".into(), ..TradeRequest::default() };
    assert_eq!(bare(terminal.sent()), cancel);
    let close = TradeRequest {
        action: 1,
        position: 5,
        symbol: "EURUSD".into(),
        volume: 0.3,
        kind: 1,
        deviation: 10,
        type_filling: 1,
        ..TradeRequest::default()
    };
    for (ticket, body, expected) in [
        (5, json!({}), close.clone()),
        (5, json!({"volume": 0.1, "deviation": 0}), TradeRequest { volume: 0.1, deviation: 0, ..close.clone() }),
        (6, json!({"filling": "fok"}), TradeRequest { position: 6, volume: 0.1, kind: 0, type_filling: 0, ..close }),
        (
            5,
            json!({"by": 6}),
            TradeRequest { action: 10, position: 5, position_by: 6, symbol: "EURUSD".into(), ..TradeRequest::default() },
        ),
        (
            6,
            json!({"by": "5"}),
            TradeRequest { action: 10, position: 6, position_by: 5, symbol: "EURUSD".into(), ..TradeRequest::default() },
        ),
    ] {
        terminal.call(&hub, Method::POST, &format!("positions/{ticket}/close"), body.clone()).await.expect(200);
        assert_eq!(bare(terminal.sent()), expected, "{body}");
    }
    for (body, status, code) in [
        (json!({"by": 9}), 422, "validation_error"),
        (json!({"by": 5}), 422, "validation_error"),
        (json!({"by": 10}), 404, "position_not_found"),
        (json!({"by": 6, "volume": 0.1}), 422, "validation_error"),
        (json!({"by": 6, "filling": "fok"}), 422, "validation_error"),
        (json!({"volume": 0.31}), 422, "validation_error"),
        (json!({"volume": 0}), 422, "validation_error"),
    ] {
        terminal.call(&hub, Method::POST, "positions/5/close", body).await.refused(status, code);
    }
    terminal.call(&hub, Method::DELETE, "orders/8", json!({})).await.refused(404, "order_not_found");
    terminal.call(&hub, Method::DELETE, "orders/7", json!({"price": 1.0})).await.refused(422, "validation_error");
    assert_eq!(terminal.trades(), []);
}

#[tokio::test]
async fn a_netting_account_has_its_positions_by_symbol_and_nothing_to_close_them_by() {
    let hub = TestHub::start().await;
    let world = World { positions: vec![position(5, 1, 0.3)], ..World::default() };
    let mut terminal = Played::enter(&hub, LOGIN, world, |hello| hello.margin_mode = 0).await;
    assert_eq!(terminal.read(&hub, "positions/EURUSD").await.expect(200)["ticket"], 5);
    assert_eq!(terminal.read(&hub, "positions/5").await.expect(200)["symbol"], "EURUSD");
    terminal.read(&hub, "positions/GBPUSD").await.refused(404, "position_not_found");
    terminal.call(&hub, Method::POST, "positions/EURUSD/close", json!({})).await.expect(200);
    let sent = terminal.sent();
    assert_eq!((sent.action, sent.position, sent.kind, sent.volume), (1, 5, 0, 0.3));
    terminal.call(&hub, Method::PATCH, "positions/EURUSD", json!({"sl": null})).await.expect(200);
    assert_eq!(terminal.sent().position, 5);
    terminal.call(&hub, Method::POST, "positions/EURUSD/close", json!({"by": 6})).await.refused(422, "unsupported");
    let raw = json!({"action": 10, "position": 5, "position_by": 6});
    terminal.call(&hub, Method::POST, "trade", raw).await.refused(422, "unsupported");
    assert_eq!(terminal.trades(), []);
    let seen = hub.admin().get(&format!("/api/v1/terminals/{LOGIN}")).await.expect(200);
    assert_eq!(
        seen["capabilities"],
        json!({"depth": true, "ticks": true, "stop_limit": true, "orders_check": true, "close_by": false, "netting": true})
    );
}

#[tokio::test]
async fn what_metatrader_4_cannot_do_is_told_before_anything_is_sent() {
    let hub = TestHub::start().await;
    let mut terminal = Played::enter(&hub, LOGIN, World::default(), |hello| hello.platform = 4).await;
    let seen = hub.admin().get(&format!("/api/v1/terminals/{LOGIN}")).await.expect(200);
    assert_eq!(
        seen["capabilities"],
        json!({"depth": false, "ticks": false, "stop_limit": false, "orders_check": false, "close_by": true, "netting": false})
    );
    let order =
        json!({"symbol": "EURUSD", "side": "sell", "type": "stop_limit", "volume": 0.1, "price": 1.0, "stop_limit_price": 1.1});
    let refused = terminal.call(&hub, Method::POST, "orders", order.clone()).await.refused(422, "unsupported");
    assert!(refused["message"].as_str().unwrap().contains("MetaTrader 4"), "{refused}");
    terminal.call(&hub, Method::POST, "orders/check", order).await.refused(422, "unsupported");
    let raw = json!({"action": 5, "symbol": "EURUSD", "type": 7, "volume": 0.1, "price": 1.0, "stoplimit": 1.1});
    terminal.call(&hub, Method::POST, "trade", raw).await.refused(422, "unsupported");
    let order = json!({"symbol": "EURUSD", "side": "sell", "type": "market", "volume": 0.1, "magic": 0x8000_0000_u32});
    terminal.call(&hub, Method::POST, "orders/check", order.clone()).await.refused(422, "validation_error");
    let refused = terminal.call(&hub, Method::POST, "orders", order).await.refused(422, "validation_error");
    assert_eq!(refused["errors"][0]["pointer"], "/magic", "{refused}");
    let raw = |magic: u32| json!({"action": 1, "symbol": "EURUSD", "volume": 0.1, "magic": magic});
    terminal.call(&hub, Method::POST, "trade", raw(0x8000_0000)).await.refused(422, "validation_error");
    assert_eq!(terminal.trades(), [], "31 bits are kept, and what was cut would be found by nobody");
    assert_eq!(hub.admin().get("/api/v1/commands").await.expect(200)["data"], json!([]));
    terminal.call(&hub, Method::POST, "trade", raw(0x7fff_ffff)).await.expect(200);
    assert_eq!(terminal.sent().magic, 0x7fff_ffff);
    terminal.world.refuses = Some((reply_status::UNSUPPORTED, "MetaTrader 4 has no depth of market"));
    let refused = terminal.read(&hub, "depth/EURUSD").await.refused(422, "unsupported");
    assert_eq!(refused["message"], "MetaTrader 4 has no depth of market");
    assert_eq!(terminal.trades(), []);
}

#[tokio::test]
async fn a_raw_trade_goes_out_as_it_came_in_either_form() {
    let (hub, mut terminal) = played(World::default()).await;
    let request = json!({"action": 5, "symbol": "EURUSD", "type": 3, "volume": 0.1, "price": 1.2, "type_time": 3, "magic": 5,
        "expiration": 4_000_000_000_i64, "type_filling": 2, "comment": "x"});
    let expected: TradeRequest = serde_json::from_value(request.clone()).unwrap();
    for body in [request.clone(), json!({"request": request, "ttl_ms": 5_000, "allow_duplicate": true, "client_order_id": "raw"})]
    {
        let command = terminal.call(&hub, Method::POST, "trade", body.clone()).await.expect(200);
        let sent = terminal.sent();
        assert!(sent.comment.ends_with(" x"), "{sent:?}");
        assert_eq!(TradeRequest { comment: "x".into(), ..sent }, expected, "{body}");
        assert_eq!(command["client_order_id"], if body.get("request").is_some() { json!("raw") } else { Value::Null });
    }
    let guarded = json!({"request": {"action": 8, "order": 5}, "seen_price": 1.0});
    terminal.call(&hub, Method::POST, "trade", guarded).await.refused(422, "validation_error");
    let stray = json!({"action": 1, "symbol": "EURUSD", "volume": 0.1, "ttl_ms": 5});
    terminal.call(&hub, Method::POST, "trade", stray).await.refused(422, "validation_error");
}

#[tokio::test]
async fn orders_and_positions_are_chosen_by_symbol_group_and_magic() {
    let named = |ticket, symbol: &str, magic| Order { ticket, symbol: symbol.into(), magic, ..limit_order() };
    let held = |ticket, symbol: &str, magic| Position { symbol: symbol.into(), magic, ..position(ticket, 0, 0.1) };
    let rows = [(1, "EURUSD", 5), (2, "EURGBP", 6), (3, "GBPJPY", 5)];
    let world = World {
        orders: rows.iter().map(|(ticket, symbol, magic)| named(*ticket, symbol, *magic)).collect(),
        positions: rows.iter().map(|(ticket, symbol, magic)| held(*ticket, symbol, *magic)).collect(),
        ..World::default()
    };
    let (hub, mut terminal) = played(world).await;
    for kind in ["orders", "positions"] {
        for (query, expected) in [
            ("", vec![1, 2, 3]),
            ("?symbol=EURUSD", vec![1]),
            ("?group=EUR*", vec![1, 2]),
            ("?group=*,!*GBP*", vec![1]),
            ("?magic=5", vec![1, 3]),
            ("?magic=5&group=*JPY", vec![3]),
            ("?symbol=XAUUSD", vec![]),
        ] {
            let answer = terminal.read(&hub, &format!("{kind}{query}")).await.expect(200);
            let tickets: Vec<_> = answer["data"].as_array().unwrap().iter().map(|row| row["ticket"].as_u64().unwrap()).collect();
            assert_eq!(tickets, expected, "{kind}{query}");
        }
        terminal.read(&hub, &format!("{kind}?tickets=1")).await.refused(422, "validation_error");
    }
}

#[tokio::test]
async fn an_order_is_shown_with_all_its_fields_names_and_times() {
    let gtd = Order { type_time: 2, time_expiration: 1_720_000_000, reason: 3, ..limit_order() };
    let (hub, mut terminal) = played(World { orders: vec![gtd], ..World::default() }).await;
    let order = terminal.read(&hub, "orders/7").await.expect(200);
    let words = ["type", "type_time", "type_filling", "state", "reason"].map(|field| order[format!("{field}_name")].clone());
    assert_eq!(words, ["buy_limit", "specified", "return", "placed", "expert"].map(Value::from));
    assert_eq!((&order["ticket"], &order["volume_current"], &order["price_open"]), (&json!(7), &json!(0.3), &json!(1.05)));
    assert_eq!((&order["time_setup"], &order["broker_time_setup"]), (&json!("2024-03-09T14:00:00.250Z"), &json!(1_710_000_000)));
    assert_eq!((&order["time_done"], &order["broker_time_done"]), (&Value::Null, &Value::Null), "not yet");
    // In July the broker is three hours ahead.
    assert_eq!(order["time_expiration_msc"], json!((1_720_000_000_i64 - 10_800) * 1_000));
    for field in ["price_stoplimit", "position_id", "position_by_id", "volume_initial", "sl", "tp", "comment", "external_id"] {
        assert!(!order[field].is_null(), "{field}: {order}");
    }
    terminal.read(&hub, "orders/8").await.refused(404, "order_not_found");
    for ticket in ["x", "-1", "18446744073709551616"] {
        terminal.read(&hub, &format!("orders/{ticket}")).await.refused(404, "not_found");
    }
}

fn deal(ticket: u64, order: u64, time: i64, symbol: &str) -> Deal {
    Deal { ticket, order, time, time_msc: time * 1_000, symbol: symbol.into(), position_id: order, ..Deal::default() }
}

/// Pages through until the end.
async fn paged(terminal: &mut Played, hub: &TestHub, rest: &str) -> (Vec<u64>, usize) {
    let (mut tickets, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = terminal.read(hub, &format!("{rest}{cursor}")).await.expect(200);
        pages += 1;
        tickets.extend(page["data"].as_array().unwrap().iter().map(|row| row["ticket"].as_u64().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { return (tickets, pages) };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn history_is_paged_whole_though_many_rows_share_a_second() {
    let start = 1_710_000_000;
    // Seven in one second, then others.
    let seconds = [0, 0, 0, 0, 0, 0, 0, 1, 1, 5, 9, 9, 9];
    let symbol = |n: usize| if n.is_multiple_of(3) { "GBPUSD" } else { "EURUSD" };
    let deals: Vec<_> = (0..).zip(seconds).map(|(n, second)| deal(n + 1, 100 + n, start + second, symbol(n as usize))).collect();
    let ends = |deal: &Deal| Order { ticket: deal.ticket, time_done: deal.time, symbol: deal.symbol.clone(), ..limit_order() };
    let past_orders: Vec<_> = deals.iter().map(ends).collect();
    let (hub, mut terminal) = played(World { deals, past_orders, ..World::default() }).await;
    for kind in ["history/deals", "history/orders"] {
        for limit in [1, 2, 3, 5, 13, 500] {
            let (tickets, pages) = paged(&mut terminal, &hub, &format!("{kind}?limit={limit}")).await;
            assert_eq!(tickets, (1..=13).collect::<Vec<_>>(), "{kind} by {limit}");
            assert_eq!(pages, 13_usize.div_ceil(limit), "{kind} by {limit}: no empty page at the end");
        }
        let (tickets, _) = paged(&mut terminal, &hub, &format!("{kind}?limit=2&symbol=GBPUSD")).await;
        assert_eq!(tickets, [1, 4, 7, 10, 13], "{kind}");
        let (tickets, _) = paged(&mut terminal, &hub, &format!("{kind}?limit=2&group=*,!GBP*")).await;
        assert_eq!(tickets, [2, 3, 5, 6, 8, 9, 11, 12], "{kind}");
        // Broker time is two hours ahead of UTC; both ends count.
        let span = format!("{kind}?from={}&to={}", start + 1 - 7_200, start + 5 - 7_200);
        assert_eq!(paged(&mut terminal, &hub, &span).await.0, [8, 9, 10], "{kind}");
        for wrong in ["cursor=x", "cursor=5", "from=yesterday", "limit=x", "tickets=1"] {
            terminal.read(&hub, &format!("{kind}?{wrong}")).await.refused(422, "validation_error");
        }
    }
}

#[tokio::test]
async fn more_history_found_while_somebody_pages_neither_repeats_nor_hides_a_row() {
    let start = 1_710_000_000;
    let deals = (0..6).map(|n| deal(10 + n, 10, start + i64::try_from(n).unwrap(), "EURUSD")).collect();
    let (hub, mut terminal) = played(World { deals, ..World::default() }).await;
    let first = terminal.read(&hub, "history/deals?limit=3").await.expect(200);
    // The terminal loads an older month.
    terminal.world.deals.insert(0, deal(1, 1, start - 1_000_000, "EURUSD"));
    let next = first["next_cursor"].as_str().unwrap();
    let (tickets, _) = paged(&mut terminal, &hub, &format!("history/deals?limit=3&cursor={next}")).await;
    assert_eq!(tickets, [13, 14, 15]);
}

#[tokio::test]
async fn a_ticket_means_an_order_and_where_there_is_none_a_deal() {
    let start = 1_710_000_000;
    let deals = vec![deal(50, 40, start, "EURUSD"), deal(51, 50, start + 1, "EURUSD"), deal(52, 50, start + 2, "EURUSD")];
    let past_orders = vec![Order { ticket: 50, time_done: start, position_id: 9, ..limit_order() }];
    let (hub, mut terminal) = played(World { deals, past_orders, ..World::default() }).await;
    for (query, expected) in [
        ("ticket=50", vec![51, 52]),
        ("ticket=51", vec![51]),
        ("ticket=40", vec![50]),
        ("ticket=99", vec![]),
        ("order=50", vec![51, 52]),
        ("order=51", vec![]),
        ("position=40", vec![50]),
    ] {
        let (tickets, _) = paged(&mut terminal, &hub, &format!("history/deals?{query}")).await;
        assert_eq!(tickets, expected, "{query}");
    }
    for (query, expected) in [("order=50", vec![50]), ("ticket=50", vec![50]), ("ticket=51", vec![]), ("position=9", vec![50])] {
        let (tickets, _) = paged(&mut terminal, &hub, &format!("history/orders?{query}")).await;
        assert_eq!(tickets, expected, "{query}");
    }
}

#[tokio::test]
async fn history_and_depth_that_still_load_are_an_answer() {
    let (hub, mut terminal) = played(World { refuses: Some((reply_status::LOADING, "")), ..World::default() }).await;
    for rest in ["history/deals", "history/orders", "depth/EURUSD"] {
        let answer = terminal.read(&hub, rest).await;
        assert_eq!(answer.header("retry-after"), "1", "{rest}");
        let answer = answer.expect(200);
        assert_eq!((&answer["loading"], &answer["data"]), (&json!(true), &json!([])), "{rest}");
    }
}

#[tokio::test]
async fn depth_is_shown_level_by_level() {
    let level = |kind, price, volume_real| BookLevel { kind, price, volume: 1, volume_real };
    let depth = vec![level(1, 1.0951, 1.5), level(1, 1.095, 1.0), level(2, 1.0949, 1.25), level(4, 1.0948, 0.5)];
    let (hub, mut terminal) = played(World { depth, ..World::default() }).await;
    let answer = terminal.read(&hub, "depth/EURUSD").await.expect(200);
    assert_eq!((&answer["symbol"], &answer["loading"]), (&json!("EURUSD"), &json!(false)));
    let sides: Vec<_> = answer["data"].as_array().unwrap().iter().map(|level| level["type_name"].clone()).collect();
    assert_eq!(sides, ["sell", "sell", "buy", "buy_market"].map(Value::from));
    assert_eq!(answer["data"][0], json!({"type": 1, "type_name": "sell", "price": 1.0951, "volume": 1, "volume_real": 1.5}));
    let [FromHub::GetDepth(GetDepth { symbol, .. })] = terminal.heard.as_slice() else { panic!("{:?}", terminal.heard) };
    assert_eq!(symbol, "EURUSD");
}

#[tokio::test]
async fn the_watchlist_is_changed_without_a_trade() {
    let (hub, mut terminal) = played(World::default()).await;
    let api = hub.mint_key(&["read:symbols"]).await;
    for (method, expected) in [(Method::PUT, true), (Method::DELETE, false)] {
        let answer = terminal.during(async { api.send(method, &path("watchlist/EURUSD.m"), None).await.unwrap() }).await;
        assert_eq!((answer.status, answer.bytes.len()), (204, 0));
        let heard = std::mem::take(&mut terminal.heard);
        let [FromHub::SelectSymbol(SelectSymbol { symbol, on, .. })] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!((symbol.as_str(), *on), ("EURUSD.m", expected));
    }
    terminal.world.refuses = Some((reply_status::NOT_FOUND, ""));
    let answer = terminal.during(async { api.send(Method::PUT, &path("watchlist/NONE"), None).await.unwrap() }).await;
    answer.refused(404, "symbol_not_found");
}

#[tokio::test]
async fn a_check_asks_the_terminal_about_the_very_order_and_sends_none() {
    let check = OrderCheck { retcode: 10_019, balance: 100.0, margin: 109.4, margin_free: -9.4, ..OrderCheck::default() };
    let (hub, mut terminal) = played(World { check, filling: (2, 2), ..World::default() }).await;
    let api = hub.mint_key(&["read:account"]).await;
    let body =
        json!({"symbol": "EURUSD", "side": "sell", "type": "market", "volume": 0.1, "magic": "9", "allow_duplicate": true});
    let answer = terminal.during(async { api.post(&path("orders/check"), body).await }).await.expect(200);
    assert_eq!((&answer["ok"], &answer["retcode_name"]), (&json!(false), &json!("no_money")));
    assert_eq!((&answer["margin"], &answer["margin_free"], &answer["balance"]), (&json!(109.4), &json!(-9.4), &json!(100.0)));
    assert_eq!((&answer["request"]["type_name"], &answer["request"]["type_filling_name"]), (&json!("sell"), &json!("ioc")));
    let heard = std::mem::take(&mut terminal.heard);
    let Some(FromHub::CheckOrder(asked)) = heard.last() else { panic!("{heard:?}") };
    let expected = TradeRequest {
        action: 1,
        symbol: "EURUSD".into(),
        kind: 1,
        volume: 0.1,
        magic: 9,
        deviation: 10,
        type_filling: 1,
        ..TradeRequest::default()
    };
    assert_eq!(asked.request.0, expected);
    terminal.world.check.retcode = 0;
    let limit = json!({"symbol": "EURUSD", "side": "buy", "type": "limit", "volume": 0.1, "price": 1.0});
    let answer = terminal.during(async { api.post(&path("orders/check"), limit).await }).await.expect(200);
    assert_eq!((&answer["ok"], &answer["retcode"]), (&json!(true), &json!(0)));
    api.post(&path("orders/check"), json!({"symbol": "EURUSD"})).await.refused(422, "validation_error");
    api.once().post(&orders(LOGIN), json!({})).await.refused(403, "forbidden");
}

#[tokio::test]
async fn margin_and_profit_are_the_terminals_own_arithmetic() {
    let (hub, mut terminal) = played(World { amount: 109.338, ..World::default() }).await;
    let api = hub.mint_key(&["read:account"]).await;
    for (body, kind, price) in [
        (json!({"symbol": "EURUSD", "side": "buy", "volume": 0.1}), 0, 0.0),
        (json!({"symbol": "EURUSD", "side": "sell", "volume": 0.1, "price": 1.1}), 1, 1.1),
    ] {
        let answer = terminal.during(async { api.post(&path("calc/margin"), body).await }).await.expect(200);
        assert_eq!(answer, json!({"margin": 109.338, "currency": "USD"}));
        let Some(FromHub::CalcMargin(asked)) = terminal.heard.pop() else { panic!() };
        assert_eq!((asked.kind, asked.volume, asked.price, asked.symbol.as_str()), (kind, 0.1, price, "EURUSD"));
    }
    terminal.world.amount = -10.5;
    let body = json!({"symbol": "EURUSD", "side": "sell", "volume": 0.1, "price_open": 1.09, "price_close": 1.1});
    let answer = terminal.during(async { api.post(&path("calc/profit"), body).await }).await.expect(200);
    assert_eq!(answer, json!({"profit": -10.5, "currency": "USD"}));
    let Some(FromHub::CalcProfit(asked)) = terminal.heard.pop() else { panic!() };
    assert_eq!((asked.kind, asked.price_open, asked.price_close), (1, 1.09, 1.1));
    for (rest, body) in [
        ("calc/margin", json!({"symbol": "EURUSD", "side": "buy", "volume": 0})),
        ("calc/margin", json!({"symbol": "EURUSD", "side": "buy", "volume": 1, "price": -1})),
        ("calc/margin", json!({"symbol": "EURUSD", "side": "hold", "volume": 1})),
        ("calc/profit", json!({"symbol": "EURUSD", "side": "buy", "volume": 1, "price_open": 1})),
        ("calc/profit", json!({"symbol": "EURUSD", "side": "buy", "volume": 1, "price_open": 1, "price_close": 1, "x": 1})),
    ] {
        api.post(&path(rest), body).await.refused(422, "validation_error");
    }
}

#[tokio::test]
async fn commands_are_found_by_the_callers_own_reference() {
    let (hub, mut terminal) = played(World { orders: vec![limit_order()], ..World::default() }).await;
    let order = |reference: &str| json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.1, "client_order_id": reference});
    let mut made = Vec::new();
    for reference in ["a", "b", "a"] {
        let command = terminal.call(&hub, Method::POST, "orders", order(reference)).await.expect(200);
        made.push((reference, command["id"].clone()));
    }
    let cancel = terminal.call(&hub, Method::DELETE, "orders/7", json!({"client_order_id": "a"})).await.expect(200);
    made.push(("a", cancel["id"].clone()));
    for (reference, count) in [("a", 3), ("b", 1), ("c", 0), ("A", 0)] {
        let found = hub.admin().get(&format!("/api/v1/commands?client_order_id={reference}")).await.expect(200);
        let ids: Vec<_> = found["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
        let expected: Vec<_> = made.iter().filter(|(of, _)| *of == reference).map(|(_, id)| id.clone()).collect();
        assert_eq!((ids.len(), &ids), (count, &expected), "{reference}");
    }
    let page = hub.admin().get("/api/v1/commands?client_order_id=a&limit=2").await.expect(200);
    let next = page["next_cursor"].as_str().unwrap();
    let rest = hub.admin().get(&format!("/api/v1/commands?client_order_id=a&limit=2&cursor={next}")).await.expect(200);
    assert_eq!(rest["data"][0]["id"], made[3].1);
    // Deleted with the account's history.
    let token = terminal.terminal.token.clone();
    hub.admin().post(&format!("/api/v1/tokens/{}/disconnect", token.id), json!({"history": "delete"})).await.expect(200);
    let mut terminal = comes_back(&hub, &token).await;
    assert_eq!(hub.admin().get("/api/v1/commands?client_order_id=a").await.expect(200)["data"], json!([]));
    terminal.read(&hub, "orders").await.expect(200);
}

/// The terminal comes back with the same token.
async fn comes_back(hub: &TestHub, token: &crate::harness::Token) -> Played {
    let terminal = crate::harness::FakeTerminal::enter(hub.addr(), token, LOGIN).await;
    Played { terminal, world: World::default(), heard: Vec::new() }
}
