//! Commands after they were made: cancelled, deleted, listed.

use mtbridge::protocol::{
    codec::Row,
    message::{Answer, Outcome, answer_kind, proof},
};
use serde_json::{Value, json};

use crate::harness::{
    FakeTerminal, TestHub, buy,
    controls::{state_is, under_way},
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
