use super::*;
use crate::sdp::crypto::{LocalEncryption, LocalKeys, SECRET_BYTES};
use crate::sdp::negotiation::{accept_answer, answer, check_offer, next_offer, offer as make_offer};
use crate::sdp::{AudioStream, Fingerprint, LocalAudio, Preference, parse};
use crate::srtp::Suite;

/// Those whose offers have keys in them, or none.
const POLICIES: [Encryption; 3] = [Encryption::Off, Encryption::Offered, Encryption::Required];

fn side(policy: Encryption, number: u8) -> LocalAudio {
    let encryption = LocalEncryption::new(policy, LocalKeys::new([number; SECRET_BYTES], Fingerprint::of(&[number])));
    LocalAudio { address: [192, 0, 2, number].into(), port: 20_000, session_id: 7, version: 1, encryption }
}

fn offered_by(local: &LocalAudio) -> Description {
    make_offer(local, Preference::default(), &[])
}

fn read_again(description: &Description) -> Description {
    parse(description.to_string().as_bytes()).unwrap()
}

/// What both sides make of an offer and its answer.
fn agree(one: Encryption, other: Encryption) -> Result<(AudioStream, AudioStream, Description), NegotiationError> {
    let (caller, called) = (side(one, 1), side(other, 2));
    let offer = read_again(&offered_by(&caller));
    let (reply, theirs) = answer(&offer, &called, Preference::default())?;
    let ours = accept_answer(&offer, &read_again(&reply), Preference::default())?;
    Ok((ours, theirs, reply))
}

#[test]
fn two_sides_agree_on_the_same_keys_or_on_none() {
    for one in POLICIES {
        for other in POLICIES {
            let agreed = agree(one, other);
            if one == Encryption::Off && other == Encryption::Required {
                assert_eq!(agreed.err(), Some(NegotiationError::Clear));
                continue;
            }
            if one == Encryption::Required && other == Encryption::Off {
                assert_eq!(agreed.err(), Some(NegotiationError::Encrypted));
                continue;
            }
            let (ours, theirs, reply) = agreed.unwrap();
            let is_secure = one != Encryption::Off && other != Encryption::Off;
            assert_eq!(ours.protection.is_some(), is_secure, "{one:?} {other:?}");
            let mirrored = theirs.protection.map(|p| Protection { ours: p.theirs, theirs: p.ours });
            assert_eq!(ours.protection, mirrored);
            let suite = ours.protection.map(|protection| protection.ours.suite());
            assert!(suite.is_none_or(|suite| suite == Suite::AesCm128Sha1_80));
            let profile = if one == Encryption::Required { "RTP/SAVP" } else { "RTP/AVP" };
            assert_eq!(reply.media[0].protocol, profile);
            assert_eq!(
                CryptoLine::of(&reply.media[0]).map(|line| line.tag).collect::<Vec<_>>().len(),
                usize::from(is_secure)
            );
        }
    }
}

#[test]
fn keys_stay_the_same_in_the_next_offer_and_answer() {
    let local = side(Encryption::Required, 1);
    let first = offered_by(&local);
    let second = next_offer(&first, &local, Preference::default(), &[]);
    assert_eq!(
        CryptoLine::of(&first.media[0]).collect::<Vec<_>>(),
        CryptoLine::of(&second.media[0]).collect::<Vec<_>>()
    );
    let (_, one, reply) = agree(Encryption::Required, Encryption::Offered).unwrap();
    let (again, other) = answer(
        &read_again(&offered_by(&side(Encryption::Required, 1))),
        &side(Encryption::Offered, 2),
        Preference::default(),
    )
    .unwrap();
    assert_eq!((one, reply), (other, again.clone()));
    // An offer by who does not have the secret.
    let mut kept = next_offer(&again, &side(Encryption::Off, 2), Preference::default(), &[]);
    keep(&mut kept, &again);
    assert_eq!(CryptoLine::of(&kept.media[0]).collect::<Vec<_>>(), CryptoLine::of(&again.media[0]).collect::<Vec<_>>());
    assert_eq!(kept.media[0].protocol, "RTP/SAVP");
}

