//! One statistic: buckets that its actions fill, and the value that its category computes from them.

use std::collections::VecDeque;
use std::time::Duration;

use model::Timestamp;

use super::running::Running;
use super::snapshot::BucketSnapshot;
use crate::action::{Action, ActionKind};
use crate::definition::{Category, Request};
use crate::filter::Facts;
use crate::profile::{Profile, Zone};
use crate::value::Value;

/// The id of an open statistic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StatisticId(pub(super) u32);

/// One bucket of a sliding profile, as returned to a reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bin {
    /// The start of the bucket.
    pub from: Timestamp,
    /// The number of occurrences; for `MaxNumber` the greatest number at the same time.
    pub number: u64,
    /// The sum of their durations.
    pub time: Duration,
    /// How many of them were within the statistic's time range.
    pub in_range: u64,
}

/// The counts of one interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Bucket {
    /// For growing and since-login profiles: the start of the interval, in microseconds. For sliding profiles: the number of the step.
    pub(super) slot: u64,
    pub(super) number: u64,
    pub(super) time: u64,
    pub(super) longest: u64,
    pub(super) shortest: u64,
    /// Occurrences of the main mask within the first range.
    pub(super) in_range: u64,
    pub(super) relative_number: u64,
    pub(super) relative_time: u64,
    /// Occurrences of the relative mask within the second range.
    pub(super) relative_in_range: u64,
    /// The sum of the durations' portions within the interval.
    pub(super) portion: u64,
}

impl Bucket {
    fn add(&mut self, other: &Self) {
        self.shortest = match (self.number, other.number) {
            (0, _) => other.shortest,
            (_, 0) => self.shortest,
            _ => self.shortest.min(other.shortest),
        };
        self.number += other.number;
        self.time += other.time;
        self.longest = self.longest.max(other.longest);
        self.in_range += other.in_range;
        self.relative_number += other.relative_number;
        self.relative_time += other.relative_time;
        self.relative_in_range += other.relative_in_range;
        self.portion += other.portion;
    }
}

/// An occurrence, as a statistic sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occurrence<'a> {
    pub(super) action: Action,
    /// When it began to count.
    pub(super) from: Timestamp,
    pub(super) at: Timestamp,
    /// Its duration.
    pub(super) duration: Duration,
    pub(super) facts: Facts<'a>,
}

#[derive(Clone, Debug)]
pub(super) struct Statistic {
    pub(super) request: Request,
    pub(super) object: u32,
    pub(super) holders: u32,
    /// One bucket, or the buckets of the window, oldest first.
    pub(super) buckets: VecDeque<Bucket>,
    /// For `MaxNumber`: the number in progress now.
    pub(super) level: u64,
    /// The value last reported to the holder, in the unit of the insensitivity.
    pub(super) told: u64,
    pub(super) is_told: bool,
}

impl Statistic {
    pub(super) fn new(request: Request, object: u32) -> Self {
        Self { request, object, holders: 1, buckets: VecDeque::new(), level: 0, told: 0, is_told: false }
    }

    /// The slot of a time; `None` if the statistic has no interval.
    pub(super) fn slot(&self, at: Timestamp, zone: &Zone, login: Option<Timestamp>) -> Option<u64> {
        if self.request.definition.category.is_current() {
            return None;
        }
        self.request.profile.slot(zone, at, login)
    }

    /// Forgets counts of intervals that are none by the clocks of this zone. A later one of them would keep the present one from counting.
    pub(super) fn keep_slots_of(&mut self, zone: &Zone) {
        let profile = &self.request.profile;
        self.buckets.retain(|bucket| profile.has_slot(zone, bucket.slot));
    }

    /// Whether the value may be another one when the interval of this number, or a later one, ends.
    pub(super) fn rolls(&self, ended: u64) -> bool {
        // Of what goes on, the part before the new interval counts no more.
        let goes_on = self.request.definition.category == Category::TotalAdjustedTime;
        goes_on || self.buckets.back().is_some_and(|newest| newest.slot + self.slots_kept() > ended)
    }

    fn slots_kept(&self) -> u64 {
        match &self.request.profile {
            Profile::Sliding { window_s, step_s } => u64::from(window_s / (*step_s).max(1)),
            _ => 1,
        }
    }

    /// The bucket of that slot; `None` if the slot has left the window.
    fn bucket(&mut self, slot: u64) -> Option<&mut Bucket> {
        let kept = self.slots_kept();
        let newest = self.buckets.back().map(|bucket| bucket.slot);
        if newest.is_none_or(|newest| slot > newest) {
            self.buckets.push_back(Bucket { slot, ..Bucket::default() });
            let oldest = if kept == 1 { slot } else { (slot + 1).saturating_sub(kept) };
            while self.buckets.front().is_some_and(|bucket| bucket.slot < oldest) {
                self.buckets.pop_front();
            }
            return self.buckets.back_mut();
        }
        let place = self.buckets.partition_point(|bucket| bucket.slot < slot);
        match self.buckets.get(place) {
            Some(bucket) if bucket.slot == slot => {}
            // A profile with one bucket has finished earlier intervals. A window may lack the bucket of a slot without actions.
            _ if kept == 1 || newest.is_some_and(|newest| slot + kept <= newest) => return None,
            _ => self.buckets.insert(place, Bucket { slot, ..Bucket::default() }),
        }
        self.buckets.get_mut(place)
    }

