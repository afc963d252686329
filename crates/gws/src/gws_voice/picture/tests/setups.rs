//! Agents, what is set at a DN, and what a picture begins with.

use contracts::v1::PartyState;
use model::event::ErrorCode;

use super::*;
use crate::kv::KvPair;
use crate::voice_api::DnAgentState;

/// The answer to `TRegisterAddress` for a phone that is registered.
fn registered(this: &str, told: &[(&str, &str)]) -> Event {
    let mut event = of_dn(EventName::Registered, this);
    event.extensions = told.iter().copied().collect();
    event.extensions.set("AddressType", "DN");
    event.extensions.set("InService", 1);
    event
}

#[test]
fn an_agents_day_is_told() {
    let mut desktops = Desktops::new();
    let agent = |name, mode| of_agent(name, "7101", "1001", mode);
    let told = desktops.fold(answering(agent(EventName::AgentLogin, WorkMode::ManualIn), 1));
    assert_eq!(told, ["7101 LoggedIn ManualIn #1"]);
    assert_eq!(desktops.fold(agent(EventName::AgentNotReady, WorkMode::ManualIn)), ["7101 NotReady ManualIn"]);
    assert_eq!(
        desktops.fold(answering(agent(EventName::AgentReady, WorkMode::ManualIn), 2)),
        ["7101 Ready ManualIn #2"]
    );
    assert_eq!(desktops.fold(agent(EventName::AgentReady, WorkMode::ManualIn)), Vec::<String>::new());
    assert_eq!(
        desktops.fold(answering(agent(EventName::AgentReady, WorkMode::ManualIn), 3)),
        ["7101 Ready ManualIn #3"]
    );
    let mut lunch = answering(agent(EventName::AgentNotReady, WorkMode::AuxWork), 4);
    lunch.reasons.set("ReasonCode", "1");
    assert_eq!(desktops.fold(lunch), ["7101 NotReady AuxWork #4"]);
    let reason = KvPair::Text { key: "ReasonCode".to_owned(), value: "1".to_owned() };
    let state = desktops.state("7101");
    assert_eq!((state.agent_id.as_deref(), state.reasons, state.timestamp), (Some("1001"), vec![reason], Some(6_000)));
    assert_eq!(desktops.fold(of_dn(EventName::DNOutOfService, "7101")), ["7101 OutOfService AuxWork"]);
    assert_eq!(desktops.fold(of_dn(EventName::DNBackInService, "7101")), ["7101 NotReady AuxWork"]);
    let told = desktops.fold(answering(agent(EventName::AgentLogout, WorkMode::Unknown), 5));
    assert_eq!(told, ["7101 LoggedOut Unknown #5"]);
    let state = desktops.state("7101");
    assert_eq!((state.agent_id, state.capabilities.iter().any(|name| name == "ready")), (None, false));
    desktops.agree();
}

#[test]
fn it_is_told_when_after_call_work_ends_by_itself_and_more_of_it_does_not_begin_it_anew() {
    let mut desktops = Desktops::new();
    let wraps_up = |seconds: Option<i64>| {
        let mut event = of_agent(EventName::AgentNotReady, "7101", "1001", WorkMode::AfterCallWork);
        if let Some(seconds) = seconds {
            event.extensions.set("WrapUpTime", seconds);
        }
        event
    };
    desktops.fold(wraps_up(Some(30)));
    let told = |desktops: &Desktops| (desktops.state("7101").timestamp, desktops.state("7101").wrap_up_until);
    assert_eq!(told(&desktops), (Some(1_000), Some(31_000)));
    assert_eq!(desktops.fold(wraps_up(Some(90))), ["7101 NotReady AfterCallWork"]);
    assert_eq!(told(&desktops), (Some(1_000), Some(92_000)), "it has begun when it did");
    desktops.fold(wraps_up(None));
    assert_eq!(told(&desktops).1, None, "it has no end any more");
    let mut whole = registered("7101", &[("AgentState", "AfterCallWork")]);
    (whole.agent, whole.work_mode) = (AgentId::parse("1001").ok(), Some(WorkMode::AfterCallWork));
    whole.extensions.set("WrapUpTime", 5);
    desktops.fold(whole);
    assert_eq!(told(&desktops).1, Some(9_000));
    desktops.agree();
    desktops.fold(of_agent(EventName::AgentReady, "7101", "1001", WorkMode::ManualIn));
    assert_eq!(told(&desktops).1, None);
    desktops.agree();
}

