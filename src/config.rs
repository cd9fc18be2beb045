//! Settings: defaults < file < environment < flags. Unknown keys are refused.
//!
//! `config/mtbridge.toml` shows every key with its default and its reason; a test compares the two.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

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
    /// The sockets of terminals.
    pub terminals: Terminals,
    /// Trade commands.
    pub trading: Trading,
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
    /// Longest life of one `OrderSend`.
    #[serde(with = "humantime_serde")]
    pub longest_send: Duration,
    /// Longest time a broker takes to show what it executed.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
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
            terminals: Terminals::default(),
            trading: Trading::default(),
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
            longest_send: Duration::from_secs(60),
            settle: Duration::from_secs(180),
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
            accept_loss: 0,
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file, variable or flag holds what it must not; the text names the key and where it stands.
    #[error("{0}")]
    Read(Box<figment::Error>),
    /// A key's value makes no sense, alone or beside another.
    #[error("setting `{key}`: {detail}")]
    Invalid {
        /// The key, with dots.
        key: &'static str,
        /// What would be right.
        detail: String,
    },
}

impl Config {
    /// Reads defaults, then `file`, then `MTBRIDGE_*` (nested with `__`), then what flags gave.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key.
    pub fn load(file: Option<&Path>, flags: &impl Serialize) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        // Only the keys of this table: MTBRIDGE_URL, _API_KEY, _TOKEN and _CONFIG are for the command line.
        let environment = Env::prefixed("MTBRIDGE_").ignore(&["url", "api_key", "token", "config"]).split("__");
        let config: Self = figment
            .merge(environment)
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| ConfigError::Read(Box::new(error)))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first setting that makes no sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |key, detail: &str| Err(ConfigError::Invalid { key, detail: detail.to_owned() });
        let terminals = &self.terminals;
        if terminals.heartbeat < Duration::from_millis(100) {
            return invalid("terminals.heartbeat", "must be at least 100ms");
        }
        if terminals.dead_after < terminals.heartbeat * 2 {
            return invalid("terminals.dead_after", "must be at least twice terminals.heartbeat, or live terminals are cut");
        }
        if terminals.mailbox == 0 || terminals.mailbox > 4096 {
            return invalid("terminals.mailbox", "must be 1 to 4096");
        }
        if terminals.read_buffer_bytes < 256 {
            return invalid("terminals.read_buffer_bytes", "must be at least 256");
        }
        if terminals.max_control_bytes < 4096 || terminals.max_data_bytes < terminals.max_control_bytes {
            return invalid("terminals.max_data_bytes", "must be at least terminals.max_control_bytes, and that at least 4096");
        }
        if terminals.max_write_buffer_bytes < 2 * terminals.max_control_bytes {
            return invalid("terminals.max_write_buffer_bytes", "must be at least twice terminals.max_control_bytes");
        }
        if self.store.segment_bytes < 1 << 20 {
            return invalid("store.segment_bytes", "must be at least 1048576");
        }
        if self.trading.market_ttl > Duration::from_secs(60) || self.trading.pending_ttl > Duration::from_secs(60) {
            return invalid("trading.market_ttl", "trading.market_ttl and trading.pending_ttl must be at most 60s");
        }
        self.validate_trading()?;
        if self.admin_key.is_some() && self.admin_key_file.is_some() {
            return invalid("admin_key_file", "set admin_key or admin_key_file, not both");
        }
        Ok(())
    }
}

