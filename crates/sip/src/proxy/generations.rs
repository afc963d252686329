//! A bounded table that forgets by generations: entries not used while half of the table was refilled.
//!
//! Every step costs the same, however full the table is and whoever fills it: evicting needs no search.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by key. A used or entered key stays at least until half of `max` other keys were.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Copy + Eq + Hash, V: Copy + Default> Generations<K, V> {
    /// An empty table of at most `max` entries.
    pub(super) fn new(max: usize) -> Self {
        Self { half: (max / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// The value of a key.
    pub(super) fn get(&mut self, key: K) -> Option<&mut V> {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key)?;
            self.enter(key, value);
        }
        self.young.get_mut(&key)
    }

    /// The value of a key, which does not count as used.
    pub(super) fn peek(&self, key: K) -> Option<&V> {
        self.young.get(&key).or_else(|| self.old.get(&key))
    }

    /// The value of a key, the default if there is none.
    pub(super) fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            self.enter(key, value);
        }
        self.young.entry(key).or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn enter(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_of_stays_while_others_come_and_go() {
        let mut table: Generations<u32, u32> = Generations::new(100);
        *table.entry(0) = 7;
        for key in 1..10_000 {
            table.entry(key);
            assert!(table.len() <= 100, "{}", table.len());
            if key % 40 == 0 {
                assert_eq!(table.get(0).copied(), Some(7), "after {key} others");
            }
        }
        for key in 10_000..10_100 {
            table.entry(key);
        }
        assert_eq!(table.get(0), None);
    }
}
