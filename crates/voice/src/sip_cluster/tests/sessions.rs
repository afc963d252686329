//! Sessions that come late, and descriptions without usable audio.

use std::time::Duration;

use bytes::Bytes;
use ivr::msml::Command;
use model::plan::{Destination, Service};
use model::request::{RequestKind, RouteTo, Treatment};
use model::{ConnId, Dn};
use sip::agent::{DialogTerms, Event, Invite, LocalIdentity, Provisionals, Reply, Session};
use sip::{ConnectionId, Flow, StatusCode};

use super::bench::{Bench, EDGE, MEDIA_SDP, PHONE_SDP, Peer, phone, point};
use super::calls::request;

const G729: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
const NO_AUDIO: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\n";
const NO_VERSION: &str = "o=- 1 1 IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 0\r\n";

fn dial(bench: &mut Bench, number: &str, offer: Option<&'static str>) {
    let headers = vec![
        (sip::proxy::headers::TENANT, "t1".to_owned()),
        (sip::proxy::headers::SOURCE, "trunk;name=carrier".to_owned()),
    ];
    let invite = Invite {
        flow: Flow::Stream { connection: ConnectionId(1) },
        target: format!("sip:{number}@{EDGE}"),
        from: "<sip:+4930123456@example.com>".to_owned(),
        to: format!("<sip:{number}@{EDGE}>"),
        call_id: "caller-1".to_owned(),
        local: LocalIdentity { tag: "caller".to_owned(), contact: "<sip:ann@192.0.2.9>".to_owned() },
        routes: Vec::new(),
        headers,
        offer: offer.map(Bytes::from),
        max_forwards: sip::dialog::MAX_FORWARDS,
        parts: Vec::new(),
        provisionals: Provisionals::Plain,
        account: None,
        terms: DialogTerms::default(),
    };
    let now = bench.now;
    bench.caller_dialog = Some(bench.agent(Peer::Caller).invite(invite, now).expect("an INVITE"));
    bench.run();
}

fn acknowledge(bench: &mut Bench, answer: &'static str) {
    let (dialog, now) = (bench.caller_dialog.expect("a dialog"), bench.now);
    bench.agent(Peer::Caller).ack(dialog, answer.into(), now).expect("an offer to answer");
    bench.run();
}

fn route_to_phone(bench: &mut Bench, conn_id: ConnId) {
    let route = request(conn_id, "9000", |id| {
        RequestKind::RouteCall(id, RouteTo::Dn { dn: Dn::parse("7101").expect("a DN"), agent: None })
    });
    bench.node.request(route, bench.now).expect("the call is here");
    bench.run();
    bench.plan(phone(15_000));
}

fn phone_answers_with(bench: &mut Bench, reply: Reply) {
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Phone).answer(dialog, reply, now).expect("a dialog");
    bench.run();
}

#[test]
fn a_service_begins_when_the_ack_has_brought_the_callers_answer() {
    for (number, service) in [
        ("+15550103", Service::Echo),
        ("+15550104", Service::Announcement { prompts: vec!["announcement".to_owned()] }),
    ] {
        let mut bench = Bench::new();
        dial(&mut bench, number, None);
        bench.plan(Destination::Service(service.clone()));
        let offered = |event: &Event| matches!(event, Event::Answered { session: Session::Offer(sdp), .. } if sdp == MEDIA_SDP.as_bytes());
        assert!(bench.saw(Peer::Caller, offered));
        assert!(bench.played.is_empty(), "media has no stream yet: {:?}", bench.played);
        acknowledge(&mut bench, PHONE_SDP);
        let dialog = bench.media_dialogs[0];
        let remote = bench.agent(Peer::Media).leg(dialog).expect("a dialog").offer_answer.remote().cloned();
        assert_eq!(remote.as_deref(), Some(PHONE_SDP.as_bytes()), "media has the caller's answer");
        match service {
            Service::Echo => assert!(matches!(bench.played.as_slice(), [(_, Command::Echo { .. })])),
            Service::Announcement { .. } => {
                assert!(matches!(bench.played.as_slice(), [(_, Command::DialogStart { .. })]));
            }
        }
        bench.bye(Peer::Caller);
        assert!(bench.is_clear());
    }
}

