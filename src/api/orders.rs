//! Pending orders.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::Value;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{Params, Path},
    json::{Names, named, with_utc},
    positions::{OPEN_MAX, OpenQuery},
    relay::Relay,
};
use crate::{
    domain::{names, trade::Order},
    market::broker_time::BrokerClock,
    protocol::message::GetOrders,
};

const NAMES: [Names; 5] = [
    ("type", names::order_type),
    ("type_time", names::order_time),
    ("type_filling", names::order_filling),
    ("state", names::order_state),
    ("reason", names::order_reason),
];

/// `GET …/orders?symbol=&group=&magic=`
pub(super) async fn list_orders(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(query): Params<OpenQuery>,
) -> ApiResult<Json<Value>> {
    let relay = Relay::open(&state, &caller, &terminal)?;
    query.judge(&relay)?;
    let orders = orders(&relay, &query.symbol, 0).await?;
    let kept = orders.iter().filter(|order| relay.allows(&order.symbol) && query.keeps(&order.symbol, order.magic));
    Ok(Json(relay.list(kept.map(|order| order_json(order, relay.clock)))))
}

/// `GET …/orders/{ticket}`
pub(super) async fn get_order(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, ticket)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let relay = Relay::open(&state, &caller, &terminal)?;
    Ok(Json(order_json(&order(&relay, &ticket).await?, relay.clock)))
}

/// Asks the terminal for one pending order. Of which symbol it is only the terminal knows, so whether the caller may touch it is judged here.
///
/// # Errors
/// 403, 404, those of [`Relay::rows`].
pub(super) async fn order(relay: &Relay, text: &str) -> ApiResult<Order> {
    let ticket: u64 = text.parse().map_err(|_| ApiError::not_found("an order's ticket is a number"))?;
    let found = if ticket == 0 { Vec::new() } else { orders(relay, "", ticket).await? };
    let found = found.into_iter().find(|order| order.ticket == ticket).ok_or_else(|| {
        let detail =
            format!("no pending order has the ticket {ticket}: it was filled, cancelled or expired; look in …/history/orders");
        ApiError::new(StatusCode::NOT_FOUND, "order_not_found", detail)
    })?;
    relay.caller.symbol(&found.symbol)?;
    Ok(found)
}

pub(super) async fn orders(relay: &Relay, symbol: &str, ticket: u64) -> ApiResult<Vec<Order>> {
    relay.rows(OPEN_MAX, |call| GetOrders { call, symbol: symbol.to_owned(), ticket }.into()).await
}

/// An order, pending or of the past.
pub(super) fn order_json(order: &Order, clock: BrokerClock) -> Value {
    let mut object = named(order, &NAMES);
    for time in ["time_setup", "time_done", "time_expiration"] {
        with_utc(&mut object, time, clock);
    }
    Value::Object(object)
}
