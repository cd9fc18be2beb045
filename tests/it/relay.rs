//! Reads that go through to the terminal and come back in MetaTrader's words.

use mtbridge::{
    domain::{
        account::Platform,
        market::{Bar, Timeframe},
    },
    protocol::{
        FromHub,
        message::{Hello, Reply, reply_status},
    },
    simulator::{PaperBroker, bars::BarSet, broker::AccountSettings},
};
use serde_json::{Value, json};

use crate::harness::{FakeTerminal, Heard, Terminal, TestHub, buy, eventually, has_timeframe, orders, platform};

/// Broker time of the excerpt: the Friday before New York's switch to summer time, and the Monday after it.
const FRIDAY: &str = "2024-03-08T21:50:00Z";
const MONDAY: &str = "2024-03-10T21:05:00Z";

fn utc(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

fn embedded() -> Vec<Bar> {
    BarSet::embedded().unwrap().m1().to_vec()
}

fn rows(answer: &Value) -> &Vec<Value> {
    answer["data"].as_array().unwrap()
}

#[tokio::test]
async fn bars_are_the_sources_field_by_field_on_both_sides_of_the_summer_time_switch() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let path = format!("/api/v1/terminals/1001/bars/EURUSD?timeframe=M1&from={FRIDAY}&to=2024-03-10T21:20:00Z&limit=1000");
    let answer = hub.admin().get(&path).await;
    assert_eq!(answer.header("x-data-source"), "terminal");
    let answer = answer.expect(200);
    assert_eq!(
        (&answer["symbol"], &answer["timeframe"], &answer["next_cursor"], &answer["loading"]),
        (&json!("EURUSD"), &json!("M1"), &Value::Null, &json!(false))
    );
    // Winter on the Friday: broker time is UTC+2. Summer on the Monday: UTC+3.
    let winter = |bar: &&Bar| (utc("2024-03-08T23:50:00Z")..utc("2024-03-09T00:00:00Z")).contains(&bar.time);
    let summer = |bar: &&Bar| (utc("2024-03-11T00:00:00Z")..utc("2024-03-11T00:20:00Z")).contains(&bar.time);
    let source = embedded();
    let expected: Vec<(i64, Bar)> = source
        .iter()
        .filter(winter)
        .map(|bar| (bar.time - 7_200, *bar))
        .chain(source.iter().filter(summer).map(|bar| (bar.time - 10_800, *bar)))
        .collect();
    assert!(expected.iter().any(|(at, _)| *at == utc(MONDAY)) && expected.len() >= 20, "{}", expected.len());
    assert_eq!(rows(&answer).len(), expected.len());
    for (row, (at, bar)) in rows(&answer).iter().zip(&expected) {
        assert_eq!(utc(row["time"].as_str().unwrap()), *at, "{row}");
        assert_eq!((row["time_msc"].as_i64(), row["broker_time"].as_i64()), (Some(at * 1_000), Some(bar.time)));
        for (field, value) in [("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close)] {
            assert_eq!(row[field].as_f64().unwrap().to_bits(), value.to_bits(), "{field} of {row}");
        }
        for (field, value) in
            [("tick_volume", bar.tick_volume), ("spread", i64::from(bar.spread)), ("real_volume", bar.real_volume)]
        {
            assert_eq!(row[field].as_i64(), Some(value), "{field} of {row}");
        }
        assert_eq!(row["complete"], true);
    }
}

#[tokio::test]
async fn csv_and_packed_bars_say_the_same_as_json() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let span = format!("/api/v1/terminals/1001/bars/EURUSD?timeframe=M5&from={FRIDAY}&to=2024-03-10T22:00:00Z&limit=1000");
    let json_rows = hub.admin().get(&span).await.expect(200);
    let json_rows = rows(&json_rows);
    assert!(json_rows.len() >= 10);
    let csv_answer = hub.admin().with("accept", "text/csv").get(&span).await;
    assert!(csv_answer.header("content-type").starts_with("text/csv"));
    let mut reader = csv::Reader::from_reader(csv_answer.bytes.as_slice());
    assert_eq!(
        reader.headers().unwrap().iter().collect::<Vec<_>>(),
        ["time", "time_msc", "broker_time", "open", "high", "low", "close", "tick_volume", "spread", "real_volume", "complete"]
    );
    for (record, row) in reader.records().map(Result::unwrap).zip(json_rows) {
        assert_eq!((&record[0], record[2].parse().ok()), (row["time"].as_str().unwrap(), row["broker_time"].as_i64()));
        assert_eq!(record[6].parse::<f64>().ok(), row["close"].as_f64());
    }
    let packed = hub.admin().get(&format!("{span}&format=packed")).await;
    assert_eq!((packed.status, packed.header("content-type")), (200, "application/octet-stream"));
    assert_eq!(packed.bytes.len(), 60 * json_rows.len(), "MqlRates of 60 bytes");
    let bars = Bar::unpack_all(&packed.bytes).unwrap();
    for (bar, row) in bars.iter().zip(json_rows) {
        assert_eq!(
            (bar.time, bar.open, bar.spread),
            (row["time_msc"].as_i64().unwrap() / 1_000, row["open"].as_f64().unwrap(), row["spread"].as_i64().unwrap() as i32),
            "UTC"
        );
    }
    let server = hub.admin().get("/api/v1/terminals/1001/bars/EURUSD?timeframe=M5&from=2024-03-08T23:50:00Z&to=2024-03-11T00:59:59Z&limit=1000&tz=server&format=packed").await;
    let theirs: Vec<_> = Bar::unpack_all(&server.bytes).unwrap().iter().map(|bar| bar.time).collect();
    assert_eq!(
        theirs,
        json_rows.iter().map(|row| row["broker_time"].as_i64().unwrap()).collect::<Vec<_>>(),
        "broker time when asked for"
    );
}

