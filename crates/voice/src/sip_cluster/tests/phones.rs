//! Behaviour of real phones, and how much of it the other side may see.

use std::time::Duration;

use bytes::Bytes;
use ivr::msml::Command;
use model::plan::Destination;
use sip::agent::{Body, COMPLETED_ELSEWHERE, Event, Release, Reply, Session};
use sip::{HeaderName, StatusCode};

use super::bench::{Bench, EDGE, MEDIA_SDP, PHONE_SDP, Peer, by_two_trunks, phone};
use super::calls::talking;

fn held(sdp: &str) -> Bytes {
    Bytes::from(format!("{sdp}a=sendonly\r\n"))
}

#[test]
fn a_phone_may_ring_as_long_as_its_tenant_lets_it() {
    let mut bench = Bench::new();
    bench.call("7101", phone(600_000));
    bench.phone_rings();
    bench.pass(Duration::from_secs(590));
    assert!(!bench.saw(Peer::Phone, |event| matches!(event, Event::Released { .. })), "it rings on");
    bench.phone_answers();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })));
    let heard = |bench: &mut Bench, at: usize| {
        let dialog = bench.media_dialogs[at];
        bench.agent(Peer::Media).leg(dialog).expect("a dialog").offer_answer.remote().cloned()
    };
    assert_eq!(heard(&mut bench, 0).as_deref(), Some(PHONE_SDP.as_bytes()), "media has the phone's answer");
    bench.pass(Duration::from_secs(120));
    bench.bye(Peer::Caller);
    bench.pass(Duration::from_secs(40));
    assert!(bench.is_clear());
}

fn reason(event: &Event) -> Option<&str> {
    match event {
        Event::Released { reason: Release::Cancelled(message) | Release::ByPeer(message), .. } => {
            message.header(&HeaderName::Reason)
        }
        _ => None,
    }
}

#[test]
fn a_phone_that_rings_beside_the_one_that_answers_is_told_that_the_call_was_taken() {
    let mut bench = Bench::new();
    let Destination::Extension { dn, contacts, no_answer_ms } = phone(60_000) else { panic!("an extension") };
    let contacts = vec![contacts[0].clone(), contacts[0].clone()];
    bench.call("7101", Destination::Extension { dn, contacts, no_answer_ms });
    bench.phone_rings();
    let first = bench.seen.iter().find_map(|(peer, event)| match (peer, event) {
        (Peer::Phone, Event::Incoming { dialog, .. }) => Some(*dialog),
        _ => None,
    });
    let now = bench.now;
    bench
        .agent(Peer::Phone)
        .provisional(first.expect("two phones ring"), Reply::new(StatusCode::RINGING), now)
        .unwrap();
    bench.run();
    bench.phone_answers();
    assert!(bench.saw(Peer::Phone, |event| reason(event) == Some(COMPLETED_ELSEWHERE)), "{:?}", bench.seen);
}

#[test]
fn what_the_caller_says_as_it_gives_up_reaches_the_phone() {
    const WHY: &str = "Q.850;cause=16;text=\"Terminated\"";
    let why = || vec![(HeaderName::Reason, WHY.to_owned())];
    let mut bench = Bench::new();
    bench.call("7101", phone(60_000));
    bench.phone_rings();
    let (dialog, now) = (bench.caller_dialog.expect("a call"), bench.now);
    bench.agent(Peer::Caller).cancel(dialog, why(), now).expect("it rings");
    bench.run();
    assert!(bench.saw(Peer::Phone, |event| reason(event) == Some(WHY)), "{:?}", bench.seen);
    let (mut bench, _) = talking();
    let (dialog, now) = (bench.caller_dialog.expect("a call"), bench.now);
    bench.agent(Peer::Caller).bye(dialog, why(), now).expect("they talk");
    bench.run();
    assert!(bench.saw(Peer::Phone, |event| reason(event) == Some(WHY)), "{:?}", bench.seen);
}

