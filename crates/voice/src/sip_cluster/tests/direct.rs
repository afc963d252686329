//! Audio that goes directly between a carrier and a phone, and comes to media once something needs it there.

use std::time::Duration;

use bytes::Bytes;
use ivr::msml::Command;
use model::request::{RequestKind, RouteTo, Treatment};
use model::{ConnId, Dn};
use sip::agent::{DialogId, Event, Session};
use sip::{ConnectionId, StatusCode};

use super::bench::{Bench, MEDIA_SDP, PHONE_SDP, Peer, phone, point};
use super::calls::request;
use super::restart::restart;

/// The session of the phone; the caller's is `PHONE_SDP`.
pub const ANSWER: &str =
    "v=0\r\no=- 9 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4400 RTP/AVP 0\r\n";

fn dials(number: &str) -> Bench {
    let mut bench = Bench::new();
    bench.dial(number, "trunk;name=straight");
    bench
}

fn talking() -> (Bench, ConnId) {
    let mut bench = dials("7101");
    let conn_id = bench.plan(phone(15_000));
    bench.phone_rings();
    bench.phone_answers_with(ANSWER);
    (bench, conn_id)
}

/// The sessions with which the caller was answered.
fn answers(bench: &Bench) -> Vec<Bytes> {
    let of = |(peer, event): &(Peer, Event)| match (peer, event) {
        (Peer::Caller, Event::Answered { session: Session::Answer(sdp), .. }) => Some(sdp.clone()),
        _ => None,
    };
    bench.seen.iter().filter_map(of).collect()
}

/// What a party is offered in its dialog and has not answered.
fn offered(bench: &mut Bench, peer: Peer) -> Option<(DialogId, Bytes)> {
    let of = |(who, event): &(Peer, Event)| match event {
        Event::Offered { dialog, offer, .. } if *who == peer => Some((*dialog, offer.clone())),
        _ => None,
    };
    let last = bench.seen.iter().rev().find_map(of);
    let open = |(dialog, _): &(DialogId, Bytes)| {
        bench
            .peers
            .get(&peer)
            .and_then(|agent| agent.leg(*dialog))
            .is_some_and(|leg| leg.offer_answer.offered_by_peer().is_some())
    };
    last.filter(open)
}

/// The party answers media's session with its own.
fn comes_to_media(bench: &mut Bench, peer: Peer, own: &'static str) {
    let (dialog, offer) = offered(bench, peer).expect("an offer");
    let text = String::from_utf8_lossy(&offer).into_owned();
    assert!(text.contains("192.0.2.5") && text.contains("m=audio 6000"), "media's session: {text}");
    let now = bench.now;
    bench.agent(peer).accept_offer(dialog, own.into(), now).expect("an offer");
    bench.run();
}

fn plays(bench: &Bench) -> usize {
    bench.played.iter().filter(|(_, command)| matches!(command, Command::DialogStart { .. })).count()
}

#[test]
fn each_gets_the_session_of_the_other_and_media_has_no_part() {
    let (mut bench, _) = talking();
    let rung_with = |(peer, event): &(Peer, Event)| match (peer, event) {
        (Peer::Phone, Event::Incoming { request, .. }) => Some(request.body().to_vec()),
        _ => None,
    };
    assert_eq!(bench.seen.iter().find_map(rung_with).as_deref(), Some(PHONE_SDP.as_bytes()));
    assert_eq!(answers(&bench), [ANSWER]);
    assert_eq!(bench.media_dialogs.len(), 0);
    bench.bye(Peer::Phone);
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Released { .. })));
    assert!(bench.is_clear());
}

#[test]
fn one_party_that_is_not_set_so_leads_through_media() {
    let mut bench = Bench::new();
    bench.call("7101", phone(15_000));
    bench.phone_answers_with(ANSWER);
    assert_eq!((bench.media_dialogs.len(), answers(&bench)), (2, vec![Bytes::from(MEDIA_SDP)]));
}

