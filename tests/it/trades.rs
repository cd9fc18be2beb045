//! Trades: at most one execution, exactly one recorded outcome, and that one true.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use mtbridge::{
    domain::{account::Platform, trade::TradeResult},
    protocol::{
        FromHub,
        codec::Row,
        message::{Answer, Outcome, answer_kind, outcome_kind, proof},
    },
    simulator::{Switches, bars::BarSet},
    store::Store,
};
use serde_json::{Value, json};

use crate::harness::{
    FakeTerminal, Heard, TestHub, buy, ea, eventually,
    fake::{accepted, all_on, ea_refused, executed, symbol},
    open_store, orders, platform,
};

/// Absence is proved while the test watches.
async fn hub_that_proves_soon() -> TestHub {
    TestHub::start_with(prove_soon).await
}

fn prove_soon(config: &mut mtbridge::config::Config) {
    config.trading.market_ttl = Duration::from_millis(500);
    config.trading.grace = Duration::from_millis(100);
    config.trading.requery = Duration::from_millis(100);
    config.trading.longest_send = Duration::from_millis(300);
    config.trading.settle = Duration::from_millis(300);
}

#[tokio::test]
async fn a_market_order_is_executed_once_and_shown_whole() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let body = json!({"symbol": "EURUSD", "side": "sell", "type": "market", "volume": 0.1, "comment": "grid", "client_order_id": "mine-1"});
    let answer = hub.admin().with_idempotency("order").post(&orders(1001), body).await;
    assert_eq!(answer.header("idempotency-replayed"), "");
    let location = answer.header("location").to_owned();
    let command = answer.expect(200);
    assert_eq!(location, format!("/api/v1/commands/{}", command["id"].as_str().unwrap()));
    assert_eq!(
        (&command["state"], &command["final"], &command["client_order_id"]),
        (&json!("executed"), &json!(true), &json!("mine-1"))
    );
    let broker = terminal.broker().executed();
    let [one] = broker.as_slice() else { panic!("{broker:?}") };
    let result = &command["result"];
    assert_eq!((&result["retcode"], &result["retcode_name"]), (&json!(10_009), &json!("done")));
    assert_eq!((result["deal"].as_u64(), result["order"].as_u64()), (Some(one.result.deal), Some(one.result.order)));
    assert_eq!((result["price"].as_f64(), result["volume"].as_f64()), (Some(one.result.price), Some(0.1)));
    assert_eq!((&command["request"]["type_name"], one.request.kind), (&json!("sell"), 1));
    assert_eq!(command["tag"], one.request.magic, "without a magic of the caller's the tag is the magic");
    assert!(one.request.comment.starts_with('#') && one.request.comment.ends_with(" grid"), "{}", one.request.comment);
    assert_eq!(hub.admin().get(&location).await.expect(200), command);
}

#[tokio::test]
async fn a_callers_own_magic_goes_through_untouched() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let mut order = buy();
    // Above 2^53, so as text; MetaTrader 4 has 31 bits for it.
    let magic = if platform() == Platform::Mt4 { 0x7fff_fffe } else { 9_007_199_254_740_993_u64 };
    order["magic"] = json!(magic.to_string());
    let command = hub.admin().once().post(&orders(1001), order).await.expect(200);
    let one = &terminal.broker().executed()[0];
    assert_eq!(one.request.magic, magic);
    assert_ne!(command["tag"], one.request.magic);
}

