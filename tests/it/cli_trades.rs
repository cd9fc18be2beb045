//! The command line trades: once, whatever becomes of the connection, and it says what it knows.

use std::time::Duration;

use mtbridge::{
    domain::account::Platform,
    protocol::{
        codec::Row,
        message::{Answer, answer_kind},
    },
};
use serde_json::{Value, json};

use crate::{
    cli_reads::{Done, ended, mtbridge, url},
    harness::{
        Program, TestHub,
        canned::{Asked, Canned, Say},
        eventually,
        fake::accepted,
        platform,
    },
};

async fn admin(hub: &TestHub, args: &[&str]) -> Done {
    mtbridge(&url(hub), &hub.admin_key, args).await
}

/// The key that a command printed before it sent anything.
fn printed_key(done: &Done) -> String {
    let line = done.err.lines().find_map(|line| line.strip_prefix("idempotency key: "));
    line.unwrap_or_else(|| panic!("no key in: {}", done.err)).to_owned()
}

fn answer(status: u16, body: &Value) -> Say {
    Say::Answer(status, "content-type: application/json\r\n", body.to_string())
}

fn executed() -> Value {
    json!({"id": "cmd_1", "state": "executed", "final": true})
}

#[tokio::test]
async fn an_order_is_executed_once_and_the_printed_key_finds_it_again() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    // MetaTrader 4 has 31 bits for it.
    let magic = if platform() == Platform::Mt4 { "2147483647" } else { "18446744073709551615" };
    let args = ["order", "buy", "EURUSD", "0.02", "--json", "--magic", magic, "--comment", "by hand"];
    let first = admin(&hub, &args).await;
    let key = printed_key(&first);
    let command = &first.json()[0];
    assert_eq!((&command["state"], &command["request"]["volume"]), (&json!("executed"), &json!(0.02)));
    assert_eq!(command["request"]["magic"].to_string(), magic, "not a digit is lost");
    let again = admin(&hub, &[&args[..], &["--idempotency-key", &key]].concat()).await;
    assert!(!again.err.contains("idempotency key:"), "it is the caller's own: {}", again.err);
    assert_eq!(again.json()[0]["id"], command["id"]);
    let id = command["id"].as_str().unwrap();
    assert_eq!(admin(&hub, &["command", id, "-q"]).await.expect(0), format!("{id}\n"));
    assert!(admin(&hub, &["command", "list"]).await.expect(0).contains(id));
    assert_eq!(terminal.broker().executed().len(), 1);

    let deals = admin(&hub, &["history", "deals", "--from", "2024-03-01", "--json"]).await.json();
    assert_eq!(deals.last().unwrap()["volume"], json!(0.02));
    let recorded = ["history", "trades", "--account", "1001", "--kind", "deal", "--json"];
    let found = eventually("the hub has recorded the deal", async || {
        let rows = admin(&hub, &recorded).await.json();
        rows.iter().find(|row| row["command"] == *id).cloned().ok_or(format!("{rows:?}"))
    })
    .await;
    assert_eq!((&found["kind"], &found["volume"]), (&json!("deal"), &json!(0.02)));
    assert!(admin(&hub, &["history", "trades"]).await.expect(0).starts_with("KIND"));
    let other = admin(&hub, &["order", "sell", "EURUSD", "0.02", "--idempotency-key", &key]).await;
    assert!(other.code == 5 && other.err.contains("idempotency_key_reused"), "{}", other.err);
    assert_eq!(terminal.broker().executed().len(), 1);
}

#[tokio::test]
async fn what_was_certainly_not_executed_is_5_and_what_cannot_be_now_is_7() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let refused = admin(&hub, &["order", "buy", "EURUSD", "0.015"]).await;
    assert!(refused.code == 5 && refused.out.contains("invalid_volume"), "{refused:?}");
    assert_eq!(admin(&hub, &["order", "buy", "EURUSD", "NaN"]).await.code, 2);
    assert_eq!(admin(&hub, &["close", "99"]).await.code, 4);
    let key = hub.mint_key(&["read:account", "trade:reduce"]).await.key;
    assert_eq!(mtbridge(&url(&hub), &key, &["order", "buy", "EURUSD", "0.01"]).await.code, 3);
    terminal.sim.stop().await;
    hub.shows(&terminal.token, "offline").await;
    let offline = admin(&hub, &["order", "buy", "EURUSD", "0.01"]).await;
    assert!(offline.code == 7 && offline.err.contains("nothing was sent"), "{}", offline.err);
}

