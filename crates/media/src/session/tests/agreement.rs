//! Legs whose keys a handshake agrees on, and whose phone shows where it is.

use is::stun::{StunMessage, TransId};

use super::*;
use crate::dtls::Identity;
use crate::ice::IceCredentials;
use crate::sdp::{Association, Protection};
use crate::srtp::{OVERHEAD_MAX, SrtpReceiver, SrtpSender};

const BROWSER: &str = "192.0.2.80:6000";
const STRANGER: &str = "192.0.2.81:6000";

fn ice() -> IceCredentials {
    IceCredentials::of(b"leg", 0)
}

fn sign(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    aws_lc_rs::hmac::sign(&key, &parts.concat()).as_ref().try_into().unwrap()
}

fn check(chosen: bool) -> Vec<u8> {
    check_of(&ice(), chosen, 7)
}

fn check_of(ice: &IceCredentials, chosen: bool, priority: u32) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let username = format!("{}:theirs", ice.fragment);
    let message = StunMessage::binding_request(&username, TransId::new(), true, 7, priority, chosen);
    let length = message.to_bytes(Some(ice.password.as_bytes()), &mut bytes, sign).unwrap();
    bytes.truncate(length);
    bytes
}

/// A phone that knows what our description says.
struct Browser {
    identity: Identity,
    handshake: Option<crate::dtls::Handshake>,
    keys: Option<Protection>,
}

impl Browser {
    fn new() -> Self {
        Self { identity: Identity::generate().unwrap(), handshake: None, keys: None }
    }

    fn stream(&self, connects: bool, finds: bool) -> AudioStream {
        let theirs = self.identity.fingerprint().clone();
        let association = Some(Association { theirs, connects, ice: finds.then(ice), peer_fragment: "theirs".into() });
        let remote = if finds { None } else { Some(address(BROWSER)) };
        AudioStream { remote, remote_rtcp: remote, party: None, rtcp_mux: true, association, ..stream(Law::Mu) }
    }

    /// Goes on with the handshake until both have keys; returns what the session has told.
    fn agrees(
        &mut self,
        session: &mut Session,
        ours: &Identity,
        connects: bool,
        from: &str,
        now: Timestamp,
    ) -> Vec<Event> {
        let theirs = ours.fingerprint().clone();
        let handshake =
            self.handshake.get_or_insert_with(|| crate::dtls::Handshake::begin(&self.identity, theirs, connects, now));
        let mut now = now;
        for _ in 0..100 {
            let mut packets = Vec::new();
            self.keys = handshake.poll(now, |packet| packets.push(packet.to_vec())).unwrap().or(self.keys);
            for mut packet in packets {
                assert!(session.handle_rtp(&mut packet, address(from), now).is_none());
            }
            for (transmit, packet) in sent(session, now) {
                assert_eq!((transmit.to, transmit.channel), (address(from), Channel::Rtp));
                if (20..64).contains(&packet[0]) {
                    handshake.handle(&packet, now).unwrap();
                }
            }
            if handshake.next_timeout() <= now {
                handshake.handle_timeout(now).unwrap();
            }
            now = now + Duration::from_millis(20);
        }
        std::iter::from_fn(|| session.poll_event()).collect()
    }

    fn says(&self, n: u32) -> Vec<u8> {
        let mut packet = audio(0, 7, n, 0x33);
        let length = packet.len();
        packet.resize(length + OVERHEAD_MAX, 0);
        let sealed = SrtpSender::new(self.keys.unwrap().ours, 7).unwrap().protect(&mut packet, length).unwrap();
        packet.truncate(sealed);
        packet
    }

    fn understands(&self, mut packet: Vec<u8>) -> bool {
        SrtpReceiver::new(self.keys.unwrap().theirs).unwrap().open(&mut packet).is_ok()
    }
}

fn sent(session: &mut Session, now: Timestamp) -> Vec<(Transmit, Vec<u8>)> {
    let mut out = [0; PACKET_BYTES_MAX];
    let mut packets = Vec::new();
    session.handle_due(now, &mut out, |transmit, buffer| packets.push((transmit, buffer[..transmit.length].to_vec())));
    packets
}

