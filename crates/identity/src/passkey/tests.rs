//! An authenticator, written out from the specification, and what becomes of what it says.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding,
    RsaKeyPair,
};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::assertion::{KnownPasskey, ProvedPasskey, ShownPasskey};
use super::registration::{MadePasskey, NewPasskey};
use super::*;

const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;
const BACKED_UP: u8 = 16;
const CREDENTIAL: u8 = 64;
const EXTENSIONS: u8 = 128;
const ID: [u8; 16] = [9; 16];

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis((1_800_000_000 + seconds) * 1_000)
}

fn here() -> RelyingParty {
    RelyingParty::of("https://centre.example/auth/v3").unwrap()
}

fn challenge() -> PasskeyChallenge {
    PasskeyChallenge::new([7; CHALLENGE_RANDOM_BYTES], at(0))
}

/// A CBOR head (RFC 8949 section 3).
fn head(major: u8, value: u64) -> Vec<u8> {
    let major = major << 5;
    match value {
        0..24 => vec![major | value as u8],
        24..256 => vec![major | 24, value as u8],
        256..65_536 => [&[major | 25][..], &(value as u16).to_be_bytes()].concat(),
        _ => [&[major | 26][..], &(value as u32).to_be_bytes()].concat(),
    }
}

fn number(value: i64) -> Vec<u8> {
    if value < 0 { head(1, value.unsigned_abs() - 1) } else { head(0, value.unsigned_abs()) }
}

fn byte_string(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len() as u64), bytes.to_vec()].concat()
}

fn text_string(text: &str) -> Vec<u8> {
    [head(3, text.len() as u64), text.as_bytes().to_vec()].concat()
}

fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let all = entries.iter().flat_map(|(key, value)| [key.as_slice(), value.as_slice()]).collect::<Vec<_>>();
    [head(5, entries.len() as u64), all.concat()].concat()
}

/// A key with its algorithm.
enum AuthenticatorKey {
    P256(EcdsaKeyPair),
    Ed25519(Box<Ed25519KeyPair>),
    Rsa(RsaKeyPair),
}

