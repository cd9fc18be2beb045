//! What was seen of an account's deals, orders and positions, from the store alone.

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::Params,
    json::{list, parse_time},
    spreadsheet,
};
use crate::{
    domain::{
        UnixMillis,
        account::{Account, TRADE_MODE_DEMO},
        api_key::Reach,
        history::FactKind,
        scope::Scope,
    },
    events::view::history_json,
    history::{Cursor, Filter, Place},
    store::merged::Direction,
};

/// Rows of one answer.
const ROWS_MAX: usize = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TradesQuery {
    /// Account number or `number@server`, connected or not; the only one if left out.
    #[param(example = "1001")]
    account: Option<String>,
    /// When it happened, included: RFC 3339, epoch seconds or epoch milliseconds, UTC.
    from: Option<String>,
    /// Before then.
    to: Option<String>,
    /// Only this symbol.
    symbol: Option<String>,
    /// Only rows of this position.
    position: Option<u64>,
    /// An order and its deals.
    order: Option<u64>,
    /// A deal's, an order's or a position's own number.
    ticket: Option<u64>,
    /// Only rows of this kind.
    #[param(inline, value_type = Option<super::openapi::schemas::RowKind>)]
    kind: Option<String>,
    /// Oldest first (`asc`, if left out) or newest first (`desc`).
    #[param(inline, value_type = Option<super::openapi::schemas::SortOrder>)]
    sort: Option<String>,
    /// Rows, 100 if left out; above 1,000 it is 1,000.
    #[param(minimum = 0, example = 2)]
    limit: Option<usize>,
    /// `next_cursor` of a page; keep the other parameters.
    cursor: Option<String>,
    /// `csv`, or by `Accept: text/csv`.
    #[param(inline, value_type = Option<super::openapi::schemas::ListFormat>)]
    format: Option<String>,
}

/// `GET /api/v1/audit/trades?account=&from=&to=&symbol=&position=&order=&ticket=&kind=&sort=&limit=&cursor=&format=`.
#[utoipa::path(
    get,
    path = "/api/v1/audit/trades",
    operation_id = "listTradeHistory",
    tag = "History",
    summary = "Everything that was seen of an account",
    description = "Every deal, every state of an order and every change of a position's stops, from the hub's own store: also while the terminal is away.",
    params(TradesQuery),
    responses(
        (status = 200, description = "The rows.", content((super::openapi::schemas::List<super::openapi::shapes::HistoryRow> = "application/json"), (String = "text/csv"))),
        (status = "4XX", description = "store"),
    )
)]
pub(super) async fn trades(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<TradesQuery>,
) -> ApiResult<Response> {
    let as_csv = spreadsheet::is_asked_for(query.format.as_deref(), &headers)?;
    if let Some(symbol) = &query.symbol {
        caller.symbol(symbol)?;
    }
    let filter = Filter { scope: caller.key.scope.clone(), ..filter(&query)? };
    let limit = query.limit.unwrap_or(100).clamp(1, ROWS_MAX);
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    let accounts = match query.account.as_deref() {
        Some("*") => kept(&state, &caller).await?,
        text => account(&state, &caller, text).await?.into_iter().collect(),
    };
    let place = Place { direction: direction(query.sort.as_deref())?, after };
    let page = state.history.rows_of(caller.tenant(), &accounts, &filter, place, limit).await?;
    let next = page.next.as_ref().map(|cursor| crate::crypto::hex(cursor));
    let rows = page.rows.iter().filter_map(|(number, record)| Some((accounts.get(*number)?, record)));
    if as_csv {
        let rows = rows.map(|(account, record)| flat(account, history_json(account, record)));
        return spreadsheet::answer(&COLUMNS, rows, next);
    }
    let rows = rows.map(|(account, record)| Value::Object(history_json(account, record)));
    Ok(Json(list(rows.collect(), next, state.clock.wall())).into_response())
}

/// From which end a list is read: `asc`, the default, or `desc`.
///
/// # Errors
/// 422.
pub(super) fn direction(sort: Option<&str>) -> ApiResult<Direction> {
    match sort {
        None | Some("asc") => Ok(Direction::Ascending),
        Some("desc") => Ok(Direction::Descending),
        Some(_) => Err(ApiError::field("sort", "must be asc (oldest first) or desc (newest first)")),
    }
}

