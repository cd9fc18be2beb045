//! Connection tokens, their whole life.

use futures_util::future::join_all;
use mtbridge::{
    domain::{UnixMillis, ids::TokenId, token::Token as Record},
    store::{Batch, Store, records},
};
use serde_json::{Value, json};

use crate::harness::{FakeTerminal, TestHub, Token, bad_upgrade, buy, eventually, fake::executed, open_store, orders};

fn path(token: &Token) -> String {
    format!("/api/v1/tokens/{}", token.id)
}

async fn is_admitted(hub: &TestHub, token: &Token) -> bool {
    let authorization = format!("Authorization: Bearer {}", token.secret);
    let answer = crate::harness::exchange(
        hub.addr(),
        &crate::harness::upgrade_request(&["Sec-WebSocket-Protocol: mtbridge.v1", &authorization]),
    )
    .await;
    match answer.split(' ').nth(1) {
        Some("101") => true,
        Some("401") => false,
        _ => panic!("{answer}"),
    }
}

#[tokio::test]
async fn a_token_is_shown_once_and_nowhere_again() {
    let mut hub = TestHub::start().await;
    let minted = hub.admin().post("/api/v1/tokens", json!({"name": "  my terminal "})).await.expect(201);
    let secret = minted["token"].as_str().unwrap().to_owned();
    assert_eq!((secret.len(), &secret[..4]), (53, "mtb_"));
    assert_eq!((&minted["name"], &minted["state"]), (&json!("my terminal"), &json!("pending")));
    let token = Token { id: minted["id"].as_str().unwrap().to_owned(), secret: secret.clone() };
    let terminal = crate::harness::Terminal::start(token.clone(), &hub.url(), 1001, |_| {}).await;
    for path in [path(&token), "/api/v1/tokens".into(), "/api/v1/terminals".into(), "/api/v1/terminals/1001".into()] {
        let answer = hub.admin().get(&path).await;
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(!text.contains(&secret[9..40]), "{path} shows the token");
        assert!(!text.contains("digest"), "{path} shows the digest");
    }
    let row = hub.admin().get(&path(&token)).await.expect(200);
    assert!(secret.starts_with(row["prefix"].as_str().unwrap()) && row["prefix"].as_str().unwrap().len() == 8);
    drop(terminal);
    hub.stop().await;
    // Nor on the disk.
    let mut files = vec![hub.dir().to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            for needle in [&secret[4..], &hub.admin_key[8..]] {
                let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
                assert!(!found, "{} holds a secret in clear", path.display());
            }
        }
    }
}

