//! Calls that can trade: `POST …/orders`, `POST …/positions/{ticket}/close`, raw `POST …/trade`.
//!
//! All three end in `Call::place`; none of them ever sends anything twice.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    ApiState,
    account::position,
    auth::Caller,
    commands::command_json,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path, idempotency_key, number_or_text, preferred_wait},
    json::parse_time,
    market_data::spec,
    resolve::{self, Purpose, Target},
};
use crate::{
    domain::{
        api_key::Permission,
        command::{CommandRecord, CommandState},
        names,
        trade::{FILLING_BOC, FILLING_FOK, FILLING_IOC, FILLING_RETURN, FieldError, ORDER_BUY, ORDER_SELL, TradeRequest, action},
    },
    trading::{Claim, Execution, NewTrade},
};

/// Longest life a caller may give a command.
const TTL_MAX_MS: u64 = 60_000;

/// The fields that every trading call shares.
#[derive(Debug, Default, Deserialize)]
struct Guards {
    client_order_id: Option<String>,
    ttl_ms: Option<u64>,
    not_after: Option<String>,
    seen_price: Option<f64>,
    max_slippage_points: Option<u32>,
    #[serde(default)]
    allow_duplicate: bool,
}

/// `POST …/orders`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    symbol: String,
    side: Side,
    #[serde(rename = "type")]
    kind: OrderKind,
    volume: f64,
    #[serde(default)]
    sl: Option<f64>,
    #[serde(default)]
    tp: Option<f64>,
    #[serde(default)]
    deviation: Option<u64>,
    #[serde(default)]
    filling: Filling,
    #[serde(default, deserialize_with = "number_or_text")]
    magic: Option<u64>,
    #[serde(default)]
    comment: String,
    client_order_id: Option<String>,
    ttl_ms: Option<u64>,
    not_after: Option<String>,
    seen_price: Option<f64>,
    max_slippage_points: Option<u32>,
    #[serde(default)]
    allow_duplicate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Buy,
    Sell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderKind {
    Market,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Filling {
    #[default]
    Auto,
    Fok,
    Ioc,
    Return,
    Boc,
}

/// `POST …/positions/{ticket}/close`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CloseBody {
    volume: Option<f64>,
    deviation: Option<u64>,
    filling: Filling,
    comment: String,
    client_order_id: Option<String>,
    ttl_ms: Option<u64>,
    not_after: Option<String>,
    seen_price: Option<f64>,
    max_slippage_points: Option<u32>,
    #[serde(default)]
    allow_duplicate: bool,
}

/// `POST …/trade`, the long form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBody {
    request: TradeRequest,
    client_order_id: Option<String>,
    ttl_ms: Option<u64>,
    not_after: Option<String>,
    seen_price: Option<f64>,
    max_slippage_points: Option<u32>,
    #[serde(default)]
    allow_duplicate: bool,
}

macro_rules! guards {
    ($body:expr) => {
        Guards {
            client_order_id: $body.client_order_id.take(),
            ttl_ms: $body.ttl_ms,
            not_after: $body.not_after.take(),
            seen_price: $body.seen_price,
            max_slippage_points: $body.max_slippage_points,
            allow_duplicate: $body.allow_duplicate,
        }
    };
}

/// A trading call before its body is understood: enough to find what its key made earlier.
struct Call {
    state: ApiState,
    caller: Caller,
    target: Target,
    /// Held until the command is recorded, so that a duplicate finds it.
    claim: Option<Claim>,
    fingerprint: [u8; 32],
    wait: Duration,
    permission: Permission,
    /// Raw calls answer 200 whatever the retcode.
    raw: bool,
}

impl Call {
    async fn new(
        (state, caller): (ApiState, Caller),
        terminal: &str,
        (what, headers, body): (&str, &HeaderMap, &JsonBody),
        permission: Permission,
    ) -> ApiResult<Self> {
        let key = idempotency_key(headers)?;
        let target = resolve::terminal(&state, &caller, terminal, Purpose::Trade)?;
        // The account and not the path: 1001, 1001@Server and the token's id are the same order.
        let fingerprint = body.fingerprint(&format!("POST {}/{what}", target.account));
        let claim = state.trading.claim(target.token.owner, &target.account, &key).await;
        Ok(Self { state, caller, target, claim: Some(claim), fingerprint, wait: preferred_wait(headers), permission, raw: false })
    }

