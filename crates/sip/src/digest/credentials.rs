//! Credentials: Authorization and Proxy-Authorization (RFC 7616 §3.4).

use std::borrow::Cow;
use std::fmt;

use super::Algorithm;
use crate::error::Rule;
use crate::header::auth::AuthValue;
use crate::header::params::{quote, unquote};

/// Credentials: the value of Authorization or Proxy-Authorization. With `nc` they are of `qop=auth`.
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
    /// Carried back as it was.
    pub opaque: Option<Cow<'a, str>>,
}

impl<'a> Credentials<'a> {
    /// Parses a header value.
    pub fn parse(value: &'a str) -> Result<Self, Rule> {
        let auth = AuthValue::parse(value)?;
        if !auth.scheme.eq_ignore_ascii_case("digest") {
            return Err(Rule::Auth);
        }
        let text = |name: &str| auth.get(name).map(unquote);
        let cnonce = text("cnonce");
        let nc = match text("qop") {
            None => None,
            Some(qop) if qop.is_empty() => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") && cnonce.is_some() => {
                let count = text("nc").filter(|nc| nc.len() <= 8).ok_or(Rule::Auth)?;
                Some(u32::from_str_radix(&count, 16).map_err(|_| Rule::Auth)?)
            }
            Some(_) => return Err(Rule::Auth),
        };
        Ok(Self {
            username: text("username").ok_or(Rule::Auth)?,
            realm: text("realm").ok_or(Rule::Auth)?,
            nonce: text("nonce").ok_or(Rule::Auth)?,
            uri: text("uri").ok_or(Rule::Auth)?,
            response: text("response").ok_or(Rule::Auth)?,
            algorithm: match text("algorithm") {
                Some(name) => Algorithm::from_name(&name).ok_or(Rule::Auth)?,
                None => Algorithm::Md5,
            },
            cnonce,
            nc,
            opaque: text("opaque"),
        })
    }
}

impl fmt::Display for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username={}, realm={}, nonce={}, uri={}, response={}, algorithm={}",
            quote(&self.username),
            quote(&self.realm),
            quote(&self.nonce),
            quote(&self.uri),
            quote(&self.response),
            self.algorithm.as_str()
        )?;
        if let Some(cnonce) = &self.cnonce {
            write!(f, ", cnonce={}", quote(cnonce))?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", quote(opaque))?;
        }
        if let Some(nc) = self.nc {
            write!(f, ", qop=auth, nc={nc:08x}")?;
        }
        Ok(())
    }
}
