//! Prices: bars, ticks, timeframes and what a symbol is. All times in here are the broker's wall clock as epoch seconds,
//! as MetaTrader gives them; [`crate::market::broker_time`] turns them into UTC.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account::Platform;

/// One bar, as `MqlRates`: 60 bytes packed. Prices in the symbol's quote currency, spread in points.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Bar {
    /// Opening time, broker time, epoch seconds.
    pub time: i64,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Number of price changes.
    pub tick_volume: i64,
    /// Spread in points.
    pub spread: i32,
    /// Traded volume; 0 where the broker does not tell.
    pub real_volume: i64,
}

/// Why a block of packed records is no bars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBars {
    /// The length is no multiple of the record's size.
    #[error("{0} bytes are no whole number of 60-byte records")]
    Length(usize),
    /// A price is NaN or infinite, or the high is below the low.
    #[error("bar {0} has a price that is not a number, or a high below its low")]
    Price(usize),
    /// Bars must come oldest first, each opening time once, and none from outside the calendar.
    #[error("bar {0} does not open after the one before it, or not between 1970 and 9999")]
    Order(usize),
}

/// The end of the year 9999, epoch seconds.
const END_OF_TIME: i64 = 253_402_300_799;

impl Bar {
    /// Size of a packed record, `sizeof(MqlRates)`.
    pub const SIZE: usize = 60;

    /// Appends the packed little-endian record (MQL5 reference, `MqlRates`).
    pub fn pack_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.time.to_le_bytes());
        for price in [self.open, self.high, self.low, self.close] {
            out.extend_from_slice(&price.to_le_bytes());
        }
        out.extend_from_slice(&self.tick_volume.to_le_bytes());
        out.extend_from_slice(&self.spread.to_le_bytes());
        out.extend_from_slice(&self.real_volume.to_le_bytes());
    }

    /// Reads packed records, oldest first. The length is never trusted, nor a price, nor the order.
    ///
    /// # Errors
    /// [`BadBars`] names the first record that is wrong.
    pub fn unpack_all(bytes: &[u8]) -> Result<Vec<Self>, BadBars> {
        let (records, rest) = bytes.as_chunks::<{ Self::SIZE }>();
        if !rest.is_empty() {
            return Err(BadBars::Length(bytes.len()));
        }
        let mut bars: Vec<Self> = Vec::with_capacity(records.len());
        for (at, record) in records.iter().enumerate() {
            let bar = Self::unpack(record);
            let finite = [bar.open, bar.high, bar.low, bar.close].iter().all(|p| p.is_finite());
            if !finite || bar.high < bar.low {
                return Err(BadBars::Price(at));
            }
            if !(0..=END_OF_TIME).contains(&bar.time) || bars.last().is_some_and(|last| last.time >= bar.time) {
                return Err(BadBars::Order(at));
            }
            bars.push(bar);
        }
        Ok(bars)
    }

    fn unpack(record: &[u8; Self::SIZE]) -> Self {
        let eight = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&record[at..at + 8]);
            bytes
        };
        let mut spread = [0; 4];
        spread.copy_from_slice(&record[48..52]);
        Self {
            time: i64::from_le_bytes(eight(0)),
            open: f64::from_le_bytes(eight(8)),
            high: f64::from_le_bytes(eight(16)),
            low: f64::from_le_bytes(eight(24)),
            close: f64::from_le_bytes(eight(32)),
            tick_volume: i64::from_le_bytes(eight(40)),
            spread: i32::from_le_bytes(spread),
            real_volume: i64::from_le_bytes(eight(52)),
        }
    }
}

