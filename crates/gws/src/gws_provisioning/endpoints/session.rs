//! The session: how it begins, and how it ends.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use net::http::WebClient;
use serde_json::json;

use super::super::metrics::SessionEnd;
use super::super::request::{KnownAsker, ProvisioningRequest, check_page};
use super::super::sign_in::ProvisioningSignIn;
use super::super::{Provisioning, openapi};
use crate::session_cookie::PROVISIONING;
use crate::sessions::answers::{self, ApiRefusal, read_body};
use crate::sessions::bearer::bearer;

/// What whoever brings a code is told.
const CODES: &str =
    "code: codes are not taken here; exchange it at the authentication service, and send the token in Authorization";
/// What whoever brings a password is told.
const PASSWORDS: &str =
    "passwords are taken by the authentication service alone: sign in there, and send the token in Authorization";

/// `POST /initialize-provisioning`, and `GET`: begins a session by a token, or goes on with the one of the cookie.
pub(in crate::gws_provisioning) async fn initialise(
    State(provisioning): State<Arc<Provisioning>>,
    client: Option<Extension<WebClient>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let client = client.map(|Extension(client)| client);
    check_page(&provisioning, &Method::POST, &headers, client.as_ref())?;
    let Some(token) = bearer(&headers) else {
        let has_code = query.unwrap_or_default().split('&').any(|pair| pair.starts_with("code="));
        let is_code = has_code || !read_body(&body)?["code"].is_null();
        return Err(match is_code {
            true => ApiRefusal::not_implemented(CODES),
            false => ApiRefusal::unauthorized("there is no token in Authorization"),
        });
    };
    let sign_in = ProvisioningSignIn::of_token(&provisioning.tokens, provisioning.sessions.role, token)?;
    if !provisioning.is_good(token).await {
        return Err(ApiRefusal::unauthorized("the token is not good any more"));
    }
    let (_, value) = provisioning.begun(sign_in, PROVISIONING.value_in(&headers)).await?;
    // Programs without the library build the cookie from this.
    let mut response = answers::data(&json!({ "sessionId": value }));
    // Also where there was one: clients want it each time.
    let is_secure = client.is_some_and(|client| client.is_secure);
    let cookie = PROVISIONING.set(&value, is_secure).ok_or_else(ApiRefusal::internal)?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// `POST /logout`, and `GET`: the session ends.
pub(in crate::gws_provisioning) async fn logout(
    State(provisioning): State<Arc<Provisioning>>,
    client: Option<Extension<WebClient>>,
    headers: HeaderMap,
    request: ProvisioningRequest,
) -> Result<Response, ApiRefusal> {
    let client = client.map(|Extension(client)| client);
    check_page(&provisioning, &Method::POST, &headers, client.as_ref())?;
    request.session.end(SessionEnd::Logout).await;
    let mut response = answers::done();
    let is_secure = client.is_some_and(|client| client.is_secure);
    let cookie = PROVISIONING.removed(is_secure).ok_or_else(ApiRefusal::internal)?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// `GET /login`: to the sign-in of the authentication service, which knows the client and where it may be sent back to.
pub(in crate::gws_provisioning) async fn login(
    State(provisioning): State<Arc<Provisioning>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiRefusal> {
    let query = query.unwrap_or_default();
    if !query.split('&').any(|pair| pair.strip_prefix("redirect_uri=").is_some_and(|uri| !uri.is_empty())) {
        return Err(ApiRefusal::bad_request("redirect_uri: it is missing"));
    }
    let passed_on: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("response_type=")).collect();
    let issuer = provisioning.tokens.issuer();
    answers::found(&format!("{issuer}/oauth/authorize?response_type=code&{}", passed_on.join("&")))
}

/// `POST /login`: nobody's password is taken here.
pub(in crate::gws_provisioning) async fn password() -> ApiRefusal {
    ApiRefusal::not_implemented(PASSWORDS)
}

/// `GET /info`, `GET /version`: which build answers.
pub(in crate::gws_provisioning) async fn info(_: KnownAsker) -> Response {
    answers::build()
}

/// `GET /doc`: the document of the API.
pub(in crate::gws_provisioning) async fn doc(_: KnownAsker) -> Response {
    answers::answer(StatusCode::OK, &openapi::openapi())
}
