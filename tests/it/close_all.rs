//! One call that closes many positions: each once, whatever breaks in the middle, and its answer says what became of every one.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use mtbridge::{
    domain::{account::Platform, trade::Position},
    protocol::FromHub,
    simulator::Switches,
};
use serde_json::{Value, json};

use crate::harness::{
    Api, FakeTerminal, Heard, Played, Terminal, TestHub, World, buy, eventually,
    fake::{accepted, all_on, executed},
    orders, platform,
};

const LOGIN: u64 = 1001;

const PATH: &str = "/api/v1/terminals/1001/positions/close-all";

async fn open(api: &Api, side: &str, volume: f64, magic: u64) -> u64 {
    let mut order = buy();
    (order["side"], order["volume"], order["magic"]) = (json!(side), json!(volume), json!(magic));
    api.once().post(&orders(LOGIN), order).await.expect(200)["result"]["order"].as_u64().unwrap()
}

async fn hub_with_four_positions() -> (TestHub, Terminal, Vec<u64>) {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(LOGIN).await;
    let api = hub.admin();
    let mut tickets = Vec::new();
    for (side, volume, magic) in [("buy", 0.1, 5), ("sell", 0.2, 5), ("buy", 0.3, 6), ("buy", 0.1, 6)] {
        tickets.push(open(&api, side, volume, magic).await);
    }
    (hub, terminal, tickets)
}

fn tickets(positions: &[Position]) -> Vec<u64> {
    positions.iter().map(|position| position.ticket).collect()
}

