//! The peer's requests within a dialog other than INVITE: BYE, INFO, REFER, UPDATE, PRACK, OPTIONS, and the refusal of all others.

use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;

use super::command::{CommandError, DialogId, IncomingId, Reply};
use super::compose::{refit, session_of};
use super::event::{Event, Release};
use super::session_timer::TimerHeaders;
use super::state::{IncomingInvite, LegPhase, PendingAnswer, Shared};
use super::{UserAgent, Waiting};
use crate::dialog::Order;
use crate::offer_answer::{Carrier, Meaning, OfferAnswerError, Phase};
use crate::transaction::{NewRequest, ServerId};
use crate::{Message, Method, StatusCode};

/// The most requests of the peer that may wait for the application in one dialog.
const INCOMING_MAX: usize = 16;

/// What a request asks of the application.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// Its body is an offer: the response carries the answer.
    Offer,
    /// A response alone.
    Plain,
}

impl UserAgent {
    /// Accepts the peer's open offer (`Offered`) with an answer, or makes the offer that the peer requested (`OfferWanted`).
    ///
    /// # Errors
    /// When no offer is open and none is wanted.
    pub fn accept_offer(&mut self, dialog: DialogId, answer: Bytes, now: Timestamp) -> Result<(), CommandError> {
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        if leg.state.phase == LegPhase::Confirmed && leg.state.answering.is_some() {
            return self.accept_reinvite(dialog, answer, now);
        }
        let at = leg.state.incoming.iter().position(|p| p.is_offer).ok_or(CommandError::WrongState("an answer"))?;
        let (pending, server) = (leg.state.incoming.remove(at), leg.servers.remove(at));
        self.waiting.remove(&pending.id);
        let request = Message::parse(pending.request).map_err(|_| CommandError::Gone)?;
        let prack = request.method() == Method::Prack;
        let carrier = if prack { Carrier::PrackSuccess } else { Carrier::UpdateSuccess };
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        let _ = leg.state.offer_answer.sent(carrier, Some(&answer));
        let timer = if prack || leg.state.phase != LegPhase::Confirmed {
            TimerHeaders::Nothing
        } else {
            leg.state.session.accept_request(&request, (&self.config, leg.state.terms), now)
        };
        let response = self.session_response(dialog, &request, Some(&answer), timer).ok_or(CommandError::Gone)?;
        self.finish_within(dialog, server, &request, &response, now);
        Ok(())
    }

    /// Refuses the peer's open offer or its request for one, usually with 488 and a Warning that gives the reason.
    ///
    /// # Errors
    /// When no offer is open, or the status is not a failure.
    pub fn refuse_offer(
        &mut self,
        dialog: DialogId,
        reply: impl Into<Reply>,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let reply = reply.into();
        if reply.status.class() < 3 {
            return Err(CommandError::WrongState("a refusal"));
        }
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        if leg.state.phase == LegPhase::Confirmed && leg.state.answering.is_some() {
            self.refuse_invite(dialog, &reply, now);
            return Ok(());
        }
        let at = leg.state.incoming.iter().position(|p| p.is_offer).ok_or(CommandError::WrongState("a refusal"))?;
        leg.state.offer_answer.abandon();
        let id = leg.state.incoming[at].id;
        self.respond(IncomingId(id), reply, now)
    }

    pub(super) fn request_within(&mut self, id: DialogId, new: NewRequest, now: Timestamp) {
        let NewRequest { server, message, .. } = new;
        let method = message.method();
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let tag = leg.state.dialog.local_tag.clone();
        let Ok(cseq) = message.cseq() else { return };
        leg.keep(server, &self.layer);
        self.layer.own(server, id.0);
        if leg.state.phase == LegPhase::Inviting {
            self.request_before_answer(id, server, &message, now);
            return;
        }
        if method != Method::Bye && self.refuse_oversized(Some(id), server, &message, &tag, now) {
            return;
        }
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        match leg.state.dialog.order(cseq.number) {
            Order::Next => {}
            Order::Repeated => {
                self.repeated_within(id, server, message, cseq.number, now);
                return;
            }
            Order::Late => {
                self.respond_plain(server, &message, StatusCode::SERVER_INTERNAL_ERROR, &tag, now);
                return;
            }
        }
        let has_referred = leg.has_referred;
        if leg.state.phase == LegPhase::Leaving && method != Method::Bye {
            self.respond_plain(server, &message, StatusCode::CALL_DOES_NOT_EXIST, &tag, now);
            return;
        }
        if method != Method::Bye
            && let Some(response) = self.fault_response(&message, &tag)
        {
            let _ = self.layer.respond(server, &response, now);
            return;
        }
        match method {
            Method::Invite => self.incoming_reinvite(id, server, message, now),
            Method::Bye => self.incoming_bye(id, server, message, now),
            Method::Info => self.incoming_info(id, server, message, now),
            Method::Refer => self.incoming_refer(id, server, message, now),
            Method::Notify if has_referred => {
                self.answer_within(id, server, &message, StatusCode::OK, now);
                self.events.push_back(Event::Notified { dialog: id, message: Arc::new(message) });
            }
            Method::Update => self.incoming_update(id, server, message, now),
            Method::Prack => self.incoming_prack(id, server, message, now),
            Method::Options => {
                if let Some(response) = self.session_response(id, &message, None, TimerHeaders::Nothing) {
                    self.finish_within(id, server, &message, &response, now);
                }
            }
            _ => self.respond_not_allowed(server, &message, &tag, now),
        }
    }

