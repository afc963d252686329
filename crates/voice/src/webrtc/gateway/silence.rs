//! A phone whose WebSocket seems open, and that answers nothing: its machine sleeps, or the path is dead, of which nobody tells. It is waited
//! for like one whose WebSocket has broken.
//!
//! Media says of a phone in a call that nothing is heard of it, and sip-cluster asks it whether it is there. Without an answer its call would
//! end sooner than that of a phone whose WebSocket has broken.

use std::time::Duration;

use model::Timestamp;
use sip::Method;

use super::Gateway;
use super::exchange::{PhoneExchange, Towards};
use super::flows::FlowKey;
use super::rewriting::is_in_dialog;

/// Within that time a phone answers whether it is there. Half of what sip-cluster waits for the answer, which is 6 s: we look each second.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

impl Gateway {
    /// Finds phones that do not say whether they are there. For them that is answered here from now on, for as long as they are waited for.
    pub(super) fn find_silent(&mut self, now: Timestamp) {
        let old = self.exchanges.iter().take_while(|(_, one)| now.since(one.begun_at) >= ANSWERS_WITHIN);
        let silent: Vec<(u64, FlowKey, Timestamp)> = old
            .filter(|(_, one)| asks_whether_there(one) && self.flows.get(one.flow).is_some_and(|flow| flow.is_proved()))
            .map(|(id, one)| (id, one.flow, one.begun_at))
            .collect();
        for (id, key, asked_at) in silent {
            if self.flows.get(key).is_some_and(|flow| flow.is_settled) {
                tracing::info!("a phone in a browser answers nothing, though its WebSocket is open: it is waited for");
                self.flows.fell_silent(key, asked_at);
                self.counts.silent += 1;
            }
            self.answer_for_phone(id, now);
        }
    }

    /// Something has come by the WebSocket of a phone: one that was silent is there again, as it was before.
    pub(super) fn wake(&mut self, key: FlowKey, now: Timestamp) {
        if self.flows.get(key).is_some_and(|flow| flow.is_silent) {
            self.come_back(key, now);
        }
    }

    /// Says that a phone is there, as long as it is waited for.
    fn answer_for_phone(&mut self, id: u64, now: Timestamp) {
        let Some(exchange) = self.exchanges.remove(id) else { return };
        if let Some(client) = exchange.client {
            self.layer.abandon(client);
        }
        self.say_alive(exchange.server, &exchange.asked, now);
    }
}

/// Whether it asks a phone in a call whether it is there, and has no answer yet.
fn asks_whether_there(one: &PhoneExchange) -> bool {
    let is_asked = one.towards == Towards::Phone && !one.is_answered;
    is_asked && one.asked.method() == Method::Options && is_in_dialog(&one.asked)
}