#[test]
fn the_line_that_its_author_prefers_is_answered_with_its_tag() {
    let offer = offered_by(&side(Encryption::Offered, 1)).to_string();
    let mut lines: Vec<&str> = offer.split_inclusive("\r\n").collect();
    let at = lines.iter().position(|line| line.starts_with("a=crypto:1 ")).unwrap();
    lines.swap(at, at + 2);
    lines.insert(at, "a=crypto:9 F8_128_HMAC_SHA1_80 inline:AAAA\r\n");
    let offer = parse(lines.concat().as_bytes()).unwrap();
    let (reply, stream) = answer(&offer, &side(Encryption::Offered, 2), Preference::default()).unwrap();
    let taken: Vec<_> = CryptoLine::of(&reply.media[0]).map(|line| (line.tag, line.keying.suite())).collect();
    assert_eq!(taken, [(3, Suite::AesGcm128)]);
    assert_eq!(stream.protection.unwrap().theirs.suite(), Suite::AesGcm128);
}

#[test]
fn an_encrypted_section_is_taken_before_one_in_clear() {
    let secure = offered_by(&side(Encryption::Required, 1));
    let mut both = offered_by(&side(Encryption::Off, 1));
    both.media.push(secure.media[0].clone());
    for (policy, ports, profile) in [
        (Encryption::Off, [20_000, 0], "RTP/AVP"),
        (Encryption::Offered, [0, 20_000], "RTP/SAVP"),
        (Encryption::Required, [0, 20_000], "RTP/SAVP"),
    ] {
        let (reply, _) = answer(&both, &side(policy, 2), Preference::default()).unwrap();
        assert_eq!(reply.media.iter().map(|media| media.port).collect::<Vec<_>>(), ports);
        assert_eq!(reply.audio().unwrap().protocol, profile);
    }
}

#[test]
fn an_answer_that_was_not_offered_is_not_taken() {
    let offer = offered_by(&side(Encryption::Offered, 1));
    let must = offered_by(&side(Encryption::Required, 1));
    let off = offered_by(&side(Encryption::Off, 1));
    let (reply, _) = answer(&offer, &side(Encryption::Offered, 2), Preference::default()).unwrap();
    let text = reply.to_string();
    let take = |offer: &Description, text: &str| {
        accept_answer(offer, &parse(text.as_bytes()).unwrap(), Preference::default()).map(|s| s.protection.is_some())
    };
    assert_eq!(take(&offer, &text), Ok(true));
    assert_eq!(take(&must, &text), Ok(true), "with keys beside RTP/AVP it is encrypted all the same");
    assert_eq!(take(&offer, &text.replace("crypto:1", "crypto:2")), Err(NegotiationError::Mismatch));
    assert_eq!(take(&offer, &text.replace("crypto:1", "crypto:7")), Err(NegotiationError::Mismatch));
    assert_eq!(take(&offer, &text.replace("SHA1_80", "SHA1_99")), Err(NegotiationError::Mismatch));
    let line = text.split_inclusive("\r\n").find(|line| line.starts_with("a=crypto")).unwrap();
    assert_eq!(take(&offer, &format!("{text}{line}")), Err(NegotiationError::Mismatch));
    let clear = text.replace(line, "");
    assert_eq!(take(&offer, &clear), Ok(false));
    assert_eq!(take(&must, &clear), Err(NegotiationError::Clear));
    assert_eq!(take(&must, &clear.replace("RTP/AVP", "RTP/SAVP")), Err(NegotiationError::Clear));
    assert_eq!(take(&offer, &clear.replace("RTP/AVP", "RTP/SAVP")), Err(NegotiationError::Clear));
    assert_eq!(take(&off, &text), Ok(false), "keys that nobody wanted");
    assert_eq!(take(&off, &text.replace("RTP/AVP", "RTP/SAVP")), Err(NegotiationError::NoAudio));
}

