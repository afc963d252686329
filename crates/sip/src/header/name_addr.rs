//! `name-addr` and `addr-spec` headers: From, To, Contact, Route, Record-Route, Path, Refer-To, ... (RFC 3261 §20.10).

use std::borrow::Cow;
use std::fmt;

use crate::list;
use crate::params::{self, Params};
use crate::parse;
use crate::rule::Rule;
use crate::uri::Uri;

/// A display name, a URI and the header's parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameAddr<'a> {
    display: &'a str,
    uri: &'a str,
    params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Parses one element. The URI itself is only checked for its brackets; [`Self::uri`] parses it.
    pub fn parse(element: &'a str) -> Result<Self, Rule> {
        let element = parse::trim(element);
        if element.starts_with('"') {
            let end = list::quoted_len(element).ok_or(Rule::Quote)?;
            let (display, rest) = element.split_at_checked(end).ok_or(Rule::Quote)?;
            return Self::bracketed(display, parse::trim(rest).strip_prefix('<').ok_or(Rule::Brackets)?);
        }
        match memchr::memchr2(b'<', b'"', element.as_bytes()) {
            Some(at) if element.as_bytes().get(at) == Some(&b'<') && !element[..at].contains(';') => {
                let display = parse::trim(&element[..at]);
                // An unquoted name consists of tokens; other characters are tolerated unless they are ambiguous.
                if display.contains([',', ':', '@', '\\', '>']) {
                    return Err(Rule::Token);
                }
                Self::bracketed(display, &element[at + 1..])
            }
            _ => Self::bare(element),
        }
    }

    fn bracketed(display: &'a str, rest: &'a str) -> Result<Self, Rule> {
        let (uri, params) = parse::split(rest, b'>').ok_or(Rule::Brackets)?;
        check_text(uri)?;
        let params = parse::trim(params);
        if !params.is_empty() && !params.starts_with(';') {
            return Err(Rule::Trailing);
        }
        Ok(Self { display, uri, params: Params::parse(params)? })
    }

    /// Without brackets everything from the first semicolon on belongs to the header (RFC 3261 §20).
    fn bare(element: &'a str) -> Result<Self, Rule> {
        let (uri, params) = element.split_at(parse::find(element, b';').unwrap_or(element.len()));
        let uri = parse::trim(uri);
        check_text(uri)?;
        if uri.contains(['?', ',', '>']) {
            return Err(Rule::Brackets);
        }
        Ok(Self { display: "", uri, params: Params::parse(params)? })
    }

    /// The display name without quotes; empty if there is none.
    pub fn display_name(&self) -> Cow<'a, str> {
        params::unquote(self.display)
    }

    /// The URI as received.
    pub const fn raw_uri(&self) -> &'a str {
        self.uri
    }

    /// The parsed URI.
    pub fn uri(&self) -> Result<Uri<'a>, Rule> {
        Uri::parse(self.uri)
    }

    /// The parameters of the header (not those of the URI).
    pub const fn params(&self) -> Params<'a> {
        self.params
    }

    /// The tag (From, To). An empty one counts as none, also where ours was appended behind it.
    pub fn tag(&self) -> Option<&'a str> {
        let mut tags = self.params.iter().filter(|param| param.name.eq_ignore_ascii_case("tag"));
        tags.find_map(|tag| tag.value.filter(|value| !value.is_empty()))
    }

    /// `q`, in thousandths (Contact).
    pub fn q(&self) -> Option<u16> {
        crate::parse::q_value(self.params.get("q")?)
    }

    /// `expires` in seconds (Contact). A malformed one counts as 3600 (RFC 3261 §10.3).
    pub fn expires(&self) -> Option<u32> {
        Some(crate::header::number::seconds(self.params.get("expires")?).unwrap_or(3_600))
    }
}

impl fmt::Display for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.display.is_empty() {
            write!(f, "{} ", self.display)?;
        }
        write!(f, "<{}>{}", self.uri, self.params.as_str())
    }
}

/// Checks the shape that every URI has; blanks inside the brackets are not allowed (RFC 4475 §3.1.2.14).
fn check_text(uri: &str) -> Result<(), Rule> {
    let scheme = uri.bytes().take_while(|b| *b != b':').count();
    if scheme == 0 || scheme >= uri.len() || uri.bytes().any(|b| b <= b' ' || b == b'<' || b == b'"' || b == 0x7f) {
        return Err(Rule::Uri);
    }
    Ok(())
}

/// A Contact element: `*` or an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contact<'a> {
    /// `*`: all bindings (REGISTER with `Expires: 0` only).
    Star,
    /// An address.
    Address(NameAddr<'a>),
}

impl<'a> Contact<'a> {
    /// Parses one element.
    pub fn parse(element: &'a str) -> Result<Self, Rule> {
        if element == "*" { Ok(Self::Star) } else { NameAddr::parse(element).map(Self::Address) }
    }

    /// The address, if it is not `*`.
    pub const fn address(&self) -> Option<&NameAddr<'a>> {
        match self {
            Self::Star => None,
            Self::Address(address) => Some(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_tag_is_none_also_before_ours() {
        let tag = |text| NameAddr::parse(text).unwrap().tag();
        assert_eq!(tag("<sip:a@b>;tag="), None);
        assert_eq!(tag("<sip:a@b>;tag"), None);
        assert_eq!(tag("<sip:a@b>;tag=;tag=ours"), Some("ours"));
    }
}
