//! `/api/external`: what clients of InnovaTrading's published API meet, on real bars and on terminals that the tests speak for.

use mtbridge::protocol::{
    FromHub,
    codec::Row,
    message::{Draw, DrawLine, DrawPoint, Hello, Reply, draw_flag, draw_shape, line_style, reply_status},
};
use serde_json::{Value, json};

use crate::harness::{Api, FakeTerminal, Heard, TestHub, fake::symbol};

/// 2024-03-08 16:00 UTC, a Friday in New York's winter: the fake terminals' servers are at +2.
const WINTER: i64 = 1_709_913_600;
/// 2024-07-05 12:00 UTC: they are at +3.
const SUMMER: i64 = 1_720_180_800;
const NO_DATA: &str = "No bar data available. VPS/MT5 may be offline.";

fn page(query: &str) -> String {
    format!("/api/external/bars?symbol=EURUSD&timeframe=1&{query}")
}

fn times(body: &Value) -> Vec<i64> {
    body["bars"].as_array().unwrap().iter().map(|bar| bar["time"].as_i64().unwrap()).collect()
}

/// Every page from the newest bar back, joined.
async fn all_bars(api: &Api, limit: usize) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let mut query = format!("limit={limit}");
    loop {
        let body = api.get(&page(&query)).await.expect(200);
        let bars = body["bars"].as_array().unwrap();
        assert_eq!(body["count"], bars.len());
        assert_eq!(body["pagination"]["oldest_time"], bars.first().map_or(Value::Null, |bar| bar["time"].clone()));
        assert!(bars.iter().enumerate().all(|(at, bar)| bar["bar_number"] == at), "0 is the oldest of a page");
        all.splice(0..0, bars.iter().cloned());
        if body["pagination"]["has_more"] == false {
            return all;
        }
        assert_eq!(bars.len(), limit, "a page that more follows is full");
        query = format!("limit={limit}&before_time={}", body["pagination"]["oldest_time"]);
    }
}

#[tokio::test]
async fn pages_lead_back_to_the_first_bar_and_lose_none_and_double_none() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let api = hub.mint_key(&["read:bars"]).await;
    let whole =
        api.get("/api/v1/terminals/1001/bars/EURUSD?timeframe=M1&from=2024-01-01T00:00:00Z&limit=100000").await.expect(200);
    let closed: Vec<_> = whole["data"].as_array().unwrap().iter().filter(|bar| bar["complete"] == true).collect();
    assert!(closed.len() > 3_000, "{}", closed.len());
    for limit in [700, 5_000] {
        let paged = all_bars(&api, limit).await;
        assert!(paged.len() >= closed.len(), "{} of {}", paged.len(), closed.len());
        for (bar, known) in paged.iter().zip(&closed) {
            assert_eq!(bar["time"].as_i64().unwrap() * 1_000, known["time_msc"].as_i64().unwrap());
            assert_eq!(bar["datetime_utc"].as_str().unwrap().replace('Z', ".000Z"), known["time"].as_str().unwrap());
            for field in ["open", "high", "low", "close"] {
                assert_eq!(bar[field], known[field]);
            }
            assert_eq!(bar["volume"], known["tick_volume"]);
        }
    }
}

#[tokio::test]
async fn both_forms_of_the_address_say_the_same_and_the_published_names_are_all_there() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let api = hub.mint_key(&["read:bars"]).await;
    for minutes in [1, 5, 15, 30, 60, 240, 1_440, 10_080] {
        let query = format!("/api/external/bars?symbol=EURUSD&timeframe={minutes}&limit=3&before_time={}&sdk=1", WINTER);
        let asked = api.get(&query).await.expect(200);
        let path = format!("/api/external/bars/EURUSD/{minutes}?limit=3&before_time={}", WINTER);
        assert_eq!(asked, api.get(&path).await.expect(200));
        assert_eq!((&asked["success"], &asked["symbol"], &asked["timeframe"]), (&json!(true), &json!("EURUSD"), &json!(minutes)));
        assert!(times(&asked).iter().all(|time| *time < WINTER), "before_time is not in it");
    }
    let body = api.get("/api/external/bars?symbol=EURUSD&timeframe=60").await.expect(200);
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&body), "bars count pagination success symbol timeframe");
    assert_eq!(names(&body["bars"][0]), "bar_number close datetime_utc high low open time volume");
    let limit = api.get("/api/external/bars/EURUSD/1").await.expect(200);
    assert_eq!(limit["count"], 500, "unless it is said");
}

