//! A supervisor takes part in a call of others; parties are made mute and deaf.

use model::event::ErrorCode;
use model::request::{MonitorMode, RequestKind};
use model::{DnRole, EventName, LegId, ReferenceId, UserData};

use super::harness::{ANI, Bench, CONN, CONSULTATION, dn, phone};
use crate::call::{CALLER_LEG, HeardBy, Input, Output, Party, Seat};

/// The supervisor's phone.
const SUPERVISOR: &str = "5004";

fn monitor(bench: &mut Bench, mode: MonitorMode) {
    bench.ask(RequestKind::MonitorCall(CONN, dn("5001"), mode), SUPERVISOR);
}

/// A caller from outside talks with 5001, which 5004 monitors. The legs of 5001 and 5004.
fn monitored(mode: MonitorMode) -> (Bench, LegId, LegId) {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.news();
    monitor(&mut bench, mode);
    let supervisor = bench.plan_rings(SUPERVISOR);
    bench.give(Input::LegRinging(supervisor));
    bench.give(Input::LegAnswered(supervisor));
    (bench, agent, supervisor)
}

fn seat(bench: &Bench, leg: LegId) -> Seat {
    bench.call.first().seat_of(leg)
}

fn addresses(bench: &Bench) -> Vec<&str> {
    bench.call.first().parties.iter().map(Party::address).collect()
}

#[test]
fn a_supervisor_joins_as_an_observer() {
    let (mut bench, agent, supervisor) = monitored(MonitorMode::Mute);
    let established = bench.fact(EventName::Established);
    assert_eq!((established.reference, established.this_role), (ReferenceId(17), Some(DnRole::Observer)));
    assert_eq!(established.other_dn.as_deref(), Some("5001"), "whom it monitors");
    let added = bench.fact(EventName::PartyAdded);
    assert_eq!((added.other_dn.as_deref(), added.other_role), (Some(SUPERVISOR), Some(DnRole::Observer)));
    assert_eq!(bench.news(), ["Ringing@5004", "Established@5004", "PartyAdded@5001"]);
    assert_eq!(seat(&bench, agent), Seat::open(0));
    assert_eq!(seat(&bench, supervisor), Seat { heard_by: HeardBy::Nobody, ..Seat::open(0) });
    bench.ask(RequestKind::HoldCall(CONN), "5001");
    bench.give(Input::LegHeld(agent));
    assert_eq!(bench.fact(EventName::Held).other_dn.as_deref(), Some(ANI), "the agent sees its caller alone");
}

#[test]
fn it_is_seated_as_an_observer_before_it_answers() {
    let (mut bench, _) = Bench::talking();
    monitor(&mut bench, MonitorMode::Mute);
    let supervisor = bench.plan_rings(SUPERVISOR);
    assert_eq!(seat(&bench, supervisor), Seat { heard_by: HeardBy::Nobody, ..Seat::open(0) });
}

#[test]
fn how_it_takes_part_changes_during_the_call() {
    let (mut bench, agent, supervisor) = monitored(MonitorMode::Mute);
    bench.news();
    for (mode, heard_by) in [
        (MonitorMode::Coach, HeardBy::Only(agent)),
        (MonitorMode::Connect, HeardBy::All),
        (MonitorMode::Mute, HeardBy::Nobody),
    ] {
        monitor(&mut bench, mode);
        assert_eq!(bench.news(), ["ACK@5004"]);
        assert_eq!(seat(&bench, supervisor), Seat { heard_by, ..Seat::open(0) });
    }
}

#[test]
fn a_call_ends_with_its_parties_and_not_with_its_observer() {
    let (mut bench, _, supervisor) = monitored(MonitorMode::Coach);
    bench.news();
    bench.give(Input::LegReleased(supervisor));
    assert_eq!(bench.news(), ["Released@5004", "PartyDeleted@5001"]);
    assert_eq!(addresses(&bench), [ANI, "5001"]);
    for leaves in [CALLER_LEG, LegId(2)] {
        let (mut bench, ..) = monitored(MonitorMode::Coach);
        bench.take();
        bench.give(Input::LegReleased(leaves));
        assert!(bench.over());
        assert!(bench.take().contains(&Output::ReleaseLeg(LegId(3))));
    }
}

#[test]
fn a_supervisor_that_speaks_to_all_goes_on_without_the_agent() {
    let (mut bench, agent, _) = monitored(MonitorMode::Connect);
    bench.give(Input::LegReleased(agent));
    assert_eq!(addresses(&bench), [ANI, SUPERVISOR]);
    bench.give(Input::LegReleased(CALLER_LEG));
    assert!(bench.over());
}

#[test]
fn a_supervisor_that_speaks_to_all_is_a_party_when_the_caller_leaves() {
    let (mut bench, ..) = monitored(MonitorMode::Connect);
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(addresses(&bench), ["5001", SUPERVISOR]);
    bench.ask(RequestKind::SingleStepTransfer(CONN, dn("5002")), "5001");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegAnswered(other));
    assert_eq!(addresses(&bench), [SUPERVISOR, "5002"]);
}

