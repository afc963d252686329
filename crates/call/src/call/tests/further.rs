use model::event::ErrorCode;
use model::plan::Destination;
use model::request::RequestKind;
use model::{CallType, ConnId, EventName, LegId, UserData};

use super::harness::{ANI, Bench, CONN, dn, point};
use crate::call::{CALLER_LEG, Input, Output, Party};

/// A caller from outside talks with 5001, whose phone holds it and calls 5002 by itself: the legs of 5001 and of 5002.
struct Held {
    bench: Bench,
    agent: LegId,
    own: LegId,
    other: LegId,
    second: ConnId,
}

fn ringing() -> Held {
    let (mut bench, agent) = Bench::talking();
    bench.give(Input::LegHeld(agent));
    bench.take();
    bench.news();
    assert!(bench.call.takes_call_of(&dn("5001")));
    let (own, second) = bench.dials("5001", "5002");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegRinging(other));
    Held { bench, agent, own, other, second }
}

fn answered() -> Held {
    let mut held = ringing();
    held.bench.give(Input::LegAnswered(held.other));
    assert!(held.bench.take().contains(&Output::AnswerCaller(held.own)));
    held.bench.give(Input::LegAnswered(held.own));
    held
}

fn addresses(bench: &Bench) -> Vec<&str> {
    bench.call.first().parties.iter().map(Party::address).collect()
}

#[test]
fn a_phone_in_a_call_makes_a_further_one_with_a_leg_of_its_own() {
    let mut held = answered();
    let created = held.bench.fact(EventName::CallCreated).call.clone().expect("a call");
    assert_eq!((created.conn_id, created.call_type, created.previous), (held.second, CallType::Internal, None));
    assert_eq!(
        held.bench.news(),
        [
            "CallCreated of 1",
            "Dialing@5001 of 1",
            "Ringing@5002 of 1",
            "Established@5001 of 1",
            "Established@5002 of 1"
        ]
    );
    held.bench.give(Input::LegReleased(held.own));
    assert!(!held.bench.over(), "the first call goes on");
    held.bench.give(Input::LegRetrieved(held.agent));
    assert_eq!(addresses(&held.bench), [ANI, "5001"]);
}

#[test]
fn each_of_two_parked_calls_is_fetched_from_its_own_slot() {
    let mut held = answered();
    let (second, bench) = (held.second, &mut held.bench);
    for (conn_id, slot) in [(second, "*5902"), (CONN, "*5901")] {
        if conn_id == CONN {
            bench.give(Input::LegRetrieved(held.agent));
        }
        bench.ask(RequestKind::SingleStepTransfer(conn_id, dn(slot)), "5001");
        bench.plan(Destination::Park { slot: dn(slot) });
    }
    assert_eq!(bench.call.parked_slots().map(ToString::to_string).collect::<Vec<_>>(), ["*5901", "*5902"]);
    assert_eq!(bench.fetches(&dn("*5903"), "5004"), None);
    let leg = bench.fetches(&dn("*5902"), "5004").expect("a leg");
    bench.give(Input::LegAnswered(leg));
    let of_second = bench.call.calls().find(|call| call.conn_id == second).expect("a call");
    assert_eq!(of_second.parties.iter().map(Party::address).collect::<Vec<_>>(), ["5002", "5004"]);
}

#[test]
fn refer_with_replaces_joins_the_others_in_the_earlier_call() {
    for (on, of) in [(true, false), (false, true)] {
        let mut held = answered();
        held.bench.take();
        held.bench.news();
        let (leg, other) = if on && !of { (held.agent, held.own) } else { (held.own, held.agent) };
        held.bench.give(Input::LegTransfersTo { leg, other });
        let done = held.bench.take();
        assert_eq!(done[0], Output::TransferOutcome { leg, status: 200 });
        assert!(
            done.contains(&Output::ReleaseLeg(held.agent)) && done.contains(&Output::ReleaseLeg(held.own)),
            "{done:?}"
        );
        assert!(!done.contains(&Output::ReleaseLeg(held.other)) && !done.contains(&Output::ReleaseLeg(CALLER_LEG)));
        assert_eq!(addresses(&held.bench), [ANI, "5002"]);
        assert_eq!(
            held.bench.news(),
            [
                "Released@5001 of 1 Transferred",
                "Released@5001 Transferred",
                "PartyChanged@5002 Transferred",
                "CallDeleted of 1 Transferred"
            ]
        );
        held.bench.give(Input::LegReleased(CALLER_LEG));
        assert!(held.bench.over());
    }
}

#[test]
fn it_may_transfer_while_the_other_phone_rings() {
    let mut held = ringing();
    held.bench.give(Input::LegTransfersTo { leg: held.agent, other: held.own });
    assert!(held.bench.take().contains(&Output::TransferOutcome { leg: held.agent, status: 200 }));
    held.bench.give(Input::LegAnswered(held.other));
    assert_eq!(addresses(&held.bench), [ANI, "5002"]);
    assert!(!held.bench.over());
}

