//! One socket and what waits to be written to it, driven by polling so that reading goes on while a write waits.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Sink, Stream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::handle::Begun;
use crate::protocol::{FromHub, codec::Messages};

/// What a session actor needs of a socket; the tests use channels.
pub trait Socket: Stream<Item = Result<Message, SocketError>> + Sink<Message, Error = SocketError> + Unpin + Send {}
impl<S> Socket for S where S: Stream<Item = Result<Message, SocketError>> + Sink<Message, Error = SocketError> + Unpin + Send {}

/// What waits to be written.
#[derive(Debug)]
enum Outgoing {
    /// As it is.
    Frame(Message),
    /// Numbered when it is handed to the socket, because until then it may be taken back, and the numbers have no gap. Dropping it tells
    /// whoever asked: the receiver of `begun` sees an error.
    Message { message: Box<FromHub>, begun: Option<Begun> },
}

/// What happened on the socket.
#[derive(Debug)]
pub(super) enum Input {
    Frame(Message),
    /// A full backlog has shrunk: there is room again.
    Room,
    Closed,
    Failed(SocketError),
}

pub(super) struct Wire<S> {
    socket: S,
    waiting: VecDeque<Outgoing>,
    /// Number of the last message that was handed to the socket.
    sequence: u64,
    dirty: bool,
    /// The backlog was full when it was last looked at, and mail was held back for it.
    was_full: bool,
    /// Since when something is unwritten.
    stuck_since: Option<Instant>,
    read_closed: bool,
}

impl<S: Socket> Wire<S> {
    pub(super) fn new(socket: S) -> Self {
        Self {
            socket,
            waiting: VecDeque::new(),
            sequence: 0,
            dirty: false,
            was_full: false,
            stuck_since: None,
            read_closed: false,
        }
    }

    /// Puts a message behind what waits; it is written when the socket is polled next, together with the others.
    pub(super) fn push(&mut self, message: Box<FromHub>, begun: Option<Begun>) {
        self.wait(Outgoing::Message { message, begun });
    }

    /// The same with a frame that has no number.
    pub(super) fn push_frame(&mut self, frame: Message) {
        self.wait(Outgoing::Frame(frame));
    }

    fn wait(&mut self, what: Outgoing) {
        self.stuck_since.get_or_insert_with(Instant::now);
        self.waiting.push_back(what);
    }

    /// How many frames wait.
    pub(super) fn backlog(&self) -> usize {
        self.waiting.len()
    }

    /// Since when the peer has not taken what we write.
    pub(super) fn stuck_since(&self) -> Option<Instant> {
        self.stuck_since
    }

    /// Writes what it can, then reads one frame. Says so when a backlog of `full` frames has shrunk, because whoever held mail
    /// back for it would otherwise wait for a frame that may not come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, full: usize) -> Poll<Input> {
        self.was_full |= self.backlog() >= full;
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(Input::Failed(error));
        }
        if self.was_full && self.backlog() < full {
            self.was_full = false;
            return Poll::Ready(Input::Room);
        }
        match Pin::new(&mut self.socket).poll_next(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Input::Frame(frame)),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Input::Failed(error)),
            Poll::Ready(None) => Poll::Ready(Input::Closed),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ready when nothing is left to write: all frames handed over, then one flush for all of them.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        while !self.waiting.is_empty() {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            let frame = match self.waiting.pop_front() {
                // Told before: handing a frame over may write, and fail half-way.
                None => break,
                Some(Outgoing::Frame(frame)) => frame,
                Some(Outgoing::Message { message, begun }) => {
                    if !begun.is_none_or(Begun::begin) {
                        // It was taken back.
                        continue;
                    }
                    self.sequence += 1;
                    Message::Binary(message.encode(self.sequence).into())
                }
            };
            self.dirty = true;
            Pin::new(&mut self.socket).start_send(frame)?;
        }
        if self.dirty {
            match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.dirty = false,
                other => return other,
            }
        }
        self.stuck_since = None;
        Poll::Ready(Ok(()))
    }

    /// Drops what waits, writes a close frame and reads until the peer has answered it or hung up.
    pub(super) async fn close(&mut self, frame: Message) {
        self.waiting.clear();
        self.push_frame(frame);
        let _ = std::future::poll_fn(|cx| self.poll_write(cx)).await;
        while !self.read_closed {
            match std::future::poll_fn(|cx| self.poll(cx, usize::MAX)).await {
                Input::Frame(_) | Input::Room => {}
                Input::Closed | Input::Failed(_) => self.read_closed = true,
            }
        }
    }
}
