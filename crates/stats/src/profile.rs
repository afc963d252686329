//! Time profiles, the interval over which a statistic counts, and the tenant's time zone as plain data.

use std::fmt;
use std::time::Duration;

use model::Timestamp;

/// Microseconds of a day without a change of the UTC offset.
const DAY_US: i64 = 86_400 * 1_000_000;
/// The most buckets of a sliding profile.
pub const BUCKETS_MAX: u64 = 1_440;
/// The most resets in a day: each minute.
const RESETS_MAX: usize = 1_440;

/// A time zone: its offsets from UTC, each with its start. The shell knows the rules and gives the engine this table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Zone {
    /// The start of each offset, and the seconds by which local time is ahead of UTC; in order of time. The first offset also applies
    /// before its start.
    offsets: Vec<(Timestamp, i32)>,
}

impl Zone {
    /// UTC.
    pub const fn utc() -> Self {
        Self { offsets: Vec::new() }
    }

    /// A zone with this table of changes.
    pub fn new(mut offsets: Vec<(Timestamp, i32)>) -> Self {
        offsets.sort_unstable();
        Self { offsets }
    }

    fn offset_us(&self, at: Timestamp) -> i64 {
        let next = self.offsets.partition_point(|(from, _)| *from <= at);
        let (_, seconds) = self.offsets.get(next.saturating_sub(1)).copied().unwrap_or_default();
        i64::from(seconds) * 1_000_000
    }

    /// Converts the local time `local` (µs since the epoch, as if it were UTC) to a timestamp. A local time that the clocks skip gives the
    /// time of the change; one that they show twice gives the first of the two.
    fn moment(&self, local: i64) -> Timestamp {
        let at = |us: i64| Timestamp::from_micros(u64::try_from(us).unwrap_or(0));
        let guess = at(local);
        let around = [guess - Duration::from_secs(86_400), guess + Duration::from_secs(86_400)];
        let mut fitting: Option<Timestamp> = None;
        for offset in around.map(|near| self.offset_us(near)) {
            let moment = at(local - offset);
            if self.offset_us(moment) == offset && fitting.is_none_or(|found| moment < found) {
                fitting = Some(moment);
            }
        }
        // The clocks skip this local time at the change between the two.
        fitting.unwrap_or_else(|| {
            let change = self.offsets.iter().map(|(from, _)| *from).find(|from| *from > around[0]);
            change.unwrap_or_else(|| at(local - self.offset_us(guess)))
        })
    }
}

/// The interval over which a statistic counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Profile {
    /// From the last reset to now. Resets are times of day in seconds after midnight, in order, by the tenant's clocks.
    Growing {
        /// The times of day at which the count restarts.
        resets: Vec<u32>,
    },
    /// The last buckets of `step_s` seconds that make up `window_s`, including the present one.
    Sliding {
        /// The length of the window.
        window_s: u32,
        /// The length of a bucket.
        step_s: u32,
    },
    /// The last occurrences, by number. Not implemented.
    Selection {
        /// The number of occurrences.
        last: u32,
    },
    /// Since the agent's last login.
    SinceLogin,
}

impl Profile {
    /// The day, from midnight by the tenant's clocks.
    pub fn day() -> Self {
        Self::Growing { resets: vec![0] }
    }