#[tokio::test]
async fn paging_by_cursor_gives_every_bar_once_from_terminal_and_from_cache() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let source = embedded();
    let span = |bar: &&Bar| (utc("2024-03-08T20:00:00Z")..utc("2024-03-11T02:00:00Z")).contains(&bar.time);
    let expected: Vec<_> = source.iter().filter(span).map(|bar| bar.time).collect();
    for round in ["terminal", "cache"] {
        let (mut got, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let path =
                format!("/api/v1/terminals/1001/bars/EURUSD?from=2024-03-08T18:00:00Z&to=2024-03-10T23:00:00Z&limit=37{cursor}");
            let answer = hub.admin().get(&path).await;
            pages += 1;
            let last = answer.header("x-next-cursor").is_empty();
            assert!(round == "terminal" || last || answer.header("x-data-source") == "cache", "page {pages} of the second round");
            let answer = answer.expect(200);
            got.extend(rows(&answer).iter().map(|row| row["broker_time"].as_i64().unwrap()));
            let Some(next) = answer["next_cursor"].as_str() else { break };
            assert!(rows(&answer).len() == 37);
            cursor = format!("&cursor={next}");
        }
        assert!(pages > 5);
        assert_eq!(got, expected, "{round}");
    }
}

#[tokio::test]
async fn a_second_request_for_closed_bars_is_answered_by_the_cache_with_the_same_content() {
    let mut hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let requests = [
        "timeframe=M1&from=2024-03-08T10:00:00Z&to=2024-03-08T12:00:00Z&limit=5000",
        "timeframe=H1&from=2024-03-07T00:00:00Z&to=2024-03-11T00:00:00Z",
        "timeframe=M15&to=2024-03-08T12:00:00Z&limit=20",
    ];
    for request in requests {
        let path = format!("/api/v1/terminals/1001/bars/EURUSD?{request}");
        let (first, second) = (hub.admin().get(&path).await, hub.admin().get(&path).await);
        assert_eq!((first.header("x-data-source"), second.header("x-data-source")), ("terminal", "cache"), "{request}");
        let (first, second) = (first.expect(200), second.expect(200));
        assert!(!rows(&first).is_empty(), "{request}");
        assert_eq!(first["data"], second["data"], "{request}");
    }
    // The cache outlives the hub, and is only for what a terminal has said: another server has its own.
    hub.restart().await;
    terminal.is_connected().await;
    hub.shows(&terminal.token, "connected").await;
    let path = format!("/api/v1/terminals/1001/bars/EURUSD?{}", requests[0]);
    assert_eq!(hub.admin().get(&path).await.header("x-data-source"), "cache");
    let other = hub.terminal_with(2002, |config| config.account.server = "Other-Server".into()).await;
    assert_eq!(hub.admin().get(&path.replace("1001", "2002")).await.header("x-data-source"), "terminal");
    drop(other);
}

