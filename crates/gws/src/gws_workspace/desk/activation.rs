//! The activation of the voice channel: the session follows a DN and logs its agent in there.

use std::collections::VecDeque;
use std::time::Duration;

use model::Timestamp;

use super::channel::{VoiceChannel, WaitingLogin};
use super::operations::ActivateBody;
use super::outputs::{OperationRefusal, ReplyId};
use super::pending::OperationEffect;
use super::picture::Completion;
use super::{Desk, DeskOutput, DeskPhase, SessionLife, Unstored, frames, messages};

/// How long the first message of a DN is waited for before the agent is logged in there all the same.
const HEARD_WITHIN: Duration = Duration::from_secs(2);
/// How long the outcome of a login is waited for before its activation is answered; a later one is told by an event alone.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// How long an activation waits for the configuration, which says who the person's agent is.
const CONFIGURED_WITHIN: Duration = Duration::from_secs(5);

/// An activation that has come before the configuration.
#[derive(Clone, Debug)]
pub(super) struct EarlyActivation {
    body: ActivateBody,
    dn: String,
    switch: Option<String>,
    reply: ReplyId,
    until: Timestamp,
}

impl Desk {
    /// Activates the voice channel at a DN, which the shell has found by the body's place or DN, with its switch.
    pub fn activate(
        &mut self,
        body: ActivateBody,
        resolved_dn: String,
        switch: Option<String>,
        reply: ReplyId,
        now: Timestamp,
    ) {
        if !self.is_repeated(body.operation_id.as_deref(), &(&body, &resolved_dn), reply, now)
            && let Err(refusal) = self.begin_activation(body, resolved_dn, switch, reply, now)
        {
            self.refuse(reply, &refusal);
        }
        self.settle(now);
    }

    pub(super) fn begin_activation(
        &mut self,
        body: ActivateBody,
        dn: String,
        switch: Option<String>,
        reply: ReplyId,
        now: Timestamp,
    ) -> Result<(), OperationRefusal> {
        if !matches!(self.life, SessionLife::Open) {
            return Err(OperationRefusal::without_session());
        }
        self.may_activate()?;
        if self.agent.is_none() && matches!(self.phase, DeskPhase::New | DeskPhase::Initialising) {
            let until = now + CONFIGURED_WITHIN;
            self.early_activations.push(EarlyActivation { body, dn, switch, reply, until });
            return Ok(());
        }
        let agent = self.agent_of(&body)?;
        let elsewhere = self.channel.as_ref().filter(|channel| channel.dn != dn);
        let is_taken = |channel: &&VoiceChannel| {
            let is_there = channel.is_admitted() && channel.owns_login;
            channel.login.is_some() || is_there || !channel.waiting.is_empty()
        };
        if let Some(channel) = elsewhere.filter(is_taken) {
            let message = format!("dn: the agent is logged in at {}; deactivate the channel first", channel.dn);
            return Err(OperationRefusal::new(409, message));
        }
        let completion = if body.auto_complete_call { Completion::Automatic } else { Completion::ByAgent };
        let work_mode = body.agent_work_mode.map(str::to_owned);
        let owned_before = self.channel.as_ref().is_some_and(|channel| channel.dn == dn && channel.owns_login);
        let frame = frames::login(&dn, &agent, work_mode.as_deref());
        let effect = OperationEffect::Login { owned_before };
        let frames = VecDeque::from([frame]);
        let (reference, frame) = self.note_operation(frames, body.operation_id, effect, reply, body.answer, now)?;
        let channel = self.follow(dn, switch, work_mode, completion, now);
        channel.waiting.push(WaitingLogin { reference, frame, until: now + HEARD_WITHIN });
        if channel.is_heard {
            self.log_in(now);
        }
        Ok(())
    }

    /// Goes on with the activations that have waited for the configuration, once it is there, or is not to come.
    pub(super) fn activate_early(&mut self, now: Timestamp) {
        for early in std::mem::take(&mut self.early_activations) {
            let EarlyActivation { body, dn, switch, reply, .. } = early;
            if let Err(refusal) = self.begin_activation(body, dn, switch, reply, now) {
                self.refuse(reply, &refusal);
            }
        }
    }

    /// Refuses those that have waited for long enough.
    pub(super) fn refuse_early_activations(&mut self, now: Timestamp) {
        let is_late = |early: &EarlyActivation| early.until <= now;
        let (late, waiting) = std::mem::take(&mut self.early_activations).into_iter().partition(is_late);
        self.early_activations = waiting;
        let late: Vec<EarlyActivation> = late;
        for early in late {
            self.refuse(early.reply, &OperationRefusal::new(503, "the session is not initialised yet; ask again"));
        }
    }

    /// When the first of them has.
    pub(super) fn early_timeout(&self) -> Option<Timestamp> {
        self.early_activations.iter().map(|early| early.until).min()
    }

    /// Makes the logins that have waited until messages of the DN come, so that nothing of their outcome is missed.
    pub(super) fn log_in(&mut self, now: Timestamp) {
        let waiting = self.channel.as_mut().map(|channel| std::mem::take(&mut channel.waiting)).unwrap_or_default();
        for WaitingLogin { reference, frame, .. } in waiting {
            let Some(pending) = self.pending.in_progress(reference) else { continue };
            pending.answers_at = Some(now + ANSWERED_WITHIN);
            self.expect_login(reference);
            self.send(frame, reference);
        }
    }

