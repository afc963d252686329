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

/// What of a bounded queue is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFill {
    /// What waits.
    pub waiting: usize,
    /// What may wait at most.
    pub room: usize,
}

impl QueueFill {
    /// Whether something of that importance and size is taken. The fuller the queue, the less of what matters little: detail up to half of
    /// it, what is usual up to three quarters, what is notable up to nine percent.
    pub fn takes(self, importance: Importance, size: usize) -> bool {
        let percent = match importance {
            Importance::Detail => 50,
            Importance::Usual => 75,
            Importance::Notable => 90,
            Importance::Grave => 100,
        };
        let (waiting, room) = (self.waiting.saturating_add(size), self.room);
        waiting <= room / 100 * percent
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
        let takes = |waiting| ALL.map(|importance| QueueFill { waiting, room: 1_000 }.takes(importance, 1));
        assert_eq!(takes(0), [true; 4]);
        assert_eq!(takes(600), [false, true, true, true]);
        assert_eq!(takes(800), [false, false, true, true]);
        assert_eq!(takes(950), [false, false, false, true]);
        assert_eq!(takes(1_000), [false; 4]);
    }

    proptest! {
        #[test]
        fn what_matters_more_is_taken_if_what_matters_less_is(waiting in 0_usize..2_000, room in 0_usize..2_000, size in 0_usize..2_000) {
            let taken = ALL.map(|importance| QueueFill { waiting, room }.takes(importance, size));
            prop_assert!(taken.is_sorted());
            prop_assert!(!taken[3] || waiting + size <= room);
        }
    }
}
