//! What the hub asks of a terminal without trading: each message, and the body of its reply.

use serde::{Deserialize, Serialize};

use super::codec::Row;
use crate::domain::trade::TradeRequest;

/// Body of the reply: [`crate::domain::account::AccountInfo`] as one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetAccount {
    /// Number of the call.
    pub call: u64,
}

/// Body of the reply: rows of [`crate::domain::market::SymbolSpec`], by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetSymbols {
    /// Number of the call.
    pub call: u64,
    /// MetaTrader's mask: comma-separated, `*` at the ends, `!` excludes; empty means all.
    pub group: String,
    /// Skip so many.
    pub offset: u32,
    /// At most so many.
    pub limit: u32,
}

/// Body of the reply: one [`crate::domain::market::SymbolSpec`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetSymbol {
    /// Number of the call.
    pub call: u64,
    /// Name.
    pub symbol: String,
}

/// Body of the reply: rows of [`Quote`]; symbols that do not exist are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetQuotes {
    /// Number of the call.
    pub call: u64,
    /// Names.
    pub symbols: Vec<String>,
}

/// A row of the reply to [`GetQuotes`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Quote {
    /// Name.
    pub symbol: String,
    /// The newest tick.
    pub tick: Row<crate::domain::market::Tick>,
}

/// Body of the reply: one [`BarsBody`] (parts are joined first).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetBars {
    /// Number of the call.
    pub call: u64,
    /// Name.
    pub symbol: String,
    /// MetaTrader 5's number of the timeframe.
    pub timeframe: u16,
    /// [`bars_mode`].
    pub mode: u8,
    /// `POSITION`: first bar, 0 the forming one. `RANGE`: earliest opening time (broker time, epoch seconds).
    pub from: i64,
    /// `RANGE` and `ENDING_AT`: latest opening time, inclusive.
    pub to: i64,
    /// At most so many; with `RANGE` the oldest are kept, otherwise the newest.
    pub count: u32,
}

/// Values of [`GetBars::mode`].
pub mod bars_mode {
    /// By position back from the forming bar.
    pub const POSITION: u8 = 0;
    /// By opening time, both ends included.
    pub const RANGE: u8 = 1;
    /// The last ones that open at or before a time.
    pub const ENDING_AT: u8 = 2;
}

/// Body of the reply to [`GetBars`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BarsBody {
    /// Opening time of the bar that is still forming (broker time): bars before it are closed. 0 if none is.
    pub forming_open: i64,
    /// Opening time of the oldest bar that the terminal can get; 0 if not known.
    pub oldest: i64,
    /// Packed `MqlRates`, oldest first.
    #[serde(with = "serde_bytes")]
    pub rates: Vec<u8>,
}

/// Body of the reply: rows of [`crate::domain::trade::Position`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetPositions {
    /// Number of the call.
    pub call: u64,
    /// Only this symbol; empty means all.
    pub symbol: String,
    /// Only this ticket; 0 means all.
    pub ticket: u64,
}

/// Body of the reply: rows of [`crate::domain::trade::Deal`], oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetDeals {
    /// Number of the call.
    pub call: u64,
    /// Earliest time, broker time, epoch seconds.
    pub from: i64,
    /// Latest time, inclusive.
    pub to: i64,
    /// Only this position; 0 means all.
    pub position: u64,
    /// Only deals of this order or this deal itself; 0 means all.
    pub ticket: u64,
    /// Skip so many.
    pub offset: u32,
    /// At most so many.
    pub limit: u32,
}

/// Body of the reply: one [`TicksBody`] (parts are joined first).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetTicks {
    /// Number of the call.
    pub call: u64,
    /// Name.
    pub symbol: String,
    /// [`ticks_mode`].
    pub mode: u8,
    /// Earliest time, broker time, epoch milliseconds.
    pub from: i64,
    /// `RANGE`: latest time, inclusive.
    pub to: i64,
    /// At most so many, the oldest.
    pub count: u32,
    /// Which ticks, bits: 1 bid or ask changed, 2 last or volume changed.
    pub flags: u8,
}

