//! Settings: defaults < file < environment < flags. Unknown keys are refused.
//!
//! `config/mtbridge.toml` shows every key with its default and its reason; a test compares the two.

mod guard;
mod history;
mod load;
mod plans;
mod sessions;
mod stream;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use guard::{Audit, Throttle};
pub use history::History;
use ipnet::IpNet;
pub use load::{ConfigError, Loaded, Source};
pub use plans::Plans;
use serde::{Deserialize, Serialize};
pub use sessions::Sessions;
pub use stream::Stream;

use crate::domain::{account::Account, limits::Limits};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the one listener; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where everything that survives a restart is kept.
    pub data_dir: PathBuf,
    /// Presets an admin key (`sk_live_…`, made by `mtbridge key generate`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_key: Option<String>,
    /// File with the same, for secret managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_key_file: Option<PathBuf>,
    /// File with the 32 random bytes (64 hexadecimal digits) under which secrets are hashed; default `secret.key` in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_file: Option<PathBuf>,
    /// Filter of the log on standard error, `info` or `mtbridge=debug,info`.
    pub log: String,
    /// `text` or `json`.
    pub log_format: LogFormat,
    /// The HTTP side.
    pub http: Http,
    /// Failed attempts to show a secret.
    pub throttle: Throttle,
    /// The record of changes and denials.
    pub audit: Audit,
    /// TLS of the listener.
    pub tls: Tls,
    /// Logins of people.
    pub sessions: Sessions,
    /// Plans of API keys.
    pub plans: Plans,
    /// The sockets of terminals.
    pub terminals: Terminals,
    /// Trade commands.
    pub trading: Trading,
    /// What is kept of the past.
    pub history: History,
    /// Live data.
    pub stream: Stream,
    /// What is sent to other programs.
    pub webhooks: Webhooks,
    /// What is on the disk.
    pub store: Store,
    /// Clocks of trade servers, by the server's name. Without an entry the hub works it out from what the terminal measures.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, ServerClock>,
    /// Limits of single accounts, by `number@server`, beside those of all and those of the key: the strictest counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub accounts: BTreeMap<String, Limits>,
}

/// Shape of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The HTTP side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// A request's head must be there in that time; an idle kept-alive connection ends after it too.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// A request's body must be there in that time.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// Largest request body, bytes.
    pub max_body_bytes: usize,
    /// Open connections, all together.
    pub max_connections: usize,
    /// Of these, connections that have not shown a valid key or token yet.
    pub max_unauthenticated: usize,
    /// The same for one address.
    pub max_unauthenticated_per_ip: usize,
    /// Relayed reads wait so long for a terminal.
    #[serde(with = "humantime_serde")]
    pub read_timeout: Duration,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
    /// Proxies whose word about a client's address counts, and who may speak plain HTTP from off loopback.
    pub trusted_proxies: Vec<IpNet>,
    /// Plain HTTP off loopback for everyone.
    pub allow_plain: bool,
}

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsAccess {
    /// Whoever has an admin key.
    Admin,
    /// Everyone who reaches the listener.
    Open,
    /// Nobody: there is no such address.
    Off,
}

/// TLS of the listener: both files or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate and its chain, PEM. Read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

impl Tls {
    /// Certificate and key, if TLS is on.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.cert_file.as_deref().zip(self.key_file.as_deref())
    }
}

/// The sockets of terminals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terminals {
    /// Hello must come in that time after the upgrade.
    #[serde(with = "humantime_serde")]
    pub hello_timeout: Duration,
    /// Between two pings.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// Silence after which a terminal is offline.
    #[serde(with = "humantime_serde")]
    pub dead_after: Duration,
    /// A terminal must take what is written to it in that time.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// How long a second connection waits for a sign of life of the first.
    #[serde(with = "humantime_serde")]
    pub probe_timeout: Duration,
    /// Messages that may wait for one terminal; more is answered `terminal_busy`.
    pub mailbox: usize,
    /// Largest control message, bytes.
    pub max_control_bytes: usize,
    /// Largest data message, bytes.
    pub max_data_bytes: usize,
    /// Read buffer of a socket, bytes. Large ones cost memory and time: the library clears them before each read.
    pub read_buffer_bytes: usize,
    /// Unsent bytes of one socket before it counts as stuck.
    pub max_write_buffer_bytes: usize,
}