/// A quote, as `MqlTick`: the eight fields of MetaQuotes' Python package.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Tick {
    /// Broker time, epoch seconds.
    pub time: i64,
    /// Best bid.
    pub bid: f64,
    /// Best ask.
    pub ask: f64,
    /// Last deal's price; 0 where there is none.
    pub last: f64,
    /// Last deal's volume, whole lots.
    pub volume: u64,
    /// Broker time, epoch milliseconds.
    pub time_msc: i64,
    /// `TICK_FLAG_*` bits.
    pub flags: u32,
    /// Last deal's volume with fractions.
    pub volume_real: f64,
}

/// Why a block of packed records is no ticks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTicks {
    /// The length is no multiple of the record's size.
    #[error("{0} bytes are no whole number of 60-byte records")]
    Length(usize),
    /// A price or volume is NaN or infinite.
    #[error("tick {0} has a price or volume that is not a number")]
    Number(usize),
    /// Ticks must come oldest first, several of one millisecond in their order, and none from outside the calendar.
    #[error("tick {0} is older than the one before it, or not between 1970 and 9999")]
    Order(usize),
}

impl Tick {
    /// Size of a packed record, `sizeof(MqlTick)`.
    pub const SIZE: usize = 60;

    /// Appends the packed little-endian record (MQL5 reference, `MqlTick`).
    pub fn pack_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.time.to_le_bytes());
        for price in [self.bid, self.ask, self.last] {
            out.extend_from_slice(&price.to_le_bytes());
        }
        out.extend_from_slice(&self.volume.to_le_bytes());
        out.extend_from_slice(&self.time_msc.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.volume_real.to_le_bytes());
    }

    /// Reads packed records, oldest first. The length is never trusted, nor a number, nor the order.
    ///
    /// # Errors
    /// [`BadTicks`] names the first record that is wrong.
    pub fn unpack_all(bytes: &[u8]) -> Result<Vec<Self>, BadTicks> {
        let (records, rest) = bytes.as_chunks::<{ Self::SIZE }>();
        if !rest.is_empty() {
            return Err(BadTicks::Length(bytes.len()));
        }
        let mut ticks: Vec<Self> = Vec::with_capacity(records.len());
        for (at, record) in records.iter().enumerate() {
            let tick = Self::unpack(record);
            if ![tick.bid, tick.ask, tick.last, tick.volume_real].iter().all(|number| number.is_finite()) {
                return Err(BadTicks::Number(at));
            }
            let calendar = 0..=END_OF_TIME * 1000 + 999;
            if !calendar.contains(&tick.time_msc) || ticks.last().is_some_and(|last| last.time_msc > tick.time_msc) {
                return Err(BadTicks::Order(at));
            }
            ticks.push(tick);
        }
        Ok(ticks)
    }

    fn unpack(record: &[u8; Self::SIZE]) -> Self {
        let eight = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&record[at..at + 8]);
            bytes
        };
        let mut flags = [0; 4];
        flags.copy_from_slice(&record[48..52]);
        Self {
            time: i64::from_le_bytes(eight(0)),
            bid: f64::from_le_bytes(eight(8)),
            ask: f64::from_le_bytes(eight(16)),
            last: f64::from_le_bytes(eight(24)),
            volume: u64::from_le_bytes(eight(32)),
            time_msc: i64::from_le_bytes(eight(40)),
            flags: u32::from_le_bytes(flags),
            volume_real: f64::from_le_bytes(eight(52)),
        }
    }
}

/// One level of the depth of market, as `MqlBookInfo`.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BookLevel {
    /// `BOOK_TYPE_*`: 1 sell, 2 buy, 3 sell by market, 4 buy by market.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Price.
    pub price: f64,
    /// Whole lots.
    pub volume: u64,
    /// Lots with fractions.
    pub volume_real: f64,
}

/// The 21 timeframes of MetaTrader 5, by its own numbers (`ENUM_TIMEFRAMES`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Timeframe(u16);

