//! Public keys of others, and the algorithms by which they sign (RFC 7518 section 3.1, RFC 8037 section 3.1): providers sign ID tokens,
//! clients assertions. `none` and those with shared secrets are none of them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bytes of a key on Ed25519 (RFC 8032 section 5.1.5).
const ED25519_BYTES: usize = 32;
/// Bytes of the modulus of a client's key: 2,048 to 4,096 bits. A longer one would cost more for each request.
const CLIENT_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// Bytes of its exponent: as good as all have 65,537.
const CLIENT_EXPONENT_BYTES_MAX: usize = 4;

/// The generator of P-256 (SEC 2 section 2.4.2), uncompressed: a key of nobody.
#[rustfmt::skip]
const NOBODY_P256: [u8; 65] = [
    0x04,
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
    0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
    0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// An algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSA with PKCS#1 1.5 and SHA-256.
    Rs256,
    /// RSA with PSS and SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// EdDSA on Ed25519.
    Ed25519,
}

impl SignatureAlgorithm {
    /// Their names. The last one has two (RFC 8037 section 3.1, RFC 9864 section 2.2).
    pub const NAMES: [&'static str; 5] = ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"];

    /// The one of a name (`alg`).
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            _ => None,
        }
    }
}

/// The members of a JWK that make the key (RFC 7518 section 6, RFC 8037 section 2). Numbers are in base64url without padding.
#[derive(Clone, Copy, Debug, Default)]
pub struct JwkMembers<'a> {
    /// `kty`
    pub kty: &'a str,
    /// `crv`
    pub crv: Option<&'a str>,
    /// `n`
    pub n: Option<&'a str>,
    /// `e`
    pub e: Option<&'a str>,
    /// `x`
    pub x: Option<&'a str>,
    /// `y`
    pub y: Option<&'a str>,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA: modulus and exponent, without leading zeros. One of fewer than 2,048 bits verifies nothing.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// A point on P-256, uncompressed.
    P256(Vec<u8>),
    /// A point on Ed25519, as it is written (RFC 8032 section 5.1.2).
    Ed25519(Vec<u8>),
}

impl PublicKey {
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

    /// A key on Ed25519 (RFC 8037 section 2).
    pub fn ed25519(x: &[u8]) -> Option<Self> {
        (x.len() == ED25519_BYTES).then(|| Self::Ed25519(x.to_vec()))
    }

    /// The key of a JWK; `None` for what is none, and for kinds that are not known.
    pub fn of_jwk(jwk: &JwkMembers<'_>) -> Option<Self> {
        let number = |text: Option<&str>| URL_SAFE_NO_PAD.decode(text?).ok();
        match (jwk.kty, jwk.crv) {
            ("RSA", _) => Self::rsa(&number(jwk.n)?, &number(jwk.e)?),
            ("EC", Some("P-256")) => Self::p256(&number(jwk.x)?, &number(jwk.y)?),
            ("OKP", Some("Ed25519")) => Self::ed25519(&number(jwk.x)?),
            _ => None,
        }
    }

    /// Why it may be no client's, if it may not.
    pub fn fault_of_client(&self) -> Option<&'static str> {
        match self {
            Self::Rsa { n, .. } if !CLIENT_MODULUS_BYTES.contains(&n.len()) => {
                Some("a key of RSA has 2,048 to 4,096 bits")
            }
            Self::Rsa { e, .. } if e.len() > CLIENT_EXPONENT_BYTES_MAX => Some("its exponent has more than 32 bits"),
            Self::Rsa { .. } => None,
            Self::P256(point) => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_err().then_some("it is no point on P-256")
            }
            Self::Ed25519(point) => {
                ParsedPublicKey::new(&ED25519, point).is_err().then_some("it is no point on Ed25519")
            }
        }
    }

    /// Whether its kind signs by that algorithm (RFC 8725 section 3.1: the key says which, not the token).
    pub const fn signs_by(&self, algorithm: SignatureAlgorithm) -> bool {
        match self {
            Self::Rsa { .. } => matches!(algorithm, SignatureAlgorithm::Rs256 | SignatureAlgorithm::Ps256),
            Self::P256(_) => matches!(algorithm, SignatureAlgorithm::Es256),
            Self::Ed25519(_) => matches!(algorithm, SignatureAlgorithm::Ed25519),
        }
    }

    /// How many bytes its signatures have (RFC 8017 section 8, RFC 7518 section 3.4, RFC 8032 section 5.1.6).
    pub fn signature_bytes(&self) -> usize {
        match self {
            Self::Rsa { n, .. } => n.len(),
            Self::P256(_) | Self::Ed25519(_) => 64,
        }
    }

    /// Whether it has signed that by that algorithm. A key of another kind has signed nothing.
    pub fn has_signed(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (self, algorithm) {
            (Self::Rsa { n, e }, SignatureAlgorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Self::Rsa { n, e }, SignatureAlgorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, signature)
            }
            (Self::P256(point), SignatureAlgorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::Ed25519(point), SignatureAlgorithm::Ed25519) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}

