//! The trade history: pushed and found, traced to commands, compared with them, answered from the store, and deleted for good.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use mtbridge::{
    domain::{
        account::Platform,
        trade::{Deal, Order, Position, TradeRequest, action},
    },
    protocol::{
        FromHub,
        codec::{Row, write_rows},
        message::{Reply, Transaction, reply_status, transaction_kind},
    },
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{
    Answer, Api, FakeTerminal, Heard, SERVER, TestHub, Token, buy, eventually,
    fake::{self, ea_refused, executed},
    orders, platform, soon,
};

const LOGIN: u64 = 1001;
/// When the fake terminals' brokers live.
const NOW: i64 = 1_710_000_000;

fn compare_often(config: &mut mtbridge::config::Config) {
    config.trading.compare_every = Duration::from_millis(50);
    config.trading.compare_settle = Duration::from_millis(100);
}

fn deal(ticket: u64) -> Deal {
    Deal {
        ticket,
        order: ticket + 1_000,
        time: NOW,
        time_msc: NOW * 1_000 + 250,
        magic: 234_000,
        position_id: ticket + 1_000,
        reason: 3,
        volume: 0.3,
        price: 1.09,
        symbol: "EURUSD".into(),
        comment: "another robot".into(),
        ..Deal::default()
    }
}

fn pending(ticket: u64, price_open: f64) -> Order {
    Order {
        ticket,
        time_setup: NOW,
        time_setup_msc: NOW * 1_000,
        kind: 2,
        state: 1,
        reason: 3,
        volume_initial: 0.2,
        volume_current: 0.2,
        price_open,
        price_current: 1.09,
        symbol: "GBPUSD".into(),
        ..Order::default()
    }
}

fn pushed(seq: u64, deal: Option<Deal>, order: Option<Order>) -> Transaction {
    let kind = if deal.is_some() { transaction_kind::DEAL_ADD } else { transaction_kind::ORDER_UPDATE };
    Transaction {
        seq,
        kind,
        broker_time: NOW,
        order: order.map(|order| Box::new(Row(order))),
        deal: deal.map(|deal| Box::new(Row(deal))),
        position: None,
    }
}

/// What a terminal shows when it is asked.
#[derive(Default)]
struct Shows {
    deals: Vec<Deal>,
    open: Vec<Order>,
    past: Vec<Order>,
    positions: Vec<Position>,
}

/// A terminal that answers the comparison, and does with trades what the test says.
struct Witness {
    shows: Arc<Mutex<Shows>>,
    /// How often its deals were read from the beginning.
    looks: watch::Receiver<usize>,
    says: tokio::sync::mpsc::Sender<Transaction>,
    _task: tokio::task::JoinSet<()>,
}

#[derive(Clone, Copy)]
enum Does {
    Refuse,
    /// And claims this deal.
    Execute(u64),
}

impl Witness {
    async fn enter(hub: &TestHub, token: &Token, does: Does) -> Self {
        let mut terminal = FakeTerminal::connect(hub.config.listen, token).await;
        terminal.is_let_in(LOGIN).await;
        let shows: Arc<Mutex<Shows>> = Arc::default();
        let (looked, looks) = watch::channel(0);
        let (says, mut heard) = tokio::sync::mpsc::channel(16);
        let mut task = tokio::task::JoinSet::new();
        let shown = Arc::clone(&shows);
        task.spawn(async move {
            loop {
                let message = tokio::select! {
                    Some(transaction) = heard.recv() => {
                        let transaction: Transaction = transaction;
                        terminal.send(transaction).await;
                        continue;
                    }
                    message = terminal.next_whenever() => message,
                };
                let Heard::Message(message) = message else { return };
                let (call, body) = match message {
                    FromHub::Trade(trade) => {
                        terminal.send(fake::accepted(trade.command)).await;
                        let outcome = match does {
                            Does::Refuse => ea_refused(&trade),
                            Does::Execute(deal) => executed(&trade, deal),
                        };
                        terminal.send(outcome).await;
                        continue;
                    }
                    FromHub::GetSymbol(get) => {
                        terminal.send(fake::symbol(get.call, &get.symbol)).await;
                        continue;
                    }
                    FromHub::GetOrders(get) => (get.call, write_rows(&shown.lock().unwrap().open)),
                    FromHub::GetPositions(get) => (get.call, write_rows(&shown.lock().unwrap().positions)),
                    FromHub::GetHistoryOrders(get) => {
                        let rows = page(&shown.lock().unwrap().past, get.offset, get.limit);
                        (get.call, write_rows(&rows))
                    }
                    FromHub::GetDeals(get) => {
                        let rows = page(&shown.lock().unwrap().deals, get.offset, get.limit);
                        if get.offset == 0 {
                            looked.send_modify(|count| *count += 1);
                        }
                        (get.call, write_rows(&rows))
                    }
                    _ => continue,
                };
                terminal.send(Reply { call, parts: 1, status: reply_status::OK, body, ..Reply::default() }).await;
            }
        });
        Self { shows, looks, says, _task: task }
    }

