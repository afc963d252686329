//! Signing and verifying, with certificates made here and with an INVITE that OpenSSL has signed (`tests/openssl`).

use std::sync::Arc;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384,
};

use super::*;
use crate::message::Message;

const URL: &str = "https://certificates.example/shaken.pem";
const NOW: u64 = 1_800_000_000;
/// The first second of 2025, and of 2050.
const FROM: (i32, u8, u8) = (2025, 1, 1);
const UNTIL: (i32, u8, u8) = (2050, 1, 1);

/// A key, its certificate chain and the authority that stands at its end.
struct Signing {
    key: KeyPair,
    chain: String,
    root: String,
}

fn params(name: &str, until: (i32, u8, u8)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(FROM.0, FROM.1, FROM.2);
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    params
}

fn signing(until: (i32, u8, u8), extensions: Vec<CustomExtension>) -> Signing {
    let root_key = KeyPair::generate().unwrap();
    let mut root = params("root", UNTIL);
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let root = Issuer::new(root, root_key);
    let middle_key = KeyPair::generate().unwrap();
    let mut middle = params("issuing", UNTIL);
    middle.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let middle_pem = middle.signed_by(&middle_key, &root).unwrap().pem();
    let middle = Issuer::new(middle, middle_key);
    let key = KeyPair::generate().unwrap();
    let mut own = params("SHAKEN 709J", until);
    own.custom_extensions = extensions;
    let own = own.signed_by(&key, &middle).unwrap().pem();
    Signing { key, chain: format!("{own}{middle_pem}"), root: root_pem }
}

fn list_of_numbers() -> Vec<CustomExtension> {
    // SEQUENCE { [0] IA5String "709J" }
    let content = vec![0x30, 0x08, 0xa0, 0x06, 0x16, 0x04, b'7', b'0', b'9', b'J'];
    vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], content)]
}

fn passport() -> Passport {
    Passport {
        attest: Attestation::A,
        orig: "12155550121".to_owned(),
        dest: vec!["12155550131".to_owned()],
        iat: NOW,
        origid: "123e4567-e89b-12d3-a456-426655440000".to_owned(),
    }
}

fn invite(identities: &[&str]) -> Message {
    let lines: String = identities.iter().map(|value| format!("Identity: {value}\r\n")).collect();
    let text = format!(
        "INVITE sip:+12155550131@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:+12155550121@a>;tag=a\r\n\
         To: <sip:+12155550131@b>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
    );
    Message::parse(text.into()).unwrap()
}

fn numbers() -> CallNumbers<'static> {
    CallNumbers { orig: vec!["+1 215-555-0121"], dest: vec!["account", "+12155550131"] }
}

fn read(identities: &[&str]) -> Result<ClaimedIdentity, StirRefusal> {
    ClaimedIdentity::read(&invite(identities), &numbers(), NOW + 5)
}

fn verify(value: &str, chain: &str, root: &str, now_s: u64) -> Result<VerifiedIdentity, StirRefusal> {
    let chain = Arc::new(CertificateChain::parse(chain.as_bytes()).unwrap());
    read(&[value])?.verify(&chain.trusted(&Authorities::parse(root).unwrap(), now_s)?)
}

fn refused(refusal: Result<impl fmt::Debug, StirRefusal>) -> (u16, &'static str) {
    let (status, reason) = refusal.unwrap_err().status();
    (status.0, reason)
}

#[test]
fn what_is_signed_is_verified() {
    let signing = signing(UNTIL, list_of_numbers());
    let signer = Signer::new(&signing.key.serialize_pem(), URL).unwrap();
    let value = signer.sign(&passport()).unwrap();
    let verified = verify(&value, &signing.chain, &signing.root, NOW + 5).unwrap();
    let expected =
        VerifiedIdentity { attest: Attestation::A, origid: passport().origid, authorization: TnAuthorization::Present };
    assert_eq!(verified, expected);
    assert!(signer.is_of(&CertificateChain::parse(signing.chain.as_bytes()).unwrap()));
    assert_eq!(read(&[&value]).unwrap().certificate_url(), URL);
    // Others before it are none of ours, and the header may hold several.
    let div = value.replace("ppt=shaken", "ppt=div");
    assert!(read(&[&div, &format!("nonsense, {value}")]).is_ok());
}