#[tokio::test]
async fn a_wrong_question_is_answered_with_a_sentence() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let api = hub.mint_key(&["read:bars"]).await;
    for (query, sentence) in [
        ("timeframe=60", "symbol is required"),
        ("symbol=EURUSD", "timeframe is required"),
        ("symbol=EURUSD&timeframe=H1", "timeframe must be in minutes: 1, 5, 15, 30, 60, 240, 1440 or 10080"),
        ("symbol=EURUSD&timeframe=2", "timeframe must be in minutes: 1, 5, 15, 30, 60, 240, 1440 or 10080"),
        ("symbol=EURUSD&timeframe=16385", "timeframe must be in minutes: 1, 5, 15, 30, 60, 240, 1440 or 10080"),
        ("symbol=EURUSD&timeframe=60&limit=0", "limit must be a number from 1 to 5000"),
        ("symbol=EURUSD&timeframe=60&limit=5001", "limit must be a number from 1 to 5000"),
        ("symbol=EURUSD&timeframe=60&limit=many", "limit must be a number from 1 to 5000"),
        ("symbol=EURUSD&timeframe=60&before_time=yesterday", "before_time must be UTC epoch seconds"),
    ] {
        let body = api.get(&format!("/api/external/bars?{query}")).await.refused(422, "validation_error");
        assert_eq!(body["message"], sentence, "{query}");
    }
    let body = api.get("/api/external/bars?symbol=NOPE&timeframe=60").await.refused(404, "not_found");
    assert_eq!(body["message"], "Symbol NOPE not found");
    api.get(&page("account=4711")).await.refused(404, "terminal_not_found");
    let body = hub.api("").get(&page("")).await.refused(401, "unauthorized");
    assert_eq!(body["message"], "Missing Authorization header");
    let body = hub.api("sk_live_nothing").get(&page("")).await.refused(401, "unauthorized");
    assert_eq!(body["message"], "Invalid API key");
}

#[tokio::test]
async fn without_a_terminal_there_is_no_data_but_what_is_cached_and_never_with_a_hole() {
    let hub = TestHub::start().await;
    let api = hub.mint_key(&["read:bars"]).await;
    let nothing = api.get(&page("")).await.refused(503, "no_data");
    assert_eq!((&nothing["message"], &nothing["symbol"], &nothing["timeframe"]), (&json!(NO_DATA), &json!("EURUSD"), &json!(1)));
    let terminal = hub.terminal(1001).await;
    let newest = times(&api.get(&page("limit=40")).await.expect(200));
    let older = times(&api.get(&page(&format!("limit=40&before_time={WINTER}"))).await.expect(200));
    assert!(older[39] < newest[0] - 3_600, "there is much between them");
    terminal.sim.stop().await;
    hub.shows(&terminal.token, "offline").await;
    let answer = api.get(&page("limit=5000")).await;
    assert_eq!(answer.header("x-data-source"), "cache");
    let cached = answer.expect(200);
    let kept = times(&cached);
    assert_eq!(kept, newest[..39], "all but the one that was forming, and nothing from beyond the hole");
    assert_eq!(cached["pagination"]["has_more"], true);
    api.get(&page(&format!("before_time={}", kept[0]))).await.refused(503, "no_data");
    assert_eq!(times(&api.get(&page(&format!("limit=40&before_time={WINTER}"))).await.expect(200)), older);
    api.get("/api/external/bars?symbol=EURUSD&timeframe=60").await.refused(503, "no_data");
    api.get("/api/external/symbols").await.refused(503, "no_data");
}

