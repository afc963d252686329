//! Digest authentication (RFC 7616, RFC 8760, and RFC 2617 for older clients).
//!
//! The default [`Offer`] is one challenge with MD5 and `qop="auth"`, which every client answers. SIPp 3.6 and baresip
//! 1.0 were tried: both register with it, and both fail when a challenge with SHA-256 accompanies the one with MD5,
//! although RFC 8760 §2.4 requires them to skip it. So the stronger hash is the operator's choice for phones known to
//! support it, not an addition to the default.

mod answer;
mod challenge;
mod credentials;
mod nonce;
mod uses;

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};

pub use answer::{Unanswered, authorize};
pub use challenge::{Challenge, Offer};
pub use credentials::Credentials;
pub use nonce::{Issued, NonceSource, NonceVerdict};
pub use uses::NonceUses;

/// The hash of a challenge, with or without `-sess`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// `MD5`, also the default if none is named.
    Md5,
    /// `MD5-sess`
    Md5Sess,
    /// `SHA-256`
    Sha256,
    /// `SHA-256-sess`
    Sha256Sess,
    /// `SHA-512-256`
    Sha512_256,
    /// `SHA-512-256-sess`
    Sha512_256Sess,
}

impl Algorithm {
    const ALL: [Self; 6] =
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess, Self::Sha512_256, Self::Sha512_256Sess];

    /// As written in a header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// The algorithm of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str().eq_ignore_ascii_case(name))
    }

    /// Orders the hashes: the higher, the harder to break.
    pub(crate) const fn strength(self) -> u8 {
        match self {
            Self::Md5 | Self::Md5Sess => 1,
            Self::Sha256 | Self::Sha256Sess => 2,
            Self::Sha512_256 | Self::Sha512_256Sess => 3,
        }
    }

    const fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess)
    }

    /// The hash of the parts joined by colons.
    fn hash(self, parts: &[&str]) -> Hex {
        match self {
            Self::Md5 | Self::Md5Sess => hash::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => hash::<Sha256>(parts),
            Self::Sha512_256 | Self::Sha512_256Sess => hash::<Sha512_256>(parts),
        }
    }
}

/// A hash in lower-case hexadecimal.
struct Hex {
    digits: [u8; HEX_MAX],
    length: usize,
}

/// The longest hash has 256 bits: 64 hexadecimal digits.
const HEX_MAX: usize = 64;

impl Hex {
    fn of(bytes: &[u8]) -> Self {
        let mut digits = [0; HEX_MAX];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = hex_digit(byte >> 4);
            pair[1] = hex_digit(byte & 0xF);
        }
        Self { digits, length: (bytes.len() * 2).min(HEX_MAX) }
    }

    fn as_str(&self) -> &str {
        self.digits.get(..self.length).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default()
    }
}

const fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

fn hash<H: Digest>(parts: &[&str]) -> Hex {
    let mut hasher = H::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part.as_bytes());
    }
    Hex::of(hasher.finalize().as_slice())
}

/// A verifier's knowledge of a user.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    /// The password.
    Password(&'a str),
    /// H(user:realm:password) in lower-case hexadecimal, see [`ha1`], made with the hash of the credentials.
    Ha1(&'a str),
}

/// H(user:realm:password), which a store may keep instead of the password.
pub fn ha1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> String {
    algorithm.hash(&[user, realm, password]).as_str().to_owned()
}

/// Whether the credentials prove knowledge of `secret` for a request with that method. The caller must also check the
/// nonce ([`NonceSource::check`], [`NonceUses::spend`]), the realm, the user, that it offered the algorithm, and that
/// `uri` matches the request (RFC 7616 §3.4.6).
pub fn verify(credentials: &Credentials<'_>, method: &str, secret: Secret<'_>) -> bool {
    let expected = match secret {
        Secret::Password(password) => {
            let ha1 = credentials.algorithm.hash(&[&credentials.username, &credentials.realm, password]);
            response(credentials, method, ha1.as_str())
        }
        Secret::Ha1(ha1) => response(credentials, method, ha1),
    };
    same(expected.as_str(), &credentials.response)
}

/// The credentials that answer a challenge. `nc` counts the uses of the nonce from 1.
pub fn respond(
    challenge: &Challenge,
    user: &str,
    password: &str,
    method: &str,
    uri: &str,
    cnonce: &str,
    nc: u32,
) -> Credentials<'static> {
    respond_by(challenge, user, Secret::Password(password), method, uri, cnonce, nc)
}

/// As [`respond`], for whoever knows the password or only its hash, which is made with the hash of the challenge.
pub fn respond_by(
    challenge: &Challenge,
    user: &str,
    secret: Secret<'_>,
    method: &str,
    uri: &str,
    cnonce: &str,
    nc: u32,
) -> Credentials<'static> {
    let with_qop = challenge.qop_auth;
    let mut credentials = Credentials {
        username: user.to_owned().into(),
        realm: challenge.realm.clone().into(),
        nonce: challenge.nonce.clone().into(),
        uri: uri.to_owned().into(),
        response: "".into(),
        algorithm: challenge.algorithm,
        cnonce: (with_qop || challenge.algorithm.is_session()).then(|| cnonce.to_owned().into()),
        nc: with_qop.then_some(nc),
        opaque: challenge.opaque.clone().map(Into::into),
    };
    let answer = match secret {
        Secret::Password(password) => {
            response(&credentials, method, &ha1(challenge.algorithm, user, &challenge.realm, password))
        }
        Secret::Ha1(ha1) => response(&credentials, method, ha1),
    };
    credentials.response = answer.as_str().to_owned().into();
    credentials
}

/// RFC 7616 §3.4.1, and RFC 2617 §3.2.2.1 when there is no qop.
fn response(c: &Credentials<'_>, method: &str, ha1: &str) -> Hex {
    let cnonce = c.cnonce.as_deref().unwrap_or_default();
    let session = c.algorithm.is_session().then(|| c.algorithm.hash(&[ha1, &c.nonce, cnonce]));
    let a1 = session.as_ref().map_or(ha1, Hex::as_str);
    let a2 = c.algorithm.hash(&[method, &c.uri]);
    match c.nc {
        Some(nc) => {
            let nc = Hex::of(&nc.to_be_bytes());
            c.algorithm.hash(&[a1, &c.nonce, nc.as_str(), cnonce, "auth", a2.as_str()])
        }
        None => c.algorithm.hash(&[a1, &c.nonce, a2.as_str()]),
    }
}

/// Compares hexadecimal numbers in constant time.
fn same(a: &str, b: &str) -> bool {
    let pairs = a.bytes().zip(b.bytes());
    a.len() == b.len() && pairs.fold(0, |rest, (x, y)| rest | (x.to_ascii_lowercase() ^ y.to_ascii_lowercase())) == 0
}

#[cfg(test)]
mod tests;
