//! What the web edge answers, as a table: each path with the role that answers, what a caller must show, as what it is counted, and
//! which requests may bring more. The gate, the limits, the routers, the sessions of our own pages and the metrics read it. A path
//! without a row is closed: who shows no token is refused, others find nothing, and no role behind the edge hears of it.

use anyhow::{Context as _, Result};
use net::http::{Method, WiderLimits};
use runtime::issuer;
use runtime::metrics::Label;

use crate::{people_table, prompt_upload, shift_table};

/// Those of calls and agents.
pub(super) const VOICE: &str = "/api/voice/v1";
/// Those of pulse that are no pages.
pub(super) const PULSE: &str = "/pulse";
/// Those of agent-setup.
pub(super) const AGENT_SETUP: &str = "/agent-setup/api";
/// Those of agent-setup for provisioning agents (RFC 7644).
pub(super) const SCIM: &str = "/scim/v2";
/// Those of telemetry.
pub(super) const TELEMETRY: &str = "/telemetry";
/// Those of wfm-adapter.
pub(super) const WORKFORCE: &str = "/wfm";
/// The published one for desktops of agents.
pub(super) const DESKTOP: &str = "/workspace/v3";
/// The published one for statistics.
pub(super) const DESKTOP_STATISTICS: &str = "/statistics/v3";
/// The published one by which programs change the configuration.
pub(super) const DESKTOP_PROVISIONING: &str = "/provisioning/v3";
/// What of salesforce-adapter is of a tenant: the file with which an org learns of the softphone.
pub(super) const SALESFORCE: &str = "/salesforce/v1";
/// Its page in the frame of an org, and the files of that page.
pub(super) const SALESFORCE_PAGE: &str = "/salesforce/softphone";
/// The address that GWS has for the pages of Agent Setup.
pub(super) const SETUP_PAGES: &str = "/ui/provisioning";
/// The desktop in the browser.
pub(super) const DESKTOP_PAGE: &str = "/desktop";
/// The address that GWS has for such a page.
pub(super) const WORKSPACE_PAGE: &str = "/ui/wwe";
/// Where a session of a desktop begins.
const DESKTOP_BEGINS: &str = "/workspace/v3/initialize-workspace";
/// The sessions of our own pages.
pub(super) const SESSION: &str = "/session";
/// The WebSocket of phones.
pub(super) const PHONES: &str = "/sip";
/// The WebSocket of phones that come by a ticket of their desktop, or are waited for.
pub(super) const BROWSER_PHONES: &str = "/webrtc";

/// A role behind the edge, and the connection that leads there.
#[derive(Debug)]
pub(super) struct RoleAt {
    /// Its name.
    pub role: &'static str,
    /// The id of the connection.
    pub connection: &'static str,
}

const AT_AUTH: RoleAt = RoleAt { role: "auth", connection: "own-11" };
const AT_FRONTEND: RoleAt = RoleAt { role: "frontend", connection: "own-16" };
const AT_SIP_PROXY: RoleAt = RoleAt { role: "sip-proxy", connection: "own-24" };
const AT_WFM_ADAPTER: RoleAt = RoleAt { role: "wfm-adapter", connection: "own-26" };
const AT_AGENT_SETUP: RoleAt = RoleAt { role: "agent-setup", connection: "own-27" };
const AT_GWS_PROXY: RoleAt = RoleAt { role: "gws-proxy", connection: "own-31" };
const AT_PULSE: RoleAt = RoleAt { role: "pulse", connection: "pulse-20" };
const AT_TELEMETRY: RoleAt = RoleAt { role: "telemetry", connection: "telemetry-03" };
const AT_WEBRTC: RoleAt = RoleAt { role: "webrtc", connection: "own-33" };

/// Which paths a row is about.
#[derive(Clone, Copy, Debug)]
enum PathExtent {
    /// The path itself.
    Alone,
    /// What is below it.
    Below,
    /// Both.
    Whole,
}

/// What a caller must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EdgeProof {
    /// Nothing: pages, and whether the role lives.
    Nothing,
    /// What the one who answers asks for: a form, a cookie, a token that begins a session, the password of a phone.
    OfItsOwn,
    /// A token of the caller, which the gate verifies. A session of our own pages lends it.
    Token,
}

