use super::*;
use crate::{
    domain::{
        account::AccountInfo,
        market::{BookLevel, SymbolSpec},
        trade::{Deal, Order, OrderCheck, Position, TradeRequest, action},
    },
    protocol::{
        codec,
        message::{Amount, CalcMargin, CalcProfit, CheckOrder, GetAccount, GetDeals, GetHistoryOrders, GetOrders, GetPositions},
    },
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
        let order = TradeRequest { action: action::DEAL, symbol: "EURUSD".into(), volume: 0.1, kind, ..TradeRequest::default() };
        assert_eq!(broker.order_send(&order).retcode, 10_009);
    }
    broker
}

/// The reply's status and its body, joined.
fn ask(broker: &PaperBroker, message: impl Into<FromHub>) -> (u8, Vec<u8>) {
    let message = message.into();
    ask_at(&mut Desk::default(), broker, &message)
}

/// The same, at one terminal.
fn ask_at(desk: &mut Desk, broker: &PaperBroker, message: &FromHub) -> (u8, Vec<u8>) {
    let replies = broker.with(|broker, view| {
        let sight = Sight { linked: true, until_ms: view.now_ms() };
        answer(message, &mut Look { broker, view, desk, sight })
    });
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
    assert_eq!((body.forming_open, body.oldest), (epoch("2024.03.08 15:30:00").unwrap(), epoch("2024.03.07 00:04:00").unwrap()));
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
        ("", 3),
        ("*", 3),
        ("*USD*", 2),
        ("EUR*", 1),
        ("*USD", 1),
        ("SYN.*", 2),
        ("GBP*,EURUSD", 1),
        ("*,!EUR*", 2),
        ("GBP*", 0),
        ("!EUR*", 0),
        ("*,!*GOLD", 2),
    ] {
        assert_eq!(listed(group), count, "{group}");
    }
    let (_, body) = ask(&broker, GetSymbol { call: 9, symbol: "EURUSD".into() });
    let spec: SymbolSpec = codec::record(&body).unwrap();
    let (_, body) = ask(&broker, GetQuotes { call: 9, symbols: vec!["NONE".into(), "EURUSD".into()] });
    let quotes = codec::rows::<Quote>(&body, 10).unwrap();
    assert_eq!((quotes.len(), quotes[0].tick.0.bid, spec.digits), (1, spec.bid, 5));
}

fn ticks(mode: u8, from: i64, to: i64, count: u32) -> GetTicks {
    GetTicks { call: 9, symbol: "EURUSD".into(), mode, from, to, count, flags: 3 }
}

#[tokio::test(start_paused = true)]
async fn ticks_are_those_from_which_the_bars_are_made() {
    let broker = broker();
    let read = |get: GetTicks| {
        let (status, body) = ask(&broker, get);
        assert_eq!(status, reply_status::OK);
        let body: TicksBody = codec::record(&body).unwrap();
        (body.oldest, Tick::unpack_all(&body.ticks).unwrap())
    };
    let minute = epoch("2024.03.08 15:28:00").unwrap() * 1000;
    let bar = *BarSet::embedded().unwrap().m1().iter().find(|bar| bar.time * 1000 == minute).unwrap();
    let (oldest, found) = read(ticks(ticks_mode::RANGE, minute, minute + 59_999, 100_000));
    assert_eq!(oldest, epoch("2024.03.07 00:04:00").unwrap() * 1000);
    assert_eq!(i64::try_from(found.len()).unwrap(), bar.tick_volume);
    assert_eq!((found[0].bid, found[found.len() - 1].bid), (bar.open, bar.close));
    assert_eq!(found.iter().map(|tick| tick.bid).fold(f64::MIN, f64::max), bar.high);
    let (_, first) = read(ticks(ticks_mode::FROM, minute + 1, 0, 5));
    assert_eq!(first, found[1..6], "at or after, forwards");
    let (_, none) = read(GetTicks { flags: 2, ..ticks(ticks_mode::FROM, minute, 0, 5) });
    assert_eq!(none, [], "there are no trades on a forex symbol");
    let now = broker.replay().view().now_ms();
    let (_, last) = read(ticks(ticks_mode::FROM, now - 1_000, 0, 100_000));
    assert!(last.iter().all(|tick| tick.time_msc <= now), "never the future");
    assert_eq!(ask(&broker, ticks(ticks_mode::RANGE, 0, 1_000, 10)).0, reply_status::NO_MORE);
    assert_eq!(ask(&broker, ticks(7, 0, 1_000, 10)).0, reply_status::ERROR);
}

