//! The ledger of queues: one owner per tenant.

use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{AgentId, Owner, TenantId, Token};

use super::Embedded;
use super::ledgers::consumed_effect;
use super::state::position_of;
use super::tenant::TenantState;
use crate::ledger::{Holder, QueueLedger, QueueRecord};
use crate::record::Written;
use crate::{Answer, Position, QueueBatch, StoreError, bounds};

/// The view whose progress stands in a [`QueueRecord`].
const VIEW: &str = "rq";

impl QueueLedger for Embedded {
    fn commit(&self, batch: QueueBatch) -> Answer<'_, Written> {
        self.write(move |inner| {
            let state = inner.state.tenant(&batch.tenant);
            let Some(queues) = &state.queues else { return Ok(Written::Unknown) };
            if queues.owner != batch.owner || queues.token != batch.token {
                return Ok(Written::Fenced { owner: queues.owner.clone(), token: queues.token });
            }
            if queues.requests.len() + batch.requests.len() > bounds::RECORDS_MAX {
                return Err(StoreError::Full { what: "the queues", bound: bounds::RECORDS_MAX as u64 });
            }
            let tenant = batch.tenant.to_string();
            let head = v1::QueueHead {
                tenant: tenant.clone(),
                owner: batch.owner.to_string(),
                token: batch.token.0,
                state: batch.state,
            };
            let mut effects: Vec<Effect> =
                head.state.is_some().then_some(Effect::QueueHead(head)).into_iter().collect();
            let item = |reservation: bool, id: String, body| {
                Effect::QueueItem(v1::QueueItem { tenant: tenant.clone(), reservation, id, body })
            };
            effects.extend(batch.requests.into_iter().map(|(id, body)| item(false, id, body)));
            effects.extend(batch.reservations.into_iter().map(|(id, body)| item(true, id.to_string(), body)));
            let position = inner.state.add_events(&batch.tenant, &batch.events, &mut effects)?;
            effects.extend(batch.consumed.as_ref().map(|consumed| consumed_effect(&batch.tenant, consumed)));
            inner.commit(effects)?;
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
                Some(queues) if queues.owner == *by => queues.token,
                Some(queues) if seen.is_some_and(|seen| seen != queues.token) => {
                    return Ok(Err(Holder { owner: queues.owner.clone(), token: queues.token }));
                }
                Some(queues) => Token(queues.token.0 + 1),
                None => Token(1),
            };
            let head = v1::QueueHead { tenant: tenant.to_string(), owner: by.to_string(), token: token.0, state: None };
            inner.commit(vec![Effect::QueueHead(head)])?;
            let record = record(tenant, inner.state.tenant(tenant));
            record.map(Ok).ok_or_else(|| StoreError::Missing { key: format!("queues of {tenant}") })
        })
        .boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<QueueRecord>> {
        async move { Ok(self.lock().state.find(tenant).and_then(|state| record(tenant, state))) }.boxed()
    }
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
