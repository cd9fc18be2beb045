//! `mtbridge webhook`: addresses that the hub sends events to.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::Value;

use super::{
    arguments::{Body, ask, segment},
    hook::object,
    output::confirm,
    remote::{Query, Remote},
    secrets::{self, Secrets},
    table::Column,
};

const COLUMNS: &[Column] = &[
    Column::text("WEBHOOK", &["/id"]),
    Column::text("NAME", &["/name"]),
    Column::text("URL", &["/url"]),
    Column::text("EVENTS", &["/events"]),
    Column::text("ENABLED", &["/enabled"]),
    Column::text("WAITING", &["/waiting"]),
    Column::text("DEAD", &["/dead"]),
    Column::time("FAILING SINCE (UTC)", &["/failing_since"]),
];

const DELIVERIES: &[Column] = &[
    Column::text("SEQ", &["/seq"]),
    Column::text("TYPE", &["/type"]),
    Column::state("STATE", &["/state"]),
    Column::text("TRIES", &["/attempts"]),
    Column::time("NEXT (UTC)", &["/next_at"]),
    Column::text("LAST ERROR", &["/last_error"]),
];

/// Webhooks: addresses that get what happens, signed; needs an admin key
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge webhook create https://example.org/mtbridge --event 'command.*,deal'
  mtbridge webhook test whk_01M807HNJ9D8AJMDS7869DFZHC
  mtbridge webhook replay whk_01M807HNJ9D8AJMDS7869DFZHC --dead")]
pub(super) struct Webhook {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a webhook; its secret is shown once
    #[command(after_help = "Examples:
  mtbridge webhook create https://example.org/mtbridge --event 'command.*,deal' --terminal 1001")]
    Create {
        // Not named `url`: that is the hub's, of every command.
        /// Where events go, https://…
        #[arg(value_name = "ADDRESS")]
        to: String,
        /// Which events, several with commas: deal, command.executed, command.*, or * for all
        #[arg(long = "event", value_name = "KIND", value_delimiter = ',', required = true)]
        events: Vec<String>,
        /// For people
        #[arg(long, default_value = "")]
        name: String,
        /// Only those of this terminal's account
        #[arg(long)]
        terminal: Option<String>,
    },
    /// All webhooks and how they stand
    #[command(after_help = "Examples:
  mtbridge webhook list")]
    List,
    /// Change a webhook; what is left out stays
    #[command(after_help = "Examples:
  mtbridge webhook change whk_01M807HNJ9D8AJMDS7869DFZHC '{\"enabled\": true}'")]
    Change {
        /// Its id, whk_…
        #[arg(value_parser = segment)]
        id: String,
        /// A JSON object: url, events, name, terminal, enabled
        #[arg(value_parser = object)]
        change: Value,
    },
    /// Draw a new secret, shown once; messages are signed with both for the overlap
    #[command(after_help = "Examples:
  mtbridge webhook rotate whk_01M807HNJ9D8AJMDS7869DFZHC --overlap 86400")]
    Rotate(secrets::Rotate),
    /// Send a test message now
    #[command(after_help = "Examples:
  mtbridge webhook test whk_01M807HNJ9D8AJMDS7869DFZHC")]
    Test {
        /// Its id, whk_…
        #[arg(value_parser = segment)]
        id: String,
    },
    /// What was not taken yet
    #[command(after_help = "Examples:
  mtbridge webhook deliveries whk_01M807HNJ9D8AJMDS7869DFZHC --state dead")]
    Deliveries {
        /// Its id, whk_…
        #[arg(value_parser = segment)]
        id: String,
        /// Only these
        #[arg(long, value_enum)]
        state: Option<Stands>,
    },
    /// Send events again
    #[command(after_help = "Examples:
  mtbridge webhook replay whk_01M807HNJ9D8AJMDS7869DFZHC --dead
  mtbridge webhook replay whk_01M807HNJ9D8AJMDS7869DFZHC --seq 4194305
  mtbridge webhook replay whk_01M807HNJ9D8AJMDS7869DFZHC --since 4194305 --until 4259840")]
    Replay {
        /// Its id, whk_…
        #[arg(value_parser = segment)]
        id: String,
        /// Every dead letter
        #[arg(long, conflicts_with_all = ["seq", "since"])]
        dead: bool,
        /// One event
        #[arg(long, conflicts_with = "since", required_unless_present_any = ["dead", "since"])]
        seq: Option<u64>,
        /// Events from this one on
        #[arg(long, value_name = "SEQ")]
        since: Option<u64>,
        /// And up to this one
        #[arg(long, value_name = "SEQ", requires = "since")]
        until: Option<u64>,
    },
    /// Delete a webhook with all that waits for it
    #[command(after_help = "Examples:
  mtbridge webhook delete whk_01M807HNJ9D8AJMDS7869DFZHC --yes")]
    Delete {
        /// Its id, whk_…
        #[arg(value_parser = segment)]
        id: String,
        /// Do not ask first
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stands {
    Waiting,
    Dead,
}

impl Webhook {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let secrets = Secrets { hub: &hub, out, kind: "secret", path: "webhooks", columns: COLUMNS };
        match &self.action {
            Action::Create { to, events, name, terminal } => {
                let body = Body::default()
                    .with("url", to.as_str())
                    .with("events", events.clone())
                    .with("name", name.as_str())
                    .maybe("terminal", terminal.as_deref());
                secrets.create(body).await?;
            }
            Action::List => secrets.list().await?,
            Action::Change { id, change } => {
                out.one(&hub.call(Method::PATCH, &["webhooks", id], &Query::new(), Some(change)).await?, COLUMNS)?;
            }
            Action::Rotate(rotate) => secrets.rotate(rotate).await?,
            Action::Test { id } => {
                let columns = &[
                    Column::text("DELIVERED", &["/delivered"]),
                    Column::text("STATUS", &["/response_status"]),
                    Column::text("WHY", &["/detail"]),
                ];
                let body = Body::default().value();
                out.one(&hub.call(Method::POST, &["webhooks", id, "test"], &Query::new(), Some(&body)).await?, columns)?;
            }
            Action::Deliveries { id, state } => {
                let word = state.map(|state| if state == Stands::Dead { "dead" } else { "waiting" });
                let mut query = Query::new();
                ask(&mut query, "state", word.as_ref());
                out.list(&hub, &["webhooks", id, "deliveries"], &query, None, DELIVERIES).await?;
            }
            Action::Replay { id, dead, seq, since, until } => {
                let body =
                    Body::default().maybe("seq", *seq).maybe("from", *since).maybe("to", *until).with("dead", *dead).value();
                let columns = &[Column::text("REPLAYED", &["/replayed"])];
                out.one(&hub.call(Method::POST, &["webhooks", id, "replay"], &Query::new(), Some(&body)).await?, columns)?;
            }
            Action::Delete { id, yes } => {
                confirm(&format!("delete {id} with all that waits for it?"), *yes)?;
                hub.call(Method::DELETE, &["webhooks", id], &Query::new(), None).await?;
                out.note(&format!("{id} is deleted"));
            }
        }
        Ok(0)
    }
}
