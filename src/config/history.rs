//! What is kept of the past.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is kept of the past. Deals, orders and commands are kept as long as their account; this is what is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// Bars of equity are kept for so long; zero: none are, and those there were are removed.
    #[serde(with = "humantime_serde")]
    pub equity: Duration,
}

impl Default for History {
    fn default() -> Self {
        Self { equity: Duration::from_secs(90 * 86_400) }
    }
}
