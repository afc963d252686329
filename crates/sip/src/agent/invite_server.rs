//! The peer's first INVITE: provisional responses (reliable if needed), the answer, the refusal, CANCEL (RFC 3261 §13.3, §9.2; RFC 3262
//! §3).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::Timestamp;

use super::UserAgent;
use super::command::{CommandError, DialogId, DialogTerms, LocalIdentity, Provisionals, Reliability, Reply};
use super::compose::{RETRY_AFTER_BOUND_S, refit, session_of, with_capabilities, with_reply, with_session};
use super::event::{Event, Release};
use super::leg::Leg;
use super::session_timer::TimerHeaders;
use super::state::{IncomingInvite, LegPhase, QueuedReply, Shared, Unacknowledged, Unpracked};
use crate::dialog::Dialog;
use crate::header::HeaderName;
use crate::location::Geolocation;
use crate::offer_answer::Carrier;
use crate::transaction::{NewRequest, Repeat, ServerId};
use crate::{Message, Rule, StatusCode};

/// How often a provisional response is repeated so that no proxy times out (RFC 3261 §13.3.1.1).
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// The most responses queued until a PRACK comes.
const QUEUED_MAX: usize = 8;
/// The largest first RSeq (RFC 3262 §3).
const RSEQ_START_MAX: u64 = (1 << 31) - 1;

impl UserAgent {
    /// Gives an incoming dialog our tag and contact. Call it before any response other than a rejection.
    ///
    /// # Errors
    /// When the tag is taken, or the dialog has one.
    pub fn identify(&mut self, dialog: DialogId, local: LocalIdentity) -> Result<(), CommandError> {
        if self.by_tag.contains_key(local.tag.as_str()) {
            return Err(CommandError::TagTaken);
        }
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        if leg.state.phase != LegPhase::Ringing || !leg.state.dialog.local_tag.is_empty() {
            return Err(CommandError::WrongState("an identity"));
        }
        leg.state.dialog.identify(&local.tag, &local.contact);
        self.by_tag.insert(leg.state.dialog.local_tag.clone(), dialog);
        Ok(())
    }

    /// Sets what holds in an incoming dialog alone. Call it before any response.
    pub fn set_terms(&mut self, dialog: DialogId, terms: DialogTerms) {
        if let Some(leg) = self.dialogs.get_mut(dialog.0) {
            leg.state.terms = terms;
        }
    }

    /// Sends a provisional response to the peer's first INVITE: reliably, if the caller requires it.
    ///
    /// # Errors
    /// When the INVITE has its final response, or the dialog has no identity.
    pub fn provisional(&mut self, dialog: DialogId, reply: Reply, now: Timestamp) -> Result<(), CommandError> {
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        if leg.state.phase != LegPhase::Ringing || !reply.status.is_provisional() || !leg.identified() {
            return Err(CommandError::WrongState("a provisional response"));
        }
        let Some(answering) = &mut leg.state.answering else { return Err(CommandError::Gone) };
        if answering.unpracked.is_some() {
            return queue(answering, reply);
        }
        self.send_provisional(dialog, &reply, now)
    }

    /// Answers the peer's first INVITE with a 2xx. `Acknowledged` or `Released` follows.
    ///
    /// # Errors
    /// When the INVITE has its final response, the dialog has no identity, or the session is missing.
    pub fn answer(&mut self, dialog: DialogId, reply: Reply, now: Timestamp) -> Result<(), CommandError> {
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        if leg.state.phase != LegPhase::Ringing || !reply.status.is_success() || !leg.identified() {
            return Err(CommandError::WrongState("an answer"));
        }
        let Some(answering) = &mut leg.state.answering else { return Err(CommandError::Gone) };
        if answering.unpracked.is_some() {
            return queue(answering, reply);
        }
        self.send_success(dialog, &reply, now)
    }

    /// Refuses the peer's first INVITE with 3xx to 6xx. `Released(ByUs)` follows.
    ///
    /// # Errors
    /// When the INVITE has its final response.
    pub fn reject(&mut self, dialog: DialogId, reply: Reply, now: Timestamp) -> Result<(), CommandError> {
        let leg = self.dialogs.get(dialog.0).ok_or(CommandError::Gone)?;
        if leg.state.phase != LegPhase::Ringing || reply.status.class() < 3 {
            return Err(CommandError::WrongState("a rejection"));
        }
        self.refuse_invite(dialog, &reply, now);
        self.release(dialog, Release::ByUs, now);
        Ok(())
    }