#[tokio::test]
async fn of_several_terminals_the_oldest_that_has_the_symbol_answers_and_pages_stay_with_it() {
    let hub = TestHub::start().await;
    let api = hub.mint_key(&["read:bars"]).await;
    let mut other = hub.fake(2002).await;
    let (first, second) = (hub.terminal(1001).await, hub.terminal(1002).await);
    // The oldest has no EURUSD, and says so.
    let path = page("limit=10");
    let (answer, ()) = tokio::join!(api.get(&path), async {
        let Heard::Message(FromHub::GetSymbol(get)) = other.next().await else { panic!("no question about the symbol") };
        assert_eq!(get.symbol, "EURUSD");
        other.send(without(get.call)).await;
    });
    let body = answer.expect(200);
    // A call that names a terminal asks that one alone, and changes nothing for those that do not.
    api.get(&page("limit=10&account=1002")).await.expect(200);
    drop(other);
    first.sim.stop().await;
    hub.shows(&first.token, "offline").await;
    // The page that follows would be in the cache of the first only: the second is not asked, whose prices may be others.
    let further = page(&format!("limit=10&before_time={}", body["pagination"]["oldest_time"]));
    api.get(&further).await.refused(503, "no_data");
    // Who begins anew gets what there is.
    let answer = api.get(&page("limit=10")).await;
    assert_eq!(answer.header("x-data-source"), "terminal");
    answer.expect(200);
    assert_eq!(api.get(&further).await.expect(200)["count"], 10);
    drop(second);
}

fn without(call: u64) -> Reply {
    Reply { call, status: reply_status::NOT_FOUND, parts: 1, ..Reply::default() }
}

