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
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use infra::SystemClock;

    use model::request::LoginPassword;
    use model::{AgentId, Dn, Request as Asked, RequestKind, TenantId};

    use super::*;
    use crate::api_family::ApiFamily;
    use crate::around::{Entrance, around};
    use crate::caller::Tie;
    use crate::token::{Audience, Claims, ServiceIssuer, TokenIssuer};

    static DIALPLAN: RoleSpec = RoleSpec { opens: &["voice-22"], ..RoleSpec::bare("dialplan", 5) };
    static ORS: RoleSpec = RoleSpec { opens: &["voice-30", "voice-34"], ..RoleSpec::bare("ors", 12) };
    /// It has a connection to config, and none to the listener of these tests.
    static MEDIA: RoleSpec = RoleSpec { opens: &["own-04"], ..RoleSpec::bare("media", 13) };
    static TABLE: [&RoleSpec; 3] = [&DIALPLAN, &ORS, &MEDIA];

    /// What the interfaces of these tests take.
    const VOICE: &[ApiFamily] = &[ApiFamily::Voice];

    /// A gate, with those whom it believes.
    struct Guarded {
        gate: Arc<Gate>,
        issuer: TokenIssuer,
        dialplan: ServiceIssuer,
        ors: ServiceIssuer,
        media: ServiceIssuer,
    }

    fn guarded() -> Guarded {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let [dialplan, ors, media] = TABLE.map(|spec| ServiceIssuer::of_new_key(spec, clock.clone()).unwrap());
        let gate = Gate {
            tokens: TokenVerifier::of(&issuer, &[&dialplan, &ors, &media]),
            role: "config",
            listener: "http",
            families: TakenFamilies::Of(VOICE),
            accepts: ["voice-22", "voice-23", "voice-34"].into(),
            meters: Meters::new(clock),
            strangers: None,
            table: &TABLE,
            directory: Directory::of_instance(0, &[], |_| 1),
            own: OfEveryRole::default(),
            open: |_, path| path == "/open",
            spans: Spans::default(),
        };
        Guarded { gate: Arc::new(gate), issuer, dialplan, ors, media }
    }

    async fn send(gate: &Arc<Gate>, path: &str, token: Option<&str>, media_type: &str) -> Response {
        let who = get(|caller: Caller| async move { caller.subject().to_owned() });
        let gate = gate.clone();
        let ask = move |request: Request, behind: &Entrance| ask(&gate, request, |request| behind.enter(request));
        let reads = get(|caller: Caller| async move { caller.needs_scope("config:read") });
        let secrets = get(|caller: Caller| async move { caller.needs_scope("config:secrets") });
        let router = Router::new().route("/who", who).route("/open", get(|| async {}));
        let entrance = around(router.route("/reads", reads).route("/secrets", secrets), ask);
        let mut request = Request::get(path).header(header::CONTENT_TYPE, media_type);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        entrance.enter(request.body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn only_open_paths_answer_without_a_token() {
        let Guarded { gate, ors, .. } = guarded();
        assert_eq!(send(&gate, "/open", None, "x/y").await.status(), 200);
        assert_eq!(send(&gate, "/who", None, "x/y").await.status(), 401);
        let for_others = ors.token("ors-1", "rq").unwrap();
        assert_eq!(send(&gate, "/who", Some(&for_others), "x/y").await.status(), 401);
        let grpc = send(&gate, "/who", None, "application/grpc").await;
        assert_eq!((grpc.status().as_u16(), grpc.headers()["grpc-status"].as_bytes()), (200, &b"16"[..]));
    }

    #[tokio::test]
    async fn a_token_for_other_apis_is_told_to_be_invalid_and_none_is_not() {
        let Guarded { gate, issuer, .. } = guarded();
        let token = |scope| issuer.issue(None, "operator/ann", scope, Duration::from_secs(9)).unwrap();
        assert_eq!(send(&gate, "/who", Some(&token("calls:read config:read")), "x/y").await.status(), 200);
        let refused = send(&gate, "/who", Some(&token("config:read")), "x/y").await;
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
        assert_eq!(refused.extensions().get::<TokenError>(), Some(&TokenError::Audience("tenant".to_owned())));
        let nobody = send(&gate, "/who", None, "x/y").await;
        assert_eq!(nobody.headers()[header::WWW_AUTHENTICATE], "Bearer");
        let grpc = send(&gate, "/who", Some(&token("config:read")), "application/grpc").await;
        assert_eq!(grpc.headers()["grpc-status"], "16");
    }

    #[tokio::test]
    async fn a_roles_request_is_counted_on_the_row_that_the_role_opens() {
        let Guarded { gate, dialplan, .. } = guarded();
        let token = dialplan.token("dialplan-2", "config").unwrap();
        assert_eq!(send(&gate, "/who", Some(&token), "x/y").await.status(), 200);
        let report = gate.meters.report();
        assert_eq!((report.len(), report[0].id.as_str(), report[0].side), (1, "voice-22", Side::Accepts));
        assert_eq!((report[0].peers[0].peer.as_str(), report[0].peers[0].requests), ("dialplan-2", 1));
    }

    #[tokio::test]
    async fn a_role_may_what_its_connection_gives_and_no_more() {
        let Guarded { gate, dialplan, ors, .. } = guarded();
        for (role, connection) in [(&dialplan, "voice-22"), (&ors, "voice-34")] {
            let token = role.token(&format!("{}-1", role.spec().name), "config").unwrap();
            assert_eq!(send(&gate, "/reads", Some(&token), "x/y").await.status(), 200);
            let refused = send(&gate, "/secrets", Some(&token), "x/y").await;
            assert_eq!(refused.status(), 403);
            let body = axum::body::to_bytes(refused.into_body(), 4_096).await.unwrap();
            let problem: Problem = serde_json::from_slice(&body).unwrap();
            let detail = problem.detail.unwrap();
            assert!(detail.contains(connection) && detail.contains("config:secrets"), "{detail}");
        }
        assert_eq!(gate.own.requests_refused.get(Refusal::Connection), 0);
    }

    #[tokio::test]
    async fn a_role_without_a_connection_to_the_listener_is_refused_whatever_its_token_is_for() {
        let Guarded { gate, media, .. } = guarded();
        let token = media.token("media-1", "config").unwrap();
        assert!(gate.tokens.verify(&token, "config", VOICE).is_ok(), "it is for config");
        for path in ["/who", "/reads", "/secrets"] {
            assert_eq!(send(&gate, path, Some(&token), "x/y").await.status(), 403, "{path}");
        }
        let body =
            axum::body::to_bytes(send(&gate, "/who", Some(&token), "x/y").await.into_body(), 4_096).await.unwrap();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        let missing = "no connection of the table leads from media to the listener http of config";
        assert_eq!(problem.detail.as_deref(), Some(missing));
        let grpc = send(&gate, "/who", Some(&token), "application/grpc").await;
        assert_eq!((grpc.status().as_u16(), grpc.headers()["grpc-status"].as_bytes()), (200, &b"7"[..]));
        let counted = [Refusal::Connection, Refusal::Token].map(|reason| gate.own.requests_refused.get(reason));
        assert_eq!(counted, [5, 0]);
        assert_eq!(send(&gate, "/open", Some(&token), "x/y").await.status(), 200, "what is open to all is open to it");
    }

    #[test]
    fn a_tenant_binds_people_but_not_roles_and_no_token_gives_a_role_scopes() {
        let Guarded { gate, issuer, ors, .. } = guarded();
        let (acme, other) = (TenantId::parse("acme").unwrap(), TenantId::parse("other").unwrap());
        let token = issuer.issue(Some(&acme), "wallboard/1", "calls:read", Duration::from_secs(9));
        let person = gate.tokens.verify(&token.unwrap(), "config", VOICE).unwrap();
        assert!(person.may_act_for(&acme).is_ok() && person.needs_scope("calls:read").is_ok());
        assert_eq!(person.may_act_for(&other).unwrap_err().status, 403);
        assert_eq!(person.needs_scope("operate").unwrap_err().status, 403);
        assert_eq!(person.role(), None);
        let role = gate.tokens.verify(&ors.token("ors-1", "config").unwrap(), "config", VOICE).unwrap();
        assert!(role.may_act_for(&other).is_ok());
        // It has come by no connection here.
        for scope in crate::scope::TABLE {
            assert_eq!(role.needs_scope(scope.name).unwrap_err().status, 403, "{}", scope.name);
        }
        assert_eq!(role.may_ask_at_all().unwrap_err().status, 403);
        let by_row = role.by_connections(vec!["voice-34"]);
        assert!(by_row.needs_scope("config:read").is_ok() && by_row.needs_scope("config:secrets").is_err());
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
        RequestKind::AgentLogin(agent, model::WorkMode::Unknown, LoginPassword::Absent)
    }

    fn tied(guarded: &Guarded, agent: Option<&str>, scopes: &str) -> Caller {
        let acme = TenantId::parse("acme").unwrap();
        let tie = Tie { dn: Dn::parse("7101").unwrap(), agent: agent.map(|agent| AgentId::parse(agent).unwrap()) };
        let life = Duration::from_secs(9);
        let token = guarded.issuer.issue_tied(Some(&acme), Some(&tie), "desk/1", scopes, life).unwrap();
        guarded.gate.tokens.verify(&token, "config", VOICE).unwrap()
    }

    #[test]
    fn a_tied_token_asks_for_its_own_dn_alone() {
        let guarded = guarded();
        let call = model::ConnId(1);
        let desk = tied(&guarded, None, "calls:control agents:control calls:read");
        let may = |dn: &str, kind: RequestKind| desk.may_ask(&asked(dn, kind)).map_err(|p| p.detail.unwrap());
        assert_eq!(may("7101", RequestKind::HoldCall(call)), Ok(()));
        assert_eq!(may("7101", login(None)), Ok(()));
        assert_eq!(may("7102", RequestKind::HoldCall(call)), Err("the token is tied to the DN 7101".to_owned()));
        assert!(may("7102", RequestKind::AgentLogout).is_err());
        for whole in [RequestKind::ClearCall(call), RequestKind::QueryCall(call), RequestKind::DeleteUserData(call)] {
            assert!(may("7101", whole).unwrap_err().contains("whole call"));
        }
        assert!(desk.needs_scope("calls:read").is_err(), "what is not for one DN is not for it");
        let of_no_dn = "statistics:read config:read config:write trace:read webhooks";
        let more = tied(&guarded, None, &format!("calls:control calls:read routing:read {of_no_dn}"));
        for scope in of_no_dn.split_whitespace() {
            assert!(more.needs_scope(scope).is_ok(), "an agent who is more than that has {scope}");
        }
        assert!(more.needs_scope("calls:read").is_err() && more.needs_scope("routing:read").is_err());
        assert_eq!(more.may_ask(&asked("7102", RequestKind::HoldCall(call))).unwrap_err().status, 403);
        let sees = desk.may_follow().map(|tie| tie.map(|tie| tie.dn.as_str()));
        assert_eq!(sees, Ok(Some("7101")), "it follows its own DN");
        assert_eq!(tied(&guarded, None, "calls:control").may_follow().unwrap_err().status, 403);
        let desk = tied(&guarded, Some("1001"), "agents:control");
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
                aud: Audience::of_scope("calls:control"),
                exp: 1,
                dn: dn.map(str::to_owned),
                agent: agent.map(str::to_owned),
                ..Claims::default()
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
