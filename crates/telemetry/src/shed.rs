//! What goes first when there is too much.

use crate::batch::{ItemKind, ItemLevel};

/// How much an item matters, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Spans and what is for developers.
    Detail,
    /// Logs and events as usual.
    Usual,
    /// Measured numbers, and warnings.
    Notable,
    /// Errors, and what is monitored.
    Grave,
}

impl Importance {
    /// Of an item; whoever monitors it needs it.
    pub fn of(kind: ItemKind, level: ItemLevel, is_monitored: bool) -> Self {
        match (kind, level) {
            _ if is_monitored || level == ItemLevel::Error => Self::Grave,
            (ItemKind::Metric, _) | (_, ItemLevel::Warn) => Self::Notable,
            (ItemKind::Span, _) | (_, ItemLevel::Debug) => Self::Detail,
            _ => Self::Usual,
        }
    }
}

/// What of a bounded queue is taken that tenants share.
///
/// A tenant may have a multiple of what is left for all (dynamic thresholds, as for shared packet buffers: Choudhury and Hahne, 1998): one
/// that floods the queue leaves room for others, and of what is its own the least important goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFill {
    /// What waits of the tenant.
    pub own: usize,
    /// What waits of all tenants.
    pub waiting: usize,
    /// What may wait at most.
    pub room: usize,
}

impl QueueFill {
    /// Whether something of that importance and size is taken. What a tenant has may be half of what is left then for detail, as much for
    /// what is usual, twice as much for what is notable, three times as much for what is grave: a third, a half, two thirds and three
    /// quarters of a queue that nobody else uses.
    pub fn takes(self, importance: Importance, size: usize) -> bool {
        let halves = match importance {
            Importance::Detail => 1,
            Importance::Usual => 2,
            Importance::Notable => 4,
            Importance::Grave => 6,
        };
        let Some(left) = self.room.checked_sub(self.waiting.saturating_add(size)) else { return false };
        self.own.saturating_add(size).saturating_mul(2) <= left.saturating_mul(halves)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Importance; 4] = [Importance::Detail, Importance::Usual, Importance::Notable, Importance::Grave];

    #[test]
    fn errors_and_what_is_monitored_go_last() {
        assert_eq!(Importance::of(ItemKind::Log, ItemLevel::Error, false), Importance::Grave);
        assert_eq!(Importance::of(ItemKind::Span, ItemLevel::Debug, true), Importance::Grave);
        assert_eq!(Importance::of(ItemKind::Metric, ItemLevel::Debug, false), Importance::Notable);
        assert_eq!(Importance::of(ItemKind::Event, ItemLevel::Info, false), Importance::Usual);
        assert_eq!(Importance::of(ItemKind::Span, ItemLevel::Info, false), Importance::Detail);
        let takes = |own, waiting| ALL.map(|importance| QueueFill { own, waiting, room: 1_000 }.takes(importance, 1));
        assert_eq!(takes(0, 0), [true; 4]);
        assert_eq!(takes(400, 400), [false, true, true, true]);
        assert_eq!(takes(600, 600), [false, false, true, true]);
        assert_eq!(takes(700, 700), [false, false, false, true]);
        assert_eq!(takes(750, 750), [false; 4]);
        assert_eq!(takes(0, 750), [true; 4], "another tenant's");
        assert_eq!(takes(0, 1_000), [false; 4]);
    }

    proptest! {
        #[test]
        fn what_matters_more_is_taken_if_what_matters_less_is(
            own in 0_usize..2_000,
            others in 0_usize..2_000,
            room in 0_usize..2_000,
            size in 0_usize..2_000,
        ) {
            let waiting = own + others;
            let taken = ALL.map(|importance| QueueFill { own, waiting, room }.takes(importance, size));
            prop_assert!(taken.is_sorted());
            prop_assert!(!taken[3] || waiting + size <= room);
        }

        #[test]
        fn whatever_one_tenant_has_sent_others_find_room(sizes in proptest::collection::vec(1_usize..500, 1..200)) {
            const ROOM: usize = 1_000;
            let mut greedy = 0;
            for size in sizes {
                if (QueueFill { own: greedy, waiting: greedy, room: ROOM }).takes(Importance::Grave, size) {
                    greedy += size;
                }
            }
            let other = QueueFill { own: 0, waiting: greedy, room: ROOM };
            prop_assert!(other.takes(Importance::Detail, ROOM / 16) && other.takes(Importance::Grave, ROOM / 6));
        }
    }
}
