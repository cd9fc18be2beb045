//! What the paper broker trades: each symbol's contract, and the arithmetic of its prices, volume, margin and profit.
//!
//! The account is in US dollars. The first symbol is the one whose bars are replayed; the others are made from it, openly, so that
//! lists, groups and limits by symbol can be tried: their names begin with `SYN.`.

use std::sync::Arc;

use super::{bars::BarSet, replay::MarketView, rules::Rules};
use crate::domain::{
    market::{Bar, SymbolSpec, Timeframe},
    trade::ORDER_SELL,
};

/// Least volume of an order, in hundredths of a lot; also the step.
pub const VOLUME_MIN: i64 = 1;
/// Largest volume of an order, in hundredths of a lot.
pub const VOLUME_MAX: i64 = 10_000;
/// Account currency.
pub const CURRENCY: &str = "USD";
/// Symbols have at most this many characters here, as in MetaTrader.
const NAME_MAX: usize = 31;
/// Less than any step of a price, more than the noise of a float; as a part of a point.
const NOISE: f64 = 0.001;

/// How the prices of a symbol come from those that are replayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// One divided by them.
    Inverse,
    /// So many times them.
    Scaled(f64),
}

/// How an amount in the symbol's quote currency becomes dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Money {
    /// It is dollars.
    Quote,
    /// The base currency is the dollar: divided by the price.
    Base,
}

/// A symbol that is made from the first one.
#[derive(Debug)]
pub(super) struct Synthetic {
    name: &'static str,
    way: Way,
    digits: u8,
    contract: f64,
    base: &'static str,
    quote: &'static str,
    swap: (f64, f64),
    description: &'static str,
}

/// The symbols that are made from the first one.
pub(super) const SYNTHETIC: [Synthetic; 2] = [
    Synthetic {
        name: "SYN.USDEUR",
        way: Way::Inverse,
        digits: 5,
        contract: 100_000.0,
        base: "USD",
        quote: "EUR",
        swap: (2.0, -6.5),
        description: "Synthetic: one divided by the replayed price",
    },
    Synthetic {
        name: "SYN.GOLD",
        way: Way::Scaled(2_000.0),
        digits: 2,
        contract: 100.0,
        base: "XAU",
        quote: "USD",
        swap: (-32.0, 14.0),
        description: "Synthetic: 2000 times the replayed price",
    },
];

impl Synthetic {
    /// Its bars, from those that are replayed. Rounding keeps the order of prices, so a bar stays a bar.
    pub(super) fn bars(&self, real: &BarSet) -> (Vec<Bar>, u8) {
        let point = point_of(self.digits);
        let price = |price: f64| match self.way {
            Way::Inverse => round_to(1.0 / price, self.digits),
            Way::Scaled(by) => round_to(price * by, self.digits),
        };
        let made = real.m1().iter().map(|bar| {
            let (high, low) = (price(bar.high), price(bar.low));
            let slope = match self.way {
                Way::Inverse => 1.0 / (bar.close * bar.close),
                Way::Scaled(by) => by,
            };
            #[expect(clippy::cast_possible_truncation, reason = "a spread in points is small")]
            let spread = (f64::from(bar.spread) * point_of(real.digits()) * slope / point).round() as i32;
            Bar { open: price(bar.open), high: high.max(low), low: high.min(low), close: price(bar.close), spread, ..*bar }
        });
        (made.collect(), self.digits)
    }
}

/// One symbol of the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Instrument {
    /// Its name.
    pub name: String,
    /// Digits after the point of its prices.
    pub digits: u8,
    /// Units of the base currency in one lot.
    pub contract: f64,
    /// Points a lot and night that a buy earns; negative where it pays.
    pub swap_long: f64,
    /// The same of a sell.
    pub swap_short: f64,
    /// Which of [`SYNTHETIC`], if it is one.
    pub(super) synthetic: Option<usize>,
    money: Money,
    base: String,
    quote: String,
    description: String,
    path: String,
}

/// Everything that the broker trades, the replayed symbol first.
#[must_use]
pub fn all(symbol: &str, digits: u8, synthetic: bool) -> Arc<[Instrument]> {
    let first = Instrument::real(symbol, digits);
    let made = SYNTHETIC.iter().enumerate().filter(|_| synthetic).map(|(at, one)| Instrument::synthetic(at, one));
    std::iter::once(first).chain(made.filter(|one| one.name != symbol)).collect()
}