    // === The first INVITE ===

    pub(super) fn incoming_invite(&mut self, new: NewRequest, location: Option<Geolocation>, now: Timestamp) {
        let NewRequest { server, message, flow, .. } = new;
        if self.refuse_oversized(None, server, &message, "", now) {
            return;
        }
        let key = initial_key(&message);
        if let Some(&id) = self.initial.get(&key) {
            self.repeated_invite(id, server, message, now);
            return;
        }
        let fault = self.session_fault_response(&message, "").or_else(|| self.interval_fault(&message, ""));
        if let Some(response) = fault {
            let _ = self.layer.respond(server, &response, now);
            return;
        }
        let dialog = match Dialog::of_request(&message, flow) {
            Ok(dialog) => dialog,
            Err(error) => {
                let too_large = error.rule == Rule::TooMany;
                let status = if too_large { StatusCode::MESSAGE_TOO_LARGE } else { StatusCode::BAD_REQUEST };
                self.respond_plain(server, &message, status, "", now);
                return;
            }
        };
        let mut leg = Leg::new(dialog, LegPhase::Ringing);
        let message = Arc::new(message);
        leg.state.answering = Some(self.begin_answering(&message));
        // A new dialog has no open offer.
        let _ = leg.state.offer_answer.received(Carrier::Invite, session_of(&message));
        leg.request = Some(message.clone());
        leg.invite_server = Some(server);
        Self::note_capabilities(&mut leg, &message);
        let Some(id) = self.insert_leg(leg) else {
            self.respond_plain(server, &message, StatusCode::SERVICE_UNAVAILABLE, "", now);
            return;
        };
        self.layer.own(server, id.0);
        self.events.push_back(Event::Incoming { dialog: id, request: message, location, flow });
    }

    /// A known INVITE in another transaction: it came by two paths (§8.2.2.2), or a proxy repeats it to the successor
    /// of a failed node.
    fn repeated_invite(&mut self, id: DialogId, server: ServerId, message: Message, now: Timestamp) {
        let Some(leg) = self.dialogs.get(id.0) else { return };
        let cseq = message.cseq().map_or(0, |c| c.number);
        let tag = leg.state.dialog.local_tag.clone();
        let unacked = leg.state.unacked.as_ref().is_some_and(|u| u.cseq == cseq);
        let open = leg.state.answering.as_ref().is_some_and(|a| a.cseq == cseq);
        if leg.restored && (unacked || open) {
            self.rebind_invite(id, server, message, now);
        } else if unacked || open || leg.state.dialog.remote_cseq == Some(cseq) {
            self.respond_plain(server, &message, StatusCode::LOOP_DETECTED, &tag, now);
        } else {
            self.respond_plain(server, &message, StatusCode::CALL_DOES_NOT_EXIST, &tag, now);
        }
    }

    pub(super) fn rebind_invite(&mut self, id: DialogId, server: ServerId, message: Message, now: Timestamp) {
        self.layer.own(server, id.0);
        let Some(flow) = self.layer.server_flow(server) else { return };
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        // From here on it has arrived in this run.
        leg.restored = false;
        // The former transaction leads nowhere any more; left open, it would never end.
        if let Some(former) = leg.invite_server.replace(server).filter(|former| *former != server) {
            self.layer.drop_server(former);
        }
        if let Some(unacked) = &mut leg.state.unacked {
            let Some(response) = refit(&unacked.response, &message) else { return };
            unacked.flow = flow;
            unacked.response = response.to_bytes();
            let _ = self.layer.respond(server, &response, now);
            return;
        }
        let Some(answering) = &mut leg.state.answering else { return };
        answering.request = message.to_bytes();
        let last = match (&mut answering.unpracked, &mut answering.keep_alive) {
            (Some(unpracked), _) => Some(&mut unpracked.response),
            (None, Some((_, response))) => Some(response),
            (None, None) => None,
        };
        if let Some(last) = last
            && let Some(response) = refit(last, &message)
        {
            *last = response.to_bytes();
            let _ = self.layer.respond(server, &response, now);
        }
        leg.request = Some(Arc::new(message));
    }

