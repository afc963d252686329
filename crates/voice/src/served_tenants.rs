//! The tenants that a role serves, each by a loop of its own.

use std::collections::HashSet;

use model::TenantId;

/// The most tenants of an installation.
const TENANTS_MAX: usize = 10_000;

/// See the module. None is removed while the process runs.
#[derive(Default)]
pub struct ServedTenants {
    tenants: HashSet<TenantId>,
    is_full: bool,
}

impl ServedTenants {
    /// Adds a tenant; returns whether it is new and served from now on.
    pub fn add(&mut self, tenant: &TenantId) -> bool {
        if self.tenants.len() < TENANTS_MAX {
            return self.tenants.insert(tenant.clone());
        }
        if !self.tenants.contains(tenant) && !std::mem::replace(&mut self.is_full, true) {
            let most = TENANTS_MAX;
            tracing::error!(%tenant, most, "there are more tenants than are served: this one is not, give it an installation of its own");
        }
        false
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_new_once_and_none_is_added_beyond_the_bound() {
        let mut served = ServedTenants::default();
        let tenant = |n: usize| TenantId::parse(&format!("t{n}")).expect("a name");
        assert!((0..TENANTS_MAX).all(|n| served.add(&tenant(n))));
        assert!(!served.add(&tenant(3)) && !served.add(&tenant(TENANTS_MAX)));
        assert!(served.is_full);
        assert_eq!(served.iter().count(), TENANTS_MAX);
    }
}
