//! Where the caller of an emergency call is, and who is told.

use std::time::Duration;

use call::dial_plan::EMERGENCY_SERVICE;
use model::plan::{Destination, PlanAnswer};
use model::request::RequestKind;
use model::{ConnId, Dn, UserData};
use sip::agent::{DialogId, Event, Reply};
use sip::location::{CivicElement, GEOLOCATION, GEOLOCATION_ROUTING, Geolocation, KnownLocation};
use sip::proxy::headers::ELSEWHERE;
use sip::{HeaderName, Message, StatusCode};

use super::bench::{Bench, PHONE_SDP, Peer, by_two_trunks, phone};
use super::calls::{request, talking};
use super::restart::restart;
use crate::sip_cluster::node::order::Order;

const PHONE: &str = "phone;dn=7102";
/// A session with a codec that nobody has offered.
const OTHER_CODEC: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
/// What a phone says of where it is.
const OWN: &str = "<location-info><civicAddress>on the roof</civicAddress></location-info>";

/// Where phones are: of 7103 it is not known.
pub fn of(phone: &Dn) -> Option<KnownLocation> {
    let civic = vec![(CivicElement::Room, format!("room of {phone}"))];
    (phone.as_str() != "7103").then_some(KnownLocation { civic, point: None })
}

/// An emergency number by two trunks; carriers of those that begin with `located` are to be told.
fn emergency(first: &str, second: &str) -> PlanAnswer {
    let Destination::Outside(mut outside) = by_two_trunks(first, second) else { unreachable!("it is outside") };
    outside.way.is_emergency = true;
    outside.further.iter_mut().for_each(|way| way.is_emergency = true);
    Destination::Outside(outside).into()
}

fn calls(source: &str, answer: impl Into<PlanAnswer>) -> Bench {
    let mut bench = Bench::new();
    bench.dial("112", source);
    bench.plan(answer);
    bench
}

/// A phone that says where it is.
fn calls_from_the_roof(answer: impl Into<PlanAnswer>) -> (Bench, model::ConnId) {
    let mut bench = Bench::new();
    dials_from_the_roof(&mut bench);
    let conn_id = bench.plan(answer);
    (bench, conn_id)
}

fn dials_from_the_roof(bench: &mut Bench) {
    let own = Geolocation { document: OWN.into(), may_route: Some(false) };
    let (headers, part) = own.attach("1@phone.example".to_owned());
    bench.parts = vec![part];
    bench.dial_with("112", PHONE, Some(PHONE_SDP.into()), headers);
}

/// The INVITEs that the carriers have got, with the location in each.
fn invites(bench: &Bench) -> Vec<(&Message, Option<&Geolocation>)> {
    let incoming = bench.seen.iter().filter_map(|(peer, event)| match event {
        Event::Incoming { request, location, .. } if *peer == Peer::Phone => Some((&**request, location.as_ref())),
        _ => None,
    });
    incoming.collect()
}

/// The documents that the carriers have got, by INVITE.
fn documents(bench: &Bench) -> Vec<Option<String>> {
    let text = |location: &Geolocation| String::from_utf8_lossy(&location.document).into_owned();
    invites(bench).into_iter().map(|(_, location)| location.map(text)).collect()
}

fn refuse(bench: &mut Bench, reply: Reply) {
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Phone).reject(dialog, reply, now).expect("an INVITE");
    bench.run();
}

