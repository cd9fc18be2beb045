//! The accept loop: header time-outs, and budgets that keep strangers from taking the places of those who belong here.
//!
//! Ours, because `axum::serve` has no header time-out (axum#2741) and a cap on all connections alone lets idle strangers shut
//! everybody out.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, warn};

use super::{
    forwarded,
    linger::{Lingering, Unread},
};
use crate::{
    access::throttle::network,
    api::{self, Budget, Connection},
    config,
    telemetry::metrics::{Metrics, count},
};

/// Unacknowledged bytes older than this end a connection, whatever the kernel's retries say.
const USER_TIMEOUT: Duration = Duration::from_secs(5);
/// A TLS handshake must be done in that time.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Bytes of one request's head.
const HEAD_MAX: usize = 16_384;
const HEADERS_MAX: usize = 64;

/// What every connection needs.
pub(super) struct Front {
    pub(super) router: Router,
    pub(super) limits: config::Http,
    /// Without it the listener speaks plain HTTP.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) metrics: Metrics,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Front {
    /// Plain HTTP is for this machine, for trusted proxies, and for networks that the operator calls safe.
    fn admits(&self, peer: IpAddr) -> bool {
        self.tls.is_some()
            || self.limits.allow_plain
            || peer.to_canonical().is_loopback()
            || forwarded::is_trusted(peer, &self.limits.trusted_proxies)
    }

    fn refused(&self, reason: &'static str) {
        count(&self.metrics.connections_refused, "reason", reason);
    }
}

/// Accepts until the hub stops, then waits for the requests under way.
pub(super) async fn run(listener: TcpListener, front: Front) {
    let front = Arc::new(front);
    let budgets = Arc::new(Budgets::new(&front.limits, front.metrics.clone()));
    let connections = TaskTracker::new();
    loop {
        let (stream, peer) = select! {
            biased;
            () = front.stop.cancelled() => break,
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
        if !front.admits(peer.ip()) {
            front.refused("plain");
            debug!(%peer, "plain HTTP from an address that is no trusted proxy");
            connections.spawn(refuse(stream, PLAIN));
            continue;
        }
        // A trusted proxy brings many clients: each of its requests is counted by itself.
        let proxy = forwarded::is_trusted(peer.ip(), &front.limits.trusted_proxies);
        match budgets.enter((!proxy).then(|| peer.ip())) {
            Some(slot) => {
                let task = serve(stream, peer, Arc::new(slot), Arc::clone(&front));
                connections.spawn(front.tasks.track_future(task));
            }
            None => {
                front.refused("limit");
                // Over TLS nothing can be said before a handshake, which is what a stranger must not be given.
                if front.tls.is_none() {
                    connections.spawn(refuse(stream, BUSY));
                }
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve(stream: TcpStream, peer: SocketAddr, slot: Arc<Slot>, front: Arc<Front>) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(USER_TIMEOUT));
    let Some(tls) = &front.tls else { return converse(stream, peer, slot, &front).await };
    let handshake = select! {
        biased;
        () = front.stop.cancelled() => return,
        done = timeout(HANDSHAKE, tls.accept(stream)) => done,
    };
    match handshake {
        Ok(Ok(stream)) => converse(stream, peer, slot, &front).await,
        Ok(Err(error)) => {
            front.refused("tls");
            debug!(%peer, %error, "TLS handshake failed");
        }
        Err(_) => {
            front.refused("tls");
            debug!(%peer, "TLS handshake not finished in time");
        }
    }
}

/// Speaks HTTP on a connection, plain or inside TLS.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    slot: Arc<Slot>,
    front: &Arc<Front>,
) {
    let direct = Arc::new(Connection {
        client: peer.ip().to_canonical(),
        peer,
        secure: front.tls.is_some(),
        budget: Arc::clone(&slot) as _,
    });
    let answering = Arc::clone(front);
    let unread = Unread::default();
    let stream = Lingering::new(stream, unread.clone());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let request = request.map(|body| Body::new(unread.watch(body)));
        answer(request, Arc::clone(&answering), Arc::clone(&direct), Arc::clone(&slot))
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(front.limits.header_timeout)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let ended = select! {
        biased;
        ended = &mut serving => ended,
        () = front.stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "connection ended");
    }
}

async fn answer(
    mut request: hyper::Request<Body>,
    front: Arc<Front>,
    direct: Arc<Connection>,
    slot: Arc<Slot>,
) -> Result<Response, Infallible> {
    let mut connection = direct;
    if slot.proxied {
        let Ok(client) = forwarded::client(connection.peer.ip(), request.headers(), &front.limits.trusted_proxies) else {
            debug!(peer = %connection.peer, "X-Forwarded-For of a trusted proxy names no address");
            return Ok(api::refuse_forwarded());
        };
        let Some(guest) = slot.budgets.guest(client) else {
            front.refused("limit");
            return Ok(api::refuse_busy());
        };
        let budget = Arc::new(Proxied { slot, guest: Mutex::new(Some(guest)) });
        // What the proxy says of its own side; between it and the hub the operator vouches.
        let secure = connection.secure || forwarded::says_https(request.headers());
        connection = Arc::new(Connection { client, peer: connection.peer, secure, budget });
    }
    request.extensions_mut().insert(Arc::clone(&connection));
    let answer = front.router.clone().oneshot(request).await;
    // The request took one reference with it: a stranger's place is its address's until the answer is there.
    drop(connection);
    answer
}

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const PLAIN: &[u8] = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: 57\r\n\r\n\
    plain HTTP is only for trusted proxies: come through TLS\n";

/// A stranger who is turned away gets an answer that a client understands, at no cost to speak of.
async fn refuse(mut stream: TcpStream, answer: &'static [u8]) {
    let _ = timeout(Duration::from_secs(1), stream.write_all(answer)).await;
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
    metrics: Metrics,
}

impl Budgets {
    fn new(limits: &config::Http, metrics: Metrics) -> Self {
        Self {
            max: limits.max_connections,
            max_strangers: limits.max_unauthenticated,
            max_strangers_per_ip: limits.max_unauthenticated_per_ip,
            open: AtomicUsize::new(0),
            strangers: AtomicUsize::new(0),
            strangers_by_ip: Mutex::default(),
            metrics,
        }
    }

    /// A place for a connection; those of proxies count under no address.
    fn enter(self: &Arc<Self>, ip: Option<IpAddr>) -> Option<Slot> {
        let room = self.open.load(Ordering::Relaxed) < self.max && self.strangers.load(Ordering::Relaxed) < self.max_strangers;
        if !room {
            return None;
        }
        let ip = match ip {
            Some(ip) => Some(self.guest(ip)?),
            None => None,
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        self.strangers.fetch_add(1, Ordering::Relaxed);
        self.gauge("stranger", 1);
        Some(Slot { budgets: Arc::clone(self), proxied: ip.is_none(), ip: Mutex::new(ip), stranger: AtomicBool::new(true) })
    }

    /// One more of an address, as long as the answer is kept.
    fn guest(self: &Arc<Self>, ip: IpAddr) -> Option<Guest> {
        let ip = network(ip);
        let mut by_ip = self.strangers_by_ip.lock().unwrap_or_else(PoisonError::into_inner);
        let from_here = by_ip.get(&ip).copied().unwrap_or(0);
        if from_here >= self.max_strangers_per_ip {
            return None;
        }
        by_ip.insert(ip, from_here + 1);
        Some(Guest { budgets: Arc::clone(self), ip })
    }

    fn gauge(&self, kind: &'static str, by: i64) {
        self.metrics.connections.get_or_create(&[("kind", kind)]).inc_by(by);
    }
}

/// One of those that its address may have.
#[derive(Debug)]
struct Guest {
    budgets: Arc<Budgets>,
    ip: IpAddr,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut by_ip = self.budgets.strangers_by_ip.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                by_ip.remove(&self.ip);
            }
        }
    }
}