#[test]
fn media_is_told_which_host_a_session_belongs_to() {
    let (mut bench, _) = talking();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    let from = vec![(sip::proxy::headers::PARTY, "203.0.113.7".to_owned())];
    bench.agent(Peer::Phone).reinvite(dialog, Some(held(PHONE_SDP)), from, now).expect("a dialog");
    bench.run();
    assert_eq!(bench.parties, ["203.0.113.9", "203.0.113.7"]);
}

#[test]
fn an_answer_that_media_cannot_take_ends_the_call() {
    let mut bench = Bench::new();
    bench.call("7101", phone(60_000));
    bench.phone_rings();
    bench.media_refuses = Some(StatusCode(488));
    bench.phone_answers();
    bench.pass(Duration::from_secs(40));
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Released { .. })));
    assert!(bench.is_clear(), "nothing is left: {:?}", bench.story);
}

#[test]
fn media_that_cannot_take_an_answer_for_a_while_gets_it_again() {
    for (refusals, goes_on) in [(2, true), (5, false)] {
        let mut bench = Bench::new();
        bench.call("7101", phone(60_000));
        bench.phone_rings();
        bench.media_refuses = Some(StatusCode(503));
        bench.phone_answers();
        bench.pass(Duration::from_secs(2 * refusals - 1));
        bench.media_refuses = None;
        bench.pass(Duration::from_secs(3));
        assert_eq!(!bench.is_clear(), goes_on, "{refusals}");
        if goes_on {
            let media = bench.media_dialogs[1];
            let remote = bench.agent(Peer::Media).leg(media).and_then(|leg| leg.offer_answer.remote().cloned());
            assert_eq!(remote.as_deref(), Some(PHONE_SDP.as_bytes()));
        }
    }
}

#[test]
fn a_session_that_comes_while_media_has_not_answered_the_one_before_follows_it() {
    let (mut bench, _) = talking();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    bench.media_waits = Some(Vec::new());
    for sdp in [held(PHONE_SDP), PHONE_SDP.replace("4000", "4002").into()] {
        bench.agent(Peer::Phone).reinvite(dialog, None, Vec::new(), now).expect("a dialog");
        bench.run();
        bench.agent(Peer::Phone).ack(dialog, sdp, now).expect("an offer");
        bench.run();
    }
    bench.media_answers();
    let media = bench.media_dialogs[1];
    let remote = bench.agent(Peer::Media).leg(media).and_then(|leg| leg.offer_answer.remote().cloned());
    assert_eq!(remote.as_deref(), Some(PHONE_SDP.replace("4000", "4002").as_bytes()), "the last one counts");
}

#[test]
fn a_phone_that_goes_on_by_asking_for_an_offer_is_offered_both_ways() {
    let (mut bench, _) = talking();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    bench.agent(Peer::Phone).reinvite(dialog, Some(held(PHONE_SDP)), Vec::new(), now).expect("a dialog");
    bench.run();
    assert_eq!(bench.story.last().map(String::as_str), Some("Held@7101"));
    let before = version(bench.agent(Peer::Phone).leg(dialog).and_then(|leg| leg.offer_answer.remote().cloned()));
    bench.agent(Peer::Phone).reinvite(dialog, None, Vec::new(), now).expect("a dialog");
    bench.run();
    let offer = bench.seen.iter().find_map(|(_, event)| match event {
        Event::Proposed { offer, .. } => Some(offer.clone()),
        _ => None,
    });
    let text = String::from_utf8(offer.clone().expect("an offer").to_vec()).expect("text");
    assert!(text.contains("a=sendrecv"), "a wish of our own, not the hold: {text}");
    assert!(text.contains("m=audio 6000 RTP/AVP 0 8 9 111 101 110"), "all that we speak: {text}");
    assert_eq!(version(offer), before + 1);
    assert_eq!(bench.story.last().map(String::as_str), Some("Held@7101"), "the answer decides");
    bench.agent(Peer::Phone).ack(dialog, PHONE_SDP.into(), now).expect("an offer");
    bench.run();
    let media = bench.media_dialogs[1];
    let remote = bench.agent(Peer::Media).leg(media).and_then(|leg| leg.offer_answer.remote().cloned());
    assert_eq!(remote.as_deref(), Some(PHONE_SDP.as_bytes()), "media hears of it");
    assert_eq!(bench.story.last().map(String::as_str), Some("Retrieved@7101"));
    assert!(matches!(bench.played.last(), Some((_, Command::DialogEnd { .. }))), "the music ends");
}

