//! `grant_type=refresh_token`: the next tokens of a sign-in (RFC 6749 section 6), with a new refresh token each time.

use axum::response::Response;
use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::client::GrantType;
use identity::grant::refresh::{Family, RefreshOutcome};
use identity::oauth_error::ErrorCode;
use identity::scope;

use super::super::issue::{self, RefreshToken, TokenBearer};
use super::super::resource::TokenAccess;
use super::{invalid_grant, required};
use crate::auth::Auth;
use crate::auth::answers::OAuthError;
use crate::auth::proofs::client_login::ClientLogin;
use crate::auth::proofs::sign_in_address;
use crate::auth::request::parameters::Parameters;
use crate::auth::request::source::RequestSource;

/// How often an exchange is tried when others exchange tokens of the same family at a time.
const TRIES_MAX: usize = 8;
/// The same for every reason: the client asks its person to sign in.
const OVER: &str = "the refresh token is not valid any more";

/// Exchanges a refresh token.
pub(super) async fn exchange(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let shown = required(form, "refresh_token", "refresh_token is missing")?;
    let shown = RefreshToken::read(shown).ok_or(invalid_grant(OVER))?;
    let next = RefreshToken::new(auth, shown.name());
    for _ in 0..TRIES_MAX {
        let Some(read) = auth.store.family(&login.tenant, shown.family).await? else { return Err(invalid_grant(OVER)) };
        let (client, life) = (&login.client.id, auth.settings.refresh_life);
        let exchanged = match read.family.exchange(client, shown.digest, next.digest, auth.now(), life) {
            RefreshOutcome::Exchanged(exchanged) => exchanged,
            RefreshOutcome::Reused => return Err(reused(auth, login, &read.family, source).await?),
            RefreshOutcome::Expired | RefreshOutcome::OtherClient => return Err(invalid_grant(OVER)),
        };
        let refused = of_family(SignInEvent::Refused, &exchanged).by_way(SignInWay::RefreshToken);
        sign_in_address::check(auth, &login.tenant, source, refused).await?;
        let (user, sign_in, by_two_factors) = (&exchanged.user, &exchanged.sign_in, exchanged.by_two_factors);
        let going_on = auth.people.who_may_go_on(&login.tenant, user, exchanged.credential, by_two_factors);
        let Some(person) = going_on.await? else {
            auth.store.end_sign_in(&login.tenant, user, sign_in, auth.now()).await?;
            auth.note(&login.tenant, source, of_family(SignInEvent::SessionEnded, &exchanged));
            return Err(invalid_grant(OVER));
        };
        let rights = issue::rights_at(auth, &login.tenant, &login.client, &person).await?;
        let may = rights.scopes.iter().copied();
        let whole = scope::narrowed(&exchanged.scope, may.clone(), None).unwrap_or_default();
        let scope = scope::narrowed(&exchanged.scope, may, form.get("scope"))
            .ok_or(OAuthError::new(ErrorCode::InvalidScope, "nothing of that scope was granted"))?;
        let access = issue::access(auth, login, form, &scope)?;
        if auth.store.replace_family(&login.tenant, &read, &exchanged).await? {
            return answer(auth, login, &exchanged, (&person, &rights), (&whole, &scope, &access), next.text);
        }
    }
    Err(OAuthError::new(ErrorCode::TemporarilyUnavailable, "others refresh the same sign-in all the time"))
}

fn answer(
    auth: &Auth,
    login: &ClientLogin,
    family: &Family,
    (person, rights): (&Person, &issue::Rights),
    (whole, scope, access): (&str, &str, &TokenAccess),
    refresh_token: String,
) -> Result<Response, OAuthError> {
    let sign_in = TokenBearer {
        person,
        rights,
        scope,
        access,
        whole,
        id: &family.sign_in,
        authenticated_at: family.authenticated_at,
        by_two_factors: family.by_two_factors,
        by_provider_or_passkey: family.by_provider_or_passkey,
        nonce: None,
    };
    issue::answer(auth, login, &sign_in, Some(refresh_token), GrantType::RefreshToken)
}

/// Ends a family of which an old token was shown.
async fn reused(
    auth: &Auth,
    login: &ClientLogin,
    family: &Family,
    source: &RequestSource,
) -> Result<OAuthError, OAuthError> {
    auth.metrics.reuses.inc();
    let (tenant, client, sign_in) = (&login.tenant, &family.client, &family.sign_in);
    tracing::warn!(%tenant, client, sign_in, "an old refresh token came again: its sign-in has ended");
    auth.store.end_sign_in(tenant, &family.user, sign_in, auth.now()).await?;
    auth.note(tenant, source, of_family(SignInEvent::TokenFamilyReused, family).by_way(SignInWay::RefreshToken));
    Ok(invalid_grant(OVER))
}

/// What has happened to a family.
fn of_family(event: SignInEvent, family: &Family) -> SignInRecord {
    let record = SignInRecord::of(event).about_person(&family.user);
    record.at_client(&family.client).in_session(&family.sign_in)
}
