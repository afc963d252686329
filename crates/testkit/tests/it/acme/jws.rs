//! Requests of ACME as a server judges them: signed, for the address that they came to, each with a nonce of its own (RFC 8555 section 6).

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Value, json};

/// A key that signs requests, as the server knows it.
#[derive(Clone)]
pub(super) struct SignersKey {
    key: DecodingKey,
    /// RFC 7638.
    pub thumbprint: String,
    /// The key as the account sent it.
    pub jwk: Value,
}

impl SignersKey {
    /// From a key on P-256.
    pub fn read(jwk: &Value) -> Result<Self> {
        let part = |name: &str| jwk[name].as_str().with_context(|| format!("the key has no {name}"));
        ensure!(part("kty")? == "EC" && part("crv")? == "P-256", "no key for ES256: {jwk}");
        ensure!(jwk.get("d").is_none(), "the private key is sent");
        let (x, y) = (part("x")?, part("y")?);
        let canonical = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}");
        let thumbprint = URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes())?);
        Ok(Self { key: DecodingKey::from_ec_components(x, y)?, thumbprint, jwk: jwk.clone() })
    }
}

/// A request in its parts; nothing of it is believed yet.
pub(super) struct SignedRequest {
    pub header: Value,
    /// Empty for a request that only reads.
    pub payload: Vec<u8>,
    message: String,
    signature: String,
}

impl SignedRequest {
    /// Takes a body apart.
    pub fn read(body: &[u8]) -> Result<Self> {
        Self::of(&serde_json::from_slice(body)?)
    }

    /// The same of a document.
    pub fn of(document: &Value) -> Result<Self> {
        let part = |name: &str| document[name].as_str().with_context(|| format!("there is no {name}"));
        let (protected, payload) = (part("protected")?, part("payload")?);
        Ok(Self {
            header: serde_json::from_slice(&URL_SAFE_NO_PAD.decode(protected)?)?,
            payload: URL_SAFE_NO_PAD.decode(payload)?,
            message: format!("{protected}.{payload}"),
            signature: part("signature")?.to_owned(),
        })
    }

    /// A field of the protected header.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.header[name].as_str()
    }

    /// Whether that key has signed it, with the algorithm that its header names.
    pub fn is_of(&self, key: &SignersKey) -> bool {
        self.field("alg") == Some("ES256")
            && crypto::verify(&self.signature, self.message.as_bytes(), &key.key, Algorithm::ES256).unwrap_or(false)
    }

    /// Whether it binds that account key to the authority's own account (RFC 8555 section 7.3.4).
    pub fn binds(&self, account: &SignersKey, kid: &str, key: &[u8], url: &str) -> bool {
        let secret = DecodingKey::from_secret(key);
        self.field("alg") == Some("HS256")
            && self.field("kid") == Some(kid)
            && self.field("url") == Some(url)
            && self.header.get("nonce").is_none()
            && serde_json::from_slice::<Value>(&self.payload).is_ok_and(|jwk| jwk == account.jwk)
            && crypto::verify(&self.signature, self.message.as_bytes(), &secret, Algorithm::HS256).unwrap_or(false)
    }

    /// The payload as JSON.
    pub fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.payload)?)
    }
}

/// A request as a client would sign it: for tests of the server.
pub(super) fn signed(key: &jsonwebtoken::EncodingKey, header: &Value, payload: &Value) -> Result<Value> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (protected, payload) = (part(header), part(payload));
    let signature = crypto::sign(format!("{protected}.{payload}").as_bytes(), key, Algorithm::ES256)?;
    Ok(json!({ "protected": protected, "payload": payload, "signature": signature }))
}

/// The digest of a text.
pub(super) fn sha256(text: &[u8]) -> Result<Vec<u8>> {
    openssl(&["dgst", "-sha256", "-binary"], text)
}

/// What openssl makes of an input.
pub(super) fn openssl(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut command = Command::new("openssl");
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    child.stdin.take().context("no way to openssl")?.write_all(input)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "openssl {arguments:?}");
    Ok(output.stdout)
}
