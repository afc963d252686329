//! The limits of one HTTP listener: size and time of a body, concurrent requests, time until an answer begins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use runtime::around::{around, within_layer};
use runtime::gate::Gate;
use runtime::metrics::{OfEveryRole, Refusal};
use runtime::server::{Accepted, CONNECTIONS_MAX};
use runtime::{Caller, Problem, Readiness, RoleContext};

use super::request_body;
use super::shares::{Capacity, NoCapacity, Place, ShareHolder, Shares};
use super::trusted_proxies::WebClient;

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// The time within which the body of a request must arrive.
    pub body_within: Duration,
    /// Requests whose answer has not begun. One more is answered 503, or 429 if its caller has used up its share.
    pub requests: Capacity,
    /// Requests that wait for a change, counted apart from the others.
    pub waits: Capacity,
    /// Connections, each counted for the first caller that shows a token on it. One more is answered 429 once, and closed.
    pub connections: Capacity,
    /// Time until an answer begins; a stream may go on after that.
    pub answer_within: Duration,
    /// Which requests have other limits: those with tables, say, of which a listener has few.
    pub wider: fn(&Method, &str) -> Option<WiderLimits>,
    /// Whether the bodies of those are read whole before they are served, as others are, few at once. Else such a request is served while
    /// its body comes, and has the time for both.
    pub holds_wider: bool,
}

/// Limits of requests with large bodies.
#[derive(Clone, Copy, Debug)]
pub struct WiderLimits {
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// The time within which it must arrive.
    pub body_within: Duration,
    /// Time until an answer begins.
    pub answer_within: Duration,
}

/// Requests with large bodies at once, of each listener: their bodies are held in memory.
const WIDE: Capacity = Capacity { all: 8 };
/// The longest words of the router about a request that it cannot read, in bytes.
const WORDS_BYTES_MAX: usize = 4_096;

impl Limits {
    fn widened(self, by: WiderLimits) -> Self {
        let WiderLimits { body_bytes_max, body_within, answer_within } = by;
        Self { body_bytes_max, body_within, answer_within, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            body_within: Duration::from_secs(10),
            // A usual request has under 10 kB; 512 at once are 100 ms of work for the busiest listener.
            requests: Capacity { all: 512 },
            // They cost only memory: one place for each of a few thousand programs.
            waits: Capacity { all: 4_096 },
            connections: Capacity { all: CONNECTIONS_MAX },
            answer_within: Duration::from_secs(30),
            wider: |_, _| None,
            holds_wider: true,
        }
    }
}

/// The place of a request among those being served. Stored in its extensions.
#[derive(Clone)]
pub struct Turn {
    place: Arc<Mutex<Option<Place>>>,
    taker: ShareHolder,
    door: Arc<LimitLayer>,
}

/// The places of a socket, as long as it lives: the server counts its connection no longer.
pub struct SocketPlace {
    _waits: Place,
    _connection: Place,
}

impl Turn {
    /// The request waits for a change: it frees its place and counts as waiting as long as the returned [`Place`] lives.
    ///
    /// # Errors
    /// When too many requests wait, in all or of this caller.
    pub fn waits(&self) -> Result<Place, Problem> {
        let waits = self.door.waits.take(self.taker.clone());
        let waits = waits.map_err(|full| refused(&self.door.own, full, "too many requests wait"))?;
        self.ends();
        Ok(waits)
    }

    /// The request becomes a socket of this caller, whose token may have come within it: it frees its place, and takes those of one that
    /// waits and of a connection.
    ///
    /// # Errors
    /// When there are too many, in all or of this caller.
    pub fn socket_of(&self, caller: &Caller) -> Result<SocketPlace, Problem> {
        let taker = ShareHolder::of(Some(caller), None);
        let take =
            |of: &Shares| of.take(taker.clone()).map_err(|full| refused(&self.door.own, full, "too many sockets"));
        let place = SocketPlace { _waits: take(&self.door.waits)?, _connection: take(&self.door.connections)? };
        self.ends();
        Ok(place)
    }