/// Name, MetaTrader 5's number, minutes.
const TIMEFRAMES: [(&str, u16, u32); 21] = [
    ("M1", 1, 1),
    ("M2", 2, 2),
    ("M3", 3, 3),
    ("M4", 4, 4),
    ("M5", 5, 5),
    ("M6", 6, 6),
    ("M10", 10, 10),
    ("M12", 12, 12),
    ("M15", 15, 15),
    ("M20", 20, 20),
    ("M30", 30, 30),
    ("H1", 16385, 60),
    ("H2", 16386, 120),
    ("H3", 16387, 180),
    ("H4", 16388, 240),
    ("H6", 16390, 360),
    ("H8", 16392, 480),
    ("H12", 16396, 720),
    ("D1", 16408, 1440),
    ("W1", 32769, 10080),
    ("MN1", 49153, 43200),
];

/// A timeframe that MetaTrader does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no timeframe: use M1 M2 M3 M4 M5 M6 M10 M12 M15 M20 M30 H1 H2 H3 H4 H6 H8 H12 D1 W1 MN1, 1m 1h 1d 1w 1mn, minutes, or MetaTrader 5's number"
)]
pub struct UnknownTimeframe(String);

impl Timeframe {
    /// One minute.
    pub const M1: Self = Self(1);

    /// All of them, shortest first.
    pub fn all() -> impl Iterator<Item = Self> {
        TIMEFRAMES.iter().map(|(_, number, _)| Self(*number))
    }

    /// Whether a platform keeps bars of it: MetaTrader 5 of all, MetaTrader 4 of nine (MQL4 reference, "Chart Timeframes").
    #[must_use]
    pub fn is_on(self, platform: Platform) -> bool {
        platform == Platform::Mt5 || matches!(self.name(), "M1" | "M5" | "M15" | "M30" | "H1" | "H4" | "D1" | "W1" | "MN1")
    }

    /// MetaTrader 5's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    fn row(self) -> &'static (&'static str, u16, u32) {
        TIMEFRAMES.iter().find(|row| row.1 == self.0).unwrap_or(&TIMEFRAMES[0])
    }

    /// `M1` … `MN1`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Nominal length in minutes; a month counts 30 days.
    #[must_use]
    pub fn minutes(self) -> u32 {
        self.row().2
    }

    /// The opening time of the bar that holds `time` (both broker time, epoch seconds). Weeks open on Sunday, months on the 1st.
    #[must_use]
    pub fn open_of(self, time: i64) -> i64 {
        const DAY: i64 = 86_400;
        match self.name() {
            // 1970-01-01 was a Thursday: the Sunday before it is day -4.
            "W1" => (time.div_euclid(DAY) + 4).div_euclid(7) * 7 * DAY - 4 * DAY,
            "MN1" => {
                let day = jiff::Timestamp::from_second(time).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date();
                let first = day.first_of_month().to_zoned(jiff::tz::TimeZone::UTC);
                first.map_or(time, |first| first.timestamp().as_second())
            }
            _ => {
                let length = i64::from(self.minutes()) * 60;
                time.div_euclid(length) * length
            }
        }
    }

    /// The opening time of the bar after the one that opens at `open`.
    #[must_use]
    pub fn next_open(self, open: i64) -> i64 {
        if self.name() == "MN1" { self.open_of(open + 32 * 86_400) } else { open + i64::from(self.minutes()) * 60 }
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Timeframe {
    type Err = UnknownTimeframe;

    /// `M1`, `1m`, minutes (`60`) or MetaTrader 5's number (`16385`). Numbers up to 43200 that are minutes are taken as minutes.
    fn from_str(text: &str) -> Result<Self, UnknownTimeframe> {
        let unknown = || UnknownTimeframe(text.chars().take(20).collect());
        if let Some(row) = TIMEFRAMES.iter().find(|row| row.0.eq_ignore_ascii_case(text)) {
            return Ok(Self(row.1));
        }
        if let Ok(number) = text.parse::<u32>() {
            let row = TIMEFRAMES
                .iter()
                .find(|row| row.2 == number)
                .or_else(|| TIMEFRAMES.iter().find(|row| u32::from(row.1) == number));
            return row.map(|row| Self(row.1)).ok_or_else(unknown);
        }
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(unknown)?;
        let (count, unit) = text.split_at(split);
        let minutes = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 1440,
            "w" => 10_080,
            "mn" | "mo" => 43_200,
            _ => return Err(unknown()),
        };
        let total = count.parse::<u32>().ok().and_then(|n| n.checked_mul(minutes)).ok_or_else(unknown)?;
        TIMEFRAMES.iter().find(|row| row.2 == total).map(|row| Self(row.1)).ok_or_else(unknown)
    }
}

