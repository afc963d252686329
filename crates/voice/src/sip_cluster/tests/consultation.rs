//! Consultations at the node: the phone's one dialog, its room at media, the index of the ledger, a restart in between.

use std::time::Duration;

use bytes::Bytes;
use call::call::Seat;
use contracts::v1;
use infra::CallIndex;
use ivr::msml::Command;
use model::event::Subject;
use model::plan::Destination;
use model::request::RequestKind;
use model::{ConnId, Dn, LegId, UserData};
use prost::Message as _;
use sip::agent::{DialogId, Event};

use super::bench::{Bench, Peer, phone};
use super::calls::{request, talking};
use super::restart::restart;
use crate::sip_cluster::limits::Limits;
use crate::sip_cluster::node::order::Order;

const AGENT: LegId = LegId(2);

fn dn(text: &str) -> Dn {
    Dn::parse(text).expect("a DN")
}

/// The phone at 7101, which talks with the caller, consults 7102; that one has answered.
fn consulting() -> (Bench, ConnId, ConnId) {
    let (mut bench, conn_id) = talking();
    ask(&mut bench, conn_id, |id| RequestKind::InitiateTransfer(id, dn("7102"), UserData::new()));
    let Destination::Extension { contacts, no_answer_ms, .. } = phone(15_000) else { unreachable!("it is a phone") };
    bench.plan(Destination::Extension { dn: dn("7102"), contacts, no_answer_ms });
    bench.phone_rings();
    bench.phone_answers();
    let consultation = calls(&bench, conn_id)[1];
    (bench, conn_id, consultation)
}

fn ask(bench: &mut Bench, conn_id: ConnId, kind: impl Fn(ConnId) -> RequestKind) {
    bench.node.request(request(conn_id, "7101", kind), bench.now).expect("the call is here");
    bench.run();
}

fn calls(bench: &Bench, conn_id: ConnId) -> Vec<ConnId> {
    let entry = bench.node.table().get(&conn_id).expect("a thread");
    entry.thread.calls().map(|call| call.conn_id).collect()
}

/// The dialog of the agent's leg with media, as media has it.
fn agent_at_media(bench: &Bench) -> DialogId {
    bench.media_dialogs[1]
}

/// The conferences into which media was told to take the agent's leg.
fn joined(bench: &Bench) -> Vec<&str> {
    let of_agent = bench.played.iter().filter(|(dialog, _)| *dialog == agent_at_media(bench));
    let conferences = of_agent.filter_map(|(_, command)| match command {
        Command::Join { conference, .. } => Some(conference.as_str()),
        _ => None,
    });
    conferences.collect()
}

#[test]
fn the_phone_that_consults_changes_its_room_and_nothing_else() {
    let (bench, conn_id, consultation) = consulting();
    assert_eq!(joined(&bench), [format!("{conn_id}.1")]);
    assert!(!bench.saw(Peer::Phone, |event| matches!(event, Event::Offered { .. })), "no re-INVITE");
    let index: Vec<&CallIndex> = bench.writes.iter().flat_map(|write| &write.index).skip(1).collect();
    assert_eq!(index, [&CallIndex::Call(consultation)], "written once");
    assert!(bench.writes.iter().all(|write| write.conn_id == conn_id), "one record");
}

