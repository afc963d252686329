//! HTTPS: the handshakes of a listener, each within its time, and few enough that no peer keeps others from theirs.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::counted::Counted;
use runtime::metrics::ConnectionFault;
use runtime::server::{ByteStream, Handshake, HandshakeUnderWay};
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::shares::{Capacity, Place, ShareHolder, Shares};
use super::trusted_proxies::TrustedProxies;
use crate::tls::alpn_challenges::ACME_TLS;
use crate::tls::handshake_rates::HandshakeRates;

/// How long a handshake may take: a peer that does not finish one occupies a place.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Handshakes under way at once: a quarter of a listener's connections. The fewer places are left, the fewer one source may take.
const UNDER_WAY_MAX: usize = 1_024;
/// Handshakes that a source may begin at once, after a pause: each costs us a signature, and the source nothing.
const BURST: usize = 256;
/// Those that it may begin in a second after that.
const PER_SECOND: u32 = 100;

/// The handshakes of one listener.
pub struct HttpsHandshakes {
    config: watch::Receiver<Arc<ServerConfig>>,
    /// Their connections are those of many.
    trusted: TrustedProxies,
    rates: Mutex<HandshakeRates>,
    under_way: Shares,
}

impl HttpsHandshakes {
    /// As the configuration says at that time.
    pub fn new(config: watch::Receiver<Arc<ServerConfig>>, trusted: TrustedProxies) -> Self {
        let under_way = Shares::new(Capacity { all: UNDER_WAY_MAX });
        Self { config, trusted, rates: Mutex::new(HandshakeRates::new(BURST, PER_SECOND)), under_way }
    }

    /// Whose connections are those of many.
    pub(super) const fn trusted(&self) -> &TrustedProxies {
        &self.trusted
    }

    /// A place for a handshake of this peer.
    fn place(&self, peer: IpAddr, now: Instant) -> Result<Place, (ConnectionFault, io::Error)> {
        let refused = |what: &str| (ConnectionFault::Crowded, io::Error::other(what.to_owned()));
        let holder = if self.trusted.contains(peer) {
            ShareHolder::Role
        } else {
            if !self.rates.lock().unwrap_or_else(PoisonError::into_inner).may_begin(peer, now) {
                return Err(refused("the source begins too many TLS handshakes"));
            }
            ShareHolder::of(None, Some(peer))
        };
        self.under_way.take(holder).map_err(|_| refused("too many TLS handshakes are under way"))
    }
}

impl Handshake for HttpsHandshakes {
    fn begin(&self, stream: Counted, peer: SocketAddr) -> HandshakeUnderWay {
        let place = self.place(peer.ip(), Instant::now());
        let acceptor = TlsAcceptor::from(self.config.borrow().clone());
        Box::pin(async move {
            let _place = place?;
            match timeout(HANDSHAKE_WITHIN, shaken(acceptor, stream)).await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err((fault_of(&error), error)),
                Err(_) => Err((ConnectionFault::Slow, io::Error::other("the TLS handshake took too long"))),
            }
        })
    }
}

/// The stream behind a handshake. Behind that of a challenge of ACME it is an empty one: the handshake was all (RFC 8737 section 3).
async fn shaken(acceptor: TlsAcceptor, stream: Counted) -> io::Result<Box<dyn ByteStream>> {
    let mut stream = acceptor.accept(stream).await?;
    if stream.get_ref().1.alpn_protocol() != Some(ACME_TLS) {
        return Ok(Box::new(stream));
    }
    // Who has seen enough may be gone.
    let _ = stream.shutdown().await;
    Ok(Box::new(tokio::io::empty()))
}

/// Breaches of TLS come as invalid data.
fn fault_of(error: &io::Error) -> ConnectionFault {
    match error.kind() {
        io::ErrorKind::InvalidData => ConnectionFault::Handshake,
        _ => ConnectionFault::Broken,
    }
}

#[cfg(test)]
mod tests;