/// A connection's place in the budgets.
#[derive(Debug)]
struct Slot {
    budgets: Arc<Budgets>,
    /// It is a proxy's: its requests are counted by themselves.
    proxied: bool,
    ip: Mutex<Option<Guest>>,
    stranger: AtomicBool,
}

impl Budget for Slot {
    fn authenticated(&self) {
        if self.leave_strangers() {
            self.budgets.gauge("authenticated", 1);
        }
    }
}

/// One request that a proxy brings: its client's place among strangers, until it shows a secret.
#[derive(Debug)]
struct Proxied {
    slot: Arc<Slot>,
    guest: Mutex<Option<Guest>>,
}

impl Budget for Proxied {
    fn authenticated(&self) {
        drop(self.guest.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.slot.authenticated();
    }
}

impl Slot {
    fn leave_strangers(&self) -> bool {
        let was = self.stranger.swap(false, Ordering::Relaxed);
        if was {
            self.budgets.strangers.fetch_sub(1, Ordering::Relaxed);
            self.budgets.gauge("stranger", -1);
            drop(self.ip.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        was
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.leave_strangers() {
            self.budgets.gauge("authenticated", -1);
        }
        self.budgets.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets() -> Arc<Budgets> {
        let limits =
            config::Http { max_connections: 4, max_unauthenticated: 3, max_unauthenticated_per_ip: 2, ..config::Http::default() };
        Arc::new(Budgets::new(&limits, Metrics::new()))
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn strangers_of_one_address_do_not_shut_others_out() {
        let budgets = budgets();
        let _one = budgets.enter(Some(ip(1))).unwrap();
        let _two = budgets.enter(Some(ip(1))).unwrap();
        assert!(budgets.enter(Some(ip(1))).is_none());
        let _other = budgets.enter(Some(ip(2))).unwrap();
        assert!(budgets.enter(Some(ip(3))).is_none(), "strangers all together are bounded too");
    }

    #[test]
    fn a_request_that_a_proxy_brings_counts_under_its_client_until_it_shows_a_secret() {
        let budgets = budgets();
        let slot = Arc::new(budgets.enter(None).unwrap());
        let request = || budgets.guest(ip(1)).map(|guest| Proxied { slot: Arc::clone(&slot), guest: Mutex::new(Some(guest)) });
        let (one, two) = (request().unwrap(), request().unwrap());
        assert!(request().is_none(), "two strangers of one address");
        assert!(budgets.guest(ip(2)).is_some(), "the proxy's other clients are not held up");
        one.authenticated();
        let three = request().unwrap();
        assert!(request().is_none());
        drop((two, three));
        assert!(budgets.strangers_by_ip.lock().unwrap().is_empty());
    }

    #[test]
    fn who_has_shown_a_secret_makes_room_for_the_next() {
        let budgets = budgets();
        let slots: Vec<_> = (0..4)
            .map(|_| {
                let slot = budgets.enter(Some(ip(1))).unwrap();
                slot.authenticated();
                slot
            })
            .collect();
        assert!(budgets.enter(Some(ip(9))).is_none(), "all connections together are bounded");
        drop(slots);
        assert!(budgets.enter(Some(ip(9))).is_some());
        assert!(budgets.strangers_by_ip.lock().unwrap().is_empty());
    }
}
