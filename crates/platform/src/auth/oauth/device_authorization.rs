//! `POST /oauth/device_authorization`: a device without a keyboard asks for a code to show (RFC 8628 section 3.1).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use identity::client::{ClientRules, GrantType};
use identity::grant::device::{self, DeviceGrant};
use identity::oauth_error::ErrorCode;
use identity::scope;
use identity::secret::Digest;
use serde_json::json;

use super::super::answers::{OAuthError, Trouble, not_stored};
use super::super::proofs::client_login::{self, ClientLogin};
use super::super::request::parameters::{Parameters, RESOURCE};
use super::super::request::source::RequestSource;
use super::super::{Auth, page};
use super::resource;

/// The longest `scope`, in bytes.
const SCOPE_BYTES_MAX: usize = 1_024;
/// How often another code is tried when a device has it already: one of 25 thousand million is rarely taken.
const TRIES_MAX: usize = 8;

pub(in crate::auth) async fn begin(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    begun(&auth, &source, &headers, &body).await.unwrap_or_else(OAuthError::into_response)
}

async fn begun(auth: &Auth, source: &RequestSource, headers: &HeaderMap, body: &[u8]) -> Result<Response, OAuthError> {
    let form = Parameters::of_form(headers, body).map_err(|fault| OAuthError::new(ErrorCode::InvalidRequest, fault))?;
    let login = client_login::authenticate(auth, headers, &form, source).await?;
    if !login.client.may_use(GrantType::DeviceCode) {
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "the client may not use device codes"));
    }
    let scope = of_resource(auth.issuer(), &form, scope_of(&login.client, &form)?)?;
    if let Some(wait) = auth.guesses.count_device(source).await? {
        return Err(OAuthError::wait(ErrorCode::TemporarilyUnavailable, wait));
    }
    let grant = DeviceGrant::new(&login.client.id, Some(&scope), auth.now());
    let secret = auth.secret();
    let code = code_for(auth, &login, Digest::of(&secret), &grant).await?;
    // The code leads nowhere before this.
    auth.store.begin_device(&login.tenant, Digest::of(&secret), &grant).await?;
    let verification = format!("{}{}", auth.issuer(), page::device::BELOW_ISSUER);
    let answer = json!({
        "device_code": secret,
        "user_code": code,
        "verification_uri": verification,
        "verification_uri_complete": format!("{verification}?user_code={code}"),
        "expires_in": device::LIFE.as_secs(),
        "interval": device::INTERVAL.as_secs(),
    });
    Ok(not_stored(Json(answer).into_response()))
}

/// The scope that a device gets. One that names none gets what its client lists: whoever lets it in would else give all that they may.
fn scope_of(client: &ClientRules, form: &Parameters) -> Result<String, OAuthError> {
    let refused = |description| Err(OAuthError::new(ErrorCode::InvalidScope, description));
    match form.get("scope").filter(|scope| !scope.trim().is_empty()) {
        Some(scope) if scope.len() > SCOPE_BYTES_MAX => refused("the scope is longer than 1024 bytes"),
        Some(scope) => Ok(scope.to_owned()),
        None => match client.of_device() {
            Some(scope) => Ok(scope),
            None => refused("the scope is missing, and the client lists none"),
        },
    }
}

/// What of a scope is for the APIs that the device names: what is left out now, no token of its sign-in has later (RFC 8707 section 2.1).
fn of_resource(issuer: &str, form: &Parameters, scope: String) -> Result<String, OAuthError> {
    if form.all(RESOURCE).next().is_none() {
        return Ok(scope);
    }
    let kept = resource::access(issuer, form, &scope)?.scope;
    // Either would be all that whoever lets it in may.
    if kept.trim().is_empty() || scope::contains(&kept, "*") {
        return Err(OAuthError::new(ErrorCode::InvalidTarget, "a device that names a resource names its scopes too"));
    }
    Ok(kept)
}

/// A code that no other device of the tenant shows.
async fn code_for(auth: &Auth, login: &ClientLogin, device: Digest, grant: &DeviceGrant) -> Result<String, OAuthError> {
    for _ in 0..TRIES_MAX {
        let code = device::user_code(auth.number());
        if auth.store.claim_user_code(&login.tenant, &code, device, grant.until).await? {
            return Ok(code);
        }
    }
    Err(Trouble::Busy.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_names_an_api_gets_what_of_its_scope_is_for_it_and_never_more() {
        let of = |scope: &str, form: &str| {
            let form = Parameters::read(form.as_bytes()).unwrap();
            of_resource("https://centre.example/auth/v3", &form, scope.to_owned()).ok()
        };
        let both = "openid calls:read statistics:read";
        assert_eq!(of(both, "").as_deref(), Some(both));
        assert_eq!(of("*", "").as_deref(), Some("*"));
        assert_eq!(of(both, "resource=statistics").as_deref(), Some("openid statistics:read"));
        assert_eq!(of(both, "resource=https://centre.example/wfm&resource=voice").as_deref(), Some(both));
        for (scope, form) in [
            (both, "resource=nothing"),
            (both, "resource=tenant"),
            ("*", "resource=statistics"),
            ("* statistics:read", "resource=statistics"),
            ("calls:read", "resource=telemetry"),
        ] {
            assert_eq!(of(scope, form), None, "{scope} {form}");
        }
    }

    #[test]
    fn a_device_without_a_scope_gets_what_its_client_lists_or_is_refused() {
        let mut client = ClientRules {
            id: "board".to_owned(),
            is_confidential: false,
            grants: vec![GrantType::DeviceCode],
            redirect_uris: Vec::new(),
            scopes: Vec::new(),
            bounds_people: false,
        };
        let scope =
            |client: &ClientRules, form: &str| scope_of(client, &Parameters::read(form.as_bytes()).unwrap()).ok();
        for form in ["", "scope=", "scope=+"] {
            assert_eq!(scope(&client, form), None, "{form}");
        }
        assert_eq!(scope(&client, "scope=calls:read").as_deref(), Some("calls:read"));
        (client.scopes, client.bounds_people) = (vec!["statistics:read".to_owned()], true);
        assert_eq!(scope(&client, "").as_deref(), Some("statistics:read"));
        assert_eq!(scope(&client, &format!("scope={}", "a".repeat(1_025))), None);
    }
}
