//! The end of a connection whose request was not read to its end.
//!
//! Closing a socket that holds unread bytes sends a reset, and a reset takes the answer with it that the client has not read yet: whoever
//! writes a large body before it reads would never learn that it was too large. So the hub says that it is done (FIN), and throws away
//! what still comes, for a while and so much, until the client has closed too.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// A connection that ends is read for so long at most. Below what a stop of the hub leaves to requests.
const LONGEST: Duration = Duration::from_secs(5);
/// And so many bytes, which is what a mistaken upload may have; who sends more is cut.
const MOST: usize = 16 << 20;
/// Read at once, bytes.
const PIECE: usize = 16 << 10;

/// Whether the request of the moment has bytes that nobody read; shared by a connection and its requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// A new request's body, which tells when it is dropped before its end.
    pub(super) fn watch<B: Body>(&self, body: B) -> Watched<B> {
        self.0.store(false, Ordering::Relaxed);
        Watched { body, ended: false, unread: self.clone() }
    }
}

/// A request's body.
#[derive(Debug)]
pub(super) struct Watched<B: Body> {
    body: B,
    /// Its end was read: a body in chunks does not know it otherwise.
    ended: bool,
    unread: Unread,
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body> Drop for Watched<B> {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.unread.0.store(true, Ordering::Relaxed);
        }
    }
}

/// A connection that waits for the client to close first when something was left unread.
#[derive(Debug)]
pub(super) struct Lingering<S> {
    stream: S,
    unread: Unread,
    leaving: Option<Leaving>,
}

/// Its last part.
#[derive(Debug)]
struct Leaving {
    /// Our half is closed.
    is_shut: bool,
    until: Pin<Box<Sleep>>,
    left: usize,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, unread: Unread) -> Self {
        Self { stream, unread, leaving: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.unread.0.load(Ordering::Relaxed) {
            return Pin::new(&mut this.stream).poll_shutdown(cx);
        }
        let new = || Leaving { is_shut: false, until: Box::pin(sleep(LONGEST)), left: MOST };
        let leaving = this.leaving.get_or_insert_with(new);
        // Saying that we are done may take its time, too: inside TLS it waits for the client.
        if leaving.until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if !leaving.is_shut {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            leaving.is_shut = true;
        }
        let mut piece = [0; PIECE];
        while leaving.left > 0 {
            let mut buffer = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => leaving.left = leaving.left.saturating_sub(buffer.filled().len()),
                // Closed, or gone: nobody is left whose answer could be lost.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::Instant,
    };

    use super::*;

    fn left_unread() -> (Lingering<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(1 << 10);
        let unread = Unread::default();
        unread.0.store(true, Ordering::Relaxed);
        (Lingering::new(ours, unread), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_the_answer_is_thrown_away_until_the_client_closes() {
        let (mut ours, mut theirs) = left_unread();
        ours.write_all(b"answer").await.unwrap();
        let begun = Instant::now();
        let client = async move {
            theirs.write_all(&[0; 100_000]).await.unwrap();
            let mut answer = Vec::new();
            theirs.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let (answer, ended) = tokio::join!(client, ours.shutdown());
        ended.unwrap();
        assert_eq!(answer, b"answer");
        assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waited for anything else");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_neither_sends_nor_closes_is_left_after_five_seconds() {
        let (mut ours, _theirs) = left_unread();
        let begun = Instant::now();
        ours.shutdown().await.unwrap();
        assert_eq!(begun.elapsed(), LONGEST);
    }

    /// A stream whose end cannot be said, like TLS with a client that does not read.
    struct Stuck(DuplexStream);

    impl AsyncRead for Stuck {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Stuck {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_to_whom_the_end_cannot_be_said_is_left_after_five_seconds() {
        let (Lingering { stream, unread, .. }, _theirs) = left_unread();
        let begun = Instant::now();
        let mut ours = Lingering::new(Stuck(stream), unread);
        tokio::time::timeout(LONGEST * 2, ours.shutdown()).await.expect("it ends").unwrap();
        assert_eq!(begun.elapsed(), LONGEST);
    }

    /// A body in chunks: that it has ended is known when there is no next one, and not before.
    struct Chunks(Option<&'static [u8]>);

    impl Body for Chunks {
        type Data = &'static [u8];
        type Error = io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, io::Error>>> {
            Poll::Ready(self.0.take().map(|chunk| Ok(Frame::data(chunk))))
        }
    }

    #[tokio::test]
    async fn a_body_in_chunks_was_read_when_its_end_was() {
        let unread = Unread::default();
        let mut body = unread.watch(Chunks(Some(b"chunk")));
        assert!(body.frame().await.is_some());
        assert!(body.frame().await.is_none());
        drop(body);
        assert!(!unread.0.load(Ordering::Relaxed), "nothing is left");
        let mut body = unread.watch(Chunks(Some(b"chunk")));
        assert!(body.frame().await.is_some());
        drop(body);
        assert!(unread.0.load(Ordering::Relaxed), "there may be more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_without_end_is_cut_at_sixteen_megabytes() {
        let (mut ours, mut theirs) = left_unread();
        let client = async move {
            let mut sent = 0;
            while let Ok(more) = theirs.write(&[0; 1 << 10]).await {
                sent += more;
            }
            sent
        };
        let hub = async move { ours.shutdown().await.unwrap() };
        let (sent, ()) = tokio::join!(client, hub);
        assert!((MOST..=MOST + (2 << 10)).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_requests_were_read_ends_at_once() {
        let (ours, _theirs) = duplex(1 << 10);
        let begun = Instant::now();
        Lingering::new(ours, Unread::default()).shutdown().await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
