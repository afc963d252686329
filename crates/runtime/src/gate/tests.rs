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
use crate::server::Accepted;
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
        directory: Directory::of_instance(0, &TABLE, |_| 1),
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
    let body = axum::body::to_bytes(send(&gate, "/who", Some(&token), "x/y").await.into_body(), 4_096).await.unwrap();
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
    let of_no_dn = "statistics:read config:read config:write trace:read webhooks workspace:use";
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
    assert!(desk.may_ask(&asked("7101", RequestKind::HoldCall(call))).unwrap_err().detail.unwrap().contains("calls:"));
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
    for (dn, agent) in [(Some(""), None), (Some(long.as_str()), None), (None, Some("1001")), (Some("7101"), Some(""))] {
        assert_eq!(claims(dn, agent), None, "{dn:?} {agent:?}");
    }
    assert!(claims(Some("7101"), Some("1001")).is_some() && claims(None, None).is_some());
}

#[tokio::test]
async fn a_role_that_passes_on_what_strangers_ask_is_known_by_its_address() {
    let Guarded { gate, .. } = guarded();
    for (address, is_known) in [("127.0.5.1", true), ("127.0.13.1", false), ("192.0.2.1", false)] {
        let connection = Accepted::new(format!("{address}:1024").parse().unwrap());
        let mut request = Request::get("/open").body(Body::empty()).unwrap();
        request.extensions_mut().insert(connection.clone());
        let answer = ask(&gate, request, |_| answered(Response::new(Body::empty()))).await;
        assert_eq!((answer.status().as_u16(), connection.is_authenticated()), (200, is_known), "{address}");
    }
}