fn leg(stream: AudioStream) -> (Session, Identity) {
    let ours = Identity::generate().unwrap();
    let mut session = session();
    session.set_identity(Arc::new(ours.clone()));
    session.negotiate(stream, START);
    (session, ours)
}

#[test]
fn a_phone_shows_where_it_is_and_agrees_on_keys() {
    let mut browser = Browser::new();
    let (mut session, ours) = leg(browser.stream(false, true));
    session.play(1, Treatment { prompts: vec![prompt("p", 8_000, 900)], ..Treatment::default() }, START);
    assert!(sent(&mut session, at(20)).is_empty(), "nobody is there, and there are no keys");
    let mut hello = vec![22; 60];
    session.handle_rtp(&mut hello, address(STRANGER), at(30));
    assert!(sent(&mut session, at(30)).is_empty(), "who has not shown where it is begins no handshake");
    session.handle_rtp(&mut check(true), address(BROWSER), at(40));
    let answers = sent(&mut session, at(40));
    assert_eq!(answers.len(), 1, "no audio before the keys");
    assert!(StunMessage::parse(&answers[0].1).unwrap().is_successful_binding_response());
    let told = browser.agrees(&mut session, &ours, true, BROWSER, at(60));
    assert!(told.contains(&Event::Learned(address(BROWSER))) && told.contains(&Event::Counted), "{told:?}");
    let mut packet = browser.says(0);
    assert_eq!(session.handle_rtp(&mut packet, address(BROWSER), at(3_000)).unwrap().payload, [0x33; 160]);
    session.play(2, Treatment { prompts: vec![prompt("p", 8_000, 900)], ..Treatment::default() }, at(3_000));
    let audio = sent(&mut session, at(3_040));
    assert!(!audio.is_empty());
    for (transmit, packet) in audio {
        assert_eq!(transmit.to, address(BROWSER));
        assert!(packet[1] & 0x7F == 72 || browser.understands(packet), "encrypted with what was agreed");
    }
    let mut clear = super::audio(0, 7, 1, 0x44);
    assert!(session.handle_rtp(&mut clear, address(BROWSER), at(3_060)).is_none());
}

#[test]
fn a_phone_that_moves_is_followed_and_its_keys_stay() {
    let mut browser = Browser::new();
    let (mut session, ours) = leg(browser.stream(false, true));
    session.handle_rtp(&mut check(true), address(BROWSER), at(0));
    browser.agrees(&mut session, &ours, true, BROWSER, at(0));
    let moved = "192.0.2.90:7000";
    session.handle_rtp(&mut check(false), address(moved), at(4_000));
    assert_eq!(session.stream().unwrap().remote, Some(address(BROWSER)), "it only tries the other way");
    session.handle_rtp(&mut check(true), address(moved), at(4_020));
    assert_eq!(session.stream().unwrap().remote, Some(address(moved)));
    let mut packet = browser.says(0);
    assert!(session.handle_rtp(&mut packet, address(moved), at(4_040)).is_some());
    // It holds and comes back: its description still has no address.
    session.negotiate(browser.stream(false, true), at(5_000));
    assert_eq!(session.stream().unwrap().remote, Some(address(moved)));
    let mut packet = browser.says(1);
    assert!(session.handle_rtp(&mut packet, address(moved), at(5_020)).is_some());
}

#[test]
fn we_begin_where_the_phone_waits_for_us() {
    let mut browser = Browser::new();
    let (mut session, ours) = leg(browser.stream(true, false));
    let told = browser.agrees(&mut session, &ours, false, BROWSER, START);
    assert!(told.contains(&Event::Counted), "{told:?}");
    let mut packet = browser.says(0);
    assert!(session.handle_rtp(&mut packet, address(BROWSER), at(3_000)).is_some());
}

