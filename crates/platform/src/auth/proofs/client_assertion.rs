//! Assertions that clients show: each is verified by the client's own keys, and taken once (RFC 7523). It takes as long to refuse one of a
//! client that does not exist.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use contracts::provisioning::{ClientKey, OAuthClient};
use identity::client_assertion::{AssertionClaims, AssertionRate, AssertionUse, ExpectedAssertion};
use identity::public_key::{JwkMembers, PublicKey, SignatureAlgorithm};
use infra::StoreError;
use model::{TenantId, Timestamp};
use serde_json::Value;

use super::super::Auth;
use super::super::answers::Trouble;
use super::signed_token::{self, SignedToken};

/// `client_assertion_type` (RFC 7523 section 2.2).
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The most clients whose assertions are counted; then all counts are forgotten.
const COUNTED_MAX: usize = 4_096;

/// How many assertions of each client were taken lately.
#[derive(Default)]
pub(in crate::auth) struct AssertionRates(Mutex<HashMap<(TenantId, String), AssertionRate>>);

impl AssertionRates {
    /// How long no assertion of that client is taken; nothing is counted.
    fn wait(&self, tenant: &TenantId, client: &str, now: Timestamp) -> Option<Duration> {
        let rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rates.get(&(tenant.clone(), client.to_owned()))?.take(now).err()
    }

    fn take(&self, tenant: &TenantId, client: &str, now: Timestamp) -> Result<(), Duration> {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.len() >= COUNTED_MAX {
            rates.retain(|_, rate| !rate.is_over(now));
        }
        if rates.len() >= COUNTED_MAX {
            rates.clear();
        }
        let rate = rates.entry((tenant.clone(), client.to_owned())).or_default();
        *rate = rate.take(now)?;
        Ok(())
    }
}

/// The client that shows an assertion.
#[derive(Clone, Copy)]
pub(in crate::auth) struct AssertingClient<'a> {
    /// Its tenant.
    pub tenant: &'a TenantId,
    /// The id by which it calls itself.
    pub presented: &'a str,
    /// What it is; none if there is no such client.
    pub configured: Option<&'a OAuthClient>,
}

/// Why an assertion is not taken.
pub(in crate::auth) enum AssertionRefusal {
    /// It is wrong; the reason is for the log.
    Wrong(String),
    /// Its client shows too many: none is taken for so long.
    Wait(Duration),
    /// Nothing could be decided.
    Trouble(Trouble),
}

impl AssertionRefusal {
    fn wrong(fault: &dyn Display) -> Self {
        Self::Wrong(fault.to_string())
    }
}