#[tokio::test]
async fn symbols_are_those_of_all_connected_terminals_and_the_key_sees_no_others() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let api = hub.mint_key(&["read:bars"]).await;
    let body = api.get("/api/external/symbols").await.expect(200);
    let listed = hub.admin().get("/api/v1/terminals/1001/symbols").await.expect(200);
    let mut names: Vec<_> = listed["data"].as_array().unwrap().iter().map(|spec| spec["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert!(names.contains(&"EURUSD") && names.len() > 1);
    assert_eq!(
        body,
        json!({"success": true, "symbols": names, "timeframes": [1, 5, 15, 60, 240, 1440],
               "limits": {"max_bars_per_request": 5_000, "rate_limit_per_hour": null}})
    );
    // A test key sees only demo accounts.
    let minted = hub.admin().post("/api/v1/keys", json!({"permissions": ["read:bars"], "test": true})).await.expect(201);
    let token = hub.mint_token().await;
    let mut real = FakeTerminal::connect(hub.addr(), &token).await;
    real.send(Hello { trade_mode: 2, ..real.hello(2002) }).await;
    real.welcome().await;
    let test = hub.api(minted["key"].as_str().unwrap());
    let answer = tokio::select! {
        answer = test.get("/api/external/symbols") => answer,
        heard = real.next_whenever() => panic!("the real one was asked: {heard:?}"),
    };
    assert_eq!(answer.expect(200), body);
    test.get(&page("account=2002")).await.refused(404, "terminal_not_found");
}

fn signal(points: Value) -> Value {
    json!({"symbol": "EURUSD", "timeframe": 60, "indicator_name": "Swing points", "points": points})
}

fn at(id: &str) -> String {
    format!("/api/external/indicators/{id}?symbol=EURUSD&timeframe=60")
}

fn path(id: &str) -> String {
    format!("/api/external/indicators/{id}")
}

const ALL: [&str; 3] = ["write:indicators", "read:indicators", "delete:indicators"];

#[tokio::test]
async fn an_indicator_is_kept_replaced_read_listed_and_deleted() {
    let hub = TestHub::start().await;
    let api = hub.mint_key(&ALL).await;
    api.get(&at("swings")).await.refused(404, "not_found");
    let full = json!({
        "symbol": "EURUSD", "timeframe": 60, "indicator_name": "Swing points", "version": "2.1",
        "points": [{"time": WINTER, "type": "high", "price": 1.1, "label": "H", "color": "#ef4444", "shape": "arrowDown", "size": 2}],
        "lines": [{"id": "tp", "price": 1.2, "start_time": WINTER, "bars": 20, "label": "TP", "color": "#22c55e", "style": "dashed",
                   "width": 3}],
        "metadata": {"signal_type": "buy", "nested": {"n": [1, 2.5, null]}}, "unknown": 1,
    });
    let stored = api.post(&path("swings"), full.clone()).await.expect(200);
    let expires_at = stored["expires_at"].clone();
    assert_eq!(
        stored,
        json!({"success": true, "indicator_id": "swings", "points_received": 1, "lines_received": 1, "symbol": "EURUSD",
               "timeframe": 60, "expires_at": expires_at, "message": "Indicator data stored successfully"})
    );
    let read = api.get(&at("swings")).await.expect(200);
    let mut points = full["points"].clone();
    points[0]["bar_number"] = Value::Null;
    let (created_at, by) = (read["created_at"].clone(), read["by"].clone());
    assert_eq!(
        read,
        json!({"success": true, "indicator_id": "swings", "indicator_name": "Swing points", "by": by, "symbol": "EURUSD", "timeframe": 60,
               "version": "2.1", "points": points, "lines": full["lines"], "metadata": full["metadata"],
               "created_at": created_at, "expires_at": expires_at})
    );
    let instant = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!(instant(&expires_at) - instant(&created_at), 86_400);
    // Again, with less: what was left out is not left over.
    api.post(&path("swings"), signal(json!([]))).await.expect(200);
    let read = api.get(&at("swings")).await.expect(200);
    assert_eq!((&read["points"], &read["lines"], &read["metadata"]), (&json!([]), &json!([]), &json!({})));
    assert_eq!(read["version"], "1.0");
    // Another symbol or timeframe is another indicator.
    let mut other = signal(json!([{"time": WINTER, "type": "low", "price": 1}]));
    other["timeframe"] = json!("240");
    api.post(&path("swings"), other).await.expect(200);
    let listed = api.get("/api/external/indicators").await.expect(200);
    let rows = listed["indicators"].as_array().unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row["timeframe"].as_u64().unwrap(), row["points_count"].as_u64().unwrap())).collect();
    assert_eq!((&listed["success"], &listed["count"], told), (&json!(true), &json!(2), vec![(60, 0), (240, 1)]));
    for field in ["indicator_id", "indicator_name", "symbol", "created_at", "expires_at"] {
        assert!(rows[0][field].is_string(), "{field}");
    }
    let gone = api.delete(&at("swings")).await.expect(200);
    assert_eq!(gone, json!({"success": true, "message": "Indicator data deleted"}));
    for answer in [api.delete(&at("swings")).await, api.get(&at("swings")).await] {
        assert_eq!(answer.refused(404, "not_found")["message"], "Indicator not found");
    }
    assert_eq!(api.get("/api/external/indicators").await.expect(200)["count"], 1);
}

#[tokio::test]
async fn indicators_survive_a_restart_and_a_rotation_and_are_each_keys_own() {
    let mut hub = TestHub::start().await;
    let minted = hub.admin().post("/api/v1/keys", json!({})).await.expect(201);
    let api = hub.api(minted["key"].as_str().unwrap());
    api.post(&path("kept"), signal(json!([{"time": WINTER, "type": "low", "price": 1.5}]))).await.expect(200);
    api.post(&path("dropped"), signal(json!([]))).await.expect(200);
    api.delete(&at("dropped")).await.expect(200);
    let before = api.get(&at("kept")).await.expect(200);
    hub.restart().await;
    assert_eq!(api.get(&at("kept")).await.expect(200), before);
    api.get(&at("dropped")).await.refused(404, "not_found");
    let rotate = format!("/api/v1/keys/{}/rotate", minted["id"].as_str().unwrap());
    let rotated = hub.admin().post(&rotate, json!({"overlap_s": 0})).await.expect(201);
    let successor = hub.api(rotated["key"].as_str().unwrap());
    assert_eq!(successor.get(&at("kept")).await.expect(200), before);
    let stranger = hub.mint_key(&ALL).await;
    stranger.get(&at("kept")).await.refused(404, "not_found");
    stranger.delete(&at("kept")).await.refused(404, "not_found");
    assert_eq!(stranger.get("/api/external/indicators").await.expect(200)["count"], 0);
    assert_eq!(successor.get("/api/external/indicators").await.expect(200)["count"], 1);
}

