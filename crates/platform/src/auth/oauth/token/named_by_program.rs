//! A person whom a program names, without a page: by the password that it was told, or by an assertion. Whoever needs a second factor is
//! refused, and what the tokens may is decided alike.

use axum::response::Response;
use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::client::GrantType;
use identity::scope;

use super::super::issue::{self, TokenBearer};
use super::invalid_grant;
use crate::auth::Auth;
use crate::auth::answers::OAuthError;
use crate::auth::proofs::client_login::ClientLogin;
use crate::auth::proofs::{second_factor, sign_in_address};
use crate::auth::request::parameters::Parameters;
use crate::auth::request::source::RequestSource;

/// By what a program says for whom it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// The person's name and password.
    Password,
    /// An assertion that the program has signed. Nobody signs in: there is no ID token, and no refresh token either, since the next
    /// assertion gives the next token (RFC 7521 section 4.1).
    Assertion,
}

impl NamedBy {
    const fn way(self) -> SignInWay {
        match self {
            Self::Password => SignInWay::Password,
            Self::Assertion => SignInWay::JwtBearer,
        }
    }

    const fn grant(self) -> GrantType {
        match self {
            Self::Password => GrantType::Password,
            Self::Assertion => GrantType::JwtBearer,
        }
    }

    /// What of a scope that was granted the tokens have.
    fn of_granted(self, scope: String) -> String {
        match self {
            Self::Password => scope,
            Self::Assertion => without_sign_in(&scope),
        }
    }
}

/// Answers with the person's tokens, with what of the rights that person and client have is asked for.
///
/// # Errors
/// `invalid_grant` for who needs a second factor, or has to choose another password: there is no page that could ask for it; and from an
/// address that is none of the tenant's people.
pub(super) async fn answer(
    auth: &Auth,
    login: &ClientLogin,
    person: &Person,
    named_by: NamedBy,
    form: &Parameters,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let (tenant, user, client) = (&login.tenant, person.user_name.as_str(), login.client.id.as_str());
    let noted = |event, way| SignInRecord::of(event).by_way(way).about_person(user).at_client(client);
    sign_in_address::check(auth, tenant, source, noted(SignInEvent::Refused, named_by.way())).await?;
    if second_factor::is_needed(auth, tenant, person).await? {
        auth.note(tenant, source, noted(SignInEvent::Refused, SignInWay::SecondFactor));
        return Err(invalid_grant(
            "this person signs in with a second factor, at the page alone: use authorization_code",
        ));
    }
    let way = named_by.way();
    if named_by == NamedBy::Password && person.change_password {
        auth.note(tenant, source, noted(SignInEvent::Refused, way));
        return Err(invalid_grant(
            "this person has to choose another password first: at the page of the sign-in, or by POST /change-password",
        ));
    }
    tracing::info!(%tenant, user, client, way = way.as_str(), "a program has signed somebody in");
    let rights = issue::rights_at(auth, tenant, &login.client, person).await?;
    let scope = named_by.of_granted(issue::granted(&rights, form.get("scope"))?);
    let access = issue::access(auth, login, form, &scope)?;
    let id = auth.id();
    let bearer = TokenBearer {
        person,
        rights: &rights,
        scope: &scope,
        access: &access,
        whole: &scope,
        id: &id,
        authenticated_at: auth.now(),
        by_two_factors: false,
        by_provider_or_passkey: false,
        nonce: None,
    };
    let refresh_token = match named_by {
        NamedBy::Password => issue::begin_family(auth, login, &bearer, None).await?,
        NamedBy::Assertion => None,
    };
    auth.note(tenant, source, noted(SignInEvent::SignedIn, way).in_session(&id));
    issue::answer(auth, login, &bearer, refresh_token, named_by.grant())
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
        let of = |named_by: NamedBy, scope: &str| named_by.of_granted(scope.to_owned());
        assert_eq!(of(NamedBy::Assertion, "openid profile offline_access calls:read"), "profile calls:read");
        assert_eq!(of(NamedBy::Assertion, "openid"), "");
        assert_eq!(of(NamedBy::Password, "openid calls:read"), "openid calls:read");
    }
}
