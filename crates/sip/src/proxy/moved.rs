//! Calls whose owner differs from that in their tags, as nodes have reported by 302 (`Trunkline-Owner`).

use std::collections::{HashMap, VecDeque};

use model::{ConnId, Owner};

/// Calls remembered at once: twice those of a node with the default `calls_max`. The next request of a forgotten call takes its
/// detour again.
const MOVED_MAX: usize = 10_000;

/// The owners of such calls.
#[derive(Debug, Default)]
pub(super) struct ReportedOwners {
    owners: HashMap<ConnId, Owner>,
    /// The calls, the oldest first.
    order: VecDeque<ConnId>,
}

impl ReportedOwners {
    /// Records the owner reported by a node.
    pub(super) fn learn(&mut self, call: ConnId, owner: Owner) {
        if self.owners.insert(call, owner).is_some() {
            return;
        }
        self.order.push_back(call);
        if self.order.len() > MOVED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.owners.remove(&oldest);
        }
    }

    pub(super) fn owner_of(&self, call: ConnId) -> Option<&Owner> {
        self.owners.get(&call)
    }

    /// An owner is no longer live; its calls get another one.
    pub(super) fn forget(&mut self, gone: &Owner) {
        self.owners.retain(|_, owner| owner != gone);
        self.order.retain(|call| self.owners.contains_key(call));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(text: &str) -> Owner {
        text.parse().unwrap()
    }

    #[test]
    fn the_oldest_call_is_forgotten_for_a_new_one() {
        let mut moved = ReportedOwners::default();
        for call in 0..=MOVED_MAX as u64 {
            moved.learn(ConnId(call), owner("a.1"));
            moved.learn(ConnId(call), owner("b.1"));
        }
        assert_eq!((moved.owners.len(), moved.order.len()), (MOVED_MAX, MOVED_MAX));
        assert_eq!(moved.owner_of(ConnId(0)), None);
        assert_eq!(moved.owner_of(ConnId(1)), Some(&owner("b.1")));
    }

    #[test]
    fn what_an_owner_had_is_forgotten_with_it() {
        let mut moved = ReportedOwners::default();
        moved.learn(ConnId(1), owner("a.1"));
        moved.learn(ConnId(2), owner("b.1"));
        moved.forget(&owner("a.1"));
        assert_eq!((moved.owner_of(ConnId(1)), moved.owner_of(ConnId(2))), (None, Some(&owner("b.1"))));
        assert_eq!(moved.order, [ConnId(2)]);
    }
}