    /// What the key made when it was used before: the same command in its present state, with or without a terminal.
    async fn replay(&mut self) -> ApiResult<Option<Response>> {
        let Some(claim) = &self.claim else { return Ok(None) };
        let Some(execution) = self.state.trading.replayed(claim, &self.fingerprint).await? else { return Ok(None) };
        // The next duplicate need not wait until this one has its answer.
        self.claim = None;
        self.answer(execution).await.map(Some)
    }

    /// Makes the command and waits for its outcome as long as the caller wants to.
    async fn place(mut self, request: TradeRequest, guards: Guards) -> ApiResult<Response> {
        let session = self.target.live()?.clone();
        let mut problems = request.problems();
        check_guards(&guards, &mut problems);
        if !problems.is_empty() {
            return Err(ApiError::fields(&problems));
        }
        let ttl = self.ttl(&guards, request.action)?;
        let trade = NewTrade {
            key: self.caller.key.id,
            permission: self.permission,
            session,
            request,
            ttl,
            seen_price: guards.seen_price,
            max_slippage_points: guards.max_slippage_points,
            client_order_id: guards.client_order_id,
            fingerprint: self.fingerprint,
            allow_duplicate: guards.allow_duplicate,
        };
        let Some(claim) = self.claim.take() else { return Err(ApiError::internal(&"a trade was placed twice")) };
        let execution = self.state.trading.execute(&claim, trade).await?;
        drop(claim);
        self.answer(execution).await
    }

    fn ttl(&self, guards: &Guards, action: u8) -> ApiResult<Duration> {
        match (guards.ttl_ms, &guards.not_after) {
            (Some(_), Some(_)) => Err(ApiError::field("not_after", "cannot stand beside ttl_ms")),
            (Some(ms), None) if (1..=TTL_MAX_MS).contains(&ms) => Ok(Duration::from_millis(ms)),
            (Some(_), None) => Err(ApiError::field("ttl_ms", "must be 1 to 60000")),
            (None, Some(text)) => {
                let at = parse_time(text).ok_or_else(|| ApiError::field("not_after", "must be RFC 3339"))?;
                let left = u64::try_from(at.since(self.state.clock.wall())).ok().filter(|left| (1..=TTL_MAX_MS).contains(left));
                left.map(Duration::from_millis)
                    .ok_or_else(|| ApiError::field("not_after", "must be within the next 60 seconds; nothing was sent"))
            }
            (None, None) if action == action::DEAL => Ok(self.state.market_ttl),
            (None, None) => Ok(self.state.pending_ttl),
        }
    }

