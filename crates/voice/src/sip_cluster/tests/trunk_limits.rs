//! How many calls a trunk takes and a phone may have outside, and carriers that want no calls for a while. The trunk `narrow` takes one call;
//! the carrier is played by the bench's phone.

use model::plan::{Destination, OutgoingLimit, Outside, Way};
use sip::agent::{Event, Reply};
use sip::proxy::headers::{ELSEWHERE, NOT_REACHED};
use sip::{ConnectionId, HeaderName, StatusCode};

use super::bench::{Bench, Peer, by_two_trunks, owner, phone};

const PHONE: &str = "phone;dn=7102";

/// The Request-URIs of the INVITEs that carriers have got.
fn rung(bench: &Bench) -> Vec<String> {
    let incoming = bench.seen.iter().filter_map(|(peer, event)| match event {
        Event::Incoming { request, .. } if *peer == Peer::Phone => request.request_uri().map(str::to_owned),
        _ => None,
    });
    incoming.collect()
}

fn at(trunk: &str) -> String {
    format!("sip:+4930123@{trunk}.example:5060")
}

/// The same destination with other rules for each way.
fn with(destination: Destination, change: impl Fn(&mut Way)) -> Destination {
    let Destination::Outside(mut outside) = destination else { unreachable!("it is outside") };
    change(&mut outside.way);
    outside.further.iter_mut().for_each(change);
    Destination::Outside(outside)
}

fn by_one(trunk: &str) -> Destination {
    let Destination::Outside(outside) = by_two_trunks(trunk, "never") else { unreachable!("it is outside") };
    Destination::Outside(Outside { further: Vec::new(), ..outside })
}

/// The status and the Retry-After of the last refusal.
fn refusal(bench: &Bench) -> Option<(u16, Option<String>)> {
    bench.seen.iter().rev().find_map(|(peer, event)| match event {
        Event::Failed { status, response: Some(response), .. } if *peer == Peer::Caller => {
            Some((status.0, response.header(&HeaderName::RetryAfter).map(str::to_owned)))
        }
        _ => None,
    })
}

fn dials(bench: &mut Bench, source: &str, call_id: &str, destination: Destination) {
    bench.dial_as("+4930123", source, call_id);
    bench.plan(destination);
}

#[test]
fn one_call_more_than_a_trunk_takes_goes_by_the_next_and_else_is_refused() {
    let mut bench = Bench::new();
    dials(&mut bench, PHONE, "caller-1", by_one("narrow"));
    dials(&mut bench, "phone;dn=7103", "caller-1b", by_two_trunks("narrow", "wide"));
    assert_eq!(rung(&bench), [at("narrow"), at("wide")]);
    dials(&mut bench, "phone;dn=7104", "caller-1c", by_one("narrow"));
    assert_eq!(refusal(&bench), Some((503, Some("5".to_owned()))));
    dials(&mut bench, "trunk;name=other", "caller-1e", by_one("narrow"));
    assert_eq!(refusal(&bench), Some((503, None)), "or its carrier would send no other call either");
    let emergency = with(by_one("narrow"), |way| way.is_emergency = true);
    dials(&mut bench, "phone;dn=7105", "caller-1d", emergency);
    assert_eq!(rung(&bench).last(), Some(&at("narrow")), "an emergency call goes out all the same");
}

#[test]
fn a_phone_makes_the_only_call_of_a_trunk_at_whichever_of_three_nodes_it_is() {
    let mut bench = Bench::new();
    let live = (0..3).map(|number| owner(&format!("sip-cluster-{number}"), 1)).collect();
    bench.node.sees_live(ConnectionId(1), live, bench.now);
    dials(&mut bench, PHONE, "caller-1", by_one("narrow"));
    assert_eq!(rung(&bench), [at("narrow")], "this node is not the first one");
    dials(&mut bench, "phone;dn=7103", "caller-1b", by_one("narrow"));
    assert_eq!(refusal(&bench).map(|(status, _)| status), Some(503));
}

#[test]
fn calls_in_count_and_one_more_is_refused() {
    let mut bench = Bench::new();
    bench.dial("7101", "trunk;name=narrow");
    bench.plan(phone(15_000));
    bench.dial_as("7101", "trunk;name=narrow", "caller-1b");
    assert_eq!(refusal(&bench), Some((503, None)), "its carrier has calls by other trunks and for other tenants");
    dials(&mut bench, PHONE, "caller-1c", by_two_trunks("narrow", "wide"));
    assert_eq!(rung(&bench).last(), Some(&at("wide")));
}

#[test]
fn a_phone_has_as_many_calls_outside_as_it_may() {
    let mut bench = Bench::new();
    let limit = |most| {
        let phone = model::Dn::parse("7102").expect("a DN");
        with(by_two_trunks("wide", "two"), |way| {
            way.limits.at_once = Some(OutgoingLimit { phone: phone.clone(), most });
        })
    };
    dials(&mut bench, PHONE, "caller-1", limit(1));
    assert_eq!(rung(&bench), [at("wide")]);
    dials(&mut bench, PHONE, "caller-1b", limit(1));
    assert_eq!(rung(&bench).len(), 1, "no trunk is tried");
    assert_eq!(refusal(&bench).map(|(status, _)| status), Some(403));
    let mut none = Bench::new();
    dials(&mut none, PHONE, "caller-1", limit(0));
    assert!(rung(&none).is_empty());
}

