//! A transaction as plain data, for the heir of its node.

use bytes::Bytes;

use super::client::ClientState;
use super::server::ServerState;
use super::timer::Schedule;
use crate::{Flow, Method};

/// A client transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientSnapshot {
    /// The branch that responses are matched by.
    pub branch: Box<str>,
    /// The request's method.
    pub method: Method,
    /// Where it stands.
    pub state: ClientState,
    /// Its timers.
    pub schedule: Schedule,
    /// Where the request goes.
    pub flow: Flow,
    /// The request; empty once it will not be sent again.
    pub request: Bytes,
    /// ACKs that are repeated: the To tag of the response that each belongs to, and the message.
    pub acks: Vec<(Box<str>, Bytes)>,
}

/// A server transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerSnapshot {
    /// What repeats are matched by; opaque.
    pub key: Box<[u8]>,
    /// The request's method.
    pub method: Method,
    /// Where it stands.
    pub state: ServerState,
    /// Its timers.
    pub schedule: Schedule,
    /// Where responses go.
    pub flow: Flow,
    /// The last response; empty if there was none.
    pub last: Bytes,
    /// The request, as long as nothing was answered and a 100 may have to be made.
    pub request: Bytes,
}
