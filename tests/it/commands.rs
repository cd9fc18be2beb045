//! Commands after they were made: cancelled, deleted, listed.

use mtbridge::protocol::{
    codec::Row,
    message::{Answer, Outcome, answer_kind, proof},
};
use serde_json::{Value, json};

use crate::harness::{
    Api, FakeTerminal, Terminal, TestHub, buy,
    controls::{state_is, under_way, unknown},
    eventually,
    fake::{accepted, executed},
    orders,
};

#[tokio::test]
async fn a_command_that_its_terminal_has_not_seen_can_be_cancelled() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let (id, trade) = under_way(&hub, &mut terminal).await;
    let path = format!("/api/v1/commands/{id}/cancel");
    let admin = hub.admin();
    let (answer, ()) = tokio::join!(admin.post(&path, json!({})), async {
        let query = terminal.query().await;
        assert_eq!(query.command, trade.command);
        let (outcome_kind, proof) = (0, proof::ALL);
        let answer = Answer {
            command: query.command,
            kind: answer_kind::NOT_SEEN,
            outcome_kind,
            reason: String::new(),
            result: Row::default(),
            proof,
            asked_at: query.asked_at,
        };
        terminal.send(answer).await;
    });
    assert_eq!(answer.expect(200)["state"], "not_executed");
    assert_eq!(terminal.acknowledged().await, trade.command);
    // Over is over, and asking is no error; what runs is told as it stands.
    assert_eq!(hub.admin().post(&path, json!({})).await.expect(200)["state"], "not_executed");
    let (id, trade) = under_way(&hub, &mut terminal).await;
    terminal.send(accepted(trade.command)).await;
    state_is(&hub, &id, "accepted").await;
    let quick = hub.admin().with("prefer", "respond-async");
    let cancelled = quick.post(&format!("/api/v1/commands/{id}/cancel"), json!({})).await.expect(202);
    assert_eq!(cancelled["state"], "accepted");
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(hub.admin().final_command(&id).await["state"], "executed");
}

/// State and reason of each state that a command went through.
fn past(command: &Value) -> Vec<(&str, Option<&str>)> {
    let states = command["states"].as_array().unwrap();
    states.iter().map(|one| (one["state"].as_str().unwrap(), one["reason"].as_str())).collect()
}

#[tokio::test]
async fn a_command_that_was_lost_and_found_tells_its_whole_past_over_restarts() {
    let mut hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let (token, instance) = (terminal.token.clone(), terminal.instance);
    let (id, trade) = under_way(&hub, &mut terminal).await;
    terminal.send(accepted(trade.command)).await;
    state_is(&hub, &id, "accepted").await;
    drop(terminal);
    state_is(&hub, &id, "unknown").await;
    // Under way at the stop: what it went through until then is on the disk with the state in which it stands.
    hub.restart().await;
    let path = format!("/api/v1/commands/{id}");
    let lost = ("unknown", Some("the connection ended before the outcome was known"));
    let stands = hub.admin().get(&path).await.expect(200);
    assert_eq!(past(&stands), [("dispatched", None), ("accepted", None), lost]);
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    terminal.instance = instance;
    terminal.is_let_in(1001).await;
    assert_eq!(terminal.query().await.command, trade.command);
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
    let found = hub.admin().get(&path).await.expect(200);
    assert_eq!(past(&found), [("dispatched", None), ("accepted", None), lost, ("executed", None)]);
    let at: Vec<_> = found["states"].as_array().unwrap().iter().map(|one| one["at"].as_str().unwrap()).collect();
    assert_eq!((at[0], at[3]), (found["created_at"].as_str().unwrap(), found["updated_at"].as_str().unwrap()));
    hub.restart().await;
    assert_eq!(hub.admin().get(&path).await.expect(200), found);
    assert_eq!(hub.admin().get("/api/v1/commands").await.expect(200)["data"], json!([found]), "lists tell it, too");
}

#[tokio::test]
async fn what_a_person_decided_is_the_last_of_a_commands_states_with_their_reason() {
    let hub = TestHub::start().await;
    let terminal = hub.fake(1001).await;
    let (id, _) = unknown(&hub, terminal).await;
    let body = json!({"outcome": "not_executed", "reason": "the broker said so"});
    let decided = hub.admin().post(&format!("/api/v1/commands/{id}/adjudicate"), body).await.expect(200);
    let states = past(&decided);
    assert_eq!((states[0], states[states.len() - 1]), (("dispatched", None), ("adjudicated", Some("the broker said so"))));
}

