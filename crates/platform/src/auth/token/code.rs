//! `grant_type=authorization_code`: a code, once (RFC 6749 section 4.1.3). One that comes again ends what it gave.

use axum::response::Response;
use identity::client::GrantType;
use identity::grant::code::{Code, Redemption};
use identity::scope;
use identity::secret::Digest;

use super::super::answers::OAuthError;
use super::super::client_login::ClientLogin;
use super::super::issue::TokenBearer;
use super::super::parameters::Parameters;
use super::super::{Auth, issue};
use super::{invalid_grant, person_of, required};

/// Redeems a code.
pub(super) async fn redeem(auth: &Auth, login: &ClientLogin, form: &Parameters) -> Result<Response, OAuthError> {
    let digest = Digest::of(required(form, "code", "code is missing")?);
    let code = spent_now(auth, login, digest).await?;
    let shown = Redemption {
        client: &login.client.id,
        redirect_uri: form.get("redirect_uri"),
        verifier: form.get("code_verifier"),
    };
    if let Err(fault) = code.check(&shown, auth.now()) {
        tracing::info!(tenant = %login.tenant, client = login.client.id, %fault, "a code was refused");
        return Err(invalid_grant("the code is not valid for this client, redirect_uri and code_verifier"));
    }
    let Some(person) = person_of(auth, &login.tenant, &code.user).await? else {
        return Err(invalid_grant("the code is not valid any more"));
    };
    let rights = issue::rights(auth, &login.tenant, &person).await?;
    // Privileges may have been taken away since.
    let scope = scope::narrowed(&code.scope, rights.scopes.iter().copied(), None).unwrap_or_default();
    let sign_in = TokenBearer {
        person: &person,
        rights: &rights,
        scope: &scope,
        id: &code.sign_in,
        authenticated_at: code.authenticated_at,
        nonce: code.nonce.as_deref(),
    };
    let refresh_token = issue::begin_family(auth, login, &sign_in, Some(code.session.clone())).await?;
    issue::answer(auth, login, &sign_in, refresh_token, GrantType::AuthorizationCode)
}

/// Spends a code of this client: whatever else is wrong, it is good for no second try.
async fn spent_now(auth: &Auth, login: &ClientLogin, digest: Digest) -> Result<Code, OAuthError> {
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
    }
    unknown()
}
