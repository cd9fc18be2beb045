//! Lists of commands, for people who look for something and for bots that ask what became of theirs.

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::{
    ApiState,
    audit::{self, direction, time},
    auth::Caller,
    commands::{command_json, visible},
    error::{ApiError, ApiResult},
    extract::Params,
    json::list,
    resolve::{self, Purpose},
    spreadsheet,
};
use crate::{
    domain::{
        account::Account,
        command::{CommandRecord, CommandState},
        ids::{CommandId, KeyId},
        maker::MakerId,
    },
    trading::Listing,
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandsQuery {
    /// As in paths; `-`, the only one, if left out; `*` for all that the caller sees.
    #[serde(default = "the_only_one")]
    #[param(value_type = Option<String>)]
    terminal: String,
    /// Only commands in this state, or one of these with commas between them.
    state: Option<String>,
    /// Only of this symbol.
    symbol: Option<String>,
    /// Only those made under this very key.
    key: Option<String>,
    /// Only those that this one asked for: the id of a key (with those before and after it that were rotated), of a user, of a hook, or `hub`.
    by: Option<String>,
    /// Only those with this reference of the caller's own.
    client_order_id: Option<String>,
    /// When they were made, included: RFC 3339, epoch seconds or epoch milliseconds, UTC.
    from: Option<String>,
    /// Before then.
    to: Option<String>,
    /// Oldest first (`asc`, if left out) or newest first (`desc`).
    #[param(inline, value_type = Option<super::openapi::schemas::SortOrder>)]
    sort: Option<String>,
    /// Rows, 100 if left out; above 500 it is 500.
    #[param(minimum = 0)]
    limit: Option<usize>,
    /// `next_cursor` of a page; keep the other parameters.
    cursor: Option<String>,
    /// `csv`, or by `Accept: text/csv`.
    #[param(inline, value_type = Option<super::openapi::schemas::ListFormat>)]
    format: Option<String>,
}

pub(super) fn the_only_one() -> String {
    "-".to_owned()
}

/// `GET /api/v1/commands?terminal=&state=&symbol=&key=&by=&client_order_id=&from=&to=&sort=&limit=&cursor=&format=`.
#[utoipa::path(
    get,
    path = "/api/v1/commands",
    operation_id = "listCommands",
    tag = "Commands",
    summary = "Commands",
    description = "Those that this caller could have made.",
    params(CommandsQuery),
    responses(
        (status = 200, description = "The commands.", content((super::openapi::schemas::List<super::openapi::schemas::Command> = "application/json"), (String = "text/csv"))),
        (status = "4XX", description = "terminal store"),
    )
)]
pub(super) async fn list_commands(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<CommandsQuery>,
) -> ApiResult<Response> {
    let as_csv = spreadsheet::is_asked_for(query.format.as_deref(), &headers)?;
    let wanted = Wanted::read(&state, &caller, &query)?;
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    let (direction, from, to) =
        (direction(query.sort.as_deref())?, time("from", query.from.as_deref())?, time("to", query.to.as_deref())?);
    let accounts = accounts(&state, &caller, &query.terminal).await?;
    let client_order_id = query.client_order_id.as_deref();
    let listing = Listing { owner: caller.tenant(), accounts: &accounts, client_order_id, direction, from, to, after };
    let limit = query.limit.unwrap_or(100).clamp(1, 500);
    let (records, next) =
        state.trading.list(&listing, limit, |record| visible(&caller, record) && wanted.is(&state, record)).await?;
    let next = next.map(|id| id.to_string());
    if as_csv {
        return spreadsheet::answer(&COLUMNS, records.iter().map(|record| row(&state, &caller, record)), next);
    }
    let rows = records.iter().map(|record| command_json(&state, &caller, record));
    Ok(Json(list(rows.collect(), next, state.clock.wall())).into_response())
}