#[tokio::test]
async fn an_outcome_of_a_deleted_command_is_acknowledged_and_one_that_never_was_is_not() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let api = hub.admin().once();
    let (answer, trade) = tokio::join!(api.buy(1001), async {
        let trade = terminal.trade().await;
        terminal.send(executed(&trade, 5)).await;
        trade
    });
    answer.expect(200);
    terminal.acknowledged().await;
    let (token, instance) = (terminal.token.clone(), terminal.instance);
    hub.admin().post(&format!("/api/v1/tokens/{}/disconnect", token.id), json!({"history": "delete"})).await.expect(200);
    let told = hub.admin().get("/api/v1/audit?action=token.disconnect").await.expect(200);
    let told = told["data"][0]["detail"].as_str().unwrap();
    assert!(told.starts_with("history deleted: 1 commands, "), "{told}");
    let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
    terminal.instance = instance;
    terminal.is_let_in(1001).await;
    // Made up, and as late as can be: it may have been lost and not deleted.
    let never = mtbridge::domain::ids::CommandId::from_bytes([0x7f; 16]);
    terminal.send(Outcome { command: never, ..executed(&trade, 6) }).await;
    terminal.send(executed(&trade, 5)).await;
    assert_eq!(terminal.acknowledged().await, trade.command);
}

