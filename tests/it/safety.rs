//! The controls: what a kill switch, a limit, a dead-man timer and a person can stop, and what they cannot.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use mtbridge::{
    domain::{
        limits::Limits,
        market::Tick,
        trade::{Order, Position, action},
    },
    protocol::{
        FromHub,
        codec::{Row, write_rows},
        message::{Answer, Outcome, Quote, Reply, Status, Trade, TradeSession, TradeSessions, answer_kind, proof},
    },
    store::{Store, failing::FailingStore},
};
use serde_json::{Value, json};

use crate::harness::{
    Api, FakeTerminal, Heard, TestHub, buy, eventually,
    fake::{accepted, all_on, ea_refused, executed, symbol},
    open_store, orders,
};

const ACCOUNT: &str = "1001@Demo-Server";

fn switch(scope: &str, level: &str) -> Value {
    json!({"scope": scope, "level": level, "reason": "a test"})
}

async fn set(api: &Api, scope: &str, level: &str) -> Value {
    api.post("/api/v1/kill-switch", switch(scope, level)).await.expect(200)
}

fn close(ticket: u64) -> String {
    format!("/api/v1/terminals/1001/positions/{ticket}/close")
}

/// The record of an order that was sent and has no answer yet, and what the terminal got.
async fn under_way(hub: &TestHub, terminal: &mut FakeTerminal) -> (String, Trade) {
    let api = hub.admin().once().with("prefer", "respond-async");
    let (answer, trade) = tokio::join!(api.buy(1001), terminal.trade());
    (answer.expect(202)["id"].as_str().unwrap().to_owned(), trade)
}

async fn state_is(hub: &TestHub, id: &str, state: &str) {
    eventually(&format!("{id} is {state}"), async || {
        let record = hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200);
        if record["state"] == state { Ok(()) } else { Err(record["state"].to_string()) }
    })
    .await;
}

/// An order whose outcome the hub does not know, because its terminal went away.
async fn unknown(hub: &TestHub, terminal: FakeTerminal) -> (String, Trade) {
    let mut terminal = terminal;
    let (id, trade) = under_way(hub, &mut terminal).await;
    drop(terminal);
    state_is(hub, &id, "unknown").await;
    (id, trade)
}

// ---- kill switch

#[tokio::test]
async fn a_kill_switch_stops_what_opens_and_lets_through_what_closes_until_a_person_lifts_it() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let ticket = hub.admin().once().buy(1001).await.expect(200)["result"]["order"].as_u64().unwrap();
    hub.admin().once().buy(1001).await.expect(200);
    let bot = hub.mint_key(&["trade:reduce"]).await;
    let set_by_bot = set(&bot, ACCOUNT, "block").await;
    assert_eq!((&set_by_bot["level"], &set_by_bot["scope"]), (&json!(1), &json!(ACCOUNT)));

    let refused = hub.admin().once().buy(1001).await.refused(409, "kill_switch");
    assert_eq!((&refused["scope"], &refused["reason"]), (&json!(ACCOUNT), &json!("a test")));
    let opens = json!({"action": 1, "symbol": "EURUSD", "volume": 0.01, "position": 999_999, "type": 1});
    hub.admin().once().post("/api/v1/terminals/1001/trade", opens).await.refused(409, "kill_switch");
    let enlarges = json!({"action": 1, "symbol": "EURUSD", "volume": 0.01, "position": ticket, "type": 0});
    hub.admin().once().post("/api/v1/terminals/1001/trade", enlarges).await.refused(409, "kill_switch");
    hub.admin().once().post(&close(ticket), json!({})).await.expect(200);

    // It stands over a restart.
    hub.restart().await;
    hub.shows(&terminal.token, "connected").await;
    hub.admin().once().buy(1001).await.refused(409, "kill_switch");
    let listed = hub.admin().get("/api/v1/kill-switch").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");

    // Only a person with the right and a reason lifts it.
    let off = switch(ACCOUNT, "off");
    bot.post("/api/v1/kill-switch", off.clone()).await.refused(403, "forbidden");
    hub.admin().post("/api/v1/kill-switch", json!({"scope": ACCOUNT, "level": "off"})).await.refused(422, "validation_error");
    let blank = json!({"scope": ACCOUNT, "level": "off", "reason": "  "});
    hub.admin().post("/api/v1/kill-switch", blank).await.refused(422, "validation_error");
    hub.admin().once().buy(1001).await.refused(409, "kill_switch");
    assert_eq!(hub.admin().post("/api/v1/kill-switch", off).await.expect(200)["level"], 0);
    eventually("it trades again", async || {
        let answer = hub.admin().once().buy(1001).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.json.to_string()) }
    })
    .await;
    hub.stop().await;
    let store = open_store(hub.dir());
    let audit = store.scan(b"u", None, 100).await.unwrap();
    let changes = audit.iter().filter(|(_, entry)| String::from_utf8_lossy(&entry.value).contains("kill_switch.set")).count();
    assert_eq!(changes, 2, "one record for each change");
    store.close().await.unwrap();
}