    async fn push(&self, transaction: Transaction) {
        self.says.send(transaction).await.unwrap();
    }

    fn show(&self, change: impl FnOnce(&mut Shows)) {
        change(&mut self.shows.lock().unwrap());
    }

    /// Until the hub has read everything at least once more, from its beginning to its end.
    async fn is_compared(&self) {
        let mut looks = self.looks.clone();
        let before = *looks.borrow();
        soon("the hub compares", looks.wait_for(|count| *count >= before + 2)).await.unwrap();
    }
}

fn page<T: Clone>(all: &[T], offset: u32, limit: u32) -> Vec<T> {
    all.iter().skip(offset as usize).take(limit as usize).cloned().collect()
}

async fn trades(api: &Api, query: &str) -> Vec<Value> {
    let answer = api.get(&format!("/api/v1/audit/trades?limit=1000{query}")).await.expect(200);
    answer["data"].as_array().unwrap().clone()
}

/// The rows, once there are so many.
async fn rows(api: &Api, query: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} rows of history"), async || {
        let rows = trades(api, query).await;
        if rows.len() == count { Ok(rows) } else { Err(format!("{} rows: {rows:?}", rows.len())) }
    })
    .await
}

/// Kinds of the incidents that are recorded.
async fn incidents(api: &Api) -> Vec<String> {
    let answer = api.get("/api/v1/incidents").await.expect(200);
    answer["data"].as_array().unwrap().iter().map(|incident| incident["kind"].as_str().unwrap().to_owned()).collect()
}

/// How far the kill switch of the account is raised.
async fn is_blocked(api: &Api) -> bool {
    let answer = api.get("/api/v1/kill-switch").await.expect(200);
    answer["data"].as_array().unwrap().iter().any(|switch| switch["level_name"] == "block")
}

#[tokio::test]
async fn a_deal_that_is_pushed_twice_and_then_found_is_one_row() {
    let hub = TestHub::start_with(compare_often).await;
    let token = hub.mint_token().await;
    let witness = Witness::enter(&hub, &token, Does::Refuse).await;
    witness.push(pushed(1, Some(deal(7)), None)).await;
    witness.push(pushed(2, Some(deal(7)), None)).await;
    rows(&hub.admin(), "", 1).await;
    witness.show(|shows| shows.deals = vec![deal(7), deal(8)]);
    witness.push(pushed(9, None, None)).await;
    let rows = rows(&hub.admin(), "", 2).await;
    witness.is_compared().await;
    assert_eq!(trades(&hub.admin(), "").await, rows);
    let (first, second) = (&rows[0], &rows[1]);
    let sources: Vec<_> = [first, second].map(|row| (row["ticket"].clone(), row["source"].clone())).into();
    assert!(sources.contains(&(json!(7), json!("pushed"))) && sources.contains(&(json!(8), json!("found"))), "{sources:?}");
    // Broker time and UTC: this broker is two hours ahead.
    assert_eq!(first["time"], "2024-03-09T14:00:00.250Z");
    assert_eq!((&first["broker_time"], &first["origin"], &first["kind"]), (&json!(NOW), &json!("foreign"), &json!("deal")));
}

