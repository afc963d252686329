//! Handles REGISTERs that follow closely on each other together.
//!
//! A message that is handled alone costs more in cold caches and wake-ups, ours and the registrar's, than in work. A phone that
//! registers tolerates some milliseconds, and phones come in thousands, all of them after an outage.

use std::time::Duration;

use model::Timestamp;
use net::sip::{ConnectionId, Datagram};
use sip::{Message, Method};

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
mod tests {
    use bytes::Bytes;

    use super::*;

    fn arrived(text: &'static str, at: u64) -> Arrived {
        let datagram = Datagram { remote: ([192, 0, 2, 1], 5060).into(), bytes: Bytes::from_static(text.as_bytes()) };
        Arrived { what: Arrival::Datagram(datagram), at: ms(at) }
    }

    fn texts(arrived: Vec<Arrived>) -> Vec<Bytes> {
        let text = |arrived: Arrived| match arrived.what {
            Arrival::Datagram(datagram) => datagram.bytes,
            Arrival::Message(_, message) => message.to_bytes(),
        };
        arrived.into_iter().map(text).collect()
    }

    fn ms(at: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + at)
    }

    #[test]
    fn one_by_itself_does_not_wait_and_those_that_follow_wait_together() {
        let mut registers = Registers::default();
        assert!(registers.keep(arrived("REGISTER a", 0)).is_some());
        assert_eq!(registers.due(), None);
        assert!(registers.keep(arrived("REGISTER b", 5)).is_none());
        assert!(registers.keep(arrived("REGISTER c", 19)).is_none());
        assert_eq!(registers.due(), Some(ms(20)));
        assert_eq!(registers.take(ms(19)).len(), 0);
        assert_eq!(texts(registers.take(ms(21))), ["REGISTER b", "REGISTER c"]);
        assert!(registers.keep(arrived("REGISTER d", 40)).is_none(), "19 ms after the others");
        assert_eq!(registers.take(ms(41)).len(), 1);
        assert!(registers.keep(arrived("REGISTER e", 61)).is_some());
    }

    #[test]
    fn by_a_connection_too_and_nothing_else_waits() {
        let message = |method| {
            let message = Message::request(method, "sip:a").build();
            Arrived { what: Arrival::Message(ConnectionId(1), message), at: ms(1) }
        };
        let mut registers = Registers::default();
        assert!(registers.keep(arrived("REGISTER a", 0)).is_some());
        assert!(registers.keep(message(Method::Register)).is_none());
        assert!(registers.keep(message(Method::Invite)).is_some());
        assert!(registers.keep(arrived("INVITE a", 1)).is_some());
        assert!(registers.keep(arrived("REGISTERED a", 1)).is_some());
    }

    #[test]
    fn one_by_itself_does_not_wait_because_nothing_was_dealt_with() {
        let mut registers = Registers::default();
        assert_eq!(registers.take_all(ms(0)).len(), 0);
        assert!(registers.keep(arrived("REGISTER a", 1)).is_some());
    }

    #[test]
    fn many_do_not_wait() {
        let mut registers = Registers::default();
        assert!(registers.keep(arrived("REGISTER a", 0)).is_some());
        for _ in 0..WAITING_MAX {
            assert_eq!(registers.take(ms(1)).len(), 0);
            assert!(registers.keep(arrived("REGISTER b", 1)).is_none());
        }
        assert_eq!(registers.take(ms(1)).len(), WAITING_MAX);
        assert_eq!(registers.due(), None);
    }
}
