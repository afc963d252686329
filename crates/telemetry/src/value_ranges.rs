//! How the values of a metric are spread: counted by ranges around its thresholds, as histograms of Prometheus have them.

use crate::apdex::ApdexRule;

/// How many bounds lie below the lower threshold, and how many above the upper one: half the distance of the thresholds apart.
const BOUNDS_BELOW: i32 = 2;
const BOUNDS_ABOVE: i32 = 4;
/// Bounds that are no thresholds are rounded to so many parts of one.
const ROUNDED_TO: f64 = 1e6;

/// Counts of values by range, and their sum.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueRanges {
    /// The upper bound of each range, which belongs to it, and the values in it; the last one has no bound.
    ranges: Vec<(f64, u64)>,
    sum: f64,
    count: u64,
}

impl ValueRanges {
    /// Those of a metric with these thresholds, which are bounds themselves.
    pub fn of(rule: &ApdexRule) -> Self {
        let (low, high) = (rule.satisfied.min(rule.tolerated), rule.satisfied.max(rule.tolerated));
        let step = (high - low) / 2.0;
        let further = (1..=BOUNDS_BELOW).map(|steps| low - step * f64::from(steps)).chain([low + step]);
        let further = further.chain((1..=BOUNDS_ABOVE).map(|steps| high + step * f64::from(steps)));
        // What is never below zero needs no bound there.
        let further = further.filter(|bound| low < 0.0 || *bound > 0.0);
        let rounded = further.map(|bound| (bound * ROUNDED_TO).round() / ROUNDED_TO);
        let mut bounds: Vec<f64> = rounded.chain([low, high]).filter(|bound| bound.is_finite()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let ranges = bounds.into_iter().chain([f64::INFINITY]).map(|bound| (bound, 0)).collect();
        Self { ranges, sum: 0.0, count: 0 }
    }

    /// Counts a value.
    pub fn add(&mut self, value: f64) {
        let Some((_, values)) = self.ranges.iter_mut().find(|(bound, _)| value <= *bound) else { return };
        *values += 1;
        self.count += 1;
        self.sum += value;
    }

    /// The upper bound of each range, and how many values are in it.
    pub fn ranges(&self) -> &[(f64, u64)] {
        &self.ranges
    }

    /// The sum of all values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(satisfied: f64, tolerated: f64) -> ApdexRule {
        ApdexRule { satisfied, tolerated, is_extended: true }
    }

    fn bounds(satisfied: f64, tolerated: f64) -> Vec<f64> {
        ValueRanges::of(&rule(satisfied, tolerated)).ranges().iter().map(|(bound, _)| *bound).collect()
    }

    #[test]
    fn bounds_lie_around_the_thresholds_whichever_is_the_larger() {
        let of_opinions = [0.4, 1.2, 2.0, 2.8, 3.6, 4.4, 5.2, 6.0, 6.8, f64::INFINITY];
        assert_eq!(bounds(3.6, 2.0), of_opinions);
        assert_eq!(bounds(2.0, 3.6), of_opinions);
        // A time is never negative.
        assert_eq!(bounds(200.0, 500.0), [50.0, 200.0, 350.0, 500.0, 650.0, 800.0, 950.0, 1_100.0, f64::INFINITY]);
        assert_eq!(bounds(-1.0, -3.0)[..3], [-5.0, -4.0, -3.0]);
        assert_eq!(bounds(7.0, 7.0), [7.0, f64::INFINITY]);
        assert_eq!(bounds(f64::MIN, f64::MAX), [f64::MIN, f64::MAX, f64::INFINITY]);
    }

    #[test]
    fn a_bound_belongs_to_the_range_below_it() {
        let mut ranges = ValueRanges::of(&rule(1.0, 1.0));
        for value in [0.5, 1.0, 1.5] {
            ranges.add(value);
        }
        assert_eq!(ranges.ranges(), [(1.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((ranges.count(), ranges.sum()), (3, 3.0));
    }

    proptest! {
        #[test]
        fn bounds_grow_and_each_value_is_in_one_range(
            satisfied in -1e9_f64..1e9,
            tolerated in -1e9_f64..1e9,
            values in proptest::collection::vec(-1e10_f64..1e10, 0..50),
        ) {
            let mut ranges = ValueRanges::of(&rule(satisfied, tolerated));
            for value in &values {
                ranges.add(*value);
            }
            prop_assert!(ranges.ranges().is_sorted_by(|(a, _), (b, _)| a < b));
            for threshold in [satisfied, tolerated] {
                prop_assert!(ranges.ranges().iter().any(|(bound, _)| *bound == threshold));
            }
            let in_ranges: u64 = ranges.ranges().iter().map(|(_, values)| values).sum();
            prop_assert_eq!((in_ranges, ranges.count()), (values.len() as u64, values.len() as u64));
        }
    }
}
