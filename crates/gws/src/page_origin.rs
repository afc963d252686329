//! Who asks a service behind gws-proxy, as that tells it and nobody else, and whether a page of another host does.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, header};
use net::http::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, WebClient};
use prometheus_client::metrics::counter::Counter;
use runtime::Directory;
use runtime::around::{Answering, Entrance, around};
use runtime::server::Accepted;

use crate::sessions::answers::ApiRefusal;

/// The role whose word counts.
const PROXY: &str = "gws-proxy";

/// Puts around `behind` that requests have with them who has asked: places are shared out among the desktops, not among the replicas of
/// gws-proxy.
pub(crate) fn told_by_proxy(directory: Directory, behind: Entrance) -> Entrance {
    around(behind, move |mut request: Request, behind: &Entrance| -> Answering {
        let peer = request.extensions().get::<Accepted>().map(|accepted| accepted.peer.ip());
        if let Some(peer) = peer
            && directory.role_at(peer) == Some(PROXY)
        {
            let address = told(request.headers(), &FORWARDED_FOR).and_then(|text| text.parse().ok()).unwrap_or(peer);
            let is_secure =
                told(request.headers(), &FORWARDED_PROTO).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
            request.extensions_mut().insert(WebClient { address, is_secure, is_passed_on: true });
        }
        behind.enter(request)
    })
}

/// The last word of a header: what stands before it was written by strangers, perhaps.
fn told<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get_all(name).iter().next_back()?.to_str().ok()?.rsplit(',').next().map(str::trim)
}

/// Whether a request may change something.
fn may_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a page of another host has sent a request, by its origin (RFC 6454 section 7): a cookie comes with what such pages send,
/// too. Programs say nothing. Pages of other origins that are let in are let in by ingress, which takes their origin out.
fn is_foreign(headers: &HeaderMap, client: Option<&WebClient>, base: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    !own_origins(headers, client, base).iter().any(|own| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
}

/// Refuses what may change something and was sent by a page of another host, which `refused` counts.
///
/// # Errors
/// 403.
pub(crate) fn checked(
    method: &Method,
    headers: &HeaderMap,
    client: Option<&WebClient>,
    base: &str,
    refused: &Counter,
) -> Result<(), ApiRefusal> {
    if may_change(method) && is_foreign(headers, client, base) {
        refused.inc();
        return Err(ApiRefusal::forbidden("pages of this origin are not let in"));
    }
    Ok(())
}

/// The origins of the edge: by the name that was asked, and by its public address.
fn own_origins(headers: &HeaderMap, client: Option<&WebClient>, base: &str) -> Vec<String> {
    let is_passed_on = client.is_some_and(|client| client.is_passed_on);
    let host = if is_passed_on { told(headers, &FORWARDED_HOST) } else { told(headers, &header::HOST) };
    let scheme = if client.is_some_and(|client| client.is_secure) { "https" } else { "http" };
    let asked = host.filter(|host| !host.is_empty()).map(|host| format!("{scheme}://{host}"));
    asked.into_iter().chain([base.to_owned()]).collect()
}

/// Where a page that asks opens a WebSocket at that path: by the name by which it has asked.
pub(super) fn web_socket_at(path: &str, headers: &HeaderMap, client: Option<&WebClient>, base: &str) -> String {
    let origin = own_origins(headers, client, base).into_iter().next().unwrap_or_else(|| base.to_owned());
    format!("{}{path}", origin.replacen("http", "ws", 1))
}

/// Where a browser may be sent on to: a path of the edge, or an address of it, so that no link to us leads to another site.
/// Browsers take `\` for `/`, leave out line breaks and tabs, and take two slashes for a host (WHATWG URL section 4.4).
pub(crate) fn leads_to_own(uri: &str, headers: &HeaderMap, client: Option<&WebClient>, base: &str) -> bool {
    if !uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return false;
    }
    let is_path = |rest: &str| rest.is_empty() || rest.starts_with(['/', '?', '#']);
    let is_below = |own: &String| uri.strip_prefix(own.as_str()).is_some_and(is_path);
    uri.starts_with('/') && !uri.starts_with("//") || own_origins(headers, client, base).iter().any(is_below)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const BASE: &str = "https://centre.example";

    fn headers(said: &[(&'static str, &'static str)]) -> HeaderMap {
        said.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn client(is_secure: bool) -> WebClient {
        WebClient { address: "203.0.113.7".parse().unwrap(), is_secure, is_passed_on: true }
    }

    #[test]
    fn a_page_of_another_host_is_told_by_its_origin_and_a_program_says_nothing() {
        let told = ("x-forwarded-host", "desk.example:8443");
        for own in [
            &[told][..],
            &[told, ("origin", "https://desk.example:8443")],
            &[told, ("origin", "https://Desk.example:8443")],
            &[told, ("origin", "https://centre.example")],
        ] {
            assert!(!is_foreign(&headers(own), Some(&client(true)), BASE), "{own:?}");
        }
        for foreign in [
            &[told, ("origin", "https://evil.example")][..],
            &[told, ("origin", "http://desk.example:8443")],
            &[told, ("origin", "https://desk.example")],
            &[told, ("origin", "null")],
            &[told, ("origin", "https://evil.example"), ("host", "evil.example")],
            &[told, ("origin", "https://alias.example"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(is_foreign(&headers(foreign), Some(&client(true)), BASE), "{foreign:?}");
        }
        let plain = headers(&[told, ("origin", "http://desk.example:8443")]);
        assert!(!is_foreign(&plain, Some(&client(false)), BASE));
    }

    #[test]
    fn a_page_opens_its_web_socket_where_it_has_asked() {
        let said = headers(&[("x-forwarded-host", "desk.example:8443")]);
        assert_eq!(web_socket_at("/webrtc", &said, Some(&client(true)), BASE), "wss://desk.example:8443/webrtc");
        assert_eq!(web_socket_at("/webrtc", &said, Some(&client(false)), BASE), "ws://desk.example:8443/webrtc");
        assert_eq!(web_socket_at("/webrtc", &headers(&[]), None, BASE), "wss://centre.example/webrtc");
    }

    #[test]
    fn nobody_but_the_proxy_says_by_which_name_was_asked() {
        let said = headers(&[("x-forwarded-host", "evil.example"), ("host", "a.b"), ("origin", "http://evil.example")]);
        assert!(is_foreign(&said, None, BASE));
    }

    #[test]
    fn no_link_to_us_leads_to_another_site() {
        let said = headers(&[("x-forwarded-host", "desk.example")]);
        let leads = |uri: &str| leads_to_own(uri, &said, Some(&client(true)), BASE);
        for own in ["/", "/ui/desk?x=1", "https://desk.example", "https://desk.example/ui", "https://centre.example?a"]
        {
            assert!(leads(own), "{own}");
        }
        for other in [
            "",
            "ui",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "https://desk.example.evil.example/",
            "https://desk.example@evil.example/",
            "https://desk.example:1/",
            "javascript:alert(1)",
        ] {
            assert!(!leads(other), "{other}");
        }
    }

    #[test]
    fn what_only_reads_is_told_from_what_may_change() {
        assert!(may_change(&Method::POST) && may_change(&Method::DELETE) && !may_change(&Method::GET));
    }
}
