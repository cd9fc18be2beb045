//! Depth of market.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    error::ApiResult,
    extract::Path,
    json::{Names, named},
    relay::Relay,
};
use crate::{
    domain::{market::BookLevel, names},
    protocol::{codec, message::GetDepth},
};

const NAMES: [Names; 1] = [("type", names::book_type)];
/// Levels of one book.
const LEVELS_MAX: usize = 10_000;

/// A level of a book.
pub(super) fn level_json(level: &BookLevel) -> Value {
    Value::Object(named(level, &NAMES))
}

/// `GET …/depth/{symbol}`: the book as the terminal has it; `loading` until its first one has come from the broker.
pub(super) async fn depth(
    State(state): State<ApiState>,
    caller: Caller,
    Path((terminal, symbol)): Path<(String, String)>,
) -> ApiResult<Response> {
    let relay = Relay::open(&state, &caller, &terminal)?;
    caller.symbol(&symbol)?;
    let reply = relay.ask_unless_loading(|call| GetDepth { call, symbol: symbol.clone() }.into()).await?;
    let levels: Vec<BookLevel> = match &reply {
        Some(reply) => codec::rows(&reply.body, LEVELS_MAX)?,
        None => Vec::new(),
    };
    let mut body = relay.list(levels.iter().map(level_json));
    body["symbol"] = json!(symbol);
    body["loading"] = json!(reply.is_none());
    let mut response = Json(body).into_response();
    if reply.is_none() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}
