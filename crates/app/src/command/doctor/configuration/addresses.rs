//! Advertised addresses that phones, carriers and browsers cannot reach.

use std::net::IpAddr;

use runtime::listener::Bound;
use runtime::process::sections;
use runtime::{Place, RoleSpec, edge};

use crate::command::doctor::finding::{Finding, some_of};
use crate::command::doctor::situation::Situation;
use crate::roles;

/// Reports advertised addresses that phones, carriers and browsers cannot reach.
pub fn addresses(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut loopback = Vec::new();
    for spec in roles::TABLE {
        for replica in 1..=sections::replica_count(&situation.values, spec.name) {
            for listen in spec.listens.iter().filter(|listen| listen.place == Place::Edge) {
                let key = format!("{}.{}", spec.name, listen.name.replace('-', "_"));
                let bounds = edge::bounds(spec, listen, situation.instance, replica, &situation.values);
                for bound in bounds.iter().flat_map(edge::EdgeBounds::all) {
                    found.extend(unreachable(&key, bound));
                }
                let is_local = |bound: &Bound| bound.listen.ip().is_loopback() && tells_loopback(bound);
                if bounds.is_ok_and(|bounds| bounds.all().all(is_local)) {
                    loopback.push(key);
                }
            }
        }
    }
    found.extend(half_loopback(situation));
    found.extend(half_secure(situation));
    if !loopback.is_empty() && found.is_empty() {
        found.push(Finding::notice(
            some_of(&loopback),
            "only phones and browsers on this machine can reach it",
            "for others set `..._listen` to an address of a network card: docs/your-own-phone.md",
        ));
    }
    found
}

/// Reports an address by which nobody reaches the listener.
fn unreachable(key: &str, bound: &Bound) -> Option<Finding> {
    let is_address = bound.advertise.host.parse::<IpAddr>().is_ok();
    match (bound.listen.ip().is_loopback(), tells_loopback(bound)) {
        (false, true) => Some(Finding::error(
            format!("{key}_advertise"),
            format!(
                "it listens on {} and advertises {}, which no other machine can reach",
                bound.listen, bound.advertise
            ),
            format!("set {key}_advertise to the address or name by which others reach this machine"),
        )),
        (true, false) if is_address => Some(Finding::warning(
            format!("{key}_listen"),
            format!("it tells {} but listens on {} alone", bound.advertise, bound.listen),
            format!("set {key}_listen to an address of a network card, or leave {key}_advertise empty"),
        )),
        _ => None,
    }
}

fn tells_loopback(bound: &Bound) -> bool {
    let host = &bound.advertise.host;
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Reports a web edge that sends others to HTTPS, which listens for this machine alone.
fn half_secure(situation: &Situation) -> Option<Finding> {
    let spec = &platform::ingress::SPEC;
    let bound = |listener| edge::bound(spec, spec.listen(listener)?, situation.instance, 1, &situation.values).ok();
    let (web, webs) = (bound("web")?, bound("webs")?);
    let is_half = !web.listen.ip().is_loopback() && webs.listen.ip().is_loopback();
    (is_half && platform::ingress::redirects_plain(&situation.values)).then(|| {
        Finding::error(
            "ingress.webs_listen",
            format!("who asks {} without TLS is sent to HTTPS, which only this machine reaches at {}", web.listen, webs.listen),
            "set ingress.webs_listen to the same address, or ingress.trusted_proxies to the web server in front of ingress",
        )
    })
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