#[tokio::test]
async fn a_token_is_listed_renamed_and_followed_through_its_states() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let row = hub.admin().get(&path(&token)).await.expect(200);
    for (field, value) in
        [("account", Value::Null), ("last_seen_at", Value::Null), ("rtt_ms", Value::Null), ("warning", Value::Null)]
    {
        assert_eq!(row[field], value, "{field}: {row}");
    }
    let life = |row: &Value| {
        let at = |field: &str| row[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
        at("expires_at") - at("created_at")
    };
    assert_eq!(life(&row), 365 * 86_400_000, "a year");
    assert_eq!(hub.admin().patch(&path(&token), json!({"name": "renamed"})).await.expect(200)["name"], "renamed");
    hub.admin().patch(&path(&token), json!({"name": "x".repeat(101)})).await.refused(422, "validation_error");
    hub.admin().patch(&path(&token), json!({"name": "a\nb"})).await.refused(422, "validation_error");
    hub.admin().patch(&path(&token), json!({"title": "x"})).await.refused(422, "validation_error");

    let terminal = crate::harness::Terminal::start(token.clone(), &hub.url(), 1001, |_| {}).await;
    let row = hub.admin().get(&path(&token)).await.expect(200);
    assert_eq!((&row["state"], &row["account"]), (&json!("connected"), &json!({"login": 1001, "server": "Demo-Server"})));
    assert!(row["locked_at"].is_string() && row["connected_at"].is_string() && row["last_seen_at"].is_string(), "{row}");
    terminal.sim.stop().await;
    hub.shows(&token, "offline").await;
    assert_eq!(hub.admin().delete(&path(&token)).await.status, 204);
    assert_eq!(hub.admin().delete(&path(&token)).await.status, 204, "revoking twice is no error");
    let list = hub.admin().get("/api/v1/tokens").await.expect(200);
    let [row] = list["data"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!((&row["state"], &row["name"]), (&json!("revoked"), &json!("renamed")));
    hub.admin().post(&format!("{}/rotate", path(&token)), json!({})).await.refused(409, "revoked");
    hub.admin().post(&format!("{}/disconnect", path(&token)), json!({"history": "keep"})).await.refused(409, "revoked");
    for id in ["tok_00000000000000000000000000", "key_00000000000000000000000000", "x"] {
        hub.admin().get(&format!("/api/v1/tokens/{id}")).await.refused(404, "not_found");
        hub.admin().delete(&format!("/api/v1/tokens/{id}")).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn disconnect_frees_the_lock_and_keeps_the_history() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let token = terminal.token.clone();
    hub.admin().post(&format!("{}/disconnect", path(&token)), json!({})).await.refused(422, "validation_error");
    hub.admin().post(&format!("{}/disconnect", path(&token)), json!({"history": "burn"})).await.refused(422, "validation_error");
    let api = hub.admin().with_idempotency("key");
    let (answer, _) = tokio::join!(api.buy(1001), async {
        let trade = terminal.trade().await;
        terminal.send(executed(&trade, 5)).await;
    });
    let id = answer.expect(200)["id"].as_str().unwrap().to_owned();
    let row = hub.admin().post(&format!("{}/disconnect", path(&token)), json!({"history": "keep"})).await.expect(200);
    assert_eq!((&row["state"], &row["account"]), (&json!("pending"), &Value::Null));
    assert_eq!(terminal.close_code().await, 4503, "disconnected by the owner");
    assert_eq!(hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200)["state"], "executed");
    hub.admin().post(&format!("{}/disconnect", path(&token)), json!({"history": "keep"})).await.refused(409, "not_locked");
    // Free for another account.
    let mut other = FakeTerminal::connect(hub.addr(), &token).await;
    other.is_let_in(2002).await;
    assert_eq!(hub.admin().get(&path(&token)).await.expect(200)["account"]["login"], 2002);
}

#[tokio::test]
async fn disconnect_with_delete_makes_the_history_unreadable_and_the_old_keys_still_refuse() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let api = hub.admin().with_idempotency("key");
    let id = api.buy(1001).await.expect(200)["id"].as_str().unwrap().to_owned();
    hub.admin().post(&format!("{}/disconnect", path(&terminal.token)), json!({"history": "delete"})).await.expect(200);
    assert!(terminal.ended().await.is_err(), "the terminal was told not to come back");
    hub.admin().get(&format!("/api/v1/commands/{id}")).await.refused(404, "not_found");
    // The same account, with the same token again.
    let broker = terminal.broker();
    for round in 0..2 {
        let back = crate::harness::Terminal::start(terminal.token.clone(), &hub.url(), 1001, |config| {
            config.broker = Some(broker.clone())
        })
        .await;
        let refused = api.buy(1001).await.refused(409, "key_expired");
        assert!(refused["message"].as_str().unwrap().contains("nothing was sent"), "round {round}");
        hub.admin().get(&format!("/api/v1/commands/{id}")).await.refused(404, "not_found");
        assert_eq!(hub.admin().get("/api/v1/commands?terminal=1001").await.expect(200)["data"].as_array().unwrap().len(), round);
        assert_eq!(hub.admin().with_idempotency(&format!("new {round}")).buy(1001).await.status, 200);
        assert_eq!(broker.requests().len(), 2 + round);
        let (tags, requests): (std::collections::HashSet<_>, _) =
            (broker.requests().iter().map(|r| r.request.magic).collect(), broker.requests());
        assert_eq!(tags.len(), requests.len(), "tags go on above those of the deleted commands");
        back.sim.stop().await;
        hub.restart().await;
    }
}

