//! Whether a token is still good: auth is asked (telemetry-04), and its answer used again for a while. Our own verification, at the gate,
//! has seen the signature and the time of each token; that somebody was signed out, auth alone knows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::telemetry::rate::TokenDigest;
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
/// The most tokens that are remembered, in about ten mebibytes: two for each client that is told apart. The oldest answer is forgotten
/// first.
const REMEMBERED_MAX: usize = 65_536;
/// The most questions at a time; for further tokens their signature and time suffice until there is room.
const ASKED_AT_ONCE_MAX: usize = 64;
/// Time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Asks auth, and remembers its answers.
pub(super) struct TokenStanding {
    auth: Client,
    remembered: Mutex<RememberedTokens>,
    asking: Semaphore,
    good_for: Duration,
    metrics: Metrics,
}

/// The last answers of auth.
#[derive(Default)]
struct RememberedTokens {
    of_tokens: HashMap<TokenDigest, Remembered>,
    /// When each answer is over, the oldest first.
    ends: VecDeque<(TokenDigest, Timestamp)>,
}

#[derive(Clone, Copy)]
struct Remembered {
    is_good: bool,
    until: Timestamp,
}

impl RememberedTokens {
    /// What auth has said, if that is not over.
    fn get(&self, token: &TokenDigest, now: Timestamp) -> Option<bool> {
        self.of_tokens.get(token).filter(|known| now < known.until).map(|known| known.is_good)
    }

    /// Remembers an answer, and forgets those that are over, or the oldest where there are too many.
    fn insert(&mut self, token: TokenDigest, answer: Remembered, now: Timestamp) {
        while self.ends.front().is_some_and(|(_, until)| *until <= now) || self.ends.len() >= REMEMBERED_MAX {
            let Some((oldest, until)) = self.ends.pop_front() else { break };
            // A later answer about the same token stays.
            if self.of_tokens.get(&oldest).is_some_and(|known| known.until == until) {
                self.of_tokens.remove(&oldest);
            }
        }
        self.ends.push_back((token, answer.until));
        self.of_tokens.insert(token, answer);
    }
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
        let known = self.lock().get(&key, ctx.clock.now());
        if let Some(is_good) = known {
            return is_good;
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
        self.lock().insert(key, Remembered { is_good, until: now + self.good_for }, now);
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

    fn lock(&self) -> MutexGuard<'_, RememberedTokens> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token of a request. The gate has seen that there is one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (_, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim())
}

/// The digest of a request's token.
pub(super) fn digest_of_bearer(headers: &HeaderMap) -> TokenDigest {
    token_digest(bearer(headers).unwrap_or_default())
}

fn token_digest(token: &str) -> TokenDigest {
    let digest = digest(&SHA256, token.as_bytes());
    let whole: &[u8] = digest.as_ref();
    // SHA-256 has that length.
    whole.try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const GOOD_FOR: Duration = Duration::from_secs(120);

    fn digest_of(number: usize) -> TokenDigest {
        token_digest(&number.to_string())
    }

    fn insert(remembered: &mut RememberedTokens, number: usize, is_good: bool, now: Timestamp) {
        remembered.insert(digest_of(number), Remembered { is_good, until: now + GOOD_FOR }, now);
    }

    #[test]
    fn the_token_of_a_request_is_found_however_it_is_written() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            digest_of_bearer(&headers)
        };
        assert_eq!(of("Bearer a.b.c"), of("bearer  a.b.c "));
        assert_ne!(of("Bearer a.b.c"), of("Bearer a.b.d"));
    }

    #[test]
    fn with_more_tokens_than_are_remembered_the_oldest_answer_alone_is_forgotten() {
        let mut remembered = RememberedTokens::default();
        for number in 0..=REMEMBERED_MAX {
            insert(&mut remembered, number, true, NOW);
        }
        assert_eq!(remembered.of_tokens.len(), REMEMBERED_MAX);
        assert_eq!(
            [0, 1, REMEMBERED_MAX].map(|number| remembered.get(&digest_of(number), NOW)),
            [None, Some(true), Some(true)]
        );
    }

    #[test]
    fn answers_that_are_over_are_forgotten_and_later_ones_stay() {
        let mut remembered = RememberedTokens::default();
        insert(&mut remembered, 1, true, NOW);
        insert(&mut remembered, 2, true, NOW);
        let later = NOW + Duration::from_secs(60);
        insert(&mut remembered, 1, false, later);
        assert_eq!(remembered.get(&digest_of(1), later), Some(false));
        let over = NOW + GOOD_FOR;
        assert_eq!(remembered.get(&digest_of(2), over), None);
        insert(&mut remembered, 3, true, over);
        assert_eq!((remembered.of_tokens.len(), remembered.ends.len()), (2, 2));
        assert_eq!(remembered.get(&digest_of(1), over), Some(false));
    }
}
