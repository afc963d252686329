//! Which replica what belongs together goes to: that of the greatest weight for its key (rendezvous hashing). Where one comes or goes, no
//! key of another one moves.

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;

/// The replicas in the order in which they are asked for this key.
pub(super) fn ranked(mut replicas: Vec<SocketAddr>, key: &[u8]) -> Vec<SocketAddr> {
    let weight = |replica: &SocketAddr| {
        // The same in every process: this hasher has no random seed.
        let mut hasher = DefaultHasher::new();
        (key, replica).hash(&mut hasher);
        Reverse(hasher.finish())
    };
    replicas.sort_by_cached_key(weight);
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicas(count: u8) -> Vec<SocketAddr> {
        (1..=count).map(|n| SocketAddr::from(([127, 0, 14, n], 8080))).collect()
    }

    fn keys() -> impl Iterator<Item = String> {
        (0..90).map(|n| format!("order-{n}"))
    }

    #[test]
    fn keys_are_shared_out_and_the_order_in_which_replicas_are_known_does_not_matter() {
        let mut turned = replicas(3);
        turned.reverse();
        let mut firsts = Vec::new();
        for key in keys() {
            let order = ranked(replicas(3), key.as_bytes());
            assert_eq!(ranked(turned.clone(), key.as_bytes()), order, "{key}");
            firsts.push(order[0]);
        }
        for replica in replicas(3) {
            let share = firsts.iter().filter(|first| **first == replica).count();
            assert!(share > 10, "{replica} has {share} of {}", firsts.len());
        }
    }

    #[test]
    fn a_replica_that_leaves_or_comes_moves_its_own_keys_alone() {
        for (key, leaver) in keys().flat_map(|key| replicas(4).into_iter().map(move |leaver| (key.clone(), leaver))) {
            let before = ranked(replicas(4), key.as_bytes());
            let left = replicas(4).into_iter().filter(|replica| *replica != leaver).collect();
            let expected: Vec<SocketAddr> = before.into_iter().filter(|replica| *replica != leaver).collect();
            assert_eq!(ranked(left, key.as_bytes()), expected, "{key} without {leaver}");
        }
        assert!(ranked(Vec::new(), b"order-1").is_empty());
    }
}
