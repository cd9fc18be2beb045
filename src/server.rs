//! The only wiring: what stands on what, from the disk up to the listener, and down again in the other order.

mod accept;
mod forwarded;
mod linger;
mod restored;
mod secrets;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    net::TcpSocket,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    access::{Access, AccessError, Guard, plans::Plans, secret::Secret, usage::Usage},
    api::{self, ApiState, Fillings, Sources, router},
    clock::{Clock, Ids},
    config::Config,
    dashboard,
    equity::Equity,
    events::Events,
    history::{self, History},
    hooks::{
        Hooks,
        out::{OpenError, Webhooks},
    },
    hub::{Ears, Hub, Push, SessionHandle, Signal},
    market::{
        bars::BarService,
        charts::Charts,
        clocks::Clocks,
        feed::{self, Feed},
        indicators::Indicators,
        memory::DownloadMemory,
        offers::Offers,
        ticks::TickService,
    },
    revocation,
    store::{
        Store, StoreError,
        cache::BarCache,
        embedded::{EmbeddedOptions, EmbeddedStore},
        records,
    },
    telemetry::metrics::{Metrics, count},
    tls::{Identity, TlsError},
    trading::Trading,
};

/// Signals of sessions that may wait for the trading side; above it, the sessions wait.
const SIGNALS: usize = 4_096;
/// Pushes of sessions that may wait for the trade history; above it they are dropped, and found later.
const PUSHES: usize = 4_096;
/// Connections that the kernel may hold before they are accepted.
const BACKLOG: u32 = 4_096;
/// The store is asked so often whether anything is due.
const UPKEEP: Duration = Duration::from_secs(60);
/// A clock that is behind by less is not worth a word.
const CLOCK_TOLERANCE_MS: i64 = 1_000;
/// At a stop, commands at a terminal get so long before it is cut.
const FAREWELL: Duration = Duration::from_secs(1);
/// From the order to stop: terminals and requests have so long, then commands, then the store. All of it is below the ten seconds
/// after which a supervisor loses patience.
const LAST_WORDS: Duration = Duration::from_secs(6);
const LAST_COMMANDS: Duration = Duration::from_millis(7_500);
const LAST_RECORDS: Duration = Duration::from_secs(9);
/// Between two looks at the certificate's files.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(2);

/// Why the hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The preset admin key cannot be used.
    #[error("admin_key: {0}")]
    AdminKey(&'static str),
    /// Tokens and keys cannot be read.
    #[error(transparent)]
    Access(AccessError),
    /// A secret file cannot be used.
    #[error("{path}: {detail}")]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        detail: String,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody can listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
}

/// What a first start makes, to be shown once.
#[derive(Debug)]
struct FirstSecrets {
    admin_key: Option<Secret>,
    setup_code: Option<Secret>,
}

/// A running hub.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    scheme: &'static str,
    first: FirstSecrets,
    feed: Feed,
    stop: CancellationToken,
    stopped: JoinHandle<()>,
}