    /// A request of a fork before our INVITE is answered: there is no session yet to change or end.
    fn request_before_answer(&mut self, id: DialogId, server: ServerId, message: &Message, now: Timestamp) {
        let Some(leg) = self.dialogs.get(id.0) else { return };
        let tag = leg.state.dialog.local_tag.clone();
        match message.method() {
            Method::Options => self.respond_plain(server, message, StatusCode::OK, &tag, now),
            Method::Update => self.respond_plain(server, message, StatusCode::REQUEST_PENDING, &tag, now),
            Method::Info | Method::Invite => self.respond_busy(server, message, &tag, now),
            // §15: a callee must not end an early dialog by BYE.
            Method::Bye | Method::Prack => {
                self.respond_plain(server, message, StatusCode::CALL_DOES_NOT_EXIST, &tag, now);
            }
            _ => self.respond_not_allowed(server, message, &tag, now),
        }
    }

    fn incoming_bye(&mut self, id: DialogId, server: ServerId, message: Message, now: Timestamp) {
        self.answer_within(id, server, &message, StatusCode::OK, now);
        self.refuse_invite(id, &Reply::new(StatusCode::REQUEST_TERMINATED), now);
        let leaving = self.dialogs.get(id.0).is_some_and(|leg| leg.state.phase == LegPhase::Leaving);
        let reason = if leaving { Release::ByUs } else { Release::ByPeer(Arc::new(message)) };
        self.release(id, reason, now);
    }

    fn incoming_info(&mut self, id: DialogId, server: ServerId, message: Message, now: Timestamp) {
        let message = Arc::new(message);
        if let Some(request) = self.await_application(id, server, &message, Asks::Plain, now) {
            self.events.push_back(Event::Info { dialog: id, request, message });
        }
    }

    fn incoming_refer(&mut self, id: DialogId, server: ServerId, message: Message, now: Timestamp) {
        let message = Arc::new(message);
        if let Some(request) = self.await_application(id, server, &message, Asks::Plain, now) {
            self.events.push_back(Event::Referred { dialog: id, request, message });
        }
    }

    fn incoming_update(&mut self, id: DialogId, server: ServerId, message: Message, now: Timestamp) {
        let Some(leg) = self.dialogs.get(id.0) else { return };
        let tag = leg.state.dialog.local_tag.clone();
        let fault = self.session_fault_response(&message, &tag).or_else(|| self.interval_fault(&message, &tag));
        if let Some(response) = fault {
            self.finish_within(id, server, &message, &response, now);
            return;
        }
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let body = session_of(&message);
        let stable = leg.state.offer_answer.phase() == Phase::Stable;
        let refresh = body.is_none() || (stable && body == leg.state.offer_answer.remote());
        if leg.state.outgoing.is_some() && !refresh {
            self.respond_plain(server, &message, StatusCode::REQUEST_PENDING, &tag, now);
            return;
        }
        if refresh {
            let _ = leg.state.dialog.refresh_target(&message);
            Self::note_capabilities(leg, &message);
            let session = body.and(leg.state.offer_answer.local().cloned());
            let confirmed = leg.state.phase == LegPhase::Confirmed;
            let timer = if confirmed {
                leg.state.session.accept_request(&message, (&self.config, leg.state.terms), now)
            } else {
                TimerHeaders::Nothing
            };
            if let Some(response) = self.session_response(id, &message, session.as_ref(), timer) {
                self.finish_within(id, server, &message, &response, now);
            }
            if confirmed {
                self.events.push_back(Event::Refreshed { dialog: id });
            }
            return;
        }
        match leg.state.offer_answer.received(Carrier::Update, body) {
            Ok(Meaning::Offer) => {
                let _ = leg.state.dialog.refresh_target(&message);
                self.offer_to_application(id, server, message, now);
            }
            Err(OfferAnswerError::Glare) => {
                self.respond_plain(server, &message, StatusCode::REQUEST_PENDING, &tag, now);
            }
            _ => self.respond_busy(server, &message, &tag, now),
        }
    }

