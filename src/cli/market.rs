//! `mtbridge symbols`, `mtbridge quotes`.

use clap::Args;

use super::{
    arguments::{At, Much, ask, segment},
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
