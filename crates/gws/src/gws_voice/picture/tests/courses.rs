//! Courses of calls, as `docs/events.md` tells them.

use super::*;
use crate::voice_api::CallRecording;

const CALLER: &str = "+15550100";

/// The inbound call 1 is answered at 7101.
fn established() -> Desktops {
    let mut desktops = Desktops::new();
    desktops.fold(inbound(EventName::Ringing, "7101", Some(CALLER)));
    desktops.fold(inbound(EventName::Established, "7101", Some(CALLER)));
    desktops
}

/// 7101 has held call 1 and talks with 7102 about it.
fn consulting() -> Desktops {
    let mut desktops = established();
    desktops.fold(inbound(EventName::Held, "7101", Some(CALLER)));
    let dialing = answering(consult(EventName::Dialing, "7101", DnRole::Origination, "7102"), 7);
    assert_eq!(desktops.fold(dialing), ["7101 c2 Dialing StateChange #7", "7101 c1 Held StateChange"]);
    let consultation = desktops.call("7101", 2);
    assert_eq!(consultation.parent_conn_id, Some(ConnId(1).to_string()));
    assert!(can(&consultation, &["complete-transfer", "reconnect", "release"]));
    assert!(cannot(&consultation, &["complete-conference", "hold", "send-dtmf"]), "nobody has answered");
    let ringing = consult(EventName::Ringing, "7102", DnRole::Destination, "7101");
    assert_eq!(desktops.fold(ringing), ["7102 c2 Ringing StateChange"]);
    let established = consult(EventName::Established, "7101", DnRole::Origination, "7102");
    assert_eq!(desktops.fold(established), ["7101 c2 Established StateChange"]);
    let established = consult(EventName::Established, "7102", DnRole::Destination, "7101");
    assert_eq!(desktops.fold(established), ["7102 c2 Established StateChange"]);
    desktops
}

#[test]
fn a_call_comes_by_a_queue_is_held_and_ends_in_after_call_work() {
    let mut desktops = Desktops::new();
    let by_queue =
        |name, this: &str| Event { this_queue: Some("9000".to_owned()), ..inbound(name, this, Some(CALLER)) };
    let created = Event { this_dn: None, ..inbound(EventName::CallCreated, "9000", None) };
    let at_point = [EventName::Queued, EventName::RouteRequest, EventName::TreatmentApplied, EventName::Diverted];
    for event in [created].into_iter().chain(at_point.map(|name| by_queue(name, "9000"))) {
        assert_eq!(desktops.fold(event), Vec::<String>::new());
    }
    let mut ringing = by_queue(EventName::Ringing, "7101");
    ringing.extensions.set("BusinessCall", 1);
    ringing.user_data.set("Segment", "Gold");
    assert_eq!(desktops.fold(ringing), ["7101 c1 Ringing StateChange"]);
    let call = desktops.call("7101", 1);
    assert_eq!(people(&call), [(CALLER, "RoleOrigination")]);
    assert_eq!((call.phone_number.as_deref(), call.dnis.as_deref()), (Some(CALLER), Some("9000")));
    assert_eq!((call.call_type.as_str(), call.user_data.len(), call.extensions.len()), ("Inbound", 1, 1));
    assert!(can(&call, &["answer", "redirect", "update-user-data"]) && cannot(&call, &["hold", "start-recording"]));
    let established = answering(by_queue(EventName::Established, "7101"), 5);
    assert_eq!(desktops.fold(established), ["7101 c1 Established StateChange #5"]);
    assert_eq!(desktops.last[0].1.requester, "person/ann");
    assert!(can(&desktops.call("7101", 1), &["hold", "initiate-transfer", "single-step-transfer", "send-dtmf"]));
    assert_eq!(desktops.fold(by_queue(EventName::Held, "7101")), ["7101 c1 Held StateChange"]);
    let held = desktops.call("7101", 1);
    assert_eq!(held.state_since, "1970-01-01T00:00:08.000Z");
    assert!(can(&held, &["retrieve", "release"]) && cannot(&held, &["hold", "initiate-transfer", "send-dtmf"]));
    assert_eq!(desktops.fold(by_queue(EventName::Retrieved, "7101")), ["7101 c1 Established StateChange"]);
    assert_eq!(desktops.fold(by_queue(EventName::Released, "7101")), ["7101 c1 Released StateChange"]);
    let DnNews::Call { call, .. } = &desktops.last[0].1.news else { panic!("no call") };
    assert_eq!((call.capabilities.as_slice(), call.duration), (&["complete".to_owned()][..], 4));
    let [started, released] = ["1970-01-01T00:00:06.000Z", "1970-01-01T00:00:10.000Z"];
    assert_eq!((call.started_at.as_str(), call.state_since.as_str()), (started, released));
    assert_eq!(desktops.fold(inbound(EventName::CallDeleted, "7101", None)), Vec::<String>::new());
    let mut wrap_up = of_agent(EventName::AgentNotReady, "7101", "1001", WorkMode::AfterCallWork);
    wrap_up.call = Some(call_ref(1, CallType::Inbound, None));
    let subject = Subject::Agent(AgentId::parse("1001").unwrap());
    assert_eq!(desktops.fold_of(subject, wrap_up), ["7101 NotReady AfterCallWork"]);
    let ready = of_agent(EventName::AgentReady, "7101", "1001", WorkMode::ManualIn);
    assert_eq!(desktops.fold(ready), ["7101 Ready ManualIn"]);
    desktops.agree();
}

