//! Webhooks: addresses that the hub sends events to.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    UnixMillis,
    ids::{OwnerId, TokenId, WebhookId},
};

/// A webhook as it is stored, sealed: its address and its secrets are nobody else's business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its identifier.
    pub id: WebhookId,
    /// Whose it is: only their events go there.
    pub owner: OwnerId,
    /// What a person calls it; may be empty.
    pub name: String,
    /// Where events go.
    pub url: String,
    /// Which ones: `deal`, `command.executed`, `command.*`, or `*` for all.
    pub events: Vec<String>,
    /// Only those of this terminal's account; none means all, also those of no account.
    pub terminal: Option<TokenId>,
    /// What its messages are signed with: the present secret, and for a while after a rotation the one before it.
    pub secrets: Vec<Signing>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Nothing is sent any more, until a person says otherwise.
    #[serde(default)]
    pub disabled: Option<Disabled>,
}

/// A secret to sign with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    /// The key of the HMAC.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// Until when it signs; none means until it is rotated away.
    pub until: Option<UnixMillis>,
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing(… until {:?})", self.until)
    }
}

/// Why nothing is sent to a webhook any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Since when.
    pub at: UnixMillis,
    /// In words.
    pub reason: String,
}

impl Webhook {
    /// Whether it asks for events of this kind.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.events.iter().any(|wanted| {
            let family = wanted
                .strip_suffix(".*")
                .is_some_and(|family| kind.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
            wanted == "*" || wanted == kind || family
        })
    }
}

/// How far a webhook has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Every event up to here was delivered, or is parked with its retries.
    pub cursor: u64,
    /// Nothing has been taken since.
    pub failing_since: Option<UnixMillis>,
}

/// An event that was not taken at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The event's place.
    pub seq: u64,
    /// Its kind.
    pub kind: String,
    /// Tries that failed.
    pub attempts: u32,
    /// When it is tried again.
    pub next_at: UnixMillis,
    /// It is not tried any more by itself.
    pub dead: bool,
    /// What the last try came to.
    pub last: String,
    /// When it failed, or was asked for again, first.
    pub since: UnixMillis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_wants_single_kinds_families_or_all() {
        let of = |events: &[&str], kind: &str| {
            let events = events.iter().map(|event| (*event).to_owned()).collect();
            let webhook = Webhook {
                id: WebhookId::from_bytes([0; 16]),
                owner: OwnerId::SELF,
                name: String::new(),
                url: String::new(),
                events,
                terminal: None,
                secrets: Vec::new(),
                created_at: UnixMillis(0),
                disabled: None,
            };
            webhook.wants(kind)
        };
        assert!(of(&["*"], "deal") && of(&["deal"], "deal") && of(&["command.*"], "command.executed") && of(&["deal.*"], "deal"));
        assert!(!of(&["deal"], "order") && !of(&["command.*"], "commands.x") && !of(&["command"], "command.executed"));
    }

    #[test]
    fn a_secret_is_in_no_debug_output() {
        assert!(!format!("{:?}", Signing { key: b"secret".to_vec(), until: None }).contains("115"));
    }
}
