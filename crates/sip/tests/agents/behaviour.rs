//! One test per behaviour.

use std::time::Duration;

use bytes::Bytes;
use simnet::Conditions;
use sip::agent::{
    AgentConfig, Body, CommandError, DialogId, DialogTerms, Event, OutgoingRequest, Provisionals, Release, Reply,
    Session,
};
use sip::header::HeaderName;
use sip::{Message, Method, StatusCode};

use crate::pair::{ALICE, BOB, Pair, Wire, bob_identity};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn ended(pair: &Pair, who: u8) -> usize {
    pair.events(who).iter().filter(|e| matches!(e, Event::Failed { .. } | Event::Released { .. })).count()
}

fn assert_empty(pair: &mut Pair) {
    pair.run(200 * S);
    for who in [ALICE, BOB] {
        assert_eq!(pair.agent(who).dialogs(), 0, "dialogs of {who}");
        assert_eq!(pair.agent(who).transactions(), (0, 0), "transactions of {who}");
    }
}

#[test]
fn a_call_is_answered_acknowledged_and_released() {
    for wire in [Wire::Udp, Wire::Stream] {
        let mut pair = Pair::perfect(wire);
        let (alice, _) = pair.call();
        assert!(pair.events(ALICE).iter().any(|e| matches!(
            e, Event::Answered { session: Session::Answer(a), .. } if *a == bytes("answer"))));
        assert!(pair.events(BOB).iter().any(|e| matches!(e, Event::Acknowledged { answer: None, .. })));
        let now = pair.now();
        pair.agent(ALICE).bye(alice, Vec::new(), now).unwrap();
        pair.run(S);
        assert!(matches!(pair.events(ALICE).last(), Some(Event::Released { reason: Release::ByUs, .. })));
        assert!(matches!(pair.events(BOB).last(), Some(Event::Released { reason: Release::ByPeer(_), .. })));
        assert_empty(&mut pair);
        assert_eq!((pair.requests(ALICE, Method::Invite), pair.responses(BOB, 200)), (1, 2));
    }
}

#[test]
fn a_full_table_of_transactions_ends_a_leg_that_is_left_and_refuses_what_waits_for_an_answer() {
    // The INVITE's transaction stays for a while, for repeats of its 2xx.
    let alice = AgentConfig { transactions_max: 2, ..AgentConfig::default() };
    let mut pair = Pair::with_configs(1, Wire::Stream, Conditions::STREAM, alice, AgentConfig::default());
    let (alice, _) = pair.call();
    let now = pair.now();
    let info = |pair: &mut Pair| {
        pair.agent(ALICE).info(alice, Body { content_type: "text/plain".into(), bytes: bytes("one") }, Vec::new(), now)
    };
    info(&mut pair).unwrap();
    assert!(matches!(info(&mut pair), Err(CommandError::Transaction(_))));
    pair.agent(ALICE).bye(alice, Vec::new(), now).unwrap();
    pair.run(S);
    assert!(matches!(pair.events(ALICE).last(), Some(Event::Released { reason: Release::ByUs, .. })));
    assert_eq!(pair.agent(ALICE).dialogs(), 0);
}

#[test]
fn an_offer_that_found_no_room_among_the_transactions_is_made_again_later() {
    let alice = AgentConfig { transactions_max: 1, ..AgentConfig::default() };
    let mut pair = Pair::with_configs(1, Wire::Stream, Conditions::STREAM, alice, AgentConfig::default());
    let (alice, _) = pair.call();
    let reinvite = |pair: &mut Pair| {
        let now = pair.now();
        pair.agent(ALICE).reinvite(alice, Some(bytes("hold")), Vec::new(), now)
    };
    assert!(matches!(reinvite(&mut pair), Err(CommandError::Transaction(_))));
    // The INVITE's transaction is over.
    pair.run(40 * S);
    reinvite(&mut pair).unwrap();
    pair.run(S);
    assert!(pair.events(BOB).iter().any(|e| matches!(e, Event::Offered { .. })), "{:?}", pair.events(BOB));
}

#[test]
fn an_invite_without_an_offer_is_answered_in_the_ack() {
    let mut pair = Pair::perfect(Wire::Udp);
    let alice = pair.invite(None, Provisionals::Plain);
    pair.run(100 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).answer(bob, Reply::session("offer"), now).unwrap();
    pair.run(700 * MS);
    assert!(matches!(pair.events(ALICE), [Event::Answered { session: Session::Offer(o), .. }] if *o == bytes("offer")));
    assert_eq!(pair.requests(ALICE, Method::Ack), 0);
    let now = pair.now();
    pair.agent(ALICE).ack(alice, bytes("answer"), now).unwrap();
    pair.run(S);
    assert!(pair.events(BOB).iter().any(|e| matches!(
        e, Event::Acknowledged { answer: Some(a), .. } if *a == bytes("answer"))));
    assert_eq!(pair.agent(BOB).leg(bob).unwrap().offer_answer.remote(), Some(&bytes("answer")));
}

#[test]
fn a_retransmitted_invite_is_answered_from_the_transaction() {
    let mut pair = Pair::new(5, Wire::Udp, Conditions { duplicate_per_mille: 1_000, ..Conditions::PERFECT });
    pair.invite(Some("offer"), Provisionals::Plain);
    pair.run(100 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).provisional(bob, Reply::new(StatusCode::RINGING), now).unwrap();
    pair.run(S);
    let incoming = pair.events(BOB).iter().filter(|e| matches!(e, Event::Incoming { .. })).count();
    assert_eq!(incoming, 1);
}