#[tokio::test]
async fn a_trade_without_idempotency_key_is_refused_before_anything_else() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    for path in ["orders", "trade", "positions/5/close"] {
        let answer = hub.admin().post(&format!("/api/v1/terminals/1001/{path}"), buy()).await;
        let body = answer.refused(400, "idempotency_key_required");
        assert!(body["message"].as_str().unwrap().contains("nothing was sent"));
    }
    for key in ["", "\"\"", &"x".repeat(256)] {
        hub.admin().with_idempotency(key).buy(1001).await.refused(422, "validation_error");
    }
    assert!(terminal.broker().requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_a_hundred_times_in_parallel_gives_one_deal() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let api = hub.admin().with_idempotency("a hundred");
    let answers = join_all((0..100).map(|_| api.buy(1001))).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "never an error for being unfinished: {}", answer.json);
    }
    let fresh = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_empty()).count();
    let replayed = answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true").count();
    assert_eq!((fresh, replayed), (1, 99));
    let ids: HashSet<_> = answers.into_iter().map(|answer| answer.expect(200)["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(terminal.broker().requests().len(), 1);
    assert_eq!(terminal.broker().positions().len(), 1);
}

#[tokio::test]
async fn a_key_stands_for_one_request_in_whatever_order_its_fields_come() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let api = hub.admin().with_idempotency("key");
    let first = api.buy(1001).await.expect(200);
    let again = api.post_text(&orders(1001), r#"{"volume":0.01, "type":"market","side":"buy","symbol":"EURUSD"}"#).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(200), first);
    let mut other = buy();
    other["volume"] = json!(0.02);
    api.post(&orders(1001), other).await.refused(422, "idempotency_key_reused");
    api.post("/api/v1/terminals/1001/trade", buy()).await.refused(422, "validation_error");
    let raw = json!({"action": 1, "symbol": "EURUSD", "volume": 0.01});
    api.post("/api/v1/terminals/1001/trade", raw).await.refused(422, "idempotency_key_reused");
    assert_eq!(terminal.broker().requests().len(), 1);
}

#[tokio::test]
async fn a_replay_needs_no_terminal_and_survives_a_restart() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let api = hub.admin().with_idempotency("key");
    let first = api.buy(1001).await.expect(200);
    let broker = terminal.broker();
    terminal.sim.stop().await;
    hub.restart().await;
    let again = api.buy(1001).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(200), first);
    hub.admin().once().buy(1001).await.refused(409, "terminal_offline");
    assert_eq!(broker.requests().len(), 1);
}

#[tokio::test]
async fn a_refusal_before_dispatch_does_not_use_up_the_key() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let api = hub.admin().with_idempotency("key");
    api.buy(1001).await.refused(404, "terminal_not_found");
    let terminal = crate::harness::Terminal::start(token, &hub.url(), 1001, |_| {}).await;
    terminal.set_switches(Switches { broker_link: false, ..Switches::default() });
    presence_is(&hub, "broker_link", false).await;
    api.buy(1001).await.refused(409, "broker_link_down");
    for switches in [
        Switches { terminal_trade_allowed: false, ..Switches::default() },
        Switches { ea_trade_allowed: false, ..Switches::default() },
        Switches { account_trade_allowed: false, ..Switches::default() },
    ] {
        terminal.set_switches(Switches::default());
        presence_is(&hub, "broker_link", true).await;
        presence_is(&hub, "trade_allowed", true).await;
        terminal.set_switches(switches);
        presence_is(&hub, "trade_allowed", false).await;
        api.buy(1001).await.refused(409, "trading_disabled");
    }
    terminal.set_switches(Switches::default());
    presence_is(&hub, "trade_allowed", true).await;
    let answer = api.buy(1001).await;
    assert_eq!(answer.header("idempotency-replayed"), "", "nothing was recorded under the key until now");
    answer.expect(200);
    assert_eq!(terminal.broker().requests().len(), 1);
}

async fn presence_is(hub: &TestHub, layer: &str, value: bool) {
    eventually("the hub has heard", async || {
        let seen = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
        if seen["presence"][layer]["value"] == value { Ok(()) } else { Err(seen["presence"].to_string()) }
    })
    .await;
}

