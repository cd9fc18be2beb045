//! Every call in a bot's words, carried out by a paper broker on real bars.

use mtbridge::domain::account::Platform;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Terminal, TestHub, eventually, orders, platform};

const LOGIN: u64 = 1001;

fn path(rest: &str) -> String {
    format!("/api/v1/terminals/{LOGIN}/{rest}")
}

async fn call(hub: &TestHub, method: Method, rest: &str, body: Value) -> Answer {
    hub.admin().once().send(method, &path(rest), Some(body.to_string())).await.unwrap()
}

async fn quote(hub: &TestHub) -> (f64, f64) {
    let quotes = hub.admin().get(&path("quotes?symbols=EURUSD")).await.expect(200);
    (quotes["data"][0]["bid"].as_f64().unwrap(), quotes["data"][0]["ask"].as_f64().unwrap())
}

/// Rounded as EURUSD is quoted.
fn price(value: f64) -> f64 {
    (value * 1e5).round() / 1e5
}

async fn market(hub: &TestHub, side: &str, volume: f64) -> u64 {
    let body = json!({"symbol": "EURUSD", "side": side, "type": "market", "volume": volume});
    let done = call(hub, Method::POST, "orders", body).await.expect(200);
    done["result"]["order"].as_u64().unwrap()
}

