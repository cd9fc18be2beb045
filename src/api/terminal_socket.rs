//! `GET /ws/terminal`: the token is judged before the upgrade, so a bad one is a plain 401 that an Expert Advisor can print.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::server::create_response,
        protocol::{Role, WebSocketConfig},
    },
};
use tracing::{debug, info};

use super::{
    ApiState,
    auth::{Connection, bearer},
    denied,
    error::{ApiError, ApiResult},
};
use crate::{
    access::{AccessError, Found},
    config,
    hub::Peer,
    protocol::{self, CloseReason},
    telemetry::{metrics::count, origin},
};

/// The upgrade.
#[utoipa::path(
    get,
    path = "/ws/terminal",
    operation_id = "terminalSocket",
    tag = "Operation",
    summary = "Where terminals connect",
    description = "A WebSocket with the subprotocol of the terminal protocol, and a connection token instead of a key.",
    responses(
        (status = 101, description = "The connection is a WebSocket now."),
        (status = "4XX", description = "malformed_request unauthorized forbidden upgrade_required too_many_failures owner_disabled/503"),
    )
)]
pub(super) async fn connect(
    State(state): State<ApiState>,
    connection: Option<Extension<Arc<Connection>>>,
    mut request: Request,
) -> ApiResult<Response> {
    let remote = connection.as_ref().map_or_else(|| "unknown".to_owned(), |Extension(connection)| connection.to_string());
    // A browser always sends Origin, and no terminal does: a page must not speak for one.
    if request.headers().contains_key(header::ORIGIN) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "terminals do not send Origin; browsers do not belong here",
        ));
    }
    let failed = |reason, words: &str| {
        count(&state.hub.metrics().auth_failures, "reason", reason);
        info!(remote, reason, "terminal refused");
        ApiError::unauthorized(words).denied_as(reason)
    };
    let secret = bearer(request.headers())
        .map_err(|_| failed("token_missing", "Error 401: send the connection token as Authorization: Bearer mtb_…"))?;
    let from = connection.as_ref().map_or_else(|| remote.clone(), |Extension(connection)| connection.client.to_string());
    let token = state.access.present_token(secret).map_err(|error| {
        denied::name(&state, secret);
        note_refusal(&state, secret, &from, &error);
        let refusal = match error {
            AccessError::Expired => failed("token_expired", "Error 401: the token has expired; ask for a new one"),
            // Perhaps for a while only, so unlike a 401 it is no reason to stay away; and it is no wrong secret.
            AccessError::OwnerDisabled => {
                failed("owner_disabled", "");
                return ApiError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "owner_disabled",
                    "the user that this token belongs to is disabled",
                )
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            AccessError::Revoked => failed("token_revoked", "Error 401: the token was revoked; ask for a new one"),
            _ => failed("token_unknown", "Error 401: unknown token; check that it was copied whole"),
        };
        let address = connection.as_ref().map(|Extension(connection)| connection.client);
        denied::failed(&state, "terminal", address, refusal)
    })?;
    if let Some(Extension(connection)) = &connection {
        connection.authenticated();
    }
    if !offers_our_protocol(&request) {
        state.hub.note_refused(token.id, &from, CloseReason::ProtocolVersion);
        return Err(ApiError::malformed(format!("Sec-WebSocket-Protocol must offer {}", protocol::SUBPROTOCOL)));
    }
    let mut response = handshake(&request)?;
    let upgrade = request
        .extensions_mut()
        .remove::<hyper::upgrade::OnUpgrade>()
        .ok_or_else(|| ApiError::malformed("this connection cannot become a WebSocket"))?;
    let peer =
        Peer { address: remote, origin: origin::current(), place: connection.map(|Extension(connection)| connection as _) };
    let (hub, settings) = (state.hub.clone(), socket_settings(&state.terminals));
    // Short-lived: it ends as soon as the 101 is written, and hands the socket to the hub's own tracked task.
    state.tasks.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(settings)).await;
                hub.serve(socket, token, peer);
            }
            Err(error) => debug!(%error, "upgrade not finished"),
        }
    });
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol::SUBPROTOCOL));
    Ok(response)
}

/// Tells the token's owner, if the secret is one of ours that is not good any more.
fn note_refusal(state: &ApiState, secret: &str, from: &str, error: &AccessError) {
    let reason = match error {
        AccessError::Expired => CloseReason::TokenExpired,
        AccessError::Revoked => CloseReason::TokenRevoked,
        AccessError::OwnerDisabled => CloseReason::OwnerDisabled,
        _ => return,
    };
    if let Some(Found::Token(token)) = state.access.find(secret) {
        state.hub.note_refused(token.id, from, reason);
    }
}

fn offers_our_protocol(request: &Request) -> bool {
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    offered
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == protocol::SUBPROTOCOL)
}

/// The 101 that RFC 6455 section 4.2.2 asks for, by tungstenite's own check of the request's headers.
pub(super) fn handshake(request: &Request) -> ApiResult<Response> {
    let mut bare = axum::http::Request::builder().method(request.method()).uri(request.uri()).version(request.version());
    for (name, value) in request.headers() {
        bare = bare.header(HeaderName::clone(name), value.clone());
    }
    let bare = bare.body(()).map_err(|error| ApiError::malformed(error.to_string()))?;
    create_response(&bare).map(|response| response.map(|()| axum::body::Body::empty()).into_response()).map_err(|error| {
        ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            format!("this address speaks WebSocket (RFC 6455) only: {error}"),
        )
        .with_header(header::UPGRADE, HeaderValue::from_static("websocket"))
    })
}

/// Every buffer and limit of a terminal's socket; the library's defaults are 128 KiB of read buffer and no limit on unsent bytes.
fn socket_settings(terminals: &config::Terminals) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(terminals.read_buffer_bytes)
        .write_buffer_size(terminals.max_control_bytes)
        .max_write_buffer_size(terminals.max_write_buffer_bytes)
        .max_message_size(Some(terminals.max_data_bytes))
        .max_frame_size(Some(terminals.max_data_bytes))
        .accept_unmasked_frames(false)
}