#[tokio::test]
async fn each_scope_stops_its_own_and_no_other() {
    let hub = TestHub::start().await;
    let (_one, _other) = (hub.terminal(1001).await, hub.terminal(2002).await);
    let bot = hub.mint_key(&["trade:write"]).await;
    for (scope, stops_one, stops_other, stops_other_keys) in
        [(ACCOUNT, true, false, true), ("key", true, true, false), ("owner", true, true, true), ("hub", true, true, true)]
    {
        set(&bot, scope, "block").await;
        let status = async |api: &Api, login: u64| api.once().buy(login).await.status;
        assert_eq!(status(&bot, 1001).await == 409, stops_one, "{scope}");
        assert_eq!(status(&bot, 2002).await == 409, stops_other, "{scope}");
        assert_eq!(status(&hub.admin(), 1001).await == 409, stops_other_keys, "{scope}");
        let scope = if scope == "key" { bot_id(&hub).await } else { scope.to_owned() };
        set(&hub.admin(), &scope, "off").await;
        eventually("the terminal has let go too", async || {
            let answer = hub.admin().once().buy(1001).await;
            if answer.status == 200 { Ok(()) } else { Err(answer.json.to_string()) }
        })
        .await;
    }
    bot.post("/api/v1/kill-switch", switch("key", "flatten")).await.refused(422, "validation_error");
    bot.post("/api/v1/kill-switch", switch("everything", "block")).await.refused(422, "validation_error");
    bot.post("/api/v1/kill-switch", switch(ACCOUNT, "stop")).await.refused(422, "validation_error");
}

