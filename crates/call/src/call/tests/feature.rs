use std::time::Duration;

use model::plan::{Destination, FeatureCode};
use model::request::{RequestKind, Treatment};

use super::harness::{Bench, CONN, dn};
use crate::call::{CALLER_LEG, Ended, Input, Output, PIN_TRIES_MAX, PinAnswer, TypedPin};

const fn code(code: FeatureCode, ask_pin: bool) -> Destination {
    Destination::FeatureCode { code, ask_pin }
}

#[test]
fn a_feature_code_sends_its_request_and_says_how_it_went() {
    let mut bench = Bench::internal("*50");
    bench.plan(code(FeatureCode::Login, false));
    bench.give(Input::LegAnswered(CALLER_LEG));
    let request = bench
        .take()
        .into_iter()
        .find_map(|output| match output {
            Output::AgentRequest(request) => Some(request),
            _ => None,
        })
        .expect("an agent request");
    assert!(matches!(request.kind, RequestKind::AgentLogin(None, ..)));
    assert_eq!(request.this_dn, dn("5001"));
    bench.give(Input::AgentAnswered { conn_id: CONN, done: true });
    let id = bench.call.first().playing.first().expect("a prompt").id;
    bench.give(Input::TreatmentStarted { id });
    bench.give(Input::TreatmentEnded { id, cause: Ended::Completed, digits: String::new() });
    assert!(bench.take().contains(&Output::ReleaseLeg(CALLER_LEG)));
    assert_eq!(bench.story(), ["CallCreated", "Dialing@5001", "Established@5001", "Released@5001", "CallDeleted"]);
}

#[test]
fn a_feature_code_without_an_outcome_ends_all_the_same() {
    let mut bench = Bench::internal("*52");
    bench.plan(code(FeatureCode::Ready, false));
    bench.give(Input::LegAnswered(CALLER_LEG));
    bench.pass(Duration::from_secs(5));
    assert!(!bench.call.first().playing.is_empty(), "the refusal is said");
    bench.pass(Duration::from_secs(600));
    assert!(bench.over());
}

/// A phone has dialled the login code of a tenant that demands a PIN.
fn at_the_pin() -> Bench {
    let mut bench = Bench::internal("*50");
    bench.plan(code(FeatureCode::Login, true));
    bench.give(Input::LegAnswered(CALLER_LEG));
    bench
}

/// The open question about the PIN, and the typed digits.
fn question(bench: &mut Bench) -> (u32, Option<TypedPin>) {
    let asked = bench.take().into_iter().find_map(|output| match output {
        Output::AskPin { ask, typed } => Some((ask, typed)),
        _ => None,
    });
    asked.expect("a question about the PIN")
}

fn answer(bench: &mut Bench, answer: PinAnswer) {
    let ask = bench.call.first().numbers.ask - 1;
    bench.give(Input::PinAnswered { ask, answer });
}

/// The treatment on the caller's leg: its number and its first prompt.
fn heard(bench: &Bench) -> (u32, String) {
    let playing = bench.call.first().playing.first().expect("something is heard");
    let (Treatment::PlayAnnouncement { prompts } | Treatment::PlayAndCollect { prompts, .. }) = &playing.treatment
    else {
        panic!("a prompt is heard, not {:?}", playing.treatment);
    };
    (playing.id, prompts.first().expect("a prompt").clone())
}

fn type_pin(bench: &mut Bench, digits: &str) {
    let (id, _) = heard(bench);
    bench.give(Input::TreatmentStarted { id });
    bench.give(Input::TreatmentEnded { id, cause: Ended::Collected, digits: digits.to_owned() });
}

fn requests(bench: &mut Bench) -> usize {
    bench.take().iter().filter(|output| matches!(output, Output::AgentRequest(_))).count()
}

#[test]
fn the_right_pin_logs_in() {
    let mut bench = at_the_pin();
    assert_eq!(question(&mut bench), (2, None), "first how long it is");
    answer(&mut bench, PinAnswer::Digits(6));
    let collects = |output: &Output| {
        matches!(
            output,
            Output::StartTreatment {
                treatment: Treatment::PlayAndCollect { max_digits: 6, terminator: Some('#'), .. },
                ..
            }
        )
    };
    assert!(bench.take().iter().any(collects), "the length ends it, or #");
    type_pin(&mut bench, "123456");
    assert_eq!(question(&mut bench), (3, Some(TypedPin("123456".to_owned()))));
    answer(&mut bench, PinAnswer::Right);
    assert_eq!(requests(&mut bench), 1);
    bench.give(Input::AgentAnswered { conn_id: CONN, done: true });
    assert_eq!(heard(&bench).1, "logged-in");
    assert!(!format!("{:?}", bench.facts).contains("123456"), "no fact tells the PIN");
}

#[test]
fn a_pin_may_be_typed_three_times_in_a_call() {
    let mut bench = at_the_pin();
    answer(&mut bench, PinAnswer::Digits(4));
    for miss in 1..=PIN_TRIES_MAX {
        // Typing nothing counts as a try, too.
        if miss == 2 {
            type_pin(&mut bench, "");
        } else {
            type_pin(&mut bench, "0000");
            answer(&mut bench, PinAnswer::Wrong);
        }
        let next = if miss < PIN_TRIES_MAX { "enter-pin-again" } else { "error" };
        assert_eq!(heard(&bench).1, next);
    }
    assert_eq!(requests(&mut bench), 0);
    let (id, _) = heard(&bench);
    bench.give(Input::TreatmentEnded { id, cause: Ended::Completed, digits: String::new() });
    assert!(bench.over());
}

#[test]
fn a_phone_whose_pin_is_not_looked_at_now_is_refused_at_once() {
    let mut bench = at_the_pin();
    answer(&mut bench, PinAnswer::Refused);
    assert_eq!(heard(&bench).1, "error");
    // A late answer changes nothing.
    answer(&mut bench, PinAnswer::Right);
    assert_eq!((heard(&bench).1.as_str(), requests(&mut bench)), ("error", 0));
}

#[test]
fn no_outcome_of_a_request_passes_for_a_pin() {
    let mut bench = at_the_pin();
    answer(&mut bench, PinAnswer::Digits(4));
    bench.give(Input::AgentAnswered { conn_id: CONN, done: true });
    assert_eq!(heard(&bench).1, "enter-pin");
    type_pin(&mut bench, "1234");
    bench.give(Input::PinAnswered { ask: 1, answer: PinAnswer::Right });
    assert_eq!(requests(&mut bench), 0, "an answer to another question");
    bench.pass(Duration::from_secs(5));
    assert_eq!(heard(&bench).1, "error", "nobody can tell whether it is right");
}

#[test]
fn each_of_two_feature_codes_hears_its_own_outcome() {
    let (mut bench, agent) = Bench::talking();
    bench.give(Input::LegHeld(agent));
    for (dialled, feature) in [("*52", FeatureCode::Ready), ("*53", FeatureCode::NotReady)] {
        let (leg, conn_id) = bench.dials("5001", dialled);
        bench.plan(code(feature, false));
        bench.give(Input::LegAnswered(leg));
        bench.give(Input::AgentAnswered { conn_id, done: true });
        let call = bench.call.call(conn_id).expect("the call of the feature code");
        assert_eq!(call.playing.len(), 1, "{dialled} is told at once, also while the other one still hears its prompt");
    }
}
