//! What sip-proxy keeps of the tenants' configuration, from one state of it to the next: by the objects that differ.

use std::collections::HashSet;
use std::sync::Arc;

use contracts::provisioning::{DnKind, Object, ObjectKind, Trunk as TrunkObject};
use model::TenantId;
use net::configuration::{ObjectDifference, TenantConfig, Tenants};
use net::resolver::place_of;
use sip::proxy::{Network, Trunk};
use tracing::warn;

use super::{Held, HeldTenants};
use crate::emergency_numbers;
use crate::sip_proxy::trunk_digests::{self, DigestsByTenant, TenantDigests};

/// With more changed phones of a tenant the credentials of all its phones are outdated.
const OUTDATED_MAX: usize = 1_024;

/// The phones whose credentials may be others now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::sip_proxy) struct Outdated {
    /// All of these tenants.
    pub(in crate::sip_proxy) tenants: Vec<TenantId>,
    /// Some of other tenants.
    pub(in crate::sip_proxy) phones: Vec<(TenantId, String)>,
}

impl HeldTenants {
    /// The tenants as they are now. What that costs depends on how many objects differ, and on how many tenants there are: each is looked at.
    pub(in crate::sip_proxy) fn after(&self, tenants: &Tenants, digests: &DigestsByTenant) -> (Self, Outdated) {
        let (mut next, mut outdated) = (self.clone(), Outdated::default());
        let nothing = TenantConfig::default();
        for (id, config) in tenants.iter() {
            let (before, digests) = (self.get(id), digests.get(id));
            let is_same = |held: &Arc<Held>| Arc::ptr_eq(&held.config, config) && held.has_digests(digests);
            if before.is_some_and(is_same) {
                continue;
            }
            let differences = config.differences(before.map_or(&nothing, |held| &*held.config));
            let now = Held::after(before, (id, config), digests, &differences).map(Arc::new);
            if let Some(before) = before {
                outdated.note(before, now.as_ref(), &differences);
            }
            next.change(id, now);
        }
        for id in self.all.keys().filter(|id| !tenants.contains_key(*id)) {
            outdated.tenants.push(id.clone());
            next.change(id, None);
        }
        next.gather(self);
        (next, outdated)
    }

    /// Makes anew what is of all tenants, if it differs from the state before.
    pub(super) fn gather(&mut self, before: &Self) {
        let changed = self.all.differences(&before.all, Arc::ptr_eq);
        let has_other_trunks = changed.iter().any(|one| match (one.before, one.now) {
            (Some(before), Some(now)) => !Arc::ptr_eq(&before.trunks, &now.trunks),
            (before, now) => before.or(now).is_some_and(|held| !held.trunks.is_empty()),
        });
        let has_other_emergency_numbers = changed.iter().any(|one| {
            one.before.map(|held| &held.emergency_numbers[..]).unwrap_or_default()
                != one.now.map(|held| &held.emergency_numbers[..]).unwrap_or_default()
        });
        for one in changed {
            match one.now {
                Some(held) => drop(self.numbers.insert(one.key.clone(), held.numbers.clone())),
                None => drop(self.numbers.remove(one.key)),
            }
        }
        if has_other_trunks {
            self.trunks = Arc::new(self.all.values().flat_map(|held| held.trunks.iter().cloned()).collect());
        }
        if has_other_emergency_numbers {
            let all: HashSet<Box<str>> =
                self.all.values().flat_map(|held| held.emergency_numbers.iter().cloned()).collect();
            self.emergency_numbers = Arc::new(all);
        }
    }
}

