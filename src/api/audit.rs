//! What was seen of an account's deals, orders and positions, from the store alone.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
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
    json::{Names, list, named, parse_time, rfc3339},
};
use crate::{
    domain::{
        UnixMillis,
        account::{Account, TRADE_MODE_DEMO},
        api_key::Reach,
        history::{Fact, FactKind, HistoryRecord, Origin, Source},
        names,
    },
    history::{Cursor, Filter},
};

pub(super) const DEAL_NAMES: [Names; 3] =
    [("type", names::deal_type), ("entry", names::deal_entry), ("reason", names::deal_reason)];
pub(super) const ORDER_NAMES: [Names; 5] = [
    ("type", names::order_type),
    ("type_time", names::order_time),
    ("type_filling", names::order_filling),
    ("state", names::order_state),
    ("reason", names::order_reason),
];
pub(super) const POSITION_NAMES: [Names; 2] = [("type", names::position_type), ("reason", names::position_reason)];
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
    /// Rows, 100 if left out; above 1,000 it is 1,000.
    #[param(minimum = 0, example = 2)]
    limit: Option<usize>,
    /// `next_cursor` of a page; keep the other parameters.
    cursor: Option<String>,
    /// `csv`, or by `Accept: text/csv`.
    #[param(inline, value_type = Option<super::openapi::schemas::ListFormat>)]
    format: Option<String>,
}

/// `GET /api/v1/audit/trades?account=&from=&to=&symbol=&position=&order=&ticket=&kind=&limit=&cursor=&format=`, oldest first.
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
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let as_csv = match query.format.as_deref() {
        Some("csv") => true,
        Some("json") => false,
        Some(_) => return Err(ApiError::field("format", "must be json or csv")),
        None => accept.contains("text/csv"),
    };
    let filter = filter(&query)?;
    let limit = query.limit.unwrap_or(100).clamp(1, ROWS_MAX);
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    let account = account(&state, &caller, query.account.as_deref()).await?;
    let page = match account {
        Some(account) => state.history.rows(caller.key.owner, &account, &filter, after, limit).await?,
        None => crate::history::HistoryPage::default(),
    };
    let next = page.next.as_ref().map(|cursor| crate::crypto::hex(cursor));
    let rows = page.rows.iter().map(row);
    if as_csv {
        return csv(rows, next);
    }
    Ok(Json(list(rows.map(Value::Object).collect(), next, state.clock.wall())).into_response())
}

fn filter(query: &TradesQuery) -> ApiResult<Filter> {
    let time = |field: &str, text: &Option<String>| -> ApiResult<Option<UnixMillis>> {
        let Some(text) = text else { return Ok(None) };
        let at = parse_time(text);
        at.map(Some).ok_or_else(|| ApiError::field(field, "must be RFC 3339, epoch seconds or epoch milliseconds"))
    };
    let kind = match query.kind.as_deref() {
        Some(text) => {
            let found = [FactKind::Deal, FactKind::Order, FactKind::Position].into_iter().find(|kind| kind.name() == text);
            Some(found.ok_or_else(|| ApiError::field("kind", "must be deal, order or position"))?)
        }
        None => None,
    };
    Ok(Filter {
        from: time("from", &query.from)?,
        to: time("to", &query.to)?,
        symbol: query.symbol.clone(),
        position: query.position,
        order: query.order,
        ticket: query.ticket,
        kind,
    })
}