#[test]
fn a_caller_leaves_while_the_phone_rings() {
    let mut desktops = Desktops::new();
    desktops.fold(inbound(EventName::Ringing, "7101", Some(CALLER)));
    let told = desktops.fold(inbound(EventName::Abandoned, "7101", Some(CALLER)));
    assert_eq!(told, ["7101 c1 Released StateChange"]);
    assert_eq!(desktops.calls("7101"), []);
    desktops.agree();
}

#[test]
fn who_is_still_in_a_call_that_is_over_leaves_it() {
    let mut desktops = established();
    let over = Event { this_dn: None, ..inbound(EventName::CallDeleted, "7101", None) };
    assert_eq!(desktops.fold(over), ["7101 c1 Released StateChange"]);
    desktops.agree();
}

#[test]
fn a_consultation_becomes_a_transfer() {
    let mut desktops = consulting();
    let consultation = desktops.call("7101", 2);
    assert!(can(
        &consultation,
        &["complete-transfer", "complete-conference", "alternate", "merge", "reconnect", "hold"]
    ));
    assert!(cannot(&consultation, &["initiate-transfer", "single-step-transfer"]), "one consultation at a time");
    assert!(cannot(&desktops.call("7101", 1), &["initiate-transfer", "single-step-transfer"]));
    assert!(cannot(&desktops.call("7102", 2), &["complete-transfer"]), "it was consulted");
    let leaves = consult(EventName::Released, "7101", DnRole::Origination, "7102");
    assert_eq!(desktops.fold(leaves), ["7101 c2 Released StateChange", "7101 c1 Held StateChange"]);
    let leaves = answering(inbound(EventName::Released, "7101", Some(CALLER)), 8);
    assert_eq!(desktops.fold(leaves), ["7101 c1 Released StateChange #8"]);
    let mut changed = inbound(EventName::PartyChanged, "7102", Some(CALLER));
    changed.call = Some(call_ref(1, CallType::Inbound, Some(2)));
    changed.third_party_dn = Some("7101".to_owned());
    assert_eq!(desktops.fold(changed), ["7102 c1 Established ParticipantsUpdated"]);
    let call = desktops.call("7102", 1);
    assert_eq!((call.previous_conn_id, call.parent_conn_id), (Some(ConnId(2).to_string()), None));
    assert_eq!(desktops.calls("7102").len(), 1);
    let over = Event { this_dn: None, ..consult(EventName::CallDeleted, "7101", DnRole::Origination, "7102") };
    assert_eq!(desktops.fold(over), Vec::<String>::new());
    desktops.agree();
}