/// Values of [`GetTicks::mode`].
pub mod ticks_mode {
    /// The first ones at or after a time.
    pub const FROM: u8 = 0;
    /// Both ends included.
    pub const RANGE: u8 = 1;
}

/// Body of the reply to [`GetTicks`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TicksBody {
    /// Time of the oldest tick that the terminal can get, broker time, epoch milliseconds; 0 if not known.
    pub oldest: i64,
    /// Packed `MqlTick`, oldest first.
    #[serde(with = "serde_bytes")]
    pub ticks: Vec<u8>,
}

/// Body of the reply: rows of [`crate::domain::trade::Order`], the pending orders that stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetOrders {
    /// Number of the call.
    pub call: u64,
    /// Only this symbol; empty means all.
    pub symbol: String,
    /// Only this ticket; 0 means all.
    pub ticket: u64,
}

/// Body of the reply: rows of [`crate::domain::trade::Order`], filled, cancelled or expired, by their end, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetHistoryOrders {
    /// Number of the call.
    pub call: u64,
    /// Earliest end, broker time, epoch seconds.
    pub from: i64,
    /// Latest end, inclusive.
    pub to: i64,
    /// Only orders of this position; 0 means all.
    pub position: u64,
    /// Only this order; 0 means all.
    pub ticket: u64,
    /// Skip so many.
    pub offset: u32,
    /// At most so many.
    pub limit: u32,
}

/// Body of the reply: rows of [`crate::domain::market::BookLevel`], best prices in the middle: sells from high to low, then buys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetDepth {
    /// Number of the call.
    pub call: u64,
    /// Name.
    pub symbol: String,
}

/// Shows a symbol in the terminal's Market Watch, or hides it. The reply has no body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectSymbol {
    /// Number of the call.
    pub call: u64,
    /// Name.
    pub symbol: String,
    /// Show or hide.
    pub on: bool,
}

/// What would the broker say? (`OrderCheck`; nothing is sent to it.) Body of the reply: one [`crate::domain::trade::OrderCheck`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckOrder {
    /// Number of the call.
    pub call: u64,
    /// The request.
    pub request: Row<TradeRequest>,
}

/// `OrderCalcMargin`. Body of the reply: one [`Amount`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalcMargin {
    /// Number of the call.
    pub call: u64,
    /// `ORDER_TYPE_*`.
    pub kind: u8,
    /// Name.
    pub symbol: String,
    /// Lots.
    pub volume: f64,
    /// Opening price; 0 is the current one.
    pub price: f64,
}

/// `OrderCalcProfit`. Body of the reply: one [`Amount`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalcProfit {
    /// Number of the call.
    pub call: u64,
    /// `ORDER_TYPE_BUY` or `ORDER_TYPE_SELL`.
    pub kind: u8,
    /// Name.
    pub symbol: String,
    /// Lots.
    pub volume: f64,
    /// Opening price.
    pub price_open: f64,
    /// Closing price.
    pub price_close: f64,
}

/// Money of the account's currency.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Amount {
    /// How much.
    pub value: f64,
}

/// When may this symbol be traded? Body of the reply: one [`TradeSessions`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetSession {
    /// Number of the call.
    pub call: u64,
    /// Name.
    pub symbol: String,
}

/// The week of a symbol (`SymbolInfoSessionTrade`), broker time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TradeSessions {
    /// Every span in which it is traded.
    pub sessions: Vec<Row<TradeSession>>,
    /// Time of the newest tick, epoch milliseconds.
    pub last_tick_msc: i64,
}

/// One span of a [`TradeSessions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TradeSession {
    /// 0 Sunday … 6 Saturday.
    pub day: u8,
    /// Seconds of the day at which it begins.
    pub from_s: u32,
    /// Seconds of the day at which it ends, exclusive; 86,400 is midnight.
    pub to_s: u32,
}
