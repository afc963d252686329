//! The credentials of phones that config has told, up to a number of them: then the one that was told first is forgotten, of whichever tenant.

use std::collections::{BTreeMap, HashMap};

use model::{Dn, TenantId};
use sip::proxy::Credentials;

/// Credentials by tenant and number.
#[derive(Debug)]
pub(super) struct KnownCredentials {
    max: usize,
    /// Each with its turn.
    of_tenants: HashMap<TenantId, HashMap<Dn, (u64, Credentials)>>,
    /// Each of them once, by their turns: the one told first in front.
    order: BTreeMap<u64, (TenantId, Dn)>,
    last: u64,
}

impl KnownCredentials {
    /// Of at most so many phones.
    pub(super) fn new(max: usize) -> Self {
        Self { max, of_tenants: HashMap::new(), order: BTreeMap::new(), last: 0 }
    }

    pub(super) fn get(&self, tenant: &TenantId, user: &str) -> Option<&Credentials> {
        self.of_tenants.get(tenant)?.get(user).map(|(_, credentials)| credentials)
    }

    pub(super) fn keep(&mut self, (tenant, dn): (TenantId, Dn), credentials: Credentials) {
        let of_tenant = self.of_tenants.entry(tenant.clone()).or_default();
        if let Some((_, known)) = of_tenant.get_mut(&dn) {
            *known = credentials;
            return;
        }
        self.last += 1;
        of_tenant.insert(dn.clone(), (self.last, credentials));
        self.order.insert(self.last, (tenant, dn));
        if self.order.len() > self.max {
            self.forget_first();
        }
    }

    /// Forgets those of all other tenants.
    pub(super) fn retain(&mut self, stays: impl Fn(&TenantId) -> bool) {
        let before = self.of_tenants.len();
        self.of_tenants.retain(|tenant, _| stays(tenant));
        if self.of_tenants.len() < before {
            self.order.retain(|_, (tenant, _)| stays(tenant));
        }
    }

    /// Forgets those of a phone.
    pub(super) fn forget(&mut self, tenant: &TenantId, number: &str) {
        let Some(of_tenant) = self.of_tenants.get_mut(tenant) else { return };
        let Some((turn, _)) = of_tenant.remove(number) else { return };
        self.order.remove(&turn);
        if of_tenant.is_empty() {
            self.of_tenants.remove(tenant);
        }
    }

    fn forget_first(&mut self) {
        let Some((_, (tenant, dn))) = self.order.pop_first() else { return };
        let Some(of_tenant) = self.of_tenants.get_mut(&tenant) else { return };
        of_tenant.remove(&dn);
        if of_tenant.is_empty() {
            self.of_tenants.remove(&tenant);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.order.len(), self.of_tenants.values().map(HashMap::len).sum::<usize>());
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_told_first_is_forgotten_of_whichever_tenant() {
        let mut known = KnownCredentials::new(4);
        let [small, large] = ["small", "large"].map(|id| TenantId::parse(id).unwrap());
        let keep = |known: &mut KnownCredentials, tenant: &TenantId, number: usize| {
            let dn = Dn::parse(&number.to_string()).unwrap();
            known.keep((tenant.clone(), dn), Credentials::Unknown { realm: None });
        };
        keep(&mut known, &large, 1);
        keep(&mut known, &small, 1);
        for number in 2..5 {
            keep(&mut known, &large, number);
        }
        assert!(known.get(&small, "1").is_some() && known.get(&large, "1").is_none());
        // Told anew, it keeps its turn.
        keep(&mut known, &small, 1);
        assert_eq!(known.len(), 4);
        keep(&mut known, &large, 5);
        assert_eq!((known.len(), known.get(&small, "1").is_some()), (4, false));
        known.forget(&large, "3");
        known.forget(&small, "1");
        assert_eq!((known.len(), known.get(&large, "3").is_some()), (3, false));
        known.retain(|tenant| *tenant == small);
        assert_eq!(known.len(), 0);
    }
}
