//! Content-Type and its like (RFC 3261 §20.15): `type/subtype;params`.

use crate::params::Params;
use crate::parse;
use crate::rule::Rule;

/// A media type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaType<'a> {
    /// As `application`.
    pub kind: &'a str,
    /// As `sdp`.
    pub subtype: &'a str,
    /// As `;charset=utf-8`.
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// Parses a Content-Type value or one element of an Accept.
    pub fn parse(value: &'a str) -> Result<Self, Rule> {
        let end = value.find(';').unwrap_or(value.len());
        let (kind, subtype) = value[..end].split_once('/').ok_or(Rule::Token)?;
        let (kind, subtype) = (parse::trim(kind), parse::trim(subtype));
        if !parse::is_token(kind) || !parse::is_token(subtype) {
            return Err(Rule::Token);
        }
        Ok(Self { kind, subtype, params: Params::parse(&value[end..])? })
    }

    /// Whether this is `kind/subtype`; case does not count.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}