#[test]
fn an_offer_with_the_feedback_profile_is_taken_and_answered_with_it() {
    for (policy, profile) in [(Encryption::Off, "RTP/AVP"), (Encryption::Required, "RTP/SAVP")] {
        let offer = offered_by(&side(policy, 1)).to_string();
        let with_feedback = offer.replace(profile, &format!("{profile}F")) + "a=rtcp-fb:* nack\r\n";
        let (reply, stream) =
            answer(&parse(with_feedback.as_bytes()).unwrap(), &side(policy, 2), Preference::default()).unwrap();
        assert_eq!(reply.media[0].protocol, format!("{profile}F"));
        assert_eq!(stream.protection.is_some(), policy != Encryption::Off);
        assert!(reply.media[0].attribute("rtcp-fb").is_none(), "no feedback is agreed on");
    }
}

#[test]
fn an_offer_that_does_not_fit_is_refused_with_its_reason() {
    let check = |text: &str, policy| check_offer(&parse(text.as_bytes()).unwrap(), policy).err();
    let secure = offered_by(&side(Encryption::Required, 1)).to_string();
    assert_eq!(check(&secure, Encryption::Off), Some(NegotiationError::Encrypted));
    let unknown = secure.replace("_HMAC_SHA1_", "_X_").replace("GCM", "Y");
    for policy in POLICIES {
        assert_eq!(check(&unknown, policy), Some(NegotiationError::NoSuite));
        assert_eq!(check(&secure.replace("crypto", "fingerprint"), policy), Some(NegotiationError::NoAudio));
    }
    let clear = offered_by(&side(Encryption::Off, 1)).to_string();
    assert_eq!(check(&clear, Encryption::Required), Some(NegotiationError::Clear));
    for error in [NegotiationError::Encrypted, NegotiationError::Clear, NegotiationError::NoSuite] {
        assert!(error.warning().starts_with("302 "));
    }
}

/// An offer as a browser makes it.
const BROWSER: &str = "v=0\r\no=- 46 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 7\r\na=extmap-allow-mixed\r\n\
    a=msid-semantic: WMS m\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0 110\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=candidate:1 1 udp 2113937151 8f1c.local 51234 typ host generation 0\r\na=ice-ufrag:Qx3z\r\n\
    a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\na=ice-options:trickle\r\na=fingerprint:sha-256 FINGERPRINT\r\na=setup:actpass\r\n\
    a=mid:7\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:110 telephone-event/48000\r\n";

fn browser() -> String {
    let fingerprint = Fingerprint::of(b"browser").to_string();
    BROWSER.replace("FINGERPRINT", fingerprint.strip_prefix("sha-256 ").unwrap())
}

fn value<'a>(description: &'a Description, name: &str) -> Option<&'a str> {
    description.audio()?.attribute(name)?.value.as_deref()
}

