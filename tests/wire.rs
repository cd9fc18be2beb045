//! The golden frames of `tests/wire/`, which every implementation of mtbridge.v1 reads and writes, and the document that describes
//! them. Their bytes come from `tests/wire/encode.py`, an encoder that shares no line with the hub's.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use mtbridge::{
    domain::{
        account::AccountInfo,
        market::{Bar, BookLevel, SymbolSpec, Tick},
        trade::{Deal, Order, OrderCheck, Position},
    },
    protocol::{
        CloseReason, FromHub, FromTerminal,
        codec::{self, Messages},
        message::{Amount, BarsBody, Quote, TicksBody, TradeSessions},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

const MESSAGES: &str = include_str!("../src/protocol/message.rs");
const DOCUMENT: &str = include_str!("../docs/terminal-protocol.md");
const READS: &str = include_str!("../src/protocol/reads.rs");
const DRAW: &str = include_str!("../src/protocol/draw.rs");
const LIVE: &str = include_str!("../src/protocol/live.rs");
const SOURCES: [&str; 7] = [
    MESSAGES,
    READS,
    DRAW,
    LIVE,
    include_str!("../src/domain/account.rs"),
    include_str!("../src/domain/market.rs"),
    include_str!("../src/domain/trade.rs"),
];

/// One golden file.
struct Golden {
    name: String,
    value: Value,
}

impl Golden {
    fn text(&self, field: &str) -> &str {
        self.value[field].as_str().unwrap_or_default()
    }

    fn bytes(&self) -> Vec<u8> {
        unhex(self.text("hex"))
    }

    /// Whether an encoder of today writes these very bytes: not if it is an example of an older or a newer sender.
    fn is_exact(&self) -> bool {
        self.value.get("sent").is_none()
    }
}

fn goldens() -> Vec<Golden> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    let read = |path: &PathBuf| Golden {
        name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        value: serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap(),
    };
    paths.iter().map(read).filter(|golden| golden.value.get("refused").is_none()).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte in {text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Name and fields of a decoded message, as JSON: every variant carries one struct.
fn told(message: &(impl Messages + std::fmt::Debug), fields: Value) -> (String, Value) {
    let text = format!("{message:?}");
    (text[..text.find('(').unwrap()].to_owned(), fields)
}

macro_rules! fields_of {
    ($name:ident, $message:expr, $($variant:ident)+) => {
        match $message { $($name::$variant(fields) => serde_json::to_value(fields).unwrap()),+ }
    };
}

/// What a golden frame decodes to (name, fields), its count, and the bytes that the hub's own encoder makes of it.
fn decoded(golden: &Golden) -> (Option<(String, Value)>, u64, Option<Vec<u8>>) {
    let bytes = golden.bytes();
    let name = &golden.name;
    if golden.text("direction") == "terminal to hub" {
        let found = codec::decode::<FromTerminal>(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let fields = |m: &FromTerminal| fields_of!(FromTerminal, m, Hello Status Reply Accepted Outcome Answer PushQuotes PushBars Transaction Log);
        let again = found.message.as_ref().map(|message| message.encode(found.count));
        (found.message.as_ref().map(|message| told(message, fields(message))), found.count, again)
    } else {
        let found = codec::decode::<FromHub>(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let fields = |m: &FromHub| fields_of!(FromHub, m, Welcome Trade Query Acknowledge Latch Draw Subscribe GetAccount GetSymbols GetSymbol GetQuotes GetBars GetPositions GetDeals GetTicks GetOrders GetHistoryOrders GetDepth SelectSymbol CheckOrder CalcMargin CalcProfit GetSession);
        let again = found.message.as_ref().map(|message| message.encode(found.count));
        (found.message.as_ref().map(|message| told(message, fields(message))), found.count, again)
    }
}

/// Bytes as `serde_json` shows them.
fn bytes_of(value: &Value) -> Vec<u8> {
    value.as_array().unwrap().iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect()
}

/// Whether a decoded value is what a golden file says, in the notation of `tests/wire/README.md`.
fn assert_same(at: &str, found: &Value, expected: &Value) {
    match expected {
        Value::Object(expected) if expected.contains_key("packed") => {
            let bars: Vec<Bar> = serde_json::from_value(expected["packed"].clone()).unwrap();
            assert_eq!(Bar::unpack_all(&bytes_of(found)).unwrap(), bars, "{at}");
        }
        Value::Object(expected) if expected.contains_key("packed_ticks") => {
            let ticks: Vec<Tick> = serde_json::from_value(expected["packed_ticks"].clone()).unwrap();
            assert_eq!(Tick::unpack_all(&bytes_of(found)).unwrap(), ticks, "{at}");
        }
        // The body of a reply: `the_bodies_of_replies_…` looks into it.
        Value::Object(expected) if expected.contains_key("inside") => assert!(!bytes_of(found).is_empty(), "{at}"),
        Value::Object(expected) => {
            let found = found.as_object().unwrap_or_else(|| panic!("{at}: {found} is no record"));
            assert_eq!(found.keys().collect::<BTreeSet<_>>(), expected.keys().collect::<BTreeSet<_>>(), "{at}");
            for (name, expected) in expected {
                assert_same(&format!("{at}.{name}"), &found[name], expected);
            }
        }
        Value::Array(expected) => {
            let found = found.as_array().unwrap_or_else(|| panic!("{at}: {found} is no list"));
            assert_eq!(found.len(), expected.len(), "{at}");
            found.iter().zip(expected).for_each(|(found, expected)| assert_same(at, found, expected));
        }
        Value::String(text) if text.starts_with("hex:") && found.is_array() => {
            assert_eq!(bytes_of(found), unhex(&text[4..]), "{at}");
        }
        Value::String(text) => assert_eq!(found.as_str(), Some(text.strip_prefix("hex:").unwrap_or(text)), "{at}"),
        Value::Number(number) if number.is_f64() => assert_eq!(found.as_f64(), number.as_f64(), "{at}"),
        other => assert_eq!(found, other, "{at}"),
    }
}

#[test]
fn every_golden_frame_decodes_to_what_it_says() {
    for golden in goldens() {
        let (message, count, _) = decoded(&golden);
        assert_eq!(count, golden.value["count"].as_u64().unwrap(), "{}", golden.name);
        match message {
            None => assert_eq!(golden.value["message"], Value::Null, "{}", golden.name),
            Some((name, fields)) => {
                assert_eq!(name, golden.text("message"), "{}", golden.name);
                assert_same(&golden.name, &fields, &golden.value["fields"]);
            }
        }
    }
}

#[test]
fn the_hub_writes_the_same_bytes_as_the_golden_frames() {
    for golden in goldens().into_iter().filter(Golden::is_exact) {
        let (_, _, again) = decoded(&golden);
        assert_eq!(again.unwrap(), golden.bytes(), "{}", golden.name);
    }
}

fn one<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> (Value, Vec<u8>) {
    let record: T = codec::record(bytes).unwrap();
    (serde_json::to_value(&record).unwrap(), codec::write_record(&record))
}

fn many<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> (Value, Vec<u8>) {
    let rows: Vec<T> = codec::rows(bytes, 100).unwrap();
    (serde_json::to_value(&rows).unwrap(), codec::write_rows(&rows))
}

#[test]
fn the_bodies_of_replies_are_the_records_that_they_say_and_are_written_the_same() {
    let mut seen = BTreeSet::new();
    for golden in goldens().into_iter().filter(|golden| golden.value.get("body").is_some()) {
        let Some(FromTerminal::Reply(reply)) = codec::decode(&golden.bytes()).unwrap().message else { panic!("{}", golden.name) };
        let body = golden.text("body");
        let (found, again) = match body {
            "AccountInfo" => one::<AccountInfo>(&reply.body),
            "SymbolSpec" => one::<SymbolSpec>(&reply.body),
            "BarsBody" => one::<BarsBody>(&reply.body),
            "[Quote]" => many::<Quote>(&reply.body),
            "[Position]" => many::<Position>(&reply.body),
            "[Deal]" => many::<Deal>(&reply.body),
            "TicksBody" => one::<TicksBody>(&reply.body),
            "[Order]" => many::<Order>(&reply.body),
            "[BookLevel]" => many::<BookLevel>(&reply.body),
            "OrderCheck" => one::<OrderCheck>(&reply.body),
            "Amount" => one::<Amount>(&reply.body),
            "TradeSessions" => one::<TradeSessions>(&reply.body),
            other => panic!("{}: what is {other}?", golden.name),
        };
        assert_same(&golden.name, &found, &golden.value["fields"]["body"]["inside"]);
        assert_eq!(again, reply.body, "{}", golden.name);
        seen.insert(body.to_owned());
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[test]
fn what_is_no_message_is_refused() {
    let file: Value = serde_json::from_str(include_str!("wire/refused.json")).unwrap();
    for case in file["refused"].as_array().unwrap() {
        let bytes = unhex(case["hex"].as_str().unwrap());
        assert!(codec::decode::<FromTerminal>(&bytes).is_err(), "{}", case["why"]);
    }
}

#[test]
fn integers_and_floats_of_32_bits_may_stand_for_doubles_and_wider_integers_are_taken() {
    // Status: loop_age_ms as u32 instead of the shortest form, balance as the integer 5, equity as float 32.
    let frame = unhex("990201ce0000000cc3c3c3c305ca40c00000");
    let Some(FromTerminal::Status(status)) = codec::decode(&frame).unwrap().message else { panic!() };
    assert_eq!((status.loop_age_ms, status.balance, status.equity), (12, 5.0, 6.0));
}

#[test]
fn every_message_has_a_golden_frame() {
    let have: BTreeSet<_> = goldens().iter().map(|golden| golden.text("message").to_owned()).collect();
    for (_, name) in tags("FromTerminal").into_iter().chain(tags("FromHub")) {
        assert!(have.contains(&name), "there is no golden frame of {name}");
    }
}

/// Tag and name of each message of one direction, as the source has them.
fn tags(direction: &str) -> Vec<(u8, String)> {
    let start = MESSAGES.find(&format!("\n    {direction} {{")).unwrap_or_else(|| panic!("no {direction} in message.rs"));
    let inside = MESSAGES[start..].split_once('{').unwrap().1.split_once('}').unwrap().0;
    let pair = |text: &str| text.trim().split_once(' ').map(|(tag, name)| (tag.parse().unwrap(), name.to_owned()));
    let found: Vec<_> = inside.split(',').filter_map(pair).collect();
    assert!(found.len() > 5, "{inside}");
    found
}

/// The fields of a struct in wire order, as the source has them.
fn fields(name: &str) -> Vec<String> {
    let head = format!("pub struct {name} {{\n");
    let source = SOURCES.iter().find(|source| source.contains(&head)).unwrap_or_else(|| panic!("no struct {name}"));
    let body = source.split_once(&head).unwrap().1.split_once("\n}").unwrap().0;
    let mut found = Vec::new();
    let mut renamed = None;
    for line in body.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[serde(rename = \"") {
            renamed = rest.split('"').next().map(str::to_owned);
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(':')) {
            found.push(renamed.take().unwrap_or_else(|| field.to_owned()));
        }
    }
    assert!(!found.is_empty(), "{name}");
    found
}

/// The document's section under a heading that starts so.
fn section(heading: &str) -> &'static str {
    let start = DOCUMENT.find(&format!("\n### {heading}\n")).unwrap_or_else(|| panic!("no section `### {heading}`"));
    let rest = &DOCUMENT[start + 5..];
    rest.find("\n##").map_or(rest, |end| &rest[..end])
}

/// Checks a table `| number | field | …` against the source.
fn assert_table(heading: &str, name: &str, first: usize) {
    // The first table is that of the fields; those after it are of values.
    let table = section(heading).lines().skip_while(|line| !line.starts_with("| # |")).take_while(|line| line.starts_with('|'));
    let numbered: Vec<_> = table
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let number: usize = cells.next()?.trim().parse().ok()?;
            Some((number, cells.next()?.trim().trim_matches('`').to_owned()))
        })
        .collect();
    let expected: Vec<_> = (first..).zip(fields(name)).collect();
    assert_eq!(numbered, expected, "the table of `{heading}` in docs/terminal-protocol.md");
}

#[test]
fn the_document_describes_every_message_with_its_tag_and_every_field_in_order() {
    for (tag, name) in tags("FromTerminal").into_iter().chain(tags("FromHub")) {
        assert_table(&format!("{name} (tag {tag})"), &name, 2);
    }
}

#[test]
fn the_document_describes_every_nested_record_with_every_field_in_order() {
    for name in [
        "TradeRequest",
        "TradeResult",
        "AccountInfo",
        "SymbolSpec",
        "Quote",
        "Tick",
        "BarsBody",
        "Bar",
        "Position",
        "Deal",
        "Order",
        "OrderCheck",
        "BookLevel",
        "TicksBody",
        "Amount",
        "TradeSessions",
        "TradeSession",
        "DrawPoint",
        "DrawLine",
        "Series",
        "LiveQuote",
        "LiveSeries",
    ] {
        assert_table(name, name, 0);
    }
}

#[test]
fn the_document_names_every_constant_with_its_value() {
    let mut count = 0;
    for line in MESSAGES.lines().chain(READS.lines()).chain(DRAW.lines()).filter_map(|line| line.strip_prefix("    pub const ")) {
        let Some((name, rest)) = line.split_once(": u8 = ").or_else(|| line.split_once(": u32 = ")) else { continue };
        let Ok(value) = rest.trim_end_matches(';').parse::<u8>() else { continue };
        assert!(DOCUMENT.contains(&format!("| {value} | `{name}` |")), "{name} = {value}");
        count += 1;
    }
    assert!(count >= 30, "{count} constants found");
}

#[test]
fn the_document_names_every_close_code_with_its_text_and_whether_to_come_back() {
    let reasons: Vec<_> = (4000..5000).filter_map(CloseReason::from_code).collect();
    assert!(reasons.len() >= 14);
    for reason in reasons {
        let back = if reason.comes_back() { "yes" } else { "no" };
        let row = format!("| {} | {} | {back} |", reason.code(), reason.text());
        assert!(DOCUMENT.contains(&row), "{row}");
    }
    for line in DOCUMENT.lines() {
        let Some(code) = line.strip_prefix("| ").and_then(|rest| rest.split(' ').next()?.parse::<u16>().ok()) else { continue };
        assert!(code < 4000 || CloseReason::from_code(code).is_some(), "the hub knows no such code: {line}");
    }
}
