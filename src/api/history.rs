//! What was: orders and deals, as the terminal's own history has them.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::{ApiError, ApiResult},
    extract::{Params, Path},
    json::{Names, list, named, parse_time, with_utc},
    orders::order_json,
    relay::Relay,
};
use crate::{
    domain::{
        group::in_group,
        names,
        trade::{Deal, Order},
    },
    market::broker_time::BrokerClock,
    protocol::{
        FromHub, codec,
        message::{GetDeals, GetHistoryOrders},
    },
};

const DEAL_NAMES: [Names; 3] = [("type", names::deal_type), ("entry", names::deal_entry), ("reason", names::deal_reason)];
/// Rows in one answer, and in one question to the terminal.
const ROWS_MAX: u32 = 1_000;
/// Questions for one answer: with a rare symbol a page may come out short, and `next_cursor` goes on.
const QUESTIONS: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    symbol: String,
    #[serde(default)]
    group: String,
    position: Option<u64>,
    order: Option<u64>,
    ticket: Option<u64>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl HistoryQuery {
    /// Whether the hub leaves out some of what the terminal tells.
    fn chooses(&self, relay: &Relay) -> bool {
        relay.caller.key.scope.symbols.is_some()
            || !self.symbol.is_empty()
            || !self.group.is_empty()
            || self.order.is_some()
            || self.ticket.is_some()
    }

    fn keeps(&self, relay: &Relay, symbol: &str) -> bool {
        relay.allows(symbol) && (self.symbol.is_empty() || self.symbol == symbol) && in_group(symbol, &self.group)
    }
}

/// `GET …/history/deals?from=&to=&symbol=&group=&position=&order=&ticket=&limit=&cursor=`, oldest first. `ticket` is an order's or, where no
/// deal belongs to such an order, a deal's own: half of what is written for MetaTrader passes the one, half the other.
pub(super) async fn list_deals(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(mut query): Params<HistoryQuery>,
) -> ApiResult<Response> {
    let relay = Relay::open(&state, &caller, &terminal)?;
    if query.ticket.is_some() {
        // So few that they are answered whole, which the choice below needs.
        (query.limit, query.cursor) = (None, None);
    }
    let position = query.position.unwrap_or(0);
    let ticket = query.order.or(query.ticket).unwrap_or(0);
    let ask = |call, Span { from, to, offset, limit }| GetDeals { call, from, to, position, ticket, offset, limit }.into();
    let keep = |deal: &Deal| {
        query.keeps(&relay, &deal.symbol)
            && query.order.is_none_or(|order| deal.order == order)
            && query.ticket.is_none_or(|ticket| deal.order == ticket || deal.ticket == ticket)
    };
    let mut page = page(&relay, &query, ask, |deal: &Deal| deal.time, keep).await?;
    if let Some(ticket) = query.ticket.filter(|ticket| page.rows.iter().any(|deal| deal.order == *ticket)) {
        page.rows.retain(|deal| deal.order == ticket);
    }
    Ok(page.answer(&relay, |deal, clock| {
        let mut object = named(deal, &DEAL_NAMES);
        with_utc(&mut object, "time", clock);
        Value::Object(object)
    }))
}

/// `GET …/history/orders?from=&to=&symbol=&group=&position=&order=&ticket=&limit=&cursor=`: filled, cancelled, rejected and expired ones by
/// their end, oldest first.
pub(super) async fn list_history_orders(
    State(state): State<ApiState>,
    caller: Caller,
    Path(terminal): Path<String>,
    Params(query): Params<HistoryQuery>,
) -> ApiResult<Response> {
    let relay = Relay::open(&state, &caller, &terminal)?;
    let position = query.position.unwrap_or(0);
    let ticket = query.order.or(query.ticket).unwrap_or(0);
    let ask =
        |call, Span { from, to, offset, limit }| GetHistoryOrders { call, from, to, position, ticket, offset, limit }.into();
    let keep = |order: &Order| {
        query.keeps(&relay, &order.symbol) && [query.order, query.ticket].iter().flatten().all(|wanted| order.ticket == *wanted)
    };
    let page = page(&relay, &query, ask, |order: &Order| order.time_done, keep).await?;
    Ok(page.answer(&relay, order_json))
}

