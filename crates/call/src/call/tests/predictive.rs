use std::time::Duration;

use model::answer::AnswerClass;
use model::event::ErrorCode;
use model::request::{MonitorMode, RequestKind, RouteTo, Treatment};
use model::{CallType, EventName, LegId, ReferenceId};

use super::harness::{Bench, CONN, dn, outside, phone, point};
use crate::call::{Ended, Input, Output, Stage};

const NUMBER: &str = "+4930999";

/// A number outside is called for the route point 9000.
fn called() -> (Bench, LegId) {
    let mut bench = Bench::predicted("9000", NUMBER);
    bench.plan(point("9000", None));
    bench.take();
    bench.plan(outside(NUMBER));
    let leg = bench.rings().pop().expect("it is called");
    (bench, leg)
}

#[test]
fn who_answers_waits_at_the_route_point_and_is_routed_as_any_caller() {
    let (mut bench, leg) = called();
    let dialing = bench.fact(EventName::Dialing);
    assert_eq!((dialing.reference, dialing.other_dn.as_deref()), (ReferenceId(17), Some(NUMBER)));
    assert_eq!(dialing.call.as_ref().map(|call| call.call_type), Some(CallType::Outbound));
    assert_eq!(bench.news(), ["CallCreated", "Dialing@9000"]);
    bench.give(Input::LegRinging(leg));
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.news(), ["Queued@9000", "RouteRequest@9000"]);
    assert!(bench.take().iter().any(|output| matches!(output, Output::NewCall { .. })), "its application runs");
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000");
    let agent = bench.plan_rings("5001");
    bench.give(Input::LegAnswered(agent));
    let established = bench.fact(EventName::Established);
    assert_eq!(
        (established.other_dn.as_deref(), established.user_data.text("GSW_PHONE")),
        (Some(NUMBER), Some(NUMBER))
    );
    bench.give(Input::LegReleased(leg));
    assert!(bench.over());
}

/// A number outside has answered, and media listens to it.
fn listened() -> (Bench, LegId, u32) {
    let mut bench = Bench::classified("9000", NUMBER);
    bench.plan(point("9000", None));
    bench.take();
    bench.plan(outside(NUMBER));
    let leg = bench.rings().pop().expect("it is called");
    bench.give(Input::LegAnswered(leg));
    let id = bench.take().into_iter().find_map(|output| match output {
        Output::StartTreatment { leg: at, id, .. } if at == leg => Some(id),
        _ => None,
    });
    assert_eq!(bench.news(), ["CallCreated", "Dialing@9000"], "it waits nowhere yet");
    (bench, leg, id.expect("media listens"))
}

#[test]
fn who_has_answered_is_known_before_the_call_waits_at_the_route_point() {
    for class in AnswerClass::ALL {
        let (mut bench, leg, id) = listened();
        bench.give(Input::TreatmentStarted { id });
        bench.give(Input::TreatmentRecords { id });
        bench.give(Input::TreatmentEnded { id, cause: Ended::Classified(class), digits: String::new() });
        assert_eq!(bench.news(), ["AttachedDataChanged@9000", "Queued@9000", "RouteRequest@9000"]);
        assert_eq!(bench.call.first().user_data.text("AnswerClass"), Some(class.as_str()));
        bench.give(Input::LegReleased(leg));
        assert_eq!(bench.news(), ["Abandoned@9000", "CallDeleted"]);
    }
}

#[test]
fn a_call_whose_answer_media_does_not_know_goes_on_without_a_class() {
    let (mut bench, _, id) = listened();
    bench.give(Input::TreatmentEnded { id, cause: Ended::Failed, digits: String::new() });
    assert_eq!(bench.news(), ["Queued@9000", "RouteRequest@9000"]);
    assert_eq!(bench.call.first().user_data.get("AnswerClass"), None);
    let (mut bench, _, _) = listened();
    bench.pass(Duration::from_secs(10));
    assert!(
        bench.news().starts_with(&["Queued@9000".to_owned(), "RouteRequest@9000".to_owned()]),
        "media says nothing"
    );
}

