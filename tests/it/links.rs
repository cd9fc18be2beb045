//! The way to a terminal: how long its hops took, and who came with a token, went, and was refused.

use std::time::Duration;

use mtbridge::protocol::message::{Hello, Status};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::harness::{
    Api, FakeTerminal, TestHub, Token, bad_upgrade, eventually,
    fake::{accepted, all_on, ea_refused, executed},
    stream::StreamClient,
};

async fn latency(api: &Api, query: &str) -> Value {
    api.get(&format!("/api/v1/terminals/1001/latency{query}")).await.expect(200)
}

fn hop<'a>(told: &'a Value, name: &str) -> &'a Value {
    told["hops"].as_array().unwrap().iter().find(|hop| hop["hop"] == name).unwrap()
}

async fn link(hub: &TestHub, token: &Token) -> Value {
    hub.admin().get(&format!("/api/v1/tokens/{}/link", token.id)).await.expect(200)
}

/// Kind and code of the events, newest first.
fn events(link: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    link["events"].as_array().unwrap().iter().map(|event| (text(&event["kind"]), text(&event["code"]))).collect()
}

fn pair(kind: &str, code: &str) -> (String, String) {
    (kind.to_owned(), code.to_owned())
}

async fn counted(hub: &TestHub, name: &str, count: u64) -> Value {
    eventually(&format!("{count} samples of {name}"), async || {
        let told = latency(&hub.admin(), "").await;
        if hop(&told, name)["count"] == count { Ok(hop(&told, name).clone()) } else { Err(told.to_string()) }
    })
    .await
}

#[tokio::test]
async fn each_hop_has_its_percentiles_and_what_a_terminal_repeats_is_counted_once() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    for ping in [1_500, 1_500, 40_000, 40_000] {
        terminal.send(Status { broker_ping_us: ping, loop_age_ms: 10, ..all_on() }).await;
    }
    // The Status with which it came counts as a turn of its loop, and knew no ping.
    counted(&hub, "ea", 5).await;
    let broker = counted(&hub, "broker", 2).await;
    assert_eq!((&broker["max_ms"], &broker["p99_ms"]), (&json!(40.0), &json!(40.0)));
    let rows = broker["histogram"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>(), 2);
    assert_eq!((&rows[0], &rows.last().unwrap()["le_ms"]), (&json!({"le_ms": 1.6, "count": 1}), &json!(51.2)));
    // A ping of the hub is answered while somebody reads.
    tokio::select! {
        heard = terminal.next_whenever() => panic!("{heard:?}"),
        told = eventually("a round trip", async || {
            let told = latency(&hub.admin(), "?window_s=60").await;
            if hop(&told, "hub")["count"].as_u64() > Some(0) { Ok(told) } else { Err(told.to_string()) }
        }) => {
            assert!(hop(&told, "hub")["p50_ms"].as_f64() > Some(0.0), "{told}");
            assert_eq!((&told["window_s"], &told["from"]), (&json!(60), &told["since"]), "the hub has just begun");
        }
    }
}

#[tokio::test]
async fn a_trade_has_the_time_to_the_terminals_word_and_from_there_to_the_brokers() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin();
    let trading = async |terminal: &mut FakeTerminal, refuses: bool| {
        let posting = api.once();
        let ((), answer) = tokio::join!(
            async {
                let trade = terminal.trade().await;
                terminal.send(accepted(trade.command)).await;
                // Said twice, and counted once.
                terminal.send(accepted(trade.command)).await;
                terminal.send(if refuses { ea_refused(&trade) } else { executed(&trade, 7) }).await;
                assert_eq!(terminal.acknowledged().await, trade.command);
            },
            posting.buy(1001)
        );
        answer.status
    };
    assert_eq!(trading(&mut terminal, false).await, 200);
    counted(&hub, "command_ack", 1).await;
    counted(&hub, "command_broker", 1).await;
    // What the Expert Advisor refuses by itself says nothing of the broker.
    assert_eq!(trading(&mut terminal, true).await, 422);
    counted(&hub, "command_ack", 2).await;
    counted(&hub, "command_broker", 1).await;
}