#[tokio::test]
async fn everything_is_closed_by_one_call_and_asking_again_closes_nothing() {
    let (hub, terminal, open) = hub_with_four_positions().await;
    let api = hub.admin().with_idempotency("all");
    let answer = api.post(PATH, json!({"client_order_id": "panic"})).await;
    let location = answer.header("location").to_owned();
    let parent = answer.expect(200);
    assert_eq!((&parent["state"], &parent["final"], &parent["kind"]), (&json!("executed"), &json!(true), &json!("close_all")));
    assert_eq!((&parent["positions"], &parent["not_sent"]), (&json!(open), &json!([])));
    let commands = parent["commands"].as_array().unwrap();
    let closed: Vec<_> = commands.iter().map(|command| command["request"]["position"].as_u64().unwrap()).collect();
    assert_eq!(closed, open);
    for command in commands {
        assert_eq!((&command["state"], &command["parent"]), (&json!("executed"), &parent["id"]), "{command}");
        terminal.agrees_with(command);
    }
    assert!(terminal.broker().positions().is_empty());
    let requests = terminal.broker().requests().len();
    let again = api.post(PATH, json!({"client_order_id": "panic"})).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(200), parent);
    // New positions are not the old call's business.
    let later = super::close_all::open(&hub.admin(), "buy", 0.1, 0).await;
    assert_eq!(api.post(PATH, json!({"client_order_id": "panic"})).await.expect(200), parent);
    assert_eq!(tickets(&terminal.broker().positions()), [later]);
    assert_eq!(terminal.broker().requests().len(), requests + 1);
    assert_eq!(location, format!("/api/v1/commands/{}", parent["id"].as_str().unwrap()));
    assert_eq!(hub.admin().get(&location).await.expect(200), parent);
    let found = hub.admin().get("/api/v1/commands?client_order_id=panic").await.expect(200);
    assert_eq!(found["data"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn only_what_is_meant_is_closed() {
    let (hub, terminal, open) = hub_with_four_positions().await;
    let api = hub.admin();
    for (body, left) in [
        (json!({"magic": "6", "side": "sell"}), vec![open[0], open[1], open[2], open[3]]),
        (json!({"symbol": "GBPUSD"}), vec![open[0], open[1], open[2], open[3]]),
        (json!({"side": "sell"}), vec![open[0], open[2], open[3]]),
        (json!({"magic": 6}), vec![open[0]]),
        (json!({"symbol": "EURUSD", "filling": "ioc"}), vec![]),
    ] {
        let before = terminal.broker().positions().len();
        let parent = api.once().post(PATH, body.clone()).await.expect(200);
        assert_eq!((&parent["state"], &parent["final"]), (&json!("executed"), &json!(true)), "{body}");
        assert_eq!(parent["commands"].as_array().unwrap().len(), before - left.len(), "{body}");
        assert_eq!(tickets(&terminal.broker().positions()), left, "{body}");
    }
}

#[tokio::test]
async fn a_call_that_cannot_be_meant_uses_up_no_key_and_another_under_its_key_is_refused() {
    let (hub, terminal, _) = hub_with_four_positions().await;
    let api = hub.admin().with_idempotency("all");
    for body in [
        json!({"volume": 0.1}),
        json!({"side": "both"}),
        json!({"seen_price": 1.1, "max_slippage_points": 5}),
        json!({"ttl_ms": 0}),
        json!({"comment": "x".repeat(32)}),
        json!({"symbol": "A\u{0}B"}),
    ] {
        api.post(PATH, body).await.refused(422, "validation_error");
    }
    hub.admin().post(PATH, json!({})).await.refused(400, "idempotency_key_required");
    terminal.set_switches(Switches { broker_link: false, ..Switches::default() });
    eventually("the hub has heard", async || {
        let seen = hub.admin().get("/api/v1/terminals/1001").await.json;
        if seen["presence"]["broker_link"]["value"] == false { Ok(()) } else { Err(seen["presence"].to_string()) }
    })
    .await;
    api.post(PATH, json!({})).await.refused(409, "broker_link_down");
}

#[tokio::test]
async fn a_key_stands_for_one_call_whatever_kind_it_is() {
    let (hub, _terminal, _) = hub_with_four_positions().await;
    let api = hub.admin().with_idempotency("all");
    api.post(PATH, json!({"side": "sell"})).await.expect(200);
    api.post(PATH, json!({})).await.refused(422, "idempotency_key_reused");
    api.buy(LOGIN).await.refused(422, "idempotency_key_reused");
    let api = hub.admin().with_idempotency("order");
    api.buy(LOGIN).await.expect(200);
    api.post(PATH, json!({})).await.refused(422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_many_times_in_parallel_closes_each_position_once() {
    let (hub, terminal, open) = hub_with_four_positions().await;
    let before = terminal.broker().requests().len();
    let api = hub.admin().with_idempotency("all");
    let answers = join_all((0..30).map(|_| api.post(PATH, json!({})))).await;
    let ids: HashSet<_> = answers.iter().map(|answer| answer.json["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1);
    for answer in answers {
        assert_eq!(answer.expect(200)["state"], "executed");
    }
    assert_eq!(terminal.broker().requests().len(), before + open.len());
    assert!(terminal.broker().positions().is_empty());
}

#[tokio::test]
async fn what_the_broker_refuses_leaves_the_whole_partial_and_says_which() {
    let (hub, terminal, open) = hub_with_four_positions().await;
    // One of them is gone before its order comes, by another hand.
    terminal.set_faults(vec!["delay:300".parse().unwrap()]);
    let (mine, theirs) = (hub.admin().with_idempotency("all"), hub.admin());
    let body = json!({"filling": "return"});
    if platform() == Platform::Mt4 {
        mine.post(PATH, body).await.expect(200);
        assert!(terminal.broker().positions().is_empty(), "MetaTrader 4 has no filling modes");
        return;
    }
    let refused = mine.post(PATH, body).await.refused(422, "not_executed");
    assert_eq!(refused["commands"].as_array().unwrap().len(), open.len(), "the broker takes no such filling: {refused}");
    assert_eq!((&refused["state"], &refused["final"]), (&json!("not_executed"), &json!(true)));
    terminal.set_faults(Vec::new());
    theirs.once().post(PATH, json!({})).await.expect(200);
    assert!(terminal.broker().positions().is_empty());
}

fn positions(count: u64) -> Vec<Position> {
    let open = |ticket| Position { ticket, kind: 0, volume: 0.1, symbol: "EURUSD".into(), ..Position::default() };
    (1..=count).map(open).collect()
}

/// Plays a terminal that executes so many trades and then hangs up, with the next ones unanswered.
async fn dies_after(mut terminal: Played, count: usize) -> Vec<u64> {
    let mut closed = Vec::new();
    while closed.len() < count {
        let Heard::Message(message) = terminal.terminal.next().await else { panic!("cut") };
        match &message {
            FromHub::Trade(trade) => {
                closed.push(trade.request.0.position);
                terminal.terminal.send(accepted(trade.command)).await;
                terminal.terminal.send(executed(trade, trade.request.0.position)).await;
            }
            other => terminal.answer(other).await,
        }
    }
    closed
}

async fn hub_that_resumes(within: Duration) -> TestHub {
    TestHub::start_with(|config| {
        config.trading.resume = within;
        config.trading.market_ttl = Duration::from_millis(800);
        config.trading.grace = Duration::from_millis(100);
    })
    .await
}

#[tokio::test]
async fn a_terminal_that_goes_away_in_the_middle_leaves_the_rest_for_when_it_is_asked_again() {
    let hub = hub_that_resumes(Duration::from_secs(120)).await;
    let world = World { positions: positions(12), filling: (2, 1), ..World::default() };
    let terminal = Played::enter(&hub, LOGIN, world, |_| {}).await;
    let token = terminal.terminal.token.clone();
    let api = hub.admin().with_idempotency("all").waiting(1);
    let body = json!({"ttl_ms": 800});
    let (first, mut closed) = tokio::join!(api.post(PATH, body.clone()), dies_after(terminal, 3));
    let first = first.expect(202);
    assert_eq!(first["final"], false, "{first}");
    let not_sent = first["not_sent"].as_array().unwrap().len();
    let sent: HashSet<u64> = commands(&first).map(|command| command["request"]["position"].as_u64().unwrap()).collect();
    assert!(sent.len() >= 3 && not_sent > 0 && sent.len() + not_sent == 12, "{first}");

    // What was sent stays sent: only the others are, now.
    let mut back = FakeTerminal::connect(hub.addr(), &token).await;
    back.is_let_in(LOGIN).await;
    let world = World {
        positions: positions(12).into_iter().filter(|position| !closed.contains(&position.ticket)).collect(),
        filling: (2, 1),
        ..World::default()
    };
    let mut back = Played { terminal: back, world, heard: Vec::new() };
    let second = back.during(async { api.post(PATH, body.clone()).await }).await;
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(second.json["id"], first["id"]);
    assert_eq!(second.json["not_sent"], json!([]), "{}", second.json);
    let resumed: Vec<_> = back.trades().iter().map(|trade| trade.request.0.position).collect();
    assert!(resumed.iter().all(|position| !sent.contains(position)), "{resumed:?} after {sent:?}");
    assert_eq!(resumed.len(), not_sent);
    closed.extend(&resumed);
    // Those that were under way when it went are asked about, and nothing of them is sent again.
    assert_eq!(second.status, if sent.len() > 3 { 202 } else { 200 });
    let third = back.during(async { api.post(PATH, body).await }).await;
    assert_eq!(third.json["id"], first["id"]);
    assert_eq!(back.trades(), []);
    assert_eq!(closed.iter().collect::<HashSet<_>>().len(), closed.len(), "{closed:?}");
}

fn commands(parent: &Value) -> impl Iterator<Item = &Value> {
    parent["commands"].as_array().unwrap().iter()
}

#[tokio::test]
async fn what_was_not_begun_in_time_never_is() {
    let hub = hub_that_resumes(Duration::from_millis(300)).await;
    let world = World { positions: positions(12), filling: (2, 1), ..World::default() };
    let terminal = Played::enter(&hub, LOGIN, world.clone(), |_| {}).await;
    let token = terminal.terminal.token.clone();
    let api = hub.admin().with_idempotency("all").waiting(1);
    let (first, _) = tokio::join!(api.post(PATH, json!({})), dies_after(terminal, 2));
    let id = first.json["id"].as_str().unwrap().to_owned();
    eventually("its time is over", async || {
        let parent = hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200);
        if parent["state"] == "received" { Err(parent["state"].to_string()) } else { Ok(()) }
    })
    .await;
    let mut back = FakeTerminal::connect(hub.addr(), &token).await;
    back.is_let_in(LOGIN).await;
    let mut back = Played { terminal: back, world, heard: Vec::new() };
    let second = back.during(async { api.post(PATH, json!({})).await }).await;
    assert_eq!((&second.json["id"], second.header("idempotency-replayed")), (&json!(id), "true"));
    assert!(!second.json["not_sent"].as_array().unwrap().is_empty(), "{}", second.json);
    assert_eq!(back.trades(), [], "too late");
}

#[tokio::test]
async fn a_position_that_was_closed_meanwhile_is_not_sent_anything() {
    let hub = hub_that_resumes(Duration::from_secs(120)).await;
    let world = World { positions: positions(12), filling: (2, 1), ..World::default() };
    let terminal = Played::enter(&hub, LOGIN, world, |_| {}).await;
    let token = terminal.terminal.token.clone();
    let api = hub.admin().with_idempotency("all").waiting(1);
    let (first, _) = tokio::join!(api.post(PATH, json!({})), dies_after(terminal, 1));
    let missing: Vec<_> = first.json["not_sent"].as_array().unwrap().iter().map(|row| row["position"].clone()).collect();
    assert!(!missing.is_empty(), "{}", first.json);
    let mut back = FakeTerminal::connect(hub.addr(), &token).await;
    back.is_let_in(LOGIN).await;
    back.send(all_on()).await;
    let mut back = Played { terminal: back, world: World::default(), heard: Vec::new() };
    let second = back.during(async { api.post(PATH, json!({})).await }).await;
    assert_eq!(back.trades(), []);
    let told: Vec<_> = second.json["not_sent"].as_array().unwrap().iter().map(|row| row["position"].clone()).collect();
    assert_eq!(told, missing);
    for row in second.json["not_sent"].as_array().unwrap() {
        assert_eq!(row["reason"], "the position is not open any more");
    }
}

#[tokio::test]
async fn a_parent_is_visible_to_whoever_may_reduce_and_deleted_with_the_history() {
    let (hub, terminal, _) = hub_with_four_positions().await;
    let reducer = hub.mint_key(&["trade:reduce"]).await;
    let parent = reducer.with_idempotency("all").post(PATH, json!({})).await.expect(200);
    let path_of = format!("/api/v1/commands/{}", parent["id"].as_str().unwrap());
    assert_eq!(reducer.get(&path_of).await.expect(200), parent);
    hub.mint_key(&["read:positions"]).await.get(&path_of).await.refused(404, "not_found");
    terminal.sim.stop().await;
    let path_of_token = format!("/api/v1/tokens/{}/disconnect", terminal.token.id);
    hub.admin().post(&path_of_token, json!({"history": "delete"})).await.expect(200);
    hub.admin().get(&path_of).await.refused(404, "not_found");
    let back = Terminal::start(terminal.token.clone(), &hub.url(), LOGIN, |_| {}).await;
    hub.shows(&back.token, "connected").await;
    reducer.with_idempotency("all").post(PATH, json!({})).await.refused(409, "key_expired");
    assert!(back.broker().requests().is_empty());
}
