//! `kill -9` of the real Expert Advisor, and of the hub above it, at each step of a trade: one deal or none, as the record says.

use crate::harness::{
    Api, TestHub, assert_true, buy,
    ea_hub::{BOTH, Ea, LOGIN},
    eventually, orders,
    proof::one_story,
    soon,
};
use mtbridge::domain::account::Platform;
use serde_json::json;
use std::time::Duration;

/// Where the program is killed.
#[derive(Debug, Clone, Copy)]
enum At {
    /// At a point of its runtime: which, and at which passing.
    Point(&'static str, u32),
    /// By a fault of the host.
    Step(&'static str),
}

/// The steps of a trade in their order, and what its record must come to.
const STEPS: [(At, &str); 10] = [
    (At::Step("crash:before_accept"), "not_executed"),
    // The line INTENT: written and not yet flushed, then flushed.
    (At::Point("FileFlush", 1), "not_executed"),
    (At::Point("FileFlushed", 1), "not_executed"),
    // Accepted is sent.
    (At::Step("crash:after_accept"), "not_executed"),
    // The broker has done it, and nobody else knows.
    (At::Step("crash:after_execute"), "executed"),
    // The line RESULT.
    (At::Point("FileFlush", 2), "executed"),
    (At::Point("FileFlushed", 2), "executed"),
    // The outcome is sent, and does not arrive.
    (At::Step("crash:after_record"), "executed"),
    // The line of the hub's acknowledgement.
    (At::Point("FileFlush", 3), "executed"),
    (At::Point("FileFlushed", 3), "executed"),
];

/// The time of an order that is not to live: whether it was executed is certain only after it.
const SHORT_MS: u32 = 2_000;

/// A hub that is content with short proofs, because the tests' broker hides nothing.
async fn hub() -> TestHub {
    TestHub::start_with(|config| {
        // What lives is not late on a busy machine either.
        config.trading.market_ttl = Duration::from_secs(15);
        config.trading.grace = Duration::from_millis(100);
        config.trading.requery = Duration::from_millis(100);
        config.trading.longest_send = Duration::from_millis(300);
        config.trading.settle = Duration::from_millis(300);
    })
    .await
}

/// One order, under which the program is killed; its record, and those of what else was done meanwhile.
async fn dies(api: &Api, ea: &Ea, (at, expected): (At, &str), name: &str) -> Vec<serde_json::Value> {
    // What the hub said before, acknowledgements among it, is dealt with when a read is answered.
    api.get(&format!("/api/v1/terminals/{LOGIN}/account")).await.expect(200);
    let (mut killed, session) = (ea.killed(), session(api).await);
    let before = *killed.borrow_and_update();
    match at {
        At::Point(point, passing) => ea.kill_at(point, passing),
        At::Step(fault) => ea.set_faults(vec![fault.parse().unwrap()]),
    }
    let later = api.with_idempotency(name).with("prefer", "respond-async");
    let mut order = buy();
    if expected == "not_executed" {
        order["ttl_ms"] = json!(SHORT_MS);
    }
    let first = later.post(&orders(LOGIN), order).await;
    let id = first.json["id"].as_str().unwrap_or_else(|| panic!("{name}: {first:?}")).to_owned();
    let mut records = Vec::new();
    if ea.broker().settings().platform == Platform::Mt4 {
        // Only what ends after the dispatch shows that the tab of the history reaches so far.
        records = closes(api, ea, name).await;
    }
    records.insert(0, api.final_command(&id).await);
    match at {
        At::Point(..) => drop(soon(&format!("{name}: it is killed"), killed.wait_for(|now| *now > before)).await.unwrap()),
        At::Step(_) => assert!(ea.faults().is_empty(), "{name}: the fault has struck"),
    }
    // Its last session may still be there: the kill is on its way when it is told.
    eventually(&format!("{name}: the EA is back"), async || match self::session(api).await {
        Some(now) if session.as_ref() != Some(&now) => Ok(()),
        seen => Err(format!("{seen:?} {}", ea.log())),
    })
    .await;
    records
}

/// The session that the hub has with the terminal.
async fn session(api: &Api) -> Option<String> {
    let row = api.get(&format!("/api/v1/terminals/{LOGIN}")).await.expect(200);
    row["session"]["id"].as_str().map(ToOwned::to_owned)
}

/// Closes a position, with as many commands as it takes: the first may die with the program.
async fn closes(api: &Api, ea: &Ea, name: &str) -> Vec<serde_json::Value> {
    let ticket = ea.broker().positions().first().expect("a position").ticket;
    let path = format!("/api/v1/terminals/{LOGIN}/positions/{ticket}/close");
    let mut records: Vec<serde_json::Value> = Vec::new();
    while records.last().is_none_or(|last| last["state"] != "executed") {
        let key = format!("{name} {ticket} {}", records.len());
        let closed = eventually(&key, async || {
            let answer = api.with_idempotency(&key).waiting(5).post(&path, json!({"ttl_ms": SHORT_MS})).await;
            if answer.json["final"] == true { Ok(answer.json) } else { Err(answer.json.to_string()) }
        });
        records.push(closed.await);
    }
    records
}

async fn one_deal_or_none(platform: Platform) {
    let hub = hub().await;
    let token = hub.mint_token().await;
    let ea = Ea::at(platform, &hub.url(), &token, |_, _| {});
    ea.is_connected().await;
    let mut records = vec![order_that_lives(&hub.admin(), "first").await];
    for (round, (at, expected)) in STEPS.into_iter().enumerate() {
        let name = format!("{platform:?} {round} {at:?}");
        let mut told = dies(&hub.admin(), &ea, (at, expected), &name).await;
        let record = told.remove(0);
        assert_eq!(record["state"], expected, "{name}: {record}");
        assert_true(&record, &ea.broker().executed());
        // Nothing was harmed for good, and nothing is done again later.
        let next = order_that_lives(&hub.admin(), &format!("{name} next")).await;
        assert_eq!(next["state"], "executed", "{name}: {next}");
        records.extend(told.into_iter().chain([record, next]));
    }
    for record in &records {
        let again = hub.admin().get(&format!("/api/v1/commands/{}", record["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(again["state"], record["state"], "and it stays so");
    }
    one_story(&records, &ea.broker());
    ea.is_well();
}

/// An order that is asked for until the terminal is there to take it.
async fn order_that_lives(api: &Api, key: &str) -> serde_json::Value {
    let api = api.with_idempotency(key).waiting(5);
    eventually(&format!("{key} is final"), async || {
        let answer = api.post(&orders(LOGIN), buy()).await;
        if answer.json["final"] == true { Ok(answer.json) } else { Err(answer.json.to_string()) }
    })
    .await
}

#[tokio::test]
async fn a_metatrader_5_that_is_killed_at_any_step_of_a_trade_has_made_one_deal_or_none_as_the_record_says() {
    one_deal_or_none(Platform::Mt5).await;
}

#[tokio::test]
async fn a_metatrader_4_that_is_killed_at_any_step_of_a_trade_has_made_one_deal_or_none_as_the_record_says() {
    one_deal_or_none(Platform::Mt4).await;
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_hub_that_dies_over_the_ea_at_any_step_of_a_trade_finds_one_true_outcome() {
    use mtbridge::access::secret::{KEY_LIVE, Secret};

    use crate::harness::{HubProcess, free_port};

    const POINTS: [&str; 6] = [
        "journal_before_sync=1*off->return",
        "trade_before_send=return",
        "trade_after_send=return",
        "outcome_before_commit=return",
        "outcome_after_commit=return",
        "journal_after_sync=2*off->return",
    ];
    let runs = BOTH.map(|platform| async move {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let key = Secret::generate(KEY_LIVE).unwrap().reveal().to_owned();
        let mut hub = HubProcess::start(dir.path(), port, &key, &[]).await;
        let api = hub.api(&key);
        let token = api.mint_token().await;
        let ea = Ea::at(platform, &hub.url(), &token, |_, _| {});
        ea.is_connected().await;
        let mut records = vec![order_that_lives(&api, "before").await];
        for point in POINTS {
            hub.program.terminate().await;
            hub.program.ended_well().await;
            hub = HubProcess::start(dir.path(), port, &key, &[("FAILPOINTS", point)]).await;
            eventually("the EA is back", async || {
                let row = api.get(&format!("/api/v1/tokens/{}", token.id)).await.expect(200);
                if row["state"] == "connected" { Ok(()) } else { Err(row["state"].to_string()) }
            })
            .await;
            let under = api.with_idempotency(point).waiting(10);
            // Refused, nothing was recorded under its key, and it is asked for again.
            let status = eventually(&format!("the hub dies at {point}"), async || {
                let answer = under.send(reqwest::Method::POST, &orders(LOGIN), Some(buy().to_string())).await;
                hub.program.child.try_wait().unwrap().ok_or_else(|| format!("{answer:?}"))
            })
            .await;
            assert!(!status.success(), "{point}: {status}");
            hub = HubProcess::start(dir.path(), port, &key, &[]).await;
            let record = order_that_lives(&api, point).await;
            assert_true(&record, &ea.broker().executed());
            records.push(record);
        }
        one_story(&records, &ea.broker());
        ea.is_well();
        hub.program.kill().await;
    });
    futures_util::future::join_all(runs).await;
}