/// The phone holds: both come to media, the caller hears music. `between` comes after each step.
fn holds(mut between: impl FnMut(&mut Bench, ConnId, usize)) -> Bench {
    let (mut bench, conn_id) = talking();
    between(&mut bench, conn_id, 0);
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    let hold = format!("{ANSWER}a=sendonly\r\n").replace("o=- 9 1", "o=- 9 2");
    bench.agent(Peer::Phone).reinvite(dialog, Some(hold.into()), Vec::new(), now).expect("a dialog");
    bench.run();
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Renegotiated { .. })), "media answers its offer");
    between(&mut bench, conn_id, 1);
    assert_eq!(plays(&bench), 0, "the caller is not there yet");
    comes_to_media(&mut bench, Peer::Caller, PHONE_SDP);
    between(&mut bench, conn_id, 2);
    bench
}

#[test]
fn a_phone_that_holds_brings_both_to_media_and_the_caller_hears_music() {
    let mut bench = holds(|_, _, _| {});
    assert!(bench.story.contains(&"Held@7101".to_owned()), "{:?}", bench.story);
    assert_eq!((bench.media_dialogs.len(), plays(&bench)), (2, 1));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn they_come_to_media_after_a_restart_too() {
    for at in 0..3 {
        let mut bench = holds(|bench, conn_id, step| {
            if step == at {
                restart(bench, conn_id);
            }
        });
        assert_eq!(plays(&bench), 1, "restart after step {at}");
        bench.bye(Peer::Phone);
        assert!(bench.is_clear(), "restart after step {at}");
    }
}

#[test]
fn a_request_to_hold_waits_until_the_phone_is_at_media() {
    let (mut bench, conn_id) = talking();
    let asked = request(conn_id, "7101", RequestKind::HoldCall);
    bench.node.request(asked, bench.now).expect("a call that can be held");
    bench.run();
    comes_to_media(&mut bench, Peer::Caller, PHONE_SDP);
    comes_to_media(&mut bench, Peer::Phone, ANSWER);
    let (dialog, offer) = offered(&mut bench, Peer::Phone).expect("the request to hold");
    assert!(String::from_utf8_lossy(&offer).contains("a=inactive"));
    let now = bench.now;
    bench.agent(Peer::Phone).accept_offer(dialog, format!("{ANSWER}a=inactive\r\n").into(), now).expect("an offer");
    bench.run();
    assert!(bench.story.contains(&"Held@7101".to_owned()), "{:?}", bench.story);
    assert_eq!(plays(&bench), 1);
}

#[test]
fn an_unchanged_session_with_another_version_stays_direct() {
    let (mut bench, _) = talking();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    let again = ANSWER.replace("o=- 9 1", "o=- 9 2");
    bench.agent(Peer::Phone).reinvite(dialog, Some(again.into()), Vec::new(), now).expect("a dialog");
    bench.run();
    let answered =
        |event: &Event| matches!(event, Event::Renegotiated { answer, .. } if answer == PHONE_SDP.as_bytes());
    assert!(bench.saw(Peer::Phone, answered));
    bench.pass(std::time::Duration::from_secs(5));
    assert_eq!(bench.media_dialogs.len(), 0);
}

#[test]
fn a_phone_that_refuses_medias_session_is_asked_again_and_its_call_ends_in_the_end() {
    let (mut bench, conn_id) = talking();
    let asked = request(conn_id, "7101", RequestKind::HoldCall);
    bench.node.request(asked, bench.now).expect("a call that can be held");
    bench.run();
    let mut refused = 0;
    while let Some((dialog, _)) = offered(&mut bench, Peer::Caller) {
        let now = bench.now;
        bench.agent(Peer::Caller).refuse_offer(dialog, StatusCode(500), now).expect("an offer");
        refused += 1;
        bench.run();
        bench.pass(std::time::Duration::from_secs(3));
    }
    assert!((2..=8).contains(&refused), "{refused}");
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Released { .. })));
}