#[test]
fn an_agent_who_is_told_of_elsewhere_is_not_here_any_more() {
    let mut desktops = Desktops::new();
    desktops.fold(of_agent(EventName::AgentReady, "7101", "1001", WorkMode::ManualIn));
    let told = desktops.fold(of_agent(EventName::AgentReady, "7102", "1001", WorkMode::ManualIn));
    assert_eq!(told, ["7101 LoggedOut Unknown", "7102 Ready ManualIn"]);
    desktops.agree();
}

#[test]
fn do_not_disturb_and_forwarding_are_told() {
    let mut desktops = Desktops::new();
    assert_eq!(desktops.state("7101").dnd, None, "nobody has told it");
    desktops.fold(answering(of_dn(EventName::DNDOn, "7101"), 1));
    assert_eq!(desktops.state("7101").dnd, Some(true));
    desktops.fold(of_dn(EventName::DNDOff, "7101"));
    assert_eq!(desktops.state("7101").dnd, Some(false));
    let forward = |mode: &str, to: &str| {
        let mut event = of_dn(EventName::ForwardSet, "7101");
        event.other_dn = Some(to.to_owned());
        event.extensions.set("ForwardMode", mode);
        event
    };
    desktops.fold(forward("OnBusyAndNoAnswer", "7102"));
    assert_eq!(desktops.state("7101").forward_to.as_deref(), Some("7102"));
    desktops.fold(forward("Unconditional", "7103"));
    let state = desktops.state("7101");
    assert_eq!(state.forward_to.as_deref(), Some("7103"), "that for all calls is shown");
    assert!(state.capabilities.iter().any(|name| name == "cancel-forward"));
    desktops.fold(of_dn(EventName::ForwardCancel, "7101"));
    assert_eq!(desktops.state("7101").forward_to, None);
    desktops.agree();
}

#[test]
fn the_answer_about_a_dn_tells_all_of_it_once() {
    let mut desktops = Desktops::new();
    assert!(!desktops.picture.is_registered("7101"));
    let mut answer = registered("7101", &[("AgentState", "BusyReady"), ("ForwardOnBusy", "7102")]);
    answer.extensions.set("DND", 1);
    (answer.agent, answer.work_mode) = (AgentId::parse("1001").ok(), Some(WorkMode::AutoIn));
    assert_eq!(desktops.fold(answer.clone()), ["7101 Ready AutoIn"]);
    assert!(desktops.picture.is_registered("7101"));
    let state = desktops.state("7101");
    assert_eq!((state.dnd, state.forward_to.as_deref()), (Some(true), Some("7102")));
    assert_eq!(desktops.fold(answering(answer, 7)), Vec::<String>::new(), "nothing has changed");
    assert_eq!(desktops.fold(registered("7101", &[])), ["7101 LoggedOut Unknown"]);
    let mut point = of_dn(EventName::Registered, "9000");
    point.extensions.set("AddressType", "RouteDN");
    assert_eq!(desktops.fold(point), Vec::<String>::new());
    assert_eq!(desktops.picture.dn("9000"), None);
    desktops.agree();
}

/// The answer about a phone that was not registered when the answer was made, at that position.
fn made_at(position: &str, told: &[(&str, &str)]) -> Event {
    let mut answer = registered("7101", told);
    answer.extensions.set("InService", 0);
    answer.extensions.set("Position", position);
    answer
}

