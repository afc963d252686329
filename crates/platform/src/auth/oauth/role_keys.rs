//! `POST /roles/keys`: processes of other roles, which read no files of auth, ask for the keys that verify tokens and for what was revoked
//! (own-15). A role proves itself by an assertion (RFC 7523); the answer is signed with the key of role auth, which they have beforehand.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use identity::oauth_error::ErrorCode;
use runtime::token::ASSERTION_TYPE;

use super::super::Auth;
use super::super::answers::{OAuthError, Trouble, not_stored};
use super::super::request::parameters::Parameters;

/// The longest nonce, in bytes; those of processes have 22.
const NONCE_BYTES_MAX: usize = 64;

pub(in crate::auth) async fn tell(State(auth): State<Arc<Auth>>, body: Bytes) -> Response {
    told(&auth, &body).unwrap_or_else(OAuthError::into_response)
}

fn told(auth: &Auth, body: &[u8]) -> Result<Response, OAuthError> {
    let unread = |fault| OAuthError::new(ErrorCode::InvalidRequest, fault);
    let asked = Parameters::of_json(body).map_err(unread)?;
    if asked.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(unread("client_assertion_type is missing, or is another one"));
    }
    let assertion = asked.get("client_assertion").ok_or(unread("client_assertion is missing"))?;
    let nonce = asked.get("nonce").filter(|nonce| nonce.len() <= NONCE_BYTES_MAX);
    let nonce = nonce.ok_or(unread("nonce is missing, or has more than 64 bytes"))?;
    auth.ctx.tokens.asserting_role(assertion, auth.ctx.spec.name).map_err(|error| {
        tracing::info!(%error, "somebody who has asked for the keys of roles was refused");
        OAuthError::new(ErrorCode::InvalidClient, "it is no assertion of a role of this installation")
    })?;
    let statement = auth.key_statements.answer(nonce, asked.get("known").unwrap_or_default());
    let statement = statement.map_err(|error| Trouble::away("the key of role auth", &error))?;
    Ok(not_stored(([(header::CONTENT_TYPE, "application/jwt")], statement).into_response()))
}