    async fn answer(&self, execution: Execution) -> ApiResult<Response> {
        let replayed = execution.replayed;
        // A hub that stops does not keep callers: what is open is taken up again, and found under the same key.
        let record = execution.wait(self.wait, &self.state.stopping).await;
        let mut response = outcome(&record, self.raw)?;
        if replayed {
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}

/// The answer to a trading call: 200 done, 202 not known yet, and for friendly calls 422 when it was certainly not done.
pub(super) fn outcome(record: &CommandRecord, raw: bool) -> ApiResult<Response> {
    let body = command_json(record);
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

fn check_guards(guards: &Guards, problems: &mut Vec<FieldError>) {
    let mut wrong = |field, detail: &str| problems.push(FieldError { field, detail: detail.to_owned() });
    if guards.seen_price.is_some_and(|price| !price.is_finite() || price <= 0.0) {
        wrong("seen_price", "must be a price above zero");
    }
    if guards.max_slippage_points.is_some() && guards.seen_price.is_none() {
        wrong("seen_price", "is required with max_slippage_points");
    }
    if guards.client_order_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 36 || id.chars().any(char::is_control)) {
        wrong("client_order_id", "must be 1 to 36 printable characters");
    }
}

/// `POST …/orders`
pub(super) async fn order(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let mut call = Call::new((state, caller), &terminal, ("orders", &headers, &body), Permission::TradeWrite).await?;
    let mut order: OrderBody = body.read()?;
    if let Some(answer) = call.replay().await? {
        return Ok(answer);
    }
    let OrderKind::Market = order.kind;
    let request = TradeRequest {
        action: action::DEAL,
        magic: order.magic.unwrap_or(0),
        symbol: std::mem::take(&mut order.symbol),
        volume: order.volume,
        sl: order.sl.unwrap_or(0.0),
        tp: order.tp.unwrap_or(0.0),
        deviation: order.deviation.unwrap_or(10),
        kind: if order.side == Side::Buy { ORDER_BUY } else { ORDER_SELL },
        comment: std::mem::take(&mut order.comment),
        ..TradeRequest::default()
    };
    // What is wrong whatever the terminal says is told before the terminal is asked anything.
    let problems = request.problems();
    if !problems.is_empty() {
        return Err(ApiError::fields(&problems));
    }
    let type_filling = filling(&call, order.filling, &request.symbol).await?;
    call.place(TradeRequest { type_filling, ..request }, guards!(order)).await
}

/// `POST …/positions/{ticket}/close`
pub(super) async fn close(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, ticket)): Path<(String, String)>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let what = format!("positions/{ticket}/close");
    let mut call = Call::new((state, caller), &terminal, (&what, &headers, &body), Permission::TradeReduce).await?;
    let mut close: CloseBody = body.read()?;
    if let Some(answer) = call.replay().await? {
        return Ok(answer);
    }
    let open = position(&call.state, call.target.live()?, &ticket).await?;
    if close.volume.is_some_and(|volume| volume > open.volume) {
        return Err(ApiError::field("volume", format!("must be at most {}, the position's volume", open.volume)));
    }
    let request = TradeRequest {
        action: action::DEAL,
        position: open.ticket,
        symbol: open.symbol,
        volume: close.volume.unwrap_or(open.volume),
        deviation: close.deviation.unwrap_or(10),
        kind: if open.kind == ORDER_BUY { ORDER_SELL } else { ORDER_BUY },
        comment: std::mem::take(&mut close.comment),
        ..TradeRequest::default()
    };
    let type_filling = filling(&call, close.filling, &request.symbol).await?;
    call.place(TradeRequest { type_filling, ..request }, guards!(close)).await
}

/// `POST …/trade`: the 17 keys of MqlTradeRequest as they are, bare or under `request`.
pub(super) async fn raw(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let mut call = Call::new((state, caller), &terminal, ("trade", &headers, &body), Permission::TradeWrite).await?;
    call.raw = true;
    let (request, guards) = if body.value.get("request").is_some() {
        let mut long: RawBody = body.read()?;
        (std::mem::take(&mut long.request), guards!(long))
    } else {
        (body.read::<TradeRequest>()?, Guards::default())
    };
    if let Some(answer) = call.replay().await? {
        return Ok(answer);
    }
    call.place(request, guards).await
}

/// The commonest real failure is a filling mode that the broker does not take (10030): `auto` picks one that it does.
async fn filling(call: &Call, wanted: Filling, symbol: &str) -> ApiResult<u8> {
    /// `SYMBOL_FILLING_FOK` and `SYMBOL_FILLING_IOC`: a bit mask, unlike the order's enum.
    const FOK: u8 = 1;
    const IOC: u8 = 2;
    Ok(match wanted {
        Filling::Fok => FILLING_FOK,
        Filling::Ioc => FILLING_IOC,
        Filling::Return => FILLING_RETURN,
        Filling::Boc => FILLING_BOC,
        Filling::Auto => {
            let session = call.target.live()?;
            let modes = match call.state.fillings.get(session, symbol) {
                Some(modes) => modes,
                None => {
                    let modes = spec(&call.state, session, symbol).await?.filling_mode;
                    call.state.fillings.put(session, symbol, modes);
                    modes
                }
            };
            if modes & FOK != 0 {
                FILLING_FOK
            } else if modes & IOC != 0 {
                FILLING_IOC
            } else {
                FILLING_RETURN
            }
        }
    })
}