#[tokio::test]
async fn what_the_broker_rejects_is_422_with_its_retcode_and_raw_200() {
    let hub = TestHub::start().await;
    let rich = hub.terminal(1001).await;
    let poor = hub.terminal_with(1002, |config| config.account.balance = 5.0).await;
    let bars = BarSet::embedded().unwrap();
    let closed = hub.terminal_with(1003, |config| config.start = Some(bars.m1().last().unwrap().time + 7_200)).await;
    let order = |field: &str, value: Value| {
        let mut order = buy();
        order[field] = value;
        order
    };
    let cases = [
        (1001, order("volume", json!(0.015)), 10_014, "invalid_volume"),
        (1001, order("volume", json!(1e300)), 10_014, "invalid_volume"),
        (1001, order("sl", json!(5.0)), 10_016, "invalid_stops"),
        (1001, order("filling", json!("return")), 10_030, "invalid_fill"),
        (1002, buy(), 10_019, "no_money"),
    ];
    for (login, body, code, name) in cases {
        if name == "invalid_fill" && platform() == Platform::Mt4 {
            // It has no filling modes, so it would be filled.
            continue;
        }
        let refused = hub.admin().once().post(&orders(login), body).await.refused(422, "broker_rejected");
        assert_eq!((&refused["retcode"], &refused["retcode_name"]), (&json!(code), &json!(name)), "{refused}");
        assert_eq!((&refused["state"], &refused["final"]), (&json!("broker_rejected"), &json!(true)));
    }
    let raw = json!({"action": 1, "symbol": "EURUSD", "volume": 0.015});
    let record = hub.admin().once().post("/api/v1/terminals/1001/trade", raw).await.expect(200);
    assert_eq!((&record["state"], &record["result"]["retcode"]), (&json!("broker_rejected"), &json!(10_014)));
    // The hub knows the hours of the symbol. What time it is at a MetaTrader 4 that has seen no tick come yet, it does not: the broker does.
    let closed_market = hub.admin().once().buy(1003).await;
    if ea::kind() == ea::Kind::Mt4 {
        assert_eq!(closed_market.refused(422, "broker_rejected")["retcode_name"], "market_closed");
    } else {
        closed_market.refused(409, "market_closed");
    }
    for terminal in [rich, poor, closed] {
        assert!(terminal.broker().executed().is_empty());
    }
}

#[tokio::test]
async fn numbers_that_are_none_never_reach_a_terminal() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let body = |volume: &str| format!(r#"{{"symbol":"EURUSD","side":"buy","type":"market","volume":{volume}}}"#);
    for volume in ["NaN", "Infinity", "-Infinity", "1e999", "01", ""] {
        hub.admin().once().post_text(&orders(1001), &body(volume)).await.refused(400, "malformed_request");
    }
    for volume in ["-0.1", "0", "-0.0", "null", "\"0.1\"", "[]", "true"] {
        hub.admin().once().post_text(&orders(1001), &body(volume)).await.refused(422, "validation_error");
    }
    for (field, value) in [
        ("sl", json!(-1)),
        ("tp", json!(-0.5)),
        ("ttl_ms", json!(0)),
        ("ttl_ms", json!(60_001)),
        ("ttl_ms", json!(-1)),
        ("not_after", json!("2020-01-01T00:00:00Z")),
        ("not_after", json!("whenever")),
        ("max_slippage_points", json!(5)),
        ("seen_price", json!(0)),
        ("deviation", json!(-1)),
        ("comment", json!("a\nb")),
        ("comment", json!("x".repeat(32))),
        ("client_order_id", json!("")),
        ("side", json!("hold")),
        ("type", json!("limit")),
        ("filling", json!("all")),
        ("symbol", json!("")),
        ("symbol", json!("A\u{0}B")),
        ("volumes", json!(1)),
    ] {
        let mut order = buy();
        order[field] = value.clone();
        let answer = hub.admin().once().post(&orders(1001), order).await;
        let refused = answer.refused(422, "validation_error");
        assert!(!refused["message"].as_str().unwrap().is_empty(), "{field}: {refused}");
    }
    for body in ["[]", "5", "null", "{", "\"x\""] {
        hub.admin().once().post_text(&orders(1001), body).await.refused(400, "malformed_request");
    }
    assert!(terminal.broker().requests().is_empty());
}

