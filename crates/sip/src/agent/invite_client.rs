//! Our INVITEs: the first one, re-INVITEs, ACK, CANCEL and late responses (RFC 3261 §13.2, §14.1, §9.1).

use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;

use super::UserAgent;
use super::bounds::HEAD_BYTES_MAX;
use super::command::{CommandError, DialogId, ExtraHeaders, Invite, Provisionals};
use super::compose::{ALLOW, SUPPORTED, SUPPORTED_PLAIN, session_of, with_headers, with_parts, with_session};
use super::event::{Event, Release, Session};
use super::leg::Leg;
use super::session_timer::with_timer_request;
use super::state::{InvitePurpose, LegPhase, OutgoingInvite, OutgoingStage, Shared};
use crate::dialog::{Dialog, MAX_FORWARDS};
use crate::header::HeaderName;
use crate::multipart::BodyPart;
use crate::offer_answer::{Carrier, Meaning};
use crate::transaction::{ClientId, ClientRequest, ClientState};
use crate::{HeaderError, Message, Method, StatusCode};

impl UserAgent {
    /// Begins a dialog.
    ///
    /// # Errors
    /// When the tag is taken or the agent is full.
    pub fn invite(&mut self, invite: Invite, now: Timestamp) -> Result<DialogId, CommandError> {
        if self.by_tag.contains_key(invite.local.tag.as_str()) {
            return Err(CommandError::TagTaken);
        }
        let dialog = Dialog {
            call_id: invite.call_id.into(),
            local: format!("{};tag={}", invite.from, invite.local.tag).into(),
            local_tag: invite.local.tag.into(),
            remote_tag: "".into(),
            remote: invite.to.into(),
            contact: invite.local.contact.into(),
            remote_target: invite.target.into(),
            routes: invite.routes.into_iter().map(Into::into).collect(),
            local_cseq: 0,
            remote_cseq: None,
            flow: invite.flow,
        };
        let mut leg = Leg::new(dialog, LegPhase::Inviting);
        leg.state.account = invite.account.map(Into::into);
        leg.state.terms = invite.terms;
        let id = self.insert_leg(leg).ok_or(CommandError::Full)?;
        let may_be_reliable = invite.offer.is_some() && !invite.terms.hides_100rel;
        let provisionals = if may_be_reliable { invite.provisionals } else { Provisionals::Plain };
        let sent = self.send_invite(
            id,
            &invite.headers,
            (invite.offer.as_ref(), invite.parts.as_slice(), provisionals, invite.max_forwards),
            InvitePurpose::Begin,
            now,
        );
        if let Err(error) = sent {
            self.remove_leg(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Offers a change of the session by re-INVITE; without an offer it requests one from the peer. `Renegotiated`,
    /// `Proposed` or `Refused` follows; after glare with the peer's own INVITE (491) `GlareOver`, when it may be sent again.
    ///
    /// # Errors
    /// When an INVITE or an offer is under way in either direction.
    pub fn reinvite(
        &mut self,
        dialog: DialogId,
        offer: Option<Bytes>,
        headers: ExtraHeaders,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        self.send_reinvite(dialog, offer, headers, InvitePurpose::Change, now)
    }

    /// Answers the offer in a 2xx to our INVITE (`Answered` with `Session::Offer`, or `Proposed`).
    ///
    /// # Errors
    /// When no such offer waits.
    pub fn ack(&mut self, dialog: DialogId, answer: Bytes, now: Timestamp) -> Result<(), CommandError> {
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        if !leg.state.outgoing.as_ref().is_some_and(|o| o.stage == OutgoingStage::AckOwed) {
            return Err(CommandError::WrongState("ACK"));
        }
        let _ = leg.state.offer_answer.sent(Carrier::Ack, Some(&answer));
        self.send_ack(dialog, Some(&answer), now);
        Ok(())
    }

    /// Cancels our first INVITE. `Failed` follows, usually with 487. If the peer answered before the CANCEL arrived, a
    /// BYE ends the call and `Released` follows.
    ///
    /// # Errors
    /// When it has its final response already.
    pub fn cancel(&mut self, dialog: DialogId, headers: ExtraHeaders, now: Timestamp) -> Result<(), CommandError> {
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        if leg.state.phase != LegPhase::Inviting {
            return Err(CommandError::WrongState("CANCEL"));
        }
        let (Some(outgoing), Some(client)) = (&mut leg.state.outgoing, leg.invite_client) else {
            return Err(CommandError::WrongState("CANCEL"));
        };
        if outgoing.stage == OutgoingStage::Pending {
            outgoing.stage = OutgoingStage::CancelWanted;
            leg.state.bye_wanted = Some(headers.clone());
            if self.layer.client_state(client) == Some(ClientState::Proceeding)
                && let Some(cancel) = self.layer.send_cancel(client, &headers, now)
            {
                outgoing.stage = OutgoingStage::Cancelled;
                leg.cancel_client = Some(cancel);
            }
        }
        Ok(())
    }

    /// Cancels our re-INVITE, if the peer has sent provisional responses alone. Its failure follows, usually with 487, and the session stays as
    /// it was (RFC 3261 section 14.1). A peer that answers nothing at all is given up by the transaction.
    pub fn cancel_reinvite(&mut self, dialog: DialogId, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(dialog.0).filter(|leg| leg.state.phase == LegPhase::Confirmed) else {
            return;
        };
        let (Some(outgoing), Some(client)) = (&mut leg.state.outgoing, leg.invite_client) else { return };
        if outgoing.stage == OutgoingStage::Pending
            && self.layer.client_state(client) == Some(ClientState::Proceeding)
            && let Some(cancel) = self.layer.send_cancel(client, &[], now)
        {
            outgoing.stage = OutgoingStage::Cancelled;
            leg.cancel_client = Some(cancel);
            self.changed.insert(dialog);
        }
    }

    pub(super) fn send_reinvite(
        &mut self,
        id: DialogId,
        offer: Option<Bytes>,
        headers: ExtraHeaders,
        purpose: InvitePurpose,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let leg = self.dialogs.get(id.0).ok_or(CommandError::Gone)?;
        let state = &leg.state;
        if state.phase != LegPhase::Confirmed || state.bye_wanted.is_some() {
            return Err(CommandError::WrongState("re-INVITE"));
        }
        if !self.has_room(id, 2 * offer.as_ref().map_or(0, Bytes::len) + HEAD_BYTES_MAX) {
            return Err(CommandError::WrongState("a re-INVITE beside what waits"));
        }
        if !leg.may_offer() {
            return Err(CommandError::OfferOpen);
        }
        self.send_invite(id, &headers, (offer.as_ref(), &[], Provisionals::Plain, MAX_FORWARDS), purpose, now)
    }

    fn send_invite(
        &mut self,
        id: DialogId,
        headers: &ExtraHeaders,
        (offer, parts, provisionals, max_forwards): (Option<&Bytes>, &[BodyPart], Provisionals, u8),
        purpose: InvitePurpose,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let flow = self.dialogs.get(id.0).ok_or(CommandError::Gone)?.state.dialog.flow;
        let (via, branch) = self.new_via(flow);
        let leg = self.dialogs.get_mut(id.0).ok_or(CommandError::Gone)?;
        leg.state.offer_answer.sent(Carrier::Invite, offer).map_err(|_| CommandError::OfferOpen)?;
        let supported = match provisionals {
            Provisionals::Reliable => SUPPORTED,
            Provisionals::Plain if leg.state.terms.hides_100rel => SUPPORTED_PLAIN,
            Provisionals::Plain => "timer",
        };
        let mut request = leg
            .state
            .dialog
            .request(Method::Invite, &via)
            .header(&HeaderName::Contact, &leg.state.dialog.contact)
            .header(&HeaderName::Allow, ALLOW)
            .header(&HeaderName::Supported, supported);
        if let Some(product) = &self.config.product {
            request = request.header(&HeaderName::UserAgent, product);
        }
        let request = with_headers(with_timer_request(request, leg, &self.config), headers);
        let mut request = with_parts(request, offer, parts).build();
        request.set(&HeaderName::MaxForwards, max_forwards);
        self.config.invite_edits.make(leg.state.account.as_deref(), &mut request);
        let cseq = leg.state.dialog.local_cseq;
        let sent = self.layer.send(ClientRequest { message: &request, branch: &branch, flow, owner: id.0 }, now);
        let client = sent.inspect_err(|_| leg.state.offer_answer.abandon())?;
        self.changed.insert(id);
        leg.follow(client, &self.layer);
        leg.state.outgoing = Some(OutgoingInvite {
            cseq,
            stage: OutgoingStage::Pending,
            provisionals,
            forks: Vec::new(),
            purpose,
            request: self.layer.request_of(client),
        });
        Ok(())
    }

    // === Responses ===

    pub(super) fn invite_response(&mut self, owner: u64, client: ClientId, response: Message, now: Timestamp) {
        let Some(status) = response.status() else { return };
        let id = DialogId(owner);
        let pending = self.dialogs.get(owner).is_some_and(|l| l.invite_client == Some(client) && l.invite_pending());
        if !pending {
            let known = self.dialogs.get(owner).is_some_and(|leg| {
                response.to().is_ok_and(|to| to.tag().unwrap_or_default() == &*leg.state.dialog.remote_tag)
            });
            if status.is_success() && !known {
                self.decline_success(client, &response, now);
                self.has_changed(id);
            } else if status.is_provisional() && self.layer.cancel(client, &[], now) {
                self.has_changed(id);
            }
            if status.is_provisional() && self.dialogs.get(owner).is_none() {
                // The dialog ended before any response came. Nothing else ends this transaction, and its final response
                // may never come.
                self.layer.give_up_at(client, now + self.layer.intervals().patience());
            }
            return;
        }
        let response = Arc::new(response);
        if status.is_provisional() {
            self.invite_progress(id, client, response, status, now);
        } else if status.is_success() {
            self.invite_success(id, client, response, now);
        } else {
            self.invite_failure(id, status, Some(response), now);
        }
    }

    fn invite_success(&mut self, id: DialogId, client: ClientId, response: Shared, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let Some(outgoing) = &leg.state.outgoing else { return };
        if outgoing.purpose != InvitePurpose::Begin {
            self.reinvite_success(id, &response, now);
            return;
        }
        if outgoing.stage != OutgoingStage::Pending {
            return self.give_back(id, client, response, now);
        }
        if leg.establish(&response).is_err() {
            self.decline_success(client, &response, now);
            self.fail(id, StatusCode::BAD_GATEWAY, Some(response), now);
            return;
        }
        let body = session_of(&response);
        let Ok(meaning) = leg.state.offer_answer.received(Carrier::Success, body) else {
            self.decline_success(client, &response, now);
            self.fail(id, StatusCode::NOT_ACCEPTABLE_HERE, Some(response), now);
            return;
        };
        leg.state.phase = LegPhase::Confirmed;
        leg.state.session.accept_response(&response, now);
        Self::note_capabilities(leg, &response);
        let session = session_from(meaning, body);
        self.owe_or_send_ack(id, meaning, now);
        self.events.push_back(Event::Answered { dialog: id, response, session });
    }

    fn reinvite_success(&mut self, id: DialogId, response: &Shared, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let Some(purpose) = leg.state.outgoing.as_ref().map(|o| o.purpose) else { return };
        let _ = leg.state.dialog.refresh_target(response);
        Self::note_capabilities(leg, response);
        leg.state.glare_attempts = 0;
        let settled = leg.state.offer_answer.remote().cloned();
        let body = session_of(response);
        let Ok(meaning) = leg.state.offer_answer.received(Carrier::Success, body) else {
            self.send_ack(id, None, now);
            self.leave(id, Release::Violation("2xx without a session"), now);
            return;
        };
        leg.state.session.accept_response(response, now);
        self.owe_or_send_ack(id, meaning, now);
        let event = match (meaning, body.cloned()) {
            (Meaning::Offer, Some(offer)) => Event::Proposed { dialog: id, offer },
            (_, answer) if purpose == InvitePurpose::Refresh && (answer == settled || answer.is_none()) => {
                Event::Refreshed { dialog: id }
            }
            (_, Some(answer)) => Event::Renegotiated { dialog: id, answer },
            (_, None) => return,
        };
        self.events.push_back(event);
    }

    fn owe_or_send_ack(&mut self, id: DialogId, meaning: Meaning, now: Timestamp) {
        if meaning != Meaning::Offer {
            self.send_ack(id, None, now);
        } else if let Some(outgoing) = self.dialogs.get_mut(id.0).and_then(|leg| leg.state.outgoing.as_mut()) {
            outgoing.stage = OutgoingStage::AckOwed;
            outgoing.forks = Vec::new();
        }
    }

    pub(super) fn send_ack(&mut self, id: DialogId, answer: Option<&Bytes>, _: Timestamp) {
        let Some(flow) = self.dialogs.get(id.0).map(|leg| leg.state.dialog.flow) else { return };
        let (via, _) = self.new_via(flow);
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let Some(outgoing) = leg.state.outgoing.take() else { return };
        let mut ack = leg.state.dialog.ack(&via, outgoing.cseq);
        let has_credentials = leg.state.account.is_some() || self.config.credentials.is_some();
        if has_credentials && let Ok(invite) = Message::parse(outgoing.request) {
            // RFC 3261 §22.1: the ACK carries the credentials of its INVITE.
            for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
                for value in invite.headers(&name) {
                    ack = ack.header(&name, value);
                }
            }
        }
        leg.state.challenges = 0;
        let bytes = with_session(ack, answer).build().to_bytes();
        match leg.invite_client {
            Some(client) => self.layer.acknowledge(client, &leg.state.dialog.remote_tag, bytes, flow),
            // The application took longer than the transaction lasts, and the dialog has moved to another agent since.
            None => self.layer.transmit(flow, bytes),
        }
    }
}

impl Leg {
    /// Establishes the dialog from a 2xx to our first INVITE, starting from the early dialog of its fork if there is
    /// one.
    pub(super) fn establish(&mut self, response: &Message) -> Result<(), HeaderError> {
        let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or_default().to_owned();
        let forks = self.state.outgoing.as_mut().map(|outgoing| std::mem::take(&mut outgoing.forks));
        if let Some(early) = forks.into_iter().flatten().find(|fork| *fork.dialog.remote_tag == *tag) {
            self.state.dialog = Dialog { flow: self.state.dialog.flow, ..early.dialog };
            self.state.offer_answer = early.offer_answer;
        }
        self.state.dialog.establish(response)
    }
}

/// What a response's body means to the application.
pub(super) fn session_from(meaning: Meaning, body: Option<&Bytes>) -> Session {
    match (meaning, body) {
        (Meaning::Answer, Some(body)) => Session::Answer(body.clone()),
        (Meaning::Offer, Some(body)) => Session::Offer(body.clone()),
        (Meaning::Preview, Some(body)) => Session::Preview(body.clone()),
        _ => Session::Nothing,
    }
}