#[test]
fn a_program_completes_what_the_phone_has_begun() {
    let mut held = answered();
    held.bench.ask(RequestKind::CompleteTransfer(CONN, held.second), "5001");
    assert_eq!(addresses(&held.bench), [ANI, "5002"]);
    let mut held = answered();
    held.bench.ask(RequestKind::CompleteConference(CONN, held.second), "5001");
    assert_eq!(addresses(&held.bench), [ANI, "5001", "5002"], "on the dialog on which the phone does not hold");
    assert!(held.bench.take().contains(&Output::ReleaseLeg(held.agent)));
}

#[test]
fn the_callers_end_ends_the_first_call_alone() {
    let mut held = answered();
    held.bench.give(Input::LegReleased(CALLER_LEG));
    assert!(!held.bench.over());
    held.bench.take();
    held.bench.give(Input::LegTransfersTo { leg: held.own, other: held.agent });
    assert!(held.bench.take().contains(&Output::TransferOutcome { leg: held.own, status: 603 }));
    held.bench.give(Input::LegReleased(held.other));
    assert!(held.bench.over());
}

#[test]
fn legs_of_others_are_not_transferred() {
    let mut held = answered();
    held.bench.take();
    held.bench.give(Input::LegTransfersTo { leg: held.own, other: CALLER_LEG });
    assert!(held.bench.take().contains(&Output::TransferOutcome { leg: held.own, status: 603 }));
    assert_eq!(addresses(&held.bench), [ANI, "5001"]);
}

#[test]
fn a_call_refused_by_the_dial_plan_is_refused_on_its_leg() {
    let (mut bench, _) = Bench::talking();
    bench.take();
    let (own, _) = bench.dials("5001", "nowhere");
    let gone = model::plan::Destination::Reject { status: 404, reason: String::new() };
    bench.plan(gone);
    assert!(bench.take().contains(&Output::RejectCaller { leg: own, status: 404 }));
    assert!(!bench.over());
    let (own, second) = bench.dials("5001", "9000");
    bench.plan(point("9000", None));
    assert!(bench.take().contains(&Output::AnswerCaller(own)));
    bench.give(Input::LegAnswered(own));
    bench.ask(RequestKind::InitiateTransfer(second, dn("5002"), UserData::new()), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "it waits in a queue");
}

#[test]
fn nobody_is_transferred_to_a_second_call_of_the_same_phone() {
    let (mut bench, agent) = Bench::talking();
    bench.ask(RequestKind::SingleStepTransfer(CONN, dn("5003")), "5001");
    let leg = bench.plan_rings("5003");
    bench.give(Input::LegAnswered(leg));
    let (own, _) = bench.dials("5003", "5001");
    bench.plan_rings("5001");
    bench.give(Input::LegTransfersTo { leg, other: own });
    assert!(bench.take().contains(&Output::TransferOutcome { leg, status: 200 }), "5001 has left: {agent}");
    let (mut bench, agent) = Bench::talking();
    let (own, _) = bench.dials("5001", "5002");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegAnswered(other));
    bench.give(Input::LegAnswered(own));
    bench.give(Input::LegTransfersTo { leg: agent, other: own });
    bench.take();
    let (again, _) = bench.dials("5002", "5003");
    let ringing = bench.plan_rings("5003");
    bench.give(Input::LegAnswered(ringing));
    bench.give(Input::LegAnswered(again));
    let (third, _) = bench.dials("5003", "5002");
    bench.plan_rings("5002");
    bench.give(Input::LegTransfersTo { leg: ringing, other: third });
    assert!(
        bench.take().contains(&Output::TransferOutcome { leg: ringing, status: 603 }),
        "5002 would talk with itself"
    );
}

#[test]
fn a_phone_that_calls_again_and_again_adds_a_bounded_number_of_calls() {
    let (mut bench, agent) = Bench::talking();
    bench.give(Input::LegHeld(agent));
    bench.take();
    let mut added = 0;
    while bench.call.takes_call_of(&dn("5001")) {
        let (own, _) = bench.dials("5001", "5999");
        bench.plan(Destination::Reject { status: 404, reason: "no such number".to_owned() });
        bench.give(Input::LegReleased(own));
        bench.take();
        added += 1;
        assert!(added < 1_000, "after {added} refused calls it still takes another one");
    }
    bench.ask(RequestKind::InitiateTransfer(CONN, dn("5002"), UserData::new()), "5001");
    assert_eq!(bench.error(), ErrorCode::CANNOT_INITIATE_TRANSFER);
    bench.give(Input::LegRetrieved(agent));
    assert_eq!(addresses(&bench), [ANI, "5001"], "the call itself goes on");
}
