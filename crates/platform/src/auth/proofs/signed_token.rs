//! Tokens that others have signed: JSON Web Tokens in the compact form (RFC 7515 section 7.1), read before anybody knows whether they are
//! right.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::public_key::{PublicKey, SignatureAlgorithm};
use serde::Deserialize;
use serde_json::Value;

/// Its head.
#[derive(Deserialize)]
struct TokenHead {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// A token.
pub(in crate::auth) struct SignedToken<'t> {
    /// Its algorithm, by the name that it has there.
    pub alg: String,
    /// The same.
    pub algorithm: SignatureAlgorithm,
    /// The name of its key.
    pub kid: Option<String>,
    /// What kind of token it is.
    pub typ: Option<String>,
    signed: &'t [u8],
    signature: Vec<u8>,
    claims: &'t str,
}

impl<'t> SignedToken<'t> {
    /// Reads a token.
    ///
    /// # Errors
    /// Why it is none, or none that may be believed; for the log.
    pub fn read(token: &'t str) -> Result<Self, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("it is no signed token")?;
        let (head, claims) = signed.split_once('.').ok_or("it is no signed token")?;
        let head: TokenHead =
            decoded(head).and_then(|head| serde_json::from_slice(&head).ok()).ok_or("its head cannot be read")?;
        let algorithm = SignatureAlgorithm::parse(&head.alg).ok_or("its algorithm is not allowed")?;
        if head.crit.is_some() {
            return Err("it has extensions that must be understood");
        }
        let signature = decoded(signature).ok_or("its signature cannot be read")?;
        let TokenHead { alg, kid, typ, .. } = head;
        Ok(Self { alg, algorithm, kid, typ, signed: signed.as_bytes(), signature, claims })
    }

    /// Whether that key has signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.has_signed(self.algorithm, self.signed, &self.signature)
    }

    /// Whether its signature is as long as those of that key.
    pub fn has_length_of(&self, key: &PublicKey) -> bool {
        self.signature.len() == key.signature_bytes()
    }

    /// Takes as long to say that nobody has.
    pub fn is_signed_by_nobody(&self) -> bool {
        identity::public_key::verify_nobody(self.algorithm, self.signed, &self.signature)
    }

    /// What it says, whoever has signed it.
    pub fn claims(&self) -> Option<Value> {
        serde_json::from_slice(&decoded(self.claims)?).ok()
    }
}

/// For whom claims are (`aud`, RFC 7519 section 4.1.3); `None` if it is no text and no list of texts.
pub(in crate::auth) fn audiences(claims: &Value) -> Option<Vec<String>> {
    match claims.get("aud")? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
