//! Commands: what became of a trade.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    close_all::parent_json,
    error::{ApiError, ApiResult},
    extract::{Params, Path},
    json::{list, rfc3339},
    resolve::{self, Purpose},
};
use crate::domain::{
    account::TRADE_MODE_DEMO,
    api_key::{Permission, Reach},
    command::{CommandRecord, CommandState},
    ids::OwnerId,
    names,
    trade::{TradeRequest, action},
};
use crate::trading::ParentView;

/// A command as every trading call and every list shows it.
pub(super) fn command_json(record: &CommandRecord) -> Value {
    let result = record.result.as_ref().map(|result| {
        let mut object = super::json::named(result, &[]);
        object.insert("retcode_name".to_owned(), json!(names::retcode(result.retcode)));
        object
    });
    json!({
        "id": record.id,
        "state": record.state,
        "final": record.state.is_final(),
        "created_at": rfc3339(record.created_at),
        "updated_at": rfc3339(record.updated_at),
        "deadline_at": rfc3339(record.deadline_at),
        "account": record.account,
        "terminal": record.token,
        "instance": record.instance,
        "tag": record.tag,
        "client_order_id": record.client_order_id,
        "parent": record.parent,
        "request": request_json(&record.request),
        "result": result,
        "reason": record.reason,
    })
}

/// A request with a name beside each of its enums.
pub(super) fn request_json(request: &TradeRequest) -> Value {
    let names: [super::json::Names; 4] = [
        ("action", names::trade_action),
        ("type", names::order_type),
        ("type_filling", names::order_filling),
        ("type_time", names::order_time),
    ];
    let mut object = super::json::named(request, &names);
    // The name of a type that the action does not use would only mislead.
    if !matches!(request.action, action::DEAL | action::PENDING) {
        object.remove("type_name");
    }
    Value::Object(object)
}

/// `GET /api/v1/commands/{id}`: for whoever holds the permission that made it.
pub(super) async fn get_command(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let unknown = || ApiError::not_found("there is no command with this id");
    let id = id.parse().map_err(|_| unknown())?;
    if let Some(record) = state.trading.command(id).await? {
        return if visible(&caller, &record) { Ok(Json(command_json(&record))) } else { Err(unknown()) };
    }
    let parent = state.trading.parent(id).await?;
    let of = |view: &ParentView| (view.record.owner, view.record.permission, view.record.trade_mode);
    let parent = parent.filter(|view| may_see(&caller, of(view))).ok_or_else(unknown)?;
    Ok(Json(parent_json(&parent)))
}

fn visible(caller: &Caller, record: &CommandRecord) -> bool {
    may_see(caller, (record.owner, record.permission, record.trade_mode))
}

fn may_see(caller: &Caller, (owner, permission, trade_mode): (OwnerId, Permission, u8)) -> bool {
    let reached = caller.key.reach == Reach::Live || trade_mode == TRADE_MODE_DEMO;
    owner == caller.key.owner && caller.key.may(permission) && reached
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandsQuery {
    #[serde(default = "the_only_one")]
    terminal: String,
    state: Option<CommandState>,
    client_order_id: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

fn the_only_one() -> String {
    "-".to_owned()
}

/// `GET /api/v1/commands?terminal=&state=&client_order_id=&limit=&cursor=`, oldest first.
pub(super) async fn list_commands(
    State(state): State<ApiState>,
    caller: Caller,
    Params(query): Params<CommandsQuery>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &query.terminal, Purpose::Read)?;
    let limit = query.limit.unwrap_or(100).clamp(1, 500);
    let after = match &query.cursor {
        Some(cursor) => {
            Some(cursor.parse().map_err(|_| ApiError::field("cursor", "must be a next_cursor of an earlier answer"))?)
        }
        None => None,
    };
    let (owner, account) = (caller.key.owner, &target.account);
    let (records, next) = match &query.client_order_id {
        Some(reference) => state.trading.commands_by_reference(owner, account, reference, after, limit).await?,
        None => state.trading.commands(owner, account, after, limit).await?,
    };
    let rows = records
        .iter()
        .filter(|record| visible(&caller, record) && query.state.is_none_or(|wanted| record.state == wanted))
        .map(command_json);
    Ok(Json(list(rows.collect(), next.map(|id| id.to_string()), state.clock.wall())))
}
