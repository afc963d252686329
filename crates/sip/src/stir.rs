//! STIR/SHAKEN: who calls, said by a signature. The `Identity` header (RFC 8224), the PASSporT in it (RFC 8225) and its extension
//! `shaken` (RFC 8588), with certificates as RFC 8226 has them.
//!
//! Whoever sends an INVITE signs it with [`Signer`]; whoever receives it reads what is claimed ([`ClaimedIdentity::read`]), fetches the
//! certificates that it names and verifies ([`ClaimedIdentity::verify`]). Nothing here does I/O: fetching is the shell's. The nonce of an
//! ECDSA signature is random inside the cryptography library; no decision depends on it.

mod certificates;
mod identity;
mod number;
mod passport;
mod sign;
mod verify;

use std::fmt;

use thiserror::Error;

use crate::status::StatusCode;

pub use certificates::{
    Authorities, AuthorityValidity, CertificateChain, CertificatesError, TnAuthorization, TrustedChain,
};
pub use identity::{IDENTITIES_MAX, IDENTITY_MAX, IdentityValue, passed_on};
pub use number::{called, canonical, telephone};
pub use passport::{ORIGID_MAX, Passport};
pub use sign::{KeyError, Signer};
pub use verify::{CallNumbers, ClaimedIdentity, VerifiedIdentity};

/// For how long a PASSporT is fresh, before and after its `iat`, in seconds (RFC 8224 §5.2.1, §10.1).
pub const FRESH_S: u64 = 60;
/// The longest address of a certificate, in bytes.
pub const CERTIFICATE_URL_MAX: usize = 512;

/// How sure the signer is of who calls (RFC 8588 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attestation {
    /// It knows the caller, and that the caller may use the number.
    A,
    /// It knows the caller.
    B,
    /// It knows where the call entered its network.
    C,
}

impl Attestation {
    /// As in the claim `attest`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }

    /// The one of a claim.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::A, Self::B, Self::C].into_iter().find(|attestation| attestation.as_str() == text)
    }
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a verifier says of the number of who calls (the parameter `verstat`, 3GPP TS 24.229 §7.2A.20).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verstat {
    /// It is that of who has signed for it.
    Passed,
    /// It is signed for, and the signature does not hold.
    Failed,
    /// Nothing is known.
    Unknown,
}

impl Verstat {
    /// As in the parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "TN-Validation-Passed",
            Self::Failed => "TN-Validation-Failed",
            Self::Unknown => "No-TN-Validation",
        }
    }

    /// The one of a parameter.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Passed, Self::Failed, Self::Unknown].into_iter().find(|verstat| verstat.as_str() == text)
    }
}

/// Why an INVITE is not verified (RFC 8224 §6.2.2).
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StirRefusal {
    /// It has no Identity that we can use: 428.
    #[error("there is no Identity with the extension shaken")]
    Missing,
    /// Its certificate cannot be fetched: 436.
    #[error("the certificate cannot be fetched: {0}")]
    BadInfo(String),
    /// Its certificate is not one that we trust: 437.
    #[error("the certificate is not trusted: {0}")]
    UnsupportedCredential(String),
    /// Its Identity is malformed, says something else than the INVITE, or its signature is wrong: 438.
    #[error("{0}")]
    Invalid(&'static str),
    /// It was signed too long ago, or in the future: 403.
    #[error("it was not signed within the last {FRESH_S} s")]
    Stale,
}

impl StirRefusal {
    /// The status with which it is refused, with its reason phrase.
    pub const fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Missing => (StatusCode::USE_IDENTITY_HEADER, "Use Identity Header"),
            Self::BadInfo(_) => (StatusCode::BAD_IDENTITY_INFO, "Bad Identity Info"),
            Self::UnsupportedCredential(_) => (StatusCode::UNSUPPORTED_CREDENTIAL, "Unsupported Credential"),
            Self::Invalid(_) => (StatusCode::INVALID_IDENTITY_HEADER, "Invalid Identity Header"),
            Self::Stale => (StatusCode::FORBIDDEN, "Stale Date"),
        }
    }

    /// What is said of the number if the call is let through: where there was nothing to verify it with, nothing.
    pub const fn verstat(&self) -> Verstat {
        match self {
            Self::Missing | Self::BadInfo(_) => Verstat::Unknown,
            Self::UnsupportedCredential(_) | Self::Invalid(_) | Self::Stale => Verstat::Failed,
        }
    }
}

/// Whether a certificate may be fetched from there: by https, from a host, and a URL that can stand in the header.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_certificate_url(url: &str) -> Result<(), &'static str> {
    let host = url.strip_prefix("https://").ok_or("it must begin with https://")?;
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    if url.len() > CERTIFICATE_URL_MAX {
        return Err("it must have at most 512 bytes");
    }
    let name = host.split(':').next().unwrap_or_default();
    if !name.bytes().any(|byte| byte.is_ascii_alphanumeric()) || host.contains('@') {
        return Err("it must name a host, without user or password");
    }
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte));
    if is_plain { Ok(()) } else { Err("it must have no blanks, brackets, quotes or characters beyond ASCII") }
}

#[cfg(test)]
mod tests;
