//! Credentials: Authorization and Proxy-Authorization (RFC 7616 §3.4).

use std::borrow::Cow;
use std::fmt;

use super::Algorithm;
use crate::header::auth::AuthValue;
use crate::params::{Quoted, unquote};
use crate::rule::Rule;

/// Credentials: the value of Authorization or Proxy-Authorization. With `nc` they use `qop=auth`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials<'a> {
    /// The user name, unquoted.
    pub username: Cow<'a, str>,
    /// The realm, unquoted.
    pub realm: Cow<'a, str>,
    /// The nonce, unquoted.
    pub nonce: Cow<'a, str>,
    /// The URI that was hashed.
    pub uri: Cow<'a, str>,
    /// The response, hexadecimal.
    pub response: Cow<'a, str>,
    /// The hash.
    pub algorithm: Algorithm,
    /// The client's nonce.
    pub cnonce: Option<Cow<'a, str>>,
    /// The nonce count, with qop.
    pub nc: Option<u32>,
    /// Returned by the client unchanged.
    pub opaque: Option<Cow<'a, str>>,
}

impl<'a> Credentials<'a> {
    /// Parses a header value.
    pub fn parse(value: &'a str) -> Result<Self, Rule> {
        let auth = AuthValue::parse(value)?;
        if !auth.scheme.eq_ignore_ascii_case("digest") {
            return Err(Rule::Auth);
        }
        let mut given = Given::default();
        for (name, value) in auth.iter() {
            given.note(name, value);
        }
        let cnonce = given.cnonce.map(unquote);
        let nc = match given.qop.map(unquote) {
            None => None,
            Some(qop) if qop.is_empty() => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") && cnonce.is_some() => {
                // A sign before the digits would be accepted by the number parser.
                let is_count = |nc: &Cow<'_, str>| nc.len() <= 8 && nc.bytes().all(|b| b.is_ascii_hexdigit());
                let count = given.nc.map(unquote).filter(is_count).ok_or(Rule::Auth)?;
                Some(u32::from_str_radix(&count, 16).map_err(|_| Rule::Auth)?)
            }
            Some(_) => return Err(Rule::Auth),
        };
        let compulsory = |value: Option<&'a str>| value.map(unquote).ok_or(Rule::Auth);
        Ok(Self {
            username: compulsory(given.username)?,
            realm: compulsory(given.realm)?,
            nonce: compulsory(given.nonce)?,
            uri: compulsory(given.uri)?,
            response: compulsory(given.response)?,
            algorithm: match given.algorithm.map(unquote) {
                Some(name) => Algorithm::from_name(&name).ok_or(Rule::Auth)?,
                None => Algorithm::Md5,
            },
            cnonce,
            nc,
            opaque: given.opaque.map(unquote),
        })
    }
}

/// The parameters as received; the first of each name counts.
#[derive(Default)]
struct Given<'a> {
    username: Option<&'a str>,
    realm: Option<&'a str>,
    nonce: Option<&'a str>,
    uri: Option<&'a str>,
    response: Option<&'a str>,
    algorithm: Option<&'a str>,
    qop: Option<&'a str>,
    nc: Option<&'a str>,
    cnonce: Option<&'a str>,
    opaque: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn note(&mut self, name: &str, value: &'a str) {
        let named = [
            ("username", &mut self.username),
            ("realm", &mut self.realm),
            ("nonce", &mut self.nonce),
            ("uri", &mut self.uri),
            ("response", &mut self.response),
            ("algorithm", &mut self.algorithm),
            ("qop", &mut self.qop),
            ("nc", &mut self.nc),
            ("cnonce", &mut self.cnonce),
            ("opaque", &mut self.opaque),
        ];
        if let Some((_, place)) = named.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            place.get_or_insert(value);
        }
    }
}

impl fmt::Display for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username={}, realm={}, nonce={}, uri={}, response={}, algorithm={}",
            Quoted(&self.username),
            Quoted(&self.realm),
            Quoted(&self.nonce),
            Quoted(&self.uri),
            Quoted(&self.response),
            self.algorithm.as_str()
        )?;
        if let Some(cnonce) = &self.cnonce {
            write!(f, ", cnonce={}", Quoted(cnonce))?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if let Some(nc) = self.nc {
            write!(f, ", qop=auth, nc={nc:08x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
