//! Whether and when the way of the price touched a stop loss or a take profit, tick by tick.

use super::{path, replay::MarketView};
use crate::domain::{
    market::{Bar, Tick},
    trade::{ORDER_BUY, Position},
};

/// `DEAL_REASON_SL`.
pub(super) const REASON_SL: u8 = 4;
/// `DEAL_REASON_TP`.
pub(super) const REASON_TP: u8 = 5;
/// `DEAL_REASON_SO`.
pub(super) const REASON_SO: u8 = 6;

/// A stop that was touched.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hit {
    pub(super) ticket: u64,
    pub(super) tick: Tick,
    pub(super) reason: u8,
    pub(super) comment: String,
}

/// The first stop of any position that a tick after `since_ms` touched.
pub(super) fn first<'a>(positions: impl Iterator<Item = &'a Position>, view: &MarketView<'_>, since_ms: i64) -> Option<Hit> {
    positions
        .filter(|position| position.sl != 0.0 || position.tp != 0.0)
        .filter_map(|position| first_of(position, view, since_ms))
        .min_by_key(|hit| (hit.tick.time_msc, hit.ticket))
}

fn first_of(position: &Position, view: &MarketView<'_>, since_ms: i64) -> Option<Hit> {
    // Whole bars are passed over by their extremes; only a bar that may hold the touch is walked tick by tick.
    view.bars_since(since_ms).iter().filter(|bar| may_touch(position, bar)).find_map(|bar| {
        (0..path::ticks(bar))
            .map(|k| path::tick(bar, k))
            .filter(|tick| tick.time_msc > since_ms && tick.time_msc <= view.now_ms())
            .find_map(|tick| touched(position, tick.bid, tick.ask).map(|reason| hit(position, tick, reason)))
    })
}

fn may_touch(position: &Position, bar: &Bar) -> bool {
    let spread = f64::from(bar.spread) * path::POINT;
    let at = |bid: f64| touched(position, bid, path::round(bid + spread)).is_some();
    at(bar.low) || at(bar.high)
}

fn touched(position: &Position, bid: f64, ask: f64) -> Option<u8> {
    let (sl, tp) = (position.sl, position.tp);
    let (lost, won) = if position.kind == ORDER_BUY {
        (sl != 0.0 && bid <= sl, tp != 0.0 && bid >= tp)
    } else {
        (sl != 0.0 && ask >= sl, tp != 0.0 && ask <= tp)
    };
    if lost { Some(REASON_SL) } else { won.then_some(REASON_TP) }
}

fn hit(position: &Position, tick: Tick, reason: u8) -> Hit {
    let (word, price) = if reason == REASON_SL { ("sl", position.sl) } else { ("tp", position.tp) };
    Hit { ticket: position.ticket, tick, reason, comment: format!("[{word} {price:.5}]") }
}
