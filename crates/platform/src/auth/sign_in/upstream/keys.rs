//! The keys of a provider (RFC 7517), and the ID tokens that they have signed (RFC 7515 section 5.2).

use identity::provider::id_token::ProviderClaims;
use identity::public_key::{JwkMembers, PublicKey};
use serde::Deserialize;
use serde_json::Value;

use crate::auth::proofs::signed_token::{self, SignedToken};

/// The most keys that are looked at.
const KEYS_MAX: usize = 64;

/// The keys.
#[derive(Clone, Debug, Default)]
pub(super) struct ProviderKeys(Vec<NamedKey>);

#[derive(Clone, Debug)]
struct NamedKey {
    kid: Option<String>,
    alg: Option<String>,
    key: PublicKey,
}

/// A key as JSON.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

/// Why no claims were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenFault {
    /// Its key is not among those that are known.
    OtherKey,
    /// It is none, or its signature is wrong.
    Wrong(&'static str),
}

impl ProviderKeys {
    /// Reads a set of keys. Those of kinds that are not known are left out (RFC 7517 section 5).
    pub fn read(document: &[u8]) -> Result<Self, String> {
        let set: Value = serde_json::from_slice(document).map_err(|_| "its keys are no JSON".to_owned())?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("its keys are no list")?;
        Ok(Self(keys.iter().take(KEYS_MAX).filter_map(named_key).collect()))
    }

    /// The claims of an ID token that one of them has signed.
    pub fn claims(&self, token: &str) -> Result<Value, TokenFault> {
        let wrong = TokenFault::Wrong;
        let token = SignedToken::read(token).map_err(wrong)?;
        let is_meant = |key: &&NamedKey| {
            (token.kid.is_none() || key.kid == token.kid) && key.alg.as_ref().is_none_or(|alg| *alg == token.alg)
        };
        let mut meant = self.0.iter().filter(is_meant).peekable();
        if meant.peek().is_none() {
            return Err(TokenFault::OtherKey);
        }
        if !meant.any(|named| token.is_signed_by(&named.key)) {
            return Err(wrong("its signature is not that of its key"));
        }
        token.claims().ok_or(wrong("its claims cannot be read"))
    }
}

fn named_key(key: &Value) -> Option<NamedKey> {
    let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
    if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let members = JwkMembers {
        kty: &jwk.kty,
        crv: jwk.crv.as_deref(),
        n: jwk.n.as_deref(),
        e: jwk.e.as_deref(),
        x: jwk.x.as_deref(),
        y: jwk.y.as_deref(),
    };
    let key = PublicKey::of_jwk(&members)?;
    Some(NamedKey { kid: jwk.kid, alg: jwk.alg, key })
}

/// The claims that are checked; `None` if one that must be there is not.
pub(super) fn checked_claims(claims: &Value) -> Option<ProviderClaims> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let azp = match claims.get("azp") {
        None | Some(Value::Null) => None,
        Some(azp) => Some(azp.as_str()?.to_owned()),
    };
    let seconds = |name: &str| claims.get(name).and_then(Value::as_u64);
    Some(ProviderClaims {
        iss: text("iss")?,
        aud: signed_token::audiences(claims)?,
        azp,
        exp_s: seconds("exp")?,
        iat_s: seconds("iat")?,
        nonce: text("nonce"),
        auth_time_s: seconds("auth_time"),
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn coded(text: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn jwk(pair: &EcdsaKeyPair, kid: &str) -> Value {
        let point = pair.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": kid, "x": coded(&point[1..33]), "y": coded(&point[33..]) })
    }

    fn signed(pair: &EcdsaKeyPair, head: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", coded(head.to_string()), coded(claims.to_string()));
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", coded(signature))
    }

    #[test]
    fn claims_are_those_of_a_key_of_the_provider() {
        let [own, foreign] = [(); 2].map(|()| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "AA" }, jwk(&own, "a")] });
        let keys = ProviderKeys::read(set.to_string().as_bytes()).unwrap();
        let claims = json!({ "iss": "https://id.example" });
        let head = json!({ "alg": "ES256", "kid": "a" });
        assert_eq!(keys.claims(&signed(&own, &head, &claims)), Ok(claims.clone()));
        assert_eq!(keys.claims(&signed(&own, &json!({ "alg": "ES256" }), &claims)), Ok(claims.clone()));
        let other = signed(&own, &json!({ "alg": "ES256", "kid": "b" }), &claims);
        assert_eq!(keys.claims(&other), Err(TokenFault::OtherKey));
        for forged in [
            signed(&foreign, &head, &claims),
            signed(&own, &json!({ "alg": "none", "kid": "a" }), &claims),
            signed(&own, &json!({ "alg": "HS256", "kid": "a" }), &claims),
            signed(&own, &json!({ "alg": "RS256", "kid": "a" }), &claims),
            signed(&own, &json!({ "alg": "ES256", "kid": "a", "crit": ["x"] }), &claims),
            format!("{}.{}.", coded(r#"{"alg":"none"}"#), coded(claims.to_string())),
            "a.b".to_owned(),
            String::new(),
        ] {
            assert!(matches!(keys.claims(&forged), Err(TokenFault::Wrong(_))), "{forged}");
        }
    }

    #[test]
    fn a_key_for_another_use_or_algorithm_signs_no_token() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let token = signed(&pair, &json!({ "alg": "ES256", "kid": "a" }), &json!({}));
        for (name, value) in [("use", "enc"), ("alg", "ES384")] {
            let mut jwk = jwk(&pair, "a");
            jwk[name] = json!(value);
            let keys = ProviderKeys::read(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
            assert_eq!(keys.claims(&token), Err(TokenFault::OtherKey));
        }
        assert!(ProviderKeys::read(b"{}").is_err() && ProviderKeys::read(b"x").is_err());
    }

    #[test]
    fn an_audience_is_one_or_several_and_times_are_numbers() {
        let claims = json!({ "iss": "i", "aud": "a", "exp": 2, "iat": 1 });
        assert_eq!(checked_claims(&claims).unwrap().aud, ["a"]);
        for (name, value, is_read) in [
            ("aud", json!(["a", "b"]), true),
            ("aud", json!(["a", 1]), false),
            ("exp", json!("2"), false),
            ("azp", json!(1), false),
            ("iat", Value::Null, false),
        ] {
            let mut changed = claims.clone();
            changed[name] = value;
            assert_eq!(checked_claims(&changed).is_some(), is_read, "{name}");
        }
    }
}
