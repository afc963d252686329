//! Apdex: how many users are satisfied, as (satisfied + tolerating / 2) / all, over a window of some minutes.

use std::time::Duration;

use model::Timestamp;

/// The parts of a window: the oldest is dropped when a new one begins.
const SLOTS: usize = 5;
/// The length of a part.
const SLOT: Duration = Duration::from_secs(60);

/// The thresholds of a metric. Where the satisfied one is the larger, larger values are better, else smaller ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApdexRule {
    /// From here on a user is satisfied.
    pub satisfied: f64,
    /// From here on a user tolerates it.
    pub tolerated: f64,
    /// Whether its values are counted by range too.
    pub is_extended: bool,
}

/// What a value means for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApdexZone {
    /// All is well.
    Satisfied,
    /// It is noticed.
    Tolerating,
    /// It is too bad.
    Frustrated,
}

impl ApdexRule {
    /// What a value means.
    pub fn zone(&self, value: f64) -> ApdexZone {
        let is_larger_better = self.satisfied >= self.tolerated;
        let reaches = |threshold: f64| if is_larger_better { value >= threshold } else { value <= threshold };
        if reaches(self.satisfied) {
            ApdexZone::Satisfied
        } else if reaches(self.tolerated) {
            ApdexZone::Tolerating
        } else {
            ApdexZone::Frustrated
        }
    }
}

/// Counts of one part of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Zones {
    satisfied: u32,
    tolerating: u32,
    all: u32,
}

/// The values of the last five minutes.
#[derive(Clone, Debug, Default)]
pub struct ApdexWindow {
    slots: [Zones; SLOTS],
    /// The number of the newest part since 1970.
    newest: u64,
}

impl ApdexWindow {
    /// Counts a value.
    pub fn add(&mut self, zone: ApdexZone, now: Timestamp) {
        self.move_to(now);
        let Some(slot) = self.slots.get_mut(index(self.newest)) else { return };
        slot.all = slot.all.saturating_add(1);
        match zone {
            ApdexZone::Satisfied => slot.satisfied = slot.satisfied.saturating_add(1),
            ApdexZone::Tolerating => slot.tolerating = slot.tolerating.saturating_add(1),
            ApdexZone::Frustrated => {}
        }
    }

    /// The Apdex, from 0 to 1; none while the window has no value.
    pub fn score(&mut self, now: Timestamp) -> Option<f64> {
        self.move_to(now);
        let sum = |count: fn(&Zones) -> u32| self.slots.iter().map(|slot| f64::from(count(slot))).sum::<f64>();
        let all = sum(|zones| zones.all);
        (all > 0.0).then(|| (sum(|zones| zones.satisfied) + sum(|zones| zones.tolerating) / 2.0) / all)
    }

    fn move_to(&mut self, now: Timestamp) {
        let number = now.as_secs() / SLOT.as_secs();
        // A clock that goes back stays in the newest part.
        let passed = number.saturating_sub(self.newest);
        for gone in 1..=passed.min(SLOTS as u64) {
            if let Some(slot) = self.slots.get_mut(index(self.newest + gone)) {
                *slot = Zones::default();
            }
        }
        self.newest += passed;
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number % SLOTS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOS: ApdexRule = ApdexRule { satisfied: 3.6, tolerated: 2.0, is_extended: false };
    const SECONDS: ApdexRule = ApdexRule { satisfied: 1.0, tolerated: 4.0, is_extended: false };

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    #[test]
    fn the_order_of_the_thresholds_says_which_way_is_better() {
        let zones = |rule: ApdexRule, values: [f64; 3]| values.map(|value| rule.zone(value));
        let all = [ApdexZone::Satisfied, ApdexZone::Tolerating, ApdexZone::Frustrated];
        assert_eq!(zones(MOS, [3.6, 2.0, 1.9]), all);
        assert_eq!(zones(SECONDS, [1.0, 4.0, 4.1]), all);
    }

    #[test]
    fn the_score_is_that_of_the_last_minutes() {
        let mut window = ApdexWindow::default();
        assert_eq!(window.score(at(1_000_000)), None);
        for zone in [ApdexZone::Satisfied, ApdexZone::Satisfied, ApdexZone::Tolerating, ApdexZone::Frustrated] {
            window.add(zone, at(1_000_000));
        }
        assert_eq!(window.score(at(1_000_100)), Some(0.625));
        assert_eq!(window.score(at(1_000_400)), None, "they are gone");
        window.add(ApdexZone::Tolerating, at(1_000_400));
        window.add(ApdexZone::Tolerating, at(900_000));
        assert_eq!(window.score(at(1_000_400)), Some(0.5), "a clock that goes back changes nothing");
    }

    proptest! {
        #[test]
        fn a_score_is_a_share(values in proptest::collection::vec((0.0_f64..10.0, 0_u64..400), 1..200)) {
            let mut window = ApdexWindow::default();
            let mut now = 1_000_000;
            for (value, later) in values {
                now += later;
                window.add(SECONDS.zone(value), at(now));
            }
            let score = window.score(at(now)).unwrap();
            prop_assert!((0.0..=1.0).contains(&score));
        }
    }
}