impl TryFrom<u16> for Timeframe {
    type Error = UnknownTimeframe;
    fn try_from(number: u16) -> Result<Self, UnknownTimeframe> {
        TIMEFRAMES.iter().any(|row| row.1 == number).then_some(Self(number)).ok_or_else(|| UnknownTimeframe(number.to_string()))
    }
}

impl From<Timeframe> for u16 {
    fn from(timeframe: Timeframe) -> Self {
        timeframe.0
    }
}

/// `SymbolInfo` as MetaQuotes' Python package has it: 96 fields in that order. Bits and enums by MetaTrader's numbers.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are ENUM_SYMBOL_INFO_* of the MQL5 reference, by name")]
pub struct SymbolSpec {
    pub custom: bool,
    pub chart_mode: u8,
    pub select: bool,
    pub visible: bool,
    pub session_deals: u64,
    pub session_buy_orders: u64,
    pub session_sell_orders: u64,
    pub volume: u64,
    pub volumehigh: u64,
    pub volumelow: u64,
    pub time: i64,
    pub digits: u8,
    pub spread: i32,
    pub spread_float: bool,
    pub ticks_bookdepth: u32,
    pub trade_calc_mode: u8,
    pub trade_mode: u8,
    pub start_time: i64,
    pub expiration_time: i64,
    pub trade_stops_level: i32,
    pub trade_freeze_level: i32,
    pub trade_exemode: u8,
    pub swap_mode: u8,
    pub swap_rollover3days: u8,
    pub margin_hedged_use_leg: bool,
    pub expiration_mode: u8,
    pub filling_mode: u8,
    pub order_mode: u8,
    pub order_gtc_mode: u8,
    pub option_mode: u8,
    pub option_right: u8,
    pub bid: f64,
    pub bidhigh: f64,
    pub bidlow: f64,
    pub ask: f64,
    pub askhigh: f64,
    pub asklow: f64,
    pub last: f64,
    pub lasthigh: f64,
    pub lastlow: f64,
    pub volume_real: f64,
    pub volumehigh_real: f64,
    pub volumelow_real: f64,
    pub option_strike: f64,
    pub point: f64,
    pub trade_tick_value: f64,
    pub trade_tick_value_profit: f64,
    pub trade_tick_value_loss: f64,
    pub trade_tick_size: f64,
    pub trade_contract_size: f64,
    pub trade_accrued_interest: f64,
    pub trade_face_value: f64,
    pub trade_liquidity_rate: f64,
    pub volume_min: f64,
    pub volume_max: f64,
    pub volume_step: f64,
    pub volume_limit: f64,
    pub swap_long: f64,
    pub swap_short: f64,
    pub margin_initial: f64,
    pub margin_maintenance: f64,
    pub session_volume: f64,
    pub session_turnover: f64,
    pub session_interest: f64,
    pub session_buy_orders_volume: f64,
    pub session_sell_orders_volume: f64,
    pub session_open: f64,
    pub session_close: f64,
    pub session_aw: f64,
    pub session_price_settlement: f64,
    pub session_price_limit_min: f64,
    pub session_price_limit_max: f64,
    pub margin_hedged: f64,
    pub price_change: f64,
    pub price_volatility: f64,
    pub price_theoretical: f64,
    pub price_greeks_delta: f64,
    pub price_greeks_theta: f64,
    pub price_greeks_gamma: f64,
    pub price_greeks_vega: f64,
    pub price_greeks_rho: f64,
    pub price_greeks_omega: f64,
    pub price_sensitivity: f64,
    pub basis: String,
    pub category: String,
    pub currency_base: String,
    pub currency_profit: String,
    pub currency_margin: String,
    pub bank: String,
    pub description: String,
    pub exchange: String,
    pub formula: String,
    pub isin: String,
    pub name: String,
    pub page: String,
    pub path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_timeframe_means_the_same() {
        for text in ["H1", "h1", "1h", "60", "60m", "16385"] {
            assert_eq!(text.parse::<Timeframe>().unwrap().name(), "H1", "{text}");
        }
        assert_eq!("1mn".parse::<Timeframe>().unwrap().name(), "MN1");
        for text in ["", "M7", "7", "1x", "m", "99999999999h", "é"] {
            assert!(text.parse::<Timeframe>().is_err(), "{text}");
        }
    }

