//! TLS 1.2 and 1.3: who we are, whom we believe, and sessions that do no I/O.

pub mod alpn_challenges;
pub mod authorities;
pub mod certificate_request;
mod clients;
mod domains;
pub mod expiry;
pub mod file_stamps;
pub(crate) mod handshake_rates;
pub mod identity;
pub mod issued_identity;
pub mod own_identity;
pub mod self_signed;
pub mod session;
pub mod watched_files;
pub mod web_certificates;

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use domains::ShownCertificate;
pub use identity::{Identity, IdentityFault};
pub use session::{Failure, TlsSession};

use alpn_challenges::{ACME_TLS, AlpnChallenges, ChallengedIdentities};
use clients::ClientsOrServers;
use identity::Identities;

/// The two sides of TLS of one role.
#[derive(Clone)]
pub struct Tls {
    server: Arc<ServerConfig>,
    clients: Option<Arc<ClientsOrServers>>,
    client: TlsClient,
}

/// The side that connects.
#[derive(Clone)]
pub struct TlsClient(Arc<ClientConfig>);

/// Why the parts do not make a configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// No certificate.
    #[error("there is no certificate")]
    NoIdentity,
    /// The parts do not fit.
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
    /// The authorities are of no use.
    #[error("the authorities: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The name is none that a certificate can be checked against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is neither a host name nor an address")]
pub struct NoName;

/// The one implementation of the algorithms, as everywhere in the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The configuration of a server of HTTPS that is `identities`: the first one whose certificate has the name that a client asks for,
/// else the first. It offers HTTP/2 and HTTP/1.1; with `challenges` also the protocol of ACME, whose servers are answered by those.
///
/// # Errors
/// If there is no identity.
pub(crate) fn web_server(
    identities: Vec<Arc<Identity>>,
    challenges: Option<&AlpnChallenges>,
) -> Result<Arc<ServerConfig>, TlsFault> {
    if identities.is_empty() {
        return Err(TlsFault::NoIdentity);
    }
    let server = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12])?;
    let (server, identities) = (server.with_no_client_auth(), Identities(identities));
    let mut server = match challenges.cloned() {
        Some(challenges) => server.with_cert_resolver(Arc::new(ChallengedIdentities { identities, challenges })),
        None => server.with_cert_resolver(Arc::new(identities)),
    };
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if challenges.is_some() {
        server.alpn_protocols.push(ACME_TLS.to_vec());
    }
    Ok(Arc::new(server))
}

impl Tls {
    /// We are `identities`: the first one whose certificate has the name that a client asks for, else the first. A server that asks who
    /// we are is shown `shown`; many serve who shows nothing, and refuse who shows a certificate that nobody vouches for. Servers are
    /// believed if `servers` vouch for their name. A client is known by its certificate if `clients` vouch for it; without `clients` none is
    /// asked for.
    ///
    /// # Errors
    /// If there is no identity, or the authorities are of no use.
    pub fn new(
        identities: Vec<Arc<Identity>>,
        shown: Option<&Identity>,
        servers: RootCertStore,
        clients: Option<RootCertStore>,
    ) -> Result<Self, TlsFault> {
        if identities.is_empty() {
            return Err(TlsFault::NoIdentity);
        }
        let server = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12])?;
        let clients = clients.map(ClientsOrServers::new).transpose()?.map(Arc::new);
        let server = match &clients {
            None => server.with_no_client_auth(),
            Some(clients) => server.with_client_cert_verifier(clients.clone()),
        };
        let server = server.with_cert_resolver(Arc::new(Identities(identities)));
        Ok(Self { server: Arc::new(server), clients, client: TlsClient::new(shown, servers)? })
    }

    /// The session of a connection that a peer has opened.
    pub fn accept(&self) -> Result<TlsSession, rustls::Error> {
        TlsSession::accept(self.server.clone(), self.clients.clone())
    }

    /// Whether the same authorities vouch for who connects.
    pub fn believes_same_clients(&self, other: &Self) -> bool {
        match (&self.clients, &other.clients) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours.has_same_roots(theirs),
            _ => false,
        }
    }

    /// Makes our authorities judge who has opened this session; whether that one was believed and is not any more.
    pub fn distrusts(&self, session: &mut TlsSession) -> bool {
        session.believe(self.clients.clone())
    }

    /// The session of a connection to a peer that has to prove `name`, a host name or an address.
    ///
    /// # Errors
    /// If it is no such name.
    pub fn connect(&self, name: &str) -> Result<TlsSession, NoName> {
        self.client.connect(name)
    }
}

impl TlsClient {
    /// Servers are believed if `servers` vouch for their name; one that asks who we are is shown `shown`.
    ///
    /// # Errors
    /// If the parts do not fit.
    pub fn new(shown: Option<&Identity>, servers: RootCertStore) -> Result<Self, TlsFault> {
        let client = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12])?;
        // Without authorities every connection that we open fails: better than no listener.
        let client = client.with_root_certificates(servers);
        Ok(Self(Arc::new(match shown {
            Some(own) => client.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.key().clone()))),
            None => client.with_no_client_auth(),
        })))
    }

    /// The session of a connection to a peer that has to prove `name`, a host name or an address.
    ///
    /// # Errors
    /// If it is no such name.
    pub fn connect(&self, name: &str) -> Result<TlsSession, NoName> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| NoName)?;
        TlsSession::connect(self.0.clone(), name).map_err(|_| NoName)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

#[cfg(test)]
mod tests;
