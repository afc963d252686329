//! A conference in one step: a number is called while the call goes on.

use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Destination, Service};
use model::request::RequestKind;
use model::{DnRole, EventName, LegId, ReferenceId, UserData};

use super::harness::{ANI, Bench, CONN, dn, outside, phone, point};
use crate::call::{CALLER_LEG, Input, Output, Party, Stage};

fn invite(bench: &mut Bench, to: &str) {
    bench.ask(RequestKind::SingleStepConference(CONN, dn(to)), "5001");
}

/// A caller from outside talks with 5001, which brings 5002 in; that one rings.
fn ringing() -> (Bench, LegId) {
    let (mut bench, _) = Bench::talking();
    bench.take();
    bench.news();
    invite(&mut bench, "5002");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegRinging(other));
    (bench, other)
}

fn parties(bench: &Bench) -> Vec<&str> {
    bench.call.first().parties.iter().map(Party::address).collect()
}

#[test]
fn a_number_joins_the_call_when_it_answers() {
    let (mut bench, other) = ringing();
    assert_eq!(bench.call.first().stage, Stage::Talking, "the others go on");
    assert_eq!(bench.call.call_with(other).map(|call| call.number), Some(0), "it rings for the same room");
    let ringing = bench.fact(EventName::Ringing);
    assert_eq!((ringing.third_party_dn.as_deref(), ringing.third_party_role), (Some("5001"), Some(DnRole::AddedBy)));
    bench.give(Input::LegAnswered(other));
    assert_eq!(parties(&bench), [ANI, "5001", "5002"]);
    let added = bench.fact(EventName::PartyAdded);
    assert_eq!((added.reference, added.other_dn.as_deref()), (ReferenceId(17), Some("5002")));
    assert_eq!((added.other_role, added.third_party_dn.as_deref()), (Some(DnRole::NewParty), Some("5001")));
    assert_eq!(
        bench.news(),
        ["Ringing@5002 Conferenced", "Established@5002 Conferenced", "PartyAdded@5001 Conferenced"]
    );
    bench.give(Input::LegReleased(other));
    assert_eq!(bench.news(), ["Released@5002", "PartyDeleted@5001"]);
    bench.give(Input::LegReleased(CALLER_LEG));
    assert!(bench.over());
}

#[test]
fn who_is_brought_in_may_be_outside() {
    let (mut bench, _) = Bench::talking();
    bench.news();
    invite(&mut bench, "+4930999");
    bench.take();
    bench.plan(outside("+4930999"));
    let leg = bench.rings().pop().expect("it is called");
    bench.give(Input::LegRinging(leg));
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.news(), ["NetworkReached@5001", "PartyAdded@5001 Conferenced"]);
    assert_eq!(parties(&bench), [ANI, "5001", "+4930999"]);
}

/// Something after which the number does not join.
type Refuse = fn(&mut Bench, LegId);

#[test]
fn a_number_that_does_not_come_changes_nothing() {
    let refused: [(Refuse, ErrorCode, &str); 3] = [
        (|bench, leg| bench.give(Input::LegFailed { leg, status: 486 }), ErrorCode::DN_BUSY, "Released@5002 Busy"),
        (|bench, _| bench.pass(Duration::from_secs(15)), ErrorCode::NO_ANSWER, "Released@5002 NoAnswer"),
        (|bench, leg| bench.give(Input::LegReleased(leg)), ErrorCode::NO_ANSWER, "Released@5002 NoAnswer"),
    ];
    for (refuse, code, released) in refused {
        let (mut bench, leg) = ringing();
        bench.news();
        refuse(&mut bench, leg);
        assert_eq!(bench.error(), code);
        assert_eq!(bench.news(), [released, "Error@5001"]);
        assert_eq!((parties(&bench), &bench.call.first().stage), (vec![ANI, "5001"], &Stage::Talking));
        assert!(bench.call.first().invitation.is_none());
    }
}

#[test]
fn who_rings_may_refuse_by_request() {
    let (mut bench, leg) = ringing();
    bench.news();
    bench.ask(RequestKind::ReleaseCall(CONN), "5002");
    assert_eq!(bench.news(), ["ACK@5002", "Released@5002 Busy", "Error@5001"]);
    assert!(bench.take().contains(&Output::CancelLeg(leg)));
}

