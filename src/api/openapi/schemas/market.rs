//! Terminals, bars and ticks.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{OneOfBuilder, Ref, RefOr, Schema},
};

use super::{EquityResolution, Origin, UtcSource, one_of};
use crate::domain::{
    account::{Account, Platform},
    token::TokenState,
};

/// An account that a token is locked to, and its terminal. What follows `last_seen_at` is there while it is connected.
#[derive(ToSchema)]
pub(in crate::api) struct Terminal {
    /// Its token's id.
    id: String,
    name: String,
    #[schema(nullable = false)]
    account: Account,
    state: TokenState,
    /// Why the last session ended.
    last_disconnect: Option<String>,
    #[schema(format = DateTime)]
    last_seen_at: Option<String>,
    platform: Platform,
    build: u32,
    ea_version: String,
    company: String,
    currency: String,
    leverage: u32,
    trade_mode: u8,
    trade_mode_name: Option<String>,
    margin_mode: u8,
    margin_mode_name: Option<String>,
    capabilities: Capabilities,
    /// How many symbols it has.
    symbols: u32,
    session: Session,
    /// How far the broker's clock is from UTC, seconds.
    utc_offset_s: i64,
    utc_source: UtcSource,
    presence: Presence,
}

/// What can be asked of a terminal.
#[derive(ToSchema)]
pub(super) struct Capabilities {
    depth: bool,
    ticks: bool,
    stop_limit: bool,
    orders_check: bool,
    close_by: bool,
    netting: bool,
}

/// A live connection of a terminal.
#[derive(ToSchema)]
pub(super) struct Session {
    id: String,
    epoch: u64,
    /// The run of the Expert Advisor.
    instance: String,
    remote: String,
    #[schema(format = DateTime)]
    connected_at: String,
}

/// The layers between a bot and its broker, outermost first.
#[derive(ToSchema)]
pub(super) struct Presence {
    socket: Socket,
    ea_loop_ms: Layer<u64>,
    broker_link: Layer<bool>,
    broker_ping_ms: Layer<f64>,
    trade_allowed: Layer<bool>,
    terminal_trade_allowed: Layer<bool>,
    ea_trade_allowed: Layer<bool>,
    account_trade_allowed: Layer<bool>,
    latch: Layer<u64>,
    latch_reason: Layer<String>,
    /// `open`, `closed` or `unknown`.
    market: Layer<String>,
}

/// The connection.
#[derive(ToSchema)]
pub(super) struct Socket {
    /// `connected`, or `busy` while the Expert Advisor is inside `OrderSend`.
    value: String,
    /// Milliseconds since the terminal was last heard.
    age_ms: i64,
    /// Round trip of the last ping.
    rtt_ms: Option<f64>,
}

/// What is known of a layer, and how old that is.
#[derive(ToSchema)]
pub(super) struct Layer<T> {
    value: Option<T>,
    age_ms: Option<i64>,
}

/// What stands before the rows of bars.
#[derive(ToSchema)]
pub(in crate::api) struct Bars {
    symbol: String,
    #[schema(example = "H1")]
    timeframe: String,
    data: Vec<Bar>,
    next_cursor: Option<String>,
    /// When a terminal last spoke of these bars.
    #[schema(format = DateTime)]
    as_of: String,
    source: Origin,
    /// Whether these are all bars of what was asked for, up to the next page.
    complete: bool,
    /// The terminal is still fetching this history: ask again.
    loading: bool,
    /// The code of the error that ended the download early.
    interrupted: Option<String>,
    /// The terminal has nothing older than this answer.
    no_more_history: bool,
    #[schema(format = DateTime)]
    oldest_available: Option<String>,
    gaps: Vec<Gap>,
    /// Closed bars that were cached turned out to have changed.
    history_changed: bool,
    utc_source: UtcSource,
}

/// The same with `format=columns`.
#[derive(ToSchema)]
pub(in crate::api) struct BarsInColumns {
    symbol: String,
    timeframe: String,
    columns: BarColumns,
    next_cursor: Option<String>,
    #[schema(format = DateTime)]
    as_of: String,
    source: Origin,
    complete: bool,
    loading: bool,
    interrupted: Option<String>,
    no_more_history: bool,
    #[schema(format = DateTime)]
    oldest_available: Option<String>,
    gaps: Vec<Gap>,
    history_changed: bool,
    utc_source: UtcSource,
}

