//! Changing and cancelling what stands: `PATCH` and `DELETE …/orders/{ticket}`, `PATCH …/positions/{ticket}`.
//!
//! MetaTrader replaces all values at once, so those that are left out are read from the terminal first. When that fails nothing is sent.

use axum::{
    extract::State,
    http::{HeaderMap, Method},
    response::Response,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Moment, Path, nullable},
    guards::Guards,
    orders::order,
    placing::{TimeInForce, broker_second, expiry_problem},
    positions::position,
    trade::Call,
};
use crate::{
    domain::{
        UnixMillis,
        api_key::Permission,
        trade::{FieldError, ORDER_BUY_STOP_LIMIT, Order, TIME_GTC, TIME_SPECIFIED, TradeRequest, action},
    },
    market::broker_time::BrokerClock,
};

/// Each member: left out it stays as it is; null clears it, where it can be cleared.
#[derive(Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct OrderChange {
    /// New price.
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, nullable = false, exclusive_minimum = 0.0)]
    price: Option<Option<f64>>,
    /// New price of a stop limit's limit order.
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, nullable = false, exclusive_minimum = 0.0)]
    stop_limit_price: Option<Option<f64>>,
    /// New stop loss; null clears it.
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, minimum = 0.0)]
    sl: Option<Option<f64>>,
    /// New take profit; null clears it.
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, minimum = 0.0)]
    tp: Option<Option<f64>>,
    /// How long it stands.
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<TimeInForce>, nullable = false)]
    time_in_force: Option<Option<TimeInForce>>,
    /// Its end; null makes it `gtc`.
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<Moment>)]
    expires_at: Option<Option<Moment>>,
}

/// `PATCH …/orders/{ticket}`
#[utoipa::path(
    patch,
    path = "/api/v1/terminals/{terminal}/orders/{ticket}",
    operation_id = "modifyOrder",
    tag = "Trading",
    summary = "Change a pending order",
    description = "What is left out stays as it is; null clears `sl`, `tp` and `expires_at`.",
    request_body = OrderChange,
    responses(
        (status = 200, description = "It has an outcome.", body = super::openapi::schemas::Command),
        (status = 202, description = "Nobody knows yet: ask `Location`, or again with the same key.", body = super::openapi::schemas::Command),
        (status = "4XX", description = "trade order_not_found not_found"),
    )
)]
pub(super) async fn modify_order(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, ticket)): Path<(String, String)>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let path = format!("orders/{ticket}");
    let what = (Method::PATCH, path.as_str());
    let mut call = Call::new((state, caller), &terminal, what, (&headers, &body), Permission::TradeWrite).await?;
    let (change, guards) = Guards::split::<OrderChange>(&body)?;
    if let Some(answer) = call.replay().await? {
        return Ok(answer);
    }
    if change == OrderChange::default() {
        let detail = "nothing to change: give price, stop_limit_price, sl, tp, time_in_force or expires_at";
        return Err(ApiError::field("body", detail));
    }
    let relay = call.relay(call.deadline(&guards, action::MODIFY)?)?;
    let order = order(&relay, &ticket).await?;
    let request = change.apply(order, relay.clock, call.state.clock.wall()).map_err(|problems| ApiError::fields(&problems))?;
    call.place(request, guards).await
}

