//! Repairs of the auditor: what it has found to be otherwise than the agents say.

use call::agent::Input;
use infra::{Repair, RepairAction};
use model::event::CallRef;
use model::{AgentId, CallType, CallUuid, ConnId, Event, EventName, Subject, Timestamp};

use super::TenantAgents;

impl TenantAgents {
    pub(super) fn repair(&mut self, repair: Repair, now: Timestamp) {
        let Repair { subject, action, why } = repair;
        tracing::warn!(tenant = %self.tenant, %subject, why, ?action, "a repair");
        self.metrics.repair();
        match (subject, action) {
            (Subject::Agent(agent), RepairAction::Restate) => self.table.handle(Input::Restate(agent), now),
            (Subject::Agent(agent), RepairAction::Free | RepairAction::Clear) => {
                // The auditor found it on no call. A call that has begun since stays.
                if self.table.agent(&agent).is_some_and(|session| session.calls.is_empty()) {
                    self.table.handle(Input::Free { agent, why: why.clone() }, now);
                }
            }
            (Subject::Call(conn_id), _) => self.call_missing(conn_id, now),
            // The phone lost its registration, and the event about it was missed.
            (Subject::Dn(dn), _) => self.table.handle(Input::PhoneLost(dn), now),
            (Subject::Queue(_) | Subject::Session(_), _) => {}
        }
        self.collect(Some(&why), now);
    }

    /// The call does not exist: agents that still count it have missed its end.
    fn call_missing(&mut self, conn_id: ConnId, now: Timestamp) {
        let concerned: Vec<(AgentId, u64)> =
            self.table.on_call(conn_id).map(|agent| (agent.agent.clone(), agent.seq)).collect();
        let mut end = Event::new(EventName::CallDeleted);
        end.call = Some(CallRef {
            conn_id,
            uuid: CallUuid(0),
            thread: CallUuid(0),
            previous: None,
            call_type: CallType::Unknown,
            propagated_type: None,
            ani: None,
            dnis: None,
        });
        self.table.handle(Input::Call(&end), now);
        self.addresses.fold(&end, now);
        self.note_in_calls();
        for (agent, seq) in concerned {
            // The end of an unanswered call causes no event: publish the agent's state again as the repair.
            if self.table.agent(&agent).is_some_and(|session| session.seq == seq) {
                self.table.handle(Input::Restate(agent), now);
            }
        }
    }
}
