//! `GET /api/v1/stream`: what happens and how it stands, over a WebSocket. The messages are in `docs/streams.md`.

mod desk;
mod ending;
mod presence;
mod reader;
mod snapshots;
mod socket;
mod states;
mod topic;
mod words;

use std::{net::IpAddr, sync::Arc};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};
use tracing::debug;

use super::{
    ApiState,
    auth::{self, Caller, Connection, Shown},
    error::{ApiError, ApiResult},
    terminal_socket::handshake,
};
use crate::telemetry::metrics::count;
pub use desk::Streams;
pub(in crate::api) use desk::TICKET_LIFE;
pub(in crate::api) use ending::Ending;
pub use presence::watch_terminals;
pub(in crate::api) use reader::Reader;
pub(in crate::api) use topic::Item;
pub(in crate::api) use words::Encoding;

/// The versions of the protocol, by encoding.
const JSON: &str = "mtbridge.json.v1";
const MESSAGE_PACK: &str = "mtbridge.msgpack.v1";
/// A ticket among the subprotocols: where a browser can put one without it standing in the address.
const TICKET: &str = "mtbridge.ticket.";
/// Bytes of one message of a client: a few hundred things to follow.
const MESSAGE_MAX: usize = 64 << 10;

/// The upgrade.
pub(super) async fn connect(
    State(state): State<ApiState>,
    caller: Caller,
    connection: Option<Extension<Arc<Connection>>>,
    mut request: Request,
) -> ApiResult<Response> {
    let offered = protocols(request.headers());
    let chosen = offered.iter().find_map(|name| match name.as_str() {
        JSON => Some((Encoding::Json, JSON)),
        MESSAGE_PACK => Some((Encoding::MessagePack, MESSAGE_PACK)),
        _ => None,
    });
    // A client that offers nothing, like most command-line tools, gets JSON; one that offers only what is unknown is told.
    let (encoding, protocol) = match chosen {
        Some((encoding, name)) => (encoding, Some(name)),
        None if offered.is_empty() => (Encoding::Json, None),
        None => return Err(ApiError::malformed(format!("Sec-WebSocket-Protocol must offer {JSON} or {MESSAGE_PACK}"))),
    };
    let open = state.streams.open(&caller)?;
    let mut response = handshake(&request)?;
    let upgrade = request
        .extensions_mut()
        .remove::<hyper::upgrade::OnUpgrade>()
        .ok_or_else(|| ApiError::malformed("this connection cannot become a WebSocket"))?;
    let reader = Reader::new(state.clone(), caller, encoding, open);
    let serving = state.clone();
    state.streams.tasks().spawn(async move {
        let _place = connection;
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => return debug!(%error, "upgrade not finished"),
        };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(socket_settings())).await;
        let metrics = serving.hub.metrics();
        let readers = metrics.stream_readers.get_or_create_owned(&[("transport", "websocket")]);
        readers.inc();
        let (settings, stop) = (serving.streams.settings().clone(), serving.stopping.clone());
        let ending = socket::Wire { socket, encoding, settings, stop }.serve(reader).await;
        readers.dec();
        count(&metrics.stream_ends, "reason", ending.name());
    });
    if let Some(protocol) = protocol {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    Ok(response)
}

/// Every buffer and limit of a stream's socket.
fn socket_settings() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(16 << 10)
        // What is unsent when a frame is fed is bounded where it is fed; one frame is one record or list at most.
        .max_write_buffer_size(64 << 20)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
        .accept_unmasked_frames(false)
}

fn protocols(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Who begins a stream: whoever brings a ticket, or a key in `Authorization`. A page of another origin than the hub's own and those
/// of the settings gets nothing, and any page needs a ticket: what a browser sends by itself is no proof that its user wants it.
///
/// # Errors
/// 401; 403 `origin_refused`, `ticket_required`.
pub(in crate::api) fn shown(state: &ApiState, request: &Request, client: Option<IpAddr>) -> ApiResult<Shown> {
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN);
    if let Some(origin) = origin
        && !is_ours(state, headers, origin)
    {
        let detail = "pages of this origin may not open streams; add it to stream.origins";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "origin_refused", detail));
    }
    let offered = protocols(headers);
    let offered = offered.iter().find_map(|name| name.strip_prefix(TICKET));
    let in_query = request.uri().query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("ticket="));
    if let Some(ticket) = offered.or(in_query) {
        let shown = state.streams.redeem(ticket).and_then(|shown| reader::standing(state, &shown)).ok_or_else(|| {
            count(&state.hub.metrics().auth_failures, "reason", "ticket_unknown");
            ApiError::unauthorized("Invalid ticket: it is good once, for 30 seconds; POST /api/v1/tickets makes another")
        })?;
        auth::admit_from(state, &shown.key, client)?;
        return Ok(shown);
    }
    if origin.is_some() {
        let detail = "a page needs a ticket: POST /api/v1/tickets makes one";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "ticket_required", detail));
    }
    let shown = auth::authenticate(state, request, client)?;
    if shown.person.is_some() {
        let detail = "a login opens streams by a ticket: POST /api/v1/tickets makes one";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "ticket_required", detail));
    }
    Ok(shown)
}

/// Whether an origin is the hub's own address, or one that the operator names.
fn is_ours(state: &ApiState, headers: &HeaderMap, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = host.is_some_and(|host| ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme) == Some(host)));
    own || state.streams.settings().origins.iter().any(|allowed| allowed == origin)
}
