//! The tenants as sip-proxy needs them, found by their domains and by the numbers of their phones: each request of a stranger asks, so that its
//! cost must not grow with the number of tenants. A change makes a next state, which shares with the one before what is the same in them.

mod changes;

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use model::{SharedMap, SharedSet, TenantId};
use net::configuration::TenantConfig;
use sip::proxy::{Trunk, Trunks};

use super::trunk_digests::TenantDigests;

pub(super) use changes::Outdated;

/// Configuration kept for a tenant.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: TenantId,
    /// What all that follows is of.
    pub(super) config: Arc<TenantConfig>,
    pub(super) realm: String,
    pub(super) phones: SharedSet<Arc<str>>,
    pub(super) trunks: Arc<[Arc<Trunk>]>,
    /// The numbers at which it is called, without the `+` in front of them.
    pub(super) numbers: SharedSet<Box<str>>,
    /// Against what those are checked who call by the trunks.
    pub(super) digests: Option<Arc<TenantDigests>>,
    pub(super) emergency_numbers: Arc<[Box<str>]>,
}

/// A phone's number and its tenant. No tenant comes before every tenant: there the search for a number begins.
type PhoneOf = (Arc<str>, Option<TenantId>);

/// All tenants. Of those that share a domain or a number the first by its id comes first.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldTenants {
    all: SharedMap<TenantId, Arc<Held>>,
    /// By their domains, in lower case; in order.
    by_realm: SharedMap<String, Vec<TenantId>>,
    by_number: SharedSet<PhoneOf>,
    trunks: Arc<Trunks>,
    numbers: SharedMap<TenantId, SharedSet<Box<str>>>,
    emergency_numbers: Arc<HashSet<Box<str>>>,
}

impl HeldTenants {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.all.len()
    }

    /// The trunks of all.
    pub(super) const fn trunks(&self) -> &Arc<Trunks> {
        &self.trunks
    }

    /// The numbers of each.
    pub(super) const fn numbers(&self) -> &SharedMap<TenantId, SharedSet<Box<str>>> {
        &self.numbers
    }

    /// The emergency numbers of all.
    pub(super) fn emergency_numbers(&self) -> &HashSet<Box<str>> {
        &self.emergency_numbers
    }

    /// One of them.
    pub(super) fn get(&self, id: &TenantId) -> Option<&Arc<Held>> {
        self.all.get(id)
    }

    /// The tenant whose phone a user is. A user who names a phone in the domain of its tenant is that phone, from any place. Any other host, an
    /// address of ours or of a carrier, does not name a tenant: the phone is searched `among` these tenants, which are in order, or among all
    /// when there are none.
    pub(super) fn of_phone(&self, user: &str, host: &str, among: &[TenantId]) -> Option<&Arc<Held>> {
        let may_be = |held: &&Arc<Held>| among.is_empty() || among.binary_search(&held.id).is_ok();
        let is_phone = |held: &&Arc<Held>| held.phones.contains_key(user);
        let in_domain = || self.in_domain(host).filter(is_phone);
        let by_number = || self.with_number(user, among);
        in_domain().find(may_be).or_else(|| in_domain().next()).or_else(by_number)
    }

    /// The domain in which a user at a host is challenged who is no phone.
    pub(super) fn realm_of(&self, host: &str) -> Option<&str> {
        let in_domain = self.in_domain(host).next();
        in_domain.or_else(|| self.all.values().next()).map(|held| held.realm.as_str())
    }

    fn in_domain<'a>(&'a self, host: &str) -> impl Iterator<Item = &'a Arc<Held>> + use<'a> {
        let tenants = self.by_realm.get(host.to_ascii_lowercase().as_str());
        tenants.into_iter().flatten().filter_map(move |id| self.all.get(id))
    }

    /// The first tenant that has a phone of this number.
    fn with_number(&self, number: &str, among: &[TenantId]) -> Option<&Arc<Held>> {
        if !among.is_empty() {
            let mut among = among.iter().filter_map(|id| self.all.get(id));
            return among.find(|held| held.phones.contains_key(number));
        }
        let first: PhoneOf = (number.into(), None);
        let ((found, tenant), ()) = self.by_number.range_from(Bound::Included(&first)).next()?;
        self.all.get(tenant.as_ref().filter(|_| **found == *number)?)
    }

    /// Takes over a tenant as it is now; none if there is no such tenant any more.
    fn change(&mut self, id: &TenantId, now: Option<Arc<Held>>) {
        let before = match &now {
            Some(now) => self.all.insert(id.clone(), now.clone()),
            None => self.all.remove(id),
        };
        let realm = |held: &Arc<Held>| held.realm.to_ascii_lowercase();
        let (realm_before, realm) = (before.as_ref().map(realm), now.as_ref().map(realm));
        if realm_before != realm {
            if let Some(realm) = realm_before {
                self.change_realm(realm, |tenants| tenants.retain(|tenant| tenant != id));
            }
            if let Some(realm) = realm {
                self.change_realm(realm, |tenants| {
                    let place = tenants.partition_point(|tenant| tenant < id);
                    tenants.insert(place, id.clone());
                });
            }
        }
        let none = SharedSet::new();
        let before = before.as_ref().map_or(&none, |held| &held.phones);
        let now = now.as_ref().map_or(&none, |held| &held.phones);
        for difference in now.differences(before, |(), ()| true) {
            let phone: PhoneOf = (difference.key.clone(), Some(id.clone()));
            match difference.now {
                Some(()) => drop(self.by_number.insert(phone, ())),
                None => drop(self.by_number.remove(&phone)),
            }
        }
    }

    fn change_realm(&mut self, realm: String, change: impl FnOnce(&mut Vec<TenantId>)) {
        let mut tenants = self.by_realm.remove(&realm).unwrap_or_default();
        change(&mut tenants);
        if !tenants.is_empty() {
            self.by_realm.insert(realm, tenants);
        }
    }
}