#[test]
fn what_is_no_phone_cannot_be_brought_in() {
    for (destination, code) in [
        (point("9000", None), ErrorCode::INVALID_CALLED_DN),
        (Destination::Service(Service::Echo), ErrorCode::INVALID_CALLED_DN),
        (Destination::Reject { status: 404, reason: String::new() }, ErrorCode::INVALID_CALLED_DN),
        (phone("5002", 0), ErrorCode::OUT_OF_SERVICE),
        (phone("5001", 1), ErrorCode::INVALID_DESTINATION),
    ] {
        let (mut bench, _) = Bench::talking();
        invite(&mut bench, "5002");
        bench.plan(destination);
        assert_eq!(bench.error(), code);
    }
    let (mut bench, _) = Bench::talking();
    invite(&mut bench, "5002");
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.error(), ErrorCode::TIMEOUT);
}

#[test]
fn one_number_at_a_time_and_only_from_within_the_call() {
    let (mut bench, _) = ringing();
    invite(&mut bench, "5003");
    assert!(bench.last().error.is_none(), "the very request is under way");
    bench.ask(RequestKind::SingleStepConference(CONN, dn("5003")), "5009");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    let (mut bench, _) = Bench::ringing();
    invite(&mut bench, "5002");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
}

#[test]
fn the_phone_stops_ringing_when_the_call_ends_or_is_transferred() {
    let (mut bench, leg) = ringing();
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert!(bench.over() && bench.take().contains(&Output::CancelLeg(leg)));
    assert_eq!(bench.news()[..2], ["Released@5002 Redirected", "Error@5001"]);
    let (mut bench, leg) = ringing();
    bench.ask(RequestKind::SingleStepTransfer(CONN, dn("5003")), "5001");
    bench.plan_rings("5003");
    assert_eq!(bench.call.first().invitation, None);
    assert!(
        bench
            .facts
            .iter()
            .any(|fact| fact.event.name == EventName::Released && fact.event.this_dn.as_ref() == Some(&dn("5002")))
    );
    bench.give(Input::LegAnswered(leg));
    assert!(bench.take().contains(&Output::ReleaseLeg(leg)), "it answered while its cancel was on the way");
}

#[test]
fn who_consults_meanwhile_is_in_the_conference_afterwards() {
    let (mut bench, other) = ringing();
    bench.ask(RequestKind::InitiateTransfer(CONN, dn("5003"), UserData::new()), "5001");
    let third = bench.plan_rings("5003");
    bench.give(Input::LegAnswered(third));
    bench.give(Input::LegAnswered(other));
    assert_eq!(parties(&bench), [ANI, "5001", "5002"]);
    bench.ask(RequestKind::RetrieveCall(CONN), "5001");
    let away: Vec<bool> = bench.call.first().parties.iter().map(|party| party.away).collect();
    assert_eq!(away, [false, false, false]);
}

#[test]
fn who_is_brought_in_may_answer_by_request() {
    let (mut bench, leg) = ringing();
    bench.news();
    bench.ask(RequestKind::AnswerCall(CONN), "5002");
    assert!(bench.take().contains(&Output::AskAnswer(leg)));
    bench.give(Input::LegAnswered(leg));
    assert_eq!(bench.fact(EventName::ACK).reference, ReferenceId(17));
    assert_eq!(bench.news(), ["ACK@5002", "Established@5002 Conferenced", "PartyAdded@5001 Conferenced"]);
    for end in [Input::AnswerRefused(leg), Input::LegFailed { leg, status: 486 }] {
        let (mut bench, _) = ringing();
        bench.ask(RequestKind::AnswerCall(CONN), "5002");
        bench.news();
        bench.give(end);
        assert!(bench.news().iter().any(|fact| fact == "Error@5002"));
    }
    let (mut bench, _) = ringing();
    bench.ask(RequestKind::AnswerCall(CONN), "5002");
    bench.news();
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.news(), ["Error@5002"], "it does not obey; it rings on");
    bench.ask(RequestKind::RedirectCall(CONN, dn("5003")), "5002");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
}
