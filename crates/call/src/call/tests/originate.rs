use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Destination, Service};
use model::request::RequestKind;
use model::{CallType, EventName, LegId, ReferenceId};

use super::harness::{Bench, CONN, phone, point};
use crate::call::{Input, Output};
use crate::dial_plan::NOT_SHOWN;

fn asked_for(bench: &mut Bench) -> Vec<String> {
    let dialled = |output| match output {
        Output::AskDialPlan { dialled, .. } => Some(dialled),
        _ => None,
    };
    bench.take().into_iter().filter_map(dialled).collect()
}

#[test]
fn a_call_that_is_to_show_a_number_of_others_is_refused_before_anything_rings() {
    let mut bench = Bench::made("5001", "+4930");
    bench.plan(Destination::Reject { status: 403, reason: NOT_SHOWN.to_owned() });
    let (code, text) = bench.fact(EventName::Error).error.clone().expect("an error");
    assert_eq!(code, ErrorCode::INVALID_ATTRIBUTE);
    assert!(text.starts_with("CPNDigits: "), "{text}");
    assert!(bench.over());
}

/// 5001 rings, before it is connected with `destination`.
fn rings(dialled: &str, destination: Destination) -> (Bench, LegId) {
    let mut bench = Bench::made("5001", dialled);
    bench.plan(destination);
    let leg = bench.plan_rings("5001");
    (bench, leg)
}

#[test]
fn the_phone_that_calls_rings_first_and_the_number_once_it_is_answered() {
    let mut bench = Bench::made("5001", "5002");
    assert_eq!(asked_for(&mut bench), ["5002"]);
    bench.plan(phone("5002", 1));
    assert_eq!(asked_for(&mut bench), ["5001"]);
    let own = bench.plan_rings("5001");
    let call = bench.call.first();
    assert_eq!(
        (call.presented_number(), call.presents_caller(), call.call_type()),
        ("5002", false, CallType::Internal)
    );
    let dialing = bench.fact(EventName::Dialing);
    assert_eq!((dialing.reference, dialing.requester.as_deref()), (ReferenceId(17), Some("desk")));
    assert_eq!((dialing.other_dn.as_deref(), dialing.user_data.text("Order")), (Some("5002"), Some("4711")));
    bench.give(Input::LegRinging(own));
    bench.give(Input::LegAnswered(own));
    assert_eq!(asked_for(&mut bench), ["5002"]);
    let other = bench.plan_rings("5002");
    assert_eq!(bench.call.first().presented_number(), "5001");
    bench.give(Input::LegRinging(other));
    bench.give(Input::LegAnswered(other));
    bench.give(Input::LegReleased(own));
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
fn a_queue_and_a_service_are_numbers_too() {
    let (mut bench, own) = rings("9000", point("9000", None));
    bench.news();
    bench.give(Input::LegAnswered(own));
    bench.plan(point("9000", None));
    assert_eq!(bench.news(), ["Queued@9000", "RouteRequest@9000", "Established@5001"]);
    let (mut bench, own) = rings("echo", Destination::Service(Service::Echo));
    bench.give(Input::LegAnswered(own));
    bench.plan(Destination::Service(Service::Echo));
    assert_eq!(bench.last().name, EventName::Established);
    assert!(bench.take().iter().any(|output| matches!(output, Output::StartTreatment { leg, .. } if *leg == own)));
}

#[test]
fn nothing_rings_for_a_number_that_cannot_be_called() {
    let unknown = Destination::Reject { status: 404, reason: String::new() };
    for (destination, code) in [
        (unknown, ErrorCode::INVALID_CALLED_DN),
        (phone("5002", 0), ErrorCode::OUT_OF_SERVICE),
        (phone("5001", 1), ErrorCode::INVALID_DESTINATION),
    ] {
        let mut bench = Bench::made("5001", "5002");
        bench.plan(destination);
        assert_eq!(bench.story(), ["CallCreated", "Error@5001", "CallDeleted GeneralError"]);
        assert_eq!(bench.fact(EventName::Error).error.as_ref().map(|error| error.0), Some(code));
        assert!(bench.over() && bench.rings().is_empty());
    }
}

#[test]
fn the_phone_that_calls_must_be_a_registered_phone() {
    for (destination, code) in [
        (phone("5001", 0), ErrorCode::OUT_OF_SERVICE),
        (phone("5003", 1), ErrorCode::INVALID_ATTRIBUTE),
        (point("5001", None), ErrorCode::INVALID_ATTRIBUTE),
    ] {
        let mut bench = Bench::made("5001", "5002");
        bench.plan(phone("5002", 1));
        bench.plan(destination);
        assert_eq!(bench.fact(EventName::Error).error.as_ref().map(|error| error.0), Some(code));
        assert!(bench.over() && bench.rings().is_empty());
    }
}

#[test]
fn a_silent_dial_plan_is_a_timeout() {
    let mut bench = Bench::made("5001", "5002");
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.fact(EventName::Error).error.as_ref().map(|error| error.0), Some(ErrorCode::TIMEOUT));
    assert!(bench.over());
}

