use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Destination, Service};
use model::request::{DigitsWanted, RequestKind, RouteTo, Treatment};
use model::{CallState, CallType, DnRole, EventName, ReferenceId, UserData};

use super::harness::{ANI, Bench, CONN, dn, point};
use crate::call::{CALLER_LEG, Ended, Input, Output, Stage};

fn announcement() -> Treatment {
    Treatment::PlayAnnouncement { prompts: vec!["welcome".to_owned()] }
}

#[test]
fn inbound_call_from_queue_to_agent_to_release_tells_the_published_story() {
    let mut bench = Bench::waiting();
    let welcome = bench.treat(announcement());
    bench.give(Input::TreatmentStarted { id: welcome });
    bench.give(Input::TreatmentEnded { id: welcome, cause: Ended::Completed, digits: String::new() });
    let music = bench.treat(Treatment::Music { resource: "music".to_owned(), duration_ms: None });
    bench.give(Input::TreatmentStarted { id: music });
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    let leg = bench.plan_rings("5001");
    bench.give(Input::LegRinging(leg));
    bench.give(Input::LegAnswered(leg));
    bench.give(Input::LegHeld(leg));
    bench.give(Input::LegRetrieved(leg));
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(
        bench.story(),
        [
            "CallCreated",
            "Queued@9000",
            "RouteRequest@9000",
            "TreatmentApplied@9000",
            "TreatmentEnd@9000",
            "TreatmentApplied@9000",
            "TreatmentEnd@9000",
            "RouteUsed@9000",
            "Diverted@9000",
            "Ringing@5001",
            "Established@5001",
            "Held@5001",
            "Retrieved@5001",
            "Released@5001 RemoteRelease",
            "CallDeleted",
        ]
    );
    assert!(bench.over());
}

#[test]
fn events_carry_their_mandatory_attributes() {
    let (mut bench, leg) = Bench::talking();
    bench.give(Input::LegHeld(leg));
    let request = bench.fact(EventName::RouteRequest);
    assert_eq!(request.this_queue.as_deref(), Some("9000"), "ThisQueue equals ThisDN");
    let call = request.call.as_ref().expect("a call");
    assert_eq!(
        (call.conn_id, call.call_type, call.ani.as_deref(), call.dnis.as_deref()),
        (CONN, CallType::Inbound, Some(ANI), Some("9000"))
    );
    let used = bench.fact(EventName::RouteUsed);
    assert_eq!((used.third_party_dn.as_deref(), used.reference), (Some("5001"), ReferenceId(17)));
    let diverted = bench.fact(EventName::Diverted);
    assert_eq!((diverted.third_party_dn.as_deref(), diverted.reference), (Some("5001"), ReferenceId(0)));
    for name in [EventName::Ringing, EventName::Established, EventName::Held] {
        let event = bench.fact(name);
        assert_eq!(event.this_role, Some(DnRole::Destination));
        assert_eq!(event.this_queue.as_deref(), Some("9000"), "{name} repeats the queue");
        assert_eq!((event.other_dn.as_deref(), event.other_role), (Some(ANI), Some(DnRole::Origination)));
        assert_eq!(event.extensions.get("BusinessCall"), Some(&model::Value::Int(1)));
    }
}

#[test]
fn a_caller_who_hangs_up_while_waiting_abandons_the_route_point() {
    let mut bench = Bench::waiting();
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    let event = bench.fact(EventName::Abandoned);
    assert_eq!(event.call_state, Some(CallState::Ok));
    assert_eq!((event.this_role, event.this_queue.as_deref()), (Some(DnRole::Destination), Some("9000")));
    assert_eq!(bench.news(), ["Abandoned@9000", "CallDeleted"]);
}

