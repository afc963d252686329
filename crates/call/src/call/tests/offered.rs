use std::time::Duration;

use model::event::ErrorCode;
use model::request::{RequestKind, RouteTo};
use model::{EventName, UserData};

use super::harness::{Bench, CONN, dn, phone};
use crate::call::{CALLER_LEG, Input, Output};

#[test]
fn no_answer_returns_the_call_to_the_route_point_with_a_new_request() {
    let (mut bench, leg) = Bench::ringing();
    bench.news();
    bench.take();
    bench.pass(Duration::from_secs(15));
    let request = bench.fact(EventName::RouteRequest);
    assert_eq!(request.extensions.text("FailedDN"), Some("5001"));
    assert_eq!(request.extensions.text("FailedCallState"), Some("NoAnswer"));
    assert_eq!(bench.news(), ["Released@5001 NoAnswer", "Queued@9000", "RouteRequest@9000"]);
    let outputs = bench.take();
    assert!(outputs.contains(&Output::CancelLeg(leg)));
    assert!(outputs.iter().any(|output| matches!(output, Output::NewCall { .. })));
}

#[test]
fn a_rejected_call_returns_too() {
    let (mut bench, leg) = Bench::ringing();
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    assert_eq!(bench.news(), ["Released@5001 Busy", "Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn a_phone_that_never_rang_gets_no_events() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    let leg = bench.plan_rings("5001");
    bench.news();
    bench.give(Input::LegFailed { leg, status: 430 });
    assert_eq!(bench.news(), ["Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn the_application_learns_that_media_failed_and_not_the_phone() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    let leg = bench.plan_rings("5001");
    bench.give(Input::LegFailed { leg, status: 503 });
    let request = bench.fact(EventName::RouteRequest);
    assert_eq!(request.extensions.text("FailedCallState"), Some("SystemError"));
}

#[test]
fn a_caller_who_leaves_while_it_rings_abandons_at_the_phone() {
    let (mut bench, leg) = Bench::ringing();
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.news(), ["Abandoned@5001", "CallDeleted"]);
    assert!(bench.take().contains(&Output::CancelLeg(leg)));
}

#[test]
fn of_several_phones_the_first_to_answer_gets_the_call() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    bench.take();
    bench.plan(phone("5001", 6));
    let legs = bench.rings();
    assert_eq!(legs.len(), crate::call::FORK_MAX);
    bench.news();
    bench.give(Input::LegRinging(legs[0]));
    bench.give(Input::LegRinging(legs[1]));
    bench.give(Input::LegFailed { leg: legs[2], status: 486 });
    bench.take();
    bench.give(Input::LegAnswered(legs[1]));
    assert_eq!(bench.news(), ["Ringing@5001", "Established@5001"], "one ringing per DN");
    let outputs = bench.take();
    assert!(outputs.contains(&Output::CancelLeg(legs[0])));
    assert!(!outputs.contains(&Output::CancelLeg(legs[2])), "it is gone already");
    bench.give(Input::LegAnswered(legs[0]));
    assert_eq!(bench.take(), [Output::ReleaseLeg(legs[0])], "the answer crossed the cancel");
}

#[test]
fn a_decline_of_the_person_ends_the_whole_fork() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    bench.plan(phone("5001", 2));
    let legs = bench.rings();
    bench.give(Input::LegFailed { leg: legs[0], status: 603 });
    assert!(bench.take().contains(&Output::CancelLeg(legs[1])));
}

#[test]
fn the_caller_hears_ring_back_until_the_answer() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    bench.take();
    bench.plan(phone("5001", 1));
    let id = bench.call.first().playing.first().expect("ring-back").id;
    let leg = bench.rings().pop().expect("a leg");
    bench.give(Input::LegAnswered(leg));
    assert!(bench.take().contains(&Output::StopTreatment { leg: CALLER_LEG, id }));
}

#[test]
fn a_phone_that_is_not_registered_refuses_the_route_and_the_call_keeps_waiting() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    bench.plan(phone("5001", 0));
    assert_eq!(bench.error(), model::event::ErrorCode::OUT_OF_SERVICE);
    bench.news();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5002"), agent: None }), "9000");
    bench.plan_rings("5002");
    assert_eq!(bench.news(), ["RouteUsed@9000", "Diverted@9000"]);
}

#[test]
fn the_agent_that_hangs_up_releases_the_caller() {
    let (mut bench, leg) = Bench::talking();
    bench.news();
    bench.take();
    bench.give(Input::LegReleased(leg));
    assert_eq!(bench.news(), ["Released@5001", "CallDeleted"]);
    assert_eq!(bench.take(), [Output::ReleaseLeg(CALLER_LEG), Output::Over]);
}

#[test]
fn a_phone_that_vanishes_frees_both_sides() {
    let (mut bench, leg) = Bench::talking();
    bench.news();
    bench.give(Input::LegDead(leg));
    assert_eq!(bench.news(), ["Released@5001 Dropped", "CallDeleted Dropped"]);
}

fn rings_for(seconds: i64) -> UserData {
    let mut extensions = UserData::new();
    extensions.push("NO_ANSWER_TIMEOUT", seconds);
    extensions
}

#[test]
fn a_request_says_how_long_its_number_rings() {
    let mut bench = Bench::waiting();
    let route = RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None });
    bench.ask_with(route, "9000", rings_for(4));
    let leg = bench.plan_rings("5001");
    bench.give(Input::LegRinging(leg));
    bench.news();
    bench.pass(Duration::from_millis(3_900));
    assert_eq!(bench.news(), Vec::<String>::new());
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.news(), ["Released@5001 NoAnswer", "Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn a_ring_time_that_is_none_is_refused() {
    for seconds in [0, -1, 601] {
        let mut bench = Bench::waiting();
        let route = RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None });
        bench.news();
        bench.ask_with(route, "9000", rings_for(seconds));
        assert_eq!(bench.error(), ErrorCode::INVALID_ATTRIBUTE);
        assert!(bench.rings().is_empty());
    }
}
