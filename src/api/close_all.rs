//! `POST …/positions/close-all`: one call, one key, a command for each position.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    ApiState,
    auth::Caller,
    closing::closing,
    commands::{command_json, visible},
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path, number_or_text},
    filling::{Filling, filling},
    guards::Guards,
    json::rfc3339,
    placing::Side,
    positions::positions,
    trade::Call,
};
use crate::{
    domain::{
        api_key::Permission,
        command::CommandState,
        ids::CommandId,
        trade::{Position, TradeRequest, action},
    },
    store::StoreError,
    trading::{Child, ExecuteError, NewParent, ParentView},
};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CloseAll)]
#[serde(default, deny_unknown_fields)]
struct CloseAllBody {
    /// Only positions of this symbol.
    #[schema(max_length = 64)]
    symbol: Option<String>,
    /// Only positions with this magic.
    #[serde(deserialize_with = "number_or_text")]
    #[schema(value_type = Option<super::openapi::schemas::NumberOrText>)]
    magic: Option<u64>,
    /// Only bought ones, or only sold ones.
    side: Option<Side>,
    /// Points that the price may slip. 10 if left out.
    deviation: Option<u64>,
    /// `auto` takes what each symbol offers.
    filling: Filling,
    /// Shown at the broker behind the hub's mark.
    #[schema(max_length = 31)]
    comment: String,
}

/// `POST …/positions/close-all`
#[utoipa::path(
    post,
    path = "/api/v1/terminals/{terminal}/positions/close-all",
    operation_id = "closeAllPositions",
    tag = "Trading",
    summary = "Close many positions",
    description = "One call, one key, and a command for each position.",
    request_body = CloseAllBody,
    responses(
        (status = 200, description = "All, or a part, was closed.", body = super::openapi::schemas::Closing),
        (status = 202, description = "Some command has no outcome yet.", body = super::openapi::schemas::Closing),
        (status = "4XX", description = "trade bodiless"),
    )
)]
pub(super) async fn close_all(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let what = (Method::POST, "positions/close-all");
    let mut call = Call::new((state, caller), &terminal, what, (&headers, &body), Permission::TradeReduce).await?;
    let (wanted, guards) = Guards::split::<CloseAllBody>(&body)?;
    let Some(claim) = call.claim.take() else { return Err(ApiError::internal(&"a key was claimed twice")) };
    let trading = call.state.trading.clone();
    let stopping = call.state.stopping.clone();
    let Some(id) = trading.parent_replayed(&claim, &call.fingerprint).await? else {
        let new = wanted.call(&call, &guards).await?;
        let id = trading.begin_parent(&claim, new, &stopping).await?;
        drop(claim);
        return answer(&call, id, false).await;
    };
    // What cannot be read or sent now can be later: the parent answers as it stands.
    if trading.parent(id).await.map_err(perhaps_sent)?.is_some_and(|view| view.may_go_on())
        && let Ok(new) = wanted.call(&call, &guards).await
    {
        let resumed = trading.resume_parent(&claim, id, new, &stopping).await;
        resumed.unwrap_or_else(|error| tracing::debug!(parent = %id, %error, "a call for many positions cannot go on now"));
    }
    drop(claim);
    answer(&call, id, true).await
}

impl CloseAllBody {
    /// The positions as they are now, of symbols that the caller may touch, and what closes each of them.
    async fn call(&self, call: &Call, guards: &Guards) -> ApiResult<NewParent> {
        let mut problems = guards.problems(action::DEAL);
        if guards.seen_price.is_some() {
            problems.push(crate::domain::trade::FieldError {
                field: "seen_price",
                detail: "cannot guard many positions at once; leave it out here".to_owned(),
            });
        }
        // One order as it will be, for what is wrong whatever the terminal says.
        let shape =
            Position { ticket: 1, symbol: self.symbol.clone().unwrap_or_else(|| "any".to_owned()), ..Position::default() };
        problems.extend(self.request(shape, 1.0).problems());
        if !problems.is_empty() {
            return Err(ApiError::fields(&problems));
        }
        if let Some(symbol) = &self.symbol {
            call.caller.symbol(symbol)?;
        }
        let deadline = call.deadline(guards, action::DEAL)?;
        let relay = call.relay(deadline)?;
        let mut children = Vec::new();
        for open in positions(&relay, self.symbol.as_deref().unwrap_or_default()).await? {
            let kept = self.symbol.as_ref().is_none_or(|symbol| *symbol == open.symbol)
                && self.magic.is_none_or(|magic| magic == open.magic)
                && self.side.is_none_or(|side| side.kind() == open.kind);
            if kept {
                let (position, volume) = (open.ticket, open.volume);
                let request = self.request(open, volume);
                let type_filling = filling(&call.state, &relay, self.filling, &request).await?;
                children.push(Child { position, request: TradeRequest { type_filling, ..request } });
            }
        }
        Ok(NewParent {
            key: call.caller.key.id,
            hook: call.caller.hook,
            login: call.caller.login(),
            permission: call.permission,
            session: relay.session,
            children,
            deadline,
            client_order_id: guards.client_order_id.clone(),
            fingerprint: call.fingerprint,
        })
    }

    fn request(&self, open: Position, volume: f64) -> TradeRequest {
        closing(open, volume, self.deviation, self.comment.clone())
    }
}

/// 200 when all is closed or part of it, 202 while something is open, 422 when certainly nothing was closed.
async fn answer(call: &Call, id: CommandId, replayed: bool) -> ApiResult<Response> {
    let view = call.state.trading.parent_settled(id, call.wait, &call.state.stopping).await.map_err(perhaps_sent)?;
    let view = view.ok_or(ExecuteError::KeyExpired)?;
    let state = view.state();
    let location = HeaderValue::from_str(&format!("/api/v1/commands/{id}")).map_err(|error| ApiError::internal(&error))?;
    let body = parent_json(&call.state, &view, &call.caller);
    let mut response = if state == CommandState::NotExecuted {
        let text = "none of the positions was closed; each of `commands` and `not_sent` says why";
        let mut error =
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "not_executed", text).with_header(header::LOCATION, location);
        for (field, value) in body.as_object().into_iter().flatten() {
            error = error.with(field, value.clone());
        }
        error.into_response()
    } else {
        let status = if state.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
        (status, [(header::LOCATION, location)], Json(body)).into_response()
    };
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The store's own answer says that nothing was sent, which is not known once there is a parent.
#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn perhaps_sent(error: StoreError) -> ApiError {
    ApiError::internal(&error)
}

/// A call for many positions, with the command of each that the caller may see.
pub(super) fn parent_json(state: &ApiState, view: &ParentView, caller: &Caller) -> Value {
    let record = &view.record;
    let commands =
        view.commands.iter().filter(|record| visible(caller, record)).map(|record| command_json(state, caller, record));
    let not_sent = view.missing.iter().map(|(position, why)| json!({"position": position, "reason": why}));
    json!({
        "id": record.id,
        "kind": "close_all",
        "state": view.state(),
        "final": view.state().is_final(),
        "created_at": rfc3339(record.created_at),
        "resumable_until": rfc3339(record.resumable_until),
        "account": record.account,
        "terminal": record.token,
        "client_order_id": record.client_order_id,
        "positions": record.positions,
        "commands": commands.collect::<Vec<_>>(),
        "not_sent": not_sent.collect::<Vec<_>>(),
    })
}
