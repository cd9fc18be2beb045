//! Live data: what somebody follows is asked of each terminal once, and the newest of it is told with its age.

use std::sync::Arc;

use mtbridge::{
    domain::{
        account::AccountInfo,
        market::Tick,
        trade::{Order, Position},
    },
    market::feed::{State, Subscription, Topic, Trouble, Value},
    protocol::{
        FromHub,
        codec::{Row, write_record, write_rows},
        message::{Quote, Reply, Transaction, reply_status, transaction_kind},
    },
};

use crate::harness::{FakeTerminal, Heard, TestHub, fresh, soon};

fn quote(symbol: &str) -> Topic {
    Topic::Quote(symbol.to_owned())
}

/// Waits for a state that is so.
async fn shows(subscription: &mut Subscription, what: &str, is: impl Fn(&State) -> bool) -> Arc<State> {
    soon(what, async {
        loop {
            let state = subscription.changed().await;
            if is(&state) {
                return state;
            }
        }
    })
    .await
}

fn is_fresh(state: &State) -> bool {
    state.trouble.is_none() && state.value.is_some()
}

fn bid(state: &Arc<State>) -> f64 {
    match &state.value {
        Some(Value::Quote(tick)) => tick.bid,
        other => panic!("no quote but {other:?}"),
    }
}

fn tick(bid: f64) -> Tick {
    Tick { time: 1_710_000_000, time_msc: 1_710_000_000_000, bid, ask: bid + 0.0001, ..Tick::default() }
}

/// Answers a read as a terminal does that has one position and EURUSD at this price.
fn answer(question: &FromHub, price: f64) -> Reply {
    let (call, status, body) = match question {
        FromHub::GetQuotes(get) => {
            let known = get.symbols.iter().filter(|symbol| *symbol == "EURUSD");
            let rows: Vec<_> = known.map(|symbol| Quote { symbol: symbol.clone(), tick: Row(tick(price)) }).collect();
            (get.call, reply_status::OK, write_rows(&rows))
        }
        FromHub::GetPositions(get) => (
            get.call,
            reply_status::OK,
            write_rows(&[Position { ticket: 7, symbol: "EURUSD".into(), price_current: price, ..Position::default() }]),
        ),
        FromHub::GetOrders(get) => (get.call, reply_status::OK, write_rows::<Order>(&[])),
        FromHub::GetAccount(get) => {
            (get.call, reply_status::OK, write_record(&AccountInfo { balance: price, ..AccountInfo::default() }))
        }
        FromHub::GetDepth(get) => (get.call, reply_status::UNSUPPORTED, Vec::new()),
        other => panic!("no read but {other:?}"),
    };
    Reply { call, status, body, ..Reply::default() }
}

/// The next read that the hub sends.
async fn read(terminal: &mut FakeTerminal) -> FromHub {
    match terminal.next().await {
        Heard::Message(message) => message,
        other => panic!("no read but {other:?}"),
    }
}

#[tokio::test]
async fn what_a_terminal_cannot_push_is_read_once_however_many_follow_it() {
    let hub = TestHub::start_with(|config| config.stream.read_every = std::time::Duration::from_secs(600)).await;
    let login = fresh();
    let mut terminal = hub.fake(login).await;
    let mut readers: Vec<_> = (0..10).map(|_| hub.follow(login, Topic::Positions)).collect();
    let question = read(&mut terminal).await;
    assert!(matches!(question, FromHub::GetPositions(_)), "{question:?}");
    terminal.send(answer(&question, 1.1)).await;
    for reader in &mut readers {
        let state = shows(reader, "the position", is_fresh).await;
        assert!(matches!(&state.value, Some(Value::Positions(rows)) if rows[0].ticket == 7), "{state:?}");
    }
    // The next read is due in ten minutes, but for news of the account.
    terminal.send(Transaction { seq: 1, kind: transaction_kind::POSITION, ..Transaction::default() }).await;
    let question = read(&mut terminal).await;
    assert!(matches!(question, FromHub::GetPositions(_)), "{question:?}");
    terminal.send(answer(&question, 1.2)).await;
    for reader in &mut readers {
        shows(
            reader,
            "the new price",
            |state| matches!(&state.value, Some(Value::Positions(rows)) if rows[0].price_current == 1.2),
        )
        .await;
    }
}

#[tokio::test]
async fn each_thing_that_is_followed_is_read_and_what_cannot_be_had_is_said() {
    let hub = TestHub::start().await;
    let login = fresh();
    let mut terminal = hub.fake(login).await;
    let mut euro = hub.follow(login, quote("EURUSD"));
    let mut unknown = hub.follow(login, quote("NOPE"));
    let mut depth = hub.follow(login, Topic::Depth("EURUSD".into()));
    let mut account = hub.follow(login, Topic::Account);
    let mut orders = hub.follow(login, Topic::Orders);
    let answering = async {
        loop {
            let question = read(&mut terminal).await;
            terminal.send(answer(&question, 1.1)).await;
        }
    };
    let following = async {
        assert_eq!(bid(&shows(&mut euro, "the quote", is_fresh).await), 1.1);
        shows(&mut unknown, "no such symbol", |state| state.trouble == Some(Trouble::UnknownSymbol)).await;
        shows(&mut depth, "no depth here", |state| matches!(state.trouble, Some(Trouble::Unsupported(_)))).await;
        let state = shows(&mut account, "the account", is_fresh).await;
        assert!(matches!(&state.value, Some(Value::Account(info)) if info.balance == 1.1), "{state:?}");
        let state = shows(&mut orders, "the orders", is_fresh).await;
        assert_eq!(state.value, Some(Value::Orders(Vec::new())));
    };
    tokio::select! {
        () = following => {}
        () = answering => {}
    }
}

#[tokio::test]
async fn a_terminal_that_goes_is_said_and_what_was_followed_goes_on_when_it_is_back() {
    let hub = TestHub::start().await;
    let login = fresh();
    let mut account = hub.follow(login, Topic::Account);
    let state = shows(&mut account, "nobody is there", |state| state.trouble == Some(Trouble::Offline)).await;
    assert_eq!(state.value, None);
    let mut terminal = hub.fake(login).await;
    let token = terminal.token.clone();
    let question = read(&mut terminal).await;
    terminal.send(answer(&question, 1.1)).await;
    let first = shows(&mut account, "the account", is_fresh).await;
    drop(terminal);
    let gone = shows(&mut account, "it is gone", |state| state.trouble == Some(Trouble::Offline)).await;
    assert_eq!((&gone.value, gone.at), (&first.value, account.latest().unwrap().at), "the last value stays, with its age");
    let mut terminal = FakeTerminal::enter(hub.config.listen, &token, login).await;
    let question = read(&mut terminal).await;
    terminal.send(answer(&question, 1.2)).await;
    let state = shows(&mut account, "it is back", is_fresh).await;
    assert!(matches!(&state.value, Some(Value::Account(info)) if info.balance == 1.2), "{state:?}");
    assert!(state.at >= gone.at);
}
