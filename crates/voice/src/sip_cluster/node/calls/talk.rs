//! Asks a ringing phone to answer, as its user would.

use call::{CallSnapshot, Input};
use model::{ConnId, LegId, Timestamp};
use sip::agent::CommandError;
use sip::{HeaderName, StatusCode};

use super::leg::LegStage;
use super::pending::Pending;
use crate::sip_cluster::node::Node;

impl Node {
    /// Asks a ringing phone to answer, by the `talk` event that many phones support. There is no dialog to ask in before it has said
    /// something: until then the request waits.
    pub(super) fn ask_answer(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let phone = self.leg(conn_id, id).and_then(|leg| leg.phone);
        let headers =
            vec![(HeaderName::Event, "talk".to_owned()), (HeaderName::SubscriptionState, "active".to_owned())];
        let sent = phone.ok_or(CommandError::Gone).and_then(|phone| self.agent.notify_ringing(phone, &headers, now));
        match sent {
            Ok(request) => {
                self.pending.insert(request, Pending::Talk(conn_id, id));
            }
            Err(_) if self.is_silent(conn_id, id) => self.set_asks_answer(conn_id, id, true),
            Err(error) => {
                tracing::debug!(%conn_id, %id, %error, "a phone cannot be asked to answer now");
                self.feed(conn_id, Input::AnswerRefused(id), now);
            }
        }
    }

    /// The phone has said something: it is asked to answer, if it was to be.
    pub(super) fn ask_answer_at_last(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        if !self.leg(conn_id, id).is_some_and(|leg| leg.asks_answer) {
            return;
        }
        self.set_asks_answer(conn_id, id, false);
        // Who asked may have been told meanwhile that it has failed: a phone must not answer by itself then.
        let call = self.calls.get(&conn_id).and_then(|entry| entry.thread.call_with(id));
        if call.is_some_and(CallSnapshot::is_asked_to_answer) {
            self.ask_answer(conn_id, id, now);
        }
    }

    fn set_asks_answer(&mut self, conn_id: ConnId, id: LegId, asks: bool) {
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.asks_answer = asks;
        }
    }

    /// Whether the phone of a leg is still to be rung, or has said nothing yet.
    fn is_silent(&self, conn_id: ConnId, id: LegId) -> bool {
        let leg = self.leg(conn_id, id);
        leg.is_some_and(|leg| matches!(leg.stage, LegStage::Preparing | LegStage::Ringing) && !leg.alerted)
    }

    /// Handles the phone's response to that. Its answer to the call itself comes by the INVITE.
    pub(in crate::sip_cluster::node) fn answer_asked(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        status: StatusCode,
        now: Timestamp,
    ) {
        if !status.is_success() {
            tracing::info!(%conn_id, %id, status = status.0, "a phone does not let itself be asked to answer");
            self.feed(conn_id, Input::AnswerRefused(id), now);
        }
    }
}
