//! Session descriptions (RFC 8866): a typed model that keeps every line it does not know, in its place.
//!
//! Parsing and building are inverse: `parse(build(x)) == x`. [`Description`] and [`Media`] answer a call's questions:
//! where the audio goes, which codecs, whether the author holds. [`negotiation`] agrees on a stream.

use std::fmt;
use std::net::IpAddr;

mod association;
pub mod crypto;
pub mod negotiation;
pub mod parse;

use association::Proposal;
pub use association::{Association, Fingerprint};
use crypto::CryptoLine;
pub use crypto::{LocalEncryption, LocalKeys, Protection};
pub use negotiation::{AudioStream, Direction, LocalAudio, NegotiationError, PayloadTypes, Preference};
pub use parse::{SdpError, parse};

/// Longest description that is parsed, in bytes: a voice offer has 300 to 1,500, a browser's up to 6,000.
pub const DESCRIPTION_BYTES_MAX: usize = 16_384;
/// Most lines of a description.
pub const LINES_MAX: usize = 512;
/// Most media sections of a description.
pub const MEDIA_MAX: usize = 16;

/// Most formats of a media section. There are 128 payload types and browsers offer 30; each is searched among the
/// section's lines.
pub const FORMATS_MAX: usize = 64;

/// A whole session description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// `o=`
    pub origin: Origin,
    /// `s=`; `None` if the peer left the line out, which RFC 8866 forbids but phones do.
    pub name: Option<String>,
    /// The session's other lines, in order.
    pub lines: Vec<Line>,
    /// The media sections, in order.
    pub media: Vec<Media>,
}

/// `o=`: the author of the description, and its version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// User name, `-` if there is none.
    pub user: String,
    /// Numeric session id.
    pub session_id: u64,
    /// Grows by one with each change (RFC 3264 §8).
    pub version: u64,
    /// The rest, as `IN IP4 192.0.2.1`: network type, address type and address, which may be a host name.
    pub address: String,
}

/// One line after `o=` and `s=`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// `c=IN IP4 ...` or `c=IN IP6 ...` with a literal address.
    Connection(Connection),
    /// `a=`
    Attribute(Attribute),
    /// Any other line: its letter and the unchanged text after `=`.
    Other(char, String),
}

/// `c=` with a literal unicast address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connection {
    /// The address that receives the media; unspecified (`0.0.0.0`, `::`) is the old way to hold (RFC 3264 §8.4).
    pub address: IpAddr,
}

/// `a=name` or `a=name:value`. A key in it is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Before the colon.
    pub name: String,
    /// After the colon.
    pub value: Option<String>,
}

/// An `m=` line and the lines of its section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// `audio`, `video`, ...
    pub kind: String,
    /// The port; 0 means rejected (RFC 3264 §6).
    pub port: u16,
    /// The number of ports, after a slash.
    pub port_count: Option<u16>,
    /// `RTP/AVP`, ...
    pub protocol: String,
    /// Payload types, or the protocol's other names of formats; the preferred one first.
    pub formats: Vec<String>,
    /// The section's lines, in order.
    pub lines: Vec<Line>,
}

/// The profile that a section names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RtpProfile {
    /// RTP (RFC 3551); an author with keys offers to encrypt all the same.
    Clear,
    /// Secure RTP (RFC 3711).
    Secure,
    /// The same, with keys that a handshake in its path agrees on (RFC 5764).
    Dtls,
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_secret = ["crypto", "ice-pwd"].iter().any(|name| self.name.eq_ignore_ascii_case(name));
        let masked = Some("***").filter(|_| is_secret);
        f.debug_struct("Attribute").field("name", &self.name).field("value", &masked.or(self.value.as_deref())).finish()
    }
}

// === impl Description ===

impl Description {
    /// The audio that is spoken: see [`Description::audio_at`].
    pub fn audio(&self) -> Option<&Media> {
        self.media.get(self.audio_at()?)
    }

    /// The index of the first section of audio that can be used; else of the first one of audio.
    pub fn audio_at(&self) -> Option<usize> {
        let usable = self.media.iter().position(|media| self.is_usable(media));
        usable.or_else(|| self.media.iter().position(|media| media.kind == "audio"))
    }

    /// The address that receives a section's media: its own `c=`, else the session's.
    pub fn address_of(&self, media: &Media) -> Option<IpAddr> {
        connection(&media.lines).or_else(|| connection(&self.lines)).map(|c| c.address)
    }

    /// The direction of a section as its author sees it: its own attribute, else the session's, else both ways.
    pub fn direction_of(&self, media: &Media) -> Direction {
        direction(&media.lines).or_else(|| direction(&self.lines)).unwrap_or(Direction::SendRecv)
    }

    /// Whether the author holds the call: it does not want to receive audio now. True of `sendonly`, `inactive`, and
    /// the unspecified address of older phones (RFC 3264 §8.4).
    pub fn is_hold(&self) -> bool {
        let Some(audio) = self.audio() else { return false };
        // Whoever looks for a way to us may have no address to tell yet (RFC 8839 section 4.2.1.1).
        let silenced = self.address_of(audio).is_some_and(|a| a.is_unspecified()) && !self.looks_for_a_way(audio);
        audio.port != 0 && (silenced || !self.direction_of(audio).receives())
    }

