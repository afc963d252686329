//! The handshake of encrypted audio (RFC 5764): DTLS 1.2 and 1.3 between two certificates that descriptions have named by their
//! fingerprints. No I/O: packets and time go in and come out.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Dtls, DtlsCertificate, KeyingMaterial, Output, SrtpProfile};
use model::Timestamp;

use crate::sdp::{Fingerprint, Protection};
use crate::srtp::{Keying, Suite};

/// The longest packet of a handshake that we send: it fits the path of any network.
const PACKET_BYTES_MAX: usize = 1_200;
/// The time after its end in which the peer may not have got our last packet, and says its own again.
const LINGER: Duration = Duration::from_secs(10);
/// The time in which a handshake must be over.
const WITHIN: Duration = Duration::from_secs(30);
/// The least time until it has something to do again.
const RETRY_MIN: Duration = Duration::from_millis(10);
/// The longest certificate of a peer: those that nobody has signed have a kilobyte.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;

/// Our certificate, for all sessions of a process.
#[derive(Clone)]
pub struct Identity {
    certificate: DtlsCertificate,
    fingerprint: Fingerprint,
    config: Arc<dimpl::Config>,
}

/// Why there are no keys.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer is not whom its description names.
    #[error("the certificate is not the one of the description")]
    Stranger,
    /// Both sides have no way in common to encrypt audio.
    #[error("there is no SRTP profile in common")]
    NoProfile,
    /// The protocol's reason.
    #[error("{0}")]
    Protocol(String),
    /// The peer has not gone on.
    #[error("the handshake took too long")]
    Late,
}

/// A handshake, and for a while the memory of one that is over.
pub struct Handshake {
    dtls: Dtls,
    /// The same moment on both clocks.
    began: (Instant, Timestamp),
    theirs: Fingerprint,
    connects: bool,
    is_them: bool,
    keys: Option<Protection>,
    has_agreed: bool,
    is_over: bool,
    due: Timestamp,
    ends: Timestamp,
}

/// The random bytes of a client's first word, by which it is told from another one.
pub type Hello = [u8; 32];

/// Those of a packet that is such a word, in clear (RFC 6347 §4.2.2).
pub fn hello(packet: &[u8]) -> Option<Hello> {
    const RECORD_BYTES: usize = 13;
    const MESSAGE_BYTES: usize = 12;
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    let is_hello = packet.first() == Some(&HANDSHAKE) && packet.get(RECORD_BYTES) == Some(&CLIENT_HELLO);
    let is_beginning =
        packet.get(3..5) == Some(&[0, 0]) && packet.get(RECORD_BYTES + 6..RECORD_BYTES + 9) == Some(&[0; 3]);
    let random = packet.get(RECORD_BYTES + MESSAGE_BYTES + 2..)?.first_chunk()?;
    (is_hello && is_beginning).then_some(*random)
}

impl HandshakeError {
    /// Whether it would fail again: other packets of the same peer do not mend it.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Stranger | Self::NoProfile)
    }
}

