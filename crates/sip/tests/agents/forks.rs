//! Responses of several forks, route sets, and peers that forgot the dialog.

use std::time::Duration;

use sip::agent::{Body, Event, Provisionals, Release, Session};
use sip::header::HeaderName;
use sip::{Message, Method, StatusCode};

use crate::pair::{ALICE, BOB, Pair, Wire};

/// A response of one fork to Alice's INVITE, behind a proxy of its own.
fn from_fork(pair: &Pair, status: u16, fork: &str, session: Option<&'static str>) -> Message {
    let invite = &pair.peers[0].sent[0].1;
    let mut response = Message::response_to(invite, StatusCode(status))
        .to_tag(fork)
        .header(&HeaderName::RecordRoute, format_args!("<sip:near.{fork}.example.com;lr>"))
        .header(&HeaderName::RecordRoute, "<sip:edge.example.com;lr>")
        .header(&HeaderName::Contact, format_args!("<sip:{fork}@192.0.2.20>"));
    if let Some(session) = session {
        response = response.body("application/sdp", session);
    }
    Message::parse(response.build().to_bytes()).expect("we read what we build")
}

fn answer(pair: &mut Pair, response: Message) {
    let (now, flow) = (pair.now(), pair.wire.flow_to(BOB));
    pair.agent(ALICE).receive(response, flow, now);
    pair.drain();
}

#[test]
fn the_first_fork_that_answers_wins_and_the_others_are_acked_and_byed() {
    let mut pair = Pair::perfect(Wire::Udp);
    let alice = pair.invite(Some("offer"), Provisionals::Plain);
    pair.net.cut(BOB);
    pair.drain();
    for (status, fork, session) in
        [(180, "b", None), (183, "c", Some("preview")), (200, "c", Some("answer")), (200, "b", Some("late"))]
    {
        let response = from_fork(&pair, status, fork, session);
        answer(&mut pair, response);
    }
    assert!(matches!(
        pair.events(ALICE),
        [
            Event::Progress { fork: 0, session: Session::Nothing, .. },
            Event::Progress { fork: 1, session: Session::Preview(_), .. },
            Event::Answered { session: Session::Answer(_), .. },
        ]
    ));
    let sent: Vec<(Method, String)> = pair.peers[0]
        .sent
        .iter()
        .skip(1)
        .map(|(_, m)| (m.method(), m.request_uri().unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(
        sent,
        [
            (Method::Ack, "sip:c@192.0.2.20".to_owned()),
            (Method::Ack, "sip:b@192.0.2.20".to_owned()),
            (Method::Bye, "sip:b@192.0.2.20".to_owned()),
        ]
    );
    let bye = &pair.peers[0].sent[3].1;
    let routes: Vec<&str> = bye.elements(&HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:edge.example.com;lr>", "<sip:near.b.example.com;lr>"], "reversed (§12.1.2)");
    assert_eq!(&*pair.agent(ALICE).leg(alice).expect("it stands").dialog.remote_tag, "c");
}

#[test]
fn a_repeated_2xx_is_acknowledged_again_by_the_same_bytes() {
    let mut pair = Pair::perfect(Wire::Udp);
    pair.invite(Some("offer"), Provisionals::Plain);
    pair.net.cut(BOB);
    pair.drain();
    for _ in 0..3 {
        let response = from_fork(&pair, 200, "b", Some("answer"));
        answer(&mut pair, response);
    }
    let acks: Vec<_> = pair.peers[0].sent.iter().skip(1).map(|(_, m)| m.to_bytes()).collect();
    assert_eq!((acks.len(), &acks[0]), (3, &acks[2]));
    assert_eq!(pair.events(ALICE).len(), 1);
}

#[test]
fn a_2xx_without_the_answer_is_acked_and_byed() {
    let mut pair = Pair::perfect(Wire::Udp);
    pair.invite(Some("offer"), Provisionals::Plain);
    pair.net.cut(BOB);
    pair.drain();
    let response = from_fork(&pair, 200, "b", None);
    answer(&mut pair, response);
    assert_eq!((pair.requests(ALICE, Method::Ack), pair.requests(ALICE, Method::Bye)), (1, 1));
    assert!(matches!(pair.events(ALICE), [Event::Failed { status: StatusCode::NOT_ACCEPTABLE_HERE, .. }]));
}

#[test]
fn a_strict_router_gets_the_request_uri_and_the_target_becomes_the_last_route() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, _) = pair.call();
    let mut dialog = pair.agent(ALICE).leg(alice).expect("it stands").dialog.clone();
    dialog.routes = ["<sip:strict.example.com>".into(), "<sip:loose.example.com;lr>".into()].into();
    let bye = dialog.request(Method::Bye, "SIP/2.0/UDP a.example.com;branch=z9hG4bKs").build();
    assert_eq!(bye.request_uri(), Some("sip:strict.example.com"));
    let routes: Vec<&str> = bye.elements(&HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:loose.example.com;lr>", "<sip:bob-tag@bob.example.com>"]);
}

#[test]
fn a_peer_that_forgot_the_dialog_ends_it() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, _) = pair.call();
    pair.peers[1].agent = Pair::perfect(Wire::Udp).peers.into_iter().nth(1).expect("Bob").agent;
    let now = pair.now();
    pair.agent(ALICE).info(alice, Body::new("text/plain", "5"), Vec::new(), now).expect("it stands");
    pair.run(Duration::from_secs(1));
    assert!(matches!(
        pair.events(ALICE).last(),
        Some(Event::Released { reason: Release::Gone(StatusCode::CALL_DOES_NOT_EXIST), .. })
    ));
}
