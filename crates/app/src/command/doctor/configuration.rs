//! Settings, and the stored configuration of the tenants.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use contracts::provisioning::networks::ByRegistration;
use contracts::provisioning::{DialAction, DnKind, TenantObjects, networks};
use infra::SystemClock;
use net::tls::authorities;
use runtime::process::sections;
use runtime::{Place, RoleSpec, edge};

use super::finding::{Finding, some_of};
use super::situation::{Situation, TenantSituation};
use crate::roles;

/// Reports invalid settings.
pub fn settings(situation: &Situation) -> Vec<Finding> {
    let finding = |(key, reason): &(String, String)| {
        Finding::error(key, reason, "mend it: `trunkline settings` lists every setting with its kind and default")
    };
    situation.settings_faults.iter().map(finding).collect()
}

/// Reports advertised addresses that phones, carriers and browsers cannot reach.
pub fn addresses(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut loopback = Vec::new();
    for spec in roles::TABLE {
        for replica in 1..=sections::replica_count(&situation.values, spec.name) {
            for listen in spec.listens.iter().filter(|listen| listen.place == Place::Edge) {
                let bound = edge::bound(spec, listen, situation.instance, replica, &situation.values);
                let Ok(bound) = bound else { continue };
                let key = format!("{}.{}", spec.name, listen.name.replace('-', "_"));
                let told = bound.advertise.host.parse::<IpAddr>().ok();
                let told_loopback = told.is_some_and(|ip| ip.is_loopback()) || bound.advertise.host == "localhost";
                match (bound.listen.ip().is_loopback(), told_loopback) {
                    (false, true) => found.push(Finding::error(
                        format!("{key}_advertise"),
                        format!(
                            "it listens on {} and advertises {}, which no other machine can reach",
                            bound.listen, bound.advertise
                        ),
                        format!("set {key}_advertise to the address or name by which others reach this machine"),
                    )),
                    (true, false) if told.is_some() => found.push(Finding::warning(
                        format!("{key}_listen"),
                        format!("it tells {} but listens on {} alone", bound.advertise, bound.listen),
                        format!("set {key}_listen to an address of a network card, or leave {key}_advertise empty"),
                    )),
                    (true, true) => loopback.push(key),
                    _ => {}
                }
            }
        }
    }
    found.extend(half_loopback(situation));
    if !loopback.is_empty() && found.is_empty() {
        found.push(Finding::notice(
            some_of(&loopback),
            "only phones and browsers on this machine can reach it",
            "for others set `..._listen` to an address of a network card: docs/your-own-phone.md",
        ));
    }
    found
}

/// Reports signalling that is reachable from other machines while its audio is not.
fn half_loopback(situation: &Situation) -> Option<Finding> {
    let told = |spec: &RoleSpec, listener: &str| {
        let bound = edge::bound(spec, spec.listen(listener)?, situation.instance, 1, &situation.values).ok()?;
        bound.advertise.host.parse::<IpAddr>().ok()
    };
    let (sip, rtp) = (told(&voice::sip_proxy::SPEC, "sip-udp")?, told(&voice::media_server::SPEC, "rtp")?);
    (!sip.is_loopback() && rtp.is_loopback()).then(|| {
        Finding::error(
            "media.rtp_advertise",
            format!(
                "phones reach SIP at {sip}, but {rtp} is advertised for audio: phones on other machines hear nothing"
            ),
            "set media.rtp_listen, and media.rtp_advertise where phones know the machine by another address",
        )
    })
}

/// Checks that there is a tenant, and that the objects that its objects name exist.
pub fn tenants(situation: &Situation) -> Vec<Finding> {
    let stored = match &situation.tenants {
        Ok(stored) => stored,
        Err(reason) => {
            let remedy = if !situation.knows_its_stores() {
                "mend the settings that are named above first"
            } else if situation.servers.is_empty() {
                "see whether the file is whole: `sqlite3 FILE 'pragma integrity_check'`; else bring a backup"
            } else {
                "see what is said of PostgreSQL above, and in its own log"
            };
            return vec![Finding::error("configuration", format!("the tenants cannot be read: {reason}"), remedy)];
        }
    };
    if situation.is_earlier {
        let what = "it is of an earlier release: the tenants in it were not looked at, and nothing was changed";
        let remedy = "the next start brings it up to date; keep a copy of the file for the way back";
        let file = situation.data_dir.join("configuration.sqlite");
        return vec![Finding::notice(file.display().to_string(), what, remedy)];
    }
    if stored.is_empty() {
        let what = "there is no tenant: every call is refused";
        let remedy = "`trunkline tenant import FILE`, or start with `trunkline up --example`";
        return vec![Finding::warning(situation.data_dir.display().to_string(), what, remedy)];
    }
    stored.iter().flat_map(|one| dangling(one.tenant.as_str(), &one.objects)).collect()
}