#[tokio::test]
async fn a_commission_that_comes_later_changes_the_deals_row_and_makes_no_second() {
    let hub = TestHub::start_with(compare_often).await;
    let witness = Witness::enter(&hub, &hub.mint_token().await, Does::Refuse).await;
    witness.push(pushed(1, Some(deal(7)), None)).await;
    let before = rows(&hub.admin(), "", 1).await;
    witness.push(pushed(2, Some(Deal { commission: -0.7, ..deal(7) }), None)).await;
    let after = eventually("the commission is there", async || {
        let rows = trades(&hub.admin(), "").await;
        if rows[0]["commission"] == -0.7 { Ok(rows) } else { Err(format!("{rows:?}")) }
    })
    .await;
    assert_eq!((after.len(), &after[0]["seen_at"]), (1, &before[0]["seen_at"]));
}

#[tokio::test]
async fn each_state_of_an_order_is_a_row_and_a_moving_price_is_none() {
    let hub = TestHub::start_with(compare_often).await;
    let witness = Witness::enter(&hub, &hub.mint_token().await, Does::Refuse).await;
    witness.push(pushed(1, None, Some(pending(9, 1.08)))).await;
    witness.push(pushed(2, None, Some(Order { price_current: 1.0912, ..pending(9, 1.08) }))).await;
    witness.push(pushed(3, None, Some(pending(9, 1.07)))).await;
    let gone = Order { state: 2, time_done: NOW + 60, time_done_msc: (NOW + 60) * 1_000, ..pending(9, 1.07) };
    witness.push(pushed(4, None, Some(gone.clone()))).await;
    witness.show(|shows| shows.past = vec![gone]);
    let rows = rows(&hub.admin(), "&kind=order", 3).await;
    let prices: Vec<_> = rows.iter().map(|row| row["price_open"].as_f64().unwrap()).collect();
    assert!(prices.contains(&1.08) && prices.contains(&1.07), "{prices:?}");
    let last = rows.last().unwrap();
    assert_eq!((&last["state_name"], &last["broker_time_done"]), (&json!("canceled"), &json!(NOW + 60)));
    assert_eq!(trades(&hub.admin(), "&kind=deal").await.len(), 0);
}

fn position(sl: f64, changed: i64) -> Position {
    Position {
        ticket: 70,
        identifier: 70,
        time: NOW,
        time_msc: NOW * 1_000,
        time_update: NOW + changed,
        time_update_msc: (NOW + changed) * 1_000,
        volume: 0.1,
        price_open: 1.09,
        sl,
        symbol: "EURUSD".into(),
        ..Position::default()
    }
}

#[tokio::test]
async fn stops_that_a_person_moves_are_a_row_pushed_or_found_and_swap_is_none() {
    let mut hub = TestHub::start_with(compare_often).await;
    let token = hub.mint_token().await;
    let witness = Witness::enter(&hub, &token, Does::Refuse).await;
    witness.show(|shows| shows.positions = vec![position(1.05, 0)]);
    let moves = |seq, position| Transaction {
        seq,
        kind: transaction_kind::POSITION,
        broker_time: NOW,
        position: Some(Box::new(Row(position))),
        ..Transaction::default()
    };
    witness.push(moves(1, position(1.05, 0))).await;
    witness.push(moves(2, position(1.06, 10))).await;
    let pushed = rows(&hub.admin(), "", 1).await;
    let (row, sl) = (&pushed[0], json!(1.06));
    assert_eq!((&row["kind"], &row["sl"], &row["position_id"]), (&json!("position"), &sl, &Value::Null), "{row}");
    assert_eq!((&row["origin"], &row["transaction"], &row["source"]), (&json!("untold"), &json!(9), &json!("pushed")), "{row}");
    assert_eq!((&row["at"], &row["broker_time_update"]), (&json!("2024-03-09T14:00:10.000Z"), &json!(NOW + 10)), "{row}");
    // The same is found, with the swap of a night; then another change, of which no push came; and after a restart all of it again.
    witness.show(|shows| shows.positions = vec![Position { swap: -0.7, profit: 3.0, ..position(1.06, 10) }]);
    witness.push(moves(9, position(1.06, 10))).await;
    witness.is_compared().await;
    assert_eq!(rows(&hub.admin(), "", 1).await, pushed);
    witness.show(|shows| shows.positions = vec![position(1.07, 20)]);
    witness.push(Transaction { seq: 19, ..Transaction::default() }).await;
    let found = rows(&hub.admin(), "&kind=position&position=70", 2).await;
    assert_eq!((&found[1]["sl"], &found[1]["source"]), (&json!(1.07), &json!("found")));
    drop(witness);
    hub.restart().await;
    let witness = Witness::enter(&hub, &token, Does::Refuse).await;
    witness.show(|shows| shows.positions = vec![position(1.07, 20)]);
    witness.push(Transaction { seq: 9, ..Transaction::default() }).await;
    witness.is_compared().await;
    assert_eq!(rows(&hub.admin(), "", 2).await, found);
    let csv = hub.admin().get("/api/v1/audit/trades?format=csv").await;
    let text = String::from_utf8(csv.bytes).unwrap();
    assert!(text.contains(&format!("position,2024-03-09T14:00:20.000Z,{},found", NOW + 20)), "{text}");
}

