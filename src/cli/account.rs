//! `mtbridge terminals`, `account`, `orders`, `history`: what there is at the terminals, and what has been.

use clap::{Args, Subcommand, ValueEnum};

use super::{
    arguments::{At, Much, ask, segment, time},
    order::word,
    positions::Which,
    remote::{Query, Remote},
    table::Column,
};

const TERMINALS: &[Column] = &[
    Column::text("TERMINAL", &["/id"]),
    Column::text("NAME", &["/name"]),
    Column::text("ACCOUNT", &["/account"]),
    Column::state("STATE", &["/state"]),
    Column::text("MODE", &["/trade_mode_name"]),
    Column::text("PLATFORM", &["/platform"]),
    Column::text("LINK", &["/presence/broker_link/value"]),
    Column::text("TRADING", &["/presence/trade_allowed/value"]),
    Column::state("MARKET", &["/presence/market/value"]),
    Column::number("RTT MS", &["/presence/socket/rtt_ms"]),
    Column::time("LAST SEEN (UTC)", &["/last_seen_at"]),
];

const TERMINAL: &[Column] = &[
    Column::text("terminal", &["/id"]),
    Column::text("name", &["/name"]),
    Column::text("account", &["/account"]),
    Column::state("state", &["/state"]),
    Column::text("company", &["/company"]),
    Column::text("mode", &["/trade_mode_name"]),
    Column::text("margin mode", &["/margin_mode_name"]),
    Column::text("platform", &["/platform"]),
    Column::number("build", &["/build"]),
    Column::text("expert advisor", &["/ea_version"]),
    Column::state("socket", &["/presence/socket/value"]),
    Column::number("round trip ms", &["/presence/socket/rtt_ms"]),
    Column::number("EA loop ms", &["/presence/ea_loop_ms/value"]),
    Column::text("broker link", &["/presence/broker_link/value"]),
    Column::number("broker ping ms", &["/presence/broker_ping_ms/value"]),
    Column::text("terminal allows trading", &["/presence/terminal_trade_allowed/value"]),
    Column::text("EA allows trading", &["/presence/ea_trade_allowed/value"]),
    Column::text("account allows trading", &["/presence/account_trade_allowed/value"]),
    Column::state("market", &["/presence/market/value"]),
    Column::number("broker time - UTC s", &["/utc_offset_s"]),
    Column::text("remote", &["/session/remote"]),
    Column::time("connected (UTC)", &["/session/connected_at"]),
    Column::time("last seen (UTC)", &["/last_seen_at"]),
    Column::text("last disconnect", &["/last_disconnect"]),
];

const ACCOUNT: &[Column] = &[
    Column::number("account", &["/login"]),
    Column::text("server", &["/server"]),
    Column::text("name", &["/name"]),
    Column::text("company", &["/company"]),
    Column::text("mode", &["/trade_mode_name"]),
    Column::text("currency", &["/currency"]),
    Column::number("balance", &["/balance"]),
    Column::number("credit", &["/credit"]),
    Column::number("profit", &["/profit"]),
    Column::number("equity", &["/equity"]),
    Column::number("margin", &["/margin"]),
    Column::number("margin free", &["/margin_free"]),
    Column::number("margin level", &["/margin_level"]),
    Column::number("leverage", &["/leverage"]),
    Column::text("trading allowed", &["/trade_allowed"]),
    Column::text("experts allowed", &["/trade_expert"]),
];

const ORDERS: &[Column] = &[
    Column::number("TICKET", &["/ticket"]),
    Column::text("SYMBOL", &["/symbol"]),
    Column::text("TYPE", &["/type_name"]),
    Column::text("STATE", &["/state_name"]),
    Column::number("VOLUME", &["/volume_initial"]),
    Column::number("LEFT", &["/volume_current"]),
    Column::number("PRICE", &["/price_open"]),
    Column::number("LIMIT", &["/price_stoplimit"]),
    Column::number("SL", &["/sl"]),
    Column::number("TP", &["/tp"]),
    Column::time("PLACED (UTC)", &["/time_setup"]),
    Column::time("DONE (UTC)", &["/time_done"]),
    Column::time("EXPIRES (UTC)", &["/time_expiration"]),
    Column::number("MAGIC", &["/magic"]),
    Column::text("COMMENT", &["/comment"]),
];

const DEALS: &[Column] = &[
    Column::number("DEAL", &["/ticket"]),
    Column::number("ORDER", &["/order"]),
    Column::number("POSITION", &["/position_id"]),
    Column::time("TIME (UTC)", &["/time"]),
    Column::text("SYMBOL", &["/symbol"]),
    Column::text("TYPE", &["/type_name"]),
    Column::text("ENTRY", &["/entry_name"]),
    Column::number("VOLUME", &["/volume"]),
    Column::number("PRICE", &["/price"]),
    Column::number("COMMISSION", &["/commission"]),
    Column::number("SWAP", &["/swap"]),
    Column::number("PROFIT", &["/profit"]),
    Column::text("REASON", &["/reason_name"]),
    Column::text("COMMENT", &["/comment"]),
];

/// Who is connected, and how; with a name one of them, layer by layer
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge terminals
  mtbridge terminals 1001@Demo-Server
  mtbridge terminals --json")]
