//! Requests within a dialog whose owner is temporarily away: they wait for its next run.

use model::Timestamp;

use super::Proxy;
use super::answer::Answer;
use super::exchange::{Exchange, Origin, Stage};
use super::settings::{OWNER_BACK, OWNER_BACK_MAX};
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::ServerId;

impl Proxy {
    /// A request has no destination. If it belongs to a dialog of ours without a live owner, it waits; any other is answered.
    pub(super) fn wait_or_answer(
        &mut self,
        server: ServerId,
        message: Message,
        origin: Origin,
        answer: &Answer,
        now: Timestamp,
    ) {
        if answer.status != StatusCode::SERVICE_UNAVAILABLE || !self.may_wait(&message) {
            return self.answer(server, &message, answer, now);
        }
        let invite = message.method() == Method::Invite;
        let request = message.to_bytes();
        let stage = Stage::Waiting { message: Box::new(message), prepared: false };
        if let Some(id) = self.hold(server, invite, origin, stage, request) {
            self.begin_waiting(id, now);
        }
    }

    /// A forwarded request whose node failed has no successor: it waits too. Returns it if it must not wait.
    pub(super) fn wait_again(&mut self, id: u64, message: Message, now: Timestamp) -> Option<Message> {
        if !self.may_wait(&message) {
            return Some(message);
        }
        let held = self.exchanges.get_mut(id)?;
        held.stage = Stage::Waiting { message: Box::new(message), prepared: true };
        self.begin_waiting(id, now);
        None
    }

    fn may_wait(&self, message: &Message) -> bool {
        // A draining proxy does not wait. A new call finds another route sooner if it is refused at once.
        let in_dialog = message.to().is_ok_and(|to| to.tag().is_some());
        !self.is_draining() && in_dialog && self.waiting.len() < OWNER_BACK_MAX && self.owner_tag(message).is_some()
    }

    fn begin_waiting(&mut self, id: u64, now: Timestamp) {
        self.counts.requests_waited += 1;
        self.waiting.push_back(id);
        self.wake(id, now + OWNER_BACK);
    }

    /// A node has joined: requests that wait for it go on, in order of arrival.
    pub(super) fn wake_waiting(&mut self, now: Timestamp) {
        for id in std::mem::take(&mut self.waiting) {
            let Some(Exchange { stage: Stage::Waiting { message, .. }, .. }) = self.exchanges.get(id) else { continue };
            let Some(tag) = self.owner_tag(message) else { continue };
            let Ok(destination) = self.to_owner(&tag) else {
                self.waiting.push_back(id);
                continue;
            };
            let Some(held) = self.exchanges.get_mut(id) else { continue };
            let origin = held.origin;
            let stage = std::mem::replace(&mut held.stage, Stage::Answered { client_open: false });
            if let Stage::Waiting { mut message, prepared } = stage {
                if !prepared {
                    self.prepare(&mut message, origin, &destination);
                }
                self.forward(id, *message, destination, now);
            }
        }
    }

    /// No node came in time.
    pub(super) fn waited_in_vain(&mut self, id: u64, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(id) else { return };
        let (server, request) = (held.server, std::mem::take(&mut held.request));
        held.stage = Stage::Answered { client_open: false };
        self.forget_waited();
        self.counts.no_node += 1;
        if let Ok(request) = Message::parse(request) {
            self.answer(server, &request, &Answer::unavailable(), now);
        }
    }

    /// All wait equally long, so expired ones are at the front, except those whose request ended otherwise.
    fn forget_waited(&mut self) {
        while let Some(first) = self.waiting.front()
            && !self.exchanges.get(*first).is_some_and(|held| matches!(held.stage, Stage::Waiting { .. }))
        {
            self.waiting.pop_front();
        }
    }
}
