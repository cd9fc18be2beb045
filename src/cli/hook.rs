//! `mtbridge hook`: addresses at which alerts of TradingView become commands.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value};

use super::{
    arguments::{Body, ask, segment},
    output::confirm,
    remote::{Query, Remote},
    secrets::{self, Secrets},
    table::Column,
};
use crate::domain::api_key::Permission;

const COLUMNS: &[Column] = &[
    Column::text("HOOK", &["/id"]),
    Column::text("NAME", &["/name"]),
    Column::text("TERMINAL", &["/terminal"]),
    Column::text("KEY", &["/key"]),
    Column::text("DRY RUN", &["/dry_run"]),
    Column::text("FROM", &["/ips"]),
];

const RECEIVED: &[Column] = &[
    Column::text("ALERT", &["/alert"]),
    Column::time("AT (UTC)", &["/at"]),
    Column::state("STATE", &["/state"]),
    Column::text("COMMANDS", &["/commands"]),
    Column::text("WHY", &["/detail"]),
    Column::text("TEXT", &["/text"]),
];

/// Hooks: addresses at which alerts of TradingView become trades; needs an admin key
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge hook create strategy --terminal 1001 --map OANDA:EURUSD=EURUSD.r --dry-run
  mtbridge hook received hok_01M807HNJ9D8AJMDS7869DFZHC
  mtbridge hook change hok_01M807HNJ9D8AJMDS7869DFZHC '{\"dry_run\": false}'")]
pub(super) struct Hook {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a hook; its address is shown once
    #[command(after_help = "Examples:
  mtbridge hook create strategy --terminal 1001 --map OANDA:EURUSD=EURUSD.r --from tradingview
  mtbridge hook create tester --dry-run --template '{{strategy.order.action}} {{ticker}} {{strategy.order.contracts}}'
  mtbridge hook create closer --permission trade:reduce --quiet")]
    Create(Box<New>),
    /// All hooks, without their addresses
    #[command(after_help = "Examples:
  mtbridge hook list --json")]
    List,
    /// What came to a hook, and what became of it; newest first
    #[command(after_help = "Examples:
  mtbridge hook received hok_01M807HNJ9D8AJMDS7869DFZHC --limit 10")]
    Received {
        /// Its id, hok_…
        #[arg(value_parser = segment)]
        id: String,
        /// At most so many
        #[arg(long, value_name = "COUNT")]
        limit: Option<u32>,
    },
    /// Change a hook; what is left out stays
    #[command(after_help = "Examples:
  mtbridge hook change hok_01M807HNJ9D8AJMDS7869DFZHC '{\"dry_run\": false, \"defaults\": {\"volume\": 0.1}}'")]
    Change {
        /// Its id, hok_…
        #[arg(value_parser = segment)]
        id: String,
        /// A JSON object: name, terminal, template, `symbol_map`, `dry_run`, ips, defaults
        #[arg(value_parser = object)]
        change: Value,
    },
    /// Draw a new address, shown once; the old one ends after the overlap
    #[command(after_help = "Examples:
  mtbridge hook rotate hok_01M807HNJ9D8AJMDS7869DFZHC --overlap 3600")]
    Rotate(secrets::Rotate),
    /// Delete a hook, its key, and what came to it
    #[command(after_help = "Examples:
  mtbridge hook delete hok_01M807HNJ9D8AJMDS7869DFZHC --yes")]
    Delete {
        /// Its id, hok_…
        #[arg(value_parser = segment)]
        id: String,
        /// Do not ask first
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct New {
    /// For people
    #[arg(default_value = "")]
    name: String,
    /// Whose terminal it trades on: an account number, number@server, or a token id [default: the only one]
    #[arg(long)]
    terminal: Option<String>,
    /// The shape of the alerts, with placeholders, if it is not the documented one
    #[arg(long, value_name = "TEXT")]
    template: Option<String>,
    /// What the alerts call a symbol, and what the broker calls it; several with commas
    #[arg(long, value_name = "FROM=TO", value_delimiter = ',', value_parser = pair)]
    map: Vec<(String, String)>,
    /// What it may do: trade:write or trade:reduce [default: trade:write]
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    permission: Option<Vec<Permission>>,
    /// An existing key to act under, key_…, instead of one of its own
    #[arg(long, value_name = "KEY", conflicts_with_all = ["permission", "limits", "test"])]
    under: Option<String>,
    /// What stops it, a JSON object, as of a key
    #[arg(long, value_name = "JSON", value_parser = object)]
    limits: Option<Value>,
    /// Only for terminals on demo accounts
    #[arg(long)]
    test: bool,
    /// Read and write down alerts, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Only from these addresses or networks; tradingview stands for those that it publishes
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    from: Vec<String>,
    /// What holds for an alert that does not say, a JSON object: volume, deviation, filling, magic, comment, `ttl_ms`, …
    #[arg(long, value_name = "JSON", value_parser = object)]
    defaults: Option<Value>,
}

pub(super) fn object(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err("must be a JSON object".to_owned()) }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("must be FROM=TO")?;
    Ok((from.to_owned(), to.to_owned()))
}

impl New {
    fn body(&self) -> Body {
        let map: Map<String, Value> = self.map.iter().map(|(from, to)| (from.clone(), Value::from(to.as_str()))).collect();
        let names = self.permission.as_ref().map(|list| list.iter().map(|one| one.name()).collect::<Vec<_>>());
        Body::default()
            .with("kind", "tradingview")
            .with("name", self.name.as_str())
            .maybe("terminal", self.terminal.as_deref())
            .maybe("template", self.template.as_deref())
            .with("symbol_map", map)
            .maybe("permissions", names)
            .maybe("key", self.under.as_deref())
            .maybe("limits", self.limits.clone())
            .with("test", self.test)
            .with("dry_run", self.dry_run)
            .with("ips", self.from.clone())
            .maybe("defaults", self.defaults.clone())
    }
}

impl Hook {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        // What is shown once of a hook is its address.
        let secrets = Secrets { hub: &hub, out, kind: "url", path: "hooks", columns: COLUMNS };
        match &self.action {
            Action::Create(new) => secrets.create(new.body()).await?,
            Action::List => secrets.list().await?,
            Action::Received { id, limit } => {
                let mut query = Query::new();
                ask(&mut query, "limit", limit.as_ref());
                out.list(&hub, &["hooks", id, "received"], &query, None, RECEIVED).await?;
            }
            Action::Change { id, change } => {
                out.one(&hub.call(Method::PATCH, &["hooks", id], &Query::new(), Some(change)).await?, COLUMNS)?;
            }
            Action::Rotate(rotate) => secrets.rotate(rotate).await?,
            Action::Delete { id, yes } => {
                confirm(&format!("delete {id} with all that came to it?"), *yes)?;
                hub.call(Method::DELETE, &["hooks", id], &Query::new(), None).await?;
                out.note(&format!("{id} is deleted"));
            }
        }
        Ok(0)
    }
}
