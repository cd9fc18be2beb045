//! A trading call's time: it runs from the call's arrival, and what is over before anything was sent is told as that.

use std::{collections::HashSet, time::Duration};

use mtbridge::{
    domain::{
        limits::Limits,
        trade::{Order, Position},
    },
    protocol::{
        FromHub,
        codec::write_rows,
        message::{Reply, reply_status},
    },
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{
    FakeTerminal, Heard, Played, TestHub, World, buy,
    controls::{Shown, hub_limits, quote},
    fake::symbol,
    orders,
};

const EVERYTHING: &str = "/api/v1/terminals/1001/positions/close-all";

async fn asks_for_the_symbol(terminal: &mut FakeTerminal) -> u64 {
    match terminal.next().await {
        Heard::Message(FromHub::GetSymbol(get)) => get.call,
        other => panic!("no question about the symbol but {other:?}"),
    }
}

/// A question behind everything that was sent before it: when the terminal hears it, it has heard all of that.
async fn hears_nothing_more(hub: &TestHub, terminal: &mut FakeTerminal) {
    let admin = hub.admin();
    let asking = admin.get("/api/v1/terminals/1001/quotes?symbols=EURUSD");
    let hearing = async {
        match terminal.next().await {
            Heard::Message(FromHub::GetQuotes(get)) => terminal.send(quote(get.call, 1.1)).await,
            other => panic!("it was to hear nothing more, and heard {other:?}"),
        }
    };
    tokio::join!(asking, hearing).0.expect(200);
}

fn with_ttl(ms: u64) -> Value {
    let mut order = buy();
    order["ttl_ms"] = json!(ms);
    order
}

/// Milliseconds from a command's record to its deadline.
fn time_left(record: &Value) -> i64 {
    let at = |name: &str| record[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    at("deadline_at") - at("created_at")
}

#[tokio::test]
async fn what_is_asked_of_the_terminal_before_the_record_is_taken_off_a_commands_time() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once().with("prefer", "respond-async");
    let path = orders(1001);
    let placing = api.post(&path, with_ttl(60_000));
    let playing = async {
        let call = asks_for_the_symbol(&mut terminal).await;
        let asked = Instant::now();
        for _ in 0..20 {
            hub.admin().get("/api/v1/tokens").await.expect(200);
        }
        let held = i64::try_from(asked.elapsed().as_millis()).unwrap();
        terminal.send(symbol(call, "EURUSD")).await;
        terminal.trade().await;
        held
    };
    let (answer, held) = tokio::join!(placing, playing);
    let record = answer.expect(202);
    assert!(held > 0 && time_left(&record) <= 60_000 - held, "held for {held} ms: {record}");
}

#[tokio::test]
async fn an_order_whose_symbol_is_not_told_in_its_time_has_expired_and_nothing_is_sent() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().with_idempotency("late");
    let path = orders(1001);
    let (answer, call) = tokio::join!(api.post(&path, with_ttl(100)), asks_for_the_symbol(&mut terminal));
    let refused = answer.refused(422, "expired");
    assert!(refused["message"].as_str().unwrap().contains("nothing was sent"), "{refused}");
    // The answer that comes too late begins nothing, and the key is as if it had never been used.
    terminal.send(symbol(call, "EURUSD")).await;
    hears_nothing_more(&hub, &mut terminal).await;
    let api = api.with("prefer", "respond-async");
    let (again, _) = tokio::join!(api.post(&path, with_ttl(60_000)), terminal.trade());
    again.expect(202);
}

#[tokio::test]
async fn an_order_that_waits_for_its_turn_longer_than_its_time_has_expired() {
    let hub = TestHub::start_with(hub_limits(Limits { max_open_volume: Some(10.0), ..Limits::default() })).await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().with("prefer", "respond-async");
    let order = |ms: u64| {
        let mut order = with_ttl(ms);
        order["filling"] = json!("fok");
        order
    };
    let (first, second, path) = (api.once(), api.once(), orders(1001));
    let waiting = async {
        let call = match terminal.next().await {
            Heard::Message(FromHub::GetOrders(get)) => get.call,
            other => panic!("{other:?}"),
        };
        // The first has the account's turn until its question is answered.
        second.post(&path, order(100)).await.refused(422, "expired");
        terminal.send(Reply { call, body: write_rows::<Order>(&[]), ..Reply::default() }).await;
        Shown::default().trade(&mut terminal).await
    };
    let (answer, _) = tokio::join!(first.post(&path, order(60_000)), waiting);
    answer.expect(202);
    hears_nothing_more(&hub, &mut terminal).await;
}

#[tokio::test]
async fn what_closes_everything_shares_one_deadline() {
    let hub = TestHub::start().await;
    let positions: Vec<_> =
        (1..=12).map(|ticket| Position { ticket, symbol: "EURUSD".into(), volume: 0.1, ..Position::default() }).collect();
    let world = World { positions, filling: (2, 1), ..World::default() };
    let mut terminal = Played::enter(&hub, 1001, world, |_| {}).await;
    let api = hub.admin().once();
    let parent = terminal.during(async { api.post(EVERYTHING, json!({"ttl_ms": 60_000})).await }).await.expect(200);
    let deadlines: HashSet<_> =
        parent["commands"].as_array().unwrap().iter().map(|command| command["deadline_at"].to_string()).collect();
    assert_eq!(deadlines.len(), 1, "{deadlines:?}");
}

#[tokio::test]
async fn a_question_before_a_trade_that_fails_is_a_refusal_and_never_the_hubs_failure() {
    let hub = TestHub::start_with(|config| config.http.read_timeout = Duration::from_millis(100)).await;
    let mut terminal = hub.fake(1001).await;
    let path = orders(1001);
    for (status, code) in [
        (Some(reply_status::ERROR), "terminal_error"),
        (Some(reply_status::LOADING), "terminal_loading"),
        (Some(reply_status::OK), "terminal_error"),
        (None, "terminal_timeout"),
    ] {
        let api = hub.admin().once();
        let answering = async {
            let call = asks_for_the_symbol(&mut terminal).await;
            if let Some(status) = status {
                terminal.send(Reply { call, status, parts: 1, body: vec![0xc1], ..Reply::default() }).await;
            }
        };
        let (answer, ()) = tokio::join!(api.post(&path, with_ttl(60_000)), answering);
        let refused = answer.refused(409, code);
        assert!(refused["message"].as_str().unwrap().contains("nothing was sent"), "{refused}");
    }
    hears_nothing_more(&hub, &mut terminal).await;
    // A read is told as what it is.
    let checking = hub.admin();
    let (answer, _) =
        tokio::join!(checking.post("/api/v1/terminals/1001/orders/check", buy()), asks_for_the_symbol(&mut terminal));
    answer.refused(504, "terminal_timeout");
}