#[tokio::test]
async fn positions_are_changed_and_closed_in_part_by_ticket_and_all_at_once() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    for volume in ["0.02", "0.03", "0.04"] {
        admin(&hub, &["order", "buy", "EURUSD", volume]).await.expect(0);
    }
    let tickets = admin(&hub, &["positions", "-q"]).await.expect(0);
    let [one, _, _] = tickets.lines().collect::<Vec<_>>()[..] else { panic!("{tickets}") };
    let shown = async || admin(&hub, &["positions", "--json"]).await.json();
    admin(&hub, &["positions", "modify", one, "--sl", "1.05", "--tp", "1.2"]).await.expect(0);
    admin(&hub, &["positions", "modify", one, "--sl", "none"]).await.expect(0);
    let row = shown().await.into_iter().find(|row| row["ticket"].as_u64() == one.parse().ok()).unwrap();
    assert_eq!((row["sl"].as_f64(), row["tp"].as_f64()), (Some(0.0), Some(1.2)), "cleared, and kept");
    assert_eq!(admin(&hub, &["positions", "modify", one]).await.code, 2);
    assert_eq!(admin(&hub, &["positions", "--symbol", "EURUSD", "modify", one, "--sl", "1"]).await.code, 2);

    admin(&hub, &["close", one, "--volume", "0.01"]).await.expect(0);
    let left = shown().await;
    assert_eq!(left.len(), 3);
    // What is left of it: MetaTrader 4 has closed the order and opened another.
    let is_left = |row: &&Value| match platform() {
        Platform::Mt4 => row["comment"] == format!("from #{one}"),
        Platform::Mt5 => row["ticket"].as_u64() == one.parse().ok(),
    };
    let left = left.iter().find(is_left).unwrap();
    assert_eq!(left["volume"], json!(0.01));
    admin(&hub, &["close", &left["ticket"].to_string()]).await.expect(0);
    assert_eq!(shown().await.len(), 2);
    let all = admin(&hub, &["close", "--all", "--side", "buy"]).await;
    assert!(all.code == 0 && all.out.contains("2 commands"), "{all:?}");
    assert_eq!((shown().await.len(), terminal.broker().executed().len()), (0, 3 + 2 + 2 + 2));
    assert_eq!(admin(&hub, &["close", "--all"]).await.code, 0, "nothing is left, and that is no error");
}

#[tokio::test]
async fn an_outcome_that_is_not_known_is_6_until_it_is() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let args = ["order", "buy", "EURUSD", "0.01", "--wait", "1"];
    let (done, trade) = tokio::join!(admin(&hub, &args), terminal.trade());
    assert_eq!(done.code, 6, "{}", done.err);
    let id = trade.command.to_string();
    for words in [format!("mtbridge command {id}"), format!("--idempotency-key {}", printed_key(&done)), "Do not send".to_owned()]
    {
        assert!(done.err.contains(&words), "`{words}` is not in: {}", done.err);
    }
    assert!(done.out.contains("dispatched"), "what is known is shown: {}", done.out);
    assert_eq!(admin(&hub, &["command", &id]).await.code, 6);

    // Stopped by hand while it waits: the same.
    let env = [("MTBRIDGE_URL", url(&hub)), ("MTBRIDGE_API_KEY", hub.admin_key.clone())];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let args = ["order", "sell", "EURUSD", "0.01", "--wait", "600"];
    let program = Program::start(hub.dir(), &args, &env);
    let trade = terminal.trade().await;
    terminal.send(accepted(trade.command)).await;
    program.terminate().await;
    let done = ended(program).await;
    assert!(done.code == 6 && done.err.contains("stopped waiting") && done.err.contains(&printed_key(&done)), "{done:?}");
}

#[tokio::test]
async fn a_person_settles_what_stays_unknown() {
    let hub = TestHub::start_with(|config| {
        config.trading.market_ttl = Duration::from_millis(300);
        config.trading.grace = Duration::from_millis(100);
    })
    .await;
    let mut terminal = hub.fake(1001).await;
    let args = ["order", "buy", "EURUSD", "0.01", "--wait", "0"];
    let (done, trade) = tokio::join!(admin(&hub, &args), terminal.trade());
    assert_eq!(done.code, 6, "{}", done.err);
    let id = trade.command.to_string();
    eventually("it is unknown", async || {
        let rows = admin(&hub, &["command", "list", "--state", "unknown", "-q"]).await.expect(0);
        if rows.trim() == id { Ok(()) } else { Err(rows) }
    })
    .await;
    assert_eq!(admin(&hub, &["command", "adjudicate", &id, "--outcome", "not_executed"]).await.code, 2, "a reason is required");
    let args = ["command", "adjudicate", &id, "--outcome", "not_executed", "--reason", "not in the history"];
    assert!(admin(&hub, &args).await.expect(0).contains("not in the history"));
    assert_eq!(admin(&hub, &["command", &id]).await.code, 5, "by what the person said");
    let twice = admin(&hub, &args).await;
    assert!(twice.code == 1 && twice.err.contains("not_unknown"), "{}", twice.err);
}