/// Trade commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trading {
    /// Life of a market order that says nothing else.
    #[serde(with = "humantime_serde")]
    pub market_ttl: Duration,
    /// Life of a pending order's placing that says nothing else.
    #[serde(with = "humantime_serde")]
    pub pending_ttl: Duration,
    /// Added to a deadline before the outcome counts as unknown.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// Between two questions about an unknown outcome.
    #[serde(with = "humantime_serde")]
    pub requery: Duration,
    /// How long the cut of a revoked terminal waits for its word about commands that are under way.
    #[serde(with = "humantime_serde")]
    pub last_words: Duration,
    /// Longest life of one `OrderSend`.
    #[serde(with = "humantime_serde")]
    pub longest_send: Duration,
    /// Longest time a broker takes to show what it executed.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
    /// So long after a call for many positions, asking again goes on with what could not be begun.
    #[serde(with = "humantime_serde")]
    pub resume: Duration,
    /// An outcome unknown for so long is told to people.
    #[serde(with = "humantime_serde")]
    pub alert_after: Duration,
    /// Between two comparisons of commands and recorded history with what a terminal shows; zero turns them off.
    #[serde(with = "humantime_serde")]
    pub compare_every: Duration,
    /// What differs for less is not judged: a broker's history lags behind its answers.
    #[serde(with = "humantime_serde")]
    pub compare_settle: Duration,
    /// How far back an account's history is read when the hub meets it for the first time.
    #[serde(with = "humantime_serde")]
    pub history_reach: Duration,
    /// The same order again within that time needs `allow_duplicate`; 0 lets it through.
    #[serde(with = "humantime_serde")]
    pub duplicate_window: Duration,
    /// For tests only: waits so short that a wrong outcome can be recorded are taken.
    pub unsafe_short_waits: bool,
    /// Limits of every account.
    pub limits: Limits,
}

/// What is sent to other programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Private networks that webhooks may reach all the same.
    pub allow_private: Vec<IpNet>,
    /// Webhooks may be `http://`.
    pub allow_http: bool,
    /// A message must be taken in that time.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// A webhook that has taken nothing for so long is disabled.
    #[serde(with = "humantime_serde")]
    pub disable_after: Duration,
    /// The pauses before each further try; after the last one a message is a dead letter. No setting: what is promised of webhooks rests on it.
    #[serde(skip, default = "retries")]
    pub retries: Vec<Duration>,
}

/// Ten tries over a good three days.
fn retries() -> Vec<Duration> {
    [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(Duration::from_secs).to_vec()
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            allow_private: Vec::new(),
            allow_http: false,
            timeout: Duration::from_secs(15),
            disable_after: Duration::from_secs(5 * 86_400),
            retries: retries(),
        }
    }
}

/// What is on the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Size of a journal segment, bytes.
    pub segment_bytes: u64,
    /// Free space below which new commands, tokens and keys are refused, bytes.
    pub free_space_floor_bytes: u64,
    /// Cache of the state store, bytes; it uses about five times as much.
    pub state_cache_bytes: u64,
    /// Cache of the bar store, bytes.
    pub bar_cache_bytes: u64,
    /// Time between two exports of the state, after which older journal segments go to the archive; zero switches both off.
    #[serde(with = "humantime_serde")]
    pub export_every: Duration,
    /// Archived segments older than so many days are removed; 0 keeps them for good.
    pub archive_days: u32,
    /// Start although so many journal records are damaged. Never set it before a copy of the data folder is made.
    pub accept_loss: u64,
}

/// The clock of a trade server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerClock {
    /// Winter time minus UTC, seconds.
    pub utc_offset: i32,
    /// Whose summer time it follows.
    pub dst: Dst,
}