impl Instrument {
    /// The symbol whose bars are replayed. Of a name like `USDJPY` the first three letters are the base currency.
    fn real(name: &str, digits: u8) -> Self {
        let (base, quote) = (name.get(..3).unwrap_or(name), name.get(3..6).unwrap_or(CURRENCY));
        Self {
            name: name.to_owned(),
            digits,
            contract: 100_000.0,
            swap_long: -6.5,
            swap_short: 2.0,
            synthetic: None,
            money: if base == CURRENCY { Money::Base } else { Money::Quote },
            base: base.to_owned(),
            quote: quote.to_owned(),
            description: format!("{name}, replayed"),
            path: format!("Forex\\{name}"),
        }
    }

    fn synthetic(at: usize, one: &Synthetic) -> Self {
        Self {
            name: one.name.to_owned(),
            digits: one.digits,
            contract: one.contract,
            swap_long: one.swap.0,
            swap_short: one.swap.1,
            synthetic: Some(at),
            money: if one.base == CURRENCY { Money::Base } else { Money::Quote },
            base: one.base.to_owned(),
            quote: one.quote.to_owned(),
            description: one.description.to_owned(),
            path: format!("Synthetic\\{}", one.name),
        }
    }

    /// The smallest price step.
    #[must_use]
    pub fn point(&self) -> f64 {
        point_of(self.digits)
    }

    /// `price` to the nearest step.
    #[must_use]
    pub fn round(&self, price: f64) -> f64 {
        round_to(price, self.digits)
    }

    /// Whether `distance` is at least so many points.
    pub(super) fn is_away(&self, distance: f64, points: i32) -> bool {
        distance >= (f64::from(points) - NOISE) * self.point()
    }

    /// What `volume` lots at `price` bind at this leverage. Opposite positions are not set off against each other.
    #[must_use]
    pub fn margin(&self, volume: f64, price: f64, leverage: u32) -> f64 {
        let dollars = match self.money {
            Money::Quote => volume * self.contract * price,
            Money::Base => volume * self.contract,
        };
        money(dollars / f64::from(leverage.max(1)))
    }

    /// What `volume` lots of a position of this type (0 buy, 1 sell) earn from `open` to `close`.
    #[must_use]
    pub fn profit(&self, kind: u8, volume: f64, open: f64, close: f64) -> f64 {
        let way = if kind == ORDER_SELL { open - close } else { close - open };
        money(self.dollars(way * volume * self.contract, close))
    }

    /// What one night costs or earns a position of this type.
    #[must_use]
    pub fn swap(&self, kind: u8, volume: f64, price: f64) -> f64 {
        let points = if kind == ORDER_SELL { self.swap_short } else { self.swap_long };
        money(self.dollars(points * self.point() * volume * self.contract, price))
    }

    fn dollars(&self, quote: f64, price: f64) -> f64 {
        match self.money {
            Money::Quote => quote,
            Money::Base if price > 0.0 => quote / price,
            Money::Base => 0.0,
        }
    }

    /// The specification as a terminal reports it; `view` is of this symbol's own market.
    #[must_use]
    pub fn specification(&self, rules: &Rules, shown: bool, view: &MarketView<'_>) -> SymbolSpec {
        let tick = view.tick().unwrap_or_default();
        let day = view.bars_from_pos("D1".parse().unwrap_or(Timeframe::M1), 0, 1);
        let (high, low) = day.last().map_or((tick.bid, tick.bid), |bar| (bar.high, bar.low));
        let gap = tick.ask - tick.bid;
        #[expect(clippy::cast_possible_truncation, reason = "a spread in points is small")]
        let spread = (gap / self.point()).round() as i32;
        let tick_value = self.dollars(self.point() * self.contract, tick.bid);
        SymbolSpec {
            select: shown,
            visible: shown,
            time: tick.time,
            digits: self.digits,
            spread,
            spread_float: true,
            ticks_bookdepth: rules.depth_levels,
            trade_calc_mode: if self.synthetic.is_some() && self.base == "XAU" { 4 } else { 0 },
            trade_mode: rules.trade_mode,
            trade_stops_level: rules.stops_level,
            trade_freeze_level: rules.freeze_level,
            trade_exemode: rules.execution,
            swap_mode: 1,
            swap_rollover3days: 3,
            expiration_mode: 15,
            filling_mode: rules.filling_mode,
            order_mode: 127,
            bid: tick.bid,
            bidhigh: high,
            bidlow: low,
            ask: tick.ask,
            askhigh: self.round(high + gap),
            asklow: self.round(low + gap),
            point: self.point(),
            trade_tick_value: tick_value,
            trade_tick_value_profit: tick_value,
            trade_tick_value_loss: tick_value,
            trade_tick_size: self.point(),
            trade_contract_size: self.contract,
            volume_min: lots(VOLUME_MIN),
            volume_max: lots(VOLUME_MAX),
            volume_step: lots(VOLUME_MIN),
            swap_long: self.swap_long,
            swap_short: self.swap_short,
            margin_hedged: 2.0 * self.contract,
            currency_base: self.base.clone(),
            currency_profit: self.quote.clone(),
            currency_margin: self.base.clone(),
            description: self.description.clone(),
            name: self.name.clone(),
            path: self.path.clone(),
            ..SymbolSpec::default()
        }
    }
}