fn challenge(bench: &mut Bench) {
    let challenge = "Digest realm=\"carrier.example\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"";
    let reply = Reply::new(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    refuse(bench, reply.header(HeaderName::ProxyAuthenticate, challenge));
}

#[test]
fn a_carrier_that_is_to_know_it_is_told_where_the_caller_is() {
    let mut bench = calls(PHONE, emergency("located", "two"));
    let [(invite, Some(location))] = &*invites(&bench) else { panic!("one INVITE with a location") };
    let document = String::from_utf8_lossy(&location.document);
    assert!(document.contains("<cl:ROOM>room of 7102</cl:ROOM>"), "{document}");
    assert!(document.contains("entity=\"sip:7102@"), "{document}");
    assert_eq!(invite.header(&GEOLOCATION_ROUTING), Some("yes"));
    assert!(
        invite.content_type().expect("a type").expect("one").is("application", "sdp"),
        "what is left is the session"
    );
    bench.phone_rings();
    bench.phone_answers();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn who_calls_the_emergency_service_itself_reaches_it_by_the_dial_plan() {
    for uri in ["urn:service:sos", "urn:service:sos.fire"] {
        let mut bench = Bench::new();
        bench.dial(uri, PHONE);
        let is_asked = |order: &Order| match order {
            Order::AskDialPlan { number, .. } => number.dialled == EMERGENCY_SERVICE,
            _ => false,
        };
        assert!(bench.orders.iter().any(is_asked), "{uri}: {:?}", bench.orders);
        bench.plan(emergency("located", "two"));
        bench.phone_rings();
        bench.phone_answers();
        assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })), "{uri}");
        assert_eq!(attempts(&bench), [("located.example:5060".to_owned(), true)], "{uri}");
    }
}

#[test]
fn nobody_else_is_told() {
    for (source, answer) in [
        (PHONE, emergency("wide", "two")),
        (PHONE, by_two_trunks("located", "two").into()),
        ("phone;dn=7103", emergency("located", "two")),
        ("trunk;name=other", emergency("located", "two")),
    ] {
        let bench = calls(source, answer);
        assert_eq!(documents(&bench), [None], "the call goes out, and nothing with it: {source}");
        assert_eq!(invites(&bench)[0].0.header(&GEOLOCATION), None);
    }
    for answer in [emergency("wide", "two"), by_two_trunks("located", "two").into()] {
        assert_eq!(documents(&calls_from_the_roof(answer).0), [None], "what a phone says of itself neither");
    }
}

#[test]
fn what_a_phone_says_of_itself_goes_on_as_it_came() {
    let (bench, _) = calls_from_the_roof(emergency("located", "two"));
    assert_eq!(documents(&bench), [Some(OWN.to_owned())]);
    assert_eq!(invites(&bench)[0].0.header(&GEOLOCATION_ROUTING), Some("no"), "and with what it allows");
}

#[test]
fn the_next_trunk_and_a_successor_tell_it_too() {
    for restarts in [false, true] {
        let (mut bench, conn_id) = calls_from_the_roof(emergency("located", "located-too"));
        if restarts {
            restart(&mut bench, conn_id);
        }
        challenge(&mut bench);
        if restarts {
            restart(&mut bench, conn_id);
        }
        refuse(&mut bench, Reply::new(StatusCode::SERVICE_UNAVAILABLE));
        let own = || Some(OWN.to_owned());
        assert_eq!(documents(&bench), [own(), own(), own()], "restarts: {restarts}");
        let trunks: Vec<_> =
            invites(&bench).iter().map(|(invite, _)| invite.request_uri().unwrap_or_default()).collect();
        assert_eq!(trunks[1..], ["sip:+4930123@located.example:5060", "sip:+4930123@located-too.example:5060"]);
    }
}

/// Whether a record has what the phone says of itself.
fn stored(bench: &Bench) -> bool {
    format!("{:?}", bench.writes).contains("on the roof")
}

#[test]
fn a_further_call_is_stored_without_its_location_until_it_is_an_emergency() {
    for (answer, is_stored) in [(emergency("located", "two"), true), (by_two_trunks("located", "two").into(), false)] {
        let mut bench = Bench::new();
        bench.dial("7101", PHONE);
        bench.plan(phone(15_000));
        bench.phone_rings();
        bench.phone_answers();
        dials_from_the_roof(&mut bench);
        assert!(!stored(&bench), "the dial plan has not answered yet");
        bench.plan(answer);
        assert_eq!(stored(&bench), is_stored);
    }
}

