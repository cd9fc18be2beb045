//! What the paper broker refuses, and by which retcode.

use super::{contract, path};
use crate::domain::{
    account::AccountInfo,
    market::Tick,
    trade::{ORDER_BUY, Position, TradeRequest, action, retcode},
};

/// `TRADE_RETCODE_LIMIT_POSITIONS`.
const LIMIT_POSITIONS: u32 = 10040;
/// The account holds at most so many positions.
const POSITIONS_MAX: usize = 10_000;
/// Less than any step of a price, more than the noise of a float.
const NOISE: f64 = path::POINT / 1000.0;

/// What is wrong whatever the market does.
pub(super) fn shape(request: &TradeRequest, symbol: &str) -> Result<(), u32> {
    if request.action == action::DEAL && contract::volume(request.volume).is_none() {
        return Err(retcode::INVALID_VOLUME);
    }
    // Pending orders, their change and removal, and closing by an opposite position come later: an invalid request until then.
    if !matches!(request.action, action::DEAL | action::SLTP) || !request.problems().is_empty() {
        return Err(retcode::INVALID);
    }
    if request.symbol != symbol && !(request.action == action::SLTP && request.symbol.is_empty() && request.position != 0) {
        return Err(retcode::INVALID);
    }
    if request.action == action::DEAL && !contract::fills(request.type_filling) {
        return Err(retcode::INVALID_FILL);
    }
    Ok(())
}

/// Stop loss and take profit (0 is none) on the right side of the price and far enough away from it.
pub(super) fn stops(kind: u8, sl: f64, tp: f64, tick: &Tick) -> Result<(), u32> {
    let least = f64::from(contract::STOPS_LEVEL) * path::POINT - NOISE;
    // A position is closed at the other side of the spread, so that is the side that counts.
    let (loss, gain) = if kind == ORDER_BUY { (tick.bid - sl, tp - tick.bid) } else { (sl - tick.ask, tick.ask - tp) };
    let good = (sl == 0.0 || loss >= least) && (tp == 0.0 || gain >= least);
    if good { Ok(()) } else { Err(retcode::INVALID_STOPS) }
}

/// Whether the account can carry one more position.
pub(super) fn money(account: &AccountInfo, margin: f64, positions: usize) -> Result<(), u32> {
    if positions >= POSITIONS_MAX {
        return Err(LIMIT_POSITIONS);
    }
    if margin > account.margin_free { Err(retcode::NO_MONEY) } else { Ok(()) }
}

/// Whether a request with a position ticket can close that position.
pub(super) fn closing(request: &TradeRequest, position: &Position) -> Result<(), u32> {
    if request.kind == position.kind {
        return Err(retcode::INVALID);
    }
    if contract::volume(request.volume) > contract::volume(position.volume) {
        return Err(retcode::INVALID_CLOSE_VOLUME);
    }
    Ok(())
}

/// The words a trade server puts into the result's comment.
pub(super) const fn text(code: u32) -> &'static str {
    match code {
        retcode::DONE => "Request executed",
        retcode::INVALID => "Invalid request",
        retcode::INVALID_VOLUME => "Invalid volume",
        retcode::INVALID_STOPS => "Invalid stops",
        retcode::MARKET_CLOSED => "Market closed",
        retcode::NO_MONEY => "No money",
        retcode::NO_CHANGES => "No changes",
        retcode::INVALID_FILL => "Unsupported filling mode",
        retcode::INVALID_ORDER => "Position not found",
        retcode::POSITION_CLOSED => "Position already closed",
        retcode::INVALID_CLOSE_VOLUME => "Close volume exceeds position volume",
        retcode::CONNECTION => "No connection",
        LIMIT_POSITIONS => "Too many positions",
        _ => "Request not processed",
    }
}
