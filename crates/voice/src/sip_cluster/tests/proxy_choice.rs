//! By which of two sip-proxies calls go out. The carriers are played by the bench's phone.

use model::plan::{Destination, Outside};
use sip::agent::{Event, Reply};
use sip::proxy::headers::NOT_REACHED;
use sip::{ConnectionId, StatusCode};

use super::bench::{Bench, Peer, by_two_trunks};

const ONE: ConnectionId = ConnectionId(1);
const OTHER: ConnectionId = ConnectionId(9);

/// A bench with two proxies.
fn two_proxies() -> Bench {
    let mut bench = Bench::new();
    bench.node.link_up(OTHER, "192.0.2.2:5060", bench.now);
    bench.other_link = Some(OTHER);
    bench
}

fn calls(bench: &mut Bench, trunk: &str, count: usize) {
    for number in 0..count {
        let Destination::Outside(outside) = by_two_trunks(trunk, "never") else { unreachable!("it is outside") };
        bench.dial_as("+4930123", &format!("phone;dn=71{number:02}"), &format!("caller-1{number}"));
        bench.plan(Destination::Outside(Outside { further: Vec::new(), ..outside }));
    }
}

/// A proxy says why it has not reached the carrier that is being called.
fn is_not_reached(bench: &mut Bench, why: &str) {
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE).header(NOT_REACHED, why);
    bench.agent(Peer::Phone).reject(dialog, reply, now).expect("an INVITE");
    bench.run();
}

/// The trunks that were tried, each with the proxy by which it was.
fn tried(bench: &Bench) -> Vec<(String, ConnectionId)> {
    let trunk = |event: &(Peer, Event)| match event {
        (Peer::Phone, Event::Incoming { request, .. }) => {
            let uri = request.request_uri().expect("a URI");
            Some(uri.trim_start_matches("sip:+4930123@").trim_end_matches(".example:5060").to_owned())
        }
        _ => None,
    };
    bench.seen.iter().filter_map(trunk).zip(bench.rung_by.iter().copied()).collect()
}

fn by(tried: &[(&str, ConnectionId)]) -> Vec<(String, ConnectionId)> {
    tried.iter().map(|(trunk, link)| ((*trunk).to_owned(), *link)).collect()
}

#[test]
fn calls_go_out_by_each_proxy_in_turn_that_does_not_drain() {
    let mut bench = two_proxies();
    calls(&mut bench, "wide", 4);
    assert_eq!(bench.rung_by, [ONE, OTHER, ONE, OTHER]);
    let mut bench = two_proxies();
    bench.node.proxy_drains(ONE, true);
    calls(&mut bench, "wide", 2);
    assert_eq!(bench.rung_by, [OTHER, OTHER]);
}

#[test]
fn calls_by_a_trunk_that_registers_go_by_the_proxy_that_has_been_there_for_longest() {
    let mut bench = two_proxies();
    calls(&mut bench, "registered", 3);
    assert_eq!(bench.rung_by, [ONE, ONE, ONE]);
}

#[test]
fn a_carrier_that_one_proxy_does_not_reach_is_called_by_the_other_before_the_next_trunk() {
    for why in ["late", "no-way", "no-address", "refused", "down", "busy"] {
        for trunk in ["wide", "registered"] {
            let mut bench = two_proxies();
            bench.call("7101", by_two_trunks(trunk, "two"));
            for _ in 0..4 {
                assert_eq!(bench.refusal(), None, "{why}");
                is_not_reached(&mut bench, why);
            }
            let (ways, last) = (tried(&bench), bench.rung_by.last().copied());
            assert_eq!(ways[..2], by(&[(trunk, ONE), (trunk, OTHER)]), "{why}");
            let again = last.map(|last| if last == ONE { OTHER } else { ONE }).expect("an INVITE");
            assert_eq!(ways[2..], by(&[("two", again), ("two", last.expect("an INVITE"))]), "{why}");
            assert!(bench.refusal().is_some(), "each proxy has tried each trunk once");
            bench.pass(std::time::Duration::from_secs(40));
            assert!(bench.is_clear());
        }
    }
}

#[test]
fn a_trunk_that_is_tried_by_another_proxy_has_its_own_time_there() {
    let mut bench = two_proxies();
    let Destination::Outside(mut outside) = by_two_trunks("wide", "two") else { unreachable!("it is outside") };
    outside.way.try_ms = 5_000;
    bench.call("7101", Destination::Outside(outside));
    is_not_reached(&mut bench, "late");
    bench.pass(std::time::Duration::from_millis(4_900));
    assert_eq!(tried(&bench), by(&[("wide", ONE), ("wide", OTHER)]));
    bench.pass(std::time::Duration::from_millis(200));
    assert_eq!(tried(&bench).last().map(|(trunk, _)| trunk.as_str()), Some("two"));
}

#[test]
fn what_may_have_reached_a_carrier_is_not_sent_there_by_another_proxy() {
    for why in ["silence", "closed", "untrusted"] {
        let mut bench = two_proxies();
        bench.call("7101", by_two_trunks("wide", "two"));
        is_not_reached(&mut bench, why);
        let trunks: Vec<String> = tried(&bench).into_iter().map(|(trunk, _)| trunk).collect();
        assert_eq!(trunks, ["wide", "two"], "{why}");
    }
}

#[test]
fn an_emergency_goes_by_the_other_proxy_at_once_and_tries_the_same_carrier_at_last() {
    let mut bench = two_proxies();
    let Destination::Outside(mut outside) = by_two_trunks("wide", "two") else { unreachable!("it is outside") };
    outside.way.is_emergency = true;
    outside.further.iter_mut().for_each(|way| way.is_emergency = true);
    bench.dial("112", "phone;dn=7102");
    bench.plan(Destination::Outside(outside));
    is_not_reached(&mut bench, "late");
    is_not_reached(&mut bench, "silence");
    assert_eq!(tried(&bench), by(&[("wide", ONE), ("two", OTHER), ("wide", OTHER)]));
    bench.phone_answers();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })));
}
