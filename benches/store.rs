//! Rough figures of the store beside a bare fdatasync loop, and the size of real bars. Not a benchmark.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mtbridge::domain::market::Bar;
use mtbridge::store::cache::{BarCache, Span};
use mtbridge::store::embedded::{EmbeddedOptions, EmbeddedStore};
use mtbridge::store::{Batch, SealScope, Store};

fn percentiles(mut times: Vec<u128>) -> String {
    times.sort_unstable();
    format!("p50 {} us, p99 {} us", times[times.len() / 2], times[times.len() * 99 / 100])
}

fn bare(dir: &std::path::Path) {
    let mut file = std::fs::File::create(dir.join("bare")).unwrap();
    file.write_all(&vec![0; 8 << 20]).unwrap();
    file.sync_all().unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) && times.len() < 30_000 {
        let one = Instant::now();
        file.write_all(&[7; 256]).unwrap();
        file.sync_data().unwrap();
        times.push(one.elapsed().as_micros());
    }
    println!("bare fdatasync loop: {:.0}/s, {}", times.len() as f64 / start.elapsed().as_secs_f64(), percentiles(times));
}

async fn store(dir: &std::path::Path, flight: usize, sealed: bool, seconds: u64) {
    let store = Arc::new(EmbeddedStore::open(EmbeddedOptions::new(dir)).unwrap());
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for task in 0..flight as u64 {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tasks.push(tokio::spawn(async move {
            let scope = SealScope::new("o", task, "Demo");
            let mut times = Vec::new();
            let mut n = 0u64;
            while start.elapsed() < Duration::from_secs(seconds) {
                let one = Instant::now();
                let key = format!("c{task:04}/{:06}", n % 2000);
                let batch = if sealed {
                    Batch::admission().put_sealed(&scope, key, vec![7; 220])
                } else {
                    Batch::admission().put(key, vec![7; 220])
                };
                store.commit(batch).await.unwrap();
                times.push(one.elapsed().as_micros());
                done.fetch_add(1, Ordering::Relaxed);
                n += 1;
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let took = start.elapsed();
    store.close().await.unwrap();
    println!(
        "store, {flight} in flight, sealed {sealed}: {:.0} batches/s, {} (close {:?})",
        done.load(Ordering::Relaxed) as f64 / took.as_secs_f64(),
        percentiles(times),
        start.elapsed() - took
    );
}

fn bars(dir: &std::path::Path, file: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let bars: Vec<Bar> = text
        .lines()
        .skip(1)
        .enumerate()
        .map(|(n, line)| {
            let f: Vec<&str> = line.split(',').collect();
            let clock: Vec<i64> = f[1].split(':').map(|part| part.parse().unwrap()).collect();
            let day: i64 = f[0].rsplit('.').next().unwrap().parse().unwrap();
            let _ = n;
            Bar {
                time: 1_709_251_200 + (day - 1) * 86_400 + clock[0] * 3_600 + clock[1] * 60,
                open: f[2].parse().unwrap(),
                high: f[3].parse().unwrap(),
                low: f[4].parse().unwrap(),
                close: f[5].parse().unwrap(),
                tick_volume: f[6].parse().unwrap(),
                real_volume: f[7].parse().unwrap(),
                spread: f[8].parse().unwrap(),
            }
        })
        .collect();
    let without: Vec<Bar> = bars.iter().map(|bar| Bar { real_volume: 0, ..*bar }).collect();
    for (name, bars) in [("as it is", &bars), ("without real volume", &without)] {
        let dir = dir.join(name);
        let cache = BarCache::open(&dir, 16 << 20);
        let (from, to) = (bars[0].time, bars[bars.len() - 1].time);
        let start = Instant::now();
        cache.insert("s", bars, Span { from, to });
        let wrote = start.elapsed();
        let start = Instant::now();
        assert_eq!(cache.range("s", from, to).unwrap(), *bars);
        println!(
            "{} bars {name}: {:.2} bytes a bar in pages, insert {wrote:?}, read {:?}",
            bars.len(),
            cache.page_bytes("s") as f64 / bars.len() as f64,
            start.elapsed()
        );
    }
}

#[tokio::main]
async fn main() {
    let temporary = tempfile::tempdir().unwrap();
    bare(temporary.path());
    store(&temporary.path().join("a"), 1, false, 3).await;
    store(&temporary.path().join("b"), 64, false, 5).await;
    store(&temporary.path().join("c"), 64, true, 3).await;
    bare(temporary.path());
    let start = Instant::now();
    EmbeddedStore::open(EmbeddedOptions::new(temporary.path().join("b"))).unwrap().close().await.unwrap();
    println!("reopen: {:?}", start.elapsed());
    std::fs::remove_dir_all(temporary.path().join("b/state")).unwrap();
    let start = Instant::now();
    EmbeddedStore::open(EmbeddedOptions::new(temporary.path().join("b"))).unwrap().close().await.unwrap();
    println!("rebuild from the journal: {:?}", start.elapsed());
    if let Some(file) = std::env::args().nth(1) {
        bars(temporary.path(), &file);
    }
}
