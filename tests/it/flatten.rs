//! A kill switch that is carried out: pending orders deleted, positions closed.

use mtbridge::{
    domain::trade::{Order, action},
    protocol::{
        FromHub,
        codec::write_rows,
        message::{Outcome, Reply},
    },
};
use serde_json::json;

use crate::harness::{
    Heard, TestHub,
    controls::{ACCOUNT, Shown, close, set, state_is},
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

#[tokio::test]
async fn a_terminal_that_does_not_answer_holds_up_no_other_accounts_flatten() {
    let hub = TestHub::start().await;
    let mut slow = hub.fake(1001).await;
    let mut quick = hub.fake(2002).await;
    let shown = Shown { positions: vec![Shown::long(7, 0.3)], ..Shown::default() };
    set(&hub.admin(), "owner", "flatten").await;
    let asked = match slow.next().await {
        Heard::Message(FromHub::GetOrders(get)) => get.call,
        other => panic!("{other:?}"),
    };
    // Whatever the hub says to the slow one before that, it says after it has given up waiting for it.
    let closes = tokio::select! {
        trade = shown.trade(&mut quick) => trade,
        heard = slow.next_whenever() => panic!("the other account waited: {heard:?}"),
    };
    assert_eq!(closes.request.0.position, 7);
    let pending = Order { ticket: 70, symbol: "EURUSD".into(), ..Order::default() };
    slow.send(Reply { call: asked, body: write_rows(&[pending]), ..Reply::default() }).await;
    assert_eq!(slow.trade().await.request.0.order, 70, "its own look goes on where it was");
}

#[tokio::test]
async fn a_position_above_the_largest_order_is_closed_in_several() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let mut shown = Shown { positions: vec![Shown::long(7, 1.5)], largest: 1.0, ..Shown::default() };
    set(&hub.admin(), ACCOUNT, "flatten").await;
    for (volume, left) in [(1.0, 0.5), (0.5, 0.0)] {
        let closes = shown.trade(&mut terminal).await;
        assert_eq!((closes.request.0.position, closes.request.0.volume), (7, volume));
        terminal.send(executed(&closes, 8)).await;
        shown.positions[0].volume = left;
    }
}

#[tokio::test]
async fn flatten_leaves_alone_what_was_just_closed_and_is_still_shown() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let shown = Shown { positions: vec![Shown::long(7, 0.3)], ..Shown::default() };
    let api = hub.admin().once();
    let path = close(7);
    let playing = async {
        let trade = shown.trade(&mut terminal).await;
        terminal.send(executed(&trade, 8)).await;
    };
    let (answer, ()) = tokio::join!(api.post(&path, json!({"filling": "fok"})), playing);
    answer.expect(200);
    // MetaTrader's list shows it still. (Of two looks at once, one would be for a close that is about to be sent.)
    let looked_at = shown.looks.get();
    set(&hub.admin(), ACCOUNT, "flatten").await;
    while shown.looks.get() < looked_at + 3 {
        let sent = shown.one(&mut terminal).await;
        assert!(sent.is_none(), "closed twice: {sent:?}");
    }
}
