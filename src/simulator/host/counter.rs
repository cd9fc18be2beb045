//! Where the program asks for everything that a terminal knows of its account and market, and where it trades.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    changes,
    line::{self, Fields, Kind},
    pool,
    shared::{Shared, Struck},
};
use crate::{
    domain::{
        account::Platform,
        market::Tick,
        trade::{TradeRequest, TradeResult, action, retcode},
    },
    protocol::{
        FromHub, FromTerminal, codec,
        message::{
            BarsBody, CalcMargin, CalcProfit, CheckOrder, GetAccount, GetBars, GetDeals, GetDepth, GetHistoryOrders, GetOrders,
            GetPositions, GetQuotes, GetSession, GetSymbol, GetSymbols, GetTicks, SelectSymbol, TicksBody, TradeSessions,
            bars_mode, reply_status, ticks_mode,
        },
    },
    simulator::{
        PaperBroker,
        broker::Broker,
        evidence::Sight,
        faults::Step,
        reads::{self, Desk, Look},
        replay::MarketView,
        terminal::{BROKER_PING_US, BUILD},
    },
};

/// So often the host looks for what has changed at the broker.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Events that wait for the program.
const EVENTS_MAX: usize = 10_000;
/// Rows of the history in one look.
const PAGE: u32 = 10_000;
/// Fault points that the program stops at.
const POINTS: [&str; 2] = ["points", "FileFlush"];

/// How transactions are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habits {
    /// Each of them twice, as some servers do.
    pub twice: bool,
    /// The newest first.
    pub backwards: bool,
    /// The first look at each series finds it not loaded.
    pub loading: bool,
}

/// An answer, or none: the program hangs until it is killed.
type Answer = Option<Fields>;

/// The terminal's side of one life of the program.
pub(super) struct Counter {
    broker: PaperBroker,
    shared: Arc<Shared>,
    platform: Platform,
    habits: Habits,
    desk: Desk,
    loaded: std::collections::BTreeSet<(String, u16)>,
    seen_changes: u64,
    seen_tick: i64,
}

impl Counter {
    pub(super) fn new(broker: PaperBroker, shared: Arc<Shared>, platform: Platform, habits: Habits) -> Self {
        let seen_changes = broker.with(|broker, _| broker.changes_since(u64::MAX).1);
        Self { broker, shared, platform, habits, desk: Desk::default(), loaded: Default::default(), seen_changes, seen_tick: 0 }
    }

    /// Serves the program until its process ends.
    pub(super) async fn serve(mut self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let (events, mut waiting) = mpsc::channel(EVENTS_MAX);
        self.shared.listen(events);
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        write.write_all(line::write(Kind::Event, &POINTS).as_bytes()).await?;
        loop {
            let mut out = String::new();
            tokio::select! {
                biased;
                asked = lines.next_line() => {
                    let Some(asked) = asked? else { return Ok(()) };
                    match line::read(&asked) {
                        Some((Kind::Ask, fields)) => {
                            if let Some(still) = self.freeze() {
                                sleep(still).await;
                            }
                            match self.answer(&fields) {
                                Some(answer) => out = line::write(Kind::Answer, &answer),
                                // The process is about to be killed.
                                None => std::future::pending().await,
                            }
                        }
                        Some((_, fields)) => self.shared.tell(fields),
                        None => tracing::warn!(%asked, "the program says what nobody understands"),
                    }
                    self.look(&mut out);
                }
                Some(event) = waiting.recv() => out = line::write(Kind::Event, &event),
                _ = look.tick() => self.look(&mut out),
            }
            write.write_all(out.as_bytes()).await?;
        }
    }

    /// A frozen thread: whatever the program asks for comes so much later.
    fn freeze(&self) -> Option<Duration> {
        if *self.shared.connected.borrow() { self.shared.faults().freeze() } else { None }
    }

    /// What has changed at the broker since the last look, as events.
    fn look(&mut self, out: &mut String) {
        let tick = self.broker.with(|_, view| view.tick().map_or(0, |tick| tick.time_msc));
        if tick != self.seen_tick {
            self.seen_tick = tick;
            out.push_str(&line::write(Kind::Event, &["tick"]));
        }
        let hidden = !self.shared.faults().hide().is_zero() || !self.shared.switches().broker_link;
        if hidden || self.platform == Platform::Mt4 {
            return;
        }
        let seen = self.seen_changes;
        let (mut told, now) = self.broker.with(|broker, _| {
            let (changes, now) = broker.changes_since(seen);
            (changes.map(|(_, change)| changes::event(change)).collect::<Vec<_>>(), now)
        });
        self.seen_changes = now;
        if self.habits.backwards {
            told.reverse();
        }
        for event in &told {
            for _ in 0..if self.habits.twice { 2 } else { 1 } {
                out.push_str(&line::write(Kind::Event, event));
            }
        }
        if !told.is_empty() {
            out.push_str(&line::write(Kind::Event, &["trade"]));
        }
    }

