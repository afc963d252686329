//! `POST /roles/keys`: processes of other roles, which read no files of auth, ask for the keys that verify tokens and for what was revoked
//! (own-15). A role proves itself by an assertion (RFC 7523); the answer is signed with the key of role auth, which they have beforehand.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use identity::oauth_error::ErrorCode;
use model::Timestamp;
use runtime::token::{ASSERTION_TYPE, KeyStatements, ShownAssertions};

use super::super::Auth;
use super::super::answers::{OAuthError, Trouble, not_stored};
use super::super::request::parameters::Parameters;

/// The longest nonce, in bytes; those of processes have 22.
const NONCE_BYTES_MAX: usize = 64;
/// What the answer is: a signed statement, and the content of which it has the digest.
const STATEMENT: &str = "text/plain; charset=utf-8";
/// At most so often the log says that somebody was refused.
const REFUSALS_TOLD_EACH: Duration = Duration::from_secs(1);

/// What is told, and what is remembered of those who ask.
pub(in crate::auth) struct RoleKeys {
    statements: KeyStatements,
    shown: ShownAssertions,
    refusals: Mutex<RefusedAsks>,
}

impl RoleKeys {
    /// Tells that.
    pub fn new(statements: KeyStatements) -> Self {
        Self { statements, shown: ShownAssertions::default(), refusals: Mutex::default() }
    }

    fn refused(&self, now: Timestamp) -> Option<u64> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).another(now)
    }
}

/// Who was refused.
#[derive(Default)]
struct RefusedAsks {
    told: Option<Timestamp>,
    /// How many since then.
    untold: u64,
}

impl RefusedAsks {
    /// Counts one. How many there were since the log told of them last, where it is to tell again.
    fn another(&mut self, now: Timestamp) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now.since(told) < REFUSALS_TOLD_EACH) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

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
    let role_keys = &auth.role_keys;
    auth.ctx.tokens.asserting_role(assertion, auth.ctx.spec.name, &role_keys.shown).map_err(|error| {
        if let Some(refusals) = role_keys.refused(auth.now()) {
            tracing::info!(%error, refusals, "somebody who has asked for the keys of roles was refused");
        }
        OAuthError::new(ErrorCode::InvalidClient, "it is no assertion of a role of this installation")
    })?;
    let statement = role_keys.statements.answer(nonce, asked.get("known").unwrap_or_default());
    let statement = statement.map_err(|error| Trouble::away("the key of role auth", &error))?;
    let parts = Body::from_stream(stream::iter(statement.parts().map(Ok::<Bytes, Infallible>)));
    Ok(not_stored(([(header::CONTENT_TYPE, STATEMENT)], parts).into_response()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_once_a_second_with_their_count() {
        let (mut refusals, begin) = (RefusedAsks::default(), Timestamp::from_millis(1_000));
        let told = [0, 1, 999, 1_000, 1_500, 2_000].map(|ms| refusals.another(begin + Duration::from_millis(ms)));
        assert_eq!(told, [Some(1), None, None, Some(3), None, Some(2)]);
    }
}
