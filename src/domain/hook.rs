//! Hooks: addresses at which alerts of TradingView become commands, and what came to them.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    UnixMillis,
    ids::{AlertId, HookId, KeyId, OwnerId, TokenId},
    trade::FieldError,
};

/// The addresses that TradingView sends its alerts from, as it publishes them
/// (tradingview.com, "How to configure webhook alerts"). A hook's `ips` may name them all as `tradingview`.
pub const TRADINGVIEW: [&str; 4] = ["52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7"];

/// A hook as it is stored. Its secret is nowhere: only its keyed digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// Its identifier; stands in its address.
    pub id: HookId,
    /// Whose it is.
    pub owner: OwnerId,
    /// What a person calls it; may be empty.
    pub name: String,
    /// The token of the terminal that its alerts trade on; none means the only one there is. An account is not named here, so that nothing
    /// of it is left when it is deleted.
    pub terminal: Option<TokenId>,
    /// The API key that it acts under: its permissions, limits, kill switches and timers hold.
    pub key: KeyId,
    /// That key was made for the hook, and ends with it.
    pub own_key: bool,
    /// HMAC-SHA-256 of the secret under the hub's pepper.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// The first characters of the secret, enough to recognise it by.
    pub prefix: String,
    /// The secret before this one, which is good for a while after a rotation.
    #[serde(default)]
    pub previous: Option<Previous>,
    /// The shape of the alerts, where it is not the documented one: JSON or text with placeholders.
    #[serde(default)]
    pub template: Option<String>,
    /// What the alerts call a symbol (`OANDA:EURUSD`, or without the exchange), and what the broker calls it.
    #[serde(default)]
    pub symbol_map: BTreeMap<String, String>,
    /// Alerts are read and written down, and nothing is sent.
    #[serde(default)]
    pub dry_run: bool,
    /// Only from these networks; empty means from everywhere.
    #[serde(default)]
    pub ips: Vec<IpNet>,
    /// What holds for an alert that does not say.
    #[serde(default)]
    pub defaults: Defaults,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// A secret that was rotated away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// As [`Hook::digest`].
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// From then on it is refused.
    pub until: UnixMillis,
}

/// What holds for an alert that does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// Lots.
    pub volume: Option<f64>,
    /// Points that a market order may slip.
    pub deviation: Option<u64>,
    /// As orders say it: `fok`, `ioc`, `return`, …
    pub filling: Option<String>,
    /// The magic number of its orders, and of what it closes.
    pub magic: Option<u64>,
    /// Comment of its orders.
    pub comment: Option<String>,
    /// How long a command may wait, ms.
    pub ttl_ms: Option<u64>,
    /// How far the price may have moved from the alert's own, points.
    pub max_slippage_points: Option<u32>,
    /// An alert whose `timenow` is older is refused, seconds.
    pub max_age_s: u32,
    /// For so long an alert with the same text is the same alert, if nothing in it says which one it is, seconds.
    pub duplicate_window_s: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            volume: None,
            deviation: None,
            filling: None,
            magic: None,
            comment: None,
            ttl_ms: None,
            max_slippage_points: None,
            max_age_s: 60,
            duplicate_window_s: 60,
        }
    }
}

impl Defaults {
    /// What makes no sense whatever an alert says.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut found = Vec::new();
        let mut wrong = |field, detail: &str| found.push(FieldError { field, detail: detail.to_owned() });
        if self.volume.is_some_and(|volume| !volume.is_finite() || volume <= 0.0) {
            wrong("defaults/volume", "must be above zero");
        }
        if self.ttl_ms.is_some_and(|ms| !(1..=60_000).contains(&ms)) {
            wrong("defaults/ttl_ms", "must be 1 to 60000");
        }
        if !(1..=86_400).contains(&self.max_age_s) {
            wrong("defaults/max_age_s", "must be 1 to 86400");
        }
        if !(1..=86_400).contains(&self.duplicate_window_s) {
            wrong("defaults/duplicate_window_s", "must be 1 to 86400");
        }
        found
    }
}

/// One alert that came to a hook, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// Its identifier.
    pub id: AlertId,
    /// Where it came to.
    pub hook: HookId,
    /// When, by the hub's clock.
    pub at: UnixMillis,
    /// From which address.
    pub from: String,
    /// What it said.
    pub text: String,
    /// By which another one is the same; none if it could not be read.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// What became of it.
    pub outcome: Outcome,
}

/// By which two alerts are the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// A digest of what tells alerts apart.
    pub digest: [u8; 32],
    /// It is the same alert at any time; else only within the hook's window.
    pub for_good: bool,
}

/// What became of an alert.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `pending`, `sent`, `dry_run`, `refused` or `duplicate`.
    pub state: State,
    /// The code of a refusal.
    #[serde(default)]
    pub code: String,
    /// In words.
    #[serde(default)]
    pub detail: String,
    /// The commands that were made, by their ids.
    #[serde(default)]
    pub commands: Vec<String>,
    /// What is sent, or would be: a JSON object.
    #[serde(default)]
    pub plan: String,
    /// The alert that it repeats.
    #[serde(default)]
    pub repeats: Option<AlertId>,
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is written down, and is being carried out.
    #[default]
    Pending,
    /// Commands were made, or there was nothing to do.
    Sent,
    /// Nothing was sent, because the hook only tries.
    DryRun,
    /// Nothing was sent, or not all.
    Refused,
    /// It was here before.
    Duplicate,
}
