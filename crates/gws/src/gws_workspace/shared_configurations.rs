//! Configurations of desktops, each once for all sessions of its tenant that are told the same: that of a large tenant has megabytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::TenantId;
use serde_json::Value;

/// The most that differ of a tenant: people differ by their groups. A session whose configuration is a further one has it for itself.
const OF_TENANT_MAX: usize = 64;

/// Those that sessions have, by tenant.
#[derive(Default)]
pub(super) struct SharedConfigurations(Mutex<HashMap<TenantId, Vec<Weak<Value>>>>);

impl SharedConfigurations {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Vec<Weak<Value>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A configuration as a session keeps it: that of another session, if it is equal.
    pub fn shared(&self, tenant: &TenantId, configuration: Value) -> Arc<Value> {
        let known: Vec<Arc<Value>> = self.lock().get(tenant).into_iter().flatten().filter_map(Weak::upgrade).collect();
        // Nobody waits while large ones are compared.
        if let Some(same) = known.into_iter().find(|known| **known == configuration) {
            return same;
        }
        let own = Arc::new(configuration);
        let mut tenants = self.lock();
        tenants.retain(|_, of| {
            of.retain(|known| known.strong_count() > 0);
            !of.is_empty()
        });
        let of = tenants.entry(tenant.clone()).or_default();
        if of.len() < OF_TENANT_MAX {
            of.push(Arc::downgrade(&own));
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_configurations_of_a_tenant_are_one_for_as_long_as_a_session_has_it() {
        let configurations = SharedConfigurations::default();
        let [acme, bolt] = ["acme", "bolt"].map(|tenant| TenantId::parse(tenant).unwrap());
        let codes = |code: &str| json!({"actionCodes": [code]});
        let first = configurations.shared(&acme, codes("lunch"));
        assert!(Arc::ptr_eq(&first, &configurations.shared(&acme, codes("lunch"))));
        for other in [configurations.shared(&acme, codes("tea")), configurations.shared(&bolt, codes("lunch"))] {
            assert!(!Arc::ptr_eq(&first, &other));
        }
        drop(first);
        let again = configurations.shared(&acme, codes("lunch"));
        let left: Vec<usize> = configurations.lock().values().map(Vec::len).collect();
        assert_eq!((left, Arc::strong_count(&again)), (vec![1], 1), "nothing is kept that no session has");
    }

    #[test]
    fn of_a_tenant_so_many_are_remembered_that_differ() {
        let configurations = SharedConfigurations::default();
        let acme = TenantId::parse("acme").unwrap();
        let all: Vec<Arc<Value>> = (0..=OF_TENANT_MAX).map(|n| configurations.shared(&acme, json!(n))).collect();
        let again = |n: usize| configurations.shared(&acme, json!(n));
        assert!(Arc::ptr_eq(&all[OF_TENANT_MAX - 1], &again(OF_TENANT_MAX - 1)));
        assert!(!Arc::ptr_eq(&all[OF_TENANT_MAX], &again(OF_TENANT_MAX)));
    }
}
