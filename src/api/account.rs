//! Relayed reads of the account: figures, positions, deals.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{Params, Path},
    json::{Names, list, named, parse_time, with_utc},
    market_data::checked,
    resolve::{self, Purpose, Target},
};
use crate::{
    domain::{
        account::AccountInfo,
        names,
        trade::{Deal, Position},
    },
    hub::SessionHandle,
    market::broker_time::BrokerClock,
    protocol::{
        codec,
        message::{GetAccount, GetDeals, GetPositions},
    },
};

const ACCOUNT_NAMES: [Names; 3] = [
    ("trade_mode", names::account_trade_mode),
    ("margin_mode", names::account_margin_mode),
    ("margin_so_mode", names::account_stopout_mode),
];
const POSITION_NAMES: [Names; 2] = [("type", names::position_type), ("reason", names::position_reason)];
const DEAL_NAMES: [Names; 3] = [("type", names::deal_type), ("entry", names::deal_entry), ("reason", names::deal_reason)];
/// Positions that one terminal may have.
const POSITIONS_MAX: usize = 10_000;
/// Deals in one answer.
const DEALS_MAX: u32 = 1_000;

/// `GET …/account`
pub(super) async fn account(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
) -> ApiResult<Json<Value>> {
    account_of(&state, &resolve::terminal(&state, &caller, &terminal, Purpose::Read)?).await
}

/// `GET /api/v1/account/info`: the same of the only terminal, or of the one with the oldest token.
pub(super) async fn account_info(State(state): State<ApiState>, caller: Caller) -> ApiResult<Json<Value>> {
    account_of(&state, &resolve::default_terminal(&state, &caller)?).await
}

async fn account_of(state: &ApiState, target: &Target) -> ApiResult<Json<Value>> {
    let session = target.live()?;
    let reply = checked(session.call(state.http.read_timeout, |call| GetAccount { call }.into()).await?)?;
    let info: AccountInfo = codec::record(&reply.body)?;
    let mut object = named(&info, &ACCOUNT_NAMES);
    object.insert("terminal".to_owned(), json!(target.token.id));
    Ok(Json(Value::Object(object)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PositionsQuery {
    #[serde(default)]
    symbol: String,
    magic: Option<u64>,
}

/// `GET …/positions?symbol=&magic=`
pub(super) async fn list_positions(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(query): Params<PositionsQuery>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    let session = target.live()?;
    let mut positions = positions(&state, session, &query.symbol, 0).await?;
    positions.retain(|position| query.magic.is_none_or(|magic| position.magic == magic));
    let clock = resolve::broker_clock(&state, session);
    let rows = positions.iter().map(|position| position_json(position, clock)).collect();
    Ok(Json(list(rows, None, state.clock.wall())))
}

/// `GET …/positions/{ticket}`
pub(super) async fn get_position(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, ticket)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    let session = target.live()?;
    let position = position(&state, session, &ticket).await?;
    Ok(Json(position_json(&position, resolve::broker_clock(&state, session))))
}

/// Asks the terminal for one open position.
pub(super) async fn position(state: &ApiState, session: &SessionHandle, ticket: &str) -> ApiResult<Position> {
    let number: u64 = ticket.parse().map_err(|_| ApiError::not_found("a position's ticket is a number"))?;
    let found = if number == 0 { Vec::new() } else { positions(state, session, "", number).await? };
    found.into_iter().find(|position| position.ticket == number).ok_or_else(|| {
        ApiError::new(
            axum::http::StatusCode::NOT_FOUND,
            "position_not_found",
            format!("no open position has the ticket {number}"),
        )
    })
}

async fn positions(state: &ApiState, session: &SessionHandle, symbol: &str, ticket: u64) -> ApiResult<Vec<Position>> {
    let ask = |call| GetPositions { call, symbol: symbol.to_owned(), ticket }.into();
    let reply = checked(session.call(state.http.read_timeout, ask).await?)?;
    Ok(codec::rows(&reply.body, POSITIONS_MAX)?)
}

fn position_json(position: &Position, clock: BrokerClock) -> Value {
    let mut object = named(position, &POSITION_NAMES);
    with_utc(&mut object, "time", clock);
    with_utc(&mut object, "time_update", clock);
    Value::Object(object)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DealsQuery {
    from: Option<String>,
    to: Option<String>,
    position: Option<u64>,
    ticket: Option<u64>,
    limit: Option<u32>,
    cursor: Option<u32>,
}

/// `GET …/history/deals?from=&to=&position=&ticket=&limit=&cursor=`, oldest first. `ticket` is a deal's or its order's.
pub(super) async fn list_deals(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(query): Params<DealsQuery>,
) -> ApiResult<Json<Value>> {
    let target = resolve::terminal(&state, &caller, &terminal, Purpose::Read)?;
    let session = target.live()?;
    let clock = resolve::broker_clock(&state, session);
    let broker = |field: &str, text: Option<&String>, otherwise: i64| -> ApiResult<i64> {
        let Some(text) = text else { return Ok(otherwise) };
        let at =
            parse_time(text).ok_or_else(|| ApiError::field(field, "must be RFC 3339, epoch seconds or epoch milliseconds"))?;
        Ok(clock.to_broker(at.0.div_euclid(1_000)))
    };
    let from = broker("from", query.from.as_ref(), 0)?;
    let to = broker("to", query.to.as_ref(), i64::from(u32::MAX))?;
    let limit = query.limit.unwrap_or(500).clamp(1, DEALS_MAX);
    let offset = query.cursor.unwrap_or(0);
    let (position, ticket) = (query.position.unwrap_or(0), query.ticket.unwrap_or(0));
    let ask = |call| GetDeals { call, from, to, position, ticket, offset, limit }.into();
    let reply = checked(session.call(state.http.read_timeout, ask).await?)?;
    let deals: Vec<Deal> = codec::rows(&reply.body, usize::try_from(DEALS_MAX).unwrap_or(usize::MAX))?;
    let rows = deals.iter().map(|deal| {
        let mut object = named(deal, &DEAL_NAMES);
        with_utc(&mut object, "time", clock);
        Value::Object(object)
    });
    let full = u32::try_from(deals.len()).is_ok_and(|count| count == limit);
    let next = full.then(|| offset.saturating_add(limit).to_string());
    Ok(Json(list(rows.collect(), next, state.clock.wall())))
}
