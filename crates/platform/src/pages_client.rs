//! What auth and ingress have agreed on about the client of our own pages.

use std::net::{Ipv4Addr, SocketAddr};

/// The id of the client. It is built in: no tenant configures it.
pub(crate) const CLIENT: &str = identity::built_in_client::PAGES;
/// Where at the web edge its codes go.
pub(crate) const CALLBACK: &str = "/session/callback";
/// The role that holds its tokens, and proves itself by its own key.
pub(crate) const HOLDER: &str = "ingress";

/// Whether a host, perhaps with a port, is the machine of the browser itself. What has a user, a path or anything else besides is none.
pub(crate) fn is_this_machine(authority: &str) -> bool {
    if let Ok(at) = authority.parse::<SocketAddr>() {
        return at.ip().is_loopback();
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    };
    host == "localhost" || host == "[::1]" || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_host_is_this_machine() {
        for own in ["127.0.0.1:8080", "127.3.0.1", "localhost", "localhost:8080", "[::1]", "[::1]:8080"] {
            assert!(is_this_machine(own), "{own}");
        }
        for other in
            ["127.0.0.1:80@evil.example", "127.0.0.1.evil.example", "10.0.0.1:80", "localhost:", "", "a@127.0.0.1"]
        {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
