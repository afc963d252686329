//! Answers to the challenge `tls-alpn-01` of ACME (RFC 8737): who orders a certificate for a domain shows, in the handshake of a listener,
//! that the domain leads to it. The answer is a certificate of our own making with a digest that only the account of the order knows.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Result;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::identity::Identities;

/// The protocol of such a handshake (RFC 8737 section 3). Nothing is said after it.
pub const ACME_TLS: &[u8] = b"acme-tls/1";
/// Bytes of a digest: SHA-256.
pub const DIGEST_BYTES: usize = 32;

/// A challenge of a domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlpnChallenge {
    /// The domain.
    pub domain: String,
    /// SHA-256 of the key authorization (RFC 8555 section 8.1).
    pub digest: [u8; DIGEST_BYTES],
}

/// The challenges that are to be answered. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct AlpnChallenges(Arc<RwLock<HashMap<String, Arc<CertifiedKey>>>>);

impl AlpnChallenges {
    /// Answers these from now on, and none of those before.
    ///
    /// # Errors
    /// If a domain is none that a certificate can have; then nothing has changed.
    pub fn replace(&self, challenges: &[AlpnChallenge]) -> Result<()> {
        let mut answers = HashMap::with_capacity(challenges.len());
        for challenge in challenges {
            answers.insert(challenge.domain.to_ascii_lowercase(), answer(challenge)?);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = answers;
        Ok(())
    }

    fn find(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        let answers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        answers.get(&domain.to_ascii_lowercase()).cloned()
    }
}

impl fmt::Debug for AlpnChallenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlpnChallenges")
    }
}

/// The certificate that answers a challenge: for the domain alone, with the digest as `acmeIdentifier` (RFC 8737 section 3).
fn answer(challenge: &AlpnChallenge) -> Result<Arc<CertifiedKey>> {
    let mut params = CertificateParams::new(vec![challenge.domain.clone()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&challenge.digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = super::provider().key_provider.load_private_key(key)?;
    // Not by `from_der`: it reads the certificate to compare the keys, and refuses the critical extension that it does not know.
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

/// Answers handshakes of challenges, and is one of several identities in all others.
#[derive(Debug)]
pub(super) struct ChallengedIdentities {
    pub identities: Identities,
    pub challenges: AlpnChallenges,
}

impl ResolvesServerCert for ChallengedIdentities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if is_challenge(&hello) {
            // Of a domain that is not challenged there is no certificate: the handshake fails.
            return self.challenges.find(hello.server_name()?);
        }
        self.identities.resolve(hello)
    }
}

/// Whether the protocol is the only one that is offered: who offers others too is no ACME server (RFC 8737 section 3).
fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(ACME_TLS) && offered.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_is_challenged_has_an_answer_until_it_is_challenged_no_more() {
        let challenges = AlpnChallenges::default();
        let of = |domain: &str| AlpnChallenge { domain: domain.to_owned(), digest: [7; DIGEST_BYTES] };
        challenges.replace(&[of("edge.example"), of("Other.example")]).unwrap();
        let answer = challenges.find("EDGE.example").unwrap();
        // Critical, and an octet string of 32 bytes within the one of the extension (RFC 8737 section 3).
        let mut extension = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x1f\x01\x01\xff\x04\x22\x04\x20".to_vec();
        extension.extend([7; DIGEST_BYTES]);
        let certificate: &[u8] = answer.cert[0].as_ref();
        assert!(certificate.windows(extension.len()).any(|part| part == extension.as_slice()));
        assert!(challenges.find("other.example").is_some() && challenges.find("example").is_none());
        challenges.replace(&[of("other.example")]).unwrap();
        assert!(challenges.find("edge.example").is_none());
    }
}