#[cfg(test)]
impl Held {
    /// A tenant of a version with nothing but phones.
    pub(super) fn of_phones((id, version): (&str, &str), realm: &str, phones: &[&str]) -> Arc<Self> {
        let mut config = TenantConfig::default();
        config.version = version.to_owned();
        Arc::new(Self {
            id: TenantId::parse(id).expect("a tenant's id"),
            config: Arc::new(config),
            realm: realm.to_owned(),
            phones: phones.iter().map(|phone| (Arc::from(*phone), ())).collect(),
            trunks: Arc::default(),
            numbers: SharedSet::new(),
            digests: None,
            emergency_numbers: Arc::default(),
        })
    }
}

#[cfg(test)]
impl FromIterator<Arc<Held>> for HeldTenants {
    fn from_iter<I: IntoIterator<Item = Arc<Held>>>(tenants: I) -> Self {
        let mut of = Self::default();
        for held in tenants {
            let id = held.id.clone();
            of.change(&id, Some(held));
        }
        of.gather(&Self::default());
        of
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_tenants_with_one_domain_or_number_the_first_by_its_id_comes_first() {
        let all = [
            Held::of_phones(("zenith", "1"), "one.example", &["7101", "7102"]),
            Held::of_phones(("acme", "1"), "One.example", &["7101"]),
            Held::of_phones(("middle", "1"), "two.example", &["7102"]),
        ];
        let tenants: HeldTenants = all.into_iter().collect();
        let of = |user: &str, host: &str| tenants.of_phone(user, host, &[]).map(|held| held.id.as_str());
        assert_eq!(of("7101", "ONE.example"), Some("acme"));
        assert_eq!(of("7102", "one.example"), Some("zenith"));
        assert_eq!(of("7102", "192.0.2.1"), Some("middle"));
        assert_eq!(of("7103", "one.example"), None);
        assert_eq!(tenants.get(&TenantId::parse("middle").unwrap()).map(|held| &*held.realm), Some("two.example"));
        assert!(tenants.get(&TenantId::parse("nobody").unwrap()).is_none());
        assert_eq!(
            [tenants.realm_of("two.example"), tenants.realm_of("192.0.2.1")],
            ["two.example", "One.example"].map(Some)
        );
    }
}