    pub(super) fn begin_answering(&self, request: &Message) -> IncomingInvite {
        let required = request.has_token(&HeaderName::Require, "100rel");
        let supported = request.has_token(&HeaderName::Supported, "100rel");
        let reliable = required || (supported && self.config.reliability == Reliability::WhenSupported);
        IncomingInvite {
            request: request.to_bytes(),
            cseq: request.cseq().map_or(0, |c| c.number),
            unpracked: None,
            queued: Vec::new(),
            keep_alive: None,
            provisionals: if reliable { Provisionals::Reliable } else { Provisionals::Plain },
        }
    }

    // === Responses to the first INVITE ===

    fn send_provisional(&mut self, id: DialogId, reply: &Reply, now: Timestamp) -> Result<(), CommandError> {
        let tag = self.dialogs.get(id.0).ok_or(CommandError::Gone)?.state.dialog.local_tag.clone();
        let request = self.invite_request(id)?;
        let mut response = self.plain_response(&request, reply.status, &tag);
        let t1 = self.layer.intervals().t1;
        let end = now + self.layer.intervals().patience();
        let first_rseq = self.entropy.below(RSEQ_START_MAX) + 1;
        let leg = self.dialogs.get_mut(id.0).ok_or(CommandError::Gone)?;
        let server = leg.invite_server.ok_or(CommandError::Gone)?;
        let Some(answering) = &mut leg.state.answering else { return Err(CommandError::Gone) };
        let reliable = answering.provisionals == Provisionals::Reliable && reply.status != StatusCode::TRYING;
        if reply.status == StatusCode::TRYING {
            let _ = self.layer.respond(server, &response.build(), now);
            return Ok(());
        }
        let session = reply.body.as_ref().filter(|b| b.content_type == super::compose::SDP).map(|b| &b.bytes);
        let carrier = if reliable { Carrier::ReliableProvisional } else { Carrier::Provisional };
        leg.state.offer_answer.sent(carrier, session).map_err(|_| CommandError::OfferOpen)?;
        let mut rseq = 0;
        if reliable {
            if leg.state.next_rseq == 0 {
                leg.state.next_rseq = u32::try_from(first_rseq).unwrap_or(1);
            }
            rseq = leg.state.next_rseq;
            leg.state.next_rseq = rseq.wrapping_add(1);
            response = response.header(&HeaderName::Require, "100rel").header(&HeaderName::RSeq, rseq);
        }
        let response = with_reply(with_capabilities(response, leg), reply).build();
        let bytes = response.to_bytes();
        if let Some(answering) = &mut leg.state.answering {
            if reliable {
                answering.unpracked = Some(Unpracked { rseq, response: bytes, repeat: Repeat::after(t1, now), end });
            } else {
                answering.keep_alive = Some((now + KEEP_ALIVE, bytes));
            }
        }
        let _ = self.layer.respond(server, &response, now);
        self.arm(id);
        Ok(())
    }

    pub(super) fn send_success(&mut self, id: DialogId, reply: &Reply, now: Timestamp) -> Result<(), CommandError> {
        let request = self.invite_request(id)?;
        let session = reply.body.as_ref().map(|b| &b.bytes);
        let leg = self.dialogs.get_mut(id.0).ok_or(CommandError::Gone)?;
        leg.state
            .offer_answer
            .sent(Carrier::Success, session)
            .map_err(|_| CommandError::WrongState("an answer without a session"))?;
        let timer = leg.state.session.accept_request(&request, (&self.config, leg.state.terms), now);
        let tag = leg.state.dialog.local_tag.clone();
        let response = self.plain_response(&request, reply.status, &tag);
        let Some(leg) = self.dialogs.get(id.0) else { return Err(CommandError::Gone) };
        let response = with_reply(timer.add_to(with_capabilities(response, leg)), reply).build();
        self.finish_success(id, &response, now);
        Ok(())
    }

