//! URIs (RFC 3261 §19.1, tel: RFC 3966): parsed on demand, stored as text, compared by the RFC's rules.

use std::fmt;
use std::net::IpAddr;

use crate::params::Params;
use crate::parse;
use crate::rule::Rule;

pub mod compare;
pub mod escape;

/// The emergency service, as a URN names it.
const EMERGENCY: &str = "service:sos";

/// The scheme of a URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme<'a> {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel`
    Tel,
    /// Any other, as it came.
    Other(&'a str),
}

impl<'a> Scheme<'a> {
    fn parse(text: &'a str) -> Result<Self, Rule> {
        let mut bytes = text.bytes();
        let valid = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        match text {
            _ if !valid => Err(Rule::Uri),
            _ if text.eq_ignore_ascii_case("sip") => Ok(Self::Sip),
            _ if text.eq_ignore_ascii_case("sips") => Ok(Self::Sips),
            _ if text.eq_ignore_ascii_case("tel") => Ok(Self::Tel),
            _ => Ok(Self::Other(text)),
        }
    }

    /// As it is written in a URI.
    pub const fn as_str(&self) -> &'a str {
        match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Tel => "tel",
            Self::Other(text) => text,
        }
    }
}

/// A host: a name, an IPv4 address or an IPv6 reference.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    text: &'a str,
}

impl<'a> Host<'a> {
    /// Checks a host. Underscores are allowed, since names of internal machines contain them.
    pub fn parse(text: &'a str) -> Result<Self, Rule> {
        let host = Self { text };
        let valid = match text.as_bytes() {
            [] => false,
            [b'[', ..] => host.ip().is_some(),
            name => name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')),
        };
        if valid { Ok(host) } else { Err(Rule::Host) }
    }

    /// As it came, an IPv6 address with its brackets.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        let ip = parse::ip(self.text)?;
        (ip.is_ipv4() || self.text.starts_with('[')).then_some(ip)
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(other.text)
            || (self.text.starts_with('[')
                && other.text.starts_with('[')
                && self.ip() == other.ip()
                && self.ip().is_some())
    }
}

impl Eq for Host<'_> {}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// A URI, borrowed from a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uri<'a> {
    text: &'a str,
    scheme: Scheme<'a>,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: Option<Host<'a>>,
    port: Option<u16>,
    params: Params<'a>,
    headers: &'a str,
    opaque: &'a str,
}

impl<'a> Uri<'a> {
    /// Parses a URI. A scheme other than sip, sips and tel is kept as text.
    pub fn parse(text: &'a str) -> Result<Self, Rule> {
        let (scheme, opaque) = parse::split(text, b':').ok_or(Rule::Uri)?;
        if opaque.is_empty() || text.bytes().any(|b| b <= b' ' || matches!(b, b'<' | b'>' | b'"' | 0x7f)) {
            return Err(Rule::Uri);
        }
        let scheme = Scheme::parse(scheme)?;
        let plain = Self { scheme, ..Self::foreign(text) };
        match scheme {
            Scheme::Sip | Scheme::Sips => plain.with_sip_parts(),
            Scheme::Tel => plain.with_tel_parts(),
            Scheme::Other(_) => Ok(plain),
        }
    }

    fn with_sip_parts(mut self) -> Result<Self, Rule> {
        let mut rest = self.opaque;
        // The user part may contain `;` and `?`, so the `@` is searched first.
        if let Some((user_info, after)) = parse::split(rest, b'@') {
            let (user, password) = match parse::split(user_info, b':') {
                Some((user, password)) => (user, Some(password)),
                None => (user_info, None),
            };
            if user.is_empty() || !escape::is_well_escaped(user_info) {
                return Err(Rule::Uri);
            }
            (self.user, self.password, rest) = (Some(user), password, after);
        }
        let (before, headers) = parse::split(rest, b'?').unwrap_or((rest, ""));
        let (host_port, params) = before.split_at(parse::find(before, b';').unwrap_or(before.len()));
        let (host, port) = split_port(host_port)?;
        if !escape::is_well_escaped(params) || !escape::is_well_escaped(headers) {
            return Err(Rule::Uri);
        }
        self.host = Some(Host::parse(host)?);
        self.port = port;
        self.params = Params::parse_uri(params)?;
        self.headers = headers;
        Ok(self)
    }

