//! Treatments that record and delete an announcement.

use std::time::Duration;

use model::event::ErrorCode;
use model::request::{RequestKind, RouteTo, Treatment};
use model::{EventName, ReferenceId, Value};

use super::harness::{ANI, Bench, CONN, dn};
use crate::call::{CALLER_LEG, Ended, Input, Output, RecordEnd};

fn record() -> Treatment {
    Treatment::RecordUserAnnouncement {
        prompts: vec!["say-it".to_owned()],
        terminator: Some('#'),
        silence_ms: Some(3_000),
        max_ms: 60_000,
    }
}

/// A caller on route point 9000 who is being recorded, since now.
fn recorded() -> (Bench, u32) {
    let mut bench = Bench::waiting();
    let id = bench.treat(record());
    bench.give(Input::TreatmentStarted { id });
    bench.give(Input::TreatmentRecords { id });
    bench.news();
    (bench, id)
}

/// What the last end of a treatment says: the result, how the recording ended, its length and its id.
fn end(bench: &Bench) -> (String, Option<String>, Option<Value>, Option<String>) {
    let said = &bench.fact(EventName::TreatmentEnd).extensions;
    let text = |key: &str| said.text(key).map(str::to_owned);
    (text("Result").unwrap_or_default(), text("RecordEnd"), said.get("Duration").cloned(), text("USER_ANN_ID"))
}

fn recording(id: u32, how: &str, ms: i64) -> (String, Option<String>, Option<Value>, Option<String>) {
    let announcement = Treatment::announcement_id(CONN, id);
    ("Recorded".to_owned(), Some(how.to_owned()), Some(Value::Int(ms)), Some(announcement))
}

#[test]
fn the_end_of_a_recording_names_its_reason_its_length_and_its_id() {
    for (end_of, how) in [(RecordEnd::Key, "Key"), (RecordEnd::Silence, "Silence"), (RecordEnd::Longest, "MaxDuration")]
    {
        let (mut bench, id) = recorded();
        let cause = Ended::Recorded { end: end_of, duration_ms: 4_020 };
        bench.give(Input::TreatmentEnded { id, cause, digits: String::new() });
        assert_eq!(end(&bench), recording(id, how, 4_020));
        let event = bench.fact(EventName::TreatmentEnd);
        assert_eq!(
            (event.reference, event.extensions.text("TreatmentType")),
            (ReferenceId(17), Some("RecordUserAnnouncement"))
        );
        assert_eq!(bench.news(), ["TreatmentEnd@9000"]);
    }
}

#[test]
fn a_request_a_route_and_a_caller_who_hangs_up_end_it_too_and_what_was_said_is_kept() {
    let (mut bench, id) = recorded();
    bench.pass(Duration::from_millis(2_990));
    bench.ask(RequestKind::StopTreatment(CONN), "9000");
    assert_eq!(end(&bench), recording(id, "Stopped", 3_000));
    assert_eq!(bench.news(), ["TreatmentEnd@9000", "ACK@9000"]);
    let (mut bench, id) = recorded();
    bench.pass(Duration::from_millis(990));
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    bench.plan_rings("5001");
    assert_eq!(end(&bench).1.as_deref(), Some("Stopped"));
    assert_eq!(end(&bench).3, Some(Treatment::announcement_id(CONN, id)));
    let (mut bench, id) = recorded();
    bench.pass(Duration::from_millis(1_990));
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(end(&bench), recording(id, "HangUp", 2_000));
    assert_eq!(bench.news(), ["TreatmentEnd@9000", "Abandoned@9000", "CallDeleted"]);
}

#[test]
fn what_ends_before_the_beep_has_recorded_nothing() {
    let mut bench = Bench::waiting();
    let id = bench.treat(record());
    bench.give(Input::TreatmentStarted { id });
    bench.ask(RequestKind::StopTreatment(CONN), "9000");
    assert_eq!(end(&bench), ("Stopped".to_owned(), None, None, None));
    let id = bench.treat(record());
    bench.give(Input::TreatmentEnded { id, cause: Ended::Failed, digits: String::new() });
    bench.news();
    // Media lost what it had.
    let (mut bench, id) = recorded();
    bench.give(Input::TreatmentEnded { id, cause: Ended::Failed, digits: String::new() });
    assert_eq!(end(&bench), ("Failed".to_owned(), None, None, None));
    assert!(!bench.over(), "the call goes on");
}

#[test]
fn one_party_of_a_call_is_recorded_until_it_hangs_up() {
    let (mut bench, _) = Bench::talking();
    bench.take();
    bench.ask(RequestKind::ApplyTreatment(CONN, record(), Some(dn(ANI))), "5001");
    let id = bench.call.first().numbers.treatment - 1;
    let begun = |output: &Output| matches!(output, Output::StartTreatment { leg: CALLER_LEG, .. });
    assert!(bench.take().iter().any(begun));
    bench.give(Input::TreatmentStarted { id });
    bench.give(Input::TreatmentRecords { id });
    bench.pass(Duration::from_millis(990));
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(end(&bench), recording(id, "HangUp", 1_000));
    assert_eq!(bench.fact(EventName::TreatmentEnd).other_dn.as_deref(), Some(ANI));
}

#[test]
fn an_announcement_is_deleted_by_its_id() {
    let mut bench = Bench::waiting();
    bench.news();
    let announcement = Treatment::announcement_id(CONN, 1);
    let id = bench.treat(Treatment::DeleteUserAnnouncement { announcement });
    bench.give(Input::TreatmentStarted { id });
    bench.give(Input::TreatmentEnded { id, cause: Ended::Completed, digits: String::new() });
    assert_eq!(bench.news(), ["TreatmentApplied@9000", "TreatmentEnd@9000"]);
    bench.treat(Treatment::DeleteUserAnnouncement { announcement: "menu".to_owned() });
    assert_eq!(bench.error(), ErrorCode::INVALID_ATTRIBUTE);
}