#[test]
fn a_completed_transfer_leaves_one_call_and_nothing_of_the_other() {
    let (mut bench, conn_id, consultation) = consulting();
    ask(&mut bench, conn_id, |id| RequestKind::CompleteTransfer(id, consultation));
    assert_eq!(calls(&bench, conn_id), [conn_id]);
    let third = bench.media_dialogs[2];
    let moved = |(dialog, command): &(DialogId, Command)| {
        *dialog == third && matches!(command, Command::Join { conference, .. } if *conference == conn_id.to_string())
    };
    assert!(bench.played.iter().any(moved), "{:?}", bench.played);
    let late = request(consultation, "7101", RequestKind::ReleaseCall);
    assert!(bench.node.request(late, bench.now).is_err(), "there is no such call any more");
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn a_consultation_goes_on_after_a_restart() {
    let (mut bench, conn_id, consultation) = consulting();
    restart(&mut bench, conn_id);
    assert_eq!(joined(&bench).len(), 1, "media has it where it is");
    ask(&mut bench, consultation, |id| RequestKind::ReconnectCall(id, conn_id));
    assert_eq!(joined(&bench), [format!("{conn_id}.1"), conn_id.to_string()]);
    let phone = bench.node.table().get(&conn_id).and_then(|entry| entry.leg(AGENT)).expect("the agent's leg");
    assert_eq!(phone.seat, Some(Seat::open(0)));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn a_move_that_media_never_heard_of_is_repeated() {
    let (mut bench, conn_id, consultation) = consulting();
    bench.mute = vec![Peer::Media];
    ask(&mut bench, consultation, |id| RequestKind::ReconnectCall(id, conn_id));
    bench.mute.clear();
    let before = joined(&bench).len();
    restart(&mut bench, conn_id);
    assert!(joined(&bench).len() > before, "{:?}", joined(&bench));
}

#[test]
fn a_party_that_media_does_not_bring_to_the_others_is_not_left_in_silence_for_ever() {
    let (mut bench, conn_id, consultation) = consulting();
    bench.media_is_stuck = true;
    ask(&mut bench, conn_id, |id| RequestKind::CompleteTransfer(id, consultation));
    bench.pass(Duration::from_secs(10));
    assert_eq!(calls(&bench, conn_id), [conn_id], "it may pass");
    bench.pass(Duration::from_secs(10));
    assert!(bench.is_clear(), "{:?}", bench.story);
}

/// The record without the dialog of the phone at 7102.
fn without_a_dialog(state: &[u8]) -> Bytes {
    let mut record = v1::StateRecord::decode(state).expect("a record");
    let mut body = v1::CallRecord::decode(record.body).expect("of a call");
    body.legs[2].phone = None;
    record.body = body.encode_to_vec().into();
    record.encode_to_vec().into()
}

#[test]
fn every_call_of_an_illegible_thread_is_over_for_its_readers() {
    let (mut bench, conn_id, consultation) = consulting();
    let mut record = super::restart::claimed(&bench, conn_id);
    let mut state = v1::StateRecord::decode(&*record.state).expect("a record");
    let mut body = v1::CallRecord::decode(state.body).expect("of a call");
    body.model.as_mut().expect("a model").stage = None;
    state.body = body.encode_to_vec().into();
    record.state = state.encode_to_vec().into();
    bench.node = super::bench::new_node(2);
    bench.node.link_up(sip::ConnectionId(1), super::bench::EDGE, bench.now);
    assert!(!bench.node.restore(&record, bench.now));
    bench.run();
    let ended = bench.orders.iter().find_map(|order| match order {
        Order::Quarantine(aside) => Some(aside.events.iter().map(|fact| fact.id.subject.clone()).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(ended, Some(vec![Subject::Call(conn_id), Subject::Call(consultation)]));
}

#[test]
fn what_cannot_be_restored_of_a_conversation_ends_it() {
    let (mut bench, conn_id, _) = consulting();
    let mut record = super::restart::claimed(&bench, conn_id);
    record.state = without_a_dialog(&record.state);
    bench.node = super::bench::new_node(2);
    bench.node.link_up(sip::ConnectionId(1), super::bench::EDGE, bench.now);
    assert!(bench.node.restore(&record, bench.now));
    bench.run();
    assert!(bench.story.iter().any(|fact| fact == "Released@7102"), "{:?}", bench.story);
}

#[test]
fn a_number_that_is_brought_in_joins_after_a_restart_between_any_two_steps() {
    for failed_at in 0..3 {
        let (mut bench, conn_id) = talking();
        let again = |bench: &mut Bench, step: usize| {
            if step == failed_at {
                bench.orders.clear();
                restart(bench, conn_id);
            }
        };
        ask(&mut bench, conn_id, |id| RequestKind::SingleStepConference(id, dn("7102")));
        again(&mut bench, 0);
        let Destination::Extension { contacts, no_answer_ms, .. } = phone(15_000) else {
            unreachable!("it is a phone")
        };
        bench.plan(Destination::Extension { dn: dn("7102"), contacts, no_answer_ms });
        again(&mut bench, 1);
        bench.phone_rings();
        again(&mut bench, 2);
        bench.phone_answers();
        assert_eq!(parties(&bench, conn_id), 3, "{failed_at}: {:?}", bench.story);
        bench.bye(Peer::Caller);
        assert_eq!(parties(&bench, conn_id), 2);
        bench.bye(Peer::Phone);
        assert_eq!(bench.node.calls(), 0);
    }
}

#[test]
fn who_makes_the_record_of_a_conference_too_large_leaves_it() {
    let (mut bench, conn_id, consultation) = consulting();
    ask(&mut bench, conn_id, |id| RequestKind::CompleteConference(id, consultation));
    let record = super::restart::claimed(&bench, conn_id);
    bench.node =
        super::bench::node_with_limits(2, Limits { record_bytes: record.state.len() + 500, ..Limits::default() });
    bench.node.link_up(sip::ConnectionId(1), super::bench::EDGE, bench.now);
    assert!(bench.node.restore(&record, bench.now));
    bench.run();
    bench.pass(Duration::from_secs(1));
    assert_eq!(parties(&bench, conn_id), 3, "it is not too large");
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    let long = super::bench::PHONE_SDP.replace("s=-", &format!("s={}", "x".repeat(2_000)));
    bench.agent(Peer::Phone).reinvite(dialog, Some(long.into()), Vec::new(), now).expect("a dialog");
    bench.run();
    bench.pass(Duration::from_secs(1));
    assert_eq!(parties(&bench, conn_id), 2);
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Released { .. })), "it is told");
    bench.bye(Peer::Caller);
    assert!(bench.node.calls() == 0);
}

fn parties(bench: &Bench, conn_id: ConnId) -> usize {
    bench.node.table().get(&conn_id).map_or(0, |entry| entry.thread.first().parties.len())
}
