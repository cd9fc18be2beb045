//! Carries out what an alert wants: through the very handlers that bots call, under the hook's own key, so that every check holds.

use std::time::Duration;

use axum::{
    body::to_bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
    response::Response,
};
use serde_json::{Value, json};
use tracing::warn;

use super::{
    ApiState,
    auth::{Caller, forbidden},
    close_all, closing,
    error::{ApiError, ApiResult},
    extract::{JsonBody, Path},
    guards::TTL_MAX_MS,
    modifying, orders, placing, positions,
    relay::Relay,
    resolve::{self, Purpose},
};
use crate::{
    domain::{
        api_key::Permission,
        hook::{Calls, Hook},
        ids::{CommandId, TokenId},
    },
    hooks::plan::{Act, Plan, Which},
    store::StoreError,
};

/// Largest answer of a trading call: close-all names every position that there is.
const ANSWER_MAX: usize = 64 << 20;

/// What came of an alert.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// The commands that were made.
    pub(super) commands: Vec<String>,
    /// At least one of them is on its way, or was.
    pub(super) sent: bool,
    /// Nobody knows whether something was made.
    pub(super) unknown: bool,
    /// Why something was not sent.
    pub(super) error: Option<ApiError>,
}

impl Carried {
    /// Nothing was made.
    pub(super) fn nothing(error: ApiError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// A call was answered with an error: about the command `told`, or before one was made, unless one is `found` under its key.
    fn failed(&mut self, told: Option<String>, found: Result<Option<CommandId>, StoreError>, error: ApiError) {
        match (told, found) {
            // What became of it is certain: nothing.
            (Some(id), _) => self.commands.push(id),
            (None, Ok(Some(id))) => {
                self.sent = true;
                self.commands.push(id.to_string());
                return;
            }
            (None, Ok(None)) => {}
            (None, Err(failure)) => {
                warn!(error = %failure, "whether an alert made a command cannot be read");
                self.unknown = true;
            }
        }
        // The first one is told; the others are tried all the same.
        self.error.get_or_insert(error);
    }
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
    /// Waits until what earlier alerts sent has its outcome, if the plan depends on it: a position that is being opened is not there yet.
    /// It waits for three quarters of the plan's own time at most, so that there is time left to act in.
    pub(super) async fn earlier(&self, plan: &Plan, open: &mut Vec<CommandId>) {
        let (state, arrived) = (self.state, self.caller.arrived.steady);
        let patience = if plan.act.reads() { self.life(plan).mul_f64(0.75) } else { Duration::ZERO };
        let until = arrived.plus_ms(i64::try_from(patience.as_millis()).unwrap_or(0));
        for id in std::mem::take(open) {
            match state.trading.settled(id, state.clock.until(until), &state.stopping).await {
                Ok(true) => {}
                Ok(false) => open.push(id),
                Err(error) => {
                    warn!(command = %id, %error, "what an earlier alert came to cannot be read");
                    open.push(id);
                }
            }
        }
    }

    /// How long after it came in a plan may still be carried out.
    fn life(&self, plan: &Plan) -> Duration {
        let market = matches!(plan.act, Act::Close(_) | Act::CloseAll);
        let usual = if market { self.state.market_ttl } else { self.state.pending_ttl };
        plan.body["ttl_ms"].as_u64().map_or(usual, |ms| Duration::from_millis(ms.min(TTL_MAX_MS)))
    }

    /// Makes the calls as far as they go. Nothing is waited for once a command is durable and on its way. What was made is told as made,
    /// also when it cannot be answered for now.
    pub(super) async fn make(&self, calls: &Calls) -> Carried {
        let mut carried = Carried::default();
        let body: Value = serde_json::from_str(&calls.body).unwrap_or_default();
        for act in &calls.acts {
            match self.made(self.call(act, &calls.terminal.to_string(), &body).await).await {
                Ok(command) => {
                    carried.sent = true;
                    carried.commands.extend(command);
                }
                Err(error) => {
                    let id = error.field_value("id").and_then(Value::as_str).map(str::to_owned);
                    carried.failed(id, made_under(self.state, calls.terminal, &key_of(&self.key, act)).await, error);
                }
            }
        }
        carried
    }

    /// Each call with a ticket of its own, and the terminal that they are for.
    pub(super) async fn calls(&self, plan: &Plan) -> ApiResult<Calls> {
        let acts = self.acts(plan).await?;
        let terminal = resolve::terminal(self.state, self.caller, &self.terminal(), Purpose::Trade)?.token.id;
        Ok(Calls { terminal, body: plan.body.to_string(), acts })
    }

    async fn acts(&self, plan: &Plan) -> ApiResult<Vec<Act>> {
        let needed = if plan.act.reduces() { Permission::TradeReduce } else { Permission::TradeWrite };
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

    async fn call(&self, act: &Act, terminal: &str, body: &Value) -> ApiResult<Response> {
        let (state, caller, terminal) = (State(self.state.clone()), self.caller.clone(), terminal.to_owned());
        let (headers, body) = (headers(&key_of(&self.key, act))?, JsonBody { value: body.clone() });
        let ticket = act.ticket().unwrap_or_default().to_string();
        match act {
            Act::Order => placing::place(state, caller, Path(terminal), headers, body).await,
            Act::CloseAll => close_all::close_all(state, caller, Path(terminal), headers, body).await,
            Act::Close(_) => closing::close(state, caller, Path((terminal, ticket)), headers, body).await,
            Act::Modify(_) => modifying::modify_position(state, caller, Path((terminal, ticket)), headers, body).await,
            Act::Cancel(_) => modifying::cancel_order(state, caller, Path((terminal, ticket)), headers, body).await,
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

/// The key of one call of an alert, whose own is `key`.
fn key_of(key: &str, act: &Act) -> String {
    act.ticket().map_or_else(|| key.to_owned(), |ticket| format!("{key}-{ticket}"))
}

/// What was made of calls, when none can be made any more.
pub(super) async fn made_before(state: &ApiState, calls: &Calls, key: &str, why: ApiError) -> Carried {
    let mut carried = Carried::default();
    for act in &calls.acts {
        let found = made_under(state, calls.terminal, &key_of(key, act)).await;
        carried.failed(None, found, why.clone());
    }
    carried
}

/// The command that a key made at a terminal's account.
async fn made_under(state: &ApiState, terminal: TokenId, key: &str) -> Result<Option<CommandId>, StoreError> {
    let Some(token) = state.access.token(terminal) else { return Ok(None) };
    let Some(lock) = &token.lock else { return Ok(None) };
    state.trading.made_under(token.owner, &lock.account, key).await
}

/// As a bot says it: this key, and no waiting for the outcome.
fn headers(key: &str) -> ApiResult<HeaderMap> {
    let key = HeaderValue::from_str(key).map_err(|error| ApiError::internal(&error))?;
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", key);
    headers.insert("prefer", HeaderValue::from_static("respond-async"));
    Ok(headers)
}