/// Whether `name` can be the simulator's symbol.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic())
}

/// The smallest price step of so many digits.
#[must_use]
pub fn point_of(digits: u8) -> f64 {
    1.0 / 10_f64.powi(i32::from(digits))
}

/// `price` to the nearest step of so many digits.
#[must_use]
pub fn round_to(price: f64, digits: u8) -> f64 {
    let steps = 10_f64.powi(i32::from(digits));
    (price * steps).round() / steps
}

/// A volume in hundredths of a lot; none if it is no whole number of them or outside of the limits.
#[must_use]
pub fn volume(lots: f64) -> Option<i64> {
    let hundredths = lots * 100.0;
    let whole = hundredths.round();
    let count = hundredths_of(lots);
    ((hundredths - whole).abs() < 1e-6 && (VOLUME_MIN..=VOLUME_MAX).contains(&count)).then_some(count)
}

/// A volume that the broker keeps, in hundredths of a lot.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
pub fn hundredths_of(lots: f64) -> i64 {
    (lots * 100.0).round() as i64
}

/// Lots of so many hundredths.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "volumes are at most some millions")]
pub fn lots(hundredths: i64) -> f64 {
    hundredths as f64 / 100.0
}

/// To whole cents.
#[must_use]
pub fn money(amount: f64) -> f64 {
    let cents = (amount * 100.0).round() / 100.0;
    // No "-0.00" on anybody's screen.
    if cents == 0.0 { 0.0 } else { cents }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trade::ORDER_BUY;

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
    fn a_lot_of_eurusd_earns_ten_dollars_a_pip_and_the_synthetic_ones_are_converted() {
        let all = all("EURUSD", 5, true);
        let [eurusd, usdeur, gold] = &*all else { panic!("three") };
        assert_eq!(eurusd.profit(ORDER_BUY, 1.0, 1.08, 1.0801), 10.0);
        assert_eq!(eurusd.profit(ORDER_SELL, 1.0, 1.08, 1.0801), -10.0);
        assert_eq!(eurusd.margin(1.0, 1.08, 100), 1080.0);
        // 0.0010 of 100,000 dollars are 100 euros, and a euro costs 1/0.9 dollars.
        assert_eq!(usdeur.profit(ORDER_BUY, 1.0, 0.899, 0.9), 111.11);
        assert_eq!(usdeur.margin(1.0, 0.9, 100), 1_000.0);
        assert_eq!(gold.profit(ORDER_BUY, 1.0, 2_180.0, 2_181.5), 150.0);
        assert_eq!(eurusd.swap(ORDER_BUY, 1.0, 1.08), -6.5);
        assert!(money(-0.001).is_sign_positive());
    }

    #[test]
    fn synthetic_bars_are_bars_at_the_same_minutes_and_their_prices_are_made_as_told() {
        let real = BarSet::embedded().unwrap();
        for (at, one) in SYNTHETIC.iter().enumerate() {
            let made = real.synthetic(at);
            assert_eq!(made.m1().len(), real.m1().len());
            for (bar, from) in made.m1().iter().zip(real.m1()) {
                assert!(bar.time == from.time && bar.low <= bar.open.min(bar.close) && bar.high >= bar.open.max(bar.close));
                let expected = if at == 0 { round_to(1.0 / from.open, 5) } else { round_to(from.open * 2_000.0, 2) };
                assert_eq!(bar.open, expected, "{}", one.name);
            }
            assert!(Arc::ptr_eq(made, real.synthetic(at)), "made once for all terminals");
        }
    }
}
