//! Live data: what somebody follows is asked of each terminal once, and the newest of it is told with its age.

use std::{sync::Arc, time::Duration};

use mtbridge::{
    domain::{
        account::{AccountInfo, Platform},
        market::{Bar, Tick},
        trade::{Order, Position},
    },
    market::feed::{LiveBars, State, Subscription, Topic, Trouble, Value},
    protocol::{
        FromHub,
        codec::{Row, write_record, write_rows},
        message::{
            BarsBody, Hello, LiveQuote, LiveSeries, PushBars, PushQuotes, Quote, Reply, Series, Subscribe, Transaction, feature,
            reply_status, transaction_kind,
        },
    },
};
use serde_json::json;

use crate::harness::{
    FakeTerminal, Heard, TestHub, Token, buy, eventually,
    fake::{accepted, all_on, executed},
    fresh, orders, platform, soon,
};

/// A terminal that tells quotes and bars by itself.
async fn pushing(hub: &TestHub, login: u64) -> FakeTerminal {
    enter(hub, &hub.mint_token().await, login).await
}

async fn enter(hub: &TestHub, token: &Token, login: u64) -> FakeTerminal {
    let mut terminal = FakeTerminal::connect(hub.config.listen, token).await;
    let hello = Hello { features: feature::SUBSCRIBE, ..terminal.hello(login) };
    terminal.send(hello).await;
    assert_eq!(terminal.welcome().await.subscriptions, Vec::<String>::new());
    terminal.send(all_on()).await;
    terminal
}

/// What the hub wants of the terminal; it must be the next thing that it says.
async fn subscribe(terminal: &mut FakeTerminal) -> Subscribe {
    match terminal.next().await {
        Heard::Message(FromHub::Subscribe(subscribe)) => subscribe,
        other => panic!("no Subscribe but {other:?}"),
    }
}

fn symbols(symbols: &[&str]) -> Subscribe {
    Subscribe { quotes: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(), bars: Vec::new() }
}

fn bars(symbol: &str, timeframe: &str) -> Topic {
    Topic::Bars(symbol.to_owned(), timeframe.parse().unwrap())
}

fn push(rows: &[(&str, u8, f64)]) -> PushQuotes {
    let row = |(symbol, status, price): &(&str, u8, f64)| LiveQuote {
        symbol: (*symbol).to_owned(),
        status: *status,
        tick: Row(tick(*price)),
    };
    PushQuotes { quotes: rows.iter().map(row).map(Row).collect() }
}

fn bar(time: i64, close: f64) -> Bar {
    Bar { time, open: 1.0, high: 2.0, low: 0.5, close, tick_volume: 3, spread: 1, real_volume: 0 }
}

fn packed(bars: &[Bar]) -> Vec<u8> {
    let mut rates = Vec::new();
    bars.iter().for_each(|bar| bar.pack_into(&mut rates));
    rates
}

