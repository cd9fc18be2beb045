//! Many terminals, many orders, and everything breaks at random: afterwards hub, brokers and history tell one story.
//!
//! Half of the accounts are hedging, a quarter netting, a quarter MetaTrader 4 (all that are not netting, when the tests' terminals are
//! of that platform). Orders are of every kind, `close-all` among them.
//!
//! `make test` runs it small; `make prove` for ten minutes with 2,000 terminals. `SOAK_TERMINALS`, `SOAK_SECONDS` and `SOAK_SEED` set it.
//! The seed decides what is ordered and what breaks; the interleaving is the machine's own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use mtbridge::{
    access::secret::{KEY_LIVE, Secret},
    domain::account::Platform,
    simulator::{PaperBroker, SimulatorConfig},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::harness::{
    Api, HubProcess, Machine, Token, free_port,
    proof::{Counted, is_for_people, one_story, was_carried_out},
    simulator_config, within,
};

const FIRST_LOGIN: u64 = 5_000;
/// Everything that is open must have its outcome this long after the last fault.
const CALM: Duration = Duration::from_secs(120);

struct Plan {
    terminals: u64,
    run: Duration,
    seed: u64,
}

impl Plan {
    fn read() -> Self {
        let number = |name: &str, otherwise: u64| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
        Self {
            terminals: number("SOAK_TERMINALS", 50),
            run: Duration::from_secs(number("SOAK_SECONDS", 8)),
            seed: number("SOAK_SEED", rand::random::<u32>().into()),
        }
    }

    /// A stream of decisions of its own for each who decides.
    fn dice(&self, who: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_mul(1_000_003).wrapping_add(who))
    }
}

/// A terminal that may be killed and started again, over a broker that stays.
struct Seat {
    token: Token,
    broker: PaperBroker,
    terminal: tokio::sync::Mutex<Option<Machine>>,
}

impl Seat {
    fn config(url: &str, token: &Token, login: u64) -> SimulatorConfig {
        let mut config = simulator_config(url, token, login);
        config.account.netting = login % 4 == 2;
        (config.platform, config.account.platform) = (platform(login), platform(login));
        config.half_open_for = Duration::from_secs(2);
        config.hub_silence = Duration::from_secs(10);
        config
    }

    fn take(token: Token, url: &str, login: u64) -> Self {
        let terminal = Machine::start(Self::config(url, &token, login)).unwrap();
        Self { token, broker: terminal.broker(), terminal: tokio::sync::Mutex::new(Some(terminal)) }
    }

    fn start_again(&self, url: &str, login: u64) -> Machine {
        let config = SimulatorConfig { broker: Some(self.broker.clone()), ..Self::config(url, &self.token, login) };
        Machine::start(config).unwrap()
    }
}

/// A MetaTrader 4 has no netting.
fn platform(login: u64) -> Platform {
    if login % 4 == 3 || (login % 4 != 2 && crate::harness::platform() == Platform::Mt4) { Platform::Mt4 } else { Platform::Mt5 }
}

/// A call that trades.
struct Order {
    method: Method,
    path: String,
    body: Value,
}

