//! The paper broker: a hedging account that answers `OrderSend` as a trade server does. Pure and synchronous; the market is
//! handed in.

mod settlement;

use std::collections::{BTreeMap, VecDeque};

use super::{
    contract, judge,
    ledger::{Entry, Executed, Lines},
    path,
    replay::MarketView,
};
use crate::domain::{
    account::{AccountInfo, MARGIN_MODE_HEDGING, TRADE_MODE_DEMO},
    market::Tick,
    trade::{Deal, ORDER_BUY, ORDER_SELL, Position, TradeRequest, TradeResult, action, retcode},
};

/// The oldest deals and requests are dropped from memory beyond this, as a terminal shows only so much history.
const HISTORY_MAX: usize = 100_000;
/// `DEAL_TYPE_BALANCE`.
const DEAL_BALANCE: u8 = 2;
/// `DEAL_ENTRY_IN`.
const ENTRY_IN: u8 = 0;
/// `DEAL_ENTRY_OUT`.
const ENTRY_OUT: u8 = 1;
/// `POSITION_REASON_EXPERT`, `DEAL_REASON_EXPERT`.
const REASON_EXPERT: u8 = 3;
/// Margin level in percent at which the broker warns.
const MARGIN_CALL: f64 = 100.0;
/// Margin level in percent at which the broker closes the worst position.
const STOP_OUT: f64 = 50.0;

/// Whose account it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountSettings {
    /// Account number.
    pub login: u64,
    /// Trade server's name.
    pub server: String,
    /// Company's name.
    pub company: String,
    /// 0 demo, 2 real. A paper account may claim to be real, to test what the hub does then.
    pub trade_mode: u8,
    /// First deposit.
    pub balance: f64,
    /// The one symbol.
    pub symbol: String,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            login: 1001,
            server: "Demo-Server".into(),
            company: "mtbridge paper broker".into(),
            trade_mode: TRADE_MODE_DEMO,
            balance: 10_000.0,
            symbol: "EURUSD".into(),
        }
    }
}

/// The account at the broker.
#[derive(Debug)]
pub struct Broker {
    settings: AccountSettings,
    positions: BTreeMap<u64, Position>,
    deals: VecDeque<Deal>,
    requests: VecDeque<Executed>,
    balance: f64,
    last_ticket: u64,
    request_id: u32,
    /// Grows with every change of positions and balance.
    revision: u64,
    /// Stops have been looked for up to this broker time.
    settled_ms: i64,
    /// Tick and revision for which the margin level was last judged.
    margin_judged: (i64, u64),
    /// Broker time of the newest deal that memory has dropped.
    forgotten_ms: Option<i64>,
    lines: Lines,
    /// The ledger could not be written: from then on file and memory may differ, so nothing is traded any more.
    broken: bool,
}

impl Broker {
    /// An account that lives as long as this value.
    #[must_use]
    pub fn in_memory(settings: AccountSettings, view: &MarketView<'_>) -> Self {
        Self::rebuild(settings, Lines::default(), Vec::new(), view)
    }

    /// The account that `entries` describe, written on to `lines`; without any it begins with a deposit.
    pub(super) fn rebuild(settings: AccountSettings, lines: Lines, entries: Vec<Entry>, view: &MarketView<'_>) -> Self {
        let mut broker = Self {
            settings,
            positions: BTreeMap::new(),
            deals: VecDeque::new(),
            requests: VecDeque::new(),
            balance: 0.0,
            last_ticket: 0,
            request_id: 0,
            revision: 0,
            settled_ms: view.now_ms(),
            margin_judged: (0, 0),
            forgotten_ms: None,
            lines,
            broken: false,
        };
        if let Some(last) = entries.last() {
            // What the price did since then is still to be looked at; that tick too, for it may have touched a second stop.
            broker.settled_ms = last.at_ms - 1;
        }
        if entries.is_empty() {
            let ticket = broker.ticket();
            let deposit = Deal {
                kind: DEAL_BALANCE,
                profit: broker.settings.balance,
                comment: "deposit".into(),
                ..broker.deal(ticket, view.now_ms())
            };
            broker.commit(Entry { at_ms: view.now_ms(), deals: vec![deposit], ..Entry::default() });
        } else {
            entries.into_iter().for_each(|entry| broker.apply(entry));
        }
        broker
    }

    /// `OrderSend`: judges the request, does it, writes it down, answers.
    pub fn order_send(&mut self, request: &TradeRequest, view: &MarketView<'_>) -> TradeResult {
        self.settle(view);
        self.request_id = self.request_id.wrapping_add(1);
        if self.broken {
            return self.answer(retcode::CONNECTION);
        }
        let at_ms = view.now_ms();
        let (result, mut entry) = match self.carry_out(request, view) {
            Ok(done) => done,
            Err(code) => (self.answer(code), Entry::default()),
        };
        if [request.volume, request.price, request.stoplimit, request.sl, request.tp].iter().any(|number| !number.is_finite()) {
            // A terminal refuses what is no number by itself: it never reaches the broker, so it is not in the ledger.
            return result;
        }
        entry.at_ms = at_ms;
        entry.executed = Some(Executed { at_ms, request: request.clone(), result: result.clone() });
        if self.commit(entry) { result } else { self.answer(retcode::ERROR) }
    }

