//! Open positions.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{Params, Path},
    json::{Names, named, with_utc},
    relay::Relay,
};
use crate::{
    domain::{account::MARGIN_MODE_HEDGING, group::in_group, names, trade::Position},
    market::broker_time::BrokerClock,
    protocol::message::GetPositions,
};

const NAMES: [Names; 2] = [("type", names::position_type), ("reason", names::position_reason)];
/// Positions, or pending orders, that one terminal may have.
pub(super) const OPEN_MAX: usize = 10_000;

/// What to show of positions and pending orders.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenQuery {
    #[serde(default)]
    pub(super) symbol: String,
    #[serde(default)]
    group: String,
    magic: Option<u64>,
}

impl OpenQuery {
    /// # Errors
    /// 403 for a symbol that the caller may not read.
    pub(super) fn judge(&self, relay: &Relay) -> ApiResult<()> {
        if self.symbol.is_empty() { Ok(()) } else { relay.caller.symbol(&self.symbol) }
    }

    pub(super) fn keeps(&self, symbol: &str, magic: u64) -> bool {
        in_group(symbol, &self.group) && self.magic.is_none_or(|wanted| wanted == magic)
    }
}

/// `GET …/positions?symbol=&group=&magic=`
pub(super) async fn list_positions(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(query): Params<OpenQuery>,
) -> ApiResult<Json<Value>> {
    let relay = Relay::open(&state, &caller, &terminal)?;
    query.judge(&relay)?;
    let positions = positions(&relay, &query.symbol).await?;
    let kept = positions.iter().filter(|position| query.keeps(&position.symbol, position.magic));
    Ok(Json(relay.list(kept.map(|position| position_json(position, relay.clock)))))
}

/// `GET …/positions/{ticket}`
pub(super) async fn get_position(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, ticket)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let relay = Relay::open(&state, &caller, &terminal)?;
    Ok(Json(position_json(&position(&relay, &ticket).await?, relay.clock)))
}

/// Asks the terminal for one open position: by its ticket or, on a netting account, where a symbol has one at most, by its symbol. Of which
/// symbol it is only the terminal knows, so whether the caller may touch it is judged here.
///
/// # Errors
/// 403, 404, those of [`Relay::rows`].
pub(super) async fn position(relay: &Relay, text: &str) -> ApiResult<Position> {
    let not_found = |detail| ApiError::new(StatusCode::NOT_FOUND, "position_not_found", detail);
    let hedging = relay.session.hello().margin_mode == MARGIN_MODE_HEDGING;
    let found = match text.parse::<u64>() {
        Ok(0) => Vec::new(),
        Ok(ticket) => all_positions(relay, "", ticket).await?.into_iter().filter(|position| position.ticket == ticket).collect(),
        Err(_) if hedging => return Err(ApiError::not_found("a position's ticket is a number")),
        Err(_) => all_positions(relay, text, 0).await?.into_iter().filter(|position| position.symbol == text).collect(),
    };
    let found = found
        .into_iter()
        .next()
        .ok_or_else(|| not_found(format!("there is no open position {text}; GET …/positions lists those that are")))?;
    relay.caller.symbol(&found.symbol)?;
    Ok(found)
}

/// Asks the terminal for those of its positions that the caller may touch; an empty symbol means all.
pub(super) async fn positions(relay: &Relay, symbol: &str) -> ApiResult<Vec<Position>> {
    let mut found = all_positions(relay, symbol, 0).await?;
    found.retain(|position| relay.allows(&position.symbol));
    Ok(found)
}

async fn all_positions(relay: &Relay, symbol: &str, ticket: u64) -> ApiResult<Vec<Position>> {
    relay.rows(OPEN_MAX, |call| GetPositions { call, symbol: symbol.to_owned(), ticket }.into()).await
}

pub(super) fn position_json(position: &Position, clock: BrokerClock) -> Value {
    let mut object = named(position, &NAMES);
    with_utc(&mut object, "time", clock);
    with_utc(&mut object, "time_update", clock);
    Value::Object(object)
}