#[test]
fn the_caller_hears_the_phone_before_it_answers() {
    let mut bench = dials("7101");
    bench.plan(phone(15_000));
    bench.phone_plays_early(183, ANSWER);
    let early = |event: &Event| matches!(event, Event::Progress { session: Session::Preview(sdp), .. } if sdp == ANSWER.as_bytes());
    assert!(bench.saw(Peer::Caller, early));
    bench.phone_answers_with(ANSWER);
    assert_eq!((answers(&bench), bench.media_dialogs.len()), (vec![Bytes::from(ANSWER)], 0));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn another_session_of_the_answer_than_before_it_leads_to_media() {
    let mut bench = dials("7101");
    bench.plan(phone(15_000));
    bench.phone_plays_early(183, ANSWER);
    let other: &'static str =
        "v=0\r\no=- 9 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4500 RTP/AVP 0\r\n";
    bench.phone_answers_with(other);
    assert_eq!(answers(&bench), [ANSWER]);
    comes_to_media(&mut bench, Peer::Caller, PHONE_SDP);
    comes_to_media(&mut bench, Peer::Phone, other);
    assert_eq!(bench.media_dialogs.len(), 2);
}

#[test]
fn a_route_point_answers_with_what_it_plays() {
    let mut bench = dials("9000");
    let conn_id = bench.plan(point());
    assert_eq!((answers(&bench).len(), bench.media_dialogs.len()), (0, 0), "it waits");
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Progress { .. })), "and is told so");
    let music = Treatment::Music { resource: "music".to_owned(), duration_ms: None };
    let asked = request(conn_id, "9000", |id| RequestKind::ApplyTreatment(id, music.clone(), None));
    bench.node.request(asked, bench.now).expect("a call that waits");
    bench.run();
    assert_eq!((answers(&bench), plays(&bench)), (vec![Bytes::from(MEDIA_SDP)], 1));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn a_call_that_waits_without_a_treatment_is_answered_by_the_agent_directly() {
    let mut bench = dials("9000");
    let conn_id = bench.plan(point());
    let route = request(conn_id, "9000", |id| {
        RequestKind::RouteCall(id, RouteTo::Dn { dn: Dn::parse("7101").expect("a DN"), agent: None })
    });
    bench.node.request(route, bench.now).expect("a call that waits");
    bench.run();
    bench.plan(phone(15_000));
    restart(&mut bench, conn_id);
    bench.phone_rings();
    bench.phone_answers_with(ANSWER);
    assert_eq!((answers(&bench), bench.media_dialogs.len()), (vec![Bytes::from(ANSWER)], 0));
    assert!(bench.story.contains(&"Established@7101".to_owned()), "{:?}", bench.story);
    bench.bye(Peer::Phone);
    assert!(bench.is_clear());
}

#[test]
fn a_phone_whose_proxy_does_not_come_back_is_let_go_where_nobody_hears_it() {
    let (mut bench, _) = talking();
    bench.node.link_up(ConnectionId(9), "192.0.2.2:5060", bench.now);
    bench.mute.push(Peer::Phone);
    // The caller refreshes its session by the other proxy.
    bench.proxy_goes(Some(ConnectionId(9)));
    bench.pass(Duration::from_secs(1_750));
    assert_eq!(bench.story.last().map(String::as_str), Some("Established@7101"), "they may be talking");
    bench.pass(Duration::from_secs(80));
    assert!(bench.story.contains(&"Released@7101".to_owned()), "{:?}", bench.story);
}

#[test]
fn while_media_is_away_two_who_talk_directly_go_on_talking() {
    let (mut bench, conn_id) = talking();
    bench.media_rejects = Some(StatusCode::SERVICE_UNAVAILABLE);
    let asked = request(conn_id, "7101", RequestKind::HoldCall);
    bench.node.request(asked, bench.now).expect("a call that can be held");
    bench.run();
    for _ in 0..10 {
        bench.pass(std::time::Duration::from_secs(3));
    }
    let is_over = |event: &Event| matches!(event, Event::Released { .. });
    assert!(!bench.saw(Peer::Caller, is_over) && !bench.saw(Peer::Phone, is_over));
    bench.media_rejects = None;
    bench.pass(std::time::Duration::from_secs(3));
    comes_to_media(&mut bench, Peer::Caller, PHONE_SDP);
}

#[test]
fn a_session_whose_versions_cannot_be_counted_on_goes_to_media() {
    const LAST: &str = "v=0\r\no=- 9 18446744073709551615 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4400 RTP/AVP 0\r\n";
    let mut bench = dials("7101");
    bench.plan(phone(15_000));
    bench.phone_rings();
    bench.phone_answers_with(LAST);
    bench.pass(std::time::Duration::from_secs(3));
    assert!(answers(&bench).iter().all(|answer| answer != LAST.as_bytes()));
    assert_eq!(bench.media_dialogs.len(), 2);
}