    /// Sends a 2xx to an INVITE and repeats it until its ACK comes (§13.3.1.4).
    fn finish_success(&mut self, id: DialogId, response: &Message, now: Timestamp) {
        let intervals = *self.layer.intervals();
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let (Some(server), Some(answering)) = (leg.invite_server, leg.state.answering.take()) else { return };
        leg.request = None;
        leg.state.phase = LegPhase::Confirmed;
        let flow = self.layer.server_flow(server).unwrap_or(leg.state.dialog.flow);
        leg.state.unacked = Some(Unacknowledged {
            cseq: answering.cseq,
            response: response.to_bytes(),
            flow,
            repeat: Repeat::after(intervals.t1, now),
            end: now + intervals.patience(),
        });
        let _ = self.layer.respond(server, response, now);
        self.arm(id);
    }

    /// Sends a failure response to the peer's INVITE, first or later.
    pub(super) fn refuse_invite(&mut self, id: DialogId, reply: &Reply, now: Timestamp) {
        let Ok(request) = self.invite_request(id) else { return };
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        leg.state.answering = None;
        leg.request = None;
        leg.state.offer_answer.abandon();
        let (Some(server), tag) = (leg.invite_server, leg.state.dialog.local_tag.clone()) else { return };
        let response = with_reply(self.plain_response(&request, reply.status, &tag), reply).build();
        let _ = self.layer.respond(server, &response, now);
    }

    fn invite_request(&mut self, id: DialogId) -> Result<Shared, CommandError> {
        self.dialogs.get_mut(id.0).and_then(Leg::invite_request).ok_or(CommandError::Gone)
    }

    // === CANCEL ===

    pub(super) fn incoming_cancel(&mut self, new: NewRequest, now: Timestamp) {
        let NewRequest { server, message, cancels, .. } = new;
        let Some((invite, owner)) = cancels else {
            self.respond_plain(server, &message, StatusCode::CALL_DOES_NOT_EXIST, "", now);
            return;
        };
        let id = DialogId(owner);
        let tag = self.dialogs.get(owner).map(|leg| leg.state.dialog.local_tag.clone()).unwrap_or_default();
        self.respond_plain(server, &message, StatusCode::OK, &tag, now);
        let Some(leg) = self.dialogs.get(owner) else { return };
        if leg.invite_server != Some(invite) || leg.state.answering.is_none() {
            return; // answered already: the CANCEL has no effect (§9.2)
        }
        let first = leg.state.phase == LegPhase::Ringing;
        self.refuse_invite(id, &Reply::new(StatusCode::REQUEST_TERMINATED), now);
        if first {
            self.release(id, Release::Cancelled(Arc::new(message)), now);
        }
    }

    // === Responses to an offer ===

    /// 500 with Retry-After, for a request that arrives while another of its kind is unanswered (§14.2).
    pub(super) fn respond_busy(&mut self, server: ServerId, request: &Message, tag: &str, now: Timestamp) {
        let wait = self.entropy.below(RETRY_AFTER_BOUND_S);
        let response = self
            .plain_response(request, StatusCode::SERVER_INTERNAL_ERROR, tag)
            .header(&HeaderName::RetryAfter, wait)
            .build();
        let _ = self.layer.respond(server, &response, now);
    }

    /// Answers an offer or refresh within a dialog with 200.
    pub(super) fn session_response(
        &mut self,
        id: DialogId,
        request: &Message,
        session: Option<&Bytes>,
        timer: TimerHeaders,
    ) -> Option<Message> {
        let tag = self.dialogs.get(id.0)?.state.dialog.local_tag.clone();
        let response = self.plain_response(request, StatusCode::OK, &tag);
        let leg = self.dialogs.get(id.0)?;
        Some(with_session(timer.add_to(with_capabilities(response, leg)), session).build())
    }
}

fn queue(answering: &mut IncomingInvite, reply: Reply) -> Result<(), CommandError> {
    if answering.queued.len() == QUEUED_MAX {
        return Err(CommandError::WrongState("another response before the PRACK"));
    }
    answering.queued.push(QueuedReply {
        status: reply.status.code(),
        headers: reply.headers,
        session: reply.body.map(|b| b.bytes),
    });
    Ok(())
}

/// The key of an INVITE without a To tag; the same on every path.
pub(super) fn initial_key(invite: &Message) -> Box<str> {
    let tag = invite.from().ok().and_then(|from| from.tag()).unwrap_or_default();
    format!("{}\n{tag}", invite.call_id().unwrap_or_default()).into()
}