#[tokio::test]
async fn a_wrong_indicator_is_refused_in_the_published_words() {
    let hub = TestHub::start().await;
    let api = hub.mint_key(&ALL).await;
    let good = json!({"time": WINTER, "type": "high", "price": 1.1});
    let point = |field: &str, value: Value| {
        let mut point = good.clone();
        point[field] = value;
        point
    };
    for (wrong, sentence) in [
        (point("type", json!("top")), "type must be 'high' or 'low'"),
        (point("type", Value::Null), "type must be 'high' or 'low'"),
        (point("time", Value::Null), "time is required"),
        (point("time", json!(1_709_913_600_000_i64)), "time must be UTC epoch seconds"),
        (point("time", json!(0.5)), "time must be UTC epoch seconds"),
        (point("price", json!("1.1")), "price must be a number"),
        (point("shape", json!("star")), "shape must be 'circle', 'arrowUp', 'arrowDown' or 'square'"),
        (point("size", json!(4)), "size must be 1, 2 or 3"),
        (point("color", json!("red")), "color must be like '#3b82f6'"),
        (point("label", json!("x".repeat(64))), "label must be at most 63 characters"),
        (json!(1), "must be an object"),
    ] {
        let body = api.post(&path("x"), signal(json!([good, wrong]))).await.refused(422, "validation_error");
        assert_eq!(
            (body["message"].as_str().unwrap(), &body["point_index"]),
            (format!("Point 1: {sentence}").as_str(), &json!(1))
        );
    }
    let with = |field: &str, value: Value| {
        let mut body = signal(json!([good]));
        body[field] = value;
        body
    };
    let line = json!([{"id": "a", "price": 1, "start_time": 1, "bars": 0}]);
    for (body, sentence) in [
        (with("symbol", Value::Null), "symbol is required"),
        (with("timeframe", Value::Null), "timeframe is required"),
        (with("timeframe", json!("H1")), "timeframe must be in minutes: 1, 5, 15, 30, 60, 240, 1440 or 10080"),
        (with("indicator_name", json!(" ")), "indicator_name is required"),
        (with("points", Value::Null), "points is required"),
        (with("points", json!({})), "points must be a list"),
        (with("points", json!(vec![0; 2_001])), "points must be at most 2000"),
        (with("lines", line), "Line 0: bars must be a whole number from 1 to 1000000"),
        (with("metadata", json!([])), "metadata must be an object"),
        (with("metadata", json!({"x": "y".repeat(9_000)})), "metadata must be at most 8192 bytes"),
    ] {
        assert_eq!(api.post(&path("x"), body).await.refused(422, "validation_error")["message"], sentence);
    }
    for id in ["a-b", "a.b", "%20", &"x".repeat(51)] {
        api.post(&path(id), signal(json!([]))).await.refused(422, "validation_error");
    }
    api.post_text(&path("x"), "{").await.refused(400, "malformed_request");
    assert_eq!(api.get("/api/external/indicators").await.expect(200)["count"], 0, "nothing of these was kept");
}

#[tokio::test]
async fn as_many_points_as_are_allowed_fit_into_a_body_whatever_other_bodies_may_have() {
    let hub = TestHub::start_with(|config| config.http.max_body_bytes = 4_096).await;
    let api = hub.admin();
    let point = |n: usize| {
        json!({"time": 1_710_187_200 + n * 60, "type": "high", "price": 1.093_125, "label": "L".repeat(40), "color": "#f97316",
            "shape": "arrowDown", "size": 2})
    };
    let body = |points: usize, more: usize| {
        let points: Vec<Value> = (0..points).map(point).collect();
        json!({"symbol": "EURUSD", "timeframe": 60, "indicator_name": "Swing points", "points": points, "ignored": "x".repeat(more)})
    };
    let path = "/api/external/indicators/all_of_them";
    assert_eq!(api.post(path, body(2_000, 0)).await.expect(200)["points_received"], 2_000);
    let told = api.post(path, body(2_001, 0)).await.refused(422, "validation_error");
    assert!(told["message"].as_str().unwrap().contains("2000"), "{told}");
    api.post(path, body(1, 1 << 20)).await.refused(413, "too_large");
    api.post("/api/v1/keys", json!({"name": "x".repeat(5_000)})).await.refused(413, "too_large");
}