fn version(sdp: Option<Bytes>) -> u64 {
    media::sdp::parse(&sdp.expect("a description")).expect("SDP").origin.version
}

#[test]
fn a_description_of_ours_that_changes_has_the_next_version() {
    let (mut bench, conn_id) = talking();
    let hold = super::calls::request(conn_id, "7101", model::request::RequestKind::HoldCall);
    bench.node.request(hold, bench.now).expect("the call is here");
    bench.run();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    bench.agent(Peer::Phone).accept_offer(dialog, PHONE_SDP.into(), now).expect("an offer");
    bench.run();
    let before = version(bench.agent(Peer::Phone).leg(dialog).and_then(|leg| leg.offer_answer.remote().cloned()));
    // Media does not know that offer: its own version is behind.
    bench.agent(Peer::Phone).reinvite(dialog, Some(held(PHONE_SDP)), Vec::new(), now).expect("a dialog");
    bench.run();
    let after = version(bench.agent(Peer::Phone).leg(dialog).and_then(|leg| leg.offer_answer.remote().cloned()));
    assert_eq!(after, before + 1);
}

#[test]
fn what_a_phone_says_to_us_alone_is_not_shown_to_the_caller() {
    let cases = [
        (302, 480),
        (300, 480),
        (401, 480),
        (407, 480),
        (420, 480),
        (421, 480),
        (405, 480),
        (415, 488),
        (406, 488),
        (430, 480),
        (484, 480),
        (503, 500),
        (501, 500),
        (500, 500),
        (486, 486),
        (404, 404),
        (480, 480),
        (488, 488),
        (600, 600),
        (603, 603),
        (606, 606),
        (399, 480),
        (499, 480),
    ];
    for (said, shown) in cases {
        let mut bench = Bench::new();
        bench.call("7101", phone(15_000));
        let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
        bench.agent(Peer::Phone).reject(dialog, Reply::new(StatusCode(said)), now).expect("an INVITE");
        bench.run();
        let (status, warning) = bench.refusal().expect("refused");
        assert_eq!(status, shown, "{said}");
        assert_eq!(warning.is_some(), matches!(shown, 488 | 606), "{said}: {warning:?}");
    }
}

