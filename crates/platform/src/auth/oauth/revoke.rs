//! `POST /oauth/revoke`: a client gives a token back (RFC 7009). By the same door gws-workspace, with its own token, says that the right of a
//! page to a phone has ended: roles hear of both in one way.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::browser_phone_ticket::{RIGHT_BYTES_MAX, RIGHT_HINT};
use identity::oauth_error::ErrorCode;
use model::TenantId;

use super::super::Auth;
use super::super::answers::{OAuthError, not_stored};
use super::super::proofs::client_login::{self, ClientLogin};
use super::super::request::parameters::Parameters;
use super::super::request::source::RequestSource;
use super::super::request::{cors, session};
use super::issue::RefreshToken;

/// The role that gives pages their phones. No other one, and nobody else, ends their rights.
const GIVES_PHONES: &str = "gws-workspace";

pub(in crate::auth) async fn revoke(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let revoked = async {
        let form =
            Parameters::of_form(&headers, &body).map_err(|fault| OAuthError::new(ErrorCode::InvalidRequest, fault))?;
        if form.get("token_type_hint") == Some(RIGHT_HINT) && gives_phones(&auth, &headers) {
            return end_phone_right(&auth, &form).await;
        }
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

/// Whether the role that gives phones asks, by a bearer token of its own.
fn gives_phones(auth: &Auth, headers: &HeaderMap) -> bool {
    let caller = session::bearer(headers).and_then(|token| auth.ctx.tokens.verify(token, auth.ctx.spec.name, &[]).ok());
    caller.is_some_and(|caller| caller.role() == Some(GIVES_PHONES))
}

/// Ends what was given under a right to a phone before a second, and waits until every role can know.
async fn end_phone_right(auth: &Auth, form: &Parameters) -> Result<Response, OAuthError> {
    let invalid = |what| OAuthError::new(ErrorCode::InvalidRequest, what);
    let tenant = form.get("tenant").and_then(|tenant| TenantId::parse(tenant).ok());
    let tenant = tenant.ok_or_else(|| invalid("tenant is missing, or is none"))?;
    let right = form.get("token").filter(|right| right.len() <= RIGHT_BYTES_MAX);
    let right = right.ok_or_else(|| invalid("token is missing, or too long"))?;
    let before = form.get("given_before").and_then(|second| second.parse().ok());
    let before = before.ok_or_else(|| invalid("given_before is missing, or is no second"))?;
    auth.store.end_phone_right(&tenant, right, before, auth.now());
    if auth.store.is_told().await { Ok(not_stored(StatusCode::OK.into_response())) } else { Err(OAuthError::untold()) }
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
