//! What a key reaches: symbols, accounts, addresses, the terminal it means when it names none; and that narrowing it holds at once.

use std::collections::BTreeSet;

use mtbridge::api;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Api, Terminal, TestHub, eventually, orders};

const GOLD: &str = "SYN.GOLD";
const EURO: &str = "EURUSD";
/// Everything but admin, which would mint itself another key.
const ALL: [&str; 11] = [
    "read:bars",
    "write:indicators",
    "read:indicators",
    "delete:indicators",
    "read:account",
    "read:symbols",
    "read:quotes",
    "read:positions",
    "read:history",
    "trade:reduce",
    "trade:write",
];

/// What allowed symbols mean for a route.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    /// Nothing: it speaks of no symbol.
    Free,
    /// The caller names a symbol: 403 for another.
    Named,
    /// The caller names a position or an order: 403 for one of another symbol, which only the terminal knows.
    Position,
    Order,
    /// Others are left out.
    Listed,
    /// One of another symbol does not exist.
    Hidden,
}

use Meaning::{Free, Hidden, Listed, Named, Order, Position};

/// Every route of terminals, of what they did, and of the published API.
const TABLE: &[(&str, &str, Meaning)] = &[
    ("GET", "/api/v1/terminals", Free),
    ("GET", "/api/v1/terminals/{terminal}", Free),
    ("GET", "/api/v1/terminals/{terminal}/latency", Free),
    ("GET", "/api/v1/terminals/{terminal}/account", Free),
    ("GET", "/api/v1/terminals/{terminal}/equity", Free),
    ("GET", "/api/v1/terminals/{terminal}/symbols", Listed),
    ("GET", "/api/v1/terminals/{terminal}/symbols/{symbol}", Named),
    ("GET", "/api/v1/terminals/{terminal}/quotes", Named),
    ("GET", "/api/v1/terminals/{terminal}/bars/{symbol}", Named),
    ("GET", "/api/v1/terminals/{terminal}/ticks/{symbol}", Named),
    ("GET", "/api/v1/terminals/{terminal}/depth/{symbol}", Named),
    ("GET", "/api/v1/terminals/{terminal}/positions", Listed),
    ("GET", "/api/v1/terminals/{terminal}/positions/{ticket}", Position),
    ("GET", "/api/v1/terminals/{terminal}/orders", Listed),
    ("GET", "/api/v1/terminals/{terminal}/orders/{ticket}", Order),
    ("GET", "/api/v1/terminals/{terminal}/history/deals", Listed),
    ("GET", "/api/v1/terminals/{terminal}/history/orders", Listed),
    ("PUT", "/api/v1/terminals/{terminal}/watchlist/{symbol}", Named),
    ("DELETE", "/api/v1/terminals/{terminal}/watchlist/{symbol}", Named),
    ("POST", "/api/v1/terminals/{terminal}/orders/check", Named),
    ("POST", "/api/v1/terminals/{terminal}/calc/margin", Named),
    ("POST", "/api/v1/terminals/{terminal}/calc/profit", Named),
    ("POST", "/api/v1/terminals/{terminal}/orders", Named),
    ("PATCH", "/api/v1/terminals/{terminal}/orders/{ticket}", Order),
    ("DELETE", "/api/v1/terminals/{terminal}/orders/{ticket}", Order),
    ("PATCH", "/api/v1/terminals/{terminal}/positions/{ticket}", Position),
    ("POST", "/api/v1/terminals/{terminal}/positions/close-all", Named),
    ("POST", "/api/v1/terminals/{terminal}/positions/{ticket}/close", Position),
    ("POST", "/api/v1/terminals/{terminal}/trade", Named),
    ("GET", "/api/v1/commands", Listed),
    // Names no symbol; `makers` has that those of other symbols are not counted.
    ("GET", "/api/v1/commands/makers", Free),
    ("GET", "/api/v1/commands/{id}", Hidden),
    ("POST", "/api/v1/commands/{id}/cancel", Hidden),
    // Needs admin, which a key for some symbols cannot hold.
    ("POST", "/api/v1/commands/{id}/adjudicate", Free),
    ("GET", "/api/v1/audit/trades", Listed),
    ("GET", "/api/external/bars", Named),
    ("GET", "/api/external/bars/{symbol}/{timeframe}", Named),
    ("GET", "/api/external/symbols", Listed),
    ("GET", "/api/external/indicators", Listed),
    ("POST", "/api/external/indicators/{id}", Named),
    ("GET", "/api/external/indicators/{id}", Named),
    ("DELETE", "/api/external/indicators/{id}", Named),
];

