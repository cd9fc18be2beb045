//! What a trade would cost and bring, by the terminal's own arithmetic (`OrderCalcMargin`, `OrderCalcProfit`). Nothing reaches the broker.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path},
    placing::Side,
    relay::Relay,
};
use crate::{
    domain::trade::FieldError,
    protocol::message::{Amount, CalcMargin, CalcProfit},
};

/// Of volumes and prices: products of them stay numbers.
const AMOUNT_MAX: f64 = 1e12;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = MarginQuestion)]
#[serde(deny_unknown_fields)]
struct MarginBody {
    /// The broker's own name.
    #[schema(example = "EURUSD")]
    symbol: String,
    /// `buy` or `sell`.
    side: Side,
    /// Lots.
    #[schema(exclusive_minimum = 0.0, maximum = 1e12, example = 0.1)]
    volume: f64,
    /// The present one if left out.
    #[schema(exclusive_minimum = 0.0, maximum = 1e12)]
    price: Option<f64>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ProfitQuestion)]
#[serde(deny_unknown_fields)]
struct ProfitBody {
    /// The broker's own name.
    #[schema(example = "EURUSD")]
    symbol: String,
    /// `buy` or `sell`.
    side: Side,
    /// Lots.
    #[schema(exclusive_minimum = 0.0, maximum = 1e12, example = 0.1)]
    volume: f64,
    /// Price at which it is opened.
    #[schema(exclusive_minimum = 0.0, maximum = 1e12, example = 1.09)]
    price_open: f64,
    /// Price at which it is closed.
    #[schema(exclusive_minimum = 0.0, maximum = 1e12, example = 1.095)]
    price_close: f64,
}

/// `POST …/calc/margin`: at `price`, or at the current one.
#[utoipa::path(
    post,
    path = "/api/v1/terminals/{terminal}/calc/margin",
    operation_id = "calculateMargin",
    tag = "Trading",
    summary = "What a trade would cost",
    description = "By the terminal's own arithmetic; nothing reaches the broker.",
    request_body = MarginBody,
    responses(
        (status = 200, description = "The margin.", body = super::openapi::schemas::Margin),
        (status = "4XX", description = "body relay symbol_not_found unsupported"),
    )
)]
pub(super) async fn margin(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let MarginBody { symbol, side, volume, price } = body.read()?;
    positive(&[("volume", Some(volume)), ("price", price)])?;
    let relay = Relay::open(&state, &caller, &terminal)?;
    caller.symbol(&symbol)?;
    let ask = |call| CalcMargin { call, kind: side.kind(), symbol, volume, price: price.unwrap_or(0.0) }.into();
    let margin: Amount = relay.record(ask).await?;
    Ok(Json(json!({"margin": margin.value, "currency": relay.session.hello().currency})))
}

/// `POST …/calc/profit`
#[utoipa::path(
    post,
    path = "/api/v1/terminals/{terminal}/calc/profit",
    operation_id = "calculateProfit",
    tag = "Trading",
    summary = "What a trade would bring",
    description = "By the terminal's own arithmetic; nothing reaches the broker.",
    request_body = ProfitBody,
    responses(
        (status = 200, description = "The profit.", body = super::openapi::schemas::Profit),
        (status = "4XX", description = "body relay symbol_not_found unsupported"),
    )
)]
pub(super) async fn profit(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let ProfitBody { symbol, side, volume, price_open, price_close } = body.read()?;
    positive(&[("volume", Some(volume)), ("price_open", Some(price_open)), ("price_close", Some(price_close))])?;
    let relay = Relay::open(&state, &caller, &terminal)?;
    caller.symbol(&symbol)?;
    let ask = |call| CalcProfit { call, kind: side.kind(), symbol, volume, price_open, price_close }.into();
    let profit: Amount = relay.record(ask).await?;
    Ok(Json(json!({"profit": profit.value, "currency": relay.session.hello().currency})))
}

fn positive(numbers: &[(&'static str, Option<f64>)]) -> ApiResult<()> {
    let wrong = numbers.iter().filter(|(_, number)| number.is_some_and(|number| !(number > 0.0 && number <= AMOUNT_MAX)));
    let problems: Vec<_> =
        wrong.map(|(field, _)| FieldError { field, detail: "must be a number above zero, at most 10^12".to_owned() }).collect();
    if problems.is_empty() { Ok(()) } else { Err(ApiError::fields(&problems)) }
}
