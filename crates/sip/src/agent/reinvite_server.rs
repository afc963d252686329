//! The peer's re-INVITEs: a refresh is answered here, an offer waits for the application (RFC 3261 §14.2).

use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;

use super::UserAgent;
use super::command::{CommandError, DialogId, Reply};
use super::compose::session_of;
use super::event::Event;
use super::state::LegPhase;
use crate::offer_answer::{Carrier, OfferAnswerError, Phase};
use crate::transaction::ServerId;
use crate::{Message, StatusCode};

impl UserAgent {
    pub(super) fn incoming_reinvite(&mut self, id: DialogId, server: ServerId, message: Message, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let tag = leg.state.dialog.local_tag.clone();
        if leg.state.answering.is_some() {
            self.respond_busy(server, &message, &tag, now);
            return;
        }
        // A peer that sends another INVITE has received our 2xx; its ACK was lost, for example with a failed node (RFC
        // 5407 §3.1.4). An ACK that carries the answer must still come.
        if leg.state.unacked.is_some() && leg.state.offer_answer.phase() == Phase::Stable {
            self.events.push_back(Event::Acknowledged { dialog: id, answer: None });
            self.success_arrived(id, now);
        }
        let Some(leg) = self.dialogs.get(id.0) else { return };
        let state = &leg.state;
        if state.outgoing.is_some() || state.unacked.is_some() || state.phase != LegPhase::Confirmed {
            self.respond_plain(server, &message, StatusCode::REQUEST_PENDING, &tag, now);
            return;
        }
        let fault = self.session_fault_response(&message, &tag).or_else(|| self.interval_fault(&message, &tag));
        if let Some(response) = fault {
            let _ = self.layer.respond(server, &response, now);
            return;
        }
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let body = session_of(&message);
        let unchanged = body.is_some() && body == leg.state.offer_answer.remote();
        match leg.state.offer_answer.received(Carrier::Invite, body) {
            Ok(_) => {}
            Err(OfferAnswerError::Glare) => {
                self.respond_plain(server, &message, StatusCode::REQUEST_PENDING, &tag, now);
                return;
            }
            Err(_) => {
                self.respond_busy(server, &message, &tag, now);
                return;
            }
        }
        let _ = leg.state.dialog.refresh_target(&message);
        Self::note_capabilities(leg, &message);
        let offer = body.cloned();
        let message = Arc::new(message);
        let answering = self.begin_answering(&message);
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        leg.invite_server = Some(server);
        leg.state.answering = Some(answering);
        leg.request = Some(message.clone());
        self.layer.own(server, id.0);
        let stored = leg.state.offer_answer.local().cloned();
        match (unchanged, stored, offer) {
            (true, Some(stored), _) => {
                if self.accept_reinvite(id, stored, now).is_ok() {
                    self.events.push_back(Event::Refreshed { dialog: id });
                }
            }
            (_, _, Some(offer)) => self.events.push_back(Event::Offered { dialog: id, request: message, offer }),
            (_, Some(_), None) => self.events.push_back(Event::OfferWanted { dialog: id }),
            // The peer requests an offer that we cannot make: there never was a session.
            (_, None, None) => self.refuse_invite(id, &Reply::new(StatusCode::NOT_ACCEPTABLE_HERE), now),
        }
    }

    /// Answers the peer's re-INVITE with 200.
    pub(super) fn accept_reinvite(&mut self, id: DialogId, session: Bytes, now: Timestamp) -> Result<(), CommandError> {
        self.send_success(id, &Reply::session(session), now)
    }
}