#[test]
fn a_supervisor_that_speaks_to_all_removes_the_agent_and_stays() {
    let (mut bench, ..) = monitored(MonitorMode::Connect);
    bench.ask(RequestKind::DeleteFromConference(CONN, dn("5001")), SUPERVISOR);
    assert_eq!(addresses(&bench), [ANI, SUPERVISOR]);
}

#[test]
fn an_observer_leaves_when_the_agent_hands_the_call_on() {
    let (mut bench, ..) = monitored(MonitorMode::Mute);
    bench.news();
    bench.ask(RequestKind::SingleStepTransfer(CONN, dn("5002")), "5001");
    let other = bench.plan_rings("5002");
    assert_eq!(bench.news(), ["Released@5004 RemoteRelease", "PartyDeleted@5001", "Released@5001 Transferred"],);
    bench.give(Input::LegAnswered(other));
    assert_eq!(addresses(&bench), [ANI, "5002"]);
}

#[test]
fn a_consultation_of_a_monitored_agent_is_completed_without_the_observer() {
    for complete in [RequestKind::CompleteTransfer, RequestKind::CompleteConference] {
        let (mut bench, ..) = monitored(MonitorMode::Mute);
        bench.ask(RequestKind::InitiateTransfer(CONN, dn("5002"), UserData::new()), "5001");
        let other = bench.plan_rings("5002");
        bench.give(Input::LegAnswered(other));
        bench.ask(complete(CONN, CONSULTATION), "5001");
        assert!(addresses(&bench).contains(&"5002"), "{:?}", addresses(&bench));
    }
}

#[test]
fn an_observer_decides_nothing_about_the_call() {
    for (kind, code) in [
        (RequestKind::SingleStepTransfer(CONN, dn("5002")), ErrorCode::INVALID_CALL_STATE),
        (RequestKind::SingleStepConference(CONN, dn("5002")), ErrorCode::INVALID_CALL_STATE),
        (RequestKind::InitiateTransfer(CONN, dn("5002"), UserData::new()), ErrorCode::INVALID_CALL_STATE),
        (RequestKind::DeleteFromConference(CONN, dn("5001")), ErrorCode::INVALID_CALL_STATE),
        (RequestKind::MonitorCall(CONN, dn(SUPERVISOR), MonitorMode::Mute), ErrorCode::INVALID_CALLED_DN),
    ] {
        let (mut bench, ..) = monitored(MonitorMode::Mute);
        bench.ask(kind, SUPERVISOR);
        assert_eq!(bench.error(), code);
    }
    let (mut bench, ..) = monitored(MonitorMode::Mute);
    bench.ask(RequestKind::DeleteFromConference(CONN, dn(SUPERVISOR)), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "the agent cannot remove it");
}

#[test]
fn what_cannot_be_monitored_is_refused() {
    let refused = |of: &str, this: &str| {
        let (mut bench, _) = Bench::talking();
        bench.ask(RequestKind::MonitorCall(CONN, dn(of), MonitorMode::Mute), this);
        bench.error()
    };
    assert_eq!(refused("5009", SUPERVISOR), ErrorCode::INVALID_CALLED_DN);
    assert_eq!(refused("5001", "5001"), ErrorCode::INVALID_DESTINATION);
    for (destination, code) in [
        (phone("5002", 1), ErrorCode::INVALID_CALLED_DN),
        (phone(SUPERVISOR, 0), ErrorCode::OUT_OF_SERVICE),
        (super::harness::outside("+4930999"), ErrorCode::INVALID_CALLED_DN),
    ] {
        let (mut bench, _) = Bench::talking();
        monitor(&mut bench, MonitorMode::Mute);
        bench.plan(destination);
        assert_eq!(bench.error(), code);
    }
}

#[test]
fn a_party_is_made_mute_and_deaf() {
    let (mut bench, agent) = Bench::talking();
    bench.news();
    let steps = [
        (RequestKind::SetMuteOn(CONN, None), "MuteOn@5001", (HeardBy::Nobody, true)),
        (RequestKind::ListenDisconnect(CONN, None), "ListenDisconnected@5001", (HeardBy::Nobody, false)),
        (RequestKind::SetMuteOff(CONN, None), "MuteOff@5001", (HeardBy::All, false)),
        (RequestKind::ListenReconnect(CONN, None), "ListenReconnected@5001", (HeardBy::All, true)),
    ];
    for (kind, news, expected) in steps {
        bench.ask(kind.clone(), "5001");
        assert_eq!(bench.news(), [news]);
        let seat = seat(&bench, agent);
        assert_eq!((seat.heard_by, seat.hears), expected);
        bench.ask(kind, "5001");
        assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "it is so already");
        bench.news();
    }
}

#[test]
fn one_party_makes_another_mute() {
    let (mut bench, _) = Bench::talking();
    bench.news();
    bench.ask(RequestKind::SetMuteOn(CONN, Some(dn(ANI))), "5001");
    assert_eq!(bench.news(), ["ACK@5001"], "who is outside has no events");
    assert_eq!(seat(&bench, CALLER_LEG).heard_by, HeardBy::Nobody);
    bench.ask(RequestKind::SetMuteOn(CONN, Some(dn("5009"))), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALLED_DN);
    bench.ask(RequestKind::SetMuteOn(CONN, None), "5009");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
}
