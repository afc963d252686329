//! The shape of authentication headers: `scheme name=value, name="value"` (RFC 3261 §25.1).

use crate::limits::LIST_MAX;
use crate::list;
use crate::parse;
use crate::rule::Rule;

/// A scheme and its parameters, for challenges and credentials alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthValue<'a> {
    /// `Digest`, `Basic`, ...
    pub scheme: &'a str,
    params: &'a str,
}

impl<'a> AuthValue<'a> {
    /// The scheme at the beginning of a value.
    pub(crate) fn scheme_of(value: &str) -> &str {
        &value[..memchr::memchr2(b' ', b'\t', value.as_bytes()).unwrap_or(value.len())]
    }

    /// Parses a header value.
    pub fn parse(value: &'a str) -> Result<Self, Rule> {
        let scheme = Self::scheme_of(value);
        let params = value.get(scheme.len()..).unwrap_or_default();
        if !parse::is_token(scheme) {
            return Err(Rule::Auth);
        }
        let parsed = Self { scheme, params: parse::trim(params) };
        if scheme.eq_ignore_ascii_case("digest") {
            for (count, (name, _)) in parsed.iter().enumerate() {
                if count == LIST_MAX {
                    return Err(Rule::TooMany);
                }
                if !parse::is_token(name) {
                    return Err(Rule::Auth);
                }
            }
        }
        Ok(parsed)
    }

    /// Name and raw value of each parameter.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        list::Elements::new(self.params).map(|element| match parse::split(element, b'=') {
            Some((name, value)) => (parse::trim(name), parse::trim(value)),
            None => (element, ""),
        })
    }

    /// The raw value of the first parameter of that name.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }
}
