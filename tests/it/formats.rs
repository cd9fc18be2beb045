//! One list of bars, or ticks, in every format, compressed or not, and asked for again.

use std::io::Read as _;

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Float64Type, Int64Type, TimestampMillisecondType, UInt64Type},
};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, Schema, TimeUnit};
use mtbridge::domain::market::{Bar, Tick};
use serde_json::{Map, Value, json};

use crate::{
    bars::{BarTerminal, bars, minute, minutes},
    harness::{Answer, Api, TestHub},
    ticks,
};

/// More than one batch of Arrow, and many pieces of text.
const MANY: i64 = 10_000;

fn closed(from: i64, to: i64) -> String {
    bars(&format!("from={}&to={}&limit=100000", minute(from), minute(to)))
}

/// A hub whose cache has `count` bars, and the terminal, in which one more is forming.
async fn cached(count: i64) -> (TestHub, BarTerminal) {
    let hub = TestHub::start().await;
    let mut terminal = BarTerminal::new(&hub, minutes(count + 1)).await;
    let chunks = usize::try_from(count).unwrap().div_ceil(4_096);
    let api = hub.admin();
    let path = closed(0, count);
    let (first, _) = tokio::join!(api.get(&path), terminal.answers(chunks));
    assert_eq!(first.expect(200)["complete"], true);
    (hub, terminal)
}

/// Milliseconds of RFC 3339.
fn millis(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// Rows as the JSON has them, but for `time`, which is milliseconds.
fn plain(data: &Value) -> Vec<Value> {
    let mut rows = data.as_array().unwrap().clone();
    rows.iter_mut().for_each(|row| row["time"] = json!(millis(&row["time"])));
    rows
}

fn cell(batch: &RecordBatch, column: usize, row: usize) -> Value {
    let array = batch.column(column);
    assert_eq!(array.null_count(), 0);
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, _) => json!(array.as_primitive::<TimestampMillisecondType>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => json!(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => json!(array.as_boolean().value(row)),
        other => panic!("{other}"),
    }
}

/// Schema and rows of a whole stream: one that ends without its end is refused.
fn arrow(bytes: &[u8]) -> (Schema, Vec<Value>) {
    assert!(bytes.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), "the end of the stream");
    let reader = StreamReader::try_new(bytes, None).unwrap();
    let schema = reader.schema();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let row = |at| {
            let cells =
                schema.fields().iter().enumerate().map(|(column, field)| (field.name().clone(), cell(&batch, column, at)));
            Value::Object(cells.collect::<Map<_, _>>())
        };
        rows.extend((0..batch.num_rows()).map(row));
    }
    (schema.as_ref().clone(), rows)
}

/// Rows of the CSV: numbers and truths are JSON's. `exactly`: as Rust reads numbers, where serde_json may be off by the last bit.
fn csv_rows(bytes: &[u8], exactly: bool) -> Vec<Value> {
    let mut reader = csv::Reader::from_reader(bytes);
    let names = reader.headers().unwrap().clone();
    let value = |name: &str, text: &str| match name {
        "time" => json!(millis(&json!(text))),
        _ if exactly && text.contains('.') => json!(text.parse::<f64>().unwrap()),
        _ => text.parse().unwrap(),
    };
    let row = |record: csv::StringRecord| {
        let cells = names.iter().zip(&record).map(|(name, text)| (name.to_owned(), value(name, text)));
        Value::Object(cells.collect())
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[tokio::test]
async fn every_format_has_the_bars_of_the_json() {
    let (hub, _terminal) = cached(MANY).await;
    let api = hub.admin();
    let path = closed(0, MANY);
    let json = api.get(&path).await;
    assert_eq!(json.header("x-data-source"), "cache");
    let body = json.expect(200);
    let rows = plain(&body["data"]);
    assert_eq!(rows.len(), MANY as usize);
    let get = async |format: &str| {
        let asked = api.get(&format!("{path}&format={format}")).await;
        assert_eq!((asked.status, asked.header("x-complete"), asked.header("vary")), (200, "true", "accept, accept-encoding"));
        asked.bytes
    };
    let columns: Value = serde_json::from_slice(&get("columns").await).unwrap();
    for (name, column) in columns["columns"].as_object().unwrap() {
        let told =
            column.as_array().unwrap().iter().map(|value| if name == "time" { json!(millis(value)) } else { value.clone() });
        assert!(told.eq(rows.iter().map(|row| row[name].clone())), "{name}");
    }
    let csv = get("csv").await;
    assert!(csv_rows(&csv, false) == rows, "csv");
    let lines: Vec<Value> = serde_json::Deserializer::from_slice(&get("ndjson").await).into_iter().map(Result::unwrap).collect();
    assert!(plain(&json!(lines)) == rows, "ndjson");
    // Bits of numbers.
    let rows = csv_rows(&csv, true);
    let packed = Bar::unpack_all(&get("packed").await).unwrap();
    assert!(
        packed
            .iter()
            .map(|bar| json!([bar.time, bar.open, bar.tick_volume]))
            .eq(rows.iter().map(|row| { json!([row["time_msc"].as_i64().unwrap() / 1_000, row["open"], row["tick_volume"]]) }))
    );
    let (schema, told) = arrow(&get("arrow").await);
    assert!(told == rows, "arrow");
    assert_eq!(*schema.field(0).data_type(), DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())));
    let beside = |name: &str| schema.metadata()[name].as_str();
    assert_eq!(
        (beside("symbol"), beside("timeframe"), beside("complete"), beside("next_cursor")),
        ("EURUSD", "M1", "true", "null")
    );
    // By what the caller accepts, too; and the server's clock is of no zone.
    let accepting = api.with("accept", "application/vnd.apache.arrow.stream");
    let answer = accepting.get(&bars(&format!("from={}&to={}", minute(0) + 10, minute(0) + 40))).await;
    assert_eq!(answer.header("content-type"), "application/vnd.apache.arrow.stream");
    let (schema, none) = arrow(&answer.bytes);
    assert_eq!((schema.fields().len(), none.len()), (11, 0), "of no bars at all there is a schema");
    let broker = minute(0) + 7_200;
    let server = api.get(&bars(&format!("from={broker}&to={}&tz=server&format=arrow", broker + 600))).await;
    assert_eq!(*arrow(&server.bytes).0.field(0).data_type(), DataType::Timestamp(TimeUnit::Millisecond, None));
}

