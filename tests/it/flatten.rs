//! A kill switch that is carried out: pending orders deleted, positions closed.

use mtbridge::{
    domain::trade::{Order, action},
    protocol::message::Outcome,
};

use crate::harness::{
    TestHub,
    controls::{ACCOUNT, Shown, set, state_is},
    eventually,
    fake::{ea_refused, executed},
};

#[tokio::test]
async fn flatten_deletes_and_closes_one_by_one_and_never_twice_while_the_first_may_still_run() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let pending = Order { ticket: 70, symbol: "EURUSD".into(), kind: 2, volume_current: 0.2, ..Order::default() };
    let mut shown = Shown { positions: vec![Shown::long(7, 0.3)], orders: vec![pending], ..Shown::default() };
    set(&hub.admin(), ACCOUNT, "flatten").await;
    let deletes = shown.trade(&mut terminal).await;
    assert_eq!((deletes.request.0.action, deletes.request.0.order), (action::REMOVE, 70));
    let closes = shown.trade(&mut terminal).await;
    let request = &closes.request.0;
    assert_eq!((request.action, request.position, request.kind, request.volume), (action::DEAL, 7, 1, 0.3));
    terminal.send(executed(&deletes, 0)).await;
    shown.orders.clear();
    // The close gets a retcode that proves nothing: as long as it may have run, no second one.
    let Outcome { mut result, .. } = executed(&closes, 0);
    result.0.retcode = 10_012;
    terminal.send(Outcome { command: closes.command, kind: 0, reason: String::new(), result }).await;
    let id = closes.command.to_string();
    shown.while_nothing_is_sent(&mut terminal, state_is(&hub, &id, "unknown")).await;
    // The account is looked at again and again, and nothing follows.
    let looked_at = shown.looks.get();
    while shown.looks.get() < looked_at + 3 {
        let sent = shown.one(&mut terminal).await;
        assert!(sent.is_none(), "a second close while the first may still run: {sent:?}");
    }
    // It is proved not to have run: now another attempt follows, as a command of its own.
    terminal.send(ea_refused(&closes)).await;
    let again = shown.trade(&mut terminal).await;
    assert_ne!(again.command, closes.command);
    assert_eq!(again.request.0.position, 7);
    terminal.send(executed(&again, 9)).await;
    shown.positions.clear();
    let record = shown.while_nothing_is_sent(&mut terminal, hub.admin().final_command(&again.command.to_string())).await;
    assert_eq!(record["state"], "executed");
}

#[tokio::test]
async fn flatten_clears_a_simulated_account_over_a_restart_of_the_hub() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    for _ in 0..3 {
        hub.admin().once().buy(1001).await.expect(200);
    }
    // Nothing can be done now; the switch waits for its terminal.
    terminal.set_switches(mtbridge::simulator::Switches { broker_link: false, ..Default::default() });
    eventually("the link is down", async || {
        let seen = hub.admin().get("/api/v1/terminals/1001").await.expect(200);
        if seen["presence"]["broker_link"]["value"] == false { Ok(()) } else { Err(seen["presence"].to_string()) }
    })
    .await;
    set(&hub.admin(), "owner", "flatten").await;
    assert_eq!(terminal.broker().positions().len(), 3);
    hub.restart().await;
    hub.shows(&terminal.token, "connected").await;
    terminal.set_switches(mtbridge::simulator::Switches::default());
    eventually("the account is flat", async || {
        let left = terminal.broker().positions().len();
        if left == 0 { Ok(()) } else { Err(left.to_string()) }
    })
    .await;
    assert_eq!(terminal.broker().executed().len(), 6, "three deals opened, three closed");
}
