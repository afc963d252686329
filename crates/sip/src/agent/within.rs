//! Requests within a dialog other than INVITE: BYE, INFO, UPDATE, PRACK, OPTIONS, and the refusal of all others.

use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;

use super::bounds::HEAD_BYTES_MAX;
use super::command::{Body, CommandError, DialogId, ExtraHeaders, IncomingId, Reply, RequestId};
use super::compose::{ALLOW, refit, session_of, with_headers};
use super::event::{Event, Release};
use super::session_timer::{TimerHeaders, min_se, with_timer_request};
use super::state::{IncomingInvite, LegPhase, OutgoingStage, PendingAnswer, PendingRequest, RequestPurpose, Shared};
use super::{UserAgent, Waiting};
use crate::dialog::Order;
use crate::header::HeaderName;
use crate::offer_answer::{Carrier, Meaning, OfferAnswerError, Phase};
use crate::transaction::{ClientId, ClientRequest, NewRequest, ServerId};
use crate::{Message, Method, StatusCode};

/// The most requests of ours that may wait for a response in one dialog.
pub(super) const REQUESTS_MAX: usize = 16;
/// The most requests of the peer that may wait for the application in one dialog.
const INCOMING_MAX: usize = 16;
/// The most retries of one request with credentials.
const CHALLENGES_MAX: u8 = 2;

impl UserAgent {
    /// Sends an INFO. `Responded` follows.
    ///
    /// # Errors When the dialog is not confirmed, or too many requests wait.
    pub fn info(
        &mut self,
        dialog: DialogId,
        body: Body,
        headers: ExtraHeaders,
        now: Timestamp,
    ) -> Result<RequestId, CommandError> {
        self.send_within(dialog, Method::Info, headers, Some(body), RequestPurpose::Application, now)
    }

    /// Sends OPTIONS within the dialog. `Responded` follows.
    ///
    /// # Errors As [`Self::info`].
    pub fn options(
        &mut self,
        dialog: DialogId,
        headers: ExtraHeaders,
        now: Timestamp,
    ) -> Result<RequestId, CommandError> {
        self.send_within(dialog, Method::Options, headers, None, RequestPurpose::Application, now)
    }

    /// Sends UPDATE (RFC 3311): with an offer `Renegotiated` or `Refused` follows, without one `Refreshed` or `Refused`.
    ///
    /// # Errors When an offer is open, or as [`Self::info`].
    pub fn update(
        &mut self,
        dialog: DialogId,
        offer: Option<Bytes>,
        headers: ExtraHeaders,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        self.send_update(dialog, offer, headers, RequestPurpose::Change, now).map(|_| ())
    }

    /// Ends the dialog with a BYE. `Released(ByUs)` follows, after the ACK to our 2xx if that is still missing (RFC 3261 §15).
    ///
    /// # Errors When the dialog is not confirmed: cancel our INVITE, or reject the peer's, instead.
    pub fn bye(&mut self, dialog: DialogId, headers: ExtraHeaders, now: Timestamp) -> Result<(), CommandError> {
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        if leg.state.phase != LegPhase::Confirmed || leg.state.bye_wanted.is_some() {
            return Err(CommandError::WrongState("BYE"));
        }
        if leg.state.unacked.is_some() {
            leg.state.bye_wanted = Some(headers);
            return Ok(());
        }
        self.send_bye(dialog, headers, now)
    }

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
            leg.state.session.accept_request(&request, &self.config, now)
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

    // === Requests we send ===

    pub(super) fn send_update(
        &mut self,
        id: DialogId,
        offer: Option<Bytes>,
        headers: ExtraHeaders,
        purpose: RequestPurpose,
        now: Timestamp,
    ) -> Result<RequestId, CommandError> {
        let leg = self.dialogs.get_mut(id.0).ok_or(CommandError::Gone)?;
        let busy = leg.state.offer_answer.phase() != Phase::Stable || leg.state.outgoing.is_some();
        if busy && (offer.is_some() || purpose == RequestPurpose::Refresh) {
            return Err(CommandError::OfferOpen);
        }
        if leg.state.phase != LegPhase::Confirmed {
            return Err(CommandError::WrongState("UPDATE"));
        }
        if offer.is_some() {
            leg.state.offer_answer.sent(Carrier::Update, offer.as_ref()).map_err(|_| CommandError::OfferOpen)?;
        }
        let sent = self.send_within(id, Method::Update, headers, offer.clone().map(Body::sdp), purpose, now);
        if sent.is_err()
            && offer.is_some()
            && let Some(leg) = self.dialogs.get_mut(id.0)
        {
            leg.state.offer_answer.abandon();
        }
        sent
    }

