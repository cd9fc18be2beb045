//! Schemas of what handlers write by hand. None of these is ever made: the conformance tests hold real answers against them.
#![expect(dead_code, reason = "only their schemas are used")]

mod hooks;
mod link;
mod market;
mod outside;
mod people;
mod plans;
mod secrets;
mod trading;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, OneOfBuilder, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

pub(super) use self::trading::HistoryHead;
pub(in crate::api) use self::{
    hooks::{AlertReceipt, Delivery, Hook, ReceivedAlert, Replayed, Webhook, WebhookTest},
    link::{Latency, Link},
    market::{BarsAnswer, EquityAnswer, Terminal, TicksAnswer},
    outside::{
        ExternalBars, ExternalSymbols, Indicator, IndicatorGone, IndicatorPart, IndicatorReceipt, Indicators, SubmitIndicator,
    },
    people::{AuditCheck, AuditRow, Login, Revoked, Session, SetupNeeded, Tenant, Ticket, User},
    plans::Plans,
    secrets::{Key, Token},
    trading::{Closing, Command, CommandMakerRow, CommandOrClosing, Deadman, Incident, KillSwitch, Margin, Profit, RawTrade},
};
use super::shapes::LevelRow;
use crate::api::extract::Moment;

fn either(kinds: [Type; 2], description: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::from_iter(kinds)).description(Some(description)).into()
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        either([Type::String, Type::Integer], "A time: RFC 3339, epoch seconds or epoch milliseconds, UTC; a text or a number.")
    }
}

impl ToSchema for Moment {}

/// A whole number, or the same as a text.
#[derive(Debug)]
pub(in crate::api) struct NumberOrText;

impl PartialSchema for NumberOrText {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,19}$"));
        OneOfBuilder::new()
            .item(number)
            .item(text)
            .description(Some("A whole number, or the same as a text: JSON numbers lose digits above 2^53."))
            .into()
    }
}

impl ToSchema for NumberOrText {}

/// An account as a key's scope names it.
#[derive(Debug)]
pub(in crate::api) struct AccountName;

impl PartialSchema for AccountName {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[1-9][0-9]{0,9}(@[A-Za-z0-9._-]{1,60})?$"));
        OneOfBuilder::new().item(number).item(text).description(Some("An account's number, or `number@server`.")).into()
    }
}

impl ToSchema for AccountName {}

