//! The tenants whose events are followed, each by a task of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use model::TenantId;
use net::tenant::TenantList;
use runtime::RoleContext;
use tokio::sync::watch;

use super::Metrics;
use super::feed::TenantFeed;
use super::shared_history::SharedHistory;

/// The most tenants followed.
const TENANTS_MAX: usize = 10_000;

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
            let history = SharedHistory::new(metrics.clone());
            let feed = TenantFeed::new(ctx, tenant, metrics, history.clone());
            ctx.spawn("events of a tenant", feed.run(stopped));
            followed.lock().insert(tenant.clone(), history);
            stops.insert(tenant.clone(), stop);
        }
        metrics.tenants.set(i64::try_from(stops.len()).unwrap_or(i64::MAX));
    }
}
