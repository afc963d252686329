//! The open call threads: one owner per tenant.

use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{Owner, TenantId, Token};

use super::Embedded;
use super::open_threads::thread_item;
use super::state::position_of;
use super::turn::consumed_effect;
use crate::record::Written;
use crate::threads::{ThreadBatch, ThreadClaim, ThreadLedger, ThreadPage};
use crate::{Answer, Position};

impl ThreadLedger for Embedded {
    fn commit(&self, batch: ThreadBatch) -> Answer<'_, Written> {
        self.write(move |inner| {
            let Some(threads) = &inner.state.tenant(&batch.tenant).threads else { return Ok(Written::Unknown) };
            if threads.owner != batch.owner || threads.token != batch.token {
                return Ok(Written::Fenced { owner: threads.owner.clone(), token: threads.token });
            }
            if let Err(refusal) = batch.check().and_then(|()| threads.room(&batch)) {
                return Ok(Written::Refused(refusal));
            }
            inner.commit_or_go_on(changes(batch))?;
            Ok(Written::Done { position: None })
        })
        .boxed()
    }

    fn claim<'a>(&'a self, by: &'a Owner, tenant: &'a TenantId, view: &'static str) -> Answer<'a, ThreadClaim> {
        self.write(move |inner| {
            let state = inner.state.tenant(tenant);
            let token = Token(state.threads.as_ref().map_or(0, |threads| threads.token.0) + 1);
            let consumed = state.consumed.get(view).copied().map_or(Position::START, position_of);
            let head = v1::ThreadsHead { tenant: tenant.to_string(), owner: by.to_string(), token: token.0 };
            inner.commit_or_go_on(vec![Effect::ThreadsHead(head)])?;
            Ok(ThreadClaim { token, consumed })
        })
        .boxed()
    }

    /// One page has all of them: a body in memory is shared, not copied.
    fn list<'a>(&'a self, tenant: &'a TenantId, _from: u64) -> Answer<'a, ThreadPage> {
        async move {
            let inner = self.lock();
            let threads = inner.state.find(tenant).and_then(|state| state.threads.as_ref());
            let all = threads.into_iter().flat_map(|threads| &threads.open).map(|(id, body)| (*id, body.clone()));
            Ok(ThreadPage { threads: all.collect(), next: None })
        }
        .boxed()
    }
}

fn changes(batch: ThreadBatch) -> Vec<Effect> {
    let ThreadBatch { tenant, threads, consumed, .. } = batch;
    let mut effects: Vec<Effect> =
        threads.into_iter().map(|(id, body)| Effect::ThreadItem(thread_item(&tenant, id, body))).collect();
    effects.extend(consumed.as_ref().map(|consumed| consumed_effect(&tenant, consumed)));
    effects
}