    fn ends(&self) {
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn refused(own: &OfEveryRole, full: NoCapacity, what: &str) -> Problem {
    own.requests_refused.inc(if full == NoCapacity::All { Refusal::Overloaded } else { Refusal::Share });
    match full {
        NoCapacity::All => Problem::unavailable(what),
        NoCapacity::Share => {
            Problem::too_many(format!("{what} of this caller or its tenant, while few places are left"))
        }
    }
}

/// The state of the limiting layer, of which a clone is made for each request.
struct LimitLayer {
    limits: Limits,
    requests: Shares,
    waits: Shares,
    connections: Shares,
    wide: Shares,
    own: OfEveryRole,
}

/// The router behind gate and limits; `/live` and `/ready` in front of them.
pub(super) fn router(router: Router, ctx: &RoleContext, gate: Gate, limits: Limits) -> Router {
    let ready = ctx.ready.clone();
    let gate = Arc::new(gate);
    let ask = move |request: Request, next: Next| runtime::gate::ask(gate.clone(), request, next);
    let probe = move |request: Request, next: Next| probe(ready.clone(), request, next);
    around(around(around(limited(router, limits, ctx.own.clone()), ask), probe), explain)
}

fn limited(router: Router, limits: Limits, own: OfEveryRole) -> Router {
    let (requests, waits) = (Shares::new(limits.requests), Shares::new(limits.waits));
    let (connections, wide) = (Shares::new(limits.connections), Shares::new(WIDE));
    let door = Arc::new(LimitLayer { limits, requests, waits, connections, wide, own });
    let limit = move |request: Request, next: Next| within(door.clone(), request, next);
    // Bodies are bounded before handlers read them.
    around(within_layer(router, &DefaultBodyLimit::disable()), limit)
}

async fn probe(ready: Readiness, request: Request, next: Next) -> Response {
    match request.uri().path() {
        "/live" => StatusCode::OK.into_response(),
        "/ready" if ready.is_ready() => StatusCode::OK.into_response(),
        "/ready" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => next.run(request).await,
    }
}

async fn within(door: Arc<LimitLayer>, request: Request, next: Next) -> Response {
    let LimitLayer { requests, connections, wide, own, .. } = &*door;
    let mut limits = door.limits;
    let caller = request.extensions().get::<Caller>();
    let accepted = request.extensions().get::<Accepted>();
    // At a web edge behind a web server the peer is not who asks.
    let client = request.extensions().get::<WebClient>().map(|client| client.address);
    let taker = ShareHolder::of(caller, client.or_else(|| accepted.map(|accepted| accepted.peer.ip())));
    if let (Some(_), Some(accepted)) = (caller, accepted)
        && let Err(full) = has_its_place(accepted, connections, &taker)
    {
        accepted.ends();
        return refused(own, full, "too many connections").into_response();
    }
    let place = match requests.take(taker.clone()) {
        Ok(place) => place,
        Err(full) => return refused(own, full, "too many requests at once").into_response(),
    };
    let wider = (limits.wider)(request.method(), request.uri().path());
    let is_held = wider.is_none() || limits.holds_wider;
    let _wide = match wider {
        Some(wider) => {
            limits = limits.widened(wider);
            match is_held.then(|| wide.take(taker.clone())).transpose() {
                Ok(place) => place,
                Err(full) => return refused(own, full, "too many large requests at once").into_response(),
            }
        }
        None => None,
    };
    let turn = Turn { place: Arc::new(Mutex::new(Some(place))), taker, door: door.clone() };
    let Limits { body_bytes_max, body_within, .. } = limits;
    let taken = if is_held {
        request_body::whole(request, body_bytes_max, body_within).await
    } else {
        limits.answer_within += body_within;
        request_body::as_it_comes(request, body_bytes_max, body_within, own.clone())
    };
    let mut request = match taken {
        Ok(request) => request,
        Err(fault) => {
            if let Some(refusal) = fault.refusal() {
                own.requests_refused.inc(refusal);
            }
            return fault.problem().into_response();
        }
    };
    request.extensions_mut().insert(turn.clone());
    let answer = tokio::time::timeout(limits.answer_within, next.run(request)).await;
    turn.ends();
    answer.unwrap_or_else(|_| {
        own.requests_refused.inc(Refusal::Late);
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "No answer in time").into_response()
    })
}

/// Counts a connection for the first caller that shows a token on it, since waiting, streaming or idle connections hold no
/// request place.
fn has_its_place(accepted: &Accepted, connections: &Shares, taker: &ShareHolder) -> Result<(), NoCapacity> {
    if !accepted.has_place() {
        accepted.takes(connections.take(taker.clone())?);
    }
    Ok(())
}

/// Adds a body to the router's own empty 404 and 405, and words its own 400 as all refusals are worded.
async fn explain(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let is_bare = response.body().size_hint().exact() == Some(0);
    match response.status() {
        StatusCode::BAD_REQUEST if is_plain(&response) => {
            let words = axum::body::to_bytes(response.into_body(), WORDS_BYTES_MAX).await.unwrap_or_default();
            Problem::bad_request(String::from_utf8_lossy(&words)).into_response()
        }
        StatusCode::NOT_FOUND if is_bare => Problem::not_found("no such path").into_response(),
        StatusCode::METHOD_NOT_ALLOWED if is_bare => {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "The path does not know this method");
            let mut explained = problem.into_response();
            // RFC 9110 section 15.5.6: 405 must list the methods.
            if let Some(allow) = response.headers().get(http::header::ALLOW) {
                explained.headers_mut().insert(http::header::ALLOW, allow.clone());
            }
            explained
        }
        _ => response,
    }
}

/// Whether it is in plain words, as the router refuses a path that is not UTF-8.
fn is_plain(response: &Response) -> bool {
    let media_type = response.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.starts_with("text/plain"))
}

#[cfg(test)]
mod tests;
