//! Answers to reads, as the EA takes them from its terminal: the market here, the account in [`account`].

mod account;

use std::collections::BTreeSet;

use super::{broker::Broker, evidence::Sight, instrument::Instrument, replay::MarketView};
use crate::{
    domain::{
        account::Platform,
        group::in_group,
        market::{Bar, Tick, Timeframe},
    },
    protocol::{
        FromHub, FromTerminal,
        codec::{Row, write_record, write_rows},
        message::{
            BarsBody, GetBars, GetDepth, GetQuotes, GetSession, GetSymbol, GetSymbols, GetTicks, Quote, Reply, SelectSymbol,
            TicksBody, TradeSession, TradeSessions, bars_mode, reply_status, ticks_mode,
        },
    },
};

/// A reply is cut into parts of this size, well below the hub's limit for data.
const PART: usize = 256 * 1024;
/// A call gives at most so many bars, as the terminal's "max bars in chart" does.
const BARS_MAX: u32 = 100_000;
/// A call gives at most so many ticks: 6 MB.
const TICKS_MAX: u32 = 100_000;
/// `ERR_INVALID_PARAMETER`.
const INVALID_PARAMETER: i32 = 4003;
/// `ERR_MARKET_UNKNOWN_SYMBOL`.
const UNKNOWN_SYMBOL: i32 = 4301;
/// `ERR_MARKET_SELECT_ERROR`.
const SELECT_ERROR: i32 = 4305;
/// `ERR_HISTORY_NOT_FOUND`.
const HISTORY_NOT_FOUND: i32 = 4401;
/// `ERR_FUNCTION_NOT_ALLOWED`.
const NOT_ALLOWED: i32 = 4014;

/// What a read gave: a body, or why not.
type Body = Result<Vec<u8>, Failure>;

pub(super) struct Failure {
    pub(super) status: u8,
    code: i32,
    text: String,
}

impl Failure {
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self { status: reply_status::ERROR, code: INVALID_PARAMETER, text: text.into() }
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self { status: reply_status::NOT_FOUND, code: UNKNOWN_SYMBOL, text: text.into() }
    }
}

/// What the terminal keeps of its own: Market Watch and the books that it has subscribed to.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Symbols that were hidden.
    hidden: BTreeSet<String>,
    books: BTreeSet<String>,
}

/// One look at the broker through a terminal.
pub(super) struct Look<'a> {
    pub(super) broker: &'a mut Broker,
    pub(super) view: &'a MarketView<'a>,
    pub(super) desk: &'a mut Desk,
    pub(super) sight: Sight,
}

/// Answers a read; none for a message that is no read.
pub(super) fn answer(message: &FromHub, look: &mut Look<'_>) -> Vec<FromTerminal> {
    let (call, body) = match message {
        FromHub::GetAccount(get) => (get.call, Ok(write_record(&look.broker.account(look.view)))),
        FromHub::GetSymbols(get) => (get.call, Ok(look.symbols(get))),
        FromHub::GetSymbol(get) => (get.call, look.specification(get)),
        FromHub::GetQuotes(get) => (get.call, Ok(look.quotes(get))),
        FromHub::GetBars(get) => (get.call, look.bars(get)),
        FromHub::GetPositions(get) => (get.call, Ok(look.positions(get))),
        FromHub::GetDeals(get) => (get.call, Ok(look.deals(get))),
        FromHub::GetTicks(get) => (get.call, look.ticks(get)),
        FromHub::GetOrders(get) => (get.call, Ok(look.orders(get))),
        FromHub::GetHistoryOrders(get) => (get.call, Ok(look.history_orders(get))),
        FromHub::GetDepth(get) => (get.call, look.depth(get)),
        FromHub::SelectSymbol(get) => (get.call, look.select(get)),
        FromHub::CheckOrder(get) => (get.call, Ok(write_record(&look.broker.check(&get.request.0, look.view)))),
        FromHub::CalcMargin(get) => (get.call, look.calc_margin(get)),
        FromHub::CalcProfit(get) => (get.call, look.calc_profit(get)),
        FromHub::GetSession(get) => (get.call, look.session(get)),
        // A paper terminal has no chart.
        FromHub::Draw(_)
        | FromHub::Subscribe(_)
        | FromHub::Welcome(_)
        | FromHub::Trade(_)
        | FromHub::Query(_)
        | FromHub::Acknowledge(_)
        | FromHub::Latch(_) => {
            return Vec::new();
        }
    };
    parts(call, body)
}

fn parts(call: u64, body: Body) -> Vec<FromTerminal> {
    match body {
        Err(Failure { status, code, text }) => vec![Reply { call, status, code, text, parts: 1, ..Reply::default() }.into()],
        Ok(body) => {
            let count = u16::try_from(body.len().div_ceil(PART).max(1)).unwrap_or(u16::MAX);
            // A read of nothing is still answered, with one empty part.
            let chunks = body.chunks(PART).chain(body.is_empty().then_some(&[][..]));
            let reply =
                |(part, chunk): (u16, &[u8])| Reply { call, part, parts: count, body: chunk.to_vec(), ..Reply::default() }.into();
            (0..count).zip(chunks).map(reply).collect()
        }
    }
}

