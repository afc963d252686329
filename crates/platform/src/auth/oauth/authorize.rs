//! `GET` and `POST /oauth/authorize`: a program sends a browser here, which goes on to the sign-in page, or back with a code.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::authorization::{self, AuthorizationRefusal, AuthorizationRequest, SentOn};
use identity::built_in_client::SessionClient;
use identity::client::ClientRules;
use identity::grant::code::{self, Code};
use identity::oauth_error::ErrorCode;
use identity::scope;
use identity::secret::Digest;
use model::TenantId;
use runtime::ApiFamily;
use serde_json::Value;

use super::super::answers::{self, Trouble};
use super::super::people::{first_party, session_client, tenant_host};
use super::super::proofs::client_login;
use super::super::request::parameters::Parameters;
use super::super::request::session::{self, SignedIn};
use super::super::request::source::RequestSource;
use super::super::{Auth, page};
use super::{issue, resource};

/// The longest query: it travels through the sign-in page and back. The longest `state` has room in it.
const QUERY_BYTES_MAX: usize = 8_192;

/// The parameters of a request, as the core takes them.
pub(in crate::auth) fn asked(parameters: &Parameters) -> authorization::Parameters<'_> {
    authorization::Parameters {
        response_type: parameters.get("response_type"),
        response_mode: parameters.get("response_mode"),
        redirect_uri: parameters.get("redirect_uri"),
        scope: parameters.get("scope"),
        state: parameters.get("state"),
        nonce: parameters.get("nonce"),
        code_challenge: parameters.get("code_challenge"),
        code_challenge_method: parameters.get("code_challenge_method"),
        prompt: parameters.get("prompt"),
        request: parameters.get("request"),
        request_uri: parameters.get("request_uri"),
    }
}

/// The query of a request.
pub(in crate::auth) fn query(uri: &Uri) -> Result<Parameters, &'static str> {
    let query = uri.query().unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err("the query is too long");
    }
    Parameters::read(query.as_bytes())
}

pub(in crate::auth) async fn authorize(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let parameters = match query(&uri) {
        Ok(parameters) => tenant_host::named(&auth, &source, parameters),
        Err(fault) => return page::fault(StatusCode::BAD_REQUEST, fault),
    };
    decide(&auth, &parameters, &headers, &source).await.unwrap_or_else(page::trouble)
}

/// The same as a form (OpenID Connect Core section 3.1.2.1). It goes on as a query, and so is no longer than one.
pub(in crate::auth) async fn authorize_by_form(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = match Parameters::of_form(&headers, &body) {
        Ok(_) if body.len() > QUERY_BYTES_MAX => return page::fault(StatusCode::BAD_REQUEST, "the form is too long"),
        Ok(parameters) => tenant_host::named(&auth, &source, parameters),
        Err(fault) => return page::fault(StatusCode::BAD_REQUEST, fault),
    };
    decide(&auth, &parameters, &headers, &source).await.unwrap_or_else(page::trouble)
}

async fn decide(
    auth: &Auth,
    parameters: &Parameters,
    headers: &HeaderMap,
    source: &RequestSource,
) -> Result<Response, Trouble> {
    let found = match client_login::is_for_any_tenant(auth, parameters) {
        true => match session::of_browser(auth, headers, source).await? {
            Some(signed_in) => Some(client_login::of_our_pages(auth, &signed_in.cookie.tenant, parameters)),
            None => return Ok(to_sign_in(parameters)),
        },
        false => client_login::find(auth, parameters).await?,
    };
    let request = match authorization::check(found.as_ref().map(|(_, client)| client), &asked(parameters)) {
        Ok(request) => request,
        Err(AuthorizationRefusal::Shown(fault)) => return Ok(page::fault(StatusCode::BAD_REQUEST, fault)),
        Err(AuthorizationRefusal::SentOn(refusal)) => return Ok(sent_on(auth, &refusal)),
    };
    let asked_for = match resource::asked(auth.issuer(), parameters) {
        Ok(families) => families,
        Err(description) => return Ok(invalid_target(auth, request, description)),
    };
    // The check has refused a request without a client.
    let Some((tenant, client)) = found else { return Ok(Trouble::Away.into_response()) };
    // Somebody of another tenant is nobody here.
    let signed_in = session::of_browser(auth, headers, source).await?.filter(|one| one.cookie.tenant == tenant);
    let signed_in = signed_in.filter(|one| !request.signs_in_again && is_recent(auth, one, parameters));
    match signed_in {
        Some(signed_in) if is_about_another(&signed_in, parameters) => {
            Ok(login_required(auth, request, "somebody else is signed in than id_token_hint says"))
        }
        Some(signed_in) => {
            let request = CodeRequest { request, families: asked_for.as_deref() };
            code_for(auth, &tenant, &client, request, &signed_in).await
        }
        None if request.is_silent => Ok(login_required(auth, request, "nobody is signed in")),
        None => Ok(to_sign_in(parameters)),
    }
}