#[test]
fn a_phone_that_registers_while_its_desktop_asks_stays_in_service() {
    let mut desktops = Desktops::begin(&v1::Snapshot { position: "1-0".to_owned(), ..Default::default() });
    desktops.fold(of_dn(EventName::DNBackInService, "7101"));
    desktops.fold(made_at("1-0", &[]));
    desktops.fold(of_agent(EventName::AgentReady, "7101", "1001", WorkMode::ManualIn));
    assert_eq!(desktops.state("7101").agent_state, DnAgentState::Ready, "the answer was made before");
    desktops.fold(made_at("1-1", &[("AgentState", "LoggedOut")]));
    assert_eq!(desktops.state("7101").agent_state, DnAgentState::OutOfService, "it was made when that was known");
    desktops.agree();
}

#[test]
fn a_phone_of_the_snapshot_stays_in_service_when_the_answer_was_made_before() {
    let mut desktops = Desktops::new();
    desktops.fold(of_agent(EventName::AgentReady, "7101", "1001", WorkMode::ManualIn));
    desktops.fold(made_at("0-9", &[]));
    assert_eq!(desktops.state("7101").agent_state, DnAgentState::Ready);
    desktops.fold(made_at("1-0", &[]));
    assert_eq!(desktops.state("7101").agent_state, DnAgentState::OutOfService);
    desktops.agree();
}

#[test]
fn what_was_set_after_an_answer_was_made_stays_and_the_rest_is_taken() {
    let mut desktops = Desktops::new();
    desktops.fold(of_dn(EventName::DNDOn, "7101"));
    let mut forward = of_dn(EventName::ForwardSet, "7101");
    forward.other_dn = Some("7103".to_owned());
    forward.extensions.set("ForwardMode", "Unconditional");
    desktops.fold(forward);
    desktops.fold(made_at("1-0", &[("ForwardUnconditional", "7109"), ("ForwardOnBusy", "7102")]));
    let state = desktops.state("7101");
    assert_eq!((state.dnd, state.forward_to.as_deref()), (Some(true), Some("7103")));
    desktops.fold(made_at("1-2", &[("ForwardOnBusy", "7102")]));
    let state = desktops.state("7101");
    assert_eq!((state.dnd, state.forward_to.as_deref()), (Some(false), Some("7102")));
    desktops.agree();
}

#[test]
fn an_answer_that_was_made_before_an_agent_moved_takes_nobody_from_elsewhere() {
    let mut desktops = Desktops::new();
    desktops.fold(of_agent(EventName::AgentLogout, "7101", "1001", WorkMode::Unknown));
    desktops.fold(of_agent(EventName::AgentReady, "7102", "1001", WorkMode::ManualIn));
    let mut answer = made_at("1-0", &[("AgentState", "Ready")]);
    answer.agent = AgentId::parse("1001").ok();
    desktops.fold(answer);
    assert_eq!(desktops.state("7101").agent_id, None);
    assert_eq!(desktops.state("7102").agent_id.as_deref(), Some("1001"));
    desktops.agree();
}

#[test]
fn refusals_and_messages_of_programs_are_passed_on() {
    let mut desktops = Desktops::new();
    let mut refusal = answering(inbound(EventName::Error, "7101", None), 9);
    refusal.error = Some((ErrorCode::INVALID_DESTINATION, "no".to_owned()));
    assert_eq!(desktops.fold(refusal), ["7101 Error 415 #9"]);
    let mut event = of_dn(EventName::UserEvent, "7101");
    event.user_data.set("GSW_USER_EVENT", "CampaignStarted");
    assert_eq!(desktops.fold(event), ["7101 UserEvent 1"]);
    assert_eq!(desktops.calls("7101"), [], "a refusal begins no call");
    assert_eq!(desktops.picture.position(), Position { major: 1, minor: 2 });
}