async fn bot_id(hub: &TestHub) -> String {
    let keys = hub.admin().get("/api/v1/keys").await.expect(200);
    keys["data"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_test_key_can_stop_a_demo_account_and_nothing_else() {
    let hub = TestHub::start().await;
    let _demo = hub.terminal(1001).await;
    let body = json!({"permissions": ["trade:reduce", "read:account"], "test": true});
    let minted = hub.admin().post("/api/v1/keys", body).await.expect(201);
    let bot = hub.api(minted["key"].as_str().unwrap());
    for scope in ["hub", "owner", "2002@Demo-Server"] {
        bot.post("/api/v1/kill-switch", switch(scope, "block")).await.refused(422, "validation_error");
    }
    bot.post("/api/v1/deadman", json!({"timeout_s": 1})).await.refused(422, "validation_error");
    set(&bot, ACCOUNT, "block").await;
    set(&hub.admin(), "2002@Demo-Server", "block").await;
    let seen = bot.get("/api/v1/kill-switch").await.expect(200);
    assert_eq!(seen["data"].as_array().unwrap().len(), 1, "another account's switch is not shown: {seen}");
}

/// The latch goes through the same queue as the trades: a trade behind it was sent after the switch had been set. The disk is held until all
/// orders and the switch wait for it, so that they come off it together.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_that_opens_is_sent_after_the_kill_call_has_returned() {
    let mut kept_back = 0;
    for round in 0..10 {
        let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
        let mut terminal = hub.fake(1001).await;
        let mut order = buy();
        (order["filling"], order["ttl_ms"]) = (json!("fok"), json!(60_000));
        // So that tags are there, and no order waits for another's.
        let api = hub.admin().with("prefer", "respond-async");
        let first = api.once();
        let path = orders(1001);
        let (answer, _) = tokio::join!(first.post(&path, order.clone()), terminal.trade());
        answer.expect(202);
        store.hang();
        let many = join_all((0..40).map(|n| {
            let (api, order) = (api.with_idempotency(&format!("{round}-{n}")), order.clone());
            async move { api.post(&orders(1001), order).await }
        }));
        let (admin, bot) = (hub.admin(), hub.admin());
        let killing = async {
            store.hung(40).await;
            let killing = set(&admin, "hub", "block");
            let releasing = async {
                store.hung(41).await;
                store.release();
            };
            tokio::join!(killing, releasing);
        };
        let everything = async {
            let (answers, ()) = tokio::join!(many, killing);
            // A question behind everything: when the terminal hears it, it has heard all that was sent.
            tokio::join!(async { answers }, bot.get("/api/v1/terminals/1001/quotes?symbols=EURUSD"))
        };
        let hearing = async {
            let mut sent = Vec::new();
            loop {
                match terminal.next().await {
                    Heard::Message(FromHub::Trade(trade)) => {
                        let latched = terminal.latch.as_ref().is_some_and(|latch| latch.level > 0);
                        assert!(!latched, "round {round}: a trade behind the latch");
                        sent.push(trade.command.to_string());
                    }
                    Heard::Message(FromHub::GetQuotes(get)) => {
                        terminal.send(quote(get.call, 1.1)).await;
                        return sent;
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        let ((answers, _), sent) = tokio::join!(everything, hearing);
        for answer in answers {
            let id = answer.json["id"].as_str().unwrap_or_default().to_owned();
            match (answer.status, answer.json["state"].as_str()) {
                (202, Some("dispatched")) if sent.contains(&id) => {}
                // Taken back while it waited to be written.
                (202, Some("dispatched")) => assert_eq!(hub.admin().final_command(&id).await["state"], "not_executed"),
                // Recorded, and then the switch came.
                (200 | 202 | 422, Some("not_executed")) => {
                    assert!(
                        !sent.contains(&id) && answer.json["reason"].as_str().unwrap().contains("kill switch"),
                        "{}",
                        answer.json
                    );
                    kept_back += 1;
                }
                other => panic!("{other:?}: {}", answer.json),
            }
        }
    }
    println!("{kept_back} of 400 were recorded and then kept back");
}

fn quote(call: u64, price: f64) -> Reply {
    let tick = Tick { time: 1_710_000_000, bid: price, ask: price, ..Tick::default() };
    let row = Quote { symbol: "EURUSD".into(), tick: Row(tick) };
    Reply { call, body: write_rows(&[row]), ..Reply::default() }
}

/// What a broker shows, for a terminal that the test speaks for.
#[derive(Default)]
struct Shown {
    positions: Vec<Position>,
    orders: Vec<Order>,
    /// How often it was asked for its positions.
    looks: std::cell::Cell<usize>,
}

impl Shown {
    fn long(ticket: u64, volume: f64) -> Position {
        Position { ticket, symbol: "EURUSD".into(), volume, ..Position::default() }
    }

    /// Answers questions until the next trade.
    async fn trade(&self, terminal: &mut FakeTerminal) -> Trade {
        loop {
            if let Some(trade) = self.one(terminal).await {
                return trade;
            }
        }
    }

    /// Answers one question, or takes a trade.
    async fn one(&self, terminal: &mut FakeTerminal) -> Option<Trade> {
        let reply = match terminal.next_whenever().await {
            Heard::Message(FromHub::Trade(trade)) => return Some(trade),
            Heard::Message(FromHub::GetPositions(get)) => {
                self.looks.set(self.looks.get() + 1);
                let asked = |p: &&Position| {
                    (get.ticket == 0 || p.ticket == get.ticket) && (get.symbol.is_empty() || p.symbol == get.symbol)
                };
                let rows: Vec<_> = self.positions.iter().filter(asked).cloned().collect();
                Reply { call: get.call, body: write_rows(&rows), ..Reply::default() }
            }
            Heard::Message(FromHub::GetOrders(get)) => {
                let rows: Vec<_> = self.orders.iter().filter(|o| get.ticket == 0 || o.ticket == get.ticket).cloned().collect();
                Reply { call: get.call, body: write_rows(&rows), ..Reply::default() }
            }
            Heard::Message(FromHub::GetSymbol(get)) => symbol(get.call, &get.symbol),
            Heard::Message(FromHub::GetQuotes(get)) => quote(get.call, 1.1),
            Heard::Message(FromHub::Query(_) | FromHub::Acknowledge(_)) => return None,
            other => panic!("{other:?}"),
        };
        terminal.send(reply).await;
        None
    }

    /// Answers questions while something else happens; a trade is one too many.
    async fn while_nothing_is_sent<T>(&self, terminal: &mut FakeTerminal, what: impl Future<Output = T>) -> T {
        tokio::pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return done,
                trade = self.one(terminal) => assert!(trade.is_none(), "{trade:?}"),
            }
        }
    }
}

#[tokio::test]
async fn flatten_deletes_and_closes_one_by_one_and_never_twice_while_the_first_may_still_run() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let pending = Order { ticket: 70, symbol: "EURUSD".into(), kind: 2, volume_current: 0.2, ..Order::default() };
    let mut shown = Shown { positions: vec![Shown::long(7, 0.3)], orders: vec![pending], ..Shown::default() };
    set(&hub.admin(), ACCOUNT, "flatten").await;
    let deletes = shown.trade(&mut terminal).await;
    assert_eq!((deletes.request.0.action, deletes.request.0.order), (action::REMOVE, 70));
    let closes = shown.trade(&mut terminal).await;
    let request = &closes.request.0;
    assert_eq!((request.action, request.position, request.kind, request.volume), (action::DEAL, 7, 1, 0.3));
    terminal.send(executed(&deletes, 0)).await;
    shown.orders.clear();
    // The close gets a retcode that proves nothing: as long as it may have run, no second one.
    let Outcome { mut result, .. } = executed(&closes, 0);
    result.0.retcode = 10_012;
    terminal.send(Outcome { command: closes.command, kind: 0, reason: String::new(), result }).await;
    let id = closes.command.to_string();
    shown.while_nothing_is_sent(&mut terminal, state_is(&hub, &id, "unknown")).await;
    // The account is looked at again and again, and nothing follows.
    let looked_at = shown.looks.get();
    while shown.looks.get() < looked_at + 3 {
        let sent = shown.one(&mut terminal).await;
        assert!(sent.is_none(), "a second close while the first may still run: {sent:?}");
    }
    // It is proved not to have run: now another attempt follows, as a command of its own.
    terminal.send(ea_refused(&closes)).await;
    let again = shown.trade(&mut terminal).await;
    assert_ne!(again.command, closes.command);
    assert_eq!(again.request.0.position, 7);
    terminal.send(executed(&again, 9)).await;
    shown.positions.clear();
    let record = shown.while_nothing_is_sent(&mut terminal, hub.admin().final_command(&again.command.to_string())).await;
    assert_eq!(record["state"], "executed");
}

#[tokio::test]
async fn flatten_clears_a_simulated_account_over_a_restart_of_the_hub() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    for _ in 0..3 {
        hub.admin().once().buy(1001).await.expect(200);
    }
    // Nothing can be done now; the switch waits for its terminal.
    terminal.set_switches(mtbridge::simulator::Switches { broker_link: false, ..Default::default() });
    eventually("the link is down", async || {
        let seen = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
        if seen["presence"]["broker_link"]["value"] == false { Ok(()) } else { Err(seen["presence"].to_string()) }
    })
    .await;
    set(&hub.admin(), "owner", "flatten").await;
    assert_eq!(terminal.broker().positions().len(), 3);
    hub.restart().await;
    hub.shows(&terminal.token, "connected").await;
    terminal.set_switches(mtbridge::simulator::Switches::default());
    eventually("the account is flat", async || {
        let left = terminal.broker().positions().len();
        if left == 0 { Ok(()) } else { Err(left.to_string()) }
    })
    .await;
    assert_eq!(terminal.broker().executed().len(), 6, "three deals opened, three closed");
}

#[tokio::test]
async fn the_terminals_own_latch_is_told_shown_and_counts() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    set(&hub.admin(), "hub", "block").await;
    // It has kept the level over a restart, say, while the hub's was lifted.
    set(&hub.admin(), "hub", "off").await;
    terminal.send(Status { latch: 1, latch_reason: "by hand".into(), ..all_on() }).await;
    eventually("the hub has heard", async || {
        let seen = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
        if seen["presence"]["latch"]["value"] == 1 { Ok(()) } else { Err(seen["presence"].to_string()) }
    })
    .await;
    let api = hub.admin().once();
    let refused = Shown::default().while_nothing_is_sent(&mut terminal, api.buy(1001)).await.refused(409, "kill_switch");
    assert_eq!(refused["scope"], "terminal");
    // The hub tells it once more how it stands, since it says otherwise.
    terminal.latch = None;
    while terminal.latch.is_none() {
        let heard = tokio::time::timeout(Duration::from_millis(100), terminal.next_whenever()).await;
        assert!(heard.is_err(), "{heard:?}");
    }
    assert_eq!(terminal.latch.as_ref().map(|latch| latch.level), Some(0));
}

