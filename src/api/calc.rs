//! What a trade would cost and bring, by the terminal's own arithmetic (`OrderCalcMargin`, `OrderCalcProfit`). Nothing reaches the broker.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarginBody {
    symbol: String,
    side: Side,
    volume: f64,
    price: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfitBody {
    symbol: String,
    side: Side,
    volume: f64,
    price_open: f64,
    price_close: f64,
}

/// `POST …/calc/margin`: at `price`, or at the current one.
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
    let wrong = numbers.iter().filter(|(_, number)| number.is_some_and(|number| !number.is_finite() || number <= 0.0));
    let problems: Vec<_> =
        wrong.map(|(field, _)| FieldError { field, detail: "must be a number above zero".to_owned() }).collect();
    if problems.is_empty() { Ok(()) } else { Err(ApiError::fields(&problems)) }
}
