//! A bounded table: the entry touched longest ago is evicted for a new one.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Entries ordered by their last touch. Each step takes time logarithmic in their number.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    max: usize,
    touches: u64,
    entries: HashMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
}

impl<K: Copy + Eq + Hash, V: Default> Recent<K, V> {
    /// An empty one for at most `max` entries.
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), touches: 0, entries: HashMap::new(), order: BTreeMap::new() }
    }

    /// Reads without touching.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The entry of that key, created if missing, as the one touched last.
    pub(super) fn touch(&mut self, key: K) -> &mut V {
        if self.entries.len() >= self.max
            && !self.entries.contains_key(&key)
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.touches += 1;
        let (touched, value) = self.entries.entry(key).or_insert_with(|| (0, V::default()));
        self.order.remove(touched);
        self.order.insert(self.touches, key);
        *touched = self.touches;
        value
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, key: &K) {
        if let Some((touched, _)) = self.entries.remove(key) {
            self.order.remove(&touched);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.order.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_touched_longest_ago_is_forgotten_for_somebody_new() {
        let mut recent: Recent<u8, u32> = Recent::new(3);
        for key in [1, 2, 3, 1] {
            *recent.touch(key) += 1;
        }
        *recent.touch(4) += 1;
        let held: Vec<Option<u32>> = (1..=4).map(|key| recent.get(&key).copied()).collect();
        assert_eq!((held, recent.len()), (vec![Some(2), None, Some(1), Some(1)], 3));
        recent.remove(&3);
        recent.touch(5);
        assert_eq!((recent.get(&1), recent.get(&4), recent.len()), (Some(&2), Some(&1), 3));
    }

    #[test]
    fn it_does_not_grow_whatever_comes() {
        let mut recent: Recent<u32, ()> = Recent::new(8);
        for key in 0..10_000_u32 {
            recent.touch(key.wrapping_mul(2_654_435_761) % 97);
            if key % 5 == 0 {
                recent.remove(&(key % 97));
            }
            assert!(recent.len() <= 8);
        }
    }
}
