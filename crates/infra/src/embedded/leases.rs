//! Epochs, leases and jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{Epoch, NodeId, Owner, Timestamp, Token};

use super::{Embedded, Inner};
use crate::leases::{Lease, Leases};
use crate::{Answer, Result, StoreError, bounds};

/// Leases and jobs: in memory, because every holder is in this process.
pub(super) struct LeaseState {
    leases: BTreeMap<NodeId, Lease>,
    jobs: BTreeMap<String, Job>,
    /// The last token given to any job; begins at the clock, so that it grows across restarts.
    last_token: u64,
}

struct Job {
    owner: Owner,
    token: Token,
    until: Timestamp,
}

impl LeaseState {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { leases: BTreeMap::new(), jobs: BTreeMap::new(), last_token: now.as_micros() }
    }

    /// Gives or keeps a job.
    pub(super) fn take(&mut self, job: &str, owner: &Owner, now: Timestamp, ttl: Duration) -> Result<Option<Token>> {
        if let Some(held) = self.jobs.get_mut(job) {
            if held.owner == *owner {
                held.until = now + ttl;
                return Ok(Some(held.token));
            }
            if held.until > now {
                return Ok(None);
            }
        } else if self.jobs.len() >= bounds::LEASES_MAX {
            return Err(StoreError::Full { what: "the table of jobs", bound: bounds::LEASES_MAX as u64 });
        }
        self.last_token += 1;
        let token = Token(self.last_token);
        self.jobs.insert(job.to_owned(), Job { owner: owner.clone(), token, until: now + ttl });
        Ok(Some(token))
    }

    /// Refuses every token but the job's own.
    pub(super) fn fence(&self, job: &str, token: Token) -> Result<()> {
        match self.jobs.get(job) {
            Some(held) if held.token == token => Ok(()),
            Some(held) => Err(StoreError::Fenced { key: job.to_owned(), owner: held.owner.clone(), token: held.token }),
            None => Err(StoreError::Missing { key: job.to_owned() }),
        }
    }
}

fn latest(inner: &Inner, node: &NodeId) -> Epoch {
    Epoch(inner.state.epochs.get(node.as_str()).copied().unwrap_or_default())
}

impl Leases for Embedded {
    fn next_epoch<'a>(&'a self, node: &'a NodeId) -> Answer<'a, Epoch> {
        let now = self.clock.now();
        self.write(move |inner| {
            if inner.state.epochs.len() >= bounds::LEASES_MAX && !inner.state.epochs.contains_key(node.as_str()) {
                return Err(StoreError::Full { what: "the table of nodes", bound: bounds::LEASES_MAX as u64 });
            }
            let epoch = now.as_millis().max(latest(inner, node).0 + 1);
            inner.commit_or_go_on(vec![Effect::Epoch(v1::EpochGiven { node: node.to_string(), epoch })])?;
            Ok(Epoch(epoch))
        })
        .boxed()
    }

    fn renew<'a>(&'a self, owner: &'a Owner, role: &'a str, ttl: Duration) -> Answer<'a, ()> {
        async move {
            let until = self.clock.now() + ttl;
            let mut inner = self.lock();
            let newest = latest(&inner, &owner.node);
            if newest > owner.epoch {
                let owner = Owner { node: owner.node.clone(), epoch: newest };
                return Err(StoreError::Fenced { key: format!("node:{}", owner.node), owner, token: Token(newest.0) });
            }
            let leases = &mut inner.state.leases.leases;
            if leases.len() >= bounds::LEASES_MAX && !leases.contains_key(&owner.node) {
                return Err(StoreError::Full { what: "the table of leases", bound: bounds::LEASES_MAX as u64 });
            }
            leases.insert(owner.node.clone(), Lease { owner: owner.clone(), role: role.to_owned(), until });
            Ok(())
        }
        .boxed()
    }

    fn release<'a>(&'a self, owner: &'a Owner) -> Answer<'a, ()> {
        async move {
            let leases = &mut self.lock().state.leases.leases;
            if leases.get(&owner.node).is_some_and(|lease| lease.owner == *owner) {
                leases.remove(&owner.node);
            }
            Ok(())
        }
        .boxed()
    }

    fn live<'a>(&'a self, role: &'a str) -> Answer<'a, Vec<Lease>> {
        async move {
            let now = self.clock.now();
            let inner = self.lock();
            let live = inner.state.leases.leases.values().filter(|lease| lease.role == role && lease.until > now);
            Ok(live.cloned().collect())
        }
        .boxed()
    }

    fn take_job<'a>(&'a self, job: &'a str, owner: &'a Owner, ttl: Duration) -> Answer<'a, Option<Token>> {
        async move {
            let now = self.clock.now();
            self.lock().state.leases.take(job, owner, now, ttl)
        }
        .boxed()
    }
}
