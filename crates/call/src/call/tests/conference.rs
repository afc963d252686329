use model::event::ErrorCode;
use model::request::RequestKind;
use model::{CallState, DnRole, EventName, LegId, ReferenceId, UserData};

use super::harness::{ANI, Bench, CONN, CONSULTATION, dn, phone};
use crate::call::{CALLER_LEG, Input, Output};

/// A caller from outside, 5001 and 5002, whom 5001 has consulted, in one call.
fn conference() -> (Bench, LegId, LegId) {
    let (mut bench, agent) = Bench::talking();
    bench.ask(RequestKind::InitiateTransfer(CONN, dn("5002"), UserData::new()), "5001");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegAnswered(other));
    bench.news();
    bench.take();
    bench.ask(RequestKind::CompleteConference(CONN, CONSULTATION), "5001");
    (bench, agent, other)
}

fn rooms(bench: &Bench, legs: [LegId; 3]) -> [Option<u16>; 3] {
    legs.map(|leg| bench.call.call_with(leg).map(|call| call.number))
}

#[test]
fn all_three_are_in_one_call() {
    let (mut bench, agent, other) = conference();
    assert_eq!(rooms(&bench, [CALLER_LEG, agent, other]), [Some(0); 3]);
    let outputs = bench.take();
    assert!(!outputs.iter().any(|output| matches!(output, Output::ReleaseLeg(_))), "{outputs:?}");
    let added = bench.fact(EventName::PartyAdded);
    assert_eq!((added.this_dn.as_ref().map(|dn| dn.as_str()), added.other_dn.as_deref()), (Some("5001"), Some("5002")));
    assert_eq!((added.other_role, added.third_party_role), (Some(DnRole::NewParty), Some(DnRole::AddedBy)));
    assert_eq!(added.reference, ReferenceId(17));
    let changed = bench.fact(EventName::PartyChanged);
    assert_eq!(changed.call.as_ref().and_then(|call| call.previous), Some(CONSULTATION));
    assert_eq!(
        (changed.call_state, changed.third_party_role),
        (Some(CallState::Conferenced), Some(DnRole::ConferencedBy))
    );
    assert_eq!(changed.other_dn, None, "more than one");
    assert_eq!(
        bench.news(),
        [
            "Released@5001 of 1 Conferenced",
            "PartyAdded@5001 Conferenced",
            "PartyChanged@5002 Conferenced",
            "CallDeleted of 1 Conferenced"
        ]
    );
    let music = bench.call.first().playing.len();
    assert_eq!(music, 0, "the caller is back");
}

#[test]
fn who_leaves_leaves_the_others_together() {
    let (mut bench, agent, other) = conference();
    bench.news();
    bench.take();
    bench.give(Input::LegReleased(agent));
    assert_eq!(bench.news(), ["Released@5001", "PartyDeleted@5002"]);
    assert!(!bench.take().contains(&Output::ReleaseLeg(agent)), "it has hung up itself");
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.news(), ["Released@5002 RemoteRelease", "CallDeleted"]);
    assert!(bench.take().contains(&Output::ReleaseLeg(other)) && bench.over());
}

#[test]
fn a_caller_that_leaves_leaves_the_agents_together() {
    let (mut bench, agent, _) = conference();
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    let deleted = bench.fact(EventName::PartyDeleted);
    assert_eq!((deleted.other_dn.as_deref(), deleted.other_role), (Some(ANI), Some(DnRole::DeletedParty)));
    assert_eq!(bench.news(), ["PartyDeleted@5001", "PartyDeleted@5002"]);
    bench.ask(RequestKind::ReleaseCall(CONN), "5002");
    assert_eq!(bench.news(), ["Released@5001 RemoteRelease", "Released@5002", "CallDeleted"]);
    assert!(bench.take().contains(&Output::ReleaseLeg(agent)));
}

#[test]
fn a_party_removes_another_one() {
    let (mut bench, _, other) = conference();
    bench.news();
    bench.take();
    bench.ask(RequestKind::DeleteFromConference(CONN, dn("5001")), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALLED_DN, "not itself");
    bench.news();
    bench.ask(RequestKind::DeleteFromConference(CONN, dn("5002")), "5001");
    assert!(bench.take().contains(&Output::ReleaseLeg(other)));
    let deleted = bench.fact(EventName::PartyDeleted);
    assert_eq!((deleted.reference, deleted.third_party_role), (ReferenceId(17), Some(DnRole::DeletedBy)));
    let released = bench.fact(EventName::Released);
    assert_eq!(
        (released.third_party_dn.as_deref(), released.third_party_role),
        (Some("5001"), Some(DnRole::DeletedBy)),
        "it did not leave by itself"
    );
    assert_eq!(bench.news(), ["Released@5002 RemoteRelease", "PartyDeleted@5001"]);
    bench.ask(RequestKind::DeleteFromConference(CONN, dn("5002")), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "two are no conference");
}

#[test]
fn a_conference_grows_and_its_members_consult() {
    let (mut bench, agent, other) = conference();
    bench.news();
    bench.ask(RequestKind::InitiateTransfer(CONN, dn("5003"), UserData::new()), "5002");
    let third = bench.plan_rings("5003");
    assert_eq!(rooms(&bench, [CALLER_LEG, agent, other]), [Some(0), Some(0), Some(2)], "the others go on");
    assert!(bench.call.first().playing.iter().all(|playing| playing.leg == other), "no music for who are not alone");
    bench.give(Input::LegAnswered(third));
    bench.ask(RequestKind::CompleteConference(CONN, model::ConnId(CONSULTATION.0 + 1)), "5002");
    assert_eq!(bench.call.first().parties.len(), 4);
    bench.ask(RequestKind::ClearCall(CONN), "5001");
    assert!(bench.over());
}

#[test]
fn what_cannot_become_a_conference_is_refused() {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::InitiateTransfer(CONN, dn("5002"), UserData::new()), "5001");
    bench.plan(phone("5002", 1));
    bench.ask(RequestKind::CompleteConference(CONN, CONSULTATION), "5001");
    assert_eq!(bench.error(), ErrorCode::CANNOT_COMPLETE_CONFERENCE, "it only rings");
}

#[test]
fn calls_are_merged_from_either_of_them() {
    for from_the_consultation in [true, false] {
        let (mut bench, _) = Bench::talking();
        bench.ask(RequestKind::InitiateTransfer(CONN, dn("5002"), UserData::new()), "5001");
        let other = bench.plan_rings("5002");
        bench.give(Input::LegAnswered(other));
        if !from_the_consultation {
            bench.ask(RequestKind::AlternateCall(CONSULTATION, CONN), "5001");
        }
        let (active, held) = if from_the_consultation { (CONSULTATION, CONN) } else { (CONN, CONSULTATION) };
        bench.news();
        bench.ask(RequestKind::MergeCalls(held, active), "5001");
        assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "the active call is not held");
        bench.ask(RequestKind::MergeCalls(active, held), "5001");
        assert_eq!(bench.fact(EventName::PartyAdded).reference, ReferenceId(17));
        assert_eq!(bench.call.first().parties.len(), 3, "{from_the_consultation}");
        assert_eq!(bench.call.calls().count(), 1);
    }
}
