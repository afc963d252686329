//! Operations of the client: requests to gws-voice, and the answers over HTTP.

use std::collections::VecDeque;

use model::Timestamp;
use runtime::scope::{AGENTS_CONTROL, AGENTS_SUPERVISE, CALLS_CONTROL, CALLS_MONITOR};
use serde_json::{Map, Value};

use super::channel::VoiceChannel;
use super::operations::{CallAction, PairList, VoiceAction, VoiceOperation};
use super::outputs::{AnswerCode, AskFault, OperationRefusal, ReplyId};
use super::pending::{OperationEffect, PendingOperation};
use super::picture;
use super::{Desk, DeskOutput, SessionLife, Unstored, VoiceService, frames, messages, repeats};

/// What whoever takes a DN may do there: be logged in, and have its calls.
const AT_A_DN: [&str; 2] = [AGENTS_CONTROL, CALLS_CONTROL];
/// The published number of a request that was not carried out in time.
pub(super) const TIMED_OUT: u32 = 57;
/// The published number of a failure that has none of its own.
pub(super) const FAILED: u32 = 52;

/// What an operation does besides that notes pairs of a released call.
fn noted_after(action: &VoiceAction, channel: &VoiceChannel) -> Option<OperationEffect> {
    let VoiceAction::OfCall { call, action: CallAction::AttachUserData(pairs) | CallAction::UpdateUserData(pairs) } =
        action
    else {
        return None;
    };
    let is_over = channel.picture.call(call).is_some_and(picture::is_released);
    is_over.then(|| OperationEffect::NoteAfter { call: call.clone(), pairs: pairs.clone() })
}

/// Refuses a number at another switch than the DN: none is dialled there.
fn check_location(operation: &VoiceOperation, channel: &VoiceChannel) -> Result<(), OperationRefusal> {
    let is_here =
        |location: &String| channel.switch_name.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(location));
    match operation.location.as_ref().filter(|location| !is_here(location)) {
        Some(_) => {
            Err(OperationRefusal::parameter("location", "it is not the switch of the DN, and no other is dialled"))
        }
        None => Ok(()),
    }
}

impl Desk {
    /// Takes an operation on the voice channel. It is answered once, by [`DeskOutput::Reply`].
    pub fn operate(&mut self, operation: VoiceOperation, reply: ReplyId, now: Timestamp) {
        if !self.is_repeated(operation.operation_id.as_deref(), &operation, reply, now) {
            self.begin_once_known(operation, reply, now);
        }
        self.settle(now);
    }

