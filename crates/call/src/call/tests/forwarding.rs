//! Phones that forward calls: at once by the dial plan, or because they are busy or not answered.

use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Destination, ForwardedBy, Forwards, Occasion, PlanAnswer};
use model::request::{ForwardMode, RequestKind, RouteTo};
use model::{Dn, EventName, LegId};

use super::harness::{Bench, CONN, dn, outside, phone, point};
use crate::call::{CALLER_LEG, Input, Output};

/// What rings forwards calls that find it so.
fn forwards(destination: Destination) -> PlanAnswer {
    PlanAnswer { forwards: Forwards { busy: true, no_answer: true }, ..destination.into() }
}

fn forwarded(destination: Destination, forwarders: &[&str]) -> PlanAnswer {
    let by = |by: &&str| ForwardedBy { dn: dn(by), mode: ForwardMode::Unconditional };
    PlanAnswer { forwarded_by: forwarders.iter().map(by).collect(), ..destination.into() }
}

/// The question that is open: the number, why, and who forwarded the call so far.
fn question(bench: &mut Bench) -> Option<(String, Occasion, Vec<Dn>)> {
    bench.take().into_iter().find_map(|output| match output {
        Output::AskDialPlan { dialled, occasion, forwarded_by, .. } => {
            Some((dialled, occasion, forwarded_by.into_iter().map(|by| by.dn).collect()))
        }
        _ => None,
    })
}

/// 5001 has dialled 5002, whose phone rings and forwards calls.
fn ringing() -> (Bench, LegId) {
    let mut bench = Bench::internal("5002");
    bench.take();
    bench.plan_answers(forwards(phone("5002", 1)));
    let leg = bench.rings().pop().expect("it rings");
    bench.give(Input::LegRinging(leg));
    bench.take();
    bench.news();
    (bench, leg)
}

#[test]
fn a_call_that_was_forwarded_at_once_says_by_whom() {
    let mut bench = Bench::internal("5002");
    bench.plan_answers(forwarded(phone("5003", 1), &["5002"]));
    let leg = bench.rings().pop().expect("it rings");
    bench.give(Input::LegRinging(leg));
    let ringing = bench.fact(EventName::Ringing);
    assert_eq!((ringing.this_dn.as_ref(), ringing.third_party_dn.as_deref()), (Some(&dn("5003")), Some("5002")));
    assert_eq!(bench.news(), ["CallCreated", "Dialing@5001", "Ringing@5003 Forwarded"]);
}

#[test]
fn a_busy_phone_forwards_and_the_call_rings_there() {
    let mut bench = Bench::internal("5002");
    bench.take();
    bench.plan_answers(forwards(phone("5002", 1)));
    let leg = bench.rings().pop().expect("it rings");
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    assert_eq!(question(&mut bench), Some(("5002".to_owned(), Occasion::Busy, Vec::new())));
    bench.plan_answers(forwarded(phone("5003", 1), &["5002"]));
    let leg = bench.rings().pop().expect("it rings there");
    bench.give(Input::LegRinging(leg));
    assert_eq!(bench.news(), ["Ringing@5003 Forwarded"], "the busy phone was told nothing");
    bench.give(Input::LegAnswered(leg));
    bench.give(Input::LegAnswered(CALLER_LEG));
    assert_eq!(bench.news(), ["Established@5001", "Established@5003"]);
}

#[test]
fn a_phone_that_nobody_answers_forwards_and_is_told() {
    let (mut bench, leg) = ringing();
    bench.pass(Duration::from_secs(15));
    assert!(bench.outputs.contains(&Output::CancelLeg(leg)));
    assert_eq!(question(&mut bench), Some(("5002".to_owned(), Occasion::NoAnswer, Vec::new())));
    bench.plan_answers(forwarded(outside("+4930999"), &["5002"]));
    let released = bench.fact(EventName::Released);
    assert_eq!(released.third_party_dn.as_deref(), Some("+4930999"));
    assert_eq!(bench.news(), ["Released@5002 Forwarded"]);
    let leg = bench.rings().pop().expect("it is called");
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.news().first().map(String::as_str), Some("NetworkReached@5001"));
}

#[test]
fn the_next_phone_forwards_in_turn_and_the_way_is_known() {
    let (mut bench, leg) = ringing();
    bench.give(Input::LegFailed { leg, status: 486 });
    bench.take();
    let next =
        PlanAnswer { forwards: Forwards { busy: true, no_answer: false }, ..forwarded(phone("5003", 1), &["5002"]) };
    bench.plan_answers(next);
    let leg = bench.rings().pop().expect("it rings");
    bench.give(Input::LegFailed { leg, status: 486 });
    assert_eq!(question(&mut bench), Some(("5003".to_owned(), Occasion::Busy, vec![dn("5002")])));
    bench.plan(Destination::Reject { status: 482, reason: "a circle".to_owned() });
    assert!(bench.over());
}