#[test]
fn a_browsers_offer_is_answered_with_our_side_of_the_handshake() {
    let offer = parse(browser().as_bytes()).unwrap();
    assert!(!offer.is_hold(), "it has no address yet");
    for policy in [Encryption::Offered, Encryption::Required, Encryption::Dtls] {
        let local = side(policy, 2);
        let (reply, stream) = answer(&offer, &local, Preference::default()).unwrap();
        let reply = read_again(&reply);
        let (ours, ice) = (Fingerprint::of(&[2]).to_string(), local.encryption.keys().unwrap().ice());
        assert_eq!(reply.audio().unwrap().protocol, "UDP/TLS/RTP/SAVPF");
        assert_eq!(value(&reply, "fingerprint"), Some(&*ours));
        assert_eq!((value(&reply, "setup"), value(&reply, "mid")), (Some("passive"), Some("7")));
        assert_eq!(
            (value(&reply, "ice-ufrag"), value(&reply, "ice-pwd")),
            (Some(&*ice.fragment), Some(&*ice.password))
        );
        assert!(value(&reply, "candidate").unwrap().contains(" 192.0.2.2 20000 typ host"));
        let of_session: Vec<_> = reply.attributes().map(|it| (it.name.as_str(), it.value.as_deref())).collect();
        assert_eq!(of_session, [("ice-lite", None), ("group", Some("BUNDLE 7"))]);
        let association = stream.association.unwrap();
        assert_eq!((association.theirs, association.connects), (Fingerprint::of(b"browser"), false));
        assert_eq!((association.ice, stream.remote, stream.protection), (Some(ice), None, None));
        assert!(stream.rtcp_mux);
    }
    assert_eq!(check_offer(&offer, Encryption::Off), Err(NegotiationError::Encrypted));
    let shown = format!("{offer:?}");
    assert!(!shown.contains("aaaaaaaaaaaa"), "{shown}");
}

#[test]
fn two_sides_agree_on_a_handshake() {
    for other in [Encryption::Offered, Encryption::Required, Encryption::Dtls] {
        let (ours, theirs, reply) = agree(Encryption::Dtls, other).unwrap();
        assert_eq!(reply.media[0].protocol, "UDP/TLS/RTP/SAVPF");
        let [ours, theirs] = [ours, theirs].map(|stream| stream.association.unwrap());
        assert_eq!((ours.theirs, theirs.theirs), (Fingerprint::of(&[2]), Fingerprint::of(&[1])));
        assert_ne!(ours.connects, theirs.connects, "one begins");
        assert_eq!((ours.ice, theirs.ice), (None, None), "neither looks for the other");
    }
    assert_eq!(agree(Encryption::Dtls, Encryption::Off).err(), Some(NegotiationError::Encrypted));
    assert_eq!(agree(Encryption::Off, Encryption::Dtls).err(), Some(NegotiationError::Clear));
}

#[test]
fn a_phone_that_does_not_look_for_a_way_is_where_it_says() {
    let text = browser().replace("a=ice-", "a=x-").replace("0.0.0.0", "192.0.2.77").replace("actpass", "passive");
    let (reply, stream) =
        answer(&parse(text.as_bytes()).unwrap(), &side(Encryption::Required, 2), Preference::default()).unwrap();
    assert_eq!(value(&reply, "setup"), Some("active"));
    assert_eq!((value(&reply, "ice-ufrag"), value(&reply, "candidate")), (None, None));
    assert_eq!(stream.remote, Some("192.0.2.77:9".parse().unwrap()));
    assert!(stream.association.is_some_and(|association| association.connects && association.ice.is_none()));
}

#[test]
fn a_peer_that_is_only_found_itself_is_where_it_says() {
    let text = browser().replace("t=0 0", "t=0 0\r\na=ice-lite").replace("0.0.0.0", "192.0.2.77");
    let (reply, stream) =
        answer(&parse(text.as_bytes()).unwrap(), &side(Encryption::Dtls, 2), Preference::default()).unwrap();
    assert_eq!((value(&reply, "ice-ufrag"), stream.remote), (None, Some("192.0.2.77:9".parse().unwrap())));
}

#[test]
fn a_browser_without_an_address_of_our_family_is_found_all_the_same() {
    let text = browser().replace("IN IP4 0.0.0.0", "IN IP6 2001:db8::7");
    let offer = parse(text.as_bytes()).unwrap();
    let (_, stream) = answer(&offer, &side(Encryption::Dtls, 2), Preference::default()).unwrap();
    assert_eq!(stream.remote, None);
    assert_eq!(
        accept_answer(&offered_by(&side(Encryption::Dtls, 2)), &offer, Preference::default()).err(),
        Some(NegotiationError::Mismatch),
        "it leaves to us who begins"
    );
}