    pub(super) fn begin(
        &mut self,
        operation: VoiceOperation,
        reply: ReplyId,
        now: Timestamp,
    ) -> Result<(), OperationRefusal> {
        if !matches!(self.life, SessionLife::Open) {
            return Err(OperationRefusal::without_session());
        }
        self.may(&operation.action)?;
        frames::check_notes(&operation)?;
        if let VoiceAction::Activate(body) = operation.action {
            let dn = body.dn.clone();
            let dn = dn.ok_or_else(|| OperationRefusal::parameter("dn", "it is missing"))?;
            return self.begin_activation(body, dn, None, reply, now);
        }
        // Who looks after agents needs no phone for it.
        let has_phone = self.channel.as_ref().is_some_and(VoiceChannel::is_admitted);
        if let Some(frames) = frames::without_phone(&operation, has_phone) {
            let (effect, code) = (OperationEffect::Plain, AnswerCode::Accepted);
            return self.ask(frames, operation.operation_id, effect, reply, code, now).map(drop);
        }
        let channel = self.channel_for(&operation)?;
        let frames = frames::frames(&operation, channel, self.agent.as_deref())?;
        let (is_logged_in, owned_before) = (channel.is_logged_in(), channel.owns_login);
        let effect = match &operation.action {
            VoiceAction::Login { .. } => OperationEffect::Login { owned_before },
            VoiceAction::Deactivate if !is_logged_in => {
                let operation_id = self.id_of(operation.operation_id, now);
                self.accept(reply, AnswerCode::Accepted, &operation_id);
                self.give_up_login(now);
                self.leave();
                return Ok(());
            }
            VoiceAction::Deactivate => OperationEffect::Leave,
            VoiceAction::OfCall { call, action: CallAction::Complete(pairs) } => {
                if pairs.is_empty() {
                    let operation_id = self.id_of(operation.operation_id, now);
                    self.accept(reply, AnswerCode::Accepted, &operation_id);
                    self.complete_call(call, pairs, &operation_id, now);
                    return Ok(());
                }
                OperationEffect::Complete { call: call.clone(), pairs: pairs.clone() }
            }
            action => noted_after(action, channel).unwrap_or(OperationEffect::Plain),
        };
        let monitored = match &operation.action {
            VoiceAction::StartMonitoring { dn, .. } => Some(dn.clone()),
            _ => None,
        };
        let logs_in = matches!(operation.action, VoiceAction::Login { .. });
        let is_done_once = operation.operation_id.is_some() && operation.action.begins_call();
        let (reference, first) =
            self.note_operation(frames, operation.operation_id, effect, reply, AnswerCode::Accepted, now)?;
        if logs_in {
            self.expect_login(reference);
        }
        if is_done_once {
            // Whoever goes on with the session knows of it, and calls nobody twice.
            self.outputs.push_back(DeskOutput::Store);
        }
        self.send(first, reference);
        if let (Some(channel), Some(monitored)) = (&mut self.channel, monitored) {
            channel.monitored = Some(monitored);
        }
        Ok(())
    }

    /// The channel at which an operation is carried out.
    fn channel_for(&self, operation: &VoiceOperation) -> Result<&VoiceChannel, OperationRefusal> {
        let action = &operation.action;
        let logs_in = matches!(action, VoiceAction::Login { .. });
        let leaves = matches!(action, VoiceAction::Deactivate);
        let may_operate = |channel: &&VoiceChannel| channel.is_admitted() || logs_in || leaves && channel.owns_login;
        let inactive = || OperationRefusal::new(409, "voice: the channel is not active; activate it first");
        let channel = self.channel.as_ref().filter(may_operate).ok_or_else(inactive)?;
        check_location(operation, channel)?;
        let begins_call = matches!(
            action,
            VoiceAction::MakeCall(_) | VoiceAction::FetchParked { .. } | VoiceAction::StartMonitoring { .. }
        );
        if begins_call && !channel.is_logged_in() {
            // It would be one of those that are not told.
            return Err(OperationRefusal::new(409, "voice: the agent is logged out; log in first"));
        }
        Ok(channel)
    }

    /// The scope that an operation needs besides that of the session: the one of its requests, but user data of a call of the own DN.
    fn may(&self, action: &VoiceAction) -> Result<(), OperationRefusal> {
        let scope = match action {
            // It asks by itself, for it comes another way too.
            VoiceAction::Activate(_) => return Ok(()),
            VoiceAction::StartMonitoring { .. }
            | VoiceAction::StopMonitoring { .. }
            | VoiceAction::OfCall { action: CallAction::SwitchMonitoring { .. }, .. } => CALLS_MONITOR,
            VoiceAction::Supervise { .. } => AGENTS_SUPERVISE,
            VoiceAction::MakeCall(_)
            | VoiceAction::FetchParked { .. }
            | VoiceAction::MoveWaiting { .. }
            | VoiceAction::OfCall { .. } => CALLS_CONTROL,
            VoiceAction::SendUserEvent(event) if event.names_call() => CALLS_CONTROL,
            VoiceAction::Deactivate
            | VoiceAction::Login { .. }
            | VoiceAction::Logout
            | VoiceAction::Ready { .. }
            | VoiceAction::NotReady { .. }
            | VoiceAction::DndOn
            | VoiceAction::DndOff
            | VoiceAction::SetForward { .. }
            | VoiceAction::CancelForward
            | VoiceAction::SendUserEvent(_) => AGENTS_CONTROL,
        };
        let forbidden = || OperationRefusal::new(403, format!("this needs the scope {scope}"));
        self.who.may(scope).then_some(()).ok_or_else(forbidden)
    }