#[tokio::test]
async fn what_cannot_be_is_not_recorded() {
    let hub = TestHub::start_with(compare_often).await;
    let witness = Witness::enter(&hub, &hub.mint_token().await, Does::Refuse).await;
    let nonsense = [
        Deal { price: f64::NAN, ..deal(1) },
        Deal { time_msc: 5, ..deal(2) },
        Deal { comment: "x".repeat(5_000), ..deal(3) },
        deal(0),
    ];
    for (seq, deal) in (1..).zip(nonsense) {
        witness.push(pushed(seq, Some(deal), None)).await;
    }
    witness.push(pushed(5, Some(deal(4)), None)).await;
    let rows = rows(&hub.admin(), "", 1).await;
    assert_eq!(rows[0]["ticket"], 4);
}

#[tokio::test]
async fn a_gap_in_the_pushes_makes_the_hub_look_at_once() {
    let hub = TestHub::start_with(|config| {
        config.trading.compare_every = Duration::from_secs(3_600);
        config.trading.compare_settle = Duration::from_millis(50);
    })
    .await;
    let witness = Witness::enter(&hub, &hub.mint_token().await, Does::Refuse).await;
    let mut looks = witness.looks.clone();
    soon("the hub looks at the connect", looks.wait_for(|count| *count == 1)).await.unwrap();
    witness.show(|shows| shows.deals = vec![deal(1), deal(2), deal(3)]);
    witness.push(pushed(1, Some(deal(1)), None)).await;
    witness.push(pushed(3, Some(deal(3)), None)).await;
    rows(&hub.admin(), "", 3).await;
}

#[tokio::test]
async fn what_happened_while_the_hub_was_away_is_found_page_after_page() {
    let mut hub = TestHub::start_with(compare_often).await;
    let terminal = hub.terminal(LOGIN).await;
    let admin = hub.admin();
    let executed = admin.once().buy(LOGIN).await.expect(200);
    let before = rows(&admin, "&kind=deal", 2).await;
    let traced = before.iter().find(|row| row["ticket"] == executed["result"]["deal"]).unwrap();
    assert_eq!((&traced["origin"], &traced["command"]), (&json!("command"), &executed["id"]));
    assert_eq!(before[0]["origin"], "broker", "the deposit");
    hub.stop().await;
    let by_hand = TradeRequest { action: action::DEAL, symbol: "EURUSD".into(), volume: 0.01, ..TradeRequest::default() };
    for _ in 0..600 {
        assert_eq!(terminal.broker().order_send(&by_hand).retcode, 10_009);
    }
    hub.start_again().await;
    let rows = rows(&admin, "&kind=deal", 602).await;
    let found = rows.iter().filter(|row| row["source"] == "found" && row["origin"] == "foreign").count();
    assert_eq!(found, 600);
    // All of them again, in pages.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("/api/v1/audit/trades?kind=deal&limit=100{cursor}")).await.expect(200);
        seen.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, rows);
    let tickets: Vec<_> = seen.iter().map(|row| row["ticket"].as_u64().unwrap()).collect();
    // MetaTrader 4 has no deals: the one that opened order t is told as 2t.
    let told = |deal: &Deal| match platform() {
        Platform::Mt4 if deal.position_id != 0 => deal.position_id * 2,
        _ => deal.ticket,
    };
    let theirs: Vec<_> = terminal.broker().deals().iter().map(told).collect();
    assert_eq!(
        {
            let mut sorted = tickets;
            sorted.sort_unstable();
            sorted
        },
        theirs,
        "complete, and nothing twice"
    );
}

