//! Several trunks to a number outside, tried in turn.

use std::collections::BTreeSet;
use std::time::Duration;

use model::plan::{Caller, Destination, Outside, Way};
use model::request::RequestKind;
use model::{LegId, UserData};
use proptest::prelude::*;

use super::harness::{Bench, CONN, CONSULTATION, dn, outside_by_two, way};
use crate::call::{Input, Output};

const NUMBER: &str = "+4930999";

fn three() -> Outside {
    Outside {
        number: dn(NUMBER),
        way: way("first", NUMBER),
        further: vec![way("second", NUMBER), way("third", NUMBER)],
        no_answer_ms: 60_000,
    }
}

fn by_three() -> Destination {
    Destination::Outside(three())
}

/// Three trunks by which a number for help is called.
fn three_for_help() -> Outside {
    let mut outside = three();
    outside.way.is_emergency = true;
    outside.further.iter_mut().for_each(|way| way.is_emergency = true);
    outside
}

/// Four, each of which may be silent for ten seconds.
fn four_for_help() -> Outside {
    let mut outside = three_for_help();
    outside.further.push(Way { is_emergency: true, ..way("fourth", NUMBER) });
    std::iter::once(&mut outside.way).chain(&mut outside.further).for_each(|way| way.try_ms = 10_000);
    outside
}

/// A number for help by four trunks, the first of which is silent until the second has been called; the legs by both.
fn two_of_four() -> (Bench, [LegId; 2]) {
    let mut bench = Bench::internal(NUMBER);
    bench.plan(Destination::Outside(four_for_help()));
    let first = bench.rings().pop().expect("it is called");
    bench.pass(Duration::from_millis(10_100));
    let second = bench.rings().pop().expect("the second is tried");
    bench.pass(Duration::from_secs(2));
    (bench, [first, second])
}

/// 5001 calls outside; the leg by the first trunk.
fn called() -> (Bench, LegId) {
    let mut bench = Bench::internal(NUMBER);
    bench.plan(by_three());
    let leg = bench.rings().pop().expect("it is called");
    (bench, leg)
}

fn notes(bench: &Bench) -> Vec<String> {
    let note = |output: &Output| match output {
        Output::Note(text) => Some(text.clone()),
        _ => None,
    };
    bench.outputs.iter().filter_map(note).collect()
}

#[test]
fn the_next_trunk_is_tried_when_the_way_by_one_fails() {
    let (mut bench, leg) = called();
    bench.give(Input::LegUnreachable { leg, status: 503 });
    assert_eq!(notes(&bench), ["the trunk first does not put the call through: the trunk second is tried"]);
    let second = bench.rings().pop().expect("the second is tried");
    bench.give(Input::LegUnreachable { leg: second, status: 408 });
    let third = bench.rings().pop().expect("the third is tried");
    bench.give(Input::LegAnswered(third));
    assert_eq!(bench.call.first().parties.len(), 2);
    let (mut bench, leg) = called();
    bench.give(Input::LegUnreachable { leg, status: 503 });
    let second = bench.rings().pop().expect("the second is tried");
    bench.give(Input::LegUnreachable { leg: second, status: 500 });
    let third = bench.rings().pop().expect("the third is tried");
    bench.give(Input::LegUnreachable { leg: third, status: 503 });
    assert!(bench.over(), "there is no fourth");
}

#[test]
fn who_calls_for_help_is_put_through_after_an_announcement_and_late() {
    let outside = three_for_help();
    let mut bench = Bench::internal(NUMBER);
    bench.plan(Destination::Outside(outside));
    let mut leg = bench.rings().pop().expect("it is called");
    for (status, rings) in [(503, 50), (480, 80)] {
        bench.give(Input::LegRinging(leg));
        bench.pass(Duration::from_secs(rings));
        bench.give(Input::LegUnreachable { leg, status });
        leg = bench.rings().pop().expect("the next trunk is tried");
    }
    bench.pass(Duration::from_secs(80));
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.call.first().parties.len(), 2);
}

