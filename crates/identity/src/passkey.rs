//! Passkeys (Web Authentication Level 3, W3C): keys in a person's device, of which we know the public half. What an authenticator and a browser
//! say of one is judged here, when it is made and each time that it is shown. Attestation is not asked for: any authenticator will do.
//!
//! It is written by hand since `webauthn-rs`, the usual crate of relying parties, needs OpenSSL, which nothing else here is built with, and
//! brings attestation and records of its own shape that nobody would use here. Signatures are verified by aws-lc-rs and CBOR is read by
//! minicbor, so that what is ours are the checks of sections 7.1 and 7.2.

pub mod assertion;
mod authenticator_data;
mod client_data;
mod public_key;
pub mod registration;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;

use self::authenticator_data::AuthenticatorData;

/// The longest id of a passkey, in bytes (section 7.1, step 24).
pub const ID_BYTES_MAX: usize = 1_023;
/// Bytes of a handle: at most 64 (section 5.4.3), and as many as cannot be guessed.
pub const HANDLE_BYTES: usize = 32;
/// Random bytes of a challenge; 16 are the least (section 13.4.3).
pub const CHALLENGE_RANDOM_BYTES: usize = 24;
/// How long a challenge is good.
pub const CHALLENGE_LIFE: Duration = Duration::from_secs(300);
/// Bytes of a challenge, with its end.
const CHALLENGE_BYTES: usize = CHALLENGE_RANDOM_BYTES + size_of::<u64>();

/// The algorithms that we verify, as COSE numbers them (RFC 9053 section 2, RFC 8812 section 2), the first one first.
pub const ALGORITHMS: [i64; 3] = [public_key::ES256, public_key::EDDSA, public_key::RS256];

/// Why a passkey is not believed. The text names the part and the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyFault {
    /// The client data are not what a browser writes.
    #[error("client data: they are not JSON as a browser writes it")]
    ClientData,
    /// The browser was asked for something else.
    #[error("client data: type is that of another request")]
    Type,
    /// The answer is one to another challenge.
    #[error("client data: challenge is another one")]
    Challenge,
    /// Another page has asked for it.
    #[error("client data: origin is not that of this server")]
    Origin,
    /// A page of ours within a page of others has asked for it.
    #[error("client data: crossOrigin says that a page of another origin was around it")]
    CrossOrigin,
    /// The authenticator's data cannot be read.
    #[error("authenticator data: they cannot be read")]
    AuthenticatorData,
    /// The key is one for another host.
    #[error("authenticator data: rpIdHash is that of another host")]
    RelyingParty,
    /// Nobody has touched the authenticator.
    #[error("authenticator data: user presence is missing")]
    NotPresent,
    /// The authenticator does not know who has touched it.
    #[error("authenticator data: user verification is missing")]
    NotVerified,
    /// What was made cannot be read.
    #[error("attestation object: it cannot be read")]
    Attestation,
    /// The key's id is too long, or there is none.
    #[error("credential: its id is empty or longer than 1023 bytes")]
    Id,
    /// The key cannot be read.
    #[error("credential: its public key cannot be read")]
    PublicKey,
    /// The key is of an algorithm that was not asked for.
    #[error("credential: its algorithm is none of ES256, EdDSA and RS256")]
    Algorithm,
    /// The key is no point of its curve, or too small.
    #[error("credential: its public key verifies nothing: it is no point of P-256, or RSA of fewer than 2048 bits")]
    UnusableKey,
    /// The key has not signed that.
    #[error("signature: it is not that of this passkey")]
    Signature,
    /// The key was used elsewhere since: there are two of it.
    #[error("authenticator data: the signature counter has gone back")]
    CounterBack,
}

/// Where passkeys are good: the host of the issuer, and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    origin: String,
}

impl RelyingParty {
    /// That of a URL, as `https://centre.example/auth/v3`. `None` for a host that is an address: browsers make no passkeys for those
    /// (section 5.1.3, "valid domain").
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split('/').next()?.to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
            _ => (authority.as_str(), None),
        };
        let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
        if host.is_empty() || is_address {
            return None;
        }
        // An origin has no port that is the scheme's own (RFC 6454 section 6.2).
        let own = if scheme == "https" { "443" } else { "80" };
        let port = port.filter(|port| *port != own).map(|port| format!(":{port}")).unwrap_or_default();
        Some(Self { id: host.to_owned(), origin: format!("{scheme}://{host}{port}") })
    }

    /// The host (`rpId`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The origin of its pages.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// What an authenticator has to sign, with the time until which it may. That it is one of ours and not spent is for the caller to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyChallenge([u8; CHALLENGE_BYTES]);

impl PasskeyChallenge {
    /// A new one of random bytes.
    pub fn new(random: [u8; CHALLENGE_RANDOM_BYTES], now: Timestamp) -> Self {
        let mut bytes = [0; CHALLENGE_BYTES];
        let (until, rest) = bytes.split_at_mut(size_of::<u64>());
        until.copy_from_slice(&(now + CHALLENGE_LIFE).as_secs().to_be_bytes());
        rest.copy_from_slice(&random);
        Self(bytes)
    }

    /// As the browser is told it, and says it again: base64url without padding.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`Self::text`] has written, while there is time.
    pub fn parse(text: &str, now: Timestamp) -> Option<Self> {
        let read = Self(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?);
        (now < read.until()).then_some(read)
    }

    /// The end of its time.
    pub fn until(&self) -> Timestamp {
        let seconds = self.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Timestamp::from_micros(seconds.saturating_mul(1_000_000))
    }
}

/// What authenticators call a person: random, so that it says nothing of who it is (section 14.6.1). With another one all passkeys of the
/// person are over.
#[derive(Clone, PartialEq, Eq)]
pub struct UserHandle([u8; HANDLE_BYTES]);

impl UserHandle {
    /// A new one of random bytes.
    pub const fn new(random: [u8; HANDLE_BYTES]) -> Self {
        Self(random)
    }

    /// A stored one; `None` if it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; HANDLE_BYTES] {
        &self.0
    }

    /// As text: base64url without padding.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`Self::text`] has written.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(&URL_SAFE_NO_PAD.decode(text).ok()?)
    }
}

impl fmt::Debug for UserHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserHandle(..)")
    }
}

/// What a browser was asked for, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct AskedPasskey<'a> {
    /// What had to be signed.
    pub challenge: &'a PasskeyChallenge,
    /// Where.
    pub at: &'a RelyingParty,
    /// Whether the authenticator must know who has touched it, by a PIN or a finger: it stands for two factors then.
    pub verified: bool,
}

impl AskedPasskey<'_> {
    /// Section 7.1 steps 14 to 17, section 7.2 steps 15 to 18.
    fn check_authenticator(&self, data: &AuthenticatorData<'_>) -> Result<(), PasskeyFault> {
        if !data.is_for(&self.at.id) {
            return Err(PasskeyFault::RelyingParty);
        }
        if !data.is_user_present() {
            return Err(PasskeyFault::NotPresent);
        }
        if self.verified && !data.is_user_verified() {
            return Err(PasskeyFault::NotVerified);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
