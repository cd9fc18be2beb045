//! `mtbridge token`: what Expert Advisors connect with.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;

use super::{
    arguments::{Body, segment},
    order::word,
    output::confirm,
    remote::{Query, Remote},
    secrets::{self, Secrets},
    table::Column,
};

const COLUMNS: &[Column] = &[
    Column::text("TOKEN", &["/id"]),
    Column::text("NAME", &["/name"]),
    Column::text("PREFIX", &["/prefix"]),
    Column::state("STATE", &["/state"]),
    Column::text("ACCOUNT", &["/account"]),
    Column::time("EXPIRES (UTC)", &["/expires_at"]),
    Column::time("LAST SEEN (UTC)", &["/last_seen_at"]),
    Column::text("WARNING", &["/warning/code"]),
];

/// Connection tokens: what Expert Advisors connect with; needs an admin key
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge token create 'desk 3'
  mtbridge token list
  mtbridge token disconnect tok_01M807HNC70HSXRRFSQN2GR3ZF --history keep
  mtbridge token revoke tok_01M807HNC70HSXRRFSQN2GR3ZF")]
pub(super) struct Token {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token; it is shown once
    #[command(after_help = "Examples:
  mtbridge token create 'desk 3'
  mtbridge token create 'desk 3' --quiet")]
    Create {
        /// For people
        #[arg(default_value = "")]
        name: String,
    },
    /// All tokens, without their values
    #[command(after_help = "Examples:
  mtbridge token list --json")]
    List,
    /// Give a token another name
    #[command(after_help = "Examples:
  mtbridge token rename tok_01M807HNC70HSXRRFSQN2GR3ZF 'desk 4'")]
    Rename(secrets::Rename),
    /// Cut the terminal and free the token's lock, so that another account can use it
    #[command(after_help = "Examples:
  mtbridge token disconnect tok_01M807HNC70HSXRRFSQN2GR3ZF --history keep")]
    Disconnect {
        /// Id of the token, tok_…
        #[arg(value_parser = segment)]
        id: String,
        /// What becomes of the account's records; delete cannot be undone
        #[arg(long, value_enum)]
        history: History,
        /// Do not ask first
        #[arg(short, long)]
        yes: bool,
    },
    /// End a token for good; its terminal is cut
    #[command(after_help = "Examples:
  mtbridge token revoke tok_01M807HNC70HSXRRFSQN2GR3ZF --yes")]
    Revoke(secrets::Revoke),
    /// Make a new token of the same lock, shown once; the old one ends after the overlap
    #[command(after_help = "Examples:
  mtbridge token rotate tok_01M807HNC70HSXRRFSQN2GR3ZF --overlap 3600")]
    Rotate(secrets::Rotate),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum History {
    Keep,
    Delete,
}

impl Token {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let secrets = Secrets { hub: &hub, out, kind: "token", path: "tokens", columns: COLUMNS };
        match &self.action {
            Action::Create { name } => secrets.create(Body::default().with("name", name.as_str())).await?,
            Action::List => secrets.list().await?,
            Action::Rename(rename) => secrets.rename(rename).await?,
            Action::Disconnect { id, history, yes } => {
                let what = if *history == History::Delete { " and DELETE every record of its account" } else { "" };
                confirm(&format!("disconnect {id}{what}?"), *yes)?;
                let body = Body::default().with("history", word(*history)).value();
                out.one(&hub.call(Method::POST, &["tokens", id, "disconnect"], &Query::new(), Some(&body)).await?, COLUMNS)?;
            }
            Action::Revoke(revoke) => secrets.revoke(revoke).await?,
            Action::Rotate(rotate) => secrets.rotate(rotate).await?,
        }
        Ok(0)
    }
}
