//! The tenants whose statistics somebody has open, each by a task of its own: from the first who asks about one until some minutes after
//! the last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::TenantId;
use runtime::{RoleContext, fault};
use tokio::sync::watch;

use super::feed::StatisticsFeed;
use super::followed::FollowedTenant;
use super::metrics::Metrics;
use crate::sessions::answers::ApiRefusal;

/// The most tenants that a replica follows.
const TENANTS_MAX: usize = 2_000;
/// Pause before a tenant is followed again after a fault.
const BEGIN_ANEW: Duration = Duration::from_secs(5);
/// How often the time of tenants passes.
const TICK: Duration = Duration::from_secs(1);

/// The tenants. Cheap to clone.
#[derive(Clone)]
pub(super) struct StatisticsTenants {
    ctx: RoleContext,
    metrics: Metrics,
    kept: Arc<Mutex<HashMap<TenantId, KeptStatistics>>>,
}

/// A tenant, and what stops its task when it is dropped.
struct KeptStatistics {
    followed: FollowedTenant,
    _stop: watch::Sender<()>,
}

impl StatisticsTenants {
    /// None yet.
    pub fn new(ctx: &RoleContext, metrics: &Metrics) -> Self {
        Self { ctx: ctx.clone(), metrics: metrics.clone(), kept: Arc::default() }
    }

    /// The tenant, which is followed from now on if it was not.
    ///
    /// # Errors
    /// When too many are followed (503).
    pub fn follow(&self, tenant: &TenantId) -> Result<FollowedTenant, ApiRefusal> {
        let mut kept = self.lock();
        if let Some(known) = kept.get(tenant) {
            known.followed.touch();
            return Ok(known.followed.clone());
        }
        if kept.len() >= TENANTS_MAX {
            return Err(ApiRefusal::for_another("too many tenants are followed here"));
        }
        let followed = FollowedTenant::new(self.ctx.clock.clone());
        let (stop, stopped) = watch::channel(());
        self.ctx.spawn("statistics of a tenant", read(self.clone(), tenant.clone(), followed.clone(), stopped));
        kept.insert(tenant.clone(), KeptStatistics { followed: followed.clone(), _stop: stop });
        Ok(followed)
    }

    /// Lets the time of each tenant pass, and lets go of those that nobody needs.
    pub async fn keep_time(self) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = self.ctx.drain.ended() => return Ok(()),
                _ = tick.tick() => {}
            }
            let mut kept = self.lock();
            let mut open = 0;
            kept.retain(|_, tenant| {
                let is_needed = !tenant.followed.handle_timeout();
                open += tenant.followed.count();
                is_needed
            });
            self.metrics.tenants.set(i64::try_from(kept.len()).unwrap_or(i64::MAX));
            self.metrics.statistics.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
    }

    /// The map is whole after every step.
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, KeptStatistics>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a tenant until nobody needs it. A fault there costs its own statistics alone, which are opened again.
async fn read(
    tenants: StatisticsTenants,
    tenant: TenantId,
    followed: FollowedTenant,
    stopped: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let StatisticsTenants { ctx, metrics, .. } = tenants;
    let mut gone = stopped.clone();
    let feed = StatisticsFeed {
        ctx: ctx.clone(),
        tenant: tenant.clone(),
        metrics: metrics.clone(),
        followed: followed.clone(),
    };
    loop {
        let Err(error) = fault::contained(feed.clone().run(stopped.clone())).await else { return Ok(()) };
        metrics.faults.inc();
        tracing::error!(%tenant, error = format!("{error:#}"), "reading a tenant's statistics has a fault: it begins anew");
        followed.all_broken();
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            _ = gone.changed() => return Ok(()),
            () = tokio::time::sleep(BEGIN_ANEW) => {}
        }
    }
}
