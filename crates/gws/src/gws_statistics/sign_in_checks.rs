//! Whether the sign-ins stand by which somebody asks. Of each token its signature, its time and what was revoked are known here; that its
//! person or its client is gone, auth alone knows, and is asked about each token once (gws-11). What is open for a session whose sign-in
//! has ended is told no longer, though nobody asks for it again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::secret::Digest;
use identity::session_cookie::SessionCookie;
use infra::Clock;
use model::TenantId;
use net::http::Client;
use runtime::RoleContext;
use runtime::token::{Claims, TokenVerifier};

use super::known_tokens::KnownTokens;
use super::metrics::Metrics;
use super::session::StatisticsSession;
use crate::sessions::token_standing::StandingAtAuth;

/// The connection to auth.
pub(super) const ROW: &str = "gws-11";

/// What is known of tokens, and by which sign-in each session goes.
#[derive(Default)]
struct KnownSignIns {
    tokens: KnownTokens,
    /// Of the last request of each session.
    sessions: HashMap<SessionCookie, Claims>,
}

impl KnownSignIns {
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

    /// Whether a token of that tenant is still good that was verified here; so it is too where nobody answers.
    pub async fn is_good(&self, tenant: &TenantId, token: &str) -> bool {
        let (digest, now) = (Digest::of(token), self.clock.now());
        let known = self.lock().tokens.standing(tenant, digest, now);
        let standing = match known {
            Some(standing) => standing,
            None => {
                let standing = self.authority.of(token).await;
                self.metrics.auth_calls.inc(standing);
                self.lock().tokens.note(tenant, digest, standing, self.clock.now());
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
    use super::*;

    fn cookie(secret: &str) -> SessionCookie {
        SessionCookie { tenant: TenantId::parse("acme").unwrap(), digest: Digest::of(secret) }
    }

    fn claims(sign_in: &str) -> Claims {
        Claims { sid: Some(sign_in.to_owned()), ..Claims::default() }
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