fn live(state: &State) -> LiveBars {
    match &state.value {
        Some(Value::Bars(bars)) => *bars,
        other => panic!("no bars but {other:?}"),
    }
}

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
        FromHub::GetBars(get) => {
            let body = BarsBody {
                forming_open: 1_710_000_060,
                oldest: 60,
                rates: packed(&[bar(1_710_000_000, 1.4), bar(1_710_000_060, price)]),
            };
            (get.call, reply_status::OK, write_record(&body))
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
async fn of_an_older_expert_advisor_all_that_is_followed_is_read_and_what_cannot_be_had_is_said() {
    let hub = TestHub::start().await;
    let login = fresh();
    let mut terminal = hub.fake(login).await;
    let mut euro = hub.follow(login, quote("EURUSD"));
    let mut unknown = hub.follow(login, quote("NOPE"));
    let mut minutes = hub.follow(login, bars("EURUSD", "M1"));
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
        let state = shows(&mut minutes, "the bars", is_fresh).await;
        assert_eq!(live(&state), LiveBars { closed: Some(bar(1_710_000_000, 1.4)), forming: bar(1_710_000_060, 1.1) });
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

#[tokio::test]
async fn ten_readers_are_one_subscription_and_the_last_one_to_go_ends_it() {
    let hub = TestHub::start().await;
    let login = fresh();
    let mut terminal = pushing(&hub, login).await;
    let mut readers: Vec<_> = (0..10).map(|_| hub.follow(login, quote("EURUSD"))).collect();
    assert_eq!(subscribe(&mut terminal).await, symbols(&["EURUSD"]));
    terminal.send(push(&[("EURUSD", reply_status::OK, 1.1), ("GBPUSD", reply_status::OK, 9.9)])).await;
    for reader in &mut readers {
        let state = shows(reader, "the quote", is_fresh).await;
        assert_eq!((bid(&state), state.clock.to_utc(1_710_000_000)), (1.1, 1_710_000_000 - 7_200));
    }
    let mut hours = hub.follow(login, bars("EURUSD", "H1"));
    let series = Row(Series { symbol: "EURUSD".into(), timeframe: 16_385 });
    assert_eq!(subscribe(&mut terminal).await, Subscribe { bars: vec![series], ..symbols(&["EURUSD"]) });
    let rates = packed(&[bar(1_709_996_400, 1.1), bar(1_710_000_000, 1.2)]);
    let row = LiveSeries { symbol: "EURUSD".into(), timeframe: 16_385, status: reply_status::OK, rates };
    terminal.send(PushBars { bars: vec![Row(row)] }).await;
    let state = shows(&mut hours, "the bars", is_fresh).await;
    assert_eq!(live(&state), LiveBars { closed: Some(bar(1_709_996_400, 1.1)), forming: bar(1_710_000_000, 1.2) });
    drop(hours);
    assert_eq!(subscribe(&mut terminal).await, symbols(&["EURUSD"]));
    // Nine go without a word to the terminal: what it hears next is the end.
    readers.truncate(1);
    drop(readers);
    assert_eq!(subscribe(&mut terminal).await, Subscribe::default());
    // And a reader that comes later begins it again.
    let _reader = hub.follow(login, quote("EURUSD"));
    assert_eq!(subscribe(&mut terminal).await, symbols(&["EURUSD"]));
}

#[tokio::test]
async fn a_quote_from_before_anybody_followed_it_is_not_told_as_the_newest() {
    let hub = TestHub::start().await;
    let mut terminal = pushing(&hub, 1001).await;
    let admin = hub.admin();
    let saying = async {
        let question = read(&mut terminal).await;
        terminal.send(push(&[("EURUSD", reply_status::OK, 9.9)])).await;
        // Once this is heard, so was the quote before it.
        terminal.send(answer(&question, 1.0)).await;
    };
    let (account, ()) = tokio::join!(admin.get("/api/v1/terminals/1001/account"), saying);
    account.expect(200);
    let mut reader = hub.follow(1001, quote("EURUSD"));
    assert_eq!(subscribe(&mut terminal).await, symbols(&["EURUSD"]));
    terminal.send(push(&[("EURUSD", reply_status::OK, 1.1)])).await;
    assert_eq!(bid(&soon("a quote", reader.changed()).await), 1.1);
}

#[tokio::test]
async fn a_terminal_that_comes_back_is_told_again_what_is_wanted() {
    let hub = TestHub::start().await;
    let login = fresh();
    let mut reader = hub.follow(login, quote("EURUSD"));
    let mut terminal = pushing(&hub, login).await;
    assert_eq!(subscribe(&mut terminal).await, symbols(&["EURUSD"]));
    terminal.send(push(&[("EURUSD", reply_status::OK, 1.1)])).await;
    let before = shows(&mut reader, "the quote", is_fresh).await;
    let token = terminal.token.clone();
    drop(terminal);
    let gone = shows(&mut reader, "it is gone", |state| state.trouble == Some(Trouble::Offline)).await;
    assert_eq!((bid(&gone), gone.at), (1.1, before.at), "the quote stays, and says how old it is");
    let mut terminal = enter(&hub, &token, login).await;
    assert_eq!(subscribe(&mut terminal).await, symbols(&["EURUSD"]));
    assert_eq!(reader.latest().unwrap().trouble, Some(Trouble::Offline), "until it says something");
    terminal.send(push(&[("EURUSD", reply_status::OK, 1.2)])).await;
    assert_eq!(bid(&shows(&mut reader, "it is back", is_fresh).await), 1.2);
}

#[tokio::test]
async fn what_a_terminal_does_not_have_or_says_wrong_is_told_and_changes_nothing_else() {
    let hub = TestHub::start().await;
    let login = fresh();
    let mut terminal = pushing(&hub, login).await;
    let mut unknown = hub.follow(login, quote("NOPE"));
    let mut euro = hub.follow(login, quote("EURUSD"));
    let mut no_name = hub.follow(login, quote(&"X".repeat(65)));
    shows(&mut no_name, "no symbol is called so", |state| state.trouble == Some(Trouble::UnknownSymbol)).await;
    while subscribe(&mut terminal).await != symbols(&["EURUSD", "NOPE"]) {}
    terminal.send(push(&[("NOPE", reply_status::NOT_FOUND, 0.0), ("EURUSD", reply_status::OK, 1.1)])).await;
    shows(&mut unknown, "no such symbol", |state| state.trouble == Some(Trouble::UnknownSymbol)).await;
    assert_eq!(bid(&shows(&mut euro, "the quote", is_fresh).await), 1.1);
    terminal.send(push(&[("EURUSD", reply_status::OK, f64::NAN)])).await;
    let state = shows(&mut euro, "no number", |state| matches!(state.trouble, Some(Trouble::Silent(_)))).await;
    assert_eq!(bid(&state), 1.1, "what is no number is no quote");
    terminal.send(push(&[("EURUSD", reply_status::OK, 1.3)])).await;
    assert_eq!(bid(&shows(&mut euro, "the next quote", is_fresh).await), 1.3);
}

#[tokio::test]
async fn a_reader_that_does_not_read_finds_the_newest_quote_and_nothing_of_those_before() {
    let hub = TestHub::start().await;
    let login = fresh();
    let mut terminal = pushing(&hub, login).await;
    let (mut slow, mut fast) = (hub.follow(login, quote("EURUSD")), hub.follow(login, quote("EURUSD")));
    subscribe(&mut terminal).await;
    for n in 0..500 {
        terminal.send(push(&[("EURUSD", reply_status::OK, 1.0 + f64::from(n))])).await;
    }
    let newest = shows(&mut fast, "the newest", |state| {
        is_fresh(state) && matches!(&state.value, Some(Value::Quote(tick)) if tick.bid == 500.0)
    })
    .await;
    assert_eq!(soon("a quote", slow.changed()).await, newest, "the first that it sees is the last one");
}

#[tokio::test]
async fn a_flood_of_quotes_that_nobody_reads_keeps_no_trade_and_no_sign_of_life_waiting() {
    let hub = TestHub::start().await;
    let mut terminal = pushing(&hub, 1001).await;
    let reader = hub.follow(1001, quote("EURUSD"));
    subscribe(&mut terminal).await;
    let ordering = async { hub.admin().with_idempotency("flooded").post(&orders(1001), buy()).await.expect(200) };
    let playing = async {
        let trade = terminal.trade().await;
        terminal.send(accepted(trade.command)).await;
        for n in 0..5_000 {
            terminal.send(push(&[("EURUSD", reply_status::OK, 1.0 + f64::from(n))])).await;
        }
        terminal.send(executed(&trade, 7)).await;
        // Behind five thousand quotes, and yet: the very next thing from the hub is its word that it is written down.
        assert_eq!(terminal.acknowledged().await, trade.command);
    };
    let (command, ()) = tokio::join!(ordering, playing);
    assert_eq!(command["state"], "executed", "{command}");
    assert!(reader.latest().is_some());
}

#[tokio::test]
async fn a_terminal_is_asked_for_as_much_as_it_can_bear_and_whoever_waits_comes_in_when_one_goes() {
    let hub = TestHub::start().await;
    let login = fresh();
    let mut first: Vec<_> = (0..256).map(|n| hub.follow(login, quote(&format!("S{n:03}")))).collect();
    let mut beyond = hub.follow(login, quote("A"));
    let mut terminal = pushing(&hub, login).await;
    assert_eq!(subscribe(&mut terminal).await.quotes.len(), 256);
    shows(&mut beyond, "there is no room", |state| state.trouble == Some(Trouble::TooMany)).await;
    first.pop();
    loop {
        let wanted = subscribe(&mut terminal).await.quotes;
        assert_eq!(wanted.len(), 256);
        if wanted.contains(&"A".to_owned()) {
            break;
        }
    }
    terminal.send(push(&[("A", reply_status::OK, 1.5)])).await;
    assert_eq!(bid(&shows(&mut beyond, "its quote", is_fresh).await), 1.5);
}

#[tokio::test]
async fn quotes_and_bars_are_pushed_and_are_those_that_are_asked_for() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let (mut euro, mut minutes) = (hub.follow(1001, quote("EURUSD")), hub.follow(1001, bars("EURUSD", "M1")));
    let first = live(&*shows(&mut minutes, "the forming bar", is_fresh).await).forming;
    let quote = bid(&shows(&mut euro, "the quote", is_fresh).await);
    assert!((0.9..1.3).contains(&quote), "{quote}");
    terminal.broker().advance(Duration::from_secs(120)).unwrap();
    let state = shows(&mut minutes, "a bar is closed", |state| is_fresh(state) && live(state).forming.time > first.time).await;
    let closed = live(&state).closed.unwrap();
    assert!(closed.time >= first.time);
    let utc = state.clock.to_utc(closed.time);
    let asked =
        hub.admin().get(&format!("/api/v1/terminals/1001/bars/EURUSD?timeframe=M1&from={utc}&to={}", utc + 60)).await.expect(200);
    let row = &asked["data"][0];
    let prices = ["open", "high", "low", "close", "tick_volume"].map(|name| row[name].as_f64().unwrap());
    assert_eq!(prices, [closed.open, closed.high, closed.low, closed.close, closed.tick_volume as f64], "{asked}");
    assert_eq!((&row["broker_time"], &row["time_msc"]), (&json!(closed.time), &json!(utc * 1_000)), "{asked}");
}

#[tokio::test]
async fn what_a_terminal_lacks_is_said_when_it_is_followed() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let mut unknown = hub.follow(1001, quote("NOPE"));
    let mut no_bars = hub.follow(1001, bars("NOPE", "M1"));
    let mut two_minutes = hub.follow(1001, bars("EURUSD", "M2"));
    shows(&mut unknown, "no such symbol", |state| state.trouble == Some(Trouble::UnknownSymbol)).await;
    shows(&mut no_bars, "no such symbol", |state| state.trouble == Some(Trouble::UnknownSymbol)).await;
    let has = platform() == Platform::Mt5;
    shows(&mut two_minutes, "bars, or why not", |state| match &state.trouble {
        None => has && state.value.is_some(),
        Some(Trouble::Unsupported(_)) => !has,
        Some(_) => false,
    })
    .await;
}

