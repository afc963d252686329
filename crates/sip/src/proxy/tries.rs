//! Where a request to a place outside is, and where it can still go.

use std::collections::VecDeque;

use model::Timestamp;

use crate::flow::Flow;
use crate::next_hop::Hop;
use crate::transaction::ClientId;
use crate::unreached::Unreached;

/// The places to which a request can still go.
#[derive(Debug)]
pub(super) struct Hops {
    /// The name that a certificate must have: the host of the URI (RFC 5922 section 4).
    pub(super) name: Box<str>,
    /// Where it is now, and since when.
    pub(super) current: Option<(Hop, Timestamp)>,
    /// Whether it is there only because it is too large for a datagram, and nobody there has said a word yet.
    pub(super) is_trial: bool,
    /// Where it goes if that does not take it, best first.
    pub(super) left: VecDeque<Hop>,
    /// Why the first place that was not reached was not; of one that the request may have reached all the same, if there is such.
    pub(super) unreached: Option<Unreached>,
}

/// A place that an INVITE has left because it said nothing in time. It may have got the INVITE all the same.
#[derive(Debug)]
pub(super) struct LeftBehind {
    /// The client transaction, which goes on.
    pub(super) client: ClientId,
    /// By which flow the INVITE went there.
    pub(super) flow: Flow,
    /// Where that is, and since when the INVITE was there.
    pub(super) hop: Option<(Hop, Timestamp)>,
    /// Our Record-Route in that INVITE.
    pub(super) recorded: Option<Box<str>>,
    /// The number of responses from there.
    pub(super) responses: u16,
    /// Whether the INVITE does not go back there: it was cancelled there, or has failed.
    pub(super) is_given_up: bool,
}
