//! A carrier that asks for the trunk's password. The carrier is played by the bench's phone.

use model::plan::Destination;
use sip::agent::{Event, Reply};
use sip::digest::{Secret, verify};
use sip::{HeaderName, Message, StatusCode};

use super::bench::{Bench, Peer, TRUNK_PASSWORD, TRUNK_USER, by_two_trunks};
use super::restart::restart;

/// The way that the second carrier wants.
const OTHER_WAY: &str = "<sip:p3.two.example;lr>";
const CHALLENGE: &str = "Digest realm=\"carrier.example\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"";

/// The carrier asks for the password.
fn challenge(bench: &mut Bench) {
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    let reply = Reply::new(StatusCode::PROXY_AUTHENTICATION_REQUIRED).header(HeaderName::ProxyAuthenticate, CHALLENGE);
    bench.agent(Peer::Phone).reject(dialog, reply, now).expect("an INVITE");
    bench.run();
}

/// The INVITEs that the carriers have got.
fn invites(bench: &Bench) -> Vec<&Message> {
    let incoming = bench.seen.iter().filter_map(|(peer, event)| match event {
        Event::Incoming { request, .. } if *peer == Peer::Phone => Some(&**request),
        _ => None,
    });
    incoming.collect()
}

fn is_proven(invite: &Message) -> bool {
    invite.authorizations(HeaderName::ProxyAuthorization).any(|given| {
        let given = given.expect("credentials");
        given.username == TRUNK_USER && verify(&given, "INVITE", Secret::Password(TRUNK_PASSWORD))
    })
}

#[test]
fn a_carrier_that_asks_for_the_password_gets_it_and_takes_the_call() {
    for restarts in [false, true] {
        let mut bench = Bench::new();
        let conn_id = bench.call("7101", by_two_trunks("carrier", "two"));
        if restarts {
            restart(&mut bench, conn_id);
        }
        challenge(&mut bench);
        let [first, second] = &*invites(&bench) else { panic!("two INVITEs") };
        assert!(!is_proven(first) && is_proven(second), "restarts: {restarts}");
        assert_eq!((first.request_uri(), first.call_id()), (second.request_uri(), second.call_id()));
        if restarts {
            restart(&mut bench, conn_id);
        }
        bench.phone_rings();
        bench.phone_answers();
        assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })));
        bench.bye(Peer::Caller);
        assert!(bench.is_clear());
        let stored = format!("{:?}", bench.writes);
        assert!(stored.contains("t1/carrier") && !stored.contains(TRUNK_PASSWORD));
    }
}

#[test]
fn a_carrier_that_refuses_the_password_is_left_for_the_next_one() {
    let mut bench = Bench::new();
    bench.call("7101", by_two_trunks("carrier", "two"));
    challenge(&mut bench);
    challenge(&mut bench);
    let uris: Vec<_> = invites(&bench).iter().map(|invite| invite.request_uri().expect("a URI").to_owned()).collect();
    let (carrier, two) = ("sip:+4930123@carrier.example:5060", "sip:+4930123@two.example:5060");
    assert_eq!(uris, [carrier, carrier, two]);
    challenge(&mut bench);
    assert_eq!(invites(&bench).len(), 3, "the second trunk has no password");
    assert!(bench.refusal().is_some());
}

#[test]
fn a_call_goes_by_the_way_that_its_carrier_wants_after_a_restart_too() {
    let way = ["<sip:p1.carrier.example;lr>", "<sip:p2.carrier.example;lr>"];
    for restarts in [false, true] {
        let mut bench = Bench::new();
        let Destination::Outside(mut outside) = by_two_trunks("carrier", "two") else { unreachable!("it is outside") };
        outside.way.contact.path = way.map(str::to_owned).to_vec();
        outside.further[0].contact.path = vec![OTHER_WAY.to_owned()];
        let conn_id = bench.call("7101", Destination::Outside(outside));
        if restarts {
            restart(&mut bench, conn_id);
        }
        challenge(&mut bench);
        let [first, second] = &*invites(&bench) else { panic!("two INVITEs, restarts: {restarts}") };
        for invite in [first, second] {
            assert_eq!(invite.elements(&HeaderName::Route).collect::<Vec<_>>(), way);
            assert_eq!(invite.request_uri(), Some("sip:+4930123@carrier.example:5060"));
        }
        challenge(&mut bench);
        let invites = invites(&bench);
        let last = invites.last().expect("an INVITE");
        assert_eq!(
            (last.request_uri(), last.header(&HeaderName::Route)),
            (Some("sip:+4930123@two.example:5060"), Some(OTHER_WAY))
        );
    }
}
