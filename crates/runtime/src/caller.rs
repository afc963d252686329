//! The caller of a request, and the middleware that authenticates every request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request};
use axum::http::{HeaderMap, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use infra::Clock;
use model::{AgentId, Dn, Request as Asked, RequestKind, TenantId, Timestamp};

use crate::connections::from_caller;
use crate::directory::Directory;
use crate::meter::{Meters, PeerMeter, Side};
use crate::metrics::{OfEveryRole, Refusal};
use crate::problem::Problem;
use crate::scope;
use crate::spans::{KeyValue, Span, SpanKind, Spans, TRACE_PARENT, TraceParent};
use crate::spec::RoleSpec;
use crate::token::{ANY_TENANT, Claims, ROLE_SCOPE, Tokens};

/// How often the expiry of a token is checked for an open connection or stream.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Name under which callers without a valid token are counted.
const NOBODY: &str = "without token";

/// A caller whose token was verified. It is in the request's extensions; handlers can extract it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    tenant: Option<TenantId>,
    subject: String,
    scopes: Vec<String>,
    believed_until: Timestamp,
    tie: Option<Tie>,
}

/// Binds a token to one DN and, optionally, one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    /// The only DN for which the bearer may make requests.
    pub dn: Dn,
    /// The only agent who may be logged in there.
    pub agent: Option<AgentId>,
}

impl Caller {
    /// From verified claims; `None` if tenant, DN or agent is invalid, or if an agent is named without a DN.
    pub(crate) fn from_claims(claims: Claims) -> Option<Self> {
        let tenant = if claims.tenant == ANY_TENANT { None } else { Some(TenantId::parse(&claims.tenant).ok()?) };
        let agent = claims.agent.map(|agent| AgentId::parse(&agent)).transpose().ok()?;
        let tie = match claims.dn {
            Some(dn) => Some(Tie { dn: Dn::parse(&dn).ok()?, agent }),
            None if agent.is_some() => return None,
            None => None,
        };
        // The only scopes that apply to one DN are those of requests: a tied token has no other, whatever it claims.
        let opens = |scope: &&str| tie.is_none() || scope::REQUESTS.contains(scope);
        let scopes = claims.scope.split_whitespace().filter(opens).map(str::to_owned).collect();
        let believed_until = crate::token::believed_until(claims.exp);
        Some(Self { tenant, subject: claims.sub, scopes, believed_until, tie })
    }

    /// When the token expires, including the tolerated clock difference.
    pub const fn believed_until(&self) -> Timestamp {
        self.believed_until
    }

    /// Waits until the token expires; streams that it opened end then. Never resolves for a role, which issues its own
    /// tokens.
    pub fn ends(&self, clock: Arc<dyn Clock>) -> impl Future<Output = ()> + Send + use<> {
        let until = self.role().is_none().then_some(self.believed_until);
        async move {
            let Some(until) = until else { return std::future::pending().await };
            // Timers stop while a machine sleeps, the clock does not.
            while clock.now() < until {
                tokio::time::sleep(until.since(clock.now()).min(LOOK_AGAIN)).await;
            }
        }
    }

    /// The tenant that the caller is bound to; `None` for roles and operators of the installation.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// The subject as in the token.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The kind of caller: a role's name, `operator`, `wallboard`, ...
    pub fn kind(&self) -> &str {
        self.subject.split_once('/').map_or(self.subject.as_str(), |(kind, _)| kind)
    }

    /// The caller's name within its kind: a node for roles.
    pub fn name(&self) -> &str {
        self.subject.split_once('/').map_or("", |(_, name)| name)
    }

    /// The role, if the caller is one of the installation's own.
    pub fn role(&self) -> Option<&str> {
        self.has_scope(ROLE_SCOPE).then(|| self.kind())
    }

