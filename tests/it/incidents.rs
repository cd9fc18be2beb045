//! Incidents at bad moments: while the disk refuses, and while the account is being deleted.

use std::{sync::Arc, time::Duration};

use mtbridge::store::{StoreError, failing::FailingStore};
use serde_json::{Value, json};

use crate::harness::{
    TestHub, eventually,
    fake::{ea_refused, executed},
};

async fn incidents(hub: &TestHub) -> Vec<Value> {
    hub.admin().get("/api/v1/incidents").await.expect(200)["data"].as_array().unwrap().clone()
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

/// Between the look at the account's switch and the destruction of its key.
#[tokio::test]
async fn a_latch_that_comes_while_its_account_is_deleted_stands_over_restarts() {
    let (mut hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once();
    let (answer, trade) = tokio::join!(api.buy(1001), async {
        let trade = terminal.trade().await;
        terminal.send(ea_refused(&trade)).await;
        trade
    });
    answer.refused(422, "ea_refused");
    assert_eq!(terminal.acknowledged().await, trade.command);
    store.hang();
    let path = format!("/api/v1/tokens/{}/disconnect", terminal.token.id);
    let admin = hub.admin();
    let deleting = admin.post(&path, json!({"history": "delete"}));
    let contradicting = async {
        store.hung(1).await;
        terminal.send(executed(&trade, 7)).await;
        // Its record waits for the disk, or, as it should, for the deletion, which nothing shows.
        let _ = tokio::time::timeout(Duration::from_millis(300), store.hung(2)).await;
        store.release();
    };
    let (deleted, ()) = tokio::join!(deleting, contradicting);
    deleted.expect(200);
    let latched = async |hub: &TestHub| {
        eventually("the account is stopped", async || {
            let seen = hub.admin().get("/api/v1/kill-switch").await.expect(200);
            let on = seen["data"].as_array().unwrap().iter().any(|switch| switch["scope"] == "1001@Demo-Server");
            if on { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    };
    latched(&hub).await;
    drop(store);
    hub.restart().await;
    latched(&hub).await;
}
