use std::time::Duration;

use model::plan::Destination;
use model::request::RequestKind;
use model::{CallState, EventName, LegId};

use super::harness::{ANI, Bench, CONN, dn, phone};
use crate::call::replacement::PARKED_MAX;
use crate::call::{CALLER_LEG, Input, Output, Party, Replaced, Stage};

fn addresses(bench: &Bench) -> Vec<&str> {
    bench.call.first().parties.iter().map(Party::address).collect()
}

/// The phone of 5004 takes the place; its leg.
fn joined(bench: &mut Bench, of: Replaced) -> LegId {
    let leg = bench.joins(of, "5004").expect("a leg");
    assert_eq!(bench.take(), [Output::AnswerCaller(leg)]);
    leg
}

#[test]
fn another_phone_picks_up_a_call_that_rings() {
    let (mut bench, rings) = Bench::ringing();
    bench.take();
    bench.news();
    let leg = joined(&mut bench, Replaced::Ringing(rings));
    assert!(bench.news().is_empty(), "nothing has happened before it is answered");
    bench.give(Input::LegAnswered(leg));
    assert!(bench.take().contains(&Output::CancelLeg(rings)));
    let released = bench.fact(EventName::Released);
    assert_eq!(released.third_party_dn.as_deref(), Some("5004"));
    assert_eq!(bench.news(), ["Released@5001 PickedUp", "Ringing@5004", "Established@5004"]);
    assert_eq!(addresses(&bench), [ANI, "5004"]);
}

#[test]
fn a_phone_that_answers_first_keeps_the_call() {
    let (mut bench, rings) = Bench::ringing();
    bench.take();
    let leg = joined(&mut bench, Replaced::Ringing(rings));
    bench.give(Input::LegAnswered(rings));
    bench.take();
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.take(), [Output::ReleaseLeg(leg)]);
    assert_eq!(addresses(&bench), [ANI, "5001"]);
}

#[test]
fn who_cannot_be_answered_takes_nothing() {
    let (mut bench, rings) = Bench::ringing();
    bench.take();
    bench.news();
    let leg = joined(&mut bench, Replaced::Ringing(rings));
    bench.give(Input::LegFailed { leg, status: 503 });
    assert_eq!(bench.take(), [Output::RejectCaller { leg, status: 503 }], "its INVITE is refused, or its dialog ended");
    let leg = joined(&mut bench, Replaced::Ringing(rings));
    bench.give(Input::LegReleased(leg));
    assert!(bench.news().is_empty() && bench.take().is_empty());
    bench.give(Input::LegAnswered(rings));
    assert_eq!(addresses(&bench), [ANI, "5001"]);
}

#[test]
fn the_end_of_the_call_refuses_who_waits_for_a_place() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    let leg = joined(&mut bench, Replaced::Leg(agent));
    bench.give(Input::LegReleased(CALLER_LEG));
    assert!(bench.take().iter().any(|output| matches!(output, Output::RejectCaller { leg: at, .. } if *at == leg)));
    assert!(bench.over());
}

#[test]
fn the_same_number_goes_on_at_another_phone_and_nobody_is_told() {
    let (mut bench, agent) = Bench::talking();
    bench.give(Input::LegHeld(agent));
    bench.take();
    bench.news();
    let leg = bench.joins(Replaced::Leg(agent), "5001").expect("a leg");
    bench.give(Input::LegAnswered(leg));
    assert!(bench.take().contains(&Output::ReleaseLeg(agent)));
    assert_eq!(bench.news(), ["Retrieved@5001"]);
    bench.give(Input::LegReleased(leg));
    assert!(bench.over());
}

#[test]
fn a_phone_of_another_number_takes_a_partys_place() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.news();
    let leg = joined(&mut bench, Replaced::Leg(agent));
    bench.give(Input::LegAnswered(leg));
    assert!(bench.take().contains(&Output::ReleaseLeg(agent)));
    assert_eq!(bench.news(), ["Released@5001 Transferred", "Ringing@5004 Transferred", "Established@5004"]);
    assert_eq!(addresses(&bench), [ANI, "5004"]);
}

