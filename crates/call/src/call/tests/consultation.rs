use model::event::ErrorCode;
use model::plan::Caller;
use model::request::{RequestKind, RouteTo};
use model::{CallType, DnRole, EventName, LegId, ReferenceId, UserData};

use super::harness::{ANI, Bench, CONN, CONSULTATION, dn, phone, point};
use crate::call::{CALLER_LEG, Input, Output, Purpose};

fn consult(bench: &mut Bench, to: &str) {
    let data: UserData = [("Question", "price")].into_iter().collect();
    bench.ask(RequestKind::InitiateTransfer(CONN, dn(to), data), "5001");
}

/// A caller from outside is held by 5001, which calls 5002; that one rings.
fn ringing() -> (Bench, LegId, LegId) {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.news();
    consult(&mut bench, "5002");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegRinging(other));
    (bench, agent, other)
}

fn answered() -> (Bench, LegId, LegId) {
    let (mut bench, agent, other) = ringing();
    bench.give(Input::LegAnswered(other));
    (bench, agent, other)
}

fn room_of(bench: &Bench, leg: LegId) -> Option<u16> {
    bench.call.call_with(leg).map(|call| call.number)
}

fn complete(bench: &mut Bench) {
    bench.ask(RequestKind::CompleteTransfer(CONN, CONSULTATION), "5001");
}

fn reconnect(bench: &mut Bench) {
    bench.ask(RequestKind::ReconnectCall(CONSULTATION, CONN), "5001");
}

#[test]
fn who_consults_holds_the_call_and_calls_with_the_same_leg() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.news();
    consult(&mut bench, "5002");
    assert_eq!(room_of(&bench, agent), Some(0), "connected until the destination is known");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegRinging(other));
    bench.give(Input::LegAnswered(other));
    assert_eq!(
        (room_of(&bench, agent), room_of(&bench, other), room_of(&bench, CALLER_LEG)),
        (Some(1), Some(1), Some(0))
    );
    let dialing = bench.fact(EventName::Dialing);
    let call = dialing.call.as_ref().expect("a call");
    assert_eq!((dialing.reference, call.previous, call.call_type), (ReferenceId(17), Some(CONN), CallType::Consult));
    assert_eq!(call.propagated_type, Some(CallType::Inbound));
    let rang = bench.fact(EventName::Ringing);
    assert_eq!((rang.other_dn.as_deref(), rang.user_data.text("Question")), (Some("5001"), Some("price")));
    assert_eq!(
        bench.news(),
        [
            "Held@5001",
            "CallCreated of 1",
            "Dialing@5001 of 1",
            "Ringing@5002 of 1",
            "Established@5001 of 1",
            "Established@5002 of 1"
        ]
    );
    let first = bench.call.first();
    let music = |purpose: &Purpose| *purpose == Purpose::HoldMusic;
    assert!(first.playing.iter().any(|playing| playing.leg == CALLER_LEG && music(&playing.purpose)));
}

#[test]
fn the_caller_talks_with_who_was_consulted() {
    let (mut bench, agent, other) = answered();
    bench.take();
    bench.news();
    complete(&mut bench);
    let outputs = bench.take();
    assert!(outputs.contains(&Output::ReleaseLeg(agent)), "{outputs:?}");
    assert!(outputs.iter().any(|output| matches!(output, Output::StopTreatment { leg: CALLER_LEG, .. })), "no music");
    assert_eq!((room_of(&bench, other), room_of(&bench, CALLER_LEG)), (Some(0), Some(0)));
    let changed = bench.fact(EventName::PartyChanged);
    let call = changed.call.as_ref().expect("a call");
    assert_eq!((call.conn_id, call.previous, call.call_type), (CONN, Some(CONSULTATION), CallType::Inbound));
    assert_eq!((changed.other_dn.as_deref(), changed.third_party_dn.as_deref()), (Some(ANI), Some("5001")));
    assert_eq!(changed.third_party_role, Some(DnRole::TransferredBy));
    assert_eq!(bench.fact(EventName::AttachedDataChanged).user_data.text("Question"), Some("price"), "of both");
    assert_eq!(changed.this_queue.as_deref(), Some("9000"), "it stays a call of its queue");
    assert_eq!(
        bench.news(),
        [
            "Released@5001 of 1 Transferred",
            "Released@5001 Transferred",
            "PartyChanged@5002 Transferred",
            "AttachedDataChanged@5002",
            "CallDeleted of 1 Transferred"
        ]
    );
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.news(), ["Released@5002 RemoteRelease", "CallDeleted"]);
    assert!(bench.over());
}

