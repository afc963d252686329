//! The certificates of the edge, and those with which tenants sign calls.

use contracts::provisioning::Trunk;
use net::tls::authorities;
use net::tls::expiry::{ENDS_SOON, issued_ends_soon};
use net::tls::identity::{Identity, IdentityFiles};
use platform::ingress;
use runtime::{data_dir, edge};
use sip::stir::AuthorityValidity;
use voice::sip_proxy::{self, CertificateFiles};

use super::finding::Finding;
use super::situation::Situation;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Reports certificates that cannot be used, end soon, or are not for the name that phones and browsers are told.
pub fn certificates(situation: &Situation) -> Vec<Finding> {
    let mut found = of_phones(situation);
    found.extend(of_web(situation));
    found
}

fn of_phones(situation: &Situation) -> Vec<Finding> {
    let Some(files) = sip_proxy::certificate_files(&situation.values) else { return Vec::new() };
    let CertificateFiles { identities, servers, clients } = files;
    let now = i64::try_from(situation.now.as_millis() / 1_000).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    let mut usable = Vec::new();
    for files in &identities {
        match Identity::read(files) {
            Ok(identity) => {
                found.extend(time(&identity, files, now, "phones and carriers refuse it"));
                usable.push(identity);
            }
            Err(fault) => {
                let remedy = "give sip-proxy a PEM file with the certificate and its key, or `chain.pem:key.pem`, that it may read";
                found.push(Finding::error("sip-proxy.certificates", fault.to_string(), remedy));
            }
        }
    }
    if usable.len() == identities.len() && !usable.is_empty() {
        found.extend(names(situation, &usable));
    }
    let of_servers = "no carrier is called over TLS after the next start";
    let of_clients = "nobody is asked for a certificate after the next start, and calls known by one are refused";
    for (key, paths, then) in
        [("server_authorities", &servers, of_servers), ("client_authorities", &clients, of_clients)]
    {
        // Each on its own: all faults are told at once.
        for path in paths {
            if let Err(fault) = authorities::of_files(&[path]) {
                let remedy = "give it a PEM file with the certificates of authorities";
                found.push(Finding::error(format!("sip-proxy.{key}"), format!("{fault}: {then}"), remedy));
            }
        }
    }
    found
}

/// Those of the web edge.
fn of_web(situation: &Situation) -> Vec<Finding> {
    let Some(files) = ingress::certificate_files(&situation.values) else { return Vec::new() };
    let now = i64::try_from(situation.now.as_millis() / 1_000).unwrap_or(i64::MAX);
    let (mut found, mut usable) = (Vec::new(), Vec::new());
    for files in &files {
        match Identity::read(files) {
            Ok(identity) => {
                found.extend(time(&identity, files, now, "browsers refuse it"));
                usable.push(identity);
            }
            Err(fault) => {
                let remedy = "give ingress a PEM file with the certificate and its key, or `chain.pem:key.pem`, that it may read";
                found.push(Finding::error("ingress.certificates", fault.to_string(), remedy));
            }
        }
    }
    let is_whole = usable.len() == files.len();
    found.extend(of_acme(situation, now, &mut usable));
    if is_whole && !usable.is_empty() {
        found.extend(web_name(situation, &usable));
    }
    found
}

/// That of the web edge that an ACME server issues. One that can be used goes to the others.
fn of_acme(situation: &Situation, now: i64, usable: &mut Vec<Identity>) -> Vec<Finding> {
    // The first start makes the key, and orders.
    let key = data_dir::has_installation(&situation.data_dir).then(|| data_dir::installation_key(&situation.data_dir));
    let Some(Ok(key)) = key else { return Vec::new() };
    let ordered = ingress::ordered_certificate(&situation.values, &situation.data_dir, &key, situation.now);
    let Some(ordered) = ordered else { return Vec::new() };
    let place = "ingress.acme_directory";
    let remedy = "see the log of ingress for what to do; let port 443 of each name of ingress.acme_domains lead to its listener webs";
    let mut found = Vec::new();
    match ordered.issued {
        Ok(Some(identity)) => {
            let left = identity.valid_to().saturating_sub(now);
            if left <= 0 {
                found.push(Finding::error(place, "the certificate has expired: browsers refuse it", remedy));
            } else if now >= issued_ends_soon(identity.valid_from(), identity.valid_to()) {
                let what = format!("the certificate ends in {} days, and was not renewed", left / DAY_SECONDS);
                found.push(Finding::warning(place, what, remedy));
            }
            if !ordered.is_wanted {
                let what = "the certificate is not yet the one that the settings want: other names, or another server";
                found.push(Finding::warning(place, what, remedy));
            }
            usable.push(identity);
        }
        Ok(None) => {
            let what = "no certificate has been issued yet: browsers are shown one that nobody vouches for";
            found.push(Finding::warning(place, what, remedy));
        }
        Err(fault) => {
            found.push(Finding::error(place, fault.to_string(), "it is ordered again; see the log of ingress"))
        }
    }
    if let Some((why, failures)) = ordered.failing {
        let what = format!("the last order has failed, {failures} in a row: {why}");
        let remedy = format!("{remedy}; once the cause is mended, `trunkline certificates order` ends the wait");
        found.push(Finding::warning(place, what, remedy));
    }
    found
}

