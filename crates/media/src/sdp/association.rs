//! A handshake in the audio's path that agrees on its keys (RFC 5763, RFC 8122, RFC 8842), as descriptions arrange it.

use std::fmt;

use aws_lc_rs::digest;

use super::{Attribute, Description, Line, Media, attributes};
use crate::ice::IceCredentials;

/// Hashes of certificates that are verified, the best one first.
const HASHES: [(&str, &digest::Algorithm); 3] =
    [("sha-512", &digest::SHA512), ("sha-384", &digest::SHA384), ("sha-256", &digest::SHA256)];

/// The fingerprint of a certificate as descriptions carry it: the hash in lower case, then its bytes in upper case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint(Box<str>);

/// What the descriptions of both sides say about the handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Association {
    /// The certificate that the peer has to show.
    pub theirs: Fingerprint,
    /// Whether we begin the handshake; else the peer does.
    pub connects: bool,
    /// How the peer finds the way to us; `None` if it does not look for one.
    pub ice: Option<IceCredentials>,
    /// The user fragment with which it looks; empty without.
    pub peer_fragment: Box<str>,
}

/// The part in the handshake that an author offers or takes (RFC 4145 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HandshakeRole {
    Active,
    Passive,
    Either,
}

impl Fingerprint {
    /// That of a certificate in DER, by the hash that everybody has.
    pub fn of(certificate: &[u8]) -> Self {
        Self::by("sha-256", &digest::SHA256, certificate)
    }

    /// Reads the value of an attribute; `None` if the hash is none that is verified here, or the rest is no such hash.
    pub fn parse(value: &str) -> Option<Self> {
        let (name, bytes) = value.trim().split_once(' ')?;
        let (name, hash) = HASHES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        let bytes = bytes.trim();
        let is_byte = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        let is_whole = bytes.split(':').all(is_byte) && bytes.split(':').count() == hash.output_len();
        is_whole.then(|| Self(format!("{name} {}", bytes.to_ascii_uppercase()).into()))
    }

    /// Whether it is that of a certificate in DER.
    pub fn fits(&self, certificate: &[u8]) -> bool {
        let hash = HASHES.into_iter().find(|(name, _)| self.0.split(' ').next() == Some(name));
        hash.is_some_and(|(name, hash)| Self::by(name, hash, certificate) == *self)
    }

    fn by(name: &str, hash: &'static digest::Algorithm, certificate: &[u8]) -> Self {
        let bytes: Vec<_> = digest::digest(hash, certificate).as_ref().iter().map(|b| format!("{b:02X}")).collect();
        Self(format!("{name} {}", bytes.join(":")).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HandshakeRole {
    const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Either => "actpass",
        }
    }

    fn of(description: &Description, media: &Media) -> Option<Self> {
        let word = of_either(description, media, "setup")?;
        [Self::Active, Self::Passive, Self::Either]
            .into_iter()
            .find(|role| role.word().eq_ignore_ascii_case(word.trim()))
    }
}

/// What an author says about the handshake of a section's audio.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Proposal {
    fingerprint: Fingerprint,
    /// None where the author has not said it.
    role: Option<HandshakeRole>,
    /// The author's user fragment, if it finds the way by ICE.
    fragment: Option<Box<str>>,
}

impl Proposal {
    /// What an offer or answer proposes; `None` if it proposes none that can be taken.
    pub(super) fn of(description: &Description, media: &Media) -> Option<Self> {
        let is_it = |attribute: &&Attribute| attribute.name == "fingerprint";
        let of_media = media.attributes().any(|attribute| is_it(&attribute));
        let lines = if of_media { &media.lines } else { &description.lines };
        let fingerprints =
            || attributes(lines).filter(is_it).filter_map(|found| Fingerprint::parse(found.value.as_deref()?));
        let fragment = of_either(description, media, "ice-ufrag").filter(|_| description.looks_for_a_way(media));
        let by_hash = |(name, _): &(&str, _)| fingerprints().find(|found| found.0.split(' ').next() == Some(name));
        Some(Self {
            fingerprint: HASHES.iter().find_map(by_hash)?,
            role: HandshakeRole::of(description, media),
            fragment: fragment.map(|fragment| fragment.trim().into()),
        })
    }

    /// The user fragment of an author that finds the way to us.
    pub(super) fn fragment(&self) -> Option<&str> {
        self.fragment.as_deref()
    }

    /// Our side of it in an answer. Whoever may begin the handshake does not wait for us behind a NAT: we begin only where the offer
    /// says so, or where we have begun the one that goes on (RFC 8842 §5.3).
    pub(super) fn answered(self, ours: Option<IceCredentials>, has_begun: bool) -> Association {
        let connects = match self.role {
            Some(HandshakeRole::Passive) => true,
            Some(HandshakeRole::Active) => false,
            Some(HandshakeRole::Either) | None => has_begun,
        };
        self.agreed(connects, ours)
    }

    /// The association on which an answer of theirs agrees; `None` if it leaves to us what only it can decide. Without a word it waits for
    /// us (RFC 4145 §4).
    pub(super) fn accepted(self, ours: Option<IceCredentials>) -> Option<Association> {
        let connects = match self.role {
            Some(HandshakeRole::Either) => return None,
            Some(HandshakeRole::Active) => false,
            Some(HandshakeRole::Passive) | None => true,
        };
        Some(self.agreed(connects, ours))
    }

    fn agreed(self, connects: bool, ours: Option<IceCredentials>) -> Association {
        let ice = ours.filter(|_| self.fragment.is_some());
        Association { theirs: self.fingerprint, connects, ice, peer_fragment: self.fragment.unwrap_or_default() }
    }
}

/// The lines of our own section: our certificate, our part in the handshake, and how a peer that looks for a way to us finds it.
pub(super) fn describe(section: &mut Media, fingerprint: &Fingerprint, connects: Option<bool>) {
    let role = match connects {
        None => HandshakeRole::Either,
        Some(true) => HandshakeRole::Active,
        Some(false) => HandshakeRole::Passive,
    };
    section.lines.push(Line::attribute("fingerprint", fingerprint));
    section.lines.push(Line::attribute("setup", role.word()));
}

/// The value of an attribute of the section, else of the session.
fn of_either<'a>(description: &'a Description, media: &'a Media, name: &str) -> Option<&'a str> {
    let of_session = || description.attributes().find(|attribute| attribute.name == name);
    media.attribute(name).or_else(of_session)?.value.as_deref()
}
