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
}

impl Default for Stream {
    fn default() -> Self {
        Self { read_every: Duration::from_secs(1) }
    }
}
