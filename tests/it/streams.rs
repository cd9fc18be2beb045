//! What happens, as it is told: in order, each thing once, over restarts, to whoever may know.

use std::collections::BTreeSet;

use mtbridge::access::secret::{KEY_LIVE, Secret};
use serde_json::{Value, json};

use crate::harness::{
    Api, HubProcess, Terminal, TestHub, eventually, free_port, soon,
    stream::{Opening, StreamClient},
};

fn topics(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"topic": name})).collect()
}

async fn open(hub: &TestHub) -> StreamClient {
    StreamClient::with_key(hub.addr(), &hub.admin_key).await
}

fn is_deal(message: &Value) -> bool {
    message["type"] == "event" && message["kind"] == "deal"
}

/// Submits an indicator of some bytes: something that happens without a terminal.
async fn draw(api: &Api, id: &str, bytes: usize) {
    let points: Vec<_> =
        (0..bytes / 100).map(|at| json!({"time": at, "type": "high", "price": 1.5, "label": "x".repeat(60)})).collect();
    let body = json!({"symbol": "EURUSD", "timeframe": 60, "indicator_name": "n", "points": points});
    api.post(&format!("/api/external/indicators/{id}"), body).await.expect(200);
}

fn drawn(message: &Value) -> Option<&str> {
    (message["kind"] == "indicator.submitted").then(|| message["data"]["indicator_id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_told_as_it_goes_each_state_once_and_its_deal() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let mut stream = open(&hub).await;
    let answer = stream.subscribe(topics(&["commands", "deals"]), None).await;
    assert_eq!((answer["id"].clone(), &answer["refused"]), (json!(1), &json!([])), "{answer}");
    for topic in ["deals", "commands"] {
        let snapshot = stream.next().await;
        assert_eq!((&snapshot["type"], &snapshot["topic"], &snapshot["data"]), (&json!("snapshot"), &json!(topic), &json!([])));
    }
    let bought = hub.admin().once().buy(1001).await.expect(200);
    let (mut kinds, mut deal) = (Vec::new(), Value::Null);
    while deal.is_null() || kinds.last() != Some(&"command.executed".to_owned()) {
        let message = stream.next().await;
        assert_eq!(message["type"], "event", "{message}");
        assert_eq!(message["account"]["login"], 1001);
        if is_deal(&message) {
            deal = message["data"].clone();
        } else {
            assert_eq!(message["data"]["id"], bought["id"]);
            kinds.push(message["kind"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(kinds.iter().collect::<BTreeSet<_>>().len(), kinds.len(), "each state once: {kinds:?}");
    assert_eq!(kinds[0], "command.dispatched");
    assert_eq!((&deal["symbol"], &deal["volume"], &deal["command"]), (&json!("EURUSD"), &json!(0.01), &bought["id"]));
    let known = hub.admin().get("/api/v1/audit/trades?account=1001&kind=deal").await.expect(200);
    assert!(known["data"].as_array().unwrap().contains(&deal), "as REST has it: {deal} in {known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resumes_over_a_killed_hub_has_no_gap_and_no_duplicate() {
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), Secret::generate(KEY_LIVE).unwrap().reveal().to_owned());
    let mut hub = HubProcess::start(dir.path(), port, &admin, &[]).await;
    let address = hub.address.parse().unwrap();
    let terminal = Terminal::start(hub.api(&admin).mint_token().await, &hub.url(), 1001, |_| {}).await;
    let mut stream = StreamClient::with_key(address, &admin).await;
    let answer = stream.subscribe(topics(&["deals"]), None).await;
    let (mut cursor, mut told) = (answer["cursor"].as_str().unwrap().to_owned(), Vec::new());
    for round in 0..3 {
        for _ in 0..4 {
            hub.api(&admin).once().buy(1001).await.expect(200);
        }
        // Some of them are read and some are not, when the hub dies.
        while told.len() < 4 * round + 2 {
            let message = stream.until(is_deal).await;
            told.push(message["data"]["ticket"].as_u64().unwrap());
            message["cursor"].as_str().unwrap().clone_into(&mut cursor);
        }
        hub.program.kill().await;
        hub = HubProcess::start(dir.path(), port, &admin, &[]).await;
        terminal.is_connected().await;
        stream = StreamClient::with_key(address, &admin).await;
        let answer = stream.subscribe(topics(&["deals"]), Some(&cursor)).await;
        assert_eq!(answer["type"], "answer", "{answer}");
    }
    let api = hub.api(&admin);
    let known = eventually("the history has all twelve deals", async || {
        let known = api.get("/api/v1/audit/trades?account=1001&kind=deal&limit=1000").await.expect(200);
        let rows = known["data"].as_array().unwrap().clone();
        let of_ours = rows.iter().filter(|row| row["symbol"] == "EURUSD").count();
        if of_ours == 12 { Ok(rows) } else { Err(of_ours.to_string()) }
    })
    .await;
    while told.len() < known.len() {
        let message = stream.next().await;
        assert_ne!(message["type"], "gap", "{message}");
        assert_ne!(message["type"], "snapshot", "whoever resumes needs none");
        if is_deal(&message) {
            told.push(message["data"]["ticket"].as_u64().unwrap());
        }
    }
    let (told_of, known_of): (BTreeSet<_>, BTreeSet<_>) =
        (told.iter().copied().collect(), known.iter().map(|row| row["ticket"].as_u64().unwrap()).collect());
    assert_eq!(told_of, known_of);
    assert_eq!(told.len(), told_of.len(), "none twice: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_never_reads_is_closed_delays_nobody_and_loses_nothing() {
    let hub = TestHub::start_with(|config| config.stream.write_timeout = std::time::Duration::from_millis(300)).await;
    let opening =
        Opening { key: Some(&hub.admin_key), protocols: "mtbridge.json.v1", receive_buffer: Some(4_096), ..Opening::default() };
    let mut stuck = StreamClient::open(hub.addr(), opening).await.unwrap();
    let cursor = stuck.subscribe(topics(&["indicators"]), None).await["cursor"].as_str().unwrap().to_owned();
    let mut reader = open(&hub).await;
    reader.subscribe(topics(&["indicators"]), None).await;
    // Far more than the system takes for a reader that does not read.
    let (api, count) = (hub.admin(), 300);
    let submitting = tokio::spawn(async move {
        for number in 0..count {
            draw(&api, &format!("i{}", number % 150), 50_000).await;
        }
    });
    let mut heard = 0;
    while heard < count {
        heard += usize::from(drawn(&reader.next().await).is_some());
    }
    submitting.await.unwrap();
    eventually("the stuck one is ended", async || {
        let metrics = String::from_utf8(hub.admin().get("/metrics").await.bytes).unwrap();
        let ended = metrics.contains("mtbridge_stream_ends_total{reason=\"too_slow\"} 1");
        if ended { Ok(()) } else { Err(metrics.lines().filter(|line| line.contains("stream")).collect()) }
    })
    .await;
    drop(stuck);
    let mut again = open(&hub).await;
    assert_eq!(again.subscribe(topics(&["indicators"]), Some(&cursor)).await["type"], "answer");
    for number in 0..count {
        assert_eq!(drawn(&again.next().await), Some(format!("i{}", number % 150).as_str()), "in order, without a hole");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_too_slow_also_when_the_system_says_so_first() {
    let hub = TestHub::start_with(|config| config.stream.write_timeout = std::time::Duration::from_secs(600)).await;
    let opening =
        Opening { key: Some(&hub.admin_key), protocols: "mtbridge.json.v1", receive_buffer: Some(4_096), ..Opening::default() };
    let mut stuck = StreamClient::open(hub.addr(), opening).await.unwrap();
    stuck.subscribe(topics(&["indicators"]), None).await;
    // More than the reader has room for, and less than the hub's side has.
    draw(&hub.admin(), "i", 100_000).await;
    eventually("the system gives up on it", async || {
        let metrics = String::from_utf8(hub.admin().get("/metrics").await.bytes).unwrap();
        let ended = metrics.contains("mtbridge_stream_ends_total{reason=\"too_slow\"} 1");
        if ended { Ok(()) } else { Err(metrics.lines().filter(|line| line.contains("stream")).collect()) }
    })
    .await;
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_of_terminals_is_not_kept_for_the_next_who_follows_them() {
    let hub = TestHub::start().await;
    let terminal = hub.fake(1001).await;
    let token = terminal.token.clone();
    // Of one that is away nothing changes by itself.
    drop(terminal);
    hub.shows(&token, "offline").await;
    let first = async || {
        let mut stream = open(&hub).await;
        stream.subscribe(topics(&["terminals"]), None).await;
        stream.until(|message| message["type"] == "state").await["seq"].as_u64()
    };
    let mut told = first().await;
    for _ in 0..3 {
        told = eventually("it is looked at anew", async || {
            let again = first().await;
            if again > told { Ok(again) } else { Err(format!("{again:?}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_history_is_told_as_a_gap_with_how_it_stands() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    hub.admin().once().buy(1001).await.expect(200);
    let mut stream = open(&hub).await;
    let here = stream.subscribe(topics(&["indicators"]), None).await["cursor"].as_str().unwrap().to_owned();
    // The same number in a history that went another way, as after a restore of an older backup; and one that never was.
    let other_way = format!("{}{:08x}", &here[..16], !u32::from_str_radix(&here[16..], 16).unwrap());
    for cursor in [other_way, format!("00ffffffffffffff{}", &here[16..])] {
        let mut late = open(&hub).await;
        late.subscribe(topics(&["commands", "deals"]), Some(&cursor)).await;
        let gap = late.next().await;
        assert_eq!(gap["type"], "gap", "{gap}");
        let next = [late.next().await, late.next().await];
        assert!(next.iter().all(|message| message["type"] == "snapshot"), "{next:?}");
        eventually("the deal is in a snapshot", async || {
            let mut fresh = open(&hub).await;
            fresh.subscribe(topics(&["deals"]), None).await;
            let rows = fresh.next().await["data"].as_array().unwrap().len();
            if rows > 0 { Ok(()) } else { Err("none".into()) }
        })
        .await;
        // And from there on it goes on.
        hub.admin().once().buy(1001).await.expect(200);
        late.until(is_deal).await;
    }
    let refused = stream.subscribe(topics(&["deals"]), Some("yesterday")).await;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("validation_error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_encodings_tell_the_same() {
    let hub = TestHub::start().await;
    let mut plain = open(&hub).await;
    let opening = Opening { key: Some(&hub.admin_key), protocols: "mtbridge.msgpack.v1", ..Opening::default() };
    let mut packed = StreamClient::open(hub.addr(), opening).await.unwrap();
    for stream in [&mut plain, &mut packed] {
        stream.subscribe(topics(&["indicators", "tokens"]), None).await;
    }
    draw(&hub.admin(), "one", 500).await;
    hub.mint_token().await;
    for _ in 0..2 {
        let event = plain.until(|message| message["type"] == "event").await;
        assert_eq!(packed.until(|message| message["type"] == "event").await, event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_readers_share_one_frame() {
    let hub = TestHub::start_with(|config| config.stream.max_per_key = 100).await;
    let mut readers = Vec::new();
    for _ in 0..50 {
        let mut reader = open(&hub).await;
        reader.subscribe(topics(&["indicators"]), None).await;
        assert_eq!(reader.next().await["type"], "snapshot");
        readers.push(reader);
    }
    let written = async || {
        let metrics = String::from_utf8(hub.admin().get("/metrics").await.bytes).unwrap();
        let line = metrics.lines().find(|line| line.contains("frames_written_total{encoding=\"json\"}")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let before = written().await;
    draw(&hub.admin(), "one", 500).await;
    for reader in &mut readers {
        reader.until(|message| drawn(message) == Some("one")).await;
    }
    assert_eq!(written().await - before, 1, "one event, fifty readers");
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_of_a_terminal_begin_with_the_newest_and_go_on() {
    let hub = TestHub::start().await;
    let terminal = hub.terminal(1001).await;
    let mut stream = open(&hub).await;
    let items =
        json!([{"topic": "quotes", "terminal": "1001", "symbol": "EURUSD"}, {"topic": "positions"}, {"topic": "terminals"}]);
    stream.subscribe(items.clone(), None).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        let message = stream.next().await;
        assert_eq!(message["type"], "state", "{message}");
        assert_eq!(message["account"]["login"], 1001);
        match message["topic"].as_str().unwrap() {
            "quotes" if message["data"].is_null() => {}
            "quotes" => assert!(message["data"]["bid"].as_f64().unwrap() > 0.5 && message["symbol"] == "EURUSD"),
            "positions" if message["data"].is_null() => continue,
            "positions" => assert_eq!(message["data"], json!([])),
            "terminals" => assert_eq!(message["data"]["state"], "connected"),
            other => panic!("{other}"),
        }
        seen.insert(message["topic"].as_str().unwrap().to_owned());
    }
    hub.admin().once().buy(1001).await.expect(200);
    let is_open =
        |message: &Value| message["topic"] == "positions" && message["data"].as_array().is_some_and(|rows| rows.len() == 1);
    stream.until(is_open).await;
    let ended = stream.send(json!({"id": "u", "unsubscribe": [{"topic": "positions"}]}));
    ended.await;
    let answer = stream.until(|message| message["id"] == "u").await;
    assert_eq!(answer["unsubscribed"][0]["topic"], "positions");
    drop(terminal);
    stream.until(|message| message["topic"] == "terminals" && message["data"]["state"] == "offline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_hears_what_it_may_read_and_is_refused_the_rest_by_name() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let trader = hub.mint_key(&["trade:write"]).await;
    let reader = hub.mint_key(&["read:history"]).await;
    let mut stream = StreamClient::with_key(hub.addr(), &reader.key).await;
    let items = json!([
        {"topic": "deals"}, {"topic": "commands"}, {"topic": "tokens"}, {"topic": "weather"}, {"topic": "quotes", "symbol": "EURUSD"},
        {"topic": "deals", "terminal": "4711"}, {"topic": "deals", "symbol": "EURUSD"},
    ]);
    let answer = stream.subscribe(items, None).await;
    let codes: Vec<_> = answer["refused"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["forbidden", "validation_error", "forbidden", "terminal_not_found", "validation_error"], "{answer}");
    assert_eq!(answer["refused"][0]["permission"], "admin");
    assert_eq!(answer["subscribed"].as_array().unwrap().len(), 2);
    trader.once().buy(1001).await.expect(200);
    let first = stream.until(|message| message["type"] == "event").await;
    assert!(is_deal(&first), "a command is for whoever holds its permission: {first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_runs_the_hub_hears_that_the_audit_has_grown_and_nobody_else_does() {
    let hub = TestHub::start().await;
    let newest = async || hub.admin().get("/api/v1/audit?limit=1").await.expect(200)["data"][0]["id"].clone();
    let mut stream = open(&hub).await;
    stream.subscribe(topics(&["audit"]), None).await;
    let is_news = |message: &Value| message["type"] == "state" && message["topic"] == "audit";
    let first = stream.until(is_news).await;
    assert_eq!((&first["seq"], &first["data"]), (&json!(1), &json!({"newest": newest().await})), "how it stands, at once");
    // A change, and a refusal of somebody who is known.
    let bot = hub.mint_key(&["read:bars"]).await;
    let made = newest().await;
    stream.until(|message| is_news(message) && message["data"]["newest"].as_str() >= made.as_str()).await;
    bot.get("/api/v1/audit").await.refused(403, "forbidden");
    let told = stream.until(|message| is_news(message) && message["data"]["newest"] != made).await;
    assert_eq!(told["data"]["newest"], newest().await);

    let operator = hub.user(&hub.admin(), "owner").await;
    let member = hub.user(&operator, "member").await;
    let theirs = member.post("/api/v1/keys", json!({"permissions": ["admin"]})).await.expect(201);
    for (key, code) in [(bot.key.as_str(), "forbidden"), (theirs["key"].as_str().unwrap(), "operator_required")] {
        let answer = StreamClient::with_key(hub.addr(), key).await.subscribe(topics(&["audit"]), None).await;
        assert_eq!((&answer["subscribed"], &answer["refused"][0]["code"]), (&json!([]), &json!(code)), "{answer}");
    }
    let of_a_terminal = open(&hub).await.subscribe(json!([{"topic": "audit", "terminal": "1001"}]), None).await;
    assert_eq!(of_a_terminal["refused"][0]["code"], "validation_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_run_the_hub_any_more_hears_no_more_of_the_audit() {
    let hub = TestHub::start().await;
    let minted = hub.admin().post("/api/v1/keys", json!({"permissions": ["admin", "read:account"]})).await.expect(201);
    let mut stream = StreamClient::with_key(hub.addr(), minted["key"].as_str().unwrap()).await;
    assert_eq!(stream.subscribe(topics(&["audit", "terminals"]), None).await["refused"], json!([]));
    let is_news = |message: &Value| message["type"] == "state" && message["topic"] == "audit";
    stream.until(is_news).await;
    let path = format!("/api/v1/keys/{}", minted["id"].as_str().unwrap());
    hub.admin().patch(&path, json!({"permissions": ["read:account"]})).await.expect(200);
    let lost = soon("the topic ends", stream.until(|message| message["type"] == "unsubscribed")).await;
    assert_eq!((&lost["topic"], &lost["code"]), (&json!("audit"), &json!("forbidden")));
    // Two looks of another one, each a second after the last: one of theirs would have been between.
    let mut other = open(&hub).await;
    other.subscribe(topics(&["audit"]), None).await;
    for _ in 0..3 {
        hub.mint_key(&["read:bars"]).await;
        other.until(is_news).await;
    }
    stream.send(json!({"id": 2, "ping": true})).await;
    let answer = stream.until(|message| is_news(message) || message["id"] == 2).await;
    assert_eq!(answer["type"], "answer", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_cut() {
    let hub = TestHub::start().await;
    let minted = hub.admin().post("/api/v1/keys", json!({"permissions": ["read:indicators"]})).await.expect(201);
    let mut stream = StreamClient::with_key(hub.addr(), minted["key"].as_str().unwrap()).await;
    stream.subscribe(topics(&["indicators"]), None).await;
    hub.admin().delete(&format!("/api/v1/keys/{}", minted["id"].as_str().unwrap())).await.expect(204);
    assert_eq!(stream.ended().await, (4500, "key_ended".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_key_loses_what_it_may_not_follow_any_more_and_keeps_the_rest() {
    let hub = TestHub::start().await;
    let _terminal = hub.fake(1001).await;
    let minted = hub.admin().post("/api/v1/keys", json!({"permissions": ["read:quotes", "read:account"]})).await.expect(201);
    let mut stream = StreamClient::with_key(hub.addr(), minted["key"].as_str().unwrap()).await;
    let items = json!([{"topic": "quotes", "symbol": "EURUSD"}, {"topic": "quotes", "symbol": "GBPUSD"}, {"topic": "terminals"}]);
    assert_eq!(stream.subscribe(items, None).await["refused"], json!([]));
    let path = format!("/api/v1/keys/{}", minted["id"].as_str().unwrap());
    hub.admin().patch(&path, json!({"symbols": ["GBPUSD"]})).await.expect(200);
    let lost = stream.until(|message| message["type"] == "unsubscribed").await;
    assert_eq!((&lost["topic"], &lost["symbol"], &lost["code"]), (&json!("quotes"), &json!("EURUSD"), &json!("forbidden")));
    // An account that is not there for the key any more takes all that is of it along.
    hub.admin().patch(&path, json!({"accounts": ["4711@Demo-Server"]})).await.expect(200);
    let lost = stream.until(|message| message["type"] == "unsubscribed").await;
    assert_eq!((&lost["symbol"], &lost["code"]), (&json!("GBPUSD"), &json!("not_found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_stream_for_a_page_of_ours() {
    let hub = TestHub::start_with(|config| config.stream.origins = vec!["https://app.example".to_owned()]).await;
    let ticket = async || {
        let made = hub.admin().post("/api/v1/tickets", json!({})).await.expect(201);
        assert_eq!(made["expires_in_s"], 30);
        made["ticket"].as_str().unwrap().to_owned()
    };
    let own = format!("http://{}", hub.addr());
    let one = ticket().await;
    let offered = format!("mtbridge.json.v1, mtbridge.ticket.{one}");
    let opening = Opening { protocols: &offered, origin: Some(&own), ..Opening::default() };
    let mut stream = StreamClient::open(hub.addr(), opening.clone()).await.unwrap();
    assert_eq!(stream.subscribe(topics(&["tokens"]), None).await["refused"], json!([]), "with the rights of who made it");
    let again = StreamClient::open(hub.addr(), opening).await.err().expect("it was used");
    assert_eq!((again.status, &again.body["code"]), (401, &json!("unauthorized")));
    let query = format!("?ticket={}", ticket().await);
    let opening = Opening { query: &query, origin: Some("https://app.example"), ..Opening::default() };
    assert!(StreamClient::open(hub.addr(), opening).await.is_ok());
    let query = format!("?ticket={}", ticket().await);
    let opening = Opening { query: &query, origin: Some("https://evil.example"), ..Opening::default() };
    assert_eq!(StreamClient::open(hub.addr(), opening).await.err().unwrap().body["code"], "origin_refused");
    let opening = Opening { key: Some(&hub.admin_key), origin: Some(&own), ..Opening::default() };
    assert_eq!(StreamClient::open(hub.addr(), opening).await.err().unwrap().body["code"], "ticket_required");
    assert_eq!(StreamClient::open(hub.addr(), Opening::default()).await.err().unwrap().status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_so_many_streams_and_a_closed_one_makes_room() {
    let hub = TestHub::start_with(|config| config.stream.max_per_key = 1).await;
    let first = open(&hub).await;
    let opening = Opening { key: Some(&hub.admin_key), ..Opening::default() };
    let refused = StreamClient::open(hub.addr(), opening.clone()).await.err().unwrap();
    assert_eq!((refused.status, &refused.body["code"], &refused.body["limit"]), (429, &json!("too_many_streams"), &json!(1)));
    drop(first);
    eventually("there is room again", async || {
        StreamClient::open(hub.addr(), opening.clone()).await.map(drop).map_err(|refused| refused.body.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_goodbye_to_streams() {
    let mut hub = TestHub::start().await;
    let mut stream = open(&hub).await;
    stream.subscribe(topics(&["terminals"]), None).await;
    let (end, ()) = tokio::join!(stream.ended(), hub.stop());
    assert_eq!(end, (4000, "shutdown".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_answered_and_the_stream_goes_on() {
    let hub = TestHub::start().await;
    let mut stream = open(&hub).await;
    stream.send(json!({"subscribe": [{"topic": "deals", "colour": "red"}]})).await;
    let told = stream.next().await;
    assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!("malformed_request")));
    assert!(told["message"].as_str().unwrap().contains("colour"), "{told}");
    stream.send(json!({"id": 7, "ping": true})).await;
    assert_eq!(stream.next().await["id"], 7);
}

/// Server-sent events, read as they come.
struct Sse {
    answer: reqwest::Response,
    text: String,
}

impl Sse {
    async fn open(api: &Api, path: &str) -> Self {
        Self { answer: api.stream(path).await, text: String::new() }
    }

    /// Id and data of the next event.
    async fn next(&mut self) -> (Option<String>, Value) {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (id, data) = (field("id: "), field("data: "));
                self.text = rest.to_owned();
                if let Some(data) = data {
                    return (id, serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            let piece = soon("an event", self.answer.chunk()).await.unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_resume_where_the_last_one_was() {
    let hub = TestHub::start().await;
    let mut events = Sse::open(&hub.admin(), "/api/v1/events?topics=indicators,tokens").await;
    assert_eq!(events.next().await.1["type"], "answer");
    draw(&hub.admin(), "one", 200).await;
    let id = loop {
        let (id, message) = events.next().await;
        if drawn(&message) == Some("one") {
            assert_eq!(message["cursor"].as_str(), id.as_deref());
            break id.unwrap();
        }
    };
    drop(events);
    draw(&hub.admin(), "two", 200).await;
    draw(&hub.admin(), "three", 200).await;
    let mut events = Sse::open(&hub.admin().with("last-event-id", &id), "/api/v1/events?topics=indicators").await;
    assert_eq!(events.next().await.1["type"], "answer");
    assert_eq!(drawn(&events.next().await.1), Some("two"));
    assert_eq!(drawn(&events.next().await.1), Some("three"));
    let refused = hub.mint_key(&["read:bars"]).await.get("/api/v1/events?topics=indicators").await;
    assert_eq!(refused.refused(403, "forbidden")["permission"], "read:indicators");
    hub.admin().get("/api/v1/events?topics=").await.refused(422, "validation_error");
}
