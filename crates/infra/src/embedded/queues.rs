//! The ledger of queues: one owner per tenant.

use std::collections::BTreeMap;

use bytes::Bytes;
use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{AgentId, Owner, TenantId, Token};

use super::Embedded;
use super::state::position_of;
use super::tenant::{QueueState, TenantState};
use super::turn::consumed_effect;
use crate::ledger::{Holder, QUEUES, QueueLedger, QueueRecord};
use crate::record::Written;
use crate::{Answer, Position, QueueBatch, Refusal, StoreError, bounds};

/// The view whose progress is in a [`QueueRecord`].
const VIEW: &str = "rq";

impl QueueLedger for Embedded {
    fn commit(&self, batch: QueueBatch) -> Answer<'_, Written> {
        self.write(move |inner| {
            let state = inner.state.tenant(&batch.tenant);
            let Some(queues) = &state.queues else { return Ok(Written::Unknown) };
            if queues.owner != batch.owner || queues.token != batch.token {
                return Ok(Written::Fenced { owner: queues.owner.clone(), token: queues.token });
            }
            if let Err(refusal) = queues.room(&batch) {
                return Ok(Written::Refused(refusal));
            }
            let mut effects = Vec::new();
            let position = match inner.state.add_events(
                &batch.tenant,
                Some(&batch.owner),
                &batch.events,
                batch.room(),
                &mut effects,
            ) {
                Ok(position) => position,
                Err(refusal) => return Ok(Written::Refused(refusal)),
            };
            let lengths = effects.iter().map(|effect| match effect {
                Effect::Event(added) => added.envelope.len(),
                _ => 0,
            });
            if let Err(refusal) = batch.check(lengths) {
                return Ok(Written::Refused(refusal));
            }
            effects.extend(changes(batch));
            inner.commit_or_go_on(effects)?;
            Ok(Written::Done { position })
        })
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        by: &'a Owner,
        tenant: &'a TenantId,
        seen: Option<Token>,
    ) -> Answer<'a, Result<QueueRecord, Holder>> {
        self.write(move |inner| {
            let state = inner.state.tenant(tenant);
            let token = match &state.queues {
                Some(queues) if queues.owner != *by && seen.is_some_and(|seen| seen != queues.token) => {
                    return Ok(Err(Holder { owner: queues.owner.clone(), token: queues.token }));
                }
                // Its own owner's next run too: its events count from 1 within the token.
                Some(queues) => Token(queues.token.0 + 1),
                None => Token(1),
            };
            let head = v1::QueueHead { tenant: tenant.to_string(), owner: by.to_string(), token: token.0, state: None };
            inner.commit_or_go_on(vec![Effect::QueueHead(head)])?;
            let record = record(tenant, inner.state.tenant(tenant));
            record.map(Ok).ok_or_else(|| StoreError::Missing { key: format!("queues of {tenant}") })
        })
        .boxed()
    }

    fn holder<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<Holder>> {
        async move {
            let inner = self.lock();
            let queues = inner.state.find(tenant).and_then(|state| state.queues.as_ref());
            Ok(queues.map(|queues| Holder { owner: queues.owner.clone(), token: queues.token }))
        }
        .boxed()
    }

    fn requests<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<(String, Bytes)>> {
        async move {
            let inner = self.lock();
            let queues = inner.state.find(tenant).and_then(|state| state.queues.as_ref());
            let requests = queues.into_iter().flat_map(|queues| &queues.requests);
            Ok(requests.map(|(id, body)| (id.clone(), body.clone())).collect())
        }
        .boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<QueueRecord>> {
        async move { Ok(self.lock().state.find(tenant).and_then(|state| record(tenant, state))) }.boxed()
    }
}

/// The changes of a batch, without its facts.
fn changes(batch: QueueBatch) -> Vec<Effect> {
    let QueueBatch { owner, token, requests, reservations, state, consumed, .. } = batch;
    let tenant = batch.tenant.to_string();
    let item = |reservation: bool, id: String, body| {
        Effect::QueueItem(v1::QueueItem { tenant: tenant.clone(), reservation, id, body })
    };
    let mut effects: Vec<Effect> = Vec::with_capacity(2 + requests.len() + reservations.len());
    if state.is_some() {
        let head = v1::QueueHead { tenant: tenant.clone(), owner: owner.to_string(), token: token.0, state };
        effects.push(Effect::QueueHead(head));
    }
    effects.extend(requests.into_iter().map(|(id, body)| item(false, id, body)));
    effects.extend(reservations.into_iter().map(|(id, body)| item(true, id.to_string(), body)));
    effects.extend(consumed.as_ref().map(|consumed| consumed_effect(&batch.tenant, consumed)));
    effects
}

impl QueueState {
    /// Whether there is room for what a batch adds. Removals are subtracted first, and rows that stay are not counted anew.
    fn room(&self, batch: &QueueBatch) -> Result<(), Refusal> {
        let bound = bounds::RECORDS_MAX;
        let requests = grown(&self.requests, batch.requests.iter().map(|(id, body)| (id.as_str(), body.is_some())));
        let reserved = batch.reservations.iter().map(|(id, body)| (id.as_str(), body.is_some()));
        let has_grown = |before: usize, after: usize| after > before && after > bound;
        if has_grown(self.requests.len(), requests)
            || has_grown(self.reservations.len(), grown(&self.reservations, reserved))
        {
            return Err(Refusal::NoRoom { what: QUEUES, bound: bound as u64 });
        }
        Ok(())
    }
}

/// The number after changes: an id and whether it exists then.
fn grown<'a>(held: &BTreeMap<String, Bytes>, changes: impl Iterator<Item = (&'a str, bool)>) -> usize {
    let (mut added, mut gone) = (0, 0);
    for (id, stays) in changes {
        match (held.contains_key(id), stays) {
            (false, true) => added += 1,
            (true, false) => gone += 1,
            _ => {}
        }
    }
    (held.len() + added).saturating_sub(gone)
}

fn record(tenant: &TenantId, state: &TenantState) -> Option<QueueRecord> {
    let queues = state.queues.as_ref()?;
    let reservations = queues.reservations.iter();
    Some(QueueRecord {
        tenant: tenant.clone(),
        owner: queues.owner.clone(),
        token: queues.token,
        state: queues.state.clone(),
        requests: queues.requests.iter().map(|(id, body)| (id.clone(), body.clone())).collect(),
        reservations: reservations.filter_map(|(id, body)| Some((AgentId::parse(id).ok()?, body.clone()))).collect(),
        consumed: state.consumed.get(VIEW).copied().map_or(Position::START, position_of),
    })
}