#[test]
fn a_late_200_after_cancel_is_acked_and_byed() {
    let mut pair = Pair::perfect(Wire::Udp);
    let alice = pair.invite(Some("offer"), Provisionals::Plain);
    pair.run(100 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).provisional(bob, Reply::new(StatusCode::RINGING), now).unwrap();
    pair.run(100 * MS);
    let now = pair.now();
    pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
    pair.agent(ALICE).cancel(alice, Vec::new(), now).unwrap();
    pair.run(S);
    assert!(matches!(pair.events(ALICE).last(), Some(Event::Released { reason: Release::ByUs, .. })));
    assert!(matches!(pair.events(BOB).last(), Some(Event::Released { reason: Release::ByPeer(_), .. })));
    assert_eq!((pair.requests(ALICE, Method::Ack), pair.requests(ALICE, Method::Bye)), (1, 1));
    assert_empty(&mut pair);
}

#[test]
fn a_cancel_waits_for_a_provisional_response_and_ends_with_487() {
    let mut pair = Pair::perfect(Wire::Udp);
    let alice = pair.invite(Some("offer"), Provisionals::Plain);
    let now = pair.now();
    pair.agent(ALICE).cancel(alice, Vec::new(), now).unwrap();
    pair.run(100 * MS);
    assert_eq!(pair.requests(ALICE, Method::Cancel), 0);
    pair.run(S); // Bob's transaction says 100 after 200 ms
    assert_eq!(pair.requests(ALICE, Method::Cancel), 1);
    assert!(matches!(pair.events(ALICE), [Event::Failed { status: StatusCode::REQUEST_TERMINATED, .. }]));
    assert!(matches!(pair.events(BOB).last(), Some(Event::Released { reason: Release::Cancelled(_), .. })));
    assert_empty(&mut pair);
}

#[test]
fn a_re_invite_that_gets_provisional_responses_alone_is_cancelled_and_the_session_stays() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, bob) = pair.call();
    let session = pair.agent(ALICE).leg(alice).unwrap().offer_answer.remote().cloned();
    let now = pair.now();
    pair.agent(ALICE).reinvite(alice, Some(bytes("offer-2")), Vec::new(), now).unwrap();
    pair.run(S); // Bob's transaction says 100 after 200 ms, and Bob nothing.
    let now = pair.now();
    pair.agent(ALICE).cancel_reinvite(alice, now);
    pair.agent(ALICE).cancel_reinvite(alice, now);
    pair.run(S);
    assert_eq!(pair.requests(ALICE, Method::Cancel), 1);
    assert_eq!(pair.agent(ALICE).leg(alice).unwrap().offer_answer.remote().cloned(), session);
    let now = pair.now();
    pair.agent(ALICE).reinvite(alice, Some(bytes("offer-3")), Vec::new(), now).unwrap();
    pair.run(100 * MS);
    let now = pair.now();
    pair.agent(BOB).accept_offer(bob, bytes("answer-3"), now).unwrap();
    pair.run(S);
    assert_eq!(pair.agent(ALICE).leg(alice).unwrap().offer_answer.remote(), Some(&bytes("answer-3")));
}

#[test]
fn a_peer_that_answers_neither_a_re_invite_nor_its_cancel_keeps_the_call() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, _) = pair.call();
    let now = pair.now();
    pair.agent(ALICE).reinvite(alice, Some(bytes("offer-2")), Vec::new(), now).unwrap();
    pair.run(S);
    pair.net.cut(BOB);
    let now = pair.now();
    pair.agent(ALICE).cancel_reinvite(alice, now);
    pair.run(40 * S);
    assert!(matches!(pair.events(ALICE).last(), Some(Event::Refused { status: StatusCode::REQUEST_TERMINATED, .. })));
    assert_eq!((pair.requests(ALICE, Method::Bye), pair.agent(ALICE).dialogs()), (0, 1));
}

#[test]
fn re_invites_that_meet_get_491_and_both_succeed_in_the_end() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, bob) = pair.call();
    let now = pair.now();
    pair.agent(ALICE).reinvite(alice, Some(bytes("offer-2")), Vec::new(), now).unwrap();
    pair.agent(BOB).reinvite(bob, Some(bytes("offer-3")), Vec::new(), now).unwrap();
    let mut offered_again = [0; 2];
    for _ in 0..100 {
        pair.run(100 * MS);
        for (who, id) in [(ALICE, alice), (BOB, bob)] {
            let now = pair.now();
            let _ = pair.agent(who).accept_offer(id, bytes("answer-x"), now);
            let over = pair.events(who).iter().filter(|e| matches!(e, Event::GlareOver { .. })).count();
            if over > offered_again[usize::from(who)] {
                offered_again[usize::from(who)] = over;
                pair.agent(who).reinvite(id, Some(bytes("offer-4")), Vec::new(), now).unwrap();
            }
        }
    }
    assert_eq!((pair.responses(ALICE, 491), pair.responses(BOB, 491)), (1, 1));
    assert_eq!(offered_again, [1, 1], "each side is told once that it may offer again");
    for who in [ALICE, BOB] {
        assert!(pair.events(who).iter().any(|e| matches!(e, Event::Renegotiated { .. })), "{who} succeeded");
    }
}

