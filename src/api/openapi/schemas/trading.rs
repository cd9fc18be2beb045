//! History, commands and controls.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{OneOfBuilder, Ref, RefOr, Schema},
};

use super::{
    super::shapes::{RequestRow, ResultRow},
    MakerKind, RowKind, one_of,
};
use crate::{
    api::trade::RawBody,
    domain::{
        account::Account,
        command::CommandState,
        safety::{IncidentKind, KillLevel, Verdict},
        trade::TradeRequest,
    },
};

/// What every row of the trade history says.
#[derive(ToSchema)]
pub(in crate::api::openapi) struct HistoryHead {
    kind: RowKind,
    account: Account,
    /// `pushed`: the terminal told at once. `found`: the hub found it later.
    source: String,
    #[schema(format = DateTime)]
    seen_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// When it happened.
    #[schema(format = DateTime)]
    at: String,
    /// Who caused it: `command`, `broker`, `unknown_tag`, `foreign` or `untold`.
    origin: String,
    command: Option<String>,
    /// `ENUM_TRADE_TRANSACTION_TYPE` of the push.
    transaction: Option<u8>,
}

/// A trade, from the request that made it to its final outcome.
#[derive(ToSchema)]
pub(in crate::api) struct Command {
    id: String,
    /// The key that made it, or the user's line.
    key: String,
    by: CommandMaker,
    state: CommandState,
    /// Whether it stays as it is.
    r#final: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// The last moment for `OrderSend`.
    #[schema(format = DateTime)]
    deadline_at: String,
    account: Account,
    /// The token of the terminal.
    terminal: String,
    /// The run of the Expert Advisor, the only one that may execute it.
    instance: String,
    /// The hub's mark at the broker.
    tag: u64,
    client_order_id: Option<String>,
    /// The call for many positions that made it.
    parent: Option<String>,
    request: RequestRow,
    result: Option<ResultRow>,
    /// Why it ended as it did.
    reason: Option<String>,
    /// The states that it went through, the present one last: 17 at most, of more those in the middle are left out.
    states: Vec<CommandStage>,
    adjudication: Option<Decision>,
}

/// Who asked for a command.
#[derive(ToSchema)]
pub(super) struct CommandMaker {
    kind: MakerKind,
    /// What `by` of the lists takes: of a key the first one of its line, of the hub `hub`.
    id: String,
    /// What it is called now; none if it has no name, or is not known any more. People are told the login of a user without a name.
    name: Option<String>,
}

/// A state that a command entered.
#[derive(ToSchema)]
pub(super) struct CommandStage {
    state: CommandState,
    #[schema(format = DateTime)]
    at: String,
    /// Why, if there is a reason.
    reason: Option<String>,
}

/// Who made commands, and how many of those that were looked at.
#[derive(ToSchema)]
pub(in crate::api) struct CommandMakerRow {
    kind: MakerKind,
    id: String,
    name: Option<String>,
    commands: u64,
    /// When the newest of them was made.
    #[schema(format = DateTime)]
    last_at: String,
}

/// What a person decided.
#[derive(ToSchema)]
#[schema(as = Adjudication)]
pub(super) struct Decision {
    outcome: Verdict,
    by: String,
    #[schema(format = DateTime)]
    at: String,
    reason: String,
}

/// A call for many positions, with the command of each.
#[derive(ToSchema)]
pub(in crate::api) struct Closing {
    id: String,
    #[schema(example = "close_all")]
    kind: String,
    state: CommandState,
    r#final: bool,
    #[schema(format = DateTime)]
    created_at: String,
    /// Until then asking again with the same key begins what was not begun.
    #[schema(format = DateTime)]
    resumable_until: String,
    account: Account,
    terminal: String,
    client_order_id: Option<String>,
    /// Their tickets.
    positions: Vec<u64>,
    commands: Vec<Command>,
    not_sent: Vec<NotSent>,
}

/// A position for which nothing was sent.
#[derive(ToSchema)]
pub(super) struct NotSent {
    position: u64,
    reason: String,
}

one_of! {
    /// One command, or a call for many.
    CommandOrClosing: Command, Closing
}

one_of! {
    /// The 17 keys of `MqlTradeRequest`, bare or under `request`.
    RawTrade: TradeRequest, RawBody
}

/// What a trade would cost.
#[derive(ToSchema)]
pub(in crate::api) struct Margin {
    margin: f64,
    currency: String,
}

/// What a trade would bring.
#[derive(ToSchema)]
pub(in crate::api) struct Profit {
    profit: f64,
    currency: String,
}

/// A kill switch. Without `id`, `reason`, `by` and `at` when it is off.
#[derive(ToSchema)]
pub(in crate::api) struct KillSwitch {
    id: String,
    scope: String,
    level: u8,
    level_name: KillLevel,
    reason: String,
    by: String,
    #[schema(format = DateTime)]
    at: String,
}

/// A dead-man timer. One that was let go has `key`, `scope` and `state` alone.
#[derive(ToSchema)]
pub(in crate::api) struct Deadman {
    /// The line of keys that keeps it from running out.
    key: String,
    scope: String,
    /// `armed`, `fired` or `off`.
    state: String,
    timeout_s: f64,
    action: KillLevel,
    #[schema(format = DateTime)]
    armed_at: String,
    #[schema(format = DateTime)]
    fired_at: Option<String>,
    remaining_ms: Option<u64>,
}

/// Something that a person must look at.
#[derive(ToSchema)]
pub(in crate::api) struct Incident {
    id: String,
    #[schema(format = DateTime)]
    at: String,
    account: Account,
    kind: IncidentKind,
    /// Whether it has raised the account's kill switch.
    latches: bool,
    command: Option<String>,
    text: String,
}
