//! How a session ends, and what is looked at from time to time.

use std::time::Duration;

use runtime::token::TokenVerifier;

use super::super::desk::DeskEnd;
use super::super::metrics::SessionEnd;
use super::phase::SessionPhase;
use super::{DeskSession, SessionState};

/// How long logging an agent out may take before a session is over all the same: longer than its desk waits.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

impl DeskSession {
    /// Whether it is over.
    #[cfg(test)]
    pub fn is_over(&self) -> bool {
        self.lock().phase.is_over()
    }

    /// Ends it: its agent is logged out, then its record goes.
    pub fn end(&self, why: DeskEnd) {
        let mut state = self.lock();
        self.begin_end(&mut state, why);
    }

    fn begin_end(&self, state: &mut SessionState, why: DeskEnd) {
        if state.phase != SessionPhase::Open {
            return;
        }
        let now = self.parts.now();
        state.phase = SessionPhase::Ending(why.into(), now);
        state.desk.end(why, now);
        self.carry(state);
    }

    /// It is over: whoever waits is answered, and nobody follows for it.
    pub(super) fn finish(&self, state: &mut SessionState, why: SessionEnd) {
        if state.phase.is_over() {
            return;
        }
        state.phase = SessionPhase::Over;
        self.unfollow_all(state);
        // Whoever waits sees that nobody answers any more.
        state.answers.clear();
        state.replies.clear();
        self.parts.metrics.ended.inc(why);
        if why == SessionEnd::Moved {
            state.is_gone = true;
            return;
        }
        tracing::info!(tenant = %self.cookie.tenant, user = state.sign_in.person.user, ?why, "a session of a desktop has ended");
        // A write that is under way ends it when it is done.
        if !state.writes.is_under_way {
            self.end_record();
        }
    }

    pub(super) fn unfollow_all(&self, state: &mut SessionState) {
        for dn in std::mem::take(&mut state.followed) {
            self.parts.voice.unfollow(&self.followed_dn(dn), self.id);
        }
    }

    /// Ends its record. Until that is done the session stays here as one that is over, so that nobody takes it over by the record.
    pub(super) fn end_record(&self) {
        let Some(session) = self.me.upgrade() else { return };
        tokio::spawn(async move {
            session.writer.end_in_time().await;
            session.lock().is_gone = true;
        });
    }

    /// Looks whether something is due. Thoroughly: whether the session may go on, too.
    pub fn look(&self, tokens: &TokenVerifier, is_thorough: bool) {
        let mut state = self.lock();
        let (now, phase) = (self.parts.now(), state.phase);
        match phase {
            SessionPhase::Over => return,
            SessionPhase::Ending(why, since) if now.since(since) > ENDS_WITHIN => {
                self.finish(&mut state, why);
                return;
            }
            SessionPhase::Ending(..) => {}
            SessionPhase::Open if is_thorough => {
                if tokens.is_revoked(&state.sign_in.person.claims()) {
                    self.begin_end(&mut state, DeskEnd::SignedOut);
                } else if state.answers.is_empty() && now.since(state.used_at) > self.parts.replica.idle_max {
                    self.begin_end(&mut state, DeskEnd::Idle);
                } else {
                    state.checked_at = now;
                }
            }
            SessionPhase::Open => {}
        }
        if state.desk.next_timeout().is_some_and(|at| at <= now) {
            state.desk.handle_timeout(now);
            self.carry(&mut state);
        }
        if !state.phase.is_over() {
            self.write_in_time(&mut state, now);
        }
    }
}
