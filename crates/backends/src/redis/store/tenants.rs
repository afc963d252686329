//! The lists of tenants.

use std::sync::PoisonError;

use infra::Result;
use model::TenantId;

use crate::redis::RedisStores;
use crate::redis::connection::reply;

/// The list of tenants that have a stream of facts.
pub(in crate::redis) const STREAMS: &str = "stream";

/// Tenants that a process remembers as announced; beyond this number it announces again.
const ANNOUNCED_MAX: usize = 10_000;

impl RedisStores {
    /// Adds a tenant to a list of tenants, once per process, connection and generation of Redis's data. The list is in a slot of its
    /// own, so it cannot be part of the write that it announces; it is written first.
    pub(in crate::redis) async fn announce(&self, list: &'static str, tenant: &TenantId) -> Result<()> {
        let entry = (list, tenant.clone());
        if self.announced.lock().unwrap_or_else(PoisonError::into_inner).contains(&entry)
            && !self.connections.reconnected()
        {
            return Ok(());
        }
        self.list(list, tenant).await?;
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if self.connections.take_reconnected() || announced.len() >= ANNOUNCED_MAX {
            announced.clear();
        }
        announced.insert(entry);
        Ok(())
    }

    /// Adds a tenant to a list of tenants.
    pub(in crate::redis) async fn list(&self, list: &str, tenant: &TenantId) -> Result<()> {
        self.connections.command(redis::cmd("SADD").arg(format!("tenants:{list}")).arg(tenant.as_str())).await.map(drop)
    }

    /// Redis was emptied: writers announce their tenants again.
    pub(in crate::redis) fn announce_again(&self) {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The tenants of a list, in order.
    pub(in crate::redis) async fn listed(&self, list: &'static str) -> Result<Vec<TenantId>> {
        let reply = self.connections.command(redis::cmd("SMEMBERS").arg(format!("tenants:{list}"))).await?;
        let mut tenants: Vec<TenantId> = Vec::new();
        for name in reply::list(&reply)? {
            match reply::text(Some(name)).ok().and_then(|name| TenantId::parse(&name).ok()) {
                Some(tenant) => tenants.push(tenant),
                None => tracing::error!(list, "a name in a list of tenants is none"),
            }
        }
        tenants.sort();
        Ok(tenants)
    }
}