#[test]
fn a_transfer_is_completed_while_the_other_phone_rings() {
    let (mut bench, agent, other) = ringing();
    bench.take();
    bench.news();
    complete(&mut bench);
    let outputs = bench.take();
    assert!(outputs.contains(&Output::ReleaseLeg(agent)) && !outputs.contains(&Output::CancelLeg(other)));
    assert_eq!(room_of(&bench, other), Some(0));
    bench.give(Input::LegAnswered(other));
    assert_eq!(
        bench.news(),
        [
            "Released@5001 of 1 Transferred",
            "Released@5001 Transferred",
            "PartyChanged@5002 Transferred",
            "AttachedDataChanged@5002 Transferred",
            "CallDeleted of 1 Transferred",
            "Established@5002"
        ]
    );
}

#[test]
fn a_completed_call_that_nobody_answers_comes_back() {
    let (mut bench, _, other) = ringing();
    complete(&mut bench);
    bench.news();
    bench.pass(std::time::Duration::from_secs(16));
    assert!(bench.take().contains(&Output::CancelLeg(other)), "after the time that was left");
    let back = bench.plan_rings("5001");
    bench.give(Input::LegAnswered(back));
    assert_eq!(bench.news(), ["Released@5002 NoAnswer", "Ringing@5001", "Established@5001"]);
}

#[test]
fn a_phone_consults_once_also_where_its_request_names_a_call_that_is_over() {
    let (mut bench, _, other) = ringing();
    bench.give(Input::LegFailed { leg: other, status: 486 });
    consult(&mut bench, "5003");
    let third = bench.plan_rings("5003");
    bench.give(Input::LegRinging(third));
    bench.take();
    bench.ask(RequestKind::InitiateTransfer(CONSULTATION, dn("5004"), UserData::new()), "5001");
    assert_eq!(bench.error(), ErrorCode::CANNOT_INITIATE_TRANSFER);
    assert_eq!(bench.rings(), []);
}

#[test]
fn a_consultation_with_a_queue_is_completed_there() {
    let (mut bench, agent) = Bench::talking();
    bench.news();
    consult(&mut bench, "9001");
    bench.plan(point("9001", None));
    assert_eq!(
        bench.news(),
        [
            "Held@5001",
            "CallCreated of 1",
            "Dialing@5001 of 1",
            "Queued@9001 of 1",
            "RouteRequest@9001 of 1",
            "Established@5001 of 1"
        ]
    );
    let ask = RequestKind::RouteCall(CONSULTATION, RouteTo::Dn { dn: dn("5002"), agent: None });
    bench.ask(ask, "9001");
    complete(&mut bench);
    assert!(bench.take().contains(&Output::ReleaseLeg(agent)));
    assert_eq!(
        bench.news(),
        [
            "Released@5001 of 1 Transferred",
            "Error@9001 of 1",
            "Diverted@9001 of 1 Transferred",
            "Released@5001 Transferred",
            "Queued@9001",
            "RouteRequest@9001",
            "AttachedDataChanged@9001",
            "CallDeleted of 1 Transferred"
        ]
    );
}

#[test]
fn who_consults_returns_to_the_caller() {
    let (mut bench, agent, other) = answered();
    bench.take();
    bench.news();
    reconnect(&mut bench);
    let outputs = bench.take();
    assert!(outputs.contains(&Output::ReleaseLeg(other)) && !outputs.contains(&Output::ReleaseLeg(agent)));
    assert_eq!(room_of(&bench, agent), Some(0));
    assert_eq!(bench.last().reference, ReferenceId(17));
    assert_eq!(
        bench.news(),
        ["Released@5001 of 1", "Released@5002 of 1 RemoteRelease", "CallDeleted of 1", "Retrieved@5001"]
    );
}

#[test]
fn ring_back_ends_with_a_consultation_that_nobody_answers() {
    let (mut bench, agent, other) = ringing();
    bench.news();
    let ring_back = bench.call.call(CONSULTATION).and_then(|call| call.playing.first()).expect("ring-back").id;
    bench.give(Input::LegFailed { leg: other, status: 486 });
    assert!(bench.take().contains(&Output::StopTreatment { leg: agent, id: ring_back }));
    assert_eq!(room_of(&bench, agent), None, "until it takes the caller back");
    assert_eq!(
        bench.news(),
        [
            "DestinationBusy@5001 of 1 Busy",
            "Released@5001 of 1 Busy",
            "Released@5002 of 1 Busy",
            "CallDeleted of 1 Busy"
        ]
    );
    bench.ask(RequestKind::RetrieveCall(CONN), "5001");
    assert_eq!((room_of(&bench, agent), bench.news()), (Some(0), vec!["Retrieved@5001".to_owned()]));
}

