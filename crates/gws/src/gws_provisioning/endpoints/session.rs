//! The session: how it begins, and how it ends.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use identity::built_in_client::{self, SessionClient};
use net::http::{Query, WebClient};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::metrics::SessionEnd;
use super::super::request::{KnownAsker, ProvisioningRequest, check_page};
use super::super::sign_in::ProvisioningSignIn;
use super::super::{Provisioning, openapi};
use crate::session_cookie::PROVISIONING;
use crate::sessions::answers::{self, ApiRefusal, read_body};
use crate::sessions::bearer::bearer;
use crate::sessions::session_code::BroughtCode;

/// What a page is told that would begin a session by leading the browser here: any site can do that, with a code of its own.
const CODES: &str = "code: it is brought by POST";
/// What whoever brings a password is told.
const PASSWORDS: &str =
    "passwords are taken by the authentication service alone: sign in there, and send the token in Authorization";

/// By what a session begins where there is no token; clients put it into the query or into the body.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::gws_provisioning) struct SessionBegin {
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
}

impl SessionBegin {
    /// With what a body says, where the query says nothing.
    fn brought(self, body: &Value) -> BroughtCode {
        let in_body = |name: &str| {
            let found = body.pointer("/data").and_then(|data| data.get(name)).or_else(|| body.get(name));
            found.and_then(Value::as_str).map(str::to_owned)
        };
        BroughtCode {
            code: self.code.or_else(|| in_body("code")),
            redirect_uri: self.redirect_uri.or_else(|| in_body("redirect_uri")),
            verifier: self.code_verifier.or_else(|| in_body("code_verifier")),
        }
    }
}

/// `POST /initialize-provisioning`: begins a session by a token or a code, or goes on with the one of the cookie. `GET` does by a token.
pub(in crate::gws_provisioning) async fn initialise(
    State(provisioning): State<Arc<Provisioning>>,
    method: Method,
    client: Option<Extension<WebClient>>,
    Query(begin): Query<SessionBegin>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let client = client.map(|Extension(client)| client);
    check_page(&provisioning, &Method::POST, &headers, client.as_ref())?;
    let (sign_in, place) = match bearer(&headers) {
        Some(token) => {
            let sign_in = ProvisioningSignIn::of_token(&provisioning.tokens, provisioning.sessions.role, token)?;
            if !provisioning.is_good(token).await {
                return Err(ApiRefusal::unauthorized("the token is not good any more"));
            }
            (sign_in, None)
        }
        None if method == Method::GET && begin.code.is_some() => return Err(ApiRefusal::bad_request(CODES)),
        None => {
            let (tenant, shown) = begin.brought(&read_body(&body)?).read(SessionClient::Provisioning)?;
            // A replica that cannot take the session leaves the code to the next one.
            let place = provisioning.sessions.place(&tenant)?;
            let token = provisioning.codes.redeem(&tenant, &shown).await?;
            let sign_in = ProvisioningSignIn::of_token(&provisioning.tokens, provisioning.sessions.role, &token)?;
            (sign_in, Some(place))
        }
    };
    let (_, value) = provisioning.begun(sign_in, PROVISIONING.value_in(&headers), place).await?;
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

/// `GET /login`: to the sign-in of the authentication service, which knows the client and where it may be sent back to. Without a client
/// it is our own, whose codes begin a session.
pub(in crate::gws_provisioning) async fn login(
    State(provisioning): State<Arc<Provisioning>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiRefusal> {
    let asked = authorization_query(&query.unwrap_or_default())?;
    answers::found(&format!("{}/oauth/authorize?{asked}", provisioning.tokens.issuer()))
}

/// The query of a login as that of an authorization request.
fn authorization_query(login: &str) -> Result<String, ApiRefusal> {
    let pairs = || login.split('&').filter(|pair| !pair.is_empty());
    let has = |name: &str| {
        pairs().any(|pair| pair.split_once('=').is_some_and(|(own, value)| own == name && !value.is_empty()))
    };
    if !has("redirect_uri") {
        return Err(ApiRefusal::bad_request("redirect_uri: it is missing"));
    }
    let own = match has("client_id") {
        true => String::new(),
        false => format!("&client_id={}", built_in_client::PROVISIONING),
    };
    let is_passed_on = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        name != "response_type" && (name != "client_id" || has("client_id"))
    };
    let passed_on: Vec<&str> = pairs().filter(is_passed_on).collect();
    Ok(format!("response_type=code&{}{own}", passed_on.join("&")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_in_the_query_or_in_the_body() {
        let text = |text: &str| Some(text.to_owned());
        let wanted = BroughtCode { code: text("c"), redirect_uri: text("https://hr.example/"), verifier: text("v") };
        let inner = json!({"code": "c", "redirect_uri": "https://hr.example/", "code_verifier": "v"});
        for body in [inner.clone(), json!({ "data": inner })] {
            assert_eq!(SessionBegin::default().brought(&body), wanted);
        }
        let begin =
            SessionBegin { code: text("c"), redirect_uri: text("https://hr.example/"), code_verifier: text("v") };
        assert_eq!(begin.brought(&json!({"code": "other"})), wanted);
        assert_eq!(SessionBegin::default().brought(&Value::Null), BroughtCode::default());
    }

    #[test]
    fn a_login_leads_to_the_sign_in_by_the_clients_id_or_ours() {
        let query = |login: &str| authorization_query(login).unwrap();
        let own = "response_type=code&redirect_uri=%2Fhr&client_id=trunkline-provisioning";
        assert_eq!(query("redirect_uri=%2Fhr"), own);
        assert_eq!(query("client_id=&redirect_uri=%2Fhr"), own);
        let theirs = "response_type=code&client_id=hr&redirect_uri=%2Fhr&state=7";
        assert_eq!(query("client_id=hr&redirect_uri=%2Fhr&response_type=token&state=7"), theirs);
        for wrong in ["", "redirect_uri=", "client_id=hr"] {
            assert!(authorization_query(wrong).unwrap_err().message().starts_with("redirect_uri: "), "{wrong}");
        }
    }
}