    fn answer(&mut self, asked: &[String]) -> Answer {
        let field = |at: usize| asked.get(at).map_or("", String::as_str);
        Some(match field(0) {
            "hello" => {
                self.shared.forget_trade(None);
                vec!["mtbridge".into()]
            }
            "point" => return self.point(field(1)),
            "state" => self.state(),
            "send" => return self.send(asked, false),
            "send_async" => return self.send(asked, true),
            "pool" => self.pool(pool::open),
            "pool_history" => self.pool(|broker, _, sight| pool::closed(broker, sight)),
            "account" => self.account(),
            "symbols" => self.symbols(),
            "rates" => self.rates(asked),
            "series" => self.series(field(1), number(field(2))),
            "ticks" => self.ticks(asked),
            "tick" => self.tick(field(1)),
            "sessions" => self.sessions(field(1)),
            "deals" | "history_orders" => self.history(asked),
            "book_release" => vec!["0".into()],
            "book" => self.book(field(1)),
            _ => self.plain(asked),
        })
    }

    /// Reads whose answer is the wire's own record or rows.
    fn plain(&mut self, asked: &[String]) -> Fields {
        let field = |at: usize| asked.get(at).map_or("", String::as_str);
        let symbol = self.named(field(1));
        let call = 0;
        let (message, is_rows) = match field(0) {
            "symbol" => (GetSymbol { call, symbol }.into(), false),
            "positions" => (GetPositions { call, symbol: String::new(), ticket: 0 }.into(), true),
            "orders" => (GetOrders { call, symbol: String::new(), ticket: 0 }.into(), true),
            "check" => (CheckOrder { call, request: codec::Row(request(asked)) }.into(), false),
            "select" => (SelectSymbol { call, symbol, on: field(2) == "1" }.into(), false),
            "book_add" => (GetDepth { call, symbol }.into(), false),
            "margin" => {
                let (symbol, kind) = (self.named(field(2)), number(field(1)));
                (CalcMargin { call, kind, symbol, volume: number(field(3)), price: number(field(4)) }.into(), false)
            }
            "profit" => {
                let (symbol, kind) = (self.named(field(2)), number(field(1)));
                let (price_open, price_close) = (number(field(4)), number(field(5)));
                (CalcProfit { call, kind, symbol, volume: number(field(3)), price_open, price_close }.into(), false)
            }
            other => {
                tracing::error!(%other, "the program asks for what the host does not know");
                return Fields::new();
            }
        };
        match (field(0), self.read(&message)) {
            (_, Ok(body)) if is_rows => line::rows(&line::table(&body)),
            ("margin" | "profit", Ok(body)) => std::iter::once("0".into()).chain(line::fields(&body)).collect(),
            ("select", Ok(_)) | ("book_add", Ok(_) | Err((reply_status::LOADING, _))) => vec!["0".into()],
            (_, Ok(body)) => line::fields(&body),
            (_, Err((status, code))) if field(0) == "select" => vec![status.to_string(), code.to_string()],
            (_, Err((status, _))) => vec![status.to_string()],
        }
    }

    /// The symbol of this name; without one the chart's.
    fn named(&self, name: &str) -> String {
        if name.is_empty() { self.broker.settings().symbol } else { name.to_owned() }
    }

    fn sight(&self, view: &MarketView<'_>) -> Sight {
        let hide_ms = i64::try_from(self.shared.faults().hide().as_millis()).unwrap_or(i64::MAX);
        Sight { linked: self.shared.switches().broker_link, until_ms: view.now_ms() - hide_ms }
    }

    /// The body of the reply, or its status and error.
    fn read(&mut self, message: &FromHub) -> Result<Vec<u8>, (u8, i32)> {
        let broker = self.broker.clone();
        let answers = broker.with(|broker, view| {
            let sight = self.sight(view);
            reads::answer(message, &mut Look { broker, view, desk: &mut self.desk, sight })
        });
        let mut body = Vec::new();
        for answer in answers {
            let FromTerminal::Reply(reply) = answer else { continue };
            if reply.status != reply_status::OK {
                return Err((reply.status, reply.code));
            }
            body.extend(reply.body);
        }
        Ok(body)
    }

    fn point(&self, name: &str) -> Answer {
        if self.shared.springs(name) {
            return None;
        }
        // Between the acceptance of a trade and its last checks the journal is flushed: the moment for a clock to jump.
        let by_ms = if name == POINTS[1] { self.shared.faults().wall_clock() } else { 0 };
        Some(if by_ms == 0 { Fields::new() } else { vec!["wall".into(), (by_ms / 1000).to_string()] })
    }

