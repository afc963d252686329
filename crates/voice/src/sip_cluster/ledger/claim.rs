//! Claims the calls of failed nodes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use infra::{Claim, Claimed, Record, Stores, bounds};
use model::{ConnId, Owner, TenantId, Timestamp, Token};

use crate::quarantine::{is_suspect, was_suspect_before_claim};
use crate::sip_cluster::node::lookup::{LEFT_TO_OTHERS, ROLE, is_successor};

/// Calls of a tenant that are read after a claim without an answer: more than a node may have.
const OWN_MAX: usize = 10_000;
/// Failed owners that are remembered.
const DEAD_MAX: usize = 1_000;

/// Calls that failed nodes have left, for this node to claim.
pub struct OrphanClaimer {
    stores: Stores,
    us: Owner,
    /// The tenants that config named last: a takeover does not wait for config.
    tenants: Mutex<Vec<TenantId>>,
    dead: tokio::sync::Mutex<FailedOwners>,
}

impl OrphanClaimer {
    /// Starts without known tenants.
    pub fn new(stores: Stores, us: Owner) -> Self {
        Self { stores, us, tenants: Mutex::default(), dead: tokio::sync::Mutex::default() }
    }

    /// Sets the tenants that config has named.
    pub fn know(&self, tenants: &[TenantId]) {
        *self.tenants.lock().unwrap_or_else(PoisonError::into_inner) = tenants.to_vec();
    }

    /// Claims calls of failed nodes, for the known tenants. `live` are the owners that proxies see live.
    pub async fn take(&self, live: &[Owner]) -> Vec<Record<ConnId>> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // One scan at a time.
        let mut dead = self.dead.lock().await;
        let look = OrphanScan { stores: &self.stores, us: &self.us, live, tenants: &tenants };
        let mut claimed = Vec::new();
        if let Err(error) = dead.claim_orphans(look, &mut claimed).await {
            tracing::warn!(%error, "calls of failed nodes cannot be claimed now");
        }
        if !claimed.is_empty() {
            tracing::info!(calls = claimed.len(), "calls of a failed node are taken over");
        }
        claimed
    }
}

/// Gives a call to another node; returns whether that is certain.
pub async fn give(stores: &Stores, (tenant, thread, token): (&TenantId, ConnId, Token), to: &Owner) -> bool {
    let claim = Claim { tenant: tenant.clone(), key: thread, seen: Some(token) };
    match stores.calls.claim(to, vec![claim]).await {
        Ok(claimed) => matches!(claimed[..], [Claimed::Yours(_)]),
        Err(error) => {
            tracing::warn!(%thread, %error, "a call may not have been handed over: it is looked up again");
            false
        }
    }
}

/// A scan of the ledger for calls of failed nodes.
#[derive(Clone, Copy)]
pub struct OrphanScan<'a> {
    /// Stores to scan.
    pub stores: &'a Stores,
    /// The node that claims.
    pub us: &'a Owner,
    /// The owners that proxies see live.
    pub live: &'a [Owner],
    /// Tenants whose calls are scanned.
    pub tenants: &'a [TenantId],
}

/// Failed owners, remembered from one scan to the next.
#[derive(Debug, Default)]
pub struct FailedOwners {
    since: HashMap<Owner, Timestamp>,
    /// Whether a claim was not answered: it may have taken effect.
    unsure: bool,
}

impl FailedOwners {
    /// Claims calls of owners that hold no lease and that no proxy sees live: first those of which this node is the successor,
    /// after [`LEFT_TO_OTHERS`] all that nobody has claimed.
    ///
    /// # Errors
    /// Those of the store; calls claimed before the error are in `claimed`.
    pub async fn claim_orphans(
        &mut self,
        look: OrphanScan<'_>,
        claimed: &mut Vec<Record<ConnId>>,
    ) -> infra::Result<()> {
        if self.unsure {
            for tenant in look.tenants {
                claimed.extend(look.stores.calls.orphans(tenant, look.us, OWN_MAX).await?);
            }
        }
        // Until the claims of this scan have been answered.
        self.unsure = true;
        self.claim_left(look, claimed).await?;
        self.unsure = false;
        Ok(())
    }

    async fn claim_left(&mut self, look: OrphanScan<'_>, claimed: &mut Vec<Record<ConnId>>) -> infra::Result<()> {
        let now = look.stores.clock.now();
        let left = look.left().await?;
        self.since.retain(|owner, _| left.iter().any(|(_, dead)| dead == owner));
        for (tenant, owner) in left {
            if self.since.len() >= DEAD_MAX && !self.since.contains_key(&owner) {
                continue;
            }
            let since = *self.since.entry(owner.clone()).or_insert(now);
            let which = if now.since(since) >= LEFT_TO_OTHERS { Which::All } else { Which::Ours };
            while look.claim_some(tenant, &owner, which, claimed).await? {}
        }
        Ok(())
    }
}

/// Which calls of a failed owner are claimed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those of which this node is the successor.
    Ours,
    /// Also those of other successors, which have not claimed them.
    All,
}

impl<'a> OrphanScan<'a> {
    /// Failed owners that have left calls, each with the tenant of the calls.
    async fn left(self) -> infra::Result<Vec<(&'a TenantId, Owner)>> {
        let leases = self.stores.leases.live(ROLE).await?;
        let lives = |owner: &Owner| self.live.contains(owner) || leases.iter().any(|lease| lease.owner == *owner);
        let mut left = Vec::new();
        for tenant in self.tenants {
            for holding in self.stores.calls.owners(tenant).await? {
                if holding.owner != *self.us && !lives(&holding.owner) {
                    left.push((tenant, holding.owner));
                }
            }
        }
        Ok(left)
    }

    /// Claims a batch; returns whether another one may follow. The rest belongs to other successors, or they are claiming it now.
    async fn claim_some(
        self,
        tenant: &TenantId,
        owner: &Owner,
        which: Which,
        claimed: &mut Vec<Record<ConnId>>,
    ) -> infra::Result<bool> {
        let records = self.stores.calls.orphans(tenant, owner, bounds::CLAIM_BATCH).await?;
        let wanted = |record: &&Record<ConnId>| which == Which::All || is_successor(self.us, self.live, record.key);
        let claim =
            |record: &Record<ConnId>| Claim { tenant: tenant.clone(), key: record.key, seen: Some(record.token) };
        let (suspect, sound): (Vec<_>, Vec<_>) = records.iter().filter(wanted).partition(|record| is_suspect(record));
        let mut claims: Vec<_> = sound.into_iter().map(claim).collect();
        let alone = claims.is_empty();
        if alone && !claimed.iter().any(was_suspect_before_claim) {
            // One at a time: if this process dies of it, the record is known to be the cause.
            claims.extend(suspect.into_iter().take(1).map(claim));
        }
        if claims.is_empty() {
            return Ok(false);
        }
        let before = claimed.len();
        let outcomes = self.stores.calls.claim(self.us, claims).await?;
        claimed.extend(outcomes.into_iter().filter_map(|outcome| match outcome {
            Claimed::Yours(record) => Some(record),
            _ => None,
        }));
        Ok(claimed.len() > before && !alone)
    }
}
