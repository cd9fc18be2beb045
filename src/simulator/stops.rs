//! Whether and when the way of the price reached something, tick by tick.

use super::{instrument::Instrument, judge::pending, path, replay::MarketView};
use crate::domain::{
    market::{Bar, Tick},
    trade::{ORDER_BUY, Order, Position},
};

/// `DEAL_REASON_SL`, `ORDER_REASON_SL`.
pub(super) const REASON_SL: u8 = 4;
/// `DEAL_REASON_TP`, `ORDER_REASON_TP`.
pub(super) const REASON_TP: u8 = 5;
/// `DEAL_REASON_SO`, `ORDER_REASON_SO`.
pub(super) const REASON_SO: u8 = 6;

/// The first tick after `since_ms` whose bid and ask are `reached`; `view` is of the symbol's own market.
///
/// `reached` must be about a price being on one side of a level, so that a bar can be passed over by its extremes.
pub(super) fn first_tick(view: &MarketView<'_>, since_ms: i64, reached: impl Fn(f64, f64) -> bool) -> Option<Tick> {
    let digits = view.digits();
    let ask = |bar: &Bar, bid: f64| {
        super::instrument::round_to(bid + f64::from(bar.spread) * super::instrument::point_of(digits), digits)
    };
    let may = |bar: &&Bar| [bar.low, bar.high].into_iter().any(|bid| reached(bid, ask(bar, bid)));
    view.bars_since(since_ms).iter().filter(may).find_map(|bar| {
        (0..path::ticks(bar))
            .map(|k| path::tick(bar, k, digits))
            .filter(|tick| tick.time_msc > since_ms && tick.time_msc <= view.now_ms())
            .find(|tick| reached(tick.bid, tick.ask))
    })
}

/// Which of its stops a position would be closed by at this price.
pub(super) fn touched(position: &Position, bid: f64, ask: f64) -> Option<u8> {
    let (sl, tp) = (position.sl, position.tp);
    let (lost, won) = if position.kind == ORDER_BUY {
        (sl != 0.0 && bid <= sl, tp != 0.0 && bid >= tp)
    } else {
        (sl != 0.0 && ask >= sl, tp != 0.0 && ask <= tp)
    };
    if lost { Some(REASON_SL) } else { won.then_some(REASON_TP) }
}

/// Whether a pending order is triggered at this price. What is left of a market order is, at any.
pub(super) fn triggers(order: &Order, bid: f64, ask: f64) -> bool {
    let price = order.price_open;
    match order.kind {
        pending::BUY_LIMIT => ask <= price,
        pending::SELL_LIMIT => bid >= price,
        pending::BUY_STOP | pending::BUY_STOP_LIMIT => ask >= price,
        pending::SELL_STOP | pending::SELL_STOP_LIMIT => bid <= price,
        _ => true,
    }
}

/// What a broker writes on the deal of a stop.
pub(super) fn comment(position: &Position, reason: u8, of: &Instrument) -> String {
    let (word, price) = if reason == REASON_SL { ("sl", position.sl) } else { ("tp", position.tp) };
    format!("[{word} {price:.*}]", usize::from(of.digits))
}
