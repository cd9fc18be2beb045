//! Tokens and keys.

use utoipa::ToSchema;

use super::link::LastRefusal;
use crate::domain::{
    account::Account,
    api_key::{Permission, Plan},
    limits::Limits,
    token::TokenState,
};

/// A connection token.
#[derive(ToSchema)]
pub(in crate::api) struct Token {
    id: String,
    name: String,
    /// The first characters of the secret.
    prefix: String,
    state: TokenState,
    account: Option<Account>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    warning: Option<ExpiryWarning>,
    #[schema(format = DateTime)]
    locked_at: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    /// The token that took over by rotation.
    successor: Option<String>,
    #[schema(format = DateTime)]
    connected_at: Option<String>,
    #[schema(format = DateTime)]
    last_seen_at: Option<String>,
    last_disconnect: Option<String>,
    last_refusal: Option<LastRefusal>,
    rtt_ms: Option<f64>,
    /// The secret: in the answer that makes it, and nowhere else.
    token: String,
}

/// That a token ends soon.
#[derive(ToSchema)]
pub(super) struct ExpiryWarning {
    code: String,
    days_left: i64,
    message: String,
}

/// An API key.
#[derive(ToSchema)]
pub(in crate::api) struct Key {
    id: String,
    name: String,
    /// The first characters of the secret.
    prefix: String,
    /// `active`, `revoked` or `expired`.
    state: String,
    /// Whether it sees demo terminals only.
    test: bool,
    permissions: Vec<Permission>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    successor: Option<String>,
    /// The first key of which this one came by rotation, or itself.
    line: String,
    limits: Limits,
    plan: Plan,
    /// The plan in force: its own, or its tenant's largest where that is smaller.
    effective_plan: Plan,
    /// Symbols that it may read and trade; null for all.
    symbols: Option<Vec<String>>,
    /// Accounts that exist for it; null for all.
    accounts: Option<Vec<String>>,
    /// Networks from which it may be presented; null for any.
    ips: Option<Vec<String>>,
    /// The terminal that is meant where a call names none.
    default_terminal: Option<String>,
    /// The minute of the last request under it.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// From where that came.
    last_used_from: Option<String>,
    usage: KeyUsage,
    /// The secret: in the answer that makes it, and nowhere else.
    key: String,
}

/// What was asked under a key.
#[derive(ToSchema)]
pub(super) struct KeyUsage {
    /// Requests, all in all.
    requests: u64,
    /// Of these, those that plan, permission or scope refused.
    refused: u64,
    /// Refused in the last 24 hours.
    refused_24h: u64,
    /// Of these, those that were one too many: 429.
    limited_24h: u64,
    /// Requests an hour under the plan in force, for the key's whole line; null: no limit.
    limit: Option<u64>,
    /// Requests that have not come back yet; null: no limit.
    used: Option<u64>,
    /// Requests that could be made at once now; null: no limit.
    left: Option<u64>,
    /// When all have come back, if nothing is asked until then; null: they have, or there is no limit.
    #[schema(format = DateTime)]
    resets_at: Option<String>,
    /// Requests under way that count against `running_limit`.
    running: u64,
    /// Requests that may be under way at once; null: no limit.
    running_limit: Option<u64>,
    /// Requests under way beside the plan: what closes or cancels, timers, switches.
    running_beside: u64,
    /// The last 24 hours, oldest first: of one key only.
    hours: Vec<KeyHour>,
}

/// Requests of one hour.
#[derive(ToSchema)]
pub(super) struct KeyHour {
    #[schema(format = DateTime)]
    from: String,
    requests: u64,
    refused: u64,
    /// Of the refused, those that were one too many: 429.
    limited: u64,
}