#[test]
fn a_required_reliable_provisional_is_repeated_until_its_prack_and_holds_back_the_answer() {
    let mut pair = Pair::perfect(Wire::Udp);
    let invite = sip::agent::Invite {
        headers: vec![(HeaderName::Require, "100rel".into())],
        ..crate::pair::invite(Wire::Udp, Some("offer"), Provisionals::Reliable)
    };
    let now = pair.now();
    pair.agent(ALICE).invite(invite, now).unwrap();
    pair.run(100 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    let progress = Reply::new(StatusCode::SESSION_PROGRESS).body(Body::sdp("answer"));
    pair.agent(BOB).provisional(bob, progress, now).unwrap();
    pair.agent(BOB).answer(bob, Reply::new(StatusCode::OK), now).unwrap();
    assert_eq!(pair.responses(BOB, 200), 0);
    pair.run(S);
    assert_eq!(pair.requests(ALICE, Method::Prack), 1);
    assert!(pair.events(ALICE).iter().any(|e| matches!(e, Event::Progress { session: Session::Answer(_), .. })));
    assert!(pair.events(ALICE).iter().any(|e| matches!(e, Event::Answered { session: Session::Nothing, .. })));
}

#[test]
fn a_reliable_provisional_that_nobody_acknowledges_ends_the_call() {
    let mut pair = Pair::perfect(Wire::Udp);
    let invite = sip::agent::Invite {
        headers: vec![(HeaderName::Require, "100rel".into())],
        ..crate::pair::invite(Wire::Udp, Some("offer"), Provisionals::Plain)
    };
    let now = pair.now();
    pair.agent(ALICE).invite(invite, now).unwrap();
    pair.run(100 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).provisional(bob, Reply::new(StatusCode::RINGING), now).unwrap();
    pair.run(40 * S);
    // 0.5 s doubled without an upper limit: at 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s after the first.
    assert_eq!(pair.responses(BOB, 180), 7);
    assert!(matches!(pair.events(BOB).last(), Some(Event::Released { reason: Release::Unacknowledged, .. })));
    assert!(matches!(pair.events(ALICE).last(), Some(Event::Failed { status: StatusCode::SERVER_TIMEOUT, .. })));
    assert_empty(&mut pair);
}

fn with_session_timer() -> AgentConfig {
    AgentConfig { session_expires_s: Some(120), ..AgentConfig::default() }
}

#[test]
fn a_session_is_refreshed_at_half_its_interval_and_stays() {
    let mut pair = Pair::with_configs(1, Wire::Udp, Conditions::PERFECT, with_session_timer(), AgentConfig::default());
    let (alice, bob) = pair.call();
    pair.run(300 * S);
    let refreshes = pair.events(ALICE).iter().filter(|e| matches!(e, Event::Refreshed { .. })).count();
    assert_eq!(refreshes, 5);
    assert_eq!(pair.requests(ALICE, Method::Update), 5);
    assert_eq!((ended(&pair, ALICE), ended(&pair, BOB)), (0, 0));
    assert!(pair.agent(ALICE).leg(alice).is_some() && pair.agent(BOB).leg(bob).is_some());
}

#[test]
fn a_dialog_may_have_a_session_interval_of_its_own() {
    let mut pair = Pair::with_configs(1, Wire::Udp, Conditions::PERFECT, with_session_timer(), with_session_timer());
    let of = |seconds| DialogTerms { session_expires_s: Some(seconds), ..DialogTerms::default() };
    let invite =
        sip::agent::Invite { terms: of(300), ..crate::pair::invite(Wire::Udp, Some("offer"), Provisionals::Plain) };
    let now = pair.now();
    let alice = pair.agent(ALICE).invite(invite, now).unwrap();
    pair.run(100 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).set_terms(bob, of(200));
    pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
    pair.run(S);
    let interval = |pair: &mut Pair, who, dialog| pair.agent(who).leg(dialog).unwrap().session.interval_s;
    // Both agents have 120 for all other dialogs.
    assert_eq!((interval(&mut pair, ALICE, alice), interval(&mut pair, BOB, bob)), (200, 200));
    pair.run(150 * S);
    assert!(pair.events(ALICE).iter().any(|e| matches!(e, Event::Refreshed { .. })));
    assert_eq!(interval(&mut pair, ALICE, alice), 200);
}

#[test]
fn a_session_whose_refreshes_stop_ends_on_both_sides() {
    let mut pair = Pair::with_configs(1, Wire::Udp, Conditions::PERFECT, with_session_timer(), AgentConfig::default());
    pair.call();
    pair.net.cut(ALICE);
    pair.run(200 * S);
    assert!(matches!(
        pair.events(ALICE).last(),
        Some(Event::Released { reason: Release::Gone(StatusCode::REQUEST_TIMEOUT), .. })
    ));
    assert!(matches!(pair.events(BOB).last(), Some(Event::Released { reason: Release::Expired, .. })));
    assert_empty(&mut pair);
}

#[test]
fn a_session_interval_that_is_too_small_is_raised_by_422() {
    let strict = AgentConfig { min_se_s: 300, ..AgentConfig::default() };
    let mut pair = Pair::with_configs(1, Wire::Udp, Conditions::PERFECT, with_session_timer(), strict);
    let (alice, _) = pair.call();
    assert_eq!(pair.responses(BOB, 422), 1);
    assert_eq!(pair.agent(ALICE).leg(alice).unwrap().session.interval_s, 300);
}

#[test]
fn a_re_invite_that_changes_nothing_is_answered_with_the_stored_session() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, _) = pair.call();
    let now = pair.now();
    pair.agent(ALICE).reinvite(alice, Some(bytes("offer")), Vec::new(), now).unwrap();
    pair.run(S);
    assert!(pair.events(BOB).iter().any(|e| matches!(e, Event::Refreshed { .. })));
    assert!(!pair.events(BOB).iter().any(|e| matches!(e, Event::Offered { .. })));
    assert!(
        pair.events(ALICE)
            .iter()
            .any(|e| matches!(e, Event::Renegotiated { answer, .. } if *answer == bytes("answer")))
    );
}

