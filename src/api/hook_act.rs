//! Carries out what an alert wants: through the very handlers that bots call, under the hook's own key, so that every check holds.

use axum::{
    body::to_bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::{Caller, forbidden},
    close_all, closing,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path},
    modifying, orders, placing, positions,
    relay::Relay,
    resolve::{self, Purpose},
};
use crate::{
    domain::{api_key::Permission, hook::Hook, ids::TokenId},
    hooks::plan::{Act, Plan, Which},
};

/// Largest answer of a trading call: close-all names every position that there is.
const ANSWER_MAX: usize = 64 << 20;

/// What came of an alert.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// The commands that were made.
    pub(super) commands: Vec<String>,
    /// Why something was not sent.
    pub(super) error: Option<ApiError>,
}

/// One alert on its way.
pub(super) struct Carrier<'a> {
    pub(super) state: &'a ApiState,
    pub(super) caller: &'a Caller,
    pub(super) hook: &'a Hook,
    /// Under which nothing is done twice.
    pub(super) key: String,
}

impl Carrier<'_> {
    /// Carries a plan out as far as it goes. Nothing is waited for once a command is durable and on its way.
    pub(super) async fn carry_out(&self, plan: &Plan) -> Carried {
        let mut carried = Carried::default();
        let calls = match self.calls(plan).await {
            Ok(calls) => calls,
            Err(error) => return Carried { error: Some(error), ..carried },
        };
        for call in calls {
            match self.made(self.call(&call, &plan.body).await).await {
                Ok(command) => carried.commands.extend(command),
                Err(error) => {
                    carried.commands.extend(error.field_value("id").and_then(Value::as_str).map(str::to_owned));
                    // The first one is told; the others are tried all the same.
                    carried.error.get_or_insert(error);
                }
            }
        }
        carried
    }

    /// Each call with a ticket of its own.
    async fn calls(&self, plan: &Plan) -> ApiResult<Vec<Act>> {
        let needed = match plan.act {
            Act::Order | Act::Modify(_) => Permission::TradeWrite,
            Act::Close(_) | Act::CloseAll | Act::Cancel(_) => Permission::TradeReduce,
        };
        if !self.caller.key.may(needed) {
            return Err(forbidden(needed));
        }
        let symbol = match &plan.act {
            Act::Close(Which::Symbol(symbol)) | Act::Modify(Which::Symbol(symbol)) | Act::Cancel(Which::Symbol(symbol)) => {
                Some(symbol.as_str())
            }
            _ => plan.body["symbol"].as_str(),
        };
        if let Some(symbol) = symbol.filter(|symbol| !self.caller.key.allows_symbol(symbol)) {
            let detail = format!("the key that this hook acts under does not reach {symbol}; nothing was sent");
            return Err(ApiError::new(StatusCode::FORBIDDEN, "symbol_not_allowed", detail));
        }
        Ok(match plan.act.clone() {
            Act::Modify(Which::Symbol(symbol)) => {
                let found = self.positions(&symbol).await?;
                found.into_iter().map(|ticket| Act::Modify(Which::Ticket(ticket))).collect()
            }
            Act::Close(Which::Symbol(symbol)) => match self.positions(&symbol).await?[..] {
                [ticket] => vec![Act::Close(Which::Ticket(ticket))],
                _ => {
                    let detail = format!(
                        "there is more than one position of {symbol}: a part of which? Say ticket, or leave volume out to close all; nothing was sent"
                    );
                    return Err(ApiError::new(StatusCode::CONFLICT, "ambiguous_position", detail));
                }
            },
            Act::Cancel(Which::Symbol(symbol)) => {
                let orders = orders::orders(&self.relay(&plan.body)?, &symbol, 0).await?;
                let orders: Vec<_> = orders.into_iter().filter(|order| order.symbol == symbol).collect();
                if orders.is_empty() {
                    let detail = format!("there is no pending order of {symbol}; nothing was sent");
                    return Err(ApiError::new(StatusCode::NOT_FOUND, "order_not_found", detail));
                }
                orders.into_iter().map(|order| Act::Cancel(Which::Ticket(order.ticket))).collect()
            }
            act => vec![act],
        })
    }

    async fn positions(&self, symbol: &str) -> ApiResult<Vec<u64>> {
        let open = positions::positions(&self.relay(&json!({}))?, symbol).await?;
        let tickets: Vec<_> = open.iter().filter(|position| position.symbol == symbol).map(|position| position.ticket).collect();
        if tickets.is_empty() {
            let detail = format!("there is no open position of {symbol}; nothing was sent");
            return Err(ApiError::new(StatusCode::NOT_FOUND, "position_not_found", detail));
        }
        Ok(tickets)
    }

    fn relay(&self, body: &Value) -> ApiResult<Relay> {
        let target = resolve::terminal(self.state, self.caller, &self.terminal(), Purpose::Trade)?;
        let ms = body["ttl_ms"].as_i64().or_else(|| i64::try_from(self.state.pending_ttl.as_millis()).ok()).unwrap_or(0);
        Ok(Relay::before_a_trade(self.state, self.caller, target.live()?, self.caller.arrived.steady.plus_ms(ms)))
    }

    async fn call(&self, act: &Act, body: &Value) -> ApiResult<Response> {
        let (state, caller) = (State(self.state.clone()), self.caller.clone());
        let body = JsonBody { value: body.clone() };
        let terminal = self.terminal();
        let of = |which: &Which| match which {
            Which::Ticket(ticket) => (ticket.to_string(), format!("{}-{ticket}", self.key)),
            Which::Symbol(symbol) => (symbol.clone(), self.key.clone()),
        };
        match act {
            Act::Order => placing::place(state, caller, Path(terminal), headers(&self.key)?, body).await,
            Act::CloseAll => close_all::close_all(state, caller, Path(terminal), headers(&self.key)?, body).await,
            Act::Close(which) => {
                let (ticket, key) = of(which);
                closing::close(state, caller, Path((terminal, ticket)), headers(&key)?, body).await
            }
            Act::Modify(which) => {
                let (ticket, key) = of(which);
                modifying::modify_position(state, caller, Path((terminal, ticket)), headers(&key)?, body).await
            }
            Act::Cancel(which) => {
                let (ticket, key) = of(which);
                modifying::cancel_order(state, caller, Path((terminal, ticket)), headers(&key)?, body).await
            }
        }
    }

    /// The command in an answer.
    async fn made(&self, answer: ApiResult<Response>) -> ApiResult<Option<String>> {
        let mut response = answer?;
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            return Err(error);
        }
        let bytes = to_bytes(response.into_body(), ANSWER_MAX).await.map_err(|error| ApiError::internal(&error))?;
        let body: Value = serde_json::from_slice(&bytes).map_err(|error| ApiError::internal(&error))?;
        Ok(body["id"].as_str().map(str::to_owned))
    }

    /// The hook's terminal: when its token was rotated, the token that took over, once it is used.
    fn terminal(&self) -> String {
        let Some(mut id) = self.hook.terminal else { return "-".to_owned() };
        let next = |id: TokenId| self.state.access.token(id)?.successor;
        while self.state.hub.of_token(id).is_none() {
            match next(id).filter(|next| self.state.access.token(*next).is_some_and(|token| token.lock.is_some())) {
                Some(successor) => id = successor,
                None => break,
            }
        }
        id.to_string()
    }
}

/// As a bot says it: this key, and no waiting for the outcome.
fn headers(key: &str) -> ApiResult<HeaderMap> {
    let key = HeaderValue::from_str(key).map_err(|error| ApiError::internal(&error))?;
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", key);
    headers.insert("prefer", HeaderValue::from_static("respond-async"));
    Ok(headers)
}
