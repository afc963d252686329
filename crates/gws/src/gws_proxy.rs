//! gws-proxy: the door of the published APIs for desktops of agents. HTTP 8080 (80 in the table), through ingress (own-31), which holds the
//! certificate; each service behind it by its prefix, as `services` says: `/workspace/v3` by gws-workspace (gws-06), `/statistics/v3` by
//! gws-statistics (gws-02), `/provisioning/v3` by gws-provisioning (gws-07), `/salesforce` by salesforce-adapter (gws-04), the pages of
//! Agent Setup at `/ui/provisioning` by agent-setup (gws-05), and the desktop at `/desktop` and `/ui/wwe` by gws-workspace (gws-06).
//!
//! It holds nothing and judges nothing: whoever is behind asks for a token or for a session of its own. The requests of one session go to
//! one replica (`crate::replica_choice`), so that a desktop finds there what it has begun; while that one takes no connections, or
//! says that it takes no requests, they go to the next one, which takes the session over. What may have been carried out is not sent a
//! second time, but for what changes nothing and the long polls of Bayeux. A WebSocket of Bayeux is led to the same replica, and every byte
//! of it passed on. A replica that hangs is found out by looks at it: it is asked last, and what waits there leaves it.

mod attempts;
mod metrics;
mod passed_headers;
mod services;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use net::connector::port_of;
use net::http::{Answer, Capacity, Client, Limits, LongPolls, PassedSocket, Problem, SocketPass, opens_socket};
use runtime::server::{Accepted, CONNECTIONS_MAX};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::replica_choice;
use attempts::{RankedAttempts, Unanswered};
use metrics::{Metrics, OpenSocket, ParkedPoll};
use services::{ProxiedService, SERVICES};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "gws-proxy",
    number: 20,
    summary: "the door of the published APIs for desktops: leads each session to its replica",
    listens: &[Listen {
        name: "web",
        protocol: Protocol::Http,
        port: 8080,
        place: Place::Cluster,
        accepts: &["own-31"],
    }],
    opens: &["gws-02", "gws-04", "gws-05", "gws-06", "gws-07"],
    settings: Settings::TABLE,
    metrics: &[Metrics::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

runtime::settings! {
    /// Settings of gws-proxy.
    pub struct Settings {
        /// How long a replica of a service may be silent before another one is asked what changes nothing, though it is there by all
        /// other signs; 1 s to 20 s. The other one takes the session over: no answer should take as long. Shorter than
        /// `ingress.silent_max`. It says nothing where a service has one replica.
        silent_max: Duration = Duration::from_secs(10),
            |v| runtime::settings::declare::within(v, &Duration::from_secs(1), &Duration::from_secs(20));
    }
}

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The role whose word counts of whom a request is from.
const INGRESS: &str = "ingress";
/// Time for an answer: less than the web edge waits for ours.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);
/// The same for a long poll, which a desktop may have wait for 60 s.
const POLL_WITHIN: Duration = Duration::from_secs(75);
/// How long a poll still waits once the role is to end: those that bring something are answered by then.
const RELEASED_AFTER: Duration = Duration::from_secs(1);
/// Requests at once that do not wait. All of them come by ingress, without tokens of ours: it alone gets at most half of the places.
const REQUESTS: Capacity = Capacity { all: 1_024 };
/// Long polls at once: each has a connection, of which others need some.
const POLLS: LongPolls = LongPolls {
    are: services::is_poll,
    places: Capacity { all: CONNECTIONS_MAX - 512 },
    answer_within: Duration::from_secs(77),
};

/// WebSockets at once: each has two connections. Whoever opens them, ingress has counted.
const SOCKETS_MAX: usize = CONNECTIONS_MAX - 512;

async fn run(ctx: RoleContext) -> Result<()> {
    let proxy = Arc::new(DesktopProxy::new(&ctx)?);
    let limits = Limits { requests: REQUESTS, polls: POLLS, ..Limits::default() };
    let router = Router::new().fallback(hand_on).with_state(proxy.clone());
    // Whoever is behind asks for proofs, where there is more than pages. Where nobody is, the listener asks for one itself.
    net::http::serve_with(&ctx, "web", router, limits, |_, path| services::has_one_at(path)).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    tracing::info!(
        polls = proxy.metrics.polls.get(),
        "long polls that bring nothing now are released: desktops ask again"
    );
    Ok(())
}

/// What the role has.
struct DesktopProxy {
    ctx: RoleContext,
    services: Vec<ServiceBehind>,
    silent_max: Duration,
    /// Places of WebSockets.
    sockets: Arc<Semaphore>,
    metrics: Metrics,
}

/// A service, as it is reached.
struct ServiceBehind {
    route: &'static ProxiedService,
    client: Client,
    /// The way of WebSockets, to services with sessions alone.
    sockets: Option<SocketPass>,
    port: u16,
    /// Counts the requests without a session, which the replicas take in turn.
    next: AtomicUsize,
}

impl ServiceBehind {
    fn new(ctx: &RoleContext, route: &'static ProxiedService) -> Result<Self> {
        let port = route.port.map_or_else(|| port_of(route.connection), Ok)?;
        // The row may name a group of roles.
        let client = Client::to(ctx, route.connection, route.role, port)?;
        client.watch_replicas();
        let sockets = route.cookie.map(|_| SocketPass::to(ctx, route.connection, route.role)).transpose()?;
        let sockets = sockets.map(|sockets| sockets.knowing(&client));
        Ok(Self { route, client, sockets, port, next: AtomicUsize::new(0) })
    }

    /// Its replicas in the order in which a request with these headers is sent to them.
    fn replicas(&self, ctx: &RoleContext, headers: &HeaderMap) -> Vec<SocketAddr> {
        let mut all = ctx.directory.addresses(self.route.role, self.port);
        if let Some(session) = self.route.cookie.and_then(|cookie| cookie.value_in(headers)) {
            return replica_choice::ranked(session, all);
        }
        if !all.is_empty() {
            let turn = self.next.fetch_add(1, Relaxed) % all.len();
            all.rotate_left(turn);
        }
        all
    }
}

async fn hand_on(State(proxy): State<Arc<DesktopProxy>>, request: Request) -> Response {
    let path = request.uri().path();
    let Some(service) = proxy.services.iter().find(|service| service.route.is_about(path)) else {
        return Problem::not_found("no such path").into_response();
    };
    if let Some(sockets) = service.sockets.as_ref().filter(|_| opens_socket(&request) && services::opens_sockets(path))
    {
        return proxy.opened(service, sockets, request).await;
    }
    let is_poll = services::is_poll(request.method(), path);
    let may_ask_again = is_poll && service.route.may_repeat(request.method(), path);
    let answer =
        if is_poll { proxy.polled(service, request).await } else { proxy.asked(service, request, ANSWER_WITHIN).await };
    match answer {
        Ok(answer) => {
            proxy.metrics.answered.inc();
            passed_back(answer)
        }
        Err(why) => {
            proxy.metrics.unanswered.inc(why);
            match why {
                // That is usual, and comes for all who wait at once.
                Unanswered::Released => tracing::debug!("a long poll is released"),
                _ => tracing::warn!(role = service.route.role, ?why, "nobody answers a request of a desktop"),
            }
            unanswered(service.route.role, why, may_ask_again)
        }
    }
}

impl DesktopProxy {
    fn new(ctx: &RoleContext) -> Result<Self> {
        let services: Result<Vec<_>> = SERVICES.iter().map(|route| ServiceBehind::new(ctx, route)).collect();
        let (sockets, settings) = (Arc::new(Semaphore::new(SOCKETS_MAX)), ctx.settings::<Settings>()?);
        let (silent_max, metrics) = (settings.silent_max, Metrics::register(&ctx.metrics));
        Ok(Self { ctx: ctx.clone(), services: services?, silent_max, sockets, metrics })
    }

    /// Has the replica of its session open a WebSocket, or the next one that takes it. It is cut off soon where the role is to end: the
    /// desktop opens another one, by another replica of ours.
    async fn opened(&self, service: &ServiceBehind, sockets: &SocketPass, request: Request) -> Response {
        let role = service.route.role;
        if self.ctx.drain.is_draining() {
            return unanswered(role, Unanswered::Released, false);
        }
        let Ok(place) = self.sockets.clone().try_acquire_owned() else {
            return Problem::unavailable("too many WebSockets at once").into_response();
        };
        let drain = self.ctx.drain.clone();
        let socket = PassedSocket {
            replicas: service.replicas(&self.ctx, request.headers()),
            headers: self.inward(request.extensions().get(), request.headers()),
            is_for_next: |_, headers| headers.contains_key(replica_choice::NOT_TAKEN),
            keeps: Box::new((place, OpenSocket::of(&self.metrics))),
            until: Box::pin(async move {
                drain.begun().await;
                tokio::time::sleep(RELEASED_AFTER).await;
            }),
        };
        match sockets.pass_to(request, socket).await {
            Ok(answer) => {
                self.metrics.answered.inc();
                answer
            }
            Err(_) => {
                self.metrics.unanswered.inc(Unanswered::NotConnected);
                unanswered(role, Unanswered::NotConnected, false)
            }
        }
    }

    /// Asks for what may wait for an event. It ends soon where the role is to end: the desktop asks again, and another replica of ours.
    async fn polled(&self, service: &ServiceBehind, request: Request) -> Result<Answer, Unanswered> {
        let _waits = ParkedPoll::of(&self.metrics);
        let answer = self.asked(service, request, POLL_WITHIN);
        self.ctx.drain.unless_released(RELEASED_AFTER, answer).await.unwrap_or(Err(Unanswered::Released))
    }

    /// Asks the replicas of a service, one after the other, for one answer.
    async fn asked(&self, service: &ServiceBehind, request: Request, within: Duration) -> Result<Answer, Unanswered> {
        let (head, body) = request.into_parts();
        // The limits of the listener have read it whole and within its bound.
        let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Unanswered::Unsendable)?;
        let replicas = service.client.failing_last(service.replicas(&self.ctx, &head.headers));
        let may_repeat = service.route.may_repeat(&head.method, head.uri.path());
        let silent_max = (!services::is_poll(&head.method, head.uri.path())).then_some(self.silent_max);
        let deadline = Instant::now() + within;
        let attempts = RankedAttempts { replicas: &replicas, may_repeat, silent_max, deadline };
        let headers = self.inward(head.extensions.get(), &head.headers);
        attempts.first_answer(|to, left| self.attempt(service, &head, &headers, body.clone(), to, left)).await
    }

    /// The headers that go on. From whom a request is, ingress alone says.
    fn inward(&self, accepted: Option<&Accepted>, headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let peer = accepted.map(|accepted| accepted.peer.ip());
        let is_of_ingress = peer.is_some_and(|peer| self.ctx.directory.role_at(peer) == Some(INGRESS));
        passed_headers::inward(headers, is_of_ingress)
    }

    /// Sends a request to one replica, which has so long for its answer.
    async fn attempt(
        &self,
        service: &ServiceBehind,
        head: &Parts,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        to: SocketAddr,
        left: Duration,
    ) -> Result<Answer, Unanswered> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let call = service.client.call(head.method.clone(), path).without_token().raw_body(body).at(to);
        let call = call.deadline(left).leaves_hung();
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name.clone(), value.clone()));
        let answer = match call.send_any().await {
            Ok(answer) => taken(answer),
            Err(error) => {
                tracing::debug!(role = service.route.role, %to, %error, "a replica gives no answer");
                Err(Unanswered::of(&error))
            }
        };
        if matches!(&answer, Err(Unanswered::NotConnected | Unanswered::NotTaken)) {
            self.metrics.passed_over.inc();
        }
        answer
    }
}

