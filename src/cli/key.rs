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
    domain::api_key::Permission,
};

const COLUMNS: &[Column] = &[
    Column::text("KEY", &["/id"]),
    Column::text("NAME", &["/name"]),
    Column::text("PREFIX", &["/prefix"]),
    Column::state("STATE", &["/state"]),
    Column::text("TEST", &["/test"]),
    Column::time("EXPIRES (UTC)", &["/expires_at"]),
    Column::text("PERMISSIONS", &["/permissions"]),
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

impl Key {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        if matches!(self.action, Action::Generate) {
            Output::new(false, false).line(Secret::generate(KEY_LIVE)?.reveal())?;
            return Ok(0);
        }
        let (hub, out) = self.remote.open()?;
        let secrets = Secrets { hub: &hub, out, kind: "key", path: "keys", columns: COLUMNS };
        match &self.action {
            Action::Create { name, permission, limits, test, expires } => {
                let names = permission.as_ref().map(|list| list.iter().map(|one| one.name()).collect::<Vec<_>>());
                let body = Body::default()
                    .with("name", name.as_str())
                    .maybe("permissions", names)
                    .maybe("limits", limits.clone())
                    .with("test", *test)
                    .maybe("expires_at", expires.as_deref());
                secrets.create(body).await?;
            }
            Action::List => secrets.list().await?,
            Action::Rename(rename) => secrets.rename(rename).await?,
            Action::Revoke(revoke) => secrets.revoke(revoke).await?,
            Action::Rotate(rotate) => secrets.rotate(rotate).await?,
            Action::Generate => {}
        }
        Ok(0)
    }
}