#[test]
fn a_treatment_waits_for_the_callers_answer_and_brings_its_digits() {
    let mut bench = Bench::inbound();
    bench.plan(point("9000", None));
    let id = bench.treat(Treatment::PlayAndCollect {
        prompts: vec!["menu".to_owned()],
        max_digits: 1,
        first_digit_timeout_ms: 5_000,
        inter_digit_timeout_ms: 2_000,
        terminator: None,
        secret: false,
    });
    assert!(!bench.take().iter().any(|output| matches!(output, Output::StartTreatment { .. })));
    bench.give(Input::LegAnswered(CALLER_LEG));
    assert!(bench.take().iter().any(|output| matches!(output, Output::StartTreatment { leg: CALLER_LEG, .. })));
    bench.give(Input::TreatmentStarted { id });
    bench.give(Input::TreatmentEnded { id, cause: Ended::Collected, digits: "2".to_owned() });
    let end = bench.fact(EventName::TreatmentEnd);
    assert_eq!((end.collected_digits.as_deref(), end.reference), (Some("2"), ReferenceId(17)));
    assert!(!end.secret_digits);
}

#[test]
fn digits_that_an_application_asks_for_as_a_secret_are_marked_as_one() {
    let mut bench = Bench::waiting();
    let wanted = DigitsWanted {
        prompts: vec!["pin".to_owned()],
        max_digits: 1,
        first_digit_timeout_ms: 5_000,
        inter_digit_timeout_ms: 2_000,
        terminator: None,
    };
    let id = bench.treat(Treatment::from(wanted).in_secret());
    bench.give(Input::TreatmentStarted { id });
    bench.give(Input::TreatmentEnded { id, cause: Ended::Collected, digits: "4".to_owned() });
    let end = bench.fact(EventName::TreatmentEnd);
    assert_eq!((end.collected_digits.as_deref(), end.secret_digits), (Some("4"), true));
}

#[test]
fn a_treatment_that_cannot_be_played_is_not_applied() {
    let mut bench = Bench::waiting();
    bench.news();
    let id = bench.treat(announcement());
    bench.give(Input::TreatmentEnded { id, cause: Ended::Failed, digits: String::new() });
    assert_eq!(bench.news(), ["TreatmentNotApplied@9000"]);
}

#[test]
fn a_lost_end_of_an_announcement_is_made_up_for() {
    let mut bench = Bench::waiting();
    let id = bench.treat(announcement());
    bench.give(Input::TreatmentStarted { id });
    bench.news();
    bench.pass(Duration::from_secs(601));
    assert_eq!(bench.news(), ["TreatmentEnd@9000"]);
}

#[test]
fn without_instruction_the_call_goes_to_the_default_dn() {
    let mut bench = Bench::inbound();
    bench.plan(point("9000", Some("5009")));
    bench.give(Input::LegAnswered(CALLER_LEG));
    bench.news();
    bench.pass(Duration::from_secs(10));
    let leg = bench.plan_rings("5009");
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.fact(EventName::RouteUsed).extensions.text("RouteType"), Some("Default"));
    assert_eq!(bench.news(), ["RouteUsed@9000", "Diverted@9000", "Ringing@5009", "Established@5009"]);
}

#[test]
fn without_instruction_and_default_dn_the_call_is_dropped_and_leaves_its_queue() {
    let mut bench = Bench::waiting();
    bench.news();
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.news(), ["RouteUsed@9000 Dropped", "Diverted@9000 Dropped", "CallDeleted Dropped"]);
    assert!(bench.take().contains(&Output::ReleaseLeg(CALLER_LEG)));
}

#[test]
fn a_default_dn_that_never_answers_does_not_loop() {
    let mut bench = Bench::inbound();
    bench.plan(point("9000", Some("5009")));
    bench.give(Input::LegAnswered(CALLER_LEG));
    for _ in 0..crate::call::DEFAULT_ROUTES_MAX {
        bench.pass(Duration::from_secs(10));
        bench.plan_rings("5009");
        bench.pass(Duration::from_secs(15));
        assert!(!bench.over());
    }
    bench.pass(Duration::from_secs(10));
    assert!(bench.over());
}

#[test]
fn a_treatment_keeps_the_default_route_away() {
    let mut bench = Bench::waiting();
    let id = bench.treat(Treatment::Music { resource: "music".to_owned(), duration_ms: None });
    bench.give(Input::TreatmentStarted { id });
    bench.pass(Duration::from_secs(3_600));
    assert!(!bench.over());
}

