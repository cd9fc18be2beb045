//! `mtbridge kill`, `mtbridge deadman`, `mtbridge incidents`.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;

use super::{
    arguments::{Body, Much, ask},
    order::word,
    output::{Output, Page, confirm},
    remote::{Answer, Hub, Query, Remote},
    table::Column,
};

const SWITCHES: &[Column] = &[
    Column::text("SCOPE", &["/scope"]),
    Column::state("LEVEL", &["/level_name"]),
    Column::text("REASON", &["/reason"]),
    Column::text("BY", &["/by"]),
    Column::time("AT (UTC)", &["/at"]),
];

const TIMERS: &[Column] = &[
    Column::text("SCOPE", &["/scope"]),
    Column::number("TIMEOUT S", &["/timeout_s"]),
    Column::text("ACTION", &["/action"]),
    Column::text("KEY", &["/key"]),
    Column::state("STATE", &["/state"]),
    Column::time("ARMED (UTC)", &["/armed_at"]),
    Column::number("LEFT MS", &["/remaining_ms"]),
    Column::time("FIRED (UTC)", &["/fired_at"]),
];

const INCIDENTS: &[Column] = &[
    Column::text("INCIDENT", &["/id"]),
    Column::time("AT (UTC)", &["/at"]),
    Column::text("KIND", &["/kind"]),
    Column::text("ACCOUNT", &["/account"]),
    Column::text("COMMAND", &["/command"]),
    Column::text("WHAT", &["/text"]),
];

/// The kill switch: stop trading now; latched until a person lifts it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge kill status
  mtbridge kill on --reason 'feed looks wrong'
  mtbridge kill on --scope 1001@Demo-Server --level flatten --reason 'margin'
  mtbridge kill off --scope 1001@Demo-Server --reason 'looked at it, all well'")]
pub(super) struct Kill {
    #[command(subcommand)]
    action: KillAction,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum KillAction {
    /// Raise it, at once and without a question
    #[command(after_help = "Examples:
  mtbridge kill on --reason 'feed looks wrong'
  mtbridge kill on --level cancel --scope hub --reason 'maintenance of the broker'")]
    On(KillOn),
    /// Lift it; needs an admin key
    #[command(after_help = "Examples:
  mtbridge kill off --reason 'looked at it, all well'")]
    Off(KillOff),
    /// What is in force
    #[command(after_help = "Examples:
  mtbridge kill status --json")]
    Status,
}

#[derive(Debug, Args)]
struct KillOn {
    /// How far; each level includes the ones before it
    #[arg(long, value_enum, default_value_t = Level::Block)]
    level: Level,
    #[command(flatten)]
    scope: Scope,
}

#[derive(Debug, Args)]
struct KillOff {
    #[command(flatten)]
    scope: Scope,
    /// Do not ask first
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct Scope {
    /// hub, owner, key, the id of a key, or an account as number@server [default: owner, every account of the key's owner]
    #[arg(long)]
    scope: Option<String>,
    /// Why; stays in the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    /// Nothing new is opened
    Block,
    /// And pending orders are deleted
    Cancel,
    /// And positions are closed
    Flatten,
}

impl Kill {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        match &self.action {
            KillAction::On(on) => set(&hub, out, &word(on.level), &on.scope).await?,
            KillAction::Off(off) => {
                let whose = off.scope.scope.as_deref().unwrap_or("every account of the key's owner");
                confirm(&format!("trading opens again for {whose}. Are you sure?"), off.yes)?;
                set(&hub, out, "off", &off.scope).await?;
            }
            KillAction::Status => {
                let answer = hub.get(&["kill-switch"], &Query::new()).await?;
                shown(out, &answer, SWITCHES, "off: no kill switch is in force")?;
            }
        }
        Ok(0)
    }
}

async fn set(hub: &Hub, out: Output, level: &str, scope: &Scope) -> anyhow::Result<()> {
    let body =
        Body::default().with("level", level).with("reason", scope.reason.as_str()).maybe("scope", scope.scope.as_deref()).value();
    let answer = hub.call(Method::POST, &["kill-switch"], &Query::new(), Some(&body)).await?;
    shown(out, &answer, SWITCHES, "off: no kill switch is in force")
}

/// A list without pages, or in words that it is empty; one thing field by field.
fn shown(out: Output, answer: &Answer, columns: &[Column], empty: &str) -> anyhow::Result<()> {
    let Ok(page) = Page::read(answer) else { return out.one(answer, columns) };
    if out.is_json() {
        return page.data.iter().try_for_each(|row| out.line(row.get()));
    }
    if page.data.is_empty() {
        out.note(empty);
        return Ok(());
    }
    let rows: Vec<_> = page.data.iter().map(|row| serde_json::from_str(row.get())).collect::<Result<_, _>>()?;
    out.rows(&rows, columns)
}

/// The dead-man timer: unless it is armed again in time, the kill switch is raised
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge deadman arm 60
  mtbridge deadman arm 30 --action flatten --terminal 1001@Demo-Server
  mtbridge deadman disarm
  mtbridge deadman status")]
pub(super) struct Deadman {
    #[command(subcommand)]
    action: DeadmanAction,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum DeadmanAction {
    /// Arm it, or arm it again
    #[command(after_help = "Examples:
  mtbridge deadman arm 60
  mtbridge deadman arm 30 --action flatten")]
    Arm(Arm),
    /// Stop it
    #[command(after_help = "Examples:
  mtbridge deadman disarm --terminal 1001")]
    Disarm(Whose),
    /// What is armed, and what has fired
    #[command(after_help = "Examples:
  mtbridge deadman status --json")]
    Status,
}

#[derive(Debug, Args)]
struct Arm {
    /// Seconds of silence after which it fires
    #[arg(value_parser = clap::value_parser!(u32).range(1..=300))]
    seconds: u32,
    /// To which level the kill switch goes then
    #[arg(long, value_enum, default_value_t = Level::Block)]
    action: Level,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
struct Whose {
    /// Only this terminal's account [default: every account of the key's owner]
    #[arg(short, long)]
    terminal: Option<String>,
}

impl Deadman {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let (seconds, action, whose) = match &self.action {
            DeadmanAction::Arm(arm) => (arm.seconds, Some(word(arm.action)), &arm.whose),
            DeadmanAction::Disarm(whose) => (0, None, whose),
            DeadmanAction::Status => {
                let answer = hub.get(&["deadman"], &Query::new()).await?;
                shown(out, &answer, TIMERS, "no timer is armed")?;
                return Ok(0);
            }
        };
        let body = Body::default()
            .with("timeout_s", seconds)
            .maybe("action", action)
            .maybe("terminal", whose.terminal.as_deref())
            .value();
        let answer = hub.call(Method::POST, &["deadman"], &Query::new(), Some(&body)).await?;
        shown(out, &answer, TIMERS, "no timer is armed")?;
        Ok(0)
    }
}

/// What a person must look at
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mtbridge incidents
  mtbridge incidents --account 1001@Demo-Server --kind contradiction
  mtbridge incidents --all --json")]
pub(super) struct Incidents {
    /// Only of this account, number or number@server
    #[arg(long)]
    account: Option<String>,
    /// Only of this kind: contradiction, missing_ticket, unknown_tag, unresolved
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    much: Much,
    #[command(flatten)]
    remote: Remote,
}

impl Incidents {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        let mut query = Query::new();
        ask(&mut query, "account", self.account.as_ref());
        ask(&mut query, "kind", self.kind.as_ref());
        out.list(&hub, &["incidents"], &query, Some(self.much.rows()), INCIDENTS).await?;
        Ok(0)
    }
}
