//! Who did what and who was not let; and what is done against those who try.

use std::time::Duration;

use mtbridge::{access::secret::Secret, config::Config};
use serde_json::{Value, json};

use crate::harness::{Api, FakeTerminal, Program, TestHub, bad_upgrade, buy, eventually, orders, soon};

/// Behind a proxy on this machine, which says where each request comes from.
fn proxied(config: &mut Config) {
    config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    config.throttle.failures_per_minute = 10;
}

fn from(api: &Api, address: &str) -> Api {
    api.with("x-forwarded-for", address)
}

/// A secret with a right checksum that nobody was given.
fn stray(prefix: &str) -> String {
    Secret::generate(prefix).unwrap().reveal().to_owned()
}

async fn rows(hub: &TestHub, query: &str) -> Vec<Value> {
    let body = hub.admin().get(&format!("/api/v1/audit?{query}")).await.expect(200);
    body["data"].as_array().unwrap().clone()
}

/// The rows, as soon as there are some.
async fn some_rows(hub: &TestHub, query: &str) -> Vec<Value> {
    eventually(&format!("records of {query}"), async || {
        let found = rows(hub, query).await;
        if found.is_empty() { Err("none".to_owned()) } else { Ok(found) }
    })
    .await
}

#[tokio::test]
async fn a_change_is_in_the_audit_with_who_made_it_from_where_and_in_which_request() {
    let hub = TestHub::start_with(proxied).await;
    let made = from(&hub.admin(), "198.51.100.7").post("/api/v1/keys", json!({"permissions": ["read:bars"]})).await;
    let request = made.header("x-request-id").to_owned();
    let key = made.expect(201);
    let rows = rows(&hub, "action=key.create&limit=1").await;
    let row = &rows[0];
    assert_eq!((&row["target"], &row["from"], &row["request_id"]), (&key["id"], &json!("198.51.100.7"), &json!(request)));
    assert_eq!((&row["outcome"], &row["detail"], &row["count"]), (&json!("done"), &json!("read:bars"), &json!(1)));
    let admin = hub.admin().get("/api/v1/keys").await.expect(200)["data"][0]["id"].clone();
    assert_eq!(row["actor"], admin);
    let text = hub.admin().get("/api/v1/audit").await.expect(200).to_string();
    assert!(!text.contains(key["key"].as_str().unwrap()) && !text.contains(&hub.admin_key));
}

#[tokio::test]
async fn what_a_valid_key_was_refused_is_in_the_audit_with_what_it_lacked() {
    let hub = TestHub::start().await;
    let bot = hub.mint_key(&["read:bars"]).await;
    let refused = bot.once().post(&orders(1001), buy()).await;
    let request = refused.header("x-request-id").to_owned();
    refused.refused(403, "forbidden");
    let rows = some_rows(&hub, "outcome=denied").await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((&row["detail"], &row["request_id"]), (&json!("forbidden trade:write"), &json!(request)));
    assert_eq!(row["target"], "POST /api/v1/terminals/{terminal}/orders");
    assert!(row["actor"].as_str().unwrap().starts_with("key_") && row["from"] == "127.0.0.1", "{row}");
}

#[tokio::test]
async fn a_key_that_was_revoked_is_named_when_somebody_still_uses_it() {
    let hub = TestHub::start().await;
    let minted = hub.admin().post("/api/v1/keys", json!({"permissions": ["read:bars"]})).await.expect(201);
    assert_eq!(hub.admin().delete(&format!("/api/v1/keys/{}", minted["id"].as_str().unwrap())).await.status, 204);
    hub.api(minted["key"].as_str().unwrap()).get("/api/v1/terminals").await.refused(401, "unauthorized");
    let rows = some_rows(&hub, "outcome=denied").await;
    assert_eq!((&rows[0]["actor"], &rows[0]["detail"]), (&minted["id"], &json!("key_revoked")));
}

#[tokio::test]
async fn an_order_above_a_limit_is_in_the_audit_without_the_account() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let body = json!({"permissions": ["trade:write"], "limits": {"max_order_volume": 0.005}});
    let minted = hub.admin().post("/api/v1/keys", body).await.expect(201);
    hub.api(minted["key"].as_str().unwrap()).once().buy(1001).await.refused(422, "limit_exceeded");
    let rows = some_rows(&hub, "outcome=denied").await;
    assert_eq!((&rows[0]["detail"], &rows[0]["actor"]), (&json!("limit_exceeded max_order_volume"), &minted["id"]));
    assert_eq!(rows[0]["target"], "POST /api/v1/terminals/{terminal}/orders");
}

