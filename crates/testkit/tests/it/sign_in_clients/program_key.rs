//! Keys of programs: made by openssl, written into the tenant's file, and what they sign.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// Bytes of a point on P-256, and of one on Ed25519, at the end of a public key.
const P256_BYTES: usize = 65;
const ED25519_BYTES: usize = 32;

/// A key of a program.
pub(super) struct ProgramKey {
    /// Its name.
    pub kid: &'static str,
    /// As openssl has written it.
    pub pem: Vec<u8>,
    /// Its public part, as openssl has written it.
    pub public: Vec<u8>,
    algorithm: Algorithm,
    signs: EncodingKey,
    members: String,
}

impl ProgramKey {
    /// One on P-256.
    pub fn on_p256(kid: &'static str) -> Result<Self> {
        let pem = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], &[])?;
        let public = openssl(&["pkey", "-pubout", "-outform", "DER"], &pem)?;
        let point = last(&public, P256_BYTES)?;
        let members = format!("kty: EC, crv: P-256, x: \"{}\", y: \"{}\"", number(&point[1..33]), number(&point[33..]));
        Ok(Self { kid, algorithm: Algorithm::ES256, signs: EncodingKey::from_ec_pem(&pem)?, members, pem, public })
    }

    /// One on Ed25519.
    pub fn on_ed25519(kid: &'static str) -> Result<Self> {
        let pem = openssl(&["genpkey", "-algorithm", "ED25519"], &[])?;
        let public = openssl(&["pkey", "-pubout", "-outform", "DER"], &pem)?;
        let members = format!("kty: OKP, crv: Ed25519, x: \"{}\"", number(last(&public, ED25519_BYTES)?));
        Ok(Self { kid, algorithm: Algorithm::EdDSA, signs: EncodingKey::from_ed_pem(&pem)?, members, pem, public })
    }

    /// One of RSA.
    pub fn of_rsa(kid: &'static str) -> Result<Self> {
        let pem = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], &[])?;
        let public = openssl(&["pkey", "-pubout", "-outform", "DER"], &pem)?;
        let said = String::from_utf8(openssl(&["rsa", "-noout", "-modulus"], &pem)?)?;
        let modulus = said.trim().strip_prefix("Modulus=").context("no modulus")?;
        let byte = |at: usize| anyhow::Ok(u8::from_str_radix(modulus.get(at..at + 2).context("half a byte")?, 16)?);
        let modulus: Vec<u8> = (0..modulus.len()).step_by(2).map(byte).collect::<Result<_>>()?;
        let members = format!("kty: RSA, n: \"{}\", e: AQAB", number(&modulus));
        Ok(Self { kid, algorithm: Algorithm::RS256, signs: EncodingKey::from_rsa_pem(&pem)?, members, pem, public })
    }

    /// Its public part in the tenant's file.
    pub fn in_file(&self) -> String {
        format!("{{{}, kid: {}}}", self.members, self.kid)
    }

    /// A token of these claims that it has signed, with its name in the head.
    pub fn signs(&self, claims: &Value) -> Result<String> {
        let mut head = Header::new(self.algorithm);
        head.kid = Some(self.kid.to_owned());
        self.signs_with(&head, claims)
    }

    /// The same with another head.
    pub fn signs_with(&self, head: &Header, claims: &Value) -> Result<String> {
        Ok(jsonwebtoken::encode(head, claims, &self.signs)?)
    }
}

/// The keys as `jwks` of a client in the tenant's file.
pub(super) fn key_set(keys: &[&ProgramKey]) -> String {
    let mut set = String::new();
    for (at, key) in keys.iter().enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(set, "{comma}{}", key.in_file());
    }
    format!("jwks: {{keys: [{set}]}}")
}

/// The present time, in seconds.
#[allow(clippy::disallowed_methods, reason = "tests of whole processes live in real time")]
pub(super) fn now_s() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// The claims of an assertion of that client about somebody for that audience, good for a minute, with an id of its own.
pub(super) fn claims(client: &str, sub: &str, audience: &str) -> Result<Value> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let (now_s, jti) = (now_s()?, MADE.fetch_add(1, Ordering::Relaxed).to_string());
    Ok(json!({ "iss": client, "sub": sub, "aud": audience, "iat": now_s, "exp": now_s + 60, "jti": jti }))
}

/// Claims with some of them changed; one that is null is left out.
pub(super) fn changed(mut claims: Value, changes: &Value) -> Value {
    if let (Some(claims), Some(changes)) = (claims.as_object_mut(), changes.as_object()) {
        claims.extend(changes.clone());
        claims.retain(|_, value| !value.is_null());
    }
    claims
}

fn number(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn last(bytes: &[u8], count: usize) -> Result<&[u8]> {
    let at = bytes.len().checked_sub(count).context("no point")?;
    Ok(&bytes[at..])
}

fn openssl(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut command = Command::new("openssl");
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    child.stdin.take().context("no way to openssl")?.write_all(input)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "openssl {arguments:?}");
    Ok(output.stdout)
}
