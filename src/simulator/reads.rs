//! Answers to reads: account, symbols, quotes, bars, positions, deals, as the EA takes them from its terminal.

use super::{broker::Broker, contract, replay::MarketView};
use crate::{
    domain::{
        market::{Bar, Timeframe},
        trade::Deal,
    },
    protocol::{
        FromHub, FromTerminal,
        codec::{Row, write_record, write_rows},
        message::{
            BarsBody, CalcMargin, CalcProfit, CheckOrder, GetBars, GetDeals, GetDepth, GetHistoryOrders, GetOrders, GetPositions,
            GetQuotes, GetSession, GetSymbol, GetSymbols, GetTicks, Quote, Reply, SelectSymbol, bars_mode, reply_status,
        },
    },
};

/// A reply is cut into parts of this size, well below the hub's limit for data.
const PART: usize = 256 * 1024;
/// A call gives at most so many bars, as the terminal's "max bars in chart" does.
const BARS_MAX: u32 = 100_000;
/// A call gives at most so many deals.
const DEALS_MAX: u32 = 10_000;
/// `ERR_INVALID_PARAMETER`.
const INVALID_PARAMETER: i32 = 4003;
/// `ERR_MARKET_UNKNOWN_SYMBOL`.
const UNKNOWN_SYMBOL: i32 = 4301;
/// `ERR_HISTORY_NOT_FOUND`.
const HISTORY_NOT_FOUND: i32 = 4401;

/// What a read gave: a body, or why not.
type Body = Result<Vec<u8>, Failure>;

struct Failure {
    status: u8,
    code: i32,
    text: String,
}