// ---- limits and the duplicate guard

fn hub_limits(limits: Limits) -> impl FnOnce(&mut mtbridge::config::Config) {
    move |config| config.trading.limits = limits
}

async fn limited_key(hub: &TestHub, limits: Value) -> Api {
    let body = json!({"permissions": ["trade:write"], "limits": limits});
    let minted = hub.admin().post("/api/v1/keys", body).await.expect(201);
    assert_eq!(minted["limits"], limits);
    hub.api(minted["key"].as_str().unwrap())
}

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
    let id = bot_id(&hub).await;
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

// ---- trading hours

#[tokio::test]
async fn an_order_for_a_closed_market_is_refused_before_it_is_sent() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    // The broker's time is Saturday, 2024-03-09 16:00; it trades from Monday to Friday.
    let week = |days: std::ops::RangeInclusive<u8>| {
        let session = |day| Row(TradeSession { day, from_s: 0, to_s: 86_400 });
        TradeSessions { sessions: days.map(session).collect(), last_tick_msc: 0 }
    };
    terminal.hours = Some(week(1..=5));
    let api = hub.admin().once().with("prefer", "respond-async");
    let shown = Shown::default();
    let refused = shown.while_nothing_is_sent(&mut terminal, async { api.buy(1001).await }).await.refused(409, "market_closed");
    assert!(refused["message"].as_str().unwrap().contains("nothing was sent"), "{refused}");
    // Deleting goes through: some brokers take it.
    let remove = json!({"action": 8, "order": 70});
    let (answer, trade) = tokio::join!(api.post("/api/v1/terminals/1001/trade", remove), shown.trade(&mut terminal));
    answer.expect(202);
    assert_eq!(trade.request.0.order, 70);
}