#[test]
fn without_a_forward_a_call_ends_as_before() {
    for (destination, why) in [
        (Destination::Reject { status: 486, reason: String::new() }, "none is set any more"),
        (phone("5003", 0), "the phone there is not registered"),
        (phone("5001", 1), "it is the caller"),
    ] {
        let (mut bench, leg) = ringing();
        bench.give(Input::LegFailed { leg, status: 486 });
        bench.plan(destination);
        assert_eq!(
            bench.news(),
            ["DestinationBusy@5001 Busy", "Released@5001 Busy", "Released@5002 Busy", "CallDeleted Busy"],
            "{why}"
        );
    }
    let (mut bench, leg) = ringing();
    bench.give(Input::LegFailed { leg, status: 486 });
    bench.pass(Duration::from_secs(6));
    assert!(bench.over(), "the dial plan is silent");
    let (mut bench, leg) = ringing();
    bench.give(Input::LegFailed { leg, status: 603 });
    assert!(bench.over(), "the person refuses");
}

#[test]
fn while_the_dial_plan_is_asked_nothing_rings_and_who_calls_may_leave() {
    let (mut bench, leg) = ringing();
    bench.give(Input::LegFailed { leg, status: 486 });
    bench.ask(RequestKind::RedirectCall(CONN, dn("5003")), "5002");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.news(), ["Released@5001", "Abandoned@5002", "CallDeleted"]);
}

#[test]
fn a_busy_phone_forwards_to_a_route_point() {
    let (mut bench, leg) = ringing();
    bench.give(Input::LegFailed { leg, status: 486 });
    bench.plan_answers(forwarded(point("9000", None), &["5002"]));
    assert!(bench.take().contains(&Output::AnswerCaller(CALLER_LEG)));
    assert_eq!(bench.news(), ["Released@5002 Forwarded", "Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn a_routed_call_returns_to_its_point_and_asks_for_the_agent_alone() {
    let mut bench = Bench::waiting();
    bench.take();
    let agent = model::AgentId::parse("1001").expect("an agent");
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: Some(agent) }), "9000");
    assert_eq!(question(&mut bench), Some(("5001".to_owned(), Occasion::RoutedToAgent, Vec::new())));
    bench.plan_answers(forwards(phone("5001", 1)));
    let leg = bench.rings().pop().expect("it rings");
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    assert_eq!(bench.news(), ["Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn a_route_to_a_phone_that_takes_no_calls_is_refused_as_busy() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    bench.plan(Destination::Reject { status: 486, reason: "do not disturb".to_owned() });
    assert_eq!(bench.error(), ErrorCode::DN_BUSY);
    assert!(!bench.over());
}

#[test]
fn who_dials_a_phone_that_takes_no_calls_finds_it_busy() {
    let mut bench = Bench::internal("5002");
    bench.plan(Destination::Reject { status: 486, reason: "do not disturb".to_owned() });
    assert!(bench.take().contains(&Output::RejectCaller { leg: CALLER_LEG, status: 486 }));
    let end = ["CallCreated", "Dialing@5001", "DestinationBusy@5001 Busy", "Released@5001 Busy", "CallDeleted Busy"];
    assert_eq!(bench.news(), end);
}

#[test]
fn a_transferred_call_follows_the_forwarding_of_its_destination() {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::SingleStepTransfer(CONN, dn("5002")), "5001");
    bench.take();
    bench.plan_answers(forwards(phone("5002", 1)));
    let leg = bench.rings().pop().expect("it rings");
    bench.give(Input::LegFailed { leg, status: 486 });
    assert_eq!(question(&mut bench), Some(("5002".to_owned(), Occasion::Busy, Vec::new())));
    bench.plan_answers(forwarded(phone("5003", 1), &["5002"]));
    let leg = bench.rings().pop().expect("it rings");
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    assert_eq!(question(&mut bench), Some(("5001".to_owned(), Occasion::OwnPhone, Vec::new())), "it comes back");
}

#[test]
fn the_phone_from_which_a_call_is_made_rings_whatever_it_has_set() {
    let mut bench = Bench::made("5001", "5002");
    assert_eq!(question(&mut bench).map(|(_, occasion, _)| occasion), Some(Occasion::Called));
    bench.plan(phone("5002", 1));
    assert_eq!(question(&mut bench), Some(("5001".to_owned(), Occasion::OwnPhone, Vec::new())));
}