one_of! {
    /// Rows, or columns if they were asked for.
    BarsAnswer: Bars, BarsInColumns
}

/// A bar. Prices as the terminal told them.
#[derive(ToSchema)]
pub(super) struct Bar {
    /// Opening time.
    #[schema(format = DateTime)]
    time: String,
    time_msc: i64,
    broker_time: i64,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    tick_volume: i64,
    spread: i64,
    real_volume: i64,
    /// False for the one that is still forming.
    complete: bool,
}

/// Bars, a list for each column.
#[derive(ToSchema)]
pub(super) struct BarColumns {
    time: Vec<String>,
    time_msc: Vec<i64>,
    broker_time: Vec<i64>,
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    tick_volume: Vec<i64>,
    spread: Vec<i64>,
    real_volume: Vec<i64>,
    complete: Vec<bool>,
}

/// A stretch without bars.
#[derive(ToSchema)]
pub(super) struct Gap {
    #[schema(format = DateTime)]
    from: Option<String>,
    /// Not included.
    #[schema(format = DateTime)]
    to: Option<String>,
    /// `no_bars`: the terminal has none there. `not_fetched`: there may be some.
    kind: String,
}

/// Ticks, oldest first.
#[derive(ToSchema)]
pub(in crate::api) struct Ticks {
    symbol: String,
    data: Vec<TickRow>,
    next_cursor: Option<String>,
    #[schema(format = DateTime)]
    as_of: String,
    complete: bool,
    loading: bool,
    interrupted: Option<String>,
    no_more_history: bool,
    #[schema(format = DateTime)]
    oldest_available: Option<String>,
    utc_source: UtcSource,
}

/// The same with `format=columns`.
#[derive(ToSchema)]
pub(in crate::api) struct TicksInColumns {
    symbol: String,
    columns: TickColumns,
    next_cursor: Option<String>,
    #[schema(format = DateTime)]
    as_of: String,
    complete: bool,
    loading: bool,
    interrupted: Option<String>,
    no_more_history: bool,
    #[schema(format = DateTime)]
    oldest_available: Option<String>,
    utc_source: UtcSource,
}

one_of! {
    /// Rows, or columns if they were asked for.
    TicksAnswer: Ticks, TicksInColumns
}

/// A tick.
#[derive(ToSchema)]
pub(super) struct TickRow {
    #[schema(format = DateTime)]
    time: String,
    time_msc: i64,
    broker_time: i64,
    bid: f64,
    ask: f64,
    last: f64,
    volume: u64,
    volume_real: f64,
    /// `TICK_FLAG_*`.
    flags: u32,
}

/// Ticks, a list for each column.
#[derive(ToSchema)]
pub(super) struct TickColumns {
    time: Vec<String>,
    time_msc: Vec<i64>,
    broker_time: Vec<i64>,
    bid: Vec<f64>,
    ask: Vec<f64>,
    last: Vec<f64>,
    volume: Vec<u64>,
    volume_real: Vec<f64>,
    flags: Vec<u32>,
}

/// What the hub kept of an account's equity.
#[derive(ToSchema)]
pub(in crate::api) struct EquityAnswer {
    /// The token of its terminal.
    terminal: String,
    #[schema(inline)]
    resolution: EquityResolution,
    /// When the first bar that is kept begins, whatever was asked for; null while there is none.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Oldest first. A stretch in which nothing was known has no bar.
    data: Vec<EquityBar>,
    /// Pass it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
    /// When the hub answered.
    #[schema(format = DateTime)]
    as_of: String,
}

/// A stretch of an account's equity, in its currency.
#[derive(ToSchema)]
pub(super) struct EquityBar {
    /// When it begins, UTC by the hub's clock.
    #[schema(format = DateTime)]
    time: String,
    /// The same, UTC epoch milliseconds.
    time_msc: i64,
    /// Lowest equity that was heard.
    low: f64,
    /// Highest equity that was heard.
    high: f64,
    /// The last equity that was heard.
    equity: f64,
    /// The last balance that was heard.
    balance: f64,
}