    /// Parses a growing profile: times of day as `00:00`, separated by commas, each with an optional period as `+0:30`.
    ///
    /// # Errors
    /// Returns a description of the fault.
    pub fn growing(text: &str) -> Result<Self, String> {
        let mut resets = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (time, period) = part.split_once('+').map_or((part, None), |(time, period)| (time, Some(period)));
            let first =
                clock(time.trim()).filter(|s| *s < 86_400).ok_or_else(|| format!("{time:?} is no time of day"))?;
            match period {
                None => resets.push(first),
                Some(period) => {
                    let every = clock(period.trim()).filter(|s| *s >= 60);
                    let every = every.ok_or_else(|| format!("{period:?} is no period of a minute or more"))?;
                    resets.extend((first..86_400).step_by(every as usize));
                }
            }
        }
        resets.sort_unstable();
        resets.dedup();
        if resets.len() > RESETS_MAX {
            return Err(format!("more than {RESETS_MAX} resets a day"));
        }
        Ok(Self::Growing { resets })
    }

    /// A description of the profile's fault, if any.
    pub(crate) fn fault(&self) -> Option<String> {
        match self {
            Self::Growing { resets } if resets.is_empty() => Some("a growing profile needs a reset time".to_owned()),
            Self::Growing { resets } if resets.iter().any(|s| *s >= 86_400) => {
                Some("a reset is not within the day".to_owned())
            }
            Self::Growing { resets } if !resets.is_sorted() => Some("the resets are not in order".to_owned()),
            Self::Sliding { window_s, step_s } => {
                let fits = *step_s > 0 && window_s % step_s == 0 && *window_s > 0;
                let buckets = u64::from(window_s / (*step_s).max(1));
                (!fits || buckets > BUCKETS_MAX)
                    .then(|| format!("a sliding window must be 1 to {BUCKETS_MAX} whole steps"))
            }
            Self::Selection { .. } => Some("profile Selection is not implemented".to_owned()),
            _ => None,
        }
    }

    /// The start and end of the growing profile's interval that contains `at`. Moments are in the order of their local times, so each day
    /// is searched by halves: a profile with many resets costs little more than one with few.
    pub(crate) fn interval(resets: &[u32], zone: &Zone, at: Timestamp) -> (Timestamp, Timestamp) {
        let local = i64::try_from(at.as_micros()).unwrap_or(i64::MAX).saturating_add(zone.offset_us(at));
        let midnight = local.div_euclid(DAY_US) * DAY_US;
        let (mut begin, mut end) = (Timestamp::ZERO, Timestamp::MAX);
        for day in [-1, 0, 1, 2] {
            let moment = |reset: &u32| zone.moment(midnight + day * DAY_US + i64::from(*reset) * 1_000_000);
            let passed = resets.partition_point(|reset| moment(reset) <= at);
            if let Some(last) = passed.checked_sub(1).and_then(|last| resets.get(last)) {
                begin = moment(last);
            }
            if let Some(next) = resets.get(passed) {
                end = moment(next);
                break;
            }
        }
        (begin, end)
    }

    /// The number of the interval that contains `at`: of a growing profile its start in microseconds, of a sliding one the number of the
    /// step. `login` is when the agent logged in, for a profile since then.
    pub(crate) fn slot(&self, zone: &Zone, at: Timestamp, login: Option<Timestamp>) -> Option<u64> {
        match self {
            Self::Growing { resets } => Some(Self::interval(resets, zone, at).0.as_micros()),
            Self::Sliding { step_s, .. } => Some(at.as_secs() / u64::from(*step_s).max(1)),
            Self::SinceLogin => login.map(Timestamp::as_micros),
            Self::Selection { .. } => None,
        }
    }

    /// When the interval that contains `from` ends; none for a profile whose intervals end by events alone.
    pub(crate) fn boundary(&self, zone: &Zone, from: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Growing { resets } => Some(Self::interval(resets, zone, from).1),
            Self::Sliding { step_s, .. } => {
                let step = u64::from(*step_s).max(1);
                Some(Timestamp::from_millis((from.as_secs() / step + 1) * step * 1_000))
            }
            Self::SinceLogin | Self::Selection { .. } => None,
        }
    }

    /// Whether the interval of this number is one by the clocks of that zone.
    pub(crate) fn has_slot(&self, zone: &Zone, slot: u64) -> bool {
        match self {
            Self::Growing { resets } => {
                Self::interval(resets, zone, Timestamp::from_micros(slot)).0.as_micros() == slot
            }
            _ => true,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Growing { resets } => write!(f, "growing{resets:?}"),
            Self::Sliding { window_s, step_s } => write!(f, "sliding[{window_s},{step_s}]"),
            Self::Selection { last } => write!(f, "selection[{last}]"),
            Self::SinceLogin => f.write_str("since-login"),
        }
    }
}

/// Parses `H:MM` to seconds.
fn clock(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)
}

#[cfg(test)]
mod tests;