#[test]
fn what_openssl_has_signed_is_verified() {
    let chain = include_str!("tests/openssl/chain.pem");
    let root = include_str!("tests/openssl/root.pem");
    let value = include_str!("tests/openssl/identity.txt").trim();
    let verified = verify(value, chain, root, NOW + 5).unwrap();
    assert_eq!((verified.attest, verified.authorization), (Attestation::A, TnAuthorization::Present));
    // What we would sign is the same, byte by byte.
    assert!(value.starts_with(&passport().signing_input(URL)));
    let other = signing(UNTIL, Vec::new());
    assert_eq!(refused(verify(value, chain, &other.root, NOW)), (437, "Unsupported Credential"));
    assert_eq!(refused(verify(value, &other.chain, &other.root, NOW)), (438, "Invalid Identity Header"));
}

#[test]
fn a_certificate_has_to_be_valid_and_of_an_authority_of_ours() {
    let old = signing((2026, 1, 1), Vec::new());
    let signer = Signer::new(&old.key.serialize_pem(), URL).unwrap();
    let value = signer.sign(&passport()).unwrap();
    assert_eq!(refused(verify(&value, &old.chain, &old.root, NOW)), (437, "Unsupported Credential"));
    let before = verify(&value, &old.chain, &old.root, 1_740_000_000).unwrap();
    assert_eq!(before.authorization, TnAuthorization::Absent);
    // An authority that may have no other below it, left out of the chain.
    let (own, _) = old.chain.split_at(old.chain.find("-----END").unwrap() + "-----END CERTIFICATE-----".len());
    assert_eq!(refused(verify(&value, own, &old.root, 1_740_000_000)), (437, "Unsupported Credential"));
}

#[test]
fn what_is_not_fresh_or_about_another_call_is_refused() {
    let signing = signing(UNTIL, Vec::new());
    let signer = Signer::new(&signing.key.serialize_pem(), URL).unwrap();
    let of = |passport: Passport| read(&[&signer.sign(&passport).unwrap()]);
    for iat in [NOW + 5 - 61, NOW + 5 + 61] {
        assert_eq!(refused(of(Passport { iat, ..passport() })), (403, "Stale Date"));
    }
    assert!(of(Passport { iat: NOW + 5 - 60, ..passport() }).is_ok());
    let other = "12155550199".to_owned();
    assert_eq!(refused(of(Passport { orig: other.clone(), ..passport() })), (438, "Invalid Identity Header"));
    assert_eq!(refused(of(Passport { dest: vec![other.clone()], ..passport() })), (438, "Invalid Identity Header"));
    assert!(of(Passport { dest: vec![other, "12155550131".to_owned()], ..passport() }).is_ok());
}

