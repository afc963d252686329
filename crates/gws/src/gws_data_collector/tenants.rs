//! The tenants in which somebody searches, each collected by a task of its own: from the first search until some minutes after the last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{TenantId, Timestamp};
use net::http::Problem;
use runtime::{RoleContext, fault};
use tokio::sync::watch;

use super::collecting::TenantCollector;
use super::metrics::Metrics;
use crate::tenant_reader::TenantReader;

/// The most tenants that a replica collects.
const TENANTS_MAX: usize = 500;
/// How long a tenant is collected after the last question: a shift may have its quiet hours.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// Pause before a tenant is collected again after a fault.
const BEGIN_ANEW: Duration = Duration::from_secs(5);
/// How often the time of tenants passes.
const TICK: Duration = Duration::from_secs(5);

/// The tenants. Cheap to clone.
#[derive(Clone)]
pub(super) struct CollectedTenants {
    ctx: RoleContext,
    reader: TenantReader,
    metrics: Metrics,
    kept: Arc<Mutex<HashMap<TenantId, KeptTenant>>>,
}

/// A tenant, and what stops its task when it is dropped.
struct KeptTenant {
    used_at: Timestamp,
    collected: Arc<watch::Sender<u64>>,
    _stop: watch::Sender<()>,
}

impl CollectedTenants {
    /// None yet.
    ///
    /// # Errors
    /// If the role does not declare its connection to tenant.
    pub fn new(ctx: &RoleContext, metrics: &Metrics) -> anyhow::Result<Self> {
        let reader = TenantReader::new(ctx)?;
        Ok(Self { ctx: ctx.clone(), reader, metrics: metrics.clone(), kept: Arc::default() })
    }

    /// The tenant is collected from now on, if it was not. Changes each time that its directory was.
    ///
    /// # Errors
    /// When too many are collected (503).
    pub fn follow(&self, tenant: &TenantId) -> Result<watch::Receiver<u64>, Problem> {
        let now = self.ctx.clock.now();
        let mut kept = self.lock();
        if let Some(known) = kept.get_mut(tenant) {
            known.used_at = now;
            return Ok(known.collected.subscribe());
        }
        if kept.len() >= TENANTS_MAX {
            return Err(Problem::unavailable("too many tenants are collected here"));
        }
        let (collected, first) = watch::channel(0);
        let collected = Arc::new(collected);
        let (stop, stopped) = watch::channel(());
        self.ctx.spawn("collecting a tenant", collect(self.clone(), tenant.clone(), collected.clone(), stopped));
        kept.insert(tenant.clone(), KeptTenant { used_at: now, collected, _stop: stop });
        Ok(first)
    }

    /// Lets go of those that nobody has asked about for long.
    pub async fn keep_time(self) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = self.ctx.drain.ended() => return Ok(()),
                _ = tick.tick() => {}
            }
            for tenant in self.let_go() {
                // What all replicas share may be in use elsewhere.
                if !self.ctx.stores.search.is_shared()
                    && let Err(error) = self.ctx.stores.search.forget(&tenant).await
                {
                    tracing::debug!(%tenant, %error, "what was collected stays");
                }
            }
        }
    }

    fn let_go(&self) -> Vec<TenantId> {
        let now = self.ctx.clock.now();
        let mut kept = self.lock();
        let is_over = |tenant: &KeptTenant| now.since(tenant.used_at) > KEPT_FOR;
        let over: Vec<TenantId> = kept.iter().filter(|(_, tenant)| is_over(tenant)).map(|(id, _)| id.clone()).collect();
        kept.retain(|_, tenant| !is_over(tenant));
        self.metrics.tenants.set(i64::try_from(kept.len()).unwrap_or(i64::MAX));
        over
    }

    /// The map is whole after every step.
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, KeptTenant>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Collects a tenant until nobody needs it. A fault there costs its own collection alone, which begins anew.
async fn collect(
    tenants: CollectedTenants,
    tenant: TenantId,
    collected: Arc<watch::Sender<u64>>,
    stopped: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let mut gone = stopped.clone();
    loop {
        let collector = TenantCollector {
            ctx: tenants.ctx.clone(),
            tenant: tenant.clone(),
            reader: tenants.reader.clone(),
            metrics: tenants.metrics.clone(),
            collected: collected.clone(),
        };
        let Err(error) = fault::contained(collector.run(stopped.clone())).await else { return Ok(()) };
        tenants.metrics.failed.inc();
        tracing::error!(%tenant, error = format!("{error:#}"), "collecting a tenant has a fault: it begins anew");
        tokio::select! {
            () = tenants.ctx.drain.ended() => return Ok(()),
            _ = gone.changed() => return Ok(()),
            () = tokio::time::sleep(BEGIN_ANEW) => {}
        }
    }
}
