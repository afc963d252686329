//! Calls to numbers outside: who is there has no DN, and so no events.

use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Caller, Destination};
use model::request::{RequestKind, RouteTo};
use model::{CallType, EventName, LegId, UserData};

use super::harness::{ANI, Bench, CONN, CONSULTATION, dn, outside, phone, point};
use crate::call::{CALLER_LEG, Input, Output};

const NUMBER: &str = "+4930999";

fn by(bench: &mut Bench) -> Option<Caller> {
    bench.take().into_iter().find_map(|output| match output {
        Output::AskDialPlan { by, .. } => Some(by),
        _ => None,
    })
}

/// The leg that calls outside, and the number that it shows.
fn called(bench: &mut Bench) -> (LegId, Option<String>) {
    let ring = |output| match output {
        Output::RingLeg { leg, shows, dn, .. } if dn.as_str() == NUMBER => Some((leg, shows)),
        _ => None,
    };
    bench.take().into_iter().find_map(ring).expect("it is called")
}

#[test]
fn a_phone_calls_a_number_outside() {
    let mut bench = Bench::internal(NUMBER);
    bench.plan(outside(NUMBER));
    let (leg, shows) = called(&mut bench);
    assert_eq!(shows.as_deref(), Some("+15550100"));
    bench.give(Input::LegRinging(leg));
    assert!(bench.take().contains(&Output::AlertCaller(CALLER_LEG)));
    bench.give(Input::LegAnswered(leg));
    bench.give(Input::LegAnswered(CALLER_LEG));
    let established = bench.fact(EventName::Established);
    assert_eq!((established.this_dn.as_ref(), established.other_dn.as_deref()), (Some(&dn("5001")), Some(NUMBER)));
    bench.give(Input::LegReleased(leg));
    assert_eq!(
        bench.story(),
        [
            "CallCreated",
            "Dialing@5001",
            "NetworkReached@5001",
            "Established@5001",
            "Released@5001 RemoteRelease",
            "CallDeleted"
        ]
    );
    let outbound =
        |fact: &model::Stamped| fact.event.call.as_ref().is_some_and(|call| call.call_type == CallType::Outbound);
    assert!(bench.facts.iter().all(outbound), "from the first fact on");
}

#[test]
fn a_number_outside_is_busy_or_does_not_answer() {
    let mut bench = Bench::internal(NUMBER);
    bench.plan(outside(NUMBER));
    let (leg, _) = called(&mut bench);
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    assert_eq!(bench.news(), ["DestinationBusy@5001 Busy", "Released@5001 Busy", "CallDeleted Busy"]);
    let mut bench = Bench::internal(NUMBER);
    bench.plan(outside(NUMBER));
    let (leg, _) = called(&mut bench);
    bench.give(Input::LegRinging(leg));
    bench.pass(Duration::from_secs(60));
    assert!(bench.over() && bench.take().contains(&Output::CancelLeg(leg)));
}

#[test]
fn an_application_routes_a_caller_outside() {
    let mut bench = Bench::waiting();
    bench.take();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn(NUMBER), agent: None }), "9000");
    assert_eq!(by(&mut bench), Some(Caller::Phone(dn("9000"))), "the application decides, not the caller");
    bench.plan(outside(NUMBER));
    let (leg, _) = called(&mut bench);
    bench.news();
    bench.give(Input::LegRinging(leg));
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.news(), Vec::<String>::new(), "both are outside");
    assert_eq!(bench.call.first().call_type(), CallType::Inbound);
    bench.give(Input::LegReleased(leg));
    assert_eq!(bench.news(), ["CallDeleted"]);
    assert!(bench.take().contains(&Output::ReleaseLeg(CALLER_LEG)));
}