#[test]
fn a_bye_before_the_ack_waits_for_it() {
    let mut pair = Pair::perfect(Wire::Udp);
    pair.invite(None, Provisionals::Plain);
    pair.run(100 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).answer(bob, Reply::session("offer"), now).unwrap();
    pair.agent(BOB).bye(bob, Vec::new(), now).unwrap();
    pair.run(10 * S);
    assert_eq!(pair.requests(BOB, Method::Bye), 0);
    pair.run(30 * S);
    assert_eq!(pair.requests(BOB, Method::Bye), 1);
    assert_eq!((ended(&pair, ALICE), ended(&pair, BOB)), (1, 1));
    assert_empty(&mut pair);
}

#[test]
fn info_and_options_are_answered_and_a_refer_is_passed_on_and_reported_about() {
    let mut pair = Pair::perfect(Wire::Stream);
    let (alice, bob) = pair.call();
    let now = pair.now();
    pair.agent(ALICE).info(alice, Body::new("application/msml+xml", "<msml/>"), Vec::new(), now).unwrap();
    pair.agent(ALICE).options(alice, Vec::new(), now).unwrap();
    pair.run(100 * MS);
    let request = pair.events(BOB).iter().find_map(|e| match e {
        Event::Info { request, message, .. } if message.body() == b"<msml/>" => Some(*request),
        _ => None,
    });
    let now = pair.now();
    pair.agent(BOB).respond(request.expect("Bob was told"), Reply::new(StatusCode::OK), now).unwrap();
    pair.run(100 * MS);
    let responded = |e: &&Event| matches!(e, Event::Responded { status: StatusCode::OK, dialog: Some(_), .. });
    assert_eq!(pair.events(ALICE).iter().filter(responded).count(), 2);

    let dialog = &pair.agent(ALICE).leg(alice).unwrap().dialog;
    let mut refer = dialog.clone();
    let refer = refer.request(Method::Refer, "SIP/2.0/TCP alice.example.com;branch=z9hG4bKrefer").build();
    let (now, flow) = (pair.now(), pair.wire.flow_to(ALICE));
    pair.agent(BOB).receive(refer, flow, now);
    pair.drain();
    let referred = pair.events(BOB).iter().find_map(|e| match e {
        Event::Referred { dialog, request, .. } => Some((*dialog, *request)),
        _ => None,
    });
    let ((dialog, request), now) = (referred.expect("Bob was told"), pair.now());
    pair.agent(BOB).respond(request, Reply::new(StatusCode::ACCEPTED), now).unwrap();
    let body = Body::new("message/sipfrag;version=2.0", "SIP/2.0 200 OK\r\n");
    let headers = vec![(HeaderName::Event, "refer".to_owned())];
    pair.agent(BOB).notify(dialog, body, headers, now).unwrap();
    pair.drain();
    let notify = &pair.peers[1].sent.last().unwrap().1;
    assert_eq!(
        (pair.responses(BOB, 202), notify.method(), notify.body()),
        (1, Method::Notify, &b"SIP/2.0 200 OK\r\n"[..])
    );
    assert!(pair.agent(BOB).leg(bob).is_some());
}

#[test]
fn who_refers_is_told_how_it_goes_and_nobody_else_may_notify() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, bob) = pair.call();
    let headers = || vec![(HeaderName::Event, "refer".to_owned())];
    let frag = || Body::new("message/sipfrag;version=2.0", "SIP/2.0 200 OK\r\n");
    let now = pair.now();
    pair.agent(BOB).notify(bob, frag(), headers(), now).unwrap();
    pair.run(100 * MS);
    assert_eq!(pair.responses(ALICE, 405), 1, "nothing was referred yet");
    let now = pair.now();
    let to = vec![(HeaderName::ReferTo, "<sip:carol@example.com>".to_owned())];
    pair.agent(ALICE).refer(alice, to, now).unwrap();
    pair.run(100 * MS);
    let request = pair.events(BOB).iter().find_map(|e| match e {
        Event::Referred { request, message, .. } if message.addresses(HeaderName::ReferTo).next().is_some() => {
            Some(*request)
        }
        _ => None,
    });
    let now = pair.now();
    pair.agent(BOB).respond(request.expect("Bob was asked"), Reply::new(StatusCode::ACCEPTED), now).unwrap();
    pair.agent(BOB).notify(bob, frag(), headers(), now).unwrap();
    pair.run(100 * MS);
    let accepted = |e: &Event| matches!(e, Event::Responded { status: StatusCode::ACCEPTED, dialog: Some(_), .. });
    assert!(pair.events(ALICE).iter().any(accepted));
    let told = |e: &Event| matches!(e, Event::Notified { message, .. } if message.body() == b"SIP/2.0 200 OK\r\n");
    assert!(pair.events(ALICE).iter().any(told));
    assert!(pair.agent(ALICE).leg(alice).is_some() && pair.agent(BOB).leg(bob).is_some());
}

