use std::time::Duration;

use model::EventName;
use model::event::ErrorCode;
use model::request::RequestKind;

use super::harness::{Bench, CONN, dn, phone, point};
use crate::call::{CALLER_LEG, Input, Output};

fn redirect(bench: &mut Bench, to: &str) {
    bench.ask(RequestKind::RedirectCall(CONN, dn(to)), "5001");
}

#[test]
fn a_call_that_rings_is_sent_elsewhere_and_rings_on_until_there_is_somewhere() {
    let (mut bench, leg) = Bench::ringing();
    bench.news();
    redirect(&mut bench, "5002");
    assert_eq!(bench.news(), Vec::<String>::new(), "nothing has happened yet");
    let outputs = bench.take();
    assert!(matches!(outputs.as_slice(), [Output::AskDialPlan { dialled, .. }] if dialled == "5002"), "{outputs:?}");
    bench.plan(phone("5002", 1));
    let released = bench.fact(EventName::Released).clone();
    assert_eq!((released.reference.0, released.third_party_dn.as_deref()), (17, Some("5002")));
    assert_eq!(bench.news(), ["Released@5001 Redirected"]);
    let outputs = bench.take();
    assert!(outputs.contains(&Output::CancelLeg(leg)));
    let next = outputs.iter().find_map(|output| match output {
        Output::RingLeg { leg, .. } => Some(*leg),
        _ => None,
    });
    let next = next.expect("the other phone rings");
    bench.give(Input::LegRinging(next));
    bench.give(Input::LegAnswered(next));
    assert_eq!(bench.news(), ["Ringing@5002", "Established@5002"]);
}

#[test]
fn where_nobody_answers_the_redirected_call_goes_back_to_its_route_point() {
    let (mut bench, _) = Bench::ringing();
    redirect(&mut bench, "5002");
    bench.take();
    let leg = bench.plan_rings("5002");
    bench.give(Input::LegRinging(leg));
    bench.news();
    bench.pass(Duration::from_secs(15));
    assert_eq!(bench.fact(EventName::RouteRequest).extensions.text("FailedDN"), Some("5002"));
    assert_eq!(bench.news(), ["Released@5002 NoAnswer", "Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn a_redirection_to_nowhere_is_refused_and_the_call_rings_on() {
    for (destination, code) in [
        (phone("5002", 0), ErrorCode::OUT_OF_SERVICE),
        (model::plan::Destination::Reject { status: 404, reason: String::new() }, ErrorCode::INVALID_CALLED_DN),
    ] {
        let (mut bench, leg) = Bench::ringing();
        redirect(&mut bench, "5002");
        bench.plan(destination);
        assert_eq!(bench.error(), code);
        bench.give(Input::LegAnswered(leg));
        assert_eq!(bench.last().name, EventName::Established);
    }
    let (mut bench, _) = Bench::ringing();
    redirect(&mut bench, "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_DESTINATION);
    redirect(&mut bench, "5002");
    bench.pass(Duration::from_secs(6));
    assert_eq!(bench.error(), ErrorCode::TIMEOUT, "the dial plan was silent");
}

#[test]
fn a_call_may_be_sent_to_another_route_point() {
    let (mut bench, leg) = Bench::ringing();
    redirect(&mut bench, "9001");
    bench.news();
    bench.plan(point("9001", None));
    assert_eq!(bench.news(), ["Released@5001 Redirected", "Queued@9001", "RouteRequest@9001"]);
    assert!(bench.take().contains(&Output::CancelLeg(leg)));
}

#[test]
fn a_phone_is_asked_to_answer_and_its_answer_is_the_requests() {
    let (mut bench, leg) = Bench::ringing();
    bench.take();
    bench.ask(RequestKind::AnswerCall(CONN), "5001");
    assert_eq!(bench.take(), [Output::AskAnswer(leg)]);
    bench.ask(RequestKind::AnswerCall(CONN), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "it is being asked already");
    bench.give(Input::LegAnswered(leg));
    let established = bench.fact(EventName::Established);
    assert_eq!((established.reference.0, established.requester.as_deref()), (17, Some("ors")));
}

#[test]
fn a_phone_that_cannot_be_asked_or_does_not_answer_rings_on() {
    let (mut bench, leg) = Bench::ringing();
    bench.ask(RequestKind::AnswerCall(CONN), "5001");
    bench.give(Input::AnswerRefused(leg));
    assert_eq!(bench.error(), ErrorCode::UNSUPPORTED);
    bench.ask(RequestKind::AnswerCall(CONN), "5001");
    bench.pass(Duration::from_secs(11));
    assert_eq!(bench.error(), ErrorCode::TIMEOUT);
    bench.give(Input::LegAnswered(leg));
    assert_eq!((bench.last().name, bench.last().reference.0), (EventName::Established, 0), "it was nobody's request");
}

#[test]
fn requests_for_a_phone_that_does_not_ring_are_refused_and_open_ones_end_with_the_ringing() {
    let mut waiting = Bench::waiting();
    waiting.ask(RequestKind::AnswerCall(CONN), "5001");
    assert_eq!(waiting.error(), ErrorCode::INVALID_CALL_STATE);
    let (mut bench, _) = Bench::ringing();
    bench.ask(RequestKind::AnswerCall(CONN), "5002");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    bench.ask(RequestKind::AnswerCall(CONN), "5001");
    redirect(&mut bench, "5002");
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.news(), ["Error@5001", "Error@5001", "Abandoned@5001", "CallDeleted"]);
    assert_eq!(bench.call.next_timeout(), None);
}