#[tokio::test]
async fn disconnect_waits_for_no_command_but_says_that_some_are_open() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once().with("prefer", "respond-async");
    let (answer, trade) = tokio::join!(api.buy(1001), terminal.trade());
    let id = answer.expect(202)["id"].clone();
    for history in ["keep", "delete"] {
        let refused = hub.admin().post(&format!("{}/disconnect", path(&terminal.token)), json!({"history": history})).await;
        assert_eq!(refused.refused(409, "commands_open")["commands"], json!([id]));
    }
    assert_eq!(hub.state_of(&terminal.token).await, "connected");
    terminal.send(executed(&trade, 5)).await;
    hub.admin().final_command(id.as_str().unwrap()).await;
    hub.admin().post(&format!("{}/disconnect", path(&terminal.token)), json!({"history": "keep"})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_slips_between_the_look_for_open_commands_and_the_disconnect() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    let api = hub.admin();
    let posting = (0..30).map(|n| {
        let api = api.with_idempotency(&format!("slip {n}"));
        async move { api.buy(1001).await }
    });
    let disconnecting = eventually("disconnected", async || {
        let answer = api.post(&format!("{}/disconnect", path(&terminal.token)), json!({"history": "keep"})).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.json.to_string()) }
    });
    let (answers, ()) = tokio::join!(join_all(posting), disconnecting);
    let executed = answers.iter().filter(|answer| answer.status == 200).count();
    for answer in &answers {
        assert!(matches!(answer.status, 200 | 404 | 409), "no order is left open by it: {} {}", answer.status, answer.json);
    }
    assert_eq!(terminal.broker().executed().len(), executed + 1);
}

#[tokio::test]
async fn a_rotated_token_overlaps_with_its_successor_and_then_ends() {
    let hub = TestHub::start().await;
    let mut old = hub.fake(1001).await;
    hub.admin()
        .post(&format!("{}/rotate", path(&old.token)), json!({"overlap_s": 604_801}))
        .await
        .refused(422, "validation_error");
    let minted = hub.admin().post(&format!("{}/rotate", path(&old.token)), json!({"overlap_s": 2})).await.expect(201);
    let new = Token { id: minted["id"].as_str().unwrap().to_owned(), secret: minted["token"].as_str().unwrap().to_owned() };
    assert_eq!((&minted["account"]["login"], &minted["state"]), (&json!(1001), &json!("offline")), "the same lock");
    assert_eq!(hub.admin().get(&path(&old.token)).await.expect(200)["successor"], json!(new.id));
    assert!(is_admitted(&hub, &old.token).await && is_admitted(&hub, &new).await, "both work for a while");
    let mut thief = FakeTerminal::connect(hub.addr(), &new).await;
    thief.send(thief.hello(1002)).await;
    assert_eq!(thief.close_code().await, 4502, "the successor is locked from its first moment on");
    let successor = FakeTerminal::enter(hub.addr(), &new, 1001).await;
    // The account number means the successor now, for trades too.
    assert_eq!(hub.admin().get("/api/v1/terminals/1001").await.expect(200)["id"], json!(new.id));
    assert_eq!(old.close_code().await, 4501, "the live socket of the old one ends with the overlap");
    assert!(!is_admitted(&hub, &old.token).await);
    assert_eq!(hub.state_of(&old.token).await, "expired");
    assert_eq!(hub.state_of(&new).await, "connected");
    drop(successor);
}

