//! URLs of others that a tenant names, and that the provider names in turn: https, but for this machine.

use std::net::IpAddr;

/// The longest, in bytes.
pub const BYTES_MAX: usize = 1_024;

const SCHEME: &str = "it must begin with https://";

/// Why it cannot be asked, if it cannot: http is for a provider on this machine alone, as in a demo.
pub fn fault(url: &str) -> Option<&'static str> {
    if url.len() > BYTES_MAX {
        return Some("it is too long");
    }
    let rest = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) if is_this_machine(host(rest)) => rest,
        _ => return Some(SCHEME),
    };
    fault_behind_scheme(url, rest)
}

/// Why it is no address of a page on some web server, if it is none: https or http, since it may be one of an internal network.
pub fn page_fault(url: &str) -> Option<&'static str> {
    if url.len() > BYTES_MAX {
        return Some("it is too long");
    }
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.map_or(Some("it must begin with https:// or http://"), |rest| fault_behind_scheme(url, rest))
}

fn fault_behind_scheme(url: &str, rest: &str) -> Option<&'static str> {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if url.bytes().any(|b| !b.is_ascii_graphic() || b"\"<>\\^`{|}#".contains(&b)) {
        return Some("it has a character that no such address has");
    }
    if host(rest).is_empty() || authority.contains('@') {
        return Some("it must name a host, without user or password");
    }
    None
}

/// Why it is no issuer, if it is none (OpenID Connect Discovery section 2: without query and fragment).
pub fn issuer_fault(url: &str) -> Option<&'static str> {
    fault(url).or_else(|| url.contains('?').then_some("an issuer has no query"))
}

/// Where the description of an issuer is (OpenID Connect Discovery section 4).
pub fn description_of(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The host of what follows the scheme.
fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let end = authority.find(']').map_or_else(|| authority.find(':'), |bracket| Some(bracket + 1));
    end.and_then(|end| authority.get(..end)).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_and_http_on_this_machine_alone() {
        for good in [
            "https://id.acme.example",
            "https://id.acme.example:8443/realms/acme?x=1",
            "http://127.3.0.1:9000/",
            "http://[::1]:9000",
            "http://localhost/x",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "",
            "id.acme.example",
            "http://id.acme.example",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1@evil.example/",
            "http://127.0.0.1:80@evil.example/",
            "https://user@id.acme.example/",
            "https:///x",
            "https://id.acme.example/#x",
            "https://id.acme.example/\r\nx",
            "ftp://id.acme.example",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
        assert!(fault(&format!("https://id.acme.example/{}", "x".repeat(BYTES_MAX))).is_some());
    }

    #[test]
    fn a_page_is_at_any_host_by_https_or_http() {
        for good in ["https://ivr.example", "http://ivr.internal:8080/start.vxml?x=1", "http://10.0.0.7/"] {
            assert_eq!(page_fault(good), None, "{good}");
        }
        for bad in
            ["", "ivr.example", "ftp://ivr.example", "http:///x", "http://user@ivr.example", "http://ivr.example/#x"]
        {
            assert!(page_fault(bad).is_some(), "{bad}");
        }
        assert!(page_fault(&format!("http://ivr.example/{}", "x".repeat(BYTES_MAX))).is_some());
    }

    #[test]
    fn a_description_is_below_its_issuer() {
        assert_eq!(issuer_fault("https://a.example/x?y"), Some("an issuer has no query"));
        for issuer in ["https://a.example/x", "https://a.example/x/"] {
            assert_eq!(description_of(issuer), "https://a.example/x/.well-known/openid-configuration");
        }
    }
}