#[test]
fn a_trunk_that_says_nothing_is_left_for_the_next() {
    let (mut bench, leg) = called();
    bench.pass(Duration::from_millis(4_900));
    assert_eq!(bench.rings(), []);
    bench.pass(Duration::from_millis(200));
    assert!(bench.outputs.contains(&Output::CancelLeg(leg)));
    assert_eq!(notes(&bench), ["the trunk first says nothing: the trunk second is tried"]);
    let second = bench.rings().pop().expect("the second is tried");
    bench.give(Input::LegFailed { leg, status: 487 });
    assert!(!bench.over(), "the end of the cancelled one is no refusal");
    bench.give(Input::LegAnswered(leg));
    assert!(bench.take().contains(&Output::ReleaseLeg(leg)), "its late answer is hung up");
    bench.give(Input::LegAnswered(second));
    assert_eq!(bench.call.first().parties.len(), 2);
}

/// An emergency number by three trunks, the first of which is silent; the legs by that and by the next one.
fn silent_emergency() -> (Bench, [LegId; 2]) {
    let outside = three_for_help();
    let mut bench = Bench::internal(NUMBER);
    bench.plan(Destination::Outside(outside));
    let first = bench.rings().pop().expect("it is called");
    bench.pass(Duration::from_millis(5_100));
    assert!(!bench.outputs.contains(&Output::CancelLeg(first)), "it may still answer");
    let second = bench.rings().pop().expect("the second is tried");
    (bench, [first, second])
}

#[test]
fn who_calls_for_help_is_put_through_by_the_trunk_that_answers_first() {
    let (mut bench, [first, second]) = silent_emergency();
    bench.give(Input::LegPrevails { leg: first, rivals: vec![second], trunk: Some("first".to_owned()) });
    bench.give(Input::LegAnswered(first));
    assert!(bench.take().contains(&Output::CancelLeg(second)));
    let trunks = bench.call.first().parties.iter().filter_map(|party| match &party.device {
        Caller::Trunk { trunk, .. } => Some(trunk.as_str()),
        Caller::Phone(_) => None,
    });
    assert_eq!(trunks.collect::<Vec<_>>(), ["first"], "the one by which the call goes");
    let (mut bench, [first, second]) = silent_emergency();
    bench.give(Input::LegAnswered(second));
    assert!(bench.take().contains(&Output::CancelLeg(first)));
    assert_eq!(bench.call.first().parties.len(), 2);
}

#[test]
fn a_silent_trunk_may_answer_after_all_others_have_failed() {
    let (mut bench, [first, second]) = silent_emergency();
    bench.give(Input::LegUnreachable { leg: second, status: 503 });
    assert!(!bench.outputs.contains(&Output::CancelLeg(first)));
    let third = bench.rings().pop().expect("the third is tried");
    bench.give(Input::LegUnreachable { leg: third, status: 503 });
    assert!(!bench.over(), "the first may still answer");
    bench.give(Input::LegAnswered(first));
    assert_eq!(bench.call.first().parties.len(), 2);
}

#[test]
fn a_trunk_that_refuses_at_last_leaves_an_emergency_to_the_others() {
    let (mut bench, [first, second]) = silent_emergency();
    bench.give(Input::LegRinging(first));
    assert!(!bench.outputs.contains(&Output::CancelLeg(second)), "who is heard has not answered");
    bench.give(Input::LegUnreachable { leg: first, status: 486 });
    let third = bench.rings().pop().expect("the third is tried at once");
    bench.give(Input::LegUnreachable { leg: third, status: 603 });
    assert!(!bench.over() && !bench.outputs.contains(&Output::CancelLeg(second)), "the second may still answer");
    bench.give(Input::LegUnreachable { leg: second, status: 503 });
    assert!(bench.over(), "none is left, and none further");
}

