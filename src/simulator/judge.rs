//! What the paper broker refuses, and by which retcode.

use super::{
    instrument::{self, Instrument},
    rules::{Rules, execution, trade_mode},
};
use crate::domain::{
    account::{AccountInfo, Platform},
    market::Tick,
    trade::{
        FILLING_BOC, FILLING_FOK, FILLING_IOC, FILLING_RETURN, ORDER_BUY, ORDER_SELL, Position, TradeRequest, action, retcode,
    },
};

/// `TRADE_RETCODE_TRADE_DISABLED`.
pub(super) const TRADE_DISABLED: u32 = 10_017;
/// `TRADE_RETCODE_PRICE_CHANGED`.
pub(super) const PRICE_CHANGED: u32 = 10_020;
/// `TRADE_RETCODE_INVALID_EXPIRATION`.
pub(super) const INVALID_EXPIRATION: u32 = 10_022;
/// `TRADE_RETCODE_FROZEN`.
pub(super) const FROZEN: u32 = 10_029;
/// `TRADE_RETCODE_LIMIT_ORDERS`.
pub(super) const LIMIT_ORDERS: u32 = 10_033;
/// `TRADE_RETCODE_LIMIT_POSITIONS`.
const LIMIT_POSITIONS: u32 = 10_040;
/// `TRADE_RETCODE_LONG_ONLY`.
const LONG_ONLY: u32 = 10_042;
/// `TRADE_RETCODE_SHORT_ONLY`.
const SHORT_ONLY: u32 = 10_043;
/// `TRADE_RETCODE_CLOSE_ONLY`.
const CLOSE_ONLY: u32 = 10_044;
/// The account holds at most so many positions.
const POSITIONS_MAX: usize = 10_000;

/// `ORDER_TYPE_*` of pending orders.
pub(super) mod pending {
    pub(in crate::simulator) const BUY_LIMIT: u8 = 2;
    pub(in crate::simulator) const SELL_LIMIT: u8 = 3;
    pub(in crate::simulator) const BUY_STOP: u8 = 4;
    pub(in crate::simulator) const SELL_STOP: u8 = 5;
    pub(in crate::simulator) const BUY_STOP_LIMIT: u8 = 6;
    pub(in crate::simulator) const SELL_STOP_LIMIT: u8 = 7;
    /// `ORDER_TYPE_CLOSE_BY`.
    pub(in crate::simulator) const CLOSE_BY: u8 = 8;
}

/// The side, as a position's type, that an order of this type takes.
pub(super) const fn side(kind: u8) -> u8 {
    if kind & 1 == 0 { ORDER_BUY } else { ORDER_SELL }
}

/// What is wrong whatever the market does.
pub(super) fn shape(request: &TradeRequest, instruments: &[Instrument]) -> Result<(), u32> {
    let opens = matches!(request.action, action::DEAL | action::PENDING);
    if opens && instrument::volume(request.volume).is_none() {
        return Err(retcode::INVALID_VOLUME);
    }
    let known = instruments.iter().any(|one| one.name == request.symbol);
    let named = if opens { known } else { known || request.symbol.is_empty() };
    if named && request.problems().is_empty() { Ok(()) } else { Err(retcode::INVALID) }
}

/// Whether the broker takes this `type_filling` for a market order (type 0, 1) or a pending one.
///
/// On market execution "return" is for pending orders only; MetaTrader 4 has no filling at all.
pub(super) fn filling(request: &TradeRequest, rules: &Rules, platform: Platform) -> Result<(), u32> {
    let pending = request.action == action::PENDING;
    let bit = |bit: u8| rules.filling_mode & bit != 0;
    // In these two the broker fills whole or not at all, whatever is asked.
    let asked_first = matches!(rules.execution, execution::REQUEST | execution::INSTANT);
    let good = platform == Platform::Mt4
        || match request.type_filling {
            FILLING_FOK => asked_first || bit(1),
            FILLING_IOC => asked_first || bit(2),
            FILLING_RETURN => pending || rules.execution != execution::MARKET,
            FILLING_BOC => bit(4) && pending && matches!(request.kind, 2 | 3 | 6 | 7),
            _ => false,
        };
    if good { Ok(()) } else { Err(retcode::INVALID_FILL) }
}

/// Whether the symbol may be traded on this side at all.
pub(super) const fn mode(rules: &Rules, kind: u8, closes: bool) -> Result<(), u32> {
    match rules.trade_mode {
        trade_mode::DISABLED => Err(TRADE_DISABLED),
        trade_mode::CLOSE_ONLY if !closes => Err(CLOSE_ONLY),
        trade_mode::LONG_ONLY if !closes && side(kind) == ORDER_SELL => Err(LONG_ONLY),
        trade_mode::SHORT_ONLY if !closes && side(kind) == ORDER_BUY => Err(SHORT_ONLY),
        _ => Ok(()),
    }
}

