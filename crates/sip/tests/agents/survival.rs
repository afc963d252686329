//! The successor's handling of messages lost with its predecessor.

use std::time::Duration;

use bytes::Bytes;
use simnet::Conditions;
use sip::agent::{
    AgentConfig, AgentCredentials, Body, DialogId, Event, Provisionals, Release, Reply, Restore, UserAgent,
};
use sip::header::HeaderName;
use sip::{ConnectionId, Flow, Message, Method, StatusCode};

use crate::pair::{ALICE, BOB, Dice, Pair, Wire, bob_identity, invite};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
const HEIR: Restore = Restore { stream: None, resend: true, cseq_jump: 0 };

/// Bob's or Alice's agent fails with all messages not yet drained. Another agent continues.
fn kill(pair: &mut Pair, who: u8, dialog: DialogId, how: Restore) -> DialogId {
    let now = pair.now();
    let peer = &mut pair.peers[usize::from(who)];
    let snapshots = peer.agent.snapshot(&[dialog]);
    peer.agent = UserAgent::new(peer.config.clone(), Box::new(Dice::new(99)));
    peer.agent.restore(snapshots, how, now).expect("a fresh agent has room")[0]
}

fn ringing(wire: Wire) -> (Pair, DialogId, DialogId) {
    let mut pair = Pair::perfect(wire);
    let alice = pair.invite(Some("offer"), Provisionals::Plain);
    pair.run(20 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).expect("identified once");
    pair.agent(BOB).provisional(bob, Reply::new(StatusCode::RINGING), now).expect("it rings");
    pair.run(20 * MS);
    (pair, alice, bob)
}

/// The same request as a proxy repeats it to another node, with a new branch.
fn by_another_way(request: &Message) -> Message {
    let mut request = request.clone();
    request.push_front(&HeaderName::Via, "SIP/2.0/TCP proxy.example.com;branch=z9hG4bKsecond-try");
    request
}

#[test]
fn a_pending_invite_is_sent_again_over_the_successor_s_stream_and_answered() {
    let mut pair = Pair::perfect(Wire::Stream);
    let alice = pair.invite(Some("offer"), Provisionals::Plain);
    let stream = Some(Flow::Stream { connection: ConnectionId(77) });
    kill(&mut pair, ALICE, alice, Restore { stream, ..HEIR });
    let sent = pair.agent(ALICE).poll_transmit().expect("the INVITE is sent again");
    assert_eq!(sent.flow, Flow::Stream { connection: ConnectionId(77) });
    assert_eq!(Message::parse(sent.bytes).unwrap().method(), Method::Invite);
}

#[test]
fn a_pending_invite_goes_on_and_its_answer_reaches_the_successor() {
    let (mut pair, alice, bob) = ringing(Wire::Stream);
    kill(&mut pair, ALICE, alice, HEIR);
    let now = pair.now();
    pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
    pair.run(S);
    assert!(pair.events(ALICE).iter().any(|e| matches!(e, Event::Answered { .. })));
    assert!(pair.events(BOB).iter().any(|e| matches!(e, Event::Acknowledged { .. })));
}

#[test]
fn an_unacknowledged_2xx_is_sent_again_by_the_successor() {
    for wire in [Wire::Udp, Wire::Stream] {
        let (mut pair, _, bob) = ringing(wire);
        let now = pair.now();
        pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
        kill(&mut pair, BOB, bob, HEIR);
        assert_eq!(pair.responses(BOB, 200), 0);
        pair.run(S);
        assert!(pair.events(BOB).iter().any(|e| matches!(e, Event::Acknowledged { .. })));
    }
}

