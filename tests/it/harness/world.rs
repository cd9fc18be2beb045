//! An account as a test wants it, played by a [`FakeTerminal`] that keeps what the hub asked.

use std::pin::pin;

use mtbridge::{
    domain::{
        market::{BookLevel, SymbolSpec},
        trade::{Deal, Order, OrderCheck, Position, TradeRequest},
    },
    protocol::{
        FromHub,
        codec::{write_record, write_rows},
        message::{Amount, Hello, Reply, Trade, reply_status},
    },
};
use tokio::select;

use super::{
    Answer, FakeTerminal, Heard, TestHub,
    fake::{accepted, all_on, executed},
};

/// What the terminal has.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub positions: Vec<Position>,
    pub orders: Vec<Order>,
    pub deals: Vec<Deal>,
    pub past_orders: Vec<Order>,
    pub depth: Vec<BookLevel>,
    pub check: OrderCheck,
    pub amount: f64,
    /// Instead of an answer: [`reply_status`] and words.
    pub refuses: Option<(u8, &'static str)>,
    /// `SYMBOL_TRADE_EXEMODE` and `SYMBOL_FILLING_MODE`.
    pub filling: (u8, u8),
}

/// A terminal with a world behind it.
pub struct Played {
    pub terminal: FakeTerminal,
    pub world: World,
    /// Everything that the hub asked, in order.
    pub heard: Vec<FromHub>,
}

impl Played {
    pub async fn enter(hub: &TestHub, login: u64, world: World, change: impl FnOnce(&mut Hello)) -> Self {
        let token = hub.mint_token().await;
        let mut terminal = FakeTerminal::connect(hub.addr(), &token).await;
        let mut hello = terminal.hello(login);
        change(&mut hello);
        terminal.send(hello).await;
        terminal.welcome().await;
        terminal.send(all_on()).await;
        hub.shows(&token, "connected").await;
        Self { terminal, world, heard: Vec::new() }
    }

    /// Plays the terminal while somebody calls the hub.
    pub async fn during(&mut self, calling: impl Future<Output = Answer>) -> Answer {
        let mut calling = pin!(calling);
        loop {
            let heard = select! {
                biased;
                answer = &mut calling => return answer,
                heard = self.terminal.next_whenever() => heard,
            };
            let Heard::Message(message) = heard else { panic!("the hub hung up: {heard:?}") };
            self.answer(&message).await;
            self.heard.push(message);
        }
    }

    /// The one trade that reached the terminal since the last look.
    #[track_caller]
    pub fn sent(&mut self) -> TradeRequest {
        let trades = self.trades();
        let [trade] = trades.as_slice() else { panic!("one trade was to be sent, and there were {trades:?}") };
        trade.request.0.clone()
    }

    /// Every trade since the last look.
    pub fn trades(&mut self) -> Vec<Trade> {
        let heard = std::mem::take(&mut self.heard);
        heard.into_iter().filter_map(|message| if let FromHub::Trade(trade) = message { Some(trade) } else { None }).collect()
    }

    pub async fn answer(&mut self, message: &FromHub) {
        let world = &self.world;
        let fits = |wanted: &str, symbol: &str| wanted.is_empty() || wanted == symbol;
        let page = |offset: u32, limit: u32| (offset as usize, limit as usize);
        let (call, body) = match message {
            FromHub::Trade(trade) => {
                let (took, done) = (accepted(trade.command), executed(trade, trade.tag & 0xffff));
                self.terminal.send(took).await;
                self.terminal.send(done).await;
                return;
            }
            FromHub::GetPositions(get) => {
                let rows = world
                    .positions
                    .iter()
                    .filter(|p| fits(&get.symbol, &p.symbol) && (get.ticket == 0 || get.ticket == p.ticket));
                (get.call, write_rows(&rows.cloned().collect::<Vec<_>>()))
            }
            FromHub::GetOrders(get) => {
                let rows =
                    world.orders.iter().filter(|o| fits(&get.symbol, &o.symbol) && (get.ticket == 0 || get.ticket == o.ticket));
                (get.call, write_rows(&rows.cloned().collect::<Vec<_>>()))
            }
            FromHub::GetDeals(get) => {
                let (skip, take) = page(get.offset, get.limit);
                let rows = world.deals.iter().filter(|deal| {
                    (get.from..=get.to).contains(&deal.time)
                        && (get.position == 0 || get.position == deal.position_id)
                        && (get.ticket == 0 || get.ticket == deal.order || get.ticket == deal.ticket)
                });
                (get.call, write_rows(&rows.skip(skip).take(take).cloned().collect::<Vec<_>>()))
            }
            FromHub::GetHistoryOrders(get) => {
                let (skip, take) = page(get.offset, get.limit);
                let rows = world.past_orders.iter().filter(|order| {
                    (get.from..=get.to).contains(&order.time_done)
                        && (get.position == 0 || get.position == order.position_id)
                        && (get.ticket == 0 || get.ticket == order.ticket)
                });
                (get.call, write_rows(&rows.skip(skip).take(take).cloned().collect::<Vec<_>>()))
            }
            FromHub::GetSymbol(get) => {
                let (trade_exemode, filling_mode) = world.filling;
                (
                    get.call,
                    write_record(&SymbolSpec { name: get.symbol.clone(), trade_exemode, filling_mode, ..SymbolSpec::default() }),
                )
            }
            FromHub::GetDepth(get) => (get.call, write_rows(&world.depth)),
            FromHub::SelectSymbol(get) => (get.call, Vec::new()),
            FromHub::CheckOrder(get) => (get.call, write_record(&world.check)),
            FromHub::CalcMargin(get) => (get.call, write_record(&Amount { value: world.amount })),
            FromHub::CalcProfit(get) => (get.call, write_record(&Amount { value: world.amount })),
            _ => return,
        };
        let reply = match world.refuses {
            Some((status, text)) => Reply { call, status, text: text.to_owned(), parts: 1, ..Reply::default() },
            None => Reply { call, status: reply_status::OK, parts: 1, body, ..Reply::default() },
        };
        self.terminal.send(reply).await;
    }
}