/// Words that stand for something.
macro_rules! words {
    ($($(#[doc = $about:literal])* $name:ident: $($word:literal),+;)*) => {
        $(
            $(#[doc = $about])*
            #[derive(Debug)]
            pub(in crate::api) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .description(Some(concat!($($about),*).trim()))
                        .enum_values(Some([$($word),+]))
                        .into()
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

words! {
    /// What a user is to the things that they reach.
    RoleName: "owner", "member", "viewer";
    /// What became of it.
    AuditOutcomeName: "done", "denied";
    /// Where an alert stands.
    AlertState: "pending", "sent", "dry_run", "refused", "duplicate";
    /// Which end comes first.
    SortOrder: "asc", "desc";
    /// How bars and ticks are written.
    TableFormat: "json", "columns", "csv", "ndjson", "packed", "arrow";
    /// How a list is written.
    ListFormat: "json", "csv";
    /// Length of a bar of equity.
    EquityResolution: "5m", "1h", "1d";
    /// Whose clock.
    TimeZone: "utc", "server";
    /// What kind of thing asked for a command: `hub` carries out a kill switch.
    MakerKind: "key", "user", "hook", "hub";
    /// Which ticks.
    TickFlags: "all", "info", "trade";
    /// What a row of the history is.
    RowKind: "deal", "order", "position";
    /// What a dead-man timer does when it runs out.
    DeadmanAction: "block", "cancel", "flatten";
    /// Where an answer came from.
    Origin: "terminal", "cache";
    /// How it is known how far the broker's clock is from UTC.
    UtcSource: "configured", "measured", "weekly_open";
}

/// Either of two.
macro_rules! one_of {
    ($(#[doc = $about:literal])* $name:ident: $one:ty, $other:ty) => {
        $(#[doc = $about])*
        #[derive(Debug)]
        pub(in crate::api) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                OneOfBuilder::new()
                    .item(Ref::from_schema_name(<$one>::name()))
                    .item(Ref::from_schema_name(<$other>::name()))
                    .description(Some(concat!($($about),*).trim()))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                schemas.push((<$one>::name().into_owned(), <$one>::schema()));
                schemas.push((<$other>::name().into_owned(), <$other>::schema()));
                <$one>::schemas(schemas);
                <$other>::schemas(schemas);
            }
        }
    };
}

use one_of;

/// Minutes.
#[derive(Debug)]
pub(in crate::api) struct ExternalTimeframe;

impl PartialSchema for ExternalTimeframe {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .enum_values(Some([1, 5, 15, 30, 60, 240, 1_440, 10_080]))
            .description(Some("A timeframe in minutes."))
            .into()
    }
}

impl ToSchema for ExternalTimeframe {}

/// An error (RFC 9457). The fields of its case stand beside these: `candidates`, `permission`, `retry_after`, `retcode`, …
#[derive(ToSchema)]
pub(super) struct Problem {
    /// Where the hub says what the code means: relative to its own address.
    #[schema(example = "/errors/terminal_offline")]
    r#type: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened to this request, and what would be right.
    detail: String,
    /// Stable: programs compare it.
    code: String,
    /// The same as `code`.
    error: String,
    /// The same as `detail`.
    message: String,
    /// Under which the hub's log knows the request.
    request_id: String,
    /// Each wrong field.
    errors: Vec<WrongField>,
}

/// A field of a request that is wrong.
#[derive(ToSchema)]
pub(super) struct WrongField {
    /// JSON pointer into the body, or a slash and the parameter's name.
    pointer: String,
    /// What is wrong with it.
    detail: String,
}

/// A code of the error catalogue.
#[derive(ToSchema)]
pub(in crate::api) struct ErrorCode {
    /// Its address.
    r#type: String,
    /// Stable: programs compare it.
    code: String,
    /// Every status that it comes with, the usual one first.
    statuses: Vec<u16>,
    /// What happened.
    meaning: String,
    /// What to do.
    remedy: String,
}

/// Every code.
#[derive(ToSchema)]
pub(in crate::api) struct ErrorCatalogue {
    data: Vec<ErrorCode>,
}

/// A page of rows.
#[derive(ToSchema)]
pub(in crate::api) struct List<T> {
    /// The rows.
    data: Vec<T>,
    /// Pass it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
    /// When the hub answered.
    #[schema(format = DateTime)]
    as_of: String,
}

/// A page of what was.
#[derive(ToSchema)]
pub(in crate::api) struct HistoryList<T> {
    /// The rows, oldest first.
    data: Vec<T>,
    /// Pass it as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
    /// When the hub answered.
    #[schema(format = DateTime)]
    as_of: String,
    /// The terminal is still fetching this history: ask again.
    loading: bool,
}

/// An order book: sells from high to low, then buys.
#[derive(ToSchema)]
pub(in crate::api) struct Depth {
    symbol: String,
    data: Vec<LevelRow>,
    /// The broker has not sent a book yet: ask again.
    loading: bool,
    next_cursor: Option<String>,
    #[schema(format = DateTime)]
    as_of: String,
}

/// That the process answers.
#[derive(ToSchema)]
pub(in crate::api) struct Health {
    #[schema(example = "ok")]
    status: String,
    version: String,
}

/// Whether the hub can record, and so trade.
#[derive(ToSchema)]
pub(in crate::api) struct Readiness {
    /// `ready`; else `degraded`, `stopping` or `low_space`.
    status: String,
    /// Terminals that are connected.
    terminals: u64,
}