    #[test]
    fn weeks_open_on_sunday_and_months_on_the_first() {
        let friday = 1_709_290_800; // 2024-03-01 11:00
        let open = |name: &str| name.parse::<Timeframe>().unwrap().open_of(friday);
        assert_eq!(open("W1"), 1_708_819_200); // 2024-02-25
        assert_eq!(open("MN1"), 1_709_251_200); // 2024-03-01
        assert_eq!(open("H4"), 1_709_280_000); // 08:00
        assert_eq!("MN1".parse::<Timeframe>().unwrap().next_open(1_709_251_200), 1_711_929_600); // 2024-04-01
    }

    #[test]
    fn packed_ticks_come_back_as_they_went_and_several_may_share_a_millisecond() {
        let tick = |time_msc, bid| Tick { time: time_msc / 1000, bid, ask: 1.2, time_msc, flags: 6, ..Tick::default() };
        let mut bytes = Vec::new();
        [tick(1_000, 1.1), tick(1_000, 1.3)].iter().for_each(|t| t.pack_into(&mut bytes));
        assert_eq!(bytes.len(), 2 * Tick::SIZE);
        assert_eq!(Tick::unpack_all(&bytes).unwrap(), [tick(1_000, 1.1), tick(1_000, 1.3)]);
        assert_eq!(Tick::unpack_all(&bytes[1..]), Err(BadTicks::Length(119)));
        tick(999, 1.1).pack_into(&mut bytes);
        assert_eq!(Tick::unpack_all(&bytes), Err(BadTicks::Order(2)));
        bytes[8..16].copy_from_slice(&f64::INFINITY.to_le_bytes());
        assert_eq!(Tick::unpack_all(&bytes), Err(BadTicks::Number(0)));
    }

    #[test]
    fn packed_bars_come_back_as_they_went() {
        let bar = |time| Bar { time, open: 1.1, high: 1.2, low: 1.0, close: 1.15, tick_volume: 7, spread: 3, real_volume: -1 };
        let mut bytes = Vec::new();
        [bar(60), bar(120)].iter().for_each(|b| b.pack_into(&mut bytes));
        assert_eq!(bytes.len(), 2 * Bar::SIZE);
        assert_eq!(Bar::unpack_all(&bytes).unwrap(), [bar(60), bar(120)]);
        assert_eq!(Bar::unpack_all(&bytes[1..]), Err(BadBars::Length(119)));
        let mut twice = bytes[..60].to_vec();
        twice.extend_from_slice(&bytes[..60]);
        assert_eq!(Bar::unpack_all(&twice), Err(BadBars::Order(1)));
        bytes[8..16].copy_from_slice(&f64::NAN.to_le_bytes());
        assert_eq!(Bar::unpack_all(&bytes), Err(BadBars::Price(0)));
    }
}
