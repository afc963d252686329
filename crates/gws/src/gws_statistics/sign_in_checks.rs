//! Whether the sign-ins stand by which somebody asks. Of each token its signature, its time and what was revoked are known here; that its
//! person or its client is gone, auth alone knows, and is asked about each token once (gws-11). What is open for a session whose sign-in
//! has ended is told no longer, though nobody asks for it again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use identity::grant::ACCESS_LIFE;
use identity::secret::Digest;
use identity::session_cookie::SessionCookie;
use infra::Clock;
use model::Timestamp;
use net::http::Client;
use runtime::RoleContext;
use runtime::token::{Claims, TokenVerifier};

use super::metrics::Metrics;
use super::session::StatisticsSession;
use crate::sessions::token_standing::{StandingAtAuth, TokenStanding};

/// The connection to auth.
pub(super) const ROW: &str = "gws-11";
/// For how long nobody asks again where auth does not answer: requests would all wait for that.
const UNANSWERED_FOR: Duration = Duration::from_secs(10);
/// For how long a token is refused without a question once auth has refused it.
const OVER_FOR: Duration = Duration::from_secs(60);
/// The most tokens of which an answer is remembered: two of each session that a replica may have.
const TOKENS_MAX: usize = 20_000;

/// How long what auth has said holds.
const fn lasts(standing: TokenStanding) -> Duration {
    match standing {
        // Longer than the token itself. What is revoked meanwhile is known otherwise.
        TokenStanding::Good => ACCESS_LIFE,
        TokenStanding::Over => OVER_FOR,
        TokenStanding::Unanswered => UNANSWERED_FOR,
    }
}

/// What is known of tokens, and by which sign-in each session goes.
#[derive(Default)]
struct KnownSignIns {
    /// What auth has said, and until when that holds.
    tokens: HashMap<Digest, (TokenStanding, Timestamp)>,
    /// Of the last request of each session.
    sessions: HashMap<SessionCookie, Claims>,
}

impl KnownSignIns {
    fn standing(&self, token: Digest, now: Timestamp) -> Option<TokenStanding> {
        self.tokens.get(&token).filter(|(_, until)| now < *until).map(|(standing, _)| *standing)
    }

    fn note(&mut self, token: Digest, standing: TokenStanding, now: Timestamp) {
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.retain(|_, (_, until)| now < *until);
        }
        // Of what has no room auth is asked again.
        if self.tokens.len() < TOKENS_MAX || self.tokens.contains_key(&token) {
            self.tokens.insert(token, (standing, now + lasts(standing)));
        }
    }

    /// Forgets the sessions that are not here any more, and names those whose sign-in has ended.
    fn ended(
        &mut self,
        here: &HashSet<&SessionCookie>,
        is_revoked: impl Fn(&Claims) -> bool,
    ) -> HashSet<SessionCookie> {
        self.sessions.retain(|cookie, _| here.contains(cookie));
        let ended = self.sessions.iter().filter(|(_, claims)| is_revoked(claims));
        ended.map(|(cookie, _)| cookie.clone()).collect()
    }
}

/// Asks auth, and remembers what it has said.
pub(super) struct SignInChecks {
    authority: StandingAtAuth,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    known: Mutex<KnownSignIns>,
}

impl SignInChecks {
    /// By the role's connection to auth.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        let authority = StandingAtAuth::new(Client::new(ctx, ROW)?);
        Ok(Self { authority, clock: ctx.clock.clone(), metrics, known: Mutex::default() })
    }

    /// The maps are whole after every step.
    fn lock(&self) -> MutexGuard<'_, KnownSignIns> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a token is still good that was verified here; so it is too where nobody answers.
    pub async fn is_good(&self, token: &str) -> bool {
        let (digest, now) = (Digest::of(token), self.clock.now());
        let known = self.lock().standing(digest, now);
        let standing = match known {
            Some(standing) => standing,
            None => {
                let standing = self.authority.of(token).await;
                self.metrics.auth_calls.inc(standing);
                self.lock().note(digest, standing, self.clock.now());
                standing
            }
        };
        standing.is_good_enough()
    }

    /// A session goes on by a token with these claims.
    pub fn goes_on_by(&self, cookie: &SessionCookie, claims: &Claims) {
        self.lock().sessions.insert(cookie.clone(), claims.clone());
    }

    /// Those of the sessions here whose sign-in has ended.
    pub fn ended(&self, here: &[Arc<StatisticsSession>], tokens: &TokenVerifier) -> Vec<Arc<StatisticsSession>> {
        let cookies = here.iter().map(|session| &session.cookie).collect();
        let ended = self.lock().ended(&cookies, |claims| tokens.is_revoked(claims));
        here.iter().filter(|session| ended.contains(&session.cookie)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use model::TenantId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn cookie(secret: &str) -> SessionCookie {
        SessionCookie { tenant: TenantId::parse("acme").unwrap(), digest: Digest::of(secret) }
    }

    fn claims(sign_in: &str) -> Claims {
        Claims { sid: Some(sign_in.to_owned()), ..Claims::default() }
    }

    #[test]
    fn an_answer_of_auth_holds_for_a_while_and_none_for_a_moment() {
        let mut known = KnownSignIns::default();
        for (token, standing) in
            [("a", TokenStanding::Good), ("b", TokenStanding::Over), ("c", TokenStanding::Unanswered)]
        {
            let digest = Digest::of(token);
            assert_eq!(known.standing(digest, NOW), None);
            known.note(digest, standing, NOW);
            let ends = NOW + lasts(standing);
            let before = Timestamp::from_micros(ends.as_micros() - 1);
            assert_eq!((known.standing(digest, before), known.standing(digest, ends)), (Some(standing), None));
        }
        assert!(lasts(TokenStanding::Unanswered) < lasts(TokenStanding::Over));
    }

    #[test]
    fn answers_are_bounded_and_old_ones_give_way() {
        let mut known = KnownSignIns::default();
        for n in 0..TOKENS_MAX {
            known.note(Digest::of(&n.to_string()), TokenStanding::Over, NOW);
        }
        let one_more = Digest::of("one more");
        known.note(one_more, TokenStanding::Good, NOW);
        assert_eq!((known.tokens.len(), known.standing(one_more, NOW)), (TOKENS_MAX, None));
        known.note(one_more, TokenStanding::Good, NOW + OVER_FOR);
        assert_eq!(known.tokens.len(), 1);
    }

    #[test]
    fn the_last_sign_in_of_a_session_counts_and_sessions_that_are_gone_are_forgotten() {
        let mut known = KnownSignIns::default();
        let [ann, ben, gone] = ["ann", "ben", "gone"].map(cookie);
        known.sessions.insert(ann.clone(), claims("first"));
        known.sessions.insert(ann.clone(), claims("second"));
        known.sessions.insert(ben.clone(), claims("first"));
        known.sessions.insert(gone.clone(), claims("first"));
        let ended = known.ended(&HashSet::from([&ann, &ben]), |claims| claims.sid.as_deref() == Some("first"));
        assert_eq!(ended, HashSet::from([ben]));
        assert!(!known.sessions.contains_key(&gone) && known.sessions.contains_key(&ann));
    }
}
