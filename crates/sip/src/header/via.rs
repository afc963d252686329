//! Via (RFC 3261 §20.42, RFC 3581).

use std::fmt;
use std::net::IpAddr;

use crate::params::Params;
use crate::parse;
use crate::rule::Rule;
use crate::uri::Host;

/// The magic cookie of a branch that identifies a transaction (RFC 3261 §8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One Via element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, `WS`, ... in the case received.
    pub transport: &'a str,
    /// The host of sent-by.
    pub host: Host<'a>,
    /// The port of sent-by.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Parses one element.
    pub fn parse(element: &'a str) -> Result<Self, Rule> {
        let rest = match element.get(..8) {
            Some(start) if start.eq_ignore_ascii_case("SIP/2.0/") => &element[8..],
            _ => skip_protocol(element)?,
        };
        let rest = parse::trim(rest);
        let (transport, rest) = rest.split_once([' ', '\t']).ok_or(Rule::Token)?;
        if !parse::is_token(transport) {
            return Err(Rule::Token);
        }
        let rest = parse::trim(rest);
        let (sent_by, params) = rest.split_at(parse::find(rest, b';').unwrap_or(rest.len()));
        let (host, port) = sent_by_parts(parse::trim(sent_by))?;
        Ok(Self { transport, host: Host::parse(host)?, port, params: Params::parse(params)? })
    }

    /// The branch.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").filter(|b| !b.is_empty())
    }

    /// Whether the branch begins with the magic cookie and has something after it.
    pub fn has_rfc3261_branch(&self) -> bool {
        self.branch().is_some_and(|b| b.len() > MAGIC_COOKIE.len() && b.starts_with(MAGIC_COOKIE))
    }

    /// `rport`: `None` if absent, `Some(None)` if it requests a value, `Some(Some(port))` if it has one.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.find("rport").map(|p| p.value.and_then(|v| parse::port(v).ok()))
    }

    /// `received`, if it is an address. IPv6 may come with or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        parse::ip(self.params.get("received")?)
    }

    /// `maddr`.
    pub fn maddr(&self) -> Option<&'a str> {
        self.params.get("maddr")
    }

    /// Whether host and port equal `other`'s (RFC 3261 §17.2.3), ignoring case.
    pub fn same_sent_by(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port
    }
}

/// The text after `SIP/2.0/` if it contains blanks, or after another version.
fn skip_protocol(element: &str) -> Result<&str, Rule> {
    let mut parts = element.splitn(3, '/');
    let mut next = || parts.next().map(parse::trim).ok_or(Rule::Token);
    let (name, version, rest) = (next()?, next()?, next()?);
    // Another version is accepted here: the 505 to its sender is routed by this very Via (RFC 4475 §3.1.2.16).
    let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if name.eq_ignore_ascii_case("SIP") && is_version { Ok(rest) } else { Err(Rule::Version) }
}

fn sent_by_parts(text: &str) -> Result<(&str, Option<u16>), Rule> {
    let after_host = if text.starts_with('[') { parse::find(text, b']').ok_or(Rule::Host)? } else { 0 };
    match parse::find(&text[after_host..], b':').map(|at| at + after_host) {
        None => Ok((text, None)),
        Some(colon) => Ok((parse::trim(&text[..colon]), Some(parse::port(parse::trim(&text[colon + 1..]))?))),
    }
}

impl fmt::Display for Via<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(self.params.as_str())
    }
}