#[tokio::test]
async fn a_price_that_moved_too_far_from_the_seen_one_is_refused_by_the_ea() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let mut order = buy();
    (order["seen_price"], order["max_slippage_points"]) = (json!(0.5), json!(10));
    let refused = hub.admin().once().post(&orders(1001), order.clone()).await.refused(422, "ea_refused");
    assert!(refused["message"].as_str().unwrap().contains("the price moved"), "{refused}");
    assert!(terminal.broker().requests().is_empty());
    let quote = hub.admin().get("/api/v1/terminals/1001/quotes?symbols=EURUSD").await.expect(200);
    (order["seen_price"], order["max_slippage_points"]) = (quote["data"][0]["ask"].clone(), json!(1_000));
    hub.admin().once().post(&orders(1001), order).await.expect(200);
}

#[tokio::test]
async fn a_command_that_comes_after_its_deadline_is_refused_by_the_ea() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    // So that the hub knows the trading hours, and need not ask.
    hub.admin().once().buy(1001).await.expect(200);
    // The hub knows the EA's clock only as the EA's messages tell it: when they are late, the hub errs early.
    terminal.set_faults(vec!["delay:600".parse().unwrap()]);
    hub.admin().get("/api/v1/terminals/1001/account").await.expect(200);
    let mut order = buy();
    (order["ttl_ms"], order["filling"]) = (json!(200), json!("fok"));
    let refused = hub.admin().once().post(&orders(1001), order).await.refused(422, "ea_refused");
    assert!(refused["message"].as_str().unwrap().contains("late by"), "{refused}");
    assert_eq!(terminal.broker().requests().len(), 1);
}

#[tokio::test]
async fn a_fault_at_each_step_of_the_ea_leaves_one_true_outcome() {
    let hub = hub_that_proves_soon().await;
    // What a cut leaves to be found out, and what it must turn out to be.
    let cases = [
        ("drop:before_accept", "not_executed"),
        ("drop:after_accept", "executed"),
        ("drop:after_execute", "executed"),
        ("drop:after_record", "executed"),
        ("crash:before_accept", "not_executed"),
        ("crash:after_accept", "not_executed"),
        ("crash:after_execute", "executed"),
        ("crash:after_record", "executed"),
        ("crash-lose:before_accept", "not_executed"),
        ("crash-lose:after_accept", "not_executed"),
        ("crash-lose:after_execute", "executed"),
        ("crash-lose:after_record", "executed"),
    ];
    let runs = cases.iter().zip(1001..).map(|((fault, expected), login)| {
        let hub = &hub;
        async move {
            let terminal = hub.terminal(login).await;
            // One that is to live, however busy the machine is.
            let mut lives = buy();
            lives["ttl_ms"] = json!(15_000);
            hub.admin().once().post(&orders(login), lives.clone()).await.expect(200);
            terminal.set_faults(vec![fault.parse().unwrap()]);
            let api = hub.admin().with_idempotency(fault);
            // Time enough to get to the fault; what is then not there is known when it is over.
            let mut faulty = buy();
            faulty["ttl_ms"] = json!(3_000);
            let first = api.clone().with("prefer", "respond-async").post(&orders(login), faulty.clone()).await;
            // However the call was answered, the key finds the same command.
            let id = first.json["id"].as_str().unwrap_or_else(|| panic!("{fault}: {first:?}")).to_owned();
            let record = hub.admin().final_command(&id).await;
            assert_eq!(record["state"], *expected, "{fault}: {record}");
            terminal.agrees_with(&record);
            let again = api.post(&orders(login), faulty).await;
            assert_eq!(again.header("idempotency-replayed"), "true", "{fault}");
            assert_eq!(again.json["id"], id, "{fault}");
            assert_eq!(again.status, if *expected == "executed" { 200 } else { 422 }, "{fault}");
            // Nothing was harmed for good.
            terminal.is_connected().await;
            hub.shows(&terminal.token, "connected").await;
            let next = hub.admin().once().post(&orders(login), lives).await.expect(200);
            terminal.agrees_with(&next);
        }
    });
    join_all(runs).await;
}