impl Outdated {
    fn note(&mut self, before: &Held, now: Option<&Arc<Held>>, differences: &[ObjectDifference<'_>]) {
        let is_dn = |difference: &&ObjectDifference<'_>| difference.key.kind == ObjectKind::Dn;
        let dns = || differences.iter().filter(is_dn);
        if now.is_none_or(|now| now.realm != before.realm) || dns().count() > OUTDATED_MAX {
            self.tenants.push(before.id.clone());
        } else {
            self.phones.extend(dns().map(|difference| (before.id.clone(), difference.key.id.clone())));
        }
    }
}

impl Held {
    fn has_digests(&self, digests: Option<&Arc<TenantDigests>>) -> bool {
        match (&self.digests, digests) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// What is kept of a tenant, `None` if it has no record: what was kept before, changed by the objects that differ.
    pub(in crate::sip_proxy) fn after(
        before: Option<&Arc<Self>>,
        (id, config): (&TenantId, &Arc<TenantConfig>),
        digests: Option<&Arc<TenantDigests>>,
        differences: &[ObjectDifference<'_>],
    ) -> Option<Self> {
        let realm = config.tenant()?.realm.clone();
        let mut phones = before.map(|held| held.phones.clone()).unwrap_or_default();
        let mut numbers = before.map(|held| held.numbers.clone()).unwrap_or_default();
        for difference in differences {
            let name = difference.key.id.as_str();
            match difference.key.kind {
                ObjectKind::Dn => {
                    let is_phone = difference.now.is_some_and(|object| is_phone(object));
                    if !is_phone {
                        phones.remove(name);
                    } else if !phones.contains_key(name) {
                        phones.insert(name.into(), ());
                    }
                }
                ObjectKind::Number => {
                    let number = name.trim_start_matches('+');
                    let is_one = |form: &str| config.get(ObjectKind::Number, form).is_some();
                    if is_one(number) || is_one(&format!("+{number}")) {
                        numbers.insert(number.into(), ());
                    } else {
                        numbers.remove(number);
                    }
                }
                _ => {}
            }
        }
        let has_other = |kind: ObjectKind| differences.iter().any(|difference| difference.key.kind == kind);
        let trunks = match before {
            Some(before) if !has_other(ObjectKind::Trunk) && before.has_digests(digests) => before.trunks.clone(),
            _ => trunks_of(id, config, digests),
        };
        let emergency_numbers = match before {
            Some(before) if !has_other(ObjectKind::DialRule) => before.emergency_numbers.clone(),
            _ => emergency_numbers::of_tenant(config).into(),
        };
        let (id, config, digests) = (id.clone(), config.clone(), digests.cloned());
        Some(Self { id, config, realm, phones, trunks, numbers, digests, emergency_numbers })
    }
}

fn is_phone(object: &Object) -> bool {
    matches!(object, Object::Dn(dn) if matches!(dn.kind, DnKind::Extension { .. }))
}

fn trunks_of(id: &TenantId, config: &TenantConfig, digests: Option<&Arc<TenantDigests>>) -> Arc<[Arc<Trunk>]> {
    let trunks = config.of_kind(ObjectKind::Trunk).filter_map(|object| match object {
        Object::Trunk(trunk) => {
            let inbound = trunk_digests::inbound(trunk, digests.map(|digests| &**digests));
            Some(Arc::new(Trunk { inbound, ..trunk_of(id, trunk) }))
        }
        _ => None,
    });
    trunks.collect()
}

/// A trunk by which nobody calls who has to give a password.
pub(in crate::sip_proxy) fn trunk_of(tenant: &TenantId, trunk: &TrunkObject) -> Trunk {
    let allow = trunk.sources().filter_map(|text| {
        let network = Network::parse(&text);
        if network.is_none() {
            warn!(%tenant, trunk = trunk.name, source = text, "not a network; calls from it are refused");
        }
        network
    });
    let allow: Vec<Network> = allow.collect();
    // Where none of its networks is one, no call comes from it: without networks its certificate would count from anywhere.
    let is_nowhere = allow.is_empty() && !trunk.allow.is_empty();
    let certificate_names = trunk.certificate_names.iter().filter(|_| !is_nowhere);
    let certificate_names = certificate_names.map(|name| name.to_ascii_lowercase().into()).collect();
    let asked = trunk.outgoing().filter(|_| trunk.options).and_then(|(contact, _)| place_of(&format!("sip:{contact}")));
    let user = trunk.registers().map(|(_, user)| user.to_owned());
    let server = trunk.registers().and_then(|(contact, _)| place_of(&format!("sip:{contact}")));
    let registrar = server.map(|server| server.host.to_ascii_lowercase().into()).filter(|_| !is_nowhere);
    let (tenant, name, inbound) = (tenant.clone(), trunk.name.clone(), trunk_digests::inbound(trunk, None));
    Trunk { tenant, name, allow, certificate_names, asked, user, registrar, inbound }
}

#[cfg(test)]
mod tests;