#[test]
fn an_update_with_an_offer_is_accepted_or_refused() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, bob) = pair.call();
    let now = pair.now();
    pair.agent(ALICE).update(alice, Some(bytes("offer-2")), Vec::new(), now).unwrap();
    pair.run(100 * MS);
    let now = pair.now();
    pair.agent(BOB).accept_offer(bob, bytes("answer-2"), now).unwrap();
    pair.run(100 * MS);
    assert!(
        matches!(pair.events(ALICE).last(), Some(Event::Renegotiated { answer, .. }) if *answer == bytes("answer-2"))
    );
    let now = pair.now();
    pair.agent(BOB).update(bob, Some(bytes("offer-3")), Vec::new(), now).unwrap();
    pair.run(100 * MS);
    let now = pair.now();
    pair.agent(ALICE).refuse_offer(alice, StatusCode::NOT_ACCEPTABLE_HERE, now).unwrap();
    pair.run(100 * MS);
    assert!(matches!(pair.events(BOB).last(), Some(Event::Refused { status: StatusCode::NOT_ACCEPTABLE_HERE, .. })));
    assert_eq!(pair.agent(BOB).leg(bob).unwrap().offer_answer.local(), Some(&bytes("answer-2")));
}

/// Sends Bob a request from outside any dialog and returns his response.
fn probe(pair: &mut Pair, method: Method, lines: &[(HeaderName, &str)], body: Option<(&str, &'static str)>) -> Message {
    let mut request = Message::request(method.clone(), "sip:bob@bob.example.com")
        .header(&HeaderName::Via, "SIP/2.0/UDP probe.example.com;branch=z9hG4bKprobe")
        .header(&HeaderName::MaxForwards, 70)
        .header(&HeaderName::From, "<sip:probe@example.com>;tag=probe")
        .header(&HeaderName::CallId, "probe")
        .header(&HeaderName::CSeq, format_args!("7 {method}"));
    if !lines.iter().any(|(name, _)| *name == HeaderName::To) {
        request = request.header(&HeaderName::To, "<sip:bob@example.com>");
    }
    for (name, value) in lines {
        request = request.header(name, value);
    }
    if let Some((kind, body)) = body {
        request = request.body(kind, body);
    }
    let (now, flow) = (pair.now(), pair.wire.flow_to(ALICE));
    let bytes = request.build().to_bytes();
    pair.agent(BOB).receive(Message::parse(bytes).expect("we read what we build"), flow, now);
    pair.drain();
    pair.peers[1].sent.last().expect("Bob answered").1.clone()
}

#[test]
fn what_a_peer_does_wrong_gets_the_rfc_s_answer() {
    use HeaderName as H;
    let contact = (H::Contact, "<sip:probe@192.0.2.9>");
    type Probe<'a> = (Method, Vec<(H, &'a str)>, Option<(&'a str, &'static str)>, u16, Option<H>);
    let table: [Probe<'_>; 9] = [
        (Method::Invite, vec![contact.clone(), (H::Require, "teleport")], None, 420, Some(H::Unsupported)),
        (Method::Invite, vec![contact.clone()], Some(("text/plain", "x")), 415, Some(H::Accept)),
        (
            Method::Invite,
            vec![contact.clone(), (H::ContentEncoding, "gzip")],
            Some(("application/sdp", "x")),
            415,
            Some(H::AcceptEncoding),
        ),
        (Method::Invite, vec![], None, 400, None),
        (Method::Invite, vec![contact.clone(), (H::To, "<sip:bob@example.com>;tag=gone")], None, 481, None),
        (Method::Bye, vec![(H::To, "<sip:bob@example.com>;tag=gone")], None, 481, None),
        (Method::Cancel, vec![], None, 481, None),
        (Method::Subscribe, vec![contact.clone()], None, 405, Some(H::Allow)),
        (Method::Invite, vec![contact, (H::Supported, "timer"), (H::SessionExpires, "30")], None, 422, Some(H::MinSe)),
    ];
    for (method, lines, body, status, header) in table {
        let mut pair = Pair::perfect(Wire::Udp);
        let response = probe(&mut pair, method.clone(), &lines, body);
        assert_eq!(response.status().map(StatusCode::code), Some(status), "{method} {lines:?}");
        if let Some(header) = header {
            assert!(response.header(&header).is_some(), "{method} {status} lacks {header}");
        }
        assert!(response.to().unwrap().tag().is_some());
    }
}