/// A row.
#[derive(Debug)]
pub(super) struct EdgeRoute {
    path: &'static str,
    extent: PathExtent,
    /// The role that answers; none where ingress itself does.
    behind: Option<&'static RoleAt>,
    proof: EdgeProof,
    family: RouteFamily,
    wider: WiderOf,
    repeated: RepeatedOf,
}

/// Which requests have wider limits, by method and path.
type WiderOf = fn(&Method, &str) -> Option<WiderLimits>;
/// Which requests another replica of the role behind may be sent again after a 503 or a broken connection, by method and what of the path is
/// behind that of the row.
type RepeatedOf = fn(&Method, &str) -> bool;

const fn page(path: &'static str, extent: PathExtent) -> EdgeRoute {
    let (behind, proof, family) = (Some(&AT_PULSE), EdgeProof::Nothing, RouteFamily::Pages);
    EdgeRoute { path, extent, behind, proof, family, wider: no_wider, repeated: what_changes_nothing }
}

const fn api(path: &'static str, behind: Option<&'static RoleAt>, family: RouteFamily) -> EdgeRoute {
    EdgeRoute {
        path,
        extent: PathExtent::Below,
        behind,
        proof: EdgeProof::Token,
        family,
        wider: no_wider,
        repeated: what_changes_nothing,
    }
}

const fn with_own_proof(
    path: &'static str,
    extent: PathExtent,
    behind: Option<&'static RoleAt>,
    family: RouteFamily,
) -> EdgeRoute {
    EdgeRoute {
        path,
        extent,
        behind,
        proof: EdgeProof::OfItsOwn,
        family,
        wider: no_wider,
        repeated: what_changes_nothing,
    }
}

const fn probe(path: &'static str) -> EdgeRoute {
    let (extent, proof, family) = (PathExtent::Alone, EdgeProof::Nothing, RouteFamily::Probes);
    EdgeRoute { path, extent, behind: None, proof, family, wider: no_wider, repeated: what_changes_nothing }
}

fn no_wider(_: &Method, _: &str) -> Option<WiderLimits> {
    None
}

/// RFC 9110 section 9.2.1.
fn what_changes_nothing(method: &Method, _: &str) -> bool {
    method.is_safe()
}

/// The same, and a message of Bayeux that waits for events and is alone at its path: what a desktop has not said that it has is told again.
fn with_connects(method: &Method, rest: &str) -> bool {
    what_changes_nothing(method, rest) || *method == Method::POST && rest == "/notifications/connect"
}

/// Browsers come to auth by GET with states, codes and ends of sign-ins, each of which is good once.
fn nothing(_: &Method, _: &str) -> bool {
    false
}

/// A table of people on its way in or out, or a recording on its way in, at the listeners of ingress.
fn table_of_people(method: &Method, path: &str) -> Option<WiderLimits> {
    people_table::limits(method, path, 3).or_else(|| prompt_upload::limits(method, path, 3))
}

/// A table of shifts on its way in, at the listeners of ingress.
fn table_of_shifts(method: &Method, path: &str) -> Option<WiderLimits> {
    shift_table::limits(method, path, 3)
}