#[test]
fn a_caller_whose_late_answer_is_unusable_is_released() {
    for answer in [G729, NO_AUDIO, "xx"] {
        let mut bench = Bench::new();
        dial(&mut bench, "+15550103", None);
        bench.plan(Destination::Service(Service::Echo));
        acknowledge(&mut bench, answer);
        assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Released { .. })), "{answer}");
        assert!(bench.played.is_empty());
        assert!(bench.is_clear(), "{answer}");
    }
}

#[test]
fn a_phone_whose_answer_has_no_usable_audio_is_let_go_and_the_call_waits_again() {
    for answer in [G729, NO_AUDIO, "xx"] {
        let mut bench = Bench::new();
        let conn_id = bench.call("9000", point());
        route_to_phone(&mut bench, conn_id);
        bench.phone_rings();
        phone_answers_with(&mut bench, Reply::session(answer));
        assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Acknowledged { .. })), "{answer}");
        assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Released { .. })), "{answer}");
        assert_eq!(bench.agent(Peer::Phone).dialogs(), 0);
        assert!(!bench.story.contains(&"Established@7101".to_owned()), "{:?}", bench.story);
        assert_eq!(bench.story.last().map(String::as_str), Some("RouteRequest@9000"), "{:?}", bench.story);
        route_to_phone(&mut bench, conn_id);
        bench.phone_rings();
        bench.phone_answers();
        assert_eq!(bench.story.last().map(String::as_str), Some("Established@7101"));
        bench.bye(Peer::Caller);
        assert!(bench.is_clear(), "{answer}");
    }
}

#[test]
fn an_offer_that_cannot_become_audio_is_refused_before_anybody_is_asked() {
    for (offer, status) in [("xx", 400), (NO_VERSION, 400), ("v=0\r\n", 400), (NO_AUDIO, 488), (G729, 488)] {
        let mut bench = Bench::new();
        dial(&mut bench, "+15550103", Some(offer));
        let refused =
            |event: &Event| matches!(event, Event::Failed { status: StatusCode(code), .. } if *code == status);
        assert!(bench.saw(Peer::Caller, refused), "{offer}: {:?}", bench.seen);
        assert!(bench.orders.is_empty() && bench.writes.is_empty());
        assert_eq!(bench.node.calls(), 0);
    }
}

/// A call that waits with music, and its record.
fn hears_music() -> (Bench, ConnId) {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", point());
    let music = Treatment::Music { resource: "music".to_owned(), duration_ms: None };
    let music = request(conn_id, "9000", |id| RequestKind::ApplyTreatment(id, music.clone(), None));
    bench.node.request(music, bench.now).expect("the call is here");
    bench.run();
    assert!(matches!(bench.played.last(), Some((_, Command::DialogStart { .. }))));
    (bench, conn_id)
}

/// Ends it.
fn ends_music(bench: &mut Bench, conn_id: ConnId) {
    let id = bench.node.table().get(&conn_id).expect("a call").thread.first().playing.first().expect("music").id;
    bench.node.stop_treatment(conn_id, call::call::CALLER_LEG, id, bench.now);
    bench.node.mark(conn_id);
    bench.run();
}

fn has_ended(bench: &Bench) -> bool {
    matches!(bench.played.last(), Some((_, Command::DialogEnd { .. })))
}

#[test]
fn media_is_told_by_another_proxy_while_one_is_away() {
    let (mut bench, conn_id) = hears_music();
    bench.node.link_up(ConnectionId(9), "192.0.2.2:5060", bench.now);
    bench.proxy_goes(Some(ConnectionId(9)));
    ends_music(&mut bench, conn_id);
    assert!(has_ended(&bench));
}

#[test]
fn music_whose_end_media_could_not_be_told_ends_when_it_can() {
    let (mut bench, conn_id) = hears_music();
    bench.proxy_goes(None);
    ends_music(&mut bench, conn_id);
    // Longer than any request waits for a proxy.
    bench.pass(Duration::from_secs(20));
    assert!(!has_ended(&bench));
    bench.proxy_returns();
    bench.pass(Duration::from_secs(3));
    assert!(has_ended(&bench));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear() && bench.node.pending().stops() == 0);
}
