//! What is heard of a destination before it answers.

use std::time::Duration;

use model::LegId;
use model::plan::Destination;
use model::request::{RequestKind, RouteTo};

use super::harness::{Bench, CONN, dn, outside, outside_by_two, phone};
use crate::call::{CALLER_LEG, Input, Output};

const NUMBER: &str = "+4930999";

/// 5001 calls a number outside.
fn called() -> (Bench, LegId) {
    let mut bench = Bench::internal(NUMBER);
    bench.plan(outside(NUMBER));
    let leg = bench.rings().pop().expect("it is called");
    (bench, leg)
}

fn early(leg: LegId) -> Input {
    Input::LegPlaysEarly { leg, rings: false }
}

/// Whether the call hears the leg, in a 183 and in a 180.
fn hears(bench: &Bench, leg: LegId) -> [bool; 2] {
    [false, true].map(|rings| bench.call.first().hears_early(leg, rings))
}

#[test]
fn a_caller_hears_a_carrier_before_the_answer() {
    let (mut bench, leg) = called();
    assert_eq!(hears(&bench, leg), [true, true]);
    bench.give(early(leg));
    assert_eq!(bench.take(), [Output::PlayEarly { leg: CALLER_LEG, rings: false }]);
    bench.give(Input::LegRinging(leg));
    bench.give(Input::LegAnswered(leg));
    assert!(bench.take().contains(&Output::AnswerCaller(CALLER_LEG)));
}

#[test]
fn a_caller_that_is_answered_hears_it_in_place_of_the_ringing_tone() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn(NUMBER), agent: None }), "9000");
    bench.take();
    bench.plan(outside(NUMBER));
    let outputs = bench.take();
    let tone = outputs.iter().find_map(|output| match output {
        Output::StartTreatment { id, .. } => Some(*id),
        _ => None,
    });
    let leg = outputs.iter().find_map(|output| match output {
        Output::RingLeg { leg, .. } => Some(*leg),
        _ => None,
    });
    let (tone, leg) = (tone.expect("a ringing tone"), leg.expect("it is called"));
    // A 180 may have a session without sound.
    assert_eq!(hears(&bench, leg), [true, false]);
    bench.give(early(leg));
    assert_eq!(bench.take(), [Output::StopTreatment { leg: CALLER_LEG, id: tone }]);
}

#[test]
fn none_of_several_phones_is_heard_before_one_answers() {
    let mut bench = Bench::internal("5002");
    bench.plan(phone("5002", 2));
    let legs = bench.rings();
    assert_eq!(hears(&bench, legs[0]), [false, false]);
    bench.give(early(legs[0]));
    assert_eq!(bench.take(), []);
}

#[test]
fn of_two_carriers_that_are_called_for_an_emergency_the_last_one_is_heard() {
    let Destination::Outside(mut outside) = outside_by_two(NUMBER) else { unreachable!("it is outside") };
    outside.way.is_emergency = true;
    outside.further.iter_mut().for_each(|way| way.is_emergency = true);
    let mut bench = Bench::internal(NUMBER);
    bench.plan(Destination::Outside(outside));
    let first = bench.rings().pop().expect("it is called");
    bench.pass(Duration::from_secs(20));
    let second = bench.rings().pop().expect("the second is tried");
    assert_eq!((hears(&bench, first), hears(&bench, second)), ([false, false], [true, true]));
}

#[test]
fn who_is_brought_into_a_call_is_not_heard_before_the_answer() {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::SingleStepConference(CONN, dn(NUMBER)), "5001");
    bench.take();
    bench.plan(outside(NUMBER));
    let leg = bench.rings().pop().expect("it is called");
    assert_eq!(hears(&bench, leg), [false, false]);
    bench.give(early(leg));
    assert_eq!(bench.take(), []);
}
