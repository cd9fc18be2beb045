//! What the hub counts, for Prometheus. One registry a hub, passed to whoever counts, so that two hubs in one process do not mix.
//!
//! Whatever stands on the way of a request is a counter or histogram that its user holds; what can be looked up (tokens, sessions,
//! open commands) is a gauge that is set when somebody asks. `docs/operations.md` lists them; a test compares the two.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};

/// The type of the text that [`Metrics::text`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label with a value that the program knows at compile time: what callers send never becomes a label.
pub type Label = [(&'static str, &'static str); 1];
/// Counters by one label.
pub type Counters = Family<Label, Counter>;
/// Gauges by one label.
pub type Gauges = Family<Label, Gauge<i64, AtomicI64>>;
/// Histograms of seconds by one label.
pub type Timings = Family<Label, Histogram, fn() -> Histogram>;
/// Requests by method, route and class of status.
pub type Requests = Family<[(&'static str, &'static str); 3], Counter>;

/// Everything that is counted. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

/// See the texts in [`Metrics::new`], which are those that operators see.
#[derive(Debug)]
#[expect(missing_docs, reason = "each has its text where it is registered")]
pub struct Inner {
    registry: Registry,
    names: Vec<&'static str>,
    // Set when somebody asks.
    pub tokens: Gauges,
    pub sessions: Gauge,
    pub sessions_busy: Gauge,
    pub commands_open: Gauges,
    pub kill_switches: Gauge,
    pub store_degraded: Gauge,
    pub store_low_space: Gauge,
    pub stopping: Gauge,
    pub resident_bytes: Gauge,
    pub open_fds: Gauge,
    pub max_fds: Gauge,
    pub start_time: Gauge<f64, AtomicU64>,
    // Counted on the way.
    pub connections: Gauges,
    pub connections_refused: Counters,
    pub http_requests: Requests,
    pub http_seconds: Timings,
    pub auth_failures: Counters,
    pub throttled: Counters,
    pub plan_refused: Counters,
    pub terminal_ends: Counters,
    pub read_seconds: Timings,
    pub command_seconds: Timings,
    pub commands: Counters,
    pub commands_unknown: Counter,
    pub queries: Counter,
    pub incidents: Counters,
    pub mailbox_full: Counter,
    pub equity_writes: Counters,
    pub journal_sync_seconds: Histogram,
    pub journal_group: Histogram,
    pub certificate_reloads: Counters,
    pub events: Counters,
    pub stream_readers: Gauges,
    pub stream_frames_written: Counters,
    pub stream_ends: Counters,
    pub stream_gaps: Counter,
}

impl std::ops::Deref for Metrics {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

/// 25 µs to 13 s, doubling: a relay on loopback takes 50 µs, an order at a slow broker seconds.
fn seconds() -> Histogram {
    Histogram::new((0..20).map(|n| 25e-6 * f64::from(1 << n)))
}

/// Notes what is registered under which name.
#[derive(Default)]
struct Book {
    registry: Registry,
    names: Vec<&'static str>,
}

impl Book {
    /// `name` is without the `_total` of a counter, which the encoder adds.
    fn add<M: Metric + Clone>(&mut self, name: &'static str, help: &str, metric: M) -> M {
        self.registry.register(name, help, metric.clone());
        self.names.push(name);
        metric
    }

    fn counter(&mut self, name: &'static str, help: &str) -> Counter {
        self.add(name, help, Counter::default())
    }

