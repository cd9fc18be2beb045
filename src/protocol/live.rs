//! Live data: what somebody wants to follow, and what the terminal tells of it by itself.

use serde::{Deserialize, Serialize};

use super::codec::Row;
use crate::domain::market::Tick;

/// All that is wanted now, in place of what was wanted before: the terminal pushes the newest of each at once, and then each change. Without
/// any, it pushes nothing. Nothing is wanted at the beginning of a session.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscribe {
    /// Symbols whose newest tick is wanted, each once; at most 256.
    pub quotes: Vec<String>,
    /// Series whose newest bars are wanted, each once; at most 256.
    pub bars: Vec<Row<Series>>,
}

/// One series of bars.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// Name.
    pub symbol: String,
    /// MetaTrader 5's number of the timeframe.
    pub timeframe: u16,
}

/// The newest ticks of symbols that are wanted and have changed. Not acknowledged, not repeated: the next one says it anew.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PushQuotes {
    /// A symbol once.
    pub quotes: Vec<Row<LiveQuote>>,
}

/// A row of [`PushQuotes`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveQuote {
    /// Name.
    pub symbol: String,
    /// [`super::message::reply_status`]: `OK`, or why there will be no tick.
    pub status: u8,
    /// The newest tick.
    pub tick: Row<Tick>,
}

/// The newest bars of series that are wanted and have changed. Not acknowledged, not repeated: the next one says it anew.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PushBars {
    /// A series once.
    pub bars: Vec<Row<LiveSeries>>,
}

/// A row of [`PushBars`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveSeries {
    /// Name.
    pub symbol: String,
    /// MetaTrader 5's number of the timeframe.
    pub timeframe: u16,
    /// [`super::message::reply_status`]: `OK`, or why there will be no bar.
    pub status: u8,
    /// Packed `MqlRates`, oldest first: the bar that was closed last, if there is one, and the forming one.
    #[serde(with = "serde_bytes")]
    pub rates: Vec<u8>,
}
