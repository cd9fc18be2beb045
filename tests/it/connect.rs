//! The way in: the token before the upgrade, Hello after it, and everything that is no terminal.

use std::time::Duration;

use mtbridge::protocol::{
    FromTerminal,
    codec::Messages,
    message::{Hello, Log},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{FakeTerminal, TestHub, bad_upgrade, exchange, soon, upgrade_request};

const OURS: &str = "Sec-WebSocket-Protocol: mtbridge.v1";

#[tokio::test]
async fn a_bad_token_is_a_plain_401_before_the_upgrade() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    // One character changed: the checksum tells. A whole one that this hub never made: only the digest tells.
    let mut typo = token.secret.clone();
    let last = if typo.ends_with('a') { "b" } else { "a" };
    typo.replace_range(typo.len() - 1.., last);
    let foreign = mtbridge::access::secret::Secret::generate("mtb_").unwrap().reveal().to_owned();
    for secret in [typo.as_str(), foreign.as_str(), "mtb_", "nonsense", ""] {
        let (status, body) = bad_upgrade(hub.addr(), &[OURS, &format!("Authorization: Bearer {secret}")]).await;
        assert_eq!((status, body["code"].as_str()), (401, Some("unauthorized")), "{secret}");
        assert!(body["message"].as_str().unwrap().starts_with("Error 401"), "an Expert Advisor prints it: {body}");
        assert!(!body.to_string().contains(&foreign[8..]), "the answer repeats the secret");
    }
    let (status, _) = bad_upgrade(hub.addr(), &[OURS]).await;
    assert_eq!(status, 401, "no Authorization at all");
    let (status, _) = bad_upgrade(hub.addr(), &[OURS, &format!("Authorization: Basic {}", token.secret)]).await;
    assert_eq!(status, 401, "another scheme");
}

#[tokio::test]
async fn a_revoked_token_is_told_so_before_the_upgrade() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    assert_eq!(hub.admin().delete(&format!("/api/v1/tokens/{}", token.id)).await.status, 204);
    let (status, body) = bad_upgrade(hub.addr(), &[OURS, &format!("Authorization: Bearer {}", token.secret)]).await;
    assert_eq!(status, 401);
    assert!(body["message"].as_str().unwrap().contains("revoked"), "{body}");
}

#[tokio::test]
async fn a_key_opens_no_terminal_socket_and_a_token_no_rest() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let (status, _) = bad_upgrade(hub.addr(), &[OURS, &format!("Authorization: Bearer {}", hub.admin_key)]).await;
    assert_eq!(status, 401);
    for path in ["/api/v1/terminals", "/api/v1/tokens", "/api/v1/commands"] {
        hub.api(&token.secret).get(path).await.refused(401, "unauthorized");
    }
}

#[tokio::test]
async fn an_upgrade_without_our_subprotocol_or_with_an_origin_is_refused() {
    let hub = TestHub::start().await;
    let authorization = format!("Authorization: Bearer {}", hub.mint_token().await.secret);
    let (status, body) = bad_upgrade(hub.addr(), &[&authorization]).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("malformed_request")));
    let (status, _) = bad_upgrade(hub.addr(), &[&authorization, "Sec-WebSocket-Protocol: mtbridge.v9"]).await;
    assert_eq!(status, 400);
    let (status, body) = bad_upgrade(hub.addr(), &[&authorization, OURS, "Origin: https://evil.example"]).await;
    assert_eq!((status, body["code"].as_str()), (403, Some("forbidden")));
    // The same request without an upgrade is no way in either.
    let plain = format!("GET /ws/terminal HTTP/1.1\r\nHost: hub\r\n{authorization}\r\n{OURS}\r\n\r\n");
    assert!(exchange(hub.addr(), &plain).await.starts_with("HTTP/1.1 426"), "426 upgrade_required");
}

#[tokio::test]
async fn the_101_names_the_subprotocol_and_agrees_to_no_extension() {
    let hub = TestHub::start().await;
    let authorization = format!("Authorization: Bearer {}", hub.mint_token().await.secret);
    let lines =
        [authorization.as_str(), "Sec-WebSocket-Protocol: other, mtbridge.v1", "Sec-WebSocket-Extensions: permessage-deflate"];
    let answer = exchange(hub.addr(), &upgrade_request(&lines)).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    assert!(answer.contains("sec-websocket-protocol: mtbridge.v1\r\n"), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "RFC 6455's own example: {answer}");
    assert!(!answer.contains("sec-websocket-extensions"), "{answer}");
}