#[test]
fn another_one_is_consulted_after_the_first() {
    let (mut bench, agent, other) = ringing();
    bench.give(Input::LegFailed { leg: other, status: 486 });
    consult(&mut bench, "5003");
    let third = bench.plan_rings("5003");
    bench.give(Input::LegAnswered(third));
    assert_eq!((room_of(&bench, agent), room_of(&bench, third)), (Some(2), Some(2)), "a room is not used again");
    consult(&mut bench, "5002");
    assert_eq!(bench.error(), ErrorCode::CANNOT_INITIATE_TRANSFER);
}

#[test]
fn who_consults_goes_back_and_forth() {
    let (mut bench, agent, _) = answered();
    bench.news();
    bench.ask(RequestKind::AlternateCall(CONSULTATION, CONN), "5001");
    assert_eq!(
        (room_of(&bench, agent), bench.news()),
        (Some(0), vec!["Held@5001 of 1".into(), "Retrieved@5001".into()])
    );
    bench.ask(RequestKind::RetrieveCall(CONSULTATION), "5001");
    assert_eq!(
        (room_of(&bench, agent), bench.news()),
        (Some(1), vec!["Held@5001".into(), "Retrieved@5001 of 1".into()])
    );
    bench.ask(RequestKind::HoldCall(CONSULTATION), "5001");
    assert_eq!((room_of(&bench, agent), bench.news()), (None, vec!["Held@5001 of 1".to_owned()]));
    complete(&mut bench);
    assert!(bench.news().contains(&"PartyChanged@5002 Transferred".to_owned()));
}

#[test]
fn who_hangs_up_in_a_consultation_gets_the_held_call_back() {
    let (mut bench, agent, other) = answered();
    bench.take();
    bench.news();
    bench.give(Input::LegReleased(agent));
    assert!(bench.take().contains(&Output::ReleaseLeg(other)));
    let back = bench.plan_rings("5001");
    bench.give(Input::LegAnswered(back));
    assert_eq!(
        bench.news(),
        [
            "Released@5001 of 1",
            "Released@5002 of 1 RemoteRelease",
            "CallDeleted of 1",
            "Released@5001",
            "Ringing@5001",
            "Established@5001"
        ]
    );
}

#[test]
fn a_caller_that_leaves_leaves_the_two_phones_together() {
    let (mut bench, agent, other) = answered();
    bench.take();
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert!(!bench.take().contains(&Output::ReleaseLeg(agent)));
    assert_eq!(bench.news(), ["Released@5001 RemoteRelease", "CallDeleted"]);
    complete(&mut bench);
    assert_eq!(bench.error(), ErrorCode::INVALID_CONN_ID);
    bench.news();
    bench.give(Input::LegReleased(other));
    assert_eq!(bench.news(), ["Released@5001 of 1 RemoteRelease", "Released@5002 of 1", "CallDeleted of 1"]);
    assert!(bench.over() && bench.take().contains(&Output::ReleaseLeg(agent)));
}

#[test]
fn requests_that_do_not_fit_are_refused_and_change_nothing() {
    let (mut bench, agent) = Bench::talking();
    consult(&mut bench, "5002");
    bench.plan(phone("5002", 0));
    assert_eq!((bench.error(), room_of(&bench, agent)), (ErrorCode::OUT_OF_SERVICE, Some(0)));
    complete(&mut bench);
    assert_eq!(bench.error(), ErrorCode::INVALID_CONN_ID);
    consult(&mut bench, "5002");
    let other = bench.plan_rings("5002");
    bench.ask(RequestKind::CompleteTransfer(ConnIdOf::SECOND, CONN), "5001");
    assert_eq!(bench.error(), ErrorCode::CANNOT_COMPLETE_TRANSFER);
    bench.ask(RequestKind::AlternateCall(ConnIdOf::SECOND, CONN), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "it only rings");
    bench.ask(RequestKind::SingleStepTransfer(CONN, dn("5003")), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    bench.give(Input::LegTransfers { leg: agent, to: dn("5003") });
    assert_eq!(bench.take().last(), Some(&Output::TransferOutcome { leg: agent, status: 603 }));
    bench.ask(RequestKind::ReconnectCall(ConnIdOf::SECOND, CONN), "5002");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "it is not who consults");
    assert_eq!(room_of(&bench, other), Some(1));
}

