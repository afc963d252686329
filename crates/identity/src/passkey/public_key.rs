//! Public keys as authenticators write them (COSE: RFC 9052 section 7, RFC 9053 section 7, RFC 8230 section 4), and what they have signed.

use std::ops::RangeInclusive;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use minicbor::Decoder;
use minicbor::data::Type;

use super::PasskeyFault;

/// ECDSA on P-256 with SHA-256.
pub(super) const ES256: i64 = -7;
/// EdDSA; of its curves Ed25519 alone (section 5.8.5).
pub(super) const EDDSA: i64 = -8;
/// RSA with PKCS#1 1.5 and SHA-256.
pub(super) const RS256: i64 = -257;

/// The most entries of a key.
const ENTRIES_MAX: u64 = 16;
/// Labels of a key.
const TYPE: i64 = 1;
const ALGORITHM: i64 = 3;
/// The curve, or the modulus of RSA.
const CURVE_OR_MODULUS: i64 = -1;
/// One coordinate, or the exponent of RSA.
const X_OR_EXPONENT: i64 = -2;
const Y: i64 = -3;
/// Types of keys.
const OCTET_PAIR: i64 = 1;
const ELLIPTIC: i64 = 2;
const RSA: i64 = 3;
/// Curves.
const P256: i64 = 1;
const ED25519_CURVE: i64 = 6;
/// Bits of a modulus that verifies, and of an exponent.
const MODULUS_BITS: RangeInclusive<usize> = 2_048..=8_192;
const EXPONENT_BITS: RangeInclusive<usize> = 2..=33;
/// Bytes of a coordinate, and of a key of Ed25519.
const COORDINATE_BYTES: usize = 32;

/// A public key of a passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PasskeyKey {
    /// A point on P-256, uncompressed.
    P256(Vec<u8>),
    /// A point on Curve25519.
    Ed25519(Vec<u8>),
    /// RSA: modulus and exponent, without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
}

/// A value of a key.
#[derive(Clone, Copy)]
enum CoseValue<'a> {
    Number(i64),
    Bytes(&'a [u8]),
}

/// The entries of a key that we look at, by label.
struct CoseEntries<'a>(Vec<(i64, CoseValue<'a>)>);

impl<'a> CoseEntries<'a> {
    /// Reads a map; `None` if it is none, has a label twice, or does not end where the bytes do.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut decoder = Decoder::new(bytes);
        let count = decoder.map().ok()?.filter(|count| *count <= ENTRIES_MAX)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let label = decoder.i64().ok()?;
            let value = match decoder.datatype().ok()? {
                Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
                    CoseValue::Number(decoder.i64().ok()?)
                }
                Type::Bytes => CoseValue::Bytes(decoder.bytes().ok()?),
                _ => {
                    decoder.skip().ok()?;
                    continue;
                }
            };
            if entries.iter().any(|(other, _)| *other == label) {
                return None;
            }
            entries.push((label, value));
        }
        (decoder.position() == bytes.len()).then_some(Self(entries))
    }

    fn number(&self, label: i64) -> Option<i64> {
        self.0.iter().find_map(|(other, value)| match value {
            CoseValue::Number(number) if *other == label => Some(*number),
            _ => None,
        })
    }

    fn bytes(&self, label: i64) -> Option<&'a [u8]> {
        self.0.iter().find_map(|(other, value)| match value {
            CoseValue::Bytes(bytes) if *other == label => Some(*bytes),
            _ => None,
        })
    }

    fn coordinate(&self, label: i64) -> Option<&'a [u8]> {
        self.bytes(label).filter(|bytes| bytes.len() == COORDINATE_BYTES)
    }

    fn integer(&self, label: i64) -> Option<Vec<u8>> {
        let trimmed: Vec<u8> = self.bytes(label)?.iter().copied().skip_while(|byte| *byte == 0).collect();
        (!trimmed.is_empty()).then_some(trimmed)
    }
}

impl PasskeyKey {
    /// Reads a key of one of the algorithms.
    pub fn from_cose(bytes: &[u8]) -> Result<Self, PasskeyFault> {
        let unreadable = PasskeyFault::PublicKey;
        let entries = CoseEntries::read(bytes).ok_or(unreadable)?;
        let (of_type, algorithm) = (entries.number(TYPE), entries.number(ALGORITHM));
        let curve = entries.number(CURVE_OR_MODULUS);
        let read = match (of_type.ok_or(unreadable)?, algorithm.ok_or(unreadable)?) {
            (ELLIPTIC, ES256) if curve == Some(P256) => {
                entries.coordinate(X_OR_EXPONENT).zip(entries.coordinate(Y)).map(|(x, y)| {
                    // SEC 1 section 2.3.3: 4 says that both coordinates follow.
                    Self::P256([&[4], x, y].concat())
                })
            }
            (OCTET_PAIR, EDDSA) if curve == Some(ED25519_CURVE) => {
                entries.coordinate(X_OR_EXPONENT).map(|x| Self::Ed25519(x.to_vec()))
            }
            (RSA, RS256) => {
                entries.integer(CURVE_OR_MODULUS).zip(entries.integer(X_OR_EXPONENT)).map(|(n, e)| Self::Rsa { n, e })
            }
            (ELLIPTIC, ES256) | (OCTET_PAIR, EDDSA) => None,
            _ => return Err(PasskeyFault::Algorithm),
        };
        read.ok_or(unreadable)
    }

    /// Whether it verifies anything at all: a point of P-256 is on its curve, a modulus has 2,048 bits or more. Of a point of Ed25519 that is
    /// known with a signature alone. Whoever makes a passkey of another key could never show it.
    pub fn is_usable(&self) -> bool {
        match self {
            Self::P256(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).is_ok(),
            Self::Ed25519(point) => ParsedPublicKey::new(&ED25519, point).is_ok(),
            Self::Rsa { n, e } => {
                let both_odd = [n, e].into_iter().all(|number| number.last().is_some_and(|byte| byte % 2 == 1));
                both_odd && MODULUS_BITS.contains(&bits(n)) && EXPONENT_BITS.contains(&bits(e))
            }
        }
    }

    /// Whether it has signed that (section 6.5.5: of ECDSA in ASN.1).
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature),
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        verified.is_ok()
    }
}

/// The bits of a number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |byte| byte.leading_zeros());
    (number.len() * 8).saturating_sub(usize::try_from(unused).unwrap_or_default())
}
