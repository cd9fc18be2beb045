//! The equity that the hub keeps, as a caller sees it. The bars are cut by the wall clock, so the tests ask for what lies in all of them together.

use mtbridge::protocol::message::Status;
use serde_json::{Value, json};

use crate::harness::{Api, FakeTerminal, TestHub, Token, eventually, fake::all_on};

const PATH: &str = "/api/v1/terminals/1001/equity";

fn figures(balance: f64, equity: f64) -> Status {
    Status { balance, equity, ..all_on() }
}

/// Lowest, highest and last equity and last balance of all bars; none without a bar.
fn all(told: &Value) -> Option<[f64; 4]> {
    let rows = told["data"].as_array().unwrap();
    let of = |name: &'static str| rows.iter().map(move |row| row[name].as_f64().unwrap());
    Some([of("low").reduce(f64::min)?, of("high").reduce(f64::max)?, of("equity").next_back()?, of("balance").next_back()?])
}

async fn shows(api: &Api, query: &str, figures: [f64; 4]) -> Value {
    eventually(&format!("{figures:?}"), async || {
        let told = api.get(&format!("{PATH}{query}")).await.expect(200);
        if all(&told) == Some(figures) { Ok(told) } else { Err(told.to_string()) }
    })
    .await
}

/// A terminal of account 1001 that has its first figures with its first Status, so that there are no others.
async fn enter(hub: &TestHub, token: &Token, first: Status) -> FakeTerminal {
    let mut terminal = FakeTerminal::connect(hub.addr(), token).await;
    terminal.send(terminal.hello(1001)).await;
    terminal.welcome().await;
    terminal.send(first).await;
    terminal
}

#[tokio::test]
async fn what_a_terminal_says_is_kept_over_its_absence_and_a_restart_which_adds_to_what_had_begun() {
    let mut hub = TestHub::start().await;
    let (api, token) = (hub.mint_key(&["read:account"]).await, hub.mint_token().await);
    let mut terminal = enter(&hub, &token, figures(1_000.0, 1_000.0)).await;
    for equity in [950.5, 1_100.25, 1_020.0] {
        terminal.send(figures(1_000.0, equity)).await;
    }
    let told = shows(&api, "", [950.5, 1_100.25, 1_020.0, 1_000.0]).await;
    assert_eq!((&told["resolution"], &told["terminal"], &told["next_cursor"]), (&json!("5m"), &json!(token.id), &Value::Null));
    let first = &told["data"][0];
    assert_eq!((&told["since"], first["time_msc"].as_i64().unwrap() % 300_000), (&first["time"], 0));
    drop(terminal);
    hub.shows(&token, "offline").await;
    shows(&api, "", [950.5, 1_100.25, 1_020.0, 1_000.0]).await;
    hub.restart().await;
    shows(&api, "?resolution=1h", [950.5, 1_100.25, 1_020.0, 1_000.0]).await;
    let _terminal = enter(&hub, &token, figures(990.0, 1_050.0)).await;
    shows(&api, "?resolution=1d", [950.5, 1_100.25, 1_050.0, 990.0]).await;
    let since = first["time_msc"].as_i64().unwrap();
    shows(&api, &format!("?from={since}"), [950.5, 1_100.25, 1_050.0, 990.0]).await;
    let none = api.get(&format!("{PATH}?to={since}")).await.expect(200);
    assert_eq!((all(&none), &none["since"]), (None, &told["since"]));
    for query in ["?resolution=2h", "?from=yesterday", "?cursor=0", "?limit=-1", "?bars=1"] {
        api.get(&format!("{PATH}{query}")).await.refused(422, "validation_error");
    }
}

#[tokio::test]
async fn figures_of_a_terminal_without_its_broker_and_those_that_are_none_are_not_kept() {
    let hub = TestHub::start().await;
    let (api, token) = (hub.admin(), hub.mint_token().await);
    let mut terminal = enter(&hub, &token, Status { broker_link: false, ..figures(9.0, 9.0) }).await;
    terminal.send(figures(7.0, f64::NAN)).await;
    terminal.send(Status { broker_link: false, ..figures(8.0, 8.0) }).await;
    terminal.send(figures(1_000.0, 1_001.0)).await;
    shows(&api, "", [1_001.0, 1_001.0, 1_001.0, 1_000.0]).await;
}

#[tokio::test]
async fn a_deleted_account_takes_its_equity_along_and_another_user_never_sees_it() {
    let hub = TestHub::start().await;
    let (api, token) = (hub.admin(), hub.mint_token().await);
    let _terminal = enter(&hub, &token, figures(1_000.0, 1_001.0)).await;
    shows(&api, "", [1_001.0, 1_001.0, 1_001.0, 1_000.0]).await;
    let operator = hub.user(&api, "owner").await;
    let other = hub.user(&operator, "owner").await;
    other.get(PATH).await.refused(404, "terminal_not_found");
    let theirs = other.mint_token().await;
    let mut second = enter(&hub, &theirs, figures(5.0, 5.0)).await;
    shows(&other, "", [5.0, 5.0, 5.0, 5.0]).await;
    shows(&api, "", [1_001.0, 1_001.0, 1_001.0, 1_000.0]).await;
    api.post(&format!("/api/v1/tokens/{}/disconnect", token.id), json!({"history": "delete"})).await.expect(200);
    let _terminal = enter(&hub, &token, figures(2_000.0, 2_002.0)).await;
    shows(&api, "", [2_002.0, 2_002.0, 2_002.0, 2_000.0]).await;
    second.send(figures(5.0, 6.0)).await;
    shows(&other, "", [5.0, 6.0, 6.0, 5.0]).await;
}

#[tokio::test]
async fn with_a_retention_of_nothing_nothing_is_kept() {
    let hub = TestHub::start_with(|config| config.history.equity = std::time::Duration::ZERO).await;
    let (api, token) = (hub.admin(), hub.mint_token().await);
    let _terminal = enter(&hub, &token, figures(1_000.0, 1_001.0)).await;
    eventually("its Status", async || {
        let seen = api.get("/api/v1/terminals/1001").await.expect(200);
        if seen["presence"]["broker_link"]["value"] == true { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
    assert_eq!(all(&api.get(PATH).await.expect(200)), None);
}
