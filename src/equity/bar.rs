//! Five minutes of an account's equity, and an hour of them as it is stored.

use serde::{Deserialize, Serialize};

use super::HOUR_MS;
use crate::domain::UnixMillis;

/// Length of a bar.
pub(super) const STEP_MS: i64 = 300_000;
/// Decimals that are tried.
const DIGITS_MAX: u8 = 8;
/// Above it a whole number is not always a whole number as `f64`.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// What was heard of an account's equity within a stretch of time. All money is in the account's currency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EquityBar {
    /// When the stretch begins, UTC by the hub's clock.
    pub time: UnixMillis,
    /// Lowest equity.
    pub low: f64,
    /// Highest equity.
    pub high: f64,
    /// Last equity.
    pub equity: f64,
    /// Last balance.
    pub balance: f64,
}

impl EquityBar {
    /// What is heard at a time, as the bar that it belongs to.
    pub(super) fn heard(at: UnixMillis, balance: f64, equity: f64) -> Self {
        Self { time: begin(at, STEP_MS), low: equity, high: equity, equity, balance }
    }

    /// Takes in what was heard later.
    pub(super) fn add(&mut self, later: &Self) {
        let (low, high) = (self.low.min(later.low), self.high.max(later.high));
        *self = Self { time: self.time, low, high, ..*later };
    }

    /// Takes its place among others, by time. What is there of the same time was heard before.
    pub(super) fn add_to(&self, bars: &mut Vec<Self>) {
        match bars.binary_search_by_key(&self.time, |bar| bar.time) {
            Ok(at) => bars[at].add(self),
            Err(at) => bars.insert(at, *self),
        }
    }

    /// Hours since 1970.
    pub(super) fn hour(&self) -> u64 {
        u64::try_from(self.time.0.div_euclid(HOUR_MS)).unwrap_or(0)
    }
}

/// When the stretch of this length begins that a time is in.
pub(super) const fn begin(at: UnixMillis, length_ms: i64) -> UnixMillis {
    UnixMillis(at.0.saturating_sub(at.0.rem_euclid(length_ms)))
}

/// The bars of an hour as they are stored, in order. Money is nearly always a short decimal: as whole numbers and differences a bar is a third
/// as long as with its numbers written out.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct EquityHour {
    /// Decimals of the numbers in `short`.
    pub(super) digits: u8,
    /// Which five minutes of the hour; equity minus that of the bar before; equity minus low; high minus equity; balance minus that of the bar
    /// before.
    pub(super) short: Vec<(u8, i64, i64, i64, i64)>,
    /// Which five minutes; low, high, equity and balance, where they are no short decimals.
    pub(super) long: Vec<(u8, f64, f64, f64, f64)>,
}

impl EquityHour {
    /// Of bars of one hour, in order.
    pub(super) fn of(bars: &[EquityBar]) -> Self {
        let slot = |bar: &EquityBar| u8::try_from(bar.time.0.rem_euclid(HOUR_MS) / STEP_MS).unwrap_or(0);
        let Some((digits, numbers)) = (0..=DIGITS_MAX).find_map(|digits| {
            let whole = |bar: &EquityBar| Some([bar.low, bar.high, bar.equity, bar.balance].map(|money| whole(money, digits)));
            let all: Option<Vec<_>> = bars.iter().map(|bar| whole(bar).and_then(all_of)).collect();
            Some((digits, all?))
        }) else {
            let long = bars.iter().map(|bar| (slot(bar), bar.low, bar.high, bar.equity, bar.balance)).collect();
            return Self { long, ..Self::default() };
        };
        let (mut before, mut paid) = (0, 0);
        let short = bars.iter().zip(numbers).map(|(bar, [low, high, equity, balance])| {
            let row = (slot(bar), equity - before, equity - low, high - equity, balance - paid);
            (before, paid) = (equity, balance);
            row
        });
        Self { digits, short: short.collect(), long: Vec::new() }
    }

    /// The bars again, of the hour that the record's key tells.
    pub(super) fn bars(&self, hour: u64) -> Vec<EquityBar> {
        let hour = i64::try_from(hour).unwrap_or(0).saturating_mul(HOUR_MS);
        let time = |slot: u8| UnixMillis(hour.saturating_add(i64::from(slot) * STEP_MS));
        let (mut before, mut paid) = (0_i64, 0_i64);
        let short = self.short.iter().map(|&(slot, equity, fall, rise, balance)| {
            (before, paid) = (before.wrapping_add(equity), paid.wrapping_add(balance));
            let [low, high, equity, balance] =
                [before.wrapping_sub(fall), before.wrapping_add(rise), before, paid].map(|number| money(number, self.digits));
            EquityBar { time: time(slot), low, high, equity, balance }
        });
        let long = self.long.iter().map(|&(slot, low, high, equity, balance)| EquityBar {
            time: time(slot),
            low,
            high,
            equity,
            balance,
        });
        short.chain(long).collect()
    }
}

fn all_of<const N: usize>(numbers: [Option<i64>; N]) -> Option<[i64; N]> {
    let mut all = [0; N];
    for (to, from) in all.iter_mut().zip(numbers) {
        *to = from?;
    }
    Some(all)
}

/// A number with so many decimals as a whole one, if it is exactly that.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and below 2^53")]
fn whole(number: f64, digits: u8) -> Option<i64> {
    let scaled = (number * 10_f64.powi(i32::from(digits))).round();
    let number_again = scaled.abs() < EXACT_MAX && money(scaled as i64, digits).to_bits() == number.to_bits();
    number_again.then_some(scaled as i64)
}

#[expect(clippy::cast_precision_loss, reason = "what was stored is below 2^53")]
fn money(whole: i64, digits: u8) -> f64 {
    whole as f64 / 10_f64.powi(i32::from(digits))
}
