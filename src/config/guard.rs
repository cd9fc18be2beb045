//! Settings of what stands against those who are not let in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Failed attempts to show a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Throttle {
    /// So many from one address (IPv6: one /64) a minute are answered as what they are; 0 turns it off.
    pub failures_per_minute: u32,
    /// Those above are refused for a minute, then two, then four, up to this.
    #[serde(with = "humantime_serde")]
    pub longest_delay: Duration,
}

/// The record of changes and denials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Denials of strangers are counted for so long and then written.
    #[serde(with = "humantime_serde")]
    pub denials_every: Duration,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { failures_per_minute: 10, longest_delay: Duration::from_secs(900) }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { denials_every: Duration::from_secs(60) }
    }
}
