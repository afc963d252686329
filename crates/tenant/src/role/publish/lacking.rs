//! Tenants that are published and that the database has no more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use infra::HistoryPoint;
use model::{TenantId, Timestamp};

use super::Cached;

/// For how long the database lacks a tenant before what is published of it goes: an import or a restore that makes it anew is no end.
const LACKED_FOR: Duration = Duration::from_secs(4);

/// Since when the database has lacked them.
#[derive(Default)]
pub(super) struct LackingTenants {
    since: BTreeMap<TenantId, Timestamp>,
    has_warned: bool,
}

impl LackingTenants {
    /// Those of the cache that the database has lacked for long enough. One without any tenant is taken for another database, or for one
    /// that is not restored yet: by its word all calls of the installation would end.
    pub fn gone(&mut self, cached: &Cached, stored: &[(TenantId, HistoryPoint)], now: Timestamp) -> Vec<TenantId> {
        if stored.is_empty() {
            self.since.clear();
            if !cached.is_empty() && !std::mem::replace(&mut self.has_warned, true) {
                let published = cached.len();
                tracing::warn!(published, "the database has no tenant at all: those that are published stay");
            }
            return Vec::new();
        }
        self.has_warned = false;
        let there: BTreeSet<&TenantId> = stored.iter().map(|(tenant, _)| tenant).collect();
        let lacked: Vec<&TenantId> = cached.keys().filter(|tenant| !there.contains(*tenant)).collect();
        let since = std::mem::take(&mut self.since);
        self.since = lacked.into_iter().map(|id| (id.clone(), since.get(id).copied().unwrap_or(now))).collect();
        let is_over = |since: Timestamp| now.since(since) >= LACKED_FOR;
        self.since.iter().filter(|(_, since)| is_over(**since)).map(|(tenant, _)| tenant.clone()).collect()
    }
}