#[test]
fn each_fault_has_its_status() {
    let signing = signing(UNTIL, Vec::new());
    let signer = Signer::new(&signing.key.serialize_pem(), URL).unwrap();
    let value = signer.sign(&passport()).unwrap();
    let (input, params) = value.split_once(';').unwrap();
    let signature = input.rsplit('.').next().unwrap();
    assert_eq!(refused(read(&[])), (428, "Use Identity Header"));
    assert_eq!(refused(read(&[&value.replace(";ppt=shaken", "")])), (428, "Use Identity Header"));
    assert_eq!(refused(read(&["what is this"])), (438, "Invalid Identity Header"));
    assert_eq!(refused(read(&[&format!("..{signature};{params}")])), (438, "Invalid Identity Header"));
    assert_eq!(refused(read(&[&value.replace("ES256", "none")])), (437, "Unsupported Credential"));
    assert_eq!(
        refused(read(&[&value.replace("info=<https://c", "info=<https://d")])),
        (438, "Invalid Identity Header")
    );
    let headers = [
        (r#"{"alg":"none","ppt":"shaken","typ":"passport","x5u":"https://a/b"}"#, 437),
        (r#"{"alg":"ES256","ppt":"div","typ":"passport","x5u":"https://a/b"}"#, 438),
        (r#"{"alg":"ES256","ppt":"shaken","typ":"JWT","x5u":"https://a/b"}"#, 438),
        (r#"{"alg":"ES256","crit":["b"],"ppt":"shaken","typ":"passport","x5u":"https://a/b"}"#, 438),
        (r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"http://a/b"}"#, 436),
        (r#"{"alg":"ES256","ppt":"shaken","typ":"passport"}"#, 438),
        (r#"{"alg":"ES256","crit":null,"ppt":"shaken","typ":"passport","x5u":"https://a/b"}"#, 438),
        (r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://a/b","x5u":"https://a/b"}"#, 438),
        (r#"["ES256","shaken","passport","https://a/b",false]"#, 438),
        (r#"["ES256","shaken","passport","https://a/b"]"#, 438),
        ("null", 438),
        ("no JSON", 438),
    ];
    let claims = input.split('.').nth(1).unwrap();
    for (header, status) in headers {
        let url = if header.contains("http:") { "http://a/b" } else { "https://a/b" };
        let value = format!("{}.{claims}.{signature};info=<{url}>;ppt=shaken", passport::encode(header.as_bytes()));
        assert_eq!(refused(read(&[&value])).0, status, "{header}");
    }
}

#[test]
fn claims_are_read_strictly() {
    let good =
        r#"{"attest":"B","dest":{"tn":["+1 (215) 555-0131"]},"iat":1,"orig":{"tn":"1.215"},"origid":"x","rcd":{}}"#;
    let read = Passport::read(good).unwrap();
    assert_eq!((read.dest, read.orig.as_str()), (vec!["12155550131".to_owned()], "1215"));
    for (from, to) in [
        ("\"B\"", "\"D\""),
        ("\"iat\":1", "\"iat\":-1"),
        ("\"iat\":1", "\"iat\":\"1\""),
        ("[\"+1 (215) 555-0131\"]", "[]"),
        ("[\"+1 (215) 555-0131\"]", "\"12155550131\""),
        ("\"tn\":\"1.215\"", "\"uri\":\"sip:a@b\""),
        ("\"origid\":\"x\",", ""),
        ("\"1.215\"", "\"alice\""),
        ("{\"tn\":\"1.215\"}", "[\"1.215\"]"),
        ("{\"tn\":[\"+1 (215) 555-0131\"]}", "[[\"12155550131\"]]"),
        ("\"rcd\":{}", "\"iat\":2"),
        ("\"tn\":\"1.215\"", "\"tn\":\"1.215\",\"tn\":\"1.216\""),
        ("\"rcd\":{}", "\"rcd\":{},"),
        ("\"iat\":1", "\"iat\":1.5"),
    ] {
        assert!(Passport::read(&good.replace(from, to)).is_err(), "{to}");
    }
    assert!(Passport::read(r#"["B",{"tn":["12155550131"]},1,{"tn":"1215"},"x"]"#).is_err(), "it is no object");
}

#[test]
fn numbers_have_one_form() {
    for (number, form) in [
        ("+1-215-555-0121", Some("12155550121")),
        ("(0) 30.123", Some("030123")),
        ("911", Some("911")),
        ("*67#", Some("*67#")),
        ("alice", None),
        ("", None),
        ("+", None),
        ("anonymous", None),
        ("++1", None),
    ] {
        assert_eq!(canonical(number).as_deref(), form, "{number}");
    }
    assert_eq!(telephone("+4930123456").as_deref(), Some("4930123456"));
    for none in ["7101", "911", "*1234567", "+1234567890123456", "anonymous"] {
        assert_eq!(telephone(none), None, "{none}");
    }
}

#[test]
fn a_key_of_another_kind_and_a_bad_address_say_so() {
    let other = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    let good = KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(Signer::new(&other, URL).unwrap_err(), KeyError::Curve);
    assert_eq!(Signer::new("hush", URL).unwrap_err(), KeyError::Pem);
    for url in ["http://a/b", "https:///b", "https://u@a/b", "https://a/<b>", "https://a/ b"] {
        assert!(matches!(Signer::new(&good, url), Err(KeyError::Url(_))), "{url}");
    }
    assert!(!format!("{:?}", Signer::new(&good, URL).unwrap()).contains("PRIVATE"));
    assert_eq!(Authorities::parse("").unwrap_err(), CertificatesError::None);
    assert_eq!(CertificateChain::parse(b"<html>").unwrap_err(), CertificatesError::None);
    assert_eq!(CertificateChain::parse(&[0x30, 0x03, 1, 2, 3]).unwrap_err(), CertificatesError::Unreadable(1));
}

#[test]
fn what_came_is_passed_on_as_it_came() {
    let value = include_str!("tests/openssl/identity.txt").trim();
    let compact = "..c2ln;info=<https://a/b>";
    let passed = passed_on(&invite(&["nonsense", compact, value]));
    assert_eq!(passed, [compact, value]);
    assert!(passed_on(&invite(&[compact; 9])).len() <= IDENTITIES_MAX);
    let long = format!("..{};info=<https://a/b>", "a".repeat(IDENTITY_MAX));
    assert_eq!(passed_on(&invite(&[&long])), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bent_bit_is_taken(at in any::<prop::sample::Index>(), bit in 0..7_u8) {
        let signed = include_str!("tests/openssl/identity.txt").trim();
        let (input, rest) = signed.split_once(';').unwrap();
        let mut bytes = input.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let Ok(bent) = String::from_utf8(bytes) else { return Ok(()) };
        if bent.contains(char::is_control) {
            return Ok(());
        }
        let chain = include_str!("tests/openssl/chain.pem");
        let outcome = verify(&format!("{bent};{rest}"), chain, include_str!("tests/openssl/root.pem"), NOW);
        prop_assert!(outcome.is_err(), "{bent}");
    }

    #[test]
    fn every_passport_is_read_as_it_was_written(
        attest in prop::sample::select(vec![Attestation::A, Attestation::B, Attestation::C]),
        orig in "[0-9]{1,32}",
        dest in prop::collection::vec("[0-9*#]{1,32}", 1..16),
        iat in any::<u64>(),
        origid in "[^\\p{Cc}]{0,16}",
    ) {
        let passport = Passport { attest, orig, dest, iat, origid };
        let input = passport.signing_input(URL);
        let (header, claims) = input.split_once('.').unwrap();
        prop_assert_eq!(passport::read_header(&passport::decode(header).unwrap()), Ok(URL.to_owned()));
        prop_assert_eq!(Passport::read(&passport::decode(claims).unwrap()), Ok(passport));
    }

    #[test]
    fn nothing_makes_it_panic(value in ".{0,200}", claims in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,80}") {
        let _ = IdentityValue::parse(&value);
        let _ = Passport::read(&claims);
        let _ = CertificateChain::parse(value.as_bytes());
    }
}

#[test]
fn authorities_say_how_long_they_are_valid() {
    let root = include_str!("tests/openssl/root.pem");
    let two = AuthorityValidity::all(&format!("{root}{root}")).unwrap();
    let [one, other] = &*two else { panic!("{two:?}") };
    assert_eq!(one, other);
    assert!(!one.name.is_empty() && one.valid_from < one.valid_until, "{one:?}");
    assert_eq!(AuthorityValidity::all("nothing"), Err(CertificatesError::None));
    let chain = CertificateChain::parse(include_bytes!("tests/openssl/chain.pem")).unwrap();
    assert!(chain.valid_from() < chain.valid_until());
}
