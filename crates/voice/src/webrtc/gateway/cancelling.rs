//! Requests that nobody wants any more.

use model::Timestamp;
use sip::transaction::ServerId;
use sip::{Message, StatusCode};

use super::Gateway;

impl Gateway {
    /// A CANCEL (RFC 3261 §16.10): answered here, and passed on once the INVITE has had a provisional response.
    pub(super) fn cancel(&mut self, server: ServerId, cancel: &Message, exchange: Option<u64>, now: Timestamp) {
        let known = exchange.filter(|id| self.exchanges.get(*id).is_some_and(|exchange| !exchange.is_answered));
        let status = if exchange.is_some() { StatusCode::OK } else { StatusCode::CALL_DOES_NOT_EXIST };
        // That of the INVITE's answers (§9.2); ours, where it has none yet.
        let own = self.tag();
        let tag = match exchange.and_then(|id| self.exchanges.get_mut(id)) {
            Some(exchange) => exchange.tag.get_or_insert(own).clone(),
            None => own,
        };
        let answer = Message::response_to(cancel, status).to_tag(&tag).build();
        let _ = self.layer.respond(server, &answer, now);
        let Some(id) = known else { return };
        if let Some(exchange) = self.exchanges.get_mut(id) {
            exchange.want_cancel(cancel);
        }
        if self.exchanges.get(id).is_some_and(|exchange| exchange.client.is_none()) {
            return self.answer_instead(id, StatusCode::REQUEST_TERMINATED, now);
        }
        self.pass_cancel(id, now);
    }

    pub(super) fn pass_cancel(&mut self, id: u64, now: Timestamp) {
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        let (Some(client), Some(reasons)) = (exchange.client, exchange.wanted_cancel()) else { return };
        if self.layer.cancel(client, &reasons, now) {
            exchange.is_cancelled = true;
        }
    }
}
