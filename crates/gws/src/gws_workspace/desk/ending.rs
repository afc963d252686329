//! The end of a session: its agent is logged out, if the session has logged it in and no other session of the person works there.
//!
//! That is tried until it is known to have happened, however long gws-voice is away: until the DN is told without the agent, or the logout
//! is refused because nobody is there. Meanwhile the record says that the session ends, so that any process goes on with that.

use std::time::Duration;

use model::Timestamp;

use super::channel::VoiceChannel;
use super::news::{VoiceMessage, VoiceNews};
use super::operating::{FAILED, TIMED_OUT};
use super::outputs::{AnswerCode, AskFault, DeskEnd, OperationRefusal, ReplyId};
use super::picture::{is_logged_in, text};
use super::snapshot::EndingSnapshot;
use super::{Desk, DeskOutput, SessionLife, Unstored, frames};

/// The pause before the logout is asked for again: half of the time that it has taken so far, within these.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);
/// How long it is waited for what comes of a logout that is taken, and for who asks about other sessions.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// How long the first picture of the DN is waited for by a process that goes on: who is there by then is nobody else's business.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// How long it is asked for other sessions where the store does not answer.
const OTHERS_ASKED_FOR: Duration = Duration::from_secs(10);
/// How long a login whose outcome is not known may be on its way.
const LOGIN_SETTLES_WITHIN: Duration = Duration::from_secs(15);
/// How long the logout is tried at all: by then the next shift has begun.
const TRIED_FOR: Duration = Duration::from_secs(24 * 3_600);

/// A session that ends once its agent is logged out.
#[derive(Clone, Debug)]
pub(super) struct EndingSession {
    /// What outlives the process.
    kept: EndingSnapshot,
    /// The reference of the last logout; 0 before the first one.
    logout: u64,
    /// When the next step is due.
    again: Timestamp,
}

impl EndingSession {
    fn of(channel: &VoiceChannel, agent: Option<String>, why: DeskEnd, now: Timestamp) -> Self {
        let is_settled = channel.login.is_none() && channel.is_logged_in();
        let settles_at = if is_settled { now } else { now + LOGIN_SETTLES_WITHIN };
        let kept = EndingSnapshot { why, dn: channel.dn.clone(), agent, since: now, settles_at };
        Self { kept, logout: 0, again: now }
    }

    /// When something is to be done.
    pub fn due(&self) -> Timestamp {
        self.again.min(self.kept.since + TRIED_FOR)
    }

    fn pause(&self, now: Timestamp) -> Duration {
        (now.since(self.kept.since) / 2).clamp(AGAIN_AFTER, AGAIN_AFTER_MAX)
    }

    /// Whether a message says that the agent is not logged in at the DN any more; `is_answer`: it answers the logout.
    fn is_told_by(&self, news: &VoiceNews, is_answer: bool) -> bool {
        match news {
            VoiceNews::Dn(dn) | VoiceNews::Picture { dn, .. } => {
                let is_other = self.kept.agent.as_deref().is_some_and(|agent| agent != text(dn, "agentId"));
                !is_logged_in(dn) || is_other
            }
            // Nobody is logged in there, or another agent.
            VoiceNews::Error { code, .. } => is_answer && !matches!(*code, TIMED_OUT | FAILED),
            VoiceNews::NoPicture { .. } | VoiceNews::Call { .. } | VoiceNews::Event(_) => false,
        }
    }
}

impl Desk {
    /// The session ends. The agent is logged out if the session has logged it in; [`DeskOutput::Ended`] comes when that is done. A request that
    /// has asked for it is answered once the record says it.
    pub fn end_for(&mut self, reply: Option<ReplyId>, why: DeskEnd, now: Timestamp) {
        if !matches!(self.life, SessionLife::Open) {
            if let Some(reply) = reply {
                self.refuse(reply, &OperationRefusal::without_session());
            }
            return;
        }
        let leaves = self.channel.take();
        self.life = match leaves.as_ref().filter(|channel| channel.owns_login) {
            // The DN is followed on: what is told of it says when the agent is not there any more.
            Some(channel) => SessionLife::Ending(EndingSession::of(channel, self.agent.clone(), why, now)),
            None => {
                self.outputs.extend(leaves.map(|channel| DeskOutput::Unfollow { dn: channel.dn }));
                SessionLife::Over
            }
        };
        for operation in self.pending.drain() {
            if let Some(reply) = operation.reply {
                self.refuse(reply, &OperationRefusal::without_session());
            }
        }
        // Which finds no session any more.
        self.activate_early(now);
        // What is parked is answered: nothing comes any more, however long the logout takes.
        self.clients.close(now);
        self.unstored = Unstored::State;
        self.settle(now);
        if let Some(reply) = reply {
            self.outputs.push_back(DeskOutput::Reply { reply, status: 200, body: AnswerCode::Done.body("") });
        }
        match self.life {
            SessionLife::Ending(_) => self.ask_others(now),
            SessionLife::Open | SessionLife::Over => self.finish(why, now),
        }
        self.settle(now);
    }

