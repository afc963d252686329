//! The way by which a registrar wants our requests to go (RFC 3608): `Service-Route` in its 200, which becomes their `Route`.

use crate::flow::Transport;
use crate::header::{HeaderName, NameAddr};
use crate::message::Message;
use crate::uri::{Scheme, Uri};

/// The most routes that are followed.
pub const SERVICE_ROUTES_MAX: usize = 4;
/// The most bytes of one.
pub const SERVICE_ROUTE_MAX: usize = 512;
/// Names that lead to nobody outside (RFC 2606 §2), and to our own nodes.
const INSIDE: &str = ".invalid";

/// Why a way is not followed, although a registrar wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfollowed {
    /// It has more routes than are followed.
    TooMany,
    /// A route is none, is too long, is no loose router, or leads inside.
    Unreadable,
    /// It does not begin by TLS, where the registration went by TLS.
    InTheClear,
    /// It leads back to us.
    ToUs,
}

impl Unfollowed {
    /// For people.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::TooMany => "it has more than four routes",
            Self::Unreadable => {
                "one of its routes is no address of a loose router (`;lr`) outside, or is longer than 512 bytes"
            }
            Self::InTheClear => "it does not begin by TLS, as the registration does",
            Self::ToUs => "it leads back to our own edge",
        }
    }
}

/// The routes in a registrar's 200, nearest first, as they go into `Route`.
///
/// # Errors
/// If any of them cannot be followed, since half a way leads elsewhere.
pub fn of(response: &Message) -> Result<Vec<String>, Unfollowed> {
    // One more than is followed shows that there are too many.
    let routes: Vec<&str> = response.elements(&HeaderName::ServiceRoute).take(SERVICE_ROUTES_MAX + 1).collect();
    match routes.len() > SERVICE_ROUTES_MAX {
        true => Err(Unfollowed::TooMany),
        false if !routes.iter().all(|route| can_be_followed(route)) => Err(Unfollowed::Unreadable),
        false => Ok(routes.into_iter().map(str::to_owned).collect()),
    }
}

/// Whether a route leads to an edge of ours, `host:port`: a call by it would come in again. By TLS an edge has another port.
pub fn leads_to(route: &str, edge: &str) -> bool {
    let address = NameAddr::parse(route).ok();
    let Some(uri) = address.as_ref().and_then(|address| address.uri().ok()) else { return false };
    let Some((host, port)) = edge.rsplit_once(':') else { return false };
    let is_host = uri.host().is_some_and(|found| found.as_str().eq_ignore_ascii_case(host));
    let named = uri.port().unwrap_or(Transport::Udp.default_port());
    is_host && (is_secure(&uri) || port.parse::<u16>() == Ok(named))
}

/// Whether the first of these is reached by TLS: what has been registered that way is not called in the clear.
pub fn begins_secure(routes: &[String]) -> bool {
    let first = routes.first().and_then(|route| NameAddr::parse(route).ok());
    first.and_then(|address| address.uri().ok()).is_some_and(|uri| is_secure(&uri))
}

fn is_secure(uri: &Uri<'_>) -> bool {
    uri.scheme() == Scheme::Sips || uri.transport().is_some_and(|transport| transport.eq_ignore_ascii_case("tls"))
}

/// Whether it is the address of a loose router (RFC 3261 §16.12) outside.
fn can_be_followed(route: &str) -> bool {
    let Ok(address) = NameAddr::parse(route) else { return false };
    let Ok(uri) = address.uri() else { return false };
    let is_inside = |host: &str| host.len() >= INSIDE.len() && host.to_ascii_lowercase().ends_with(INSIDE);
    route.len() <= SERVICE_ROUTE_MAX
        && uri.is_sip()
        && uri.params().contains("lr")
        && uri.host().is_some_and(|host| !is_inside(host.as_str().trim_end_matches('.')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(lines: &[&str]) -> Result<Vec<String>, Unfollowed> {
        let lines: String = lines.iter().map(|line| format!("Service-Route: {line}\r\n")).collect();
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:2@a>;tag=a\r\nTo: <sip:2@a>;tag=b\r\n\
             Call-ID: a\r\nCSeq: 1 REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        of(&Message::parse(text.into()).expect("a message"))
    }

    /// The routes that are followed.
    fn routes(lines: &[&str]) -> Vec<String> {
        found(lines).unwrap_or_default()
    }

    #[test]
    fn loose_routes_are_followed_in_their_order() {
        let (one, two) = ("<sip:orig@p1.carrier.example;lr>", "<sips:p2.carrier.example:5061;lr=on>;x=y");
        assert_eq!(routes(&[one, two]), [one, two]);
        assert_eq!(routes(&[&format!("{one}, {two}")]), [one, two]);
        assert!(routes(&[]).is_empty());
    }

    #[test]
    fn a_way_may_begin_by_tls() {
        let begins = |route: &str| begins_secure(&[route.to_owned(), "<sip:p2;lr>".to_owned()]);
        assert!(begins("<sips:p1;lr>") && begins("<sip:p1;transport=TLS;lr>"));
        assert!(!begins("<sip:p1;lr;transport=tcp>") && !begins_secure(&[]));
    }

    #[test]
    fn a_way_that_cannot_be_followed_whole_is_none() {
        let good = "<sip:p1.carrier.example;lr>";
        let long = format!("<sip:{}@p1.carrier.example;lr>", "x".repeat(SERVICE_ROUTE_MAX));
        for bad in [
            "<sip:p2.carrier.example>",
            "<tel:+4930>",
            "<https://p2.carrier.example;lr>",
            "nonsense",
            "<sip:media.trunkline.invalid;lr>",
            "<sip:sip-cluster-1.7.sip-cluster.Trunkline.Invalid.;lr>",
            &long,
        ] {
            assert_eq!(found(&[good, bad]), Err(Unfollowed::Unreadable), "{bad}");
        }
        assert_eq!(routes(&[good; SERVICE_ROUTES_MAX]).len(), SERVICE_ROUTES_MAX);
        assert_eq!(found(&[good; SERVICE_ROUTES_MAX + 1]), Err(Unfollowed::TooMany));
    }

    #[test]
    fn a_route_may_lead_back_to_us() {
        for (route, edge, leads) in [
            ("<sip:x@198.51.100.7:5060;lr>", "198.51.100.7:5060", true),
            ("<sip:198.51.100.7;lr>", "198.51.100.7:5060", true),
            ("<sips:198.51.100.7;lr>", "198.51.100.7:5060", true),
            ("<sip:198.51.100.7:5061;transport=tls;lr>", "198.51.100.7:5060", true),
            ("<sip:EDGE.acme.example;lr>", "edge.acme.example:5060", true),
            ("<sip:[2001:db8::1]:5060;lr>", "[2001:db8::1]:5060", true),
            ("<sip:198.51.100.7:5070;lr>", "198.51.100.7:5060", false),
            ("<sip:198.51.100.8;lr>", "198.51.100.7:5060", false),
            ("nonsense", "198.51.100.7:5060", false),
            ("<sip:198.51.100.7;lr>", "198.51.100.7", false),
        ] {
            assert_eq!(leads_to(route, edge), leads, "{route} {edge}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_within_bounds(value in "[<>a-z:;=@,.\" ]{0,80}") {
            let routes = routes(&[&value]);
            prop_assert!(routes.len() <= SERVICE_ROUTES_MAX);
            prop_assert!(routes.iter().all(|route| route.len() <= SERVICE_ROUTE_MAX && route.contains("lr")));
        }
    }
}
