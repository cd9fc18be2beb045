//! Webhooks: what happened reaches whoever asked for it, signed, in order, once or more; and what is not taken is not lost.

use std::{path::Path, time::Duration};

use mtbridge::access::secret::{KEY_LIVE, Secret};
use serde_json::{Value, json};

use crate::harness::{
    Api, HubProcess, TestHub,
    canned::{Asked, Canned, Say},
    eventually, free_port,
};

fn ok() -> Say {
    Say::Answer(200, "", String::new())
}

fn says(status: u16) -> Say {
    Say::Answer(status, "", String::new())
}

/// A hub that may send to the test, and tries again at once, so often.
async fn hub(retries: usize) -> TestHub {
    TestHub::start_with(|config| {
        config.webhooks.allow_http = true;
        config.webhooks.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
        config.webhooks.retries = vec![Duration::from_millis(20); retries];
    })
    .await
}

async fn webhook(api: &Api, receiver: &Canned, events: &[&str]) -> Value {
    api.post("/api/v1/webhooks", json!({"url": format!("{}/in", receiver.url), "events": events})).await.expect(201)
}

fn path(webhook: &Value, more: &str) -> String {
    format!("/api/v1/webhooks/{}{more}", webhook["id"].as_str().unwrap())
}

/// Waits until the webhook shows what is looked for.
async fn shows(api: &Api, webhook: &Value, what: &str, looked_for: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || {
        let row = api.get(&path(webhook, "")).await.expect(200);
        if looked_for(&row) { Ok(row) } else { Err(row.to_string()) }
    })
    .await
}

