//! The time of each agent in each state, for reporting (voice-55): one record when the state ends. A state that begins and ends within one
//! turn, or at the same time, took no time and is not reported.
//!
//! Since when the present state lasts is part of the agent's record. Finished intervals are intentions of the commit that finishes them,
//! until their records are safe: whoever continues from the agent's record reports them again, with the same identity.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use call::agent::{AgentSnapshot, state_name};
use contracts::json::{rfc3339, user_data_to_json};
use contracts::reporting::AGENT_INTERVALS;
use infra::LogRecord;
use model::{AgentId, AgentState, Dn, Timestamp, UserData, WorkMode};
use serde_json::{Value as Json, json};

use super::records;
use crate::reporting::{Reporter, record};

/// The record's type.
const NAME: &str = "AgentInterval";
/// The most finished intervals of one agent that wait in its record until they are safe: minutes of the busiest agent. Older ones are with
/// the reporter alone.
const WAITING_MAX: usize = 32;

/// An agent's present state, and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Present {
    state: AgentState,
    mode: WorkMode,
    reasons: UserData,
    dn: Option<Dn>,
    since: Timestamp,
}

/// A finished interval whose record may not be safe yet.
#[derive(Debug)]
struct Finished {
    record: LogRecord,
    /// How many records the reporter had taken with it; none before the commit.
    taken: Option<u64>,
}

/// The present states of a tenant's agents; at most the agents of the table.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    of: HashMap<AgentId, Present>,
    finished: HashMap<AgentId, VecDeque<Finished>>,
}

impl Intervals {
    /// Continues with an agent from its record, which says since when the interval lasts and which finished ones may not be reported. A
    /// record of an earlier version does not say it: the interval continues from the last event, so that no time is reported twice.
    pub fn restore(&mut self, agent: &AgentSnapshot, since: Option<Timestamp>, finished: Vec<LogRecord>) {
        let since = since.unwrap_or_else(|| agent.since.max(agent.last_at));
        self.of.insert(agent.agent.clone(), Present::of(agent, since));
        let finished: VecDeque<_> = finished.into_iter().map(|record| Finished { record, taken: None }).collect();
        if !finished.is_empty() {
            self.finished.insert(agent.agent.clone(), finished);
        }
    }

    /// Compares an agent that may have changed. Returns since when its present interval lasts.
    pub fn observe(&mut self, agent: &AgentSnapshot, now: Timestamp) -> Timestamp {
        let same = |before: &Present| {
            (before.state, before.mode, &before.dn, &before.reasons)
                == (agent.state, agent.mode, &agent.dn, &agent.reasons)
        };
        let Some(before) = self.of.get(&agent.agent) else {
            self.of.insert(agent.agent.clone(), Present::of(agent, agent.since));
            return agent.since;
        };
        if same(before) {
            return before.since;
        }
        let began = if before.state == agent.state { now } else { agent.since };
        let began = began.max(before.since);
        if before.state != AgentState::LoggedOut && began > before.since {
            let finished = Finished { record: before.finished(agent, began), taken: None };
            let waiting = self.finished.entry(agent.agent.clone()).or_default();
            waiting.push_back(finished);
            if waiting.len() > WAITING_MAX {
                waiting.pop_front();
            }
        }
        self.of.insert(agent.agent.clone(), Present::of(agent, began));
        began
    }

    /// Whether times of an agent are not safe yet.
    pub fn is_waiting(&self, agent: &AgentId) -> bool {
        self.finished.contains_key(agent)
    }

    /// Forgets an agent: its record says what is stored.
    pub fn forget(&mut self, agent: &AgentId) {
        self.of.remove(agent);
        self.finished.remove(agent);
    }

    /// The intentions that go with an agent's record.
    pub fn intentions(&self, agent: &AgentId) -> Bytes {
        let finished = self.finished.get(agent).into_iter().flatten();
        records::encode_intervals(finished.map(|finished| &finished.record))
    }

    /// Gives the committed intervals to the reporter, and forgets those that it has made safe.
    pub fn report(&mut self, reporter: &Reporter) {
        self.finished.retain(|_, waiting| {
            waiting.retain(|finished| !finished.taken.is_some_and(|taken| reporter.is_safe(taken)));
            // What has no room yet is given again with the next commit.
            for finished in waiting.iter_mut().filter(|finished| finished.taken.is_none()) {
                finished.taken = reporter.give(finished.record.clone()).then(|| reporter.taken());
            }
            !waiting.is_empty()
        });
    }

    /// All of them are safe.
    #[cfg(test)]
    pub fn all_are_safe(&mut self) {
        self.finished.clear();
    }

    /// The finished intervals whose records may not be safe yet, oldest first for each agent.
    #[cfg(test)]
    pub fn waiting(&self) -> impl Iterator<Item = &LogRecord> {
        self.finished.values().flatten().map(|finished| &finished.record)
    }
}

impl Present {
    fn of(agent: &AgentSnapshot, since: Timestamp) -> Self {
        let (state, mode) = (agent.state, agent.mode);
        Self { state, mode, reasons: agent.reasons.clone(), dn: agent.dn.clone(), since }
    }

    /// The record of its end. No two intervals of an agent begin at the same time: the beginning identifies it.
    fn finished(&self, agent: &AgentSnapshot, until: Timestamp) -> LogRecord {
        let id = format!("agent:{}:interval:{}", agent.agent, self.since.as_micros());
        let data = self.told(&agent.agent, until);
        record(&agent.tenant, (AGENT_INTERVALS, id), (NAME, agent.agent.as_str()), until, &data)
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

#[cfg(test)]
mod tests;
