//! Our REGISTERs to carriers that ask to be reached by the connection by which they go (RFC 5626).
//!
//! By a connection alone. Over UDP STUN would have to keep the flow open (§4.4.2), which carriers seldom answer; and what is registered there is
//! an address of ours that anybody reaches without a flow.

use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;

/// Asks for the flow in a node's REGISTER that goes out by a connection.
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
}
