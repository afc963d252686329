//! What attributes a fault to a call.

use bytes::Bytes;
use model::{ConnId, Timestamp};
use runtime::fault::InARow;

/// What the node is doing, for the report of a fault.
#[derive(Clone, Debug, Default)]
pub enum Doing {
    /// Nothing yet.
    #[default]
    Nothing,
    /// It handles a message from a connection.
    Message {
        /// The bytes as received.
        bytes: Bytes,
        /// The connection.
        link: u64,
    },
    /// Time has passed.
    Time,
    /// It restores a call from its record.
    Record,
    /// It handles an answer or a request of another role.
    OtherInput(&'static str),
}

/// State that attributes a fault to a call.
#[derive(Debug, Default)]
pub struct Faults {
    /// The work since the outermost attempt began.
    pub(super) doing: Doing,
    /// The call being processed.
    pub(super) in_hand: Option<ConnId>,
    /// Steps that the attempt may still take.
    pub(super) steps: u32,
    /// The limit that was reached.
    pub(super) exceeded: Option<&'static str>,
    /// Nesting depth of attempts.
    pub(super) depth: u8,
    /// Reports that the loop has not taken yet.
    pub(super) reported: usize,
    /// When the last attempt began.
    pub(super) at: Timestamp,
    pub(super) in_a_row: InARow,
}