/// Spends what [`PublicKey::has_signed`] costs for somebody who has no such key, so that the time of an answer does not tell.
/// Always `false`.
pub fn verify_nobody(algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
    let nobody = match algorithm {
        SignatureAlgorithm::Rs256 | SignatureAlgorithm::Ps256 => {
            // As long as its signature, which is looked at before all else.
            let bytes = signature.len().clamp(*CLIENT_MODULUS_BYTES.start(), *CLIENT_MODULUS_BYTES.end());
            PublicKey::Rsa { n: vec![0xff; bytes], e: vec![1, 0, 1] }
        }
        SignatureAlgorithm::Es256 => PublicKey::P256(NOBODY_P256.to_vec()),
        SignatureAlgorithm::Ed25519 => {
            // The base point (RFC 8032 section 5.1).
            let mut point = vec![0x66; ED25519_BYTES];
            if let Some(first) = point.first_mut() {
                *first = 0x58;
            }
            PublicKey::Ed25519(point)
        }
    };
    let _ = nobody.has_signed(algorithm, message, signature);
    false
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaEncoding, RsaKeyPair,
    };

    use super::*;

    const MESSAGE: &[u8] = b"head.claims";

    #[test]
    fn a_key_on_p256_verifies_what_it_has_signed() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let key = PublicKey::p256(&point[1..33], &point[33..]).unwrap();
        let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
        assert_eq!(signature.as_ref().len(), key.signature_bytes());
        assert!(key.has_signed(SignatureAlgorithm::Es256, MESSAGE, signature.as_ref()));
        assert!(!key.has_signed(SignatureAlgorithm::Es256, b"other", signature.as_ref()));
        assert!(!key.has_signed(SignatureAlgorithm::Rs256, MESSAGE, signature.as_ref()));
        assert!(!key.has_signed(SignatureAlgorithm::Es256, MESSAGE, b""));
        assert_eq!(PublicKey::p256(&point[1..32], &point[33..]), None);
    }

    #[test]
    fn a_key_of_rsa_verifies_by_either_padding_and_by_that_alone() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        // RSAPublicKey of RFC 8017: two integers, the first of 257 bytes with its leading zero, the second of three.
        let der = pair.public_key().as_ref();
        let key = PublicKey::rsa(&der[8..265], &der[267..]).unwrap();
        let pkcs1: &'static dyn RsaEncoding = &RSA_PKCS1_SHA256;
        let pss: &'static dyn RsaEncoding = &RSA_PSS_SHA256;
        for (padding, algorithm, other) in [
            (pkcs1, SignatureAlgorithm::Rs256, SignatureAlgorithm::Ps256),
            (pss, SignatureAlgorithm::Ps256, SignatureAlgorithm::Rs256),
        ] {
            let mut signature = vec![0; pair.public_modulus_len()];
            assert_eq!(signature.len(), key.signature_bytes());
            pair.sign(padding, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
            assert!(key.has_signed(algorithm, MESSAGE, &signature));
            assert!(!key.has_signed(other, MESSAGE, &signature));
        }
    }

    #[test]
    fn a_key_on_ed25519_verifies_what_it_has_signed() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let key = PublicKey::ed25519(pair.public_key().as_ref()).unwrap();
        let signature = pair.sign(MESSAGE);
        assert_eq!(signature.as_ref().len(), key.signature_bytes());
        for name in ["EdDSA", "Ed25519"] {
            let algorithm = SignatureAlgorithm::parse(name).unwrap();
            assert!(key.has_signed(algorithm, MESSAGE, signature.as_ref()) && key.signs_by(algorithm), "{name}");
        }
        assert!(!key.has_signed(SignatureAlgorithm::Ed25519, b"other", signature.as_ref()));
        assert!(!key.has_signed(SignatureAlgorithm::Es256, MESSAGE, signature.as_ref()));
        assert_eq!(PublicKey::ed25519(&[0; 31]), None);
    }

    /// RFC 8037 appendix A.2.
    #[test]
    fn a_jwk_is_read_by_its_kind() {
        let x = Some("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let ed25519 = JwkMembers { kty: "OKP", crv: Some("Ed25519"), x, ..JwkMembers::default() };
        let key = PublicKey::of_jwk(&ed25519).unwrap();
        assert_eq!(key.fault_of_client(), None);
        for other in [
            JwkMembers { kty: "EC", ..ed25519 },
            JwkMembers { crv: Some("X25519"), ..ed25519 },
            JwkMembers { crv: None, ..ed25519 },
            JwkMembers { x: None, ..ed25519 },
            JwkMembers { x: Some("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"), ..ed25519 },
            JwkMembers { kty: "oct", ..ed25519 },
        ] {
            assert_eq!(PublicKey::of_jwk(&other), None, "{other:?}");
        }
    }

    #[test]
    fn a_client_has_no_key_that_verifies_nothing_or_costs_too_much() {
        let off_the_curve = PublicKey::p256(&[1; 32], &[2; 32]).unwrap();
        assert_eq!(off_the_curve.fault_of_client(), Some("it is no point on P-256"));
        assert_eq!(PublicKey::P256(NOBODY_P256.to_vec()).fault_of_client(), None);
        for (bytes, is_good) in [(255, false), (256, true), (512, true), (513, false)] {
            let key = PublicKey::rsa(&vec![0xff; bytes], &[1, 0, 1]).unwrap();
            assert_eq!(key.fault_of_client().is_none(), is_good, "{bytes}");
        }
        assert!(PublicKey::rsa(&[0xff; 256], &[1; 5]).unwrap().fault_of_client().is_some());
    }

    #[test]
    fn nobody_has_signed_anything() {
        for name in SignatureAlgorithm::NAMES {
            let algorithm = SignatureAlgorithm::parse(name).unwrap();
            for signature in [&[][..], &[7; 64], &[7; 256], &[7; 9_000]] {
                assert!(!verify_nobody(algorithm, MESSAGE, signature), "{name}");
            }
        }
    }

    #[test]
    fn algorithms_without_a_public_key_are_none() {
        for none in ["none", "HS256", "RS512", "rs256", ""] {
            assert_eq!(SignatureAlgorithm::parse(none), None, "{none}");
        }
    }
}
