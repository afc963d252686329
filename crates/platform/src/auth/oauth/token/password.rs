//! `grant_type=password`: a person's name and password, shown by a program (RFC 6749 section 4.3). OAuth 2.1 has it no more; published
//! programs know nothing else, so that a client may use it if its configuration says so.

use axum::response::Response;
use identity::oauth_error::ErrorCode;

use super::named_by_program::{self, NamedBy};
use super::{invalid_grant, required};
use crate::auth::Auth;
use crate::auth::answers::OAuthError;
use crate::auth::people::tenancy::{self, Named};
use crate::auth::proofs::client_login::ClientLogin;
use crate::auth::proofs::person_login::{self, PersonLogin};
use crate::auth::request::parameters::Parameters;
use crate::auth::request::source::RequestSource;

/// Signs a person in for a client.
pub(super) async fn sign_in(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let typed = required(form, "username", "username is missing")?;
    let password = required(form, "password", "password is missing")?;
    let field = if typed.contains('\\') { None } else { Some(login.tenant.as_str()) };
    let named = tenancy::of_person(&auth.people.tenants(), typed, field);
    // A person of another tenant is nobody to this client.
    let who = Named { tenant: named.tenant.filter(|tenant| *tenant == login.tenant), ..named };
    let person = match person_login::check(auth, &who, password, source).await? {
        PersonLogin::Right(_, person) => person,
        PersonLogin::Wrong => return Err(invalid_grant("user name or password is wrong")),
        PersonLogin::Wait(wait) => return Err(OAuthError::wait(ErrorCode::InvalidGrant, wait)),
        PersonLogin::AtProvider(_) => {
            return Err(invalid_grant(
                "people of this tenant sign in with its OpenID Provider: use authorization_code",
            ));
        }
    };
    named_by_program::answer(auth, login, &person, NamedBy::Password, form, source).await
}
