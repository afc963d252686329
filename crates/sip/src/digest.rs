//! Digest authentication (RFC 7616, RFC 8760, and RFC 2617 for those who came before).

use std::fmt;
use std::time::Duration;

use model::{Entropy, Timestamp};

use crate::error::Rule;

/// The hash of a challenge, with or without `-sess`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// `MD5`, also when none is named.
    Md5,
    /// `MD5-sess`
    Md5Sess,
    /// `SHA-256`
    Sha256,
    /// `SHA-256-sess`
    Sha256Sess,
    /// `SHA-512-256`
    Sha512_256,
    /// `SHA-512-256-sess`
    Sha512_256Sess,
}

/// A challenge: the value of WWW-Authenticate or Proxy-Authenticate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// The realm.
    pub realm: String,
    /// The nonce.
    pub nonce: String,
    /// Carried back as it is.
    pub opaque: Option<String>,
    /// The hash.
    pub algorithm: Algorithm,
    /// Whether `qop="auth"` is offered.
    pub qop_auth: bool,
    /// Whether the credentials were right and only their nonce too old.
    pub stale: bool,
}

impl Challenge {
    /// Parses a header value.
    pub fn parse(value: &str) -> Result<Self, Rule> {
        let _ = value;
        Err(Rule::Auth)
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm=\"{}\"", self.realm)
    }
}

/// Credentials: the value of Authorization or Proxy-Authorization.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials<'a> {
    /// The user name, unquoted.
    pub username: std::borrow::Cow<'a, str>,
    /// The realm, unquoted.
    pub realm: std::borrow::Cow<'a, str>,
    /// The nonce, unquoted.
    pub nonce: std::borrow::Cow<'a, str>,
    /// The URI that was hashed.
    pub uri: std::borrow::Cow<'a, str>,
    /// The response, hexadecimal.
    pub response: std::borrow::Cow<'a, str>,
    /// The hash.
    pub algorithm: Algorithm,
    /// The client's nonce.
    pub cnonce: Option<std::borrow::Cow<'a, str>>,
    /// The nonce count, with qop.
    pub nc: Option<u32>,
    /// Carried back as it was.
    pub opaque: Option<std::borrow::Cow<'a, str>>,
}

impl<'a> Credentials<'a> {
    /// Parses a header value.
    pub fn parse(value: &'a str) -> Result<Self, Rule> {
        let _ = value;
        Err(Rule::Auth)
    }
}

impl fmt::Display for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest username=\"{}\"", self.username)
    }
}

/// What a verifier knows of a user.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    /// The password.
    Password(&'a str),
    /// H(user:realm:password), hexadecimal, made with the algorithm of the credentials.
    Ha1(&'a str),
}

/// Whether the credentials prove knowledge of `secret` for a request with that method.
pub fn verify(credentials: &Credentials<'_>, method: &str, secret: Secret<'_>) -> bool {
    let _ = (credentials, method, secret);
    false
}

/// The credentials that answer a challenge. `nc` counts the uses of the nonce from 1.
pub fn respond(
    challenge: &Challenge,
    user: &str,
    password: &str,
    method: &str,
    uri: &str,
    cnonce: &str,
    nc: u32,
) -> Credentials<'static> {
    let _ = (challenge, user, password, method, uri, cnonce, nc);
    Credentials {
        username: "".into(),
        realm: "".into(),
        nonce: "".into(),
        uri: "".into(),
        response: "".into(),
        algorithm: Algorithm::Md5,
        cnonce: None,
        nc: None,
        opaque: None,
    }
}

/// What is to be thought of a nonce that came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonceVerdict {
    /// Ours and young enough.
    Fresh,
    /// Ours, but too old: challenge again with `stale=true`.
    Stale,
    /// Not ours.
    Foreign,
}

/// Makes and checks nonces without remembering them: time of issue and HMAC with a key.
#[derive(Clone)]
pub struct NonceSource {
    key: [u8; 32],
    lifetime: Duration,
}

impl NonceSource {
    /// A source; every element of an installation that has the key accepts the others' nonces.
    pub const fn new(key: [u8; 32], lifetime: Duration) -> Self {
        Self { key, lifetime }
    }

    /// A new nonce for `realm`.
    pub fn issue(&self, realm: &str, now: Timestamp, entropy: &mut dyn Entropy) -> String {
        let _ = (self.key, self.lifetime, realm, now, entropy);
        String::new()
    }

    /// Checks a nonce that came back.
    pub fn check(&self, nonce: &str, realm: &str, now: Timestamp) -> NonceVerdict {
        let _ = (nonce, realm, now);
        NonceVerdict::Foreign
    }
}
