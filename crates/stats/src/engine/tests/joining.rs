//! A state that joins facts of which the first are missing.

use super::*;
use crate::{Joined, JoinedAgent, JoinedCall, JoinedParty, PartyState};

fn agent(agent: &str, dn: &str, since: Timestamp) -> JoinedAgent {
    JoinedAgent { agent: agent.to_owned(), dn: dn.to_owned(), ready: true, after_call_work: false, since }
}

fn talk(call: u64, dn: &str, since: Timestamp) -> JoinedCall {
    let party = JoinedParty { dn: dn.to_owned(), state: PartyState::Connected, this_queue: None };
    JoinedCall { conn_id: ConnId(call), call_type: CallType::Inbound, changed_at: since, parties: vec![party] }
}

impl Bench {
    fn state_of(&mut self, agent: &str) -> (Action, Option<Timestamp>) {
        let state = Definition::new(&[ObjectType::Agent], Category::CurrentState, Of::AgentStatus, Mask::NONE);
        let id = self.open(Request::new(state, ObjectId::new(ObjectType::Agent, agent), Profile::day()));
        match self.engine.value(id, at(60, 0)) {
            Value::State(state) => (state.status, state.since),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn of_whom_facts_have_told_stays_and_the_others_come_as_they_are() {
    let mut bench = Bench::new();
    bench.agent(at(1, 0), "1001", EventName::AgentLogin, "7101", WorkMode::Unknown);
    bench.agent(at(2, 0), "1001", EventName::AgentNotReady, "7101", WorkMode::Unknown);
    let agents =
        vec![agent("1001", "7101", at(0, 0)), agent("1002", "7102", at(0, 0)), agent("1003", "7103", at(0, 0))];
    bench.engine.join(Joined { calls: vec![talk(7, "7102", at(3, 0))], agents }, at(4, 0));
    assert_eq!(bench.state_of("1001"), (Action::NotReadyForNextCall, Some(at(2, 0))));
    assert_eq!(bench.state_of("1002"), (Action::CallInbound, Some(at(3, 0))));
    assert_eq!(bench.state_of("1003"), (Action::WaitForNextCall, Some(at(0, 0))));
}

#[test]
fn facts_that_wait_for_missing_ones_are_folded_before_the_calls_join() {
    let mut bench = Bench::new();
    let agents = vec![agent("1002", "7102", at(0, 0))];
    bench.engine.join(Joined { calls: Vec::new(), agents }, at(0, 0));
    // The first fact of the call is gone.
    let _ = bench.pen.call(at(1, 0), 7, EventName::Ringing, "7102", nothing);
    bench.call(at(2, 0), 7, EventName::Established, "7102", nothing);
    assert_eq!(bench.state_of("1002").0, Action::WaitForNextCall);
    bench.engine.join(Joined { calls: vec![talk(7, "7102", at(2, 0))], agents: Vec::new() }, at(2, 0));
    assert_eq!(bench.state_of("1002"), (Action::CallInbound, Some(at(2, 0))));
    bench.call(at(5, 0), 7, EventName::Released, "7102", nothing);
    assert_eq!(bench.state_of("1002"), (Action::WaitForNextCall, Some(at(5, 0))));
}

#[test]
fn the_reason_is_the_tenants_name_for_the_code_where_there_is_one() {
    let mut bench = Bench::new();
    bench.agent(at(1, 0), "1001", EventName::AgentLogin, "7101", WorkMode::Unknown);
    for (reasons, shown) in [
        (vec![("ReasonCode", "1"), ("ReasonName", "Lunch")], Some("Lunch")),
        (vec![("ReasonCode", "NoAnswer")], Some("NoAnswer")),
        (Vec::new(), None),
    ] {
        let mut fact = bench.pen.agent(at(2, 0), "1001", EventName::AgentNotReady, "7101", WorkMode::AuxWork);
        fact.event.reasons = reasons.into_iter().collect();
        bench.feed(&fact);
        let state = Definition::new(&[ObjectType::Agent], Category::CurrentState, Of::AgentStatus, Mask::NONE);
        let id = bench.open(Request::new(state, ObjectId::new(ObjectType::Agent, "1001"), Profile::day()));
        match bench.engine.value(id, at(3, 0)) {
            Value::State(state) => assert_eq!(state.reason.as_deref(), shown),
            other => panic!("{other:?}"),
        }
    }
}
