//! A tenant's open call threads, and who may write them.

use std::collections::BTreeMap;

use bytes::Bytes;
use contracts::v1::effect::Effect;
use contracts::{v1, wire};
use model::{CallUuid, Owner, TenantId, Token};

use crate::threads::{THREADS, ThreadBatch};
use crate::{Refusal, bounds};

/// A tenant's threads.
pub(super) struct OpenThreads {
    pub(super) owner: Owner,
    pub(super) token: Token,
    pub(super) open: BTreeMap<CallUuid, Bytes>,
}

impl OpenThreads {
    /// Whether there is room for what a batch adds; a batch that does not add is never refused.
    pub(super) fn room(&self, batch: &ThreadBatch) -> Result<(), Refusal> {
        let (mut added, mut gone) = (0, 0);
        for (id, body) in &batch.threads {
            match (self.open.contains_key(id), body) {
                (false, Some(_)) => added += 1,
                (true, None) => gone += 1,
                _ => {}
            }
        }
        if added > gone && self.open.len() + added - gone > bounds::CALLS_MAX {
            return Err(Refusal::NoRoom { what: THREADS, bound: bounds::CALLS_MAX as u64 });
        }
        Ok(())
    }

    /// The effects that recreate this state.
    pub(super) fn dump(&self, tenant: &TenantId) -> Vec<Effect> {
        let head = v1::ThreadsHead { tenant: tenant.to_string(), owner: self.owner.to_string(), token: self.token.0 };
        let items = self.open.iter().map(|(id, body)| Effect::ThreadItem(thread_item(tenant, *id, Some(body.clone()))));
        std::iter::once(Effect::ThreadsHead(head)).chain(items).collect()
    }

    // === effects ===

    /// The threads after a claim.
    pub(super) fn claimed(held: Option<Self>, head: &v1::ThreadsHead) -> Option<Self> {
        let Ok(owner) = head.owner.parse::<Owner>() else { return held };
        Some(Self { owner, token: Token(head.token), open: held.map(|held| held.open).unwrap_or_default() })
    }

    pub(super) fn apply_item(&mut self, item: v1::ThreadItem) {
        let Ok(id) = wire::uuid_from_wire(&item.thread, "thread") else { return };
        match item.body {
            Some(body) => self.open.insert(id, body),
            None => self.open.remove(&id),
        };
    }
}

/// The effect of writing a thread, or of removing it.
pub(super) fn thread_item(tenant: &TenantId, id: CallUuid, body: Option<Bytes>) -> v1::ThreadItem {
    v1::ThreadItem { tenant: tenant.to_string(), thread: wire::uuid_to_wire(id), body }
}
