//! The keys of a provider, and the algorithms by which its ID tokens may be signed (RFC 7518 section 3.1). `none` and those with shared
//! secrets are none of them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

/// An algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderAlgorithm {
    /// RSA with PKCS#1 1.5 and SHA-256.
    Rs256,
    /// RSA with PSS and SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl ProviderAlgorithm {
    /// The one of a name (`alg`).
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderKey {
    /// RSA: modulus and exponent, without leading zeros. One of fewer than 2,048 bits verifies nothing.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// A point on P-256, uncompressed.
    P256(Vec<u8>),
}

impl ProviderKey {
    /// A key of RSA (RFC 7518 section 6.3.1).
    pub fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let trimmed = |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().skip_while(|byte| *byte == 0).collect() };
        let (n, e) = (trimmed(n), trimmed(e));
        (!n.is_empty() && !e.is_empty()).then_some(Self::Rsa { n, e })
    }

    /// A key on P-256 (RFC 7518 section 6.2.1).
    pub fn p256(x: &[u8], y: &[u8]) -> Option<Self> {
        // SEC 1 section 2.3.3: 4 says that both coordinates follow.
        (x.len() == 32 && y.len() == 32).then(|| Self::P256([&[4], x, y].concat()))
    }

    /// Whether it has signed that by that algorithm. A key of another kind has signed nothing.
    pub fn has_signed(&self, algorithm: ProviderAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (self, algorithm) {
            (Self::Rsa { n, e }, ProviderAlgorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Self::Rsa { n, e }, ProviderAlgorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, signature)
            }
            (Self::P256(point), ProviderAlgorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
        RsaKeyPair,
    };

    use super::*;

    const MESSAGE: &[u8] = b"head.claims";

    #[test]
    fn a_key_on_p256_verifies_what_it_has_signed() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let key = ProviderKey::p256(&point[1..33], &point[33..]).unwrap();
        let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
        assert!(key.has_signed(ProviderAlgorithm::Es256, MESSAGE, signature.as_ref()));
        assert!(!key.has_signed(ProviderAlgorithm::Es256, b"other", signature.as_ref()));
        assert!(!key.has_signed(ProviderAlgorithm::Rs256, MESSAGE, signature.as_ref()));
        assert!(!key.has_signed(ProviderAlgorithm::Es256, MESSAGE, b""));
        assert_eq!(ProviderKey::p256(&point[1..32], &point[33..]), None);
    }

    #[test]
    fn a_key_of_rsa_verifies_by_either_padding_and_by_that_alone() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        // RSAPublicKey of RFC 8017: two integers, the first of 257 bytes with its leading zero, the second of three.
        let der = pair.public_key().as_ref();
        let key = ProviderKey::rsa(&der[8..265], &der[267..]).unwrap();
        let pkcs1: &'static dyn RsaEncoding = &RSA_PKCS1_SHA256;
        let pss: &'static dyn RsaEncoding = &RSA_PSS_SHA256;
        for (padding, algorithm, other) in [
            (pkcs1, ProviderAlgorithm::Rs256, ProviderAlgorithm::Ps256),
            (pss, ProviderAlgorithm::Ps256, ProviderAlgorithm::Rs256),
        ] {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
            assert!(key.has_signed(algorithm, MESSAGE, &signature));
            assert!(!key.has_signed(other, MESSAGE, &signature));
        }
    }

    #[test]
    fn algorithms_without_a_key_of_the_provider_are_none() {
        for none in ["none", "HS256", "RS512", "rs256", ""] {
            assert_eq!(ProviderAlgorithm::parse(none), None, "{none}");
        }
    }
}