#[tokio::test]
async fn absence_is_not_claimed_before_the_broker_has_had_its_time() {
    // The whole default settle of three minutes: nothing may be proved by another instance while this test looks.
    let hub = TestHub::start_with(|config| {
        config.trading.market_ttl = Duration::from_millis(200);
        config.trading.grace = Duration::from_millis(50);
        config.trading.requery = Duration::from_millis(50);
    })
    .await;
    let mut first = hub.fake(1001).await;
    let api = hub.admin().with_idempotency("key").with("prefer", "respond-async");
    let (answer, trade) = tokio::join!(api.buy(1001), first.trade());
    let id = answer.expect(202)["id"].as_str().unwrap().to_owned();
    let token = first.token.clone();
    drop(first);
    hub.shows(&token, "offline").await;
    let mut next = FakeTerminal::enter(hub.addr(), &token, 1001).await;
    for _ in 0..5 {
        let query = next.query().await;
        assert_eq!((query.command, query.tag), (trade.command, trade.tag));
        let nothing = Answer {
            command: query.command,
            kind: answer_kind::NO_EVIDENCE,
            outcome_kind: 0,
            reason: String::new(),
            result: Row::default(),
            proof: proof::ALL,
            asked_at: query.asked_at,
        };
        next.send(nothing.clone()).await;
        // Nor does another instance's NOT_SEEN say anything: only the bound one has the tombstone.
        next.send(Answer { kind: answer_kind::NOT_SEEN, ..nothing }).await;
    }
    // The sixth question comes after the answers to the fifth were judged.
    next.query().await;
    let record = hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200);
    assert_eq!((&record["state"], &record["final"]), (&json!("unknown"), &json!(false)));
    // Evidence needs no waiting.
    let Outcome { result, .. } = executed(&trade, 77);
    next.send(Answer {
        command: trade.command,
        kind: answer_kind::EVIDENCE,
        outcome_kind: 0,
        reason: String::new(),
        result,
        proof: 0,
        asked_at: 0,
    })
    .await;
    let record = hub.admin().final_command(&id).await;
    assert_eq!((&record["state"], &record["result"]["deal"]), (&json!("executed"), &json!(77)));
}

#[tokio::test]
async fn an_answer_to_an_early_question_proves_no_absence_later() {
    let hub = hub_that_proves_soon().await;
    let mut first = hub.fake(1001).await;
    let api = hub.admin().once().with("prefer", "respond-async");
    let (answer, trade) = tokio::join!(api.buy(1001), first.trade());
    let id = answer.expect(202)["id"].as_str().unwrap().to_owned();
    let token = first.token.clone();
    drop(first);
    hub.shows(&token, "offline").await;
    let mut next = FakeTerminal::enter(hub.addr(), &token, 1001).await;
    let early = next.query().await;
    assert_eq!(early.command, trade.command);
    let nothing = |asked_at| Answer {
        command: trade.command,
        kind: answer_kind::NO_EVIDENCE,
        outcome_kind: 0,
        reason: String::new(),
        result: Row::default(),
        proof: proof::ALL,
        asked_at,
    };
    // Deadline 500 ms, longest send 300 ms, settle 300 ms: two seconds after the first question absence can be proved.
    while next.query().await.asked_at < early.asked_at + 2_000 {}
    next.send(nothing(early.asked_at)).await;
    // Two more questions: the answer before them has been judged.
    next.query().await;
    let late = next.query().await;
    let record = hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200);
    assert_eq!(record["state"], "unknown", "what was seen then says nothing about what came since: {record}");
    next.send(nothing(late.asked_at)).await;
    assert_eq!(hub.admin().final_command(&id).await["state"], "not_executed");
}

