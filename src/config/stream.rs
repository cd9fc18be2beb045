//! Live data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Live data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stream {
    /// Between two reads of what a terminal does not push, while somebody follows it: positions, orders, account, depth; and prices of
    /// an Expert Advisor that cannot push them.
    #[serde(with = "humantime_serde")]
    pub read_every: Duration,
    /// Streams that one key, with those that came of it by rotation, may have open.
    pub max_per_key: usize,
    /// Things that one stream may follow.
    pub max_subscriptions: usize,
    /// Between two signs of life; a WebSocket of which nothing was heard for three of them is closed.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// A reader must take what is written to it in that time.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Origins of pages, beside the hub's own, that may open streams, as browsers send them: `https://app.example`.
    pub origins: Vec<String>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            read_every: Duration::from_secs(1),
            max_per_key: 20,
            max_subscriptions: 500,
            heartbeat: Duration::from_secs(15),
            write_timeout: Duration::from_secs(10),
            origins: Vec::new(),
        }
    }
}
