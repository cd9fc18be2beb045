//! The simulated terminal against the real hub: what the demo and every other test stand on.

use std::time::Duration;

use mtbridge::simulator::SimulatedTerminal;

use crate::harness::{TestHub, Token, simulator_config, soon};

#[tokio::test]
async fn a_terminal_with_a_wrong_token_ends_in_the_hubs_own_words() {
    let hub = TestHub::start().await;
    let token = Token { id: String::new(), secret: "mtb_wrong".into() };
    let terminal = SimulatedTerminal::start(simulator_config(&hub.url(), &token, 1001)).unwrap();
    let refused = soon("it is refused", terminal.ended()).await.unwrap_err();
    assert!(refused.reason.starts_with("Error 401: Error 401: unknown token"), "{}", refused.reason);
}

#[tokio::test]
async fn a_terminal_with_a_token_of_another_account_ends_for_good() {
    let hub = TestHub::start().await;
    let owner = hub.terminal(1001).await;
    let thief = SimulatedTerminal::start(simulator_config(&hub.url(), &owner.token, 1002)).unwrap();
    let refused = soon("it is refused", thief.ended()).await.unwrap_err();
    assert!(refused.reason.contains("4502"), "{}", refused.reason);
    assert!(*owner.connected().borrow());
}

#[tokio::test]
async fn a_terminal_waits_for_a_hub_that_is_not_there_yet() {
    let mut hub = TestHub::start().await;
    let token = hub.mint_token().await;
    hub.stop().await;
    let terminal = SimulatedTerminal::start(simulator_config(&hub.url(), &token, 1001)).unwrap();
    hub.start_again().await;
    soon("it connects", terminal.connected().wait_for(|connected| *connected)).await.unwrap();
}

#[tokio::test]
async fn a_drop_is_followed_by_a_new_session_of_the_same_instance_and_a_crash_by_another() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let session = async || hub.admin().get("/api/v1/terminals/1001").await.expect(200)["session"].clone();
    let first = session().await;
    let mut expected = first.clone();
    for (fault, same) in [("drop:after_record", true), ("crash:after_record", false)] {
        terminal.set_faults(vec![fault.parse().unwrap()]);
        hub.admin().once().buy(1001).await;
        let next = crate::harness::eventually("a new session", async || {
            let now = session().await;
            if now.is_object() && now["id"] != expected["id"] { Ok(now) } else { Err(now.to_string()) }
        })
        .await;
        assert_eq!(next["instance"] == expected["instance"], same, "{fault}");
        assert!(next["epoch"].as_u64() > expected["epoch"].as_u64());
        expected = next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_terminals_connect_trade_and_leave() {
    let hub = TestHub::start_with(|config| config.terminals.heartbeat = Duration::from_secs(2)).await;
    let terminals = futures_util::future::join_all((1001..1051).map(|login| hub.terminal(login))).await;
    let list = hub.admin().get("/api/v1/terminals").await.expect(200);
    assert!(list["data"].as_array().unwrap().iter().all(|row| row["state"] == "connected"));
    let orders = (1001..1051).map(|login| {
        let api = hub.admin().once();
        async move { api.buy(login).await.expect(200) }
    });
    let commands = futures_util::future::join_all(orders).await;
    for (terminal, command) in terminals.iter().zip(&commands) {
        terminal.agrees_with(command);
        assert_eq!(terminal.broker().executed().len(), 1, "each its own");
    }
    futures_util::future::join_all(terminals.into_iter().map(|terminal| terminal.sim.stop())).await;
    crate::harness::eventually("all are gone", async || {
        let ready = hub.admin().get("/readyz").await.expect(200);
        if ready["terminals"] == 0 { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
}
