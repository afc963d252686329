//! The senders to the tenants' loops. A loop to which nobody else has a sender makes room for that of another tenant.

use std::collections::HashMap;

use model::TenantId;
use tokio::sync::mpsc;

/// The most tenants of one rq.
const TENANTS_MAX: usize = 1_000;

/// The senders, of what a loop is asked.
pub(super) struct OpenLoops<A> {
    senders: HashMap<TenantId, mpsc::Sender<A>>,
}

impl<A> Default for OpenLoops<A> {
    fn default() -> Self {
        Self { senders: HashMap::new() }
    }
}

impl<A> OpenLoops<A> {
    /// The sender to a tenant's loop, if that one is open.
    pub fn sender_to(&self, tenant: &TenantId) -> Option<mpsc::Sender<A>> {
        self.senders.get(tenant).cloned()
    }

    /// Whether there is room for a further loop. If all places are taken, that of a tenant that no stream names is freed: role tenant has
    /// one for each tenant that there is. The loop ends with its last sender, and what it has written stays in the ledger.
    pub fn make_room(&mut self) -> bool {
        if self.senders.len() < TENANTS_MAX {
            return true;
        }
        let unused = self.senders.iter().find(|(_, sender)| sender.strong_count() == 1);
        let Some(tenant) = unused.map(|(tenant, _)| tenant.clone()) else { return false };
        tracing::info!(%tenant, "nobody asks for these queues: they make room for those of another tenant");
        self.senders.remove(&tenant).is_some()
    }

    /// A loop is open.
    pub fn add(&mut self, tenant: TenantId, asks: mpsc::Sender<A>) {
        self.senders.insert(tenant, asks);
    }

    /// All of them.
    pub fn all(&self) -> Vec<mpsc::Sender<A>> {
        self.senders.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_whom_nobody_names_any_more_makes_room_for_another() {
        let mut open = OpenLoops::<()>::default();
        let tenant = |number: usize| TenantId::parse(&format!("tenant-{number}")).unwrap();
        let mut asked = Vec::new();
        for number in 0..TENANTS_MAX {
            assert!(open.make_room());
            let (asks, of_tenant) = mpsc::channel(1);
            open.add(tenant(number), asks);
            asked.push(of_tenant);
        }
        let mut streams = open.all();
        assert!(!open.make_room(), "all are in use");
        drop(open.sender_to(&tenant(7)));
        assert!(!open.make_room(), "one that was asked once more is still in use");
        streams.retain(|stream| !stream.same_channel(&open.sender_to(&tenant(7)).unwrap()));
        assert!(open.make_room());
        assert!(open.sender_to(&tenant(7)).is_none());
        let ended: Vec<usize> = (0..TENANTS_MAX).filter(|number| asked[*number].is_closed()).collect();
        assert_eq!(ended, [7], "its loop is told, and no other one");
        assert!(open.make_room(), "the place is free");
    }
}
