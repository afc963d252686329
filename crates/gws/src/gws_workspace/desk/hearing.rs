//! Messages of gws-voice: what becomes of the picture, and what the clients are told.

use bayeux::ClientId;
use model::Timestamp;
use runtime::scope::CALLS_MONITOR;
use serde_json::{Value, json};

use super::channel::{AgentPresence, DnAdmission, ReadingMark, UnconfirmedNews, VoiceChannel};
use super::news::{VoiceMessage, VoiceNews};
use super::pending::OperationEffect;
use super::picture::{self, PictureChange, PictureDifference, VoicePicture, call_id, is_logged_in, text, told_call};
use super::{Desk, SessionLife, Unstored, VoiceService, messages};
use crate::voice_api::DnMessage;

/// Who has caused a message.
struct MessageCause {
    /// The reference, if a request of this person has caused it.
    reference: u64,
    /// The operation's id, if it is one of this session.
    operation_id: Option<String>,
}

impl Desk {
    /// Takes a message of the DN that the session follows.
    pub fn told(&mut self, message: DnMessage, now: Timestamp) {
        self.hear(message.into(), now);
    }

    /// Messages of the DN that the session follows do not come now, or come again.
    pub fn link_is(&mut self, is_there: bool, now: Timestamp) {
        if matches!(self.life, SessionLife::Open) && self.channel.is_some() {
            self.is_cut_off = !is_there;
            self.voice_is(if is_there { VoiceService::Available } else { VoiceService::Unavailable }, now);
        }
        if is_there {
            self.hurry_ending(now);
        }
        self.settle(now);
    }

    pub(super) fn hear(&mut self, message: VoiceMessage, now: Timestamp) {
        self.hear_ending(&message, now);
        if matches!(self.life, SessionLife::Open) && self.channel.is_some() {
            self.is_cut_off = false;
            self.voice_is(VoiceService::Available, now);
            if let VoiceNews::NoPicture { code, message } = &message.news {
                self.dn_refused(*code, message, now);
            } else {
                self.take(message, now);
                if let Some(channel) = &mut self.channel {
                    (channel.is_heard, channel.is_refused) = (true, false);
                }
                self.log_in(now);
                self.begin_waiting(now);
            }
        }
        self.settle(now);
    }

    fn take(&mut self, message: VoiceMessage, now: Timestamp) {
        let VoiceMessage { position, reference, requester, news } = message;
        let mark = match &news {
            VoiceNews::Picture { .. } => ReadingMark::Picture(position),
            _ => ReadingMark::Message(position),
        };
        if self.channel.as_mut().is_none_or(|channel| channel.is_repeated(&mark)) {
            return;
        }
        self.clients.begin_message(matches!(mark, ReadingMark::Picture(_)));
        self.take_news(news, mark, reference, requester == self.who.requester(), now);
        self.clients.end_message();
    }

    /// Takes what a message tells; `is_own`: a request of this person has caused it.
    fn take_news(&mut self, news: VoiceNews, mark: ReadingMark, reference: u64, is_own: bool, now: Timestamp) {
        let reference = if is_own { reference } else { 0 };
        if reference != 0 {
            // The HTTP answer goes first.
            if let VoiceNews::Error { code, message } = &news {
                self.refuse_login(reference, *code, message);
            }
            self.pending.answers(reference);
            self.granted(reference, now);
        }
        let operation = self.pending.of(reference).map(|pending| (pending.operation_id.clone(), pending.code));
        if let Some((id, code)) = &operation {
            self.known.has_outcome(id, *code);
        }
        let operation_id = operation.map(|(id, _)| id);
        let cause = MessageCause { reference, operation_id };
        match news {
            VoiceNews::Dn(dn) => self.take_dn(&dn, None, &cause, mark, now),
            VoiceNews::Picture { dn, calls } => self.take_dn(&dn, Some(calls), &cause, mark, now),
            VoiceNews::Call { call, notification } => self.take_call(call, notification, &cause, mark, now),
            // It is no message of the DN.
            VoiceNews::NoPicture { .. } => {}
            VoiceNews::Event(event) => {
                if self.is_event_told(is_own) {
                    self.clients.tell_voice(&messages::passed_on(event, cause.operation_id.as_deref()), now);
                }
                self.note(Vec::new(), Some(mark));
            }
            VoiceNews::Error { code, message } => {
                if is_own {
                    let event = messages::event_error(code, &message, cause.operation_id.as_deref());
                    self.clients.tell_voice(&event, now);
                }
                self.note(Vec::new(), Some(mark));
                self.take_failure(&cause);
            }
        }
    }

