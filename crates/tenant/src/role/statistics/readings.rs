//! Values of statistics: those of parts together, when one has changed by enough to be told, and how it is told.

use std::time::Duration;

use contracts::v1;
use contracts::v1::statistic_reading;
use contracts::v1::{StatisticNotificationMode as Mode, StatisticRefusal as Why};
use model::Timestamp;
use stats::Value;

use super::resolving::{RefusedStatistic, Together};

/// The longest time between two values of a statistic that is told at intervals.
const EVERY_MAX: Duration = Duration::from_secs(86_400);
/// The greatest insensitivity: no value is greater.
const INSENSITIVITY_MAX: u64 = 1_000_000_000;

/// When the holder of a statistic is told a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// When it has changed.
    AtEachChange,
    /// When it has changed by at least so much: a count, seconds, or hundredths of a ratio.
    AtChangesOf(u64),
    /// Each time when so much time has passed.
    Every(Duration),
    /// Once.
    Once,
}

impl Telling {
    /// What a client asks for.
    pub(super) fn read(asked: Option<&v1::StatisticNotification>) -> Result<Self, RefusedStatistic> {
        let Some(asked) = asked else { return Ok(Self::AtEachChange) };
        let faulty = |message: &str| Err(RefusedStatistic::new(Why::Faulty, format!("notification.{message}")));
        match Mode::try_from(asked.mode) {
            Ok(Mode::Unspecified | Mode::Immediate) => Ok(Self::AtEachChange),
            Ok(Mode::Change) => Ok(Self::AtChangesOf(asked.insensitivity.min(INSENSITIVITY_MAX))),
            Ok(Mode::Periodical) if asked.every_s == 0 => faulty("every_s: it is at least 1"),
            Ok(Mode::Periodical) => Ok(Self::Every(Duration::from_secs(asked.every_s.into()).min(EVERY_MAX))),
            Ok(Mode::None) => Ok(Self::Once),
            Err(_) => faulty("mode: there is no such one"),
        }
    }

    /// Whether a change of the value is for this holder at all.
    pub(super) const fn follows_changes(self) -> bool {
        matches!(self, Self::AtEachChange | Self::AtChangesOf(_))
    }

    /// Whether the value is another one than was told, by enough.
    pub(super) fn is_news(self, told: Option<&Value>, now: &Value) -> bool {
        let Some(told) = told else { return true };
        if told == now {
            return false;
        }
        let Self::AtChangesOf(least) = self else { return true };
        match (told, now) {
            (Value::Number(told), Value::Number(now)) => told.abs_diff(*now) >= least,
            (Value::Time(told), Value::Time(now)) => told.abs_diff(*now) >= Duration::from_secs(least),
            (Value::Ratio(told), Value::Ratio(now)) => hundredths(*told).abs_diff(hundredths(*now)) >= least,
            // It begins or ceases to have a value, or is a state.
            _ => true,
        }
    }
}

/// A ratio in the unit of insensitivities.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ratios are not negative, and far below 2^64"
)]
fn hundredths(ratio: f64) -> u64 {
    (ratio * 100.0).round() as u64
}

/// One value of those of all parts.
pub(super) fn together(how: Together, parts: impl Iterator<Item = Value>) -> Value {
    let mut parts = parts;
    match how {
        Together::One => parts.next().unwrap_or(Value::None),
        Together::SumOfNumbers => Value::Number(parts.map(|part| part.number()).sum()),
        Together::SumOfTimes => Value::Time(parts.filter_map(|part| part.time()).sum()),
        Together::GreatestTime => Value::Time(parts.filter_map(|part| part.time()).max().unwrap_or_default()),
    }
}

/// How a value is told.
pub(super) fn told(value: Value, since: Option<Timestamp>, now: Timestamp) -> v1::StatisticReading {
    use statistic_reading::Value as Told;
    let value = match value {
        Value::None => Told::None(true),
        Value::Number(number) => Told::Number(number),
        Value::Time(time) => Told::DurationUs(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
        Value::Ratio(ratio) => Told::Ratio(ratio),
        Value::State(state) => Told::State(v1::AgentStateReading {
            status: state.status.as_str().to_owned(),
            since_us: state.since.map(Timestamp::as_micros),
            reason: state.reason,
            dn: state.dn,
        }),
    };
    v1::StatisticReading {
        at_us: now.as_micros(),
        counts_since_us: since.map(Timestamp::as_micros),
        value: Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_changes_are_not_told_to_who_wants_great_ones_alone() {
        let telling = Telling::AtChangesOf(3);
        let seconds = |s| Value::Time(Duration::from_secs(s));
        for (told, now, is_news) in [
            (Value::Number(5), Value::Number(7), false),
            (Value::Number(5), Value::Number(8), true),
            (Value::Number(5), Value::Number(2), true),
            (seconds(5), seconds(7), false),
            (seconds(5), seconds(8), true),
            (Value::Ratio(50.0), Value::Ratio(50.02), false),
            (Value::Ratio(50.0), Value::Ratio(50.03), true),
            (Value::None, Value::Ratio(0.0), true),
        ] {
            assert_eq!(telling.is_news(Some(&told), &now), is_news, "{told:?}, then {now:?}");
            assert!(Telling::AtEachChange.is_news(Some(&told), &now), "{told:?}, then {now:?}");
        }
        assert!(telling.is_news(None, &Value::Number(0)));
        assert!(!Telling::AtEachChange.is_news(Some(&Value::None), &Value::None));
    }

    #[test]
    fn a_group_without_agents_has_nobody_and_no_time() {
        let none = || std::iter::empty();
        assert_eq!(together(Together::SumOfNumbers, none()), Value::Number(0));
        assert_eq!(together(Together::GreatestTime, none()), Value::Time(Duration::ZERO));
        assert_eq!(together(Together::One, none()), Value::None);
        let two = [Value::Number(2), Value::None, Value::Number(3)];
        assert_eq!(together(Together::SumOfNumbers, two.into_iter()), Value::Number(5));
    }

    #[test]
    fn intervals_are_at_least_a_second() {
        let asked = |mode: Mode, every_s| v1::StatisticNotification { mode: mode.into(), every_s, insensitivity: 0 };
        assert!(Telling::read(Some(&asked(Mode::Periodical, 0))).is_err());
        let five = Telling::read(Some(&asked(Mode::Periodical, 5)));
        assert_eq!(five, Ok(Telling::Every(Duration::from_secs(5))));
        assert_eq!(Telling::read(None), Ok(Telling::AtEachChange));
        assert!(Telling::read(Some(&v1::StatisticNotification { mode: 99, ..Default::default() })).is_err());
    }
}