/// The table. Of several rows that are about a path, the one with the longest path counts.
static TABLE: [EdgeRoute; 35] = [
    page("/", PathExtent::Alone),
    page("/index.html", PathExtent::Alone),
    page("/icon.svg", PathExtent::Alone),
    page("/assets", PathExtent::Below),
    page("/topology", PathExtent::Alone),
    page("/trace", PathExtent::Whole),
    page("/agent-setup", PathExtent::Whole),
    page(DESKTOP_PAGE, PathExtent::Whole).by(&AT_GWS_PROXY),
    page(WORKSPACE_PAGE, PathExtent::Whole).by(&AT_GWS_PROXY),
    page(SETUP_PAGES, PathExtent::Whole).by(&AT_GWS_PROXY),
    // Every path below /api needs a token, whether there is something or not.
    api("/api", None, RouteFamily::Unknown),
    // Events and webhooks below it are answered by ingress.
    api(VOICE, Some(&AT_FRONTEND), RouteFamily::Voice),
    api("/api/operations/v1", None, RouteFamily::Operations),
    api(PULSE, Some(&AT_PULSE), RouteFamily::Wallboard),
    api(AGENT_SETUP, Some(&AT_AGENT_SETUP), RouteFamily::Configuration).with_wider(table_of_people),
    api(SCIM, Some(&AT_AGENT_SETUP), RouteFamily::Configuration),
    api(TELEMETRY, Some(&AT_TELEMETRY), RouteFamily::Telemetry),
    api(WORKFORCE, Some(&AT_WFM_ADAPTER), RouteFamily::Workforce).with_wider(table_of_shifts),
    with_own_proof(DESKTOP, PathExtent::Below, Some(&AT_GWS_PROXY), RouteFamily::Desktop).repeating(with_connects),
    with_own_proof(DESKTOP_STATISTICS, PathExtent::Below, Some(&AT_GWS_PROXY), RouteFamily::Desktop)
        .repeating(with_connects),
    with_own_proof(DESKTOP_PROVISIONING, PathExtent::Below, Some(&AT_GWS_PROXY), RouteFamily::Desktop)
        .repeating(with_connects),
    api(SALESFORCE, Some(&AT_GWS_PROXY), RouteFamily::Salesforce),
    EdgeRoute {
        path: SALESFORCE_PAGE,
        extent: PathExtent::Below,
        behind: Some(&AT_GWS_PROXY),
        proof: EdgeProof::Nothing,
        family: RouteFamily::Salesforce,
        wider: no_wider,
        repeated: what_changes_nothing,
    },
    with_own_proof(issuer::PATH, PathExtent::Below, Some(&AT_AUTH), RouteFamily::Auth).repeating(nothing),
    // `issuer::METADATA`.
    with_own_proof("/.well-known", PathExtent::Below, Some(&AT_AUTH), RouteFamily::Auth).repeating(nothing),
    // `issuer::PUBLISHED_PAGES`.
    with_own_proof("/auth/sign-in.html", PathExtent::Alone, Some(&AT_AUTH), RouteFamily::Auth).repeating(nothing),
    with_own_proof("/auth/profile.js", PathExtent::Alone, Some(&AT_AUTH), RouteFamily::Auth).repeating(nothing),
    with_own_proof("/auth/telemetry.js", PathExtent::Alone, Some(&AT_AUTH), RouteFamily::Auth).repeating(nothing),
    with_own_proof("/auth/host-mapping", PathExtent::Alone, Some(&AT_AUTH), RouteFamily::Auth).repeating(nothing),
    with_own_proof("/ui/wwe/profile.js", PathExtent::Alone, Some(&AT_AUTH), RouteFamily::Auth).repeating(nothing),
    with_own_proof(SESSION, PathExtent::Whole, None, RouteFamily::Auth),
    with_own_proof(PHONES, PathExtent::Alone, Some(&AT_SIP_PROXY), RouteFamily::Phones),
    with_own_proof(BROWSER_PHONES, PathExtent::Alone, Some(&AT_WEBRTC), RouteFamily::Phones),
    probe("/live"),
    probe("/ready"),
];

impl EdgeRoute {
    const fn by(self, behind: &'static RoleAt) -> Self {
        Self { behind: Some(behind), ..self }
    }

    const fn with_wider(self, wider: WiderOf) -> Self {
        Self { wider, ..self }
    }

    const fn repeating(self, repeated: RepeatedOf) -> Self {
        Self { repeated, ..self }
    }

    fn is_about(&self, path: &str) -> bool {
        // Each request asks several times, and most rows differ in the last letter that they have: so much costs no call.
        let last = self.path.len() - 1;
        if path.as_bytes().get(last) != self.path.as_bytes().get(last) {
            return false;
        }
        let Some(rest) = path.strip_prefix(self.path) else { return false };
        match self.extent {
            PathExtent::Alone => rest.is_empty(),
            PathExtent::Below => rest.starts_with('/'),
            PathExtent::Whole => rest.is_empty() || rest.starts_with('/'),
        }
    }
}

/// The row of a path.
pub(super) fn of(path: &str) -> Option<&'static EdgeRoute> {
    TABLE.iter().filter(|route| route.is_about(path)).max_by_key(|route| route.path.len())
}

/// The role to which the row of exactly that path leads.
///
/// # Errors
/// If there is no such row, or ingress itself answers.
pub(super) fn leads_to(path: &str) -> Result<&'static RoleAt> {
    let row = TABLE.iter().find(|route| route.path == path);
    row.and_then(|route| route.behind).with_context(|| format!("no row of the web edge leads from {path} to a role"))
}

