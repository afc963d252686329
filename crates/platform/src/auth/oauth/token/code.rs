//! `grant_type=authorization_code`: a code, once (RFC 6749 section 4.1.3). One that comes again ends what it gave.

use axum::response::Response;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::client::GrantType;
use identity::grant::code::{Code, Redemption};
use identity::scope;
use identity::secret::Digest;

use super::super::issue::{self, TokenBearer};
use super::{invalid_grant, person_of, required};
use crate::auth::Auth;
use crate::auth::answers::OAuthError;
use crate::auth::proofs::client_login::ClientLogin;
use crate::auth::request::parameters::Parameters;
use crate::auth::request::source::RequestSource;

/// Redeems a code.
pub(super) async fn redeem(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let digest = Digest::of(required(form, "code", "code is missing")?);
    let code = spent_now(auth, login, digest, source).await?;
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
    // Looked at once the family is there: whoever ends the session or the sign-in from now on finds it.
    if is_over(auth, login, &code).await? {
        auth.store.end_sign_in(&login.tenant, &code.user, &code.sign_in, auth.now()).await?;
        return Err(invalid_grant("the sign-in has ended"));
    }
    issue::answer(auth, login, &sign_in, refresh_token, GrantType::AuthorizationCode)
}

/// Whether the person has signed out since, or the code has come twice.
async fn is_over(auth: &Auth, login: &ClientLogin, code: &Code) -> Result<bool, OAuthError> {
    let (store, tenant) = (&auth.store, &login.tenant);
    let is_open = store.is_session_open(tenant, &code.user, &code.session).await?;
    Ok(!is_open || store.is_revoked(tenant, [code.sign_in.as_str()]).await?)
}

/// Spends a code of this client: whatever else is wrong, it is good for no second try.
async fn spent_now(
    auth: &Auth,
    login: &ClientLogin,
    digest: Digest,
    source: &RequestSource,
) -> Result<Code, OAuthError> {
    let (store, tenant, now) = (&auth.store, &login.tenant, auth.now());
    let unknown = || Err(invalid_grant("the code is not known, or was shown before"));
    match store.code(tenant, digest).await? {
        // Shown by another client it is not spent: that would let anybody spoil a sign-in.
        Some(code) if code.client != login.client.id => return unknown(),
        Some(code) if store.spend(tenant, digest, &code, now).await? => return Ok(code),
        _ => {}
    }
    if let Some(spent) = store.spent(tenant, digest).await? {
        // RFC 6749 section 4.1.2: who shows it again may be a thief, or the one from whom it was stolen.
        auth.metrics.reuses.inc();
        tracing::warn!(%tenant, client = login.client.id, sign_in = spent.sign_in, "a code came twice: its sign-in has ended");
        store.end_sign_in(tenant, &spent.user, &spent.sign_in, now).await?;
        let record = SignInRecord::of(SignInEvent::TokenFamilyReused).by_way(SignInWay::AuthorizationCode);
        let record = record.about_person(&spent.user).in_session(spent.sign_in);
        auth.note(tenant, source, record.at_client(&login.client.id));
    }
    unknown()
}