/// What one question to the terminal covers, broker time.
struct Span {
    from: i64,
    to: i64,
    offset: u32,
    limit: u32,
}

struct Page<T> {
    rows: Vec<T>,
    next: Option<Place>,
    loading: bool,
}

/// A place in a history that only grows: the second of the last row that was read, and how many of that second were. What a terminal
/// finds of older times while somebody pages does not move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    second: i64,
    read: u32,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (second, read) = text.split_once('.')?;
        Some(Self { second: second.parse().ok()?, read: read.parse().ok()? })
    }

    fn after(self, second: i64) -> Self {
        let read = if second == self.second { self.read.saturating_add(1) } else { 1 };
        Self { second, read }
    }
}

async fn page<T: DeserializeOwned>(
    relay: &Relay,
    query: &HistoryQuery,
    ask: impl Fn(u64, Span) -> FromHub,
    second: impl Fn(&T) -> i64,
    keep: impl Fn(&T) -> bool,
) -> ApiResult<Page<T>> {
    if !query.symbol.is_empty() {
        relay.caller.symbol(&query.symbol)?;
    }
    let from = broker_second(relay.clock, "from", query.from.as_ref(), 0)?;
    let to = broker_second(relay.clock, "to", query.to.as_ref(), i64::from(u32::MAX))?;
    let limit = query.limit.unwrap_or(if query.ticket.is_some() { ROWS_MAX } else { 500 }).clamp(1, ROWS_MAX);
    let mut place = match &query.cursor {
        Some(cursor) => {
            Place::parse(cursor).ok_or_else(|| ApiError::field("cursor", "must be a next_cursor of an earlier answer"))?
        }
        None => Place { second: from, read: 0 },
    };
    // One more than is shown tells whether there are more.
    let asked = if query.chooses(relay) { ROWS_MAX } else { limit + 1 };
    let mut rows = Vec::new();
    for _ in 0..QUESTIONS {
        let span = Span { from: place.second, to, offset: place.read, limit: asked };
        let Some(reply) = relay.ask_unless_loading(|call| ask(call, span)).await? else {
            return Ok(Page { rows, next: None, loading: true });
        };
        let found: Vec<T> = codec::rows(&reply.body, usize::try_from(asked).unwrap_or(usize::MAX))?;
        let count = found.len();
        let whole = u32::try_from(count).is_ok_and(|count| count < asked);
        for (at, row) in found.into_iter().enumerate() {
            place = place.after(second(&row));
            if keep(&row) {
                rows.push(row);
            }
            if u32::try_from(rows.len()).is_ok_and(|have| have == limit) {
                let more = at + 1 < count || !whole;
                return Ok(Page { rows, next: more.then_some(place), loading: false });
            }
        }
        if whole {
            return Ok(Page { rows, next: None, loading: false });
        }
    }
    Ok(Page { rows, next: Some(place), loading: false })
}

fn broker_second(clock: BrokerClock, field: &str, text: Option<&String>, otherwise: i64) -> ApiResult<i64> {
    let Some(text) = text else { return Ok(otherwise) };
    let at = parse_time(text).ok_or_else(|| ApiError::field(field, "must be RFC 3339, epoch seconds or epoch milliseconds"))?;
    Ok(clock.to_broker(at.0.div_euclid(1_000)))
}

impl<T> Page<T> {
    fn answer(self, relay: &Relay, show: impl Fn(&T, BrokerClock) -> Value) -> Response {
        let next = self.next.map(|place| format!("{}.{}", place.second, place.read));
        let mut body = list(self.rows.iter().map(|row| show(row, relay.clock)).collect(), next, relay.now);
        body["loading"] = json!(self.loading);
        let mut response = Json(body).into_response();
        if self.loading {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_counts_the_rows_of_its_second() {
        let start = Place { second: 0, read: 0 };
        let place = start.after(5).after(5).after(7).after(7).after(7);
        assert_eq!(place, Place { second: 7, read: 3 });
        assert_eq!(Place::parse("7.3"), Some(place));
        assert_eq!(Place { second: 7, read: 3 }.after(7), Place { second: 7, read: 4 }, "a page may begin inside of a second");
        for text in ["", "7", "7.", ".3", "7.-1", "x.1"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