/// The account that is meant, connected or not, locked to a token or not any more; none if this key sees no history of it.
async fn account(state: &ApiState, caller: &Caller, text: Option<&str>) -> ApiResult<Option<Account>> {
    let mut found = state.history.accounts(caller.key.owner).await?;
    found.retain(|about| caller.key.reach == Reach::Live || about.trade_mode == TRADE_MODE_DEMO);
    if let Some(text) = text {
        let (number, server) = text.split_once('@').map_or((text, None), |(number, server)| (number, Some(server)));
        let login: u64 = number.parse().map_err(|_| ApiError::field("account", "must be an account number or number@server"))?;
        found.retain(|about| about.account.login == login && server.is_none_or(|server| about.account.server == server));
    }
    if found.len() > 1 {
        return Err(ApiError::field("account", "must name one account, as number@server: more than one has a history"));
    }
    Ok(found.pop().map(|about| about.account))
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

/// A row: when and how it was seen, who caused it, and then MetaTrader's own fields.
fn row(record: &HistoryRecord) -> Map<String, Value> {
    let mut row = Map::new();
    let mut put = |field: &str, value: Value| drop(row.insert(field.to_owned(), value));
    let broker_msc = record.fact.broker_msc();
    let offset_ms = broker_msc - record.time.0;
    let (mut fields, times): (_, &[&str]) = match &record.fact {
        Fact::Deal(deal) => (named(deal, &DEAL_NAMES), &["time"]),
        Fact::Order(order) => (named(order, &ORDER_NAMES), &["time_setup", "time_done", "time_expiration"]),
        Fact::Position(position) => (named(position, &POSITION_NAMES), &["time", "time_update"]),
    };
    put("kind", json!(record.fact.kind().name()));
    put("source", json!(if record.source == Source::Pushed { "pushed" } else { "found" }));
    put("seen_at", json!(rfc3339(record.seen_at)));
    put("updated_at", json!(rfc3339(record.updated_at)));
    put("at", json!(rfc3339(record.time)));
    let (origin, command) = match record.origin {
        Origin::Command(id) => ("command", json!(id)),
        Origin::Broker => ("broker", Value::Null),
        Origin::UnknownTag => ("unknown_tag", Value::Null),
        Origin::Foreign => ("foreign", Value::Null),
        Origin::Untold => ("untold", Value::Null),
    };
    put("origin", json!(origin));
    put("command", command);
    put("transaction", json!(record.transaction));
    for field in times {
        with_offset(&mut fields, field, offset_ms);
    }
    row.extend(fields);
    row
}

/// Like [`super::json::with_utc`], with the offset that was known when the row was written: the terminal may be long gone.
fn with_offset(fields: &mut Map<String, Value>, field: &str, offset_ms: i64) {
    let seconds = fields.get(field).and_then(Value::as_i64).unwrap_or(0);
    let msc_field = format!("{field}_msc");
    let fraction = fields.get(&msc_field).and_then(Value::as_i64).unwrap_or(0).rem_euclid(1_000);
    let utc = (seconds > 0).then(|| UnixMillis(seconds * 1_000 + fraction - offset_ms));
    fields.insert(field.to_owned(), utc.map_or(Value::Null, |utc| json!(rfc3339(utc))));
    fields.insert(msc_field, utc.map_or(Value::Null, |utc| json!(utc.0)));
    let broker = if seconds > 0 { json!(seconds) } else { Value::Null };
    fields.insert(field.replacen("time", "broker_time", 1), broker);
}

/// Columns of the CSV form: those of deals and of orders; what a row does not have is empty.
const COLUMNS: [&str; 34] = [
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
];

fn csv(rows: impl Iterator<Item = Map<String, Value>>, next: Option<String>) -> ApiResult<Response> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let internal = |error: &dyn std::fmt::Display| ApiError::internal(error);
    writer.write_record(COLUMNS).map_err(|error| internal(&error))?;
    for mut row in rows {
        let mut told = ["broker_time_done", "broker_time_setup", "broker_time_update"].into_iter();
        if let Some(done) = told.find_map(|field| row.get(field).filter(|at| !at.is_null()).cloned()) {
            row.insert("broker_time".to_owned(), done);
        }
        let cells = COLUMNS.iter().map(|column| match row.get(*column) {
            None | Some(Value::Null) => String::new(),
            // A cell that a spreadsheet would take for a formula is a text.
            Some(Value::String(text)) if text.starts_with(['=', '+', '-', '@']) => format!("'{text}"),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        });
        writer.write_record(cells).map_err(|error| internal(&error))?;
    }
    let text = writer.into_inner().map_err(|error| internal(&error))?;
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response();
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-next-cursor"), next);
    }
    Ok(response)
}
