//! The node's own name, and the ids and tags that it gives.

use model::{CallUuid, ConnId, Dn, Entropy, LegId, Owner, TenantId, Timestamp};
use sip::seal::Purpose;
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
        LocalTag { call, leg, tenant, owner: self.owner.clone() }.encode(&self.seal)
    }

    /// Reads a tag that this node, or another one with the installation's key, has given.
    pub fn open(&self, tag: &str) -> Option<LocalTag> {
        LocalTag::decode(tag, &self.seal)
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

    /// What names a trunk to those who verify what we have signed, and to nobody else: a UUID (version 8, RFC 9562 section 5.8) that is
    /// the same on all nodes, as long as the installation has its key.
    pub fn origid(&self, tenant: &TenantId, trunk: &str) -> String {
        self.lasting_uuid(["a", "b"], tenant, trunk)
    }

    /// What names a phone to who is told where it is, and to nobody else: a UUID as well.
    pub fn device_id(&self, tenant: &TenantId, phone: &Dn) -> String {
        self.lasting_uuid(["c", "d"], tenant, phone.as_str())
    }

    fn lasting_uuid(&self, [first, second]: [&str; 2], tenant: &TenantId, of: &str) -> String {
        let [first, second] = [first, second].map(|which| format!("{which}/{tenant}/{of}"));
        self.seal.uuid(Purpose::Origin, [&first, &second])
    }

    /// A random number.
    pub fn random(&mut self) -> u64 {
        self.entropy.next_u64()
    }

    /// The Call-ID of a dialog that a leg begins with its phone or carrier, to whom it says nothing. No two are the same, whatever the
    /// random numbers of two runs are.
    pub fn call_id(&mut self, conn_id: ConnId, leg: LegId) -> String {
        let random = self.random();
        format!("{}{random:016x}", self.opaque(&format!("call/{conn_id}/{leg}/{random:x}")))
    }

    /// The Content-ID of the part of a leg's INVITE that says where the caller is (RFC 2392): it looks like an address and is none.
    pub fn content_id(&self, conn_id: ConnId, leg: LegId) -> String {
        format!("{}@location.invalid", self.opaque(&format!("location/{conn_id}/{leg}")))
    }

    /// A name under the installation's key.
    fn opaque(&self, name: &str) -> String {
        format!("{:016x}", u64::from_be_bytes(self.seal.sign(Purpose::Name, name.as_bytes())))
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
    use model::NodeId;

    #[test]
    fn an_origid_is_the_same_on_all_nodes_and_for_no_other_trunk() {
        let ids = |node: &str, key: u8| {
            let owner = Owner { node: NodeId::parse(node).unwrap(), epoch: model::Epoch(1) };
            Ids::new(owner, 1, Seal::new(&[key; 32]), Box::new(model::entropy::Seeded::new(1)))
        };
        let (tenant, one) = (TenantId::parse("acme").unwrap(), ids("sip-cluster-1", 7));
        let origid = one.origid(&tenant, "carrier");
        assert_eq!(origid, ids("sip-cluster-2", 7).origid(&tenant, "carrier"));
        assert_ne!(origid, one.origid(&tenant, "other"));
        assert_ne!(origid, one.device_id(&tenant, &Dn::parse("carrier").unwrap()));
        assert_ne!(origid, ids("sip-cluster-1", 8).origid(&tenant, "carrier"));
        let bytes = origid.as_bytes();
        assert_eq!((bytes.len(), bytes[8], bytes[14]), (36, b'-', b'8'), "{origid}");
        assert!(b"89ab".contains(&bytes[19]), "{origid}");
    }

    #[test]
    fn what_names_a_dialog_or_a_location_says_nothing_and_is_never_given_twice() {
        let ids = || {
            let owner = Owner { node: NodeId::parse("sip-cluster-1").unwrap(), epoch: model::Epoch(1) };
            Ids::new(owner, 1, Seal::new(&[7; 32]), Box::new(model::entropy::Seeded::new(1)))
        };
        let (call, other) = (ConnId(0x0067_ae00_0000_0001), ConnId(0x0067_ae00_0000_0002));
        let (mut one, mut again) = (ids(), ids());
        let named = [one.call_id(call, LegId(2)), one.call_id(call, LegId(2)), again.call_id(other, LegId(2))];
        let distinct: std::collections::HashSet<&String> = named.iter().collect();
        assert_eq!(distinct.len(), named.len(), "{named:?}");
        for name in named.iter().chain([&one.content_id(call, LegId(2))]) {
            assert!(!name.contains("cluster") && !name.contains("0067ae00"), "{name}");
        }
        assert_ne!(one.content_id(call, LegId(2)), one.content_id(call, LegId(3)));
    }

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
