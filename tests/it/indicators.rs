//! What bots draw, as people see it: of all bots that are theirs, whose each is, and nobody else's.

use std::collections::BTreeSet;

use mtbridge::{
    domain::indicator::Indicator,
    store::{Batch, Store as _, records},
};
use serde_json::{Value, json};

use crate::harness::{
    Api, TestHub, open_store,
    stream::{Opening, StreamClient},
};

const LIST: &str = "/api/external/indicators";

/// A key of whoever makes it.
struct Bot {
    /// As `by` names it.
    by: Value,
    id: String,
    secret: String,
    api: Api,
}

async fn bot(hub: &TestHub, of: &Api, name: &str) -> Bot {
    let minted = of.post("/api/v1/keys", json!({"name": name})).await.expect(201);
    let (id, secret) = (minted["id"].as_str().unwrap().to_owned(), minted["key"].as_str().unwrap().to_owned());
    Bot { by: json!({"kind": "key", "id": id, "name": name}), api: hub.api(&secret), id, secret }
}

impl Bot {
    fn by(&self) -> String {
        format!("by={}", self.id)
    }
}

fn point(price: f64) -> Value {
    json!({"time": 1_710_187_200, "type": "high", "price": price})
}

async fn draw(api: &Api, id: &str, symbol: &str, timeframe: u32, points: Value) {
    let line = json!([{"id": "tp", "price": 1.2, "start_time": 1_710_187_200, "bars": 5}]);
    let body = json!({"symbol": symbol, "timeframe": timeframe, "indicator_name": "Levels", "points": points, "lines": line});
    api.post(&format!("{LIST}/{id}"), body).await.expect(200);
}

fn of_levels(more: &str) -> String {
    format!("{LIST}/levels?symbol=EURUSD&timeframe=60&{more}")
}

/// The indicators of a list.
async fn listed(api: &Api, query: &str) -> Vec<Value> {
    let body = api.get(&format!("{LIST}?{query}")).await.expect(200);
    let rows = body["indicators"].as_array().unwrap().clone();
    assert_eq!(body["count"], rows.len());
    rows
}

/// Who submitted what is in a list.
async fn authors(api: &Api, query: &str) -> Value {
    listed(api, query).await.iter().map(|row| row["by"].clone()).collect()
}

pub async fn ticketed(hub: &TestHub, who: &Api) -> StreamClient {
    let ticket = who.post("/api/v1/tickets", json!({})).await.expect(201);
    let query = format!("?ticket={}", ticket["ticket"].as_str().unwrap());
    let opening = Opening { query: &query, protocols: "mtbridge.json.v1", ..Opening::default() };
    StreamClient::open(hub.addr(), opening).await.unwrap()
}

/// Two tenants, each with bots that gave their indicators the same id.
struct Desk {
    hub: TestHub,
    operator: Api,
    anna: Api,
    viewer: Api,
    bert: Api,
    trend: Bot,
    swing: Bot,
    berts: Bot,
}

async fn desk() -> Desk {
    let hub = TestHub::start().await;
    // The first owner runs the hub, and these are the hub's own.
    let operator = hub.user(&hub.admin(), "owner").await;
    let (anna, bert) = (hub.user(&hub.admin(), "owner").await, hub.user(&hub.admin(), "member").await);
    let viewer = hub.user(&anna, "viewer").await;
    let (trend, swing) = (bot(&hub, &anna, "trend").await, bot(&hub, &anna, "swing").await);
    let berts = bot(&hub, &bert, "bert's").await;
    for (one, price) in [(&trend, 1.1), (&swing, 1.2), (&berts, 1.3)] {
        draw(&one.api, "levels", "EURUSD", 60, json!([point(price)])).await;
    }
    Desk { hub, operator, anna, viewer, bert, trend, swing, berts }
}

