//! The headers that proxies and nodes use among themselves. From the edge none is believed: the proxy removes them.

use std::borrow::Cow;

use crate::header::HeaderName;

/// What the name of every header of ours begins with.
pub const PREFIX: &str = "Trunkline-";

/// The caller token of a node, in its OPTIONS.
pub const TOKEN: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Token"));
/// A node about itself: `<role>;node=<node>;epoch=<epoch>[;draining]`.
pub const NODE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Node"));
/// The proxy's edge address, `host:port`.
pub const EDGE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Edge"));
/// Who is live for the proxy: `<node.epoch>, ...`. In its keep-alives and in its answers to nodes.
pub const LIVE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Live"));
/// Towards nodes: the tenant of what came from the edge.
pub const TENANT: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Tenant"));
/// Towards nodes: `phone;dn=<dn>` or `trunk;name=<trunk>`.
pub const SOURCE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Source"));
/// Towards nodes, and from a call's owner to media: the host that a message came to the edge from, whose answers have
/// shown that it is there.
pub const PARTY: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Party"));
/// From the call's owner, where spans are wanted: the call's own span, in the form of a `traceparent`.
pub const TRACE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Trace"));
/// Towards nodes: the owner, `<node.epoch>`, that should have got this message and is not live here.
pub const UNREACHABLE: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Unreachable"));
/// From a node that was given a request of a call that is not its: the owner, `<node.epoch>`, to whom the request is to go.
pub const OWNER: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Owner"));
/// In a response that goes from node to node: how often it has, as a number.
pub const PASSED: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Passed"));

/// From a call's owner to media, beside a request for digits: `digits` where nobody may write them down.
pub const SECRET: HeaderName = HeaderName::Other(Cow::Borrowed("Trunkline-Secret"));
/// The value of [`SECRET`].
pub const SECRET_DIGITS: &str = "digits";

/// Whether a header's name is one of ours.
pub fn is_ours(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
