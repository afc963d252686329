//! The hosts at which the installation itself is reached. They mean no tenant: a tenant that had one would keep the people and programs of
//! all others out, who name none there.

use std::net::IpAddr;
use std::sync::Once;

use model::TenantId;
use runtime::issuer;

/// This machine, by a name (RFC 6761 section 6.3).
const LOCALHOST: &str = "localhost";

/// That of the issuer, names of this machine, and addresses.
pub(super) struct OwnHosts {
    issuer: String,
    said: Once,
}

impl OwnHosts {
    /// Those of an installation with that issuer.
    pub fn of(issuer: &str) -> Self {
        Self { issuer: issuer::host(issuer), said: Once::new() }
    }

    /// Whether a host name in lower case is one of them; that a tenant has claimed one is logged once.
    pub fn refuse(&self, host: &str, tenant: &TenantId) -> bool {
        let is_own = self.have(host);
        if is_own {
            self.said.call_once(|| {
                tracing::warn!(%tenant, host, "sign_in.hosts has a host of the installation itself: it is ignored");
            });
        }
        is_own
    }

    fn have(&self, host: &str) -> bool {
        let is_local = host.strip_suffix(LOCALHOST).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        host == self.issuer || is_local || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_the_issuer_this_machine_and_addresses_mean_no_tenant() {
        let own = OwnHosts::of("https://Centre.example:8443/auth/v3");
        for host in ["centre.example", "localhost", "pbx.localhost", "127.0.0.1", "192.0.2.1", "::1", "[::1]"] {
            assert!(own.have(host), "{host}");
        }
        for host in ["acme.example", "acme.centre.example", "notlocalhost", "localhost.example", ""] {
            assert!(!own.have(host), "{host}");
        }
        assert!(own.refuse("centre.example", &TenantId::parse("acme").unwrap()));
        assert!(OwnHosts::of("https://[2001:db8::1]:8443/auth/v3").have("2001:db8::1"));
    }
}