impl AuthenticatorKey {
    fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn cose(&self) -> Vec<u8> {
        match self {
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                map(&[
                    (number(1), number(2)),
                    (number(3), number(-7)),
                    (number(-1), number(1)),
                    (number(-2), byte_string(&point[1..33])),
                    (number(-3), byte_string(&point[33..])),
                ])
            }
            Self::Ed25519(pair) => map(&[
                (number(1), number(1)),
                (number(3), number(-8)),
                (number(-1), number(6)),
                (number(-2), byte_string(pair.public_key().as_ref())),
            ]),
            Self::Rsa(pair) => {
                // RSAPublicKey of RFC 8017: two integers, the first of 257 bytes with its leading zero, the second of three.
                let der = pair.public_key().as_ref();
                map(&[
                    (number(1), number(3)),
                    (number(3), number(-257)),
                    (number(-1), byte_string(&der[8..265])),
                    (number(-2), byte_string(&der[267..])),
                ])
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let pkcs1: &'static dyn RsaEncoding = &RSA_PKCS1_SHA256;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(pkcs1, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// What a browser and an authenticator say, each part to be changed.
#[derive(Clone)]
struct Says {
    of_type: &'static str,
    challenge: String,
    origin: &'static str,
    further: &'static str,
    host: &'static str,
    flags: u8,
    counter: u32,
    behind: Vec<u8>,
    format: &'static str,
    statement: Vec<u8>,
}

impl Says {
    fn made() -> Self {
        Self {
            of_type: "webauthn.create",
            challenge: challenge().text(),
            origin: "https://centre.example",
            further: "",
            host: "centre.example",
            flags: PRESENT | VERIFIED | CREDENTIAL,
            counter: 0,
            behind: Vec::new(),
            format: "none",
            statement: map(&[]),
        }
    }

    fn shown(counter: u32) -> Self {
        Self { of_type: "webauthn.get", flags: PRESENT | VERIFIED, counter, ..Self::made() }
    }

    fn client_data(&self) -> Vec<u8> {
        let Self { of_type, challenge, origin, further, .. } = self;
        format!("{{\"type\":\"{of_type}\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\"{further}}}")
            .into_bytes()
    }

    fn authenticator_data(&self, made: &[u8]) -> Vec<u8> {
        let digest = <[u8; 32]>::from(Sha256::digest(self.host.as_bytes()));
        [&digest[..], &[self.flags], &self.counter.to_be_bytes(), made, &self.behind].concat()
    }

    fn attestation(&self, key: &AuthenticatorKey) -> Vec<u8> {
        let made = [&[0; 16][..], &(ID.len() as u16).to_be_bytes(), &ID, &key.cose()].concat();
        let data = self.authenticator_data(if self.flags & CREDENTIAL == 0 { &[] } else { &made });
        map(&[
            (text_string("fmt"), text_string(self.format)),
            (text_string("attStmt"), self.statement.clone()),
            (text_string("authData"), byte_string(&data)),
        ])
    }
}

fn asked<'a>(challenge: &'a PasskeyChallenge, at: &'a RelyingParty) -> AskedPasskey<'a> {
    AskedPasskey { challenge, at, verified: true }
}

fn registered(says: &Says, key: &AuthenticatorKey) -> Result<NewPasskey, PasskeyFault> {
    let (client_data, attestation) = (says.client_data(), says.attestation(key));
    let made = MadePasskey { client_data: &client_data, attestation: &attestation };
    made.check(&asked(&challenge(), &here()))
}

fn shown(says: &Says, key: &AuthenticatorKey, known: u32) -> Result<ProvedPasskey, PasskeyFault> {
    let (client_data, authenticator_data, public_key) = (says.client_data(), says.authenticator_data(&[]), key.cose());
    let digest = <[u8; 32]>::from(Sha256::digest(&client_data));
    let signature = key.sign(&[authenticator_data.as_slice(), &digest].concat());
    let shown =
        ShownPasskey { client_data: &client_data, authenticator_data: &authenticator_data, signature: &signature };
    shown.check(&KnownPasskey { public_key: &public_key, counter: known }, &asked(&challenge(), &here()))
}

#[test]
fn a_host_is_a_relying_party_and_an_address_is_none() {
    for (url, id, origin) in [
        ("https://Centre.Example/auth/v3", "centre.example", "https://centre.example"),
        ("https://centre.example:443/auth/v3", "centre.example", "https://centre.example"),
        ("https://centre.example:8443/auth/v3", "centre.example", "https://centre.example:8443"),
        ("http://localhost:8080/auth/v3", "localhost", "http://localhost:8080"),
    ] {
        let party = RelyingParty::of(url).unwrap();
        assert_eq!((party.id(), party.origin()), (id, origin));
    }
    for url in ["https://127.0.0.1:8443/auth/v3", "http://[::1]:8080/auth/v3", "http://[::1]/", "https:///x", "x", ""] {
        assert_eq!(RelyingParty::of(url), None, "{url}");
    }
}

#[test]
fn a_challenge_is_read_in_its_time_alone() {
    let text = challenge().text();
    assert_eq!(PasskeyChallenge::parse(&text, at(299)), Some(challenge()));
    assert_eq!(challenge().until(), at(300));
    for (text, now) in [(text.as_str(), at(300)), (&text[1..], at(0)), ("", at(0)), ("!", at(0))] {
        assert_eq!(PasskeyChallenge::parse(text, now), None, "{text}");
    }
    let handle = UserHandle::new([3; HANDLE_BYTES]);
    assert_eq!((UserHandle::parse(&handle.text()), UserHandle::parse("AAAA")), (Some(handle.clone()), None));
    assert_eq!(format!("{handle:?}"), "UserHandle(..)");
}

#[test]
fn keys_of_each_algorithm_are_taken_and_verify_what_they_have_signed() {
    for key in [
        AuthenticatorKey::p256(),
        AuthenticatorKey::Ed25519(Box::new(Ed25519KeyPair::generate().unwrap())),
        AuthenticatorKey::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
    ] {
        let new = registered(&Says::made(), &key).unwrap();
        assert_eq!((new.id.as_slice(), new.counter), (&ID[..], 0));
        assert_eq!(new.public_key, key.cose());
        assert_eq!(shown(&Says::shown(1), &key, 0), Ok(ProvedPasskey { counter: 1 }));
        assert_eq!(
            ShownPasskey {
                client_data: &Says::shown(1).client_data(),
                authenticator_data: &Says::shown(1).authenticator_data(&[]),
                signature: &key.sign(b"something else"),
            }
            .check(&KnownPasskey { public_key: &key.cose(), counter: 0 }, &asked(&challenge(), &here())),
            Err(PasskeyFault::Signature)
        );
    }
    assert_eq!(ALGORITHMS, [-7, -8, -257]);
}

#[test]
fn what_was_made_for_others_or_says_something_else_is_refused() {
    let key = AuthenticatorKey::p256();
    let made = Says::made;
    for (says, fault) in [
        (Says { of_type: "webauthn.get", ..made() }, PasskeyFault::Type),
        (Says { challenge: PasskeyChallenge::new([8; 24], at(0)).text(), ..made() }, PasskeyFault::Challenge),
        (Says { origin: "https://centre.example.evil.example", ..made() }, PasskeyFault::Origin),
        (Says { origin: "http://centre.example", ..made() }, PasskeyFault::Origin),
        (Says { further: ",\"crossOrigin\":true", ..made() }, PasskeyFault::CrossOrigin),
        (Says { further: ",\"x\":", ..made() }, PasskeyFault::ClientData),
        (Says { host: "evil.example", ..made() }, PasskeyFault::RelyingParty),
        (Says { flags: VERIFIED | CREDENTIAL, ..made() }, PasskeyFault::NotPresent),
        (Says { flags: PRESENT | CREDENTIAL, ..made() }, PasskeyFault::NotVerified),
        (Says { flags: PRESENT | VERIFIED, ..made() }, PasskeyFault::Attestation),
        (Says { flags: PRESENT | VERIFIED | CREDENTIAL | BACKED_UP, ..made() }, PasskeyFault::AuthenticatorData),
        (Says { behind: vec![0], ..made() }, PasskeyFault::AuthenticatorData),
        (Says { flags: PRESENT | VERIFIED | CREDENTIAL | EXTENSIONS, ..made() }, PasskeyFault::AuthenticatorData),
        (Says { statement: number(1), ..made() }, PasskeyFault::Attestation),
        (Says { statement: statement_of(20_000), ..made() }, PasskeyFault::Attestation),
    ] {
        assert_eq!(registered(&says, &key), Err(fault), "{fault}");
    }
    let told = Says { further: ",\"crossOrigin\":false,\"other_keys_can_be_added_here\":1", ..made() };
    assert!(registered(&told, &key).is_ok());
    let extended = Says { flags: made().flags | EXTENSIONS, behind: map(&[]), ..made() };
    assert!(registered(&extended, &key).is_ok());
}

/// A statement with a signature of so many bytes.
fn statement_of(bytes: usize) -> Vec<u8> {
    map(&[(text_string("alg"), number(-7)), (text_string("sig"), byte_string(&vec![1; bytes]))])
}

#[test]
fn what_an_authenticator_attests_of_itself_is_passed_over() {
    let key = AuthenticatorKey::p256();
    for (format, statement) in [("packed", statement_of(70)), ("fido-u2f", statement_of(2_000)), ("none", map(&[]))] {
        let new = registered(&Says { format, statement, ..Says::made() }, &key);
        assert_eq!(new.map(|new| new.public_key), Ok(key.cose()), "{format}");
    }
}

#[test]
fn a_key_that_is_not_of_our_algorithms_or_not_whole_is_refused() {
    let key = AuthenticatorKey::p256();
    let cose = key.cose();
    let elliptic = |algorithm: i64, curve: i64, x: &[u8]| {
        map(&[
            (number(1), number(2)),
            (number(3), number(algorithm)),
            (number(-1), number(curve)),
            (number(-2), byte_string(x)),
            (number(-3), byte_string(&[1; 32])),
        ])
    };
    for (bytes, fault) in [
        (elliptic(-35, 2, &[1; 32]), PasskeyFault::Algorithm),
        (elliptic(-7, 2, &[1; 32]), PasskeyFault::PublicKey),
        (elliptic(-7, 1, &[1; 31]), PasskeyFault::PublicKey),
        (map(&[(number(1), number(2))]), PasskeyFault::PublicKey),
        (map(&[(number(1), number(2)), (number(1), number(2))]), PasskeyFault::PublicKey),
        ([cose.as_slice(), &[0]].concat(), PasskeyFault::PublicKey),
        (Vec::new(), PasskeyFault::PublicKey),
    ] {
        assert_eq!(public_key::PasskeyKey::from_cose(&bytes), Err(fault), "{bytes:?}");
    }
}

#[test]
fn a_key_that_verifies_nothing_is_not_usable() {
    let rsa = |n: &[u8], e: &[u8]| {
        let (n, e) = (n.to_vec(), e.to_vec());
        public_key::PasskeyKey::Rsa { n, e }
    };
    let modulus = |bytes: usize, first: u8, last: u8| {
        let mut n = vec![0xff; bytes];
        (n[0], n[bytes - 1]) = (first, last);
        n
    };
    let keys: [(Vec<u8>, &[u8], bool); 9] = [
        (modulus(256, 0x80, 1), &[1, 0, 1], true),
        (modulus(1_024, 0xff, 1), &[3], true),
        (modulus(256, 0x7f, 1), &[1, 0, 1], false),
        (modulus(128, 0xff, 1), &[1, 0, 1], false),
        (modulus(1_025, 1, 1), &[1, 0, 1], false),
        (modulus(256, 0x80, 2), &[1, 0, 1], false),
        (modulus(256, 0x80, 1), &[1], false),
        (modulus(256, 0x80, 1), &[1, 0, 0], false),
        (modulus(256, 0x80, 1), &[1, 0, 0, 0, 0, 1], false),
    ];
    for (n, e, is_usable) in keys {
        assert_eq!(rsa(&n, e).is_usable(), is_usable, "{} bytes, {} first, {e:?}", n.len(), n[0]);
    }
    let nowhere = [&[4][..], &[1; 64]].concat();
    assert!(!public_key::PasskeyKey::P256(nowhere).is_usable());
    let key = AuthenticatorKey::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
    let (client_data, mut attestation) = (Says::made().client_data(), Says::made().attestation(&key));
    // 257 bytes, the first of them 0: with another 0 the modulus is eight bits shorter.
    let at_modulus = attestation.windows(3).position(|bytes| bytes == [0x59, 1, 1]).unwrap();
    attestation[at_modulus + 4] = 0;
    let made = MadePasskey { client_data: &client_data, attestation: &attestation };
    assert_eq!(made.check(&asked(&challenge(), &here())), Err(PasskeyFault::UnusableKey));
}

#[test]
fn another_host_another_request_and_a_counter_that_goes_back_are_refused() {
    let key = AuthenticatorKey::p256();
    for (says, fault) in [
        (Says { of_type: "webauthn.create", ..Says::shown(1) }, PasskeyFault::Type),
        (Says { origin: "https://evil.example", ..Says::shown(1) }, PasskeyFault::Origin),
        (Says { host: "evil.example", ..Says::shown(1) }, PasskeyFault::RelyingParty),
        (Says { flags: VERIFIED, ..Says::shown(1) }, PasskeyFault::NotPresent),
        (Says { flags: PRESENT, ..Says::shown(1) }, PasskeyFault::NotVerified),
    ] {
        assert_eq!(shown(&says, &key, 0), Err(fault));
    }
    for (now, before, is_taken) in
        [(0, 0, true), (1, 0, true), (8, 7, true), (7, 7, false), (6, 7, false), (0, 7, false), (u32::MAX, 7, true)]
    {
        let outcome = shown(&Says::shown(now), &key, before);
        assert_eq!(outcome.is_ok(), is_taken, "{now} after {before}");
        assert!(is_taken || outcome == Err(PasskeyFault::CounterBack));
    }
    let (challenge, here, other) = (challenge(), here(), AuthenticatorKey::p256());
    let (client_data, data) = (Says::shown(1).client_data(), Says::shown(1).authenticator_data(&[]));
    let digest = <[u8; 32]>::from(Sha256::digest(&client_data));
    let signature = other.sign(&[data.as_slice(), &digest].concat());
    let of_another = ShownPasskey { client_data: &client_data, authenticator_data: &data, signature: &signature };
    let known = key.cose();
    let known = KnownPasskey { public_key: &known, counter: 0 };
    assert_eq!(of_another.check(&known, &asked(&challenge, &here)), Err(PasskeyFault::Signature));
}

/// Bytes with some of them changed, some taken away, some added.
fn mutated(bytes: &[u8], changes: &[(usize, u8)], length: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, value) in changes {
        let at = at % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *value;
        }
    }
    bytes.resize(length % (bytes.len() + 8), 0);
    bytes
}

proptest! {
    /// Whatever comes, nothing panics; and what is taken is taken for what it was.
    #[test]
    fn mutated_bytes_are_refused_without_a_panic(
        changes in proptest::collection::vec((0_usize..400, any::<u8>()), 0..4),
        length in 0_usize..400,
        which in 0_u8..3,
    ) {
        let key = AuthenticatorKey::p256();
        let changed = |bytes: &[u8], place: u8| {
            if which == place { mutated(bytes, &changes, length) } else { bytes.to_vec() }
        };
        let (challenge, here) = (challenge(), here());
        let (client, attestation) = (Says::made().client_data(), Says::made().attestation(&key));
        let made = MadePasskey { client_data: &changed(&client, 0), attestation: &changed(&attestation, 1) }
            .check(&asked(&challenge, &here));
        prop_assert!(made.is_err() || made.is_ok_and(|made| made.id.len() <= ID_BYTES_MAX));
        let (client, data) = (Says::shown(1).client_data(), Says::shown(1).authenticator_data(&[]));
        let digest = <[u8; 32]>::from(Sha256::digest(&client));
        let signature = key.sign(&[data.as_slice(), &digest].concat());
        let (client_now, data_now, signature_now) =
            (changed(&client, 0), changed(&data, 1), changed(&signature, 2));
        let shown =
            ShownPasskey { client_data: &client_now, authenticator_data: &data_now, signature: &signature_now };
        let public_key = key.cose();
        let outcome =
            shown.check(&KnownPasskey { public_key: &public_key, counter: 0 }, &asked(&challenge, &here));
        let is_as_it_was = client_now == client && data_now == data && signature_now == signature;
        prop_assert_eq!(outcome.is_ok(), is_as_it_was);
    }

    #[test]
    fn any_bytes_are_read_or_refused(client in any::<Vec<u8>>(), object in any::<Vec<u8>>(), key in any::<Vec<u8>>()) {
        let (challenge, here) = (challenge(), here());
        let asked = asked(&challenge, &here);
        let good = Says::made().client_data();
        let refused = MadePasskey { client_data: &client, attestation: &object }.check(&asked).is_err();
        prop_assert!(refused);
        let refused = MadePasskey { client_data: &good, attestation: &object }.check(&asked).is_err();
        prop_assert!(refused);
        let _ = public_key::PasskeyKey::from_cose(&key);
        let _ = authenticator_data::AuthenticatorData::read(&object);
    }
}
