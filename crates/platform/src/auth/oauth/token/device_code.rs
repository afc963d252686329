//! `grant_type=urn:ietf:params:oauth:grant-type:device_code`: a device asks whether a person has let it in (RFC 8628 section 3.4).

use axum::response::Response;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::client::GrantType;
use identity::grant::device::{Allowance, DeviceAnswer};
use identity::oauth_error::ErrorCode;
use identity::scope;
use identity::secret::Digest;

use super::super::issue::{self, TokenBearer};
use super::{invalid_grant, person_of, required};
use crate::auth::Auth;
use crate::auth::answers::OAuthError;
use crate::auth::proofs::client_login::ClientLogin;
use crate::auth::request::parameters::Parameters;
use crate::auth::request::source::RequestSource;
use crate::auth::store::ReadDevice;

/// How often it is tried when others change the same device at a time.
const TRIES_MAX: usize = 8;

/// Answers a device that asks.
pub(super) async fn ask(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    source: &RequestSource,
) -> Result<Response, OAuthError> {
    let device = Digest::of(required(form, "device_code", "device_code is missing")?);
    let (tenant, store) = (&login.tenant, &auth.store);
    for _ in 0..TRIES_MAX {
        let Some(read) = store.device(tenant, device).await? else {
            return Err(invalid_grant("the device code is not known, or has given its tokens"));
        };
        let (next, error) = match read.grant.ask(&login.client.id, auth.now()) {
            DeviceAnswer::Pending(next) => (next, pending()),
            DeviceAnswer::SlowDown(next) => {
                (next, OAuthError::new(ErrorCode::SlowDown, "the device asks too often: wait 5 s longer each time"))
            }
            DeviceAnswer::Allowed(allowance) => match tokens(auth, login, form, (&read, &allowance), source).await? {
                Some(answer) => return Ok(answer),
                None => continue,
            },
            DeviceAnswer::Denied => {
                return Err(OAuthError::new(ErrorCode::AccessDenied, "the person has refused the device"));
            }
            DeviceAnswer::Expired => {
                return Err(OAuthError::new(ErrorCode::ExpiredToken, "nobody has entered the code in time"));
            }
            DeviceAnswer::OtherClient => {
                return Err(invalid_grant("the device code was given to another client"));
            }
        };
        if store.replace_device(tenant, &read, &next).await? {
            return Err(error);
        }
    }
    Err(OAuthError::new(ErrorCode::SlowDown, "the device asks several times at once"))
}

fn pending() -> OAuthError {
    OAuthError::new(ErrorCode::AuthorizationPending, "nobody has entered the code yet")
}

/// Whether the session by which the device was let in has ended before the device has asked.
async fn is_over(auth: &Auth, login: &ClientLogin, allowance: &Allowance) -> Result<bool, OAuthError> {
    let Some(session) = &allowance.session else { return Ok(false) };
    Ok(!auth.store.is_session_open(&login.tenant, &allowance.user, session).await?)
}

/// Spends an approval whose family is there; `false` if another request was faster. The session is looked at after the family has begun:
/// whoever ends all that the person has from then on finds it.
async fn spent(
    auth: &Auth,
    login: &ClientLogin,
    (read, allowance): (&ReadDevice, &Allowance),
) -> Result<bool, OAuthError> {
    let is_over = is_over(auth, login, allowance).await?;
    let spent = auth.store.spend_device(&login.tenant, read, auth.now()).await?;
    if is_over { Err(invalid_grant("the session by which the device was let in has ended")) } else { Ok(spent) }
}

/// The tokens of a device that may; `None` if another request was faster. What may be away is asked before its approval is spent: a device
/// that is told to try again still has it.
async fn tokens(
    auth: &Auth,
    login: &ClientLogin,
    form: &Parameters,
    (read, allowance): (&ReadDevice, &Allowance),
    source: &RequestSource,
) -> Result<Option<Response>, OAuthError> {
    let Some(person) = person_of(auth, &login.tenant, &allowance.user, allowance.credential).await? else {
        auth.store.spend_device(&login.tenant, read, auth.now()).await?;
        return Err(invalid_grant("whoever has let the device in may not sign in any more"));
    };
    let rights = issue::rights_at(auth, &login.tenant, &login.client, &person).await?;
    let scope = scope::narrowed(&allowance.scope, rights.scopes.iter().copied(), None).unwrap_or_default();
    let access = issue::access(auth, login, form, &scope)?;
    let sign_in = TokenBearer {
        person: &person,
        rights: &rights,
        scope: &scope,
        access: &access,
        whole: &scope,
        id: &allowance.sign_in,
        authenticated_at: allowance.authenticated_at,
        by_two_factors: allowance.by_two_factors,
        by_provider_or_passkey: allowance.by_provider_or_passkey,
        nonce: None,
    };
    // Of no browser's session: the device stays signed in when the browser that has let it in no longer is.
    let refresh_token = issue::begin_family(auth, login, &sign_in, None).await?;
    let spent = spent(auth, login, (read, allowance)).await;
    if !matches!(spent, Ok(true)) {
        issue::forget_family(auth, login, refresh_token.as_deref()).await;
        spent?;
        return Ok(None);
    }
    let record = SignInRecord::of(SignInEvent::SignedIn).by_way(SignInWay::DeviceCode).about_person(&person.user_name);
    auth.note(&login.tenant, source, record.at_client(&login.client.id).in_session(&allowance.sign_in));
    issue::answer(auth, login, &sign_in, refresh_token, GrantType::DeviceCode).map(Some)
}
