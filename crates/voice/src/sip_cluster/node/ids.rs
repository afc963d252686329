//! The node's own name, and the ids and tags that it gives.

use model::{CallUuid, ConnId, Entropy, LegId, Owner, TenantId, Timestamp};
use sip::{LocalTag, Seal};

/// What names the node, its calls and their legs.
pub struct Ids {
    owner: Owner,
    seal: Seal,
    conn_ids: ConnIds,
    entropy: Box<dyn Entropy>,
}

impl Ids {
    /// The ids of one run of a replica.
    pub fn new(owner: Owner, replica: u8, seal: Seal, entropy: Box<dyn Entropy>) -> Self {
        Self { owner, seal, conn_ids: ConnIds::new(replica), entropy }
    }

    /// The node's name and epoch.
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Our tag in a dialog of a leg: it names the call and us as its owner.
    pub fn tag(&self, call: ConnId, leg: LegId, tenant: TenantId) -> String {
        LocalTag { call, leg, tenant, owner: self.owner.clone() }.seal(&self.seal)
    }

    /// Reads a tag that this node, or another one with the installation's key, has given.
    pub fn open(&self, tag: &str) -> Option<LocalTag> {
        LocalTag::open(tag, &self.seal)
    }

    /// The call that such a tag names.
    pub fn call_of(&self, tag: Option<&str>) -> Option<ConnId> {
        self.open(tag?).map(|tag| tag.call)
    }

    /// The id of a new call.
    pub fn next_conn_id(&mut self, now: Timestamp) -> ConnId {
        self.conn_ids.next(now)
    }

    /// The global id of a new call.
    pub fn next_uuid(&mut self) -> CallUuid {
        CallUuid(u128::from(self.entropy.next_u64()) << 64 | u128::from(self.entropy.next_u64()))
    }

    /// A random number, for a Call-ID.
    pub fn random(&mut self) -> u64 {
        self.entropy.next_u64()
    }
}

/// 2020-01-01 in milliseconds since 1970: 41 bits from here last until 2089.
const BASE_MS: u64 = 1_577_836_800_000;
const REPLICA_BITS: u32 = 8;
const COUNT_BITS: u32 = 15;

/// Assigns ConnIDs: 41 bits of milliseconds, 8 of the replica, 15 of a count within the millisecond.
///
/// They only grow, so no id repeats even when the clock is set back.
#[derive(Debug)]
struct ConnIds {
    replica: u8,
    last: u64,
}

impl ConnIds {
    /// For one replica. After a restart it continues from the clock, which is past its last id unless it gave more than 32,768 ids a millisecond.
    const fn new(replica: u8) -> Self {
        Self { replica, last: 0 }
    }

    /// The next id.
    fn next(&mut self, now: Timestamp) -> ConnId {
        let tick = now.as_millis().saturating_sub(BASE_MS) << COUNT_BITS;
        self.last = tick.max(self.last + 1);
        let (ms, count) = (self.last >> COUNT_BITS, self.last & ((1 << COUNT_BITS) - 1));
        ConnId(ms << (REPLICA_BITS + COUNT_BITS) | u64::from(self.replica) << COUNT_BITS | count)
    }
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