    /// With every value of the label from the start: a rate needs a zero to begin with.
    fn counters(&mut self, name: &'static str, help: &str, label: &'static str, values: &[&'static str]) -> Counters {
        let family = self.add(name, help, Counters::default());
        values.iter().for_each(|value| drop(family.get_or_create(&[(label, *value)])));
        family
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> Gauge {
        self.add(name, help, Gauge::default())
    }

    fn gauges(&mut self, name: &'static str, help: &str) -> Gauges {
        self.add(name, help, Gauges::default())
    }

    fn timings(&mut self, name: &'static str, help: &str) -> Timings {
        self.add(name, help, Timings::new_with_constructor(seconds))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut b = Book::default();
        let build = b.gauges("mtbridge_build_info", "Which version runs");
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        let inner = Inner {
            tokens: b.gauges("mtbridge_tokens", "Connection tokens by state"),
            sessions: b.gauge("mtbridge_sessions", "Terminals connected"),
            sessions_busy: b.gauge("mtbridge_sessions_busy", "Terminals inside OrderSend, whose silence is expected"),
            commands_open: b.gauges("mtbridge_commands_open", "Trade commands without a final outcome, by state"),
            kill_switches: b.gauge("mtbridge_kill_switches", "Kill switches that are set, at any level"),
            store_degraded: b
                .gauge("mtbridge_store_degraded", "1 after a write or sync failed: nothing is recorded until a restart"),
            store_low_space: b
                .gauge("mtbridge_store_low_space", "1 while new commands are refused because the disk is nearly full"),
            stopping: b.gauge("mtbridge_stopping", "1 once the hub was asked to stop"),
            resident_bytes: b.gauge("process_resident_memory_bytes", "Memory in RAM"),
            open_fds: b.gauge("process_open_fds", "Open file descriptors"),
            max_fds: b.gauge("process_max_fds", "Largest number of open file descriptors"),
            start_time: b.add("process_start_time_seconds", "When the hub started, seconds since 1970", Gauge::default()),
            connections: b.gauges("mtbridge_connections", "Open connections: stranger until a valid key or token was shown"),
            connections_refused: b.counters(
                "mtbridge_connections_refused",
                "Connections and proxied requests turned away before they were read",
                "reason",
                &["limit", "plain", "tls"],
            ),
            http_requests: b.add("mtbridge_http_requests", "Answered requests", Requests::default()),
            http_seconds: b.timings("mtbridge_http_request_duration_seconds", "From a request's head to its answer's, by route"),
            auth_failures: b.counters(
                "mtbridge_auth_failures",
                "API keys and connection tokens that were not accepted",
                "reason",
                &AUTH_FAILURES,
            ),
            throttled: throttled(&mut b),
            plan_refused: plan_refused(&mut b),
            terminal_ends: b.add("mtbridge_terminal_ends", "Ended terminal connections by close code", Counters::default()),
            read_seconds: b.timings("mtbridge_read_duration_seconds", "Relayed reads by hop: queue, terminal, whole"),
            command_seconds: b.timings("mtbridge_command_duration_seconds", "Trade commands by hop: record, queue, whole"),
            commands: b.add("mtbridge_commands", "Trade commands by their final state", Counters::default()),
            commands_unknown: b.counter("mtbridge_commands_unknown", "Times that the outcome of a trade command became unknown"),
            queries: b.counter("mtbridge_queries", "Questions to terminals about trade commands"),
            incidents: b.counters(
                "mtbridge_incidents",
                "Incidents that people must look at",
                "kind",
                &["contradiction", "missing_ticket", "unknown_tag", "unresolved"],
            ),
            mailbox_full: b.counter("mtbridge_mailbox_full", "Messages refused because too many wait for a terminal"),
            equity_writes: b.counters(
                "mtbridge_equity_writes",
                "Batches of bars of equity by result; what failed is tried again",
                "result",
                &["ok", "failed"],
            ),
            journal_sync_seconds: b.add("mtbridge_journal_sync_seconds", "Writing and syncing one group of records", seconds()),
            journal_group: b.add(
                "mtbridge_journal_group_records",
                "Records that shared one sync",
                Histogram::new((0..10).map(|n| f64::from(1 << n))),
            ),
            certificate_reloads: b.counters(
                "mtbridge_certificate_reloads",
                "Changed certificate files by result",
                "result",
                &["ok", "failed"],
            ),
            events: b.add("mtbridge_events", "What happened, by kind", Counters::default()),
            stream_readers: b.gauges("mtbridge_stream_readers", "Open streams by transport"),
            stream_frames_written: b.counters(
                "mtbridge_stream_frames_written",
                "Frames put into words, by encoding; however many readers there are, each is once",
                "encoding",
                &["json", "msgpack", "sse"],
            ),
            stream_ends: b.add("mtbridge_stream_ends", "Ended streams by reason", Counters::default()),
            stream_gaps: b.counter("mtbridge_stream_gaps", "Readers that were told of a gap"),
            names: b.names,
            registry: b.registry,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The names under which something is registered.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.inner.names
    }

    /// Everything in the text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(32 * 1024);
        // Writing to a String does not fail.
        let _ = text::encode(&mut text, &self.inner.registry);
        text
    }

    /// Looks at the process itself; where the system does not say, the values stay 0.
    pub fn look_at_process(&self) {
        #[cfg(target_os = "linux")]
        {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let resident = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<i64>().ok());
            self.resident_bytes.set(resident.unwrap_or(0) * 1024);
            let fds = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
            self.open_fds.set(i64::try_from(fds).unwrap_or(i64::MAX));
        }
        #[cfg(unix)]
        {
            let limit = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(0, |(soft, _)| soft);
            self.max_fds.set(i64::try_from(limit).unwrap_or(i64::MAX));
        }
    }
}

fn throttled(book: &mut Book) -> Counters {
    let help = "Failed attempts refused because too many from their address had failed before";
    book.counters("mtbridge_throttled", help, "what", &["api", "login", "terminal", "revoke"])
}

fn plan_refused(book: &mut Book) -> Counters {
    let help = "Requests that an API key's plan did not let in";
    book.counters("mtbridge_plan_refused", help, "limit", &["rate", "concurrent"])
}

/// Why a credential was not accepted: which kind it is, and what is wrong with it.
const AUTH_FAILURES: [&str; 14] = [
    "ticket_unknown",
    "hook_unknown",
    "owner_disabled",
    "session_ended",
    "key_missing",
    "key_unknown",
    "key_revoked",
    "key_expired",
    "key_forbidden",
    "key_address",
    "token_missing",
    "token_unknown",
    "token_revoked",
    "token_expired",
];

/// Adds one to a counter of a family.
pub fn count(family: &Counters, label: &'static str, value: &'static str) {
    family.get_or_create(&[(label, value)]).inc();
}

/// Notes a duration under a hop or route.
pub fn time(family: &Timings, label: &'static str, value: &'static str, took: Duration) {
    family.get_or_create(&[(label, value)]).observe(took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_metric_that_was_touched_and_counters_begin_at_zero() {
        let metrics = Metrics::new();
        time(&metrics.read_seconds, "hop", "whole", Duration::from_micros(60));
        metrics.look_at_process();
        let text = metrics.text();
        assert!(text.contains("mtbridge_read_duration_seconds_bucket{le=\"0.0001\",hop=\"whole\"} 1"), "{text}");
        assert!(text.contains("mtbridge_auth_failures_total{reason=\"key_unknown\"} 0"), "{text}");
        assert!(text.contains(&format!("mtbridge_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn names_follow_the_conventions() {
        for name in Metrics::new().names() {
            assert!(name.starts_with("mtbridge_") || name.starts_with("process_"), "{name}");
            assert!(
                !name.ends_with("_total") && !name.ends_with("_ms"),
                "{name}: the encoder adds _total, and time is in seconds"
            );
        }
    }
}
