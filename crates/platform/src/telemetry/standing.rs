//! Whether a token is still good: auth is asked (telemetry-04), and its answer used again for a while. Our own verification, at the gate,
//! has seen the signature and the time of each token; that somebody was signed out, auth alone knows.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, header};
use model::Timestamp;
use net::http::Client;
use runtime::RoleContext;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::metrics::{AuthOutcome, Metrics};

/// Where auth is asked.
const PATH: &str = "/auth/v3/oauth/introspect";
/// The most tokens that are remembered; then all are forgotten.
const REMEMBERED_MAX: usize = 16_384;
/// The most questions at a time; for further tokens their signature and time suffice until there is room.
const ASKED_AT_ONCE_MAX: usize = 64;
/// Time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A token is remembered by its digest: no token lies in memory longer than its request.
type TokenDigest = [u8; 32];

/// Asks auth, and remembers its answers.
pub(super) struct TokenStanding {
    auth: Client,
    remembered: Mutex<HashMap<TokenDigest, Remembered>>,
    asking: Semaphore,
    good_for: Duration,
    metrics: Metrics,
}

#[derive(Clone, Copy)]
struct Remembered {
    is_good: bool,
    until: Timestamp,
}

impl TokenStanding {
    /// By the role's connection to auth.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext, good_for: Duration, metrics: Metrics) -> anyhow::Result<Self> {
        Ok(Self {
            auth: Client::new(ctx, "telemetry-04")?,
            remembered: Mutex::default(),
            asking: Semaphore::new(ASKED_AT_ONCE_MAX),
            good_for,
            metrics,
        })
    }

    /// Whether the token of a request is still good. Where auth does not answer, it is.
    pub async fn is_good(&self, headers: &HeaderMap, ctx: &RoleContext) -> bool {
        let Some(token) = bearer(headers) else { return false };
        let key = token_digest(token);
        let known = self.lock().get(&key).copied();
        if let Some(known) = known.filter(|known| ctx.clock.now() < known.until) {
            return known.is_good;
        }
        let Ok(_asking) = self.asking.try_acquire() else {
            self.metrics.auth_calls.inc(AuthOutcome::Unanswered);
            return true;
        };
        let begun = ctx.clock.now();
        let answer = self.ask(token).await;
        let now = ctx.clock.now();
        self.metrics.auth_time.add(now.since(begun));
        let Some(is_good) = answer else {
            self.metrics.auth_calls.inc(AuthOutcome::Unanswered);
            return true;
        };
        self.metrics.auth_calls.inc(if is_good { AuthOutcome::Good } else { AuthOutcome::Revoked });
        let mut remembered = self.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(key, Remembered { is_good, until: now + self.good_for });
        is_good
    }

    /// What auth says (RFC 7662); nothing if it does not answer.
    async fn ask(&self, token: &str) -> Option<bool> {
        let body = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
        let asked = self.auth.post(PATH).body("application/x-www-form-urlencoded", body);
        match asked.deadline(ANSWER_WITHIN).idempotent().fetch::<Value>().await {
            Ok(answer) => answer["active"].as_bool(),
            Err(error) => {
                tracing::debug!(%error, "auth does not say whether a token is still good");
                None
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TokenDigest, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token of a request. The gate has seen that there is one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (_, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim())
}

fn token_digest(token: &str) -> TokenDigest {
    let digest = digest(&SHA256, token.as_bytes());
    let whole: &[u8] = digest.as_ref();
    // SHA-256 has that length.
    whole.try_into().unwrap_or_default()
}