    /// Whether the caller has that scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|s| s == scope)
    }

    /// Refuses (403) a caller that is bound to another tenant. Call it before any data of a tenant is looked up.
    pub fn may_act_for(&self, tenant: &TenantId) -> Result<(), Problem> {
        match &self.tenant {
            Some(own) if own != tenant => Err(Problem::forbidden("the token is for another tenant")),
            _ => Ok(()),
        }
    }

    /// Refuses (403) a caller without that scope. The installation's own roles may do everything.
    pub fn needs_scope(&self, scope: &str) -> Result<(), Problem> {
        debug_assert!(scope::find(scope).is_some(), "{scope:?} is not in the table of scopes");
        if self.has_scope(scope) || self.role().is_some() {
            return Ok(());
        }
        Err(Problem::forbidden(format!("the token does not have the scope {scope:?}")))
    }

    /// Refuses (403), before the body is read, a caller who may make no requests at all.
    pub fn may_ask_at_all(&self) -> Result<(), Problem> {
        if self.role().is_some() || scope::REQUESTS.iter().any(|scope| self.has_scope(scope)) {
            return Ok(());
        }
        let [calls, agents] = scope::REQUESTS;
        Err(Problem::forbidden(format!("the token has neither the scope {calls:?} nor {agents:?}")))
    }

    /// Refuses (403) a request for which the caller lacks the scope, or whose DN is not the one that the token is tied
    /// to. The tenant is checked before.
    pub fn may_ask(&self, asked: &Asked) -> Result<(), Problem> {
        self.needs_scope(scope::of_request(&asked.kind))?;
        let Some(tie) = &self.tie else { return Ok(()) };
        if asked.this_dn != tie.dn {
            return Err(Problem::forbidden(format!("the token is tied to the DN {}", tie.dn)));
        }
        if scope::is_of_whole_call(&asked.kind) {
            let reason = format!("the token is tied to the DN {}, and this concerns a whole call", tie.dn);
            return Err(Problem::forbidden(reason));
        }
        match (&tie.agent, &asked.kind) {
            // Without a name, the place's own agent would be logged in, whoever that is.
            (Some(own), RequestKind::AgentLogin { agent, .. }) if agent.as_ref() != Some(own) => {
                Err(Problem::forbidden(format!("the token is tied to the agent {own}, whom AgentID must name")))
            }
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthorized("no caller token"))
    }
}

/// What a listener needs to authenticate and count its callers.
#[derive(Clone)]
pub struct Gate {
    /// Verifies tokens.
    pub tokens: Tokens,
    /// The role that listens.
    pub role: &'static str,
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
    /// Whether a path is served without a token.
    pub open: fn(&str) -> bool,
    /// Receives the span of a request with a trace context.
    pub spans: Spans,
}

