//! The control call over real HTTP, with a terminal whose hub is not there: the broker does not need one.

use std::time::Duration;

use reqwest::Method;

use super::*;
use crate::simulator::{SimulatorConfig, bars::epoch};

struct Caller {
    control: Control,
    fleet: Arc<Fleet>,
    client: reqwest::Client,
}

impl Caller {
    async fn start() -> Self {
        let fleet = Arc::new(Fleet::default());
        for login in [1001, 1002] {
            let mut config = SimulatorConfig::new("ws://127.0.0.1:9", "mtb_token", login, "Demo-Server");
            config.start = Some(epoch("2024.03.08 15:00").unwrap());
            config.speed = 0.01;
            fleet.add(config).unwrap();
        }
        let control = Control::serve(([127, 0, 0, 1], 0).into(), fleet.clone()).await.unwrap();
        let tls = crate::tls::client(None).unwrap();
        #[expect(clippy::disallowed_methods, reason = "with the settings that it needs")]
        let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured((*tls).clone());
        Self { control, fleet, client: builder.build().unwrap() }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.control.addr());
        let mut request = self.client.request(method, url);
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let response = request.timeout(Duration::from_secs(20)).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PUT, path, body).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, body).await
    }
}

#[tokio::test]
async fn faults_switches_and_rules_are_changed_while_it_runs_for_one_or_for_all() {
    let caller = Caller::start().await;
    let one = (200, json!({"changed": 1}));
    assert_eq!(caller.put("/terminals/1001/faults", json!({"faults": ["drop:after_accept", "requote:3"]})).await, one);
    assert_eq!(caller.put("/terminals/1001/switches", json!({"broker_link": false})).await, one);
    assert_eq!(caller.put("/terminals/all/rules", json!({"liquidity": 0.5})).await, (200, json!({"changed": 2})));
    let state = caller.get("/terminals/1001").await;
    assert_eq!(state["faults"], json!(["drop:after_accept", "requote:3"]));
    assert_eq!((&state["switches"]["broker_link"], &state["switches"]["terminal_trade_allowed"]), (&json!(false), &json!(true)));
    let all = caller.get("/terminals").await;
    assert_eq!(all["connected"], 0);
    let rows = all["data"].as_array().unwrap();
    assert!(rows.len() == 2 && rows.iter().all(|row| row["rules"]["liquidity"] == 0.5), "{all}");
    assert_eq!(rows[1]["faults"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_is_told_in_words_and_changes_nothing() {
    let caller = Caller::start().await;
    for (path, body, status, word) in [
        ("/terminals/1001/faults", json!({"faults": ["explode"]}), 400, "drop:STEP"),
        ("/terminals/1001/rules", json!({"fluidity": 1}), 400, "liquidity"),
        ("/terminals/1001/switches", json!({"broker": false}), 400, "broker_link"),
        ("/terminals/1001/speed", json!({"speed": 0}), 400, "0.01"),
        ("/terminals/7/faults", json!({"faults": []}), 404, "no terminal"),
        ("/nonsense", json!({}), 404, "docs/simulator.md"),
    ] {
        let (got, answer) = caller.put(path, body).await;
        assert!(got == status && answer["error"].as_str().unwrap().contains(word), "{path}: {got} {answer}");
    }
    assert_eq!(caller.post("/terminals/all/order_send", json!({})).await.0, 400);
    assert_eq!(caller.get("/terminals/1001").await["faults"], json!([]));
}

#[tokio::test]
async fn the_ledger_traces_every_deal_and_the_clock_is_moved_at_will() {
    let caller = Caller::start().await;
    let before = caller.get("/terminals/1001").await["market"]["broker_time"].as_i64().unwrap();
    let order = json!({"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "magic": 5, "sl": 1.09, "tp": 1.095});
    let (status, result) = caller.post("/terminals/1001/order_send", order).await;
    assert_eq!((status, &result["retcode"], &result["retcode_name"]), (200, &json!(10_009), &json!("done")), "{result}");
    // The labour figures of 15:30 carry the price far enough.
    assert_eq!(caller.post("/terminals/1001/advance", json!({"ms": 3_600_000})).await.0, 200);
    let after = caller.get("/terminals/1001").await["market"]["broker_time"].as_i64().unwrap();
    assert!((3_600..3_700).contains(&(after - before)));
    let ledger = caller.get("/terminals/1001/ledger").await;
    let origins: Vec<_> = ledger["deals"].as_array().unwrap().iter().map(|deal| deal["origin"].clone()).collect();
    assert_eq!(origins, [json!("deposit"), json!({"request_id": 1}), json!("take_profit")]);
    assert_eq!((&ledger["requests"][0]["done"], &ledger["requests"][0]["request"]["magic"]), (&json!(true), &json!(5)));
    assert_eq!((&ledger["positions"], ledger["history_orders"].as_array().unwrap().len()), (&json!([]), 2));
    assert_eq!(caller.put("/terminals/1001/speed", json!({"speed": 60})).await.0, 200);
    assert_eq!(caller.get("/terminals/1001").await["market"]["speed"], 60.0);
}

#[tokio::test]
async fn a_restarted_terminal_is_another_one_over_the_same_broker() {
    let caller = Caller::start().await;
    let order = json!({"action": 1, "symbol": "EURUSD", "volume": 0.1});
    caller.post("/terminals/1001/order_send", order).await;
    caller.put("/terminals/1001/faults", json!({"faults": ["hide:5000"]})).await;
    let before = caller.fleet.terminal(1001).unwrap();
    for call in ["crash", "disconnect", "restart"] {
        assert_eq!(caller.post(&format!("/terminals/1001/{call}"), Value::Null).await, (200, json!({"changed": 1})), "{call}");
    }
    let after = caller.fleet.terminal(1001).unwrap();
    assert!(!Arc::ptr_eq(&before, &after) && before.outcome() == Some(Ok(())) && after.outcome().is_none());
    assert_eq!(after.broker().executed(), before.broker().executed());
    assert_eq!(after.faults(), before.faults());
    caller.fleet.stop().await;
    caller.control.stop().await;
}

#[tokio::test]
async fn browsers_and_other_machines_are_turned_away() {
    let caller = Caller::start().await;
    let url = format!("http://{}/terminals", caller.control.addr());
    let status =
        async |name: &str, value: &str| caller.client.get(&url).header(name, value).send().await.unwrap().status().as_u16();
    assert_eq!(status("origin", "http://evil.example").await, 403);
    assert_eq!(status("host", "evil.example:80").await, 403);
    assert_eq!((status("host", "localhost:80").await, status("host", "[::1]").await), (200, 200));
    let elsewhere = Control::serve(([0, 0, 0, 0], 0).into(), caller.fleet.clone()).await;
    assert!(elsewhere.unwrap_err().to_string().contains("not of this machine alone"));
}

/// The words of a line of shell, single quotes taken off.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[tokio::test]
async fn every_example_of_the_document_is_answered_as_written() {
    let caller = Caller::start().await;
    let document = include_str!("../../docs/simulator.md").split_once("## The control API").unwrap().1;
    let block = document.split_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    let mut called = std::collections::BTreeSet::new();
    for line in block.lines().filter(|line| !line.starts_with('#')) {
        let words = words(line);
        let after = |option: &str| words.iter().position(|word| word == option).map(|at| words[at + 1].as_str());
        let url = words.iter().find_map(|word| word.strip_prefix("http://127.0.0.1:8799")).unwrap_or_else(|| panic!("{line}"));
        let method: Method = after("-X").unwrap_or("GET").parse().unwrap();
        let body = after("-d").map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
        let (status, answer) = caller.call(method.clone(), url, body).await;
        assert_eq!(status, 200, "{line}: {answer}");
        called.insert(format!("{method} {}", url.rsplit('/').next().unwrap()));
    }
    assert_eq!(called.len(), 12, "every call has its example: {called:?}");
}
