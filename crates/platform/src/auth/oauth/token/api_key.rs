//! An API key for an access token, in the two ways in which programs show one: exchanged, with
//! `grant_type=urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693) and without any client, as the web edge does; or as the secret
//! of a client whose id is the key's, with `grant_type=client_credentials` (RFC 6749 section 4.4), by libraries that know nothing else.

use std::time::Duration;

use axum::response::Response;
use contracts::sign_in_audit::SignInEvent;
use identity::api_key::{ShownApiKey, TOKEN_TYPE};
use identity::client::GrantType;
use identity::oauth_error::ErrorCode;
use identity::scope;
use infra::{ApiKey, KeptApiKey};
use model::TenantId;

use super::super::issue::{self, ACCESS_TOKEN_TYPE, ApiKeyBearer};
use super::super::{api_keys, resource};
use super::required;
use crate::auth::Auth;
use crate::auth::answers::{OAuthError, Trouble};
use crate::auth::guard::Guess;
use crate::auth::proofs::client_login::{self, KeyAsClient};
use crate::auth::request::parameters::Parameters;
use crate::auth::request::source::RequestSource;

/// One text, whatever is wrong with a key: who has none learns nothing of those that there are.
const REFUSED: &str = "the API key is not known, is over, or was revoked";

/// As what a key is shown: that says by which error it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyShownAs {
    /// As what is exchanged.
    Subject,
    /// As the secret of a client.
    ClientSecret {
        /// Whether by `Authorization`.
        is_basic: bool,
    },
}

impl KeyShownAs {
    fn refused(self) -> OAuthError {
        match self {
            Self::Subject => OAuthError::new(ErrorCode::InvalidGrant, REFUSED),
            Self::ClientSecret { is_basic } => OAuthError::new(ErrorCode::InvalidClient, REFUSED).of_basic(is_basic),
        }
    }

    fn wait(self, wait: Duration) -> OAuthError {
        match self {
            Self::Subject => OAuthError::wait(ErrorCode::InvalidGrant, wait),
            Self::ClientSecret { .. } => OAuthError::wait(ErrorCode::InvalidClient, wait),
        }
    }

    const fn grant(self) -> GrantType {
        match self {
            Self::Subject => GrantType::TokenExchange,
            Self::ClientSecret { .. } => GrantType::ClientCredentials,
        }
    }
}

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
    let kept = good(auth, key, KeyShownAs::Subject, source).await?;
    answer(auth, &kept, KeyShownAs::Subject, form, source).await
}

/// Gives a key that is shown as a client a token with what of its scopes is asked for. It may do nothing else as a client.
pub(super) async fn of_client(
    auth: &Auth,
    shown: &KeyAsClient,
    form: &Parameters,
    grant: &str,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let shown_as = KeyShownAs::ClientSecret { is_basic: shown.is_basic };
    let kept = good(auth, &shown.key, shown_as, source).await?;
    match GrantType::parse(grant) {
        Some(GrantType::ClientCredentials) => answer(auth, &kept, shown_as, form, source).await,
        Some(_) => Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "an API key as a client may use client_credentials alone",
        )),
        None => Err(OAuthError::new(ErrorCode::UnsupportedGrantType, "that grant_type is not supported")),
    }
}

/// The key that was shown, which is right and good now.
async fn good(
    auth: &Auth,
    shown: &str,
    shown_as: KeyShownAs,
    source: &RequestSource,
) -> Result<KeptApiKey, OAuthError> {
    // What cannot be a key is no guess.
    let shown = ShownApiKey::read(shown).ok_or_else(|| shown_as.refused())?;
    let kept = proved(auth, shown, shown_as, source).await?;
    let tenants = auth.people.tenants();
    if tenants.is_empty() {
        return Err(Trouble::away("tenant", &"it has not named the tenants yet").into());
    }
    let KeptApiKey { tenant, key, .. } = &kept;
    if !key.is_good(auth.now()) || !tenants.contains(tenant) {
        tracing::info!(%tenant, id = key.id, "an API key that has ended was refused");
        auth.note(tenant, source, api_keys::about(SignInEvent::Refused, key));
        return Err(shown_as.refused());
    }
    Ok(kept)
}

/// Answers with a token of the key.
async fn answer(
    auth: &Auth,
    KeptApiKey { tenant, key, .. }: &KeptApiKey,
    shown_as: KeyShownAs,
    form: &Parameters,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let may = rights(auth, tenant, key).await?.ok_or_else(|| shown_as.refused())?;
    let scope = scope::granted(may.iter().map(String::as_str), form.get("scope"))
        .ok_or(OAuthError::new(ErrorCode::InvalidScope, "nothing of that scope may be granted"))?;
    // There is no person whom an ID token could be about.
    let scope: Vec<&str> = scope.split_whitespace().filter(|name| !scope::OF_IDENTITY.contains(name)).collect();
    let bearer = ApiKeyBearer { tenant, id: &key.id, client: key.client.as_deref(), ends_at: key.ends_at };
    let access = resource::access(auth.issuer(), form, &scope.join(" "))?;
    let answer = issue::answer_api_key(auth, &bearer, &access, shown_as.grant())?;
    api_keys::note_use(auth, tenant, key, auth.now()).await;
    auth.note(tenant, source, api_keys::about(SignInEvent::ApiKeyUsed, key));
    Ok(answer)
}

/// The key that was shown, whose secret is right. It is compared before anything is counted: nobody guesses 256 bits, and a program with a
/// wrong key keeps no other out that has the right one. Wrong ones cost waits all the same.
async fn proved(
    auth: &Auth,
    shown: ShownApiKey<'_>,
    shown_as: KeyShownAs,
    source: &RequestSource,
) -> Result<KeptApiKey, OAuthError> {
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
        return Err(shown_as.wait(wait));
    }
    tracing::info!(source = source.address, "an API key was refused");
    if let Some(kept) = known {
        auth.note(&kept.tenant, source, api_keys::about(SignInEvent::Refused, &kept.key));
    }
    Err(shown_as.refused())
}

/// What a key may now: of one of a client nothing that the client may not any more. None if its client is gone.
async fn rights(auth: &Auth, tenant: &TenantId, key: &ApiKey) -> Result<Option<Vec<String>>, Trouble> {
    // Also of a key that was kept when more could be had: none of the installation's own scopes.
    let own = key.scopes.iter().filter(|name| scope::is_of_tenant(name)).cloned();
    let Some(id) = &key.client else { return Ok(Some(own.collect())) };
    let Some(client) = auth.people.client(tenant, id).await? else { return Ok(None) };
    let of_client = client_login::of_configured(&client).scopes;
    Ok(Some(own.filter(|name| of_client.contains(name)).collect()))
}
