//! `mtbridge order`: place, change and cancel.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::Value;

use super::{
    arguments::{At, Body, Change, change, positive, time},
    exit::{self, Failure},
    output::Output,
    remote::{Hub, Remote},
    sending::{Sending, Trade},
    table::Column,
};

/// What the terminal expects of an order, by its own arithmetic.
const CHECK: &[Column] = &[
    Column::number("retcode", &["/retcode"]),
    Column::text("retcode name", &["/retcode_name"]),
    Column::text("comment", &["/comment"]),
    Column::number("margin", &["/margin"]),
    Column::number("margin free", &["/margin_free"]),
    Column::number("margin level", &["/margin_level"]),
    Column::number("balance", &["/balance"]),
    Column::number("equity", &["/equity"]),
    Column::number("profit", &["/profit"]),
];

/// Place, change or cancel an order
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge order buy EURUSD 0.10
  mtbridge order sell EURUSD 0.10 --limit 1.1050 --sl 1.1100 --tp 1.0950
  mtbridge order modify 123456 --price 1.1040
  mtbridge order cancel 123456

Every order prints an Idempotency-Key; the same command with that key never trades twice.")]
pub(super) struct Order {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Buy at the market, or place a pending buy order
    #[command(after_help = BUY_EXAMPLES)]
    Buy(Box<Place>),
    /// Sell at the market, or place a pending sell order
    #[command(after_help = SELL_EXAMPLES)]
    Sell(Box<Place>),
    /// Change a pending order; what is left out stays as it is
    #[command(after_help = "Examples:
  mtbridge order modify 123456 --price 1.1040
  mtbridge order modify 123456 --sl none --expires '2026-12-24 18:00'")]
    Modify(Modify),
    /// Delete a pending order
    #[command(after_help = "Examples:
  mtbridge order cancel 123456
  mtbridge order cancel 123456 --terminal 1001@Demo-Server")]
    Cancel(Cancel),
}

const BUY_EXAMPLES: &str = "Examples:
  mtbridge order buy EURUSD 0.10
  mtbridge order buy EURUSD 0.10 --limit 1.0850 --sl 1.0800 --tp 1.0950 --expires '2026-12-24 18:00'
  mtbridge order buy EURUSD 0.10 --stop-limit 1.0950 1.0940
  mtbridge order buy EURUSD 0.10 --seen-price 1.0870 --max-slippage 20 --wait 60
  mtbridge order buy EURUSD 0.10 --check";

const SELL_EXAMPLES: &str = "Examples:
  mtbridge order sell EURUSD 0.10 --stop 1.0800
  mtbridge order sell EURUSD 0.10 --terminal 1001 --yes --json
  mtbridge order sell EURUSD 0.10 --idempotency-key monday-1 --retry --wait 120";