#[tokio::test]
async fn strangers_are_counted_by_reason_and_address_and_written_at_the_latest_when_the_hub_stops() {
    let mut hub = TestHub::start_with(|config| {
        proxied(config);
        config.throttle.failures_per_minute = 0;
        config.audit.denials_every = Duration::from_secs(86_400);
    })
    .await;
    for _ in 0..30 {
        from(&hub.api(&stray("sk_live_")), "203.0.113.5").get("/api/v1/terminals").await.refused(401, "unauthorized");
    }
    from(&hub.api(""), "203.0.113.6").get("/api/v1/terminals").await.refused(401, "unauthorized");
    let token = format!("Authorization: Bearer {}", stray("mtb_"));
    let lines = [token.as_str(), "Sec-WebSocket-Protocol: mtbridge.v1", "X-Forwarded-For: 203.0.113.7"];
    assert_eq!(bad_upgrade(hub.addr(), &lines).await.0, 401);
    hub.restart().await;
    let rows = rows(&hub, "outcome=denied").await;
    let mut seen: Vec<_> =
        rows.iter().map(|row| (row["from"].as_str().unwrap(), row["detail"].as_str().unwrap(), row["count"].as_u64())).collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("203.0.113.5", "key_unknown", Some(30)),
            ("203.0.113.6", "unauthorized", Some(1)),
            ("203.0.113.7", "token_unknown", Some(1))
        ]
    );
}

#[tokio::test]
async fn a_token_shown_for_another_account_is_in_the_audit_and_neither_account_is_named() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    drop(FakeTerminal::enter(hub.addr(), &token, 71_234_567).await);
    let mut thief = FakeTerminal::connect(hub.addr(), &token).await;
    thief.send(thief.hello(82_345_678)).await;
    assert_eq!(thief.close_code().await, 4502);
    let rows = some_rows(&hub, "outcome=denied").await;
    assert_eq!((&rows[0]["actor"], &rows[0]["detail"]), (&json!(token.id), &json!("account_mismatch")));
    assert_eq!(rows[0]["from"], "127.0.0.1");
    let all = self::rows(&hub, "").await;
    assert!(all.iter().all(|row| !row.to_string().contains("71234567") && !row.to_string().contains("82345678")));
    let lock = self::rows(&hub, "action=token.lock").await;
    assert_eq!((&lock[0]["target"], &lock[0]["from"]), (&json!(token.id), &json!("127.0.0.1")));
}

