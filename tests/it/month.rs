//! A whole real month, from the terminal and from the cache, equal to its source bar by bar, in UTC and in broker time.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use mtbridge::{
    domain::{
        account::Platform,
        market::{Bar, Timeframe},
    },
    simulator::bars::BarSet,
};
use serde_json::{Value, json};

use crate::harness::{Api, Terminal, TestHub, has_timeframe, platform};

const FILE: &[u8] = include_bytes!("../data/eurusd-m1-2024-03.csv.zst");
/// The simulator's own reading of it is compared with [`month`].
static SET: LazyLock<Arc<BarSet>> = LazyLock::new(|| Arc::new(BarSet::read(zstd::decode_all(FILE).unwrap().as_slice()).unwrap()));

/// A bar of the source: its UTC opening time, and itself in broker time.
type Source = (i64, Bar);

/// The file, read by hand. The broker changed to summer time with New York on Sunday, March 10th, when its market was closed.
fn month() -> Vec<Source> {
    let text = String::from_utf8(zstd::decode_all(FILE).unwrap()).unwrap();
    let bar = |line: &str| {
        let field: Vec<_> = line.split(',').collect();
        let at = |part: &str, sign: char| part.split(sign).map(|n| n.parse::<i16>().unwrap()).collect::<Vec<_>>();
        let (date, clock) = (at(field[0], '.'), at(field[1], ':'));
        let civil = jiff::civil::date(date[0], date[1] as i8, date[2] as i8).at(clock[0] as i8, clock[1] as i8, 0, 0);
        let time = civil.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
        let price = |n: usize| field[n].parse::<f64>().unwrap();
        let (tick_volume, real_volume, spread) =
            (field[6].parse().unwrap(), field[7].parse().unwrap(), field[8].parse().unwrap());
        let bar = Bar { time, open: price(2), high: price(3), low: price(4), close: price(5), tick_volume, spread, real_volume };
        let offset = if (date[1], date[2]) < (3, 10) { 7_200 } else { 10_800 };
        (time - offset, bar)
    };
    text.lines().skip(1).map(bar).collect()
}

/// The bars of a timeframe, added up by hand: where each opens is said by the calendar.
fn added_up(m1: &[Source], timeframe: Timeframe) -> Vec<Bar> {
    const DAY: i64 = 86_400;
    let open_of = |time: i64| match timeframe.name() {
        // March 3rd was a Sunday; March 1st is the month's.
        "W1" => (time - 1_709_424_000).div_euclid(7 * DAY) * 7 * DAY + 1_709_424_000,
        "MN1" => 1_709_251_200,
        _ => time - time % (i64::from(timeframe.minutes()) * 60),
    };
    let mut bars: BTreeMap<i64, Bar> = BTreeMap::new();
    for (_, minute) in m1 {
        let open = open_of(minute.time);
        let bar = bars.entry(open).or_insert(Bar { time: open, tick_volume: 0, real_volume: 0, ..*minute });
        bar.high = bar.high.max(minute.high);
        bar.low = bar.low.min(minute.low);
        bar.close = minute.close;
        bar.tick_volume += minute.tick_volume;
        bar.real_volume += minute.real_volume;
        bar.spread = bar.spread.min(minute.spread);
    }
    bars.into_values().collect()
}

/// Winter's offset up to the weekend of the switch.
fn utc_of(broker: i64) -> i64 {
    // 2024-03-10 09:00 broker time: the Sunday's bars of a day or a week opened before.
    broker - if broker < 1_710_061_200 { 7_200 } else { 10_800 }
}

/// At the end of the month: every bar is history, the last one stays as it is.
async fn terminal(hub: &TestHub) -> Terminal {
    // MetaTrader 4 tells no other time than that of the last tick: an hour after it, its clock would seem to be an hour slow.
    let end = SET.m1().last().unwrap().time + if platform() == Platform::Mt4 { 60 } else { 3_600 };
    hub.terminal_with(1001, |config| {
        config.bars = Some(SET.clone());
        config.start = Some(end);
    })
    .await
}

const BARS: &str = "/api/v1/terminals/1001/bars/EURUSD?from=2024-02-29T22:00:00Z&to=2024-04-01T00:00:00Z";

fn assert_equal(rows: &[Value], source: &[Source]) {
    assert_eq!(rows.len(), source.len());
    for (row, (utc, bar)) in rows.iter().zip(source) {
        let time = jiff::Timestamp::from_second(*utc).unwrap();
        let expected = json!({
            "time": format!("{time:.3}"), "time_msc": utc * 1_000, "broker_time": bar.time,
            "open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close,
            "tick_volume": bar.tick_volume, "spread": bar.spread, "real_volume": bar.real_volume,
            "complete": row["complete"],
        });
        assert_eq!(*row, expected);
    }
}

