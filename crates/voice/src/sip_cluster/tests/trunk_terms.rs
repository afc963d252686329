//! What holds in dialogs with a trunk's carrier alone. The trunk `brief` has a session interval of 120 s, `plain` has no
//! reliable provisional responses; a carrier that is called is played by the bench's phone.

use std::time::Duration;

use sip::agent::Event;
use sip::{HeaderName, Message, Method};

use super::bench::{Bench, PHONE_SDP, Peer, by_two_trunks, phone};
use super::restart::restart;

/// The INVITE that a carrier gets by a trunk.
fn invite_by(bench: &mut Bench, trunk: &str) -> (model::ConnId, Message) {
    bench.dial("+4930123", "phone;dn=7102");
    let conn_id = bench.plan(by_two_trunks(trunk, "two"));
    let invite = bench.seen.iter().find_map(|(peer, event)| match (peer, event) {
        (Peer::Phone, Event::Incoming { request, .. }) => Some(Message::clone(request)),
        _ => None,
    });
    (conn_id, invite.expect("an INVITE"))
}

/// The final response that a carrier gets to its INVITE.
fn answer_to_caller(bench: &Bench) -> Option<Message> {
    bench.seen.iter().find_map(|(peer, event)| match (peer, event) {
        (Peer::Caller, Event::Answered { response, .. }) => Some(Message::clone(response)),
        _ => None,
    })
}

fn interval(message: &Message) -> Option<&str> {
    message.header(&HeaderName::SessionExpires)?.split(';').next()
}

#[test]
fn a_carrier_is_asked_for_the_session_interval_of_its_trunk() {
    for (trunk, asked) in [("brief", "120"), ("two", "1800")] {
        let (_, invite) = invite_by(&mut Bench::new(), trunk);
        assert_eq!(interval(&invite), Some(asked), "{trunk}");
    }
}

#[test]
fn a_carrier_is_granted_the_session_interval_of_its_trunk_by_a_successor_too() {
    for (trunk, granted) in [("brief", "120"), ("two", "1800")] {
        for restarts in [false, true] {
            let mut bench = Bench::new();
            bench.dial("7101", &format!("trunk;name={trunk}"));
            let conn_id = bench.plan(phone(15_000));
            bench.phone_rings();
            if restarts {
                restart(&mut bench, conn_id);
            }
            bench.phone_answers();
            let answer = answer_to_caller(&bench).expect("an answer");
            assert_eq!(interval(&answer), Some(granted), "{trunk} {restarts}");
        }
    }
}

#[test]
fn a_successor_refreshes_the_session_with_a_carrier_in_its_interval() {
    let mut bench = Bench::new();
    let (conn_id, _) = invite_by(&mut bench, "brief");
    restart(&mut bench, conn_id);
    bench.phone_answers();
    bench.heard.clear();
    bench.mute.push(Peer::Phone);
    bench.pass(Duration::from_secs(70));
    let refreshes = bench.unheard.iter().filter(|message| matches!(message.method(), Method::Update | Method::Invite));
    let asked: Vec<_> = refreshes.filter(|message| message.is_request()).filter_map(interval).collect();
    assert!(asked.first() == Some(&"120"), "{asked:?}");
}

// === reliable provisional responses ===

fn says_100rel(message: &Message) -> bool {
    message.has_token(&HeaderName::Supported, "100rel")
}

#[test]
fn a_carrier_is_offered_reliable_provisional_responses_unless_its_trunk_says_no() {
    for (trunk, offered) in [("two", true), ("plain", false)] {
        let (_, invite) = invite_by(&mut Bench::new(), trunk);
        assert_eq!(says_100rel(&invite), offered, "{trunk}");
        assert!(invite.has_token(&HeaderName::Supported, "timer"), "{trunk}");
    }
}

#[test]
fn a_carrier_that_calls_is_told_of_them_unless_its_trunk_says_no_by_a_successor_too() {
    for (trunk, told) in [("two", true), ("plain", false)] {
        let mut bench = Bench::new();
        bench.dial("7101", &format!("trunk;name={trunk}"));
        let conn_id = bench.plan(phone(15_000));
        restart(&mut bench, conn_id);
        bench.phone_answers();
        assert_eq!(says_100rel(&answer_to_caller(&bench).expect("an answer")), told, "{trunk}");
    }
}

#[test]
fn a_carrier_that_requires_them_gets_them_whatever_its_trunk_says() {
    let mut bench = Bench::new();
    let required = vec![(HeaderName::Require, "100rel".to_owned())];
    bench.dial_with("7101", "trunk;name=plain", Some(PHONE_SDP.into()), required);
    bench.plan(phone(15_000));
    bench.phone_rings();
    let progress = bench.seen.iter().find_map(|(peer, event)| match (peer, event) {
        (Peer::Caller, Event::Progress { response, .. }) => Some(Message::clone(response)),
        _ => None,
    });
    let progress = progress.expect("a 180");
    assert!(progress.has_token(&HeaderName::Require, "100rel"));
    assert!(progress.rseq().is_ok_and(|number| number.is_some()));
}
