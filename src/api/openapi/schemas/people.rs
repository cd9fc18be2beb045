//! Users, logins, the audit, and what is shown once.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{OneOfBuilder, Ref, RefOr, Schema},
};

use super::{AuditOutcomeName, RoleName, one_of};
use crate::domain::api_key::{Permission, Plan};

/// Whether a hub has no user yet.
#[derive(ToSchema)]
pub(in crate::api) struct SetupNeeded {
    /// True while no user exists: the one-time code of the hub's start makes the first.
    needed: bool,
}

/// A user.
#[derive(ToSchema)]
pub(in crate::api) struct User {
    id: String,
    login: String,
    name: String,
    role: RoleName,
    /// Whose things they reach.
    tenant: String,
    /// Whether they run the hub.
    operator: bool,
    /// `invited` (no password yet), `active` or `disabled`.
    state: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    password_set_at: Option<String>,
    /// When a one-time code that was not used yet ends.
    #[schema(format = DateTime)]
    setup_expires_at: Option<String>,
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
    /// The one-time code: in the answer that makes it, and nowhere else.
    setup_code: String,
}

/// Whoever shares nothing with others, and how much there is of theirs.
#[derive(ToSchema)]
pub(in crate::api) struct Tenant {
    id: String,
    /// Whether it is the hub's own, of whoever runs it.
    own: bool,
    /// Whose it is; null for the hub's own while it has no user.
    owner: Option<User>,
    /// The largest plan of its keys.
    plan: Plan,
    /// Users, viewers too.
    users: u64,
    /// Valid API keys.
    keys: u64,
    /// Valid connection tokens.
    tokens: u64,
}

/// Who calls, and what they may.
#[derive(ToSchema)]
#[schema(as = CallerSession)]
pub(in crate::api) struct Session {
    /// Who is logged in; null for a key.
    user: Option<User>,
    /// The id of the key; null for a user.
    key: Option<String>,
    tenant: String,
    /// Whether they run the hub.
    operator: bool,
    permissions: Vec<Permission>,
    session: Option<LoginTimes>,
    csrf: Option<Csrf>,
}

/// When a login ends.
#[derive(ToSchema)]
pub(super) struct LoginTimes {
    id: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// If it is not used before.
    #[schema(format = DateTime)]
    idle_expires_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    /// Until then the password need not be given again.
    #[schema(format = DateTime)]
    confirmed_until: Option<String>,
}

/// What a change by the cookie must bring.
#[derive(ToSchema)]
pub(super) struct Csrf {
    content_type: String,
    /// `same`: `Origin` or `Sec-Fetch-Site` must say that it comes from this hub's own pages.
    origin: String,
}

/// A login of the caller.
#[derive(ToSchema)]
pub(in crate::api) struct Login {
    id: String,
    /// Whether this call came by it.
    current: bool,
    /// The address.
    from: String,
    /// `User-Agent`.
    agent: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_seen_at: String,
    #[schema(format = DateTime)]
    idle_expires_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Who changed what, or was not let.
#[derive(ToSchema)]
#[schema(as = AuditRecord)]
pub(in crate::api) struct AuditRow {
    id: String,
    /// The journal's number of the write that it came with.
    seq: u64,
    /// When; of several counted together, the last.
    #[schema(format = DateTime)]
    at: String,
    /// The first of several.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// How many there were of the same.
    count: u64,
    /// The key or user, `hub`, or nobody that is known.
    actor: String,
    /// The address; of IPv6 and several counted together, its /64.
    from: Option<String>,
    request_id: Option<String>,
    #[schema(example = "token.create")]
    action: String,
    /// What it was done to.
    target: String,
    outcome: AuditOutcomeName,
    /// In words.
    detail: String,
    #[schema(format = DateTime)]
    recorded_at: String,
}

/// What the check of the history found.
#[derive(ToSchema)]
pub(in crate::api) struct AuditCheck {
    /// Whether nothing was changed, removed or added.
    whole: bool,
    /// The last record and the chain after it: note it elsewhere, and give it as `expect` later.
    head: String,
    first: u64,
    last: u64,
    /// Exports that fit the chain.
    exports: u64,
    audit_records: u64,
    #[schema(format = DateTime)]
    audit_from: Option<String>,
    #[schema(format = DateTime)]
    audit_to: Option<String>,
    /// The file that is not whole.
    file: Option<String>,
    /// Where in it.
    offset: u64,
    /// What is wrong.
    detail: String,
}

/// A secret that was shown, and is over.
#[derive(ToSchema)]
pub(in crate::api) struct RevokedCredential {
    /// `token` or `key`.
    kind: String,
    id: String,
    prefix: String,
    /// `revoked`; `unknown` for what is no secret of this hub.
    state: String,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

/// The same of several.
#[derive(ToSchema)]
pub(in crate::api) struct RevokedCredentials {
    data: Vec<RevokedCredential>,
}

one_of! {
    /// One for `secret`, a list for `secrets`.
    Revoked: RevokedCredential, RevokedCredentials
}

/// A pass for one stream.
#[derive(ToSchema)]
pub(in crate::api) struct Ticket {
    ticket: String,
    expires_in_s: u64,
    #[schema(format = DateTime)]
    expires_at: String,
}
