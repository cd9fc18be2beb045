//! The one instrument of the paper broker: its contract, and the arithmetic of volume, margin and profit.
//!
//! Five digits and a quote currency equal to the account's (US dollars), as EURUSD has.

use super::{path, replay::MarketView};
use crate::domain::{
    market::SymbolSpec,
    trade::{FILLING_FOK, FILLING_IOC, ORDER_BUY},
};

/// Units of the base currency in one lot.
pub const CONTRACT: f64 = 100_000.0;
/// Account leverage.
pub const LEVERAGE: u32 = 100;
/// Least volume of an order, in hundredths of a lot; also the step.
pub const VOLUME_MIN: i64 = 1;
/// Largest volume of an order, in hundredths of a lot.
pub const VOLUME_MAX: i64 = 10_000;
/// Stops must stay this many points away from the price.
pub const STOPS_LEVEL: i32 = 10;
/// Account currency.
pub const CURRENCY: &str = "USD";
/// Symbols have at most this many characters here, as in MetaTrader.
const NAME_MAX: usize = 31;

/// Whether `name` can be the simulator's symbol.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic())
}

/// Whether the broker takes this `type_filling`.
#[must_use]
pub const fn fills(filling: u8) -> bool {
    matches!(filling, FILLING_FOK | FILLING_IOC)
}

/// A volume in hundredths of a lot; none if it is no whole number of them or outside of the limits.
#[must_use]
pub fn volume(lots: f64) -> Option<i64> {
    let hundredths = lots * 100.0;
    let whole = hundredths.round();
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, and the range is checked next")]
    let count = whole as i64;
    ((hundredths - whole).abs() < 1e-6 && (VOLUME_MIN..=VOLUME_MAX).contains(&count)).then_some(count)
}

/// Lots of so many hundredths.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "volumes are at most 10,000")]
pub fn lots(hundredths: i64) -> f64 {
    hundredths as f64 / 100.0
}

/// What a position of `volume` lots at `price` binds. Opposite positions are not set off against each other.
#[must_use]
pub fn margin(volume: f64, price: f64) -> f64 {
    money(volume * CONTRACT * price / f64::from(LEVERAGE))
}

/// What `volume` lots of a position of this type (0 buy, 1 sell) earn from `open` to `close`.
#[must_use]
pub fn profit(kind: u8, volume: f64, open: f64, close: f64) -> f64 {
    let way = if kind == ORDER_BUY { close - open } else { open - close };
    money(way * volume * CONTRACT)
}

/// To whole cents.
#[must_use]
pub fn money(amount: f64) -> f64 {
    let cents = (amount * 100.0).round() / 100.0;
    // No "-0.00" on anybody's screen.
    if cents == 0.0 { 0.0 } else { cents }
}

/// The specification as a terminal reports it.
#[must_use]
pub fn specification(name: &str, view: &MarketView<'_>) -> SymbolSpec {
    let tick = view.tick().unwrap_or_default();
    let (base, quote) = (name.get(..3).unwrap_or(name), name.get(3..6).unwrap_or(CURRENCY));
    let day = view.bars_from_pos("D1".parse().unwrap_or(crate::domain::market::Timeframe::M1), 0, 1);
    let (high, low) = day.last().map_or((tick.bid, tick.bid), |bar| (bar.high, bar.low));
    #[expect(clippy::cast_possible_truncation, reason = "a spread in points is small")]
    let spread = ((tick.ask - tick.bid) / path::POINT).round() as i32;
    SymbolSpec {
        select: true,
        visible: true,
        time: tick.time,
        digits: path::DIGITS,
        spread,
        spread_float: true,
        trade_mode: 4,
        trade_stops_level: STOPS_LEVEL,
        trade_exemode: 2,
        swap_rollover3days: 3,
        expiration_mode: 15,
        filling_mode: 1 | 2,
        order_mode: 1 | 16 | 32,
        bid: tick.bid,
        bidhigh: high,
        bidlow: low,
        ask: tick.ask,
        askhigh: path::round(high + (tick.ask - tick.bid)),
        asklow: path::round(low + (tick.ask - tick.bid)),
        point: path::POINT,
        trade_tick_value: 1.0,
        trade_tick_value_profit: 1.0,
        trade_tick_value_loss: 1.0,
        trade_tick_size: path::POINT,
        trade_contract_size: CONTRACT,
        volume_min: lots(VOLUME_MIN),
        volume_max: lots(VOLUME_MAX),
        volume_step: lots(VOLUME_MIN),
        margin_hedged: 2.0 * CONTRACT,
        currency_base: base.to_owned(),
        currency_profit: quote.to_owned(),
        currency_margin: base.to_owned(),
        description: format!("{name}, replayed"),
        name: name.to_owned(),
        path: format!("Forex\\{name}"),
        ..SymbolSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_whole_hundredths_within_the_limits() {
        for (lots, hundredths) in [(0.01, Some(1)), (0.07, Some(7)), (100.0, Some(10_000)), (0.29, Some(29))] {
            assert_eq!(volume(lots), hundredths, "{lots}");
        }
        for lots in [0.0, 0.005, 0.015, -0.01, 100.01, f64::NAN, f64::INFINITY] {
            assert_eq!(volume(lots), None, "{lots}");
        }
    }

    #[test]
    fn a_lot_earns_ten_dollars_a_pip() {
        assert_eq!(profit(0, 1.0, 1.08, 1.0801), 10.0);
        assert_eq!(profit(1, 1.0, 1.08, 1.0801), -10.0);
        assert_eq!(margin(1.0, 1.08), 1080.0);
        assert!(money(-0.001).is_sign_positive());
    }
}