async fn open_positions(hub: &TestHub) -> Vec<(u64, String, f64)> {
    let positions = hub.admin().get(&path("positions")).await.expect(200);
    let row = |row: &Value| {
        (row["ticket"].as_u64().unwrap(), row["type_name"].as_str().unwrap().to_owned(), row["volume"].as_f64().unwrap())
    };
    positions["data"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn every_pending_order_is_placed_shown_changed_and_cancelled() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(LOGIN).await;
    let (bid, ask) = quote(&hub).await;
    let (below, above) = (price(bid - 0.02), price(ask + 0.02));
    let kinds = [
        ("buy", "limit", below, Value::Null, "buy_limit"),
        ("sell", "limit", above, Value::Null, "sell_limit"),
        ("buy", "stop", above, Value::Null, "buy_stop"),
        ("sell", "stop", below, Value::Null, "sell_stop"),
        ("buy", "stop_limit", above, json!(price(above - 0.01)), "buy_stop_limit"),
        ("sell", "stop_limit", below, json!(price(below + 0.01)), "sell_stop_limit"),
    ];
    for (side, kind, at, limit, name) in kinds {
        let mut body = json!({"symbol": "EURUSD", "side": side, "type": kind, "volume": 0.1, "price": at,
            "time_in_force": "gtd", "expires_at": "2030-01-01T00:00:00Z"});
        if !limit.is_null() {
            body["stop_limit_price"] = limit.clone();
        }
        let placed = call(&hub, Method::POST, "orders", body).await;
        if !limit.is_null() && platform() == Platform::Mt4 {
            placed.refused(422, "unsupported");
            continue;
        }
        let placed = placed.expect(200);
        assert_eq!(placed["state"], "placed", "{placed}");
        let ticket = placed["result"]["order"].as_u64().unwrap();
        let rest = format!("orders/{ticket}");
        let order = hub.admin().get(&path(&rest)).await.expect(200);
        assert_eq!(
            (&order["type_name"], &order["price_open"], &order["state_name"]),
            (&json!(name), &json!(at), &json!("placed"))
        );
        assert_eq!(
            (&order["time_expiration"], &order["type_time_name"]),
            (&json!("2030-01-01T00:00:00.000Z"), &json!("specified"))
        );
        assert!(limit.is_null() || order["price_stoplimit"] == limit, "{order}");
        // A stop loss and a take profit further out than either price.
        let (sl, tp) =
            if side == "buy" { (price(below - 0.02), price(above + 0.02)) } else { (price(above + 0.02), price(below - 0.02)) };
        call(&hub, Method::PATCH, &rest, json!({"sl": sl, "tp": tp})).await.expect(200);
        call(&hub, Method::PATCH, &rest, json!({"tp": null, "time_in_force": "gtc"})).await.expect(200);
        let order = hub.admin().get(&path(&rest)).await.expect(200);
        assert_eq!((&order["sl"], &order["tp"], &order["price_open"]), (&json!(sl), &json!(0.0), &json!(at)), "{name}: {order}");
        assert_eq!((&order["time_expiration"], &order["type_time_name"]), (&Value::Null, &json!("gtc")));
        assert!(limit.is_null() || order["price_stoplimit"] == limit, "{name}: {order}");
        let cancelled = call(&hub, Method::DELETE, &rest, json!({})).await.expect(200);
        assert_eq!(cancelled["state"], "executed", "{cancelled}");
        hub.admin().get(&path(&rest)).await.refused(404, "order_not_found");
        call(&hub, Method::DELETE, &rest, json!({})).await.refused(404, "order_not_found");
        let past = hub.admin().get(&path(&format!("history/orders?ticket={ticket}"))).await.expect(200);
        assert_eq!((&past["data"][0]["state_name"], &past["data"][0]["type_name"]), (&json!("canceled"), &json!(name)));
    }
    assert_eq!(hub.admin().get(&path("orders")).await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn what_the_broker_says_of_an_order_that_cannot_stand_is_told() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(LOGIN).await;
    let (bid, _) = quote(&hub).await;
    // A buy limit above the market.
    let body = json!({"symbol": "EURUSD", "side": "buy", "type": "limit", "volume": 0.1, "price": price(bid + 0.02)});
    let refused = call(&hub, Method::POST, "orders", body.clone()).await.refused(422, "broker_rejected");
    assert_eq!(refused["retcode_name"], "invalid_price", "{refused}");
    let check = hub.admin().post(&path("orders/check"), body).await.expect(200);
    assert_eq!((&check["ok"], &check["retcode_name"]), (&json!(false), &json!("invalid_price")), "{check}");
    let ticket = market(&hub, "buy", 0.1).await;
    let same = json!({"sl": null});
    let refused = call(&hub, Method::PATCH, &format!("positions/{ticket}"), same).await.refused(422, "broker_rejected");
    assert_eq!(refused["retcode_name"], "no_changes", "{refused}");
}

#[tokio::test]
async fn a_pending_order_that_is_reached_becomes_a_position_and_history() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal_with(LOGIN, |config| config.speed = 3_600.0).await;
    let (bid, ask) = quote(&hub).await;
    let mut placed = Vec::new();
    for (side, at) in [("buy", price(bid - 0.0005)), ("sell", price(ask + 0.0005))] {
        let body = json!({"symbol": "EURUSD", "side": side, "type": "limit", "volume": 0.1, "price": at});
        let answer = call(&hub, Method::POST, "orders", body).await;
        // At this speed the price may have passed it already.
        if answer.status == 200 {
            placed.push(answer.json["result"]["order"].as_u64().unwrap());
        }
    }
    let ticket = eventually("one of them is filled", async || {
        let mut seen = Vec::new();
        for ticket in &placed {
            let past = hub.admin().get(&path(&format!("history/orders?order={ticket}"))).await.expect(200);
            seen.push(past["data"].to_string());
            // For MetaTrader 4 it is the same order, open now.
            let is_open = platform() == Platform::Mt4 && open_positions(&hub).await.iter().any(|(open, ..)| open == ticket);
            if is_open || past["data"][0]["state_name"] == "filled" {
                return Ok(*ticket);
            }
        }
        Err(format!("{seen:?}"))
    })
    .await;
    let deals = hub.admin().get(&path(&format!("history/deals?order={ticket}"))).await.expect(200);
    let deal = &deals["data"][0];
    assert_eq!((&deal["entry_name"], &deal["volume"]), (&json!("in"), &json!(0.1)), "{deals}");
    let position = deal["position_id"].as_u64().unwrap();
    assert!(open_positions(&hub).await.iter().any(|(ticket, _, volume)| (*ticket, *volume) == (position, 0.1)));
    hub.admin().get(&path(&format!("orders/{ticket}"))).await.refused(404, "order_not_found");
}

#[tokio::test]
async fn a_position_is_changed_closed_in_part_and_by_an_opposite_one() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(LOGIN).await;
    let (bid, ask) = quote(&hub).await;
    let long = market(&hub, "buy", 0.3).await;
    let rest = format!("positions/{long}");
    let (sl, tp) = (price(bid - 0.01), price(ask + 0.01));
    call(&hub, Method::PATCH, &rest, json!({"sl": sl, "tp": tp})).await.expect(200);
    call(&hub, Method::PATCH, &rest, json!({"sl": null})).await.expect(200);
    let position = hub.admin().get(&path(&rest)).await.expect(200);
    assert_eq!((&position["sl"], &position["tp"]), (&json!(0.0), &json!(tp)), "what is left out is kept: {position}");

    call(&hub, Method::POST, &format!("{rest}/close"), json!({"volume": 0.1})).await.expect(200);
    // MetaTrader 4 closes the order and opens another for what is left, each time.
    let is_mt4 = platform() == Platform::Mt4;
    let left = open_positions(&hub).await[0].0;
    assert_eq!(left == long, !is_mt4);
    let rest = format!("positions/{left}");
    assert_eq!(hub.admin().get(&path(&rest)).await.expect(200)["volume"], 0.2);
    let short = market(&hub, "sell", 0.15).await;
    let closed = call(&hub, Method::POST, &format!("{rest}/close"), json!({"by": short})).await.expect(200);
    assert_eq!(closed["state"], "executed", "{closed}");
    let last = open_positions(&hub).await;
    assert_eq!((last.len(), last[0].1.as_str(), last[0].0 == left), (1, "buy", !is_mt4), "{last:?}");
    assert!((last[0].2 - 0.05).abs() < 1e-9, "{last:?}");
    let deals = hub.admin().get(&path(&format!("history/deals?position={short}"))).await.expect(200);
    let entries: Vec<_> = deals["data"].as_array().unwrap().iter().map(|deal| deal["entry_name"].clone()).collect();
    // Its orders only open and close.
    assert_eq!(entries, [json!("in"), json!(if is_mt4 { "out" } else { "out_by" })]);
}

