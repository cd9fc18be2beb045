//! `POST …/orders` and `POST …/orders/check`: orders in a bot's words, turned into MetaTrader's.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Moment, Path, number_or_text},
    filling::{Filling, filling},
    guards::Guards,
    json::named,
    relay::Relay,
    trade::Call,
};
use crate::{
    domain::{
        UnixMillis,
        api_key::Permission,
        names,
        trade::{
            FieldError, ORDER_BUY, ORDER_BUY_LIMIT, ORDER_BUY_STOP, ORDER_BUY_STOP_LIMIT, ORDER_SELL, OrderCheck, TIME_DAY,
            TIME_GTC, TIME_SPECIFIED, TradeRequest, action,
        },
    },
    market::broker_time::BrokerClock,
    protocol::{codec::Row, message::CheckOrder},
};

/// Points that a market order may slip where nothing else is said.
pub(super) const DEVIATION: u64 = 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    symbol: String,
    side: Side,
    #[serde(rename = "type")]
    kind: OrderKind,
    volume: f64,
    price: Option<f64>,
    stop_limit_price: Option<f64>,
    sl: Option<f64>,
    tp: Option<f64>,
    deviation: Option<u64>,
    time_in_force: Option<TimeInForce>,
    expires_at: Option<Moment>,
    #[serde(default)]
    filling: Filling,
    #[serde(default, deserialize_with = "number_or_text")]
    magic: Option<u64>,
    #[serde(default)]
    comment: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Side {
    Buy,
    Sell,
}

impl Side {
    /// `ORDER_TYPE_BUY` or `ORDER_TYPE_SELL`.
    pub(super) const fn kind(self) -> u8 {
        match self {
            Self::Buy => ORDER_BUY,
            Self::Sell => ORDER_SELL,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OrderKind {
    Market,
    Limit,
    Stop,
    StopLimit,
}

/// How long a pending order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TimeInForce {
    Gtc,
    Day,
    Gtd,
}

impl TimeInForce {
    /// `ORDER_TIME_*`.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Gtc => TIME_GTC,
            Self::Day => TIME_DAY,
            Self::Gtd => TIME_SPECIFIED,
        }
    }
}

/// `POST …/orders`
pub(super) async fn place(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    headers: HeaderMap,
    body: JsonBody,
) -> ApiResult<Response> {
    let what = (Method::POST, "orders");
    let mut call = Call::new((state, caller), &terminal, what, (&headers, &body), Permission::TradeWrite).await?;
    let (order, guards) = Guards::split::<OrderBody>(&body)?;
    if let Some(answer) = call.replay().await? {
        return Ok(answer);
    }
    let relay = call.relay(call.deadline(&guards, order.action())?)?;
    let request = order.request(&call.state, &relay, &guards).await?;
    call.place(request, guards).await
}

/// `POST …/orders/check`: what the terminal expects of the same order (`OrderCheck`). Nothing reaches the broker.
pub(super) async fn check(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let (order, guards) = Guards::split::<OrderBody>(&body)?;
    let relay = Relay::open(&state, &caller, &terminal)?;
    let request = order.request(&state, &relay, &guards).await?;
    super::trade::possible(&request, &relay.session)?;
    let check: OrderCheck = relay.record(|call| CheckOrder { call, request: Row(request.clone()) }.into()).await?;
    let mut object = named(&check, &[]);
    object.insert("ok".to_owned(), json!(check.retcode == 0));
    object.insert("retcode_name".to_owned(), json!(names::retcode(check.retcode)));
    object.insert("request".to_owned(), super::commands::request_json(&request));
    Ok(Json(Value::Object(object)))
}

impl OrderBody {
    /// `TRADE_ACTION_*`.
    fn action(&self) -> u8 {
        if self.kind == OrderKind::Market { action::DEAL } else { action::PENDING }
    }

