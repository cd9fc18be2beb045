//! Commands that wait to be written: who can take them back, and that nothing that was taken back reaches the terminal.

use std::{cell::RefCell, sync::Arc, time::Duration};

use futures_util::future::join_all;
use mtbridge::{domain::trade::Position, protocol::FromHub, store::failing::FailingStore};
use serde_json::{Value, json};

use crate::harness::{Api, FakeTerminal, Heard, Played, TestHub, World, all_on, buy, eventually, orders};

/// Orders for a terminal that does not read, the first of them written and the last of them waiting in the hub.
struct Deaf {
    hub: TestHub,
    terminal: FakeTerminal,
    commands: Vec<String>,
}

impl Deaf {
    async fn with(order: &Value) -> Self {
        let hub = TestHub::start_with(|config| {
            config.terminals.mailbox = 256;
            config.terminals.max_control_bytes = 4_096;
            config.terminals.max_write_buffer_bytes = 8_192;
            config.terminals.write_timeout = Duration::from_secs(120);
            config.terminals.dead_after = Duration::from_secs(120);
            config.http.read_timeout = Duration::from_millis(20);
        })
        .await;
        let token = hub.mint_token().await;
        let mut terminal = FakeTerminal::connect_with_buffer(hub.addr(), &token, Some(4_096)).await;
        terminal.is_let_in(1001).await;
        let admin = hub.admin();
        // The hours are asked for once.
        tokio::join!(async { place(&admin, &market_order()).await.unwrap() }, terminal.trade());
        let mut commands = Vec::new();
        let path = format!("/api/v1/terminals/1001/symbols?group={}", "x".repeat(7_000));
        eventually("the mailbox is full", async || {
            terminal.send(all_on()).await;
            if let Some(id) = place(&admin, order).await {
                commands.push(id);
            }
            let seen = join_all((0..30).map(|_| async { admin.get(&path).await.status })).await;
            if seen.contains(&429) { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
        Self { hub, terminal, commands }
    }

    async fn command(&self, id: &str) -> Value {
        self.hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200)
    }

    /// The ids of all that reaches the terminal when it reads again. None of them was taken back, and all the others were.
    async fn hears_what_was_not_taken_back(mut self, taken_back: &[String]) {
        let mut expected: Vec<_> = self.commands.iter().filter(|id| !taken_back.contains(id)).collect();
        while !expected.is_empty() {
            match self.terminal.next().await {
                Heard::Message(FromHub::Trade(trade)) => {
                    assert_eq!(trade.command.to_string(), *expected.remove(0), "in their order, and nothing else");
                }
                Heard::Message(_) => {}
                // The kernel gives up a peer that has not read for five seconds; then nothing else can reach it.
                Heard::Closed(1006) => return,
                Heard::Closed(code) => panic!("closed with {code}"),
            }
        }
        // A question behind everything.
        let quotes = self.hub.admin();
        let asking = eventually("a question fits", async || {
            let answer = quotes.get("/api/v1/terminals/1001/quotes?symbols=LAST").await;
            if answer.status == 429 { Err("busy".to_owned()) } else { Ok(()) }
        });
        let hearing = async {
            loop {
                match self.terminal.next().await {
                    Heard::Message(FromHub::GetQuotes(get)) if get.symbols == ["LAST"] => return,
                    Heard::Message(FromHub::Trade(trade)) => panic!("taken back, and written all the same: {trade:?}"),
                    Heard::Message(_) => {}
                    Heard::Closed(code) => panic!("closed with {code}"),
                }
            }
        };
        tokio::join!(asking, hearing);
    }
}

fn market_order() -> Value {
    let mut order = buy();
    (order["filling"], order["ttl_ms"]) = (json!("fok"), json!(60_000));
    order
}

/// The command of an order that nobody waits for; none when there is no place for it.
async fn place(api: &Api, order: &Value) -> Option<String> {
    let answer = api.once().with("prefer", "respond-async").post(&orders(1001), order.clone()).await;
    match answer.status {
        202 => Some(answer.json["id"].as_str().unwrap().to_owned()),
        429 => None,
        _ => panic!("{}", answer.json),
    }
}

#[tokio::test]
async fn a_kill_switch_takes_back_what_waits_for_a_terminal_that_does_not_read() {
    let deaf = Deaf::with(&market_order()).await;
    let body = json!({"scope": "1001@Demo-Server", "level": "block", "reason": "a test"});
    deaf.hub.admin().post("/api/v1/kill-switch", body).await.expect(200);
    let last = deaf.commands.last().unwrap().clone();
    let record = deaf.hub.admin().final_command(&last).await;
    assert_eq!(record["state"], "not_executed", "{record}");
    assert!(record["reason"].as_str().unwrap().contains("kill switch"), "{record}");
    let mut taken_back = Vec::new();
    for id in &deaf.commands {
        let record = eventually("its fate is recorded", async || {
            let record = deaf.command(id).await;
            let later = deaf.command(&last).await;
            if later["final"] == true { Ok(record) } else { Err(later.to_string()) }
        })
        .await;
        if record["final"] == true {
            taken_back.push(id.clone());
        }
    }
    deaf.hears_what_was_not_taken_back(&taken_back).await;
}

#[tokio::test]
async fn a_command_that_was_not_written_yet_is_cancelled_with_certainty() {
    let deaf = Deaf::with(&market_order()).await;
    let last = deaf.commands.last().unwrap().clone();
    let path = format!("/api/v1/commands/{last}/cancel");
    let record = deaf.hub.admin().post(&path, json!({})).await.expect(200);
    assert_eq!((&record["state"], &record["final"]), (&json!("cancelled"), &json!(true)), "{record}");
    assert_eq!(deaf.hub.admin().post(&path, json!({})).await.expect(200)["state"], "cancelled", "and it stays so");
    deaf.hears_what_was_not_taken_back(&[last]).await;
}

#[tokio::test]
async fn a_command_whose_time_is_over_before_it_was_written_has_expired() {
    let mut order = market_order();
    order["ttl_ms"] = json!(700);
    let deaf = Deaf::with(&order).await;
    let last = deaf.commands.last().unwrap().clone();
    let record = deaf.hub.admin().final_command(&last).await;
    assert_eq!(record["state"], "expired", "{record}");
    // Friendly calls say it in their code.
    let mut expired = Vec::new();
    for id in &deaf.commands {
        // Those that were written are not known to be over.
        let record = eventually("its time is over", async || {
            let record = deaf.command(id).await;
            if matches!(record["state"].as_str(), Some("dispatched")) { Err(record.to_string()) } else { Ok(record) }
        })
        .await;
        match record["state"].as_str() {
            Some("expired") => expired.push(id.clone()),
            Some("unknown") => {}
            other => panic!("{other:?}: {record}"),
        }
    }
    deaf.hears_what_was_not_taken_back(&expired).await;
}

/// The switch is on its way to the disk before the closes are, and in effect before they are sent: none of them was asked about before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_close_that_a_kill_switch_catches_between_its_check_and_its_send_goes_through() {
    const MANY: u64 = 20;
    for round in 0..5 {
        let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
        let long = |ticket| Position { ticket, symbol: "EURUSD".into(), volume: 0.01, ..Position::default() };
        let world = World { positions: (1..=MANY).map(long).collect(), filling: (2, 1), ..World::default() };
        let mut played = Played::enter(&hub, 1001, world, |_| {}).await;
        let admin = hub.admin();
        // So that tags are there, and no order waits for another's.
        played.during(admin.once().buy(1001)).await.expect(200);
        store.hang();
        let closes = RefCell::new(Vec::new());
        let closing = async {
            let many = join_all((1..=MANY).map(|ticket| {
                let api = admin.with_idempotency(&format!("{round}-{ticket}"));
                async move { api.post(&format!("/api/v1/terminals/1001/positions/{ticket}/close"), json!({})).await }
            }));
            *closes.borrow_mut() = many.await;
        };
        let killing = async {
            let body = json!({"scope": "hub", "level": "block", "reason": "a test"});
            admin.post("/api/v1/kill-switch", body).await
        };
        let releasing = async {
            store.hung(usize::try_from(MANY).unwrap() + 1).await;
            store.release();
        };
        let after_it = async {
            store.hung(1).await;
            tokio::join!(closing, releasing);
        };
        let everything = async { tokio::join!(killing, after_it).0 };
        played.during(everything).await.expect(200);
        for answer in closes.borrow().iter() {
            assert_eq!((answer.status, answer.json["state"].as_str()), (200, Some("executed")), "{round}: {}", answer.json);
        }
        played.during(admin.once().buy(1001)).await.refused(409, "kill_switch");
    }
}
