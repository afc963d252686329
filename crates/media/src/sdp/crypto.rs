//! `a=crypto` (RFC 4568): the keys of encrypted audio in descriptions.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::Encryption;

use super::{Fingerprint, Media};
use crate::ice::IceCredentials;
use crate::srtp::{Keying, Mki, SUITES, Suite};

/// Phones write the key with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The longest identifier of a master key that is read: RFC 4568 allows 128 bytes, phones use one.
const MKI_BYTES_MAX: u8 = 16;
/// Bytes of what our keys are made of.
pub const SECRET_BYTES: usize = 32;

/// An `a=crypto` line that can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CryptoLine {
    /// Its number, which an answer repeats.
    pub tag: u32,
    /// The suite and the key of its author.
    pub keying: Keying,
}

/// Why a line cannot be used. In an offer another line may be (RFC 4568 §5.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CryptoError {
    /// It is not of the form `tag suite inline:key`.
    #[error("the line cannot be read")]
    Malformed,
    /// The suite is not spoken here.
    #[error("the suite is not known")]
    Suite,
    /// The key does not have the length of the suite, or there are several.
    #[error("the key does not fit the suite")]
    Key,
    /// The lifetime or the identifier of the key.
    #[error("the lifetime or the identifier of the key cannot be used")]
    Parameter,
    /// A session parameter that must be understood: RFC 4568 §6.3 has none without which audio would be safer.
    #[error("a session parameter is not supported")]
    Session,
}

/// The keys of both directions of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protection {
    /// Of what we send.
    pub ours: Keying,
    /// Of what the peer sends.
    pub theirs: Keying,
}

/// What our own keys are made of: a secret of the leg, so that a suite has the same key in each of its descriptions, and our certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalKeys {
    /// The secret: random, and the leg's alone.
    pub secret: [u8; SECRET_BYTES],
    /// How often each suite has gone out of use, in the order of [`SUITES`]: it comes back with another key, because its packets would be
    /// counted from the start.
    pub spent: [u32; SUITES.len()],
    /// That of the certificate with which keys are agreed on by a handshake.
    pub fingerprint: Fingerprint,
    /// Whether we have begun the handshake that is agreed on.
    pub has_begun: bool,
    /// The user fragment with which the peer looks for the way to us.
    pub peer_fragment: Option<Box<str>>,
    /// How often it has begun anew.
    pub generation: u32,
}

/// What is offered and taken on our side.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum LocalEncryption {
    /// Audio in clear.
    #[default]
    Off,
    /// Encrypted audio if the peer has it, too.
    Offered(LocalKeys),
    /// Encrypted audio only.
    Required(LocalKeys),
    /// The same, and what we offer is to agree on keys by a handshake.
    Dtls(LocalKeys),
}

// === impl CryptoLine ===

impl CryptoLine {
    /// Reads the value of an attribute.
    ///
    /// # Errors
    /// Why the line cannot be used.
    pub fn parse(value: &str) -> Result<Self, CryptoError> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| (1..=9).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_digit()));
        let tag = tag.and_then(|tag| tag.parse().ok()).ok_or(CryptoError::Malformed)?;
        let suite = words.next().ok_or(CryptoError::Malformed)?;
        let keys = words.next().ok_or(CryptoError::Malformed)?;
        let suite = Suite::from_name(suite).ok_or(CryptoError::Suite)?;
        // A hint about the window is none of ours; what begins with "-" may be ignored (RFC 4568 §6.3.7).
        if !words.all(|word| word.starts_with("WSH=") || word.starts_with('-')) {
            return Err(CryptoError::Session);
        }
        let (method, info) = keys.split_once(':').ok_or(CryptoError::Malformed)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(CryptoError::Malformed);
        }
        if info.contains(';') {
            return Err(CryptoError::Key);
        }
        let mut parts = info.split('|');
        let material = BASE64.decode(parts.next().unwrap_or_default()).map_err(|_| CryptoError::Key)?;
        let mut mki = None;
        for (at, part) in parts.enumerate() {
            match (part.split_once(':'), at) {
                // How long the key is used is its author's affair: ours counts what we send.
                (None, 0) if is_lifetime(part) => {}
                (Some(told), 0 | 1) if mki.is_none() => mki = Some(read_mki(told).ok_or(CryptoError::Parameter)?),
                _ => return Err(CryptoError::Parameter),
            }
        }
        let keying = Keying::new(suite, &material, mki).ok_or(CryptoError::Key)?;
        Ok(Self { tag, keying })
    }

    /// The lines of a section that can be used, in order.
    pub fn of(media: &Media) -> impl Iterator<Item = Self> + '_ {
        let values = media.attributes().filter(|attribute| attribute.name == "crypto");
        values.filter_map(|attribute| Self::parse(attribute.value.as_deref()?).ok())
    }
}

