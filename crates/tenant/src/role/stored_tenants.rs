//! Which tenants the database has, and at which points of their histories. It is looked at whatever the cache does, so that readers on
//! 8888 are told of every tenant, also of those that cannot be published now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use infra::{HistoryPoint, ProvisioningStore};
use model::TenantId;
use runtime::RoleContext;
use tokio::sync::watch;

use crate::objects::HeldTenants;

/// How often the database is asked: an import is a separate process and notifies no role.
const LOOK: Duration = Duration::from_millis(500);

/// The tenants of the database with their points; not known before it has answered once. Copies are cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StoredTenants(Option<Arc<BTreeMap<TenantId, HistoryPoint>>>);

impl StoredTenants {
    /// Those that the database has named.
    pub fn known(tenants: impl IntoIterator<Item = (TenantId, HistoryPoint)>) -> Self {
        Self(Some(Arc::new(tenants.into_iter().collect())))
    }

    /// The point of a tenant's history; none if it is not among them, or they are not known.
    pub fn point(&self, tenant: &TenantId) -> Option<HistoryPoint> {
        self.0.as_ref()?.get(tenant).copied()
    }

    /// The tenants in order; none if they are not known.
    pub fn ids(&self) -> Option<impl Iterator<Item = &TenantId>> {
        Some(self.0.as_ref()?.keys())
    }
}

/// Tells which tenants there are until the role ends, and lets go what is held of others. While the database is away, those that it has
/// named last remain.
pub(super) async fn run(
    ctx: RoleContext,
    tell: watch::Sender<StoredTenants>,
    held: Arc<HeldTenants>,
) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut answers = true;
    loop {
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            _ = look.tick() => {}
        }
        let looked = look_once(&*ctx.stores.provisioning, &tell, &held).await;
        let answered = std::mem::replace(&mut answers, looked.is_ok());
        match looked {
            Ok(()) => {}
            // Logged once per outage.
            Err(error) if answered => {
                tracing::warn!(%error, "the database does not name the tenants: those known remain")
            }
            Err(error) => tracing::debug!(%error, "the database still does not name the tenants"),
        }
    }
}

async fn look_once(
    store: &dyn ProvisioningStore,
    tell: &watch::Sender<StoredTenants>,
    held: &HeldTenants,
) -> infra::Result<()> {
    let stored = StoredTenants::known(store.points().await?);
    // One that has just been made, and is not in this list yet, is read again.
    held.keep_those_of(|tenant| stored.point(tenant).is_some());
    tell.send_if_modified(|told| {
        let is_other = *told != stored;
        if is_other {
            *told = stored;
        }
        is_other
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use infra::Revision;

    use super::*;

    #[test]
    fn that_nothing_is_known_is_another_answer_than_that_there_is_no_tenant() {
        let acme = TenantId::parse("acme").unwrap();
        assert!(StoredTenants::default().ids().is_none());
        assert_eq!(StoredTenants::known([]).ids().map(Iterator::count), Some(0));
        let third = HistoryPoint::unstamped(Revision(3));
        let stored = StoredTenants::known([(acme.clone(), third)]);
        assert_eq!(stored.point(&acme), Some(third));
        assert_eq!(StoredTenants::default().point(&acme), None);
    }
}
