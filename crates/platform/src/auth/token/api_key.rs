//! `grant_type=urn:ietf:params:oauth:grant-type:token-exchange`: an API key for an access token (RFC 8693). The key proves itself, no
//! client is asked for: programs that have one send no more than it, by ingress or here.

use axum::response::Response;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::api_key::{ShownApiKey, TOKEN_TYPE};
use identity::oauth_error::ErrorCode;
use identity::scope;
use infra::{ApiKey, KeptApiKey};
use model::TenantId;

use super::super::answers::{OAuthError, Trouble};
use super::super::guard::Guess;
use super::super::issue::{ACCESS_TOKEN_TYPE, ApiKeyBearer};
use super::super::parameters::Parameters;
use super::super::source::RequestSource;
use super::super::{Auth, api_keys, client_login, issue, resource};
use super::{invalid_grant, required};

/// Exchanges a key for a token with what of its scopes is asked for.
pub(super) async fn exchange(auth: &Auth, form: &Parameters, source: &RequestSource) -> Result<Response, OAuthError> {
    resource::check(auth.issuer(), form)?;
    let key = required(form, "subject_token", "subject_token is missing")?;
    if required(form, "subject_token_type", "subject_token_type is missing")? != TOKEN_TYPE {
        return Err(OAuthError::new(ErrorCode::InvalidRequest, "that subject_token_type is not supported"));
    }
    if form.get("requested_token_type").is_some_and(|wanted| wanted != ACCESS_TOKEN_TYPE) {
        return Err(OAuthError::new(ErrorCode::InvalidRequest, "that requested_token_type is not supported"));
    }
    // What cannot be a key is no guess.
    let kept = proved(auth, ShownApiKey::read(key).ok_or_else(refused)?, source).await?;
    let KeptApiKey { tenant, key, .. } = kept;
    let now = auth.now();
    let tenants = auth.people.tenants();
    if tenants.is_empty() {
        return Err(Trouble::away("tenant", &"it has not named the tenants yet").into());
    }
    if !key.is_good(now) || !tenants.contains(&tenant) {
        tracing::info!(%tenant, id = key.id, "an API key that has ended was refused");
        auth.note(&tenant, source, about(SignInEvent::Refused, &key));
        return Err(refused());
    }
    let may = rights(auth, &tenant, &key).await?;
    let scope = scope::granted(may.iter().map(String::as_str), form.get("scope"))
        .ok_or(OAuthError::new(ErrorCode::InvalidScope, "nothing of that scope may be granted"))?;
    // There is no person whom an ID token could be about.
    let scope: Vec<&str> = scope.split_whitespace().filter(|name| !scope::OF_IDENTITY.contains(name)).collect();
    let bearer = ApiKeyBearer { tenant: &tenant, id: &key.id, client: key.client.as_deref(), ends_at: key.ends_at };
    let access = resource::access(auth.issuer(), form, &scope.join(" "))?;
    let answer = issue::answer_api_key(auth, &bearer, &access)?;
    api_keys::note_use(auth, &tenant, &key, now).await;
    auth.note(&tenant, source, about(SignInEvent::ApiKeyUsed, &key));
    Ok(answer)
}

/// One answer, whatever is wrong with it: who has no key learns nothing of those that there are.
fn refused() -> OAuthError {
    invalid_grant("the API key is not known, is over, or was revoked")
}

fn about(event: SignInEvent, key: &ApiKey) -> SignInRecord {
    let record = SignInRecord { client: key.client.clone(), ..SignInRecord::of(event) };
    record.by_way(SignInWay::ApiKey).about_api_key(&key.id)
}

/// The key that was shown, whose secret is right. It is compared before anything is counted: nobody guesses 256 bits, and a program with a
/// wrong key keeps no other out that has the right one. Wrong ones cost waits all the same.
async fn proved(auth: &Auth, shown: ShownApiKey<'_>, source: &RequestSource) -> Result<KeptApiKey, OAuthError> {
    let found = {
        let _turn = auth.guesses.turn_to_look_up(source).await?;
        auth.ctx.stores.api_keys.find_api_key(shown.id).await?
    };
    let known = match found {
        // What is compared are digests: how far they are the same tells nothing of the secret.
        Some(kept) if kept.digest == shown.digest.text() => return Ok(kept),
        known => known,
    };
    if let Guess::Wait(wait) = auth.guesses.of_api_key(shown.id, source).await? {
        return Err(OAuthError::wait(ErrorCode::InvalidGrant, wait));
    }
    tracing::info!(source = source.address, "an API key was refused");
    if let Some(kept) = known {
        auth.note(&kept.tenant, source, about(SignInEvent::Refused, &kept.key));
    }
    Err(refused())
}

/// What a key may now: of one of a client nothing that the client may not any more.
async fn rights(auth: &Auth, tenant: &TenantId, key: &ApiKey) -> Result<Vec<String>, OAuthError> {
    // Also of a key that was kept when more could be had: none of the installation's own scopes.
    let own = key.scopes.iter().filter(|name| scope::is_of_tenant(name)).cloned();
    let Some(id) = &key.client else { return Ok(own.collect()) };
    let client = auth.people.client(tenant, id).await?.ok_or_else(refused)?;
    let of_client = client_login::of_configured(&client).scopes;
    Ok(own.filter(|name| of_client.contains(name)).collect())
}