#[test]
fn an_older_sequence_number_gets_500() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, _) = pair.call();
    let mut dialog = pair.agent(ALICE).leg(alice).unwrap().dialog.clone();
    let newer = {
        dialog.local_cseq = 9;
        dialog.request(Method::Options, "SIP/2.0/UDP a.example.com;branch=z9hG4bKn").build()
    };
    let older = {
        dialog.local_cseq = 4;
        dialog.request(Method::Options, "SIP/2.0/UDP a.example.com;branch=z9hG4bKo").build()
    };
    let (now, flow) = (pair.now(), pair.wire.flow_to(ALICE));
    pair.agent(BOB).receive(newer, flow, now);
    pair.agent(BOB).receive(older, flow, now);
    pair.drain();
    assert_eq!(pair.responses(BOB, 500), 1);
}

#[test]
fn an_invite_within_a_dialog_that_comes_twice_by_the_same_way_is_answered_twice() {
    for answered in [false, true] {
        let mut pair = Pair::perfect(Wire::Udp);
        let mut last = if answered {
            let (alice, _) = pair.call();
            let now = pair.now();
            pair.agent(ALICE).reinvite(alice, Some("hold".into()), Vec::new(), now).expect("it stands");
            pair.run(10 * MS);
            pair.peers[0].sent.last().unwrap().1.clone()
        } else {
            pair.invite(Some("offer"), Provisionals::Plain);
            pair.run(10 * MS);
            let bob = pair.incoming();
            pair.agent(BOB).identify(bob, bob_identity()).expect("identified once");
            let mut within = pair.peers[0].sent[0].1.clone();
            // The number of the first INVITE, used again.
            within.set(&HeaderName::To, "<sip:15550100@example.com>;tag=bob-tag");
            within
        };
        assert_eq!(last.method(), Method::Invite);
        last.set(&HeaderName::Via, "SIP/2.0/UDP other.example.com;branch=z9hG4bKother");
        let (now, flow) = (pair.now(), pair.wire.flow_to(ALICE));
        pair.agent(BOB).receive(last, flow, now);
        pair.drain();
        assert_eq!(pair.responses(BOB, 482), 1, "{answered}: the second one is one too many");
        let (bob, now) = (pair.incoming(), pair.now());
        if answered {
            pair.agent(BOB).accept_offer(bob, "answer".into(), now).expect("an offer");
        } else {
            pair.agent(BOB).answer(bob, sip::agent::Reply::session("answer"), now).expect("an INVITE");
        }
        pair.drain();
        let answer = &pair.peers[1].sent.last().unwrap().1;
        assert_ne!(
            answer.top_via().unwrap().branch(),
            Some("z9hG4bKother"),
            "{answered}: the first one has its answer"
        );
    }
}

#[test]
fn an_invite_that_comes_by_two_ways_is_one_call_and_a_482() {
    let mut pair = Pair::perfect(Wire::Udp);
    pair.invite(Some("offer"), Provisionals::Plain);
    pair.drain();
    let mut twin = pair.peers[0].sent[0].1.clone();
    twin.set(&HeaderName::Via, "SIP/2.0/UDP other.example.com;branch=z9hG4bKother");
    pair.run(10 * MS);
    let (now, flow) = (pair.now(), pair.wire.flow_to(ALICE));
    pair.agent(BOB).receive(twin, flow, now);
    pair.drain();
    assert_eq!(pair.responses(BOB, 482), 1);
    assert_eq!(pair.events(BOB).len(), 1);
}

#[test]
fn requests_outside_dialogs_come_up_and_are_answered() {
    let mut pair = Pair::perfect(Wire::Stream);
    let now = pair.now();
    let request = OutgoingRequest {
        flow: pair.wire.flow_to(BOB),
        method: Method::Options,
        target: "sip:bob.example.com".into(),
        from: "<sip:alice@example.com>".into(),
        to: "<sip:bob@example.com>".into(),
        call_id: "options-1".into(),
        cseq: 1,
        routes: Vec::new(),
        headers: vec![(HeaderName::other("Trunkline-Node"), "sip-cluster;node=a;epoch=1".into())],
        body: None,
    };
    let id = pair.agent(ALICE).request(request, now).unwrap();
    pair.run(10 * MS);
    let Some(Event::Request { request, .. }) = pair.events(BOB).last() else { panic!("Bob was not told") };
    let (request, now) = (*request, pair.now());
    let reply = Reply::new(StatusCode::OK).header(HeaderName::other("Trunkline-Edge"), "192.0.2.7:5060");
    pair.agent(BOB).respond(request, reply, now).unwrap();
    pair.run(10 * MS);
    let Some(Event::Responded { dialog: None, request, response: Some(response), .. }) = pair.events(ALICE).last()
    else {
        panic!("Alice was not told")
    };
    assert_eq!(*request, id);
    assert_eq!(response.header(&HeaderName::other("Trunkline-Edge")), Some("192.0.2.7:5060"));
    assert_empty(&mut pair);
}

#[test]
fn nobody_answers_and_the_invite_fails_after_32_s() {
    let mut pair = Pair::new(1, Wire::Udp, Conditions { loss_per_mille: 1_000, ..Conditions::PERFECT });
    pair.invite(Some("offer"), Provisionals::Plain);
    let begin = pair.now();
    pair.run(31 * S);
    assert_eq!(ended(&pair, ALICE), 0);
    pair.run(2 * S);
    assert!(matches!(pair.events(ALICE), [Event::Failed { status: StatusCode::REQUEST_TIMEOUT, .. }]));
    let at: Vec<u128> = pair.peers[0].sent.iter().map(|(t, _)| t.since(begin).as_millis()).collect();
    assert_eq!(at, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500], "timer A");
}