    fn state(&self) -> Fields {
        let (clock_s, switches) = (self.shared.faults().broker_clock(), *self.shared.switches());
        let bit = |on: bool| u8::from(on).to_string();
        self.broker.with(|broker, view| {
            vec![
                (view.now_ms() + clock_s * 1000).to_string(),
                view.utc_offset().to_string(),
                bit(view.is_open()),
                bit(switches.broker_link),
                bit(switches.terminal_trade_allowed),
                bit(switches.ea_trade_allowed),
                bit(switches.account_trade_allowed),
                BROKER_PING_US.to_string(),
                broker.revision().to_string(),
                view.tick().map_or(0, |tick| tick.time).to_string(),
                "0".into(),
                BUILD.to_string(),
                broker.settings().symbol.clone(),
                "0".into(),
            ]
        })
    }

    fn account(&mut self) -> Fields {
        let mut fields = self.read(&GetAccount { call: 0 }.into()).map(|body| line::fields(&body)).unwrap_or_default();
        if let (Some(field), Some(other)) = (fields.first_mut(), self.shared.login()) {
            *field = other.to_string();
        }
        // The broker's own switch: experts may not trade.
        if let Some(expert) = fields.get_mut(6) {
            *expert = u8::from(self.shared.switches().account_trade_allowed).to_string();
        }
        fields
    }

    fn symbols(&mut self) -> Fields {
        let all = GetSymbols { call: 0, group: String::new(), offset: 0, limit: u32::MAX };
        let rows = self.read(&all.into()).map(|body| line::table(&body)).unwrap_or_default();
        let names = rows.into_iter().filter_map(|row| Some(vec![row.get(93)?.clone(), row.get(2)?.clone()]));
        line::rows(&names.collect::<Vec<_>>())
    }