    /// Whether the person may take a DN at all.
    ///
    /// # Errors
    /// 403: an agent without a phone has none of the scopes that are about one.
    pub fn may_activate(&self) -> Result<(), OperationRefusal> {
        let Some(missing) = AT_A_DN.into_iter().find(|scope| !self.who.may(scope)) else { return Ok(()) };
        let message =
            format!("this needs the scope {missing}: an agent has it with a default place at which there is a phone");
        Err(OperationRefusal::new(403, message))
    }

    /// The client's id of an operation, or a new one.
    fn id_of(&mut self, given: Option<String>, now: Timestamp) -> String {
        given.unwrap_or_else(|| format!("{:016x}", self.next_reference(now)))
    }

    /// Makes the first of some requests; the others follow once the one before is taken. Returns its reference.
    pub(super) fn ask(
        &mut self,
        frames: VecDeque<Map<String, Value>>,
        operation_id: Option<String>,
        effect: OperationEffect,
        reply: ReplyId,
        code: AnswerCode,
        now: Timestamp,
    ) -> Result<u64, OperationRefusal> {
        let (reference, first) = self.note_operation(frames, operation_id, effect, reply, code, now)?;
        self.send(first, reference);
        Ok(reference)
    }

    /// Notes an operation of some requests. Returns the first of them, which is to be made, and its reference.
    pub(super) fn note_operation(
        &mut self,
        mut frames: VecDeque<Map<String, Value>>,
        operation_id: Option<String>,
        effect: OperationEffect,
        reply: ReplyId,
        code: AnswerCode,
        now: Timestamp,
    ) -> Result<(u64, Map<String, Value>), OperationRefusal> {
        let Some(first) = frames.pop_front() else {
            return Err(OperationRefusal::new(501, "this operation is no request"));
        };
        let operation_id = self.id_of(operation_id, now);
        let reference = self.next_reference(now);
        let pending = PendingOperation {
            references: vec![reference],
            operation_id,
            effect,
            rest: frames,
            reply: Some(reply),
            code,
            since: now,
            answers_at: None,
            is_taken: false,
            is_accepted: false,
        };
        if !self.pending.add(pending) {
            return Err(OperationRefusal::new(429, "too many operations of this session wait for their answers"));
        }
        Ok((reference, first))
    }

    fn accept(&mut self, reply: ReplyId, code: AnswerCode, operation_id: &str) {
        self.answer(reply, 200, code.body(operation_id));
    }

    // === what gws-voice says ===

    /// gws-voice has taken a request, or not.
    pub fn asked(&mut self, reference: u64, answer: Result<(), AskFault>, now: Timestamp) {
        match &self.life {
            SessionLife::Over => {}
            SessionLife::Ending(_) => self.logout_asked(reference, &answer, now),
            SessionLife::Open => match answer {
                Ok(()) => {
                    if !self.is_cut_off {
                        self.voice_is(VoiceService::Available, now);
                    }
                    self.granted(reference, now);
                }
                Err(fault) => {
                    if (502..=504).contains(&fault.status) {
                        self.voice_is(VoiceService::Unavailable, now);
                    }
                    self.not_taken(reference, &fault, now);
                }
            },
        }
        self.settle(now);
    }

    /// A request has waited for its turn for too long, and was not made: nobody expects it by now. Whoever has asked may have given up, so
    /// the clients are told, too.
    pub fn ask_late(&mut self, reference: u64, now: Timestamp) {
        let message = "it has waited for too long, and was not carried out";
        let named = self.pending.in_progress(reference).map(|pending| pending.operation_id.clone());
        if let Some(id) = named.filter(|_| matches!(self.life, SessionLife::Open)) {
            self.clients.tell_voice(&messages::event_error(TIMED_OUT, message, Some(&id)), now);
        }
        let fault = AskFault { status: 503, code: Some(TIMED_OUT), message: message.to_owned() };
        self.asked(reference, Err(fault), now);
    }