// ---- dead-man timer

async fn switch_is_on(hub: &TestHub, scope: &str) -> Value {
    eventually("the switch is on", async || {
        let seen = hub.admin().get("/api/v1/kill-switch").await.expect(200);
        let found = seen["data"].as_array().unwrap().iter().find(|switch| switch["scope"] == scope).cloned();
        found.ok_or_else(|| seen.to_string())
    })
    .await
}

#[tokio::test]
async fn a_key_that_falls_silent_has_its_account_stopped_until_a_person_lifts_it() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let bot = hub.mint_key(&["trade:reduce", "read:account"]).await;
    let armed = bot.post("/api/v1/deadman", json!({"timeout_s": 1, "action": "cancel", "terminal": "1001"})).await.expect(200);
    assert_eq!((&armed["state"], &armed["scope"], &armed["action"]), (&json!("armed"), &json!(ACCOUNT), &json!("cancel")));
    let on = switch_is_on(&hub, ACCOUNT).await;
    assert_eq!((&on["level_name"], &on["by"]), (&json!("cancel"), &json!("hub")));
    let timers = bot.get("/api/v1/deadman").await.expect(200);
    assert_eq!((&timers["data"][0]["state"], &timers["data"][0]["remaining_ms"]), (&json!("fired"), &Value::Null));
    hub.admin().once().buy(1001).await.refused(409, "kill_switch");
    // Arming it again does not lift what it has latched.
    bot.post("/api/v1/deadman", json!({"timeout_s": 300, "terminal": "1001"})).await.expect(200);
    hub.admin().once().buy(1001).await.refused(409, "kill_switch");
    let off = bot.post("/api/v1/deadman", json!({"timeout_s": 0, "terminal": "1001"})).await.expect(200);
    assert_eq!(off["state"], "off");
    assert_eq!(bot.get("/api/v1/deadman").await.expect(200)["data"], json!([]));
    for wrong in [json!({"timeout_s": 301}), json!({"timeout_s": 1, "action": "off"}), json!({"timeout_s": -1}), json!({})] {
        bot.post("/api/v1/deadman", wrong).await.refused(422, "validation_error");
    }
}