    fn pool(&self, of: impl FnOnce(&Broker, &MarketView<'_>, Sight) -> Vec<Fields>) -> Fields {
        line::rows(&self.broker.with(|broker, view| of(broker, view, self.sight(view))))
    }

    fn tick(&mut self, name: &str) -> Fields {
        let symbol = self.named(name);
        let quotes = GetQuotes { call: 0, symbols: vec![symbol] };
        let rows = self.read(&quotes.into()).map(|body| line::table(&body)).unwrap_or_default();
        rows.into_iter().next().map(|row| row.into_iter().skip(1).collect()).unwrap_or_default()
    }

    fn sessions(&mut self, name: &str) -> Fields {
        let symbol = self.named(name);
        let Ok(body) = self.read(&GetSession { call: 0, symbol }.into()) else { return vec!["0".into()] };
        let sessions = codec::record::<TradeSessions>(&body).map(|body| body.sessions).unwrap_or_default();
        line::rows(&sessions.iter().map(line::fields_of).collect::<Vec<_>>())
    }

    /// A series that is looked at for the first time is not loaded.
    fn is_loaded(&mut self, symbol: &str, timeframe: u16) -> bool {
        !self.habits.loading || !self.loaded.insert((symbol.to_owned(), timeframe))
    }

    fn rates(&mut self, asked: &[String]) -> Fields {
        let field = |at: usize| asked.get(at).map_or("", String::as_str);
        let (symbol, timeframe) = (self.named(field(1)), number(field(2)));
        let get = GetBars {
            call: 0,
            symbol: symbol.clone(),
            timeframe,
            mode: number(field(3)),
            from: number(field(4)),
            to: number(field(5)),
            count: number(field(6)),
        };
        match self.read(&get.into()) {
            Err((reply_status::NO_MORE, _)) if !self.is_loaded(&symbol, timeframe) => vec![reply_status::LOADING.to_string()],
            Ok(_) if !self.is_loaded(&symbol, timeframe) => vec![reply_status::LOADING.to_string()],
            Err((status, _)) => vec![status.to_string()],
            Ok(body) => {
                let rates = codec::record::<BarsBody>(&body).map(|body| body.rates).unwrap_or_default();
                vec!["0".into(), line::hex(&rates)]
            }
        }
    }

    /// Forming bar, oldest bar, how many there are, whether they are loaded.
    fn series(&mut self, name: &str, timeframe: u16) -> Fields {
        let symbol = self.named(name);
        let mode = bars_mode::POSITION;
        let get = GetBars { call: 0, symbol: symbol.clone(), timeframe, mode, from: 0, to: 0, count: u32::MAX };
        let Ok(body) = self.read(&get.into()) else { return Fields::new() };
        let bars = codec::record::<BarsBody>(&body).unwrap_or_default();
        let loaded = !self.habits.loading || self.loaded.contains(&(symbol, timeframe));
        let count = bars.rates.len() / crate::domain::market::Bar::SIZE;
        vec![bars.forming_open.to_string(), bars.oldest.to_string(), count.to_string(), u8::from(loaded).to_string()]
    }

    fn ticks(&mut self, asked: &[String]) -> Fields {
        let field = |at: usize| asked.get(at).map_or("", String::as_str);
        let (symbol, count): (_, u32) = (self.named(field(1)), number(field(5)));
        if field(2) == "last" {
            return self.last_ticks(&symbol, usize::try_from(count).unwrap_or(usize::MAX));
        }
        let mode = if field(2) == "range" { ticks_mode::RANGE } else { ticks_mode::FROM };
        let (from, to, flags) = (number(field(3)), number(field(4)), number(field(6)));
        match self.read(&GetTicks { call: 0, symbol, mode, from, to, count, flags }.into()) {
            Err((status, _)) => vec![status.to_string()],
            Ok(body) => {
                let ticks = codec::record::<TicksBody>(&body).map(|body| body.ticks).unwrap_or_default();
                vec!["0".into(), line::hex(&ticks)]
            }
        }
    }

    fn last_ticks(&self, symbol: &str, count: usize) -> Fields {
        let found = self.broker.with(|broker, view| {
            let of = broker.instrument(symbol)?;
            Some(view.of_symbol(of).ticks_since(0).collect::<Vec<_>>())
        });
        let Some(ticks) = found else { return vec![reply_status::NOT_FOUND.to_string()] };
        let mut packed = Vec::new();
        ticks[ticks.len().saturating_sub(count)..].iter().for_each(|tick| Tick::pack_into(tick, &mut packed));
        vec!["0".into(), line::hex(&packed)]
    }

    /// Deals or orders of the past, page by page.
    fn history(&mut self, asked: &[String]) -> Fields {
        let field = |at: usize| asked.get(at).map_or("", String::as_str);
        let (from, to) = (number(field(1)), number(field(2)));
        let (position, ticket) = (number(field(3)), number(field(4)));
        let mut all = Vec::new();
        loop {
            let (call, offset, limit) = (0, u32::try_from(all.len()).unwrap_or(u32::MAX), PAGE);
            let message = if field(0) == "deals" {
                GetDeals { call, from, to, position, ticket, offset, limit }.into()
            } else {
                GetHistoryOrders { call, from, to, position, ticket, offset, limit }.into()
            };
            let page = self.read(&message).map(|body| line::table(&body)).unwrap_or_default();
            let last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            all.extend(page);
            if last {
                return line::rows(&all);
            }
        }
    }

    fn book(&mut self, name: &str) -> Fields {
        let symbol = self.named(name);
        match self.read(&GetDepth { call: 0, symbol }.into()) {
            Ok(body) => line::rows(&line::table(&body)),
            Err(_) => vec!["-".into()],
        }
    }

    /// `OrderSend`, or `OrderSendAsync` whose result comes as an event.
    fn send(&mut self, asked: &[String], later: bool) -> Answer {
        let mut request = request(asked);
        if self.platform == Platform::Mt4 {
            self.shared.complete(&mut request);
        }
        if self.shared.strike(Step::AfterAccept) == Err(Struck::Crash) {
            return None;
        }
        let refusal = self.shared.switches().refusal();
        if let Some((retcode, comment)) = refusal {
            return Some(line::fields_of(&TradeResult { retcode, comment: comment.into(), ..TradeResult::default() }));
        }
        let quirk = self.shared.faults().quirk(request.action == action::DEAL);
        let result = self.broker.order_send_with(&request, quirk);
        if self.shared.strike(Step::AfterExecute) == Err(Struck::Crash) {
            return None;
        }
        if self.platform == Platform::Mt5 {
            let event = changes::answered(&request, &result);
            self.shared.push(&event.iter().map(String::as_str).collect::<Vec<_>>());
        }
        if later {
            let sent = TradeResult { retcode: retcode::PLACED, request_id: result.request_id, ..TradeResult::default() };
            return Some(line::fields_of(&sent));
        }
        Some(line::fields_of(&result))
    }
}

/// Zero if it is none.
fn number<T: std::str::FromStr + Default>(text: &str) -> T {
    text.parse().unwrap_or_default()
}

/// The 17 fields behind the question's name.
fn request(asked: &[String]) -> TradeRequest {
    let field = |at: usize| asked.get(at + 1).map_or("", String::as_str);
    TradeRequest {
        action: number(field(0)),
        magic: number(field(1)),
        order: number(field(2)),
        symbol: field(3).to_owned(),
        volume: number(field(4)),
        price: number(field(5)),
        stoplimit: number(field(6)),
        sl: number(field(7)),
        tp: number(field(8)),
        deviation: number(field(9)),
        kind: number(field(10)),
        type_filling: number(field(11)),
        type_time: number(field(12)),
        expiration: number(field(13)),
        comment: field(14).to_owned(),
        position: number(field(15)),
        position_by: number(field(16)),
    }
}