#[test]
fn a_transfer_is_completed_while_the_other_phone_rings() {
    let mut desktops = established();
    desktops.fold(inbound(EventName::Held, "7101", Some(CALLER)));
    desktops.fold(consult(EventName::Dialing, "7101", DnRole::Origination, "7102"));
    desktops.fold(consult(EventName::Ringing, "7102", DnRole::Destination, "7101"));
    desktops.fold(consult(EventName::Released, "7101", DnRole::Origination, "7102"));
    desktops.fold(inbound(EventName::Released, "7101", Some(CALLER)));
    let mut changed = inbound(EventName::PartyChanged, "7102", Some(CALLER));
    changed.call = Some(call_ref(1, CallType::Inbound, Some(2)));
    assert_eq!(desktops.fold(changed), ["7102 c1 Ringing ParticipantsUpdated"]);
    let told = desktops.fold(inbound(EventName::Established, "7102", Some(CALLER)));
    assert_eq!(told, ["7102 c1 Established StateChange"]);
    desktops.agree();
}

#[test]
fn who_alternates_sees_which_call_waits() {
    let mut desktops = consulting();
    let told = desktops.fold(consult(EventName::Held, "7101", DnRole::Origination, "7102"));
    assert_eq!(told, ["7101 c2 Held StateChange"]);
    let told = desktops.fold(answering(inbound(EventName::Retrieved, "7101", Some(CALLER)), 3));
    assert_eq!(told, ["7101 c1 Established StateChange #3"]);
    let call = desktops.call("7101", 1);
    assert!(can(&call, &["alternate", "merge", "hold"]) && cannot(&call, &["initiate-conference"]));
    desktops.agree();
}

#[test]
fn a_consultation_becomes_a_conference_that_one_leaves() {
    let mut desktops = consulting();
    let leaves = consult(EventName::Released, "7101", DnRole::Origination, "7102");
    assert_eq!(desktops.fold(leaves), ["7101 c2 Released StateChange", "7101 c1 Held StateChange"]);
    let mut added = answering(inbound(EventName::PartyAdded, "7101", Some("7102")), 9);
    (added.other_role, added.third_party_dn) = (Some(DnRole::NewParty), Some("7101".to_owned()));
    assert_eq!(desktops.fold(added), ["7101 c1 Established StateChange #9"]);
    let mut changed = inbound(EventName::PartyChanged, "7102", None);
    changed.call = Some(call_ref(1, CallType::Inbound, Some(2)));
    assert_eq!(desktops.fold(changed), ["7102 c1 Established ParticipantsUpdated"]);
    let (one, two) = (desktops.call("7101", 1), desktops.call("7102", 1));
    assert_eq!(people(&one), [(CALLER, "RoleOrigination"), ("7102", "RoleNewParty")]);
    assert_eq!(people(&two), [("7101", "RoleDestination"), (CALLER, "RoleOrigination")]);
    assert!(can(&one, &["delete-from-conference", "initiate-transfer"]) && cannot(&one, &["single-step-transfer"]));
    desktops.agree();
    let told = desktops.fold(inbound(EventName::Released, "7102", None));
    assert_eq!(told, ["7102 c1 Released StateChange"]);
    let mut deleted = inbound(EventName::PartyDeleted, "7101", Some("7102"));
    deleted.other_role = Some(DnRole::DeletedParty);
    assert_eq!(desktops.fold(deleted), ["7101 c1 Established ParticipantsUpdated"]);
    assert_eq!(people(&desktops.call("7101", 1)), [(CALLER, "RoleOrigination")]);
    desktops.agree();
}

#[test]
fn a_phone_is_brought_into_a_call_in_one_step() {
    let mut desktops = established();
    let told = desktops.fold(inbound(EventName::Ringing, "7103", Some(CALLER)));
    assert_eq!(told, ["7103 c1 Ringing StateChange"]);
    let told = desktops.fold(inbound(EventName::Established, "7103", None));
    assert_eq!(told, ["7103 c1 Established StateChange"]);
    assert_eq!(people(&desktops.call("7103", 1)), [("7101", "RoleDestination"), (CALLER, "RoleOrigination")]);
    let mut added = answering(inbound(EventName::PartyAdded, "7101", Some("7103")), 4);
    (added.other_role, added.third_party_dn) = (Some(DnRole::NewParty), Some("7101".to_owned()));
    assert_eq!(desktops.fold(added), ["7101 c1 Established ParticipantsUpdated #4"]);
    desktops.agree();
}

#[test]
fn a_number_outside_is_brought_in_while_the_call_goes_on() {
    let mut desktops = established();
    let told = desktops.fold(inbound(EventName::NetworkReached, "7101", Some(CALLER)));
    assert_eq!(told, Vec::<String>::new(), "it talks");
    assert_eq!(desktops.call("7101", 1).state, CallPhase::Established);
}

