//! The paper broker: an account that answers `OrderSend` as a trade server does. Pure and synchronous; the market is handed in.

mod close_by;
mod figures;
mod filling;
mod market_orders;
mod pending;
mod settlement;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    broker_time::Zone,
    instrument::{self, Instrument},
    judge,
    ledger::{Entry, Executed, Lines, Origin},
    mt4,
    replay::MarketView,
    rules::{Quirk, Rules},
    stops,
    transactions::{self, Change},
};
use crate::domain::{
    account::{Platform, TRADE_MODE_DEMO},
    market::Tick,
    trade::{Deal, Order, Position, TradeRequest, TradeResult, action, retcode},
};

/// The oldest deals, orders and requests are dropped from memory beyond this, as a terminal shows only so much history.
const HISTORY_MAX: usize = 100_000;
/// So many of the newest changes wait for the terminals of the account.
const CHANGES_MAX: usize = 1_024;
/// `DEAL_TYPE_BALANCE`.
const DEAL_BALANCE: u8 = 2;
/// `POSITION_REASON_EXPERT`, `DEAL_REASON_EXPERT`, `ORDER_REASON_EXPERT`.
const REASON_EXPERT: u8 = 3;

/// `ORDER_STATE_*`.
pub(super) mod order_state {
    pub(in crate::simulator) const PLACED: u8 = 1;
    pub(in crate::simulator) const CANCELED: u8 = 2;
    pub(in crate::simulator) const PARTIAL: u8 = 3;
    pub(in crate::simulator) const FILLED: u8 = 4;
    pub(in crate::simulator) const REJECTED: u8 = 5;
    pub(in crate::simulator) const EXPIRED: u8 = 6;
}

/// `DEAL_ENTRY_*`.
pub(super) mod entry {
    pub(in crate::simulator) const IN: u8 = 0;
    pub(in crate::simulator) const OUT: u8 = 1;
    pub(in crate::simulator) const INOUT: u8 = 2;
    pub(in crate::simulator) const OUT_BY: u8 = 3;
}

/// Whose account it is, and by what rules it trades.
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
    /// Account leverage.
    pub leverage: u32,
    /// The symbol whose bars are replayed.
    pub symbol: String,
    /// Whether there are the symbols made from it, too.
    pub synthetic: bool,
    /// One position a symbol, instead of one a fill.
    pub netting: bool,
    /// What kind of server it is.
    pub platform: Platform,
    /// The server's clock.
    pub zone: Zone,
    /// How it trades.
    pub rules: Rules,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            login: 1001,
            server: "Demo-Server".into(),
            company: "mtbridge paper broker".into(),
            trade_mode: TRADE_MODE_DEMO,
            balance: 10_000.0,
            leverage: 100,
            symbol: "EURUSD".into(),
            synthetic: true,
            netting: false,
            platform: Platform::Mt5,
            zone: Zone::default(),
            rules: Rules::default(),
        }
    }
}

/// What a request comes to: an answer and a change, or a retcode.
type Done = Result<(TradeResult, Entry), u32>;