#[tokio::test]
async fn a_timer_whose_time_passed_while_the_hub_was_down_fires_at_its_start() {
    let mut hub = TestHub::start().await;
    hub.admin().post("/api/v1/deadman", json!({"timeout_s": 2})).await.expect(200);
    let armed_again = hub.admin().post("/api/v1/deadman", json!({"timeout_s": 2, "action": "flatten"})).await.expect(200);
    assert!(armed_again["remaining_ms"].as_u64().unwrap() <= 2_000);
    assert_eq!(
        hub.admin().get("/api/v1/deadman").await.expect(200)["data"].as_array().unwrap().len(),
        1,
        "one for each key and scope"
    );
    hub.restart().await;
    let on = switch_is_on(&hub, "owner").await;
    assert_eq!(on["level_name"], "flatten");
    hub.restart().await;
    assert_eq!(switch_is_on(&hub, "owner").await["id"], on["id"], "it fires once");
}

// ---- incidents, adjudication, cancellation

async fn incidents(hub: &TestHub) -> Vec<Value> {
    hub.admin().get("/api/v1/incidents").await.expect(200)["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_contradiction_is_an_incident_that_stops_its_account() {
    let mut hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let _other = hub.terminal(2002).await;
    let api = hub.admin().once();
    let (answer, trade) = tokio::join!(api.buy(1001), async {
        let trade = terminal.trade().await;
        terminal.send(ea_refused(&trade)).await;
        trade
    });
    let id = answer.refused(422, "ea_refused")["id"].clone();
    assert_eq!(terminal.acknowledged().await, trade.command);
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
    let found =
        eventually("the incident is told", async || incidents(&hub).await.first().cloned().ok_or_else(|| "none".to_owned()))
            .await;
    assert_eq!((&found["kind"], &found["command"], &found["account"]["login"]), (&json!("contradiction"), &id, &json!(1001)));
    hub.admin().once().buy(1001).await.refused(409, "kill_switch");
    hub.admin().once().buy(2002).await.expect(200);
    // Told again, it is the same incident; over a restart it stands, and so does the latch.
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
    drop(terminal);
    hub.restart().await;
    assert_eq!(incidents(&hub).await.len(), 1);
    let filtered = |query: &str| format!("/api/v1/incidents?{query}");
    for (query, count) in [("account=1001", 1), ("account=2002", 0), ("kind=contradiction", 1), ("kind=unresolved", 0)] {
        let seen = hub.admin().get(&filtered(query)).await.expect(200);
        assert_eq!(seen["data"].as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(switch_is_on(&hub, ACCOUNT).await["level"], 1);
    // Its account cannot be forgotten with the latch on.
    let token = hub.admin().get("/api/v1/tokens").await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/tokens/{token}/disconnect");
    hub.admin().post(&path, json!({"history": "delete"})).await.refused(409, "kill_switch");
    set(&hub.admin(), ACCOUNT, "off").await;
    hub.admin().post(&path, json!({"history": "delete"})).await.expect(200);
    assert_eq!(incidents(&hub).await, Vec::<Value>::new(), "deleted with the account's history");
}

fn adjudicate(id: &str) -> String {
    format!("/api/v1/commands/{id}/adjudicate")
}

#[tokio::test]
async fn a_person_settles_what_is_unknown_and_nothing_else() {
    let mut hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let terminal = FakeTerminal::enter(hub.addr(), &token, 1001).await;
    let instance = terminal.instance;
    let (id, trade) = unknown(&hub, terminal).await;
    let disconnect = format!("/api/v1/tokens/{}/disconnect", token.id);
    hub.admin().post(&disconnect, json!({"history": "keep"})).await.refused(409, "commands_open");
    let say = json!({"outcome": "not_executed", "reason": "looked at the terminal with the broker on the phone"});
    hub.mint_key(&["trade:write"]).await.post(&adjudicate(&id), say.clone()).await.refused(403, "forbidden");
    for wrong in [
        json!({"outcome": "not_executed"}),
        json!({"outcome": "not_executed", "reason": ""}),
        json!({"outcome": "maybe", "reason": "x"}),
        json!({"outcome": "not_executed", "reason": "x", "deal": 5}),
        json!({"outcome": "executed", "reason": "x", "volume": -1}),
    ] {
        hub.admin().post(&adjudicate(&id), wrong).await.refused(422, "validation_error");
    }
    let record = hub.admin().post(&adjudicate(&id), say.clone()).await.expect(200);
    assert_eq!((&record["state"], &record["final"]), (&json!("adjudicated"), &json!(true)));
    assert_eq!((&record["adjudication"]["outcome"], &record["adjudication"]["reason"]), (&json!("not_executed"), &say["reason"]));
    // Once.
    let other = json!({"outcome": "executed", "reason": "no, wait", "deal": 5});
    assert_eq!(hub.admin().post(&adjudicate(&id), other).await.refused(409, "not_unknown")["state"], "adjudicated");
    hub.restart().await;
    assert_eq!(hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200), record);
    // The terminal comes back and knows better: it is told to stop, the record stands, and people are told.
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    terminal.instance = instance;
    terminal.is_let_in(1001).await;
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
    assert_eq!(hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200), record);
    assert_eq!(incidents(&hub).await[0]["kind"], "contradiction");
    assert_eq!(switch_is_on(&hub, ACCOUNT).await["level_name"], "block");
    drop(terminal);
    hub.shows(&token, "offline").await;
    hub.admin().post(&disconnect, json!({"history": "keep"})).await.expect(200);
}

#[tokio::test]
async fn a_decision_that_was_right_is_acknowledged_without_a_word() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let terminal = FakeTerminal::enter(hub.addr(), &token, 1001).await;
    let instance = terminal.instance;
    let (id, trade) = unknown(&hub, terminal).await;
    let say =
        json!({"outcome": "executed", "reason": "seen in the terminal", "order": 5, "deal": 5, "volume": 0.01, "price": 1.09});
    let record = hub.admin().post(&adjudicate(&id), say).await.expect(200);
    assert_eq!(record["result"]["deal"], 5);
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    terminal.instance = instance;
    terminal.is_let_in(1001).await;
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
    assert_eq!(incidents(&hub).await, Vec::<Value>::new());
    hub.admin()
        .post(&adjudicate("cmd_00000000000000000000000000"), json!({"outcome": "executed", "reason": "x"}))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn a_command_that_its_terminal_has_not_seen_can_be_cancelled() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let (id, trade) = under_way(&hub, &mut terminal).await;
    let path = format!("/api/v1/commands/{id}/cancel");
    let admin = hub.admin();
    let (answer, ()) = tokio::join!(admin.post(&path, json!({})), async {
        let query = terminal.query().await;
        assert_eq!(query.command, trade.command);
        let (outcome_kind, proof) = (0, proof::ALL);
        let answer = Answer {
            command: query.command,
            kind: answer_kind::NOT_SEEN,
            outcome_kind,
            reason: String::new(),
            result: Row::default(),
            proof,
            asked_at: query.asked_at,
        };
        terminal.send(answer).await;
    });
    assert_eq!(answer.expect(200)["state"], "not_executed");
    assert_eq!(terminal.acknowledged().await, trade.command);
    // Over is over, and asking is no error; what runs is told as it stands.
    assert_eq!(hub.admin().post(&path, json!({})).await.expect(200)["state"], "not_executed");
    let (id, trade) = under_way(&hub, &mut terminal).await;
    terminal.send(accepted(trade.command)).await;
    state_is(&hub, &id, "accepted").await;
    let quick = hub.admin().with("prefer", "respond-async");
    let cancelled = quick.post(&format!("/api/v1/commands/{id}/cancel"), json!({})).await.expect(202);
    assert_eq!(cancelled["state"], "accepted");
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(hub.admin().final_command(&id).await["state"], "executed");
}

