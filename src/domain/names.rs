//! MetaTrader's names for its numbers, as REST shows them beside the number. Lower case, without the family's prefix.
//! Source: MQL5 reference; the values are those of MetaQuotes' Python package 5.0.6231.

macro_rules! names {
    ($(#[$doc:meta])* $name:ident: $ty:ty { $($value:literal => $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[must_use]
        pub const fn $name(value: $ty) -> Option<&'static str> {
            Some(match value { $($value => $text,)+ _ => return None })
        }
    };
}

names! {
    /// `TRADE_RETCODE_*`: all 41.
    retcode: u32 {
        10004 => "requote", 10006 => "reject", 10007 => "cancel", 10008 => "placed", 10009 => "done",
        10010 => "done_partial", 10011 => "error", 10012 => "timeout", 10013 => "invalid", 10014 => "invalid_volume",
        10015 => "invalid_price", 10016 => "invalid_stops", 10017 => "trade_disabled", 10018 => "market_closed",
        10019 => "no_money", 10020 => "price_changed", 10021 => "price_off", 10022 => "invalid_expiration",
        10023 => "order_changed", 10024 => "too_many_requests", 10025 => "no_changes", 10026 => "server_disables_at",
        10027 => "client_disables_at", 10028 => "locked", 10029 => "frozen", 10030 => "invalid_fill",
        10031 => "connection", 10032 => "only_real", 10033 => "limit_orders", 10034 => "limit_volume",
        10035 => "invalid_order", 10036 => "position_closed", 10038 => "invalid_close_volume",
        10039 => "close_order_exist", 10040 => "limit_positions", 10041 => "reject_cancel", 10042 => "long_only",
        10043 => "short_only", 10044 => "close_only", 10045 => "fifo_close", 10046 => "hedge_prohibited",
    }
}
names! {
    /// `POSITION_TYPE_*`.
    position_type: u8 { 0 => "buy", 1 => "sell" }
}
names! {
    /// `POSITION_REASON_*`.
    position_reason: u8 { 0 => "client", 1 => "mobile", 2 => "web", 3 => "expert" }
}
names! {
    /// `DEAL_TYPE_*`, and the three `DEAL_*` without TYPE in their name.
    deal_type: u8 {
        0 => "buy", 1 => "sell", 2 => "balance", 3 => "credit", 4 => "charge", 5 => "correction", 6 => "bonus",
        7 => "commission", 8 => "commission_daily", 9 => "commission_monthly", 10 => "commission_agent_daily",
        11 => "commission_agent_monthly", 12 => "interest", 13 => "buy_canceled", 14 => "sell_canceled",
        15 => "dividend", 16 => "dividend_franked", 17 => "tax",
    }
}
names! {
    /// `DEAL_ENTRY_*`.
    deal_entry: u8 { 0 => "in", 1 => "out", 2 => "inout", 3 => "out_by" }
}
names! {
    /// `DEAL_REASON_*`.
    deal_reason: u8 {
        0 => "client", 1 => "mobile", 2 => "web", 3 => "expert", 4 => "sl", 5 => "tp", 6 => "so",
        7 => "rollover", 8 => "vmargin", 9 => "split",
    }
}
names! {
    /// `ACCOUNT_TRADE_MODE_*`.
    account_trade_mode: u8 { 0 => "demo", 1 => "contest", 2 => "real" }
}
names! {
    /// `ACCOUNT_MARGIN_MODE_*`.
    account_margin_mode: u8 { 0 => "retail_netting", 1 => "exchange", 2 => "retail_hedging" }
}
names! {
    /// `ACCOUNT_STOPOUT_MODE_*`.
    account_stopout_mode: u8 { 0 => "percent", 1 => "money" }
}
names! {
    /// `SYMBOL_CALC_MODE_*`.
    symbol_calc_mode: u8 {
        0 => "forex", 1 => "futures", 2 => "cfd", 3 => "cfdindex", 4 => "cfdleverage", 5 => "forex_no_leverage",
        32 => "exch_stocks", 33 => "exch_futures", 34 => "exch_options", 36 => "exch_options_margin",
        37 => "exch_bonds", 38 => "exch_stocks_moex", 39 => "exch_bonds_moex", 64 => "serv_collateral",
    }
}
names! {
    /// `SYMBOL_TRADE_MODE_*`.
    symbol_trade_mode: u8 { 0 => "disabled", 1 => "longonly", 2 => "shortonly", 3 => "closeonly", 4 => "full" }
}
names! {
    /// `SYMBOL_TRADE_EXECUTION_*`.
    symbol_trade_execution: u8 { 0 => "request", 1 => "instant", 2 => "market", 3 => "exchange" }
}
names! {
    /// `SYMBOL_SWAP_MODE_*`.
    symbol_swap_mode: u8 {
        0 => "disabled", 1 => "points", 2 => "currency_symbol", 3 => "currency_margin", 4 => "currency_deposit",
        5 => "interest_current", 6 => "interest_open", 7 => "reopen_current", 8 => "reopen_bid",
    }
}

names! {
    /// `TRADE_ACTION_*`.
    trade_action: u8 { 1 => "deal", 5 => "pending", 6 => "sltp", 7 => "modify", 8 => "remove", 10 => "close_by" }
}
names! {
    /// `ORDER_TYPE_*`.
    order_type: u8 {
        0 => "buy", 1 => "sell", 2 => "buy_limit", 3 => "sell_limit", 4 => "buy_stop", 5 => "sell_stop",
        6 => "buy_stop_limit", 7 => "sell_stop_limit", 8 => "close_by",
    }
}
names! {
    /// `ORDER_STATE_*`.
    order_state: u8 {
        0 => "started", 1 => "placed", 2 => "canceled", 3 => "partial", 4 => "filled", 5 => "rejected", 6 => "expired",
        7 => "request_add", 8 => "request_modify", 9 => "request_cancel",
    }
}
names! {
    /// `ORDER_REASON_*`.
    order_reason: u8 { 0 => "client", 1 => "mobile", 2 => "web", 3 => "expert", 4 => "sl", 5 => "tp", 6 => "so" }
}
names! {
    /// `BOOK_TYPE_*`.
    book_type: u8 { 1 => "sell", 2 => "buy", 3 => "sell_market", 4 => "buy_market" }
}
names! {
    /// `ORDER_FILLING_*`.
    order_filling: u8 { 0 => "fok", 1 => "ioc", 2 => "return", 3 => "boc" }
}
names! {
    /// `ORDER_TIME_*`.
    order_time: u8 { 0 => "gtc", 1 => "day", 2 => "specified", 3 => "specified_day" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn metatrader_has_forty_one_retcodes_and_two_gaps() {
        let known: Vec<u32> = (10_000..10_100).filter(|code| super::retcode(*code).is_some()).collect();
        assert_eq!(known.len(), 41);
        assert!(!known.contains(&10_005) && !known.contains(&10_037));
    }
}
