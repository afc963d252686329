use std::time::Duration;

use model::{DnRole, EventName};

use super::harness::{Bench, phone, point};
use crate::call::{CALLER_LEG, Input, Output};

#[test]
fn an_internal_call_tells_both_phones() {
    let mut bench = Bench::internal("5002");
    let leg = bench.plan_rings("5002");
    bench.give(Input::LegRinging(leg));
    assert_eq!(bench.take(), [Output::AlertCaller(CALLER_LEG)]);
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.take(), [Output::AnswerCaller(CALLER_LEG)]);
    bench.give(Input::LegAnswered(CALLER_LEG));
    bench.give(Input::LegReleased(CALLER_LEG));
    let dialing = &bench.facts[1].event;
    assert_eq!((dialing.this_role, dialing.other_dn.as_deref()), (Some(DnRole::Origination), Some("5002")));
    let ringing = bench.fact(EventName::Ringing);
    assert_eq!((ringing.other_dn.as_deref(), ringing.this_queue.as_deref()), (Some("5001"), None));
    assert!(ringing.extensions.is_empty(), "a direct call does not make an agent busy");
    assert_eq!(
        bench.story(),
        [
            "CallCreated",
            "Dialing@5001",
            "Ringing@5002",
            "Established@5001",
            "Established@5002",
            "Released@5001",
            "Released@5002 RemoteRelease",
            "CallDeleted",
        ]
    );
}

#[test]
fn the_caller_hangs_up_before_the_answer() {
    let mut bench = Bench::internal("5002");
    let leg = bench.plan_rings("5002");
    bench.give(Input::LegRinging(leg));
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.fact(EventName::Abandoned).other_dn.as_deref(), Some("5001"));
    assert_eq!(bench.news(), ["Released@5001", "Abandoned@5002", "CallDeleted"]);
}

#[test]
fn a_busy_phone_is_told_to_the_caller() {
    let mut bench = Bench::internal("5002");
    let leg = bench.plan_rings("5002");
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    assert_eq!(bench.news(), ["DestinationBusy@5001 Busy", "Released@5001 Busy", "CallDeleted Busy"]);
    assert!(bench.take().contains(&Output::RejectCaller { leg: CALLER_LEG, status: 486 }));
}

#[test]
fn a_phone_that_nobody_answers_is_480() {
    let mut bench = Bench::internal("5002");
    let leg = bench.plan_rings("5002");
    bench.give(Input::LegRinging(leg));
    bench.news();
    bench.pass(Duration::from_secs(15));
    assert_eq!(bench.news(), ["Released@5001 NoAnswer", "Released@5002 NoAnswer", "CallDeleted NoAnswer"]);
    let outputs = bench.take();
    assert!(
        outputs.contains(&Output::RejectCaller { leg: CALLER_LEG, status: 480 })
            && outputs.contains(&Output::CancelLeg(leg))
    );
}

#[test]
fn a_phone_that_is_not_registered_is_480() {
    let mut bench = Bench::internal("5002");
    bench.plan(phone("5002", 0));
    assert!(bench.take().contains(&Output::RejectCaller { leg: CALLER_LEG, status: 480 }));
    assert!(bench.over());
}

#[test]
fn a_phone_that_calls_a_route_point_leaves_it_when_it_hangs_up() {
    let mut bench = Bench::internal("9000");
    bench.plan(point("9000", None));
    bench.give(Input::LegAnswered(CALLER_LEG));
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.news(), ["Released@5001", "Abandoned@9000", "CallDeleted"]);
}