    /// Whether the session has ended but for its agent's logout.
    pub fn is_ending(&self) -> bool {
        matches!(self.life, SessionLife::Ending(_))
    }

    pub(super) fn ending(&self) -> Option<EndingSnapshot> {
        match &self.life {
            SessionLife::Ending(ending) => Some(ending.kept.clone()),
            SessionLife::Open | SessionLife::Over => None,
        }
    }

    /// Goes on with the end of a session that another process has begun, once the record says who does.
    pub(super) fn go_on_to_end(&mut self, kept: EndingSnapshot, now: Timestamp) {
        self.outputs.extend([DeskOutput::Store, DeskOutput::Follow { dn: kept.dn.clone(), after: None }]);
        self.life = SessionLife::Ending(EndingSession { kept, logout: 0, again: now + SEEN_WITHIN });
    }

    fn ask_others(&mut self, now: Timestamp) {
        let SessionLife::Ending(ending) = &mut self.life else { return };
        ending.again = now + ANSWERED_WITHIN;
        self.outputs.push_back(DeskOutput::AskOthers { dn: ending.kept.dn.clone() });
    }

    /// Whether another session of the person works at the DN, and has logged the agent in there, too: the last one that ends logs it out.
    /// None: that is not known.
    pub fn others_told(&mut self, works: Option<bool>, now: Timestamp) {
        let SessionLife::Ending(ending) = &mut self.life else { return };
        let (why, dn, agent) = (ending.kept.why, ending.kept.dn.clone(), ending.kept.agent.clone());
        match works {
            Some(true) => self.finish(why, now),
            None if now.since(ending.kept.since) < OTHERS_ASKED_FOR => ending.again = now + AGAIN_AFTER,
            Some(false) | None => {
                // As long as it waits for its turn and for its answer; that puts it off anew.
                ending.again = now + ending.pause(now).max(3 * ANSWERED_WITHIN);
                let reference = self.next_reference(now);
                if let SessionLife::Ending(ending) = &mut self.life {
                    ending.logout = reference;
                }
                self.send(frames::logout(&dn, agent.as_deref()), reference);
            }
        }
        self.settle(now);
    }

    /// gws-voice has taken a request of a session that ends, or not.
    pub(super) fn logout_asked(&mut self, reference: u64, answer: &Result<(), AskFault>, now: Timestamp) {
        let SessionLife::Ending(ending) = &mut self.life else { return };
        if ending.logout != reference {
            return;
        }
        match answer {
            Ok(()) => ending.again = now + ending.pause(now).max(ANSWERED_WITHIN),
            Err(fault) if matches!(fault.status, 408 | 429 | 500..=504) => ending.again = now + ending.pause(now),
            // What is refused for what it is would be refused again.
            Err(fault) => {
                tracing::warn!(user = self.who.user, status = fault.status, "the logout of an agent is refused");
                let why = ending.kept.why;
                self.finish(why, now);
            }
        }
    }

    /// Takes a message of the DN where the agent is to be logged out.
    pub(super) fn hear_ending(&mut self, message: &VoiceMessage, now: Timestamp) {
        let SessionLife::Ending(ending) = &mut self.life else { return };
        let requester = self.who.requester();
        let is_answer = ending.logout != 0 && message.reference == ending.logout && message.requester == requester;
        if !ending.is_told_by(&message.news, is_answer) {
            return;
        }
        if now < ending.kept.settles_at {
            ending.again = ending.kept.settles_at;
            return;
        }
        let why = ending.kept.why;
        self.finish(why, now);
    }

    /// Messages come again: gws-voice is there.
    pub(super) fn hurry_ending(&mut self, now: Timestamp) {
        if let SessionLife::Ending(ending) = &mut self.life {
            ending.again = ending.again.min(now + AGAIN_AFTER);
        }
    }

    /// Asks for the logout again, or tries it no longer.
    pub(super) fn go_on_ending(&mut self, now: Timestamp) {
        let SessionLife::Ending(ending) = &self.life else { return };
        if now.since(ending.kept.since) >= TRIED_FOR {
            tracing::warn!(user = self.who.user, "the logout of an agent is given up");
            let why = ending.kept.why;
            self.finish(why, now);
        } else if ending.again <= now {
            // Each time: the person may have begun to work again.
            self.ask_others(now);
        }
    }

    /// Nothing is left to be done: what is parked is answered.
    fn finish(&mut self, why: DeskEnd, now: Timestamp) {
        self.life = SessionLife::Over;
        self.clients.close(now);
        self.settle(now);
        self.outputs.push_back(DeskOutput::Ended(why));
    }
}