#[test]
fn another_certificate_than_the_descriptions_ends_it() {
    let (mut browser, other) = (Browser::new(), Browser::new());
    let (mut session, ours) = leg(other.stream(false, true));
    session.handle_rtp(&mut check(true), address(BROWSER), at(0));
    let theirs = ours.fingerprint().clone();
    let mut handshake = crate::dtls::Handshake::begin(&browser.identity, theirs, true, at(0));
    let mut told = Vec::new();
    for turn in 0..50 {
        let now = at(20 * turn);
        let mut packets = Vec::new();
        let _ = handshake.poll(now, |packet| packets.push(packet.to_vec()));
        packets.iter_mut().for_each(|packet| assert!(session.handle_rtp(packet, address(BROWSER), now).is_none()));
        sent(&mut session, now).iter().for_each(|(_, packet)| drop(handshake.handle(packet, now)));
        told.extend(std::iter::from_fn(|| session.poll_event()));
    }
    assert!(told.iter().any(|event| matches!(event, Event::NotAgreed(_))), "{told:?}");
    browser.keys = None;
    assert_eq!(session.stream().unwrap().protection, None);
}

#[test]
fn another_process_goes_on_and_takes_a_new_handshake() {
    let mut browser = Browser::new();
    let (mut session, ours) = leg(browser.stream(false, true));
    session.handle_rtp(&mut check(true), address(BROWSER), at(0));
    browser.agrees(&mut session, &ours, true, BROWSER, at(0));
    let snapshot = session.snapshot(at(4_000));
    let mut next = Session::restore(snapshot, (99, true), at(5_000), |_| None);
    let ours = Identity::generate().unwrap();
    next.set_identity(Arc::new(ours.clone()));
    let mut packet = browser.says(0);
    assert!(next.handle_rtp(&mut packet, address(BROWSER), at(5_020)).is_some(), "under the keys of before");
    let before = browser.keys;
    browser.handshake = None;
    browser.agrees(&mut next, &ours, true, BROWSER, at(6_000));
    assert_ne!(browser.keys, before);
    let mut packet = browser.says(1);
    assert!(next.handle_rtp(&mut packet, address(BROWSER), at(9_000)).is_some(), "under the new ones");
}

#[test]
fn a_leg_that_gets_no_keys_ends_in_time() {
    for (connects, finds) in [(false, true), (false, false), (true, false), (true, true)] {
        let browser = Browser::new();
        let (mut session, _) = leg(browser.stream(connects, finds));
        let mut told = Vec::new();
        for second in 0..=30 {
            sent(&mut session, at(1_000 * second));
            told.extend(std::iter::from_fn(|| session.poll_event()));
        }
        let late = |event: &&Event| matches!(event, Event::NotAgreed(_));
        assert_eq!(told.iter().filter(late).count(), 1, "{told:?}");
        let next = Session::restore(session.snapshot(at(40_000)), (9, true), at(50_000), |_| None);
        assert!(next.next_timeout() <= at(80_000), "a successor does not wait for ever either");
    }
}

#[test]
fn packets_that_prove_nothing_end_nothing() {
    let junk: [&[u8]; 4] = [&[22; 60], &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40], &[23; 40], &[63; 40]];
    for (connects, finds) in [(false, true), (true, false)] {
        let mut browser = Browser::new();
        let (mut session, ours) = leg(browser.stream(connects, finds));
        session.handle_rtp(&mut check(true), address(BROWSER), at(0));
        sent(&mut session, at(0));
        for packet in junk {
            assert!(session.handle_rtp(&mut packet.to_vec(), address(BROWSER), at(10)).is_none());
        }
        let told = browser.agrees(&mut session, &ours, !connects, BROWSER, at(20));
        assert!(told.contains(&Event::Counted), "{told:?}");
        assert!(!told.iter().any(|event| matches!(event, Event::NotAgreed(_))), "{told:?}");
    }
}

#[test]
fn a_peer_that_begins_anew_at_once_is_heard_under_its_new_keys() {
    let mut browser = Browser::new();
    let (mut session, ours) = leg(browser.stream(false, true));
    session.handle_rtp(&mut check(true), address(BROWSER), at(0));
    browser.agrees(&mut session, &ours, true, BROWSER, at(0));
    let before = browser.keys;
    browser.handshake = None;
    browser.agrees(&mut session, &ours, true, BROWSER, at(3_000));
    assert_ne!(browser.keys, before);
    let mut packet = browser.says(0);
    assert!(session.handle_rtp(&mut packet, address(BROWSER), at(6_000)).is_some());
}

