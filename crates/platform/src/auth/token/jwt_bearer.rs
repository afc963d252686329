//! `grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer`: a client that the tenant trusts says for which person it asks, by an assertion
//! that it has signed (RFC 7523 section 2.1). Nobody signs in: there is no ID token, and no refresh token either, since the next assertion
//! gives the next token (RFC 7521 section 4.1).

use axum::response::Response;
use contracts::provisioning::{Person, PersonField};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::client::GrantType;
use identity::client_assertion::AssertionUse;
use identity::oauth_error::ErrorCode;
use identity::scope;

use super::super::answers::OAuthError;
use super::super::client_assertion::{self, AssertingClient, AssertionRefusal};
use super::super::client_login::ClientLogin;
use super::super::issue::TokenBearer;
use super::super::parameters::Parameters;
use super::super::source::RequestSource;
use super::super::{Auth, issue, second_factor};
use super::{invalid_grant, required};

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
    let noted =
        |event, way| SignInRecord::of(event).by_way(way).about_person(&person.user_name).at_client(&login.client.id);
    // The client vouches for the name; what the person has besides the password nobody has shown.
    if second_factor::is_needed(auth, &login.tenant, &person).await? {
        auth.note(&login.tenant, source, noted(SignInEvent::Refused, SignInWay::SecondFactor));
        return Err(invalid_grant(
            "this person signs in with a second factor, at the page alone: use authorization_code",
        ));
    }
    let rights = issue::rights_at(auth, &login.tenant, &login.client, &person).await?;
    let scope = without_sign_in(&issue::granted(&rights, form.get("scope"))?);
    let access = issue::access(auth, login, form, &scope)?;
    let id = auth.id();
    let bearer = TokenBearer {
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
    auth.note(&login.tenant, source, noted(SignInEvent::SignedIn, SignInWay::JwtBearer).in_session(&id));
    issue::answer(auth, login, &bearer, None, GrantType::JwtBearer)
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

/// A scope without what tells of a sign-in, or keeps it.
fn without_sign_in(scope: &str) -> String {
    let is_kept = |name: &&str| ![scope::OPENID, scope::OFFLINE_ACCESS].contains(name);
    scope.split_whitespace().filter(is_kept).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_nobody_has_signed_in_for_tells_of_no_sign_in() {
        assert_eq!(without_sign_in("openid profile offline_access calls:read"), "profile calls:read");
        assert_eq!(without_sign_in("openid"), "");
    }
}
