//! Reading a description. Lenient where phones are careless (bare LF, a missing `s=`), strict about limits.

use std::net::IpAddr;

use super::{
    Attribute, Connection, DESCRIPTION_BYTES_MAX, Description, FORMATS_MAX, LINES_MAX, Line, MEDIA_MAX, Media, Origin,
};

/// Why a description cannot be parsed. Always the peer's fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`DESCRIPTION_BYTES_MAX`], or more lines or sections than the limits.
    #[error("the description is too long")]
    TooLong,
    /// Not UTF-8.
    #[error("the description is not UTF-8")]
    NotUtf8,
    /// A line that is not a letter, an equals sign and a value.
    #[error("line {0} is not of the form x=value")]
    Malformed(usize),
    /// The first line is not `v=0`.
    #[error("the description does not start with v=0")]
    Version,
    /// A line that cannot be read, by its letter.
    #[error("line {line} ({letter}=) cannot be read")]
    Unreadable {
        /// Its number, from 1.
        line: usize,
        /// Its letter.
        letter: char,
    },
    /// There is no `o=` line.
    #[error("the description has no o= line")]
    NoOrigin,
}

/// Reads a description.
pub fn parse(body: &[u8]) -> Result<Description, SdpError> {
    if body.len() > DESCRIPTION_BYTES_MAX {
        return Err(SdpError::TooLong);
    }
    let text = std::str::from_utf8(body).map_err(|_| SdpError::NotUtf8)?;
    let mut reader = Reader::default();
    for (index, raw) in text.split('\n').enumerate() {
        let line = raw.strip_suffix('\r').unwrap_or(raw);
        if line.is_empty() {
            continue;
        }
        if index >= LINES_MAX {
            return Err(SdpError::TooLong);
        }
        reader.line(index + 1, line)?;
    }
    let origin = reader.origin.ok_or(if reader.version { SdpError::NoOrigin } else { SdpError::Version })?;
    Ok(Description { origin, name: reader.name, lines: reader.lines, media: reader.media })
}

#[derive(Default)]
struct Reader {
    version: bool,
    origin: Option<Origin>,
    name: Option<String>,
    lines: Vec<Line>,
    media: Vec<Media>,
}

impl Reader {
    fn line(&mut self, number: usize, text: &str) -> Result<(), SdpError> {
        let mut letters = text.chars();
        let (Some(letter), Some('=')) = (letters.next(), letters.next()) else {
            return Err(SdpError::Malformed(number));
        };
        if !letter.is_ascii_alphabetic() || letters.as_str().contains(['\r', '\0']) {
            return Err(SdpError::Malformed(number));
        }
        let value = letters.as_str();
        let unreadable = SdpError::Unreadable { line: number, letter };
        if !self.version {
            self.version = letter == 'v' && value.trim() == "0";
            return if self.version { Ok(()) } else { Err(SdpError::Version) };
        }
        match letter {
            'v' => return Err(unreadable),
            'o' if self.origin.is_none() && self.media.is_empty() => {
                self.origin = Some(origin(value).ok_or(unreadable)?);
            }
            's' if self.name.is_none() && self.media.is_empty() && self.lines.is_empty() => {
                self.name = Some(value.to_owned());
            }
            'o' | 's' => return Err(unreadable),
            'm' if self.media.len() == MEDIA_MAX => return Err(SdpError::TooLong),
            'm' => self.media.push(media(value).ok_or(unreadable)?),
            'c' => self.push(connection(value)),
            'a' => self.push(attribute(value).ok_or(unreadable)?),
            other => self.push(Line::Other(other, value.to_owned())),
        }
        Ok(())
    }

    fn push(&mut self, line: Line) {
        match self.media.last_mut() {
            Some(media) => media.lines.push(line),
            None => self.lines.push(line),
        }
    }
}

fn origin(value: &str) -> Option<Origin> {
    let mut parts = value.splitn(4, ' ');
    let user = parts.next().filter(|u| !u.is_empty())?.to_owned();
    let session_id = count(parts.next()?)?;
    let version = count(parts.next()?)?;
    let address = parts.next().filter(|a| !a.is_empty())?.to_owned();
    Some(Origin { user, session_id, version, address })
}

/// A number of any size (RFC 8866 §5.2): numbers too large for us saturate, since they are not compared here.
fn count(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn media(value: &str) -> Option<Media> {
    let mut words = value.split_ascii_whitespace();
    let kind = words.next()?.to_owned();
    let (port, port_count) = match words.next()?.split_once('/') {
        Some((port, count)) => (port.parse().ok()?, Some(count.parse().ok()?)),
        None => (value.split_ascii_whitespace().nth(1)?.parse().ok()?, None),
    };
    let protocol = words.next()?.to_owned();
    let formats: Vec<String> = words.by_ref().take(FORMATS_MAX).map(str::to_owned).collect();
    if words.next().is_some() {
        return None;
    }
    Some(Media { kind, port, port_count, protocol, formats, lines: Vec::new() })
}

/// A literal unicast address becomes [`Line::Connection`]; host names and multicast groups stay as received.
fn connection(value: &str) -> Line {
    let other = || Line::Other('c', value.to_owned());
    let mut words = value.split(' ');
    let (Some("IN"), Some(family), Some(address), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return other();
    };
    // Only addresses that print as received: any other spelling is kept byte for byte.
    match (family, address.parse::<IpAddr>()) {
        ("IP4", Ok(a @ IpAddr::V4(_))) | ("IP6", Ok(a @ IpAddr::V6(_))) => Line::Connection(Connection { address: a }),
        _ => other(),
    }
}

fn attribute(value: &str) -> Option<Line> {
    let (name, rest) = match value.split_once(':') {
        Some((name, rest)) => (name, Some(rest.to_owned())),
        None => (value.trim_end(), None),
    };
    (!name.is_empty()).then(|| Line::Attribute(Attribute { name: name.to_owned(), value: rest }))
}
