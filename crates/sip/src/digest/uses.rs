//! Which nonces were used, and how often: overheard credentials must not be usable again (RFC 7616 §3.4, §5.5).

use std::collections::HashMap;
use std::time::Duration;

use model::Timestamp;

use super::Issued;

/// Nonces remembered in one half of a lifetime: 400 authentications a second. Beyond that, all nonces up to now are forgotten
/// and count as stale.
const REMEMBERED_MAX: usize = 65_536;

/// The uses of nonces. Two tables alternate, so that old entries are dropped without a search; at most 3 MB.
#[derive(Clone, Debug)]
pub struct NonceUses {
    lifetime: Duration,
    /// Uses of nonces issued before this time are unknown: there were too many.
    known_from: Timestamp,
    turned_at: Timestamp,
    young: HashMap<u64, u32>,
    old: HashMap<u64, u32>,
}

impl NonceUses {
    /// Starts without uses; only nonces of this run are ever checked.
    pub fn new(lifetime: Duration) -> Self {
        let (known_from, turned_at) = (Timestamp::ZERO, Timestamp::ZERO);
        Self { lifetime, known_from, turned_at, young: HashMap::new(), old: HashMap::new() }
    }

    /// Counts a use, `count` being the credentials' `nc`; without one a nonce can be used once. Returns whether the use is new;
    /// if not, it was seen before, or may have been, and the client must be challenged again, with `stale=true`.
    pub fn spend(&mut self, nonce: Issued, count: Option<u32>, now: Timestamp) -> bool {
        self.turn(now);
        if nonce.at < self.known_from {
            return false;
        }
        let count = count.unwrap_or(u32::MAX);
        let seen = self.young.get(&nonce.number).or_else(|| self.old.get(&nonce.number)).copied().unwrap_or(0);
        if count <= seen {
            return false;
        }
        self.young.insert(nonce.number, count);
        true
    }

    fn turn(&mut self, now: Timestamp) {
        if self.young.len() >= REMEMBERED_MAX {
            self.known_from = now;
            self.young.clear();
            self.old.clear();
            self.turned_at = now;
        } else if now.since(self.turned_at) >= self.lifetime {
            self.old = std::mem::take(&mut self.young);
            self.turned_at = now;
        }
    }
}

#[cfg(test)]
mod tests;