#[test]
fn an_emergency_is_tried_by_a_trunk_that_is_known_to_be_away_after_all_others() {
    let outside = three_for_help();
    let first = outside.way.clone();
    let mut bench = Bench::internal(NUMBER);
    bench.plan(Destination::Outside(outside));
    let leg = bench.rings().pop().expect("it is called");
    assert!(bench.call.first().has_another_trunk_than("first"));
    bench.give(Input::LegPutOff { leg, way: first });
    assert_eq!(notes(&bench), ["the trunk first has not answered lately: the trunk second is tried"]);
    for _ in 0..2 {
        let leg = bench.rings().pop().expect("the next trunk is tried");
        bench.give(Input::LegUnreachable { leg, status: 503 });
    }
    let last = bench.rings().pop().expect("the first is tried at last");
    assert!(!bench.call.first().has_another_trunk_than("first"));
    bench.give(Input::LegAnswered(last));
    assert_eq!(bench.call.first().parties.len(), 2);
}

#[test]
fn a_trunk_that_one_proxy_does_not_reach_is_tried_again_before_the_next_and_for_help_after_all_others() {
    for (outside, then) in [(three(), "first"), (three_for_help(), "second")] {
        let first = outside.way.clone();
        let mut bench = Bench::internal(NUMBER);
        bench.plan(Destination::Outside(outside));
        let leg = bench.rings().pop().expect("it is called");
        bench.give(Input::LegNotReached { leg, status: 503, way: first });
        assert_eq!(
            notes(&bench),
            [format!("the trunk first is not reached from one sip-proxy: the trunk {then} is tried")]
        );
        for _ in 0..3 {
            let leg = bench.rings().pop().expect("there are three more ways in all");
            bench.give(Input::LegUnreachable { leg, status: 503 });
        }
        assert!(bench.over());
    }
}

#[test]
fn an_announcement_without_an_end_leaves_an_emergency_to_the_trunks_that_are_left() {
    let Destination::Outside(mut outside) = outside_by_two(NUMBER) else { unreachable!("it is outside") };
    outside.way.is_emergency = true;
    outside.further.iter_mut().for_each(|way| way.is_emergency = true);
    let first = outside.way.clone();
    let mut bench = Bench::internal(NUMBER);
    bench.plan(Destination::Outside(outside));
    let leg = bench.rings().pop().expect("it is called");
    bench.give(Input::LegPutOff { leg, way: first });
    let second = bench.rings().pop().expect("the second is tried");
    bench.give(Input::LegRinging(second));
    bench.pass(Duration::from_secs(91));
    assert_eq!(notes(&bench), ["the trunk second has not put the call through: the trunk first is tried"]);
    assert!(!bench.outputs.contains(&Output::CancelLeg(second)), "it may still answer");
    let last = bench.rings().pop().expect("the first is tried at last");
    bench.give(Input::LegAnswered(last));
    assert_eq!(bench.call.first().parties.len(), 2);
}

#[test]
fn the_trunk_that_was_tried_last_is_left_for_its_silence_whatever_another_one_announces() {
    for says in 1..=2 {
        let (mut bench, [first, _]) = silent_emergency();
        for _ in 0..says {
            bench.give(Input::LegProgresses(first));
        }
        bench.pass(Duration::from_millis(5_100));
        assert_eq!(bench.rings().len(), 1, "the third is tried");
    }
    let (mut bench, [_, second]) = silent_emergency();
    bench.give(Input::LegRinging(second));
    bench.pass(Duration::from_millis(5_100));
    assert_eq!(bench.rings(), [], "who is called by the last one is heard");
}

#[test]
fn while_a_number_for_help_rings_by_one_trunk_no_further_one_is_tried_for_the_silence_of_another() {
    let (mut bench, [first, second]) = two_of_four();
    bench.give(Input::LegRinging(first));
    bench.pass(Duration::from_secs(89));
    assert_eq!(bench.rings(), [], "it rings");
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.rings().len(), 1, "it may ring at a device that nobody hears: the third is called beside it");
    bench.give(Input::LegRinging(first));
    bench.pass(Duration::from_secs(10));
    let outputs = bench.take();
    assert!(outputs.iter().any(|output| matches!(output, Output::RingLeg { .. })), "the fourth is tried: {outputs:?}");
    assert!(outputs.contains(&Output::CancelLeg(second)) && !outputs.contains(&Output::CancelLeg(first)));
    bench.give(Input::LegAnswered(first));
    assert_eq!(bench.call.first().parties.len(), 2);
}

