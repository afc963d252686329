//! Rendezvous hashing: every proxy chooses the same node for a key, and when a node leaves only its own keys move.

use model::{ConnId, Owner};

/// The successor of a call's failed owner: every proxy and every node chooses the same live node.
pub fn successor<'a>(live: impl IntoIterator<Item = &'a Owner>, call: ConnId) -> Option<&'a Owner> {
    heaviest(live, key_of(call))
}

/// The node that has what is named so: every node chooses the same live one.
pub fn holder<'a>(live: impl IntoIterator<Item = &'a Owner>, name: &str) -> Option<&'a Owner> {
    heaviest(live, hash(name.as_bytes()))
}

fn heaviest<'a>(live: impl IntoIterator<Item = &'a Owner>, key: u64) -> Option<&'a Owner> {
    live.into_iter().max_by_key(|owner| (weight(key, hash(owner.node.as_str().as_bytes())), owner.epoch))
}

/// The key that chooses the node of a call.
pub(super) fn key_of(call: ConnId) -> u64 {
    hash(&call.0.to_be_bytes())
}

/// A key or a node's name as a number.
pub(super) fn hash(text: &[u8]) -> u64 {
    // FNV-1a; the mixing below gives it the avalanche that it lacks.
    text.iter().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// The weight of `node` for `key`: the node with the highest weight gets the key.
pub(super) const fn weight(key: u64, node: u64) -> u64 {
    let mut z = key ^ node.rotate_left(32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(key: u64, nodes: &[u64]) -> u64 {
        *nodes.iter().max_by_key(|n| weight(key, **n)).unwrap()
    }

    #[test]
    fn keys_spread_evenly_and_only_those_of_a_lost_node_move() {
        let nodes: Vec<u64> = (1..=4).map(|n| hash(format!("sip-cluster-{n}").as_bytes())).collect();
        let mut counts = [0; 4];
        for i in 0..40_000_u32 {
            let key = hash(format!("call-{i}@192.0.2.1").as_bytes());
            let chosen = choose(key, &nodes);
            counts[nodes.iter().position(|n| *n == chosen).unwrap()] += 1;
            let after = choose(key, &nodes[1..]);
            assert!(chosen == nodes[0] || after == chosen, "key {i} moved without need");
        }
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
    }
}