    pub(super) fn offer_to_application(&mut self, id: DialogId, server: ServerId, message: Message, now: Timestamp) {
        let message = Arc::new(message);
        if self.await_application(id, server, &message, Asks::Offer, now).is_some() {
            let offer = message.body_bytes().clone();
            self.events.push_back(Event::Offered { dialog: id, request: message, offer });
        }
    }

    fn await_application(
        &mut self,
        id: DialogId,
        server: ServerId,
        message: &Shared,
        asks: Asks,
        now: Timestamp,
    ) -> Option<IncomingId> {
        let request = self.entropy.next_u64();
        let leg = self.dialogs.get_mut(id.0)?;
        if leg.servers.len() >= INCOMING_MAX {
            let tag = leg.state.dialog.local_tag.clone();
            self.respond_busy(server, message, &tag, now);
            return None;
        }
        let cseq = message.cseq().map_or(0, |c| c.number);
        leg.state.incoming.push(PendingAnswer {
            id: request,
            cseq,
            request: message.to_bytes(),
            is_offer: asks == Asks::Offer,
        });
        leg.servers.push(server);
        self.layer.own(server, id.0);
        self.waiting.insert(request, Waiting::Within(id));
        Some(IncomingId(request))
    }

    /// A request whose CSeq number was seen in another transaction: it is answered from the stored response.
    fn repeated_within(&mut self, id: DialogId, server: ServerId, message: Message, cseq: u32, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let method = message.method();
        if method == Method::Invite {
            let unacked = leg.state.unacked.as_ref().is_some_and(|u| u.cseq == cseq);
            let open = leg.state.answering.as_ref().is_some_and(|a| a.cseq == cseq);
            let another = |open: &IncomingInvite| {
                Message::parse(open.request.clone())
                    .is_ok_and(|former| former.senders_branch() != message.senders_branch())
            };
            if open && leg.state.answering.as_ref().is_some_and(another) {
                // A different INVITE with the same CSeq, not a proxy's repeat: the first one still waits for its
                // answer.
                let tag = leg.state.dialog.local_tag.clone();
                return self.respond_plain(server, &message, StatusCode::LOOP_DETECTED, &tag, now);
            }
            if unacked || open {
                return self.rebind_invite(id, server, message, now);
            }
        }
        // The same number with another method is not a repeat.
        let same = |p: &PendingAnswer| {
            p.cseq == cseq && Message::parse(p.request.clone()).is_ok_and(|pending| pending.method() == method)
        };
        if let Some(at) = leg.state.incoming.iter().position(same)
            && let (Some(pending), Some(handle)) = (leg.state.incoming.get_mut(at), leg.servers.get_mut(at))
        {
            pending.request = message.to_bytes();
            *handle = server;
            self.layer.own(server, id.0);
            return;
        }
        let record = leg.state.answered.iter().find(|a| a.cseq == cseq && a.method == method);
        let tag = leg.state.dialog.local_tag.clone();
        match record.and_then(|record| refit(&record.response, &message)) {
            Some(response) => {
                let _ = self.layer.respond(server, &response, now);
            }
            None => self.respond_plain(server, &message, StatusCode::SERVER_INTERNAL_ERROR, &tag, now),
        }
    }

    /// Answers a request within a dialog and keeps the response for repeats.
    pub(super) fn answer_within(
        &mut self,
        id: DialogId,
        server: ServerId,
        request: &Message,
        status: StatusCode,
        now: Timestamp,
    ) {
        let Some(leg) = self.dialogs.get(id.0) else { return };
        let tag = leg.state.dialog.local_tag.clone();
        let response = self.plain_response(request, status, &tag).build();
        self.finish_within(id, server, request, &response, now);
    }

    pub(super) fn finish_within(
        &mut self,
        id: DialogId,
        server: ServerId,
        request: &Message,
        response: &Message,
        now: Timestamp,
    ) {
        if let (Some(leg), Ok(cseq)) = (self.dialogs.get_mut(id.0), request.cseq()) {
            leg.remember(cseq.number, cseq.method, response.to_bytes());
        }
        let _ = self.layer.respond(server, response, now);
    }
}
