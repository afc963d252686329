//! A request on its way: server transaction, client transaction, and what connects them (RFC 3261 §16.6 to §16.10).

use std::net::SocketAddr;

use bytes::Bytes;
use model::Timestamp;

use super::{Announcement, Attempt};
use crate::flow::Flow;
use crate::header::HeaderName;
use crate::message::Message;
use crate::transaction::{ClientId, ServerId};

/// A request that the proxy holds.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) server: ServerId,
    pub(super) server_open: bool,
    pub(super) invite: bool,
    /// Where the request came from, and from which side.
    pub(super) origin: Origin,
    pub(super) stage: Stage,
    /// The request as it came, as long as it may have to be answered here.
    pub(super) request: Bytes,
    /// What its node was chosen by; `None` if no other node will do.
    pub(super) key: Option<u64>,
    /// A CANCEL came before it could be passed on.
    pub(super) cancelled: Cancelled,
    /// Why, in that CANCEL's words.
    pub(super) reasons: Vec<(HeaderName, String)>,
    /// To how many nodes it was given again.
    pub(super) repeats: u8,
    /// How many responses came.
    pub(super) responses: u16,
    /// When [`super::Proxy`] is to look at it.
    pub(super) due: Timestamp,
    /// Its earliest entry in the queue of timers.
    pub(super) armed: Timestamp,
    /// The call that the request begins, until it has a final response.
    pub(super) attempt: Option<Box<Attempt>>,
}

/// From which side a request came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// From a phone or a carrier.
    Edge(Flow),
    /// From a node, by this connection.
    Node(u64),
}

impl Origin {
    pub(super) const fn flow(self) -> Flow {
        match self {
            Self::Edge(flow) => flow,
            Self::Node(connection) => Flow::Stream { connection },
        }
    }
}

/// How far a request has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// The user's credentials are being looked up.
    Lookup {
        /// The request.
        message: Box<Message>,
        /// Where it came from: its connection may be gone when the answer is there.
        from: Option<SocketAddr>,
    },
    /// Nobody has the dialog at the moment: it waits for the next life of its owner, or for an heir.
    Waiting {
        /// The request.
        message: Box<Message>,
        /// Whether it was changed already as every forwarded one is.
        prepared: bool,
    },
    /// It was forwarded and waits for a final response.
    Forwarded {
        /// The client transaction.
        client: ClientId,
        /// Where it went.
        target: Target,
        /// Whether a response beyond 100 came.
        progressed: bool,
    },
    /// Its node was lost after it had progressed: the heir may still answer by itself.
    Orphaned {
        /// The client transaction, which takes the heir's response.
        client: ClientId,
        /// The node that was lost.
        lost: Box<Announcement>,
    },
    /// A final response was passed on. The client transaction stays for repeats.
    Answered {
        /// Whether the client transaction is still there.
        client_open: bool,
    },
}

/// Where a request goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// To a node, by this connection.
    Node(u64),
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

/// What has become of a CANCEL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cancelled {
    /// None came.
    No,
    /// It is passed on with the first provisional response (RFC 3261 §9.1).
    Wanted,
    /// It was passed on.
    Sent,
}
