//! What a subscriber of sip-vq gets: the virtual queues' state, and their facts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use contracts::provisioning::{DnKind, Object, ObjectKind};
use contracts::v1;
use infra::{EventEntry, StoreError};
use model::{Subject, TenantId, Timestamp};
use net::configuration::Configuration;

use super::view::QueueView;
use crate::node_events::{Ownership, Sieve};

/// A tenant's view, once it has begun.
pub type ViewSlot = Arc<Mutex<Option<QueueView>>>;

/// The views of all tenants.
#[derive(Clone, Default)]
pub struct Views {
    slots: Arc<Mutex<HashMap<TenantId, ViewSlot>>>,
    /// Tenants whose view could not be begun because of a fault.
    faulty: Arc<Mutex<HashSet<TenantId>>>,
}

impl Views {
    /// The place of a tenant's view.
    pub fn of(&self, tenant: &TenantId) -> ViewSlot {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant.clone()).or_default().clone()
    }

    /// Notes that a fault keeps a tenant's view from beginning.
    pub fn note_fault(&self, tenant: &TenantId) {
        self.faulty.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
    }

    /// Whether the tenant's virtual queues are known, or a fault keeps them from being: no other tenant waits for that one.
    pub fn is_settled(&self, tenant: &TenantId) -> bool {
        let has_begun = self.of(tenant).lock().unwrap_or_else(PoisonError::into_inner).is_some();
        has_begun || self.faulty.lock().unwrap_or_else(PoisonError::into_inner).contains(tenant)
    }
}

/// The virtual queues of all tenants: each node has them all.
pub struct VirtualQueues {
    /// Their state.
    pub views: Views,
    /// Their names.
    pub configuration: Configuration,
}

#[tonic::async_trait]
impl Ownership for VirtualQueues {
    type Sieve = OfQueues;

    async fn snapshot(&self, tenant: &TenantId) -> infra::Result<v1::Snapshot> {
        let Some(config) = self.configuration.tenant(tenant) else {
            return Err(StoreError::Invalid(format!("there is no tenant {tenant}")));
        };
        let queues = config.of_kind(ObjectKind::Dn).filter_map(|object| match object {
            Object::Dn(dn) if matches!(dn.kind, DnKind::VirtualQueue) => Some(dn.number.clone()),
            _ => None,
        });
        let queues = queues.collect();
        let kept = self.views.of(tenant);
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = kept.as_ref().map(|view| view.snapshot(queues));
        begun.ok_or_else(|| StoreError::Unavailable { reason: "the virtual queues are being read".to_owned() })
    }

    fn sieve(&self, _: &TenantId) -> OfQueues {
        OfQueues
    }
}

/// Lets the facts of virtual queues pass.
pub struct OfQueues;

impl Sieve for OfQueues {
    fn take(&mut self, entry: EventEntry, _: Timestamp, out: &mut Vec<EventEntry>) {
        if matches!(entry.event.id.subject, Subject::Queue(_)) {
            out.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip_vq::view::QueueView;

    #[test]
    fn a_tenant_is_settled_when_its_queues_are_known_or_cannot_be() {
        let views = Views::default();
        let [good, bad] = ["good", "bad"].map(|name| TenantId::parse(name).unwrap());
        assert!(!views.is_settled(&good) && !views.is_settled(&bad));
        *views.of(&good).lock().unwrap() = Some(QueueView::default());
        views.note_fault(&bad);
        assert!(views.is_settled(&good) && views.is_settled(&bad));
    }
}