#[tokio::test]
async fn the_forming_bar_is_not_complete_and_never_from_the_cache() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    for timeframe in ["M1", "H1", "D1"] {
        for _ in 0..2 {
            let answer = hub.admin().get(&format!("/api/v1/terminals/1001/bars/EURUSD?timeframe={timeframe}&limit=3")).await;
            assert_eq!(answer.header("x-data-source"), "terminal", "{timeframe}");
            let answer = answer.expect(200);
            let complete: Vec<_> = rows(&answer).iter().map(|row| row["complete"].as_bool().unwrap()).collect();
            assert_eq!(complete, [true, true, false], "{timeframe}: {answer}");
        }
        // A span that reaches over it: what is closed may be kept, it may not.
        let newest =
            hub.admin().get(&format!("/api/v1/terminals/1001/bars/EURUSD?timeframe={timeframe}&limit=2")).await.expect(200);
        let from = newest["data"][0]["time"].as_str().unwrap();
        for _ in 0..2 {
            let answer = hub
                .admin()
                .get(&format!("/api/v1/terminals/1001/bars/EURUSD?timeframe={timeframe}&from={from}&to=2025-01-01T00:00:00Z"))
                .await;
            assert_eq!(answer.header("x-data-source"), "terminal", "{timeframe}");
            assert_eq!(rows(&answer.expect(200)).last().unwrap()["complete"], false);
        }
    }
}

#[tokio::test]
async fn higher_timeframes_are_built_of_all_their_minutes() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let h1 = hub
        .admin()
        .get("/api/v1/terminals/1001/bars/EURUSD?timeframe=H1&from=2024-03-08T09:00:00Z&to=2024-03-08T10:00:00Z")
        .await
        .expect(200);
    let [hour] = rows(&h1).as_slice() else { panic!("{h1}") };
    let open = hour["broker_time"].as_i64().unwrap();
    let minutes: Vec<_> = embedded().into_iter().filter(|bar| (open..open + 3_600).contains(&bar.time)).collect();
    assert_eq!(minutes.len(), 60);
    assert_eq!((hour["open"].as_f64(), hour["close"].as_f64()), (Some(minutes[0].open), Some(minutes[59].close)));
    assert_eq!(hour["high"].as_f64(), minutes.iter().map(|bar| bar.high).reduce(f64::max));
    assert_eq!(hour["low"].as_f64(), minutes.iter().map(|bar| bar.low).reduce(f64::min));
    assert_eq!(hour["tick_volume"].as_i64(), Some(minutes.iter().map(|bar| bar.tick_volume).sum()));
    for timeframe in Timeframe::all() {
        for named in [timeframe.name().to_owned(), timeframe.number().to_string()] {
            let answer = hub.admin().get(&format!("/api/v1/terminals/1001/bars/EURUSD?timeframe={named}&limit=2")).await;
            if has_timeframe(timeframe) {
                answer.expect(200);
            } else {
                answer.refused(422, "unsupported");
            }
        }
    }
}

#[tokio::test]
async fn what_a_bars_request_gets_wrong_is_named() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    for (query, field) in [
        ("timeframe=M7", "timeframe"),
        ("limit=0", "limit"),
        ("limit=100001", "limit"),
        ("order=up", "order"),
        ("cursor=zz", "cursor"),
        ("start_pos=1&cursor=00000000000000000000000000000000", "start_pos"),
        ("limit=x", "limit"),
        ("from=yesterday", "from"),
        ("to=x", "to"),
        ("from=2024-03-09T00:00:00Z&to=2024-03-08T00:00:00Z", "to"),
        ("cursor=x", "cursor"),
        ("cursor=b9223372036854775807", "cursor"),
        ("start_pos=1&from=1709890000", "start_pos"),
        ("format=xml", "format"),
        ("tz=mars", "tz"),
        ("symbols=EURUSD", "symbols"),
    ] {
        let answer = hub.admin().get(&format!("/api/v1/terminals/1001/bars/EURUSD?{query}")).await;
        let body = answer.refused(422, "validation_error");
        assert!(body["message"].as_str().unwrap().contains(field), "{query}: {body}");
    }
    hub.admin().get("/api/v1/terminals/1001/bars/XAUUSD").await.refused(404, "symbol_not_found");
}

