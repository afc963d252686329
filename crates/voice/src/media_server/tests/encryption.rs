//! Encrypted legs: what media takes by the owner's word, and what its next run keeps.

use media::g711::Law;
use media::sdp::crypto::{CryptoLine, SECRET_BYTES};
use media::sdp::{self, Fingerprint, LocalAudio, LocalEncryption, LocalKeys, Preference, negotiation};
use model::Encryption;
use sip::StatusCode;
use sip::agent::Session;

use super::bench::{Bench, Phone, limits};

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
