//! `grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer`: a client that the tenant trusts says for which person it asks, by an assertion
//! that it has signed (RFC 7523 section 2.1).

use axum::response::Response;
use contracts::provisioning::{Person, PersonField};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::client_assertion::AssertionUse;
use identity::oauth_error::ErrorCode;

use super::named_by_program::{self, NamedBy};
use super::{invalid_grant, required};
use crate::auth::Auth;
use crate::auth::answers::OAuthError;
use crate::auth::proofs::client_assertion::{self, AssertingClient, AssertionRefusal};
use crate::auth::proofs::client_login::ClientLogin;
use crate::auth::request::parameters::Parameters;
use crate::auth::request::source::RequestSource;

/// The same whether the assertion is wrong or its person may not sign in; the log says which.
const REFUSED: &str = "the assertion is not valid, or whom it names may not sign in";

/// Gives a client a token for the person whom its assertion names.
pub(super) async fn sign_in(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let shown = required(form, "assertion", "assertion is missing")?;
    let person = person_of(auth, login, shown, source).await?;
    // The client vouches for the name; what the person has besides the password nobody has shown.
    named_by_program::answer(auth, login, &person, NamedBy::Assertion, form, source).await
}

/// The person whom an assertion names.
async fn person_of(
    auth: &Auth,
    login: &ClientLogin,
    shown: &str,
    source: &RequestSource,
) -> Result<Person, OAuthError> {
    let (tenant, id) = (&login.tenant, &login.client.id);
    let refused = |fault: &str, event: SignInEvent| {
        tracing::info!(%tenant, client = id, fault, "an assertion gave no token");
        // Who is named may be anybody.
        auth.note(tenant, source, SignInRecord::of(event).by_way(SignInWay::JwtBearer).at_client(id));
    };
    let configured = auth.people.client(tenant, id).await?;
    let client = AssertingClient { tenant, presented: &login.presented, configured: configured.as_ref() };
    let user = match client_assertion::take(auth, client, AssertionUse::Grant, shown).await {
        Ok(user) => user,
        Err(AssertionRefusal::Wrong(fault)) => {
            refused(&fault, SignInEvent::Refused);
            return Err(invalid_grant(REFUSED));
        }
        Err(AssertionRefusal::Wait(wait)) => {
            refused("too many come", SignInEvent::LockedOut);
            return Err(OAuthError::wait(ErrorCode::InvalidGrant, wait));
        }
        Err(AssertionRefusal::Trouble(trouble)) => return Err(trouble.into()),
    };
    // As of a provider: letters beyond ASCII are the same, or it is somebody else.
    let found = auth.people.by_field(tenant, PersonField::UserName, &user).await?;
    let Some(person) = found.filter(|person| !person.disabled) else {
        refused("there is no such person, or it is disabled", SignInEvent::Refused);
        return Err(invalid_grant(REFUSED));
    };
    Ok(person)
}