/// References to missing objects.
fn dangling(tenant: &str, objects: &TenantObjects) -> Vec<Finding> {
    let dns: HashSet<&str> = objects.dns.iter().map(|dn| dn.number.as_str()).collect();
    let applications: HashSet<&str> = objects.applications.iter().map(|one| one.name.as_str()).collect();
    let places: HashSet<&str> = objects.places.iter().map(|place| place.name.as_str()).collect();
    let mut missing: Vec<(String, String)> = Vec::new();
    for number in objects.numbers.iter().filter(|number| !dns.contains(number.dn.as_str())) {
        missing.push((format!("number {}", number.number), format!("DN {}", number.dn)));
    }
    for dn in &objects.dns {
        let DnKind::RoutePoint { application, default_dn, .. } = &dn.kind else { continue };
        if !applications.contains(application.as_str()) {
            missing.push((format!("route point {}", dn.number), format!("application {application}")));
        }
        if let Some(default) = default_dn.as_deref().filter(|default| !dns.contains(default)) {
            missing.push((format!("route point {}", dn.number), format!("DN {default}")));
        }
    }
    for place in &objects.places {
        for dn in place.dns.iter().filter(|dn| !dns.contains(dn.as_str())) {
            missing.push((format!("place {}", place.name), format!("DN {dn}")));
        }
    }
    for person in &objects.people {
        let place = person.agent.as_ref().and_then(|agent| agent.default_place.as_deref());
        if let Some(place) = place.filter(|place| !places.contains(place)) {
            missing.push((format!("person {}", person.user_name), format!("place {place}")));
        }
    }
    let finding = |(who, what): (String, String)| {
        let remedy = "correct the tenant's file and import it: `trunkline tenant export`, `trunkline tenant import`";
        Finding::error(format!("tenant {tenant}, {who}"), format!("there is no {what}"), remedy)
    };
    missing.into_iter().map(finding).collect()
}

/// Reports applications that do not load.
pub fn applications(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in situation.tenants() {
        for application in &one.objects.applications {
            let faults = orchestration::ors::faults(&application.document, Arc::new(SystemClock::start()));
            if faults.is_empty() {
                continue;
            }
            found.push(Finding::error(
                format!("tenant {}, application {}", one.tenant, application.name),
                format!("it does not load: {}", faults.join("; ")),
                "correct the document and import the tenant again; until then calls to it go to the route point's default",
            ));
        }
    }
    found
}

/// Reports prompts without a playable sound file.
pub fn prompts(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in situation.tenants() {
        for name in prompts_of(one) {
            let folder = situation.data_dir.join("prompts");
            let Some(fault) = voice::media_server::prompt_fault(&folder, &one.tenant, &name) else { continue };
            let of_tenant = folder.join(one.tenant.as_str());
            found.push(Finding::error(
                format!("tenant {}, prompt {name}", one.tenant),
                format!("callers hear silence instead of it: {fault}"),
                format!("put {name}.wav (8 kHz, 16 bit, mono) into {}; no restart is needed", of_tenant.display()),
            ));
        }
    }
    found
}

