//! What is set on a tenant as a whole.

use serde::{Deserialize, Serialize};

use super::{api_key::Plan, ids::OwnerId};

/// A tenant of whom something is set; of all others there is no record, and they have the defaults.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tenant {
    /// Whose things they are.
    pub id: OwnerId,
    /// The largest plan that any of its keys has, whatever is written on the key.
    #[serde(default)]
    pub plan: Plan,
}
