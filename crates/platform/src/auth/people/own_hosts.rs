//! The host names at which no tenant is meant, whichever has claimed them: a tenant that had one would keep the people and programs of all
//! others out, who name none there, and lead them to a page in its own name. Only names that the operator lets tenants have mean one.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use contracts::provisioning::SignInRules;
use model::TenantId;
use runtime::issuer;

/// This machine, by a name (RFC 6761 section 6.3).
const LOCALHOST: &str = "localhost";
/// Before a domain: the names below it.
const BELOW: &str = "*.";
/// The most names and domains that the operator lists.
const LISTED_MAX: usize = 1_000;
/// The most names of which it is logged that they are ignored.
const SAID_MAX: usize = 256;

/// That of the issuer, names of this machine, addresses, and whatever the operator has not given to tenants.
pub(super) struct OwnHosts {
    issuer: String,
    /// The names that tenants may have, and domains below which they may have all, as `*.centre.example`.
    of_tenants: Vec<String>,
    said: Mutex<HashSet<String>>,
}

/// Checks names that tenants may have.
pub(in crate::auth) fn check(of_tenants: &[String]) -> Result<(), String> {
    if of_tenants.len() > LISTED_MAX {
        return Err(format!("there are more than {LISTED_MAX}"));
    }
    let hosts = of_tenants.iter().map(|name| name.strip_prefix(BELOW).unwrap_or(name).to_owned()).collect();
    let names = SignInRules { hosts, ..SignInRules::default() };
    let wrong = names.wrong_hosts().next().map(str::to_owned);
    wrong.map_or(Ok(()), |name| Err(format!("{name} is no host name in lower case, as acme.example or *.acme.example")))
}

impl OwnHosts {
    /// Those of an installation with that issuer, whose tenants may have the names of that list.
    pub fn of(issuer: &str, of_tenants: &[String]) -> Self {
        Self { issuer: issuer::host(issuer), of_tenants: of_tenants.to_vec(), said: Mutex::default() }
    }

    /// Whether a tenant that has claimed a host name in lower case is not meant there; it is logged once for each name.
    pub fn refuse(&self, host: &str, tenant: &TenantId) -> bool {
        let Some(why) = self.fault(host) else { return false };
        if self.is_new(host) {
            tracing::warn!(%tenant, host, why, "a name of sign_in.hosts is ignored");
        }
        true
    }

    /// Why no tenant is meant at a name.
    fn fault(&self, host: &str) -> Option<&'static str> {
        let is_local = host.strip_suffix(LOCALHOST).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if host == self.issuer || is_local || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Some("it is one of the installation itself");
        }
        let is_given = |name: &String| match name.strip_prefix(BELOW) {
            Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            None => host == name,
        };
        (!self.of_tenants.iter().any(is_given)).then_some("auth.tenant_hosts does not let tenants have it")
    }

    /// Whether nothing was said of it yet.
    fn is_new(&self, host: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.len() < SAID_MAX && said.insert(host.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_host_of_the_issuer_this_machine_and_addresses_mean_no_tenant_though_they_are_listed() {
        let own = ["centre.example", "localhost", "pbx.localhost"];
        let hosts = OwnHosts::of("https://Centre.example:8443/auth/v3", &listed(&own));
        for host in own.into_iter().chain(["127.0.0.1", "192.0.2.1", "::1", "[::1]"]) {
            assert!(hosts.fault(host).is_some(), "{host}");
        }
        let acme = TenantId::parse("acme").unwrap();
        assert!(hosts.refuse("centre.example", &acme) && hosts.refuse("centre.example", &acme));
        assert!(!hosts.is_new("centre.example"), "it would be said at each request");
        assert!(OwnHosts::of("https://[2001:db8::1]:8443/auth/v3", &[]).fault("2001:db8::1").is_some());
    }

    #[test]
    fn a_tenant_is_meant_at_no_name_but_those_that_the_operator_lets_tenants_have() {
        let hosts = OwnHosts::of("https://centre.example/auth/v3", &listed(&["acme.example", "*.centre.example"]));
        for host in ["acme.example", "globex.centre.example", "a.b.centre.example"] {
            assert_eq!(hosts.fault(host), None, "{host}");
        }
        for host in ["www.acme.example", "phone.example", "xcentre.example", ".centre.example", "centre.example", ""] {
            assert!(hosts.fault(host).is_some(), "{host}");
        }
        assert!(OwnHosts::of("https://centre.example/auth/v3", &[]).fault("acme.example").is_some());
    }

    #[test]
    fn what_tenants_may_have_is_a_list_of_names_and_domains() {
        assert_eq!(check(&listed(&["acme.example", "*.centre.example"])), Ok(()));
        for wrong in ["Acme.example", "acme.example:8443", "*", "a.*.example", "https://acme.example", ""] {
            let fault = check(&listed(&["acme.example", wrong])).unwrap_err();
            assert!(fault.contains("is no host name in lower case"), "{wrong}: {fault}");
        }
        assert!(check(&vec!["acme.example".to_owned(); LISTED_MAX + 1]).is_err());
    }
}