#[tokio::test]
async fn an_order_that_has_no_answer_yet_is_202_with_its_place() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().with_idempotency("key");
    let quick = api.with("prefer", "respond-async");
    let (answer, trade) = tokio::join!(quick.buy(1001), terminal.trade());
    assert_eq!(answer.header("location"), format!("/api/v1/commands/{}", answer.json["id"].as_str().unwrap()));
    let record = answer.expect(202);
    assert_eq!((&record["state"], &record["result"]), (&json!("dispatched"), &Value::Null));
    // Asking again is never an error for being unfinished.
    let again = quick.buy(1001).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(202)["id"], record["id"]);
    terminal.send(accepted(trade.command)).await;
    let location = format!("/api/v1/commands/{}", record["id"].as_str().unwrap());
    eventually("it is accepted", async || {
        let seen = hub.admin().get(&location).await.expect(200);
        if seen["state"] == "accepted" { Ok(()) } else { Err(seen["state"].to_string()) }
    })
    .await;
    // Who waits is answered as soon as the outcome is there, and by the same record.
    let waiting = api.waiting(30);
    let (answer, ()) = tokio::join!(waiting.buy(1001), terminal.send(executed(&trade, 5)));
    let record = answer.expect(200);
    assert_eq!((&record["state"], &record["result"]["deal"]), (&json!("executed"), &json!(5)));
    assert_eq!(terminal.acknowledged().await, trade.command);
    assert_eq!(hub.admin().get(&location).await.expect(200), record);
}

#[tokio::test]
async fn commands_are_listed_in_order_with_pages_and_states() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let mut made = Vec::new();
    for n in 0..5 {
        let mut order = buy();
        if n == 2 {
            order["volume"] = json!(0.015);
        }
        let answer = hub.admin().once().post(&orders(1001), order).await;
        made.push(answer.json["id"].clone());
    }
    let ids = |page: &Value| page["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    let all = hub.admin().get("/api/v1/commands?terminal=1001").await.expect(200);
    assert_eq!((ids(&all), &all["next_cursor"]), (made.clone(), &Value::Null));
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = hub.admin().get(&format!("/api/v1/commands?limit=2{cursor}")).await.expect(200);
        paged.extend(ids(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, made);
    let rejected = hub.admin().get("/api/v1/commands?state=broker_rejected").await.expect(200);
    assert_eq!(ids(&rejected), [made[2].clone()]);
    hub.admin().get("/api/v1/commands?state=lost").await.refused(422, "validation_error");
    hub.admin().get("/api/v1/commands?cursor=x").await.refused(422, "validation_error");
    hub.admin().get("/api/v1/commands/cmd_00000000000000000000000000").await.refused(404, "not_found");
    hub.admin().get("/api/v1/commands/x").await.refused(404, "not_found");
}

#[tokio::test]
async fn an_outcome_that_is_told_twice_is_acknowledged_twice_and_changes_nothing() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once();
    let (answer, trade) = tokio::join!(api.buy(1001), async {
        let trade = terminal.trade().await;
        terminal.send(accepted(trade.command)).await;
        terminal.send(executed(&trade, 5)).await;
        trade
    });
    let record = answer.expect(200);
    assert_eq!(terminal.acknowledged().await, trade.command);
    // Again, and late news about its acceptance.
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
    terminal.send(accepted(trade.command)).await;
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
    let id = record["id"].as_str().unwrap();
    assert_eq!(hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200), record);
}