/// Whether a market order's own price will do.
pub(super) fn price(request: &TradeRequest, now: f64, rules: &Rules, of: &Instrument) -> Result<(), u32> {
    let code = match rules.execution {
        execution::REQUEST => PRICE_CHANGED,
        execution::INSTANT => retcode::REQUOTE,
        _ => return Ok(()),
    };
    if request.price == 0.0 {
        return Err(retcode::INVALID_PRICE);
    }
    #[expect(clippy::cast_precision_loss, reason = "a deviation is some points")]
    let within = (request.price - now).abs() <= (request.deviation as f64 + 0.001) * of.point();
    if within { Ok(()) } else { Err(code) }
}

/// Stop loss and take profit (0 is none) on the right side of the price and far enough away from it.
///
/// A position is closed at the other side of the spread, so for one that is open that is the side that counts: `bid` of a buy, `ask`
/// of a sell. A pending order has one price, which is both.
pub(super) fn stops(kind: u8, (sl, tp): (f64, f64), tick: &Tick, rules: &Rules, of: &Instrument) -> Result<(), u32> {
    let (loss, gain) = if side(kind) == ORDER_BUY { (tick.bid - sl, tp - tick.bid) } else { (sl - tick.ask, tick.ask - tp) };
    let far = |distance: f64| of.is_away(distance, rules.stops_level);
    let good = (sl == 0.0 || far(loss)) && (tp == 0.0 || far(gain));
    if good { Ok(()) } else { Err(retcode::INVALID_STOPS) }
}

/// Whether a pending order stands on the right side of the market, far enough away.
pub(super) fn placed(kind: u8, price: f64, limit: f64, tick: &Tick, rules: &Rules, of: &Instrument) -> Result<(), u32> {
    use pending::{BUY_LIMIT, BUY_STOP, BUY_STOP_LIMIT, SELL_LIMIT, SELL_STOP, SELL_STOP_LIMIT};
    let distance = match kind {
        BUY_LIMIT => tick.ask - price,
        SELL_LIMIT => price - tick.bid,
        BUY_STOP | BUY_STOP_LIMIT => price - tick.ask,
        SELL_STOP | SELL_STOP_LIMIT => tick.bid - price,
        _ => return Err(retcode::INVALID),
    };
    let limit_stands = match kind {
        BUY_STOP_LIMIT => limit <= price,
        SELL_STOP_LIMIT => limit >= price,
        _ => true,
    };
    if of.is_away(distance, rules.stops_level) && limit_stands { Ok(()) } else { Err(retcode::INVALID_PRICE) }
}

/// Whether `price` is so near to the market that nothing is changed any more.
pub(super) fn frozen(price: f64, tick: &Tick, rules: &Rules, of: &Instrument) -> Result<(), u32> {
    let near = (price - tick.bid).abs().min((price - tick.ask).abs());
    let frozen = rules.freeze_level > 0 && price != 0.0 && !of.is_away(near, rules.freeze_level);
    if frozen { Err(FROZEN) } else { Ok(()) }
}

/// Whether the account can carry more: `margin` is what it needs in addition to `free`.
pub(super) fn money(account: &AccountInfo, margin: f64, positions: usize) -> Result<(), u32> {
    if positions >= POSITIONS_MAX {
        return Err(LIMIT_POSITIONS);
    }
    if margin > account.margin_free { Err(retcode::NO_MONEY) } else { Ok(()) }
}

/// Whether a request with a position ticket can close that position.
pub(super) fn closing(request: &TradeRequest, position: &Position) -> Result<(), u32> {
    if request.kind == position.kind || request.symbol != position.symbol {
        return Err(retcode::INVALID);
    }
    if instrument::volume(request.volume) > instrument::volume(position.volume) {
        return Err(retcode::INVALID_CLOSE_VOLUME);
    }
    Ok(())
}

/// The words a trade server puts into the result's comment.
pub(super) const fn text(code: u32) -> &'static str {
    match code {
        retcode::REQUOTE => "Requote",
        retcode::REJECT => "Request rejected",
        retcode::DONE => "Request executed",
        retcode::DONE_PARTIAL => "Request executed partially",
        retcode::INVALID => "Invalid request",
        retcode::INVALID_VOLUME => "Invalid volume",
        retcode::INVALID_PRICE => "Invalid price",
        retcode::INVALID_STOPS => "Invalid stops",
        TRADE_DISABLED => "Trade is disabled",
        retcode::MARKET_CLOSED => "Market closed",
        retcode::NO_MONEY => "No money",
        PRICE_CHANGED => "Price changed",
        retcode::PRICE_OFF => "Off quotes",
        INVALID_EXPIRATION => "Invalid expiration",
        retcode::NO_CHANGES => "No changes",
        FROZEN => "Order or position frozen",
        retcode::INVALID_FILL => "Unsupported filling mode",
        LIMIT_ORDERS => "Too many orders",
        retcode::INVALID_ORDER => "Order or position not found",
        retcode::POSITION_CLOSED => "Position already closed",
        retcode::INVALID_CLOSE_VOLUME => "Close volume exceeds position volume",
        retcode::CONNECTION => "No connection",
        LIMIT_POSITIONS => "Too many positions",
        LONG_ONLY => "Only buys are allowed",
        SHORT_ONLY => "Only sells are allowed",
        CLOSE_ONLY => "Only closing is allowed",
        _ => "Request not processed",
    }
}
