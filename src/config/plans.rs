//! What plans grant, where that can be set.

use serde::{Deserialize, Serialize};

use super::Problem;
use crate::domain::grant::Grant;

/// Plans of API keys. Those that are not here are as they are published; which of them a tenant may have is no setting but a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plans {
    /// The plan `enterprise`.
    pub enterprise: Grant,
}

impl Plans {
    pub(super) fn problems(&self, problems: &mut Vec<Problem>) {
        for (key, value, most) in [
            ("requests_per_hour", self.enterprise.requests_per_hour, 10_000_000),
            ("concurrent", self.enterprise.concurrent, 10_000),
        ] {
            if !(1..=most).contains(&value) {
                let detail = format!("must be 1 to {most}; the plan unlimited has no limit");
                problems.push(Problem { keys: vec![format!("plans.enterprise.{key}")], detail });
            }
        }
    }
}
