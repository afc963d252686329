//! The tenants whose events are followed, each by a task of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use model::TenantId;
use net::tenant::TenantList;
use runtime::fact_in_hand::FactsInHand;
use runtime::{RoleContext, fault};
use tokio::sync::watch;

use super::Metrics;
use super::fault_memory::FaultMemory;
use super::feed::TenantFeed;
use super::history::TenantHistory;
use super::shared_history::SharedHistory;

/// The most tenants followed.
const TENANTS_MAX: usize = 10_000;
/// Pause before a tenant's history is read again after a fault: one that lasts must not delay the other tenants.
const BEGIN_ANEW: Duration = Duration::from_secs(5);

/// The histories of all tenants.
#[derive(Clone, Default)]
pub(super) struct FollowedTenants(Arc<Mutex<BTreeMap<TenantId, SharedHistory>>>);

impl FollowedTenants {
    pub fn find(&self, tenant: &TenantId) -> Option<SharedHistory> {
        self.lock().get(tenant).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TenantId, SharedHistory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows each tenant as long as it is listed.
pub(super) async fn follow_all(
    ctx: &RoleContext,
    metrics: &Metrics,
    followed: &FollowedTenants,
    mut listed: watch::Receiver<TenantList>,
) -> anyhow::Result<()> {
    let mut stops: HashMap<TenantId, watch::Sender<()>> = HashMap::new();
    let facts = FactsInHand::open(&ctx.data_dir, ctx.node.as_str(), &ctx.metrics);
    loop {
        tokio::select! {
            () = ctx.drain.begun() => return Ok(()),
            changed = listed.changed() => changed.context("nobody follows the tenants")?,
        }
        let now = listed.borrow_and_update().clone();
        stops.retain(|tenant, _| now.contains(tenant));
        followed.lock().retain(|tenant, _| now.contains(tenant));
        for tenant in now.iter() {
            if stops.contains_key(tenant) || stops.len() >= TENANTS_MAX {
                continue;
            }
            let (stop, stopped) = watch::channel(());
            let history = SharedHistory::new(tenant, metrics.clone());
            let faults = FaultMemory::new(facts.of(tenant));
            let about = (ctx.clone(), tenant.clone(), metrics.clone());
            ctx.spawn("events of a tenant", follow(about, history.clone(), faults, stopped));
            followed.lock().insert(tenant.clone(), history);
            stops.insert(tenant.clone(), stop);
        }
        metrics.tenants.set(i64::try_from(stops.len()).unwrap_or(i64::MAX));
    }
}

/// Follows a tenant until it is removed. A fault there costs its own history alone, which is read again from the stream.
async fn follow(
    (ctx, tenant, metrics): (RoleContext, TenantId, Metrics),
    history: SharedHistory,
    mut faults: FaultMemory,
    stopped: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let mut gone = stopped.clone();
    loop {
        let feed = TenantFeed::new(&ctx, &tenant, &metrics, history.clone());
        let feed = if faults.rebuilds() { feed.begin_now() } else { feed };
        let Err(error) = fault::contained(feed.run(&mut faults, stopped.clone())).await else { return Ok(()) };
        let now = ctx.clock.now();
        faults.failed(&error, now);
        metrics.faults.inc();
        tracing::error!(%tenant, error = format!("{error:#}"), "a tenant's history has a fault: it is read again from the stream");
        // Until then it is not answered.
        *history.lock() = TenantHistory::new(&tenant, metrics.clone());
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            _ = gone.changed() => return Ok(()),
            () = tokio::time::sleep(BEGIN_ANEW) => {}
        }
    }
}