#[test]
fn a_silent_trunk_makes_room_before_one_that_has_announced_something() {
    let (mut bench, [first, second]) = two_of_four();
    bench.give(Input::LegProgresses(first));
    bench.pass(Duration::from_secs(8));
    assert_eq!(bench.rings().len(), 1, "the third is tried");
    bench.pass(Duration::from_secs(10));
    let outputs = bench.take();
    assert!(outputs.contains(&Output::CancelLeg(second)) && !outputs.contains(&Output::CancelLeg(first)));
}

#[test]
fn what_fails_while_a_number_for_help_rings_by_another_trunk_hurries_nobody() {
    let (mut bench, [first, second]) = two_of_four();
    bench.give(Input::LegRinging(first));
    bench.give(Input::LegUnreachable { leg: second, status: 503 });
    assert_eq!(bench.rings().len(), 1, "the third is tried");
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.rings(), [], "it is silent, and the first one rings");
    bench.give(Input::LegUnreachable { leg: first, status: 486 });
    assert_eq!(bench.rings().len(), 1, "the fourth is tried");
}

proptest! {
    #[test]
    fn no_trunk_that_rings_makes_room_while_another_is_silent(
        steps in proptest::collection::vec((0u8..4, 0usize..3, 100u64..12_000), 1..40),
    ) {
        let mut outside = four_for_help();
        let ways = outside.further.clone();
        outside.further.extend(ways);
        let mut bench = Bench::internal(NUMBER);
        bench.plan(Destination::Outside(outside));
        let mut ringing = BTreeSet::new();
        for (kind, which, ms) in steps {
            let legs = bench.call.first().ringing_legs().to_vec();
            let Some(leg) = legs.get(which).or(legs.first()).copied() else { break };
            bench.take();
            match kind {
                0 => {
                    ringing.insert(leg);
                    bench.give(Input::LegRinging(leg));
                }
                1 => bench.give(Input::LegUnreachable { leg, status: 503 }),
                2 => bench.give(Input::LegProgresses(leg)),
                _ => bench.pass(Duration::from_millis(ms)),
            }
            if bench.over() {
                break;
            }
            let left = bench.call.first().ringing_legs().to_vec();
            let one_is_silent = left.iter().any(|leg| legs.contains(leg) && !ringing.contains(leg));
            for output in bench.take() {
                if let Output::CancelLeg(ended) = output {
                    prop_assert!(!ringing.contains(&ended) || !one_is_silent);
                }
            }
        }
    }
}

#[test]
fn an_emergency_goes_on_by_the_next_trunk_after_a_failure_of_audio() {
    for status in [488, 503] {
        let (mut bench, [_, second]) = silent_emergency();
        bench.give(Input::LegFailed { leg: second, status });
        let third = bench.rings().pop().expect("the third is tried");
        bench.give(Input::LegAnswered(third));
        assert_eq!(bench.call.first().parties.len(), 2, "{status}");
    }
}

#[test]
fn a_number_for_help_that_is_brought_into_a_call_is_tried_by_each_trunk() {
    let outside = three_for_help();
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::SingleStepConference(CONN, dn(NUMBER)), "5001");
    bench.take();
    bench.plan(Destination::Outside(outside));
    let leg = bench.rings().pop().expect("it is called");
    bench.give(Input::LegRinging(leg));
    bench.pass(Duration::from_secs(91));
    let second = bench.rings().pop().expect("the second is tried after an announcement");
    bench.give(Input::LegFailed { leg: second, status: 488 });
    let third = bench.rings().pop().expect("the third is tried after a failure of audio");
    bench.give(Input::LegAnswered(third));
    assert_eq!(bench.call.first().parties.len(), 3);
}