#[test]
fn a_browser_that_looks_anew_gets_other_credentials() {
    let mut local = side(Encryption::Dtls, 2);
    let mut fragment = |text: &str| {
        let (reply, stream) = answer(&parse(text.as_bytes()).unwrap(), &local, Preference::default()).unwrap();
        local.encryption.keys_mut().unwrap().follow_peer(&stream.association.unwrap().peer_fragment);
        value(&reply, "ice-ufrag").unwrap().to_owned()
    };
    let first = fragment(&browser());
    assert_eq!(fragment(&browser()), first);
    let anew = browser().replace("Qx3z", "Y7k2");
    let second = fragment(&anew);
    assert_ne!(second, first);
    assert_eq!(fragment(&anew), second);
}

#[test]
fn an_answer_without_a_handshake_is_not_taken() {
    let (offered, local) = (offered_by(&side(Encryption::Dtls, 1)), side(Encryption::Required, 2));
    let (reply, _) = answer(&offered, &local, Preference::default()).unwrap();
    let take = |text: &str| {
        accept_answer(&offered, &parse(text.as_bytes()).unwrap(), Preference::default())
            .map(|s| s.association.is_some())
    };
    let text = reply.to_string();
    assert_eq!(take(&text), Ok(true));
    assert_eq!(take(&text.replace("a=setup:active", "a=setup:passive")), Ok(true));
    assert_eq!(take(&text.replace("a=setup:passive", "a=setup:actpass")), Err(NegotiationError::Mismatch));
    for spoilt in [text.replace("sha-256", "md5"), text.replace("a=fingerprint", "a=x")] {
        assert_eq!(take(&spoilt), Err(NegotiationError::Clear), "{spoilt}");
        assert_eq!(take(&spoilt.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")), Err(NegotiationError::Clear));
    }
}

#[test]
fn a_next_offer_goes_on_with_the_same_handshake() {
    let (reply, _) =
        answer(&parse(browser().as_bytes()).unwrap(), &side(Encryption::Dtls, 2), Preference::default()).unwrap();
    let mut kept = next_offer(&reply, &side(Encryption::Off, 2), Preference::default(), &[]);
    keep(&mut kept, &reply);
    for name in ["fingerprint", "setup", "ice-ufrag", "ice-pwd", "candidate", "mid"] {
        assert_eq!(value(&kept, name), value(&reply, name), "{name}");
    }
    assert_eq!(kept.attributes().collect::<Vec<_>>(), reply.attributes().collect::<Vec<_>>());
    let mut next = offered_by(&side(Encryption::Dtls, 2));
    keep_name(&mut next, &reply);
    assert_eq!((value(&next, "mid"), value(&next, "setup")), (Some("7"), Some("actpass")));
    assert!(next.to_string().contains("a=group:BUNDLE 7\r\n") && !next.to_string().contains("BUNDLE 0"));
}

#[test]
fn a_fingerprint_is_read_in_every_spelling_and_nothing_else() {
    let ours = Fingerprint::of(b"certificate");
    assert!(ours.fits(b"certificate") && !ours.fits(b"other"));
    let lower = ours.to_string().to_lowercase().replacen("sha", "SHA", 1);
    assert_eq!(Fingerprint::parse(&lower), Some(ours.clone()));
    let text = ours.to_string();
    for wrong in ["", "sha-256", "md5 AA:BB", &text[..text.len() - 3], &text.replace(':', ""), &format!("{text}:00")] {
        assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn keys_are_not_shown() {
    let offer = offered_by(&side(Encryption::Required, 1));
    let shown = format!("{offer:?}");
    for line in CryptoLine::of(&offer.media[0]) {
        let key = line.to_string();
        let key = key.split("inline:").nth(1).unwrap();
        assert!(offer.to_string().contains(key) && !shown.contains(key));
    }
}