    // === input ===

    /// Counts an occurrence of its masks. Returns whether it counted.
    pub(super) fn count(&mut self, occurrence: &Occurrence<'_>, slot: Option<u64>) -> bool {
        if self.request.filter.as_ref().is_some_and(|filter| !filter.admits(&occurrence.facts)) {
            return false;
        }
        let Some(slot) = slot else { return false };
        let (range, second) = (self.request.range, self.request.second_range);
        let d = &self.request.definition;
        let (main, relative) = (d.main.contains(occurrence.action), d.relative.contains(occurrence.action));
        let is_durable = occurrence.action.kind() == ActionKind::Durable;
        let whole = micros(occurrence.duration);
        let in_interval = match self.request.profile {
            Profile::Growing { .. } | Profile::SinceLogin => Timestamp::from_micros(slot),
            _ => Timestamp::ZERO,
        };
        let Some(bucket) = self.bucket(slot) else { return false };
        if main {
            bucket.shortest = if bucket.number == 0 { whole } else { bucket.shortest.min(whole) };
            bucket.number += 1;
            bucket.time += whole;
            bucket.longest = bucket.longest.max(whole);
            bucket.in_range += u64::from(range.is_some_and(|range| range.holds(occurrence.duration)));
            if is_durable {
                bucket.portion += micros(occurrence.at.since(occurrence.from.max(in_interval)));
            }
        }
        if relative {
            bucket.relative_number += 1;
            bucket.relative_time += whole;
            bucket.relative_in_range += u64::from(second.is_some_and(|range| range.holds(occurrence.duration)));
        }
        true
    }

    /// For `MaxNumber`: the number in progress changes to `level` at this slot.
    pub(super) fn level(&mut self, slot: Option<u64>, level: u64) {
        let Some(slot) = slot else { return };
        let before = self.level;
        self.level = level;
        // The earlier number also applies to each interval since the last change.
        let last = self.buckets.back().map_or(slot, |bucket| bucket.slot);
        let from = last.max((slot + 1).saturating_sub(self.slots_kept()));
        if self.slots_kept() > 1 {
            for between in from + 1..=slot {
                if let Some(bucket) = self.bucket(between) {
                    bucket.number = bucket.number.max(before);
                }
            }
        }
        let begins = self.buckets.back().is_none_or(|bucket| bucket.slot < slot);
        if let Some(bucket) = self.bucket(slot) {
            if begins {
                bucket.number = before;
            }
            bucket.number = bucket.number.max(level);
        }
    }

    // === values ===

    /// Its value at `now`, whose slot is `slot`; `running` contains the durable actions in progress on its object.
    pub(super) fn value(&self, now: Timestamp, slot: Option<u64>, running: &Running) -> Value {
        let category = self.request.definition.category;
        if category.is_current() {
            return self.current(now, running);
        }
        let Some(slot) = slot else { return Value::None };
        let mut sum = Bucket::default();
        for bucket in self.in_window(slot) {
            sum.add(bucket);
        }
        let number = Value::Number(sum.number);
        match category {
            Category::TotalNumberInTimeRange => Value::Number(sum.in_range),
            Category::TotalTime => time(sum.time),
            Category::TotalAdjustedTime => time(sum.portion + self.running_portion(now, slot, running)),
            Category::MaxTime => time(sum.longest),
            Category::MinTime => time(sum.shortest),
            Category::MaxNumber => Value::Number(self.greatest(slot)),
            Category::AverageTime => {
                let by = if self.request.definition.relative.is_empty() { sum.number } else { sum.relative_number };
                time(sum.time.checked_div(by).unwrap_or(0))
            }
            Category::RelativeNumber => ratio(sum.number, sum.relative_number, 1.0),
            Category::RelativeNumberPercentage => ratio(sum.number, sum.relative_number, 100.0),
            Category::RelativeTimePercentage => ratio(sum.time, sum.relative_time, 100.0),
            Category::TotalNumberInTimeRangePercentage => ratio(sum.in_range, sum.number, 100.0),
            Category::ServiceFactor1 => {
                let of = (sum.number + sum.relative_number).saturating_sub(sum.relative_in_range);
                ratio(sum.in_range, of, 100.0)
            }
            _ => number,
        }
    }

    fn in_window(&self, slot: u64) -> impl Iterator<Item = &Bucket> {
        let oldest = (slot + 1).saturating_sub(self.slots_kept());
        let kept = self.slots_kept();
        self.buckets.iter().filter(move |b| if kept == 1 { b.slot == slot } else { (oldest..=slot).contains(&b.slot) })
    }

