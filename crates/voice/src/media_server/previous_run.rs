//! The legs that previous runs of this node have left in the ledger, and those released from quarantine.

use std::collections::VecDeque;
use std::time::Duration;

use infra::{MediaLedger, MediaSessionId, Record};
use model::{Owner, TenantId};
use net::http::Client;
use runtime::RoleContext;
use tokio::sync::mpsc;

use crate::quarantine::is_suspect;

/// How long config may take to name the tenants at start before the node continues without its earlier legs.
const TENANTS_WITHIN: Duration = Duration::from_secs(15);
/// The pause between queries until then.
const TENANTS_AGAIN: Duration = Duration::from_millis(100);

/// How often legs released from quarantine are searched for.
const RELEASED_EVERY: Duration = Duration::from_secs(5);

/// The legs that previous runs of this node have left.
#[derive(Default)]
pub struct PreviousRunLegs {
    /// Legs that this run has claimed.
    pub claimed: Vec<Record<MediaSessionId>>,
    /// Records that may have ended a process. Each is claimed only when its turn comes: if this process fails, the ledger shows which
    /// record caused it.
    pub suspects: VecDeque<Record<MediaSessionId>>,
}

/// Searches for legs that an operator has released from quarantine. They belong to no run of any node: the first node that claims one gets
/// it. Ends with the role.
///
/// # Errors
/// When no client of config can be created.
pub async fn watch_released(ctx: RoleContext, found: mpsc::Sender<Record<MediaSessionId>>) -> anyhow::Result<()> {
    let config = Client::new(&ctx, "own-04")?;
    loop {
        tokio::time::sleep(RELEASED_EVERY).await;
        let Ok(names) = config.get("/tenants").idempotent().fetch::<Vec<String>>().await else { continue };
        for tenant in names.iter().filter_map(|name| TenantId::parse(name).ok()) {
            for record in released_of(&*ctx.stores.media, &tenant).await.unwrap_or_default() {
                if found.send(record).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// The legs of a tenant that were released from quarantine and are claimed by no node.
///
/// # Errors
/// Errors of the ledger.
pub async fn released_of(ledger: &dyn MediaLedger, tenant: &TenantId) -> infra::Result<Vec<Record<MediaSessionId>>> {
    ledger.orphans(tenant, &infra::released(), infra::bounds::CLAIM_BATCH).await
}

/// Claims the legs that previous runs of this node have left in the ledger.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn claim(ctx: &RoleContext) -> anyhow::Result<PreviousRunLegs> {
    let config = Client::new(ctx, "own-04")?;
    let asking = async {
        loop {
            match config.get("/tenants").idempotent().fetch::<Vec<String>>().await {
                Ok(names) => return names,
                Err(_) => tokio::time::sleep(TENANTS_AGAIN).await,
            }
        }
    };
    let names = tokio::select! {
        names = tokio::time::timeout(TENANTS_WITHIN, asking) => names,
        () = ctx.drain.begun() => return Ok(PreviousRunLegs::default()),
    };
    let Ok(names) = names else {
        tracing::error!("config does not name the tenants: legs of the previous run are not restored");
        return Ok(PreviousRunLegs::default());
    };
    let tenants: Vec<TenantId> = names.iter().filter_map(|name| TenantId::parse(name).ok()).collect();
    let former = claim_of(&*ctx.stores.media, &ctx.owner(), &tenants).await?;
    let (legs, suspects) = (former.claimed.len(), former.suspects.len());
    if legs + suspects > 0 {
        tracing::info!(legs, suspects, "legs of the previous run are restored");
    }
    Ok(former)
}

/// As [`claim`], for these tenants.
///
/// # Errors
/// Errors of the ledger.
pub async fn claim_of(ledger: &dyn MediaLedger, us: &Owner, tenants: &[TenantId]) -> infra::Result<PreviousRunLegs> {
    let mut former = PreviousRunLegs::default();
    for tenant in tenants {
        for holding in ledger.owners(tenant).await? {
            if holding.owner.node != us.node || holding.owner.epoch >= us.epoch {
                continue;
            }
            let listed = || ledger.orphans(tenant, &holding.owner, infra::bounds::CLAIM_BATCH);
            let sound = || -> infra::Answer<'_, Vec<Record<MediaSessionId>>> {
                let listed = listed();
                Box::pin(async move { Ok(listed.await?.into_iter().filter(|record| !is_suspect(record)).collect()) })
            };
            former.claimed.extend(infra::claim_all(tenant, sound, |claims| ledger.claim(us, claims)).await?);
            former.suspects.extend(listed().await?.into_iter().filter(is_suspect));
        }
    }
    Ok(former)
}
