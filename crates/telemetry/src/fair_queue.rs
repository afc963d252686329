//! A bounded queue that tenants share, and from which several take at a time: each tenant has its share of the room, its turn, and so many
//! of its batches taken at once at most. One whose batches take long delays itself.

use std::collections::{HashMap, VecDeque};

use model::TenantId;

use crate::shed::Importance;
use crate::tenant_loads::{QueueLoad, TenantLoads};

/// The queue.
#[derive(Debug)]
pub struct FairQueue<T> {
    /// What waits and what is taken and not done.
    loads: TenantLoads,
    tenants: HashMap<TenantId, QueuedBatches<T>>,
    /// The tenants of which something waits, whose turn comes first at the front.
    turns: VecDeque<TenantId>,
    /// What may be taken of a tenant at once.
    taken_max: usize,
}

#[derive(Debug)]
struct QueuedBatches<T> {
    waiting: VecDeque<FairBatch<T>>,
    /// Those that are taken and not done.
    taken: usize,
}

/// A batch of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FairBatch<T> {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its size in bytes.
    pub bytes: usize,
    /// What it is.
    pub batch: T,
}

/// There is no room in a queue, or no more of it for that tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

impl<T> FairQueue<T> {
    /// An empty one with so much room, from which so many batches of a tenant are taken at once at most.
    pub fn new(room: QueueLoad, taken_max: usize) -> Self {
        Self { loads: TenantLoads::within(room), tenants: HashMap::new(), turns: VecDeque::new(), taken_max }
    }

    /// Puts a batch at the end of its tenant's.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn put(&mut self, batch: FairBatch<T>) -> Result<(), QueueFull> {
        if !self.loads.room_of(&batch.tenant).takes(Importance::Grave, batch.bytes) {
            return Err(QueueFull);
        }
        self.loads.add(Some(&batch.tenant), batch.bytes);
        let own = self
            .tenants
            .entry(batch.tenant.clone())
            .or_insert_with(|| QueuedBatches { waiting: VecDeque::new(), taken: 0 });
        if own.waiting.is_empty() {
            self.turns.push_back(batch.tenant.clone());
        }
        own.waiting.push_back(batch);
        Ok(())
    }

    /// Takes the next batch: of the tenant of which the fewest are taken, and of several such the one whose turn it is. It counts until
    /// [`Self::done`].
    pub fn take_next(&mut self) -> Option<FairBatch<T>> {
        let taken = |tenant: &TenantId| self.tenants.get(tenant).map_or(0, |own| own.taken);
        let turns = self.turns.iter().map(taken).enumerate().filter(|(_, taken)| *taken < self.taken_max);
        let (turn, _) = turns.min_by_key(|(_, taken)| *taken)?;
        let tenant = self.turns.remove(turn)?;
        let own = self.tenants.get_mut(&tenant)?;
        let batch = own.waiting.pop_front()?;
        own.taken += 1;
        if !own.waiting.is_empty() {
            self.turns.push_back(tenant);
        }
        Some(batch)
    }

    /// A batch that was taken needs no more room.
    pub fn done(&mut self, tenant: &TenantId, bytes: usize) {
        self.loads.remove(Some(tenant), bytes);
        if let Some(own) = self.tenants.get_mut(tenant) {
            own.taken = own.taken.saturating_sub(1);
            if own.taken == 0 && own.waiting.is_empty() {
                self.tenants.remove(tenant);
            }
        }
    }

    /// What waits, with what is taken and not done.
    pub fn load(&self) -> QueueLoad {
        self.loads.all()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(tenant: &str, batch: usize) -> FairBatch<usize> {
        FairBatch { tenant: TenantId::parse(tenant).unwrap(), bytes: 1, batch }
    }

    fn queue(batches: usize, taken_max: usize) -> FairQueue<usize> {
        FairQueue::new(QueueLoad { bytes: 1_000, batches }, taken_max)
    }

    #[test]
    fn tenants_take_turns_and_each_keeps_its_order() {
        let mut queue = queue(100, 100);
        for (tenant, number) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5), ("c", 6)] {
            queue.put(batch(tenant, number)).unwrap();
        }
        let order: Vec<usize> = std::iter::from_fn(|| queue.take_next()).map(|next| next.batch).collect();
        assert_eq!(order, [1, 4, 6, 2, 5, 3]);
    }

    #[test]
    fn a_tenant_whose_batches_take_long_keeps_no_other_waiting() {
        let mut queue = queue(100, 2);
        for number in 0..70 {
            queue.put(batch("slow", number)).unwrap();
        }
        assert_eq!([queue.take_next(), queue.take_next()].map(|next| next.map(|next| next.batch)), [Some(0), Some(1)]);
        assert_eq!(queue.take_next(), None, "it has as many as it may");
        queue.put(batch("other", 100)).unwrap();
        assert_eq!(queue.take_next(), Some(batch("other", 100)));
        queue.done(&batch("slow", 0).tenant, 1);
        assert_eq!(queue.take_next(), Some(batch("slow", 2)));
    }

    #[test]
    fn a_tenant_that_fills_the_queue_leaves_room_to_others() {
        let mut queue = queue(100, 4);
        let taken = (0..200).filter(|number| queue.put(batch("greedy", *number)).is_ok()).count();
        assert_eq!(taken, 75);
        assert_eq!(queue.put(batch("greedy", 0)), Err(QueueFull));
        assert_eq!(queue.put(batch("other", 0)), Ok(()));
        let large = FairBatch { bytes: 1_001, ..batch("third", 0) };
        assert_eq!(queue.put(large), Err(QueueFull));
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken_once_and_leaves_nothing_behind(steps in proptest::collection::vec((0_u8..4, any::<bool>()), 0..300)) {
            let (mut queue, mut put, mut out) = (queue(50, 2), 0, Vec::new());
            let mut taken = 0;
            for (tenant, is_put) in steps {
                if is_put {
                    put += usize::from(queue.put(batch(&tenant.to_string(), 0)).is_ok());
                } else if let Some(next) = queue.take_next() {
                    out.push(next);
                } else if let Some(done) = out.pop() {
                    queue.done(&done.tenant, done.bytes);
                    taken += 1;
                }
                prop_assert_eq!(queue.load().batches, put - taken);
            }
            while let Some(next) = out.pop().or_else(|| queue.take_next()) {
                queue.done(&next.tenant, next.bytes);
                taken += 1;
            }
            prop_assert_eq!((taken, queue.load()), (put, QueueLoad::default()));
            prop_assert!(queue.tenants.is_empty() && queue.turns.is_empty());
        }
    }
}
