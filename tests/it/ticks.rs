//! Ticks from a terminal that the test speaks for.

use mtbridge::{
    domain::{account::Platform, market::Tick},
    protocol::{
        FromHub,
        codec::write_record,
        message::{GetTicks, Reply, TicksBody, reply_status, ticks_mode},
    },
};
use serde_json::{Value, json};

use crate::harness::{FakeTerminal, Heard, TestHub, platform};

/// 2024-03-04 10:00 broker time; winter, two hours ahead of UTC.
pub const START: i64 = 1_709_546_400_000;

/// Ticks of which up to seven share a millisecond; each has its number for a bid.
pub fn source(count: usize) -> Vec<Tick> {
    let mut time_msc = START;
    let tick = |n: usize| {
        if n.is_multiple_of(7) || n % 5 == 3 {
            time_msc += 1 + (n % 3) as i64;
        }
        Tick { time: time_msc / 1_000, time_msc, bid: n as f64, ask: n as f64 + 0.5, flags: 6, ..Tick::default() }
    };
    (0..count).map(tick).collect()
}

fn reply(get: &GetTicks, ticks: &[Tick]) -> Reply {
    let wanted = |tick: &&Tick| tick.time_msc >= get.from && (get.mode == ticks_mode::FROM || tick.time_msc <= get.to);
    let mut packed = Vec::new();
    ticks.iter().filter(wanted).take(get.count as usize).for_each(|tick| tick.pack_into(&mut packed));
    let body = TicksBody { oldest: ticks[0].time_msc, ticks: packed };
    Reply { call: get.call, parts: 1, body: write_record(&body), ..Reply::default() }
}

async fn asked(fake: &mut FakeTerminal) -> GetTicks {
    match fake.next().await {
        Heard::Message(FromHub::GetTicks(get)) => get,
        other => panic!("no question about ticks but {other:?}"),
    }
}

/// Answers every question until the caller has what it wants.
pub async fn served<T>(fake: &mut FakeTerminal, ticks: &[Tick], call: impl Future<Output = T>) -> (T, usize) {
    tokio::pin!(call);
    let mut questions = 0;
    loop {
        tokio::select! {
            done = &mut call => return (done, questions),
            get = async { match fake.next_whenever().await { Heard::Message(FromHub::GetTicks(get)) => get, other => panic!("{other:?}") } } => {
                assert!(get.count <= 4_096 + 7, "{get:?}");
                questions += 1;
                fake.send(reply(&get, ticks)).await;
            }
        }
    }
}

pub fn path(query: &str) -> String {
    format!("/api/v1/terminals/1001/ticks/EURUSD?{query}")
}

fn bids(body: &Value) -> Vec<f64> {
    body["data"].as_array().unwrap().iter().map(|row| row["bid"].as_f64().unwrap()).collect()
}