/// A time in a query.
///
/// # Errors
/// 422.
pub(super) fn time(field: &str, text: Option<&str>) -> ApiResult<Option<UnixMillis>> {
    let read =
        |text| parse_time(text).ok_or_else(|| ApiError::field(field, "must be RFC 3339, epoch seconds or epoch milliseconds"));
    text.map(read).transpose()
}

fn filter(query: &TradesQuery) -> ApiResult<Filter> {
    let kind = match query.kind.as_deref() {
        Some(text) => {
            let found = [FactKind::Deal, FactKind::Order, FactKind::Position].into_iter().find(|kind| kind.name() == text);
            Some(found.ok_or_else(|| ApiError::field("kind", "must be deal, order or position"))?)
        }
        None => None,
    };
    Ok(Filter {
        from: time("from", query.from.as_deref())?,
        to: time("to", query.to.as_deref())?,
        symbol: query.symbol.clone(),
        scope: Scope::default(),
        position: query.position,
        order: query.order,
        ticket: query.ticket,
        kind,
    })
}

/// Every account of which something is kept that this caller may see, connected or not, locked to a token or not any more.
pub(super) async fn kept(state: &ApiState, caller: &Caller) -> ApiResult<Vec<Account>> {
    let mut found = state.history.accounts(caller.tenant()).await?;
    found.retain(|about| {
        (caller.key.reach == Reach::Live || about.trade_mode == TRADE_MODE_DEMO) && caller.key.allows_account(&about.account)
    });
    Ok(found.into_iter().map(|about| about.account).collect())
}

/// The account that is meant; none if this key sees no history of it.
pub(super) async fn account(state: &ApiState, caller: &Caller, text: Option<&str>) -> ApiResult<Option<Account>> {
    let mut found = kept(state, caller).await?;
    if let Some(text) = text {
        let (number, server) = text.split_once('@').map_or((text, None), |(number, server)| (number, Some(server)));
        let login: u64 = number.parse().map_err(|_| ApiError::field("account", "must be an account number or number@server"))?;
        found.retain(|account| account.login == login && server.is_none_or(|server| account.server == server));
    }
    if found.len() > 1 {
        return Err(ApiError::field(
            "account",
            "must name one account, as number@server, or be * for all: more than one has a history",
        ));
    }
    Ok(found.pop())
}

fn read_cursor(text: &str) -> ApiResult<Cursor> {
    let wrong = || ApiError::field("cursor", "must be a next_cursor of an earlier answer");
    let mut cursor = [0; 24];
    if text.len() != 48 || !text.is_ascii() {
        return Err(wrong());
    }
    for (byte, at) in cursor.iter_mut().zip((0..48).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(cursor)
}

/// Columns of the CSV form: those of deals and of orders; what a row does not have is empty.
const COLUMNS: [&str; 35] = [
    "kind",
    "at",
    "broker_time",
    "source",
    "seen_at",
    "updated_at",
    "origin",
    "command",
    "ticket",
    "order",
    "position_id",
    "symbol",
    "type",
    "type_name",
    "entry_name",
    "state_name",
    "reason_name",
    "volume",
    "price",
    "commission",
    "swap",
    "profit",
    "fee",
    "volume_initial",
    "volume_current",
    "price_open",
    "sl",
    "tp",
    "price_stoplimit",
    "time_setup",
    "time_done",
    "magic",
    "comment",
    "external_id",
    "account",
];

/// CSV has one column for the account, and one for the broker's time: of an order, that it was done.
fn flat(account: &Account, mut row: Map<String, Value>) -> Map<String, Value> {
    row.insert("account".to_owned(), json!(account.to_string()));
    let mut told = ["broker_time_done", "broker_time_setup", "broker_time_update"].into_iter();
    if let Some(done) = told.find_map(|field| row.get(field).filter(|at| !at.is_null()).cloned()) {
        row.insert("broker_time".to_owned(), done);
    }
    row
}
