//! `mtbridge tenant`: whoever shares nothing with others, and the largest plan of their keys.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::{
    arguments::{Body, segment},
    exit::{self, Failure},
    output::Page,
    remote::{Hub, Query, Remote},
    table::Column,
};
use crate::domain::{api_key::Plan, ids::OwnerId};

const COLUMNS: &[Column] = &[
    Column::text("TENANT", &["/id"]),
    Column::text("OWNER", &["/owner/login"]),
    Column::state("STATE", &["/owner/state"]),
    Column::text("PLAN", &["/plan"]),
    Column::text("USERS", &["/users"]),
    Column::text("KEYS", &["/keys"]),
    Column::text("TOKENS", &["/tokens"]),
];

/// Tenants: each owner and each member with what is theirs; needs an admin key of the hub's own
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge tenant list
  mtbridge tenant plan anna@example.com pro")]
pub(super) struct Tenant {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All tenants, the hub's own first
    #[command(after_help = "Examples:
  mtbridge tenant list --json")]
    List,
    /// Set the largest plan that a tenant's keys have, whatever is written on them; from the next request on
    #[command(after_help = "Examples:
  mtbridge tenant plan anna@example.com pro
  mtbridge tenant plan own_01M807HNJ9D8AJMDS7869DFZHC unlimited")]
    Plan {
        /// Their id, own_…, or what their owner logs in with
        #[arg(value_parser = segment)]
        tenant: String,
        /// free, pro, enterprise or unlimited
        plan: Plan,
    },
}

impl Tenant {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        match &self.action {
            Action::List => out.list(&hub, &["tenants"], &Query::new(), None, COLUMNS).await?,
            Action::Plan { tenant, plan } => {
                let id = id_of(&hub, tenant).await?;
                let body = Body::default().with("plan", plan.name()).value();
                let changed = hub.call(Method::PATCH, &["tenants", &id], &Query::new(), Some(&body)).await?;
                out.one(&changed, COLUMNS)?;
            }
        }
        Ok(0)
    }
}

/// The id of a tenant whose id or owner's login this is.
async fn id_of(hub: &Hub, named: &str) -> anyhow::Result<String> {
    if named.starts_with(OwnerId::PREFIX) {
        return Ok(named.to_owned());
    }
    let mut query = Query::new();
    loop {
        let page = Page::read(&hub.get(&["tenants"], &query).await?)?;
        for row in &page.data {
            let row: Value = serde_json::from_str(row.get())?;
            if row["owner"]["login"].as_str() == Some(named.to_lowercase().as_str()) {
                return Ok(row["id"].as_str().unwrap_or_default().to_owned());
            }
        }
        match page.next_cursor {
            Some(cursor) => query = vec![("cursor", cursor)],
            None => return Err(Failure::new(exit::NOT_FOUND, format!("nobody who owns something logs in with {named}")).into()),
        }
    }
}