#[tokio::test]
async fn a_lost_connection_is_told_with_the_key_and_nothing_is_sent_again() {
    let mut hub = Canned::start(vec![Say::HangUp, answer(200, &executed())]).await;
    let args = ["order", "buy", "EURUSD", "0.01", "--terminal", "1001@Demo Server"];
    let done = mtbridge(&hub.url, "sk_live_x", &args).await;
    assert_eq!(done.code, 6, "{}", done.err);
    let key = printed_key(&done);
    let again = format!("mtbridge order buy EURUSD 0.01 --terminal '1001@Demo Server' --idempotency-key {key}");
    assert!(done.err.contains("may have arrived") && done.err.contains(&again), "{}", done.err);
    assert_eq!(hub.asked().await.headers["idempotency-key"], key);
    assert_eq!(hub.unread(), 0, "one request, and no other");
}

#[tokio::test]
async fn retry_sends_the_same_order_under_the_same_key_and_no_other() {
    let busy = json!({"code": "terminal_busy", "detail": "nothing was sent", "request_id": "req_1"});
    let script = vec![answer(429, &busy), Say::HangUp, answer(502, &json!("<html>")), answer(200, &executed())];
    let mut hub = Canned::start(script).await;
    let done = mtbridge(&hub.url, "sk_live_x", &["order", "buy", "EURUSD", "0.01", "--retry"]).await;
    let key = printed_key(&done);
    done.expect(0);
    for attempt in 1..=4 {
        let asked = hub.asked().await;
        assert_eq!((asked.headers["idempotency-key"].as_str(), &asked.body["volume"]), (key.as_str(), &json!(0.01)), "{attempt}");
    }
}

#[tokio::test]
async fn after_an_attempt_that_may_have_arrived_a_refusal_proves_nothing() {
    let refused = json!({"code": "unauthorized", "detail": "Invalid API key", "request_id": "req_1"});
    let hub = Canned::start(vec![Say::HangUp, answer(401, &refused)]).await;
    let done = mtbridge(&hub.url, "sk_live_x", &["order", "buy", "EURUSD", "0.01", "--retry", "--wait", "2"]).await;
    assert!(done.code == 6 && done.err.contains("Invalid API key"), "{done:?}");
    // And without one before it, it does.
    let hub = Canned::start(vec![answer(401, &refused)]).await;
    assert_eq!(mtbridge(&hub.url, "sk_live_x", &["order", "buy", "EURUSD", "0.01", "--retry"]).await.code, 3);
}

#[tokio::test]
async fn an_answer_that_is_not_the_hubs_leaves_the_outcome_open_and_no_hub_at_all_does_not() {
    for say in [
        answer(502, &json!("<html>")),
        answer(404, &json!("?")),
        answer(200, &json!({})),
        answer(500, &json!({"code": "internal", "request_id": "r"})),
    ] {
        let hub = Canned::start(vec![say]).await;
        let done = mtbridge(&hub.url, "sk_live_x", &["close", "7"]).await;
        assert_eq!(done.code, 6, "{}", done.err);
    }
    let done = mtbridge("http://127.0.0.1:1", "sk_live_x", &["close", "7"]).await;
    assert!(done.code == 1 && done.err.contains("nothing was sent"), "{}", done.err);
    let hub = Canned::start(vec![Say::Answer(307, "location: http://127.0.0.1:1/\r\n", String::new())]).await;
    assert_eq!(mtbridge(&hub.url, "sk_live_x", &["close", "7"]).await.code, 1, "a redirect is not followed");
}