const FAMILIES: [&str; 4] = ["/api/v1/terminals", "/api/v1/commands", "/api/v1/audit/trades", "/api/external/"];

#[test]
fn every_route_that_may_speak_of_a_symbol_says_what_allowed_symbols_mean_for_it() {
    let served: BTreeSet<_> = api::routes()
        .iter()
        .filter(|route| FAMILIES.iter().any(|family| route.path.starts_with(family)))
        .map(|route| (route.method.to_string(), route.path))
        .collect();
    let told: BTreeSet<_> = TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), *path)).collect();
    assert_eq!(served, told);
    for (_, path, meaning) in TABLE {
        assert!(!path.contains("{symbol}") || *meaning == Named, "{path}");
        assert!(!path.contains("{ticket}") || matches!(meaning, Position | Order), "{path}");
    }
}

/// A key, and its id.
async fn mint(hub: &TestHub, mut body: Value) -> (Api, String) {
    if body.get("permissions").is_none() {
        body["permissions"] = json!(ALL);
    }
    let minted = hub.admin().post("/api/v1/keys", body).await.expect(201);
    (hub.api(minted["key"].as_str().unwrap()), minted["id"].as_str().unwrap().to_owned())
}

async fn change(hub: &TestHub, id: &str, body: Value) -> Value {
    hub.admin().patch(&format!("/api/v1/keys/{id}"), body).await.expect(200)
}

/// A call as somebody would make it who means this symbol, and these tickets.
fn call(
    method: &str,
    path: &str,
    symbol: &str,
    (position, order, command): (u64, u64, &str),
) -> (Method, String, Option<String>) {
    let ticket = if path.contains("positions") { position } else { order };
    let id = if path.contains("indicators") { "mine" } else { command };
    let mut to = path
        .replace("{terminal}", "1001")
        .replace("{symbol}", symbol)
        .replace("{ticket}", &ticket.to_string())
        .replace("{timeframe}", "60")
        .replace("{id}", id);
    let body = match path.rsplit('/').next().unwrap() {
        "check" | "orders" if method == "POST" => Some(json!({"symbol": symbol, "side": "buy", "type": "market", "volume": 0.1})),
        "margin" => Some(json!({"symbol": symbol, "side": "buy", "volume": 0.1})),
        "profit" => Some(json!({"symbol": symbol, "side": "buy", "volume": 0.1, "price_open": 1.0, "price_close": 1.1})),
        "trade" => Some(json!({"action": 1, "symbol": symbol, "volume": 0.1, "type": 0, "type_filling": 1})),
        "close-all" => Some(json!({"symbol": symbol, "magic": 77})),
        "close" => Some(json!({})),
        _ if method == "PATCH" && path.contains("positions") => Some(json!({"sl": 0.5})),
        _ if method == "PATCH" => Some(json!({"sl": 0.4})),
        _ if method == "POST" && path.contains("indicators") => {
            let point = json!({"time": 1_709_913_600, "type": "high", "price": 1.1});
            Some(json!({"symbol": symbol, "timeframe": 60, "indicator_name": "n", "points": [point]}))
        }
        _ => None,
    };
    match path {
        "/api/v1/terminals/{terminal}/quotes" => to += &format!("?symbols={symbol}"),
        "/api/v1/terminals/{terminal}/ticks/{symbol}" => to += "?from=2024-03-12T00:00:00Z",
        "/api/external/bars" => to += &format!("?symbol={symbol}&timeframe=60"),
        "/api/external/indicators/{id}" if method != "POST" => to += &format!("?symbol={symbol}&timeframe=60"),
        _ => {}
    }
    (method.parse().unwrap(), to, body.map(|body| body.to_string()))
}