/// Answers a read; none for a message that is no read.
pub(super) fn answer(message: &FromHub, broker: &Broker, view: &MarketView<'_>) -> Vec<FromTerminal> {
    let symbol = broker.settings().symbol.as_str();
    let (call, body) = match message {
        FromHub::GetAccount(get) => (get.call, Ok(write_record(&broker.account(view)))),
        FromHub::GetSymbols(get) => (get.call, Ok(symbols(get, symbol, view))),
        FromHub::GetSymbol(get) => (get.call, specification(get, symbol, view)),
        FromHub::GetQuotes(get) => (get.call, Ok(quotes(get, symbol, view))),
        FromHub::GetBars(get) => (get.call, bars(get, symbol, view)),
        FromHub::GetPositions(get) => (get.call, Ok(positions(get, broker, view))),
        FromHub::GetDeals(get) => (get.call, Ok(deals(get, broker))),
        FromHub::GetTicks(GetTicks { call, .. })
        | FromHub::GetOrders(GetOrders { call, .. })
        | FromHub::GetHistoryOrders(GetHistoryOrders { call, .. })
        | FromHub::GetDepth(GetDepth { call, .. })
        | FromHub::SelectSymbol(SelectSymbol { call, .. })
        | FromHub::CheckOrder(CheckOrder { call, .. })
        | FromHub::CalcMargin(CalcMargin { call, .. })
        | FromHub::CalcProfit(CalcProfit { call, .. })
        | FromHub::GetSession(GetSession { call, .. }) => {
            let text = "the simulator cannot do that".to_owned();
            (*call, Err(Failure { status: reply_status::UNSUPPORTED, code: 0, text }))
        }
        FromHub::Welcome(_) | FromHub::Trade(_) | FromHub::Query(_) | FromHub::Acknowledge(_) | FromHub::Latch(_) => {
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

fn known(name: &str, symbol: &str) -> Result<(), Failure> {
    let text = || format!("there is no symbol `{}`", name.chars().take(40).collect::<String>());
    if name == symbol { Ok(()) } else { Err(Failure { status: reply_status::NOT_FOUND, code: UNKNOWN_SYMBOL, text: text() }) }
}

fn symbols(get: &GetSymbols, symbol: &str, view: &MarketView<'_>) -> Vec<u8> {
    let shown = get.offset == 0 && get.limit > 0 && in_group(symbol, &get.group);
    write_rows(&shown.then(|| contract::specification(symbol, view)).into_iter().collect::<Vec<_>>())
}

/// MetaTrader's mask: conditions one after the other, `*` at the ends, `!` takes out again; an empty mask is everything.
fn in_group(name: &str, group: &str) -> bool {
    let fits = |mask: &str| match (mask.strip_prefix('*'), mask.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(_), Some(_)) => name.contains(mask.trim_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == mask,
    };
    group.is_empty()
        || group.split(',').map(str::trim).fold(false, |inside, mask| match mask.strip_prefix('!') {
            Some(mask) => inside && !fits(mask),
            None => inside || fits(mask),
        })
}

fn specification(get: &GetSymbol, symbol: &str, view: &MarketView<'_>) -> Body {
    known(&get.symbol, symbol)?;
    Ok(write_record(&contract::specification(symbol, view)))
}

fn quotes(get: &GetQuotes, symbol: &str, view: &MarketView<'_>) -> Vec<u8> {
    let asked = get.symbols.iter().any(|name| name == symbol);
    let tick = view.tick().filter(|_| asked);
    write_rows(&tick.map(|tick| Quote { symbol: symbol.to_owned(), tick: Row(tick) }).into_iter().collect::<Vec<_>>())
}

fn bars(get: &GetBars, symbol: &str, view: &MarketView<'_>) -> Body {
    known(&get.symbol, symbol)?;
    let invalid = |text: String| Failure { status: reply_status::ERROR, code: INVALID_PARAMETER, text };
    let timeframe = Timeframe::try_from(get.timeframe).map_err(|error| invalid(error.to_string()))?;
    let count = usize::try_from(get.count.min(BARS_MAX)).unwrap_or_default();
    let (forming, oldest) = view.ends(timeframe);
    let (bars, before_all) = match get.mode {
        bars_mode::POSITION => {
            let start = usize::try_from(get.from).map_err(|_| invalid("a position is not negative".into()))?;
            let bars = view.bars_from_pos(timeframe, start, count);
            let none = bars.is_empty();
            (bars, none)
        }
        bars_mode::RANGE => (view.bars_range(timeframe, get.from, get.to, count), oldest.is_none_or(|oldest| get.to < oldest)),
        bars_mode::ENDING_AT => (view.bars_ending_at(timeframe, get.to, count), oldest.is_none_or(|oldest| get.to < oldest)),
        other => return Err(invalid(format!("there is no mode {other}"))),
    };
    if before_all && count > 0 {
        let text = "there is no older history".into();
        return Err(Failure { status: reply_status::NO_MORE, code: HISTORY_NOT_FOUND, text });
    }
    let mut rates = Vec::with_capacity(bars.len() * Bar::SIZE);
    bars.iter().for_each(|bar| bar.pack_into(&mut rates));
    Ok(write_record(&BarsBody { forming_open: forming.unwrap_or(0), oldest: oldest.unwrap_or(0), rates }))
}

fn positions(get: &GetPositions, broker: &Broker, view: &MarketView<'_>) -> Vec<u8> {
    let mut positions = broker.positions(view);
    positions.retain(|position| {
        (get.symbol.is_empty() || position.symbol == get.symbol) && (get.ticket == 0 || position.ticket == get.ticket)
    });
    write_rows(&positions)
}

fn deals(get: &GetDeals, broker: &Broker) -> Vec<u8> {
    let wanted = |deal: &&Deal| {
        (get.from..=get.to).contains(&deal.time)
            && (get.position == 0 || deal.position_id == get.position)
            && (get.ticket == 0 || deal.order == get.ticket || deal.ticket == get.ticket)
    };
    let page = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let found = broker.deals().filter(wanted).skip(page(get.offset)).take(page(get.limit.min(DEALS_MAX)));
    write_rows(&found.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            account::AccountInfo,
            market::SymbolSpec,
            trade::{Position, TradeRequest, action},
        },
        protocol::{codec, message::GetAccount},
        simulator::{
            bars::{BarSet, epoch},
            broker::AccountSettings,
            paper::PaperBroker,
        },
    };

    fn broker() -> PaperBroker {
        let start = epoch("2024.03.08 15:30:00").unwrap();
        let broker = PaperBroker::in_memory(AccountSettings::default(), BarSet::embedded().unwrap(), Some(start), 1.0);
        for kind in [0, 1] {
            let order =
                TradeRequest { action: action::DEAL, symbol: "EURUSD".into(), volume: 0.1, kind, ..TradeRequest::default() };
            assert_eq!(broker.order_send(&order).retcode, 10_009);
        }
        broker
    }

    /// The reply's status and its body, joined.
    fn ask(broker: &PaperBroker, message: impl Into<FromHub>) -> (u8, Vec<u8>) {
        let message = message.into();
        let replies = broker.with(|broker, view| answer(&message, broker, view));
        let parts = replies.len();
        let mut whole = Vec::new();
        let mut status = reply_status::OK;
        for (at, reply) in replies.into_iter().enumerate() {
            let FromTerminal::Reply(reply) = reply else { panic!("no reply") };
            assert_eq!((reply.call, usize::from(reply.part), usize::from(reply.parts)), (9, at, parts));
            assert!(reply.body.len() <= PART);
            status = reply.status;
            whole.extend(reply.body);
        }
        (status, whole)
    }

    fn bars(mode: u8, from: i64, to: i64, count: u32) -> GetBars {
        GetBars { call: 9, symbol: "EURUSD".into(), timeframe: 1, mode, from, to, count }
    }

    #[tokio::test(start_paused = true)]
    async fn many_bars_come_in_parts_and_are_the_brokers_bars() {
        let broker = broker();
        let (status, body) = ask(&broker, bars(bars_mode::POSITION, 1, 0, 100_000));
        let body: BarsBody = codec::record(&body).unwrap();
        let rates = Bar::unpack_all(&body.rates).unwrap();
        let closed =
            BarSet::embedded().unwrap().m1().iter().take_while(|bar| bar.time < body.forming_open).copied().collect::<Vec<_>>();
        assert_eq!((status, rates), (reply_status::OK, closed));
        assert_eq!(
            (body.forming_open, body.oldest),
            (epoch("2024.03.08 15:30:00").unwrap(), epoch("2024.03.07 00:04:00").unwrap())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_such_history_symbol_timeframe_or_mode_is_each_its_own_answer() {
        let broker = broker();
        let status = |get: GetBars| ask(&broker, get).0;
        assert_eq!(status(bars(bars_mode::RANGE, 0, 1_000, 10)), reply_status::NO_MORE);
        assert_eq!(status(bars(bars_mode::ENDING_AT, 0, 1_000, 10)), reply_status::NO_MORE);
        assert_eq!(status(bars(bars_mode::POSITION, 99_999, 0, 10)), reply_status::NO_MORE);
        assert_eq!(status(bars(bars_mode::POSITION, -1, 0, 10)), reply_status::ERROR);
        assert_eq!(status(bars(7, 0, 0, 10)), reply_status::ERROR);
        assert_eq!(status(GetBars { timeframe: 7, ..bars(0, 0, 0, 1) }), reply_status::ERROR);
        assert_eq!(status(GetBars { symbol: "GBPUSD".into(), ..bars(0, 0, 0, 1) }), reply_status::NOT_FOUND);
        let future = i64::from(u32::MAX);
        assert_eq!(status(bars(bars_mode::RANGE, future, future, 10)), reply_status::OK, "nothing yet is not nothing more");
    }

    #[tokio::test(start_paused = true)]
    async fn account_positions_and_deals_are_those_of_the_broker() {
        let broker = broker();
        let account: AccountInfo = codec::record(&ask(&broker, GetAccount { call: 9 }).1).unwrap();
        assert_eq!(account, broker.account());
        let (_, body) = ask(&broker, GetPositions { call: 9, symbol: String::new(), ticket: 0 });
        assert_eq!(codec::rows::<Position>(&body, 10).unwrap(), broker.positions());
        let second = broker.positions()[1].ticket;
        let (_, body) = ask(&broker, GetPositions { call: 9, symbol: "EURUSD".into(), ticket: second });
        assert_eq!(codec::rows::<Position>(&body, 10).unwrap(), broker.positions()[1..]);
        let all = GetDeals { call: 9, from: 0, to: i64::MAX, position: 0, ticket: 0, offset: 0, limit: 100 };
        let rows = |get: GetDeals| codec::rows::<Deal>(&ask(&broker, get).1, 10).unwrap();
        assert_eq!(rows(all.clone()), broker.deals());
        assert_eq!(rows(GetDeals { offset: 1, limit: 1, ..all.clone() }), broker.deals()[1..2]);
        assert_eq!(rows(GetDeals { position: second, ..all.clone() }), broker.deals()[2..]);
        assert_eq!(rows(GetDeals { to: 0, ..all }), []);
    }

    #[tokio::test(start_paused = true)]
    async fn symbols_are_listed_by_metatraders_mask_and_quoted_at_the_price_now() {
        let broker = broker();
        let listed = |group: &str| {
            let get = GetSymbols { call: 9, group: group.into(), offset: 0, limit: 10 };
            codec::rows::<SymbolSpec>(&ask(&broker, get).1, 10).unwrap().len()
        };
        for (group, count) in [
            ("", 1),
            ("*", 1),
            ("*USD*", 1),
            ("EUR*", 1),
            ("*USD", 1),
            ("GBP*,EURUSD", 1),
            ("*,!EUR*", 0),
            ("GBP*", 0),
            ("!EUR*", 0),
        ] {
            assert_eq!(listed(group), count, "{group}");
        }
        let (_, body) = ask(&broker, GetSymbol { call: 9, symbol: "EURUSD".into() });
        let spec: SymbolSpec = codec::record(&body).unwrap();
        let (_, body) = ask(&broker, GetQuotes { call: 9, symbols: vec!["NONE".into(), "EURUSD".into()] });
        let quotes = codec::rows::<Quote>(&body, 10).unwrap();
        assert_eq!((quotes.len(), quotes[0].tick.0.bid, spec.digits), (1, spec.bid, 5));
    }
}
