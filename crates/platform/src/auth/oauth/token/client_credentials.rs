//! `grant_type=client_credentials`: a client for itself (RFC 6749 section 4.4).

use axum::response::Response;
use contracts::sign_in_audit::{SignInEvent, SignInRecord};
use identity::oauth_error::ErrorCode;
use identity::scope;

use super::super::issue;
use crate::auth::Auth;
use crate::auth::answers::OAuthError;
use crate::auth::proofs::client_login::ClientLogin;
use crate::auth::request::parameters::Parameters;
use crate::auth::request::source::RequestSource;

/// Issues a token with what of the client's scopes it asks for.
pub(super) fn issue(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let may = login.client.scopes.iter().map(String::as_str);
    let scope = scope::granted(may, form.get("scope"))
        .ok_or(OAuthError::new(ErrorCode::InvalidScope, "nothing of that scope may be granted"))?;
    // There is no person whom an ID token could be about.
    let scope: Vec<&str> = scope.split_whitespace().filter(|name| !scope::OF_IDENTITY.contains(name)).collect();
    let access = issue::access(auth, login, form, &scope.join(" "))?;
    let answer = issue::answer_client(auth, login, &access)?;
    let id = &login.client.id;
    auth.note(&login.tenant, source, SignInRecord::of(SignInEvent::ClientToken).about_client(id));
    Ok(answer)
}