#[test]
fn a_sequence_number_that_was_answered_is_answered_from_the_record() {
    let mut pair = Pair::perfect(Wire::Stream);
    let (alice, bob) = pair.call();
    let now = pair.now();
    pair.agent(ALICE).info(alice, Body::new("text/plain", "5"), Vec::new(), now).unwrap();
    pair.run(20 * MS);
    let request = pair.events(BOB).iter().find_map(|e| match e {
        Event::Info { request, .. } => Some(*request),
        _ => None,
    });
    let now = pair.now();
    let reply = Reply::new(StatusCode::OK).body(Body::new("text/plain", "heard"));
    pair.agent(BOB).respond(request.unwrap(), reply, now).unwrap();
    kill(&mut pair, BOB, bob, HEIR);
    let info = pair.peers[0].sent.last().unwrap().1.clone();
    assert_eq!(info.method(), Method::Info);
    let (now, flow, before) = (pair.now(), pair.wire.flow_to(ALICE), pair.events(BOB).len());
    pair.agent(BOB).receive(by_another_way(&info), flow, now);
    pair.drain();
    let response = &pair.peers[1].sent.last().unwrap().1;
    assert_eq!((response.status(), response.body()), (Some(StatusCode::OK), &b"heard"[..]));
    assert_eq!(response.top_via().unwrap().branch(), Some("z9hG4bKsecond-try"));
    assert_eq!(response.vias().count(), 2);
    assert_eq!(pair.events(BOB).len(), before, "the application is not asked twice");
}

#[test]
fn an_invite_that_a_proxy_repeats_to_the_successor_is_the_same_call() {
    let (mut pair, _, bob) = ringing(Wire::Stream);
    let successor = kill(&mut pair, BOB, bob, HEIR);
    let invite = by_another_way(&pair.peers[0].sent[0].1);
    let (now, flow, before) = (pair.now(), pair.wire.flow_to(ALICE), pair.events(BOB).len());
    pair.agent(BOB).receive(invite, flow, now);
    pair.drain();
    let last = &pair.peers[1].sent.last().unwrap().1;
    assert_eq!((last.status(), last.vias().count()), (Some(StatusCode::RINGING), 2), "what was said is said again");
    let now = pair.now();
    pair.agent(BOB).answer(successor, Reply::session("answer"), now).unwrap();
    pair.drain();
    let last = &pair.peers[1].sent.last().unwrap().1;
    assert_eq!(last.status(), Some(StatusCode::OK));
    assert_eq!(last.top_via().unwrap().branch(), Some("z9hG4bKsecond-try"));
    assert_eq!((pair.events(BOB).len(), pair.responses(BOB, 482)), (before, 0));
}

#[test]
fn an_answered_invite_that_a_proxy_repeats_to_the_successor_gets_the_recorded_2xx() {
    let (mut pair, _, bob) = ringing(Wire::Stream);
    let now = pair.now();
    pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
    kill(&mut pair, BOB, bob, HEIR);
    let invite = by_another_way(&pair.peers[0].sent[0].1);
    let (now, flow) = (pair.now(), pair.wire.flow_to(ALICE));
    pair.agent(BOB).receive(invite, flow, now);
    pair.drain();
    let last = &pair.peers[1].sent.last().unwrap().1;
    assert_eq!((last.status(), last.body()), (Some(StatusCode::OK), &b"answer"[..]));
    assert_eq!(last.top_via().unwrap().branch(), Some("z9hG4bKsecond-try"));
}

#[test]
fn rseq_goes_on_by_one_and_cseq_jumps_when_the_last_commit_may_be_missing() {
    let mut pair = Pair::perfect(Wire::Udp);
    let required = sip::agent::Invite {
        headers: vec![(HeaderName::Require, "100rel".into())],
        ..invite(Wire::Udp, Some("offer"), Provisionals::Reliable)
    };
    let now = pair.now();
    pair.agent(ALICE).invite(required, now).unwrap();
    pair.run(20 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).provisional(bob, Reply::new(StatusCode::RINGING), now).unwrap();
    pair.run(100 * MS);
    let bob = kill(&mut pair, BOB, bob, Restore { cseq_jump: 1_000, ..HEIR });
    let now = pair.now();
    pair.agent(BOB).provisional(bob, Reply::new(StatusCode::QUEUED), now).unwrap();
    pair.run(100 * MS);
    let rseqs: Vec<u32> = pair.peers[1].sent.iter().filter_map(|(_, m)| m.rseq().ok().flatten()).collect();
    assert_eq!(rseqs.last().copied(), rseqs.first().map(|r| r + 1));
    assert_eq!(pair.requests(ALICE, Method::Prack), 2);
    let now = pair.now();
    pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
    pair.run(100 * MS);
    let now = pair.now();
    pair.agent(BOB).bye(bob, Vec::new(), now).unwrap();
    pair.run(100 * MS);
    let bye = pair.peers[1].sent.iter().find(|(_, m)| m.is_request()).map(|(_, m)| m.cseq().unwrap().number);
    assert_eq!(bye, Some(1_001));
    assert!(matches!(pair.events(ALICE).last(), Some(Event::Released { .. })));
}

