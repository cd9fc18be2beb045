//! `mtbridge symbols`, `quotes`, `depth`, `watchlist`.

use clap::{Args, Subcommand};
use reqwest::Method;

use super::{
    arguments::{At, Much, ask, segment},
    exit::{self, Failure},
    output::Page,
    remote::{Query, Remote},
    table::Column,
};

const SYMBOLS: &[Column] = &[
    Column::text("SYMBOL", &["/name"]),
    Column::text("DESCRIPTION", &["/description"]),
    Column::number("DIGITS", &["/digits"]),
    Column::number("CONTRACT", &["/trade_contract_size"]),
    Column::number("MIN", &["/volume_min"]),
    Column::number("STEP", &["/volume_step"]),
    Column::number("MAX", &["/volume_max"]),
    Column::text("PROFIT IN", &["/currency_profit"]),
    Column::text("TRADING", &["/trade_mode_name", "/trade_mode"]),
    Column::text("PATH", &["/path"]),
];

const SYMBOL: &[Column] = &[
    Column::text("symbol", &["/name"]),
    Column::text("description", &["/description"]),
    Column::text("path", &["/path"]),
    Column::number("bid", &["/bid"]),
    Column::number("ask", &["/ask"]),
    Column::number("spread points", &["/spread"]),
    Column::number("digits", &["/digits"]),
    Column::number("point", &["/point"]),
    Column::number("contract size", &["/trade_contract_size"]),
    Column::number("smallest volume", &["/volume_min"]),
    Column::number("volume step", &["/volume_step"]),
    Column::number("largest volume", &["/volume_max"]),
    Column::number("stops level points", &["/trade_stops_level"]),
    Column::number("freeze level points", &["/trade_freeze_level"]),
    Column::text("trading", &["/trade_mode_name", "/trade_mode"]),
    Column::text("execution", &["/trade_exemode_name", "/trade_exemode"]),
    Column::text("filling modes", &["/filling_mode_name", "/filling_mode"]),
    Column::text("base currency", &["/currency_base"]),
    Column::text("profit currency", &["/currency_profit"]),
    Column::text("margin currency", &["/currency_margin"]),
    Column::number("swap long", &["/swap_long"]),
    Column::number("swap short", &["/swap_short"]),
];

const QUOTES: &[Column] = &[
    Column::text("SYMBOL", &["/symbol"]),
    Column::number("BID", &["/bid"]),
    Column::number("ASK", &["/ask"]),
    Column::number("LAST", &["/last"]),
    Column::time("TIME (UTC)", &["/time"]),
];

const LEVELS: &[Column] = &[
    Column::text("SIDE", &["/type_name", "/type"]),
    Column::number("PRICE", &["/price"]),
    Column::number("VOLUME", &["/volume"]),
];

/// What a terminal's broker offers; with a name one symbol
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge symbols
  mtbridge symbols --group '*USD*,!*RUB*' --all
  mtbridge symbols EURUSD
  mtbridge symbols EURUSD --json")]
pub(super) struct Symbols {
    /// The broker's own name, with suffix
    #[arg(value_parser = segment)]
    symbol: Option<String>,
    /// Only symbols of this mask of MetaTrader, like *USD*,!*RUB*
    #[arg(long, value_name = "MASK", conflicts_with = "symbol")]
    group: Option<String>,
    #[command(flatten)]
    much: Much,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    remote: Remote,
}

impl Symbols {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let terminal = self.at.terminal.as_str();
        if let Some(symbol) = &self.symbol {
            out.one(&hub.get(&["terminals", terminal, "symbols", symbol], &Query::new()).await?, SYMBOL)?;
            return Ok(0);
        }
        let mut query = Query::new();
        ask(&mut query, "group", self.group.as_ref());
        out.list(&hub, &["terminals", terminal, "symbols"], &query, Some(self.much.rows()), SYMBOLS).await?;
        Ok(0)
    }
}

/// Bid and ask of some symbols
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge quotes EURUSD
  mtbridge quotes EURUSD GBPUSD --terminal 1001 --json")]
pub(super) struct Quotes {
    /// The broker's own names, with suffix
    #[arg(required = true)]
    symbols: Vec<String>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    remote: Remote,
}

impl Quotes {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let query = vec![("symbols", self.symbols.join(","))];
        out.list(&hub, &["terminals", &self.at.terminal, "quotes"], &query, None, QUOTES).await?;
        Ok(0)
    }
}

/// The order book of a symbol: sells from high to low, then buys
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge depth EURUSD
  mtbridge depth EURUSD --terminal 1001 --json")]
pub(super) struct Depth {
    /// The broker's own name, with suffix
    #[arg(value_parser = segment)]
    symbol: String,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    remote: Remote,
}

impl Depth {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let answer = hub.get(&["terminals", &self.at.terminal, "depth", &self.symbol], &Query::new()).await?;
        let page = Page::read(&answer)?;
        if page.loading {
            let detail = "the terminal has not had a book of this symbol from its broker yet; ask again";
            return Err(Failure::new(exit::NOT_NOW, detail).into());
        }
        out.page(&page, LEVELS)?;
        Ok(0)
    }
}

/// Market Watch of a terminal: MetaTrader has quotes only of symbols that are in it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge watchlist show GBPUSD
  mtbridge watchlist hide GBPUSD --terminal 1001")]
pub(super) struct Watchlist {
    #[command(subcommand)]
    action: Watch,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Watch {
    /// Put a symbol into it
    #[command(after_help = "Examples:
  mtbridge watchlist show GBPUSD")]
    Show {
        /// The broker's own name, with suffix
        #[arg(value_parser = segment)]
        symbol: String,
    },
    /// Take a symbol out of it; MetaTrader keeps one that a chart, a position or an order needs
    #[command(after_help = "Examples:
  mtbridge watchlist hide GBPUSD")]
    Hide {
        /// The broker's own name, with suffix
        #[arg(value_parser = segment)]
        symbol: String,
    },
}

impl Watchlist {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let (method, symbol, done) = match &self.action {
            Watch::Show { symbol } => (Method::PUT, symbol, "is in the Market Watch"),
            Watch::Hide { symbol } => (Method::DELETE, symbol, "is not in the Market Watch any more"),
        };
        hub.call(method, &["terminals", &self.at.terminal, "watchlist", symbol], &Query::new(), None).await?;
        out.note(&format!("{symbol} {done}"));
        Ok(0)
    }
}
