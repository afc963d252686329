//! What ends with a ticket's sign-in, and what with the right to its phone.

use model::Timestamp;
use sip::{Message, Method};

use super::exchange::Towards;
use super::flows::FlowKey;
use super::rewriting::{is_in_dialog, taken_back};
use super::{Gateway, GatewayOutput};

impl Gateway {
    /// Ends a flow whose sign-in was revoked, or whose phone has another password: its WebSocket is closed.
    pub fn revoke(&mut self, key: FlowKey, now: Timestamp) {
        let Some(flow) = self.flows.get(key) else { return };
        if let Some(socket) = flow.socket {
            self.outputs.push_back(GatewayOutput::Close(socket));
        }
        self.counts.revoked += 1;
        self.end(key, now);
        self.settle(now);
    }

    /// The desktop has the DN no more: its page is a phone no longer, until it shows another ticket. It is not called, makes no calls, and
    /// registers no more; the calls that it talks in go on.
    pub fn bar(&mut self, key: FlowKey, now: Timestamp) {
        let Some(flow) = self.flows.get_mut(key).filter(|flow| !flow.is_barred) else { return };
        flow.is_barred = true;
        self.counts.barred += 1;
        for id in self.exchanges.of_flow(key) {
            let Some(exchange) = self.exchanges.get_mut(id) else { continue };
            if exchange.towards == Towards::Phone && !exchange.is_answered && begins_call(&exchange.asked) {
                // It is not to be answered there.
                exchange.want_end();
                self.pass_cancel(id, now);
            }
        }
        self.settle(now);
    }

    /// Whether a flow has lost the right that a message needs.
    pub(super) fn is_barred_from(&self, key: FlowKey, message: &Message) -> bool {
        self.flows.get(key).is_some_and(|flow| flow.is_barred) && !is_in_dialog(message) && !takes_all_back(message)
    }
}

fn begins_call(request: &Message) -> bool {
    request.method() == Method::Invite && !is_in_dialog(request)
}

/// Whether a REGISTER gives up what it names, and nothing else.
fn takes_all_back(message: &Message) -> bool {
    let taken = taken_back(message);
    !taken.is_empty() && taken.len() == message.contacts().count()
}
