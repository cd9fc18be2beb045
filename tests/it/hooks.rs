//! Alerts of TradingView: what becomes of them, what is refused, and that none trades twice.

use mtbridge::access::secret::{KEY_LIVE, Secret};
use serde_json::{Value, json};

use crate::harness::{Api, HubProcess, Machine, TestHub, eventually, free_port, simulator_config, soon};

/// A hook, and how its alerts come in.
struct Hook {
    id: String,
    key: String,
    path: String,
    sender: Api,
}

impl Hook {
    async fn new(hub: &TestHub, more: Value) -> Self {
        let mut body = json!({"kind": "tradingview", "name": "strategy"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Self::of(&hub.admin().post("/api/v1/hooks", body).await.expect(201), hub.api(""))
    }

    fn of(made: &Value, sender: Api) -> Self {
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        // As TradingView does: no key, and no JSON where the body is none.
        Self { id: text("id"), key: text("key"), path: text("path"), sender }
    }

    async fn alert(&self, text: &str) -> crate::harness::Answer {
        self.sender.post_text(&self.path, text).await
    }

    async fn received(&self, hub: &Api) -> Vec<Value> {
        let list = hub.get(&format!("/api/v1/hooks/{}/received", self.id)).await.expect(200);
        list["data"].as_array().unwrap().clone()
    }
}

fn command(answer: &Value) -> String {
    answer["commands"][0].as_str().unwrap_or_else(|| panic!("no command in {answer}")).to_owned()
}

#[tokio::test]
async fn an_alert_becomes_one_command_however_often_it_comes() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let hook = Hook::new(&hub, json!({"symbol_map": {"OANDA:EURUSD": "EURUSD"}})).await;
    let alert =
        r#"{"action": "buy", "symbol": "OANDA:EURUSD", "volume": "0.1", "order_id": "Long", "time": "2026-11-20T10:00:00Z"}"#;
    let first = hook.alert(alert).await.expect(202);
    assert_eq!(first["state"], "sent");
    let done = hub.admin().final_command(&command(&first)).await;
    assert_eq!(
        (&done["state"], &done["client_order_id"], &done["request"]["volume"]),
        (&json!("executed"), &json!("Long"), &json!(0.1))
    );
    let again = hook.alert(alert).await.expect(200);
    assert_eq!((&again["duplicate"], &again["commands"], &again["alert"]), (&json!(true), &first["commands"], &first["alert"]));
    hub.restart().await;
    hub.shows(&terminal.token, "connected").await;
    assert_eq!(hook.alert(alert).await.expect(200)["duplicate"], true, "after a restart too");
    assert_eq!(terminal.broker().executed().len(), 1);
    let states: Vec<_> = hook.received(&hub.admin()).await.iter().map(|row| row["state"].clone()).collect();
    assert_eq!(json!(states), json!(["duplicate", "duplicate", "sent"]), "newest first");
}

#[tokio::test]
async fn the_same_words_are_another_alert_when_the_window_is_over() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let hook = Hook::new(&hub, json!({"defaults": {"duplicate_window_s": 1}})).await;
    let first = hook.alert("buy EURUSD 0.1").await.expect(202);
    let second = eventually("the window is over", async || {
        let answer = hook.alert("buy EURUSD 0.1").await;
        if answer.status == 202 { Ok(answer.json) } else { Err(answer.json.to_string()) }
    })
    .await;
    assert_ne!(command(&first), command(&second));
    let body = json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.1});
    assert_eq!(second["plan"], json!({"call": "orders", "body": body}));
}

#[tokio::test]
async fn a_hook_acts_under_a_key_of_its_own() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let hook = Hook::new(&hub, json!({"limits": {"max_order_volume": 0.2}})).await;
    hook.alert("buy EURUSD 0.3").await.refused(422, "limit_exceeded");
    let switch = |level: &str| json!({"scope": hook.key, "level": level, "reason": "a test"});
    hub.admin().post("/api/v1/kill-switch", switch("block")).await.expect(200);
    let body = hook.alert("buy EURUSD 0.1").await.refused(409, "kill_switch");
    assert!(body["alert"].as_str().unwrap().starts_with("alr_"), "{body}");
    assert!(terminal.broker().executed().is_empty());
    hub.admin().post("/api/v1/kill-switch", switch("off")).await.expect(200);
    hook.alert("buy EURUSD 0.11").await.expect(202);
    hub.admin().delete(&format!("/api/v1/keys/{}", hook.key)).await;
    hook.alert("buy EURUSD 0.12").await.refused(403, "forbidden");
    // A hook that may only reduce opens nothing.
    let reducer = Hook::new(&hub, json!({"permissions": ["trade:reduce"]})).await;
    reducer.alert("buy EURUSD 0.1").await.refused(403, "forbidden");
    reducer.alert("close all").await.expect(202);
    for body in [json!({"permissions": ["admin"]}), json!({"permissions": []}), json!({"key": reducer.key, "test": true})] {
        let mut new = json!({"kind": "tradingview"});
        new.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        hub.admin().post("/api/v1/hooks", new).await.refused(422, "validation_error");
    }
}