#[test]
fn a_record_has_a_location_only_while_it_may_be_wanted() {
    assert!(stored(&calls_from_the_roof(emergency("located", "two")).0));
    assert!(!stored(&calls_from_the_roof(by_two_trunks("located", "two")).0), "it is no emergency");
}

#[test]
fn a_carrier_that_refuses_the_location_gets_the_call_without_it() {
    for status in [StatusCode::UNSUPPORTED_MEDIA_TYPE, StatusCode::BAD_LOCATION_INFORMATION] {
        let mut bench = calls(PHONE, emergency("located", "two"));
        refuse(&mut bench, Reply::new(status));
        let invites = invites(&bench);
        let [(first, Some(_)), (second, None)] = &*invites else { panic!("two INVITEs: {invites:?}") };
        assert_eq!(first.request_uri(), second.request_uri());
        assert_eq!((second.header(&GEOLOCATION), second.body()), (None, first.body()));
        for _ in 0..5 {
            refuse_if_asked(&mut bench, status);
        }
        assert!(bench.refusal().is_some(), "it is not tried for ever");
    }
}

fn refuse_if_asked(bench: &mut Bench, status: StatusCode) {
    if bench.refusal().is_none() {
        refuse(bench, Reply::new(status));
    }
}

/// Where the INVITEs have gone, and whether each had a location.
fn attempts(bench: &Bench) -> Vec<(String, bool)> {
    let of = |(invite, location): (&Message, Option<&Geolocation>)| {
        (invite.request_uri().unwrap_or_default().replace("sip:+4930123@", ""), location.is_some())
    };
    invites(bench).into_iter().map(of).collect()
}

#[test]
fn after_silence_the_next_attempt_by_that_trunk_is_without_the_location() {
    let (one, two) = ("located.example:5060".to_owned(), "located-too.example:5060".to_owned());
    let mut bench = calls(PHONE, emergency("located", "located-too"));
    bench.pass(Duration::from_secs(27));
    assert_eq!(attempts(&bench), [(one.clone(), true), (two.clone(), true), (two, false)]);
    // Where one trunk alone leads, it is tried again.
    let Destination::Outside(mut outside) = emergency("located", "two").destination else { panic!("it is outside") };
    outside.further.clear();
    let mut bench = calls(PHONE, Destination::Outside(outside.clone()));
    bench.pass(Duration::from_secs(17));
    assert_eq!(attempts(&bench), [(one.clone(), true), (one.clone(), false)]);
    // Who has said something has got the INVITE, and goes on.
    let mut bench = calls(PHONE, Destination::Outside(outside));
    bench.phone_rings();
    bench.pass(Duration::from_secs(17));
    assert_eq!(attempts(&bench), [(one, true)]);
}

#[test]
fn a_successor_knows_which_carrier_was_silent() {
    let mut bench = Bench::new();
    bench.dial("112", PHONE);
    let conn_id = bench.plan(emergency("located", "wide"));
    bench.pass(Duration::from_secs(11));
    restart(&mut bench, conn_id);
    refuse(&mut bench, Reply::new(StatusCode::SERVICE_UNAVAILABLE));
    let (one, two) = ("located.example:5060".to_owned(), "wide.example:5060".to_owned());
    assert_eq!(attempts(&bench), [(one.clone(), true), (two, false), (one, false)]);
}