#[test]
fn a_carrier_that_does_not_let_a_call_pass_is_left_for_the_next_one() {
    for (said, goes_on) in
        [(302, true), (401, true), (403, true), (407, true), (503, true), (404, false), (486, false), (603, false)]
    {
        let mut bench = Bench::new();
        bench.call("7101", by_two_trunks("one", "two"));
        let (first, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
        bench.agent(Peer::Phone).reject(first, Reply::new(StatusCode(said)), now).expect("an INVITE");
        bench.run();
        assert_eq!(bench.phone_dialog != Some(first), goes_on, "{said}");
        assert_eq!(bench.refusal().is_none(), goes_on, "{said}");
    }
}

#[test]
fn a_caller_that_hides_its_number_is_anonymous_to_the_phone() {
    let mut bench = Bench::new();
    let private = vec![(HeaderName::Privacy, "id".to_owned())];
    bench.dial_with("7101", "trunk;name=carrier", Some(PHONE_SDP.into()), private);
    bench.plan(phone(15_000));
    let invite = bench.seen.iter().find_map(|(peer, event)| match (peer, event) {
        (Peer::Phone, Event::Incoming { request, .. }) => Some(request.clone()),
        _ => None,
    });
    let invite = invite.expect("the phone rings");
    let from = invite.header(&HeaderName::From).unwrap_or_default();
    assert!(from.starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>"), "{from}");
    assert_eq!(invite.header(&HeaderName::Privacy), Some("id"));
}

#[test]
fn a_change_of_the_session_that_is_refused_says_why() {
    let (mut bench, _) = talking();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    let other = PHONE_SDP.replace("RTP/AVP 0", "RTP/AVP 18");
    bench.agent(Peer::Phone).reinvite(dialog, Some(other.into()), Vec::new(), now).expect("a dialog");
    bench.run();
    let refused = bench.seen.iter().find_map(|(_, event)| match event {
        Event::Refused { status, response: Some(response), .. } => {
            Some((status.0, response.header(&HeaderName::Warning).map(str::to_owned)))
        }
        _ => None,
    });
    let (status, warning) = refused.expect("refused");
    assert!(status == 488 && warning.is_some_and(|warning| warning.starts_with("305 ")));
}

#[test]
fn an_info_that_nobody_understands_is_415() {
    let (mut bench, _) = talking();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    let mut ask = |kind: &'static str, text: &'static str| {
        bench.agent(Peer::Phone).info(dialog, Body::new(kind, text), Vec::new(), now).expect("a dialog");
        bench.run();
        let last = bench.seen.iter().rev().find_map(|(_, event)| match event {
            Event::Responded { status, response: Some(response), .. } => {
                Some((status.0, response.header(&HeaderName::Accept).map(str::to_owned)))
            }
            _ => None,
        });
        last.expect("a response")
    };
    assert_eq!(ask("application/dtmf-relay", "Signal=5\r\n"), (200, None));
    assert_eq!(ask("text/foo", "x"), (415, Some("application/dtmf-relay, application/dtmf".to_owned())));
}

#[test]
fn a_caller_is_offered_and_answered_as_before() {
    let mut bench = Bench::new();
    bench.call("7101", phone(15_000));
    bench.phone_rings();
    bench.phone_answers();
    let answered = |event: &Event| matches!(event, Event::Answered { session: Session::Answer(sdp), .. } if sdp == MEDIA_SDP.as_bytes());
    assert!(bench.saw(Peer::Caller, answered));
}

#[test]
fn a_tenants_codecs_hold_for_what_is_taken_and_media_is_told_of_them() {
    let mut bench = Bench::new();
    bench.node.choose_prompts(Box::new(|_| crate::sip_cluster::node::calls::prompts::SwitchPrompts {
        codecs: vec![media::codec::Codec::Pcma],
        ..Default::default()
    }));
    bench.dial("7101", "trunk;name=carrier");
    let (status, warning) = bench.refusal().expect("PCMU alone is refused");
    assert!(status == 488 && warning.is_some_and(|warning| warning.starts_with("305 ")));
}

#[test]
fn each_refer_of_a_dialog_has_notices_of_its_own() {
    let (mut bench, _) = talking();
    let dialog = bench.phone_dialog.expect("a dialog");
    for _ in 0..2 {
        let (to, now) = (format!("<sip:7109@{EDGE}>"), bench.now);
        bench.agent(Peer::Phone).refer(dialog, vec![(HeaderName::ReferTo, to)], now).expect("a dialog");
        bench.run();
        bench.plan(Destination::Reject { status: 404, reason: "no such number".to_owned() });
    }
    let told = bench.seen.iter().filter_map(|(_, event)| match event {
        Event::Notified { message, .. } => Some(message.clone()),
        _ => None,
    });
    let notices: Vec<_> = told.collect();
    let events: Vec<&str> = notices.iter().filter_map(|notice| notice.header(&HeaderName::Event)).collect();
    let [one, also_one, two, also_two] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((*one, *also_one), ("refer", "refer"));
    assert!(two.starts_with("refer;id=") && two == also_two, "{events:?}");
    let accepted = bench.seen.iter().filter_map(|(_, event)| match event {
        Event::Responded { status, response: Some(response), .. } if status.0 == 202 => Some(response.clone()),
        _ => None,
    });
    for message in notices.iter().cloned().chain(accepted) {
        assert!(message.header(&HeaderName::Contact).is_some(), "{message:?}");
    }
}
