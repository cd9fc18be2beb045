//! The accept loop: header time-outs, and budgets that keep strangers from taking the places of those who belong here.
//!
//! Ours, because `axum::serve` has no header time-out (axum#2741) and a cap on all connections alone lets idle strangers shut
//! everybody out.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    select,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::{
    api::{Budget, Connection},
    config,
};

/// Unacknowledged bytes older than this end a connection, whatever the kernel's retries say.
const USER_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of one request's head.
const HEAD_MAX: usize = 16_384;
const HEADERS_MAX: usize = 64;

/// Accepts until `stop`, then waits for the requests under way.
pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    limits: Arc<config::Http>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let budgets = Arc::new(Budgets::new(&limits));
    let connections = TaskTracker::new();
    loop {
        let (stream, remote) = select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: wait for some to come back instead of spinning.
                    warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        match budgets.enter(remote.ip()) {
            Some(slot) => {
                let task = serve(stream, remote, slot, router.clone(), limits.header_timeout, stop.clone());
                connections.spawn(tasks.track_future(task));
            }
            None => drop(connections.spawn(refuse(stream))),
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve(
    stream: TcpStream,
    remote: SocketAddr,
    slot: Slot,
    router: Router,
    header_timeout: Duration,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(USER_TIMEOUT));
    let connection = Arc::new(Connection { remote, budget: Box::new(slot) });
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&connection));
        router.clone().oneshot(request.map(Body::new))
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let ended = select! {
        biased;
        ended = &mut serving => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        debug!(%remote, %error, "connection ended");
    }
}

/// A stranger above the budget gets an answer that a client understands, at no cost to speak of.
async fn refuse(mut stream: TcpStream) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(ANSWER)).await;
}

/// Counters of open connections.
#[derive(Debug)]
struct Budgets {
    max: usize,
    max_strangers: usize,
    max_strangers_per_ip: usize,
    open: AtomicUsize,
    strangers: AtomicUsize,
    strangers_by_ip: Mutex<HashMap<IpAddr, usize>>,
}

impl Budgets {
    fn new(limits: &config::Http) -> Self {
        Self {
            max: limits.max_connections,
            max_strangers: limits.max_unauthenticated,
            max_strangers_per_ip: limits.max_unauthenticated_per_ip,
            open: AtomicUsize::new(0),
            strangers: AtomicUsize::new(0),
            strangers_by_ip: Mutex::default(),
        }
    }

    fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Slot> {
        let ip = network(ip);
        let mut by_ip = self.strangers_by_ip.lock().unwrap_or_else(PoisonError::into_inner);
        let from_here = by_ip.get(&ip).copied().unwrap_or(0);
        let room = self.open.load(Ordering::Relaxed) < self.max
            && self.strangers.load(Ordering::Relaxed) < self.max_strangers
            && from_here < self.max_strangers_per_ip;
        if !room {
            return None;
        }
        by_ip.insert(ip, from_here + 1);
        self.open.fetch_add(1, Ordering::Relaxed);
        self.strangers.fetch_add(1, Ordering::Relaxed);
        Some(Slot { budgets: Arc::clone(self), ip, stranger: AtomicBool::new(true) })
    }
}

/// Whoever holds a whole /64 of IPv6 is one address to us.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// A connection's place in the budgets.
#[derive(Debug)]
struct Slot {
    budgets: Arc<Budgets>,
    ip: IpAddr,
    stranger: AtomicBool,
}

impl Budget for Slot {
    fn authenticated(&self) {
        if !self.stranger.swap(false, Ordering::Relaxed) {
            return;
        }
        self.budgets.strangers.fetch_sub(1, Ordering::Relaxed);
        let mut by_ip = self.budgets.strangers_by_ip.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                by_ip.remove(&self.ip);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.authenticated();
        self.budgets.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets() -> Arc<Budgets> {
        let limits =
            config::Http { max_connections: 4, max_unauthenticated: 3, max_unauthenticated_per_ip: 2, ..config::Http::default() };
        Arc::new(Budgets::new(&limits))
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn strangers_of_one_address_do_not_shut_others_out() {
        let budgets = budgets();
        let _one = budgets.enter(ip(1)).unwrap();
        let _two = budgets.enter(ip(1)).unwrap();
        assert!(budgets.enter(ip(1)).is_none());
        let _other = budgets.enter(ip(2)).unwrap();
        assert!(budgets.enter(ip(3)).is_none(), "strangers all together are bounded too");
    }

    #[test]
    fn who_has_shown_a_secret_makes_room_for_the_next() {
        let budgets = budgets();
        let slots: Vec<_> = (0..4)
            .map(|_| {
                let slot = budgets.enter(ip(1)).unwrap();
                slot.authenticated();
                slot
            })
            .collect();
        assert!(budgets.enter(ip(9)).is_none(), "all connections together are bounded");
        drop(slots);
        assert!(budgets.enter(ip(9)).is_some());
        assert!(budgets.strangers_by_ip.lock().unwrap().is_empty());
    }
}