#[tokio::test]
async fn a_point_says_which_bar_it_stands_at() {
    let hub = TestHub::start().await;
    let _terminal = hub.terminal(1001).await;
    let api = hub.mint_key(&["read:bars", "write:indicators", "read:indicators"]).await;
    let bars = api.get("/api/external/bars/EURUSD/60?limit=5000").await.expect(200);
    let bar = |number: usize| bars["bars"][number]["time"].as_i64().unwrap();
    let point = |time: i64| json!({"time": time, "type": "low", "price": 1.1});
    api.post(&path("x"), signal(json!([point(bar(0)), point(bar(7)), point(bar(7) + 1)]))).await.expect(200);
    let read = api.get(&at("x")).await.expect(200);
    let numbers: Vec<_> = read["points"].as_array().unwrap().iter().map(|point| point["bar_number"].clone()).collect();
    assert_eq!(numbers, [json!(0), json!(7), Value::Null], "a point whose time is no bar's is kept");
}

/// What the terminal is told to draw next; questions about symbols are answered: it has all but those whose names begin with X.
async fn drawn(terminal: &mut FakeTerminal) -> Draw {
    loop {
        match terminal.next().await {
            Heard::Message(FromHub::Draw(draw)) => return draw,
            Heard::Message(FromHub::GetSymbol(get)) if get.symbol.starts_with('X') => terminal.send(without(get.call)).await,
            Heard::Message(FromHub::GetSymbol(get)) => terminal.send(symbol(get.call, &get.symbol)).await,
            other => panic!("nothing to draw but {other:?}"),
        }
    }
}

fn is_gone(draw: &Draw) -> bool {
    draw.flags == draw_flag::REPLACE && draw.points.is_empty() && draw.lines.is_empty()
}

