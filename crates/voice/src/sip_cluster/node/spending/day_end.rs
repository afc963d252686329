//! When a day ends: a process whose clock is wrong is not believed, or a day of its own would keep the nodes from counting together.

use std::time::Duration;

use model::Timestamp;

const DAY_US: u64 = 86_400_000_000;
/// The longest day: the one on which summer time ends.
const LONGEST_DAY: Duration = Duration::from_secs(25 * 3_600);
/// By how much the clocks of two processes may differ, and how old an answer of the dial plan may be.
pub const CLOCKS_APART: Duration = Duration::from_secs(60);

/// Whether no day of now ends as late as this.
pub fn is_too_late(day_ends: Timestamp, now: Timestamp) -> bool {
    day_ends > now + LONGEST_DAY + CLOCKS_APART
}

/// The end of the present day, as the dial plan says it. If that cannot be, it is the same time of the day within 24 hours from now: the
/// tenant's midnight, unless summer time begins or ends meanwhile.
pub fn believed(day_ends: Timestamp, now: Timestamp) -> Timestamp {
    if !is_too_late(day_ends, now) && day_ends + CLOCKS_APART >= now {
        return day_ends;
    }
    let now = now.as_micros();
    let today = now - now % DAY_US + day_ends.as_micros() % DAY_US;
    Timestamp::from_micros(if today > now { today } else { today.saturating_add(DAY_US) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: u64, hours: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(days * 86_400 + hours * 3_600)
    }

    #[test]
    fn a_day_that_ends_within_25_hours_is_believed_and_another_ends_at_the_same_time_of_day() {
        let now = at(1_000, 12);
        let minute = Duration::from_secs(60);
        for believable in [now + LONGEST_DAY, now + LONGEST_DAY + minute, at(1_000, 23), now - minute] {
            assert_eq!(believed(believable, now), believable);
        }
        for (said, is) in [(at(1_030, 23), at(1_000, 23)), (at(1_030, 2), at(1_001, 2)), (at(970, 23), at(1_000, 23))] {
            assert_eq!(believed(said, now), is, "{said}");
            assert_eq!(believed(is, now), is, "and that is believed");
        }
        assert_eq!(believed(Timestamp::MAX, now).since(now).as_secs() / 86_400, 0);
        assert!(is_too_late(now + LONGEST_DAY + minute * 2, now));
    }
}