    /// What goes to the broker. What is wrong whatever the terminal says is told before the terminal is asked anything.
    async fn request(self, state: &ApiState, relay: &Relay, guards: &Guards) -> ApiResult<TradeRequest> {
        relay.caller.symbol(&self.symbol)?;
        let mut problems = self.problems(state.clock.wall());
        let wanted = self.filling;
        let request = self.into_request(relay.clock);
        problems.extend(request.problems().into_iter().map(in_a_bots_words));
        problems.extend(guards.problems(request.action));
        if !problems.is_empty() {
            return Err(ApiError::fields(&problems));
        }
        let type_filling = filling(state, relay, wanted, &request).await?;
        Ok(TradeRequest { type_filling, ..request })
    }

    /// Members that lack or have no effect: whoever writes them expects one.
    fn problems(&self, now: UnixMillis) -> Vec<FieldError> {
        let mut found = Vec::new();
        let mut wrong = |field, detail: &str| found.push(FieldError { field, detail: detail.to_owned() });
        let market = self.kind == OrderKind::Market;
        if market && self.price.is_some() {
            wrong(
                "price",
                "belongs to limit, stop and stop_limit orders; guard a market order by seen_price and max_slippage_points",
            );
        }
        if !market && self.price.is_none() {
            wrong("price", "is required for limit, stop and stop_limit orders");
        }
        match (self.kind == OrderKind::StopLimit, self.stop_limit_price) {
            (true, None) => wrong("stop_limit_price", "is required: the limit order's price, once `price` is reached"),
            (false, Some(_)) => wrong("stop_limit_price", "belongs to stop_limit orders"),
            _ => {}
        }
        if !market && self.deviation.is_some() {
            wrong("deviation", "belongs to market orders");
        }
        if market && (self.expires_at.is_some() || self.time_in_force.is_some_and(|time| time != TimeInForce::Gtc)) {
            wrong("time_in_force", "belongs to limit, stop and stop_limit orders");
        }
        if !market {
            found.extend(expiry_problem(self.time_in_force, self.expires_at, now));
        }
        found
    }

    fn into_request(self, clock: BrokerClock) -> TradeRequest {
        let action = self.action();
        let buy = match self.kind {
            OrderKind::Market => ORDER_BUY,
            OrderKind::Limit => ORDER_BUY_LIMIT,
            OrderKind::Stop => ORDER_BUY_STOP,
            OrderKind::StopLimit => ORDER_BUY_STOP_LIMIT,
        };
        TradeRequest {
            action,
            magic: self.magic.unwrap_or(0),
            symbol: self.symbol,
            volume: self.volume,
            price: self.price.unwrap_or(0.0),
            stoplimit: self.stop_limit_price.unwrap_or(0.0),
            sl: self.sl.unwrap_or(0.0),
            tp: self.tp.unwrap_or(0.0),
            deviation: if action == action::DEAL { self.deviation.unwrap_or(DEVIATION) } else { 0 },
            // Of each kind the sell is one above the buy.
            kind: buy + self.side.kind(),
            type_time: self.time_in_force.unwrap_or(TimeInForce::Gtc).number(),
            expiration: self.expires_at.map_or(0, |at| broker_second(clock, at)),
            comment: self.comment,
            ..TradeRequest::default()
        }
    }
}

/// What is wrong with a time in force and its end.
pub(super) fn expiry_problem(time: Option<TimeInForce>, expires_at: Option<Moment>, now: UnixMillis) -> Option<FieldError> {
    let detail = match (time == Some(TimeInForce::Gtd), expires_at) {
        (true, None) => "is required with time_in_force gtd",
        (false, Some(_)) => "needs time_in_force gtd",
        (true, Some(Moment(at))) if at <= now => "must be in the future",
        _ => return None,
    };
    Some(FieldError { field: "expires_at", detail: detail.to_owned() })
}

/// MetaTrader takes expirations in the broker's own time.
pub(super) fn broker_second(clock: BrokerClock, Moment(at): Moment) -> i64 {
    clock.to_broker(at.0.div_euclid(1_000))
}

/// The same under the name that the friendly calls give the field.
fn in_a_bots_words(problem: FieldError) -> FieldError {
    let field = match problem.field {
        "stoplimit" => "stop_limit_price",
        "expiration" => "expires_at",
        other => other,
    };
    FieldError { field, ..problem }
}
