//! What the tests of the controls share: setting them, and a terminal that shows what a test wants it to.

use mtbridge::{
    domain::{
        limits::Limits,
        market::{SymbolSpec, Tick},
        trade::{Order, Position},
    },
    protocol::{
        FromHub,
        codec::{Row, write_record, write_rows},
        message::{Quote, Reply, Trade},
    },
};
use serde_json::{Value, json};

use super::{Api, FakeTerminal, Heard, TestHub, eventually};

pub const ACCOUNT: &str = "1001@Demo-Server";

pub fn switch(scope: &str, level: &str) -> Value {
    json!({"scope": scope, "level": level, "reason": "a test"})
}

pub async fn set(api: &Api, scope: &str, level: &str) -> Value {
    api.post("/api/v1/kill-switch", switch(scope, level)).await.expect(200)
}

pub fn close(ticket: u64) -> String {
    format!("/api/v1/terminals/1001/positions/{ticket}/close")
}

/// The record of an order that was sent and has no answer yet, and what the terminal got.
pub async fn under_way(hub: &TestHub, terminal: &mut FakeTerminal) -> (String, Trade) {
    let api = hub.admin().once().with("prefer", "respond-async");
    let (answer, trade) = tokio::join!(api.buy(1001), terminal.trade());
    (answer.expect(202)["id"].as_str().unwrap().to_owned(), trade)
}

pub async fn state_is(hub: &TestHub, id: &str, state: &str) {
    eventually(&format!("{id} is {state}"), async || {
        let record = hub.admin().get(&format!("/api/v1/commands/{id}")).await.expect(200);
        if record["state"] == state { Ok(()) } else { Err(record["state"].to_string()) }
    })
    .await;
}

/// An order whose outcome the hub does not know, because its terminal went away.
pub async fn unknown(hub: &TestHub, terminal: FakeTerminal) -> (String, Trade) {
    let mut terminal = terminal;
    let (id, trade) = under_way(hub, &mut terminal).await;
    drop(terminal);
    state_is(hub, &id, "unknown").await;
    (id, trade)
}

pub fn quote(call: u64, price: f64) -> Reply {
    let tick = Tick { time: 1_710_000_000, bid: price, ask: price, ..Tick::default() };
    let row = Quote { symbol: "EURUSD".into(), tick: Row(tick) };
    Reply { call, body: write_rows(&[row]), ..Reply::default() }
}

/// What a broker shows, for a terminal that the test speaks for.
#[derive(Default)]
pub struct Shown {
    pub positions: Vec<Position>,
    pub orders: Vec<Order>,
    /// `SYMBOL_VOLUME_MAX` of every symbol; 0 is none.
    pub largest: f64,
    /// How often it was asked for its positions.
    pub looks: std::cell::Cell<usize>,
    /// The same, for its positions or its orders.
    pub asked: std::cell::Cell<usize>,
}

impl Shown {
    pub fn long(ticket: u64, volume: f64) -> Position {
        Position { ticket, symbol: "EURUSD".into(), volume, ..Position::default() }
    }

    /// Answers questions until the next trade.
    pub async fn trade(&self, terminal: &mut FakeTerminal) -> Trade {
        loop {
            if let Some(trade) = self.one(terminal).await {
                return trade;
            }
        }
    }

    /// Answers one question, or takes a trade.
    pub async fn one(&self, terminal: &mut FakeTerminal) -> Option<Trade> {
        let reply = match terminal.next_whenever().await {
            Heard::Message(FromHub::Trade(trade)) => return Some(trade),
            Heard::Message(FromHub::GetPositions(get)) => {
                self.looks.set(self.looks.get() + 1);
                self.asked.set(self.asked.get() + 1);
                let asked = |p: &&Position| {
                    (get.ticket == 0 || p.ticket == get.ticket) && (get.symbol.is_empty() || p.symbol == get.symbol)
                };
                let rows: Vec<_> = self.positions.iter().filter(asked).cloned().collect();
                Reply { call: get.call, body: write_rows(&rows), ..Reply::default() }
            }
            Heard::Message(FromHub::GetOrders(get)) => {
                self.asked.set(self.asked.get() + 1);
                let rows: Vec<_> = self.orders.iter().filter(|o| get.ticket == 0 || o.ticket == get.ticket).cloned().collect();
                Reply { call: get.call, body: write_rows(&rows), ..Reply::default() }
            }
            Heard::Message(FromHub::GetSymbol(get)) => {
                let volume_max = self.largest;
                let spec = SymbolSpec { name: get.symbol, filling_mode: 1, volume_max, ..SymbolSpec::default() };
                Reply { call: get.call, body: write_record(&spec), ..Reply::default() }
            }
            Heard::Message(FromHub::GetQuotes(get)) => quote(get.call, 1.1),
            Heard::Message(FromHub::Query(_) | FromHub::Acknowledge(_)) => return None,
            other => panic!("{other:?}"),
        };
        terminal.send(reply).await;
        None
    }

    /// Answers questions until one about positions or orders is answered.
    pub async fn while_first_is_asked(&self, terminal: &mut FakeTerminal) {
        while self.asked.get() == 0 {
            assert!(self.one(terminal).await.is_none());
        }
    }

    /// Answers questions while something else happens; a trade is one too many.
    pub async fn while_nothing_is_sent<T>(&self, terminal: &mut FakeTerminal, what: impl Future<Output = T>) -> T {
        tokio::pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return done,
                trade = self.one(terminal) => assert!(trade.is_none(), "{trade:?}"),
            }
        }
    }
}

pub fn hub_limits(limits: Limits) -> impl FnOnce(&mut mtbridge::config::Config) {
    move |config| config.trading.limits = limits
}

pub async fn limited_key(hub: &TestHub, limits: Value) -> Api {
    let body = json!({"permissions": ["trade:write"], "limits": limits});
    let minted = hub.admin().post("/api/v1/keys", body).await.expect(201);
    assert_eq!(minted["limits"], limits);
    hub.api(minted["key"].as_str().unwrap())
}

pub async fn last_key(hub: &TestHub) -> String {
    let keys = hub.admin().get("/api/v1/keys").await.expect(200);
    keys["data"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
}

pub async fn switch_is_on(hub: &TestHub, scope: &str) -> Value {
    eventually("the switch is on", async || {
        let seen = hub.admin().get("/api/v1/kill-switch").await.expect(200);
        let found = seen["data"].as_array().unwrap().iter().find(|switch| switch["scope"] == scope).cloned();
        found.ok_or_else(|| seen.to_string())
    })
    .await
}