#[test]
fn a_place_is_taken_by_one_phone_at_a_time_and_never_by_who_is_in_the_call() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    assert_eq!(bench.joins(Replaced::Leg(CALLER_LEG), "5001"), None);
    assert_eq!(bench.joins(Replaced::Leg(CALLER_LEG), "5004"), None, "who is outside has no phone of ours");
    assert_eq!(bench.joins(Replaced::Ringing(agent), "5004"), None, "it rings no more");
    joined(&mut bench, Replaced::Leg(agent));
    assert_eq!(bench.joins(Replaced::Leg(agent), "5003"), None);
}

/// A caller from outside that 5001 has parked.
fn parked() -> Bench {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::SingleStepTransfer(CONN, dn("*5901")), "5001");
    bench.take();
    bench.news();
    bench.plan(Destination::Park { slot: dn("*5901") });
    bench
}

#[test]
fn a_call_is_parked_by_a_transfer_and_fetched_by_another_phone() {
    let mut bench = parked();
    assert_eq!(bench.news(), ["Released@5001 Transferred"]);
    let starts = |output: &Output| matches!(output, Output::StartTreatment { leg: CALLER_LEG, .. });
    assert!(bench.take().iter().any(starts), "who is parked hears music");
    assert!(matches!(bench.call.first().stage, Stage::Parked(_)));
    let leg = joined(&mut bench, Replaced::Parked);
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.fact(EventName::Ringing).third_party_dn.as_deref(), Some("5001"));
    assert_eq!(bench.news(), ["Ringing@5004 Transferred", "Established@5004"]);
    assert!(bench.take().iter().any(|output| matches!(output, Output::StopTreatment { leg: CALLER_LEG, .. })));
    assert_eq!(addresses(&bench), [ANI, "5004"]);
}

#[test]
fn a_call_that_nobody_fetches_rings_at_who_parked_it() {
    let mut bench = parked();
    bench.pass(PARKED_MAX);
    assert!(
        bench.take().iter().any(|output| matches!(output, Output::AskDialPlan { dialled, .. } if dialled == "5001"))
    );
    bench.plan(phone("5001", 1));
    let leg = LegId(bench.call.first().numbers.leg - 1);
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.fact(EventName::Ringing).extensions.text("RecalledFrom"), Some("*5901"));
    assert_eq!(addresses(&bench), [ANI, "5001"]);
}

#[test]
fn who_has_parked_a_call_takes_it_back_and_nobody_else_does() {
    let mut bench = parked();
    bench.take();
    bench.news();
    bench.ask(RequestKind::RetrieveCall(CONN), "5004");
    assert_eq!(bench.last().name, EventName::Error, "5004 has not parked it");
    assert!(matches!(bench.call.first().stage, Stage::Parked(_)));
    bench.ask(RequestKind::RetrieveCall(CONN), "5001");
    assert_eq!(bench.last().name, EventName::ACK);
    assert!(
        bench.take().iter().any(|output| matches!(output, Output::AskDialPlan { dialled, .. } if dialled == "5001"))
    );
    bench.plan(phone("5001", 1));
    let leg = LegId(bench.call.first().numbers.leg - 1);
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.fact(EventName::Ringing).extensions.text("RecalledFrom"), Some("*5901"));
    assert_eq!(addresses(&bench), [ANI, "5001"]);
    bench.ask(RequestKind::RetrieveCall(CONN), "5001");
    assert_eq!(bench.last().name, EventName::Error, "it is not held");
}

#[test]
fn who_is_parked_may_hang_up() {
    let mut bench = parked();
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert!(bench.over());
    assert_eq!(bench.last().call_state, Some(CallState::Ok));
    bench.pass(Duration::from_secs(300));
}

#[test]
fn a_call_is_not_routed_or_redirected_to_a_slot() {
    let (mut bench, _) = Bench::ringing();
    bench.ask(RequestKind::RedirectCall(CONN, dn("*5901")), "5001");
    bench.plan(Destination::Park { slot: dn("*5901") });
    assert_eq!(bench.last().name, EventName::Error);
    assert!(matches!(bench.call.first().stage, Stage::Offering(_)));
}