#[tokio::test]
async fn history_is_answered_offline_and_after_disconnect_keep_and_by_its_filters() {
    let hub = TestHub::start_with(compare_often).await;
    let token = hub.mint_token().await;
    let witness = Witness::enter(&hub, &token, Does::Refuse).await;
    witness.push(pushed(1, Some(deal(7)), None)).await;
    witness.push(pushed(2, None, Some(pending(9, 1.08)))).await;
    let all = rows(&hub.admin(), "", 2).await;
    drop(witness);
    hub.shows(&token, "offline").await;
    assert_eq!(trades(&hub.admin(), "").await, all);
    hub.admin().post(&format!("/api/v1/tokens/{}/disconnect", token.id), json!({"history": "keep"})).await.expect(200);
    hub.shows(&token, "pending").await;
    let reader = hub.mint_key(&["read:history"]).await;
    let by_name = format!("&account={LOGIN}@{SERVER}");
    assert_eq!(trades(&reader, &by_name).await, all);
    for (query, count) in [
        ("&account=1001", 2),
        ("&account=1002", 0),
        ("&symbol=GBPUSD", 1),
        ("&ticket=9", 1),
        ("&order=1007", 1),
        ("&position=1007", 1),
        ("&kind=deal", 1),
        ("&from=2024-03-09T14:00:00.100Z", 1),
        ("&to=2024-03-09T14:00:00.250Z", 1),
        ("&to=2024-03-09T14:00:00Z", 0),
    ] {
        assert_eq!(trades(&reader, query).await.len(), count, "{query}");
    }
    reader.get("/api/v1/audit/trades?kind=bar").await.refused(422, "validation_error");
    reader.get("/api/v1/audit/trades?cursor=0").await.refused(422, "validation_error");
    hub.mint_key(&["read:positions"]).await.get("/api/v1/audit/trades").await.refused(403, "forbidden");
    let csv: Answer = reader.get("/api/v1/audit/trades?format=csv").await;
    let text = String::from_utf8(csv.bytes).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("kind,at,broker_time,source") && text.contains(",EURUSD,0,buy,in,"), "{text}");
}

