//! The last written state of the queues of each tenant.

use std::collections::BTreeMap;

use bytes::Bytes;
use infra::{QueueBatch, QueueRecord, Written};
use model::{AgentId, Owner, TenantId, Token};

use super::{OutageState, lock};
use crate::redis::store::Facts;
use crate::redis::store::records::RecordId;

/// A tenant's queues, as last written.
pub(super) struct LastQueues {
    owner: Owner,
    token: Token,
    state: Option<Bytes>,
    requests: BTreeMap<String, Bytes>,
    reservations: BTreeMap<AgentId, Bytes>,
}

impl OutageState {
    /// Remembers queues that were claimed.
    pub(in crate::redis) fn claimed_queues(&self, record: &QueueRecord) {
        let kept = LastQueues {
            owner: record.owner.clone(),
            token: record.token,
            state: Some(record.state.clone()),
            requests: record.requests.iter().cloned().collect(),
            reservations: record.reservations.iter().cloned().collect(),
        };
        lock(&self.queues).insert(record.tenant.clone(), kept);
    }

    /// Remembers a turn of queues that was written, and its encoded facts.
    pub(in crate::redis) fn note_queues(&self, batch: QueueBatch, facts: Facts, written: &Written) {
        if matches!(written, Written::Refused(_)) {
            return;
        }
        let mut queues = lock(&self.queues);
        if !matches!(written, Written::Done { .. }) {
            queues.remove(&batch.tenant);
            lock(&self.recent_facts).forget(&queues_id(&batch.tenant));
            return;
        }
        let Some(kept) = queues.get_mut(&batch.tenant) else { return };
        lock(&self.recent_facts).add(queues_id(&batch.tenant), facts);
        kept.state = batch.state.or(kept.state.take());
        apply(&mut kept.requests, batch.requests);
        apply(&mut kept.reservations, batch.reservations);
    }

    /// Those of a tenant's queues.
    pub(in crate::redis) fn latest_of_queues(&self, tenant: &TenantId) -> Vec<Bytes> {
        lock(&self.recent_facts).of(&queues_id(tenant))
    }

    /// A tenant's queues, to be written again.
    pub(in crate::redis) fn queues_anew(&self, tenant: &TenantId) -> Option<QueueBatch> {
        lock(&self.queues).get(tenant).map(|kept| whole(tenant, kept))
    }

    /// The queues of every tenant.
    pub(super) fn all_queues_anew(&self) -> Vec<QueueBatch> {
        lock(&self.queues).iter().map(|(tenant, kept)| whole(tenant, kept)).collect()
    }
}

fn apply<K: Ord>(kept: &mut BTreeMap<K, Bytes>, changes: Vec<(K, Option<Bytes>)>) {
    for (key, body) in changes {
        match body {
            Some(body) => drop(kept.insert(key, body)),
            None => drop(kept.remove(&key)),
        }
    }
}

/// Keys for the facts of queues and phones, which are not records of a ledger.
fn queues_id(tenant: &TenantId) -> RecordId {
    ("queues", tenant.clone(), String::new())
}

fn whole(tenant: &TenantId, kept: &LastQueues) -> QueueBatch {
    QueueBatch {
        tenant: tenant.clone(),
        owner: kept.owner.clone(),
        token: kept.token,
        requests: kept.requests.iter().map(|(id, body)| (id.clone(), Some(body.clone()))).collect(),
        reservations: kept.reservations.iter().map(|(id, body)| (id.clone(), Some(body.clone()))).collect(),
        state: kept.state.clone(),
        events: Vec::new(),
        consumed: None,
        number: 0,
    }
}