/// An order of any kind, in the words of its call.
fn any_order(dice: &mut StdRng, broker: &PaperBroker, login: u64) -> Order {
    let call = |method: Method, path: &str, body: Value| Order { method, path: format!("/api/v1/terminals/{login}{path}"), body };
    let (positions, pending) = (broker.positions(), broker.orders());
    let side = if dice.random() { "buy" } else { "sell" };
    let volume = f64::from(dice.random_range(1..5_u32)) / 100.0;
    let position = (!positions.is_empty()).then(|| positions[dice.random_range(0..positions.len())].clone());
    let standing = (!pending.is_empty()).then(|| pending[dice.random_range(0..pending.len())].clone());
    let rounded = |price: f64| (price * 100_000.0).round() / 100_000.0;
    let place = |kind: &str, more: Value| {
        let mut order = json!({"symbol": "EURUSD", "side": side, "type": kind, "volume": volume});
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call(Method::POST, "/orders", order)
    };
    // Where the price may come, or not.
    let market = broker.history_orders().last().map_or(1.093, |order| order.price_current.max(1.0));
    let away = if dice.random() { 0.0002 } else { 0.01 } * if side == "buy" { 1.0 } else { -1.0 };
    match (dice.random_range(0..20), position, standing) {
        (0..=2, Some(position), _) => call(Method::POST, &format!("/positions/{}/close", position.ticket), json!({})),
        (3, Some(position), _) if position.volume > 0.015 => {
            call(Method::POST, &format!("/positions/{}/close", position.ticket), json!({"volume": 0.01}))
        }
        (4, Some(position), _) => {
            // Near enough to be touched now and then.
            let by = position.price_open * if dice.random() { 0.0003 } else { 0.03 };
            let (sl, tp) = if position.kind == 0 { (-by, by) } else { (by, -by) };
            let stops = json!({"sl": rounded(position.price_open + sl), "tp": rounded(position.price_open + tp)});
            call(Method::PATCH, &format!("/positions/{}", position.ticket), stops)
        }
        (5, Some(one), _) => {
            let other = positions.iter().find(|other| other.kind != one.kind);
            let body = other.map_or(json!({}), |other| json!({"by": other.ticket}));
            call(Method::POST, &format!("/positions/{}/close", one.ticket), body)
        }
        (6, _, Some(order)) => call(Method::DELETE, &format!("/orders/{}", order.ticket), json!({})),
        (7, _, Some(order)) => {
            let price = rounded(order.price_open * if order.kind % 2 == 0 { 0.999 } else { 1.001 });
            call(Method::PATCH, &format!("/orders/{}", order.ticket), json!({"price": price}))
        }
        (8..=10, ..) => place("limit", json!({"price": rounded(market - away)})),
        (11, ..) => place("stop", json!({"price": rounded(market + away)})),
        // A MetaTrader 4 has none.
        (12, ..) => {
            let limit = rounded(market + away - away.signum() * 0.0003);
            place("stop_limit", json!({"price": rounded(market + away), "stop_limit_price": limit}))
        }
        (13, ..) => {
            let which = [json!({}), json!({"side": side}), json!({"magic": 234_000})];
            call(Method::POST, "/positions/close-all", which[dice.random_range(0..which.len())].clone())
        }
        // A magic of the caller's own: then the comment alone bears the tag.
        (14, ..) => place("market", json!({"magic": 234_000, "comment": "grid"})),
        // Refused by the broker.
        (15, ..) => place("market", json!({"volume": 0.013})),
        _ => place("market", json!({})),
    }
}

/// One order, followed until the hub has said what it made of it, over however many lives of the hub. Its command, or the parent of its
/// commands, if it was taken.
async fn follow(api: &Api, key: &str, order: &Order, stop: &CancellationToken) -> Option<Value> {
    let Order { method, path, body } = order;
    let api = api.with_idempotency(key);
    let mut turn = interval(Duration::from_millis(50));
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        match api.send(method.clone(), path, Some(body.to_string())).await {
            Ok(answer) => {
                if answer.json["id"].is_string() {
                    return Some(answer.json);
                }
                // Nothing was sent: refused, the hub is on its way down, or what must be read first (the symbol) was not answered.
                let unread = answer.json["code"] == "terminal_timeout";
                assert!(matches!(answer.status, 400..=499 | 503) || unread, "{path} {body}: {} {}", answer.status, answer.json);
                if answer.status != 503 {
                    return None;
                }
            }
            Err(_) if stop.is_cancelled() => return None,
            Err(_) => {}
        }
    }
}

const FAULTS: [&str; 15] = [
    "drop:before_accept",
    "drop:after_accept",
    "drop:after_execute",
    "drop:after_record",
    "crash:after_accept",
    "crash:after_execute",
    "crash-lose:after_execute",
    "delay:300",
    "half-open:100",
    "requote",
    "reject:10006",
    "part:1",
    "duplicate",
    "lose-frames:4",
    "slow-reader:40",
];

