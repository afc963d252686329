//! Trunks: who may send calls as a carrier, what was refused, and settings without effect.

use std::collections::BTreeSet;
use std::net::IpAddr;

use contracts::provisioning::networks::ByRegistration;
use contracts::provisioning::{Trunk, UnfittingNumber};
use model::AddressFamily;
use net::tls::authorities;
use runtime::{Place, edge};

use super::dial_plan::missing_rules;
use super::shared_trunks::{shared_accounts, shared_certificate_names, shared_sources};
use crate::command::doctor::finding::Finding;
use crate::command::doctor::situation::{Situation, TenantSituation};

/// What of sip-proxy's settings counts for who may call as a carrier.
struct CarriersEdge {
    /// Whether other machines reach it.
    is_reachable: bool,
    /// Whether who connects is asked for a certificate.
    asks_for_certificates: bool,
    /// Whether several authorities vouch for who connects.
    has_many_authorities: bool,
    /// The families in which it listens for SIP.
    families: BTreeSet<AddressFamily>,
}

/// Reports the sources that may send calls as a carrier, and trunk settings without effect.
pub fn trunks(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    let edge = CarriersEdge {
        is_reachable: reachable_from_elsewhere(situation),
        asks_for_certificates: asks_for_certificates(situation),
        has_many_authorities: client_authorities(situation) > 1,
        families: families(situation),
    };
    for one in situation.tenants() {
        found.extend(missing_rules(one));
        for trunk in &one.objects.trunks {
            let place = format!("tenant {}, trunk {}", one.tenant, trunk.name);
            found.extend(callers(trunk, &place, &edge));
            found.extend(out_of_family(trunk, &place, &edge));
            found.extend(without_effect(trunk, &place));
        }
        found.extend(unfitting_numbers(one));
    }
    found.extend(shared_sources(situation));
    found.extend(shared_certificate_names(situation));
    found.extend(shared_accounts(situation));
    found.extend(away(situation));
    found.extend(refused(situation));
    found
}

/// Who may send calls by a trunk, and who cannot.
fn callers(trunk: &Trunk, place: &str, edge: &CarriersEdge) -> Vec<Finding> {
    let mut found = Vec::new();
    let everybody = trunk.allow.iter().any(|network| network.ends_with("/0"));
    if everybody && edge.is_reachable && trunk.certificate_names.is_empty() {
        let remedy = "name the carrier's networks in `allow`";
        found.push(match trunk.inbound_user {
            None => Finding::error(place, "whoever reaches this machine may send calls as this carrier", remedy),
            Some(_) => Finding::warning(place, "whoever reaches this machine may try passwords of this trunk", remedy),
        });
    }
    let by_registration = trunk.by_registration();
    if !trunk.is_recognised() && trunk.outgoing().is_none() {
        let what = "no call comes from it";
        found.push(Finding::warning(place, what, "give it `allow` (sources), or `certificate_names`"));
    }
    if !trunk.certificate_names.is_empty() && !edge.asks_for_certificates {
        let what = match by_registration {
            ByRegistration::No => {
                "its calls are refused: they are known by a certificate, and nobody who connects is asked for one"
            }
            ByRegistration::IfNameLeadsToTls | ByRegistration::Yes => {
                "its calls are refused that do not come by the TLS connection by which we register: they are known by a certificate, and nobody who connects is asked for one"
            }
        };
        let remedy = "set `sip-proxy.client_authorities` to a file with the authority of the carrier's certificate";
        found.push(Finding::error(place, what, remedy));
    }
    let is_anywhere = trunk.allow.is_empty() || everybody;
    if !trunk.certificate_names.is_empty() && is_anywhere && edge.has_many_authorities {
        let what = "each of `sip-proxy.client_authorities` can issue a certificate with which calls from anywhere are its calls";
        let remedy = "name the carrier's networks in `allow` beside `certificate_names`, or believe the carrier's own authority alone";
        found.push(Finding::warning(place, what, remedy));
    }
    found
}