#[tokio::test]
async fn positions_and_orders_of_a_symbol_are_closed_modified_and_cancelled() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let hook = Hook::new(&hub, json!({})).await;
    let admin = hub.admin();
    for text in ["buy EURUSD 0.1", "buy EURUSD 0.2", "buy EURUSD 0.1 type=limit price=0.5"] {
        let made = hook.alert(text).await.expect(202);
        let state = if text.contains("limit") { "placed" } else { "executed" };
        assert_eq!(admin.final_command(&command(&made)).await["state"], state, "{text}");
    }
    let moved = hook.alert("modify EURUSD sl=0.4").await.expect(202);
    assert_eq!(moved["commands"].as_array().unwrap().len(), 2);
    for id in moved["commands"].as_array().unwrap() {
        assert_eq!(admin.final_command(id.as_str().unwrap()).await["state"], "executed");
    }
    let positions = async || admin.get("/api/v1/terminals/1001/positions").await.expect(200)["data"].clone();
    assert_eq!((&positions().await[0]["sl"], &positions().await[1]["sl"]), (&json!(0.4), &json!(0.4)));
    hook.alert("close EURUSD 0.1").await.refused(409, "ambiguous_position");
    let ticket = positions().await[0]["ticket"].clone();
    let part = hook.alert(&format!("close ticket={ticket} volume=0.05")).await.expect(202);
    assert_eq!(admin.final_command(&command(&part)).await["state"], "executed");
    let cancelled = hook.alert("cancel EURUSD").await.expect(202);
    assert_eq!(admin.final_command(&command(&cancelled)).await["state"], "executed");
    hook.alert("cancel GBPUSD").await.refused(404, "order_not_found");
    hook.alert("modify GBPUSD sl=1").await.refused(404, "position_not_found");
    // The strategy has left the market.
    let left = hook.alert("sell EURUSD 0.25 market_position=flat").await.expect(202);
    assert_eq!(admin.final_command(&command(&left)).await["state"], "executed");
    assert_eq!((positions().await, terminal.broker().positions().len()), (json!([]), 0));
}

