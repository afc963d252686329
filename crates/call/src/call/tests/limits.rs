//! Requests that must not be repeatable without end.

use std::time::Duration;

use model::event::ErrorCode;
use model::plan::Destination;
use model::request::{MonitorMode, RequestKind, Treatment};
use model::{UserData, Value};

use super::harness::{Bench, CONN, dn, phone};
use crate::call::{CALLER_LEG, FACTS_MAX, Input, Limit, Output};

#[test]
fn a_phone_that_holds_and_goes_on_without_end_loses_its_call() {
    let (mut bench, leg) = Bench::talking();
    for _ in 0..FACTS_MAX {
        bench.give(Input::LegHeld(leg));
        bench.give(Input::LegRetrieved(leg));
        bench.outputs.clear();
        if bench.over() {
            break;
        }
    }
    assert!(bench.over());
    assert_eq!(bench.call.take_limit(), Some(Limit::Facts));
    assert_eq!(bench.call.take_limit(), None, "it is told once");
    assert!(bench.call.first().seq < FACTS_MAX + 8, "its end, and nothing else");
    assert_eq!(bench.call.next_timeout(), None);
}

#[test]
fn an_application_that_plays_in_a_circle_loses_its_call() {
    let mut bench = Bench::waiting();
    let nothing = || Treatment::Music { resource: "none".to_owned(), duration_ms: Some(0) };
    let mut played = 0;
    while !bench.over() && played < FACTS_MAX {
        bench.treat(nothing());
        bench.pass(Duration::from_millis(100));
        bench.outputs.clear();
        played += 1;
    }
    assert_eq!(bench.call.take_limit(), Some(Limit::Facts));
    // The loop took time, too: a treatment with a requested duration of 0 lasts at least 100 ms.
    assert!(bench.now.since(bench.call.first().created_at) >= Duration::from_millis(100) * 9_000);
}

#[test]
fn a_desktop_that_asks_about_a_call_without_end_does_not_end_it() {
    let (mut bench, _) = Bench::talking();
    for _ in 0..FACTS_MAX {
        bench.ask(RequestKind::QueryCall(CONN), "5001");
        bench.ask(RequestKind::RetrieveCall(CONN), "5001");
        bench.facts.clear();
    }
    assert!(!bench.over());
}

#[test]
fn times_of_no_length_and_of_any_length_are_times() {
    for no_answer_ms in [0, 1, u64::MAX] {
        let mut bench = Bench::internal("5001");
        let Destination::Extension { dn, contacts, .. } = phone("5002", 1) else { unreachable!("it is a phone") };
        bench.plan(Destination::Extension { dn, contacts, no_answer_ms });
        let due = bench.call.next_timeout().expect("it rings for a time").since(bench.now);
        assert!((Duration::from_secs(1)..=Duration::from_secs(600)).contains(&due), "{due:?}");
    }
    for duration_ms in [0, u64::MAX] {
        let mut bench = Bench::waiting();
        bench.treat(Treatment::Music { resource: "music".to_owned(), duration_ms: Some(duration_ms) });
        let due = bench.call.next_timeout().expect("it plays for a time").since(bench.now);
        assert!((Duration::from_millis(100)..=Duration::from_secs(12 * 3600)).contains(&due), "{due:?}");
    }
}

#[test]
fn digits_are_waited_for_at_most_ten_minutes() {
    let mut bench = Bench::waiting();
    bench.treat(Treatment::PlayAndCollect {
        prompts: vec![],
        max_digits: 255,
        first_digit_timeout_ms: u64::MAX,
        inter_digit_timeout_ms: u64::MAX,
        terminator: None,
        secret: false,
    });
    let played = bench.take().into_iter().find_map(|output| match output {
        Output::StartTreatment { treatment, .. } => Some(treatment),
        _ => None,
    });
    let Some(Treatment::PlayAndCollect { first_digit_timeout_ms, inter_digit_timeout_ms, .. }) = played else {
        panic!("{played:?}");
    };
    assert_eq!((first_digit_timeout_ms, inter_digit_timeout_ms), (600_000, 600_000));
}

#[test]
fn names_of_prompts_have_a_length() {
    let long = || "p".repeat(Treatment::PROMPT_BYTES_MAX + 1);
    for treatment in [
        Treatment::PlayAnnouncement { prompts: vec!["welcome".to_owned(), long()] },
        Treatment::Music { resource: long(), duration_ms: None },
    ] {
        let mut bench = Bench::waiting();
        bench.treat(treatment);
        assert_eq!(bench.error(), ErrorCode::INVALID_ATTRIBUTE);
        assert!(bench.call.first().playing.is_empty());
    }
}

#[test]
fn nested_pairs_of_nothing_are_pairs() {
    let mut bench = Bench::waiting();
    let nothing = || Value::List(std::iter::repeat_n(("", ""), UserData::PAIRS_MAX / 2).collect());
    bench.ask(RequestKind::UpdateUserData(CONN, [("a", nothing())].into_iter().collect()), "9000");
    assert_eq!(bench.call.first().user_data.len(), 1);
    bench.ask(RequestKind::UpdateUserData(CONN, [("b", nothing())].into_iter().collect()), "9000");
    assert_eq!(bench.error(), ErrorCode::INVALID_ATTRIBUTE);
}

#[test]
fn user_data_beyond_the_limit_can_be_made_less() {
    let mut bench = Bench::waiting();
    let mut before = bench.call.first().clone();
    let many = (0..2 * UserData::PAIRS_MAX).map(|i| (format!("k{i}"), "v"));
    before.user_data = many.collect();
    bench.call = crate::Thread::restore(before, Vec::new());
    bench.ask(RequestKind::DeletePair(CONN, "k1".to_owned()), "9000");
    assert_eq!(bench.call.first().user_data.len(), 2 * UserData::PAIRS_MAX - 1);
    bench.ask(RequestKind::UpdateUserData(CONN, [("more", "v")].into_iter().collect()), "9000");
    assert_eq!(bench.error(), ErrorCode::INVALID_ATTRIBUTE);
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.call.take_limit(), None);
}

#[test]
fn requests_add_no_leg_to_a_call_that_has_had_too_many() {
    for (kind, by) in [
        (RequestKind::SingleStepTransfer(CONN, dn("5004")), "5001"),
        (RequestKind::SingleStepConference(CONN, dn("5004")), "5001"),
        (RequestKind::MonitorCall(CONN, dn("5001"), MonitorMode::Mute), "5005"),
    ] {
        let (mut bench, _) = Bench::talking();
        let mut before = bench.call.first().clone();
        before.numbers.leg = crate::call::in_thread::LEGS_MAX;
        bench.call = crate::Thread::restore(before, Vec::new());
        bench.ask(kind, by);
        assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
        assert_eq!(bench.call.first().numbers.leg, crate::call::in_thread::LEGS_MAX);
        assert!(!bench.over(), "who talks goes on");
    }
}
