//! A forwarded request: server transaction, client transaction, and their connection (RFC 3261 §16.6 to §16.10).

use std::net::SocketAddr;

use bytes::Bytes;
use model::Timestamp;

use super::tries::{Hops, LeftBehind};
use super::{Announcement, Attempt};
use crate::flow::{ConnectionId, Flow};
use crate::header::HeaderName;
use crate::message::Message;
use crate::next_hop::{Hop, UriHop};
use crate::transaction::{ClientId, ServerId};

/// A request that the proxy holds.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) server: ServerId,
    pub(super) server_open: bool,
    pub(super) invite: bool,
    /// The flow and side that the request came from.
    pub(super) origin: Origin,
    pub(super) stage: Stage,
    /// The request as received, as long as it may have to be answered here.
    pub(super) request: Bytes,
    /// The key that chose its node; `None` if no other node will do.
    pub(super) key: Option<u64>,
    /// Whether a CANCEL came, and whether it was forwarded.
    pub(super) cancelled: Cancelled,
    /// The reasons given in that CANCEL.
    pub(super) reasons: Vec<(HeaderName, String)>,
    /// How often it was given to another node.
    pub(super) repeats: u8,
    /// The number of responses received.
    pub(super) responses: u16,
    /// When [`super::Proxy`] must check it.
    pub(super) due: Timestamp,
    /// Its earliest entry in the queue of timers.
    pub(super) armed: Timestamp,
    /// The Vias of a node's request to the edge, which stay here.
    pub(super) vias: Option<Box<str>>,
    /// Our Record-Route in a node's request to the edge that begins a dialog.
    pub(super) recorded: Option<Box<str>>,
    /// Where else it can go; none for a request to a node or down a flow that is known.
    pub(super) hops: Option<Box<Hops>>,
    /// The place that it has left last, as long as that may still say something.
    pub(super) left: Option<Box<LeftBehind>>,
    /// The call that the request begins, until it has a final response.
    pub(super) attempt: Option<Box<Attempt>>,
}

/// The side that a request came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// From a phone or a carrier.
    Edge(Flow),
    /// From a node, on this connection.
    Node(ConnectionId),
}

impl Origin {
    pub(super) const fn flow(self) -> Flow {
        match self {
            Self::Edge(flow) => flow,
            Self::Node(connection) => Flow::Stream { connection },
        }
    }
}

/// The progress of a request.
#[derive(Debug)]
pub(super) enum Stage {
    /// The user's credentials are being looked up.
    Lookup {
        /// The request.
        message: Box<Message>,
        /// The source address: its connection may have closed before the lookup is answered.
        from: Option<SocketAddr>,
        /// Whether the request may come by a trunk.
        by_trunk: bool,
    },
    /// The name of the place that it goes to is being resolved.
    Resolving {
        /// The request.
        message: Box<Message>,
        /// The place.
        place: Box<UriHop>,
    },
    /// A carrier is to be asked whether it is there, and its name is being resolved.
    Locating {
        /// Where it is.
        place: Box<UriHop>,
    },
    /// A carrier was asked.
    Asked {
        /// The client transaction.
        client: ClientId,
        /// The address asked.
        hop: Hop,
        /// The carrier's name or address as the trunk has it.
        host: Box<str>,
    },
    /// The dialog has no live owner now: it waits for the owner's next run, or for a successor.
    Waiting {
        /// The request.
        message: Box<Message>,
        /// Whether the changes for forwarding were made already.
        prepared: bool,
    },
    /// It was forwarded and waits for a final response.
    Forwarded {
        /// The client transaction.
        client: ClientId,
        /// Its destination.
        target: Target,
        /// Whether a response above 100 came.
        progressed: bool,
    },
    /// Its node failed after a provisional response: the successor may still answer by itself.
    Orphaned {
        /// The client transaction, which accepts the successor's response.
        client: ClientId,
        /// The failed node.
        lost: Box<Announcement>,
    },
    /// A final response was forwarded. The client transaction stays for repeats.
    Answered {
        /// Whether the client transaction still exists.
        client_open: bool,
    },
}

/// The destination of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// To a node, on this connection.
    Node(ConnectionId),
    /// To a phone or a carrier.
    Edge(Flow),
}

impl Target {
    pub(super) const fn flow(self) -> Flow {
        match self {
            Self::Node(connection) => Flow::Stream { connection },
            Self::Edge(flow) => flow,
        }
    }
}

/// The state of a CANCEL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cancelled {
    /// None came.
    No,
    /// It is forwarded with the first provisional response (RFC 3261 §9.1).
    Wanted,
    /// It was forwarded.
    Sent,
}