impl From<StoreError> for AssertionRefusal {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

/// Takes an assertion of that client for that purpose, and says whom it is about (`sub`).
pub(in crate::auth) async fn take(
    auth: &Auth,
    client: AssertingClient<'_>,
    purpose: AssertionUse,
    token: &str,
) -> Result<String, AssertionRefusal> {
    let set = client.configured.and_then(|configured| configured.jwks.as_ref());
    let keys = set.map(|set| set.keys.as_slice()).unwrap_or_default();
    let claims = verified(keys, purpose, token).map_err(|fault| AssertionRefusal::wrong(&fault))?;
    let Some(configured) = client.configured else {
        return Err(AssertionRefusal::wrong(&"there is no such client"));
    };
    let claims =
        read_claims(&claims).ok_or_else(|| AssertionRefusal::wrong(&"a claim is missing or of another kind"))?;
    let (tenant, id, now) = (client.tenant, configured.id.as_str(), auth.now());
    let (whole, endpoint) = (format!("{tenant}/{id}"), format!("{}/oauth/token", auth.issuer()));
    let (names, audiences) = ([client.presented, id, &whole], [auth.issuer(), &endpoint]);
    let expected = ExpectedAssertion { purpose, client: &names, audiences: &audiences };
    let until = claims.check(&expected, now).map_err(|fault| AssertionRefusal::wrong(&fault))?;
    // Who has the key counts alone, and by assertions that nobody has shown before: whoever has seen one on its way keeps nobody out. What
    // is too much is not spent either, since that is remembered.
    if let Some(wait) = auth.assertion_rates.wait(tenant, id, now) {
        return Err(AssertionRefusal::Wait(wait));
    }
    if !auth.store.spend_assertion(tenant, id, &claims.jti, until).await? {
        return Err(AssertionRefusal::wrong(&"its jti was shown before"));
    }
    auth.assertion_rates.take(tenant, id, now).map_err(AssertionRefusal::Wait)?;
    Ok(claims.sub)
}

/// Who an assertion says that it is of, for a request that does not say it (RFC 7521 section 4.2). Nobody has verified it yet.
pub(super) fn named_client(token: &str) -> Option<String> {
    let claims = SignedToken::read(token).ok()?.claims()?;
    claims.get("sub")?.as_str().map(str::to_owned)
}

/// What an assertion says that one of these keys has signed. One signature is computed, whatever keys there are.
fn verified(keys: &[ClientKey], purpose: AssertionUse, token: &str) -> Result<Value, &'static str> {
    let token = SignedToken::read(token)?;
    let is_meant = |key: &&ClientKey| {
        let is_named = token.kid.is_none() || key.kid.is_none() || key.kid == token.kid;
        let algorithm = key.alg.as_deref().map(SignatureAlgorithm::parse);
        is_named && algorithm.is_none_or(|algorithm| algorithm == Some(token.algorithm))
    };
    let meant: Vec<PublicKey> = keys
        .iter()
        .filter(is_meant)
        .filter_map(public_key)
        .filter(|key| key.signs_by(token.algorithm))
        .take(2)
        .collect();
    let is_right = match meant.as_slice() {
        // Of another length it is refused at once: that would tell how long the key is, and that there is one.
        [only] if token.has_length_of(only) => token.is_signed_by(only),
        _ => token.is_signed_by_nobody(),
    };
    if !is_right {
        return Err("no key of the client has signed it, or it does not name the one that has (kid)");
    }
    if !purpose.is_of_type(token.typ.as_deref()) {
        return Err("it is another kind of token (typ)");
    }
    token.claims().ok_or("its claims cannot be read")
}

fn public_key(key: &ClientKey) -> Option<PublicKey> {
    PublicKey::of_jwk(&JwkMembers {
        kty: &key.kty,
        crv: key.crv.as_deref(),
        n: key.n.as_deref(),
        e: key.e.as_deref(),
        x: key.x.as_deref(),
        y: key.y.as_deref(),
    })
}

/// The claims that are checked; `None` if one that must be there is not, or one is of another kind.
fn read_claims(claims: &Value) -> Option<AssertionClaims> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    // Outer `None`: it is there and is no time (RFC 7519 section 2, NumericDate).
    let seconds = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(at) => at.as_u64().or_else(|| whole_seconds(at)).map(Some),
    };
    Some(AssertionClaims {
        iss: text("iss")?,
        sub: text("sub")?,
        aud: signed_token::audiences(claims)?,
        exp_s: seconds("exp")??,
        nbf_s: seconds("nbf")?,
        iat_s: seconds("iat")?,
        jti: text("jti")?,
    })
}

