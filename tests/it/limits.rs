//! Limits of requests: what is too large, too slow or unknown is refused by name, and nobody else notices.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{TestHub, buy, exchange, orders, soon};

#[tokio::test]
async fn a_body_above_its_limit_is_413_and_nothing_was_sent() {
    let hub = TestHub::start_with(|config| config.http.max_body_bytes = 2_000).await;
    let terminal = hub.terminal(1001).await;
    let mut order = buy();
    order["comment"] = json!("x".repeat(3_000));
    hub.admin().once().post(&orders(1001), order).await.refused(413, "too_large");
    assert!(terminal.broker().requests().is_empty());
}

/// Writes a request with a body of ten megabytes to its end, and only then looks for the answer.
async fn writes_ten_megabytes_first(hub: &TestHub, key: &str) -> String {
    let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
    let head = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n",
        10 << 20
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    soon("all of it is taken", stream.write_all(&vec![b'x'; 10 << 20])).await.unwrap();
    let mut answer = String::new();
    soon("it is answered, and the connection ended", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn a_client_that_writes_ten_megabytes_before_it_reads_still_reads_why_they_are_refused() {
    let hub = TestHub::start().await;
    let answer = writes_ten_megabytes_first(&hub, &hub.admin_key).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("application/problem+json"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("too_large"), &json!(413)));
    // A stranger is answered without a look at the body, and hears it too.
    let answer = writes_ten_megabytes_first(&hub, "sk_live_nobody").await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("unauthorized"), "{answer}");
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_408() {
    let hub = TestHub::start_with(|config| config.http.body_timeout = Duration::from_millis(200)).await;
    let head = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {}\r\nContent-Length: 100\r\n\r\n{{",
        hub.admin_key
    );
    let answer = exchange(hub.addr(), &head).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_timeout"), "{answer}");
}

#[tokio::test]
async fn a_body_is_read_only_for_those_who_may_send_one() {
    let hub = TestHub::start_with(|config| config.http.body_timeout = Duration::from_secs(60)).await;
    // Announced, and never sent: a stranger is answered without it.
    let answer = exchange(hub.addr(), "POST /api/v1/tokens HTTP/1.1\r\nHost: hub\r\nContent-Length: 60000\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_large_ends_its_connection() {
    let hub = TestHub::start().await;
    let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
    let _ = stream.write_all(format!("GET / HTTP/1.1\r\nHost: hub\r\nX-Large: {}\r\n\r\n", "x".repeat(200_000)).as_bytes()).await;
    let mut answer = Vec::new();
    let _ = soon("it is ended", stream.read_to_end(&mut answer)).await;
    assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"));
    hub.admin().get("/api/v1/tokens").await.expect(200);
}

#[tokio::test]
async fn json_nested_without_end_is_refused() {
    let hub = TestHub::start().await;
    let body = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    hub.admin().post_text("/api/v1/tokens", &body).await.refused(400, "malformed_request");
    let body = format!(r#"{{"name":{}{}}}"#, r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    hub.admin().post_text("/api/v1/tokens", &body).await.refused(400, "malformed_request");
}

#[tokio::test]
async fn unknown_fields_are_refused_by_name_everywhere() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let mut order = buy();
    order["leverage"] = json!(5);
    let raw = json!({"action": 1, "symbol": "EURUSD", "volume": 0.01, "leverage": 5});
    let long = json!({"request": {"action": 1, "symbol": "EURUSD", "volume": 0.01}, "leverage": 5});
    let token = format!("/api/v1/tokens/{}", terminal.token.id);
    let cases = [
        (orders(1001), order),
        ("/api/v1/terminals/1001/trade".into(), raw),
        ("/api/v1/terminals/1001/trade".into(), long),
        ("/api/v1/terminals/1001/positions/1/close".into(), json!({"leverage": 5})),
        ("/api/v1/tokens".into(), json!({"leverage": 5})),
        (format!("{token}/rotate"), json!({"leverage": 5})),
        (format!("{token}/disconnect"), json!({"history": "keep", "leverage": 5})),
        ("/api/v1/keys".into(), json!({"leverage": 5})),
    ];
    for (path, body) in cases {
        let refused = hub.admin().once().post(&path, body).await.refused(422, "validation_error");
        assert!(refused["message"].as_str().unwrap().contains("leverage"), "{path}: {refused}");
    }
    assert!(terminal.broker().requests().is_empty());
    assert_eq!(hub.state_of(&terminal.token).await, "connected");
}
