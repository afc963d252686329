//! The time of each agent in each state, for reporting (voice-55): one record when the state ends. A state that begins and ends within one
//! turn took no time and is not reported.

use std::collections::HashMap;

use call::agent::{AgentSnapshot, state_name};
use contracts::json::{rfc3339, user_data_to_json};
use model::{AgentId, AgentState, Dn, TenantId, Timestamp, UserData, WorkMode};
use serde_json::{Value as Json, json};

/// The record's type.
const NAME: &str = "AgentInterval";

/// A finished interval, as a record.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Interval {
    pub agent: AgentId,
    pub ended_at: Timestamp,
    pub data: Json,
}

/// An agent's present state, and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Present {
    state: AgentState,
    mode: WorkMode,
    reasons: UserData,
    dn: Option<Dn>,
    since: Timestamp,
}

/// The present states of a tenant's agents; at most the agents of the table.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    of: HashMap<AgentId, Present>,
    over: Vec<Interval>,
}

impl Intervals {
    /// Continues with an agent from its record. The record does not contain when mode and reasons changed within a state. The interval
    /// therefore continues from the last event, so that no time is reported twice.
    pub fn restore(&mut self, agent: &AgentSnapshot) {
        self.of.insert(agent.agent.clone(), Present::of(agent, agent.since.max(agent.last_at)));
    }

    /// Compares an agent that may have changed.
    pub fn observe(&mut self, agent: &AgentSnapshot, now: Timestamp) {
        let same = |before: &Present| {
            (before.state, before.mode, &before.dn, &before.reasons)
                == (agent.state, agent.mode, &agent.dn, &agent.reasons)
        };
        if self.of.get(&agent.agent).is_some_and(same) {
            return;
        }
        let Some(before) = self.of.get(&agent.agent) else {
            self.of.insert(agent.agent.clone(), Present::of(agent, agent.since));
            return;
        };
        let began = if before.state == agent.state { now } else { agent.since };
        let began = began.max(before.since);
        if before.state != AgentState::LoggedOut {
            let data = before.told(&agent.agent, began);
            self.over.push(Interval { agent: agent.agent.clone(), ended_at: began, data });
        }
        self.of.insert(agent.agent.clone(), Present::of(agent, began));
    }

    /// Forgets an agent's present state, and its unstored intervals of this turn.
    pub fn forget(&mut self, agent: &AgentId) {
        self.of.remove(agent);
        self.over.retain(|interval| interval.agent != *agent);
    }

    /// The intervals finished since the last call; report them after the commit.
    pub fn take(&mut self) -> Vec<Interval> {
        std::mem::take(&mut self.over)
    }
}

impl Present {
    fn of(agent: &AgentSnapshot, since: Timestamp) -> Self {
        let (state, mode) = (agent.state, agent.mode);
        Self { state, mode, reasons: agent.reasons.clone(), dn: agent.dn.clone(), since }
    }

    fn told(&self, agent: &AgentId, until: Timestamp) -> Json {
        json!({
            "AgentID": agent.as_str(),
            "ThisDN": self.dn.as_ref().map(Dn::as_str),
            "State": state_name(self.state),
            "AgentWorkMode": contracts::wire::work_mode_name(self.mode),
            "Reasons": user_data_to_json(&self.reasons),
            "BeganAt": rfc3339(self.since),
            "EndedAt": rfc3339(until),
            "DurationMs": u64::try_from(until.since(self.since).as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Reports the intervals to the reporting log.
pub(super) fn tell(reporter: &crate::reporting::Reporter, tenant: &TenantId, over: Vec<Interval>) {
    for Interval { agent, ended_at, data } in over {
        reporter.report(tenant, NAME, agent.as_str(), ended_at, data);
    }
}

#[cfg(test)]
mod tests;
