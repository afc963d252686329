//! Hands what is below the paths of the published APIs to gws-proxy (own-31), with the proofs that the caller brings and none of our own: a
//! token, or the cookie of a session of that API. Of the browser's other cookies none goes on. So it does with the page of the desktop,
//! which stands in frames of the pages alone that are let in, and with those of Agent Setup at the address that GWS has for them: nobody
//! proves anything for them.
//!
//! Whoever asks there waits for events by long polls (Bayeux), each of which lasts a minute: they have places of their own here. By a
//! WebSocket the same goes, every byte of which is passed on.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use identity::session_cookie::SessionCookie;
use net::http::{
    Capacity, FORWARDED_HOST, LongPolls, PassedSocket, Problem, SocketPass, StatusCode, Turn, WebClient, cookies,
    opens_socket, with_published_refusals,
};
use prometheus_client::metrics::gauge::Gauge;
use runtime::around::Entrance;
use runtime::server::CONNECTIONS_MAX;
use runtime::{Drain, RoleContext};

use super::desktop_frames::DesktopFrames;
use super::hand_on::RoleBehind;
use super::routes;

/// A published API behind gws-proxy.
struct PublishedApi {
    /// What its paths begin with: a row of the web edge's table, which leads to gws-proxy.
    path: &'static str,
    /// The cookie of its sessions.
    cookie: &'static str,
}

/// All of them. gws-proxy knows which role answers each.
static PUBLISHED: [PublishedApi; 3] = [
    PublishedApi { path: routes::DESKTOP, cookie: "WORKSPACE_SESSIONID" },
    PublishedApi { path: routes::DESKTOP_STATISTICS, cookie: "STATISTICS_SESSIONID" },
    PublishedApi { path: routes::DESKTOP_PROVISIONING, cookie: "PROVISIONING_SESSIONID" },
];

/// Pages that come by gws-proxy.
const PAGES: [&str; 3] = [routes::SETUP_PAGES, routes::DESKTOP_PAGE, routes::WORKSPACE_PAGE];
/// The longest value of a cookie that is looked at, in bytes.
const COOKIE_BYTES_MAX: usize = 512;
/// Below the path of each, that of Bayeux, whose messages come to it and below it.
const NOTIFICATIONS: &str = "/notifications";
/// Time for an answer: more than gws-proxy takes at most, less than the listener gives.
const ANSWER_WITHIN: Duration = Duration::from_secs(28);
/// The same for a long poll, which a desktop may have wait for 60 s.
const POLL_WITHIN: Duration = Duration::from_secs(78);
/// How long a poll still waits once the role is to end: those that bring something are answered by then.
const RELEASED_AFTER: Duration = Duration::from_secs(1);
/// Long polls at a listener. All are of addresses, not of tokens, which have three quarters of them at most, and one of them half: so
/// there is room for other addresses, and for connections of those who do not wait.
pub(super) const POLLS: LongPolls =
    LongPolls { are: is_poll, places: Capacity { all: CONNECTIONS_MAX }, answer_within: Duration::from_secs(80) };
/// Headers forwarded with a request, beside the cookie.
static PASSED_ON: [HeaderName; 18] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::IF_NONE_MATCH,
    header::ORIGIN,
    header::USER_AGENT,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-b3-traceid"),
    HeaderName::from_static("x-b3-spanid"),
    HeaderName::from_static("x-b3-parentspanid"),
    HeaderName::from_static("x-b3-sampled"),
    HeaderName::from_static("x-b3-flags"),
    // As published clients spell the id of a span.
    HeaderName::from_static("x-b3-snapid"),
    HeaderName::from_static("x-gws-unstable"),
    HeaderName::from_static("x-request-id"),
    // For whom a page of ours asks.
    HeaderName::from_static("x-trunkline-subject"),
    HeaderName::from_static("traceparent"),
];

runtime::metrics! {
    /// Metrics of desktops at the web edge.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Long polls of desktops that wait for an answer now.
        polls: Gauge = "ingress_desktop_polls";
        /// WebSockets of desktops that are open.
        sockets: Gauge = "ingress_desktop_sockets";
    }
}

/// gws-proxy, as requests at the edge reach it.
#[derive(Clone)]
struct DesktopsBehind {
    usual: RoleBehind,
    polls: RoleBehind,
    sockets: SocketPass,
    drain: Drain,
    metrics: Metrics,
    frames: DesktopFrames,
}