#[tokio::test]
async fn a_netting_account_has_one_position_that_is_reduced_and_closed_by_its_symbol() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal_with(LOGIN, |config| config.account.netting = true).await;
    market(&hub, "buy", 0.3).await;
    market(&hub, "buy", 0.1).await;
    market(&hub, "sell", 0.15).await;
    let position = hub.admin().get(&path("positions/EURUSD")).await.expect(200);
    assert_eq!((&position["volume"], &position["type_name"]), (&json!(0.25), &json!("buy")), "{position}");
    call(&hub, Method::POST, "positions/EURUSD/close", json!({"volume": 0.05})).await.expect(200);
    assert_eq!(hub.admin().get(&path("positions/EURUSD")).await.expect(200)["volume"], 0.2);
    // Nobody asked about the sell before it was sent, so for 5 s nobody knows whether the position shows it.
    let api = hub.admin().once();
    let parent = eventually("the sell is over", async || {
        let parent = api.post(&path("positions/close-all"), json!({})).await;
        if parent.status == 200 { Ok(parent.json) } else { Err(parent.json.to_string()) }
    })
    .await;
    assert_eq!((&parent["state"], parent["commands"].as_array().unwrap().len()), (&json!("executed"), 1), "{parent}");
    assert!(terminal.broker().positions().is_empty(), "closed, and not turned round");
    call(&hub, Method::POST, "positions/EURUSD/close", json!({})).await.refused(404, "position_not_found");
}

#[tokio::test]
async fn margin_profit_and_check_agree_with_arithmetic_by_hand() {
    let hub = TestHub::start().await;
    let _terminal: Terminal = hub.terminal_with(LOGIN, |config| config.account.balance = 10_000.0).await;
    let api: Api = hub.mint_key(&["read:account"]).await;
    let near = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 0.005;
    // A lot is 100,000 euros, the account is in dollars with a leverage of 100.
    let margin = json!({"symbol": "EURUSD", "side": "buy", "volume": 0.2, "price": 1.1});
    let margin = api.post(&path("calc/margin"), margin).await.expect(200);
    assert!(near(&margin["margin"], 0.2 * 100_000.0 * 1.1 / 100.0) && margin["currency"] == "USD", "{margin}");
    for (side, expected) in [("buy", 0.2 * 100_000.0 * 0.0123), ("sell", -0.2 * 100_000.0 * 0.0123)] {
        let profit = json!({"symbol": "EURUSD", "side": side, "volume": 0.2, "price_open": 1.1, "price_close": 1.1123});
        let profit = api.post(&path("calc/profit"), profit).await.expect(200);
        assert!(near(&profit["profit"], expected), "{side}: {profit}");
    }
    let order = |volume: f64| json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": volume});
    let check = api.post(&path("orders/check"), order(0.2)).await.expect(200);
    let margin = check["margin"].as_f64().unwrap();
    assert_eq!((&check["ok"], &check["balance"]), (&json!(true), &json!(10_000.0)), "{check}");
    assert!((200.0..240.0).contains(&margin) && near(&check["margin_free"], 10_000.0 - margin), "{check}");
    assert!(near(&check["margin_level"], 10_000.0 / margin * 100.0), "{check}");
    let check = api.post(&path("orders/check"), order(20.0)).await.expect(200);
    assert_eq!((&check["ok"], &check["retcode_name"]), (&json!(false), &json!("no_money")), "{check}");
    api.post(&path("calc/margin"), json!({"symbol": "NONE", "side": "buy", "volume": 1})).await.refused(404, "symbol_not_found");
    assert_eq!(open_positions(&hub).await, []);
}

