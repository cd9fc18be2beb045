//! What bots draw on a terminal's chart: points and lines of an indicator.

use serde::{Deserialize, Serialize};

use super::codec::Row;

/// Draws an indicator's points and lines on the terminal's charts of its symbol. It is not answered; without points and lines, and
/// with [`draw_flag::REPLACE`], it takes the indicator away.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Draw {
    /// The indicator: letters, digits and underscores. What is drawn later under the same id, symbol and timeframe joins or replaces it.
    pub id: String,
    /// On charts of this symbol.
    pub symbol: String,
    /// Timeframe for which it was made, MetaTrader 5's number; it is drawn whatever timeframe the chart shows.
    pub timeframe: u16,
    /// Its name, for people.
    pub name: String,
    /// When it is taken away, UTC, epoch milliseconds; 0: never.
    pub expires_at: i64,
    /// [`draw_flag`] bits.
    pub flags: u8,
    /// Points.
    pub points: Vec<Row<DrawPoint>>,
    /// Horizontal lines.
    pub lines: Vec<Row<DrawLine>>,
}

/// Bits of [`Draw::flags`]: what does not fit into one message comes in several.
pub mod draw_flag {
    /// First take away what was drawn under this id before.
    pub const REPLACE: u8 = 1;
    /// More of the same follows at once: redraw after the last.
    pub const MORE: u8 = 2;
}

/// One point of a [`Draw`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DrawPoint {
    /// Broker time, epoch seconds.
    pub time: i64,
    /// Where its label stands: 0 above the price (a high), 1 below it (a low).
    #[serde(rename = "type")]
    pub kind: u8,
    /// Price.
    pub price: f64,
    /// Text beside it; may be empty.
    pub label: String,
    /// 0xRRGGBB.
    pub color: u32,
    /// [`draw_shape`].
    pub shape: u8,
    /// 1 (small) to 5.
    pub size: u8,
}

/// Values of [`DrawPoint::shape`].
pub mod draw_shape {
    /// A dot.
    pub const CIRCLE: u8 = 0;
    /// An arrow up.
    pub const ARROW_UP: u8 = 1;
    /// An arrow down.
    pub const ARROW_DOWN: u8 = 2;
    /// A square.
    pub const SQUARE: u8 = 3;
}

/// One horizontal line of a [`Draw`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DrawLine {
    /// Price.
    pub price: f64,
    /// Text beside it; may be empty.
    pub label: String,
    /// 0xRRGGBB.
    pub color: u32,
    /// [`line_style`].
    pub style: u8,
    /// 1 to 5 pixels.
    pub width: u8,
}

/// Values of [`DrawLine::style`].
pub mod line_style {
    /// Solid.
    pub const SOLID: u8 = 0;
    /// Dashed.
    pub const DASHED: u8 = 1;
    /// Dotted.
    pub const DOTTED: u8 = 2;
}
