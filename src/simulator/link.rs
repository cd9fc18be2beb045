//! Getting to the hub: the WebSocket handshake, what its refusals mean, and how long to wait before the next attempt.

use std::{sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderValue, Response, Uri, header},
        protocol::WebSocketConfig,
    },
};

use tokio_util::either::Either;

use super::Refused;
use crate::{
    protocol::{self, CloseReason, close::comes_back},
    tls,
};

/// An open connection, plain or inside TLS; the latter is boxed because it is a kilobyte and rare.
pub(super) type Socket = WebSocketStream<Either<TcpStream, Box<TlsStream<TcpStream>>>>;

/// TCP and handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The hub's word on when to come back counts up to this.
const RETRY_AFTER_MAX: u64 = 300;
/// Messages of the hub are small; the largest is a trade.
const MESSAGE_MAX: usize = 1 << 20;

/// Why there is no connection, or no more.
#[derive(Debug)]
pub(super) enum Ended {
    /// For good.
    Refused(Refused),
    /// Come back, after `at_least` and after the back-off.
    ComeBack { at_least: Duration, reason: String },
}

impl Ended {
    pub(super) fn retry(reason: impl Into<String>) -> Self {
        Self::ComeBack { at_least: Duration::ZERO, reason: reason.into() }
    }

    /// What a close code means. `taken` is the wait when the token is in use elsewhere.
    pub(super) fn closed(code: u16, said: &str, taken: Duration) -> Self {
        let reason = CloseReason::from_code(code);
        let words = match (said.is_empty(), reason) {
            (false, _) => said.to_owned(),
            (true, Some(reason)) => reason.text().to_owned(),
            (true, None) => "no reason given".to_owned(),
        };
        let text = format!("closed by the hub with {code}: {words}");
        if !comes_back(code) {
            return Self::Refused(Refused { reason: text });
        }
        let is_taken = matches!(reason, Some(CloseReason::Replaced | CloseReason::AlreadyConnected));
        Self::ComeBack { at_least: if is_taken { taken } else { Duration::ZERO }, reason: text }
    }
}

/// Where to connect, checked once.
#[derive(Debug, Clone)]
pub(super) struct Address {
    request: Request,
    host: String,
    port: u16,
    /// For `wss://`: the name that the hub's certificate must have, and who may have signed it.
    tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
}

impl Address {
    /// Reads `ws://host:port/ws/terminal` or `wss://…`; without a path the hub's own is taken. Without `tls` the system's roots count.
    pub(super) fn new(url: &str, token: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self, Refused> {
        let refused = |what: String| Refused { reason: what };
        let uri: Uri = url.parse().map_err(|error| refused(format!("`{url}` is no address: {error}")))?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(refused(format!("`{url}` must begin with ws:// or wss://"))),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refused(format!("`{url}` names no host")))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = if secure {
            let name = ServerName::try_from(host.clone()).map_err(|error| refused(format!("`{host}`: {error}")))?;
            let config = tls.map_or_else(|| tls::client(None), Ok).map_err(|error| refused(error.to_string()))?;
            Some((name, config))
        } else {
            None
        };
        let whole = if matches!(uri.path(), "" | "/") {
            format!("{}{}", url.trim_end_matches('/'), protocol::PATH)
        } else {
            url.to_owned()
        };
        let mut request = whole.into_client_request().map_err(|error| refused(format!("`{url}` is no address: {error}")))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| refused("the token has characters that no HTTP header may have".into()))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol::SUBPROTOCOL));
        Ok(Self { request, host, port, tls })
    }

    /// Connects, once.
    pub(super) async fn connect(&self) -> Result<Socket, Ended> {
        let attempt = async {
            let stream =
                TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| Ended::retry(error.to_string()))?;
            stream.set_nodelay(true).map_err(|error| Ended::retry(error.to_string()))?;
            let stream = match &self.tls {
                None => Either::Left(stream),
                Some((name, config)) => {
                    let secured = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await;
                    Either::Right(Box::new(secured.map_err(|error| Ended::retry(format!("TLS: {error}")))?))
                }
            };
            // tungstenite's default of 128 KiB a socket would be a gigabyte for eight thousand terminals.
            let limits = WebSocketConfig::default()
                .read_buffer_size(4 * 1024)
                .write_buffer_size(16 * 1024)
                .max_write_buffer_size(4 << 20)
                .max_message_size(Some(MESSAGE_MAX))
                .max_frame_size(Some(MESSAGE_MAX));
            let answered = client_async_with_config(self.request.clone(), stream, Some(limits)).await;
            answered.map(|(socket, _)| socket).map_err(|error| match error {
                tungstenite::Error::Http(response) => refusal(&response),
                other => Ended::retry(other.to_string()),
            })
        };
        tokio::time::timeout(CONNECT_TIMEOUT, attempt).await.unwrap_or_else(|_| Err(Ended::retry("no answer in time")))
    }
}

