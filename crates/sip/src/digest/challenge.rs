//! Challenges: WWW-Authenticate and Proxy-Authenticate (RFC 7616 §3.3).

use std::fmt;

use super::Algorithm;
use crate::header::auth::AuthValue;
use crate::params::{Quoted, unquote};
use crate::rule::Rule;

/// A challenge: the value of WWW-Authenticate or Proxy-Authenticate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// The realm.
    pub realm: String,
    /// The nonce.
    pub nonce: String,
    /// Returned by the client unchanged.
    pub opaque: Option<String>,
    /// The hash.
    pub algorithm: Algorithm,
    /// Whether `qop="auth"` is offered.
    pub qop_auth: bool,
    /// Whether the credentials were right but their nonce too old.
    pub stale: bool,
}

impl Challenge {
    /// Parses a header value. A challenge that offers `auth-int` alone, or an unknown algorithm, cannot be answered and
    /// is an error.
    pub fn parse(value: &str) -> Result<Self, Rule> {
        let auth = AuthValue::parse(value)?;
        if !auth.scheme.eq_ignore_ascii_case("digest") {
            return Err(Rule::Auth);
        }
        let text = |name: &str| auth.get(name).map(|v| unquote(v).into_owned());
        let qop = text("qop");
        let qop_auth = qop.as_deref().is_some_and(|q| q.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
        if qop.is_some_and(|q| !q.is_empty()) && !qop_auth {
            return Err(Rule::Auth);
        }
        Ok(Self {
            realm: text("realm").ok_or(Rule::Auth)?,
            nonce: text("nonce").ok_or(Rule::Auth)?,
            opaque: text("opaque"),
            algorithm: match text("algorithm") {
                Some(name) => Algorithm::from_name(&name).ok_or(Rule::Auth)?,
                None => Algorithm::Md5,
            },
            qop_auth,
            stale: text("stale").is_some_and(|s| s.eq_ignore_ascii_case("true")),
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", Quoted(&self.realm), Quoted(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        write!(f, ", algorithm={}", self.algorithm.as_str())?;
        if self.qop_auth {
            f.write_str(", qop=\"auth\"")?;
        }
        Ok(())
    }
}

/// The challenges sent together, strongest first (RFC 8760 §2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Offer {
    /// MD5 alone: understood by every client.
    #[default]
    Md5,
    /// SHA-256, then MD5, in separate headers: for clients of RFC 8760 and others that skip unknown challenges.
    Sha256ThenMd5,
    /// SHA-256 alone.
    Sha256,
}

impl Offer {
    /// The algorithms in the order of the offer. Credentials with any other must be refused.
    pub const fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Md5 => &[Algorithm::Md5],
            Self::Sha256ThenMd5 => &[Algorithm::Sha256, Algorithm::Md5],
            Self::Sha256 => &[Algorithm::Sha256],
        }
    }

    /// The challenges: one header each.
    pub fn challenges(self, realm: &str, nonce: &str, stale: bool) -> impl Iterator<Item = Challenge> {
        self.algorithms().iter().map(move |algorithm| Challenge {
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            opaque: None,
            algorithm: *algorithm,
            qop_auth: true,
            stale,
        })
    }
}
