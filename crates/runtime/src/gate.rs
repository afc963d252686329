//! The gate of a listener: authenticates and counts every request.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};

use crate::api_family::TakenFamilies;
use crate::around::{Answering, answered};
use crate::caller::Caller;
use crate::connections::{from_caller, opened_by};
use crate::directory::Directory;
use crate::meter::{Meters, PeerMeter, Side};
use crate::metrics::{OfEveryRole, Refusal};
use crate::problem::Problem;
use crate::refused_roles;
use crate::spans::{KeyValue, Span, SpanKind, Spans};
use crate::spec::RoleSpec;
use crate::token::{TokenError, TokenVerifier};
use crate::trace_parent::{TRACE_PARENT, TraceParent};

/// Name under which callers without a valid token are counted.
const NOBODY: &str = "without token";

/// What a listener needs to authenticate and count its callers.
pub struct Gate {
    /// Verifies tokens.
    pub tokens: TokenVerifier,
    /// The role that listens.
    pub role: &'static str,
    /// The name of the listener within the role, or `admin`.
    pub listener: &'static str,
    /// The API families whose tokens its interfaces take.
    pub families: TakenFamilies,
    /// Ids of the connections that this listener accepts.
    pub accepts: Arc<[&'static str]>,
    /// Counts them.
    pub meters: Meters,
    /// The connection of callers that are not a role of the table: people and programs at an edge or admin listener.
    pub strangers: Option<&'static str>,
    /// Every role of this program.
    pub table: &'static [&'static RoleSpec],
    /// Maps addresses to roles and nodes.
    pub directory: Directory,
    /// Counts refused requests.
    pub own: OfEveryRole,
    /// Whether a request with this method and path is served without a token.
    pub open: fn(&Method, &str) -> bool,
    /// Receives the span of a request with a trace context.
    pub spans: Spans,
}

impl Gate {
    /// The connection of the table that leads here from the role at that address.
    fn row_from(&self, address: IpAddr) -> Option<&'static str> {
        from_caller(self.table, &self.accepts, self.directory.role_at(address)?)
    }

    /// The meter of a request's connection. The peer's address decides where it is one of ours, since a role may pass
    /// on the token of its own caller; else the kind of caller decides.
    fn meter_of(&self, role: Option<(IpAddr, &'static str)>, caller: Option<&Caller>) -> Option<PeerMeter> {
        let row = |from: &str| from_caller(self.table, &self.accepts, from);
        let (id, name) = match (role, caller) {
            (Some((ip, id)), _) => (id, self.directory.node_at(ip)),
            (None, Some(caller)) => (row(caller.kind()).or(self.strangers)?, caller.name().to_owned()),
            (None, None) => (self.strangers?, NOBODY.to_owned()),
        };
        Some(self.meters.meter(id, Side::Accepts).peer(&name))
    }
}

/// Counts a request and its connection.
fn count(gate: &Gate, request: &Request, caller: Option<&Caller>) -> Option<PeerMeter> {
    let connection = request.extensions().get::<crate::server::Accepted>();
    let peer = connection.map(|connection| connection.peer.ip());
    let role = peer.and_then(|ip| Some((ip, gate.row_from(ip)?)));
    // A role that passes on what others ask, pages among it, has no token of its own for it: its connections are known by their address,
    // and stay.
    if let (Some(connection), Some(_)) = (connection, role) {
        connection.mark_role();
    }
    let meter = gate.meter_of(role, caller)?;
    if let Some(connection) = connection {
        connection.assign_meter(&meter);
    }
    meter.request();
    Some(meter)
}

/// What requests pass at a listener: 401 without a valid token (RFC 9457, or gRPC status 16), 403 (gRPC status 7) to a role that has no
/// connection to this listener, else the [`Caller`] in the extensions, and on with `enter`. A role may here what its connection gives, and
/// no more.
pub fn ask(gate: &Arc<Gate>, mut request: Request, enter: impl FnOnce(Request) -> Answering) -> Answering {
    if (gate.open)(request.method(), request.uri().path()) {
        count(gate, &request, None);
        return enter(request);
    }
    let is_grpc = is_grpc(request.headers());
    let caller = match verified(gate, &request) {
        Ok(caller) => caller,
        Err(refused) => {
            count(gate, &request, None);
            gate.own.requests_refused.inc(refused.reason());
            return answered(refused.answer(is_grpc));
        }
    };
    let meter = count(gate, &request, Some(&caller));
    if let Some(connection) = request.extensions().get::<crate::server::Accepted>() {
        connection.mark_authenticated();
    }
    request.extensions_mut().insert(caller);
    let served = Served::begin(gate, &mut request);
    let (gate, answer) = (gate.clone(), enter(request));
    Box::pin(async move {
        let response = answer.await;
        if let Some(served) = served {
            served.end(&gate, response.status().as_u16(), response.status().is_server_error());
        }
        if let Some(meter) = meter
            && response.status().is_server_error()
        {
            meter.error();
        }
        response
    })
}