#[test]
fn only_a_trunk_that_was_left_for_its_silence_is_called_silent() {
    let silent = |bench: &Bench, leg| bench.outputs.contains(&Output::LegSilent(leg));
    let (mut bench, leg) = called();
    bench.give(Input::LegUnreachable { leg, status: 503 });
    assert!(!silent(&bench, leg));
    let second = bench.rings().pop().expect("the second is tried");
    bench.pass(Duration::from_millis(5_100));
    assert!(silent(&bench, second));
    let (mut bench, leg) = called();
    bench.pass(Duration::from_secs(1));
    bench.give(Input::LegReleased(crate::call::CALLER_LEG));
    assert!(bench.outputs.contains(&Output::CancelLeg(leg)) && !silent(&bench, leg), "who calls has left");
}

#[test]
fn a_carrier_that_says_busy_is_not_asked_the_same_again() {
    for (status, is_over) in [(486, true), (600, true), (603, true), (503, false)] {
        let mut outside = three();
        outside.way.is_emergency = true;
        outside.further = vec![outside.way.clone()];
        let mut bench = Bench::internal(NUMBER);
        bench.plan(Destination::Outside(outside));
        let leg = bench.rings().pop().expect("it is called");
        bench.give(Input::LegUnreachable { leg, status });
        assert_eq!((bench.rings().is_empty(), bench.over()), (is_over, is_over), "{status}");
    }
}

#[test]
fn nobody_hears_a_phone_ring_twice() {
    let (mut bench, leg) = called();
    bench.give(Input::LegRinging(leg));
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.rings(), [], "it rings: no other trunk is tried");
    bench.give(Input::LegUnreachable { leg, status: 500 });
    assert_eq!(bench.rings(), []);
    assert!(bench.over());
    for status in [486, 603, 404, 480] {
        let (mut bench, leg) = called();
        bench.give(Input::LegFailed { leg, status });
        assert_eq!(bench.rings(), [], "{status}");
        assert!(bench.over());
    }
}

#[test]
fn a_number_that_is_brought_into_a_call_is_tried_by_each_trunk() {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::SingleStepConference(CONN, dn(NUMBER)), "5001");
    bench.take();
    bench.plan(by_three());
    let leg = bench.rings().pop().expect("it is called");
    bench.give(Input::LegUnreachable { leg, status: 503 });
    let second = bench.rings().pop().expect("the second is tried");
    bench.pass(Duration::from_secs(6));
    assert!(bench.outputs.contains(&Output::CancelLeg(second)));
    let third = bench.rings().pop().expect("the third is tried");
    bench.give(Input::LegAnswered(third));
    assert_eq!(bench.call.first().parties.len(), 3);
}

#[test]
fn a_transfer_is_completed_while_a_trunk_says_nothing() {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::InitiateTransfer(CONN, dn(NUMBER), UserData::new()), "5001");
    bench.take();
    let mut outside = three();
    outside.further.iter_mut().for_each(|way| way.try_ms = 30_000);
    bench.plan(Destination::Outside(outside));
    let leg = bench.rings().pop().expect("it is called");
    bench.pass(Duration::from_secs(3));
    bench.ask(RequestKind::CompleteTransfer(CONN, CONSULTATION), "5001");
    assert_eq!(bench.rings(), []);
    bench.pass(Duration::from_millis(2_100));
    assert!(bench.outputs.contains(&Output::CancelLeg(leg)), "the trunk had five seconds in all");
    let second = bench.rings().pop().expect("the second is tried");
    bench.give(Input::LegAnswered(second));
    assert_eq!(bench.call.first().parties.len(), 2);
}

#[test]
fn who_calls_may_leave_while_a_trunk_is_tried() {
    let (mut bench, leg) = called();
    bench.give(Input::LegUnreachable { leg, status: 503 });
    let second = bench.rings().pop().expect("the second is tried");
    bench.give(Input::LegReleased(crate::call::CALLER_LEG));
    assert!(bench.over() && bench.take().contains(&Output::CancelLeg(second)));
    assert_eq!(bench.call.next_timeout(), None);
}
