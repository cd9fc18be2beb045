//! What a stream costs: `cargo bench --bench stream`. From the call that makes something happen to each reader's frame, for more and more readers, and
//! beside readers that never read. The readers are one thread of this process, so the numbers hold their cost too: quote the ratios.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_debug_implementations,
    dead_code
)]

mod support;

use std::time::Instant;

use futures_util::{SinkExt as _, StreamExt as _};
use support::{Hub, cpu_seconds, http, percentile, rss_kib};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

const TURNS: usize = 100;

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("{:<44} {:>10} {:>10} {:>8} {:>14} {:>10}", "", "p50 µs", "p99 µs", "ratio", "CPU µs/frame", "KiB/reader");
    let alone = runtime.block_on(measure("1 reader", 1, 0, None));
    runtime.block_on(measure("100 readers", 100, 0, Some(alone)));
    runtime.block_on(measure("1,000 readers", 1_000, 0, Some(alone)));
    runtime.block_on(measure("1 reader beside 1 that never reads", 1, 1, Some(alone)));
    runtime.block_on(measure("1 reader beside 200 that never read", 1, 200, Some(alone)));
}

async fn measure(what: &str, readers: usize, stuck: usize, base: Option<f64>) -> f64 {
    let hub = Hub::start();
    let before = rss_kib(hub.pid());
    let mut idle = Vec::new();
    for _ in 0..stuck {
        idle.push(follow(&hub).await);
    }
    let (told, mut heard) = mpsc::channel(readers * 2);
    for _ in 0..readers {
        let (mut socket, told) = (follow(&hub).await, told.clone());
        tokio::spawn(async move {
            while let Some(Ok(frame)) = socket.next().await {
                if matches!(&frame, Message::Text(text) if text.contains("token.created")) {
                    let _ = told.send(Instant::now()).await;
                }
            }
        });
    }
    let memory = (rss_kib(hub.pid()) - before) as f64 / (readers + stuck) as f64;
    let (mut samples, cpu) = (Vec::new(), cpu_seconds(hub.pid()));
    let (mut triggers, mut go) = (mpsc::channel::<()>(1), mpsc::channel::<Instant>(1));
    // It has a runtime of its own, which cannot be made inside this one.
    let mut client = std::thread::scope(|scope| scope.spawn(|| http::Client::connect(&hub)).join().unwrap());
    let calling = std::thread::spawn(move || {
        while triggers.1.blocking_recv().is_some() {
            go.0.blocking_send(Instant::now()).unwrap();
            client.ask("POST /api/v1/tokens", "", "{}");
        }
    });
    for _ in 0..TURNS {
        triggers.0.send(()).await.unwrap();
        let begun = go.1.recv().await.unwrap();
        for _ in 0..readers {
            let at = heard.recv().await.unwrap();
            samples.push(at.duration_since(begun).as_secs_f64() * 1e6);
        }
    }
    let cpu = (cpu_seconds(hub.pid()) - cpu) * 1e6 / (TURNS * readers) as f64;
    drop(triggers.0);
    calling.join().unwrap();
    let (p50, p99) = (percentile(&mut samples, 50.0), percentile(&mut samples, 99.0));
    let ratio = base.map_or(String::new(), |base| format!("{:.2}", p50 / base));
    println!("{what:<44} {p50:>10.1} {p99:>10.1} {ratio:>8} {cpu:>14.1} {memory:>10.1}");
    p50
}

async fn follow(hub: &Hub) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{}/api/v1/stream", hub.address).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", hub.key).parse().unwrap());
    let tcp = TcpStream::connect(&hub.address).await.unwrap();
    let (mut socket, _) = client_async(request, tcp).await.unwrap();
    socket.send(Message::text(r#"{"id":1,"subscribe":[{"topic":"tokens"}]}"#)).await.unwrap();
    // Answer and snapshot.
    socket.next().await.unwrap().unwrap();
    socket.next().await.unwrap().unwrap();
    socket
}
