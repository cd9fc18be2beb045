//! Limits on what may be traded: what they are, and which of several is the strictest.

use serde::{Deserialize, Serialize};

use super::trade::FieldError;

/// Limits of one layer (hub, account or key). What is left out is not limited there.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Symbols that may be opened: names as the broker has them, `*` at either end for any letters. An empty list allows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbols: Option<Vec<String>>,
    /// Largest volume of one order, lots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_volume: Option<f64>,
    /// Largest volume of the account's positions, pending orders and orders under way together, lots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_open_volume: Option<f64>,
    /// Commands in any 60 seconds. Changes and cancellations count; what closes is counted and never refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_per_minute: Option<u32>,
    /// Commands that place or deal, in a day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_per_day: Option<u32>,
    /// Largest fall of the account's equity since the broker's day began, account currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_daily_loss: Option<f64>,
    /// Furthest that a price of an order may be from the present one, per cent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price_distance_percent: Option<f64>,
}

impl Limits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What cannot be meant: numbers that are none, negative, or too many symbols.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut found = Vec::new();
        let mut wrong = |field, detail: &str| found.push(FieldError { field, detail: detail.to_owned() });
        for (field, value) in [
            ("limits/max_order_volume", self.max_order_volume),
            ("limits/max_open_volume", self.max_open_volume),
            ("limits/max_daily_loss", self.max_daily_loss),
            ("limits/max_price_distance_percent", self.max_price_distance_percent),
        ] {
            if value.is_some_and(|value| !value.is_finite() || value < 0.0) {
                wrong(field, "must be a finite number, zero or above");
            }
        }
        if self.orders_per_minute.is_some_and(|most| most > 100_000) {
            wrong("limits/orders_per_minute", "must be at most 100000");
        }
        let bad = |name: &String| name.is_empty() || name.len() > 64 || name.chars().any(char::is_control);
        if self.symbols.as_ref().is_some_and(|names| names.len() > 1_000 || names.iter().any(bad)) {
            wrong("limits/symbols", "must be at most 1000 names of 1 to 64 printable characters");
        }
        found
    }

    /// Whether a symbol may be opened.
    #[must_use]
    pub fn allows_symbol(&self, symbol: &str) -> bool {
        self.symbols.as_ref().is_none_or(|names| names.iter().any(|name| mask_fits(name, symbol)))
    }
}

/// Whether a symbol is one that a mask names: a whole name, or one with `*` at either end.
pub(super) fn mask_fits(mask: &str, symbol: &str) -> bool {
    match (mask.strip_prefix('*'), mask.strip_suffix('*')) {
        (Some(_), Some(_)) => mask.len() < 2 || symbol.contains(&mask[1..mask.len() - 1]),
        (Some(end), None) => symbol.ends_with(end),
        (None, Some(start)) => symbol.starts_with(start),
        (None, None) => symbol == mask,
    }
}

/// Which limit, as it is called where it is set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// [`Limits::symbols`].
    Symbols,
    /// [`Limits::max_order_volume`].
    OrderVolume,
    /// [`Limits::max_open_volume`].
    OpenVolume,
    /// [`Limits::orders_per_minute`].
    PerMinute,
    /// [`Limits::orders_per_day`].
    PerDay,
    /// [`Limits::max_daily_loss`].
    DailyLoss,
    /// [`Limits::max_price_distance_percent`].
    PriceDistance,
}

impl Limit {
    /// The field of [`Limits`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Symbols => "symbols",
            Self::OrderVolume => "max_order_volume",
            Self::OpenVolume => "max_open_volume",
            Self::PerMinute => "orders_per_minute",
            Self::PerDay => "orders_per_day",
            Self::DailyLoss => "max_daily_loss",
            Self::PriceDistance => "max_price_distance_percent",
        }
    }
}

/// Whose limit it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Layer {
    /// Of the API key.
    Key,
    /// Of the account, from the settings.
    Account,
    /// Of every account, from the settings.
    Hub,
}

impl Layer {
    /// `key`, `account`, `hub`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Account => "account",
            Self::Hub => "hub",
        }
    }
}

/// A limit that would be passed.
#[derive(Clone, PartialEq, Debug)]
pub struct Exceeded {
    /// Which.
    pub limit: Limit,
    /// Whose.
    pub layer: Layer,
    /// What it allows, in words or digits.
    pub value: String,
    /// What it would have come to.
    pub asked: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_names_with_a_star_at_either_end() {
        let limits =
            |names: &[&str]| Limits { symbols: Some(names.iter().map(ToString::to_string).collect()), ..Limits::default() };
        assert!(Limits::default().allows_symbol("EURUSD"));
        assert!(!limits(&[]).allows_symbol("EURUSD"), "an empty list allows none");
        for (mask, allowed) in [
            ("EURUSD", true),
            ("EUR", false),
            ("EUR*", true),
            ("*USD", true),
            ("*XAU*", false),
            ("*RU*", true),
            ("*", true),
            ("**", true),
        ] {
            assert_eq!(limits(&[mask]).allows_symbol("EURUSD"), allowed, "{mask}");
        }
    }

    #[test]
    fn limits_that_are_no_numbers_are_found() {
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            let limits = Limits { max_order_volume: Some(bad), ..Limits::default() };
            assert_eq!(limits.problems()[0].field, "limits/max_order_volume");
        }
        assert!(Limits { max_order_volume: Some(0.0), ..Limits::default() }.problems().is_empty(), "zero allows nothing");
    }
}
