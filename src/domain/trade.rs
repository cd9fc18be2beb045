//! Trading in MetaTrader's terms: requests, results, orders, positions, deals and what the numbers mean.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `TRADE_ACTION_*`.
pub mod action {
    /// A market order, or closing by one.
    pub const DEAL: u8 = 1;
    /// A pending order.
    pub const PENDING: u8 = 5;
    /// Change stop loss and take profit of a position.
    pub const SLTP: u8 = 6;
    /// Change a pending order.
    pub const MODIFY: u8 = 7;
    /// Delete a pending order.
    pub const REMOVE: u8 = 8;
    /// Close a position by an opposite one.
    pub const CLOSE_BY: u8 = 10;
}

/// `ORDER_TYPE_BUY`.
pub const ORDER_BUY: u8 = 0;
/// `ORDER_TYPE_SELL`.
pub const ORDER_SELL: u8 = 1;
/// `ORDER_TYPE_BUY_LIMIT`; the sell is one above, here and below.
pub const ORDER_BUY_LIMIT: u8 = 2;
/// `ORDER_TYPE_BUY_STOP`.
pub const ORDER_BUY_STOP: u8 = 4;
/// `ORDER_TYPE_BUY_STOP_LIMIT`: MetaTrader 5 only.
pub const ORDER_BUY_STOP_LIMIT: u8 = 6;
/// `ORDER_TIME_GTC`.
pub const TIME_GTC: u8 = 0;
/// `ORDER_TIME_DAY`.
pub const TIME_DAY: u8 = 1;
/// `ORDER_TIME_SPECIFIED`.
pub const TIME_SPECIFIED: u8 = 2;
/// `ORDER_FILLING_FOK`.
pub const FILLING_FOK: u8 = 0;
/// `ORDER_FILLING_IOC`.
pub const FILLING_IOC: u8 = 1;
/// `ORDER_FILLING_RETURN`.
pub const FILLING_RETURN: u8 = 2;
/// `ORDER_FILLING_BOC`.
pub const FILLING_BOC: u8 = 3;

/// A filling that a symbol takes for an order at the market, by its `SYMBOL_TRADE_EXEMODE` and `SYMBOL_FILLING_MODE` (a bit mask, unlike
/// the order's enum): fok, else ioc, else return. Execution by request and instant execution are always fok (MQL5 reference, "Order
/// Properties", table of filling by execution).
#[must_use]
pub const fn offered_filling(execution: u8, modes: u8) -> u8 {
    const INSTANT: u8 = 1;
    if execution <= INSTANT || modes & 1 != 0 {
        FILLING_FOK
    } else if modes & 2 != 0 {
        FILLING_IOC
    } else {
        FILLING_RETURN
    }
}

/// The longest comment MetaTrader keeps, in characters.
pub const COMMENT_MAX: usize = 31;

/// The largest magic that MetaTrader 4 keeps as it came: `OrderMagicNumber` is a signed `int` of 32 bits there (MQL4 reference).
pub const MT4_MAGIC_MAX: u64 = 0x7fff_ffff;

/// `MqlTradeRequest`: 17 keys, in the order of MetaQuotes' Python package. What is left out is 0 or empty, as there.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of MqlTradeRequest in the MQL5 reference, by name")]
pub struct TradeRequest {
    pub action: u8,
    pub magic: u64,
    pub order: u64,
    pub symbol: String,
    pub volume: f64,
    pub price: f64,
    pub stoplimit: f64,
    pub sl: f64,
    pub tp: f64,
    pub deviation: u64,
    #[serde(rename = "type")]
    pub kind: u8,
    pub type_filling: u8,
    pub type_time: u8,
    pub expiration: i64,
    pub comment: String,
    pub position: u64,
    pub position_by: u64,
}