#[tokio::test]
async fn a_key_for_simulated_terminals_sees_no_real_accounts_history() {
    let hub = TestHub::start_with(compare_often).await;
    let token = hub.mint_token().await;
    let mut terminal = FakeTerminal::connect(hub.config.listen, &token).await;
    let hello = terminal.hello(LOGIN);
    terminal.send(mtbridge::protocol::message::Hello { trade_mode: 2, ..hello }).await;
    terminal.welcome().await;
    terminal.send(pushed(1, Some(deal(7)), None)).await;
    rows(&hub.admin(), "", 1).await;
    let minted = hub.admin().post("/api/v1/keys", json!({"permissions": ["read:history"], "test": true})).await.expect(201);
    let test_key = hub.api(minted["key"].as_str().unwrap());
    assert_eq!(trades(&test_key, "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_deal_of_a_command_that_was_refused_raises_an_incident() {
    let hub = TestHub::start_with(compare_often).await;
    let admin = hub.admin();
    let witness = Witness::enter(&hub, &hub.mint_token().await, Does::Refuse).await;
    let refused = hub.admin().once().post(&orders(LOGIN), buy()).await.refused(422, "ea_refused");
    let (tag, request) = (refused["tag"].as_u64().unwrap(), &refused["request"]);
    witness.is_compared().await;
    assert_eq!(incidents(&admin).await, Vec::<String>::new(), "so far all agrees");
    // A look-alike first: the same tag on another symbol is nobody's proof.
    witness.show(|shows| shows.deals = vec![Deal { magic: tag, symbol: "GBPUSD".into(), ..deal(6) }]);
    let alike = rows(&hub.admin(), "&ticket=6", 1).await;
    assert_eq!(alike[0]["origin"], "unknown_tag");
    eventually("the look-alike is told, and contradicts nothing", async || {
        let kinds = incidents(&admin).await;
        if kinds == ["unknown_tag"] { Ok(()) } else { Err(format!("{kinds:?}")) }
    })
    .await;
    assert!(!is_blocked(&admin).await);
    let comment = request["comment"].as_str().unwrap().to_owned();
    witness.show(|shows| shows.deals.push(Deal { magic: tag, comment, ..deal(7) }));
    eventually("the incident", async || {
        let kinds = incidents(&admin).await;
        if kinds == ["unknown_tag", "contradiction"] { Ok(()) } else { Err(format!("{kinds:?}")) }
    })
    .await;
    let row = rows(&hub.admin(), "&ticket=7", 1).await;
    assert_eq!(row[0]["command"], refused["id"]);
    witness.is_compared().await;
    assert_eq!(incidents(&admin).await.len(), 2, "told once");
    assert!(is_blocked(&admin).await, "nothing is opened until a person has looked");
    admin.once().post(&orders(LOGIN), buy()).await.refused(409, "kill_switch");
}

#[tokio::test]
async fn a_deal_that_the_terminal_cannot_show_raises_an_incident_and_one_that_it_shows_does_not() {
    let hub = TestHub::start_with(compare_often).await;
    let admin = hub.admin();
    let witness = Witness::enter(&hub, &hub.mint_token().await, Does::Execute(77)).await;
    witness.show(|shows| shows.deals = vec![Deal { order: 77, ..deal(77) }]);
    hub.admin().once().post(&orders(LOGIN), buy()).await.expect(200);
    witness.is_compared().await;
    witness.is_compared().await;
    assert_eq!(incidents(&admin).await, Vec::<String>::new());
    witness.show(|shows| shows.deals.clear());
    hub.admin().once().post(&orders(LOGIN), buy()).await.expect(200);
    eventually("the incident", async || {
        let kinds = incidents(&admin).await;
        if kinds == ["missing_ticket"] { Ok(()) } else { Err(format!("{kinds:?}")) }
    })
    .await;
    assert!(is_blocked(&admin).await);
}

#[tokio::test]
async fn after_delete_all_not_a_byte_of_the_history_can_be_read() {
    let mut hub = TestHub::start_with(compare_often).await;
    let token = hub.mint_token().await;
    let witness = Witness::enter(&hub, &token, Does::Refuse).await;
    let told = Deal { symbol: "XAUSECRET".into(), comment: "tell nobody".into(), ticket: 0x1122_3344_5566, ..deal(1) };
    witness.push(pushed(1, Some(told.clone()), None)).await;
    witness.push(pushed(2, None, Some(Order { symbol: "XAUSECRET".into(), ..pending(9, 1.08) }))).await;
    rows(&hub.admin(), "", 2).await;
    let keys = hub.dir().join("keys");
    let before = std::fs::read_dir(&keys).unwrap().count();
    drop(witness);
    hub.shows(&token, "offline").await;
    let gone = hub.admin().post(&format!("/api/v1/tokens/{}/disconnect", token.id), json!({"history": "delete"})).await;
    gone.expect(200);
    let told_of = hub.admin().get("/api/v1/audit?action=token.disconnect").await.expect(200);
    assert_eq!(told_of["data"][0]["detail"], "history deleted: 0 commands, 2 rows of the trade history");
    assert_eq!(trades(&hub.admin(), "").await, Vec::<Value>::new());
    assert_eq!(trades(&hub.admin(), &format!("&account={LOGIN}@{SERVER}")).await, Vec::<Value>::new());
    hub.stop().await;
    assert_eq!(std::fs::read_dir(&keys).unwrap().count(), before - 2, "the account's key and the lock's are destroyed");
    for needle in [&b"XAUSECRET"[..], b"tell nobody", &0x1122_3344_5566_u64.to_be_bytes(), b"18838586676582"] {
        assert_eq!(holds(hub.dir(), needle), Vec::<String>::new(), "{}", String::from_utf8_lossy(needle));
    }
    // The journal cannot be read back either: a new start, with the same account, has nothing of it.
    hub.start_again().await;
    assert_eq!(trades(&hub.admin(), "").await, Vec::<Value>::new());
    let witness = Witness::enter(&hub, &token, Does::Refuse).await;
    witness.push(pushed(1, Some(told), None)).await;
    assert_eq!(rows(&hub.admin(), "", 1).await[0]["ticket"], 0x1122_3344_5566_u64, "a new history begins");
}

/// Files under `dir` in which these bytes stand.
fn holds(dir: &Path, needle: &[u8]) -> Vec<String> {
    let (mut folders, mut found) = (vec![dir.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}
