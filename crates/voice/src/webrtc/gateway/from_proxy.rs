//! What sip-proxy sends to phones: requests and acknowledgements.

use model::Timestamp;
use sip::proxy::headers;
use sip::transaction::{NewRequest, ServerId};
use sip::{Flow, HeaderName, Message, Method, StatusCode};

use super::exchange::{PhoneExchange, Towards};
use super::flows::FlowKey;
use super::rewriting::{has_no_hop_left, is_in_dialog, user_of};
use super::{Gateway, HOST};

impl Gateway {
    pub(super) fn request_of_proxy(&mut self, new: NewRequest, now: Timestamp) {
        let NewRequest { server, mut message, cancels, .. } = new;
        if message.method() == Method::Cancel {
            return self.cancel(server, &message, cancels.map(|(_, exchange)| exchange), now);
        }
        let asked = message.clone();
        let Some(key) = self.meant(&message).filter(|key| !self.is_barred_from(*key, &message)) else {
            // A flow that is gone (RFC 5626 §5.3): a caller is to try the next one, and a dialog ends.
            let status = if is_in_dialog(&message) { StatusCode::CALL_DOES_NOT_EXIST } else { StatusCode::FLOW_FAILED };
            return self.refuse(server, &asked, status, now);
        };
        if has_no_hop_left(&mut message) {
            return self.refuse(server, &asked, StatusCode::TOO_MANY_HOPS, now);
        }
        let is_away = self.flows.get(key).is_some_and(|flow| !flow.is_settled);
        if is_away && message.method() == Method::Options && is_in_dialog(&message) {
            return self.say_alive(server, &asked, now);
        }
        self.to_own_contact(&mut message, key);
        self.counts.to_phones += 1;
        let id = self.add(PhoneExchange::new(key, Towards::Phone, server, asked, now));
        self.send(id, message, Flow::Stream { connection: key.0 }, now);
    }

    /// The call of a phone lasts while it is waited for.
    pub(super) fn say_alive(&mut self, server: ServerId, asked: &Message, now: Timestamp) {
        let alive = Message::response_to(asked, StatusCode::OK).build();
        let _ = self.layer.respond(server, &alive, now);
    }

    /// The flow of the phone that a request is to.
    fn meant(&self, message: &Message) -> Option<FlowKey> {
        let key = self.flows.of_name(&user_of(message.request_uri()?)?)?;
        self.flows.get(key)?.contact.is_some().then_some(key)
    }

    /// Addresses a request as the phone knows itself.
    pub(super) fn to_own_contact(&self, message: &mut Message, key: FlowKey) {
        message.remove_where(headers::is_ours);
        if let Some(contact) = self.flows.get(key).and_then(|flow| flow.contact.as_deref()) {
            message.set_request_uri(contact);
        }
    }

    /// An ACK to a 2xx.
    pub(super) fn ack_of_proxy(&mut self, mut message: Message) {
        let Some(key) = self.meant(&message).filter(|_| !has_no_hop_left(&mut message)) else { return };
        self.to_own_contact(&mut message, key);
        let branch = self.branch();
        message.push_front(&HeaderName::Via, format_args!("SIP/2.0/WS {HOST};branch={branch}"));
        message.ensure_content_length();
        self.send_to_phone(key, message.to_bytes());
    }
}