#[tokio::test]
async fn the_audit_is_read_newest_first_page_by_page_and_by_what_is_asked_for() {
    let hub = TestHub::start().await;
    for n in 0..25 {
        hub.admin().post("/api/v1/tokens", json!({"name": format!("desk {n}")})).await.expect(201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = hub.admin().get(&format!("/api/v1/audit?action=token&limit=10{cursor}")).await.expect(200);
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["detail"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, (0..25).rev().map(|n| format!("desk {n}")).collect::<Vec<_>>());
    let one = &rows(&hub, "limit=1&action=token.create").await[0];
    let target = one["target"].as_str().unwrap();
    assert_eq!(rows(&hub, &format!("target={target}")).await.len(), 1);
    let at = one["recorded_at"].as_str().unwrap();
    assert!(rows(&hub, &format!("from={at}")).await.iter().all(|row| row["recorded_at"].as_str().unwrap() >= at));
    assert!(rows(&hub, &format!("to={at}")).await.iter().all(|row| row["recorded_at"].as_str().unwrap() < at));
    assert!(rows(&hub, "action=tok").await.is_empty(), "a word is a whole word");
    assert!(rows(&hub, "actor=key_nobody").await.is_empty());
    hub.admin().get("/api/v1/audit?outcome=perhaps").await.refused(422, "validation_error");
    hub.admin().get("/api/v1/audit?cursor=perhaps").await.refused(422, "validation_error");
}

#[tokio::test]
async fn the_csv_form_has_no_cell_that_a_spreadsheet_would_run() {
    let hub = TestHub::start().await;
    hub.admin().post("/api/v1/tokens", json!({"name": "=HYPERLINK(\"http://evil\")"})).await.expect(201);
    let answer = hub.admin().get("/api/v1/audit?format=csv&action=token.create").await;
    assert!(answer.header("content-type").starts_with("text/csv"));
    let text = String::from_utf8(answer.bytes).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let column = reader.headers().unwrap().iter().position(|name| name == "detail").unwrap();
    let row = reader.records().next().unwrap().unwrap();
    assert_eq!(&row[column], "'=HYPERLINK(\"http://evil\")");
}

#[tokio::test]
async fn failures_above_ten_a_minute_are_delayed_and_valid_secrets_of_the_same_address_are_not() {
    let hub = TestHub::start_with(proxied).await;
    let token = hub.mint_token().await;
    let bad = from(&hub.api(&stray("sk_live_")), "203.0.113.5");
    for _ in 0..10 {
        bad.get("/api/v1/terminals").await.refused(401, "unauthorized");
    }
    // A typing error is refused without a look-up, and counts all the same.
    let answer = from(&hub.api("sk_live_typo"), "203.0.113.5").get("/api/v1/terminals").await;
    assert_eq!(answer.header("retry-after"), "60");
    let body = answer.refused(429, "too_many_failures");
    assert_eq!(body["retry_after"], 60);
    from(&hub.admin(), "203.0.113.5").get("/api/v1/terminals").await.expect(200);
    from(&hub.api(&stray("sk_live_")), "203.0.113.6").get("/api/v1/terminals").await.refused(401, "unauthorized");
    // The same count for terminals, before any upgrade.
    let bearer = format!("Authorization: Bearer {}", stray("mtb_"));
    let lines = [bearer.as_str(), "Sec-WebSocket-Protocol: mtbridge.v1", "X-Forwarded-For: 203.0.113.5"];
    let (status, body) = bad_upgrade(hub.addr(), &lines).await;
    assert_eq!((status, body["code"].as_str()), (429, Some("too_many_failures")));
    let mut terminal = FakeTerminal::connect_with_header(hub.addr(), &token, ("x-forwarded-for", "203.0.113.5")).await;
    terminal.is_let_in(1001).await;
    let metrics = String::from_utf8(hub.admin().get("/metrics").await.bytes).unwrap();
    for line in ["mtbridge_throttled_total{what=\"api\"} 1", "mtbridge_throttled_total{what=\"terminal\"} 1"] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_bad_secrets_from_many_addresses_none_is_let_in_and_valid_callers_are_answered() {
    const EACH: usize = 40;
    let hub = TestHub::start_with(proxied).await;
    let mut floods = tokio::task::JoinSet::new();
    for flood in 0..5_u8 {
        let api = hub.api("");
        floods.spawn(async move {
            let mut answers = [0; 2];
            for n in 0..20 * EACH {
                // Every second one has a right checksum, so that it is looked up.
                let secret = if n % 2 == 0 { stray("sk_live_") } else { format!("sk_live_{n:049}") };
                let address = format!("10.9.{flood}.{}", n % 20);
                let bearer = format!("Bearer {secret}");
                let bad = api.with("x-forwarded-for", &address).with("authorization", &bearer);
                match bad.get("/api/v1/terminals").await.status {
                    401 => answers[0] += 1,
                    429 => answers[1] += 1,
                    other => panic!("{other}"),
                }
            }
            answers
        });
    }
    for n in 0..200 {
        // From the very addresses of the flood.
        from(&hub.admin(), &format!("10.9.{}.{}", n % 5, n % 20)).get("/api/v1/terminals").await.expect(200);
    }
    let answers = soon("the flood ends", floods.join_all()).await;
    let (told, delayed) = answers.iter().fold((0, 0), |(a, b), [told, delayed]| (a + told, b + delayed));
    assert_eq!((told, told + delayed), (5 * 20 * 10, 5 * 20 * EACH), "ten each, and no more");
}

#[tokio::test]
async fn whoever_shows_a_token_can_end_it_and_its_terminal_is_cut_before_the_answer() {
    let hub = TestHub::start_with(proxied).await;
    let token = hub.mint_token().await;
    let mut terminal = FakeTerminal::enter(hub.addr(), &token, 1001).await;
    let finder = from(&hub.api(""), "192.0.2.44");
    let body = finder.post("/api/v1/credentials/revoke", json!({"secret": token.secret})).await.expect(200);
    assert_eq!((&body["kind"], &body["id"], &body["state"]), (&json!("token"), &json!(token.id), &json!("revoked")));
    assert_eq!(body["prefix"], token.secret[..8]);
    assert_eq!(hub.state_of(&token).await, "revoked");
    assert_eq!(terminal.close_code().await, 4500);
    // Once more says the same.
    let again = finder.post("/api/v1/credentials/revoke", json!({"secret": token.secret})).await.expect(200);
    assert_eq!(again, body);
    let rows = rows(&hub, "action=token.revoke").await;
    assert_eq!((rows.len(), &rows[0]["actor"], &rows[0]["from"]), (1, &json!("holder"), &json!("192.0.2.44")));
}

#[tokio::test]
async fn several_secrets_are_ended_at_once_and_what_is_none_of_ours_is_said() {
    let hub = TestHub::start().await;
    let (token, key) = (hub.mint_token().await, hub.mint_key(&["read:bars"]).await);
    let secrets = json!({"secrets": [token.secret, stray("sk_live_"), key.key, "rubbish"]});
    let body = hub.api("").post("/api/v1/credentials/revoke", secrets).await.expect(200);
    let states: Vec<_> = body["data"].as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["revoked", "unknown", "revoked", "unknown"]);
    key.get("/api/v1/terminals").await.refused(401, "unauthorized");
    let revoke = async |body: Value| hub.api("").post("/api/v1/credentials/revoke", body).await;
    revoke(json!({"secret": stray("mtb_")})).await.refused(404, "not_found");
    revoke(json!({"secrets": [stray("mtb_")]})).await.refused(404, "not_found");
    for wrong in [json!({}), json!({"secrets": []}), json!({"secret": 5}), json!({"secrets": vec!["x"; 101]})] {
        revoke(wrong).await.refused(422, "validation_error");
    }
}

#[tokio::test]
async fn guessing_at_the_revocation_is_slowed_down_and_a_true_secret_still_gets_through() {
    let hub = TestHub::start_with(proxied).await;
    let token = hub.mint_token().await;
    let guesser = from(&hub.api(""), "203.0.113.9");
    let guesses: Vec<_> = (0..10).map(|_| stray("sk_live_")).collect();
    guesser.post("/api/v1/credentials/revoke", json!({"secrets": guesses})).await.refused(404, "not_found");
    let refused = guesser.post("/api/v1/credentials/revoke", json!({"secret": stray("mtb_")})).await;
    refused.refused(429, "too_many_failures");
    guesser.post("/api/v1/credentials/revoke", json!({"secret": token.secret})).await.expect(200);
}

#[tokio::test]
async fn a_secret_in_an_address_is_refused_and_called_leaked() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    for address in [
        format!("/api/v1/terminals?api_key={}", hub.admin_key),
        format!("/?x=1&token={}", token.secret),
        format!("/nowhere?{}", stray("sk_test_")),
    ] {
        // With a valid key beside it, too.
        let body = hub.admin().get(&address).await.refused(400, "secret_in_url");
        assert!(body["detail"].as_str().unwrap().contains("/api/v1/credentials/revoke"));
        assert!(!body.to_string().contains(&hub.admin_key));
    }
    assert_eq!(hub.state_of(&token).await, "pending", "nobody has revoked it for them");
}

async fn mtbridge(dir: &std::path::Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Program::start(dir, args, &[]);
    let mut said = String::new();
    while let Some(line) = program.line().await {
        said += &line;
        said.push('\n');
    }
    (program.ended().await.code(), said, program.stderr())
}

#[tokio::test]
async fn the_history_is_checked_by_the_running_hub_and_by_the_command_line_when_it_is_stopped() {
    let scratch = tempfile::tempdir().unwrap();
    let mut hub = TestHub::start().await;
    hub.mint_token().await;
    let checked = hub.admin().post("/api/v1/audit/verify", json!({})).await.expect(200);
    assert_eq!((&checked["whole"], &checked["first"]), (&json!(true), &json!(1)));
    assert!(checked["audit_records"].as_u64().unwrap() >= 2, "{checked}");
    let head = checked["head"].as_str().unwrap().to_owned();
    hub.mint_token().await;
    let again = hub.admin().post("/api/v1/audit/verify", json!({"expect": head})).await.expect(200);
    assert_eq!(again["whole"], true);
    let other = format!("{}:{}", checked["last"], "0".repeat(64));
    let wrong = hub.admin().post("/api/v1/audit/verify", json!({"expect": other})).await.expect(200);
    assert_eq!(wrong["whole"], false);
    hub.admin().post("/api/v1/audit/verify", json!({"expect": "7:x"})).await.refused(422, "validation_error");

    let data = hub.dir().to_str().unwrap().to_owned();
    let verify = ["audit", "verify", "--data-dir", &data];
    let (code, _, said) = mtbridge(scratch.path(), &verify).await;
    assert!(code == Some(7) && said.contains("/api/v1/audit/verify"), "{code:?} {said}");
    hub.stop().await;
    let (code, said, error) = mtbridge(scratch.path(), &verify).await;
    assert!(code == Some(0) && said.contains("whole: records 1 to "), "{code:?} {said} {error}");
    let (code, printed, _) = mtbridge(scratch.path(), &["audit", "head", "--data-dir", &data]).await;
    assert_eq!(code, Some(0));
    let (code, _, error) = mtbridge(scratch.path(), &["audit", "verify", "--data-dir", &data, "--expect", printed.trim()]).await;
    assert_eq!(code, Some(0), "{error}");
    let (code, _, error) = mtbridge(scratch.path(), &["audit", "verify", "--data-dir", &data, "--expect", &head]).await;
    assert_eq!(code, Some(0), "{error}");
    let (code, ..) = mtbridge(scratch.path(), &["audit", "verify", "--data-dir", &data, "--expect", &other]).await;
    assert_eq!(code, Some(1));

    let segment = hub.dir().join("journal/00000000000000000001.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[64 + 51 + 5] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (code, said, error) = mtbridge(scratch.path(), &verify).await;
    assert!(code == Some(1) && said.is_empty() && error.contains("record 1 "), "{code:?} {said} {error}");
}
