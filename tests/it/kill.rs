//! Real processes that die at the worst moments: of the hub and of the terminal, at each step of a trade, and at random.

use std::path::Path;

use mtbridge::{
    access::secret::{KEY_LIVE, Secret},
    simulator::{PaperBroker, bars::BarSet, broker::AccountSettings},
};
use reqwest::Method;
use serde_json::Value;

use crate::harness::{
    Api, HubProcess, Machine, Program, Token, assert_true, buy, eventually, free_port, orders, proof::one_story,
    simulator_config, soon,
};

const LOGIN: u64 = 1001;

fn admin_key() -> String {
    Secret::generate(KEY_LIVE).unwrap().reveal().to_owned()
}

/// Asks with the same Idempotency-Key until the hub lives and the command it made is final.
async fn settled(api: &Api, key: &str) -> Value {
    let api = api.with_idempotency(key).waiting(5);
    eventually(&format!("the order under {key} is final"), async || {
        let answer = api.send(Method::POST, &orders(LOGIN), Some(buy().to_string())).await.map_err(|error| error.to_string())?;
        if answer.json["final"] == true { Ok(answer.json) } else { Err(format!("{} {}", answer.status, answer.json)) }
    })
    .await
}

async fn connects(terminal: &Machine) {
    soon("the terminal connects", terminal.connected().wait_for(|connected| *connected)).await.unwrap();
}

