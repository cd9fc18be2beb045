//! One login of a person: from their password to its end.

use serde::{Deserialize, Serialize};

use super::{
    UnixMillis,
    ids::{LoginId, UserId},
};

/// A login as it is stored. Its secret, which the browser has in a cookie, is nowhere: only the keyed digest. The record goes when it ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Login {
    /// Its identifier, by which it is listed and ended.
    pub id: LoginId,
    /// Who logged in.
    pub user: UserId,
    /// HMAC-SHA-256 of the secret under the hub's pepper.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// When.
    pub created_at: UnixMillis,
    /// When it was used last, as of some minutes before a restart.
    pub seen_at: UnixMillis,
    /// From then on it is refused, however much it is used.
    pub expires_at: UnixMillis,
    /// From which address.
    pub from: String,
    /// What the browser says it is, cut to 200 characters.
    pub agent: String,
}
