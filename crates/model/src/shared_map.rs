//! An ordered map whose copies share what they have in common.
//!
//! A tenant may have hundreds of thousands of objects, and each change of one gives every reader a new state while others still use the one
//! before. The entries stand in chunks of bounded size: a change copies its chunk and the list of chunks, a copy of the map costs nothing,
//! and two states are compared by passing over the chunks that they share.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// The most entries of a chunk. Of 400,000 entries a change copies one such chunk and a list of a few thousand pointers.
const CHUNK_MAX: usize = 256;
/// Neighbouring chunks with together no more entries than these become one, so that deletions leave no long list of small chunks.
const PAIR_MIN: usize = CHUNK_MAX / 2;

/// Entries in the order of their keys; never empty.
type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// An ordered map; copies share what is the same in them.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

/// An ordered set; copies share what is the same in them.
pub type SharedSet<K> = SharedMap<K, ()>;

/// What differs between two states under one key.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference<'a, K, V> {
    /// The key.
    pub key: &'a K,
    /// The value before; none if there was none.
    pub before: Option<&'a V>,
    /// The value now; none if it was removed.
    pub now: Option<&'a V>,
}

impl<K, V> SharedMap<K, V> {
    /// An empty map.
    pub fn new() -> Self {
        Self { chunks: Arc::default(), len: 0 }
    }

    /// The number of entries.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> Entries<'_, K, V> {
        Entries { chunks: &self.chunks, place: 0 }
    }

    /// The keys in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let place = place_of(chunk, key).ok()?;
        chunk.get(place).map(|(_, value)| value)
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The entries from this bound on.
    pub fn range_from<Q: Ord + ?Sized>(&self, from: Bound<&Q>) -> Entries<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let (key, excluded) = match from {
            Bound::Unbounded => return self.iter(),
            Bound::Included(key) => (key, false),
            Bound::Excluded(key) => (key, true),
        };
        let chunks = self.chunks.get(self.chunk_of(key)..).unwrap_or_default();
        let is_before = |(held, _): &(K, V)| match key.cmp(held.borrow()) {
            Ordering::Greater => true,
            Ordering::Equal => excluded,
            Ordering::Less => false,
        };
        let place = chunks.first().map_or(0, |chunk| chunk.partition_point(is_before));
        let mut entries = Entries { chunks, place };
        entries.pass_end();
        entries
    }

    /// What differs from an earlier state, in the order of keys. `is_same` compares values; what both states share is not compared.
    pub fn differences<'a>(&'a self, before: &'a Self, is_same: impl Fn(&V, &V) -> bool) -> Vec<Difference<'a, K, V>> {
        let mut found = Vec::new();
        if Arc::ptr_eq(&self.chunks, &before.chunks) {
            return found;
        }
        let (mut old, mut new) = (before.iter(), self.iter());
        loop {
            pass_shared(&mut old, &mut new);
            let order = match (old.entry(), new.entry()) {
                (None, None) => return found,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((before, _)), Some((now, _))) => before.cmp(now),
            };
            let before = if order == Ordering::Greater { None } else { old.next() };
            let now = if order == Ordering::Less { None } else { new.next() };
            let is_equal = matches!((before, now), (Some((_, before)), Some((_, now))) if is_same(before, now));
            if let Some((key, _)) = now.or(before).filter(|_| !is_equal) {
                let (before, now) = (before.map(|(_, value)| value), now.map(|(_, value)| value));
                found.push(Difference { key, before, now });
            }
        }
    }

    /// The chunk where a key is, if anywhere: the last one that begins with it or before it, else the first.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        let is_behind = |(first, _): &(K, V)| key.cmp(first.borrow()) != Ordering::Less;
        self.chunks.partition_point(|chunk| chunk.first().is_some_and(is_behind)).saturating_sub(1)
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Puts a value under a key; returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let at = self.chunk_of(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        let is_last = at + 1 == chunks.len();
        let Some(chunk) = chunks.get_mut(at) else {
            chunks.push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let entries = Arc::make_mut(chunk);
        let place = match place_of(entries, &key) {
            Ok(place) => return entries.get_mut(place).map(|(_, held)| std::mem::replace(held, value)),
            Err(place) => place,
        };
        self.len += 1;
        if entries.len() < CHUNK_MAX {
            entries.insert(place, (key, value));
        } else if is_last && place == entries.len() {
            // What is inserted in order fills its chunks.
            chunks.push(Arc::new(vec![(key, value)]));
        } else {
            let half = entries.len() / 2;
            let mut rest = entries.split_off(half);
            if place <= half {
                entries.insert(place, (key, value));
            } else {
                rest.insert(place - half, (key, value));
            }
            chunks.insert(at + 1, Arc::new(rest));
        }
        None
    }

    /// Removes a key; returns its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.chunk_of(key);
        let place = place_of(self.chunks.get(at)?, key).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let entries = Arc::make_mut(chunks.get_mut(at)?);
        let (_, value) = entries.remove(place);
        self.len -= 1;
        if entries.is_empty() {
            chunks.remove(at);
        } else {
            unite(chunks, at);
        }
        if let Some(before) = at.checked_sub(1) {
            unite(chunks, before);
        }
        Some(value)
    }
}

