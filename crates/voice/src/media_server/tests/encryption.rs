//! Encrypted legs: what media takes by the owner's word, what its next run keeps, and that their records show no key.

use std::cell::RefCell;

use bytes::Bytes;
use contracts::v1;
use infra::{MediaSessionId, Record};
use media::g711::Law;
use media::sdp::crypto::{CryptoLine, SECRET_BYTES};
use media::sdp::{self, Fingerprint, LocalAudio, LocalEncryption, LocalKeys, Preference, Protection, negotiation};
use model::Encryption;
use prost::Message as _;
use runtime::installation_key::InstallationKey;
use sip::StatusCode;
use sip::agent::Session;
use sip::derived_key::{DerivedKey, KeyUse, NONCE_BYTES};

use super::bench::{Bench, Phone, limits};
use crate::media_server::node::records::name;
use crate::record_cipher::RecordCipher;
use crate::test_stores::cipher;

/// The offer of a phone with these keys.
fn offer(phone: &Phone, policy: Encryption, key: u8) -> String {
    let encryption = LocalEncryption::new(policy, LocalKeys::new([key; SECRET_BYTES], Fingerprint::of(b"ours")));
    let local = LocalAudio { encryption, ..phone.local() };
    negotiation::offer(&local, Preference::default(), &[]).to_string()
}

fn keys_of(description: &[u8]) -> (String, Vec<CryptoLine>) {
    let description = sdp::parse(description).unwrap();
    let audio = description.audio().unwrap();
    (audio.protocol.clone(), CryptoLine::of(audio).collect())
}

#[test]
fn the_owners_word_decides_what_is_taken_and_offered() {
    let mut bench = Bench::new(24_100..=24_139, limits());
    let phone = Phone::new(Law::Mu);
    let clear = offer(&phone, Encryption::Off, 1);
    let secure = offer(&phone, Encryption::Required, 1);
    for (service, offer) in [
        ("conf=31;encryption=required", &clear),
        ("conf=32;encryption=unheard-of", &clear),
        ("conf=33", &secure),
        ("conf=34;encryption=off", &secure),
    ] {
        let dialog = bench.invite(service, Some(offer.clone()));
        assert_eq!(bench.failed(dialog), StatusCode::NOT_ACCEPTABLE_HERE, "{service}");
    }
    for (service, offer, profile, lines) in [
        ("conf=35;encryption=offered", &clear, "RTP/AVP", 0),
        ("conf=36;encryption=offered", &secure, "RTP/SAVP", 1),
        ("conf=37;encryption=required", &secure, "RTP/SAVP", 1),
    ] {
        let dialog = bench.invite(service, Some(offer.clone()));
        let Session::Answer(answer) = bench.answered(dialog) else { panic!("an answer") };
        let (protocol, keys) = keys_of(&answer);
        assert_eq!((protocol.as_str(), keys.len()), (profile, lines), "{service}");
    }
    for (service, profile, lines) in [
        ("conf=38", "RTP/AVP", 0),
        ("conf=39;encryption=offered", "RTP/AVP", 4),
        ("conf=3a;encryption=required", "RTP/SAVP", 4),
    ] {
        let dialog = bench.invite(service, None);
        let Session::Offer(offered) = bench.answered(dialog) else { panic!("an offer") };
        let (protocol, keys) = keys_of(&offered);
        assert_eq!((protocol.as_str(), keys.len()), (profile, lines), "{service}");
    }
}

#[test]
fn keys_stay_over_a_change_of_the_session_and_a_takeover_and_no_leg_has_those_of_another() {
    let mut bench = Bench::new(24_140..=24_159, limits());
    let phone = Phone::new(Law::Mu);
    let secure = offer(&phone, Encryption::Required, 1);
    let answered = |bench: &mut Bench| {
        let dialog = bench.invite("conf=41;encryption=required", Some(secure.clone()));
        let Session::Answer(answer) = bench.answered(dialog) else { panic!("an answer") };
        (dialog, keys_of(&answer).1)
    };
    let (dialog, first) = answered(&mut bench);
    let (_, of_another) = answered(&mut bench);
    assert_ne!(first, of_another);
    assert_eq!(keys_of(&bench.reinvite(dialog, secure.clone())).1, first);
    let agreed = bench.node.legs.values().next().and_then(|leg| leg.stream.clone()).unwrap().protection;
    assert!(agreed.is_some());
    bench.restart();
    assert_eq!(bench.node.legs.values().next().and_then(|leg| leg.stream.clone()).unwrap().protection, agreed);
    assert_eq!(keys_of(&bench.reinvite(dialog, secure.clone())).1, first);
    assert_eq!(bench.refused_reinvite(dialog, offer(&phone, Encryption::Off, 1)), StatusCode::NOT_ACCEPTABLE_HERE);
}

/// The whole of a record of a leg.
fn opened(record: &Record<MediaSessionId>) -> v1::MediaRecord {
    let state = v1::StateRecord::decode(record.state.clone()).unwrap();
    let outer = v1::MediaRecord::decode(state.body).unwrap();
    assert_eq!((outer.dialog, outer.described.as_str(), outer.audio), (None, "", None), "all of it is sealed");
    let within = cipher().decrypt(&name(&record.tenant, &record.key), &outer.sealed).unwrap();
    v1::MediaRecord::decode(within.as_slice()).unwrap()
}