#[tokio::test]
async fn depth_and_watchlist_are_the_terminals() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(LOGIN).await;
    if platform() == Platform::Mt4 {
        hub.admin().get(&path("depth/EURUSD")).await.refused(422, "unsupported");
        return;
    }
    let book = eventually("the first book has come", async || {
        let book = hub.admin().get(&path("depth/EURUSD")).await.expect(200);
        if book["loading"] == true { Err(book.to_string()) } else { Ok(book) }
    })
    .await;
    let prices = |side: &str| {
        let levels = book["data"].as_array().unwrap().iter().filter(|level| level["type_name"] == side);
        levels.map(|level| level["price"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (sells, buys) = (prices("sell"), prices("buy"));
    assert!(!sells.is_empty() && !buys.is_empty(), "{book}");
    assert!(sells.iter().all(|sell| buys.iter().all(|buy| buy < sell)), "{book}");
    hub.admin().get(&path("depth/NONE")).await.refused(404, "symbol_not_found");
    for method in [Method::PUT, Method::DELETE, Method::PUT] {
        assert_eq!(hub.admin().send(method, &path("watchlist/EURUSD"), None).await.unwrap().status, 204);
    }
    hub.admin().send(Method::PUT, &path("watchlist/NONE"), None).await.unwrap().refused(404, "symbol_not_found");
}

#[tokio::test]
async fn a_metatrader_4_does_what_it_can_and_says_what_it_cannot() {
    let hub = TestHub::start().await;
    let _terminal = hub
        .terminal_with(LOGIN, |config| {
            config.platform = Platform::Mt4;
            config.account.platform = Platform::Mt4;
        })
        .await;
    let (bid, ask) = quote(&hub).await;
    let limit = json!({"symbol": "EURUSD", "side": "buy", "type": "limit", "volume": 0.1, "price": price(bid - 0.02)});
    let placed = call(&hub, Method::POST, "orders", limit.clone()).await.expect(200);
    let ticket = placed["result"]["order"].as_u64().unwrap();
    call(&hub, Method::PATCH, &format!("orders/{ticket}"), json!({"sl": price(bid - 0.04)})).await.expect(200);
    assert_eq!(hub.admin().get(&path(&format!("orders/{ticket}"))).await.expect(200)["sl"], json!(price(bid - 0.04)));
    call(&hub, Method::DELETE, &format!("orders/{ticket}"), json!({})).await.expect(200);
    let position = market(&hub, "buy", 0.2).await;
    call(&hub, Method::POST, &format!("positions/{position}/close"), json!({"volume": 0.1})).await.expect(200);
    let parent = call(&hub, Method::POST, "positions/close-all", json!({})).await.expect(200);
    assert_eq!(parent["state"], "executed", "{parent}");
    let mut stop_limit = limit;
    (stop_limit["type"], stop_limit["price"], stop_limit["stop_limit_price"]) =
        (json!("stop_limit"), json!(price(ask + 0.02)), json!(price(ask + 0.01)));
    hub.admin().once().post(&orders(LOGIN), stop_limit).await.refused(422, "unsupported");
    hub.admin().get(&path("depth/EURUSD")).await.refused(422, "unsupported");
    hub.admin().get(&path("bars/EURUSD?timeframe=H2&limit=3")).await.refused(422, "unsupported");
    hub.admin().get(&path("bars/EURUSD?timeframe=H4&limit=3")).await.expect(200);
}