#[tokio::test]
async fn people_see_the_indicators_of_all_bots_of_their_own_and_a_key_its_own_line_alone() {
    let Desk { hub, operator, anna, viewer, bert, trend, swing, berts } = desk().await;
    for query in ["", "with=points"] {
        for who in [&anna, &viewer] {
            assert_eq!(authors(who, query).await, json!([trend.by, swing.by]));
            assert_eq!(authors(who, &format!("{query}&{}", swing.by())).await, json!([swing.by]));
            assert_eq!(authors(who, &format!("{query}&{}", berts.by())).await, json!([]));
        }
        assert_eq!(authors(&bert, query).await, json!([berts.by]));
        assert_eq!(authors(&operator, query).await, json!([]), "whoever runs the hub sees no other tenant's");
        assert_eq!(authors(&trend.api, query).await, json!([trend.by]));
        assert_eq!(authors(&trend.api, &format!("{query}&{}", trend.by())).await, json!([trend.by]));
        assert_eq!(authors(&trend.api, &format!("{query}&{}", swing.by())).await, json!([]));
    }
    // A key that may everything is a key.
    let minted = anna.post("/api/v1/keys", json!({"permissions": ["admin"]})).await.expect(201);
    assert_eq!(authors(&hub.api(minted["key"].as_str().unwrap()), "").await, json!([]));
    // Nobody takes away what a bot drew but the bot.
    for who in [&anna, &bert, &swing.api] {
        who.delete(&of_levels(&trend.by())).await.refused(404, "not_found");
    }
    anna.delete(&of_levels("")).await.refused(404, "not_found");
    viewer.delete(&of_levels("")).await.refused(403, "forbidden");
    assert_eq!(listed(&anna, "").await.len(), 2);
    let told = anna.get(LIST).await;
    let text = String::from_utf8_lossy(&told.bytes).into_owned();
    assert!(!text.contains(&trend.secret) && !text.contains("sk_live"), "{text}");
}

