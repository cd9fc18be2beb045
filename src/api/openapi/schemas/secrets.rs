//! Tokens and keys.

use utoipa::ToSchema;

use crate::domain::{account::Account, api_key::Permission, limits::Limits, token::TokenState};

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
    /// The secret: in the answer that makes it, and nowhere else.
    key: String,
}