#[tokio::test]
async fn what_was_measured_is_there_while_the_terminal_is_away_and_a_window_has_its_bounds() {
    let hub = TestHub::start().await;
    let terminal = hub.fake(1001).await;
    counted(&hub, "ea", 1).await;
    let token = terminal.token.clone();
    drop(terminal);
    hub.shows(&token, "offline").await;
    for window in [60, 300, 86_400] {
        assert_eq!(hop(&latency(&hub.admin(), &format!("?window_s={window}")).await, "ea")["count"], 1);
    }
    for wrong in ["59", "86401", "-1", "x"] {
        let answer = hub.admin().get(&format!("/api/v1/terminals/1001/latency?window_s={wrong}")).await;
        answer.refused(422, "validation_error");
    }
    // One that was locked before this start of the hub has no samples, and says since when.
    let mut hub = hub;
    hub.restart().await;
    let told = latency(&hub.admin(), "").await;
    assert_eq!(told["from"], told["since"]);
    for hop in told["hops"].as_array().unwrap() {
        assert_eq!(
            (&hop["count"], &hop["p50_ms"], &hop["max_ms"], &hop["histogram"]),
            (&json!(0), &Value::Null, &Value::Null, &json!([]))
        );
    }
}

#[tokio::test]
async fn a_link_tells_who_came_and_went_and_why() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    assert_eq!(link(&hub, &token).await["events"], json!([]));
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    terminal.send(Hello { ea_version: "1.2".into(), ..terminal.hello(1001) }).await;
    terminal.welcome().await;
    let come = link(&hub, &token).await["events"][0].clone();
    assert_eq!(
        (&come["kind"], &come["from"], &come["account"]["login"]),
        (&json!("connected"), &json!("127.0.0.1"), &json!(1001))
    );
    assert_eq!((&come["ea_version"], &come["platform"], &come["build"]), (&json!("1.2"), &json!("mt5"), &json!(4_000)));
    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    terminal.send_frame(Message::Close(Some(frame))).await.unwrap();
    hub.shows(&token, "offline").await;
    let mut again = FakeTerminal::enter(hub.addr(), &token, 1001).await;
    hub.admin().post(&format!("/api/v1/tokens/{}/disconnect", token.id), json!({"history": "keep"})).await.expect(200);
    assert_eq!(again.close_code().await, 4503);
    let seen = eventually("both sessions ended", async || {
        let seen = link(&hub, &token).await;
        if seen["events"].as_array().unwrap().len() == 4 { Ok(seen) } else { Err(seen.to_string()) }
    })
    .await;
    let came = pair("connected", "");
    assert_eq!(events(&seen), [pair("disconnected", "disconnected"), came.clone(), pair("disconnected", "gone"), came]);
    assert_eq!((&seen["reconnects_24h"], &seen["last_refusal"]), (&json!(1), &Value::Null));
    let [cut, went] = [&seen["events"][0], &seen["events"][2]];
    assert_eq!((&cut["close_code"], &cut["message"]), (&json!(4503), &json!("the owner disconnected this account")));
    assert!(went["close_code"].is_null() && went["message"].as_str().unwrap().contains("1000 bye"), "{went}");
    assert!(cut["lasted_s"].is_u64() && went["lasted_s"].is_u64(), "{seen}");
}

#[tokio::test]
async fn a_token_that_is_used_for_another_account_says_which_one_tried_and_how_often() {
    let hub = TestHub::start().await;
    let terminal = hub.fake(1001).await;
    let token = terminal.token.clone();
    let mut following = StreamClient::with_key(hub.addr(), &hub.admin_key).await;
    assert_eq!(following.subscribe(json!([{"topic": "tokens"}]), None).await["refused"], json!([]));
    for _ in 0..3 {
        let mut thief = FakeTerminal::connect(hub.addr(), &token).await;
        thief.send(thief.hello(2002)).await;
        assert_eq!(thief.close_code().await, 4502);
    }
    let seen = link(&hub, &token).await;
    assert_eq!(events(&seen), [pair("refused", "account_mismatch"), pair("connected", "")]);
    let words = "account 2002@Demo-Server tried to use this token; it is locked to 1001@Demo-Server";
    let refusal = &seen["last_refusal"];
    assert_eq!((&refusal["message"], &refusal["count"], &refusal["from"]), (&json!(words), &json!(3), &json!("127.0.0.1")));
    assert_eq!(refusal["account"], json!({"login": 2002, "server": "Demo-Server"}));
    assert_eq!((&seen["events"][0]["at"], &seen["events"][0]["close_code"]), (&refusal["at"], &json!(4502)));
    // The list and the stream have it too, without asking for each token.
    let rows = hub.admin().get("/api/v1/tokens").await.expect(200);
    assert_eq!(rows["data"][0]["last_refusal"], *refusal);
    let state = following.until(|told| told["type"] == "state" && told["data"]["last_refusal"]["count"] == 3).await;
    assert_eq!((&state["topic"], &state["token"], &state["data"]["last_refusal"]), (&json!("tokens"), &json!(token.id), refusal));
    assert_eq!(state["data"], json!({"id": token.id, "last_refusal": refusal}), "nothing that could be old by now");
}

