//! Our REGISTERs to carriers that ask to be reached by the connection by which they go (RFC 5626).
//!
//! By a connection alone. Over UDP STUN would have to keep the flow open (§4.4.2), which carriers seldom answer; and what is registered there is
//! an address of ours that anybody reaches without a flow.

use crate::flow::Flow;
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::proxy::Proxy;
use crate::proxy::exchange::{Exchange, Origin, Stage, Target};

/// Asks for the flow in a node's REGISTER that goes out by a connection. The node's Via is left out: a carrier's server gives a flow to whom it
/// is the first hop of (§5.1), and refuses what has passed somebody without flows (439).
pub(in crate::proxy) fn ask_for_flow(register: &mut Message, instance: &str) {
    if register.method() != Method::Register {
        return;
    }
    let mut contacts: Vec<String> = register.headers(&HeaderName::Contact).map(str::to_owned).collect();
    // Further ones are removed by the request (§6): they are found by their URIs.
    let Some(ours) = contacts.first_mut() else { return };
    ours.push_str(&format!(";reg-id=1;+sip.instance=\"<{instance}>\""));
    register.remove(&HeaderName::Contact);
    for contact in contacts {
        register.append(&HeaderName::Contact, contact);
    }
    register.append(&HeaderName::Supported, "path, outbound");
    register.remove_first_value(&HeaderName::Via);
}

/// The Via that was left out of a node's REGISTER, for its answer.
pub(in crate::proxy) fn omitted_via(held: &Exchange, answer: &Message) -> Option<String> {
    if answer.vias().nth(1).is_some() || !went_by_connection(held) {
        return None;
    }
    Message::parse(held.request.clone()).ok()?.header(&HeaderName::Via).map(str::to_owned)
}

/// Whether it is a node's REGISTER that waits for an answer on a connection.
fn went_by_connection(held: &Exchange) -> bool {
    let by_connection = matches!(held.stage, Stage::Forwarded { target: Target::Edge(Flow::Stream { .. }), .. });
    by_connection && matches!(held.origin, Origin::Node(_)) && held.request.starts_with(b"REGISTER ")
}

impl Proxy {
    /// Whether a response is to a REGISTER of a node, which the carrier knows as one of ours.
    pub(in crate::proxy) fn answers_register(&mut self, response: &Message) -> bool {
        let asked = self.layer.client_of(response);
        asked.is_some_and(|(_, id)| self.exchanges.get(id).is_some_and(went_by_connection))
    }
}
