//! Datagrams between the socket and the core: read at once, so that the kernel need not drop any, each with its time of arrival.
//!
//! The wait of the first one shows how far the work is behind the load.

use std::collections::VecDeque;
use std::time::Duration;

use model::Timestamp;
use net::sip::Datagram;

/// Datagrams that wait at once; further ones wait in the kernel. An accepted one takes some tens of microseconds, so this is far
/// more than wait when new requests are refused.
const WAITING_MAX: usize = 8_192;
/// Their size in all, in bytes.
const BYTES_MAX: usize = 16 << 20;

/// Datagrams in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: VecDeque<(Datagram, Timestamp)>,
    bytes: usize,
}

impl Inbox {
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX && self.bytes < BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn put(&mut self, datagram: Datagram, at: Timestamp) {
        self.bytes += datagram.bytes.len();
        self.waiting.push_back((datagram, at));
    }

    pub(super) fn take(&mut self) -> Option<Datagram> {
        let (datagram, _) = self.waiting.pop_front()?;
        self.bytes -= datagram.bytes.len();
        Some(datagram)
    }

    /// How long the first one has waited.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        self.waiting.front().map_or(Duration::ZERO, |(_, came)| now.since(*came))
    }
}

#[cfg(test)]
mod tests;
