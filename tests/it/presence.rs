//! Who is there: as soon as the hub sees it, and never for longer than it is true.

use std::time::Duration;

use mtbridge::protocol::message::Status;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::harness::{FakeTerminal, Heard, PATIENCE, TestHub, eventually, fake::all_on, within};

#[tokio::test]
async fn a_close_a_reset_and_a_stop_of_the_program_show_at_once() {
    let hub = TestHub::start().await;
    // 50 ms count from what the hub has seen; the rest of the bound is this machine's.
    let soon = Duration::from_secs(1);
    let offline = async |token: &crate::harness::Token| match hub.state_of(token).await.as_str() {
        "offline" => Ok(()),
        other => Err(other.to_owned()),
    };

    let mut closing = hub.fake(1001).await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    closing.send_frame(Message::Close(Some(frame))).await.unwrap();
    within(soon, "a close shows", async || offline(&closing.token).await).await;
    let row = hub.admin().get(&format!("/api/v1/tokens/{}", closing.token.id)).await.expect(200);
    assert!(row["last_seen_at"].is_string() && row["rtt_ms"].is_null(), "{row}");
    eventually("the reason is noted", async || {
        let row = hub.admin().get(&format!("/api/v1/tokens/{}", closing.token.id)).await.expect(200);
        let why = row["last_disconnect"].as_str().unwrap_or_default().to_owned();
        if why.contains("1000 bye") { Ok(()) } else { Err(why) }
    })
    .await;

    let resetting = hub.fake(1002).await;
    let token = resetting.token.clone();
    let stream = resetting.socket.into_inner();
    stream.set_zero_linger().unwrap();
    drop(stream);
    within(soon, "a reset shows", async || offline(&token).await).await;

    let stopped = hub.terminal(1003).await;
    let token = stopped.token.clone();
    stopped.sim.kill().await;
    within(soon, "a killed program shows", async || offline(&token).await).await;
}

#[tokio::test]
async fn a_half_open_terminal_shows_offline_within_six_seconds_and_its_second_connection_is_let_in() {
    // The default times, because they are the promise.
    let hub = TestHub::start_with(|config| config.terminals.heartbeat = Duration::from_secs(2)).await;
    let terminal = hub.terminal_with(1001, |config| config.half_open_for = Duration::from_secs(6)).await;
    terminal.set_faults(vec!["half-open".parse().unwrap()]);
    terminal.is_gone().await;
    within(Duration::from_secs(6), "a half-open socket shows offline", async || {
        let state = hub.state_of(&terminal.token).await;
        if state == "offline" { Ok(()) } else { Err(state) }
    })
    .await;
    terminal.is_connected().await;
    hub.shows(&terminal.token, "connected").await;
    hub.admin().get("/api/v1/terminals/1001/account").await.expect(200);
}

#[tokio::test]
async fn a_silent_socket_does_not_lock_out_the_terminals_next_connection() {
    let hub = TestHub::start_with(|config| config.terminals.probe_timeout = Duration::from_millis(300)).await;
    let mut silent = hub.fake(1001).await;
    // Another instance: the EA was loaded anew while the old socket hangs. Nobody reads the old one, so its probe fails.
    let mut next = FakeTerminal::connect(hub.addr(), &silent.token).await;
    next.is_let_in(1001).await;
    assert_eq!(silent.close_code().await, 4001, "replaced");
    assert_eq!(hub.state_of(&next.token).await, "connected", "the late goodbye of the old one does not remove the new one");
}

#[tokio::test]
async fn the_same_instance_takes_its_place_at_once() {
    let hub = TestHub::start_with(|config| config.terminals.probe_timeout = Duration::from_secs(60)).await;
    let mut old = hub.fake(1001).await;
    let mut new = FakeTerminal::connect(hub.addr(), &old.token).await;
    new.instance = old.instance;
    let first = new.is_let_in(1001).await;
    assert_eq!(old.close_code().await, 4001);
    drop(old);
    let seen = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
    assert_eq!(seen["session"]["id"], first.session.to_string(), "the successor is who is there");
    hub.shows(&new.token, "connected").await;
}

#[tokio::test]
async fn a_second_terminal_never_kicks_a_live_one() {
    let hub = TestHub::start().await;
    let mut first = hub.fake(1001).await;
    let token = first.token.clone();
    let reading = async {
        // Whoever reads answers pings.
        match first.next_whenever().await {
            Heard::Closed(code) => panic!("the live terminal was closed with {code}"),
            Heard::Message(message) => panic!("unexpected {message:?}"),
        }
    };
    let pushing = async {
        for _ in 0..3 {
            let mut second = FakeTerminal::connect(hub.addr(), &token).await;
            second.send(second.hello(1001)).await;
            assert_eq!(second.close_code().await, 4002, "already connected");
        }
    };
    tokio::select! {
        () = reading => {}
        () = pushing => {}
    }
    assert_eq!(hub.state_of(&token).await, "connected");
}