#[test]
fn nothing_else_is_played_to_who_has_answered_while_media_listens() {
    let mut bench = Bench::classified("9000", "5002");
    bench.plan(point("9000", None));
    bench.take();
    let leg = bench.plan_rings("5002");
    bench.give(Input::LegAnswered(leg));
    let prompt = Treatment::PlayAnnouncement { prompts: vec!["menu".to_owned()] };
    bench.ask(RequestKind::ApplyTreatment(CONN, prompt, None), "5002");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    bench.ask(RequestKind::MonitorCall(CONN, dn("5002"), MonitorMode::Mute), "5005");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    for change in [RequestKind::SingleStepConference, RequestKind::SingleStepTransfer] {
        bench.ask(change(CONN, dn("5003")), "5002");
        assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    }
    bench.give(Input::LegTransfers { leg, to: dn("5003") });
    assert!(bench.take().contains(&Output::TransferOutcome { leg, status: 603 }));
    bench.pass(Duration::from_secs(10));
    assert!(matches!(bench.call.first().stage, Stage::Waiting(_)), "it waits at the route point in the end");
}

#[test]
fn the_route_point_is_told_that_who_has_answered_hung_up_while_media_listened() {
    let (mut bench, leg, _) = listened();
    bench.give(Input::LegReleased(leg));
    assert_eq!(bench.news(), ["Released@9000", "CallDeleted"]);
    assert!(bench.over());
}

#[test]
fn the_route_point_is_told_why_nobody_answered() {
    let (mut bench, leg) = called();
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    assert_eq!(bench.news(), ["DestinationBusy@9000 Busy", "Released@9000 Busy", "CallDeleted Busy"]);
    let (mut bench, _) = called();
    bench.news();
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.news(), ["Released@9000 NoAnswer", "CallDeleted NoAnswer"]);
}

#[test]
fn the_route_point_gives_up_what_is_called_for_it() {
    for request in [RequestKind::ReleaseCall(CONN), RequestKind::ClearCall(CONN)] {
        let (mut bench, leg) = called();
        bench.news();
        bench.give(Input::LegRinging(leg));
        bench.take();
        bench.ask(request, "9000");
        assert_eq!(bench.news(), ["Released@9000 Cleared", "CallDeleted Cleared"]);
        assert!(bench.take().contains(&Output::CancelLeg(leg)));
        assert!(bench.over());
    }
}

#[test]
fn a_phone_may_be_called_so_too() {
    let mut bench = Bench::predicted("9000", "5002");
    bench.plan(point("9000", None));
    bench.take();
    let leg = bench.plan_rings("5002");
    bench.give(Input::LegRinging(leg));
    bench.give(Input::LegAnswered(leg));
    for name in [EventName::Ringing, EventName::Established] {
        assert_eq!(bench.fact(name).other_dn.as_deref(), Some("9000"), "{name:?}: it sees the route point");
    }
    assert!(matches!(bench.call.first().stage, Stage::Waiting(_)));
    bench.give(Input::LegReleased(leg));
    assert!(bench.over());
}

#[test]
fn it_is_made_for_a_route_point_alone_and_only_to_who_can_answer() {
    let mut bench = Bench::predicted("5001", NUMBER);
    bench.plan(phone("5001", 1));
    assert_eq!(bench.fact(EventName::Error).error.as_ref().map(|(code, _)| *code), Some(ErrorCode::INVALID_ATTRIBUTE));
    assert!(bench.over());
    let mut bench = Bench::predicted("9000", "9001");
    bench.plan(point("9000", None));
    bench.plan(point("9001", None));
    assert_eq!(bench.fact(EventName::Error).error.as_ref().map(|(code, _)| *code), Some(ErrorCode::INVALID_CALLED_DN));
    assert!(bench.over());
}