/// One thing wrong with a request, by the field's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field of [`TradeRequest`].
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl TradeRequest {
    /// Everything that is wrong whatever the broker: not numbers, negative, missing for its action.
    ///
    /// The broker judges the rest (volume steps, stop distances, money) and says so by a retcode.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut found = Vec::new();
        let mut wrong = |field, detail: &str| found.push(FieldError { field, detail: detail.to_owned() });
        for (field, number) in
            [("volume", self.volume), ("price", self.price), ("stoplimit", self.stoplimit), ("sl", self.sl), ("tp", self.tp)]
        {
            if !number.is_finite() || number < 0.0 {
                wrong(field, "must be a finite number, zero or above");
            }
        }
        let needs_symbol_and_volume = matches!(self.action, action::DEAL | action::PENDING);
        if needs_symbol_and_volume && self.symbol.is_empty() {
            wrong("symbol", "is required");
        }
        if self.symbol.len() > 64 || self.symbol.chars().any(char::is_control) {
            wrong("symbol", "must be at most 64 printable characters");
        }
        if needs_symbol_and_volume && self.volume == 0.0 {
            wrong("volume", "must be above zero");
        }
        if self.comment.chars().count() > COMMENT_MAX || self.comment.chars().any(char::is_control) {
            wrong("comment", "must be at most 31 printable characters");
        }
        if self.type_filling > FILLING_BOC {
            wrong("type_filling", "must be 0 (fok), 1 (ioc), 2 (return) or 3 (boc)");
        }
        if self.type_time > 3 {
            wrong("type_time", "must be 0 (gtc), 1 (day), 2 (specified) or 3 (specified day)");
        }
        if self.expiration < 0 {
            wrong("expiration", "must not be negative");
        }
        match self.action {
            action::DEAL if self.kind > ORDER_SELL => wrong("type", "must be 0 (buy) or 1 (sell) for a market order"),
            action::PENDING => {
                if !(2..=7).contains(&self.kind) {
                    wrong("type", "must be 2 to 7 (limit, stop, stop limit) for a pending order");
                }
                if self.price == 0.0 {
                    wrong("price", "is required for a pending order");
                }
                if matches!(self.kind, 6 | 7) && self.stoplimit == 0.0 {
                    wrong("stoplimit", "is required for a stop limit order");
                }
            }
            action::SLTP if self.position == 0 && self.symbol.is_empty() => {
                wrong("position", "is required (the symbol on a netting account)");
            }
            action::MODIFY | action::REMOVE if self.order == 0 => wrong("order", "is required"),
            action::CLOSE_BY if self.position == 0 || self.position_by == 0 => {
                wrong("position_by", "position and position_by are both required");
            }
            action::DEAL | action::SLTP | action::MODIFY | action::REMOVE | action::CLOSE_BY => {}
            _ => wrong("action", "must be 1 (deal), 5 (pending), 6 (sltp), 7 (modify), 8 (remove) or 10 (close by)"),
        }
        found
    }
}

/// `MqlTradeResult`: what the terminal answered to the one `OrderSend` (the Python package's fields without `request`).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of MqlTradeResult in the MQL5 reference, by name")]
pub struct TradeResult {
    pub retcode: u32,
    pub deal: u64,
    pub order: u64,
    pub volume: f64,
    pub price: f64,
    pub bid: f64,
    pub ask: f64,
    pub comment: String,
    pub request_id: u32,
    pub retcode_external: i32,
}

/// `TRADE_RETCODE_*`.
pub mod retcode {
    #![expect(missing_docs, reason = "MetaTrader's own names")]
    pub const REQUOTE: u32 = 10004;
    pub const REJECT: u32 = 10006;
    pub const PLACED: u32 = 10008;
    pub const DONE: u32 = 10009;
    pub const DONE_PARTIAL: u32 = 10010;
    pub const ERROR: u32 = 10011;
    pub const TIMEOUT: u32 = 10012;
    pub const INVALID: u32 = 10013;
    pub const INVALID_VOLUME: u32 = 10014;
    pub const INVALID_PRICE: u32 = 10015;
    pub const INVALID_STOPS: u32 = 10016;
    pub const MARKET_CLOSED: u32 = 10018;
    pub const NO_MONEY: u32 = 10019;
    pub const PRICE_OFF: u32 = 10021;
    pub const NO_CHANGES: u32 = 10025;
    pub const INVALID_FILL: u32 = 10030;
    pub const CONNECTION: u32 = 10031;
    pub const INVALID_ORDER: u32 = 10035;
    pub const POSITION_CLOSED: u32 = 10036;
    pub const INVALID_CLOSE_VOLUME: u32 = 10038;
}

/// What a broker's retcode proves about the request it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Done as asked.
    Executed,
    /// Done in part.
    Partial,
    /// A pending order stands.
    Placed,
    /// The broker refused; nothing was done.
    Rejected,
    /// The request may or may not have reached the broker: never read as a failure.
    Ambiguous,
}

impl Verdict {
    /// Reads a retcode in the light of the action it answers.
    ///
    /// `PLACED` for a market order only says that the request left the terminal ("no guarantee that the request reached the
    /// trade server", MQL5 reference on `OrderSendAsync`), so it is ambiguous there. A code that is in no table is too.
    #[must_use]
    pub fn of(retcode: u32, action: u8) -> Self {
        match retcode {
            retcode::DONE if action == action::PENDING => Self::Placed,
            retcode::DONE => Self::Executed,
            retcode::DONE_PARTIAL => Self::Partial,
            retcode::PLACED if action == action::PENDING => Self::Placed,
            retcode::ERROR | retcode::TIMEOUT | retcode::CONNECTION | retcode::PLACED => Self::Ambiguous,
            code if super::names::retcode(code).is_some() => Self::Rejected,
            _ => Self::Ambiguous,
        }
    }
}

/// `TradePosition` as MetaQuotes' Python package has it: 19 fields in that order. Times are broker time.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are ENUM_POSITION_PROPERTY_* of the MQL5 reference, by name")]
pub struct Position {
    pub ticket: u64,
    pub time: i64,
    pub time_msc: i64,
    pub time_update: i64,
    pub time_update_msc: i64,
    #[serde(rename = "type")]
    pub kind: u8,
    pub magic: u64,
    pub identifier: u64,
    pub reason: u8,
    pub volume: f64,
    pub price_open: f64,
    pub sl: f64,
    pub tp: f64,
    pub price_current: f64,
    pub swap: f64,
    pub profit: f64,
    pub symbol: String,
    pub comment: String,
    pub external_id: String,
}