#[test]
fn a_handshake_from_another_address_that_was_checked_is_taken() {
    let mut browser = Browser::new();
    let (mut session, ours) = leg(browser.stream(false, true));
    let other = "192.0.2.90:7000";
    session.handle_rtp(&mut check(true), address(other), at(0));
    session.handle_rtp(&mut check(false), address(BROWSER), at(10));
    sent(&mut session, at(10));
    browser.agrees(&mut session, &ours, true, BROWSER, at(20));
    assert_eq!(session.stream().unwrap().remote, Some(address(BROWSER)));
}

#[test]
fn who_moves_without_end_moves_no_more() {
    let browser = Browser::new();
    let (mut session, _) = leg(browser.stream(false, true));
    let mut moves = 0;
    for n in 0..1_000_u16 {
        let from = SocketAddr::new([192, 0, 2, 90].into(), 7_000 + n % 2);
        session.handle_rtp(&mut check(true), from, at(u64::from(n)));
        sent(&mut session, at(u64::from(n)));
        moves += std::iter::from_fn(|| session.poll_event()).filter(|event| matches!(event, Event::Learned(_))).count();
    }
    assert!(moves < 12, "{moves}");
}

#[test]
fn packets_that_spoil_our_handshake_do_not_make_us_begin_at_once() {
    let browser = Browser::new();
    let (mut session, _) = leg(browser.stream(true, false));
    let mut begun = sent(&mut session, at(0)).len();
    assert!(begun > 0);
    for ms in (1_500..2_400).step_by(10) {
        session.handle_rtp(&mut [22; 60], address(BROWSER), at(ms));
        begun += sent(&mut session, at(ms)).len();
        assert!(session.next_timeout() > at(ms));
    }
    assert!(begun <= 8, "{begun} packets");
    assert!(!std::iter::from_fn(|| session.poll_event()).any(|event| event == Event::Runaway));
}

#[test]
fn junk_of_strangers_keeps_no_check_from_being_answered() {
    let browser = Browser::new();
    let (mut session, _) = leg(browser.stream(false, true));
    let junk = check_of(&IceCredentials::of(b"guessed", 0), true, 7);
    for ms in 0..1_000 {
        for _ in 0..10 {
            session.handle_rtp(&mut junk.clone(), address(STRANGER), at(ms));
        }
    }
    assert!(sent(&mut session, at(1_000)).is_empty(), "nobody learns that there is somebody");
    session.handle_rtp(&mut check(true), address(BROWSER), at(1_000));
    assert_eq!(sent(&mut session, at(1_000)).len(), 1);
}

#[test]
fn a_way_with_a_lower_priority_is_taken_once_the_better_one_is_chosen_no_more() {
    let browser = Browser::new();
    let (mut session, _) = leg(browser.stream(false, true));
    let (lower, way) = ("192.0.2.90:7000", |session: &Session| session.stream().unwrap().remote);
    session.handle_rtp(&mut check_of(&ice(), true, 9), address(BROWSER), at(0));
    session.handle_rtp(&mut check_of(&ice(), true, 5), address(lower), at(20));
    assert_eq!(way(&session), Some(address(BROWSER)), "of several at once the best is meant");
    // The better one has died: its checks do not come through any more.
    session.handle_rtp(&mut check_of(&ice(), true, 5), address(lower), at(4_000));
    assert_eq!(way(&session), Some(address(lower)));
}

#[test]
fn a_peer_that_begins_anew_chooses_anew() {
    let browser = Browser::new();
    let (mut session, _) = leg(browser.stream(false, true));
    let other = "192.0.2.90:7000";
    session.handle_rtp(&mut check_of(&ice(), true, 9), address(BROWSER), at(0));
    let anew = IceCredentials::of(b"leg", 1);
    let mut stream = browser.stream(false, true);
    stream.association.as_mut().unwrap().ice = Some(anew.clone());
    session.negotiate(stream, at(100));
    assert_eq!(session.stream().unwrap().remote, Some(address(BROWSER)), "until it has chosen");
    session.handle_rtp(&mut check_of(&anew, false, 5), address(other), at(120));
    assert_eq!(session.stream().unwrap().remote, Some(address(BROWSER)), "it only tries");
    session.handle_rtp(&mut check_of(&anew, true, 5), address(other), at(140));
    assert_eq!(session.stream().unwrap().remote, Some(address(other)));
}
