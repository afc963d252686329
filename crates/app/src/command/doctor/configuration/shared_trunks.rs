//! What trunks of several tenants have in common, so that calls come to one of them alone: networks, names in certificates, and accounts
//! with carriers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use contracts::provisioning::networks;

use crate::command::doctor::finding::{Finding, some_of};
use crate::command::doctor::situation::Situation;

/// Networks that trunks of several tenants name, or that lie in another tenant's. sip-proxy takes the trunk with the narrowest network,
/// whatever number is called.
pub fn shared_sources(situation: &Situation) -> Vec<Finding> {
    let mut named: BTreeMap<(IpAddr, u8), BTreeMap<&str, &str>> = BTreeMap::new();
    for one in situation.tenants() {
        // Certificates tell the others apart.
        for trunk in one.objects.trunks.iter().filter(|trunk| trunk.certificate_names.is_empty()) {
            for network in trunk.networks() {
                named.entry(network).or_default().insert(one.tenant.as_str(), &trunk.name);
            }
        }
    }
    let advice = "let the carrier call each tenant from an address of its own, and name only that in `allow`";
    let mut found = Vec::new();
    for (inner, tenants) in &named {
        let place = format!("network {}/{}", inner.0, inner.1);
        if tenants.len() > 1 {
            let what = format!(
                "trunks of several tenants name it ({}): its calls come to one of them alone",
                named_by(tenants)
            );
            found.push(Finding::warning(&place, what, advice));
        }
        let around = named.iter().filter(|(outer, others)| {
            *outer != inner
                && networks::contains(**outer, *inner)
                && others.keys().any(|other| !tenants.contains_key(other))
        });
        for (outer, others) in around {
            let what = format!(
                "it lies in {}/{} of another tenant ({}): calls from there come to {} alone",
                outer.0,
                outer.1,
                named_by(others),
                named_by(tenants)
            );
            // It may be meant so: a carrier's address that was taken out.
            let advice = "if that is not meant, leave it out of one of them";
            found.push(Finding::notice(&place, what, advice));
        }
    }
    found
}

/// Names in certificates that trunks of several tenants have.
pub fn shared_certificate_names(situation: &Situation) -> Vec<Finding> {
    let mut named: BTreeMap<String, BTreeMap<&str, &str>> = BTreeMap::new();
    for one in situation.tenants() {
        for trunk in &one.objects.trunks {
            for name in &trunk.certificate_names {
                named.entry(name.to_lowercase()).or_default().insert(one.tenant.as_str(), &trunk.name);
            }
        }
    }
    let shared = named.iter().filter(|(_, tenants)| tenants.len() > 1);
    let finding = |(name, tenants): (&String, &BTreeMap<&str, &str>)| {
        let what = format!(
            "trunks of several tenants are known by it ({}): its calls come to one of them alone",
            named_by(tenants)
        );
        let advice =
            "let the carrier show each tenant a certificate of its own, and name only that in `certificate_names`";
        Finding::warning(format!("certificate name {name}"), what, advice)
    };
    shared.map(finding).collect()
}

/// Accounts that trunks of several tenants register.
pub fn shared_accounts(situation: &Situation) -> Vec<Finding> {
    let mut named: BTreeMap<(String, &str), BTreeMap<&str, &str>> = BTreeMap::new();
    for one in situation.tenants() {
        for trunk in &one.objects.trunks {
            if let Some((registrar, user)) = trunk.account() {
                let account = (registrar.to_lowercase(), user);
                named.entry(account).or_default().insert(one.tenant.as_str(), &trunk.name);
            }
        }
    }
    let shared = named.iter().filter(|(_, tenants)| tenants.len() > 1);
    let finding = |((registrar, user), tenants): (&(String, &str), &BTreeMap<&str, &str>)| {
        let what = format!(
            "trunks of several tenants register it ({}): its calls come to one of those alone whose password is taken",
            named_by(tenants)
        );
        let advice = "let one tenant alone register it, and leave it out of the others";
        Finding::warning(format!("account {user} at {registrar}"), what, advice)
    };
    shared.map(finding).collect()
}

/// Trunks by their tenants, for people.
fn named_by(tenants: &BTreeMap<&str, &str>) -> String {
    let trunks: Vec<String> = tenants.iter().map(|(tenant, name)| format!("{name} of tenant {tenant}")).collect();
    some_of(&trunks)
}
