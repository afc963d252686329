//! A TCP stream that counts its bytes on the meter of its connection, once that is known.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::meter::PeerMeter;

/// Counts the bytes of one connection, for the meter that is set later.
#[derive(Clone, Default)]
pub struct Tally {
    inner: Arc<TallyInner>,
}

#[derive(Default)]
struct TallyInner {
    meter: OnceLock<PeerMeter>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    is_trusted: AtomicBool,
}

impl Tally {
    /// Records that a valid token was shown on this connection.
    pub(crate) fn mark_authenticated(&self) {
        self.inner.is_trusted.store(true, Relaxed);
    }

    /// Whether a valid token was shown on it.
    pub(crate) fn is_trusted(&self) -> bool {
        self.inner.is_trusted.load(Relaxed)
    }

    /// A weak reference to the connection.
    pub(crate) fn watched(&self) -> Watched {
        Watched(Arc::downgrade(&self.inner))
    }

    /// Counts on `meter` from now on, including the bytes so far, as one open connection.
    pub fn assign_meter(&self, meter: &PeerMeter) {
        if self.inner.meter.set(meter.clone()).is_ok() {
            meter.opened();
            meter.bytes_in(usize::try_from(self.inner.bytes_in.swap(0, Relaxed)).unwrap_or(usize::MAX));
            meter.bytes_out(usize::try_from(self.inner.bytes_out.swap(0, Relaxed)).unwrap_or(usize::MAX));
        }
    }

    /// Whether the meter of this connection is known.
    pub fn is_claimed(&self) -> bool {
        self.inner.meter.get().is_some()
    }

    /// Bytes received before the meter was known.
    pub fn unclaimed_bytes_in(&self) -> u64 {
        self.inner.bytes_in.load(Relaxed)
    }

    fn read(&self, bytes: usize) {
        match self.inner.meter.get() {
            Some(meter) => meter.bytes_in(bytes),
            None => drop(self.inner.bytes_in.fetch_add(bytes as u64, Relaxed)),
        }
    }

    fn written(&self, bytes: usize) {
        match self.inner.meter.get() {
            Some(meter) => meter.bytes_out(bytes),
            None => drop(self.inner.bytes_out.fetch_add(bytes as u64, Relaxed)),
        }
    }
}

/// A connection that may have ended.
pub(crate) struct Watched(Weak<TallyInner>);

impl Watched {
    /// Whether it is open and no token was shown on it.
    pub fn is_unauthenticated(&self) -> bool {
        self.0.upgrade().is_some_and(|connection| !connection.is_trusted.load(Relaxed))
    }
}

impl Drop for TallyInner {
    fn drop(&mut self) {
        if let Some(meter) = self.meter.get() {
            meter.closed();
        }
    }
}

/// A TCP stream that counts its bytes.
pub struct Counted {
    stream: TcpStream,
    tally: Tally,
}

impl Counted {
    /// Counts the stream's bytes on `tally`.
    pub fn new(stream: TcpStream, tally: Tally) -> Self {
        Self { stream, tally }
    }
}

// === impl Counted ===

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.tally.read(buf.filled().len() - before);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = &polled {
            this.tally.written(*bytes);
        }
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(bytes)) = &polled {
            this.tally.written(*bytes);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Connection for Counted {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