#[tokio::test]
async fn pages_of_any_size_neither_lose_nor_double_ticks_of_one_millisecond() {
    let hub = TestHub::start().await;
    let mut fake = hub.fake(1001).await;
    let ticks = source(300);
    let api = hub.admin();
    for limit in [1, 2, 3, 7, 50, 299, 300, 1_000] {
        let (mut got, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = path(&format!("from={}&to={}&limit={limit}{cursor}", START - 7_200_000, START - 7_200_000 + 10_000));
            let (answer, _) = served(&mut fake, &ticks, api.get(&path)).await;
            let answer = answer.expect(200);
            got.extend(bids(&answer));
            let Some(next) = answer["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(got, (0..300).map(f64::from).collect::<Vec<_>>(), "limit {limit}");
    }
}

#[tokio::test]
async fn a_hundred_thousand_ticks_come_in_one_answer_of_many_chunks() {
    let hub = TestHub::start().await;
    let mut fake = hub.fake(1001).await;
    let ticks = source(100_001);
    let path = path(&format!("from={}&limit=100000&format=packed", START - 7_200_000));
    let api = hub.admin();
    let (answer, questions) = served(&mut fake, &ticks, api.get(&path)).await;
    assert_eq!((answer.status, questions), (200, 25));
    let got = Tick::unpack_all(&answer.bytes).unwrap();
    let utc = |tick: &Tick| Tick { time_msc: tick.time_msc - 7_200_000, time: (tick.time_msc - 7_200_000) / 1_000, ..*tick };
    assert!(got.len() == 100_000 && got.iter().zip(&ticks).all(|(got, tick)| *got == utc(tick)));
    assert!(!answer.header("x-next-cursor").is_empty());
}

#[tokio::test]
async fn times_ends_and_flags_are_what_was_asked_for() {
    let hub = TestHub::start().await;
    let mut fake = hub.fake(1001).await;
    let ticks = source(20);
    let api = hub.admin();
    let utc = |time_msc: i64| time_msc - 7_200_000;
    let query = path(&format!("from={}&to={}&flags=trade", utc(ticks[7].time_msc), utc(ticks[14].time_msc)));
    let (answer, get) = tokio::join!(api.get(&query), async {
        let get = asked(&mut fake).await;
        fake.send(reply(&get, &ticks)).await;
        get
    });
    assert_eq!((get.mode, get.from, get.to, get.flags), (ticks_mode::RANGE, ticks[7].time_msc, ticks[14].time_msc - 1, 2));
    let answer = answer.expect(200);
    let row = &answer["data"][0];
    assert_eq!(row["time_msc"].as_i64(), Some(utc(ticks[7].time_msc)));
    assert_eq!(row["broker_time"].as_i64(), Some(ticks[7].time));
    assert_eq!((&row["flags"], &answer["complete"]), (&json!(6), &json!(true)));
    let query = path(&format!("from={}&tz=server&flags=info", ticks[7].time_msc));
    let (_, get) = tokio::join!(api.get(&query), async {
        let get = asked(&mut fake).await;
        fake.send(reply(&get, &ticks)).await;
        get
    });
    assert_eq!((get.mode, get.from, get.flags), (ticks_mode::FROM, ticks[7].time_msc, 1));
}

#[tokio::test]
async fn loading_a_platform_without_ticks_and_an_unknown_symbol_are_each_their_own_answer() {
    let hub = TestHub::start().await;
    let mut fake = hub.fake(1001).await;
    let api = hub.admin();
    let query = path(&format!("from={}", START));
    for (status, http, code) in [
        (reply_status::UNSUPPORTED, 422, "unsupported"),
        (reply_status::NOT_FOUND, 404, "symbol_not_found"),
        (reply_status::ERROR, 502, "terminal_error"),
    ] {
        let (answer, ()) = tokio::join!(api.get(&query), async {
            let get = asked(&mut fake).await;
            fake.send(Reply { call: get.call, status, parts: 1, text: "no ticks on MetaTrader 4".into(), ..Reply::default() })
                .await;
        });
        answer.refused(http, code);
    }
    let (answer, ()) = tokio::join!(api.get(&query), async {
        let get = asked(&mut fake).await;
        fake.send(Reply { call: get.call, status: reply_status::LOADING, parts: 1, ..Reply::default() }).await;
    });
    assert_eq!(answer.header("retry-after"), "2");
    let answer = answer.expect(200);
    assert_eq!((&answer["loading"], &answer["complete"]), (&json!(true), &json!(false)));
    assert!(answer["next_cursor"].is_string());
}

#[tokio::test]
async fn what_a_ticks_request_gets_wrong_is_named() {
    let hub = TestHub::start().await;
    let _fake = hub.fake(1001).await;
    for (query, field) in [
        ("", "from"),
        ("from=x", "from"),
        ("from=1709546400&to=1709546399", "to"),
        ("from=1709546400&limit=0", "limit"),
        ("from=1709546400&limit=100001", "limit"),
        ("from=1709546400&flags=some", "flags"),
        ("from=1709546400&format=xml", "format"),
        ("from=1709546400&tz=mars", "tz"),
        ("cursor=zz", "cursor"),
        ("timeframe=M1", "timeframe"),
    ] {
        let body = hub.admin().get(&path(query)).await.refused(422, "validation_error");
        assert!(body["message"].as_str().unwrap().contains(field), "{query}: {body}");
    }
}

#[tokio::test]
async fn the_simulators_ticks_in_pages_are_those_of_one_answer_and_begin_every_minute_at_its_bars_open() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let api = hub.admin();
    let span = "from=2024-03-08T21:40:00Z&to=2024-03-10T21:20:00Z";
    let whole = api.get(&path(&format!("{span}&limit=100000"))).await;
    if platform() == Platform::Mt4 {
        whole.refused(422, "unsupported");
        return;
    }
    let whole = whole.expect(200);
    let rows = whole["data"].as_array().unwrap();
    assert_eq!((&whole["next_cursor"], &whole["complete"]), (&Value::Null, &json!(true)));
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&path(&format!("{span}&limit=7{cursor}"))).await.expect(200);
        paged.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, *rows);
    let bars = api.get(&format!("/api/v1/terminals/1001/bars/EURUSD?{span}&limit=1000")).await.expect(200);
    let bars = bars["data"].as_array().unwrap();
    assert!(bars.len() > 20, "both sides of the switch: {}", bars.len());
    for bar in bars {
        let open = bar["time_msc"].as_i64().unwrap();
        let first = rows.iter().find(|tick| tick["time_msc"].as_i64().unwrap() >= open).unwrap();
        assert!(first["time_msc"].as_i64().unwrap() < open + 60_000, "{first} in {bar}");
        assert_eq!(first["bid"], bar["open"], "{bar}");
    }
}