#[tokio::test]
async fn times_beyond_all_calendars_are_refused_and_break_nothing() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    for time in ["9223372036854775807", "-9223372036854775808", "9223372036854775", "99999999999999999", "-1", "0"] {
        for path in
            [format!("bars/EURUSD?from={time}"), format!("bars/EURUSD?to={time}"), format!("history/deals?from={time}&to={time}")]
        {
            let answer = hub.admin().get(&format!("/api/v1/terminals/1001/{path}")).await;
            assert!(matches!(answer.status, 200 | 422), "{path}: {} {}", answer.status, answer.json);
        }
    }
    assert!(*terminal.connected().borrow());
}

#[tokio::test]
async fn account_symbols_quotes_and_terminals_are_what_the_terminal_has() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let api = hub.admin();
    let (account, broker) = (api.get("/api/v1/terminals/1001/account").await.expect(200), terminal.broker().account());
    assert_eq!((account["login"].as_u64(), account["balance"].as_f64()), (Some(1001), Some(broker.balance)));
    assert_eq!(
        (&account["margin_mode_name"], &account["trade_mode_name"]),
        (&json!("retail_hedging"), &json!("demo")),
        "{account}"
    );
    assert_eq!(api.get("/api/v1/account/info").await.expect(200), account, "the only terminal");
    for name in ["1001", "1001@Demo-Server", terminal.token.id.as_str(), "-"] {
        assert_eq!(api.get(&format!("/api/v1/terminals/{name}")).await.expect(200)["id"], json!(terminal.token.id), "{name}");
    }
    let symbols = api.get("/api/v1/terminals/1001/symbols?group=EUR*").await.expect(200);
    assert_eq!((symbols["data"][0]["name"].as_str(), symbols["data"][0]["digits"].as_u64()), (Some("EURUSD"), Some(5)));
    assert_eq!(api.get("/api/v1/terminals/1001/symbols?group=!EURUSD,XAU*").await.expect(200)["data"], json!([]));
    let symbol = api.get("/api/v1/terminals/1001/symbols/EURUSD").await.expect(200);
    assert_eq!((symbol["volume_min"].as_f64(), symbol["point"].as_f64()), (Some(0.01), Some(0.000_01)));
    api.get("/api/v1/terminals/1001/symbols/XAUUSD").await.refused(404, "symbol_not_found");
    let quotes = api.get("/api/v1/terminals/1001/quotes?symbols=EURUSD,XAUUSD").await.expect(200);
    let [quote] = rows(&quotes).as_slice() else { panic!("symbols that do not exist are left out: {quotes}") };
    assert!(quote["ask"].as_f64() >= quote["bid"].as_f64() && quote["bid"].as_f64() > Some(0.5), "{quote}");
    let (at, broker_time) = (quote["time_msc"].as_i64().unwrap() / 1_000, quote["broker_time"].as_i64().unwrap());
    assert_eq!(broker_time - at, 10_800, "the last tenth of the excerpt is in summer time");
    assert_eq!(utc(quote["time"].as_str().unwrap()), at);
    for path in [
        "quotes",
        "quotes?symbols=",
        "symbols?groups=x",
        "positions?tickets=1",
        "history/deals?since=1",
        "quotes?symbols=EURUSD&x=1",
    ] {
        api.get(&format!("/api/v1/terminals/1001/{path}")).await.refused(422, "validation_error");
    }
}

