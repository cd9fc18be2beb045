//! `POST …/positions/{ticket}/close`: all of a position, a part of it, or against an opposite one.

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
    extract::{JsonBody, Path, number_or_text},
    filling::{Filling, filling},
    guards::Guards,
    placing::DEVIATION,
    positions::position,
    relay::Relay,
    trade::{Call, possible},
};
use crate::domain::{
    api_key::Permission,
    trade::{FieldError, ORDER_BUY, ORDER_SELL, Position, TradeRequest, action},
};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = ClosePosition)]
#[serde(default, deny_unknown_fields)]
struct CloseBody {
    /// Lots; all of it if left out.
    #[schema(exclusive_minimum = 0.0)]
    volume: Option<f64>,
    /// The ticket of a position of the same symbol in the other direction: both are closed as far as they offset each other.
    #[serde(deserialize_with = "number_or_text")]
    #[schema(value_type = Option<super::openapi::schemas::NumberOrText>)]
    by: Option<u64>,
    /// Points that the price may slip. 10 if left out.
    deviation: Option<u64>,
    /// `auto` takes what the symbol offers.
    filling: Option<Filling>,
    /// Shown at the broker behind the hub's mark.
    #[schema(max_length = 31)]
    comment: String,
}

/// `POST …/positions/{ticket}/close`
#[utoipa::path(
    post,
    path = "/api/v1/terminals/{terminal}/positions/{ticket}/close",
    operation_id = "closePosition",
    tag = "Trading",
    summary = "Close a position",
    description = "All of it, a part, or against an opposite one.",
    request_body = CloseBody,
    responses(
        (status = 200, description = "It has an outcome.", body = super::openapi::schemas::Command),
        (status = 202, description = "Nobody knows yet: ask `Location`, or again with the same key.", body = super::openapi::schemas::Command),
        (status = "4XX", description = "trade bodiless position_not_found not_found unsupported"),
    )
)]
pub(super) async fn close(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, ticket)): Path<(String, String)>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let path = format!("positions/{ticket}/close");
    let what = (Method::POST, path.as_str());
    let mut call = Call::new((state, caller), &terminal, what, (&headers, &body), Permission::TradeReduce).await?;
    let (close, guards) = Guards::split::<CloseBody>(&body)?;
    if let Some(answer) = call.replay().await? {
        return Ok(answer);
    }
    let action = if close.by.is_some() { action::CLOSE_BY } else { action::DEAL };
    let relay = call.relay(call.deadline(&guards, action)?)?;
    let open = position(&relay, &ticket).await?;
    let request = match close.by {
        Some(by) => close_by(&relay, close, open, by).await?,
        None => {
            if close.volume.is_some_and(|volume| volume > open.volume) {
                return Err(ApiError::field("volume", format!("must be at most {}, the position's volume", open.volume)));
            }
            let wanted = close.filling.unwrap_or_default();
            let volume = close.volume.unwrap_or(open.volume);
            let request = closing(open, volume, close.deviation, close.comment);
            let type_filling = filling(&call.state, &relay, wanted, &request).await?;
            TradeRequest { type_filling, ..request }
        }
    };
    call.place(request, guards).await
}

/// The opposite order that closes so much of a position.
pub(super) fn closing(open: Position, volume: f64, deviation: Option<u64>, comment: String) -> TradeRequest {
    TradeRequest {
        action: action::DEAL,
        position: open.ticket,
        symbol: open.symbol,
        volume,
        deviation: deviation.unwrap_or(DEVIATION),
        kind: if open.kind == ORDER_BUY { ORDER_SELL } else { ORDER_BUY },
        comment,
        ..TradeRequest::default()
    }
}

async fn close_by(relay: &Relay, close: CloseBody, open: Position, by: u64) -> ApiResult<TradeRequest> {
    let request = TradeRequest {
        action: action::CLOSE_BY,
        position: open.ticket,
        position_by: by,
        symbol: open.symbol,
        comment: close.comment,
        ..TradeRequest::default()
    };
    possible(&request, &relay.session)?;
    let given =
        [("volume", close.volume.is_some()), ("deviation", close.deviation.is_some()), ("filling", close.filling.is_some())];
    let problem =
        |field| FieldError { field, detail: "has no meaning beside by, which closes what both positions have".to_owned() };
    let problems: Vec<_> = given.iter().filter(|(_, given)| *given).map(|(field, _)| problem(*field)).collect();
    if !problems.is_empty() {
        return Err(ApiError::fields(&problems));
    }
    let other = position(relay, &by.to_string()).await?;
    if other.symbol != request.symbol || other.kind == open.kind {
        let detail = format!("must be a position of {} in the other direction", request.symbol);
        return Err(ApiError::field("by", detail));
    }
    Ok(request)
}
