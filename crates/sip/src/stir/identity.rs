//! The `Identity` header (RFC 8224 §4): a PASSporT, where its certificate is, and of which kind it is. An INVITE may have several.

use std::borrow::Cow;

use crate::header::HeaderName;
use crate::list::find_outside;
use crate::message::Message;
use crate::params::unquote;
use crate::parse::trim;

/// The most values of an INVITE that are looked at, and passed on.
pub const IDENTITIES_MAX: usize = 4;
/// The longest value, in bytes: certificates are named, not enclosed, so that none is near it.
pub const IDENTITY_MAX: usize = 4_096;

/// A value of the header, as far as its form goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityValue<'a> {
    /// Header, claims and signature in base64url. In the compact form the first two are empty (RFC 8225 §7).
    pub(super) parts: [&'a str; 3],
    /// Where the certificate is.
    pub info: Option<&'a str>,
    /// The algorithm; none: ES256.
    pub alg: Option<Cow<'a, str>>,
    /// The extension.
    pub ppt: Option<Cow<'a, str>>,
}

impl<'a> IdentityValue<'a> {
    /// Reads a value; none if it is none, or too long.
    pub fn parse(value: &'a str) -> Option<Self> {
        if value.len() > IDENTITY_MAX {
            return None;
        }
        let mut pieces = Pieces(Some(value));
        let mut digest = pieces.next()?.split('.').map(trim);
        let parts = [digest.next()?, digest.next()?, digest.next()?];
        let [header, claims, signature] = parts;
        let is_base64url = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let is_whole = header.is_empty() == claims.is_empty() && !signature.is_empty() && digest.next().is_none();
        if !is_whole || !parts.into_iter().all(is_base64url) {
            return None;
        }
        let mut identity = Self { parts, info: None, alg: None, ppt: None };
        for piece in pieces {
            let Some((name, value)) = piece.split_once('=') else { continue };
            let value = trim(value);
            match trim(name).to_ascii_lowercase().as_str() {
                "info" => identity.info = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).map(trim),
                "alg" => identity.alg = Some(unquote(value)),
                "ppt" => identity.ppt = Some(unquote(value)),
                _ => {}
            }
        }
        Some(identity)
    }

    /// Whether header and claims are in it.
    pub const fn is_full(&self) -> bool {
        !self.parts[0].is_empty()
    }
}

/// What stands between semicolons that are in no brackets and quotes.
struct Pieces<'a>(Option<&'a str>);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0?;
        let end = find_outside(text, b';');
        self.0 = end.and_then(|end| text.get(end + 1..));
        text.get(..end.unwrap_or(text.len())).map(trim)
    }
}

/// The values of an INVITE that go on to the next carrier, each as it came: of whatever kind, since their reader is another one.
pub fn passed_on(message: &Message) -> Vec<String> {
    let values = message.elements(&HeaderName::Identity).take(IDENTITIES_MAX);
    values.filter(|value| IdentityValue::parse(value).is_some()).map(str::to_owned).collect()
}