/// `TradeOrder` as MetaQuotes' Python package has it: 24 fields in that order. Times are broker time.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are ENUM_ORDER_PROPERTY_* of the MQL5 reference, by name")]
pub struct Order {
    pub ticket: u64,
    pub time_setup: i64,
    pub time_setup_msc: i64,
    pub time_done: i64,
    pub time_done_msc: i64,
    pub time_expiration: i64,
    #[serde(rename = "type")]
    pub kind: u8,
    pub type_time: u8,
    pub type_filling: u8,
    pub state: u8,
    pub magic: u64,
    pub position_id: u64,
    pub position_by_id: u64,
    pub reason: u8,
    pub volume_initial: f64,
    pub volume_current: f64,
    pub price_open: f64,
    pub sl: f64,
    pub tp: f64,
    pub price_current: f64,
    pub price_stoplimit: f64,
    pub symbol: String,
    pub comment: String,
    pub external_id: String,
}

/// `OrderCheckResult` as MetaQuotes' Python package has it, without `request`: what the terminal expects of a request. Retcode 0 is fine.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of MqlTradeCheckResult in the MQL5 reference, by name")]
pub struct OrderCheck {
    pub retcode: u32,
    pub balance: f64,
    pub equity: f64,
    pub profit: f64,
    pub margin: f64,
    pub margin_free: f64,
    pub margin_level: f64,
    pub comment: String,
}

/// `TradeDeal` as MetaQuotes' Python package has it: 18 fields in that order. Times are broker time.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are ENUM_DEAL_PROPERTY_* of the MQL5 reference, by name")]
pub struct Deal {
    pub ticket: u64,
    pub order: u64,
    pub time: i64,
    pub time_msc: i64,
    #[serde(rename = "type")]
    pub kind: u8,
    pub entry: u8,
    pub magic: u64,
    pub position_id: u64,
    pub reason: u8,
    pub volume: f64,
    pub price: f64,
    pub commission: f64,
    pub swap: f64,
    pub profit: f64,
    pub fee: f64,
    pub symbol: String,
    pub comment: String,
    pub external_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market_buy() -> TradeRequest {
        TradeRequest { action: action::DEAL, symbol: "EURUSD".into(), volume: 0.1, ..TradeRequest::default() }
    }

    #[test]
    fn a_plain_market_order_has_no_problems() {
        assert_eq!(market_buy().problems(), []);
    }

    #[test]
    fn numbers_that_are_none_are_found_before_anything_else() {
        for volume in [f64::NAN, f64::INFINITY, -0.1, 0.0] {
            let request = TradeRequest { volume, ..market_buy() };
            assert_eq!(request.problems()[0].field, "volume", "{volume}");
        }
    }

    #[test]
    fn each_action_names_what_it_lacks() {
        let lacks = |action, field| {
            let problems = TradeRequest { action, ..TradeRequest::default() }.problems();
            assert!(problems.iter().any(|p| p.field == field), "action {action}: {problems:?}");
        };
        lacks(action::DEAL, "symbol");
        lacks(action::PENDING, "price");
        lacks(action::SLTP, "position");
        lacks(action::MODIFY, "order");
        lacks(action::REMOVE, "order");
        lacks(action::CLOSE_BY, "position_by");
        lacks(0, "action");
    }

    #[test]
    fn a_filling_is_offered_that_execution_and_bits_allow() {
        // SYMBOL_TRADE_EXECUTION_*: 0 request, 1 instant, 2 market, 3 exchange. SYMBOL_FILLING_*: 1 fok, 2 ioc, 4 boc.
        for (execution, modes, expected) in [
            (0, 2, FILLING_FOK),
            (1, 0, FILLING_FOK),
            (2, 1, FILLING_FOK),
            (2, 2, FILLING_IOC),
            (2, 3, FILLING_FOK),
            (2, 6, FILLING_IOC),
            (3, 0, FILLING_RETURN),
            (3, 4, FILLING_RETURN),
            (3, 2, FILLING_IOC),
        ] {
            assert_eq!(offered_filling(execution, modes), expected, "execution {execution}, bits {modes}");
        }
    }

    #[test]
    fn a_retcode_that_proves_nothing_is_ambiguous_not_a_refusal() {
        for code in [retcode::ERROR, retcode::TIMEOUT, retcode::CONNECTION, retcode::PLACED, 0, 1, 99_999] {
            assert_eq!(Verdict::of(code, action::DEAL), Verdict::Ambiguous, "{code}");
        }
        assert_eq!(Verdict::of(retcode::PLACED, action::PENDING), Verdict::Placed);
        assert_eq!(Verdict::of(retcode::DONE, action::DEAL), Verdict::Executed);
        assert_eq!(Verdict::of(retcode::NO_MONEY, action::DEAL), Verdict::Rejected);
    }
}
