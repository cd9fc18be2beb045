//! `mtbridge calc`: what a trade would cost and bring, by the terminal's own arithmetic.

use clap::{Args, Subcommand};
use reqwest::Method;

use super::{
    arguments::{At, Body, positive},
    order::word,
    positions::Side,
    remote::{Query, Remote},
    table::Column,
};

const MARGIN: &[Column] = &[Column::number("margin", &["/margin"]), Column::text("currency", &["/currency"])];
const PROFIT: &[Column] = &[Column::number("profit", &["/profit"]), Column::text("currency", &["/currency"])];

/// What a trade would cost and bring, by the terminal's own arithmetic; nothing reaches the broker
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge calc margin buy EURUSD 0.10
  mtbridge calc profit sell EURUSD 0.10 1.0900 1.0850")]
pub(super) struct Calc {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The margin that a market order would take, in the account's currency
    #[command(after_help = "Examples:
  mtbridge calc margin buy EURUSD 0.10
  mtbridge calc margin sell EURUSD 0.10 --price 1.0850 --json")]
    Margin {
        #[command(flatten)]
        trade: Trade,
        /// At this price, not the current one
        #[arg(long, value_parser = positive)]
        price: Option<f64>,
    },
    /// The profit of a trade that is opened at one price and closed at another, in the account's currency
    #[command(after_help = "Examples:
  mtbridge calc profit buy EURUSD 0.10 1.0850 1.0900")]
    Profit {
        #[command(flatten)]
        trade: Trade,
        /// The price that it is opened at
        #[arg(value_parser = positive)]
        open: f64,
        /// The price that it is closed at
        #[arg(value_parser = positive)]
        close: f64,
    },
}

#[derive(Debug, Args)]
struct Trade {
    /// Which way
    #[arg(value_enum)]
    side: Side,
    /// The broker's own name, with suffix
    symbol: String,
    /// How much
    #[arg(value_name = "LOTS", value_parser = positive)]
    lots: f64,
}

impl Trade {
    fn body(&self) -> Body {
        Body::default().with("side", word(self.side)).with("symbol", self.symbol.as_str()).with("volume", self.lots)
    }
}

impl Calc {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let (what, body, columns) = match &self.action {
            Action::Margin { trade, price } => ("margin", trade.body().maybe("price", *price), MARGIN),
            Action::Profit { trade, open, close } => {
                ("profit", trade.body().with("price_open", *open).with("price_close", *close), PROFIT)
            }
        };
        let path = ["terminals", self.at.terminal.as_str(), "calc", what];
        out.one(&hub.call(Method::POST, &path, &Query::new(), Some(&body.value())).await?, columns)?;
        Ok(0)
    }
}