    /// Makes those that have waited for long enough.
    pub(super) fn log_in_unheard(&mut self, now: Timestamp) {
        let waiting = self.channel.as_ref().map(|channel| channel.waiting.as_slice()).unwrap_or_default();
        if waiting.iter().any(|login| login.until <= now) {
            self.log_in(now);
        }
    }

    /// gws-voice says why nothing is told of the DN. Activations that have not logged in yet fail at once, and the DN is left, unless the
    /// agent may be logged in there by this session. Then its picture is asked for again, and the clients are told once.
    pub(super) fn dn_refused(&mut self, code: u32, why: &str, now: Timestamp) {
        let Some(channel) = &mut self.channel else { return };
        let words = format!("dn {}: {why} (error {code})", channel.dn);
        let waiting = std::mem::take(&mut channel.waiting);
        let (login, is_needed) = (channel.login, channel.is_admitted() || channel.owns_login);
        let was_refused = std::mem::replace(&mut channel.is_refused, true);
        for login in waiting {
            if let Some(reply) = self.pending.remove(login.reference).and_then(|pending| pending.reply) {
                self.refuse(reply, &OperationRefusal::new(409, words.as_str()));
            }
        }
        if let Some(reply) = login.and_then(|login| self.pending.of(login)).and_then(|pending| pending.reply.take()) {
            let late = format!("{words}; the login was asked for, and may be carried out all the same");
            self.refuse(reply, &OperationRefusal::new(409, late));
        }
        if !is_needed {
            self.leave();
        } else if !was_refused {
            self.clients.tell_voice(&messages::event_error(code, &words, None), now);
        }
    }

    /// Whom the body means: a session acts for its own agent alone.
    fn agent_of(&self, body: &ActivateBody) -> Result<String, OperationRefusal> {
        let forbidden = |message: &str| OperationRefusal::new(403, message);
        let agent =
            self.agent.clone().ok_or_else(|| forbidden("agentId: this person is no agent, or not known yet"))?;
        let user = self.workspace.as_ref().map(|workspace| &workspace.user);
        let employee = user.and_then(|user| user.get("employeeId")).and_then(|id| id.as_str());
        match &body.agent_id {
            Some(named) if *named != agent && Some(named.as_str()) != employee => {
                Err(forbidden("agentId: a session is for its own agent"))
            }
            _ => Ok(agent),
        }
    }

    fn follow(
        &mut self,
        dn: String,
        switch: Option<String>,
        work_mode: Option<String>,
        completion: Completion,
        now: Timestamp,
    ) -> &mut VoiceChannel {
        self.unstored = Unstored::State;
        if self.channel.as_ref().is_none_or(|channel| channel.dn != dn) {
            self.give_up_login(now);
            self.leave();
            self.outputs.push_back(DeskOutput::Follow { dn: dn.clone(), after: None });
        }
        let channel = self.channel.get_or_insert_with(|| VoiceChannel::new(dn, None, None, completion));
        channel.switch_name = switch.or(channel.switch_name.take());
        (channel.work_mode, channel.completion, channel.is_leaving) = (work_mode, completion, false);
        channel
    }

    /// A login is to be asked for: the record says so first. Whoever goes on with the session, and other sessions of the person that end,
    /// know by it that the agent is logged in here.
    pub(super) fn expect_login(&mut self, reference: u64) {
        if let Some(channel) = &mut self.channel {
            (channel.login, channel.owns_login) = (Some(reference), true);
            self.outputs.push_back(DeskOutput::Store);
        }
    }

    /// The agent is logged out at a DN where it was not seen, and is to be logged in elsewhere, or nowhere: what has become of the login
    /// there is not known.
    pub(super) fn give_up_login(&mut self, now: Timestamp) {
        let given_up = self.channel.as_mut().filter(|channel| channel.owns_login && !channel.is_logged_in());
        let Some(channel) = given_up else { return };
        channel.owns_login = false;
        let frame = frames::logout(&channel.dn, self.agent.as_deref());
        let reference = self.next_reference(now);
        self.send(frame, reference);
    }

    /// A login is refused: whoever still waits for the answer gets it.
    pub(super) fn refuse_login(&mut self, reference: u64, code: u32, message: &str) {
        let Some(pending) = self.pending.of(reference) else { return };
        if !matches!(pending.effect, OperationEffect::Login { .. }) {
            return;
        }
        if let Some(reply) = pending.reply.take() {
            self.refuse(reply, &OperationRefusal::new(409, format!("the login is refused: {message} (error {code})")));
        }
    }

    /// A login has come to nothing. A DN where the agent is not there is left.
    pub(super) fn login_failed(&mut self, references: &[u64], owned_before: bool) {
        let Some(channel) = &mut self.channel else { return };
        if !channel.login.is_some_and(|login| references.contains(&login)) {
            return;
        }
        (channel.login, channel.owns_login) = (None, owned_before);
        self.unstored = Unstored::State;
        if !channel.is_admitted() && !channel.owns_login {
            self.leave();
        }
    }

    /// Follows the DN no more.
    pub(super) fn leave(&mut self) {
        if let Some(channel) = self.channel.take() {
            (self.unstored, self.is_cut_off) = (Unstored::State, false);
            self.clients.forget_ahead();
            self.outputs.push_back(DeskOutput::Unfollow { dn: channel.dn });
            for login in channel.waiting {
                let reply = self.pending.remove(login.reference).and_then(|pending| pending.reply);
                if let Some(reply) = reply {
                    self.refuse(reply, &OperationRefusal::new(409, "the channel was deactivated meanwhile"));
                }
            }
        }
    }
}
