//! How calls change an agent's state: busy, wrapping up, not ready after an unanswered call.

use model::agent::AfterBusy;
use model::{AgentId, AgentState, CallState, ConnId, Dn, Event, EventName, Timestamp, UserData, Value, WorkMode};

use super::session::{NoAnswerAction, OnCall, Pause};
use super::{AgentTable, CALLS_MAX, Cause, because};
use crate::call::BUSINESS_CALL;

impl AgentTable {
    pub(super) fn call_event(&mut self, event: &Event, now: Timestamp) {
        let Some(conn_id) = event.call.as_ref().map(|call| call.conn_id) else {
            return;
        };
        match event.name {
            EventName::RouteRequest => return self.route_failed(event, now),
            EventName::CallDeleted => return self.call_over(conn_id, event, now),
            _ => {}
        }
        let Some(agent) = event.this_dn.as_ref().and_then(|dn| self.on_dn.get(dn)).cloned() else {
            return;
        };
        match event.name {
            EventName::Dialing | EventName::Ringing => self.rings(&agent, conn_id, event),
            EventName::Established => self.established(&agent, conn_id, event, now),
            EventName::PartyChanged => self.moved(&agent, event, now),
            EventName::Released | EventName::Abandoned => self.left(&agent, conn_id, event, now),
            _ => {}
        }
    }

