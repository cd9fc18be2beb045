//! What every call that trades goes through, and the raw one, `POST …/trade`.
//!
//! All of them end in `Call::place`; none of them ever sends anything twice.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    ApiState,
    auth::Caller,
    commands::command_json,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path, idempotency_key, object, preferred_wait},
    guards::Guards,
    orders::order,
    positions::position,
    relay::Relay,
    resolve::{self, Purpose, Target},
};
use crate::{
    domain::{
        UnixMillis,
        account::{MARGIN_MODE_HEDGING, Platform},
        api_key::Permission,
        command::{CommandRecord, CommandState},
        names,
        trade::{MT4_MAGIC_MAX, ORDER_BUY_STOP_LIMIT, TradeRequest, action},
    },
    hub::SessionHandle,
    trading::{Claim, Execution, NewTrade},
};

/// `POST …/trade`, the long form.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = LongRawTrade)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBody {
    /// What goes to the broker.
    #[serde(deserialize_with = "object")]
    request: TradeRequest,
}

/// A trading call before its body is understood: enough to find what its key made earlier.
pub(super) struct Call {
    pub(super) state: ApiState,
    pub(super) caller: Caller,
    pub(super) target: Target,
    /// Held until the command is recorded, so that a duplicate finds it.
    pub(super) claim: Option<Claim>,
    pub(super) fingerprint: [u8; 32],
    pub(super) wait: Duration,
    pub(super) permission: Permission,
    /// Raw calls answer 200 whatever the retcode.
    raw: bool,
}

impl Call {
    /// `what` is the rest of the path after the terminal.
    pub(super) async fn new(
        (state, caller): (ApiState, Caller),
        terminal: &str,
        (method, what): (Method, &str),
        (headers, body): (&HeaderMap, &JsonBody),
        permission: Permission,
    ) -> ApiResult<Self> {
        let key = idempotency_key(headers)?;
        let target = resolve::terminal(&state, &caller, terminal, Purpose::Trade)?;
        // The account and not the path: 1001, 1001@Server and the token's id are the same order.
        let fingerprint = body.fingerprint(&format!("{method} {}/{what}", target.account));
        let claim = state.trading.claim(target.token.owner, &target.account, &key).await;
        Ok(Self { state, caller, target, claim: Some(claim), fingerprint, wait: preferred_wait(headers), permission, raw: false })
    }

    /// The last moment for what the call wants done, by the steady clock.
    ///
    /// # Errors
    /// 422 naming the field.
    pub(super) fn deadline(&self, guards: &Guards, action: u8) -> ApiResult<UnixMillis> {
        guards.deadline(&self.state, self.caller.arrived, action)
    }

    /// The terminal, to read from before something is sent to it, until `deadline` at most.
    ///
    /// # Errors
    /// 409 `terminal_offline`.
    pub(super) fn relay(&self, deadline: UnixMillis) -> ApiResult<Relay> {
        Ok(Relay::before_a_trade(&self.state, &self.caller, self.target.live()?, deadline))
    }

    /// What the key made when it was used before: the same command in its present state, with or without a terminal.
    pub(super) async fn replay(&mut self) -> ApiResult<Option<Response>> {
        let Some(claim) = &self.claim else { return Ok(None) };
        let Some(execution) = self.state.trading.replayed(claim, &self.fingerprint).await? else { return Ok(None) };
        // The next duplicate need not wait until this one has its answer.
        self.claim = None;
        self.answer(execution).await.map(Some)
    }

    /// Makes the command and waits for its outcome as long as the caller wants to.
    pub(super) async fn place(mut self, request: TradeRequest, guards: Guards) -> ApiResult<Response> {
        let session = self.target.live()?.clone();
        let mut problems = request.problems();
        problems.extend(guards.problems(request.action));
        if !problems.is_empty() {
            return Err(ApiError::fields(&problems));
        }
        possible(&request, &session)?;
        let deadline = self.deadline(&guards, request.action)?;
        self.within_scope(&request, deadline).await?;
        let trade = NewTrade {
            key: self.caller.key.id,
            hook: self.caller.hook,
            login: self.caller.login(),
            permission: self.permission,
            session,
            deadline,
            request,
            seen_price: guards.seen_price,
            max_slippage_points: guards.max_slippage_points,
            allow_duplicate: guards.allow_duplicate,
            client_order_id: guards.client_order_id,
            parent: None,
            fingerprint: self.fingerprint,
        };
        let Some(claim) = self.claim.take() else { return Err(ApiError::internal(&"a trade was placed twice")) };
        let execution = self.state.trading.execute(&claim, trade).await?;
        drop(claim);
        self.answer(execution).await
    }