#[tokio::test]
async fn an_order_becomes_a_position_and_a_close_takes_it_away() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let api = hub.admin();
    let mut order = buy();
    (order["volume"], order["magic"]) = (json!(0.3), json!(77));
    let done = api.once().post(&orders(1001), order).await.expect(200);
    let ticket = done["result"]["order"].as_u64().unwrap();
    api.once().buy(1001).await.expect(200);
    let all = api.get("/api/v1/terminals/1001/positions").await.expect(200);
    assert_eq!(rows(&all).len(), 2);
    let mine = api.get("/api/v1/terminals/1001/positions?magic=77&symbol=EURUSD").await.expect(200);
    let [position] = rows(&mine).as_slice() else { panic!("{mine}") };
    assert_eq!(
        (position["ticket"].as_u64(), position["volume"].as_f64(), &position["type_name"]),
        (Some(ticket), Some(0.3), &json!("buy"))
    );
    assert_eq!(position["time_msc"].as_i64().unwrap() / 1_000, position["broker_time"].as_i64().unwrap() - 10_800);
    let path = format!("/api/v1/terminals/1001/positions/{ticket}");
    assert_eq!(api.get(&path).await.expect(200)["ticket"], ticket);

    api.once().post(&format!("{path}/close"), json!({"volume": 0.31})).await.refused(422, "validation_error");
    let part = api.once().post(&format!("{path}/close"), json!({"volume": 0.1})).await.expect(200);
    assert_eq!(
        (&part["state"], part["request"]["position"].as_u64(), &part["request"]["type_name"]),
        (&json!("executed"), Some(ticket), &json!("sell"))
    );
    // MetaTrader 4 closes the order and opens another for what is left.
    let left = if platform() == Platform::Mt4 {
        api.get(&path).await.refused(404, "position_not_found");
        let mine = api.get("/api/v1/terminals/1001/positions?magic=77").await.expect(200);
        assert_eq!(rows(&mine)[0]["comment"], format!("from #{ticket}"));
        rows(&mine)[0]["ticket"].as_u64().unwrap()
    } else {
        ticket
    };
    let path = format!("/api/v1/terminals/1001/positions/{left}");
    assert_eq!(api.get(&path).await.expect(200)["volume"], 0.2);
    let close = api.with_idempotency("close");
    let closed = close.post(&format!("{path}/close"), json!({})).await.expect(200);
    assert_eq!(closed["result"]["volume"], 0.2);
    api.get(&path).await.refused(404, "position_not_found");
    // Again with the same key: the same answer, though there is nothing left to close.
    let again = close.post(&format!("{path}/close"), json!({})).await;
    assert_eq!((again.header("idempotency-replayed"), &again.json["id"]), ("true", &closed["id"]));
    api.once().post(&format!("{path}/close"), json!({})).await.refused(404, "position_not_found");
    for ticket in ["0", "-1", "x", "18446744073709551616"] {
        api.once()
            .post(&format!("/api/v1/terminals/1001/positions/{ticket}/close"), json!({}))
            .await
            .refused(404, if ticket == "0" { "position_not_found" } else { "not_found" });
    }

    let entries = async |position: u64| {
        let deals = api.get(&format!("/api/v1/terminals/1001/history/deals?position={position}")).await.expect(200);
        let entry = |deal: &Value| (deal["entry_name"].as_str().unwrap().to_owned(), deal["volume"].as_f64().unwrap());
        rows(&deals).iter().map(entry).collect::<Vec<_>>()
    };
    let of = |entries: &[(&str, f64)]| entries.iter().map(|(name, volume)| ((*name).to_owned(), *volume)).collect::<Vec<_>>();
    let mut broker: Vec<_> = terminal.broker().deals().iter().map(|deal| deal.ticket).collect();
    if platform() == Platform::Mt4 {
        assert_eq!(entries(ticket).await, of(&[("in", 0.1), ("out", 0.1)]));
        assert_eq!(entries(left).await, of(&[("in", 0.2), ("out", 0.2)]));
        // It has no deals: order t is told as 2t, which opened it, and 2t + 1, which closed it.
        let other = terminal.broker().positions()[0].ticket;
        broker = vec![broker[0], ticket * 2, ticket * 2 + 1, left * 2, left * 2 + 1, other * 2];
    } else {
        assert_eq!(entries(ticket).await, of(&[("in", 0.3), ("out", 0.1), ("out", 0.2)]));
    }
    let all = api.get("/api/v1/terminals/1001/history/deals").await.expect(200);
    let all: Vec<_> = rows(&all).iter().map(|deal| deal["ticket"].as_u64().unwrap()).collect();
    let sorted = |mut tickets: Vec<u64>| {
        tickets.sort_unstable();
        tickets
    };
    assert_eq!(sorted(all.clone()), sorted(broker));
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/terminals/1001/history/deals?limit=2{cursor}")).await.expect(200);
        paged.extend(rows(&page).iter().map(|deal| deal["ticket"].as_u64().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn an_offline_terminal_is_409_and_an_unknown_one_404_for_everything() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let token = terminal.token.clone();
    terminal.sim.stop().await;
    hub.shows(&token, "offline").await;
    let reads = [
        "account",
        "symbols",
        "symbols/EURUSD",
        "quotes?symbols=EURUSD",
        "bars/EURUSD",
        "orders",
        "orders/1",
        "history/orders",
        "depth/EURUSD",
        "positions",
        "positions/1",
        "history/deals",
    ];
    for read in reads {
        hub.admin().get(&format!("/api/v1/terminals/1001/{read}")).await.refused(409, "terminal_offline");
        for unknown in ["9999", "1001@Nowhere", "tok_00000000000000000000000000", "x", "-1"] {
            hub.admin().get(&format!("/api/v1/terminals/{unknown}/{read}")).await.refused(404, "terminal_not_found");
        }
    }
    hub.admin().once().buy(1001).await.refused(409, "terminal_offline");
    hub.admin().once().buy(9999).await.refused(404, "terminal_not_found");
    assert_eq!(hub.admin().get("/api/v1/terminals/1001").await.expect(200)["state"], "offline", "known, and not there");
}

#[tokio::test]
async fn two_brokers_with_the_same_account_number_are_told_apart() {
    let hub = TestHub::start().await;
    let first = hub.terminal(1001).await;
    let second = hub.terminal_with(1001, |config| config.account.server = "Other-Server".into()).await;
    for target in ["1001", "-"] {
        let refused = hub.admin().once().buy(target).await.refused(409, "ambiguous_terminal");
        assert_eq!(refused["candidates"].as_array().unwrap().len(), 2, "{refused}");
    }
    hub.admin().get("/api/v1/terminals/-/account").await.refused(409, "ambiguous_terminal");
    // A read by the number takes the oldest token.
    assert_eq!(hub.admin().get("/api/v1/terminals/1001").await.expect(200)["id"], json!(first.token.id));
    hub.admin().once().buy("1001@Other-Server").await.expect(200);
    assert_eq!((first.broker().executed().len(), second.broker().executed().len()), (0, 1));
    hub.admin().once().buy(&first.token.id).await.expect(200);
    assert_eq!((first.broker().executed().len(), second.broker().executed().len()), (1, 1));
}

#[tokio::test]
async fn two_live_terminals_of_one_account_are_ambiguous_for_a_trade_and_share_its_keys() {
    let hub = TestHub::start().await;
    let broker = PaperBroker::in_memory(
        AccountSettings { login: 1001, ..AccountSettings::default() },
        BarSet::embedded().unwrap(),
        None,
        1.0,
    );
    let first = hub.terminal_with(1001, |config| config.broker = Some(broker.clone())).await;
    let second = hub.terminal_with(1001, |config| config.broker = Some(broker.clone())).await;
    hub.admin().once().buy(1001).await.refused(409, "ambiguous_terminal");
    hub.admin().get("/api/v1/terminals/1001/account").await.expect(200);
    let api = hub.admin().with_idempotency("shared");
    let done = api.buy(&first.token.id).await.expect(200);
    // The key is the account's: the other way to it finds the same order.
    let again = api.buy(&second.token.id).await;
    assert_eq!((again.header("idempotency-replayed"), &again.json["id"]), ("true", &done["id"]));
    assert_eq!(broker.executed().len(), 1);
}

#[tokio::test]
async fn a_terminal_that_answers_nonsense_harms_only_its_own_answer() {
    let hub = TestHub::start_with(|config| config.http.read_timeout = std::time::Duration::from_millis(400)).await;
    let mut terminal = hub.fake(1001).await;
    let ok = Reply { parts: 1, ..Reply::default() };
    let cases = [
        ("account", Reply { body: vec![0xc1], ..ok.clone() }, 502, "terminal_error"),
        ("account", Reply { body: vec![], ..ok.clone() }, 502, "terminal_error"),
        ("account", Reply { status: reply_status::ERROR, code: 4014, text: "no".into(), ..ok.clone() }, 502, "terminal_error"),
        ("account", Reply { status: 77, ..ok.clone() }, 502, "terminal_error"),
        ("symbols/EURUSD", Reply { status: reply_status::NOT_FOUND, ..ok.clone() }, 404, "symbol_not_found"),
        ("positions", Reply { status: reply_status::LOADING, ..ok.clone() }, 504, "terminal_loading"),
        ("positions", Reply { body: vec![0xdd, 0xff, 0xff, 0xff, 0xff], ..ok.clone() }, 502, "terminal_error"),
        ("bars/EURUSD", Reply { body: vec![0x93, 0, 0, 0xc4, 3, 1, 2, 3], ..ok.clone() }, 502, "terminal_error"),
        // Parts that do not fit together are dropped, and the caller's time runs out.
        ("positions", Reply { part: 7, parts: 2, ..ok.clone() }, 504, "terminal_timeout"),
        // An answer to a question that nobody asked.
        ("positions", Reply { call: u64::MAX, ..ok }, 504, "terminal_timeout"),
    ];
    for (read, reply, status, code) in cases {
        let admin = hub.admin();
        let path = format!("/api/v1/terminals/1001/{read}");
        let answering = async {
            let call = match terminal.next().await {
                Heard::Message(FromHub::GetAccount(get)) => get.call,
                Heard::Message(FromHub::GetSymbol(get)) => get.call,
                Heard::Message(FromHub::GetPositions(get)) => get.call,
                Heard::Message(FromHub::GetBars(get)) => get.call,
                other => panic!("{other:?}"),
            };
            let call = if reply.call == 0 { call } else { reply.call };
            terminal.send(Reply { call, ..reply.clone() }).await;
        };
        let (answer, ()) = tokio::join!(admin.get(&path), answering);
        assert_eq!((answer.status, answer.json["code"].as_str()), (status, Some(code)), "{read} {reply:?}: {}", answer.json);
    }
    assert_eq!(hub.state_of(&terminal.token).await, "connected");
}

#[tokio::test]
async fn a_read_that_the_terminal_leaves_unanswered_is_504_and_one_that_loses_it_409() {
    let hub = TestHub::start_with(|config| config.http.read_timeout = std::time::Duration::from_millis(200)).await;
    let terminal = hub.fake(1001).await;
    hub.admin().get("/api/v1/terminals/1001/account").await.refused(504, "terminal_timeout");
    drop(terminal);
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let admin = hub.admin();
    let (answer, ()) = tokio::join!(admin.get("/api/v1/terminals/1001/account"), async {
        terminal.next().await;
        drop(terminal);
    });
    answer.refused(409, "terminal_offline");
}

#[tokio::test]
async fn parts_of_a_reply_are_joined_in_whatever_order_they_come() {
    let hub = TestHub::start().await;
    let mut terminal = hub.fake(1001).await;
    let body = mtbridge::protocol::codec::write_record(&mtbridge::domain::account::AccountInfo {
        login: 1001,
        balance: 5.5,
        ..Default::default()
    });
    let admin = hub.admin();
    let (answer, ()) = tokio::join!(admin.get("/api/v1/terminals/1001/account"), async {
        let Heard::Message(FromHub::GetAccount(get)) = terminal.next().await else { panic!() };
        let chunks: Vec<_> = body.chunks(body.len().div_ceil(3)).map(<[u8]>::to_vec).collect();
        for part in [2, 0, 1] {
            terminal
                .send(Reply { call: get.call, part: part as u16, parts: 3, body: chunks[part].clone(), ..Reply::default() })
                .await;
        }
    });
    assert_eq!(answer.expect(200)["balance"], 5.5);
}

#[tokio::test]
async fn a_server_whose_clock_is_configured_is_converted_by_that() {
    let hub = TestHub::start_with(|config| {
        let clock = mtbridge::config::ServerClock { utc_offset: 0, dst: mtbridge::config::Dst::None };
        config.servers.insert("Demo-Server".into(), clock);
    })
    .await;
    let _terminal: Terminal = hub.terminal(1001).await;
    let answer = hub.admin().get("/api/v1/terminals/1001/bars/EURUSD?limit=1").await.expect(200);
    assert_eq!(answer["utc_source"], "configured");
    assert_eq!(answer["data"][0]["time_msc"].as_i64().unwrap() / 1_000, answer["data"][0]["broker_time"].as_i64().unwrap());
    let hello = Hello { server: "Measured".into(), utc_offset_s: 19_800, broker_time: 1_710_000_000, ..Hello::default() };
    let token = hub.mint_token().await;
    let mut fake = FakeTerminal::connect(hub.addr(), &token).await;
    let base = fake.hello(5);
    fake.send(Hello { server: hello.server, utc_offset_s: hello.utc_offset_s, ..base }).await;
    fake.welcome().await;
    let seen = eventually("it is there", async || {
        let answer = hub.admin().get("/api/v1/terminals/5").await;
        if answer.status == 200 { Ok(answer.json) } else { Err(answer.json.to_string()) }
    })
    .await;
    assert_eq!((&seen["utc_offset_s"], &seen["utc_source"]), (&json!(19_800), &json!("measured")));
}