#[derive(Debug, Args)]
struct Place {
    /// The broker's own name, with suffix
    symbol: String,
    /// Lots
    #[arg(value_parser = positive)]
    volume: f64,
    /// Pending order at this price or better
    #[arg(long, value_name = "PRICE", value_parser = positive, group = "pending")]
    limit: Option<f64>,
    /// Pending order that becomes a market order at this price
    #[arg(long, value_name = "PRICE", value_parser = positive, group = "pending")]
    stop: Option<f64>,
    /// Pending order that becomes a limit order at LIMIT when the price reaches PRICE
    #[arg(long, num_args = 2, value_names = ["PRICE", "LIMIT"], value_parser = positive, group = "pending")]
    stop_limit: Option<Vec<f64>>,
    /// Stop loss, a price
    #[arg(long, value_name = "PRICE", value_parser = positive)]
    sl: Option<f64>,
    /// Take profit, a price
    #[arg(long, value_name = "PRICE", value_parser = positive)]
    tp: Option<f64>,
    /// How far the price of a market order may differ, points [default: the hub's, 10]
    #[arg(long, value_name = "POINTS")]
    deviation: Option<u64>,
    /// Your own mark on it [default: the hub's tag]
    #[arg(long)]
    magic: Option<u64>,
    /// What the broker shows beside it, behind the hub's mark
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// How long a pending order stands [default: gtc, or gtd with --expires]
    #[arg(long, value_enum)]
    tif: Option<TimeInForce>,
    /// When a pending order ends
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<String>,
    /// How it may be filled
    #[arg(long, value_enum)]
    filling: Option<Filling>,
    /// The price that you saw
    #[arg(long, value_name = "PRICE", value_parser = positive)]
    seen_price: Option<f64>,
    /// The EA refuses if the price is further than that from --seen-price, points
    #[arg(long, value_name = "POINTS", requires = "seen_price")]
    max_slippage: Option<u32>,
    /// Send it although the same symbol, side and volume was sent within the last second
    #[arg(long)]
    allow_duplicate: bool,
    /// How long the EA may wait before it sends it, milliseconds; at most 60000
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    ttl: Option<u64>,
    /// Your own name for it, 1 to 36 characters
    #[arg(long, value_name = "TEXT")]
    client_order_id: Option<String>,
    /// Only ask the terminal what it would come to; nothing is sent to the broker
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TimeInForce {
    /// Until it is cancelled
    Gtc,
    /// Until the end of the trading day
    Day,
    /// Until --expires
    Gtd,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Filling {
    /// What the symbol offers
    Auto,
    /// All or nothing
    Fok,
    /// What there is, the rest is cancelled
    Ioc,
    /// What there is, the rest stays
    Return,
    /// Only into the book
    Boc,
}

/// The word on the wire.
pub(super) fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[derive(Debug, Args)]
struct Modify {
    /// Of the pending order
    ticket: u64,
    #[arg(long, value_name = "PRICE", value_parser = positive)]
    price: Option<f64>,
    /// Price of the limit order that a stop-limit order becomes
    #[arg(long, value_name = "PRICE", value_parser = positive)]
    stop_limit_price: Option<f64>,
    /// Stop loss, or none to clear it
    #[arg(long, value_name = "PRICE|none", value_parser = change)]
    sl: Option<Change>,
    /// Take profit, or none to clear it
    #[arg(long, value_name = "PRICE|none", value_parser = change)]
    tp: Option<Change>,
    /// How long it stands
    #[arg(long, value_enum)]
    tif: Option<TimeInForce>,
    /// When it ends
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<String>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
struct Cancel {
    /// Of the pending order
    ticket: u64,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    sending: Sending,
}

impl Order {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        match self.action {
            Action::Buy(place) => place.run(&hub, out, "buy").await,
            Action::Sell(place) => place.run(&hub, out, "sell").await,
            Action::Modify(modify) => modify.run(&hub, out).await,
            Action::Cancel(cancel) => cancel.run(&hub, out).await,
        }
    }
}

impl Place {
    async fn run(self, hub: &Hub, out: Output, side: &str) -> anyhow::Result<u8> {
        let body = self.body(side);
        let terminal = self.at.terminal.as_str();
        if self.check {
            let answer = hub.call(Method::POST, &["terminals", terminal, "orders", "check"], &Vec::new(), Some(&body)).await?;
            out.one(&answer, CHECK)?;
            let checked: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
            return Ok(if checked["retcode"] == 0 { 0 } else { exit::NOT_EXECUTED });
        }
        let kind = body["type"].as_str().unwrap_or_default();
        let price = body["price"].as_f64().map_or_else(String::new, |price| format!(" at {price}"));
        let what = format!("{side} {} {} {kind}{price}", self.volume, self.symbol);
        let path = vec!["terminals", terminal, "orders"];
        self.sending.run(hub, out, Trade { method: Method::POST, path, body, what, terminal }).await
    }

    fn body(&self, side: &str) -> Value {
        let (kind, price, stop_limit_price) = match (self.limit, self.stop, self.stop_limit.as_deref()) {
            (Some(price), _, _) => ("limit", Some(price), None),
            (_, Some(price), _) => ("stop", Some(price), None),
            (_, _, Some([price, limit, ..])) => ("stop_limit", Some(*price), Some(*limit)),
            _ => ("market", None, None),
        };
        let until = self.expires.as_ref().map(|_| TimeInForce::Gtd);
        Body::default()
            .with("symbol", self.symbol.as_str())
            .with("side", side)
            .with("type", kind)
            .with("volume", self.volume)
            .maybe("price", price)
            .maybe("stop_limit_price", stop_limit_price)
            .maybe("sl", self.sl)
            .maybe("tp", self.tp)
            .maybe("deviation", self.deviation)
            // Above 2^53 a JSON number loses digits.
            .maybe("magic", self.magic.map(|magic| magic.to_string()))
            .maybe("comment", self.comment.as_deref())
            .maybe("time_in_force", self.tif.or(until).map(word))
            .maybe("expires_at", self.expires.as_deref())
            .maybe("filling", self.filling.map(word))
            .maybe("seen_price", self.seen_price)
            .maybe("max_slippage_points", self.max_slippage)
            .maybe("allow_duplicate", self.allow_duplicate.then_some(true))
            .maybe("ttl_ms", self.ttl)
            .maybe("client_order_id", self.client_order_id.as_deref())
            .value()
    }
}

impl Modify {
    async fn run(self, hub: &Hub, out: Output) -> anyhow::Result<u8> {
        let until = self.expires.as_ref().map(|_| TimeInForce::Gtd);
        let body = Body::default()
            .maybe("price", self.price)
            .maybe("stop_limit_price", self.stop_limit_price)
            .change("sl", self.sl)
            .change("tp", self.tp)
            .maybe("time_in_force", self.tif.or(until).map(word))
            .maybe("expires_at", self.expires.as_deref())
            .value();
        if body.as_object().is_some_and(serde_json::Map::is_empty) {
            return Err(Failure::new(
                exit::USAGE,
                "nothing to change: give --price, --sl, --tp, --stop-limit-price, --tif or --expires",
            )
            .into());
        }
        let (ticket, terminal) = (self.ticket.to_string(), self.at.terminal.as_str());
        let what = format!("change the order {ticket} to {body}");
        let path = vec!["terminals", terminal, "orders", &ticket];
        self.sending.run(hub, out, Trade { method: Method::PATCH, path, body, what, terminal }).await
    }
}

impl Cancel {
    async fn run(self, hub: &Hub, out: Output) -> anyhow::Result<u8> {
        let (ticket, terminal) = (self.ticket.to_string(), self.at.terminal.as_str());
        let what = format!("cancel the order {ticket}");
        let path = vec!["terminals", terminal, "orders", &ticket];
        self.sending.run(hub, out, Trade { method: Method::DELETE, path, body: Body::default().value(), what, terminal }).await
    }
}
