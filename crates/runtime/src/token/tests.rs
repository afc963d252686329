use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

struct Turned(AtomicU64);
impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn tokens() -> (Tokens, Arc<Turned>) {
    let clock = Arc::new(Turned(AtomicU64::new(1_000_000_000)));
    (Tokens::with_key(&Tokens::new_key().unwrap(), clock.clone()).unwrap(), clock)
}

fn issue(tokens: &Tokens, aud: &str) -> String {
    let tenant = TenantId::parse("acme").unwrap();
    tokens.issue(Some(&tenant), "operator/ann", "calls:read", aud, Duration::from_secs(60)).unwrap()
}

#[test]
fn a_token_names_tenant_subject_and_scopes() {
    let (tokens, _) = tokens();
    let caller = tokens.verify(&issue(&tokens, EVERY_ROLE), "frontend").unwrap();
    assert_eq!(caller.tenant().map(TenantId::as_str), Some("acme"));
    assert_eq!((caller.kind(), caller.name()), ("operator", "ann"));
    assert!(caller.has_scope("calls:read") && !caller.has_scope("calls"));
}

#[test]
fn a_token_of_another_installation_is_refused() {
    let ((ours, _), (theirs, _)) = (tokens(), tokens());
    assert_eq!(ours.verify(&issue(&theirs, EVERY_ROLE), "rq").unwrap_err(), TokenError::Signature);
}

#[test]
fn a_token_for_another_role_is_refused() {
    let (tokens, _) = tokens();
    let token = issue(&tokens, "config");
    assert!(tokens.verify(&token, "config").is_ok());
    assert_eq!(tokens.verify(&token, "rq").unwrap_err(), TokenError::Audience("config".into()));
}

#[test]
fn an_expired_token_is_refused_even_when_it_was_seen_before() {
    let (tokens, clock) = tokens();
    let token = issue(&tokens, EVERY_ROLE);
    assert!(tokens.verify(&token, "rq").is_ok());
    clock.0.fetch_add(91_000, Ordering::Relaxed);
    assert_eq!(tokens.verify(&token, "rq").unwrap_err(), TokenError::Expired);
}

#[test]
fn what_is_not_a_token_is_refused() {
    let (tokens, _) = tokens();
    let good = issue(&tokens, EVERY_ROLE);
    let (head, _) = good.rsplit_once('.').unwrap();
    // {"alg":"none"}: unsigned tokens are never accepted.
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", head.split_once('.').unwrap().1);
    for bad in ["", "a.b.c", head, &unsigned, &"x".repeat(TOKEN_BYTES_MAX + 1)] {
        assert!(tokens.verify(bad, "rq").is_err(), "{bad}");
    }
}

#[test]
fn a_roles_own_token_is_kept_and_renewed() {
    let (tokens, clock) = tokens();
    let first = tokens.of_role("ors", "ors-1", "rq").unwrap();
    assert_eq!(tokens.of_role("ors", "ors-1", "rq").unwrap(), first);
    clock.0.fetch_add(301_000, Ordering::Relaxed);
    let second = tokens.of_role("ors", "ors-1", "rq").unwrap();
    assert_ne!(second, first);
    let caller = tokens.verify(&second, "rq").unwrap();
    assert_eq!((caller.role(), caller.name(), caller.tenant()), (Some("ors"), "ors-1", None));
}

/// A token whose header is changed, signed again with nothing of ours.
fn with_header(token: &str, header: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

fn access(tokens: &Tokens, iss: &str) -> Claims {
    Claims {
        iss: iss.to_owned(),
        tenant: "acme".to_owned(),
        sub: "person/ann".to_owned(),
        scope: "calls:read".to_owned(),
        aud: EVERY_ROLE.to_owned(),
        exp: tokens.inner.clock.now().as_secs() + 60,
        sid: Some("s".to_owned()),
        ..Claims::default()
    }
}

const PUBLIC: &str = "https://centre.example/auth/v3";

fn public() -> Tokens {
    let clock = Arc::new(Turned(AtomicU64::new(1_000_000_000)));
    Tokens::with_key(&Tokens::new_key().unwrap(), clock).unwrap().of_issuer(PUBLIC)
}

#[test]
fn an_access_token_of_the_public_issuer_names_its_key_and_its_sign_in() {
    let tokens = public();
    let token = tokens.sign(&access(&tokens, PUBLIC), ACCESS_TOKEN).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!((header.kid.as_ref(), header.typ.as_deref()), (Some(&tokens.public_jwk().kid), Some("at+jwt")));
    assert_eq!(tokens.verified_claims(&token, "frontend").unwrap().sid.as_deref(), Some("s"));
    assert_eq!(tokens.verify(&token, "frontend").unwrap().kind(), "person");
    assert!(tokens.verify(&issue(&tokens, EVERY_ROLE), "frontend").is_ok(), "those of the command too");
}

#[test]
fn a_token_of_another_issuer_is_refused_though_our_key_signed_it() {
    let tokens = public();
    let token = tokens.sign(&access(&tokens, "https://other.example/auth/v3"), ACCESS_TOKEN).unwrap();
    assert_eq!(tokens.verify(&token, "frontend").unwrap_err(), TokenError::Malformed);
}

#[test]
fn an_id_token_gives_no_access() {
    let tokens = public();
    let token = tokens.sign(&access(&tokens, PUBLIC), ID_TOKEN).unwrap();
    assert_eq!(tokens.verify(&token, "frontend").unwrap_err(), TokenError::Type);
    let claims = serde_json::json!({ "iss": PUBLIC, "sub": "ann", "aud": "app", "exp": 9_999_999_999_u64 });
    let token = tokens.sign(&claims, ID_TOKEN).unwrap();
    assert_eq!(tokens.verify(&token, "frontend").unwrap_err(), TokenError::Type);
}

#[test]
fn another_algorithm_another_key_and_none_are_refused() {
    let tokens = public();
    let token = tokens.sign(&access(&tokens, PUBLIC), ACCESS_TOKEN).unwrap();
    let kid = &tokens.public_jwk().kid;
    // The public key as the secret of an HMAC, which anybody could compute.
    let secret = EncodingKey::from_secret(tokens.public_jwk().x.as_bytes());
    let hmac = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &access(&tokens, PUBLIC), &secret).unwrap();
    for forged in [
        hmac,
        with_header(&token, r#"{"alg":"none","typ":"at+jwt"}"#),
        with_header(&token, r#"{"alg":"HS256","typ":"at+jwt"}"#),
        with_header(&token, &format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#)),
    ] {
        assert!(tokens.verify(&forged, "frontend").is_err(), "{forged}");
    }
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("another".to_owned());
    let named = jsonwebtoken::encode(&header, &access(&tokens, PUBLIC), &tokens.inner.encoding).unwrap();
    assert_eq!(tokens.verify(&named, "frontend").unwrap_err(), TokenError::Signature);
}
