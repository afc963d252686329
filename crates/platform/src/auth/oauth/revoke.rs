//! `POST /oauth/revoke`: a client gives a token back (RFC 7009).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::oauth_error::ErrorCode;

use super::super::Auth;
use super::super::answers::{OAuthError, not_stored};
use super::super::proofs::client_login::{self, ClientLogin};
use super::super::request::parameters::Parameters;
use super::super::request::source::RequestSource;
use super::super::request::{cors, session};
use super::issue::RefreshToken;

pub(in crate::auth) async fn revoke(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let revoked = async {
        let form =
            Parameters::of_form(&headers, &body).map_err(|fault| OAuthError::new(ErrorCode::InvalidRequest, fault))?;
        let login = client_login::authenticate(&auth, &headers, &form, &source).await?;
        // RFC 7009 section 2.2: 200 also for a token that is not known.
        let answer = match form.get("token") {
            Some(token) => {
                told_of(&auth, &login, token, &source).await.map(|()| not_stored(StatusCode::OK.into_response()))
            }
            None => Err(OAuthError::new(ErrorCode::InvalidRequest, "token is missing")),
        };
        // A page of the client reads whether its token is revoked (section 2.3).
        let answer = answer.unwrap_or_else(OAuthError::into_response);
        Ok::<Response, OAuthError>(cors::for_client(answer, login.client.redirect_uris))
    };
    revoked.await.unwrap_or_else(OAuthError::into_response)
}

/// Revokes a token of that client, and waits until every role can know. Who asks again about one that is revoked waits for it too.
async fn told_of(auth: &Auth, login: &ClientLogin, token: &str, source: &RequestSource) -> Result<(), OAuthError> {
    if let Some(revoked) = revoke_of(auth, login, token).await? {
        auth.note(&login.tenant, source, revoked.at_client(&login.client.id));
    }
    if auth.store.is_told().await { Ok(()) } else { Err(OAuthError::untold()) }
}

/// Revokes a token of that client, and says what is revoked. A refresh token takes all tokens of its sign-in with it, also one that was
/// exchanged: another tab may have done that, and who shows an old one at the token endpoint ends the sign-in as well.
async fn revoke_of(auth: &Auth, login: &ClientLogin, token: &str) -> Result<Option<SignInRecord>, OAuthError> {
    let (tenant, now) = (&login.tenant, auth.now());
    let revoked = SignInRecord::of(SignInEvent::Revoked);
    if let Some((of, claims)) = session::good_claims(auth, token).await? {
        let is_own = of == *tenant && claims.client_id.as_ref() == Some(&login.client.id);
        let Some(id) = claims.jti.filter(|_| is_own) else { return Ok(None) };
        auth.store.revoke(tenant, &id, now).await?;
        let revoked = SignInRecord { session: claims.sid, ..revoked };
        return Ok(Some(revoked.by_way(SignInWay::AccessToken).about(claims.sub)));
    }
    let Some(shown) = RefreshToken::read(token) else { return Ok(None) };
    let Some(read) = auth.store.family(tenant, shown.family).await? else { return Ok(None) };
    let family = read.family;
    if family.client != login.client.id {
        return Ok(None);
    }
    auth.store.end_sign_in(tenant, &family.user, &family.sign_in, now).await?;
    let revoked = revoked.by_way(SignInWay::RefreshToken).about_person(&family.user);
    Ok(Some(revoked.in_session(family.sign_in)))
}