#[test]
fn who_stays_in_a_transferred_call_sees_the_new_party() {
    let mut desktops = Desktops::new();
    let caller = |name| Event { this_role: Some(DnRole::Origination), ..inbound(name, "7102", Some("7101")) };
    let told = desktops.fold(caller(EventName::Dialing));
    assert_eq!(told, ["7102 c1 Dialing StateChange"]);
    desktops.fold(inbound(EventName::Ringing, "7101", Some("7102")));
    desktops.fold(caller(EventName::Established));
    desktops.fold(inbound(EventName::Established, "7101", Some("7102")));
    desktops.fold(answering(inbound(EventName::Released, "7101", Some("7102")), 2));
    desktops.fold(inbound(EventName::Ringing, "7103", Some("7102")));
    let changed = Event { other_dn: Some("7103".to_owned()), ..caller(EventName::PartyChanged) };
    assert_eq!(desktops.fold(changed), ["7102 c1 Established ParticipantsUpdated"]);
    let told = desktops.fold(inbound(EventName::Established, "7103", Some("7102")));
    assert_eq!(told, ["7103 c1 Established StateChange"]);
    desktops.agree();
}

#[test]
fn who_has_called_a_queue_sees_who_answers() {
    let mut desktops = Desktops::new();
    for name in [EventName::Dialing, EventName::Established] {
        desktops.fold(Event { this_role: Some(DnRole::Origination), ..inbound(name, "7102", Some("9000")) });
    }
    desktops.fold(inbound(EventName::Ringing, "7101", Some("7102")));
    let told = desktops.fold(inbound(EventName::Established, "7101", Some("7102")));
    assert_eq!(told, ["7101 c1 Established StateChange", "7102 c1 Established ParticipantsUpdated"]);
    assert_eq!(people(&desktops.call("7102", 1)), [("7101", "RoleDestination")]);
    desktops.agree();
}

#[test]
fn a_supervisor_listens_barges_in_and_leaves() {
    let mut desktops = established();
    let mut next = answering(of_dn(EventName::MonitoringNextCall, "7103"), 3);
    (next.this_role, next.other_dn) = (Some(DnRole::Observer), Some("7101".to_owned()));
    assert_eq!(desktops.fold(next), ["7103 Monitoring true 7101 #3"]);
    let mut next = of_dn(EventName::MonitoringNextCall, "7101");
    (next.other_role, next.other_dn) = (Some(DnRole::Observer), Some("7103".to_owned()));
    assert_eq!(desktops.fold(next), Vec::<String>::new(), "the agent is not told");
    let observes = |name, mode: &str| {
        let mut event = inbound(name, "7103", Some("7101"));
        (event.this_role, event.other_role) = (Some(DnRole::Observer), Some(DnRole::Destination));
        event.extensions.set("MonitorMode", mode);
        event
    };
    let ringing = Event { extensions: UserData::new(), ..observes(EventName::Ringing, "mute") };
    assert_eq!(desktops.fold(ringing), ["7103 c1 Ringing StateChange"]);
    let call = desktops.call("7103", 1);
    assert!(call.is_monitored_by_me && can(&call, &["answer"]) && cannot(&call, &["redirect", "clear"]));
    let expected = [("7101", "RoleDestination"), (CALLER, "RoleOrigination"), ("7103", "RoleObserver")];
    assert_eq!(people(&call), expected);
    let told = desktops.fold(observes(EventName::Established, "mute"));
    assert_eq!(told, ["7103 c1 Established StateChange", "7101 c1 Established ParticipantsUpdated"]);
    let agent = desktops.call("7101", 1);
    assert!(agent.supervisor_listening_in && !agent.supervisor_barged_in);
    let mut added = inbound(EventName::PartyAdded, "7101", Some("7103"));
    added.other_role = Some(DnRole::Observer);
    assert_eq!(desktops.fold(added), Vec::<String>::new(), "it has been told");
    let told = desktops.fold(answering(observes(EventName::ACK, "connect"), 4));
    assert_eq!(told, ["7103 c1 Established StateChange #4", "7101 c1 Established StateChange"]);
    let (call, agent) = (desktops.call("7103", 1), desktops.call("7101", 1));
    assert_eq!(call.monitoring_info.map(|info| info.monitor_mode), Some("Connect".to_owned()));
    assert!(agent.supervisor_barged_in && !agent.supervisor_listening_in);
    assert_eq!(agent.supervisor_monitoring_state.as_deref(), Some("Connect"));
    desktops.agree();
    let told = desktops.fold(observes(EventName::Released, "connect"));
    assert_eq!(told, ["7103 c1 Released StateChange", "7101 c1 Established ParticipantsUpdated"]);
    desktops.agree();
}

