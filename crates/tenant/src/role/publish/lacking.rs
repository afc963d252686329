//! Tenants that are published and that the database lacks. Rows that are missing say nothing: the database may be another one, or one into
//! which tenant after tenant is restored. What is published goes when somebody has deleted the tenant, and then alone.

use std::collections::BTreeSet;

use model::TenantId;

use super::Cached;

/// Those that nobody has deleted.
#[derive(Default)]
pub(super) struct LackingTenants(BTreeSet<TenantId>);

impl LackingTenants {
    /// Those of the cache that are among the ended ones; the others that the database lacks are warned of once.
    pub fn deleted(&mut self, lacked: BTreeSet<TenantId>, ended: &BTreeSet<TenantId>) -> Vec<TenantId> {
        let (deleted, lacking): (BTreeSet<_>, BTreeSet<_>) = lacked.into_iter().partition(|id| ended.contains(id));
        for tenant in lacking.difference(&self.0) {
            tracing::warn!(%tenant, "the database lacks a tenant that nobody has deleted: what is published of it stays");
        }
        self.0 = lacking;
        deleted.into_iter().collect()
    }
}

/// Those of the cache that are not there.
pub(super) fn lacked(cached: &Cached, there: &BTreeSet<TenantId>) -> BTreeSet<TenantId> {
    cached.keys().filter(|tenant| !there.contains(*tenant)).cloned().collect()
}