/// Where a key is in a chunk, or where it would be.
fn place_of<K: Borrow<Q>, V, Q: Ord + ?Sized>(entries: &[(K, V)], key: &Q) -> Result<usize, usize> {
    entries.binary_search_by(|(held, _)| key.cmp(held.borrow()).reverse())
}

/// Makes one chunk of this one and the next, if they are small.
fn unite<K: Clone, V: Clone>(chunks: &mut Vec<Chunk<K, V>>, at: usize) {
    let (Some(one), Some(next)) = (chunks.get(at), chunks.get(at + 1)) else { return };
    if one.len() + next.len() > PAIR_MIN {
        return;
    }
    let next = chunks.remove(at + 1);
    if let Some(one) = chunks.get_mut(at) {
        Arc::make_mut(one).extend(Arc::unwrap_or_clone(next));
    }
}

/// Passes over chunks that both have: their entries are the same.
fn pass_shared<K, V>(old: &mut Entries<'_, K, V>, new: &mut Entries<'_, K, V>) {
    while old.place == 0
        && new.place == 0
        && let (Some(before), Some(now)) = (old.chunks.first(), new.chunks.first())
        && Arc::ptr_eq(before, now)
    {
        old.pass_chunk();
        new.pass_chunk();
    }
}

/// The entries of a [`SharedMap`] in the order of their keys.
pub struct Entries<'a, K, V> {
    /// What is left; the place is within the first of them.
    chunks: &'a [Chunk<K, V>],
    place: usize,
}

impl<'a, K, V> Entries<'a, K, V> {
    fn entry(&self) -> Option<(&'a K, &'a V)> {
        let chunks: &'a [Chunk<K, V>] = self.chunks;
        chunks.first()?.get(self.place).map(|(key, value)| (key, value))
    }

    fn pass_chunk(&mut self) {
        self.chunks = self.chunks.get(1..).unwrap_or_default();
        self.place = 0;
    }

    /// Goes on to the next chunk at the end of one.
    fn pass_end(&mut self) {
        if self.chunks.first().is_some_and(|chunk| self.place >= chunk.len()) {
            self.pass_chunk();
        }
    }
}

impl<'a, K, V> Iterator for Entries<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entry()?;
        self.place += 1;
        self.pass_end();
        Some(entry)
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord + Clone, V: Clone, const N: usize> From<[(K, V); N]> for SharedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for SharedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<'a, K, V> IntoIterator for &'a SharedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Entries<'a, K, V>;

    fn into_iter(self) -> Entries<'a, K, V> {
        self.iter()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SharedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
