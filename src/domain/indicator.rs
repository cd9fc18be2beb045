//! Indicators: what a bot has worked out about one symbol and timeframe, for people to see on a chart.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    UnixMillis,
    account::Account,
    api_key::Reach,
    ids::{KeyId, OwnerId},
    market::Timeframe,
    scope::AccountName,
};

/// How long an indicator lives after it was submitted, milliseconds: 24 hours.
pub const INDICATOR_LIFE_MS: i64 = 86_400_000;

/// By what an indicator is known: what is submitted under the same slot takes the place of what was there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct IndicatorSlot {
    /// The line of keys ([`super::api_key::ApiKey::line`]) that submitted it, so that a rotation loses nothing.
    pub line: KeyId,
    /// The caller's name for it: letters, digits, underscores.
    pub id: String,
    /// The broker's own name of the symbol.
    pub symbol: String,
    /// For which it was made.
    pub timeframe: Timeframe,
}

/// The terminals that show an indicator: those that its key reached when it was submitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audience {
    /// Whose.
    pub owner: OwnerId,
    /// Of these, all or only those on demo accounts.
    pub reach: Reach,
    /// Of these, only those of some accounts.
    pub accounts: Option<Vec<AccountName>>,
}

impl Audience {
    /// Whether a terminal on this account is one of them; `demo` is what it says of the account.
    #[must_use]
    pub fn has(&self, account: &Account, demo: bool) -> bool {
        let named = self.accounts.as_ref().is_none_or(|names| names.iter().any(|name| name.means(account)));
        named && (self.reach == Reach::Live || demo)
    }
}

/// An indicator as it is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Indicator {
    /// Its place.
    pub slot: IndicatorSlot,
    /// Whose terminals show it.
    pub owner: OwnerId,
    /// Of these, those that its key reaches.
    pub reach: Reach,
    /// Of these, only those of some accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountName>>,
    /// When it was submitted.
    pub created_at: UnixMillis,
    /// From then on it is gone.
    pub expires_at: UnixMillis,
    /// It was deleted: what stays until it would have expired only takes it off charts whose terminals are away. Or it has expired, and the
    /// record is written once more, so that the change is told, and removed.
    #[serde(default)]
    pub deleted: bool,
    /// When it was deleted; one that has expired ended at `expires_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<UnixMillis>,
    /// What there is to see.
    pub drawing: Drawing,
}

impl Indicator {
    /// Whether it ended by itself.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.deleted && self.ended_at.is_some_and(|at| at >= self.expires_at)
    }
}

/// What a bot submits.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Drawing {
    /// For people.
    pub name: String,
    /// The bot's own.
    pub version: String,
    /// Points.
    pub points: Vec<Point>,
    /// Horizontal lines.
    pub lines: Vec<Line>,
    /// The bot's own, a JSON object as text; the hub does not look into it.
    pub metadata: String,
}

/// One point. What the bot left out stays left out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = IndicatorPoint)]
pub struct Point {
    /// UTC, epoch seconds; usually a bar's opening time.
    #[schema(minimum = 0, maximum = 253402300799_i64)]
    pub time: i64,
    /// Where its label stands.
    #[serde(rename = "type")]
    pub kind: PointKind,
    /// Price.
    pub price: f64,
    /// Text beside it.
    #[schema(max_length = 63)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `#rrggbb`.
    #[schema(pattern = "^#[0-9a-fA-F]{6}$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Its mark; a circle if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// 1 to 3; 1 if it does not say.
    #[schema(minimum = 1, maximum = 3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u8>,
}

/// Whether a point marks a high or a low.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PointKind {
    /// The label stands above the price.
    High,
    /// The label stands below the price.
    Low,
}

/// The mark of a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = PointShape)]
#[serde(rename_all = "camelCase")]
pub enum Shape {
    /// A dot.
    Circle,
    /// An arrow up.
    ArrowUp,
    /// An arrow down.
    ArrowDown,
    /// A square.
    Square,
}

/// One horizontal line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = IndicatorLine)]
pub struct Line {
    /// The bot's name for it.
    #[schema(min_length = 1, max_length = 50)]
    pub id: String,
    /// Price.
    pub price: f64,
    /// UTC, epoch seconds: where it begins.
    #[schema(minimum = 0, maximum = 253402300799_i64)]
    pub start_time: i64,
    /// How many bars it is long.
    #[schema(minimum = 1, maximum = 1000000)]
    pub bars: u32,
    /// Text beside it.
    #[schema(max_length = 63)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `#rrggbb`.
    #[schema(pattern = "^#[0-9a-fA-F]{6}$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Solid if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<LineStyle>,
    /// 1 to 3 pixels; 1 if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u8>,
}

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LineStyle {
    /// ────
    Solid,
    /// ─ ─ ─
    Dashed,
    /// · · ·
    Dotted,
}
