//! HTTP without TLS: for this machine alone, and otherwise the way to HTTPS.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use net::http::{Problem, WebClient};
use runtime::listener::HostPort;

use crate::ingress::routes::RouteFamily;

/// What becomes of a request without TLS that does not stay on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ingress) enum PlainOffLoopback {
    /// It is told the address by HTTPS.
    Redirect,
    /// It is served: a web server before the edge ends TLS, or the network is trusted.
    Serve,
}

impl PlainOffLoopback {
    /// Reads the setting.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "redirect" => Ok(Self::Redirect),
            "serve" => Ok(Self::Serve),
            _ => Err(format!("{text:?} is neither redirect nor serve")),
        }
    }

    /// Whether a request of this client is served, whose connection has these ends. Probes are, which tell a load balancer a status and no
    /// more.
    pub(super) fn lets_in(self, client: WebClient, ends: &[IpAddr], family: RouteFamily) -> bool {
        self == Self::Serve
            || client.is_secure
            || family == RouteFamily::Probes
            || ends.iter().all(|end| end.to_canonical().is_loopback())
    }
}

/// Where the same is by HTTPS: the host that the client has asked, and the path there; nothing in the path leads to another host.
pub(super) fn to_https(request: &Request, port: u16) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.and_then(|host| HostPort::parse(host, port).ok()) else {
        return Problem::bad_request("the Host header names no host").into_response();
    };
    let place = HostPort { port, ..host };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    match HeaderValue::from_str(&format!("https://{place}{path}")) {
        Ok(location) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response(),
        Err(_) => Problem::bad_request("the path cannot be told").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn location(host: &str, target: &str) -> Option<String> {
        let request = Request::get(target).header(header::HOST, host).body(Body::empty()).unwrap();
        let response = to_https(&request, 8443);
        let location = response.headers().get(header::LOCATION)?.to_str().unwrap().to_owned();
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        Some(location)
    }

    #[test]
    fn the_way_to_https_stays_at_the_host() {
        for (host, target, to) in [
            ("edge.example:8080", "/trace?x=1", "https://edge.example:8443/trace?x=1"),
            ("192.0.2.1:8080", "/", "https://192.0.2.1:8443/"),
            ("[2001:db8::1]:8080", "/a", "https://[2001:db8::1]:8443/a"),
            ("edge.example", "//evil.example/x", "https://edge.example:8443//evil.example/x"),
            ("edge.example", "http://evil.example/x", "https://edge.example:8443/x"),
        ] {
            assert_eq!(location(host, target).as_deref(), Some(to));
        }
        for host in ["evil.example/", "a@evil.example", "", "evil example"] {
            assert_eq!(location(host, "/"), None, "{host}");
        }
    }

    #[test]
    fn only_what_leaves_this_machine_is_sent_on() {
        let address = IpAddr::from([203, 0, 113, 7]);
        let client = |is_secure| WebClient { address, is_secure, is_passed_on: false };
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
        let goes_on = |client, ends: &[IpAddr]| PlainOffLoopback::Redirect.lets_in(client, ends, RouteFamily::Pages);
        assert!(goes_on(client(false), &[here, here]));
        for ends in [[here, there], [there, here], [there, there]] {
            assert!(!goes_on(client(false), &ends));
            assert!(goes_on(client(true), &ends));
            assert!(PlainOffLoopback::Serve.lets_in(client(false), &ends, RouteFamily::Pages));
            assert!(PlainOffLoopback::Redirect.lets_in(client(false), &ends, RouteFamily::Probes));
        }
    }
}
