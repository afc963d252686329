//! Ids that a node assigns, unique without coordination.

use model::{CallUuid, ConnId, Entropy, Timestamp};

/// 2020-01-01 in milliseconds since 1970: 41 bits from here last until 2089.
const BASE_MS: u64 = 1_577_836_800_000;
const REPLICA_BITS: u32 = 8;
const COUNT_BITS: u32 = 15;

/// Assigns ConnIDs: 41 bits of milliseconds, 8 of the replica, 15 of a count within the millisecond.
///
/// They only grow, so no id repeats even when the clock is set back.
#[derive(Debug)]
pub struct ConnIds {
    replica: u8,
    last: u64,
}

impl ConnIds {
    /// For one replica. After a restart it continues from the clock, which is past its last id unless it gave more than 32,768 ids a millisecond.
    pub const fn new(replica: u8) -> Self {
        Self { replica, last: 0 }
    }

    /// The next id.
    pub fn next(&mut self, now: Timestamp) -> ConnId {
        let tick = now.as_millis().saturating_sub(BASE_MS) << COUNT_BITS;
        self.last = tick.max(self.last + 1);
        let (ms, count) = (self.last >> COUNT_BITS, self.last & ((1 << COUNT_BITS) - 1));
        ConnId(ms << (REPLICA_BITS + COUNT_BITS) | u64::from(self.replica) << COUNT_BITS | count)
    }
}

/// A call's global id.
pub fn call_uuid(entropy: &mut dyn Entropy) -> CallUuid {
    CallUuid(u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_repeat_even_when_the_clock_goes_back() {
        let (mut one, mut other) = (ConnIds::new(1), ConnIds::new(2));
        let mut seen = std::collections::HashSet::new();
        for ms in [5, 5, 5, 4, 3, 6, 6] {
            let now = Timestamp::from_millis(BASE_MS + 1_000 + ms);
            for _ in 0..40_000 {
                assert!(seen.insert(one.next(now)));
            }
            assert!(seen.insert(other.next(now)));
        }
    }
}