/// Whether the gate lets a request to that path in without a token.
pub(super) fn is_open(path: &str) -> bool {
    of(path).is_some_and(|route| route.proof != EdgeProof::Token)
}

/// Whether that path is of an API, for which a token is shown.
pub(super) fn is_of_api(path: &str) -> bool {
    of(path).is_some_and(|route| route.proof == EdgeProof::Token)
}

/// Whether a session of our own pages lends its token at that path: at every API, and where the session of a desktop begins, which has a
/// cookie of its own from then on.
pub(super) fn takes_lent_token(path: &str) -> bool {
    is_of_api(path) || path.trim_end_matches('/') == DESKTOP_BEGINS
}

/// Whether pages of other origins that are let in use the sessions of that path: at the APIs of desktops, but not where the configuration
/// is changed.
pub(super) fn shares_sessions(path: &str) -> bool {
    of(path).is_some_and(|route| route.family == RouteFamily::Desktop && route.path != DESKTOP_PROVISIONING)
}

/// Whether that path is of the pages.
pub(super) fn is_page(path: &str) -> bool {
    of(path).is_some_and(|route| route.family == RouteFamily::Pages)
}

/// The limits of a request, where they are wider than those of the listener.
pub(super) fn wider(method: &Method, path: &str) -> Option<WiderLimits> {
    of(path).and_then(|route| (route.wider)(method, path))
}

/// Whether another replica of the role behind that path may be sent a request again.
pub(super) fn may_repeat(method: &Method, path: &str) -> bool {
    of(path).is_some_and(|route| (route.repeated)(method, path.strip_prefix(route.path).unwrap_or_default()))
}