/// The hub dies where `armed` says, in the middle of an order; what its successor and the broker say must agree.
async fn the_hub_dies(armed: &[&str]) {
    let (dir, port, key) = (tempfile::tempdir().unwrap(), free_port(), admin_key());
    let mut hub = HubProcess::start(dir.path(), port, &key, &[]).await;
    let api = hub.api(&key);
    let token = api.mint_token().await;
    let terminal = Machine::start(simulator_config(&hub.url(), &token, LOGIN)).unwrap();
    connects(&terminal).await;
    let mut records = vec![settled(&api, "before").await];
    for (round, failpoint) in armed.iter().enumerate() {
        // Stopped as an operator does, so that nothing is left for the armed one to do at its start.
        hub.program.terminate().await;
        hub.program.ended_well().await;
        hub = HubProcess::start(dir.path(), port, &key, &[("FAILPOINTS", failpoint)]).await;
        is_back(&api, &token).await;
        let name = format!("round {round} {failpoint}");
        let under = api.with_idempotency(&name).waiting(10);
        // It dies under this call, or just after it.
        let _ = under.send(Method::POST, &orders(LOGIN), Some(buy().to_string())).await;
        let status = soon(&format!("the hub dies at {failpoint}"), hub.program.child.wait()).await.unwrap();
        assert!(!status.success(), "{failpoint}: it was to abort, and said {status}");
        hub = HubProcess::start(dir.path(), port, &key, &[]).await;
        let record = settled(&api, &name).await;
        let executed = terminal.broker().executed();
        assert_true(&record, &executed);
        // And it stays so.
        let again = api.get(&format!("/api/v1/commands/{}", record["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(again["state"], record["state"], "{failpoint}");
        records.push(record);
    }
    one_story(&records, &terminal.broker());
}

async fn is_back(api: &Api, token: &Token) {
    eventually("the terminal is back", async || {
        let row = api.get(&format!("/api/v1/tokens/{}", token.id)).await.expect(200);
        if row["state"] == "connected" { Ok(()) } else { Err(row["state"].to_string()) }
    })
    .await;
}

// An order's commits since the start: 1 the block of tags, 2 the dispatch, 3 the outcome. `N*off` lets N of them pass.

#[tokio::test]
async fn a_hub_that_dies_before_it_appends_to_the_journal_has_one_true_outcome() {
    the_hub_dies(&["journal_before_append=return", "journal_before_append=1*off->return", "journal_before_append=2*off->return"])
        .await;
}

#[tokio::test]
async fn a_hub_that_dies_before_the_sync_has_one_true_outcome() {
    the_hub_dies(&["journal_before_sync=return", "journal_before_sync=1*off->return", "journal_before_sync=2*off->return"]).await;
}

#[tokio::test]
async fn a_hub_that_dies_after_the_sync_has_one_true_outcome() {
    the_hub_dies(&["journal_after_sync=return", "journal_after_sync=1*off->return", "journal_after_sync=2*off->return"]).await;
}

#[tokio::test]
async fn a_hub_that_dies_around_the_send_has_one_true_outcome() {
    the_hub_dies(&["trade_before_send=return", "trade_after_send=return"]).await;
}

#[tokio::test]
async fn a_hub_that_dies_around_the_outcomes_commit_has_one_true_outcome() {
    the_hub_dies(&["outcome_before_commit=return", "outcome_after_commit=return"]).await;
}

#[tokio::test]
async fn a_hub_that_dies_around_the_projection_has_one_true_outcome() {
    // The first time only: groups are gathered, so the whole trade may be in it.
    the_hub_dies(&["state_before_apply=return", "state_after_apply=return"]).await;
}

/// Asks with the same key until the hub lives and everything that one call closes has its outcome.
async fn all_closed(api: &Api, key: &str) -> Value {
    let api = api.with_idempotency(key).waiting(5);
    let path = format!("/api/v1/terminals/{LOGIN}/positions/close-all");
    eventually(&format!("the call under {key} is over"), async || {
        let answer = api.send(Method::POST, &path, Some("{}".to_owned())).await.map_err(|error| error.to_string())?;
        if answer.json["final"] == true { Ok(answer.json) } else { Err(format!("{} {}", answer.status, answer.json)) }
    })
    .await
}

/// The hub dies where `armed` says, in the middle of closing five positions. Asked again, it goes on: each is closed by one request or
/// by none, and the answer says which.
async fn the_hub_dies_closing_all(armed: &str) {
    let (dir, port, key) = (tempfile::tempdir().unwrap(), free_port(), admin_key());
    let mut hub = HubProcess::start(dir.path(), port, &key, &[]).await;
    let api = hub.api(&key);
    let token = api.mint_token().await;
    let terminal = Machine::start(simulator_config(&hub.url(), &token, LOGIN)).unwrap();
    connects(&terminal).await;
    let mut records = Vec::new();
    // One whose time was over before it was sent opens nothing.
    while terminal.broker().positions().len() < 5 {
        records.push(settled(&api, &format!("open {}", records.len())).await);
    }
    hub.program.terminate().await;
    hub.program.ended_well().await;
    hub = HubProcess::start(dir.path(), port, &key, &[("FAILPOINTS", armed)]).await;
    is_back(&api, &token).await;
    let path = format!("/api/v1/terminals/{LOGIN}/positions/close-all");
    let under = api.with_idempotency("all").waiting(10);
    let _ = under.send(Method::POST, &path, Some("{}".to_owned())).await;
    let status = soon(&format!("the hub dies at {armed}"), hub.program.child.wait()).await.unwrap();
    assert!(!status.success(), "{armed}: it was to abort, and said {status}");
    hub = HubProcess::start(dir.path(), port, &key, &[]).await;
    is_back(&api, &token).await;
    let parent = all_closed(&api, "all").await;
    let commands = parent["commands"].as_array().unwrap();
    assert_eq!((commands.len(), &parent["not_sent"]), (5, &serde_json::json!([])), "{armed}: nothing was lost: {parent}");
    let done = commands.iter().filter(|command| command["state"] == "executed").count();
    assert_eq!(parent["state"], if done == 5 { "executed" } else { "partial" }, "{armed}: {parent}");
    assert_eq!(terminal.broker().positions().len(), 5 - done, "{armed}: {parent}");
    // Four at once may have been on their way when it died.
    assert!(done >= 1, "{armed}: {parent}");
    records.extend(commands.iter().cloned());
    one_story(&records, &terminal.broker());
    assert_eq!(all_closed(&api, "all").await, parent, "{armed}: and it stays so");
    hub.program.kill().await;
}

#[tokio::test]
async fn a_hub_that_dies_before_the_first_of_many_closes_goes_on_when_asked_again() {
    the_hub_dies_closing_all("parent_after_record=return").await;
}

#[tokio::test]
async fn a_hub_that_dies_before_it_sends_one_of_many_closes_loses_none_and_sends_none_twice() {
    the_hub_dies_closing_all("trade_before_send=2*off->return").await;
}

#[tokio::test]
async fn a_hub_that_dies_after_it_sent_one_of_many_closes_loses_none_and_sends_none_twice() {
    the_hub_dies_closing_all("trade_after_send=1*off->return").await;
}

#[tokio::test]
async fn a_hub_that_dies_around_the_outcome_of_one_of_many_closes_loses_none_and_sends_none_twice() {
    the_hub_dies_closing_all("outcome_before_commit=1*off->return").await;
    the_hub_dies_closing_all("outcome_after_commit=2*off->return").await;
}

#[tokio::test]
async fn a_hub_that_dies_in_the_journal_while_it_closes_many_loses_none_and_sends_none_twice() {
    // Commits of the call: the parent, a block of tags, then the commands and their outcomes.
    for armed in [
        "journal_before_sync=return",
        "journal_after_sync=return",
        "journal_before_append=2*off->return",
        "journal_after_sync=3*off->return",
    ] {
        the_hub_dies_closing_all(armed).await;
    }
}

/// What the broker of a simulator process did, from the folder that outlives it.
fn broker_in(folder: &Path) -> PaperBroker {
    let settings = AccountSettings { login: LOGIN, ..AccountSettings::default() };
    PaperBroker::in_folder(folder, settings, BarSet::embedded().unwrap(), None, 1.0).unwrap()
}

/// The simulator process aborts at `step`, and is started again over what is on its disk.
async fn the_terminal_dies(step: &str, expected: &str) {
    let (dir, key) = (tempfile::tempdir().unwrap(), admin_key());
    let hub = HubProcess::start(&dir.path().join("hub"), 0, &key, &[]).await;
    let api = hub.api(&key);
    let token = api.mint_token().await;
    let state = dir.path().join("terminal");
    let fault = format!("exit:{step}");
    let (url, login) = (hub.url(), LOGIN.to_string());
    let args = ["simulate", "--url", &url, "--token", &token.secret, "--login", &login, "--state", state.to_str().unwrap()];
    let armed: Vec<_> = args.iter().copied().chain(["--fault", &fault]).collect();

    let mut terminal = Program::start(dir.path(), &armed, &[]);
    is_back(&api, &token).await;
    let under = api.with_idempotency("order").with("prefer", "respond-async");
    let first = under.buy(LOGIN).await;
    let id = first.json["id"].as_str().unwrap_or_else(|| panic!("{first:?}")).to_owned();
    let status = terminal.ended().await;
    assert!(!status.success(), "it was to abort: {status}");

    let mut terminal = Program::start(dir.path(), &args, &[]);
    let record = api.final_command(&id).await;
    assert_eq!(record["state"], expected, "{step}: {record}");
    let again = under.buy(LOGIN).await;
    assert_eq!((again.header("idempotency-replayed"), &again.json["id"]), ("true", &record["id"]));
    is_back(&api, &token).await;
    let next = settled(&api, "next").await;
    assert_eq!(next["state"], "executed", "nothing was harmed for good: {next}");
    terminal.kill().await;
    one_story(&[record, next], &broker_in(&state));
}

#[tokio::test]
async fn a_terminal_that_dies_before_it_accepts_has_not_executed() {
    the_terminal_dies("before_accept", "not_executed").await;
}

#[tokio::test]
async fn a_terminal_that_dies_before_ordersend_has_not_executed() {
    the_terminal_dies("after_accept", "not_executed").await;
}

#[tokio::test]
async fn a_terminal_that_dies_after_ordersend_has_executed() {
    the_terminal_dies("after_execute", "executed").await;
}

#[tokio::test]
async fn a_terminal_that_dies_after_its_result_line_has_executed() {
    the_terminal_dies("after_record", "executed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_is_killed_again_and_again_under_a_stream_of_orders_agrees_with_the_broker() {
    const ROUNDS: usize = 15;
    let (dir, port, key) = (tempfile::tempdir().unwrap(), free_port(), admin_key());
    let mut hub = HubProcess::start(dir.path(), port, &key, &[]).await;
    let api = hub.api(&key);
    let token = api.mint_token().await;
    let terminal = Machine::start(simulator_config(&hub.url(), &token, LOGIN)).unwrap();
    connects(&terminal).await;
    settled(&api, "first").await;

    let posted = tokio::sync::watch::Sender::new(0_usize);
    let stop = tokio_util::sync::CancellationToken::new();
    let streams = (0..4).map(|stream| {
        let (api, posted, stop) = (api.clone(), posted.clone(), stop.clone());
        async move {
            let mut count = 0;
            // Each order is followed to its end, over however many lives of the hub, before the next is made.
            while !stop.is_cancelled() {
                posted.send_modify(|posted| *posted += 1);
                settled(&api, &format!("stream {stream} order {count}")).await;
                count += 1;
            }
            count
        }
    });
    let killing = async {
        let mut seen = posted.subscribe();
        for _ in 0..ROUNDS {
            let target = *seen.borrow() + rand::random_range(1..25);
            soon("orders go on", seen.wait_for(|posted| *posted >= target)).await.unwrap();
            // A few more turns of the scheduler, so that the kill meets an order at any of its steps.
            for _ in 0..rand::random_range(0..400) {
                tokio::task::yield_now().await;
            }
            hub.program.kill().await;
            hub = HubProcess::start(dir.path(), port, &key, &[]).await;
        }
        is_back(&api, &token).await;
        stop.cancel();
    };
    let (counts, ()) = tokio::join!(futures_util::future::join_all(streams), killing);

    let (mut records, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/commands?limit=500{cursor}")).await.expect(200);
        records.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(records.len(), counts.iter().sum::<usize>() + 1, "one command for each key");
    one_story(&records, &terminal.broker());
    let executed = records.iter().filter(|record| record["state"] == "executed").count();
    assert!(executed > ROUNDS, "{executed} of {} executed: the stream did flow", records.len());
    assert_eq!(terminal.broker().positions().len(), executed);
}
