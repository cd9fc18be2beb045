//! Plans: how much a key may ask for, what every answer says of it, and that no place is ever lost.

use mtbridge::domain::grant::Grant;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::harness::{Answer, Api, TestHub, eventually, soon};

const WORDS: &str = "Too many requests. Please wait before retrying.";

async fn mint(hub: &TestHub, body: Value) -> (Api, String) {
    let minted = hub.admin().post("/api/v1/keys", body).await.expect(201);
    (hub.api(minted["key"].as_str().unwrap()), minted["id"].as_str().unwrap().to_owned())
}

fn told(answer: &Answer) -> [String; 4] {
    ["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining"].map(|name| answer.header(name).to_owned())
}

fn number(answer: &Answer, name: &str) -> i64 {
    answer.header(name).parse().unwrap_or_else(|_| panic!("{name}: {:?}", answer.headers))
}

#[tokio::test]
async fn every_answer_under_a_plan_says_how_it_stands_whatever_the_answer_is() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let (bot, id) = mint(&hub, json!({"plan": "free", "permissions": ["read:account", "trade:reduce"]})).await;
    let policy = r#""free";q=100;w=3600"#;
    for (remaining, path, status) in [
        (99, "/api/v1/terminals/1001/account", 200),
        (98, "/api/v1/terminals/1002/account", 404),
        (97, "/api/v1/terminals/1001/positions", 403),
        (96, "/api/v1/incidents?limit=x", 422),
    ] {
        let answer = bot.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        let [said, now, limit, left] = told(&answer);
        assert_eq!((said.as_str(), limit.as_str(), left), (policy, "100", remaining.to_string()), "{path}");
        assert!(now.starts_with(&format!(r#""free";r={remaining};t="#)), "{now}");
        let spent = (100 - remaining) * 36;
        let until = number(&answer, "x-ratelimit-reset") - jiff::Timestamp::now().as_second();
        assert!((1..=spent + 1).contains(&until), "{until} s until all are back, {spent} s are spent");
    }
    let answer = bot.post("/api/v1/deadman", json!({"timeout_s": 0, "terminal": "1001"})).await;
    assert_eq!((answer.status, told(&answer)[0].as_str()), (200, r#""reduce";q=1200;w=3600"#));
    assert_eq!(told(&bot.get("/api/v1/terminals").await)[3], "95", "what reduces has taken none of them");
    // Without a plan there is no number to tell.
    let answer = hub.admin().get(&format!("/api/v1/keys/{id}")).await;
    assert!(answer.headers.get("ratelimit").is_none() && answer.headers.get("x-ratelimit-limit").is_none());
}

#[tokio::test]
async fn a_used_up_plan_is_429_for_the_whole_line_and_closing_goes_on() {
    // The first comes back after twenty minutes.
    let few = Grant { requests_per_hour: 3, concurrent: 5 };
    let mut hub = TestHub::start_with(|config| config.plans.enterprise = few).await;
    let terminal = hub.terminal(1001).await;
    let permissions = ["read:account", "read:bars", "trade:write"];
    let (bot, id) = mint(&hub, json!({"plan": "enterprise", "permissions": permissions})).await;
    let symbols = bot.get("/api/external/symbols").await.expect(200);
    assert_eq!(symbols["limits"]["rate_limit_per_hour"], 3);
    let order = bot.once().buy(1001).await.expect(200);
    assert_eq!(number(&bot.get("/api/v1/deadman").await, "x-ratelimit-remaining"), 0);
    let next = hub.admin().post(&format!("/api/v1/keys/{id}/rotate"), json!({"overlap_s": 600})).await.expect(201);
    let successor = hub.api(next["key"].as_str().unwrap());
    for _ in 0..2 {
        for api in [&bot, &successor] {
            for path in ["/api/v1/deadman", "/api/external/symbols"] {
                let answer = api.get(path).await;
                let wait = number(&answer, "retry-after");
                assert!((1..=1_200).contains(&wait) && number(&answer, "x-ratelimit-remaining") == 0, "{wait}");
                let body = answer.refused(429, "rate_limit_exceeded");
                assert_eq!((&body["message"], &body["retry_after"]), (&json!(WORDS), &json!(wait)));
                assert_eq!((&body["limit"], &body["plan"]), (&json!("requests_per_hour"), &json!("enterprise")));
            }
        }
        // It stays used up.
        hub.restart().await;
        hub.shows(&terminal.token, "connected").await;
    }
    let ticket = order["result"]["order"].as_u64().unwrap();
    bot.once().post(&format!("/api/v1/terminals/1001/positions/{ticket}/close"), json!({})).await.expect(200);
    bot.once().post("/api/v1/terminals/1001/positions/close-all", json!({})).await.expect(200);
    bot.once().buy(1001).await.refused(429, "rate_limit_exceeded");
    let switch = json!({"scope": "key", "level": "block", "reason": "a test"});
    successor.post("/api/v1/kill-switch", switch).await.expect(200);
    // A larger plan holds for the next request; what was spent of the hour is spent.
    hub.admin().patch(&format!("/api/v1/keys/{id}"), json!({"plan": null})).await.expect(200);
    bot.get("/api/v1/deadman").await.expect(200);
    successor.get("/api/v1/deadman").await.refused(429, "rate_limit_exceeded");
    assert_eq!(bot.get("/api/external/symbols").await.expect(200)["limits"]["rate_limit_per_hour"], Value::Null);
}

async fn running(hub: &TestHub, id: &str) -> u64 {
    hub.admin().get(&format!("/api/v1/keys/{id}")).await.expect(200)["usage"]["running"].as_u64().unwrap()
}

async fn is_running(hub: &TestHub, id: &str, wanted: u64) {
    eventually(&format!("{wanted} requests are under way"), async || {
        let seen = running(hub, id).await;
        if seen == wanted { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
}

/// A connection on which this was sent, and nothing is read.
async fn sent(hub: &TestHub, api: &Api, head: &str, rest: &str) -> TcpStream {
    let mut stream = soon("the hub accepts", TcpStream::connect(hub.addr())).await.unwrap();
    let text = format!("{head} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {}\r\n{rest}", api.key);
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_hang_up_anywhere_leave_no_place_taken() {
    let hub = TestHub::start_with(|config| {
        config.plans.enterprise = Grant { requests_per_hour: 10_000, concurrent: 60 };
        config.http.read_timeout = std::time::Duration::from_secs(60);
        config.http.body_timeout = std::time::Duration::from_secs(60);
    })
    .await;
    // It never answers.
    let _terminal = hub.fake(1001).await;
    let permissions = ["read:account", "read:positions", "trade:write"];
    let (bot, id) = mint(&hub, json!({"plan": "enterprise", "permissions": permissions})).await;
    let body = r#"{"symbol":"EURUSD","side":"buy","type":"market","volume":0.1,"filling":"fok"}"#;
    let order =
        |key: u32| format!("Idempotency-Key: hang-{key}\r\nPrefer: wait=1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut held = Vec::new();
    for number in 0..15 {
        held.push(sent(&hub, &bot, "GET /api/v1/terminals/1001/account", "\r\n").await);
        // Hung up in the middle of a body: of one that changes something, and of one that does not.
        held.push(sent(&hub, &bot, "POST /api/v1/terminals/1001/orders", "Content-Length: 500\r\n\r\n{\"sym").await);
        held.push(sent(&hub, &bot, "POST /api/v1/terminals/1001/calc/margin", "Content-Length: 500\r\n\r\n{").await);
        // Goes on without its caller.
        held.push(sent(&hub, &bot, "POST /api/v1/terminals/1001/orders", &order(number)).await);
    }
    eventually("they are under way", async || {
        let seen = running(&hub, &id).await;
        if seen >= 45 { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
    drop(held);
    is_running(&hub, &id, 0).await;
    bot.get("/api/v1/terminals").await.expect(200);
    is_running(&hub, &id, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_at_once_than_the_plan_lets_in_are_429_and_the_reserve_is_apart() {
    let hub = TestHub::start_with(|config| config.http.read_timeout = std::time::Duration::from_secs(60)).await;
    let _terminal = hub.fake(1001).await;
    let (bot, id) = mint(&hub, json!({"plan": "free", "permissions": ["read:account", "trade:reduce"]})).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(sent(&hub, &bot, "GET /api/v1/terminals/1001/account", "\r\n").await);
    }
    is_running(&hub, &id, 5).await;
    let answer = bot.get("/api/v1/terminals").await;
    assert_eq!(number(&answer, "x-ratelimit-remaining"), 95, "a refusal takes none");
    let body = answer.refused(429, "rate_limit_exceeded");
    assert_eq!((&body["limit"], &body["retry_after"], &body["message"]), (&json!("concurrent"), &json!(1), &json!(WORDS)));
    bot.post("/api/v1/deadman", json!({"timeout_s": 0})).await.expect(200);
    held.pop();
    is_running(&hub, &id, 4).await;
    bot.get("/api/v1/terminals").await.expect(200);
}

#[tokio::test]
async fn the_use_of_a_key_is_counted_and_survives_a_restart() {
    let mut hub = TestHub::start().await;
    let (bot, id) = mint(&hub, json!({"permissions": ["read:account"]})).await;
    let path = format!("/api/v1/keys/{id}");
    let row = hub.admin().get(&path).await.expect(200);
    assert_eq!((&row["last_used_at"], &row["last_used_from"]), (&Value::Null, &Value::Null));
    for _ in 0..3 {
        bot.get("/api/v1/terminals").await.expect(200);
    }
    bot.get("/api/v1/tokens").await.refused(403, "forbidden");
    for _ in 0..2 {
        let row = hub.admin().get(&path).await.expect(200);
        let usage = &row["usage"];
        assert_eq!((&usage["requests"], &usage["refused"], &row["last_used_from"]), (&json!(4), &json!(1), &json!("127.0.0.1")));
        let sum = |field: &str| usage["hours"].as_array().unwrap().iter().map(|hour| hour[field].as_u64().unwrap()).sum::<u64>();
        assert_eq!((sum("requests"), sum("refused")), (4, 1));
        let used = row["last_used_at"].as_str().unwrap();
        assert!(used.ends_with(":00.000Z"), "to the minute: {used}");
        let list = hub.admin().get("/api/v1/keys").await.expect(200);
        let listed = list["data"].as_array().unwrap().iter().find(|row| row["id"] == json!(id)).unwrap();
        assert_eq!((&listed["usage"]["requests"], &listed["last_used_at"]), (&json!(4), &row["last_used_at"]));
        hub.restart().await;
    }
    // Whoever presents it from elsewhere is counted as refused, and not as its last use.
    hub.admin().patch(&path, json!({"ips": ["203.0.113.0/24"]})).await.expect(200);
    bot.get("/api/v1/terminals").await.refused(403, "forbidden");
    let usage = &hub.admin().get(&path).await.expect(200)["usage"];
    assert_eq!((&usage["requests"], &usage["refused"]), (&json!(4), &json!(2)));
}