async fn pages(api: &Api, path: &str) -> (Vec<Value>, usize) {
    let (mut rows, mut cursor, mut count) = (Vec::new(), String::new(), 0);
    loop {
        let answer = api.get(&format!("{path}{cursor}")).await;
        let link = answer.header("link").to_owned();
        let answer = answer.expect(200);
        count += 1;
        rows.extend(answer["data"].as_array().unwrap().iter().cloned());
        let Some(next) = answer["next_cursor"].as_str() else { return (rows, count) };
        cursor = format!("&cursor={next}");
        assert_eq!(link, format!("<{path}{cursor}>; rel=\"next\""));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_minute_of_the_month_is_the_sources_live_in_pages_and_offline() {
    let hub = TestHub::start().await;
    let terminal = terminal(&hub).await;
    let source = month();
    assert_eq!(source.len(), 29_945);
    let path = format!("{BARS}&timeframe=M1");

    let live = hub.admin().get(&format!("{path}&limit=100000")).await;
    assert_eq!((live.header("x-data-source"), live.header("x-complete")), ("terminal", "true"));
    let live = live.expect(200);
    let rows = live["data"].as_array().unwrap();
    assert_equal(rows, &source);
    assert!(rows[..29_944].iter().all(|row| row["complete"] == true) && rows[29_944]["complete"] == false);
    assert_eq!((&live["no_more_history"], &live["oldest_available"]), (&json!(true), &rows[0]["time"]));
    // Five weekly openings on both sides of the switch have shown whose summer time it is.
    assert_eq!(live["utc_source"], "weekly_open");
    let weekends: Vec<_> =
        live["gaps"].as_array().unwrap().iter().map(|gap| gap["from"].as_str().unwrap()[..10].to_owned()).collect();
    assert_eq!(weekends, ["2024-03-01", "2024-03-08", "2024-03-15", "2024-03-22"]);
    assert!(live["gaps"].as_array().unwrap().iter().all(|gap| gap["kind"] == "no_bars"));

    let (paged, count) = pages(&hub.admin(), &format!("{path}&limit=2999")).await;
    assert_equal(&paged, &source);
    assert_eq!(count, 10);
    let (mut back, _) = pages(&hub.admin(), &format!("{path}&limit=7001&order=desc")).await;
    back.reverse();
    assert_equal(&back, &source);

    let token = terminal.token.clone();
    terminal.sim.stop().await;
    hub.shows(&token, "offline").await;
    // All but the bar that was still forming, which is said.
    let offline = hub.admin().get(&format!("{path}&limit=100000")).await;
    assert_eq!((offline.header("x-data-source"), offline.header("x-complete")), ("cache", "false"));
    assert!(offline.header("age").parse::<u32>().is_ok());
    let offline = offline.expect(200);
    assert_equal(offline["data"].as_array().unwrap(), &source[..29_944]);
    assert!(offline["data"].as_array().unwrap().iter().all(|row| row["complete"] == true));
    let last = offline["gaps"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["kind"], &last["from"], &last["to"]),
        (&json!("not_fetched"), &rows[29_944]["time"], &json!("2024-04-01T00:00:00.000Z"))
    );
    let whole = "/api/v1/terminals/1001/bars/EURUSD?timeframe=M1&from=2024-03-05T00:00:00Z&to=2024-03-28T00:00:00Z&limit=3001";
    let (paged, _) = pages(&hub.admin(), whole).await;
    let inside: Vec<_> = source.iter().filter(|(utc, _)| (1_709_596_800..1_711_584_000).contains(utc)).copied().collect();
    assert_equal(&paged, &inside);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_timeframe_of_the_month_is_the_sum_of_its_minutes_in_broker_time_and_in_utc() {
    let hub = TestHub::start().await;
    let terminal = terminal(&hub).await;
    let source = month();
    for timeframe in Timeframe::all().filter(|timeframe| has_timeframe(*timeframe)) {
        let expected = added_up(&source, timeframe);
        // Bars that began before the month opened before its first minute.
        let path = format!(
            "/api/v1/terminals/1001/bars/EURUSD?from=2024-02-24T00:00:00Z&to=2024-04-01T00:00:00Z&timeframe={timeframe}&limit=100000&format=packed"
        );
        let got = Bar::unpack_all(&hub.admin().get(&path).await.bytes).unwrap();
        let utc: Vec<_> = expected.iter().map(|bar| Bar { time: utc_of(bar.time), ..*bar }).collect();
        assert!(got == utc, "{timeframe} in UTC");
        let got = Bar::unpack_all(&hub.admin().get(&format!("{path}&tz=server")).await.bytes).unwrap();
        assert!(got == expected, "{timeframe} in broker time");
    }
    let token = terminal.token.clone();
    terminal.sim.stop().await;
    hub.shows(&token, "offline").await;
    for timeframe in Timeframe::all().filter(|timeframe| timeframe.minutes() <= 1_440 && has_timeframe(*timeframe)) {
        let expected = added_up(&source, timeframe);
        let path = format!(
            "/api/v1/terminals/1001/bars/EURUSD?from=2024-02-24T00:00:00Z&to=2024-04-01T00:00:00Z&timeframe={timeframe}&limit=100000&format=packed&tz=server"
        );
        let got = Bar::unpack_all(&hub.admin().get(&path).await.bytes).unwrap();
        assert!(got == expected[..expected.len() - 1], "{timeframe} from the cache: all but the forming bar");
    }
}
