//! Commands: what became of a trade.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    ApiState,
    auth::Caller,
    close_all::parent_json,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path, preferred_wait},
    trade::outcome,
};
use crate::domain::{
    account::{Account, TRADE_MODE_DEMO},
    api_key::{Permission, Reach},
    command::CommandRecord,
    ids::OwnerId,
    safety::{Adjudication, Verdict},
    trade::{FieldError, TradeResult},
};
pub(super) use crate::events::view::request_json;
use crate::{events::view, trading::ParentView};

/// `GET /api/v1/commands/{id}`: for whoever holds the permission that made it.
#[utoipa::path(
    get,
    path = "/api/v1/commands/{id}",
    operation_id = "getCommand",
    tag = "Commands",
    summary = "What became of a trade",
    description = "",
    responses(
        (status = 200, description = "The command, or the call for many positions with its commands.", body = super::openapi::schemas::CommandOrClosing),
        (status = "4XX", description = "not_found store"),
    )
)]
pub(super) async fn get_command(State(state): State<ApiState>, caller: Caller, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    match found(&state, &caller, &id).await {
        Ok(record) => Ok(Json(command_json(&state, &caller, &record))),
        Err(unknown) => {
            let Ok(id) = id.parse() else { return Err(unknown) };
            let parent = state.trading.parent(id).await?;
            let sees = |view: &ParentView| {
                let record = &view.record;
                may_see(&caller, &record.account, (record.owner, record.permission, record.trade_mode))
            };
            parent.filter(sees).map(|view| Json(parent_json(&state, &view, &caller))).ok_or(unknown)
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
#[utoipa::path(
    post,
    path = "/api/v1/commands/{id}/cancel",
    operation_id = "cancelCommand",
    tag = "Commands",
    summary = "Ask that a command not happen",
    description = "Answers the command, as a trading call does.",
    responses(
        (status = 200, description = "The command has an outcome.", body = super::openapi::schemas::Command),
        (status = 202, description = "Nobody knows yet.", body = super::openapi::schemas::Command),
        (status = "4XX", description = "waits not_found store"),
    )
)]
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
    outcome((&state, &caller), &record, true)
}

/// `POST …/adjudicate`
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AdjudicateCommand)]
#[serde(deny_unknown_fields)]
struct AdjudicateBody {
    /// What became of it.
    outcome: Verdict,
    /// How that is known; 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// The order's ticket at the broker.
    #[serde(default)]
    order: u64,
    /// The deal's ticket at the broker.
    #[serde(default)]
    deal: u64,
    /// Lots that were done.
    #[serde(default)]
    #[schema(minimum = 0.0)]
    volume: f64,
    /// The price of the deal.
    #[serde(default)]
    #[schema(minimum = 0.0)]
    price: f64,
}

/// `POST /api/v1/commands/{id}/adjudicate`: a person settles what nobody else can.
#[utoipa::path(
    post,
    path = "/api/v1/commands/{id}/adjudicate",
    operation_id = "adjudicateCommand",
    tag = "Commands",
    summary = "Settle an unknown command",
    description = "By a person's word.",
    request_body = AdjudicateBody,
    responses(
        (status = 200, description = "The command.", body = super::openapi::schemas::Command),
        (status = "4XX", description = "body not_found not_unknown store"),
    )
)]
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
        Ok(record) => Ok(Json(command_json(&state, &caller, &record))),
        Err(stands) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "not_unknown",
            "only a command whose outcome is unknown can be decided; this one stands otherwise, and nothing was changed",
        )
        .with("state", json!(stands.state))),
    }
}

/// A command as every trading call and every list shows it.
pub(super) fn command_json(state: &ApiState, caller: &Caller, record: &CommandRecord) -> Value {
    view::command_json(record, &caller.hears(state.access.maker(record)))
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
