//! A sip-proxy that is gone: what it has not answered at all goes to another one.

use model::Timestamp;
use sip::transaction::ClientState;
use sip::{Flow, HeaderName, Message, StatusCode};

use super::exchange::{PhoneExchange, Towards};
use super::{Gateway, LISTENER};

impl Gateway {
    /// Sends requests of phones once more by another sip-proxy, where their own one has fallen silent before any answer. One that has answered
    /// provisionally may have passed the request on: what came of it is not repeated.
    pub(super) fn fail_over(&mut self, now: Timestamp) {
        if self.proxies.are_all_there(now) || !self.proxies.has_any(now) {
            return;
        }
        let stuck = self.exchanges.iter().filter(|&(_, one)| self.is_stuck(one, now)).map(|(id, _)| id);
        let stuck: Vec<u64> = stuck.collect();
        for id in stuck {
            self.send_elsewhere(id, now);
        }
        self.flush();
    }

    fn is_stuck(&self, one: &PhoneExchange, now: Timestamp) -> bool {
        let (Some(client), Some(at)) = (one.client, one.sent_to) else { return false };
        one.towards == Towards::Proxy
            && !one.is_answered
            && !self.proxies.is_there(at, now)
            && matches!(self.layer.client_state(client), Some(ClientState::Calling | ClientState::Trying))
    }

    fn send_elsewhere(&mut self, id: u64, now: Timestamp) {
        let Some(exchange) = self.exchanges.get(id) else { return };
        if exchange.is_unwanted() {
            return self.answer_instead(id, StatusCode::REQUEST_TERMINATED, now);
        }
        let (Some(to), Some(client)) = (self.proxies.choice(exchange.flow, now), exchange.client) else { return };
        let Some(mut message) = self.layer.abandon(client).and_then(|bytes| Message::parse(bytes).ok()) else { return };
        // Ours, which gets another branch.
        message.remove_first_value(&HeaderName::Via);
        self.send(id, message, Flow::Udp { listener: LISTENER, remote: to }, now);
    }
}