    fn greatest(&self, slot: u64) -> u64 {
        let known = self.in_window(slot).map(|bucket| bucket.number).max().unwrap_or(0);
        // The number in progress has not changed since the last change of level.
        known.max(self.level)
    }

    fn running_portion(&self, now: Timestamp, slot: u64, running: &Running) -> u64 {
        let begin = Timestamp::from_micros(slot);
        let masks = self.request.definition.main.iter();
        masks
            .flat_map(|action| running.of(self.request.definition.subject, action))
            .map(|(_, from)| micros(now.since(from.max(begin))))
            .sum()
    }

    fn current(&self, now: Timestamp, running: &Running) -> Value {
        let d = &self.request.definition;
        let since = || d.main.iter().flat_map(|action| running.of(d.subject, action)).map(|(since, _)| since);
        let count = || d.main.iter().map(|action| running.count(d.subject, action)).sum::<usize>() as u64;
        match d.category {
            Category::CurrentNumber => Value::Number(count()),
            Category::CurrentTime => time(since().map(|since| micros(now.since(since))).sum()),
            Category::CurrentAverageTime => {
                let sum: u64 = since().map(|since| micros(now.since(since))).sum();
                time(sum.checked_div(count()).unwrap_or(0))
            }
            Category::CurrentMaxTime => time(self.oldest(running).map_or(0, |since| micros(now.since(since)))),
            Category::CurrentMinTime => time(since().max().map_or(0, |since| micros(now.since(since)))),
            Category::CurrentNumberInTimeRange => {
                let fits = |since: Timestamp| self.request.range.is_some_and(|range| range.holds(now.since(since)));
                Value::Number(since().filter(|since| fits(*since)).count() as u64)
            }
            _ => Value::None,
        }
    }

    /// When the oldest action in progress began.
    pub(super) fn oldest(&self, running: &Running) -> Option<Timestamp> {
        let d = &self.request.definition;
        d.main.iter().filter_map(|action| running.oldest(d.subject, action)).min()
    }

    pub(super) fn bins(&self, slot: u64) -> Vec<Bin> {
        let Profile::Sliding { step_s, .. } = self.request.profile else { return Vec::new() };
        let from = |slot: u64| Timestamp::from_millis(slot * u64::from(step_s) * 1_000);
        let is_level = self.request.definition.category == Category::MaxNumber;
        let mut buckets = self.in_window(slot).peekable();
        let newest = self.buckets.back().map(|bucket| bucket.slot);
        let oldest = (slot + 1).saturating_sub(self.slots_kept());
        (oldest..=slot)
            .map(|at| match buckets.next_if(|bucket| bucket.slot == at) {
                Some(bucket) => Bin {
                    from: from(at),
                    number: bucket.number,
                    time: Duration::from_micros(bucket.time),
                    in_range: bucket.in_range,
                },
                None => {
                    let goes_on = is_level && newest.is_some_and(|newest| at > newest);
                    Bin {
                        from: from(at),
                        number: if goes_on { self.level } else { 0 },
                        time: Duration::ZERO,
                        in_range: 0,
                    }
                }
            })
            .collect()
    }

    // === notification ===

    /// Converts a value to the unit of the insensitivity.
    pub(super) fn measure(value: &Value) -> u64 {
        match value {
            Value::Number(number) => *number,
            Value::Time(time) => micros(*time),
            Value::Ratio(ratio) => (ratio * 100.0).round() as u64,
            Value::None | Value::State(_) => 0,
        }
    }

    // === snapshot ===

    pub(super) fn snapshot(&self) -> Vec<BucketSnapshot> {
        let bucket = |b: &Bucket| BucketSnapshot {
            counts: [
                b.slot,
                b.number,
                b.time,
                b.longest,
                b.shortest,
                b.in_range,
                b.relative_number,
                b.relative_time,
                b.relative_in_range,
                b.portion,
            ],
        };
        self.buckets.iter().map(bucket).collect()
    }

    pub(super) fn develop(snapshots: &[BucketSnapshot]) -> VecDeque<Bucket> {
        let bucket = |s: &BucketSnapshot| {
            let [
                slot,
                number,
                time,
                longest,
                shortest,
                in_range,
                relative_number,
                relative_time,
                relative_in_range,
                portion,
            ] = s.counts;
            Bucket {
                slot,
                number,
                time,
                longest,
                shortest,
                in_range,
                relative_number,
                relative_time,
                relative_in_range,
                portion,
            }
        };
        snapshots.iter().map(bucket).collect()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

const fn time(micros: u64) -> Value {
    Value::Time(Duration::from_micros(micros))
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn ratio(part: u64, whole: u64, times: f64) -> Value {
    if whole == 0 { Value::None } else { Value::Ratio(times * part as f64 / whole as f64) }
}
