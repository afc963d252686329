//! A router's snapshot, which is stored to survive a restart.

use std::collections::{BTreeSet, HashSet, VecDeque};

use model::{AgentId, ConnId, Dn, Timestamp};

use super::{Output, Router};
use crate::agents::{Presence, Session};
use crate::request::{RequestId, RequestSnapshot};

/// No more requests ever arrive: a thousand a second for 100 million years.
const ARRIVALS_MAX: u64 = u64::MAX >> 2;

/// An agent's row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentSnapshot {
    /// The agent.
    pub agent: AgentId,
    /// Skills and levels, if provisioning has named the agent.
    pub skills: Option<Vec<(String, i64)>>,
    /// The state of the session.
    pub session: Session,
    /// The phone of the session.
    pub dn: Option<Dn>,
    /// Calls on that phone.
    pub calls: Vec<ConnId>,
    /// Since when the agent is idle.
    pub idle_since: Timestamp,
    /// The most calls at a time that the agent is to have.
    pub calls_max: u32,
}

/// The whole state of a router.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouterSnapshot {
    /// The requests, by arrival.
    pub requests: Vec<RequestSnapshot>,
    /// The agents, in the order in which the router learned of them.
    pub agents: Vec<AgentSnapshot>,
    /// Phones that are not registered.
    pub out_of_service: Vec<Dn>,
    /// Phones that do not want to be disturbed.
    pub do_not_disturb: Vec<Dn>,
    /// Phones from which all calls go elsewhere.
    pub forwarded: Vec<Dn>,
    /// The number of requests that have ever arrived.
    pub arrivals: u64,
    /// Outputs that were not drained yet.
    pub outputs: Vec<Output>,
}

impl Router {
    /// One request, for its record.
    pub fn request(&self, id: &RequestId) -> Option<RequestSnapshot> {
        self.requests.get(id).map(|waiting| RequestSnapshot {
            submission: waiting.submission.clone(),
            arrival: waiting.arrival,
            stage: waiting.stage.clone(),
            declined: waiting.declined.clone(),
        })
    }

    /// One agent's row.
    pub fn agent(&self, id: &AgentId) -> Option<AgentSnapshot> {
        self.agents.row(self.agents.index_of(id)?).map(agent_snapshot)
    }

    /// The phones that are not registered, in order.
    pub fn phones_out_of_service(&self) -> Vec<Dn> {
        sorted(self.agents.phones_out_of_service())
    }

    /// The phones that do not want to be disturbed, in order.
    pub fn phones_not_disturbed(&self) -> Vec<Dn> {
        sorted(self.agents.phones_not_disturbed())
    }

    /// The phones from which all calls go elsewhere, in order.
    pub fn phones_forwarded(&self) -> Vec<Dn> {
        sorted(self.agents.phones_forwarded())
    }

    /// The router's whole state.
    pub fn snapshot(&self) -> RouterSnapshot {
        RouterSnapshot {
            requests: self.by_arrival.values().filter_map(|id| self.request(id)).collect(),
            agents: self.agents.rows().map(|(_, row)| agent_snapshot(row)).collect(),
            out_of_service: self.phones_out_of_service(),
            do_not_disturb: self.phones_not_disturbed(),
            forwarded: self.phones_forwarded(),
            arrivals: self.arrivals,
            outputs: self.outputs.iter().cloned().collect(),
        }
    }

    /// Continues from a snapshot. Due times are wall-clock times; overdue timers expire at the next [`Router::handle_timeout`].
    /// All rows but those of which nothing is left count as written.
    pub fn restore(mut snapshot: RouterSnapshot) -> Self {
        let mut router = Self { arrivals: snapshot.arrivals.min(ARRIVALS_MAX), ..Self::default() };
        for dn in &snapshot.out_of_service {
            router.agents.phone_lost(dn);
        }
        for dn in &snapshot.do_not_disturb {
            router.agents.disturb_no_more(dn);
        }
        for dn in &snapshot.forwarded {
            router.agents.forward_all(dn);
        }
        let mut known = HashSet::new();
        snapshot.requests.retain(|request| known.insert(request.submission.id.clone()));
        let promised = snapshot.requests.iter().filter_map(|request| request.stage.agent().cloned());
        let promised: BTreeSet<AgentId> = promised.collect();
        for agent in snapshot.agents {
            let is_reserved = promised.contains(&agent.agent);
            router.restore_agent(agent, is_reserved);
        }
        router.agents.are_as_written();
        for mut request in snapshot.requests {
            // A damaged row may have the number of another one, or one after which there is none.
            if request.arrival > ARRIVALS_MAX || router.by_arrival.contains_key(&request.arrival) {
                request.arrival = router.arrivals + 1;
            }
            router.arrivals = router.arrivals.max(request.arrival);
            router.insert(request);
        }
        // Those whose rows are not there.
        for agent in promised {
            if router.agents.index_of(&agent).is_none()
                && let Some(index) = router.agents.intern(&agent)
            {
                router.agents.reserve(index);
            }
        }
        router.outputs = VecDeque::from(snapshot.outputs);
        router
    }

    fn restore_agent(&mut self, agent: AgentSnapshot, is_reserved: bool) {
        let Some(index) = self.agents.intern(&agent.agent) else { return };
        // First: of an agent who is not provisioned any more and has logged out nothing else may be left.
        if is_reserved {
            self.agents.reserve(index);
        }
        if let Some(skills) = agent.skills {
            self.agents.set_provisioned(index, skills.into_iter().collect(), agent.calls_max);
            self.pools.reassess(&self.agents, index);
        }
        self.agents.set_session(index, agent.session, agent.dn.as_ref(), agent.idle_since);
        if let Some(dn) = &agent.dn {
            for call in agent.calls {
                self.agents.set_call(dn, call, Presence::On, agent.idle_since);
            }
        }
        self.agents.set_idle_since(index, agent.idle_since);
    }
}

fn sorted<'a>(dns: impl Iterator<Item = &'a Dn>) -> Vec<Dn> {
    let mut dns: Vec<Dn> = dns.cloned().collect();
    dns.sort();
    dns
}

fn agent_snapshot(row: &crate::agents::Agent) -> AgentSnapshot {
    let mut skills: Vec<(String, i64)> = row.skills.iter().map(|(name, level)| (name.clone(), *level)).collect();
    skills.sort();
    let mut calls: Vec<ConnId> = row.calls.iter().copied().collect();
    calls.sort();
    AgentSnapshot {
        agent: row.id.clone(),
        skills: row.known.then_some(skills),
        session: row.session,
        dn: row.dn.clone(),
        calls,
        idle_since: row.idle_since,
        calls_max: row.calls_max,
    }
}