impl Gate {
    /// The meter of a request's connection. The peer's address decides where it is one of ours, since a role may pass
    /// on the token of its own caller; else the kind of caller decides.
    fn meter_of(&self, peer: Option<IpAddr>, caller: Option<&Caller>) -> Option<PeerMeter> {
        let row = |from: &str| from_caller(self.table, &self.accepts, from);
        let at = peer.and_then(|ip| Some((ip, row(self.directory.role_at(ip)?)?)));
        let (id, name) = match (at, caller) {
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
    let meter = gate.meter_of(connection.map(|c| c.peer.ip()), caller)?;
    if let Some(connection) = connection {
        connection.assign_meter(&meter);
    }
    meter.request();
    Some(meter)
}

/// The middleware: 401 without a valid token (RFC 9457, or gRPC status 16), else the [`Caller`] in the extensions.
pub async fn ask(gate: Gate, mut request: Request, next: Next) -> Response {
    if (gate.open)(request.uri().path()) {
        count(&gate, &request, None);
        return next.run(request).await;
    }
    let is_grpc = is_grpc(request.headers());
    let caller = match verified(&gate, request.headers()) {
        Ok(caller) => caller,
        Err(problem) => {
            count(&gate, &request, None);
            gate.own.requests_refused.inc(Refusal::Token);
            return refuse(problem, is_grpc);
        }
    };
    let meter = count(&gate, &request, Some(&caller));
    if let Some(connection) = request.extensions().get::<crate::server::Accepted>() {
        connection.mark_authenticated();
    }
    request.extensions_mut().insert(caller);
    let served = Served::begin(&gate, &mut request);
    let response = next.run(request).await;
    if let Some(served) = served {
        served.end(&gate, response.status().as_u16(), response.status().is_server_error());
    }
    if let Some(meter) = meter
        && response.status().is_server_error()
    {
        meter.error();
    }
    response
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
        let path = crate::trace::mask::text(request.uri().path());
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

fn verified(gate: &Gate, headers: &HeaderMap) -> Result<Caller, Problem> {
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| Problem::unauthorized("no Authorization header"))?;
    let text = value.to_str().map_err(|_| Problem::unauthorized("the Authorization header is not text"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or(("", text));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unauthorized("the Authorization header is not Bearer"));
    }
    gate.tokens.verify(token.trim(), gate.role).map_err(|error| Problem::unauthorized(error.to_string()))
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
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use infra::SystemClock;
    use tower::ServiceExt as _;

    use super::*;
    use crate::token::EVERY_ROLE;

    fn gate() -> Gate {
        let clock = Arc::new(SystemClock::start());
        Gate {
            tokens: Tokens::with_key(&Tokens::new_key().unwrap(), clock.clone()).unwrap(),
            role: "config",
            accepts: ["voice-22", "voice-23"].into(),
            meters: Meters::new(clock),
            strangers: None,
            table: &[],
            directory: Directory::of_instance(0, |_| 1),
            own: OfEveryRole::default(),
            open: |path| path == "/open",
            spans: Spans::default(),
        }
    }

    async fn send(gate: &Gate, path: &str, token: Option<&str>, media_type: &str) -> Response {
        let who = get(|caller: Caller| async move { caller.subject().to_owned() });
        let gated = gate.clone();
        let ask = move |request: Request, next: Next| ask(gated.clone(), request, next);
        let router = Router::new().route("/who", who).route("/open", get(|| async {})).layer(from_fn(ask));
        let mut request = Request::get(path).header(header::CONTENT_TYPE, media_type);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn only_open_paths_answer_without_a_token() {
        let gate = gate();
        assert_eq!(send(&gate, "/open", None, "x/y").await.status(), 200);
        assert_eq!(send(&gate, "/who", None, "x/y").await.status(), 401);
        let for_others = gate.tokens.of_role("dialplan", "dialplan-1", "rq").unwrap();
        assert_eq!(send(&gate, "/who", Some(&for_others), "x/y").await.status(), 401);
        let grpc = send(&gate, "/who", None, "application/grpc").await;
        assert_eq!((grpc.status().as_u16(), grpc.headers()["grpc-status"].as_bytes()), (200, &b"16"[..]));
    }

    #[tokio::test]
    async fn a_roles_request_is_counted_on_the_row_that_the_role_opens() {
        let gate = gate();
        let token = gate.tokens.of_role("dialplan", "dialplan-2", "config").unwrap();
        assert_eq!(send(&gate, "/who", Some(&token), "x/y").await.status(), 200);
        let report = gate.meters.report();
        assert_eq!((report.len(), report[0].id.as_str(), report[0].side), (1, "voice-22", Side::Accepts));
        assert_eq!((report[0].peers[0].peer.as_str(), report[0].peers[0].requests), ("dialplan-2", 1));
    }

    #[test]
    fn tenant_and_scopes_bind_people_but_not_roles() {
        let gate = gate();
        let (acme, other) = (TenantId::parse("acme").unwrap(), TenantId::parse("other").unwrap());
        let token = gate.tokens.issue(Some(&acme), "wallboard/1", "calls:read", EVERY_ROLE, Duration::from_secs(9));
        let person = gate.tokens.verify(&token.unwrap(), "config").unwrap();
        assert!(person.may_act_for(&acme).is_ok() && person.needs_scope("calls:read").is_ok());
        assert_eq!(person.may_act_for(&other).unwrap_err().status, 403);
        assert_eq!(person.needs_scope("operate").unwrap_err().status, 403);
        assert_eq!(person.role(), None);
        let role = gate.tokens.verify(&gate.tokens.of_role("ors", "ors-1", "config").unwrap(), "config").unwrap();
        assert!(role.may_act_for(&other).is_ok() && role.needs_scope("operate").is_ok());
    }

    fn asked(dn: &str, kind: RequestKind) -> Asked {
        Asked {
            tenant: TenantId::parse("acme").unwrap(),
            requester: "desk/1".to_owned(),
            reference: model::ReferenceId(1),
            this_dn: Dn::parse(dn).unwrap(),
            kind,
            reasons: model::UserData::new(),
            extensions: model::UserData::new(),
        }
    }

    fn login(agent: Option<&str>) -> RequestKind {
        let agent = agent.map(|agent| AgentId::parse(agent).unwrap());
        RequestKind::AgentLogin { agent, work_mode: model::WorkMode::Unknown }
    }

    fn tied(gate: &Gate, agent: Option<&str>, scopes: &str) -> Caller {
        let acme = TenantId::parse("acme").unwrap();
        let tie = Tie { dn: Dn::parse("7101").unwrap(), agent: agent.map(|agent| AgentId::parse(agent).unwrap()) };
        let life = Duration::from_secs(9);
        let token = gate.tokens.issue_tied(Some(&acme), Some(&tie), "desk/1", scopes, EVERY_ROLE, life).unwrap();
        gate.tokens.verify(&token, "config").unwrap()
    }

    #[test]
    fn a_tied_token_asks_for_its_own_dn_alone() {
        let gate = gate();
        let call = model::ConnId(1);
        let desk = tied(&gate, None, "calls:control agents:control calls:read");
        let may = |dn: &str, kind: RequestKind| desk.may_ask(&asked(dn, kind)).map_err(|p| p.detail.unwrap());
        assert_eq!(may("7101", RequestKind::HoldCall(call)), Ok(()));
        assert_eq!(may("7101", login(None)), Ok(()));
        assert_eq!(may("7102", RequestKind::HoldCall(call)), Err("the token is tied to the DN 7101".to_owned()));
        assert!(may("7102", RequestKind::AgentLogout).is_err());
        for whole in [RequestKind::ClearCall(call), RequestKind::QueryCall(call), RequestKind::DeleteUserData(call)] {
            assert!(may("7101", whole).unwrap_err().contains("whole call"));
        }
        assert!(!desk.has_scope("calls:read"), "what is not for one DN is not for it");
        let desk = tied(&gate, Some("1001"), "agents:control");
        assert!(desk.may_ask(&asked("7101", login(Some("1001")))).is_ok());
        for other in [None, Some("1002")] {
            assert_eq!(desk.may_ask(&asked("7101", login(other))).unwrap_err().status, 403);
        }
        assert!(
            desk.may_ask(&asked("7101", RequestKind::HoldCall(call))).unwrap_err().detail.unwrap().contains("calls:")
        );
    }

    #[test]
    fn a_tie_that_cannot_be_read_is_no_token() {
        let claims = |dn: Option<&str>, agent: Option<&str>| {
            Caller::from_claims(Claims {
                iss: String::new(),
                tenant: "acme".to_owned(),
                sub: "desk/1".to_owned(),
                scope: "calls:control".to_owned(),
                aud: EVERY_ROLE.to_owned(),
                exp: 1,
                dn: dn.map(str::to_owned),
                agent: agent.map(str::to_owned),
            })
        };
        let long = "7".repeat(256);
        for (dn, agent) in
            [(Some(""), None), (Some(long.as_str()), None), (None, Some("1001")), (Some("7101"), Some(""))]
        {
            assert_eq!(claims(dn, agent), None, "{dn:?} {agent:?}");
        }
        assert!(claims(Some("7101"), Some("1001")).is_some() && claims(None, None).is_some());
    }
}
