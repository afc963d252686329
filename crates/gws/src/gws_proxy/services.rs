//! The services behind the proxy: which role answers below which path, by which connection, and what a session there is known by. And the
//! pages of Agent Setup and of the desktop, which are services as well: they have no session.

use net::http::Method;

use crate::session_cookie::{self, ServiceCookie};

/// Below the path of a service, that of its events (Bayeux), whose messages come to it and below it.
const NOTIFICATIONS: &str = "/notifications";
/// A message of Bayeux that waits for events, alone at its path.
const CONNECT: &str = "/notifications/connect";

/// A service.
#[derive(Debug)]
pub(super) struct ProxiedService {
    /// What its paths begin with.
    pub prefix: &'static str,
    /// The role that answers.
    pub role: &'static str,
    /// The id of the connection that leads there, or to a group that the role is in.
    pub connection: &'static str,
    /// The port of the role, where the table names none.
    pub port: Option<u16>,
    /// The cookie of its sessions; none where it has no sessions.
    pub cookie: Option<ServiceCookie>,
    /// Whether its prefix is a path of its own, too.
    is_page: bool,
    /// Which requests another replica may be sent again once a connection has broken, by method and what of the path is below its own.
    repeated: fn(&Method, &str) -> bool,
}

/// All of them.
pub(super) static SERVICES: [ProxiedService; 7] = [
    ProxiedService {
        prefix: "/workspace/v3",
        role: "gws-workspace",
        connection: "gws-06",
        port: None,
        cookie: Some(session_cookie::WORKSPACE),
        is_page: false,
        repeated: with_connect,
    },
    ProxiedService {
        prefix: "/statistics/v3",
        role: "gws-statistics",
        connection: "gws-02",
        port: None,
        cookie: Some(session_cookie::STATISTICS),
        is_page: false,
        repeated: with_connect,
    },
    ProxiedService {
        prefix: "/provisioning/v3",
        role: "gws-provisioning",
        connection: "gws-07",
        port: None,
        cookie: Some(session_cookie::PROVISIONING),
        is_page: false,
        repeated: with_connect,
    },
    ProxiedService {
        prefix: "/salesforce",
        role: "salesforce-adapter",
        connection: "gws-04",
        port: Some(8080),
        cookie: None,
        is_page: false,
        repeated: what_changes_nothing,
    },
    ProxiedService {
        prefix: "/ui/provisioning",
        role: "agent-setup",
        connection: "gws-05",
        port: None,
        cookie: None,
        is_page: true,
        repeated: what_changes_nothing,
    },
    desktop_page("/desktop"),
    desktop_page("/ui/wwe"),
];

/// An address of the desktop in the browser.
const fn desktop_page(prefix: &'static str) -> ProxiedService {
    ProxiedService {
        prefix,
        role: "gws-workspace",
        connection: "gws-06",
        port: None,
        cookie: None,
        is_page: true,
        repeated: what_changes_nothing,
    }
}

/// RFC 9110 section 9.2.1.
fn what_changes_nothing(method: &Method, _: &str) -> bool {
    method.is_safe()
}

/// The same, and the connect of a service that has sessions: none of its events is lost before the desktop has said that it has them.
fn with_connect(method: &Method, rest: &str) -> bool {
    what_changes_nothing(method, rest) || *method == Method::POST && rest == CONNECT
}

impl ProxiedService {
    /// Whether that path is below its own, or a page's own.
    pub fn is_about(&self, path: &str) -> bool {
        self.below(path).is_some() || self.is_page && path == self.prefix
    }

    /// Whether another replica may be sent the same once a connection has broken.
    pub fn may_repeat(&self, method: &Method, path: &str) -> bool {
        (self.repeated)(method, self.below(path).unwrap_or_default())
    }

    /// What of a path is below its own, with the slash.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.prefix).filter(|rest| rest.starts_with('/'))
    }
}

/// What of a path is below that of its service.
fn below(path: &str) -> Option<&str> {
    SERVICES.iter().find_map(|service| service.below(path))
}

/// Whether a service answers at that path.
pub(super) fn has_one_at(path: &str) -> bool {
    SERVICES.iter().any(|service| service.is_about(path))
}

