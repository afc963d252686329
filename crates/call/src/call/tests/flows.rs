//! A phone with several flows, tried one after the other.

use model::LegId;
use model::plan::Contact;
use model::request::{RequestKind, RouteTo, Treatment};

use super::harness::{Bench, CONN, dn, outside, phone};
use crate::call::{CALLER_LEG, Input, Output};

fn next() -> Contact {
    Contact::new("sip:5001@192.0.2.99".to_owned(), Vec::new())
}

/// The legs that ring, each with the URI of its phone.
fn rings(bench: &mut Bench) -> Vec<(LegId, String)> {
    let ring = |output| match output {
        Output::RingLeg { leg, contact, .. } => Some((leg, contact.uri)),
        _ => None,
    };
    bench.take().into_iter().filter_map(ring).collect()
}

#[test]
fn a_phone_that_is_lost_by_one_flow_rings_by_the_next_and_is_told_of_once() {
    let (mut bench, first) = Bench::ringing();
    bench.give(Input::FlowFailed { leg: first, next: next() });
    let (second, uri) = rings(&mut bench).pop().expect("the next flow is tried");
    assert_eq!(uri, "sip:5001@192.0.2.99");
    assert_ne!(first, second, "a leg of its own");
    bench.news();
    bench.give(Input::LegRinging(second));
    bench.give(Input::LegAnswered(second));
    assert_eq!(bench.news(), ["Established@5001"], "it has rung before");
    bench.take();
    bench.give(Input::LegAnswered(first));
    assert_eq!(bench.take(), [Output::ReleaseLeg(first)], "an answer by the lost flow comes too late");
}

