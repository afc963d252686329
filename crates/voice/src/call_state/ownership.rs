//! The stored form of a tenant's view, written by the one node that follows the tenant (voice-42).

use infra::{Consumed, Numbers, Stores, ThreadBatch, Written};
use model::{Owner, TenantId, Timestamp, Token};
use tracing::{error, info, warn};

use super::metrics::Metrics;
use super::view::{ThreadChange, ThreadChanges, View};

/// The view's name in the stores.
pub(super) const VIEW: &str = "call-state";

/// The right to write a tenant's view.
pub(super) struct Ownership {
    stores: Stores,
    tenant: TenantId,
    owner: Owner,
    token: Token,
    numbers: Numbers,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// Everything is stored.
    Done,
    /// The store takes not all of it; it is tried again.
    Refused,
    /// Another node has taken the view over.
    Lost,
}

impl Ownership {
    /// Takes the view over from the node that had it. Whoever follows the tenant may do so.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn take_over(
        stores: &Stores,
        tenant: &TenantId,
        owner: Owner,
        metrics: &Metrics,
    ) -> infra::Result<(Self, View)> {
        let claim = stores.threads.claim(&owner, tenant, VIEW).await?;
        let (mut threads, mut from) = (Vec::new(), Some(0));
        while let Some(place) = from {
            let page = stores.threads.list(tenant, place).await?;
            threads.extend(page.threads);
            from = page.next;
        }
        info!(%tenant, token = claim.token.0, threads = threads.len(), position = %claim.consumed, "calls are followed");
        let view = View::restore(tenant, claim.consumed, threads, metrics.clone());
        let (stores, tenant) = (stores.clone(), tenant.clone());
        Ok((Self { stores, tenant, owner, token: claim.token, numbers: Numbers::default() }, view))
    }

    /// Stores what has changed. The records of closed threads must be safe before.
    ///
    /// # Errors
    /// Those of the store: what is not stored is stored the next time.
    pub async fn keep(&mut self, view: &mut View, now: Timestamp) -> infra::Result<Keeping> {
        let ThreadChanges { puts, removals } = view.changes();
        let (last, position) = (puts.len().saturating_sub(1), view.position());
        let consumed = |at| (at == last).then_some(Consumed { view: VIEW, position });
        let puts = puts.into_iter().enumerate().map(|(at, threads)| (threads, consumed(at)));
        let removals = removals.into_iter().filter(|part| !part.is_empty()).map(|threads| (threads, None));
        for (threads, consumed) in puts.chain(removals) {
            let written = self.commit(threads, consumed, now).await?;
            let keeping = self.settle(written, view).await?;
            if keeping != Keeping::Done {
                return Ok(keeping);
            }
        }
        view.stored();
        Ok(Keeping::Done)
    }

    /// Takes over the store's answer to one part.
    async fn settle(&mut self, written: Written, view: &mut View) -> infra::Result<Keeping> {
        match written {
            Written::Done { .. } => Ok(Keeping::Done),
            Written::Fenced { owner, .. } | Written::Exists { owner, .. } => {
                warn!(tenant = %self.tenant, %owner, "another node follows the calls now");
                Ok(Keeping::Lost)
            }
            Written::Unknown | Written::Ended | Written::NotAbsorbed => {
                warn!(tenant = %self.tenant, "the store has lost the call threads: they are written again");
                self.token = self.stores.threads.claim(&self.owner, &self.tenant, VIEW).await?.token;
                view.threads.store_again();
                Ok(Keeping::Refused)
            }
            Written::Refused(refusal) => {
                error!(tenant = %self.tenant, %refusal, "call threads are not stored: they end with this process");
                Ok(Keeping::Refused)
            }
        }
    }

    async fn commit(
        &mut self,
        threads: Vec<ThreadChange>,
        consumed: Option<Consumed>,
        now: Timestamp,
    ) -> infra::Result<Written> {
        let batch = ThreadBatch {
            tenant: self.tenant.clone(),
            owner: self.owner.clone(),
            token: self.token,
            threads,
            consumed,
            number: self.numbers.take(1, now),
        };
        self.stores.threads.commit(batch).await
    }
}