fn page(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Look<'_> {
    fn known(&self, name: &str) -> Result<Instrument, Failure> {
        let text = || format!("there is no symbol `{}`", name.chars().take(40).collect::<String>());
        self.broker.instrument(name).cloned().ok_or_else(|| Failure::not_found(text()))
    }

    fn is_mt4(&self) -> bool {
        self.broker.settings().platform == Platform::Mt4
    }

    /// What MetaTrader 4 does not have.
    pub(super) fn only_on_mt5(&self, what: &str) -> Result<(), Failure> {
        let text = format!("MetaTrader 4 has no {what}");
        if self.is_mt4() { Err(Failure { status: reply_status::UNSUPPORTED, code: NOT_ALLOWED, text }) } else { Ok(()) }
    }

    fn symbols(&self, get: &GetSymbols) -> Vec<u8> {
        let mut all: Vec<_> = self.broker.instruments().iter().filter(|one| in_group(&one.name, &get.group)).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let rows = all.into_iter().skip(page(get.offset)).take(page(get.limit));
        let shown = |one: &Instrument| !self.desk.hidden.contains(&one.name);
        write_rows(&rows.map(|one| self.broker.specification(one, shown(one), self.view)).collect::<Vec<_>>())
    }

    fn specification(&self, get: &GetSymbol) -> Body {
        let one = self.known(&get.symbol)?;
        let shown = !self.desk.hidden.contains(&one.name);
        Ok(write_record(&self.broker.specification(&one, shown, self.view)))
    }

    fn quotes(&self, get: &GetQuotes) -> Vec<u8> {
        let quote = |name: &String| {
            let tick = self.broker.tick_of(name, self.view)?;
            Some(Quote { symbol: name.clone(), tick: Row(tick) })
        };
        write_rows(&get.symbols.iter().filter_map(quote).collect::<Vec<_>>())
    }

    fn bars(&self, get: &GetBars) -> Body {
        let view = self.view.of_symbol(&self.known(&get.symbol)?);
        let timeframe = Timeframe::try_from(get.timeframe).map_err(|error| Failure::invalid(error.to_string()))?;
        if !timeframe.is_on(Platform::Mt4) {
            self.only_on_mt5(&format!("timeframe {timeframe}"))?;
        }
        let count = page(get.count.min(BARS_MAX));
        let (forming, oldest) = view.ends(timeframe);
        let (bars, before_all) = match get.mode {
            bars_mode::POSITION => {
                let start = usize::try_from(get.from).map_err(|_| Failure::invalid("a position is not negative"))?;
                let bars = view.bars_from_pos(timeframe, start, count);
                let none = bars.is_empty();
                (bars, none)
            }
            bars_mode::RANGE => {
                (view.bars_range(timeframe, get.from, get.to, count), oldest.is_none_or(|oldest| get.to < oldest))
            }
            bars_mode::ENDING_AT => (view.bars_ending_at(timeframe, get.to, count), oldest.is_none_or(|oldest| get.to < oldest)),
            other => return Err(Failure::invalid(format!("there is no mode {other}"))),
        };
        if before_all && count > 0 {
            return Err(no_older());
        }
        let mut rates = Vec::with_capacity(bars.len() * Bar::SIZE);
        bars.iter().for_each(|bar| bar.pack_into(&mut rates));
        Ok(write_record(&BarsBody { forming_open: forming.unwrap_or(0), oldest: oldest.unwrap_or(0), rates }))
    }

    fn ticks(&self, get: &GetTicks) -> Body {
        let of = self.known(&get.symbol)?;
        self.only_on_mt5("history of ticks")?;
        let view = self.view.of_symbol(&of);
        let to = match get.mode {
            ticks_mode::FROM => i64::MAX,
            ticks_mode::RANGE => get.to,
            other => return Err(Failure::invalid(format!("there is no mode {other}"))),
        };
        let oldest = view.oldest_tick();
        if oldest.is_none_or(|oldest| to < oldest) && get.count > 0 {
            return Err(no_older());
        }
        // Every tick changes bid and ask, and none has a last deal.
        let wanted = get.flags == 0 || get.flags & 1 != 0;
        let since = view.ticks_since(get.from.saturating_sub(1)).take_while(|tick| tick.time_msc <= to && wanted);
        let mut ticks = Vec::new();
        since.take(page(get.count.min(TICKS_MAX))).for_each(|tick| Tick::pack_into(&tick, &mut ticks));
        Ok(write_record(&TicksBody { oldest: oldest.unwrap_or(0), ticks }))
    }

    fn depth(&mut self, get: &GetDepth) -> Body {
        let of = self.known(&get.symbol)?;
        self.only_on_mt5("depth of market")?;
        if self.desk.books.insert(of.name.clone()) {
            let text = "the book was subscribed to just now".into();
            return Err(Failure { status: reply_status::LOADING, code: 0, text });
        }
        Ok(write_rows(&self.broker.depth(&of, self.view)))
    }

    fn select(&mut self, get: &SelectSymbol) -> Body {
        let of = self.known(&get.symbol)?;
        if get.on {
            self.desk.hidden.remove(&of.name);
            return Ok(Vec::new());
        }
        let positions = self.broker.open_positions().values().map(|position| &position.symbol);
        let mut used = positions.chain(self.broker.open_orders().values().map(|order| &order.symbol));
        if used.any(|name| *name == of.name) {
            let text = format!("{} has a position or an order and stays", of.name);
            return Err(Failure { status: reply_status::ERROR, code: SELECT_ERROR, text });
        }
        self.desk.books.remove(&of.name);
        self.desk.hidden.insert(of.name);
        Ok(Vec::new())
    }

    fn session(&self, get: &GetSession) -> Body {
        let view = self.view.of_symbol(&self.known(&get.symbol)?);
        let sessions = view.week().into_iter().map(|(day, from_s, to_s)| Row(TradeSession { day, from_s, to_s })).collect();
        Ok(write_record(&TradeSessions { sessions, last_tick_msc: view.tick().map_or(0, |tick| tick.time_msc) }))
    }
}

fn no_older() -> Failure {
    Failure { status: reply_status::NO_MORE, code: HISTORY_NOT_FOUND, text: "there is no older history".into() }
}

#[cfg(test)]
#[path = "reads_tests.rs"]
mod tests;