#[test]
fn a_caller_who_hears_music_keeps_its_place_when_a_route_is_refused() {
    let mut bench = Bench::waiting();
    let id = bench.treat(Treatment::Music { resource: "music".to_owned(), duration_ms: Some(20_000) });
    bench.give(Input::TreatmentStarted { id });
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    bench.plan(Destination::Reject { status: 480, reason: "unregistered".to_owned() });
    bench.pass(Duration::from_secs(15));
    assert!(matches!(bench.call.first().stage, Stage::Waiting(_)), "its application knows of it");
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5002"), agent: None }), "9000");
    bench.pass(Duration::from_secs(4));
    bench.give(Input::TreatmentEnded { id, cause: Ended::Completed, digits: String::new() });
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.error(), ErrorCode::TIMEOUT);
    bench.pass(Duration::from_secs(10));
    assert!(bench.over(), "and hears of nothing any more");
}

#[test]
fn an_unknown_number_is_refused_with_404() {
    let mut bench = Bench::inbound();
    bench.plan(Destination::Reject { status: 404, reason: "no such number".to_owned() });
    assert_eq!(bench.story(), ["CallCreated", "CallDeleted SitInvalidNum"]);
    assert!(bench.take().contains(&Output::RejectCaller { leg: CALLER_LEG, status: 404 }));
}

#[test]
fn a_silent_dial_plan_is_503() {
    let mut bench = Bench::inbound();
    bench.pass(Duration::from_secs(5));
    assert!(bench.take().contains(&Output::RejectCaller { leg: CALLER_LEG, status: 503 }));
    assert!(bench.over());
}

#[test]
fn an_announcement_number_plays_and_releases() {
    let mut bench = Bench::inbound();
    let prompts = vec!["closed".to_owned()];
    bench.plan(Destination::Service(Service::Announcement { prompts: prompts.clone() }));
    assert_eq!(bench.take().last(), Some(&Output::AnswerCaller(CALLER_LEG)));
    bench.give(Input::LegAnswered(CALLER_LEG));
    let start = Output::StartTreatment { leg: CALLER_LEG, id: 1, treatment: Treatment::PlayAnnouncement { prompts } };
    assert_eq!(bench.take(), [start]);
    bench.give(Input::TreatmentStarted { id: 1 });
    bench.give(Input::TreatmentEnded { id: 1, cause: Ended::Completed, digits: String::new() });
    assert_eq!(bench.take(), [Output::ReleaseLeg(CALLER_LEG), Output::Over]);
}

#[test]
fn an_echo_number_echoes_until_the_caller_leaves() {
    let mut bench = Bench::inbound();
    bench.plan(Destination::Service(Service::Echo));
    bench.give(Input::LegAnswered(CALLER_LEG));
    bench.pass(Duration::from_secs(3_600));
    assert!(!bench.over());
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.story(), ["CallCreated", "CallDeleted"]);
}

#[test]
fn user_data_travels_with_the_call_and_is_always_complete() {
    let mut bench = Bench::waiting();
    let one: UserData = [("ServiceType", "Sales")].into_iter().collect();
    let two: UserData = [("RTargetAgentSelected", "a1")].into_iter().collect();
    bench.ask(RequestKind::UpdateUserData(CONN, one), "9000");
    bench.ask(RequestKind::UpdateUserData(CONN, two), "9000");
    let changed = bench.fact(EventName::AttachedDataChanged);
    assert_eq!(changed.user_data.len(), 2);
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    let leg = bench.plan_rings("5001");
    bench.give(Input::LegRinging(leg));
    assert_eq!(bench.fact(EventName::Ringing).user_data.text("servicetype"), Some("Sales"));
}

#[test]
fn music_lasts_as_long_as_it_was_asked_for() {
    let mut bench = Bench::waiting();
    let id = bench.treat(Treatment::Music { resource: "music".to_owned(), duration_ms: Some(20_000) });
    bench.give(Input::TreatmentStarted { id });
    bench.take();
    bench.pass(Duration::from_secs(20));
    assert_eq!(bench.fact(EventName::TreatmentEnd).extensions.text("Result"), Some("Completed"));
    assert_eq!(bench.take(), [Output::StopTreatment { leg: CALLER_LEG, id }]);
}