/// The command behind which a page begins.
///
/// # Errors
/// 422.
pub(super) fn read_cursor(text: &str) -> ApiResult<CommandId> {
    text.parse().map_err(|_| ApiError::field("cursor", "must be a next_cursor of an earlier answer"))
}

/// Whose commands are meant: one account's, or with `*` those of every account that the caller sees. An account that is locked to no token
/// any more is still found by its number.
pub(super) async fn accounts(state: &ApiState, caller: &Caller, text: &str) -> ApiResult<Vec<Account>> {
    if text == "*" {
        let mut all = audit::kept(state, caller).await?;
        all.extend(resolve::visible(state, caller).into_iter().map(|target| target.account));
        all.sort();
        all.dedup();
        return Ok(all);
    }
    match resolve::terminal(state, caller, text, Purpose::Read) {
        Ok(target) => Ok(vec![target.account]),
        Err(unknown) => match audit::account(state, caller, Some(text)).await {
            Ok(Some(account)) => Ok(vec![account]),
            _ => Err(unknown),
        },
    }
}

/// Which commands are asked for.
#[derive(Debug)]
struct Wanted {
    /// In one of these states; in any if there are none.
    states: Vec<CommandState>,
    symbol: Option<String>,
    key: Option<KeyId>,
    by: Option<MakerId>,
}

impl Wanted {
    fn read(state: &ApiState, caller: &Caller, query: &CommandsQuery) -> ApiResult<Self> {
        if let Some(symbol) = &query.symbol {
            caller.symbol(symbol)?;
        }
        let stands = |name: &str| {
            serde_json::from_value(json!(name))
                .map_err(|_| ApiError::field("state", format!("`{name}` is no state of a command")))
        };
        let states = query.state.iter().flat_map(|names| names.split(',')).map(stands).collect::<ApiResult<_>>()?;
        let key =
            query.key.as_ref().map(|id| id.parse().map_err(|_| ApiError::field("key", "must be the id of a key"))).transpose()?;
        let meant = |id: &str| {
            state.access.maker_meant(id).ok_or_else(|| ApiError::field("by", "must be the id of a key, a user or a hook, or hub"))
        };
        let by = query.by.as_deref().map(meant).transpose()?;
        Ok(Self { states, symbol: query.symbol.clone(), key, by })
    }

    fn is(&self, state: &ApiState, record: &CommandRecord) -> bool {
        (self.states.is_empty() || self.states.contains(&record.state))
            && self.symbol.as_ref().is_none_or(|symbol| *symbol == record.request.symbol)
            && self.key.is_none_or(|key| key == record.key)
            && self.by.is_none_or(|by| by == state.access.maker_id(record))
    }
}

/// Columns of the CSV form: those of a command, `by_`, `request_` and `result_` in front of who asked, what was asked and what the terminal answered.
const COLUMNS: [&str; 36] = [
    "id",
    "created_at",
    "updated_at",
    "state",
    "final",
    "account",
    "terminal",
    "key",
    "by_kind",
    "by_id",
    "by_name",
    "client_order_id",
    "parent",
    "tag",
    "request_action_name",
    "request_type_name",
    "request_symbol",
    "request_volume",
    "request_price",
    "request_stoplimit",
    "request_sl",
    "request_tp",
    "request_deviation",
    "request_order",
    "request_position",
    "request_position_by",
    "request_magic",
    "request_comment",
    "result_retcode",
    "result_retcode_name",
    "result_order",
    "result_deal",
    "result_volume",
    "result_price",
    "result_comment",
    "reason",
];

/// A command as one row.
fn row(state: &ApiState, caller: &Caller, record: &CommandRecord) -> Map<String, Value> {
    let Value::Object(mut row) = command_json(state, caller, record) else { return Map::new() };
    for part in ["by", "request", "result"] {
        let Some(Value::Object(fields)) = row.remove(part) else { continue };
        row.extend(fields.into_iter().map(|(field, value)| (format!("{part}_{field}"), value)));
    }
    row.insert("account".to_owned(), json!(record.account.to_string()));
    row
}
