use std::time::Duration;

use model::event::ErrorCode;
use model::request::{RequestKind, Treatment};
use model::{EventName, LegId, ReferenceId};

use super::harness::{Bench, CONN};
use crate::call::{CALLER_LEG, HOLD_MUSIC, Input, Output};

fn music_on(outputs: &[Output]) -> Option<LegId> {
    outputs.iter().find_map(|output| match output {
        Output::StartTreatment { leg, treatment: Treatment::Music { resource, .. }, .. } if resource == HOLD_MUSIC => {
            Some(*leg)
        }
        _ => None,
    })
}

fn music_off(outputs: &[Output]) -> Option<LegId> {
    outputs.iter().find_map(|output| match output {
        Output::StopTreatment { leg, .. } => Some(*leg),
        _ => None,
    })
}

#[test]
fn whoever_waits_hears_music() {
    let (mut bench, leg) = Bench::talking();
    bench.take();
    bench.give(Input::LegHeld(leg));
    assert_eq!(music_on(&bench.take()), Some(CALLER_LEG));
    bench.give(Input::LegRetrieved(leg));
    assert_eq!(music_off(&bench.take()), Some(CALLER_LEG));
    bench.give(Input::LegHeld(CALLER_LEG));
    assert_eq!(music_on(&bench.take()), Some(leg), "a caller may hold, too");
    bench.give(Input::LegRetrieved(CALLER_LEG));
    assert_eq!(music_off(&bench.take()), Some(leg));
}

#[test]
fn when_both_hold_the_first_to_return_hears_music() {
    let (mut bench, leg) = Bench::talking();
    bench.give(Input::LegHeld(leg));
    bench.give(Input::LegHeld(CALLER_LEG));
    assert!(bench.call.first().playing.is_empty());
    bench.take();
    bench.give(Input::LegRetrieved(CALLER_LEG));
    assert_eq!(music_on(&bench.take()), Some(CALLER_LEG));
}

#[test]
fn a_repeated_hold_is_one_event() {
    let (mut bench, leg) = Bench::talking();
    bench.news();
    bench.give(Input::LegHeld(leg));
    bench.give(Input::LegHeld(leg));
    assert_eq!(bench.news(), ["Held@5001"]);
}

#[test]
fn hold_by_request_answers_with_its_reference_when_the_phone_agrees() {
    let (mut bench, leg) = Bench::talking();
    bench.take();
    bench.ask(RequestKind::HoldCall(CONN), "5001");
    assert_eq!(bench.take(), [Output::HoldLeg(leg)]);
    bench.give(Input::LegHeld(leg));
    assert_eq!(bench.fact(EventName::Held).reference, ReferenceId(17));
    bench.ask(RequestKind::RetrieveCall(CONN), "5001");
    bench.give(Input::HoldRefused(leg));
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
}

#[test]
fn a_phone_that_does_not_answer_the_hold_is_error_57() {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::HoldCall(CONN), "5001");
    bench.pass(Duration::from_secs(35));
    assert_eq!(bench.error(), ErrorCode::TIMEOUT);
    let outputs = bench.take();
    assert!(outputs.iter().any(|output| matches!(output, Output::StopAsking(_))), "{outputs:?}");
}

#[test]
fn hold_while_ringing_is_error_93() {
    let (mut bench, _) = Bench::ringing();
    bench.ask(RequestKind::HoldCall(CONN), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
}
