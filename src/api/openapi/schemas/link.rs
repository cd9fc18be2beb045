//! The way to a terminal.

use utoipa::ToSchema;

use crate::domain::account::{Account, Platform};

/// How long each hop to a terminal took.
#[derive(ToSchema)]
pub(in crate::api) struct Latency {
    /// Its token's id.
    terminal: String,
    #[schema(format = DateTime)]
    as_of: String,
    window_s: u32,
    /// Where the stretch really begins: at `since`, or up to an hour before the window.
    #[schema(format = DateTime)]
    from: String,
    /// The hub's start: what was before is not known.
    #[schema(format = DateTime)]
    since: String,
    hops: Vec<LatencyHop>,
}

/// One hop. Its figures are null while there is no sample.
#[derive(ToSchema)]
pub(super) struct LatencyHop {
    /// `hub`, `ea`, `broker`, `command_ack` or `command_broker`.
    hop: String,
    /// Samples.
    count: u64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
    /// From the smallest to the largest that there were, none in between left out.
    histogram: Vec<LatencyRow>,
}

/// How many took at most so long, and longer than the row before.
#[derive(ToSchema)]
pub(super) struct LatencyRow {
    le_ms: f64,
    count: u64,
}

/// Who came with a token, went, and was refused.
#[derive(ToSchema)]
pub(in crate::api) struct Link {
    token: String,
    #[schema(format = DateTime)]
    as_of: String,
    /// The hub's start: what was before is not known.
    #[schema(format = DateTime)]
    since: String,
    /// Sessions of the last 24 hours that were not the first one since the hub's start.
    reconnects_24h: u64,
    last_refusal: Option<LastRefusal>,
    /// Newest first.
    events: Vec<LinkEvent>,
}

/// The newest refusal of a token since the hub's start.
#[derive(ToSchema)]
pub(super) struct LastRefusal {
    #[schema(format = DateTime)]
    at: String,
    /// How often the same was refused.
    count: u32,
    /// As of the events of its link.
    code: String,
    message: String,
    /// The account that was tried, if it was told.
    account: Option<Account>,
    from: String,
}

/// Something that happened to a link.
#[derive(ToSchema)]
pub(super) struct LinkEvent {
    /// `connected`, `disconnected` or `refused`.
    kind: String,
    /// The last time, if `count` is above 1.
    #[schema(format = DateTime)]
    at: String,
    #[schema(format = DateTime)]
    first_at: String,
    /// How often the same was refused.
    count: u32,
    /// Why it ended or was refused: the hub's reasons in `terminal-protocol.md`, or `gone`.
    code: Option<String>,
    close_code: Option<u16>,
    message: Option<String>,
    /// The address it came from.
    from: String,
    /// What the terminal said of itself, this and the next three, if it did.
    account: Option<Account>,
    platform: Option<Platform>,
    build: Option<u32>,
    ea_version: Option<String>,
    /// Of `disconnected`: how long the session lasted, seconds.
    lasted_s: Option<u64>,
}