    fn is_event_told(&self, is_own: bool) -> bool {
        match self.channel.as_ref().map_or(AgentPresence::Elsewhere, VoiceChannel::presence) {
            AgentPresence::There => true,
            AgentPresence::Left => is_own,
            AgentPresence::Elsewhere => false,
        }
    }

    /// An operation of this session has failed.
    fn take_failure(&mut self, cause: &MessageCause) {
        let Some(pending) = self.pending.of(cause.reference) else { return };
        let (effect, references) = (pending.effect.clone(), pending.references.clone());
        match effect {
            OperationEffect::Login { owned_before } => {
                self.pending.remove(cause.reference);
                self.login_failed(&references, owned_before);
            }
            OperationEffect::Leave => {
                if let Some(channel) = &mut self.channel {
                    channel.is_leaving = false;
                }
            }
            OperationEffect::Plain | OperationEffect::Complete { .. } | OperationEffect::NoteAfter { .. } => {}
        }
    }

    // === the DN ===

    /// Takes the DN's state; with `calls` it is a picture of all.
    fn take_dn(
        &mut self,
        dn: &Value,
        calls: Option<Vec<Value>>,
        cause: &MessageCause,
        mark: ReadingMark,
        now: Timestamp,
    ) {
        let (own_agent, may_monitor) = (self.agent.clone(), self.who.may(CALLS_MONITOR));
        let Some(channel) = &mut self.channel else { return };
        let dn = shown_dn(dn, channel.switch_name.as_deref(), may_monitor);
        let (before, was_admitted, logged_in) = (channel.presence(), channel.is_admitted(), is_logged_in(&dn));
        let is_ours = own_agent.is_some_and(|agent| agent == text(&dn, "agentId"));
        channel.admission = match (logged_in, is_ours) {
            (true, true) => DnAdmission::Admitted,
            (true, false) => DnAdmission::Waiting,
            // A DN that is left stays the agent's until another one comes.
            (false, _) => channel.admission,
        };
        let login = channel.login;
        if logged_in {
            channel.login = login.filter(|_| !is_ours);
            // Whatever else the person does there, also by another session: the agent is the one that was logged in by this one.
            channel.owns_login = channel.owns_login && (channel.login.is_some() || is_ours);
        } else {
            channel.owns_login = channel.owns_login && login.is_some();
        }
        let is_admitted = channel.is_admitted();
        if was_admitted != is_admitted {
            self.unstored = Unstored::State;
        }
        if let Some(login) = login.filter(|_| logged_in && is_ours)
            && self.pending.answers(login)
        {
            self.granted(login, now);
        }
        let of_login = login.and_then(|reference| self.pending.of(reference).map(|it| it.operation_id.clone()));
        let operation_id = cause.operation_id.clone().or(of_login.filter(|_| is_admitted && !was_admitted));
        let Some(channel) = &mut self.channel else { return };
        let differences = channel.differences(&dn, calls, before);
        self.tell(differences, operation_id.as_deref(), Some(mark), now);
        if !logged_in && self.channel.as_ref().is_some_and(|channel| channel.is_leaving) {
            self.leave();
        }
    }

    // === calls ===

    fn take_call(
        &mut self,
        call: Value,
        notification: &'static str,
        cause: &MessageCause,
        mark: ReadingMark,
        now: Timestamp,
    ) {
        if self.channel.as_mut().is_some_and(|channel| channel.is_told(&call)) {
            let difference = PictureDifference { change: PictureChange::Call(call), notification: Some(notification) };
            self.tell(vec![difference], cause.operation_id.as_deref(), Some(mark), now);
        } else {
            self.note(Vec::new(), Some(mark));
        }
    }