#[test]
fn who_asked_is_told_when_the_call_is_cleared_before_anything_rings() {
    let mut bench = Bench::made("5001", "5002");
    bench.ask(RequestKind::ClearCall(CONN), "5001");
    assert_eq!(bench.story(), ["CallCreated", "Error@5001", "CallDeleted Cleared"]);
}

#[test]
fn the_phone_that_calls_refuses_or_is_not_answered() {
    let (mut bench, own) = rings("5002", phone("5002", 1));
    bench.news();
    bench.give(Input::LegFailed { leg: own, status: 486 });
    assert_eq!(bench.news(), ["Released@5001 Busy", "CallDeleted Busy"]);
    let (mut bench, own) = rings("5002", phone("5002", 1));
    bench.news();
    bench.pass(Duration::from_secs(15));
    assert_eq!(bench.news(), ["Released@5001 NoAnswer", "CallDeleted NoAnswer"]);
    assert!(bench.take().contains(&Output::CancelLeg(own)));
    let (mut bench, own) = rings("5002", phone("5002", 1));
    bench.ask(RequestKind::ReleaseCall(CONN), "5001");
    assert!(bench.over() && bench.take().contains(&Output::CancelLeg(own)));
}

#[test]
fn of_several_registrations_the_first_answer_counts() {
    let mut bench = Bench::made("5001", "5002");
    bench.plan(phone("5002", 1));
    bench.plan(phone("5001", 3));
    let legs = bench.rings();
    bench.give(Input::LegFailed { leg: legs[0], status: 486 });
    bench.give(Input::LegReleased(legs[1]));
    assert!(!bench.over(), "one still rings");
    bench.give(Input::LegAnswered(legs[2]));
    assert_eq!(asked_for(&mut bench), ["5002"]);
    let mut bench = Bench::made("5001", "5002");
    bench.plan(phone("5002", 1));
    bench.plan(phone("5001", 2));
    let legs = bench.rings();
    bench.give(Input::LegAnswered(legs[1]));
    assert!(bench.take().contains(&Output::CancelLeg(legs[0])));
    bench.give(Input::LegAnswered(legs[0]));
    assert!(bench.take().contains(&Output::ReleaseLeg(legs[0])), "it answered while its cancel was on the way");
}

#[test]
fn a_successor_asks_again() {
    let mut bench = Bench::made("5001", "5002");
    bench.take();
    bench.call.ask_again();
    bench.drain();
    assert_eq!(asked_for(&mut bench), ["5002"]);
    let own = {
        bench.plan(phone("5002", 1));
        bench.plan_rings("5001")
    };
    bench.give(Input::LegAnswered(own));
    bench.take();
    bench.call.ask_again();
    bench.drain();
    assert_eq!(asked_for(&mut bench), ["5002"]);
}