#[tokio::test]
async fn two_simulated_terminals_with_one_token_settle_on_the_first() {
    let hub = TestHub::start().await;
    let first = hub.terminal(1001).await;
    let config = crate::harness::simulator_config(&hub.url(), &first.token, 1001);
    let second = crate::harness::Machine::start(config).unwrap();
    let instance = hub.admin().get("/api/v1/terminals/1001").await.expect(200)["session"]["instance"].clone();
    // The first one leaves, the second one finds the place free: the order of events shows that it did not get in before.
    let mut connected = second.connected();
    assert!(!*connected.borrow_and_update());
    hub.admin().get("/api/v1/terminals/1001/account").await.expect(200);
    assert_eq!(hub.admin().get("/api/v1/terminals/1001").await.expect(200)["session"]["instance"], instance);
    assert!(!*connected.borrow_and_update());
    first.sim.stop().await;
    crate::harness::soon("the second is let in", connected.wait_for(|connected| *connected)).await.unwrap();
}

#[tokio::test]
async fn presence_tells_each_layer_with_its_age() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    terminal.send(Status { broker_link: false, ea_trade_allowed: false, broker_ping_us: 1_500, ..all_on() }).await;
    let seen = eventually("the Status shows", async || {
        let seen = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
        if seen["presence"]["broker_link"]["value"] == false { Ok(seen) } else { Err(seen.to_string()) }
    })
    .await;
    let presence = &seen["presence"];
    assert_eq!(presence["socket"]["value"], "connected");
    assert_eq!(presence["broker_ping_ms"]["value"], 1.5);
    assert_eq!(presence["trade_allowed"]["value"], false);
    assert_eq!(presence["account_trade_allowed"]["value"], true);
    assert_eq!(presence["market"]["value"], "open");
    for (layer, told) in presence.as_object().unwrap() {
        assert!(told["age_ms"].as_i64().is_some_and(|age| (0..20_000).contains(&age)), "{layer}: {told}");
    }
    assert_eq!((&seen["platform"], &seen["trade_mode_name"]), (&"mt5".into(), &"demo".into()), "{seen}");
}

#[tokio::test]
async fn the_round_trip_is_measured() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let rtt = eventually("a round trip", async || {
        let row = hub.admin().get(&format!("/api/v1/tokens/{}", terminal.token.id)).await.expect(200);
        row["rtt_ms"].as_f64().ok_or(row.to_string())
    })
    .await;
    assert!(rtt > 0.0 && rtt < 5_000.0, "{rtt}");
}

#[tokio::test]
async fn a_terminal_comes_back_by_itself_after_the_hub_restarts() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    hub.stop().await;
    terminal.is_gone().await;
    hub.start_again().await;
    terminal.is_connected().await;
    hub.shows(&terminal.token, "connected").await;
    assert!(terminal.outcome().is_none(), "a restart is no refusal");
}

#[tokio::test]
async fn inside_a_send_lease_silence_is_busy_and_not_offline() {
    let hub = TestHub::start_with(|config| {
        config.terminals.heartbeat = Duration::from_millis(100);
        config.terminals.dead_after = Duration::from_millis(300);
    })
    .await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once().with("prefer", "respond-async");
    let posting = api.buy(1001);
    let taking = async {
        let trade = terminal.trade().await;
        terminal.send(crate::harness::fake::accepted(trade.command)).await;
        trade
    };
    let (_, trade) = tokio::join!(posting, taking);
    // Nothing is read and nothing is said for longer than a terminal may be silent.
    eventually("it has been silent for long", async || {
        let seen = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
        assert_eq!(seen["state"], "connected", "inside OrderSend silence is expected: {seen}");
        let age = seen["presence"]["socket"]["age_ms"].as_i64().unwrap();
        assert!(age < 300 || seen["presence"]["socket"]["value"] == "busy", "{seen}");
        if age > 900 { Ok(()) } else { Err(age.to_string()) }
    })
    .await;
    // The lease ends with the outcome; then silence counts again.
    terminal.send(crate::harness::fake::executed(&trade, 7)).await;
    hub.shows(&terminal.token, "offline").await;
    assert_eq!(terminal.close_code().await, 4003);
}

#[tokio::test]
async fn a_terminal_that_does_not_read_is_cut() {
    let hub = TestHub::start_with(|config| {
        config.terminals.write_timeout = Duration::from_millis(500);
        config.terminals.max_control_bytes = 4_096;
        config.terminals.max_write_buffer_bytes = 8_192;
        config.terminals.dead_after = Duration::from_secs(60);
        config.http.read_timeout = Duration::from_millis(300);
    })
    .await;
    let token = hub.mint_token().await;
    let mut terminal = FakeTerminal::connect_with_buffer(hub.addr(), &token, Some(4_096)).await;
    terminal.is_let_in(1001).await;
    let path = format!("/api/v1/terminals/1001/symbols?group={}", "x".repeat(7_000));
    within(PATIENCE, "the full socket is cut", async || {
        let asks = (0..50).map(|_| async { hub.admin().get(&path).await.status });
        let seen = futures_util::future::join_all(asks).await;
        if hub.state_of(&token).await == "offline" { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    eventually("the reason is noted", async || {
        let row = hub.admin().get(&format!("/api/v1/tokens/{}", token.id)).await.expect(200);
        // Ours, or the kernel's own five seconds (TCP_USER_TIMEOUT) where this machine fills the buffers slowly.
        let why = row["last_disconnect"].as_str().unwrap_or_default();
        if why == "the terminal does not read" || why.contains("timed out") { Ok(()) } else { Err(row.to_string()) }
    })
    .await;
}