/// A time with a fraction, in seconds.
fn whole_seconds(at: &Value) -> Option<u64> {
    let at = at.as_f64().filter(|at| *at >= 0.0)?;
    Duration::try_from_secs_f64(at).ok().map(|at| at.as_secs())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use identity::client_assertion::{RATE_MAX, RATE_WINDOW};
    use serde_json::json;

    use super::*;

    fn coded(text: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn key_of(pair: &EcdsaKeyPair, kid: Option<&str>) -> ClientKey {
        let point = pair.public_key().as_ref();
        ClientKey {
            kty: "EC".to_owned(),
            crv: Some("P-256".to_owned()),
            x: Some(coded(&point[1..33])),
            y: Some(coded(&point[33..])),
            kid: kid.map(str::to_owned),
            ..ClientKey::default()
        }
    }

    fn signed(pair: &EcdsaKeyPair, head: &Value) -> String {
        let text = format!("{}.{}", coded(head.to_string()), coded(json!({ "sub": "desk" }).to_string()));
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", coded(signature))
    }

    #[test]
    fn an_assertion_is_of_the_clients_own_key_and_says_that_it_is_one() {
        let [own, next, foreign] = [(); 3].map(|()| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
        let one: &[ClientKey] = &[key_of(&own, None)];
        let two: &[ClientKey] = &[key_of(&own, Some("a")), key_of(&next, Some("b"))];
        let none: &[ClientKey] = &[];
        let head = |kid: Option<&str>| json!({ "alg": "ES256", "kid": kid });
        for (keys, pair, head, is_right) in [
            (one, &own, head(None), true),
            (one, &own, head(Some("x")), true),
            (one, &own, json!({ "alg": "ES256", "typ": "JWT" }), true),
            (one, &own, json!({ "alg": "ES256", "typ": "application/client-authentication+jwt" }), true),
            (one, &own, json!({ "alg": "ES256", "typ": "at+jwt" }), false),
            (one, &foreign, head(None), false),
            (one, &own, json!({ "alg": "RS256" }), false),
            (one, &own, json!({ "alg": "HS256" }), false),
            (one, &own, json!({ "alg": "none" }), false),
            (one, &own, json!({ "alg": "ES256", "crit": ["x"] }), false),
            (two, &own, head(Some("a")), true),
            (two, &next, head(Some("b")), true),
            (two, &next, head(Some("a")), false),
            (two, &own, head(Some("c")), false),
            (two, &own, head(None), false),
            (none, &own, head(None), false),
        ] {
            let verified = verified(keys, AssertionUse::ClientProof, &signed(pair, &head));
            assert_eq!(verified.is_ok(), is_right, "{} keys, {head}", keys.len());
        }
        assert_eq!(named_client(&signed(&foreign, &head(None))).as_deref(), Some("desk"));
        assert!(verified(one, AssertionUse::Grant, "").is_err() && named_client("a.b.c").is_none());
    }

    #[test]
    fn a_key_signs_by_the_algorithm_that_it_says_alone() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let text = format!("{}.{}", coded(r#"{"alg":"EdDSA"}"#), coded("{}"));
        let token = format!("{text}.{}", coded(pair.sign(text.as_bytes())));
        let key = |alg: Option<&str>| ClientKey {
            kty: "OKP".to_owned(),
            crv: Some("Ed25519".to_owned()),
            x: Some(coded(pair.public_key())),
            alg: alg.map(str::to_owned),
            ..ClientKey::default()
        };
        for (alg, is_right) in [(None, true), (Some("EdDSA"), true), (Some("Ed25519"), true), (Some("ES256"), false)] {
            assert_eq!(verified(&[key(alg)], AssertionUse::Grant, &token).is_ok(), is_right, "{alg:?}");
        }
    }

    #[test]
    fn times_are_numbers_and_no_claim_is_left_out() {
        let claims = json!({ "iss": "a", "sub": "a", "aud": "i", "exp": 2, "jti": "j" });
        assert_eq!(read_claims(&claims).unwrap().exp_s, 2);
        for (name, value, is_read) in [
            ("exp", json!(2.5), true),
            ("exp", json!("2"), false),
            ("exp", json!(-1), false),
            ("exp", json!(1e300), false),
            ("exp", Value::Null, false),
            ("nbf", json!("1"), false),
            ("nbf", Value::Null, true),
            ("iat", json!(1), true),
            ("jti", json!(1), false),
            ("aud", json!(["i", 1]), false),
            ("sub", Value::Null, false),
        ] {
            let mut changed = claims.clone();
            changed[name] = value.clone();
            assert_eq!(read_claims(&changed).is_some(), is_read, "{name} {value}");
        }
    }

    #[test]
    fn the_assertions_of_a_client_keep_no_other_ones_back() {
        let (rates, acme, now) = (AssertionRates::default(), TenantId::parse("acme").unwrap(), Timestamp::ZERO);
        for _ in 0..RATE_MAX {
            rates.take(&acme, "desk", now).unwrap();
        }
        assert_eq!(rates.take(&acme, "desk", now), Err(RATE_WINDOW));
        assert_eq!(rates.wait(&acme, "desk", now), Some(RATE_WINDOW));
        assert_eq!(rates.wait(&acme, "desk", now + RATE_WINDOW), None);
        for _ in 0..2 * RATE_MAX {
            assert_eq!(rates.wait(&acme, "other", now), None, "who looks is not counted");
        }
        assert_eq!(rates.take(&TenantId::parse("globex").unwrap(), "desk", now), Ok(()));
        for n in 0..2 * COUNTED_MAX {
            rates.take(&acme, &n.to_string(), now).unwrap();
        }
        assert!(rates.0.lock().unwrap().len() <= COUNTED_MAX);
    }
}