    /// A call is completed: it is known no more.
    pub(super) fn completed(&mut self, id: &str, pairs: &[Value], operation_id: &str, now: Timestamp) {
        let known = self.channel.as_ref().and_then(|channel| channel.picture.call(id));
        let Some(call) = known.map(|call| picture::completed(call, pairs)) else { return };
        let event = messages::call_state_changed(&call, "StateChange", Some(operation_id));
        self.clients.tell_voice(&event, now);
        self.note(vec![PictureChange::Completed(call_id(&call).to_owned())], None);
    }

    /// A released call has further pairs.
    pub(super) fn noted(&mut self, id: &str, pairs: &[Value], operation_id: &str, now: Timestamp) {
        let known = self.channel.as_ref().and_then(|channel| channel.picture.call(id));
        let Some(call) = known.map(|call| picture::with_pairs(call, pairs)) else { return };
        let change = PictureChange::Call(call);
        let difference = PictureDifference { change, notification: Some("AttachedDataChanged") };
        self.tell(vec![difference], Some(operation_id), None, now);
    }

    // === telling ===

    /// Tells the clients differences, and notes that they know them.
    fn tell(
        &mut self,
        differences: Vec<PictureDifference>,
        operation_id: Option<&str>,
        mark: Option<ReadingMark>,
        now: Timestamp,
    ) {
        let Some(completion) = self.channel.as_ref().map(|channel| channel.completion) else { return };
        let mut changes = Vec::new();
        for PictureDifference { change, notification } in differences {
            let change = match change {
                PictureChange::Call(call) => PictureChange::Call(told_call(call, completion)),
                other => other,
            };
            if let PictureChange::Call(call) = &change {
                self.note_recent(call, operation_id.is_some(), now);
            }
            if let Some(notification) = notification {
                let event = match &change {
                    PictureChange::Dn(dn) => Some(messages::dn_state_changed(dn, operation_id)),
                    PictureChange::Call(call) => Some(messages::call_state_changed(call, notification, operation_id)),
                    PictureChange::Completed(_) => None,
                };
                if let Some(event) = event {
                    self.clients.tell_voice(&event, now);
                }
            }
            changes.push(change);
        }
        self.note(changes, mark);
    }

    fn note(&mut self, changes: Vec<PictureChange>, mark: Option<ReadingMark>) {
        let cursor = self.clients.last_cursor();
        if let Some(channel) = &mut self.channel {
            channel.note(UnconfirmedNews { cursor, changes, mark });
        }
    }

    /// Tells a client that has just subscribed how the voice channel is.
    pub(super) fn tell_voice_state(&mut self, client: &ClientId, now: Timestamp) {
        let mut events = Vec::new();
        if self.service == VoiceService::Unavailable {
            events.push(messages::service_state_changed(self.service.as_str()));
        }
        if let Some(channel) = self.channel.as_ref().filter(|channel| channel.is_admitted()) {
            let VoicePicture { dn, calls } = &channel.picture;
            events.extend(dn.iter().map(|dn| messages::dn_state_changed(dn, None)));
            events.extend(calls.iter().map(|call| messages::call_state_changed(call, "CallRecovered", None)));
        }
        self.clients.tell_voice_to(client, &events, now);
    }
}

/// The DN as this person is shown it: with its switch, which gws-voice may not know, and without monitoring for who may not monitor.
fn shown_dn(dn: &Value, switch_name: Option<&str>, may_monitor: bool) -> Value {
    let mut dn = dn.clone();
    // The call of a supervisor who is logged out would not be told.
    let (may_start, may_stop) = (may_monitor && is_logged_in(&dn), may_monitor);
    let Some(fields) = dn.as_object_mut() else { return dn };
    if let Some(switch_name) = switch_name {
        fields.entry("switchName").or_insert_with(|| json!(switch_name));
    }
    if let Some(Value::Array(names)) = fields.get_mut("capabilities") {
        names.retain(|name| match name.as_str() {
            Some("start-monitoring") => may_start,
            Some("stop-monitoring") => may_stop,
            _ => true,
        });
    }
    dn
}