/// Whose summer time a trade server follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dst {
    /// New York's: most brokers, so that the week opens at midnight.
    Us,
    /// Europe's.
    Eu,
    /// Nobody's.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            data_dir: PathBuf::from("data"),
            admin_key: None,
            admin_key_file: None,
            secret_key_file: None,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            http: Http::default(),
            throttle: Throttle::default(),
            audit: Audit::default(),
            tls: Tls::default(),
            sessions: Sessions::default(),
            plans: Plans::default(),
            terminals: Terminals::default(),
            trading: Trading::default(),
            history: History::default(),
            stream: Stream::default(),
            webhooks: Webhooks::default(),
            store: Store::default(),
            servers: BTreeMap::new(),
            accounts: BTreeMap::new(),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(10),
            max_body_bytes: 65_536,
            max_connections: 19_000,
            max_unauthenticated: 2_048,
            max_unauthenticated_per_ip: 256,
            read_timeout: Duration::from_secs(10),
            metrics: MetricsAccess::Admin,
            trusted_proxies: Vec::new(),
            allow_plain: false,
        }
    }
}

impl Default for Terminals {
    fn default() -> Self {
        Self {
            hello_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(2),
            dead_after: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(1),
            mailbox: 256,
            max_control_bytes: 65_536,
            max_data_bytes: 4 << 20,
            read_buffer_bytes: 1_024,
            max_write_buffer_bytes: 262_144,
        }
    }
}

impl Default for Trading {
    fn default() -> Self {
        Self {
            market_ttl: Duration::from_secs(3),
            pending_ttl: Duration::from_secs(10),
            grace: Duration::from_secs(1),
            requery: Duration::from_secs(2),
            last_words: Duration::from_millis(100),
            longest_send: Duration::from_secs(60),
            settle: Duration::from_secs(180),
            resume: Duration::from_secs(120),
            alert_after: Duration::from_secs(900),
            compare_every: Duration::from_secs(60),
            compare_settle: Duration::from_secs(5),
            history_reach: Duration::from_secs(30 * 86_400),
            duplicate_window: Duration::from_secs(1),
            unsafe_short_waits: false,
            limits: Limits::default(),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            free_space_floor_bytes: 256 << 20,
            state_cache_bytes: 16 << 20,
            bar_cache_bytes: 16 << 20,
            export_every: Duration::from_secs(86_400),
            archive_days: 0,
            accept_loss: 0,
        }
    }
}

/// Values that types allow and that make no sense, alone or beside each other.
#[derive(Debug)]
struct Problem {
    /// The keys concerned, the one to change first.
    keys: Vec<String>,
    /// What would be right, to be read after the first key.
    detail: String,
}

impl Config {
    /// Reads defaults, then `file`, then `MTBRIDGE_*` (nested with `__`), then what flags gave.
    ///
    /// # Errors
    /// [`ConfigError`]: everything that is wrong, each with the file's line, the variable or the flag.
    pub fn load(file: Option<&Path>, flags: &impl Serialize) -> Result<Loaded, ConfigError> {
        load::load(file, flags)
    }