    /// Whether a section is audio that is wanted, by RTP in clear, or encrypted with keys that can be used.
    pub fn is_usable(&self, media: &Media) -> bool {
        match media.transport() {
            Some(RtpProfile::Clear) => true,
            Some(RtpProfile::Secure) => CryptoLine::of(media).next().is_some() || Proposal::of(self, media).is_some(),
            Some(RtpProfile::Dtls) => Proposal::of(self, media).is_some(),
            None => false,
        }
    }

    /// Whether the author of a section finds the way to us by ICE. One that is itself found alone ("lite") does not.
    pub(crate) fn looks_for_a_way(&self, media: &Media) -> bool {
        let has = |attribute: &Attribute| attribute.name == "ice-ufrag";
        let is_lite = self.attributes().any(|attribute| attribute.name == "ice-lite");
        !is_lite && (media.attributes().any(has) || self.attributes().any(has))
    }

    /// The session's own attributes, in order.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        attributes(&self.lines)
    }

    /// Sets the version of `o=` for a changed description (RFC 3264 §8: plus one each time).
    pub fn with_version(mut self, version: u64) -> Self {
        self.origin.version = version;
        self
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=0\r\n")?;
        let o = &self.origin;
        write!(f, "o={} {} {} {}\r\n", o.user, o.session_id, o.version, o.address)?;
        if let Some(name) = &self.name {
            write!(f, "s={name}\r\n")?;
        }
        self.lines.iter().try_for_each(|line| line.fmt(f))?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

// === impl Media ===

impl Media {
    /// How the audio of this section goes; `None` if it is no audio that is wanted, or goes by something else.
    pub(crate) fn transport(&self) -> Option<RtpProfile> {
        if self.kind != "audio" || self.port == 0 {
            return None;
        }
        match self.protocol.as_str() {
            "RTP/AVP" | "RTP/AVPF" => Some(RtpProfile::Clear),
            "RTP/SAVP" | "RTP/SAVPF" => Some(RtpProfile::Secure),
            "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF" => Some(RtpProfile::Dtls),
            _ => None,
        }
    }

    /// The first attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes().find(|a| a.name == name)
    }

    /// All attributes, in order.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        attributes(&self.lines)
    }

    /// The encoding of a payload type, as `PCMU/8000`: from `a=rtpmap`, else the static table of RFC 3551 §6.
    pub fn encoding(&self, payload_type: u8) -> Option<&str> {
        let mapped = self.attributes().filter(|a| a.name == "rtpmap").find_map(|a| {
            let (number, encoding) = a.value.as_deref()?.split_once(' ')?;
            (number.parse() == Ok(payload_type)).then(|| encoding.trim())
        });
        mapped.or(match payload_type {
            0 => Some("PCMU/8000"),
            8 => Some("PCMA/8000"),
            9 => Some("G722/8000"),
            13 => Some("CN/8000"),
            _ => None,
        })
    }

    /// The payload types among the formats, the preferred one first.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.formats.iter().filter_map(|f| f.parse().ok()).filter(|pt| *pt < 128)
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.kind, self.port)?;
        if let Some(count) = self.port_count {
            write!(f, "/{count}")?;
        }
        write!(f, " {}", self.protocol)?;
        self.formats.iter().try_for_each(|format| write!(f, " {format}"))?;
        f.write_str("\r\n")?;
        self.lines.iter().try_for_each(|line| line.fmt(f))
    }
}

// === impl Line ===

impl Line {
    /// An attribute without a value.
    pub fn flag(name: &str) -> Self {
        Self::Attribute(Attribute { name: name.to_owned(), value: None })
    }

    /// An attribute with a value.
    pub fn attribute(name: &str, value: impl fmt::Display) -> Self {
        Self::Attribute(Attribute { name: name.to_owned(), value: Some(value.to_string()) })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(c) => write!(f, "c=IN {} {}\r\n", address_type(c.address), c.address),
            Self::Attribute(Attribute { name, value: None }) => write!(f, "a={name}\r\n"),
            Self::Attribute(Attribute { name, value: Some(value) }) => write!(f, "a={name}:{value}\r\n"),
            Self::Other(letter, rest) => write!(f, "{letter}={rest}\r\n"),
        }
    }
}

/// `IP4` or `IP6`.
pub(crate) fn address_type(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IP4" } else { "IP6" }
}

fn attributes(lines: &[Line]) -> impl Iterator<Item = &Attribute> {
    lines.iter().filter_map(|line| match line {
        Line::Attribute(attribute) => Some(attribute),
        _ => None,
    })
}

fn connection(lines: &[Line]) -> Option<Connection> {
    lines.iter().find_map(|line| match line {
        Line::Connection(c) => Some(*c),
        _ => None,
    })
}

fn direction(lines: &[Line]) -> Option<Direction> {
    lines.iter().find_map(|line| match line {
        Line::Attribute(a) if a.value.is_none() => Direction::from_attribute(&a.name),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