#[tokio::test]
async fn a_terminal_without_hello_is_closed_with_4005_and_leaves_the_token_pending() {
    let hub = TestHub::start_with(|config| config.terminals.hello_timeout = Duration::from_millis(100)).await;
    let token = hub.mint_token().await;
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    assert_eq!(terminal.close_code().await, 4005);
    assert_eq!(hub.state_of(&token).await, "pending");
}

#[tokio::test]
async fn a_stolen_token_on_another_account_is_refused_and_the_owner_does_not_notice() {
    let hub = TestHub::start().await;
    let owner = hub.terminal(1001).await;
    for account in [1002, u64::MAX] {
        let mut thief = FakeTerminal::connect(hub.addr(), &owner.token).await;
        thief.send(thief.hello(account)).await;
        assert_eq!(thief.close_code().await, 4502, "account mismatch is final");
    }
    // The same number at another broker is another account.
    let mut thief = FakeTerminal::connect(hub.addr(), &owner.token).await;
    thief.send(Hello { server: "Other-Server".into(), ..thief.hello(1001) }).await;
    assert_eq!(thief.close_code().await, 4502);
    assert!(*owner.connected().borrow(), "the owner was never cut");
    let row = hub.admin().get(&format!("/api/v1/tokens/{}", owner.token.id)).await.expect(200);
    assert_eq!((row["state"].as_str(), row["account"]["login"].as_u64()), (Some("connected"), Some(1001)));
    hub.admin().get("/api/v1/terminals/1001/account").await.expect(200);
}

#[tokio::test]
async fn the_account_that_a_thief_meets_is_not_named_to_him() {
    let hub = TestHub::start().await;
    let owner = hub.terminal(1_234_567).await;
    let mut thief = FakeTerminal::connect(hub.addr(), &owner.token).await;
    thief.send(thief.hello(1002)).await;
    use futures_util::StreamExt;
    let close = loop {
        match soon("the close frame", thief.socket.next()).await.unwrap().unwrap() {
            Message::Close(close) => break close.unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(!close.reason.contains("1234567"), "{}", close.reason);
}

#[tokio::test]
async fn two_terminals_that_use_a_new_token_at_once_lock_it_to_one_account() {
    let hub = TestHub::start().await;
    for round in 0..10 {
        let token = hub.mint_token().await;
        let mut terminals = Vec::new();
        for _ in 0..4 {
            terminals.push(FakeTerminal::connect(hub.addr(), &token).await);
        }
        let greetings = terminals.iter_mut().zip(2001_u64..).map(|(terminal, login)| async move {
            terminal.send(terminal.hello(login + 10 * round)).await;
            matches!(terminal.next().await, crate::harness::Heard::Message(_))
        });
        let let_in = futures_util::future::join_all(greetings).await;
        assert_eq!(let_in.iter().filter(|welcome| **welcome).count(), 1, "round {round}: {let_in:?}");
    }
}

/// What a terminal sends, and the code that ends it.
async fn violations(after_welcome: bool) {
    let hub = TestHub::start().await;
    let garbage = Message::Binary(vec![0xc1; 40].into());
    let trailing = {
        let mut frame = FromTerminal::from(Log { level: 1, text: "x".into() }).encode(1);
        frame.push(0);
        Message::Binary(frame.into())
    };
    let cases = [
        ("garbage", garbage),
        ("text", Message::Text("hello".into())),
        ("empty", Message::Binary(vec![].into())),
        ("trailing", trailing),
    ];
    for (name, frame) in cases {
        let token = hub.mint_token().await;
        let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
        if after_welcome {
            terminal.is_let_in(1001).await;
        }
        terminal.send_frame(frame).await.unwrap();
        assert_eq!(terminal.close_code().await, 4504, "{name}");
    }
}

#[tokio::test]
async fn whatever_is_no_message_ends_the_greeting_with_4504() {
    violations(false).await;
}

#[tokio::test]
async fn whatever_is_no_message_ends_a_session_with_4504() {
    violations(true).await;
}

#[tokio::test]
async fn a_hello_that_cannot_be_is_refused_by_the_code_of_its_fault() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let start = FakeTerminal::connect(hub.addr(), &token).await;
    let good = start.hello(1001);
    let cases = [
        ("another version", 4505, Hello { protocol: 2, ..good.clone() }),
        ("not logged in", 4504, Hello { login: 0, ..good.clone() }),
        ("no server", 4504, Hello { server: String::new(), ..good.clone() }),
        ("a server of control characters", 4504, Hello { server: "a\u{7}b".into(), ..good.clone() }),
        ("no instance", 4504, Hello { instance: vec![], ..good.clone() }),
        ("an instance of zeros", 4504, Hello { instance: vec![0; 16], ..good.clone() }),
        ("MetaTrader 6", 4504, Hello { platform: 6, ..good }),
    ];
    for (name, code, hello) in cases {
        let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
        terminal.send(hello).await;
        assert_eq!(terminal.close_code().await, code, "{name}");
    }
    assert_eq!(hub.state_of(&token).await, "pending");
}

#[tokio::test]
async fn a_second_hello_is_a_violation() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    terminal.send(terminal.hello(1001)).await;
    assert_eq!(terminal.close_code().await, 4504);
}

