//! Commands: what became of a trade.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    close_all::parent_json,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Params, Path, preferred_wait},
    json::list,
    resolve::{self, Purpose},
    trade::outcome,
};
use crate::domain::{
    account::{Account, TRADE_MODE_DEMO},
    api_key::{Permission, Reach},
    command::{CommandRecord, CommandState},
    ids::OwnerId,
    safety::{Adjudication, Verdict},
    trade::{FieldError, TradeResult},
};
pub(super) use crate::events::view::{command_json, request_json};
use crate::trading::ParentView;

/// `GET /api/v1/commands/{id}`: for whoever holds the permission that made it.
pub(super) async fn get_command(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    match found(&state, &caller, &id).await {
        Ok(record) => Ok(Json(command_json(&record))),
        Err(unknown) => {
            let Ok(id) = id.parse() else { return Err(unknown) };
            let parent = state.trading.parent(id).await?;
            let sees = |view: &ParentView| {
                let record = &view.record;
                may_see(&caller, &record.account, (record.owner, record.permission, record.trade_mode))
            };
            parent.filter(sees).map(|view| Json(parent_json(&view, &caller))).ok_or(unknown)
        }
    }
}

async fn found(state: &ApiState, caller: &Caller, id: &str) -> ApiResult<CommandRecord> {
    let unknown = || ApiError::not_found("there is no command with this id");
    let id = id.parse().map_err(|_| unknown())?;
    state.trading.command(id).await?.filter(|record| visible(caller, record)).ok_or_else(unknown)
}

/// `POST /api/v1/commands/{id}/cancel`: asks the bound instance, which, if it has not seen it, never executes it any more. Answers like
/// a trading call: what came of the command, or 202 while that is not known.
pub(super) async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let record = found(&state, &caller, &id).await?;
    let record = match state.trading.cancel(record.id).await? {
        Some(execution) => execution.wait(preferred_wait(&headers), &state.stopping).await,
        None => record,
    };
    outcome(&record, true)
}

/// `POST …/adjudicate`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdjudicateBody {
    outcome: Verdict,
    reason: String,
    #[serde(default)]
    order: u64,
    #[serde(default)]
    deal: u64,
    #[serde(default)]
    volume: f64,
    #[serde(default)]
    price: f64,
}

/// `POST /api/v1/commands/{id}/adjudicate`: a person settles what nobody else can.
pub(super) async fn adjudicate(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let body: AdjudicateBody = body.read()?;
    let reason = super::safety::checked_reason(&body.reason)?;
    let mut problems = Vec::new();
    for (field, number) in [("volume", body.volume), ("price", body.price)] {
        if !number.is_finite() || number < 0.0 {
            problems.push(FieldError { field, detail: "must be a finite number, zero or above".to_owned() });
        }
    }
    let tickets = body.order != 0 || body.deal != 0;
    if !body.outcome.is_done() && (tickets || body.volume != 0.0 || body.price != 0.0) {
        problems.push(FieldError { field: "outcome", detail: "not_executed has no order, deal, volume or price".to_owned() });
    }
    if !problems.is_empty() {
        return Err(ApiError::fields(&problems));
    }
    let record = found(&state, &caller, &id).await?;
    let decision = Adjudication { outcome: body.outcome, by: caller.actor(), at: state.clock.wall(), reason: reason.to_owned() };
    let result =
        TradeResult { order: body.order, deal: body.deal, volume: body.volume, price: body.price, ..TradeResult::default() };
    let result = decision.outcome.is_done().then_some(result);
    match state.trading.adjudicate(record.id, decision, result).await? {
        Ok(record) => Ok(Json(command_json(&record))),
        Err(stands) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "not_unknown",
            "only a command whose outcome is unknown can be decided; this one stands otherwise, and nothing was changed",
        )
        .with("state", json!(stands.state))),
    }
}

/// Whether a command exists for a caller.
pub(super) fn visible(caller: &Caller, record: &CommandRecord) -> bool {
    may_see(caller, &record.account, (record.owner, record.permission, record.trade_mode))
        && caller.key.allows_symbol(&record.request.symbol)
}

fn may_see(caller: &Caller, account: &Account, (owner, permission, trade_mode): (OwnerId, Permission, u8)) -> bool {
    let reached = caller.key.reach == Reach::Live || trade_mode == TRADE_MODE_DEMO;
    let may = caller.key.may(permission) || caller.only_looks();
    owner == caller.tenant() && may && reached && caller.key.allows_account(account)
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
    let wanted = |record: &CommandRecord| visible(&caller, record) && query.state.is_none_or(|wanted| record.state == wanted);
    let (owner, account) = (caller.tenant(), &target.account);
    let (records, next) = match &query.client_order_id {
        Some(reference) => state.trading.commands_by_reference(owner, account, reference, after, limit, wanted).await?,
        None => state.trading.commands(owner, account, after, limit, wanted).await?,
    };
    let rows = records.iter().map(command_json);
    Ok(Json(list(rows.collect(), next.map(|id| id.to_string()), state.clock.wall())))
}
