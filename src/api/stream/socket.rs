//! The WebSocket of one reader: its messages in, frames out, signs of life both ways.

use std::{io::ErrorKind, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    select,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_tungstenite::tungstenite::{
    Error as SocketError, Message, Utf8Bytes,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use tokio_util::sync::CancellationToken;

use super::{ending::Ending, reader::Reader, topic::Item, words::Encoding};
use crate::{config, hub::Socket};

/// Bytes handed to the socket before they are flushed; with one frame more this is all that a reader who does not read costs.
pub(super) const UNSENT_MAX: usize = 64 << 10;
/// Silence of so many heartbeats is the end.
const SILENT_BEATS: u32 = 3;
/// At a stop a reader has so long to take its goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a client sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FromClient {
    id: Value,
    subscribe: Option<Vec<Item>>,
    unsubscribe: Option<Vec<Item>>,
    cursor: Option<String>,
    ping: bool,
}

pub(super) struct Wire<S> {
    pub(super) socket: S,
    pub(super) encoding: Encoding,
    pub(super) settings: config::Stream,
    pub(super) stop: CancellationToken,
}

impl<S: Socket> Wire<S> {
    /// Serves until the end, and says why it was.
    pub(super) async fn serve(mut self, mut reader: Reader) -> Ending {
        let ending = self.converse(&mut reader).await.err().unwrap_or(Ending::Gone);
        // What is followed ends now, not when the goodbye is through.
        drop(reader);
        if ending != Ending::Gone {
            let frame = CloseFrame { code: CloseCode::from(ending.code()), reason: ending.name().into() };
            let patience = if ending == Ending::TooSlow { self.settings.write_timeout } else { GOODBYE };
            let stop = self.stop.clone();
            let closing = async {
                let _ = self.socket.send(Message::Close(Some(frame))).await;
                // Until the peer has answered it: a plain reset could take the goodbye with it.
                while let Some(Ok(_)) = self.socket.next().await {}
            };
            select! {
                _ = timeout(patience, closing) => {}
                () = stopped_a_while_ago(&stop) => {}
            }
        }
        ending
    }

    async fn converse(&mut self, reader: &mut Reader) -> Result<(), Ending> {
        let stop = self.stop.clone();
        let mut heard = Instant::now();
        let every = self.settings.heartbeat;
        let mut beat = interval_at(Instant::now() + every, every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                biased;
                () = stop.cancelled() => return Err(Ending::Shutdown),
                // Whoever asks a lot and reads nothing is not listened to.
                incoming = self.socket.next(), if reader.is_idle() => {
                    heard = Instant::now();
                    self.hear(incoming, reader).await?;
                }
                _ = beat.tick() => {
                    if heard.elapsed() > every * SILENT_BEATS && reader.is_idle() {
                        return Err(Ending::HeartbeatLost);
                    }
                    reader.beat().await;
                    self.write(Message::Ping(Bytes::new()), reader).await?;
                }
                frame = reader.next() => {
                    let frame = self.message(frame?)?;
                    self.write(frame, reader).await?;
                }
            }
        }
    }

    fn message(&self, frame: Bytes) -> Result<Message, Ending> {
        match self.encoding {
            Encoding::MessagePack => Ok(Message::Binary(frame)),
            // Our own JSON is UTF-8.
            _ => Utf8Bytes::try_from(frame).map(Message::Text).map_err(|_| Ending::Protocol),
        }
    }

    /// Writes a frame and those that are ready behind it, with one flush.
    async fn write(&mut self, first: Message, reader: &mut Reader) -> Result<(), Ending> {
        let (stop, patience) = (self.stop.clone(), self.settings.write_timeout);
        let writing = async {
            let mut unsent = first.len();
            let mut next = Some(first);
            while let Some(frame) = next.take() {
                self.socket.feed(frame).await.map_err(|error| broken(&error))?;
                if unsent < UNSENT_MAX
                    && let Some(frame) = reader.ready()
                {
                    unsent += frame.len();
                    next = Some(self.message(frame)?);
                }
            }
            self.socket.flush().await.map_err(|error| broken(&error))
        };
        select! {
            biased;
            () = stop.cancelled() => Err(Ending::Shutdown),
            written = timeout(patience, writing) => written.unwrap_or(Err(Ending::TooSlow)),
        }
    }

    async fn hear(&mut self, incoming: Option<Result<Message, SocketError>>, reader: &mut Reader) -> Result<(), Ending> {
        let read = match incoming {
            Some(Ok(Message::Text(text))) if self.encoding == Encoding::Json => {
                serde_json::from_str::<FromClient>(&text).map_err(|error| error.to_string())
            }
            Some(Ok(Message::Binary(bytes))) if self.encoding == Encoding::MessagePack => {
                rmp_serde::from_slice::<FromClient>(&bytes).map_err(|error| error.to_string())
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Close(_))) | None => return Err(Ending::Gone),
            Some(Ok(_)) => return Err(Ending::Protocol),
            Some(Err(SocketError::Capacity(_))) => return Err(Ending::TooLarge),
            Some(Err(SocketError::Protocol(_) | SocketError::Utf8(_))) => return Err(Ending::Protocol),
            Some(Err(error)) => return Err(broken(&error)),
        };
        let message = match read {
            Ok(message) => message,
            Err(error) => {
                let text = format!("this is no message of mine: {error}");
                reader.answer(&json!({"type": "error", "id": null, "code": "malformed_request", "message": text}));
                return Ok(());
            }
        };
        if let Some(items) = &message.unsubscribe {
            reader.unsubscribe(&message.id, items);
        }
        if let Some(items) = &message.subscribe {
            if !reader.may_ask(&message.id) {
                return Ok(());
            }
            reader.subscribe(&message.id, items, message.cursor.as_deref()).await?;
        } else if message.ping || message.unsubscribe.is_none() {
            let cursor = reader.cursor().await;
            reader.answer(&json!({"type": "answer", "id": message.id, "cursor": cursor}));
        }
        Ok(())
    }
}

/// Why a stream ends whose connection broke. The system, too, gives up on a peer that takes nothing, and while its buffers fill slowly it does
/// so before a write of ours has waited for too long.
fn broken(error: &SocketError) -> Ending {
    match error {
        SocketError::Io(error) if error.kind() == ErrorKind::TimedOut => Ending::TooSlow,
        _ => Ending::Gone,
    }
}

/// Resolves when a goodbye must not hold up a stop any longer.
async fn stopped_a_while_ago(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GOODBYE).await;
}
