//! `grant_type=authorization_code`: a code, once (RFC 6749 section 4.1.3). One that comes again ends what it gave.

use axum::response::Response;
use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::client::GrantType;
use identity::grant::code::{Code, Redemption};
use identity::scope;
use identity::secret::Digest;

use super::super::issue::{self, Rights, TokenBearer};
use super::super::resource::TokenAccess;
use super::{invalid_grant, person_of, required};
use crate::auth::Auth;
use crate::auth::answers::OAuthError;
use crate::auth::proofs::client_login::ClientLogin;
use crate::auth::records::Spent;
use crate::auth::request::parameters::Parameters;
use crate::auth::request::source::RequestSource;

/// Redeems a code. What may be away is asked before the code is spent: a client that is told to try again has a code that is still good.
pub(super) async fn redeem(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let digest = Digest::of(required(form, "code", "code is missing")?);
    let code = known(auth, login, digest, source).await?;
    let decided = decided(auth, login, form, &code).await;
    if must_spend(&decided) {
        // Whatever is wrong, it is good for no second try.
        spend(auth, login, digest, &code, source).await?;
    }
    let RedeemedCode { person, rights, scope, access } = decided?;
    let sign_in = TokenBearer {
        person: &person,
        rights: &rights,
        scope: &scope,
        access: &access,
        whole: &scope,
        id: &code.sign_in,
        authenticated_at: code.authenticated_at,
        by_two_factors: code.by_two_factors,
        by_provider_or_passkey: code.by_provider_or_passkey,
        nonce: code.nonce.as_deref(),
    };
    let refresh_token = issue::begin_family(auth, login, &sign_in, Some(code.session.clone())).await?;
    if let Err(error) = spend_for(auth, login, digest, &code, source).await {
        issue::forget_family(auth, login, refresh_token.as_deref()).await;
        return Err(error);
    }
    issue::answer(auth, login, &sign_in, refresh_token, GrantType::AuthorizationCode)
}

/// What a code gives.
struct RedeemedCode {
    person: Person,
    rights: Rights,
    scope: String,
    access: TokenAccess,
}

/// What comes of a code of this client.
async fn decided(auth: &Auth, login: &ClientLogin, form: &Parameters, code: &Code) -> Result<RedeemedCode, OAuthError> {
    let shown = Redemption {
        client: &login.client.id,
        redirect_uri: form.get("redirect_uri"),
        verifier: form.get("code_verifier"),
    };
    if let Err(fault) = code.check(&shown, auth.now()) {
        tracing::info!(tenant = %login.tenant, client = login.client.id, %fault, "a code was refused");
        return Err(invalid_grant("the code is not valid for this client, redirect_uri and code_verifier"));
    }
    let Some(person) = person_of(auth, &login.tenant, &code.user, code.credential).await? else {
        return Err(invalid_grant("the code is not valid any more"));
    };
    let rights = issue::rights_at(auth, &login.tenant, &login.client, &person).await?;
    // Privileges may have been taken away since.
    let scope = scope::narrowed(&code.scope, rights.scopes.iter().copied(), None).unwrap_or_default();
    let access = issue::access(auth, login, form, &scope)?;
    Ok(RedeemedCode { person, rights, scope, access })
}

/// Whether a code is spent before anything is given: one that is refused, but not one of which nothing could be decided now.
fn must_spend<T>(decided: &Result<T, OAuthError>) -> bool {
    decided.as_ref().is_err_and(|error| !error.is_temporary())
}

/// Spends a code for what it gives, once the family is there: whoever ends the session or the sign-in from now on finds it.
async fn spend_for(
    auth: &Auth,
    login: &ClientLogin,
    digest: Digest,
    code: &Code,
    source: &RequestSource,
) -> Result<(), OAuthError> {
    let is_over = is_over(auth, login, code).await?;
    spend(auth, login, digest, code, source).await?;
    if is_over {
        auth.store.end_sign_in(&login.tenant, &code.user, &code.sign_in, auth.now()).await?;
        return Err(invalid_grant("the sign-in has ended"));
    }
    Ok(())
}

/// Whether the person has signed out since, or the code has come twice.
async fn is_over(auth: &Auth, login: &ClientLogin, code: &Code) -> Result<bool, OAuthError> {
    let (store, tenant) = (&auth.store, &login.tenant);
    let is_open = store.is_session_open(tenant, &code.user, &code.session).await?;
    Ok(!is_open || store.is_revoked(tenant, [code.sign_in.as_str()]).await?)
}

/// The same for what was never there and what is over.
fn unknown() -> OAuthError {
    invalid_grant("the code is not known, or was shown before")
}

/// A code of this client that was not spent before.
async fn known(auth: &Auth, login: &ClientLogin, digest: Digest, source: &RequestSource) -> Result<Code, OAuthError> {
    let (store, tenant) = (&auth.store, &login.tenant);
    let code = store.code(tenant, digest).await?;
    // Shown by another client it is not spent: that would let anybody spoil a sign-in.
    if code.as_ref().is_some_and(|code| code.client != login.client.id) {
        return Err(unknown());
    }
    match (store.spent(tenant, digest).await?, code) {
        (Some(spent), _) => Err(reused(auth, login, spent, source).await?),
        (None, Some(code)) => Ok(code),
        (None, None) => Err(unknown()),
    }
}

/// Spends a code of this client, unless another request was faster.
async fn spend(
    auth: &Auth,
    login: &ClientLogin,
    digest: Digest,
    code: &Code,
    source: &RequestSource,
) -> Result<(), OAuthError> {
    let (store, tenant) = (&auth.store, &login.tenant);
    if store.spend(tenant, digest, code, auth.now()).await? {
        return Ok(());
    }
    match store.spent(tenant, digest).await? {
        Some(spent) => Err(reused(auth, login, spent, source).await?),
        None => Err(unknown()),
    }
}

/// Ends what a spent code gave (RFC 6749 section 4.1.2): who shows it again may be a thief, or the one from whom it was stolen.
async fn reused(
    auth: &Auth,
    login: &ClientLogin,
    spent: Spent,
    source: &RequestSource,
) -> Result<OAuthError, OAuthError> {
    let tenant = &login.tenant;
    auth.metrics.reuses.inc();
    tracing::warn!(%tenant, client = login.client.id, sign_in = spent.sign_in, "a code came twice: its sign-in has ended");
    auth.store.end_sign_in(tenant, &spent.user, &spent.sign_in, auth.now()).await?;
    let record = SignInRecord::of(SignInEvent::TokenFamilyReused).by_way(SignInWay::AuthorizationCode);
    let record = record.about_person(&spent.user).in_session(spent.sign_in);
    auth.note(tenant, source, record.at_client(&login.client.id));
    Ok(unknown())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::answers::Trouble;

    #[test]
    fn a_code_is_spent_by_what_is_wrong_and_not_by_what_is_away() {
        assert!(must_spend(&Err::<(), _>(invalid_grant("wrong"))));
        for trouble in [Trouble::Away, Trouble::Busy] {
            assert!(!must_spend(&Err::<(), OAuthError>(trouble.into())), "who is told to try again may not");
        }
        assert!(!must_spend(&Ok(())), "what it gives is kept first");
    }
}
