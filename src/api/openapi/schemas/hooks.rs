//! Hooks and webhooks.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::AlertState;
use crate::domain::hook::Defaults;

/// An address at which alerts of TradingView become commands.
#[derive(ToSchema)]
pub(in crate::api) struct Hook {
    id: String,
    name: String,
    #[schema(example = "tradingview")]
    kind: String,
    /// The first characters of the secret.
    prefix: String,
    /// A token's id, or `-` for the only one there is.
    terminal: String,
    /// The key that it acts under.
    key: String,
    /// Whether that key was made for it, and ends with it.
    own_key: bool,
    template: Option<String>,
    symbol_map: BTreeMap<String, String>,
    /// Alerts are read and written down, and nothing is sent.
    dry_run: bool,
    /// Networks that it takes alerts from; all if there are none.
    ips: Vec<String>,
    defaults: Defaults,
    /// How long the address before the last rotation is good.
    #[schema(format = DateTime)]
    previous_until: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// Its address: in the answer that makes it, and nowhere else.
    url: String,
    /// The same without the host.
    path: String,
}

/// An alert that came, and what became of it.
#[derive(ToSchema)]
pub(in crate::api) struct ReceivedAlert {
    alert: String,
    #[schema(format = DateTime)]
    at: String,
    /// From which address.
    from: String,
    /// What it said.
    text: String,
    state: AlertState,
    /// The code of a refusal.
    code: Option<String>,
    /// Why.
    detail: Option<String>,
    /// What is sent, or would be.
    #[schema(value_type = Option<Object>)]
    plan: Value,
    /// Ids of the commands that were made.
    commands: Vec<String>,
    /// The alert that it repeats.
    repeats: Option<String>,
}

/// What became of an alert so far.
#[derive(ToSchema)]
pub(in crate::api) struct AlertReceipt {
    alert: String,
    state: AlertState,
    /// Ids of the commands that were made.
    commands: Vec<String>,
    /// What is sent, or would be.
    #[schema(value_type = Option<Object>)]
    plan: Value,
    /// The same alert was here before; this is what became of it then.
    duplicate: bool,
}

/// An address that the hub sends events to.
#[derive(ToSchema)]
pub(in crate::api) struct Webhook {
    id: String,
    name: String,
    url: String,
    events: Vec<String>,
    /// Only those of this terminal's account; all if null.
    terminal: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    enabled: bool,
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
    disabled_reason: Option<String>,
    /// Nothing has been taken since.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// Every event up to here was delivered, or waits.
    cursor: u64,
    /// Events that are tried again.
    waiting: u64,
    /// Events that are not tried any more by themselves.
    dead: u64,
    /// What its messages are signed with: in the answer that makes it, and nowhere else.
    secret: String,
}

/// What came of sending `webhook.test`.
#[derive(ToSchema)]
pub(in crate::api) struct WebhookTest {
    delivered: bool,
    response_status: Option<u16>,
    detail: Option<String>,
}

/// An event that was not taken yet.
#[derive(ToSchema)]
pub(in crate::api) struct Delivery {
    /// `webhook-id` of its message.
    message: String,
    /// The event's place.
    seq: u64,
    /// Its kind.
    r#type: String,
    /// `waiting` or `dead`.
    state: String,
    attempts: u32,
    /// When it is tried again.
    #[schema(format = DateTime)]
    next_at: Option<String>,
    last_error: String,
    #[schema(format = DateTime)]
    since: String,
}

/// How many events are sent again.
#[derive(ToSchema)]
pub(in crate::api) struct Replayed {
    replayed: u64,
}