/// One open position, one pending order and one that was cancelled of a symbol, and the command that opened the position.
async fn open(hub: &TestHub, symbol: &str) -> (u64, u64, String) {
    let api = hub.admin();
    let order = json!({"symbol": symbol, "side": "buy", "type": "market", "volume": 0.1});
    let done = api.once().post(&orders(1001), order).await.expect(200);
    let quote = api.get(&format!("/api/v1/terminals/1001/quotes?symbols={symbol}")).await.expect(200);
    let price = (quote["data"][0]["bid"].as_f64().unwrap() * 80.0).round() / 100.0;
    let order = json!({"symbol": symbol, "side": "buy", "type": "limit", "volume": 0.1, "price": price});
    let ticket = |command: &Value| command["result"]["order"].as_u64().unwrap();
    let other = json!({"symbol": symbol, "side": "buy", "type": "limit", "volume": 0.2, "price": price});
    let cancelled = api.once().post(&orders(1001), other).await.expect(200);
    api.once().delete(&format!("{}/{}", orders(1001), ticket(&cancelled))).await.expect(200);
    let pending = api.once().post(&orders(1001), order).await.expect(200);
    (ticket(&done), ticket(&pending), done["id"].as_str().unwrap().to_owned())
}

/// Every text in a JSON value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn speaks_of(answer: &Value, symbol: &str) -> bool {
    texts(answer).iter().any(|text| text == symbol)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_for_some_symbols_touches_no_other_on_any_route() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let (euro, gold) = (open(&hub, EURO).await, open(&hub, GOLD).await);
    let (bot, id) = mint(&hub, json!({})).await;
    for symbol in [EURO, GOLD] {
        let (method, path, body) = call("POST", "/api/external/indicators/{id}", symbol, (0, 0, ""));
        bot.send(method, &path, body).await.unwrap().expect(200);
    }
    eventually("the history has both", async || {
        let seen = hub.admin().get("/api/v1/audit/trades?limit=1000").await.expect(200);
        if speaks_of(&seen, EURO) && speaks_of(&seen, GOLD) { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
    for (method, path, _) in TABLE.iter().filter(|(_, _, meaning)| *meaning == Listed) {
        let (method, path, body) = call(method, path, EURO, (0, 0, ""));
        let seen = bot.send(method, &path, body).await.unwrap().expect(200);
        assert!(speaks_of(&seen, EURO) && speaks_of(&seen, GOLD), "{path} shows nothing that could be left out: {seen}");
    }
    change(&hub, &id, json!({"symbols": [EURO]})).await;
    let before = terminal.broker().executed().len();
    for (method, path, meaning) in TABLE {
        let of_gold = call(method, path, GOLD, (gold.0, gold.1, &gold.2));
        let answer = bot.once().send(of_gold.0, &of_gold.1, of_gold.2).await.unwrap();
        match meaning {
            Named | Position | Order => {
                let body = answer.refused(403, "forbidden");
                assert_eq!(body["allowed_symbols"], json!([EURO]), "{method} {path}");
                assert_eq!(body["message"], "Symbol SYN.GOLD not allowed for your API key");
            }
            Listed => {
                let seen = answer.expect(200);
                assert!(speaks_of(&seen, EURO) && !speaks_of(&seen, GOLD), "{method} {path}: {seen}");
            }
            Hidden => drop(answer.refused(404, "not_found")),
            Free => {}
        }
    }
    assert_eq!(terminal.broker().executed().len(), before, "nothing reached the broker");
    for (method, path, meaning) in TABLE.iter().filter(|(_, _, meaning)| matches!(meaning, Named | Hidden)) {
        let of_euro = call(method, path, EURO, (euro.0, euro.1, &euro.2));
        let answer = bot.once().send(of_euro.0, &of_euro.1, of_euro.2).await.unwrap();
        assert!(answer.status != 403, "{method} {path} {meaning:?}: {}", answer.json);
    }
    for query in ["history/deals", "history/orders", "positions", "orders"] {
        bot.get(&format!("/api/v1/terminals/1001/{query}?symbol={GOLD}")).await.refused(403, "forbidden");
    }
    bot.get(&format!("/api/v1/audit/trades?symbol={GOLD}")).await.refused(403, "forbidden");
    bot.get(&format!("/api/v1/terminals/1001/quotes?symbols={EURO},{GOLD}")).await.refused(403, "forbidden");
    change(&hub, &id, json!({"symbols": null})).await;
    bot.get(&format!("/api/v1/terminals/1001/positions/{}", gold.0)).await.expect(200);
}

fn tickets(terminal: &Terminal) -> Vec<u64> {
    terminal.broker().positions().iter().map(|position| position.ticket).collect()
}

#[tokio::test]
async fn a_raw_request_is_judged_by_its_tickets_and_closing_all_closes_what_is_allowed() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let (euro, gold) = (open(&hub, EURO).await, open(&hub, GOLD).await);
    let (bot, _) = mint(&hub, json!({"symbols": ["EUR*"]})).await;
    let before = terminal.broker().executed().len();
    for request in [
        json!({"action": 6, "position": gold.0, "symbol": EURO, "sl": 0.5}),
        json!({"action": 1, "position": gold.0, "symbol": EURO, "volume": 0.1, "type": 1, "type_filling": 1}),
        json!({"action": 10, "position": euro.0, "position_by": gold.0, "symbol": EURO}),
        json!({"action": 8, "order": gold.1}),
        json!({"action": 7, "order": gold.1, "symbol": EURO, "price": 1.0}),
    ] {
        let refused = bot.once().post("/api/v1/terminals/1001/trade", request.clone()).await.refused(403, "forbidden");
        assert_eq!(refused["allowed_symbols"], json!(["EUR*"]), "{request}");
    }
    bot.once()
        .post(&format!("/api/v1/terminals/1001/positions/{}/close", euro.0), json!({"by": gold.0}))
        .await
        .refused(403, "forbidden");
    assert_eq!(terminal.broker().executed().len(), before);
    let closed = bot.once().post("/api/v1/terminals/1001/positions/close-all", json!({})).await.expect(200);
    assert_eq!(closed["positions"], json!([euro.0]), "{closed}");
    assert_eq!(tickets(&terminal), [gold.0]);
    bot.once().post("/api/v1/terminals/1001/trade", json!({"action": 8, "order": euro.1})).await.expect(200);
}

#[tokio::test]
async fn a_key_for_some_symbols_may_block_an_account_and_not_flatten_it() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let (bot, _) = mint(&hub, json!({"symbols": [EURO]})).await;
    let switch = |level: &str| json!({"scope": "1001@Demo-Server", "level": level, "reason": "a test"});
    for level in ["cancel", "flatten"] {
        bot.post("/api/v1/kill-switch", switch(level)).await.refused(422, "validation_error");
        let timer = json!({"timeout_s": 60, "action": level, "terminal": "1001"});
        bot.post("/api/v1/deadman", timer).await.refused(422, "validation_error");
    }
    bot.post("/api/v1/kill-switch", switch("block")).await.expect(200);
}