impl OrderChange {
    fn apply(self, order: Order, clock: BrokerClock, now: UnixMillis) -> Result<TradeRequest, Vec<FieldError>> {
        let mut problems = Vec::new();
        let mut wrong = |field, detail: &str| problems.push(FieldError { field, detail: detail.to_owned() });
        for (field, cleared) in [
            ("price", self.price == Some(None)),
            ("stop_limit_price", self.stop_limit_price == Some(None)),
            ("time_in_force", self.time_in_force == Some(None)),
        ] {
            if cleared {
                wrong(field, "cannot be cleared; leave it out to keep it");
            }
        }
        let stop_limit = matches!(order.kind, ORDER_BUY_STOP_LIMIT..=7);
        if !stop_limit && self.stop_limit_price.is_some() {
            wrong("stop_limit_price", "belongs to stop_limit orders, and this is none");
        }
        let (type_time, expiration) = match self.expiry(&order, clock, now) {
            Ok(expiry) => expiry,
            Err(problem) => {
                problems.push(problem);
                return Err(problems);
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(TradeRequest {
            action: action::MODIFY,
            order: order.ticket,
            symbol: order.symbol,
            price: self.price.flatten().unwrap_or(order.price_open),
            stoplimit: self.stop_limit_price.flatten().unwrap_or(order.price_stoplimit),
            sl: kept(self.sl, order.sl),
            tp: kept(self.tp, order.tp),
            kind: order.kind,
            type_filling: order.type_filling,
            type_time,
            expiration,
            ..TradeRequest::default()
        })
    }

    /// `ORDER_TIME_*` and the broker's second of its end.
    fn expiry(&self, order: &Order, clock: BrokerClock, now: UnixMillis) -> Result<(u8, i64), FieldError> {
        let at = self.expires_at.flatten();
        let Some(time) = self.time_in_force.flatten() else {
            return Ok(match self.expires_at {
                None => (order.type_time, order.time_expiration),
                Some(None) => (TIME_GTC, 0),
                // An order that ends with a day goes on to do so.
                Some(Some(at)) => match expiry_problem(Some(TimeInForce::Gtd), Some(at), now) {
                    Some(problem) => return Err(problem),
                    None => (order.type_time.max(TIME_SPECIFIED), broker_second(clock, at)),
                },
            });
        };
        let keeps = time == TimeInForce::Gtd && self.expires_at.is_none() && order.time_expiration != 0;
        if keeps {
            return Ok((time.number(), order.time_expiration));
        }
        match expiry_problem(Some(time), at, now) {
            Some(problem) => Err(problem),
            None => Ok((time.number(), at.map_or(0, |at| broker_second(clock, at)))),
        }
    }
}

fn kept(change: Option<Option<f64>>, now: f64) -> f64 {
    change.map_or(now, |new| new.unwrap_or(0.0))
}

/// A body of guards alone.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CancelOrder)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `DELETE …/orders/{ticket}`
#[utoipa::path(
    delete,
    path = "/api/v1/terminals/{terminal}/orders/{ticket}",
    operation_id = "cancelOrder",
    tag = "Trading",
    summary = "Cancel a pending order",
    description = "",
    request_body = Nothing,
    responses(
        (status = 200, description = "It has an outcome.", body = super::openapi::schemas::Command),
        (status = 202, description = "Nobody knows yet: ask `Location`, or again with the same key.", body = super::openapi::schemas::Command),
        (status = "4XX", description = "trade bodiless order_not_found not_found"),
    )
)]
pub(super) async fn cancel_order(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, ticket)): Path<(String, String)>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let path = format!("orders/{ticket}");
    let what = (Method::DELETE, path.as_str());
    let mut call = Call::new((state, caller), &terminal, what, (&headers, &body), Permission::TradeReduce).await?;
    let (Nothing {}, guards) = Guards::split(&body)?;
    if let Some(answer) = call.replay().await? {
        return Ok(answer);
    }
    let relay = call.relay(call.deadline(&guards, action::REMOVE)?)?;
    let order = order(&relay, &ticket).await?;
    let request = TradeRequest { action: action::REMOVE, order: order.ticket, symbol: order.symbol, ..TradeRequest::default() };
    call.place(request, guards).await
}

#[derive(Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct PositionChange {
    /// New stop loss; null clears it, left out it stays.
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, minimum = 0.0)]
    sl: Option<Option<f64>>,
    /// New take profit; null clears it, left out it stays.
    #[serde(deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, minimum = 0.0)]
    tp: Option<Option<f64>>,
}

/// `PATCH …/positions/{ticket}`
#[utoipa::path(
    patch,
    path = "/api/v1/terminals/{terminal}/positions/{ticket}",
    operation_id = "modifyPosition",
    tag = "Trading",
    summary = "Change a position's stops",
    description = "What is left out stays as it is; null clears.",
    request_body = PositionChange,
    responses(
        (status = 200, description = "It has an outcome.", body = super::openapi::schemas::Command),
        (status = 202, description = "Nobody knows yet: ask `Location`, or again with the same key.", body = super::openapi::schemas::Command),
        (status = "4XX", description = "trade position_not_found not_found"),
    )
)]
pub(super) async fn modify_position(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, ticket)): Path<(String, String)>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let path = format!("positions/{ticket}");
    let what = (Method::PATCH, path.as_str());
    let mut call = Call::new((state, caller), &terminal, what, (&headers, &body), Permission::TradeWrite).await?;
    let (change, guards) = Guards::split::<PositionChange>(&body)?;
    if let Some(answer) = call.replay().await? {
        return Ok(answer);
    }
    if change == PositionChange::default() {
        return Err(ApiError::field("body", "nothing to change: give sl or tp; null clears"));
    }
    let relay = call.relay(call.deadline(&guards, action::SLTP)?)?;
    let open = position(&relay, &ticket).await?;
    let request = TradeRequest {
        action: action::SLTP,
        position: open.ticket,
        symbol: open.symbol,
        sl: kept(change.sl, open.sl),
        tp: kept(change.tp, open.tp),
        ..TradeRequest::default()
    };
    call.place(request, guards).await
}