#[tokio::test]
async fn outcomes_that_contradict_each_other_raise_an_incident_and_overwrite_nothing() {
    for first_is_done in [true, false] {
        let mut hub = TestHub::start().await;
        let mut terminal = hub.fake(1001).await;
        let api = hub.admin().once();
        let (answer, trade) = tokio::join!(api.buy(1001), async {
            let trade = terminal.trade().await;
            let outcome = if first_is_done { executed(&trade, 5) } else { ea_refused(&trade) };
            terminal.send(outcome).await;
            trade
        });
        assert_eq!(answer.status, if first_is_done { 200 } else { 422 });
        let id = answer.json["id"].as_str().unwrap().to_owned();
        let before = hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200);
        assert_eq!(terminal.acknowledged().await, trade.command);
        let contradiction = if first_is_done { ea_refused(&trade) } else { executed(&trade, 5) };
        terminal.send(contradiction).await;
        assert_eq!(terminal.acknowledged().await, trade.command, "the EA is told to stop saying so");
        assert_eq!(hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200), before);
        drop(terminal);
        hub.stop().await;
        let store = open_store(hub.dir());
        let incidents = store.scan(b"n", None, 10).await.unwrap();
        assert_eq!(incidents.len(), 1, "an incident is on the disk");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn two_deals_reported_for_one_command_are_an_incident() {
    let mut hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once();
    let (answer, trade) = tokio::join!(api.buy(1001), async {
        let trade = terminal.trade().await;
        terminal.send(executed(&trade, 5)).await;
        trade
    });
    answer.expect(200);
    assert_eq!(terminal.acknowledged().await, trade.command);
    // The same command, executed, but as another deal: the market was touched twice.
    terminal.send(executed(&trade, 6)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
    drop(terminal);
    hub.stop().await;
    let store = open_store(hub.dir());
    assert_eq!(store.scan(b"n", None, 10).await.unwrap().len(), 1, "a second deal for one command must be told to a person");
    store.close().await.unwrap();
}

#[tokio::test]
async fn another_accounts_terminal_cannot_speak_for_a_command() {
    let hub = TestHub::start().await;
    let mut mine = hub.fake(1001).await;
    let mut theirs = hub.fake(2002).await;
    let api = hub.admin().once().with("prefer", "respond-async");
    let (answer, trade) = tokio::join!(api.buy(1001), mine.trade());
    let id = answer.expect(202)["id"].as_str().unwrap().to_owned();
    theirs.send(accepted(trade.command)).await;
    theirs.send(executed(&trade, 666)).await;
    theirs
        .send(Answer {
            command: trade.command,
            kind: answer_kind::NOT_SEEN,
            outcome_kind: 0,
            reason: String::new(),
            result: Row::default(),
            proof: 0,
            asked_at: 0,
        })
        .await;
    // A command of their own goes the same way behind it: when it is done, what came before it has been judged.
    let after = hub.admin().once();
    let (answer, _) = tokio::join!(after.buy(2002), async {
        let trade = theirs.trade().await;
        theirs.send(executed(&trade, 9)).await;
    });
    answer.expect(200);
    assert_eq!(hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200)["state"], "dispatched");
    mine.send(executed(&trade, 5)).await;
    let record = hub.admin().final_command(&id).await;
    assert_eq!(record["result"]["deal"], 5);
}

#[tokio::test]
async fn a_retcode_that_proves_nothing_is_unknown_until_the_history_tells() {
    let hub = hub_that_proves_soon().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once().with("prefer", "respond-async");
    let (answer, trade) = tokio::join!(api.buy(1001), terminal.trade());
    let id = answer.expect(202)["id"].as_str().unwrap().to_owned();
    let ambiguous = Outcome {
        command: trade.command,
        kind: outcome_kind::BROKER,
        reason: String::new(),
        result: Row(TradeResult { retcode: 10_012, ..TradeResult::default() }),
    };
    terminal.send(ambiguous).await;
    let query = terminal.query().await;
    assert_eq!(query.command, trade.command, "a time-out is asked about, not believed");
    let record = hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200);
    assert_eq!((&record["state"], &record["result"]["retcode"]), (&json!("unknown"), &json!(10_012)));
    let Outcome { result, .. } = executed(&trade, 8);
    terminal
        .send(Answer {
            command: trade.command,
            kind: answer_kind::EVIDENCE,
            outcome_kind: 0,
            reason: String::new(),
            result,
            proof: 0,
            asked_at: 0,
        })
        .await;
    assert_eq!(hub.admin().final_command(&id).await["result"]["deal"], 8);
}

#[tokio::test]
async fn an_outcome_that_comes_late_still_counts() {
    let hub = hub_that_proves_soon().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once().waiting(1);
    let (answer, trade) = tokio::join!(api.buy(1001), terminal.trade());
    let record = answer.expect(202);
    assert_eq!(record["state"], "unknown", "never `failed`, never a 5xx");
    terminal.send(executed(&trade, 5)).await;
    let record = hub.admin().final_command(record["id"].as_str().unwrap()).await;
    assert_eq!(record["state"], "executed");
}