#[tokio::test]
async fn an_indicator_is_drawn_on_every_terminal_that_has_the_symbol_in_its_brokers_time() {
    let hub = TestHub::start().await;
    let api = hub.mint_key(&ALL).await;
    let mut terminals = [hub.fake(1001).await, hub.fake(1002).await];
    let mut body = signal(json!([
        {"time": WINTER, "type": "high", "price": 1.1, "label": "sell", "color": "#f97316", "shape": "arrowDown", "size": 3},
        {"time": SUMMER, "type": "low", "price": 1.0},
    ]));
    body["lines"] = json!([{"id": "tp", "price": 1.2, "start_time": WINTER, "bars": 5, "style": "dotted", "width": 2}]);
    let stored = api.post(&path("swings"), body).await.expect(200);
    for terminal in &mut terminals {
        let draw = drawn(terminal).await;
        assert!(draw.id.starts_with("swings_"), "{}", draw.id);
        let of = (draw.symbol.as_str(), draw.timeframe, draw.name.as_str(), draw.flags);
        assert_eq!(of, ("EURUSD", 16_385, "Swing points", draw_flag::REPLACE));
        let expires_at = stored["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(draw.expires_at, expires_at.as_millisecond());
        let sell = DrawPoint {
            time: WINTER + 7_200,
            kind: 0,
            price: 1.1,
            label: "sell".into(),
            color: 0x00f9_7316,
            shape: draw_shape::ARROW_DOWN,
            size: 3,
        };
        let low = DrawPoint { time: SUMMER + 10_800, kind: 1, price: 1.0, color: 0x00ea_b308, size: 1, ..DrawPoint::default() };
        assert_eq!(draw.points, [Row(sell), Row(low)]);
        let line = DrawLine { price: 1.2, label: String::new(), color: 0x00ea_b308, style: line_style::DOTTED, width: 2 };
        assert_eq!(draw.lines, [Row(line)]);
    }
    api.delete(&at("swings")).await.expect(200);
    for terminal in &mut terminals {
        assert!(is_gone(&drawn(terminal).await));
    }
}

#[tokio::test]
async fn a_terminal_without_the_symbol_is_told_nothing_of_it() {
    let hub = TestHub::start().await;
    let api = hub.mint_key(&ALL).await;
    let mut terminal = hub.fake(1001).await;
    let mut foreign = signal(json!([]));
    foreign["symbol"] = json!("XAUUSD");
    api.post(&path("gold"), foreign).await.expect(200);
    api.post(&path("euro"), signal(json!([]))).await.expect(200);
    assert_eq!(drawn(&mut terminal).await.symbol, "EURUSD", "in this order it would have come second");
}

#[tokio::test]
async fn a_terminal_that_comes_back_is_told_everything_and_what_was_deleted_meanwhile() {
    let mut hub = TestHub::start().await;
    let api = hub.mint_key(&ALL).await;
    let mut terminal = hub.fake(1001).await;
    for id in ["stays", "goes"] {
        api.post(&path(id), signal(json!([{"time": WINTER, "type": "low", "price": 1}]))).await.expect(200);
        assert_eq!(drawn(&mut terminal).await.points.len(), 1);
    }
    let token = terminal.token.clone();
    drop(terminal);
    hub.shows(&token, "offline").await;
    api.delete(&at("goes")).await.expect(200);
    for restart in [false, true] {
        if restart {
            hub.restart().await;
        }
        let mut terminal = FakeTerminal::enter(hub.addr(), &token, 1001).await;
        let (stays, goes) = (drawn(&mut terminal).await, drawn(&mut terminal).await);
        assert!(stays.id.starts_with("stays_") && stays.points.len() == 1, "{stays:?}");
        assert!(goes.id.starts_with("goes_") && is_gone(&goes), "{goes:?}");
    }
}

#[tokio::test]
async fn a_test_keys_indicator_is_drawn_on_demo_accounts_only() {
    let hub = TestHub::start().await;
    let minted = hub.admin().post("/api/v1/keys", json!({"test": true})).await.expect(201);
    let (test, live) = (hub.api(minted["key"].as_str().unwrap()), hub.mint_key(&ALL).await);
    let mut demo = hub.fake(1001).await;
    let token = hub.mint_token().await;
    let mut real = FakeTerminal::connect(hub.addr(), &token).await;
    real.send(Hello { trade_mode: 2, ..real.hello(2002) }).await;
    real.welcome().await;
    test.post(&path("test"), signal(json!([]))).await.expect(200);
    live.post(&path("live"), signal(json!([]))).await.expect(200);
    assert!(drawn(&mut demo).await.id.starts_with("test_"));
    assert!(drawn(&mut demo).await.id.starts_with("live_"));
    assert!(drawn(&mut real).await.id.starts_with("live_"), "and nothing before it");
}

#[tokio::test]
async fn a_terminal_that_says_nothing_gets_later_what_it_missed_and_the_others_get_it_all_the_same() {
    let hub = TestHub::start().await;
    let api = hub.mint_key(&ALL).await;
    // This one does not answer the question whether it has the symbol; the other is told all the same.
    let (mut silent, mut terminal) = (hub.fake(1001).await, hub.fake(1002).await);
    let the_other_is_told = async {
        for id in ["one", "two"] {
            api.post(&path(id), signal(json!([]))).await.expect(200);
            assert!(drawn(&mut terminal).await.id.starts_with(id));
        }
    };
    tokio::select! {
        () = the_other_is_told => {}
        closed = async {
            loop {
                if let Heard::Closed(code) = silent.next_whenever().await {
                    return code;
                }
            }
        } => panic!("the silent one was cut: {closed}"),
    }
    assert!(drawn(&mut silent).await.id.starts_with("one_"), "it answers at last");
    assert!(drawn(&mut silent).await.id.starts_with("two_"));
}