#[test]
fn a_supervisor_who_speaks_to_all_stays_with_the_caller() {
    let mut desktops = established();
    let mut joins = inbound(EventName::Established, "7103", Some("7101"));
    (joins.this_role, joins.other_role) = (Some(DnRole::Observer), Some(DnRole::Destination));
    joins.extensions.set("MonitorMode", "connect");
    desktops.fold(joins);
    let told = desktops.fold(inbound(EventName::Released, "7101", None));
    assert_eq!(told, ["7101 c1 Released StateChange", "7103 c1 Established ParticipantsUpdated"]);
    let call = desktops.call("7103", 1);
    assert!(!call.is_monitored_by_me);
    assert_eq!(people(&call), [(CALLER, "RoleOrigination")]);
    desktops.agree();
}

#[test]
fn data_and_recording_are_told_as_such_to_each_party() {
    let mut desktops = established();
    desktops.fold(inbound(EventName::Ringing, "7102", Some(CALLER)));
    let attached = |this: &str, key: &str, value: &str| {
        let mut event = inbound(EventName::AttachedDataChanged, this, Some(CALLER));
        event.user_data.set(key, value);
        event
    };
    let told = desktops.fold(answering(attached("7101", "Note", "a"), 6));
    assert_eq!(told, ["7101 c1 Established AttachedDataChanged #6"]);
    assert_eq!(desktops.fold(attached("7102", "Note", "a")), ["7102 c1 Ringing AttachedDataChanged"]);
    assert_eq!(desktops.fold(attached("7102", "Note", "a")), Vec::<String>::new(), "nothing has changed");
    for (state, is, then) in [
        ("Recording", CallRecording::Recording, ["stop-recording", "pause-recording"]),
        ("Paused", CallRecording::Paused, ["stop-recording", "resume-recording"]),
    ] {
        let told = desktops.fold(attached("7101", "RecordingState", state));
        assert_eq!(told, ["7101 c1 Established CallRecordingStateChange"]);
        let call = desktops.call("7101", 1);
        assert_eq!(call.recording_state, is);
        assert!(can(&call, &then) && cannot(&call, &["start-recording"]));
    }
    desktops.agree();
}

#[test]
fn an_answer_that_changes_nothing_is_told_to_who_asked() {
    let mut desktops = established();
    let told = desktops.fold(answering(inbound(EventName::DtmfSent, "7101", Some(CALLER)), 11));
    assert_eq!(told, ["7101 c1 Established StateChange #11"]);
    assert_eq!(desktops.fold(inbound(EventName::DtmfSent, "7101", Some(CALLER))), Vec::<String>::new());
    desktops.agree();
}

#[test]
fn two_calls_that_came_separately_can_be_joined() {
    let mut desktops = established();
    desktops.fold(inbound(EventName::Held, "7101", Some(CALLER)));
    for name in [EventName::Ringing, EventName::Established] {
        let mut event = inbound(name, "7101", Some("+15550199"));
        event.call = Some(call_ref(2, CallType::Inbound, None));
        desktops.fold(event);
    }
    assert!(can(&desktops.call("7101", 2), &["alternate", "merge", "reconnect", "initiate-transfer"]));
    desktops.agree();
}

#[test]
fn the_call_that_was_silent_for_longest_goes_when_there_are_too_many() {
    let mut desktops = established();
    desktops.picture.calls.calls_max = 1;
    let mut ringing = inbound(EventName::Ringing, "7102", Some(CALLER));
    ringing.call = Some(call_ref(2, CallType::Inbound, None));
    assert_eq!(desktops.fold(ringing), ["7101 c1 Released StateChange", "7102 c2 Ringing StateChange"]);
    assert_eq!((desktops.picture.take_left_out(), desktops.picture.take_left_out()), (1, 0));
    desktops.agree();
}