#[tokio::test]
async fn of_several_of_one_id_the_one_that_is_named_is_read_and_never_another_tenants() {
    let Desk { hub: _hub, anna, viewer, bert, trend, swing, berts, .. } = desk().await;
    let price = |body: &Value| body["points"][0]["price"].as_f64().unwrap();
    for who in [&anna, &viewer] {
        let refused = who.get(&of_levels("")).await.refused(409, "ambiguous_indicator");
        assert_eq!(refused["candidates"], json!([trend.by, swing.by]));
        for (one, at) in [(&trend, 1.1), (&swing, 1.2)] {
            let read = who.get(&of_levels(&one.by())).await.expect(200);
            assert_eq!((&read["by"], price(&read)), (&one.by, at));
        }
        who.get(&of_levels(&berts.by())).await.refused(404, "not_found");
    }
    // Another tenant's do not make it ambiguous, nor does another line's to a key.
    for (who, at) in [(&bert, 1.3), (&berts.api, 1.3), (&trend.api, 1.1)] {
        assert_eq!(price(&who.get(&of_levels("")).await.expect(200)), at);
    }
    bert.get(&of_levels(&trend.by())).await.refused(404, "not_found");
    swing.api.get(&of_levels(&trend.by())).await.refused(404, "not_found");
    for path in [of_levels("by=trend"), format!("{LIST}?by=own_01M807HKZQ3V6E9X4BN5T2RD8C")] {
        let refused = anna.get(&path).await.refused(422, "validation_error");
        assert_eq!(refused["message"], "by must be the id of a key or a user");
    }
    // A line is known by each of its keys, and by the name of now.
    let rotated = anna.post(&format!("/api/v1/keys/{}/rotate", trend.id), json!({"overlap_s": 0})).await.expect(201);
    let read = anna.get(&of_levels(&format!("by={}", rotated["id"].as_str().unwrap()))).await.expect(200);
    assert_eq!((&read["by"], price(&read)), (&trend.by, 1.1));
    anna.patch(&format!("/api/v1/keys/{}", trend.id), json!({"name": "trend 2"})).await.expect(200);
    let read = anna.get(&of_levels(&trend.by())).await.expect(200);
    assert_eq!(read["by"], json!({"kind": "key", "id": trend.id, "name": "trend 2"}));
    swing.api.delete(&of_levels("")).await.expect(200);
    assert_eq!(price(&anna.get(&of_levels("")).await.expect(200)), 1.1, "one is left");
    // A person has a line too.
    draw(&anna, "mine", "EURUSD", 60, json!([])).await;
    let who = anna.who().await["user"].clone();
    let read = viewer.get(&format!("{LIST}/mine?symbol=EURUSD&timeframe=60")).await.expect(200);
    assert_eq!(read["by"], json!({"kind": "user", "id": who["id"], "name": who["login"]}));
    assert_eq!(listed(&viewer, &format!("by={}", who["id"].as_str().unwrap())).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topic_tells_people_of_all_their_bots_and_a_key_of_its_own_line() {
    let Desk { hub, anna, viewer, bert, trend, swing, berts, .. } = desk().await;
    let mut of_people = [ticketed(&hub, &anna).await, ticketed(&hub, &viewer).await];
    let (mut of_bert, mut of_swing) = (ticketed(&hub, &bert).await, StreamClient::with_key(hub.addr(), &swing.secret).await);
    for stream in of_people.iter_mut().chain([&mut of_bert, &mut of_swing]) {
        assert_eq!(stream.subscribe(json!([{"topic": "indicators"}]), None).await["refused"], json!([]));
    }
    let both = json!([trend.by, swing.by]);
    let [annas, viewers] = &mut of_people;
    for (stream, known) in
        [(annas, &both), (viewers, &both), (&mut of_bert, &json!([berts.by])), (&mut of_swing, &json!([swing.by]))]
    {
        let snapshot = stream.next().await;
        let told: Vec<_> = snapshot["data"].as_array().unwrap().iter().map(|row| row["by"].clone()).collect();
        assert_eq!((&snapshot["type"], json!(told)), (&json!("snapshot"), known.clone()));
    }
    // In this order; each stream is told of each in turn, so whatever is left out was not for it.
    draw(&trend.api, "one", "EURUSD", 60, json!([point(1.0)])).await;
    draw(&berts.api, "two", "EURUSD", 60, json!([])).await;
    draw(&swing.api, "three", "EURUSD", 60, json!([])).await;
    trend.api.delete(&format!("{LIST}/one?symbol=EURUSD&timeframe=60")).await.expect(200);
    draw(&berts.api, "four", "EURUSD", 60, json!([])).await;
    draw(&swing.api, "five", "EURUSD", 60, json!([])).await;
    let of_anna =
        [("submitted", "one", &trend), ("submitted", "three", &swing), ("deleted", "one", &trend), ("submitted", "five", &swing)];
    let [annas, viewers] = &mut of_people;
    for (stream, expected) in [
        (annas, &of_anna[..]),
        (viewers, &of_anna[..]),
        (&mut of_bert, &[("submitted", "two", &berts), ("submitted", "four", &berts)]),
        (&mut of_swing, &[("submitted", "three", &swing), ("submitted", "five", &swing)]),
    ] {
        for (kind, id, by) in expected {
            let event = stream.next().await;
            let told = (event["kind"].as_str().unwrap(), event["data"]["indicator_id"].as_str().unwrap());
            assert_eq!((told, &event["data"]["by"]), ((format!("indicator.{kind}").as_str(), *id), &by.by), "{event}");
        }
    }
}

#[tokio::test]
async fn one_call_has_all_that_is_to_be_drawn_on_a_chart() {
    let Desk { hub: _hub, anna, trend, swing, .. } = desk().await;
    draw(&trend.api, "levels", "EURUSD", 5, json!([])).await;
    draw(&swing.api, "levels", "XAUUSD", 60, json!([])).await;
    let rows = listed(&anna, "symbol=EURUSD&timeframe=60&with=points").await;
    for (row, one) in rows.iter().zip([&trend, &swing]) {
        let mut read = anna.get(&of_levels(&one.by())).await.expect(200);
        assert!(read["points"][0].as_object_mut().unwrap().remove("bar_number").is_some());
        assert_eq!(read.as_object_mut().unwrap().remove("success"), Some(json!(true)));
        (read["points_count"], read["lines_count"]) = (json!(1), json!(1));
        assert_eq!(*row, read, "as a read of it, but for the number of the bar");
    }
    assert_eq!(rows.len(), 2);
    let of = |rows: Vec<Value>| -> BTreeSet<(String, u64)> {
        let one = |row: &Value| (row["symbol"].as_str().unwrap().to_owned(), row["timeframe"].as_u64().unwrap());
        rows.iter().map(one).collect()
    };
    assert_eq!(of(listed(&anna, "symbol=XAUUSD").await), [("XAUUSD".to_owned(), 60)].into());
    assert_eq!(of(listed(&anna, "timeframe=5").await), [("EURUSD".to_owned(), 5)].into());
    assert_eq!(listed(&anna, "symbol=EURUSD").await.len(), 3);
    assert_eq!(listed(&anna, "symbol=GBPUSD&with=points").await.len(), 0);
    assert!(listed(&anna, "").await.iter().all(|row| row.get("points").is_none() && row["lines_count"] == 1));
    for (query, sentence) in [
        ("with=lines", "with must be points"),
        ("timeframe=H1", "timeframe must be in minutes: 1, 5, 15, 30, 60, 240, 1440 or 10080"),
        ("symbol=", "symbol is required"),
    ] {
        let refused = anna.get(&format!("{LIST}?{query}")).await.refused(422, "validation_error");
        assert_eq!(refused["message"], sentence, "{query}");
    }
    anna.patch(&format!("/api/v1/keys/{}", swing.id), json!({"symbols": ["XAUUSD"]})).await.expect(200);
    swing.api.get(&format!("{LIST}?symbol=EURUSD")).await.refused(403, "forbidden");
    assert_eq!(of(listed(&swing.api, "with=points").await), [("XAUUSD".to_owned(), 60)].into());
}

#[tokio::test]
async fn an_answer_with_points_is_bounded_and_says_what_it_left_out() {
    let hub = TestHub::start().await;
    let anna = hub.user(&hub.admin(), "owner").await;
    let (many, large) = (bot(&hub, &anna, "many").await, bot(&hub, &anna, "large").await);
    for at in 0..101 {
        draw(&many.api, &format!("i{at}"), "XAUUSD", 60, json!([])).await;
    }
    let without = |body: &Value| -> Vec<String> {
        let rows = body["indicators"].as_array().unwrap().iter();
        let none = rows.filter(|row| row["points"].is_null() && row["lines"].is_null() && row["by"]["id"].is_string());
        none.map(|row| row["indicator_id"].as_str().unwrap().to_owned()).collect()
    };
    let body = anna.get(&format!("{LIST}?symbol=XAUUSD&with=points")).await.expect(200);
    assert_eq!((&body["count"], &body["without_points"], without(&body)), (&json!(101), &json!(1), vec!["i0".to_owned()]));
    // 2,000 points and a line each: the tenth would be ten too many.
    let points: Vec<_> = (0..2_000).map(|_| point(1.0)).collect();
    draw(&large.api, "small", "EURUSD", 60, json!([])).await;
    for at in 0..10 {
        draw(&large.api, &format!("l{at}"), "EURUSD", 60, json!(points)).await;
    }
    let body = anna.get(&format!("{LIST}?symbol=EURUSD&with=points")).await.expect(200);
    assert_eq!((&body["count"], &body["without_points"], without(&body)), (&json!(11), &json!(1), vec!["l0".to_owned()]));
    let small = body["indicators"].as_array().unwrap().iter().find(|row| row["indicator_id"] == "small").unwrap();
    assert_eq!(small["lines"].as_array().unwrap().len(), 1, "for it there was room left");
    assert!(anna.get(LIST).await.expect(200).get("without_points").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_indicator_that_expires_is_told_also_when_the_hub_was_away() {
    let mut hub = TestHub::start().await;
    let anna = hub.user(&hub.admin(), "owner").await;
    let trend = bot(&hub, &anna, "trend").await;
    for id in ["levels", "deleted"] {
        draw(&trend.api, id, "EURUSD", 60, json!([point(1.0)])).await;
    }
    trend.api.delete(&format!("{LIST}/deleted?symbol=EURUSD&timeframe=60")).await.expect(200);
    let cursor = ticketed(&hub, &anna).await.subscribe(json!([{"topic": "indicators"}]), None).await["cursor"].clone();
    hub.stop().await;
    let store = open_store(hub.dir());
    let mut batch = Batch::outcome();
    for (key, entry) in store.scan(records::INDICATORS, None, 10).await.unwrap() {
        let mut old: Indicator = records::decode(&key, &entry).unwrap();
        old.expires_at = old.created_at.plus_ms(1);
        old.ended_at = old.ended_at.map(|_| old.created_at);
        batch = batch.put(key, records::encode(&old));
    }
    store.commit(batch).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    hub.start_again().await;
    let mut stream = ticketed(&hub, &anna).await;
    stream.subscribe(json!([{"topic": "indicators"}]), cursor.as_str()).await;
    let told = stream.until(|message| message["kind"] == "indicator.expired").await;
    let data = &told["data"];
    assert_eq!((&data["indicator_id"], &data["by"], &data["points"]), (&json!("levels"), &trend.by, &json!([])));
    assert_eq!((&told["at"], &told["symbol"]), (&data["expires_at"], &json!("EURUSD")));
    assert_eq!(listed(&anna, "").await, [Value::Null; 0]);
    // The one that was deleted was told when it was: what comes next is the next thing that happens.
    draw(&trend.api, "next", "EURUSD", 60, json!([])).await;
    let next = stream.next().await;
    assert_eq!((&next["kind"], &next["data"]["indicator_id"]), (&json!("indicator.submitted"), &json!("next")), "{next}");
}
