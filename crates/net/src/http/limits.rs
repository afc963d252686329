//! The limits of one HTTP listener: size and time of a body, concurrent requests, time until an answer begins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use runtime::around::{Answering, Entrance, answered, around};
use runtime::gate::Gate;
use runtime::metrics::{OfEveryRole, Refusal};
use runtime::server::{Accepted, CONNECTIONS_MAX};
use runtime::{Caller, Problem, Readiness, RoleContext};

use super::answer_body::{AnswerReader, is_small, passed_back};
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
    /// Requests whose answer has not begun, or is large and has not been taken. One more is answered 503, or 429 if its caller has used up
    /// its share.
    pub requests: Capacity,
    /// Requests that wait for a change, counted apart from the others.
    pub waits: Capacity,
    /// Requests that are answered once something happens, counted apart too.
    pub polls: LongPolls,
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

/// Limits of requests whose answer begins once something happens, as the long polls of Bayeux: they have places of their own, so that those
/// who wait take none from those who ask, and more time.
#[derive(Clone, Copy, Debug)]
pub struct LongPolls {
    /// Which requests they are.
    pub are: fn(&Method, &str) -> bool,
    /// So many at once. One more is answered 503, or 429 if its caller has used up its share. A role that passes on those of others, whom
    /// it has counted itself, has no share.
    pub places: Capacity,
    /// Time until an answer begins.
    pub answer_within: Duration,
}

impl LongPolls {
    /// Of a listener that has none.
    pub const NONE: Self = Self { are: never, places: Capacity { all: 0 }, answer_within: Duration::ZERO };
}

fn never(_: &Method, _: &str) -> bool {
    false
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
/// Large answers at once that are passed on from another role, or to one for somebody without a token, of each listener: they are not held
/// in memory, but each has a connection of the role behind, which streams need too.
const PASSED_ON: Capacity = Capacity { all: CONNECTIONS_MAX / 2 };
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
            polls: LongPolls::NONE,
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
    /// A role asks for somebody who has shown no token.
    is_of_role_for_stranger: bool,
    reader: AnswerReader,
    door: Arc<LimitLayer>,
    /// Its connection.
    accepted: Option<Accepted>,
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
        let place = self.socket_for(&ShareHolder::of(Some(caller), None))?;
        // The gate has asked for no token.
        self.accepted.iter().for_each(Accepted::mark_authenticated);
        Ok(place)
    }

    /// The same of whoever has sent it, who has shown something else than a token to the gate, or shows it to another role.
    ///
    /// # Errors
    /// When there are too many, in all or of this caller or address.
    pub fn socket(&self) -> Result<SocketPlace, Problem> {
        self.socket_for(&self.taker)
    }

    fn socket_for(&self, taker: &ShareHolder) -> Result<SocketPlace, Problem> {
        let take =
            |of: &Shares| of.take(taker.clone()).map_err(|full| refused(&self.door.own, full, "too many sockets"));
        let place = SocketPlace { _waits: take(&self.door.waits)?, _connection: take(&self.door.connections)? };
        self.ends();
        Ok(place)
    }

    /// The body of an answer that another role gives, and that is no stream, as it is taken: the request frees its place, and has one among
    /// such answers.
    ///
    /// # Errors
    /// When there are too many of them, in all or of this caller.
    pub fn passes_on(&self, body: Body) -> Result<Body, Problem> {
        let place = self.door.passed_on.take(self.taker.clone());
        let place = place.map_err(|full| refused(&self.door.own, full, "too many large answers are not taken yet"))?;
        self.ends();
        Ok(passed_back(body, Arc::new(place), self.reader, None))
    }

    /// Another role has taken the proof that the request brings, as the cookie of a session of its own: the connection stays, as one on
    /// which a token was shown, if there is room for one more of this caller.
    pub fn proof_is_taken(&self) {
        let Some(accepted) = &self.accepted else { return };
        if has_its_place(accepted, &self.door.connections, &self.taker).is_ok() {
            accepted.mark_authenticated();
        }
    }

    /// Who reads an answer to it that is no stream.
    pub(super) const fn reader(&self) -> AnswerReader {
        self.reader
    }

    /// Frees its place, if it has that still.
    pub(super) fn ends(&self) {
        drop(self.place());
    }

    /// Its place, which is free when that is dropped; none if it is free already.
    fn place(&self) -> Option<Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
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
    polls: Shares,
    connections: Shares,
    wide: Shares,
    passed_on: Shares,
    own: OfEveryRole,
}

