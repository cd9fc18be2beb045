//! What a broker decides about its trading, and may change while it runs.

use serde::{Deserialize, Serialize};

/// `SYMBOL_TRADE_MODE_*`.
pub mod trade_mode {
    /// Nothing is traded.
    pub const DISABLED: u8 = 0;
    /// Only buys are opened.
    pub const LONG_ONLY: u8 = 1;
    /// Only sells are opened.
    pub const SHORT_ONLY: u8 = 2;
    /// Nothing is opened.
    pub const CLOSE_ONLY: u8 = 3;
    /// Everything.
    pub const FULL: u8 = 4;
}

/// `SYMBOL_TRADE_EXECUTION_*`.
pub mod execution {
    /// The broker names a price first: a request away from it is answered 10020.
    pub const REQUEST: u8 = 0;
    /// At the price of the request, within its deviation: else 10004.
    pub const INSTANT: u8 = 1;
    /// At whatever price there is.
    pub const MARKET: u8 = 2;
    /// The same, and what cannot be filled at once may stay as an order.
    pub const EXCHANGE: u8 = 3;
}

/// The rules of trading, the same for all symbols. Enums by MetaTrader's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// [`trade_mode`].
    pub trade_mode: u8,
    /// [`execution`].
    pub execution: u8,
    /// Bits: 1 fill or kill, 2 immediate or cancel, 4 book or cancel.
    pub filling_mode: u8,
    /// Stops and pending orders keep so many points away from the price.
    pub stops_level: i32,
    /// So near to the price, in points, stops and pending orders are not changed any more; 0 is never.
    pub freeze_level: i32,
    /// Lots that one tick fills, of each symbol; 0 is no limit.
    pub liquidity: f64,
    /// What a lot costs at its opening and again at its closing, in the account's currency.
    pub commission: f64,
    /// Levels of the depth of market on each side; 0 is no book.
    pub depth_levels: u32,
    /// Pending orders and open market orders that an account may have.
    pub limit_orders: u32,
    /// Margin level in percent at which the broker closes the worst position.
    pub stop_out: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            trade_mode: trade_mode::FULL,
            execution: execution::MARKET,
            filling_mode: 1 | 2,
            stops_level: 10,
            freeze_level: 0,
            liquidity: 0.0,
            commission: 0.0,
            depth_levels: 5,
            limit_orders: 200,
            stop_out: 50.0,
        }
    }
}

impl Rules {
    /// The same with one changed, as `liquidity=0.5`.
    ///
    /// # Errors
    /// In words, with the names that there are.
    pub fn with(&self, text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is no NAME=VALUE"))?;
        let value = serde_json::from_str(value).map_err(|_| format!("`{value}` is no number"))?;
        self.changed(&serde_json::Map::from_iter([(name.to_owned(), value)]))
    }

    /// The same with some changed.
    ///
    /// # Errors
    /// In words, with the names that there are.
    pub fn changed(&self, changes: &serde_json::Map<String, serde_json::Value>) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Some(fields) = all.as_object_mut() {
            fields.extend(changes.clone());
        }
        let rules: Self = serde_json::from_value(all).map_err(|error| error.to_string())?;
        let numbers = [rules.liquidity, rules.commission, rules.stop_out];
        if rules.trade_mode > 4 || rules.execution > 3 || rules.filling_mode > 7 {
            return Err("trade_mode is 0 to 4, execution 0 to 3, filling_mode 0 to 7".into());
        }
        if rules.stops_level < 0 || rules.freeze_level < 0 || numbers.iter().any(|number| !(0.0..=1e9).contains(number)) {
            return Err("levels and amounts must not be negative".into());
        }
        if rules.depth_levels > 100 {
            return Err("depth_levels is at most 100".into());
        }
        Ok(rules)
    }
}

/// What a fault at the broker does to one request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Quirk {
    /// Refused with this retcode.
    pub(super) refuse: Option<u32>,
    /// Filled with so many hundredths of a lot at most, and the rest is cancelled.
    pub(super) part: Option<i64>,
    /// The magic is not kept.
    pub(super) drop_magic: bool,
    /// The comment is not kept.
    pub(super) drop_comment: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_changed_by_its_name_and_a_wrong_one_is_told_with_the_names_there_are() {
        let rules = Rules::default().with("liquidity=0.5").unwrap().with("execution=1").unwrap();
        assert_eq!((rules.liquidity, rules.execution, rules.stops_level), (0.5, 1, 10));
        assert!(Rules::default().with("fluidity=1").unwrap_err().contains("`liquidity`"));
        for wrong in ["liquidity", "liquidity=much", "trade_mode=5", "stops_level=-1", "depth_levels=101"] {
            assert!(Rules::default().with(wrong).is_err(), "{wrong}");
        }
    }
}
