//! User-to-User of a caller: who gets the call gets it.

use model::Dn;
use model::plan::PlanAnswer;
use model::request::{RequestKind, RouteTo};
use sip::agent::Event;
use sip::user_to_user::USER_TO_USER;

use super::bench::{Bench, PHONE_SDP, Peer, by_two_trunks, phone, point};
use super::calls::request;
use super::restart::restart;

const GIVEN: &str = "56a390f3d2b7;encoding=hex;purpose=isdn-uui;content=isdn-uui";

fn comes(source: &str, answer: impl Into<PlanAnswer>) -> Bench {
    let mut bench = Bench::new();
    let headers = vec![(USER_TO_USER, GIVEN.to_owned()), (USER_TO_USER, "ab".repeat(300))];
    bench.dial_with("7101", source, Some(PHONE_SDP.into()), headers);
    bench.plan(answer);
    bench
}

/// What whom we ring got.
fn told(bench: &Bench) -> Vec<String> {
    let got = bench.seen.iter().filter_map(|(peer, event)| match event {
        Event::Incoming { request, .. } if *peer == Peer::Phone => Some(request.headers(&USER_TO_USER)),
        _ => None,
    });
    got.flatten().map(str::to_owned).collect()
}

#[test]
fn a_phone_gets_what_was_given_and_a_carrier_if_that_was_agreed() {
    for source in ["trunk;name=other", "phone;dn=7102"] {
        assert_eq!(told(&comes(source, phone(15_000))), [GIVEN], "{source}");
        assert_eq!(told(&comes(source, by_two_trunks("trusted", "two"))), [GIVEN], "{source}");
        assert_eq!(told(&comes(source, by_two_trunks("wide", "two"))), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn the_phone_of_a_call_that_waited_gets_it_after_a_restart_too() {
    let mut bench = Bench::new();
    bench.dial_with("8001", "trunk;name=other", Some(PHONE_SDP.into()), vec![(USER_TO_USER, GIVEN.to_owned())]);
    let conn_id = bench.plan(point());
    restart(&mut bench, conn_id);
    let route = request(conn_id, "9000", |id| {
        RequestKind::RouteCall(id, RouteTo::Dn { dn: Dn::parse("7101").expect("a DN"), agent: None })
    });
    bench.node.request(route, bench.now).expect("the call is here");
    bench.run();
    bench.plan(phone(15_000));
    assert_eq!(told(&bench), [GIVEN]);
}