    /// Whether the caller may touch what the request touches. A raw one names tickets beside its symbol, and the ticket is what counts.
    ///
    /// # Errors
    /// 403; 404 and the terminal's for a ticket whose symbol cannot be told.
    async fn within_scope(&self, request: &TradeRequest, deadline: UnixMillis) -> ApiResult<()> {
        if self.caller.key.scope.symbols.is_none() {
            return Ok(());
        }
        if !request.symbol.is_empty() {
            self.caller.symbol(&request.symbol)?;
        }
        if !self.raw {
            return Ok(());
        }
        let relay = self.relay(deadline)?;
        for ticket in [request.position, request.position_by].into_iter().filter(|ticket| *ticket != 0) {
            position(&relay, &ticket.to_string()).await?;
        }
        if matches!(request.action, action::MODIFY | action::REMOVE) {
            order(&relay, &request.order.to_string()).await?;
        }
        Ok(())
    }

    async fn answer(&self, execution: Execution) -> ApiResult<Response> {
        let replayed = execution.replayed;
        // A hub that stops does not keep callers: what is open is taken up again, and found under the same key.
        let record = execution.wait(self.wait, &self.state.stopping).await;
        let mut response = outcome((&self.state, &self.caller), &record, self.raw)?;
        if replayed {
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}

/// What the terminal cannot do at all is told before anything is sent.
pub(super) fn possible(request: &TradeRequest, session: &SessionHandle) -> ApiResult<()> {
    if session.platform() == Platform::Mt4 && request.action == action::PENDING && request.kind >= ORDER_BUY_STOP_LIMIT {
        return Err(ApiError::unsupported("MetaTrader 4 has no stop limit orders; nothing was sent"));
    }
    if session.platform() == Platform::Mt4 && request.magic > MT4_MAGIC_MAX {
        return Err(ApiError::field("magic", format!("must be at most {MT4_MAGIC_MAX} for MetaTrader 4; nothing was sent")));
    }
    if request.action == action::CLOSE_BY && session.hello().margin_mode != MARGIN_MODE_HEDGING {
        return Err(ApiError::unsupported(
            "a netting account has one position a symbol, so there is none to close it by; nothing was sent",
        ));
    }
    Ok(())
}

/// The answer to a trading call: 200 done, 202 not known yet, and for friendly calls 422 when it was certainly not done.
pub(super) fn outcome((state, caller): (&ApiState, &Caller), record: &CommandRecord, raw: bool) -> ApiResult<Response> {
    let body = command_json(state, caller, record);
    let location = format!("/api/v1/commands/{}", record.id);
    let location = HeaderValue::from_str(&location).map_err(|error| ApiError::internal(&error))?;
    if !record.state.is_final() {
        return Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(body)).into_response());
    }
    if raw || record.state.is_done() {
        return Ok((StatusCode::OK, [(header::LOCATION, location)], Json(body)).into_response());
    }
    let code = match record.state {
        CommandState::BrokerRejected => "broker_rejected",
        CommandState::EaRefused => "ea_refused",
        CommandState::Expired => "expired",
        CommandState::Cancelled => "cancelled",
        _ => "not_executed",
    };
    let retcode = record.result.as_ref().map(|result| result.retcode);
    let name = retcode.and_then(names::retcode);
    let why = record.reason.as_deref().filter(|reason| !reason.is_empty()).or(name).unwrap_or(code);
    let mut error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, format!("it was not executed: {why}"))
        .with("retcode", json!(retcode))
        .with("retcode_name", json!(name))
        .with_header(header::LOCATION, location);
    if let Some(fields) = body.as_object() {
        for (field, value) in fields.iter().filter(|(field, _)| *field != "code") {
            error = error.with(field, value.clone());
        }
    }
    Ok(error.into_response())
}

/// `POST …/trade`: the 17 keys of MqlTradeRequest as they are, bare or under `request`.
#[utoipa::path(
    post,
    path = "/api/v1/terminals/{terminal}/trade",
    operation_id = "sendRawTrade",
    tag = "Trading",
    summary = "A trade in MetaTrader's own words",
    description = "The 17 keys of `MqlTradeRequest` as they are. Answers 200 whatever the broker says.",
    request_body = super::openapi::schemas::RawTrade,
    responses(
        (status = 200, description = "It has an outcome.", body = super::openapi::schemas::Command),
        (status = 202, description = "Nobody knows yet: ask `Location`, or again with the same key.", body = super::openapi::schemas::Command),
        (status = "4XX", description = "trade unsupported"),
    )
)]
pub(super) async fn raw(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let what = (Method::POST, "trade");
    let mut call = Call::new((state, caller), &terminal, what, (&headers, &body), Permission::TradeWrite).await?;
    call.raw = true;
    let (request, guards) = if body.value.get("request").is_some() {
        let (long, guards) = Guards::split::<RawBody>(&body)?;
        (long.request, guards)
    } else {
        (body.read::<TradeRequest>()?, Guards::default())
    };
    if let Some(answer) = call.replay().await? {
        return Ok(answer);
    }
    call.place(request, guards).await
}
