//! Recording of a call: its states, what the parties are told, and which seats are recorded.

use model::event::ErrorCode;
use model::request::RequestKind;
use model::{LegId, UserData};

use super::harness::{ANI, Bench, CONN, CONSULTATION, dn};
use crate::call::{CALLER_LEG, Input, RECORDING_ID, RECORDING_STATE, RecordedAs};

/// What the user data says of the recording.
fn told(bench: &Bench) -> Option<(String, String)> {
    let data = &bench.call.first().user_data;
    Some((data.text(RECORDING_ID)?.to_owned(), data.text(RECORDING_STATE)?.to_owned()))
}

/// What the seats of these legs are recorded as.
fn recorded(bench: &Bench, legs: &[LegId]) -> Vec<Option<u16>> {
    let of = |leg: &LegId| {
        bench.call.call_with(*leg)?.seat_of(*leg).recorded.filter(|recorded| recorded.is_on).map(|on| on.number)
    };
    legs.iter().map(of).collect()
}

fn names(id: &str, state: &str) -> Option<(String, String)> {
    Some((id.to_owned(), state.to_owned()))
}

#[test]
fn a_recording_is_started_paused_resumed_and_stopped_and_the_next_one_has_another_id() {
    let (mut bench, agent) = Bench::talking();
    bench.news();
    let legs = [CALLER_LEG, agent];
    let id = RecordedAs { number: 1, beep: true, is_on: true }.id(CONN);
    assert_eq!(id, format!("rec-{CONN}-1"));
    let steps = [
        (RequestKind::StartRecording(CONN, true), "Recording", Some(1)),
        (RequestKind::PauseRecording(CONN), "Paused", None),
        (RequestKind::ResumeRecording(CONN), "Recording", Some(1)),
        (RequestKind::StopRecording(CONN), "Stopped", None),
    ];
    for (request, state, number) in steps {
        bench.ask(request, "5001");
        assert_eq!(bench.news(), ["AttachedDataChanged@5001"], "{state}");
        assert_eq!((told(&bench), recorded(&bench, &legs)), (names(&id, state), vec![number; 2]));
    }
    bench.ask(RequestKind::StartRecording(CONN, false), "5001");
    assert_eq!(told(&bench), names(&format!("rec-{CONN}-2"), "Recording"));
    bench.ask(RequestKind::PauseRecording(CONN), "5001");
    bench.ask(RequestKind::StopRecording(CONN), "5001");
    assert_eq!(told(&bench), names(&format!("rec-{CONN}-2"), "Stopped"), "a pause can end, too");
}

#[test]
fn a_recording_has_one_state_at_a_time_and_is_of_who_talks() {
    let (mut bench, _) = Bench::talking();
    let refused = |bench: &mut Bench, request, this_dn| {
        bench.ask(request, this_dn);
        bench.error()
    };
    let state = ErrorCode::INVALID_CALL_STATE;
    for request in
        [RequestKind::StopRecording(CONN), RequestKind::PauseRecording(CONN), RequestKind::ResumeRecording(CONN)]
    {
        assert_eq!(refused(&mut bench, request, "5001"), state);
    }
    assert_eq!(refused(&mut bench, RequestKind::StartRecording(CONN, false), "5002"), state, "it is no party");
    bench.ask(RequestKind::StartRecording(CONN, false), "5001");
    assert_eq!(refused(&mut bench, RequestKind::StartRecording(CONN, false), "5001"), state);
    assert_eq!(refused(&mut bench, RequestKind::ResumeRecording(CONN), "5001"), state);
    assert_eq!(told(&bench), names(&format!("rec-{CONN}-1"), "Recording"), "nothing has changed it");
    let mut waiting = Bench::waiting();
    assert_eq!(refused(&mut waiting, RequestKind::StartRecording(CONN, false), "9000"), state, "nobody talks");
}

#[test]
fn a_recording_follows_the_call_through_a_transfer_and_leaves_the_consultation_out() {
    let (mut bench, agent) = Bench::talking();
    bench.ask(RequestKind::StartRecording(CONN, false), "5001");
    bench.ask(RequestKind::InitiateTransfer(CONN, dn("5002"), UserData::new()), "5001");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegRinging(other));
    bench.give(Input::LegAnswered(other));
    assert_eq!(
        recorded(&bench, &[CALLER_LEG, agent, other]),
        [Some(1), None, None],
        "the consultation is not recorded"
    );
    let consultation = bench.call.calls().find(|call| call.conn_id == CONSULTATION).expect("it is there");
    assert_eq!(consultation.user_data.get(RECORDING_ID), None, "and does not say so");
    bench.ask(RequestKind::CompleteTransfer(CONN, CONSULTATION), "5001");
    assert_eq!(recorded(&bench, &[CALLER_LEG, other]), [Some(1), Some(1)]);
    bench.ask(RequestKind::StopRecording(CONN), "5002");
    assert_eq!(recorded(&bench, &[CALLER_LEG, other]), [None, None]);
    assert_eq!(bench.call.first().talkers().filter(|party| party.address() == ANI).count(), 1);
}