#[tokio::test]
async fn a_filter_of_commands_fills_its_pages() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let mut wanted = Vec::new();
    for n in 0..12 {
        let mut order = buy();
        if n % 4 == 3 {
            order["volume"] = json!(0.015);
        }
        let answer = hub.admin().once().post(&orders(1001), order).await;
        if n % 4 == 3 {
            wanted.push(answer.json["id"].clone());
        }
    }
    let page = hub.admin().get("/api/v1/commands?state=broker_rejected&limit=2").await.expect(200);
    let ids = |page: &Value| page["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&page), wanted[..2], "a page is filled, wherever its rows stand");
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = hub.admin().get(&format!("/api/v1/commands?state=broker_rejected&limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((ids(&rest), &rest["next_cursor"]), (wanted[2..].to_vec(), &Value::Null));
}

/// Every row of a list, page by page.
async fn all(api: &Api, path: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}{cursor}")).await.expect(200);
        found.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_commands_of_all_accounts_are_one_list_from_either_end() {
    let hub = TestHub::start().await;
    let (_one, _two) = (hub.terminal(1001).await, hub.terminal(1002).await);
    let mut made = Vec::new();
    for login in [1001, 1002, 1002, 1001, 1002] {
        made.push(hub.admin().once().buy(login).await.expect(200)["id"].as_str().unwrap().to_owned());
    }
    let admin = hub.admin();
    assert_eq!(ids(&all(&admin, "/api/v1/commands?terminal=*&limit=2").await), made);
    let newest_first: Vec<_> = made.iter().rev().cloned().collect();
    let rows = all(&admin, "/api/v1/commands?terminal=*&limit=2&sort=desc").await;
    assert_eq!(ids(&rows), newest_first);
    let logins: Vec<_> = rows.iter().map(|row| row["account"]["login"].as_u64().unwrap()).collect();
    assert_eq!(logins, [1002, 1001, 1002, 1002, 1001]);
    assert_eq!(
        ids(&all(&admin, "/api/v1/commands?terminal=1002&sort=desc").await),
        [&made[4], &made[2], &made[1]].map(Clone::clone)
    );
    // A time is when the hub took it: `from` included, `to` not.
    let at = |row: &Value| row["created_at"].as_str().unwrap().to_owned();
    let middle = at(&rows[2]);
    for sort in ["asc", "desc"] {
        let later = all(&admin, &format!("/api/v1/commands?terminal=*&limit=1&sort={sort}&from={middle}")).await;
        let earlier = all(&admin, &format!("/api/v1/commands?terminal=*&limit=1&sort={sort}&to={middle}")).await;
        assert!(later.iter().all(|row| at(row) >= middle) && earlier.iter().all(|row| at(row) < middle));
        assert_eq!(later.len() + earlier.len(), 5);
        assert!(later.iter().any(|row| row["id"] == made[2].as_str()));
    }
    assert_eq!(
        all(&admin, "/api/v1/commands?terminal=*&from=2024-01-01T00:00:00Z&to=2024-01-02T00:00:00Z").await,
        Vec::<Value>::new()
    );
    admin.get("/api/v1/commands?terminal=*&sort=newest").await.refused(422, "validation_error");
    admin.get("/api/v1/commands?terminal=*&from=yesterday").await.refused(422, "validation_error");
}

#[tokio::test]
async fn commands_are_found_by_outcome_symbol_and_key_and_the_csv_form_has_the_same_rows() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let bot = hub.mint_key(&["trade:write"]).await;
    let mut order = buy();
    order["client_order_id"] = json!("=1+1");
    let done = bot.once().post(&orders(1001), order.clone()).await.expect(200);
    order["volume"] = json!(0.015);
    let rejected = hub.admin().once().post(&orders(1001), order).await.json;
    let found = async |query: &str| ids(&all(&hub.admin(), &format!("/api/v1/commands?terminal=*{query}")).await);
    let (done_id, rejected_id) = (done["id"].as_str().unwrap(), rejected["id"].as_str().unwrap());
    assert_eq!(found("&state=executed,partial").await, [done_id]);
    assert_eq!(found("&state=executed,broker_rejected").await, [done_id, rejected_id]);
    assert_eq!(found("&symbol=EURUSD&sort=desc").await, [rejected_id, done_id]);
    assert_eq!(found("&symbol=GBPUSD").await, [""; 0]);
    assert_eq!(found(&format!("&key={}", done["key"].as_str().unwrap())).await, [done_id]);
    assert_ne!(done["key"], rejected["key"]);
    hub.admin().get("/api/v1/commands?state=executed,done").await.refused(422, "validation_error");
    hub.admin().get("/api/v1/commands?key=1").await.refused(422, "validation_error");

    let answer = hub.admin().get("/api/v1/commands?terminal=*&sort=desc&limit=1&format=csv").await;
    assert!(answer.header("content-type").starts_with("text/csv"));
    assert_eq!(answer.header("x-next-cursor"), rejected_id);
    let text = String::from_utf8(answer.bytes).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let row = reader.records().next().unwrap().unwrap();
    let cell = |name: &str| &row[names.iter().position(|column| column == name).unwrap()];
    assert_eq!((cell("id"), cell("state"), cell("client_order_id")), (rejected_id, "broker_rejected", "'=1+1"));
    let account = rejected["account"]["server"].as_str().unwrap();
    assert_eq!(
        (cell("account"), cell("request_symbol"), cell("request_volume")),
        (&*format!("1001@{account}"), "EURUSD", "0.015")
    );
    assert_eq!(cell("result_retcode_name"), rejected["result"]["retcode_name"].as_str().unwrap());
}

#[tokio::test]
async fn the_commands_of_an_account_that_is_locked_to_no_token_any_more_are_still_found() {
    let hub = TestHub::start().await;
    let _other = hub.terminal(1002).await;
    let token = hub.mint_token().await;
    let terminal = Terminal::start(token.clone(), &hub.url(), 1001, |_| {}).await;
    let made = hub.admin().once().buy(1001).await.expect(200);
    drop(terminal);
    hub.admin().post(&format!("/api/v1/tokens/{}/disconnect", token.id), json!({"history": "keep"})).await.expect(200);
    for query in ["terminal=*", "terminal=1001"] {
        assert_eq!(
            ids(&all(&hub.admin(), &format!("/api/v1/commands?{query}")).await),
            [made["id"].as_str().unwrap()],
            "{query}"
        );
    }
    hub.admin().get("/api/v1/commands?terminal=1003").await.refused(404, "terminal_not_found");
}

#[tokio::test]
async fn the_trades_of_all_accounts_are_one_list_from_either_end() {
    let hub = TestHub::start().await;
    let (_one, _two) = (hub.terminal(1001).await, hub.terminal(1002).await);
    for login in [1001, 1002, 1001] {
        hub.admin().once().buy(login).await.expect(200);
    }
    let path = "/api/v1/audit/trades?account=*&kind=deal&symbol=EURUSD";
    let oldest_first = eventually("three deals", async || {
        let rows = all(&hub.admin(), &format!("{path}&limit=1")).await;
        if rows.len() == 3 { Ok(rows) } else { Err(format!("{rows:?}")) }
    })
    .await;
    let mut newest_first = all(&hub.admin(), &format!("{path}&limit=1&sort=desc")).await;
    let logins: Vec<_> = newest_first.iter().map(|row| row["account"]["login"].as_u64().unwrap()).collect();
    assert_eq!(logins.iter().filter(|login| **login == 1001).count(), 2);
    newest_first.reverse();
    assert_eq!(newest_first, oldest_first);
    let middle = oldest_first[1]["at"].as_str().unwrap();
    for sort in ["asc", "desc"] {
        let later = all(&hub.admin(), &format!("{path}&limit=1&sort={sort}&from={middle}")).await.len();
        let earlier = all(&hub.admin(), &format!("{path}&limit=1&sort={sort}&to={middle}")).await.len();
        assert!(later >= 1 && later + earlier == 3, "{later} and {earlier}");
    }
    hub.admin().get("/api/v1/audit/trades").await.refused(422, "validation_error");
    hub.admin().get("/api/v1/audit/trades?account=*&sort=up").await.refused(422, "validation_error");
    let csv = hub.admin().get(&format!("{path}&format=csv")).await;
    let text = String::from_utf8(csv.bytes).unwrap();
    assert!(text.lines().next().unwrap().ends_with(",account") && text.contains(",1002@"), "{text}");
}
