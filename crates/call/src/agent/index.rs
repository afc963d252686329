//! Finds agents by their timers and their calls without a look at each of them: a tenant may have very many, and few of them change in a turn.

use std::collections::{BTreeSet, HashMap};

use model::{AgentId, AgentState, ConnId, Timestamp};

use super::AgentSnapshot;

/// What is known of the agents of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct AgentIndex {
    known: HashMap<AgentId, IndexedAgent>,
    due: BTreeSet<(Timestamp, AgentId)>,
    on_call: HashMap<ConnId, BTreeSet<AgentId>>,
    logged_in: usize,
}

/// What the index has of an agent.
#[derive(Clone, PartialEq, Eq, Debug)]
struct IndexedAgent {
    due: Option<Timestamp>,
    calls: Vec<ConnId>,
    is_logged_in: bool,
}

impl IndexedAgent {
    fn of(session: &AgentSnapshot) -> Self {
        Self {
            due: session.next_due(),
            calls: session.calls.iter().map(|call| call.conn_id).collect(),
            is_logged_in: session.state != AgentState::LoggedOut,
        }
    }
}

impl AgentIndex {
    /// An agent is like this now.
    pub fn know(&mut self, session: &AgentSnapshot) {
        let now = IndexedAgent::of(session);
        if self.known.get(&session.agent) == Some(&now) {
            return;
        }
        let agent = &session.agent;
        self.forget(agent);
        self.due.extend(now.due.map(|due| (due, agent.clone())));
        for call in &now.calls {
            self.on_call.entry(*call).or_default().insert(agent.clone());
        }
        self.logged_in += usize::from(now.is_logged_in);
        self.known.insert(agent.clone(), now);
    }

    /// An agent is not in the table any more.
    pub fn forget(&mut self, agent: &AgentId) {
        let Some(IndexedAgent { due, calls, is_logged_in }) = self.known.remove(agent) else { return };
        if let Some(due) = due {
            self.due.remove(&(due, agent.clone()));
        }
        for call in calls {
            if let Some(agents) = self.on_call.get_mut(&call) {
                agents.remove(agent);
                if agents.is_empty() {
                    self.on_call.remove(&call);
                }
            }
        }
        self.logged_in -= usize::from(is_logged_in);
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The agents with a timer that is due, those that have waited for longest first.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &AgentId> {
        self.due.iter().take_while(move |(due, _)| *due <= now).map(|(_, agent)| agent)
    }

    /// The agents on whose phones a call is.
    pub fn on_call(&self, call: ConnId) -> impl Iterator<Item = &AgentId> {
        self.on_call.get(&call).into_iter().flatten()
    }

    /// How many agents are logged in.
    pub const fn logged_in(&self) -> usize {
        self.logged_in
    }
}