/// An answer, unless it says that the replica has done nothing of the request.
fn taken(answer: Answer) -> Result<Answer, Unanswered> {
    if answer.headers.contains_key(replica_choice::NOT_TAKEN) { Err(Unanswered::NotTaken) } else { Ok(answer) }
}

/// The answer of a service with the headers that are for its caller, each as often as it is there.
fn passed_back(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    for (name, value) in passed_headers::outward(&answer.headers) {
        response.headers_mut().append(name, value);
    }
    response
}

/// What a caller is told whom nobody answers, in the envelope of the published APIs: above all whether the request may have been carried
/// out. Whoever has waited for events alone may ask again: one that goes to another replica late has less time there than it would wait.
fn unanswered(role: &str, why: Unanswered, may_ask_again: bool) -> Response {
    let (status, what) = match why {
        Unanswered::NotConnected => (StatusCode::SERVICE_UNAVAILABLE, "cannot be reached: ask again"),
        Unanswered::NotTaken => (StatusCode::SERVICE_UNAVAILABLE, "takes no requests now: ask again"),
        Unanswered::Broken => (StatusCode::SERVICE_UNAVAILABLE, "has broken off: it may have carried the request out"),
        Unanswered::Late if may_ask_again => (StatusCode::SERVICE_UNAVAILABLE, "does not answer: ask again"),
        Unanswered::Late => (StatusCode::GATEWAY_TIMEOUT, "does not answer: it may have carried the request out"),
        Unanswered::Released => (StatusCode::SERVICE_UNAVAILABLE, "is asked by another process from now on: ask again"),
        Unanswered::Unsendable => (StatusCode::BAD_REQUEST, "cannot be sent this request"),
    };
    let envelope = json!({ "status": { "code": status.as_u16(), "message": format!("{role} {what}") } });
    let mut response = (status, Json(envelope)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        // RFC 9110 section 10.2.3.
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn whom_nobody_answers_is_told_so_in_the_envelope_of_the_published_apis() {
        for (why, may_ask_again, status, may_be_done) in [
            (Unanswered::NotConnected, false, 503, false),
            (Unanswered::NotTaken, false, 503, false),
            (Unanswered::Broken, false, 503, true),
            (Unanswered::Late, false, 504, true),
            (Unanswered::Late, true, 503, false),
            (Unanswered::Released, true, 503, false),
            (Unanswered::Unsendable, true, 400, false),
        ] {
            let response = unanswered("gws-workspace", why, may_ask_again);
            assert_eq!(response.status().as_u16(), status, "{why:?}");
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), status == 503, "{why:?}");
            let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
            let told: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(told["status"]["code"], status, "{told}");
            let message = told["status"]["message"].as_str().unwrap();
            assert_eq!(message.contains("may have carried the request out"), may_be_done, "{message}");
        }
    }

    #[test]
    fn what_a_replica_has_not_taken_is_no_answer() {
        let unavailable = |headers| Answer { status: StatusCode::SERVICE_UNAVAILABLE, headers, body: Bytes::new() };
        let marked = HeaderMap::from_iter([(replica_choice::NOT_TAKEN, HeaderValue::from_static("1"))]);
        assert_eq!(taken(unavailable(marked)).err(), Some(Unanswered::NotTaken));
        assert!(taken(unavailable(HeaderMap::new())).is_ok());
    }

    #[test]
    fn an_answer_brings_each_of_its_cookies_back_and_nothing_of_its_hop() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("set-cookie", "WORKSPACE_SESSIONID=a; Path=/"),
            ("set-cookie", "other=b"),
            ("content-type", "application/json"),
            ("connection", "close"),
            ("x-internal", "1"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let response = passed_back(Answer { status: StatusCode::OK, headers, body: Bytes::from_static(b"{}") });
        let cookies: Vec<&HeaderValue> = response.headers().get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["WORKSPACE_SESSIONID=a; Path=/", "other=b"]);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        assert!(!response.headers().contains_key(header::CONNECTION) && !response.headers().contains_key("x-internal"));
    }

    #[test]
    fn a_service_gives_up_before_we_do_and_we_before_our_listener() {
        assert!(Duration::from_secs(60) < POLL_WITHIN && POLL_WITHIN < POLLS.answer_within);
        assert!(ANSWER_WITHIN < Limits::default().answer_within);
    }
}