// ---- what is left over

#[tokio::test]
async fn an_outcome_of_a_deleted_command_is_acknowledged_and_one_that_never_was_is_not() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once();
    let (answer, trade) = tokio::join!(api.buy(1001), async {
        let trade = terminal.trade().await;
        terminal.send(executed(&trade, 5)).await;
        trade
    });
    answer.expect(200);
    terminal.acknowledged().await;
    let (token, instance) = (terminal.token.clone(), terminal.instance);
    hub.admin().post(&format!("/api/v1/tokens/{}/disconnect", token.id), json!({"history": "delete"})).await.expect(200);
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    terminal.instance = instance;
    terminal.is_let_in(1001).await;
    // Made up, and as late as can be: it may have been lost and not deleted.
    let never = mtbridge::domain::ids::CommandId::from_bytes([0x7f; 16]);
    terminal.send(Outcome { command: never, ..executed(&trade, 6) }).await;
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
}

#[tokio::test]
async fn what_was_restored_stays_shut_until_a_person_opens_it() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    // In the backup a timer ran and another account was being flattened: neither may go on by itself.
    let timer = json!({"timeout_s": 300, "action": "flatten", "terminal": "1001"});
    hub.admin().once().post("/api/v1/deadman", timer).await.expect(200);
    set(&hub.admin(), "2002@Demo-Server", "flatten").await;
    hub.stop().await;
    let mark = hub.dir().join("restored");
    std::fs::write(&mark, r#"{"at":"2026-11-22T01:00:00Z","backup_at":"2026-11-21T01:00:00Z","seq":5}"#).unwrap();
    hub.start_again().await;
    assert!(!mark.exists(), "the latch is durable, so the mark has done its work");
    assert_eq!(hub.admin().get("/api/v1/deadman").await.expect(200)["data"], json!([]));
    let switches = hub.admin().get("/api/v1/kill-switch").await.expect(200);
    let levels: Vec<_> = switches["data"].as_array().unwrap().iter().map(|switch| &switch["level_name"]).collect();
    assert_eq!(levels, ["block", "block"], "{switches}");
    hub.shows(&terminal.token, "connected").await;
    let refused = hub.admin().once().buy(1001).await.refused(409, "kill_switch");
    assert!(refused["reason"].as_str().unwrap().contains("2026-11-21T01:00:00Z"), "{refused}");
    hub.restart().await;
    hub.shows(&terminal.token, "connected").await;
    hub.admin().once().buy(1001).await.refused(409, "kill_switch");
    set(&hub.admin(), "hub", "off").await;
    eventually("it trades again", async || {
        let answer = hub.admin().once().buy(1001).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.json.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_filter_of_commands_fills_its_pages() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let mut wanted = Vec::new();
    for n in 0..12 {
        let mut order = buy();
        if n % 4 == 3 {
            order["volume"] = json!(0.015);
        }
        let answer = hub.admin().once().post(&orders(1001), order).await;
        if n % 4 == 3 {
            wanted.push(answer.json["id"].clone());
        }
    }
    let page = hub.admin().get("/api/v1/commands?state=broker_rejected&limit=2").await.expect(200);
    let ids = |page: &Value| page["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&page), wanted[..2], "a page is filled, wherever its rows stand");
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = hub.admin().get(&format!("/api/v1/commands?state=broker_rejected&limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((ids(&rest), &rest["next_cursor"]), (wanted[2..].to_vec(), &Value::Null));
}