fn to_sign_in(parameters: &Parameters) -> Response {
    answers::redirect(&format!("{}?{}", page::SIGN_IN, parameters.query_without(&[])))
}

/// Whether the password was shown as lately as the request wants it (`max_age`, OpenID Connect Core section 3.1.2.1).
fn is_recent(auth: &Auth, signed_in: &SignedIn, parameters: &Parameters) -> bool {
    let age = auth.now().since(signed_in.session.authenticated_at);
    // A time that cannot be read is the shortest: the person is asked once more.
    parameters.get("max_age").is_none_or(|max| max.parse().is_ok_and(|max| age <= Duration::from_secs(max)))
}

/// Whether `id_token_hint` is about somebody else (OpenID Connect Core section 3.1.2.1). It can do no more than keep a code back, so that it
/// is believed as it is, also when it is over.
fn is_about_another(signed_in: &SignedIn, parameters: &Parameters) -> bool {
    let Some(hint) = parameters.get("id_token_hint") else { return false };
    hinted(hint).is_none_or(|claims| {
        claims["sub"] != issue::subject(&signed_in.person) || claims["tenant"] != signed_in.cookie.tenant.as_str()
    })
}

/// What an ID token says, whoever has made it: for decisions that open nothing and look nothing up.
fn hinted(id_token: &str) -> Option<Value> {
    let claims = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok()
}

fn login_required(auth: &Auth, request: AuthorizationRequest, description: &'static str) -> Response {
    let AuthorizationRequest { redirect_uri, state, .. } = request;
    sent_on(auth, &SentOn { redirect_uri, error: ErrorCode::LoginRequired, description, state })
}

fn invalid_target(auth: &Auth, request: AuthorizationRequest, description: &'static str) -> Response {
    let AuthorizationRequest { redirect_uri, state, .. } = request;
    sent_on(auth, &SentOn { redirect_uri, error: ErrorCode::InvalidTarget, description, state })
}

/// A request that may get a code.
struct CodeRequest<'a> {
    request: AuthorizationRequest,
    /// For which APIs the tokens may be; `None`: for all of the scope.
    families: Option<&'a [ApiFamily]>,
}

async fn code_for(
    auth: &Auth,
    tenant: &TenantId,
    client: &ClientRules,
    CodeRequest { request, families }: CodeRequest<'_>,
    signed_in: &SignedIn,
) -> Result<Response, Trouble> {
    let rights = issue::rights_at(auth, tenant, client, &signed_in.person).await?;
    let Some(scope) = scope::granted(rights.scopes.iter().copied(), request.scope.as_deref()) else {
        let refusal = SentOn {
            redirect_uri: request.redirect_uri,
            error: ErrorCode::InvalidScope,
            description: "nothing of that scope may be granted to who is signed in",
            state: request.state,
        };
        return Ok(sent_on(auth, &refusal));
    };
    // What is left out now, no token of this sign-in has later (RFC 8707 section 2.1).
    let scope = match resource::narrowed(&scope, families) {
        Ok(access) => access.scope,
        Err(description) => return Ok(invalid_target(auth, request, description)),
    };
    let secret = match SessionClient::named(&client.id) {
        Some(_) => session_client::code_of(tenant, &auth.secret()),
        None => auth.secret(),
    };
    let code = Code {
        client: client.id.clone(),
        redirect_uri: request.redirect_uri,
        names_redirect_uri: request.names_redirect_uri,
        challenge: request.challenge,
        user: signed_in.person.user_name.clone(),
        credential: signed_in.session.credential,
        scope,
        nonce: request.nonce,
        authenticated_at: signed_in.session.authenticated_at,
        by_two_factors: signed_in.session.by_two_factors,
        by_provider_or_passkey: signed_in.session.is_by_provider_or_passkey(),
        session: signed_in.session.id.clone(),
        sign_in: auth.id(),
        until: auth.now() + code::LIFE,
    };
    auth.store.keep_code(tenant, Digest::of(&secret), &code).await?;
    // Our own pages are those of every tenant: they have to say which one when they redeem the code.
    let of_tenant = first_party::is_meant(&client.id).then_some(tenant.as_str());
    // `iss` tells a client of several servers which one answers (RFC 9207).
    let parameters = [
        ("code", Some(secret.as_str())),
        ("state", request.state.as_deref()),
        ("iss", Some(auth.issuer())),
        ("tenant", of_tenant),
    ];
    Ok(answers::redirect(&answers::with_query(&code.redirect_uri, &parameters)))
}

fn sent_on(auth: &Auth, refusal: &SentOn) -> Response {
    let parameters = [
        ("error", Some(refusal.error.as_str())),
        ("error_description", Some(refusal.description)),
        ("state", refusal.state.as_deref()),
        ("iss", Some(auth.issuer())),
    ];
    answers::redirect(&answers::with_query(&refusal.redirect_uri, &parameters))
}