#[test]
fn a_carrier_that_was_silent_in_a_consultation_is_known_once_that_is_completed() {
    let mut bench = Bench::new();
    bench.dial("7101", PHONE);
    let conn_id = bench.plan(phone(15_000));
    bench.phone_rings();
    bench.phone_answers();
    let help = Dn::parse("112").expect("a DN");
    let consult = request(conn_id, "7101", |id| RequestKind::InitiateTransfer(id, help.clone(), UserData::new()));
    bench.node.request(consult, bench.now).expect("the call is here");
    bench.run();
    bench.plan(emergency("located", "wide"));
    bench.pass(Duration::from_secs(11));
    let further = bench.node.table().get(&conn_id).and_then(|entry| entry.thread.calls().nth(1));
    let consultation = further.expect("a consultation").conn_id;
    let complete = request(conn_id, "7101", |id| RequestKind::CompleteTransfer(id, consultation));
    bench.node.request(complete, bench.now).expect("the call is here");
    bench.run();
    refuse(&mut bench, Reply::new(StatusCode::SERVICE_UNAVAILABLE));
    let (one, two) = ("located.example:5060".to_owned(), "wide.example:5060".to_owned());
    assert_eq!(attempts(&bench)[1..], [(one.clone(), true), (two, false), (one, false)]);
}

/// An emergency whose first carrier is silent; the dialogs of both.
fn silent_first() -> (Bench, [DialogId; 2]) {
    let mut bench = calls(PHONE, emergency("located", "two"));
    let first = bench.phone_dialog.expect("an INVITE");
    bench.pass(Duration::from_secs(11));
    assert_eq!(attempts(&bench).len(), 2);
    let second = bench.phone_dialog.expect("an INVITE");
    (bench, [first, second])
}

#[test]
fn an_emergency_is_put_through_by_the_carrier_that_answers_first() {
    for at in [0, 1] {
        let (mut bench, dialogs) = silent_first();
        bench.phone_dialog = Some(dialogs[at]);
        bench.phone_answers();
        assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })), "carrier {at}");
        assert!(
            !bench.saw(Peer::Phone, |event| matches!(event, Event::Released { dialog, .. } if *dialog == dialogs[at])),
            "carrier {at} is not hung up"
        );
        bench.bye(Peer::Caller);
        bench.pass(Duration::from_secs(40));
        assert!(bench.is_clear(), "carrier {at}: {:?}", bench.story);
    }
}

#[test]
fn what_a_silent_carrier_says_at_last_ends_no_emergency() {
    for said in [503, 404, 486, 600, 603] {
        for (plays, at) in [(false, 1), (true, 1), (true, 0)] {
            let (mut bench, dialogs) = silent_first();
            if plays {
                bench.phone_dialog = Some(dialogs[1 - at]);
                bench.phone_plays_early(183, PHONE_SDP);
            }
            let is_over = |event: &Event| matches!(event, Event::Released { .. } | Event::Failed { .. });
            assert!(!bench.saw(Peer::Phone, is_over), "an announcement ends no other: {said} by the other of {at}");
            bench.phone_dialog = Some(dialogs[1 - at]);
            refuse(&mut bench, Reply::new(StatusCode(said)));
            assert_eq!(bench.refusal(), None, "{said} by the other of {at}");
            bench.phone_dialog = Some(dialogs[at]);
            bench.phone_answers();
            assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })), "{said}, {at}");
            bench.bye(Peer::Caller);
            bench.pass(Duration::from_secs(40));
            assert!(bench.is_clear(), "{said}, {at}: {:?}", bench.story);
        }
    }
}

#[test]
fn an_emergency_that_every_carrier_refuses_is_refused() {
    for (first_says, second_says) in [(503, 486), (603, 486), (486, 603)] {
        let mut bench = calls(PHONE, emergency("wide", "two"));
        let first = bench.phone_dialog;
        bench.pass(Duration::from_secs(11));
        let second = bench.phone_dialog;
        bench.phone_dialog = first;
        refuse(&mut bench, Reply::new(StatusCode(first_says)));
        assert_eq!(bench.refusal(), None, "{first_says}");
        bench.phone_dialog = second;
        refuse(&mut bench, Reply::new(StatusCode(second_says)));
        assert!(bench.refusal().is_some(), "{first_says} and {second_says}");
        bench.pass(Duration::from_secs(40));
        assert!(bench.is_clear(), "{:?}", bench.story);
    }
}

