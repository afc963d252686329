//! A stream whose writes are gathered until its connection has nothing more to do now: then they are sent as one.
//!
//! An HTTP/2 server writes and flushes each answer by itself. Of several that are ready at once, each would be a TLS record and a system
//! call of its own, at our side and at the peer's.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ByteStream;

/// The most bytes that are gathered: those of one TLS record (RFC 8446 section 5.1). More are sent at once.
const GATHERED_MAX: usize = 16 << 10;
/// The room that is kept for the next bytes; more is given back, since a connection may be idle for long.
const ROOM_KEPT: usize = 4 << 10;

/// The stream. Its clones are the same stream: one is for who reads and writes, one for who sends what was gathered.
#[derive(Clone)]
pub(super) struct GatheredStream(Arc<Mutex<GatheredParts>>);

struct GatheredParts {
    stream: Box<dyn ByteStream>,
    waiting: Vec<u8>,
    /// How many of the waiting bytes were sent.
    sent: usize,
    /// Bytes were written to the stream that it may hold back.
    is_unflushed: bool,
    /// Nothing is gathered any more.
    is_passing: bool,
    /// Why sending has failed, for who writes next.
    failure: Option<io::Error>,
}

impl GatheredStream {
    pub fn new(stream: Box<dyn ByteStream>) -> Self {
        Self(Arc::new(Mutex::new(GatheredParts {
            stream,
            waiting: Vec::new(),
            sent: 0,
            is_unflushed: false,
            is_passing: false,
            failure: None,
        })))
    }

    /// A connection by this stream, which sends after each of its turns what was gathered in it.
    pub async fn sending_after_each_turn<T>(&self, connection: impl Future<Output = T>) -> T {
        let mut connection = pin!(connection);
        poll_fn(|context| {
            let turn = connection.as_mut().poll(context);
            if turn.is_ready() {
                self.pass(context)
            } else {
                self.send(context)
            }
            turn
        })
        .await
    }

    /// Sends what was gathered. If that takes longer, the task is woken to do it again.
    fn send(&self, context: &mut Context<'_>) {
        let mut gathering = self.gathering();
        if let Poll::Ready(Err(error)) = gathering.poll_sent(context) {
            gathering.failure = Some(error);
        }
    }

    /// The same, and gathers nothing from then on: nobody will send it, since another protocol has the stream now.
    fn pass(&self, context: &mut Context<'_>) {
        self.gathering().is_passing = true;
        self.send(context);
    }

    fn gathering(&self) -> MutexGuard<'_, GatheredParts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GatheredParts {
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.waiting.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
            self.is_unflushed = true;
        }
        self.sent = 0;
        if self.waiting.capacity() > ROOM_KEPT {
            self.waiting = Vec::new();
        }
        self.waiting.clear();
        if self.is_unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure));
        }
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let has_room = self.waiting.len() + length <= GATHERED_MAX;
        if has_room && !self.is_passing {
            for part in parts {
                self.waiting.extend_from_slice(part);
            }
            return Poll::Ready(Ok(length));
        }
        ready!(self.poll_sent(context))?;
        if length <= GATHERED_MAX && !self.is_passing {
            return self.poll_write(context, parts);
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, parts))?;
        self.is_unflushed = true;
        Poll::Ready(Ok(written))
    }
}

impl AsyncRead for GatheredStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.gathering();
        // Whoever only listens sends what was left over.
        if gathering.is_passing
            && let Poll::Ready(Err(error)) = gathering.poll_sent(context)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut gathering.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for GatheredStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.gathering().poll_write(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.gathering().poll_write(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// While writes are gathered they are flushed by [`GatheredStream::send`], at the end of the connection's turn.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.gathering();
        match gathering.failure.take() {
            Some(failure) => Poll::Ready(Err(failure)),
            None if gathering.is_passing => gathering.poll_sent(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.gathering();
        ready!(gathering.poll_sent(context))?;
        Pin::new(&mut gathering.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    fn pair(room: usize) -> (GatheredStream, DuplexStream) {
        let (own, peer) = tokio::io::duplex(room);
        (GatheredStream::new(Box::new(own)), peer)
    }

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    /// What the peer can read now.
    fn arrived(peer: &mut DuplexStream) -> Vec<u8> {
        let mut read = vec![0; 1 << 20];
        let length = peer.read(&mut read).now_or_never().transpose().unwrap().unwrap_or_default();
        read.truncate(length);
        read
    }

    #[tokio::test]
    async fn what_is_written_and_flushed_is_sent_as_one_when_it_is_time() {
        let (mut stream, mut peer) = pair(1 << 10);
        for part in ["one ", "two ", "three"] {
            stream.write_all(part.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        assert!(arrived(&mut peer).is_empty());
        stream.send(&mut context());
        assert_eq!(arrived(&mut peer), b"one two three");
        stream.send(&mut context());
        assert!(arrived(&mut peer).is_empty(), "nothing twice");
    }

    #[tokio::test]
    async fn no_more_is_gathered_than_one_record_has_and_the_order_stays() {
        let (mut stream, mut peer) = pair(1 << 20);
        stream.write_all(b"head").await.unwrap();
        stream.write_all(&[b'x'; GATHERED_MAX]).await.unwrap();
        assert_eq!(arrived(&mut peer), b"head", "it makes room");
        let large = [b'y'; GATHERED_MAX + 1];
        stream.write_all(&large).await.unwrap();
        let sent = arrived(&mut peer);
        assert!(sent.starts_with(&[b'x'; GATHERED_MAX]) && sent.ends_with(&large), "it is sent as it is");
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_holds_up_who_writes() {
        let (mut stream, mut peer) = pair(8);
        stream.write_all(&[b'x'; GATHERED_MAX]).await.unwrap();
        stream.send(&mut context());
        assert!(stream.write_all(b"more").now_or_never().is_none());
        let mut read = vec![0; GATHERED_MAX + 4];
        let (written, taken) = tokio::join!(
            async {
                stream.write_all(b"more").await.unwrap();
                stream.shutdown().await
            },
            peer.read_exact(&mut read)
        );
        written.unwrap();
        taken.unwrap();
        assert!(read.ends_with(b"xmore"));
    }

    #[tokio::test]
    async fn another_protocol_sends_at_once_and_first_what_was_left_over() {
        let (mut stream, mut peer) = pair(1 << 10);
        stream.write_all(b"switching ").await.unwrap();
        stream.pass(&mut context());
        assert_eq!(arrived(&mut peer), b"switching ");
        stream.write_all(b"frame").await.unwrap();
        assert_eq!(arrived(&mut peer), b"frame");
    }

    #[tokio::test]
    async fn who_writes_learns_that_the_peer_is_gone() {
        let (mut stream, peer) = pair(1 << 10);
        drop(peer);
        stream.write_all(b"into the void").await.unwrap();
        stream.send(&mut context());
        assert_eq!(stream.flush().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