#[test]
fn a_flow_moves_and_what_nobody_answered_is_sent_again_there() {
    let mut pair = Pair::perfect(Wire::Stream);
    pair.invite(Some("offer"), Provisionals::Plain);
    pair.agent(ALICE).poll_transmit();
    let (old, new) = (Wire::Stream.flow_to(BOB), Flow::Stream { connection: ConnectionId(8) });
    pair.agent(ALICE).move_flow(old, new);
    assert_eq!(pair.agent(ALICE).poll_transmit().map(|t| t.flow), Some(new));
}

#[test]
fn a_broken_flow_fails_a_pending_invite_with_503() {
    let mut pair = Pair::perfect(Wire::Stream);
    pair.invite(Some("offer"), Provisionals::Plain);
    let now = pair.now();
    pair.agent(ALICE).flow_failed(Wire::Stream.flow_to(BOB), now);
    pair.drain();
    assert!(matches!(pair.events(ALICE), [Event::Failed { status: StatusCode::SERVICE_UNAVAILABLE, .. }]));
}

#[test]
fn a_dialog_outlives_its_flow_and_its_bye_waits_for_the_next_one() {
    let mut pair = Pair::perfect(Wire::Stream);
    let (alice, _) = pair.call();
    let (old, new, now) = (Wire::Stream.flow_to(BOB), Flow::Stream { connection: ConnectionId(8) }, pair.now());
    pair.agent(ALICE).reinvite(alice, Some("again".into()), Vec::new(), now).unwrap();
    while pair.agent(ALICE).poll_transmit().is_some() {}
    pair.agent(ALICE).flow_failed(old, now);
    let refused = |e: &Option<Event>| matches!(e, Some(Event::Refused { status: StatusCode::SERVICE_UNAVAILABLE, .. }));
    assert!(refused(&pair.agent(ALICE).poll_event()), "the change is refused");
    assert!(pair.agent(ALICE).poll_event().is_none(), "and no more than that");
    pair.agent(ALICE).bye(alice, Vec::new(), now).unwrap();
    while pair.agent(ALICE).poll_transmit().is_some() {}
    pair.agent(ALICE).flow_failed(old, now);
    assert!(pair.agent(ALICE).poll_event().is_none());
    pair.agent(ALICE).move_flow(old, new);
    let bye = pair.agent(ALICE).poll_transmit().expect("the BYE");
    assert_eq!((bye.flow, Message::parse(bye.bytes).unwrap().method()), (new, Method::Bye));
}

#[test]
fn a_phone_that_rings_is_cancelled_when_a_flow_that_failed_is_back() {
    let (mut pair, ..) = ringing(Wire::Stream);
    let (old, new, now) = (Wire::Stream.flow_to(BOB), Flow::Stream { connection: ConnectionId(8) }, pair.now());
    for _ in 0..2 {
        pair.agent(ALICE).flow_failed(old, now);
        while pair.agent(ALICE).poll_transmit().is_some() {}
    }
    pair.agent(ALICE).move_flow(old, new);
    let cancel = pair.agent(ALICE).poll_transmit().expect("the CANCEL");
    assert_eq!((cancel.flow, Message::parse(cancel.bytes).unwrap().method()), (new, Method::Cancel));
    assert!(pair.agent(ALICE).poll_transmit().is_none());
}