/// The routes of desktops; the page stands in those frames alone.
pub(super) fn router(ctx: &RoleContext, frames: DesktopFrames) -> anyhow::Result<Router> {
    // One of the rows stands for all: each leads to the same role by the same connection.
    let usual = RoleBehind::new(ctx, routes::DESKTOP, &PASSED_ON)?.answering_within(ANSWER_WITHIN);
    let polls = usual.clone().answering_within(POLL_WITHIN).silent_for_long();
    let sockets = SocketPass::new(ctx, routes::leads_to(routes::DESKTOP)?.connection)?.knowing(usual.client());
    let (drain, metrics) = (ctx.drain.clone(), Metrics::register(&ctx.metrics));
    let behind = DesktopsBehind { usual, polls, sockets, drain, metrics, frames };
    let pages = PAGES.into_iter().flat_map(|page| [page.to_owned(), format!("{page}/"), routes::all_below(page)]);
    let all = PUBLISHED.iter().map(|api| routes::all_below(api.path)).chain(pages);
    let router = all.fold(Router::new(), |router, path| router.route(&path, any(to_gws_proxy)));
    Ok(router.with_state(behind))
}

/// What requests pass, so that problems below the published APIs are told in the envelope of those: those of the gate and of the limits are
/// among them.
pub(super) fn worded(behind: impl Into<Entrance>) -> Entrance {
    with_published_refusals(behind, |_, path| published(path).is_some())
}

/// The API that a path is below, and what of the path is below it, with the slash.
fn published(path: &str) -> Option<(&'static PublishedApi, &str)> {
    let below = |api: &PublishedApi| path.strip_prefix(api.path).filter(|rest| rest.starts_with('/'));
    PUBLISHED.iter().find_map(|api| Some((api, below(api)?)))
}