#[test]
fn an_emergency_goes_on_after_any_failure() {
    for status in [302, 403, 404, 480, 482, 483, 484, 486, 503, 600, 603, 604] {
        let mut bench = calls(PHONE, emergency("wide", "two"));
        refuse(&mut bench, Reply::new(StatusCode(status)));
        assert_eq!(attempts(&bench).len(), 2, "{status}");
    }
}

#[test]
fn an_emergency_goes_on_after_a_failure_of_audio() {
    let mut bench = calls(PHONE, emergency("wide", "two"));
    bench.phone_answers_with(OTHER_CODEC);
    assert_eq!(attempts(&bench).len(), 2, "{:?}", bench.story);
    bench.phone_answers();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })), "{:?}", bench.story);
    assert_eq!(bench.refusal(), None);
    // Media that cannot take the audio of any leg is asked for each trunk.
    let mut bench = Bench::new();
    bench.dial("112", PHONE);
    bench.media_rejects = Some(StatusCode::SERVER_INTERNAL_ERROR);
    bench.plan(emergency("wide", "two"));
    assert_eq!(bench.media_dialogs.len(), 2, "{:?}", bench.story);
    assert!(bench.refusal().is_some());
}

#[test]
fn an_emergency_is_tried_last_by_a_carrier_that_is_known_to_be_away() {
    let is_away = || Reply::new(StatusCode::SERVICE_UNAVAILABLE).header(ELSEWHERE, "1");
    let may_be_put_off =
        |bench: &Bench| invites(bench).last().is_some_and(|(invite, _)| invite.header(&ELSEWHERE).is_some());
    let mut bench = calls(PHONE, emergency("wide", "two"));
    for _ in 0..2 {
        assert!(may_be_put_off(&bench), "{:?}", bench.story);
        refuse(&mut bench, is_away());
    }
    for _ in 0..2 {
        assert!(!may_be_put_off(&bench), "nobody is put off twice");
        refuse(&mut bench, Reply::new(StatusCode::SERVICE_UNAVAILABLE));
    }
    let at = |trunk: &str| (format!("{trunk}.example:5060"), false);
    assert_eq!(attempts(&bench), ["wide", "two", "wide", "two"].map(at));
    assert!(bench.refusal().is_some());
}

/// 7101, which talks, consults about the emergency.
fn consults(bench: &mut Bench, conn_id: ConnId) {
    let help = Dn::parse("112").expect("a DN");
    let consult = request(conn_id, "7101", |id| RequestKind::InitiateTransfer(id, help.clone(), UserData::new()));
    bench.node.request(consult, bench.now).expect("the call is here");
    bench.run();
    bench.plan(emergency("located", "located-too"));
}

#[test]
fn a_carrier_whose_call_was_cancelled_sooner_is_told_again() {
    let (mut bench, conn_id) = talking();
    consults(&mut bench, conn_id);
    bench.pass(Duration::from_millis(300));
    let further = bench.node.table().get(&conn_id).and_then(|entry| entry.thread.calls().nth(1));
    let consultation = further.expect("a consultation").conn_id;
    let reconnect = request(conn_id, "7101", |id| RequestKind::ReconnectCall(consultation, id));
    bench.node.request(reconnect, bench.now).expect("the call is here");
    bench.run();
    consults(&mut bench, conn_id);
    let one = "located.example:5060".to_owned();
    assert_eq!(attempts(&bench)[1..], [(one.clone(), true), (one, true)], "who changes his mind has not waited");
}

#[test]
fn the_last_attempt_is_without_the_location_while_the_one_before_is_silent() {
    let mut bench = calls(PHONE, emergency("located", "located-too"));
    let first = bench.phone_dialog;
    bench.pass(Duration::from_secs(11));
    bench.phone_dialog = first;
    refuse(&mut bench, Reply::new(StatusCode::SERVICE_UNAVAILABLE));
    let (one, two) = ("located.example:5060".to_owned(), "located-too.example:5060".to_owned());
    let third = (two.clone(), false);
    assert_eq!(attempts(&bench), [(one, true), (two, true), third], "there is no other attempt without");
}
