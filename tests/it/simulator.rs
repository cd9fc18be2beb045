//! The simulated terminal against the real hub: what the demo and every other test stand on.

use std::{sync::Arc, time::Duration};

use mtbridge::simulator::{Origin, bars::epoch, control::Control, fleet::Fleet};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Api, Machine, TestHub, Token, client, simulator_config, soon};

#[tokio::test]
async fn a_terminal_with_a_wrong_token_ends_in_the_hubs_own_words() {
    let hub = TestHub::start().await;
    let token = Token { id: String::new(), secret: "mtb_wrong".into() };
    let terminal = Machine::start(simulator_config(&hub.url(), &token, 1001)).unwrap();
    let refused = soon("it is refused", terminal.ended()).await.unwrap_err();
    assert!(refused.reason.starts_with("Error 401: unknown token"), "{}", refused.reason);
}

#[tokio::test]
async fn a_terminal_with_a_token_of_another_account_ends_for_good() {
    let hub = TestHub::start().await;
    let owner = hub.terminal(1001).await;
    let thief = Machine::start(simulator_config(&hub.url(), &owner.token, 1002)).unwrap();
    let refused = soon("it is refused", thief.ended()).await.unwrap_err();
    assert!(refused.reason.contains("4502"), "{}", refused.reason);
    assert!(*owner.connected().borrow());
}

#[tokio::test]
async fn a_terminal_waits_for_a_hub_that_is_not_there_yet() {
    let mut hub = TestHub::start().await;
    let token = hub.mint_token().await;
    hub.stop().await;
    let terminal = Machine::start(simulator_config(&hub.url(), &token, 1001)).unwrap();
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
    let hub = TestHub::start_with(|config| {
        config.terminals.heartbeat = Duration::from_secs(2);
        // Fifty programs on a small machine may be late for the usual 3 seconds.
        config.trading.market_ttl = Duration::from_secs(15);
    })
    .await;
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

#[tokio::test]
async fn every_deal_leads_back_to_a_request_of_a_command_or_to_the_brokers_own_reason() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal_with(1001, |config| config.start = Some(epoch("2024.03.08 15:00").unwrap())).await;
    let send = async |request: Value| {
        let command = hub.admin().once().post("/api/v1/terminals/1001/trade", request).await.expect(200);
        assert!(["executed", "placed"].contains(&command["state"].as_str().unwrap()), "{command}");
        command
    };
    // The labour figures of 15:30 carry the price from 1.0940 down to 1.0918 and then above 1.0979.
    let market = send(json!({"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "sl": 1.0905, "tp": 1.0975})).await;
    let standing =
        send(json!({"action": 5, "symbol": "EURUSD", "volume": 0.2, "type": 3, "price": 1.0979, "type_filling": 2})).await;
    terminal.broker().advance(Duration::from_secs(3_600)).unwrap();
    let origins: Vec<_> = terminal.broker().origins().into_iter().map(|(deal, origin)| (deal.order, origin)).collect();
    let ticket = |command: &Value| command["result"]["order"].as_u64().unwrap();
    assert_eq!(origins.len(), 4, "{origins:?}");
    assert_eq!((origins[0].1, origins[2].1), (Origin::Deposit, Origin::TakeProfit), "{origins:?}");
    assert_eq!(origins[1], (ticket(&market), Origin::Request(1)));
    assert_eq!(origins[3], (ticket(&standing), Origin::Request(2)), "it opened long after it was placed");
    let tags: Vec<_> = terminal.broker().executed().iter().map(|one| one.request.magic).collect();
    assert_eq!(tags, [&market, &standing].map(|command| command["tag"].as_u64().unwrap()));
}

#[tokio::test]
async fn a_control_call_breaks_a_terminal_that_the_hub_trades_with() {
    let hub = TestHub::start().await;
    let token = hub.mint_token().await;
    let fleet = Arc::new(Fleet::default());
    fleet.add(simulator_config(&hub.url(), &token, 1001)).unwrap();
    let control = Control::serve(([127, 0, 0, 1], 0).into(), fleet.clone()).await.unwrap();
    let terminal = fleet.terminal(1001).unwrap();
    soon("it connects", terminal.connected().wait_for(|connected| *connected)).await.unwrap();
    let controlled = Api::new(&format!("http://{}", control.addr()), "", client());
    controlled
        .send(Method::PUT, "/terminals/1001/faults", Some(json!({"faults": ["requote"]}).to_string()))
        .await
        .unwrap()
        .expect(200);
    assert_eq!(hub.admin().once().buy(1001).await.status, 422, "the broker said no");
    hub.admin().once().buy(1001).await.expect(200);
    let ledger = controlled.get("/terminals/1001/ledger").await.expect(200);
    let codes: Vec<_> = ledger["requests"].as_array().unwrap().iter().map(|one| one["result"]["retcode"].clone()).collect();
    assert_eq!(codes, [10_004, 10_009]);
    assert_eq!(ledger["deals"][1]["origin"], json!({"request_id": 2}));
    fleet.stop().await;
    control.stop().await;
}
