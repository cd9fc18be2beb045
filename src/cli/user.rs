//! `mtbridge user`: people who log in.

use clap::{Args, Subcommand};
use reqwest::Method;

use super::{
    arguments::{Body, segment},
    output::{Output, confirm, minted},
    remote::{Hub, Query, Remote},
    table::Column,
};
use crate::domain::user::Role;

const COLUMNS: &[Column] = &[
    Column::text("USER", &["/id"]),
    Column::text("LOGIN", &["/login"]),
    Column::text("NAME", &["/name"]),
    Column::text("ROLE", &["/role"]),
    Column::state("STATE", &["/state"]),
    Column::text("TENANT", &["/tenant"]),
];

/// People who log in with a password; needs an admin key of the hub's own
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge user create anna@example.com --role owner
  mtbridge user list
  mtbridge user reset usr_01M807HNJ9D8AJMDS7869DFZHC
  mtbridge user disable usr_01M807HNJ9D8AJMDS7869DFZHC")]
pub(super) struct User {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a user; the one-time code with which they set a password is shown once and good for 24 hours
    #[command(after_help = "Examples:
  mtbridge user create anna@example.com --role member --name Anna
  mtbridge user create watcher --role viewer --of usr_01M807HNJ9D8AJMDS7869DFZHC")]
    Create {
        /// What they log in with
        login: String,
        /// What they may: owner, member or viewer
        #[arg(long)]
        role: Role,
        /// For people
        #[arg(long, default_value = "")]
        name: String,
        /// Whose things a viewer looks at [default: the hub's own]
        #[arg(long, value_name = "USER")]
        of: Option<String>,
    },
    /// All users
    #[command(after_help = "Examples:
  mtbridge user list --json")]
    List,
    /// Take a user's password away and end their logins; the new one-time code is shown once
    #[command(after_help = "Examples:
  mtbridge user reset usr_01M807HNJ9D8AJMDS7869DFZHC")]
    Reset(One),
    /// Put a user out: logins end, keys are refused, terminals are cut; everything stays recorded
    #[command(after_help = "Examples:
  mtbridge user disable usr_01M807HNJ9D8AJMDS7869DFZHC --yes
  mtbridge user disable usr_01M807HNJ9D8AJMDS7869DFZHC --off")]
    Disable {
        #[command(flatten)]
        one: One,
        /// Let them in again
        #[arg(long)]
        off: bool,
        /// Do not ask first
        #[arg(short, long)]
        yes: bool,
    },
    /// Make an owner of a member, or a member of an owner
    #[command(after_help = "Examples:
  mtbridge user role usr_01M807HNJ9D8AJMDS7869DFZHC owner")]
    Role {
        #[command(flatten)]
        one: One,
        /// owner or member
        role: Role,
    },
}

/// Which one.
#[derive(Debug, Args)]
struct One {
    /// Their id, usr_…
    #[arg(value_parser = segment)]
    id: String,
}

impl User {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        match &self.action {
            Action::Create { login, role, name, of } => {
                let body = Body::default().with("login", login.as_str()).with("role", role.name()).with("name", name.as_str());
                let body = body.maybe("of", of.as_deref()).value();
                let made = hub.call(Method::POST, &["users"], &Query::new(), Some(&body)).await?;
                minted(out, &made, "setup_code")?;
            }
            Action::List => out.list(&hub, &["users"], &Query::new(), None, COLUMNS).await?,
            Action::Reset(One { id }) => {
                let made = hub.call(Method::POST, &["users", id, "reset"], &Query::new(), None).await?;
                minted(out, &made, "setup_code")?;
            }
            Action::Disable { one: One { id }, off, yes } => {
                if !off {
                    confirm(&format!("put {id} out and cut what is theirs?"), *yes)?;
                }
                change(&hub, out, id, Body::default().with("disabled", !off)).await?;
            }
            Action::Role { one: One { id }, role } => {
                change(&hub, out, id, Body::default().with("role", role.name())).await?;
            }
        }
        Ok(0)
    }
}

async fn change(hub: &Hub, out: Output, id: &str, body: Body) -> anyhow::Result<()> {
    out.one(&hub.call(Method::PATCH, &["users", id], &Query::new(), Some(&body.value())).await?, COLUMNS)
}
