//! A bounded table with unambiguous ids: each carries the generation of its slot.

/// Values by 64-bit id: slot in the low half, generation in the high half.
///
/// It grows by chunks that are never moved. A single vector would be copied whole each time it doubles: at thousands of calls
/// that blocks all other work for milliseconds, and then all delayed answers leave at once.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    chunks: Vec<Vec<Slot<T>>>,
    slots: usize,
    free: Vec<u32>,
    max: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Slots per chunk, as a power of two: some hundred kilobytes.
const CHUNK_BITS: u32 = 10;
const CHUNK: usize = 1 << CHUNK_BITS;

impl<T> Arena<T> {
    pub(crate) const fn new(max: usize) -> Self {
        Self { chunks: Vec::new(), slots: 0, free: Vec::new(), max }
    }

    /// Stores `value`; `None` when the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Option<u64> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots < self.max => self.grow()?,
            None => return None,
        };
        let slot = self.slot_mut(u64::from(index))?;
        slot.value = Some(value);
        Some(u64::from(slot.generation) << 32 | u64::from(index))
    }

    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        let index = (id & 0xFFFF_FFFF) as usize;
        let slot = self.chunks.get(index >> CHUNK_BITS)?.get(index % CHUNK)?;
        if u64::from(slot.generation) == id >> 32 { slot.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let slot = self.slot_mut(id)?;
        if u64::from(slot.generation) == id >> 32 { slot.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let slot = self.slot_mut(id)?;
        if u64::from(slot.generation) != id >> 32 {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1).max(1);
        self.free.push((id & 0xFFFF_FFFF) as u32);
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots - self.free.len()
    }

    /// Whether the table is full.
    pub(crate) const fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots >= self.max
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.chunks.iter().flatten().enumerate().filter_map(|(index, slot)| {
            let value = slot.value.as_ref()?;
            Some((u64::from(slot.generation) << 32 | index as u64, value))
        })
    }

    fn slot_mut(&mut self, id: u64) -> Option<&mut Slot<T>> {
        let index = (id & 0xFFFF_FFFF) as usize;
        self.chunks.get_mut(index >> CHUNK_BITS)?.get_mut(index % CHUNK)
    }

    /// Adds one slot.
    fn grow(&mut self) -> Option<u32> {
        if self.slots.is_multiple_of(CHUNK) {
            // The first one grows with use: most tables stay small.
            self.chunks.push(if self.slots == 0 { Vec::new() } else { Vec::with_capacity(CHUNK) });
        }
        self.chunks.last_mut()?.push(Slot { generation: 1, value: None });
        self.slots += 1;
        u32::try_from(self.slots - 1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_does_not_find_the_new_tenant_of_its_slot() {
        let mut arena = Arena::new(1);
        let old = arena.insert('a').unwrap();
        assert!(arena.is_full());
        assert_eq!(arena.insert('b'), None);
        assert_eq!(arena.remove(old), Some('a'));
        let new = arena.insert('b').unwrap();
        assert_eq!((arena.get(old), arena.get(new), arena.len()), (None, Some(&'b'), 1));
    }

    #[test]
    fn values_stay_where_they_are_while_others_come() {
        let mut arena = Arena::new(3 * CHUNK + 1);
        let mut ids: Vec<u64> = (0..=CHUNK).map(|n| arena.insert(n).unwrap()).collect();
        let place: *const usize = arena.get(ids[CHUNK]).unwrap();
        ids.extend((CHUNK + 1..=3 * CHUNK).map(|n| arena.insert(n).unwrap()));
        assert!(arena.is_full() && arena.insert(0).is_none());
        assert_eq!((arena.get(ids[CHUNK]).unwrap() as *const usize, arena.len()), (place, 3 * CHUNK + 1));
        assert!(ids.iter().zip(0..).all(|(id, n)| arena.get(*id) == Some(&n)));
        assert_eq!(arena.iter().map(|(_, n)| *n).collect::<Vec<_>>(), (0..=3 * CHUNK).collect::<Vec<_>>());
    }
}