/// Whether it brings messages of Bayeux, one of which may wait for events: which they are stands in the body, whatever the path says.
pub(super) fn is_poll(method: &Method, path: &str) -> bool {
    let below = published(path).and_then(|(_, rest)| rest.strip_prefix(NOTIFICATIONS));
    *method == Method::POST && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether that path is the one at which WebSockets are opened, by which the same goes.
fn opens_sockets(path: &str) -> bool {
    published(path).is_some_and(|(_, rest)| rest.strip_suffix('/').unwrap_or(rest) == NOTIFICATIONS)
}

/// The session of the API at that path that the cookie of a request names, whether there is one or not.
pub(super) fn session(path: &str, headers: &HeaderMap) -> Option<SessionCookie> {
    published(path).and_then(|(api, _)| SessionCookie::read(api.value_in(headers)?))
}

impl PublishedApi {
    /// The value of its cookie.
    fn value_in<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        cookies::find(headers, self.cookie, COOKIE_BYTES_MAX)
    }

    /// Its cookie as the only one.
    fn own_cookie(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{}={}", self.cookie, self.value_in(headers)?)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

async fn to_gws_proxy(State(behind): State<DesktopsBehind>, request: Request) -> Response {
    let api = published(request.uri().path()).map(|(api, _)| api);
    let session = api.and_then(|api| api.own_cookie(request.headers())).map(|cookie| (header::COOKIE, cookie));
    // A host may name the tenant.
    let host = request.headers().get(header::HOST).cloned().map(|host| (FORWARDED_HOST, host));
    let further = session.into_iter().chain(host);
    if opens_socket(&request) && opens_sockets(request.uri().path()) {
        return behind.opened(request, further).await;
    }
    if !is_poll(request.method(), request.uri().path()) {
        let path = request.uri().path().to_owned();
        let mut answer = behind.usual.hand_on(request, further).await;
        behind.frames.let_in(&path, answer.headers_mut());
        return answer;
    }
    let turn = request.extensions().get::<Turn>().cloned();
    let _waits = CountedDesktop::of(&behind.metrics.polls);
    let answer = behind.polls.hand_on(request, further);
    let Some(answer) = behind.drain.unless_released(RELEASED_AFTER, answer).await else {
        // The desktop asks again, and another process answers.
        return Problem::unavailable("the web edge ends: ask again").into_response();
    };
    // Without a session there is nothing to wait for.
    if let Some(turn) = turn.filter(|_| answer.status().is_success()) {
        turn.proof_is_taken();
    }
    answer
}

impl DesktopsBehind {
    /// Has gws-proxy open a WebSocket. It has the places of one that waits and of a connection as long as it lives, and is cut off soon
    /// where the role is to end: the desktop opens another one, by another process.
    async fn opened(&self, request: Request, further: impl Iterator<Item = (HeaderName, HeaderValue)>) -> Response {
        let Some(turn) = request.extensions().get::<Turn>() else { return Problem::internal().into_response() };
        let place = match turn.socket() {
            Ok(place) => place,
            Err(problem) => return problem.into_response(),
        };
        let client = request.extensions().get::<WebClient>().copied();
        let passed = PASSED_ON.iter().filter_map(|name| Some((name.clone(), request.headers().get(name)?.clone())));
        let headers: Vec<_> = passed.chain(client.iter().flat_map(WebClient::told)).chain(further).collect();
        let session =
            headers.iter().find(|(name, _)| *name == header::COOKIE).and_then(|(_, value)| value.to_str().ok());
        let from = client.map(|client| client.address.to_string());
        let key = session.map_or_else(|| from.unwrap_or_default(), str::to_owned);
        let drain = self.drain.clone();
        let socket = PassedSocket {
            replicas: self.sockets.replicas(&key),
            headers,
            // One that is draining, or that has reached nobody.
            is_for_next: |status, _| status == StatusCode::SERVICE_UNAVAILABLE,
            keeps: Box::new((place, CountedDesktop::of(&self.metrics.sockets))),
            until: Box::pin(async move {
                drain.begun().await;
                tokio::time::sleep(RELEASED_AFTER).await;
            }),
        };
        self.sockets.pass_to(request, socket).await.unwrap_or_else(IntoResponse::into_response)
    }
}

/// A long poll, or a WebSocket, as it is counted while it is there.
struct CountedDesktop(Gauge);

impl CountedDesktop {
    fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for CountedDesktop {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use net::http::Limits;

    use super::*;

    #[test]
    fn every_published_api_is_led_to_the_same_role_and_has_a_cookie_of_its_own() {
        let gws_proxy = routes::leads_to(routes::DESKTOP).unwrap();
        for (n, api) in PUBLISHED.iter().enumerate() {
            assert_eq!(routes::leads_to(api.path).unwrap().role, gws_proxy.role, "{}", api.path);
            assert!(PUBLISHED.iter().skip(n + 1).all(|other| other.cookie != api.cookie), "{}", api.cookie);
            let below = format!("{}/x", api.path);
            let (found, rest) = published(&below).unwrap();
            assert_eq!((found.path, rest), (api.path, "/x"));
            assert!(published(api.path).is_none() && published(&format!("{}0/x", api.path)).is_none());
        }
    }

    #[test]
    fn messages_of_bayeux_wait_whatever_their_path_says_of_them_and_nothing_else_does() {
        for api in &PUBLISHED {
            for rest in ["", "/", "/connect", "/handshake"] {
                let path = format!("{}{NOTIFICATIONS}{rest}", api.path);
                assert!(is_poll(&Method::POST, &path) && !is_poll(&Method::GET, &path), "{path}");
                assert_eq!(routes::may_repeat(&Method::POST, &path), rest == "/connect", "{path}");
            }
        }
        for other in ["/workspace/v3/voice/ready", "/workspace/v3/notificationsx", "/x/workspace/v3/notifications"] {
            assert!(!is_poll(&Method::POST, other) && !opens_sockets(other), "{other}");
        }
        assert!(opens_sockets("/workspace/v3/notifications") && opens_sockets("/provisioning/v3/notifications/"));
        assert!(!opens_sockets("/workspace/v3/notifications/connect"));
    }

    #[test]
    fn who_waits_inside_gives_up_before_the_listener_does() {
        assert!(Duration::from_secs(60) < POLL_WITHIN && POLL_WITHIN < POLLS.answer_within);
        assert!(ANSWER_WITHIN < Limits::default().answer_within);
    }

    #[test]
    fn of_all_cookies_that_of_the_api_goes_on_alone() {
        let sent = "trunkline-page=YWNtZQ.x; WORKSPACE_SESSIONID=YWNtZQ.y; Path=/; STATISTICS_SESSIONID=b3RoZXI.z";
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(sent))]);
        for (path, own, tenant) in [
            ("/workspace/v3/x", "WORKSPACE_SESSIONID=YWNtZQ.y", "acme"),
            ("/statistics/v3/x", "STATISTICS_SESSIONID=b3RoZXI.z", "other"),
        ] {
            let (api, _) = published(path).unwrap();
            assert_eq!(api.own_cookie(&headers).unwrap(), own);
            assert_eq!(session(path, &headers).unwrap().tenant.as_str(), tenant);
            let others = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("trunkline-page=YWNtZQ.x"))]);
            assert!(api.own_cookie(&others).is_none() && session(path, &others).is_none());
        }
        assert!(session("/other", &headers).is_none());
    }
}
