//! The dead-man timer: a key that falls silent.

use serde_json::{Value, json};

use crate::harness::{
    TestHub,
    controls::{ACCOUNT, switch_is_on},
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