#[tokio::test]
async fn an_unknown_hook_and_a_wrong_secret_look_the_same() {
    let hub = TestHub::start().await;
    let hook = Hook::new(&hub, json!({})).await;
    let other = Hook::new(&hub, json!({})).await;
    let secret = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let mut bodies = Vec::new();
    for path in [
        format!("/hooks/tradingview/{}/{}", hook.id, secret(&other.path)),
        format!("/hooks/tradingview/hok_00000000000000000000000000/{}", secret(&hook.path)),
        format!("/hooks/tradingview/{}/x", hook.id),
        format!("/hooks/tradingview/x/{}", secret(&hook.path)),
    ] {
        let mut body = hub.api("").post_text(&path, "buy EURUSD 0.1").await.refused(404, "hook_not_found");
        body.as_object_mut().unwrap().remove("request_id");
        bodies.push(body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
    assert!(hook.received(&hub.admin()).await.is_empty() && other.received(&hub.admin()).await.is_empty());
}

#[tokio::test]
async fn a_secret_is_rotated_and_a_deleted_hook_is_unknown() {
    let mut hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let hook = Hook::new(&hub, json!({"dry_run": true})).await;
    let path = format!("/api/v1/hooks/{}", hook.id);
    let next = Hook::of(&hub.admin().post(&format!("{path}/rotate"), json!({"overlap_s": 3_600})).await.expect(201), hub.api(""));
    hub.restart().await;
    hook.alert("buy EURUSD 1").await.expect(200);
    next.alert("buy EURUSD 2").await.expect(200);
    let last = Hook::of(&hub.admin().post(&format!("{path}/rotate"), json!({"overlap_s": 0})).await.expect(201), hub.api(""));
    next.alert("buy EURUSD 3").await.refused(404, "hook_not_found");
    hook.alert("buy EURUSD 3").await.refused(404, "hook_not_found");
    last.alert("buy EURUSD 3").await.expect(200);
    // Nothing shows a secret again.
    for shown in ["/api/v1/hooks".to_owned(), path.clone()] {
        let text = String::from_utf8(hub.admin().get(&shown).await.bytes).unwrap();
        assert!(!text.contains(&last.path[60..]) && !text.contains("digest"), "{text}");
    }
    assert_eq!(hub.admin().delete(&path).await.status, 204);
    for _ in 0..2 {
        last.alert("buy EURUSD 4").await.refused(404, "hook_not_found");
        hub.admin().get(&path).await.refused(404, "not_found");
        assert_eq!(hub.admin().get(&format!("/api/v1/keys/{}", hook.key)).await.expect(200)["state"], "revoked");
        hub.restart().await;
    }
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_sent_and_sends_nothing() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let template =
        json!({"bot": "x", "do": "{{strategy.order.action}}", "qty": "{{strategy.order.contracts}}", "sym": "{{ticker}}"});
    let hook = Hook::new(&hub, json!({"dry_run": true, "template": template, "defaults": {"magic": 7}})).await;
    let alert = r#"{"bot": "x", "do": "sell", "qty": 0.5, "sym": "EURUSD"}"#;
    let tried = hook.alert(alert).await.expect(200);
    let body = json!({"symbol": "EURUSD", "side": "sell", "type": "market", "volume": 0.5, "magic": 7});
    assert_eq!((&tried["state"], &tried["plan"]), (&json!("dry_run"), &json!({"call": "orders", "body": body})));
    let row = &hook.received(&hub.admin()).await[0];
    assert_eq!((&row["text"], &row["plan"], &row["from"]), (&json!(alert), &tried["plan"], &json!("127.0.0.1")));
    assert!(terminal.broker().executed().is_empty());
    // For real from now on.
    let path = format!("/api/v1/hooks/{}", hook.id);
    let changed =
        hub.admin().patch(&path, json!({"dry_run": false, "template": null, "symbol_map": {"EU": "EURUSD"}})).await.expect(200);
    assert_eq!((&changed["template"], &changed["defaults"]["magic"]), (&Value::Null, &json!(7)));
    let made = hook.alert("buy EU 0.1").await.expect(202);
    assert_eq!(hub.admin().final_command(&command(&made)).await["request"]["magic"], 7);
    hub.admin().patch(&path, json!({"template": "{{ticker}}"})).await.refused(422, "validation_error");
}

#[tokio::test]
async fn what_is_stale_or_makes_no_sense_is_refused_in_words_and_written_down() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let hook = Hook::new(&hub, json!({})).await;
    hook.alert("buy EURUSD 0.1 timenow=2020-01-01T00:00:00Z").await.refused(422, "stale_alert");
    for (text, words) in [
        ("hold EURUSD", "`hold` is no action"),
        ("buy EURUSD", "defaults.volume"),
        (r#"{"action":"buy","symbol":"EURUSD","volume":0.1,"stopp":1}"#, "`stopp` is no field"),
        ("action={{strategy.order.action}}", "TradingView did not fill in"),
    ] {
        let body = hook.alert(text).await.refused(422, "invalid_alert");
        assert!(body["message"].as_str().unwrap().contains(words), "{body}");
        let row = &hook.received(&hub.admin()).await[0];
        assert_eq!((&row["detail"], &row["alert"], &row["state"]), (&body["message"], &body["alert"], &json!("refused")));
    }
    hook.alert(&"x".repeat(8_193)).await.refused(413, "too_large");
    hook.alert("buy NOSUCH 0.1").await.refused(404, "symbol_not_found");
    assert!(terminal.broker().executed().is_empty());
}

#[tokio::test]
async fn a_hook_takes_alerts_from_its_networks_only() {
    let hub = TestHub::start_with(|config| config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let hook = Hook::new(&hub, json!({"dry_run": true, "ips": ["tradingview", "10.1.0.0/16"]})).await;
    let from = |address: &str| Hook { sender: hub.api("").with("x-forwarded-for", address), ..hook_like(&hook) };
    from("52.89.214.238").alert("buy EURUSD 1").await.expect(200);
    from("10.1.2.3").alert("buy EURUSD 2").await.expect(200);
    from("52.89.214.239").alert("buy EURUSD 3").await.refused(403, "address_not_allowed");
    // What a stranger writes in front of what the proxy saw counts for nothing.
    from("52.89.214.238, 8.8.8.8").alert("buy EURUSD 4").await.refused(403, "address_not_allowed");
    let row = &hook.received(&hub.admin().with("x-forwarded-for", "127.0.0.1")).await[0];
    assert_eq!((&row["from"], &row["code"]), (&json!("8.8.8.8"), &json!("address_not_allowed")));
}

fn hook_like(hook: &Hook) -> Hook {
    Hook { id: hook.id.clone(), key: hook.key.clone(), path: hook.path.clone(), sender: hook.sender.clone() }
}

#[tokio::test]
async fn an_alert_is_answered_before_tradingview_gives_up_though_the_terminal_says_nothing() {
    let hub = TestHub::start_with(|config| config.trading.market_ttl = std::time::Duration::from_secs(8)).await;
    // It never answers what the order needs to know.
    let _terminal = hub.fake(1001).await;
    let hook = Hook::new(&hub, json!({})).await;
    let answer = hook.alert("buy EURUSD 0.1").await.expect(202);
    assert_eq!(answer["state"], "pending", "{answer}");
    let row = eventually("it is over", async || {
        let row = hook.received(&hub.admin()).await.remove(0);
        if row["state"] == "pending" { Err(row.to_string()) } else { Ok(row) }
    })
    .await;
    assert_eq!((&row["state"], &row["commands"], &row["alert"]), (&json!("refused"), &json!([]), &answer["alert"]));
    assert!(row["detail"].as_str().unwrap().contains("nothing was sent"), "{row}");
}

#[tokio::test]
async fn no_log_and_no_metric_shows_a_secret() {
    let (dir, key) = (tempfile::tempdir().unwrap(), Secret::generate(KEY_LIVE).unwrap().reveal().to_owned());
    let mut hub = HubProcess::start(dir.path(), free_port(), &key, &[("MTBRIDGE_LOG", "trace")]).await;
    let made = hub.api(&key).post("/api/v1/hooks", json!({"kind": "tradingview", "dry_run": true})).await.expect(201);
    let hook = Hook::of(&made, hub.api(""));
    hook.alert("buy EURUSD 1").await.expect(200);
    let secret = hook.path.rsplit('/').next().unwrap();
    for path in [
        format!("/hooks/tradingview/x/{secret}"),
        format!("/hooks/tradingvew/{}/{secret}", hook.id),
        format!("/Hooks/tradingview/{}/{secret}/", hook.id),
        format!("//hooks/{secret}"),
    ] {
        hub.api("").post_text(&path, "buy EURUSD 1").await;
    }
    hub.api("").get(&hook.path).await.refused(405, "method_not_allowed");
    let metrics = String::from_utf8(hub.api(&key).get("/metrics").await.bytes).unwrap();
    hub.program.terminate().await;
    hub.program.ended().await;
    let log = hub.program.stderr();
    assert!(log.contains("/hooks/…") && !log.contains(secret), "the log shows a secret");
    assert!(!metrics.contains(secret) && metrics.contains("hook_unknown"));
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn an_alert_of_a_hub_that_dies_trades_once_or_never_and_is_accounted_for() {
    for failpoint in ["alert_entered=return", "trade_before_send=return", "trade_after_send=return"] {
        let (dir, port, key) =
            (tempfile::tempdir().unwrap(), free_port(), Secret::generate(KEY_LIVE).unwrap().reveal().to_owned());
        let mut hub = HubProcess::start(dir.path(), port, &key, &[("FAILPOINTS", failpoint)]).await;
        let api = hub.api(&key);
        let token = api.mint_token().await;
        let terminal = Machine::start(simulator_config(&hub.url(), &token, 1001)).unwrap();
        soon("the terminal connects", terminal.connected().wait_for(|connected| *connected)).await.unwrap();
        let hook = Hook::of(&api.post("/api/v1/hooks", json!({"kind": "tradingview"})).await.expect(201), hub.api(""));
        let alert = "buy EURUSD 0.1 id=7";
        let _ = hook.sender.send(reqwest::Method::POST, &hook.path, Some(alert.to_owned())).await;
        let status = soon("the hub dies", hub.program.child.wait()).await.unwrap();
        assert!(!status.success(), "{failpoint}: it was to abort");
        let _hub = HubProcess::start(dir.path(), port, &key, &[]).await;
        let row = eventually("the alert is accounted for", async || {
            let row = hook.received(&api).await.pop().ok_or("nothing was written down")?;
            if row["state"] == "pending" { Err(row.to_string()) } else { Ok(row) }
        })
        .await;
        // TradingView sends it again: it stays what it was.
        assert_eq!(hook.alert(alert).await.expect(200)["duplicate"], true, "{failpoint}");
        match row["state"].as_str().unwrap() {
            "sent" => {
                let done = api.final_command(row["commands"][0].as_str().unwrap()).await;
                crate::harness::assert_true(&done, &terminal.broker().executed());
            }
            "refused" => assert!(terminal.broker().executed().is_empty(), "{failpoint}: {row}"),
            other => panic!("{failpoint}: {other}"),
        }
    }
}
