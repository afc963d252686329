//! A bounded table whose ids are never mistaken: each carries the generation of its slot.

/// Values by 64-bit id: slot in the low half, generation in the high half.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    max: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Arena<T> {
    pub(crate) const fn new(max: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), max }
    }

    /// Stores `value`; none when the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Option<u64> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < self.max => {
                self.slots.push(Slot { generation: 1, value: None });
                u32::try_from(self.slots.len() - 1).ok()?
            }
            None => return None,
        };
        let slot = self.slots.get_mut(index as usize)?;
        slot.value = Some(value);
        Some(u64::from(slot.generation) << 32 | u64::from(index))
    }

    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        let slot = self.slots.get((id & 0xFFFF_FFFF) as usize)?;
        if u64::from(slot.generation) == id >> 32 { slot.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let slot = self.slots.get_mut((id & 0xFFFF_FFFF) as usize)?;
        if u64::from(slot.generation) == id >> 32 { slot.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let index = id & 0xFFFF_FFFF;
        let slot = self.slots.get_mut(index as usize)?;
        if u64::from(slot.generation) != id >> 32 {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1).max(1);
        self.free.push(index as u32);
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether nothing more can be stored.
    pub(crate) const fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots.len() >= self.max
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let value = slot.value.as_ref()?;
            Some((u64::from(slot.generation) << 32 | index as u64, value))
        })
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
}