#[test]
fn the_last_flow_decides_what_becomes_of_the_call() {
    let (mut bench, first) = Bench::ringing();
    bench.give(Input::FlowFailed { leg: first, next: next() });
    let (second, _) = rings(&mut bench).pop().expect("the next flow is tried");
    bench.news();
    bench.give(Input::LegUnreachable { leg: second, status: 480 });
    assert_eq!(bench.news(), ["Released@5001 NoAnswer", "Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn another_phone_of_the_number_rings_on() {
    let mut bench = Bench::internal("5002");
    bench.plan(phone("5002", 2));
    let legs = bench.rings();
    bench.give(Input::FlowFailed { leg: legs[0], next: next() });
    let (moved, _) = rings(&mut bench).pop().expect("the next flow is tried");
    bench.give(Input::LegAnswered(moved));
    let outputs = bench.take();
    assert!(outputs.contains(&Output::CancelLeg(legs[1])));
    assert!(!outputs.contains(&Output::CancelLeg(legs[0])), "that leg has ended");
}

#[test]
fn the_phone_from_which_a_call_is_made_rings_by_its_next_flow_too() {
    let mut bench = Bench::made("5001", "5002");
    bench.plan(phone("5002", 1));
    let first = bench.plan_rings("5001");
    bench.give(Input::FlowFailed { leg: first, next: next() });
    let (second, _) = rings(&mut bench).pop().expect("the next flow is tried");
    assert_eq!(bench.call.first().parties.first().map(|caller| caller.leg), Some(second));
    bench.give(Input::LegAnswered(second));
    let asks = |output: &Output| matches!(output, Output::AskDialPlan { dialled, .. } if dialled == "5002");
    assert!(bench.take().iter().any(asks), "now the number is called");
}

#[test]
fn a_leg_that_does_not_ring_at_a_phone_has_no_other_flow() {
    let (mut bench, leg) = Bench::talking();
    bench.take();
    for leg in [leg, CALLER_LEG, LegId(99)] {
        bench.give(Input::FlowFailed { leg, next: next() });
    }
    let mut by_trunk = Bench::internal("+4930999");
    by_trunk.plan(outside("+4930999"));
    let leg = by_trunk.rings().pop().expect("it is called");
    by_trunk.give(Input::FlowFailed { leg, next: next() });
    assert_eq!((rings(&mut bench), rings(&mut by_trunk)), (Vec::new(), Vec::new()));
}

#[test]
fn a_phone_that_was_asked_to_answer_is_asked_by_its_next_flow_too() {
    let (mut bench, first) = Bench::ringing();
    bench.ask(RequestKind::AnswerCall(CONN), "5001");
    bench.take();
    bench.give(Input::FlowFailed { leg: first, next: next() });
    let outputs = bench.take();
    let rings = |output: &Output| match output {
        Output::RingLeg { leg, .. } => Some(*leg),
        _ => None,
    };
    let second = outputs.iter().find_map(rings).expect("the next flow is tried");
    assert!(outputs.contains(&Output::AskAnswer(second)), "{outputs:?}");
    let mut unasked = Bench::ringing();
    unasked.0.take();
    unasked.0.give(Input::FlowFailed { leg: unasked.1, next: next() });
    assert!(!unasked.0.take().iter().any(|output| matches!(output, Output::AskAnswer(_))));
}

#[test]
fn each_flow_that_is_tried_of_a_phone_that_was_asked_to_answer_is_asked() {
    let (mut bench, mut leg) = Bench::ringing();
    bench.ask(RequestKind::AnswerCall(CONN), "5001");
    bench.take();
    let silent: fn(LegId) -> Input = |leg| Input::FlowSilent { leg, next: next() };
    let failed: fn(LegId) -> Input = |leg| Input::FlowFailed { leg, next: next() };
    for lost in [silent, silent, failed] {
        bench.give(lost(leg));
        let outputs = bench.take();
        let asked = |output: &Output| match output {
            Output::AskAnswer(leg) => Some(*leg),
            _ => None,
        };
        let next = outputs.iter().find_map(asked).expect("the next one is asked");
        assert_ne!(next, leg);
        leg = next;
    }
}

#[test]
fn of_several_phones_only_the_one_that_was_asked_to_answer_is_asked_by_its_next_flow() {
    let mut bench = Bench::internal("5002");
    bench.plan(phone("5002", 2));
    let legs = bench.rings();
    bench.give(Input::LegRinging(legs[1]));
    bench.ask(RequestKind::AnswerCall(CONN), "5002");
    assert!(bench.take().contains(&Output::AskAnswer(legs[0])));
    for (leg, is_asked) in [(legs[1], false), (legs[0], true)] {
        bench.give(Input::FlowSilent { leg, next: next() });
        let asks = |output: &Output| matches!(output, Output::AskAnswer(_));
        assert_eq!(bench.take().iter().any(asks), is_asked);
    }
}

#[test]
fn whoever_has_heard_a_phone_by_the_lost_flow_hears_a_ringing_tone_again() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    bench.take();
    bench.plan(phone("5001", 1));
    let first = bench.rings().pop().expect("it rings");
    bench.give(Input::LegPlaysEarly { leg: first, rings: false });
    bench.give(Input::LegRinging(first));
    bench.take();
    bench.give(Input::FlowFailed { leg: first, next: next() });
    let is_tone = |output: &&Output| {
        matches!(output, Output::StartTreatment { leg: CALLER_LEG, treatment: Treatment::RingBack, .. })
    };
    assert_eq!(bench.take().iter().filter(is_tone).count(), 1);
    let second = bench.call.first().ringing_legs()[0];
    bench.give(Input::FlowFailed { leg: second, next: next() });
    assert_eq!(bench.take().iter().filter(is_tone).count(), 0, "it plays already");
}

#[test]
fn a_caller_that_is_not_answered_is_told_again_that_the_phone_rings() {
    for rings in [true, false] {
        let mut bench = Bench::internal("5002");
        bench.plan(phone("5002", 1));
        let first = bench.rings().pop().expect("it rings");
        if rings {
            bench.give(Input::LegPlaysEarly { leg: first, rings: false });
            bench.give(Input::LegRinging(first));
        }
        bench.take();
        bench.give(Input::FlowFailed { leg: first, next: next() });
        assert_eq!(bench.take().contains(&Output::AlertCaller(CALLER_LEG)), rings);
    }
}

#[test]
fn a_silent_flow_may_still_answer_beside_the_next_one() {
    let (mut bench, first) = Bench::ringing();
    bench.give(Input::FlowSilent { leg: first, next: next() });
    let (second, _) = rings(&mut bench).pop().expect("the next flow is tried");
    assert_eq!(bench.call.first().ringing_legs(), [second, first]);
    bench.give(Input::LegPrevails { leg: first, rivals: vec![second], trunk: None });
    assert_eq!(bench.take(), [Output::CancelLeg(second)]);
    bench.news();
    bench.give(Input::LegAnswered(first));
    assert_eq!(bench.news(), ["Established@5001"]);
}

#[test]
fn the_phone_from_which_a_call_is_made_answers_by_either_flow() {
    let mut bench = Bench::made("5001", "5002");
    bench.plan(phone("5002", 1));
    let first = bench.plan_rings("5001");
    bench.give(Input::FlowSilent { leg: first, next: next() });
    let (second, _) = rings(&mut bench).pop().expect("the next flow is tried");
    bench.give(Input::LegPrevails { leg: second, rivals: vec![first], trunk: None });
    assert_eq!(bench.take(), [Output::CancelLeg(first)]);
    assert_eq!(bench.call.first().parties.first().map(|caller| caller.leg), Some(second));
}
