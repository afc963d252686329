//! A pool: one distinct target, the agents that fit it, and the requests that wait for it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use model::Timestamp;
use roaring::RoaringBitmap;

use crate::agents::{Agent, Agents, Index};
use crate::request::Target;

/// The most distinct targets in memory; targets without open requests are removed to make room.
pub const POOLS_MAX: usize = 4_096;

/// The order of waiting requests: higher priority, then longer wait, then arrival.
pub(crate) type Rank = (Reverse<i32>, Timestamp, u64);

/// One distinct target.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    target: Target,
    members: RoaringBitmap,
    waiting: BTreeSet<Rank>,
    /// Open requests with this target, also those that an agent is reserved for: they may wait again.
    open: usize,
}

impl Pool {
    pub fn members(&self) -> &RoaringBitmap {
        &self.members
    }

    pub fn waiting(&self) -> &BTreeSet<Rank> {
        &self.waiting
    }

    fn admits(&self, agent: &Agent) -> bool {
        agent.known
            && match &self.target {
                Target::Agent(id) => agent.id == *id,
                Target::Skills(expression) => expression.matches(|skill| agent.level(skill)),
            }
    }
}

/// All pools, by the text of their target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pools {
    by_key: HashMap<String, Pool>,
}

impl Pools {
    pub fn get(&self, key: &str) -> Option<&Pool> {
        self.by_key.get(key)
    }

    /// Ensures that a target has a pool, filled with its agents. Returns `false` when there is no room for a new one.
    pub fn ensure(&mut self, key: &str, target: &Target, agents: &Agents) -> bool {
        if self.by_key.contains_key(key) {
            return true;
        }
        if self.by_key.len() >= POOLS_MAX {
            self.by_key.retain(|_, pool| pool.open > 0);
        }
        if self.by_key.len() >= POOLS_MAX {
            return false;
        }
        let mut pool =
            Pool { target: target.clone(), members: RoaringBitmap::new(), waiting: BTreeSet::new(), open: 0 };
        pool.members = agents.rows().filter(|(_, agent)| pool.admits(agent)).map(|(index, _)| index).collect();
        self.by_key.insert(key.to_owned(), pool);
        true
    }

    /// An open request has this target. As [`Self::ensure`].
    pub fn hold(&mut self, key: &str, target: &Target, agents: &Agents) {
        self.ensure(key, target, agents);
        if let Some(pool) = self.by_key.get_mut(key) {
            pool.open += 1;
        }
    }

    /// An open request that held this target is over.
    pub fn release(&mut self, key: &str) {
        if let Some(pool) = self.by_key.get_mut(key) {
            pool.open = pool.open.saturating_sub(1);
        }
    }

    pub fn enter(&mut self, key: &str, rank: Rank) {
        if let Some(pool) = self.by_key.get_mut(key) {
            pool.waiting.insert(rank);
        }
    }

    pub fn leave(&mut self, key: &str, rank: &Rank) {
        if let Some(pool) = self.by_key.get_mut(key) {
            pool.waiting.remove(rank);
        }
    }

    /// Updates the pools after a change of an agent's skills.
    pub fn reassess(&mut self, agents: &Agents, index: Index) {
        let agent = agents.row(index);
        for pool in self.by_key.values_mut() {
            if agent.is_some_and(|agent| pool.admits(agent)) {
                pool.members.insert(index);
            } else {
                pool.members.remove(index);
            }
        }
    }

    /// The pools that this agent fits and that have waiting requests.
    pub fn waiting_for(&self, index: Index) -> impl Iterator<Item = &Pool> {
        self.by_key.values().filter(move |pool| !pool.waiting.is_empty() && pool.members.contains(index))
    }
}
