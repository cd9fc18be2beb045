//! A hub over data that was restored from a backup.

use serde_json::json;

use crate::harness::{TestHub, controls::set, eventually};

#[tokio::test]
async fn what_was_restored_stays_shut_until_a_person_opens_it() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    // In the backup a timer ran and another account was being flattened: neither may go on by itself.
    let timer = json!({"timeout_s": 300, "action": "flatten", "terminal": "1001"});
    hub.admin().once().post("/api/v1/deadman", timer).await.expect(200);
    set(&hub.admin(), "2002@Demo-Server", "flatten").await;
    let anna = hub.user(&hub.admin(), "member").await;
    hub.stop().await;
    let mark = hub.dir().join("restored");
    std::fs::write(&mark, r#"{"at":"2026-11-22T01:00:00Z","backup_at":"2026-11-21T01:00:00Z","seq":5}"#).unwrap();
    hub.start_again().await;
    assert!(!mark.exists(), "the latch is durable, so the mark has done its work");
    assert_eq!(hub.admin().get("/api/v1/deadman").await.expect(200)["data"], json!([]));
    anna.get("/api/v1/session").await.refused(401, "unauthorized");
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
