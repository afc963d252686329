//! A transaction as plain data, for the successor of its node.

use bytes::Bytes;

use super::client::ClientState;
use super::server::ServerState;
use super::timer::Schedule;
use crate::{Flow, Method};

/// A client transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientSnapshot {
    /// The branch that matches responses.
    pub branch: Box<str>,
    /// The request's method.
    pub method: Method,
    /// Its state.
    pub state: ClientState,
    /// Its timers.
    pub schedule: Schedule,
    /// The flow of the request.
    pub flow: Flow,
    /// The request; empty once it will not be sent again.
    pub request: Bytes,
    /// Repeated ACKs: the To tag of the response that each belongs to, and the message.
    pub acks: Vec<(Box<str>, Bytes)>,
}

/// A server transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerSnapshot {
    /// The key that matches repeats; opaque.
    pub key: Box<[u8]>,
    /// The request's method.
    pub method: Method,
    /// Its state.
    pub state: ServerState,
    /// Its timers.
    pub schedule: Schedule,
    /// The flow of responses.
    pub flow: Flow,
    /// The last response; empty if there was none.
    pub last: Bytes,
    /// The request, as long as it has no response and a 100 may have to be made.
    pub request: Bytes,
}
