//! The session: how it begins, what it shows, how it ends.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use identity::built_in_client::{self, SessionClient};
use model::TenantId;
use net::http::{Query, WebClient};
use serde::Deserialize;
use serde_json::Value;

use super::super::desk::{Desk, DeskEnd};
use super::super::desk_sign_in::DeskSignIn;
use super::super::request::{DeskRequest, KnownAsker, check_page};
use super::super::session::DeskSession;
use super::super::{Workspace, openapi, page_origin, standing_checks};
use super::peers;
use crate::session_cookie::WORKSPACE;
use crate::sessions::answers::{self, ApiRefusal};
use crate::sessions::bearer::bearer;
use crate::sessions::session_code::{BroughtCode, ShownCode};

/// What a page is told that would begin a session by leading the browser here: any site can do that, with a code of its own.
const STARTS: &str = "code: pages bring their code to initialize-workspace";
/// How long the answer to a logout waits until the record of the session says that it ends.
const NOTED_WITHIN: Duration = Duration::from_secs(2);

/// By what a session begins.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::gws_workspace) struct SessionBegin {
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    optimize_config: Option<String>,
}

impl SessionBegin {
    /// Whether the desktop reads the configuration part by part.
    fn is_optimised(&self) -> bool {
        self.optimize_config.as_deref().is_some_and(|wish| wish.eq_ignore_ascii_case("true"))
    }

    /// The code, with its verifier, which may stand in the body.
    fn brought(&self, body: &[u8]) -> BroughtCode {
        let verifier = self.code_verifier.clone().or_else(|| verifier_in(body));
        BroughtCode { code: self.code.clone(), redirect_uri: self.redirect_uri.clone(), verifier }
    }
}

