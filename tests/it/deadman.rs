//! The dead-man timer: a key that falls silent.

use std::sync::Arc;

use mtbridge::store::failing::FailingStore;
use serde_json::{Value, json};

use crate::harness::{
    TestHub,
    controls::{ACCOUNT, set, switch_is_on},
    eventually, soon,
};

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

/// The first timer is due; that it is carried out may have to wait.
async fn is_due(hub: &TestHub) {
    eventually("the timer is due", async || {
        let timers = hub.admin().get("/api/v1/deadman").await.expect(200);
        if timers["data"][0]["remaining_ms"] == 0 { Ok(()) } else { Err(timers.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_timer_that_waits_to_be_fired_keeps_nobody_from_renewing_it() {
    let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
    let admin = hub.admin();
    admin.post("/api/v1/deadman", json!({"timeout_s": 1, "action": "flatten"})).await.expect(200);
    store.hang();
    // Another switch is on its way to the disk, and only one changes at a time.
    let killing = set(&admin, "key", "block");
    let renewing = async {
        store.hung(1).await;
        is_due(&hub).await;
        let releasing = async {
            soon("the renewal is on its way to the disk", store.hung(2)).await;
            store.release();
        };
        tokio::join!(admin.post("/api/v1/deadman", json!({"timeout_s": 300, "action": "flatten"})), releasing).0
    };
    let (_, renewed) = tokio::join!(killing, renewing);
    assert_eq!(renewed.expect(200)["state"], "armed");
    // One that follows is recorded after all that waited.
    set(&admin, ACCOUNT, "block").await;
    let on = admin.get("/api/v1/kill-switch").await.expect(200);
    assert!(on["data"].as_array().unwrap().iter().all(|switch| switch["scope"] != "owner"), "{on}");
    assert_eq!(admin.get("/api/v1/deadman").await.expect(200)["data"][0]["state"], "armed");
}

#[tokio::test]
async fn a_timer_that_waited_for_the_disk_has_its_whole_time_when_it_is_set() {
    let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
    let _terminal = hub.terminal(1001).await;
    let admin = hub.admin();
    // Sorted before the other, and due after it.
    let bot = hub.mint_key(&["trade:reduce", "read:account"]).await;
    admin.post("/api/v1/deadman", json!({"timeout_s": 2})).await.expect(200);
    store.hang();
    let releasing = async {
        store.hung(1).await;
        is_due(&hub).await;
        store.release();
    };
    let arm = json!({"timeout_s": 1, "terminal": "1001"});
    let armed = tokio::join!(bot.post("/api/v1/deadman", arm), releasing).0.expect(200);
    assert!(armed["remaining_ms"].as_u64().unwrap() > 0, "{armed}");
}
