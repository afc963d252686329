//! Agents who have logged out and whose person is no more: their records go. Nothing shows them: views know those who are logged in alone.
//!
//! A record has the token and the number of its agent's last event. Whoever comes back under the name of a forgotten one begins with a
//! later token than all of them had, which is kept with the owner of the agents: no event has an identity that another one had.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use infra::{AgentWrite, Change};
use model::{AgentId, AgentState, Timestamp, Token};

use super::TenantAgents;

/// How long somebody is logged out before the record goes: a request of before that comes again is refused as too late by then.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// The most records that one turn removes: a script of Redis must not take long.
const FORGOTTEN_PER_TURN: usize = 64;

/// When those are looked at who may have left, each once: at most the agents of the table, and some that were in it.
#[derive(Debug, Default)]
pub(super) struct Leavers {
    due: BTreeSet<(Timestamp, AgentId)>,
    by_agent: BTreeMap<AgentId, Timestamp>,
}

impl Leavers {
    /// When the next one is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    fn add(&mut self, agent: &AgentId, due: Timestamp) {
        if let Some(before) = self.by_agent.insert(agent.clone(), due) {
            self.due.remove(&(before, agent.clone()));
        }
        self.due.insert((due, agent.clone()));
    }

    fn take_due(&mut self, now: Timestamp) -> Option<AgentId> {
        if self.next_due()? > now {
            return None;
        }
        let (_, agent) = self.due.pop_first()?;
        self.by_agent.remove(&agent);
        Some(agent)
    }
}

impl TenantAgents {
    /// Whether somebody is logged out whose person is no more.
    fn has_left(&self, agent: &AgentId) -> bool {
        let is_logged_out = self.table.agent(agent).is_some_and(|session| session.state == AgentState::LoggedOut);
        is_logged_out && self.people.is_known() && !self.people.has_agent(agent)
    }

    /// Notes an agent who may have left.
    pub(in crate::agent_state) fn note_leaver(&mut self, agent: &AgentId, now: Timestamp) {
        if self.has_left(agent) {
            self.leavers.add(agent, now + FORGOTTEN_AFTER);
        }
    }

    /// Forgets those who have left for long enough, and returns the ends of their records.
    pub(super) fn leaver_writes(&mut self, now: Timestamp) -> Vec<AgentWrite> {
        let mut writes = Vec::new();
        if now < self.again_from {
            return writes;
        }
        let mut last = self.own.last_token;
        while writes.len() < FORGOTTEN_PER_TURN
            && let Some(agent) = self.leavers.take_due(now)
        {
            if !self.has_left(&agent) {
                continue;
            }
            // The reporting log does not have all times of the agent yet: they are in the record until then.
            if self.intervals.is_waiting(&agent) {
                self.leavers.add(&agent, now + FORGOTTEN_AFTER);
                continue;
            }
            let token = self.table.agent(&agent).map_or(last, |session| session.token);
            last = last.max(token);
            self.table.forget(&agent);
            self.intervals.forget(&agent);
            self.facts.remove(&agent);
            if self.stored.remove(&agent) {
                writes.push(AgentWrite { agent, token, change: Change::End, due: None, events: Vec::new() });
            }
        }
        if !writes.is_empty() {
            self.metrics.forgotten(writes.len());
            self.own.last_token = Token(now.as_micros().max(last.0 + 1));
            self.changed = true;
            self.table.begin_with(self.own.last_token);
        }
        writes
    }
}

#[cfg(test)]
impl TenantAgents {
    /// The reporting log has all times of the agents.
    pub fn all_intervals_are_safe(&mut self) {
        self.intervals.all_are_safe();
    }
}