/// The names of the prompts that a tenant declares or uses.
fn prompts_of(one: &TenantSituation) -> Vec<String> {
    let objects = &one.objects;
    let mut names: Vec<String> = objects.prompts.iter().map(|prompt| prompt.name.clone()).collect();
    for dn in &objects.dns {
        if let DnKind::Announcement { prompts } = &dn.kind {
            names.extend(prompts.iter().cloned());
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Reports the sources that may send calls as a carrier, and trunk settings without effect.
pub fn trunks(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    let reachable = reachable_from_elsewhere(situation);
    let has_many_authorities = client_authorities(situation) > 1;
    for one in situation.tenants() {
        found.extend(missing_rules(one));
        for trunk in &one.objects.trunks {
            let place = format!("tenant {}, trunk {}", one.tenant, trunk.name);
            let everybody = trunk.allow.iter().any(|network| network.ends_with("/0"));
            if everybody && reachable && trunk.certificate_names.is_empty() {
                let what = "whoever reaches this machine may send calls as this carrier";
                found.push(Finding::error(&place, what, "name the carrier's networks in `allow`"));
            }
            let by_registration = trunk.by_registration();
            let is_recognised = trunk.sources().next().is_some()
                || !trunk.certificate_names.is_empty()
                || by_registration != ByRegistration::No;
            if !is_recognised && trunk.outgoing().is_none() {
                let what = "no call comes from it";
                found.push(Finding::warning(&place, what, "give it `allow` (sources), or `certificate_names`"));
            }
            if !trunk.certificate_names.is_empty() && !asks_for_certificates(situation) {
                let what = match by_registration {
                    ByRegistration::No => {
                        "its calls are refused: they are known by a certificate, and nobody who connects is asked for one"
                    }
                    ByRegistration::IfNameLeadsToTls | ByRegistration::Yes => {
                        "its calls are refused that do not come by the TLS connection by which we register: they are known by a certificate, and nobody who connects is asked for one"
                    }
                };
                let remedy =
                    "set `sip-proxy.client_authorities` to a file with the authority of the carrier's certificate";
                found.push(Finding::error(&place, what, remedy));
            }
            if !trunk.certificate_names.is_empty() && trunk.allow.is_empty() && has_many_authorities {
                let what = "each of `sip-proxy.client_authorities` can issue a certificate with which calls from anywhere are its calls";
                let remedy = "name the carrier's networks in `allow` beside `certificate_names`, or believe the carrier's own authority alone";
                found.push(Finding::warning(&place, what, remedy));
            }
            for (key, why) in trunk.without_effect() {
                let what = format!("its `{key}` has no effect: {why}");
                found.push(Finding::warning(
                    &place,
                    what,
                    "correct or remove it in the tenant's file, and import that",
                ));
            }
        }
    }
    found.extend(shared_sources(situation));
    found.extend(shared_certificate_names(situation));
    if situation.metric("sip-proxy", "sip_proxy_trunks_unproved") > 0.0 {
        found.push(Finding::notice(
            "sip-proxy",
            "requests were refused that came from a trunk's address without its certificate, or with its certificate from another address",
            "the log names trunk and address; compare the carrier's certificate and addresses with `certificate_names` and `allow`",
        ));
    }
    if situation.metric("sip-proxy", "sip_proxy_unknown_sources") > 0.0 {
        found.push(Finding::notice(
            "sip-proxy",
            "requests came from sources that are neither a trunk nor a phone, and were refused",
            "if a carrier is among them, add its network to the trunk's `allow`; its address is in the log at level debug",
        ));
    }
    found
}

/// Rules of the dial plan that a tenant should have whose calls go out.
fn missing_rules(one: &TenantSituation) -> Vec<Finding> {
    let objects = &one.objects;
    if !objects.trunks.iter().any(|trunk| trunk.outgoing().is_some()) {
        return Vec::new();
    }
    let place = format!("tenant {}", one.tenant);
    let has = |is_meant: fn(&DialAction) -> bool| objects.dial_rules.iter().any(|rule| is_meant(&rule.action));
    let mut found = Vec::new();
    if !has(|action| matches!(action, DialAction::Emergency { .. })) {
        found.push(Finding::notice(
            &place,
            "its calls go out, and no number is an emergency number: one that a phone dials is not found, or is stopped as any other",
            "add a rule `action: emergency` with the emergency numbers of your country to `dial_rules` of the tenant's file (docs/dial-plan.md)",
        ));
    }
    if !has(|action| matches!(action, DialAction::Limit { .. })) {
        found.push(Finding::notice(
            &place,
            "nothing limits what is spent in a day on calls outside: a stolen password may call the whole night",
            "add a rule `action: limit` to `dial_rules` of the tenant's file (docs/dial-plan.md)",
        ));
    }
    found
}

/// Networks that trunks of several tenants name, or that lie in another tenant's. sip-proxy takes the trunk with the narrowest network,
/// whatever number is called.
fn shared_sources(situation: &Situation) -> Vec<Finding> {
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
fn shared_certificate_names(situation: &Situation) -> Vec<Finding> {
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

/// Trunks by their tenants, for people.
fn named_by(tenants: &BTreeMap<&str, &str>) -> String {
    let trunks: Vec<String> = tenants.iter().map(|(tenant, name)| format!("{name} of tenant {tenant}")).collect();
    some_of(&trunks)
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
    let spec = &voice::sip_proxy::SPEC;
    let edge = spec.listens.iter().filter(|listen| listen.place == Place::Edge);
    edge.filter_map(|listen| edge::bound(spec, listen, situation.instance, 1, &situation.values).ok())
        .any(|bound| !bound.listen.ip().is_loopback())
}