    pub(super) fn send_bye(&mut self, id: DialogId, headers: ExtraHeaders, now: Timestamp) -> Result<(), CommandError> {
        let leg = self.dialogs.get_mut(id.0).ok_or(CommandError::Gone)?;
        if leg.state.outgoing.as_ref().is_some_and(|o| o.stage == OutgoingStage::AckOwed) {
            self.send_ack(id, None, now);
        }
        self.refuse_invite(id, &Reply::new(StatusCode::REQUEST_TERMINATED), now);
        match self.send_within(id, Method::Bye, headers, None, RequestPurpose::Leave, now) {
            // With a full transaction table no BYE is sent; the peer ends the dialog by its own timers.
            Err(CommandError::Transaction(_)) => self.release(id, Release::ByUs, now),
            sent => drop(sent?),
        }
        if let Some(leg) = self.dialogs.get_mut(id.0) {
            leg.state.phase = LegPhase::Leaving;
            leg.state.session.due = None;
            leg.state.glare = None;
        }
        Ok(())
    }

    fn send_within(
        &mut self,
        id: DialogId,
        method: Method,
        headers: ExtraHeaders,
        body: Option<Body>,
        purpose: RequestPurpose,
        now: Timestamp,
    ) -> Result<RequestId, CommandError> {
        let leg = self.dialogs.get(id.0).ok_or(CommandError::Gone)?;
        if leg.state.phase != LegPhase::Confirmed {
            return Err(CommandError::WrongState("a request"));
        }
        let bytes = body.as_ref().map_or(0, |body| body.bytes.len()) + HEAD_BYTES_MAX;
        let fits = leg.clients.len() < REQUESTS_MAX && self.has_room(id, bytes);
        if !fits && purpose != RequestPurpose::Leave {
            return Err(CommandError::WrongState("another request"));
        }
        let (via, branch) = self.new_via(leg.state.dialog.flow);
        let request_id = RequestId(self.entropy.next_u64());
        let leg = self.dialogs.get_mut(id.0).ok_or(CommandError::Gone)?;
        let update = method == Method::Update;
        let mut request = leg.state.dialog.request(method, &via);
        if update {
            request = request
                .header(&HeaderName::Contact, &leg.state.dialog.contact)
                .header(&HeaderName::Allow, ALLOW)
                .header(&HeaderName::Supported, "timer");
            request = with_timer_request(request, leg, &self.config);
        }
        let request = with_headers(request, &headers);
        let request = match &body {
            Some(body) => request.body(&body.content_type, body.bytes.clone()),
            None => request,
        };
        self.track(id, request_id, &request.build(), &branch, purpose, now)?;
        Ok(request_id)
    }

    /// Sends a request of a dialog and records the purpose of its response.
    pub(super) fn track(
        &mut self,
        id: DialogId,
        request: RequestId,
        message: &Message,
        branch: &str,
        purpose: RequestPurpose,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let leg = self.dialogs.get_mut(id.0).ok_or(CommandError::Gone)?;
        let flow = leg.state.dialog.flow;
        let client = self.layer.send(ClientRequest { message, branch, flow, owner: id.0 }, now)?;
        self.changed.insert(id);
        leg.clients.push(client);
        leg.state.requests.push(PendingRequest {
            id: request.0,
            method: message.method(),
            purpose,
            request: self.layer.request_of(client),
        });
        Ok(())
    }