pub(super) struct Terminals {
    /// Account number, number@server or token id; - for the only one there is
    #[arg(value_parser = segment)]
    terminal: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Terminals {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        match &self.terminal {
            Some(terminal) => out.one(&hub.get(&["terminals", terminal], &Query::new()).await?, TERMINAL)?,
            None => out.list(&hub, &["terminals"], &Query::new(), None, TERMINALS).await?,
        }
        Ok(0)
    }
}

/// Balance, equity and margin of an account
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge account
  mtbridge account --terminal 1001 --json")]
pub(super) struct Account {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    remote: Remote,
}

impl Account {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        out.one(&hub.get(&["terminals", &self.at.terminal, "account"], &Query::new()).await?, ACCOUNT)?;
        Ok(0)
    }
}

/// Pending orders
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge orders
  mtbridge orders --terminal 1001 --symbol EURUSD")]
pub(super) struct Orders {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    remote: Remote,
}

impl Orders {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        out.list(&hub, &["terminals", &self.at.terminal, "orders"], &self.which.query(), None, ORDERS).await?;
        Ok(0)
    }
}

/// Deals and orders of the past
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge history deals --from 2026-11-01 --to 2026-12-01
  mtbridge history orders --symbol EURUSD --all
  mtbridge history trades --account 1001@Demo-Server --kind deal --json")]
pub(super) struct History {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What was bought and sold, as the terminal has it
    #[command(after_help = "Examples:
  mtbridge history deals --from 2026-11-01
  mtbridge history deals --position 123456 --json")]
    Deals(Past),
    /// Orders that are filled, cancelled or expired, as the terminal has them
    #[command(after_help = "Examples:
  mtbridge history orders --from 2026-11-01 --terminal 1001")]
    Orders(Past),
    /// Every deal and change of an order that the hub has recorded, terminal connected or not
    #[command(after_help = "Examples:
  mtbridge history trades --account 1001@Demo-Server --from 2026-11-01
  mtbridge history trades --account 1001@Demo-Server --kind deal --all --json")]
    Trades(Recorded),
}

#[derive(Debug, Args)]
struct Span {
    /// From this time on
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<String>,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<String>,
    /// Only of this symbol
    #[arg(long)]
    symbol: Option<String>,
    /// Only of this position
    #[arg(long, value_name = "TICKET")]
    position: Option<u64>,
    /// Only of this order
    #[arg(long, value_name = "TICKET")]
    order: Option<u64>,
    /// Only this one
    #[arg(long)]
    ticket: Option<u64>,
    #[command(flatten)]
    much: Much,
}

impl Span {
    fn query(&self) -> Query {
        let mut query = Query::new();
        ask(&mut query, "from", self.from.as_ref());
        ask(&mut query, "to", self.to.as_ref());
        ask(&mut query, "symbol", self.symbol.as_ref());
        ask(&mut query, "position", self.position.as_ref());
        ask(&mut query, "order", self.order.as_ref());
        ask(&mut query, "ticket", self.ticket.as_ref());
        query
    }
}

#[derive(Debug, Args)]
struct Past {
    #[command(flatten)]
    span: Span,
    /// Only symbols of this mask of MetaTrader, like *USD*,!*RUB*
    #[arg(long, value_name = "MASK")]
    group: Option<String>,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
struct Recorded {
    /// The account, number or number@server; may be left out where only one has a history
    #[arg(long)]
    account: Option<String>,
    /// Only these
    #[arg(long, value_enum)]
    kind: Option<RecordKind>,
    #[command(flatten)]
    span: Span,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RecordKind {
    Deal,
    Order,
}

const RECORDED: &[Column] = &[
    Column::text("KIND", &["/kind"]),
    Column::number("TICKET", &["/ticket"]),
    Column::time("AT (UTC)", &["/at"]),
    Column::text("SYMBOL", &["/symbol"]),
    Column::text("TYPE", &["/type_name"]),
    Column::text("STATE", &["/state_name", "/entry_name"]),
    Column::number("VOLUME", &["/volume", "/volume_initial"]),
    Column::number("PRICE", &["/price", "/price_open"]),
    Column::number("PROFIT", &["/profit"]),
    Column::text("SOURCE", &["/source"]),
    Column::text("ORIGIN", &["/origin"]),
    Column::text("COMMAND", &["/command"]),
];

impl History {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        match &self.what {
            What::Deals(past) => out.list(&hub, &past.path("deals"), &past.query(), Some(past.span.much.rows()), DEALS).await?,
            What::Orders(past) => {
                out.list(&hub, &past.path("orders"), &past.query(), Some(past.span.much.rows()), ORDERS).await?
            }
            What::Trades(recorded) => {
                let mut query = recorded.span.query();
                ask(&mut query, "account", recorded.account.as_ref());
                ask(&mut query, "kind", recorded.kind.map(word).as_ref());
                out.list(&hub, &["audit", "trades"], &query, Some(recorded.span.much.rows()), RECORDED).await?;
            }
        }
        Ok(0)
    }
}

impl Past {
    fn path<'a>(&'a self, what: &'a str) -> [&'a str; 4] {
        ["terminals", &self.at.terminal, "history", what]
    }

    fn query(&self) -> Query {
        let mut query = self.span.query();
        ask(&mut query, "group", self.group.as_ref());
        query
    }
}