impl Identity {
    /// A new certificate.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, HandshakeError> {
        let certificate = dimpl::certificate::generate_self_signed_certificate().map_err(protocol)?;
        let config = dimpl::Config::builder().mtu(PACKET_BYTES_MAX).build().map_err(protocol)?;
        let fingerprint = Fingerprint::of(&certificate.certificate);
        Ok(Self { certificate, fingerprint, config: Arc::new(config) })
    }

    /// What names it in descriptions.
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl Handshake {
    /// Begins with whoever has this fingerprint; `connects` if the first word is ours.
    #[expect(
        clippy::disallowed_methods,
        reason = "only the origin of the library's clock, which goes on by `now` alone"
    )]
    pub fn begin(identity: &Identity, theirs: Fingerprint, connects: bool, now: Timestamp) -> Self {
        let began = (Instant::now(), now);
        let mut dtls = Dtls::new_auto(identity.config.clone(), identity.certificate.clone(), began.0);
        dtls.set_active(connects);
        let ends = now + WITHIN;
        Self {
            dtls,
            began,
            theirs,
            connects,
            is_them: false,
            keys: None,
            has_agreed: false,
            is_over: false,
            due: now,
            ends,
        }
    }

    /// Whether a packet is for it at all. An alert in clear may come from anybody, and ends nothing before the keys are agreed on; data goes
    /// by no handshake.
    pub fn takes(&self, packet: &[u8]) -> bool {
        const ALERT: u8 = 21;
        const DATA: u8 = 23;
        match packet.first() {
            Some(&ALERT) => self.is_over,
            first => first != Some(&DATA),
        }
    }

    /// Processes a packet of the peer. [`Self::poll`] follows.
    ///
    /// # Errors
    /// The handshake has failed.
    pub fn handle(&mut self, packet: &[u8], now: Timestamp) -> Result<(), HandshakeError> {
        self.dtls.handle_timeout(self.instant(now)).map_err(protocol)?;
        self.dtls.handle_packet(packet).map_err(protocol)
    }

    /// Does what is due. [`Self::poll`] follows.
    ///
    /// # Errors
    /// The handshake has failed.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Result<(), HandshakeError> {
        if self.ends <= now && !self.is_over {
            return Err(HandshakeError::Late);
        }
        self.dtls.handle_timeout(self.instant(now)).map_err(protocol)
    }

    /// Gives `send` the packets to send, and returns the keys once both sides have agreed on them.
    ///
    /// # Errors
    /// The handshake has failed.
    pub fn poll(&mut self, now: Timestamp, mut send: impl FnMut(&[u8])) -> Result<Option<Protection>, HandshakeError> {
        let mut buffer = vec![0; 2 * PACKET_BYTES_MAX];
        // The state is whole when there is nothing but a time to wait for.
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => send(packet),
                Output::PeerCert(certificate) if self.theirs.fits(certificate) => self.is_them = true,
                Output::PeerCert(_) => return Err(HandshakeError::Stranger),
                Output::KeyingMaterial(material, profile) => self.keys = keys(&material, profile, self.connects),
                Output::Connected if !self.is_them => return Err(HandshakeError::Stranger),
                Output::Connected => (self.is_over, self.ends) = (true, now + LINGER),
                Output::Timeout(at) => {
                    let due = self.began.1 + at.saturating_duration_since(self.began.0);
                    self.due = due.max(now + RETRY_MIN);
                    break;
                }
                Output::BufferTooSmall { needed } if needed <= OUTPUT_BYTES_MAX => buffer.resize(needed, 0),
                Output::BufferTooSmall { .. } => return Err(HandshakeError::Stranger),
                // No data goes this way, and calls end by signalling.
                _ => {}
            }
        }
        if !self.is_over || self.has_agreed {
            return Ok(None);
        }
        self.has_agreed = true;
        self.keys.take().map(Some).ok_or(HandshakeError::NoProfile)
    }

    /// When [`Self::handle_timeout`] is due next.
    pub fn next_timeout(&self) -> Timestamp {
        self.due.min(self.ends)
    }

    /// Whether it may be forgotten.
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        self.is_over && self.ends <= now
    }

    fn instant(&self, now: Timestamp) -> Instant {
        self.began.0 + now.since(self.began.1)
    }
}

/// The keys of both directions: the client's key, the server's, then their salts (RFC 5764 §4.2).
fn keys(material: &KeyingMaterial, profile: SrtpProfile, connects: bool) -> Option<Protection> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128Sha1_80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::AesGcm128,
        SrtpProfile::AEAD_AES_256_GCM => Suite::AesGcm256,
        _ => return None,
    };
    let (key, salt) = (suite.key_bytes(), suite.salt_bytes());
    let part = |at: usize, length: usize| material.get(at..at + length);
    let keying = |number: usize| {
        let whole = [part(number * key, key)?, part(2 * key + number * salt, salt)?].concat();
        Keying::new(suite, &whole, None)
    };
    let (client, server) = (keying(0)?, keying(1)?);
    let (ours, theirs) = if connects { (client, server) } else { (server, client) };
    Some(Protection { ours, theirs })
}

fn protocol(error: impl fmt::Display) -> HandshakeError {
    HandshakeError::Protocol(error.to_string())
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint)
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("theirs", &self.theirs)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
