//! `mtbridge positions`, `mtbridge close`.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;

use super::{
    arguments::{At, Body, Change, ask, change, positive},
    exit::{self, Failure},
    order::{Filling, word},
    remote::{Query, Remote},
    sending::{Sending, Trade},
    table::Column,
};

const COLUMNS: &[Column] = &[
    Column::number("TICKET", &["/ticket"]),
    Column::text("SYMBOL", &["/symbol"]),
    Column::text("SIDE", &["/type_name"]),
    Column::number("VOLUME", &["/volume"]),
    Column::number("OPEN", &["/price_open"]),
    Column::number("NOW", &["/price_current"]),
    Column::number("SL", &["/sl"]),
    Column::number("TP", &["/tp"]),
    Column::number("SWAP", &["/swap"]),
    Column::number("PROFIT", &["/profit"]),
    Column::time("SINCE (UTC)", &["/time"]),
    Column::number("MAGIC", &["/magic"]),
    Column::text("COMMENT", &["/comment"]),
];

/// Which of what is open.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only of this symbol
    #[arg(long)]
    symbol: Option<String>,
    /// Only symbols of this mask of MetaTrader, like *USD*,!*RUB*
    #[arg(long, value_name = "MASK")]
    group: Option<String>,
    /// Only with this magic
    #[arg(long)]
    magic: Option<u64>,
}

impl Which {
    pub(super) fn query(&self) -> Query {
        let mut query = Query::new();
        ask(&mut query, "symbol", self.symbol.as_ref());
        ask(&mut query, "group", self.group.as_ref());
        ask(&mut query, "magic", self.magic.as_ref());
        query
    }
}

/// Open positions, and their stops
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge positions
  mtbridge positions --terminal 1001 --symbol EURUSD --json
  mtbridge positions modify 123456 --sl 1.0850 --tp none")]
pub(super) struct Positions {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Change stop loss and take profit of a position; what is left out stays as it is
    #[command(after_help = "Examples:
  mtbridge positions modify 123456 --sl 1.0850
  mtbridge positions modify 123456 --sl none --tp 1.0950")]
    Modify(Modify),
}

#[derive(Debug, Args)]
struct Modify {
    /// Of the position
    ticket: u64,
    /// Stop loss, or none to clear it
    #[arg(long, value_name = "PRICE|none", value_parser = change)]
    sl: Option<Change>,
    /// Take profit, or none to clear it
    #[arg(long, value_name = "PRICE|none", value_parser = change)]
    tp: Option<Change>,
    #[command(flatten)]
    sending: Sending,
}

impl Positions {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let Some(Action::Modify(modify)) = self.action else {
            let path = ["terminals", self.at.terminal.as_str(), "positions"];
            out.list(&hub, &path, &self.which.query(), None, COLUMNS).await?;
            return Ok(0);
        };
        if modify.sl.is_none() && modify.tp.is_none() {
            return Err(Failure::new(exit::USAGE, "nothing to change: give --sl or --tp").into());
        }
        if !self.which.query().is_empty() {
            return Err(Failure::new(
                exit::USAGE,
                "modify changes the one position that has the ticket; --symbol, --group and --magic are for the list",
            )
            .into());
        }
        let body = Body::default().change("sl", modify.sl).change("tp", modify.tp).value();
        let (ticket, terminal) = (modify.ticket.to_string(), self.at.terminal.as_str());
        let what = format!("change the position {ticket} to {body}");
        let path = vec!["terminals", terminal, "positions", &ticket];
        modify.sending.run(&hub, out, Trade { method: Method::PATCH, path, body, what, terminal }).await
    }
}

/// Close a position, a part of it, or all of them
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge close 123456
  mtbridge close 123456 --volume 0.05
  mtbridge close 123456 --by 123457
  mtbridge close --all --symbol EURUSD --terminal 1001")]
pub(super) struct Close {
    /// Of the position
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ticket: Option<u64>,
    /// Every position of the terminal, or those that --symbol, --magic and --side say
    #[arg(long)]
    all: bool,
    /// Only so many lots of it
    #[arg(long, value_name = "LOTS", value_parser = positive, conflicts_with = "all")]
    volume: Option<f64>,
    /// Against this opposite position of the same symbol
    #[arg(long, value_name = "TICKET", conflicts_with_all = ["all", "volume"])]
    by: Option<u64>,
    /// With --all: only of this symbol
    #[arg(long, requires = "all")]
    symbol: Option<String>,
    /// With --all: only with this magic
    #[arg(long, requires = "all")]
    magic: Option<u64>,
    /// With --all: only these
    #[arg(long, value_enum, requires = "all")]
    side: Option<Side>,
    /// How far the price may differ, points [default: the hub's, 10]
    #[arg(long, value_name = "POINTS", conflicts_with_all = ["all", "by"])]
    deviation: Option<u64>,
    /// How it may be filled
    #[arg(long, value_enum, conflicts_with_all = ["all", "by"])]
    filling: Option<Filling>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    remote: Remote,
}

/// Which way a trade goes.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Side {
    Buy,
    Sell,
}

impl Close {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let terminal = self.at.terminal.as_str();
        let ticket = self.ticket.map(|ticket| ticket.to_string());
        let body = Body::default()
            .maybe("volume", self.volume)
            .maybe("by", self.by)
            .maybe("deviation", self.deviation)
            .maybe("filling", self.filling.map(word))
            .maybe("symbol", self.symbol.as_deref())
            .maybe("magic", self.magic.map(|magic| magic.to_string()))
            .maybe("side", self.side.map(word))
            .value();
        let (path, what) = match ticket.as_deref() {
            Some(ticket) => {
                (vec!["terminals", terminal, "positions", ticket, "close"], format!("close the position {ticket} {body}"))
            }
            None => (vec!["terminals", terminal, "positions", "close-all"], format!("close ALL positions {body}")),
        };
        self.sending.run(&hub, out, Trade { method: Method::POST, path, body, what, terminal }).await
    }
}
