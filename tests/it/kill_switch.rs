//! The kill switch: what it stops, what it lets through, and whose it is.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use mtbridge::{
    protocol::{FromHub, message::Status},
    store::{Store, failing::FailingStore},
};
use serde_json::json;

use crate::harness::{
    Api, Heard, TestHub, buy,
    controls::{ACCOUNT, Shown, close, last_key, quote, set, switch},
    eventually,
    fake::all_on,
    open_store, orders,
};

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
        // The whole hub's is for whoever runs it.
        let by = if scope == "hub" { hub.admin() } else { bot.clone() };
        set(&by, scope, "block").await;
        let status = async |api: &Api, login: u64| api.once().buy(login).await.status;
        assert_eq!(status(&bot, 1001).await == 409, stops_one, "{scope}");
        assert_eq!(status(&bot, 2002).await == 409, stops_other, "{scope}");
        assert_eq!(status(&hub.admin(), 1001).await == 409, stops_other_keys, "{scope}");
        let scope = if scope == "key" { last_key(&hub).await } else { scope.to_owned() };
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

#[tokio::test]
async fn a_test_key_can_stop_a_demo_account_and_nothing_else() {
    let hub = TestHub::start().await;
    let _demo = hub.terminal(1001).await;
    let body = json!({"permissions": ["trade:reduce", "read:account"], "test": true});
    let minted = hub.admin().post("/api/v1/keys", body).await.expect(201);
    let bot = hub.api(minted["key"].as_str().unwrap());
    bot.post("/api/v1/kill-switch", switch("hub", "block")).await.refused(403, "operator_required");
    for scope in ["owner", "2002@Demo-Server"] {
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