#[tokio::test]
async fn an_account_that_is_not_allowed_does_not_exist() {
    let hub = TestHub::start().await;
    let (_first, _second) = (hub.terminal(1001).await, hub.terminal(1002).await);
    let theirs = hub.admin().once().buy(1002).await.expect(200);
    let ours = hub.admin().once().buy(1001).await.expect(200);
    let (bot, id) = mint(&hub, json!({"accounts": ["1001@Demo-Server"]})).await;
    let logins = async || {
        let seen = bot.get("/api/v1/terminals").await.expect(200);
        seen["data"].as_array().unwrap().iter().map(|row| row["account"]["login"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(logins().await, [1001]);
    // It is the only one that there is.
    assert_eq!(bot.get("/api/v1/terminals/-/account").await.expect(200)["login"], 1001);
    assert_eq!(bot.get("/api/v1/account/info").await.expect(200)["login"], 1001);
    for (method, path, _) in TABLE.iter().filter(|(_, path, _)| path.contains("{terminal}")) {
        let at = path.replace("{terminal}", "1002");
        let (method, path, body) = call(method, path, EURO, (1, 1, ""));
        let path = path.replace("/1001", "/1002");
        let answer = bot.once().send(method, &path, body).await.unwrap();
        assert_eq!((answer.status, answer.json["code"].as_str()), (404, Some("terminal_not_found")), "{at}");
    }
    for query in ["bars?symbol=EURUSD&timeframe=1&account=1002", "symbols?account=1002"] {
        bot.get(&format!("/api/external/{query}")).await.refused(404, "terminal_not_found");
    }
    let command = |record: &Value| format!("/api/v1/commands/{}", record["id"].as_str().unwrap());
    bot.get(&command(&theirs)).await.refused(404, "not_found");
    bot.get(&command(&ours)).await.expect(200);
    for (scope, refused) in [
        ("1002@Demo-Server", (422, "validation_error")),
        ("owner", (422, "validation_error")),
        ("hub", (403, "operator_required")),
    ] {
        let switch = json!({"scope": scope, "level": "block", "reason": "a test"});
        bot.post("/api/v1/kill-switch", switch).await.refused(refused.0, refused.1);
    }
    bot.post("/api/v1/deadman", json!({"timeout_s": 60})).await.refused(422, "validation_error");
    assert_eq!(bot.get("/api/v1/audit/trades?account=1002").await.expect(200)["data"], json!([]));
    // From the next request on.
    change(&hub, &id, json!({"accounts": [1002]})).await;
    assert_eq!(logins().await, [1002]);
    bot.get(&command(&theirs)).await.expect(200);
    change(&hub, &id, json!({"accounts": []})).await;
    assert_eq!(logins().await, [] as [u64; 0]);
    bot.get("/api/v1/account/info").await.refused(404, "terminal_not_found");
    change(&hub, &id, json!({"accounts": null})).await;
    assert_eq!(logins().await, [1001, 1002]);
}

#[tokio::test]
async fn a_call_that_names_no_terminal_means_the_keys_own_and_never_another_in_its_place() {
    let hub = TestHub::start().await;
    let (_first, second) = (hub.terminal(1001).await, hub.terminal(1002).await);
    let (bot, id) = mint(&hub, json!({"default_terminal": "1002"})).await;
    assert_eq!(bot.get("/api/v1/account/info").await.expect(200)["login"], 1002);
    change(&hub, &id, json!({"default_terminal": null})).await;
    assert_eq!(bot.get("/api/v1/account/info").await.expect(200)["login"], 1001);
    change(&hub, &id, json!({"default_terminal": second.token.id})).await;
    assert_eq!(bot.get("/api/v1/account/info").await.expect(200)["login"], 1002);
    bot.get("/api/external/bars?symbol=EURUSD&timeframe=1").await.expect(200);
    bot.get("/api/external/symbols").await.expect(200);
    change(&hub, &id, json!({"default_terminal": "1003@Demo-Server"})).await;
    for path in ["/api/v1/account/info", "/api/external/bars?symbol=EURUSD&timeframe=1", "/api/external/symbols"] {
        bot.get(path).await.refused(404, "terminal_not_found");
    }
    bot.get("/api/external/bars?symbol=EURUSD&timeframe=1&account=1001").await.expect(200);
}

#[tokio::test]
async fn a_key_is_good_from_its_addresses_only_whoever_a_stranger_says_that_it_is() {
    let hub = TestHub::start().await;
    let (bot, id) = mint(&hub, json!({"ips": ["203.0.113.0/24", "2001:db8::/32"]})).await;
    let forged = bot.with("x-forwarded-for", "203.0.113.9");
    for api in [&bot, &forged] {
        let body = api.get("/api/v1/terminals").await.refused(403, "forbidden");
        assert_eq!(body["address"], "127.0.0.1");
    }
    // Written as IPv6, and in force for the next request on the same connection.
    change(&hub, &id, json!({"ips": ["::ffff:127.0.0.0/104"]})).await;
    bot.get("/api/v1/terminals").await.expect(200);
    change(&hub, &id, json!({"ips": []})).await;
    bot.get("/api/v1/terminals").await.refused(403, "forbidden");
    change(&hub, &id, json!({"ips": null})).await;
    bot.get("/api/v1/terminals").await.expect(200);
    // Whoever calls cannot shut itself out.
    let admins = hub.admin().get("/api/v1/keys").await.expect(200);
    let own = format!("/api/v1/keys/{}", admins["data"][0]["id"].as_str().unwrap());
    hub.admin().patch(&own, json!({"ips": ["203.0.113.0/24"]})).await.refused(422, "validation_error");
    hub.admin().patch(&own, json!({"ips": ["127.0.0.1"]})).await.expect(200);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_that_it_saw_is_the_one_that_counts() {
    let hub = TestHub::start_with(|config| config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let (bot, _) = mint(&hub, json!({"ips": ["203.0.113.0/24", "2001:db8::/32"]})).await;
    let from = |list: &str| bot.with("x-forwarded-for", list);
    for list in ["203.0.113.9", "198.51.100.1, 203.0.113.9", "::ffff:203.0.113.9", "2001:db8::5", "203.0.113.9, 127.0.0.1"] {
        from(list).get("/api/v1/terminals").await.expect(200);
    }
    for list in ["198.51.100.1", "203.0.113.9, 198.51.100.1", "2001:db9::5"] {
        from(list).get("/api/v1/terminals").await.refused(403, "forbidden");
    }
    bot.get("/api/v1/terminals").await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_rotated_key_reaches_what_the_old_one_reached() {
    let hub = TestHub::start().await;
    let scope = json!({"symbols": ["EUR*"], "accounts": ["1001", "1002@Demo"], "ips": ["127.0.0.0/8"], "default_terminal": "1001",
        "plan": "pro", "limits": {"orders_per_day": 5}});
    let (_, id) = mint(&hub, scope.clone()).await;
    let next = hub.admin().post(&format!("/api/v1/keys/{id}/rotate"), json!({"overlap_s": 5})).await.expect(201);
    for (field, value) in scope.as_object().unwrap() {
        assert_eq!(next[field], *value, "{field}");
    }
}

#[tokio::test]
async fn a_change_names_each_member_and_what_is_left_out_stays() {
    let hub = TestHub::start().await;
    let full = json!({"name": "bot", "permissions": ["read:bars", "trade:write"], "symbols": ["A"], "accounts": ["1"], "ips": ["10.0.0.0/8"],
        "default_terminal": "1", "plan": "free", "limits": {"orders_per_day": 5}, "expires_at": "2090-01-01T00:00:00.000Z"});
    let (_, id) = mint(&hub, full.clone()).await;
    let empty = json!({"permissions": ["read:bars", "write:indicators", "read:indicators", "delete:indicators"], "symbols": null,
        "accounts": null, "ips": null, "default_terminal": null, "plan": "unlimited", "limits": {}, "expires_at": null});
    let mut wanted = full;
    for (field, cleared) in empty.as_object().unwrap() {
        let row = change(&hub, &id, json!({field: null})).await;
        wanted[field] = cleared.clone();
        for (field, value) in wanted.as_object().unwrap() {
            assert_eq!(row[field], *value, "{field}");
        }
    }
    let path = format!("/api/v1/keys/{id}");
    for (body, field) in [
        (json!({}), "/body"),
        (json!({"symbols": [""]}), "/symbols"),
        (json!({"accounts": ["x"]}), "/accounts[0]"),
        (json!({"ips": ["10.0.0.0/33"]}), "/ips[0]"),
        (json!({"plan": "gold"}), "/plan"),
        (json!({"default_terminal": "-"}), "/default_terminal"),
        (json!({"expires_at": "2020-01-01"}), "/expires_at"),
        (json!({"limits": {"max_order_volume": -1}}), "/limits/max_order_volume"),
        (json!({"permissions": []}), "/permissions"),
        (json!({"permissions": ["admin"], "symbols": ["A"]}), "/permissions"),
    ] {
        let refused = hub.admin().patch(&path, body.clone()).await.refused(422, "validation_error");
        assert_eq!(refused["errors"][0]["pointer"], field, "{body}");
    }
    hub.admin().post("/api/v1/keys", json!({"permissions": ["admin"], "accounts": [1]})).await.refused(422, "validation_error");
    let admins = hub.admin().get("/api/v1/keys").await.expect(200);
    let own = format!("/api/v1/keys/{}", admins["data"][0]["id"].as_str().unwrap());
    hub.admin().patch(&own, json!({"permissions": ["read:bars"]})).await.refused(409, "last_admin_key");
    hub.admin().patch(&own, json!({"expires_at": "2090-01-01T00:00:00Z"})).await.refused(409, "last_admin_key");
}