#[tokio::test(start_paused = true)]
async fn a_book_is_loading_at_first_and_then_stands_around_the_price() {
    let broker = broker();
    let mut desk = Desk::default();
    let get = GetDepth { call: 9, symbol: "EURUSD".into() }.into();
    assert_eq!(ask_at(&mut desk, &broker, &get).0, reply_status::LOADING);
    let (status, body) = ask_at(&mut desk, &broker, &get);
    let levels = codec::rows::<BookLevel>(&body, 100).unwrap();
    let tick = broker.replay().view().tick().unwrap();
    assert_eq!((status, levels.len()), (reply_status::OK, 10));
    assert_eq!((levels[4].kind, levels[4].price, levels[5].kind, levels[5].price), (1, tick.ask, 2, tick.bid));
    assert!(levels.windows(2).all(|pair| pair[0].price > pair[1].price), "sells from high to low, then buys");
    let unknown = GetDepth { call: 9, symbol: "GBPUSD".into() }.into();
    assert_eq!(ask_at(&mut desk, &broker, &unknown).0, reply_status::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_symbol_can_be_hidden_unless_it_has_a_position() {
    let broker = broker();
    let mut desk = Desk::default();
    let mut select = |symbol: &str, on| ask_at(&mut desk, &broker, &SelectSymbol { call: 9, symbol: symbol.into(), on }.into());
    assert_eq!(select("SYN.GOLD", false), (reply_status::OK, vec![]));
    assert_eq!(select("EURUSD", false).0, reply_status::ERROR);
    assert_eq!(select("GBPUSD", true).0, reply_status::NOT_FOUND);
    let shown = |desk: &mut Desk, symbol: &str| {
        let (_, body) = ask_at(desk, &broker, &GetSymbol { call: 9, symbol: symbol.into() }.into());
        codec::record::<SymbolSpec>(&body).unwrap().select
    };
    assert_eq!((shown(&mut desk, "SYN.GOLD"), shown(&mut desk, "EURUSD")), (false, true));
}

#[tokio::test(start_paused = true)]
async fn what_a_trade_would_come_to_is_told_and_nothing_happens() {
    let broker = broker();
    let (before, requests) = (broker.account(), broker.requests());
    let amount = |message: FromHub| codec::record::<Amount>(&ask(&broker, message).1).unwrap().value;
    let symbol = || "EURUSD".to_owned();
    assert_eq!(amount(CalcMargin { call: 9, kind: 0, symbol: symbol(), volume: 1.0, price: 1.08 }.into()), 1_080.0);
    let ask_price = broker.replay().view().tick().unwrap().ask;
    let now = amount(CalcMargin { call: 9, kind: 0, symbol: symbol(), volume: 1.0, price: 0.0 }.into());
    assert!((now - ask_price * 1_000.0).abs() < 0.01);
    let profit = CalcProfit { call: 9, kind: 1, symbol: symbol(), volume: 1.0, price_open: 1.09, price_close: 1.08 };
    assert_eq!(amount(profit.into()), 1_000.0);
    let check = |volume: f64| {
        let request = TradeRequest { action: action::DEAL, symbol: symbol(), volume, ..TradeRequest::default() };
        let (_, body) = ask(&broker, CheckOrder { call: 9, request: Row(request) });
        codec::record::<OrderCheck>(&body).unwrap()
    };
    let good = check(1.0);
    assert_eq!((good.retcode, good.balance, good.comment.as_str()), (0, before.balance, "Done"));
    assert!((good.margin - now).abs() < 0.01 && good.margin_free < before.margin_free);
    assert_eq!(check(50.0).retcode, 10_019);
    assert_eq!(check(0.015).retcode, 10_014);
    assert_eq!((broker.account(), broker.requests()), (before, requests));
}

#[tokio::test(start_paused = true)]
async fn the_week_of_a_symbol_is_that_of_its_bars() {
    let broker = broker();
    let (_, body) = ask(&broker, GetSession { call: 9, symbol: "EURUSD".into() });
    let week: TradeSessions = codec::record(&body).unwrap();
    // Thursday, Friday, Monday and Tuesday are in the file; no weekend is.
    let days: Vec<_> = week.sessions.iter().map(|session| session.0.day).collect();
    assert_eq!(days, [1, 2, 4, 5]);
    assert_eq!((week.sessions[0].0.from_s, week.sessions[1].0.from_s), (300, 240));
    assert_eq!(week.last_tick_msc, broker.replay().view().tick().unwrap().time_msc);
}

#[tokio::test(start_paused = true)]
async fn orders_are_listed_while_they_stand_and_in_the_history_afterwards() {
    let broker = broker();
    let bid = broker.replay().view().tick().unwrap().bid;
    let order = TradeRequest {
        action: action::PENDING,
        symbol: "EURUSD".into(),
        volume: 0.2,
        kind: 2,
        price: bid - 0.01,
        type_filling: 2,
        ..TradeRequest::default()
    };
    let ticket = broker.order_send(&order).order;
    let standing = |symbol: &str, ticket: u64| {
        codec::rows::<Order>(&ask(&broker, GetOrders { call: 9, symbol: symbol.into(), ticket }).1, 10).unwrap()
    };
    assert_eq!(standing("", 0), broker.orders());
    assert_eq!((standing("EURUSD", ticket).len(), standing("SYN.GOLD", 0).len(), standing("", 1).len()), (1, 0, 0));
    let remove = TradeRequest { action: action::REMOVE, order: ticket, ..TradeRequest::default() };
    assert_eq!(broker.order_send(&remove).retcode, 10_009);
    assert_eq!(standing("", 0), []);
    let all = GetHistoryOrders { call: 9, from: 0, to: i64::MAX, position: 0, ticket: 0, offset: 0, limit: 100 };
    let rows = |get: GetHistoryOrders| codec::rows::<Order>(&ask(&broker, get).1, 10).unwrap();
    assert_eq!(rows(all.clone()), broker.history_orders());
    assert_eq!(rows(GetHistoryOrders { ticket, ..all.clone() })[0].state, 2);
    assert_eq!(rows(GetHistoryOrders { position: broker.positions()[0].ticket, ..all.clone() }).len(), 1);
    assert_eq!(rows(GetHistoryOrders { offset: 1, limit: 1, ..all }), broker.history_orders()[1..2]);
}

#[tokio::test(start_paused = true)]
async fn metatrader_4_has_nine_timeframes_and_says_so_of_the_others() {
    let settings = AccountSettings { platform: Platform::Mt4, ..AccountSettings::default() };
    let broker = PaperBroker::in_memory(settings, BarSet::embedded().unwrap(), Some(epoch("2024.03.08 15:30:00").unwrap()), 1.0);
    let answered = |timeframe: Timeframe| {
        let get = GetBars { timeframe: timeframe.into(), ..bars(bars_mode::POSITION, 0, 0, 1) };
        ask(&broker, get).0
    };
    let (has, lacks): (Vec<_>, Vec<_>) = Timeframe::all().partition(|timeframe| answered(*timeframe) == reply_status::OK);
    let names = |timeframes: &[Timeframe]| timeframes.iter().map(|timeframe| timeframe.name()).collect::<Vec<_>>();
    assert_eq!(names(&has), ["M1", "M5", "M15", "M30", "H1", "H4", "D1", "W1", "MN1"]);
    assert!(lacks.iter().all(|timeframe| answered(*timeframe) == reply_status::UNSUPPORTED), "{:?}", names(&lacks));
}
