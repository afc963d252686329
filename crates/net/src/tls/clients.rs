//! Whom we believe of those who connect with a certificate.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

/// Believes certificates of these authorities that are for clients or for servers. Who shows none may connect, and who shows another one too,
/// and is nobody then: phones have a certificate of their maker, and carriers that are known by their address show what they have. That the
/// peer has the key is checked of each.
///
/// Carriers show the certificate of their border element in both roles, and public authorities issue such certificates for servers alone.
/// The name in it and the key are as much proved by either.
#[derive(Debug)]
pub(super) struct ClientsOrServers {
    clients: Arc<dyn ClientCertVerifier>,
    roots: Arc<RootCertStore>,
}

impl ClientsOrServers {
    pub(super) fn new(roots: RootCertStore) -> Result<Self, VerifierBuilderError> {
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), super::provider());
        Ok(Self { clients: clients.allow_unauthenticated().build()?, roots })
    }

    /// Whether one of the authorities vouches for what a peer has shown, its certificate first.
    pub(super) fn believes(&self, shown: &[CertificateDer<'_>]) -> bool {
        let Some((certificate, chain)) = shown.split_first() else { return false };
        self.verify(certificate, chain, UnixTime::now()).is_ok()
    }

    /// Whether both believe the same authorities.
    pub(super) fn has_same_roots(&self, other: &Self) -> bool {
        self.roots.roots == other.roots.roots
    }

    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.clients.verify_client_cert(certificate, chain, now) {
            Err(fault) if is_of_purpose(&fault) => {
                let certificate = ParsedCertificate::try_from(certificate)?;
                let algorithms = super::provider().signature_verification_algorithms.all;
                verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, chain, now, algorithms)?;
                Ok(ClientCertVerified::assertion())
            }
            verified => verified,
        }
    }
}

impl ClientCertVerifier for ClientsOrServers {
    fn client_auth_mandatory(&self) -> bool {
        self.clients.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // [`Self::believes`] is asked once the handshake is over.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}

/// Whether all that a certificate lacks is that it is for clients.
const fn is_of_purpose(fault: &Error) -> bool {
    matches!(
        fault,
        Error::InvalidCertificate(CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. })
    )
}