#[test]
fn whoever_answered_before_the_cancel_came_is_hung_up_by_the_successor() {
    let (mut pair, alice, bob) = ringing(Wire::Stream);
    let now = pair.now();
    pair.agent(ALICE).cancel(alice, Vec::new(), now).unwrap();
    pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
    let ok = pair.agent(BOB).poll_transmit().expect("the 200");
    pair.agent(ALICE).receive(Message::parse(ok.bytes).unwrap(), Wire::Stream.flow_to(BOB), now);
    // The agent fails before the CANCEL, the ACK and the BYE are sent.
    kill(&mut pair, ALICE, alice, HEIR);
    pair.run(S);
    assert!(matches!(pair.events(BOB).last(), Some(Event::Released { reason: Release::ByPeer(_), .. })));
    assert!(matches!(pair.events(ALICE).last(), Some(Event::Released { reason: Release::ByUs, .. })));
}

#[test]
fn a_challenged_invite_is_repeated_with_credentials_once() {
    let credentials = Some(AgentCredentials { user: "7101".into(), password: "secret".into() });
    let alice = AgentConfig { credentials, ..AgentConfig::default() };
    let mut pair = Pair::with_configs(1, Wire::Udp, Conditions::PERFECT, alice, AgentConfig::default());
    pair.invite(Some("offer"), Provisionals::Plain);
    pair.run(20 * MS);
    let challenge = "Digest realm=\"example.com\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"";
    for _ in 0..2 {
        let dialog = pair.events(BOB).iter().rev().find_map(|e| match e {
            Event::Incoming { dialog, .. } => Some(*dialog),
            _ => None,
        });
        let now = pair.now();
        let reply =
            Reply::new(StatusCode::PROXY_AUTHENTICATION_REQUIRED).header(HeaderName::ProxyAuthenticate, challenge);
        pair.agent(BOB).reject(dialog.unwrap(), reply, now).unwrap();
        pair.run(100 * MS);
    }
    let invites: Vec<&Message> =
        pair.peers[0].sent.iter().map(|(_, m)| m).filter(|m| m.is_request() && m.method() == Method::Invite).collect();
    assert_eq!(invites.len(), 2);
    assert_eq!(invites[1].cseq().unwrap().number, 2);
    assert_eq!(invites[1].authorizations(HeaderName::ProxyAuthorization).count(), 1);
    assert_eq!(invites[1].body_bytes(), &Bytes::from_static(b"offer"));
    assert!(matches!(
        pair.events(ALICE).last(),
        Some(Event::Failed { status: StatusCode::PROXY_AUTHENTICATION_REQUIRED, .. })
    ));
}

#[test]
fn an_ack_that_the_application_owes_for_long_leaves_the_successor_too() {
    let mut pair = Pair::perfect(Wire::Stream);
    let alice = pair.invite(None, Provisionals::Plain);
    pair.run(20 * MS);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).answer(bob, Reply::session("offer"), now).unwrap();
    pair.run(20 * MS);
    pair.net.cut(BOB);
    pair.run(40 * S);
    let successor = kill(&mut pair, ALICE, alice, HEIR);
    let now = pair.now();
    pair.agent(ALICE).ack(successor, Bytes::from_static(b"answer"), now).unwrap();
    pair.drain();
    assert_eq!(pair.requests(ALICE, Method::Ack), 1);
}

#[test]
fn a_secret_info_is_in_no_snapshot_and_others_go_on() {
    let mut pair = Pair::perfect(Wire::Stream);
    let (alice, _) = pair.call();
    let now = pair.now();
    let agent = pair.agent(ALICE);
    agent.info(alice, Body::new("text/plain", "open"), Vec::new(), now).expect("it stands");
    agent.secret_info(alice, Body::new("text/plain", "4711"), now).expect("it stands");
    agent.info(alice, Body::new("text/plain", "later"), Vec::new(), now).expect("it stands");
    assert!(!format!("{:?}", agent.snapshot(&[alice])).contains("4711"));
    kill(&mut pair, ALICE, alice, HEIR);
    let sent: Vec<_> = std::iter::from_fn(|| pair.agent(ALICE).poll_transmit()).collect();
    let bodies: Vec<_> =
        sent.into_iter().map(|sent| Bytes::copy_from_slice(Message::parse(sent.bytes).unwrap().body())).collect();
    assert_eq!(bodies, [Bytes::from("open"), Bytes::from("later")]);
}
