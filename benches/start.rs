//! What a start costs after a million records: `cargo bench --bench start`.
//!
//! The records are those of trade commands, two for each: as it is bound and sent, and as it is executed; sealed as in a hub, over 20
//! accounts. Measured is opening the store, beside reading the same bytes and hashing them once on one thread. RECORDS=n and ROUNDS=n
//! change how many and how often.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_types, clippy::disallowed_methods)]

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mtbridge::domain::UnixMillis;
use mtbridge::domain::account::Account;
use mtbridge::domain::api_key::Permission;
use mtbridge::domain::command::{CommandRecord, CommandState};
use mtbridge::domain::ids::{CommandId, EaInstance, KeyId, OwnerId, TokenId};
use mtbridge::domain::trade::{TradeRequest, TradeResult};
use mtbridge::store::embedded::{EmbeddedOptions, EmbeddedStore};
use mtbridge::store::{Batch, Store, records};

/// Commits under way at once while the records are made.
const IN_FLIGHT: usize = 512;

fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions { free_space_floor: 0, export_every: Duration::ZERO, ..EmbeddedOptions::new(dir) }
}

fn command(n: u64) -> CommandRecord {
    let at = UnixMillis(1_790_000_000_000 + i64::try_from(n).unwrap() * 20);
    CommandRecord {
        id: CommandId::new(ulid::Ulid::from_parts(u64::try_from(at.0).unwrap(), u128::from(n))),
        parent: None,
        owner: OwnerId::SELF,
        key: KeyId::new(ulid::Ulid::from_parts(1, 2)),
        permission: Permission::TradeWrite,
        account: Account { login: 1_000_000 + n % 20, server: "MetaQuotes-Demo".into() },
        token: TokenId::new(ulid::Ulid::from_parts(1, u128::from(n % 20))),
        trade_mode: 0,
        instance: EaInstance([7; 16]),
        request: TradeRequest {
            action: 1,
            symbol: "EURUSD".into(),
            volume: 0.1,
            price: 1.08,
            magic: n,
            comment: format!("#{n}"),
            ..TradeRequest::default()
        },
        tag: n,
        client_order_id: None,
        seen_price: None,
        max_slippage_points: None,
        ttl_ms: 3_000,
        state: CommandState::Dispatched,
        created_at: at,
        updated_at: at,
        dispatched_broker_time: at.0 / 1_000,
        deadline_at: at.plus_ms(3_000),
        result: None,
        reason: None,
        adjudication: None,
        hook: None,
        earlier: Vec::new(),
    }
}

/// The two batches of a command's life.
fn life(n: u64) -> [Batch; 2] {
    let mut record = command(n);
    let key = records::idempotency(record.owner, &record.account, &n.to_string());
    let used = records::IdempotencyRecord { command: record.id, fingerprint: vec![9; 32], at: record.created_at };
    let begun = Batch::admission()
        .expect_absent(key.clone())
        .put(key, records::encode(&used))
        .put(records::account_command(record.owner, &record.account, record.id), b"".to_vec());
    let begun = records::put_command(begun, &record);
    record.state = CommandState::Executed;
    record.result = Some(TradeResult { retcode: 10_009, deal: n, order: n, volume: 0.1, price: 1.08, ..TradeResult::default() });
    [begun, records::put_command(Batch::outcome(), &record)]
}

async fn fill(dir: &Path, commands: u64) {
    let store = Arc::new(EmbeddedStore::open(options(dir)).unwrap());
    let mut writers = tokio::task::JoinSet::new();
    for lane in 0..IN_FLIGHT as u64 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for n in (lane..commands).step_by(IN_FLIGHT) {
                for batch in life(n) {
                    store.commit(batch).await.unwrap();
                }
            }
        });
    }
    writers.join_all().await;
    store.close().await.unwrap();
}

/// Opens and closes; the time of the opening.
async fn opened(dir: &Path) -> Duration {
    let begun = Instant::now();
    let store = EmbeddedStore::open(options(dir)).unwrap();
    let took = begun.elapsed();
    store.close().await.unwrap();
    took
}

/// Reading and hashing the journal on one thread.
fn floor(dir: &Path) -> (Duration, u64) {
    let begun = Instant::now();
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|is| is == "log") {
            let mut file = std::fs::File::open(path).unwrap();
            loop {
                match file.read(&mut buffer).unwrap() {
                    0 => break,
                    read => {
                        context.update(&buffer[..read]);
                        bytes += read as u64;
                    }
                }
            }
        }
    }
    std::hint::black_box(context.finish());
    (begun.elapsed(), bytes)
}

fn middle(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let (records, rounds) = (setting("RECORDS", 1_000_000), setting("ROUNDS", 7));
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let begun = Instant::now();
    fill(&data, records / 2).await;
    println!("{records} records written in {:.1} s", begun.elapsed().as_secs_f64());

    let floors: Vec<_> = (0..rounds).map(|_| floor(&data)).collect();
    let bytes = floors[0].1;
    let base = middle(floors.iter().map(|(time, _)| *time).collect());
    println!("{:.0} MiB in journal/; read and hashed on one thread in {base:.2} s (p50 of {rounds})", bytes as f64 / 1_048_576.0);
    let line = |what: &str, seconds: f64| println!("{what:<58} {seconds:>7.2} s {:>7.2}x", seconds / base);

    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(opened(&data).await);
    }
    line("start: every record read and checked, state/ up to date", middle(times));
    let mut times = Vec::new();
    for _ in 0..rounds.min(3) {
        std::fs::remove_dir_all(data.join("state")).unwrap();
        times.push(opened(&data).await);
    }
    line("start: state/ lost, built from the journal", middle(times));

    let begun = Instant::now();
    let store = EmbeddedStore::open(EmbeddedOptions { export_every: Duration::from_nanos(1), ..options(&data) }).unwrap();
    let opening = begun.elapsed();
    store.upkeep().await.unwrap();
    let upkeep = begun.elapsed() - opening;
    store.close().await.unwrap();
    line("export and archive of it all, while the store serves", upkeep.as_secs_f64());
    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(opened(&data).await);
    }
    line("start after that", middle(times));
    let mut times = Vec::new();
    for _ in 0..rounds.min(3) {
        std::fs::remove_dir_all(data.join("state")).unwrap();
        times.push(opened(&data).await);
    }
    line("start after that: state/ lost, built from the export", middle(times));
}
