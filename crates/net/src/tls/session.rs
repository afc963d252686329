//! One TLS session, without I/O: ciphertext and plaintext go in and come out; the caller moves the bytes.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use sip::Unreached;

use super::ShownCertificate;
use super::clients::ClientsOrServers;

/// The most ciphertext that a peer may send before the handshake is over: a long chain of certificates, and some spare. The
/// protocol itself lets each of many strangers leave twice as much in memory.
pub(super) const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;

/// One end of a TLS connection.
#[derive(Debug)]
pub struct TlsSession {
    connection: Connection,
    /// Ciphertext received during the handshake.
    handshake_bytes: usize,
    /// Whom we connect to.
    name: Option<Box<str>>,
    /// Who vouches for those that connect to us.
    clients: Option<Arc<ClientsOrServers>>,
}

/// Why a session cannot go on, as it is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// What came is no TLS.
    NotTls,
    /// No version or algorithm in common.
    Incompatible,
    /// A certificate was not accepted, by us or by the peer; or it was missing.
    Certificate,
    /// Another breach of the protocol.
    Other,
}

/// Why a session cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SessionError {
    /// The protocol's reason.
    #[error("{0}")]
    Protocol(#[from] rustls::Error),
    /// The handshake has more bytes than any real one.
    #[error("the handshake is too long")]
    TooLong,
}

/// More plaintext waits than may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("more waits to be sent than may")]
pub struct Full;

// === impl TlsSession ===

impl TlsSession {
    pub(super) fn accept(
        config: Arc<ServerConfig>,
        clients: Option<Arc<ClientsOrServers>>,
    ) -> Result<Self, rustls::Error> {
        ServerConnection::new(config).map(|connection| Self::of(connection.into(), None, clients))
    }

    pub(super) fn connect(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, rustls::Error> {
        let text = name.to_str().into();
        ClientConnection::new(config, name).map(|connection| Self::of(connection.into(), Some(text), None))
    }

    const fn of(connection: Connection, name: Option<Box<str>>, clients: Option<Arc<ClientsOrServers>>) -> Self {
        Self { connection, handshake_bytes: 0, name, clients }
    }

    /// The most plaintext that waits for the end of the handshake.
    pub fn limit(&mut self, bytes: usize) {
        self.connection.set_buffer_limit(Some(bytes));
    }

    /// The name that the peer has to prove.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The certificate that a peer has shown who connects to us, if an authority vouches for it; else an empty one, as during the handshake.
    pub fn shown(&self) -> ShownCertificate {
        let Some(clients) = self.clients.as_ref().filter(|_| !self.connection.is_handshaking()) else {
            return ShownCertificate::default();
        };
        let chain = self.connection.peer_certificates().filter(|chain| clients.believes(chain)).unwrap_or_default();
        chain.first().map(ShownCertificate::of).unwrap_or_default()
    }

    /// From now on these vouch for a peer that connects to us; whether one was believed and is not any more.
    pub(super) fn believe(&mut self, clients: Option<Arc<ClientsOrServers>>) -> bool {
        let was_known = !self.shown().domains.is_empty();
        self.clients = clients;
        was_known && self.shown().domains.is_empty()
    }

    /// Whether the peer has yet to be known.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Takes ciphertext and gives `plain` what it means; returns whether the peer has said that nothing more comes. There may be
    /// output afterwards, after an error too: the alert.
    ///
    /// # Errors
    /// If the session cannot go on. What came before the fault has been given to `plain`.
    pub fn receive(&mut self, mut cipher: &[u8], mut plain: impl FnMut(&[u8])) -> Result<bool, SessionError> {
        if self.connection.is_handshaking() {
            self.handshake_bytes += cipher.len();
            if self.handshake_bytes > HANDSHAKE_BYTES_MAX {
                return Err(SessionError::TooLong);
            }
        }
        let mut over = false;
        while !cipher.is_empty() && !over {
            // Reading from memory does not fail, but the session takes no more once the peer has closed it.
            if self.connection.read_tls(&mut cipher).unwrap_or_default() == 0 {
                break;
            }
            let processed = self.connection.process_new_packets();
            let mut reader = self.connection.reader();
            while let Ok(chunk) = reader.fill_buf() {
                let length = chunk.len();
                if length == 0 {
                    break;
                }
                plain(chunk);
                reader.consume(length);
            }
            over = processed?.peer_has_closed();
        }
        Ok(over)
    }

    /// Takes plaintext to send. Before the end of the handshake it waits, up to the limit.
    ///
    /// # Errors
    /// [`Full`].
    pub fn send(&mut self, plain: &[u8]) -> Result<(), Full> {
        self.connection.writer().write_all(plain).map_err(|_| Full)
    }

    /// Says that nothing more comes from us.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// The ciphertext to send now.
    pub fn take_output(&mut self) -> Bytes {
        let mut out = Vec::new();
        while self.connection.wants_write() {
            // Writing to memory does not fail.
            if self.connection.write_tls(&mut out).unwrap_or_default() == 0 {
                break;
            }
        }
        out.into()
    }
}

impl SessionError {
    /// Why a server is not reached to which we have connected.
    pub fn unreached(&self) -> Unreached {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match (self, self.failure()) {
            (Self::Protocol(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })), _) => {
                Unreached::OtherName
            }
            (Self::Protocol(rustls::Error::AlertReceived(_)), Failure::Certificate) => Unreached::OurCertificate,
            (_, Failure::Certificate) => Unreached::Untrusted,
            (_, Failure::NotTls | Failure::Incompatible | Failure::Other) => Unreached::NoTls,
        }
    }

    /// The kind of failure.
    pub fn failure(&self) -> Failure {
        let Self::Protocol(error) = self else { return Failure::NotTls };
        match error {
            rustls::Error::InvalidMessage(_) => Failure::NotTls,
            rustls::Error::PeerIncompatible(_) => Failure::Incompatible,
            rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_) => Failure::Certificate,
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity => Failure::Incompatible,
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateRequired
                | AlertDescription::UnknownCA => Failure::Certificate,
                _ => Failure::Other,
            },
            _ => Failure::Other,
        }
    }
}
