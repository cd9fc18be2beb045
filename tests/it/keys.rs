//! API keys: created, listed, renamed, rotated, revoked, expired.

use serde_json::{Value, json};

use crate::harness::{Api, TestHub, eventually};

#[tokio::test]
async fn a_key_is_shown_once_with_the_four_permissions_that_are_on_by_default() {
    let hub = TestHub::start().await;
    let minted = hub.admin().post("/api/v1/keys", json!({"name": "bot"})).await.expect(201);
    let secret = minted["key"].as_str().unwrap();
    assert_eq!((secret.len(), &secret[..8]), (57, "sk_live_"));
    assert_eq!(minted["permissions"], json!(["read:bars", "write:indicators", "read:indicators", "delete:indicators"]));
    let path = format!("/api/v1/keys/{}", minted["id"].as_str().unwrap());
    for path in [path.as_str(), "/api/v1/keys"] {
        let text = String::from_utf8(hub.admin().get(path).await.bytes).unwrap();
        assert!(!text.contains(&secret[12..]) && !text.contains("digest"), "{path}: {text}");
    }
    assert_eq!(hub.admin().patch(&path, json!({"name": "other"})).await.expect(200)["name"], "other");
    assert_eq!(hub.admin().get("/api/v1/keys").await.expect(200)["data"].as_array().unwrap().len(), 2, "the preset one and this");
}

#[tokio::test]
async fn a_revoked_key_is_refused_from_the_next_request_on() {
    let hub = TestHub::start().await;
    let minted = hub.admin().post("/api/v1/keys", json!({"permissions": ["read:account"]})).await.expect(201);
    let bot = hub.api(minted["key"].as_str().unwrap());
    bot.get("/api/v1/terminals").await.expect(200);
    let path = format!("/api/v1/keys/{}", minted["id"].as_str().unwrap());
    assert_eq!(hub.admin().delete(&path).await.status, 204);
    bot.get("/api/v1/terminals").await.refused(401, "unauthorized");
    assert_eq!(hub.admin().get(&path).await.expect(200)["state"], "revoked");
    hub.admin().post(&format!("{path}/rotate"), json!({})).await.refused(409, "revoked");
}