#[test]
fn calls_count_after_a_restart_too_and_no_longer_when_they_have_ended() {
    for (ends, next) in [(false, at("wide")), (true, at("narrow"))] {
        let mut bench = Bench::new();
        bench.dial_as("+4930123", PHONE, "caller-1");
        let conn_id = bench.plan(by_two_trunks("narrow", "wide"));
        bench.phone_answers();
        bench.pass(std::time::Duration::from_secs(1));
        super::restart::restart(&mut bench, conn_id);
        if ends {
            bench.bye(Peer::Phone);
        }
        dials(&mut bench, "phone;dn=7103", "caller-1b", by_two_trunks("narrow", "wide"));
        assert_eq!(rung(&bench).last(), Some(&next));
    }
}

#[test]
fn a_carrier_that_wants_no_calls_for_a_while_is_left_out_for_that_long() {
    let mut bench = Bench::new();
    dials(&mut bench, PHONE, "caller-1", by_two_trunks("wide", "two"));
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE).header(HeaderName::RetryAfter, "60");
    bench.agent(Peer::Phone).reject(dialog, reply, now).expect("an INVITE");
    bench.run();
    assert_eq!(rung(&bench), [at("wide"), at("two")]);
    dials(&mut bench, "phone;dn=7103", "caller-1b", by_two_trunks("wide", "two"));
    assert_eq!(rung(&bench).last(), Some(&at("two")));
    assert_eq!(rung(&bench).len(), 3);
    let emergency = with(by_two_trunks("wide", "two"), |way| way.is_emergency = true);
    dials(&mut bench, "phone;dn=7104", "caller-1c", emergency);
    assert_eq!(rung(&bench).last(), Some(&at("wide")));
    bench.pass(std::time::Duration::from_secs(61));
    dials(&mut bench, "phone;dn=7105", "caller-1d", by_two_trunks("wide", "two"));
    assert_eq!(rung(&bench).last(), Some(&at("wide")));
}

#[test]
fn what_the_proxy_itself_refuses_leaves_no_trunk_out() {
    for (of_proxy, value) in [(NOT_REACHED, "down"), (ELSEWHERE, "1")] {
        let mut bench = Bench::new();
        let emergency = with(by_two_trunks("wide", "two"), |way| way.is_emergency = true);
        dials(&mut bench, PHONE, "caller-1", emergency);
        let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
        let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE).header(HeaderName::RetryAfter, "60");
        bench.agent(Peer::Phone).reject(dialog, reply.header(of_proxy, value), now).expect("an INVITE");
        bench.run();
        dials(&mut bench, "phone;dn=7103", "caller-1b", by_two_trunks("wide", "two"));
        assert_eq!(rung(&bench).last(), Some(&at("wide")));
    }
}

#[test]
fn a_trunk_that_was_put_off_has_its_own_time_when_it_is_tried_again() {
    for is_taken_over in [false, true] {
        let mut bench = Bench::new();
        let emergency = with(by_two_trunks("wide", "two"), |way| {
            way.is_emergency = true;
            way.try_ms = 5_000;
        });
        bench.dial_as("+4930123", PHONE, "caller-1");
        let conn_id = bench.plan(emergency);
        if is_taken_over {
            super::restart::restart(&mut bench, conn_id);
        }
        for _ in 0..2 {
            let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
            let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE).header(ELSEWHERE, "1");
            bench.agent(Peer::Phone).reject(dialog, reply, now).expect("an INVITE");
            bench.run();
        }
        assert_eq!(rung(&bench), [at("wide"), at("two"), at("wide")]);
        bench.pass(std::time::Duration::from_millis(4_900));
        assert_eq!(rung(&bench).len(), 3);
        bench.pass(std::time::Duration::from_millis(200));
        assert_eq!(rung(&bench).last(), Some(&at("two")), "taken over: {is_taken_over}");
    }
}

#[test]
fn a_trunk_takes_so_many_calls_a_second_and_the_next_one_takes_the_others() {
    let mut bench = Bench::new();
    for (number, call_id) in ["caller-1", "caller-1b", "caller-1c"].into_iter().enumerate() {
        dials(&mut bench, &format!("phone;dn=710{}", number + 2), call_id, by_two_trunks("slow", "wide"));
    }
    assert_eq!(rung(&bench), [at("slow"), at("slow"), at("wide")]);
    bench.pass(std::time::Duration::from_secs(1));
    dials(&mut bench, "phone;dn=7105", "caller-1d", by_two_trunks("slow", "wide"));
    assert_eq!(rung(&bench).last(), Some(&at("slow")));
}

#[test]
fn no_further_call_goes_out_by_a_trunk_that_drains() {
    let mut bench = Bench::new();
    dials(&mut bench, PHONE, "caller-1", by_two_trunks("drained", "wide"));
    assert_eq!(rung(&bench), [at("wide")]);
    let emergency = with(by_one("drained"), |way| way.is_emergency = true);
    dials(&mut bench, "phone;dn=7103", "caller-1b", emergency);
    assert_eq!(rung(&bench).last(), Some(&at("drained")));
    bench.dial_as("7101", "trunk;name=drained", "caller-1c");
    assert_eq!(refusal(&bench), None, "calls still come in");
}

#[test]
fn a_carrier_is_told_who_calls_if_it_was_agreed() {
    for (trunk, is_told) in [("asserting", true), ("wide", false)] {
        let mut bench = Bench::new();
        dials(&mut bench, PHONE, "caller-1", by_one(trunk));
        let invite = bench.seen.iter().find_map(|(peer, event)| match event {
            Event::Incoming { request, .. } if *peer == Peer::Phone => Some(request.clone()),
            _ => None,
        });
        let invite = invite.expect("an INVITE");
        let told = invite.header(&HeaderName::PAssertedIdentity);
        assert_eq!(told.is_some_and(|told| told.contains("<sip:7102@carrier.example>")), is_told, "{trunk}: {told:?}");
    }
}
