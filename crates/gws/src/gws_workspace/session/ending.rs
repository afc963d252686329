//! How a session ends, and what is looked at from time to time.

use std::time::Duration;

use model::Timestamp;
use runtime::token::TokenVerifier;
use tokio::sync::oneshot;

use super::super::desk::{DeskEnd, ReplyId};
use super::super::metrics::SessionEnd;
use super::phase::SessionPhase;
use super::{DeskSession, OperationReply, SessionState};

/// How long logging an agent out may take before somebody is to look what is wrong.
const LATE_AFTER: Duration = Duration::from_secs(10);
/// How often the record of a session that ends is written: by that others see that a replica is at it.
const ENDING_WRITTEN_EACH: Duration = Duration::from_secs(15);
/// Time for the store to tell the sessions of a person.
const OTHERS_WITHIN: Duration = Duration::from_secs(2);

impl DeskSession {
    /// Whether it is over.
    #[cfg(test)]
    pub fn is_over(&self) -> bool {
        self.lock().phase.is_over()
    }

    /// Ends it: its agent is logged out, then its record goes.
    pub fn end(&self, why: DeskEnd) {
        let mut state = self.lock();
        self.begin_end(&mut state, None, why);
    }

    /// The same. An answer comes once the record says so, so that its cookie is of no use at any replica; none where it has ended before.
    pub fn end_noted(&self, why: DeskEnd) -> oneshot::Receiver<OperationReply> {
        let (reply, noted) = oneshot::channel();
        let mut state = self.lock();
        let id = ReplyId(state.next_number());
        state.replies.insert(id.0, reply);
        self.begin_end(&mut state, Some(id), why);
        noted
    }

    pub(super) fn begin_end(&self, state: &mut SessionState, reply: Option<ReplyId>, why: DeskEnd) {
        let now = self.parts.now();
        if state.phase == SessionPhase::Open {
            state.phase = SessionPhase::Ending(why.into(), now);
            // The logout stands behind nothing that nobody waits for any more.
            state.asks.clear();
            state.desk.end_for(reply, why, now);
            self.carry(state);
        } else if let Some(reply) = reply {
            state.replies.remove(&reply.0);
        }
    }

    /// Asks the store whether another session of the person works at a DN.
    pub(super) fn ask_others(&self, state: &SessionState, dn: String) {
        let Some(session) = self.me.upgrade() else { return };
        let user = state.sign_in.person.user.clone();
        tokio::spawn(async move {
            let others = session.parts.replica.store.others(&session.cookie, &user);
            let told = tokio::time::timeout(OTHERS_WITHIN, others).await.ok().and_then(Result::ok);
            session.turn(|desk, now| {
                let works = told.map(|others| others.iter().any(|other| other.works_at(&dn, now)));
                desk.others_told(works, now);
            });
        });
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
            // Whoever looks there finds no session any more.
            let forgotten = session.parts.replica.store.forget_ending(&session.cookie);
            let _ = tokio::time::timeout(OTHERS_WITHIN, forgotten).await;
        });
    }

    /// Looks whether something is due. Thoroughly: whether the session may go on, too.
    pub fn look(&self, tokens: &TokenVerifier, is_thorough: bool) {
        let mut state = self.lock();
        let (now, phase) = (self.parts.now(), state.phase);
        match phase {
            SessionPhase::Over => return,
            SessionPhase::Ending(_, since) => self.look_at_end(&mut state, since, now),
            SessionPhase::Open if is_thorough => {
                let is_over = tokens.is_revoked(&state.sign_in.person.claims()) || state.sign_in.is_over(now);
                if is_over || state.desk.is_to_leave() {
                    self.begin_end(&mut state, None, DeskEnd::SignedOut);
                } else if state.answers.is_empty() && now.since(state.used_at) > self.parts.replica.idle_max {
                    self.begin_end(&mut state, None, DeskEnd::Idle);
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

    /// The agent is being logged out: that is said where it takes long, and the record is written from time to time.
    fn look_at_end(&self, state: &mut SessionState, since: Timestamp, now: Timestamp) {
        if !state.desk.is_ending() {
            return;
        }
        state.writes.pace.is_due |= state.writes.pace.is_older_than(ENDING_WRITTEN_EACH, now);
        if !state.is_end_late && now.since(since) > LATE_AFTER {
            state.is_end_late = true;
            self.parts.metrics.logouts_late.inc();
            let user = &state.sign_in.person.user;
            tracing::warn!(tenant = %self.cookie.tenant, user, "an agent whose session has ended is not logged out yet: it is tried on");
        }
    }
}