fn stored(body: &v1::MediaRecord) -> Bytes {
    let body = body.encode_to_vec().into();
    v1::StateRecord { kind: "media".to_owned(), version: 1, body }.encode_to_vec().into()
}

fn sealed(bytes: Vec<u8>) -> Bytes {
    stored(&v1::MediaRecord { sealed: bytes.into(), ..v1::MediaRecord::default() })
}

/// Legs whose audio is encrypted.
fn encrypted(bench: &mut Bench, services: &[&str]) {
    for service in services {
        let secure = offer(&Phone::new(Law::Mu), Encryption::Required, 1);
        let dialog = bench.invite(&format!("{service};encryption=required"), Some(secure));
        assert!(matches!(bench.answered(dialog), Session::Answer(_)));
    }
}

fn agreed(bench: &Bench) -> Vec<Protection> {
    bench.node.legs.values().filter_map(|leg| leg.stream.as_ref()?.protection).collect()
}

#[test]
fn the_record_of_an_encrypted_leg_shows_no_key() {
    let mut bench = Bench::new(24_160..=24_179, limits());
    encrypted(&mut bench, &["conf=51"]);
    let [Protection { ours, theirs }] = agreed(&bench)[..] else { panic!("keys are agreed on") };
    let secret = bench.node.legs.values().find_map(|leg| leg.local.encryption.keys().map(|keys| keys.secret)).unwrap();
    let records = RefCell::new(Vec::new());
    bench.restart_with(|_, record| records.borrow_mut().push(record.clone()));
    let records = records.into_inner();
    let [record] = &records[..] else { panic!("a record") };
    let (state, whole) = (&record.state, opened(record).encode_to_vec());
    let is_in = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    for keying in [ours, theirs] {
        let line = CryptoLine { tag: 1, keying }.to_string();
        let (_, in_base64) = line.split_once("inline:").unwrap();
        assert!(is_in(&whole, keying.material()) && !is_in(state, keying.material()), "the key");
        assert!(!is_in(state, in_base64.as_bytes()), "the key in a description");
    }
    assert!(is_in(&whole, &secret) && !is_in(state, &secret), "what our keys are made of");
    assert_eq!(agreed(&bench), [Protection { ours, theirs }], "the next run has them");
}

#[test]
fn the_record_of_an_encrypted_leg_in_clear_as_the_release_before_wrote_it_is_read() {
    let mut bench = Bench::new(24_180..=24_199, limits());
    encrypted(&mut bench, &["conf=52"]);
    let before = agreed(&bench);
    bench.restart_with(|_, record| record.state = stored(&opened(record)));
    assert_eq!((agreed(&bench), before.len()), (before, 1));
}

#[test]
fn the_record_of_an_encrypted_leg_that_the_build_before_has_bound_to_its_kind_alone_is_read() {
    let mut bench = Bench::new(24_270..=24_289, limits());
    encrypted(&mut bench, &["conf=56"]);
    let before = agreed(&bench);
    let key = DerivedKey::new(&[7; 32], KeyUse::Records);
    bench.restart_with(|_, record| {
        record.state = sealed(key.encrypt([0; NONCE_BYTES], b"media", opened(record).encode_to_vec()));
    });
    assert_eq!((agreed(&bench), before.len()), (before, 1));
}

#[test]
fn what_is_sealed_in_the_record_of_one_leg_is_not_read_in_that_of_another() {
    let mut bench = Bench::new(24_340..=24_359, limits());
    encrypted(&mut bench, &["conf=57", "conf=58"]);
    let first = RefCell::new(None);
    bench.restart_with(|at, record| {
        if at == 0 {
            *first.borrow_mut() = Some(record.state.clone());
        } else {
            record.state = first.borrow().clone().unwrap();
        }
    });
    let aside = bench.node.poll_aside().expect("its record is put aside");
    assert!(aside.why.contains("for another record"), "{}", aside.why);
    assert_eq!(agreed(&bench).len(), 1, "the other leg goes on");
}

#[test]
fn a_record_that_is_sealed_with_another_key_costs_its_leg_alone() {
    let mut bench = Bench::new(24_250..=24_269, limits());
    encrypted(&mut bench, &["conf=53", "conf=54"]);
    let of_another = RecordCipher::of(&InstallationKey::from_bytes([8; 32]));
    bench.restart_with(|at, record| {
        if at == 0 {
            record.state =
                sealed(of_another.encrypt(&name(&record.tenant, &record.key), opened(record).encode_to_vec()));
        }
    });
    let aside = bench.node.poll_aside().expect("its record is put aside");
    assert!(aside.why.contains("sealed with another key"), "{}", aside.why);
    assert!(bench.node.poll_aside().is_none());
    assert_eq!(agreed(&bench).len(), 1, "the other leg goes on");
    // And so does the node.
    encrypted(&mut bench, &["conf=55"]);
}
