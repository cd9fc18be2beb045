//! What can be read of the account at the price of now: its figures, positions and orders, and what a request would come to.

use super::Broker;
use crate::{
    domain::{
        account::{AccountInfo, MARGIN_MODE_HEDGING},
        market::{BookLevel, SymbolSpec, Tick},
        trade::{ORDER_BUY, Order, OrderCheck, Position, TradeRequest, action},
    },
    simulator::{
        instrument::{self, Instrument, hundredths_of, money},
        judge,
        replay::MarketView,
        rules::Quirk,
    },
};

/// Margin level in percent at which the broker warns.
const MARGIN_CALL: f64 = 100.0;
/// Lots at the best price of the book; each further level has as many more.
const DEPTH_LOTS: f64 = 1.0;

impl Broker {
    /// The open positions, by ticket, at the price now.
    #[must_use]
    pub fn positions(&self, view: &MarketView<'_>) -> Vec<Position> {
        let now = |position: &Position| {
            let (price_current, profit) = self.worth(position, view);
            Position { price_current, profit, ..position.clone() }
        };
        self.positions.values().map(now).collect()
    }

    /// The open orders, by ticket, at the price now.
    #[must_use]
    pub fn orders(&self, view: &MarketView<'_>) -> Vec<Order> {
        let now = |order: &Order| {
            let tick = self.tick_of(&order.symbol, view).unwrap_or_default();
            let price_current = if judge::side(order.kind) == ORDER_BUY { tick.ask } else { tick.bid };
            Order { price_current, ..order.clone() }
        };
        self.orders.values().map(now).collect()
    }

    /// A symbol by its name.
    #[must_use]
    pub fn instrument(&self, symbol: &str) -> Option<&Instrument> {
        self.instruments.iter().find(|one| one.name == symbol)
    }

    /// The newest tick of a symbol.
    pub(in crate::simulator) fn tick_of(&self, symbol: &str, view: &MarketView<'_>) -> Option<Tick> {
        view.of_symbol(self.instrument(symbol)?).tick()
    }

    /// Price at which a position would be closed, and what it would earn.
    fn worth(&self, position: &Position, view: &MarketView<'_>) -> (f64, f64) {
        let Some(of) = self.instrument(&position.symbol) else { return (0.0, 0.0) };
        let tick = view.of_symbol(of).tick().unwrap_or_default();
        let price = if position.kind == ORDER_BUY { tick.bid } else { tick.ask };
        (price, of.profit(position.kind, position.volume, position.price_open, price))
    }

    /// The margin that a position binds.
    pub(super) fn bound_by(&self, position: &Position, of: &Instrument) -> f64 {
        of.margin(position.volume, position.price_open, self.settings.leverage)
    }

    /// The account's figures at the price now.
    #[must_use]
    pub fn account(&self, view: &MarketView<'_>) -> AccountInfo {
        let settings = &self.settings;
        let earned = |position: &Position| self.worth(position, view).1 + position.swap;
        let bound = |position: &Position| self.instrument(&position.symbol).map_or(0.0, |of| self.bound_by(position, of));
        let profit = money(self.positions.values().map(earned).sum());
        let margin = money(self.positions.values().map(bound).sum());
        let equity = money(self.balance + profit);
        AccountInfo {
            login: settings.login,
            trade_mode: settings.trade_mode,
            leverage: settings.leverage,
            limit_orders: settings.rules.limit_orders,
            trade_allowed: true,
            trade_expert: true,
            margin_mode: if settings.netting { 0 } else { MARGIN_MODE_HEDGING },
            currency_digits: 2,
            balance: self.balance,
            profit,
            equity,
            margin,
            margin_free: money(equity - margin),
            margin_level: if margin == 0.0 { 0.0 } else { money(equity / margin * 100.0) },
            margin_so_call: MARGIN_CALL,
            margin_so_so: settings.rules.stop_out,
            name: "Paper account".into(),
            server: settings.server.clone(),
            currency: instrument::CURRENCY.into(),
            company: settings.company.clone(),
            ..AccountInfo::default()
        }
    }

    /// What a symbol is; `shown` tells whether it stands in Market Watch.
    #[must_use]
    pub fn specification(&self, of: &Instrument, shown: bool, view: &MarketView<'_>) -> SymbolSpec {
        of.specification(&self.settings.rules, shown, &view.of_symbol(of))
    }

    /// The depth of market, made from the newest tick: sells from high to low, then buys. A limit on what a tick fills is the volume of
    /// the best price.
    #[must_use]
    pub fn depth(&self, of: &Instrument, view: &MarketView<'_>) -> Vec<BookLevel> {
        let Some(tick) = view.of_symbol(of).tick() else { return Vec::new() };
        let best = if self.settings.rules.liquidity > 0.0 { self.settings.rules.liquidity } else { DEPTH_LOTS };
        let level = |kind: u8, price: f64, at: u32| {
            let volume_real = best * f64::from(at + 1);
            let volume = u64::try_from(hundredths_of(volume_real) / 100).unwrap_or(0);
            BookLevel { kind, price: of.round(price), volume, volume_real }
        };
        let away = |at: u32| f64::from(at) * of.point();
        let levels = self.settings.rules.depth_levels;
        let sells = (0..levels).rev().map(|at| level(1, tick.ask + away(at), at));
        sells.chain((0..levels).map(|at| level(2, tick.bid - away(at), at))).collect()
    }

    /// `OrderCheck`: what the request would come to now. Nothing happens.
    #[must_use]
    pub fn check(&mut self, request: &TradeRequest, view: &MarketView<'_>) -> OrderCheck {
        let kept = (self.last_ticket, self.taken.clone(), self.waits.clone());
        let done = self.carry_out(request, Quirk::default(), view);
        (self.last_ticket, self.taken, self.waits) = kept;
        let account = self.account(view);
        let before = OrderCheck {
            balance: account.balance,
            equity: account.equity,
            profit: account.profit,
            margin_free: account.margin_free,
            margin_level: account.margin_level,
            ..OrderCheck::default()
        };
        if let Err(retcode) = done {
            return OrderCheck { retcode, comment: judge::text(retcode).into(), ..before };
        }
        let opens = matches!(request.action, action::DEAL | action::PENDING);
        let closes = request.position != 0 && !self.settings.netting;
        let Some(of) = self.instrument(&request.symbol).filter(|_| opens && !closes) else {
            return OrderCheck { comment: "Done".into(), ..before };
        };
        let tick = view.of_symbol(of).tick().unwrap_or_default();
        let now = if judge::side(request.kind) == ORDER_BUY { tick.ask } else { tick.bid };
        let price = if request.action == action::PENDING { request.price } else { now };
        let margin = of.margin(request.volume, price, self.settings.leverage);
        let bound = account.margin + margin;
        OrderCheck {
            margin,
            margin_free: money(account.equity - bound),
            margin_level: if bound == 0.0 { 0.0 } else { money(account.equity / bound * 100.0) },
            comment: "Done".into(),
            ..before
        }
    }

    /// `OrderCalcMargin`; a price of 0 is the one of now. None if there is no such symbol or no price.
    #[must_use]
    pub fn calc_margin(&self, kind: u8, symbol: &str, volume: f64, price: f64, view: &MarketView<'_>) -> Option<f64> {
        let of = self.instrument(symbol)?;
        let tick = view.of_symbol(of).tick()?;
        let now = if judge::side(kind) == ORDER_BUY { tick.ask } else { tick.bid };
        Some(of.margin(volume, if price == 0.0 { now } else { price }, self.settings.leverage))
    }
}