/// As the value of the attribute, with the key: for descriptions only.
impl fmt::Display for CryptoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, keying } = self;
        write!(f, "{tag} {} inline:{}", keying.suite().name(), BASE64.encode(keying.material()))?;
        match keying.mki() {
            Some(Mki { value, length }) => write!(f, "|{value}:{length}"),
            None => Ok(()),
        }
    }
}

/// A number of packets: `2^n`, or as it is. SRTP allows 2^48.
fn is_lifetime(text: &str) -> bool {
    match text.strip_prefix("2^") {
        Some(power) => power.parse::<u8>().is_ok_and(|power| power <= 48),
        None => text.parse::<u64>().is_ok_and(|packets| (1..=1 << 48).contains(&packets)),
    }
}

fn read_mki((value, length): (&str, &str)) -> Option<Mki> {
    let (value, length) = (value.parse::<u64>().ok()?, length.parse::<u8>().ok()?);
    let fits = length >= 8 || (length > 0 && value >> (u32::from(length) * 8) == 0);
    (fits && length <= MKI_BYTES_MAX).then_some(Mki { value, length })
}

// === impl LocalKeys ===

impl LocalKeys {
    /// Keys that were in no description yet.
    pub const fn new(secret: [u8; SECRET_BYTES], fingerprint: Fingerprint) -> Self {
        Self { secret, spent: [0; SUITES.len()], fingerprint, has_begun: false, peer_fragment: None, generation: 0 }
    }

    /// By what the peer finds the way to us.
    pub fn ice(&self) -> IceCredentials {
        IceCredentials::of(&self.secret, self.generation)
    }

    /// The peer looks for the way with this user fragment: with another one than before it begins anew.
    pub fn follow_peer(&mut self, fragment: &str) {
        if self.peer_fragment.as_deref().is_some_and(|known| known != fragment) {
            self.generation = self.generation.saturating_add(1);
        }
        self.peer_fragment = Some(fragment.into());
    }

    /// Our key of a suite.
    pub fn keying(&self, suite: Suite) -> Option<Keying> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let spent = self.spent.get(suite.index()).copied().unwrap_or_default();
        let block = |number: u8| {
            let mut context = hmac::Context::with_key(&secret);
            context.update(suite.name().as_bytes());
            context.update(&spent.to_be_bytes());
            context.update(&[number]);
            context.sign()
        };
        let material = [block(0).as_ref(), block(1).as_ref()].concat();
        Keying::new(suite, material.get(..suite.material_bytes())?, None)
    }

    /// Notes what is agreed in the place of what was: a suite that goes out of use is spent.
    pub fn follow(&mut self, before: Option<&Protection>, next: Option<&Protection>) {
        let suite = |protection: Option<&Protection>| protection.map(|protection| protection.ours.suite());
        if let Some(left) = suite(before).filter(|left| suite(next) != Some(*left))
            && let Some(times) = self.spent.get_mut(left.index())
        {
            *times = times.saturating_add(1);
        }
    }
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKeys(***)")
    }
}

// === impl LocalEncryption ===

impl LocalEncryption {
    /// That of a policy, with the leg's keys.
    pub fn new(policy: Encryption, keys: LocalKeys) -> Self {
        match policy {
            Encryption::Off => Self::Off,
            Encryption::Offered => Self::Offered(keys),
            Encryption::Required => Self::Required(keys),
            Encryption::Dtls => Self::Dtls(keys),
        }
    }

    /// The policy.
    pub const fn policy(&self) -> Encryption {
        match self {
            Self::Off => Encryption::Off,
            Self::Offered(_) => Encryption::Offered,
            Self::Required(_) => Encryption::Required,
            Self::Dtls(_) => Encryption::Dtls,
        }
    }

    /// The leg's keys.
    pub const fn keys(&self) -> Option<&LocalKeys> {
        match self {
            Self::Off => None,
            Self::Offered(keys) | Self::Required(keys) | Self::Dtls(keys) => Some(keys),
        }
    }

    /// The leg's keys.
    pub const fn keys_mut(&mut self) -> Option<&mut LocalKeys> {
        match self {
            Self::Off => None,
            Self::Offered(keys) | Self::Required(keys) | Self::Dtls(keys) => Some(keys),
        }
    }
}

#[cfg(test)]
mod tests;
