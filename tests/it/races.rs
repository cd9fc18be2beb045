//! Two things at once, and what each is told.

use std::{sync::Arc, time::Duration};

use mtbridge::{
    domain::ids::CommandId,
    protocol::{
        FromHub,
        codec::Row,
        message::{Answer, answer_kind},
    },
    store::{failing::FailingStore, records},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{FakeTerminal, Heard, TestHub, Token, buy, eventually, fake::accepted, orders, soon};

/// `Trading::admit` asks the store for the key, then reserves a place in the mailbox; a duplicate that comes between its twin's look
/// and its twin's commit finds neither a record nor a place.
#[tokio::test]
async fn a_duplicate_whose_twin_is_being_recorded_is_not_told_that_nothing_was_sent() {
    let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |config| config.terminals.mailbox = 1).await;
    let terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    store.hang_on(records::COMMAND_LISTS);
    let api = hub.admin().with_idempotency("twins");
    let second = async {
        store.hung(1).await;
        // The first of them holds the mailbox's only place while the disk takes its time.
        let second = api.buy(1001);
        tokio::pin!(second);
        let early = tokio::time::timeout(Duration::from_millis(300), &mut second).await;
        store.release();
        match early {
            Ok(answer) => answer,
            Err(_) => second.await,
        }
    };
    let (first, second) = tokio::join!(api.buy(1001), second);
    let first = first.expect(200);
    terminal.agrees_with(&first);
    // "Nothing was sent" about a key under which something was: the caller takes a new key and trades twice.
    assert_eq!((second.status, &second.json["id"]), (200, &first["id"]), "{}", second.json);
}

/// `JsonBody::read` passes serde's words on, which name no field when a type is wrong (serde_path_to_error would).
#[tokio::test]
async fn a_command_of_the_wrong_type_names_its_field() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    for (field, value) in [
        ("volume", json!("0.1")),
        ("magic", json!("x")),
        ("side", json!("hold")),
        ("comment", json!(5)),
        ("ttl_ms", json!("soon")),
    ] {
        let mut order = buy();
        order[field] = value;
        let refused = hub.admin().once().post(&orders(1001), order).await.refused(422, "validation_error");
        assert!(refused["message"].as_str().unwrap().contains(field), "{field}: {refused}");
    }
}

/// `revocation::follow` sees the revoke's record, or its sweep comes by, while `ask_before_cut` still waits for the answers, and cuts
/// the session: the query is dropped with the mailbox, and the command stays unknown with nobody left to ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_is_asked_about_its_open_commands_before_a_revoke_cuts_it() {
    // As long as it takes: a busy machine needs more than the default.
    let hub = TestHub::start_with(|config| config.trading.last_words = Duration::from_secs(20)).await;
    for login in 1001..1041 {
        let mut terminal = hub.fake(login).await;
        let api = hub.admin().once().with("prefer", "respond-async");
        let (answer, trade) = tokio::join!(api.buy(login), terminal.trade());
        let id = answer.expect(202)["id"].as_str().unwrap().to_owned();
        let token = format!("/api/v1/tokens/{}", terminal.token.id);
        let asked = async {
            loop {
                match terminal.next().await {
                    Heard::Message(FromHub::Query(query)) => {
                        assert_eq!(query.command, trade.command);
                        // It never saw it, so it will never execute it.
                        let not_seen = Answer {
                            command: query.command,
                            kind: answer_kind::NOT_SEEN,
                            outcome_kind: 0,
                            reason: String::new(),
                            result: Row::default(),
                            proof: 0,
                            asked_at: 0,
                        };
                        // The cut may come first: that is what the record is asked about below.
                        let _ = terminal.try_send(not_seen).await;
                    }
                    Heard::Message(FromHub::Acknowledge(_)) => {}
                    Heard::Message(other) => panic!("{other:?}"),
                    Heard::Closed(code) => return code,
                }
            }
        };
        let admin = hub.admin();
        let (revoked, code) = tokio::join!(admin.delete(&token), asked);
        assert_eq!((revoked.status, code), (204, 4500));
        let record = hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200);
        assert_eq!(record["state"], "not_executed", "the query before the close frame settles it: {record}");
    }
}

/// A caller who hangs up while the record is being written leaves memory and disk agreed.
#[tokio::test]
async fn a_revoke_whose_caller_hangs_up_revokes_all_the_same() {
    let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |_| {}).await;
    let terminal = hub.terminal(1001).await;
    store.hang();
    let request = format!(
        "DELETE /api/v1/tokens/{} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\n\r\n",
        terminal.token.id, hub.admin_key
    );
    let mut caller = TcpStream::connect(hub.addr()).await.unwrap();
    caller.write_all(request.as_bytes()).await.unwrap();
    soon("the record is being written", store.hung(1)).await;
    drop(caller);
    store.release();
    hub.shows(&terminal.token, "revoked").await;
    terminal.is_gone().await;
}

#[tokio::test]
async fn deleting_an_account_through_one_token_does_not_unlock_another() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let old = terminal.token.clone();
    let rotated = hub.admin().post(&format!("/api/v1/tokens/{}/rotate", old.id), json!({"overlap_s": 3_600})).await.expect(201);
    let successor =
        Token { id: rotated["id"].as_str().unwrap().to_owned(), secret: rotated["token"].as_str().unwrap().to_owned() };
    hub.admin().post(&format!("/api/v1/tokens/{}/disconnect", old.id), json!({"history": "delete"})).await.expect(200);
    hub.restart().await;
    assert_eq!(hub.state_of(&successor).await, "offline");
    let mut thief = FakeTerminal::connect(hub.addr(), &successor).await;
    thief.send(thief.hello(6666)).await;
    assert_eq!(thief.close_code().await, 4502);
    FakeTerminal::enter(hub.addr(), &successor, 1001).await;
}

/// The head of a request is judged when it comes; its body may take its time.
#[tokio::test]
async fn a_key_that_is_revoked_while_its_order_is_on_the_way_does_not_trade() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let minted = hub.admin().post("/api/v1/keys", json!({"permissions": ["trade:write", "read:symbols"]})).await.expect(201);
    let body = buy().to_string();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {}\r\nidempotency-key: slow\r\ncontent-length: {}\r\n\r\n",
        orders(1001),
        minted["key"].as_str().unwrap(),
        body.len()
    );
    let mut slow = TcpStream::connect(hub.addr()).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    // Whether the head was read before or after the revoke, nothing may be executed.
    hub.admin().get("/api/v1/terminals").await.expect(200);
    assert_eq!(hub.admin().delete(&format!("/api/v1/keys/{}", minted["id"].as_str().unwrap())).await.status, 204);
    slow.write_all(body.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    soon("an answer", slow.read_exact(&mut answer)).await.unwrap();
    assert!(["HTTP/1.1 401", "HTTP/1.1 422"].contains(&std::str::from_utf8(&answer).unwrap()), "{answer:?}");
    assert_eq!(terminal.broker().executed().len(), 0);
}

/// A lease is granted by a trade that was sent, not by whoever says so.
#[tokio::test]
async fn a_terminal_cannot_buy_silence_with_an_invented_command() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    terminal.send(accepted(CommandId::from_bytes([7; 16]))).await;
    terminal.send(mtbridge::protocol::message::Log { level: 1, text: "after it".into() }).await;
    let socket = eventually("the message is heard", async || {
        let row = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
        let socket = row["presence"]["socket"].clone();
        (socket["age_ms"].as_i64() < Some(1_000)).then_some(socket).ok_or_else(|| row.to_string())
    })
    .await;
    assert_eq!(socket["value"], "connected", "not busy");
}
