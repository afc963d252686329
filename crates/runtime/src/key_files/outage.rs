//! How often a failure that lasts is told.

use std::time::Duration;

use model::Timestamp;

/// So long after it was told last, a failure that lasts is told again.
const TOLD_EACH: Duration = Duration::from_secs(60);

/// Attempts that fail one after the other.
#[derive(Default)]
pub(super) struct Outage {
    /// When one of them was told last.
    told: Option<Timestamp>,
}

impl Outage {
    /// Counts a failure. Returns whether it is to be told: it is the first, or nothing was told for a while.
    pub fn failed(&mut self, now: Timestamp) -> bool {
        let is_told = self.told.is_some_and(|at| now.since(at) < TOLD_EACH);
        if !is_told {
            self.told = Some(now);
        }
        !is_told
    }

    /// An attempt has succeeded. Returns whether others have failed before it.
    pub fn succeeded(&mut self) -> bool {
        self.told.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outage_is_told_at_once_and_then_each_minute() {
        let (mut outage, begin) = (Outage::default(), Timestamp::from_millis(1_000));
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(!outage.succeeded());
        let told = [0, 1, 59, 60, 61, 120].map(|seconds| outage.failed(at(seconds)));
        assert_eq!(told, [true, false, false, true, false, true]);
        assert!(outage.succeeded() && !outage.succeeded());
        assert!(outage.failed(at(121)), "the next one, with the same fault");
    }
}
