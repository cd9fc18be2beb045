//! `mtbridge command`: what became of a trade, and settling by hand what nobody else can.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::{
    arguments::{At, Body, Much, ask, positive, segment},
    command_view::{self, COLUMNS, Record},
    exit::{self, Failure},
    order::word,
    output::{Output, confirm, unreadable},
    remote::{Hub, Query, Remote},
};

/// Between two questions.
const POLL: Duration = Duration::from_millis(500);

/// What became of a trade. The exit code is its outcome's
#[derive(Debug, Args)]
#[command(
    subcommand_negates_reqs = true,
    after_help = "Examples:
  mtbridge command cmd_01M807HMDBC62X0165Y5NKENPH
  mtbridge command cmd_01M807HMDBC62X0165Y5NKENPH --wait 60
  mtbridge command list --state unknown
  mtbridge command adjudicate cmd_01M807HMDBC62X0165Y5NKENPH --outcome not_executed --reason 'the broker confirmed by mail'"
)]
pub(super) struct Command {
    /// Id of the command, cmd_…
    #[arg(required = true, value_parser = segment)]
    id: Option<String>,
    /// Ask until it is final, but no longer than so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    wait: u64,
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The commands of a terminal's account, oldest first
    #[command(after_help = "Examples:
  mtbridge command list --state unknown
  mtbridge command list --terminal 1001 --all --json")]
    List(List),
    /// Take a command back that the Expert Advisor has not begun; if it has, the command goes on. The exit code is the command's
    #[command(after_help = "Examples:
  mtbridge command cancel cmd_01M807HMDBC62X0165Y5NKENPH")]
    Cancel {
        /// Id of the command, cmd_…
        #[arg(value_parser = segment)]
        id: String,
    },
    /// Say what an unknown command has come to, after looking at the account; needs an admin key
    #[command(after_help = "Examples:
  mtbridge command adjudicate cmd_01M807HMDBC62X0165Y5NKENPH --outcome not_executed --reason 'not in the broker history'
  mtbridge command adjudicate cmd_01M807HMDBC62X0165Y5NKENPH --outcome executed --deal 123 --price 1.0871 --reason 'deal 123'")]
    Adjudicate(Adjudicate),
}

#[derive(Debug, Args)]
struct List {
    /// Only in this state: received, dispatched, accepted, unknown, executed, partial, placed, broker_rejected, ea_refused,
    /// not_executed, cancelled, expired, adjudicated
    #[arg(long)]
    state: Option<String>,
    /// Only with your own name
    #[arg(long, value_name = "TEXT")]
    client_order_id: Option<String>,
    /// Only what this one asked for: the id of a key, a user or a hook, or hub
    #[arg(long, value_name = "ID")]
    by: Option<String>,
    #[command(flatten)]
    much: Much,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
struct Adjudicate {
    /// Id of the command, cmd_…
    #[arg(value_parser = segment)]
    id: String,
    /// What it has come to
    #[arg(long, value_enum)]
    outcome: Outcome,
    /// On what grounds; stays in the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The order at the broker
    #[arg(long, value_name = "TICKET")]
    order: Option<u64>,
    /// The deal at the broker
    #[arg(long, value_name = "TICKET")]
    deal: Option<u64>,
    /// How much was done, lots
    #[arg(long, value_name = "LOTS", value_parser = positive)]
    volume: Option<f64>,
    /// At which price
    #[arg(long, value_parser = positive)]
    price: Option<f64>,
    /// Do not ask first
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Outcome {
    /// Done as asked
    Executed,
    /// Done in part
    Partial,
    /// A pending order stands
    Placed,
    /// Nothing was done
    NotExecuted,
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let (hub, out) = self.remote.open()?;
        match (&self.id, &self.action) {
            (Some(id), None) => one(&hub, out, id, self.wait).await,
            (None, Some(Action::List(list))) => list.run(&hub, out).await,
            (None, Some(Action::Cancel { id })) => {
                let answer = hub.call(Method::POST, &["commands", id, "cancel"], &Query::new(), None).await?;
                tell(out, &Record::read(&answer.text()).ok_or_else(unreadable)?)
            }
            (None, Some(Action::Adjudicate(adjudicate))) => adjudicate.run(&hub, out).await,
            _ => Err(Failure::new(exit::USAGE, "give the id of one command, or list, cancel or adjudicate").into()),
        }
    }
}

async fn one(hub: &Hub, out: Output, id: &str, wait: u64) -> anyhow::Result<u8> {
    let until = Instant::now() + Duration::from_secs(wait);
    let answer = hub.get(&["commands", id], &Query::new()).await?;
    let mut record = Record::read(&answer.text()).ok_or_else(unreadable)?;
    while !record.is_final() && Instant::now() < until {
        sleep_until(until.min(Instant::now() + POLL)).await;
        record = record.again(hub).await?;
    }
    tell(out, &record)
}

fn tell(out: Output, record: &Record) -> anyhow::Result<u8> {
    command_view::show(out, record)?;
    if !record.is_final() {
        out.note(&format!("not known yet: {}", record.meaning()));
    }
    Ok(record.exit_code())
}

impl List {
    async fn run(&self, hub: &Hub, out: Output) -> anyhow::Result<u8> {
        let mut query = vec![("terminal", self.at.terminal.clone())];
        ask(&mut query, "state", self.state.as_ref());
        ask(&mut query, "client_order_id", self.client_order_id.as_ref());
        ask(&mut query, "by", self.by.as_ref());
        out.list(hub, &["commands"], &query, Some(self.much.rows()), COLUMNS).await?;
        Ok(0)
    }
}

impl Adjudicate {
    async fn run(&self, hub: &Hub, out: Output) -> anyhow::Result<u8> {
        let outcome = word(self.outcome);
        let body: Value = Body::default()
            .with("outcome", outcome.as_str())
            .with("reason", self.reason.as_str())
            .maybe("order", self.order)
            .maybe("deal", self.deal)
            .maybe("volume", self.volume)
            .maybe("price", self.price)
            .value();
        confirm(&format!("{} is recorded as {outcome} for good. Are you sure?", self.id), self.yes)?;
        let answer = hub.call(Method::POST, &["commands", &self.id, "adjudicate"], &Query::new(), Some(&body)).await?;
        let record = Record::read(&answer.text()).ok_or_else(unreadable)?;
        command_view::show(out, &record)?;
        Ok(0)
    }
}