#[tokio::test]
async fn what_is_followed_goes_on_after_the_connection_broke_and_the_terminal_came_back() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal_with(1001, |config| config.speed = 20.0).await;
    let mut euro = hub.follow(1001, quote("EURUSD"));
    shows(&mut euro, "the quote", is_fresh).await;
    terminal.set_faults(vec!["drop:before_accept".parse().unwrap()]);
    let ordering = hub.admin();
    let order = tokio::spawn(async move { ordering.with_idempotency("cut").post(&orders(1001), buy()).await });
    shows(&mut euro, "it is gone", |state| state.trouble == Some(Trouble::Offline)).await;
    shows(&mut euro, "it is back", is_fresh).await;
    assert!(soon("the order ends", order).await.unwrap().status < 500);
}

#[tokio::test]
async fn a_flood_of_ticks_of_every_symbol_keeps_no_trade_from_being_executed() {
    let hub = TestHub::start().await;
    let terminal = hub
        .terminal_with(1001, |config| {
            config.speed = 60.0;
            config.faults = vec!["flood:10".parse().unwrap()];
        })
        .await;
    let names = ["EURUSD", "SYN.USDEUR", "SYN.GOLD"];
    let mut followed: Vec<_> =
        names.iter().flat_map(|name| [hub.follow(1001, quote(name)), hub.follow(1001, bars(name, "M1"))]).collect();
    for subscription in &mut followed {
        shows(subscription, "it is told", is_fresh).await;
    }
    for n in 0..5 {
        let command = hub.admin().with_idempotency(&format!("flood {n}")).post(&orders(1001), buy()).await.expect(200);
        assert_eq!(command["state"], "executed", "{command}");
        terminal.agrees_with(&command);
    }
    // And what is followed is still told.
    let before = followed[0].latest().unwrap();
    eventually("a newer quote", async || {
        let now = followed[0].latest().unwrap();
        if now.at > before.at && is_fresh(&now) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}