/// A carrier whose address is of a family in which sip-proxy does not listen.
fn out_of_family(trunk: &Trunk, place: &str, edge: &CarriersEdge) -> Option<Finding> {
    let address = trunk.contact_address()?;
    let family = AddressFamily::of(address);
    (!edge.families.contains(&family)).then(|| {
        Finding::error(
            place,
            format!("no call goes out by it: {address} is an address of {family}, and sip-proxy does not listen in {family}"),
            "set `sip-proxy.sip_udp_listen` (and those of TCP and TLS) to an address of each family: docs/production.md, \"IPv6 beside IPv4\"",
        )
    })
}

/// Settings of a trunk that change nothing.
fn without_effect(trunk: &Trunk, place: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, why) in trunk.without_effect() {
        let what = format!("its `{key}` has no effect: {why}");
        found.push(Finding::warning(place, what, "correct or remove it in the tenant's file, and import that"));
    }
    found
}

/// Numbers that are no numbers in full, where others are.
fn unfitting_numbers(one: &TenantSituation) -> Vec<Finding> {
    let finding = |found: UnfittingNumber<'_>| {
        let trunk = found.trunk.map_or_else(String::new, |trunk| format!(", trunk {trunk}"));
        let what = format!("its `{}`: {}", found.key, found.why);
        Finding::warning(
            format!("tenant {}{trunk}", one.tenant),
            what,
            "correct it in the tenant's file, and import that",
        )
    };
    one.objects.unfitting_numbers().into_iter().map(finding).collect()
}

/// Carriers that answer no OPTIONS.
fn away(situation: &Situation) -> Option<Finding> {
    let count = situation.metric("sip-proxy", "sip_proxy_carriers_down");
    (count > 0.0).then(|| {
        Finding::warning(
            "sip-proxy",
            format!(
                "addresses of carriers do not answer OPTIONS ({count} in all sip-proxies): calls go by other trunks"
            ),
            "the log names them (\"a carrier does not answer OPTIONS\"); `trunkline doctor trunk NAME` tries one",
        )
    })
}

/// What sip-proxy has refused from carriers, or may have.
fn refused(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    if situation.metric("sip-proxy", "sip_proxy_trunks_unproved") > 0.0 {
        found.push(Finding::notice(
            "sip-proxy",
            "requests were refused that came from a trunk's address without its certificate, or with its certificate from another address",
            "the log names trunk and address; compare the carrier's certificate and addresses with `certificate_names` and `allow`",
        ));
    }
    if situation.metric("sip-proxy", "sip_proxy_calls_contested") > 0.0 {
        found.push(Finding::notice(
            "sip-proxy",
            "calls were refused that may have been for several tenants",
            "the log names the trunks; let one tenant alone name the account, the certificate or the number",
        ));
    }
    if situation.metric("sip-proxy", "sip_proxy_unknown_sources") > 0.0 {
        found.push(Finding::notice(
            "sip-proxy",
            "requests came from sources that are neither a trunk nor a phone, and were refused",
            "if a carrier is among them, add its network to the trunk's `allow`; the log names addresses (\"unknown source\", at level info)",
        ));
    }
    found
}

/// How many authorities vouch for who connects, as far as their files can be read.
fn client_authorities(situation: &Situation) -> usize {
    let files = voice::sip_proxy::certificate_files(&situation.values).unwrap_or_default();
    authorities::of_files(&files.clients).map(|roots| authorities::count(&roots)).unwrap_or_default()
}

fn asks_for_certificates(situation: &Situation) -> bool {
    voice::sip_proxy::certificate_files(&situation.values).is_some_and(|files| !files.clients.is_empty())
}

fn reachable_from_elsewhere(situation: &Situation) -> bool {
    sip_addresses(situation).any(|address| !address.is_loopback())
}

fn families(situation: &Situation) -> BTreeSet<AddressFamily> {
    sip_addresses(situation).map(AddressFamily::of).collect()
}

/// The addresses at which the first sip-proxy listens for phones and carriers.
fn sip_addresses(situation: &Situation) -> impl Iterator<Item = IpAddr> {
    let spec = &voice::sip_proxy::SPEC;
    let edge = spec.listens.iter().filter(|listen| listen.place == Place::Edge);
    edge.filter_map(|listen| edge::bounds(spec, listen, situation.instance, 1, &situation.values).ok())
        .flat_map(|bounds| bounds.all().map(|bound| bound.listen.ip()).collect::<Vec<_>>())
}