    /// Checks what types cannot.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut must = |right: bool, keys: &[&str], detail: &str| {
            if !right {
                let keys = keys.iter().map(|key| (*key).to_owned()).collect();
                problems.push(Problem { keys, detail: detail.to_owned() });
            }
        };
        let terminals = &self.terminals;
        must(terminals.heartbeat >= Duration::from_millis(100), &["terminals.heartbeat"], "must be at least 100ms");
        must(
            terminals.dead_after >= terminals.heartbeat * 2,
            &["terminals.dead_after", "terminals.heartbeat"],
            "must be at least twice terminals.heartbeat, or live terminals are cut",
        );
        must((1..=4096).contains(&terminals.mailbox), &["terminals.mailbox"], "must be 1 to 4096");
        must(terminals.read_buffer_bytes >= 256, &["terminals.read_buffer_bytes"], "must be at least 256");
        must(terminals.max_control_bytes >= 4096, &["terminals.max_control_bytes"], "must be at least 4096");
        must(
            terminals.max_data_bytes >= terminals.max_control_bytes,
            &["terminals.max_data_bytes", "terminals.max_control_bytes"],
            "must be at least terminals.max_control_bytes",
        );
        must(
            terminals.max_write_buffer_bytes >= 2 * terminals.max_control_bytes,
            &["terminals.max_write_buffer_bytes", "terminals.max_control_bytes"],
            "must be at least twice terminals.max_control_bytes",
        );
        self.sessions.problems(&mut must);
        must(self.throttle.longest_delay >= Duration::from_secs(60), &["throttle.longest_delay"], "must be at least 60s");
        must(!self.audit.denials_every.is_zero(), &["audit.denials_every"], "must be above 0");
        let timeout = self.webhooks.timeout;
        must(timeout >= Duration::from_secs(1) && timeout <= Duration::from_secs(60), &["webhooks.timeout"], "must be 1s to 60s");
        must(self.store.segment_bytes >= 1 << 20, &["store.segment_bytes"], "must be at least 1048576");
        for (ttl, key) in
            [(self.trading.market_ttl, &["trading.market_ttl"]), (self.trading.pending_ttl, &["trading.pending_ttl"])]
        {
            must(ttl <= Duration::from_secs(60), key, "must be at most 60s");
        }
        must(
            self.admin_key.is_none() || self.admin_key_file.is_none(),
            &["admin_key_file", "admin_key"],
            "and admin_key exclude each other: set one of them",
        );
        must(
            self.tls.cert_file.is_some() == self.tls.key_file.is_some(),
            &["tls.cert_file", "tls.key_file"],
            "and tls.key_file belong together: set both, or neither",
        );
        must(
            self.tls.files().is_some()
                || self.listen.ip().is_loopback()
                || self.http.allow_plain
                || !self.http.trusted_proxies.is_empty(),
            &["listen"],
            "is not on loopback, and keys and tokens would cross the network in clear: set tls.cert_file and tls.key_file; or name \
             the proxies that speak TLS in front of the hub in http.trusted_proxies; or set http.allow_plain = true if the network \
             itself is encrypted",
        );
        self.plans.problems(&mut problems);
        self.trading_problems(&mut problems);
        problems
    }
}

impl Config {
    fn trading_problems(&self, problems: &mut Vec<Problem>) {
        /// `OrderSend` blocks for so long when a broker's server is slow, and a deal may show up so much later.
        const LONGEST_SEND_MIN: Duration = Duration::from_secs(30);
        const SETTLE_MIN: Duration = Duration::from_secs(60);
        let mut wrong = |key: String, detail: String| problems.push(Problem { keys: vec![key], detail });
        let short = "would let a trade that runs be recorded as not executed; at least";
        let trading = &self.trading;
        if trading.settle < SETTLE_MIN && !trading.unsafe_short_waits {
            wrong("trading.settle".to_owned(), format!("{short} {}s", SETTLE_MIN.as_secs()));
        }
        if trading.longest_send < LONGEST_SEND_MIN && !trading.unsafe_short_waits {
            wrong("trading.longest_send".to_owned(), format!("{short} {}s", LONGEST_SEND_MIN.as_secs()));
        }
        if trading.duplicate_window > Duration::from_secs(60) {
            wrong("trading.duplicate_window".to_owned(), "must be at most 60s".to_owned());
        }
        for problem in trading.limits.problems() {
            wrong(format!("trading.limits.{}", problem.field), problem.detail.to_string());
        }
        for (name, limits) in &self.accounts {
            let account = name.split_once('@').and_then(|(login, server)| Account::new(login.parse().ok()?, server).ok());
            if account.is_none_or(|account| account.to_string() != *name) {
                wrong(format!("accounts.{name}"), "must be named by a number, @, and the trade server's name".to_owned());
            }
            for problem in limits.problems() {
                wrong(format!("accounts.{name}.{}", problem.field), problem.detail.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests;
