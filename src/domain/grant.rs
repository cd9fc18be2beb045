//! What a plan grants.

use serde::{Deserialize, Serialize};

/// How much may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// Requests that can be saved up, and that come back in an hour, evenly.
    pub requests_per_hour: u32,
    /// Requests that may be under way at once.
    pub concurrent: u32,
}

/// InnovaTrading's published plan of this name.
pub const FREE: Grant = Grant { requests_per_hour: 100, concurrent: 5 };
/// InnovaTrading's published plan of this name.
pub const PRO: Grant = Grant { requests_per_hour: 1_000, concurrent: 20 };
/// What calls that need `trade:reduce` draw on, beside every plan that limits.
pub const RESERVE: Grant = Grant { requests_per_hour: 1_200, concurrent: 20 };

impl Default for Grant {
    /// That of `enterprise` where nothing else is set.
    fn default() -> Self {
        Self { requests_per_hour: 10_000, concurrent: 100 }
    }
}
