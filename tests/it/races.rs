//! Two things at once, and what each is told.

use std::{sync::Arc, time::Duration};

use mtbridge::{
    protocol::{
        FromHub,
        codec::Row,
        message::{Answer, answer_kind},
    },
    store::failing::FailingStore,
};
use serde_json::json;

use crate::harness::{Heard, TestHub, buy, orders};

/// `Trading::admit` asks the store for the key, then reserves a place in the mailbox; a duplicate that comes between its twin's look
/// and its twin's commit finds neither a record nor a place.
#[tokio::test]
async fn a_duplicate_whose_twin_is_being_recorded_is_not_told_that_nothing_was_sent() {
    let (hub, store) = TestHub::over(|store| Arc::new(FailingStore::new(store)), |config| config.terminals.mailbox = 1).await;
    let terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    store.hang();
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
    let hub = TestHub::start().await;
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