fn unzipped(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    match answer.header("content-encoding") {
        "gzip" => drop(flate2::read::GzDecoder::new(answer.bytes.as_slice()).read_to_end(&mut bytes).unwrap()),
        "zstd" => bytes = zstd::decode_all(answer.bytes.as_slice()).unwrap(),
        other => panic!("`{other}`: {:?}", answer.headers),
    }
    bytes
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_take_it_and_short_ones_never() {
    let (hub, _terminal) = cached(MANY).await;
    let api = hub.admin();
    for format in ["json", "columns", "csv", "ndjson", "packed", "arrow"] {
        let path = format!("{}&format={format}", closed(0, MANY));
        let plain = api.get(&path).await;
        assert_eq!(plain.header("content-encoding"), "");
        for coding in ["gzip", "zstd"] {
            let small = api.with("accept-encoding", coding).get(&path).await;
            assert_eq!(small.header("content-encoding"), coding);
            assert_eq!(
                (small.header("content-type"), small.header("vary")),
                (plain.header("content-type"), plain.header("vary"))
            );
            assert!(
                small.bytes.len() * 2 < plain.bytes.len(),
                "{format} {coding}: {} of {}",
                small.bytes.len(),
                plain.bytes.len()
            );
            assert!(unzipped(&small) == plain.bytes, "{format} {coding}");
        }
        // A few bars, an error, and what is no list.
        if format == "arrow" {
            // Its schema alone is longer.
            continue;
        }
        for short in [format!("{}&format={format}", closed(0, 2)), bars("format=xml"), "/api/v1/terminals".to_owned()] {
            let answer = api.with("accept-encoding", "gzip, zstd").get(&short).await;
            assert_eq!(answer.header("content-encoding"), "", "{short}");
            assert_eq!(answer.header("content-length"), answer.bytes.len().to_string(), "{short}");
        }
    }
    let refusing = api.with("accept-encoding", "gzip;q=0, identity").get(&closed(0, MANY)).await;
    assert_eq!(refusing.header("content-encoding"), "");
}

/// The tag of an answer that is sent whole.
async fn tag(api: &Api, path: &str) -> String {
    let answer = api.get(path).await;
    let tag = answer.header("etag").to_owned();
    assert!(tag.starts_with("W/\"") && answer.header("cache-control") == "private, no-cache", "{path}: {:?}", answer.headers);
    assert!(!answer.bytes.is_empty());
    tag
}

#[tokio::test]
async fn bars_that_the_caller_has_and_that_are_closed_are_not_sent_again() {
    let (mut hub, terminal) = cached(300).await;
    let api = hub.admin();
    let path = closed(0, 200);
    let known = tag(&api, &path).await;
    let asking = api.with("if-none-match", &known);
    let again = asking.with("accept-encoding", "gzip").get(&path).await;
    assert_eq!((again.status, again.bytes.len(), again.header("etag")), (304, 0, known.as_str()));
    assert_eq!((again.header("vary"), again.header("cache-control")), ("accept, accept-encoding", "private, no-cache"));
    assert_eq!((again.header("x-complete"), again.header("x-data-source")), ("true", "cache"));
    // Each question and each format has a tag of its own.
    let mut tags = vec![known.clone()];
    for format in ["columns", "csv", "ndjson", "packed", "arrow"] {
        tags.push(tag(&api, &format!("{path}&format={format}")).await);
    }
    for other in ["&tz=server&from=1699833600&to=1699836000", "&order=desc", "&limit=100"] {
        let path = if other.contains("server") { bars(&other[1..]) } else { path.replace("&limit=100000", "") + other };
        tags.push(tag(&api, &path).await);
    }
    let page = asking.get(&format!("{}&limit=100", path.replace("&limit=100000", ""))).await;
    assert_eq!(page.status, 200, "another page");
    let count = tags.len();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), count);
    // After a restart, and without the terminal.
    drop(terminal);
    hub.restart().await;
    assert_eq!(asking.get(&path).await.status, 304);
}