/// A router, or what is around one, behind gate and limits; `/live` and `/ready` in front of them.
pub(super) fn gated(behind: impl Into<Entrance>, ctx: &RoleContext, gate: Gate, limits: Limits) -> Entrance {
    let ready = ctx.ready.clone();
    let gate = Arc::new(gate);
    let ask =
        move |request: Request, behind: &Entrance| runtime::gate::ask(&gate, request, |request| behind.enter(request));
    let probe = move |request: Request, behind: &Entrance| probe(&ready, request, behind);
    around(around(around(limited(behind, limits, ctx.own.clone()), ask), probe), explain)
}

fn limited(behind: impl Into<Entrance>, limits: Limits, own: OfEveryRole) -> Entrance {
    let (requests, waits) = (Shares::new(limits.requests), Shares::new(limits.waits));
    let (polls, connections) = (Shares::new(limits.polls.places), Shares::new(limits.connections));
    let (wide, passed_on) = (Shares::new(WIDE), Shares::new(PASSED_ON));
    let door = Arc::new(LimitLayer { limits, requests, waits, polls, connections, wide, passed_on, own });
    around(behind, move |request: Request, behind: &Entrance| within(&door, request, behind))
}

fn probe(ready: &Readiness, request: Request, behind: &Entrance) -> Answering {
    match request.uri().path() {
        "/live" => answered(StatusCode::OK.into_response()),
        "/ready" if ready.is_ready() => answered(StatusCode::OK.into_response()),
        "/ready" => answered(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        _ => behind.enter(request),
    }
}

fn within(door: &Arc<LimitLayer>, mut request: Request, behind: &Entrance) -> Answering {
    let admitted = match admitted(door, &request) {
        Ok(admitted) => admitted,
        Err(problem) => return answered(problem.into_response()),
    };
    if request.body().is_end_stream() {
        request.extensions_mut().insert(admitted.turn.clone());
        return Box::pin(in_time(admitted, behind.enter(request)));
    }
    let behind = behind.clone();
    Box::pin(async move {
        let Limits { body_bytes_max, body_within, .. } = admitted.limits;
        let own = &admitted.turn.door.own;
        let taken = match admitted.is_held {
            true => request_body::whole(request, body_bytes_max, body_within).await,
            false => request_body::as_it_comes(request, body_bytes_max, body_within, own.clone()),
        };
        match taken {
            Ok(mut request) => {
                request.extensions_mut().insert(admitted.turn.clone());
                // It is bounded already.
                DefaultBodyLimit::disable().apply(&mut request);
                in_time(admitted, behind.enter(request)).await
            }
            Err(fault) => {
                if let Some(refusal) = fault.refusal() {
                    own.requests_refused.inc(refusal);
                }
                fault.problem().into_response()
            }
        }
    })
}

/// A request that has its places, and the limits that it has.
struct AdmittedRequest {
    turn: Turn,
    limits: Limits,
    /// Whether its body is read whole before it is served.
    is_held: bool,
    _wide: Option<Place>,
}

fn admitted(door: &Arc<LimitLayer>, request: &Request) -> Result<AdmittedRequest, Problem> {
    let LimitLayer { limits, requests, polls, connections, wide, own, .. } = &**door;
    let caller = request.extensions().get::<Caller>();
    let accepted = request.extensions().get::<Accepted>();
    // At a web edge behind a web server the peer is not who asks.
    let client = request.extensions().get::<WebClient>();
    let address = client.map(|client| client.address).or_else(|| accepted.map(|accepted| accepted.peer.ip()));
    let taker = ShareHolder::of(caller, address);
    // A role, or a web server in front, reads at the pace of whoever has asked there.
    let is_of_role = accepted.is_some_and(Accepted::is_of_role);
    let is_passed_on = client.is_some_and(|client| client.is_passed_on) || is_of_role;
    let is_for_another = is_passed_on || taker == ShareHolder::Role;
    let reader = if is_for_another { AnswerReader::ForAnother } else { AnswerReader::AtItsPace };
    if let (Some(_), Some(accepted)) = (caller, accepted)
        && let Err(full) = has_its_place(accepted, connections, &taker)
    {
        accepted.ends();
        return Err(refused(own, full, "too many connections"));
    }
    let (method, path) = (request.method(), request.uri().path());
    let is_poll = (limits.polls.are)(method, path);
    let (places, holder, what) = match (is_poll, is_of_role) {
        (true, true) => (polls, ShareHolder::Role, "too many long polls at once"),
        (true, false) => (polls, taker.clone(), "too many long polls at once"),
        (false, _) => (requests, taker.clone(), "too many requests at once"),
    };
    let place = places.take(holder).map_err(|full| refused(own, full, what))?;
    let wider = (limits.wider)(method, path);
    let is_held = wider.is_none() || limits.holds_wider;
    let (mut limits, wide) = match wider {
        None if is_poll => (Limits { answer_within: limits.polls.answer_within, ..*limits }, None),
        None => (*limits, None),
        Some(wider) => {
            let place = is_held.then(|| wide.take(taker.clone())).transpose();
            let place = place.map_err(|full| refused(own, full, "too many large requests at once"))?;
            (limits.widened(wider), place)
        }
    };
    if !is_held {
        limits.answer_within += limits.body_within;
    }
    let (place, accepted) = (Arc::new(Mutex::new(Some(place))), accepted.cloned());
    let is_of_role_for_stranger = is_of_role && caller.is_none();
    let turn = Turn { place, taker, is_of_role_for_stranger, reader, door: door.clone(), accepted };
    Ok(AdmittedRequest { turn, limits, is_held, _wide: wide })
}

/// The answer, if it begins in time; then the request gives back its places, but one whose answer is large: that is in memory until it is
/// taken. An answer that takes a place of its own, as a stream does, has freed the request's.
async fn in_time(admitted: AdmittedRequest, answer: Answering) -> Response {
    let Ok(answer) = tokio::time::timeout(admitted.limits.answer_within, answer).await else {
        admitted.turn.ends();
        admitted.turn.door.own.requests_refused.inc(Refusal::Late);
        return Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "No answer in time").into_response();
    };
    match admitted.turn.place() {
        Some(place) if !is_small(answer.body()) => {
            let turn = &admitted.turn;
            // Who asks at another role without a token, and takes nothing, leaves the places of requests here to others.
            let apart = turn.is_of_role_for_stranger.then(|| turn.door.passed_on.take(ShareHolder::Role));
            let place = apart.and_then(Result::ok).unwrap_or(place);
            answer.map(|body| passed_back(body, Arc::new(place), turn.reader(), None))
        }
        _ => answer,
    }
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
fn explain(request: Request, behind: &Entrance) -> Answering {
    let answer = behind.enter(request);
    Box::pin(async move {
        let response = answer.await;
        match response.status() {
            StatusCode::BAD_REQUEST if is_plain(&response) => {
                let words = axum::body::to_bytes(response.into_body(), WORDS_BYTES_MAX).await.unwrap_or_default();
                Problem::bad_request(String::from_utf8_lossy(&words)).into_response()
            }
            StatusCode::NOT_FOUND if is_bare(&response) => Problem::not_found("no such path").into_response(),
            StatusCode::METHOD_NOT_ALLOWED if is_bare(&response) => without_method(&response),
            _ => response,
        }
    })
}

fn without_method(bare: &Response) -> Response {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "The path does not know this method");
    let mut explained = problem.into_response();
    // RFC 9110 section 15.5.6: 405 must list the methods.
    if let Some(allow) = bare.headers().get(http::header::ALLOW) {
        explained.headers_mut().insert(http::header::ALLOW, allow.clone());
    }
    explained
}

fn is_bare(response: &Response) -> bool {
    response.body().size_hint().exact() == Some(0)
}

/// Whether it is in plain words, as the router refuses a path that is not UTF-8.
fn is_plain(response: &Response) -> bool {
    let media_type = response.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.starts_with("text/plain"))
}

#[cfg(test)]
mod tests;
