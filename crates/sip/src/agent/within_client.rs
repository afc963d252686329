//! Our requests within a dialog other than INVITE: BYE, INFO, NOTIFY, REFER, UPDATE, OPTIONS, and their responses.

use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;

use super::UserAgent;
use super::authorize::CHALLENGES_MAX;
use super::bounds::HEAD_BYTES_MAX;
use super::command::{Body, CommandError, DialogId, ExtraHeaders, Reply, RequestId};
use super::compose::{ALLOW, session_of, with_headers};
use super::event::{Event, Release};
use super::session_timer::{min_se, with_timer_request};
use super::state::{LegPhase, OutgoingStage, PendingRequest, RequestPurpose, Shared};
use crate::header::HeaderName;
use crate::offer_answer::{Carrier, Meaning, Phase};
use crate::transaction::{ClientId, ClientRequest};
use crate::{Message, Method, StatusCode};

/// The most requests of ours that may wait for a response in one dialog.
pub(super) const REQUESTS_MAX: usize = 16;

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

    /// Sends an INFO whose body is in no snapshot: a successor knows nothing of it and does not send it again. `Responded` follows.
    ///
    /// # Errors As [`Self::info`].
    pub fn secret_info(&mut self, dialog: DialogId, body: Body, now: Timestamp) -> Result<RequestId, CommandError> {
        let request = self.info(dialog, body, Vec::new(), now)?;
        self.keep_last_request_secret(dialog);
        Ok(request)
    }

    fn keep_last_request_secret(&mut self, dialog: DialogId) {
        if let Some(pending) = self.dialogs.get_mut(dialog.0).and_then(|leg| leg.state.requests.last_mut()) {
            pending.is_secret = true;
        }
    }

    /// Sends a NOTIFY of an implicit subscription (RFC 3515 §2.4.4). `Responded` follows.
    ///
    /// # Errors As [`Self::info`].
    pub fn notify(
        &mut self,
        dialog: DialogId,
        body: Body,
        headers: ExtraHeaders,
        now: Timestamp,
    ) -> Result<RequestId, CommandError> {
        self.send_within(dialog, Method::Notify, headers, Some(body), RequestPurpose::Application, now)
    }

    /// Asks the peer to go on with another party, which `Refer-To` among the headers names (RFC 3515 §2.4.1). `Responded` follows; how
    /// it goes is told by `Notified`.
    ///
    /// # Errors As [`Self::info`].
    pub fn refer(
        &mut self,
        dialog: DialogId,
        headers: ExtraHeaders,
        now: Timestamp,
    ) -> Result<RequestId, CommandError> {
        let sent = self.send_within(dialog, Method::Refer, headers, None, RequestPurpose::Application, now)?;
        if let Some(leg) = self.dialogs.get_mut(dialog.0) {
            leg.has_referred = true;
        }
        Ok(sent)
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
        // Mandatory in each of them (RFC 3311 §4.1, RFC 3515 §2.2, RFC 6665 §8.2.1).
        let has_contact = update || matches!(method, Method::Refer | Method::Notify);
        let mut request = leg.state.dialog.request(method, &via);
        if has_contact {
            request = request.header(&HeaderName::Contact, &leg.state.dialog.contact);
        }
        if update {
            request = request.header(&HeaderName::Allow, ALLOW).header(&HeaderName::Supported, "timer");
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
            is_secret: false,
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
        // What happens to a NOTIFY concerns its subscription alone (RFC 5057 section 5.1, RFC 6665 section 4.2.2).
        let silent = response_is_silence(status, pending.method.clone());
        let of_dialog = pending.method != Method::Notify;
        if of_dialog && (status == StatusCode::CALL_DOES_NOT_EXIST || silent) {
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
            match (purpose, status) {
                (RequestPurpose::Change, _) => {
                    self.events.push_back(Event::Refused { dialog: id, status, response });
                }
                (_, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) => {
                    self.refresh_without_update(id, now);
                }
                _ => {}
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
        if !self.authorize(Some(id), &mut request, status, response) {
            return false;
        }
        let (via, branch) = self.new_via(flow);
        let Some(leg) = self.dialogs.get_mut(id.0) else { return false };
        leg.state.challenges += 1;
        request.set(&HeaderName::Via, via);
        request.set(&HeaderName::CSeq, format_args!("{} {}", leg.state.dialog.next_cseq(), pending.method));
        let sent = self.track(id, RequestId(pending.id), &request, &branch, pending.purpose, now).is_ok();
        if sent && pending.is_secret {
            self.keep_last_request_secret(id);
        }
        sent
    }
}

/// Whether the peer's silence shows that the dialog has ended (RFC 5057 §5.1).
fn response_is_silence(status: StatusCode, method: Method) -> bool {
    status == StatusCode::REQUEST_TIMEOUT && method != Method::Prack
}