    pub(super) fn response_within(
        &mut self,
        owner: u64,
        client: ClientId,
        status: StatusCode,
        response: Option<Message>,
        now: Timestamp,
    ) {
        let Some(leg) = self.dialogs.get_mut(owner) else { return };
        let Some(at) = leg.clients.iter().position(|c| *c == client) else { return };
        if status.is_provisional() {
            return;
        }
        leg.clients.remove(at);
        let pending = leg.state.requests.remove(at);
        let id = DialogId(owner);
        if let Some(response) = &response
            && self.retry_within(id, &pending, status, response, now)
        {
            return;
        }
        if let Some(leg) = self.dialogs.get_mut(owner) {
            leg.state.challenges = 0;
        }
        let response = response.map(Arc::new);
        match pending.purpose {
            RequestPurpose::Application => {
                let request = RequestId(pending.id);
                self.events.push_back(Event::Responded { dialog: Some(id), request, status, response });
            }
            RequestPurpose::Change | RequestPurpose::Refresh => {
                self.update_response(id, pending.purpose, status, response.clone(), now);
            }
            RequestPurpose::Acknowledge => return,
            RequestPurpose::Leave => {
                self.release(id, Release::ByUs, now);
                return;
            }
        }
        if self.dialogs.get(owner).is_some_and(|leg| leg.state.phase == LegPhase::Inviting) {
            return; // the INVITE's own response says what becomes of it
        }
        // RFC 3261 §12.2.1.2: the peer does not know the dialog, or does not respond.
        let silent = response_is_silence(status, pending.method);
        if status == StatusCode::CALL_DOES_NOT_EXIST || silent {
            self.leave(id, Release::Gone(status), now);
        }
    }

    fn update_response(
        &mut self,
        id: DialogId,
        purpose: RequestPurpose,
        status: StatusCode,
        response: Option<Shared>,
        now: Timestamp,
    ) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let offered = matches!(leg.state.offer_answer.phase(), Phase::Offered(_, Carrier::Update));
        let (true, Some(response)) = (status.is_success(), &response) else {
            if offered {
                leg.state.offer_answer.abandon();
            }
            if status == StatusCode::SESSION_INTERVAL_TOO_SMALL
                && let Some(least) = response.as_deref().and_then(min_se)
            {
                leg.state.session.min_se_s = least; // RFC 4028 §7.3: the next refresh asks for that much
            }
            if purpose == RequestPurpose::Change {
                self.events.push_back(Event::Refused { dialog: id, status, response });
            }
            return;
        };
        let _ = leg.state.dialog.refresh_target(response);
        let body = session_of(response);
        match leg.state.offer_answer.received(Carrier::UpdateSuccess, body) {
            Ok(Meaning::Answer) => {
                leg.state.session.accept_response(response, now);
                let answer = body.cloned().unwrap_or_default();
                self.events.push_back(Event::Renegotiated { dialog: id, answer });
            }
            Ok(_) => self.refreshed(id, response, now),
            Err(_) => self.leave(id, Release::Violation("2xx to UPDATE without a session"), now),
        }
    }

    fn retry_within(
        &mut self,
        id: DialogId,
        pending: &PendingRequest,
        status: StatusCode,
        response: &Message,
        now: Timestamp,
    ) -> bool {
        let Some(leg) = self.dialogs.get(id.0) else { return false };
        let over = leg.state.phase == LegPhase::Leaving && pending.purpose != RequestPurpose::Leave;
        if over || leg.state.challenges >= CHALLENGES_MAX {
            return false;
        }
        let flow = leg.state.dialog.flow;
        let Ok(mut request) = Message::parse(pending.request.clone()) else { return false };
        if !self.authorize(&mut request, status, response) {
            return false;
        }
        let (via, branch) = self.new_via(flow);
        let Some(leg) = self.dialogs.get_mut(id.0) else { return false };
        leg.state.challenges += 1;
        request.set(&HeaderName::Via, via);
        request.set(&HeaderName::CSeq, format_args!("{} {}", leg.state.dialog.next_cseq(), pending.method));
        self.track(id, RequestId(pending.id), &request, &branch, pending.purpose, now).is_ok()
    }

    // === Requests we receive ===

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
        if let Some(request) = self.await_application(id, server, &message, false, now) {
            self.events.push_back(Event::Info { dialog: id, request, message });
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
                leg.state.session.accept_request(&message, &self.config, now)
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
        if self.await_application(id, server, &message, true, now).is_some() {
            let offer = message.body_bytes().clone();
            self.events.push_back(Event::Offered { dialog: id, request: message, offer });
        }
    }

    fn await_application(
        &mut self,
        id: DialogId,
        server: ServerId,
        message: &Shared,
        is_offer: bool,
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
        leg.state.incoming.push(PendingAnswer { id: request, cseq, request: message.to_bytes(), is_offer });
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

/// Whether the peer's silence shows that the dialog has ended (RFC 5057 §5.1).
fn response_is_silence(status: StatusCode, method: Method) -> bool {
    status == StatusCode::REQUEST_TIMEOUT && method != Method::Prack
}