/// The account at the broker.
#[derive(Debug)]
pub struct Broker {
    settings: AccountSettings,
    instruments: Arc<[Instrument]>,
    positions: BTreeMap<u64, Position>,
    /// Open orders: pending ones, and what is left of market orders.
    orders: BTreeMap<u64, Order>,
    history: VecDeque<Order>,
    deals: VecDeque<Deal>,
    requests: VecDeque<Executed>,
    balance: f64,
    last_ticket: u64,
    request_id: u32,
    /// Grows with every change of positions, orders and balance.
    revision: u64,
    /// What the price touches has been looked for up to this broker time.
    settled_ms: i64,
    /// The night of this day, counted from 1970, has been paid for.
    rolled_day: i64,
    /// By symbol: the tick of which something was taken last, and how much of it, in hundredths of a lot.
    taken: BTreeMap<String, (i64, i64)>,
    /// By order: the tick at which there was nothing left for it.
    waits: BTreeMap<u64, i64>,
    /// Broker time of the newest deal or order that memory has dropped.
    forgotten_ms: Option<i64>,
    /// The newest changes, for the terminals, and how many there ever were.
    changes: VecDeque<Change>,
    changes_made: u64,
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
            instruments: instrument::all(&settings.symbol, view.digits(), settings.synthetic),
            settings,
            positions: BTreeMap::new(),
            orders: BTreeMap::new(),
            history: VecDeque::new(),
            deals: VecDeque::new(),
            requests: VecDeque::new(),
            balance: 0.0,
            last_ticket: 0,
            request_id: 0,
            revision: 0,
            settled_ms: view.now_ms(),
            rolled_day: settlement::day_of(view.now_ms()),
            taken: BTreeMap::new(),
            waits: BTreeMap::new(),
            forgotten_ms: None,
            changes: VecDeque::new(),
            changes_made: 0,
            lines,
            broken: false,
        };
        if let Some(last) = entries.last() {
            // What the price did since then is still to be looked at; that tick too, for it may have touched a second stop.
            broker.settled_ms = last.at_ms - 1;
            broker.rolled_day = settlement::day_of(last.at_ms);
        }
        if entries.is_empty() {
            let ticket = broker.ticket();
            let deposit = Deal {
                kind: DEAL_BALANCE,
                profit: broker.settings.balance,
                comment: "deposit".into(),
                ..deal_at(ticket, view.now_ms())
            };
            broker.commit(Entry { at_ms: view.now_ms(), deals: vec![deposit], ..Entry::default() });
        } else {
            entries.into_iter().for_each(|entry| broker.apply(entry));
        }
        broker
    }

    /// `OrderSend`: judges the request, does it, writes it down, answers.
    pub fn order_send(&mut self, request: &TradeRequest, view: &MarketView<'_>) -> TradeResult {
        self.order_send_with(request, Quirk::default(), view)
    }

    /// The same, with a fault at the broker.
    pub(super) fn order_send_with(&mut self, request: &TradeRequest, quirk: Quirk, view: &MarketView<'_>) -> TradeResult {
        self.settle(view);
        self.request_id = self.request_id.wrapping_add(1);
        if self.broken {
            return self.answer(retcode::CONNECTION);
        }
        if !is_numbers(request) {
            // A terminal refuses what is no number by itself: it never reaches the broker, so it is not in the ledger.
            let code = judge::shape(request, &self.instruments).err().unwrap_or(retcode::INVALID);
            return self.answer(code);
        }
        let at_ms = view.now_ms();
        let (result, mut entry) = match self.carry_out(request, quirk, view) {
            Ok(done) => done,
            Err(code) => (self.refusal(code, request, view), Entry::default()),
        };
        entry.at_ms = at_ms;
        let deals = entry.deals.iter().map(|deal| deal.ticket).collect();
        entry.executed = Some(Executed { at_ms, request: request.clone(), result: result.clone(), deals });
        if self.commit(entry) { result } else { self.answer(retcode::ERROR) }
    }

    /// Works out what the request comes to, without making it true.
    fn carry_out(&mut self, request: &TradeRequest, quirk: Quirk, view: &MarketView<'_>) -> Done {
        judge::shape(request, &self.instruments)?;
        if let Some(code) = quirk.refuse {
            return Err(code);
        }
        if !view.is_open() || view.tick().is_none() {
            return Err(retcode::MARKET_CLOSED);
        }
        match request.action {
            action::DEAL => self.deal(request, quirk, view),
            action::PENDING => self.place(request, quirk, view),
            action::SLTP => self.move_stops(request, view),
            action::MODIFY => self.modify(request, view),
            action::REMOVE => self.remove(request, view),
            action::CLOSE_BY => self.close_by(request, quirk, view),
            _ => Err(retcode::INVALID),
        }
    }

    /// A symbol and its newest tick. Its market is open whenever that of the first symbol is.
    fn market(&self, symbol: &str, view: &MarketView<'_>) -> Result<(Instrument, Tick), u32> {
        let of = self.instruments.iter().find(|one| one.name == symbol).ok_or(retcode::INVALID)?;
        let tick = view.of_symbol(of).tick().ok_or(retcode::PRICE_OFF)?;
        Ok((of.clone(), tick))
    }

    fn move_stops(&mut self, request: &TradeRequest, view: &MarketView<'_>) -> Done {
        let mut position = if request.position == 0 && self.settings.netting {
            self.of_symbol(&request.symbol).ok_or(retcode::INVALID_ORDER)?.clone()
        } else {
            self.find(request.position)?.clone()
        };
        let (of, tick) = self.market(&position.symbol, view)?;
        let (sl, tp) = (of.round(request.sl), of.round(request.tp));
        let same = |one: f64, other: f64| (one - other).abs() < of.point() / 2.0;
        if same(sl, position.sl) && same(tp, position.tp) {
            return Err(retcode::NO_CHANGES);
        }
        let rules = &self.settings.rules;
        judge::frozen(position.sl, &tick, rules, &of)?;
        judge::frozen(position.tp, &tick, rules, &of)?;
        judge::stops(position.kind, (sl, tp), &tick, rules, &of)?;
        (position.sl, position.tp) = (sl, tp);
        (position.time_update, position.time_update_msc) = (view.now(), view.now_ms());
        Ok((self.done(&tick), Entry { positions: vec![position], ..Entry::default() }))
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

    /// On a netting account: the one position of a symbol.
    fn of_symbol(&self, symbol: &str) -> Option<&Position> {
        self.positions.values().find(|position| position.symbol == symbol)
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
        let before = (self.settings.platform == Platform::Mt4).then(|| mt4::deals(self));
        let mut changes = transactions::of(&entry, &self.orders, before.is_none());
        for deal in entry.deals {
            self.balance = instrument::money(self.balance + deal.profit + deal.commission + deal.swap + deal.fee);
            self.last_ticket = self.last_ticket.max(deal.ticket).max(deal.order);
            self.deals.push_back(deal);
        }
        for ticket in entry.gone {
            self.positions.remove(&ticket);
        }
        for position in entry.positions {
            self.last_ticket = self.last_ticket.max(position.ticket);
            self.positions.insert(position.ticket, position);
        }
        for order in entry.orders {
            self.last_ticket = self.last_ticket.max(order.ticket);
            self.orders.insert(order.ticket, order);
        }
        for order in entry.done {
            self.last_ticket = self.last_ticket.max(order.ticket);
            self.orders.remove(&order.ticket);
            self.waits.remove(&order.ticket);
            self.history.push_back(order);
        }
        if let Some(executed) = entry.executed {
            self.request_id = self.request_id.max(executed.result.request_id);
            self.requests.push_back(executed);
        }
        if let Some(before) = before {
            changes.extend(transactions::differences(&before, &mt4::deals(self)));
        }
        self.changes_made += u64::try_from(changes.len()).unwrap_or(0);
        self.changes.extend(changes);
        self.bound_memory();
    }

    fn bound_memory(&mut self) {
        while self.changes.len() > CHANGES_MAX {
            self.changes.pop_front();
        }
        while self.requests.len() > HISTORY_MAX {
            self.requests.pop_front();
        }
        while self.deals.len() > HISTORY_MAX {
            let dropped = self.deals.pop_front().map(|deal| deal.time_msc);
            self.forgotten_ms = self.forgotten_ms.max(dropped);
        }
        while self.history.len() > HISTORY_MAX {
            let dropped = self.history.pop_front().map(|order| order.time_done_msc);
            self.forgotten_ms = self.forgotten_ms.max(dropped);
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

    /// Every deal with the reason for which it was made, oldest first.
    #[must_use]
    pub fn origins(&self) -> Vec<(Deal, Origin)> {
        // An order that stood makes its deals later; its ticket leads back to the request that placed it.
        let done = || self.requests.iter().filter(|one| one.is_done());
        let by_deal: BTreeMap<u64, u32> =
            done().flat_map(|one| one.deals.iter().map(|deal| (*deal, one.result.request_id))).collect();
        let by_order: BTreeMap<u64, u32> = done().map(|one| (one.result.order, one.result.request_id)).collect();
        let origin = |deal: &Deal| match deal.reason {
            stops::REASON_SL => Origin::StopLoss,
            stops::REASON_TP => Origin::TakeProfit,
            stops::REASON_SO => Origin::StopOut,
            _ if deal.kind == DEAL_BALANCE => Origin::Deposit,
            _ => by_deal
                .get(&deal.ticket)
                .or_else(|| by_order.get(&deal.order))
                .map_or(Origin::Untraced, |request| Origin::Request(*request)),
        };
        self.deals.iter().map(|deal| (deal.clone(), origin(deal))).collect()
    }

    /// Orders that are filled, cancelled, rejected or expired, by their end, oldest first.
    pub fn history_orders(&self) -> impl Iterator<Item = &Order> {
        self.history.iter()
    }

    /// The open orders as they are kept, without prices of now.
    pub(super) const fn open_orders(&self) -> &BTreeMap<u64, Order> {
        &self.orders
    }

    /// The open positions as they are kept, without prices of now.
    pub(super) const fn open_positions(&self) -> &BTreeMap<u64, Position> {
        &self.positions
    }

    /// Whether the history in memory reaches back to this broker time, epoch seconds.
    #[must_use]
    pub fn history_covers(&self, time: i64) -> bool {
        self.forgotten_ms.is_none_or(|forgotten| forgotten < time.saturating_mul(1000))
    }

    /// Changes since there had been `seen` of them, and how many there are now. What memory has dropped is left out.
    pub(super) fn changes_since(&self, seen: u64) -> (impl Iterator<Item = (u64, &Change)>, u64) {
        let first = self.changes_made - u64::try_from(self.changes.len()).unwrap_or(0);
        let numbered = (first + 1..).zip(&self.changes).filter(move |(number, _)| *number > seen);
        (numbered, self.changes_made)
    }

    /// Grows with every change of positions, orders and balance: a cheap way to see that there was one.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Whose account it is.
    #[must_use]
    pub const fn settings(&self) -> &AccountSettings {
        &self.settings
    }

    /// Trades by other rules from now on.
    pub(super) fn set_rules(&mut self, rules: Rules) {
        self.settings.rules = rules;
    }

    /// What it trades, the replayed symbol first.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// An order that the request makes, with what a quirk leaves of it.
    fn order(&mut self, request: &TradeRequest, quirk: Quirk, at_ms: i64) -> Order {
        let magic = if self.settings.platform == Platform::Mt4 { request.magic & 0x7fff_ffff } else { request.magic };
        Order {
            ticket: self.ticket(),
            time_setup: at_ms.div_euclid(1000),
            time_setup_msc: at_ms,
            kind: request.kind,
            type_time: request.type_time,
            type_filling: request.type_filling,
            state: order_state::PLACED,
            magic: if quirk.drop_magic { 0 } else { magic },
            reason: REASON_EXPERT,
            volume_initial: request.volume,
            volume_current: request.volume,
            symbol: request.symbol.clone(),
            comment: if quirk.drop_comment { String::new() } else { request.comment.clone() },
            ..Order::default()
        }
    }

    fn done(&self, tick: &Tick) -> TradeResult {
        TradeResult { bid: tick.bid, ask: tick.ask, ..self.answer(retcode::DONE) }
    }

    /// A refusal over the price says what it is now.
    fn refusal(&self, code: u32, request: &TradeRequest, view: &MarketView<'_>) -> TradeResult {
        let answer = self.answer(code);
        match self.market(&request.symbol, view) {
            Ok((_, tick)) if matches!(code, retcode::REQUOTE | judge::PRICE_CHANGED) => {
                TradeResult { bid: tick.bid, ask: tick.ask, ..answer }
            }
            _ => answer,
        }
    }

    fn answer(&self, code: u32) -> TradeResult {
        TradeResult { retcode: code, comment: judge::text(code).into(), request_id: self.request_id, ..TradeResult::default() }
    }
}

fn is_numbers(request: &TradeRequest) -> bool {
    [request.volume, request.price, request.stoplimit, request.sl, request.tp].iter().all(|number| number.is_finite())
}

fn deal_at(ticket: u64, at_ms: i64) -> Deal {
    Deal { ticket, time: at_ms.div_euclid(1000), time_msc: at_ms, ..Deal::default() }
}

/// An order that goes into the history.
fn ended(order: Order, state: u8, at_ms: i64) -> Order {
    Order { state, time_done: at_ms.div_euclid(1000), time_done_msc: at_ms, ..order }
}

#[cfg(test)]
#[path = "broker_tests.rs"]
mod tests;
