//! What a subscriber of sip-vq gets: the virtual queues' state, and their facts.

use std::collections::HashMap;
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
pub struct Views(Arc<Mutex<HashMap<TenantId, ViewSlot>>>);

impl Views {
    /// The place of a tenant's view.
    pub fn of(&self, tenant: &TenantId) -> ViewSlot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant.clone()).or_default().clone()
    }

    /// Whether the tenant's virtual queues are known.
    pub fn has_begun(&self, tenant: &TenantId) -> bool {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        kept.is_some_and(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).is_some())
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