    fn carry_out(&mut self, request: &TradeRequest, view: &MarketView<'_>) -> Result<(TradeResult, Entry), u32> {
        judge::shape(request, &self.settings.symbol)?;
        let tick = view.tick().filter(|_| view.is_open()).ok_or(retcode::MARKET_CLOSED)?;
        match request.action {
            action::SLTP => self.move_stops(request, &tick, view),
            _ if request.position == 0 => self.open(request, &tick, view),
            _ => self.close(request, &tick, view),
        }
    }

    fn open(&mut self, request: &TradeRequest, tick: &Tick, view: &MarketView<'_>) -> Result<(TradeResult, Entry), u32> {
        let price = if request.kind == ORDER_BUY { tick.ask } else { tick.bid };
        let (sl, tp) = (path::round(request.sl), path::round(request.tp));
        judge::stops(request.kind, sl, tp, tick)?;
        let account = self.account(view);
        judge::money(&account, contract::margin(request.volume, price), self.positions.len())?;
        let now_ms = view.now_ms();
        let (order, deal) = (self.ticket(), self.ticket());
        let position = Position {
            ticket: order,
            time: view.now(),
            time_msc: now_ms,
            time_update: view.now(),
            time_update_msc: now_ms,
            kind: request.kind,
            magic: request.magic,
            identifier: order,
            reason: REASON_EXPERT,
            volume: request.volume,
            price_open: price,
            sl,
            tp,
            symbol: request.symbol.clone(),
            comment: request.comment.clone(),
            ..Position::default()
        };
        let deal = Deal {
            order,
            kind: request.kind,
            entry: ENTRY_IN,
            magic: request.magic,
            position_id: order,
            reason: REASON_EXPERT,
            volume: request.volume,
            price,
            symbol: request.symbol.clone(),
            comment: request.comment.clone(),
            ..self.deal(deal, now_ms)
        };
        let result = TradeResult { deal: deal.ticket, order, volume: request.volume, price, ..self.done(tick) };
        Ok((result, Entry { deals: vec![deal], position: Some(position), ..Entry::default() }))
    }

    fn close(&mut self, request: &TradeRequest, tick: &Tick, view: &MarketView<'_>) -> Result<(TradeResult, Entry), u32> {
        let position = self.find(request.position)?.clone();
        judge::closing(request, &position)?;
        let price = if position.kind == ORDER_BUY { tick.bid } else { tick.ask };
        let by = Closing { volume: request.volume, price, at_ms: view.now_ms(), magic: request.magic, reason: REASON_EXPERT };
        let entry = self.closing_entry(&position, by, request.comment.clone());
        let deal = entry.deals.first().cloned().unwrap_or_default();
        let result = TradeResult { deal: deal.ticket, order: deal.order, volume: deal.volume, price, ..self.done(tick) };
        Ok((result, entry))
    }

    fn move_stops(&mut self, request: &TradeRequest, tick: &Tick, view: &MarketView<'_>) -> Result<(TradeResult, Entry), u32> {
        let mut position = self.find(request.position)?.clone();
        let (sl, tp) = (path::round(request.sl), path::round(request.tp));
        if same(sl, position.sl) && same(tp, position.tp) {
            return Err(retcode::NO_CHANGES);
        }
        judge::stops(position.kind, sl, tp, tick)?;
        (position.sl, position.tp) = (sl, tp);
        (position.time_update, position.time_update_msc) = (view.now(), view.now_ms());
        Ok((self.done(tick), Entry { position: Some(position), ..Entry::default() }))
    }

    fn find(&self, ticket: u64) -> Result<&Position, u32> {
        // A trade server knows closed positions from ones that never were.
        let never = if self.deals.iter().any(|deal| deal.position_id == ticket && ticket != 0) {
            retcode::POSITION_CLOSED
        } else {
            retcode::INVALID_ORDER
        };
        self.positions.get(&ticket).ok_or(never)
    }

    fn closing_entry(&mut self, position: &Position, by: Closing, comment: String) -> Entry {
        let (order, deal) = (self.ticket(), self.ticket());
        let deal = Deal {
            order,
            kind: if position.kind == ORDER_BUY { ORDER_SELL } else { ORDER_BUY },
            entry: ENTRY_OUT,
            magic: by.magic,
            position_id: position.identifier,
            reason: by.reason,
            volume: by.volume,
            price: by.price,
            profit: contract::profit(position.kind, by.volume, position.price_open, by.price),
            symbol: position.symbol.clone(),
            comment,
            ..self.deal(deal, by.at_ms)
        };
        let left = contract::volume(position.volume).unwrap_or(0) - contract::volume(by.volume).unwrap_or(0);
        let rest = (left > 0).then(|| Position {
            volume: contract::lots(left),
            time_update: by.at_ms.div_euclid(1000),
            time_update_msc: by.at_ms,
            price_current: 0.0,
            profit: 0.0,
            ..position.clone()
        });
        let closed = rest.is_none().then_some(position.ticket);
        Entry { deals: vec![deal], position: rest, closed, ..Entry::default() }
    }

