//! One socket and what waits to be written to it, driven by polling so that reading goes on while a write waits.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Sink, Stream};
use tokio::{sync::oneshot, time::Instant};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// What a session actor needs of a socket; the tests use channels.
pub trait Socket: Stream<Item = Result<Message, SocketError>> + Sink<Message, Error = SocketError> + Unpin + Send {}
impl<S> Socket for S where S: Stream<Item = Result<Message, SocketError>> + Sink<Message, Error = SocketError> + Unpin + Send {}

/// A frame that waits. Dropping it before its first byte is written tells whoever asked: the receiver of `begun` sees an error.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) message: Message,
    pub(super) begun: Option<oneshot::Sender<()>>,
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
    dirty: bool,
    /// The backlog was full when it was last looked at, and mail was held back for it.
    was_full: bool,
    /// Since when something is unwritten.
    stuck_since: Option<Instant>,
    read_closed: bool,
}

impl<S: Socket> Wire<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, waiting: VecDeque::new(), dirty: false, was_full: false, stuck_since: None, read_closed: false }
    }

    /// Puts a frame behind the others; it is written when the socket is polled next, together with them.
    pub(super) fn push(&mut self, frame: Outgoing) {
        self.stuck_since.get_or_insert_with(Instant::now);
        self.waiting.push_back(frame);
    }

    pub(super) fn push_message(&mut self, message: Message) {
        self.push(Outgoing { message, begun: None });
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
            if let Some(frame) = self.waiting.pop_front() {
                self.dirty = true;
                // Told before: handing a frame over may write, and fail half-way. Nobody waits any more: then nobody needs to know.
                if let Some(begun) = frame.begun {
                    let _ = begun.send(());
                }
                Pin::new(&mut self.socket).start_send(frame.message)?;
            }
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
        self.push_message(frame);
        let _ = std::future::poll_fn(|cx| self.poll_write(cx)).await;
        while !self.read_closed {
            match std::future::poll_fn(|cx| self.poll(cx, usize::MAX)).await {
                Input::Frame(_) | Input::Room => {}
                Input::Closed | Input::Failed(_) => self.read_closed = true,
            }
        }
    }
}