#[tokio::test]
async fn a_key_that_expires_is_refused_from_that_moment_on() {
    let hub = TestHub::start().await;
    let end = jiff::Timestamp::now().as_millisecond() + 700;
    let minted = hub
        .admin()
        .post("/api/v1/keys", json!({"permissions": ["read:account"], "expires_at": end.to_string()}))
        .await
        .expect(201);
    let bot = hub.api(minted["key"].as_str().unwrap());
    bot.get("/api/v1/terminals").await.expect(200);
    eventually("the key expires", async || match bot.get("/api/v1/terminals").await.status {
        401 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    assert!(jiff::Timestamp::now().as_millisecond() >= end, "not before its time");
    hub.admin().post("/api/v1/keys", json!({"expires_at": "2020-01-01T00:00:00Z"})).await.refused(422, "validation_error");
}

#[tokio::test]
async fn a_rotated_key_overlaps_with_its_successor() {
    let hub = TestHub::start().await;
    let minted = hub.admin().post("/api/v1/keys", json!({"name": "bot", "permissions": ["read:account"]})).await.expect(201);
    let old = hub.api(minted["key"].as_str().unwrap());
    let path = format!("/api/v1/keys/{}/rotate", minted["id"].as_str().unwrap());
    let next = hub.admin().post(&path, json!({"overlap_s": 1})).await.expect(201);
    assert_eq!((&next["permissions"], &next["name"]), (&json!(["read:account"]), &json!("bot")));
    let new = hub.api(next["key"].as_str().unwrap());
    old.get("/api/v1/terminals").await.expect(200);
    new.get("/api/v1/terminals").await.expect(200);
    eventually("the overlap ends", async || match old.get("/api/v1/terminals").await.status {
        401 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    new.get("/api/v1/terminals").await.expect(200);
    let at_once =
        hub.admin().post(&format!("/api/v1/keys/{}/rotate", next["id"].as_str().unwrap()), json!({"overlap_s": 0})).await;
    at_once.expect(201);
    new.get("/api/v1/terminals").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn the_last_admin_key_cannot_be_revoked() {
    let hub = TestHub::start().await;
    let first = hub.admin().get("/api/v1/keys").await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    hub.admin().delete(&format!("/api/v1/keys/{first}")).await.refused(409, "last_admin_key");
    let second = hub.mint_key(&["admin"]).await;
    assert_eq!(second.delete(&format!("/api/v1/keys/{first}")).await.status, 204);
    hub.admin().get("/api/v1/keys").await.refused(401, "unauthorized");
    second.get("/api/v1/keys").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_admins_who_revoke_each_other_at_once_leave_one() {
    let hub = TestHub::start().await;
    for _ in 0..10 {
        let list = hub.admin().get("/api/v1/keys").await.expect(200);
        let mine = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["state"] == "active" && row["name"] == "preset admin")
            .unwrap()["id"]
            .clone();
        let other = hub.admin().post("/api/v1/keys", json!({"permissions": ["admin"]})).await.expect(201);
        let them = hub.api(other["key"].as_str().unwrap());
        let (a, b) =
            (format!("/api/v1/keys/{}", mine.as_str().unwrap()), format!("/api/v1/keys/{}", other["id"].as_str().unwrap()));
        let admin = hub.admin();
        let (first, second) = tokio::join!(them.delete(&a), admin.delete(&b));
        let alive = [hub.admin().get("/api/v1/keys").await.status, them.get("/api/v1/keys").await.status];
        assert!(alive.contains(&200), "nobody is left who could make a key: {} {}", first.status, second.status);
        if alive[0] != 200 {
            // The preset one is gone: this hub has shown what it can.
            return;
        }
    }
}

#[tokio::test]
async fn a_key_is_made_only_of_what_there_is() {
    let hub = TestHub::start().await;
    for body in [
        json!({"permissions": ["read:everything"]}),
        json!({"permissions": []}),
        json!({"permissions": ["admin"], "test": true}),
        json!({"permission": ["admin"]}),
        json!({"name": 5}),
    ] {
        hub.admin().post("/api/v1/keys", body).await.refused(422, "validation_error");
    }
}

/// A key of a bot, and what minted it.
async fn bot(hub: &TestHub, body: serde_json::Value) -> (Api, String) {
    let minted = hub.admin().post("/api/v1/keys", body).await.expect(201);
    (hub.api(minted["key"].as_str().unwrap()), minted["id"].as_str().unwrap().to_owned())
}

async fn rotated(hub: &TestHub, id: &str, overlap_s: u32) -> (Api, serde_json::Value) {
    let path = format!("/api/v1/keys/{id}/rotate");
    let next = hub.admin().post(&path, json!({"overlap_s": overlap_s})).await.expect(201);
    (hub.api(next["key"].as_str().unwrap()), next)
}

async fn switch_is_on(hub: &TestHub, scope: &str) {
    eventually("the switch is on", async || {
        let seen = hub.admin().get("/api/v1/kill-switch").await.expect(200);
        let on = seen["data"].as_array().unwrap().iter().any(|switch| switch["scope"] == scope);
        if on { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_rotated_key_stands_under_the_same_kill_switch() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let (old, id) = bot(&hub, json!({"permissions": ["trade:write", "read:account"]})).await;
    let switch = |scope: &str, level: &str| json!({"scope": scope, "level": level, "reason": "a test"});
    old.post("/api/v1/kill-switch", switch("key", "block")).await.expect(200);
    let (new, row) = rotated(&hub, &id, 60).await;
    assert_eq!((&row["line"], &row["successor"]), (&json!(id), &serde_json::Value::Null));
    for _ in 0..2 {
        for (whose, key) in [("the old one", &old), ("its successor", &new)] {
            key.once().buy(1001).await.refused(409, "kill_switch");
            let seen = key.get("/api/v1/kill-switch").await.expect(200);
            assert_eq!(seen["data"][0]["scope"], json!(id), "{whose} sees it: {seen}");
        }
        hub.restart().await;
        hub.shows(&terminal.token, "connected").await;
    }
    // Whichever of their ids names it, it is one switch.
    let successor = row["id"].as_str().unwrap();
    hub.admin().post("/api/v1/kill-switch", switch(successor, "off")).await.expect(200);
    new.once().buy(1001).await.expect(200);
    old.once().buy(1001).await.expect(200);
    // And the one after the next still is the same bot.
    let (third, _) = rotated(&hub, successor, 60).await;
    third.post("/api/v1/kill-switch", switch("key", "block")).await.expect(200);
    old.once().buy(1001).await.refused(409, "kill_switch");
}

#[tokio::test]
async fn a_rotated_key_goes_on_with_the_timer_of_the_old_one() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let (old, id) = bot(&hub, json!({"permissions": ["trade:reduce", "read:account"]})).await;
    old.post("/api/v1/deadman", json!({"timeout_s": 300, "terminal": "1001"})).await.expect(200);
    let (new, _) = rotated(&hub, &id, 0).await;
    // It lets go of what its predecessor armed...
    assert_eq!(new.get("/api/v1/deadman").await.expect(200)["data"][0]["key"], json!(id));
    new.post("/api/v1/deadman", json!({"timeout_s": 0, "terminal": "1001"})).await.expect(200);
    assert_eq!(new.get("/api/v1/deadman").await.expect(200)["data"], json!([]));
    // ...and while both are good, either renews the one timer.
    new.post("/api/v1/deadman", json!({"timeout_s": 300, "terminal": "1001"})).await.expect(200);
    let id = hub.admin().get("/api/v1/keys").await.expect(200)["data"].as_array().unwrap().last().unwrap()["id"].clone();
    let (third, _) = rotated(&hub, id.as_str().unwrap(), 60).await;
    third.post("/api/v1/deadman", json!({"timeout_s": 1, "terminal": "1001"})).await.expect(200);
    new.post("/api/v1/deadman", json!({"timeout_s": 299, "terminal": "1001"})).await.expect(200);
    let timers = third.get("/api/v1/deadman").await.expect(200);
    assert_eq!((timers["data"].as_array().unwrap().len(), &timers["data"][0]["timeout_s"]), (1, &json!(299.0)), "{timers}");
    // Nobody renews it: it fires, whoever armed it.
    new.post("/api/v1/deadman", json!({"timeout_s": 1, "terminal": "1001"})).await.expect(200);
    switch_is_on(&hub, "1001@Demo-Server").await;
}

#[tokio::test]
async fn a_rotated_key_has_no_second_day_of_orders() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let limits = json!({"orders_per_day": 2});
    let (old, id) = bot(&hub, json!({"permissions": ["trade:write", "read:account"], "limits": limits})).await;
    old.once().buy(1001).await.expect(200);
    let (new, _) = rotated(&hub, &id, 60).await;
    new.once().buy(1001).await.expect(200);
    for _ in 0..2 {
        new.once().buy(1001).await.refused(422, "limit_exceeded");
        old.once().buy(1001).await.refused(422, "limit_exceeded");
        hub.restart().await;
        hub.shows(&terminal.token, "connected").await;
    }
}

#[tokio::test]
async fn the_timer_of_a_revoked_key_fires_all_the_same() {
    let mut hub = TestHub::start().await;
    for round in 0..2 {
        let login = 1001 + round;
        let _terminal = hub.terminal(login).await;
        let (bot, id) = bot(&hub, json!({"permissions": ["trade:reduce"]})).await;
        bot.post("/api/v1/deadman", json!({"timeout_s": 2, "terminal": login.to_string()})).await.expect(200);
        assert_eq!(hub.admin().delete(&format!("/api/v1/keys/{id}")).await.status, 204);
        if round == 1 {
            hub.restart().await;
        }
        switch_is_on(&hub, &format!("{login}@Demo-Server")).await;
    }
}

#[tokio::test]
async fn a_key_hands_out_nothing_wider_than_it_has_itself() {
    let hub = TestHub::start().await;
    let narrow = json!({"permissions": ["admin"], "plan": "pro", "ips": ["127.0.0.0/8"], "expires_at": "2100-01-01T00:00:00Z",
        "limits": {"max_order_volume": 1.0, "symbols": ["EUR*"]}});
    let made = hub.admin().post("/api/v1/keys", narrow.clone()).await.expect(201);
    let bot = hub.api(made["key"].as_str().unwrap());
    let own = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    let with = |field: &str, value: Value| {
        let mut body = narrow.clone();
        body[field] = value;
        body
    };
    for (field, wider) in [
        ("plan", json!("unlimited")),
        ("ips", json!(["127.0.0.1", "203.0.113.7"])),
        ("ips", Value::Null),
        ("expires_at", json!("2100-01-02T00:00:00Z")),
        ("expires_at", Value::Null),
        ("limits", json!({})),
        ("limits", json!({"max_order_volume": 1.5, "symbols": ["EURUSD"]})),
        ("limits", json!({"max_order_volume": 1.0, "symbols": ["EUR*", "GBPUSD"]})),
    ] {
        let refused = bot.post("/api/v1/keys", with(field, wider.clone())).await.refused(403, "forbidden");
        assert_eq!(refused["field"], field, "{wider}");
        let refused = bot.patch(&own, json!({field: wider})).await.refused(403, "forbidden");
        assert_eq!(refused["field"], field, "{wider}");
    }
    bot.post("/api/v1/hooks", json!({"kind": "tradingview", "limits": {}})).await.refused(403, "forbidden");
    bot.post("/api/v1/users", json!({"login": "free", "role": "member"})).await.refused(403, "forbidden");
    // One that is wider is neither rotated into the caller's hands nor put behind a hook.
    let wide = hub.admin().post("/api/v1/keys", json!({"permissions": ["trade:write"]})).await.expect(201);
    let wide_path = format!("/api/v1/keys/{}", wide["id"].as_str().unwrap());
    bot.post(&format!("{wide_path}/rotate"), json!({})).await.refused(403, "forbidden");
    bot.post("/api/v1/hooks", json!({"kind": "tradingview", "key": wide["id"]})).await.refused(403, "forbidden");
    // The same or less is.
    let less = json!({"max_order_volume": 0.5, "symbols": ["EURUSD*"]});
    bot.post("/api/v1/keys", with("limits", less.clone())).await.expect(201);
    let hook = bot.post("/api/v1/hooks", json!({"kind": "tradingview"})).await.expect(201);
    let key = hub.admin().get(&format!("/api/v1/keys/{}", hook["key"].as_str().unwrap())).await.expect(200);
    assert_eq!((&key["limits"], &key["ips"], &key["plan"]), (&narrow["limits"], &narrow["ips"], &narrow["plan"]));
    bot.patch(&wide_path, json!({"name": "a name is no more"})).await.expect(200);
    bot.patch(&own, json!({"limits": less})).await.expect(200);
    bot.post(&format!("{own}/rotate"), json!({})).await.expect(201);
    assert_eq!(bot.delete(&wide_path).await.status, 204);
}
