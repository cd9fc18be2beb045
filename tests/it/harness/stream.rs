//! A client of `/api/v1/stream`.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use super::soon;

/// One open stream.
pub struct StreamClient {
    pub socket: WebSocketStream<TcpStream>,
    packed: bool,
}

/// What the hub said instead of opening one.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub body: Value,
}

/// What a client sends with its handshake.
#[derive(Default, Clone)]
pub struct Opening<'a> {
    pub key: Option<&'a str>,
    pub query: &'a str,
    pub protocols: &'a str,
    pub origin: Option<&'a str>,
    /// Bytes that the client's side of the connection takes unread; none: the system's default.
    pub receive_buffer: Option<u32>,
}

impl StreamClient {
    pub async fn open(address: SocketAddr, opening: Opening<'_>) -> Result<Self, Refused> {
        let mut request = format!("ws://{address}/api/v1/stream{}", opening.query).into_client_request().unwrap();
        let headers = request.headers_mut();
        if let Some(key) = opening.key {
            headers.insert("authorization", format!("Bearer {key}").parse().unwrap());
        }
        if !opening.protocols.is_empty() {
            headers.insert("sec-websocket-protocol", opening.protocols.parse().unwrap());
        }
        if let Some(origin) = opening.origin {
            headers.insert("origin", origin.parse().unwrap());
        }
        let tcp = tokio::net::TcpSocket::new_v4().unwrap();
        if let Some(bytes) = opening.receive_buffer {
            tcp.set_recv_buffer_size(bytes).unwrap();
        }
        let tcp = soon("the hub accepts", tcp.connect(address)).await.unwrap();
        match soon("the handshake", client_async(request, tcp)).await {
            Ok((socket, _)) => Ok(Self { socket, packed: opening.protocols.contains("msgpack") }),
            Err(Error::Http(answer)) => {
                let body = answer.body().as_ref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
                Err(Refused { status: answer.status().as_u16(), body })
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// With a key, in JSON.
    pub async fn with_key(address: SocketAddr, key: &str) -> Self {
        let opening = Opening { key: Some(key), protocols: "mtbridge.json.v1", ..Opening::default() };
        Self::open(address, opening).await.unwrap()
    }

    pub async fn send(&mut self, message: Value) {
        let frame = match self.packed {
            true => Message::Binary(rmp_serde::to_vec_named(&message).unwrap().into()),
            false => Message::Text(message.to_string().into()),
        };
        soon("the hub reads", self.socket.send(frame)).await.unwrap();
    }

    /// The next message that is no sign of life.
    pub async fn next(&mut self) -> Value {
        loop {
            let message = self.any().await.unwrap_or_else(|(code, reason)| panic!("closed: {code} {reason}"));
            if message["type"] != "heartbeat" {
                return message;
            }
        }
    }

    /// The next message, or with which code and reason the stream ended.
    pub async fn any(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Binary(bytes))) => return Ok(rmp_serde::from_slice(&bytes).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return Err((frame.code.into(), frame.reason.to_string())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err((0, error.to_string())),
                None => return Err((0, "no close frame".to_owned())),
            }
        }
    }

    /// Reads on until a message is as wanted; what comes before it is thrown away.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Follows these, and returns the answer.
    pub async fn subscribe(&mut self, items: Value, cursor: Option<&str>) -> Value {
        let mut message = serde_json::json!({"id": 1, "subscribe": items});
        if let Some(cursor) = cursor {
            message["cursor"] = cursor.into();
        }
        self.send(message).await;
        self.until(|message| message["type"] == "answer" || message["type"] == "error").await
    }

    /// Reads to the end: with which code and reason.
    pub async fn ended(&mut self) -> (u16, String) {
        loop {
            if let Err(end) = self.any().await {
                return end;
            }
        }
    }
}
