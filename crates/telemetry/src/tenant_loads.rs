//! What waits in a bounded queue that tenants share: of all, and of each tenant of which something does.

use std::collections::HashMap;

use model::TenantId;

use crate::shed::{Importance, QueueFill};

/// What waits, and what may.
#[derive(Debug)]
pub struct TenantLoads {
    room: QueueLoad,
    all: QueueLoad,
    of_tenants: HashMap<TenantId, QueueLoad>,
}

/// An amount of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLoad {
    /// In bytes.
    pub bytes: usize,
    /// In batches.
    pub batches: usize,
}

/// The room that a tenant finds.
#[derive(Clone, Copy, Debug)]
pub struct TenantRoom {
    bytes: QueueFill,
    batches: QueueFill,
}

impl TenantRoom {
    /// Whether a batch of that size takes something of that importance: by its bytes and as one more batch, whichever is scarcer.
    pub fn takes(self, importance: Importance, bytes: usize) -> bool {
        self.bytes.takes(importance, bytes) && self.batches.takes(importance, 1)
    }
}

impl TenantLoads {
    /// Of a queue in which nothing waits yet, and so much may.
    pub fn within(room: QueueLoad) -> Self {
        Self { room, all: QueueLoad::default(), of_tenants: HashMap::new() }
    }

    /// What waits of all.
    pub fn all(&self) -> QueueLoad {
        self.all
    }

    /// The room that a tenant finds now.
    pub fn room_of(&self, tenant: &TenantId) -> TenantRoom {
        let own = self.of_tenants.get(tenant).copied().unwrap_or_default();
        TenantRoom {
            bytes: QueueFill { own: own.bytes, waiting: self.all.bytes, room: self.room.bytes },
            batches: QueueFill { own: own.batches, waiting: self.all.batches, room: self.room.batches },
        }
    }

    /// One more batch waits: of a tenant, or of the role itself.
    pub fn add(&mut self, tenant: Option<&TenantId>, bytes: usize) {
        self.all.add(bytes);
        if let Some(tenant) = tenant {
            self.of_tenants.entry(tenant.clone()).or_default().add(bytes);
        }
    }

    /// One that was added waits no more.
    pub fn remove(&mut self, tenant: Option<&TenantId>, bytes: usize) {
        self.all.remove(bytes);
        let Some(tenant) = tenant else { return };
        if let Some(own) = self.of_tenants.get_mut(tenant) {
            own.remove(bytes);
            if own.batches == 0 {
                self.of_tenants.remove(tenant);
            }
        }
    }
}

impl QueueLoad {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.batches += 1;
    }

    fn remove(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.batches = self.batches.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_of_which_nothing_waits_is_forgotten() {
        let mut loads = TenantLoads::within(QueueLoad { bytes: 100, batches: 10 });
        let acme = TenantId::parse("acme").unwrap();
        loads.add(Some(&acme), 60);
        loads.add(None, 1);
        assert_eq!(loads.all(), QueueLoad { bytes: 61, batches: 2 });
        assert!(!loads.room_of(&acme).takes(Importance::Grave, 30));
        assert!(loads.room_of(&TenantId::parse("other").unwrap()).takes(Importance::Grave, 20));
        loads.remove(Some(&acme), 60);
        loads.remove(None, 1);
        assert!(loads.all() == QueueLoad::default() && loads.of_tenants.is_empty());
    }
}
