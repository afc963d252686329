//! The issuer of the tokens of people and programs: the public base URL of auth, by which clients find everything else.

use std::net::SocketAddr;

use crate::address;
use crate::listener::HostPort;
use crate::settings::Values;

/// The path of auth below the installation's base URL.
pub const PATH: &str = "/auth/v3";
/// Where below the base URL clients look for the description of the issuer: those that know of no path (OpenID Connect Discovery
/// section 4), and those that put theirs before it (RFC 8414 section 3.1).
pub const METADATA: [&str; 3] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/auth/v3",
];
/// What pages of the published API ask auth for beside its paths.
pub const PUBLISHED_PAGES: [&str; 5] =
    ["/auth/sign-in.html", "/auth/profile.js", "/auth/telemetry.js", "/auth/host-mapping", "/ui/wwe/profile.js"];
/// The port of the edge's HTTPS listener.
const EDGE_PORT: u16 = 8443;

/// The issuer that the settings name (`auth.issuer`), else the one that follows from the edge's HTTPS listener.
pub fn of(values: &Values, instance: u8) -> String {
    let text = |section: &str, key: &str| values.get(section, key).and_then(toml::Value::as_str).map(str::to_owned);
    if let Some(issuer) = text("auth", "issuer").filter(|issuer| !issuer.is_empty()) {
        return issuer;
    }
    let listens = text("ingress", "webs_listen").and_then(|at| at.parse::<SocketAddr>().ok());
    let listens = listens.filter(|at| !at.ip().is_unspecified());
    let at = listens.unwrap_or_else(|| SocketAddr::new(address::of_edge(instance, 1), EDGE_PORT));
    let advertised = text("ingress", "webs_advertise").and_then(|told| HostPort::parse(&told, at.port()).ok());
    format!("https://{}{PATH}", advertised.unwrap_or_else(|| at.into()))
}

/// The host of an issuer, as host names are compared: in lower case, without its port. Empty for what is no base URL.
pub fn host(issuer: &str) -> String {
    let (_, rest) = issuer.split_once("://").unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    let host = HostPort::parse(authority, EDGE_PORT).map(|at| at.host).unwrap_or_default();
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether a host, perhaps with a port, is this machine.
fn is_this_machine(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why it is no issuer, if it is none (RFC 8414 section 2).
pub fn check(issuer: &str) -> Result<(), String> {
    if issuer.is_empty() {
        return Ok(());
    }
    let rest = issuer.strip_prefix("https://").or_else(|| {
        // Without TLS only on this machine.
        let rest = issuer.strip_prefix("http://")?;
        is_this_machine(rest.split('/').next()?).then_some(rest)
    });
    let Some(rest) = rest else { return Err("it must begin with https://".to_owned()) };
    let is_plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/[]".contains(&b));
    match rest.strip_suffix(PATH) {
        Some(host) if !host.is_empty() && is_plain => Ok(()),
        _ => Err(format!("it must be a base URL that ends with {PATH}, without query and fragment")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_follows_the_instance() {
        assert_eq!(of(&Values::default(), 3), "https://127.3.0.1:8443/auth/v3");
    }

    #[test]
    fn the_host_of_an_issuer_is_a_name_or_an_address() {
        for (issuer, name) in [
            ("https://Centre.example:8443/auth/v3", "centre.example"),
            ("https://centre.example./auth/v3", "centre.example"),
            ("https://[2001:db8::1]:8443/auth/v3", "2001:db8::1"),
            ("http://127.0.0.1:8080/auth/v3", "127.0.0.1"),
            ("trunkline", ""),
        ] {
            assert_eq!(host(issuer), name, "{issuer}");
        }
    }

    #[test]
    fn an_issuer_is_a_base_url_over_tls() {
        for good in [
            "",
            "https://centre.example/auth/v3",
            "https://centre.example:8443/auth/v3",
            "http://127.0.0.1:8080/auth/v3",
            "http://[::1]:8080/auth/v3",
            "http://localhost/auth/v3",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "centre.example/auth/v3",
            "http://centre.example/auth/v3",
            "http://127.evil.example/auth/v3",
            "http://localhost.example/auth/v3",
            "https://centre.example/auth/v3/",
            "https://centre.example",
            "https:///auth/v3?x=/auth/v3",
            "https:///auth/v3#/auth/v3",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
