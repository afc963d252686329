//! Packet indexes: the estimate of the one that a sequence number stands for, and the window that knows which were there.

/// Indexes that are known one by one, below the highest. RFC 3711 §3.3.2 wants at least 64.
const WINDOW: u64 = 128;

/// The greatest index of SRTP: a rollover counter of 32 bits and a sequence number of 16.
const INDEX_MAX: u64 = (1 << 48) - 1;

/// The index that a sequence number stands for, by the highest index so far (RFC 3711 §3.3.1 and appendix A); `None` if it is none.
pub(super) fn estimate(highest: u64, sequence: u16) -> Option<u64> {
    let (rollovers, last) = (highest >> 16, highest as u16);
    let rollovers = match last {
        0..0x8000 if sequence.wrapping_sub(last) > 0x8000 && sequence > last => rollovers.checked_sub(1)?,
        0x8000.. if last - 0x8000 > sequence => rollovers + 1,
        _ => rollovers,
    };
    Some(rollovers << 16 | u64::from(sequence)).filter(|index| *index <= INDEX_MAX)
}

/// Which indexes were there: the highest and those up to [`WINDOW`] below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    highest: u64,
    /// Bit n: the index n below the highest.
    seen: u128,
}

impl Window {
    /// With this index as the first.
    pub const fn new(first: u64) -> Self {
        Self { highest: first, seen: 1 }
    }

    /// With every index up to this one as there before.
    pub const fn all_up_to(highest: u64) -> Self {
        Self { highest, seen: u128::MAX }
    }

    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether an index was not there; one below the window counts as there.
    pub const fn is_new(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        let below = self.highest - index;
        below < WINDOW && self.seen & (1 << below) == 0
    }

    /// Notes an index for which [`Window::is_new`] is true.
    pub const fn note(&mut self, index: u64) {
        if index <= self.highest {
            let below = self.highest - index;
            if below < WINDOW {
                self.seen |= 1 << below;
            }
            return;
        }
        let ahead = index - self.highest;
        self.seen = if ahead < WINDOW { self.seen << ahead | 1 } else { 1 };
        self.highest = index;
    }
}
