//! `mtbridge key`: what bots and people call the hub with.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    arguments::{Body, time},
    output::Output,
    remote::Remote,
    secrets::{self, Secrets},
    table::Column,
};
use crate::{
    access::secret::{KEY_LIVE, Secret},
    domain::{
        api_key::{Permission, Plan},
        scope::{AccountName, Network},
    },
};

const COLUMNS: &[Column] = &[
    Column::text("KEY", &["/id"]),
    Column::text("NAME", &["/name"]),
    Column::text("PREFIX", &["/prefix"]),
    Column::state("STATE", &["/state"]),
    Column::text("TEST", &["/test"]),
    Column::time("EXPIRES (UTC)", &["/expires_at"]),
    Column::text("PLAN", &["/plan"]),
    Column::time("LAST USED (UTC)", &["/last_used_at"]),
    Column::text("PERMISSIONS", &["/permissions"]),
];

/// What `key show` tells beside them.
const DETAILS: &[Column] = &[
    Column::text("KEY", &["/id"]),
    Column::text("NAME", &["/name"]),
    Column::state("STATE", &["/state"]),
    Column::text("PLAN", &["/plan"]),
    Column::text("IN FORCE", &["/effective_plan"]),
    Column::text("REQUESTS", &["/usage/requests"]),
    Column::text("REFUSED", &["/usage/refused"]),
    Column::text("429 (24 H)", &["/usage/limited_24h"]),
    Column::text("LEFT", &["/usage/left"]),
    Column::text("OF", &["/usage/limit"]),
    Column::time("ALL BACK (UTC)", &["/usage/resets_at"]),
    Column::text("RUNNING", &["/usage/running"]),
    Column::time("LAST USED (UTC)", &["/last_used_at"]),
    Column::text("FROM", &["/last_used_from"]),
    Column::text("SYMBOLS", &["/symbols"]),
    Column::text("ACCOUNTS", &["/accounts"]),
    Column::text("IPS", &["/ips"]),
    Column::text("TERMINAL", &["/default_terminal"]),
];

/// API keys: what bots and people call the hub with; needs an admin key
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge key create bot --permission read:bars,read:account,trade:write
  mtbridge key create tester --test --expires 2027-01-01
  mtbridge key list
  mtbridge key revoke key_01M807HNJ9D8AJMDS7869DFZHC
  mtbridge key generate")]
pub(super) struct Key {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; it is shown once
    #[command(after_help = "Examples:
  mtbridge key create bot --permission read:bars,read:account,trade:write
  mtbridge key create bot --permission trade:write --limits '{\"max_order_volume\": 0.5, \"orders_per_minute\": 10}'
  mtbridge key create bot --permission trade:write --symbols 'EURUSD,GBP*' --accounts 1001@Demo-Server --ips 203.0.113.0/24
  mtbridge key create bot --permission read:bars --quiet")]
    Create {
        /// For people
        #[arg(default_value = "")]
        name: String,
        /// What it may do, several with commas [default: read:bars and the indicators]
        #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
        permission: Option<Vec<Permission>>,
        /// What stops it, a JSON object: symbols, max_order_volume, max_open_volume, orders_per_minute, orders_per_day,
        /// max_daily_loss, max_price_distance_percent
        #[arg(long, value_name = "JSON", value_parser = limits)]
        limits: Option<Value>,
        /// Only these symbols, several with commas, `*` at either end for any letters [default: all]
        #[arg(long, value_name = "SYMBOL", value_delimiter = ',')]
        symbols: Option<Vec<String>>,
        /// Only these accounts, several with commas: numbers, or number@server [default: all]
        #[arg(long, value_name = "ACCOUNT", value_delimiter = ',')]
        accounts: Option<Vec<AccountName>>,
        /// Only from these addresses, several with commas: 203.0.113.7, 203.0.113.0/24, 2001:db8::/32 [default: all]
        #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
        ips: Option<Vec<Network>>,
        /// How much it may ask for: free, pro, enterprise, unlimited [default: the most that the tenant may have]
        #[arg(long)]
        plan: Option<Plan>,
        /// The terminal that is meant where a call names none: account number, number@server or token id
        #[arg(long, value_name = "TERMINAL")]
        default_terminal: Option<String>,
        /// Only for terminals on demo accounts
        #[arg(long)]
        test: bool,
        /// When it ends
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires: Option<String>,
    },
    /// All keys, without their values
    #[command(after_help = "Examples:
  mtbridge key list --json")]
    List,
    /// One key: its plan and scope, and what it was used for
    #[command(after_help = "Examples:
  mtbridge key show key_01M807HNJ9D8AJMDS7869DFZHC
  mtbridge key show key_01M807HNJ9D8AJMDS7869DFZHC --json")]
    Show(secrets::Named),
    /// Give a key another name
    #[command(after_help = "Examples:
  mtbridge key rename key_01M807HNJ9D8AJMDS7869DFZHC 'grid bot'")]
    Rename(secrets::Rename),
    /// End a key for good
    #[command(after_help = "Examples:
  mtbridge key revoke key_01M807HNJ9D8AJMDS7869DFZHC --yes")]
    Revoke(secrets::Revoke),
    /// Make a new key of the same rights, shown once; the old one ends after the overlap
    #[command(after_help = "Examples:
  mtbridge key rotate key_01M807HNJ9D8AJMDS7869DFZHC --overlap 3600")]
    Rotate(secrets::Rotate),
    /// Print a new live key, to be preset as `MTBRIDGE_ADMIN_KEY`. Nothing is stored, and no hub is asked
    #[command(after_help = "Examples:
  mtbridge key generate")]
    Generate,
}

fn limits(text: &str) -> Result<Value, String> {
    let limits: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if limits.is_object() { Ok(limits) } else { Err("must be a JSON object".to_owned()) }
}

fn texts<T: Clone + Into<String>>(list: Option<&Vec<T>>) -> Option<Vec<String>> {
    list.map(|list| list.iter().cloned().map(Into::into).collect())
}

impl Key {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        if matches!(self.action, Action::Generate) {
            Output::new(false, false).line(Secret::generate(KEY_LIVE)?.reveal())?;
            return Ok(0);
        }
        let (hub, out) = self.remote.open()?;
        let secrets = Secrets { hub: &hub, out, kind: "key", path: "keys", columns: COLUMNS };
        match &self.action {
            Action::Create { name, permission, limits, symbols, accounts, ips, plan, default_terminal, test, expires } => {
                let names = permission.as_ref().map(|list| list.iter().map(|one| one.name()).collect::<Vec<_>>());
                let body = Body::default()
                    .with("name", name.as_str())
                    .maybe("permissions", names)
                    .maybe("limits", limits.clone())
                    .maybe("symbols", symbols.clone())
                    .maybe("accounts", texts(accounts.as_ref()))
                    .maybe("ips", texts(ips.as_ref()))
                    .maybe("plan", plan.map(Plan::name))
                    .maybe("default_terminal", default_terminal.as_deref())
                    .with("test", *test)
                    .maybe("expires_at", expires.as_deref());
                secrets.create(body).await?;
            }
            Action::List => secrets.list().await?,
            Action::Show(which) => secrets.show(which, DETAILS).await?,
            Action::Rename(rename) => secrets.rename(rename).await?,
            Action::Revoke(revoke) => secrets.revoke(revoke).await?,
            Action::Rotate(rotate) => secrets.rotate(rotate).await?,
            Action::Generate => {}
        }
        Ok(0)
    }
}
