//! Facts against records, and what a person decides where nobody knows; at bad moments too: while the disk refuses, and while the account is
//! being deleted.

use std::{sync::Arc, time::Duration};

use mtbridge::store::{StoreError, failing::FailingStore};
use serde_json::{Value, json};

use crate::harness::{
    Answer, FakeTerminal, TestHub,
    controls::{ACCOUNT, set, switch_is_on, unknown},
    eventually,
    fake::{ea_refused, executed},
    soon,
};

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
async fn an_alert_that_could_not_be_recorded_is_raised_again() {
    let (hub, store) =
        TestHub::over(|store| Arc::new(FailingStore::new(store)), |config| config.trading.alert_after = Duration::from_secs(2))
            .await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once().with("prefer", "respond-async");
    let (answer, _trade) = tokio::join!(api.buy(1001), terminal.trade());
    let id = answer.expect(202)["id"].as_str().unwrap().to_owned();
    drop(terminal);
    eventually("it is unknown", async || {
        let record = hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200);
        if record["state"] == "unknown" { Ok(()) } else { Err(record.to_string()) }
    })
    .await;
    // The note of the disconnect and the alert are all that is written from here on, so one of these is the alert at least.
    store.fail_next(3, StoreError::Full { free: 0, floor: 1 });
    let raised = eventually("the alert is recorded", async || incidents(&hub).await.pop().ok_or_else(String::new)).await;
    assert_eq!((&raised["kind"], &raised["command"]), (&json!("unresolved"), &json!(id)));
}

/// A contradiction comes while the deletion of its account waits at the disk, and the deletion's answer.
async fn contradicted_while_it_is_deleted(hub: &TestHub, store: &FailingStore, passing: usize, waiting: Waiting) -> Answer {
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once();
    let (answer, trade) = tokio::join!(api.buy(1001), async {
        let trade = terminal.trade().await;
        terminal.send(ea_refused(&trade)).await;
        trade
    });
    answer.refused(422, "ea_refused");
    assert_eq!(terminal.acknowledged().await, trade.command);
    store.hang_after(passing);
    let path = format!("/api/v1/tokens/{}/disconnect", terminal.token.id);
    let admin = hub.admin();
    let deleting = admin.post(&path, json!({"history": "delete"}));
    let contradicting = async {
        store.hung(1).await;
        terminal.send(executed(&trade, 7)).await;
        match waiting {
            Waiting::AtTheDisk => soon("the switch is on its way to the disk", store.hung(2)).await,
            // Its record waits for the deletion, which nothing shows; if it did not, it would be at the disk.
            Waiting::ForTheDeletion => drop(tokio::time::timeout(Duration::from_millis(300), store.hung(2)).await),
        }
        store.release();
    };
    tokio::join!(deleting, contradicting).0
}

/// Where a latch is held up.
enum Waiting {
    AtTheDisk,
    ForTheDeletion,
}

async fn is_latched(hub: &TestHub) {
    eventually("the account is stopped", async || {
        let seen = hub.admin().get("/api/v1/kill-switch").await.expect(200);
        let on = seen["data"].as_array().unwrap().iter().any(|switch| switch["scope"] == ACCOUNT);
        if on { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
}

/// Nothing that stops trading waits for the rows of one account's history.
#[tokio::test]
async fn a_latch_that_comes_while_the_rows_of_its_account_are_deleted_is_on_at_once_and_ends_the_deletion() {
    let (mut hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
    let deleted = contradicted_while_it_is_deleted(&hub, &store, 0, Waiting::AtTheDisk).await;
    deleted.refused(409, "kill_switch");
    is_latched(&hub).await;
    drop(store);
    hub.restart().await;
    is_latched(&hub).await;
}

/// Between the second look at the account's switch and the destruction of its key.
#[tokio::test]
async fn a_latch_that_comes_while_its_account_is_deleted_stands_over_restarts() {
    let (mut hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
    // The rows pass.
    let deleted = contradicted_while_it_is_deleted(&hub, &store, 1, Waiting::ForTheDeletion).await;
    deleted.expect(200);
    is_latched(&hub).await;
    drop(store);
    hub.restart().await;
    is_latched(&hub).await;
}
