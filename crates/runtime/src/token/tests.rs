use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use infra::Clock;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::{TenantId, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::api_family::ApiFamily;
use crate::spec::RoleSpec;

struct Turned(AtomicU64);
impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

static ORS: RoleSpec = RoleSpec { opens: &["voice-30", "voice-34"], ..RoleSpec::bare("ors", 12) };
/// What the interfaces of these tests take.
const VOICE: &[ApiFamily] = &[ApiFamily::Voice];
static TENANT: RoleSpec = RoleSpec { opens: &["voice-16"], ..RoleSpec::bare("tenant", 16) };

/// An issuer, a role, and who verifies for both.
struct Trusting {
    issuer: TokenIssuer,
    ors: ServiceIssuer,
    verifier: TokenVerifier,
    clock: Arc<Turned>,
}

fn trusting() -> Trusting {
    let clock = Arc::new(Turned(AtomicU64::new(1_000_000_000)));
    let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
    let ors = ServiceIssuer::of_new_key(&ORS, clock.clone()).unwrap();
    let verifier = TokenVerifier::of(&issuer, &[&ors]);
    Trusting { issuer, ors, verifier, clock }
}

impl Trusting {
    fn issue(&self) -> String {
        let tenant = TenantId::parse("acme").unwrap();
        self.issuer.issue(Some(&tenant), "operator/ann", "calls:read", Duration::from_secs(60)).unwrap()
    }

    fn issue_for(&self, names: &[&str]) -> String {
        let (tenant, aud) = (TenantId::parse("acme").unwrap(), Audience::of_names(names.iter().copied()));
        let life = Duration::from_secs(60);
        self.issuer.issue_for(aud, Some(&tenant), None, "operator/ann", "calls:read", life).unwrap()
    }

    fn access(&self, iss: &str) -> Claims {
        Claims {
            iss: iss.to_owned(),
            tenant: "acme".to_owned(),
            sub: "person/ann".to_owned(),
            scope: "calls:read".to_owned(),
            aud: Audience::of_scope("calls:read"),
            exp: self.clock.now().as_secs() + 60,
            sid: Some("s".to_owned()),
            ..Claims::default()
        }
    }
}

#[test]
fn a_token_names_tenant_subject_and_scopes() {
    let site = trusting();
    let caller = site.verifier.verify(&site.issue(), "frontend", VOICE).unwrap();
    assert_eq!(caller.tenant().map(TenantId::as_str), Some("acme"));
    assert_eq!((caller.kind(), caller.name()), ("operator", "ann"));
    assert!(caller.has_scope("calls:read") && !caller.has_scope("calls"));
}

#[test]
fn a_token_of_another_installation_is_refused() {
    let (ours, theirs) = (trusting(), trusting());
    for token in [theirs.issue(), theirs.ors.token("ors-1", "rq").unwrap()] {
        assert_eq!(ours.verifier.verify(&token, "rq", VOICE).unwrap_err(), TokenError::Signature);
    }
}

#[test]
fn a_token_for_another_role_is_refused() {
    let site = trusting();
    let token = site.issue_for(&["config"]);
    assert!(site.verifier.verify(&token, "config", VOICE).is_ok());
    assert_eq!(site.verifier.verify(&token, "rq", VOICE).unwrap_err(), TokenError::Audience("config".into()));
}

#[test]
fn a_token_is_good_where_one_of_its_apis_is_and_nowhere_else() {
    let site = trusting();
    let at = |token: &str, role: &str, families: &[ApiFamily]| site.verifier.verify(token, role, families).map(drop);
    let (one, two) = (site.issue_for(&["voice"]), site.issue_for(&["voice", "statistics"]));
    assert_eq!(at(&one, "frontend", VOICE), Ok(()));
    assert_eq!(at(&one, "pulse", &[ApiFamily::Statistics]), Err(TokenError::Audience("voice".to_owned())));
    assert_eq!(at(&two, "frontend", VOICE), Ok(()));
    assert_eq!(at(&two, "pulse", &[ApiFamily::Statistics]), Ok(()));
    assert_eq!(at(&two, "tenant", &[ApiFamily::Tenant]), Err(TokenError::Audience("voice, statistics".to_owned())));
    assert_eq!(at(&one, "rq", &[]), Err(TokenError::Audience("voice".to_owned())), "one for roles alone");
    // The audience of the build before: each token names what it is for.
    let former = site.issue_for(&["trunkline"]);
    assert_eq!(at(&former, "frontend", &ApiFamily::ALL), Err(TokenError::Audience("trunkline".to_owned())));
    assert_eq!(at(&site.issue_for(&[]), "frontend", &ApiFamily::ALL), Err(TokenError::Audience(String::new())));
}

#[test]
fn a_roles_token_for_a_role_is_none_for_the_family_of_that_name() {
    static PULSE: RoleSpec = RoleSpec { opens: &["voice-02"], ..RoleSpec::bare("pulse", 30) };
    let clock = Arc::new(Turned(AtomicU64::new(1_000_000_000)));
    let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
    let pulse = ServiceIssuer::of_new_key(&PULSE, clock).unwrap();
    let verifier = TokenVerifier::of(&issuer, &[&pulse]);
    let token = pulse.token("pulse-1", "tenant").unwrap();
    assert!(verifier.verify(&token, "tenant", &[ApiFamily::Tenant]).is_ok());
    let refused = verifier.verify(&token, "config", &[ApiFamily::Tenant]).unwrap_err();
    assert_eq!(refused, TokenError::Audience("tenant".to_owned()));
}

#[test]
fn an_expired_token_is_refused_even_when_it_was_seen_before() {
    let site = trusting();
    let token = site.issue();
    assert!(site.verifier.verify(&token, "rq", VOICE).is_ok());
    site.clock.0.fetch_add(91_000, Ordering::Relaxed);
    assert_eq!(site.verifier.verify(&token, "rq", VOICE).unwrap_err(), TokenError::Expired);
}

#[test]
fn what_is_not_a_token_is_refused() {
    let site = trusting();
    let good = site.issue();
    let (head, _) = good.rsplit_once('.').unwrap();
    // {"alg":"none"}: unsigned tokens are never accepted.
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", head.split_once('.').unwrap().1);
    for bad in ["", "a.b.c", head, &unsigned, &"x".repeat(4_097)] {
        assert!(site.verifier.verify(bad, "rq", VOICE).is_err(), "{bad}");
    }
}

#[test]
fn a_roles_own_token_is_kept_and_renewed() {
    let site = trusting();
    let first = site.ors.token("ors-1", "rq").unwrap();
    assert_eq!(site.ors.token("ors-1", "rq").unwrap(), first);
    site.clock.0.fetch_add(301_000, Ordering::Relaxed);
    let second = site.ors.token("ors-1", "rq").unwrap();
    assert_ne!(second, first);
    let caller = site.verifier.verify(&second, "rq", VOICE).unwrap();
    assert_eq!((caller.role(), caller.name(), caller.tenant()), (Some("ors"), "ors-1", None));
    assert_eq!(caller.subject(), "ors/ors-1");
    assert_eq!(site.verifier.verified_claims(&second, "rq", VOICE).unwrap().sub, "service/ors/ors-1");
}

#[test]
fn a_role_calls_only_where_it_has_a_connection() {
    let site = trusting();
    for aud in ["tenant", "auth", "voice"] {
        assert_eq!(site.ors.token("ors-1", aud).unwrap_err(), TokenError::NoConnection("ors", aud.to_owned()));
    }
    let token = site.ors.token("ors-1", "rq").unwrap();
    assert_eq!(site.verifier.verify(&token, "config", VOICE).unwrap_err(), TokenError::Audience("rq".to_owned()));
}

/// A token whose header is changed, signed again with nothing of ours.
fn with_header(token: &str, header: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

const PUBLIC: &str = "https://centre.example/auth/v3";

fn public() -> Trusting {
    let site = trusting();
    Trusting { verifier: site.verifier.of_issuer(PUBLIC), ..site }
}

#[test]
fn an_access_token_of_the_public_issuer_names_its_key_and_its_sign_in() {
    let site = public();
    let token = site.issuer.sign(&site.access(PUBLIC), ACCESS_TOKEN).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let kid = site.issuer.public_keys()[0].0.kid.clone();
    assert_eq!((header.kid, header.typ.as_deref()), (Some(kid), Some("at+jwt")));
    assert_eq!(site.verifier.verified_claims(&token, "frontend", VOICE).unwrap().sid.as_deref(), Some("s"));
    assert_eq!(site.verifier.verify(&token, "frontend", VOICE).unwrap().kind(), "person");
    assert!(site.verifier.verify(&site.issue(), "frontend", VOICE).is_ok(), "those of the command too");
}

#[test]
fn a_token_of_another_issuer_is_refused_though_our_key_signed_it() {
    let site = public();
    let token = site.issuer.sign(&site.access("https://other.example/auth/v3"), ACCESS_TOKEN).unwrap();
    assert_eq!(site.verifier.verify(&token, "frontend", VOICE).unwrap_err(), TokenError::Malformed);
}

#[test]
fn an_id_token_gives_no_access() {
    let site = public();
    let token = site.issuer.sign(&site.access(PUBLIC), ID_TOKEN).unwrap();
    assert_eq!(site.verifier.verify(&token, "frontend", VOICE).unwrap_err(), TokenError::Type);
    let claims = serde_json::json!({ "iss": PUBLIC, "sub": "ann", "aud": "app", "exp": 9_999_999_999_u64 });
    let token = site.issuer.sign(&claims, ID_TOKEN).unwrap();
    assert_eq!(site.verifier.verify(&token, "frontend", VOICE).unwrap_err(), TokenError::Type);
}

#[test]
fn id_tokens_have_the_type_that_clients_expect_and_no_issuer_makes_access_tokens_of_it() {
    let site = public();
    let typ = |token: &str| jsonwebtoken::decode_header(token).unwrap().typ;
    assert_eq!(typ(&site.issuer.sign(&site.access(PUBLIC), ID_TOKEN).unwrap()).as_deref(), Some("JWT"));
    assert_eq!(typ(&site.issue()).as_deref(), Some("at+jwt"), "of the command too");
    for iss in [PUBLIC, ISSUER] {
        let token = site.issuer.sign(&site.access(iss), "JWT").unwrap();
        assert_eq!(site.verifier.verify(&token, "frontend", VOICE).unwrap_err(), TokenError::Type, "{iss}");
    }
}

#[test]
fn an_id_token_of_ours_is_a_hint_also_when_it_is_over_and_no_other_token_is() {
    let (site, other) = (public(), public());
    let claims = serde_json::json!({ "iss": PUBLIC, "sub": "ann", "aud": "app", "exp": 1, "tenant": "acme" });
    let token = site.issuer.sign(&claims, ID_TOKEN).unwrap();
    assert_eq!(site.verifier.hinted_claims(&token), Ok(claims.clone()));
    let (head, _) = token.rsplit_once('.').unwrap();
    let others_claims = URL_SAFE_NO_PAD.encode(claims.to_string().replace("acme", "globex"));
    let [of_head, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let elsewhere = serde_json::json!({ "iss": "https://other.example", "sub": "ann", "aud": "app", "exp": 1 });
    for (foreign, why) in [
        (other.issuer.sign(&claims, ID_TOKEN).unwrap(), TokenError::Signature),
        (format!("{head}."), TokenError::Signature),
        (format!("{of_head}.{others_claims}.{signature}"), TokenError::Signature),
        (with_header(&token, r#"{"alg":"none","typ":"JWT"}"#), TokenError::Malformed),
        (site.issuer.sign(&elsewhere, ID_TOKEN).unwrap(), TokenError::Malformed),
        (site.issuer.sign(&claims, ACCESS_TOKEN).unwrap(), TokenError::Type),
        (site.ors.token("ors-1", "rq").unwrap(), TokenError::Type),
        ("x".repeat(8_193), TokenError::Malformed),
    ] {
        assert_eq!(site.verifier.hinted_claims(&foreign), Err(why), "{foreign}");
    }
}

#[test]
fn another_algorithm_another_key_and_none_are_refused() {
    let clock = Arc::new(Turned(AtomicU64::new(1_000_000_000)));
    let pkcs8 = SigningKey::new_pkcs8().unwrap();
    let ring = KeyRing::beginning(SigningKey::from_pkcs8(&pkcs8).unwrap(), clock.now());
    let issuer = TokenIssuer::new(ring, clock);
    let site = Trusting { verifier: TokenVerifier::of(&issuer, &[]).of_issuer(PUBLIC), issuer, ..public() };
    let (claims, jwk) = (site.access(PUBLIC), site.issuer.public_keys()[0].0.clone());
    let token = site.issuer.sign(&claims, ACCESS_TOKEN).unwrap();
    let kid = jwk.kid.as_str();
    let named = |algorithm, key: &EncodingKey, kid: Option<&str>, typ: Option<&str>| {
        let mut header = Header::new(algorithm);
        (header.kid, header.typ) = (kid.map(str::to_owned), typ.map(str::to_owned));
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    };
    // The public key as the secret of an HMAC, which anybody could compute.
    let secret = EncodingKey::from_secret(jwk.x.as_bytes());
    let ours = EncodingKey::from_ec_der(&pkcs8);
    for forged in [
        named(Algorithm::HS256, &secret, Some(kid), Some(ACCESS_TOKEN)),
        with_header(&token, r#"{"alg":"none","typ":"at+jwt"}"#),
        with_header(&token, r#"{"alg":"HS256","typ":"at+jwt"}"#),
        with_header(&token, &format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#)),
    ] {
        assert!(site.verifier.verify(&forged, "frontend", VOICE).is_err(), "{forged}");
    }
    let verified =
        |kid, typ| site.verifier.verify(&named(Algorithm::ES256, &ours, kid, typ), "frontend", VOICE).map(drop);
    assert_eq!(verified(Some(kid), Some(ACCESS_TOKEN)), Ok(()));
    assert_eq!(verified(Some("another"), Some(ACCESS_TOKEN)), Err(TokenError::Signature));
    assert_eq!(verified(None, Some(ACCESS_TOKEN)), Err(TokenError::Signature), "it must name its key");
    assert_eq!(verified(Some(kid), None), Err(TokenError::Type), "and its type");
}

#[test]
fn the_issuers_key_makes_no_role() {
    let site = trusting();
    for (sub, scope) in [("ors/ors-1", ROLE_SCOPE), ("a/b", "calls:read role"), ("service/ors/ors-1", "calls:read")] {
        let (aud, life) = (Audience::of_names(["rq"]), Duration::from_secs(60));
        let token = site.issuer.issue_for(aud, None, None, sub, scope, life).unwrap();
        assert_eq!(site.verifier.verify(&token, "rq", VOICE).unwrap_err(), TokenError::Bearer, "{sub} {scope}");
    }
}

/// For whom a role's token could say that it is.
const AUDIENCES: [&[&str]; 6] = [&["rq"], &["tenant"], &["voice"], &["rq", "voice"], &["rq", "rq"], &[]];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever has a role's key can sign what it likes: only that role's own claims are believed.
    #[test]
    fn a_roles_key_makes_nobody_else(
        sub in prop::sample::select(vec![
            "service/ors/ors-1", "service/tenant/tenant-1", "service/ors/tenant-1", "service/ors/ors-x", "service/ors",
            "ors/ors-1", "person/ann", "operator/ann", "client/crm",
        ]),
        scope in prop::sample::select(vec!["role", "role operate", "operate", ""]),
        tenant in prop::sample::select(vec!["*", "acme"]),
        aud in prop::sample::select(AUDIENCES.to_vec()),
        dn in prop::option::of(Just("7101".to_owned())),
        life in prop::sample::select(vec![60_u64, 600, 86_400]),
    ) {
        let clock = Arc::new(Turned(AtomicU64::new(1_000_000_000)));
        let (key, signer) = (SigningKey::new_pkcs8().unwrap(), |key: &[u8]| SigningKey::from_pkcs8(key).unwrap());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let ors = ServiceIssuer::new(&ORS, signer(&key), clock.clone());
        let tenants = ServiceIssuer::of_new_key(&TENANT, clock.clone()).unwrap();
        let verifier = TokenVerifier::of(&issuer, &[&ors, &tenants]);
        let exp = clock.now().as_secs() + life;
        let is_own = (sub, scope, tenant) == ("service/ors/ors-1", "role", "*") && dn.is_none() && life <= 600;
        let is_own = is_own && aud == ["rq"];
        let claims = Claims {
            iss: ISSUER.to_owned(),
            tenant: tenant.to_owned(),
            sub: sub.to_owned(),
            scope: scope.to_owned(),
            aud: Audience::of_names(aud.iter().copied()),
            exp,
            dn,
            ..Claims::default()
        };
        let token = signer(&key).sign(&claims, SERVICE_TOKEN).unwrap();
        // Each interface takes tokens of all families: that is not what counts for roles.
        let believed = ["rq", "tenant"].map(|role| verifier.verify(&token, role, &ApiFamily::ALL).ok());
        prop_assert_eq!(believed[0].as_ref().and_then(|caller| caller.role()), is_own.then_some("ors"));
        prop_assert!(believed[0].is_some() == is_own && believed[1].is_none());
    }
}

#[test]
fn what_a_token_that_is_over_has_begun_ends_with_its_sign_in() {
    let clock = Arc::new(Turned(AtomicU64::new(1_000_000_000)));
    let mut revoked = RevokedSet::default();
    let id = "sign-in".to_owned();
    revoked.add(Revocation { tenant: "acme".to_owned(), id, issued_before: None, until: 1_000_600 }, clock.now());
    let (_sender, believed) = tokio::sync::watch::channel(Believed { revoked, ..Believed::default() });
    let verifier = TokenVerifier::new(believed, &[], clock);
    let begun_by = |sid: &str| Claims {
        tenant: "acme".to_owned(),
        sub: "person/ann".to_owned(),
        sid: Some(sid.to_owned()),
        exp: 1,
        ..Claims::default()
    };
    assert!(verifier.is_revoked(&begun_by("sign-in")) && !verifier.is_revoked(&begun_by("another")));
}