/// The consultation that began second in a test whose first one was refused.
struct ConnIdOf;

impl ConnIdOf {
    const SECOND: model::ConnId = model::ConnId(CONSULTATION.0 + 1);
}

#[test]
fn a_mute_transfer_leaves_the_call_to_the_number_as_soon_as_it_rings() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.news();
    bench.ask(RequestKind::MuteTransfer(CONN, dn("5002"), UserData::new()), "5001");
    bench.plan(phone("5002", 1));
    let outputs = bench.take();
    let rung = outputs.iter().find_map(|output| match output {
        Output::RingLeg { leg, .. } => Some(*leg),
        _ => None,
    });
    let other = rung.expect("it rings");
    assert!(outputs.contains(&Output::ReleaseLeg(agent)), "its phone is free");
    let answers = bench.facts.iter().filter(|fact| fact.event.reference.0 == 17).map(|fact| fact.event.name);
    assert_eq!(answers.collect::<Vec<_>>(), [EventName::Released], "one answer");
    assert_eq!(
        bench.news(),
        [
            "Held@5001",
            "CallCreated of 1",
            "Dialing@5001 of 1",
            "Released@5001 of 1 Transferred",
            "Released@5001 Transferred",
            "CallDeleted of 1 Transferred"
        ]
    );
    bench.give(Input::LegRinging(other));
    bench.give(Input::LegAnswered(other));
    assert_eq!(bench.news(), ["Ringing@5002 Transferred", "Established@5002"]);
    bench.give(Input::LegReleased(CALLER_LEG));
    assert!(bench.over());
}

#[test]
fn a_mute_transfer_that_cannot_be_completed_changes_nothing() {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::MuteTransfer(CONN, dn("5002"), UserData::new()), "5001");
    bench.plan(phone("5002", 0));
    assert_eq!(bench.error(), ErrorCode::OUT_OF_SERVICE);
    assert_eq!(bench.call.calls().count(), 1);
}

#[test]
fn a_consultation_is_not_completed_while_who_was_consulted_consults_in_turn() {
    let (mut bench, _, other) = answered();
    bench.ask(RequestKind::InitiateTransfer(CONSULTATION, dn("5004"), UserData::new()), "5002");
    let third = bench.plan_rings("5004");
    bench.give(Input::LegAnswered(third));
    assert_eq!(room_of(&bench, other), Some(2));
    complete(&mut bench);
    assert_eq!(bench.error(), ErrorCode::CANNOT_COMPLETE_TRANSFER);
    bench.ask(RequestKind::CompleteConference(CONN, CONSULTATION), "5001");
    assert_eq!(bench.error(), ErrorCode::CANNOT_COMPLETE_TRANSFER);
    assert_eq!(room_of(&bench, other), Some(2));
}

#[test]
fn music_ends_for_a_leg_whose_call_ends_while_it_is_in_another_one() {
    let (mut bench, agent, _) = answered();
    bench.ask(RequestKind::AlternateCall(CONSULTATION, CONN), "5001");
    bench.take();
    bench.give(Input::LegHeld(CALLER_LEG));
    let music = bench.take().into_iter().find_map(|output| match output {
        Output::StartTreatment { leg, id, .. } if leg == agent => Some(id),
        _ => None,
    });
    bench.give(Input::LegReleased(CALLER_LEG));
    let stopped = Output::StopTreatment { leg: agent, id: music.expect("music") };
    assert!(bench.take().contains(&stopped));
}

#[test]
fn a_transfer_that_the_other_side_looks_up_is_refused_when_the_call_is_handed_on() {
    let mut bench = Bench::new(Caller::Phone(dn("5003")), "5001");
    bench.plan(phone("5001", 1));
    bench.give(Input::LegAnswered(LegId(2)));
    bench.give(Input::LegAnswered(CALLER_LEG));
    consult(&mut bench, "5002");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegRinging(other));
    bench.ask(RequestKind::InitiateTransfer(CONN, dn("5004"), UserData::new()), "5003");
    assert!(bench.call.first().transfer.is_some());
    complete(&mut bench);
    assert!(bench.call.first().transfer.is_none());
    assert_eq!(bench.fact(EventName::Error).this_dn, Some(dn("5003")));
}