impl Config {
    fn validate_trading(&self) -> Result<(), ConfigError> {
        /// `OrderSend` blocks for so long when a broker's server is slow, and a deal may show up so much later.
        const LONGEST_SEND_MIN: Duration = Duration::from_secs(30);
        const SETTLE_MIN: Duration = Duration::from_secs(60);
        let invalid = |key, detail: String| Err(ConfigError::Invalid { key, detail });
        let short = "would let a trade that runs be recorded as not executed; at least";
        let trading = &self.trading;
        if trading.settle < SETTLE_MIN && !trading.unsafe_short_waits {
            return invalid("trading.settle", format!("{short} {}s", SETTLE_MIN.as_secs()));
        }
        if trading.longest_send < LONGEST_SEND_MIN && !trading.unsafe_short_waits {
            return invalid("trading.longest_send", format!("{short} {}s", LONGEST_SEND_MIN.as_secs()));
        }
        if trading.duplicate_window > Duration::from_secs(60) {
            return invalid("trading.duplicate_window", "must be at most 60s".to_owned());
        }
        if let Some(problem) = trading.limits.problems().first() {
            return invalid("trading.limits", format!("{} {}", problem.field, problem.detail));
        }
        for (name, limits) in &self.accounts {
            let account = name.split_once('@').and_then(|(login, server)| Account::new(login.parse().ok()?, server).ok());
            if account.is_none_or(|account| account.to_string() != *name) {
                return invalid("accounts", format!("`{name}` must be a number, @, and the trade server's name"));
            }
            if let Some(problem) = limits.problems().first() {
                return invalid("accounts", format!("\"{name}\": {} {}", problem.field, problem.detail));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct NoFlags {}

    fn load_text(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hub.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file), &NoFlags {})
    }

    #[test]
    fn the_commented_file_says_exactly_the_defaults() {
        let text = include_str!("../config/mtbridge.toml");
        let uncommented: String = text
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");
        let written: toml_value::Table = toml_value::parse(&uncommented);
        let defaults = toml_value::of(&Config::default());
        assert_eq!(toml_value::keys(&written), toml_value::keys(&defaults));
        let mut config = load_text(text).unwrap();
        config.servers.clear();
        assert_eq!(config, Config::default());
    }

    /// Key paths of a file and of the defaults, so that neither has one that the other lacks.
    mod toml_value {
        use std::collections::BTreeSet;

        pub(super) type Table = figment::value::Dict;

        pub(super) fn parse(text: &str) -> Table {
            use figment::providers::Format;
            figment::Figment::from(figment::providers::Toml::string(text)).extract().unwrap()
        }

        pub(super) fn of(config: &super::Config) -> Table {
            figment::Figment::from(figment::providers::Serialized::defaults(config)).extract().unwrap()
        }

        pub(super) fn keys(table: &Table) -> BTreeSet<String> {
            let optional = ["admin_key", "admin_key_file", "secret_key_file", "servers", "accounts"];
            let mut found = BTreeSet::new();
            for (key, value) in table.iter().filter(|(key, _)| !optional.contains(&key.as_str())) {
                match value.as_dict() {
                    Some(inner) => found.extend(inner.keys().map(|name| format!("{key}.{name}"))),
                    None => drop(found.insert(key.clone())),
                }
            }
            found
        }
    }

    #[test]
    fn a_wrong_key_is_refused_by_name() {
        let error = load_text("[terminals]\nheartbeet = \"2s\"\n").unwrap_err().to_string();
        assert!(error.contains("heartbeet"), "{error}");
        let error = load_text("[terminals]\nheartbeat = \"soon\"\n").unwrap_err().to_string();
        assert!(error.contains("terminals.heartbeat"), "{error}");
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let error = load_text("[terminals]\nheartbeat = \"10s\"\n").unwrap_err().to_string();
        assert!(error.contains("dead_after"), "{error}");
    }

    #[test]
    fn waits_that_could_record_a_running_trade_as_not_executed_are_refused() {
        let error = load_text("[trading]\nsettle = \"1s\"\n").unwrap_err().to_string();
        assert!(error.contains("trading.settle"), "{error}");
        let error = load_text("[trading]\nlongest_send = \"1s\"\n").unwrap_err().to_string();
        assert!(error.contains("trading.longest_send"), "{error}");
        assert!(load_text("[trading]\nsettle = \"1s\"\nunsafe_short_waits = true\n").is_ok());
    }

    #[test]
    fn limits_of_accounts_are_read_by_number_and_server() {
        let config = load_text("[accounts.\"1001@Demo-Server\"]\nmax_order_volume = 2.5\n").unwrap();
        assert_eq!(config.accounts["1001@Demo-Server"].max_order_volume, Some(2.5));
        for wrong in [
            "[accounts.\"1001\"]\nsymbols = []\n",
            "[trading.limits]\nmax_daily_loss = -1.0\n",
            "[trading.limits]\nmax_lots = 1\n",
        ] {
            assert!(load_text(wrong).is_err(), "{wrong}");
        }
    }
}