/// `POST /initialize-workspace`: begins a session by a token or a code, or goes on with the one of the cookie.
pub(in crate::gws_workspace) async fn initialise(
    State(workspace): State<Arc<Workspace>>,
    client: Option<Extension<WebClient>>,
    Query(begin): Query<SessionBegin>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let client = client.map(|Extension(client)| client);
    check_page(&workspace, &Method::POST, &headers, client.as_ref())?;
    let (sign_in, place) = match bearer(&headers) {
        Some(token) => {
            let sign_in = DeskSignIn::of_token(&workspace.tokens, workspace.sessions.role, token)?;
            if !workspace.authority.is_good(token.to_owned()).await {
                return Err(ApiRefusal::unauthorized("the token is not good any more"));
            }
            (sign_in, None)
        }
        None => {
            let (tenant, shown) = begin.brought(&body).read(SessionClient::Workspace)?;
            // A replica that cannot take the session leaves the code to the next one.
            let place = workspace.sessions.place(&tenant)?;
            (of_code(&workspace, tenant, shown).await?, Some(place))
        }
    };
    let (session, value) = workspace.begun(sign_in, WORKSPACE.value_in(&headers), place).await?;
    // A new one is initialised already.
    session.initialise(begin.is_optimised());
    let mut response = answers::begun();
    // Also where there was one: clients want it each time.
    let is_secure = client.is_some_and(|client| client.is_secure);
    let cookie = WORKSPACE.set(&value, is_secure).ok_or_else(ApiRefusal::internal)?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// The sign-in of a code. Auth takes it from this role alone, and once.
async fn of_code(workspace: &Workspace, tenant: TenantId, shown: ShownCode) -> Result<DeskSignIn, ApiRefusal> {
    let token = workspace.authority.redeem(tenant, shown).await?;
    DeskSignIn::of_token(&workspace.tokens, workspace.sessions.role, &token)
}

/// The verifier in a body, where no log has it. Clients send whatever body they like, which is passed over.
fn verifier_in(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let verifier = body.pointer("/data/code_verifier").or_else(|| body.get("code_verifier"))?;
    verifier.as_str().map(str::to_owned)
}

/// `GET /start`: as pages of the published desktop begin a session.
pub(in crate::gws_workspace) async fn start() -> ApiRefusal {
    ApiRefusal::bad_request(STARTS)
}

/// `GET /current-session`, `GET /userinfo`: what the desktop shows after it was loaded again.
pub(in crate::gws_workspace) async fn current(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
) -> Response {
    let mut data = request.session.shown(Desk::current_session);
    peers::add_open(&workspace, &request.session, &mut data).await;
    answers::data(&data)
}

/// `GET /auth-keep-alive`: the session is used, and its sign-in is looked at. With a token it goes on by that.
pub(in crate::gws_workspace) async fn keep_alive(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    headers: HeaderMap,
) -> Result<Response, ApiRefusal> {
    let session = &request.session;
    let is_good = match bearer(&headers) {
        Some(token) => {
            let sign_in = DeskSignIn::of_token(&workspace.tokens, workspace.sessions.role, token)?;
            if !sign_in.person.is_of_same_person(&session.sign_in().person) {
                return Err(ApiRefusal::forbidden("the token is of another person than the session"));
            }
            let is_good = workspace.authority.is_good(token.to_owned()).await;
            if is_good {
                session.renew(sign_in);
            }
            is_good
        }
        // The token that it has begun by is over long before.
        None => {
            standing_checks::check(&workspace, session, true).await;
            !workspace.tokens.is_revoked(&session.sign_in().person.claims())
        }
    };
    if !is_good {
        session.end(DeskEnd::SignedOut);
    }
    // It may have ended by what auth has said.
    if !session.is_used() {
        return Err(ApiRefusal::without_session());
    }
    Ok(answers::done())
}

/// `POST /logout`: the agent is logged out, and the session ends.
pub(in crate::gws_workspace) async fn logout(
    client: Option<Extension<WebClient>>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    ended(&request.session).await;
    let is_secure = client.is_some_and(|Extension(client)| client.is_secure);
    without_cookie(answers::done(), is_secure)
}

/// Ends a session, and waits until its record says so: whoever answers here may be gone a moment later.
async fn ended(session: &DeskSession) {
    // A store that does not answer holds nobody up.
    let _ = tokio::time::timeout(NOTED_WITHIN, session.end_noted(DeskEnd::Logout)).await;
}

fn without_cookie(mut response: Response, is_secure: bool) -> Result<Response, ApiRefusal> {
    let cookie = WORKSPACE.removed(is_secure).ok_or_else(ApiRefusal::internal)?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Where to go on.
#[derive(Deserialize)]
pub(in crate::gws_workspace) struct GoingOn {
    redirect_uri: Option<String>,
}

/// `GET /logout`: the same for a page, which goes on to another one.
pub(in crate::gws_workspace) async fn logout_and_go_on(
    State(workspace): State<Arc<Workspace>>,
    client: Option<Extension<WebClient>>,
    headers: HeaderMap,
    request: DeskRequest,
    Query(query): Query<GoingOn>,
) -> Result<Response, ApiRefusal> {
    let client = client.map(|Extension(client)| client);
    check_page(&workspace, &Method::POST, &headers, client.as_ref())?;
    let is_secure = client.is_some_and(|client| client.is_secure);
    let response = match query.redirect_uri.as_deref() {
        Some(uri) if !page_origin::leads_to_own(uri, &headers, client.as_ref(), &workspace.base) => {
            return Err(ApiRefusal::bad_request("redirect_uri: it does not lead to this host"));
        }
        Some(uri) => answers::found(uri)?,
        None => answers::done(),
    };
    ended(&request.session).await;
    without_cookie(response, is_secure)
}

/// `GET /login`: to the sign-in of the authentication service, which knows the client and where it may be sent back to. Without a client
/// it is our own, whose codes begin a session.
pub(in crate::gws_workspace) async fn login(
    State(workspace): State<Arc<Workspace>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiRefusal> {
    let query = query.unwrap_or_default();
    let pairs = || query.split('&').filter(|pair| !pair.is_empty());
    let value = |name: &str| pairs().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    if value("redirect_uri").is_none_or(str::is_empty) {
        return Err(ApiRefusal::bad_request("redirect_uri: it is missing"));
    }
    let response_type = value("type").filter(|kind| !kind.is_empty()).unwrap_or("code");
    let passed_on: Vec<&str> =
        pairs().filter(|pair| !pair.starts_with("type=") && !pair.starts_with("response_type=")).collect();
    let own = match value("client_id").filter(|client| !client.is_empty()) {
        Some(_) => String::new(),
        None => format!("&client_id={}", built_in_client::WORKSPACE),
    };
    let issuer = workspace.tokens.issuer();
    answers::found(&format!("{issuer}/oauth/authorize?response_type={response_type}&{}{own}", passed_on.join("&")))
}

/// `GET /info`, `GET /version`: which build answers.
pub(in crate::gws_workspace) async fn info(_: KnownAsker) -> Response {
    answers::build()
}

/// `GET /doc`: the document of the API.
pub(in crate::gws_workspace) async fn doc(_: KnownAsker) -> Response {
    answers::answer(StatusCode::OK, &openapi::openapi())
}
