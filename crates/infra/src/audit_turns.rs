//! Whose changes get into the reporting log next: tenants take turns, so that the import of a large one keeps no other waiting. Within a
//! tenant the order stays.

use std::collections::VecDeque;

/// The most changes that a tenant gives before others have their turns.
pub const AUDIT_PART_MAX: u32 = 50;

/// What is read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditTurn {
    /// The tenant.
    pub tenant: String,
    /// Behind the change of that number; 0 for the first that waits.
    pub behind: u64,
    /// The most changes.
    pub at_most: u32,
}

/// The turns of a batch: the tenants whose changes wait, in their order. Who has given a part and may have more stands behind all others.
#[derive(Clone, Debug)]
pub struct AuditTurns {
    waiting: VecDeque<(String, u64)>,
    /// How many more changes, and bytes of them, the batch takes.
    room: u32,
    bytes: usize,
    last: Option<String>,
}

impl AuditTurns {
    /// Those of these tenants, for a batch of so many changes. It ends with the part that brings it to so many bytes.
    pub fn of(tenants: Vec<String>, room: u32, bytes: usize) -> Self {
        Self { waiting: tenants.into_iter().map(|tenant| (tenant, 0)).collect(), room, bytes, last: None }
    }

    /// The next turn; none if the batch is full, or nothing waits.
    pub fn poll_turn(&mut self) -> Option<AuditTurn> {
        if self.room == 0 || self.bytes == 0 {
            return None;
        }
        let (tenant, behind) = self.waiting.pop_front()?;
        Some(AuditTurn { tenant, behind, at_most: self.room.min(AUDIT_PART_MAX) })
    }

    /// A turn has given so many changes, the last of that number, with so many bytes.
    pub fn gave(&mut self, turn: AuditTurn, count: u32, last: u64, bytes: usize) {
        self.room = self.room.saturating_sub(count);
        self.bytes = self.bytes.saturating_sub(bytes);
        if count > 0 {
            self.last = Some(turn.tenant.clone());
        }
        if count >= turn.at_most {
            self.waiting.push_back((turn.tenant, last));
        }
    }

    /// The tenant that has given last; none if none has. The next batch begins behind it.
    pub fn into_last(self) -> Option<String> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many changes each tenant has given, where so many of each wait, by numbers of its own from 1.
    fn given(waiting: &[u32], room: u32) -> Vec<u32> {
        let name = |at: usize| format!("tenant-{at}");
        let mut turns = AuditTurns::of((0..waiting.len()).map(name).collect(), room, usize::MAX);
        let mut given = vec![0; waiting.len()];
        while let Some(turn) = turns.poll_turn() {
            let at = (0..waiting.len()).find(|at| name(*at) == turn.tenant).unwrap();
            assert_eq!(turn.behind, u64::from(given[at]), "each goes on where it was");
            let count = (waiting[at] - given[at]).min(turn.at_most);
            given[at] += count;
            turns.gave(turn, count, u64::from(given[at]), 1);
        }
        given
    }

    proptest! {
        #[test]
        fn nobody_who_waits_is_a_part_behind_another(
            waiting in proptest::collection::vec(0_u32..400, 0..8),
            room in 0_u32..600,
        ) {
            let given = given(&waiting, room);
            let all: u32 = given.iter().sum();
            prop_assert_eq!(all, room.min(waiting.iter().sum()), "the batch is as full as it can be");
            for (one, waits) in given.iter().zip(&waiting) {
                let is_served = one == waits;
                let most = given.iter().max().copied().unwrap_or_default();
                prop_assert!(is_served || most <= one + AUDIT_PART_MAX, "{given:?} of {waiting:?}");
            }
        }
    }

    #[test]
    fn a_batch_ends_with_the_part_that_fills_it_and_the_next_begins_behind_its_tenant() {
        let mut turns = AuditTurns::of(["acme", "bolt", "cork"].map(str::to_owned).into(), 500, 1_000);
        let first = turns.poll_turn().unwrap();
        assert_eq!((first.tenant.as_str(), first.at_most), ("acme", AUDIT_PART_MAX));
        turns.gave(first, AUDIT_PART_MAX, 50, 400);
        let second = turns.poll_turn().unwrap();
        turns.gave(second, 1, 7, 700);
        assert_eq!(turns.poll_turn(), None, "it has 1,100 bytes");
        assert_eq!(turns.into_last().as_deref(), Some("bolt"));
        assert_eq!(AuditTurns::of(vec!["acme".to_owned()], 0, 1).poll_turn(), None);
    }
}