#[tokio::test]
async fn revoke_cuts_the_live_socket_and_ends_the_terminal_in_words() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    assert_eq!(hub.admin().delete(&path(&terminal.token)).await.status, 204);
    assert_eq!(hub.state_of(&terminal.token).await, "revoked");
    let refused = crate::harness::soon("the terminal ends", terminal.ended()).await.unwrap_err();
    assert!(refused.reason.contains("4500") && refused.reason.contains("Error 401"), "{}", refused.reason);
    let (status, _) = bad_upgrade(
        hub.addr(),
        &["Sec-WebSocket-Protocol: mtbridge.v1", &format!("Authorization: Bearer {}", terminal.token.secret)],
    )
    .await;
    assert_eq!(status, 401);
    hub.admin().get("/api/v1/terminals/1001").await.refused(404, "terminal_not_found");
    hub.admin().once().buy(1001).await.refused(404, "terminal_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_admitted_after_a_revoke_has_returned() {
    let hub = TestHub::start().await;
    for round in 0..5_u64 {
        let login = 1001 + round;
        let terminal = hub.terminal(login).await;
        hub.admin().once().buy(login).await.expect(200);
        let (api, revoked) = (hub.admin(), tokio::sync::watch::Sender::new(false));
        let orders = (0..50).map(|n| {
            let (api, revoked) = (api.with_idempotency(&format!("race {round} {n}")).waiting(1), &revoked);
            async move {
                let mut order = buy();
                order["comment"] = json!(format!("race {n}"));
                // Half of them at once, half of them as soon as the revoke has returned.
                let after = n % 2 == 1;
                if after {
                    revoked.subscribe().wait_for(|revoked| *revoked).await.unwrap();
                }
                (n, after, api.post(&orders(login), order).await)
            }
        });
        let revoking = async {
            assert_eq!(api.delete(&path(&terminal.token)).await.status, 204);
            revoked.send_replace(true);
        };
        let (answers, ()) = tokio::join!(join_all(orders), revoking);
        crate::harness::soon("the terminal ends", terminal.ended()).await.unwrap_err();
        let requests = terminal.broker().requests();
        for (n, after, answer) in answers {
            let reached = requests.iter().any(|request| request.request.comment.ends_with(&format!(" race {n}")));
            if after {
                answer.refused(404, "terminal_not_found");
                assert!(!reached, "order {n} was posted after the revoke and reached the broker");
            } else if answer.status == 200 {
                assert!(reached, "order {n} is executed, says the hub");
            } else {
                assert!(matches!(answer.status, 202 | 404 | 409 | 422), "{} {}", answer.status, answer.json);
                assert!(
                    !reached || answer.status == 202,
                    "order {n} was refused ({}) and reached the broker: {}",
                    answer.status,
                    answer.json
                );
            }
        }
    }
}

/// Moves the end of a token's life, in the store of a hub that is stopped.
async fn expires_in(hub: &mut TestHub, token: &Token, ms: i64) {
    hub.stop().await;
    let store = open_store(hub.dir());
    let key = records::token(token.id.parse::<TokenId>().unwrap());
    let entry = store.get(&key).await.unwrap().unwrap();
    let record: Record = records::decode(&key, &entry).unwrap();
    let expires_at = UnixMillis(jiff::Timestamp::now().as_millisecond() + ms);
    store.commit(Batch::outcome().put(key, records::encode(&Record { expires_at, ..record }))).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    hub.start_again().await;
}

#[tokio::test]
async fn an_expired_token_is_refused_before_the_upgrade_and_in_words() {
    let mut hub = TestHub::start().await;
    let token = hub.mint_token().await;
    expires_in(&mut hub, &token, -1_000).await;
    assert_eq!(hub.state_of(&token).await, "expired");
    let authorization = format!("Authorization: Bearer {}", token.secret);
    let (status, body) = bad_upgrade(hub.addr(), &["Sec-WebSocket-Protocol: mtbridge.v1", &authorization]).await;
    assert_eq!(status, 401);
    assert!(body["message"].as_str().unwrap().contains("expired"), "{body}");
    hub.admin().post(&format!("{}/rotate", path(&token)), json!({})).await.refused(409, "expired");
}

#[tokio::test]
async fn a_token_that_expires_cuts_its_live_socket() {
    let mut hub = TestHub::start().await;
    let token = hub.mint_token().await;
    expires_in(&mut hub, &token, 3_000).await;
    let row = hub.admin().get(&path(&token)).await.expect(200);
    assert_eq!((&row["warning"]["code"], &row["warning"]["days_left"]), (&json!("expires_soon"), &json!(0)));
    let mut terminal = FakeTerminal::enter(hub.addr(), &token, 1001).await;
    assert_eq!(terminal.close_code().await, 4501);
    assert_eq!(hub.state_of(&token).await, "expired");
}

#[tokio::test]
async fn a_token_warns_in_its_last_thirty_days() {
    let mut hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let day = 86_400_000;
    expires_in(&mut hub, &token, 29 * day + day / 2).await;
    assert_eq!(hub.admin().get(&path(&token)).await.expect(200)["warning"]["days_left"], 29);
    expires_in(&mut hub, &token, 31 * day).await;
    assert_eq!(hub.admin().get(&path(&token)).await.expect(200)["warning"], Value::Null);
}