    fn rings(&mut self, agent: &AgentId, conn_id: ConnId, event: &Event) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        if session.calls.len() >= CALLS_MAX || session.calls.iter().any(|call| call.conn_id == conn_id) {
            return;
        }
        session.calls.push(OnCall { conn_id, business: is_business(event), established: false });
        self.mark(agent);
    }

    fn established(&mut self, agent: &AgentId, conn_id: ConnId, event: &Event, now: Timestamp) {
        self.rings(agent, conn_id, event);
        self.mark(agent);
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        let Some(call) = session.calls.iter_mut().find(|call| call.conn_id == conn_id) else {
            return;
        };
        call.established = true;
        if !call.business {
            return;
        }
        let Some(after) = session.after_busy() else {
            return;
        };
        session.due = None;
        match session.then.take() {
            Some(Pause { mode, reasons }) => (session.mode, session.reasons) = (mode, reasons),
            None if after == AfterBusy::Ready && session.state != AgentState::Ready => {
                session.mode = WorkMode::ManualIn
            }
            None => {}
        }
        session.enter(AgentState::Busy(after), now);
    }

    /// The agent's phone has come from a consultation into the call that it was about.
    fn moved(&mut self, agent: &AgentId, event: &Event, now: Timestamp) {
        let Some((conn_id, previous)) = event.call.as_ref().and_then(|call| Some((call.conn_id, call.previous?)))
        else {
            return;
        };
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        // A call that is itself a consultation names the call that it is about in the same place.
        if session.calls.iter().any(|call| call.conn_id == conn_id) {
            return;
        }
        let Some(at) = session.calls.iter().position(|call| call.conn_id == previous) else {
            return;
        };
        let established = session.calls.swap_remove(at).established;
        self.rings(agent, conn_id, event);
        if established {
            self.established(agent, conn_id, event, now);
        }
    }

    fn left(&mut self, agent: &AgentId, conn_id: ConnId, event: &Event, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        let Some(at) = session.calls.iter().position(|call| call.conn_id == conn_id) else {
            return;
        };
        let call = session.calls.swap_remove(at);
        let still_busy = session.calls.iter().any(|call| call.business && call.established);
        session.active_at = session.active_at.max(now);
        self.mark(agent);
        if !call.business {
            return;
        }
        if call.established && still_busy {
            return self.one_of_several_over(agent, event, now);
        }
        if call.established {
            return self.business_over(agent, event, now);
        }
        if event.name == EventName::Released {
            self.not_taken(agent, event.agent.is_some(), event.call_state, now);
        }
    }

    /// Handles an offered call that the agent did not take. Whether routing had chosen the agent matters during another business call.
    fn not_taken(&mut self, agent: &AgentId, is_chosen: bool, why: Option<CallState>, now: Timestamp) {
        let Some(session) = self.agents.get(agent) else {
            return;
        };
        let reason = match why {
            Some(CallState::NoAnswer) => "NoAnswer",
            Some(CallState::Busy) => "Rejected",
            // A failure of ours says nothing about the agent.
            Some(CallState::SystemError) => return,
            Some(
                CallState::Cleared
                | CallState::Redirected
                | CallState::PickedUp
                | CallState::Ok
                | CallState::RemoteRelease,
            ) => return,
            _ => "Unreachable",
        };
        match (session.state, session.profile.no_answer) {
            (AgentState::Ready, NoAnswerAction::NotReady) => self.not_ready_because(agent, reason, now),
            (AgentState::Ready, NoAnswerAction::Logout) => self.log_out(agent, because(reason), Cause::Itself, now),
            // One who has several calls at a time takes no further one: nobody is logged out of those that go on.
            (AgentState::Busy(AfterBusy::Ready), NoAnswerAction::NotReady | NoAnswerAction::Logout) if is_chosen => {
                self.not_ready_because(agent, reason, now);
            }
            _ => {}
        }
    }

    /// Handles a call's return to its route point: the phone of the target may never have rung.
    fn route_failed(&mut self, event: &Event, now: Timestamp) {
        let Some(dn) = event.extensions.text("FailedDN") else {
            return;
        };
        let why = event.extensions.text("FailedCallState").and_then(CallState::parse);
        let is_chosen = event.extensions.text("FailedAgentID").is_some();
        if let Some(agent) = self.on_dn.get(dn).cloned() {
            self.not_taken(&agent, is_chosen, why, now);
        }
    }

    /// The call is deleted. A session that still counts it has missed its end.
    fn call_over(&mut self, conn_id: ConnId, event: &Event, now: Timestamp) {
        let stuck: Vec<AgentId> = self.index.on_call(conn_id).cloned().collect();
        for agent in stuck {
            self.left(&agent, conn_id, event, now);
        }
    }

    pub(super) fn phone_lost(&mut self, dn: &Dn, now: Timestamp) {
        let Some(agent) = self.on_dn.get(dn).cloned() else {
            return;
        };
        let Some(session) = self.agents.get(&agent) else {
            return;
        };
        if session.profile.logout_on_out_of_service {
            self.log_out(&agent, because("OutOfService"), Cause::Itself, now);
        } else if session.is_guarded()
            || !matches!(session.state, AgentState::NotReady | AgentState::Busy(AfterBusy::NotReady))
        {
            self.not_ready_because(&agent, "OutOfService", now);
        }
    }

    fn not_ready_because(&mut self, agent: &AgentId, reason: &str, now: Timestamp) {
        self.set_not_ready(agent, WorkMode::AuxWork, because(reason), Cause::Itself, now);
    }

    /// Frees an agent that the auditor found on no call.
    pub(super) fn free(&mut self, agent: &AgentId, why: &str, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        session.calls.clear();
        let AgentState::Busy(after) = session.state else {
            return self.restate(agent, Cause::Itself, now);
        };
        session.enter(AgentState::NotReady, now);
        let repaired: UserData = [("ReasonCode", "Repaired"), ("Repair", why)].into_iter().collect();
        match after {
            AfterBusy::Ready => self.set_ready(agent, WorkMode::ManualIn, UserData::new(), Cause::Itself, now),
            AfterBusy::NotReady | AfterBusy::AfterCallWork => {
                self.set_not_ready(agent, WorkMode::AuxWork, repaired, Cause::Itself, now);
            }
        }
    }
}

fn is_business(event: &Event) -> bool {
    matches!(event.extensions.get(BUSINESS_CALL), Some(Value::Int(n)) if *n != 0)
}