#[tokio::test]
async fn a_token_that_no_terminal_got_in_with_tells_why_and_a_secret_that_is_none_of_ours_leaves_nothing() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let mut old = FakeTerminal::connect(hub.addr(), &token).await;
    old.send(Hello { protocol: 9, ..old.hello(1001) }).await;
    assert_eq!(old.close_code().await, 4505);
    let authorization = format!("Authorization: Bearer {}", token.secret);
    // Still pending.
    assert_eq!(hub.state_of(&token).await, "pending");
    assert_eq!(events(&link(&hub, &token).await), [pair("refused", "protocol_version")]);
    assert_eq!(bad_upgrade(hub.addr(), &[&authorization, "Sec-WebSocket-Protocol: other.v1"]).await.0, 400);
    assert_eq!(hub.admin().delete(&format!("/api/v1/tokens/{}", token.id)).await.status, 204);
    for _ in 0..2 {
        assert_eq!(bad_upgrade(hub.addr(), &[&authorization, "Sec-WebSocket-Protocol: mtbridge.v1"]).await.0, 401);
    }
    let seen = link(&hub, &token).await;
    let told = [pair("refused", "token_revoked"), pair("refused", "protocol_version"), pair("refused", "protocol_version")];
    assert_eq!(events(&seen), told);
    assert_eq!((&seen["events"][0]["count"], &seen["events"][0]["account"]), (&json!(2), &Value::Null));
    assert_eq!(seen["events"][2]["account"]["login"], 1001, "{seen}");
    assert!(!seen.to_string().contains("mtb_"), "no secret is in it: {seen}");
    let other = hub.mint_token().await;
    let stray = mtbridge::access::secret::Secret::generate("mtb_").unwrap();
    let stray = format!("Authorization: Bearer {}", stray.reveal());
    assert_eq!(bad_upgrade(hub.addr(), &[&stray, "Sec-WebSocket-Protocol: mtbridge.v1"]).await.0, 401);
    assert_eq!(link(&hub, &other).await["events"], json!([]));
}

#[tokio::test]
async fn a_viewer_reads_the_latency_and_no_tokens_and_a_deleted_account_is_named_no_more() {
    let hub = TestHub::start_with(|config| config.terminals.heartbeat = Duration::from_secs(2)).await;
    let owner = hub.user(&hub.admin(), "owner").await;
    let token = owner.mint_token().await;
    let terminal = FakeTerminal::enter(hub.addr(), &token, 1001).await;
    let viewer = hub.user(&owner, "viewer").await;
    assert_eq!(latency(&viewer, "").await["terminal"], token.id);
    viewer.get(&format!("/api/v1/tokens/{}/link", token.id)).await.refused(403, "forbidden");
    let path = format!("/api/v1/tokens/{}/disconnect", token.id);
    assert!(
        owner
            .send(Method::GET, &format!("/api/v1/tokens/{}/link", token.id), None)
            .await
            .unwrap()
            .json
            .to_string()
            .contains("1001")
    );
    owner.post(&path, json!({"history": "delete"})).await.expect(200);
    drop(terminal);
    let told = owner.get(&format!("/api/v1/tokens/{}/link", token.id)).await.expect(200);
    assert!(!told.to_string().contains("1001"), "{told}");
}
