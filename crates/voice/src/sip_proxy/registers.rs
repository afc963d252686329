//! Handles REGISTERs that follow closely on each other together.
//!
//! A message that is handled alone costs more in cold caches and wake-ups, ours and the registrar's, than in work. A phone that
//! registers tolerates some milliseconds, and phones come in thousands, all of them after an outage.

use std::time::Duration;

use model::Timestamp;
use net::sip::Datagram;
use sip::{ConnectionId, Message, Method};

/// The longest wait of a REGISTER for others.
const PATIENCE: Duration = Duration::from_millis(20);
/// When this number waits, they are handled at the end of the turn.
const WAITING_MAX: usize = 256;

/// REGISTERs that wait for others.
#[derive(Debug, Default)]
pub(super) struct Registers {
    waiting: Vec<Arrived>,
    /// When REGISTERs were handled last.
    last: Timestamp,
}

/// A message, and when it came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) what: Arrival,
    pub(super) at: Timestamp,
}

/// How a message came.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every one goes on at once; a box would cost an allocation each")]
pub(super) enum Arrival {
    /// By UDP, not parsed yet.
    Datagram(Datagram),
    /// By a connection.
    Message(ConnectionId, Message),
}

impl Arrival {
    fn is_register(&self) -> bool {
        match self {
            Self::Datagram(datagram) => datagram.bytes.starts_with(b"REGISTER "),
            Self::Message(_, message) => message.is_request() && message.method() == Method::Register,
        }
    }
}

impl Registers {
    /// Keeps a REGISTER to wait for others, unless none was handled lately. Returns every other message.
    pub(super) fn keep(&mut self, arrived: Arrived) -> Option<Arrived> {
        if !arrived.what.is_register() {
            return Some(arrived);
        }
        if self.waiting.is_empty() && arrived.at.since(self.last) >= PATIENCE {
            self.last = arrived.at;
            return Some(arrived);
        }
        self.waiting.push(arrived);
        None
    }

    /// When [`Self::take`] must be called next.
    pub(super) fn due(&self) -> Option<Timestamp> {
        (!self.waiting.is_empty()).then(|| self.last + PATIENCE)
    }

    /// REGISTERs that have waited long enough or are [`WAITING_MAX`], in order of arrival.
    pub(super) fn take(&mut self, now: Timestamp) -> Vec<Arrived> {
        let is_time = self.due().is_some_and(|due| due <= now) || self.waiting.len() >= WAITING_MAX;
        if is_time { self.take_all(now) } else { Vec::new() }
    }

    /// All REGISTERs that wait, in order of arrival.
    pub(super) fn take_all(&mut self, now: Timestamp) -> Vec<Arrived> {
        if !self.waiting.is_empty() {
            self.last = now;
        }
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests;