/// A request with a trace context (W3C Trace Context), while it is served.
struct Served {
    within: TraceParent,
    own: TraceParent,
    method: String,
    path: String,
    start: u64,
}

impl Served {
    /// Handlers find the context in the request's extensions and pass it on.
    fn begin(gate: &Gate, request: &mut Request) -> Option<Self> {
        if !gate.spans.is_on() {
            return None;
        }
        let within = TraceParent::of(request.headers(), TRACE_PARENT).filter(|parent| parent.sampled)?;
        let own = TraceParent { span: gate.spans.new_id(), ..within };
        request.extensions_mut().insert(own);
        let path = crate::trace_data::mask::text(request.uri().path());
        Some(Self { within, own, method: request.method().to_string(), path, start: gate.meters.now().as_micros() })
    }

    fn end(self, gate: &Gate, status: u16, failed: bool) {
        gate.spans.emit(Span {
            trace: self.own.trace,
            id: self.own.span,
            parent: Some(self.within.span),
            kind: SpanKind::Server,
            name: self.method.clone().into(),
            start: self.start,
            end: gate.meters.now().as_micros(),
            attributes: vec![
                KeyValue::new("http.request.method", self.method),
                KeyValue::new("url.path", self.path),
                KeyValue::new("http.response.status_code", i64::from(status)),
            ],
            events: Vec::new(),
            links: Vec::new(),
            failed: failed.then(|| format!("answered {status}")),
        });
    }
}

/// Why a request is not let in.
enum NotLetIn {
    /// It shows no token.
    Without(&'static str),
    /// It shows one that is not good here.
    With(TokenError),
    /// It is from a role that has no connection to this listener: what that is, in words.
    Unconnected(String),
}

impl NotLetIn {
    /// As it is counted.
    const fn reason(&self) -> Refusal {
        match self {
            Self::Without(_) | Self::With(_) => Refusal::Token,
            Self::Unconnected(_) => Refusal::Connection,
        }
    }

    /// The refusal, in the caller's own protocol.
    fn answer(self, is_grpc: bool) -> Response {
        match self {
            Self::Without(what) => refuse(Problem::unauthorized(what), is_grpc),
            Self::Unconnected(what) if is_grpc => tonic::Status::permission_denied(what).into_http(),
            Self::Unconnected(what) => Problem::forbidden(what).into_response(),
            Self::With(error) if is_grpc => refuse(Problem::unauthorized(error.to_string()), is_grpc),
            Self::With(error) => refuse_token(error),
        }
    }
}

/// 401 for a token that is not good where it was shown (RFC 6750 section 3.1): also by interfaces that are open at the gate and ask for
/// tokens themselves. What is wrong with it is in the extensions, for whoever has shown it on behalf of another.
pub fn refuse_token(error: TokenError) -> Response {
    let mut response = Problem::unauthorized(error.to_string()).into_response();
    // Who has shown no token is told of no error.
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
    response.extensions_mut().insert(error);
    response
}

fn verified(gate: &Gate, request: &Request) -> Result<Caller, NotLetIn> {
    let value = request.headers().get(header::AUTHORIZATION).ok_or(NotLetIn::Without("no Authorization header"))?;
    let text = value.to_str().map_err(|_| NotLetIn::Without("the Authorization header is not text"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or(("", text));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(NotLetIn::Without("the Authorization header is not Bearer"));
    }
    let families = gate.families.at(request.uri().path());
    let caller = gate.tokens.verify(token.trim(), gate.role, families).map_err(NotLetIn::With)?;
    connected(gate, caller)
}

/// A role with the connections by which it comes, which say what it may. That its token is for the role that listens does not suffice: that
/// one may have other listeners.
fn connected(gate: &Gate, caller: Caller) -> Result<Caller, NotLetIn> {
    let Some(from) = caller.role() else { return Ok(caller) };
    let connections = opened_by(gate.table, &gate.accepts, from);
    if !connections.is_empty() {
        return Ok(caller.by_connections(connections));
    }
    let (to, listener) = (gate.role, gate.listener);
    let missing = format!("no connection of the table leads from {from} to the listener {listener} of {to}");
    if refused_roles::is_told_now(from, &missing) {
        tracing::warn!(
            from,
            node = caller.name(),
            to,
            listener,
            "a role is refused: it has no connection to this listener"
        );
    }
    Err(NotLetIn::Unconnected(missing))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/grpc"))
}

/// A refusal in the caller's own protocol.
fn refuse(problem: Problem, is_grpc: bool) -> Response {
    if is_grpc {
        return tonic::Status::unauthenticated(problem.detail.unwrap_or(problem.title)).into_http();
    }
    problem.into_response()
}

#[cfg(test)]
mod tests;
