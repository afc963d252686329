//! `grant_type=password`: a person's name and password, shown by a program (RFC 6749 section 4.3). OAuth 2.1 has it no more; published
//! programs know nothing else, so that a client may use it if its configuration says so.

use axum::response::Response;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::client::GrantType;
use identity::oauth_error::ErrorCode;

use super::super::answers::OAuthError;
use super::super::client_login::ClientLogin;
use super::super::issue::TokenBearer;
use super::super::parameters::Parameters;
use super::super::person_login::{self, PersonLogin};
use super::super::source::RequestSource;
use super::super::tenancy::Named;
use super::super::{Auth, issue, second_factor, tenancy};
use super::{invalid_grant, required};

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
    // There is no page that could ask for the code.
    let noted =
        |event, way| SignInRecord::of(event).by_way(way).about_person(&person.user_name).at_client(&login.client.id);
    if second_factor::is_needed(auth, &login.tenant, &person).await? {
        auth.note(&login.tenant, source, noted(SignInEvent::Refused, SignInWay::SecondFactor));
        return Err(invalid_grant(
            "this person signs in with a second factor, at the page alone: use authorization_code",
        ));
    }
    tracing::info!(tenant = %login.tenant, user = person.user_name, client = login.client.id, "a program has signed somebody in");
    let rights = issue::rights_at(auth, &login.tenant, &login.client, &person).await?;
    let scope = issue::granted(&rights, form.get("scope"))?;
    let access = issue::access(auth, login, form, &scope)?;
    let id = auth.id();
    let sign_in = TokenBearer {
        person: &person,
        rights: &rights,
        scope: &scope,
        access: &access,
        id: &id,
        authenticated_at: auth.now(),
        by_two_factors: false,
        by_provider: false,
        nonce: None,
    };
    let refresh_token = issue::begin_family(auth, login, &sign_in, None).await?;
    auth.note(&login.tenant, source, noted(SignInEvent::SignedIn, SignInWay::Password).in_session(&id));
    issue::answer(auth, login, &sign_in, refresh_token, GrantType::Password)
}