#[test]
fn a_2xx_that_nobody_acknowledges_is_repeated_by_timer_g_and_then_byed() {
    let mut pair = Pair::perfect(Wire::Udp);
    pair.invite(Some("offer"), Provisionals::Plain);
    pair.run(100 * MS);
    pair.net.cut(ALICE);
    let (bob, begin) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).answer(bob, Reply::session("answer"), begin).unwrap();
    pair.run(33 * S);
    let ok = |(_, m): &&(model::Timestamp, Message)| m.status() == Some(StatusCode::OK);
    let at: Vec<u128> = pair.peers[1].sent.iter().filter(ok).map(|(t, _)| t.since(begin).as_millis()).collect();
    assert_eq!(at, [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert!(matches!(pair.events(BOB).last(), Some(Event::Released { reason: Release::Unacknowledged, .. })));
    assert!(pair.requests(BOB, Method::Bye) > 0);
}

/// The messages an agent sends, taken by hand instead of by the network.
fn sent(pair: &mut Pair, who: u8) -> Vec<Message> {
    let bytes = std::iter::from_fn(|| pair.agent(who).poll_transmit()).map(|transmit| transmit.bytes);
    bytes.map(|bytes| Message::parse(bytes).expect("we send what we can read")).collect()
}

/// A call in which Bob lacks the ACK, and Alice's next INVITE to him.
fn invite_after_a_lost_ack(offer: Option<&'static str>, answer: &'static str) -> (Pair, DialogId, Message) {
    let mut pair = Pair::perfect(Wire::Udp);
    let alice = pair.invite(offer, Provisionals::Plain);
    pair.run(100 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).expect("identified once");
    pair.agent(BOB).answer(bob, Reply::session(answer), now).expect("answered once");
    let ok = sent(&mut pair, BOB).remove(0);
    pair.agent(ALICE).receive(ok, Wire::Udp.flow_to(BOB), now);
    if offer.is_none() {
        pair.agent(ALICE).ack(alice, bytes("answer"), now).expect("an offer is open");
    }
    assert_eq!(sent(&mut pair, ALICE).remove(0).method(), Method::Ack);
    pair.agent(ALICE).reinvite(alice, Some(bytes("offer-2")), Vec::new(), now).expect("no other offer is open");
    let invite = sent(&mut pair, ALICE).remove(0);
    (pair, bob, invite)
}

#[test]
fn the_next_invite_says_that_the_2xx_has_come_whose_ack_was_lost() {
    let (mut pair, bob, invite) = invite_after_a_lost_ack(Some("offer"), "answer");
    let now = pair.now();
    pair.agent(BOB).receive(invite, Wire::Udp.flow_to(ALICE), now);
    let events: Vec<Event> = std::iter::from_fn(|| pair.agent(BOB).poll_event()).collect();
    let [Event::Acknowledged { answer: None, .. }, Event::Offered { offer, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*offer, bytes("offer-2"));
    pair.agent(BOB).accept_offer(bob, bytes("answer-2"), now).unwrap();
    let answers: Vec<_> = sent(&mut pair, BOB).iter().filter_map(Message::status).collect();
    assert_eq!(answers, [StatusCode::OK]);
}

#[test]
fn an_invite_before_the_ack_with_the_answer_has_to_wait() {
    let (mut pair, _, invite) = invite_after_a_lost_ack(None, "offer");
    let now = pair.now();
    pair.agent(BOB).receive(invite, Wire::Udp.flow_to(ALICE), now);
    assert_eq!(sent(&mut pair, BOB).remove(0).status(), Some(StatusCode::REQUEST_PENDING));
}

#[test]
fn a_bye_that_waits_for_a_lost_ack_goes_with_the_next_invite() {
    let (mut pair, bob, invite) = invite_after_a_lost_ack(Some("offer"), "answer");
    let now = pair.now();
    pair.agent(BOB).bye(bob, Vec::new(), now).unwrap();
    assert_eq!(sent(&mut pair, BOB).len(), 0);
    pair.agent(BOB).receive(invite, Wire::Udp.flow_to(ALICE), now);
    let out = sent(&mut pair, BOB);
    assert!(out.iter().any(|message| message.is_request() && message.method() == Method::Bye), "{out:?}");
    assert!(out.iter().any(|message| message.status() == Some(StatusCode::REQUEST_PENDING)), "{out:?}");
}

#[test]
fn who_answers_before_we_have_heard_of_it_is_not_told_that_there_is_no_call() {
    let mut pair = Pair::perfect(Wire::Udp);
    let alice = pair.invite(Some("offer"), Provisionals::Plain);
    pair.run(100 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
    // The answer is lost, as when Alice's node fails; then Bob's node checks whether she is there.
    let answer = sent(&mut pair, BOB).remove(0);
    pair.agent(BOB).options(bob, Vec::new(), now).unwrap();
    pair.agent(BOB).info(bob, Body::new("application/msml+xml", "<msml/>"), Vec::new(), now).unwrap();
    for request in sent(&mut pair, BOB) {
        assert!(pair.agent(ALICE).knows(&request));
        pair.agent(ALICE).receive(request, Wire::Udp.flow_to(BOB), now);
    }
    let answers: Vec<_> = sent(&mut pair, ALICE).iter().filter_map(Message::status).collect();
    assert_eq!(answers, [StatusCode::OK, StatusCode::SERVER_INTERNAL_ERROR], "busy: it may ask again");
    pair.agent(ALICE).receive(answer, Wire::Udp.flow_to(BOB), now);
    pair.run(S);
    assert!(matches!(pair.events(ALICE).last(), Some(Event::Answered { dialog, .. }) if *dialog == alice));
    assert_eq!((ended(&pair, ALICE), ended(&pair, BOB)), (0, 0));
}

#[test]
fn an_agent_knows_its_dialogs_and_transactions_and_no_others() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (alice, _) = pair.call();
    let sent: Vec<Message> = pair.peers[0].sent.iter().map(|(_, m)| m.clone()).collect();
    assert!(sent.iter().all(|message| pair.agent(BOB).knows(message)));
    let mut bye = pair.agent(ALICE).leg(alice).unwrap().dialog.clone();
    let bye = bye.request(Method::Bye, "SIP/2.0/UDP a.example.com;branch=z9hG4bKb").build();
    assert!(pair.agent(BOB).knows(&bye));
    let mut stranger = Pair::perfect(Wire::Udp);
    assert!(sent.iter().all(|message| !stranger.agent(BOB).knows(message)));
}

#[test]
fn a_contact_with_headers_is_no_target() {
    let mut pair = Pair::perfect(Wire::Udp);
    let (_, bob) = pair.call();
    let mut again = pair.peers[0].sent[0].1.clone();
    let target = pair.agent(BOB).leg(bob).expect("it stands").dialog.remote_target.clone();
    again.set(&HeaderName::Via, "SIP/2.0/UDP other.example.com;branch=z9hG4bKother");
    again.set(&HeaderName::To, "<sip:15550100@example.com>;tag=bob-tag");
    again.set(&HeaderName::CSeq, "77 INVITE");
    again.set(&HeaderName::Contact, "<sip:a@bob.example.com?Replaces=x>");
    let (now, flow) = (pair.now(), pair.wire.flow_to(ALICE));
    pair.agent(BOB).receive(again.clone(), flow, now);
    assert_eq!(pair.agent(BOB).leg(bob).expect("it stands").dialog.remote_target, target, "the former one stays");
    again.set(&HeaderName::To, "<sip:15550100@example.com>");
    again.set(&HeaderName::CallId, "another");
    again.set(&HeaderName::Via, "SIP/2.0/UDP other.example.com;branch=z9hG4bKnew");
    pair.agent(BOB).receive(again, flow, now);
    pair.drain();
    assert_eq!(pair.responses(BOB, 400), 1, "and no call begins with it");
}

#[test]
fn a_2xx_to_an_invite_that_a_proxy_has_refused_in_its_peers_place_is_acknowledged() {
    let mut pair = Pair::perfect(Wire::Stream);
    let (alice, bob) = pair.call();
    let now = pair.now();
    pair.agent(ALICE).reinvite(alice, Some("hold".into()), Vec::new(), now).expect("it stands");
    pair.run(10 * MS);
    let invite = pair.peers[0].sent.last().unwrap().1.clone();
    let now = pair.now();
    pair.agent(BOB).refuse_offer(bob, StatusCode::SERVICE_UNAVAILABLE, now).expect("an offer");
    pair.run(100 * MS);
    let mut late =
        Message::response_to(&invite, StatusCode::OK).header(&HeaderName::Contact, "<sip:b@bob.example.com>").build();
    let before = pair.requests(ALICE, Method::Ack);
    let (now, flow) = (pair.now(), pair.wire.flow_to(BOB));
    pair.agent(ALICE).receive(late.clone(), flow, now);
    pair.drain();
    assert_eq!(pair.requests(ALICE, Method::Ack), before + 1);
    let ack = pair.peers[0].sent.last().unwrap().1.clone();
    assert_eq!(ack.cseq().unwrap().number, invite.cseq().unwrap().number);
    late.set(&HeaderName::CSeq, "99 INVITE");
    pair.agent(ALICE).receive(late, flow, now);
    pair.drain();
    assert_eq!(pair.requests(ALICE, Method::Ack), before + 1, "none that Alice has not said");
}

#[test]
fn an_invite_that_comes_again_after_its_flow_has_broken_is_the_same_call() {
    let mut pair = Pair::perfect(Wire::Udp);
    pair.invite(Some("offer"), Provisionals::Plain);
    pair.run(10 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).expect("identified once");
    pair.agent(BOB).provisional(bob, sip::agent::Reply::new(StatusCode::RINGING), now).expect("an INVITE");
    pair.drain();
    let (old, new) = (pair.wire.flow_to(ALICE), sip::Flow::Stream { connection: sip::ConnectionId(77) });
    pair.agent(BOB).move_flow(old, new);
    let mut again = pair.peers[0].sent[0].1.clone();
    again.set(&HeaderName::Via, "SIP/2.0/TCP proxy.example.com;branch=z9hG4bKlife2");
    pair.agent(BOB).receive(again, new, now);
    pair.drain();
    let last = &pair.peers[1].sent.last().unwrap().1;
    assert_eq!(last.status(), Some(StatusCode::RINGING));
    assert_eq!(last.top_via().unwrap().branch(), Some("z9hG4bKlife2"));
}