    /// A request was taken: the next one follows, or the operation is answered. An event that has its reference says the same.
    pub(super) fn granted(&mut self, reference: u64, now: Timestamp) {
        let next = self.last_reference.saturating_add(1).max(now.as_micros());
        let Some(pending) = self.pending.in_progress(reference) else { return };
        if let Some(frame) = pending.rest.pop_front() {
            pending.references.push(next);
            self.last_reference = next;
            self.send(frame, next);
            return;
        }
        if pending.answers_at.is_some() {
            pending.is_taken = true;
            return;
        }
        let Some(reply) = pending.reply.take() else { return };
        pending.is_accepted = true;
        let (code, operation_id, effect) = (pending.code, pending.operation_id.clone(), pending.effect.clone());
        self.unstored = self.unstored.max(Unstored::Progress);
        self.accept(reply, code, &operation_id);
        match effect {
            OperationEffect::Complete { call, pairs } => self.complete_call(&call, &pairs, &operation_id, now),
            OperationEffect::NoteAfter { call, pairs } => self.noted(&call, pairs.told(), &operation_id, now),
            OperationEffect::Leave => {
                if let Some(channel) = &mut self.channel {
                    channel.is_leaving = true;
                }
            }
            OperationEffect::Plain | OperationEffect::Login { .. } => {}
        }
    }

    /// A request was not taken: the operation is refused. A completion is done all the same, for the agent is done with the call; that its
    /// pairs are not noted is told as an error.
    fn not_taken(&mut self, reference: u64, fault: &AskFault, now: Timestamp) {
        let Some(pending) = self.pending.in_progress(reference) else { return };
        let Some(reply) = pending.reply.take() else { return };
        // Those behind it are not made any more.
        pending.rest.clear();
        let (references, operation_id) = (pending.references.clone(), pending.operation_id.clone());
        let (effect, code) = (pending.effect.clone(), pending.code);
        if !fault.leaves_open() {
            self.pending.remove(reference);
        }
        if let OperationEffect::Complete { call, pairs } = effect {
            self.accept(reply, code, &operation_id);
            let number = fault.code.unwrap_or(FAILED);
            self.clients.tell_voice(&messages::event_error(number, &fault.message, Some(&operation_id)), now);
            self.complete_call(&call, &pairs, &operation_id, now);
            return;
        }
        self.refuse(reply, &fault.refusal());
        if let OperationEffect::Login { owned_before } = effect
            && !fault.leaves_open()
        {
            self.login_failed(&references, owned_before);
        }
    }

    /// Operations whose outcome did not come in time. Who still waits is told so. Whether a login has happened is not known then: the
    /// session ends with the agent's logout all the same.
    pub(super) fn forget_late_operations(&mut self, now: Timestamp) {
        for late in self.pending.expired(now) {
            if let Some(reply) = late.reply {
                self.refuse(reply, &repeats::unknown_outcome());
            }
            let OperationEffect::Login { .. } = late.effect else { continue };
            let waits = self.channel.as_ref().and_then(|channel| channel.login);
            if waits.is_some_and(|login| late.references.contains(&login)) {
                let message = "the login was not carried out in time";
                let event = messages::event_error(TIMED_OUT, message, Some(&late.operation_id));
                self.clients.tell_voice(&event, now);
                if let Some(channel) = &mut self.channel {
                    (channel.login, self.unstored) = (None, Unstored::State);
                }
            }
        }
    }

    /// The agent is done with a call: its last event.
    fn complete_call(&mut self, call: &str, pairs: &PairList, operation_id: &str, now: Timestamp) {
        self.completed(call, pairs.told(), operation_id, now);
    }

    pub(super) fn voice_is(&mut self, service: VoiceService, now: Timestamp) {
        if self.service != service {
            self.service = service;
            self.clients.tell_voice(&messages::service_state_changed(service.as_str()), now);
        }
    }
}
