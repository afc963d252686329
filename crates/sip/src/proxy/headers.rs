//! The headers that proxies and nodes exchange. The proxy removes them from messages of the edge.

use std::borrow::Cow;

use crate::header::HeaderName;

/// The prefix of all our header names.
pub const PREFIX: &str = "Trunkline-";

/// The caller token of a node, in its OPTIONS.
pub const TOKEN: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Token"));
/// A node's announcement: `<role>;node=<node>;epoch=<epoch>[;draining]`.
pub const NODE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Node"));
/// The proxy's edge address, `host:port`.
pub const EDGE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Edge"));
/// The same for TLS. The proxy writes it into the Contact of a node's REGISTER that goes by TLS.
pub const SECURE_EDGE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Secure-Edge"));
/// What the proxy writes behind the `@` of the Contact of a node's REGISTER, for each transport and family of a carrier's address, comma-separated:
/// `host:port`, with the parameter `transport`.
pub const PLACES: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Places"));
/// The nodes live for the proxy: `<node.epoch>, ...`. In its keep-alives and in its answers to nodes.
pub const LIVE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Live"));
/// In a proxy's keep-alives, while it drains: nodes prefer other proxies for calls that they begin, and register with carriers
/// by others.
pub const DRAINING: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Draining"));
/// From a node, in a REGISTER to a carrier: by what the registrar knows us again. Where the REGISTER goes by a connection, the registrar is
/// asked to reach us by that one (RFC 5626).
pub const INSTANCE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Instance"));
/// In the carrier's final answer to a node's REGISTER: the URI of the Contact as the carrier has it.
pub const CONTACT: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Contact"));
/// In the answer to a node's REGISTER that went out by a connection of ours by which the carrier calls back: the connection's number.
pub const FLOW: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Flow"));
/// In an OPTIONS of a proxy to a node that has registered by a connection: the number of that connection, which has closed.
pub const FLOW_CLOSED: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Flow-Closed"));
/// Towards nodes: the tenant of a message from the edge. From a node, in a REGISTER to a carrier: whose account it is.
pub const TENANT: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Tenant"));
/// Towards nodes: `phone;dn=<dn>` or `trunk;name=<trunk>`.
pub const SOURCE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Source"));
/// From a gateway, which is ours: the address of whose message it passes on. It counts as the source of that one, as if it had come from there.
pub const CLIENT: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Client"));
/// From a gateway, with a request outside dialogs: its name for the way by which the client reaches it, which nobody else has.
pub const CLIENT_FLOW: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Client-Flow"));
/// Towards nodes, and from a call's owner to media: the source host of an edge message; its answers have shown that it exists.
pub const PARTY: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Party"));
/// From the call's owner, if spans are wanted: the call's own span, in the form of a `traceparent`.
pub const TRACE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Trace"));
/// From a node: the request goes to a carrier even if that has not answered OPTIONS lately. An emergency does, and what goes by a
/// trunk that is not to be judged so.
pub const INSIST: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Insist"));
/// From a node: an emergency that another trunk is there for. It is refused at once where the carrier is known to be away, in spite of [`INSIST`],
/// and comes again without this header if nobody else takes it. In that refusal too.
pub const ELSEWHERE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Elsewhere"));
/// From a node: the request goes down a flow under TLS or not at all, since it belongs to a call to `sips:`.
pub const BY_TLS: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-By-Tls"));
/// Towards nodes: the owner, `<node.epoch>`, that should have received this message but is not live here.
pub const UNREACHABLE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Unreachable"));
/// From a node that got a request of another node's call: the owner, `<node.epoch>`, that the request must go to.
pub const OWNER: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Owner"));
/// In our own answer to a node's request to a place outside: why nobody there has answered it ([`crate::Unreached`]).
pub const NOT_REACHED: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Not-Reached"));
/// In a response passed from node to node: how often it was passed, as a number.
pub const PASSED: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Passed"));
/// From a call's owner to media, beside a request for digits: `digits` if they must not be recorded.
pub const SECRET: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Secret"));
/// The value of [`SECRET`].
pub const SECRET_DIGITS: &str = "digits";

/// Whether a header's name is one of ours.
pub fn is_ours(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_has_a_row_for_every_header() {
        let page = include_str!("../../../../docs/internals/sip-inside.md");
        let names: Vec<&str> =
            include_str!("headers.rs").split('"').filter(|text| is_ours(text) && *text != PREFIX).collect();
        assert!(names.contains(&TOKEN.as_str()), "the names are read from this file");
        for name in names {
            assert!(page.contains(&format!("\n| `{name}: ")), "{name}");
        }
    }
}
