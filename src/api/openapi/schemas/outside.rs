//! The external API.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::{ExternalTimeframe, trading::CommandMaker};
use crate::domain::indicator::{Line, Point};

/// Bars of the external API.
#[derive(ToSchema)]
pub(in crate::api) struct ExternalBars {
    success: bool,
    symbol: String,
    timeframe: ExternalTimeframe,
    count: u32,
    bars: Vec<ExternalBar>,
    pagination: ExternalPage,
}

/// A bar of the external API.
#[derive(ToSchema)]
pub(super) struct ExternalBar {
    /// 0 is the oldest of the answer.
    bar_number: u32,
    /// Opening time, UTC epoch seconds.
    time: i64,
    #[schema(format = DateTime)]
    datetime_utc: Option<String>,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    /// Ticks.
    volume: i64,
}

/// Whether there are older bars, and before which time.
#[derive(ToSchema)]
pub(super) struct ExternalPage {
    has_more: bool,
    oldest_time: Option<i64>,
}

/// Symbols of the external API.
#[derive(ToSchema)]
pub(in crate::api) struct ExternalSymbols {
    success: bool,
    symbols: Vec<String>,
    timeframes: Vec<u32>,
    limits: ExternalLimits,
}

/// Limits of the external API.
#[derive(ToSchema)]
pub(super) struct ExternalLimits {
    max_bars_per_request: u32,
    rate_limit_per_hour: Option<u32>,
}

/// An indicator as a bot submits it. Fields that are not known are let pass.
#[derive(ToSchema)]
pub(in crate::api) struct SubmitIndicator {
    #[schema(min_length = 1, max_length = 64, example = "EURUSD")]
    symbol: String,
    timeframe: ExternalTimeframe,
    /// For people.
    #[schema(min_length = 1, max_length = 100)]
    indicator_name: String,
    /// The bot's own; `1.0` if left out.
    #[schema(max_length = 100)]
    version: Option<String>,
    #[schema(max_items = 2000)]
    points: Vec<Point>,
    #[schema(max_items = 500)]
    lines: Option<Vec<Line>>,
    /// The bot's own.
    metadata: Option<BTreeMap<String, Value>>,
}

/// What became of a submitted indicator.
#[derive(ToSchema)]
pub(in crate::api) struct IndicatorReceipt {
    success: bool,
    indicator_id: String,
    points_received: u32,
    lines_received: u32,
    symbol: String,
    timeframe: ExternalTimeframe,
    #[schema(format = DateTime)]
    expires_at: String,
    message: String,
}

/// An indicator as it was submitted.
#[derive(ToSchema)]
pub(in crate::api) struct Indicator {
    success: bool,
    indicator_id: String,
    indicator_name: String,
    by: CommandMaker,
    symbol: String,
    timeframe: ExternalTimeframe,
    version: String,
    /// Each with `bar_number`: which bar of the newest 5,000 opens at its time.
    points: Vec<Point>,
    lines: Vec<Line>,
    metadata: BTreeMap<String, Value>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// The indicators of a key, or of all keys of a user.
#[derive(ToSchema)]
pub(in crate::api) struct Indicators {
    success: bool,
    count: u32,
    /// With `with=points`: how many came without them, because the answer has enough.
    without_points: Option<u32>,
    indicators: Vec<IndicatorHead>,
}

/// What `with` may ask for.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its name is used")]
pub(in crate::api) enum IndicatorPart {
    Points,
}

/// An indicator in a list.
#[derive(ToSchema)]
pub(super) struct IndicatorHead {
    indicator_id: String,
    indicator_name: String,
    by: CommandMaker,
    symbol: String,
    timeframe: ExternalTimeframe,
    points_count: u32,
    lines_count: u32,
    /// With `with=points`; null where it came without them.
    points: Option<Vec<Point>>,
    /// With `with=points`; null where it came without points.
    lines: Option<Vec<Line>>,
    /// With its points.
    version: Option<String>,
    /// With its points.
    metadata: Option<BTreeMap<String, Value>>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// That it is gone.
#[derive(ToSchema)]
pub(in crate::api) struct IndicatorGone {
    success: bool,
    message: String,
}