#[tokio::test]
async fn a_command_that_is_open_is_asked_about_until_it_is_final() {
    let open = |state: &str| json!({"id": "cmd_1", "state": state, "final": false});
    let script = vec![answer(202, &open("accepted")), Say::HangUp, answer(200, &open("unknown")), answer(200, &executed())];
    let mut hub = Canned::start(script).await;
    let done = mtbridge(&hub.url, "sk_live_x", &["order", "buy", "EURUSD", "0.01"]).await;
    assert!(done.expect(0).contains("executed"), "a question that is lost changes nothing");
    assert!(hub.asked().await.line.starts_with("POST "));
    for _ in 0..3 {
        assert_eq!(hub.asked().await.line, "GET /api/v1/commands/cmd_1");
    }
}

/// What goes out for a command line.
async fn sent(args: &[&str]) -> Asked {
    let mut hub = Canned::start(vec![answer(200, &executed())]).await;
    let done = mtbridge(&hub.url, "sk_live_x", args).await;
    assert_eq!(done.code, 0, "{args:?}: {}", done.err);
    hub.asked().await
}

#[tokio::test]
async fn each_command_line_is_the_call_that_it_says() {
    let market = json!({"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.1});
    let with = |more: Value| {
        let mut body = market.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let buy = |more: &[&'static str]| [&["order", "buy", "EURUSD", "0.10"], more].concat();
    let orders = "POST /api/v1/terminals/-/orders";
    let cases: Vec<(Vec<&str>, &str, Value)> = vec![
        (buy(&[]), orders, market.clone()),
        (
            buy(&["--limit", "1.08", "--tif", "day"]),
            orders,
            with(json!({"type": "limit", "price": 1.08, "time_in_force": "day"})),
        ),
        (
            buy(&["--stop", "1.1", "--expires", "2026-12-24 18:00", "--sl", "1.09", "--tp", "1.2"]),
            orders,
            with(
                json!({"type": "stop", "price": 1.1, "time_in_force": "gtd", "expires_at": "2026-12-24T18:00:00Z", "sl": 1.09, "tp": 1.2}),
            ),
        ),
        (
            buy(&["--stop-limit", "1.1", "1.099", "--filling", "ioc", "--deviation", "5", "--ttl", "900"]),
            orders,
            with(
                json!({"type": "stop_limit", "price": 1.1, "stop_limit_price": 1.099, "filling": "ioc", "deviation": 5, "ttl_ms": 900}),
            ),
        ),
        (
            buy(&[
                "--seen-price",
                "1.1",
                "--max-slippage",
                "20",
                "--allow-duplicate",
                "--magic",
                "7",
                "--comment",
                "a b",
                "--client-order-id",
                "x",
            ]),
            orders,
            with(
                json!({"seen_price": 1.1, "max_slippage_points": 20, "allow_duplicate": true, "magic": "7", "comment": "a b", "client_order_id": "x"}),
            ),
        ),
        (
            vec!["order", "modify", "5", "--price", "1.1", "--sl", "none", "--stop-limit-price", "1.2"],
            "PATCH /api/v1/terminals/-/orders/5",
            json!({"price": 1.1, "sl": null, "stop_limit_price": 1.2}),
        ),
        (vec!["order", "cancel", "5", "-t", "7@A"], "DELETE /api/v1/terminals/7@A/orders/5", json!({})),
        (vec!["close", "5"], "POST /api/v1/terminals/-/positions/5/close", json!({})),
        (vec!["close", "5", "--by", "6"], "POST /api/v1/terminals/-/positions/5/close", json!({"by": 6})),
        (
            vec!["close", "5", "--volume", "0.1", "--filling", "fok"],
            "POST /api/v1/terminals/-/positions/5/close",
            json!({"volume": 0.1, "filling": "fok"}),
        ),
        (
            vec!["close", "--all", "--symbol", "EURUSD", "--magic", "7", "--side", "sell"],
            "POST /api/v1/terminals/-/positions/close-all",
            json!({"symbol": "EURUSD", "magic": "7", "side": "sell"}),
        ),
        (
            vec!["positions", "modify", "5", "--tp", "1.2", "-t", "1001"],
            "PATCH /api/v1/terminals/1001/positions/5",
            json!({"tp": 1.2}),
        ),
    ];
    for (args, line, body) in cases {
        let asked = sent(&args).await;
        assert_eq!((asked.line.as_str(), &asked.body), (line, &body), "{args:?}");
        assert!(asked.headers["idempotency-key"].len() > 20 && asked.headers["prefer"] == "wait=10", "{args:?}: {asked:?}");
        assert_eq!(asked.headers["authorization"], "Bearer sk_live_x");
    }
    let asked = sent(&["order", "buy", "EURUSD", "0.1", "--wait", "0"]).await;
    assert_eq!(asked.headers["prefer"], "respond-async");
}

#[tokio::test]
async fn pending_orders_are_placed_seen_changed_and_cancelled() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let placed = admin(&hub, &["order", "buy", "EURUSD", "0.01", "--limit", "1.05", "--tp", "1.2", "--json"]).await.json();
    assert_eq!(placed[0]["state"], "placed", "{placed:?}");
    let ticket = admin(&hub, &["orders", "--symbol", "EURUSD", "-q"]).await.expect(0);
    let ticket = ticket.trim();
    admin(&hub, &["order", "modify", ticket, "--price", "1.04", "--tp", "none"]).await.expect(0);
    let rows = admin(&hub, &["orders", "--json"]).await.json();
    assert_eq!((rows[0]["price_open"].as_f64(), rows[0]["tp"].as_f64()), (Some(1.04), Some(0.0)));
    admin(&hub, &["order", "cancel", ticket]).await.expect(0);
    assert_eq!(admin(&hub, &["orders", "-q"]).await.expect(0), "");
    assert_eq!(admin(&hub, &["order", "cancel", ticket]).await.code, 4);
    let past = admin(&hub, &["history", "orders", "--from", "2024-03-01", "--json"]).await.json();
    assert!(past.iter().any(|row| row["ticket"].as_u64() == ticket.parse().ok() && row["state_name"] == "canceled"), "{past:?}");
    let check = admin(&hub, &["order", "buy", "EURUSD", "0.10", "--check"]).await;
    assert!(check.code == 0 && check.out.contains("margin"), "{check:?}");
}

#[tokio::test]
async fn the_kill_switch_is_raised_shown_and_lifted() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    assert!(admin(&hub, &["kill", "status"]).await.err.contains("off"));
    assert_eq!(admin(&hub, &["kill", "on"]).await.code, 2, "a reason is required");
    let scope = ["--scope", "1001@Demo-Server", "--reason", "feed looks wrong"];
    admin(&hub, &[&["kill", "on", "--level", "cancel"], &scope[..]].concat()).await.expect(0);
    let shown = admin(&hub, &["kill", "status"]).await.expect(0);
    assert!(shown.contains("1001@Demo-Server") && shown.contains("cancel") && shown.contains("feed looks wrong"), "{shown}");
    let stopped = admin(&hub, &["order", "buy", "EURUSD", "0.01"]).await;
    assert!(stopped.code == 5 && stopped.err.contains("kill_switch"), "{}", stopped.err);
    let key = hub.mint_key(&["trade:reduce"]).await.key;
    assert_eq!(mtbridge(&url(&hub), &key, &[&["kill", "off"], &scope[..]].concat()).await.code, 3, "lifting is an admin's");
    admin(&hub, &[&["kill", "off"], &scope[..]].concat()).await.expect(0);
    admin(&hub, &["order", "buy", "EURUSD", "0.01"]).await.expect(0);

    let armed = admin(&hub, &["deadman", "arm", "300", "--terminal", "1001", "--action", "flatten", "--json"]).await.json();
    assert_eq!((&armed[0]["state"], &armed[0]["action"]), (&json!("armed"), &json!("flatten")));
    assert!(admin(&hub, &["deadman", "status"]).await.expect(0).contains("flatten"));
    admin(&hub, &["deadman", "disarm", "--terminal", "1001"]).await.expect(0);
    assert!(admin(&hub, &["deadman", "status"]).await.err.contains("no timer"));
    assert_eq!(admin(&hub, &["deadman", "arm", "301"]).await.code, 2);
    assert!(admin(&hub, &["incidents"]).await.expect(0).starts_with("INCIDENT"));
}

#[tokio::test]
async fn a_command_is_taken_back_before_the_terminal_begins_it() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let (done, trade) = tokio::join!(admin(&hub, &["order", "buy", "EURUSD", "0.01", "--wait", "0"]), terminal.trade());
    assert_eq!(done.code, 6, "{}", done.err);
    let id = trade.command.to_string();
    let args = ["command", "cancel", &id];
    let (done, query) = tokio::join!(admin(&hub, &args), async {
        let query = terminal.query().await;
        terminal
            .send(Answer {
                command: query.command,
                kind: answer_kind::NOT_SEEN,
                outcome_kind: 0,
                reason: String::new(),
                result: Row::default(),
                proof: 0,
                asked_at: query.asked_at,
            })
            .await;
        query
    });
    assert_eq!((query.command, done.code), (trade.command, 5), "{done:?}");
}