/// A browser compares the name in its address bar with those in the certificate.
fn web_name(situation: &Situation, identities: &[Identity]) -> Option<Finding> {
    let spec = &ingress::SPEC;
    let bound = edge::bound(spec, spec.listen("webs")?, situation.instance, 1, &situation.values).ok()?;
    let told = &bound.advertise.host;
    if identities.iter().any(|identity| identity.is_for(told)) {
        return None;
    }
    let has: Vec<String> = identities.iter().flat_map(Identity::names).collect();
    let what = format!("no certificate is for {told}, which browsers are told; they are for {}", has.join(", "));
    let remedy = "set ingress.webs_advertise to a name in the certificate, or get one for that name";
    Some(Finding::warning("ingress.certificates", what, remedy))
}

/// Reports what keeps calls by trunks from being signed, and certificates of signers that end soon.
pub fn signatures(situation: &Situation) -> Vec<Finding> {
    let now = i64::try_from(situation.now.as_secs()).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for one in situation.tenants() {
        for trunk in &one.objects.trunks {
            let place = format!("tenant {}, trunk {}", one.tenant, trunk.name);
            if let Err(fault) = net::stir::check_signing(&trunk.stir) {
                let what = format!("its calls go out unsigned: `stir.sign.{}`: {fault}", fault.key());
                found.push(Finding::error(place, what, "correct it in the tenant's file, and import that"));
                continue;
            }
            found.extend(authorities_of(&place, trunk, now));
            let Some(Ok(certificate)) = net::stir::certificate(&trunk.stir) else { continue };
            let left = certificate.valid_until().saturating_sub(now);
            let remedy =
                "put the new certificate at `stir.sign.certificate_url`, and into the tenant's file, and import that";
            if left <= 0 {
                found.push(Finding::error(place, "the certificate that signs its calls has expired", remedy));
            } else if left <= ENDS_SOON.as_secs().cast_signed() {
                let what = format!("the certificate that signs its calls ends in {} days", left / DAY_SECONDS);
                found.push(Finding::warning(place, what, remedy));
            }
        }
    }
    found
}

/// Reports authorities of signers that have expired or end soon.
fn authorities_of(place: &str, trunk: &Trunk, now: i64) -> Vec<Finding> {
    let remedy = "take the list of your country's administration anew into `stir.authorities`, and import that";
    let finding = |authority: AuthorityValidity| {
        let left = authority.valid_until.saturating_sub(now);
        let what = match left {
            ..=0 => format!("the authority {} by which callers are verified has expired", authority.name),
            left if left <= ENDS_SOON.as_secs().cast_signed() => {
                format!(
                    "the authority {} by which callers are verified ends in {} days",
                    authority.name,
                    left / DAY_SECONDS
                )
            }
            _ => return None,
        };
        Some(Finding::warning(place, what, remedy))
    };
    net::stir::authority_validities(&trunk.stir).unwrap_or_default().into_iter().filter_map(finding).collect()
}

fn time(identity: &Identity, files: &IdentityFiles, now: i64, then: &str) -> Option<Finding> {
    let (place, renew) = (files.chain.display().to_string(), "renew it: the new file is read without a restart");
    let left = identity.valid_to().saturating_sub(now);
    if left <= 0 {
        return Some(Finding::error(place, format!("the certificate has expired: {then}"), renew));
    }
    if identity.valid_from() > now {
        let what = format!("the certificate is not valid yet: {then}");
        return Some(Finding::error(place, what, "see whether this machine's clock is right"));
    }
    let soon = left <= ENDS_SOON.as_secs().cast_signed();
    soon.then(|| Finding::warning(place, format!("the certificate ends in {} days", left / DAY_SECONDS), renew))
}

/// A phone compares the name that it was told with those in the certificate, and so does a browser.
fn names(situation: &Situation, identities: &[Identity]) -> Option<Finding> {
    ["sip-tls", "sip-wss"].into_iter().find_map(|listener| name_of(listener, situation, identities))
}

fn name_of(listener: &str, situation: &Situation, identities: &[Identity]) -> Option<Finding> {
    let spec = &sip_proxy::SPEC;
    let bounds = edge::bounds(spec, spec.listen(listener)?, situation.instance, 1, &situation.values).ok()?;
    let is_unnamed = |told: &&String| !identities.iter().any(|identity| identity.is_for(told));
    let told = bounds.all().map(|bound| &bound.advertise.host).find(is_unnamed)?;
    let has: Vec<String> = identities.iter().flat_map(Identity::names).collect();
    let what = format!("no certificate is for {told}, which phones are told; they are for {}", has.join(", "));
    let key = format!("sip-proxy.{}_advertise", listener.replace('-', "_"));
    let remedy = format!("set {key} to a name in the certificate, or get one for that name");
    Some(Finding::warning("sip-proxy.certificates", what, remedy))
}