/// 401 and 403 are final; everything else is worth another attempt.
pub(super) fn refusal(response: &Response<Option<Vec<u8>>>) -> Ended {
    let status = response.status();
    let body = response.body().as_deref().unwrap_or_default();
    let told = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = told.as_ref().and_then(|body| body.get("message")).and_then(serde_json::Value::as_str);
    let words = message.unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given"));
    // The hub's own words begin with the number already; a proxy's do not.
    let number = format!("Error {}: ", status.as_u16());
    let words = words.strip_prefix(&number).unwrap_or(words);
    let reason = format!("{number}{}", words.chars().take(200).collect::<String>());
    if matches!(status.as_u16(), 401 | 403) {
        return Ended::Refused(Refused { reason });
    }
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    Ended::ComeBack { at_least: Duration::from_secs(after.unwrap_or(0).min(RETRY_AFTER_MAX)), reason }
}

/// The waits between attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first wait.
    pub base: Duration,
    /// The longest.
    pub max: Duration,
    /// The least wait after "already connected" and "replaced", so that two terminals never push each other out in a loop.
    pub taken: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(500), max: Duration::from_secs(30), taken: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The wait after `failures` attempts in a row; `dice` in 0..1 spreads terminals that lost the same hub.
    pub(super) fn wait(&self, failures: u32, dice: f64) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(failures.min(20)));
        doubled.min(self.max).mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_half_a_second_to_thirty_and_are_spread() {
        let backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|n| backoff.wait(n, 1.0).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.wait(0, 0.0), Duration::from_millis(250));
        assert_eq!(backoff.wait(u32::MAX, 1.0), backoff.max);
    }

    #[test]
    fn only_close_codes_from_4500_on_are_final_and_a_token_in_use_waits_longer() {
        let taken = Duration::from_secs(30);
        assert!(matches!(Ended::closed(4500, "", taken), Ended::Refused(r) if r.reason.contains("Error 401")));
        assert!(
            matches!(Ended::closed(4502, "use another", taken), Ended::Refused(r) if r.reason.ends_with("4502: use another"))
        );
        for (code, wait) in [(1006, 0), (4000, 0), (4001, 30), (4002, 30), (4003, 0)] {
            assert!(
                matches!(Ended::closed(code, "", taken), Ended::ComeBack { at_least, .. } if at_least.as_secs() == wait),
                "{code}"
            );
        }
    }

    #[test]
    fn a_refused_handshake_is_told_in_the_hubs_own_words() {
        let answer = |status: u16, body: &str| {
            let response =
                Response::builder().status(status).header("retry-after", "7").body(Some(body.as_bytes().to_vec())).unwrap();
            refusal(&response)
        };
        let json = r#"{"error":"unauthorized","message":"the token was revoked"}"#;
        assert!(matches!(answer(401, json), Ended::Refused(r) if r.reason == "Error 401: the token was revoked"));
        let ours = r#"{"error":"unauthorized","message":"Error 401: unknown token"}"#;
        assert!(matches!(answer(401, ours), Ended::Refused(r) if r.reason == "Error 401: unknown token"), "told once");
        assert!(matches!(answer(403, "<html>"), Ended::Refused(r) if r.reason == "Error 403: Forbidden"));
        for status in [429, 500, 503] {
            assert!(matches!(answer(status, ""), Ended::ComeBack { at_least, .. } if at_least.as_secs() == 7), "{status}");
        }
    }

    #[test]
    fn an_address_without_a_path_gets_the_hubs() {
        let address = |url: &str| Address::new(url, "t", None).unwrap();
        let path = |url: &str| address(url).request.uri().path().to_owned();
        assert_eq!(path("ws://127.0.0.1:8080"), "/ws/terminal");
        assert_eq!(path("ws://127.0.0.1:8080/"), "/ws/terminal");
        assert_eq!(path("ws://[::1]:8080/a/b"), "/a/b");
        assert_eq!((address("wss://hub.example").port, address("ws://hub.example").port), (443, 80));
        assert!(Address::new("https://hub.example", "t", None).unwrap_err().reason.contains("wss://"));
        assert!(Address::new("nonsense", "t", None).is_err());
        assert!(!format!("{:?}", Address::new("ws://a", "mtb_secret", None).unwrap()).contains("mtb_secret"));
    }
}
