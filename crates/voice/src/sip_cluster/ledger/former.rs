//! The calls that previous runs of this node have left.

use infra::{CallLedger, Record};
use model::{ConnId, Owner, TenantId};

use crate::quarantine::is_suspect;

/// Claims the calls that previous runs of this node have left in the ledger.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn claim_former(
    calls: &dyn CallLedger,
    us: &Owner,
    tenants: &[TenantId],
) -> infra::Result<Vec<Record<ConnId>>> {
    let mut claimed = Vec::new();
    for tenant in tenants {
        for holding in calls.owners(tenant).await? {
            let former = holding.owner;
            if former.node != us.node || former.epoch >= us.epoch {
                continue;
            }
            // Records that were being processed when a process died come one by one, later.
            let orphans = || -> infra::Answer<'_, Vec<Record<ConnId>>> {
                let listed = calls.orphans(tenant, &former, infra::bounds::CLAIM_BATCH);
                Box::pin(async move { Ok(listed.await?.into_iter().filter(|record| !is_suspect(record)).collect()) })
            };
            claimed.extend(infra::claim_all(tenant, orphans, |claims| calls.claim(us, claims)).await?);
        }
    }
    Ok(claimed)
}