impl Server {
    /// Opens the data folder, takes up what was left open, and listens. When it returns, the hub is ready.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        let store = open_store(&config, &metrics).await?;
        Self::start(config, store, metrics).await
    }

    /// The same over any store; tests break theirs on demand.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind_with_store(config: Config, store: Arc<dyn Store>) -> Result<Self, StartError> {
        Self::start(config, store, Metrics::new()).await
    }

    async fn start(config: Config, store: Arc<dyn Store>, metrics: Metrics) -> Result<Self, StartError> {
        let config = within_descriptors(config);
        let identity = config.tls.files().map(|(cert, key)| Identity::read(cert, key)).transpose()?.map(Arc::new);
        let clock = Clock::start();
        let ids = Arc::new(ids_above(store.as_ref(), clock).await?);
        let (access, first) = open_access(&config, &store, clock, &ids).await?;
        let usage = use_of_keys(&config, &store, &access, clock).await?;
        let (signals, heard) = mpsc::channel::<Signal>(SIGNALS);
        let (pushes, pushed) = mpsc::channel::<Push>(PUSHES);
        let ears = Ears { signals, pushes };
        #[expect(clippy::cast_precision_loss, reason = "exact for two hundred thousand years")]
        metrics.start_time.set(clock.wall().0 as f64 / 1_000.0);
        let (hub, equity) = hub_of(&config, &store, &access, ears, (clock, &ids), &metrics);
        let trading = open_trading(&config, &store, &hub, &access, (clock, &ids)).await?;
        let (cache, clocks) = open_bar_cache(&config).await;
        let (indicators, offers) = (Indicators::open(Arc::clone(&store), clock).await?, Offers::default());
        let charts = Charts { indicators: indicators.clone(), hub: hub.clone(), clocks: clocks.clone(), offers: offers.clone() };
        let feed = feed_of(&config, &hub, &clocks, clock);
        let memory = DownloadMemory::default();
        let history = history_of(&config, &store, &hub, &access, &trading, &clocks, clock);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let streams = api::Streams::new(config.stream.clone());
        let over = (Arc::clone(&store), access.clone(), metrics.clone());
        let (hooks, events, webhooks) = open_hooks(&config, over, (clock, ids), (tasks.clone(), stop.clone())).await?;
        let state = ApiState::new(api::Parts {
            events: events.clone(),
            streams: streams.clone(),
            access: access.clone(),
            usage: usage.clone(),
            hub: hub.clone(),
            trading: trading.clone(),
            history: history.clone(),
            equity: equity.clone(),
            hooks,
            webhooks: webhooks.clone(),
            bars: BarService::new(cache, clocks.clone(), clock, memory.clone()),
            ticks: TickService::new(memory.clone()),
            memory,
            clocks,
            indicators,
            feed: feed.clone(),
            offers,
            sources: Sources::default(),
            store: Arc::clone(&store),
            clock,
            http: config.http.clone(),
            terminals: config.terminals.clone(),
            market_ttl: config.trading.market_ttl,
            pending_ttl: config.trading.pending_ttl,
            fillings: Fillings::default(),
            key_revocations: tokio::sync::Mutex::default(),
            stopping: stop.clone(),
            tasks: tasks.clone(),
        });

        let listener = listen(config.listen)?;
        let addr = listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
        tasks.spawn(usage.clone().run(stop.clone()));
        let parts = Parts { streams, store, hub, trading, usage, equity, tasks, stop_following: CancellationToken::new() };
        let denials = access.clone().write_denials(config.audit.denials_every, parts.stop_following.clone());
        let denials = parts.tasks.spawn(denials);
        parts.follow(access, charts, events, feed.clone(), state.clone(), &stop);
        let follower = {
            let (trading, stop) = (parts.trading.clone(), parts.stop_following.clone());
            parts.tasks.spawn(async move { trading.run(heard, stop).await })
        };
        let recorder = parts.tasks.spawn(history.run(pushed, parts.stop_following.clone()));
        webhooks.start();
        parts.tasks.spawn(api::resume_alerts(state.clone()));
        let tls = identity.as_ref().map(Identity::server).transpose()?.map(TlsAcceptor::from);
        let scheme = if tls.is_some() { "https" } else { "http" };
        if let Some(identity) = identity {
            parts.tasks.spawn(follow_certificate(identity, metrics.clone(), stop.clone()));
        }
        let (tasks, stopping, router) = (parts.tasks.clone(), stop.clone(), router(state).merge(dashboard::router()));
        let front = accept::Front { router, limits: config.http, tls, metrics, tasks, stop: stopping };
        let accepting = parts.tasks.spawn(accept::run(listener, front));
        info!(scheme, %addr, data_dir = %config.data_dir.display(), "the hub is ready");
        let stopped = parts.tasks.clone().spawn(wind_down(parts, accepting, [follower, recorder, denials], stop.clone()));
        Ok(Self { addr, scheme, first, feed, stop, stopped })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same as an address for bots, `http://…` or `https://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// The admin key that this first start made; shown once.
    #[must_use]
    pub const fn first_admin_key(&self) -> Option<&Secret> {
        self.first.admin_key.as_ref()
    }

    /// The one-time code with which the first user of this hub is made; shown once, good for a day.
    #[must_use]
    pub const fn setup_code(&self) -> Option<&Secret> {
        self.first.setup_code.as_ref()
    }

    /// Live data, for a program that has the hub inside.
    #[must_use]
    pub const fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Begins to stop: no new connections, terminals are told to come back, what is under way is finished.
    pub fn shutdown(&self) {
        self.stop.cancel();
    }

    /// Waits until it has stopped.
    pub async fn join(self) {
        if let Err(error) = self.stopped.await {
            error!(%error, "the hub did not stop cleanly");
        }
    }
}

/// Commands; after a restore behind its fence.
async fn open_trading(
    config: &Config,
    store: &Arc<dyn Store>,
    hub: &Hub,
    access: &Access,
    (clock, ids): (Clock, &Arc<Ids>),
) -> Result<Trading, StartError> {
    let (store, ids, settings) = (Arc::clone(store), Arc::clone(ids), &config.trading);
    let trading = Trading::open(store, hub.clone(), access.clone(), settings, &config.accounts, clock, ids).await?;
    restored::fence(&trading, access, &config.data_dir).await?;
    Ok(trading)
}

/// What other programs send, what happened, and what is sent of it to other programs. Hooks first: events name them.
async fn open_hooks(
    config: &Config,
    (store, access, metrics): (Arc<dyn Store>, Access, Metrics),
    (clock, ids): (Clock, Arc<Ids>),
    running: (TaskTracker, CancellationToken),
) -> Result<(Hooks, Events, Webhooks), StartError> {
    let hooks = Hooks::open(Arc::clone(&store), access.clone(), clock, Arc::clone(&ids)).await?;
    let events = Events::open(Arc::clone(&store), access.clone(), metrics).await?;
    let told = (store, access, events.clone());
    let webhooks = Webhooks::open(told, &config.webhooks, (clock, ids), running).await.map_err(|error| match error {
        OpenError::Store(error) => StartError::Store(error),
        OpenError::Tls(error) => StartError::Tls(error),
    })?;
    Ok((hooks, events, webhooks))
}

/// Tokens, keys and users, and the first secrets if this is the first start.
async fn open_access(
    config: &Config,
    store: &Arc<dyn Store>,
    clock: Clock,
    ids: &Arc<Ids>,
) -> Result<(Access, FirstSecrets), StartError> {
    let used = !store.scan(records::KEYS, None, 1).await?.is_empty() || !store.scan(records::TOKENS, None, 1).await?.is_empty();
    let pepper = secrets::pepper(config, used)?;
    let sessions = config.sessions.clone();
    let access =
        Access::open_with(Arc::clone(store), pepper, clock, Arc::clone(ids), sessions).await.map_err(StartError::Access)?;
    let access = access.guarded(Guard::new(&config.throttle, clock));
    let admin_key = access.ensure_admin(secrets::admin_key(config)?.as_deref()).await.map_err(bad_admin_key)?;
    let setup_code = access.ensure_setup().await.map_err(StartError::Access)?;
    Ok((access, FirstSecrets { admin_key, setup_code }))
}

/// What keys were used for, and what they have spent of their plans.
async fn use_of_keys(config: &Config, store: &Arc<dyn Store>, access: &Access, clock: Clock) -> Result<Usage, StoreError> {
    let plans = Plans::new(config.plans.enterprise, clock);
    Usage::open(Arc::clone(store), access.clone(), plans, clock).await
}

struct Parts {
    streams: api::Streams,
    store: Arc<dyn Store>,
    hub: Hub,
    trading: Trading,
    usage: Usage,
    equity: Equity,
    tasks: TaskTracker,
    stop_following: CancellationToken,
}

impl Parts {
    /// Begins everything that goes on by itself until the stop.
    fn follow(&self, access: Access, charts: Charts, events: Events, feed: Feed, state: ApiState, stop: &CancellationToken) {
        let goodbye = {
            let trading = self.trading.clone();
            move |session: SessionHandle| {
                let trading = trading.clone();
                async move { trading.ask_before_cut(&session).await }
            }
        };
        self.tasks.spawn(revocation::follow(access, self.hub.clone(), self.store.changes(), goodbye, stop.clone()));
        self.tasks.spawn(self.equity.clone().run(stop.clone()));
        self.tasks.spawn(keep_up(Arc::clone(&self.store), stop.clone()));
        self.tasks.spawn(charts.indicators.clone().run(stop.clone()));
        self.tasks.spawn(charts.run(stop.clone()));
        self.tasks.spawn(events.run(self.stop_following.clone()));
        self.tasks.spawn(api::watch_terminals(state));
        self.tasks.spawn(feed.run(stop.clone()));
        let (trading, stop) = (self.trading.clone(), stop.clone());
        self.tasks.spawn(async move { trading.watch(stop).await });
    }
}

/// From the listener down to the disk.
async fn wind_down(parts: Parts, accepting: JoinHandle<()>, followers: [JoinHandle<()>; 3], stop: CancellationToken) {
    stop.cancelled().await;
    let begun = Instant::now();
    info!(terminals = parts.hub.len(), "stopping");
    // What is at a terminal this moment may come back before it is cut; what does not is asked for at the next start.
    parts.trading.settle_open(FAREWELL).await;
    let until = begun + LAST_WORDS;
    parts.streams.tasks().close();
    let (ended, accepted, streamed) = tokio::join!(
        timeout_at(until, parts.hub.shutdown()),
        timeout_at(until, accepting),
        timeout_at(until, parts.streams.tasks().wait())
    );
    if streamed.is_err() {
        error!("streams were still saying goodbye and are dropped");
    }
    if ended.is_err() {
        error!("terminals were still saying goodbye and are dropped");
    }
    if accepted.is_err() {
        error!("requests were still open and are dropped");
    }
    parts.stop_following.cancel();
    if timeout_at(begun + LAST_COMMANDS, futures_util::future::join_all(followers)).await.is_err() {
        error!("commands or history were still in work; they are taken up at the next start");
    }
    if timeout_at(begun + LAST_RECORDS, parts.usage.write()).await.is_err() {
        error!("the last minute of the use of API keys could not be written");
    }
    if timeout_at(begun + LAST_RECORDS, parts.equity.write(None)).await.is_err() {
        error!("the last minutes of equity could not be written");
    }
    match timeout_at(begun + LAST_RECORDS, parts.store.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => error!(%error, "the store did not close cleanly"),
        Err(_) => {
            error!("the disk does not answer; what was acknowledged is on it, the next start reads the rest from the journal")
        }
    }
    info!(took_ms = begun.elapsed().as_millis(), "stopped");
}

/// Takes new certificates as they come. A bad one is told, and the old one stays.
async fn follow_certificate(identity: Arc<Identity>, metrics: Metrics, stop: CancellationToken) {
    while tokio::time::timeout(CERTIFICATE_LOOK, stop.cancelled()).await.is_err() {
        let looking = Arc::clone(&identity);
        match tokio::task::spawn_blocking(move || looking.reload()).await {
            Ok(Ok(false)) | Err(_) => {}
            Ok(Ok(true)) => {
                count(&metrics.certificate_reloads, "result", "ok");
                info!("the certificate has changed; new connections get the new one");
            }
            Ok(Err(error)) => {
                count(&metrics.certificate_reloads, "result", "failed");
                error!(%error, "the changed certificate cannot be used; the old one stays");
            }
        }
    }
}

/// Identifiers that go on above those of earlier runs, also when the clock was set back in between.
async fn ids_above(store: &dyn Store, clock: Clock) -> Result<Ids, StoreError> {
    let Some(highest) = records::highest_id(store).await? else { return Ok(Ids::default()) };
    let ahead = i64::try_from(highest.timestamp_ms()).unwrap_or(i64::MAX).saturating_sub(clock.wall().0);
    if ahead > CLOCK_TOLERANCE_MS {
        warn!(
            behind_s = ahead / 1_000,
            "the system's clock is behind the last record: it was set back, or was ahead then. New identifiers go on above the old ones; check the clock"
        );
    }
    Ok(Ids::above(highest))
}

/// Has the store do what is due, minute by minute.
async fn keep_up(store: Arc<dyn Store>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        if let Err(error) = store.upkeep().await {
            error!(%error, "export or archive of the store; it is tried again in a minute");
        }
    }
}

fn bad_admin_key(error: AccessError) -> StartError {
    match error {
        AccessError::Unknown => StartError::AdminKey("it is no sk_live_ key; `mtbridge key generate` makes one"),
        AccessError::NotAdmin => StartError::AdminKey("this key exists and lacks the permission admin; preset another"),
        AccessError::Revoked | AccessError::Expired => {
            StartError::AdminKey("this key was revoked or has expired; preset another, or none to use those there are")
        }
        error => StartError::Access(error),
    }
}

/// Budgets that the process's limit of open files can bear: running out of descriptors would hurt those who belong here.
fn within_descriptors(mut config: Config) -> Config {
    /// For the store's files, the log and the runtime.
    const OWN: usize = 128;
    let wanted = u64::try_from(config.http.max_connections + OWN).unwrap_or(u64::MAX);
    let limit = rlimit::increase_nofile_limit(wanted).ok().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let room = limit.saturating_sub(OWN).max(1);
    if room < config.http.max_connections {
        warn!(
            limit,
            connections = room,
            "fewer open files are allowed than http.max_connections asks for; raise the limit (ulimit -n)"
        );
        config.http.max_connections = room;
    }
    // Strangers never take more than half of it.
    config.http.max_unauthenticated = config.http.max_unauthenticated.min((config.http.max_connections / 2).max(1));
    config
}

/// The live sockets, and where what they say of equity is kept.
fn hub_of(
    config: &Config,
    store: &Arc<dyn Store>,
    access: &Access,
    ears: Ears,
    (clock, ids): (Clock, &Arc<Ids>),
    metrics: &Metrics,
) -> (Hub, Equity) {
    let equity = Equity::new(Arc::clone(store), config.history.equity, clock, metrics.clone());
    let known = (access.clone(), equity.clone());
    (Hub::new(known, config.terminals.clone(), ears, clock, Arc::clone(ids), metrics.clone()), equity)
}

fn history_of(
    config: &Config,
    store: &Arc<dyn Store>,
    hub: &Hub,
    access: &Access,
    trading: &Trading,
    clocks: &Clocks,
    clock: Clock,
) -> History {
    History::new(history::Parts {
        store: Arc::clone(store),
        hub: hub.clone(),
        access: access.clone(),
        trading: trading.clone(),
        settings: config.trading.clone(),
        read_timeout: config.http.read_timeout,
        clocks: clocks.clone(),
        clock,
    })
}

fn feed_of(config: &Config, hub: &Hub, clocks: &Clocks, clock: Clock) -> Feed {
    Feed::new(feed::Parts {
        hub: hub.clone(),
        clocks: clocks.clone(),
        clock,
        settings: config.stream.clone(),
        read_timeout: config.http.read_timeout,
    })
}

async fn open_store(config: &Config, metrics: &Metrics) -> Result<Arc<dyn Store>, StartError> {
    let options = EmbeddedOptions {
        segment_bytes: config.store.segment_bytes,
        free_space_floor: config.store.free_space_floor_bytes,
        accept_loss: config.store.accept_loss,
        export_every: config.store.export_every,
        archive_days: config.store.archive_days,
        cache_capacity: config.store.state_cache_bytes,
        metrics: metrics.clone(),
        ..EmbeddedOptions::new(&config.data_dir)
    };
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(options)).await;
    match opened {
        Ok(store) => Ok(Arc::new(store?)),
        Err(_) => Err(StartError::Store(StoreError::Closed)),
    }
}

async fn open_bar_cache(config: &Config) -> (Arc<BarCache>, Clocks) {
    let (dir, capacity, servers) = (config.data_dir.join("cache"), config.store.bar_cache_bytes, config.servers.clone());
    let open = move || {
        let cache = Arc::new(BarCache::open(&dir, capacity));
        (Arc::clone(&cache), Clocks::open(servers, cache))
    };
    let fallback = open.clone();
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => opened,
        // Opening panicked: once more, here, which then starts an empty one.
        Err(_) => fallback(),
    }
}

fn listen(address: SocketAddr) -> Result<tokio::net::TcpListener, StartError> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restarted hub takes its port back at once; on Windows the option would let another process share it.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|source| StartError::Listen { address, source })
}