/// Whether it brings messages of Bayeux, one of which may wait for events: which they are stands in the body, whatever the path says.
pub(super) fn is_poll(method: &Method, path: &str) -> bool {
    let services = SERVICES.iter().filter(|service| service.cookie.is_some());
    let rest = services.filter_map(|service| service.below(path)).find_map(|below| below.strip_prefix(NOTIFICATIONS));
    *method == Method::POST && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether that path is the one at which a service opens WebSockets, by which the same goes.
pub(super) fn opens_sockets(path: &str) -> bool {
    below(path).is_some_and(|rest| rest.strip_suffix('/').unwrap_or(rest) == NOTIFICATIONS)
}

#[cfg(test)]
mod tests {
    use runtime::connections;

    use super::*;
    use crate::gws_proxy::SPEC;

    #[test]
    fn each_service_is_reached_by_a_connection_of_the_table_that_the_role_declares() {
        for service in &SERVICES {
            let row = connections::find(service.connection).unwrap();
            let leads_there = connections::stands_for(row.to, service.role);
            assert!(connections::stands_for(row.from, SPEC.name) && leads_there, "{service:?}");
            assert!(SPEC.opens.contains(&service.connection), "{service:?}");
        }
        let led: std::collections::BTreeSet<_> = SERVICES.iter().map(|service| service.connection).collect();
        assert_eq!(SPEC.opens.len(), led.len(), "nothing else is opened");
        for (n, service) in SERVICES.iter().enumerate() {
            let below = format!("{}/x", service.prefix);
            assert!(SERVICES.iter().skip(n + 1).all(|other| !other.is_about(&below)), "{service:?}");
        }
    }

    #[test]
    fn a_path_is_of_the_service_whose_path_it_is_below() {
        let is_workspace = |path: &str| SERVICES[0].is_about(path);
        for path in ["/workspace/v3/", "/workspace/v3/voice/calls/01/answer", "/workspace/v3/notifications/"] {
            assert!(is_workspace(path), "{path}");
        }
        for other in ["/", "/workspace/v3", "/workspace/v30/x", "/x/workspace/v3/y", "/contacts/v3/x"] {
            assert!(!is_workspace(other) && !has_one_at(other), "{other}");
        }
        assert!(!is_workspace("/statistics/v3/x") && has_one_at("/statistics/v3/x"));
        assert!(has_one_at("/salesforce/softphone/acme") && !has_one_at("/salesforces/x"));
        for page in ["/ui/provisioning", "/ui/provisioning/", "/ui/provisioning/people/ann"] {
            assert!(has_one_at(page), "{page}");
        }
        for page in ["/desktop", "/desktop/", "/desktop/assets/x.js", "/ui/wwe", "/ui/wwe/assets/x.js"] {
            assert!(has_one_at(page) && !is_workspace(page), "{page}");
        }
        for other in ["/ui", "/ui/", "/desktops", "/ui/provisionings", "/agent-setup/api/v1/acme/history"] {
            assert!(!has_one_at(other), "{other}");
        }
    }

    #[test]
    fn what_may_have_been_carried_out_is_repeated_where_that_does_no_harm() {
        for service in &SERVICES {
            let repeated =
                |method: Method, rest: &str| service.may_repeat(&method, &format!("{}{rest}", service.prefix));
            assert!(repeated(Method::GET, "/current-session") && repeated(Method::GET, ""), "{service:?}");
            let has_events = service.cookie.is_some();
            assert_eq!(repeated(Method::POST, "/notifications/connect"), has_events, "{service:?}");
            for once in
                ["/voice/ready", "/notifications/", "/notifications/handshake", "/voice/calls/1/hold", "/logout"]
            {
                assert!(!repeated(Method::POST, once), "{once}");
            }
            assert!(!repeated(Method::DELETE, "/notifications/connect"), "{service:?}");
        }
    }

    #[test]
    fn sockets_are_opened_where_messages_of_bayeux_go() {
        assert!(opens_sockets("/workspace/v3/notifications") && opens_sockets("/statistics/v3/notifications/"));
        for other in ["/workspace/v3/notifications/connect", "/workspace/v3/voice", "/notifications", "/"] {
            assert!(!opens_sockets(other), "{other}");
        }
    }

    #[test]
    fn messages_of_bayeux_wait_whatever_their_path_says_of_them() {
        for rest in ["", "/", "/connect", "/handshake"] {
            let path = format!("/workspace/v3/notifications{rest}");
            assert!(is_poll(&Method::POST, &path) && !is_poll(&Method::OPTIONS, &path), "{path}");
        }
        for other in [
            "/workspace/v3/voice/ready",
            "/workspace/v3/notificationsx",
            "/notifications/connect",
            "/ui/provisioning/notifications",
        ] {
            assert!(!is_poll(&Method::POST, other), "{other}");
        }
    }
}
