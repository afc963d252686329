//! What the proxy wants done.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use model::{Dn, Owner, TenantId};

use super::{Announcement, Attempt, Contest, Lacking, Trunk};
use crate::flow::{ConnectionId, Flow, Transmit};
use crate::next_hop::{Hop, UriHop};
use crate::status::StatusCode;

/// An action for the shell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send it.
    Transmit(Transmit),
    /// Open a connection on the edge side under this number; messages sent on it wait until it is established. If it
    /// cannot be opened, call [`super::Proxy::handle_unopened`].
    Connect {
        /// Assigned by the core; it tells the transport.
        connection: ConnectionId,
        /// The peer.
        remote: SocketAddr,
        /// The name that the peer has to prove if the transport is secure: a host name or an IP address, without brackets.
        name: String,
        /// Whether the request goes to the same place by a datagram if it does not open soon.
        is_trial: bool,
    },
    /// Close a connection.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Look up a user and answer with [`super::Proxy::handle_credentials`].
    NeedCredentials {
        /// Identifies the lookup in the answer.
        lookup: u64,
        /// The user part, without escapes.
        user: String,
        /// The host part.
        host: String,
        /// The tenants among whose phones the user is searched, unless the host is a domain: those of the trunk that
        /// the request may come from, each once, in order. Empty: all tenants.
        among: Arc<[TenantId]>,
    },
    /// Resolve a name and answer with [`super::Proxy::handle_hops`].
    NeedHops {
        /// Identifies the lookup in the answer.
        lookup: u64,
        /// The place.
        place: UriHop,
    },
    /// A carrier that is asked whether it is there has begun to answer, or answers no more.
    Carrier {
        /// Its name or address, as its trunk has it.
        host: Box<str>,
        /// The address asked.
        hop: Hop,
        /// Whether it answers now.
        is_there: bool,
    },
    /// A node is live.
    NodeUp(Announcement),
    /// A node is not live any more.
    NodeDown(Owner, NodeLoss),
    /// A password was wrong; tells the operator which phone to look for.
    WrongPassword {
        /// The address that it came from.
        from: IpAddr,
        /// The number that the password was given for.
        dn: Dn,
    },
    /// A password was wrong that who calls by a trunk has given.
    WrongTrunkPassword {
        /// The address that it came from.
        from: IpAddr,
        /// The trunk.
        trunk: Arc<Trunk>,
    },
    /// A request was refused that may have come by a trunk: it lacks the trunk's certificate or its address. One of a second is told.
    TrunkUnproved {
        /// The address that it came from.
        from: IpAddr,
        /// The trunk.
        trunk: Arc<Trunk>,
        /// What it lacks.
        lacks: Lacking,
        /// Names in the certificate that it has shown.
        shown: Vec<Box<str>>,
    },
    /// A request was refused that is neither a phone's nor a trunk's. One of a second is told.
    UnknownSource {
        /// The address that it came from.
        from: IpAddr,
        /// Names in the certificate that it has shown.
        shown: Vec<Box<str>>,
    },
    /// A call was refused that may be for several tenants. One of a second is told.
    CallContested {
        /// The address that it came from.
        from: IpAddr,
        /// Why it is not known for which.
        why: Contest,
        /// A trunk of each of them.
        trunks: Vec<Arc<Trunk>>,
    },
    /// Who calls by a trunk has given its password on this connection of the edge.
    TrunkProved {
        /// Which.
        connection: ConnectionId,
    },
    /// A phone has authenticated, on a connection of the edge or by a datagram from the address of a trunk.
    Proved {
        /// By which flow.
        flow: Flow,
        /// The phone, by a number under the installation's key.
        phone: u64,
    },
    /// An INVITE from the edge that began a call has its final response.
    Attempted {
        /// The call.
        attempt: Box<Attempt>,
        /// The response's status.
        status: StatusCode,
    },
}

/// Why a node is not live any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeLoss {
    /// Its connection closed.
    Closed,
    /// Its loop answers no keep-alives.
    Silent,
    /// Its connection closed while it drained, or we did: it has ended as it should.
    Ended,
}
