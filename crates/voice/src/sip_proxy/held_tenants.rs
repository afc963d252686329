//! The tenants as sip-proxy needs them, found by their domains and by the numbers of their phones: each request of a stranger asks, so that its
//! cost must not grow with the number of tenants.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::TenantId;
use sip::proxy::{Trunk, Trunks};

use super::trunk_digests::TenantDigests;

/// Configuration kept for a tenant.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: TenantId,
    pub(super) version: String,
    pub(super) realm: String,
    pub(super) phones: HashSet<String>,
    pub(super) trunks: Vec<Arc<Trunk>>,
    /// The numbers at which it is called, without the `+` in front of them.
    pub(super) numbers: Arc<HashSet<Box<str>>>,
    /// Against what those are checked who call by the trunks.
    pub(super) digests: Option<Arc<TenantDigests>>,
    pub(super) emergency_numbers: Vec<Box<str>>,
}

/// All tenants. Of those that share a domain or a number the first by its id comes first.
#[derive(Debug, Default)]
pub(super) struct HeldTenants {
    /// In order of their ids.
    all: Vec<Arc<Held>>,
    /// By their domains, in lower case.
    by_realm: HashMap<String, Vec<Arc<Held>>>,
    /// By the numbers of their phones.
    by_number: HashMap<String, Vec<Arc<Held>>>,
    trunks: Arc<Trunks>,
}

impl HeldTenants {
    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Held>> {
        self.all.iter()
    }

    /// The trunks of all.
    pub(super) const fn trunks(&self) -> &Arc<Trunks> {
        &self.trunks
    }

    /// One of them.
    pub(super) fn get(&self, id: &TenantId) -> Option<&Arc<Held>> {
        let at = self.all.binary_search_by(|held| held.id.cmp(id)).ok()?;
        self.all.get(at)
    }

    /// The tenant whose phone a user is. A user who names a phone in the domain of its tenant is that phone, from any place. Any other host, an
    /// address of ours or of a carrier, does not name a tenant: the phone is searched `among` these tenants, which are in order, or among all
    /// when there are none.
    pub(super) fn of_phone(&self, user: &str, host: &str, among: &[TenantId]) -> Option<&Arc<Held>> {
        let may_be = |held: &&Arc<Held>| among.is_empty() || among.binary_search(&held.id).is_ok();
        let is_phone = |held: &&Arc<Held>| held.phones.contains(user);
        let in_domain = || self.in_domain(host).iter().filter(is_phone);
        let by_number = || self.by_number.get(user).into_iter().flatten().find(may_be);
        in_domain().find(may_be).or_else(|| in_domain().next()).or_else(by_number)
    }

    /// The domain in which a user at a host is challenged who is no phone.
    pub(super) fn realm_of(&self, host: &str) -> Option<&str> {
        self.in_domain(host).first().or_else(|| self.all.first()).map(|held| held.realm.as_str())
    }

    fn in_domain(&self, host: &str) -> &[Arc<Held>] {
        self.by_realm.get(&host.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }
}

impl FromIterator<Arc<Held>> for HeldTenants {
    fn from_iter<I: IntoIterator<Item = Arc<Held>>>(tenants: I) -> Self {
        let mut all: Vec<Arc<Held>> = tenants.into_iter().collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        let mut of = Self::default();
        for held in &all {
            of.by_realm.entry(held.realm.to_ascii_lowercase()).or_default().push(held.clone());
            for number in &held.phones {
                of.by_number.entry(number.clone()).or_default().push(held.clone());
            }
        }
        of.trunks = Arc::new(all.iter().flat_map(|held| held.trunks.iter().cloned()).collect());
        Self { all, ..of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(id: &str, realm: &str, phones: &[&str]) -> Arc<Held> {
        Arc::new(Held {
            id: TenantId::parse(id).unwrap(),
            version: "1".to_owned(),
            realm: realm.to_owned(),
            phones: phones.iter().map(|phone| (*phone).to_owned()).collect(),
            trunks: Vec::new(),
            numbers: Arc::default(),
            digests: None,
            emergency_numbers: Vec::new(),
        })
    }

    #[test]
    fn of_tenants_with_one_domain_or_number_the_first_by_its_id_comes_first() {
        let all = [
            held("zenith", "one.example", &["7101", "7102"]),
            held("acme", "One.example", &["7101"]),
            held("middle", "two.example", &["7102"]),
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
