//! What the peer acknowledges: our 2xx by ACK, our reliable provisional responses by PRACK. Until then they are repeated (RFC 3261
//! §13.3.1.4; RFC 3262 §3).

use model::Timestamp;

use super::command::{DialogId, Reply};
use super::compose::session_of;
use super::event::{Event, Release};
use super::invite_server::KEEP_ALIVE;
use super::{Body, UserAgent};
use crate::offer_answer::{Carrier, Meaning};
use crate::transaction::ServerId;
use crate::{Message, StatusCode};

impl UserAgent {
    pub(super) fn incoming_ack(&mut self, message: &Message, now: Timestamp) {
        let Some(id) = self.dialog_of(message) else { return };
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let Ok(cseq) = message.cseq() else { return };
        if leg.state.unacked.as_ref().is_none_or(|u| u.cseq != cseq.number) {
            return;
        }
        let body = session_of(message);
        match leg.state.offer_answer.received(Carrier::Ack, body) {
            Ok(meaning) => {
                let answer = if meaning == Meaning::Answer { body.cloned() } else { None };
                self.events.push_back(Event::Acknowledged { dialog: id, answer });
            }
            Err(_) if leg.state.bye_wanted.is_none() => {
                leg.state.unacked = None;
                self.leave(id, Release::Violation("ACK without an answer"), now);
                return;
            }
            Err(_) => {}
        }
        self.success_arrived(id, now);
    }

    /// Our 2xx has reached the peer: stop repeating it and send a BYE that waited for this.
    pub(super) fn success_arrived(&mut self, id: DialogId, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        leg.state.unacked = None;
        if let Some(headers) = leg.state.bye_wanted.take() {
            let _ = self.send_bye(id, headers, now);
        }
    }

    /// A PRACK for our reliable response: sends the queued responses. Answers 481 when there is no such response.
    pub(super) fn incoming_prack(&mut self, id: DialogId, server: ServerId, message: Message, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let tag = leg.state.dialog.local_tag.clone();
        let expected = leg.state.answering.as_ref().and_then(|a| a.unpracked.as_ref().map(|u| (u.rseq, a.cseq)));
        let acknowledged = message.rack().ok().map(|rack| (rack.response, rack.cseq.number));
        if expected.is_none() || expected != acknowledged {
            self.respond_plain(server, &message, StatusCode::CALL_DOES_NOT_EXIST, &tag, now);
            return;
        }
        let body = session_of(&message);
        let meaning = leg.state.offer_answer.received(Carrier::Prack, body);
        let queued = leg.state.answering.as_mut().map(|answering| {
            if let Some(unpracked) = answering.unpracked.take() {
                answering.keep_alive = Some((now + KEEP_ALIVE, unpracked.response));
            }
            std::mem::take(&mut answering.queued)
        });
        match meaning {
            Ok(Meaning::Offer) => self.offer_to_application(id, server, message, now),
            Ok(Meaning::Answer) => {
                let answer = body.cloned();
                self.answer_within(id, server, &message, StatusCode::OK, now);
                self.events.push_back(Event::Acknowledged { dialog: id, answer });
            }
            _ => self.answer_within(id, server, &message, StatusCode::OK, now),
        }
        for queued in queued.unwrap_or_default() {
            let reply = Reply {
                status: StatusCode(queued.status),
                phrase: None,
                headers: queued.headers,
                body: queued.session.map(Body::sdp),
            };
            // It was accepted once; if the INVITE has ended since, it is no longer needed.
            let _ = if reply.status.is_provisional() {
                self.provisional(id, reply, now)
            } else {
                self.answer(id, reply, now)
            };
        }
    }

    pub(super) fn repeat_due_responses(&mut self, id: DialogId, now: Timestamp) {
        let patience = self.layer.intervals().patience();
        let t2 = self.layer.intervals().t2;
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        if let Some(unacked) = &mut leg.state.unacked {
            if unacked.end <= now {
                self.unacknowledged(id, now);
                return;
            }
            if unacked.repeat.due <= now {
                unacked.repeat = unacked.repeat.next(t2, now);
                self.layer.transmit(unacked.flow, unacked.response.clone());
            }
        }
        let (Some(server), Some(answering)) = (leg.invite_server, &mut leg.state.answering) else { return };
        if let Some(unpracked) = &mut answering.unpracked {
            if unpracked.end <= now {
                self.refuse_invite(id, &Reply::new(StatusCode::SERVER_TIMEOUT), now);
                self.release(id, Release::Unacknowledged, now);
                return;
            }
            if unpracked.repeat.due <= now {
                // RFC 3262 §3: the interval doubles without an upper limit.
                unpracked.repeat = unpracked.repeat.next(patience, now);
                if let Some(flow) = self.layer.server_flow(server) {
                    self.layer.transmit(flow, unpracked.response.clone());
                }
            }
        }
        if let Some((due, response)) = &mut answering.keep_alive
            && *due <= now
        {
            *due = now + KEEP_ALIVE;
            if let Some(flow) = self.layer.server_flow(server) {
                self.layer.transmit(flow, response.clone());
            }
        }
    }

    fn unacknowledged(&mut self, id: DialogId, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        leg.state.unacked = None;
        match leg.state.bye_wanted.take() {
            Some(headers) => {
                let _ = self.send_bye(id, headers, now);
            }
            None => self.leave(id, Release::Unacknowledged, now),
        }
    }
}
