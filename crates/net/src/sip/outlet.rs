//! The way out of one connection: straight to the socket while the peer keeps up, else into a bounded queue; in the clear, or
//! through a TLS session.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use sip::Unreached;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::tls::session::SessionError;
use crate::tls::{ShownCertificate, Tls, TlsSession};

/// The peer does not read: its queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer does not read and its write queue is full")]
pub struct QueueFull;

/// Shared by the loop, which sends, and the connection's task, which receives.
pub(super) struct Outlet {
    /// Kept locked until what the session gives is on its way: records must not overtake each other.
    session: Option<Mutex<TlsSession>>,
    /// Whom the session connects to.
    name: Option<Box<str>>,
    queue: mpsc::Sender<Bytes>,
    waiting: AtomicUsize,
    bytes_max: usize,
    stream: OnceLock<Arc<OwnedWriteHalf>>,
    /// Whether there is a WebSocket that neither side has closed.
    web_socket: AtomicBool,
    /// Whether we have pinged the peer since this was last asked.
    pinged: AtomicBool,
}

/// Whether the peer may send more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum More {
    MayCome,
    No,
    /// The session has broken.
    Broken,
}

/// Why a TLS connection does not come about or go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSecured {
    #[error("{0}")]
    Tls(#[from] SessionError),
    #[error("the peer does not read")]
    Unread,
    #[error("the handshake took too long")]
    Late,
    #[error("the peer has closed the connection")]
    Closed,
}

impl NotSecured {
    /// Why a peer is not reached to which we have connected.
    pub(super) fn unreached(&self) -> Unreached {
        match self {
            Self::Tls(error) => error.unreached(),
            Self::Late => Unreached::Late,
            Self::Unread | Self::Closed => Unreached::NoTls,
        }
    }
}

impl Outlet {
    pub(super) fn new(queue: mpsc::Sender<Bytes>, bytes_max: usize, session: Option<TlsSession>) -> Self {
        let name = session.as_ref().and_then(TlsSession::name).map(Into::into);
        let session = session.map(|mut session| {
            session.limit(bytes_max);
            Mutex::new(session)
        });
        Self {
            session,
            name,
            queue,
            waiting: AtomicUsize::new(0),
            bytes_max,
            stream: OnceLock::new(),
            web_socket: AtomicBool::new(false),
            pinged: AtomicBool::new(false),
        }
    }

    pub(super) const fn is_secure(&self) -> bool {
        self.session.is_some()
    }

    /// The name that the peer has to prove.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The certificate of a peer that has connected to us.
    pub(super) fn shown(&self) -> ShownCertificate {
        self.session().map(|session| session.shown()).unwrap_or_default()
    }

    /// Judges the certificate of a peer that has connected to us by these authorities from now on; whether it was believed and is not any more.
    pub(super) fn is_distrusted_by(&self, tls: &Tls) -> bool {
        self.session().is_some_and(|mut session| tls.distrusts(&mut session))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session().is_some_and(|session| session.is_handshaking())
    }

    /// The connection is up: a session of ours says the first word.
    pub(super) fn connected(&self, stream: Arc<OwnedWriteHalf>) {
        let _ = self.stream.set(stream);
        if let Some(mut session) = self.session() {
            // The queue is empty.
            let _ = self.put(session.take_output());
        }
    }

    /// The peer has opened its WebSocket, or one of us has closed it: nothing may follow then (RFC 6455 §5.5.1).
    pub(super) fn set_web_socket(&self, is_open: bool) {
        self.web_socket.store(is_open, Ordering::Release);
    }

    pub(super) fn has_web_socket(&self) -> bool {
        self.web_socket.load(Ordering::Acquire)
    }

    /// A ping of ours is on its way.
    pub(super) fn note_ping(&self) {
        self.pinged.store(true, Ordering::Release);
    }

    /// Whether we have pinged the peer since this was last asked.
    pub(super) fn take_ping(&self) -> bool {
        self.pinged.swap(false, Ordering::AcqRel)
    }

    /// Sends plaintext.
    pub(super) fn send(&self, plain: Bytes) -> Result<(), QueueFull> {
        let Some(mut session) = self.session() else { return self.put(plain) };
        session.send(&plain).map_err(|_| QueueFull)?;
        self.put(session.take_output())
    }

    /// Gives `plain` what the input means, and sends what the session has to say to it.
    pub(super) fn receive(&self, input: &[u8], mut plain: impl FnMut(&[u8])) -> Result<More, NotSecured> {
        let Some(mut session) = self.session() else {
            plain(input);
            return Ok(More::MayCome);
        };
        let over = session.receive(input, plain);
        // After a failure this is the alert that says why.
        let put = self.put(session.take_output());
        let over = over?;
        put.map_err(|QueueFull| NotSecured::Unread)?;
        Ok(if over { More::No } else { More::MayCome })
    }

    /// Says that nothing more comes.
    pub(super) fn close(&self) {
        if let Some(mut session) = self.session() {
            session.close();
            // Best effort: who does not read is not told.
            let _ = self.put(session.take_output());
        }
    }

    /// Bytes that waited have reached the kernel.
    pub(super) fn written(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Whether everything has reached the kernel.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }

    /// Order is kept: bytes go to the socket directly only when none wait.
    fn put(&self, bytes: Bytes) -> Result<(), QueueFull> {
        let mut rest = bytes;
        if rest.is_empty() {
            return Ok(());
        }
        if self.is_empty()
            && let Some(stream) = self.stream.get()
            && let Ok(written) = stream.try_write(&rest)
        {
            if written == rest.len() {
                return Ok(());
            }
            rest = rest.split_off(written);
        }
        let length = rest.len();
        if self.waiting.fetch_add(length, Ordering::AcqRel) + length > self.bytes_max {
            self.written(length);
            return Err(QueueFull);
        }
        self.queue.try_send(rest).map_err(|_| {
            self.written(length);
            QueueFull
        })
    }

    fn session(&self) -> Option<MutexGuard<'_, TlsSession>> {
        // A poisoned lock is safe: a session that was interrupted gives an error, and the connection ends.
        self.session.as_ref().map(|session| session.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet")
            .field("secure", &self.is_secure())
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}
