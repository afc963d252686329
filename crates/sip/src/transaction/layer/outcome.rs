//! What comes out of the layer: received messages, events that no message caused, faults of ours.

use thiserror::Error;

use super::{ClientId, ServerId};
use crate::{Flow, Message};

/// A request that began a server transaction.
#[derive(Debug)]
pub struct NewRequest {
    /// The transaction, to be answered by [`TransactionLayer::respond`].
    pub server: ServerId,
    /// The request.
    pub message: Message,
    /// Where it came from.
    pub flow: Flow,
    /// For a CANCEL: the INVITE transaction that it cancels, and that transaction's owner.
    pub cancels: Option<(ServerId, u64)>,
}

/// The outcome of a received message.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "moved once per message; a box would cost more")]
pub enum Received {
    /// Handled here: a repeat, an ACK to a failure, or unusable.
    Absorbed,
    /// A new request.
    Request(NewRequest),
    /// An ACK to a 2xx. Matched to a transaction only for RFC 2543 peers.
    Ack {
        /// The ACK.
        message: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A response to a request of ours. An INVITE's 2xx may come several times, from several forks.
    Response {
        /// The transaction.
        client: ClientId,
        /// Its owner.
        owner: u64,
        /// The response.
        message: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A response without a matching transaction. RFC 6026 §7.3: it is not forwarded.
    Stray(Message),
}

/// An event that no message caused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransactionEvent {
    /// No final response came (timers B, C, F); the transaction user treats it as a 408.
    ClientTimeout {
        /// The transaction; it is over.
        client: ClientId,
        /// Its owner.
        owner: u64,
    },
    /// The flow broke before a final response came; the transaction user treats it as a 503 (RFC 3261 §8.1.3.1).
    ClientFlowFailed {
        /// The transaction; it is over.
        client: ClientId,
        /// Its owner.
        owner: u64,
    },
    /// The transaction is over after a final response.
    ClientEnded {
        /// The transaction.
        client: ClientId,
        /// Its owner.
        owner: u64,
    },
    /// The ACK to a failure never came (timer H), or a request was never answered (RFC 4320).
    ServerTimeout {
        /// The transaction; it is over.
        server: ServerId,
        /// Its owner.
        owner: u64,
    },
    /// The transaction is over.
    ServerEnded {
        /// The transaction.
        server: ServerId,
        /// Its owner.
        owner: u64,
    },
}

/// A transaction could not be created or used; always a fault on our side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TransactionError {
    /// The table is full.
    #[error("too many transactions")]
    Full,
    /// There is no such transaction (any more).
    #[error("no such transaction")]
    Gone,
    /// The branch is taken.
    #[error("branch is in use")]
    BranchTaken,
}
