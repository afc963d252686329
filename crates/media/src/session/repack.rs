//! Converts audio of one packet length into packets of another, for a peer that asked for it (`a=ptime`).

use std::collections::VecDeque;

/// A step of the source's timestamps beyond this, in either direction, is a restart: 20 s.
const JUMP_MAX: i32 = 160_000;
/// Most packets made from one frame: a whole datagram in pieces of 10 ms, and the previous remainder.
const READY_MAX: usize = 24;

/// A source whose packets do not have the length that the peer wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Repack {
    source: u32,
    /// Ours minus the source's, modulo 2^32.
    offset: u32,
    /// The source's timestamp that continues the buffered audio.
    next: u32,
    /// Codes that do not fill a packet yet.
    rest: Vec<u8>,
    ready: VecDeque<Piece>,
    /// The next packet starts a talk spurt.
    marker: bool,
}

/// A packet of the wanted length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    /// Whether it starts a talk spurt.
    pub marker: bool,
    /// Our timestamp.
    pub timestamp: u32,
    /// Its payload.
    pub codes: Vec<u8>,
}

impl Repack {
    /// Starts with a source whose timestamps are `offset` behind ours.
    pub fn new(source: u32, next: u32, offset: u32, marker: bool) -> Self {
        Self { source, offset, next, rest: Vec::new(), ready: VecDeque::new(), marker }
    }

    pub fn is_of(&self, source: u32) -> bool {
        self.source == source
    }

    /// Maps a timestamp of the source to ours.
    pub fn timestamp(&self, of_source: u32) -> u32 {
        of_source.wrapping_add(self.offset)
    }

    /// Whether a frame with this timestamp continues the buffered audio.
    pub fn continues(&self, timestamp: u32) -> bool {
        (timestamp.wrapping_sub(self.next) as i32).abs() <= JUMP_MAX
    }

    /// Appends octets in the peer's codec. Codes too late for their packet are dropped; missing ones in the packet being
    /// filled become silence.
    pub fn take(
        &mut self,
        timestamp: u32,
        marker: bool,
        codes: impl ExactSizeIterator<Item = u8>,
        silence: u8,
        length: usize,
    ) {
        let gap = timestamp.wrapping_sub(self.next) as i32;
        if gap < 0 || length == 0 {
            return;
        }
        if gap > 0 {
            let missing = (length - self.rest.len() % length) % length;
            let filled = missing.min(gap as usize);
            self.rest.extend(std::iter::repeat_n(silence, filled));
            self.next = self.next.wrapping_add(filled as u32);
            self.cut(length);
            // Shorter than a packet: nothing is left if a gap follows.
            self.next = timestamp;
        }
        self.marker |= marker && self.rest.is_empty();
        self.next = self.next.wrapping_add(codes.len() as u32);
        self.rest.extend(codes);
        self.cut(length);
    }

    /// A telephone event has begun: earlier audio that does not fill a packet is dropped.
    pub fn interrupt(&mut self, timestamp: u32) {
        self.rest.clear();
        self.next = timestamp;
    }

    /// The next packet.
    pub fn next_ready(&mut self) -> Option<Piece> {
        self.ready.pop_front()
    }

    fn cut(&mut self, length: usize) {
        while self.rest.len() >= length && self.ready.len() < READY_MAX {
            let later = self.rest.split_off(length);
            let codes = std::mem::replace(&mut self.rest, later);
            let behind = (self.rest.len() + length) as u32;
            let timestamp = self.timestamp(self.next.wrapping_sub(behind));
            self.ready.push_back(Piece { marker: std::mem::take(&mut self.marker), timestamp, codes });
        }
    }
}

#[cfg(test)]
mod tests;