#[test]
fn a_session_and_a_queue_say_nothing_about_phones() {
    let mut desktops = Desktops::new();
    let queue = Subject::Queue(model::QueueName::parse("sales").unwrap());
    let told = desktops.fold_of(queue, inbound(EventName::Queued, "sales", Some("+15550100")));
    assert_eq!(told, Vec::<String>::new());
    let session = Subject::Session(model::SessionName::parse("s-1").unwrap());
    let told = desktops.fold_of(session, inbound(EventName::TargetSelected, "7101", None));
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(desktops.calls("7101"), []);
}

fn party(number: &str, state: PartyState, role: DnRole, other: Option<&str>) -> v1::PartyStatus {
    v1::PartyStatus {
        dn: number.to_owned(),
        state: state.into(),
        role: Some(wire::dn_role_to_wire(role)),
        other_dn: other.map(str::to_owned),
        this_queue: Some("9000".to_owned()),
        since_us: 1_000_000,
    }
}

fn status(call: &CallRef, parties: Vec<v1::PartyStatus>) -> v1::CallStatus {
    let data: UserData = [("Segment", "Gold")].into_iter().collect();
    v1::CallStatus {
        call: Some(wire::call_ref_to_wire(call)),
        parties,
        user_data: Some(wire::user_data_to_wire(&data)),
        changed_at_us: 3_000_000,
    }
}

#[test]
fn a_picture_begins_with_what_a_snapshot_has() {
    let waiting = party("9000", PartyState::Queued, DnRole::Destination, None);
    let talking = party("7101", PartyState::Held, DnRole::Destination, Some("+15550100"));
    let consulting = party("7101", PartyState::Connected, DnRole::Origination, Some("7102"));
    let consulted = party("7102", PartyState::Connected, DnRole::Destination, Some("7101"));
    let agent = v1::AgentStatus {
        agent: "1001".to_owned(),
        dn: "7101".to_owned(),
        ready: true,
        work_mode: Some(wire::work_mode_to_wire(WorkMode::AutoIn)),
        since_us: 2_000_000,
    };
    let snapshot = v1::Snapshot {
        position: "5-0".to_owned(),
        calls: vec![
            status(&call_ref(1, CallType::Inbound, None), vec![waiting, talking]),
            status(&call_ref(2, CallType::Consult, Some(1)), vec![consulting, consulted]),
        ],
        agents: vec![agent],
        dns_in_service: vec!["7101".to_owned()],
        ..Default::default()
    };
    let mut desktops = Desktops::begin(&snapshot);
    assert_eq!(desktops.picture.position(), Position { major: 5, minor: 0 });
    assert_eq!(desktops.picture.dn("9000"), None);
    let state = desktops.state("7101");
    assert_eq!((state.agent_state, state.timestamp), (DnAgentState::Ready, Some(2_000)));
    let call = desktops.call("7101", 1);
    assert_eq!((call.state, call.user_data.len(), call.duration), (CallPhase::Held, 1, 2));
    assert_eq!(people(&call), [("+15550100", "RoleOrigination")]);
    assert!(can(&desktops.call("7101", 2), &["complete-transfer", "alternate"]));
    assert_eq!(desktops.state("7102").agent_state, DnAgentState::LoggedOut);
    let told = desktops.fold(consult(EventName::Released, "7101", DnRole::Origination, "7102"));
    assert_eq!(told, ["7101 c2 Released StateChange", "7101 c1 Held StateChange"]);
    desktops.agree();
}

#[test]
fn a_snapshot_of_a_conference_names_nobody_so_the_others_are_gathered() {
    let parties = ["7101", "7102"].map(|dn| party(dn, PartyState::Connected, DnRole::Destination, None));
    let calls = vec![status(&call_ref(1, CallType::Inbound, None), parties.to_vec())];
    let desktops = Desktops::begin(&v1::Snapshot { calls, ..Default::default() });
    let call = desktops.call("7101", 1);
    assert_eq!(people(&call), [("7102", "RoleDestination"), ("+15550100", "RoleOrigination")]);
    assert!(can(&call, &["delete-from-conference"]));
}