#[tokio::test]
async fn a_control_message_above_its_limit_ends_with_4506() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    terminal.send(Log { level: 0, text: "x".repeat(70_000) }).await;
    assert_eq!(terminal.close_code().await, 4506);
}

#[tokio::test]
async fn a_frame_of_ten_megabytes_is_refused_without_being_read() {
    let hub = TestHub::start().await;
    for greeted in [false, true] {
        let token = hub.mint_token().await;
        let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
        if greeted {
            terminal.is_let_in(1001).await;
        }
        // The hub may close before the whole of it is written.
        let _ = terminal.send_frame(Message::Binary(vec![0; 10 << 20].into())).await;
        let code = terminal.close_code().await;
        assert!(code == 4506 || code == 1006, "{code}: message too large, or the reset that overtook it");
        hub.shows(&token, if greeted { "offline" } else { "pending" }).await;
    }
    // The hub lives, and others do not notice.
    let other = hub.terminal(1002).await;
    assert!(*other.connected().borrow());
}

#[tokio::test]
async fn messages_that_a_newer_terminal_may_send_are_skipped() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    // Tag 99 is unknown; a Log with a surplus element is known.
    terminal.send_frame(Message::Binary(vec![0x93, 99, 1, 2].into())).await.unwrap();
    terminal.send_frame(Message::Binary(vec![0x95, 0x0a, 0x01, 0x02, 0xa1, b'x', 0x81, 0x01, 0x02].into())).await.unwrap();
    terminal.send_frame(Message::Ping(vec![].into())).await.unwrap();
    use futures_util::StreamExt;
    let pong = async {
        loop {
            if matches!(terminal.socket.next().await.unwrap().unwrap(), Message::Pong(_)) {
                return;
            }
        }
    };
    soon("the hub answers a ping", pong).await;
    assert_eq!(hub.state_of(&terminal.token).await, "connected");
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_ends_its_connection() {
    let hub = TestHub::start_with(|config| config.http.header_timeout = Duration::from_millis(200)).await;
    for part in ["", "GET /healthz HTTP/1.1\r\nHost: hub\r\nX-Slow: "] {
        let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
        stream.write_all(part.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon("the hub ends it", stream.read_to_end(&mut answer)).await.unwrap();
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
}

#[tokio::test]
async fn idle_strangers_do_not_shut_out_those_who_belong_here() {
    let hub = TestHub::start_with(|config| config.http.max_unauthenticated_per_ip = 5).await;
    // A caller and a terminal that have shown what they hold.
    let api = hub.admin();
    let terminal = hub.terminal(1001).await;
    api.get("/api/v1/terminals").await.expect(200);
    let mut strangers = Vec::new();
    // Each is in as soon as its place is counted; the sixth is told to come back.
    let refused = async {
        loop {
            let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n").await.unwrap();
            let mut first = [0; 12];
            let _ = stream.read_exact(&mut first).await;
            if &first == b"HTTP/1.1 503" {
                return;
            }
            assert_eq!(&first, b"HTTP/1.1 200");
            strangers.push(stream);
            assert!(strangers.len() <= 5, "strangers are not counted");
        }
    };
    soon("strangers are bounded", refused).await;
    assert_eq!(strangers.len(), 5, "who has shown a key or a token does not count among them");
    api.get("/api/v1/terminals/1001/account").await.expect(200);
    assert!(*terminal.connected().borrow());
    drop(strangers);
    crate::harness::eventually("the places come back", async || {
        let answer = exchange(hub.addr(), "GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer) }
    })
    .await;
}