/// Breaks one terminal after the other.
async fn break_terminals(plan: &Plan, seats: &[Arc<Seat>], url: &str, stop: &CancellationToken) -> usize {
    let (mut dice, mut broken) = (plan.dice(1), 0);
    // Each terminal about every eight seconds.
    let every = Duration::from_secs(8) / u32::try_from(seats.len()).unwrap();
    let mut turn = interval(every.max(Duration::from_millis(1)));
    while stop.run_until_cancelled(turn.tick()).await.is_some() {
        let at = dice.random_range(0..seats.len());
        let (seat, login) = (&seats[at], FIRST_LOGIN + at as u64);
        let mut terminal = seat.terminal.lock().await;
        broken += 1;
        if dice.random_range(0..6) == 0 {
            // The whole terminal, its memory and its journal file too; the broker stays.
            if let Some(running) = terminal.take() {
                running.kill().await;
            }
            *terminal = Some(seat.start_again(url, login));
        } else if let Some(running) = terminal.as_ref() {
            running.set_faults(vec![FAULTS[dice.random_range(0..FAULTS.len())].parse().unwrap()]);
        }
    }
    broken
}

/// All commands of one account, page by page.
async fn commands_of(api: &Api, login: u64) -> Result<Vec<Value>, String> {
    let (mut commands, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/commands?terminal={login}&limit=500{cursor}");
        let page = api.send(Method::GET, &path, None).await.map_err(|error| error.to_string())?;
        if page.status != 200 {
            return Err(format!("{} {}", page.status, page.json));
        }
        commands.extend(page.json["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page.json["next_cursor"].as_str() else { return Ok(commands) };
        cursor = format!("&cursor={next}");
    }
}

/// A person settles what nobody else can tell, by a look at the broker's side.
async fn settle_by_hand(api: &Api, commands: Vec<Value>, login: u64, broker: &PaperBroker) -> Vec<Value> {
    let mut settled = Vec::new();
    for command in commands {
        if !is_for_people(&command, platform(login)) {
            settled.push(command);
            continue;
        }
        let path = format!("/api/v1/commands/{}", command["id"].as_str().unwrap());
        let outcome = if was_carried_out(&command, broker) { "executed" } else { "not_executed" };
        // Refused if it found its outcome by itself meanwhile.
        api.post(&format!("{path}/adjudicate"), json!({"outcome": outcome, "reason": "seen at the broker"})).await;
        settled.push(api.get(&path).await.expect(200));
    }
    settled
}

/// What the hub acknowledged, by id.
#[derive(Default)]
struct Taken {
    commands: Vec<String>,
    /// Calls that close many positions.
    parents: Vec<String>,
}

impl Taken {
    fn add(&mut self, told: &Value) {
        let id = |one: &Value| one["id"].as_str().unwrap().to_owned();
        if told["kind"] == "close_all" {
            self.parents.push(id(told));
            self.commands.extend(told["commands"].as_array().unwrap().iter().map(id));
        } else {
            self.commands.push(id(told));
        }
    }

    /// Every parent is still known, and makes no more commands. How many commands they have made.
    async fn parents_rest(&self, api: &Api, until: Instant) -> usize {
        let mut children = 0;
        for id in &self.parents {
            let left = until.saturating_duration_since(Instant::now());
            let parent = within(left, &format!("{id} makes no more commands"), async || {
                let parent = api.get(&format!("/api/v1/commands/{id}")).await.expect(200);
                if parent["state"] == "dispatched" { Err(parent.to_string()) } else { Ok(parent) }
            })
            .await;
            children += parent["commands"].as_array().unwrap().len();
        }
        children
    }
}

/// Whether the history says who caused a deal. In MetaTrader 4 nothing shows who closed, and what a closing in part leaves may lose its mark.
fn is_traced(row: &Value, platform: Platform) -> bool {
    match row["origin"].as_str().unwrap() {
        "command" | "broker" => true,
        origin => {
            let unmarked = row["entry_name"] == "out" || row["comment"].as_str().unwrap().starts_with("from #");
            origin == "untold" && platform == Platform::Mt4 && unmarked
        }
    }
}

/// An order of the account ends. A MetaTrader 4 shows a part of its history, so that an order is not in it proves nothing until something
/// has ended after it.
async fn one_ends(api: &Api, login: u64, until: Instant) {
    let left = until.saturating_duration_since(Instant::now());
    let orders = format!("/api/v1/terminals/{login}/orders");
    let far = json!({"symbol": "EURUSD", "side": "buy", "type": "limit", "volume": 0.01, "price": 1.0, "allow_duplicate": true});
    within(left, &format!("an order of {login} ends"), async || {
        let placed = api.once().post(&orders, far.clone()).await;
        let Some(ticket) = placed.json["result"]["order"].as_u64() else { return Err(placed.json.to_string()) };
        let ended = api.once().delete(&format!("{orders}/{ticket}")).await;
        if ended.json["state"] == "executed" { Ok(()) } else { Err(ended.json.to_string()) }
    })
    .await;
}

/// Waits until every command of the account has its outcome, proves its story, and that the history has every deal.
async fn settled(api: &Api, login: u64, seat: &Seat, until: Instant) -> (Counted, Vec<String>) {
    if platform(login) == Platform::Mt4 {
        one_ends(api, login, until).await;
    }
    let left = until.saturating_duration_since(Instant::now());
    let commands = within(left, &format!("every command of {login} has its outcome"), async || {
        let commands = commands_of(api, login).await?;
        match commands.iter().find(|command| command["final"] != true && !is_for_people(command, platform(login))) {
            None => Ok(commands),
            Some(open) => Err(open.to_string()),
        }
    })
    .await;
    let commands = settle_by_hand(api, commands, login, &seat.broker).await;
    let counted = one_story(&commands, &seat.broker);
    let deals = seat.broker.shown_deals();
    let left = until.saturating_duration_since(Instant::now());
    within(left, &format!("the history of {login} is complete"), async || {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/audit/trades?account={login}&kind=deal&limit=1000{cursor}");
            let page = api.send(Method::GET, &path, None).await.map_err(|error| error.to_string())?;
            rows.extend(page.json["data"].as_array().ok_or(page.json.to_string())?.iter().cloned());
            let Some(next) = page.json["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let tickets: std::collections::BTreeSet<_> = rows.iter().map(|row| row["ticket"].as_u64().unwrap()).collect();
        assert_eq!(tickets.len(), rows.len(), "a deal has two rows");
        let missing = deals.iter().filter(|deal| !tickets.contains(&deal.ticket)).count();
        let untraced = rows.iter().find(|row| !is_traced(row, platform(login)));
        match (missing, untraced) {
            (0, None) => Ok(()),
            (0, Some(row)) => panic!("a deal of a command is not traced to it: {row}"),
            (missing, _) => Err(format!("{missing} of {} deals are missing", deals.len())),
        }
    })
    .await;
    let ids = commands.iter().map(|command| command["id"].as_str().unwrap().to_owned()).collect();
    (counted, ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_hub_brokers_and_history_tell_one_story() {
    let plan = Plan::read();
    // Shown when it fails.
    println!("SOAK_SEED={} SOAK_TERMINALS={} SOAK_SECONDS={}", plan.seed, plan.terminals, plan.run.as_secs());
    rlimit::increase_nofile_limit(20_000).unwrap();
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let admin_key = Secret::generate(KEY_LIVE).unwrap().reveal().to_owned();
    let settings = [
        ("MTBRIDGE_LOG", "warn"),
        ("MTBRIDGE_HTTP__MAX_UNAUTHENTICATED_PER_IP", "8192"),
        ("MTBRIDGE_HTTP__MAX_UNAUTHENTICATED", "8192"),
        ("MTBRIDGE_TERMINALS__HEARTBEAT", "1s"),
        ("MTBRIDGE_TERMINALS__DEAD_AFTER", "5s"),
        ("MTBRIDGE_TRADING__COMPARE_EVERY", "4s"),
        ("MTBRIDGE_TRADING__COMPARE_SETTLE", "2s"),
    ];
    let mut hub = HubProcess::start(dir.path(), port, &admin_key, &settings).await;
    let admin = hub.api(&admin_key);
    let url = hub.url();

    let seats: Vec<_> = stream::iter(0..plan.terminals)
        .map(|at| {
            let (admin, url) = (admin.clone(), url.clone());
            async move { Arc::new(Seat::take(admin.mint_token().await, &url, FIRST_LOGIN + at)) }
        })
        .buffered(16)
        .collect()
        .await;
    let mut keys = Vec::new();
    for _ in 0..4 {
        let minted = admin.post("/api/v1/keys", json!({"permissions": ["trade:write", "read:positions"]})).await.expect(201);
        keys.push(hub.api(minted["key"].as_str().unwrap()));
    }
    within(CALM, "every terminal is there", async || {
        let ready = admin.get("/readyz").await.json["terminals"].as_u64();
        if ready == Some(plan.terminals) { Ok(()) } else { Err(format!("{ready:?}")) }
    })
    .await;

    let (stop, taken) = (CancellationToken::new(), tokio::sync::Mutex::new(Taken::default()));
    let posted = AtomicUsize::new(0);
    let ordering = stream::iter(0..24_u64).for_each_concurrent(None, |worker| {
        let (plan, seats, keys, stop, taken, posted) = (&plan, &seats, &keys, &stop, &taken, &posted);
        async move {
            let mut dice = plan.dice(100 + worker);
            let mut count = 0;
            while !stop.is_cancelled() {
                let at = dice.random_range(0..seats.len());
                let order = any_order(&mut dice, &seats[at].broker, FIRST_LOGIN + at as u64);
                let api = &keys[dice.random_range(0..keys.len())];
                let api = if dice.random_range(0..3) == 0 { api.with("prefer", "respond-async") } else { api.waiting(2) };
                count += 1;
                posted.fetch_add(1, Ordering::Relaxed);
                if let Some(told) = follow(&api, &format!("{worker}-{count}"), &order, stop).await {
                    taken.lock().await.add(&told);
                }
            }
        }
    });
    let breaking = break_terminals(&plan, &seats, &url, &stop);
    let killing = async {
        let (mut dice, until, mut kills) = (plan.dice(2), Instant::now() + plan.run, 0);
        let lives = if plan.run < Duration::from_secs(60) { 3 } else { 10 };
        loop {
            let life = plan.run.mul_f64(dice.random_range(0.5..1.2)) / lives;
            let next = Instant::now() + life;
            tokio::time::sleep_until(next.min(until)).await;
            if next >= until {
                break;
            }
            hub.program.kill().await;
            kills += 1;
            hub = HubProcess::start(dir.path(), port, &admin_key, &settings).await;
        }
        stop.cancel();
        kills
    };
    let ((), broken, kills) = tokio::join!(ordering, breaking, killing);

    // From here on nothing breaks any more.
    for seat in &seats {
        if let Some(terminal) = seat.terminal.lock().await.as_ref() {
            terminal.set_faults(Vec::new());
        }
    }
    let (until, taken) = (Instant::now() + CALM, taken.lock().await);
    let by_parents = taken.parents_rest(&admin, until).await;
    let (mut all, mut known) = (Counted::default(), std::collections::HashSet::new());
    let mut proofs = stream::iter(seats.iter().enumerate())
        .map(|(at, seat)| settled(&admin, FIRST_LOGIN + at as u64, seat, until))
        .buffer_unordered(16);
    while let Some((counted, ids)) = proofs.next().await {
        all += counted;
        known.extend(ids);
    }
    assert!(taken.commands.iter().all(|id| known.contains(id)), "a command that was acknowledged is gone");
    // In a short run on a busy machine the few calls may all have come too late.
    assert!(by_parents > 0 || taken.parents.len() < 100, "{} calls closed nothing", taken.parents.len());
    assert!(all.done > seats.len(), "{all:?}: too little happened to prove anything");
    let log = std::fs::read_dir(dir.path().join("log")).unwrap();
    let told: String = log.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let incidents: Vec<_> = told.lines().filter(|line| line.contains("incident")).collect();
    assert!(incidents.is_empty(), "{incidents:?}");
    println!(
        "{} terminals, {} s, {kills} kills of the hub, {broken} faults of terminals, {} calls, {} commands and {} parents (of {by_parents} commands) acknowledged: {all:?}",
        plan.terminals,
        plan.run.as_secs(),
        posted.load(Ordering::Relaxed),
        taken.commands.len(),
        taken.parents.len()
    );
}