    /// Writes an entry and then makes it true. False if it could not be written.
    fn commit(&mut self, entry: Entry) -> bool {
        if let Err(error) = self.lines.append(&entry) {
            tracing::error!(%error, "the paper broker cannot write its ledger and stops trading");
            self.broken = true;
            return false;
        }
        self.apply(entry);
        true
    }

    fn apply(&mut self, entry: Entry) {
        self.revision += 1;
        for deal in entry.deals {
            self.balance = contract::money(self.balance + deal.profit + deal.commission + deal.swap + deal.fee);
            self.last_ticket = self.last_ticket.max(deal.ticket).max(deal.order);
            self.deals.push_back(deal);
        }
        if let Some(ticket) = entry.closed {
            self.positions.remove(&ticket);
        }
        if let Some(position) = entry.position {
            self.positions.insert(position.ticket, position);
        }
        if let Some(executed) = entry.executed {
            self.request_id = self.request_id.max(executed.result.request_id);
            self.requests.push_back(executed);
        }
        while self.requests.len() > HISTORY_MAX {
            self.requests.pop_front();
        }
        while self.deals.len() > HISTORY_MAX {
            self.forgotten_ms = self.deals.pop_front().map(|deal| deal.time_msc);
        }
    }

    /// Every request that reached the broker, refused ones too, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Executed> {
        self.requests.iter().cloned().collect()
    }

    /// Every deal, oldest first.
    pub fn deals(&self) -> impl Iterator<Item = &Deal> {
        self.deals.iter()
    }

    /// Whether the history in memory reaches back to this broker time, epoch seconds.
    #[must_use]
    pub fn history_covers(&self, time: i64) -> bool {
        self.forgotten_ms.is_none_or(|forgotten| forgotten < time.saturating_mul(1000))
    }

    /// The open positions, by ticket, at the price now.
    #[must_use]
    pub fn positions(&self, view: &MarketView<'_>) -> Vec<Position> {
        let tick = view.tick().unwrap_or_default();
        let now = |position: &Position| {
            let (price_current, profit) = at_tick(position, &tick);
            Position { price_current, profit, ..position.clone() }
        };
        self.positions.values().map(now).collect()
    }

    /// Grows with every change of positions and balance: a cheap way to see that there was one.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Whose account it is.
    #[must_use]
    pub const fn settings(&self) -> &AccountSettings {
        &self.settings
    }

    /// The account's figures at the price now.
    #[must_use]
    pub fn account(&self, view: &MarketView<'_>) -> AccountInfo {
        let tick = view.tick().unwrap_or_default();
        let profit = contract::money(self.positions.values().map(|position| at_tick(position, &tick).1).sum());
        let margin = contract::money(self.positions.values().map(|p| contract::margin(p.volume, p.price_open)).sum());
        let equity = contract::money(self.balance + profit);
        AccountInfo {
            login: self.settings.login,
            trade_mode: self.settings.trade_mode,
            leverage: contract::LEVERAGE,
            limit_orders: 200,
            trade_allowed: true,
            trade_expert: true,
            margin_mode: MARGIN_MODE_HEDGING,
            currency_digits: 2,
            balance: self.balance,
            profit,
            equity,
            margin,
            margin_free: contract::money(equity - margin),
            margin_level: if margin == 0.0 { 0.0 } else { contract::money(equity / margin * 100.0) },
            margin_so_call: MARGIN_CALL,
            margin_so_so: STOP_OUT,
            name: "Paper account".into(),
            server: self.settings.server.clone(),
            currency: contract::CURRENCY.into(),
            company: self.settings.company.clone(),
            ..AccountInfo::default()
        }
    }

    fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    fn deal(&self, ticket: u64, at_ms: i64) -> Deal {
        Deal { ticket, time: at_ms.div_euclid(1000), time_msc: at_ms, ..Deal::default() }
    }

    fn done(&self, tick: &Tick) -> TradeResult {
        TradeResult { bid: tick.bid, ask: tick.ask, ..self.answer(retcode::DONE) }
    }

    fn answer(&self, code: u32) -> TradeResult {
        TradeResult { retcode: code, comment: judge::text(code).into(), request_id: self.request_id, ..TradeResult::default() }
    }
}

/// How a position is closed, wholly or in part.
struct Closing {
    volume: f64,
    price: f64,
    at_ms: i64,
    magic: u64,
    reason: u8,
}

/// Price at which a position would be closed, and what it would earn.
fn at_tick(position: &Position, tick: &Tick) -> (f64, f64) {
    let price = if position.kind == ORDER_BUY { tick.bid } else { tick.ask };
    (price, contract::profit(position.kind, position.volume, position.price_open, price))
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < path::POINT / 2.0
}

#[cfg(test)]
#[path = "broker_tests.rs"]
mod tests;