fn name_of(asked: &Asked) -> String {
    asked.body["data"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_happened_comes_in_order_each_with_an_id_of_its_own() {
    let hub = hub(3).await;
    let mut receiver = Canned::start((0..4).map(|_| ok()).collect()).await;
    let admin = hub.admin();
    let made = webhook(&admin, &receiver, &["token.*"]).await;
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let token = hub.mint_token().await;
        // Of another kind: it is not asked for.
        hub.mint_key(&["read:bars"]).await;
        let asked = receiver.asked().await;
        assert_eq!((asked.line.as_str(), &asked.body["type"]), ("POST /in", &json!("token.created")));
        assert_eq!(name_of(&asked), token.id);
        assert_eq!(asked.headers["content-type"], "application/json");
        assert_eq!(asked.body["id"], asked.headers["webhook-id"].as_str());
        ids.push(asked.headers["webhook-id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let text = String::from_utf8(admin.get("/api/v1/webhooks").await.bytes).unwrap();
    assert!(!text.contains("whsec_") && !text.contains("secret"), "{text}");
    let row = shows(&admin, &made, "all was taken", |row| row["cursor"].as_u64() > made["cursor"].as_u64()).await;
    assert_eq!((&row["waiting"], &row["dead"], &row["failing_since"]), (&json!(0), &json!(0), &Value::Null));
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_under_the_same_id_and_those_after_it_do_not_wait() {
    let hub = hub(3).await;
    let script = vec![says(500), Say::HangUp, Say::Answer(302, "location: http://127.0.0.1:1/\r\n", String::new()), ok(), ok()];
    let mut receiver = Canned::start(script).await;
    let made = webhook(&hub.admin(), &receiver, &["token.created"]).await;
    let token = hub.mint_token().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let asked = receiver.asked().await;
        assert_eq!(name_of(&asked), token.id);
        ids.push(asked.headers["webhook-id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let row = shows(&hub.admin(), &made, "it was taken", |row| row["waiting"] == 0).await;
    assert_eq!((&row["failing_since"], &row["dead"]), (&Value::Null, &json!(0)));
    let next = hub.mint_token().await;
    assert_eq!(name_of(&receiver.asked().await), next.id);
}

#[tokio::test]
async fn what_is_never_taken_is_a_dead_letter_that_can_be_sent_again() {
    let mut hub = hub(2).await;
    let mut receiver = Canned::start(vec![says(500), says(503), says(404), ok(), ok(), ok()]).await;
    let made = webhook(&hub.admin(), &receiver, &["token.created"]).await;
    let token = hub.mint_token().await;
    shows(&hub.admin(), &made, "it is dead", |row| row["dead"] == 1).await;
    hub.restart().await;
    let admin = hub.admin();
    let list = admin.get(&path(&made, "/deliveries?state=dead")).await.expect(200);
    let letter = &list["data"][0];
    assert_eq!((&letter["attempts"], &letter["state"], &letter["type"]), (&json!(3), &json!("dead"), &json!("token.created")));
    assert!(letter["last_error"].as_str().unwrap().contains("404"), "{letter}");
    for _ in 0..3 {
        assert_eq!(name_of(&receiver.asked().await), token.id);
    }
    let seq = letter["seq"].clone();
    for again in [json!({"dead": true}), json!({"seq": seq}), json!({"from": seq})] {
        assert_eq!(admin.post(&path(&made, "/replay"), again).await.expect(202)["replayed"], 1);
        let asked = receiver.asked().await;
        assert_eq!(
            (name_of(&asked), &asked.headers["webhook-id"]),
            (token.id.clone(), &letter["message"].as_str().unwrap().to_owned())
        );
        shows(&admin, &made, "it was taken", |row| row["dead"] == 0 && row["waiting"] == 0).await;
    }
    for wrong in [json!({}), json!({"seq": 1, "from": 2}), json!({"from": 2, "to": 1})] {
        admin.post(&path(&made, "/replay"), wrong).await.refused(422, "validation_error");
    }
}

#[tokio::test]
async fn a_dead_webhook_delays_no_other() {
    let hub = hub(3).await;
    let (stuck, mut live) = (Canned::start(vec![Say::Nothing]).await, Canned::start(vec![ok(), ok()]).await);
    webhook(&hub.admin(), &stuck, &["token.created"]).await;
    webhook(&hub.admin(), &live, &["token.created"]).await;
    for _ in 0..2 {
        let token = hub.mint_token().await;
        assert_eq!(name_of(&live.asked().await), token.id);
    }
}

#[tokio::test]
async fn a_webhook_that_is_gone_or_fails_for_long_is_disabled_and_goes_on_where_it_stopped() {
    let hub = hub(3).await;
    let admin = hub.admin();
    let mut watcher = Canned::start(vec![ok(), ok()]).await;
    webhook(&admin, &watcher, &["webhook.disabled"]).await;
    let mut receiver = Canned::start(vec![says(410), ok(), ok()]).await;
    let made = webhook(&admin, &receiver, &["token.created"]).await;
    let first = hub.mint_token().await;
    assert_eq!(name_of(&receiver.asked().await), first.id);
    let row = shows(&admin, &made, "it is disabled", |row| row["enabled"] == false).await;
    assert!(row["disabled_reason"].as_str().unwrap().contains("410"), "{row}");
    assert_eq!(watcher.asked().await.body["data"]["id"], made["id"]);
    let second = hub.mint_token().await;
    admin.patch(&path(&made, ""), json!({"enabled": true})).await.expect(200);
    let mut came = vec![name_of(&receiver.asked().await), name_of(&receiver.asked().await)];
    came.sort();
    assert_eq!(came, [first.id, second.id], "nothing was lost");
}

#[tokio::test]
async fn nothing_that_happened_is_lost_to_a_webhook_whose_hub_is_killed() {
    let (dir, port, key) = (tempfile::tempdir().unwrap(), free_port(), Secret::generate(KEY_LIVE).unwrap().reveal().to_owned());
    let env = [("MTBRIDGE_WEBHOOKS__ALLOW_HTTP", "true"), ("MTBRIDGE_WEBHOOKS__ALLOW_PRIVATE", "[\"127.0.0.0/8\"]")];
    let mut hub = HubProcess::start(dir.path(), port, &key, &env).await;
    let api = hub.api(&key);
    let mut receiver = Canned::start(vec![Say::Nothing, ok(), ok(), ok()]).await;
    let made = webhook(&api, &receiver, &["token.created"]).await;
    let mut minted = vec![api.mint_token().await.id];
    // It is on its way, and was not taken.
    let first = receiver.asked().await;
    minted.push(api.mint_token().await.id);
    hub.program.kill().await;
    let _hub = HubProcess::start(dir.path(), port, &key, &env).await;
    let (again, next) = (receiver.asked().await, receiver.asked().await);
    assert_eq!([name_of(&again), name_of(&next)], [minted[0].clone(), minted[1].clone()]);
    assert_eq!(again.headers["webhook-id"], first.headers["webhook-id"]);
    shows(&api, &made, "all was taken", |row| row["waiting"] == 0 && row["failing_since"].is_null()).await;
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_message_whose_receipt_was_not_recorded_comes_again_with_its_id() {
    let (dir, port, key) = (tempfile::tempdir().unwrap(), free_port(), Secret::generate(KEY_LIVE).unwrap().reveal().to_owned());
    let env = [
        ("MTBRIDGE_WEBHOOKS__ALLOW_HTTP", "true"),
        ("MTBRIDGE_WEBHOOKS__ALLOW_PRIVATE", "[\"127.0.0.0/8\"]"),
        ("FAILPOINTS", "webhook_sent=return"),
    ];
    let mut hub = HubProcess::start(dir.path(), port, &key, &env).await;
    let api = hub.api(&key);
    let mut receiver = Canned::start(vec![ok(), ok()]).await;
    webhook(&api, &receiver, &["token.created"]).await;
    let _ = api.send(reqwest::Method::POST, "/api/v1/tokens", Some("{}".to_owned())).await;
    let status = crate::harness::soon("the hub dies", hub.program.child.wait()).await.unwrap();
    assert!(!status.success(), "it was to abort");
    let _hub = HubProcess::start(dir.path(), port, &key, &env[..2]).await;
    let (first, again) = (receiver.asked().await, receiver.asked().await);
    assert_eq!((&first.body, &first.headers["webhook-id"]), (&again.body, &again.headers["webhook-id"]));
}

#[tokio::test]
async fn addresses_that_only_the_hub_reaches_are_refused_when_made_and_when_sent_to() {
    let hub = TestHub::start_with(|config| config.webhooks.allow_http = true).await;
    let admin = hub.admin();
    let new = |url: &str| json!({"url": url, "events": ["*"]});
    for url in [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://0/",
        "http://[fe80::1]/",
        "ftp://example.org/",
        "http://user:x@example.org/",
        "example.org",
    ] {
        admin.post("/api/v1/webhooks", new(url)).await.refused(422, "validation_error");
    }
    // A name is looked up when something is sent: it may mean something else by then.
    let receiver = Canned::start(vec![ok()]).await;
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    let made = admin.post("/api/v1/webhooks", new(&by_name)).await.expect(201);
    let tried = admin.post(&path(&made, "/test"), json!({})).await.expect(200);
    assert_eq!((&tried["delivered"], &tried["response_status"]), (&json!(false), &Value::Null));
    assert!(tried["detail"].as_str().unwrap().contains("webhooks.allow_private"), "{tried}");
    assert_eq!(receiver.unread(), 0);
    // Only TLS unless the settings say otherwise.
    let strict = TestHub::start().await;
    strict.admin().post("/api/v1/webhooks", new("http://example.org/")).await.refused(422, "validation_error");
    strict.admin().post("/api/v1/webhooks", new("https://example.org/")).await.expect(201);
}

#[tokio::test]
async fn a_webhook_is_made_only_of_what_there_is_and_deleted_with_all_that_waits() {
    let mut hub = hub(3).await;
    let receiver = Canned::start(vec![]).await;
    let made = webhook(&hub.admin(), &receiver, &["token.created"]).await;
    for body in [
        json!({"url": "https://example.org", "events": []}),
        json!({"url": "https://example.org", "events": ["tokens.created"]}),
        json!({"url": "https://example.org"}),
        json!({"url": "https://example.org", "events": ["*"], "secret": "x"}),
    ] {
        hub.admin().post("/api/v1/webhooks", body).await.refused(422, "validation_error");
    }
    hub.mint_token().await;
    shows(&hub.admin(), &made, "it fails", |row| row["failing_since"].is_string()).await;
    assert_eq!(hub.admin().delete(&path(&made, "")).await.status, 204);
    hub.restart().await;
    hub.admin().get(&path(&made, "")).await.refused(404, "not_found");
    assert_eq!(hub.admin().get("/api/v1/webhooks").await.expect(200)["data"], json!([]));
}

/// What checks signatures with the standard's own library; `make test` puts it there.
const VERIFY: &str = "import json, sys
from standardwebhooks.webhooks import Webhook
for line in sys.stdin:
    m = json.loads(line)
    try:
        Webhook(m['secret']).verify(m['body'], m['headers'])
        print('ok')
    except Exception as error:
        print(type(error).__name__)
";

#[tokio::test]
async fn the_standards_own_library_verifies_what_is_sent_while_secrets_rotate() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/webhooks-venv/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing: `make webhooks-venv` makes it", python.display());
        eprintln!("SKIPPED: `make webhooks-venv` brings the library standardwebhooks");
        return;
    }
    let hub = hub(3).await;
    let mut receiver = Canned::start((0..3).map(|_| ok()).collect()).await;
    let made = webhook(&hub.admin(), &receiver, &["token.created"]).await;
    hub.mint_token().await;
    let first = receiver.asked().await;
    let next = hub.admin().post(&path(&made, "/rotate"), json!({"overlap_s": 3_600})).await.expect(201);
    hub.mint_token().await;
    let both = receiver.asked().await;
    let last = hub.admin().post(&path(&made, "/rotate"), json!({"overlap_s": 0})).await.expect(201);
    hub.mint_token().await;
    let only = receiver.asked().await;
    let (one, two, three) = (&made["secret"], &next["secret"], &last["secret"]);
    let mut lines = String::new();
    let mut forged = json!({"secret": one, "headers": first.headers, "body": first.text.replace("token", "tokem")});
    for (secret, asked) in [(one, &first), (two, &first), (one, &both), (two, &both), (two, &only), (three, &only)] {
        lines += &format!("{}\n", json!({"secret": secret, "headers": asked.headers, "body": asked.text}));
    }
    lines += &format!("{}\n", forged.take());
    let mut command = tokio::process::Command::new(python);
    command.args(["-c", VERIFY]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).await.unwrap();
    let output = crate::harness::soon("the library answers", child.wait_with_output()).await.unwrap();
    let verdicts = String::from_utf8(output.stdout).unwrap();
    let bad = "WebhookVerificationError";
    assert_eq!(verdicts.lines().collect::<Vec<_>>(), ["ok", bad, "ok", "ok", bad, "ok", bad]);
}