/// All that is below a path, as a router takes it.
pub(super) fn all_below(path: &str) -> String {
    format!("{path}/{{*rest}}")
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteFamily {
    /// Pages and their files.
    Pages,
    /// The wallboard's numbers.
    Wallboard,
    /// Calls and agents: requests, events, webhooks.
    Voice,
    /// The topology and traces.
    Operations,
    /// Objects of the configuration.
    Configuration,
    /// What clients tell of themselves.
    Telemetry,
    /// What workforce tools read and plan.
    Workforce,
    /// What desktops of agents ask, and their long polls.
    Desktop,
    /// The softphone page of Salesforce, and what an org learns of it by.
    Salesforce,
    /// Signing in, and tokens.
    Auth,
    /// The WebSocket of phones.
    Phones,
    /// Whether the role lives and is ready.
    Probes,
    /// Paths at which there is nothing.
    Unknown,
}

impl RouteFamily {
    /// That of a path.
    pub fn of(path: &str) -> Self {
        of(path).map_or(Self::Unknown, |route| route.family)
    }
}

impl Label for RouteFamily {
    const NAME: &'static str = "route";
    const ALL: &'static [Self] = &[
        Self::Pages,
        Self::Wallboard,
        Self::Voice,
        Self::Operations,
        Self::Configuration,
        Self::Telemetry,
        Self::Workforce,
        Self::Desktop,
        Self::Salesforce,
        Self::Auth,
        Self::Phones,
        Self::Probes,
        Self::Unknown,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Wallboard => "wallboard",
            Self::Voice => "voice",
            Self::Operations => "operations",
            Self::Configuration => "configuration",
            Self::Telemetry => "telemetry",
            Self::Workforce => "workforce",
            Self::Desktop => "desktop",
            Self::Salesforce => "salesforce",
            Self::Auth => "auth",
            Self::Phones => "phones",
            Self::Probes => "probes",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use runtime::api_family::{self, ApiFamily, TakenFamilies};

    use super::*;

    #[test]
    fn every_api_needs_a_token_and_every_connection_is_declared() {
        for route in &TABLE {
            let below = format!("{}/v1/example/x", route.path);
            if route.proof == EdgeProof::Token {
                for path in [below.as_str(), &format!("{}/", route.path)] {
                    assert!(!is_open(path) && is_of_api(path), "{path}");
                }
            }
            if let Some(behind) = route.behind {
                assert!(crate::ingress::SPEC.opens.contains(&behind.connection), "{behind:?}");
            }
        }
        for (n, route) in TABLE.iter().enumerate() {
            assert!(TABLE.iter().skip(n + 1).all(|other| other.path != route.path), "{} is there twice", route.path);
        }
    }

    #[test]
    fn a_token_is_lent_to_apis_and_where_a_session_of_a_desktop_begins() {
        for lent in ["/agent-setup/api/v1/acme/objects", DESKTOP_BEGINS, "/workspace/v3/initialize-workspace/"] {
            assert!(takes_lent_token(lent), "{lent}");
        }
        for not in ["/workspace/v3/voice/ready", "/workspace/v3/notifications/connect", "/auth/v3/oauth/token", "/"] {
            assert!(!takes_lent_token(not), "{not}");
        }
    }

    #[test]
    fn the_paths_of_an_api_are_of_the_family_whose_tokens_the_gate_takes_there() {
        for route in &TABLE {
            // At those of desktops the role behind verifies the token, for the same family.
            let is_of_desktop = route.proof == EdgeProof::OfItsOwn && route.family == RouteFamily::Desktop;
            let is_of_api = route.proof == EdgeProof::Token && route.path != "/api" || is_of_desktop;
            assert_eq!(ApiFamily::of_path(&format!("{}/x", route.path)).is_some(), is_of_api, "{}", route.path);
        }
        for path in ApiFamily::ALL.iter().flat_map(|family| family.paths()) {
            assert!(TABLE.iter().any(|route| route.path == *path), "{path}: the web edge does not answer it");
        }
        // A role behind the edge takes there what the edge takes. gws-proxy takes nothing itself: the role behind it does.
        let asks = |behind: &&RoleAt| behind.role != AT_GWS_PROXY.role;
        for route in TABLE.iter().filter(|route| route.proof == EdgeProof::Token) {
            let Some(behind) = route.behind.filter(asks) else { continue };
            let listens = api_family::guarded_listeners().find(|(role, _)| *role == behind.role);
            let (role, listener) = listens.unwrap();
            let at = |taken: TakenFamilies| taken.at(&format!("{}/v1/acme/x", route.path));
            assert_eq!(at(TakenFamilies::of_listener(role, listener)), at(TakenFamilies::ByPath), "{}", route.path);
        }
    }

    #[test]
    fn what_asks_for_its_own_proof_and_pages_are_open_and_what_is_unknown_is_closed() {
        let (page, api) = ("/desktop", "/workspace/v3/notifications/");
        for open in
            ["/", "/trace/1", "/agent-setup/people/ann", page, "/auth/v3/oauth/token", "/session/sign-in", "/sip", api]
                .iter()
                .chain(&["/salesforce/softphone/acme"])
                .chain(&issuer::METADATA)
                .chain(&issuer::PUBLISHED_PAGES)
        {
            assert!(is_open(open) && !is_of_api(open), "{open}");
        }
        for unknown in [
            "/nothing",
            "/scim",
            "/scim/v1/acme/Users",
            "/auth/v3",
            "/auth/v33/x",
            "/auth",
            "/sessions",
            "/sip/x",
            "/webrtc/x",
            "/workspace/v3",
            "/workspace/v30/x",
            "/salesforce/softphone",
            "/salesforce/x",
            "/wfm",
            "/tracery",
            "//",
        ] {
            assert!(of(unknown).is_none() && !is_open(unknown), "{unknown}");
        }
    }

    #[test]
    fn a_table_of_people_alone_may_bring_more_and_may_take_longer() {
        let table = "/agent-setup/api/v1/acme/people.csv";
        let [comes, goes] = [Method::POST, Method::GET].map(|method| wider(&method, table).unwrap());
        let usual = net::http::Limits::default();
        assert!(comes.body_bytes_max > usual.body_bytes_max && goes.body_bytes_max < usual.body_bytes_max);
        assert!(comes.answer_within > usual.answer_within && goes.answer_within > usual.answer_within);
        let recording = wider(&Method::POST, "/agent-setup/api/v1/acme/prompt-audio").unwrap();
        assert!(recording.body_bytes_max > usual.body_bytes_max);
        for (method, path) in [
            (Method::DELETE, table),
            (Method::GET, "/agent-setup/api/v1/acme/history"),
            (Method::POST, "/agent-setup/api/v1/acme/changes"),
            (Method::POST, "/api/voice/v1/acme/people.csv"),
            (Method::POST, "/nothing/people.csv"),
        ] {
            assert!(wider(&method, path).is_none(), "{method} {path}");
        }
    }

    #[test]
    fn what_changes_nothing_may_be_sent_again_and_so_may_connects_at_the_apis_of_desktops_but_nothing_to_auth() {
        let connects = [DESKTOP, DESKTOP_STATISTICS, DESKTOP_PROVISIONING];
        for route in &TABLE {
            let below = |rest: &str| match route.extent {
                PathExtent::Alone => route.path.to_owned(),
                PathExtent::Below | PathExtent::Whole => format!("{}/{rest}", route.path),
            };
            let is_at_auth = route.behind.is_some_and(|behind| behind.role == AT_AUTH.role);
            assert_eq!(may_repeat(&Method::GET, &below("x")), !is_at_auth, "{}", route.path);
            let repeats_connect = may_repeat(&Method::POST, &below("notifications/connect"));
            assert_eq!(repeats_connect, connects.contains(&route.path), "{}", route.path);
            for rest in ["notifications/", "notifications/handshake", "voice/ready", "x"] {
                assert!(!may_repeat(&Method::POST, &below(rest)), "{} {rest}", route.path);
            }
        }
        assert!(!may_repeat(&Method::PUT, "/workspace/v3/notifications/connect"));
        assert!(!may_repeat(&Method::GET, "/nothing"));
    }

    #[test]
    fn every_file_beside_the_pages_has_a_row() {
        let public = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/public");
        for file in std::fs::read_dir(public).unwrap() {
            let path = format!("/{}", file.unwrap().file_name().to_string_lossy());
            assert!(is_page(&path), "{path}: the web edge does not answer it");
        }
    }

    #[test]
    fn sessions_of_desktops_are_shared_with_other_pages_and_those_of_the_configuration_are_not() {
        assert!(shares_sessions("/workspace/v3/voice/ready") && shares_sessions("/statistics/v3/subscriptions"));
        for not in ["/provisioning/v3/users", "/agent-setup/api/v1/acme/history", "/nothing"] {
            assert!(!shares_sessions(not), "{not}");
        }
    }

    #[test]
    fn a_path_is_of_one_family() {
        for (path, family) in [
            ("/", RouteFamily::Pages),
            ("/agent-setup/people/ann", RouteFamily::Pages),
            ("/desktop", RouteFamily::Pages),
            ("/ui/provisioning/people", RouteFamily::Pages),
            ("/ui/wwe", RouteFamily::Pages),
            ("/ui/wwe/assets/x.js", RouteFamily::Pages),
            ("/ui/wwe/profile.js", RouteFamily::Auth),
            ("/ui/other", RouteFamily::Unknown),
            ("/desktops", RouteFamily::Unknown),
            ("/pulsed", RouteFamily::Unknown),
            ("/pulse/api/v1/example/wallboard", RouteFamily::Wallboard),
            ("/api/voice/v1/example/events", RouteFamily::Voice),
            ("/api/operations/v1/topology", RouteFamily::Operations),
            ("/api/other", RouteFamily::Unknown),
            ("/agent-setup/api/v1/acme/history", RouteFamily::Configuration),
            ("/scim/v2/acme/Users", RouteFamily::Configuration),
            ("/telemetry/v1/traces", RouteFamily::Telemetry),
            ("/wfm/v1/example/agents", RouteFamily::Workforce),
            ("/workspace/v3/voice/ready", RouteFamily::Desktop),
            ("/statistics/v3/subscriptions", RouteFamily::Desktop),
            ("/provisioning/v3/objects/users", RouteFamily::Desktop),
            ("/salesforce/v1/acme/call-center.xml", RouteFamily::Salesforce),
            ("/salesforce/softphone/acme", RouteFamily::Salesforce),
            ("/auth/v3/oauth/token", RouteFamily::Auth),
            ("/.well-known/openid-configuration", RouteFamily::Auth),
            ("/sip", RouteFamily::Phones),
            ("/webrtc", RouteFamily::Phones),
            ("/live", RouteFamily::Probes),
        ] {
            assert_eq!(RouteFamily::of(path), family, "{path}");
        }
    }
}