#[tokio::test]
async fn a_full_mailbox_is_terminal_busy_and_nothing_was_sent() {
    let hub = TestHub::start_with(|config| {
        config.terminals.mailbox = 32;
        config.terminals.max_control_bytes = 4_096;
        config.terminals.max_write_buffer_bytes = 8_192;
        config.terminals.write_timeout = Duration::from_secs(120);
        config.terminals.dead_after = Duration::from_secs(120);
        config.http.read_timeout = Duration::from_millis(50);
    })
    .await;
    let token = hub.mint_token().await;
    let mut terminal = FakeTerminal::connect_with_buffer(hub.addr(), &token, Some(4_096)).await;
    terminal.is_let_in(1001).await;
    // So that no question about the filling mode comes first.
    let mut order = buy();
    order["filling"] = json!("fok");
    let path = format!("/api/v1/terminals/1001/symbols?group={}", "x".repeat(7_000));
    eventually("the mailbox is full", async || {
        let asks = (0..30).map(|_| async { hub.admin().get(&path).await.status });
        let seen = join_all(asks).await;
        if seen.iter().all(|status| *status == 429) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    let api = hub.admin().with_idempotency("busy");
    let refused = api.post(&orders(1001), order.clone()).await;
    let retry_after = refused.header("retry-after").to_owned();
    let body = refused.refused(429, "terminal_busy");
    assert_eq!(retry_after, "1");
    assert!(body["message"].as_str().unwrap().contains("nothing was sent"), "{body}");
    assert_eq!(hub.admin().get("/api/v1/commands").await.expect(200)["data"], json!([]), "no record either");
    // The terminal reads again: no trade is among what waited, and the key was not used up.
    let reading = async {
        loop {
            match terminal.next().await {
                Heard::Message(FromHub::Trade(trade)) => {
                    terminal.send(executed(&trade, 5)).await;
                    return trade;
                }
                Heard::Message(FromHub::GetSymbol(get)) => terminal.send(symbol(get.call, &get.symbol)).await,
                Heard::Message(_) => {}
                Heard::Closed(code) => panic!("closed with {code}"),
            }
        }
    };
    let posting = eventually("there is room again", async || {
        let answer = api.post(&orders(1001), order.clone()).await;
        if answer.status == 429 { Err("busy".to_owned()) } else { Ok(answer) }
    });
    let (_, answer) = tokio::join!(reading, posting);
    assert_eq!(answer.header("idempotency-replayed"), "");
    answer.expect(200);
}

#[tokio::test]
async fn an_ea_that_has_not_been_heard_of_for_long_gets_no_trade() {
    let hub = TestHub::start_with(|config| config.terminals.dead_after = Duration::from_secs(60)).await;
    let mut terminal = hub.fake(1001).await;
    let mut order = buy();
    order["filling"] = json!("fok");
    // Pongs are life, but they carry no count: the EA's clock would be a guess.
    let posting = eventually("the clock is too old", async || {
        let seen = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
        assert_eq!(seen["state"], "connected");
        let age = seen["presence"]["broker_link"]["age_ms"].as_i64().unwrap();
        if age > 10_050 { Ok(hub.admin().once().post(&orders(1001), order.clone()).await) } else { Err(age.to_string()) }
    });
    let answer = tokio::select! {
        answer = posting => answer,
        heard = terminal.next_whenever() => panic!("{heard:?}"),
    };
    answer.refused(409, "terminal_offline");
    terminal.send(all_on()).await;
}

#[tokio::test]
async fn tags_are_never_used_twice_on_an_account_over_restarts_and_tokens() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let mut tags = HashSet::new();
    for _ in 0..3 {
        for _ in 0..3 {
            let command = hub.admin().once().with_idempotency(&format!("k{}", tags.len())).buy(1001).await.expect(200);
            assert!(tags.insert(command["tag"].as_u64().unwrap()), "a tag came twice: {tags:?}");
        }
        hub.restart().await;
        terminal.is_gone_or_back(&hub).await;
    }
    assert_eq!(terminal.broker().executed().len(), 9);
}

impl crate::harness::Terminal {
    async fn is_gone_or_back(&self, hub: &TestHub) {
        hub.shows(&self.token, "connected").await;
    }
}