#[test]
fn a_number_outside_that_does_not_take_a_routed_call_gives_it_back_to_its_queue() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn(NUMBER), agent: None }), "9000");
    bench.take();
    bench.plan(outside(NUMBER));
    let (leg, _) = called(&mut bench);
    bench.news();
    bench.give(Input::LegFailed { leg, status: 503 });
    assert_eq!(bench.last().extensions.text("FailedDN"), Some(NUMBER));
    assert_eq!(bench.news(), ["Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn an_agent_transfers_its_caller_outside() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.ask(RequestKind::SingleStepTransfer(CONN, dn(NUMBER)), "5001");
    assert_eq!(by(&mut bench), Some(Caller::Phone(dn("5001"))));
    bench.plan(outside(NUMBER));
    assert!(bench.outputs.contains(&Output::ReleaseLeg(agent)));
    let (leg, _) = called(&mut bench);
    bench.news();
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.news(), Vec::<String>::new());
    bench.give(Input::LegReleased(CALLER_LEG));
    assert!(bench.over() && bench.take().contains(&Output::ReleaseLeg(leg)));
}

#[test]
fn an_agent_consults_outside_and_makes_a_conference_of_it_or_transfers() {
    for complete in
        [RequestKind::CompleteConference(CONN, CONSULTATION), RequestKind::CompleteTransfer(CONN, CONSULTATION)]
    {
        let (mut bench, _) = Bench::talking();
        bench.ask(RequestKind::InitiateTransfer(CONN, dn(NUMBER), UserData::new()), "5001");
        bench.take();
        bench.plan(outside(NUMBER));
        let (leg, _) = called(&mut bench);
        bench.give(Input::LegRinging(leg));
        bench.give(Input::LegAnswered(leg));
        assert_eq!(bench.fact(EventName::NetworkReached).call.as_ref().map(|call| call.conn_id), Some(CONSULTATION));
        bench.ask(complete.clone(), "5001");
        let first = bench.call.first();
        let there: Vec<&str> = first.parties.iter().map(crate::call::Party::address).collect();
        match complete {
            RequestKind::CompleteConference(..) => assert_eq!(there, [ANI, "5001", NUMBER]),
            _ => assert_eq!(there, [ANI, NUMBER]),
        }
    }
}

#[test]
fn a_program_calls_a_number_outside_from_a_phone() {
    let mut bench = Bench::made("5001", NUMBER);
    bench.plan(outside(NUMBER));
    let own = bench.plan_rings("5001");
    assert_eq!(bench.fact(EventName::Dialing).call.as_ref().map(|call| call.call_type), Some(CallType::Outbound));
    bench.give(Input::LegAnswered(own));
    bench.take();
    bench.plan(outside(NUMBER));
    let (leg, _) = called(&mut bench);
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.last().name, EventName::Established);
}

#[test]
fn a_ringing_call_is_redirected_outside() {
    let (mut bench, _) = Bench::ringing();
    bench.take();
    bench.ask(RequestKind::RedirectCall(CONN, dn(NUMBER)), "5001");
    assert_eq!(by(&mut bench), Some(Caller::Phone(dn("5001"))));
    bench.plan(outside(NUMBER));
    called(&mut bench);
}

#[test]
fn a_number_outside_has_no_requests_and_a_call_to_it_ends_with_its_caller() {
    let mut bench = Bench::internal(NUMBER);
    bench.plan(outside(NUMBER));
    let (leg, _) = called(&mut bench);
    bench.give(Input::LegRinging(leg));
    bench.ask(RequestKind::AnswerCall(CONN), NUMBER);
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    bench.ask(RequestKind::ReleaseCall(CONN), NUMBER);
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    bench.give(Input::LegReleased(CALLER_LEG));
    assert!(bench.over() && bench.take().contains(&Output::CancelLeg(leg)));
}

#[test]
fn destinations_of_an_internal_call_leave_it_internal() {
    for destination in [phone("5002", 1), point("9000", None), Destination::Service(model::plan::Service::Echo)] {
        let mut bench = Bench::internal("5002");
        bench.plan(destination);
        assert_eq!(bench.call.first().call_type(), CallType::Internal);
    }
}