    fn with_tel_parts(mut self) -> Result<Self, Rule> {
        let (number, params) = self.opaque.split_at(parse::find(self.opaque, b';').unwrap_or(self.opaque.len()));
        let digits = number.strip_prefix('+').unwrap_or(number);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit() || b"*#-.()".contains(&b)) {
            return Err(Rule::Uri);
        }
        self.user = Some(number);
        self.params = Params::parse_uri(params)?;
        Ok(self)
    }

    /// The whole URI as it came.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme<'a> {
        self.scheme
    }

    /// Whether it is sip or sips.
    pub const fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as it came, escapes included; for tel the number.
    pub const fn user(&self) -> Option<&'a str> {
        self.user
    }

    /// The password as it came.
    pub const fn password(&self) -> Option<&'a str> {
        self.password
    }

    /// The host (sip and sips).
    pub const fn host(&self) -> Option<Host<'a>> {
        self.host
    }

    /// The port, if given.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The URI parameters.
    pub const fn params(&self) -> Params<'a> {
        self.params
    }

    /// The headers, without the question mark; empty if there are none.
    pub const fn headers(&self) -> &'a str {
        self.headers
    }

    /// The part after the scheme's colon.
    pub const fn opaque(&self) -> &'a str {
        self.opaque
    }

    /// Whether it names the emergency service, or a part of it as `urn:service:sos.fire` (RFC 5031 section 4.2).
    pub fn is_emergency(&self) -> bool {
        let is_urn = matches!(self.scheme, Scheme::Other(scheme) if scheme.eq_ignore_ascii_case("urn"));
        let (service, part) = self.opaque.split_at_checked(EMERGENCY.len()).unwrap_or_default();
        is_urn && service.eq_ignore_ascii_case(EMERGENCY) && (part.is_empty() || part.starts_with('.'))
    }

    /// The `transport` parameter.
    pub fn transport(&self) -> Option<&'a str> {
        self.params.get("transport")
    }

    /// Whether it has the `lr` parameter (RFC 3261 §19.1.1).
    pub fn is_loose_router(&self) -> bool {
        self.params.contains("lr")
    }

    /// Compares by RFC 3261 §19.1.4 (which is not transitive, so this is not `PartialEq`).
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        compare::equivalent(self, other)
    }

    /// An owned copy.
    pub fn to_owned(&self) -> OwnedUri {
        OwnedUri { text: self.text.into() }
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// An owned URI, checked when it was created.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OwnedUri {
    text: Box<str>,
}

impl OwnedUri {
    /// Checks `text` and keeps it.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        Uri::parse(text).map(|uri| uri.to_owned())
    }

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed URI.
    pub fn borrow(&self) -> Uri<'_> {
        // Checked by `parse`, so the fallback is never taken.
        Uri::parse(&self.text).unwrap_or_else(|_| Uri::foreign(&self.text))
    }
}

impl fmt::Display for OwnedUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether two URIs are one Contact for a registrar (RFC 3261 §10.3 step 7).
pub(crate) fn are_one_contact(one: &str, other: &str) -> bool {
    one == other || matches!((Uri::parse(one), Uri::parse(other)), (Ok(one), Ok(other)) if one.equivalent(&other))
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), Rule> {
    let after_host = if text.starts_with('[') { parse::find(text, b']').ok_or(Rule::Host)? } else { 0 };
    match parse::find(&text[after_host..], b':').map(|at| at + after_host) {
        None => Ok((text, None)),
        Some(colon) => Ok((&text[..colon], Some(parse::port(&text[colon + 1..])?))),
    }
}

impl<'a> Uri<'a> {
    fn foreign(text: &'a str) -> Self {
        let (scheme, opaque) = parse::split(text, b':').unwrap_or(("", text));
        Self {
            text,
            scheme: Scheme::Other(scheme),
            user: None,
            password: None,
            host: None,
            port: None,
            params: Params::default(),
            headers: "",
            opaque,
        }
    }
}