#[tokio::test]
async fn bars_that_may_still_change_have_no_tag_and_rewritten_ones_another() {
    let (hub, mut terminal) = cached(300).await;
    let api = hub.admin();
    for path in [bars("limit=5"), bars(&format!("from={}", minute(299)))] {
        let (forming, _) = tokio::join!(api.get(&path), terminal.answers(1));
        assert_eq!((forming.status, forming.header("etag"), forming.header("cache-control")), (200, "", "no-store"), "{path}");
    }
    // There is more than what the cache has, and the terminal is needed for it.
    let path = closed(0, 301);
    let (open, _) = tokio::join!(api.get(&path), terminal.answers(1));
    assert_eq!(open.header("etag"), "", "one of them is forming");
    let path = closed(0, 300);
    let known = tag(&api, &path).await;
    // The broker rewrites the last closed bar, which the next question finds.
    terminal.bars[299].close += 5e-6;
    let newest = bars("limit=5");
    let (found, _) = tokio::join!(api.get(&newest), terminal.answers(1));
    assert_eq!(found.expect(200)["history_changed"], true);
    let asking = api.with("if-none-match", &known);
    let again = tokio::select! {
        again = asking.get(&path) => again,
        _ = terminal.answers(9) => panic!("asked too often"),
    };
    assert_eq!(again.status, 200);
    assert_ne!(again.header("etag"), known);
    assert_eq!(again.expect(200)["data"][299]["close"].as_f64(), Some(terminal.bars[299].close));
}

#[tokio::test]
async fn ticks_have_the_same_formats_codings_and_tags() {
    let hub = TestHub::start().await;
    let mut fake = hub.fake(1001).await;
    let source = ticks::source(9_000);
    let api = hub.admin();
    let from = ticks::START - 7_200_000;
    let path = ticks::path(&format!("from={from}&to={}&limit=100000", from + 1_000_000));
    let json = ticks::served(&mut fake, &source, api.get(&path)).await.0;
    let known = json.header("etag").to_owned();
    let rows = plain(&json.expect(200)["data"]);
    let zipped = api.with("accept-encoding", "zstd");
    let arrowed = format!("{path}&format=arrow");
    let told = ticks::served(&mut fake, &source, zipped.get(&arrowed)).await.0;
    assert!(arrow(&unzipped(&told)).1 == rows, "{} of {}", told.bytes.len(), rows.len());
    let packed = format!("{path}&format=packed");
    let told = ticks::served(&mut fake, &source, zipped.get(&packed)).await.0;
    let read = Tick::unpack_all(&unzipped(&told)).unwrap();
    assert!(
        read.iter().map(|tick| json!([tick.time_msc, tick.bid])).eq(rows.iter().map(|row| json!([row["time_msc"], row["bid"]])))
    );
    let asking = api.with("if-none-match", &known);
    let again = ticks::served(&mut fake, &source, asking.get(&path)).await.0;
    assert_eq!((again.status, again.bytes.len(), again.header("etag")), (304, 0, known.as_str()));
    // To the newest one: there will be more.
    let open = ticks::path(&format!("from={from}&limit=100000"));
    assert_eq!(ticks::served(&mut fake, &source, asking.get(&open)).await.0.header("etag"), "");
}
