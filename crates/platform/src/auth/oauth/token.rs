//! `POST /oauth/token`: a grant for tokens. A module for each grant. `POST /token` is the same with JSON, as published pages send a code.

mod api_key;
mod client_credentials;
mod code;
mod device_code;
mod jwt_bearer;
mod named_by_program;
mod password;
mod refresh;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use contracts::provisioning::Person;
use identity::client::GrantType;
use identity::oauth_error::ErrorCode;
use identity::secret::Digest;
use model::TenantId;

use super::super::Auth;
use super::super::answers::OAuthError;
use super::super::proofs::client_login::{self, ClientLogin};
use super::super::request::cors;
use super::super::request::parameters::Parameters;
use super::super::request::source::RequestSource;
use super::resource;

pub(in crate::auth) async fn token(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Parameters::of_form(&headers, &body);
    granted(&auth, &source, &headers, form).await.unwrap_or_else(OAuthError::into_response)
}

/// `POST /token`: the parameters of the form as the members of a JSON object. Without `grant_type` a code is redeemed. The client proves
/// itself as ever: a code alone is worth nothing.
pub(in crate::auth) async fn by_json(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let said = if Parameters::is_form(&headers) { Parameters::read(&body) } else { Parameters::of_json(&body) };
    let form = said.map(|said| said.with_default("grant_type", GrantType::AuthorizationCode.as_str()));
    granted(&auth, &source, &headers, form).await.unwrap_or_else(OAuthError::into_response)
}

async fn granted(
    auth: &Auth,
    source: &RequestSource,
    headers: &HeaderMap,
    form: Result<Parameters, &'static str>,
) -> Result<Response, OAuthError> {
    let form = form.map_err(|fault| OAuthError::new(ErrorCode::InvalidRequest, fault))?;
    let name = required(&form, "grant_type", "grant_type is missing")?;
    if GrantType::parse(name) == Some(GrantType::TokenExchange) {
        return api_key::exchange(auth, &form, source).await;
    }
    if let Some(shown) = client_login::key_as_client(headers, &form)? {
        return api_key::of_client(auth, &shown, &form, name, source).await;
    }
    let login = client_login::authenticate(auth, headers, &form, source).await?;
    let answer = answered(auth, &login, &form, name, source).await.unwrap_or_else(OAuthError::into_response);
    Ok(cors::for_client(answer, login.client.redirect_uris))
}

async fn answered(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    name: &str,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let grant = GrantType::parse(name);
    let grant = grant.ok_or(OAuthError::new(ErrorCode::UnsupportedGrantType, "that grant_type is not supported"))?;
    if !login.client.may_use(grant) {
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "the client may not use that grant_type"));
    }
    if grant.is_without_page() && !auth.people.takes_published_grants(&login.tenant).await? {
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "the tenant lets no client use that grant_type"));
    }
    resource::check(auth.issuer(), form)?;
    match grant {
        GrantType::AuthorizationCode => code::redeem(auth, login, form, source).await,
        GrantType::RefreshToken => refresh::exchange(auth, login, form, source).await,
        GrantType::Password => password::sign_in(auth, login, form, source).await,
        GrantType::DeviceCode => device_code::ask(auth, login, form, source).await,
        GrantType::JwtBearer => jwt_bearer::sign_in(auth, login, form, source).await,
        GrantType::ClientCredentials => client_credentials::issue(auth, login, form, source),
        GrantType::TokenExchange => api_key::exchange(auth, form, source).await,
    }
}

fn required<'a>(form: &'a Parameters, name: &str, fault: &'static str) -> Result<&'a str, OAuthError> {
    form.get(name).ok_or(OAuthError::new(ErrorCode::InvalidRequest, fault))
}

fn invalid_grant(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidGrant, description)
}

/// The person of a grant, who may have been disabled or removed, or has got another password, since.
async fn person_of(
    auth: &Auth,
    tenant: &TenantId,
    user: &str,
    credential: Digest,
) -> Result<Option<Person>, OAuthError> {
    Ok(auth.people.active_with(tenant, user, credential).await?)
}
